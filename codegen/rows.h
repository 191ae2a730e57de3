/* Row fusion: an expansion, a depthwise convolution and a pointwise projection in one function that computes some rows of the result at a time, so that the
   tensors between them exist as bands of rows only. rows_plan.c finds the groups and decides, sched_rows.c emits them. */
#ifndef IG_CODEGEN_ROWS_H
#define IG_CODEGEN_ROWS_H
#include "codegen/lower.h"

/* Names of a group's numbers: "padded rows" are rows of the depthwise convolution's input, counted from the top of its padding. */
struct ig_rows {
	struct ig_nid expand, depthwise, project; /* expand.i -1: the depthwise convolution reads its input itself */
	struct ig_conv_geom g; /* of the depthwise convolution */
	int64_t band;          /* rows of results at a time; they divide g.oh */
	int64_t step, overlap; /* padded rows from band to band; those that the next band uses as well */
	int64_t first;         /* rows of the expansion above the first band's own: overlap but for the padding */
	int64_t below;         /* rows of padding that the last band reads */
	int64_t cols;          /* columns of the band of expanded rows, with padding */
};
/* Before the layout: sets L->rows. False after a diagnostic. */
bool ig_rows_plan(struct ig_lower *L);
/* The layers of the group, at the place of its last one. */
bool ig_rows_lower(struct ig_lower *L, const struct ig_rows *r);
/* May the last layer of the group write over its residual, though the group reads `in` meanwhile? */
bool ig_rows_in_place(const struct ig_lower *L, const struct ig_rows *r);
static inline struct ig_nid ig_rows_head(const struct ig_rows *r) { return r->expand.i >= 0 ? r->expand : r->depthwise; }
/* Is this a value inside a group, which has no place of its own? */
static inline bool ig_rows_inside(const struct ig_lower *L, struct ig_nid n) { return L->rows[n.i] && L->rows[n.i]->project.i != n.i; }
#endif
