/* Movements by computed places, resize, transposed convolution, recurrent layers: inference and the interpreter, values computed by hand. */
#include "tests/unit/graph_build.h"

#include <math.h>

#include "passes/pass.h"

static struct ig_graph *graph(struct ig_vid *x, int rank, const int64_t *dims)
{
	struct ig_graph *g = ig_graph_new("t");
	*x = add_input(g, "x", IG_DT_F32, rank, dims);
	return g;
}

static void refuse(struct ig_graph *g, struct ig_nid n, const char *why)
{
	struct capture c;
	capture_begin(&c);
	assert_false(ig_infer_node(g, n, c.diag));
	if (!strstr(capture_text(&c), why))
		fail_msg("expected '%s', got %s", why, capture_text(&c));
	capture_end(&c);
	ig_graph_free(g);
}

static void split(void **state)
{
	(void)state;
	const float in[6] = {1, 2, 3, 4, 5, 6};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 3));
	struct ig_nid n = ig_graph_add_results(g, IG_NONODE, IG_OP_SPLIT, "s", IG_NOLOC, &x, 1, 2);
	ig_attr_set_int(g, n, IG_A_AXIS, -1);
	assert_floats(run1(g, in, ig_node(g, n)->out[0]), 1, 2, 4, 5); /* equal parts, the last smaller */
	assert_floats(run1(g, in, ig_node(g, n)->out[1]), 3, 6);
	assert_string_equal(ig_value(g, ig_node(g, n)->out[1])->name, "s.1");
	ig_graph_free(g);
	g = graph(&x, DIMS(2, 3));
	n = ig_graph_add_results(g, IG_NONODE, IG_OP_SPLIT, "s", IG_NOLOC, &x, 1, 2);
	ig_attr_set_int(g, n, IG_A_AXIS, 1);
	ig_attr_set_ints(g, n, IG_A_SIZES, (int64_t[]){1, 1}, 2);
	refuse(g, n, "add up to 2");
}

static const float *padded(struct ig_graph **g, const char *mode, const int64_t pads[2])
{
	static const float in[4] = {1, 2, 3, 4};
	struct ig_vid x;
	*g = graph(&x, DIMS(4));
	struct ig_nid n = add_node(*g, IG_OP_PAD, "p", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(*g, n, IG_A_PADS, pads, 2);
	ig_attr_set_str(*g, n, IG_A_MODE, mode);
	ig_attr_set_float(*g, n, IG_A_VALUE, 9);
	return run1(*g, in, result(*g, n));
}

static void pad_modes(void **state)
{
	(void)state;
	struct ig_graph *g;
	assert_floats(padded(&g, "constant", (int64_t[]){2, 1}), 9, 9, 1, 2, 3, 4, 9);
	ig_graph_free(g);
	assert_floats(padded(&g, "reflect", (int64_t[]){2, 5}), 3, 2, 1, 2, 3, 4, 3, 2, 1, 2, 3);
	ig_graph_free(g);
	assert_floats(padded(&g, "edge", (int64_t[]){1, 2}), 1, 1, 2, 3, 4, 4, 4);
	ig_graph_free(g);
	assert_floats(padded(&g, "wrap", (int64_t[]){3, 1}), 2, 3, 4, 1, 2, 3, 4, 1);
	ig_graph_free(g);
	assert_floats(padded(&g, "reflect", (int64_t[]){-1, 1}), 2, 3, 4, 3); /* what is left is reflected */
	ig_graph_free(g);
}

static void slices_back(void **state)
{
	(void)state;
	const float in[5] = {1, 2, 3, 4, 5};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(5));
	struct ig_nid n = add_node(g, IG_OP_SLICE, "s", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_STARTS, (int64_t[]){-1}, 1);
	ig_attr_set_ints(g, n, IG_A_ENDS, (int64_t[]){INT64_MIN}, 1);
	ig_attr_set_ints(g, n, IG_A_STEPS, (int64_t[]){-2}, 1);
	assert_floats(run1(g, in, result(g, n)), 5, 3, 1);
	assert_int_equal(ig_vtype(g, result(g, n))->dim[0], 3);
	ig_graph_free(g);
}

static void gathers(void **state)
{
	(void)state;
	const float in[6] = {1, 2, 3, 4, 5, 6};
	const int64_t k[3] = {-1, 0, 1}, beyond[1] = {3};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 3));
	struct ig_nid n = add_node(g, IG_OP_GATHER, "y", x, add_constant(g, "k", IG_DT_I64, DIMS(3, 1), k), IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, n, IG_A_AXIS, 1);
	assert_floats(run1(g, in, result(g, n)), 3, 1, 2, 6, 4, 5);
	assert_int_equal(ig_vtype(g, result(g, n))->rank, 3);
	ig_graph_free(g);
	g = graph(&x, DIMS(2, 3));
	n = add_node(g, IG_OP_GATHER, "y", x, add_constant(g, "k", IG_DT_I64, DIMS(1), beyond), IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, n, IG_A_AXIS, 1);
	refuse(g, n, "index 3 is outside");
	g = ig_graph_new("t"); /* run-time indices are held within the axis */
	x = add_input(g, "k", IG_DT_I64, DIMS(4));
	n = add_node(g, IG_OP_GATHER, "y", add_constant(g, "table", IG_DT_F32, DIMS(3), in), x, IG_NOVAL, IG_NOVAL);
	assert_floats(run1(g, (int64_t[]){2, -3, 100, INT64_MIN}, result(g, n)), 3, 1, 3, 1);
	ig_graph_free(g);
}

static void tiles(void **state)
{
	(void)state;
	const float in[4] = {1, 2, 3, 4};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 2));
	struct ig_nid n = add_node(g, IG_OP_TILE, "t", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_REPEATS, (int64_t[]){1, 2}, 2);
	assert_floats(run1(g, in, result(g, n)), 1, 2, 1, 2, 3, 4, 3, 4);
	ig_graph_free(g);
	g = graph(&x, DIMS(2, 1));
	n = add_node(g, IG_OP_EXPAND, "e", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_SHAPE, (int64_t[]){2, 1, 3}, 3);
	assert_floats(run1(g, in, result(g, n)), 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2);
	ig_graph_free(g);
}

static void blocks(void **state)
{
	(void)state;
	const float in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 8, 1, 1));
	struct ig_nid n = add_node(g, IG_OP_DEPTH_TO_SPACE, "d", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, n, IG_A_BLOCK, 2);
	struct ig_nid back = add_node(g, IG_OP_SPACE_TO_DEPTH, "s", result(g, n), IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_int(g, back, IG_A_BLOCK, 2);
	assert_floats(run1(g, in, result(g, n)), 1, 3, 5, 7, 2, 4, 6, 8); /* dcr: place, then channel */
	assert_floats(run1(g, in, result(g, back)), 1, 2, 3, 4, 5, 6, 7, 8);
	ig_attr_set_str(g, n, IG_A_MODE, "crd");
	assert_floats(run1(g, in, result(g, n)), 1, 2, 3, 4, 5, 6, 7, 8);
	ig_graph_free(g);
}

static struct ig_nid resize(struct ig_graph *g, struct ig_vid x, const char *mode, const char *coordinate, int64_t to)
{
	struct ig_nid n = add_node(g, IG_OP_RESIZE, "r", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_attr_set_ints(g, n, IG_A_SIZES, (int64_t[]){1, to}, 2);
	ig_attr_set_str(g, n, IG_A_MODE, mode);
	ig_attr_set_str(g, n, IG_A_COORDINATE, coordinate);
	return n;
}

static void resizes(void **state)
{
	(void)state;
	const float in[3] = {0, 4, 8};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 3));
	assert_floats(run1(g, in, result(g, resize(g, x, "nearest", "half_pixel", 6))), 0, 0, 4, 4, 8, 8);
	assert_floats(run1(g, in, result(g, resize(g, x, "linear", "half_pixel", 6))), 0, 1, 3, 5, 7, 8);
	assert_floats(run1(g, in, result(g, resize(g, x, "linear", "align_corners", 5))), 0, 2, 4, 6, 8);
	assert_floats(run1(g, in, result(g, resize(g, x, "linear", "asymmetric", 6))), 0, 2, 4, 6, 8, 8);
	assert_floats(run1(g, in, result(g, resize(g, x, "linear", "pytorch_half_pixel", 1))), 0);
	ig_graph_free(g);
	g = graph(&x, DIMS(1, 3));
	struct ig_nid n = resize(g, x, "linear", "half_pixel", 6);
	ig_attr_set_str(g, n, IG_A_MODE, "cubic");
	refuse(g, n, "mode is one of nearest, linear");
}

/* Quantized: the formula on i(x), rounded once, halves to even. */
static void resize_int8(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid x = add_input(g, "x", IG_DT_U8, DIMS(1, 3));
	set_q(g, x, IG_DT_U8, 0.5f, 10);
	struct ig_nid n = resize(g, x, "linear", "align_corners", 5);
	g->stage = IG_STAGE_QUANTIZED;
	assert_bytes(run1(g, (uint8_t[]){10, 11, 14}, result(g, n)), 10, 10, 11, 12, 14); /* 0.5 -> 0, 2.5 -> 2 */
	ig_graph_free(g);
}

static void transposed(void **state)
{
	(void)state;
	const float in[4] = {1, 2, 3, 4}, w[4] = {1, 10, 100, 1000};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(1, 1, 2, 2));
	struct ig_nid n = add_node(g, IG_OP_CONV_TRANSPOSE2D, "y", x, add_constant(g, "w", IG_DT_F32, DIMS(1, 1, 2, 2), w), IG_NOVAL, IG_NOVAL);
	assert_floats(run1(g, in, result(g, n)), 1, 12, 20, 103, 1234, 2040, 300, 3400, 4000);
	ig_graph_free(g);
}

static const void *random_constant(struct ig_graph *g, int64_t n, uint32_t seed)
{
	float *v = IG_NEWN(g->arena, float, n);
	for (int64_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		v[i] = (float)(int32_t)seed / 2147483648.0f;
	}
	return v;
}

/* The convolution that the pass makes gives the bits of the operation's own evaluation. */
static void transposed_expands(void **state)
{
	(void)state;
	for (int64_t c = 0; c < 24; c++) {
		int64_t groups = c % 3 == 2 ? 2 : 1, w[4] = {4, 1 + c % 4, 1 + c % 3, 1 + c % 5}, oc = w[1] * groups;
		struct ig_vid x;
		struct ig_graph *g = graph(&x, DIMS(2, 4, 3, 5));
		struct ig_nid n = add_node(g, IG_OP_CONV_TRANSPOSE2D, "y", x, add_constant(g, "w", IG_DT_F32, 4, w, random_constant(g, 4 * w[1] * w[2] * w[3], 1)),
		                           add_constant(g, "b", IG_DT_F32, 1, &oc, random_constant(g, oc, 2)), IG_NOVAL);
		ig_attr_set_ints(g, n, IG_A_STRIDE, (int64_t[]){1 + c % 2, 1 + c / 2 % 3}, 2);
		ig_attr_set_int(g, n, IG_A_DILATION, 1 + c / 6 % 2);
		ig_attr_set_int(g, n, IG_A_GROUPS, groups);
		ig_attr_set_ints(g, n, IG_A_PAD, (int64_t[]){c % 2, 0, c / 3 % 2, c / 4 % 2}, 4);
		ig_attr_set_ints(g, n, IG_A_OUTPUT_PADDING, (int64_t[]){0, c / 2 % 3 ? 1 : 0}, 2);
		ig_graph_mark_output(g, result(g, n), "y");
		const void *in = random_constant(g, 2 * 4 * 3 * 5, 3), *before = run1(g, in, result(g, n));
		struct capture d;
		capture_begin(&d);
		struct ig_context context = {.diag = d.diag};
		if (!ig_pass_expand_transposed(g, &context))
			fail_msg("%s", capture_text(&d));
		capture_end(&d);
		const struct ig_node *last = ig_def(g, g->output[0]);
		assert_int_equal(last->op, IG_OP_SLICE);
		assert_memory_equal(run1(g, in, g->output[0]), before, (size_t)ig_elems(ig_vtype(g, g->output[0])) * 4);
		ig_graph_free(g);
	}
}

/* One unit, one step, weights that leave one gate at a time to be seen. */
static void recurrent(void **state)
{
	(void)state;
	const float w[4] = {0, 0, 0, 1}, zero[4] = {0};
	struct ig_vid x;
	struct ig_graph *g = graph(&x, DIMS(2, 1, 1));
	struct ig_nid n = add_node(g, IG_OP_LSTM, "l", x, add_constant(g, "w", IG_DT_F32, DIMS(1, 4, 1), w), add_constant(g, "r", IG_DT_F32, DIMS(1, 4, 1), zero), IG_NOVAL);
	const float *y = run1(g, (float[]){1, 0}, ig_node(g, n)->out[0]), *cell = run1(g, (float[]){1, 0}, ig_node(g, n)->out[2]);
	float c1 = 0.5f * tanhf(1), c2 = 0.5f * c1; /* gates are sigmoid(0) = 0.5 */
	assert_true(fabsf(y[0] - 0.5f * tanhf(c1)) < 1e-6f && fabsf(y[1] - 0.5f * tanhf(c2)) < 1e-6f && fabsf(cell[0] - c2) < 1e-6f);
	ig_attr_set_str(g, n, IG_A_DIRECTION, "reverse");
	y = run1(g, (float[]){0, 1}, ig_node(g, n)->out[0]);
	assert_true(fabsf(y[1] - 0.5f * tanhf(c1)) < 1e-6f && fabsf(y[0] - 0.5f * tanhf(c2)) < 1e-6f);
	ig_attr_set_int(g, n, IG_A_HIDDEN, 3);
	refuse(g, n, "hidden is 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split),   cmocka_unit_test(pad_modes),   cmocka_unit_test(slices_back), cmocka_unit_test(gathers),            cmocka_unit_test(tiles),
		cmocka_unit_test(blocks),  cmocka_unit_test(resizes),     cmocka_unit_test(resize_int8), cmocka_unit_test(transposed),         cmocka_unit_test(transposed_expands),
		cmocka_unit_test(recurrent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
