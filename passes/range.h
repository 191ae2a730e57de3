/* The methods that turn a distribution into a range; ig_range chooses by the QConfig. All give lo <= hi; none forces the range to hold zero. */
#ifndef IG_PASSES_RANGE_H
#define IG_PASSES_RANGE_H
#include "passes/stats.h"

void ig_range_minmax(const struct ig_stat *st, float *lo, float *hi);
void ig_range_moving_average(const struct ig_stat *st, float *lo, float *hi);
/* PyTorch's HistogramObserver on our grid resampled to `bins` bins over the exact [min, max]. */
void ig_range_histogram(const struct ig_stat *st, int bins, float *lo, float *hi);
/* The resampling alone: hist[bins]. */
void ig_range_resample(const struct ig_stat *st, int bins, float *hist);
/* PyTorch's search alone (HistogramObserver._non_linear_param_search), float32 where torch is float32, sums in double. */
void ig_range_l2_search(const float *hist, int bins, float min, float max, int levels, float *lo, float *hi);
/* The range whose quantizer (of the specification's limits and scheme) has the least squared error on the distribution. */
void ig_range_mse(const struct ig_stat *st, const struct ig_qspec *q, float *lo, float *hi);
/* Holds `percentile` percent of the values. */
void ig_range_percentile(const struct ig_stat *st, double percentile, float *lo, float *hi);
/* Least Kullback-Leibler divergence of a quantizer with so many levels. */
void ig_range_entropy(const struct ig_stat *st, int levels, float *lo, float *hi);
#endif
