/* Inference of operations that move values: concat, reshape, flatten, transpose. */
#include "ir/infer_impl.h"

bool ig_infer_concat(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t axis;
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_axis(g, id, 1, out->rank, &axis, d))
		return false;
	n = ig_node(g, id);
	for (int i = 1; i < n->n_in; i++) {
		const struct ig_type *t = ig_vtype(g, n->in[i]);
		bool same = t->rank == out->rank && (t->dtype == out->dtype || (t->q.i >= 0 && out->q.i >= 0));
		for (int k = 0; same && k < t->rank; k++)
			same = k == axis || t->dim[k] == out->dim[k];
		if (!same) {
			ig_error(d, n->loc, "concat '%s': %s and %s differ in more than axis %lld", n->name, ig_infer_shape(g, n->in[0]), ig_infer_shape(g, n->in[i]),
			         (long long)axis);
			return false;
		}
		if (!ig_add_i64(out->dim[axis], t->dim[axis], &out->dim[axis]))
			out->dim[axis] = INT64_MAX; /* refused as too large */
	}
	return true;
}

bool ig_infer_reshape(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	const struct ig_attr *a = ig_attr(n, IG_A_SHAPE);
	int64_t dims[IG_MAX_RANK], have = ig_elems(x), want = 1;
	int open = -1;
	if (!a || a->n < 1 || a->n > IG_MAX_RANK) {
		ig_error(d, n->loc, "reshape '%s' needs shape: [...] of 1 to %d integers", n->name, IG_MAX_RANK);
		return false;
	}
	for (int i = 0; i < a->n; i++) {
		int64_t v = a->u.ints[i];
		bool bad = v < -1 || (v == -1 && open >= 0) || (v == 0 && i >= x->rank);
		if (v == 0 && !bad)
			v = x->dim[i]; /* 0 keeps the extent, as in ONNX */
		dims[i] = v;
		if (v == -1)
			open = i;
		if (bad || (v != -1 && (!ig_mul_i64(want, v, &want) || want > IG_MAX_ELEMS))) {
			ig_error(d, n->loc, "reshape '%s': shape takes positive extents, 0 (keep) and one -1 (the rest)", n->name);
			return false;
		}
	}
	if (open >= 0 && have % want == 0) {
		dims[open] = have / want;
		want = have;
	}
	if (want != have) {
		ig_error(d, n->loc, "reshape '%s': %s has %lld elements, the shape asked for %lld", n->name, ig_infer_shape(g, n->in[0]), (long long)have, (long long)want);
		return false;
	}
	struct ig_qid q = x->q;
	int count = a->n;
	*out = ig_type_make(x->dtype, count, dims);
	out->q = q;
	ig_attr_set_ints(g, id, IG_A_SHAPE, dims, count);
	return true;
}

bool ig_infer_flatten(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_type *x = ig_vtype(g, ig_node(g, id)->in[0]);
	int64_t axis = ig_attr_int(ig_node(g, id), IG_A_AXIS, 1), dims[2] = {1, 1};
	if (axis == x->rank) {
		ig_attr_set_int(g, id, IG_A_AXIS, axis); /* allowed here: [all, 1] */
	} else if (!ig_infer_axis(g, id, 1, x->rank, &axis, d)) {
		return false;
	}
	for (int i = 0; i < x->rank; i++)
		dims[i < axis ? 0 : 1] *= x->dim[i];
	*out = ig_type_make(x->dtype, 2, dims);
	out->q = x->q;
	return true;
}

bool ig_infer_transpose(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	const struct ig_attr *a = ig_attr(n, IG_A_PERM);
	int64_t perm[IG_MAX_RANK];
	bool seen[IG_MAX_RANK] = {false};
	*out = *x;
	if (a && a->n != x->rank) {
		ig_error(d, n->loc, "transpose '%s': perm has %d integers for %s", n->name, a->n, ig_infer_shape(g, n->in[0]));
		return false;
	}
	for (int i = 0; i < x->rank; i++) {
		perm[i] = a ? a->u.ints[i] : x->rank - 1 - i;
		if (perm[i] < 0 || perm[i] >= x->rank || seen[perm[i]]) {
			ig_error(d, n->loc, "transpose '%s': perm must name each axis 0..%d once", n->name, x->rank - 1);
			return false;
		}
		seen[perm[i]] = true;
		out->dim[i] = x->dim[perm[i]];
	}
	if (x->rank > 0)
		ig_attr_set_ints(g, id, IG_A_PERM, perm, x->rank);
	return true;
}
