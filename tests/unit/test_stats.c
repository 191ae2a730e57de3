/* Statistics: the same state from any order or sharding of the samples, exact grids, state files that defend themselves. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <float.h>

#include <cmocka.h>

#include "ir/print.h"
#include "passes/stats.h"

static char path[64];

static int set_path(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/test_stats.%ld", (long)getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static uint32_t rng_state = 1;

static double uniform(void)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (double)(rng_state >> 8) / (1 << 24);
}

#define SAMPLES 100
#define VALUES 500

static float data[SAMPLES][VALUES];

/* Ranges grow by 2^10 on the way; zeros, NaN and infinities among the values. */
static void make_data(void)
{
	rng_state = 7;
	for (int i = 0; i < SAMPLES; i++) {
		double scale = pow(2, 10.0 * i / (SAMPLES - 1));
		for (int j = 0; j < VALUES; j++) {
			double u = uniform();
			data[i][j] = u < 0.1 ? 0.0f : (float)((uniform() - 0.3) * scale);
		}
		if (i % 17 == 3)
			data[i][5] = NAN;
		if (i % 13 == 4)
			data[i][6] = i % 2 ? INFINITY : -INFINITY;
		data[i][7] = -0.0f;
	}
}

static void add_sample(struct ig_stats *s, int i)
{
	ig_stat_add(ig_stats_get(s, "b"), data[i], VALUES);
	ig_stat_add(ig_stats_get(s, "a"), data[i], VALUES / 2);
	s->samples++;
	s->samples_sum += ig_hash_bytes(data[i], sizeof data[i], 0);
}

static uint8_t *file_bytes(const struct ig_stats *s, size_t *n)
{
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_stats_write(s, path, d));
	ig_diag_free(d);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	uint8_t *b = malloc(1 << 22);
	*n = fread(b, 1, 1 << 22, f);
	fclose(f);
	return b;
}

static void assert_same_file(const struct ig_stats *a, const struct ig_stats *b)
{
	size_t na, nb;
	uint8_t *x = file_bytes(a, &na), *y = file_bytes(b, &nb);
	assert_int_equal(na, nb);
	assert_memory_equal(x, y, na);
	free(x);
	free(y);
}

static void merge(struct ig_stats *a, const struct ig_stats *b)
{
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_stats_merge(a, b, d));
	ig_diag_free(d);
}

static void test_order_free(void **state)
{
	(void)state;
	make_data();
	struct ig_stats *forward = ig_stats_new(42), *reverse = ig_stats_new(42), *shards = ig_stats_new(42), *singles = ig_stats_new(42);
	for (int i = 0; i < SAMPLES; i++)
		add_sample(forward, i);
	for (int i = SAMPLES; i-- > 0;)
		add_sample(reverse, i);
	static const int order[7] = {3, 0, 6, 1, 5, 2, 4};
	for (int k = 0; k < 7; k++) {
		struct ig_stats *s = ig_stats_new(42);
		for (int i = order[k]; i < SAMPLES; i += 7)
			add_sample(s, i);
		merge(shards, s);
		ig_stats_free(s);
	}
	for (int i = 0; i < SAMPLES; i++) {
		struct ig_stats *s = ig_stats_new(42);
		add_sample(s, i);
		merge(singles, s);
		ig_stats_free(s);
	}
	assert_true(ig_stats_find(forward, "b")->max > 500);
	assert_same_file(forward, reverse);
	assert_same_file(forward, shards);
	assert_same_file(forward, singles);
	size_t n10, n100;
	struct ig_stats *few = ig_stats_new(42);
	for (int i = 0; i < 10; i++)
		add_sample(few, i);
	free(file_bytes(few, &n10));
	free(file_bytes(forward, &n100));
	assert_int_equal(n10, n100);
	ig_stats_free(few);
	ig_stats_free(forward);
	ig_stats_free(reverse);
	ig_stats_free(shards);
	ig_stats_free(singles);
}

/* Every value is in its bin: the histogram equals a direct count on the final grid. */
static void test_exact_counts(void **state)
{
	(void)state;
	make_data();
	struct ig_stats *s = ig_stats_new(0);
	for (int i = 0; i < SAMPLES; i++)
		add_sample(s, i);
	const struct ig_stat *st = ig_stats_find(s, "b");
	uint64_t *count = calloc(IG_HIST_BINS, sizeof *count), zeros = 0, nans = 0, infs = 0;
	for (int i = 0; i < SAMPLES; i++)
		for (int j = 0; j < VALUES; j++) {
			float x = data[i][j];
			if (isnan(x))
				nans++;
			else if (isinf(x))
				infs++;
			else if (x == 0)
				zeros++;
			else
				count[(int64_t)floor((double)x / pow(2, st->exponent)) - st->first_bin]++;
		}
	assert_int_equal(st->count, SAMPLES * VALUES);
	assert_int_equal(st->zeros, zeros);
	assert_int_equal(st->nans, nans);
	assert_int_equal(st->infs, infs);
	assert_true(nans > 0 && infs > 0 && zeros > SAMPLES);
	assert_memory_equal(st->bin, count, IG_HIST_BINS * sizeof *count);
	free(count);
	ig_stats_free(s);
}

static void test_grid(void **state)
{
	(void)state;
	for (int i = 0; i < 20000; i++) {
		float lo = (float)((uniform() - 0.5) * pow(2, (uniform() - 0.5) * 250)), hi = (float)((uniform() - 0.5) * pow(2, (uniform() - 0.5) * 250));
		if (i % 5 == 0)
			hi = nextafterf(lo, INFINITY);
		if (lo > hi) {
			float t = lo;
			lo = hi;
			hi = t;
		}
		int e, n;
		int64_t first;
		ig_stat_grid(lo, hi, &e, &first, &n);
		if (lo == 0 && hi == 0)
			continue;
		assert_true(n >= 1 && n <= IG_HIST_BINS);
		assert_true((float)ldexp((double)first, e) <= lo && ldexp((double)(first + n), e) > (double)hi);
		int big;
		frexp(fmax(-(double)lo, (double)hi), &big);
		if (e > big - 40) { /* one finer does not fit */
			double fine = floor(ldexp((double)hi, 1 - e)) - floor(ldexp((double)lo, 1 - e)) + 1;
			assert_true(fine > IG_HIST_BINS);
			assert_true(n >= IG_HIST_BINS / 2);
		}
	}
}

static void test_extremes(void **state)
{
	(void)state;
	static const float sets[][3] = {{FLT_TRUE_MIN, 0, FLT_TRUE_MIN * 5}, {FLT_MAX, -FLT_MAX, 0},      {FLT_MIN, FLT_MIN, FLT_MIN},
	                                {0, 0, -0.0f},                       {-1e30f, 1e-30f, -FLT_MIN}, {3, 3, 3}};
	for (size_t i = 0; i < IG_COUNTOF(sets); i++) {
		struct ig_stats *s = ig_stats_new(0);
		struct ig_stat *st = ig_stats_get(s, "x");
		for (int j = 0; j < 3; j++) /* one at a time: each grows the range */
			ig_stat_add(st, &sets[i][j], 1);
		uint64_t sum = st->zeros;
		for (int b = 0; b < st->n_bins; b++)
			sum += st->bin[b];
		assert_int_equal(sum, 3);
		struct ig_stats *r = ig_stats_new(0);
		ig_stat_add(ig_stats_get(r, "x"), sets[i], 3);
		s->samples = r->samples = 3;
		assert_same_file(s, r);
		struct ig_diag *d = ig_diag_new(stderr, false);
		struct ig_stats *back = ig_stats_read(path, d);
		assert_non_null(back);
		assert_same_file(r, back);
		ig_diag_free(d);
		ig_stats_free(back);
		ig_stats_free(r);
		ig_stats_free(s);
	}
}

static void test_only_nan(void **state)
{
	(void)state;
	struct ig_stats *s = ig_stats_new(0);
	float x[2] = {NAN, INFINITY};
	struct ig_stat *st = ig_stats_get(s, "x");
	ig_stat_add(st, x, 2);
	assert_true(st->nans == 1 && st->infs == 1 && !(st->min <= st->max));
	float lo, hi;
	assert_false(ig_range(st, &ig_qconfig_preset("default")->act, &lo, &hi));
	size_t n;
	free(file_bytes(s, &n));
	struct ig_diag *d = ig_diag_new(stderr, false);
	struct ig_stats *back = ig_stats_read(path, d);
	assert_non_null(back);
	ig_stats_free(back);
	ig_diag_free(d);
	ig_stats_free(s);
}

static void test_merge_refuses(void **state)
{
	(void)state;
	FILE *out = tmpfile();
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_stats *a = ig_stats_new(1), *b = ig_stats_new(2), *c = ig_stats_new(1);
	assert_false(ig_stats_merge(a, b, d));
	struct ig_stat *st = ig_stats_get(c, "x");
	st->has_average = true;
	st->averaging = 0.01f;
	float x[2] = {1, 2}, y[2] = {3, 5};
	ig_stat_add(st, x, 2);
	ig_stat_add(st, y, 2);
	assert_true(st->avg_min == 1.0f + 0.01f * (3.0f - 1.0f) && st->avg_max == 2.0f + 0.01f * (5.0f - 2.0f));
	assert_false(ig_stats_merge(a, c, d));
	assert_false(ig_stats_merge(c, a, d));
	assert_int_equal(ig_diag_errors(d), 3);
	ig_stats_free(a);
	ig_stats_free(b);
	ig_stats_free(c);
	ig_diag_free(d);
	fclose(out);
}

static bool reads(const uint8_t *b, size_t n)
{
	FILE *f = fopen(path, "wb"), *out = fopen("/dev/null", "w");
	assert_int_equal(fwrite(b, 1, n, f), n);
	fclose(f);
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_stats *s = ig_stats_read(path, d);
	bool ok = s != NULL;
	assert_int_equal(ok, ig_diag_errors(d) == 0);
	ig_stats_free(s);
	ig_diag_free(d);
	fclose(out);
	return ok;
}

/* As reads, with the checksum made right: the fields must be checked for themselves. */
static bool reads_signed(uint8_t *b, size_t n)
{
	uint64_t h = ig_hash_bytes(b, n - 8, 0);
	for (int i = 0; i < 8; i++)
		b[n - 8 + (size_t)i] = (uint8_t)(h >> (8 * i));
	return reads(b, n);
}

static void test_bad_files(void **state)
{
	(void)state;
	struct ig_stats *s = ig_stats_new(9);
	float x[4] = {-1, 2, 0, 0.5f};
	ig_stat_add(ig_stats_get(s, "x"), x, 4);
	ig_stat_add(ig_stats_get(s, "y"), x, 3);
	size_t n;
	uint8_t *b = file_bytes(s, &n), *w = malloc(n + 16);
	assert_true(ig_stats_is_state(path));
	assert_true(reads(b, n));
	for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 9973)
		assert_false(reads(b, cut));
	for (size_t at = 0; at < 200; at++) { /* any flipped bit is noticed */
		memcpy(w, b, n);
		w[at] ^= (uint8_t)(1 << (at % 8));
		assert_false(reads(w, n));
	}
	/* header of 40 bytes, name length, name of one byte, then the fields */
	enum { COUNT = 45, ZEROS = COUNT + 8, NANS = ZEROS + 8, INFS = NANS + 8, MIN = INFS + 8, MAX = MIN + 4, EXPONENT = MAX + 4,
	       N_BINS = EXPONENT + 4, FIRST = N_BINS + 4, AVERAGE = FIRST + 8, BINS = AVERAGE + 16 };
	static const struct {
		size_t at;
		uint8_t value;
	} lies[] = {{8, 2},       {12, 1},       {12, 3},        {15, 255},    {40, 0},         {43, 255},      {COUNT, 77},      {ZEROS, 9}, {NANS, 9},
	            {INFS + 7, 9}, {MIN + 3, 0x7f}, {MAX + 3, 0xff}, {EXPONENT, 3}, {N_BINS, 77}, {N_BINS + 3, 255}, {FIRST, 1},
	            {AVERAGE, 1}, {BINS, 200}, {BINS + 7, 255}, {BINS + 8 * IG_HIST_BINS - 1, 1}};
	for (size_t i = 0; i < IG_COUNTOF(lies); i++) {
		memcpy(w, b, n);
		w[lies[i].at] = lies[i].value;
		if (reads_signed(w, n))
			fail_msg("lie %d is believed", (int)i);
	}
	memcpy(w, b, n);
	memset(w + n - 8, 0, 8);
	assert_false(reads_signed(w, n + 8)); /* bytes after the last entry */
	memcpy(w, b, n);
	size_t second = 40 + 5 + (n - 48 - 10) / 2 + 4;
	assert_int_equal(w[second], 'y');
	w[second] = 'x'; /* two entries of one name */
	assert_false(reads_signed(w, n));
	assert_false(reads((const uint8_t *)"", 0));
	struct ig_diag *d = ig_diag_new(fopen("/dev/null", "w"), false);
	assert_null(ig_stats_read("/nonexistent/state", d));
	assert_null(ig_stats_read("/tmp", d));
	assert_false(ig_stats_write(s, "/nonexistent/state", d));
	assert_int_equal(ig_diag_errors(d), 3);
	ig_diag_free(d);
	free(b);
	free(w);
	ig_stats_free(s);
}

/* What a distribution is, value by value in double, on the grid that all values together have. */
static void assert_values(const struct ig_stat *st, const float *x, int n)
{
	uint64_t *bin = calloc(IG_HIST_BINS, sizeof *bin), zeros = 0, nans = 0, infs = 0;
	float min = INFINITY, max = -INFINITY;
	int exponent, bins;
	int64_t first;
	assert_non_null(bin);
	for (int i = 0; i < n; i++) {
		if (!isfinite(x[i]))
			continue;
		min = x[i] < min ? x[i] + 0.0f : min;
		max = x[i] > max ? x[i] + 0.0f : max;
	}
	ig_stat_grid(min, max, &exponent, &first, &bins);
	for (int i = 0; i < n; i++) {
		nans += isnan(x[i]) != 0;
		infs += isinf(x[i]) != 0;
		zeros += x[i] == 0;
		if (isfinite(x[i]) && x[i] != 0)
			bin[(int64_t)floor(ldexp((double)x[i], -exponent)) - first]++;
	}
	assert_true(st->min == min && st->max == max && !signbit(st->min + st->max - (min + max)));
	assert_int_equal(st->count, n);
	assert_int_equal(st->zeros, zeros);
	assert_int_equal(st->nans, nans);
	assert_int_equal(st->infs, infs);
	assert_int_equal(st->exponent, exponent);
	assert_int_equal(st->first_bin, first);
	assert_int_equal(st->n_bins, bins);
	assert_memory_equal(st->bin, bin, (size_t)bins * sizeof *bin);
	free(bin);
}

/* The fast ways to a bin give what the formula gives: vanishing products below zero, bins far from zero, ranges beyond what a float's power of two
   reaches, values on the borders of bins, in any order of pieces. */
static void test_values(void **state)
{
	(void)state;
	enum { N = 9001 };
	static const struct { double scale, offset; } range[] = {{1, 0}, {1e6, 0}, {3e38, 0}, {1e-30, 0}, {1e-42, 0}, {1e-3, 1}, {1e-3, -70000}, {1, 500}, {1e38, 0}};
	static float x[N];
	rng_state = 11;
	for (size_t r = 0; r < sizeof range / sizeof *range; r++)
		for (int odd = 0; odd < 2; odd++) {
			for (int i = 0; i < N; i++) {
				double u = uniform(), v = uniform() - 0.4;
				x[i] = (float)((u < 0.3 ? floor(v * 1024) / 1024 : u < 0.4 ? v * 1e-3 : v) * range[r].scale + range[r].offset);
				if (u > 0.9 && range[r].offset == 0)
					x[i] = u > 0.97 ? -0.0f : u > 0.95 ? 0.0f : u > 0.93 ? -1e-45f : 1e-45f;
			}
			if (odd) {
				x[17] = NAN, x[18] = -NAN, x[19] = INFINITY, x[20] = -INFINITY;
				x[8000] = -INFINITY;
			}
			struct ig_stats *s = ig_stats_new(1);
			ig_stat_add(ig_stats_get(s, "x"), x, N);
			assert_values(ig_stats_get(s, "x"), x, N);
			ig_stats_free(s);
		}
}

/* Uniform values of one tensor in each of n samples. */
static struct ig_stats *uniform_stats(int n, float lo, float hi)
{
	struct ig_stats *s = ig_stats_new(1);
	float x[1000];
	for (int i = 0; i < n; i++, s->samples++) {
		for (int j = 0; j < 1000; j++)
			x[j] = (float)(lo + uniform() * (hi - lo));
		ig_stat_add(ig_stats_get(s, "layer"), x, 1000);
	}
	return s;
}

static void test_shift(void **state)
{
	(void)state;
	static const struct {
		float lo, hi;
		int samples;
		const char *said; /* NULL: nothing */
	} cases[] = {
	    {-1, 1, 60, NULL},       {-1.1f, 1.1f, 60, NULL}, {-0.5f, 0.5f, 60, NULL}, {-0.2f, 0.2f, 60, "small part"}, {-0.2f, 0.2f, 40, NULL},
	    {-1, 2, 40, "33."}, {5, 6, 60, "100.0 % of its values are outside"},
	};
	rng_state = 5;
	struct ig_stats *calibrated = uniform_stats(100, -1, 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);
		struct ig_diag *d = ig_diag_new(f, false);
		struct ig_stats *e = uniform_stats(cases[i].samples, cases[i].lo, cases[i].hi);
		ig_warn_shift(calibrated, e, d);
		assert_int_equal(ig_diag_warnings(d), cases[i].said != NULL);
		ig_diag_free(d);
		fclose(f);
		if (cases[i].said && (!strstr(text, "`layer`") || !strstr(text, cases[i].said)))
			fail_msg("case %zu: %s", i, text);
		free(text);
		ig_stats_free(e);
	}
	ig_stats_free(calibrated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_free), cmocka_unit_test(test_exact_counts),  cmocka_unit_test(test_grid),     cmocka_unit_test(test_extremes),
	    cmocka_unit_test(test_only_nan),   cmocka_unit_test(test_merge_refuses), cmocka_unit_test(test_bad_files), cmocka_unit_test(test_values), cmocka_unit_test(test_shift),
	};
	return cmocka_run_group_tests(tests, set_path, remove_path);
}
