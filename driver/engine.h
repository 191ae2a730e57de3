/* One interface over everything that can run the model: the float interpreter, the reference interpreter of the quantized graph, the kernel IR
   interpreter and the native object. */
#ifndef IG_DRIVER_ENGINE_H
#define IG_DRIVER_ENGINE_H
#include "driver/session.h"

enum ig_engine_kind { IG_ENGINE_FLOAT, IG_ENGINE_REFERENCE, IG_ENGINE_KIR, IG_ENGINE_NATIVE, IG_ENGINE_COUNT };
extern const char *const ig_engine_names[IG_ENGINE_COUNT];
/* The engines of --engine in the table's order, each once; `dflt` when the option is absent. False: wrong usage, said. */
bool ig_engine_list(const struct ig_opts *o, const char *dflt, bool use[IG_ENGINE_COUNT]);

/* What engines of a prepared session share: the lowered module and the loaded object. */
struct ig_machine {
	struct ig_session *s;
	bool use[IG_ENGINE_COUNT];
	struct kir_module *module; /* for kir and native */
	struct ig_program *program;
	struct ig_native *native;
};
/* keep: every stored tensor can be read after a run. False after a diagnostic (release all the same). */
bool ig_machine_begin(struct ig_machine *m, struct ig_session *s, const bool use[IG_ENGINE_COUNT], bool keep);
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

/* Numbers of a tensor of graph g as float (dequantized). Result n elements. */
void ig_tensor_floats(const struct ig_graph *g, const struct ig_type *t, const void *data, float *out);
#endif
