/* Adding a sample's values to a distribution: the inner loop of calibration. A chunk of the values at a time, small enough for the second cache: its range
   decides whether the grid grows, then every value finds its bin by one exact product. Both loops are written for vectors: no branch, no conversion
   that is wider than a float, and what has no bin (zeros, NaN, infinities) counts in spare places behind the bins. A large chunk counts in 16-bit counters,
   which fit the first cache. */
#include "passes/stats.h"

#include <math.h>
#include <string.h>

/* As ir/eval.h's clones; every operation here is exact, so that all versions agree. Without traps, since a conversion that could trap is not
   moved out of a branch. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "no-trapping-math")))
#elif defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((optimize("O3", "no-trapping-math")))
#else
#define FAST
#endif

enum { PIECE = 2048, CHUNK = 16 * PIECE /* below 2^16, so that no 16-bit counter overflows */ };
#define ABS 0x7fffffff
#define INF 0x7f800000 /* the bits of infinity; above are NaN */

/* A float's bits as an integer of the same order, -0 just below 0; and back. */
static inline int32_t key_of(int32_t bits) { return bits ^ ((bits >> 31) & ABS); }

static float of_key(int32_t key)
{
	int32_t bits = key_of(key);
	float x;
	memcpy(&x, &bits, sizeof x);
	return x + 0.0f; /* -0 is 0 */
}

struct survey {
	int32_t lo, hi, zeros; /* keys */
};

static inline int32_t bits_of(float x)
{
	int32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

FAST static void survey(const float *restrict x, int n, struct survey *restrict s)
{
	int32_t lo = INT32_MAX, hi = INT32_MIN, zeros = 0;
	for (int i = 0; i < n; i++) {
		int32_t bits = bits_of(x[i]), k = key_of(bits);
		lo = k < lo ? k : lo;
		hi = k > hi ? k : hi;
		zeros += (bits & ABS) == 0;
	}
	*s = (struct survey){lo, hi, zeros};
}

/* The same for values among which NaN or infinities are. */
static void survey_odd(const float *x, int n, struct survey *s, uint64_t *nans, uint64_t *infs)
{
	s->lo = INT32_MAX;
	s->hi = INT32_MIN;
	for (int i = 0; i < n; i++) {
		int32_t k = key_of(bits_of(x[i])), a = bits_of(x[i]) & ABS;
		*nans += a > INF;
		*infs += a == INF;
		if (a >= INF)
			continue;
		s->lo = k < s->lo ? k : s->lo;
		s->hi = k > s->hi ? k : s->hi;
	}
}

/* Bins of n values relative to `first`. With |value| < 2^23 widths the conversion to an integer is exact, and so is its way back: comparing there and not
   after the product keeps products that vanish below the least float on their side of zero. */
FAST static void find_bins(const float *restrict x, int n, float scale, float width, int32_t first, uint16_t *restrict bin)
{
	for (int i = 0; i < n; i++) {
		int32_t t = (int32_t)(x[i] * scale), spare = IG_HIST_BINS + (i & (IG_HIST_SPARE - 1)), zero = -((bits_of(x[i]) & ABS) == 0);
		t -= (float)t * width > x[i];
		bin[i] = (uint16_t)((spare & zero) | ((t - first) & ~zero));
	}
}

static void piece_bins(const struct ig_stat *st, const float *x, int n, uint16_t *bin)
{
	find_bins(x, n, ldexpf(1.0f, -st->exponent), ldexpf(1.0f, st->exponent), (int32_t)st->first_bin, bin);
}

static void count_few(struct ig_stat *st, const float *x, int n)
{
	uint16_t bin[PIECE];
	uint64_t *count = st->bin;
	for (int at = 0; at < n; at += PIECE) {
		int m = n - at < PIECE ? n - at : PIECE;
		piece_bins(st, x + at, m, bin);
#pragma GCC unroll 8
		for (int i = 0; i < m; i++)
			count[bin[i]]++;
	}
}

FAST static void add_counts(uint64_t *restrict to, const uint16_t *restrict from, int n)
{
	for (int i = 0; i < n; i++)
		to[i] += from[i];
}

static void count_many(struct ig_stat *st, const float *x, int n)
{
	uint16_t bin[PIECE], count[IG_HIST_BINS + IG_HIST_SPARE];
	memset(count, 0, sizeof count);
	for (int at = 0; at < n; at += PIECE) {
		int m = n - at < PIECE ? n - at : PIECE;
		piece_bins(st, x + at, m, bin);
#pragma GCC unroll 8
		for (int i = 0; i < m; i++)
			count[bin[i]]++;
	}
	add_counts(st->bin, count, st->n_bins);
}

static void count_slow(struct ig_stat *st, const float *x, int n)
{
	double scale = ldexp(1.0, -st->exponent);
	for (int i = 0; i < n; i++)
		if (x[i] != 0 && isfinite(x[i]))
			st->bin[(int64_t)floor((double)x[i] * scale) - st->first_bin]++;
}

/* May every finite value's bin be found in float? */
static bool is_plain(const struct ig_stat *st)
{
	const int64_t limit = 1 << 22;
	return st->exponent > -126 && st->exponent < 126 && st->first_bin > -limit && st->first_bin + st->n_bins < limit;
}

static void add_chunk(struct ig_stat *st, const float *x, int n, float *lo, float *hi)
{
	struct survey s;
	survey(x, n, &s);
	bool odd = s.hi >= INF || s.lo <= key_of((int32_t)((uint32_t)INF | 0x80000000u));
	if (odd)
		survey_odd(x, n, &s, &st->nans, &st->infs);
	st->zeros += (uint64_t)s.zeros;
	if (s.lo > s.hi)
		return;
	float min = of_key(s.lo), max = of_key(s.hi);
	*lo = min < *lo ? min : *lo;
	*hi = max > *hi ? max : *hi;
	ig_stat_grow(st, min, max);
	if (!st->n_bins)
		return;
	if (odd || !is_plain(st))
		count_slow(st, x, n);
	else if (n < st->n_bins)
		count_few(st, x, n);
	else
		count_many(st, x, n);
}

void ig_stat_values(struct ig_stat *st, const float *x, int64_t n, float *lo, float *hi)
{
	*lo = INFINITY;
	*hi = -INFINITY;
	st->count += (uint64_t)n;
	for (int64_t i = 0; i < n; i += CHUNK)
		add_chunk(st, x + i, n - i < CHUNK ? (int)(n - i) : CHUNK, lo, hi);
}

void ig_stat_average(struct ig_stat *st, float lo, float hi)
{
	float c = st->averaging;
	if (!(lo <= hi))
		return;
	if (isnan(st->avg_min)) {
		st->avg_min = lo;
		st->avg_max = hi;
	} else {
		st->avg_min = st->avg_min + c * (lo - st->avg_min);
		st->avg_max = st->avg_max + c * (hi - st->avg_max);
	}
}

void ig_stat_add(struct ig_stat *st, const float *x, int64_t n)
{
	float lo, hi;
	ig_stat_values(st, x, n, &lo, &hi);
	if (st->has_average)
		ig_stat_average(st, lo, hi);
}
