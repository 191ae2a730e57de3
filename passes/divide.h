/* Dividing a value of the float graph by numbers of its channels where that costs nothing: in the weights of the layer or norm that gives it, or in a factor; its
   readers' weights are multiplied by them. */
#ifndef IG_PASSES_DIVIDE_H
#define IG_PASSES_DIVIDE_H
#include "ir/graph.h"

struct ig_divisible {
	struct ig_vid value;
	struct ig_nid fold; /* the node whose constants are divided */
	int first, last;    /* which operands of it */
	int axis;           /* of the value: its channels */
	int64_t channels;
	bool from_weights;  /* the constants' first axis are the channels, else they are all there is */
};
/* False: not all readers are layers with float32 weights that multiply the same axis, or nothing before can be divided. */
bool ig_divisible_find(const struct ig_graph *g, struct ig_vid v, struct ig_divisible *d);
/* Whether the node reads the value as ig_divisible_find saw it. */
static inline bool ig_divisible_reads(const struct ig_divisible *d, const struct ig_node *n) { return n->n_in > 1 && n->in[0].i == d->value.i; }
/* The channel that weight i of a reader meets. */
int64_t ig_divisible_channel(const struct ig_divisible *d, const struct ig_type *w, int64_t i);
/* Divides by `by` (one positive number a channel). False: some number would come near the ends of float32; nothing is changed then. */
bool ig_divide(struct ig_graph *g, const struct ig_divisible *d, const double *by);
#endif
