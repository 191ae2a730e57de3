/* SmoothQuant: wherever inputs can be divided the float network gives the same bits; channels with large values no longer spoil the others. */
#include "ir/print.h"
#include "passes/divide.h"
#include "passes_util.h"
#include "tests/common/array_replay.h"

enum { SAMPLES = 40, ROWS = 6, WIDTH = 12, EACH = ROWS * WIDTH };

/* [ROWS, units] of [ROWS, n], without a bias for `plain`. */
static struct ig_vid dense(struct ig_graph *g, const char *name, struct ig_vid x, int64_t units, bool bias)
{
	char s[64];
	snprintf(s, sizeof s, "%s.weight", name);
	struct ig_vid in[3] = {x, constant(g, s, -0.5, 0.5, SHAPE(units, ig_vtype(g, x)->dim[1]))};
	snprintf(s, sizeof s, "%s.bias", name);
	if (bias)
		in[2] = constant(g, s, -1, 1, SHAPE(units));
	return result(g, ig_graph_add(g, IG_OP_LINEAR, name, IG_NOLOC, in, bias ? 3 : 2));
}

/* One channel in four is large. */
static void make_outliers(struct ig_graph *g, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	int64_t n = t->type.dim[0], per = ig_elems(&t->type) / n;
	for (int64_t i = 0; i < ig_elems(&t->type); i++)
		((float *)t->data)[i] *= (t->type.rank > 1 ? i / per : i) % 4 == 1 ? 60 : 1;
}

/* kind 0: two linear layers after layer_norm, 1: after a constant factor, 2: after linear and relu, 3: after a gated product, 4: after what cannot be
   divided. The last two are left alone. */
static struct ig_graph *make_graph(int kind)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(ROWS, WIDTH)), h = x;
	if (kind == 0) {
		struct ig_vid in[3] = {x, constant(g, "n.weight", 0.5, 1.5, SHAPE(WIDTH)), constant(g, "n.bias", -1, 1, SHAPE(WIDTH))};
		make_outliers(g, in[1]);
		h = result(g, ig_graph_add(g, IG_OP_LAYER_NORM, "n", IG_NOLOC, in, 3));
	} else if (kind == 1) {
		struct ig_vid factor = constant(g, "factor", 0.5, 1.5, SHAPE(WIDTH));
		make_outliers(g, factor);
		h = op2(g, IG_OP_MUL, "m", x, factor);
	} else if (kind == 2) {
		h = dense(g, "before", x, WIDTH, true);
		make_outliers(g, layer(g, "before")->in[1]);
		h = op1(g, IG_OP_RELU, "r", h);
	} else if (kind == 3) {
		struct ig_vid up = dense(g, "up", x, WIDTH, false);
		make_outliers(g, layer(g, "up")->in[1]);
		h = op2(g, IG_OP_MUL, "m", op1(g, IG_OP_SIGMOID, "s", dense(g, "gate", x, WIDTH, true)), up);
	} else {
		h = op1(g, IG_OP_TANH, "t", x);
	}
	struct ig_vid a = dense(g, "a", h, 8, true), b = dense(g, "b", h, 8, false);
	output(g, op2(g, IG_OP_SUB, "y", a, b));
	return g;
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

/* The float graph with or without the method, and the quantized one's squared error. */
static struct ig_graph *float_graph(const struct ig_graph *model, struct ig_qconfig_map *map, const struct ig_replay *r, float *x, double *error)
{
	struct ig_graph *g = ig_graph_clone(model), *q;
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map, .replay = r};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	struct ig_stats *st = calibrated(g, map, x, EACH, SAMPLES);
	q = ig_graph_clone(g);
	c.stats = st;
	c.flt = g;
	assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, q, &c, NULL));
	*error = squared_error(g, q, x);
	ig_graph_free(q);
	ig_stats_free(st);
	return g;
}

static void check(int kind)
{
	struct ig_graph *model = make_graph(kind);
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")};
	rule.config.act.observer = IG_OBS_MINMAX;
	ig_vec_push(&map->rules, rule);
	struct ig_rule skip = {.kind = IG_RULE_TYPE, .pattern = "mul", .config = rule.config};
	skip.config.skip = true;
	if (kind == 1) /* a quantized factor is not spread */
		ig_vec_push(&map->rules, skip);
	float *x = malloc(SAMPLES * EACH * sizeof *x);
	for (int i = 0; i < SAMPLES * EACH; i++)
		x[i] = (float)(2 * uniform() - 1);
	struct array_replay a = {.x = x, .each = EACH};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	double before, after;
	struct ig_graph *plain = float_graph(model, map, &r, x, &before);
	map->recover[IG_RECOVER_SMOOTHQUANT] = true;
	struct ig_graph *smooth = float_graph(model, map, &r, x, &after);
	assert_true(difference(plain, smooth) == 0);
	if (kind < 3) {
		assert_true(plain->weights_hash != smooth->weights_hash);
		if (!(after < 0.75 * before))
			fail_msg("kind %d: %g before, %g after", kind, before, after);
	} else {
		assert_true(plain->weights_hash == smooth->weights_hash && before == after);
	}
	ig_graph_free(plain);
	ig_graph_free(smooth);
	free(x);
	ig_qconfig_map_free(map);
	ig_graph_free(model);
}

static void test_smooths(void **state)
{
	(void)state;
	for (int kind = 0; kind < 5; kind++)
		check(kind);
}

/* Other readers, outputs and activations with an upper bound are in the way. */
static void test_refuses(void **state)
{
	(void)state;
	struct ig_divisible d;
	struct ig_graph *g = make_graph(2);
	struct ig_context c = {.diag = diag, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	struct ig_vid h = layer(g, "a")->in[0];
	assert_true(ig_divisible_find(g, h, &d));
	assert_int_equal(d.channels, WIDTH);
	double by[WIDTH];
	for (int i = 0; i < WIDTH; i++)
		by[i] = i == 3 ? 0x1p110 : 1;
	assert_false(ig_divide(g, &d, by));
	ig_attr_set_float(g, ig_graph_find(g, "before"), IG_A_MAX, 6);
	assert_false(ig_divisible_find(g, h, &d));
	ig_graph_free(g);
	g = make_graph(1);
	output(g, layer(g, "a")->in[0]);
	assert_false(ig_divisible_find(g, layer(g, "a")->in[0], &d));
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_smooths), cmocka_unit_test(test_refuses)};
	return cmocka_run_group_tests(tests, start, finish);
}
