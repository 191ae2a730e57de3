/* Shape and type inference, and the verifier. */
#ifndef IG_IR_INFER_H
#define IG_IR_INFER_H
#include "ir/graph.h"
/* Checks operand types and attributes of a node and sets its result types (float rules; results of quantized nodes keep the element type and
   parameters they were given and only have their shape checked). Normalizes attributes (pad words to four integers, negative axes). Reports at the node's place. */
bool ig_infer_node(struct ig_graph *g, struct ig_nid n, struct ig_diag *d);
bool ig_infer_graph(struct ig_graph *g, struct ig_diag *d);
/* Element types and parameters of operands and results: NULL when the operation has a formula for the combination, else what it needs. */
const char *ig_check_types(const struct ig_graph *g, const struct ig_node *n);
/* Invariants of the graph's stage: list order, operand counts, unique names, types as inference gives them, constants of the right size,
   parameters where the stage demands them. Violations are internal errors naming `after` (the pass that ran last). */
bool ig_verify(const struct ig_graph *g, const char *after, struct ig_diag *d);
#endif
