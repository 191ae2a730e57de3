#include "ir/axismap.h"

#include <string.h>

static void slice_axis(const struct ig_node *n, int axis, int64_t *start, int64_t *step)
{
	const struct ig_attr *st = ig_attr(n, IG_A_STARTS), *ax = ig_attr(n, IG_A_AXES), *sp = ig_attr(n, IG_A_STEPS);
	*start = 0;
	*step = 1;
	for (int i = 0; i < st->n; i++) { /* inference wrote all four lists out */
		if (ax->u.ints[i] != axis)
			continue;
		*start = st->u.ints[i];
		*step = sp->u.ints[i];
	}
}

static int64_t modulo(int64_t a, int64_t n) { return (a % n + n) % n; }

/* Where padding takes its value from, `at` counted from the first element that is kept: numpy.pad's rules, for any distance. */
static int64_t pad_source(const char *mode, int64_t at, int64_t n)
{
	if (at >= 0 && at < n)
		return at;
	switch (mode[0]) {
	case 'e': return at < 0 ? 0 : n - 1;
	case 'w': return modulo(at, n);
	case 'r': {
		int64_t period = 2 * (n - 1), p = period ? modulo(at, period) : 0;
		return p < n ? p : period - p;
	}
	default: return -1;
	}
}

/* Negative pads take away first; the other modes look at what is left. */
static void pad_axis(const struct ig_node *n, int axis, struct ig_axis_map *m)
{
	const struct ig_attr *pads = ig_attr(n, IG_A_PADS);
	const char *mode = ig_attr_str(n, IG_A_MODE, "constant");
	int64_t before = pads->u.ints[axis], after = pads->u.ints[axis + pads->n / 2];
	int64_t first = before < 0 ? -before : 0, kept = m->in[axis] - first - (after < 0 ? -after : 0);
	for (int64_t i = 0; i < m->out[axis]; i++) {
		int64_t from = pad_source(mode, i - (before > 0 ? before : 0), kept);
		m->at[axis][i] = from < 0 ? -1 : first + from;
	}
}

static int64_t split_start(const struct ig_graph *g, const struct ig_node *n, int result, int axis)
{
	int64_t at = 0;
	for (int i = 0; i < result; i++)
		at += ig_vtype(g, n->out[i])->dim[axis];
	return at;
}

static void fill_axis(const struct ig_graph *g, const struct ig_node *n, int result, int axis, struct ig_axis_map *m)
{
	int64_t start = 0, step = 1, count = m->out[axis];
	struct ig_resize_axis r;
	switch (n->op) {
	case IG_OP_PAD: pad_axis(n, axis, m); return;
	case IG_OP_SLICE: slice_axis(n, axis, &start, &step); break;
	case IG_OP_SPLIT: start = axis == ig_attr_int(n, IG_A_AXIS, 0) ? split_start(g, n, result, axis) : 0; break;
	case IG_OP_EXPAND: step = m->in[axis] == 1 ? 0 : 1; break;
	case IG_OP_TILE:
		for (int64_t i = 0; i < count; i++)
			m->at[axis][i] = i % m->in[axis];
		return;
	case IG_OP_RESIZE:
		r = ig_resize_axis_of(g, n, axis);
		for (int64_t i = 0; i < count; i++)
			m->at[axis][i] = ig_resize_nearest(&r, i);
		return;
	default: IG_BUG("%s is no movement by axes", ig_ops[n->op].name);
	}
	for (int64_t i = 0; i < count; i++)
		m->at[axis][i] = start + i * step;
}

void ig_axis_map_of(const struct ig_graph *g, const struct ig_node *n, int result, struct ig_arena *a, struct ig_axis_map *m)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *y = ig_vtype(g, n->out[result]);
	int shift = y->rank - x->rank;
	*m = (struct ig_axis_map){.rank = y->rank};
	for (int i = 0; i < y->rank; i++) {
		m->in[i] = i < shift ? 1 : x->dim[i - shift];
		m->out[i] = y->dim[i];
		m->at[i] = IG_NEWN(a, int64_t, y->dim[i]);
		fill_axis(g, n, result, i, m);
	}
}

bool ig_resize_is_linear(const struct ig_node *n) { return strcmp(ig_attr_str(n, IG_A_MODE, "nearest"), "linear") == 0; }

struct ig_resize_axis ig_resize_axis_of(const struct ig_graph *g, const struct ig_node *n, int axis)
{
	const struct ig_attr *s = ig_attr(n, IG_A_SCALES);
	struct ig_resize_axis r = {.in = ig_vtype(g, n->in[0])->dim[axis], .out = ig_vtype(g, n->out[0])->dim[axis], .by_sizes = !s};
	r.scale = s ? (float)s->u.floats[axis] : (float)r.out / (float)r.in;
	r.coordinate = ig_attr_str(n, IG_A_COORDINATE, "half_pixel");
	r.nearest = ig_attr_str(n, IG_A_NEAREST_MODE, "round_prefer_floor");
	return r;
}

bool ig_resize_is_identity(const struct ig_resize_axis *r) { return r->in == r->out && r->scale == 1.0f; }

/* In float32, as ONNX Runtime computes it: a tie of a scale such as 0.6 falls on the side it falls there. */
static float resize_at(const struct ig_resize_axis *r, int64_t i)
{
	float x = (float)i, in = (float)r->in, out = (float)r->out;
	if (ig_resize_is_identity(r))
		return x;
	if (strcmp(r->coordinate, "asymmetric") == 0)
		return r->by_sizes ? x * in / out : x / r->scale;
	if (strcmp(r->coordinate, "align_corners") == 0)
		return r->out == 1 ? 0.0f : x * (in - 1.0f) / (out - 1.0f);
	if (strcmp(r->coordinate, "tf_half_pixel") == 0)
		return (x + 0.5f) / r->scale;
	if (strcmp(r->coordinate, "pytorch_half_pixel") == 0 && r->out == 1)
		return 0.0f;
	float offset = 0.0f;
	if (strcmp(r->coordinate, "half_pixel_symmetric") == 0) {
		float adjustment = out / (r->scale * in);
		offset = in / 2.0f * (1.0f - adjustment);
	}
	return offset + (x + 0.5f) / r->scale - 0.5f;
}

/* The greatest integer not above x, which inference has bounded. */
static int64_t floor_of(float x)
{
	int64_t i = (int64_t)x;
	return (float)i > x ? i - 1 : i;
}

static int64_t within(int64_t i, int64_t n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

int64_t ig_resize_nearest(const struct ig_resize_axis *r, int64_t i)
{
	float x = resize_at(r, i);
	int64_t low = floor_of(x), high = (float)low == x ? low : low + 1;
	if (strcmp(r->nearest, "floor") == 0)
		return within(low, r->in);
	if (strcmp(r->nearest, "ceil") == 0)
		return within(high, r->in);
	float rest = x - (float)low;
	bool up = rest > 0.5f || (rest == 0.5f && strcmp(r->nearest, "round_prefer_ceil") == 0);
	return within(up ? high : low, r->in);
}

struct ig_resize_tap ig_resize_linear(const struct ig_resize_axis *r, int64_t i)
{
	float x = resize_at(r, i), last = (float)(r->in - 1);
	x = x < 0.0f ? 0.0f : x > last ? last : x;
	struct ig_resize_tap t = {within(floor_of(x), r->in), 0, 1, 0};
	t.i1 = within(t.i0 + 1, r->in);
	if (t.i1 != t.i0) {
		t.w1 = x - (float)t.i0;
		t.w0 = 1.0f - t.w1;
	}
	return t;
}
