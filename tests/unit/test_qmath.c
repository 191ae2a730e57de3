/* runtime/qmath.h: the exact fused multiply-add against the C library's, the float functions against double, roundings at ties and limits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/qmath.h"

static uint64_t seed;

static uint32_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static int same(float a, float b) { return ig_bits_of(a) == ig_bits_of(b) || (a != a && b != b); }

static void software_fma(void **state)
{
	(void)state;
	seed = 88172645463325252u;
	for (int i = 0; i < 6000000; i++) {
		uint32_t a = next(), b = next(), c = next();
		switch (i % 4) {
		case 1: /* the sum cancels but for a few last places */
			c = ig_bits_of(-(ig_of_bits(a) * ig_of_bits(b))) + next() % 5 - 2;
			break;
		case 2: /* subnormal results */
			a = (a & 0x807fffffu) | (next() % 40 + 1) << 23;
			b = (b & 0x807fffffu) | (next() % 60 + 90) << 23;
			c &= 0x80ffffffu;
			break;
		case 3: /* few significant bits: exact ties */
			a &= 0xbfff0000u;
			b &= 0xbfff0000u;
			c = (c & 0x80000001u) | ((a & 0x7f800000u) + (b & 0x7f800000u) - 0x3f800000u - ((next() % 30) << 23));
			break;
		default: break;
		}
		float x = ig_of_bits(a), y = ig_of_bits(b), z = ig_of_bits(c);
		if (!same(ig_fmaf_exact(x, y, z), fmaf(x, y, z)))
			fail_msg("fma(%a, %a, %a): %a, expected %a", (double)x, (double)y, (double)z, (double)ig_fmaf_exact(x, y, z), (double)fmaf(x, y, z));
	}
}

static void software_fma_special(void **state)
{
	(void)state;
	static const uint32_t v[] = {0, 0x80000000u, 1, 0x80000001u, 0x007fffff, 0x00800000, 0x3f800000, 0xbf800000u, 0x3f800001, 0x7f7fffff,
	                             0xff7fffffu, 0x7f800000, 0xff800000u, 0x7fc00000, 0x5f000000, 0x33800000, 0x34000001, 0x4b7fffff};
	enum { N = sizeof v / sizeof *v };
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			for (int k = 0; k < N; k++) {
				float x = ig_of_bits(v[i]), y = ig_of_bits(v[j]), z = ig_of_bits(v[k]);
				assert_true(same(ig_fmaf_exact(x, y, z), fmaf(x, y, z)));
			}
}

static void rounding(void **state)
{
	(void)state;
	for (int i = -4000; i <= 4000; i++) /* quarters: ties among them */
		assert_int_equal(ig_rne((float)i / 4), (int32_t)lrintf((float)i / 4));
	assert_int_equal(ig_rne(4194303.5f), 4194304);
	assert_int_equal(ig_rne(-4194304.0f), -4194304);
	assert_int_equal(ig_rne(-0.0f), 0);
}

static void quantize(void **state)
{
	(void)state;
	assert_int_equal(ig_quantize(0.25f, 0.5f, 7, 0, 255), 7); /* tie to even, then the zero point */
	assert_int_equal(ig_quantize(0.75f, 0.5f, 7, 0, 255), 9);
	assert_int_equal(ig_quantize(-0.25f, 0.5f, 7, 0, 255), 7);
	assert_int_equal(ig_quantize(-0.75f, 0.5f, 7, 0, 255), 5);
	assert_int_equal(ig_quantize(1e30f, 0.5f, 7, 0, 255), 255);
	assert_int_equal(ig_quantize(-1e30f, 0.5f, 7, 0, 127), 0);
	assert_int_equal(ig_quantize(INFINITY, 1e-3f, 7, -128, 127), 127);
	assert_int_equal(ig_quantize(-INFINITY, 1e-3f, 7, -128, 127), -128);
	assert_int_equal(ig_quantize(NAN, 0.5f, 7, 0, 255), 7);
	assert_int_equal(ig_quantize(3e38f, 1e-9f, 7, 0, 255), 255); /* the quotient is infinite */
	assert_true(ig_dequantize(3, 0.5f, 7) == -2.0f);
}

static void requantize(void **state)
{
	(void)state;
	assert_int_equal(ig_requant(1000, 0.0625f, 10, 0, 255), 72);      /* 62.5 -> 62 */
	assert_int_equal(ig_requant(1016, 0.0625f, 10, 0, 255), 74);      /* 63.5 -> 64 */
	assert_int_equal(ig_requant(2000000000, 10.0f, 10, 0, 255), 255); /* far outside of int32 */
	assert_int_equal(ig_requant(-2000000000, 10.0f, 10, 0, 255), 0);
	assert_int_equal(ig_requant(16777217, 1.0f / 16777216, 0, 0, 255), 1); /* (float)A rounds */
	assert_int_equal(ig_requant_fbias(1000, 8.0f, 0.0625f, 0, 0, 255), 63);
	assert_int_equal(ig_requant_add(1000, 0.0625f, 3, 0.5f, 0, 0, 255), 64); /* 62.5 + 1.5: one rounding */
	assert_int_equal(ig_qadd(5, 0.5f, -3, 0.5f, 2, 0, 255), 3);
	assert_int_equal(ig_qsub(5, 0.5f, -3, 0.25f, 2, 0, 255), 5); /* 3.25 */
	assert_int_equal(ig_qmul(-5, 5, 0.1f, 10, 0, 255), 8);       /* -2.5 -> -2 */
}

/* What gemmlowp's code comes to: the high half with halves up, the division with halves away from zero. */
static int64_t high_half(int64_t p) { return (p + ((int64_t)1 << 30)) >> 31; }

static int64_t divide_round_away(int64_t p, int64_t d)
{
	int64_t q = p / d, r = p % d;
	if (2 * (r < 0 ? -r : r) >= d)
		q += p < 0 ? -1 : 1;
	return q;
}

static void fixed_point(void **state)
{
	(void)state;
	seed = 42;
	for (int i = 0; i < 300000; i++) {
		int32_t a = (int32_t)next() >> (next() % 24), m = (int32_t)((next() | 0x80000000u) >> 1), s = (int32_t)(next() % 20) - 18;
		if (s > 0)
			a >>= 6;
		if (i % 3 == 0)
			m = 1 << 30; /* ties */
		int64_t high = high_half((int64_t)(s > 0 ? a * (1 << s) : a) * m);
		assert_int_equal(ig_srdhm(s > 0 ? a * (1 << s) : a, m), high);
		assert_int_equal(ig_requant_fixed(a, m, s), s < 0 ? divide_round_away(high, (int64_t)1 << -s) : high);
	}
	assert_int_equal(ig_srdhm(INT32_MIN, INT32_MIN), INT32_MAX);
	assert_int_equal(ig_srdhm(-5, 1 << 30), -2); /* -2.5 up */
	assert_int_equal(ig_rdbpot(-5, 1), -3); /* -2.5 away from zero */
	assert_int_equal(ig_rdbpot(INT32_MIN, 31), -1);
	assert_int_equal(ig_clamp_fixed(INT64_MAX - 255, 100, 0, 255), 255);
}

static double relative(double got, double want) { return fabs(got - want) / fabs(want); }

static void float_functions(void **state)
{
	(void)state;
	double e = 0, t = 0, s = 0;
	for (uint64_t u = 0; u < 0xff800000u; u += 1511) {
		float x = ig_of_bits((uint32_t)u);
		if (!isfinite(x))
			continue;
		double y = exp((double)x);
		if (y > 1.2e-38 && y < 3.4e38)
			e = fmax(e, relative((double)ig_expf(x), y));
		else if (y <= 1.2e-38)
			assert_true(fabs((double)ig_expf(x) - y) <= 1.5e-45); /* subnormal: a unit of the last place */
		else if (y > 3.41e38)
			assert_true(isinf(ig_expf(x)));
		y = tanh((double)x);
		if (fabs(y) > 1.2e-38)
			t = fmax(t, relative((double)ig_tanhf(x), y));
		y = 1 / (1 + exp(-(double)x));
		if (y > 1e-37)
			s = fmax(s, relative((double)ig_sigmoidf(x), y));
	}
	assert_true(e < 1.1e-7 && t < 1.5e-7 && s < 1.6e-7);
	assert_true(ig_expf(0.0f) == 1.0f && ig_expf(-INFINITY) == 0.0f && isinf(ig_expf(INFINITY)) && isnan(ig_expf(NAN)));
	assert_true(ig_tanhf(INFINITY) == 1.0f && ig_tanhf(-INFINITY) == -1.0f && isnan(ig_tanhf(NAN)) && ig_tanhf(0.0f) == 0.0f);
	assert_true(ig_sigmoidf(INFINITY) == 1.0f && ig_sigmoidf(-INFINITY) == 0.0f && ig_sigmoidf(0.0f) == 0.5f && isnan(ig_sigmoidf(NAN)));
	assert_true(ig_hard_swishf(-3.0f) == 0.0f && ig_hard_swishf(3.0f) == 3.0f && ig_hard_swishf(1.0f) == 1.0f * (4.0f / 6.0f));
	assert_true(ig_leaky_reluf(-2.0f, 0.25f) == -0.5f && ig_leaky_reluf(2.0f, 0.25f) == 2.0f && isnan(ig_leaky_reluf(NAN, 0.25f)));
	assert_true(isnan(ig_clampf(NAN, 0.0f, 6.0f)) && ig_clampf(-1.0f, 0.0f, 6.0f) == 0.0f && ig_clampf(7.0f, 0.0f, 6.0f) == 6.0f);
	assert_true(ig_bits_of(ig_canonical_nan(-NAN)) == 0x7fc00000u && ig_canonical_nan(1.0f) == 1.0f);
}

/* The sequence of operations is fixed, and so are the bits, with hardware or software multiply-add. */
static void fixed_bits(void **state)
{
	(void)state;
	uint64_t h = 0;
	for (int i = -6000; i <= 6000; i++) {
		float x = (float)i / 64;
		h = (h ^ ig_bits_of(ig_expf(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ ig_bits_of(ig_tanhf(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ ig_bits_of(ig_sigmoidf(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ ig_bits_of(ig_hard_swishf(x))) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	assert_true(h == 0xd6846ff7a93c9590u);
}

static void trees(void **state)
{
	(void)state;
	float p[16];
	for (int i = 0; i < 16; i++)
		p[i] = i % 2 ? 1e8f : (float)i;
	float a[8], b[4];
	for (int i = 0; i < 8; i++)
		a[i] = p[i] + p[i + 8];
	for (int i = 0; i < 4; i++)
		b[i] = a[i] + a[i + 4];
	assert_true(ig_reduce_add16(p) == (b[0] + b[2]) + (b[1] + b[3]));
	assert_true(ig_reduce_fmax16(p) == 1e8f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(software_fma), cmocka_unit_test(software_fma_special), cmocka_unit_test(rounding),
		cmocka_unit_test(quantize),     cmocka_unit_test(requantize),           cmocka_unit_test(fixed_point),
		cmocka_unit_test(float_functions), cmocka_unit_test(fixed_bits),        cmocka_unit_test(trees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
