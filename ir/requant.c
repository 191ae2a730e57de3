/* Constants of quantized arithmetic; see requant.h for what each stands for. */
#include "ir/requant.h"

#include "ir/detmath.h"
#include "runtime/qmath.h"

#include <math.h>
#include <string.h>

/* Above this a product with an int32 may leave float32, and two such could sum to NaN; real models stay below 2^30. */
#define MAX_FACTOR 7.9228162514264338e28f /* 2^96 */

void ig_act_clamp(const struct ig_node *n, const struct ig_qparam *out, int32_t *lo, int32_t *hi)
{
	double flo, fhi;
	ig_act_bounds(n, &flo, &fhi);
	*lo = ig_quantize((float)flo, out->scale[0], out->zero_point[0], out->qmin, out->qmax);
	*hi = ig_quantize((float)fhi, out->scale[0], out->zero_point[0], out->qmin, out->qmax);
}

float ig_pool_factor(float s_x, float s_y, int64_t taps) { return s_x / (s_y * (float)taps); }

static int64_t axis_taps(int64_t in, int64_t before, int64_t after, int64_t k, int64_t first, bool include_pad)
{
	int64_t lo = include_pad ? -before : 0, hi = include_pad ? in + after : in, end = first + k;
	return (end < hi ? end : hi) - (first > lo ? first : lo);
}

int64_t ig_pool_taps(const struct ig_conv_geom *c, bool include_pad, int64_t oy, int64_t ox)
{
	return axis_taps(c->ih, c->pt, c->pb, c->kh, oy * c->sh - c->pt, include_pad) * axis_taps(c->iw, c->pl, c->pr, c->kw, ox * c->sw - c->pl, include_pad);
}

bool ig_bias_quantize(float b, float s_x, float s_w, int32_t *q)
{
	double v = ig_det_rint((double)b / ((double)s_x * (double)s_w));
	if (!(v >= -2147483648.0 && v <= 2147483647.0))
		return false;
	*q = (int32_t)v;
	return true;
}

/* real = m * 2^e with 0.5 <= m < 1; the multiplier is m in 31 fraction bits. */
void ig_fixed_multiplier(double real, int32_t *mult, int32_t *shift)
{
	int e;
	*mult = *shift = 0;
	if (!(real > 0))
		return;
	int64_t q = (int64_t)(frexp(real, &e) * 2147483648.0 + 0.5); /* the product is exact, the sum below 2^32: half away from zero */
	if (q == (int64_t)1 << 31) {
		q /= 2;
		e++;
	}
	if (e < -31)
		return;
	if (e > 30) {
		q = INT32_MAX;
		e = 30;
	}
	*mult = (int32_t)q;
	*shift = e;
}

void ig_batch_norm_factors(float gamma, float beta, float mean, float var, double eps, double *a, double *b)
{
	*a = (double)gamma / ig_det_sqrt((double)var + eps);
	*b = (double)beta - (double)mean * *a;
}

static bool safe(float f) { return f <= MAX_FACTOR && f >= -MAX_FACTOR; }

/* The residual's part of a *_add node. */
static bool residual_of(const struct ig_graph *g, const struct ig_node *n, const struct ig_qparam *y, struct ig_requant *r, struct ig_diag *d)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, n->in[3])->q);
	if (!q) {
		r->residual_float = true;
		return true;
	}
	r->residual_zp = q->zero_point[0];
	r->residual = y ? q->scale[0] / y->scale[0] : q->scale[0];
	if (y && r->fixed)
		ig_fixed_multiplier((double)q->scale[0] / (double)y->scale[0], &r->residual_mult, &r->residual_shift);
	if (safe(r->residual))
		return true;
	ig_error(d, n->loc, "'%s': the residual's scale %g over the result's %g is too large", n->name, (double)q->scale[0], (double)y->scale[0]);
	return false;
}

bool ig_requant_of(const struct ig_graph *g, const struct ig_node *n, struct ig_arena *a, struct ig_requant *r, struct ig_diag *d)
{
	const struct ig_qparam *x = ig_qparam(g, ig_vtype(g, n->in[0])->q), *w = ig_qparam(g, ig_vtype(g, n->in[1])->q);
	const struct ig_qparam *y = ig_qparam(g, ig_vtype(g, n->out[0])->q);
	*r = (struct ig_requant){.n = ig_vtype(g, n->in[1])->dim[0], .float_result = !y};
	if (!x || !w)
		IG_BUG("'%s' is no quantized node", n->name);
	r->fixed = strcmp(ig_attr_str(n, IG_A_REQUANTIZE, "float"), "fixed") == 0;
	double flo, fhi;
	ig_act_bounds(n, &flo, &fhi);
	r->flo = (float)flo;
	r->fhi = (float)fhi;
	if (y) {
		r->zp = y->zero_point[0];
		ig_act_clamp(n, y, &r->lo, &r->hi);
	} else {
		r->fixed = false; /* a float result has no fixed point */
	}
	bool bias_float = n->n_in > 2 && ig_vtype(g, n->in[2])->dtype == IG_DT_F32;
	float *m = IG_NEWN(a, float, r->n), *fb = bias_float ? IG_NEWN(a, float, r->n) : NULL;
	int32_t *mult = r->fixed ? IG_NEWN(a, int32_t, r->n) : NULL, *shift = r->fixed ? IG_NEWN(a, int32_t, r->n) : NULL;
	const float *b = bias_float ? ig_const_data(g, n->in[2])->data : NULL;
	for (int64_t c = 0; c < r->n; c++) {
		float s_x = x->scale[0], s_w = w->scale[w->n == 1 ? 0 : c];
		m[c] = y ? ig_requant_factor(s_x, s_w, y->scale[0]) : s_x * s_w;
		if (bias_float)
			fb[c] = b[c] / (s_x * s_w);
		if (r->fixed)
			ig_fixed_multiplier((double)s_x * (double)s_w / (double)y->scale[0], &mult[c], &shift[c]);
		if (!safe(m[c]) || (bias_float && (!safe(fb[c]) || !safe(fb[c] * m[c])))) {
			ig_error(d, n->loc, "'%s': the scales of channel %lld (input %g, weight %g%s) lead out of float32", n->name, (long long)c, (double)s_x, (double)s_w,
			         bias_float ? ", with its bias" : "");
			return false;
		}
	}
	r->m = m;
	r->bias = fb;
	r->mult = mult;
	r->shift = shift;
	return !ig_op_is_add(n->op) || residual_of(g, n, y, r, d);
}

bool ig_eltwise_of(const struct ig_graph *g, const struct ig_node *n, struct ig_eltwise *e, struct ig_diag *d)
{
	const struct ig_qparam *a = ig_qparam(g, ig_vtype(g, n->in[0])->q), *b = ig_qparam(g, ig_vtype(g, n->in[1])->q);
	const struct ig_qparam *y = ig_qparam(g, ig_vtype(g, n->out[0])->q);
	if (!a || !b || !y)
		IG_BUG("'%s' is no quantized node", n->name);
	*e = (struct ig_eltwise){.za = a->zero_point[0], .zb = b->zero_point[0], .zp = y->zero_point[0]};
	ig_act_clamp(n, y, &e->lo, &e->hi);
	float s_a = a->scale[0], s_b = b->scale[0], s_y = y->scale[0];
	e->fa = n->op == IG_OP_MUL ? ig_requant_factor(s_a, s_b, s_y) : s_a / s_y;
	e->fb = n->op == IG_OP_MUL ? 0.0f : s_b / s_y;
	e->early = ig_attr(n, IG_A_EARLY_ZERO) != NULL;
	if (e->early) {
		int64_t given = ig_attr_int(n, IG_A_EARLY_ZERO, 0);
		int32_t base = (int32_t)given;
		if (given < 0 || given > 255) {
			ig_error(d, n->loc, "'%s': early_zero %lld is outside of 0..255", n->name, (long long)given);
			return false;
		}
		e->c = (float)(e->zp - base);
		if (n->op == IG_OP_ADD) {
			float za = e->fa * (float)(e->za - base), zb = e->fb * (float)(e->zb - base);
			e->c = e->c - (za + zb);
		}
		e->zp = base;
	}
	if (safe(e->fa) && safe(e->fb))
		return true;
	ig_error(d, n->loc, "'%s': the operands' scales %g and %g over the result's %g are too large", n->name, (double)s_a, (double)s_b, (double)s_y);
	return false;
}
