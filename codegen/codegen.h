/* From the quantized (or float) graph to files. */
#ifndef IG_CODEGEN_H
#define IG_CODEGEN_H
#include "codegen/kir.h"
#include "runtime/ig_runtime.h"
#include "codegen/schedule.h"
#include "targets/target.h"

#define IG_MAX_THREADS 32
enum ig_rows_when {
	IG_ROWS_NEVER,
	IG_ROWS_AUTO,  /* where it saves time by estimate or as measured */
	IG_ROWS_ALWAYS /* wherever the group then needs less memory, if it is more than rows_limit */
};
struct ig_lower_options {
	bool keep; /* every stored value keeps its own memory (for comparing all tensors): no reuse, nothing in place */
	enum ig_rows_when rows; /* row fusion: the tensors inside a group are not stored; never with `keep` */
	int64_t rows_limit;     /* ALWAYS: groups that need no more than so many bytes as they are stay apart */
	const struct ig_schedules *schedules; /* measured choices: they come before the cost model's; NULL: none */
	/* Chooses for layers that `schedules` lacks: the number of a candidate. NULL: the first, which is the best estimate. */
	int (*tune)(void *self, const struct ig_sched_layer *l);
	void *tune_self;
	int threads; /* that one run is split over, at most IG_MAX_THREADS; 0 as 1 */
};
/* Layout, weight packing, schedules, memory plan. NULL after a diagnostic. The module keeps no pointer into the graph. */
struct kir_module *ig_lower(const struct ig_graph *g, const struct ig_target *t, const struct ig_lower_options *o, struct ig_diag *d);
/* codegen/memplan.c: assigns offsets by liveness, best fit. */
bool ig_memplan(struct kir_module *m, const struct ig_lower_options *o, struct ig_diag *d);

/* What the emitters need to know of the interface. */
struct ig_io_info {
	const char *name; /* a C identifier */
	struct ig_type type;
	bool nhwc;
	float scale;
	int32_t zero_point;
};
/* What stands for the tile instructions in a test's process whose CPU has none: registers by number, as the instructions name them. */
struct ig_tile_calls {
	void (*config)(const void *config);
	void (*load)(uint8_t tile, const void *at, int64_t stride);
	void (*store)(uint8_t tile, void *at, int64_t stride);
	void (*dot)(uint8_t acc, uint8_t a, uint8_t b);
	void (*release)(void);
};
struct ig_program {
	const char *name; /* C identifier: prefix of all external symbols */
	const struct kir_module *module;
	const struct ig_target *target;
	struct ig_io_info *in, *out;
	int n_in, n_out;
	uint64_t hash;
	const char *weight_section; /* NULL: .rodata */
	/* For this process only, never in an object file: where the constants are (ig_program_constants, 64-aligned, to outlive the code), which then
	   are not copied into the code. NULL: the code holds them. */
	const void *weights;
	/* For this process only, never in an object file: called with the number of each kernel (of each region, when parts run through a parallel_for) before it
	   runs, and with their number at the end; and with
	   the arena, by which calls that run at the same time can be told apart. */
	void (*hook)(void *self, int kernel, void *arena);
	void *hook_self;
	const struct ig_tile_calls *tiles; /* likewise in this process only; NULL: the instructions */
};
struct ig_program *ig_program_new(const char *name, const struct ig_graph *g, const struct kir_module *m, const struct ig_target *t);
void ig_program_free(struct ig_program *p);
void ig_program_constants(const struct kir_module *m, void *blob); /* writes m->const_bytes bytes */

/* LLVM (codegen/llvm_*.c). All files go through a temporary name. */
enum ig_llvm_output { IG_LLVM_OBJECT, IG_LLVM_ASM, IG_LLVM_IR };
bool ig_emit_llvm(const struct ig_program *p, enum ig_llvm_output what, const char *path, struct ig_diag *d);
bool ig_emit_c(const struct ig_program *p, const char *path, struct ig_diag *d);
bool ig_emit_header(const struct ig_program *p, const char *path, struct ig_diag *d);

/* The native engine: the very object ig_emit_llvm writes, loaded into this process. NULL after a diagnostic (the CPU lacks an instruction set, ...). */
struct ig_native;
struct ig_native *ig_native_new(const struct ig_program *p, struct ig_diag *d);
void ig_native_free(struct ig_native *n);
int ig_native_run(struct ig_native *n, const void *const *inputs, void *const *outputs, void *arena);
/* The parts of a program of several threads through a parallel_for (runtime/ig_runtime.h); NULL: one after the other. */
int ig_native_run_on(struct ig_native *n, const void *const *inputs, void *const *outputs, void *arena, ig_parallel_for parallel_for, void *pool);
/* Stack bytes of the deepest call, read from the object; -1 unknown. */
int64_t ig_emit_stack_bytes(const struct ig_program *p, struct ig_diag *d);
#endif
