/* The measures of eval and compare against scikit-learn and NumPy, whose results stand here as numbers; the bootstrap against its generator and resampling
   written again in Python, with numpy.quantile. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "driver/bootstrap.h"
#include "driver/metrics.h"

#define near(a, b) assert_true(fabs((a) - (b)) <= 1e-12 * (1 + fabs(b)))

static void ranks(void **state)
{
	(void)state;
	const float x[] = {1, 3, NAN, 3, -2}, none[] = {NAN, NAN};
	assert_int_equal(ig_argmax(x, 5), 1);
	assert_int_equal(ig_argmax(x + 2, 3), 1);
	assert_int_equal(ig_argmax(none, 2), 0);
	assert_int_equal(ig_rank_of(x, 5, 1), 0);
	assert_int_equal(ig_rank_of(x, 5, 3), 1);
	assert_int_equal(ig_rank_of(x, 5, 4), 3);
	assert_int_equal(ig_rank_of(x, 5, 2), 5);
}

static void likelihood(void **state)
{
	(void)state;
	const float logit[] = {2.5f, -1.25f, 0.5f, 1}, large[] = {2.5f, -1.25f, 0.5f, 100}, p[] = {0.25f, 0.75f, 0, NAN};
	near(ig_label_nll(logit, 4, 2, false), 2.323519561191214); /* sklearn.metrics.log_loss of the softmax */
	near(ig_label_nll(large, 4, 0, false), 97.5);
	near(ig_label_nll(p, 4, 0, true), 1.3862943611198906);
	assert_true(ig_label_nll(p, 4, 2, true) == INFINITY);
	assert_true(isnan(ig_label_nll(p, 4, 3, true)));
}

static void errors(void **state)
{
	(void)state;
	const float a[] = {1, -2, 3, 0.5f}, b[] = {1.25f, -2, 2.5f, 0.25f};
	struct ig_error_sums s = {.signal = 0}, rest = {.signal = 0}, zero = {.signal = 0};
	ig_error_add(&s, a, b, 3);
	ig_error_add(&rest, a + 3, b + 3, 1);
	ig_error_merge(&s, &rest);
	near(ig_decibel(s.signal, s.noise), 15.797835966168101);
	near(ig_error_cosine(&s), 0.9897442705795106);
	near(ig_mean_squared_error(a, b, 4), 0.09375);
	near(s.worst, 0.5);
	assert_true(ig_decibel(1, 0) == INFINITY && ig_decibel(0, 0) == INFINITY && ig_decibel(0, 1) == -INFINITY);
	near(ig_error_cosine(&zero), 1.0);
}

/* sklearn.metrics.roc_auc_score, with sample_weight; ties on both sides. */
static void auc(void **state)
{
	(void)state;
	const double score[] = {0.1, 0.4, 77, 0.35, 0.8, 0.4, 0.9, -1.5, 0.4};
	const int64_t label[] = {0, 0, -1, 1, 1, 1, 0, 0, 1}, same[] = {1, 1, 1, -1, -1, 1, 1, 1, 1};
	const uint32_t times[] = {2, 1, 9, 3, 1, 1, 2, 2, 4}, no_negative[] = {0, 0, 1, 3, 1, 1, 0, 0, 4};
	struct ig_auc *a = ig_auc_new(score, label, 9), *b = ig_auc_new(score, same, 9);
	near(ig_auc_area(a, NULL), 0.625);
	near(ig_auc_area(a, times), 0.626984126984127);
	assert_true(isnan(ig_auc_area(a, no_negative)));
	assert_true(isnan(ig_auc_area(b, NULL)));
	ig_auc_free(a);
	ig_auc_free(b);
	const double broken[] = {NAN, 1, 2};
	const int64_t which[] = {1, 0, 1};
	a = ig_auc_new(broken, which, 3);
	near(ig_auc_area(a, NULL), 0.5);
	ig_auc_free(a);
}

static void generator(void **state)
{
	(void)state;
	static const uint64_t first[] = {0x910a2dec89025cc1, 0xbeeb8da1658eec67, 0xf893a2eefb32555e};
	static const uint64_t of7[] = {3, 5, 6, 3, 3, 5, 6, 3, 1, 5}, of3e9[] = {2237345271, 1333077650, 1332794101, 2288683175, 2632046059};
	uint64_t s = 1, t = 1, u = 1;
	for (int i = 0; i < 3; i++)
		assert_true(ig_splitmix(&s) == first[i]);
	for (int i = 0; i < 10; i++)
		assert_true(ig_random_below(&t, 7) == of7[i]);
	for (int i = 0; i < 5; i++) /* among them numbers that were drawn again */
		assert_true(ig_random_below(&u, 3000000000) == of3e9[i]);
}

#define N 20

/* Accuracy of two models, their difference, a mean; one that is never a number, and one that is so seldom. */
static void of_resample(void *self, const uint32_t *times, double *out)
{
	int64_t total = 0;
	const double *v = self;
	for (int k = 0; k < 6; k++)
		out[k] = 0;
	for (int i = 0; i < N; i++) {
		double w = times[i];
		total += times[i];
		out[0] += w * (i % 3 != 0) / N;
		out[1] += w * (i % 4 != 0) / N;
		out[3] += w * v[i] / N;
	}
	assert_int_equal(total, N);
	out[2] = out[0] - out[1];
	out[4] = NAN;
	out[5] = times[0] == 0 ? NAN : 1; /* in 36 % of the resamples */
}

static void intervals(void **state)
{
	(void)state;
	static const double lo[] = {0.45, 0.55, -0.35, 2.636680690398133}, hi[] = {0.85, 0.95, 0.15, 3.4899237758913517};
	double v[N];
	struct ig_interval in[6], again[6];
	for (int i = 0; i < N; i++)
		v[i] = sqrt(i + 1.0);
	ig_bootstrap(N, 6, of_resample, v, in);
	ig_bootstrap(N, 6, of_resample, v, again);
	for (int k = 0; k < 4; k++) {
		near(in[k].lo, lo[k]);
		near(in[k].hi, hi[k]);
		assert_true(in[k].lo == again[k].lo && in[k].hi == again[k].hi);
	}
	assert_true(isnan(in[4].lo) && isnan(in[4].hi));
	near(in[5].lo, 1.0);
}

static void quantiles(void **state)
{
	(void)state;
	const double x[] = {1, 2, 4, 8}, inf[] = {1, INFINITY, INFINITY};
	near(ig_quantile(x, 4, 0.3), 1.9);
	near(ig_quantile(x, 4, 1), 8.0);
	near(ig_quantile(x, 1, 0.5), 1.0);
	assert_true(ig_quantile(inf, 3, 0.75) == INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks),     cmocka_unit_test(likelihood), cmocka_unit_test(errors),    cmocka_unit_test(auc),
		cmocka_unit_test(generator), cmocka_unit_test(intervals),  cmocka_unit_test(quantiles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
