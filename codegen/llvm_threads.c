/* The regions of a module of several threads: each that has several parts is a function of (context, part) that the caller's parallel_for runs; the context is
   the call's pointers. */
#include <stdlib.h>

#include "codegen/llvm_build.h"

static int pointers(const struct ig_ll *l)
{
	return l->m->n_inputs + l->m->n_outputs + 1;
}

/* static void NAME_region_R(void *context, int part) */
static LLVMValueRef emit_region(struct ig_ll *l, int first, int end)
{
	struct ig_arena *a = ig_arena_new();
	LLVMTypeRef param[2] = {l->ptr, l->i32};
	LLVMValueRef *io = IG_NEWN(a, LLVMValueRef, pointers(l));
	LLVMValueRef fn = ig_ll_begin(l, ig_arena_printf(a, "region_%d", l->m->func[first]->region), LLVMVoidTypeInContext(l->ctx), param, 2, LLVMInternalLinkage);
	for (int i = 0; i < pointers(l); i++)
		io[i] = ig_ll_load(l, l->ptr, ig_ll_gep(l, LLVMGetParam(fn, 0), 8 * i));
	LLVMBasicBlockRef other = LLVMAppendBasicBlockInContext(l->ctx, fn, "other");
	LLVMValueRef which = LLVMBuildSwitch(l->b, LLVMGetParam(fn, 1), other, (unsigned)(end - first));
	for (int i = first, stop; i < end; i = stop) {
		LLVMBasicBlockRef part = LLVMAppendBasicBlockInContext(l->ctx, fn, "part");
		LLVMAddCase(which, ig_ll_i32(l, l->m->func[i]->part), part);
		LLVMPositionBuilderAtEnd(l->b, part);
		stop = kir_part_end(l->m, i);
		for (int k = i; k < stop; k++)
			ig_ll_call_kernel(l, k, io);
		LLVMBuildRetVoid(l->b);
	}
	LLVMPositionBuilderAtEnd(l->b, other);
	LLVMBuildRetVoid(l->b);
	ig_arena_free(a);
	return fn;
}

/* parallel_for(pool, region, context, parts) */
static void call_parallel(struct ig_ll *l, LLVMValueRef region, LLVMValueRef context, int parts)
{
	unsigned n = (unsigned)pointers(l);
	LLVMTypeRef param[4] = {l->ptr, l->ptr, l->ptr, l->i32}, type = LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), param, 4, false);
	LLVMValueRef a[4] = {LLVMGetParam(l->fn, n + 1), region, context, ig_ll_i32(l, parts)};
	LLVMBuildCall2(l->b, type, LLVMGetParam(l->fn, n), a, 4, "");
}

LLVMValueRef ig_ll_threads(struct ig_ll *l)
{
	const struct kir_module *m = l->m;
	struct ig_arena *a = ig_arena_new();
	int n = pointers(l), region = 0;
	LLVMTypeRef *t = IG_NEWN(a, LLVMTypeRef, n + 2);
	LLVMValueRef *io = IG_NEWN(a, LLVMValueRef, n), *fn = IG_NEWN(a, LLVMValueRef, m->n_funcs + 1);
	for (int i = 0; i < m->n_funcs; i = kir_region_end(m, i))
		if (m->func[kir_region_end(m, i) - 1]->part > 0)
			fn[m->func[i]->region] = emit_region(l, i, kir_region_end(m, i));
	for (int i = 0; i < n + 2; i++)
		t[i] = l->ptr;
	LLVMValueRef threads = ig_ll_begin(l, "threads", LLVMVoidTypeInContext(l->ctx), t, n + 2, LLVMInternalLinkage);
	LLVMValueRef context = LLVMBuildArrayAlloca(l->b, l->ptr, ig_ll_i32(l, n), "");
	for (int i = 0; i < n; i++) {
		io[i] = LLVMGetParam(threads, (unsigned)i);
		ig_ll_store(l, io[i], ig_ll_gep(l, context, 8 * i));
	}
	for (int i = 0, end; i < m->n_funcs; i = end) {
		end = kir_region_end(m, i);
		region = m->func[i]->region;
		ig_ll_call_hook(l, region, io[n - 1]);
		if (fn[region])
			call_parallel(l, fn[region], context, m->func[end - 1]->part + 1);
		else
			for (int k = i; k < end; k++)
				ig_ll_call_kernel(l, k, io);
	}
	ig_ll_call_hook(l, region + 1, io[n - 1]);
	LLVMBuildRetVoid(l->b);
	ig_arena_free(a);
	return threads;
}
