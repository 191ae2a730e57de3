/* Text, drawing and fingerprints of a graph. */
#ifndef IG_IR_PRINT_H
#define IG_IR_PRINT_H
#include "ir/graph.h"
/* The language itself, in explicit form (typed statements, constants by name), which the frontend reads back to an equal graph. `weights`: the file
   named in the text's weights line, which holds each constant under its layer's name (ig_model_write writes both); NULL: constants are written out
   when small, else only as a fingerprint, which the frontend refuses with a clear error. */
void ig_print(const struct ig_graph *g, FILE *out, const char *weights);
/* Pieces of it, for other writers of the language: a quoted string, `name: value`, a type, `values: [...]` (false: more than `most`, or of a type that
   has no literals; `out` NULL only asks). */
void ig_print_string(FILE *out, const char *s);
void ig_print_attr(FILE *out, const struct ig_attr *a);
void ig_print_type(FILE *out, const struct ig_graph *g, const struct ig_type *t, const char *layout);
bool ig_print_values(FILE *out, const struct ig_tensor *t, int64_t most);
/* Graphviz; nodes coloured by precision. */
void ig_dot(const struct ig_graph *g, FILE *out);
/* 64-bit fingerprint of structure, attributes, types, parameters and constant bytes; equal graphs give equal values on any machine. */
uint64_t ig_hash(const struct ig_graph *g);
uint64_t ig_hash_bytes(const void *p, size_t n, uint64_t seed);
/* Which weights these are: names and data of all constants, in the order of their names. */
uint64_t ig_hash_weights(const struct ig_graph *g);
#endif
