/* What several passes need to rewrite graphs. */
#ifndef IG_PASSES_REWRITE_H
#define IG_PASSES_REWRITE_H
#include "ir/graph.h"

/* `last`, the only reader of `main`'s result, becomes main: its operation, operands, attributes and layer name; last's names are absorbed. Its result keeps
   its place and name (statistics are kept by the last value's name). main is removed. The caller changes operation and operands afterwards. */
void ig_take_over(struct ig_graph *g, struct ig_nid last, struct ig_nid main);
/* Changes the operation; attributes that the new one does not have go. */
void ig_set_op(struct ig_graph *g, struct ig_nid n, enum ig_op op);
/* A new zeroed f32 tensor in the graph's arena. */
struct ig_tensor *ig_new_f32(struct ig_graph *g, int rank, const int64_t *dims);
/* Operand i of a node becomes a constant: in place when nothing else reads the old one, else a new one before the node. With i == n_in the operand is added,
   named `suffix` after the layer. */
void ig_set_constant(struct ig_graph *g, struct ig_nid n, int i, const char *suffix, const struct ig_tensor *t);
/* Adds an operand at the end. */
void ig_add_operand(struct ig_graph *g, struct ig_nid n, struct ig_vid v);
/* A new f32 bias of zeros when the conv-like node has none. */
void ig_need_bias(struct ig_graph *g, struct ig_nid n);
bool ig_op_is_conv_like(enum ig_op op); /* COMPUTE operations with weights: conv2d, depthwise_conv2d, linear and their _add */
/* The operation's name as rules and reports use it: conv2d for conv2d_add, ... */
const char *ig_op_base_name(enum ig_op op);
#endif
