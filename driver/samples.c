#include "driver/samples.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "driver/report.h"

int ig_samples_jobs(const struct ig_opts *o, const struct ig_dataset *ds)
{
	cpu_set_t set;
	int64_t n = 1, count = ig_dataset_count(ds);
	if (ig_opt_given(o, IG_OPT_JOBS))
		n = o->number[IG_OPT_JOBS];
	else if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = CPU_COUNT(&set);
	if (n > 256)
		n = 256;
	return (int)(n < count ? n : count > 0 ? count : 1);
}

struct crew {
	pthread_mutex_t lock; /* of what follows and of the data set, which converts a sample into one buffer */
	struct ig_dataset *ds;
	const struct ig_graph *g;
	int64_t next, done, count;
	bool failed;
	struct ig_progress progress;
	bool (*fn)(void *self, int worker, int64_t i, const void *const *in);
	void *self;
};
struct worker {
	struct crew *crew;
	int index;
	pthread_t thread;
	void **in; /* copies of the sample's inputs */
	size_t *bytes;
};

static void *work(void *p)
{
	struct worker *w = p;
	struct crew *c = w->crew;
	pthread_mutex_lock(&c->lock);
	while (c->next < c->count && !c->failed) {
		int64_t i = c->next++;
		const void *const *in = ig_dataset_sample(c->ds, i);
		for (int k = 0; k < c->g->n_inputs; k++)
			memcpy(w->in[k], in[k], w->bytes[k]);
		pthread_mutex_unlock(&c->lock);
		bool ok = c->fn(c->self, w->index, i, (const void *const *)w->in);
		pthread_mutex_lock(&c->lock);
		c->failed = c->failed || !ok;
		ig_progress_step(&c->progress, ++c->done);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void worker_begin(struct worker *w, struct crew *c, int index)
{
	int n = c->g->n_inputs;
	w->crew = c;
	w->index = index;
	w->in = ig_xcalloc((size_t)n + 1, sizeof *w->in);
	w->bytes = ig_xcalloc((size_t)n + 1, sizeof *w->bytes);
	for (int k = 0; k < n; k++) {
		if (!ig_type_bytes(ig_vtype(c->g, c->g->input[k]), &w->bytes[k]))
			IG_BUG("an input's size overflows");
		w->in[k] = ig_xcalloc(w->bytes[k], 1);
	}
}

static void worker_end(struct worker *w)
{
	for (int k = 0; k < w->crew->g->n_inputs; k++)
		free(w->in[k]);
	free(w->in);
	free(w->bytes);
}

bool ig_samples_run(struct ig_session *s, struct ig_dataset *ds, int jobs, const char *what,
                    bool (*fn)(void *self, int worker, int64_t i, const void *const *in), void *self)
{
	struct crew c = {.ds = ds, .g = s->flt, .count = ig_dataset_count(ds), .fn = fn, .self = self};
	struct worker *w = ig_xcalloc((size_t)jobs, sizeof *w);
	int started = 0;
	pthread_mutex_init(&c.lock, NULL);
	ig_progress_start(&c.progress, s->o, what, c.count);
	for (int i = 0; i < jobs; i++)
		worker_begin(&w[i], &c, i);
	/* The last worker is this thread, so that the work is done even where no thread can be started. */
	while (started < jobs - 1 && pthread_create(&w[started].thread, NULL, work, &w[started]) == 0)
		started++;
	work(&w[jobs - 1]);
	for (int i = 0; i < started; i++)
		pthread_join(w[i].thread, NULL);
	for (int i = 0; i < jobs; i++)
		worker_end(&w[i]);
	free(w);
	ig_progress_end(&c.progress);
	pthread_mutex_destroy(&c.lock);
	return !c.failed;
}
