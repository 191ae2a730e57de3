/* Random networks for the same-bytes suite: built through ir/graph.h, taken through the project's own passes with random samples and rules. */
#ifndef IG_TESTS_BITS_GRAPHGEN_H
#define IG_TESTS_BITS_GRAPHGEN_H
#include "ir/graph.h"
#include "ir/qconfig.h"

struct bits_random {
	uint64_t s;
};
uint32_t bits_pick(struct bits_random *r, uint32_t n); /* 0..n-1 */
double bits_real(struct bits_random *r, double lo, double hi);

enum bits_flavour {
	BITS_PLAIN,
	BITS_POW2,  /* all scales made powers of two: rounding ties everywhere */
	BITS_LARGE, /* long sums of large positive products: accumulators over 2^24 */
	BITS_MIXED, /* some layers stay in float */
	BITS_FLOAT, /* all of them */
	BITS_FLAVOURS
};
extern const char *const bits_flavour_names[BITS_FLAVOURS];

#define BITS_SMALL (1u << 20) /* seeds from here on give graphs of few layers, quick to compile */
#define BITS_BLOCKS (1u << 24) /* from here on mostly expansion, depthwise convolution and projection */
#define BITS_INDEX (1u << 25) /* from here on mostly graphgen_index.c's operations */
/* graphgen_index.c: a random operation on x that is not inferred yet. */
struct ig_nid bits_index_op(struct bits_random *r, struct ig_graph *g, struct ig_vid x);
#define BITS_MATH (1u << 26) /* from here on mostly graphgen_math.c's operations */
/* graphgen_math.c: the result of one or some random operations on x, inferred. */
struct ig_vid bits_math_op(struct bits_random *r, struct ig_graph *g, struct ig_vid x, struct ig_diag *d);
#define BITS_PRECISION (1u << 27) /* from here on each layer has a precision of its own */
/* graphgen_precision.c: a random configuration for a layer, and its name. */
const char *bits_precision(struct bits_random *r, const struct ig_graph *g, const struct ig_node *n, struct ig_qconfig *q);
/* A float graph; the flavour follows from the seed. */
struct ig_graph *bits_float_graph(uint64_t seed, enum bits_flavour *flavour, struct ig_diag *d);
/* A sample for the graph's inputs: inputs[i] is allocated in `a`. Sample 0.. are alike; every fourth one is four times larger, so that values saturate. */
const void **bits_sample(const struct ig_graph *g, uint64_t seed, int sample, enum bits_flavour flavour, struct ig_arena *a);
/* The whole way: float passes, calibration, conversion. *keep: graphs that own the constants; free all. NULL after a diagnostic. */
struct bits_case {
	uint64_t seed;
	enum bits_flavour flavour;
	const char *preset;
	struct ig_graph *source, *mapped, *g; /* g: quantized */
};
bool bits_case_build(struct bits_case *c, uint64_t seed, struct ig_diag *d);
void bits_case_free(struct bits_case *c);
#endif
