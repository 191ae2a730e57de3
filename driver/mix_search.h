/* The search of `intaglio tune`, as plain functions of numbers: which precision of which layer to give up first, and which mixes are worth having. */
#ifndef IG_DRIVER_MIX_SEARCH_H
#define IG_DRIVER_MIX_SEARCH_H
#include <stdbool.h>
#include <stdint.h>

/* Tables by [layer][candidate]. */
struct ig_mix_problem {
	int layers, candidates;
	const bool *allowed; /* every layer has one that is */
	const double *noise; /* what the layer alone does to the outputs in this precision; noises of layers add up */
	const double *cost;  /* bytes or seconds */
};
/* One layer from a candidate to a cheaper one. */
struct ig_mix_move {
	int layer;
	uint8_t from, to;
	double noise, saved; /* what it adds, and what it saves */
};
/* A mix as it was measured. */
struct ig_mix_worth {
	double loss, noise, cost;
};
/* Of each layer the candidate of least noise: of equals the cheapest, then the first. */
void ig_mix_least(const struct ig_mix_problem *p, uint8_t *choice);
/* The moves that lead from ig_mix_least to the cheapest mix, the least noise for what is saved first, so that the mix after any number of them is the one of
   least noise at its cost as far as moves of single layers go: of each layer the lower convex hull of its candidates. Room for layers * candidates; returns
   how many. */
int ig_mix_path(const struct ig_mix_problem *p, struct ig_mix_move *moves);
/* The mix of least noise whose cost is at most `most`, but for the rounding of costs to a 4096th of it; false: none is that cheap. */
bool ig_mix_fit(const struct ig_mix_problem *p, double most, uint8_t *choice);
/* Whether a is worth having only when b is not there: b costs and loses no more, and one of them less; of equals the one of less noise is better. A loss that
   is not a number is worse than any. */
bool ig_mix_beats(const struct ig_mix_worth *b, const struct ig_mix_worth *a);
/* Indices of the worths that no other beats (of equal ones the first), the least cost last. Room for n; returns how many. */
int ig_mix_front(const struct ig_mix_worth *w, int n, int *front);
#endif
