/* Weights that are stored in fewer bits than they are computed in: s8 and s4 with scales for the tensor, its output channels or groups along the input
   channels, f16 and bf16. The layer reads float32 and computes as with float32 weights, each of which is one rounding: (float)q * scale. */
#ifndef IG_IR_STORED_H
#define IG_IR_STORED_H
#include "ir/graph.h"

/* Is this a layer on float32 with such weights? */
bool ig_has_stored_weights(const struct ig_graph *g, const struct ig_node *n);
/* NULL, or why such weights of such a layer are not possible. */
const char *ig_check_stored(const struct ig_graph *g, const struct ig_node *n);
/* Which of the parameters element i of a tensor of that shape has. */
int64_t ig_qparam_index(const struct ig_qparam *q, const struct ig_type *t, int64_t i);
/* The float32 number of element i; q: its parameters, NULL for floats. */
float ig_stored_float(const struct ig_tensor *t, const struct ig_qparam *q, int64_t i);
#endif
