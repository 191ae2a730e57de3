/* What an object shows: the constant blob, NAME_call and NAME_run, which check their arguments and run the kernels in order, and the descriptor
   NAME_model. Struct layouts are those of runtime/ig_runtime.h with 64-bit pointers; tests/objects compiles C that reads them. */
#include "codegen/llvm_build.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"

/* Fields of struct ig_call by offset: the emitted code is for 64-bit targets, whatever this compiler runs on. */
enum { CALL_SIZE = 0, CALL_VERSION = 4, CALL_N_INPUTS = 8, CALL_N_OUTPUTS = 12, CALL_INPUTS = 16, CALL_OUTPUTS = 24, CALL_ARENA = 32,
       CALL_ARENA_BYTES = 40, CALL_PARALLEL_FOR = 64, CALL_POOL = 72, CALL_BYTES = 80 };
enum { ARENA_ALIGN = 64 };
#if UINTPTR_MAX == UINT64_MAX
_Static_assert(offsetof(struct ig_call, version) == CALL_VERSION && offsetof(struct ig_call, n_inputs) == CALL_N_INPUTS &&
               offsetof(struct ig_call, n_outputs) == CALL_N_OUTPUTS && offsetof(struct ig_call, inputs) == CALL_INPUTS &&
               offsetof(struct ig_call, outputs) == CALL_OUTPUTS && offsetof(struct ig_call, arena) == CALL_ARENA &&
               offsetof(struct ig_call, arena_bytes) == CALL_ARENA_BYTES &&
               offsetof(struct ig_call, parallel_for) == CALL_PARALLEL_FOR && offsetof(struct ig_call, pool) == CALL_POOL && sizeof(struct ig_call) == CALL_BYTES, "struct ig_call");
#endif

static LLVMValueRef global(struct ig_ll *l, const char *suffix, LLVMValueRef init, LLVMLinkage linkage)
{
	struct ig_arena *a = ig_arena_new();
	LLVMValueRef g = LLVMAddGlobal(l->mod, LLVMTypeOf(init), ig_arena_printf(a, "%s_%s", l->p->name, suffix));
	ig_arena_free(a);
	LLVMSetInitializer(g, init);
	LLVMSetGlobalConstant(g, true);
	LLVMSetLinkage(g, linkage);
	return g;
}

void ig_program_constants(const struct kir_module *m, void *blob)
{
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		if (b->space != KIR_CONSTANT || b->offset < 0)
			continue;
		int64_t bytes = b->count * kir_elem_bytes(b->elem);
		if (bytes > m->const_bytes - b->offset)
			IG_BUG("constant %s lies beyond the blob", b->name);
		memcpy((char *)blob + b->offset, b->init, (size_t)bytes);
	}
}

bool ig_ll_weights(struct ig_ll *l)
{
	const struct kir_module *m = l->m;
	if (m->const_bytes < 0 || m->const_bytes > INT32_MAX - 64) {
		ig_error(l->d, IG_NOLOC, "%s: %lld bytes of constants: an object holds 2 GB at most; split the model", l->p->name, (long long)m->const_bytes);
		return false;
	}
	if (l->p->weights) {
		l->weights = LLVMConstIntToPtr(ig_ll_i64(l, (int64_t)(uintptr_t)l->p->weights), l->ptr);
		return true;
	}
	size_t n = m->const_bytes && !l->code_only ? (size_t)m->const_bytes : 1;
	char *blob = ig_xcalloc(n, 1);
	if (!l->code_only)
		ig_program_constants(m, blob);
	l->weights = global(l, "weights", LLVMConstStringInContext2(l->ctx, blob, n, true), LLVMInternalLinkage);
	free(blob);
	LLVMSetAlignment(l->weights, ARENA_ALIGN);
	LLVMSetSection(l->weights, l->p->weight_section ? l->p->weight_section : ".rodata");
	return true;
}

LLVMValueRef ig_ll_begin(struct ig_ll *l, const char *suffix, LLVMTypeRef ret, LLVMTypeRef *param, int n, LLVMLinkage linkage)
{
	struct ig_arena *a = ig_arena_new();
	l->fn = LLVMAddFunction(l->mod, ig_arena_printf(a, "%s_%s", l->p->name, suffix), LLVMFunctionType(ret, param, (unsigned)n, false));
	ig_arena_free(a);
	LLVMSetLinkage(l->fn, linkage);
	ig_ll_fn_attrs(l, l->fn);
	LLVMPositionBuilderAtEnd(l->b, LLVMAppendBasicBlockInContext(l->ctx, l->fn, "entry"));
	return l->fn;
}

/* Returns `code` when bad; goes on otherwise. */
static void check(struct ig_ll *l, LLVMValueRef bad, int code)
{
	LLVMBasicBlockRef fail = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "fail"), ok = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "ok");
	LLVMBuildCondBr(l->b, bad, fail, ok);
	LLVMPositionBuilderAtEnd(l->b, fail);
	LLVMBuildRet(l->b, ig_ll_i32(l, code));
	LLVMPositionBuilderAtEnd(l->b, ok);
}

static LLVMValueRef is_null(struct ig_ll *l, LLVMValueRef p)
{
	return LLVMBuildICmp(l->b, LLVMIntEQ, p, LLVMConstNull(l->ptr), "");
}

static LLVMValueRef any_null(struct ig_ll *l, LLVMValueRef *p, int n)
{
	LLVMValueRef bad = LLVMConstInt(LLVMInt1TypeInContext(l->ctx), 0, false);
	for (int i = 0; i < n; i++)
		bad = LLVMBuildOr(l->b, bad, is_null(l, p[i]), "");
	return bad;
}

static LLVMValueRef misaligned(struct ig_ll *l, LLVMValueRef p)
{
	LLVMValueRef low = LLVMBuildAnd(l->b, LLVMBuildPtrToInt(l->b, p, l->i64, ""), ig_ll_i64(l, ARENA_ALIGN - 1), "");
	return LLVMBuildICmp(l->b, LLVMIntNE, low, ig_ll_i64(l, 0), "");
}

/* The program's hook is a function of this process: its address stands in the code. */
void ig_ll_call_hook(struct ig_ll *l, int kernel, LLVMValueRef arena)
{
	LLVMTypeRef param[3] = {l->ptr, l->i32, l->ptr}, type = LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), param, 3, false);
	LLVMValueRef fn = LLVMConstIntToPtr(ig_ll_i64(l, (int64_t)(uintptr_t)l->p->hook), l->ptr);
	LLVMValueRef a[3] = {LLVMConstIntToPtr(ig_ll_i64(l, (int64_t)(uintptr_t)l->p->hook_self), l->ptr), ig_ll_i32(l, kernel), arena};
	if (l->p->hook)
		LLVMBuildCall2(l->b, type, fn, a, 3, "");
}

void ig_ll_call_kernel(struct ig_ll *l, int kernel, LLVMValueRef *io)
{
	const struct kir_module *m = l->m;
	int n_io = m->n_inputs + m->n_outputs, n_in;
	int *used = ig_xcalloc((size_t)n_io + 1, sizeof *used);
	LLVMValueRef *a = ig_xcalloc((size_t)n_io + 2, sizeof *a);
	int n = ig_ll_func_io(m, m->func[kernel], used, &n_in);
	a[0] = l->weights;
	a[1] = io[n_io];
	for (int k = 0; k < n; k++)
		a[2 + k] = io[k < n_in ? used[k] : m->n_inputs + used[k]];
	LLVMBuildCall2(l->b, LLVMGlobalGetValueType(l->kernel[kernel]), l->kernel[kernel], a, (unsigned)n + 2, "");
	free(used);
	free(a);
}

/* static void NAME_body(inputs..., outputs..., arena) */
static LLVMValueRef emit_body(struct ig_ll *l)
{
	int n = l->m->n_inputs + l->m->n_outputs + 1;
	LLVMTypeRef *t = ig_xcalloc((size_t)n, sizeof *t);
	LLVMValueRef *io = ig_xcalloc((size_t)n, sizeof *io);
	for (int i = 0; i < n; i++)
		t[i] = l->ptr;
	LLVMValueRef fn = ig_ll_begin(l, "body", LLVMVoidTypeInContext(l->ctx), t, n, LLVMInternalLinkage);
	for (int i = 0; i < n; i++)
		io[i] = LLVMGetParam(fn, (unsigned)i);
	for (int i = 0; i < l->m->n_funcs; i++) {
		ig_ll_call_hook(l, i, io[n - 1]);
		ig_ll_call_kernel(l, i, io);
	}
	ig_ll_call_hook(l, l->m->n_funcs, io[n - 1]);
	LLVMBuildRetVoid(l->b);
	free(t);
	free(io);
	return fn;
}

static void finish(struct ig_ll *l, LLVMValueRef body, LLVMValueRef *io)
{
	LLVMBuildCall2(l->b, LLVMGlobalGetValueType(body), body, io, (unsigned)(l->m->n_inputs + l->m->n_outputs + 1), "");
	LLVMBuildRet(l->b, ig_ll_i32(l, IG_OK));
}

static void emit_run(struct ig_ll *l, LLVMValueRef body)
{
	int n = l->m->n_inputs + l->m->n_outputs + 1, need = l->m->arena_bytes ? n : n - 1;
	LLVMTypeRef *t = ig_xcalloc((size_t)n, sizeof *t);
	LLVMValueRef *io = ig_xcalloc((size_t)n, sizeof *io);
	for (int i = 0; i < n; i++)
		t[i] = l->ptr;
	ig_ll_begin(l, "run", l->i32, t, n, LLVMExternalLinkage);
	for (int i = 0; i < n; i++)
		io[i] = LLVMGetParam(l->fn, (unsigned)i);
	check(l, any_null(l, io, need), IG_ERR_NULL);
	if (l->m->arena_bytes)
		check(l, misaligned(l, io[n - 1]), IG_ERR_ARENA);
	finish(l, body, io);
	free(t);
	free(io);
}

/* With a caller's parallel_for the parts run through it. */
static void finish_threads(struct ig_ll *l, LLVMValueRef threads, LLVMValueRef call, LLVMValueRef *io)
{
	int n = l->m->n_inputs + l->m->n_outputs + 1;
	LLVMBasicBlockRef parallel = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "parallel"), serial = LLVMAppendBasicBlockInContext(l->ctx, l->fn, "serial");
	io[n] = ig_ll_load(l, l->ptr, ig_ll_gep(l, call, CALL_PARALLEL_FOR));
	LLVMBuildCondBr(l->b, is_null(l, io[n]), serial, parallel);
	LLVMPositionBuilderAtEnd(l->b, parallel);
	io[n + 1] = ig_ll_load(l, l->ptr, ig_ll_gep(l, call, CALL_POOL));
	LLVMBuildCall2(l->b, LLVMGlobalGetValueType(threads), threads, io, (unsigned)n + 2, "");
	LLVMBuildRet(l->b, ig_ll_i32(l, IG_OK));
	LLVMPositionBuilderAtEnd(l->b, serial);
}

/* Reads the pointers of an array of `n`, which is null-checked, into io. */
static void read_pointers(struct ig_ll *l, LLVMValueRef call, int field, int n, LLVMValueRef *io)
{
	LLVMValueRef array = ig_ll_load(l, l->ptr, ig_ll_gep(l, call, field));
	check(l, is_null(l, array), IG_ERR_NULL);
	for (int i = 0; i < n; i++)
		io[i] = ig_ll_load(l, l->ptr, ig_ll_gep(l, array, 8 * i));
}

static LLVMValueRef field_is(struct ig_ll *l, LLVMValueRef call, int field, LLVMIntPredicate p, int64_t v)
{
	return LLVMBuildICmp(l->b, p, ig_ll_load(l, l->i32, ig_ll_gep(l, call, field)), ig_ll_i32(l, v), "");
}

static LLVMValueRef emit_call(struct ig_ll *l, LLVMValueRef body, LLVMValueRef threads)
{
	const struct kir_module *m = l->m;
	int n = m->n_inputs + m->n_outputs;
	LLVMValueRef *io = ig_xcalloc((size_t)n + 3, sizeof *io);
	LLVMValueRef fn = ig_ll_begin(l, "call", l->i32, &l->ptr, 1, LLVMExternalLinkage), c = LLVMGetParam(fn, 0);
	check(l, is_null(l, c), IG_ERR_NULL);
	check(l, field_is(l, c, CALL_SIZE, LLVMIntULT, CALL_BYTES), IG_ERR_VERSION);
	check(l, field_is(l, c, CALL_VERSION, LLVMIntNE, IG_MODEL_VERSION), IG_ERR_VERSION);
	check(l, field_is(l, c, CALL_N_INPUTS, LLVMIntNE, m->n_inputs), IG_ERR_COUNT);
	check(l, field_is(l, c, CALL_N_OUTPUTS, LLVMIntNE, m->n_outputs), IG_ERR_COUNT);
	read_pointers(l, c, CALL_INPUTS, m->n_inputs, io);
	read_pointers(l, c, CALL_OUTPUTS, m->n_outputs, io + m->n_inputs);
	io[n] = ig_ll_load(l, l->ptr, ig_ll_gep(l, c, CALL_ARENA));
	check(l, any_null(l, io, m->arena_bytes ? n + 1 : n), IG_ERR_NULL);
	if (m->arena_bytes) {
		LLVMValueRef bytes = ig_ll_load(l, l->i64, ig_ll_gep(l, c, CALL_ARENA_BYTES));
		check(l, LLVMBuildICmp(l->b, LLVMIntULT, bytes, ig_ll_i64(l, m->arena_bytes), ""), IG_ERR_ARENA);
		check(l, misaligned(l, io[n]), IG_ERR_ARENA);
	}
	if (threads)
		finish_threads(l, threads, c, io);
	finish(l, body, io);
	free(io);
	return fn;
}

static LLVMValueRef text(struct ig_ll *l, const char *s)
{
	LLVMValueRef g = global(l, "str", LLVMConstStringInContext2(l->ctx, s, strlen(s), false), LLVMPrivateLinkage);
	LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
	LLVMSetAlignment(g, 1);
	return g;
}

static LLVMValueRef u64(struct ig_ll *l, uint64_t v)
{
	return LLVMConstInt(l->i64, v, false);
}

static LLVMValueRef structure(struct ig_ll *l, LLVMValueRef *field, int n)
{
	return LLVMConstStructInContext(l->ctx, field, (unsigned)n, false);
}

static bool rt_dtype(enum ig_dtype dt, int *rt)
{
	switch (dt) {
	case IG_DT_F32: *rt = IG_RT_F32; return true;
	case IG_DT_U8: *rt = IG_RT_U8; return true;
	case IG_DT_S8: *rt = IG_RT_S8; return true;
	case IG_DT_I32: *rt = IG_RT_I32; return true;
	case IG_DT_I64: *rt = IG_RT_I64; return true;
	case IG_DT_BOOL: *rt = IG_RT_BOOL; return true;
	default: return false;
	}
}

/* One struct ig_io; NULL after a diagnostic. */
static LLVMValueRef io_constant(struct ig_ll *l, const struct ig_io_info *io)
{
	int dtype;
	int64_t bytes;
	if (!rt_dtype(io->type.dtype, &dtype)) {
		ig_error(l->d, IG_NOLOC, "%s: %s has type %s: inputs and outputs of an object are f32, u8, s8, i32, i64 or bool", l->p->name, io->name,
		         ig_dtypes[io->type.dtype].name);
		return NULL;
	}
	bytes = ig_dtypes[io->type.dtype].bits / 8;
	LLVMValueRef dim[6];
	for (int i = 0; i < 6; i++) {
		int64_t d = i < io->type.rank ? io->type.dim[i] : 0;
		dim[i] = ig_ll_i64(l, d);
		if (i < io->type.rank && (!ig_mul_i64(bytes, d, &bytes) || bytes > UINT32_MAX)) {
			ig_error(l->d, IG_NOLOC, "%s: %s is larger than 4 GB", l->p->name, io->name);
			return NULL;
		}
	}
	LLVMValueRef f[] = {text(l, io->name), ig_ll_i32(l, dtype), ig_ll_i32(l, io->type.rank), LLVMConstArray2(l->i64, dim, 6), ig_ll_i32(l, io->nhwc),
	                    ig_ll_i32(l, bytes), ig_ll_const_f(l, 1, io->scale), ig_ll_i32(l, io->zero_point)};
	return structure(l, f, IG_COUNTOF(f));
}

static LLVMValueRef io_array(struct ig_ll *l, const char *suffix, const struct ig_io_info *io, int n)
{
	LLVMValueRef *v = ig_xcalloc((size_t)n + 1, sizeof *v);
	bool ok = true;
	for (int i = 0; i < n && ok; i++)
		ok = (v[i] = io_constant(l, &io[i])) != NULL;
	LLVMValueRef g = NULL;
	if (ok && n)
		g = global(l, suffix, LLVMConstArray2(LLVMTypeOf(v[0]), v, (uint64_t)n), LLVMInternalLinkage);
	else if (ok)
		g = LLVMConstNull(l->ptr);
	free(v);
	return g;
}

static bool emit_desc(struct ig_ll *l, LLVMValueRef call)
{
	const struct ig_program *p = l->p;
	LLVMValueRef in = io_array(l, "inputs", p->in, p->n_in), out = io_array(l, "outputs", p->out, p->n_out);
	if (!in || !out)
		return false;
	LLVMValueRef f[] = {ig_ll_i32(l, 0), ig_ll_i32(l, IG_MODEL_VERSION), text(l, p->name), text(l, p->target->name), u64(l, p->target->cpu_features),
	                    u64(l, p->hash), ig_ll_i64(l, l->m->arena_bytes), ig_ll_i32(l, ARENA_ALIGN), ig_ll_i32(l, p->n_in), ig_ll_i32(l, p->n_out),
	                    in, out, call};
	LLVMTargetDataRef td = LLVMGetModuleDataLayout(l->mod);
	LLVMValueRef first = structure(l, f, IG_COUNTOF(f));
	f[0] = ig_ll_i32(l, (int64_t)LLVMABISizeOfType(td, LLVMTypeOf(first)));
	global(l, "model", structure(l, f, IG_COUNTOF(f)), LLVMExternalLinkage);
	return true;
}

bool ig_ll_model(struct ig_ll *l)
{
	if (l->p->n_in != l->m->n_inputs || l->p->n_out != l->m->n_outputs)
		IG_BUG("%s: the program and its kernels differ in inputs or outputs", l->p->name);
	LLVMValueRef body = emit_body(l), threads = l->m->threads > 1 ? ig_ll_threads(l) : NULL, call = emit_call(l, body, threads);
	emit_run(l, body);
	return emit_desc(l, call);
}
