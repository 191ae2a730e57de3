/* A graph over some of the calibration samples, layer by layer: all samples come to a layer before any goes on, so that a pass can change the layer by what
   arrives there and what follows is computed with the change. Kept are only values that are yet to be read; the work is one run of the graph. */
#ifndef IG_PASSES_MARCH_H
#define IG_PASSES_MARCH_H
#include "passes/replay.h"

/* Of n samples `most` are chosen, evenly spread: the place of sample i among them; -1: it is not. */
int64_t ig_march_slot(int64_t n, int64_t most, int64_t i);

struct ig_march;
/* At most `most` samples, fewer where what is to be kept would take too much memory. The graph must keep its nodes and values; the data of constants may change
   until the march comes to their readers. NULL after a diagnostic. */
struct ig_march *ig_march_new(const struct ig_graph *g, const struct ig_replay *r, int64_t most, struct ig_diag *d);
void ig_march_free(struct ig_march *m);
int64_t ig_march_samples(const struct ig_march *m);
/* Computes all that stands before the layer, which must not be before the last one; shows progress as `what`. False after a diagnostic. */
bool ig_march_to(struct ig_march *m, struct ig_nid layer, const char *what);
/* A value that the layer or one behind it reads, of the sample at a place, as real numbers: n of them, in the tensor's order. */
void ig_march_reals(const struct ig_march *m, int64_t slot, struct ig_vid v, float *out);
/* Any tensor as real numbers. */
void ig_reals_of(const struct ig_graph *g, const struct ig_tensor *t, float *out);
#endif
