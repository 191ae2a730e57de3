/* quantize and dequantize. */
#include "codegen/lower.h"

#include <math.h>

struct conversion {
	float scale;
	float inverse, rest; /* x / scale rounds and clamps as fma(x, inverse, x * rest) does for every x; inverse 0: only the division itself is exact */
	struct ig_vec_pack pack;
	int lanes;
	enum ig_part part;
};

static float product(const struct conversion *c, float x)
{
	return c->rest ? fmaf(x, c->inverse, x * c->rest) : x * c->inverse;
}

/* Do quotient and product round to the same side of k + 1/2 for all x? Both grow with x: it is enough to look at the two neighbours where the quotient
   passes from k to k + 1. */
static bool same_step(const struct conversion *c, int32_t k)
{
	float x = (float)((k + 0.5) * (double)c->scale);
	for (int i = 0; i < 8 && rintf(x / c->scale) > (float)k; i++)
		x = nextafterf(x, -INFINITY);
	for (int i = 0; i < 16 && rintf(x / c->scale) <= (float)k; i++)
		x = nextafterf(x, INFINITY);
	float below = nextafterf(x, -INFINITY);
	return rintf(x / c->scale) > (float)k && rintf(below / c->scale) <= (float)k && rintf(product(c, x)) > (float)k && rintf(product(c, below)) <= (float)k;
}

/* A reciprocal of two parts, none negative (so that infinities stay), if all steps between the bounds agree with the division's. */
static void invert(struct conversion *c, const struct ig_target *t)
{
	if (!t->triple || c->part != IG_PART_WHOLE || !(c->scale > 0x1p-60f && c->scale < 0x1p60f) || c->pack.hi - c->pack.lo > 255)
		return;
	double exact = 1 / (double)c->scale;
	float high = (float)exact;
	c->inverse = (double)high > exact ? nextafterf(high, 0) : high;
	c->rest = (float)(exact - (double)c->inverse);
	for (int32_t k = c->pack.lo - c->pack.zp; k < c->pack.hi - c->pack.zp; k++)
		if (!same_step(c, k)) {
			c->inverse = 0;
			return;
		}
}

static kir_val divide(struct kir_builder *b, const struct conversion *c, kir_val x)
{
	int lanes = kb_type(b, x).lanes;
	if (!c->inverse)
		return kb_op2(b, KIR_DIV, x, kb_const_f(b, lanes, c->scale));
	kir_val inverse = kb_const_f(b, lanes, c->inverse);
	return c->rest ? kb_fma(b, x, inverse, kb_op2(b, KIR_MUL, x, kb_const_f(b, lanes, c->rest))) : kb_op2(b, KIR_MUL, x, inverse);
}

/* The byte of the 16-bit integer, in i32 lanes whose upper bytes may be anything; NaN is 0. */
static kir_val part_of(struct kir_builder *b, const struct conversion *c, kir_val x)
{
	kir_val v = divide(b, c, x);
	int lanes = kb_type(b, v).lanes;
	struct kir_type ints = KIR_T(KIR_I32, lanes);
	v = kb_select(b, kb_op2(b, KIR_CMPEQ, v, v), v, kb_const_f(b, lanes, 0));
	v = kb_op2(b, KIR_FMAX, v, kb_const_f(b, lanes, -32768));
	v = kb_op2(b, KIR_FMIN, v, kb_const_f(b, lanes, 32767));
	v = kb_op1(b, KIR_RNE, ints, v);
	return c->part == IG_PART_HIGH ? kb_op2(b, KIR_XOR, kb_shift(b, KIR_SHRS, v, 8), kb_const_i(b, ints, 128)) : v;
}

static void part_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct conversion *c = ctx;
	kir_val x = part_of(b, c, ig_vec_load_f(b, &p->at[1], p->lanes, p->active, p->step[1]));
	kb_store_n(b, kb_op1(b, KIR_TRUNC, KIR_T(KIR_I8, p->lanes), x), p->at[0], p->active);
}

static void quantize_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct conversion *c = ctx;
	int lanes = p->lanes < c->lanes ? p->lanes : c->lanes, n = 0;
	kir_val v[KIR_MAX_LANES];
	for (int at = 0; at < p->active; at += lanes) {
		struct kir_addr a = p->at[1];
		a.base += p->step[1] ? at : 0;
		kir_val x = ig_vec_load_f(b, &a, lanes, p->active - at < lanes ? p->active - at : lanes, p->step[1]);
		v[n++] = divide(b, c, x);
	}
	ig_vec_store_q(b, v, n, lanes, &c->pack, p->at[0], p->active);
}

static void dequantize_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct conversion *c = ctx;
	kir_val x = ig_vec_load_qf(b, &p->at[1], p->lanes, p->active, p->step[1], c->pack.zp);
	ig_vec_store_f(b, kb_op2(b, KIR_MUL, x, kb_const_f(b, p->lanes, c->scale)), p->at[0], p->active);
}

/* Images of two to four planes whose pixels become adjacent: the pixels of a row make vectors of 32-bit lanes, one byte a plane. */
static bool is_planar(const struct kir_tensor *in, const struct kir_tensor *out)
{
	int64_t c = out->type.rank == 4 ? out->type.dim[1] : 0;
	return c >= 2 && c <= 4 && in->stride[3] == 1 && out->stride[1] == 1 && out->stride[3] == c && out->type.dim[3] > 1;
}

/* Lanes of three bytes and a zero: two of them make one of six. A store writes two bytes too many, which the next one mends. */
static void store_pairs(struct kir_builder *b, kir_val v, struct kir_addr to, int active)
{
	struct kir_type t = KIR_T(KIR_I64, kb_type(b, v).lanes / 2);
	v = kb_op1(b, KIR_BITCAST, t, v);
	kir_val low = kb_op2(b, KIR_AND, v, kb_const_i(b, t, 0xffffff)), high = kb_op2(b, KIR_AND, kb_shift(b, KIR_SHRU, v, 8), kb_const_i(b, t, 0xffffff000000));
	v = kb_op2(b, KIR_OR, low, high);
	for (int i = 0; i < active / 2; i++, to.base += 6)
		kb_store(b, t.lanes == 1 ? v : kb_extract(b, v, i, 1), to);
}

/* Stores `active` lanes of which each has `c` bytes of a pixel. Three bytes are stored as four, from left to right, so that the next pixel mends what was
   too much; the last one of a row (`last`) is stored exactly. */
static void store_pixels(struct kir_builder *b, kir_val v, int c, struct kir_addr to, int active, bool last)
{
	int lanes = kb_type(b, v).lanes;
	if (c == 4) {
		kb_store_n(b, v, to, active);
	} else if (c == 2) {
		kb_store_n(b, kb_op1(b, KIR_TRUNC, KIR_T(KIR_I16, lanes), v), to, active);
	} else if (!last && active % 2 == 0) {
		store_pairs(b, v, to, active);
	} else {
		for (int i = 0; i < active; i++, to.base += c) {
			kir_val x = lanes == 1 ? v : kb_extract(b, v, i, 1);
			if (last && i == active - 1)
				kb_store_n(b, kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, 4), x), to, c);
			else
				kb_store(b, x, to);
		}
	}
}

static void planes_piece(struct kir_builder *b, const struct conversion *k, const struct kir_tensor *in, int c, struct kir_addr from, struct kir_addr to, int lanes,
                         int active, bool last)
{
	struct kir_type t = KIR_T(KIR_I32, lanes);
	kir_val all = -1;
	for (int i = 0; i < c; i++, from.base += in->stride[1]) {
		kir_val x = ig_vec_load_f(b, &from, lanes, active, 1);
		if (k->part == IG_PART_WHOLE)
			x = kb_op1(b, KIR_ZEXT, t, ig_vec_fpack(b, divide(b, k, x), &k->pack));
		else
			x = kb_op2(b, KIR_AND, part_of(b, k, x), kb_const_i(b, t, 255));
		x = i ? kb_shift(b, KIR_SHL, x, 8 * i) : x;
		all = i ? kb_op2(b, KIR_OR, all, x) : x;
	}
	store_pixels(b, all, c, to, active, last);
}

static void quantize_planes(struct kir_builder *b, const struct conversion *k, const struct kir_tensor *out, const struct kir_tensor *in)
{
	const int64_t *d = out->type.dim;
	int c = (int)d[1], lanes = k->lanes, rest = (int)(d[3] % lanes);
	int64_t full = (d[3] - 1) / lanes; /* the row's last piece apart */
	struct kir_addr from = kb_addr(in->buf, in->base), to = kb_addr(out->buf, out->base);
	kir_iv n = ig_vec_loop(b, "n", d[0], NULL, 0), y = ig_vec_loop(b, "y", d[2], NULL, 0);
	ig_vec_term(&from, n, in->stride[0]);
	ig_vec_term(&from, y, in->stride[2]);
	ig_vec_term(&to, n, out->stride[0]);
	ig_vec_term(&to, y, out->stride[2]);
	if (full) {
		struct kir_addr f = from, t = to;
		kir_iv x = ig_vec_loop(b, "x", full, NULL, 0);
		ig_vec_term(&f, x, lanes);
		ig_vec_term(&t, x, (int64_t)lanes * c);
		planes_piece(b, k, in, c, f, t, lanes, lanes, false);
		ig_vec_end(b, x, NULL, 0);
	}
	from.base += full * lanes;
	to.base += full * lanes * c;
	rest = rest ? rest : lanes;
	planes_piece(b, k, in, c, from, to, ig_vec_pow2(rest), rest, true);
	ig_vec_end(b, y, NULL, 0);
	ig_vec_end(b, n, NULL, 0);
}

static bool convert(struct ig_lower *L, struct ig_nid id, const struct ig_qparam *q, bool to_float)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	struct ig_nest nest;
	if (!q || q->n != 1 || (q->dtype != IG_DT_U8 && q->dtype != IG_DT_S8) || ig_low_is_float(out) != to_float || ig_low_is_float(in) == to_float)
		return ig_low_refuse(L, id, "it converts between float32 and bytes with one scale");
	struct conversion c = {q->scale[0], 0, 0, {q->qmin, q->qmax, q->zero_point[0], true, false}, L->lanes, to_float ? IG_PART_WHOLE : ig_quantize_part(n)};
	c.scale = c.part == IG_PART_HIGH ? c.scale / 256 : c.scale;
	if (!to_float)
		invert(&c, L->t);
	struct kir_builder b = ig_low_func(L, id);
	if (!to_float && is_planar(in, out)) {
		quantize_planes(&b, &c, out, in);
		return true;
	}
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, in);
	bool words = to_float || c.part != IG_PART_WHOLE;
	ig_nest_run(&b, &nest, words ? L->lanes : 4 * L->lanes, to_float ? dequantize_body : words ? part_body : quantize_body, &c);
	return true;
}

bool ig_lower_quantize(struct ig_lower *L, struct ig_nid id)
{
	return convert(L, id, ig_qparam(L->g, ig_vtype(L->g, ig_node(L->g, id)->out[0])->q), false);
}

bool ig_lower_dequantize(struct ig_lower *L, struct ig_nid id)
{
	return convert(L, id, ig_qparam(L->g, ig_vtype(L->g, ig_node(L->g, id)->in[0])->q), true);
}
