/* codegen/lower.c, layout.c: which values share memory, and what goes straight to the caller. */
#include "tests/unit/lower_check.h"

static const struct geom same3 = {8, 6, 6, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, point = {8, 6, 6, 8, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1};

static struct ig_vid start(struct net *t, int channels) { return net_quantize(t, net_input(t, DIMS(1, channels, 6, 6)), 2.0f / 255, 128); }

static struct kir_module *lowered(struct net *t, bool keep)
{
	struct capture c;
	struct ig_lower_options o = {.keep = keep};
	must_infer(t->g);
	capture_begin(&c);
	struct kir_module *m = ig_lower(t->g, ig_target_find("x86-64-avx512vnni"), &o, c.diag);
	if (!m)
		fail_msg("%s", capture_text(&c));
	capture_end(&c);
	return m;
}

static const struct kir_tensor *tensor(const struct kir_module *m, struct ig_vid v)
{
	for (int i = 0; i < m->n_tensors; i++)
		if (m->tensor[i].value.i == v.i)
			return &m->tensor[i];
	fail_msg("value %d is not listed", v.i);
	return NULL;
}

static bool has_func(const struct kir_module *m, const char *layer)
{
	for (int i = 0; i < m->n_funcs; i++)
		if (strcmp(m->func[i]->layer, layer) == 0)
			return true;
	return false;
}

/* concat(conv, conv, pool) writes nothing itself: its producers do; a slice of it is a view; an operand given twice is copied once. */
static void concat_and_slice(void **state)
{
	(void)state;
	struct net t = net_new(900);
	struct ig_vid x = start(&t, 8), in[4];
	struct ig_vid a = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0), b = net_conv(&t, IG_OP_CONV2D, a, &point, IG_NOVAL, NET_RELU);
	struct ig_qid q = ig_vtype(t.g, a)->q;
	ig_value(t.g, b)->type.q = q;
	in[0] = a, in[1] = b, in[2] = a;
	struct ig_nid id = ig_graph_add(t.g, IG_OP_CONCAT, "cat", IG_NOLOC, in, 3);
	struct ig_vid cat = result(t.g, id);
	ig_value(t.g, cat)->type.dtype = IG_DT_U8;
	ig_value(t.g, cat)->type.q = q;
	net_infer(&t, cat);
	struct ig_vid part = net_op(&t, IG_OP_SLICE, cat, IG_NOVAL);
	struct ig_nid s = ig_value(t.g, part)->def;
	ig_attr_set_ints(t.g, s, IG_A_STARTS, (int64_t[]){5}, 1);
	ig_attr_set_ints(t.g, s, IG_A_ENDS, (int64_t[]){13}, 1);
	ig_attr_set_ints(t.g, s, IG_A_AXES, (int64_t[]){1}, 1);
	ig_value(t.g, part)->type.dtype = IG_DT_U8;
	ig_value(t.g, part)->type.q = q;
	net_infer(&t, part);
	struct ig_vid y = net_conv(&t, IG_OP_CONV2D, part, &same3, IG_NOVAL, 0);
	net_output(&t, y);
	net_output(&t, cat);
	struct kir_module *m = lowered(&t, false);
	const struct kir_tensor *tc = tensor(m, cat), *tb = tensor(m, b), *tp = tensor(m, part);
	assert_int_equal(tensor(m, a)->buf, tc->buf);
	assert_int_equal(tb->buf, tc->buf);
	assert_int_equal(tb->base - tc->base, 8);
	assert_int_equal(tb->stride[3], 24);
	assert_int_equal(tp->buf, tc->buf);
	assert_int_equal(tp->base - tc->base, 5);
	assert_false(has_func(m, ig_def(t.g, part)->name));
	kir_module_free(m);
	net_check(&t);
}

/* Operands of a concatenation with other parameters are requantized into place. */
static void concat_requantizes(void **state)
{
	(void)state;
	for (int axis = 0; axis < 4; axis++) {
		struct net t = net_new(910 + (uint64_t)axis);
		struct ig_vid x = start(&t, 8), in[3] = {net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0), net_conv(&t, IG_OP_CONV2D, x, &point, IG_NOVAL, 0), x};
		struct ig_vid cat = result(t.g, ig_graph_add(t.g, IG_OP_CONCAT, "cat", IG_NOLOC, in, 3));
		ig_attr_set_int(t.g, ig_value(t.g, cat)->def, IG_A_AXIS, axis);
		set_q(t.g, cat, IG_DT_U8, ig_qparam(t.g, ig_vtype(t.g, in[0])->q)->scale[0] * 1.5f, 99);
		net_infer(&t, cat);
		net_output(&t, cat);
		net_check(&t);
	}
}

/* A float concatenation of inputs (which nobody may write elsewhere) and results. */
static void concat_float(void **state)
{
	(void)state;
	for (int axis = 0; axis < 4; axis++) {
		struct net t = net_new(920 + (uint64_t)axis);
		struct ig_vid x = net_input(&t, DIMS(1, 8, 6, 6)), in[2] = {net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0), x};
		struct ig_vid cat = result(t.g, ig_graph_add(t.g, IG_OP_CONCAT, "cat", IG_NOLOC, in, 2));
		ig_attr_set_int(t.g, ig_value(t.g, cat)->def, IG_A_AXIS, axis);
		net_infer(&t, cat);
		struct ig_vid y = net_op(&t, IG_OP_SIGMOID, cat, IG_NOVAL);
		net_infer(&t, y);
		net_output(&t, y);
		net_check(&t);
	}
}

static void in_place(void **state)
{
	(void)state;
	struct net t = net_new(930);
	struct ig_vid x = start(&t, 8), a = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0), b = net_conv(&t, IG_OP_CONV2D, x, &point, IG_NOVAL, 0);
	struct ig_vid sum = net_op(&t, IG_OP_ADD, a, b);
	set_q(t.g, sum, IG_DT_U8, ig_qparam(t.g, ig_vtype(t.g, a)->q)->scale[0] * 1.4f, 100);
	net_infer(&t, sum);
	struct ig_vid y = net_conv(&t, IG_OP_CONV2D, a, &point, sum, NET_RELU);
	struct ig_vid z = net_op(&t, IG_OP_RELU, y, IG_NOVAL); /* y is an output: it must survive */
	set_q(t.g, z, IG_DT_U8, ig_qparam(t.g, ig_vtype(t.g, y)->q)->scale[0], 20);
	net_infer(&t, z);
	net_output(&t, y);
	net_output(&t, z);
	struct kir_module *m = lowered(&t, false), *k = lowered(&t, true);
	assert_int_equal(tensor(m, sum)->buf, tensor(m, b)->buf); /* a is read again later */
	assert_int_equal(tensor(m, y)->buf, tensor(m, sum)->buf); /* the residual dies */
	assert_int_not_equal(tensor(m, z)->buf, tensor(m, y)->buf);
	assert_int_not_equal(tensor(k, sum)->buf, tensor(k, b)->buf);
	kir_module_free(m);
	kir_module_free(k);
	net_check(&t);
}

/* flatten and the layer before it: no copy anywhere, the last layer writes the caller's memory. */
static void straight_to_output(void **state)
{
	(void)state;
	struct net t = net_new(940);
	struct geom fc = {.ic = 8, .oc = 12, .groups = 1};
	struct ig_vid x = start(&t, 8), a = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0);
	struct ig_vid pool = net_op(&t, IG_OP_GLOBAL_AVG_POOL, a, IG_NOVAL);
	ig_value(t.g, pool)->type = *ig_vtype(t.g, a);
	net_infer(&t, pool);
	struct ig_vid flat = net_op(&t, IG_OP_FLATTEN, pool, IG_NOVAL);
	ig_value(t.g, flat)->type = *ig_vtype(t.g, pool);
	net_infer(&t, flat);
	struct ig_vid y = net_conv(&t, IG_OP_LINEAR, flat, &fc, IG_NOVAL, NET_FLOAT_OUT);
	net_output(&t, y);
	net_output(&t, flat); /* its memory is the caller's, and pool's with it */
	struct kir_module *m = lowered(&t, false);
	assert_int_equal(m->buf[tensor(m, y)->buf].space, KIR_OUT);
	assert_int_equal(m->buf[tensor(m, flat)->buf].space, KIR_OUT);
	assert_int_equal(tensor(m, pool)->buf, tensor(m, flat)->buf);
	assert_int_equal(m->n_funcs, 4); /* quantize, conv, pool, linear */
	kir_module_free(m);
	net_check(&t);
}

/* An input that is an output, one value twice, a constant, a rank-4 value in logical order. */
static void odd_outputs(void **state)
{
	(void)state;
	struct net t = net_new(950);
	struct ig_vid x = net_input(&t, DIMS(1, 8, 6, 6)), y = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0);
	struct ig_vid s = net_op(&t, IG_OP_TANH, y, IG_NOVAL);
	net_infer(&t, s);
	net_output(&t, x);
	net_output(&t, s);
	net_output(&t, s);
	net_output(&t, y);
	net_output(&t, net_random(&t, IG_DT_F32, DIMS(1, 3, 2, 2), 1));
	net_check(&t);
}

/* A float layer that reads an input in logical order, twice; a NaN that leaves the graph is the canonical one. */
static void canonical_nan(void **state)
{
	(void)state;
	struct net t = net_new(960);
	struct ig_vid x = net_input(&t, DIMS(1, 16)), y = net_op(&t, IG_OP_RELU, x, IG_NOVAL);
	net_output(&t, y);
	struct kir_module *m = lowered(&t, false);
	uint32_t bits[16], out[16];
	const void *in[1] = {bits};
	void *o[1] = {out}, *arena = NULL;
	for (int i = 0; i < 16; i++)
		bits[i] = i % 2 ? 0xffc12345u : 0x3f800000u;
	if (posix_memalign(&arena, 64, (size_t)m->arena_bytes + 64))
		fail();
	struct kir_interp *ki = kir_interp_new(m);
	kir_interp_run(ki, in, o, arena);
	for (int i = 0; i < 16; i++)
		assert_int_equal(out[i], i % 2 ? 0x7fc00000u : 0x3f800000u);
	kir_interp_free(ki);
	free(arena);
	kir_module_free(m);
	ig_graph_free(t.g);
}

static int scratch_buffers(const struct kir_module *m)
{
	int n = 0;
	for (int i = 0; i < m->n_bufs; i++)
		n += m->buf[i].space == KIR_SCRATCH;
	return n;
}

/* A value that convolutions read with padding has room for it around: no copies. Different paddings take the largest; a value that is also written in place
   and one in a concatenation stay right. */
static void halo(void **state)
{
	static const struct geom wide = {8, 6, 6, 8, 5, 3, 1, 1, 1, 1, 2, 1, 2, 1, 1}, strided = {8, 6, 6, 8, 3, 3, 2, 2, 1, 1, 0, 0, 1, 1, 8};
	(void)state;
	struct net t = net_new(980);
	struct ig_vid x = net_quantize(&t, net_input(&t, DIMS(2, 8, 6, 6)), 2.0f / 255, 99);
	struct ig_vid a = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0), e = net_conv(&t, IG_OP_CONV2D, a, &wide, IG_NOVAL, 0);
	struct ig_vid b = net_conv(&t, IG_OP_CONV2D, a, &same3, e, NET_RELU); /* in place of e, which therefore has the room that b needs */
	struct ig_vid c = net_conv(&t, IG_OP_DEPTHWISE_CONV2D, b, &strided, IG_NOVAL, 0), d = net_conv(&t, IG_OP_CONV2D, b, &same3, IG_NOVAL, 0);
	net_output(&t, c);
	net_output(&t, d);
	struct kir_module *m = lowered(&t, false);
	const struct kir_tensor *ta = tensor(m, a), *tb = tensor(m, b);
	assert_int_equal(scratch_buffers(m), 0);
	assert_int_equal(ta->stride[2], 8 * (6 + 2)); /* one column on either side */
	assert_int_equal(ta->base, 2 * ta->stride[2] + 8); /* two rows above */
	assert_int_equal(tb->buf, tensor(m, e)->buf);
	kir_module_free(m);
	net_check(&t);
}

/* Many layers in a row reuse memory. */
static void memory_is_reused(void **state)
{
	(void)state;
	struct net t = net_new(970);
	struct ig_vid x = start(&t, 8);
	for (int i = 0; i < 12; i++)
		x = net_conv(&t, IG_OP_CONV2D, x, &same3, IG_NOVAL, 0);
	net_output(&t, x);
	struct kir_module *m = lowered(&t, false), *k = lowered(&t, true);
	assert_true(m->arena_bytes < 4 * (8 * 8 * 8 + 256));
	assert_true(k->arena_bytes > 12 * 8 * 36);
	kir_module_free(m);
	kir_module_free(k);
	net_check(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(concat_and_slice),   cmocka_unit_test(concat_requantizes), cmocka_unit_test(concat_float),
	    cmocka_unit_test(in_place),           cmocka_unit_test(straight_to_output), cmocka_unit_test(odd_outputs),
	    cmocka_unit_test(canonical_nan),      cmocka_unit_test(memory_is_reused),   cmocka_unit_test(halo),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
