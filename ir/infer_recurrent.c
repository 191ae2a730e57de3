/* Inference of transposed convolutions and recurrent layers. */
#include "ir/infer_impl.h"
#include "ir/transposed.h"

#include <string.h>

static bool f32_operand(const struct ig_graph *g, const struct ig_node *n, int i, const char *what, int rank, const int64_t *dim, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->in[i]);
	struct ig_type want = ig_type_make(IG_DT_F32, rank, dim);
	if (t->dtype == IG_DT_F32 && ig_type_same_shape(t, &want))
		return true;
	ig_error(d, n->loc, "%s '%s': the %s '%s' is %s, expected %s", ig_ops[n->op].name, n->name, what, ig_value(g, n->in[i])->name, ig_infer_shape(g, n->in[i]),
	         ig_type_str(g->arena, &want));
	return false;
}

static bool in_range(const struct ig_node *n, enum ig_attr_id id, int64_t dflt, int64_t lo, int count, struct ig_diag *d)
{
	const struct ig_attr *a = ig_attr(n, id);
	int64_t v[4];
	ig_attr_ints(n, id, dflt, v, count);
	bool ok = !a || (a->n >= 1 && a->n <= count && (a->n != 3));
	for (int i = 0; i < count; i++)
		ok &= v[i] >= lo && v[i] <= IG_MAX_EXTENT;
	if (!ok)
		ig_error(d, n->loc, "%s '%s': %s takes integers of %lld..%lld", ig_ops[n->op].name, n->name, ig_attrs[id].name, (long long)lo, (long long)IG_MAX_EXTENT);
	return ok;
}

static bool transposed_attrs(struct ig_graph *g, struct ig_nid id, struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *pad = ig_attr(n, IG_A_PAD);
	int64_t p[4] = {0}, out[2], stride[2], dil[2];
	if (pad && pad->n == 0 && strcmp(pad->u.s, "valid") != 0) {
		ig_error(d, n->loc, "conv_transpose2d '%s': pad is 1, 2 or 4 integers: what is cut off the result (top, left, bottom, right)", n->name);
		return false;
	}
	if (!in_range(n, IG_A_STRIDE, 1, 1, 2, d) || !in_range(n, IG_A_DILATION, 1, 1, 2, d) || !in_range(n, IG_A_OUTPUT_PADDING, 0, 0, 2, d))
		return false;
	for (int i = 0; pad && pad->n && i < 4; i++)
		p[i] = pad->u.ints[i % pad->n];
	ig_attr_set_ints(g, id, IG_A_PAD, p, 4);
	n = ig_node(g, id);
	if (!in_range(n, IG_A_PAD, 0, 0, 4, d))
		return false;
	ig_attr_ints(n, IG_A_OUTPUT_PADDING, 0, out, 2);
	ig_attr_ints(n, IG_A_STRIDE, 1, stride, 2);
	ig_attr_ints(n, IG_A_DILATION, 1, dil, 2);
	for (int i = 0; i < 2; i++) {
		if (out[i] >= stride[i] && out[i] >= dil[i]) {
			ig_error(d, n->loc, "conv_transpose2d '%s': output_padding must be smaller than stride or dilation", n->name);
			return false;
		}
	}
	return true;
}

bool ig_infer_conv_transpose2d(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_numeric(g, n, 0, d) || !ig_infer_rank(g, n, 0, 4, d) || !ig_infer_rank(g, n, 1, 4, d) || !ig_infer_constants(g, n, 1, 2, d) ||
	    !transposed_attrs(g, id, d))
		return false;
	n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]), *w = ig_vtype(g, n->in[1]);
	int64_t groups = ig_attr_int(n, IG_A_GROUPS, 1), kernel[2];
	ig_attr_ints(n, IG_A_KERNEL, 0, kernel, 2);
	bool kernel_fits = !ig_attr(n, IG_A_KERNEL) || (kernel[0] == w->dim[2] && kernel[1] == w->dim[3]);
	if (w->dtype != IG_DT_F32 || groups < 1 || x->dim[1] % groups || w->dim[0] != x->dim[1] || !kernel_fits || w->dim[2] > 4096 || w->dim[3] > 4096) {
		ig_error(d, n->loc, "conv_transpose2d '%s': %lld input channels in %lld groups need a weight f32[%lld, filters / groups, kernel...], not %s", n->name,
		         (long long)x->dim[1], (long long)groups, (long long)x->dim[1], ig_infer_shape(g, n->in[1]));
		return false;
	}
	int64_t oc;
	if (!ig_mul_i64(w->dim[1], groups, &oc) || oc > IG_MAX_ELEMS || (n->n_in > 2 && !f32_operand(g, n, 2, "bias", 1, &oc, d)))
		return false;
	struct ig_transposed t = ig_transposed_of(g, n);
	if (t.oh < 1 || t.ow < 1) {
		ig_error(d, n->loc, "conv_transpose2d '%s': pad cuts the whole result off", n->name);
		return false;
	}
	*out = ig_type_make(IG_DT_F32, 4, (int64_t[]){x->dim[0], oc, t.oh, t.ow});
	return true;
}

static bool recurrent(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, int gates, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const char *direction = ig_attr_str(n, IG_A_DIRECTION, "forward");
	const struct ig_type *x = ig_vtype(g, n->in[0]), *r = ig_vtype(g, n->in[2]);
	int64_t dirs = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
	if (dirs == 1 && strcmp(direction, "forward") != 0 && strcmp(direction, "reverse") != 0) {
		ig_error(d, n->loc, "%s '%s': direction is forward, reverse or bidirectional", ig_ops[n->op].name, n->name);
		return false;
	}
	if (!ig_infer_rank(g, n, 0, 3, d) || !ig_infer_rank(g, n, 2, 3, d) || !f32_operand(g, n, 0, "input", 3, x->dim, d) || !ig_infer_constants(g, n, 1, 3, d))
		return false;
	int64_t t = x->dim[0], batch = x->dim[1], hidden = r->dim[2], want = ig_attr_int(n, IG_A_HIDDEN, hidden);
	if (hidden != want || hidden > IG_MAX_EXTENT || x->dim[2] > IG_MAX_EXTENT) {
		ig_error(d, n->loc, "%s '%s': hidden is %lld, but the recurrent weight is %s", ig_ops[n->op].name, n->name, (long long)want, ig_infer_shape(g, n->in[2]));
		return false;
	}
	int64_t w_dim[3] = {dirs, gates * hidden, x->dim[2]}, r_dim[3] = {dirs, gates * hidden, hidden}, b_dim[2] = {dirs, 2 * gates * hidden};
	int64_t h_dim[3] = {dirs, batch, hidden}, p_dim[2] = {dirs, 3 * hidden}, y_dim[4] = {t, dirs, batch, hidden};
	if (!f32_operand(g, n, 1, "weight", 3, w_dim, d) || !f32_operand(g, n, 2, "recurrent weight", 3, r_dim, d) ||
	    (n->n_in > 3 && !f32_operand(g, n, 3, "bias", 2, b_dim, d)) || (n->n_in > 4 && !f32_operand(g, n, 4, "first state", 3, h_dim, d)) ||
	    (n->n_in > 5 && !f32_operand(g, n, 5, "first cell", 3, h_dim, d)) ||
	    (n->n_in > 6 && (!f32_operand(g, n, 6, "peephole", 2, p_dim, d) || !ig_infer_constants(g, n, 6, 1, d))))
		return false;
	out[0] = ig_type_make(IG_DT_F32, 4, y_dim);
	for (int i = 1; i < n->n_out; i++)
		out[i] = ig_type_make(IG_DT_F32, 3, h_dim);
	return true;
}

bool ig_infer_lstm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return recurrent(g, id, d, 4, out); }
bool ig_infer_gru(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return recurrent(g, id, d, 3, out); }
bool ig_infer_rnn(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return recurrent(g, id, d, 1, out); }
