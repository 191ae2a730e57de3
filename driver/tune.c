/* The few best candidates of each layer are timed inside the whole model: build k holds candidate k of every layer, so that as many builds as a layer has
   candidates measure all layers at once, each among its real neighbours. The builds take turns call by call, and the least time of each layer counts:
   what else the machine does comes and goes, the least stays. Layers of one shape are added up and get one schedule. */
#include "driver/tune.h"

#include <stdlib.h>
#include <string.h>

#include "driver/callmem.h"
#include "driver/peak.h"
#include "driver/report.h"

#define SECONDS 30     /* unless --tune-seconds says otherwise */
#define TRIES 6        /* candidates of a layer in a round */
#define LEAST_CALLS 5
#define MOST_CALLS 400
#define WORTH 0.98     /* another schedule than the estimated best must take less than this share of its time: differences below are noise */

enum round { TILES, ORDERS, GROUPS };
struct layer {
	char *key;
	bool group; /* of layers that may be fused by rows: apart until its own round */
	struct ig_schedule *c;
	int n, best;
	int try[TRIES], n_tries;
	double time[TRIES];
};
struct build {
	struct tuner *t;
	struct ig_native *native;
	int n_funcs, *layer; /* of each function; -1: none that is measured */
	double *least, last;
};
struct tuner {
	struct ig_session *s;
	IG_VEC(struct layer) layers;
	int *of_node, *group_of; /* layer and group of each node, -1 */
	enum round round;
	int take; /* the try that a lowering takes */
	int64_t arena_bytes;
	struct build build[TRIES];
	int n_builds;
};

/* ---- lowering with candidates ---- */

static int find_layer(struct tuner *t, const struct ig_sched_layer *l)
{
	struct layer x = {.n = l->n, .group = l->node[1].i >= 0};
	for (int i = 0; i < t->layers.n; i++)
		if (strcmp(t->layers.v[i].key, l->key) == 0)
			return i;
	x.key = strdup(l->key);
	x.c = ig_xcalloc((size_t)l->n, sizeof *x.c);
	memcpy(x.c, l->candidate, (size_t)l->n * sizeof *x.c);
	ig_vec_push(&t->layers, x);
	return t->layers.n - 1;
}

static int apart(const struct layer *l)
{
	int i = 0;
	while (l->c[i].variant != IG_SCHED_APART)
		i++;
	return i;
}

static int choose(void *self, const struct ig_sched_layer *l)
{
	struct tuner *t = self;
	int i = find_layer(t, l);
	const struct layer *x = &t->layers.v[i];
	for (int k = 0; k < 3 && l->node[k].i >= 0; k++)
		*(x->group ? &t->group_of[l->node[k].i] : &t->of_node[l->node[k].i]) = i;
	if (x->n != l->n)
		IG_BUG("layers of one key with %d and %d schedules: %s", x->n, l->n, l->key);
	if (x->group && t->round != GROUPS)
		return apart(x);
	return x->n_tries ? x->try[t->take < x->n_tries ? t->take : 0] : 0;
}

static struct kir_module *lower(struct tuner *t, int take)
{
	struct ig_lower_options lo = {.rows = t->s->rows, .schedules = t->s->schedules, .tune = choose, .tune_self = t};
	t->take = take;
	return ig_lower(t->s->quant, t->s->target, &lo, t->s->diag);
}

/* ---- what to try ---- */

static bool same_tile(const struct ig_schedule *a, const struct ig_schedule *b)
{
	return a->variant == b->variant && a->vectors == b->vectors && a->pixels == b->pixels && a->rows == b->rows;
}

static bool tried(const struct layer *l, int c)
{
	for (int i = 0; i < l->n_tries; i++)
		if (l->try[i] == c)
			return true;
	return false;
}

/* The present best, then either the best of each other tile, or other orders and unrolling of its own tile, none estimated at more than twice the least; of a
   group apart and bands of any height. What the round is not about has one try. */
static void select_tries(struct layer *l, enum round round)
{
	l->try[0] = l->best;
	l->n_tries = 1;
	if (round == GROUPS && l->group && !tried(l, apart(l)))
		l->try[l->n_tries++] = apart(l);
	for (int i = 0; i < l->n && l->n_tries < TRIES && l->group == (round == GROUPS); i++) {
		bool fits = !tried(l, i) && (l->group || (l->c[i].cost <= 2 * l->c[0].cost && same_tile(&l->c[i], &l->c[l->best]) == (round == ORDERS)));
		for (int k = 1; fits && round == TILES && k < l->n_tries; k++)
			fits = !same_tile(&l->c[i], &l->c[l->try[k]]);
		if (fits)
			l->try[l->n_tries++] = i;
	}
	for (int i = 0; i < TRIES; i++)
		l->time[i] = -1;
}

/* ---- builds ---- */

static void on_kernel(void *self, int kernel, void *arena)
{
	struct build *b = self;
	double now = ig_peak_clock();
	(void)arena;
	if (kernel > 0 && now - b->last < b->least[kernel - 1])
		b->least[kernel - 1] = now - b->last;
	b->last = ig_peak_clock();
}

static bool make_build(struct tuner *t, int take)
{
	struct build *b = &t->build[take];
	struct kir_module *m = lower(t, take);
	if (!m)
		return false;
	struct ig_program *p = ig_program_new(t->s->quant->name, t->s->quant, m, t->s->target);
	p->hook = on_kernel;
	p->hook_self = b;
	*b = (struct build){.t = t, .native = ig_native_new(p, t->s->diag), .n_funcs = m->n_funcs};
	b->layer = ig_xcalloc((size_t)m->n_funcs + 1, sizeof *b->layer);
	b->least = ig_xcalloc((size_t)m->n_funcs + 1, sizeof *b->least);
	for (int i = 0; i < m->n_funcs; i++) {
		b->layer[i] = m->func[i]->node.i >= 0 ? (t->round == GROUPS ? t->group_of : t->of_node)[m->func[i]->node.i] : -1;
		b->least[i] = 1e9;
	}
	t->n_builds = take + 1;
	t->arena_bytes = m->arena_bytes > t->arena_bytes ? m->arena_bytes : t->arena_bytes;
	ig_program_free(p);
	kir_module_free(m);
	return b->native != NULL;
}

static void free_builds(struct tuner *t)
{
	for (int i = 0; i < t->n_builds; i++) {
		ig_native_free(t->build[i].native);
		free(t->build[i].layer);
		free(t->build[i].least);
	}
	t->n_builds = 0;
	t->arena_bytes = 0;
}

/* As many builds as the layers have tries and half of the time allows; two at least. */
static bool make_builds(struct tuner *t, double end, const char *what)
{
	struct ig_progress bar;
	int n = 0;
	bool ok = true;
	double start = ig_peak_clock();
	for (int i = 0; i < t->layers.n; i++)
		n = t->layers.v[i].n_tries > n ? t->layers.v[i].n_tries : n;
	ig_progress_start(&bar, t->s->o, what, n);
	for (int i = 0; i < n && ok && n > 1 && (i < 2 || ig_peak_clock() < start + (end - start) / 2); i++) {
		ok = make_build(t, i);
		ig_progress_step(&bar, i + 1);
	}
	ig_progress_end(&bar);
	return ok;
}

/* ---- measuring ---- */

static void measure(struct tuner *t, double end)
{
	struct ig_progress bar;
	struct ig_callmem mem;
	ig_callmem_begin(&mem, t->s->quant, t->arena_bytes, NULL);
	ig_progress_start(&bar, t->s->o, "timing", MOST_CALLS);
	for (int call = 0; call < MOST_CALLS && (call < LEAST_CALLS || ig_peak_clock() < end); call++) {
		for (int i = 0; i < t->n_builds; i++)
			ig_callmem_run(&mem, t->build[i].native);
		ig_progress_step(&bar, call + 1);
	}
	ig_progress_end(&bar);
	ig_callmem_end(&mem);
}

/* Least times of all functions of a layer, in the build of each try; builds beyond its tries repeat the first. */
static void add_up(struct tuner *t)
{
	double *sum = ig_xcalloc((size_t)t->layers.n + 1, sizeof *sum);
	for (int b = 0; b < t->n_builds; b++) {
		memset(sum, 0, (size_t)t->layers.n * sizeof *sum);
		for (int i = 0; i < t->build[b].n_funcs; i++)
			if (t->build[b].layer[i] >= 0)
				sum[t->build[b].layer[i]] += t->build[b].least[i];
		for (int i = 0; i < t->layers.n; i++) {
			struct layer *l = &t->layers.v[i];
			double *time = &l->time[b < l->n_tries ? b : 0];
			*time = *time < 0 || sum[i] < *time ? sum[i] : *time;
		}
	}
	free(sum);
}

static void decide(struct layer *l)
{
	int best = 0;
	for (int i = 1; i < l->n_tries; i++)
		if (l->time[i] >= 0 && l->time[i] < WORTH * l->time[0] && (!best || l->time[i] < l->time[best]))
			best = i;
	l->best = l->try[best];
	l->time[0] = l->time[best];
}

/* Adds to r what the round saved. */
static bool one_round(struct tuner *t, enum round round, double end, struct ig_tuned *r)
{
	static const char *const what[] = {"building with other tiles", "building with other orders", "building with fused rows"};
	t->round = round;
	for (int i = 0; i < t->layers.n; i++)
		select_tries(&t->layers.v[i], round);
	if (!make_builds(t, end, what[round]))
		return false;
	if (t->n_builds > 1) {
		measure(t, end);
		add_up(t);
	}
	for (int i = 0; i < t->layers.n && t->n_builds > 1; i++) {
		struct layer *l = &t->layers.v[i];
		double before = l->time[0];
		if (l->group != (round == GROUPS))
			continue;
		decide(l);
		r->saved += before - l->time[0];
		r->before += round == TILES ? before : 0;
	}
	free_builds(t);
	return true;
}

/* ---- the file ---- */

static bool write_file(struct tuner *t, const char *path, struct ig_tuned *r)
{
	for (int i = 0; i < t->layers.n; i++) {
		const struct layer *l = &t->layers.v[i];
		ig_schedules_put(t->s->schedules, t->s->target->name, l->key, &l->c[l->best]);
		r->changed += l->best != 0;
	}
	r->measured = t->layers.n;
	return ig_schedules_write(t->s->schedules, path, t->s->diag);
}

static bool tune(struct tuner *t, const char *path, struct ig_tuned *r)
{
	double start = ig_peak_clock(), seconds = SECONDS;
	if (ig_opt_given(t->s->o, IG_OPT_TUNE_SECONDS))
		seconds = (double)t->s->o->number[IG_OPT_TUNE_SECONDS];
	struct kir_module *m = lower(t, 0); /* which layers there are */
	if (!m)
		return false;
	kir_module_free(m);
	for (int i = TILES; i <= GROUPS && t->layers.n; i++)
		if (!one_round(t, (enum round)i, start + seconds * (i + 1) / 3, r))
			return false;
	return write_file(t, path, r);
}

bool ig_tune(struct ig_session *s, const char *path, struct ig_tuned *result)
{
	struct tuner t = {.s = s};
	struct ig_outfile probe;
	*result = (struct ig_tuned){0};
	if (!ig_target_runs_here(s->target)) {
		ig_error(s->diag, IG_NOLOC, "this CPU cannot run code for target %s: tune on one that can, and give its file to --schedules here", s->target->name);
		return false;
	}
	if (!ig_outfile_open(&probe, path, s->diag)) /* told before minutes of measuring */
		return false;
	ig_outfile_abort(&probe);
	t.of_node = ig_xcalloc((size_t)s->quant->n_nodes + 1, sizeof *t.of_node);
	t.group_of = ig_xcalloc((size_t)s->quant->n_nodes + 1, sizeof *t.group_of);
	for (int i = 0; i < s->quant->n_nodes; i++)
		t.of_node[i] = t.group_of[i] = -1;
	bool ok = tune(&t, path, result);
	free_builds(&t);
	for (int i = 0; i < t.layers.n; i++) {
		free(t.layers.v[i].key);
		free(t.layers.v[i].c);
	}
	ig_vec_free(&t.layers);
	free(t.of_node);
	free(t.group_of);
	return ok;
}
