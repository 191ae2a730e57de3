/* Runs the observed float graph over samples and adds what the observers see to the statistics; looks at the data with suspicion. */
#include "ir/interp.h"
#include "ir/print.h"
#include "passes/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH 100 /* samples */

struct seen {
	uint64_t hash;
	int64_t sample;
};

struct observer {
	struct ig_vid value;
	int stat;
};

struct calibration {
	struct ig_graph *g; /* with observers */
	IG_VEC(struct observer) observers;
	IG_VEC(struct seen) seen;
};

/* The constant of the moving average that a layer asks for on this value: its own result's, or a reader's; 0: none does. */
static double averaging(const struct ig_graph *g, const struct ig_qconfig_map *m, struct ig_vid v)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool touches = n->out[0].i == v.i;
		for (int i = 0; i < n->n_in; i++)
			touches = touches || n->in[i].i == v.i;
		if (!touches || n->precision != IG_PREC_INT8)
			continue;
		const struct ig_qconfig *q = ig_node_qconfig(m, n);
		if (q->act.observer == IG_OBS_MOVING_AVERAGE)
			return q->act.averaging;
	}
	return 0;
}

static void set_up(struct calibration *k, const struct ig_qconfig_map *m, struct ig_stats *st)
{
	for (struct ig_nid id = ig_first(k->g); id.i >= 0; id = ig_next(k->g, id)) {
		const struct ig_node *n = ig_node(k->g, id);
		if (n->op != IG_OP_OBSERVE)
			continue;
		struct ig_stat *s = ig_stats_get(st, ig_value(k->g, n->in[0])->name);
		double constant = averaging(k->g, m, n->in[0]);
		if (constant > 0 && !s->has_average) {
			s->has_average = true;
			s->averaging = (float)constant;
			s->avg_min = s->avg_max = NAN;
		}
		struct observer o = {n->in[0], (int)(s - st->stat.v)};
		ig_vec_push(&k->observers, o);
	}
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

static int by_hash(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

static void warn_repeats(struct calibration *k, struct ig_diag *d)
{
	int64_t repeats = 0, first = 0, of = 0;
	if (k->seen.n)
		qsort(k->seen.v, (size_t)k->seen.n, sizeof *k->seen.v, by_hash);
	for (int i = 1; i < k->seen.n; i++) {
		if (k->seen.v[i].hash != k->seen.v[i - 1].hash)
			continue;
		if (!repeats++) {
			first = k->seen.v[i].sample;
			of = k->seen.v[i - 1].sample;
		}
	}
	if (repeats)
		ig_warn(d, IG_NOLOC, "%lld of %d calibration samples repeat others (sample %lld is sample %lld again): they add nothing but weight",
		        (long long)repeats, k->seen.n, (long long)first, (long long)of);
}

static void warn_data(struct calibration *k, const struct ig_stats *st, struct ig_diag *d)
{
	if (st->samples < ENOUGH)
		ig_warn(d, IG_NOLOC, "calibrated with %llu samples: fewer than %d give ranges that depend on which ones", (unsigned long long)st->samples, ENOUGH);
	warn_repeats(k, d);
	for (int i = 0; i < k->observers.n; i++) {
		const struct ig_stat *s = &st->stat.v[k->observers.v[i].stat];
		if (s->nans || s->infs)
			ig_warn(d, IG_NOLOC, "`%s`: %llu NaN and %llu infinities among %llu values of calibration; its range is that of the others", s->name,
			        (unsigned long long)s->nans, (unsigned long long)s->infs, (unsigned long long)s->count);
		if (s->min == s->max && s->count > 1)
			ig_warn(d, IG_NOLOC, "`%s` is %g in every sample of calibration: a quantized model cannot represent anything else there", s->name, (double)s->min);
	}
}

bool ig_calibrate(const struct ig_graph *mapped, const struct ig_qconfig_map *m, struct ig_sample_source *src, struct ig_stats *st, struct ig_diag *d)
{
	if (st->weights_hash != mapped->weights_hash) {
		ig_error(d, IG_NOLOC, "the calibration state belongs to other weights (%016llx, the model has %016llx)", (unsigned long long)st->weights_hash,
		         (unsigned long long)mapped->weights_hash);
		return false;
	}
	struct calibration k = {.g = ig_graph_clone(mapped)};
	struct ig_context c = {.diag = d, .qconfig = m};
	struct ig_interp *it = NULL;
	bool ok = ig_pass_observe(k.g, &c) && (it = ig_interp_new(k.g, d)) != NULL;
	if (ok)
		set_up(&k, m, st);
	for (const void *const *in; ok && (in = src->next(src->self));) {
		struct seen s = {hash_sample(k.g, in), k.seen.n};
		ig_vec_push(&k.seen, s);
		ig_interp_run(it, in);
		for (int i = 0; i < k.observers.n; i++) {
			const struct ig_tensor *t = ig_interp_value(it, k.observers.v[i].value);
			ig_stat_add(&st->stat.v[k.observers.v[i].stat], t->data, ig_elems(&t->type));
		}
		st->samples++;
		st->samples_sum += s.hash;
		if (src->progress)
			src->progress(src->self, k.seen.n);
	}
	if (ok && !k.seen.n) {
		ig_error(d, IG_NOLOC, "there is no calibration sample");
		ok = false;
	}
	if (ok)
		warn_data(&k, st, d);
	ig_vec_free(&k.observers);
	ig_vec_free(&k.seen);
	ig_interp_free(it);
	ig_graph_free(k.g);
	return ok;
}
