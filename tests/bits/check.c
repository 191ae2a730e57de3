/* The same-bytes suite.

     bits_check engines FIRST STEP COUNT
     bits_check threads FIRST STEP COUNT
     bits_check model FILE DATA FIRST COUNT
   compare the graph interpreter (the norm), the kernel-IR interpreter for every target, and the native object of every target this CPU runs (or of a stand-in with
   the same instructions): every stored tensor, with and without reuse of memory. `engines` takes random graphs, seeds FIRST, FIRST + STEP, ... until COUNT
   of them count; `model` a quantized model (compile --emit ir) and samples of a data file.

     bits_check emit FOLDER TARGET FIRST STEP COUNT
     bits_check emit-model FOLDER TARGET FILE DATA FIRST COUNT
   write for the same graphs NAME.c (target c, or TARGET.c) or NAME.o, models.def and data.bin for batch.c, which makes the comparison elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "ir/dynamic.h"
#include "ir/outfile.h"
#include "tests/bits/check.h"
#include "tests/common/stand_in.h"
#include "tests/common/tiles.h"

enum { MAX_ENGINES = 48 };

/* ---- comparison ---- */

static void note_case(struct run *r)
{
	r->graphs++;
	r->flavours[r->c.flavour]++;
	for (struct ig_nid id = ig_first(r->g); id.i >= 0; id = ig_next(r->g, id)) {
		const struct ig_node *n = ig_node(r->g, id);
		r->ops[n->op][ig_vtype(r->g, n->out[0])->q.i >= 0]++;
		bits_count(r->g, r->it, n, &r->counts);
		if (ig_ops[n->op].quant == IG_QC_COMPUTE && ig_vtype(r->g, n->in[0])->q.i < 0) {
			const struct ig_type *w = ig_vtype(r->g, n->in[1]);
			r->dynamic += ig_dynamic_levels(n) != 0;
			r->stored[w->dtype] += ig_dynamic_levels(n) == 0;
			r->grouped += w->q.i >= 0 && ig_qparam(r->g, w->q)->group > 0;
		}
	}
}

static bool equal(const struct ig_type *t, const void *a, const void *b, int64_t *at)
{
	size_t size = bits_tensor_bytes(t) / (size_t)ig_elems(t);
	for (int64_t i = 0, n = ig_elems(t); i < n; i++) {
		const char *x = (const char *)a + size * (size_t)i, *y = (const char *)b + size * (size_t)i;
		float f, g;
		if (!memcmp(x, y, size))
			continue;
		if (t->dtype == IG_DT_F32 && (memcpy(&f, x, 4), memcpy(&g, y, 4), f != f && g != g))
			continue; /* payloads of NaN between layers are not specified */
		*at = i;
		return false;
	}
	return true;
}

static void wrong(struct run *r, const char *engine, const char *target, int sample, const char *what, int64_t at)
{
	if (r->wrong++ < 20)
		fprintf(stderr, "%s sample %d: %s %s: %s differs, first at element %lld\n  again: bits_check %s\n", r->what, sample, target, engine, what, (long long)at, r->again);
}

/* One module on one engine. */
struct engine {
	const char *name, *target;
	struct kir_module *m;
	bool keep, owns_module;
	struct kir_interp *kir;      /* or */
	struct ig_native *native;
	struct ig_program *program;
	struct ig_pool *pool;        /* of native, with several threads */
	void *arena, *out[MAX_OUTPUTS];
};

static void compare_outputs(struct run *r, const struct engine *e, int sample)
{
	for (int i = 0; i < r->g->n_outputs; i++) {
		const struct ig_tensor *want = ig_interp_value(r->it, r->g->output[i]);
		int64_t at = 0;
		r->bytes += (int64_t)want->bytes;
		if (memcmp(want->data, e->out[i], want->bytes)) { /* the bits of NaN too: an output's is canonical */
			equal(&want->type, want->data, e->out[i], &at);
			wrong(r, e->name, e->target, sample, r->g->output_name[i], at);
		}
	}
}

static void compare_tensors(struct run *r, const struct engine *e, int sample)
{
	for (int i = 0; i < e->m->n_tensors; i++) {
		const struct ig_tensor *want = ig_interp_value(r->it, e->m->tensor[i].value);
		void *got = ig_xcalloc(want->bytes + 1, 1);
		int64_t at;
		kir_tensor_read(e->m, &e->m->tensor[i], r->in[sample], e->out, e->arena, got);
		r->tensors++;
		r->bytes += (int64_t)want->bytes;
		if (!equal(&want->type, want->data, got, &at))
			wrong(r, e->name, e->target, sample, e->m->tensor[i].name, at);
		free(got);
	}
}

static void run_engine(struct run *r, struct engine *e, int sample)
{
	memset(e->arena, 0xa5, (size_t)e->m->arena_bytes);
	for (int i = 0; i < r->g->n_outputs; i++)
		memset(e->out[i], 0xa5, bits_tensor_bytes(ig_vtype(r->g, r->g->output[i])));
	if (e->kir)
		kir_interp_run(e->kir, r->in[sample], e->out, e->arena);
	else if (ig_native_run_on(e->native, r->in[sample], e->out, e->arena, e->pool ? ig_pool_for : NULL, e->pool) != 0)
		wrong(r, e->name, e->target, sample, "the result of the call", 0);
	compare_outputs(r, e, sample);
	if (e->keep)
		compare_tensors(r, e, sample);
}

static void add_memory(const struct run *r, struct engine *e)
{
	e->arena = aligned_alloc(64, (size_t)(e->m->arena_bytes + 64));
	if (!e->arena)
		IG_BUG("no memory");
	for (int i = 0; i < r->g->n_outputs; i++)
		e->out[i] = ig_xcalloc(bits_tensor_bytes(ig_vtype(r->g, r->g->output[i])) + 1, 1);
}

/* Any candidate of the cost model: none of them may change a bit. */
static int any_schedule(void *self, const struct ig_sched_layer *l)
{
	struct bits_random *r = self;
	return (int)bits_pick(r, (uint32_t)l->n);
}

/* Lowers for a target; adds the interpreter and, where it runs, the object. With reuse of memory, schedules are taken at random. */
static int add_engines(struct run *r, const struct ig_target *t, bool keep, bool interpreted, struct engine *e)
{
	int n = 0;
	struct ig_target stand;
	const struct ig_target *native = stand_in(t, &stand);
	struct bits_random any = {r->c.seed + 1};
	struct ig_lower_options o = {.keep = keep, .rows = keep ? IG_ROWS_NEVER : IG_ROWS_AUTO, .tune = keep ? NULL : any_schedule, .tune_self = &any};
	struct kir_module *m = ig_lower(r->g, t, &o, r->d);
	if (!m) {
		wrong(r, "lowering", t->name, 0, "nothing: it refuses, so all", 0);
		return 0;
	}
	for (int i = 0; i < m->n_funcs; i++)
		r->fused += strstr(m->func[i]->layer, " + ") != NULL;
	bool runs = native->triple && ig_target_runs_here(native);
	if (interpreted || !runs)
		e[n++] = (struct engine){.name = keep ? "kernel IR" : "kernel IR (memory reused)", .target = t->name, .m = m, .keep = keep, .kir = kir_interp_new(m)};
	if (runs) {
		struct ig_program *p = ig_program_new(r->g->name, r->g, m, native);
		p->tiles = native != t && native->matrix.kind == IG_MATRIX_TILE ? &test_tiles : NULL;
		struct ig_native *obj = ig_native_new(p, r->d);
		if (obj)
			e[n++] = (struct engine){.name = keep ? "object" : "object (memory reused)", .target = t->name, .m = m, .keep = keep, .native = obj, .program = p};
		else
			wrong(r, "object", t->name, 0, "nothing: it does not load, so all", 0);
	}
	for (int i = 0; i < n; i++)
		add_memory(r, &e[i]);
	if (n)
		e[n - 1].owns_module = true;
	return n;
}

/* The same split over threads, wherever it can be, as if waiting cost nothing: parts in the reverse order in the interpreter, on a pool in the object. */
static int add_threads(struct run *r, const struct ig_target *t, bool keep, int threads, bool interpreted, struct engine *e)
{
	struct ig_target eager = *t;
	eager.sync_cycles = 1;
	struct kir_module *m = ig_lower(r->g, &eager, &(struct ig_lower_options){.keep = keep, .threads = threads}, r->d);
	if (!m) {
		wrong(r, "lowering for threads", t->name, 0, "nothing: it refuses, so all", 0);
		return 0;
	}
	int n = 0;
	for (int i = 1; i < m->n_funcs; i++)
		r->parts += m->func[i]->part > m->func[i - 1]->part;
	if (interpreted) {
		e[n++] = (struct engine){.name = "kernel IR (parts reversed)", .target = t->name, .m = m, .keep = keep, .kir = kir_interp_new(m)};
		kir_interp_reverse(e[0].kir, true);
	}
	if (t->triple && ig_target_runs_here(t)) {
		struct ig_program *p = ig_program_new(r->g->name, r->g, m, t);
		struct ig_native *obj = ig_native_new(p, r->d);
		if (obj)
			e[n++] = (struct engine){.name = "object (threads)", .target = t->name, .m = m, .keep = keep, .native = obj, .program = p,
			                         .pool = ig_pool_new(threads)};
		else
			wrong(r, "object (threads)", t->name, 0, "nothing: it does not load, so all", 0);
	}
	for (int i = 0; i < n; i++)
		add_memory(r, &e[i]);
	if (n)
		e[n - 1].owns_module = true;
	else
		kir_module_free(m);
	return n;
}

static void free_engine(const struct run *r, struct engine *e)
{
	for (int i = 0; i < r->g->n_outputs; i++)
		free(e->out[i]);
	free(e->arena);
	kir_interp_free(e->kir);
	ig_native_free(e->native);
	ig_pool_free(e->pool);
	ig_program_free(e->program);
	if (e->owns_module)
		kir_module_free(e->m);
}

/* Every sample through every engine, which are released then. */
static void run_engines(struct run *r, struct engine *e, int n)
{
	for (int s = 0; s < r->samples; s++) {
		ig_interp_run(r->it, r->in[s]);
		for (int i = 0; i < n; i++)
			run_engine(r, &e[i], s);
	}
	for (int i = n - 1; i >= 0; i--)
		free_engine(r, &e[i]);
}

/* reuse: also without `keep`. The kernel IR of wide targets is quickest to interpret: `few` leaves the others' to their objects. */
static void check_graph(struct run *r, bool reuse, bool few)
{
	int n_targets, n = 0;
	struct engine e[MAX_ENGINES];
	const struct ig_target *const *t = ig_targets(&n_targets);
	for (int i = 0; i < n_targets; i++) {
		struct ig_target eager;
		n += add_engines(r, t[i], true, !few || t[i]->vector_bytes == 64, &e[n]);
		if (reuse || t[i]->vector_bytes == 64)
			n += add_engines(r, t[i], false, !few, &e[n]);
		if (t[i]->matrix.kind != IG_MATRIX_TILE)
			continue;
		eager = bits_with_tiles(t[i]);
		n += add_engines(r, &eager, true, !few, &e[n]);
		if (reuse)
			n += add_engines(r, &eager, false, false, &e[n]);
	}
	run_engines(r, e, n);
}

/* Two and three threads; a seed's target and whether memory is reused alternate. */
static void check_threads(struct run *r, uint64_t seed)
{
	int n_targets, n = 0;
	struct engine e[MAX_ENGINES];
	const struct ig_target *const *t = ig_targets(&n_targets);
	for (int threads = 2; threads <= 3; threads++)
		n += add_threads(r, t[(seed + (uint64_t)threads) % (uint64_t)n_targets], (seed / 2 + (uint64_t)threads) % 2, threads, true, &e[n]);
	run_engines(r, e, n);
}

/* A model's objects of the targets that run here, and the kernel IR of one. */
static void check_model_threads(struct run *r)
{
	int n_targets, n = 0;
	struct engine e[MAX_ENGINES];
	const struct ig_target *const *t = ig_targets(&n_targets);
	for (int i = 0; i < n_targets; i++)
		for (int threads = 2; threads <= 3 && ig_target_runs_here(t[i]); threads++)
			n += add_threads(r, t[i], false, threads, t[i]->vector_bytes == 64 && threads == 2, &e[n]);
	run_engines(r, e, n);
}

static void report_compared(const struct run *r)
{
	printf("%lld tensors, %lld bytes compared, %lld tensors differ\n", (long long)r->tensors, (long long)r->bytes, (long long)r->wrong);
}

static void report(const struct run *r)
{
	printf("%lld graphs (%lld dull ones left out):", (long long)r->graphs, (long long)r->dull);
	for (int i = 0; i < BITS_FLAVOURS; i++)
		printf(" %s %lld", bits_flavour_names[i], (long long)r->flavours[i]);
	putchar('\n');
	report_compared(r);
	printf("%lld kernels of row-fused layers\n", (long long)r->fused);
	printf("float layers by weights: f32 %lld, f16 %lld, bf16 %lld, s8 %lld, s4 %lld, of these in groups %lld; dynamic: %lld\n", (long long)r->stored[IG_DT_F32],
	       (long long)r->stored[IG_DT_F16], (long long)r->stored[IG_DT_BF16], (long long)r->stored[IG_DT_S8], (long long)r->stored[IG_DT_S4], (long long)r->grouped,
	       (long long)r->dynamic);
	printf("products of tiles in software: %lld\n", (long long)test_tile_dots());
	printf("roundings in one sample of each: %lld, ties %lld, accumulators over 2^24 %lld\n", (long long)r->counts.roundings, (long long)r->counts.ties,
	       (long long)r->counts.large);
	for (int i = 0; i < IG_OP_COUNT; i++)
		if (i != IG_OP_CONSTANT && i != IG_OP_INPUT)
			printf("  %-22s quantized %5lld  float %5lld\n", ig_ops[i].name, (long long)r->ops[i][1], (long long)r->ops[i][0]);
}

/* What each family of graphs must have had. */
static const enum ig_op basic_ops[] = {
    IG_OP_CONV2D,     IG_OP_DEPTHWISE_CONV2D, IG_OP_LINEAR,  IG_OP_CONV2D_ADD,  IG_OP_DEPTHWISE_CONV2D_ADD, IG_OP_LINEAR_ADD, IG_OP_BATCH_NORM,
    IG_OP_CLIP,       IG_OP_LEAKY_RELU,       IG_OP_SIGMOID, IG_OP_TANH,        IG_OP_HARD_SWISH,           IG_OP_ADD,        IG_OP_SUB,
    IG_OP_MUL,        IG_OP_CONCAT,           IG_OP_MAX_POOL2D, IG_OP_AVG_POOL2D, IG_OP_GLOBAL_AVG_POOL,    IG_OP_NORMALIZE,  IG_OP_PAD,
    IG_OP_SLICE,      IG_OP_RESHAPE,          IG_OP_FLATTEN, IG_OP_TRANSPOSE,   IG_OP_SOFTMAX,              IG_OP_QUANTIZE,   IG_OP_DEQUANTIZE,
};
static const enum ig_op index_ops[] = {IG_OP_PAD,    IG_OP_SLICE,           IG_OP_SPLIT, IG_OP_GATHER, IG_OP_EXPAND, IG_OP_TILE, IG_OP_DEPTH_TO_SPACE, IG_OP_SPACE_TO_DEPTH,
                                       IG_OP_RESIZE, IG_OP_GLOBAL_MAX_POOL, IG_OP_LSTM,  IG_OP_GRU,    IG_OP_RNN};
static const enum ig_op math_ops[] = {IG_OP_SELU,    IG_OP_SOFTPLUS,   IG_OP_CELU,       IG_OP_SOFTSIGN,    IG_OP_GELU,    IG_OP_EXP,        IG_OP_LOG,        IG_OP_SQRT,
                                      IG_OP_ABS,     IG_OP_RECIPROCAL, IG_OP_DIV,        IG_OP_POW,         IG_OP_MINIMUM, IG_OP_MAXIMUM,    IG_OP_PRELU,      IG_OP_EQUAL,
                                      IG_OP_LESS,    IG_OP_GREATER,    IG_OP_LESS_EQUAL, IG_OP_LOGICAL_NOT, IG_OP_WHERE,   IG_OP_LOGICAL_OR, IG_OP_LOGICAL_XOR, IG_OP_CAST,
                                      IG_OP_REDUCE_MEAN, IG_OP_REDUCE_SUM, IG_OP_REDUCE_MAX, IG_OP_REDUCE_MIN, IG_OP_ARGMAX};
/* Families by their first seed, the last one first. */
static const struct {
	uint64_t first;
	const enum ig_op *ops;
	size_t n;
} families[] = {{BITS_MATH, math_ops, IG_COUNTOF(math_ops)}, {BITS_INDEX, index_ops, IG_COUNTOF(index_ops)}, {0, basic_ops, IG_COUNTOF(basic_ops)}};

/* With many graphs, each operation of their family must have occurred, and ties and long sums too. */
static bool covered(const struct run *r)
{
	bool ok = true;
	int f = 0;
	if (r->c.seed >= BITS_BLOCKS && r->c.seed < BITS_INDEX && r->fused < r->graphs) {
		fprintf(stderr, "too few row-fused layers\n");
		return false;
	}
	if (r->graphs < 100)
		return true;
	if (r->c.seed >= BITS_PRECISION) {
		static const enum ig_dtype types[] = {IG_DT_F16, IG_DT_BF16, IG_DT_S8, IG_DT_S4};
		for (size_t k = 0; k < IG_COUNTOF(types); k++)
			ok &= r->stored[types[k]] >= 10;
		ok &= r->grouped >= 10 && r->dynamic >= 20;
		if (!ok)
			fprintf(stderr, "too few layers of some precision\n");
		return ok;
	}
	while (r->c.seed < families[f].first)
		f++;
	for (size_t k = 0; k < families[f].n; k++) {
		enum ig_op i = families[f].ops[k];
		if (r->ops[i][0] + r->ops[i][1] == 0) {
			fprintf(stderr, "no graph has %s\n", ig_ops[i].name);
			ok = false;
		}
	}
	if (families[f].first)
		return ok;
	if (r->counts.ties < r->graphs || r->counts.large < r->graphs / 2) {
		fprintf(stderr, "too few ties or large accumulators\n");
		ok = false;
	}
	return ok;
}

static int engines(struct run *r, uint64_t first, uint64_t step, int64_t count, bool threads)
{
	for (uint64_t seed = first; r->graphs < count && seed < first + step * (uint64_t)(10 * count + 1); seed += step) {
		if (bits_begin_case(r, seed)) {
			note_case(r);
			if (threads)
				check_threads(r, seed);
			else
				check_graph(r, seed % 2 == 0 || count == 1, false);
		}
		bits_end_case(r);
	}
	report(r);
	if (threads)
		printf("%lld parts beside the first of their region\n", (long long)r->parts);
	bool enough = threads ? count < 100 || r->parts > count : covered(r);
	return r->wrong == 0 && enough && r->graphs == count ? 0 : 1;
}

static int model(struct run *r, const char *path, const char *data, int64_t first, int64_t count)
{
	struct ig_model *m = bits_begin_model(r, path, data, first, count);
	if (!m)
		return 1;
	check_graph(r, true, true);
	check_model_threads(r);
	printf("%s, %d samples: ", r->g->name, r->samples);
	report_compared(r);
	bits_end_model(r, m);
	return r->wrong != 0;
}

static uint64_t number(const char *s)
{
	return strtoull(s, NULL, 10);
}

int main(int argc, char **argv)
{
	struct run r = {0};
	int status = 2;
	r.d = ig_diag_new(stderr, false);
	if (argc == 5 && (!strcmp(argv[1], "engines") || !strcmp(argv[1], "threads")))
		status = engines(&r, number(argv[2]), number(argv[3]), (int64_t)number(argv[4]), !strcmp(argv[1], "threads"));
	else if (argc == 6 && !strcmp(argv[1], "model"))
		status = model(&r, argv[2], argv[3], (int64_t)number(argv[4]), (int64_t)number(argv[5]));
	else if (argc == 7 && !strcmp(argv[1], "emit"))
		status = bits_emit(&r, argv[2], argv[3], number(argv[4]), number(argv[5]), (int64_t)number(argv[6]));
	else if (argc == 8 && !strcmp(argv[1], "emit-model"))
		status = bits_emit_model(&r, argv[2], argv[3], argv[4], argv[5], (int64_t)number(argv[6]), (int64_t)number(argv[7]));
	else
		fprintf(stderr, "usage: bits_check engines|threads FIRST STEP COUNT | model FILE DATA FIRST COUNT | emit FOLDER TARGET FIRST STEP COUNT |\n"
		                "       emit-model FOLDER TARGET FILE DATA FIRST COUNT\n");
	ig_diag_free(r.d);
	return status;
}
