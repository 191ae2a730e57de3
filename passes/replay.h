/* The calibration samples once more, for passes that must see what layers compute: `recover bias_correction` and others. */
#ifndef IG_PASSES_REPLAY_H
#define IG_PASSES_REPLAY_H
#include "ir/graph.h"

/* One sample: `in` are the graph's inputs, valid during the call. Different workers call at the same time: what is recorded must depend on i alone,
   and sums be taken in the order of i, so that results do not depend on the number of threads. False ends the run. */
typedef bool ig_replay_visit(void *to, int worker, int64_t i, const void *const *in);

struct ig_replay {
	void *self;
	int64_t n;   /* samples */
	int workers; /* at most this many at the same time */
	/* Calls visit once for each sample from 0 to n - 1 in any order, as worker 0 .. workers - 1, and shows progress as `what`. Can be called again. False when a visit
	   was false, or after a diagnostic. */
	bool (*run)(void *self, const char *what, ig_replay_visit *visit, void *to);
};
#endif
