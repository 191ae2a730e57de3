/* Layers that quantize their input at run time (docs/numerics.md): float32 in and out, s8 weights, integer products between them. */
#ifndef IG_IR_DYNAMIC_H
#define IG_IR_DYNAMIC_H
#include "ir/graph.h"

/* The largest integer of a conv-like node's input; 0: it is not quantized at run time. */
int ig_dynamic_levels(const struct ig_node *n);
/* Why such a node is not possible; NULL: it is. */
const char *ig_check_dynamic(const struct ig_graph *g, const struct ig_node *n);
/* The scale of n numbers quantized to 0 .. levels, and their zero point. */
float ig_dynamic_params(const float *x, int64_t n, int levels, int32_t *zero);
#endif
