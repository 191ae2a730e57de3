/* The layers of a graph as the search for repetitions sees them. */
#include <stdlib.h>
#include <string.h>

#include "frontend/source.h"
#include "frontend/source_blocks.h"
#include "ir/print.h"

#define SMALL 8 /* constants of at most so many elements are written out, and so belong to the text */

int ig_source_attr_ints(const struct ig_attr *a, const int64_t **ints)
{
	enum ig_attr_kind k = ig_attrs[a->id].kind;
	*ints = a->u.ints;
	if (k == IG_AK_INT) {
		*ints = &a->u.i;
		return 1;
	}
	if ((k != IG_AK_INTS && k != IG_AK_PAD) || a->n == 0)
		return -1;
	bool per_axis = a->id == IG_A_KERNEL || a->id == IG_A_STRIDE || a->id == IG_A_DILATION || a->id == IG_A_PAD;
	for (int i = 1; i < a->n && per_axis; i++)
		per_axis = a->u.ints[i] == a->u.ints[0];
	return per_axis ? 1 : a->n;
}

bool ig_source_name_int(const char *name, size_t *at, size_t *end, int64_t *value)
{
	for (;; *at = *end) {
		while (name[*at] && (name[*at] < '0' || name[*at] > '9'))
			++*at;
		if (!name[*at])
			return false;
		*value = 0;
		for (*end = *at; name[*end] >= '0' && name[*end] <= '9'; ++*end)
			*value = *end - *at < 9 ? 10 * *value + (name[*end] - '0') : *value;
		if (*end - *at < 9 && (name[*at] != '0' || *end - *at == 1))
			return true;
	}
}

bool ig_source_width(const struct ig_graph *g, const struct ig_node *n, enum ig_attr_id *attr, int64_t *value)
{
	if ((n->op != IG_OP_CONV2D && n->op != IG_OP_LINEAR) || !ig_source_parameters(g, n))
		return false;
	*attr = n->op == IG_OP_LINEAR ? IG_A_UNITS : IG_A_FILTERS;
	*value = ig_vtype(g, n->in[1])->dim[0];
	return true;
}

/* Nodes that get no statement: inputs, and constants that are parameters. */
static bool *silent_nodes(const struct ig_source *s)
{
	const struct ig_graph *g = s->g;
	bool *silent = IG_NEWN(s->arena, bool, g->n_nodes + 1);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		silent[id.i] |= n->op == IG_OP_INPUT;
		for (int i = 1; i <= ig_source_parameters(g, n); i++)
			silent[ig_value(g, n->in[i])->def.i] = true;
	}
	return silent;
}

static uint64_t hash_text(uint64_t h, const char *s) { return ig_hash_bytes(s, strlen(s), h); }

/* Attributes: which there are, and what of them is no integer. */
static uint64_t hash_attrs(uint64_t h, const struct ig_node *n, struct ig_source_layer *l)
{
	for (int i = 0; i < n->n_attrs; i++) {
		const struct ig_attr *a = &n->attr[i];
		const int64_t *ints;
		int count = ig_source_attr_ints(a, &ints);
		h = hash_text(h, ig_attrs[a->id].name);
		h = ig_hash_bytes(&count, sizeof count, h);
		if (count >= 0) {
			memcpy(l->ints + l->n_ints, ints, (size_t)count * sizeof *ints);
			l->n_ints += count;
		} else if (ig_attrs[a->id].kind == IG_AK_FLOAT) {
			h = ig_hash_bytes(&a->u.f, sizeof a->u.f, h);
		} else if (ig_attrs[a->id].kind == IG_AK_FLOATS) {
			h = ig_hash_bytes(a->u.floats, (size_t)a->n * sizeof *a->u.floats, h);
		} else if (ig_attrs[a->id].kind == IG_AK_BOOL || ig_attrs[a->id].kind == IG_AK_TRI) {
			h = ig_hash_bytes(&a->u.i, sizeof a->u.i, h);
		} else {
			h = hash_text(h, a->u.s);
		}
	}
	return h;
}

static uint64_t hash_constant(uint64_t h, const struct ig_tensor *t)
{
	h = ig_hash_bytes(t->type.dim, (size_t)t->type.rank * sizeof *t->type.dim, h);
	h = hash_text(h, ig_dtypes[t->type.dtype].name);
	return ig_elems(&t->type) > SMALL ? h : ig_hash_bytes(t->data, t->bytes, h);
}

static uint64_t hash_name(uint64_t h, const char *name, struct ig_source_layer *l)
{
	size_t at = 0, end, from = 0;
	int64_t v;
	while (ig_source_name_int(name, &at, &end, &v)) {
		l->ints[l->n_ints++] = v;
		h = ig_hash_bytes(name + from, at - from, h);
		from = at = end;
	}
	return hash_text(h, name + from);
}

static int most_ints(const struct ig_node *n)
{
	int most = (int)strlen(n->name) + 1;
	for (int i = 0; i < n->n_attrs; i++)
		most += n->attr[i].n + 1;
	return most;
}

static uint64_t describe(struct ig_source *s, struct ig_source_layer *l, const struct ig_node *n, const int *layer_of, const int *input_of)
{
	const struct ig_graph *g = s->g;
	int params = ig_source_parameters(g, n);
	enum ig_attr_id attr;
	int64_t width;
	uint64_t h = hash_text(params ? 1 + (uint64_t)params : 1, ig_ops[n->op].name);
	l->n_in = params ? 1 : n->n_in;
	l->in = IG_NEWN(s->arena, struct ig_source_operand, l->n_in + 1);
	for (int i = 0; i < l->n_in; i++) {
		const struct ig_value *v = ig_value(g, n->in[i]);
		bool input = ig_node(g, v->def)->op == IG_OP_INPUT;
		l->in[i] = (struct ig_source_operand){input ? -1 - input_of[n->in[i].i] : layer_of[v->def.i], input ? 0 : v->result};
	}
	h = ig_hash_bytes(&l->n_in, sizeof l->n_in, h);
	h = ig_hash_bytes(&n->n_out, sizeof n->n_out, h);
	l->ints = IG_NEWN(s->arena, int64_t, most_ints(n) + 1);
	if (ig_source_width(g, n, &attr, &width))
		l->ints[l->n_ints++] = width;
	h = hash_attrs(h, n, l);
	if (n->op == IG_OP_CONSTANT)
		h = hash_constant(h, n->data);
	return hash_name(h, n->name, l);
}

struct keyed {
	uint64_t key;
	int layer;
};

static int by_key(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;
	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : x->layer - y->layer;
}

void ig_source_layers(struct ig_source *s)
{
	const struct ig_graph *g = s->g;
	int *layer_of = IG_NEWN(s->arena, int, g->n_nodes + 1), *input_of = IG_NEWN(s->arena, int, g->n_values + 1);
	struct keyed *k = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *k);
	for (int i = 0; i < g->n_inputs; i++)
		input_of[g->input[i].i] = i;
	const bool *silent = silent_nodes(s);
	s->layer = IG_NEWN(s->arena, struct ig_source_layer, g->n_nodes + 1);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		if (silent[id.i])
			continue;
		struct ig_source_layer *l = &s->layer[s->n_layers];
		l->node = id;
		layer_of[id.i] = s->n_layers;
		k[s->n_layers].key = describe(s, l, ig_node(g, id), layer_of, input_of);
		k[s->n_layers].layer = s->n_layers;
		s->n_layers++;
	}
	qsort(k, (size_t)s->n_layers, sizeof *k, by_key);
	for (int i = 0, shape = -1; i < s->n_layers; i++) {
		shape += i == 0 || k[i].key != k[i - 1].key;
		s->layer[k[i].layer].shape = shape;
	}
	free(k);
}
