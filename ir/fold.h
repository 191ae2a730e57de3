/* Nodes whose operands are all constants, evaluated by the reference interpreter: folding gives the bytes that running would. */
#ifndef IG_IR_FOLD_H
#define IG_IR_FOLD_H
#include "ir/graph.h"
/* Turns an inferred node of constant operands and one result into a constant in place: its value keeps its name and its readers. False after a diagnostic. */
bool ig_fold_node(struct ig_graph *g, struct ig_nid id, struct ig_diag *d);
#endif
