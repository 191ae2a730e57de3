/* Calibration and conversion: what is observed, which values become u8, with which parameters, what the constants become. */
#include "passes_util.h"

struct samples {
	int64_t n, next, size;
	float *x;
	const void *in[1];
};

static const void *const *next_sample(void *self)
{
	struct samples *s = self;
	if (s->next == s->n)
		return NULL;
	s->in[0] = s->x + s->size * s->next++;
	return s->in;
}

static struct samples make_samples(const struct ig_graph *g, int64_t n)
{
	struct samples s = {.n = n, .size = ig_elems(ig_vtype(g, g->input[0]))};
	s.x = malloc((size_t)(n * s.size) * sizeof *s.x);
	for (int64_t i = 0; i < n * s.size; i++)
		s.x[i] = (float)(4 * uniform() - 2);
	return s;
}

static struct ig_stats *calibrate(const struct ig_graph *g, const struct ig_qconfig_map *m, int64_t n)
{
	struct samples s = make_samples(g, n);
	struct ig_sample_source src = {&s, next_sample, NULL};
	struct ig_stats *st = ig_stats_new(g->weights_hash);
	assert_true(ig_calibrate(g, m, &src, st, diag));
	free(s.x);
	return st;
}

/* Maps, calibrates on 120 samples and converts; the float graph is returned in *before when wanted. */
static void quantize(struct ig_graph *g, const struct ig_qconfig_map *m, struct ig_graph **before)
{
	struct ig_context c = {.diag = diag, .qconfig = m, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	if (before)
		*before = ig_graph_clone(g);
	struct ig_stats *st = calibrate(g, m, 120);
	c.stats = st;
	assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL));
	assert_int_equal(g->stage, IG_STAGE_QUANTIZED);
	ig_stats_free(st);
}

static struct ig_qconfig_map *rules(int n, const char *const *skipped)
{
	struct ig_qconfig_map *m = ig_qconfig_map_new();
	for (int i = 0; i < n; i++) {
		struct ig_rule r = {.kind = IG_RULE_LAYER, .pattern = skipped[i], .config = {.skip = true}, .text = "skip"};
		ig_vec_push(&m->rules, r);
	}
	return m;
}

static double range_of(const struct ig_graph *g, const float *x)
{
	int64_t n;
	float *y = run_graph(g, x, &n);
	double most = 0;
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)y[i]));
	free(y);
	return most;
}

/* x -> conv1+relu -> conv2 + conv1 -> pool -> flatten -> fc -> softmax */
static struct ig_graph *residual_model(void)
{
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
	struct ig_vid h = op1(g, IG_OP_RELU, "r", conv(g, "conv1", x, 8, 1, true));
	struct ig_vid s = op2(g, IG_OP_ADD, "s", conv(g, "conv2", h, 8, 1, true), h);
	struct ig_vid p = flatten(g, "flat", op1(g, IG_OP_GLOBAL_AVG_POOL, "pool", s));
	struct ig_vid fc = linear(g, "fc", p, 5);
	output(g, fc);
	output(g, op1(g, IG_OP_SOFTMAX, "probs", fc));
	return g;
}

static void test_whole(void **state)
{
	(void)state;
	struct ig_graph *g = residual_model(), *f;
	quantize(g, NULL, &f);
	assert_int_equal(ig_vtype(g, layer(g, "conv1")->out[0])->dtype, IG_DT_U8);
	assert_int_equal(ig_vtype(g, layer(g, "conv2")->out[0])->dtype, IG_DT_U8);
	assert_int_equal(ig_vtype(g, layer(g, "conv2")->in[3])->dtype, IG_DT_U8);
	assert_int_equal(ig_vtype(g, layer(g, "conv2")->in[1])->dtype, IG_DT_S8);
	assert_int_equal(ig_vtype(g, layer(g, "conv2")->in[2])->dtype, IG_DT_I32);
	assert_int_equal(ig_vtype(g, layer(g, "flat")->out[0])->dtype, IG_DT_U8);
	assert_true(ig_qparam_equal(ig_qparam(g, ig_vtype(g, layer(g, "flat")->out[0])->q), ig_qparam(g, ig_vtype(g, layer(g, "pool")->out[0])->q)));
	assert_true(ig_qparam(g, ig_vtype(g, layer(g, "pool")->out[0])->q)->scale[0] < ig_qparam(g, ig_vtype(g, layer(g, "conv2")->out[0])->q)->scale[0]); /* averages have their own, smaller range */
	assert_int_equal(ig_vtype(g, layer(g, "fc")->in[0])->dtype, IG_DT_U8); /* int8 arithmetic, float32 result */
	assert_int_equal(ig_vtype(g, layer(g, "fc")->out[0])->dtype, IG_DT_F32);
	assert_int_equal(ig_vtype(g, layer(g, "probs")->out[0])->dtype, IG_DT_F32);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE), 1);
	assert_int_equal(count_op(g, IG_OP_DEQUANTIZE) + count_op(g, IG_OP_REQUANTIZE), 0);
	float x[144];
	for (int i = 0; i < 144; i++)
		x[i] = (float)(4 * uniform() - 2);
	assert_true(difference(f, g) < 0.1 * range_of(f, x)); /* close to float */
	assert_true(difference(f, g) > 0);
	ig_graph_free(g);
	ig_graph_free(f);
}

/* Weights and bias by the formulas, from the float constants. */
static void test_weights(void **state)
{
	(void)state;
	for (int k = 0; k < 5; k++) { /* default; per tensor; reduced; float bias; narrow */
		struct ig_qconfig_map *m = ig_qconfig_map_new();
		struct ig_rule r = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("default"), .text = "t"};
		r.config.weight.per_channel = k != 1;
		r.config.weight.narrow = k == 4;
		r.config.weight.reduce_range = k == 2;
		r.config.act.reduce_range = k == 2;
		r.config.bias_float32 = k == 3;
		ig_vec_push(&m->rules, r);
		struct ig_graph *g = residual_model(), *f;
		quantize(g, m, &f);
		const struct ig_node *n = layer(g, "conv2"), *o = layer(f, "conv2");
		const struct ig_qparam *wq = ig_qparam(g, ig_vtype(g, n->in[1])->q), *xq = ig_qparam(g, ig_vtype(g, n->in[0])->q);
		const float *w = ig_const_data(f, o->in[1])->data, *b = ig_const_data(f, o->in[2])->data;
		const int8_t *q = ig_const_data(g, n->in[1])->data;
		double steps = k == 2 ? 63.5 : k == 4 ? 127 : 127.5;
		assert_int_equal(xq->qmax, k == 2 ? 127 : 255);
		assert_int_equal(wq->n, k == 1 ? 1 : 8);
		float all = 0;
		for (int i = 0; i < 8 * 72; i++)
			all = fmaxf(all, fabsf(w[i]));
		for (int c = 0; c < 8; c++) {
			float amax = 0;
			for (int i = 0; i < 72; i++)
				amax = fmaxf(amax, fabsf(w[c * 72 + i]));
			float s = (k == 1 ? all : amax) / (float)steps;
			assert_true(wq->scale[k == 1 ? 0 : c] == s);
			for (int i = 0; i < 72; i++) {
				double e = rint((double)(w[c * 72 + i] / s)), lo = k == 2 ? -64 : k == 4 ? -127 : -128, hi = k == 2 ? 63 : 127;
				assert_int_equal(q[c * 72 + i], (int)(e < lo ? lo : e > hi ? hi : e));
			}
			const void *bias = ig_const_data(g, n->in[2])->data;
			if (k == 3)
				assert_true(((const float *)bias)[c] == b[c]);
			else
				assert_int_equal(((const int32_t *)bias)[c], (int32_t)rint((double)b[c] / ((double)xq->scale[0] * (double)s)));
		}
		assert_string_equal(ig_attr_str(n, IG_A_BIAS_MODE, "int32"), k == 3 ? "float32" : "int32");
		ig_graph_free(g);
		ig_graph_free(f);
		ig_qconfig_map_free(m);
	}
}

/* A channel of zero weights with a bias: its scale is raised until the bias fits, and the bias survives. */
static void test_zero_channel(void **state)
{
	(void)state;
	struct ig_graph *g = residual_model(), *f;
	float *w = ig_const_data(g, layer(g, "conv2")->in[1])->data, *b = ig_const_data(g, layer(g, "conv2")->in[2])->data;
	memset(w, 0, 72 * sizeof *w);
	b[0] = 1000;
	memset(w + 72, 0, 72 * sizeof *w);
	b[1] = 0;
	quantize(g, NULL, &f);
	const struct ig_node *n = layer(g, "conv2");
	const int32_t *bq = ig_const_data(g, n->in[2])->data;
	const struct ig_qparam *wq = ig_qparam(g, ig_vtype(g, n->in[1])->q), *xq = ig_qparam(g, ig_vtype(g, n->in[0])->q);
	assert_true(fabs((double)bq[0] * (double)xq->scale[0] * (double)wq->scale[0] - 1000) < 1e-3);
	assert_true(labs((long)bq[0]) <= (1 << 30) + 128);
	assert_int_equal(bq[1], 0);
	ig_graph_free(g);
	ig_graph_free(f);
}

/* skip: every tensor of the layer is float; boundaries are shared. */
static void test_skip(void **state)
{
	(void)state;
	const char *names[] = {"conv2", "pool", "fc", "conv1"};
	struct ig_qconfig_map *m = rules(1, names);
	struct ig_graph *g = residual_model(), *f;
	quantize(g, m, &f);
	const struct ig_node *n = layer(g, "conv2");
	for (int i = 0; i < 4; i++)
		assert_int_equal(ig_vtype(g, n->in[i])->dtype, IG_DT_F32);
	assert_int_equal(ig_vtype(g, n->out[0])->dtype, IG_DT_F32);
	assert_true(n->in[0].i == n->in[3].i); /* one dequantize for both uses */
	assert_int_equal(count_op(g, IG_OP_DEQUANTIZE), 0); /* conv1 has only float readers: it gives float32 itself */
	assert_int_equal(ig_vtype(g, layer(g, "conv1")->in[0])->dtype, IG_DT_U8);
	assert_int_equal(ig_vtype(g, layer(g, "pool")->out[0])->dtype, IG_DT_F32);
	assert_int_equal(layer(g, "pool")->precision, IG_PREC_FLOAT);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE), 2); /* x, and what fc reads */
	ig_graph_free(g);
	ig_graph_free(f);
	ig_qconfig_map_free(m);
	m = rules(4, names); /* nothing is left to quantize */
	g = residual_model();
	struct ig_context c = {.diag = diag, .qconfig = m, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	f = ig_graph_clone(g);
	assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL)); /* no statistics needed */
	assert_int_equal(g->stage, IG_STAGE_QUANTIZED);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE) + count_op(g, IG_OP_DEQUANTIZE), 0);
	assert_true(difference(f, g) == 0);
	ig_graph_free(g);
	ig_graph_free(f);
	ig_qconfig_map_free(m);
}

/* A value with an int8 and a float reader: float32, and one quantize for the int8 ones. */
static void test_mixed_readers(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m"), *f;
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6)), a = conv(g, "a", x, 4, 1, true);
	struct ig_vid b = conv(g, "b", a, 4, 1, true), c = conv(g, "c", a, 4, 1, true), d = op1(g, IG_OP_TANH, "d", a);
	output(g, op2(g, IG_OP_MUL, "y", b, c));
	output(g, d);
	output(g, a);
	const char *names[] = {"c", "d"};
	struct ig_qconfig_map *m = rules(2, names);
	quantize(g, m, &f);
	assert_int_equal(count_op(g, IG_OP_DEQUANTIZE), 0);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE), 2); /* x, a for b; y is read by nobody and takes b as float32 */
	assert_int_equal(ig_vtype(g, layer(g, "a")->out[0])->dtype, IG_DT_F32);
	assert_true(g->output[2].i == layer(g, "a")->out[0].i);
	assert_true(g->output[2].i == layer(g, "c")->in[0].i);
	ig_graph_free(g);
	ig_graph_free(f);
	ig_qconfig_map_free(m);
}

/* Attention: between linear layers all is float32, and so are the residual stream and what stands before a product of two values; a function between two
   linear layers is a table. */
static void test_float_between(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m"), *f;
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 8)), scale = constant(g, "scale", 0.5f, 0.6f, SHAPE(1)), mask = constant(g, "mask", -1e9f, 0, SHAPE(1, 4, 4));
	struct ig_vid q = linear(g, "q", x, 8), keys = linear(g, "k", x, 8), v = linear(g, "v", x, 8);
	struct ig_nid turned = ig_graph_add(g, IG_OP_TRANSPOSE, "kt", IG_NOLOC, &keys, 1);
	ig_attr_set_ints(g, turned, IG_A_PERM, (const int64_t[]){0, 2, 1}, 3);
	struct ig_vid k = result(g, turned);
	struct ig_vid logits = op2(g, IG_OP_ADD, "masked", op2(g, IG_OP_MUL, "scaled", op2(g, IG_OP_MATMUL, "qk", q, k), scale), mask);
	struct ig_vid context = op2(g, IG_OP_MATMUL, "context", op1(g, IG_OP_SOFTMAX, "softmax", logits), v);
	struct ig_vid h = op2(g, IG_OP_ADD, "h", linear(g, "o", context, 8), x);
	struct ig_vid square = op2(g, IG_OP_MUL, "square", h, h), up = op1(g, IG_OP_GELU, "gelu", linear(g, "up", h, 16));
	output(g, op2(g, IG_OP_ADD, "y", linear(g, "down", up, 8), h));
	output(g, square);
	quantize(g, NULL, &f);
	static const char *const floats[] = {"masked", "softmax", "o", "square", "down"}, *const integers[] = {"up", "gelu"};
	for (size_t i = 0; i < IG_COUNTOF(floats); i++)
		assert_int_equal(ig_vtype(g, layer(g, floats[i])->out[0])->dtype, IG_DT_F32);
	for (size_t i = 0; i < IG_COUNTOF(integers); i++)
		assert_int_equal(ig_vtype(g, layer(g, integers[i])->out[0])->dtype, IG_DT_U8);
	assert_int_equal(ig_vtype(g, layer(g, "o")->in[3])->dtype, IG_DT_F32);
	assert_int_equal(count_op(g, IG_OP_DEQUANTIZE), 0);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE), 3); /* x, context, h */
	assert_true(difference(f, g) < 0.2);
	ig_graph_free(g);
	ig_graph_free(f);
}

/* 16-bit activations: beside the same weights on float32 only their rounding is left, far below what 8 bits leave (2^-9 of a range for each layer). */
static void test_w8a16(void **state)
{
	(void)state;
	struct ig_graph *g = residual_model(), *h = ig_graph_clone(g), *f;
	struct ig_qconfig_map *m = ig_qconfig_map_new(), *stored = ig_qconfig_map_new();
	struct ig_rule r = {.kind = IG_RULE_DEFAULT, .config = *ig_qconfig_preset("w8a16"), .text = "w8a16"};
	ig_vec_push(&m->rules, r);
	r.config = *ig_qconfig_preset("default");
	r.config.mode = IG_MODE_WEIGHT_ONLY;
	ig_vec_push(&stored->rules, r);
	quantize(g, m, &f);
	quantize(h, stored, NULL);
	assert_int_equal(layer(g, "conv2")->precision, IG_PREC_W8A16);
	assert_int_equal(count_op(g, IG_OP_QUANTIZE), 6); /* two bytes each: x, conv1's result, flat */
	assert_true(layer(g, "conv1.high")->in[1].i == layer(g, "conv1")->in[1].i); /* weights are there once */
	float x[144];
	for (int i = 0; i < 144; i++)
		x[i] = (float)(4 * uniform() - 2);
	double range = range_of(f, x);
	assert_true(difference(h, g) > 0);
	assert_true(difference(h, g) < range * 0x1p-13);
	ig_graph_free(g);
	ig_graph_free(h);
	ig_graph_free(f);
	ig_qconfig_map_free(m);
	ig_qconfig_map_free(stored);
}

static void test_concat(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m"), *f;
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
	struct ig_vid a = conv(g, "a", x, 4, 1, true), b = conv(g, "b", x, 4, 1, true), c = conv(g, "c", b, 4, 1, true);
	struct ig_nid pool = ig_graph_add(g, IG_OP_MAX_POOL2D, "p", IG_NOLOC, &c, 1);
	ig_attr_set_ints(g, pool, IG_A_KERNEL, (const int64_t[]){1, 1}, 2);
	struct ig_vid in[3] = {a, b, result(g, pool)};
	struct ig_nid cat = ig_graph_add(g, IG_OP_CONCAT, "cat", IG_NOLOC, in, 3);
	ig_attr_set_int(g, cat, IG_A_AXIS, 1);
	output(g, conv(g, "y", result(g, cat), 4, 1, true));
	quantize(g, NULL, &f);
	struct ig_qid q = ig_vtype(g, layer(g, "cat")->out[0])->q;
	const struct ig_node *n = layer(g, "cat");
	for (int i = 0; i < 3; i++)
		assert_true(ig_qparam_equal(ig_qparam(g, ig_vtype(g, n->in[i])->q), ig_qparam(g, q)));
	assert_int_equal(count_op(g, IG_OP_REQUANTIZE), 1); /* b has another reader; a, and c through the pool, are written with concat's parameters */
	assert_true(ig_qparam_equal(ig_qparam(g, ig_vtype(g, layer(g, "c")->out[0])->q), ig_qparam(g, q)));
	assert_int_equal(ig_def(g, n->in[1])->op, IG_OP_REQUANTIZE);
	ig_graph_free(g);
	ig_graph_free(f);
}

/* Camera bytes: normalize gives u8 at once when a quantized layer reads it. */
static void test_normalize(void **state)
{
	(void)state;
	for (int skip = 0; skip < 2; skip++) {
		struct ig_graph *g = ig_graph_new("m");
		struct ig_nid id = ig_graph_add(g, IG_OP_INPUT, "image", IG_NOLOC, NULL, 0);
		struct ig_vid x = ig_node(g, id)->out[0];
		ig_value(g, x)->type = ig_type_make(IG_DT_U8, SHAPE(1, 3, 4, 4));
		ig_attr_set_str(g, id, IG_A_LAYOUT, "nhwc");
		ig_graph_mark_input(g, x);
		x = result(g, id);
		struct ig_nid norm = ig_graph_add(g, IG_OP_NORMALIZE, "norm", IG_NOLOC, &x, 1);
		ig_attr_set_float(g, norm, IG_A_SCALE, 255);
		output(g, conv(g, "c", result(g, norm), 4, 1, true));
		const char *names[] = {"c"};
		struct ig_qconfig_map *m = rules(skip, names);
		struct ig_context c = {.diag = diag, .qconfig = m, .verify = true};
		assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
		struct ig_stats *st = ig_stats_new(0);
		float seen[2] = {0, 1};
		static const char *const observed[] = {"norm", "c"};
		for (int i = 0; i < 2; i++)
			ig_stat_add(ig_stats_get(st, observed[i]), seen, 2);
		c.stats = st;
		assert_true(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL));
		assert_int_equal(ig_vtype(g, layer(g, "norm")->out[0])->dtype, skip ? IG_DT_F32 : IG_DT_U8);
		assert_int_equal(count_op(g, IG_OP_QUANTIZE), 0);
		ig_stats_free(st);
		ig_graph_free(g);
		ig_qconfig_map_free(m);
	}
}

/* A constant operand of an addition becomes u8 bytes with parameters from its own data. */
static void test_constant_operand(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m"), *f;
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6)), k = constant(g, "k", -3, 5, SHAPE(1, 4, 1, 1));
	output(g, conv(g, "c", op2(g, IG_OP_SUB, "y", x, k), 4, 1, true));
	quantize(g, NULL, &f);
	const struct ig_tensor *t = ig_const_data(g, layer(g, "y")->in[1]);
	assert_non_null(t);
	assert_int_equal(t->type.dtype, IG_DT_U8);
	assert_true(difference(f, g) < 0.1);
	ig_graph_free(g);
	ig_graph_free(f);
}

static char *convert_error(struct ig_graph *g, const struct ig_stats *st, char *text, size_t size)
{
	FILE *out = tmpfile();
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_context c = {.diag = d, .stats = st, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	assert_false(ig_pipeline_run(IG_HALF_QUANTIZE, g, &c, NULL));
	assert_true(ig_diag_errors(d) > 0);
	ig_diag_free(d);
	rewind(out);
	text[fread(text, 1, size - 1, out)] = 0;
	fclose(out);
	return text;
}

static void test_errors(void **state)
{
	(void)state;
	char text[1000];
	struct ig_graph *g = residual_model();
	assert_non_null(strstr(convert_error(g, NULL, text, sizeof text), "needs a range"));
	ig_graph_free(g);
	struct ig_stats *st = ig_stats_new(0);
	float x[2] = {0, 1};
	ig_stat_add(ig_stats_get(st, "x"), x, 2);
	g = residual_model();
	assert_non_null(strstr(convert_error(g, st, text, sizeof text), "has nothing on `r`"));
	ig_graph_free(g);
	st->weights_hash = 77;
	g = residual_model();
	assert_non_null(strstr(convert_error(g, st, text, sizeof text), "other weights"));
	ig_graph_free(g);
	st->weights_hash = 0;
	static const char *const names[] = {"r", "s", "fc"};
	for (int i = 0; i < 3; i++)
		ig_stat_add(ig_stats_get(st, names[i]), x, 2);
	g = residual_model();
	((float *)ig_const_data(g, layer(g, "conv2")->in[1])->data)[5] = INFINITY;
	assert_non_null(strstr(convert_error(g, st, text, sizeof text), "weights must be finite"));
	ig_graph_free(g);
	/* 70000 weights of the largest size in a channel can exceed 32 bits */
	g = ig_graph_new("wide");
	struct ig_vid v = input(g, "x", SHAPE(1, 70000)), in[2] = {v, constant(g, "w", 0.9, 1.0, SHAPE(2, 70000))};
	output(g, result(g, ig_graph_add(g, IG_OP_LINEAR, "fc", IG_NOLOC, in, 2)));
	assert_non_null(strstr(convert_error(g, st, text, sizeof text), "can exceed 32 bits"));
	ig_graph_free(g);
	ig_stats_free(st);
}

static void test_calibration_warnings(void **state)
{
	(void)state;
	struct ig_graph *g = residual_model();
	memset(ig_const_data(g, layer(g, "conv1")->in[1])->data, 0, 8 * 36 * sizeof(float)); /* conv1 is constant per channel, and then zero after relu */
	float *b = ig_const_data(g, layer(g, "conv1")->in[2])->data;
	for (int i = 0; i < 8; i++)
		b[i] = -1;
	struct ig_context c = {.diag = diag, .verify = true};
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
	struct samples s = make_samples(g, 10);
	memcpy(s.x + 3 * s.size, s.x + s.size, (size_t)s.size * sizeof *s.x);
	s.x[5 * s.size] = NAN;
	FILE *out = tmpfile();
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_sample_source src = {&s, next_sample, NULL};
	struct ig_stats *st = ig_stats_new(g->weights_hash);
	assert_true(ig_calibrate(g, NULL, &src, st, d));
	assert_int_equal(st->samples, 10);
	char text[4000];
	rewind(out);
	text[fread(text, 1, sizeof text - 1, out)] = 0;
	static const char *const says[] = {"calibrated with 10 samples", "sample 3 is sample 1 again", "`x`: 1 NaN and 0 infinities", "`r` is 0 in every sample"};
	for (size_t i = 0; i < IG_COUNTOF(says); i++)
		if (!strstr(text, says[i]))
			fail_msg("no \"%s\" in %s", says[i], text);
	/* no samples; a state of other weights */
	s.next = s.n;
	assert_false(ig_calibrate(g, NULL, &src, st, d));
	st->weights_hash++;
	assert_false(ig_calibrate(g, NULL, &src, st, d));
	ig_diag_free(d);
	fclose(out);
	free(s.x);
	ig_stats_free(st);
	ig_graph_free(g);
}

/* Every float value has its statistics, under the name of the last value of a fused group; the mapping does not change the state. */
static void test_observed(void **state)
{
	(void)state;
	static const char *const names[] = {"x", "r", "s", "pool", "flat", "fc", "probs"};
	const char *skipped[] = {"conv1", "fc"};
	struct ig_qconfig_map *m = rules(2, skipped);
	struct ig_stats *st[2];
	for (int k = 0; k < 2; k++) {
		seed = 99;
		struct ig_graph *g = residual_model();
		struct ig_context c = {.diag = diag, .qconfig = k ? m : NULL, .verify = true};
		assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL));
		st[k] = calibrate(g, k ? m : NULL, 120);
		assert_int_equal(st[k]->stat.n, IG_COUNTOF(names));
		for (size_t i = 0; i < IG_COUNTOF(names); i++)
			assert_non_null(ig_stats_find(st[k], names[i]));
		run_pass(g, "observe");
		assert_int_equal(count_op(g, IG_OP_OBSERVE), IG_COUNTOF(names));
		ig_graph_free(g);
	}
	for (size_t i = 0; i < IG_COUNTOF(names); i++)
		assert_memory_equal(ig_stats_find(st[0], names[i])->bin, ig_stats_find(st[1], names[i])->bin, IG_HIST_BINS * sizeof(uint64_t));
	assert_true(ig_stats_find(st[0], "r")->min == 0);
	ig_stats_free(st[0]);
	ig_stats_free(st[1]);
	ig_qconfig_map_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),         cmocka_unit_test(test_weights),   cmocka_unit_test(test_zero_channel),
	    cmocka_unit_test(test_skip),          cmocka_unit_test(test_mixed_readers), cmocka_unit_test(test_float_between), cmocka_unit_test(test_w8a16), cmocka_unit_test(test_concat),
	    cmocka_unit_test(test_normalize),     cmocka_unit_test(test_constant_operand), cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_calibration_warnings), cmocka_unit_test(test_observed),
	};
	return cmocka_run_group_tests(tests, start, finish);
}
