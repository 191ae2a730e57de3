/* intaglio eval: accuracy of the float and the quantized model side by side, and a verdict. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/eval.h"
#include "driver/metrics.h"
#include "driver/samples.h"

static int64_t outputs_elems(const struct ig_graph *g, int i) { return ig_elems(ig_vtype(g, g->output[i])); }

static const float *output_floats(const struct ig_engine *e, int i, float *scratch)
{
	const struct ig_graph *g = ig_engine_graph(e);
	ig_tensor_floats(g, ig_vtype(g, g->output[i]), ig_engine_output(e, i), scratch);
	return scratch;
}

static void compare_with_float(struct ig_evaluation *v, struct ig_eval_record *r, const struct ig_engine *fe, const struct ig_engine *qe, float *scratch)
{
	for (int k = 0; k < v->s.flt->n_outputs; k++) {
		int64_t n = outputs_elems(v->s.flt, k);
		const float *a = output_floats(fe, k, scratch), *b = output_floats(qe, k, scratch + v->most);
		for (int64_t i = 0; k == 0 && i < v->positions; i++)
			r->agree += ig_argmax(a + i * v->classes, v->classes) == ig_argmax(b + i * v->classes, v->classes);
		struct ig_error_sums e = {.signal = 0};
		ig_error_add(&e, a, b, n);
		r->signal += e.signal;
		r->noise += e.noise;
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

/* The first output x of engine k against the sample's labels. */
static void score_sample(const struct ig_evaluation *v, struct ig_eval_record *r, int k, const int64_t *label, const float *x, const void *const *in)
{
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
	enum ig_engine_kind q = ig_eval_quantized(v->machine.use);
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		if (!e[k])
			continue;
		if (!ig_engine_run(e[k], in))
			return false;
		if (v->label)
			score_sample(v, r, k, v->label + i * v->positions, output_floats(e[k], 0, v->scratch[worker]), in);
		if (k > (int)q)
			r->by[k].differing = differing_bytes(e[q], e[k]);
	}
	if (v->watched.n)
		watch(v, worker);
	if (e[IG_ENGINE_FLOAT] && q != IG_ENGINE_COUNT)
		compare_with_float(v, r, e[IG_ENGINE_FLOAT], e[q], v->scratch[worker]);
	return true;
}

/* ---- the command ---- */

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
static bool read_labels(struct ig_evaluation *v, int64_t **all)
{
	const struct ig_opts *o = v->s.o;
	const char *path = ig_opt_str(o, IG_OPT_LABELS);
	struct ig_diag *d = v->s.diag;
	int64_t n, each = 1, first = ig_opt_given(o, IG_OPT_SAMPLES) ? o->number[IG_OPT_SAMPLES] : 0;
	v->positions = 1;
	v->classes = outputs_elems(v->s.flt, 0);
	if (!path)
		return choose_metric(v, 1, false);
	*all = ig_labels_read(path, &n, &each, d);
	if (!*all)
		return false;
	if (n < first + v->n || (!ig_opt_given(o, IG_OPT_SAMPLES) && n != v->n)) {
		ig_error(d, ig_loc_file(d, path), "there are %" PRId64 " labels for %" PRId64 " samples", n, first + v->n);
		return false;
	}
	bool binary = true; /* so that a classifier with as many classes as inputs is none that reconstructs */
	for (int64_t i = first * each; i < (first + v->n) * each; i++)
		binary = binary && (*all)[i] <= 1;
	int64_t limit = choose_metric(v, each, binary) ? label_limit(v, path, each) : 0;
	if (limit == 0 || !check_labels(v, path, *all, first, limit))
		return false;
	v->label = *all + first * each;
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

static void warn_shift(struct ig_evaluation *v)
{
	for (int w = 1; w < v->jobs && v->watched.n; w++) {
		for (int i = 0; i < v->watched.n; i++)
			ig_stat_merge(&v->seen[0]->stat.v[i], &v->seen[w]->stat.v[i]);
		v->seen[0]->samples += v->seen[w]->samples;
	}
	if (v->watched.n)
		ig_warn_shift(v->s.stats, v->seen[0], v->s.diag);
}

static bool begin_workers(struct ig_evaluation *v)
{
	find_watched(v);
	for (int k = 0; k < v->s.flt->n_outputs; k++)
		if (outputs_elems(v->s.flt, k) > v->most)
			v->most = outputs_elems(v->s.flt, k);
	v->jobs = ig_samples_jobs(v->s.o, v->ds);
	v->engine = ig_xcalloc((size_t)v->jobs, sizeof *v->engine);
	v->scratch = ig_xcalloc((size_t)v->jobs, sizeof *v->scratch);
	v->record = ig_xcalloc((size_t)v->n, sizeof *v->record);
	v->seen = ig_xcalloc((size_t)v->jobs, sizeof(struct ig_stats *));
	for (int w = 0; w < v->jobs; w++) {
		v->seen[w] = ig_stats_new(0);
		for (int i = 0; i < v->watched.n; i++)
			ig_stats_get(v->seen[w], ig_value(v->s.flt, v->watched.v[i])->name);
		v->scratch[w] = ig_xcalloc((size_t)v->most * 2, sizeof(float));
		for (int k = 0; k < IG_ENGINE_COUNT; k++)
			if (v->machine.use[k] && !(v->engine[w][k] = ig_engine_new(&v->machine, (enum ig_engine_kind)k)))
				return false;
	}
	return true;
}

static void end_workers(struct ig_evaluation *v)
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
}

static int evaluate(struct ig_evaluation *v, const bool *use)
{
	struct ig_session *s = &v->s;
	struct ig_out out;
	if (!ig_session_load(s, s->o->args.v[0]) || !ig_session_float(s))
		return IG_EXIT_DIAG;
	if (ig_eval_quantized(use) != IG_ENGINE_COUNT && (!ig_session_stats(s) || !ig_session_quantize(s)))
		return IG_EXIT_DIAG;
	int64_t *labels = NULL;
	int status = IG_EXIT_DIAG;
	v->ds = ig_session_data(s, true);
	v->n = v->ds ? ig_dataset_count(v->ds) : 0;
	if (v->ds && read_labels(v, &labels) && ig_machine_begin(&v->machine, s, use, false, v->n) && begin_workers(v) &&
	    ig_samples_run(s, v->ds, v->jobs, "evaluating", eval_sample, v) && ig_out_open(&out, s->o, s->diag)) {
		struct ig_figures f = ig_eval_figures(v);
		warn_shift(v);
		if (ig_opt_given(s->o, IG_OPT_JSON))
			ig_json_print(ig_eval_json(v, &f), out.f);
		else
			ig_eval_text(v, &f, out.f);
		status = !ig_out_close(&out) ? IG_EXIT_DIAG : f.pass ? IG_EXIT_OK : IG_EXIT_VERDICT;
	}
	end_workers(v);
	ig_machine_end(&v->machine);
	ig_dataset_free(v->ds);
	free(labels);
	return status;
}

static int check_metric(const struct ig_opts *o, const bool *use)
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

static int run(const struct ig_opts *o)
{
	struct ig_evaluation v = {.n = 0};
	bool use[IG_ENGINE_COUNT];
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (!ig_engine_list(o, "float,reference,native", use))
		return IG_EXIT_USAGE;
	if (ig_opt_given(o, IG_OPT_MIN_AGREEMENT) && (!use[IG_ENGINE_FLOAT] || ig_eval_quantized(use) == IG_ENGINE_COUNT))
		return ig_usage_error(o->cmd, "--min-agreement needs the float engine and another one");
	if ((status = check_metric(o, use)) != IG_EXIT_OK)
		return status;
	ig_session_begin(&v.s, o);
	status = evaluate(&v, use);
	ig_session_close(&v.s);
	return status;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_LABELS, "one integer label a sample, or a token (.npy; -1: not counted); without it only agreement and bytes are judged"},
	{IG_OPT_METRIC, NULL},
	{IG_OPT_TOP_K, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_ENGINE, "engines to run: float, reference, kir, native (default float,reference,native)"},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_MAX_LOSS, NULL},
	{IG_OPT_MIN_AGREEMENT, NULL},
	{IG_OPT_THREADS, "split each call of the native engine over N threads (default 1, at most 32); results do not depend on it"},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_OUTPUT, NULL},
	{IG_OPT_VERIFY, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_eval = {
	.name = "eval",
	.args = "MODEL --data F",
	.summary = "accuracy of the float and the quantized model, with a verdict",
	.text = "Runs each sample through the engines and prints how good their answers are, how often\n"
	        "the quantized model gives the float model's answer, and how exact its outputs are,\n"
	        "with 95 % intervals by a paired bootstrap of the samples. The engines of the\n"
	        "quantized model must give the same bytes.\n"
	        "\n"
	        "The metric is top-1 accuracy of one label a sample; perplexity of one label a token\n"
	        "(output [1, tokens, vocabulary], logits or softmax); AUC of labels 0 and 1 against an\n"
	        "output of one number, or against the reconstruction error when the output has the\n"
	        "input's size. The loss is the points that accuracy or AUC fall by, the share that\n"
	        "perplexity grows by, or (--metric mse) the noise's share of the outputs' power.\n"
	        "Below 1 % it is excellent, up to 2 % acceptable.\n"
	        "\n"
	        "The exit status is 3 when the loss is above --max-loss, the agreement below\n"
	        "--min-agreement, or bytes differ.\n",
	.examples = "  intaglio eval kws.ig --calibration calib.npy --data test.npy --labels test_labels.npy\n"
	            "  intaglio eval kws.ig --calibration kws.state --data test.npy --engine float,reference,kir,native --json\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
