/* intaglio eval: accuracy of the float and the quantized model side by side, and a verdict. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/engine.h"
#include "driver/report.h"
#include "driver/samples.h"
#include "ir/detmath.h"

/* What is kept of a sample: enough for every figure, so that outputs need not be. */
struct record {
	int64_t answer[IG_ENGINE_COUNT]; /* index of the largest element of the first output */
	int64_t rank[IG_ENGINE_COUNT];   /* of the label: how many classes come before it */
	int64_t differing[IG_ENGINE_COUNT]; /* bytes that differ from the reference engine's */
	double signal, noise;            /* squares of the float outputs, and of the errors */
};
struct evaluation {
	struct ig_session s;
	struct ig_machine machine;
	struct ig_dataset *ds;
	struct ig_engine *(*engine)[IG_ENGINE_COUNT]; /* by worker */
	float **scratch;                              /* by worker: outputs as float, two of them */
	IG_VEC(struct ig_vid) watched;                /* values of the float graph that were calibrated */
	struct ig_stats **seen;                       /* by worker: what they are in evaluation */
	int64_t most;                                 /* elements of the largest output */
	int jobs;
	const int64_t *label; /* of the slice's first sample; NULL */
	struct record *record;
	int64_t n;
};
struct figures {
	double top1[IG_ENGINE_COUNT], top5[IG_ENGINE_COUNT];
	int64_t differing[IG_ENGINE_COUNT], differing_samples[IG_ENGINE_COUNT];
	double agreement, loss, mse, sqnr; /* NaN: cannot be said */
	enum ig_engine_kind quantized;     /* whose accuracy is compared with float's; COUNT: none */
	bool pass;
};

static int64_t outputs_elems(const struct ig_graph *g, int i) { return ig_elems(ig_vtype(g, g->output[i])); }

/* Index of the largest; the first of equals. NaN is never larger. */
static int64_t argmax(const float *x, int64_t n)
{
	int64_t best = 0;
	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[best] || (x[best] != x[best] && x[i] == x[i]))
			best = i;
	return best;
}

static int64_t rank_of(const float *x, int64_t n, int64_t label)
{
	int64_t r = 0;
	if (x[label] != x[label])
		return n;
	for (int64_t i = 0; i < n; i++)
		r += x[i] > x[label] || (x[i] == x[label] && i < label);
	return r;
}

static const float *output_floats(const struct ig_engine *e, int i, float *scratch)
{
	const struct ig_graph *g = ig_engine_graph(e);
	ig_tensor_floats(g, ig_vtype(g, g->output[i]), ig_engine_output(e, i), scratch);
	return scratch;
}

static void compare_with_float(struct evaluation *v, struct record *r, const struct ig_engine *fe, const struct ig_engine *qe, float *scratch)
{
	for (int k = 0; k < v->s.flt->n_outputs; k++) {
		int64_t n = outputs_elems(v->s.flt, k);
		const float *a = output_floats(fe, k, scratch), *b = output_floats(qe, k, scratch + v->most);
		for (int64_t i = 0; i < n; i++) {
			double e = (double)b[i] - (double)a[i];
			r->signal += (double)a[i] * (double)a[i];
			r->noise += e * e;
		}
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

/* The engine that stands for the quantized model: the norm when it runs, else another. */
static enum ig_engine_kind quantized_engine(const bool *use)
{
	for (int k = IG_ENGINE_REFERENCE; k < IG_ENGINE_COUNT; k++)
		if (use[k])
			return (enum ig_engine_kind)k;
	return IG_ENGINE_COUNT;
}

static void watch(struct evaluation *v, int worker)
{
	float lo, hi;
	struct ig_stats *st = v->seen[worker];
	st->samples++;
	for (int i = 0; i < v->watched.n; i++)
		ig_stat_values(&st->stat.v[i], ig_engine_floats(v->engine[worker][IG_ENGINE_FLOAT], v->watched.v[i]), ig_elems(ig_vtype(v->s.flt, v->watched.v[i])), &lo,
		               &hi);
}

static bool eval_sample(void *self, int worker, int64_t i, const void *const *in)
{
	struct evaluation *v = self;
	struct ig_engine **e = v->engine[worker];
	struct record *r = &v->record[i];
	enum ig_engine_kind q = quantized_engine(v->machine.use);
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		if (!e[k])
			continue;
		if (!ig_engine_run(e[k], in))
			return false;
		const struct ig_graph *g = ig_engine_graph(e[k]);
		int64_t n = outputs_elems(g, 0);
		const float *x = output_floats(e[k], 0, v->scratch[worker]);
		r->answer[k] = argmax(x, n);
		if (v->label && v->label[i] >= 0)
			r->rank[k] = rank_of(x, n, v->label[i]);
		if (k > (int)q)
			r->differing[k] = differing_bytes(e[q], e[k]);
	}
	if (v->watched.n)
		watch(v, worker);
	if (e[IG_ENGINE_FLOAT] && q != IG_ENGINE_COUNT)
		compare_with_float(v, r, e[IG_ENGINE_FLOAT], e[q], v->scratch[worker]);
	return true;
}

/* ---- figures ---- */

static double decibel(double signal, double noise)
{
	if (noise > 0 && signal > 0)
		return 10 * (ig_det_log(signal / noise) / ig_det_log(10));
	return noise > 0 ? -INFINITY : INFINITY;
}

static void count_engine(const struct evaluation *v, struct figures *f, int k)
{
	int64_t labelled = 0, hit = 0, five = 0;
	for (int64_t i = 0; i < v->n; i++) {
		const struct record *r = &v->record[i];
		f->differing[k] += r->differing[k];
		f->differing_samples[k] += r->differing[k] != 0;
		if (!v->label || v->label[i] < 0)
			continue;
		labelled++;
		hit += r->rank[k] == 0;
		five += r->rank[k] < 5;
	}
	f->top1[k] = labelled ? (double)hit / (double)labelled : NAN;
	f->top5[k] = labelled ? (double)five / (double)labelled : NAN;
}

static void judge(const struct evaluation *v, struct figures *f)
{
	const struct ig_opts *o = v->s.o;
	double max_loss = ig_opt_given(o, IG_OPT_MAX_LOSS) ? o->share[IG_OPT_MAX_LOSS] : 0.01;
	const double slack = 1e-9; /* 0.01 is no binary fraction: a loss of 10 samples in 1000 is no more than 1 % */
	f->pass = true;
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		f->pass = f->pass && f->differing[k] == 0;
	if (f->loss > max_loss + slack)
		f->pass = false;
	if (ig_opt_given(o, IG_OPT_MIN_AGREEMENT) && !(f->agreement >= o->share[IG_OPT_MIN_AGREEMENT] - slack))
		f->pass = false;
}

static struct figures figures(const struct evaluation *v)
{
	struct figures f = {.agreement = NAN, .loss = NAN, .mse = NAN, .sqnr = NAN, .quantized = quantized_engine(v->machine.use)};
	double signal = 0, noise = 0, elems = 0;
	int64_t agree = 0;
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (v->machine.use[k])
			count_engine(v, &f, k);
	if (v->machine.use[IG_ENGINE_FLOAT] && f.quantized != IG_ENGINE_COUNT) {
		for (int64_t i = 0; i < v->n; i++) {
			agree += v->record[i].answer[IG_ENGINE_FLOAT] == v->record[i].answer[f.quantized];
			signal += v->record[i].signal;
			noise += v->record[i].noise;
		}
		for (int k = 0; k < v->s.flt->n_outputs; k++)
			elems += (double)outputs_elems(v->s.flt, k) * (double)v->n;
		f.agreement = (double)agree / (double)v->n;
		f.loss = f.top1[IG_ENGINE_FLOAT] - f.top1[f.quantized];
		f.mse = noise / elems;
		f.sqnr = decibel(signal, noise);
	}
	judge(v, &f);
	return f;
}

/* ---- report ---- */

static json_t *report_json(const struct evaluation *v, const struct figures *f)
{
	json_t *root = json_object(), *engines = json_object();
	json_object_set_new(root, "samples", json_integer(v->n));
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		if (!v->machine.use[k])
			continue;
		json_t *e = json_object();
		json_object_set_new(e, "top1", ig_json_share(f->top1[k]));
		json_object_set_new(e, "top5", ig_json_share(f->top5[k]));
		if (k > (int)f->quantized)
			json_object_set_new(e, "differing_bytes", json_integer(f->differing[k]));
		json_object_set_new(engines, ig_engine_names[k], e);
	}
	json_object_set_new(root, "engines", engines);
	json_object_set_new(root, "agreement", ig_json_share(f->agreement));
	json_object_set_new(root, "loss", ig_json_share(f->loss));
	json_object_set_new(root, "mse", ig_json_share(f->mse));
	json_object_set_new(root, "sqnr_db", ig_json_share(f->sqnr));
	if (v->machine.use[IG_ENGINE_NATIVE] || v->machine.use[IG_ENGINE_KIR])
		json_object_set_new(root, "target", json_string(v->s.target->name));
	json_object_set_new(root, "verdict", json_string(f->pass ? "pass" : "fail"));
	return root;
}

static void cell_share(struct ig_table *t, double x)
{
	if (isnan(x))
		ig_table_cell(t, "-");
	else
		ig_table_cell(t, "%.2f %%", 100 * x);
}

static void report_text(const struct evaluation *v, const struct figures *f, FILE *out)
{
	static const char *const titles[] = {"engine", ">top-1", ">top-5", ">bytes that differ"};
	struct ig_table *t = ig_table_new(titles, 4);
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		if (!v->machine.use[k])
			continue;
		if (k == IG_ENGINE_NATIVE)
			ig_table_cell(t, "native (%s)", v->s.target->name);
		else
			ig_table_cell(t, "%s", ig_engine_names[k]);
		cell_share(t, f->top1[k]);
		cell_share(t, f->top5[k]);
		if (k > (int)f->quantized)
			ig_table_cell(t, "%" PRId64, f->differing[k]);
		else
			ig_table_blank(t);
	}
	fprintf(out, "%" PRId64 " samples\n\n", v->n);
	ig_table_print(t, out);
	ig_table_free(t);
	fputc('\n', out);
	if (!isnan(f->agreement))
		fprintf(out, "agreement with float  %.2f %%\n", 100 * f->agreement);
	if (!isnan(f->loss))
		fprintf(out, "loss of accuracy      %.2f %%\n", 100 * f->loss);
	if (!isnan(f->mse))
		fprintf(out, "outputs               SQNR %.2f dB, mean squared error %.4g\n", f->sqnr, f->mse);
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (f->differing[k])
			fprintf(out, "%s differs from %s in %" PRId64 " samples: a defect of Intaglio\n", ig_engine_names[k], ig_engine_names[f->quantized],
			        f->differing_samples[k]);
	fprintf(out, "verdict               %s\n", f->pass ? "pass" : "fail");
}

/* ---- the command ---- */

/* Labels of the slice that is evaluated. False after a diagnostic. */
static bool read_labels(struct evaluation *v, int64_t **all)
{
	const struct ig_opts *o = v->s.o;
	const char *path = ig_opt_str(o, IG_OPT_LABELS);
	struct ig_diag *d = v->s.diag;
	int64_t n, first = ig_opt_given(o, IG_OPT_SAMPLES) ? o->number[IG_OPT_SAMPLES] : 0, classes = outputs_elems(v->s.flt, 0);
	if (!path)
		return true;
	*all = ig_labels_read(path, &n, d);
	if (!*all)
		return false;
	if (n < first + v->n || (!ig_opt_given(o, IG_OPT_SAMPLES) && n != v->n)) {
		ig_error(d, ig_loc_file(d, path), "there are %" PRId64 " labels for %" PRId64 " samples", n, first + v->n);
		return false;
	}
	for (int64_t i = first; i < first + v->n; i++)
		if ((*all)[i] < -1 || (*all)[i] >= classes) {
			ig_error(d, ig_loc_file(d, path), "label %" PRId64 " is %" PRId64 ", but the model has %" PRId64 " classes (-1: no label)", i, (*all)[i], classes);
			return false;
		}
	v->label = *all + first;
	return true;
}

/* Float values with statistics of calibration: their ranges in evaluation are compared with those. */
static void find_watched(struct evaluation *v)
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

static void warn_shift(struct evaluation *v)
{
	for (int w = 1; w < v->jobs && v->watched.n; w++) {
		for (int i = 0; i < v->watched.n; i++)
			ig_stat_merge(&v->seen[0]->stat.v[i], &v->seen[w]->stat.v[i]);
		v->seen[0]->samples += v->seen[w]->samples;
	}
	if (v->watched.n)
		ig_warn_shift(v->s.stats, v->seen[0], v->s.diag);
}

static bool begin_workers(struct evaluation *v)
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

static void end_workers(struct evaluation *v)
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

static int evaluate(struct evaluation *v, const bool *use)
{
	struct ig_session *s = &v->s;
	struct ig_out out;
	if (!ig_session_load(s, s->o->args.v[0]) || !ig_session_float(s))
		return IG_EXIT_DIAG;
	if (quantized_engine(use) != IG_ENGINE_COUNT && (!ig_session_stats(s) || !ig_session_quantize(s)))
		return IG_EXIT_DIAG;
	int64_t *labels = NULL;
	int status = IG_EXIT_DIAG;
	v->ds = ig_session_data(s, true);
	v->n = v->ds ? ig_dataset_count(v->ds) : 0;
	if (v->ds && read_labels(v, &labels) && ig_machine_begin(&v->machine, s, use, false, v->n) && begin_workers(v) &&
	    ig_samples_run(s, v->ds, v->jobs, "evaluating", eval_sample, v) && ig_out_open(&out, s->o, s->diag)) {
		struct figures f = figures(v);
		warn_shift(v);
		if (ig_opt_given(s->o, IG_OPT_JSON))
			ig_json_print(report_json(v, &f), out.f);
		else
			report_text(v, &f, out.f);
		status = !ig_out_close(&out) ? IG_EXIT_DIAG : f.pass ? IG_EXIT_OK : IG_EXIT_VERDICT;
	}
	end_workers(v);
	ig_machine_end(&v->machine);
	ig_dataset_free(v->ds);
	free(labels);
	return status;
}

static int run(const struct ig_opts *o)
{
	struct evaluation v = {.n = 0};
	bool use[IG_ENGINE_COUNT];
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (!ig_engine_list(o, "float,reference,native", use))
		return IG_EXIT_USAGE;
	if (ig_opt_given(o, IG_OPT_MIN_AGREEMENT) && (!use[IG_ENGINE_FLOAT] || quantized_engine(use) == IG_ENGINE_COUNT))
		return ig_usage_error(o->cmd, "--min-agreement needs the float engine and another one");
	ig_session_begin(&v.s, o);
	status = evaluate(&v, use);
	ig_session_close(&v.s);
	return status;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_LABELS, "one integer label a sample (.npy; -1: not counted); without it only agreement and SQNR are judged"},
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
	.text = "Runs each sample through the engines and prints their top-1 and top-5 accuracy, how\n"
	        "often the quantized model gives the float model's answer, and how exact its outputs\n"
	        "are. The engines of the quantized model must give the same bytes.\n"
	        "\n"
	        "The exit status is 3 when the loss of top-1 accuracy is above --max-loss, the\n"
	        "agreement below --min-agreement, or bytes differ.\n",
	.examples = "  intaglio eval kws.ig --calibration calib.npy --data test.npy --labels test_labels.npy\n"
	            "  intaglio eval kws.ig --calibration kws.state --data test.npy --engine float,reference,kir,native --json\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
