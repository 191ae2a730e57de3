/* Samples of one input in an array, for passes that replay them. */
#ifndef IG_TESTS_ARRAY_REPLAY_H
#define IG_TESTS_ARRAY_REPLAY_H
#include "passes/replay.h"

struct array_replay {
	const float *x;
	int64_t each, n; /* numbers of a sample; samples */
};

static bool array_replay_run(void *self, const char *what, ig_replay_visit *visit, void *to)
{
	const struct array_replay *a = self;
	bool ok = what != NULL;
	for (int64_t i = 0; i < a->n && ok; i++) {
		const void *in[1] = {a->x + a->each * i};
		ok = visit(to, 0, i, in);
	}
	return ok;
}

static struct ig_replay replay_of(struct array_replay *a, int64_t n)
{
	a->n = n;
	return (struct ig_replay){.self = a, .n = n, .workers = 1, .run = array_replay_run};
}
#endif
