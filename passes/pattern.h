/* Expressions that exporters write out, as text, and whether a value of the graph is one.

     x               the input: any value, the same one wherever x stands
     w, b            constants of float32, likewise
     e               a positive constant of one element
     1.5             a constant of one element with this value (to a relative 1e-6: exporters round differently)
     mul(P, P) ...   a node of this operation without attributes; operands of add, mul, minimum and maximum in either order
     relu6(P)        relu6, or clip with these bounds
     hard_sigmoid(P) with alpha 1/6 and beta 1/2
     reduce_mean(P)  or global_avg_pool: over the last axes, kept; as many wherever it stands
     {P|P}           one or the other */
#ifndef IG_PASSES_PATTERN_H
#define IG_PASSES_PATTERN_H
#include "ir/graph.h"

#define IG_MAX_MATCH 48
struct ig_match {
	const struct ig_graph *g;
	struct ig_vid x, w, b; /* IG_NOVAL: not in the pattern */
	double e;              /* 0: not in the pattern */
	int axes;              /* how many last axes reduce_mean goes over; 0: none */
	struct ig_nid node[IG_MAX_MATCH]; /* matched, the root first, each once */
	int n;
};
/* Whether the result of node `root` is such an expression, and nothing but its own nodes reads the values inside. Fills m. */
bool ig_pattern_match(const struct ig_graph *g, const char *pattern, struct ig_nid root, struct ig_match *m);
/* The value of a constant with one element of float32 or an integer type. */
bool ig_scalar(const struct ig_graph *g, struct ig_vid v, double *value);
#endif
