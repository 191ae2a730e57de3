/* Between the llvm_*.c files only: the context of one emission and thin helpers over the LLVM-C builder that settle the edge cases once. */
#ifndef IG_CODEGEN_LLVM_BUILD_H
#define IG_CODEGEN_LLVM_BUILD_H
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include "codegen/codegen.h"

/* One open loop of the kernel function being emitted. Addresses are sums of terms in loop variables: the part that depends on this loop and outer ones is
   computed once, at the loop's head, and found again through `prefix`. */
struct ig_ll_prefix {
	LLVMValueRef from; /* pointer that the term is added to */
	int64_t bytes;     /* per iteration */
	LLVMValueRef ptr;
};
struct ig_ll_loop {
	kir_iv iv;
	LLVMBasicBlockRef head, exit; /* head holds phis and prefixes only; NULL: one iteration, no loop emitted */
	LLVMValueRef phi;
	int32_t carried, n_carried; /* value ids inside the loop */
	IG_VEC(struct ig_ll_prefix) prefix;
};

/* A scalar load that is a lane of a vector load (llvm_group.c). */
struct ig_ll_group {
	int leader; /* instruction that loads the vector, plus 1; 0: not grouped */
	int lane;
	LLVMValueRef vector; /* of the leader, once loaded */
};

/* The emission of one program: a module in a context of its own. */
struct ig_ll {
	const struct ig_program *p;
	const struct kir_module *m;
	const struct ig_target *t;
	struct ig_diag *d;
	bool code_only; /* without the constants: for measuring the code */
	LLVMContextRef ctx;
	LLVMModuleRef mod;
	LLVMBuilderRef b;
	LLVMTargetMachineRef machine;
	LLVMTypeRef elem[KIR_ELEM_COUNT], ptr, i8, i32, i64, f32;
	LLVMMetadataRef no_unroll;
	LLVMValueRef weights;  /* the constant blob */
	LLVMValueRef *kernel;  /* by index of the kernel function */
	/* the kernel function being emitted */
	const struct kir_func *f;
	LLVMValueRef fn;
	LLVMValueRef *val; /* by value id; of a tile NULL */
	int8_t *tile;      /* by value id: tile registers; NULL: the function has none */
	struct ig_ll_group *group; /* by instruction */
	LLVMValueRef *buf; /* by buffer: pointer to its first element, NULL when this function does not use it */
	IG_VEC(struct ig_ll_loop) loops;
};

/* ---- llvm_build.c ---- */
bool ig_ll_has(const struct ig_ll *l, uint64_t cpu_feature);
LLVMTypeRef ig_ll_type(struct ig_ll *l, struct kir_type t); /* one lane: the scalar type */
LLVMTypeRef ig_ll_vec(LLVMTypeRef elem, int lanes);
int ig_ll_lanes(LLVMValueRef v); /* 1 for a scalar */
LLVMTypeRef ig_ll_elem(LLVMValueRef v);
int ig_ll_bits(LLVMTypeRef t); /* bits of an integer or floating type, or of a vector's element */
LLVMValueRef ig_ll_i32(struct ig_ll *l, int64_t v);
LLVMValueRef ig_ll_i64(struct ig_ll *l, int64_t v);
LLVMValueRef ig_ll_const_i(LLVMTypeRef elem, int lanes, int64_t v);
LLVMValueRef ig_ll_const_f(struct ig_ll *l, int lanes, float v);
LLVMValueRef ig_ll_bitcast(struct ig_ll *l, LLVMValueRef v, LLVMTypeRef t);
/* Lanes idx[0..n) of a followed by b (equal types; b may be NULL); -1: any. One lane gives a scalar. */
LLVMValueRef ig_ll_shuffle(struct ig_ll *l, LLVMValueRef a, LLVMValueRef b, const int *idx, int n);
LLVMValueRef ig_ll_part(struct ig_ll *l, LLVMValueRef v, int first, int lanes);             /* consecutive lanes; beyond the end: any */
LLVMValueRef ig_ll_strided(struct ig_ll *l, LLVMValueRef v, int first, int step, int lanes); /* lanes first, first + step, ... */
LLVMValueRef ig_ll_concat(struct ig_ll *l, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ig_ll_concat_n(struct ig_ll *l, LLVMValueRef *part, int n); /* n a power of two; part is overwritten */
LLVMValueRef ig_ll_splat(struct ig_ll *l, LLVMValueRef scalar, int lanes);
/* Calls an intrinsic; `over`: the types that choose an overloaded one. Arguments are bitcast to the declared parameter types. */
LLVMValueRef ig_ll_intrinsic(struct ig_ll *l, const char *name, LLVMTypeRef *over, int n_over, LLVMValueRef *arg, int n);
LLVMValueRef ig_ll_intrinsic1(struct ig_ll *l, const char *name, LLVMValueRef *arg, int n); /* overloaded by the first argument's type */
LLVMValueRef ig_ll_gep(struct ig_ll *l, LLVMValueRef ptr, int64_t bytes);
LLVMValueRef ig_ll_load(struct ig_ll *l, LLVMTypeRef t, LLVMValueRef ptr);   /* unaligned */
void ig_ll_store(struct ig_ll *l, LLVMValueRef v, LLVMValueRef ptr);         /* unaligned */
void ig_ll_attr(struct ig_ll *l, LLVMValueRef fn, unsigned where, const char *name, uint64_t value);
void ig_ll_fn_attrs(struct ig_ll *l, LLVMValueRef fn); /* what every emitted function has */

/* ---- llvm_func.c ---- */
/* Which inputs, then outputs, function f touches: io indices in io[], how many of them are inputs in *n_in. Returns their number. */
int ig_ll_func_io(const struct kir_module *m, const struct kir_func *f, int *io, int *n_in);
bool ig_ll_func(struct ig_ll *l, int index); /* declares and defines l->kernel[index] */
LLVMValueRef ig_ll_addr(struct ig_ll *l, const struct kir_addr *a); /* i8 pointer to the element addressed */

/* ---- llvm_group.c ---- */
void ig_ll_group_loads(struct ig_ll *l); /* fills l->group for l->f */
LLVMValueRef ig_ll_grouped_load(struct ig_ll *l, const struct kir_inst *in); /* NULL: not grouped */

/* ---- llvm_inst*.c: one instruction each; the result's LLVM value, NULL for none ---- */
LLVMValueRef ig_ll_inst(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_load(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_store(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_lut(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_prefetch(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_dot(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_mmla(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_inst_fpack(struct ig_ll *l, const struct kir_inst *in);
LLVMValueRef ig_ll_select(struct ig_ll *l, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ig_ll_fminmax(struct ig_ll *l, bool max, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef ig_ll_rne(struct ig_ll *l, LLVMValueRef x); /* f32 -> i32 */

/* ---- llvm_inst_tile.c ---- */
void ig_ll_tiles_begin(struct ig_ll *l); /* at a function's entry */
void ig_ll_tiles_end(struct ig_ll *l);   /* before its return */
void ig_ll_inst_tile(struct ig_ll *l, const struct kir_inst *in);

/* ---- llvm_model.c ---- */
bool ig_ll_weights(struct ig_ll *l); /* the constant blob */
bool ig_ll_model(struct ig_ll *l);   /* NAME_call, NAME_run, NAME_model */
LLVMValueRef ig_ll_begin(struct ig_ll *l, const char *suffix, LLVMTypeRef ret, LLVMTypeRef *param, int n, LLVMLinkage linkage); /* `ret NAME_suffix(params)` */
void ig_ll_call_kernel(struct ig_ll *l, int kernel, LLVMValueRef *io); /* io: the inputs, then the outputs, then the arena */
void ig_ll_call_hook(struct ig_ll *l, int kernel, LLVMValueRef arena); /* the program's, if it has one */

/* ---- llvm_threads.c ---- */
LLVMValueRef ig_ll_threads(struct ig_ll *l); /* static void NAME_threads(inputs..., outputs..., arena, parallel_for, pool): the regions in order */

/* ---- llvm_emit.c ---- */
/* Builds and verifies the module of p. NULL after a diagnostic. */
struct ig_ll *ig_ll_new(const struct ig_program *p, bool code_only, struct ig_diag *d);
void ig_ll_free(struct ig_ll *l);
LLVMMemoryBufferRef ig_ll_code(struct ig_ll *l, LLVMCodeGenFileType type); /* NULL after a diagnostic */
#endif
