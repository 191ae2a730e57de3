/* What layers with weights read over the samples, as Gram matrices: of every two inputs of an output, the mean of their product. With it the squared error
   that wrong weights make in a layer's output is a quadratic form, whatever the number of samples. */
#ifndef IG_PASSES_GRAM_H
#define IG_PASSES_GRAM_H
#include "ir/graph.h"
#include "passes/replay.h"

struct ig_gram {
	int64_t k, groups;       /* inputs of an output, in the order of its weights; of a grouped convolution each group has its own */
	const double *h;         /* [groups][k][k] */
	const double *magnitude; /* [groups][k]: means of |x| */
};
#define IG_GRAM_MOST 8192 /* inputs of an output: a matrix of half a gigabyte */
/* Whether ig_gram_each can tell anything of the layer: one with constant weights on float32, an output of at most IG_GRAM_MOST inputs. */
bool ig_gram_possible(const struct ig_graph *g, const struct ig_node *n);
/* Matrices are of at least 4096 rows (pixels or tokens), or twice k, spread over the samples; of all rows where there are fewer. They are valid during the call.
   Runs the samples through a float graph, as often as memory asks, and calls use() once for each of the n layers, in order. False after a diagnostic. */
typedef bool ig_gram_use(void *to, int i, const struct ig_gram *gram);
bool ig_gram_each(const struct ig_graph *g, const struct ig_nid *layer, int n, const struct ig_replay *r, struct ig_diag *d, ig_gram_use *use, void *to);
/* The mean squared error of an output of that group whose weights are wrong by e[k]. */
double ig_gram_error(const struct ig_gram *gram, int64_t group, const double *e);
#endif
