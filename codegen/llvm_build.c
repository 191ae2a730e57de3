/* Helpers over the LLVM-C builder. */
#include "codegen/llvm_build.h"

#include <string.h>

bool ig_ll_has(const struct ig_ll *l, uint64_t cpu_feature)
{
	return (l->t->cpu_features & cpu_feature) == cpu_feature;
}

LLVMTypeRef ig_ll_vec(LLVMTypeRef elem, int lanes)
{
	return lanes == 1 ? elem : LLVMVectorType(elem, (unsigned)lanes);
}

LLVMTypeRef ig_ll_type(struct ig_ll *l, struct kir_type t)
{
	return ig_ll_vec(l->elem[t.elem], t.lanes);
}

int ig_ll_lanes(LLVMValueRef v)
{
	LLVMTypeRef t = LLVMTypeOf(v);
	return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

LLVMTypeRef ig_ll_elem(LLVMValueRef v)
{
	LLVMTypeRef t = LLVMTypeOf(v);
	return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

int ig_ll_bits(LLVMTypeRef t)
{
	switch (LLVMGetTypeKind(t)) {
	case LLVMVectorTypeKind:
		return ig_ll_bits(LLVMGetElementType(t));
	case LLVMIntegerTypeKind:
		return (int)LLVMGetIntTypeWidth(t);
	case LLVMFloatTypeKind:
		return 32;
	case LLVMDoubleTypeKind:
		return 64;
	default:
		IG_BUG("no element type");
	}
}

LLVMValueRef ig_ll_i32(struct ig_ll *l, int64_t v)
{
	return LLVMConstInt(l->i32, (unsigned long long)v, true);
}

LLVMValueRef ig_ll_i64(struct ig_ll *l, int64_t v)
{
	return LLVMConstInt(l->i64, (unsigned long long)v, true);
}

static LLVMValueRef const_splat(LLVMValueRef c, int lanes)
{
	LLVMValueRef v[KIR_MAX_LANES];
	if (lanes == 1)
		return c;
	for (int i = 0; i < lanes; i++)
		v[i] = c;
	return LLVMConstVector(v, (unsigned)lanes);
}

LLVMValueRef ig_ll_const_i(LLVMTypeRef elem, int lanes, int64_t v)
{
	int bits = ig_ll_bits(elem);
	uint64_t u = (uint64_t)v;
	if (bits < 64)
		u &= ((uint64_t)1 << bits) - 1;
	return const_splat(LLVMConstInt(elem, u, false), lanes);
}

/* Through the bits, so that a NaN keeps its payload. */
LLVMValueRef ig_ll_const_f(struct ig_ll *l, int lanes, float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	return const_splat(LLVMConstBitCast(LLVMConstInt(l->i32, bits, false), l->f32), lanes);
}

LLVMValueRef ig_ll_bitcast(struct ig_ll *l, LLVMValueRef v, LLVMTypeRef t)
{
	return LLVMTypeOf(v) == t ? v : LLVMBuildBitCast(l->b, v, t, "");
}

LLVMValueRef ig_ll_shuffle(struct ig_ll *l, LLVMValueRef a, LLVMValueRef b, const int *idx, int n)
{
	LLVMValueRef mask[KIR_MAX_LANES];
	int lanes = ig_ll_lanes(a);
	if (lanes == 1) { /* scalars: build the vector element by element */
		LLVMTypeRef t = ig_ll_vec(LLVMTypeOf(a), n);
		if (n == 1)
			return idx[0] == 1 ? b : a;
		LLVMValueRef v = LLVMGetPoison(t);
		for (int i = 0; i < n; i++)
			if (idx[i] >= 0)
				v = LLVMBuildInsertElement(l->b, v, idx[i] == 1 ? b : a, ig_ll_i32(l, i), "");
		return v;
	}
	if (n == 1)
		return LLVMBuildExtractElement(l->b, idx[0] >= lanes ? b : a, ig_ll_i32(l, idx[0] % lanes), "");
	bool same = n == lanes;
	for (int i = 0; i < n; i++) {
		same = same && (idx[i] == i || idx[i] < 0);
		mask[i] = idx[i] < 0 ? LLVMGetPoison(l->i32) : ig_ll_i32(l, idx[i]);
	}
	if (same)
		return a;
	return LLVMBuildShuffleVector(l->b, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)), LLVMConstVector(mask, (unsigned)n), "");
}

LLVMValueRef ig_ll_part(struct ig_ll *l, LLVMValueRef v, int first, int lanes)
{
	int idx[KIR_MAX_LANES], have = ig_ll_lanes(v);
	for (int i = 0; i < lanes; i++)
		idx[i] = first + i < have ? first + i : -1;
	return ig_ll_shuffle(l, v, NULL, idx, lanes);
}

LLVMValueRef ig_ll_strided(struct ig_ll *l, LLVMValueRef v, int first, int step, int lanes)
{
	int idx[KIR_MAX_LANES];
	for (int i = 0; i < lanes; i++)
		idx[i] = first + i * step;
	return ig_ll_shuffle(l, v, NULL, idx, lanes);
}

LLVMValueRef ig_ll_concat(struct ig_ll *l, LLVMValueRef a, LLVMValueRef b)
{
	int idx[KIR_MAX_LANES], n = 2 * ig_ll_lanes(a);
	for (int i = 0; i < n; i++)
		idx[i] = i;
	return ig_ll_shuffle(l, a, b, idx, n);
}

LLVMValueRef ig_ll_concat_n(struct ig_ll *l, LLVMValueRef *part, int n)
{
	for (; n > 1; n /= 2)
		for (int i = 0; i < n / 2; i++)
			part[i] = ig_ll_concat(l, part[2 * i], part[2 * i + 1]);
	return part[0];
}

LLVMValueRef ig_ll_splat(struct ig_ll *l, LLVMValueRef scalar, int lanes)
{
	if (lanes == 1)
		return scalar;
	if (LLVMIsConstant(scalar))
		return const_splat(scalar, lanes);
	int idx[KIR_MAX_LANES] = {0};
	LLVMTypeRef t = ig_ll_vec(LLVMTypeOf(scalar), lanes);
	LLVMValueRef v = LLVMBuildInsertElement(l->b, LLVMGetPoison(t), scalar, ig_ll_i32(l, 0), "");
	return ig_ll_shuffle(l, v, NULL, idx, lanes);
}

LLVMValueRef ig_ll_intrinsic(struct ig_ll *l, const char *name, LLVMTypeRef *over, int n_over, LLVMValueRef *arg, int n)
{
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	if (!id)
		IG_BUG("LLVM has no intrinsic %s", name);
	LLVMValueRef fn = LLVMGetIntrinsicDeclaration(l->mod, id, over, (size_t)n_over);
	LLVMTypeRef type = LLVMGlobalGetValueType(fn), param[8];
	LLVMValueRef a[8];
	if ((int)LLVMCountParamTypes(type) != n || n > 8)
		IG_BUG("intrinsic %s takes %d arguments, not %d", name, (int)LLVMCountParamTypes(type), n);
	LLVMGetParamTypes(type, param);
	for (int i = 0; i < n; i++)
		a[i] = ig_ll_bitcast(l, arg[i], param[i]);
	return LLVMBuildCall2(l->b, type, fn, a, (unsigned)n, "");
}

LLVMValueRef ig_ll_intrinsic1(struct ig_ll *l, const char *name, LLVMValueRef *arg, int n)
{
	LLVMTypeRef t = LLVMTypeOf(arg[0]);
	return ig_ll_intrinsic(l, name, &t, 1, arg, n);
}

LLVMValueRef ig_ll_gep(struct ig_ll *l, LLVMValueRef ptr, int64_t bytes)
{
	LLVMValueRef off = ig_ll_i64(l, bytes);
	return bytes ? LLVMBuildInBoundsGEP2(l->b, l->i8, ptr, &off, 1, "") : ptr;
}

/* Alignment 1 everywhere: buffers promise that of an element only for inputs and outputs, and neither x86 with AVX nor AArch64 is slower for it. */
LLVMValueRef ig_ll_load(struct ig_ll *l, LLVMTypeRef t, LLVMValueRef ptr)
{
	LLVMValueRef v = LLVMBuildLoad2(l->b, t, ptr, "");
	LLVMSetAlignment(v, 1);
	return v;
}

void ig_ll_store(struct ig_ll *l, LLVMValueRef v, LLVMValueRef ptr)
{
	LLVMSetAlignment(LLVMBuildStore(l->b, v, ptr), 1);
}

void ig_ll_attr(struct ig_ll *l, LLVMValueRef fn, unsigned where, const char *name, uint64_t value)
{
	unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
	if (!kind)
		IG_BUG("LLVM has no attribute %s", name);
	LLVMAddAttributeAtIndex(fn, where, LLVMCreateEnumAttribute(l->ctx, kind, value));
}

static void text_attr(struct ig_ll *l, LLVMValueRef fn, const char *name, const char *value)
{
	LLVMAttributeRef a = LLVMCreateStringAttribute(l->ctx, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
	LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, a);
}

/* nounwind without uwtable: no unwind tables. no-builtins: no loop may become a call of memset or memcpy. warn-stack-size: code generation reports each
   frame that is larger than this to the diagnostic handler, which is how its size is learnt. */
void ig_ll_fn_attrs(struct ig_ll *l, LLVMValueRef fn)
{
	ig_ll_attr(l, fn, LLVMAttributeFunctionIndex, "nounwind", 0);
	text_attr(l, fn, "no-builtins", "");
	text_attr(l, fn, "warn-stack-size", "0");
	text_attr(l, fn, "frame-pointer", "none");
}
