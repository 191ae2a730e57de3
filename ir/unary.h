/* Functions of one number, in the arithmetic of each kind of type: the interpreter applies them to tensors, ir/tables.c tabulates the double ones, and
   lowering emits the float ones. */
#ifndef IG_IR_UNARY_H
#define IG_IR_UNARY_H
#include "ir/graph.h"

/* An operation with its attributes; absent ones have their defaults. */
struct ig_unary {
	enum ig_op op;
	float alpha, beta; /* beta: also selu's gamma */
	double lo, hi;     /* relu, relu6, clip */
	bool tanh;         /* gelu's approximation */
};
struct ig_unary ig_unary_of(const struct ig_node *n);

/* out[i] = f(in[i]) by runtime/qmath.h and qfunc.h; the arrays may be one. */
void ig_unary_floats(const struct ig_unary *u, const float *in, float *out, int64_t n);
double ig_unary_double(const struct ig_unary *u, double x); /* by ir/detmath.h */
int64_t ig_unary_int(const struct ig_unary *u, int64_t x, bool is_signed); /* abs, neg, sign, relu, relu6, clip */
#endif
