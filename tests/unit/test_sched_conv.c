/* codegen/sched_conv.c, sched_conv_float.c, sched_depthwise.c, sched_linear.c, conv_source.c, pack.c, epilogue.c */
#include "tests/unit/lower_check.h"

static const struct geom convs[] = {
    /* ic, h, w, oc, kernel, stride, dilation, padding, groups */
    {3, 9, 9, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},   /* first layer */
    {1, 25, 10, 20, 10, 4, 2, 2, 1, 1, 4, 1, 5, 1, 1}, /* kws */
    {16, 6, 6, 32, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},  /* matrix product */
    {16, 7, 7, 33, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1},  /* strided 1x1, channel tail */
    {5, 7, 8, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},    /* odd channels */
    {8, 9, 9, 64, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 1},   /* TensorFlow's same */
    {4, 11, 9, 12, 3, 2, 1, 1, 2, 3, 2, 1, 2, 1, 1},  /* dilation */
    {12, 6, 5, 18, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3},  /* groups */
    {6, 6, 5, 12, 1, 3, 1, 1, 1, 1, 0, 1, 0, 1, 6},   /* a multiplier */
    {20, 4, 4, 130, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, /* several blocks of channels */
    {3, 1, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},
    {7, 5, 5, 9, 5, 5, 1, 1, 1, 1, 0, 0, 0, 0, 1},    /* the whole input */
    {12, 5, 6, 24, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},  /* a last vector that is shorter */
    {9, 6, 7, 85, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {24, 5, 5, 38, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 2},
};

static void one(const struct geom *k, uint64_t seed, bool quantized, int flags, bool residual, int batch)
{
	struct net t = net_new(seed);
	struct ig_vid x = net_input(&t, DIMS(batch, k->ic, k->h, k->w));
	if (quantized)
		x = net_quantize(&t, x, 2.0f / 255, rnd_in(&t.r, 100, 150));
	struct ig_vid y = net_conv(&t, IG_OP_CONV2D, x, k, IG_NOVAL, flags);
	if (residual) /* the same layer again, plus the first one's result */
		y = net_conv(&t, IG_OP_CONV2D, x, k, y, flags);
	net_output(&t, y);
	net_check(&t);
}

static void conv_int8(void **state)
{
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(convs); i++)
		one(&convs[i], i, true, i % 2 ? NET_RELU : 0, false, 1);
}

static void conv_int8_variants(void **state)
{
	(void)state;
	one(&convs[0], 21, true, NET_RELU, true, 1);
	one(&convs[3], 22, true, 0, true, 1);
	one(&convs[2], 23, true, NET_RELU, true, 2);
	one(&convs[4], 24, true, NET_FLOAT_OUT | NET_RELU, false, 2);
	one(&convs[4], 25, true, NET_FLOAT_OUT, true, 1);
	one(&convs[5], 26, true, NET_FLOAT_BIAS, false, 1);
	one(&convs[7], 27, true, NET_FLOAT_BIAS | NET_RELU, true, 3);
	one(&convs[1], 28, true, NET_NO_BIAS, false, 2);
	one(&convs[12], 29, true, NET_RELU, true, 2);
	one(&convs[13], 30, true, NET_FLOAT_OUT, true, 1);
	one(&convs[14], 31, true, NET_FLOAT_BIAS, true, 1);
}

static void conv_float(void **state)
{
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(convs); i++)
		one(&convs[i], 40 + i, false, i % 2 ? 0 : NET_RELU, i % 3 == 0, 1 + (int)(i % 4 == 1));
	one(&convs[4], 60, false, NET_NO_BIAS, false, 1);
}

static const struct geom depthwise[] = {
    {64, 7, 5, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 64}, {8, 9, 9, 8, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 8},  {19, 8, 11, 19, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 19},
    {5, 9, 9, 5, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 5},    {33, 9, 9, 33, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 33}, {3, 12, 4, 3, 10, 1, 1, 1, 1, 1, 0, 0, 0, 0, 3},
    {4, 3, 20, 4, 1, 12, 1, 1, 1, 1, 0, 0, 0, 0, 4},  {16, 1, 1, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 16},
};

static void depthwise_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(depthwise); i++) {
		const struct geom *k = &depthwise[i];
		for (int quantized = 0; quantized < 2; quantized++) {
			struct net t = net_new(70 + i);
			int flags = i % 2 ? NET_RELU : 0;
			struct ig_vid x = net_input(&t, DIMS(1 + (int64_t)(i == 1), k->ic, k->h, k->w));
			if (quantized)
				x = net_quantize(&t, x, 2.0f / 255, 128);
			struct ig_vid y = net_conv(&t, IG_OP_DEPTHWISE_CONV2D, x, k, IG_NOVAL, flags);
			if (i % 3 == 0)
				y = net_conv(&t, IG_OP_DEPTHWISE_CONV2D, x, k, y, flags);
			net_output(&t, y);
			net_check(&t);
		}
	}
}

/* Quads of rows: blocks of 64, 32 and 16 channels and their tails, odd numbers of rows and columns, two rows of results and one. */
static void depthwise_quads(void **state)
{
	(void)state;
	static const int channels[] = {16, 17, 24, 32, 40, 63, 64, 80, 97, 144, 200};
	struct rng r = {.s = 99};
	for (size_t i = 0; i < 44; i++) {
		int ch = channels[i % IG_COUNTOF(channels)], kh = 2 + (int)(i / 2 % 3), kw = 1 + (int)(i % 4), dh = i % 9 == 8 ? 2 : 1, dw = i % 7 == 6 ? 2 : 1;
		struct geom k = {ch, rnd_in(&r, 1, 9) + (kh - 1) * dh, rnd_in(&r, 1, 11) + (kw - 1) * dw, ch, kh, kw, 1 + (int)(i / 3 % 2), 1 + (int)(i / 3 % 2), dh, dw,
		                 rnd_in(&r, 0, kh - 1), rnd_in(&r, 0, kw - 1), rnd_in(&r, 0, kh - 1), rnd_in(&r, 0, kw - 1), ch};
		struct net t = net_new(700 + i);
		struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1 + (int)(i % 5 == 4), ch, k.h, k.w)), 2.0f / 255, rnd_in(&t.r, 100, 150));
		net_output(&t, net_conv(&t, IG_OP_DEPTHWISE_CONV2D, x, &k, IG_NOVAL, i % 3 == 0 ? NET_RELU : i % 3 == 1 ? NET_FLOAT_BIAS : NET_NO_BIAS));
		net_check(&t);
	}
}

/* A convolution with as many groups as channels takes the depthwise schedule. */
static void grouped_as_depthwise(void **state)
{
	(void)state;
	one(&(struct geom){10, 6, 6, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 10}, 90, true, 0, false, 1);
	one(&(struct geom){10, 6, 6, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 10}, 91, false, 0, false, 1);
}

static void linear(void **state)
{
	static const struct { int rank; int64_t dim[4]; int units; } shapes[] = {
	    {2, {1, 64}, 12}, {2, {3, 37}, 20}, {3, {2, 5, 16}, 33}, {1, {24}, 10}, {4, {2, 3, 4, 12}, 9}, {2, {7, 256}, 70},
	};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(shapes); i++)
		for (int mode = 0; mode < 4; mode++) {
			struct net t = net_new(100 + i);
			struct geom k = {.ic = (int)shapes[i].dim[shapes[i].rank - 1], .oc = shapes[i].units, .groups = 1};
			struct ig_vid x = net_input(&t, shapes[i].rank, shapes[i].dim);
			if (mode)
				x = net_quantize(&t, x, 2.0f / 255, 120);
			struct ig_vid y = net_conv(&t, IG_OP_LINEAR, x, &k, IG_NOVAL, mode == 2 ? NET_FLOAT_OUT : 0);
			if (mode != 2)
				y = net_conv(&t, IG_OP_LINEAR, x, &k, y, mode == 3 ? NET_RELU : 0);
			net_output(&t, y);
			net_check(&t);
		}
}

/* Accumulators beyond 2^24: the conversion to float rounds. */
static void large_accumulators(void **state)
{
	(void)state;
	one(&(struct geom){160, 4, 4, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 200, true, 0, false, 1);
	one(&(struct geom){600, 2, 2, 17, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1}, 201, true, NET_RELU, false, 1);
}

/* Integer multiplier and shift per channel; scales such that shifts go both ways. */
static void fixed_point(void **state)
{
	(void)state;
	one(&convs[0], 220, true, NET_FIXED, true, 1);
	one(&convs[2], 221, true, NET_FIXED | NET_RELU, true, 1);
	one(&convs[4], 222, true, NET_FIXED | NET_FLOAT_OUT, false, 1);
	one(&(struct geom){160, 4, 4, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 223, true, NET_FIXED, true, 1);
	for (int k = 0; k < 2; k++) {
		struct net t = net_new(224);
		t.native = true;
		struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1, 64, 7, 5)), 2.0f / 255, 128), y = net_conv(&t, IG_OP_DEPTHWISE_CONV2D, x, &depthwise[0], IG_NOVAL, NET_FIXED);
		struct ig_vid z = net_conv(&t, IG_OP_DEPTHWISE_CONV2D, x, &depthwise[0], y, NET_FIXED);
		if (k) /* a result on a scale far finer than its input's: multipliers above one */
			set_q(t.g, z, IG_DT_U8, 1e-5f, 128);
		net_output(&t, y);
		if (!k)
			net_output(&t, z);
		net_check(&t);
	}
}

/* Where 16-bit sums of two products cannot saturate, and where they nearly could. */
static void small_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(convs); i++)
		one(&convs[i], 300 + i, true, NET_SMALL_WEIGHTS | (i % 2 ? NET_RELU : 0), i % 3 == 0, 1);
	for (int most = 127; most <= 129; most++) { /* 128 and 0, 64 and 64 fit; 65 and 64 do not */
		struct net t = net_new(340);
		struct geom k = {32, 3, 5, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1};
		struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1, 32, 3, 5)), 2.0f / 255, 128), y = net_conv(&t, IG_OP_CONV2D, x, &k, IG_NOVAL, NET_SMALL_WEIGHTS);
		struct ig_tensor *w = ig_def(t.g, ig_node(t.g, ig_value(t.g, y)->def)->in[1])->data;
		for (int64_t i = 0; i < 16 * 32; i++)
			((int8_t *)w->data)[i] = (int8_t)((i / 64 % 2 ? -1 : 1) * (i % 2 ? most / 2 : (most + 1) / 2));
		t.native = t.dull = true;
		net_output(&t, y);
		net_check(&t);
	}
}

/* Which instruction a layer gets depends on its weights alone. */
static void pairs_proved(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct net t = net_new(350);
		struct geom k = {32, 3, 5, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1};
		struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1, 32, 3, 5)), 2.0f / 255, 128), y = net_conv(&t, IG_OP_CONV2D, x, &k, IG_NOVAL, i ? NET_SMALL_WEIGHTS : 0);
		net_output(&t, y);
		must_infer(t.g);
		struct capture c;
		capture_begin(&c);
		struct kir_module *m = ig_lower(t.g, &ig_target_x86_64_v3, &(struct ig_lower_options){0}, c.diag);
		int fit = 0, dots = 0;
		assert_non_null(m);
		for (int f = 0; f < m->n_funcs; f++)
			for (int n = 0; n < m->func[f]->n; n++) {
				dots += m->func[f]->inst[n].op == KIR_DOT;
				fit += m->func[f]->inst[n].op == KIR_DOT && m->func[f]->inst[n].flags & KIR_PAIRS_FIT;
			}
		assert_true(dots > 0);
		assert_int_equal(fit, i ? dots : 0);
		kir_module_free(m);
		capture_end(&c);
		ig_graph_free(t.g);
	}
}

/* Results far outside of the bytes, below and above what 16 and 32 bits hold, with full and narrow ranges. */
static void saturation(void **state)
{
	static const float scales[] = {1e-2f, 1e-5f, 1e-8f, 1e-14f};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(scales); i++)
		for (int oc = 1; oc < 80; oc += 26) {
			struct net t = net_new(240 + i);
			struct geom k = {16, 5, 6, oc, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1};
			struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(1, 16, 5, 6)), 2.0f / 255, 128);
			struct ig_vid y = net_conv(&t, IG_OP_CONV2D, x, &k, IG_NOVAL, 0), z = net_conv(&t, IG_OP_CONV2D, x, &k, y, 0);
			set_q(t.g, z, IG_DT_U8, scales[i], 77);
			ig_attr_set_float(t.g, ig_value(t.g, z)->def, IG_A_MAX, (double)scales[i] * (oc % 2 ? 100 : 300)); /* a narrow range: up to 177 */
			t.native = t.dull = true;
			net_output(&t, z);
			net_check(&t);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(conv_int8),      cmocka_unit_test(conv_int8_variants), cmocka_unit_test(conv_float),         cmocka_unit_test(depthwise_all), cmocka_unit_test(depthwise_quads),
	    cmocka_unit_test(grouped_as_depthwise), cmocka_unit_test(linear),       cmocka_unit_test(large_accumulators), cmocka_unit_test(fixed_point), cmocka_unit_test(saturation),
	    cmocka_unit_test(small_weights),  cmocka_unit_test(pairs_proved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
