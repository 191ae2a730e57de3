/* Splitting a module's work over threads (split.c). */
#ifndef IG_CODEGEN_SPLIT_H
#define IG_CODEGEN_SPLIT_H
#include "codegen/codegen.h"

/* Before the memory plan: rewrites the module's functions to regions of parts for so many threads (see kir_module); 1: leaves it as it is. */
void ig_split(struct kir_module *m, const struct ig_target *t, int threads);
#endif
