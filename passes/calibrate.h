/* Calibration: the float graph is run over samples by an engine and what its values are is added to statistics. Several workers may run different
   samples at the same time; the result depends on the samples alone. */
#ifndef IG_PASSES_CALIBRATE_H
#define IG_PASSES_CALIBRATE_H
#include "passes/pass.h"

/* What a run shows: `which` of the values that were asked for, its elements in any order, valid during the call. */
typedef void ig_calibration_show(void *to, int which, const float *x);

/* What runs the graph. Every engine must give the graph interpreter's values; the interpreter itself is one, and outside of passes there are others. */
struct ig_calibration_engine {
	void *self;
	/* A runner of the float graph, for one thread, that shows the n values; NULL after a diagnostic. */
	void *(*new)(void *self, const struct ig_graph *g, const struct ig_vid *values, int n, struct ig_diag *d);
	void (*free)(void *runner);
	void (*run)(void *runner, const void *const *in, ig_calibration_show *show, void *to); /* shows every value once, in any order */
};
extern const struct ig_calibration_engine ig_calibration_interpreter;

struct ig_calibration;
/* NULL after a diagnostic. The mapped graph must outlive it. */
struct ig_calibration *ig_calibration_new(const struct ig_graph *mapped, const struct ig_qconfig_map *m, const struct ig_calibration_engine *e, int workers,
                                          struct ig_diag *d);
void ig_calibration_free(struct ig_calibration *k);
/* Runs sample `number` (each number once) as worker 0 .. workers - 1; different workers at the same time if the caller likes. */
void ig_calibration_sample(struct ig_calibration *k, int worker, int64_t number, const void *const *in);
/* Adds all that was seen to the statistics, and warns of what is suspicious in it. False after a diagnostic. */
bool ig_calibration_finish(struct ig_calibration *k, struct ig_stats *st, struct ig_diag *d);
#endif
