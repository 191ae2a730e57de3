#include "driver/callmem.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "driver/opts.h"
#include "runtime/ig_runtime.h"

static void *aligned(size_t bytes)
{
	size_t n = (bytes + 4095) / 4096 * 4096 + 4096;
	void *p = aligned_alloc(4096, n);
	if (!p) {
		fputs("intaglio: error: out of memory\n", stderr);
		exit(IG_EXIT_DIAG);
	}
	memset(p, 0, n);
	return p;
}

static size_t bytes_of(const struct ig_graph *g, struct ig_vid v)
{
	size_t n;
	if (!ig_type_bytes(ig_vtype(g, v), &n))
		IG_BUG("a value's size overflows");
	return n;
}

/* Without samples: numbers between -1 and 1, or bytes, always the same; zeros of other types, which may be indices. */
static void invent(const struct ig_type *t, void *data, size_t bytes)
{
	uint32_t x = 1;
	size_t width = t->dtype == IG_DT_F32 ? sizeof(float) : 1;
	memset(data, 0, bytes);
	if (width == 1 && t->dtype != IG_DT_U8 && t->dtype != IG_DT_S8)
		return;
	for (size_t i = 0; i < bytes / width; i++) {
		x = x * 1664525u + 1013904223u;
		if (t->dtype == IG_DT_F32)
			((float *)data)[i] = (float)((int32_t)(x >> 8) - (1 << 23)) / (float)(1 << 23);
		else
			((uint8_t *)data)[i] = (uint8_t)(x >> 24);
	}
}

void ig_callmem_begin(struct ig_callmem *c, const struct ig_graph *g, int64_t arena_bytes, const void *const *sample)
{
	c->g = g;
	c->in = ig_xcalloc((size_t)g->n_inputs + 1, sizeof *c->in);
	c->out = ig_xcalloc((size_t)g->n_outputs + 1, sizeof *c->out);
	for (int i = 0; i < g->n_inputs; i++) {
		size_t n = bytes_of(g, g->input[i]);
		c->in[i] = aligned(n);
		if (sample)
			memcpy(c->in[i], sample[i], n);
		else
			invent(ig_vtype(g, g->input[i]), c->in[i], n);
	}
	for (int i = 0; i < g->n_outputs; i++)
		c->out[i] = aligned(bytes_of(g, g->output[i]));
	c->arena = aligned((size_t)arena_bytes);
}

void ig_callmem_end(struct ig_callmem *c)
{
	for (int i = 0; c->in && i < c->g->n_inputs; i++)
		free(c->in[i]);
	for (int i = 0; c->out && i < c->g->n_outputs; i++)
		free(c->out[i]);
	free(c->in);
	free(c->out);
	free(c->arena);
	*c = (struct ig_callmem){.g = NULL};
}

void ig_callmem_run(const struct ig_callmem *c, struct ig_native *n)
{
	if (ig_native_run_on(n, (const void *const *)c->in, c->out, c->arena, c->pool ? ig_pool_for : NULL, c->pool) != IG_OK)
		IG_BUG("the compiled object refused its own engine's call");
}
