/* Bias correction: means by channel, and outputs whose mean is nearer to the float ones'. */
#include "passes/means.h"
#include "passes_util.h"
#include "tests/common/array_replay.h"

#define SAMPLES 40
#define EACH (4 * 9 * 9)

/* Samples of one sign, so that the weights' errors add up. */
static void fill(float *x, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)(1 + uniform());
}

static void test_means(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 2, 2, 2)), c = conv(g, "c", x, 3, 1, true);
	output(g, linear(g, "l", flatten(g, "f", c), 4));
	struct ig_context ctx = {.diag = diag, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &ctx, NULL));
	float samples[16] = {1, 2, 3, 4, 10, 20, 30, 40, 5, 6, 7, 8, -10, -20, -30, -40};
	struct array_replay a = {.x = samples, .each = 8};
	const struct ig_replay r = replay_of(&a, 2);
	struct ig_means *m = ig_means_new(g, &r, diag);
	const double *mean = ig_means_find(m, "x", IG_OP_CONV2D);
	assert_true(mean && mean[0] == 4.5 && mean[1] == 0);
	assert_null(ig_means_find(m, "x", IG_OP_LINEAR));
	assert_non_null(ig_means_find(m, "f", IG_OP_LINEAR));
	ig_means_free(m);
	ig_graph_free(g);
}

/* Sum over channels of the squared difference of means between the float graph and a quantized one; output is [1, C, ...]. */
static double bias_of(const struct ig_graph *flt, const struct ig_graph *q, const float *x)
{
	int64_t n = ig_elems(ig_vtype(flt, flt->output[0])), channels = ig_vtype(flt, flt->output[0])->dim[1], count;
	double *sum = calloc((size_t)channels, sizeof *sum), total = 0;
	for (int i = 0; i < SAMPLES; i++) {
		float *a = run_graph(flt, x + EACH * i, &count), *b = run_graph(q, x + EACH * i, &count);
		assert_int_equal(count, n);
		for (int64_t j = 0; j < n; j++)
			sum[j / (n / channels)] += ((double)b[j] - (double)a[j]) / SAMPLES;
		free(a);
		free(b);
	}
	for (int64_t c = 0; c < channels; c++)
		total += sum[c] * sum[c];
	free(sum);
	return total;
}

/* kind 0: convolution, 1: grouped, without a bias, 2: depthwise, 3: float bias; the first channel's weights are large, which makes the others' coarse. */
static void check(int kind)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.weight.per_channel = false;
	rule.config.bias_float32 = kind == 3;
	ig_vec_push(&map->rules, rule);
	output(g, conv(g, "c", input(g, "x", SHAPE(1, 4, 9, 9)), kind == 2 ? 4 : 8, kind == 1 ? 2 : kind == 2 ? 4 : 1, kind != 1));
	const struct ig_tensor *w = ig_const_data(g, layer(g, "c")->in[1]);
	for (int64_t i = 0; i < ig_elems(&w->type) / w->type.dim[0]; i++)
		((float *)w->data)[i] *= 50;
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	float *x = malloc(SAMPLES * EACH * sizeof *x);
	fill(x, SAMPLES * EACH);
	struct ig_stats *st = calibrated(g, map, x, EACH, SAMPLES);
	struct array_replay a = {.x = x, .each = EACH};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	map->recover[IG_RECOVER_BIAS] = true;
	struct ig_graph *plain = quantized_with(g, map, st, NULL), *corrected = quantized_with(g, map, st, &r);
	assert_true(bias_of(g, corrected, x) < bias_of(g, plain, x) / 3);
	ig_graph_free(plain);
	ig_graph_free(corrected);
	ig_stats_free(st);
	free(x);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

static void test_corrects(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++)
		check(kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_means), cmocka_unit_test(test_corrects)};
	return cmocka_run_group_tests(tests, start, finish);
}
