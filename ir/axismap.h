/* Movements in which every axis has its own rule: slice, split, pad, expand, tile, nearest resize. Inference, the interpreter and lowering share it. */
#ifndef IG_IR_AXISMAP_H
#define IG_IR_AXISMAP_H
#include "ir/graph.h"

/* Element (i0, i1, ...) of the result is element (at[0][i0], at[1][i1], ...) of the operand; -1 on any axis: the fill value. The operand's shape has
   ones in front where its rank is the lesser. */
struct ig_axis_map {
	int rank;
	int64_t in[IG_MAX_RANK], out[IG_MAX_RANK];
	int64_t *at[IG_MAX_RANK];
};
/* Of result `result` of an inferred node of one of these operations. */
void ig_axis_map_of(const struct ig_graph *g, const struct ig_node *n, int result, struct ig_arena *a, struct ig_axis_map *m);

/* One axis of a resize: result i lies at ig_resize_at in the operand, a float32 formula of ONNX's coordinate modes. */
struct ig_resize_axis {
	int64_t in, out;
	float scale;
	bool by_sizes; /* scale is the extents' quotient */
	const char *coordinate, *nearest;
};
struct ig_resize_axis ig_resize_axis_of(const struct ig_graph *g, const struct ig_node *n, int axis);
bool ig_resize_is_identity(const struct ig_resize_axis *r);
int64_t ig_resize_nearest(const struct ig_resize_axis *r, int64_t i);
/* The result is w0 * x[i0] + w1 * x[i1]. */
struct ig_resize_tap {
	int64_t i0, i1;
	float w0, w1;
};
struct ig_resize_tap ig_resize_linear(const struct ig_resize_axis *r, int64_t i);
bool ig_resize_is_linear(const struct ig_node *n);
#endif
