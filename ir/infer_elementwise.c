/* Inference of inputs, constants, normalization with constants, and conversions. */
#include "ir/infer_impl.h"

#include <math.h>
#include <string.h>

bool ig_infer_input(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->out[0]);
	const char *layout = ig_attr_str(n, IG_A_LAYOUT, "nchw");
	if (strcmp(layout, "nchw") != 0 && strcmp(layout, "nhwc") != 0) {
		ig_error(d, n->loc, "input '%s': layout is nchw or nhwc, not '%s'", n->name, layout);
		return false;
	}
	if (strcmp(layout, "nhwc") == 0 && out->rank != 4) {
		ig_error(d, n->loc, "input '%s': nhwc needs rank 4, not %s", n->name, ig_type_str(g->arena, out));
		return false;
	}
	if (ig_dtypes[out->dtype].bits < 8) {
		ig_error(d, n->loc, "input '%s': the elements of an input are whole bytes, not %s", n->name, ig_dtypes[out->dtype].name);
		return false;
	}
	return true;
}

bool ig_infer_constant(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	size_t bytes;
	if (!n->data) {
		ig_error(d, n->loc, "constant '%s' has no data", n->name);
		return false;
	}
	*out = n->data->type;
	if (!ig_type_bytes(out, &bytes) || bytes != n->data->bytes) {
		ig_error(d, n->loc, "constant '%s': %zu bytes of data for %s", n->name, n->data->bytes, ig_type_str(g->arena, out));
		return false;
	}
	return true;
}

static bool infer_unary(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_numeric(g, n, 0, d))
		return false;
	*out = *ig_vtype(g, n->in[0]);
	out->dtype = IG_DT_F32;
	out->q = IG_NOQ;
	return true;
}

bool ig_infer_batch_norm(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	static const char *const what[5] = {"", "weight", "bias", "running_mean", "running_var"};
	const struct ig_node *n = ig_node(g, id);
	if (!infer_unary(g, id, d, out) || !ig_infer_constants(g, n, 1, 4, d))
		return false;
	if (out->rank < 2) {
		ig_error(d, n->loc, "batch_norm '%s' needs at least two dimensions, not %s", n->name, ig_infer_shape(g, n->in[0]));
		return false;
	}
	double eps = ig_attr_float(n, IG_A_EPS, 1e-5);
	if (!(eps >= 0 && isfinite(eps))) {
		ig_error(d, n->loc, "batch_norm '%s': eps must not be negative", n->name);
		return false;
	}
	for (int i = 1; i < 5; i++) {
		const struct ig_type *t = ig_vtype(g, n->in[i]);
		if (t->rank != 1 || t->dim[0] != out->dim[1] || t->dtype != IG_DT_F32) {
			ig_error(d, n->loc, "batch_norm '%s': the %s '%s' is %s, expected f32[%lld]", n->name, what[i], ig_value(g, n->in[i])->name,
			         ig_infer_shape(g, n->in[i]), (long long)out->dim[1]);
			return false;
		}
	}
	return true;
}

bool ig_infer_normalize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	if (x->q.i >= 0 || (x->dtype != IG_DT_F32 && x->dtype != IG_DT_U8)) {
		ig_error(d, n->loc, "normalize '%s' takes f32 or plain u8, not %s", n->name, ig_infer_shape(g, n->in[0]));
		return false;
	}
	*out = *x;
	out->dtype = IG_DT_F32;
	int64_t c = x->rank >= 2 ? x->dim[1] : 1;
	static const enum ig_attr_id lists[2] = {IG_A_MEAN, IG_A_STD};
	for (int k = 0; k < 2; k++) {
		const struct ig_attr *a = ig_attr(n, lists[k]);
		if (a && a->n != 1 && a->n != c) {
			ig_error(d, n->loc, "normalize '%s': %s has %d numbers, expected 1 or one for each of the %lld channels", n->name, ig_attrs[lists[k]].name, a->n,
			         (long long)c);
			return false;
		}
		for (int i = 0; a && i < a->n; i++) {
			if (!isfinite((float)a->u.floats[i]) || (k == 1 && (float)a->u.floats[i] == 0.0f)) {
				ig_error(d, n->loc, "normalize '%s': %s must be finite%s", n->name, ig_attrs[lists[k]].name, k ? " and not zero" : "");
				return false;
			}
		}
	}
	float scale = (float)ig_attr_float(n, IG_A_SCALE, 1);
	if (!isfinite(scale) || scale == 0.0f) {
		ig_error(d, n->loc, "normalize '%s': scale must be finite and not zero", n->name);
		return false;
	}
	return true;
}

bool ig_infer_softmax(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	int64_t axis, levels = ig_attr_int(ig_node(g, id), IG_A_LEVELS, 0);
	if (levels < 0 || levels > 65535) {
		ig_error(d, ig_node(g, id)->loc, "softmax '%s': levels %lld is outside of 0..65535", ig_node(g, id)->name, (long long)levels);
		return false;
	}
	if (!infer_unary(g, id, d, out))
		return false;
	return ig_infer_axis(g, id, -1, out->rank, &axis, d);
}

/* One byte of a 16-bit integer: u8 with the step that a unit of the byte stands for. */
static bool check_part(const struct ig_graph *g, const struct ig_node *n, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->out[0]);
	const struct ig_qparam *q = ig_qparam(g, t->q);
	enum ig_part part = ig_quantize_part(n);
	if (g->stage != IG_STAGE_QUANTIZED)
		ig_error(d, n->loc, "quantize '%s': part: is of quantized graphs; the preset w8a16 makes it", n->name);
	else if (part == IG_PART_WHOLE)
		ig_error(d, n->loc, "quantize '%s': part: takes high or low", n->name);
	else if (t->dtype != IG_DT_U8 || q->n != 1 || q->zero_point[0] != (part == IG_PART_HIGH ? 128 : 0) || q->qmin != 0 || q->qmax != 255)
		ig_error(d, n->loc, "quantize '%s': the high byte is u8 with one scale and zero point 128, the low byte with zero point 0", n->name);
	else
		return true;
	return false;
}

bool ig_infer_quantize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->in[0]);
	if (out->dtype != IG_DT_F32) {
		ig_error(d, n->loc, "quantize '%s' takes f32, not %s", n->name, ig_infer_shape(g, n->in[0]));
		return false;
	}
	if (ig_vtype(g, n->out[0])->q.i < 0) {
		ig_error(d, n->loc, "quantize '%s' needs the parameters of its result (scale and zero point)", n->name);
		return false;
	}
	return ig_attr_str(n, IG_A_PART, NULL) ? check_part(g, n, d) : true;
}

bool ig_infer_dequantize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->in[0]);
	if (out->q.i < 0) {
		ig_error(d, n->loc, "dequantize '%s' takes a quantized value, not %s", n->name, ig_infer_shape(g, n->in[0]));
		return false;
	}
	out->dtype = IG_DT_F32;
	out->q = IG_NOQ;
	return true;
}

bool ig_infer_requantize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->in[0]);
	if (out->q.i < 0 || ig_vtype(g, n->out[0])->q.i < 0) {
		ig_error(d, n->loc, "requantize '%s' goes from one quantized type to another; operand and result need parameters", n->name);
		return false;
	}
	out->q = IG_NOQ;
	return true;
}

bool ig_infer_observe(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	(void)d;
	*out = *ig_vtype(g, ig_node(g, id)->in[0]);
	return true;
}

static bool infer_stub(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	*out = *ig_vtype(g, n->in[0]);
	if (out->dtype == IG_DT_F32)
		return true;
	ig_error(d, n->loc, "%s '%s' takes f32, not %s", ig_ops[n->op].name, n->name, ig_dtypes[out->dtype].name);
	return false;
}

bool ig_infer_quant(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_stub(g, id, d, out); }
bool ig_infer_dequant(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return infer_stub(g, id, d, out); }
