/* The float passes: what they change, what they must leave, and that the numbers stay. */
#include "passes_util.h"

static void test_canonicalize(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
	struct ig_vid padded = x;
	struct ig_nid pad = ig_graph_add(g, IG_OP_PAD, "pad", IG_NOLOC, &padded, 1);
	ig_attr_set_ints(g, pad, IG_A_PADS, (const int64_t[]){0, 0, 0, 1, 0, 0, 2, 0}, 8);
	struct ig_vid c = conv(g, "dw", result(g, pad), 4, 4, true);
	struct ig_nid same = ig_graph_add(g, IG_OP_RESHAPE, "same", IG_NOLOC, &c, 1);
	ig_attr_set_ints(g, same, IG_A_SHAPE, (const int64_t[]){1, 4, 8, 7}, 4);
	struct ig_vid s = result(g, same);
	struct ig_nid perm = ig_graph_add(g, IG_OP_TRANSPOSE, "perm", IG_NOLOC, &s, 1);
	ig_attr_set_ints(g, perm, IG_A_PERM, (const int64_t[]){0, 1, 3, 2}, 4);
	output(g, result(g, perm));
	struct ig_graph *before = ig_graph_clone(g);
	run_pass(g, "canonicalize");
	assert_int_equal(count_op(g, IG_OP_PAD), 0);
	assert_int_equal(count_op(g, IG_OP_RESHAPE), 0);
	assert_int_equal(count_op(g, IG_OP_TRANSPOSE), 1); /* not an identity */
	struct ig_node *dw = layer(g, "dw");
	assert_int_equal(dw->op, IG_OP_DEPTHWISE_CONV2D);
	assert_true(absorbed(dw, "pad") && absorbed(dw, "same"));
	int64_t p[4];
	ig_attr_ints(dw, IG_A_PAD, 0, p, 4);
	assert_true(p[0] == 1 && p[1] == 2 && p[2] == 3 && p[3] == 1);
	assert_true(difference(before, g) == 0);
	ig_graph_free(g);
	ig_graph_free(before);
}

/* A pad stays when it is not of zeros, is of negative zeros, reaches channels, or has another reader. */
static void test_pad_stays(void **state)
{
	(void)state;
	for (int k = 0; k < 4; k++) {
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
		struct ig_nid pad = ig_graph_add(g, IG_OP_PAD, "pad", IG_NOLOC, &x, 1);
		int64_t pads[8] = {0, k == 2, 1, 1, 0, 0, 1, 1};
		ig_attr_set_ints(g, pad, IG_A_PADS, pads, 8);
		if (k < 2)
			ig_attr_set_float(g, pad, IG_A_VALUE, k ? -0.0 : 0.5);
		struct ig_vid p = result(g, pad), c = conv(g, "c", p, 4, 1, true);
		output(g, c);
		if (k == 3)
			output(g, p);
		run_pass(g, "canonicalize");
		assert_int_equal(count_op(g, IG_OP_PAD), 1);
		ig_graph_free(g);
	}
}

static void test_pad_into_pool(void **state)
{
	(void)state;
	for (int k = 0; k < 3; k++) { /* plain pool; a pool that counts its own padding; one that does not */
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid x = input(g, "x", SHAPE(1, 4, 6, 6));
		struct ig_nid pad = ig_graph_add(g, IG_OP_PAD, "pad", IG_NOLOC, &x, 1);
		ig_attr_set_ints(g, pad, IG_A_PADS, (const int64_t[]){0, 0, 1, 0, 0, 0, 1, 1}, 8);
		struct ig_vid p = result(g, pad);
		struct ig_nid pool = ig_graph_add(g, IG_OP_AVG_POOL2D, "pool", IG_NOLOC, &p, 1);
		ig_attr_set_ints(g, pool, IG_A_KERNEL, (const int64_t[]){3, 3}, 2);
		if (k)
			ig_attr_set_ints(g, pool, IG_A_PAD, (const int64_t[]){0, 1, 0, 0}, 4);
		ig_attr_set_int(g, pool, IG_A_COUNT_INCLUDE_PAD, k == 1);
		output(g, result(g, pool));
		struct ig_graph *before = ig_graph_clone(g);
		run_pass(g, "canonicalize");
		assert_int_equal(count_op(g, IG_OP_PAD), k == 2);
		assert_true(difference(before, g) == 0);
		ig_graph_free(g);
		ig_graph_free(before);
	}
}

static void test_fold_constants(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 8));
	struct ig_vid a = constant(g, "a", -1, 1, SHAPE(1, 8)), b = constant(g, "b", -1, 1, SHAPE(8));
	struct ig_vid sum = op2(g, IG_OP_ADD, "sum", a, b), t = op1(g, IG_OP_TANH, "t", sum);
	output(g, op2(g, IG_OP_MUL, "y", x, t));
	struct ig_graph *before = ig_graph_clone(g);
	run_pass(g, "canonicalize");
	run_pass(g, "fold_constants");
	assert_int_equal(layer(g, "t")->op, IG_OP_CONSTANT);
	run_pass(g, "dce");
	assert_int_equal(count_op(g, IG_OP_CONSTANT), 1);
	assert_true(ig_graph_find(g, "sum").i < 0);
	assert_true(difference(before, g) == 0);
	ig_graph_free(g);
	ig_graph_free(before);
}

/* A 3 x 2 kernel, stride 2, two groups. */
static struct ig_vid transposed(struct ig_graph *g, const char *name, struct ig_vid x, int64_t filters)
{
	struct ig_vid in[3] = {x, constant(g, "c.w", -1, 1, SHAPE(ig_vtype(g, x)->dim[1], filters / 2, 3, 2)), constant(g, "c.b", -1, 1, SHAPE(filters))};
	struct ig_nid id = ig_graph_add(g, IG_OP_CONV_TRANSPOSE2D, name, IG_NOLOC, in, 3);
	ig_attr_set_ints(g, id, IG_A_STRIDE, (const int64_t[]){2, 2}, 2);
	ig_attr_set_int(g, id, IG_A_GROUPS, 2);
	return result(g, id);
}

static void test_batch_norm(void **state)
{
	(void)state;
	for (int k = 0; k < 7; k++) { /* conv, conv without bias, depthwise, linear, a conv read twice, no conv, transposed conv */
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid x = k == 3 ? input(g, "x", SHAPE(1, 7)) : input(g, "x", SHAPE(1, 4, 5, 5));
		struct ig_vid c = k == 3 ? linear(g, "c", x, 6) : k == 5 ? x : k == 6 ? transposed(g, "c", x, 6) : conv(g, "c", x, k == 2 ? 4 : 6, k == 2 ? 4 : 1, k != 1);
		struct ig_vid b = batch_norm(g, "bn", c);
		output(g, b);
		if (k == 4)
			output(g, c);
		struct ig_graph *before = ig_graph_clone(g);
		run_pass(g, "canonicalize");
		run_pass(g, "fold_batch_norm");
		run_pass(g, "dce");
		assert_int_equal(count_op(g, IG_OP_BATCH_NORM), 0);
		assert_true(difference(before, g) < 2e-5);
		if (k < 4 || k == 6) {
			assert_true(absorbed(layer(g, "c"), "bn"));
			assert_int_equal(layer(g, "c")->n_in, 3);
			assert_string_equal(ig_value(g, g->output[0])->name, "bn"); /* the last value's name */
			assert_int_equal(count_op(g, IG_OP_CONSTANT), 2);
		} else {
			assert_int_equal(layer(g, "bn")->op, IG_OP_DEPTHWISE_CONV2D);
		}
		ig_graph_free(g);
		ig_graph_free(before);
	}
}

/* The folded weights are those of the formula in double, rounded once. */
static void test_batch_norm_exact(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid c = conv(g, "c", input(g, "x", SHAPE(1, 3, 5, 5)), 4, 1, true);
	output(g, batch_norm(g, "bn", c));
	struct ig_graph *before = ig_graph_clone(g);
	run_pass(g, "canonicalize");
	run_pass(g, "fold_batch_norm");
	const struct ig_node *bn = layer(before, "bn"), *old = layer(before, "c"), *new = layer(g, "c");
	const float *p[4], *w = ig_const_data(before, old->in[1])->data, *b = ig_const_data(before, old->in[2])->data;
	for (int i = 0; i < 4; i++)
		p[i] = ig_const_data(before, bn->in[1 + i])->data;
	const float *nw = ig_const_data(g, new->in[1])->data, *nb = ig_const_data(g, new->in[2])->data;
	for (int o = 0; o < 4; o++) {
		double k = (double)p[0][o] / sqrt((double)p[3][o] + 1e-5);
		for (int i = 0; i < 27; i++)
			assert_true(nw[o * 27 + i] == (float)((double)w[o * 27 + i] * k));
		assert_true(nb[o] == (float)(((double)b[o] - (double)p[2][o]) * k + (double)p[1][o]));
	}
	ig_graph_free(g);
	ig_graph_free(before);
}

static void test_bad_variance(void **state)
{
	(void)state;
	FILE *out = tmpfile();
	struct ig_diag *d = ig_diag_new(out, false);
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid c = conv(g, "c", input(g, "x", SHAPE(1, 3, 5, 5)), 4, 1, true);
	output(g, batch_norm(g, "bn", c));
	run_pass(g, "canonicalize");
	((float *)ig_const_data(g, layer(g, "bn")->in[4])->data)[2] = -1;
	struct ig_context ctx = {.diag = d};
	assert_false(ig_pass_run(ig_pass_find("fold_batch_norm"), g, &ctx));
	assert_int_equal(ig_diag_errors(d), 1);
	ig_diag_free(d);
	fclose(out);
	ig_graph_free(g);
}

static void prepare(struct ig_graph *g)
{
	run_pass(g, "canonicalize");
	run_pass(g, "fuse");
	run_pass(g, "dce");
}

/* conv + add + relu where both operands are convolutions: the larger one is the main operation, of equal ones the later. */
static void test_fuse_residual(void **state)
{
	(void)state;
	for (int swap = 0; swap < 3; swap++) {
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid x = input(g, "x", SHAPE(1, 4, 5, 5)), a, b;
		if (swap == 2) { /* b is larger, but comes first */
			b = conv(g, "b", x, 4, 1, false);
			a = conv(g, "a", x, 4, 2, true);
		} else {
			a = conv(g, "a", x, 4, 1, true);
			b = conv(g, "b", x, 4, 1, false);
		}
		struct ig_vid s = op2(g, IG_OP_ADD, "s", swap ? b : a, swap ? a : b);
		output(g, op1(g, IG_OP_RELU6, "y", s));
		struct ig_graph *before = ig_graph_clone(g);
		prepare(g);
		assert_int_equal(count_op(g, IG_OP_ADD) + count_op(g, IG_OP_RELU6), 0);
		const struct ig_node *n = layer(g, "b");
		assert_int_equal(n->op, IG_OP_CONV2D_ADD);
		assert_int_equal(n->n_in, 4);
		assert_true(n->in[3].i == layer(g, "a")->out[0].i);
		assert_true(absorbed(n, "s") && absorbed(n, "y"));
		assert_true(ig_attr_float(n, IG_A_MIN, -1) == 0 && ig_attr_float(n, IG_A_MAX, -1) == 6);
		assert_string_equal(ig_value(g, n->out[0])->name, "y");
		assert_true(difference(before, g) == 0);
		ig_graph_free(g);
		ig_graph_free(before);
	}
}

/* The other operand may be defined after the convolution (ResNet-20's shortcut): the fused node stands where the add stood. */
static void test_fuse_late_operand(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 5, 5)), a = conv(g, "a", x, 4, 1, true), t = op1(g, IG_OP_TANH, "t", x);
	output(g, op2(g, IG_OP_ADD, "s", a, t));
	struct ig_graph *before = ig_graph_clone(g);
	prepare(g);
	assert_int_equal(layer(g, "a")->op, IG_OP_CONV2D_ADD);
	assert_true(difference(before, g) == 0);
	ig_graph_free(g);
	ig_graph_free(before);
}

/* What must not be fused: a result with another reader, broadcast, an activation before the addition, a sum of a value with itself. */
static void test_fuse_refuses(void **state)
{
	(void)state;
	for (int k = 0; k < 4; k++) {
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid x = input(g, "x", SHAPE(1, 4, 5, 5)), a = conv(g, "a", x, 4, 1, true);
		struct ig_vid other = k == 1 ? constant(g, "k", -1, 1, SHAPE(1, 4, 1, 1)) : x, main = k == 2 ? op1(g, IG_OP_RELU, "r", a) : a;
		struct ig_vid s = op2(g, IG_OP_ADD, "s", main, k == 3 ? main : other);
		output(g, op1(g, IG_OP_RELU, "y", s));
		if (k == 0)
			output(g, a);
		struct ig_graph *before = ig_graph_clone(g);
		prepare(g);
		assert_int_equal(count_op(g, IG_OP_ADD), 1);
		assert_true(ig_attr(layer(g, "s"), IG_A_MIN) != NULL); /* its own relu is in it */
		assert_int_equal(ig_attr(layer(g, "a"), IG_A_MIN) != NULL, k == 2);
		assert_true(difference(before, g) == 0);
		ig_graph_free(g);
		ig_graph_free(before);
	}
}

/* clip(relu(x)) and the like are one clamp. */
static void test_fuse_clamps(void **state)
{
	(void)state;
	static const double bounds[][4] = {{-INFINITY, INFINITY, 0.1, 0.3}, {0.2, 0.4, -1, 0.3}, {0.5, 0.7, 0.1, 0.2}, {-0.3, -0.1, 0, INFINITY}};
	for (size_t k = 0; k < IG_COUNTOF(bounds); k++) {
		struct ig_graph *g = ig_graph_new("m");
		struct ig_vid v = linear(g, "l", input(g, "x", SHAPE(1, 9)), 30);
		for (int i = 0; i < 2; i++) {
			struct ig_nid id = ig_graph_add(g, IG_OP_CLIP, i ? "c1" : "c0", IG_NOLOC, &v, 1);
			if (isfinite(bounds[k][2 * i]))
				ig_attr_set_float(g, id, IG_A_MIN, bounds[k][2 * i]);
			if (isfinite(bounds[k][2 * i + 1]))
				ig_attr_set_float(g, id, IG_A_MAX, bounds[k][2 * i + 1]);
			v = result(g, id);
		}
		output(g, v);
		struct ig_graph *before = ig_graph_clone(g);
		prepare(g);
		assert_int_equal(count_op(g, IG_OP_CLIP), 0);
		assert_true(difference(before, g) == 0);
		ig_graph_free(g);
		ig_graph_free(before);
	}
}

static void test_dce(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid x = input(g, "x", SHAPE(1, 4, 5, 5));
	input(g, "unused", SHAPE(1, 2));
	op1(g, IG_OP_TANH, "dead2", op1(g, IG_OP_RELU, "dead1", conv(g, "dead0", x, 4, 1, true)));
	output(g, op1(g, IG_OP_SIGMOID, "y", x));
	run_pass(g, "dce");
	assert_int_equal(count_op(g, IG_OP_INPUT), 2); /* the signature stays */
	assert_int_equal(count_op(g, IG_OP_CONV2D) + count_op(g, IG_OP_CONSTANT) + count_op(g, IG_OP_RELU) + count_op(g, IG_OP_TANH), 0);
	assert_int_equal(count_op(g, IG_OP_SIGMOID), 1);
	ig_graph_free(g);
}

static void test_runner(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("m");
	struct ig_vid c = conv(g, "c", input(g, "x", SHAPE(1, 4, 5, 5)), 4, 1, true);
	output(g, op1(g, IG_OP_RELU, "y", c));
	FILE *out = tmpfile();
	struct ig_context ctx = {.diag = diag, .verify = true, .stop_after = "fuse", .dump_after = "fuse", .dump_file = out};
	bool stopped;
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &ctx, &stopped));
	assert_true(stopped);
	assert_true((g->facts & IG_F_FUSED) && !(g->facts & IG_F_MAPPED));
	assert_int_equal(layer(g, "c")->precision, IG_PREC_UNSET);
	assert_true(ftell(out) > 0);
	ctx.stop_after = NULL;
	assert_true(ig_pipeline_run(IG_HALF_FLOAT, g, &ctx, &stopped)); /* again: passes are idempotent */
	assert_false(stopped);
	assert_true(g->facts & IG_F_MAPPED);
	assert_int_equal(layer(g, "c")->precision, IG_PREC_INT8);
	assert_null(ig_pass_find("fold"));
	int n;
	for (int half = IG_HALF_FLOAT; half <= IG_HALF_QUANTIZE; half++) {
		const struct ig_pass *p = ig_pipeline((enum ig_half)half, &n);
		for (int i = 0; i < n; i++)
			assert_true(ig_pass_find(p[i].name) && p[i].help && p[i].run);
	}
	fclose(out);
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_canonicalize),  cmocka_unit_test(test_pad_stays),         cmocka_unit_test(test_pad_into_pool), cmocka_unit_test(test_fold_constants),
	    cmocka_unit_test(test_batch_norm),    cmocka_unit_test(test_batch_norm_exact),  cmocka_unit_test(test_bad_variance),  cmocka_unit_test(test_fuse_residual),
	    cmocka_unit_test(test_fuse_late_operand), cmocka_unit_test(test_fuse_refuses), cmocka_unit_test(test_fuse_clamps),   cmocka_unit_test(test_dce),
	    cmocka_unit_test(test_runner),
	};
	return cmocka_run_group_tests(tests, start, finish);
}
