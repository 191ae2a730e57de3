/* What the methods of `recover` changed, for `inspect`. */
#ifndef IG_PASSES_EFFECT_H
#define IG_PASSES_EFFECT_H
#include "ir/graph.h"
#include "ir/qconfig.h"

struct ig_effect {
	int layers;        /* of which weights or bias are others now; of output_ranges, values whose range is another */
	double largest;    /* change of a number of them, against the tensor's largest; of a range, of its width */
	const char *where; /* the layer or value of it, a name of the graph; NULL: none */
};
/* The layers' constants before a pass of a method. */
struct ig_snapshot;
struct ig_snapshot *ig_snapshot_new(const struct ig_graph *g);
/* Adds what is different in the graph now, and frees the snapshot. */
void ig_snapshot_compare(struct ig_snapshot *s, const struct ig_graph *g, struct ig_effect *e);
/* One change more. */
void ig_effect_add(struct ig_effect *e, const char *where, double change);
/* The method that a pass belongs to, by what the list of passes says of it; IG_RECOVER_COUNT: none. */
enum ig_recover ig_effect_method(const char *pass_help);
#endif
