/* How hard the arithmetic of a random graph is: rounding ties and large accumulators met, and which graphs say nothing. */
#ifndef IG_TESTS_BITS_ARITH_H
#define IG_TESTS_BITS_ARITH_H
#include "ir/interp.h"

struct bits_counts {
	int64_t roundings, ties, large; /* of quantized conv-like and add nodes; |accumulator| > 2^24 */
};
/* Adds what node n of the run's quantized graph did. */
void bits_count(const struct ig_graph *g, const struct ig_interp *it, const struct ig_node *n, struct bits_counts *c);
/* False when most elements of an output are one value, or at the ends of the range. */
bool bits_tells(const struct ig_graph *g, const struct ig_tensor *t);
#endif
