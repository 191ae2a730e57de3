/* Empirical bias correction: in a chain of layers each output's mean over the samples becomes the float one's; the march that it takes along the graph. */
#include "passes/march.h"
#include "passes_util.h"
#include "tests/common/array_replay.h"

#define SAMPLES 40
#define EACH (4 * 9 * 9)

static float *make_samples(void)
{
	float *x = malloc(SAMPLES * EACH * sizeof *x);
	for (int i = 0; i < SAMPLES * EACH; i++)
		x[i] = (float)(1 + uniform());
	return x;
}

/* Grouped with a stride and no bias, depthwise, an addition, a linear layer: as many of them as `layers` says. The last one's result is not rounded. */
static struct ig_graph *make_graph(struct ig_qconfig_map *map, int layers)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 9, 9)), a = conv(g, "a", x, 8, 2, false), y = a;
	ig_attr_set_ints(g, ig_graph_find(g, "a"), IG_A_STRIDE, (const int64_t[]){2, 2}, 2);
	assert_true(ig_infer_node(g, ig_graph_find(g, "a"), diag));
	if (layers > 1)
		y = conv(g, "b", op1(g, IG_OP_RELU6, "r", y), 8, 8, true);
	if (layers > 2)
		y = op2(g, IG_OP_ADD, "sum", conv(g, "c", y, 8, 1, true), a);
	if (layers > 3)
		y = linear(g, "d", flatten(g, "f", y), 5);
	output(g, y);
	static const char *const names[] = {"a", "b", "c", "d"};
	for (int i = 0; i < layers; i++) { /* large weights of one channel make the others' coarse */
		const struct ig_tensor *w = ig_const_data(g, layer(g, names[i])->in[1]);
		for (int64_t k = 0; k < ig_elems(&w->type) / w->type.dim[0]; k++)
			((float *)w->data)[k] *= 20;
	}
	struct ig_context ctx = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &ctx, NULL));
	if (layers > 2)
		assert_int_equal(layer(g, "c")->op, IG_OP_CONV2D_ADD);
	return g;
}

/* The means of the output by channel, over the samples. */
static void output_means(const struct ig_graph *g, const float *x, double *mean, int64_t channels)
{
	struct ig_interp *it = ig_interp_new(g, diag);
	memset(mean, 0, (size_t)channels * sizeof *mean);
	for (int s = 0; s < SAMPLES; s++) {
		const void *in[1] = {x + EACH * s};
		ig_interp_run(it, in);
		const struct ig_tensor *t = ig_interp_value(it, g->output[0]);
		int64_t n = ig_elems(&t->type);
		for (int64_t i = 0; i < n; i++)
			mean[i / (n / channels)] += (double)((const float *)t->data)[i] / (double)(n / channels) / SAMPLES;
	}
	ig_interp_free(it);
}

static double worst(const struct ig_graph *flt, const struct ig_graph *q, const float *x)
{
	double a[8], b[8], most = 0;
	int64_t channels = ig_vtype(flt, flt->output[0])->dim[1];
	output_means(flt, x, a, channels);
	output_means(q, x, b, channels);
	for (int64_t c = 0; c < channels; c++)
		most = fmax(most, fabs(a[c] - b[c]));
	return most;
}

/* kind 0: static integers, 1: with float biases, 2: float layers with s8 weights, 3: with s4 weights. */
static void check(int kind, int layers)
{
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.weight.per_channel = false;
	rule.config.bias_float32 = kind == 1;
	rule.config.mode = kind >= 2 ? IG_MODE_WEIGHT_ONLY : IG_MODE_STATIC;
	rule.config.weight.dtype = kind == 3 ? IG_DT_S4 : IG_DT_S8;
	ig_vec_push(&map->rules, rule);
	struct ig_graph *g = make_graph(map, layers);
	float *x = make_samples();
	struct ig_stats *st = calibrated(g, map, x, EACH, SAMPLES);
	struct array_replay a = {.x = x, .each = EACH};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	struct ig_graph *plain = quantized_with(g, map, st, &r);
	map->recover[IG_RECOVER_EMPIRICAL_BIAS] = true;
	struct ig_graph *corrected = quantized_with(g, map, st, &r);
	double before = worst(g, plain, x), after = worst(g, corrected, x);
	if (!(after < 0.01 * before + 1e-4)) /* the rounding of the bias */
		fail_msg("kind %d, %d layers: %g before, %g after", kind, layers, before, after);
	ig_graph_free(plain);
	ig_graph_free(corrected);
	ig_stats_free(st);
	free(x);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

static void test_means_agree(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++)
		for (int layers = 1; layers <= 4; layers++)
			if (kind < 2 || layers != 2) /* depthwise weights stay float32 then */
				check(kind, layers);
}

/* The march gives what the interpreter gives, for the samples that it chose. */
static void test_march(void **state)
{
	(void)state;
	struct ig_graph *g = make_graph(NULL, 4);
	float *x = make_samples();
	struct array_replay a = {.x = x, .each = EACH};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	struct ig_march *m = ig_march_new(g, &r, 7, diag);
	struct ig_interp *it = ig_interp_new(g, diag);
	assert_int_equal(ig_march_samples(m), 7);
	static const char *const names[] = {"a", "b", "c", "d"};
	float got[8 * 25];
	for (int k = 0; k < 4; k++) {
		const struct ig_node *n = layer(g, names[k]);
		int chosen = 0;
		assert_true(ig_march_to(m, ig_graph_find(g, names[k]), "marching"));
		for (int64_t i = 0; i < SAMPLES; i++) {
			int64_t slot = ig_march_slot(SAMPLES, 7, i);
			if (slot < 0)
				continue;
			assert_int_equal(slot, chosen++);
			const void *in[1] = {x + EACH * i};
			ig_interp_run(it, in);
			for (int j = 0; j < n->n_in; j += 3) {
				const struct ig_tensor *t = ig_interp_value(it, n->in[j]);
				if (k == 0)
					continue; /* the input does not fit `got` */
				ig_march_reals(m, slot, n->in[j], got);
				assert_memory_equal(got, t->data, t->bytes);
			}
		}
		assert_int_equal(chosen, 7);
	}
	ig_interp_free(it);
	ig_march_free(m);
	free(x);
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_march), cmocka_unit_test(test_means_agree)};
	return cmocka_run_group_tests(tests, start, finish);
}
