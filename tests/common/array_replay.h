/* Samples of one input in an array, for what calibrates with them and for passes that replay them. After passes_util.h. */
#ifndef IG_TESTS_ARRAY_REPLAY_H
#define IG_TESTS_ARRAY_REPLAY_H
#include "passes/pass.h"

struct array_replay {
	const float *x;
	int64_t each, n; /* numbers of a sample; samples */
	int64_t done;    /* of array_replay_next */
	const void *in[1];
};

static inline bool array_replay_run(void *self, const char *what, ig_replay_visit *visit, void *to)
{
	const struct array_replay *a = self;
	bool ok = what != NULL;
	for (int64_t i = 0; i < a->n && ok; i++) {
		const void *in[1] = {a->x + a->each * i};
		ok = visit(to, 0, i, in);
	}
	return ok;
}

static inline struct ig_replay replay_of(struct array_replay *a, int64_t n)
{
	a->n = n;
	return (struct ig_replay){.self = a, .n = n, .workers = 1, .run = array_replay_run};
}

static inline const void *const *array_replay_next(void *self)
{
	struct array_replay *a = self;
	if (a->done == a->n)
		return NULL;
	a->in[0] = a->x + a->each * a->done++;
	return a->in;
}

/* What the observers of a mapped graph see in n samples of `each` numbers. */
static inline struct ig_stats *calibrated(const struct ig_graph *g, const struct ig_qconfig_map *map, const float *x, int64_t each, int64_t n)
{
	struct array_replay a = {.x = x, .each = each, .n = n};
	struct ig_sample_source src = {.self = &a, .next = array_replay_next};
	struct ig_stats *st = ig_stats_new(g->weights_hash);
	assert_true(ig_calibrate(g, map, &src, st, diag));
	return st;
}

/* The quantize half; r NULL: without samples. */
static inline struct ig_graph *quantized_with(const struct ig_graph *flt, const struct ig_qconfig_map *map, const struct ig_stats *st, const struct ig_replay *r)
{
	struct ig_graph *g = ig_graph_clone(flt);
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map, .stats = st, .flt = flt, .replay = r};
	assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL));
	return g;
}
#endif
