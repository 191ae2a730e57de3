/* The float graph as code that shows its values while it runs: each one as soon as its kernel has written it, when it is still in the caches. Nothing has to
   be kept for later, so that the arena is as small as in an object. */
#ifndef IG_DRIVER_LIVE_H
#define IG_DRIVER_LIVE_H
#include "driver/engine.h"
#include "passes/calibrate.h"

struct ig_live;
/* NULL: the graph is to be interpreted (ig_code_float). Released with ig_live_free, after the runners of its engine. */
struct ig_live *ig_live_new(struct ig_session *s, int64_t samples);
void ig_live_free(struct ig_live *l); /* NULL is allowed */
const struct ig_calibration_engine *ig_live_engine(const struct ig_live *l);

/* How many kernels have run when each value of the graph is complete (to be freed): after the last one of its own node; a view, which has none, with what it
   is of. */
int *ig_live_readiness(const struct ig_graph *g, const struct kir_module *m);
const struct kir_tensor *ig_live_tensor(const struct kir_module *m, struct ig_vid v);
#endif
