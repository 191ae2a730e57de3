/* Target descriptions: consistent facts, names, what runs here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/ig_runtime.h"
#include "targets/target.h"

static void names(void **state)
{
	(void)state;
	static const char *const want[] = {"x86-64-v3", "x86-64-avxvnni", "x86-64-avx512vnni", "x86-64-amx", "aarch64-neon", "aarch64-dotprod", "aarch64-i8mm", "c"};
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	assert_int_equal(n, 8);
	for (int i = 0; i < n; i++) {
		assert_string_equal(t[i]->name, want[i]);
		assert_ptr_equal(ig_target_find(want[i]), t[i]);
		assert_true(strlen(t[i]->help) > 10);
	}
	assert_null(ig_target_find("x86-64"));
	assert_null(ig_target_find(""));
}

/* A register tile must fit: accumulators, one weight vector each, a broadcast activation. */
static void facts(void **state)
{
	(void)state;
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	for (int i = 0; i < n; i++) {
		assert_true(t[i]->vector_bytes >= 16 && (t[i]->vector_bytes & (t[i]->vector_bytes - 1)) == 0);
		assert_true(t[i]->dot.group >= 1 && (t[i]->dot.elem == 8 || t[i]->dot.elem == 16));
		assert_true(t[i]->l1 >= 16 << 10 && t[i]->l2 > t[i]->l1);
		assert_true(t[i]->tile[0].pixels > 0 && t[i]->float_tile.pixels > 0);
		for (int k = 0; k < 4 && t[i]->tile[k].pixels; k++)
			assert_true(t[i]->tile[k].pixels * t[i]->tile[k].vectors + t[i]->tile[k].vectors < t[i]->vector_regs);
		if (!t[i]->triple) {
			assert_true(t[i]->cpu_features == 0);
			continue;
		}
		assert_true(t[i]->cpu_features != 0 && t[i]->cpu && t[i]->features);
		assert_int_equal(t[i]->vector_bytes / 4 >= 4, 1);
		for (int r = 0; r < IG_R_COUNT; r++)
			if (t[i]->recipe[r].intrinsic)
				assert_int_equal(t[i]->recipe[r].lanes * 4, t[i]->vector_bytes);
	}
}

/* The kernel's own list of CPU features; it agrees with CPUID as we read it. */
static void cpu_features(void **state)
{
	(void)state;
#if defined(__x86_64__) && defined(__linux__)
	static const struct {
		const char *flag;
		uint64_t bit;
	} flags[] = {{" avx2 ", IG_CPU_AVX2},           {" fma ", IG_CPU_FMA},           {" f16c ", IG_CPU_F16C},          {" avx_vnni ", IG_CPU_AVXVNNI},
	             {" avx512vl ", IG_CPU_AVX512},     {" avx512_vnni ", IG_CPU_AVX512VNNI}, {" avx512vbmi ", IG_CPU_AVX512VBMI}, {" bmi2 ", IG_CPU_BMI}};
	static char line[1 << 14];
	FILE *f = fopen("/proc/cpuinfo", "r");
	if (!f)
		skip();
	while (fgets(line, sizeof line, f) && strncmp(line, "flags", 5) != 0)
		;
	fclose(f);
	char *nl = strchr(line, '\n');
	if (nl)
		*nl = ' ';
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		print_message("%s%s\n", flags[i].flag, ig_cpu_features() & flags[i].bit ? "yes" : "no");
		assert_int_equal((ig_cpu_features() & flags[i].bit) != 0, strstr(line, flags[i].flag) != NULL);
	}
#else
	skip();
#endif
}

static void native(void **state)
{
	(void)state;
	const struct ig_target *t = ig_target_native();
	assert_true(t == &ig_target_c || ig_target_runs_here(t));
	assert_false(ig_target_runs_here(&ig_target_c));
#ifdef __x86_64__
	assert_false(ig_target_runs_here(&ig_target_aarch64_neon));
	assert_int_equal(ig_target_runs_here(&ig_target_x86_64_avx512vnni), (ig_target_x86_64_avx512vnni.cpu_features & ~ig_cpu_features()) == 0);
#endif
}

static void model_supported(void **state)
{
	(void)state;
	struct ig_model_desc m = {.version = IG_MODEL_VERSION, .cpu_features = ig_cpu_features()};
	assert_int_equal(ig_model_supported(&m), 1);
	m.cpu_features |= (uint64_t)1 << 63;
	assert_int_equal(ig_model_supported(&m), 0);
	m.cpu_features = 0;
	m.version = 77;
	assert_int_equal(ig_model_supported(&m), 0);
	assert_int_equal(ig_model_supported(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(facts), cmocka_unit_test(cpu_features), cmocka_unit_test(native), cmocka_unit_test(model_supported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
