/* Shared by the files of inference: one function an operation, found through ops.def. */
#ifndef IG_IR_INFER_IMPL_H
#define IG_IR_INFER_IMPL_H
#include "ir/infer.h"

/* Largest number of elements of one tensor, and largest kernel extent, stride, dilation and padding: products of them stay far from overflow. */
#define IG_MAX_ELEMS ((int64_t)0x7fffffff)
#define IG_MAX_EXTENT ((int64_t)1 << 20)

/* Checks operands and attributes and gives the results' shapes and float element types in out[] (q is IG_NOQ, or the input's where values only move). */
typedef bool ig_infer_fn(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out);
#define O(e, text, ...) ig_infer_fn ig_infer_##text;
#include "ir/ops.def"
#undef O

/* Operand `i` must be f32 or quantized (raw bytes, integers: an error that says so). */
bool ig_infer_numeric(const struct ig_graph *g, const struct ig_node *n, int i, struct ig_diag *d);
/* Operand `i` must be of one of the types (bits: ir/number.h), or quantized where the operation's class allows. */
bool ig_infer_types(const struct ig_graph *g, const struct ig_node *n, int i, unsigned types, struct ig_diag *d);
bool ig_infer_rank(const struct ig_graph *g, const struct ig_node *n, int i, int rank, struct ig_diag *d);
/* Operands from `first` on must be constants: kernels are packed at compile time. */
bool ig_infer_constants(const struct ig_graph *g, const struct ig_node *n, int first, int count, struct ig_diag *d);
/* Makes a negative axis positive, writes it back; error when out of range. */
bool ig_infer_axis(struct ig_graph *g, struct ig_nid id, int64_t dflt, int rank, int64_t *axis, struct ig_diag *d);
bool ig_infer_bounds(const struct ig_node *n, struct ig_diag *d); /* min <= max, no NaN */
const char *ig_infer_shape(const struct ig_graph *g, struct ig_vid v); /* of operand v, for messages */
#endif
