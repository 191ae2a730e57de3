/* The ONNX reader: what it makes of models, and that no file harms it. */
#include "frontend_util.h"

#include "ir/infer.h"
#include "onnx/onnx.h"
#include "tests/onnx/wire.h"

#include <unistd.h>

struct reading {
	struct ig_diag *d;
	char *text;
	size_t size;
	FILE *f;
	struct ig_model *m;
};

static void begin(struct reading *r)
{
	*r = (struct reading){0};
	r->f = open_memstream(&r->text, &r->size);
	r->d = ig_diag_new(r->f, false);
}

static void end(struct reading *r)
{
	ig_model_free(r->m);
	ig_diag_free(r->d);
	fclose(r->f);
	free(r->text);
}

static void parse(struct reading *r, const struct bytes *b, const struct ig_onnx_options *o)
{
	begin(r);
	r->m = ig_onnx_parse("m.onnx", b->p, b->n, o, r->d);
	fflush(r->f);
	assert_true((r->m == NULL) == (ig_diag_errors(r->d) > 0));
}

/* The model is refused with a message that holds `what`; it is released. */
static void refused(struct bytes b, const char *what)
{
	struct reading r;
	parse(&r, &b, NULL);
	if (r.m || !strstr(r.text, what))
		fail_msg("expected '%s', got '%s'", what, r.m ? "a model" : r.text);
	end(&r);
	free(b.p);
}

static void small(void **state)
{
	(void)state;
	struct bytes b = small_network();
	struct reading r;
	parse(&r, &b, NULL);
	if (!r.m)
		fail_msg("%s", r.text);
	const struct ig_graph *g = r.m->graph;
	assert_int_equal(g->n_inputs, 1);
	assert_string_equal(ig_value(g, g->input[0])->name, "x");
	assert_int_equal(ig_vtype(g, g->input[0])->dim[0], 1);
	assert_string_equal(g->output_name[0], "y");
	struct ig_nid conv = ig_graph_find(g, "conv/Conv"), fc = ig_graph_find(g, "fc"), rows = ig_graph_find(g, "rows");
	assert_true(conv.i >= 0 && fc.i >= 0 && rows.i >= 0);
	assert_int_equal(ig_node(g, fc)->op, IG_OP_LINEAR);
	assert_string_equal(ig_value(g, ig_node(g, conv)->in[1])->name, "conv/Conv.weight");
	int constants = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		constants += ig_node(g, id)->op == IG_OP_CONSTANT;
	assert_int_equal(constants, 2); /* the shape arithmetic is gone */
	assert_int_equal(ig_vtype(g, g->output[0])->dim[1], 5);
	assert_true(ig_verify(g, "import", r.d));
	end(&r);
	free(b.p);
}

static void dimensions(void **state)
{
	(void)state;
	struct reading r;
	struct bytes g = {0};
	put_msg(&g, 11, port("x", 1, 2, (int64_t[]){-1, -1}, "T"));
	put_msg(&g, 12, port("y", 1, 0, NULL, ""));
	put_msg(&g, 1, node(NULL, "Relu", "x", "y"));
	struct bytes b = model(g, 13);
	parse(&r, &b, NULL); /* the batch's name is 1 wherever it stands */
	assert_non_null(r.m);
	assert_int_equal(ig_vtype(r.m->graph, r.m->graph->output[0])->dim[1], 1);
	end(&r);
	parse(&r, &b, &(struct ig_onnx_options){(struct ig_onnx_dim[]){{"T", 7}}, 1});
	assert_non_null(r.m);
	assert_int_equal(ig_vtype(r.m->graph, r.m->graph->output[0])->dim[0], 7);
	end(&r);
	parse(&r, &b, &(struct ig_onnx_options){(struct ig_onnx_dim[]){{"T", 7}, {"U", 7}}, 2});
	assert_null(r.m);
	assert_non_null(strstr(r.text, "--dim U"));
	end(&r);
	free(b.p);
	g = (struct bytes){0};
	put_msg(&g, 11, port("x", 1, 2, (int64_t[]){4, -1}, "time"));
	put_msg(&g, 12, port("x", 1, 0, NULL, ""));
	refused(model(g, 13), "--dim time=VALUE");
}

static void faults(void **state)
{
	(void)state;
	struct bytes g = {0}, n;
	refused((struct bytes){0}, "empty");
	refused(model((struct bytes){0}, 13), "no output");
	refused(model((struct bytes){0}, 22), "opset 22");
	/* every node that cannot be imported is named, and nothing that follows from it */
	put_msg(&g, 11, port("x", 1, 2, (int64_t[]){1, 4}, ""));
	put_msg(&g, 12, port("y", 1, 0, NULL, ""));
	put_msg(&g, 1, node("one", "NoSuchOperator", "x", "a"));
	put_msg(&g, 1, node("two", "Relu", "a", "b"));
	n = node("three", "Relu", "x", "c");
	put_attr_int(&n, "novelty", 1);
	put_msg(&g, 1, n);
	put_msg(&g, 1, node("four", "Add", "b nothing", "y"));
	struct bytes b = model(g, 13);
	struct reading r;
	parse(&r, &b, NULL);
	assert_non_null(strstr(r.text, "node 'one' (NoSuchOperator): this operator is not supported"));
	assert_non_null(strstr(r.text, "node 'three' (Relu): attribute novelty is not supported"));
	assert_non_null(strstr(r.text, "node 'four' (Add): operand 'nothing'"));
	assert_null(strstr(r.text, "'two'"));
	assert_int_equal(ig_diag_errors(r.d), 3);
	end(&r);
	free(b.p);
}

/* What the fuzzer found. */
static void found(void **state)
{
	(void)state;
	struct bytes g = {0}, n;
	put_msg(&g, 11, port("x", 1, 2, (int64_t[]){1, 4}, ""));
	put_msg(&g, 12, port("y", 1, 0, NULL, ""));
	put_msg(&g, 1, node("branch", "If", "", "y"));
	refused(model(g, 13), "node 'branch' (If): its condition is missing");
	g = (struct bytes){0};
	put_msg(&g, 11, port("x", 6, 2, (int64_t[]){2, 2}, ""));
	put_msg(&g, 12, port("y", 6, 0, NULL, ""));
	n = node("product", "Gemm", "x x", "y");
	put_attr_float(&n, "alpha", 4.1e30f);
	put_msg(&g, 1, n);
	refused(model(g, 13), "node 'product' (Gemm): 4.1e+30 is no number of type i32");
}

/* A graph of one initializer that is its output. */
static struct bytes of_tensor(struct bytes t)
{
	struct bytes g = {0};
	put_msg(&g, 5, t);
	put_msg(&g, 12, port("t", 1, 0, NULL, ""));
	return model(g, 13);
}

static void tensors(void **state)
{
	(void)state;
	float four[4] = {1, 2, 3, 4};
	struct reading r;
	struct bytes b = of_tensor(raw_tensor("t", 1, 2, (int64_t[]){2, 2}, four, sizeof four));
	parse(&r, &b, NULL);
	assert_non_null(r.m);
	end(&r);
	free(b.p);
	refused(of_tensor(raw_tensor("t", 1, 2, (int64_t[]){2, 3}, four, sizeof four)), "16 bytes of data for f32[2, 3], which takes 24");
	refused(of_tensor(raw_tensor("t", 1, 2, (int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40}, four, sizeof four)), "at most");
	refused(of_tensor(raw_tensor("t", 1, 2, (int64_t[]){INT64_C(1) << 32, INT64_C(1) << 32}, four, sizeof four)), "at most");
	refused(of_tensor(raw_tensor("t", 1, 1, (int64_t[]){2147483647}, four, sizeof four)), "16 bytes of data");
	refused(of_tensor(raw_tensor("t", 1, 1, (int64_t[]){-4}, four, sizeof four)), "none negative");
	refused(of_tensor(raw_tensor("t", 8, 1, (int64_t[]){4}, four, sizeof four)), "string");
	refused(of_tensor(raw_tensor("t", 99, 1, (int64_t[]){4}, four, sizeof four)), "unknown element type");
	refused(of_tensor(raw_tensor("t", 1, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 4}, four, sizeof four)), "at most 6 dimensions");
	refused(of_tensor(tensor("t", 1, 1, (int64_t[]){4})), "0 elements of data for f32[4]");
}

static struct bytes external(const char *location, const char *offset, const char *length)
{
	struct bytes t = tensor("t", 1, 1, (int64_t[]){4});
	const char *text[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
	for (int i = 0; i < 3; i++) {
		struct bytes e = {0};
		if (!text[i][1])
			continue;
		put_str(&e, 1, text[i][0]);
		put_str(&e, 2, text[i][1]);
		put_msg(&t, 13, e);
	}
	put_int(&t, 14, 1);
	return of_tensor(t);
}

static void external_data(void **state)
{
	(void)state;
	char dir[] = "/tmp/ig-onnx-XXXXXX", path[64], data[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/m.onnx", dir);
	snprintf(data, sizeof data, "%s/w.bin", dir);
	FILE *f = fopen(data, "wb");
	float v[6] = {9, 1, 2, 3, 4, 9};
	fwrite(v, 1, sizeof v, f);
	fclose(f);
	static const struct {
		const char *location, *offset, *length, *says;
	} cases[] = {
	    {"w.bin", "4", "16", NULL},
	    {"./w.bin", "8", NULL, NULL},
	    {"../w.bin", "4", "16", "without '..'"},
	    {"a/../../w.bin", "4", "16", "without '..'"},
	    {"/etc/passwd", "0", "16", "relative path"},
	    {NULL, "0", "16", "relative path"},
	    {"", "0", "16", "relative path"},
	    {"w.bin", "16", "16", "are not in the file"},
	    {"w.bin", "999999999999", "16", "are not in the file"},
	    {"w.bin", "-4", "16", "no number of bytes"},
	    {"w.bin", "4x", "16", "no number of bytes"},
	    {"w.bin", "99999999999999999999", "16", "no number of bytes"},
	    {"w.bin", "4", "12", "12 bytes of data"},
	    {"w.bin", "4", NULL, "20 bytes of data"},
	    {"none.bin", "4", "16", "cannot read"},
	};
	for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
		struct bytes b = external(cases[i].location, cases[i].offset, cases[i].length);
		struct reading r;
		begin(&r);
		r.m = ig_onnx_parse(path, b.p, b.n, NULL, r.d);
		fflush(r.f);
		if (cases[i].says ? r.m || !strstr(r.text, cases[i].says) : !r.m)
			fail_msg("case %zu: %s", i, r.text);
		if (r.m)
			assert_true(((const float *)ig_const_data(r.m->graph, r.m->graph->output[0])->data)[0] == (cases[i].length ? 1.0f : 2.0f));
		end(&r);
		free(b.p);
	}
	unlink(data);
	rmdir(dir);
}

/* Messages nested in each other: a graph in a node's attribute in a graph ... */
static void depth(void **state)
{
	(void)state;
	struct bytes g = {0};
	for (int i = 0; i < 20000; i++) {
		struct bytes attr = {0}, n = {0}, outer = {0};
		put_msg(&attr, 6, g);
		put_msg(&n, 5, attr);
		put_msg(&outer, 1, n);
		g = outer;
	}
	refused(model(g, 13), "nested deeper");
}

static void wire(void **state)
{
	(void)state;
	struct bytes b = small_network(), twice = {0}, m = {0};
	for (size_t cut = 1; cut < b.n; cut++) { /* a prefix that ends between two fields of the file is a model that lacks something */
		struct bytes part = {ig_xcalloc(cut, 1), cut, cut};
		memcpy(part.p, b.p, cut);
		refused(part, "error: ");
	}
	put(&twice, b.p, b.n);
	put(&twice, b.p, b.n);
	refused(twice, "given twice");
	put_varint(&m, 7 << 3 | 3); /* a group */
	refused(m, "unknown encoding");
	free(b.p);
}

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525u + 1013904223u, *seed >> 8; }

/* Bytes changed, taken out, doubled; numbers made extreme. */
static void mutate(struct bytes *b, uint32_t *seed)
{
	for (uint32_t k = 0, n = 1 + next(seed) % 4; k < n && b->n > 4; k++) {
		size_t at = next(seed) % b->n, len = 1 + next(seed) % 16;
		len = len > b->n - at ? b->n - at : len;
		switch (next(seed) % 5) {
		case 0: b->p[at] = (uint8_t)next(seed); break;
		case 1: b->p[at] ^= (uint8_t)(1u << next(seed) % 8); break;
		case 2: memset(b->p + at, (int)(next(seed) % 2 * 0xff), len); break;
		case 3:
			memmove(b->p + at, b->p + at + len, b->n - at - len);
			b->n -= len;
			break;
		default: {
			size_t from = next(seed) % b->n;
			len = len > b->n - from ? b->n - from : len;
			memmove(b->p + at, b->p + from, len);
		}
		}
	}
	if (next(seed) % 4 == 0)
		b->n -= next(seed) % b->n;
}

static void mutated(void **state)
{
	(void)state;
	struct bytes b = small_network();
	uint32_t seed = 1;
	int refusals = 0, models = 0;
	for (int i = 0; i < 6000; i++) {
		struct bytes m = {0};
		struct reading r;
		put(&m, b.p, b.n);
		mutate(&m, &seed);
		parse(&r, &m, NULL); /* a diagnostic or a model */
		if (r.m)
			assert_true(ig_verify(r.m->graph, "import", r.d));
		refusals += !r.m;
		models += r.m != NULL;
		end(&r);
		free(m.p);
	}
	printf("%d mutated files: %d refused, %d still models\n", refusals + models, refusals, models);
	assert_true(refusals > 2000);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(small),  cmocka_unit_test(dimensions),    cmocka_unit_test(faults), cmocka_unit_test(tensors),
	    cmocka_unit_test(depth),  cmocka_unit_test(external_data), cmocka_unit_test(wire),   cmocka_unit_test(mutated), cmocka_unit_test(found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
