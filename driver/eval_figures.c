/* From the samples' records to the figures, their confidence intervals and the verdict. */
#include "driver/eval.h"

#include <math.h>
#include <stdlib.h>

#include "driver/metrics.h"
#include "ir/detmath.h"

const char *const ig_metric_names[IG_METRIC_COUNT] = {"top1", "mse", "perplexity", "auc"};
const char *const ig_grade_names[IG_GRADE_NONE] = {"excellent", "acceptable", "not acceptable"};

/* A loss below 1 % is excellent, up to 2 % acceptable: what practitioners take for quantization to 8 bits. */
#define EXCELLENT 0.01
#define ACCEPTABLE 0.02
#define SLACK 1e-9 /* 0.01 is no binary fraction: a loss of 10 samples in 1000 is no more than 1 % */

enum ig_engine_kind ig_eval_quantized(const bool *use)
{
	for (int k = IG_ENGINE_REFERENCE; k < IG_ENGINE_COUNT; k++)
		if (use[k])
			return (enum ig_engine_kind)k;
	return IG_ENGINE_COUNT;
}

/* The metric of two models on any resample of the samples. */
struct measure {
	const struct ig_evaluation *v;
	enum ig_engine_kind of[2]; /* float and quantized; COUNT: did not run */
	struct ig_auc *auc[2];
};
enum { FLOAT, QUANTIZED, LOSS, SQNR, STATISTICS };

static double per_label(const struct measure *m, enum ig_engine_kind k, const uint32_t *times)
{
	double sum = 0, labelled = 0;
	bool nll = m->v->metric == IG_METRIC_PERPLEXITY;
	for (int64_t i = 0; i < m->v->n; i++) {
		const struct ig_eval_record *r = &m->v->record[i];
		double w = times ? times[i] : 1;
		if (w == 0 || r->labelled == 0)
			continue;
		sum += w * (nll ? r->by[k].nll : (double)r->by[k].top1);
		labelled += w * (double)r->labelled;
	}
	if (!(labelled > 0))
		return NAN;
	return nll ? ig_det_exp(sum / labelled) : sum / labelled;
}

static double metric_of(const struct measure *m, int which, const uint32_t *times)
{
	if (m->of[which] == IG_ENGINE_COUNT || !m->v->label || m->v->metric == IG_METRIC_MSE)
		return NAN;
	return m->v->metric == IG_METRIC_AUC ? ig_auc_area(m->auc[which], times) : per_label(m, m->of[which], times);
}

/* Accuracy and area fall by points, a perplexity grows by a share of itself; of outputs the noise is a share of their power. */
static double loss_of(const struct measure *m, double exact, double quantized, double signal, double noise)
{
	switch (m->v->metric) {
	case IG_METRIC_PERPLEXITY: return quantized / exact - 1;
	case IG_METRIC_MSE: return !m->v->judged || m->of[0] == IG_ENGINE_COUNT || m->of[1] == IG_ENGINE_COUNT ? NAN : noise > 0 ? noise / signal : 0;
	default: return exact - quantized;
	}
}

static void statistics(void *self, const uint32_t *times, double *out)
{
	const struct measure *m = self;
	double signal = 0, noise = 0;
	for (int64_t i = 0; i < m->v->n; i++) {
		double w = times ? times[i] : 1;
		signal += w * m->v->record[i].signal;
		noise += w * m->v->record[i].noise;
	}
	out[FLOAT] = metric_of(m, 0, times);
	out[QUANTIZED] = metric_of(m, 1, times);
	out[LOSS] = loss_of(m, out[FLOAT], out[QUANTIZED], signal, noise);
	out[SQNR] = m->of[0] == IG_ENGINE_COUNT || m->of[1] == IG_ENGINE_COUNT ? NAN : ig_decibel(signal, noise);
}

static struct ig_auc *auc_of(const struct ig_evaluation *v, enum ig_engine_kind k)
{
	double *score = ig_xcalloc((size_t)v->n + 1, sizeof *score);
	for (int64_t i = 0; i < v->n; i++)
		score[i] = v->record[i].by[k].score;
	struct ig_auc *a = ig_auc_new(score, v->label, v->n);
	free(score);
	return a;
}

static void measure(const struct ig_evaluation *v, struct ig_figures *f)
{
	struct measure m = {.v = v, .of = {v->use[IG_ENGINE_FLOAT] ? IG_ENGINE_FLOAT : IG_ENGINE_COUNT, f->quantized}};
	struct ig_interval in[STATISTICS];
	double whole[STATISTICS];
	for (int k = 0; k < 2 && v->metric == IG_METRIC_AUC; k++)
		if (m.of[k] != IG_ENGINE_COUNT)
			m.auc[k] = auc_of(v, m.of[k]);
	statistics(&m, NULL, whole);
	ig_bootstrap(v->n, STATISTICS, statistics, &m, in);
	f->loss_of = whole[LOSS];
	f->sqnr = whole[SQNR];
	f->metric[0] = in[FLOAT];
	f->metric[1] = in[QUANTIZED];
	f->loss = in[LOSS];
	f->sqnr_db = in[SQNR];
	for (int k = 0; k < 2; k++) {
		if (m.of[k] != IG_ENGINE_COUNT && v->metric == IG_METRIC_AUC)
			f->by[m.of[k]].auc = whole[k];
		ig_auc_free(m.auc[k]);
	}
}

static void count_engine(const struct ig_evaluation *v, struct ig_figures *f, int k)
{
	int64_t labelled = 0, hit = 0, five = 0, some = 0;
	double nll = 0;
	for (int64_t i = 0; i < v->n; i++) {
		const struct ig_eval_record *r = &v->record[i];
		f->by[k].differing += r->by[k].differing;
		f->by[k].differing_samples += r->by[k].differing != 0;
		labelled += r->labelled;
		hit += r->by[k].top1;
		five += r->by[k].top5;
		some += r->by[k].topk;
		nll += r->by[k].nll;
	}
	bool classes = labelled > 0 && v->metric != IG_METRIC_AUC;
	f->by[k].top1 = classes ? (double)hit / (double)labelled : NAN;
	f->by[k].top5 = classes ? (double)five / (double)labelled : NAN;
	f->by[k].topk = classes ? (double)some / (double)labelled : NAN;
	f->by[k].perplexity = classes && v->metric == IG_METRIC_PERPLEXITY ? ig_det_exp(nll / (double)labelled) : NAN;
	f->by[k].auc = NAN;
	if (v->metric == IG_METRIC_AUC && k > (int)f->quantized) { /* the others are found with their intervals */
		struct ig_auc *a = auc_of(v, (enum ig_engine_kind)k);
		f->by[k].auc = ig_auc_area(a, NULL);
		ig_auc_free(a);
	}
}

static void judge(const struct ig_evaluation *v, struct ig_figures *f)
{
	const struct ig_opts *o = v->s.o;
	bool both = v->use[IG_ENGINE_FLOAT] && f->quantized != IG_ENGINE_COUNT, labelled = false;
	f->max_loss = ig_opt_given(o, IG_OPT_MAX_LOSS) ? o->share[IG_OPT_MAX_LOSS] : ACCEPTABLE;
	for (int64_t i = 0; i < v->n; i++)
		labelled = labelled || v->record[i].labelled > 0;
	f->pass = true;
	f->certain = true;
	f->grade = IG_GRADE_NONE;
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		f->pass = f->pass && f->by[k].differing == 0;
	if (v->judged && both && (labelled || v->metric == IG_METRIC_MSE)) {
		f->grade = f->loss_of < EXCELLENT - SLACK ? IG_GRADE_EXCELLENT : f->loss_of <= ACCEPTABLE + SLACK ? IG_GRADE_ACCEPTABLE : IG_GRADE_POOR;
		f->pass = f->pass && f->loss_of <= f->max_loss + SLACK; /* a loss that is not a number is none that passes */
		f->certain = f->loss.hi <= f->max_loss + SLACK || f->loss.lo > f->max_loss + SLACK;
	}
	if (ig_opt_given(o, IG_OPT_MIN_AGREEMENT) && !(f->agreement >= o->share[IG_OPT_MIN_AGREEMENT] - SLACK))
		f->pass = false;
}

struct ig_figures ig_eval_figures(const struct ig_evaluation *v)
{
	struct ig_figures f = {.agreement = NAN, .mse = NAN, .quantized = ig_eval_quantized(v->use)};
	double noise = 0, elems = 0;
	int64_t agree = 0;
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (v->use[k])
			count_engine(v, &f, k);
	measure(v, &f);
	if (v->use[IG_ENGINE_FLOAT] && f.quantized != IG_ENGINE_COUNT) {
		for (int64_t i = 0; i < v->n; i++) {
			agree += v->record[i].agree;
			noise += v->record[i].noise;
		}
		for (int k = 0; k < v->s.flt->n_outputs; k++)
			elems += (double)ig_elems(ig_vtype(v->s.flt, v->s.flt->output[k])) * (double)v->n;
		f.agreement = (double)agree / ((double)v->n * (double)v->positions);
		f.mse = noise / elems;
	}
	judge(v, &f);
	return f;
}
