/* The choice of ranges by their effect on the network's output: coordinate descent. Value by value, in the order of execution, each range that a method gives is tried in the
   quantized graph as it then is, on calibration samples, and replaces the one in use where the change of the outputs is smaller by more than chance.
   The outputs judged are the float ones; before a softmax at the end the logits, since probabilities of sure answers hide what happens. */
#include "ir/interp.h"
#include "passes/convert.h"
#include "passes/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SAMPLES 64
#define LEAST_SAMPLES 8
#define MOST_WORK 1e12 /* multiply-accumulates of all tries together: fewer samples where a model has more */
#define MOST_CANDIDATES 8
#define SURE 2.0

static const struct {
	enum ig_observer observer;
	double percentile;
} methods[] = {
    {IG_OBS_MINMAX, 0}, {IG_OBS_MSE, 0}, {IG_OBS_HISTOGRAM, 0}, {IG_OBS_ENTROPY, 0}, {IG_OBS_PERCENTILE, 99.9}, {IG_OBS_PERCENTILE, 99.99}, {IG_OBS_PERCENTILE, 99.999},
};

struct range {
	float lo, hi, scale;
	int32_t zp;
};
struct entry {
	const char *name;
	struct ig_qspec spec;
	float lo, hi; /* in use */
	struct range candidate[MOST_CANDIDATES]; /* the observer's own first */
	int n;
};
struct ig_output_ranges {
	IG_VEC(struct entry) entry;
	bool closed; /* all are noted down */
};

struct judged {
	struct ig_vid flt, quant; /* the value in the two graphs */
	int64_t n, at;            /* elements; their place in a sample's row */
	int64_t extent, inner;    /* of the axis along which a common shift changes no answer; extent 0: none */
};
/* A descent. Rows are numbered by the samples used. */
struct descent {
	struct ig_output_ranges *r;
	struct ig_context *c;
	const struct ig_graph *g; /* to be converted */
	IG_VEC(struct judged) judged;
	int64_t width, stride, rows;
	float *expected; /* row by row: the judged values in float */
	double *weight;  /* of each judged value: one over its mean square */
	double *now, *best; /* row by row: the error under trial, and that of the ranges in use */
	struct ig_interp **interp; /* by worker: of the float graph, then of the one under trial */
};

struct ig_output_ranges *ig_output_ranges_new(void) { return ig_xcalloc(1, sizeof(struct ig_output_ranges)); }

void ig_output_ranges_free(struct ig_output_ranges *r)
{
	ig_vec_free(&r->entry);
	free(r);
}

/* Whether a range gives the same scale and zero point. */
static bool same_numbers(const struct ig_qspec *a, const struct ig_qspec *b)
{
	int32_t a_min, a_max, b_min, b_max;
	ig_qspec_limits(a, &a_min, &a_max);
	ig_qspec_limits(b, &b_min, &b_max);
	return a->dtype == b->dtype && a->scheme == b->scheme && a_min == b_min && a_max == b_max;
}

void ig_output_ranges_of(struct ig_output_ranges *r, const char *value, const struct ig_qspec *spec, float *lo, float *hi)
{
	for (int i = 0; i < r->entry.n; i++) {
		const struct entry *e = &r->entry.v[i];
		if (strcmp(e->name, value) != 0 || !same_numbers(&e->spec, spec))
			continue;
		*lo = e->lo;
		*hi = e->hi;
		return;
	}
	struct entry e = {.name = value, .spec = *spec, .lo = *lo, .hi = *hi};
	if (!r->closed)
		ig_vec_push(&r->entry, e);
}

/* ---- what is tried ---- */

static void add_candidate(struct entry *e, float lo, float hi)
{
	struct range c = {.lo = lo, .hi = hi};
	ig_qspec_params(&e->spec, lo, hi, &c.scale, &c.zp);
	for (int i = 0; i < e->n; i++)
		if (e->candidate[i].scale == c.scale && e->candidate[i].zp == c.zp)
			return;
	e->candidate[e->n++] = c;
}

static void list_candidates(struct entry *e, const struct ig_stat *st)
{
	add_candidate(e, e->lo, e->hi);
	for (size_t i = 0; i < IG_COUNTOF(methods); i++) {
		struct ig_qspec spec = e->spec;
		float lo, hi;
		spec.observer = methods[i].observer;
		spec.percentile = methods[i].percentile;
		if (ig_range(st, &spec, &lo, &hi))
			add_candidate(e, lo, hi);
	}
}

/* Values of which all methods say the same are left out. Returns how many tries there are. */
static int list_entries(struct ig_output_ranges *r, const struct ig_stats *stats)
{
	int kept = 0, tries = 0;
	for (int i = 0; i < r->entry.n; i++) {
		struct entry *e = &r->entry.v[i];
		list_candidates(e, ig_stats_find(stats, e->name));
		tries += e->n - 1;
		if (e->n > 1)
			r->entry.v[kept++] = *e;
	}
	r->entry.n = kept;
	r->closed = true;
	return tries;
}

/* ---- what tells how good a range is ---- */

static bool is_answer(enum ig_op op) { return op == IG_OP_SOFTMAX || op == IG_OP_LOG_SOFTMAX || op == IG_OP_ARGMAX || op == IG_OP_ARGMIN; }

static void set_axis(struct judged *j, const struct ig_node *n, const struct ig_type *t)
{
	int64_t axis = ig_attr_int(n, IG_A_AXIS, n->op == IG_OP_ARGMAX || n->op == IG_OP_ARGMIN ? 0 : -1);
	axis += axis < 0 ? t->rank : 0;
	j->extent = t->dim[axis];
	j->inner = 1;
	for (int64_t i = axis + 1; i < t->rank; i++)
		j->inner *= t->dim[i];
}

static void list_judged(struct descent *t, const struct ig_graph *quant)
{
	const struct ig_graph *flt = t->c->flt;
	for (int i = 0; i < flt->n_outputs; i++) {
		struct judged j = {.flt = flt->output[i], .quant = quant->output[i], .at = t->width};
		while (is_answer(ig_def(flt, j.flt)->op) && ig_def(quant, j.quant)->op == ig_def(flt, j.flt)->op &&
		       ig_vtype(quant, ig_def(quant, j.quant)->in[0])->dtype == IG_DT_F32) {
			set_axis(&j, ig_def(flt, j.flt), ig_vtype(flt, ig_def(flt, j.flt)->in[0]));
			j.flt = ig_def(flt, j.flt)->in[0];
			j.quant = ig_def(quant, j.quant)->in[0];
		}
		j.n = ig_elems(ig_vtype(flt, j.flt));
		if (ig_vtype(flt, j.flt)->dtype != IG_DT_F32 || ig_vtype(quant, j.quant)->dtype != IG_DT_F32 || j.n == 0)
			continue;
		ig_vec_push(&t->judged, j);
		t->width += j.n;
	}
}

static bool record_expected(void *to, int worker, int64_t i, const void *const *in)
{
	struct descent *t = to;
	if (i % t->stride)
		return true;
	ig_interp_run(t->interp[worker], in);
	for (int k = 0; k < t->judged.n; k++) {
		const struct judged *j = &t->judged.v[k];
		memcpy(t->expected + i / t->stride * t->width + j->at, ig_interp_value(t->interp[worker], j->flt)->data, (size_t)j->n * sizeof(float));
	}
	return true;
}

/* Sum of squared differences, but for a common shift along the axis. */
static double squared_change(const struct judged *j, const float *x, const float *want)
{
	double all = 0;
	int64_t extent = j->extent ? j->extent : 1, inner = j->extent ? j->inner : 1;
	for (int64_t i = 0; i < j->n / extent; i++) {
		const int64_t at = i / inner * extent * inner + i % inner;
		double sum = 0, squared = 0;
		for (int64_t m = 0; m < extent; m++) {
			double d = (double)x[at + m * inner] - (double)want[at + m * inner];
			sum += d;
			squared += d * d;
		}
		all += j->extent ? squared - sum * sum / (double)extent : squared;
	}
	return all;
}

static bool record_error(void *to, int worker, int64_t i, const void *const *in)
{
	struct descent *t = to;
	if (i % t->stride)
		return true;
	ig_interp_run(t->interp[worker], in);
	double *error = &t->now[i / t->stride];
	*error = 0;
	for (int k = 0; k < t->judged.n; k++) {
		const struct judged *j = &t->judged.v[k];
		const float *x = ig_interp_value(t->interp[worker], j->quant)->data, *want = t->expected + i / t->stride * t->width + j->at;
		*error += squared_change(j, x, want) * t->weight[k];
	}
	return true;
}

static bool run_graph(struct descent *t, const struct ig_graph *g, const char *what, ig_replay_visit *visit)
{
	const struct ig_replay *r = t->c->replay;
	bool ok = true;
	for (int i = 0; i < r->workers && ok; i++)
		ok = (t->interp[i] = ig_interp_new(g, t->c->diag)) != NULL;
	ok = ok && r->run(r->self, what, visit, t);
	for (int i = 0; i < r->workers; i++) {
		ig_interp_free(t->interp[i]);
		t->interp[i] = NULL;
	}
	return ok;
}

/* The errors of the ranges in use, into t->now. */
static bool run_ranges(struct descent *t, const char *what)
{
	struct ig_graph *trial = ig_graph_clone(t->g);
	bool ok = ig_convert_with(trial, t->c, t->r) && run_graph(t, trial, what, record_error);
	ig_graph_free(trial);
	return ok;
}

static void weigh(struct descent *t)
{
	for (int k = 0; k < t->judged.n; k++) {
		const struct judged *j = &t->judged.v[k];
		double sum = 0;
		for (int64_t i = 0; i < t->rows; i++)
			for (int64_t m = 0; m < j->n; m++)
				sum += (double)t->expected[i * t->width + j->at + m] * (double)t->expected[i * t->width + j->at + m];
		t->weight[k] = sum > 0 ? (double)t->rows / sum : 0;
	}
}

/* ---- the descent ---- */

/* Whether t->now is below t->best by more than SURE standard errors of the mean difference, and by more than the most so far. */
static bool is_better(const struct descent *t, double *most)
{
	double sum = 0, squared = 0, n = (double)t->rows;
	for (int64_t i = 0; i < t->rows; i++) {
		double d = t->best[i] - t->now[i];
		sum += d;
		squared += d * d;
	}
	double gain = sum / n, error = sqrt(fmax(squared / n - gain * gain, 0) / (n - 1));
	bool better = gain > SURE * error && gain > *most; /* false for NaN */
	if (better)
		*most = gain;
	return better;
}

/* The same name, of the graph that stays. */
static const char *name_in(const struct ig_graph *g, const char *name)
{
	int i = 0;
	while (i < g->n_values && strcmp(g->value[i].name, name) != 0)
		i++;
	return i < g->n_values ? g->value[i].name : NULL;
}

static bool descend(struct descent *t, struct entry *e, const char *what)
{
	double most = 0, *winner = ig_xcalloc((size_t)t->rows, sizeof *winner);
	int best = 0;
	bool ok = true;
	for (int i = 1; i < e->n && ok; i++) {
		e->lo = e->candidate[i].lo;
		e->hi = e->candidate[i].hi;
		ok = run_ranges(t, what);
		if (ok && is_better(t, &most)) {
			best = i;
			memcpy(winner, t->now, (size_t)t->rows * sizeof *winner);
		}
	}
	e->lo = e->candidate[best].lo;
	e->hi = e->candidate[best].hi;
	if (best && t->c->effects)
		ig_effect_add(&t->c->effects[IG_RECOVER_RANGES], name_in(t->g, e->name), fabs(((double)e->hi - (double)e->lo) / ((double)e->candidate[0].hi - (double)e->candidate[0].lo) - 1));
	if (best)
		memcpy(t->best, winner, (size_t)t->rows * sizeof *winner);
	free(winner);
	return ok;
}

static bool descend_all(struct descent *t)
{
	bool ok = run_graph(t, t->c->flt, "float outputs", record_expected);
	weigh(t);
	ok = ok && run_ranges(t, "quantized outputs");
	memcpy(t->best, t->now, (size_t)t->rows * sizeof *t->best);
	for (int i = 0; i < t->r->entry.n && ok; i++) {
		char what[64];
		snprintf(what, sizeof what, "range %d of %d", i + 1, t->r->entry.n);
		ok = descend(t, &t->r->entry.v[i], what);
	}
	return ok;
}

static double work_of(const struct ig_graph *g)
{
	double work = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		work += (double)ig_node_macs(g, ig_node(g, id)) + (double)ig_elems(ig_vtype(g, ig_node(g, id)->out[0]));
	return work;
}

bool ig_output_ranges_choose(struct ig_output_ranges *r, const struct ig_graph *g, const struct ig_graph *quant, struct ig_context *c)
{
	struct descent t = {.r = r, .c = c, .g = g};
	double work = work_of(c->flt) * list_entries(r, c->stats);
	int64_t most = work * MOST_SAMPLES > MOST_WORK ? (int64_t)(MOST_WORK / work) : MOST_SAMPLES;
	bool ok = true;
	list_judged(&t, quant);
	if (r->entry.n && t.judged.n && (most < LEAST_SAMPLES || c->replay->n < LEAST_SAMPLES)) {
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_RANGES], "'recover output_ranges' changes nothing: %s",
		        most < LEAST_SAMPLES ? "the model is too large to be run for each range" : "there are fewer than 8 calibration samples");
	} else if (r->entry.n && t.judged.n) {
		t.stride = (c->replay->n + most - 1) / most;
		t.rows = (c->replay->n + t.stride - 1) / t.stride;
		t.expected = ig_xcalloc((size_t)(t.rows * t.width), sizeof *t.expected);
		t.weight = ig_xcalloc((size_t)t.judged.n, sizeof *t.weight);
		t.now = ig_xcalloc((size_t)t.rows, sizeof *t.now);
		t.best = ig_xcalloc((size_t)t.rows, sizeof *t.best);
		t.interp = ig_xcalloc((size_t)c->replay->workers, sizeof *t.interp);
		ok = descend_all(&t);
	}
	free(t.expected);
	free(t.weight);
	free(t.now);
	free(t.best);
	free(t.interp);
	ig_vec_free(&t.judged);
	return ok;
}
