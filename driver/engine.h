/* One interface over everything that can run the model: the float graph, the reference interpreter of the quantized graph, the kernel IR
   interpreter and the native object. The float graph runs in the interpreter, or compiled for this CPU where that pays: the same bits. */
#ifndef IG_DRIVER_ENGINE_H
#define IG_DRIVER_ENGINE_H
#include "driver/session.h"

enum ig_engine_kind { IG_ENGINE_FLOAT, IG_ENGINE_REFERENCE, IG_ENGINE_KIR, IG_ENGINE_NATIVE, IG_ENGINE_COUNT };
extern const char *const ig_engine_names[IG_ENGINE_COUNT];
/* The engines of --engine in the table's order, each once; `dflt` when the option is absent. False: wrong usage, said. */
bool ig_engine_list(const struct ig_opts *o, const char *dflt, bool use[IG_ENGINE_COUNT]);

/* A lowered module and the loaded object. */
struct ig_code {
	struct kir_module *module;
	struct ig_program *program;
	struct ig_native *native;
	void *weights; /* that native reads, where it has none of its own */
};
/* The float graph as code for this CPU. False, and said why: it is to be interpreted, since so few samples do not pay or it cannot be compiled. */
bool ig_code_float(struct ig_code *c, struct ig_session *s, bool keep, int64_t samples, void (*hook)(void *self, int kernel, void *arena), void *self);
void ig_code_end(struct ig_code *c);
void *ig_xaligned(size_t bytes); /* zeroed, for arenas; to be freed */
size_t ig_type_size(const struct ig_type *t); /* bytes, of a checked type */
/* What engines of a prepared session share. */
struct ig_machine {
	struct ig_session *s;
	bool use[IG_ENGINE_COUNT];
	struct ig_code quant; /* for kir and native */
	struct ig_code flt;   /* for float; empty: it is interpreted */
};
/* keep: every stored tensor of the quantized graph can be read after a run; those of the float graph always can. float_samples: how many the float engine will run, which decides whether it is worth compiling
   (IG_ALWAYS, IG_NEVER). False after a diagnostic (release all the same). */
#define IG_ALWAYS INT64_MAX
#define IG_NEVER 0
bool ig_machine_begin(struct ig_machine *m, struct ig_session *s, const bool use[IG_ENGINE_COUNT], bool keep, int64_t float_samples);
void ig_machine_end(struct ig_machine *m);

/* An engine of one thread. */
struct ig_engine;
struct ig_engine *ig_engine_new(struct ig_machine *m, enum ig_engine_kind kind); /* NULL after a diagnostic */
void ig_engine_free(struct ig_engine *e);
bool ig_engine_run(struct ig_engine *e, const void *const *in); /* false: the object refused the call (said) */
/* Output i of the last run, dense in logical order, and its type. */
const void *ig_engine_output(const struct ig_engine *e, int i);
const struct ig_graph *ig_engine_graph(const struct ig_engine *e); /* that the outputs' types belong to */
/* Stored tensors (values that are not constants); readable after a run of a machine with `keep`, in logical order. */
int ig_engine_tensors(const struct ig_engine *e);
const char *ig_engine_tensor(const struct ig_engine *e, int i, struct ig_type *type);
void ig_engine_tensor_read(const struct ig_engine *e, int i, void *dst);
/* Elements of a float value of the float engine's graph after such a run, in any order; valid until the next call. */
const float *ig_engine_floats(struct ig_engine *e, struct ig_vid v);

/* Numbers of a tensor of graph g as float (dequantized). Result n elements. */
void ig_tensor_floats(const struct ig_graph *g, const struct ig_type *t, const void *data, float *out);
#endif
