/* A program to an object file, assembly or LLVM IR: target machine, module, verification, code generation. The module goes straight to code generation:
   the kernel IR is already what the optimizer would make of it. */
#include <llvm-c/Analysis.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm/Config/llvm-config.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/llvm_build.h"
#include "ir/outfile.h"
#include "runtime/ig_runtime.h"

/* Registers the one LLVM back end needed, if this LLVM was built with it. */
static void register_target(const char *triple)
{
#define LLVM_TARGET(T)                                               \
	if (strcmp(#T, strncmp(triple, "x86", 3) ? "AArch64" : "X86") == 0) { \
		LLVMInitialize##T##TargetInfo();                             \
		LLVMInitialize##T##Target();                                 \
		LLVMInitialize##T##TargetMC();                               \
	}
#include <llvm/Config/Targets.def>
#undef LLVM_TARGET
#define LLVM_ASM_PRINTER(T)                                          \
	if (strcmp(#T, strncmp(triple, "x86", 3) ? "AArch64" : "X86") == 0) \
		LLVMInitialize##T##AsmPrinter();
#include <llvm/Config/AsmPrinters.def>
#undef LLVM_ASM_PRINTER
}

/* An intrinsic whose feature the target lacks makes LLVM abort ("Cannot select"): recipes are checked against the target's facts first. */
static void check_recipes(const struct ig_target *t)
{
	static const struct {
		const char *prefix;
		uint64_t any_of;
	} needs[] = {
		{"llvm.x86.avx512.vpdp", IG_CPU_AVX512VNNI | IG_CPU_AVXVNNI},
		{"llvm.x86.avx512.", IG_CPU_AVX512},
		{"llvm.x86.avx2.", IG_CPU_AVX2},
		{"llvm.aarch64.neon.sdot", IG_CPU_DOTPROD},
		{"llvm.aarch64.neon.us", IG_CPU_I8MM},
		{"llvm.aarch64.neon.", IG_CPU_NEON},
	};
	static const uint64_t pack_needs[] = {[IG_PACK_AVX2] = IG_CPU_AVX2, [IG_PACK_AVX512] = IG_CPU_AVX512, [IG_PACK_NEON] = IG_CPU_NEON};
	for (int i = 0; i < IG_R_COUNT; i++) {
		const char *name = t->recipe[i].intrinsic;
		size_t k = 0;
		while (name && k < IG_COUNTOF(needs) && strncmp(name, needs[k].prefix, strlen(needs[k].prefix)))
			k++;
		if (name && (k == IG_COUNTOF(needs) || !(t->cpu_features & needs[k].any_of)))
			IG_BUG("target %s has no feature for %s", t->name, name);
	}
	static const uint64_t table_needs[] = {[IG_TABLE_PSHUFB] = IG_CPU_AVX2, [IG_TABLE_PERMW] = IG_CPU_AVX512, [IG_TABLE_TBL] = IG_CPU_NEON};
	uint64_t need = pack_needs[t->pack] | table_needs[t->table] | (t->masked_memory ? IG_CPU_AVX512 : 0);
	if ((t->cpu_features & need) != need)
		IG_BUG("target %s has no feature for its packing, tables or masked accesses", t->name);
}

/* The machine combiner turns chains of integer additions into trees, which costs the accumulators of multiply-and-add kernels their registers. It can only
   be switched off by an option of LLVM, which is global and may be given once; in releases where it is not known to exist, code is slower, no more. */
static void set_options(void)
{
#if LLVM_VERSION_MAJOR >= 19 && LLVM_VERSION_MAJOR <= 20
	static const char *const option[] = {"intaglio", "-x86-machine-combiner=0"};
	LLVMParseCommandLineOptions(IG_COUNTOF(option), option, NULL);
#endif
}

static bool make_machine(struct ig_ll *l)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct ig_target *t = l->t;
	LLVMTargetRef target;
	char *message = NULL;
	if (!t->triple) {
		ig_error(l->d, IG_NOLOC, "target %s is for C output only: use --emit c, or another target", t->name);
		return false;
	}
	register_target(t->triple);
	if (strncmp(t->triple, "x86", 3) == 0)
		pthread_once(&once, set_options);
	if (LLVMGetTargetFromTriple(t->triple, &target, &message)) {
		ig_error(l->d, IG_NOLOC, "this LLVM cannot generate code for target %s: %s", t->name, message);
		LLVMDisposeMessage(message);
		return false;
	}
	check_recipes(t);
	l->machine = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
	if (!l->machine)
		IG_BUG("no target machine for %s", t->triple);
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(l->machine);
	LLVMSetModuleDataLayout(l->mod, layout);
	LLVMDisposeTargetData(layout);
	LLVMSetTarget(l->mod, t->triple);
	return true;
}

/* !{self, !"llvm.loop.unroll.disable"} */
static LLVMMetadataRef no_unroll(LLVMContextRef ctx)
{
	static const char text[] = "llvm.loop.unroll.disable";
	LLVMMetadataRef string = LLVMMDStringInContext2(ctx, text, sizeof text - 1), node = LLVMMDNodeInContext2(ctx, &string, 1);
	LLVMMetadataRef self = LLVMTemporaryMDNode(ctx, NULL, 0), op[2] = {self, node}, loop = LLVMMDNodeInContext2(ctx, op, 2);
	LLVMMetadataReplaceAllUsesWith(self, loop);
	return loop;
}

static void cache_types(struct ig_ll *l)
{
	LLVMTypeRef t[KIR_ELEM_COUNT] = {
		[KIR_I1] = LLVMInt1TypeInContext(l->ctx),   [KIR_I8] = LLVMInt8TypeInContext(l->ctx),   [KIR_I16] = LLVMInt16TypeInContext(l->ctx),
		[KIR_I32] = LLVMInt32TypeInContext(l->ctx), [KIR_I64] = LLVMInt64TypeInContext(l->ctx), [KIR_F32] = LLVMFloatTypeInContext(l->ctx),
		[KIR_F64] = LLVMDoubleTypeInContext(l->ctx),
	};
	memcpy(l->elem, t, sizeof t);
	l->i8 = t[KIR_I8];
	l->i32 = t[KIR_I32];
	l->i64 = t[KIR_I64];
	l->f32 = t[KIR_F32];
	l->ptr = LLVMPointerTypeInContext(l->ctx, 0);
}

static bool build_module(struct ig_ll *l)
{
	if (!make_machine(l) || !ig_ll_weights(l))
		return false;
	for (int i = 0; i < l->m->n_funcs; i++)
		if (!ig_ll_func(l, i))
			return false;
	if (!ig_ll_model(l))
		return false;
	char *message = NULL;
	if (LLVMVerifyModule(l->mod, LLVMReturnStatusAction, &message))
		IG_BUG("the LLVM module of %s is not well formed: %s", l->p->name, message);
	LLVMDisposeMessage(message);
	return true;
}

struct ig_ll *ig_ll_new(const struct ig_program *p, bool code_only, struct ig_diag *d)
{
	struct ig_ll *l = ig_xcalloc(1, sizeof *l);
	l->p = p;
	l->m = p->module;
	l->t = p->target;
	l->d = d;
	l->code_only = code_only;
	l->ctx = LLVMContextCreate();
	l->mod = LLVMModuleCreateWithNameInContext(p->name, l->ctx);
	l->b = LLVMCreateBuilderInContext(l->ctx);
	l->kernel = ig_xcalloc((size_t)l->m->n_funcs + 1, sizeof(LLVMValueRef));
	l->buf = ig_xcalloc((size_t)l->m->n_bufs + 1, sizeof(LLVMValueRef));
	l->no_unroll = no_unroll(l->ctx);
	cache_types(l);
	if (build_module(l))
		return l;
	ig_ll_free(l);
	return NULL;
}

void ig_ll_free(struct ig_ll *l)
{
	if (!l)
		return;
	if (l->machine)
		LLVMDisposeTargetMachine(l->machine);
	LLVMDisposeBuilder(l->b);
	LLVMDisposeModule(l->mod);
	LLVMContextDispose(l->ctx);
	free(l->kernel);
	free(l->buf);
	ig_vec_free(&l->loops);
	free(l);
}

/* Frames by function, as code generation reports them. */
struct frames {
	const struct ig_ll *l;
	int64_t kernel, body, call, run; /* the largest of the kernels; one each */
	bool failed;
};

/* "stack frame size (N) exceeds limit (0) in function 'NAME'": asked for by the attribute warn-stack-size. Everything else is an error or of no interest. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *data)
{
	struct frames *f = data;
	char *text = LLVMGetDiagInfoDescription(info);
	long long bytes;
	const char *size = strstr(text, "stack frame size ("), *name = strstr(text, "in function '"), *prefix = f->l->p->name;
	if (size && name && sscanf(size, "stack frame size (%lld)", &bytes) == 1) {
		name += strlen("in function '");
		size_t n = strlen(prefix);
		const char *what = strncmp(name, prefix, n) == 0 && name[n] == '_' ? name + n + 1 : "";
		int64_t *to = strcmp(what, "body'") == 0 ? &f->body : strcmp(what, "call'") == 0 ? &f->call : strcmp(what, "run'") == 0 ? &f->run : &f->kernel;
		if (bytes > *to)
			*to = bytes;
	} else if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) {
		ig_error(f->l->d, IG_NOLOC, "LLVM: %s", text);
		f->failed = true;
	}
	LLVMDisposeMessage(text);
}

static LLVMMemoryBufferRef generate(struct ig_ll *l, LLVMCodeGenFileType type, struct frames *frames)
{
	LLVMMemoryBufferRef out = NULL;
	char *message = NULL;
	*frames = (struct frames){.l = l};
	LLVMContextSetDiagnosticHandler(l->ctx, on_diagnostic, frames);
	bool failed = LLVMTargetMachineEmitToMemoryBuffer(l->machine, l->mod, type, &message, &out);
	LLVMContextSetDiagnosticHandler(l->ctx, NULL, NULL);
	if (failed) {
		ig_error(l->d, IG_NOLOC, "LLVM: %s", message);
		LLVMDisposeMessage(message);
		return NULL;
	}
	if (!frames->failed)
		return out;
	LLVMDisposeMemoryBuffer(out);
	return NULL;
}

LLVMMemoryBufferRef ig_ll_code(struct ig_ll *l, LLVMCodeGenFileType type)
{
	struct frames frames;
	return generate(l, type, &frames);
}

bool ig_emit_llvm(const struct ig_program *p, enum ig_llvm_output what, const char *path, struct ig_diag *d)
{
	struct ig_ll *l = ig_ll_new(p, false, d);
	bool ok = false;
	if (!l)
		return false;
	if (what == IG_LLVM_IR) {
		char *text = LLVMPrintModuleToString(l->mod);
		ok = ig_outfile_write(path, text, strlen(text), d);
		LLVMDisposeMessage(text);
	} else {
		LLVMMemoryBufferRef code = ig_ll_code(l, what == IG_LLVM_ASM ? LLVMAssemblyFile : LLVMObjectFile);
		if (code)
			ok = ig_outfile_write(path, LLVMGetBufferStart(code), LLVMGetBufferSize(code), d);
		if (code)
			LLVMDisposeMemoryBuffer(code);
	}
	ig_ll_free(l);
	return ok;
}

int64_t ig_emit_stack_bytes(const struct ig_program *p, struct ig_diag *d)
{
	/* A frame may be realigned for vectors, and holds its return address. */
	enum { PER_FUNCTION = 64 + 8 };
	struct frames f;
	struct ig_ll *l = ig_ll_new(p, true, d);
	if (!l)
		return -1;
	LLVMMemoryBufferRef code = generate(l, LLVMObjectFile, &f);
	int64_t outer = f.call > f.run ? f.call : f.run;
	ig_ll_free(l);
	if (!code)
		return -1;
	LLVMDisposeMemoryBuffer(code);
	return outer + f.body + f.kernel + 3 * PER_FUNCTION;
}
