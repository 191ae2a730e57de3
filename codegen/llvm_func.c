/* A kernel-IR function as an LLVM function: parameters, loops, addresses.

   Loops are emitted in rotated form, one block `head` for the phis and the address prefixes, then the body, the test at the end. No optimization pass runs
   afterwards, so what is invariant is put in its place here: an address is built from the outermost loop's term inwards, and each partial sum stands in the
   head of the loop whose term it adds. */
#include "codegen/llvm_build.h"

#include <stdlib.h>
#include <string.h>

int ig_ll_func_io(const struct kir_module *m, const struct kir_func *f, int *io, int *n_in)
{
	bool *used = ig_xcalloc((size_t)(m->n_inputs + m->n_outputs + 1), sizeof *used);
	for (int i = 0; i < f->n; i++) {
		if (!kir_ops[f->inst[i].op].has_addr)
			continue;
		const struct kir_buffer *b = &m->buf[f->inst[i].addr.buf];
		if (b->space == KIR_IN || b->space == KIR_OUT)
			used[b->space == KIR_IN ? b->io : m->n_inputs + b->io] = true;
	}
	int n = 0;
	*n_in = 0;
	for (int i = 0; i < m->n_inputs + m->n_outputs; i++) {
		if (!used[i])
			continue;
		io[n++] = i < m->n_inputs ? i : i - m->n_inputs;
		*n_in += i < m->n_inputs;
	}
	free(used);
	return n;
}

/* Declares `void NAME_k_FUNC(weights, arena, inputs..., outputs...)`. The caller promises that none of them alias. */
static LLVMValueRef declare(struct ig_ll *l, const struct kir_func *f, int n_io, int n_in)
{
	int n = 2 + n_io;
	LLVMTypeRef *param = ig_xcalloc((size_t)n, sizeof *param);
	for (int i = 0; i < n; i++)
		param[i] = l->ptr;
	LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), param, (unsigned)n, false);
	free(param);
	struct ig_arena *names = ig_arena_new();
	LLVMValueRef fn = LLVMAddFunction(l->mod, ig_arena_printf(names, "%s_k_%s", l->p->name, f->name), type);
	ig_arena_free(names);
	LLVMSetLinkage(fn, LLVMInternalLinkage);
	LLVMSetFunctionCallConv(fn, LLVMCCallConv);
	ig_ll_fn_attrs(l, fn);
	for (int i = 0; i < n; i++) {
		unsigned where = (unsigned)i + 1;
		ig_ll_attr(l, fn, where, "noalias", 0);
		if (i == 0 || (i >= 2 && i < 2 + n_in))
			ig_ll_attr(l, fn, where, "readonly", 0);
		if (i < 2)
			ig_ll_attr(l, fn, where, "align", 64);
	}
	return fn;
}

/* Pointers to the buffers that the function uses, in the entry block. */
static void buffer_pointers(struct ig_ll *l, const int *io, int n_io, int n_in)
{
	memset(l->buf, 0, sizeof *l->buf * (size_t)l->m->n_bufs);
	for (int i = 0; i < l->f->n; i++) {
		if (!kir_ops[l->f->inst[i].op].has_addr)
			continue;
		int32_t id = l->f->inst[i].addr.buf;
		const struct kir_buffer *b = &l->m->buf[id];
		if (l->buf[id])
			continue;
		if (b->space == KIR_IN || b->space == KIR_OUT) {
			for (int k = 0; k < n_io; k++)
				if (io[k] == b->io && (k < n_in) == (b->space == KIR_IN))
					l->buf[id] = LLVMGetParam(l->fn, (unsigned)k + 2);
		} else {
			if (b->offset < 0)
				IG_BUG("buffer %s has no place", b->name);
			l->buf[id] = ig_ll_gep(l, LLVMGetParam(l->fn, b->space == KIR_CONSTANT ? 0 : 1), b->offset);
		}
		if (!l->buf[id])
			IG_BUG("buffer %s has no parameter", b->name);
	}
}

/* ptr + phi * bytes, at the head of the loop; computed once for all who ask. */
static LLVMValueRef add_term(struct ig_ll *l, struct ig_ll_loop *loop, LLVMValueRef ptr, int64_t bytes)
{
	for (int i = 0; i < loop->prefix.n; i++)
		if (loop->prefix.v[i].from == ptr && loop->prefix.v[i].bytes == bytes)
			return loop->prefix.v[i].ptr;
	LLVMBasicBlockRef here = LLVMGetInsertBlock(l->b);
	LLVMPositionBuilderBefore(l->b, LLVMGetBasicBlockTerminator(loop->head));
	LLVMValueRef off = bytes == 1 ? loop->phi : LLVMBuildNSWMul(l->b, loop->phi, ig_ll_i64(l, bytes), "");
	struct ig_ll_prefix p = {ptr, bytes, LLVMBuildInBoundsGEP2(l->b, l->i8, ptr, &off, 1, "")};
	LLVMPositionBuilderAtEnd(l->b, here);
	ig_vec_push(&loop->prefix, p);
	return p.ptr;
}

LLVMValueRef ig_ll_addr(struct ig_ll *l, const struct kir_addr *a)
{
	int size = kir_elem_bytes(l->m->buf[a->buf].elem);
	LLVMValueRef ptr = l->buf[a->buf];
	for (int i = 0; i < l->loops.n; i++) {
		struct ig_ll_loop *loop = &l->loops.v[i];
		for (int k = 0; loop->head && k < a->n; k++)
			if (a->term[k].iv == loop->iv)
				ptr = add_term(l, loop, ptr, a->term[k].coeff * size);
	}
	return ig_ll_gep(l, ptr, a->base * size);
}

static void begin_loop(struct ig_ll *l, const struct kir_inst *in)
{
	struct ig_ll_loop loop = {.iv = in->loop, .carried = in->dst, .n_carried = in->n_dst};
	if (l->f->loop[in->loop].count == 1) {
		for (int i = 0; i < in->n_dst; i++)
			l->val[in->dst + i] = l->val[in->extra[i]];
		ig_vec_push(&l->loops, loop);
		return;
	}
	LLVMBasicBlockRef before = LLVMGetInsertBlock(l->b);
	loop.head = LLVMAppendBasicBlockInContext(l->ctx, l->fn, l->f->loop[in->loop].name);
	LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "body");
	loop.exit = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "after");
	LLVMBuildBr(l->b, loop.head);
	LLVMPositionBuilderAtEnd(l->b, loop.head);
	LLVMValueRef zero = ig_ll_i64(l, 0);
	loop.phi = LLVMBuildPhi(l->b, l->i64, "");
	LLVMAddIncoming(loop.phi, &zero, &before, 1);
	for (int i = 0; i < in->n_dst; i++) {
		LLVMValueRef init = l->val[in->extra[i]];
		if (!init)
			continue; /* a tile stays where it is */
		l->val[in->dst + i] = LLVMBuildPhi(l->b, LLVMTypeOf(init), "");
		LLVMAddIncoming(l->val[in->dst + i], &init, &before, 1);
	}
	LLVMBuildBr(l->b, body);
	LLVMPositionBuilderAtEnd(l->b, body);
	ig_vec_push(&l->loops, loop);
}

static void end_loop(struct ig_ll *l, const struct kir_inst *in)
{
	struct ig_ll_loop loop = l->loops.v[--l->loops.n];
	if (loop.head) {
		LLVMBasicBlockRef latch = LLVMGetInsertBlock(l->b);
		LLVMValueRef next = LLVMBuildNUWAdd(l->b, loop.phi, ig_ll_i64(l, 1), "");
		LLVMValueRef more = LLVMBuildICmp(l->b, LLVMIntULT, next, ig_ll_i64(l, l->f->loop[in->loop].count), "");
		LLVMValueRef br = LLVMBuildCondBr(l->b, more, loop.head, loop.exit);
		LLVMSetMetadata(br, LLVMGetMDKindIDInContext(l->ctx, "llvm.loop", 9), LLVMMetadataAsValue(l->ctx, l->no_unroll));
		LLVMAddIncoming(loop.phi, &next, &latch, 1);
		for (int i = 0; i < loop.n_carried; i++)
			if (l->val[in->extra[i]])
				LLVMAddIncoming(l->val[loop.carried + i], &l->val[in->extra[i]], &latch, 1);
		LLVMPositionBuilderAtEnd(l->b, loop.exit);
	}
	for (int i = 0; i < in->n_dst; i++)
		l->val[in->dst + i] = l->val[in->extra[i]];
	ig_vec_free(&loop.prefix);
}

static void body(struct ig_ll *l)
{
	for (int i = 0; i < l->f->n; i++) {
		const struct kir_inst *in = &l->f->inst[i];
		if (in->op == KIR_LOOP)
			begin_loop(l, in);
		else if (in->op == KIR_END)
			end_loop(l, in);
		else {
			LLVMValueRef v = ig_ll_inst(l, in);
			if (kir_ops[in->op].has_result)
				l->val[in->dst] = v;
		}
	}
	if (l->loops.n)
		IG_BUG("%s: a loop has no end", l->f->name);
}

bool ig_ll_func(struct ig_ll *l, int index)
{
	const struct kir_func *f = l->m->func[index];
	int *io = ig_xcalloc((size_t)(l->m->n_inputs + l->m->n_outputs + 1), sizeof *io), n_in;
	int n_io = ig_ll_func_io(l->m, f, io, &n_in);
	l->f = f;
	l->fn = l->kernel[index] = declare(l, f, n_io, n_in);
	l->val = ig_xcalloc((size_t)f->n_values + 1, sizeof *l->val);
	LLVMPositionBuilderAtEnd(l->b, LLVMAppendBasicBlockInContext(l->ctx, l->fn, "entry"));
	buffer_pointers(l, io, n_io, n_in);
	l->group = ig_xcalloc((size_t)f->n + 1, sizeof *l->group);
	ig_ll_group_loads(l);
	ig_ll_tiles_begin(l);
	body(l);
	ig_ll_tiles_end(l);
	LLVMBuildRetVoid(l->b);
	free(l->group);
	free(l->val);
	free(io);
	l->group = NULL;
	l->val = NULL;
	return true;
}
