/* Learned rounding: against trying all ways to round, and as a pass on layers of every kind. */
#include "ir/number.h"
#include "passes/rounding.h"
#include "passes_util.h"
#include "tests/common/array_replay.h"

enum { LANES = IG_ROUNDING_LANES, ROWS = 256, PER = 8 };
#define SAMPLES 40
#define EACH (4 * 9 * 9)

struct problem {
	struct ig_rounding r;
	float x[ROWS * PER], target[ROWS * LANES], base[PER * LANES], step[PER * LANES], part[PER * LANES];
	uint8_t near[PER * LANES];
};

/* Correlated inputs, on which rounding to nearest is far from best; every fifth weight is not free. */
static void make_problem(struct problem *p, bool relu)
{
	for (int r = 0; r < ROWS; r++)
		for (int k = 0; k < PER; k++)
			p->x[r * PER + k] = (float)(uniform() + 2 * (k > 0 ? (double)p->x[r * PER + k - 1] / 3 : uniform()));
	for (int i = 0; i < PER * LANES; i++) {
		p->step[i] = i % 5 == 4 ? 0 : 0.25f;
		p->base[i] = (float)(((int)(uniform() * 8) - 4) * 0.25);
		p->part[i] = p->step[i] > 0 ? (float)uniform() : 0;
		p->near[i] = p->part[i] >= 0.5f;
	}
	for (int r = 0; r < ROWS; r++)
		for (int j = 0; j < LANES; j++) {
			double y = (double)j / 10;
			for (int k = 0; k < PER; k++)
				y += (double)p->x[r * PER + k] * ((double)p->base[k * LANES + j] + (double)p->step[k * LANES + j] * (double)p->part[k * LANES + j]);
			p->target[r * LANES + j] = (float)y;
		}
	p->r = (struct ig_rounding){.rows = ROWS, .per = PER, .x = p->x, .target = p->target, .base = p->base, .step = p->step, .part = p->part,
	                            .lo = relu ? 0 : -INFINITY, .hi = relu ? 3 : INFINITY, .iterations = 1000};
	for (int j = 0; j < LANES; j++)
		p->r.bias[j] = (float)j / 10;
}

static void test_learns(void **state)
{
	(void)state;
	struct problem *p = calloc(1, sizeof *p);
	for (int relu = 0; relu < 2; relu++) {
		uint8_t up[PER * LANES], try[PER * LANES], again[PER * LANES];
		double nearest[LANES], learned[LANES], best[LANES], e[LANES], sums[3] = {0};
		make_problem(p, relu);
		memcpy(up, p->near, sizeof up);
		memcpy(again, p->near, sizeof up);
		ig_rounding_error(&p->r, up, nearest);
		ig_learn_rounding(&p->r, up);
		ig_learn_rounding(&p->r, again);
		assert_memory_equal(up, again, sizeof up);
		ig_rounding_error(&p->r, up, learned);
		for (int way = 0; way < 1 << PER; way++) {
			for (int i = 0; i < PER * LANES; i++)
				try[i] = p->step[i] > 0 && way >> i / LANES & 1;
			ig_rounding_error(&p->r, try, e);
			for (int j = 0; j < LANES; j++)
				best[j] = way ? fmin(best[j], e[j]) : e[j];
		}
		for (int j = 0; j < LANES; j++) {
			assert_true(learned[j] <= nearest[j] && learned[j] >= best[j]);
			sums[0] += nearest[j];
			sums[1] += learned[j];
			sums[2] += best[j];
		}
		if (!(sums[1] < 2 * sums[2] && sums[1] < sums[0] / 2))
			fail_msg("relu %d: nearest %g, learned %g, best %g", relu, sums[0], sums[1], sums[2]);
		for (int i = 0; i < PER * LANES; i++)
			assert_true(p->step[i] > 0 || up[i] == 0);
	}
	free(p);
}

static double squared_error(const struct ig_graph *a, const struct ig_graph *b, const float *x)
{
	double sum = 0;
	for (int s = 0; s < SAMPLES; s++) {
		int64_t n, m;
		float *ya = run_graph(a, x + EACH * s, &n), *yb = run_graph(b, x + EACH * s, &m);
		for (int64_t i = 0; i < n; i++)
			sum += ((double)ya[i] - (double)yb[i]) * ((double)ya[i] - (double)yb[i]);
		free(ya);
		free(yb);
	}
	return sum;
}

/* All weights within one of where they were, between the rounded-down and the rounded-up one; true when any differs. */
static bool moved(struct ig_graph *a, struct ig_graph *b, const char *name)
{
	const struct ig_tensor *p = ig_const_data(a, layer(a, name)->in[1]), *q = ig_const_data(b, layer(b, name)->in[1]);
	bool any = false;
	for (int64_t i = 0; i < ig_elems(&p->type) && p->type.dtype != IG_DT_F32; i++) {
		int64_t d = ig_get_int(p, i) - ig_get_int(q, i);
		assert_in_range((uint64_t)(d + 1), 0, 2);
		any |= d != 0;
	}
	return any;
}

/* kind 0: s4 weights of float layers, 1: the same in groups, 2: integers of 4 bits in int8 layers, 3: per tensor. */
static void check(int kind)
{
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	struct ig_qspec *w = &rule.config.weight;
	if (kind < 2) {
		rule.config.mode = IG_MODE_WEIGHT_ONLY;
		w->dtype = IG_DT_S4;
	}
	w->limited = true;
	w->quant_min = -8;
	w->quant_max = 7;
	w->per_channel = kind != 3;
	ig_vec_push(&map->rules, rule);
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 9, 9)), y = conv(g, "a", x, 20, 2, true);
	y = conv(g, "b", op1(g, IG_OP_RELU, "r", y), 20, 20, false);
	y = op2(g, IG_OP_ADD, "sum", conv(g, "c", y, 20, 1, true), y);
	y = linear(g, "d", flatten(g, "f", op1(g, IG_OP_GLOBAL_AVG_POOL, "p", y)), 12);
	output(g, y);
	if (kind == 1) {
		struct ig_rule group = rule;
		group.kind = IG_RULE_LAYER;
		group.pattern = "d";
		group.config.weight.group = 5;
		ig_vec_push(&map->rules, group);
	}
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	float *samples = malloc(SAMPLES * EACH * sizeof *samples);
	for (int i = 0; i < SAMPLES * EACH; i++)
		samples[i] = (float)(1 + uniform());
	struct ig_stats *st = calibrated(g, map, samples, EACH, SAMPLES);
	struct array_replay a = {.x = samples, .each = EACH};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	struct ig_graph *plain = quantized_with(g, map, st, &r);
	map->recover[IG_RECOVER_ADAROUND] = true;
	struct ig_graph *learned = quantized_with(g, map, st, &r);
	double before = squared_error(g, plain, samples), after = squared_error(g, learned, samples);
	if (!(after < before / 4))
		fail_msg("kind %d: %g before, %g after", kind, before, after);
	static const char *const names[] = {"a", "b", "c", "d"};
	for (int i = 0; i < 4; i++)
		assert_true(moved(plain, learned, names[i]) == (kind >= 2 || i != 1)); /* a depthwise layer's weights stay float32 */
	ig_graph_free(plain);
	ig_graph_free(learned);
	ig_stats_free(st);
	free(samples);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

static void test_layers(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++)
		check(kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_learns), cmocka_unit_test(test_layers)};
	return cmocka_run_group_tests(tests, start, finish);
}
