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
	struct crew c = {.ds = ds, .g = s->flt ? s->flt : s->model->graph, .count = ig_dataset_count(ds), .fn = fn, .self = self};
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

/* ---- data sets ---- */

struct ig_calibration_args ig_session_calibration_args(const struct ig_session *s)
{
	const struct ig_opts *o = s->o;
	bool own = o->cmd == &ig_cmd_calibrate;
	enum ig_opt slice = own ? IG_OPT_SAMPLES : IG_OPT_CALIBRATION_SAMPLES;
	struct ig_calibration_args a = {.first = 0, .last = -1};
	a.spec = own ? o->args.v + 1 : o->value[IG_OPT_CALIBRATION].v;
	a.n = own ? o->args.n - 1 : o->value[IG_OPT_CALIBRATION].n;
	if (ig_opt_given(o, slice)) {
		a.first = o->number[slice];
		a.last = o->last[slice];
	}
	return a;
}

static bool open_sets(struct ig_session *s, struct ig_data_sets *x, const char *const *spec, int n, const struct ig_calibration_args *a)
{
	const struct ig_graph *g = s->flt ? s->flt : s->model->graph;
	int inputs = g->n_inputs;
	if (n > 0 && (inputs < 1 || n % inputs != 0)) {
		ig_error(s->diag, IG_NOLOC, "the model has %d inputs, but %d data files are given; name one for each (input=FILE)", inputs, n);
		return false;
	}
	for (int i = 0; i < n; i += inputs) {
		struct ig_dataset *ds = ig_dataset_open(g, spec + i, inputs, true, s->diag);
		if (!ds)
			return false;
		ig_vec_push(&x->set, ds);
		if (!ig_session_slice(ds, a->first, a->last, s->diag))
			return false;
		x->total += ig_dataset_count(ds);
	}
	return true;
}

bool ig_data_sets_open(struct ig_session *s, struct ig_data_sets *x, const struct ig_calibration_args *a)
{
	const char **file = ig_xcalloc((size_t)a->n + 1, sizeof *file);
	int n = 0;
	for (int i = 0; i < a->n; i++)
		if (!ig_stats_is_state(a->spec[i]))
			file[n++] = a->spec[i];
	*x = (struct ig_data_sets){.total = 0};
	bool ok = open_sets(s, x, file, n, a);
	if (!ok)
		ig_data_sets_close(x);
	free(file);
	return ok;
}

void ig_data_sets_close(struct ig_data_sets *x)
{
	for (int i = 0; i < x->set.n; i++)
		ig_dataset_free(x->set.v[i]);
	ig_vec_free(&x->set);
}
