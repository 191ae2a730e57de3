/* The reference interpreter on quantized graphs, ir/requant.c and ir/tables.c: values computed by hand, ties and saturation among them. */
#include "tests/unit/graph_build.h"

#include <math.h>

#include "ir/requant.h"
#include "ir/tables.h"
#include "runtime/qmath.h"

static struct ig_graph *graph(struct ig_vid *x, enum ig_dtype dt, float scale, int32_t zp, int rank, const int64_t *dims)
{
	struct ig_graph *g = ig_graph_new("t");
	*x = add_input(g, "x", dt, rank, dims);
	set_q(g, *x, dt, scale, zp);
	return g;
}

/* An s8 weight with one scale for each output channel (n == 1: one for all). */
static struct ig_vid weight(struct ig_graph *g, int rank, const int64_t *dims, const int8_t *data, const float *scale, int64_t n)
{
	static const int32_t zeros[64];
	struct ig_vid w = add_constant(g, "w", IG_DT_S8, rank, dims, data);
	struct ig_qparam q = {.dtype = IG_DT_S8, .axis = n == 1 ? -1 : 0, .n = n, .scale = scale, .zero_point = zeros, .qmin = -128, .qmax = 127};
	ig_value(g, w)->type.q = ig_graph_qparam(g, &q);
	ig_def(g, w)->data->type.q = ig_value(g, w)->type.q;
	return w;
}

static void convolution(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.5f, 10, DIMS(1, 1, 2, 3));
	const uint8_t in[6] = {10, 11, 12, 13, 9, 255};
	const int8_t w[8] = {1, 2, 3, 4, -128, 0, 0, 127};
	const int32_t b[2] = {1, -1};
	const float s[2] = {0.25f, 0.5f};
	struct ig_vid cw = weight(g, DIMS(2, 1, 2, 2), w, s, 2), cb = add_constant(g, "b", IG_DT_I32, DIMS(2), b);
	struct ig_nid n = add_node(g, IG_OP_CONV2D, "y", x, cw, cb, IG_NOVAL);
	set_q(g, result(g, n), IG_DT_U8, 1, 3); /* m = 0.125, 0.25 */
	ig_attr_set_ints(g, n, IG_A_PAD, (int64_t[]){0, 0, 0, 1}, 4);
	/* i(x) = 0 1 2 / 3 -1 245. A0 = 0 + 2 + 9 - 4 + 1 = 8; 1 + 4 - 3 + 980 + 1 = 983; 2 + 0 + 735 + 0 + 1 = 738 -> 1, 122.875, 92.25
	   A1 = -128 * 0 - 127 - 1 = -128; -128 + 127 * 245 - 1 = 30986; -256 + 0 - 1 = -257 -> -32, 7746.5, -64.25 */
	assert_bytes(run1(g, in, result(g, n)), 4, 126, 95, 0, 255, 0);
	ig_attr_set_float(g, n, IG_A_MIN, 0); /* relu: not below the zero point */
	ig_attr_set_float(g, n, IG_A_MAX, 100);
	assert_bytes(run1(g, in, result(g, n)), 4, 103, 95, 3, 103, 3);
	ig_graph_free(g);
}

static void signed_activations_are_the_same_numbers(void **state)
{
	(void)state;
	uint8_t in[12], y[2][12];
	const int8_t w[9] = {3, -7, 11, 127, -128, 5, 0, 1, -90};
	const float s = 0.03f;
	for (int k = 0; k < 2; k++) {
		struct ig_vid x;
		struct ig_graph *g = graph(&x, k ? IG_DT_S8 : IG_DT_U8, 0.02f, k ? -28 : 100, DIMS(1, 1, 3, 4));
		for (int i = 0; i < 12; i++)
			in[i] = (uint8_t)(i * 23 + (k ? 128 : 0));
		struct ig_nid n = add_node(g, IG_OP_DEPTHWISE_CONV2D, "y", x, weight(g, DIMS(1, 1, 3, 3), w, &s, 1), IG_NOVAL, IG_NOVAL);
		set_q(g, result(g, n), k ? IG_DT_S8 : IG_DT_U8, 0.1f, k ? 2 : 130);
		ig_attr_set_str(g, n, IG_A_PAD, "same");
		memcpy(y[k], run1(g, in, result(g, n)), 12);
		ig_graph_free(g);
	}
	for (int i = 0; i < 12; i++)
		assert_int_equal(y[0][i], (uint8_t)(y[1][i] + 128));
}

static void one_rounding_of_conv_add(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 1, 0, DIMS(1, 2));
	const int8_t w[2] = {1, 1};
	const float s = 0.25f;
	const int32_t b = 0;
	struct ig_vid cw = weight(g, DIMS(1, 2), w, &s, 1), cb = add_constant(g, "b", IG_DT_I32, DIMS(1), &b);
	struct ig_nid r = add_node(g, IG_OP_SLICE, "r", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, r, IG_A_STARTS, (int64_t[]){0, 0}, 2);
	ig_attr_set_ints(g, r, IG_A_ENDS, (int64_t[]){1, 1}, 2);
	struct ig_nid n = add_node(g, IG_OP_LINEAR_ADD, "y", x, cw, cb, result(g, r));
	set_q(g, result(g, n), IG_DT_U8, 4, 5); /* m = 1/16, residual 1/4 */
	const uint8_t in[2] = {2, 22};          /* 24 / 16 + 2 / 4 = 2: each rounded on its own would be 2 + 0 */
	assert_bytes(run1(g, in, result(g, n)), 7);
	const uint8_t in2[2] = {6, 2}; /* 8 / 16 + 6 / 4 = 2 */
	assert_bytes(run1(g, in2, result(g, n)), 7);
	const uint8_t in3[2] = {10, 6}; /* 1 + 2.5 = 3.5 -> 4 */
	assert_bytes(run1(g, in3, result(g, n)), 9);
	ig_graph_free(g);
}

static void float_result(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.1f, 7, DIMS(1, 2));
	const int8_t w[4] = {3, -5, 100, 100};
	const float s[2] = {0.3f, 0.7f};
	const int32_t b[2] = {2, 0};
	struct ig_nid n = add_node(g, IG_OP_LINEAR, "y", x, weight(g, DIMS(2, 2), w, s, 2), add_constant(g, "b", IG_DT_I32, DIMS(2), b), IG_NOVAL);
	ig_attr_set_float(g, n, IG_A_MAX, 50);
	const uint8_t in[2] = {9, 4};
	assert_floats(run1(g, in, result(g, n)), (float)(6 + 15 + 2) * (0.1f * 0.3f), -100.0f * (0.1f * 0.7f));
	ig_graph_free(g);
}

static void float_bias(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.5f, 0, DIMS(1, 1));
	const int8_t w[2] = {1, 1};
	const float s = 0.5f, b[2] = {0.3125f, -1};
	struct ig_nid n = add_node(g, IG_OP_LINEAR, "y", x, weight(g, DIMS(2, 1), w, &s, 1), add_constant(g, "b", IG_DT_F32, DIMS(2), b), IG_NOVAL);
	ig_attr_set_str(g, n, IG_A_BIAS_MODE, "float32");
	set_q(g, result(g, n), IG_DT_U8, 0.125f, 0); /* m = 2; (A + 1.25) * 2: with an integer bias of 1 it would be even */
	const uint8_t in[1] = {5};
	assert_bytes(run1(g, in, result(g, n)), 12, 2); /* 12.5 -> 12; (5 - 4) * 2 */
	const uint8_t in2[1] = {6};
	assert_bytes(run1(g, in2, result(g, n)), 14, 4); /* 14.5 -> 14 */
	ig_graph_free(g);
}

static void fixed_point(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_S8, 1, 0, DIMS(3, 1));
	const int8_t w = 1;
	const float s = 1;
	struct ig_nid n = add_node(g, IG_OP_LINEAR, "y", x, weight(g, DIMS(1, 1), &w, &s, 1), IG_NOVAL, IG_NOVAL);
	ig_attr_set_str(g, n, IG_A_REQUANTIZE, "fixed");
	set_q(g, result(g, n), IG_DT_S8, 2, 0);
	const int8_t in[3] = {5, -5, 1}; /* a factor of 1/2 is the multiplier's alone: halves go up */
	assert_bytes(run1(g, in, result(g, n)), 3, -2, 1);
	set_q(g, result(g, n), IG_DT_S8, 8, 0); /* 1/8 = 1/2 and a shift by 2: -2.5 up, then -0.5 away from zero */
	assert_bytes(run1(g, in, result(g, n)), 1, -1, 0);
	set_q(g, result(g, n), IG_DT_S8, 2, 0);
	ig_attr_unset(g, n, IG_A_REQUANTIZE);
	assert_bytes(run1(g, in, result(g, n)), 2, -2, 0); /* and to even otherwise */
	ig_graph_free(g);
	int32_t m, e;
	ig_fixed_multiplier(0.75, &m, &e);
	assert_true(m == 0x60000000 && e == 0);
	ig_fixed_multiplier(1 - 1e-12, &m, &e);
	assert_true(m == 1 << 30 && e == 1);
	ig_fixed_multiplier(1e-12, &m, &e);
	assert_true(m == 0 && e == 0);
	ig_fixed_multiplier(1e30, &m, &e);
	assert_true(m == INT32_MAX && e == 30);
}

static void bias_and_factors(void **state)
{
	(void)state;
	int32_t q;
	assert_true(ig_bias_quantize(1.25f, 0.5f, 1.0f, &q) && q == 2); /* 2.5 to even */
	assert_true(ig_bias_quantize(-1.75f, 0.5f, 1.0f, &q) && q == -4);
	assert_false(ig_bias_quantize(1e10f, 0.5f, 1.0f, &q));
	assert_false(ig_bias_quantize(1.0f, 1e-30f, 1e-30f, &q));
	assert_true(ig_pool_factor(0.5f, 0.25f, 4) == 0.5f / (0.25f * 4.0f));
	/* scales that lead out of float32 are refused, with the layer's name */
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 1e20f, 0, DIMS(1, 1));
	const int8_t w = 1;
	const float s = 1e18f;
	struct ig_nid n = add_node(g, IG_OP_LINEAR, "big", x, weight(g, DIMS(1, 1), &w, &s, 1), IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, n), IG_DT_U8, 1e-3f, 0);
	must_infer(g);
	struct capture c;
	capture_begin(&c);
	assert_null(ig_interp_new(g, c.diag));
	assert_non_null(strstr(capture_text(&c), "'big'"));
	capture_end(&c);
	ig_graph_free(g);
}

static void elementwise(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.5f, 10, DIMS(2, 2));
	const uint8_t in[4] = {10, 13, 0, 255}, k[2] = {4, 1};
	struct ig_vid c = add_constant(g, "k", IG_DT_U8, DIMS(2), k);
	set_q(g, c, IG_DT_U8, 0.25f, 3);
	ig_def(g, c)->data->type.q = ig_vtype(g, c)->q;
	struct ig_nid add = add_node(g, IG_OP_ADD, "add", x, c, IG_NOVAL, IG_NOVAL), sub = add_node(g, IG_OP_SUB, "sub", x, c, IG_NOVAL, IG_NOVAL);
	struct ig_nid mul = add_node(g, IG_OP_MUL, "mul", x, c, IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, add), IG_DT_U8, 0.5f, 1);
	set_q(g, result(g, sub), IG_DT_S8, 0.5f, -10);
	set_q(g, result(g, mul), IG_DT_U8, 0.25f, 100);
	ig_attr_set_float(g, add, IG_A_MIN, 0);
	/* x = 0 1.5 -5 122.5; k = 0.25 -0.5 */
	assert_bytes(run1(g, in, result(g, add)), 1, 3, 1, 245);          /* 0.5 -> 0, 2, -9.5 -> relu, 244 */
	assert_bytes(run1(g, in, result(g, sub)), -10, -6, -20, 127);     /* -0.5 -> 0, 4, -10.5 -> -10, saturates */
	assert_bytes(run1(g, in, result(g, mul)), 100, 97, 95, 0);        /* 0, -3, -5, -245 */
	ig_graph_free(g);
}

static void tables(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.05f, 128, DIMS(256));
	uint8_t in[256];
	for (int i = 0; i < 256; i++)
		in[i] = (uint8_t)i;
	struct ig_nid n[3] = {add_node(g, IG_OP_SIGMOID, "s", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), add_node(g, IG_OP_HARD_SWISH, "h", x, IG_NOVAL, IG_NOVAL, IG_NOVAL),
	                      add_node(g, IG_OP_LEAKY_RELU, "l", x, IG_NOVAL, IG_NOVAL, IG_NOVAL)};
	struct ig_nid r = add_node(g, IG_OP_REQUANTIZE, "r", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, n[0]), IG_DT_U8, 1.0f / 256, 0);
	set_q(g, result(g, n[1]), IG_DT_S8, 0.04f, -100);
	set_q(g, result(g, n[2]), IG_DT_U8, 0.05f, 20);
	set_q(g, result(g, r), IG_DT_S8, 0.1f, 0);
	const uint8_t *s = run1(g, in, result(g, n[0])), *h = run1(g, in, result(g, n[1])), *l = run1(g, in, result(g, n[2])), *q = run1(g, in, result(g, r));
	for (int i = 0; i < 256; i++) {
		double v = (double)((float)(i - 128) * 0.05f);
		double hs = v <= -3 ? 0 : v >= 3 ? v : v * (v + 3) / 6;
		assert_int_equal(s[i], (int)fmin(255, rint((double)(float)(1 / (1 + exp(-v))) * 256)));
		assert_int_equal((int8_t)h[i], (int)fmin(127, rint((double)((float)hs / 0.04f)) - 100));
		assert_int_equal(l[i], (int)fmin(255, fmax(0, rint((double)((float)(v > 0 ? v : v * (double)0.01f) / 0.05f)) + 20)));
		assert_int_equal((int8_t)q[i], (int)rint((double)((float)v / 0.1f)));
	}
	ig_graph_free(g);
}

static void pools(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_S8, 0.5f, -10, DIMS(1, 1, 2, 3));
	const int8_t in[6] = {-128, -9, 127, -10, -8, 4};
	struct ig_nid max = add_node(g, IG_OP_MAX_POOL2D, "max", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), avg = add_node(g, IG_OP_AVG_POOL2D, "avg", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid inc = add_node(g, IG_OP_AVG_POOL2D, "inc", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), all = add_node(g, IG_OP_GLOBAL_AVG_POOL, "all", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid n[3] = {max, avg, inc};
	for (int i = 0; i < 3; i++) {
		ig_attr_set_ints(g, n[i], IG_A_KERNEL, (int64_t[]){1, 2}, 2);
		ig_attr_set_ints(g, n[i], IG_A_PAD, (int64_t[]){0, 1, 0, 0}, 4);
		set_q(g, result(g, n[i]), IG_DT_S8, 0.5f, -10);
	}
	ig_attr_set_int(g, inc, IG_A_COUNT_INCLUDE_PAD, 1);
	set_q(g, result(g, all), IG_DT_S8, 0.25f, 5);
	assert_bytes(run1(g, in, result(g, max)), -128, -9, 127, -10, -8, 4);
	/* i(x) = -118 1 137 / 0 2 14 */
	assert_bytes(run1(g, in, result(g, avg)), -128, -68, 59, -10, -9, -2);  /* -118, -58.5 -> -58, 69, 0, 1, 8 */
	assert_bytes(run1(g, in, result(g, inc)), -69, -68, 59, -10, -9, -2);   /* the first of each row over two taps */
	assert_bytes(run1(g, in, result(g, all)), 17);                          /* 36 * (0.5 / (0.25 * 6)) = 12 */
	ig_graph_free(g);
}

static void concat_and_moves(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.5f, 2, DIMS(1, 3));
	const uint8_t in[3] = {0, 2, 5};
	struct ig_nid r = add_node(g, IG_OP_REQUANTIZE, "r", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), c = add_node(g, IG_OP_CONCAT, "c", x, result(g, r), IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, r), IG_DT_U8, 0.25f, 10);
	set_q(g, result(g, c), IG_DT_U8, 0.5f, 2);
	struct ig_nid p = add_node(g, IG_OP_PAD, "p", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, p, IG_A_PADS, (int64_t[]){0, 1, 0, 2}, 4);
	ig_attr_set_float(g, p, IG_A_VALUE, 3);
	assert_bytes(run1(g, in, result(g, r)), 6, 10, 16);
	assert_bytes(run1(g, in, result(g, c)), 0, 2, 5, 0, 2, 5);
	assert_bytes(run1(g, in, result(g, p)), 8, 0, 2, 5, 8, 8);
	ig_graph_free(g);
}

static void softmax(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, IG_DT_U8, 0.125f, 9, DIMS(1, 18));
	uint8_t in[18];
	for (int i = 0; i < 18; i++)
		in[i] = (uint8_t)(i * 5 % 18 * 3);
	struct ig_nid f = add_node(g, IG_OP_SOFTMAX, "f", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), q = add_node(g, IG_OP_SOFTMAX, "q", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, q), IG_DT_U8, 1.0f / 256, 0);
	const float *y = run1(g, in, result(g, f));
	const uint8_t *b = run1(g, in, result(g, q));
	float e[18], part[16] = {0};
	for (int i = 0; i < 18; i++) {
		e[i] = (float)exp(-(double)(51 - in[i]) * 0.125);
		part[i % 16] += e[i];
	}
	for (int i = 0; i < 18; i++) {
		float want = e[i] / ig_reduce_add16(part);
		assert_true(y[i] == want);
		assert_int_equal(b[i], ig_quantize(want, 1.0f / 256, 0, 0, 255));
	}
	ig_graph_free(g);
}

static void conversions(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid x = add_input(g, "x", IG_DT_F32, DIMS(6));
	struct ig_nid q = add_node(g, IG_OP_QUANTIZE, "q", x, IG_NOVAL, IG_NOVAL, IG_NOVAL), o = add_node(g, IG_OP_OBSERVE, "o", result(g, q), IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid d = add_node(g, IG_OP_DEQUANTIZE, "d", result(g, o), IG_NOVAL, IG_NOVAL, IG_NOVAL);
	set_q(g, result(g, q), IG_DT_S8, 0.1f, -7);
	set_q(g, result(g, o), IG_DT_S8, 0.1f, -7);
	const float in[6] = {0.25f, -0.25f, NAN, INFINITY, -1e30f, 0.349f};
	assert_bytes(run1(g, in, result(g, q)), -5, -9, -7, 127, -128, -4);
	assert_floats(run1(g, in, result(g, d)), 2 * 0.1f, -2 * 0.1f, 0, 134 * 0.1f, -121 * 0.1f, 3 * 0.1f);
	ig_graph_free(g);
}

static void normalize_bytes(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid x = add_input(g, "x", IG_DT_U8, DIMS(1, 2, 2));
	struct ig_nid n = add_node(g, IG_OP_NORMALIZE, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_floats(g, n, IG_A_MEAN, (double[]){100, 200}, 2);
	ig_attr_set_floats(g, n, IG_A_STD, (double[]){50}, 1);
	set_q(g, result(g, n), IG_DT_U8, 0.04f, 100);
	const uint8_t in[4] = {0, 255, 0, 255};
	assert_bytes(run1(g, in, result(g, n)), 50, 178, 0, 128); /* -2 / 0.04, 3.1 / 0.04 = 77.5 -> 78, -4 / 0.04, 1.1 / 0.04 = 27.5 -> 28 */
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(convolution), cmocka_unit_test(signed_activations_are_the_same_numbers), cmocka_unit_test(one_rounding_of_conv_add),
		cmocka_unit_test(float_result), cmocka_unit_test(float_bias), cmocka_unit_test(fixed_point), cmocka_unit_test(bias_and_factors),
		cmocka_unit_test(elementwise), cmocka_unit_test(tables), cmocka_unit_test(pools), cmocka_unit_test(concat_and_moves),
		cmocka_unit_test(softmax), cmocka_unit_test(conversions), cmocka_unit_test(normalize_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
