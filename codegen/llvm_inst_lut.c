/* Tables of 256 entries. Bytes in vectors: the table lies in registers and is searched by permutations; everything else is one load for each lane. */
#include "codegen/llvm_build.h"

/* Part k of the table, `bytes` long. */
static LLVMValueRef table_part(struct ig_ll *l, LLVMValueRef table, int k, int bytes, LLVMTypeRef elem)
{
	return ig_ll_load(l, ig_ll_vec(elem, 8 * bytes / ig_ll_bits(elem)), ig_ll_gep(l, table, (int64_t)k * bytes));
}

static LLVMValueRef words(struct ig_ll *l, int64_t v)
{
	return ig_ll_const_i(LLVMInt16TypeInContext(l->ctx), 32, v);
}

/* The word of the 128 that index / 2 names; bits above the seventh of index / 2 do not count. upper: its seventh bit. */
static LLVMValueRef permute_words(struct ig_ll *l, LLVMValueRef *t, LLVMValueRef half, LLVMValueRef upper)
{
	static const char name[] = "llvm.x86.avx512.vpermi2var.hi.512";
	LLVMValueRef a[3] = {t[0], half, t[1]}, b[3] = {t[2], half, t[3]};
	LLVMValueRef lo = ig_ll_intrinsic(l, name, NULL, 0, a, 3), hi = ig_ll_intrinsic(l, name, NULL, 0, b, 3);
	return LLVMBuildSelect(l->b, upper, hi, lo, "");
}

/* AVX-512 without VBMI permutes words, not bytes: 64 bytes are 32 words, whose even and odd bytes are looked up apart. The table is 128 words in four
   registers; an index's lowest bit says which byte of the word found it means. */
static LLVMValueRef permw(struct ig_ll *l, LLVMValueRef *t, LLVMValueRef x)
{
	LLVMValueRef w = ig_ll_bitcast(l, x, ig_ll_vec(LLVMInt16TypeInContext(l->ctx), 32)), zero = words(l, 0);
	LLVMValueRef bit7 = LLVMBuildICmp(l->b, LLVMIntNE, LLVMBuildAnd(l->b, w, words(l, 0x80), ""), zero, "");
	LLVMValueRef bit15 = LLVMBuildICmp(l->b, LLVMIntSLT, w, zero, "");
	LLVMValueRef even = permute_words(l, t, LLVMBuildLShr(l->b, w, words(l, 1), ""), bit7);
	LLVMValueRef odd = permute_words(l, t, LLVMBuildLShr(l->b, w, words(l, 9), ""), bit15);
	/* down by 8 when the even index is odd; up by 8 when the odd one is even */
	LLVMValueRef down = LLVMBuildShl(l->b, LLVMBuildAnd(l->b, w, words(l, 1), ""), words(l, 3), "");
	LLVMValueRef up = LLVMBuildLShr(l->b, LLVMBuildAnd(l->b, LLVMBuildNot(l->b, w, ""), words(l, 0x100), ""), words(l, 5), "");
	even = LLVMBuildAnd(l->b, LLVMBuildLShr(l->b, even, down, ""), words(l, 0xff), "");
	odd = LLVMBuildAnd(l->b, LLVMBuildShl(l->b, odd, up, ""), words(l, 0xff00), "");
	return ig_ll_bitcast(l, LLVMBuildOr(l->b, even, odd, ""), LLVMTypeOf(x));
}

/* AVX2 searches sixteen bytes at once: sixteen such tables by the low half of the index, then a tree of choices by the bits of its high half. */
static LLVMValueRef pshufb(struct ig_ll *l, LLVMValueRef *t, LLVMValueRef x)
{
	LLVMValueRef v[16], low = LLVMBuildAnd(l->b, x, ig_ll_const_i(l->i8, 32, 15), ""), bit[4] = {NULL, NULL, NULL, x};
	for (int i = 2; i >= 0; i--)
		bit[i] = LLVMBuildAdd(l->b, bit[i + 1], bit[i + 1], ""); /* bit 4 + i moved to the sign */
	for (int i = 0; i < 16; i++) {
		LLVMValueRef a[2] = {ig_ll_concat(l, t[i], t[i]), low};
		v[i] = ig_ll_intrinsic(l, "llvm.x86.avx2.pshuf.b", NULL, 0, a, 2);
	}
	for (int level = 0, n = 8; n >= 1; level++, n /= 2)
		for (int i = 0; i < n; i++) {
			LLVMValueRef a[3] = {v[2 * i], v[2 * i + 1], bit[level]};
			v[i] = ig_ll_intrinsic(l, "llvm.x86.avx2.pblendvb", NULL, 0, a, 3);
		}
	return v[0];
}

/* NEON searches 64 bytes at once; an index beyond them leaves the lane as it is. */
static LLVMValueRef tbl(struct ig_ll *l, LLVMValueRef *t, LLVMValueRef x)
{
	LLVMTypeRef type = LLVMTypeOf(x);
	LLVMValueRef first[5] = {t[0], t[1], t[2], t[3], x}, v = ig_ll_intrinsic(l, "llvm.aarch64.neon.tbl4", &type, 1, first, 5);
	for (int i = 1; i < 4; i++) {
		LLVMValueRef at = LLVMBuildSub(l->b, x, ig_ll_const_i(l->i8, 16, 64 * i), "");
		LLVMValueRef a[6] = {v, t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3], at};
		v = ig_ll_intrinsic(l, "llvm.aarch64.neon.tbx4", &type, 1, a, 6);
	}
	return v;
}

static const struct table_kind {
	int lanes, least; /* bytes of a step; fewer than `least` are quicker one by one */
	int parts;        /* of the table */
	LLVMValueRef (*step)(struct ig_ll *, LLVMValueRef *, LLVMValueRef);
} kinds[] = {
	[IG_TABLE_SCALAR] = {0, 0, 0, NULL},
	[IG_TABLE_PERMW] = {64, 16, 4, permw},
	[IG_TABLE_PSHUFB] = {32, 32, 16, pshufb},
	[IG_TABLE_TBL] = {16, 16, 16, tbl},
};

static LLVMValueRef bytes(struct ig_ll *l, const struct table_kind *k, LLVMValueRef table, LLVMValueRef x)
{
	LLVMValueRef t[16], part[KIR_MAX_LANES];
	int n = ig_ll_lanes(x), count = n < k->lanes ? 1 : n / k->lanes;
	for (int i = 0; i < k->parts; i++)
		t[i] = table_part(l, table, i, 256 / k->parts, k->step == permw ? LLVMInt16TypeInContext(l->ctx) : l->i8);
	for (int i = 0; i < count; i++)
		part[i] = k->step(l, t, ig_ll_part(l, x, i * k->lanes, k->lanes));
	LLVMValueRef r = ig_ll_concat_n(l, part, count);
	return n < k->lanes ? ig_ll_part(l, r, 0, n) : r;
}

static LLVMValueRef each_lane(struct ig_ll *l, const struct kir_inst *in, LLVMValueRef table, LLVMValueRef index)
{
	LLVMTypeRef elem = l->elem[in->type.elem];
	LLVMValueRef v = LLVMGetPoison(ig_ll_type(l, in->type));
	for (int i = 0; i < in->type.lanes; i++) {
		LLVMValueRef k = LLVMBuildZExt(l->b, ig_ll_part(l, index, i, 1), l->i64, "");
		LLVMValueRef x = ig_ll_load(l, elem, LLVMBuildInBoundsGEP2(l->b, elem, table, &k, 1, ""));
		v = in->type.lanes == 1 ? x : LLVMBuildInsertElement(l->b, v, x, ig_ll_i32(l, i), "");
	}
	return v;
}

LLVMValueRef ig_ll_inst_lut(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef table = ig_ll_addr(l, &in->addr), index = l->val[in->arg[0]];
	const struct table_kind *k = &kinds[l->t->table];
	if (in->type.elem == KIR_I8 && k->step && in->type.lanes >= k->least)
		return bytes(l, k, table, index);
	return each_lane(l, in, table, index);
}
