#include "tests/bits/check.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/dataset.h"

enum { SAMPLES = 4, MAX_SAMPLES = 1000 };

static bool begin_graph(struct run *r, const struct ig_graph *g)
{
	r->g = g;
	r->it = ig_interp_new(g, r->d);
	r->wrong += !r->it;
	return r->it && g->n_outputs <= MAX_OUTPUTS;
}

bool bits_begin_case(struct run *r, uint64_t seed)
{
	bool tells = true, layers = false;
	r->a = ig_arena_new();
	r->what = ig_arena_printf(r->a, "seed %llu", (unsigned long long)seed);
	if (!bits_case_build(&r->c, seed, r->d) || !begin_graph(r, r->c.g)) {
		fprintf(stderr, "%s: the passes or the graph interpreter fail\n", r->what);
		r->wrong++;
		return false;
	}
	r->what = ig_arena_printf(r->a, "seed %llu (%s, %s)", (unsigned long long)seed, bits_flavour_names[r->c.flavour], r->c.preset);
	r->again = ig_arena_printf(r->a, "engines|threads %llu 1 1", (unsigned long long)seed);
	r->samples = SAMPLES;
	r->in = IG_NEWN(r->a, const void *const *, SAMPLES);
	for (int s = 0; s < SAMPLES; s++)
		r->in[s] = bits_sample(r->g, seed, s, r->c.flavour, r->a);
	ig_interp_run(r->it, r->in[0]);
	for (int i = 0; i < r->g->n_outputs; i++)
		tells &= bits_tells(r->g, ig_interp_value(r->it, r->g->output[i]));
	for (struct ig_nid id = ig_first(r->g); id.i >= 0; id = ig_next(r->g, id))
		layers |= ig_ops[ig_node(r->g, id)->op].macs;
	r->dull += !tells;
	return tells && layers && r->g->n_outputs;
}

void bits_end_case(struct run *r)
{
	ig_interp_free(r->it);
	ig_arena_free(r->a);
	bits_case_free(&r->c);
	r->it = NULL;
	r->a = NULL;
}

size_t bits_tensor_bytes(const struct ig_type *t)
{
	size_t n;
	if (!ig_type_bytes(t, &n))
		IG_BUG("no size");
	return n;
}

struct ig_model *bits_begin_model(struct run *r, const char *path, const char *data, int64_t first, int64_t count)
{
	struct ig_model *m = ig_model_load(path, r->d);
	if (!m || count > MAX_SAMPLES || !begin_graph(r, m->graph))
		return NULL;
	r->a = ig_arena_new();
	r->what = path;
	r->again = "model ...";
	struct ig_dataset *ds = ig_dataset_open(r->g, (const char *const[]){data}, 1, true, r->d);
	if (!ds || !ig_dataset_slice(ds, first, first + count, r->d))
		return NULL;
	r->samples = (int)count;
	r->in = IG_NEWN(r->a, const void *const *, count);
	for (int s = 0; s < r->samples; s++) {
		const void *const *from = ig_dataset_sample(ds, s);
		const void **to = IG_NEWN(r->a, const void *, r->g->n_inputs);
		for (int i = 0; i < r->g->n_inputs; i++) {
			size_t n = bits_tensor_bytes(ig_vtype(r->g, r->g->input[i]));
			to[i] = memcpy(ig_arena_alloc(r->a, n, 1), from[i], n);
		}
		r->in[s] = to;
	}
	ig_dataset_free(ds);
	return m;
}

void bits_end_model(struct run *r, struct ig_model *m)
{
	if (!m)
		return;
	ig_interp_free(r->it);
	ig_arena_free(r->a);
	ig_model_free(m);
}

struct ig_target bits_with_tiles(const struct ig_target *t)
{
	struct ig_target eager = *t;
	eager.name = "x86-64-amx (tiles wherever they fit)";
	eager.matrix.cost = eager.matrix.setup = 0;
	return eager;
}
