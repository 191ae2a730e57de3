/* The run of `eval` over the samples: labels and the metric they ask for, engines on threads, a record of each sample. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/eval.h"
#include "driver/metrics.h"
#include "driver/samples.h"

#define MOST_KEPT ((size_t)1 << 28) /* floats: of outputs of the float model that are kept */

static int64_t outputs_elems(const struct ig_graph *g, int i) { return ig_elems(ig_vtype(g, g->output[i])); }

static const float *output_floats(const struct ig_engine *e, int i, float *scratch)
{
	const struct ig_graph *g = ig_engine_graph(e);
	ig_tensor_floats(g, ig_vtype(g, g->output[i]), ig_engine_output(e, i), scratch);
	return scratch;
}

/* All outputs of an engine's run, one after the other. */
static const float *all_floats(const struct ig_evaluation *v, const struct ig_engine *e, float *scratch)
{
	float *at = scratch;
	for (int k = 0; k < v->s.flt->n_outputs; at += outputs_elems(v->s.flt, k++))
		output_floats(e, k, at);
	return scratch;
}

void ig_eval_compare(const struct ig_evaluation *v, struct ig_eval_record *r, const float *exact, const float *approximate)
{
	for (int64_t i = 0; i < v->positions; i++)
		r->agree += ig_argmax(exact + i * v->classes, v->classes) == ig_argmax(approximate + i * v->classes, v->classes);
	for (int k = 0; k < v->s.flt->n_outputs; k++) {
		struct ig_error_sums e = {.signal = 0};
		int64_t n = outputs_elems(v->s.flt, k);
		ig_error_add(&e, exact, approximate, n);
		r->signal += e.signal;
		r->noise += e.noise;
		exact += n;
		approximate += n;
	}
}

static int64_t differing_bytes(const struct ig_engine *a, const struct ig_engine *b)
{
	const struct ig_graph *g = ig_engine_graph(a);
	int64_t n = 0;
	for (int k = 0; k < g->n_outputs; k++) {
		const uint8_t *x = ig_engine_output(a, k), *y = ig_engine_output(b, k);
		size_t bytes = 0;
		ig_type_bytes(ig_vtype(g, g->output[k]), &bytes);
		for (size_t i = 0; i < bytes; i++)
			n += x[i] != y[i];
	}
	return n;
}

static void watch(struct ig_evaluation *v, int worker)
{
	float lo, hi;
	struct ig_stats *st = v->seen[worker];
	st->samples++;
	for (int i = 0; i < v->watched.n; i++)
		ig_stat_values(&st->stat.v[i], ig_engine_floats(v->engine[worker][IG_ENGINE_FLOAT], v->watched.v[i]), ig_elems(ig_vtype(v->s.flt, v->watched.v[i])), &lo,
		               &hi);
}

static double score_of(const struct ig_evaluation *v, const float *x, const void *const *in)
{
	switch (v->score) {
	case IG_SCORE_RECONSTRUCTION: return ig_mean_squared_error(in[0], x, outputs_elems(v->s.flt, 0));
	case IG_SCORE_OUTPUT: return (double)x[0];
	case IG_SCORE_DIFFERENCE: return (double)x[1] - (double)x[0];
	}
	IG_BUG("score %d", (int)v->score);
}

void ig_eval_score(const struct ig_evaluation *v, struct ig_eval_record *r, int k, int64_t sample, const float *x, const void *const *in)
{
	const int64_t *label = v->label + sample * v->positions;
	int64_t top = ig_opt_given(v->s.o, IG_OPT_TOP_K) ? v->s.o->number[IG_OPT_TOP_K] : 1;
	r->labelled = 0;
	for (int64_t p = 0; p < v->positions; p++) {
		if (label[p] < 0)
			continue;
		r->labelled++;
		if (v->metric == IG_METRIC_AUC) {
			r->by[k].score = score_of(v, x, in);
			continue;
		}
		int64_t rank = ig_rank_of(x + p * v->classes, v->classes, label[p]);
		r->by[k].top1 += rank == 0;
		r->by[k].top5 += rank < 5;
		r->by[k].topk += rank < top;
		if (v->metric == IG_METRIC_PERPLEXITY)
			r->by[k].nll += ig_label_nll(x + p * v->classes, v->classes, label[p], v->probabilities);
	}
}

static bool eval_sample(void *self, int worker, int64_t i, const void *const *in)
{
	struct ig_evaluation *v = self;
	struct ig_engine **e = v->engine[worker];
	struct ig_eval_record *r = &v->record[i];
	enum ig_engine_kind q = ig_eval_quantized(v->use);
	float *kept = v->exact ? v->exact + i * v->all : NULL, *scratch = v->scratch[worker];
	const float *flt = kept;
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		const float *x = kept;
		if (!v->use[k])
			continue;
		if (e[k]) {
			if (!ig_engine_run(e[k], in))
				return false;
			x = all_floats(v, e[k], k == IG_ENGINE_FLOAT ? scratch : scratch + v->all);
		}
		if (k == IG_ENGINE_FLOAT)
			flt = x;
		if (k == IG_ENGINE_FLOAT && kept && kept != x)
			memcpy(kept, x, (size_t)v->all * sizeof *kept);
		if (v->label)
			ig_eval_score(v, r, k, i, x, in);
		if (k == (int)q && v->use[IG_ENGINE_FLOAT])
			ig_eval_compare(v, r, flt, x);
		if (k > (int)q)
			r->by[k].differing = differing_bytes(e[q], e[k]);
	}
	if (v->watched.n)
		watch(v, worker);
	return true;
}

/* ---- labels and the metric ---- */

static bool is_reconstruction(const struct ig_graph *g)
{
	return g->n_inputs == 1 && g->n_outputs == 1 && ig_elems(ig_vtype(g, g->input[0])) == ig_elems(ig_vtype(g, g->output[0])) &&
	       ig_vtype(g, g->input[0])->dtype == IG_DT_F32 && strcmp(ig_attr_str(ig_def(g, g->input[0]), IG_A_LAYOUT, "nchw"), "nhwc") != 0;
}

/* What the score is; false: the output is none. */
static bool find_score(struct ig_evaluation *v)
{
	int64_t n = outputs_elems(v->s.flt, 0);
	v->score = n == 1 ? IG_SCORE_OUTPUT : n == 2 ? IG_SCORE_DIFFERENCE : IG_SCORE_RECONSTRUCTION;
	return n <= 2 || is_reconstruction(v->s.flt);
}

/* By --metric, else by what the labels and the first output can be: tokens, a score against yes and no, classes. */
static bool choose_metric(struct ig_evaluation *v, int64_t each, bool binary)
{
	const char *word = ig_opt_str(v->s.o, IG_OPT_METRIC);
	const struct ig_graph *g = v->s.flt;
	if (!ig_opt_str(v->s.o, IG_OPT_LABELS))
		v->metric = IG_METRIC_MSE;
	else if (each > 1)
		v->metric = IG_METRIC_PERPLEXITY;
	else if (outputs_elems(g, 0) == 1 || (binary && is_reconstruction(g) && outputs_elems(g, 0) > 2))
		v->metric = IG_METRIC_AUC;
	else
		v->metric = IG_METRIC_TOP1;
	for (int k = 0; word && k < IG_METRIC_COUNT; k++)
		if (strcmp(word, ig_metric_names[k]) == 0)
			v->metric = (enum ig_metric)k;
	v->judged = word || v->metric != IG_METRIC_MSE;
	v->probabilities = ig_def(g, g->output[0])->op == IG_OP_SOFTMAX;
	if (v->metric != IG_METRIC_AUC || find_score(v))
		return true;
	ig_error(v->s.diag, ig_loc_file(v->s.diag, v->s.path),
	         "AUC needs a score: an output of one or two numbers, or one that reconstructs the only input (float32, not nhwc)");
	return false;
}

/* The numbers that labels may be: below this. 0 after a diagnostic. */
static int64_t label_limit(struct ig_evaluation *v, const char *path, int64_t each)
{
	const struct ig_type *t = ig_vtype(v->s.flt, v->s.flt->output[0]);
	v->positions = each;
	v->classes = outputs_elems(v->s.flt, 0) / each;
	if (each > 1 && (v->classes * each != outputs_elems(v->s.flt, 0) || v->classes != t->dim[t->rank - 1] || v->metric == IG_METRIC_AUC)) {
		ig_error(v->s.diag, ig_loc_file(v->s.diag, path), "there are %" PRId64 " labels a sample, but the first output is %s, not [1, %" PRId64 ", classes]%s", each,
		         ig_type_str(v->s.flt->arena, t), each, each == outputs_elems(v->s.flt, 0) ? "; for one-hot rows save a.argmax(1)" : "");
		return 0;
	}
	return v->metric == IG_METRIC_AUC ? 2 : v->classes;
}

static bool check_labels(struct ig_evaluation *v, const char *path, const int64_t *label, int64_t first, int64_t limit)
{
	struct ig_diag *d = v->s.diag;
	bool seen[2] = {false, false};
	for (int64_t i = first * v->positions; i < (first + v->n) * v->positions; i++) {
		if (label[i] < -1 || label[i] >= limit) {
			if (v->metric == IG_METRIC_AUC)
				ig_error(d, ig_loc_file(d, path), "label %" PRId64 " is %" PRId64 ", but AUC is of labels 0 and 1 (-1: no label)", i, label[i]);
			else
				ig_error(d, ig_loc_file(d, path), "label %" PRId64 " is %" PRId64 ", but the model has %" PRId64 " classes (-1: no label)", i, label[i], limit);
			return false;
		}
		if (label[i] >= 0)
			seen[label[i] > 0] = true;
	}
	if (v->metric == IG_METRIC_AUC && !(seen[0] && seen[1])) {
		ig_error(d, ig_loc_file(d, path), "AUC needs samples of both kinds, but all labels are the same");
		return false;
	}
	return true;
}

/* Labels of the slice that is evaluated, and the metric. False after a diagnostic. */
static bool read_labels(struct ig_evaluation *v)
{
	const struct ig_opts *o = v->s.o;
	const char *path = ig_opt_str(o, IG_OPT_LABELS);
	struct ig_diag *d = v->s.diag;
	int64_t n, each = 1, first = ig_opt_given(o, IG_OPT_SAMPLES) ? o->number[IG_OPT_SAMPLES] : 0;
	v->positions = 1;
	v->classes = outputs_elems(v->s.flt, 0);
	if (!path)
		return choose_metric(v, 1, false);
	v->labels = ig_labels_read(path, &n, &each, d);
	if (!v->labels)
		return false;
	if (n < first + v->n || (!ig_opt_given(o, IG_OPT_SAMPLES) && n != v->n)) {
		ig_error(d, ig_loc_file(d, path), "there are %" PRId64 " labels for %" PRId64 " samples", n, first + v->n);
		return false;
	}
	bool binary = true; /* so that a classifier with as many classes as inputs is none that reconstructs */
	for (int64_t i = first * each; i < (first + v->n) * each; i++)
		binary = binary && v->labels[i] <= 1;
	int64_t limit = choose_metric(v, each, binary) ? label_limit(v, path, each) : 0;
	if (limit == 0 || !check_labels(v, path, v->labels, first, limit))
		return false;
	v->label = v->labels + first * each;
	return true;
}

/* Float values with statistics of calibration: their ranges in evaluation are compared with those. */
static void find_watched(struct ig_evaluation *v)
{
	const struct ig_graph *g = v->s.flt;
	if (!v->s.stats || !v->machine.use[IG_ENGINE_FLOAT])
		return;
	for (struct ig_nid n = ig_first(g); n.i >= 0; n = ig_next(g, n)) {
		struct ig_vid o = ig_node(g, n)->out[0];
		if (ig_node(g, n)->op != IG_OP_CONSTANT && ig_vtype(g, o)->dtype == IG_DT_F32 && ig_stats_find(v->s.stats, ig_value(g, o)->name))
			ig_vec_push(&v->watched, o);
	}
}

void ig_eval_warn_shift(struct ig_evaluation *v)
{
	for (int w = 1; w < v->jobs && v->watched.n; w++) {
		for (int i = 0; i < v->watched.n; i++)
			ig_stat_merge(&v->seen[0]->stat.v[i], &v->seen[w]->stat.v[i]);
		v->seen[0]->samples += v->seen[w]->samples;
	}
	if (v->watched.n)
		ig_warn_shift(v->s.stats, v->seen[0], v->s.diag);
}

/* ---- its life ---- */

bool ig_eval_open(struct ig_evaluation *v)
{
	v->ds = ig_session_data(&v->s, true);
	v->n = v->ds ? ig_dataset_count(v->ds) : 0;
	for (int k = 0; k < v->s.flt->n_outputs; k++)
		v->all += outputs_elems(v->s.flt, k);
	return v->ds && read_labels(v);
}

void ig_eval_close(struct ig_evaluation *v)
{
	if (v->ds)
		ig_dataset_free(v->ds);
	free(v->labels);
	free(v->exact);
}

void ig_eval_keep(struct ig_evaluation *v)
{
	size_t elems;
	if (ig_mul_size((size_t)v->n, (size_t)v->all, &elems) && elems <= MOST_KEPT)
		v->exact = ig_xcalloc(elems + 1, sizeof *v->exact);
}

bool ig_eval_begin(struct ig_evaluation *v, const bool use[IG_ENGINE_COUNT], bool exact_known)
{
	bool run[IG_ENGINE_COUNT];
	memcpy(v->use, use, sizeof v->use);
	memcpy(run, use, sizeof run);
	if (exact_known && v->exact)
		run[IG_ENGINE_FLOAT] = false;
	if (!ig_machine_begin(&v->machine, &v->s, run, false, v->n))
		return false;
	find_watched(v);
	v->jobs = ig_samples_jobs(v->s.o, v->ds);
	v->engine = ig_xcalloc((size_t)v->jobs, sizeof *v->engine);
	v->scratch = ig_xcalloc((size_t)v->jobs, sizeof *v->scratch);
	v->record = ig_xcalloc((size_t)v->n, sizeof *v->record);
	v->seen = ig_xcalloc((size_t)v->jobs, sizeof(struct ig_stats *));
	for (int w = 0; w < v->jobs; w++) {
		v->seen[w] = ig_stats_new(0);
		for (int i = 0; i < v->watched.n; i++)
			ig_stats_get(v->seen[w], ig_value(v->s.flt, v->watched.v[i])->name);
		v->scratch[w] = ig_xcalloc((size_t)v->all * 2 + 1, sizeof(float));
		for (int k = 0; k < IG_ENGINE_COUNT; k++)
			if (v->machine.use[k] && !(v->engine[w][k] = ig_engine_new(&v->machine, (enum ig_engine_kind)k)))
				return false;
	}
	return true;
}

bool ig_eval_samples(struct ig_evaluation *v, const char *what) { return ig_samples_run(&v->s, v->ds, v->jobs, what, eval_sample, v); }

void ig_eval_end(struct ig_evaluation *v)
{
	for (int w = 0; w < v->jobs; w++) {
		for (int k = 0; k < IG_ENGINE_COUNT; k++)
			ig_engine_free(v->engine[w][k]);
		free(v->scratch[w]);
		ig_stats_free(v->seen[w]);
	}
	free(v->seen);
	ig_vec_free(&v->watched);
	free(v->engine);
	free(v->scratch);
	free(v->record);
	v->seen = NULL;
	v->engine = NULL;
	v->scratch = NULL;
	v->record = NULL;
	v->jobs = 0;
	ig_machine_end(&v->machine);
}

int ig_eval_check(const struct ig_opts *o, const bool use[IG_ENGINE_COUNT])
{
	const char *word = ig_opt_str(o, IG_OPT_METRIC);
	int k = 0;
	while (word && k < IG_METRIC_COUNT && strcmp(word, ig_metric_names[k]) != 0)
		k++;
	if (word && k == IG_METRIC_COUNT)
		return ig_usage_error(o->cmd, "there is no metric '%s' (top1, mse, perplexity or auc)", word);
	if (word && k == IG_METRIC_MSE && (!use[IG_ENGINE_FLOAT] || ig_eval_quantized(use) == IG_ENGINE_COUNT))
		return ig_usage_error(o->cmd, "--metric mse needs the float engine and another one");
	if (word && k != IG_METRIC_MSE && !ig_opt_given(o, IG_OPT_LABELS))
		return ig_usage_error(o->cmd, "--metric %s needs --labels", word);
	if (ig_opt_given(o, IG_OPT_TOP_K) && !ig_opt_given(o, IG_OPT_LABELS))
		return ig_usage_error(o->cmd, "--top-k needs --labels");
	return IG_EXIT_OK;
}
