/* ir/graph.c, attr.c, tensor.c, opinfo.c, verify.c, hash.c, dot.c */
#include "tests/unit/graph_build.h"

#include "ir/print.h"

static void tables(void **state)
{
	(void)state;
	enum ig_op op;
	enum ig_dtype dt;
	enum ig_attr_id a;
	assert_true(ig_op_find("depthwise_conv2d_add", &op) && op == IG_OP_DEPTHWISE_CONV2D_ADD);
	assert_false(ig_op_find("conv3d", &op));
	assert_true(ig_dtype_find("s4", &dt) && dt == IG_DT_S4 && ig_dtypes[dt].bits == 4 && ig_dtypes[dt].is_signed);
	assert_true(ig_attr_find("count_include_pad", &a) && ig_attrs[a].kind == IG_AK_BOOL);
	assert_int_equal(ig_ops[IG_OP_CONV2D].n_attrs, 13);
	assert_int_equal(ig_ops[IG_OP_CONV2D].attrs[0], IG_A_KERNEL);
	assert_int_equal(ig_ops[IG_OP_CONV2D].attrs[12], IG_A_WEIGHT);
	assert_int_equal(ig_ops[IG_OP_RELU].n_attrs, 0);
	assert_int_equal(ig_ops[IG_OP_FLATTEN].n_attrs, 1);
	assert_int_equal(ig_ops[IG_OP_CONV2D].quant, IG_QC_COMPUTE);
	assert_true(ig_ops[IG_OP_LINEAR].macs && !ig_ops[IG_OP_ADD].macs);
	assert_true(ig_op_has_attr(IG_OP_SLICE, IG_A_STEPS) && !ig_op_has_attr(IG_OP_RELU, IG_A_ALPHA));
	for (int i = 0; i < IG_OP_COUNT; i++)
		assert_true(ig_ops[i].min_in <= ig_ops[i].max_in && ig_ops[i].n_attrs <= IG_MAX_ATTRS);
}

static struct ig_graph *two_relus(struct ig_vid v[3])
{
	struct ig_graph *g = ig_graph_new("t");
	v[0] = add_input(g, "x", IG_DT_F32, DIMS(2, 3));
	v[1] = result(g, add_node(g, IG_OP_RELU, "relu", v[0], IG_NOVAL, IG_NOVAL, IG_NOVAL));
	v[2] = result(g, add_node(g, IG_OP_LEAKY_RELU, "relu", v[1], IG_NOVAL, IG_NOVAL, IG_NOVAL));
	ig_graph_mark_output(g, v[2], "y");
	return g;
}

static void names_and_uses(void **state)
{
	(void)state;
	struct ig_vid v[3];
	struct ig_graph *g = two_relus(v);
	assert_string_equal(ig_value(g, v[2])->name, "relu_1");
	assert_string_equal(ig_def(g, v[2])->name, "relu_1");
	assert_string_equal(ig_graph_unique_name(g, "relu"), "relu_2");
	assert_string_equal(ig_graph_unique_name(g, "fresh"), "fresh");
	assert_int_equal(ig_graph_find(g, "relu_1").i, ig_value(g, v[2])->def.i);
	assert_int_equal(ig_graph_find(g, "none").i, -1);
	assert_int_equal(ig_graph_uses(g, v[1]), 1);
	assert_int_equal(ig_graph_uses(g, v[2]), 1); /* the graph's output */
	assert_true(ig_graph_is_output(g, v[2]) && !ig_graph_is_output(g, v[1]));
	assert_int_equal(ig_graph_only_user(g, v[1]).i, ig_value(g, v[2])->def.i);
	assert_int_equal(ig_graph_only_user(g, v[2]).i, -1);
	/* the first relu out of the list; its name is free again */
	ig_graph_replace_uses(g, v[1], v[0]);
	ig_graph_remove(g, ig_value(g, v[1])->def);
	assert_int_equal(ig_graph_uses(g, v[0]), 1);
	assert_int_equal(ig_graph_find(g, "relu").i, -1);
	assert_string_equal(ig_graph_unique_name(g, "relu"), "relu");
	must_infer(g);
	ig_graph_free(g);
}

static void many_equal_names(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid v = add_input(g, "x", IG_DT_F32, DIMS(1));
	for (int i = 0; i < 3000; i++)
		v = result(g, add_node(g, IG_OP_RELU, "a", v, IG_NOVAL, IG_NOVAL, IG_NOVAL));
	assert_string_equal(ig_value(g, v)->name, "a_2999");
	must_infer(g);
	ig_graph_free(g);
}

static void order_of_insertion(void **state)
{
	(void)state;
	struct ig_vid v[3];
	struct ig_graph *g = two_relus(v);
	float k = 1;
	struct ig_vid c = add_constant(g, "k", IG_DT_F32, DIMS(1), &k);
	assert_int_equal(ig_first(g).i, ig_value(g, c)->def.i); /* constants go to the start */
	struct ig_nid mid = ig_graph_add_before(g, ig_value(g, v[2])->def, IG_OP_RELU6, "mid", IG_NOLOC, &v[1], 1);
	assert_int_equal(ig_next(g, ig_value(g, v[1])->def).i, mid.i);
	assert_int_equal(ig_next(g, mid).i, ig_value(g, v[2])->def.i);
	assert_int_equal(g->last, ig_value(g, v[2])->def.i);
	must_infer(g);
	ig_graph_free(g);
}

static void attributes(void **state)
{
	(void)state;
	struct ig_graph *g = ig_graph_new("t");
	struct ig_vid x = add_input(g, "x", IG_DT_F32, DIMS(1, 1, 9, 9));
	struct ig_nid n = add_node(g, IG_OP_AVG_POOL2D, "p", x, IG_NOVAL, IG_NOVAL, IG_NOVAL);
	int64_t out[4];
	ig_attr_ints(ig_node(g, n), IG_A_STRIDE, 7, out, 2);
	assert_true(out[0] == 7 && out[1] == 7);
	ig_attr_set_int(g, n, IG_A_STRIDE, 2); /* a lone number stands for each place */
	ig_attr_set_ints(g, n, IG_A_KERNEL, (int64_t[]){3, 5}, 2);
	ig_attr_ints(ig_node(g, n), IG_A_STRIDE, 1, out, 2);
	assert_true(out[0] == 2 && out[1] == 2);
	ig_attr_ints(ig_node(g, n), IG_A_KERNEL, 1, out, 2);
	assert_true(out[0] == 3 && out[1] == 5);
	ig_attr_set_str(g, n, IG_A_PAD, "same");
	assert_string_equal(ig_attr_str(ig_node(g, n), IG_A_PAD, ""), "same");
	assert_int_equal(ig_attr(ig_node(g, n), IG_A_PAD)->n, 0);
	ig_attr_set_int(g, n, IG_A_CEIL_MODE, 1);
	assert_int_equal(ig_attr_int(ig_node(g, n), IG_A_CEIL_MODE, 0), 1);
	ig_attr_unset(g, n, IG_A_CEIL_MODE);
	assert_int_equal(ig_attr_int(ig_node(g, n), IG_A_CEIL_MODE, 0), 0);
	assert_int_equal(ig_node(g, n)->n_attrs, 3);
	ig_graph_free(g);
}

static void absorbed_names(void **state)
{
	(void)state;
	struct ig_vid v[3];
	struct ig_graph *g = two_relus(v);
	struct ig_nid a = ig_value(g, v[1])->def, b = ig_value(g, v[2])->def;
	ig_node_absorb(g, a, b);
	assert_int_equal(ig_node(g, a)->n_absorbed, 1);
	struct ig_nid c = add_node(g, IG_OP_RELU, "c", v[2], IG_NOVAL, IG_NOVAL, IG_NOVAL);
	ig_node_absorb(g, c, a);
	assert_int_equal(ig_node(g, c)->n_absorbed, 2);
	assert_string_equal(ig_node(g, c)->absorbed[0], "relu");
	assert_string_equal(ig_node(g, c)->absorbed[1], "relu_1");
	ig_graph_free(g);
}

static void clones_are_equal_and_apart(void **state)
{
	(void)state;
	struct ig_vid v[3];
	struct ig_graph *g = two_relus(v);
	ig_attr_set_float(g, ig_value(g, v[2])->def, IG_A_ALPHA, 0.25);
	set_q(g, v[2], IG_DT_U8, 0.5f, 3);
	struct ig_graph *c = ig_graph_clone(g);
	assert_true(ig_hash(g) == ig_hash(c));
	ig_attr_set_float(c, ig_value(c, v[2])->def, IG_A_ALPHA, 0.5);
	assert_true(ig_hash(g) != ig_hash(c));
	assert_true(ig_attr_float(ig_def(g, v[2]), IG_A_ALPHA, 0) == 0.25);
	ig_graph_free(g);
	assert_string_equal(ig_value(c, v[2])->name, "relu_1"); /* the original's memory is gone */
	assert_int_equal(ig_qparam(c, ig_vtype(c, v[2])->q)->zero_point[0], 3);
	ig_graph_free(c);
}

static void hash_sees_data_not_ids(void **state)
{
	(void)state;
	float k[2] = {1, 2};
	uint64_t h[3];
	for (int i = 0; i < 3; i++) {
		struct ig_graph *g = ig_graph_new("t");
		k[1] = i == 2 ? 3 : 2;
		struct ig_vid x = add_input(g, "x", IG_DT_F32, DIMS(2)), c;
		if (i == 1) /* a node that comes and goes shifts the ids */
			ig_graph_remove(g, add_node(g, IG_OP_RELU, "tmp", x, IG_NOVAL, IG_NOVAL, IG_NOVAL));
		c = add_constant(g, "k", IG_DT_F32, DIMS(2), k);
		add_node(g, IG_OP_ADD, "y", x, c, IG_NOVAL, IG_NOVAL);
		must_infer(g);
		h[i] = ig_hash(g);
		ig_graph_free(g);
	}
	assert_true(h[0] == h[1]);
	assert_true(h[0] != h[2]);
	/* fixed on every machine: states and objects carry it */
	assert_true(ig_hash_bytes("intaglio", 8, 0) == ig_hash_bytes("intaglio", 8, 0));
	assert_true(ig_hash_bytes("intagli\0", 8, 0) != ig_hash_bytes("intagli", 7, 0));
}

static void sizes(void **state)
{
	(void)state;
	struct ig_type t = ig_type_make(IG_DT_S4, 2, (int64_t[]){3, 3});
	size_t bytes;
	assert_true(ig_type_bytes(&t, &bytes) && bytes == 5);
	t = ig_type_make(IG_DT_F32, 3, (int64_t[]){(int64_t)1 << 40, (int64_t)1 << 40, 2});
	int64_t n;
	assert_false(ig_type_elems(&t, &n));
	assert_false(ig_type_bytes(&t, &bytes));
	struct ig_arena *a = ig_arena_new();
	t = ig_type_make(IG_DT_U8, 4, (int64_t[]){1, 3, 32, 31});
	assert_string_equal(ig_type_str(a, &t), "u8[1, 3, 32, 31]");
	t.rank = 0;
	assert_string_equal(ig_type_str(a, &t), "u8[]");
	assert_int_equal(ig_elems(&t), 1);
	assert_int_equal((uintptr_t)ig_tensor_new(a, &t)->data % 64, 0);
	ig_arena_free(a);
}

static void verifier_finds(void **state)
{
	(void)state;
	for (int fault = 0; fault < 5; fault++) {
		struct ig_vid v[3];
		struct ig_graph *g = two_relus(v);
		struct capture c;
		must_infer(g);
		capture_begin(&c);
		static const char *const expect[] = {"used twice", "not defined before", "inference says", "belongs to another", "all float32"};
		switch (fault) {
		case 0: ig_value(g, v[1])->name = ig_value(g, v[2])->name; break;
		case 1: ig_def(g, v[1])->in[0] = v[2]; break;
		case 2: ig_value(g, v[1])->type.dim[0] = 5; break;
		case 3: ig_value(g, v[1])->def.i = 0; break;
		default: set_q(g, v[1], IG_DT_U8, 1, 0); break;
		}
		assert_false(ig_verify(g, "the test", c.diag));
		assert_non_null(strstr(capture_text(&c), "after the test"));
		assert_non_null(strstr(capture_text(&c), expect[fault]));
		capture_end(&c);
		ig_graph_free(g);
	}
}

static void drawing(void **state)
{
	(void)state;
	struct ig_vid v[3];
	struct ig_graph *g = two_relus(v);
	char *text;
	size_t size;
	must_infer(g);
	FILE *f = open_memstream(&text, &size);
	ig_dot(g, f);
	fclose(f);
	assert_non_null(strstr(text, "digraph \"t\" {"));
	assert_non_null(strstr(text, "relu_1\\nleaky_relu"));
	assert_non_null(strstr(text, "f32[2, 3]"));
	free(text);
	ig_graph_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),          cmocka_unit_test(names_and_uses), cmocka_unit_test(many_equal_names),
		cmocka_unit_test(order_of_insertion), cmocka_unit_test(attributes), cmocka_unit_test(absorbed_names),
		cmocka_unit_test(clones_are_equal_and_apart), cmocka_unit_test(hash_sees_data_not_ids), cmocka_unit_test(sizes),
		cmocka_unit_test(verifier_finds),  cmocka_unit_test(drawing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
