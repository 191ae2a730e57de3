/* Measures of a model's outputs: plain functions of numbers. */
#ifndef IG_DRIVER_METRICS_H
#define IG_DRIVER_METRICS_H
#include <stdbool.h>
#include <stdint.h>

int64_t ig_argmax(const float *x, int64_t n); /* the first of equals; NaN is never larger */
/* How many of the n classes come before the label's: those with a larger number, and earlier ones with the same. n when the label's is NaN. */
int64_t ig_rank_of(const float *x, int64_t n, int64_t label);
/* Negative logarithm of the label's probability: of softmax(x), or of x itself when it holds probabilities. */
double ig_label_nll(const float *x, int64_t n, int64_t label, bool probabilities);
/* 10 log10(signal / noise): infinity without noise, -infinity when there is nothing but noise. */
double ig_decibel(double signal, double noise);
double ig_mean_squared_error(const float *a, const float *b, int64_t n);

/* Area under the ROC curve of scores against labels 0 and 1 (-1: not counted). */
struct ig_auc;
struct ig_auc *ig_auc_new(const double *score, const int64_t *label, int64_t n);
void ig_auc_free(struct ig_auc *a);
/* With sample i taken times[i] times (NULL: each once); NaN unless both labels occur. */
double ig_auc_area(const struct ig_auc *a, const uint32_t *times);

/* Sums over the elements of a tensor and its approximation. */
struct ig_error_sums {
	double signal, noise, norm, dot, worst;
};
void ig_error_add(struct ig_error_sums *s, const float *exact, const float *approximate, int64_t n);
void ig_error_merge(struct ig_error_sums *to, const struct ig_error_sums *from);
double ig_error_cosine(const struct ig_error_sums *s);
#endif
