/* Means of what layers read, by channel, over samples: what `recover bias_correction` needs. */
#ifndef IG_PASSES_MEANS_H
#define IG_PASSES_MEANS_H
#include "ir/interp.h"
#include "passes/replay.h"

struct ig_means;
/* Runs the samples through a mapped float graph, which must outlive the means: those of its layers with weights that are to run in int8. NULL after a diagnostic. */
struct ig_means *ig_means_new(const struct ig_graph *mapped, const struct ig_replay *r, struct ig_diag *d);
void ig_means_free(struct ig_means *m);
/* Of the value, by the channels that a layer of this operation reads; NULL: not known. */
const double *ig_means_find(const struct ig_means *m, const char *value, enum ig_op reader);
#endif
