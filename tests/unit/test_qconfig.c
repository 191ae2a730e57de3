/* Presets carry the names and meaning of the engines they are called after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ir/qconfig.h"

static void test_presets(void **state)
{
	(void)state;
	int n;
	const char *const *names = ig_qconfig_preset_names(&n);
	for (int i = 0; i < n; i++) {
		const struct ig_qconfig *q = ig_qconfig_preset(names[i]);
		assert_non_null(q);
		assert_false(q->skip);
		assert_int_equal(q->act.bins, 2048);
		assert_true(q->act.averaging == 0.01);
		assert_int_equal(q->act.dtype, !strcmp(names[i], "w8a16") ? IG_DT_S16 : IG_DT_U8);
		assert_int_equal(q->weight.dtype, IG_DT_S8);
		assert_int_equal(q->weight.scheme, IG_SCHEME_SYMMETRIC);
		assert_int_equal(q->weight.observer, !strcmp(names[i], "default_qat") ? IG_OBS_MOVING_AVERAGE : IG_OBS_MINMAX);
		assert_int_equal(q->mode, !strcmp(names[i], "default_dynamic") ? IG_MODE_DYNAMIC : !strcmp(names[i], "float16_dynamic") ? IG_MODE_FLOAT16 : IG_MODE_STATIC);
		assert_false(q->weight.reduce_range);
	}
	assert_null(ig_qconfig_preset("fbgem"));
	assert_null(ig_qconfig_preset(""));
}

static void test_pytorch(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool reduce, per_channel, bias_float32;
	} expect[] = {{"x86", true, true, true}, {"fbgemm", true, true, true}, {"onednn", false, true, false}, {"qnnpack", false, false, false}};
	for (size_t i = 0; i < IG_COUNTOF(expect); i++) {
		const struct ig_qconfig *q = ig_qconfig_preset(expect[i].name);
		assert_int_equal(q->act.observer, IG_OBS_HISTOGRAM);
		assert_int_equal(q->act.reduce_range, expect[i].reduce);
		assert_int_equal(q->weight.per_channel, expect[i].per_channel);
		assert_int_equal(q->bias_float32, expect[i].bias_float32);
	}
	const struct ig_qconfig *ours = ig_qconfig_preset("default");
	assert_false(ours->act.reduce_range);
	assert_true(ours->weight.per_channel);
}

static void test_names(void **state)
{
	(void)state;
	static const char *const names[] = {"minmax", "moving_average", "histogram", "mse", "percentile", "entropy", "fixed"};
	assert_int_equal(IG_OBS_COUNT, IG_COUNTOF(names));
	for (int i = 0; i < IG_OBS_COUNT; i++)
		assert_string_equal(ig_observer_names[i], names[i]);
	struct ig_qconfig_map *m = ig_qconfig_map_new();
	struct ig_rule r = {.kind = IG_RULE_DEFAULT, .text = "skip"};
	for (int i = 0; i < 100; i++)
		ig_vec_push(&m->rules, r);
	assert_int_equal(m->rules.n, 100);
	ig_qconfig_map_free(m);
	ig_qconfig_map_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_presets), cmocka_unit_test(test_pytorch), cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
