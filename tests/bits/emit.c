/* Models and what they must compute, written for batch.c. */
#include "tests/bits/check.h"

#include <string.h>

static void put32(FILE *f, int64_t v)
{
	uint32_t u = (uint32_t)v;
	fwrite(&u, 4, 1, f);
}

static void put64(FILE *f, int64_t v)
{
	fwrite(&v, 8, 1, f);
}

/* One tensor's place: space (0 arena, 1 output), io, bytes of an element, float?, rank, offset, then dims and strides in bytes. */
static void put_place(FILE *f, const struct kir_module *m, const struct kir_tensor *t)
{
	const struct kir_buffer *b = &m->buf[t->buf];
	int64_t unit = kir_elem_bytes(b->elem);
	put32(f, b->space == KIR_OUT);
	put32(f, b->io);
	put32(f, (int64_t)bits_tensor_bytes(&t->type) / ig_elems(&t->type));
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
	const struct ig_graph *g = r->g;
	int n = 0;
	for (int i = 0; i < m->n_tensors; i++)
		n += compared(m, &m->tensor[i]);
	put32(f, 0x62697473);
	put32(f, r->samples);
	put32(f, n);
	for (int i = 0; i < m->n_tensors; i++)
		if (compared(m, &m->tensor[i]))
			put_place(f, m, &m->tensor[i]);
	for (int s = 0; s < r->samples; s++) {
		ig_interp_run(r->it, r->in[s]);
		for (int i = 0; i < g->n_inputs; i++)
			fwrite(r->in[s][i], 1, bits_tensor_bytes(ig_vtype(g, g->input[i])), f);
		for (int i = 0; i < g->n_outputs; i++)
			fwrite(ig_interp_value(r->it, g->output[i])->data, 1, bits_tensor_bytes(ig_vtype(g, g->output[i])), f);
		for (int i = 0; i < m->n_tensors; i++)
			if (compared(m, &m->tensor[i]))
				fwrite(ig_interp_value(r->it, m->tensor[i].value)->data, 1, bits_tensor_bytes(&m->tensor[i].type), f);
	}
}

struct output {
	const char *folder;
	const struct ig_target *target;
	struct ig_target eager;
	bool c;
	FILE *data, *models;
};

static bool open_output(struct output *o, struct run *r, const char *folder, const char *target)
{
	char path[4096];
	size_t n = strcspn(target, ".");
	snprintf(path, sizeof path, "%.*s", (int)n, target);
	*o = (struct output){.folder = folder, .target = ig_target_find(path), .c = strcmp(target + n, ".c") == 0};
	if (!o->target) {
		ig_error(r->d, IG_NOLOC, "no target %s", target);
		return false;
	}
	o->c |= !o->target->triple;
	if (o->target->matrix.kind == IG_MATRIX_TILE) {
		o->eager = bits_with_tiles(o->target);
		o->eager.name = o->target->name;
		o->target = &o->eager;
	}
	snprintf(path, sizeof path, "%s/data.bin", folder);
	o->data = fopen(path, "wb");
	snprintf(path, sizeof path, "%s/models.def", folder);
	o->models = fopen(path, "w");
	return o->data && o->models;
}

static bool close_output(struct output *o)
{
	bool ok = !ferror(o->data) && !ferror(o->models);
	return (fclose(o->data) == 0) & (fclose(o->models) == 0) & ok;
}

static bool emit_graph(struct run *r, const struct output *o)
{
	struct ig_target eager = *o->target;
	eager.sync_cycles = 1;
	struct kir_module *m = ig_lower(r->g, &eager, &(struct ig_lower_options){.keep = true, .threads = 1 + r->threads++ % 3}, r->d);
	if (!m)
		return false;
	struct ig_program *p = ig_program_new(r->g->name, r->g, m, o->target);
	bool c = o->c;
	const char *path = ig_arena_printf(r->a, c ? "%s/%s.c" : "%s/%s.o", o->folder, p->name);
	bool ok = c ? ig_emit_c(p, path, r->d) : ig_emit_llvm(p, IG_LLVM_OBJECT, path, r->d);
	put_case(o->data, r, m);
	fprintf(o->models, "MODEL(%s)\n", p->name);
	ig_program_free(p);
	kir_module_free(m);
	return ok;
}

int bits_emit(struct run *r, const char *folder, const char *target, uint64_t first, uint64_t step, int64_t count)
{
	struct output o;
	bool ok = open_output(&o, r, folder, target);
	for (uint64_t seed = first; ok && r->emitted < count; seed += step) {
		if (bits_begin_case(r, seed)) {
			ok = emit_graph(r, &o);
			r->emitted++;
		}
		bits_end_case(r);
	}
	return ok && close_output(&o) && r->wrong == 0 ? 0 : 1;
}

int bits_emit_model(struct run *r, const char *folder, const char *target, const char *path, const char *data, int64_t first, int64_t count)
{
	struct output o;
	struct ig_model *m = bits_begin_model(r, path, data, first, count);
	r->threads = 1; /* a model's call is split in two */
	bool ok = m && open_output(&o, r, folder, target) && emit_graph(r, &o) && close_output(&o);
	bits_end_model(r, m);
	return ok ? 0 : 1;
}
