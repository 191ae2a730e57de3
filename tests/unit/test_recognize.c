/* What exporters write out: recognized in every spelling, with the same numbers; not recognized when a constant, an axis or a reader is another. */
#include "frontend/frontend.h"
#include "passes_util.h"
#include "passes/pattern.h"

#define CONSTANTS                                                                                                                                              \
	"half: f32[] = constant(values: [0.5])\none: f32[] = constant(values: [1])\ntwo: f32[1] = constant(values: [2])\nthree: f32[] = constant(values: [3])\n"   \
	"six: f32[] = constant(values: [6])\nzero: f32[] = constant(values: [0])\nneg: f32[] = constant(values: [-0.5])\neps: f32[] = constant(values: [0.01])\n"  \
	"root: f32[] = constant(values: [1.4142135])\nsixth: f32[] = constant(values: [0.16666667])\nk: f32[] = constant(values: [0.044715])\n"                   \
	"p: f32[] = constant(values: [0.79788456])\nw: f32[4] = constant(values: [1, -2, 3, 0.5])\nb: f32[1, 4] = constant(values: [4, 3, -2, 1])\n"              \
	"m: f32[4, 4] = constant(values: [1, -2, 3, 4, 5, 6, -7, 8, 9, 1, 2, 3, -4, 5, 6, 7])\n"

static struct ig_model *parse(const char *body)
{
	char text[4096];
	snprintf(text, sizeof text, "model t(x: f32[2, 3, 4]) -> (y: f32[2, 3, 4]) {\n" CONSTANTS "%s\n}\n", body);
	FILE *null = fopen("/dev/null", "w"); /* each body leaves some of the constants unused, which is worth a warning */
	struct ig_diag *d = ig_diag_new(null, false);
	struct ig_model *m = ig_model_parse("t.ig", text, strlen(text), d);
	ig_diag_free(d);
	fclose(null);
	if (!m)
		fail_msg("not a model: %s", body);
	run_pass(m->graph, "canonicalize");
	return m;
}

/* The body becomes one layer of this operation (and nothing of what it had remains), with numbers as near as rounding leaves them. */
static void recognized(enum ig_op op, const char *body)
{
	struct ig_model *m = parse(body);
	struct ig_graph *before = ig_graph_clone(m->graph);
	run_pass(m->graph, "recognize");
	int layers = 0;
	for (struct ig_nid id = ig_first(m->graph); id.i >= 0; id = ig_next(m->graph, id))
		layers += ig_node(m->graph, id)->op != IG_OP_CONSTANT && ig_node(m->graph, id)->op != IG_OP_INPUT;
	if (layers != 1 || count_op(m->graph, op) != 1)
		fail_msg("not one %s: %s", ig_ops[op].name, body);
	struct ig_node *y = layer(m->graph, "y");
	assert_int_equal(y->op, op);
	assert_string_equal(ig_value(m->graph, y->out[0])->name, "y");
	assert_true(y->n_absorbed > 0);
	/* values are at most about 10 */
	if (!(difference(before, m->graph) <= 1e-5))
		fail_msg("other numbers: %s", body);
	ig_graph_free(before);
	ig_model_free(m);
}

/* The pass changes nothing. */
static void left(const char *body)
{
	struct ig_model *m = parse(body);
	uint64_t before = ig_hash(m->graph);
	run_pass(m->graph, "recognize");
	if (ig_hash(m->graph) != before)
		fail_msg("changed: %s", body);
	ig_model_free(m);
}

#define CENTRED "u = reduce_mean(x, axes: [-1])\nd = sub(x, u)\n"
#define DEVIATION(square) CENTRED "q = " square "\nv = reduce_mean(q, axes: [2])\nve = add(v, eps)\n"

static void test_layer_norm(void **state)
{
	(void)state;
	static const char *const squares[] = {"pow(d, two)", "mul(d, d)"};
	static const char *const ends[] = {
	    "s = sqrt(ve)\nn = div(d, s)\n", "s = sqrt(ve)\nr = reciprocal(s)\nn = mul(r, d)\n", "s = sqrt(ve)\nr = div(one, s)\nn = mul(d, r)\n",
	    "s = pow(ve, half)\nn = div(d, s)\n", "r = pow(ve, neg)\nn = mul(d, r)\n",
	};
	static const char *const tails[] = {"a = mul(n, w)\ny = add(a, b)\n", "a = mul(w, n)\ny = add(b, a)\n", "y = mul(n, w)\n"};
	for (size_t s = 0; s < IG_COUNTOF(squares); s++)
		for (size_t e = 0; e < IG_COUNTOF(ends); e++)
			for (size_t t = 0; t < IG_COUNTOF(tails); t++) {
				char body[1024];
				snprintf(body, sizeof body, CENTRED "q = %s\nv = reduce_mean(q, axes: [2])\nve = add(v, eps)\n%s%s", squares[s], ends[e], tails[t]);
				recognized(IG_OP_LAYER_NORM, body);
			}
	recognized(IG_OP_LAYER_NORM, DEVIATION("mul(d, d)") "s = sqrt(ve)\ny = div(d, s)\n");
	/* TensorFlow; the difference taken twice */
	recognized(IG_OP_LAYER_NORM, DEVIATION("mul(d, d)") "s = sqrt(ve)\nr = reciprocal(s)\nrw = mul(r, w)\nxs = mul(x, rw)\nus = mul(u, rw)\nt = sub(b, us)\ny = add(xs, t)\n");
	recognized(IG_OP_LAYER_NORM, DEVIATION("mul(d, d)") "s = sqrt(ve)\nd2 = sub(x, u)\nn = div(d2, s)\ny = mul(n, w)\n");
}

/* A mean over height and width is a global_avg_pool by then. */
static void test_layer_norm_of_images(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 2, 3, 4)), eps = constant(g, "eps", 0.1, 0.2, 0, NULL);
	struct ig_vid d = op2(g, IG_OP_SUB, "d", x, op1(g, IG_OP_GLOBAL_AVG_POOL, "u", x));
	struct ig_vid v = op1(g, IG_OP_GLOBAL_AVG_POOL, "v", op2(g, IG_OP_MUL, "q", d, d));
	output(g, op2(g, IG_OP_DIV, "y", d, op1(g, IG_OP_SQRT, "s", op2(g, IG_OP_ADD, "ve", v, eps))));
	struct ig_graph *before = ig_graph_clone(g);
	run_pass(g, "canonicalize");
	run_pass(g, "recognize");
	assert_int_equal(layer(g, "y")->op, IG_OP_LAYER_NORM);
	assert_int_equal(ig_attr_int(layer(g, "y"), IG_A_AXIS, -1), 2);
	assert_true(difference(before, g) <= 1e-5);
	ig_graph_free(before);
	ig_graph_free(g);
}

static void test_not_layer_norm(void **state)
{
	(void)state;
	/* axes: not the last; not the same */
	left("u = reduce_mean(x, axes: [1])\nd = sub(x, u)\nq = mul(d, d)\nv = reduce_mean(q, axes: [1])\nve = add(v, eps)\ns = sqrt(ve)\ny = div(d, s)\n");
	left("u = reduce_mean(x, axes: [-1])\nd = sub(x, u)\nq = mul(d, d)\nv = reduce_mean(q, axes: [1, 2])\nve = add(v, eps)\ns = sqrt(ve)\ny = div(d, s)\n");
	/* the cube; no eps; a negative one; another power; another centre */
	left(DEVIATION("pow(d, three)") "s = sqrt(ve)\ny = div(d, s)\n");
	left(CENTRED "q = mul(d, d)\nv = reduce_mean(q, axes: [2])\nve = add(v, zero)\ns = sqrt(ve)\ny = div(d, s)\n");
	left(CENTRED "q = mul(d, d)\nv = reduce_mean(q, axes: [2])\nve = add(v, neg)\ns = sqrt(ve)\ny = div(d, s)\n");
	left(DEVIATION("mul(d, d)") "s = pow(ve, sixth)\ny = div(d, s)\n");
	left(DEVIATION("mul(d, x)") "s = sqrt(ve)\ny = div(d, s)\n");
	/* a sum instead of a mean; the deviation is read elsewhere */
	left(CENTRED "q = mul(d, d)\nv = reduce_sum(q, axes: [2])\nve = add(v, eps)\ns = sqrt(ve)\ny = div(d, s)\n");
	left(DEVIATION("mul(d, d)") "s = sqrt(ve)\nn = div(d, s)\ny = add(n, s)\n");
}

#define ERF "i = div(x, root)\nj = erf(i)\nf = add(j, one)\n"
#define TANH(cube) cube "c2 = mul(c, k)\nc3 = add(x, c2)\nc4 = mul(c3, p)\nt = tanh(c4)\nf = add(one, t)\n"

static void test_gelu(void **state)
{
	(void)state;
	static const char *const factors[] = {
	    ERF, TANH("c = pow(x, three)\n"), TANH("c1 = mul(x, x)\nc = mul(x, c1)\n"), TANH("c1 = mul(x, x)\nc = mul(c1, x)\n"),
	    TANH("c1 = pow(x, two)\nc = mul(c1, x)\n"),
	    "c1 = mul(x, x)\nc2 = mul(c1, k)\nc3 = add(one, c2)\nc4 = mul(x, p)\nc5 = mul(c4, c3)\nt = tanh(c5)\nf = add(t, one)\n",
	};
	static const char *const products[] = {"h = mul(x, half)\ny = mul(h, f)\n", "h = div(x, two)\ny = mul(f, h)\n", "h = mul(f, half)\ny = mul(x, h)\n",
	                                       "h = mul(f, x)\ny = mul(half, h)\n", "h = mul(x, f)\ny = div(h, two)\n"};
	for (size_t f = 0; f < IG_COUNTOF(factors); f++)
		for (size_t p = 0; p < IG_COUNTOF(products); p++) {
			char body[1024];
			snprintf(body, sizeof body, "%s%s", factors[f], products[p]);
			recognized(IG_OP_GELU, body);
		}
	left("i = div(x, two)\nj = erf(i)\nf = add(j, one)\nh = mul(x, half)\ny = mul(h, f)\n");
	left(ERF "h = mul(x, six)\ny = mul(h, f)\n");
	left("z = tanh(x)\n" ERF "h = mul(z, half)\ny = mul(h, f)\n");
	left("c = pow(x, two)\nc2 = mul(c, k)\nc3 = add(x, c2)\nc4 = mul(c3, p)\nt = tanh(c4)\nf = add(one, t)\nh = mul(x, half)\ny = mul(h, f)\n");
	left(ERF "h = mul(x, half)\nz = mul(h, f)\ny = add(z, f)\n");
}

static void test_hard(void **state)
{
	(void)state;
	static const char *const sixes[] = {"i = add(x, three)\nr = relu6(i)\n", "i = add(three, x)\nr = clip(i, min: 0, max: 6)\n",
	                                    "i = add(x, three)\nj = maximum(i, zero)\nr = minimum(j, six)\n", "i = add(x, three)\nj = minimum(six, i)\nr = maximum(zero, j)\n"};
	static const char *const swish[] = {"h = mul(x, r)\ny = div(h, six)\n", "h = mul(r, x)\ny = mul(h, sixth)\n", "h = div(r, six)\ny = mul(x, h)\n",
	                                    "h = mul(r, sixth)\ny = mul(h, x)\n", "h = div(x, six)\ny = mul(h, r)\n"};
	static const char *const sigmoid[] = {"y = div(r, six)\n", "y = mul(sixth, r)\n"};
	char body[512];
	for (size_t s = 0; s < IG_COUNTOF(sixes); s++) {
		for (size_t e = 0; e < IG_COUNTOF(swish); e++) {
			snprintf(body, sizeof body, "%s%s", sixes[s], swish[e]);
			recognized(IG_OP_HARD_SWISH, body);
		}
		for (size_t e = 0; e < IG_COUNTOF(sigmoid); e++) {
			snprintf(body, sizeof body, "%s%s", sixes[s], sigmoid[e]);
			recognized(IG_OP_HARD_SIGMOID, body);
		}
	}
	recognized(IG_OP_HARD_SWISH, "h = hard_sigmoid(x, alpha: 0.16666667)\ny = mul(h, x)\n");
	left("h = hard_sigmoid(x)\ny = mul(h, x)\n");
	left("h = hard_sigmoid(x, alpha: 0.16666667, beta: 0.4)\ny = mul(h, x)\n");
	left("i = add(x, three)\nr = clip(i, min: 0, max: 5)\nh = mul(x, r)\ny = div(h, six)\n");
	left("i = add(x, two)\nr = relu6(i)\nh = mul(x, r)\ny = div(h, six)\n");
	left("i = add(x, three)\nr = relu6(i)\nh = mul(x, r)\ny = div(six, h)\n");
	left("i = add(x, three)\nr = relu6(i)\nh = mul(x, r)\ny = add(h, r)\n");
}

static void test_affine(void **state)
{
	(void)state;
	struct ig_model *m = parse("l = linear(x, m)\nq = add(l, b)\nr = reshape(q, shape: [2, 3, 2, 2])\nt = transpose(r, perm: [0, 2, 1, 3])\n"
	                           "u = transpose(r, perm: [0, 2, 3, 1])\ns = matmul(t, u)\nv = div(s, three)\n"
	                           "l2 = linear(x, m)\nq2 = add(l2, w)\nc = mul(q2, p)\nr2 = reshape(c, shape: [2, 3, 2, 2])\nt2 = transpose(r2, perm: [0, 2, 1, 3])\n"
	                           "o = matmul(v, t2)\no2 = transpose(o, perm: [0, 2, 1, 3])\ny = reshape(o2, shape: [2, 3, 4])\n");
	struct ig_graph *before = ig_graph_clone(m->graph);
	run_pass(m->graph, "fold_affine");
	assert_int_equal(count_op(m->graph, IG_OP_ADD), 0);
	assert_int_equal(count_op(m->graph, IG_OP_MUL), 0);
	/* queries and keys are one value here, read twice: the scale goes nowhere */
	assert_int_equal(count_op(m->graph, IG_OP_DIV), 1);
	assert_true(absorbed(layer(m->graph, "l2"), "q2") && absorbed(layer(m->graph, "l2"), "c"));
	/* both layers have the weights m: one was scaled, the other has them as they were */
	float first[2];
	for (int i = 0; i < 2; i++)
		first[i] = ((const float *)ig_const_data(m->graph, layer(m->graph, i ? "l2" : "l")->in[1])->data)[0];
	assert_true(first[0] == 1 && fabs((double)first[1] - 0.79788456) < 1e-7);
	double scale = 0;
	int64_t n;
	float x[24];
	for (int i = 0; i < 24; i++)
		x[i] = (float)(4 * uniform() - 2);
	float *y = run_graph(before, x, &n);
	for (int64_t i = 0; i < n; i++)
		scale = fmax(scale, fabs((double)y[i]));
	assert_true(difference(before, m->graph) <= 1e-5 * scale);
	free(y);
	ig_graph_free(before);
	ig_model_free(m);
}

/* Quantized models keep their bytes: nothing is recognized in them. */
static void test_quantized_stays(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 8));
	struct ig_nid h = ig_graph_add(g, IG_OP_HARD_SIGMOID, "h", IG_NOLOC, &x, 1);
	ig_attr_set_float(g, h, IG_A_ALPHA, 1.0 / 6);
	struct ig_vid y = op2(g, IG_OP_MUL, "y", x, result(g, h));
	struct ig_nid q = ig_graph_add(g, IG_OP_QUANTIZE, "q", IG_NOLOC, &y, 1);
	struct ig_vid v = ig_node(g, q)->out[0];
	ig_value(g, v)->type = *ig_vtype(g, y);
	ig_value(g, v)->type.dtype = IG_DT_U8;
	ig_value(g, v)->type.q = ig_graph_qparam1(g, IG_DT_U8, 0.1f, 3, 0, 255);
	output(g, op1(g, IG_OP_DEQUANTIZE, "z", v));
	g->facts |= IG_F_TYPED;
	struct ig_context c = {.diag = diag};
	assert_true(ig_pass_run(ig_pass_find("recognize"), g, &c));
	assert_int_equal(count_op(g, IG_OP_MUL), 1);
	assert_int_equal(count_op(g, IG_OP_HARD_SWISH), 0);
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_layer_norm, start, finish), cmocka_unit_test_setup_teardown(test_not_layer_norm, start, finish),
	    cmocka_unit_test_setup_teardown(test_layer_norm_of_images, start, finish),
	    cmocka_unit_test_setup_teardown(test_gelu, start, finish),       cmocka_unit_test_setup_teardown(test_hard, start, finish),
	    cmocka_unit_test_setup_teardown(test_affine, start, finish),     cmocka_unit_test_setup_teardown(test_quantized_stays, start, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
