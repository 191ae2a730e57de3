/* Each layer's own error: every layer of the quantized model is fed what the float model feeds it, all layers in one run. */
#ifndef IG_DRIVER_ISOLATE_H
#define IG_DRIVER_ISOLATE_H
#include "driver/engine.h"

enum ig_alone {
	IG_ALONE_LAYER,       /* the layer as it is quantized; all others in float */
	IG_ALONE_WEIGHTS,     /* the float layer with the quantized weights and bias */
	IG_ALONE_ACTIVATIONS, /* the float layer; its operands and its result rounded as the quantized layer's are */
	IG_ALONE_COUNT
};
struct ig_isolated;
/* For a prepared session; `flt` tells which float values a run of the float engine has. What cannot be isolated is left out; never NULL. */
struct ig_isolated *ig_isolated_new(const struct ig_session *s, const struct ig_engine *flt);
/* The layers as they are quantized alone, as code for this CPU where they can be compiled. */
struct ig_isolated *ig_isolated_layers_new(const struct ig_session *s, const struct ig_engine *flt);
void ig_isolated_free(struct ig_isolated *k);
bool ig_isolated_has(const struct ig_isolated *k, enum ig_alone which, struct ig_vid v); /* v: a value of the quantized graph */

/* A runner, for one thread; ig_isolated_free comes after it. NULL: the graphs cannot be interpreted. */
struct ig_isolated_run;
struct ig_isolated_run *ig_isolated_run_new(struct ig_isolated *k);
void ig_isolated_run_free(struct ig_isolated_run *r);
void ig_isolated_run(struct ig_isolated_run *r, const struct ig_engine *flt, const void *const *in); /* after flt's run of the same sample */
void ig_isolated_floats(const struct ig_isolated_run *r, enum ig_alone which, struct ig_vid v, float *out);
#endif
