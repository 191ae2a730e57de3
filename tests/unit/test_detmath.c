/* ir/detmath.c against the C library: accuracy on random and special arguments, exactness of sqrt and rint, and fixed bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ir/detmath.h"

static uint64_t state_;

static uint64_t next(void)
{
	state_ ^= state_ << 13;
	state_ ^= state_ >> 7;
	return state_ ^= state_ << 17;
}

static double of_bits(uint64_t u)
{
	double x;
	memcpy(&x, &u, 8);
	return x;
}

static uint64_t bits_of(double x)
{
	uint64_t u;
	memcpy(&u, &x, 8);
	return u;
}

/* Difference in units of the last place of the true value. */
static double ulps(double got, long double want)
{
	return (double)(fabsl((long double)got - want) / (fabsl(want) * 2.220446049250313e-16L));
}

static void accuracy(void **state)
{
	(void)state;
	double exp_worst = 0, log_worst = 0, tanh_worst = 0, sigmoid_worst = 0;
	state_ = 88172645463325252u;
	for (int i = 0; i < 400000; i++) {
		double u = (double)(int64_t)next() / 9223372036854775808.0, x = u * 700, a = fabs(of_bits(next()));
		exp_worst = fmax(exp_worst, ulps(ig_det_exp(x), expl(x)));
		if (isfinite(a) && a > 0)
			log_worst = fmax(log_worst, ulps(ig_det_log(a), logl(a)));
		x = u * 20;
		tanh_worst = fmax(tanh_worst, ulps(ig_det_tanh(x), tanhl(x)));
		sigmoid_worst = fmax(sigmoid_worst, ulps(ig_det_sigmoid(x), 1 / (1 + expl(-x))));
	}
	assert_true(exp_worst < 1.0 && log_worst < 1.0 && tanh_worst < 3.0 && sigmoid_worst < 2.0);
}

static void exact(void **state)
{
	(void)state;
	state_ = 1234567;
	for (int i = 0; i < 400000; i++) {
		double x = of_bits(next());
		if (x != x)
			continue;
		assert_true(bits_of(ig_det_rint(x)) == bits_of(rint(x)));
		assert_true(bits_of(ig_det_sqrt(fabs(x))) == bits_of(sqrt(fabs(x))));
		double half = rint((double)(int64_t)next() / 1e12) + 0.5; /* ties */
		assert_true(bits_of(ig_det_rint(half)) == bits_of(rint(half)));
		double square = (double)(next() >> 38) * (double)(next() >> 38);
		assert_true(ig_det_sqrt(square * square) == square);
	}
}

static void special(void **state)
{
	(void)state;
	assert_true(ig_det_exp(0) == 1 && ig_det_exp(-INFINITY) == 0 && isinf(ig_det_exp(INFINITY)) && isinf(ig_det_exp(710)) && ig_det_exp(-746) == 0);
	assert_true(ig_det_exp(-740) > 0); /* subnormal */
	assert_true(isnan(ig_det_exp(NAN)) && isnan(ig_det_tanh(NAN)) && isnan(ig_det_sigmoid(NAN)) && isnan(ig_det_log(-1)) && isnan(ig_det_sqrt(-1)));
	assert_true(ig_det_log(1) == 0 && ig_det_log(0) == -INFINITY && isinf(ig_det_log(INFINITY)));
	assert_true(ig_det_tanh(INFINITY) == 1 && ig_det_tanh(-INFINITY) == -1 && ig_det_tanh(0) == 0);
	assert_true(ig_det_sigmoid(0) == 0.5 && ig_det_sigmoid(INFINITY) == 1 && ig_det_sigmoid(-INFINITY) == 0);
	assert_true(ig_det_sqrt(0) == 0 && isinf(ig_det_sqrt(INFINITY)) && ig_det_sqrt(2) == sqrt(2));
}

static void fixed_bits(void **state)
{
	(void)state;
	/* every build gives these */
	uint64_t h = 0;
	for (int i = -2000; i <= 2000; i++) {
		double x = i / 64.0;
		h = (h ^ bits_of(ig_det_exp(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ bits_of(ig_det_tanh(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ bits_of(ig_det_sigmoid(x))) * 0x9e3779b97f4a7c15u;
		h = (h ^ bits_of(ig_det_log(x * x + 0.1))) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	assert_true(h == 0x1e1112188cae96c6u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(accuracy), cmocka_unit_test(exact), cmocka_unit_test(special), cmocka_unit_test(fixed_bits)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
