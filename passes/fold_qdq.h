/* fold_qdq in two files: fold_qdq.c finds patterns, fold_qdq_weights.c brings weights and biases to the form that integer operations take. */
#ifndef IG_PASSES_FOLD_QDQ_H
#define IG_PASSES_FOLD_QDQ_H
#include "passes/pass.h"

/* The weight (operand 1) of a conv-like node, a dequantized constant, becomes s8 with zero point 0, its bias i32 (or float32 with bias_mode: float32), for
   an input with the parameters x. False, and nothing changed, when the numbers cannot be expressed so, or sums could leave 32 bits. */
bool ig_fold_qdq_weights(struct ig_graph *g, struct ig_nid id, const struct ig_qparam *x);
#endif
