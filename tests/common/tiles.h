/* Tile registers in software: what stands for AMX where the CPU has none. Strict: what the instructions would refuse ends the program. */
#ifndef IG_TESTS_TILES_H
#define IG_TESTS_TILES_H
#include "codegen/codegen.h"
extern const struct ig_tile_calls test_tiles;
int64_t test_tile_dots(void); /* products so far */
#endif
