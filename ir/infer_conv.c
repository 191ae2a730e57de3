/* Inference of convolutions, linear layers and pools. */
#include "ir/infer_impl.h"

#include <string.h>

static bool attr_range(const struct ig_node *n, enum ig_attr_id id, int64_t dflt, int64_t lo, struct ig_diag *d)
{
	int64_t v[2];
	const struct ig_attr *a = ig_attr(n, id);
	if (a && a->n > 2) {
		ig_error(d, n->loc, "%s '%s': %s takes one or two integers", ig_ops[n->op].name, n->name, ig_attrs[id].name);
		return false;
	}
	ig_attr_ints(n, id, dflt, v, 2);
	for (int i = 0; i < 2; i++) {
		if (v[i] < lo || v[i] > IG_MAX_EXTENT) {
			ig_error(d, n->loc, "%s '%s': %s %lld is outside of %lld..%lld", ig_ops[n->op].name, n->name, ig_attrs[id].name, (long long)v[i], (long long)lo,
			         (long long)IG_MAX_EXTENT);
			return false;
		}
	}
	return true;
}

/* SAME: as many outputs as ceil(in / stride); the odd element at the end (same) or the beginning (same_lower). */
static void same_padding(int64_t in, int64_t k, int64_t s, int64_t dil, bool lower, int64_t *before, int64_t *after)
{
	int64_t out = (in + s - 1) / s, total = (out - 1) * s + dil * (k - 1) + 1 - in;
	if (total < 0)
		total = 0;
	*before = lower ? total - total / 2 : total / 2;
	*after = total - *before;
}

/* Brings the pad attribute, when present, to four integers. */
static bool normalize_pad(struct ig_graph *g, struct ig_nid id, const int64_t k[2], struct ig_diag *d)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_attr *a = ig_attr(n, IG_A_PAD);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	int64_t p[4] = {0}, s[2], dil[2];
	if (!a)
		return true;
	ig_attr_ints(n, IG_A_STRIDE, 1, s, 2);
	ig_attr_ints(n, IG_A_DILATION, 1, dil, 2);
	if (a->n == 0) {
		bool lower = strcmp(a->u.s, "same_lower") == 0;
		if (lower || strcmp(a->u.s, "same") == 0) {
			same_padding(x->dim[2], k[0], s[0], dil[0], lower, &p[0], &p[2]);
			same_padding(x->dim[3], k[1], s[1], dil[1], lower, &p[1], &p[3]);
		} else if (strcmp(a->u.s, "valid") != 0) {
			ig_error(d, n->loc, "%s '%s': pad is an integer, 2 or 4 integers, same, same_lower or valid, not '%s'", ig_ops[n->op].name, n->name, a->u.s);
			return false;
		}
	} else if (a->n == 1 || a->n == 2 || a->n == 4) {
		for (int i = 0; i < 4; i++)
			p[i] = a->u.ints[i % a->n];
	} else {
		ig_error(d, n->loc, "%s '%s': pad takes 1, 2 or 4 integers (top, left, bottom, right)", ig_ops[n->op].name, n->name);
		return false;
	}
	for (int i = 0; i < 4; i++) {
		if (p[i] < 0 || p[i] > IG_MAX_EXTENT) {
			ig_error(d, n->loc, "%s '%s': pad %lld is outside of 0..%lld", ig_ops[n->op].name, n->name, (long long)p[i], (long long)IG_MAX_EXTENT);
			return false;
		}
	}
	ig_attr_set_ints(g, id, IG_A_PAD, p, 4);
	return true;
}

static bool fits(const struct ig_graph *g, const struct ig_node *n, const struct ig_conv_geom *c, struct ig_diag *d)
{
	if (c->oh >= 1 && c->ow >= 1)
		return true;
	ig_error(d, n->loc, "%s '%s': the kernel (%lld x %lld) is larger than the padded input %s", ig_ops[n->op].name, n->name, (long long)c->kh,
	         (long long)c->kw, ig_infer_shape(g, n->in[0]));
	return false;
}

static bool vector_of(const struct ig_graph *g, const struct ig_node *n, int i, int64_t len, const char *what, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->in[i]);
	if (t->rank == 1 && t->dim[0] == len && (t->dtype == IG_DT_F32 || t->dtype == IG_DT_I32))
		return true;
	ig_error(d, n->loc, "%s '%s': the %s '%s' is %s, expected f32[%lld]", ig_ops[n->op].name, n->name, what, ig_value(g, n->in[i])->name,
	         ig_infer_shape(g, n->in[i]), (long long)len);
	return false;
}

/* Bias, residual and the fused activation's bounds, once the result's shape is known. */
static bool rest_of_compute(const struct ig_graph *g, const struct ig_node *n, int64_t oc, const struct ig_type *out, struct ig_diag *d)
{
	if (n->n_in > 2 && !vector_of(g, n, 2, oc, "bias", d))
		return false;
	if (ig_op_is_add(n->op)) {
		if (!ig_infer_numeric(g, n, 3, d))
			return false;
		if (!ig_type_same_shape(ig_vtype(g, n->in[3]), out)) {
			ig_error(d, n->loc, "%s '%s': the residual is %s, the result %s", ig_ops[n->op].name, n->name, ig_infer_shape(g, n->in[3]),
			         ig_type_str(g->arena, out));
			return false;
		}
	}
	const char *requantize = ig_attr_str(n, IG_A_REQUANTIZE, "float"), *bias_mode = ig_attr_str(n, IG_A_BIAS_MODE, "int32");
	if ((strcmp(requantize, "float") != 0 && strcmp(requantize, "fixed") != 0) || (strcmp(bias_mode, "int32") != 0 && strcmp(bias_mode, "float32") != 0)) {
		ig_error(d, n->loc, "%s '%s': requantize is float or fixed, bias_mode int32 or float32", ig_ops[n->op].name, n->name);
		return false;
	}
	if (strcmp(requantize, "fixed") == 0 && strcmp(bias_mode, "float32") == 0) {
		ig_error(d, n->loc, "%s '%s': requantize: fixed has integers only; it cannot go with bias_mode: float32", ig_ops[n->op].name, n->name);
		return false;
	}
	return ig_infer_bounds(n, d);
}

static bool weight_type(const struct ig_graph *g, const struct ig_node *n, struct ig_diag *d)
{
	const struct ig_type *w = ig_vtype(g, n->in[1]);
	if (!ig_infer_constants(g, n, 1, 2, d))
		return false;
	bool half = w->dtype == IG_DT_F16 || w->dtype == IG_DT_BF16;
	if (w->dtype == IG_DT_F32 || half || ((w->dtype == IG_DT_S8 || w->dtype == IG_DT_S4) && w->q.i >= 0))
		return true;
	ig_error(d, n->loc, "%s '%s': the weight '%s' is %s, expected f32", ig_ops[n->op].name, n->name, ig_value(g, n->in[1])->name, ig_infer_shape(g, n->in[1]));
	return false;
}

static bool conv_weight(const struct ig_graph *g, const struct ig_node *n, bool depthwise, struct ig_diag *d)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *w = ig_vtype(g, n->in[1]);
	int64_t c = x->dim[1], groups = depthwise ? c : ig_attr_int(n, IG_A_GROUPS, 1);
	if (groups < 1 || c % groups != 0 || (!depthwise && w->dim[0] % groups != 0)) {
		ig_error(d, n->loc, "%s '%s': %lld groups do not divide %lld input and %lld output channels", ig_ops[n->op].name, n->name, (long long)groups,
		         (long long)c, (long long)w->dim[0]);
		return false;
	}
	if (w->dim[1] != c / groups || (depthwise && w->dim[0] != c)) {
		ig_error(d, n->loc, "%s '%s': the weight '%s' is %s, but %lld input channels%s need %s[%lld, %lld, ...]", ig_ops[n->op].name, n->name,
		         ig_value(g, n->in[1])->name, ig_infer_shape(g, n->in[1]), (long long)c, groups > 1 && !depthwise ? " in groups" : "",
		         ig_dtypes[w->dtype].name, (long long)(depthwise ? c : w->dim[0]), (long long)(c / groups));
		return false;
	}
	int64_t k[2];
	ig_attr_ints(n, IG_A_KERNEL, 0, k, 2);
	if (ig_attr(n, IG_A_KERNEL) && (k[0] != w->dim[2] || k[1] != w->dim[3])) {
		ig_error(d, n->loc, "%s '%s': kernel is %lld x %lld, but the weight '%s' is %s", ig_ops[n->op].name, n->name, (long long)k[0], (long long)k[1],
		         ig_value(g, n->in[1])->name, ig_infer_shape(g, n->in[1]));
		return false;
	}
	return true;
}

static bool infer_conv(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, bool depthwise)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_numeric(g, n, 0, d) || !ig_infer_rank(g, n, 0, 4, d) || !ig_infer_rank(g, n, 1, 4, d) || !weight_type(g, n, d))
		return false;
	const struct ig_type *w = ig_vtype(g, n->in[1]);
	if (!attr_range(n, IG_A_KERNEL, 1, 1, d) || !attr_range(n, IG_A_STRIDE, 1, 1, d) || !attr_range(n, IG_A_DILATION, 1, 1, d) ||
	    !conv_weight(g, n, depthwise, d))
		return false;
	if (w->dim[2] > IG_MAX_EXTENT || w->dim[3] > IG_MAX_EXTENT) {
		ig_error(d, n->loc, "%s '%s': the weight %s is too large", ig_ops[n->op].name, n->name, ig_infer_shape(g, n->in[1]));
		return false;
	}
	if (!normalize_pad(g, id, &w->dim[2], d))
		return false;
	struct ig_conv_geom c;
	ig_conv_geometry(g, n, &c);
	if (!fits(g, n, &c, d))
		return false;
	*out = ig_type_make(IG_DT_F32, 4, (int64_t[]){c.n, c.oc, c.oh, c.ow});
	return rest_of_compute(g, n, c.oc, out, d);
}

bool ig_infer_conv2d(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_conv(g, id, d, out, false); }
bool ig_infer_conv2d_add(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_conv(g, id, d, out, false); }
bool ig_infer_depthwise_conv2d(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_conv(g, id, d, out, true); }
bool ig_infer_depthwise_conv2d_add(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return infer_conv(g, id, d, out, true);
}

bool ig_infer_linear(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]), *w = ig_vtype(g, n->in[1]);
	if (!ig_infer_numeric(g, n, 0, d) || !ig_infer_rank(g, n, 1, 2, d) || !weight_type(g, n, d))
		return false;
	if (x->rank < 1 || x->dim[x->rank - 1] != w->dim[1]) {
		ig_error(d, n->loc, "%s '%s': the input %s ends in another extent than the weight '%s' %s%s", ig_ops[n->op].name, n->name,
		         ig_infer_shape(g, n->in[0]), ig_value(g, n->in[1])->name, ig_infer_shape(g, n->in[1]), x->rank == 4 ? "; is a flatten missing?" : "");
		return false;
	}
	*out = *x;
	out->dtype = IG_DT_F32;
	out->q = IG_NOQ;
	out->dim[x->rank - 1] = w->dim[0];
	return rest_of_compute(g, n, w->dim[0], out, d);
}

bool ig_infer_linear_add(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return ig_infer_linear(g, id, d, out); }

/* Does a window at some output position along one axis touch padding only? */
static bool empty_window(int64_t in, int64_t out, int64_t before, int64_t k, int64_t s, int64_t dil)
{
	for (int64_t o = 0; o < out; o++) {
		int64_t start = o * s - before, skip = start < 0 ? (-start + dil - 1) / dil : 0; /* taps before the input */
		if (skip >= k || start + skip * dil >= in)
			return true;
	}
	return false;
}

static bool infer_pool(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	int64_t k[2];
	if (!ig_infer_rank(g, n, 0, 4, d))
		return false;
	if (!ig_attr(n, IG_A_KERNEL)) {
		ig_error(d, n->loc, "%s '%s' needs kernel: ...", ig_ops[n->op].name, n->name);
		return false;
	}
	if (!attr_range(n, IG_A_KERNEL, 1, 1, d) || !attr_range(n, IG_A_STRIDE, 1, 1, d) || !attr_range(n, IG_A_DILATION, 1, 1, d))
		return false;
	ig_attr_ints(n, IG_A_KERNEL, 1, k, 2);
	if (k[0] * k[1] > (int64_t)1 << 22) {
		ig_error(d, n->loc, "%s '%s': a window of more than 2^22 elements", ig_ops[n->op].name, n->name);
		return false;
	}
	if (!normalize_pad(g, id, k, d))
		return false;
	struct ig_conv_geom c;
	ig_conv_geometry(g, n, &c);
	if (!fits(g, n, &c, d))
		return false;
	*out = *ig_vtype(g, n->in[0]);
	out->dim[2] = c.oh;
	out->dim[3] = c.ow;
	int64_t elems;
	if (ig_type_elems(out, &elems) && elems <= IG_MAX_ELEMS &&
	    (empty_window(c.ih, c.oh, c.pt, c.kh, c.sh, c.dh) || empty_window(c.iw, c.ow, c.pl, c.kw, c.sw, c.dw))) {
		ig_error(d, n->loc, "%s '%s': a window lies wholly in the padding; make pad smaller than the kernel", ig_ops[n->op].name, n->name);
		return false;
	}
	return true;
}

bool ig_infer_max_pool2d(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_pool(g, id, d, out); }

bool ig_infer_global_max_pool(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	if (!ig_infer_rank(g, ig_node(g, id), 0, 4, d))
		return false;
	*out = *ig_vtype(g, ig_node(g, id)->in[0]);
	out->dim[2] = out->dim[3] = 1;
	return true;
}

bool ig_infer_avg_pool2d(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return ig_infer_numeric(g, ig_node(g, id), 0, d) && infer_pool(g, id, d, out);
}

bool ig_infer_global_avg_pool(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_numeric(g, n, 0, d) || !ig_infer_rank(g, n, 0, 4, d))
		return false;
	*out = *ig_vtype(g, n->in[0]);
	if (out->dim[2] > (int64_t)1 << 22 || out->dim[3] > ((int64_t)1 << 22) / out->dim[2]) {
		ig_error(d, n->loc, "%s '%s': a window of more than 2^22 elements", ig_ops[n->op].name, n->name);
		return false;
	}
	out->dim[2] = out->dim[3] = 1;
	return true;
}
