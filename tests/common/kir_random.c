/* Random kernel-IR programs: a pool of values of many types, steps that make new ones of them. */
#include "tests/common/kir_case_build.h"

enum { POOL = 24, STEPS = 120 };
struct pool {
	struct kc *k;
	uint32_t s;
	kir_val v[POOL];
};

static struct kir_type type_at(struct pool *p, int i)
{
	return kb_type(&p->k->b, p->v[i]);
}

/* Some value that `ok` likes, -1: none. */
static int pick(struct pool *p, bool (*ok)(struct kir_type t, struct kir_type like), struct kir_type like)
{
	for (int tries = 0, i = (int)(kir_next(&p->s) % POOL); tries < POOL; tries++, i = (i + 1) % POOL)
		if (ok(type_at(p, i), like))
			return i;
	return -1;
}

static bool same(struct kir_type t, struct kir_type like) { return t.elem == like.elem && t.lanes == like.lanes; }
static bool flags_for(struct kir_type t, struct kir_type like) { return t.elem == KIR_I1 && t.lanes == like.lanes; }

/* A clamp that keeps rounding to i32 defined, NaN included. */
static kir_val in_range(struct kir_builder *b, kir_val x)
{
	int n = kb_type(b, x).lanes;
	return kb_op2(b, KIR_FMIN, kb_op2(b, KIR_FMAX, x, kb_const_f(b, n, -2147483648.0f)), kb_const_f(b, n, 2147483520.0f));
}

static kir_val constant(struct pool *p, struct kir_type t)
{
	uint32_t r = kir_next(&p->s), shift = kir_next(&p->s) % 31;
	if (t.elem == KIR_F32)
		return kb_const_f(&p->k->b, t.lanes, (float)(r % 512) * 0.37f - 90);
	return kb_const_i(&p->k->b, t, (int32_t)r >> shift);
}

static kir_val fresh_value(struct pool *p)
{
	static const enum kir_elem elems[] = {KIR_I8, KIR_I8, KIR_I16, KIR_I32, KIR_I32, KIR_I64, KIR_F32, KIR_F32};
	enum kir_elem e = elems[kir_next(&p->s) % IG_COUNTOF(elems)];
	int lanes = 1 << kir_next(&p->s) % 7;
	struct kir_type t = KIR_T(e, lanes);
	if (kir_next(&p->s) % 4 == 0)
		return constant(p, t);
	if (e != KIR_F32 && kir_next(&p->s) % 3 == 0)
		return kb_load_n(&p->k->b, t, kb_addr(p->k->bytes, kir_next(&p->s) % 3000), 1 + (int)(kir_next(&p->s) % (uint32_t)lanes));
	return kir_ld(p->k, e, lanes);
}

static kir_val integer_step(struct pool *p, kir_val x, int other)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_SMIN, KIR_SMAX, KIR_UMIN, KIR_UMAX, KIR_AND, KIR_OR, KIR_XOR, KIR_CMPLT, KIR_CMPEQ};
	static const enum kir_op shifts[] = {KIR_SHL, KIR_SHRU, KIR_SHRS};
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = kir_next(&p->s);
	int bits = kir_elem_bits((enum kir_elem)t.elem);
	switch (r % 8) {
	case 0: return kb_shift(b, shifts[r / 8 % 3], x, (int)(r / 64 % (uint32_t)bits));
	case 1: return t.elem < KIR_I64 ? kb_op1(b, r & 64 ? KIR_SEXT : KIR_ZEXT, KIR_T(t.elem + 1 + (t.elem < KIR_I32 && r & 128), t.lanes), x) : x;
	case 2: return t.elem > KIR_I8 ? kb_op1(b, KIR_TRUNC, KIR_T(t.elem - 1 - (t.elem > KIR_I16 && r & 128), t.lanes), x) : x;
	case 3:
		if (t.elem == KIR_I32)
			return kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, t.lanes), x);
		return t.elem == KIR_I8 ? kb_lut(b, KIR_I8, x, kb_addr(p->k->bytes, r % 3000)) : x;
	default: return kb_op2(b, ops[r / 8 % IG_COUNTOF(ops)], x, p->v[other]);
	}
}

static kir_val float_step(struct pool *p, kir_val x, int other)
{
	static const enum kir_op ops[] = {KIR_ADD, KIR_SUB, KIR_MUL, KIR_DIV, KIR_FMIN, KIR_FMAX, KIR_CMPLT, KIR_CMPEQ};
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = kir_next(&p->s);
	int32_t zp = (int32_t)(r / 64 % 256), lo = (int32_t)(r / 16384 % 100), hi = 255 - (int32_t)(r >> 26);
	switch (r % 8) {
	case 0: return kb_op1(b, KIR_RNE, KIR_T(KIR_I32, t.lanes), in_range(b, x));
	case 1: return kb_fpack(b, x, lo, hi, zp, true);
	case 2: return kb_fpack(b, x, lo - 128, hi - 128, zp - 128, true);
	case 4:
		if (r & 64)
			return kb_fpack_small(b, kb_op2(b, KIR_FMIN, kb_op2(b, KIR_FMAX, x, kb_const_f(b, t.lanes, -1e9f)), kb_const_f(b, t.lanes, 1e9f)), lo, hi, zp);
		return kb_op2(b, KIR_SUB, x, p->v[other]);
	case 3: return kb_fma(b, x, p->v[other], x);
	default: return kb_op2(b, ops[r / 8 % IG_COUNTOF(ops)], x, p->v[other]);
	}
}

/* Changes of shape, which any element allows. */
static kir_val lane_step(struct pool *p, kir_val x, int other)
{
	struct kir_builder *b = &p->k->b;
	struct kir_type t = kb_type(b, x);
	uint32_t r = kir_next(&p->s);
	int part = 1 << r / 16 % 7;
	if (r % 4 < 2 && t.lanes <= 64)
		return kb_op2(b, r & 1 ? KIR_CONCAT : KIR_INTERLEAVE, x, p->v[other]);
	if (r % 4 == 2 && t.lanes == 1)
		return kb_op1(b, KIR_SPLAT, KIR_T(t.elem, part), x);
	if (r & 2048 && kir_elem_is_int(t.elem) && t.elem != KIR_I1 && kir_type_bytes(t) >= 16)
		return kb_op2(b, r & 4096 ? KIR_ZIPLO : KIR_ZIPHI, x, p->v[other]);
	part = part > t.lanes ? t.lanes : part;
	return kb_extract(b, x, (int)(r / 1024 % (uint32_t)(t.lanes - part + 1)), part);
}

static kir_val random_step(struct pool *p)
{
	struct kir_builder *b = &p->k->b;
	uint32_t r = kir_next(&p->s);
	kir_val x = p->v[r % POOL];
	struct kir_type t = kb_type(b, x);
	int other = pick(p, same, t), flags = pick(p, flags_for, t);
	if (r / 32 % 8 == 0)
		return fresh_value(p);
	if (t.elem == KIR_I1)
		return r & 256 ? kb_op1(b, r & 512 ? KIR_SEXT : KIR_ZEXT, KIR_T(1 + r / 1024 % 4, t.lanes), x) : kb_op2(b, r & 512 ? KIR_AND : KIR_XOR, x, p->v[other]);
	if (flags >= 0 && r / 32 % 8 < 3)
		return kb_select(b, p->v[flags], x, p->v[other]);
	if (r / 32 % 8 == 3)
		return lane_step(p, x, other);
	return t.elem == KIR_F32 ? float_step(p, x, other) : integer_step(p, x, other);
}

void kir_case_random(struct kir_case *c, uint32_t seed, const struct ig_target *t)
{
	struct kc k = kir_case_begin("random");
	struct pool p = {.k = &k, .s = seed * 2654435761u + 1};
	for (int i = 0; i < POOL; i++)
		p.v[i] = fresh_value(&p);
	for (int i = 0; i < STEPS; i++) {
		kir_val v = random_step(&p);
		p.v[kir_next(&p.s) % POOL] = v;
		if (i % 5 == 4)
			kir_st(&k, v);
	}
	for (int i = 0; i < POOL; i++)
		kir_st(&k, p.v[i]);
	kir_case_finish(c, &k, ig_arena_printf(k.m->arena, "random%u", (unsigned)seed), t);
}

