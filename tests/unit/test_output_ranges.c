/* Ranges chosen by the change of the output: better than what the observer gives where that clips, and left alone where nothing is to be won. */
#include "passes_util.h"
#include "tests/common/array_replay.h"

#define SAMPLES 40
#define WIDTH 6

struct setup {
	struct ig_graph *g;
	struct ig_qconfig_map *map;
	struct ig_stats *stats;
	struct array_replay array;
	struct ig_replay replay;
	float x[SAMPLES * WIDTH];
};

/* linear, relu, linear[, softmax], calibrated on uniform samples with this observer of activations. */
static void begin(struct setup *s, const struct ig_qspec *act, bool softmax)
{
	*s = (struct setup){.g = ig_graph_new("m"), .map = ig_qconfig_map_new()};
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.act = *act;
	ig_vec_push(&s->map->rules, rule);
	struct ig_vid y = linear(s->g, "b", op1(s->g, IG_OP_RELU, "r", linear(s->g, "a", input(s->g, "x", SHAPE(1, WIDTH)), 16)), 5);
	output(s->g, softmax ? op1(s->g, IG_OP_SOFTMAX, "p", y) : y);
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = s->map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, s->g, &c, NULL));
	for (int i = 0; i < SAMPLES * WIDTH; i++)
		s->x[i] = (float)(4 * uniform() - 2);
	s->stats = calibrated(s->g, s->map, s->x, WIDTH, SAMPLES);
	s->array = (struct array_replay){.x = s->x, .each = WIDTH};
	s->replay = replay_of(&s->array, SAMPLES);
}

static void end(struct setup *s)
{
	ig_stats_free(s->stats);
	ig_graph_free(s->g);
	ig_qconfig_map_free(s->map);
}

static struct ig_graph *quantized(struct setup *s, bool chosen)
{
	s->map->recover[IG_RECOVER_RANGES] = chosen;
	return quantized_with(s->g, s->map, s->stats, &s->replay);
}

static double error_of(const struct setup *s, const struct ig_graph *q)
{
	double sum = 0;
	for (int i = 0; i < SAMPLES; i++) {
		int64_t n, m;
		float *a = run_graph(s->g, s->x + i * WIDTH, &n), *b = run_graph(q, s->x + i * WIDTH, &m);
		assert_int_equal(n, m);
		for (int64_t j = 0; j < n; j++)
			sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
		free(a);
		free(b);
	}
	return sum;
}

static bool same_parameters(const struct ig_graph *a, const struct ig_graph *b)
{
	bool same = a->n_values == b->n_values;
	for (int i = 0; same && i < a->n_values; i++) {
		const struct ig_qparam *x = ig_qparam(a, a->value[i].type.q), *y = ig_qparam(b, b->value[i].type.q);
		same = (!x && !y) || (x && y && ig_qparam_equal(x, y));
	}
	return same;
}

/* An observer that cuts a tenth of the values off. */
static struct ig_qspec clipping(void)
{
	struct ig_qspec q = ig_qconfig_preset("default")->act;
	q.observer = IG_OBS_PERCENTILE;
	q.percentile = 90;
	return q;
}

static void test_widens(void **state)
{
	(void)state;
	for (int softmax = 0; softmax < 2; softmax++) {
		struct setup s;
		struct ig_qspec act = clipping();
		begin(&s, &act, softmax);
		struct ig_graph *plain = quantized(&s, false), *chosen = quantized(&s, true), *again = quantized(&s, true);
		assert_true(error_of(&s, chosen) < error_of(&s, plain) / 50);
		assert_true(same_parameters(chosen, again));
		ig_graph_free(plain);
		ig_graph_free(chosen);
		ig_graph_free(again);
		end(&s);
	}
}

/* Parameters that are given stay. */
static void test_keeps_fixed(void **state)
{
	(void)state;
	struct setup s;
	struct ig_qspec act = ig_qconfig_preset("default")->act;
	act.observer = IG_OBS_FIXED;
	act.scale = 0.001;
	act.zero_point = 3;
	begin(&s, &act, false);
	struct ig_graph *plain = quantized(&s, false), *chosen = quantized(&s, true);
	assert_true(same_parameters(plain, chosen));
	ig_graph_free(plain);
	ig_graph_free(chosen);
	end(&s);
}

/* With fewer than 8 samples nothing is chosen, and that is said. */
static void test_needs_samples(void **state)
{
	(void)state;
	struct setup s;
	struct ig_qspec act = clipping();
	begin(&s, &act, false);
	s.replay = replay_of(&s.array, 7);
	int before = ig_diag_warnings(diag);
	struct ig_graph *plain = quantized(&s, false), *chosen = quantized(&s, true);
	assert_true(same_parameters(plain, chosen));
	assert_int_equal(ig_diag_warnings(diag), before + 1);
	ig_graph_free(plain);
	ig_graph_free(chosen);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_widens), cmocka_unit_test(test_keeps_fixed), cmocka_unit_test(test_needs_samples)};
	return cmocka_run_group_tests(tests, start, finish);
}
