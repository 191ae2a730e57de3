/* What repeats in a graph, for the writer of its source: segments of layers that are instances of one block. */
#ifndef IG_FRONTEND_SOURCE_BLOCKS_H
#define IG_FRONTEND_SOURCE_BLOCKS_H
#include "ir/graph.h"

/* A layer: a node that gets a statement (no input, no parameter of another), in the order of execution. */
struct ig_source_operand {
	int layer, result; /* who computes it; layer < 0: the graph's input -1 - layer */
};
struct ig_source_layer {
	struct ig_nid node;
	int n_in;
	struct ig_source_operand *in; /* parameters left out */
	/* Its integers, in the order in which they are written: attributes, then those in its name. */
	int n_ints;
	int64_t *ints;
	int shape; /* equal for layers that differ in integers alone */
};
/* An integer of a block's text: param * factor + offset; param < 0: offset alone. */
struct ig_source_slot {
	int param;
	int64_t factor, offset;
};
struct ig_source_block {
	int n;                        /* layers */
	int first;                    /* the instance that the text is made of */
	int result;                   /* which of its layers' values it returns */
	int n_values;
	struct ig_source_operand *value; /* of the first instance */
	int n_params;
	const char **param;           /* names */
	struct ig_source_slot **slot; /* by layer, by integer */
};
struct ig_source_instance {
	int block, first;
	struct ig_source_operand *value;
	int64_t *param;
};
struct ig_source {
	const struct ig_graph *g;
	struct ig_arena *arena;
	struct ig_source_layer *layer;
	int n_layers;
	IG_VEC(struct ig_source_block) block;
	IG_VEC(struct ig_source_instance) instance; /* by first layer */
};
/* Everything is in the arena but the two vectors. The graph is normalized. */
void ig_source_find(struct ig_source *s, const struct ig_graph *g, struct ig_arena *a);
void ig_source_release(struct ig_source *s);

void ig_source_layers(struct ig_source *s); /* source_layers.c: the first part of it */

/* The integers of an attribute as they are written: equal ones of a list that stands for axes are one. How many; -1: it has none. */
int ig_source_attr_ints(const struct ig_attr *a, const int64_t **ints);
/* The next integer in a name, from *at on: its value, and where it begins and ends. False: no more. Those with leading zeros or many digits are text. */
bool ig_source_name_int(const char *name, size_t *at, size_t *end, int64_t *value);
/* What conv2d and linear say of their weights' shape: the attribute, and its value; false for others. */
bool ig_source_width(const struct ig_graph *g, const struct ig_node *n, enum ig_attr_id *attr, int64_t *value);
#endif
