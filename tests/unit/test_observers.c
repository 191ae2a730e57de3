/* From distributions to ranges to parameters: PyTorch's formulas and search, and the full search against brute force with the real quantizer. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "passes/range.h"

static uint32_t rng_state;

static uint32_t next(void)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return rng_state >> 8;
}

static double uniform(void) { return (double)next() / (1 << 24); }

static double normal(void)
{
	double s = 0;
	for (int i = 0; i < 12; i++)
		s += uniform();
	return s - 6;
}

#define EPS 0x1p-23f

static void test_affine(void **state)
{
	(void)state;
	static const struct {
		float lo, hi;
		int32_t qmin, qmax;
		float scale;
		int32_t zp;
	} t[] = {
	    {0, 255, 0, 255, 1, 0},       {-128, 127, 0, 255, 1, 128},    {-1, -0.5f, 0, 255, 1 / 255.0f, 255}, /* the range includes zero */
	    {2, 4, 0, 255, 4 / 255.0f, 0}, {0, 0, 0, 255, EPS, 0},         {-1, 1, 0, 127, 2 / 127.0f, 64}, /* rne(63.5) = 64 */
	    {-1e-9f, 1e-9f, 0, 255, EPS, 0}, {-1, 3, -128, 127, 4 / 255.0f, -64}, {-0.5f, 254.5f, 0, 255, 1, 0}, /* rne(-0.5) = 0 */
	    {-1.5f, 253.5f, 0, 255, 1, 2},
	};
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		float scale;
		int32_t zp;
		ig_affine_qparams(t[i].lo, t[i].hi, t[i].qmin, t[i].qmax, &scale, &zp);
		assert_true(scale == t[i].scale);
		assert_int_equal(zp, t[i].zp);
	}
	float scale;
	int32_t zp;
	ig_affine_qparams(-FLT_MAX, FLT_MAX, 0, 255, &scale, &zp);
	assert_true(isfinite(scale) && scale > 0 && zp >= 127 && zp <= 128);
}

static void test_symmetric(void **state)
{
	(void)state;
	assert_true(ig_symmetric_scale(-255, 100, -128, 127) == 2.0f);
	assert_true(ig_symmetric_scale(-1, 127.5f, -128, 127) == 1.0f);
	assert_true(ig_symmetric_scale(-63.5f, 0, -64, 63) == 1.0f);
	assert_true(ig_symmetric_scale(0, 0, -128, 127) == EPS);
	assert_true(ig_symmetric_scale(3, 5, -128, 127) == 5.0f / 127.5f);
}

/* The histograms that the expected ranges below were computed from. */
static void make_hist(int kind, uint32_t seed, int bins, float *h)
{
	rng_state = seed;
	for (int i = 0; i < bins; i++) {
		uint32_t r = next();
		if (kind == 1)
			h[i] = (float)((uint64_t)(r % 1000) * (uint64_t)(bins - i) * (uint64_t)(bins - i) / (uint64_t)(bins * bins));
		else
			h[i] = i < bins / 2 ? (float)(r % 100 + (i == bins / 3 ? 100000 : 0)) : (float)(r % 64 == 0);
	}
}

/* torch 2.13.0, HistogramObserver._non_linear_param_search with its histogram, min_val and max_val set to these. */
static void test_l2_search(void **state)
{
	(void)state;
	static const struct {
		int kind;
		uint32_t seed;
		float min, max, lo, hi;
	} t[] = {
	    {1, 1, 0.0f, 6.0f, 0x0p0f, 0x1.6cb0p+2f}, {1, 1, -3.25f, 7.5f, -0x1.ap+1f, 0x1.bd66p+2f},
	    {1, 2, 0.0f, 6.0f, 0x0p0f, 0x1.6dd0p+2f}, {1, 2, -3.25f, 7.5f, -0x1.ap+1f, 0x1.bf6ap+2f},
	    {1, 3, 0.0f, 6.0f, 0x0p0f, 0x1.6e60p+2f}, {1, 3, -3.25f, 7.5f, -0x1.ap+1f, 0x1.c06cp+2f},
	    {2, 1, 0.0f, 6.0f, 0x0p0f, 0x1.4220p+2f}, {2, 1, -3.25f, 7.5f, -0x1.ap+1f, 0x1.7124p+2f},
	    {2, 2, 0.0f, 6.0f, 0x0p0f, 0x1.4970p+2f}, {2, 2, -3.25f, 7.5f, -0x1.ap+1f, 0x1.7e3ep+2f},
	    {2, 3, 0.0f, 6.0f, 0x0p0f, 0x1.69e0p+2f}, {2, 3, -3.25f, 7.5f, -0x1.ap+1f, 0x1.b85cp+2f},
	};
	float *h = malloc(2048 * sizeof *h);
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		float lo, hi;
		make_hist(t[i].kind, t[i].seed, 2048, h);
		ig_range_l2_search(h, 2048, t[i].min, t[i].max, 256, &lo, &hi);
		assert_true(lo == t[i].lo && hi == t[i].hi);
	}
	free(h);
}

/* kind: 0 normal, 1 relu'd normal, 2 heavy tail, 3 negative, 4 two values */
static void make_values(int kind, float *x, int n)
{
	for (int i = 0; i < n; i++) {
		double v = normal();
		x[i] = (float)(kind == 0   ? v
		               : kind == 1 ? (v > 0 ? v * 3 : 0)
		               : kind == 2 ? v * v * v * (next() % 500 == 0 ? 8 : 1)
		               : kind == 3 ? -exp(v)
		                           : (next() % 2 ? 1.5 : -0.25));
	}
}

static void test_resample(void **state)
{
	(void)state;
	enum { N = 20000, BINS = 2048 };
	float *x = malloc(N * sizeof *x), *h = malloc(BINS * sizeof *h);
	for (int kind = 0; kind < 5; kind++) {
		rng_state = 5;
		make_values(kind, x, N);
		struct ig_stats *s = ig_stats_new(0);
		struct ig_stat *st = ig_stats_get(s, "x");
		ig_stat_add(st, x, N);
		ig_range_resample(st, BINS, h);
		double width = ((double)st->max - (double)st->min) / BINS, sum = 0, worst = 0, true_sum = 0;
		int *direct = calloc(BINS, sizeof *direct);
		for (int i = 0; i < N; i++) {
			int b = (int)(((double)x[i] - (double)st->min) / width);
			direct[b < BINS ? b : BINS - 1]++;
		}
		for (int b = 0; b < BINS; b++) { /* cumulative counts differ by no more than what is in one of our bins */
			sum += (double)h[b];
			true_sum += direct[b];
			worst = fmax(worst, fabs(sum - true_sum) / N);
		}
		assert_true(fabs(sum - N) < 0.01 * N / BINS);
		if (kind != 4)
			assert_true(worst < 0.005);
		else
			assert_true(h[0] > N / 3 && h[BINS - 1] > N / 3); /* point masses stay whole */
		free(direct);
		ig_stats_free(s);
	}
	free(x);
	free(h);
}

static double quantization_error(const float *x, int n, float lo, float hi, int32_t qmax)
{
	float scale;
	int32_t zp;
	ig_affine_qparams(lo, hi, 0, qmax, &scale, &zp);
	double err = 0;
	for (int i = 0; i < n; i++) {
		double q = rint((double)(x[i] / scale)) + zp;
		q = q < 0 ? 0 : q > qmax ? qmax : q;
		double e = (double)x[i] - (q - zp) * (double)scale;
		err += e * e;
	}
	return err;
}

static void test_mse(void **state)
{
	(void)state;
	enum { N = 20000, TRIES = 1500 };
	float *x = malloc(N * sizeof *x);
	for (int kind = 0; kind < 4; kind++)
		for (int32_t qmax = 127; qmax <= 255; qmax += 128) {
			rng_state = 11;
			make_values(kind, x, N);
			struct ig_stats *s = ig_stats_new(0);
			struct ig_stat *st = ig_stats_get(s, "x");
			ig_stat_add(st, x, N);
			float lo, hi;
			clock_t start = clock();
			struct ig_qspec spec = {.dtype = IG_DT_U8, .reduce_range = qmax == 127};
			ig_range_mse(st, &spec, &lo, &hi);
			double ms = 1e3 * (double)(clock() - start) / CLOCKS_PER_SEC;
			double found = quantization_error(x, N, lo, hi, qmax), best = quantization_error(x, N, st->min, st->max, qmax);
			for (int i = 0; i < TRIES; i++)
				best = fmin(best, quantization_error(x, N, (float)(fmin(st->min, 0) * uniform()), (float)(fmax(st->max, 0) * uniform()), qmax));
			print_message("kind %d, %d levels: %.4f of the best of %d random ranges, %.1f ms\n", kind, qmax + 1, found / best, TRIES, ms);
			assert_true(found <= 1.01 * best);
			ig_stats_free(s);
		}
	free(x);
}

static void test_methods(void **state)
{
	(void)state;
	struct ig_stats *s = ig_stats_new(0);
	struct ig_stat *st = ig_stats_get(s, "x");
	struct ig_qspec q = ig_qconfig_preset("default")->act;
	float lo, hi, x[3] = {-1, 0, 3};
	assert_false(ig_range(st, &q, &lo, &hi)); /* never observed */
	ig_stat_add(st, x, 3);
	q.observer = IG_OBS_MINMAX;
	assert_true(ig_range(st, &q, &lo, &hi) && lo == -1 && hi == 3);
	q.observer = IG_OBS_MOVING_AVERAGE;
	assert_false(ig_range(st, &q, &lo, &hi)); /* the state has none */
	for (int o = 0; o < IG_OBS_FIXED; o++) {  /* all zero in calibration: works, and saturates later */
		struct ig_stat *z = ig_stats_get(s, "zero");
		z->has_average = true;
		z->averaging = 0.01f;
		float zero[2] = {0, -0.0f}, scale;
		int32_t zp;
		ig_stat_add(z, zero, 2);
		q.observer = (enum ig_observer)o;
		assert_true(ig_range(z, &q, &lo, &hi));
		ig_affine_qparams(lo, hi, 0, 255, &scale, &zp);
		assert_true(scale == EPS && zp == 0);
		float five[2] = {5, 5};
		struct ig_stat *c = ig_stats_get(s, "five");
		c->has_average = true;
		c->averaging = 0.01f;
		ig_stat_add(c, five, 2);
		assert_true(ig_range(c, &q, &lo, &hi));
		ig_affine_qparams(lo, hi, 0, 255, &scale, &zp);
		assert_true(fabsf(scale * 255 - 5) < 1e-5f && zp == 0);
	}
	ig_stats_free(s);
}

static void test_schemes(void **state)
{
	(void)state;
	static const struct {
		struct ig_qspec q;
		float lo, hi, scale;
		int32_t zp, qmin, qmax;
	} t[] = {
	    {{.dtype = IG_DT_U8}, -1, 3, 4 / 255.0f, 64, 0, 255},
	    {{.dtype = IG_DT_S8}, -1, 3, 4 / 255.0f, -64, -128, 127},
	    {{.dtype = IG_DT_S8, .reduce_range = true}, -1, 126, 1, -63, -64, 63},
	    {{.dtype = IG_DT_U8, .scheme = IG_SCHEME_SYMMETRIC}, -1, 255, 2, 128, 0, 255},
	    {{.dtype = IG_DT_S8, .scheme = IG_SCHEME_SYMMETRIC}, -1, 255, 2, 0, -128, 127},
	    {{.dtype = IG_DT_U8, .scheme = IG_SCHEME_SYMMETRIC, .limited = true, .quant_min = 0, .quant_max = 15}, -15, 0, 2, 7, 0, 15},
	    {{.dtype = IG_DT_U8, .limited = true, .quant_min = 10, .quant_max = 20}, 0, 5, 0.5f, 10, 10, 20},
	    {{.dtype = IG_DT_S8, .limited = true, .quant_min = -127, .quant_max = 127, .reduce_range = true, .scheme = IG_SCHEME_SYMMETRIC}, -127, 0, 2, 0, -64, 63},
	    {{.dtype = IG_DT_S8, .scheme = IG_SCHEME_POWER_OF_TWO}, -1, 128, 2, 0, -128, 127}, /* 128 / 127.5, raised */
	    {{.dtype = IG_DT_S8, .scheme = IG_SCHEME_POWER_OF_TWO}, -127.5f, 0, 1, 0, -128, 127},
	    {{.dtype = IG_DT_S8, .scheme = IG_SCHEME_SYMMETRIC, .narrow = true}, -1, 127, 1, 0, -127, 127},
	    {{.dtype = IG_DT_U8, .observer = IG_OBS_FIXED, .scale = 1.0 / 256}, 7, 8, 1 / 256.0f, 0, 0, 255},
	    {{.dtype = IG_DT_S16, .scheme = IG_SCHEME_SYMMETRIC}, -65535, 0, 2, 0, -32768, 32767},
	};
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		float scale;
		int32_t zp, qmin, qmax;
		ig_qspec_limits(&t[i].q, &qmin, &qmax);
		ig_qspec_params(&t[i].q, t[i].lo, t[i].hi, &scale, &zp);
		assert_true(scale == t[i].scale);
		assert_int_equal(zp, t[i].zp);
		assert_int_equal(qmin, t[i].qmin);
		assert_int_equal(qmax, t[i].qmax);
	}
}

static int compare(const void *a, const void *b)
{
	const float *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* The share of the values within the range is what was asked for, to what one bin holds; one-sided data keeps its end at zero. */
static void test_percentile(void **state)
{
	(void)state;
	enum { N = 20000 };
	float *x = malloc(N * sizeof *x);
	for (int kind = 0; kind < 4; kind++)
		for (int p = 0; p < 3; p++) {
			static const double percent[] = {90, 99, 100};
			rng_state = 11;
			make_values(kind, x, N);
			struct ig_stats *s = ig_stats_new(0);
			struct ig_stat *st = ig_stats_get(s, "x");
			ig_stat_add(st, x, N);
			float lo, hi;
			ig_range_percentile(st, percent[p], &lo, &hi);
			qsort(x, N, sizeof *x, compare);
			int below = 0, above = 0;
			for (int i = 0; i < N; i++) {
				below += x[i] < lo;
				above += x[i] > hi;
			}
			int out = (int)lrint(N * (100 - percent[p]) / 100), slack = N / 200;
			assert_in_range(below + above, out > slack ? out - slack : 0, out + slack);
			if (st->min >= 0)
				assert_true(lo == st->min);
			else if (st->max > 0)
				assert_in_range(below, out / 2 > slack ? out / 2 - slack : 0, out / 2 + slack);
			if (percent[p] == 100)
				assert_true(lo == st->min && hi == st->max);
			ig_stats_free(s);
		}
	free(x);
}

/* Far outliers are cut off, and a distribution without tails is not. */
static void test_entropy(void **state)
{
	(void)state;
	enum { N = 40000 };
	float *x = malloc(N * sizeof *x), lo, hi;
	for (int kind = 0; kind < 2; kind++) {
		struct ig_stats *s = ig_stats_new(0);
		struct ig_stat *st = ig_stats_get(s, "x");
		rng_state = 3;
		for (int i = 0; i < N; i++)
			x[i] = (float)(kind == 0 ? uniform() : uniform() + uniform() + uniform() - 1.5);
		if (kind == 1)
			x[0] = 30;
		ig_stat_add(st, x, N);
		ig_range_entropy(st, 256, &lo, &hi);
		print_message("[%g, %g] of [%g, %g]\n", (double)lo, (double)hi, (double)st->min, (double)st->max);
		if (kind == 0)
			assert_true(lo == st->min && hi == st->max);
		else
			assert_true(lo < -1 && hi > 1 && hi < 8);
		ig_stats_free(s);
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_affine),   cmocka_unit_test(test_symmetric), cmocka_unit_test(test_l2_search),
	    cmocka_unit_test(test_resample), cmocka_unit_test(test_mse),       cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_schemes),  cmocka_unit_test(test_percentile), cmocka_unit_test(test_entropy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
