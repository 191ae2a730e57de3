/* Rounding f32 to i32, and FPACK: f32 -> 8 bits with clamp, rounding and zero point.

   FPACK is rne(clamp(x, lo - zp, hi - zp)) + zp. The bounds are integers, so that clamping after rounding gives the same value wherever the conversion
   itself gets the order right: on AArch64 fcvtns saturates (and makes 0 of a NaN); x86's cvtps2dq makes -2^31 of everything out of range, so that only the
   upper bound must be applied before it. Saturating 16-bit narrowing and addition do the rest, |zp| being small. */
#include "codegen/llvm_build.h"

LLVMValueRef ig_ll_rne(struct ig_ll *l, LLVMValueRef x)
{
	const struct ig_recipe *r = &l->t->recipe[IG_R_CVT_RNE];
	int n = ig_ll_lanes(x);
	LLVMTypeRef over[2] = {ig_ll_vec(l->i32, n), LLVMTypeOf(x)};
	if (!r->intrinsic)
		return ig_ll_intrinsic(l, "llvm.lrint", over, 2, &x, 1);
	if (n <= r->lanes) {
		return ig_ll_intrinsic(l, r->intrinsic, over, 2, &x, 1);
	}
	LLVMValueRef part[KIR_MAX_LANES];
	LLVMTypeRef o[2] = {ig_ll_vec(l->i32, r->lanes), ig_ll_vec(l->f32, r->lanes)};
	for (int i = 0; i < n / r->lanes; i++) {
		LLVMValueRef p = ig_ll_part(l, x, i * r->lanes, r->lanes);
		part[i] = ig_ll_intrinsic(l, r->intrinsic, o, 2, &p, 1);
	}
	return ig_ll_concat_n(l, part, n / r->lanes);
}

struct pack {
	int32_t lo, hi, zp;
	bool is_signed; /* the range is that of s8 */
	bool small;     /* the conversion to i32 cannot overflow: the upper bound may be applied to the bytes */
};

static LLVMValueRef splat_like(struct ig_ll *l, LLVMValueRef x, int32_t v)
{
	if (ig_ll_elem(x) == l->f32)
		return ig_ll_const_f(l, ig_ll_lanes(x), (float)v);
	return ig_ll_const_i(ig_ll_elem(x), ig_ll_lanes(x), v);
}

static LLVMValueRef add_sat(struct ig_ll *l, LLVMValueRef x, int32_t v)
{
	LLVMValueRef a[2] = {x, splat_like(l, x, v)};
	return v ? ig_ll_intrinsic1(l, "llvm.sadd.sat", a, 2) : x;
}

static LLVMValueRef bytes_minmax(struct ig_ll *l, const struct pack *k, LLVMValueRef x, bool max, int32_t v)
{
	static const char *const name[2][2] = {{"llvm.umin", "llvm.umax"}, {"llvm.smin", "llvm.smax"}};
	LLVMValueRef a[2] = {x, splat_like(l, x, v)};
	return ig_ll_intrinsic1(l, name[k->is_signed][max], a, 2);
}

static LLVMValueRef at_least_lo(struct ig_ll *l, const struct pack *k, LLVMValueRef bytes)
{
	return k->lo > (k->is_signed ? -128 : 0) ? bytes_minmax(l, k, bytes, true, k->lo) : bytes;
}

static LLVMValueRef at_most_hi(struct ig_ll *l, const struct pack *k, LLVMValueRef bytes)
{
	return k->hi < (k->is_signed ? 127 : 255) ? bytes_minmax(l, k, bytes, false, k->hi) : bytes;
}

static LLVMValueRef x86_bounds(struct ig_ll *l, const struct pack *k, LLVMValueRef bytes)
{
	return k->small ? at_most_hi(l, k, at_least_lo(l, k, bytes)) : at_least_lo(l, k, bytes);
}

static LLVMValueRef generic(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	x = ig_ll_fminmax(l, true, x, splat_like(l, x, k->lo - k->zp));
	x = ig_ll_fminmax(l, false, x, splat_like(l, x, k->hi - k->zp));
	x = ig_ll_rne(l, x);
	x = LLVMBuildAdd(l->b, x, splat_like(l, x, k->zp), "");
	return LLVMBuildTrunc(l->b, x, ig_ll_vec(l->i8, ig_ll_lanes(x)), "");
}

/* x86: i32 with all values above hi - zp removed (or later, when small) and -2^31 for what is far below. */
static LLVMValueRef x86_round(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	return ig_ll_rne(l, k->small ? x : ig_ll_fminmax(l, false, x, splat_like(l, x, k->hi - k->zp)));
}

/* Four vectors of 512 bits to one of bytes. The pack instructions work in each 128-bit lane: dwords go back to their order by one permutation. */
static LLVMValueRef avx512_64(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	static const int order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
	LLVMValueRef q[4], h[2];
	for (int i = 0; i < 4; i++)
		q[i] = x86_round(l, k, ig_ll_part(l, x, 16 * i, 16));
	for (int i = 0; i < 2; i++)
		h[i] = add_sat(l, ig_ll_intrinsic(l, "llvm.x86.avx512.packssdw.512", NULL, 0, q + 2 * i, 2), k->zp);
	LLVMValueRef r = ig_ll_intrinsic(l, k->is_signed ? "llvm.x86.avx512.packsswb.512" : "llvm.x86.avx512.packuswb.512", NULL, 0, h, 2);
	r = ig_ll_shuffle(l, ig_ll_bitcast(l, r, ig_ll_vec(l->i32, 16)), NULL, order, 16);
	return x86_bounds(l, k, ig_ll_bitcast(l, r, ig_ll_vec(l->i8, 64)));
}

/* One vector of up to 512 bits: the clamp in i32, then one truncation. */
static LLVMValueRef avx512_16(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	LLVMValueRef r = x86_round(l, k, x), a[2] = {r, splat_like(l, r, k->lo - k->zp)};
	r = ig_ll_intrinsic1(l, "llvm.smax", a, 2);
	if (k->small) {
		LLVMValueRef m[2] = {r, splat_like(l, r, k->hi - k->zp)};
		r = ig_ll_intrinsic1(l, "llvm.smin", m, 2);
	}
	r = LLVMBuildAdd(l->b, r, splat_like(l, r, k->zp), "");
	return LLVMBuildTrunc(l->b, r, ig_ll_vec(l->i8, ig_ll_lanes(x)), "");
}

/* Four vectors of 256 bits to one of bytes. */
static LLVMValueRef avx2_32(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	static const int order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
	LLVMValueRef q[4], h[2];
	for (int i = 0; i < 4; i++)
		q[i] = x86_round(l, k, ig_ll_part(l, x, 8 * i, 8));
	for (int i = 0; i < 2; i++)
		h[i] = add_sat(l, ig_ll_intrinsic(l, "llvm.x86.avx2.packssdw", NULL, 0, q + 2 * i, 2), k->zp);
	LLVMValueRef r = ig_ll_intrinsic(l, k->is_signed ? "llvm.x86.avx2.packsswb" : "llvm.x86.avx2.packuswb", NULL, 0, h, 2);
	r = ig_ll_shuffle(l, ig_ll_bitcast(l, r, ig_ll_vec(l->i32, 8)), NULL, order, 8);
	return x86_bounds(l, k, ig_ll_bitcast(l, r, ig_ll_vec(l->i8, 32)));
}

/* Up to 16 floats in 128-bit registers, in order. */
static LLVMValueRef sse_16(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	int n = ig_ll_lanes(x);
	LLVMValueRef q[4], h[2], r = x86_round(l, k, x);
	for (int i = 0; i < 4; i++)
		q[i] = ig_ll_part(l, r, 4 * i < n ? 4 * i : 0, 4);
	for (int i = 0; i < 2; i++)
		h[i] = add_sat(l, ig_ll_intrinsic(l, "llvm.x86.sse2.packssdw.128", NULL, 0, q + 2 * i, 2), k->zp);
	LLVMValueRef v = ig_ll_intrinsic(l, k->is_signed ? "llvm.x86.sse2.packsswb.128" : "llvm.x86.sse2.packuswb.128", NULL, 0, h, 2);
	return ig_ll_part(l, x86_bounds(l, k, v), 0, n);
}

static LLVMValueRef neon_half(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	LLVMTypeRef h4 = ig_ll_vec(LLVMInt16TypeInContext(l->ctx), 4), b8 = ig_ll_vec(l->i8, 8);
	LLVMValueRef q = ig_ll_rne(l, x), lo = ig_ll_part(l, q, 0, 4), hi = ig_ll_lanes(q) > 4 ? ig_ll_part(l, q, 4, 4) : lo;
	LLVMValueRef a = ig_ll_intrinsic(l, "llvm.aarch64.neon.sqxtn", &h4, 1, &lo, 1);
	LLVMValueRef b = ig_ll_intrinsic(l, "llvm.aarch64.neon.sqxtn", &h4, 1, &hi, 1);
	LLVMValueRef h = add_sat(l, ig_ll_concat(l, a, b), k->zp);
	return ig_ll_intrinsic(l, k->is_signed ? "llvm.aarch64.neon.sqxtn" : "llvm.aarch64.neon.sqxtun", &b8, 1, &h, 1);
}

static LLVMValueRef neon_16(struct ig_ll *l, const struct pack *k, LLVMValueRef x)
{
	int n = ig_ll_lanes(x);
	LLVMValueRef r = neon_half(l, k, n > 8 ? ig_ll_part(l, x, 0, 8) : x);
	if (n > 8)
		r = ig_ll_concat(l, r, neon_half(l, k, ig_ll_part(l, x, 8, 8)));
	r = at_most_hi(l, k, at_least_lo(l, k, r));
	return ig_ll_part(l, r, 0, n);
}

/* The widest step of the target's kind for n lanes, and its function. */
static LLVMValueRef (*step_of(enum ig_pack_kind kind, int n, int *lanes))(struct ig_ll *, const struct pack *, LLVMValueRef)
{
	*lanes = n;
	if (n < 4)
		return generic;
	switch (kind) {
	case IG_PACK_AVX512:
		*lanes = n >= 64 ? 64 : n;
		return n >= 64 ? avx512_64 : n == 32 ? avx2_32 : avx512_16;
	case IG_PACK_AVX2:
		*lanes = n >= 32 ? 32 : n;
		return n >= 32 ? avx2_32 : sse_16;
	case IG_PACK_NEON:
		*lanes = n > 16 ? 16 : n;
		return neon_16;
	case IG_PACK_GENERIC:
		break;
	}
	return generic;
}

/* A NaN becomes 0, hence zp. Only x86 needs it: fcvtns does so itself, but the generic sequence does not. */
static LLVMValueRef without_nan(struct ig_ll *l, LLVMValueRef x)
{
	LLVMValueRef ord = LLVMBuildFCmp(l->b, LLVMRealORD, x, x, "");
	return ig_ll_select(l, ord, x, LLVMConstNull(LLVMTypeOf(x)));
}

LLVMValueRef ig_ll_inst_fpack(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x = l->val[in->arg[0]], part[KIR_MAX_LANES];
	int n = in->type.lanes, lanes;
	struct pack k = {in->imm.pack.lo, in->imm.pack.hi, in->imm.pack.zp, in->imm.pack.hi <= 127, in->flags & KIR_SMALL};
	/* A range that is neither within u8 nor within s8 wraps: no saturating instruction does that. */
	bool plain_range = k.is_signed ? k.lo >= -128 : k.lo >= 0;
	LLVMValueRef (*step)(struct ig_ll *, const struct pack *, LLVMValueRef) = step_of(plain_range ? l->t->pack : IG_PACK_GENERIC, n, &lanes);
	bool nan = in->flags & KIR_NAN_TO_ZP;
	LLVMValueRef y = nan && step != neon_16 ? without_nan(l, x) : x;
	for (int i = 0; i < n / lanes; i++)
		part[i] = step(l, &k, ig_ll_part(l, y, i * lanes, lanes));
	LLVMValueRef r = ig_ll_concat_n(l, part, n / lanes);
	if (nan && (k.zp < k.lo || k.zp > k.hi)) /* the clamp has changed it */
		r = LLVMBuildSelect(l->b, LLVMBuildFCmp(l->b, LLVMRealORD, x, x, ""), r, splat_like(l, r, k.zp), "");
	return r;
}
