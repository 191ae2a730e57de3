/* The reference interpreter on float graphs: values computed by hand. */
#include "tests/unit/graph_build.h"

#include <math.h>

#include "runtime/qmath.h"

static struct ig_graph *graph(struct ig_vid *x, int rank, const int64_t *dims)
{
	struct ig_graph *g = ig_graph_new("t");
	*x = add_input(g, "x", IG_DT_F32, rank, dims);
	return g;
}

static void convolution(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 2, 3, 3));
	const float in[18] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90};
	/* two outputs: a 2x2 box over channel 0, and channel 1's lower right tap */
	const float w[16] = {1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, b[2] = {0.5f, -45};
	struct ig_vid cw = add_constant(g, "w", IG_DT_F32, DIMS(2, 2, 2, 2), w), cb = add_constant(g, "b", IG_DT_F32, DIMS(2), b);
	struct ig_nid n = add_node(g, IG_OP_CONV2D, "y", x, cw, cb, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_PAD, (int64_t[]){1, 0, 0, 1}, 4); /* a row above, a column at the right */
	ig_attr_set_float(g, n, IG_A_MIN, 0);
	assert_floats(run1(g, in, result(g, n)), 3.5f, 5.5f, 3.5f, 12.5f, 16.5f, 9.5f, 24.5f, 28.5f, 15.5f, /* channel 0 */
	              0, 0, 0, 5, 15, 0, 35, 45, 0);
	ig_graph_free(g);
}

static void strided_dilated_groups(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 2, 1, 7));
	const float in[14] = {1, 2, 3, 4, 5, 6, 7, 10, 20, 30, 40, 50, 60, 70}, w[4] = {1, 100, 1, -1};
	struct ig_nid n = add_node(g, IG_OP_CONV2D, "y", x, add_constant(g, "w", IG_DT_F32, DIMS(2, 1, 1, 2), w), IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, n, IG_A_GROUPS, 2);
	ig_attr_set_ints(g, n, IG_A_STRIDE, (int64_t[]){1, 2}, 2);
	ig_attr_set_ints(g, n, IG_A_DILATION, (int64_t[]){1, 3}, 2);
	assert_floats(run1(g, in, result(g, n)), 401, 603, -30, -30);
	ig_graph_free(g);
}

/* The chain is of fused multiply-adds in the order (ky, kx, input channel): values for which another order or a rounded product differs. */
static void order_of_the_chain(void **state)
{
	(void)state;
	enum { IC = 3, K = 2 };
	float in[IC * K * K], w[IC * K * K], expected = 0.25f, unfused = 0.25f;
	for (int i = 0; i < IC * K * K; i++) {
		in[i] = 1.0f / (float)(i * 7 + 3);
		w[i] = (i % 2 ? -1.0f : 1.0f) * (float)(i * i + 1) / 7.0f;
	}
	for (int t = 0; t < K * K; t++)
		for (int c = 0; c < IC; c++) {
			float p = in[c * K * K + t] * w[c * K * K + t];
			expected = fmaf(in[c * K * K + t], w[c * K * K + t], expected);
			unfused = unfused + p;
		}
	assert_true(expected != unfused);
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, IC, K, K));
	const float b = 0.25f;
	struct ig_vid cw = add_constant(g, "w", IG_DT_F32, DIMS(1, IC, K, K), w), cb = add_constant(g, "b", IG_DT_F32, DIMS(1), &b);
	struct ig_nid n = add_node(g, IG_OP_CONV2D, "y", x, cw, cb, IG_NOVAL);
	assert_floats(run1(g, in, result(g, n)), expected);
	ig_graph_free(g);
}

static void depthwise_with_residual(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 2, 2, 2));
	const float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[6] = {1, 10, 100, 2, 0, -2}, b[2] = {0, 1000}, r[8] = {1, 1, 1, 1, -2000, 0, 0, 0};
	struct ig_vid ops[4] = {x, add_constant(g, "w", IG_DT_F32, DIMS(2, 1, 1, 3), w), add_constant(g, "b", IG_DT_F32, DIMS(2), b),
	                        add_constant(g, "r", IG_DT_F32, DIMS(1, 2, 2, 2), r)};
	struct ig_nid n = add_node(g, IG_OP_DEPTHWISE_CONV2D_ADD, "y", ops[0], ops[1], ops[2], ops[3]);
	ig_attr_set_str(g, n, IG_A_PAD, "same");
	ig_attr_set_float(g, n, IG_A_MIN, 0);
	ig_attr_set_float(g, n, IG_A_MAX, 1005);
	assert_floats(run1(g, in, result(g, n)), 211, 22, 431, 44, 0, 1005, 984, 1005);
	ig_graph_free(g);
}

static void linear(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 3));
	const float in[6] = {1, 2, 3, -1, 0, 1}, w[6] = {1, 10, 100, 0.5f, 0, 0}, b[2] = {0, 1};
	struct ig_nid n = add_node(g, IG_OP_LINEAR, "y", x, add_constant(g, "w", IG_DT_F32, DIMS(2, 3), w), add_constant(g, "b", IG_DT_F32, DIMS(2), b), IG_NOVAL);
	assert_floats(run1(g, in, result(g, n)), 321, 1.5f, 99, 0.5f);
	ig_graph_free(g);
}

static void nan_in_activations(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(5));
	const float in[5] = {NAN, -1, 7, -0.0f, INFINITY};
	struct ig_nid r = add_node(g, IG_OP_RELU6, "r", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_graph_mark_output(g, result(g, r), "y");
	const float *y = run1(g, in, result(g, r));
	assert_true(ig_bits_of(y[0]) == 0x7fc00000u); /* passes, and leaves the graph canonical */
	assert_floats(y + 1, 0, 6, -0.0f, 6);
	ig_graph_free(g);
}

static void unary(void **state)
{
	(void)state;
	static const enum ig_op ops[] = {IG_OP_RELU, IG_OP_CLIP, IG_OP_LEAKY_RELU, IG_OP_SIGMOID, IG_OP_TANH, IG_OP_HARD_SWISH};
	const float in[4] = {-2, -0.25f, 0.5f, 4};
	const float want[6][4] = {{0, 0, 0.5f, 4},
	                          {-1, -0.25f, 0.5f, 2},
	                          {-0.5f, -0.0625f, 0.5f, 4},
	                          {0.119202922f, 0.4378235f, 0.62245935f, 0.98201376f},
	                          {-0.9640276f, -0.24491866f, 0.46211717f, 0.9993293f},
	                          {-2 * (1.0f / 6), -0.25f * (2.75f / 6), 0.5f * (3.5f / 6), 4}};
	for (int i = 0; i < 6; i++) {
		struct ig_vid x;
		struct ig_graph *g = graph(&x, DIMS(4));
		struct ig_nid n = add_node(g, ops[i], "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
		if (ops[i] == IG_OP_CLIP) {
			ig_attr_set_float(g, n, IG_A_MIN, -1);
			ig_attr_set_float(g, n, IG_A_MAX, 2);
		}
		if (ops[i] == IG_OP_LEAKY_RELU)
			ig_attr_set_float(g, n, IG_A_ALPHA, 0.25);
		const float *y = run1(g, in, result(g, n));
		for (int k = 0; k < 4; k++)
			assert_true(fabsf(y[k] - want[i][k]) <= 1.2e-7f * fabsf(want[i][k]));
		ig_graph_free(g);
	}
}

static void broadcasting(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 1, 3));
	const float in[6] = {1, 2, 3, 4, 5, 6}, k[2] = {10, 100};
	struct ig_vid c = add_constant(g, "k", IG_DT_F32, DIMS(2, 1), k);
	struct ig_nid add = add_node(g, IG_OP_ADD, "add", x, c, IG_NOVAL, IG_NOVAL), sub = add_node(g, IG_OP_SUB, "sub", c, x, IG_NOVAL, IG_NOVAL);
	struct ig_nid mul = add_node(g, IG_OP_MUL, "mul", x, c, IG_NOVAL, IG_NOVAL);
	ig_attr_set_float(g, mul, IG_A_MAX, 300);
	assert_floats(run1(g, in, result(g, add)), 11, 12, 13, 101, 102, 103, 14, 15, 16, 104, 105, 106);
	assert_floats(run1(g, in, result(g, sub)), 9, 8, 7, 99, 98, 97, 6, 5, 4, 96, 95, 94);
	assert_floats(run1(g, in, result(g, mul)), 10, 20, 30, 100, 200, 300, 40, 50, 60, 300, 300, 300);
	ig_graph_free(g);
}

static void batch_norm(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 2, 2));
	const float in[4] = {1, 2, 3, 4}, gamma[2] = {2, 1}, beta[2] = {1, 0}, mean[2] = {1, 3}, var[2] = {3, 0.5f};
	struct ig_vid in5[5] = {x, add_constant(g, "g", IG_DT_F32, DIMS(2), gamma), add_constant(g, "b", IG_DT_F32, DIMS(2), beta),
	                        add_constant(g, "m", IG_DT_F32, DIMS(2), mean), add_constant(g, "v", IG_DT_F32, DIMS(2), var)};
	struct ig_nid n = ig_graph_add(g, IG_OP_BATCH_NORM, "y", IG_NOLOC, in5, 5);
	ig_attr_set_float(g, n, IG_A_EPS, 1);
	const float a = (float)(1 / sqrt(1.5)), b = (float)(-3 / sqrt(1.5));
	assert_floats(run1(g, in, result(g, n)), 1, 2, fmaf(3, a, b), fmaf(4, a, b));
	ig_graph_free(g);
}

static void pools(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 1, 3, 4));
	const float in[12] = {1, 2, 3, 4, -5, 6, 7, 8, 9, -10, 11, 12};
	struct ig_nid max = add_node(g, IG_OP_MAX_POOL2D, "max", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid avg = add_node(g, IG_OP_AVG_POOL2D, "avg", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid inc = add_node(g, IG_OP_AVG_POOL2D, "inc", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid all = add_node(g, IG_OP_GLOBAL_AVG_POOL, "all", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid n[3] = {max, avg, inc};
	for (int i = 0; i < 3; i++) {
		ig_attr_set_int(g, n[i], IG_A_KERNEL, 2);
		ig_attr_set_int(g, n[i], IG_A_STRIDE, 2);
		ig_attr_set_ints(g, n[i], IG_A_PAD, (int64_t[]){1, 1, 0, 1}, 4);
	}
	ig_attr_set_int(g, inc, IG_A_COUNT_INCLUDE_PAD, 1);
	assert_floats(run1(g, in, result(g, max)), 1, 3, 4, 9, 11, 12);
	assert_floats(run1(g, in, result(g, avg)), 1, 2.5f, 4, 2, 3.5f, 10);
	assert_floats(run1(g, in, result(g, inc)), 0.25f, 1.25f, 1, 1, 3.5f, 5);
	assert_floats(run1(g, in, result(g, all)), 4);
	ig_graph_free(g);
}

static void ceil_mode_counts_no_phantoms(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 1, 1, 5));
	const float in[5] = {1, 2, 3, 4, 5};
	struct ig_nid n = add_node(g, IG_OP_AVG_POOL2D, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_KERNEL, (int64_t[]){1, 2}, 2);
	ig_attr_set_ints(g, n, IG_A_STRIDE, (int64_t[]){1, 2}, 2);
	ig_attr_set_int(g, n, IG_A_CEIL_MODE, 1);
	ig_attr_set_int(g, n, IG_A_COUNT_INCLUDE_PAD, 1);
	assert_floats(run1(g, in, result(g, n)), 1.5f, 3.5f, 5);
	ig_graph_free(g);
}

static void dilated_max_pool(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 1, 1, 5));
	const float in[5] = {9, 1, 2, 8, -3};
	struct ig_nid n = add_node(g, IG_OP_MAX_POOL2D, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_KERNEL, (int64_t[]){1, 2}, 2);
	ig_attr_set_ints(g, n, IG_A_DILATION, (int64_t[]){1, 2}, 2);
	ig_attr_set_ints(g, n, IG_A_PAD, (int64_t[]){0, 1, 0, 1}, 4);
	assert_floats(run1(g, in, result(g, n)), 1, 9, 8, 2, 8); /* taps (-1,1) (0,2) (1,3) (2,4) (3,5) */
	ig_graph_free(g);
}

static void moves(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 3));
	const float in[6] = {1, 2, 3, 4, 5, 6}, k[2] = {7, 8};
	struct ig_nid t = add_node(g, IG_OP_TRANSPOSE, "t", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	struct ig_nid c = add_node(g, IG_OP_CONCAT, "c", x, add_constant(g, "k", IG_DT_F32, DIMS(2, 1), k), x, IG_NOVAL);
	struct ig_nid p = add_node(g, IG_OP_PAD, "p", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, p, IG_A_PADS, (int64_t[]){0, 1, 1, 0}, 4);
	ig_attr_set_float(g, p, IG_A_VALUE, -1);
	struct ig_nid s = add_node(g, IG_OP_SLICE, "s", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, s, IG_A_STARTS, (int64_t[]){-3}, 1);
	ig_attr_set_ints(g, s, IG_A_ENDS, (int64_t[]){3}, 1);
	ig_attr_set_ints(g, s, IG_A_AXES, (int64_t[]){1}, 1);
	ig_attr_set_ints(g, s, IG_A_STEPS, (int64_t[]){2}, 1);
	struct ig_nid r = add_node(g, IG_OP_RESHAPE, "r", result(g, t), IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, r, IG_A_SHAPE, (int64_t[]){-1}, 1);
	assert_floats(run1(g, in, result(g, t)), 1, 4, 2, 5, 3, 6);
	assert_floats(run1(g, in, result(g, c)), 1, 2, 3, 7, 1, 2, 3, 4, 5, 6, 8, 4, 5, 6);
	assert_floats(run1(g, in, result(g, p)), -1, 1, 2, 3, -1, 4, 5, 6, -1, -1, -1, -1);
	assert_floats(run1(g, in, result(g, s)), 1, 3, 4, 6);
	assert_floats(run1(g, in, result(g, r)), 1, 4, 2, 5, 3, 6);
	ig_graph_free(g);
}

static void transpose_of_four(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 2, 2, 3));
	float in[12];
	for (int i = 0; i < 12; i++)
		in[i] = (float)i;
	struct ig_nid n = add_node(g, IG_OP_TRANSPOSE, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_PERM, (int64_t[]){0, 2, 3, 1}, 4);
	assert_floats(run1(g, in, result(g, n)), 0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11);
	ig_graph_free(g);
}

static void softmax(void **state)
{
	(void)state;
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 40));
	float in[40], part[16] = {0}, e[40];
	for (int i = 0; i < 40; i++)
		in[i] = (float)((i * 17) % 40) / 8;
	for (int i = 0; i < 40; i++) {
		e[i] = ig_expf(in[i] - 39.0f / 8);
		part[i % 16] = part[i % 16] + e[i];
	}
	struct ig_nid n = add_node(g, IG_OP_SOFTMAX, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	const float *y = run1(g, in, result(g, n));
	float total = 0;
	for (int i = 0; i < 40; i++) {
		float want = e[i] / ig_reduce_add16(part);
		assert_true(y[i] == want);
		total += y[i];
	}
	assert_true(fabsf(total - 1) < 1e-6f);
	ig_graph_free(g);
	g = graph(&x, DIMS(2, 2)); /* along the first axis; an infinity and a NaN */
	n = add_node(g, IG_OP_SOFTMAX, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, n, IG_A_AXIS, 0);
	y = run1(g, (const float[]){3, NAN, -INFINITY, 1}, result(g, n));
	assert_true(y[0] == 1 && y[2] == 0 && isnan(y[1]) && isnan(y[3]));
	ig_graph_free(g);
}

static void camera_bytes(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid x = add_input(g, "image", IG_DT_U8, DIMS(1, 2, 1, 3));
	ig_attr_set_str(g, ig_value(g, x)->def, IG_A_LAYOUT, "nhwc");
	struct ig_nid n = add_node(g, IG_OP_NORMALIZE, "y", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_floats(g, n, IG_A_MEAN, (double[]){0.5, 0}, 2);
	ig_attr_set_floats(g, n, IG_A_STD, (double[]){0.25}, 1);
	ig_attr_set_float(g, n, IG_A_SCALE, 255);
	const uint8_t in[6] = {0, 255, 51, 0, 255, 51}; /* pixel by pixel */
	float z = (51.0f / 255 - 0.5f) / 0.25f;
	assert_floats(run1(g, in, result(g, n)), -2, z, 2, 4, 0, (51.0f / 255) / 0.25f);
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(convolution), cmocka_unit_test(strided_dilated_groups), cmocka_unit_test(order_of_the_chain), cmocka_unit_test(depthwise_with_residual),
		cmocka_unit_test(linear),      cmocka_unit_test(nan_in_activations),     cmocka_unit_test(unary),              cmocka_unit_test(broadcasting),
		cmocka_unit_test(batch_norm),  cmocka_unit_test(pools),                  cmocka_unit_test(ceil_mode_counts_no_phantoms),
		cmocka_unit_test(dilated_max_pool), cmocka_unit_test(moves),             cmocka_unit_test(transpose_of_four),  cmocka_unit_test(softmax),
		cmocka_unit_test(camera_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
