#include "driver/eval.h"

#include <inttypes.h>
#include <math.h>

/* ---- JSON ---- */

static json_t *interval_json(struct ig_interval i)
{
	json_t *a = isnan(i.lo) || isnan(i.hi) ? json_null() : json_array();
	if (json_is_array(a)) {
		json_array_append_new(a, ig_json_share(i.lo));
		json_array_append_new(a, ig_json_share(i.hi));
	}
	return a;
}

/* Which interval is an engine's: those of the quantized model give the same bytes. NULL: none was computed. */
static const struct ig_interval *engine_interval(const struct ig_figures *f, int k)
{
	return k == IG_ENGINE_FLOAT ? &f->metric[0] : k == (int)f->quantized ? &f->metric[1] : NULL;
}

static json_t *engine_json(const struct ig_evaluation *v, const struct ig_figures *f, int k)
{
	json_t *e = json_object();
	const struct ig_interval *in = engine_interval(f, k);
	json_object_set_new(e, "top1", ig_json_share(f->by[k].top1));
	json_object_set_new(e, "top5", ig_json_share(f->by[k].top5));
	if (ig_opt_given(v->s.o, IG_OPT_TOP_K))
		json_object_set_new(e, "topk", ig_json_share(f->by[k].topk));
	if (v->metric == IG_METRIC_PERPLEXITY)
		json_object_set_new(e, "perplexity", ig_json_share(f->by[k].perplexity));
	if (v->metric == IG_METRIC_AUC)
		json_object_set_new(e, "auc", ig_json_share(f->by[k].auc));
	if (in)
		json_object_set_new(e, "interval", interval_json(*in));
	if (k > (int)f->quantized)
		json_object_set_new(e, "differing_bytes", json_integer(f->by[k].differing));
	return e;
}

json_t *ig_eval_json(const struct ig_evaluation *v, const struct ig_figures *f)
{
	json_t *root = json_object(), *engines = json_object();
	json_object_set_new(root, "samples", json_integer(v->n));
	json_object_set_new(root, "metric", json_string(ig_metric_names[v->metric]));
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (v->use[k])
			json_object_set_new(engines, ig_engine_names[k], engine_json(v, f, k));
	json_object_set_new(root, "engines", engines);
	json_object_set_new(root, "agreement", ig_json_share(f->agreement));
	json_object_set_new(root, "loss", ig_json_share(f->loss_of));
	json_object_set_new(root, "loss_interval", interval_json(f->loss));
	json_object_set_new(root, "mse", ig_json_share(f->mse));
	json_object_set_new(root, "sqnr_db", ig_json_share(f->sqnr));
	json_object_set_new(root, "sqnr_db_interval", interval_json(f->sqnr_db));
	json_object_set_new(root, "interval_level", ig_json_share(IG_BOOTSTRAP_LEVEL));
	json_object_set_new(root, "resamples", json_integer(IG_BOOTSTRAP_RESAMPLES));
	if (v->use[IG_ENGINE_NATIVE] || v->use[IG_ENGINE_KIR])
		json_object_set_new(root, "target", json_string(v->s.target->name));
	json_object_set_new(root, "max_loss", ig_json_share(f->max_loss));
	json_object_set_new(root, "grade", f->grade == IG_GRADE_NONE ? json_null() : json_string(ig_grade_names[f->grade]));
	json_object_set_new(root, "certain", f->grade == IG_GRADE_NONE ? json_null() : json_boolean(f->certain));
	json_object_set_new(root, "verdict", json_string(f->pass ? "pass" : "fail"));
	return root;
}

/* ---- text ---- */

static void cell_share(struct ig_table *t, double x)
{
	if (isnan(x))
		ig_table_cell(t, "-");
	else
		ig_table_cell(t, "%.2f %%", 100 * x);
}

static void cell_number(struct ig_table *t, double x)
{
	if (isnan(x))
		ig_table_cell(t, "-");
	else
		ig_table_cell(t, "%.4f", x);
}

static void cell_interval(struct ig_table *t, const struct ig_evaluation *v, const struct ig_interval *i)
{
	if (!i || isnan(i->lo) || isnan(i->hi))
		ig_table_blank(t);
	else if (v->metric == IG_METRIC_TOP1)
		ig_table_cell(t, "%.2f to %.2f %%", 100 * i->lo, 100 * i->hi);
	else
		ig_table_cell(t, "%.4f to %.4f", i->lo, i->hi);
}

/* Columns by what can be said: of AUC's samples there is no class. */
static struct ig_table *engines_table(const struct ig_evaluation *v, const struct ig_figures *f)
{
	bool own = v->metric == IG_METRIC_AUC || v->metric == IG_METRIC_PERPLEXITY, classes = v->metric != IG_METRIC_AUC;
	bool some = ig_opt_given(v->s.o, IG_OPT_TOP_K) && classes, intervals = v->metric != IG_METRIC_MSE;
	char top_k[40];
	const char *titles[8];
	int n = 0;
	titles[n++] = "engine";
	if (own)
		titles[n++] = v->metric == IG_METRIC_AUC ? ">AUC" : ">perplexity";
	if (classes) {
		titles[n++] = ">top-1";
		titles[n++] = ">top-5";
	}
	if (some) {
		snprintf(top_k, sizeof top_k, ">top-%" PRId64, v->s.o->number[IG_OPT_TOP_K]);
		titles[n++] = top_k;
	}
	if (intervals)
		titles[n++] = own ? ">95 % interval" : ">95 % interval of top-1";
	titles[n++] = ">bytes that differ";
	struct ig_table *t = ig_table_new(titles, n);
	for (int k = 0; k < IG_ENGINE_COUNT; k++) {
		if (!v->use[k])
			continue;
		if (k == IG_ENGINE_NATIVE)
			ig_table_cell(t, "native (%s)", v->s.target->name);
		else
			ig_table_cell(t, "%s", ig_engine_names[k]);
		if (own)
			cell_number(t, v->metric == IG_METRIC_AUC ? f->by[k].auc : f->by[k].perplexity);
		if (classes) {
			cell_share(t, f->by[k].top1);
			cell_share(t, f->by[k].top5);
		}
		if (some)
			cell_share(t, f->by[k].topk);
		if (intervals)
			cell_interval(t, v, engine_interval(f, k));
		if (k > (int)f->quantized)
			ig_table_cell(t, "%" PRId64, f->by[k].differing);
		else
			ig_table_blank(t);
	}
	return t;
}

/* What a loss is of, in 22 columns. */
static const char *const loss_titles[IG_METRIC_COUNT] = {
	[IG_METRIC_TOP1] = "loss of accuracy      ",
	[IG_METRIC_MSE] = "noise of the outputs  ",
	[IG_METRIC_PERPLEXITY] = "growth of perplexity  ",
	[IG_METRIC_AUC] = "loss of AUC           ",
};

static void print_interval(FILE *out, struct ig_interval i, double unit)
{
	if (!isnan(i.lo) && !isnan(i.hi))
		fprintf(out, " (95 %%: %.2f to %.2f)", unit * i.lo, unit * i.hi);
}

void ig_eval_text(const struct ig_evaluation *v, const struct ig_figures *f, FILE *out)
{
	struct ig_table *t = engines_table(v, f);
	fprintf(out, "%" PRId64 " samples\n\n", v->n);
	ig_table_print(t, out);
	ig_table_free(t);
	fputc('\n', out);
	if (!isnan(f->agreement))
		fprintf(out, "agreement with float  %.2f %%\n", 100 * f->agreement);
	if (!isnan(f->loss_of)) {
		fprintf(out, "%s%.2f %%", loss_titles[v->metric], 100 * f->loss_of);
		print_interval(out, f->loss, 100);
		if (f->grade != IG_GRADE_NONE)
			fprintf(out, ": %s", ig_grade_names[f->grade]);
		fputc('\n', out);
	}
	if (!isnan(f->mse)) {
		fprintf(out, "outputs               SQNR %.2f dB", f->sqnr);
		print_interval(out, f->sqnr_db, 1);
		fprintf(out, ", mean squared error %.4g\n", f->mse);
	}
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (f->by[k].differing)
			fprintf(out, "%s differs from %s in %" PRId64 " samples: a defect of Intaglio\n", ig_engine_names[k], ig_engine_names[f->quantized],
			        f->by[k].differing_samples);
	fprintf(out, "verdict               %s%s\n", f->pass ? "pass" : "fail",
	        f->certain ? "" : ", not certain: the interval of the loss reaches over the limit; more samples would tell");
}
