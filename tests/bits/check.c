/* The same-bytes suite over random graphs.

     bits_check engines FIRST STEP COUNT
   takes seeds FIRST, FIRST + STEP, ... until COUNT graphs count, and compares, for each: the graph interpreter (the norm), the kernel-IR interpreter and the
   native object of every target this CPU runs (the kernel IR of the others too), every stored tensor, with and without reuse of memory.

     bits_check emit FOLDER FIRST STEP COUNT TARGET...
   writes for the same seeds gSEED.c (target c) or gSEED-TARGET.o, models.c and data.bin for batch.c, which compares them elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "ir/outfile.h"
#include "tests/bits/arith.h"
#include "tests/bits/graphgen.h"

enum { SAMPLES = 4 };

struct run {
	struct ig_diag *d;
	struct bits_case c;
	struct ig_interp *it;
	struct ig_arena *a;
	const void **in[SAMPLES];
	int64_t tensors, bytes, wrong;
	int64_t ops[IG_OP_COUNT][2], flavours[BITS_FLAVOURS];
	int64_t graphs, dull, emitted;
	struct bits_counts counts;
};

/* ---- the norm ---- */

/* Prepares a seed: false when the graph says too little (or has no layer). */
static bool begin_case(struct run *r, uint64_t seed)
{
	bool tells = true, layers = false;
	if (!bits_case_build(&r->c, seed, r->d)) {
		fprintf(stderr, "seed %llu: the passes fail\n", (unsigned long long)seed);
		r->wrong++;
		return false;
	}
	r->it = ig_interp_new(r->c.g, r->d);
	if (!r->it) {
		fprintf(stderr, "seed %llu: the graph interpreter refuses\n", (unsigned long long)seed);
		r->wrong++;
		return false;
	}
	r->a = ig_arena_new();
	for (int s = 0; s < SAMPLES; s++)
		r->in[s] = bits_sample(r->c.g, seed, s, r->c.flavour, r->a);
	ig_interp_run(r->it, r->in[0]);
	for (int i = 0; i < r->c.g->n_outputs; i++)
		tells &= bits_tells(r->c.g, ig_interp_value(r->it, r->c.g->output[i]));
	for (struct ig_nid id = ig_first(r->c.g); id.i >= 0; id = ig_next(r->c.g, id))
		layers |= ig_ops[ig_node(r->c.g, id)->op].macs;
	r->dull += !tells;
	return tells && layers && r->c.g->n_outputs;
}

static void end_case(struct run *r)
{
	ig_interp_free(r->it);
	ig_arena_free(r->a);
	bits_case_free(&r->c);
	r->it = NULL;
	r->a = NULL;
}

static void note_case(struct run *r)
{
	const struct ig_graph *g = r->c.g;
	r->graphs++;
	r->flavours[r->c.flavour]++;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		r->ops[n->op][ig_vtype(g, n->out[0])->q.i >= 0]++;
		bits_count(g, r->it, n, &r->counts);
	}
}

/* ---- comparison ---- */

static bool equal(const struct ig_type *t, const void *a, const void *b, int64_t *at)
{
	size_t size = t->dtype == IG_DT_F32 || t->dtype == IG_DT_I32 ? 4 : 1;
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

static void wrong(struct run *r, const char *engine, const struct ig_target *t, int sample, const char *what, int64_t at)
{
	if (r->wrong++ < 20)
		fprintf(stderr, "seed %llu (%s, %s) sample %d: %s %s: %s differs, first at element %lld\n  again: bits_check engines %llu 1 1\n",
		        (unsigned long long)r->c.seed, bits_flavour_names[r->c.flavour], r->c.preset, sample, t->name, engine, what, (long long)at, (unsigned long long)r->c.seed);
}

static void compare_outputs(struct run *r, const char *engine, const struct ig_target *t, int sample, void *const *out)
{
	for (int i = 0; i < r->c.g->n_outputs; i++) {
		const struct ig_tensor *want = ig_interp_value(r->it, r->c.g->output[i]);
		int64_t at;
		r->bytes += (int64_t)want->bytes;
		if (memcmp(want->data, out[i], want->bytes)) { /* the bits of NaN too: an output's is canonical */
			equal(&want->type, want->data, out[i], &at);
			wrong(r, engine, t, sample, r->c.g->output_name[i], at);
		}
	}
}

static void compare_tensors(struct run *r, const char *engine, const struct ig_target *t, int sample, const struct kir_module *m, void *const *out, const void *arena)
{
	for (int i = 0; i < m->n_tensors; i++) {
		const struct ig_tensor *want = ig_interp_value(r->it, m->tensor[i].value);
		void *got = ig_xcalloc(want->bytes + 1, 1);
		int64_t at;
		kir_tensor_read(m, &m->tensor[i], r->in[sample], out, arena, got);
		r->tensors++;
		r->bytes += (int64_t)want->bytes;
		if (!equal(&want->type, want->data, got, &at))
			wrong(r, engine, t, sample, m->tensor[i].name, at);
		free(got);
	}
}

static void *arena_new(const struct kir_module *m)
{
	void *p = aligned_alloc(64, (size_t)(m->arena_bytes + 64));
	if (!p)
		IG_BUG("no memory");
	return p;
}

/* One module on one engine, all samples; native NULL: the kernel-IR interpreter. */
static void run_module(struct run *r, const struct ig_target *t, const struct kir_module *m, bool keep, struct ig_native *native)
{
	struct kir_interp *it = native ? NULL : kir_interp_new(m);
	void *arena = arena_new(m), *out[16];
	const char *engine = native ? keep ? "object" : "object (memory reused)" : keep ? "kernel IR" : "kernel IR (memory reused)";
	for (int i = 0; i < r->c.g->n_outputs; i++)
		out[i] = ig_xcalloc(ig_interp_value(r->it, r->c.g->output[i])->bytes + 1, 1);
	for (int s = 0; s < SAMPLES; s++) {
		memset(arena, 0xa5, (size_t)m->arena_bytes);
		ig_interp_run(r->it, r->in[s]);
		if (it)
			kir_interp_run(it, r->in[s], out, arena);
		else if (ig_native_run(native, r->in[s], out, arena) != 0)
			wrong(r, engine, t, s, "the result of the call", 0);
		compare_outputs(r, engine, t, s, out);
		if (keep)
			compare_tensors(r, engine, t, s, m, out, arena);
	}
	for (int i = 0; i < r->c.g->n_outputs; i++)
		free(out[i]);
	free(arena);
	kir_interp_free(it);
}

static void check_target(struct run *r, const struct ig_target *t, bool keep)
{
	struct kir_module *m = ig_lower(r->c.g, t, &(struct ig_lower_options){.keep = keep}, r->d);
	if (!m) {
		wrong(r, "lowering", t, 0, "nothing: it refuses, so all", 0);
		return;
	}
	run_module(r, t, m, keep, NULL);
	if (t->triple && ig_target_runs_here(t)) {
		struct ig_program *p = ig_program_new(r->c.g->name, r->c.g, m, t);
		struct ig_native *n = ig_native_new(p, r->d);
		if (n)
			run_module(r, t, m, keep, n);
		else
			wrong(r, "object", t, 0, "nothing: it does not load, so all", 0);
		ig_native_free(n);
		ig_program_free(p);
	}
	kir_module_free(m);
}

static void report(const struct run *r)
{
	printf("%lld graphs (%lld dull ones left out):", (long long)r->graphs, (long long)r->dull);
	for (int i = 0; i < BITS_FLAVOURS; i++)
		printf(" %s %lld", bits_flavour_names[i], (long long)r->flavours[i]);
	printf("\n%lld tensors, %lld bytes compared, %lld tensors differ\n", (long long)r->tensors, (long long)r->bytes, (long long)r->wrong);
	printf("roundings in one sample of each: %lld, ties %lld, accumulators over 2^24 %lld\n", (long long)r->counts.roundings, (long long)r->counts.ties,
	       (long long)r->counts.large);
	for (int i = 0; i < IG_OP_COUNT; i++)
		if (i != IG_OP_CONSTANT && i != IG_OP_INPUT)
			printf("  %-22s quantized %5lld  float %5lld\n", ig_ops[i].name, (long long)r->ops[i][1], (long long)r->ops[i][0]);
}

/* With many graphs, each operation that can be lowered must have occurred, and ties and long sums too. */
static bool covered(const struct run *r)
{
	bool ok = true;
	if (r->graphs < 100)
		return true;
	for (int i = 0; i < IG_OP_COUNT; i++) {
		bool never = i == IG_OP_CONSTANT || i == IG_OP_OBSERVE || i == IG_OP_RELU || i == IG_OP_RELU6 || i == IG_OP_REQUANTIZE;
		if (!never && r->ops[i][0] + r->ops[i][1] == 0) {
			fprintf(stderr, "no graph has %s\n", ig_ops[i].name);
			ok = false;
		}
	}
	if (r->counts.ties < 100 || r->counts.large < 100) {
		fprintf(stderr, "too few ties or large accumulators\n");
		ok = false;
	}
	return ok;
}

static int engines(struct run *r, uint64_t first, uint64_t step, int64_t count)
{
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	for (uint64_t seed = first; r->graphs < count && seed < first + step * (uint64_t)(10 * count + 1); seed += step) {
		if (begin_case(r, seed)) {
			note_case(r);
			for (int i = 0; i < n; i++) {
				check_target(r, t[i], true);
				if (seed % 2 == 0 || t[i]->vector_bytes == 64)
					check_target(r, t[i], false);
			}
		}
		end_case(r);
	}
	report(r);
	return r->wrong == 0 && covered(r) && (count == 1 || r->graphs == count) ? 0 : 1;
}

/* ---- emission ---- */

static void put32(FILE *f, int64_t v)
{
	uint32_t u = (uint32_t)v;
	fwrite(&u, 4, 1, f);
}

static void put64(FILE *f, int64_t v)
{
	fwrite(&v, 8, 1, f);
}

static size_t tensor_bytes(const struct ig_type *t)
{
	size_t n;
	if (!ig_type_bytes(t, &n))
		IG_BUG("no size");
	return n;
}

/* One tensor's place: space (0 arena, 1 output), io, bytes of an element, float?, rank, offset, then dims and strides in bytes. */
static void put_place(FILE *f, const struct kir_module *m, const struct kir_tensor *t)
{
	const struct kir_buffer *b = &m->buf[t->buf];
	int64_t unit = kir_elem_bytes(b->elem);
	put32(f, b->space == KIR_OUT);
	put32(f, b->io);
	put32(f, (int64_t)tensor_bytes(&t->type) / ig_elems(&t->type));
	put32(f, t->type.dtype == IG_DT_F32);
	put32(f, t->type.rank);
	put64(f, t->base * unit + (b->space == KIR_OUT ? 0 : b->offset));
	for (int i = 0; i < t->type.rank; i++) {
		put64(f, t->type.dim[i]);
		put64(f, t->stride[i] * unit);
	}
}

static bool compared(const struct kir_module *m, const struct kir_tensor *t)
{
	return m->buf[t->buf].space == KIR_ARENA || m->buf[t->buf].space == KIR_OUT;
}

/* What batch.c compares of one model: see there. */
static void put_case(FILE *f, struct run *r, const struct kir_module *m)
{
	const struct ig_graph *g = r->c.g;
	int n = 0;
	for (int i = 0; i < m->n_tensors; i++)
		n += compared(m, &m->tensor[i]);
	put32(f, 0x62697473);
	put32(f, SAMPLES);
	put32(f, n);
	for (int i = 0; i < m->n_tensors; i++)
		if (compared(m, &m->tensor[i]))
			put_place(f, m, &m->tensor[i]);
	for (int s = 0; s < SAMPLES; s++) {
		ig_interp_run(r->it, r->in[s]);
		for (int i = 0; i < g->n_inputs; i++)
			fwrite(r->in[s][i], 1, tensor_bytes(ig_vtype(g, g->input[i])), f);
		for (int i = 0; i < g->n_outputs; i++)
			fwrite(ig_interp_value(r->it, g->output[i])->data, 1, tensor_bytes(ig_vtype(g, g->output[i])), f);
		for (int i = 0; i < m->n_tensors; i++)
			if (compared(m, &m->tensor[i]))
				fwrite(ig_interp_value(r->it, m->tensor[i].value)->data, 1, tensor_bytes(&m->tensor[i].type), f);
	}
}

static bool emit_case(struct run *r, const char *folder, const struct ig_target *t, FILE *data, FILE *models)
{
	struct kir_module *m = ig_lower(r->c.g, t, &(struct ig_lower_options){.keep = true}, r->d);
	if (!m)
		return false;
	struct ig_program *p = ig_program_new(r->c.g->name, r->c.g, m, t);
	bool c = !t->triple;
	const char *path = ig_arena_printf(r->a, c ? "%s/%s.c" : "%s/%s.o", folder, p->name);
	bool ok = c ? ig_emit_c(p, path, r->d) : ig_emit_llvm(p, IG_LLVM_OBJECT, path, r->d);
	put_case(data, r, m);
	fprintf(models, "MODEL(%s)\n", p->name);
	ig_program_free(p);
	kir_module_free(m);
	return ok;
}

static int emit(struct run *r, const char *folder, uint64_t first, uint64_t step, int64_t count, const char *target)
{
	const struct ig_target *t = ig_target_find(target);
	struct ig_arena *a = ig_arena_new();
	FILE *data = fopen(ig_arena_printf(a, "%s/data.bin", folder), "wb"), *models = fopen(ig_arena_printf(a, "%s/models.def", folder), "w");
	bool ok = t && data && models;
	for (uint64_t seed = first; ok && r->emitted < count; seed += step) {
		if (begin_case(r, seed)) {
			ok = emit_case(r, folder, t, data, models);
			r->emitted++;
		}
		end_case(r);
	}
	ok = ok && r->wrong == 0;
	if (data)
		ok &= fclose(data) == 0;
	if (models)
		ok &= fclose(models) == 0;
	ig_arena_free(a);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct run r = {0};
	int status = 2;
	r.d = ig_diag_new(stderr, false);
	if (argc == 5 && !strcmp(argv[1], "engines"))
		status = engines(&r, strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), strtoll(argv[4], NULL, 10));
	else if (argc == 7 && !strcmp(argv[1], "emit"))
		status = emit(&r, argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), strtoll(argv[5], NULL, 10), argv[6]);
	else
		fprintf(stderr, "usage: bits_check engines FIRST STEP COUNT | emit FOLDER FIRST STEP COUNT TARGET\n");
	ig_diag_free(r.d);
	return status;
}
