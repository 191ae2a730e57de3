/* codegen/sched_pool.c, sched_eltwise.c, sched_table.c, sched_softmax.c, sched_move.c, nest.c, mathseq.c */
#include "tests/unit/lower_check.h"

#include <float.h>

static struct ig_vid bytes_input(struct net *t, int rank, const int64_t *dims, int zp)
{
	return net_quantize(t, net_input(t, rank, dims), 2.0f / 255, zp);
}

/* The result of one operation on x: quantized with parameters of its own unless the operation keeps x's. */
static struct ig_vid unary(struct net *t, enum ig_op op, struct ig_vid x, bool keeps, float scale, int zp)
{
	struct ig_vid y = net_op(t, op, x, IG_NOVAL);
	struct ig_qid q = ig_vtype(t->g, x)->q;
	if (q.i >= 0 && keeps) {
		ig_value(t->g, y)->type.dtype = IG_DT_U8;
		ig_value(t->g, y)->type.q = q;
	} else if (q.i >= 0) {
		set_q(t->g, y, IG_DT_U8, scale, zp);
	}
	return y;
}

static void finish(struct net *t, struct ig_vid y)
{
	net_infer(t, y);
	net_output(t, y);
	net_check(t);
}

static void pools(void **state)
{
	static const struct geom shapes[] = {
	    {16, 8, 8, 0, 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, 1}, {70, 9, 7, 0, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1}, {5, 7, 9, 0, 3, 2, 1, 2, 1, 1, 1, 0, 2, 1, 1},
	    {33, 6, 6, 0, 6, 6, 1, 1, 1, 1, 0, 0, 0, 0, 1}, {3, 12, 12, 0, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1},
	};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(shapes); i++)
		for (int mode = 0; mode < 12; mode++) {
			const struct geom *k = &shapes[i];
			struct net t = net_new(300 + i);
			bool max = mode % 3 == 0, quantized = mode >= 6;
			struct ig_vid x = net_input(&t, DIMS(1 + (int64_t)(i == 2), k->ic, k->h, k->w));
			if (quantized)
				x = net_quantize(&t, x, 2.0f / 255, 111);
			struct ig_vid y = unary(&t, max ? IG_OP_MAX_POOL2D : IG_OP_AVG_POOL2D, x, true, 0, 0);
			struct ig_nid n = ig_value(t.g, y)->def;
			ig_attr_set_ints(t.g, n, IG_A_KERNEL, (int64_t[]){k->kh, k->kw}, 2);
			ig_attr_set_ints(t.g, n, IG_A_STRIDE, (int64_t[]){k->sh, k->sw}, 2);
			ig_attr_set_ints(t.g, n, IG_A_PAD, (int64_t[]){k->pt, k->pl, k->pb, k->pr}, 4);
			ig_attr_set_int(t.g, n, IG_A_CEIL_MODE, mode / 3 % 2);
			if (!max)
				ig_attr_set_int(t.g, n, IG_A_COUNT_INCLUDE_PAD, mode % 3 == 2);
			finish(&t, y);
		}
	for (int quantized = 0; quantized < 2; quantized++) {
		struct net t = net_new(330);
		struct ig_vid x = net_input(&t, DIMS(2, 37, 5, 7));
		finish(&t, unary(&t, IG_OP_GLOBAL_AVG_POOL, quantized ? net_quantize(&t, x, 0.01f, 128) : x, true, 0, 0));
	}
}

/* NaN and infinities in a float max pool: the first tap of a window counts otherwise than the others. */
static void max_pool_nan(void **state)
{
	(void)state;
	struct net t = net_new(340);
	struct ig_vid x = net_input(&t, DIMS(1, 6, 7, 7));
	/* x / 0 gives infinities and, from the padding's zeros, NaN */
	struct ig_vid zero = add_constant(t.g, "zero", IG_DT_F32, DIMS(1), &(float){0.0f});
	struct ig_vid pad = net_op(&t, IG_OP_PAD, x, IG_NOVAL);
	ig_attr_set_ints(t.g, ig_value(t.g, pad)->def, IG_A_PADS, (int64_t[]){0, 0, 2, 2, 0, 0, 2, 2}, 8);
	net_infer(&t, pad);
	struct ig_vid big = add_constant(t.g, "big", IG_DT_F32, DIMS(1), &(float){INFINITY});
	struct ig_vid wild = net_op(&t, IG_OP_MUL, pad, big);
	net_infer(&t, wild);
	struct ig_vid y = net_op(&t, IG_OP_MAX_POOL2D, wild, IG_NOVAL);
	ig_attr_set_ints(t.g, ig_value(t.g, y)->def, IG_A_KERNEL, (int64_t[]){3, 3}, 2);
	ig_attr_set_ints(t.g, ig_value(t.g, y)->def, IG_A_STRIDE, (int64_t[]){2, 2}, 2);
	ig_attr_set_ints(t.g, ig_value(t.g, y)->def, IG_A_PAD, (int64_t[]){1, 1, 1, 1}, 4);
	net_infer(&t, y);
	struct ig_vid relu = net_op(&t, IG_OP_RELU6, y, IG_NOVAL);
	net_infer(&t, relu);
	struct ig_vid sum = net_op(&t, IG_OP_ADD, relu, zero);
	net_output(&t, y);
	finish(&t, sum);
}

static void eltwise(void **state)
{
	static const enum ig_op ops[] = {IG_OP_ADD, IG_OP_SUB, IG_OP_MUL};
	static const struct { int rank; int64_t dim[4]; } other[] = {{4, {2, 19, 5, 6}}, {4, {1, 19, 1, 1}}, {1, {1}}, {4, {2, 1, 5, 6}}, {3, {19, 5, 6}}};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(ops); i++)
		for (size_t k = 0; k < IG_COUNTOF(other); k++)
			for (int quantized = 0; quantized < 2; quantized++) {
				struct net t = net_new(400 + 10 * i + k);
				struct ig_vid a = net_input(&t, DIMS(2, 19, 5, 6)), b = net_input(&t, other[k].rank, other[k].dim);
				if (quantized) {
					a = net_quantize(&t, a, 2.0f / 255, 100);
					b = net_quantize(&t, b, 2.0f / 255, 140);
				}
				struct ig_vid y = net_op(&t, ops[i], a, b);
				if (k % 2)
					ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_MIN, -0.25);
				if (quantized)
					set_q(t.g, y, IG_DT_U8, 3.0f / 255, 120);
				net_infer(&t, y);
				net_output(&t, y);
				struct ig_vid back = quantized ? net_op(&t, IG_OP_DEQUANTIZE, y, IG_NOVAL) : y;
				net_infer(&t, back);
				finish(&t, net_op(&t, IG_OP_ADD, back, net_input(&t, DIMS(1))));
			}
}

static void tables(void **state)
{
	static const enum ig_op ops[] = {IG_OP_RELU, IG_OP_RELU6, IG_OP_CLIP, IG_OP_LEAKY_RELU, IG_OP_SIGMOID, IG_OP_TANH, IG_OP_HARD_SWISH};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(ops); i++)
		for (int quantized = 0; quantized < 2; quantized++) {
			struct net t = net_new(500 + i);
			struct ig_vid x = net_input(&t, DIMS(1, 21, 9, 11)), wide = add_constant(t.g, "wide", IG_DT_F32, DIMS(1), &(float){8.0f});
			x = net_op(&t, IG_OP_MUL, x, wide);
			net_infer(&t, x);
			if (quantized)
				x = net_quantize(&t, x, 16.0f / 255, 128);
			struct ig_vid y = unary(&t, ops[i], x, false, 6.0f / 255, 90);
			if (ops[i] == IG_OP_CLIP) {
				ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_MIN, -1);
				ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_MAX, 2.5);
			}
			if (ops[i] == IG_OP_LEAKY_RELU)
				ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_ALPHA, 0.1);
			net_infer(&t, y);
			if (quantized) {
				y = unary(&t, IG_OP_REQUANTIZE, y, false, 7.0f / 255, 100);
				net_infer(&t, y);
				y = net_op(&t, IG_OP_DEQUANTIZE, y, IG_NOVAL);
			}
			finish(&t, y);
		}
}

static void softmax(void **state)
{
	static const struct { int rank, axis; int64_t dim[4]; } shapes[] = {
	    {2, 1, {3, 12}}, {2, 1, {1, 1000}}, {2, 1, {2, 16}}, {4, 1, {2, 21, 3, 4}}, {4, 3, {1, 5, 3, 33}}, {2, 0, {7, 9}}, {1, 0, {1}},
	};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(shapes); i++)
		for (int mode = 0; mode < 3; mode++) {
			struct net t = net_new(600 + i);
			struct ig_vid x = net_input(&t, shapes[i].rank, shapes[i].dim);
			if (mode)
				x = net_quantize(&t, x, 2.0f / 255, 100);
			struct ig_vid y = net_op(&t, IG_OP_SOFTMAX, x, IG_NOVAL);
			ig_attr_set_int(t.g, ig_value(t.g, y)->def, IG_A_AXIS, shapes[i].axis);
			if (mode == 2)
				set_q(t.g, y, IG_DT_U8, 1.5f / 255 / (float)(shapes[i].dim[shapes[i].axis] < 8 ? 1 : 4), 3);
			finish(&t, y);
		}
}

static void batch_norm_and_normalize(void **state)
{
	(void)state;
	for (int mode = 0; mode < 4; mode++) {
		struct net t = net_new(700 + (uint64_t)mode);
		static const double mean[3] = {0.4, 0.5, 0.6}, std[3] = {0.2, 0.25, 0.3};
		static const float gamma[3] = {1, 2, 3}, beta[3] = {-1, 0, 1}, mu[3] = {0.1f, 0.2f, 0.3f}, var[3] = {1, 0.5f, 0.25f};
		struct ig_vid y;
		if (mode == 0) {
			struct ig_vid in[5] = {net_input(&t, DIMS(1, 3, 5, 6)), add_constant(t.g, "g", IG_DT_F32, DIMS(3), gamma),
			                       add_constant(t.g, "b", IG_DT_F32, DIMS(3), beta), add_constant(t.g, "m", IG_DT_F32, DIMS(3), mu),
			                       add_constant(t.g, "v", IG_DT_F32, DIMS(3), var)};
			y = result(t.g, ig_graph_add(t.g, IG_OP_BATCH_NORM, "bn", IG_NOLOC, in, 5));
		} else {
			struct ig_vid x = add_input(t.g, "image", mode == 1 ? IG_DT_F32 : IG_DT_U8, DIMS(1, 3, 7, 9));
			if (mode >= 2)
				ig_attr_set_str(t.g, ig_value(t.g, x)->def, IG_A_LAYOUT, "nhwc");
			net_infer(&t, x);
			y = net_op(&t, IG_OP_NORMALIZE, x, IG_NOVAL);
			ig_attr_set_floats(t.g, ig_value(t.g, y)->def, IG_A_MEAN, mean, 3);
			ig_attr_set_floats(t.g, ig_value(t.g, y)->def, IG_A_STD, std, 3);
			ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_SCALE, 255);
			if (mode == 3)
				set_q(t.g, y, IG_DT_U8, 5.0f / 255, 120);
		}
		finish(&t, y);
	}
}

static int64_t count(const struct kir_module *m, enum kir_op op)
{
	int64_t n = 0;
	for (int i = 0; i < m->n_funcs; i++)
		for (int k = 0; k < m->func[i]->n; k++)
			n += m->func[i]->inst[k].op == op;
	return n;
}

/* Tables that are lines are computed; a sigmoid is looked up. Rows of 45 pixels are no whole number of periods. */
static void lines(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		struct net t = net_new(740 + (uint64_t)what);
		static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
		struct ig_vid y;
		if (what < 2) {
			struct ig_vid x = add_input(t.g, "image", IG_DT_U8, DIMS(2, 3, 4, 45));
			ig_attr_set_str(t.g, ig_value(t.g, x)->def, IG_A_LAYOUT, "nhwc");
			net_infer(&t, x);
			y = net_op(&t, IG_OP_NORMALIZE, x, IG_NOVAL);
			ig_attr_set_float(t.g, ig_value(t.g, y)->def, IG_A_SCALE, 255);
			if (what) {
				ig_attr_set_floats(t.g, ig_value(t.g, y)->def, IG_A_MEAN, mean, 3);
				ig_attr_set_floats(t.g, ig_value(t.g, y)->def, IG_A_STD, std, 3);
			}
			set_q(t.g, y, IG_DT_U8, what ? 4.76f / 255 : 0.9371f / 255, what ? 113 : 0);
		} else {
			y = unary(&t, what == 2 ? IG_OP_RELU6 : IG_OP_SIGMOID, bytes_input(&t, DIMS(1, 7, 5, 6), 100), false, 0.93f / 255, 20);
		}
		net_infer(&t, y);
		net_output(&t, y);
		must_infer(t.g);
		struct capture c;
		capture_begin(&c);
		struct kir_module *m = ig_lower(t.g, ig_target_find("x86-64-avx512vnni"), NULL, c.diag);
		assert_non_null(m);
		assert_int_equal(count(m, KIR_LUT) > 0, what == 3);
		kir_module_free(m);
		capture_end(&c);
		net_check(&t);
	}
}

/* Planes of an image to adjacent bytes, as a layer's input (with room around), in a concatenation, alone. */
static void planes(void **state)
{
	static const int widths[] = {2, 5, 16, 33, 48};
	static const struct geom same = {0, 5, 0, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	(void)state;
	for (int c = 2; c < 6; c++)
		for (size_t i = 0; i < IG_COUNTOF(widths); i++) {
			struct net t = net_new(760 + i);
			struct ig_vid x = net_input(&t, DIMS(2, c, 5, widths[i])), a = net_quantize(&t, x, 2.0f / 255, 120), b = net_quantize(&t, x, 2.0f / 255, 120);
			struct geom k = same;
			k.ic = c;
			ig_value(t.g, b)->type.q = ig_vtype(t.g, a)->q;
			struct ig_vid in[2] = {a, b}, cat = result(t.g, ig_graph_add(t.g, IG_OP_CONCAT, "cat", IG_NOLOC, in, 2));
			ig_attr_set_int(t.g, ig_value(t.g, cat)->def, IG_A_AXIS, (int64_t)i % 4);
			ig_value(t.g, cat)->type = *ig_vtype(t.g, a);
			net_infer(&t, cat);
			t.native = widths[i] == 33;
			net_output(&t, net_conv(&t, IG_OP_CONV2D, net_quantize(&t, x, 3.0f / 255, 110), &k, IG_NOVAL, 0));
			net_output(&t, cat);
			net_check(&t);
		}
}

/* All places where a quotient passes from one integer to the next, with their neighbours, and what is no ordinary number. */
static void quantize_steps(void **state)
{
	static const float scales[] = {2.0f / 255, 0.1f, 0.25f, 1.0f, 0.0173912f, 3.1415927f, 1.99999988f, 1.00000012f, 7.7e-12f, 3e25f, 1e-30f};
	enum { N = 3 * 520 + 12 };
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(scales); i++) {
		struct net t = net_new(900 + i);
		float x[N] = {0, -0.0f, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, FLT_MIN, -FLT_MIN, 1e-45f, -1e-45f, 1};
		for (int k = 0; k < 520; k++) {
			float *at = x + 12 + 3 * k;
			at[1] = (float)((k - 260 + 0.5) * (double)scales[i]);
			at[0] = nextafterf(at[1], -INFINITY);
			at[2] = nextafterf(at[1], INFINITY);
		}
		t.values = x;
		t.native = t.dull = true;
		net_output(&t, net_quantize(&t, net_input(&t, DIMS(4, N / 4)), scales[i], (int32_t)(i * 25)));
		net_check(&t);
	}
}

static void moves(void **state)
{
	(void)state;
	for (int quantized = 0; quantized < 2; quantized++)
		for (int what = 0; what < 9; what++) {
			struct net t = net_new(800 + (uint64_t)what);
			struct ig_vid x = quantized ? bytes_input(&t, DIMS(2, 6, 4, 5), 77) : net_input(&t, DIMS(2, 6, 4, 5));
			static const enum ig_op ops[9] = {IG_OP_RESHAPE, IG_OP_FLATTEN, IG_OP_TRANSPOSE, IG_OP_SLICE, IG_OP_SLICE, IG_OP_PAD, IG_OP_RESHAPE, IG_OP_TRANSPOSE, IG_OP_RESHAPE};
			struct ig_vid y = unary(&t, ops[what], x, true, 0, 0);
			struct ig_nid n = ig_value(t.g, y)->def;
			if (what == 0)
				ig_attr_set_ints(t.g, n, IG_A_SHAPE, (int64_t[]){2, 3, 40}, 3);
			if (what == 6)
				ig_attr_set_ints(t.g, n, IG_A_SHAPE, (int64_t[]){16, 15}, 2);
			if (what == 8)
				ig_attr_set_ints(t.g, n, IG_A_SHAPE, (int64_t[]){2, 3, 2, 20}, 4);
			if (what == 2)
				ig_attr_set_ints(t.g, n, IG_A_PERM, (int64_t[]){0, 2, 3, 1}, 4);
			if (what == 3 || what == 4) {
				ig_attr_set_ints(t.g, n, IG_A_STARTS, (int64_t[]){1, -3}, 2);
				ig_attr_set_ints(t.g, n, IG_A_ENDS, (int64_t[]){5, 100}, 2);
				ig_attr_set_ints(t.g, n, IG_A_AXES, (int64_t[]){1, 3}, 2);
				ig_attr_set_ints(t.g, n, IG_A_STEPS, (int64_t[]){what == 3 ? 1 : 2, 2}, 2);
			}
			if (what == 5) {
				ig_attr_set_ints(t.g, n, IG_A_PADS, (int64_t[]){0, 1, 2, 1, 1, 2, 0, 3}, 8);
				ig_attr_set_float(t.g, n, IG_A_VALUE, 0.5);
			}
			finish(&t, y);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pools),   cmocka_unit_test(max_pool_nan),             cmocka_unit_test(eltwise), cmocka_unit_test(tables),
	    cmocka_unit_test(softmax), cmocka_unit_test(batch_norm_and_normalize), cmocka_unit_test(moves), cmocka_unit_test(lines), cmocka_unit_test(planes), cmocka_unit_test(quantize_steps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
