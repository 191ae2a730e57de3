/* ir/infer*.c: the result's type of every operation, normalized attributes, and each refusal. */
#include "tests/unit/graph_build.h"

#include <math.h>

static const float zeros[4096];

struct fixture {
	struct ig_graph *g;
	struct ig_nid n;
	struct capture c;
};

static struct ig_vid input(struct fixture *f, int rank, const int64_t *dims)
{
	f->g = ig_graph_new("t");
	capture_begin(&f->c);
	return add_input(f->g, "x", IG_DT_F32, rank, dims);
}

static struct ig_vid constant(struct fixture *f, int rank, const int64_t *dims) { return add_constant(f->g, "w", IG_DT_F32, rank, dims, zeros); }

static void node(struct fixture *f, enum ig_op op, struct ig_vid a, struct ig_vid b, struct ig_vid c)
{
	f->n = add_node(f->g, op, "node", a, b, c, IG_NOVAL);
}

static void expect(struct fixture *f, const char *type)
{
	if (!ig_infer_graph(f->g, f->c.diag))
		fail_msg("%s", capture_text(&f->c));
	assert_string_equal(ig_type_str(f->g->arena, ig_vtype(f->g, result(f->g, f->n))), type);
	must_infer(f->g);
	capture_end(&f->c);
	ig_graph_free(f->g);
}

static void refuse(struct fixture *f, const char *message)
{
	assert_false(ig_infer_graph(f->g, f->c.diag));
	if (!strstr(capture_text(&f->c), message))
		fail_msg("'%s' is not in: %s", message, capture_text(&f->c));
	capture_end(&f->c);
	ig_graph_free(f->g);
}

static void set_ints(struct fixture *f, enum ig_attr_id a, int n, const int64_t *v) { ig_attr_set_ints(f->g, f->n, a, v, n); }

/* x [1, ic, h, w] convolved with a weight. */
static void conv(struct fixture *f, enum ig_op op, int64_t ic, int64_t h, int64_t w, const int64_t weight[4])
{
	struct ig_vid x = input(f, 4, (int64_t[]){1, ic, h, w});
	node(f, op, x, constant(f, 4, weight), IG_NOVAL);
}

static void convolutions(void **state)
{
	(void)state;
	struct fixture f;
	const int64_t k3[4] = {8, 4, 3, 3};
	conv(&f, IG_OP_CONV2D, 4, 10, 7, k3);
	expect(&f, "f32[1, 8, 8, 5]");
	conv(&f, IG_OP_CONV2D, 4, 10, 7, k3);
	set_ints(&f, IG_A_STRIDE, 1, (int64_t[]){2});
	set_ints(&f, IG_A_PAD, 4, (int64_t[]){1, 0, 2, 3});
	expect(&f, "f32[1, 8, 6, 4]");
	conv(&f, IG_OP_CONV2D, 4, 10, 7, k3);
	set_ints(&f, IG_A_DILATION, 2, (int64_t[]){2, 3});
	expect(&f, "f32[1, 8, 6, 1]");
	conv(&f, IG_OP_CONV2D, 8, 5, 5, (int64_t[]){6, 4, 1, 1});
	ig_attr_set_int(f.g, f.n, IG_A_GROUPS, 2);
	expect(&f, "f32[1, 6, 5, 5]");
	conv(&f, IG_OP_DEPTHWISE_CONV2D, 8, 5, 5, (int64_t[]){8, 1, 3, 3});
	set_ints(&f, IG_A_PAD, 1, (int64_t[]){1});
	expect(&f, "f32[1, 8, 5, 5]");
}

static void same_padding(void **state)
{
	(void)state;
	struct fixture f;
	int64_t p[4];
	const int64_t k[4] = {1, 1, 3, 2};
	for (int lower = 0; lower < 2; lower++) {
		conv(&f, IG_OP_CONV2D, 1, 7, 8, k);
		set_ints(&f, IG_A_STRIDE, 2, (int64_t[]){2, 1});
		ig_attr_set_str(f.g, f.n, IG_A_PAD, lower ? "same_lower" : "same");
		assert_true(ig_infer_graph(f.g, f.c.diag));
		ig_attr_ints(ig_node(f.g, f.n), IG_A_PAD, 9, p, 4);
		assert_true(p[0] == 1 && p[2] == 1 && p[1] == lower && p[3] == !lower); /* the odd column at the end, or at the beginning */
		expect(&f, "f32[1, 1, 4, 8]");
	}
	conv(&f, IG_OP_CONV2D, 1, 7, 8, k);
	ig_attr_set_str(f.g, f.n, IG_A_PAD, "valid");
	expect(&f, "f32[1, 1, 5, 7]");
	conv(&f, IG_OP_CONV2D, 1, 7, 8, k);
	set_ints(&f, IG_A_PAD, 2, (int64_t[]){1, 2}); /* rows, columns */
	expect(&f, "f32[1, 1, 7, 11]");
}

static void convolution_faults(void **state)
{
	(void)state;
	struct fixture f;
	const int64_t k3[4] = {8, 4, 3, 3};
	conv(&f, IG_OP_CONV2D, 3, 10, 7, k3);
	refuse(&f, "3 input channels need");
	conv(&f, IG_OP_CONV2D, 4, 2, 7, k3);
	refuse(&f, "larger than the padded input");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	ig_attr_set_int(f.g, f.n, IG_A_GROUPS, 3);
	refuse(&f, "3 groups do not divide");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	set_ints(&f, IG_A_KERNEL, 1, (int64_t[]){5});
	refuse(&f, "kernel is 5 x 5");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	set_ints(&f, IG_A_STRIDE, 1, (int64_t[]){0});
	refuse(&f, "stride 0 is outside");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	set_ints(&f, IG_A_PAD, 3, (int64_t[]){0, 1, 1});
	refuse(&f, "1, 2 or 4 integers");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	set_ints(&f, IG_A_PAD, 1, (int64_t[]){-1});
	refuse(&f, "pad -1");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	ig_attr_set_str(f.g, f.n, IG_A_PAD, "sane");
	refuse(&f, "not 'sane'");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	ig_attr_set_float(f.g, f.n, IG_A_MIN, 1);
	ig_attr_set_float(f.g, f.n, IG_A_MAX, 0);
	refuse(&f, "min must not be above max");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	set_ints(&f, IG_A_PAD, 1, (int64_t[]){1 << 20});
	ig_value(f.g, f.g->input[0])->type.dim[0] = 1 << 10;
	refuse(&f, "too large");
	struct ig_vid x = input(&f, 2, (int64_t[]){1, 4});
	node(&f, IG_OP_CONV2D, x, constant(&f, 4, k3), IG_NOVAL);
	refuse(&f, "rank 4");
	x = input(&f, 4, (int64_t[]){1, 4, 9, 7});
	struct ig_vid w = constant(&f, 4, k3);
	node(&f, IG_OP_CONV2D, x, w, constant(&f, 1, (int64_t[]){4}));
	refuse(&f, "expected f32[8]");
	x = input(&f, 4, (int64_t[]){1, 4, 9, 7});
	node(&f, IG_OP_CONV2D, x, x, IG_NOVAL);
	refuse(&f, "must be a constant");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	ig_value(f.g, f.g->input[0])->type.dtype = IG_DT_U8;
	refuse(&f, "normalize(...) first");
	conv(&f, IG_OP_CONV2D, 4, 9, 7, k3);
	ig_attr_set_str(f.g, f.n, IG_A_REQUANTIZE, "fixed");
	ig_attr_set_str(f.g, f.n, IG_A_BIAS_MODE, "float32");
	refuse(&f, "requantize: fixed");
}

static void linear(void **state)
{
	(void)state;
	struct fixture f;
	struct ig_vid x = input(&f, 3, (int64_t[]){2, 5, 8});
	node(&f, IG_OP_LINEAR, x, constant(&f, 2, (int64_t[]){3, 8}), IG_NOVAL);
	expect(&f, "f32[2, 5, 3]");
	x = input(&f, 4, (int64_t[]){1, 8, 2, 2});
	node(&f, IG_OP_LINEAR, x, constant(&f, 2, (int64_t[]){3, 32}), IG_NOVAL);
	refuse(&f, "is a flatten missing?");
}

static void pools(void **state)
{
	(void)state;
	struct fixture f;
	struct ig_vid x = input(&f, 4, (int64_t[]){1, 3, 8, 9});
	node(&f, IG_OP_MAX_POOL2D, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_KERNEL, 1, (int64_t[]){3});
	set_ints(&f, IG_A_STRIDE, 1, (int64_t[]){2});
	expect(&f, "f32[1, 3, 3, 4]");
	for (int ceil_mode = 0; ceil_mode < 2; ceil_mode++) {
		x = input(&f, 4, (int64_t[]){1, 3, 7, 8});
		node(&f, IG_OP_AVG_POOL2D, x, IG_NOVAL, IG_NOVAL);
		set_ints(&f, IG_A_KERNEL, 1, (int64_t[]){2});
		set_ints(&f, IG_A_STRIDE, 1, (int64_t[]){3});
		set_ints(&f, IG_A_PAD, 1, (int64_t[]){1});
		ig_attr_set_int(f.g, f.n, IG_A_CEIL_MODE, ceil_mode);
		/* rows: 7 / 3 + 1 = 3, rounded up 4, but the fourth window would begin at 9 - 1 = 8, behind the input; columns: 8 / 3 + 1 = 3, up 4: at 8, too */
		expect(&f, "f32[1, 3, 3, 3]");
	}
	x = input(&f, 4, (int64_t[]){1, 3, 6, 6});
	node(&f, IG_OP_MAX_POOL2D, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_KERNEL, 1, (int64_t[]){3});
	set_ints(&f, IG_A_STRIDE, 1, (int64_t[]){2});
	ig_attr_set_int(f.g, f.n, IG_A_CEIL_MODE, 1);
	expect(&f, "f32[1, 3, 3, 3]");
	x = input(&f, 4, (int64_t[]){2, 3, 6, 5});
	node(&f, IG_OP_GLOBAL_AVG_POOL, x, IG_NOVAL, IG_NOVAL);
	expect(&f, "f32[2, 3, 1, 1]");
	x = input(&f, 4, (int64_t[]){1, 1, 4, 4});
	node(&f, IG_OP_AVG_POOL2D, x, IG_NOVAL, IG_NOVAL);
	refuse(&f, "needs kernel");
	x = input(&f, 4, (int64_t[]){1, 1, 4, 4});
	node(&f, IG_OP_MAX_POOL2D, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_KERNEL, 1, (int64_t[]){2});
	set_ints(&f, IG_A_PAD, 1, (int64_t[]){2});
	refuse(&f, "wholly in the padding");
}

static void elementwise(void **state)
{
	(void)state;
	struct fixture f;
	struct ig_vid x = input(&f, 4, (int64_t[]){2, 3, 4, 5});
	node(&f, IG_OP_MUL, x, constant(&f, 3, (int64_t[]){3, 1, 1}), IG_NOVAL);
	expect(&f, "f32[2, 3, 4, 5]");
	x = input(&f, 2, (int64_t[]){4, 1});
	node(&f, IG_OP_SUB, x, constant(&f, 1, (int64_t[]){6}), IG_NOVAL);
	expect(&f, "f32[4, 6]");
	x = input(&f, 2, (int64_t[]){4, 3});
	node(&f, IG_OP_ADD, x, constant(&f, 1, (int64_t[]){4}), IG_NOVAL);
	refuse(&f, "cannot be broadcast");
	static const enum ig_op unary[] = {IG_OP_RELU, IG_OP_RELU6, IG_OP_CLIP, IG_OP_LEAKY_RELU, IG_OP_SIGMOID, IG_OP_TANH, IG_OP_HARD_SWISH, IG_OP_SOFTMAX,
	                                   IG_OP_NORMALIZE, IG_OP_OBSERVE};
	for (size_t i = 0; i < sizeof unary / sizeof *unary; i++) {
		x = input(&f, 2, (int64_t[]){4, 3});
		node(&f, unary[i], x, IG_NOVAL, IG_NOVAL);
		expect(&f, "f32[4, 3]");
	}
	x = input(&f, 2, (int64_t[]){4, 3});
	node(&f, IG_OP_SOFTMAX, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(f.g, f.n, IG_A_AXIS, 2);
	refuse(&f, "axis 2 is outside of the rank 2");
	x = input(&f, 2, (int64_t[]){4, 3});
	node(&f, IG_OP_CLIP, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_float(f.g, f.n, IG_A_MIN, (double)NAN);
	refuse(&f, "min must not be above max");
}

static void batch_norm_and_normalize(void **state)
{
	(void)state;
	struct fixture f;
	for (int bad = 0; bad < 2; bad++) {
		struct ig_vid in[5] = {input(&f, 4, (int64_t[]){1, 3, 2, 2})};
		for (int i = 1; i < 5; i++)
			in[i] = constant(&f, 1, (int64_t[]){bad && i == 4 ? 2 : 3});
		f.n = ig_graph_add(f.g, IG_OP_BATCH_NORM, "bn", IG_NOLOC, in, 5);
		if (bad)
			refuse(&f, "running_var");
		else
			expect(&f, "f32[1, 3, 2, 2]");
	}
	struct ig_vid x = input(&f, 4, (int64_t[]){1, 3, 2, 2});
	ig_value(f.g, x)->type.dtype = IG_DT_U8;
	node(&f, IG_OP_NORMALIZE, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_floats(f.g, f.n, IG_A_MEAN, (double[]){1, 2, 3}, 3);
	expect(&f, "f32[1, 3, 2, 2]");
	x = input(&f, 4, (int64_t[]){1, 3, 2, 2});
	node(&f, IG_OP_NORMALIZE, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_floats(f.g, f.n, IG_A_MEAN, (double[]){1, 2}, 2);
	refuse(&f, "mean has 2 numbers");
	x = input(&f, 4, (int64_t[]){1, 3, 2, 2});
	node(&f, IG_OP_NORMALIZE, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_floats(f.g, f.n, IG_A_STD, (double[]){0}, 1);
	refuse(&f, "not zero");
}

static void moves(void **state)
{
	(void)state;
	struct fixture f;
	struct ig_vid x = input(&f, 4, (int64_t[]){1, 3, 4, 5});
	node(&f, IG_OP_CONCAT, x, x, constant(&f, 4, (int64_t[]){1, 2, 4, 5}));
	ig_attr_set_int(f.g, f.n, IG_A_AXIS, -3);
	expect(&f, "f32[1, 8, 4, 5]");
	x = input(&f, 4, (int64_t[]){1, 3, 4, 5});
	node(&f, IG_OP_CONCAT, x, constant(&f, 4, (int64_t[]){1, 3, 4, 4}), IG_NOVAL);
	refuse(&f, "differ in more than axis 1");
	x = input(&f, 2, (int64_t[]){3, 4});
	node(&f, IG_OP_PAD, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_PADS, 4, (int64_t[]){1, 0, 2, 3});
	expect(&f, "f32[6, 7]");
	x = input(&f, 2, (int64_t[]){3, 4});
	node(&f, IG_OP_PAD, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_PADS, 4, (int64_t[]){1, 0, -2, 3});
	expect(&f, "f32[2, 7]");
	x = input(&f, 2, (int64_t[]){3, 4});
	node(&f, IG_OP_PAD, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_PADS, 4, (int64_t[]){-1, 0, -2, 3});
	refuse(&f, "leave nothing of axis 0");
	x = input(&f, 3, (int64_t[]){3, 10, 4});
	node(&f, IG_OP_SLICE, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_STARTS, 2, (int64_t[]){-9, 1});
	set_ints(&f, IG_A_ENDS, 2, (int64_t[]){INT64_MAX, -1});
	set_ints(&f, IG_A_AXES, 2, (int64_t[]){1, -1});
	set_ints(&f, IG_A_STEPS, 2, (int64_t[]){4, 1});
	expect(&f, "f32[3, 3, 2]");
	x = input(&f, 1, (int64_t[]){3});
	node(&f, IG_OP_SLICE, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_STARTS, 1, (int64_t[]){2});
	set_ints(&f, IG_A_ENDS, 1, (int64_t[]){1});
	refuse(&f, "empty result");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_RESHAPE, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_SHAPE, 2, (int64_t[]){0, -1});
	expect(&f, "f32[2, 12]");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_RESHAPE, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_SHAPE, 2, (int64_t[]){5, -1});
	refuse(&f, "24 elements");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_FLATTEN, x, IG_NOVAL, IG_NOVAL);
	expect(&f, "f32[2, 12]");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_FLATTEN, x, IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(f.g, f.n, IG_A_AXIS, -1);
	expect(&f, "f32[6, 4]");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_TRANSPOSE, x, IG_NOVAL, IG_NOVAL);
	expect(&f, "f32[4, 3, 2]");
	x = input(&f, 3, (int64_t[]){2, 3, 4});
	node(&f, IG_OP_TRANSPOSE, x, IG_NOVAL, IG_NOVAL);
	set_ints(&f, IG_A_PERM, 3, (int64_t[]){0, 2, 2});
	refuse(&f, "name each axis");
}

static void conversions(void **state)
{
	(void)state;
	struct fixture f;
	struct ig_vid x = input(&f, 1, (int64_t[]){4});
	node(&f, IG_OP_QUANTIZE, x, IG_NOVAL, IG_NOVAL);
	set_q(f.g, result(f.g, f.n), IG_DT_S8, 0.5f, -3);
	expect(&f, "s8[4]");
	x = input(&f, 1, (int64_t[]){4});
	node(&f, IG_OP_QUANTIZE, x, IG_NOVAL, IG_NOVAL);
	refuse(&f, "needs the parameters");
	for (int k = 0; k < 3; k++) {
		x = input(&f, 1, (int64_t[]){4});
		set_q(f.g, x, IG_DT_U8, k == 1 ? 0.0f : 0.5f, k == 2 ? 300 : 3);
		node(&f, IG_OP_DEQUANTIZE, x, IG_NOVAL, IG_NOVAL);
		if (k == 0)
			expect(&f, "f32[4]");
		else
			refuse(&f, k == 1 ? "not a positive number" : "zero point 300");
	}
	x = input(&f, 1, (int64_t[]){4});
	node(&f, IG_OP_DEQUANTIZE, x, IG_NOVAL, IG_NOVAL);
	refuse(&f, "takes a quantized value");
	x = input(&f, 1, (int64_t[]){0});
	node(&f, IG_OP_RELU, x, IG_NOVAL, IG_NOVAL);
	refuse(&f, "empty");
	x = input(&f, 3, (int64_t[]){3, 3, 3});
	ig_attr_set_str(f.g, ig_value(f.g, x)->def, IG_A_LAYOUT, "nhwc");
	node(&f, IG_OP_RELU, x, IG_NOVAL, IG_NOVAL);
	refuse(&f, "nhwc needs rank 4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(convolutions), cmocka_unit_test(same_padding), cmocka_unit_test(convolution_faults), cmocka_unit_test(linear),
		cmocka_unit_test(pools),        cmocka_unit_test(elementwise),  cmocka_unit_test(batch_norm_and_normalize), cmocka_unit_test(moves),
		cmocka_unit_test(conversions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
