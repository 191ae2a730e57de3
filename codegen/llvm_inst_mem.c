/* Loads, stores, prefetch. A partial access touches no byte beyond its active lanes: it is a masked instruction where the target has them, else a
   few pieces of power-of-two size. */
#include "codegen/llvm_build.h"

/* More pieces than this are done by one masked access instead, where there is one. */
enum { MAX_PIECES = 2 };

static int count_pieces(int active)
{
	return __builtin_popcount((unsigned)active);
}

static bool use_mask(const struct ig_ll *l, struct kir_type t, int active)
{
	return l->t->masked_memory && t.lanes > 1 && kir_type_bytes(t) >= 16 && count_pieces(active) > MAX_PIECES;
}

static LLVMValueRef lane_mask(struct ig_ll *l, int lanes, int active)
{
	LLVMValueRef v[KIR_MAX_LANES];
	LLVMTypeRef i1 = LLVMInt1TypeInContext(l->ctx);
	for (int i = 0; i < lanes; i++)
		v[i] = LLVMConstInt(i1, i < active, false);
	return LLVMConstVector(v, (unsigned)lanes);
}

/* The value as a vector of integers of `bytes` each, for pieces that fit one. */
static LLVMValueRef as_ints(struct ig_ll *l, LLVMValueRef v, struct kir_type t, int bytes)
{
	return ig_ll_bitcast(l, v, ig_ll_vec(LLVMIntTypeInContext(l->ctx, 8u * (unsigned)bytes), kir_type_bytes(t) / bytes));
}

/* v with `lanes` lanes from lane `first` on replaced by a vector piece. */
static LLVMValueRef insert_part(struct ig_ll *l, LLVMValueRef v, LLVMValueRef piece, int first, int lanes)
{
	int idx[KIR_MAX_LANES], n = ig_ll_lanes(v);
	for (int i = 0; i < n; i++)
		idx[i] = i < lanes ? i : -1;
	LLVMValueRef wide = ig_ll_shuffle(l, piece, NULL, idx, n);
	for (int i = 0; i < n; i++)
		idx[i] = i >= first && i < first + lanes ? n + i - first : i;
	return ig_ll_shuffle(l, v, wide, idx, n);
}

static LLVMValueRef load_pieces(struct ig_ll *l, struct kir_type t, LLVMValueRef ptr, int active)
{
	LLVMTypeRef type = ig_ll_type(l, t);
	LLVMValueRef v = LLVMConstNull(type);
	int size = kir_elem_bytes((enum kir_elem)t.elem);
	for (int first = 0, n = KIR_MAX_LANES; n >= 1; n /= 2) {
		if (!(active & n))
			continue;
		LLVMValueRef p = ig_ll_gep(l, ptr, (int64_t)first * size);
		if (n * size <= 8) {
			LLVMValueRef x = ig_ll_load(l, LLVMIntTypeInContext(l->ctx, 8u * (unsigned)(n * size)), p), ints = as_ints(l, v, t, n * size);
			v = ig_ll_bitcast(l, LLVMBuildInsertElement(l->b, ints, x, ig_ll_i32(l, first / n), ""), type);
		} else {
			v = insert_part(l, v, ig_ll_load(l, ig_ll_vec(l->elem[t.elem], n), p), first, n);
		}
		first += n;
	}
	return v;
}

LLVMValueRef ig_ll_inst_load(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMTypeRef type = ig_ll_type(l, in->type);
	LLVMValueRef grouped = ig_ll_grouped_load(l, in);
	if (grouped)
		return grouped;
	LLVMValueRef ptr = ig_ll_addr(l, &in->addr);
	if (in->active == in->type.lanes)
		return ig_ll_load(l, type, ptr);
	if (!use_mask(l, in->type, in->active))
		return load_pieces(l, in->type, ptr, in->active);
	LLVMTypeRef over[2] = {type, l->ptr};
	LLVMValueRef a[4] = {ptr, ig_ll_i32(l, 1), lane_mask(l, in->type.lanes, in->active), LLVMConstNull(type)};
	return ig_ll_intrinsic(l, "llvm.masked.load", over, 2, a, 4);
}

static void store_pieces(struct ig_ll *l, LLVMValueRef v, struct kir_type t, LLVMValueRef ptr, int active)
{
	int size = kir_elem_bytes((enum kir_elem)t.elem);
	for (int first = 0, n = KIR_MAX_LANES; n >= 1; n /= 2) {
		if (!(active & n))
			continue;
		LLVMValueRef p = ig_ll_gep(l, ptr, (int64_t)first * size), x;
		if (n * size <= 8)
			x = LLVMBuildExtractElement(l->b, as_ints(l, v, t, n * size), ig_ll_i32(l, first / n), "");
		else
			x = ig_ll_part(l, v, first, n);
		ig_ll_store(l, x, p);
		first += n;
	}
}

LLVMValueRef ig_ll_inst_store(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef v = l->val[in->arg[0]], ptr = ig_ll_addr(l, &in->addr);
	if (in->active == in->type.lanes) {
		ig_ll_store(l, v, ptr);
	} else if (use_mask(l, in->type, in->active)) {
		LLVMTypeRef over[2] = {LLVMTypeOf(v), l->ptr};
		LLVMValueRef a[4] = {v, ptr, ig_ll_i32(l, 1), lane_mask(l, in->type.lanes, in->active)};
		ig_ll_intrinsic(l, "llvm.masked.store", over, 2, a, 4);
	} else {
		store_pieces(l, v, in->type, ptr, in->active);
	}
	return NULL;
}

LLVMValueRef ig_ll_inst_prefetch(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef a[4] = {ig_ll_addr(l, &in->addr), ig_ll_i32(l, 0), ig_ll_i32(l, 3), ig_ll_i32(l, 1)};
	return ig_ll_intrinsic(l, "llvm.prefetch", &l->ptr, 1, a, 4);
}
