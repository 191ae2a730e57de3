/* ONNX's own backend tests: each model with its inputs and the outputs that it must give.

     onnx_backend FOLDER TABLE [--rewrite] [--native PART PARTS] [--only NAME]
   imports every FOLDER/KIND/NAME/model.onnx, runs it with the graph interpreter and compares with the expected outputs (ONNX's tolerance; integers exactly).
   With --native, the tests of which the number is PART modulo PARTS are also compiled for this CPU, and the object must give the interpreter's bytes.
   The table has a line a test: pass, or why it is not covered; a test that does worse than its line fails the run. Inputs that must be known at compile
   time are given as initializers: the table names them. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "codegen/codegen.h"
#include "frontend/fileio.h"
#include "ir/interp.h"
#include "ir/outfile.h"
#include "onnx/import.h"
#include "passes/pass.h"

enum { MAX_SETS = 8, MAX_PORTS = 32, REASON = 300 };

/* What classic exporters write, by operator: graphs of these alone count. */
static const char *const wanted[] = {
    "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu",
    "Selu", "Softplus", "Erf", "Gelu", "Exp", "Log", "Sqrt", "Pow", "Abs", "Neg", "Reciprocal", "Floor", "Ceil", "Round", "Min", "Max", "Add", "Sub", "Mul",
    "Div", "Sum", "Mean", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ArgMax", "Softmax", "LogSoftmax", "LayerNormalization",
    "InstanceNormalization", "GroupNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN", "Concat", "Split", "Slice", "Gather",
    "Pad", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile", "Resize", "DepthToSpace", "SpaceToDepth", "Where", "And", "Or", "Xor",
    "Not", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Cast", "Identity", "Dropout", "LSTM", "GRU", "QuantizeLinear", "DequantizeLinear",
    "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "Shape", "Size", "ConstantOfShape", "Range", "Constant", "If"};

/* Tests that expect what ONNX Runtime does not give either. */
static const struct {
	const char *name, *reason;
} differ[] = {
    {"node/test_resize_downsample_scales_linear_align_corners", "the corners of the output are aligned, as in ONNX Runtime; the test aligns a fraction of a pixel beyond them"},
    {"node/test_resize_downsample_scales_cubic_align_corners", "the corners of the output are aligned, as in ONNX Runtime; the test aligns a fraction of a pixel beyond them"},
};

/* What came of a test. */
struct outcome {
	enum { PASSED, NOT_COVERED, WRONG } kind;
	unsigned constants;  /* inputs that were given as initializers, by bit */
	bool native;         /* the object was compared */
	char text[REASON];   /* why not covered; why it has no object */
};

struct port {
	const struct ig_tensor *t;
	Onnx__TensorProto *proto;
};
struct set {
	struct port in[MAX_PORTS], out[MAX_PORTS];
	int n_in, n_out;
};
struct test {
	const char *name, *dir;
	Onnx__ModelProto *model;
	struct ig_onnx s; /* for reading tensors */
	struct set set;
	struct ig_diag *import; /* owns the names of files that nodes of the imported graph have */
};

/* ---- diagnostics as text ---- */

struct messages {
	char *text;
	size_t size;
	FILE *f;
	struct ig_diag *d;
};

static void messages_begin(struct messages *m)
{
	*m = (struct messages){0};
	m->f = open_memstream(&m->text, &m->size);
	if (!m->f)
		IG_BUG("no memory stream");
	m->d = ig_diag_new(m->f, false);
}

/* The first message without its place. */
static void messages_end(struct messages *m, char *first)
{
	ig_diag_free(m->d);
	fclose(m->f);
	const char *from = m->text ? strstr(m->text, "error: ") : NULL;
	if (first)
		snprintf(first, REASON, "%.*s", from ? (int)strcspn(from + 7, "\n") : 0, from ? from + 7 : "");
	free(m->text);
}

/* ---- files ---- */

static Onnx__TensorProto *read_tensor(struct test *t, const char *path, struct ig_diag *d)
{
	struct ig_map map;
	Onnx__TensorProto *p = NULL;
	if (!ig_map_file(path, &map, d))
		return NULL;
	if (ig_onnx_check_wire(&onnx__tensor_proto__descriptor, map.data, map.bytes, t->s.loc, d))
		p = onnx__tensor_proto__unpack(NULL, map.bytes, map.data);
	ig_unmap(&map);
	return p;
}

/* Half precision is stored as something else in some of the tests' files. */
static bool declared(const struct test *t, const Onnx__ValueInfoProto *v, const struct port *p, struct ig_diag *d)
{
	const Onnx__TypeProto__Tensor *type = v->type ? v->type->tensor_type : NULL;
	if (!type || v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || type->elem_type == p->proto->data_type)
		return true;
	ig_error(d, t->s.loc, "the test's data for '%s' is %s, the model says %s", v->name, ig_onnx_dtype_name(p->proto->data_type), ig_onnx_dtype_name(type->elem_type));
	return false;
}

static int read_ports(struct test *t, int set, const char *what, struct port *port, struct ig_diag *d)
{
	int n = 0;
	for (; n < MAX_PORTS; n++) {
		struct stat st;
		const char *path = ig_arena_printf(t->s.arena, "%s/test_data_set_%d/%s_%d.pb", t->dir, set, what, n);
		if (stat(path, &st) != 0)
			return n;
		port[n] = (struct port){.proto = read_tensor(t, path, d)};
		if (port[n].proto)
			port[n].t = ig_onnx_tensor(&t->s, port[n].proto, ig_arena_printf(t->s.arena, "%s %d", what, n));
		if (!port[n].t)
			return -1;
	}
	return n;
}

static void free_ports(struct port *port)
{
	for (int i = 0; i < MAX_PORTS; i++)
		if (port[i].proto) {
			onnx__tensor_proto__free_unpacked(port[i].proto, NULL);
			port[i].proto = NULL;
		}
}

/* ---- import ---- */

/* The model's own inputs: those that are no initializers. */
static int own_inputs(const Onnx__GraphProto *g, const Onnx__ValueInfoProto **out)
{
	int n = 0;
	for (size_t i = 0; i < g->n_input && n < MAX_PORTS; i++) {
		bool initialized = false;
		for (size_t k = 0; k < g->n_initializer; k++)
			initialized = initialized || strcmp(g->initializer[k]->name, g->input[i]->name) == 0;
		if (!initialized)
			out[n++] = g->input[i];
	}
	return n;
}

/* The model with the inputs of `constants` as initializers. */
static struct ig_model *import(struct test *t, unsigned constants, struct ig_diag *d)
{
	Onnx__GraphProto *g = t->model->graph;
	const Onnx__ValueInfoProto *in[MAX_PORTS];
	int n = own_inputs(g, in);
	size_t before = g->n_initializer;
	Onnx__TensorProto **list = ig_xcalloc(before + MAX_PORTS, sizeof *list), **kept = g->initializer;
	char *names[MAX_PORTS] = {NULL};
	if (before)
		memcpy(list, kept, before * sizeof *list);
	g->initializer = list;
	for (int i = 0; i < n && i < t->set.n_in; i++)
		if (constants >> i & 1) {
			names[i] = t->set.in[i].proto->name;
			t->set.in[i].proto->name = in[i]->name;
			list[g->n_initializer++] = t->set.in[i].proto;
		}
	struct ig_model *m = ig_onnx_import(t->model, t->dir, NULL, d);
	for (int i = 0; i < n && i < t->set.n_in; i++)
		if (constants >> i & 1)
			t->set.in[i].proto->name = names[i];
	g->initializer = kept;
	g->n_initializer = before;
	free(list);
	return m;
}

/* With as few constants as it takes: none, each one alone, all but the first, all. */
static struct ig_model *import_somehow(struct test *t, struct outcome *o)
{
	unsigned all = (1u << t->set.n_in) - 1, attempt[MAX_PORTS + 4], n = 0;
	attempt[n++] = 0;
	for (int i = t->set.n_in - 1; i >= 0 && t->set.n_in > 2; i--)
		attempt[n++] = 1u << i;
	attempt[n++] = all & ~1u;
	attempt[n++] = all;
	for (unsigned i = 0; i < n; i++) {
		struct messages m;
		messages_begin(&m);
		struct ig_model *model = import(t, attempt[i], m.d);
		struct ig_interp *it = model ? ig_interp_new(model->graph, m.d) : NULL;
		bool ok = it != NULL;
		ig_interp_free(it);
		t->import = ok ? m.d : NULL;
		m.d = ok ? NULL : m.d;
		messages_end(&m, i == 0 || !ok ? o->text : NULL);
		if (ok) {
			o->constants = attempt[i];
			o->text[0] = 0;
			return model;
		}
		ig_model_free(model);
	}
	return NULL;
}

/* ---- comparison ---- */

static bool near(double a, double b) { return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-7 + 1e-3 * fabs(b); }

static bool same(const struct ig_tensor *got, const struct ig_tensor *want, char *why)
{
	if (got->type.dtype != want->type.dtype || !ig_type_same_shape(&got->type, &want->type)) {
		struct ig_arena *a = ig_arena_new();
		snprintf(why, REASON, "the result is %s, expected %s", ig_type_str(a, &got->type), ig_type_str(a, &want->type));
		ig_arena_free(a);
		return false;
	}
	if (!ig_dtypes[got->type.dtype].is_float) {
		bool equal = memcmp(got->data, want->data, got->bytes) == 0;
		snprintf(why, REASON, "%s", equal ? "" : "other integers than expected");
		return equal;
	}
	for (int64_t i = 0, n = ig_elems(&got->type); i < n; i++) {
		double a = ig_onnx_tensor_real(got, i), b = ig_onnx_tensor_real(want, i);
		if (!near(a, b)) {
			snprintf(why, REASON, "element %lld is %.9g, expected %.9g", (long long)i, a, b);
			return false;
		}
	}
	return true;
}

static int run_inputs(const struct test *t, unsigned constants, const void **in)
{
	int n = 0;
	for (int i = 0; i < t->set.n_in; i++)
		if (!(constants >> i & 1))
			in[n++] = t->set.in[i].t->data;
	return n;
}

static bool interpret(const struct test *t, const struct ig_graph *g, const void *const *in, struct outcome *o)
{
	struct messages m;
	messages_begin(&m);
	struct ig_interp *it = ig_interp_new(g, m.d);
	messages_end(&m, it ? NULL : o->text);
	bool ok = it != NULL;
	if (it)
		ig_interp_run(it, in);
	for (int i = 0; ok && i < t->set.n_out; i++)
		ok = same(ig_interp_value(it, g->output[i]), t->set.out[i].t, o->text);
	ig_interp_free(it);
	return ok;
}

/* The object gives the interpreter's bytes for one graph; false when it differs. */
static bool same_bytes(const struct ig_graph *g, const struct kir_module *m, struct ig_native *native, const void *const *in, struct ig_diag *d)
{
	void *out[MAX_PORTS], *arena = aligned_alloc(64, ((size_t)m->arena_bytes + 127) / 64 * 64);
	struct ig_interp *it = ig_interp_new(g, d);
	bool ok = it != NULL && arena != NULL;
	for (int i = 0; i < g->n_outputs; i++)
		out[i] = aligned_alloc(64, (ig_interp_value(it, g->output[i])->bytes + 127) / 64 * 64);
	if (ok) {
		ig_interp_run(it, in);
		ok = ig_native_run(native, in, out, arena) == 0;
	}
	for (int i = 0; i < g->n_outputs; i++) {
		const struct ig_tensor *want = ig_interp_value(it, g->output[i]);
		ok = ok && memcmp(want->data, out[i], want->bytes) == 0;
		free(out[i]);
	}
	free(arena);
	ig_interp_free(it);
	return ok;
}

/* After the passes of the float half: the interpreter still gives what is expected, and so does the object where there is one. */
static void compile_and_compare(const struct test *t, struct ig_model *model, const void *const *in, struct outcome *o)
{
	struct messages m;
	messages_begin(&m);
	struct ig_graph *g = ig_graph_clone(model->graph);
	struct ig_context c = {.diag = m.d, .qconfig = model->qconfig};
	const struct ig_target *target = ig_target_native();
	struct ig_lower_options lo = {0};
	bool passed = ig_pipeline_run(IG_HALF_FLOAT, g, &c, NULL);
	struct kir_module *code = passed ? ig_lower(g, target, &lo, m.d) : NULL;
	struct ig_program *p = code ? ig_program_new("test", g, code, target) : NULL;
	struct ig_native *native = p ? ig_native_new(p, m.d) : NULL;
	if (!passed || (passed && !interpret(t, g, in, o))) {
		o->kind = WRONG;
	} else if (native) {
		o->native = true;
		if (!same_bytes(g, code, native, in, m.d)) {
			o->kind = WRONG;
			snprintf(o->text, REASON, "the object differs from the interpreter");
		}
	}
	ig_native_free(native);
	ig_program_free(p);
	if (code)
		kir_module_free(code);
	ig_graph_free(g);
	messages_end(&m, native || o->kind == WRONG ? NULL : o->text);
}

static void run_set(struct test *t, bool native, struct outcome *o)
{
	const void *in[MAX_PORTS] = {NULL};
	struct ig_model *m = import_somehow(t, o);
	if (!m) {
		o->kind = NOT_COVERED;
		return;
	}
	int n = run_inputs(t, o->constants, in);
	if (n != m->graph->n_inputs || t->set.n_out > m->graph->n_outputs) {
		o->kind = NOT_COVERED;
		snprintf(o->text, REASON, "the test has %d inputs for %d", n, m->graph->n_inputs);
	} else if (!interpret(t, m->graph, in, o)) {
		o->kind = WRONG;
	} else if (native) {
		compile_and_compare(t, m, in, o);
	}
	ig_model_free(m);
	ig_diag_free(t->import);
}

/* ---- tests ---- */

static bool ports_declared(const struct test *t, struct ig_diag *d)
{
	const Onnx__GraphProto *g = t->model->graph;
	const Onnx__ValueInfoProto *in[MAX_PORTS];
	int n = own_inputs(g, in);
	for (int i = 0; i < n && i < t->set.n_in; i++)
		if (!declared(t, in[i], &t->set.in[i], d))
			return false;
	for (int i = 0; i < (int)g->n_output && i < t->set.n_out; i++)
		if (!declared(t, g->output[i], &t->set.out[i], d))
			return false;
	return true;
}

static bool only_wanted(const Onnx__GraphProto *g)
{
	for (size_t i = 0; i < g->n_node; i++) {
		bool found = false;
		for (size_t k = 0; k < IG_COUNTOF(wanted); k++)
			found = found || (!(g->node[i]->domain && g->node[i]->domain[0]) && strcmp(wanted[k], g->node[i]->op_type) == 0);
		if (!found)
			return false;
	}
	return true;
}

static Onnx__ModelProto *read_model(const char *dir, struct ig_arena *a, struct ig_diag *d)
{
	struct ig_map map;
	const char *path = ig_arena_printf(a, "%s/model.onnx", dir);
	if (!ig_map_file(path, &map, d))
		return NULL;
	Onnx__ModelProto *m = NULL;
	if (ig_onnx_check_wire(&onnx__model_proto__descriptor, map.data, map.bytes, ig_loc_file(d, path), d))
		m = onnx__model_proto__unpack(NULL, map.bytes, map.data);
	ig_unmap(&map);
	return m;
}

static void run_test(struct test *t, bool native, struct outcome *o)
{
	struct messages m;
	*o = (struct outcome){.kind = NOT_COVERED};
	for (int k = 0; k < MAX_SETS; k++) {
		struct stat st;
		if (stat(ig_arena_printf(t->s.arena, "%s/test_data_set_%d", t->dir, k), &st) != 0) {
			if (k == 0)
				snprintf(o->text, REASON, "there is no test data");
			break;
		}
		messages_begin(&m);
		t->s.diag = m.d;
		t->s.loc = ig_loc_file(m.d, "test");
		t->set = (struct set){0};
		t->set.n_in = read_ports(t, k, "input", t->set.in, m.d);
		t->set.n_out = read_ports(t, k, "output", t->set.out, m.d);
		bool ok = t->set.n_in >= 0 && t->set.n_out > 0 && t->set.n_in < MAX_PORTS && ports_declared(t, m.d);
		messages_end(&m, ok ? NULL : o->text);
		*o = ok ? (struct outcome){.kind = PASSED} : *o;
		o->kind = ok ? PASSED : NOT_COVERED;
		if (ok)
			run_set(t, native, o);
		free_ports(t->set.in);
		free_ports(t->set.out);
		if (o->kind != PASSED)
			break;
	}
}

/* ---- the table ---- */

struct line {
	char *name, *text;
	bool passes;
};
struct table {
	IG_VEC(struct line) lines;
};

static int by_name(const void *a, const void *b) { return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name); }

static void table_read(struct table *t, const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	while (f && getline(&text, &size, f) > 0) {
		char *space = strchr(text, ' ');
		text[strcspn(text, "\n")] = 0;
		if (text[0] == '#' || !space)
			continue;
		*space = 0;
		ig_vec_push(&t->lines, ((struct line){strdup(text), strdup(space + 1), strncmp(space + 1, "pass", 4) == 0}));
	}
	free(text);
	if (f)
		fclose(f);
	if (t->lines.n)
		qsort(t->lines.v, (size_t)t->lines.n, sizeof *t->lines.v, by_name);
}

static const struct line *table_find(const struct table *t, const char *name)
{
	const struct line key = {.name = (char *)(uintptr_t)name};
	return t->lines.n ? bsearch(&key, t->lines.v, (size_t)t->lines.n, sizeof *t->lines.v, by_name) : NULL;
}

static void table_free(struct table *t)
{
	for (int i = 0; i < t->lines.n; i++) {
		free(t->lines.v[i].name);
		free(t->lines.v[i].text);
	}
	ig_vec_free(&t->lines);
}

static void describe(const struct outcome *o, char *text, size_t size)
{
	if (o->kind != PASSED) {
		snprintf(text, size, "%s: %s", o->kind == WRONG ? "WRONG" : "not covered", o->text);
		return;
	}
	size_t n = (size_t)snprintf(text, size, "pass");
	for (int i = 0; i < MAX_PORTS; i++)
		if (o->constants >> i & 1)
			n += (size_t)snprintf(text + n, size - n, n == 4 ? " (constant: %d" : " %d", i);
	if (n > 4)
		snprintf(text + n, size - n, ")");
}

/* ---- the run ---- */

struct runner {
	const char *folder, *table_path, *only;
	bool rewrite, native;
	int part, parts;
	struct table old, new;
	int tests, passed, of_wanted, wanted_passed, objects, wrong, worse, better;
	bool show;
};

static void note(struct runner *r, const struct test *t, struct outcome *o)
{
	char text[REASON + 40];
	describe(o, text, sizeof text);
	for (size_t i = 0; i < IG_COUNTOF(differ); i++)
		if (o->kind == WRONG && strcmp(t->name, differ[i].name) == 0) {
			o->kind = NOT_COVERED;
			snprintf(text, sizeof text, "not covered: %s", differ[i].reason);
		}
	const struct line *before = table_find(&r->old, t->name);
	bool counts = only_wanted(t->model->graph), pass = o->kind == PASSED;
	r->tests++;
	r->passed += pass;
	r->of_wanted += counts;
	r->wanted_passed += counts && pass;
	r->objects += o->native;
	r->wrong += o->kind == WRONG;
	ig_vec_push(&r->new.lines, ((struct line){strdup(t->name), strdup(text), pass}));
	if (r->show || o->kind == WRONG)
		printf("%s %s%s%s%s\n", t->name, text, counts ? "" : " [other operators]", pass && r->native && !o->native ? "; no object: " : "", pass && r->native && !o->native ? o->text : "");
	if (!r->rewrite && before && before->passes && !pass) {
		printf("WORSE: %s %s\n  it was: %s\n", t->name, text, before->text);
		r->worse++;
	}
	r->better += pass && (!before || !before->passes);
}

static void visit(struct runner *r, const char *kind, const char *name)
{
	struct test t = {.s = {.arena = ig_arena_new()}};
	struct messages m;
	struct outcome o = {.kind = NOT_COVERED};
	t.name = ig_arena_printf(t.s.arena, "%s/%s", kind, name);
	t.dir = ig_arena_printf(t.s.arena, "%s/%s", r->folder, t.name);
	t.s.path = t.dir;
	t.s.text = ig_strtab_new();
	messages_begin(&m);
	t.model = read_model(t.dir, t.s.arena, m.d);
	messages_end(&m, o.text);
	if (t.model && t.model->graph) {
		run_test(&t, r->native, &o);
		note(r, &t, &o);
	}
	if (t.model)
		onnx__model_proto__free_unpacked(t.model, NULL);
	ig_strtab_free(t.s.text);
	ig_arena_free(t.s.arena);
}

static bool visit_kind(struct runner *r, const char *kind)
{
	char path[4096];
	struct dirent **list;
	snprintf(path, sizeof path, "%s/%s", r->folder, kind);
	int n = scandir(path, &list, NULL, alphasort);
	if (n < 0)
		return false;
	for (int i = 0; i < n; i++) {
		struct stat st;
		char file[8192];
		snprintf(file, sizeof file, "%s/%s/model.onnx", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.' && stat(file, &st) == 0 && (!r->only || strcmp(r->only, list[i]->d_name) == 0) && i % r->parts == r->part)
			visit(r, kind, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return true;
}

static bool write_table(const struct runner *r)
{
	FILE *f = fopen(r->table_path, "w");
	if (!f)
		return false;
	fprintf(f, "# ONNX's backend tests (libonnx-testdata 1.12): pass, with the inputs that must be constant, or why not covered. onnx_backend --rewrite writes this file.\n");
	fprintf(f, "# %d of %d pass; %d of the %d that use only the operators of docs/onnx.md.\n", r->passed, r->tests, r->wanted_passed, r->of_wanted);
	for (int i = 0; i < r->new.lines.n; i++)
		fprintf(f, "%s %s\n", r->new.lines.v[i].name, r->new.lines.v[i].text);
	return fclose(f) == 0;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};
	struct runner r = {.parts = 1};
	if (argc < 3)
		return 2;
	r.folder = argv[1];
	r.table_path = argv[2];
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--rewrite") == 0) {
			r.rewrite = true;
		} else if (strcmp(argv[i], "--show") == 0) {
			r.show = true;
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			r.only = argv[++i];
			r.show = true;
		} else if (strcmp(argv[i], "--native") == 0 && i + 2 < argc) {
			r.native = true;
			r.part = atoi(argv[++i]);
			r.parts = atoi(argv[++i]);
		} else {
			return 2;
		}
	}
	table_read(&r.old, r.table_path);
	for (size_t i = 0; i < IG_COUNTOF(kinds); i++)
		if (!visit_kind(&r, kinds[i])) {
			printf("skipped: %s/%s is not there (install libonnx-testdata)\n", r.folder, kinds[i]);
			return 77;
		}
	printf("%d of %d tests pass; %d of the %d that use only the wanted operators; %d ran as objects; %d wrong, %d worse than the table, %d better\n", r.passed, r.tests,
	       r.wanted_passed, r.of_wanted, r.objects, r.wrong, r.worse, r.better);
	bool ok = r.wrong == 0 && r.worse == 0 && (!r.rewrite || write_table(&r));
	table_free(&r.old);
	table_free(&r.new);
	return ok ? 0 : 1;
}
