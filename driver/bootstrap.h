/* Confidence intervals by resampling, the same on every machine. */
#ifndef IG_DRIVER_BOOTSTRAP_H
#define IG_DRIVER_BOOTSTRAP_H
#include <stdint.h>

#define IG_BOOTSTRAP_RESAMPLES 2000
#define IG_BOOTSTRAP_LEVEL 0.95

struct ig_interval {
	double lo, hi; /* NaN: cannot be said */
};
/* Statistics of a resample in which sample i occurs times[i] times. */
typedef void ig_resampled(void *self, const uint32_t *times, double *out);
/* The percentile interval of each of `count` statistics of n samples. Every statistic is computed on the same resamples, so that the interval of a difference
   of two models is that of paired samples. Resamples on which a statistic is NaN are left out of its interval; when they are most, there is none. */
void ig_bootstrap(int64_t n, int count, ig_resampled *statistics, void *self, struct ig_interval *out);

uint64_t ig_splitmix(uint64_t *state);
uint64_t ig_random_below(uint64_t *state, uint64_t n); /* each number below n with the same probability; 0 < n <= 2^32 */
double ig_quantile(const double *sorted, int64_t n, double p);
#endif
