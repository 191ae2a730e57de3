/* Kernel-IR instructions that plain LLVM IR expresses: element-wise arithmetic, conversions, shuffles, reductions. */
#include "codegen/llvm_build.h"
#include "runtime/ig_runtime.h"

static LLVMValueRef arg(struct ig_ll *l, const struct kir_inst *in, int i)
{
	return l->val[in->arg[i]];
}

static LLVMValueRef constant(struct ig_ll *l, const struct kir_inst *in)
{
	if (in->type.elem == KIR_F32)
		return ig_ll_const_f(l, in->type.lanes, in->imm.f);
	return ig_ll_const_i(l->elem[in->type.elem], in->type.lanes, in->imm.i);
}

static LLVMValueRef interleave(struct ig_ll *l, LLVMValueRef a, LLVMValueRef b)
{
	int idx[KIR_MAX_LANES], n = ig_ll_lanes(a);
	for (int i = 0; i < n; i++) {
		idx[2 * i] = i;
		idx[2 * i + 1] = n + i;
	}
	return ig_ll_shuffle(l, a, b, idx, 2 * n);
}

/* In each 128 bits: what vector instructions do in one step. */
static LLVMValueRef zip(struct ig_ll *l, const struct kir_inst *in)
{
	int idx[KIR_MAX_LANES], n = in->type.lanes, group = 16 / kir_elem_bytes((enum kir_elem)in->type.elem), half = in->op == KIR_ZIPHI ? group / 2 : 0;
	for (int i = 0; i < n; i++)
		idx[i] = (i & 1 ? n : 0) + i / group * group + i % group / 2 + half;
	return ig_ll_shuffle(l, arg(l, in, 0), arg(l, in, 1), idx, n);
}

/* One shuffle, which code generation merges with that of a packing before it. */
static LLVMValueRef transpose4(struct ig_ll *l, LLVMValueRef x)
{
	int idx[KIR_MAX_LANES], n = ig_ll_lanes(x);
	for (int i = 0; i < n; i++)
		idx[i] = i % 4 * (n / 4) + i / 4;
	return ig_ll_shuffle(l, x, NULL, idx, n);
}

static LLVMValueRef arithmetic(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef a = arg(l, in, 0), b = arg(l, in, 1);
	bool f = in->type.elem == KIR_F32 || in->type.elem == KIR_F64;
	switch (in->op) {
	case KIR_ADD:
		return f ? LLVMBuildFAdd(l->b, a, b, "") : LLVMBuildAdd(l->b, a, b, "");
	case KIR_SUB:
		return f ? LLVMBuildFSub(l->b, a, b, "") : LLVMBuildSub(l->b, a, b, "");
	case KIR_MUL:
		return f ? LLVMBuildFMul(l->b, a, b, "") : LLVMBuildMul(l->b, a, b, "");
	default:
		return LLVMBuildFDiv(l->b, a, b, "");
	}
}

/* Floats are selected as integers: LLVM takes a float selection by a comparison of the same values for a minimum or maximum of its own (fmaxnm on Arm), and
   those differ for signalling NaNs, and when constants are folded. */
LLVMValueRef ig_ll_select(struct ig_ll *l, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b)
{
	if (ig_ll_elem(a) != l->f32)
		return LLVMBuildSelect(l->b, c, a, b, "");
	LLVMTypeRef f = LLVMTypeOf(a), i = ig_ll_vec(l->i32, ig_ll_lanes(a));
	return ig_ll_bitcast(l, LLVMBuildSelect(l->b, c, ig_ll_bitcast(l, a, i), ig_ll_bitcast(l, b, i), ""), f);
}

/* minps and maxps themselves are FMIN and FMAX. */
static LLVMValueRef x86_minmax(struct ig_ll *l, bool max, LLVMValueRef a, LLVMValueRef b)
{
	static const char *const name[3][2] = {{"llvm.x86.sse.min.ps", "llvm.x86.sse.max.ps"},
	                                       {"llvm.x86.avx.min.ps.256", "llvm.x86.avx.max.ps.256"},
	                                       {"llvm.x86.avx512.min.ps.512", "llvm.x86.avx512.max.ps.512"}};
	enum { CUR_DIRECTION = 4 };
	LLVMValueRef part[KIR_MAX_LANES];
	int n = ig_ll_lanes(a), w = l->t->vector_bytes / 4;
	w = n >= w ? w : n < 4 ? 4 : n;
	for (int i = 0; i == 0 || i < n / w; i++) {
		LLVMValueRef x[3] = {ig_ll_part(l, a, i * w, w), ig_ll_part(l, b, i * w, w), ig_ll_i32(l, CUR_DIRECTION)};
		part[i] = ig_ll_intrinsic(l, name[w / 8][max], NULL, 0, x, w == 16 ? 3 : 2);
	}
	LLVMValueRef r = ig_ll_concat_n(l, part, n < w ? 1 : n / w);
	return n < w ? ig_ll_part(l, r, 0, n) : r;
}

LLVMValueRef ig_ll_fminmax(struct ig_ll *l, bool max, LLVMValueRef a, LLVMValueRef b)
{
	if (ig_ll_has(l, IG_CPU_AVX2))
		return x86_minmax(l, max, a, b);
	return ig_ll_select(l, LLVMBuildFCmp(l->b, max ? LLVMRealOGT : LLVMRealOLT, a, b, ""), a, b);
}

static LLVMValueRef minmax(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x[2] = {arg(l, in, 0), arg(l, in, 1)};
	switch (in->op) {
	case KIR_SMIN:
		return ig_ll_intrinsic1(l, "llvm.smin", x, 2);
	case KIR_SMAX:
		return ig_ll_intrinsic1(l, "llvm.smax", x, 2);
	case KIR_UMIN:
		return ig_ll_intrinsic1(l, "llvm.umin", x, 2);
	default:
		return ig_ll_intrinsic1(l, "llvm.umax", x, 2);
	}
}

static LLVMValueRef shift(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x = arg(l, in, 0);
	int bits = ig_ll_bits(LLVMTypeOf(x));
	if (in->imm.i < 0 || in->imm.i >= bits)
		IG_BUG("shift of %d bits by %d", bits, (int)in->imm.i);
	LLVMValueRef by = ig_ll_const_i(ig_ll_elem(x), ig_ll_lanes(x), in->imm.i);
	if (in->op == KIR_SHL)
		return LLVMBuildShl(l->b, x, by, "");
	return in->op == KIR_SHRU ? LLVMBuildLShr(l->b, x, by, "") : LLVMBuildAShr(l->b, x, by, "");
}

static LLVMValueRef compare(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef a = arg(l, in, 0), b = arg(l, in, 1);
	bool lt = in->op == KIR_CMPLT;
	if (LLVMGetTypeKind(ig_ll_elem(a)) == LLVMIntegerTypeKind)
		return LLVMBuildICmp(l->b, lt ? LLVMIntSLT : LLVMIntEQ, a, b, "");
	return LLVMBuildFCmp(l->b, lt ? LLVMRealOLT : LLVMRealOEQ, a, b, "");
}

/* The fixed tree: lower half with upper half, until one lane is left. */
static LLVMValueRef reduce(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x = arg(l, in, 0);
	for (int n = ig_ll_lanes(x) / 2; n >= 1; n /= 2) {
		LLVMValueRef h[2] = {ig_ll_part(l, x, 0, n), ig_ll_part(l, x, n, n)};
		if (in->op == KIR_REDUCE_FMAX)
			x = ig_ll_fminmax(l, true, h[0], h[1]);
		else if (in->op == KIR_REDUCE_UMAX)
			x = ig_ll_intrinsic1(l, "llvm.umax", h, 2);
		else
			x = in->type.elem == KIR_F32 ? LLVMBuildFAdd(l->b, h[0], h[1], "") : LLVMBuildAdd(l->b, h[0], h[1], "");
	}
	return x;
}

static LLVMValueRef convert(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x = arg(l, in, 0);
	LLVMTypeRef t = ig_ll_type(l, in->type);
	switch (in->op) {
	case KIR_SEXT:
		return LLVMBuildSExt(l->b, x, t, "");
	case KIR_ZEXT:
		return LLVMBuildZExt(l->b, x, t, "");
	case KIR_TRUNC:
		return LLVMBuildTrunc(l->b, x, t, "");
	case KIR_ITOF:
		return LLVMBuildSIToFP(l->b, x, t, "");
	case KIR_HTOF: {
		LLVMTypeRef h = LLVMHalfTypeInContext(LLVMGetTypeContext(t));
		return LLVMBuildFPExt(l->b, LLVMBuildBitCast(l->b, x, ig_ll_vec(h, in->type.lanes), ""), t, "");
	}
	case KIR_FTOD:
		return LLVMBuildFPExt(l->b, x, t, "");
	default:
		return LLVMBuildFPTrunc(l->b, x, t, "");
	}
}

static LLVMValueRef fma_(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef x[3] = {arg(l, in, 0), arg(l, in, 1), arg(l, in, 2)};
	return ig_ll_intrinsic1(l, "llvm.fma", x, 3);
}

/* One lane of memory in all lanes, and a part of that: LLVM would make two broadcasts, both from a general register, where one from memory serves. */
static bool is_broadcast_load(LLVMValueRef v)
{
	if (LLVMIsABitCastInst(v))
		v = LLVMGetOperand(v, 0);
	if (!LLVMIsAShuffleVectorInst(v))
		return false;
	v = LLVMGetOperand(v, 0);
	return LLVMIsAInsertElementInst(v) && LLVMIsALoadInst(LLVMGetOperand(v, 1));
}

static LLVMValueRef extract(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef v = arg(l, in, 0);
	if (l->t->masked_memory && in->type.lanes > 1 && is_broadcast_load(v)) { /* an empty assembly statement: the value cannot be looked into */
		LLVMTypeRef t = LLVMTypeOf(v), f = LLVMFunctionType(t, &t, 1, false);
		LLVMValueRef nothing = LLVMGetInlineAsm(f, "", 0, "=v,0", 4, false, false, LLVMInlineAsmDialectATT, false);
		v = LLVMBuildCall2(l->b, f, nothing, &v, 1, "");
	}
	return ig_ll_part(l, v, (int)in->imm.i, in->type.lanes);
}

LLVMValueRef ig_ll_inst(struct ig_ll *l, const struct kir_inst *in)
{
	switch ((enum kir_op)in->op) {
	case KIR_CONST: return constant(l, in);
	case KIR_LOAD: return ig_ll_inst_load(l, in);
	case KIR_STORE: return ig_ll_inst_store(l, in);
	case KIR_LUT: return ig_ll_inst_lut(l, in);
	case KIR_PREFETCH: return ig_ll_inst_prefetch(l, in);
	case KIR_SPLAT: return ig_ll_splat(l, arg(l, in, 0), in->type.lanes);
	case KIR_EXTRACT: return extract(l, in);
	case KIR_CONCAT: return ig_ll_concat(l, arg(l, in, 0), arg(l, in, 1));
	case KIR_INTERLEAVE: return interleave(l, arg(l, in, 0), arg(l, in, 1));
	case KIR_ZIPLO:
	case KIR_ZIPHI: return zip(l, in);
	case KIR_TRANSPOSE4: return transpose4(l, arg(l, in, 0));
	case KIR_BITCAST: return ig_ll_bitcast(l, arg(l, in, 0), ig_ll_type(l, in->type));
	case KIR_ADD:
	case KIR_SUB:
	case KIR_MUL:
	case KIR_DIV: return arithmetic(l, in);
	case KIR_FMA: return fma_(l, in);
	case KIR_SMIN:
	case KIR_SMAX:
	case KIR_UMIN:
	case KIR_UMAX: return minmax(l, in);
	case KIR_FMIN: return ig_ll_fminmax(l, false, arg(l, in, 0), arg(l, in, 1));
	case KIR_FMAX: return ig_ll_fminmax(l, true, arg(l, in, 0), arg(l, in, 1));
	case KIR_AND: return LLVMBuildAnd(l->b, arg(l, in, 0), arg(l, in, 1), "");
	case KIR_OR: return LLVMBuildOr(l->b, arg(l, in, 0), arg(l, in, 1), "");
	case KIR_XOR: return LLVMBuildXor(l->b, arg(l, in, 0), arg(l, in, 1), "");
	case KIR_SHL:
	case KIR_SHRU:
	case KIR_SHRS: return shift(l, in);
	case KIR_CMPLT:
	case KIR_CMPEQ: return compare(l, in);
	case KIR_SELECT: return ig_ll_select(l, arg(l, in, 0), arg(l, in, 1), arg(l, in, 2));
	case KIR_SEXT:
	case KIR_ZEXT:
	case KIR_TRUNC:
	case KIR_ITOF:
	case KIR_HTOF:
	case KIR_FTOD:
	case KIR_DTOF: return convert(l, in);
	case KIR_RNE: return ig_ll_rne(l, arg(l, in, 0));
	case KIR_DOT: return ig_ll_inst_dot(l, in);
	case KIR_MMLA: return ig_ll_inst_mmla(l, in);
	case KIR_TILE_LOAD:
	case KIR_TILE_STORE:
	case KIR_TILE_DOT: ig_ll_inst_tile(l, in); return NULL;
	case KIR_FPACK: return ig_ll_inst_fpack(l, in);
	case KIR_REDUCE_ADD:
	case KIR_REDUCE_FMAX:
	case KIR_REDUCE_UMAX: return reduce(l, in);
	case KIR_LOOP:
	case KIR_END:
	case KIR_OP_COUNT: break;
	}
	IG_BUG("kernel-IR instruction %d", in->op);
}
