/* Slice and Pad. */
#include "onnx/ops.h"

#include <string.h>

struct cut {
	int count;
	int64_t start[IG_MAX_RANK], end[IG_MAX_RANK], step[IG_MAX_RANK], axis[IG_MAX_RANK];
};

static bool read_cut(struct ig_onnx_node *n, int rank, struct cut *c)
{
	int ends = -1, axes = -1, steps = -1;
	if (n->version < 10) {
		c->count = ig_onnx_ints(n, "starts", c->start, IG_MAX_RANK);
		ends = ig_onnx_ints(n, "ends", c->end, IG_MAX_RANK);
		axes = ig_onnx_ints(n, "axes", c->axis, IG_MAX_RANK);
	} else if (!ig_onnx_in_ints(n, 1, "starts", c->start, IG_MAX_RANK, &c->count) || !ig_onnx_in_ints(n, 2, "ends", c->end, IG_MAX_RANK, &ends) ||
	           (ig_onnx_has(n, 3) && !ig_onnx_in_ints(n, 3, "axes", c->axis, IG_MAX_RANK, &axes)) ||
	           (ig_onnx_has(n, 4) && !ig_onnx_in_ints(n, 4, "steps", c->step, IG_MAX_RANK, &steps))) {
		return false;
	}
	if (c->count < 0 || ends != c->count || (axes >= 0 && axes != c->count) || (steps >= 0 && steps != c->count) || c->count > rank)
		return ig_onnx_fail(n, "starts, ends, axes and steps must have one length");
	for (int i = 0; i < c->count; i++) {
		c->axis[i] = axes < 0 ? i : c->axis[i] < 0 ? c->axis[i] + rank : c->axis[i];
		c->step[i] = steps < 0 ? 1 : c->step[i];
		if (c->axis[i] < 0 || c->axis[i] >= rank || c->step[i] == 0)
			return ig_onnx_fail(n, "axes must be in the rank %d, steps not 0", rank);
	}
	return true;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi) { return v < lo ? lo : v > hi ? hi : v; }

/* The extent that is left of one axis, by NumPy's rules; start and end become what the rules make of them. */
static int64_t extent(int64_t dim, int64_t *start, int64_t *end, int64_t step)
{
	int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? dim : dim - 1;
	*start = *start < 0 ? clamp(*start < -dim ? lo : *start + dim, lo, hi) : clamp(*start, lo, hi);
	*end = *end < 0 ? clamp(*end < -dim ? lo : *end + dim, lo, hi) : clamp(*end, lo, hi);
	if (step > 0)
		return *end > *start ? (*end - *start - 1) / step + 1 : 0;
	return *start > *end ? (*start - *end - 1) / (step == INT64_MIN ? INT64_MAX : -step) + 1 : 0;
}

bool ig_onnx_slice(struct ig_onnx_node *n)
{
	struct cut c;
	const struct ig_type *t = ig_onnx_in_type(n, 0);
	if (!t)
		return false;
	struct ig_type x = *t;
	if (!read_cut(n, x.rank, &c))
		return false;
	bool empty = ig_elems(&x) == 0;
	for (int i = 0; i < c.count; i++) {
		x.dim[c.axis[i]] = extent(x.dim[c.axis[i]], &c.start[i], &c.end[i], c.step[i]);
		empty = empty || x.dim[c.axis[i]] == 0;
		if (c.end[i] < 0) /* before the first element: no number from 0 says so */
			c.end[i] = INT64_MIN;
	}
	if (empty)
		return ig_onnx_result_const(n, 0, ig_onnx_new_tensor(n->s, x.dtype, x.rank, x.dim));
	struct ig_vid v = ig_onnx_in(n, 0);
	if (v.i < 0)
		return false;
	if (c.count == 0)
		return ig_onnx_result_alias(n, 0, 0);
	struct ig_nid id = ig_onnx_add(n, IG_OP_SLICE, NULL, &v, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_STARTS, c.start, c.count);
	ig_attr_set_ints(n->s->graph, id, IG_A_ENDS, c.end, c.count);
	ig_attr_set_ints(n->s->graph, id, IG_A_AXES, c.axis, c.count);
	ig_attr_set_ints(n->s->graph, id, IG_A_STEPS, c.step, c.count);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

/* pads: begins and ends of the axes that `axes` names, or of all. */
static bool read_pads(struct ig_onnx_node *n, int rank, int64_t *pads)
{
	int64_t given[2 * IG_MAX_RANK], axis[IG_MAX_RANK];
	int count, axes = rank;
	for (int i = 0; i < rank; i++)
		axis[i] = i;
	if (n->version < 11)
		count = ig_onnx_ints(n, n->version < 2 ? "paddings" : "pads", given, 2 * IG_MAX_RANK);
	else if (!ig_onnx_in_ints(n, 1, "pads", given, 2 * IG_MAX_RANK, &count))
		return false;
	if (n->version >= 18 && ig_onnx_has(n, 3) && (axes = ig_onnx_axes(n, 3, 18, rank, axis)) < 0)
		return false;
	if (count != 2 * axes)
		return ig_onnx_fail(n, "pads has %d integers for %d axes", count, axes);
	memset(pads, 0, (size_t)rank * 2 * sizeof *pads);
	for (int i = 0; i < axes; i++) {
		pads[axis[i]] = given[i];
		pads[rank + axis[i]] = given[axes + i];
	}
	return true;
}

bool ig_onnx_pad(struct ig_onnx_node *n)
{
	int64_t pads[2 * IG_MAX_RANK];
	double value = 0;
	const char *mode = ig_onnx_str(n, "mode", "constant");
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0 || !read_pads(n, ig_vtype(n->s->graph, x)->rank, pads))
		return false;
	if (n->version < 11)
		value = ig_onnx_real(n, "value", 0);
	else if (ig_onnx_has(n, 2) && strcmp(mode, "constant") == 0 && !ig_onnx_in_real(n, 2, "value", &value))
		return false;
	if (strcmp(mode, "constant") != 0 && strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0 && strcmp(mode, "wrap") != 0)
		return ig_onnx_fail(n, "mode is constant, reflect, edge or wrap, not '%.40s'", mode);
	struct ig_nid id = ig_onnx_add(n, IG_OP_PAD, NULL, &x, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_PADS, pads, 2 * ig_vtype(n->s->graph, x)->rank);
	if (value != 0)
		ig_attr_set_float(n->s->graph, id, IG_A_VALUE, value);
	if (strcmp(mode, "constant") != 0)
		ig_attr_set_str(n->s->graph, id, IG_A_MODE, mode);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
