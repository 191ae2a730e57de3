/* GPTQ and what it stands on: Gram matrices of inputs, errors of outputs that never exceed those of rounding to nearest, orders of samples that do not matter. */
#include "passes_util.h"
#include "ir/number.h"
#include "passes/gram.h"
#include "tests/common/array_replay.h"

static bool take_gram(void *to, int i, const struct ig_gram *gram)
{
	double *h = to;
	assert_int_equal(i, 0);
	for (int64_t j = 0; j < gram->groups * gram->k * gram->k; j++)
		h[j] = gram->h[j];
	h += gram->groups * gram->k * gram->k;
	for (int64_t j = 0; j < gram->groups * gram->k; j++)
		h[j] = gram->magnitude[j];
	return true;
}

static void test_gram_linear(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	output(g, linear(g, "l", input(g, "x", SHAPE(2, 2)), 3));
	float x[8] = {1, 2, 3, 4, -1, 0, 0, 2};
	struct array_replay a = {.x = x, .each = 4};
	const struct ig_replay r = replay_of(&a, 2);
	struct ig_nid id = ig_graph_find(g, "l");
	double h[6];
	assert_true(ig_gram_each(g, &id, 1, &r, diag, take_gram, h));
	const double want[6] = {11.0 / 4, 14.0 / 4, 14.0 / 4, 24.0 / 4, 5.0 / 4, 2};
	for (int i = 0; i < 6; i++)
		assert_true(h[i] == want[i]);
	ig_graph_free(g);
}

/* Two groups of one channel, 3x3 windows at the four places of a 2x2 image: the window's centre sees all four pixels, its first corner one. */
static void test_gram_windows(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	output(g, conv(g, "c", input(g, "x", SHAPE(1, 2, 2, 2)), 4, 2, false));
	float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct array_replay a = {.x = x, .each = 8};
	const struct ig_replay r = replay_of(&a, 1);
	struct ig_nid id = ig_graph_find(g, "c");
	double h[2 * 81 + 18];
	assert_true(ig_gram_each(g, &id, 1, &r, diag, take_gram, h));
	assert_true(h[4 * 9 + 4] == 30.0 / 4 && h[0] == 1.0 / 4 && h[0 * 9 + 4] == 4.0 / 4 && h[4 * 9 + 5] == (1 * 2 + 3 * 4) / 4.0);
	assert_true(h[81 + 4 * 9 + 4] == 174.0 / 4 && h[81 + 8 * 9 + 8] == 64.0 / 4);
	assert_true(h[162 + 4] == 10.0 / 4 && h[162 + 9 + 8] == 8.0 / 4);
	ig_graph_free(g);
}

struct setting {
	const char *name;
	int kind; /* 0 linear, 1 convolution, 2 of groups, 3 depthwise-like */
	enum ig_mode mode;
	enum ig_dtype dtype;
	bool per_channel;
	int group;
};

static struct ig_graph *float_graph(const struct setting *s, struct ig_qconfig_map *map)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.mode = s->mode;
	rule.config.weight.dtype = s->dtype;
	rule.config.weight.per_channel = s->per_channel;
	rule.config.weight.group = s->group;
	if (s->mode == IG_MODE_STATIC) { /* four bits in bytes */
		rule.config.weight.limited = true;
		rule.config.weight.quant_min = -8;
		rule.config.weight.quant_max = 7;
	}
	ig_vec_push(&map->rules, rule);
	if (s->kind == 0)
		output(g, linear(g, "l", input(g, "x", SHAPE(5, 23)), 9));
	else
		output(g, conv(g, "l", input(g, "x", SHAPE(1, 4, 5, 5)), 8, s->kind == 1 ? 1 : s->kind == 2 ? 2 : 4, true));
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	return g;
}

/* Neighbours alike, so that errors can make up for each other; one input is always 0. */
static void fill(float *x, int64_t samples, int64_t each)
{
	for (int64_t i = 0; i < samples; i++) {
		double v = 0;
		for (int64_t j = 0; j < each; j++) {
			v = 0.8 * v + uniform() - 0.4;
			x[i * each + j] = j == 3 ? 0 : (float)v;
		}
	}
}

static const struct ig_tensor *weights(struct ig_graph *g) { return ig_const_data(g, layer(g, "l")->in[1]); }

/* Squared difference of the outputs of two layers on the samples, all with float arithmetic on their weights. */
static double output_error(struct ig_graph *flt, struct ig_graph *q, const struct array_replay *a)
{
	struct ig_graph *m = ig_graph_clone(flt); /* the float layer with the rounded weights */
	const struct ig_tensor *w = weights(q);
	const struct ig_qparam *p = ig_qparam(q, w->type.q);
	struct ig_tensor *copy = ig_tensor_new(m->arena, &weights(flt)->type); /* clones share constants */
	ig_def(m, layer(m, "l")->in[1])->data = copy;
	float *to = copy->data;
	int64_t row = ig_elems(&w->type) / w->type.dim[0];
	for (int64_t i = 0; i < ig_elems(&w->type); i++) {
		int64_t in_row = p->group ? (row + p->group - 1) / p->group : 1, at = p->n == 1 ? 0 : i / row * in_row + (p->group ? i % row / p->group : 0);
		to[i] = (float)ig_get_int(w, i) * p->scale[at];
	}
	double sum = 0;
	for (int64_t i = 0; i < a->n; i++) {
		int64_t n;
		float *y = run_graph(flt, a->x + i * a->each, &n), *z = run_graph(m, a->x + i * a->each, &n);
		for (int64_t j = 0; j < n; j++)
			sum += ((double)y[j] - (double)z[j]) * ((double)y[j] - (double)z[j]);
		free(y);
		free(z);
	}
	ig_graph_free(m);
	return sum;
}

static const void *const *next(void *self)
{
	struct array_replay *a = self;
	static const void *in[1];
	if (a->n == 0)
		return NULL;
	in[0] = a->x + a->each * --a->n;
	return in;
}

/* From the last sample to the first. */
static bool run_backwards(void *self, const char *what, ig_replay_visit *visit, void *to)
{
	const struct array_replay *a = self;
	for (int64_t i = a->n; i-- > 0;) {
		const void *in[1] = {a->x + a->each * i};
		if (!what || !visit(to, (int)(i % 2), i, in))
			return false;
	}
	return true;
}

#define SAMPLES 60

static void check(const struct setting *s)
{
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_graph *g = float_graph(s, map);
	int64_t each = ig_elems(ig_vtype(g, g->input[0]));
	float *x = malloc((size_t)(SAMPLES * each) * sizeof *x);
	fill(x, SAMPLES, each);
	struct array_replay a = {.x = x, .each = each}, counted = {.x = x, .each = each, .n = SAMPLES};
	struct ig_replay r = replay_of(&a, SAMPLES), back = r;
	struct ig_stats *st = ig_stats_new(g->weights_hash);
	struct ig_sample_source src = {.self = &counted, .next = next};
	if (s->mode == IG_MODE_STATIC)
		assert_true(ig_calibrate(g, map, &src, st, diag));
	back.run = run_backwards;
	back.workers = 2;
	struct ig_graph *nearest = quantized_with(g, map, st, &r);
	map->recover[IG_RECOVER_GPTQ] = true;
	struct ig_graph *better = quantized_with(g, map, st, &r), *again = quantized_with(g, map, st, &back);
	double before = output_error(g, nearest, &a), after = output_error(g, better, &a);
	if (!(after < 0.8 * before))
		fail_msg("%s: squared error %g after, %g before", s->name, after, before);
	assert_int_equal(weights(better)->bytes, weights(again)->bytes);
	assert_memory_equal(weights(better)->data, weights(again)->data, weights(better)->bytes);
	ig_graph_free(nearest);
	ig_graph_free(better);
	ig_graph_free(again);
	ig_stats_free(st);
	free(x);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

static void test_error(void **state)
{
	(void)state;
	static const struct setting settings[] = {
	    {"linear s4", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 0},
	    {"linear s8", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S8, true, 0},
	    {"groups of 5, the last of 3", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 5},
	    {"groups of 22, the last of 1", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 22},
	    {"a group of more than all", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 64},
	    {"linear per tensor", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, false, 0},
	    {"convolution s4", 1, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 0},
	    {"convolution of groups", 2, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, 0},
	    {"channel by channel", 3, IG_MODE_STATIC, IG_DT_S8, true, 0},
	    {"static convolution", 1, IG_MODE_STATIC, IG_DT_S8, true, 0},
	    {"dynamic linear", 0, IG_MODE_DYNAMIC, IG_DT_S8, true, 0},
	    {"static linear", 0, IG_MODE_STATIC, IG_DT_S8, false, 0},
	};
	for (size_t i = 0; i < IG_COUNTOF(settings); i++)
		check(&settings[i]);
}

/* Inputs that have nothing to do with each other: every weight by itself, to nearest. */
static void test_identity(void **state)
{
	(void)state;
	for (int group = 0; group < 8; group += 7) {
		struct ig_qconfig_map *map = ig_qconfig_map_new();
		const struct setting s = {"identity", 0, IG_MODE_WEIGHT_ONLY, IG_DT_S4, true, group};
		struct ig_graph *g = float_graph(&s, map);
		float x[23 * 5 * 23] = {0};
		for (int i = 0; i < 23; i++)
			for (int row = 0; row < 5; row++)
				x[(i * 5 + row) * 23 + i] = 3;
		struct array_replay a = {.x = x, .each = 5 * 23};
		const struct ig_replay r = replay_of(&a, 23);
		struct ig_graph *nearest = quantized_with(g, map, NULL, &r);
		map->recover[IG_RECOVER_GPTQ] = true;
		struct ig_graph *same = quantized_with(g, map, NULL, &r);
		assert_memory_equal(weights(nearest)->data, weights(same)->data, weights(same)->bytes);
		ig_graph_free(nearest);
		ig_graph_free(same);
		ig_graph_free(g);
		ig_qconfig_map_free(map);
	}
}

/* Too many inputs for a matrix: a warning, and weights to nearest. */
static void test_limit(void **state)
{
	(void)state;
	static float x[2 * (IG_GRAM_MOST + 1)];
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.mode = IG_MODE_WEIGHT_ONLY;
	ig_vec_push(&map->rules, rule);
	struct ig_graph *g = ig_graph_new("m");
	output(g, linear(g, "l", input(g, "x", SHAPE(1, IG_GRAM_MOST + 1)), 1));
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	struct array_replay a = {.x = x, .each = IG_GRAM_MOST + 1};
	const struct ig_replay r = replay_of(&a, 2);
	int warnings = ig_diag_warnings(diag);
	struct ig_graph *nearest = quantized_with(g, map, NULL, &r);
	map->recover[IG_RECOVER_GPTQ] = true;
	struct ig_graph *same = quantized_with(g, map, NULL, &r);
	assert_memory_equal(weights(nearest)->data, weights(same)->data, weights(same)->bytes);
	assert_int_equal(ig_diag_warnings(diag), warnings + 1);
	assert_false(ig_gram_possible(g, layer(g, "l")));
	ig_graph_free(nearest);
	ig_graph_free(same);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_gram_linear), cmocka_unit_test(test_gram_windows), cmocka_unit_test(test_error),
	                                   cmocka_unit_test(test_identity), cmocka_unit_test(test_limit)};
	return cmocka_run_group_tests(tests, start, finish);
}
