/* Small builders over vectors, shared by the schedules. */
#include "codegen/lower.h"

#include <math.h>

int ig_vec_pow2(int64_t n)
{
	int p = 1;
	while (p < n)
		p *= 2;
	return p;
}

kir_val ig_vec_splat(struct kir_builder *b, kir_val scalar, int lanes)
{
	if (lanes == 1)
		return scalar;
	return kb_op1(b, KIR_SPLAT, KIR_T(kb_type(b, scalar).elem, lanes), scalar);
}

kir_iv ig_vec_loop(struct kir_builder *b, const char *name, int64_t count, kir_val *carried, int n)
{
	return count == 1 ? -1 : kb_loop(b, name, count, carried, n);
}

void ig_vec_end(struct kir_builder *b, kir_iv iv, kir_val *next, int n)
{
	if (iv >= 0)
		kb_end(b, next, n);
}

void ig_vec_term(struct kir_addr *a, kir_iv iv, int64_t coeff)
{
	if (iv >= 0)
		kb_addr_add(a, iv, coeff);
}

static kir_val load(struct kir_builder *b, enum kir_elem e, const struct kir_addr *a, int lanes, int active, int step)
{
	if (step == 0)
		return ig_vec_splat(b, kb_load(b, KIR_T(e, 1), *a), lanes);
	return kb_load_n(b, KIR_T(e, lanes), *a, active);
}

kir_val ig_vec_load_f(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step)
{
	return load(b, KIR_F32, a, lanes, active, step);
}

kir_val ig_vec_load_q(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step, int32_t zp)
{
	struct kir_type t = KIR_T(KIR_I32, lanes);
	kir_val x = kb_op1(b, KIR_ZEXT, t, load(b, KIR_I8, a, lanes, active, step));
	return zp ? kb_op2(b, KIR_SUB, x, kb_const_i(b, t, zp)) : x;
}

kir_val ig_vec_load_qf(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step, int32_t zp)
{
	return kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, lanes), ig_vec_load_q(b, a, lanes, active, step, zp));
}

kir_val ig_vec_clamp_f(struct kir_builder *b, kir_val x, double lo, double hi)
{
	int lanes = kb_type(b, x).lanes;
	if (lo > -(double)INFINITY)
		x = kb_op2(b, KIR_FMAX, kb_const_f(b, lanes, (float)lo), x);
	if (hi < (double)INFINITY)
		x = kb_op2(b, KIR_FMIN, kb_const_f(b, lanes, (float)hi), x);
	return x;
}

void ig_vec_store_f(struct kir_builder *b, kir_val v, struct kir_addr a, int active)
{
	if (b->m->buf[a.buf].space == KIR_OUT) {
		struct kir_type f = kb_type(b, v), i = KIR_T(KIR_I32, f.lanes);
		kir_val nan = kb_op1(b, KIR_BITCAST, f, kb_const_i(b, i, 0x7fc00000));
		v = kb_select(b, kb_op2(b, KIR_CMPEQ, v, v), v, nan);
	}
	kb_store_n(b, v, a, active);
}

kir_val ig_vec_join(struct kir_builder *b, const kir_val *v, int n)
{
	if (n == 1)
		return v[0];
	kir_val lo = ig_vec_join(b, v, n / 2), hi = ig_vec_join(b, v + n / 2, n / 2);
	return kb_op2(b, KIR_CONCAT, lo, hi);
}

kir_val ig_vec_fpack(struct kir_builder *b, kir_val x, const struct ig_vec_pack *q)
{
	return q->small ? kb_fpack_small(b, x, q->lo, q->hi, q->zp) : kb_fpack(b, x, q->lo, q->hi, q->zp, q->nan);
}

void ig_vec_store_q(struct kir_builder *b, const kir_val *v, int n, int lanes, const struct ig_vec_pack *q, struct kir_addr a, int active)
{
	while (active > 0) {
		int k = 1;
		while (2 * k <= n && k < 4) /* four vectors of 32-bit lanes make one of bytes */
			k *= 2;
		int now = active < k * lanes ? active : k * lanes;
		kb_store_n(b, ig_vec_fpack(b, ig_vec_join(b, v, k), q), a, now);
		a.base += now;
		active -= now;
		v += k;
		n -= k;
	}
}
