/* Inference: dispatch through ops.def, what all operations share, and the results' types. */
#include "ir/infer_impl.h"

#include <string.h>

const char *ig_infer_shape(const struct ig_graph *g, struct ig_vid v) { return ig_type_str(g->arena, ig_vtype(g, v)); }

bool ig_infer_numeric(const struct ig_graph *g, const struct ig_node *n, int i, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->in[i]);
	if (t->q.i >= 0 || t->dtype == IG_DT_F32)
		return true;
	ig_error(d, n->loc, "%s '%s' needs an f32 operand, but '%s' is %s%s", ig_ops[n->op].name, n->name, ig_value(g, n->in[i])->name,
	         ig_infer_shape(g, n->in[i]), t->dtype == IG_DT_U8 ? "; turn bytes into numbers with normalize(...) first" : "");
	return false;
}

bool ig_infer_rank(const struct ig_graph *g, const struct ig_node *n, int i, int rank, struct ig_diag *d)
{
	if (ig_vtype(g, n->in[i])->rank == rank)
		return true;
	ig_error(d, n->loc, "%s '%s' needs %s of rank %d, but '%s' is %s%s", ig_ops[n->op].name, n->name, i == 0 ? "an input" : "an operand", rank,
	         ig_value(g, n->in[i])->name, ig_infer_shape(g, n->in[i]), rank == 4 && i == 0 ? " (batch, channels, height, width are expected)" : "");
	return false;
}

bool ig_infer_constants(const struct ig_graph *g, const struct ig_node *n, int first, int count, struct ig_diag *d)
{
	for (int i = first; i < first + count && i < n->n_in; i++) {
		if (!ig_is_given(g, n->in[i])) {
			ig_error(d, n->loc, "%s '%s': operand %d, '%s', must be a constant (weights are packed when the model is compiled)", ig_ops[n->op].name,
			         n->name, i + 1, ig_value(g, n->in[i])->name);
			return false;
		}
	}
	return true;
}

bool ig_infer_axis(struct ig_graph *g, struct ig_nid id, int64_t dflt, int rank, int64_t *axis, struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t a = ig_attr_int(n, IG_A_AXIS, dflt);
	if (a < -rank || a >= rank) {
		ig_error(d, n->loc, "%s '%s': axis %lld is outside of the rank %d", ig_ops[n->op].name, n->name, (long long)a, rank);
		return false;
	}
	*axis = a < 0 ? a + rank : a;
	ig_attr_set_int(g, id, IG_A_AXIS, *axis);
	return true;
}

bool ig_infer_bounds(const struct ig_node *n, struct ig_diag *d)
{
	double lo, hi;
	ig_act_bounds(n, &lo, &hi);
	if (lo <= hi)
		return true;
	ig_error(d, n->loc, "%s '%s': min must not be above max (%g, %g)", ig_ops[n->op].name, n->name, lo, hi);
	return false;
}

static bool check_size(const struct ig_node *n, const struct ig_type *t, struct ig_arena *a, struct ig_diag *d)
{
	int64_t elems;
	for (int i = 0; i < t->rank; i++) {
		if (t->dim[i] < 1) {
			ig_error(d, n->loc, "%s '%s' would have an empty result %s", ig_ops[n->op].name, n->name, ig_type_str(a, t));
			return false;
		}
	}
	if (!ig_type_elems(t, &elems) || elems > IG_MAX_ELEMS) {
		ig_error(d, n->loc, "%s '%s': %s is too large (at most %lld elements)", ig_ops[n->op].name, n->name, ig_type_str(a, t), (long long)IG_MAX_ELEMS);
		return false;
	}
	return true;
}

/* How many parameters such a tensor has: one, one for each place along the axis, or one for each group of places and place of the other axes. */
static int64_t params_of(const struct ig_qparam *q, const struct ig_type *t)
{
	if (q->axis < 0)
		return 1;
	if (q->axis >= t->rank)
		return -1;
	if (!q->group)
		return t->dim[q->axis];
	int64_t n = (t->dim[q->axis] + q->group - 1) / q->group;
	for (int i = 0; i < t->rank; i++)
		n *= i == q->axis ? 1 : t->dim[i];
	return n;
}

static bool check_qparam(const struct ig_graph *g, const struct ig_node *n, const struct ig_type *t, struct ig_diag *d)
{
	const struct ig_qparam *q = ig_qparam(g, t->q);
	if (!q)
		return true;
	if (q->dtype != t->dtype || q->n != params_of(q, t)) {
		ig_error(d, n->loc, "'%s': quantization parameters do not fit %s (%lld scales, axis %d)", n->name, ig_type_str(g->arena, t), (long long)q->n, q->axis);
		return false;
	}
	for (int64_t i = 0; i < q->n; i++) {
		if (!(q->scale[i] > 0.0f && q->scale[i] <= 3.402823466e38f)) {
			ig_error(d, n->loc, "'%s': scale %g is not a positive number", n->name, (double)q->scale[i]);
			return false;
		}
		if (q->zero_point[i] < q->qmin || q->zero_point[i] > q->qmax) {
			ig_error(d, n->loc, "'%s': zero point %d is outside of %d..%d", n->name, (int)q->zero_point[i], (int)q->qmin, (int)q->qmax);
			return false;
		}
	}
	int bits = ig_dtypes[t->dtype].bits;
	int64_t lo = !ig_dtypes[t->dtype].is_signed ? 0 : bits < 32 ? -((int64_t)1 << (bits - 1)) : INT32_MIN;
	int64_t hi = bits < 32 ? lo + ((int64_t)1 << bits) - 1 : INT32_MAX;
	if (q->qmin > q->qmax || q->qmin < lo || q->qmax > hi) {
		ig_error(d, n->loc, "'%s': quantized range %d..%d does not fit %s", n->name, (int)q->qmin, (int)q->qmax, ig_dtypes[t->dtype].name);
		return false;
	}
	return true;
}

static ig_infer_fn *const table[IG_OP_COUNT] = {
#define O(e, text, ...) ig_infer_##text,
#include "ir/ops.def"
#undef O
};

bool ig_infer_node(struct ig_graph *g, struct ig_nid id, struct ig_diag *d)
{
	struct ig_type out[IG_MAX_RESULTS];
	for (int i = 0; i < ig_node(g, id)->n_out; i++)
		out[i] = (struct ig_type){.q = IG_NOQ};
	if (!table[ig_node(g, id)->op](g, id, d, out))
		return false;
	const struct ig_node *n = ig_node(g, id);
	for (int i = 0; i < n->n_out; i++) {
		struct ig_type *t = &ig_value(g, n->out[i])->type;
		if (t->q.i >= 0) {
			out[i].q = t->q; /* given: by conversion or by the source */
			out[i].dtype = ig_qparam(g, t->q)->dtype;
		}
		if (!check_size(n, &out[i], g->arena, d) || !check_qparam(g, n, &out[i], d))
			return false;
		*t = out[i];
	}
	return true;
}

bool ig_infer_graph(struct ig_graph *g, struct ig_diag *d)
{
	bool ok = true;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		/* after a fault the types behind it mean nothing: one message, not a hundred that follow from it */
		if (!ig_infer_node(g, id, d)) {
			ok = false;
			break;
		}
	}
	return ok;
}
