/* The QConfig mapping: precedence, fused groups, rules that match nothing, explanations. */
#include "passes_util.h"

static struct ig_qconfig_map *map;

static void rule(enum ig_rule_kind kind, const char *pattern, int order, bool skip, const char *text)
{
	struct ig_rule r = {.kind = kind, .pattern = pattern, .order = order, .config = *ig_qconfig_preset("default"), .text = text, .loc = {"m.ig", 10 + map->rules.n, 3}};
	r.config.skip = skip;
	ig_vec_push(&map->rules, r);
}

/* conv1 (+ bn1 + relu1), conv2 + add, pool, fc */
static struct ig_graph *model(void)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
	struct ig_vid h = op1(g, IG_OP_RELU, "relu1", batch_norm(g, "bn1", conv(g, "conv1", x, 4, 1, true)));
	struct ig_vid s = op2(g, IG_OP_ADD, "add1", conv(g, "conv2", h, 4, 1, false), h);
	struct ig_vid p = flatten(g, "flat", op1(g, IG_OP_GLOBAL_AVG_POOL, "pool", s));
	output(g, linear(g, "fc", p, 3));
	return g;
}

static bool mapped(struct ig_graph *g, FILE *out, int *warnings)
{
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_context c = {.diag = d, .qconfig = map, .verify = true};
	bool ok = ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL);
	assert_int_equal(ok, ig_diag_errors(d) == 0);
	if (warnings)
		*warnings = ig_diag_warnings(d);
	ig_diag_free(d);
	return ok;
}

static void test_precedence(void **state)
{
	(void)state;
	/* each row: rules from weakest; the last decides for conv2, whatever its place in the list */
	static const enum ig_rule_kind kinds[] = {IG_RULE_DEFAULT, IG_RULE_TYPE, IG_RULE_MATCH, IG_RULE_ORDER, IG_RULE_LAYER};
	static const char *const patterns[] = {NULL, "conv2d", "conv[0-9]", "conv2d", "conv2"};
	for (int top = 0; top < 5; top++)
		for (int reversed = 0; reversed < 2; reversed++) {
			map = ig_qconfig_map_new();
			for (int i = 0; i <= top; i++) {
				int k = reversed ? top - i : i;
				rule(kinds[k], patterns[k], 1, k == top, "t");
			}
			struct ig_graph *g = model();
			assert_true(mapped(g, stderr, NULL));
			const struct ig_node *n = layer(g, "conv2");
			assert_int_equal(n->op, IG_OP_CONV2D_ADD); /* counted and named as conv2d */
			assert_int_equal(map->rules.v[n->rule].kind, kinds[top]);
			assert_int_equal(n->precision, IG_PREC_FLOAT);
			assert_ptr_equal(ig_node_qconfig(map, n), &map->rules.v[n->rule].config);
			if (top > 2)
				assert_int_equal(layer(g, "conv1")->precision, IG_PREC_INT8);
			ig_graph_free(g);
			ig_qconfig_map_free(map);
		}
}

static void test_later_wins(void **state)
{
	(void)state;
	map = ig_qconfig_map_new();
	rule(IG_RULE_MATCH, "conv.*", 0, true, "skip");
	rule(IG_RULE_MATCH, ".*2", 0, false, "default");
	struct ig_graph *g = model();
	assert_true(mapped(g, stderr, NULL));
	assert_int_equal(layer(g, "conv1")->precision, IG_PREC_FLOAT);
	assert_int_equal(layer(g, "conv2")->precision, IG_PREC_INT8);
	assert_int_equal(layer(g, "fc")->rule, -1);
	assert_ptr_equal(ig_node_qconfig(map, layer(g, "fc")), ig_qconfig_preset("default"));
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

/* A rule on an absorbed layer alone is a warning and decides nothing. */
static void test_absorbed(void **state)
{
	(void)state;
	static const enum ig_rule_kind kinds[] = {IG_RULE_LAYER, IG_RULE_MATCH, IG_RULE_TYPE};
	static const char *const patterns[] = {"relu1", "(bn|relu)1", "relu"};
	for (int k = 0; k < 3; k++) {
		map = ig_qconfig_map_new();
		rule(kinds[k], patterns[k], 0, true, "skip");
		struct ig_graph *g = model();
		FILE *out = tmpfile();
		int warnings;
		assert_true(mapped(g, out, &warnings));
		assert_int_equal(warnings, 1);
		assert_int_equal(layer(g, "conv1")->precision, IG_PREC_INT8);
		fclose(out);
		ig_graph_free(g);
		ig_qconfig_map_free(map);
	}
}

static void test_matches_nothing(void **state)
{
	(void)state;
	static const struct {
		enum ig_rule_kind kind;
		const char *pattern;
		int order;
		const char *says;
	} t[] = {
	    {IG_RULE_LAYER, "conv3", 0, "did you mean `conv"},
	    {IG_RULE_LAYER, "completely_else", 0, "no layer is named"},
	    {IG_RULE_LAYER, "x", 0, "no layer is named"}, /* an input is no layer */
	    {IG_RULE_MATCH, "conv", 0, "no layer's whole name"},
	    {IG_RULE_MATCH, "onv1", 0, "no layer's whole name"},
	    {IG_RULE_MATCH, "conv1|conv(2", 0, "bad regular expression"},
	    {IG_RULE_TYPE, "max_pool2d", 0, "has no `max_pool2d`"},
	    {IG_RULE_ORDER, "conv2d", 2, "has 2 `conv2d`"},
	};
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		map = ig_qconfig_map_new();
		rule(t[i].kind, t[i].pattern, t[i].order, true, "skip");
		struct ig_graph *g = model();
		FILE *out = tmpfile();
		assert_false(mapped(g, out, NULL));
		char text[1000] = "";
		rewind(out);
		text[fread(text, 1, sizeof text - 1, out)] = 0;
		if (!strstr(text, t[i].says) || !strstr(text, "m.ig:10:3: error"))
			fail_msg("case %d says %s", (int)i, text);
		fclose(out);
		ig_graph_free(g);
		ig_qconfig_map_free(map);
	}
}

static void test_explain(void **state)
{
	(void)state;
	map = ig_qconfig_map_new();
	rule(IG_RULE_DEFAULT, NULL, 0, false, "fbgemm");
	rule(IG_RULE_TYPE, "conv2d", 0, false, "qnnpack");
	rule(IG_RULE_LAYER, "conv1", 0, true, "skip");
	rule(IG_RULE_MATCH, "relu.*", 0, true, "skip");
	struct ig_graph *g = model();
	FILE *null = fopen("/dev/null", "w");
	assert_true(mapped(g, null, NULL));
	fclose(null);
	static const struct {
		const char *layer, *text;
	} t[] = {
	    {"conv1", "layer conv1: conv2d, number 0 of its type\n  absorbed:   bn1 relu1\n  decided by: layer \"conv1\" skip  (m.ig:12:3)\n"
	              "  beaten:     type conv2d qnnpack  (m.ig:11:3)\n  beaten:     default fbgemm  (m.ig:10:3)\n"
	              "  no effect:  match /relu.*/ skip  (m.ig:13:3)\n              it names `relu1`, a member of the group; the main operation `conv1` decides\n"
	              "  precision:  float\n"},
	    {"add1", "layer add1 is fused into conv2, whose rule decides for the group\nlayer conv2: conv2d_add, number 1 of its type\n  absorbed:   add1\n"
	             "  decided by: type conv2d qnnpack  (m.ig:11:3)\n  beaten:     default fbgemm  (m.ig:10:3)\n  precision:  int8\n"},
	    {"fc", "layer fc: linear, number 0 of its type\n  decided by: default fbgemm  (m.ig:10:3)\n  precision:  int8\n"},
	};
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		FILE *out = tmpfile();
		assert_true(ig_explain(g, map, t[i].layer, out, diag));
		char text[2000];
		rewind(out);
		text[fread(text, 1, sizeof text - 1, out)] = 0;
		assert_string_equal(text, t[i].text);
		fclose(out);
	}
	FILE *out = tmpfile();
	struct ig_diag *d = ig_diag_new(out, false);
	assert_false(ig_explain(g, map, "conv9", out, d));
	assert_int_equal(ig_diag_errors(d), 1);
	ig_diag_free(d);
	fclose(out);
	ig_graph_free(g);
	ig_qconfig_map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_precedence),      cmocka_unit_test(test_later_wins), cmocka_unit_test(test_absorbed),
	    cmocka_unit_test(test_matches_nothing), cmocka_unit_test(test_explain),
	};
	return cmocka_run_group_tests(tests, start, finish);
}
