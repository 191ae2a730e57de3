/* Means of what layers read, by channel, over samples: what `recover bias_correction` needs. */
#ifndef IG_PASSES_MEANS_H
#define IG_PASSES_MEANS_H
#include "ir/interp.h"

struct ig_means;
/* For the layers with weights of a mapped float graph that are to run in int8. */
struct ig_means *ig_means_new(const struct ig_graph *mapped);
void ig_means_free(struct ig_means *m);
const struct ig_graph *ig_means_graph(const struct ig_means *m);
int64_t ig_means_width(const struct ig_means *m); /* numbers of a sample */
/* One sample that the interpreter of the same graph has run: its numbers, into row[width]. */
void ig_means_sample(const struct ig_means *m, const struct ig_interp *it, double *row);
/* The mean of n rows, added in their order. */
void ig_means_finish(struct ig_means *m, const double *rows, int64_t n);
/* Of the value, by the channels that a layer of this operation reads; NULL: not known. */
const double *ig_means_find(const struct ig_means *m, const char *value, enum ig_op reader);
#endif
