/* Inference of operations whose elements come from computed places: slice, split, pad, expand, tile, gather, blocks of space, resize, one_hot. */
#include "ir/infer_impl.h"

#include <math.h>
#include <string.h>

#define MIN_SCALE 1e-6

static const char *op_name(const struct ig_node *n) { return ig_ops[n->op].name; }

static bool one_of(const struct ig_node *n, enum ig_attr_id id, const char *dflt, const char *const *words, int count, struct ig_diag *d)
{
	const char *w = ig_attr_str(n, id, dflt), *list = words[0];
	char text[160];
	for (int i = 0; i < count; i++)
		if (strcmp(w, words[i]) == 0)
			return true;
	for (int i = 1, at = snprintf(text, sizeof text, "%s", list); i < count && at < (int)sizeof text; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, ", %s", words[i]);
	ig_error(d, n->loc, "%s '%s': %s is one of %s, not '%s'", op_name(n), n->name, ig_attrs[id].name, text, w);
	return false;
}

/* One axis of a slice by NumPy's rules. */
static int64_t slice_extent(int64_t dim, int64_t *start, int64_t *end, int64_t step)
{
	int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim, *at[2] = {start, end};
	for (int i = 0; i < 2; i++) {
		int64_t v = *at[i];
		if (v < 0)
			v = v < -dim ? low : v + dim;
		*at[i] = v < low ? low : v > high ? high : v;
	}
	if (step > 0)
		return *end > *start ? (*end - *start - 1) / step + 1 : 0;
	return *start > *end ? (*start - *end - 1) / -step + 1 : 0;
}

static bool slice_axis(const struct ig_node *n, int rank, int64_t *axis, int64_t step, bool *seen, struct ig_diag *d)
{
	if (*axis < -rank || *axis >= rank || seen[*axis < 0 ? *axis + rank : *axis]) {
		ig_error(d, n->loc, "slice '%s': axis %lld is outside of the rank %d or given twice", n->name, (long long)*axis, rank);
		return false;
	}
	*axis += *axis < 0 ? rank : 0;
	seen[*axis] = true;
	if (step == 0 || step < -INT32_MAX) {
		ig_error(d, n->loc, "slice '%s': a step must not be %lld", n->name, (long long)step);
		return false;
	}
	return true;
}

/* What inference writes back is resolved but for an end before the first element, which has no spelling in a list that counts negative numbers from the
   end: it becomes -dim - 1, which NumPy's rules read the same way. */
bool ig_infer_slice(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *st = ig_attr(n, IG_A_STARTS), *en = ig_attr(n, IG_A_ENDS), *ax = ig_attr(n, IG_A_AXES), *sp = ig_attr(n, IG_A_STEPS);
	int64_t start[IG_MAX_RANK], end[IG_MAX_RANK], axis[IG_MAX_RANK], step[IG_MAX_RANK];
	bool seen[IG_MAX_RANK] = {false};
	*out = *ig_vtype(g, n->in[0]);
	if (!st || !en || st->n < 1 || st->n != en->n || st->n > out->rank || (ax && ax->n != st->n) || (sp && sp->n != st->n)) {
		ig_error(d, n->loc, "slice '%s' needs starts and ends (and axes, steps when given) of equal length, at most %d", n->name, out->rank);
		return false;
	}
	int count = st->n;
	for (int i = 0; i < count; i++) {
		start[i] = st->u.ints[i];
		end[i] = en->u.ints[i];
		step[i] = sp ? sp->u.ints[i] : 1;
		axis[i] = ax ? ax->u.ints[i] : i;
		if (!slice_axis(n, out->rank, &axis[i], step[i], seen, d))
			return false;
		int64_t dim = out->dim[axis[i]];
		out->dim[axis[i]] = slice_extent(dim, &start[i], &end[i], step[i]);
		end[i] = end[i] < 0 ? -dim - 1 : end[i];
	}
	ig_attr_set_ints(g, id, IG_A_STARTS, start, count);
	ig_attr_set_ints(g, id, IG_A_ENDS, end, count);
	ig_attr_set_ints(g, id, IG_A_AXES, axis, count);
	ig_attr_set_ints(g, id, IG_A_STEPS, step, count);
	return true;
}

bool ig_infer_pad(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *a = ig_attr(n, IG_A_PADS);
	*out = *ig_vtype(g, n->in[0]);
	if (!a || a->n != 2 * out->rank) {
		ig_error(d, n->loc, "pad '%s' needs pads: [begin of each axis, then end of each axis], %d integers for %s", n->name, 2 * out->rank,
		         ig_infer_shape(g, n->in[0]));
		return false;
	}
	if (!one_of(n, IG_A_MODE, "constant", modes, 4, d))
		return false;
	for (int i = 0; i < out->rank; i++) {
		int64_t p[2] = {a->u.ints[i], a->u.ints[i + out->rank]}, kept = out->dim[i];
		for (int k = 0; k < 2; k++) {
			if (p[k] < -IG_MAX_ELEMS || p[k] > IG_MAX_EXTENT) {
				ig_error(d, n->loc, "pad '%s': %lld is more than %lld", n->name, (long long)p[k], (long long)IG_MAX_EXTENT);
				return false;
			}
			kept += p[k] < 0 ? p[k] : 0;
		}
		if (kept < 1) {
			ig_error(d, n->loc, "pad '%s': negative pads leave nothing of axis %d of %s", n->name, i, ig_infer_shape(g, n->in[0]));
			return false;
		}
		out->dim[i] += p[0] + p[1];
	}
	double value = ig_attr_float(n, IG_A_VALUE, 0);
	if (value != value) {
		ig_error(d, n->loc, "pad '%s': value must be a number", n->name);
		return false;
	}
	return true;
}

bool ig_infer_split(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_type *x = ig_vtype(g, ig_node(g, id)->in[0]);
	int64_t axis, sum = 0, sizes[IG_MAX_RESULTS];
	int count = ig_node(g, id)->n_out;
	if (!ig_infer_axis(g, id, 0, x->rank, &axis, d))
		return false;
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *s = ig_attr(n, IG_A_SIZES);
	x = ig_vtype(g, n->in[0]);
	if (s && s->n != count) {
		ig_error(d, n->loc, "split '%s' has %d sizes for %d results", n->name, s->n, count);
		return false;
	}
	int64_t part = (x->dim[axis] + count - 1) / count; /* without sizes: equal parts, the last may be smaller */
	for (int i = 0; i < count; i++) {
		int64_t rest = x->dim[axis] - sum;
		sizes[i] = s ? s->u.ints[i] : part < rest ? part : rest;
		if (sizes[i] < 1 || sizes[i] > rest) {
			ig_error(d, n->loc, "split '%s': the sizes must be positive and add up to the %lld of axis %lld of %s", n->name, (long long)x->dim[axis], (long long)axis,
			         ig_infer_shape(g, n->in[0]));
			return false;
		}
		sum += sizes[i];
		out[i] = *x;
		out[i].dim[axis] = sizes[i];
	}
	if (sum != x->dim[axis]) {
		ig_error(d, n->loc, "split '%s': the sizes add up to %lld, but axis %lld of %s has %lld", n->name, (long long)sum, (long long)axis,
		         ig_infer_shape(g, n->in[0]), (long long)x->dim[axis]);
		return false;
	}
	ig_attr_set_ints(g, id, IG_A_SIZES, sizes, count);
	return true;
}

static bool indices(const struct ig_graph *g, const struct ig_node *n, int i, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->in[i]);
	if (t->dtype == IG_DT_I64 || t->dtype == IG_DT_I32)
		return true;
	ig_error(d, n->loc, "%s '%s': the indices '%s' are %s, expected i64 or i32", op_name(n), n->name, ig_value(g, n->in[i])->name, ig_infer_shape(g, n->in[i]));
	return false;
}

/* Constant indices must be in -dim .. dim - 1; those of run time are held to that range when they are used. */
static bool indices_in_range(const struct ig_graph *g, const struct ig_node *n, int64_t dim, struct ig_diag *d)
{
	const struct ig_tensor *t = ig_const_data(g, n->in[1]);
	int64_t count = t ? ig_elems(&t->type) : 0;
	for (int64_t i = 0; i < count; i++) {
		int64_t v = t->type.dtype == IG_DT_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
		if (v < -dim || v >= dim) {
			ig_error(d, n->loc, "%s '%s': index %lld is outside of the %lld elements of its axis", op_name(n), n->name, (long long)v, (long long)dim);
			return false;
		}
	}
	return true;
}

bool ig_infer_gather(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	int64_t axis, dim[2 * IG_MAX_RANK];
	int rank = 0;
	if (!ig_infer_axis(g, id, 0, ig_vtype(g, ig_node(g, id)->in[0])->rank, &axis, d))
		return false;
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]), *k = ig_vtype(g, n->in[1]);
	if (!indices(g, n, 1, d) || !indices_in_range(g, n, x->dim[axis], d))
		return false;
	for (int i = 0; i < axis; i++)
		dim[rank++] = x->dim[i];
	for (int i = 0; i < k->rank; i++)
		dim[rank++] = k->dim[i];
	for (int i = (int)axis + 1; i < x->rank; i++)
		dim[rank++] = x->dim[i];
	if (rank > IG_MAX_RANK) {
		ig_error(d, n->loc, "gather '%s': the result would have %d axes, at most %d are supported", n->name, rank, IG_MAX_RANK);
		return false;
	}
	struct ig_qid q = x->q;
	*out = ig_type_make(x->dtype, rank, dim);
	out->q = q;
	return true;
}

bool ig_infer_gather_elements(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	int64_t axis;
	if (!ig_infer_axis(g, id, 0, ig_vtype(g, ig_node(g, id)->in[0])->rank, &axis, d))
		return false;
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]), *k = ig_vtype(g, n->in[1]);
	bool fits = x->rank == k->rank;
	for (int i = 0; fits && i < x->rank; i++)
		fits = i == axis || k->dim[i] <= x->dim[i];
	if (!fits) {
		ig_error(d, n->loc, "gather_elements '%s': the indices %s must have the rank of %s and no larger extents beside axis %lld", n->name,
		         ig_infer_shape(g, n->in[1]), ig_infer_shape(g, n->in[0]), (long long)axis);
		return false;
	}
	*out = *x;
	for (int i = 0; i < x->rank; i++)
		out->dim[i] = k->dim[i];
	return indices(g, n, 1, d) && indices_in_range(g, n, x->dim[axis], d);
}

bool ig_infer_expand(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	const struct ig_attr *a = ig_attr(n, IG_A_SHAPE);
	int rank = a && a->n > x->rank ? a->n : x->rank;
	int64_t dim[IG_MAX_RANK];
	if (!a || a->n < 1 || a->n > IG_MAX_RANK) {
		ig_error(d, n->loc, "expand '%s' needs shape: [...] of 1 to %d integers", n->name, IG_MAX_RANK);
		return false;
	}
	for (int i = 0; i < rank; i++) { /* shapes are aligned at the end, as ONNX broadcasts */
		int64_t have = i < rank - x->rank ? 1 : x->dim[i - (rank - x->rank)], want = i < rank - a->n ? 1 : a->u.ints[i - (rank - a->n)];
		if (want < 1 || (have != want && have != 1 && want != 1)) {
			ig_error(d, n->loc, "expand '%s': %s does not broadcast to the shape asked for (axis %d: %lld to %lld)", n->name, ig_infer_shape(g, n->in[0]), i,
			         (long long)have, (long long)want);
			return false;
		}
		dim[i] = have > want ? have : want;
	}
	struct ig_qid q = x->q;
	*out = ig_type_make(x->dtype, rank, dim);
	out->q = q;
	ig_attr_set_ints(g, id, IG_A_SHAPE, dim, rank);
	return true;
}

bool ig_infer_tile(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *a = ig_attr(n, IG_A_REPEATS);
	*out = *ig_vtype(g, n->in[0]);
	if (!a || a->n != out->rank) {
		ig_error(d, n->loc, "tile '%s' needs repeats: %d integers for %s", n->name, out->rank, ig_infer_shape(g, n->in[0]));
		return false;
	}
	for (int i = 0; i < out->rank; i++) {
		if (a->u.ints[i] < 1 || !ig_mul_i64(out->dim[i], a->u.ints[i], &out->dim[i]) || out->dim[i] > IG_MAX_ELEMS) {
			ig_error(d, n->loc, "tile '%s': %lld repeats of axis %d are none or too many", n->name, (long long)a->u.ints[i], i);
			return false;
		}
	}
	return true;
}

/* The block's extents; false after a diagnostic. */
static bool block_of(const struct ig_graph *g, const struct ig_node *n, int64_t block[2], struct ig_diag *d)
{
	const struct ig_attr *a = ig_attr(n, IG_A_BLOCK);
	ig_attr_ints(n, IG_A_BLOCK, 0, block, 2);
	if (!a || a->n > 2 || block[0] < 1 || block[1] < 1 || block[0] > IG_MAX_EXTENT || block[1] > IG_MAX_EXTENT) {
		ig_error(d, n->loc, "%s '%s' needs block: one positive integer, or two (vertical, horizontal)", op_name(n), n->name);
		return false;
	}
	return ig_infer_rank(g, n, 0, 4, d);
}

bool ig_infer_depth_to_space(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	static const char *const modes[] = {"dcr", "crd"};
	const struct ig_node *n = ig_node(g, id);
	int64_t b[2];
	*out = *ig_vtype(g, n->in[0]);
	if (!block_of(g, n, b, d) || !one_of(n, IG_A_MODE, "dcr", modes, 2, d))
		return false;
	if (out->dim[1] % (b[0] * b[1])) {
		ig_error(d, n->loc, "depth_to_space '%s': blocks of %lld x %lld do not divide the %lld channels", n->name, (long long)b[0], (long long)b[1],
		         (long long)out->dim[1]);
		return false;
	}
	out->dim[1] /= b[0] * b[1];
	out->dim[2] *= b[0];
	out->dim[3] *= b[1];
	return true;
}

bool ig_infer_space_to_depth(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t b[2];
	*out = *ig_vtype(g, n->in[0]);
	if (!block_of(g, n, b, d))
		return false;
	if (out->dim[2] % b[0] || out->dim[3] % b[1]) {
		ig_error(d, n->loc, "space_to_depth '%s': blocks of %lld x %lld do not divide %s", n->name, (long long)b[0], (long long)b[1], ig_infer_shape(g, n->in[0]));
		return false;
	}
	out->dim[1] *= b[0] * b[1];
	out->dim[2] /= b[0];
	out->dim[3] /= b[1];
	return true;
}

static bool resize_words(const struct ig_node *n, struct ig_diag *d)
{
	static const char *const modes[] = {"nearest", "linear"}, *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
	static const char *const coordinate[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners", "tf_half_pixel"};
	return one_of(n, IG_A_MODE, "nearest", modes, 2, d) && one_of(n, IG_A_COORDINATE, "half_pixel", coordinate, 6, d) &&
	       one_of(n, IG_A_NEAREST_MODE, "round_prefer_floor", nearest, 4, d);
}

bool ig_infer_resize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *sizes = ig_attr(n, IG_A_SIZES), *scales = ig_attr(n, IG_A_SCALES);
	*out = *ig_vtype(g, n->in[0]);
	if ((!sizes && !scales) || (sizes && sizes->n != out->rank) || (scales && scales->n != out->rank)) {
		ig_error(d, n->loc, "resize '%s' needs sizes: or scales: of %d numbers for %s", n->name, out->rank, ig_infer_shape(g, n->in[0]));
		return false;
	}
	if (!resize_words(n, d))
		return false;
	for (int i = 0; i < out->rank; i++) {
		double s = scales ? (double)(float)scales->u.floats[i] : 1;
		if (!(s >= MIN_SCALE && s <= 1 / MIN_SCALE)) {
			ig_error(d, n->loc, "resize '%s': scale %g of axis %d is outside of %g..%g", n->name, s, i, MIN_SCALE, 1 / MIN_SCALE);
			return false;
		}
		double extent = floor((double)((float)out->dim[i] * (float)s));
		out->dim[i] = sizes ? sizes->u.ints[i] : extent > (double)IG_MAX_ELEMS ? IG_MAX_ELEMS + 1 : (int64_t)extent;
	}
	if (strcmp(ig_attr_str(n, IG_A_MODE, "nearest"), "linear") == 0)
		return ig_infer_numeric(g, n, 0, d);
	return true;
}

bool ig_infer_one_hot(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *k = ig_vtype(g, n->in[0]), *v = ig_vtype(g, n->in[1]);
	int64_t depth = ig_attr_int(n, IG_A_DEPTH, 0), axis, dim[IG_MAX_RANK];
	if (v->rank != 1 || v->dim[0] != 2 || v->q.i >= 0 || depth < 1 || depth > IG_MAX_ELEMS || k->rank == IG_MAX_RANK) {
		ig_error(d, n->loc, "one_hot '%s' needs depth: a positive integer, two values (off, on), and indices of at most %d axes", n->name, IG_MAX_RANK - 1);
		return false;
	}
	if (!indices(g, n, 0, d) || !ig_infer_axis(g, id, -1, k->rank + 1, &axis, d))
		return false;
	k = ig_vtype(g, ig_node(g, id)->in[0]);
	for (int i = 0, from = 0; i <= k->rank; i++)
		dim[i] = i == axis ? depth : k->dim[from++];
	*out = ig_type_make(v->dtype, k->rank + 1, dim);
	return true;
}
