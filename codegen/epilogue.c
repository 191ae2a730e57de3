/* From accumulators to stored results: requantization or float factors, residual, activation, packing. One rounding per operation, in the order of
   ir/requant.h. */
#include "codegen/conv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* requantize: fixed. Shifts differ from channel to channel, so they are multiplications by powers of two: 2^left before, 2^(31 - right) after. */
static void pack_fixed(struct ig_conv *c)
{
	struct ig_epilogue *e = &c->e;
	int32_t *left = IG_NEWN(c->L->arena, int32_t, e->q.n), *right = IG_NEWN(c->L->arena, int32_t, e->q.n);
	for (int64_t i = 0; i < e->q.n; i++) {
		int32_t s = e->q.shift[i];
		uint32_t r = 1u << (31 - (s < 0 ? -s : 0));
		left[i] = (int32_t)(1u << (s > 0 ? s : 0));
		memcpy(&right[i], &r, sizeof r);
	}
	e->mult = ig_pack_channels_i(c, "multiplier", e->q.mult);
	e->left = ig_pack_channels_i(c, "left", left);
	e->right = ig_pack_channels_i(c, "right", right);
}

/* No value before packing is larger: activations reach 255 away from their zero point, accumulators wrap at 2^31. */
static double bound(const struct ig_conv *c)
{
	const struct ig_requant *q = &c->e.q;
	const struct ig_lower *L = c->L;
	const struct ig_tensor *w = ig_const_data(L->g, c->n->in[1]), *bias = c->n->n_in > 2 ? ig_const_data(L->g, c->n->in[2]) : NULL;
	int64_t per = c->icg * c->g.kh * c->g.kw;
	double most = 0;
	for (int64_t oc = 0; oc < q->n; oc++) {
		double sum = bias && !q->bias ? fabs((double)((const int32_t *)bias->data)[oc]) : 0;
		for (int64_t k = 0; k < per; k++)
			sum += 255 * abs(((const int8_t *)w->data)[oc * per + k]);
		sum = sum < 2147483648.0 ? sum : 2147483648.0;
		sum = (sum + (q->bias ? fabs((double)q->bias[oc]) : 0)) * (double)q->m[oc];
		most = sum > most ? sum : most;
	}
	return most + (c->has_res ? 255 * (double)q->residual : 0);
}

bool ig_epilogue_init(struct ig_conv *c)
{
	struct ig_epilogue *e = &c->e;
	*e = (struct ig_epilogue){.acc_float = c->is_float, .out_float = ig_low_is_float(&c->out), .m = -1, .bias = -1, .after = -1, .res = c->has_res ? &c->res : NULL};
	ig_act_bounds(c->n, &e->lo, &e->hi);
	if (c->is_float)
		return true;
	if (c->dynamic) {
		const struct ig_tensor *bias = c->n->n_in > 2 ? ig_const_data(c->L->g, c->n->in[2]) : NULL;
		e->m = ig_layout_buffer(c->L, ig_arena_printf(c->L->arena, "%s.factors", c->n->name), KIR_ARENA, KIR_F32, c->g.groups * ig_pack_padded(c));
		if (bias)
			e->after = ig_pack_channels_f(c, "bias", bias->data);
		return true;
	}
	if (!ig_requant_of(c->L->g, c->n, c->L->arena, &e->q, c->L->d))
		return false;
	e->pack = (struct ig_vec_pack){e->q.lo, e->q.hi, e->q.zp, false, false};
	if (e->q.fixed) {
		pack_fixed(c);
		return true;
	}
	e->m = ig_pack_channels_f(c, "factors", e->q.m);
	if (e->q.bias)
		e->bias = ig_pack_channels_f(c, "bias", e->q.bias);
	e->pack.small = ig_vec_small(bound(c));
	return true;
}

static kir_val load_channels(struct kir_builder *b, int32_t buf, const struct kir_addr *ch, int lanes)
{
	struct kir_addr a = *ch;
	a.buf = buf;
	return kb_load(b, KIR_T(KIR_F32, lanes), a);
}

/* ig_requant_fixed of runtime/qmath.h in 64 bits: the rounding doubling high half of x * 2^left and mult is (p + 2^30) >> 31; the division by 2^right,
   half away from zero, is the same shift of the product with 2^(31 - right). */
static kir_val fixed_point(struct kir_builder *b, kir_val x, kir_val left, kir_val mult, kir_val right)
{
	int lanes = kb_type(b, x).lanes;
	struct kir_type t = KIR_T(KIR_I64, lanes);
	kir_val half = kb_const_i(b, t, 1 << 30);
	kir_val p = kb_op2(b, KIR_MUL, kb_op1(b, KIR_SEXT, t, kb_op2(b, KIR_MUL, x, left)), kb_op1(b, KIR_SEXT, t, mult));
	kir_val s = kb_shift(b, KIR_SHRS, kb_op2(b, KIR_ADD, p, half), 31);
	kir_val r = kb_op2(b, KIR_MUL, s, kb_op1(b, KIR_ZEXT, t, right));
	kir_val negative = kb_op2(b, KIR_CMPLT, r, kb_const_i(b, t, 0));
	return kb_shift(b, KIR_SHRS, kb_op2(b, KIR_ADD, r, kb_select(b, negative, kb_const_i(b, t, (1 << 30) - 1), half)), 31);
}

static kir_val load_ints(struct kir_builder *b, int32_t buf, const struct kir_addr *ch, int lanes)
{
	struct kir_addr a = *ch;
	a.buf = buf;
	return kb_load(b, KIR_T(KIR_I32, lanes), a);
}

/* The bytes of one vector. */
static kir_val fixed_value(struct kir_builder *b, const struct ig_epilogue *e, kir_val acc, const struct kir_addr *ch, const struct kir_addr *res, int active)
{
	int lanes = kb_type(b, acc).lanes;
	struct kir_type t = KIR_T(KIR_I64, lanes), i = KIR_T(KIR_I32, lanes);
	kir_val v = fixed_point(b, acc, load_ints(b, e->left, ch, lanes), load_ints(b, e->mult, ch, lanes), load_ints(b, e->right, ch, lanes));
	if (e->res) {
		int32_t s = e->q.residual_shift;
		kir_val r = ig_vec_load_q(b, res, lanes, active, 1, e->q.residual_zp);
		r = fixed_point(b, r, kb_const_i(b, i, (int64_t)1 << (s > 0 ? s : 0)), kb_const_i(b, i, e->q.residual_mult),
		                kb_const_i(b, i, (int64_t)1 << (31 - (s < 0 ? -s : 0))));
		v = kb_op2(b, KIR_ADD, v, r);
	}
	v = kb_op2(b, KIR_ADD, v, kb_const_i(b, t, e->q.zp));
	v = kb_op2(b, KIR_SMIN, kb_op2(b, KIR_SMAX, v, kb_const_i(b, t, e->q.lo)), kb_const_i(b, t, e->q.hi));
	return kb_op1(b, KIR_TRUNC, KIR_T(KIR_I8, lanes), v);
}

kir_val ig_epilogue_value(struct kir_builder *b, const struct ig_epilogue *e, kir_val acc, const struct kir_addr *ch, const struct kir_addr *res, int active)
{
	int lanes = kb_type(b, acc).lanes;
	kir_val v = acc;
	if (!e->acc_float && e->q.fixed)
		return fixed_value(b, e, acc, ch, res, active);
	if (!e->acc_float) {
		v = kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, lanes), acc);
		if (e->bias >= 0)
			v = kb_op2(b, KIR_ADD, v, load_channels(b, e->bias, ch, lanes));
		v = kb_op2(b, KIR_MUL, v, load_channels(b, e->m, ch, lanes));
		if (e->after >= 0)
			v = kb_op2(b, KIR_ADD, v, load_channels(b, e->after, ch, lanes));
	}
	if (e->res) {
		kir_val r;
		if (ig_low_is_float(e->res)) {
			r = ig_vec_load_f(b, res, lanes, active, 1);
		} else {
			r = ig_vec_load_qf(b, res, lanes, active, 1, e->q.residual_zp);
			r = kb_op2(b, KIR_MUL, r, kb_const_f(b, lanes, e->q.residual));
		}
		v = kb_op2(b, KIR_ADD, v, r);
	}
	return e->out_float ? ig_vec_clamp_f(b, v, e->lo, e->hi) : v;
}

void ig_epilogue_store(struct kir_builder *b, const struct ig_epilogue *e, const kir_val *v, int n, int lanes, struct kir_addr to, int active)
{
	bool fixed = !e->acc_float && e->q.fixed;
	if (!e->out_float && !fixed) {
		ig_vec_store_q(b, v, n, lanes, &e->pack, to, active);
		return;
	}
	for (int i = 0; fixed && i < n && active > 0; i++, active -= lanes, to.base += lanes)
		kb_store_n(b, v[i], to, active < lanes ? active : lanes);
	for (int i = 0; !fixed && i < n && active > 0; i++, active -= lanes, to.base += lanes)
		ig_vec_store_f(b, v[i], to, active < lanes ? active : lanes);
}

/* How many of the n vectors, a power of two beginning at a multiple of it, lie one behind the other in memory. */
static int adjacent(const struct ig_stored *s, int at, int n, int lanes)
{
	int len = 1;
	while (at % (2 * len) == 0 && at + 2 * len <= n) {
		for (int i = at + len; i < at + 2 * len; i++)
			if (s[i].to.base != s[i - 1].to.base + lanes || s[i - 1].active < lanes)
				return len;
		len *= 2;
	}
	return len;
}

void ig_epilogue_store_tile(struct kir_builder *b, const struct ig_epilogue *e, const struct ig_stored *s, int n, int lanes)
{
	for (; n > 0; s += 4, n -= 4) {
		int here = n < 4 ? n : 4, k = ig_vec_pow2(here);
		kir_val v[4];
		for (int i = 0; i < k; i++)
			v[i] = s[i < here ? i : here - 1].v; /* what is not stored costs least when it is computed anyway */
		kir_val q = ig_vec_fpack(b, ig_vec_join(b, v, k), &e->pack);
		for (int i = 0, len; i < here; i += len) {
			len = adjacent(s, i, here, lanes);
			kb_store_n(b, len == k ? q : kb_extract(b, q, i * lanes, len * lanes), s[i].to, (len - 1) * lanes + s[i + len - 1].active);
		}
	}
}
