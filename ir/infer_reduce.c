/* Inference of reductions, normalizations over axes, and matrix products. */
#include "ir/infer_impl.h"
#include "ir/matmul.h"
#include "ir/number.h"

#include <math.h>

#define ONLY_F32 IG_TYPE_BIT(IG_DT_F32)

/* Axes made positive, ascending, and written out; none or an empty list: all. Bits of *mask. */
static bool infer_axes(struct ig_graph *g, struct ig_nid id, int rank, unsigned *mask, struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *a = ig_attr(n, IG_A_AXES);
	int64_t axes[IG_MAX_RANK];
	int count = 0;
	*mask = 0;
	for (int i = 0; a && i < a->n; i++) {
		int64_t v = a->u.ints[i];
		if (v < -rank || v >= rank || (*mask >> (v < 0 ? v + rank : v) & 1u)) {
			ig_error(d, n->loc, "%s '%s': axis %lld is outside of the rank %d or given twice", ig_ops[n->op].name, n->name, (long long)v, rank);
			return false;
		}
		*mask |= 1u << (v < 0 ? v + rank : v);
	}
	if (!*mask)
		*mask = (1u << rank) - 1;
	for (int i = 0; i < rank; i++)
		if (*mask >> i & 1u)
			axes[count++] = i;
	ig_attr_set_ints(g, id, IG_A_AXES, axes, count);
	return true;
}

/* The shape without the axes of the mask, or with extents of 1 in their place. */
static void without(struct ig_type *t, unsigned mask, bool keepdims)
{
	int rank = 0;
	for (int i = 0; i < t->rank; i++) {
		if (!(mask >> i & 1u))
			t->dim[rank++] = t->dim[i];
		else if (keepdims)
			t->dim[rank++] = 1;
	}
	t->rank = rank;
}

static bool reduce(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	unsigned mask;
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_types(g, n, 0, IG_TYPES_NUMBER, d) || !infer_axes(g, id, out->rank, &mask, d))
		return false;
	without(out, mask, ig_attr_int(ig_node(g, id), IG_A_KEEPDIMS, 1) != 0);
	return true;
}

bool ig_infer_reduce_sum(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return reduce(g, id, d, out); }
bool ig_infer_reduce_mean(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return reduce(g, id, d, out); }
bool ig_infer_reduce_max(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return reduce(g, id, d, out); }
bool ig_infer_reduce_min(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return reduce(g, id, d, out); }
bool ig_infer_reduce_prod(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return reduce(g, id, d, out); }

static bool arg(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t axis;
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_types(g, n, 0, IG_TYPES_NUMBER, d) || !ig_infer_axis(g, id, 0, out->rank, &axis, d))
		return false;
	without(out, 1u << axis, ig_attr_int(ig_node(g, id), IG_A_KEEPDIMS, 1) != 0);
	out->dtype = IG_DT_I64;
	return true;
}

bool ig_infer_argmax(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arg(g, id, d, out); }
bool ig_infer_argmin(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arg(g, id, d, out); }

bool ig_infer_log_softmax(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	int64_t axis;
	*out = *ig_vtype(g, ig_node(g, id)->in[0]);
	return ig_infer_types(g, ig_node(g, id), 0, ONLY_F32, d) && ig_infer_axis(g, id, -1, out->rank, &axis, d);
}

static bool infer_eps(const struct ig_node *n, struct ig_diag *d)
{
	double eps = ig_attr_float(n, IG_A_EPS, 1e-5);
	if (eps >= 0 && isfinite((float)eps))
		return true;
	ig_error(d, n->loc, "%s '%s': eps must not be negative", ig_ops[n->op].name, n->name);
	return false;
}

/* Operand k is f32 of the shape of the last `rank` axes of t. */
static bool trailing(const struct ig_graph *g, const struct ig_node *n, int k, const struct ig_type *t, int rank, struct ig_diag *d)
{
	const struct ig_type *w = ig_vtype(g, n->in[k]), want = ig_type_make(IG_DT_F32, rank, t->dim + t->rank - rank);
	if (w->q.i < 0 && w->dtype == IG_DT_F32 && ig_type_same_shape(w, &want))
		return true;
	ig_error(d, n->loc, "%s '%s': the %s '%s' is %s, expected %s", ig_ops[n->op].name, n->name, k == 1 ? "weight" : "bias", ig_value(g, n->in[k])->name,
	         ig_infer_shape(g, n->in[k]), ig_type_str(g->arena, &want));
	return false;
}

bool ig_infer_layer_norm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t axis;
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_types(g, n, 0, ONLY_F32, d) || !infer_eps(n, d) || !ig_infer_axis(g, id, -1, out->rank, &axis, d))
		return false;
	n = ig_node(g, id);
	for (int k = 1; k < n->n_in; k++)
		if (!trailing(g, n, k, out, out->rank - (int)axis, d))
			return false;
	return true;
}

static bool channel_norm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, int64_t groups)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_types(g, n, 0, ONLY_F32, d) || !infer_eps(n, d))
		return false;
	if (out->rank < 2) {
		ig_error(d, n->loc, "%s '%s' needs channels on axis 1, not %s", ig_ops[n->op].name, n->name, ig_infer_shape(g, n->in[0]));
		return false;
	}
	if (groups < 1 || out->dim[1] % groups != 0) {
		ig_error(d, n->loc, "%s '%s': %lld groups do not divide %lld channels", ig_ops[n->op].name, n->name, (long long)groups, (long long)out->dim[1]);
		return false;
	}
	struct ig_type channels = ig_type_make(IG_DT_F32, 1, &out->dim[1]);
	return trailing(g, n, 1, &channels, 1, d) && trailing(g, n, 2, &channels, 1, d);
}

bool ig_infer_instance_norm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return channel_norm(g, id, d, out, 1); }
bool ig_infer_group_norm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return channel_norm(g, id, d, out, ig_attr_int(ig_node(g, id), IG_A_GROUPS, 1));
}

bool ig_infer_lrn(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t size = ig_attr_int(n, IG_A_SIZE, 0);
	*out = *ig_vtype(g, n->in[0]);
	if (!ig_infer_types(g, n, 0, ONLY_F32, d))
		return false;
	if (out->rank < 2 || size < 1 || size > IG_MAX_EXTENT) {
		ig_error(d, n->loc, "lrn '%s' needs channels on axis 1 and size: of 1 to %lld, not %s and %lld", n->name, (long long)IG_MAX_EXTENT,
		         ig_infer_shape(g, n->in[0]), (long long)size);
		return false;
	}
	if (!isfinite((float)ig_attr_float(n, IG_A_ALPHA, 1e-4)) || !isfinite((float)ig_attr_float(n, IG_A_BETA, 0.75)) ||
	    !isfinite((float)ig_attr_float(n, IG_A_K, 1))) {
		ig_error(d, n->loc, "lrn '%s': alpha, beta and k must be finite", n->name);
		return false;
	}
	return true;
}

static bool product(struct ig_graph *g, const struct ig_node *n, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_type *a = ig_vtype(g, n->in[0]), *b = ig_vtype(g, n->in[1]);
	struct ig_matmul_geom m;
	if (!ig_matmul_geometry(a, b, &m)) {
		ig_error(d, n->loc, "%s '%s': %s and %s cannot be multiplied (columns of the first are the rows of the second, batches broadcast)",
		         ig_ops[n->op].name, n->name, ig_infer_shape(g, n->in[0]), ig_infer_shape(g, n->in[1]));
		return false;
	}
	*out = (struct ig_type){.dtype = a->dtype, .q = IG_NOQ, .rank = m.rank};
	for (int i = 0; i < m.rank; i++)
		out->dim[i] = m.dim[i];
	if (a->rank > 1)
		out->dim[out->rank++] = m.m;
	if (b->rank > 1)
		out->dim[out->rank++] = m.n;
	return true;
}

bool ig_infer_matmul(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_types(g, n, 0, IG_TYPES_NUMBER, d) || !ig_infer_types(g, n, 1, IG_TYPES_NUMBER, d))
		return false;
	if (ig_vtype(g, n->in[0])->dtype != ig_vtype(g, n->in[1])->dtype) {
		ig_error(d, n->loc, "matmul '%s': its operands are %s and %s; cast one of them", n->name, ig_infer_shape(g, n->in[0]), ig_infer_shape(g, n->in[1]));
		return false;
	}
	return product(g, n, d, out);
}

bool ig_infer_matmul_integer(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	unsigned bytes = IG_TYPE_BIT(IG_DT_U8) | IG_TYPE_BIT(IG_DT_S8);
	if (!ig_infer_types(g, n, 0, bytes, d) || !ig_infer_types(g, n, 1, bytes, d) || !product(g, n, d, out))
		return false;
	out->dtype = IG_DT_I32;
	struct ig_matmul_geom m;
	ig_matmul_geometry(ig_vtype(g, n->in[0]), ig_vtype(g, n->in[1]), &m);
	for (int k = 2; k < n->n_in; k++) {
		const struct ig_type *z = ig_vtype(g, n->in[k]);
		int64_t count = ig_elems(z), each = k == 2 ? m.m : m.n;
		if (z->dtype != ig_vtype(g, n->in[k - 2])->dtype || z->q.i >= 0 || (count != 1 && !(z->rank == 1 && count == each))) {
			ig_error(d, n->loc, "matmul_integer '%s': the zero point '%s' is %s, expected one %s or %lld of them", n->name, ig_value(g, n->in[k])->name,
			         ig_infer_shape(g, n->in[k]), ig_dtypes[ig_vtype(g, n->in[k - 2])->dtype].name, (long long)each);
			return false;
		}
	}
	return true;
}

/* Integers 0 .. 255, their scale and their zero point, as plain numbers. */
bool ig_infer_dynamic_quantize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_types(g, n, 0, IG_TYPE_BIT(IG_DT_F32), d))
		return false;
	out[0] = *ig_vtype(g, n->in[0]);
	out[0].dtype = IG_DT_U8;
	out[1] = ig_type_make(IG_DT_F32, 0, NULL);
	out[2] = ig_type_make(IG_DT_U8, 0, NULL);
	return true;
}
