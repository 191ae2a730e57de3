/* AWQ: the float network stays what it is, wherever inputs can be divided; rounded weights lose less. */
#include "passes_util.h"
#include "tests/common/array_replay.h"

#define SAMPLES 40
#define CHANNELS 48

enum kind { FACTOR, NORM, PRODUCT, LINEAR, CONV, OUTPUT_TOO, KINDS };

/* A value divided in a factor, the weights of a norm, a layer that is multiplied with something, a layer, a convolution; or not, since it is an output as well. */
static struct ig_vid middle(struct ig_graph *g, struct ig_vid x, enum kind kind)
{
	int64_t c = CHANNELS;
	switch (kind) {
	case NORM: {
		struct ig_vid in[3] = {x, constant(g, "norm.weight", 0.5, 1.5, SHAPE(c)), constant(g, "norm.bias", -0.1, 0.1, SHAPE(c))};
		return result(g, ig_graph_add(g, IG_OP_LAYER_NORM, "norm", IG_NOLOC, in, 3));
	}
	case PRODUCT: return op2(g, IG_OP_MUL, "product", op1(g, IG_OP_SIGMOID, "s", x), linear(g, "before", x, c));
	case LINEAR:
	case OUTPUT_TOO: return op1(g, IG_OP_RELU, "r", linear(g, "before", x, c));
	case CONV: return op1(g, IG_OP_RELU, "r", conv(g, "before", x, c, 2, true));
	default: return op2(g, IG_OP_MUL, "factor", x, constant(g, "f", 0.5, 1.5, SHAPE(1, c)));
	}
}

static bool is_large(int64_t channel) { return channel % 6 == 1; }

/* Channels with large values and small weights: those that AWQ is for. */
static void make_uneven(struct ig_graph *g, enum kind kind)
{
	struct ig_node *n = kind == FACTOR ? layer(g, "f") : kind == NORM ? layer(g, "norm.weight") : layer(g, "before.weight");
	int64_t all = ig_elems(&n->data->type);
	for (int64_t i = 0; i < all; i++)
		((float *)n->data->data)[i] *= is_large(i / (all / CHANNELS)) ? 12 : 1;
	for (const char *const *name = (const char *const[]){"a.weight", kind == CONV ? NULL : "b.weight", NULL}; *name; name++) {
		const struct ig_type *t = &layer(g, *name)->data->type;
		float *w = layer(g, *name)->data->data;
		for (int64_t i = 0; i < ig_elems(t); i++)
			w[i] *= is_large(i / (kind == CONV ? 9 : 1) % CHANNELS) ? 0.15f : 1;
	}
}

static struct ig_graph *make(enum kind kind)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = kind == CONV ? input(g, "x", SHAPE(1, 6, 5, 5)) : input(g, "x", SHAPE(4, CHANNELS)), v = middle(g, x, kind);
	if (kind == CONV)
		output(g, conv(g, "a", v, 9, 1, true));
	else
		output(g, op2(g, IG_OP_ADD, "sum", linear(g, "a", v, 9), linear(g, "b", v, 9)));
	if (kind == OUTPUT_TOO)
		output(g, v);
	make_uneven(g, kind);
	return g;
}

static struct ig_graph *float_half(enum kind kind, uint32_t from, struct ig_qconfig_map *map, const struct ig_replay *r)
{
	seed = from;
	struct ig_graph *g = make(kind);
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map, .replay = r};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	return g;
}

static double error(const struct ig_graph *a, const struct ig_graph *b, const struct array_replay *x)
{
	double sum = 0;
	for (int64_t i = 0; i < x->n; i++) {
		int64_t n;
		float *y = run_graph(a, x->x + i * x->each, &n), *z = run_graph(b, x->x + i * x->each, &n);
		for (int64_t j = 0; j < n; j++)
			sum += ((double)y[j] - (double)z[j]) * ((double)y[j] - (double)z[j]);
		free(y);
		free(z);
	}
	return sum;
}

static struct ig_graph *quantized(const struct ig_graph *flt, const struct ig_qconfig_map *map, const struct ig_replay *r)
{
	struct ig_graph *g = ig_graph_clone(flt);
	struct ig_context c = {.diag = diag, .verify = true, .qconfig = map, .flt = flt, .replay = r};
	assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL));
	return g;
}

static void check(enum kind kind, int group)
{
	struct ig_qconfig_map *map = ig_qconfig_map_new();
	struct ig_rule rule = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default")}, skip = {.kind = IG_RULE_LAYER, .pattern = "before", .config.skip = true};
	rule.config.mode = IG_MODE_WEIGHT_ONLY;
	rule.config.weight.dtype = IG_DT_S4;
	rule.config.weight.narrow = false;
	rule.config.weight.group = group;
	ig_vec_push(&map->rules, rule);
	if (kind == PRODUCT || kind == LINEAR || kind == CONV || kind == OUTPUT_TOO)
		ig_vec_push(&map->rules, skip); /* the error below is that of what follows */
	struct ig_graph *plain = float_half(kind, 7, map, NULL);
	int64_t each = ig_elems(ig_vtype(plain, plain->input[0]));
	float *x = malloc((size_t)(SAMPLES * each) * sizeof *x);
	for (int64_t i = 0; i < SAMPLES * each; i++)
		x[i] = (float)(uniform() - 0.5);
	struct array_replay a = {.x = x, .each = each};
	const struct ig_replay r = replay_of(&a, SAMPLES);
	map->recover[IG_RECOVER_AWQ] = true;
	struct ig_graph *scaled = float_half(kind, 7, map, &r);
	bool same_hash = scaled->weights_hash == plain->weights_hash;
	if (same_hash != (kind == OUTPUT_TOO))
		fail_msg("kind %d, groups of %d: %s", (int)kind, group, same_hash ? "not scaled" : "scaled");
	double size = 0, change = error(plain, scaled, &a);
	for (int64_t i = 0; i < SAMPLES; i++) {
		int64_t n;
		float *y = run_graph(plain, x + i * each, &n);
		for (int64_t j = 0; j < n; j++)
			size += (double)y[j] * (double)y[j];
		free(y);
	}
	assert_true(change <= 1e-12 * size);
	struct ig_graph *nearest = quantized(plain, map, NULL), *better = quantized(scaled, map, &r);
	double before = error(plain, nearest, &a), after = error(plain, better, &a);
	if (!(after < (kind == OUTPUT_TOO ? 0.9 : 0.7) * before))
		fail_msg("kind %d, groups of %d: squared error %g after, %g before", (int)kind, group, after, before);
	ig_graph_free(plain);
	ig_graph_free(scaled);
	ig_graph_free(nearest);
	ig_graph_free(better);
	free(x);
	ig_qconfig_map_free(map);
}

static void test_kinds(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++)
		for (int group = 0; group <= (kind == CONV ? 0 : 32); group += 32)
			check((enum kind)kind, group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};
	return cmocka_run_group_tests(tests, start, finish);
}
