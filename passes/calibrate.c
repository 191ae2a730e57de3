/* Runs the float graph over samples and adds what its observed values are to the statistics; looks at the data with suspicion. */
#include "passes/calibrate.h"
#include "ir/interp.h"
#include "ir/print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH 100 /* samples */

/* ---- the interpreter as an engine ---- */

struct interpreter {
	struct ig_interp *interp;
	const struct ig_vid *values;
	int n;
};

static void *interpreter_new(void *self, const struct ig_graph *g, const struct ig_vid *values, int n, struct ig_diag *d)
{
	(void)self;
	struct interpreter r = {ig_interp_new(g, d), values, n}, *p = NULL;
	if (r.interp) {
		p = ig_xcalloc(1, sizeof *p);
		*p = r;
	}
	return p;
}

static void interpreter_free(void *runner)
{
	struct interpreter *r = runner;
	ig_interp_free(r->interp);
	free(r);
}

static void interpreter_run(void *runner, const void *const *in, ig_calibration_show *show, void *to)
{
	struct interpreter *r = runner;
	ig_interp_run(r->interp, in);
	for (int i = 0; i < r->n; i++)
		show(to, i, ig_interp_value(r->interp, r->values[i])->data);
}

const struct ig_calibration_engine ig_calibration_interpreter = {NULL, interpreter_new, interpreter_free, interpreter_run};

/* ---- calibration ---- */

struct seen {
	uint64_t hash;
	int64_t sample;
	float *range; /* least and largest value of each observer that averages them, which needs the samples' order */
};

struct observer {
	const char *name;
	int64_t elems;
	double averaging; /* the moving average's constant; 0: none */
	int average;      /* its number among those that average */
};

struct worker {
	const struct ig_calibration *calibration;
	void *runner;
	struct ig_stats *stats; /* by observer */
	struct ig_arena *arena; /* of ranges */
	IG_VEC(struct seen) seen;
};

struct ig_calibration {
	const struct ig_calibration_engine *engine;
	struct ig_graph *g; /* with observers */
	IG_VEC(struct observer) observers;
	IG_VEC(struct ig_vid) values; /* that they observe */
	int averages; /* observers that average */
	struct worker *worker;
	int n_workers;
};

/* The constant of the moving average that a layer asks for on this value: its own result's, or a reader's; 0: none does. */
static double averaging(const struct ig_graph *g, const struct ig_qconfig_map *m, struct ig_vid v)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool touches = n->out[0].i == v.i;
		for (int i = 0; i < n->n_in; i++)
			touches = touches || n->in[i].i == v.i;
		if (!touches || (n->precision != IG_PREC_INT8 && n->precision != IG_PREC_W8A16))
			continue;
		const struct ig_qconfig *q = ig_node_qconfig(m, n);
		if (q->act.observer == IG_OBS_MOVING_AVERAGE)
			return q->act.averaging;
	}
	return 0;
}

static void find_observers(struct ig_calibration *k, const struct ig_qconfig_map *m)
{
	for (struct ig_nid id = ig_first(k->g); id.i >= 0; id = ig_next(k->g, id)) {
		const struct ig_node *n = ig_node(k->g, id);
		if (n->op != IG_OP_OBSERVE)
			continue;
		struct observer o = {ig_value(k->g, n->in[0])->name, ig_elems(ig_vtype(k->g, n->in[0])), averaging(k->g, m, n->in[0]), k->averages};
		k->averages += o.averaging > 0;
		ig_vec_push(&k->observers, o);
		ig_vec_push(&k->values, n->in[0]);
	}
}

struct ig_calibration *ig_calibration_new(const struct ig_graph *mapped, const struct ig_qconfig_map *m, const struct ig_calibration_engine *e, int workers,
                                          struct ig_diag *d)
{
	struct ig_calibration *k = ig_xcalloc(1, sizeof *k);
	struct ig_context c = {.diag = d, .qconfig = m};
	k->engine = e;
	k->g = ig_graph_clone(mapped);
	k->worker = ig_xcalloc((size_t)workers, sizeof *k->worker);
	bool ok = ig_pass_observe(k->g, &c);
	if (ok)
		find_observers(k, m);
	for (int i = 0; i < workers && ok; i++) {
		struct worker *w = &k->worker[k->n_workers++];
		w->arena = ig_arena_new();
		w->stats = ig_stats_new(mapped->weights_hash);
		for (int j = 0; j < k->observers.n; j++)
			ig_stats_get(w->stats, k->observers.v[j].name);
		w->calibration = k;
		w->runner = e->new(e->self, k->g, k->values.v, k->values.n, d);
		ok = w->runner != NULL;
	}
	if (ok)
		return k;
	ig_calibration_free(k);
	return NULL;
}

void ig_calibration_free(struct ig_calibration *k)
{
	if (!k)
		return;
	for (int i = 0; i < k->n_workers; i++) {
		struct worker *w = &k->worker[i];
		if (w->runner)
			k->engine->free(w->runner);
		ig_stats_free(w->stats);
		ig_arena_free(w->arena);
		ig_vec_free(&w->seen);
	}
	free(k->worker);
	ig_vec_free(&k->observers);
	ig_vec_free(&k->values);
	ig_graph_free(k->g);
	free(k);
}

static uint64_t hash_sample(const struct ig_graph *g, const void *const *in)
{
	uint64_t h = 0;
	for (int i = 0; i < g->n_inputs; i++) {
		size_t bytes;
		if (!ig_type_bytes(ig_vtype(g, g->input[i]), &bytes))
			IG_BUG("input %d has no size", i);
		h = ig_hash_bytes(in[i], bytes, h + (uint64_t)i);
	}
	return h;
}

static void show(void *to, int which, const float *x)
{
	struct worker *w = to;
	const struct observer *o = &w->calibration->observers.v[which];
	float lo, hi, *range = w->seen.v[w->seen.n - 1].range;
	ig_stat_values(&w->stats->stat.v[which], x, o->elems, &lo, &hi);
	if (o->averaging > 0) {
		range[2 * o->average] = lo;
		range[2 * o->average + 1] = hi;
	}
}

void ig_calibration_sample(struct ig_calibration *k, int worker, int64_t number, const void *const *in)
{
	struct worker *w = &k->worker[worker];
	struct seen s = {hash_sample(k->g, in), number, k->averages ? IG_NEWN(w->arena, float, 2 * k->averages) : NULL};
	ig_vec_push(&w->seen, s);
	k->engine->run(w->runner, in, show, w);
}

/* ---- suspicions ---- */

static int by_hash(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void warn_repeats(struct seen *seen, int n, struct ig_diag *d)
{
	int64_t repeats = 0, first = 0, of = 0;
	qsort(seen, (size_t)n, sizeof *seen, by_hash);
	for (int i = 1; i < n; i++) {
		if (seen[i].hash != seen[i - 1].hash)
			continue;
		if (!repeats++) {
			first = seen[i].sample;
			of = seen[i - 1].sample;
		}
	}
	if (repeats)
		ig_warn(d, IG_NOLOC, "%lld of %d calibration samples repeat others (sample %lld is sample %lld again): they add nothing but weight",
		        (long long)repeats, n, (long long)first, (long long)of);
}

static void warn_data(const struct ig_calibration *k, struct seen *seen, int n, const struct ig_stats *st, struct ig_diag *d)
{
	if (st->samples < ENOUGH)
		ig_warn(d, IG_NOLOC, "calibrated with %llu samples: fewer than %d give ranges that depend on which ones", (unsigned long long)st->samples, ENOUGH);
	warn_repeats(seen, n, d);
	for (int i = 0; i < k->observers.n; i++) {
		const struct ig_stat *s = ig_stats_find(st, k->observers.v[i].name);
		if (s->nans || s->infs)
			ig_warn(d, IG_NOLOC, "`%s`: %llu NaN and %llu infinities among %llu values of calibration; its range is that of the others", s->name,
			        (unsigned long long)s->nans, (unsigned long long)s->infs, (unsigned long long)s->count);
		if (s->min == s->max && s->count > 1)
			ig_warn(d, IG_NOLOC, "`%s` is %g in every sample of calibration: a quantized model cannot represent anything else there", s->name, (double)s->min);
	}
}

/* ---- the sum ---- */

static int by_sample(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

/* All workers' samples, in order. */
static struct seen *collect(const struct ig_calibration *k, int *n)
{
	*n = 0;
	for (int w = 0; w < k->n_workers; w++)
		*n += k->worker[w].seen.n;
	struct seen *all = ig_xcalloc((size_t)*n + 1, sizeof *all), *p = all;
	for (int w = 0; w < k->n_workers; w++)
		for (int i = 0; i < k->worker[w].seen.n; i++)
			*p++ = k->worker[w].seen.v[i];
	qsort(all, (size_t)*n, sizeof *all, by_sample);
	return all;
}

static void add_observer(const struct ig_calibration *k, int i, const struct seen *seen, int n, struct ig_stats *st)
{
	const struct observer *o = &k->observers.v[i];
	struct ig_stat *s = ig_stats_get(st, o->name);
	for (int w = 0; w < k->n_workers; w++)
		ig_stat_merge(s, &k->worker[w].stats->stat.v[i]);
	if (!(o->averaging > 0))
		return;
	if (!s->has_average) {
		s->has_average = true;
		s->averaging = (float)o->averaging;
		s->avg_min = s->avg_max = NAN;
	}
	for (int j = 0; j < n; j++)
		ig_stat_average(s, seen[j].range[2 * o->average], seen[j].range[2 * o->average + 1]);
}

bool ig_calibration_finish(struct ig_calibration *k, struct ig_stats *st, struct ig_diag *d)
{
	int n;
	if (st->weights_hash != k->g->weights_hash) {
		ig_error(d, IG_NOLOC, "the calibration state belongs to other weights (%016llx, the model has %016llx)", (unsigned long long)st->weights_hash,
		         (unsigned long long)k->g->weights_hash);
		return false;
	}
	struct seen *seen = collect(k, &n);
	if (n == 0)
		ig_error(d, IG_NOLOC, "there is no calibration sample");
	for (int i = 0; i < k->observers.n && n; i++)
		add_observer(k, i, seen, n, st);
	for (int i = 0; i < n; i++) {
		st->samples++;
		st->samples_sum += seen[i].hash;
	}
	if (n)
		warn_data(k, seen, n, st, d);
	free(seen);
	return n != 0;
}

bool ig_calibrate(const struct ig_graph *mapped, const struct ig_qconfig_map *m, struct ig_sample_source *src, struct ig_stats *st, struct ig_diag *d)
{
	struct ig_calibration *k = ig_calibration_new(mapped, m, &ig_calibration_interpreter, 1, d);
	int64_t n = 0;
	for (const void *const *in; k && (in = src->next(src->self));) {
		ig_calibration_sample(k, 0, n++, in);
		if (src->progress)
			src->progress(src->self, n);
	}
	bool ok = k && ig_calibration_finish(k, st, d);
	ig_calibration_free(k);
	return ok;
}
