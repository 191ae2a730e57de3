/* `recover output_ranges`: of the ranges that the methods give to an activation, the one by which the network's output changes least. */
#ifndef IG_PASSES_OUTPUT_RANGES_H
#define IG_PASSES_OUTPUT_RANGES_H
#include "passes/pass.h"

struct ig_output_ranges;
struct ig_output_ranges *ig_output_ranges_new(void);
void ig_output_ranges_free(struct ig_output_ranges *r);
/* The range of a value's activation: the chosen one; before the choice, the value is noted down with its observer's own range. */
void ig_output_ranges_of(struct ig_output_ranges *r, const char *value, const struct ig_qspec *spec, float *lo, float *hi);
/* Chooses for the values noted down, on the calibration samples: g is the graph that is to be converted, `quant` what the conversion that noted them down made of it. False after a diagnostic. */
bool ig_output_ranges_choose(struct ig_output_ranges *r, const struct ig_graph *g, const struct ig_graph *quant, struct ig_context *c);
#endif
