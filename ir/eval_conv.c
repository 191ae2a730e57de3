/* Convolutions and linear layers. Inputs are brought to [pixel][channel] and weights to [tap][output channel], so that the inner loop runs over
   output channels; each output is one chain over the taps in the order (ky, kx, input channel), whatever the loop's vector width.
   With float that chain is of fused multiply-adds from the bias; with integers it is a sum in int32 that wraps. */
#include "ir/dynamic.h"
#include "ir/eval.h"
#include "ir/stored.h"
#include "runtime/qmath.h"

#include <string.h>

enum { LANES = 16, PIXELS = 4 };

/* acc[p][j] = chain over k of col[p][k] * w[k][j], for blocks of 16 output channels. */
IG_CLONES static void chain_float(float *restrict acc, const float *restrict col, const float *restrict w, int64_t k_count, int64_t oc, int pixels)
{
	for (int64_t j0 = 0; j0 < oc; j0 += LANES) {
		for (int p = 0; p < pixels; p++) {
			float a[LANES];
			const float *x = col + p * k_count;
			for (int j = 0; j < LANES; j++)
				a[j] = acc[p * oc + j0 + j];
			for (int64_t k = 0; k < k_count; k++)
				for (int j = 0; j < LANES; j++)
					a[j] = ig_fmaf(x[k], w[k * oc + j0 + j], a[j]);
			for (int j = 0; j < LANES; j++)
				acc[p * oc + j0 + j] = a[j];
		}
	}
}

/* The same for integers, unsigned because it shall wrap. */
IG_CLONES static void chain_int(uint32_t *restrict acc, const int32_t *restrict col, const int32_t *restrict w, int64_t k_count, int64_t oc, int pixels)
{
	for (int64_t j0 = 0; j0 < oc; j0 += LANES) {
		for (int p = 0; p < pixels; p++) {
			uint32_t a[LANES];
			const int32_t *x = col + p * k_count;
			for (int j = 0; j < LANES; j++)
				a[j] = acc[p * oc + j0 + j];
			for (int64_t k = 0; k < k_count; k++)
				for (int j = 0; j < LANES; j++)
					a[j] += (uint32_t)x[k] * (uint32_t)w[k * oc + j0 + j];
			for (int j = 0; j < LANES; j++)
				acc[p * oc + j0 + j] = a[j];
		}
	}
}

/* Depthwise: one tap for all channels at once. */
IG_CLONES static void tap_float(float *restrict acc, const float *restrict x, const float *restrict w, int64_t c)
{
	int64_t i = 0;
	for (; i + LANES <= c; i += LANES)
		for (int j = 0; j < LANES; j++)
			acc[i + j] = ig_fmaf(x[i + j], w[i + j], acc[i + j]);
	for (; i < c; i++)
		acc[i] = ig_fmaf(x[i], w[i], acc[i]);
}

IG_CLONES static void tap_int(uint32_t *restrict acc, const int32_t *restrict x, const int32_t *restrict w, int64_t c)
{
	int64_t i = 0;
	for (; i + LANES <= c; i += LANES)
		for (int j = 0; j < LANES; j++)
			acc[i + j] += (uint32_t)x[i + j] * (uint32_t)w[i + j];
	for (; i < c; i++)
		acc[i] += (uint32_t)x[i] * (uint32_t)w[i];
}

/* Everything is four bytes wide: float or int32 by `quantized`. */
struct conv_state {
	struct ig_conv_geom c;
	bool quantized, depthwise;
	int levels;   /* of an input that is quantized at run time; 0: it is not */
	float scale;  /* that it then has in this run */
	int32_t zero;
	int64_t k;    /* taps of one group: kh * kw * ic / groups */
	int64_t ocg;  /* output channels of a group, padded to whole blocks */
	void *weight; /* [groups][k][ocg]; depthwise [kh * kw][channels] */
	void *start;  /* bias of [groups][ocg] */
	void *x;      /* [pixel][channel] of one sample */
	void *col;    /* [PIXELS][k]; depthwise: a row of zeros */
	void *acc;    /* [PIXELS][ocg] or [channels] */
};

static bool is_linear(const struct ig_node *n) { return n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD; }

/* q: parameters of weights that are stored small for a float layer (stored.h). */
static void put(struct conv_state *s, void *to, int64_t i, const struct ig_tensor *t, const struct ig_qparam *q, int64_t from)
{
	if (!s->quantized)
		((float *)to)[i] = t->type.dtype == IG_DT_F32 ? ((const float *)t->data)[from] : ig_stored_float(t, q, from);
	else if (t->type.dtype == IG_DT_S8)
		((int32_t *)to)[i] = ((const int8_t *)t->data)[from];
	else if (t->type.dtype == IG_DT_I32)
		((int32_t *)to)[i] = ((const int32_t *)t->data)[from];
}

static void pack_weights(struct conv_state *s, const struct ig_tensor *w, const struct ig_qparam *q)
{
	const struct ig_conv_geom *c = &s->c;
	int64_t icg = c->ic / c->groups, real_ocg = c->oc / c->groups, area = c->kh * c->kw;
	if (s->depthwise) {
		for (int64_t t = 0; t < area; t++)
			for (int64_t o = 0; o < c->oc; o++)
				put(s, s->weight, t * c->oc + o, w, q, o * area + t);
		return;
	}
	for (int64_t o = 0; o < c->oc; o++)
		for (int64_t i = 0; i < icg; i++)
			for (int64_t t = 0; t < area; t++)
				put(s, s->weight, ((o / real_ocg) * s->k + t * icg + i) * s->ocg + o % real_ocg, w, q, (o * icg + i) * area + t);
}

static void *words(struct ig_arena *a, int64_t n)
{
	struct ig_type t = ig_type_make(IG_DT_F32, 1, &n);
	return ig_tensor_new(a, &t)->data;
}

static struct conv_state *prepare(struct ig_eval *e)
{
	struct conv_state *s = IG_NEW(e->arena, struct conv_state);
	ig_conv_geometry(e->g, e->n, &s->c);
	const struct ig_conv_geom *c = &s->c;
	int64_t real_ocg = c->oc / c->groups;
	s->levels = ig_dynamic_levels(e->n);
	s->quantized = ig_eval_q(e, 0) != NULL || s->levels;
	s->depthwise = e->n->op == IG_OP_DEPTHWISE_CONV2D || e->n->op == IG_OP_DEPTHWISE_CONV2D_ADD;
	s->k = c->kh * c->kw * (c->ic / c->groups);
	s->ocg = s->depthwise ? 1 : (real_ocg + LANES - 1) / LANES * LANES;
	s->weight = words(e->arena, c->groups * s->k * s->ocg);
	s->start = words(e->arena, c->groups * s->ocg);
	pack_weights(s, e->in[1], ig_eval_q(e, 1));
	/* a float32 bias is added after the sum */
	if (e->n->n_in > 2 && !(s->quantized && e->in[2]->type.dtype == IG_DT_F32))
		for (int64_t o = 0; o < c->oc; o++)
			put(s, s->start, o / real_ocg * s->ocg + o % real_ocg, e->in[2], NULL, o);
	s->x = words(e->arena, c->ih * c->iw * c->ic);
	s->col = words(e->arena, s->depthwise ? c->ic : PIXELS * s->k);
	s->acc = words(e->arena, s->depthwise ? c->oc : PIXELS * s->ocg);
	return s;
}

/* One sample from [channel][pixel] to [pixel][channel]; quantized inputs lose their zero point. */
static void load_input(struct conv_state *s, const struct ig_eval *e, int64_t sample)
{
	int64_t area = s->c.ih * s->c.iw, ic = s->c.ic, base = sample * area * ic;
	const struct ig_qparam *q = ig_eval_q(e, 0);
	if (s->levels) {
		const float *from = (const float *)e->in[0]->data + base;
		int32_t *to = s->x;
		for (int64_t ch = 0; ch < ic; ch++)
			for (int64_t p = 0; p < area; p++)
				to[p * ic + ch] = ig_quantize(from[ch * area + p], s->scale, s->zero, 0, s->levels) - s->zero;
	} else if (!s->quantized) {
		const float *from = (const float *)e->in[0]->data + base;
		float *to = s->x;
		for (int64_t ch = 0; ch < ic; ch++)
			for (int64_t p = 0; p < area; p++)
				to[p * ic + ch] = from[ch * area + p];
	} else {
		int32_t *to = s->x;
		for (int64_t ch = 0; ch < ic; ch++)
			for (int64_t p = 0; p < area; p++)
				to[p * ic + ch] = ig_eval_int(e->in[0]->data, q, base + ch * area + p);
	}
}

/* The input pixel under tap (ky, kx) of output (oy, ox), -1 in the padding. */
static int64_t source_pixel(const struct ig_conv_geom *c, int64_t oy, int64_t ox, int64_t ky, int64_t kx)
{
	int64_t iy = oy * c->sh - c->pt + ky * c->dh, ix = ox * c->sw - c->pl + kx * c->dw;
	return iy < 0 || iy >= c->ih || ix < 0 || ix >= c->iw ? -1 : iy * c->iw + ix;
}

static void gather(const struct conv_state *s, int64_t group, int64_t oy, int64_t ox, int p)
{
	const struct ig_conv_geom *c = &s->c;
	int64_t icg = c->ic / c->groups;
	size_t bytes = (size_t)icg * 4;
	char *to = (char *)s->col + (size_t)(p * s->k) * 4;
	for (int64_t ky = 0; ky < c->kh; ky++) {
		for (int64_t kx = 0; kx < c->kw; kx++, to += bytes) {
			int64_t px = source_pixel(c, oy, ox, ky, kx);
			if (px < 0)
				memset(to, 0, bytes);
			else
				memcpy(to, (const char *)s->x + (size_t)(px * c->ic + group * icg) * 4, bytes);
		}
	}
}

/* The float node's value from its chain: residual, then activation. */
static void store_float(const struct ig_eval *e, int64_t at, float v, float lo, float hi)
{
	if (ig_op_is_add(e->n->op))
		v = v + ((const float *)e->in[3]->data)[at];
	((float *)e->out->data)[at] = ig_clampf(v, lo, hi);
}

static float residual_value(const struct ig_eval *e, const struct ig_requant *r, int64_t at)
{
	if (r->residual_float)
		return ((const float *)e->in[3]->data)[at];
	return (float)ig_eval_int(e->in[3]->data, ig_eval_q(e, 3), at) * r->residual;
}

/* Requantization of one accumulator (requant.h). */
static void store_int(const struct ig_eval *e, int64_t at, int64_t oc, uint32_t sum)
{
	const struct ig_requant *r = &e->requant;
	int32_t a = (int32_t)sum;
	bool add = ig_op_is_add(e->n->op);
	if (r->fixed) {
		int64_t v = ig_requant_fixed(a, r->mult[oc], r->shift[oc]);
		if (add)
			v += ig_requant_fixed(ig_eval_int(e->in[3]->data, ig_eval_q(e, 3), at), r->residual_mult, r->residual_shift);
		((uint8_t *)e->out->data)[at] = (uint8_t)ig_clamp_fixed(v, r->zp, r->lo, r->hi);
		return;
	}
	float v = (float)a;
	if (r->bias)
		v = v + r->bias[oc];
	v = v * r->m[oc];
	if (add)
		v = v + residual_value(e, r, at);
	if (r->float_result)
		((float *)e->out->data)[at] = ig_clampf(v, r->flo, r->fhi);
	else
		((uint8_t *)e->out->data)[at] = (uint8_t)ig_pack(v, r->zp, r->lo, r->hi);
}

/* The sum of an input quantized at run time, to float32. */
static void store_dynamic(const struct conv_state *s, const struct ig_eval *e, int64_t at, int64_t oc, uint32_t sum)
{
	const struct ig_qparam *w = ig_eval_q(e, 1);
	float m = s->scale * w->scale[w->n == 1 ? 0 : oc], v = (float)(int32_t)sum * m;
	if (e->n->n_in > 2)
		v = v + ((const float *)e->in[2]->data)[oc];
	store_float(e, at, v, e->requant.flo, e->requant.fhi);
}

static void store(const struct conv_state *s, const struct ig_eval *e, int64_t at, int64_t oc, int64_t i)
{
	if (s->levels)
		store_dynamic(s, e, at, oc, ((const uint32_t *)s->acc)[i]);
	else if (s->quantized)
		store_int(e, at, oc, ((const uint32_t *)s->acc)[i]);
	else
		store_float(e, at, ((const float *)s->acc)[i], e->requant.flo, e->requant.fhi);
}

/* `pixels` outputs of a row from ox on, all channels of one group. */
static void group_pixels(const struct conv_state *s, const struct ig_eval *e, int64_t sample, int64_t group, int64_t oy, int64_t ox, int pixels)
{
	const struct ig_conv_geom *c = &s->c;
	int64_t real_ocg = c->oc / c->groups;
	const void *w = (const char *)s->weight + (size_t)(group * s->k * s->ocg) * 4;
	for (int p = 0; p < pixels; p++) {
		gather(s, group, oy, ox + p, p);
		memcpy((char *)s->acc + (size_t)(p * s->ocg) * 4, (const char *)s->start + (size_t)(group * s->ocg) * 4, (size_t)s->ocg * 4);
	}
	if (s->quantized)
		chain_int(s->acc, s->col, w, s->k, s->ocg, pixels);
	else
		chain_float(s->acc, s->col, w, s->k, s->ocg, pixels);
	bool linear = is_linear(e->n);
	for (int p = 0; p < pixels; p++) {
		for (int64_t o = 0; o < real_ocg; o++) {
			int64_t oc = group * real_ocg + o;
			int64_t at = linear ? sample * c->oc + oc : ((sample * c->oc + oc) * c->oh + oy) * c->ow + ox + p;
			store(s, e, at, oc, p * s->ocg + o);
		}
	}
}

static void depthwise_pixel(const struct conv_state *s, const struct ig_eval *e, int64_t sample, int64_t oy, int64_t ox)
{
	const struct ig_conv_geom *c = &s->c;
	memcpy(s->acc, s->start, (size_t)c->oc * 4);
	for (int64_t ky = 0; ky < c->kh; ky++) {
		for (int64_t kx = 0; kx < c->kw; kx++) {
			int64_t px = source_pixel(c, oy, ox, ky, kx);
			const void *x = px < 0 ? s->col : (const char *)s->x + (size_t)(px * c->ic) * 4;
			const void *w = (const char *)s->weight + (size_t)((ky * c->kw + kx) * c->oc) * 4;
			if (s->quantized)
				tap_int(s->acc, x, w, c->oc);
			else
				tap_float(s->acc, x, w, c->oc);
		}
	}
	for (int64_t oc = 0; oc < c->oc; oc++)
		store(s, e, ((sample * c->oc + oc) * c->oh + oy) * c->ow + ox, oc, oc);
}

static void eval_conv(struct ig_eval *e)
{
	if (!e->state) {
		e->state = prepare(e);
		double lo, hi;
		ig_act_bounds(e->n, &lo, &hi);
		e->requant.flo = (float)lo;
		e->requant.fhi = (float)hi;
	}
	struct conv_state *s = e->state;
	const struct ig_conv_geom *c = &s->c;
	if (s->levels)
		s->scale = ig_dynamic_params(e->in[0]->data, ig_elems(&e->in[0]->type), s->levels, &s->zero);
	for (int64_t b = 0; b < c->n; b++) {
		load_input(s, e, b);
		for (int64_t oy = 0; oy < c->oh; oy++) {
			if (s->depthwise) {
				for (int64_t ox = 0; ox < c->ow; ox++)
					depthwise_pixel(s, e, b, oy, ox);
				continue;
			}
			for (int64_t group = 0; group < c->groups; group++)
				for (int64_t ox = 0; ox < c->ow; ox += PIXELS)
					group_pixels(s, e, b, group, oy, ox, c->ow - ox < PIXELS ? (int)(c->ow - ox) : PIXELS);
		}
	}
}

void ig_eval_conv2d(struct ig_eval *e) { eval_conv(e); }
void ig_eval_conv2d_add(struct ig_eval *e) { eval_conv(e); }
void ig_eval_depthwise_conv2d(struct ig_eval *e) { eval_conv(e); }
void ig_eval_depthwise_conv2d_add(struct ig_eval *e) { eval_conv(e); }
void ig_eval_linear(struct ig_eval *e) { eval_conv(e); }
void ig_eval_linear_add(struct ig_eval *e) { eval_conv(e); }
