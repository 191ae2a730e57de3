/* Quantized constants: weights s8 symmetric per channel or per tensor, bias i32 at the accumulator's scale, operands that are constants u8. */
#include "ir/detmath.h"
#include "ir/requant.h"
#include "passes/convert.h"
#include "passes/range.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>

#define MSE_STEPS 160 /* candidates of the weights' mse search: fractions of the largest magnitude down to 1/5 */

struct weights {
	const float *w, *b; /* b NULL: none */
	int64_t oc, per;    /* weights of a channel */
	const struct ig_qspec *spec;
	int32_t qmin, qmax; /* its limits */
	bool bias_f32;      /* the bias stays float */
};

int32_t ig_convert_weight(float w, float scale, int32_t qmin, int32_t qmax)
{
	double q = ig_det_rint((double)(w / scale));
	return q < qmin ? qmin : q > qmax ? qmax : (int32_t)q;
}

/* The scale of n weights by the observer. */
float ig_convert_weight_scale(const float *w, int64_t n, const struct ig_qspec *spec)
{
	float lo = 0, hi = 0, full, best_scale;
	int32_t zero, qmin, qmax;
	ig_qspec_limits(spec, &qmin, &qmax);
	for (int64_t i = 0; i < n; i++) {
		lo = w[i] < lo ? w[i] : lo;
		hi = w[i] > hi ? w[i] : hi;
	}
	ig_qspec_params(spec, lo, hi, &full, &zero);
	best_scale = full;
	if (spec->observer != IG_OBS_MSE || spec->scheme == IG_SCHEME_POWER_OF_TWO)
		return full;
	double best = INFINITY;
	for (int k = 0; k < MSE_STEPS; k++) {
		float scale = (float)((double)full * (1.0 - 0.8 * k / MSE_STEPS));
		double err = 0;
		for (int64_t i = 0; i < n && err < best; i++) {
			double e = (double)w[i] - (double)ig_convert_weight(w[i], scale, qmin, qmax) * (double)scale;
			err += e * e;
		}
		if (err < best) {
			best = err;
			best_scale = scale;
		}
	}
	return best_scale;
}

/* Scales of all channels: those of the weights, raised where a bias would not fit in 32 bits. */
static float *weight_scales(const struct weights *p, float s_x, const struct ig_qconfig *q)
{
	float *scale = ig_xcalloc((size_t)p->oc + 1, sizeof *scale);
	float whole = q->weight.per_channel ? 0 : ig_convert_weight_scale(p->w, p->oc * p->per, p->spec);
	for (int64_t c = 0; c < p->oc; c++)
		scale[c] = q->weight.per_channel ? ig_convert_weight_scale(p->w + c * p->per, p->per, p->spec) : whole;
	for (int64_t c = 0; c < p->oc && p->b && !p->bias_f32; c++) {
		float least = (float)(fabs((double)p->b[c]) / ((double)s_x * 0x1p30));
		if (q->weight.per_channel)
			scale[c] = least > scale[c] ? least : scale[c];
		else
			whole = least > whole ? least : whole;
	}
	for (int64_t c = 0; c < p->oc && !q->weight.per_channel; c++)
		scale[c] = whole;
	return scale;
}

static bool check_finite(const struct weights *p, const struct ig_node *n, struct ig_diag *d)
{
	for (int64_t i = 0; i < p->oc * p->per; i++)
		if (!isfinite(p->w[i])) {
			ig_error(d, n->loc, "layer `%s`: weight %lld is %g; weights must be finite to be quantized", n->name, (long long)i, (double)p->w[i]);
			return false;
		}
	for (int64_t c = 0; p->b && c < p->oc; c++)
		if (!isfinite(p->b[c])) {
			ig_error(d, n->loc, "layer `%s`: bias %lld is %g; a bias must be finite to be quantized", n->name, (long long)c, (double)p->b[c]);
			return false;
		}
	return true;
}

/* Every sum that the layer can form must fit in 32 bits, whatever the input. */
static bool check_accumulator(const struct weights *p, const int8_t *w, const int32_t *b, int32_t zp_x, const struct ig_node *n, struct ig_diag *d)
{
	for (int64_t c = 0; c < p->oc; c++) {
		int64_t lo = b ? b[c] : 0, hi = lo;
		for (int64_t i = c * p->per; i < (c + 1) * p->per; i++) {
			int64_t a = (int64_t)w[i] * (255 - zp_x), z = (int64_t)w[i] * -zp_x;
			lo += a < z ? a : z;
			hi += a < z ? z : a;
		}
		if (lo < INT32_MIN || hi > INT32_MAX) {
			ig_error(d, n->loc, "layer `%s`: the sums of output channel %lld can exceed 32 bits (%lld weights in a channel); give it `skip`", n->name,
			         (long long)c, (long long)p->per);
			return false;
		}
	}
	return true;
}

bool ig_convert_weights(struct ig_convert *k, struct ig_nid id, float s_x, int32_t zp_x, const struct ig_qconfig *q)
{
	struct ig_graph *g = k->g;
	const struct ig_node *n = ig_node(g, id);
	const struct ig_tensor *wt = ig_const_data(g, n->in[1]), *bt = n->n_in > 2 ? ig_const_data(g, n->in[2]) : NULL;
	struct weights p = {.w = wt->data, .b = bt ? bt->data : NULL, .oc = wt->type.dim[0]};
	p.per = p.oc ? ig_elems(&wt->type) / p.oc : 0;
	p.bias_f32 = q->bias_float32 && !q->requantize_fixed; /* the fixed form has integers only */
	p.spec = &q->weight;
	ig_qspec_limits(p.spec, &p.qmin, &p.qmax);
	if (!check_finite(&p, n, k->c->diag))
		return false;
	float *scale = weight_scales(&p, s_x, q);
	bool channels = q->weight.per_channel && p.oc > 1;
	int32_t *zeros = ig_xcalloc((size_t)p.oc + 1, sizeof *zeros);
	struct ig_qparam qp = {.dtype = IG_DT_S8, .axis = channels ? 0 : -1, .n = channels ? p.oc : 1, .scale = scale, .zero_point = zeros,
	                       .qmin = p.qmin, .qmax = p.qmax};
	struct ig_type type = wt->type;
	type.dtype = IG_DT_S8;
	type.q = ig_graph_qparam(g, &qp);
	struct ig_tensor *wq = ig_tensor_new(g->arena, &type), *bq = NULL;
	int8_t *w = wq->data;
	for (int64_t i = 0; i < p.oc * p.per; i++)
		w[i] = (int8_t)ig_convert_weight(p.w[i], scale[i / p.per], p.qmin, p.qmax);
	if (p.b && !p.bias_f32) {
		struct ig_type t = ig_type_make(IG_DT_I32, 1, &p.oc);
		bq = ig_tensor_new(g->arena, &t);
		for (int64_t c = 0; c < p.oc; c++)
			if (!ig_bias_quantize(p.b[c], s_x, scale[c], (int32_t *)bq->data + c))
				IG_BUG("bias %g at scales %g, %g", (double)p.b[c], (double)s_x, (double)scale[c]);
	}
	bool ok = check_accumulator(&p, w, bq ? bq->data : NULL, zp_x, n, k->c->diag);
	free(scale);
	free(zeros);
	if (!ok)
		return false;
	ig_set_constant(g, id, 1, "weight", wq);
	if (bq)
		ig_set_constant(g, id, 2, "bias", bq);
	if (p.b && p.bias_f32)
		ig_attr_set_str(g, id, IG_A_BIAS_MODE, "float32");
	if (q->requantize_fixed)
		ig_attr_set_str(g, id, IG_A_REQUANTIZE, "fixed");
	return true;
}

bool ig_convert_constant_qparam(struct ig_convert *k, struct ig_vid v, const struct ig_qconfig *q, struct ig_loc loc, struct ig_qid *out)
{
	const struct ig_tensor *t = ig_const_data(k->g, v);
	const float *x = t->data;
	float lo = 0, hi = 0;
	for (int64_t i = 0, n = ig_elems(&t->type); i < n; i++) {
		if (!isfinite(x[i])) {
			ig_error(k->c->diag, loc, "constant `%s`: element %lld is %g; it must be finite to be quantized", ig_value(k->g, v)->name, (long long)i, (double)x[i]);
			return false;
		}
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	*out = ig_activation_qparam(k->g, &q->act, lo, hi);
	return true;
}
