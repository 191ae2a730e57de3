/* intaglio tune: a precision for each layer, as a quantize block that meets a budget. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/mix.h"

#define ALONE_SAMPLES 64
#define USUAL_LOSS 0.01 /* without any budget: what eval calls excellent */

/* ---- options ---- */

/* 2ms, 500us, 0.01s; or a share of all layers in int8: 110%. */
static bool parse_latency(const char *s, struct ig_mix_budget *b)
{
	char *end;
	double v = strchr("0123456789.", *s) && *s ? strtod(s, &end) : NAN;
	if (!(v > 0) || !isfinite(v))
		return false;
	double unit = strcmp(end, "us") == 0 ? 1e-6 : strcmp(end, "ms") == 0 ? 1e-3 : strcmp(end, "s") == 0 ? 1 : NAN;
	if (strcmp(end, "%") == 0)
		b->relative = v / 100;
	else
		b->seconds = v * unit;
	return strcmp(end, "%") == 0 || !isnan(unit);
}

static int read_budget(const struct ig_opts *o, struct ig_mix_budget *b)
{
	const char *latency = ig_opt_str(o, IG_OPT_MAX_LATENCY);
	*b = (struct ig_mix_budget){INFINITY, INFINITY, NAN, INT64_MAX};
	if (latency && !parse_latency(latency, b))
		return ig_usage_error(o->cmd, "--max-latency takes a time (2ms, 500us, 0.01s) or a share of the time of all layers in int8 (110%%), not '%s'", latency);
	if (ig_opt_given(o, IG_OPT_MAX_BYTES))
		b->bytes = o->number[IG_OPT_MAX_BYTES];
	if (ig_opt_given(o, IG_OPT_MAX_LOSS))
		b->loss = o->share[IG_OPT_MAX_LOSS];
	else if (!latency && b->bytes == INT64_MAX)
		b->loss = USUAL_LOSS;
	return IG_EXIT_OK;
}

static int check(struct ig_mix *m, const struct ig_opts *o)
{
	const char *cost = ig_opt_str(o, IG_OPT_COST), *path = ig_opt_str(o, IG_OPT_OUTPUT);
	static const bool both[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true, [IG_ENGINE_NATIVE] = true};
	int status = ig_session_check(o);
	if (status == IG_EXIT_OK)
		status = ig_mix_check(o);
	if (status == IG_EXIT_OK && !ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (status == IG_EXIT_OK)
		status = ig_eval_check(o, both);
	if (status == IG_EXIT_OK && cost && strcmp(cost, "bytes") != 0 && strcmp(cost, "time") != 0)
		return ig_usage_error(o->cmd, "--cost is bytes or time, not '%s'", cost);
	if (status == IG_EXIT_OK && path && strcmp(path, "-") == 0)
		return ig_usage_error(o->cmd, "-o needs the name of a file");
	if (status == IG_EXIT_OK)
		status = read_budget(o, &m->budget);
	m->by_time = cost ? strcmp(cost, "time") == 0 : ig_opt_given(o, IG_OPT_MAX_LATENCY);
	m->timed = m->by_time || ig_opt_given(o, IG_OPT_MAX_LATENCY) || ig_opt_given(o, IG_OPT_BENCH);
	return status;
}

/* ---- the command ---- */

/* The native engine where this CPU runs the target's code, else the interpreter. */
static bool choose_engine(struct ig_mix *m)
{
	const struct ig_session *s = &m->v.s;
	bool runs = s->target->triple && ig_target_runs_here(s->target);
	m->lowers = ig_mix_lowers(m);
	m->engine = runs && m->lowers ? IG_ENGINE_NATIVE : IG_ENGINE_REFERENCE;
	if (m->engine == IG_ENGINE_NATIVE || !m->timed)
		return true;
	if (m->lowers)
		ig_error(s->diag, IG_NOLOC, "target %s has no code that this CPU can time: choose another --target, or count bytes", s->target->name);
	else
		ig_error(s->diag, IG_NOLOC, "what cannot be compiled cannot be timed: count bytes");
	return false;
}

static bool prepare(struct ig_mix *m)
{
	struct ig_session *s = &m->v.s;
	if (!ig_session_load(s, m->o->args.v[0]) || !ig_session_float(s) || ig_session_refuse_quantized(s, "tuned"))
		return false;
	if (s->given) {
		ig_error(s->diag, ig_loc_file(s->diag, s->path), "the model is quantized already: its parameters are not to be chosen anew");
		return false;
	}
	if (!ig_mix_plan(m) || !ig_mix_calibrate(m) || !ig_eval_open(&m->v) || !ig_mix_probe(m) || !choose_engine(m))
		return false;
	int64_t most = ig_opt_given(m->o, IG_OPT_ALONE_SAMPLES) ? m->o->number[IG_OPT_ALONE_SAMPLES] : ALONE_SAMPLES;
	m->alone_samples = most < m->v.n ? most : m->v.n;
	ig_eval_keep(&m->v);
	return ig_mix_state_open(m);
}

/* First, so that what cannot be written is told at once. */
static bool open_output(const struct ig_mix *m, struct ig_outfile *out)
{
	struct ig_diag *d = m->v.s.diag;
	const char *path = ig_opt_str(m->o, IG_OPT_OUTPUT), *folder = ig_opt_str(m->o, IG_OPT_FRONT);
	struct stat st;
	if (folder && mkdir(folder, 0777) != 0 && (errno != EEXIST || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))) {
		ig_error(d, ig_loc_file(d, folder), "cannot create the folder: %s", strerror(errno));
		return false;
	}
	return !path || ig_outfile_open(out, path, d);
}

static bool write_block(const struct ig_mix *m, struct ig_outfile *out)
{
	if (!ig_opt_given(m->o, IG_OPT_OUTPUT) || m->chosen < 0)
		return true;
	const struct ig_mix_point *p = &m->points.v[m->chosen];
	char *text = ig_mix_text(m, p->choice, p);
	fputs(text, out->file);
	free(text);
	return ig_outfile_commit(out);
}

static bool report(struct ig_mix *m, struct ig_outfile *out)
{
	struct ig_mix_worth *w = ig_xcalloc((size_t)m->points.n, sizeof *w);
	int *front = ig_xcalloc((size_t)m->points.n, sizeof *front);
	for (int i = 0; i < m->points.n; i++)
		w[i] = ig_mix_worth(m, &m->points.v[i]);
	int n = ig_mix_front(w, m->points.n, front);
	const char *folder = ig_opt_str(m->o, IG_OPT_FRONT);
	bool ok = write_block(m, out) && (!folder || ig_mix_write_front(m, front, n, folder));
	if (ok && ig_opt_given(m->o, IG_OPT_JSON))
		ig_json_print(ig_mix_report_json(m, front, n), stdout);
	else if (ok)
		ig_mix_report_text(m, front, n, stdout);
	free(front);
	free(w);
	return ok && ig_stdout_check(m->v.s.diag);
}

static int run(const struct ig_opts *o)
{
	struct ig_mix m = {.o = o, .chosen = -1};
	struct ig_outfile out = {.path = NULL};
	int status = check(&m, o);
	if (status != IG_EXIT_OK)
		return status;
	m.arena = ig_arena_new();
	ig_session_begin(&m.v.s, o);
	bool ok = open_output(&m, &out) && prepare(&m) && ig_mix_alone(&m) && ig_mix_search(&m) && report(&m, &out);
	ig_outfile_abort(&out);
	ig_eval_close(&m.v);
	ig_mix_free(&m);
	ig_session_close(&m.v.s);
	if (m.rules)
		ig_qconfig_map_free(m.rules);
	return !ok ? IG_EXIT_DIAG : m.chosen < 0 ? IG_EXIT_VERDICT : IG_EXIT_OK;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_LABELS, "one integer label a sample, or a token (.npy; -1: not counted); without it the loss is the noise's share of the outputs"},
	{IG_OPT_METRIC, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_PRECISIONS, NULL},
	{IG_OPT_OBSERVERS, NULL},
	{IG_OPT_MAX_LOSS, "the cheapest mix that loses at most L (default 1% when no budget is given)"},
	{IG_OPT_CERTAIN, NULL},
	{IG_OPT_MAX_BYTES, NULL},
	{IG_OPT_MAX_LATENCY, NULL},
	{IG_OPT_COST, NULL},
	{IG_OPT_BENCH, "also measure times where only bytes count"},
	{IG_OPT_STEPS, NULL},
	{IG_OPT_ALONE_SAMPLES, NULL},
	{IG_OPT_WORST, "show the N layers that add most noise alone (default 5)"},
	{IG_OPT_STATE, NULL},
	{IG_OPT_FRONT, NULL},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_OUTPUT, "write the chosen quantize block to FILE"},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_tune = {
	.name = "tune",
	.args = "MODEL --data F",
	.summary = "a precision for each layer that meets a budget, as a quantize block",
	.text = "Measures what each layer alone does to the outputs in each precision, then searches\n"
	        "for mixes: from the one of least noise on, layers are made cheaper one by one, those\n"
	        "first that add the least noise for what they save. Every mix on the way is evaluated\n"
	        "as eval does it. Prints the front of loss against bytes (of constants) or time (of\n"
	        "accuracy, AUC and perplexity the upper end of the loss's 95 % interval: a lucky mix is\n"
	        "no good one); writes the mix that meets the budget as a quantize block for --qconfig\n"
	        "or the model, with the evidence for each line. With --max-loss that is the cheapest\n"
	        "one, without it the one of least loss.\n"
	        "\n"
	        "Precisions: int8, w8a16, dynamic, float32, float16, bfloat16; weights of float32 layers\n"
	        "in s8, s4, s4g128, s4g64, s4g32 (4 bits, groups of so many). Default\n"
	        "int8,float32,float16,s8.\n"
	        "Observers of int8's activations: minmax, moving_average, histogram, mse, percentile,\n"
	        "entropy; without them int8 is what the model's own `default` rule says. Its rules for\n"
	        "single layers, types and patterns stay as they are.\n"
	        "\n"
	        "The exit status is 3 when no mix meets the budget. With --state an interrupted run\n"
	        "goes on where it was.\n",
	.examples = "  intaglio tune kws.ig --calibration calib.npy --data test.npy --labels labels.npy --max-loss 0.1% -o best.ig\n"
	            "  intaglio tune kws.ig --calibration kws.state --data test.npy --labels labels.npy --precisions int8,s4 --max-bytes 20K\n"
	            "  intaglio tune ad.ig --calibration calib.npy --data test.npy --max-latency 110% --state ad.tune -o best.ig\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
