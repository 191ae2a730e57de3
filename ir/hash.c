/* Fingerprints: a 64-bit multiply-and-xor hash over bytes in an order that does not depend on the machine. */
#include "ir/print.h"

#include <stdlib.h>
#include <string.h>

/* Little-endian words of eight bytes, each mixed by a product with a large odd constant; the length closes it. */
static uint64_t mix(uint64_t h, uint64_t w)
{
	h = (h ^ w) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

uint64_t ig_hash_bytes(const void *p, size_t n, uint64_t seed)
{
	const unsigned char *b = p;
	uint64_t h = mix(seed ^ 0xd6e8feb86659fd93u, n);
	size_t whole = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; n - whole >= 8; whole += 8) { /* weights are long: the loop below, as one load */
		uint64_t w;
		memcpy(&w, b + whole, sizeof w);
		h = mix(h, w);
	}
#endif
	for (size_t i = whole; i < n; i += 8) {
		uint64_t w = 0;
		for (size_t k = 0; k < 8 && i + k < n; k++)
			w |= (uint64_t)b[i + k] << (8 * k);
		h = mix(h, w);
	}
	return mix(h, h >> 29);
}

static uint64_t hash_str(uint64_t h, const char *s) { return ig_hash_bytes(s, strlen(s), h); }

static uint64_t hash_double(uint64_t h, double x)
{
	uint64_t u;
	memcpy(&u, &x, sizeof u);
	return mix(h, u);
}

static uint64_t hash_attr(uint64_t h, const struct ig_attr *a)
{
	enum ig_attr_kind k = ig_attrs[a->id].kind;
	h = hash_str(h, ig_attrs[a->id].name);
	if (k == IG_AK_STRING || k == IG_AK_WORD || (k == IG_AK_PAD && a->n == 0))
		return hash_str(h, a->u.s);
	if (k == IG_AK_FLOAT)
		return hash_double(h, a->u.f);
	if (k == IG_AK_INT || k == IG_AK_BOOL || k == IG_AK_TRI)
		return mix(h, (uint64_t)a->u.i);
	h = mix(h, (uint64_t)a->n);
	for (int i = 0; i < a->n; i++)
		h = k == IG_AK_FLOATS ? hash_double(h, a->u.floats[i]) : mix(h, (uint64_t)a->u.ints[i]);
	return h;
}

static uint64_t hash_type(uint64_t h, const struct ig_graph *g, const struct ig_type *t)
{
	const struct ig_qparam *q = ig_qparam(g, t->q);
	h = hash_str(h, ig_dtypes[t->dtype].name);
	h = mix(h, (uint64_t)t->rank);
	for (int i = 0; i < t->rank; i++)
		h = mix(h, (uint64_t)t->dim[i]);
	if (!q)
		return h;
	h = mix(h, (uint64_t)(q->axis + 1));
	h = mix(h, (uint64_t)q->group);
	h = mix(h, (uint64_t)(uint32_t)q->qmin << 32 | (uint32_t)q->qmax);
	h = ig_hash_bytes(q->scale, (size_t)q->n * sizeof *q->scale, h);
	return ig_hash_bytes(q->zero_point, (size_t)q->n * sizeof *q->zero_point, h);
}

/* Attributes count in the order of ops.def, whatever order they were set in; values by their place in the list, not by their ids. */
static uint64_t hash_node(uint64_t h, const struct ig_graph *g, const struct ig_node *n, const int32_t *place)
{
	h = hash_str(h, ig_ops[n->op].name);
	h = hash_str(h, n->name);
	for (int i = 0; i < n->n_in; i++)
		h = mix(h, (uint64_t)place[n->in[i].i]);
	for (int i = 0; i < ig_ops[n->op].n_attrs; i++) {
		const struct ig_attr *a = ig_attr(n, ig_ops[n->op].attrs[i]);
		if (a)
			h = hash_attr(h, a);
	}
	for (int i = 0; i < n->n_out; i++) {
		h = hash_str(h, ig_value(g, n->out[i])->name);
		h = hash_type(h, g, ig_vtype(g, n->out[i]));
	}
	return n->data ? ig_hash_bytes(n->data->data, n->data->bytes, h) : h;
}

uint64_t ig_hash(const struct ig_graph *g)
{
	struct ig_arena *a = ig_arena_new();
	int32_t *place = IG_NEWN(a, int32_t, g->n_values ? g->n_values : 1), next = 0;
	uint64_t h = hash_str(1, g->name);
	for (int i = 0; i < g->n_inputs; i++) { /* first, wherever they stand among the constants */
		place[g->input[i].i] = next++;
		h = hash_node(h, g, ig_def(g, g->input[i]), place);
	}
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->op == IG_OP_INPUT)
			continue;
		for (int i = 0; i < n->n_out; i++)
			place[n->out[i].i] = next++;
		h = hash_node(h, g, n, place);
	}
	for (int i = 0; i < g->n_inputs; i++)
		h = mix(h, (uint64_t)place[g->input[i].i]);
	for (int i = 0; i < g->n_outputs; i++)
		h = hash_str(mix(h, (uint64_t)place[g->output[i].i]), g->output_name[i]);
	ig_arena_free(a);
	return h;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct ig_node *const *)a)->name, (*(const struct ig_node *const *)b)->name);
}

uint64_t ig_hash_weights(const struct ig_graph *g)
{
	const struct ig_node **c = ig_xcalloc((size_t)g->n_nodes, sizeof *c);
	uint64_t h = 0;
	int n = 0;
	for (int i = 0; i < g->n_nodes; i++)
		if (g->node[i].op == IG_OP_CONSTANT && !g->node[i].dead)
			c[n++] = &g->node[i];
	qsort(c, (size_t)n, sizeof *c, by_name);
	for (int i = 0; i < n; i++) {
		h = ig_hash_bytes(c[i]->name, strlen(c[i]->name) + 1, h);
		h = ig_hash_bytes(c[i]->data->data, c[i]->data->bytes, h);
	}
	free(c);
	return h;
}
