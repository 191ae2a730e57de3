/* The native engine: the bytes of the object file, loaded into this process by ORC's linker. */
#include <llvm-c/LLJIT.h>
#include <stdlib.h>

#include "codegen/llvm_build.h"
#include "runtime/ig_runtime.h"

struct ig_native {
	LLVMOrcLLJITRef jit;
	const struct ig_model_desc *model;
};

static bool jit_ok(LLVMErrorRef e, struct ig_diag *d, const char *what)
{
	if (!e)
		return true;
	char *message = LLVMGetErrorMessage(e);
	ig_error(d, IG_NOLOC, "cannot %s the compiled object in this process: %s", what, message);
	LLVMDisposeErrorMessage(message);
	return false;
}

/* Takes the object. */
static bool load(struct ig_native *n, LLVMMemoryBufferRef object, const char *name, struct ig_diag *d)
{
	if (!jit_ok(LLVMOrcCreateLLJIT(&n->jit, NULL), d, "prepare")) {
		LLVMDisposeMemoryBuffer(object);
		return false;
	}
	if (!jit_ok(LLVMOrcLLJITAddObjectFile(n->jit, LLVMOrcLLJITGetMainJITDylib(n->jit), object), d, "load"))
		return false;
	struct ig_arena *a = ig_arena_new();
	LLVMOrcExecutorAddress at = 0;
	bool ok = jit_ok(LLVMOrcLLJITLookup(n->jit, &at, ig_arena_printf(a, "%s_model", name)), d, "link");
	ig_arena_free(a);
	n->model = (const struct ig_model_desc *)(uintptr_t)at;
	return ok;
}

struct ig_native *ig_native_new(const struct ig_program *p, struct ig_diag *d)
{
	if (!ig_target_runs_here(p->target)) {
		ig_error(d, IG_NOLOC, "this CPU cannot run code for target %s; use --target native or another engine", p->target->name);
		return NULL;
	}
	struct ig_ll *l = ig_ll_new(p, false, d);
	if (!l)
		return NULL;
	LLVMMemoryBufferRef object = ig_ll_code(l, LLVMObjectFile);
	ig_ll_free(l);
	if (!object)
		return NULL;
	struct ig_native *n = ig_xcalloc(1, sizeof *n);
	if (load(n, object, p->name, d))
		return n;
	ig_native_free(n);
	return NULL;
}

void ig_native_free(struct ig_native *n)
{
	if (!n)
		return;
	LLVMErrorRef e = n->jit ? LLVMOrcDisposeLLJIT(n->jit) : NULL;
	if (e)
		LLVMConsumeError(e);
	free(n);
}

int ig_native_run_on(struct ig_native *n, const void *const *inputs, void *const *outputs, void *arena, ig_parallel_for parallel_for, void *pool)
{
	struct ig_call c = {.size = sizeof c, .version = IG_MODEL_VERSION, .n_inputs = n->model->n_inputs, .n_outputs = n->model->n_outputs,
	                    .inputs = inputs, .outputs = outputs, .arena = arena, .arena_bytes = n->model->arena_bytes,
	                    .parallel_for = parallel_for, .pool = pool};
	return n->model->call(&c);
}

int ig_native_run(struct ig_native *n, const void *const *inputs, void *const *outputs, void *arena)
{
	return ig_native_run_on(n, inputs, outputs, arena, NULL, NULL);
}
