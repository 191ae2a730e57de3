/* The bootstrap's percentile interval: Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13. Both models are resampled together
   (the samples are drawn, not the answers), which takes the difficulty of the samples out of the difference. */
#include "driver/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base.h"

/* SplitMix64: Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014. */
uint64_t ig_splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Lemire: Fast random integer generation in an interval, ACM TOMACS 29, 2019; with the upper 32 bits of the generator. */
uint64_t ig_random_below(uint64_t *state, uint64_t n)
{
	uint64_t m = (ig_splitmix(state) >> 32) * n;
	if ((uint32_t)m < n)
		for (uint64_t least = (UINT64_C(1) << 32) % n; (uint32_t)m < least;)
			m = (ig_splitmix(state) >> 32) * n;
	return m >> 32;
}

/* Linear between order statistics: definition 7 of Hyndman, Fan: Sample quantiles in statistical packages, 1996 (NumPy's default). */
double ig_quantile(const double *sorted, int64_t n, double p)
{
	double at = p * (double)(n - 1);
	int64_t i = (int64_t)at;
	if (i + 1 >= n || sorted[i] == sorted[i + 1])
		return sorted[i];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

static int ascending(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return a < b ? -1 : a > b;
}

static struct ig_interval interval_of(double *value, int64_t n)
{
	int64_t said = 0;
	for (int64_t i = 0; i < n; i++)
		if (value[i] == value[i])
			value[said++] = value[i];
	if (said * 2 < n)
		return (struct ig_interval){NAN, NAN};
	qsort(value, (size_t)said, sizeof *value, ascending);
	return (struct ig_interval){ig_quantile(value, said, (1 - IG_BOOTSTRAP_LEVEL) / 2), ig_quantile(value, said, (1 + IG_BOOTSTRAP_LEVEL) / 2)};
}

void ig_bootstrap(int64_t n, int count, ig_resampled *statistics, void *self, struct ig_interval *out)
{
	uint32_t *times = ig_xcalloc((size_t)n + 1, sizeof *times);
	double *value = ig_xcalloc((size_t)count * IG_BOOTSTRAP_RESAMPLES, sizeof *value); /* [statistic][resample] */
	double *one = ig_xcalloc((size_t)count, sizeof *one);
	uint64_t state = 1;
	for (int r = 0; r < IG_BOOTSTRAP_RESAMPLES; r++) {
		memset(times, 0, (size_t)n * sizeof *times);
		for (int64_t i = 0; i < n; i++)
			times[ig_random_below(&state, (uint64_t)n)]++;
		statistics(self, times, one);
		for (int k = 0; k < count; k++)
			value[k * IG_BOOTSTRAP_RESAMPLES + r] = one[k];
	}
	for (int k = 0; k < count; k++)
		out[k] = interval_of(value + k * IG_BOOTSTRAP_RESAMPLES, IG_BOOTSTRAP_RESAMPLES);
	free(times);
	free(value);
	free(one);
}
