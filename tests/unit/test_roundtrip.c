/* What ig_print writes, the frontend reads back to an equal graph: float, fused and quantized. */
#include "frontend_util.h"

#include <math.h>

#include "ir/infer.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "passes/pass.h"

static char *print_text(const struct ig_graph *g, const char *weights)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	ig_print(g, f, weights);
	fclose(f);
	return text;
}

static void same_output(const struct ig_graph *a, const struct ig_graph *c, struct bench *b)
{
	struct ig_interp *x = ig_interp_new(a, b->diag), *y = ig_interp_new(c, b->diag);
	if (!x || !y)
		fail_msg("%s", bench_said(b));
	float in[64];
	for (int i = 0; i < 64; i++)
		in[i] = (float)(i * 37 % 64) / 20.0f - 1.5f;
	const void *data[] = {in};
	ig_interp_run(x, data);
	ig_interp_run(y, data);
	for (int i = 0; i < a->n_outputs; i++) {
		const struct ig_tensor *p = ig_interp_value(x, a->output[i]), *q = ig_interp_value(y, c->output[i]);
		assert_int_equal(p->bytes, q->bytes);
		assert_memory_equal(p->data, q->data, p->bytes);
	}
	ig_interp_free(x);
	ig_interp_free(y);
}

static void round_trip(struct bench *b, const struct ig_graph *g)
{
	char path[200];
	snprintf(path, sizeof path, "%s/rt.safetensors", b->dir);
	size_t said = strlen(bench_said(b));
	char *text = print_text(g, "rt.safetensors");
	assert_true(ig_model_write(g, b->model, path, b->diag));
	struct ig_model *m = ig_model_load(b->model, b->diag);
	if (!m)
		fail_msg("%s", bench_said(b));
	assert_true(ig_verify(m->graph, "reading", b->diag));
	char *again = print_text(m->graph, "rt.safetensors");
	assert_string_equal(again, text);
	assert_int_equal(m->graph->stage, g->stage);
	assert_string_equal(m->graph->name, g->name);
	assert_int_equal(ig_hash(m->graph), ig_hash(g));
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id), *k = bench_layer(m, n->name);
		assert_int_equal(k->precision, n->precision);
		assert_int_equal(k->n_absorbed, n->n_absorbed);
		for (int i = 0; i < n->n_absorbed; i++)
			assert_string_equal(k->absorbed[i], n->absorbed[i]);
	}
	same_output(g, m->graph, b);
	assert_string_equal(bench_said(b) + said, ""); /* no unused tensor either */
	free(text);
	free(again);
	ig_model_free(m);
	unlink(path);
	unlink(b->model);
}

static const char net[] = "weights \"w.safetensors\"\nmodel m(x: f32[1, 1, 8, 8]) -> (y: f32[1, 3], z: f32[1, 4, 6, 6]) {\n"
                          "  conv = relu(batch_norm(conv2d(x, filters: 4, name: \"conv\"), eps: 0.25, name: \"bn\"))\n"
                          "  dw = clip(depthwise_conv2d(conv, kernel: 3, pad: 1, name: \"dw\"), min: -0.3, max: 0.7)\n  pw = conv2d(dw, kernel: 1, name: \"//p{1+1}w\", weight: \"pw.weight\")\n"
                          "  z = relu6(add(pw, conv))\n  p = leaky_relu(pad(z, pads: [0, 0, 0, 0, 0, 0, 0, 0], value: 0.1), alpha: 0.1)\n"
                          "  y = softmax(linear(flatten(slice(p, starts: 2, ends: 3, axes: 1)), name: \"fc\"), axis: -1)\n}\n"
                          "quantize { layer \"dw\" skip }\n";

static void float_graph(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, net);
	assert_non_null(bench_layer(m, "/p2w"));
	round_trip(b, m->graph);
	ig_model_free(m);
	bench_free(b);
}

struct samples {
	float data[64];
	const void *in[1];
	int left;
	unsigned seed;
};

static const void *const *next_sample(void *self)
{
	struct samples *s = self;
	if (!s->left--)
		return NULL;
	for (int i = 0; i < 64; i++) {
		s->seed = s->seed * 1664525u + 1013904223u;
		s->data[i] = (float)(s->seed >> 8) / 8388608.0f - 1.0f;
	}
	s->in[0] = s->data;
	return s->in;
}

static void passes(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, net);
	struct ig_context c = {.diag = b->diag, .qconfig = m->qconfig, .verify = true};
	if (!ig_pipeline_run(IG_HALF_FLOAT, m->graph, &c, NULL))
		fail_msg("%s", bench_said(b));
	round_trip(b, m->graph); /* fused: absorbed names, names of values that are other layers', precision */
	struct ig_stats *st = ig_stats_new(m->graph->weights_hash);
	struct samples s = {.left = 120, .seed = 3};
	struct ig_sample_source src = {.self = &s, .next = next_sample};
	assert_true(ig_calibrate(m->graph, m->qconfig, &src, st, b->diag));
	c.stats = st;
	if (!ig_pipeline_run(IG_HALF_QUANTIZE, m->graph, &c, NULL))
		fail_msg("%s", bench_said(b));
	assert_int_equal(m->graph->stage, IG_STAGE_QUANTIZED);
	round_trip(b, m->graph);
	ig_stats_free(st);
	ig_model_free(m);
	bench_free(b);
}

/* Without a weights file small constants are written out, larger ones are refused when read. */
static void no_weights(void **state)
{
	(void)state;
	struct bench *b = bench_new();
	struct ig_model *m = bench_parse(b, "model small(x: f32[2, 3]) -> (out: f32[2, 3], same: f32[2, 3], y: f32[2, 3]) {\n"
	                                    "  w = constant(values: [1, -0.0, 3.4028235e38, 1e-45, inf, 0.1])\n  w: f32[6] = w\n  k: i32[] = constant(values: -7)\n"
	                                    "  i: i64[1] = constant(values: [-9223372036854775807 - 1])\n  u: u8[3] = constant(values: [0, 255, 7])\n  s: s16[2] {scale: [0.1, 3], axis: 0, zero_point: 4} = constant(values: [-32768, 32767])\n"
	                                    "  y = add(x, reshape(w, shape: [2, 3]), name: \"a \\\"quoted\\\" \\{name\\}\\\\\")\n  same = x\n  out = y\n}\n");
	assert_non_null(m);
	char *text = print_text(m->graph, NULL);
	ig_model_free(m);
	m = bench_parse(b, text);
	char *again = print_text(m->graph, NULL);
	assert_string_equal(again, text);
	free(again);
	free(text);
	ig_model_free(m);
	m = bench_parse(b, net);
	text = print_text(m->graph, NULL);
	bench_refuse(b, text, "fingerprint");
	free(text);
	ig_model_free(m);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(float_graph), cmocka_unit_test(passes), cmocka_unit_test(no_weights)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
