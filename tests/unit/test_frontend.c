/* The language: names, binding, expressions, attributes, rules; and that no text harms the reader. */
#include "frontend_util.h"

#include "ir/infer.h"

#define W "weights \"w.safetensors\"\n"

/* Names of the layers in order, parameters left out. */
static void expect_names(const struct ig_model *m, const char *want)
{
	char got[1000] = "";
	for (struct ig_nid id = ig_first(m->graph); id.i >= 0; id = ig_next(m->graph, id)) {
		const struct ig_node *n = ig_node(m->graph, id);
		if (n->op != IG_OP_CONSTANT && n->op != IG_OP_INPUT)
			snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", *got ? " " : "", n->name);
	}
	assert_string_equal(got, want);
}

static void layer_names(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, "block inner(x, n) {\n  y = relu(sigmoid(x), name: \"r{n*2}\")\n  return tanh(relu(y, name: \"/top{n}\"))\n}\n"
	                                    "block outer(x) {\n  h = inner(x, 1)\n  h = inner(h, 2)\n  return inner(h, n: 3, name: \"/abs\")\n}\n"
	                                    "model m(x: f32[4]) -> (y: f32[4]) {\n"
	                                    "  h = relu(relu(x))\n  h = relu(h)\n  repeat 2 as i { h = outer(h, name: \"o.{i}\") }\n"
	                                    "  h = outer(h)\n  y = relu(h, name: \"h\")\n}\n");
	expect_names(m, "relu h h_1 "
	                "o.0.h.sigmoid o.0.h.r2 top1 o.0.h.tanh o.0.h_1.sigmoid o.0.h_1.r4 top2 o.0.h_1.tanh abs.sigmoid abs.r6 top3 abs.tanh "
	                "o.1.h.sigmoid o.1.h.r2 top1_1 o.1.h.tanh o.1.h_1.sigmoid o.1.h_1.r4 top2_1 o.1.h_1.tanh abs_1.sigmoid abs_1.r6 top3_1 abs_1.tanh "
	                "h.h.sigmoid h.h.r2 top1_2 h.h.tanh h.h_1.sigmoid h.h_1.r4 top2_2 h.h_1.tanh abs_2.sigmoid abs_2.r6 top3_2 abs_2.tanh h_2");
	assert_string_equal(m->graph->output_name[0], "y");
	assert_string_equal(ig_value(m->graph, m->graph->output[0])->name, "h_2");
	ig_model_free(m);
	/* a made name that is already somebody's own */
	m = bench_parse(b, "model m(x: f32[4]) -> (y: f32[4]) {\n  a_1 = relu(x)\n  a = relu(a_1)\n  b = relu(a, name: \"a\")\n  y = relu(b, name: \"a\")\n}\n");
	expect_names(m, "a_1 a a_2 a_3");
	ig_model_free(m);
	bench_free(b);
}


static const char net[] = W "model m(x: f32[1, 1, 8, 8]) -> (y: f32[1, 3]) {\n"
                            "  conv = conv2d(x, filters: 4)\n  bn = batch_norm(conv, eps: 0.25)\n"
                            "  dw = depthwise_conv2d(bn, kernel: 3, pad: 1)\n  pw = conv2d(dw, bias: false, kernel: [1, 1])\n"
                            "  p2 = conv2d(pw, weight: \"pw.weight\", bias: true)\n"
                            "  y = linear(flatten(slice(p2, starts: 0, ends: 1, axes: 1)), weight: \"fc.weight\", units: 3, name: \"out\")\n}\n";

static void binding(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, net);
	const struct ig_graph *g = m->graph;
	const struct ig_node *conv = bench_layer(m, "conv"), *bn = bench_layer(m, "bn"), *dw = bench_layer(m, "dw");
	assert_int_equal(conv->n_in, 3); /* the file has a bias */
	assert_string_equal(ig_value(g, conv->in[1])->name, "conv.weight");
	assert_string_equal(ig_value(g, conv->in[2])->name, "conv.bias");
	assert_null(ig_attr(conv, IG_A_FILTERS));
	int64_t k[2];
	ig_attr_ints(conv, IG_A_KERNEL, -1, k, 2); /* from the weight */
	assert_true(k[0] == 3 && k[1] == 3);
	assert_int_equal(bn->n_in, 5);
	assert_string_equal(ig_def(g, bn->in[4])->name, "bn.running_var");
	assert_true(ig_attr_float(bn, IG_A_EPS, 0) == 0.25);
	assert_int_equal(dw->n_in, 2); /* no bias in the file */
	assert_int_equal(bench_layer(m, "pw")->n_in, 2);
	const struct ig_node *p2 = bench_layer(m, "p2"), *out = bench_layer(m, "out");
	assert_string_equal(ig_def(g, p2->in[1])->name, "p2.weight");
	assert_string_equal(ig_def(g, p2->in[2])->name, "p2.bias");
	assert_int_equal(out->n_in, 3);
	assert_memory_equal(ig_const_data(g, p2->in[1])->data, ig_const_data(g, bench_layer(m, "pw")->in[1])->data, 64);
	assert_true(ig_verify(g, "reading", b->diag));
	assert_string_equal(bench_said(b), "");
	uint64_t first = g->weights_hash;
	ig_model_free(m);
	m = bench_parse(b, net);
	assert_int_equal(m->graph->weights_hash, first);
	ig_model_free(m);
	bench_weights(b, 2); /* other numbers */
	m = bench_parse(b, net);
	assert_int_not_equal(m->graph->weights_hash, first);
	ig_model_free(m);
	bench_free(b);
}

static void explicit_operands(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, W "model m(x: f32[1, 1, 4, 4]) -> (y: f32[1, 4, 4, 4]) {\n"
	                                      "  w: f32[4, 1, 3, 3] = constant(tensor: \"conv.weight\", name: \"k\")\n  c = constant(values: [1, -2.5, 3e2, -0.0])\n"
	                                      "  y = conv2d(x, w, c, filters: 4, kernel: 3, pad: same)\n}\n");
	const struct ig_node *y = bench_layer(m, "y");
	const float *c = ig_const_data(m->graph, y->in[2])->data;
	assert_true(c[0] == 1.0f && c[1] == -2.5f && c[2] == 300.0f && c[3] == 0.0f && 1.0f / c[3] < 0.0f);
	assert_string_equal(ig_def(m->graph, y->in[1])->name, "k");
	const struct ig_attr *pad = ig_attr(y, IG_A_PAD);
	assert_int_equal(pad->n, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pad->u.ints[i], 1);
	ig_model_free(m);
	bench_free(b);
}

static void pools(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, "model m(x: f32[1, 2, 9, 8]) -> (y: f32[1, 2, 3, 4], z: f32[1, 2, 7, 7]) {\n"
	                                    "  y = max_pool2d(x, kernel: [3, 2])\n  z = avg_pool2d(x, kernel: [3, 2], stride: 1)\n}\n");
	ig_model_free(m);
	bench_free(b);
}

static void expressions(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} cases[] = {
		{"1 + 2 * 3", 7},  {"(1 + 2) * 3", 9}, {"7 / 2", 3},     {"-7 / 2", -3},      {"-7 % 3", -1},       {"7 - 2 - 1", 4},
		{"8 / 4 / 2", 1},  {"- -3", 3},        {"2 - -3", 5},    {"n * n % 5", 1},    {"-(n) + 4 * (n)", 12}, {"9223372036854775807 - 9223372036854775806", 1},
	};
	struct bench *b = bench_new();
	for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
		char text[400], name[40];
		snprintf(text, sizeof text, "block f(x, n) { return clip(x, min: 2 * 0.25, max: %s + 100.5, name: \"p{%s}\") }\n"
		                            "model m(x: f32[4]) -> (y: f32[4]) { y = f(x, 2 + 2) }", cases[i].text, cases[i].text);
		struct ig_model *m = bench_parse(b, text);
		snprintf(name, sizeof name, "y.p%lld", (long long)cases[i].value);
		assert_true(ig_attr_float(bench_layer(m, name), IG_A_MIN, 0) == 0.5);
		assert_true(ig_attr_float(bench_layer(m, name), IG_A_MAX, 0) == (double)cases[i].value + 100.5);
		ig_model_free(m);
	}
	bench_free(b);
}

static void rules(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, "model m(x: f32[4]) -> (y: f32[4]) { y = relu(x) }\n"
	                                    "quantize {\n  default  static( activations: moving_average(u8, averaging: 0.5),\n    weights: mse(s8, per_tensor, reduce_range))   # c\n"
	                                    "  type relu fbgemm\n  match /conv[0-9]+\\/a|\\./ skip\n  layer \"l.1\" static(activations: histogram(reduce_range, bins: 512), bias: float32, requantize: fixed)\n"
	                                    "  order conv2d 3 qnnpack\n}\n");
	assert_int_equal(m->qconfig->rules.n, 5);
	const struct ig_rule *r = m->qconfig->rules.v;
	assert_int_equal(r[0].kind, IG_RULE_DEFAULT);
	assert_int_equal(r[0].config.act.observer, IG_OBS_MOVING_AVERAGE);
	assert_true(r[0].config.act.averaging == 0.5);
	assert_int_equal(r[0].config.weight.observer, IG_OBS_MSE);
	assert_false(r[0].config.weight.per_channel);
	assert_true(r[0].config.weight.reduce_range && !r[0].config.act.reduce_range);
	assert_true(strncmp(r[0].text, "static( activations", 19) == 0 && r[0].text[strlen(r[0].text) - 1] == ')');
	assert_int_equal(r[0].loc.line, 3);
	assert_int_equal(r[1].kind, IG_RULE_TYPE);
	assert_string_equal(r[1].pattern, "relu");
	assert_string_equal(r[1].text, "fbgemm");
	assert_true(r[1].config.bias_float32);
	assert_int_equal(r[2].kind, IG_RULE_MATCH);
	assert_string_equal(r[2].pattern, "conv[0-9]+/a|\\.");
	assert_true(r[2].config.skip);
	assert_int_equal(r[3].kind, IG_RULE_LAYER);
	assert_string_equal(r[3].pattern, "l.1");
	assert_int_equal(r[3].config.act.bins, 512);
	assert_true(r[3].config.act.reduce_range && r[3].config.bias_float32 && r[3].config.requantize_fixed && r[3].config.weight.per_channel);
	assert_int_equal(r[4].kind, IG_RULE_ORDER);
	assert_int_equal(r[4].order, 3);
	ig_model_free(m);
	bench_free(b);
}

/* A text with every form of the language. */
static const char whole[] = W "block f(x, n, w) {   # comment\n  c, d = g(x, n: n)\n  return add(c, d, name: \"/a{n*(2+1)%5}\")\n}\nblock g(x, n) { return relu(x), x }\n"
                              "model m(x: f32[1, 1, 8, 8] nchw, z: u8[1, 4, 6, 6] nhwc) -> (y: f32[1, 4, 6, 6], t: f32[1, 4, 1, 1]) {\n"
                              "  h = conv2d(x, filters: 4, kernel: [3, 3], pad: valid, bias: auto, name: \"conv\")\n"
                              "  repeat 2 as i { h = f(h, n: i, w: 1.5e-3) }\n"
                              "  q: u8[1, 4, 6, 6] {scale: 0.05, zero_point: 128, qmin: 0, qmax: 254, fixed: true} = quantize(\n    h,\n    result: \"qq\")\n"
                              "  v: f32[1, 4, 6, 6] = dequantize(q)\n  k: s8[2] {scale: [1, 2], zero_point: [0, 0], axis: 0} = constant(values: [-128, 127])\n"
                              "  y = add(v, normalize(z, mean: [1, 2, 3, -4], std: 2, scale: 255))\n  t = global_avg_pool(y)\n}\n"
                              "quantize {\n  default static(activations: histogram(u8, bins: 2048), weights: minmax(s8, per_channel))\n  match /c.nv/ skip\n"
                              "  layer \"conv\" x86\n  type add default\n  order add 1 skip\n}\n";

static void try_text(struct bench *b, const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1); /* so that a sanitizer sees reads beyond the end */
	assert_non_null(copy);
	if (len)
		memcpy(copy, text, len);
	FILE *null = fopen("/dev/null", "w");
	struct ig_diag *d = ig_diag_new(null, false);
	struct ig_model *m = ig_model_parse(b->model, copy, len, d);
	assert_int_equal(m == NULL, ig_diag_errors(d) > 0);
	if (m)
		assert_true(ig_verify(m->graph, "reading", d));
	ig_model_free(m);
	ig_diag_free(d);
	fclose(null);
	free(copy);
}

static void truncations(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	ig_model_free(bench_parse(b, whole));
	for (size_t n = 0; n < sizeof whole; n++)
		try_text(b, whole, n);
	bench_free(b);
}

/* The examples too, without their weights. */
static void example_truncations(void **state)
{
	(void)state;
	static const char *const names[] = {"kws", "resnet8", "resnet20", "vww", "ad"};
	struct bench *b = bench_new();
	for (size_t i = 0; i < IG_COUNTOF(names); i++) {
		char path[100], text[8000];
		snprintf(path, sizeof path, "examples/%s/model.ig", names[i]);
		FILE *f = fopen(path, "r");
		if (!f)
			fail_msg("%s is missing; run this in the project's folder", path);
		size_t len = fread(text, 1, sizeof text, f);
		fclose(f);
		assert_in_range(len, 100, sizeof text - 1);
		for (size_t n = 0; n <= len; n++)
			try_text(b, text, n);
	}
	bench_free(b);
}

static void mutations(void **state)
{
	(void)state;
	static const char bytes[] = "(){}[],:=\"\n#/-+*% 019.eaxyn_\\\0\xff";
	struct bench *b = bench_new();
	char text[sizeof whole];
	unsigned seed = 7;
	for (int i = 0; i < 3000; i++) {
		memcpy(text, whole, sizeof whole);
		size_t len = sizeof whole - 1;
		for (int k = 0; k <= i % 3; k++) {
			seed = seed * 1664525u + 1013904223u;
			size_t at = (seed >> 8) % len;
			if (seed >> 30 == 0) { /* one byte is left out */
				memmove(text + at, text + at + 1, len - at - 1);
				len--;
			} else {
				text[at] = bytes[(seed >> 3) % (sizeof bytes - 1)];
			}
		}
		try_text(b, text, len);
	}
	bench_free(b);
}

static void deep(void **state)
{
	(void)state;
	static const char *const open[] = {"(", "[", "relu(", "-", "\"{", "repeat 1 {", "f(x, name: \"{", "x: f32[", "match /"};
	struct bench *b = bench_new();
	size_t room = 400000;
	char *text = malloc(room + 400);
	for (size_t i = 0; i < IG_COUNTOF(open); i++) {
		size_t n = (size_t)sprintf(text, "model m(x: f32[4]) -> (y: f32[4]) {\n  y = ");
		while (n < room)
			n += (size_t)sprintf(text + n, "%s", open[i]);
		try_text(b, text, n);
	}
	size_t n = (size_t)sprintf(text, "model m(x: f32[4]) -> (y: f32[4]) {\n  y = slice(x, starts: 1"); /* long, not deep in brackets */
	while (n < room)
		n += (size_t)sprintf(text + n, "+1");
	n += (size_t)sprintf(text + n, ")\n}\n");
	try_text(b, text, n);
	n = (size_t)sprintf(text, "model m(x: f32[4]) -> (y: f32[4]) {\n");
	while (n < room)
		n += (size_t)sprintf(text + n, "y = relu(x)\n");
	n += (size_t)sprintf(text + n, "}\n");
	try_text(b, text, n);
	free(text);
	bench_free(b);
}

static void files(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	assert_null(ig_model_load("/nonexistent/m.ig", b->diag));
	assert_null(ig_model_load(b->dir, b->diag));
	FILE *f = fopen(b->model, "w");
	fputs(net, f);
	fclose(f);
	struct ig_model *m = ig_model_load(b->model, b->diag);
	assert_non_null(m);
	ig_model_free(m);
	assert_null(ig_qconfig_load(b->model, b->diag));
	f = fopen(b->model, "w");
	fputs("quantize {\n  default fbgemm\n}", f);
	fclose(f);
	struct ig_qconfig_map *q = ig_qconfig_load(b->model, b->diag);
	assert_non_null(q);
	assert_int_equal(q->rules.n, 1);
	ig_qconfig_map_free(q);
	unlink(b->model);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layer_names), cmocka_unit_test(binding),   cmocka_unit_test(explicit_operands), cmocka_unit_test(expressions), cmocka_unit_test(rules),
		cmocka_unit_test(truncations), cmocka_unit_test(mutations), cmocka_unit_test(deep),              cmocka_unit_test(files),      cmocka_unit_test(pools),
		cmocka_unit_test(example_truncations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
