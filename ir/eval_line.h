/* Sums and the like over a line of floats, shared by reductions and normalizations: 16 partial results and the fixed tree (docs/numerics.md). */
#ifndef IG_IR_EVAL_LINE_H
#define IG_IR_EVAL_LINE_H
#include "ir/graph.h"

float ig_line_reduce(enum ig_op op, const float *x, int64_t n); /* one of the reduce_ operations */
#endif
