#include "driver/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base.h"
#include "ir/detmath.h"

int64_t ig_argmax(const float *x, int64_t n)
{
	int64_t best = 0;
	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[best] || (x[best] != x[best] && x[i] == x[i]))
			best = i;
	return best;
}

int64_t ig_rank_of(const float *x, int64_t n, int64_t label)
{
	int64_t r = 0;
	if (x[label] != x[label])
		return n;
	for (int64_t i = 0; i < n; i++)
		r += x[i] > x[label] || (x[i] == x[label] && i < label);
	return r;
}

/* log(sum(exp(x))) - x[label], the largest taken out of the sum so that nothing overflows. */
double ig_label_nll(const float *x, int64_t n, int64_t label, bool probabilities)
{
	if (probabilities)
		return x[label] > 0 ? -ig_det_log((double)x[label]) : x[label] == x[label] ? INFINITY : NAN;
	double top = (double)x[ig_argmax(x, n)], sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += ig_det_exp((double)x[i] - top);
	return ig_det_log(sum) + (top - (double)x[label]);
}

double ig_decibel(double signal, double noise)
{
	if (noise > 0 && signal > 0)
		return 10 * (ig_det_log(signal / noise) / ig_det_log(10));
	return noise > 0 ? -INFINITY : INFINITY;
}

double ig_mean_squared_error(const float *a, const float *b, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++) {
		double e = (double)b[i] - (double)a[i];
		sum += e * e;
	}
	return n ? sum / (double)n : NAN;
}

/* ---- area under the ROC curve ---- */

struct scored {
	double score;
	int64_t sample;
	bool positive;
};
struct ig_auc {
	struct scored *at; /* by score */
	int64_t n;
};

/* NaN comes first: such a score says nothing for the label 1. */
static int by_score(const void *x, const void *y)
{
	const struct scored *a = x, *b = y;
	bool p = a->score != a->score, q = b->score != b->score;
	if (p || q)
		return q - p;
	return a->score < b->score ? -1 : a->score > b->score;
}

struct ig_auc *ig_auc_new(const double *score, const int64_t *label, int64_t n)
{
	struct ig_auc *a = ig_xcalloc(1, sizeof *a);
	a->at = ig_xcalloc((size_t)n + 1, sizeof *a->at);
	for (int64_t i = 0; i < n; i++)
		if (label[i] >= 0)
			a->at[a->n++] = (struct scored){score[i], i, label[i] > 0};
	qsort(a->at, (size_t)a->n, sizeof *a->at, by_score);
	return a;
}

void ig_auc_free(struct ig_auc *a)
{
	if (!a)
		return;
	free(a->at);
	free(a);
}

/* The share of pairs of a positive and a negative sample in which the positive one has the larger score, equal ones counted by half: Mann and Whitney's U
   over the number of pairs (Hanley, McNeil: The meaning and use of the area under a ROC curve, Radiology 143, 1982). */
double ig_auc_area(const struct ig_auc *a, const uint32_t *times)
{
	double below = 0, won = 0, positives = 0;
	for (int64_t i = 0, end; i < a->n; i = end) {
		double p = 0, q = 0;
		for (end = i; end < a->n && by_score(&a->at[i], &a->at[end]) == 0; end++) {
			double w = times ? times[a->at[end].sample] : 1;
			*(a->at[end].positive ? &p : &q) += w;
		}
		won += p * (below + q / 2);
		below += q;
		positives += p;
	}
	return positives > 0 && below > 0 ? won / (positives * below) : NAN;
}

/* ---- errors ---- */

void ig_error_add(struct ig_error_sums *s, const float *exact, const float *approximate, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double x = (double)exact[i], y = (double)approximate[i], e = fabs(y - x);
		s->signal += x * x;
		s->norm += y * y;
		s->dot += x * y;
		s->noise += e * e;
		if (e > s->worst)
			s->worst = e;
	}
}

void ig_error_merge(struct ig_error_sums *to, const struct ig_error_sums *from)
{
	to->signal += from->signal;
	to->noise += from->noise;
	to->norm += from->norm;
	to->dot += from->dot;
	if (from->worst > to->worst)
		to->worst = from->worst;
}

double ig_error_cosine(const struct ig_error_sums *s)
{
	double d = ig_det_sqrt(s->signal) * ig_det_sqrt(s->norm);
	return d > 0 ? s->dot / d : s->signal == s->norm ? 1 : 0;
}
