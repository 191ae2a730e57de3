/* Building and changing graphs: nodes in a doubly linked list over a growing table, values, names, quantization parameters. */
#include "ir/graph.h"

#include <stdlib.h>
#include <string.h>

/* The next suffix to try for a base name, open addressing by the interned pointer's text hash. */
struct ig_name_hint {
	const char *base;
	int next;
};

struct ig_graph *ig_graph_new(const char *name)
{
	struct ig_graph *g = ig_xcalloc(1, sizeof *g);
	g->arena = ig_arena_new();
	g->names = ig_strtab_new();
	g->name = ig_intern(g->names, name);
	g->first = g->last = -1;
	return g;
}

void ig_graph_free(struct ig_graph *g)
{
	if (!g)
		return;
	free(g->node);
	free(g->value);
	free(g->qparam);
	free(g->hint);
	ig_strtab_free(g->names);
	ig_arena_free(g->arena);
	free(g);
}

/* A text that was never interned names nothing; only the others need a search. */
static bool name_used(const struct ig_graph *g, const char *text)
{
	const char *interned = ig_interned(g->names, text);
	if (!interned)
		return false;
	for (int i = 0; i < g->n_nodes; i++)
		if (g->node[i].name == interned && !g->node[i].dead)
			return true;
	for (int i = 0; i < g->n_values; i++)
		if (g->value[i].name == interned && !g->node[g->value[i].def.i].dead)
			return true;
	return false;
}

static uint64_t text_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h ^ h >> 29;
}

static struct ig_name_hint *find_hint(struct ig_name_hint *table, int cap, const char *base)
{
	uint64_t i = text_hash(base) & (uint64_t)(cap - 1);
	while (table[i].base && table[i].base != base)
		i = (i + 1) & (uint64_t)(cap - 1);
	return &table[i];
}

/* Without the hints, n nodes of one name would cost n^2 look-ups. */
static struct ig_name_hint *hint(struct ig_graph *g, const char *base)
{
	if (g->n_hints * 2 >= g->cap_hints) {
		int cap = g->cap_hints ? g->cap_hints * 2 : 64;
		struct ig_name_hint *t = ig_xcalloc((size_t)cap, sizeof *t);
		for (int i = 0; i < g->cap_hints; i++)
			if (g->hint[i].base)
				*find_hint(t, cap, g->hint[i].base) = g->hint[i];
		free(g->hint);
		g->hint = t;
		g->cap_hints = cap;
	}
	struct ig_name_hint *h = find_hint(g->hint, g->cap_hints, base);
	if (!h->base) {
		*h = (struct ig_name_hint){base, 1};
		g->n_hints++;
	}
	return h;
}

const char *ig_graph_unique_name(struct ig_graph *g, const char *base)
{
	if (!name_used(g, base))
		return ig_intern(g->names, base);
	struct ig_name_hint *h = hint(g, ig_intern(g->names, base));
	size_t size = strlen(base) + 16;
	char *text = ig_xcalloc(size, 1);
	for (;; h->next++) {
		snprintf(text, size, "%s_%d", base, h->next);
		if (!name_used(g, text))
			break;
	}
	const char *name = ig_intern(g->names, text);
	free(text);
	return name;
}

static int32_t new_value(struct ig_graph *g, const char *name, int32_t def, int result)
{
	if (g->n_values == g->cap_values)
		ig_vec_grow((void **)&g->value, &g->cap_values, sizeof *g->value);
	g->value[g->n_values] = (struct ig_value){.name = name, .def = {def}, .result = result};
	g->value[g->n_values].type.q = IG_NOQ;
	return g->n_values++;
}

static void link_before(struct ig_graph *g, int32_t id, int32_t before)
{
	struct ig_node *n = &g->node[id];
	n->next = before;
	n->prev = before < 0 ? g->last : g->node[before].prev;
	if (n->prev < 0)
		g->first = id;
	else
		g->node[n->prev].next = id;
	if (before < 0)
		g->last = id;
	else
		g->node[before].prev = id;
}

struct ig_nid ig_graph_add_results(struct ig_graph *g, struct ig_nid before, enum ig_op op, const char *name, struct ig_loc loc, const struct ig_vid *in,
                                   int n_in, int n_out)
{
	if (n_out < 1 || n_out > IG_MAX_RESULTS || (ig_op_results(op) && n_out != ig_op_results(op)))
		IG_BUG("%s with %d results", ig_ops[op].name, n_out);
	if (n_in < ig_ops[op].min_in || n_in > ig_ops[op].max_in)
		IG_BUG("%s with %d operands", ig_ops[op].name, n_in);
	const char *unique = ig_graph_unique_name(g, name);
	if (g->n_nodes == g->cap_nodes)
		ig_vec_grow((void **)&g->node, &g->cap_nodes, sizeof *g->node);
	int32_t id = g->n_nodes++;
	struct ig_node *n = &g->node[id];
	*n = (struct ig_node){.op = op, .name = unique, .loc = loc, .n_in = n_in, .n_out = n_out, .rule = -1};
	n->in = IG_NEWN(g->arena, struct ig_vid, n_in ? n_in : 1);
	if (n_in)
		memcpy(n->in, in, (size_t)n_in * sizeof *in);
	n->out = IG_NEWN(g->arena, struct ig_vid, n->n_out);
	link_before(g, id, before.i);
	for (int i = 0; i < n_out; i++)
		n->out[i].i = new_value(g, i ? ig_graph_unique_name(g, ig_internf(g->names, "%s.%d", unique, i)) : unique, id, i);
	return (struct ig_nid){id};
}

struct ig_nid ig_graph_add_before(struct ig_graph *g, struct ig_nid before, enum ig_op op, const char *name, struct ig_loc loc,
                                  const struct ig_vid *in, int n_in)
{
	int n_out = ig_op_results(op);
	return ig_graph_add_results(g, before, op, name, loc, in, n_in, n_out ? n_out : 1);
}

struct ig_nid ig_graph_add(struct ig_graph *g, enum ig_op op, const char *name, struct ig_loc loc, const struct ig_vid *in, int n_in)
{
	return ig_graph_add_before(g, IG_NONODE, op, name, loc, in, n_in);
}

struct ig_vid ig_graph_constant(struct ig_graph *g, struct ig_nid before, const char *name, struct ig_loc loc, const struct ig_tensor *t)
{
	if (before.i < 0)
		before.i = g->first;
	struct ig_nid id = ig_graph_add_before(g, before, IG_OP_CONSTANT, name, loc, NULL, 0);
	struct ig_node *n = ig_node(g, id);
	n->data = IG_NEW(g->arena, struct ig_tensor);
	*n->data = *t;
	g->value[n->out[0].i].type = t->type;
	return n->out[0];
}

void ig_graph_mark_input(struct ig_graph *g, struct ig_vid v)
{
	struct ig_vid *a = IG_NEWN(g->arena, struct ig_vid, g->n_inputs + 1);
	if (g->n_inputs)
		memcpy(a, g->input, (size_t)g->n_inputs * sizeof *a);
	a[g->n_inputs++] = v;
	g->input = a;
}

void ig_graph_mark_output(struct ig_graph *g, struct ig_vid v, const char *name)
{
	struct ig_vid *a = IG_NEWN(g->arena, struct ig_vid, g->n_outputs + 1);
	const char **names = IG_NEWN(g->arena, const char *, g->n_outputs + 1);
	if (g->n_outputs) {
		memcpy(a, g->output, (size_t)g->n_outputs * sizeof *a);
		memcpy(names, g->output_name, (size_t)g->n_outputs * sizeof *names);
	}
	a[g->n_outputs] = v;
	names[g->n_outputs++] = ig_intern(g->names, name);
	g->output = a;
	g->output_name = names;
}

void ig_graph_remove(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *n = ig_node(g, id);
	if (n->dead)
		IG_BUG("%s removed twice", n->name);
	for (int i = 0; i < n->n_out; i++)
		if (ig_graph_uses(g, n->out[i]))
			IG_BUG("%s removed while its result is used", n->name);
	n->dead = true;
	if (n->prev < 0)
		g->first = n->next;
	else
		g->node[n->prev].next = n->next;
	if (n->next < 0)
		g->last = n->prev;
	else
		g->node[n->next].prev = n->prev;
}

void ig_graph_replace_uses(struct ig_graph *g, struct ig_vid from, struct ig_vid to)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct ig_node *n = ig_node(g, id);
		for (int i = 0; i < n->n_in; i++)
			if (n->in[i].i == from.i)
				n->in[i] = to;
	}
	for (int i = 0; i < g->n_outputs; i++)
		if (g->output[i].i == from.i)
			g->output[i] = to;
}

int ig_graph_uses(const struct ig_graph *g, struct ig_vid v)
{
	int uses = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 0; i < n->n_in; i++)
			uses += n->in[i].i == v.i;
	}
	for (int i = 0; i < g->n_outputs; i++)
		uses += g->output[i].i == v.i;
	return uses;
}

bool ig_graph_is_output(const struct ig_graph *g, struct ig_vid v)
{
	for (int i = 0; i < g->n_outputs; i++)
		if (g->output[i].i == v.i)
			return true;
	return false;
}

struct ig_nid ig_graph_only_user(const struct ig_graph *g, struct ig_vid v)
{
	struct ig_nid user = IG_NONODE;
	if (ig_graph_uses(g, v) != 1 || ig_graph_is_output(g, v))
		return user;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 0; i < n->n_in; i++)
			if (n->in[i].i == v.i)
				user = id;
	}
	return user;
}

const struct ig_tensor *ig_const_data(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_node *n = ig_def(g, v);
	return n->op == IG_OP_CONSTANT ? n->data : NULL;
}

bool ig_is_given(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_node *n = ig_def(g, v);
	return n->op == IG_OP_CONSTANT || ((n->op == IG_OP_DEQUANTIZE || n->op == IG_OP_QUANTIZE) && ig_is_given(g, n->in[0]));
}

struct ig_nid ig_graph_find(const struct ig_graph *g, const char *layer)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (strcmp(ig_node(g, id)->name, layer) == 0)
			return id;
	return IG_NONODE;
}

void ig_node_absorb(struct ig_graph *g, struct ig_nid into, struct ig_nid from)
{
	struct ig_node *a = ig_node(g, into);
	const struct ig_node *b = ig_node(g, from);
	const char **names = IG_NEWN(g->arena, const char *, a->n_absorbed + 1 + b->n_absorbed);
	int n = 0;
	for (int i = 0; i < a->n_absorbed; i++)
		names[n++] = a->absorbed[i];
	names[n++] = b->name;
	for (int i = 0; i < b->n_absorbed; i++)
		names[n++] = b->absorbed[i];
	a->absorbed = names;
	a->n_absorbed = n;
}

struct ig_qid ig_graph_qparam(struct ig_graph *g, const struct ig_qparam *q)
{
	if (g->n_qparams == g->cap_qparams)
		ig_vec_grow((void **)&g->qparam, &g->cap_qparams, sizeof *g->qparam);
	struct ig_qparam *d = &g->qparam[g->n_qparams];
	*d = *q;
	float *scale = IG_NEWN(g->arena, float, q->n);
	int32_t *zp = IG_NEWN(g->arena, int32_t, q->n);
	memcpy(scale, q->scale, (size_t)q->n * sizeof *scale);
	memcpy(zp, q->zero_point, (size_t)q->n * sizeof *zp);
	d->scale = scale;
	d->zero_point = zp;
	return (struct ig_qid){g->n_qparams++};
}

struct ig_qid ig_graph_qparam1(struct ig_graph *g, enum ig_dtype dt, float scale, int32_t zp, int32_t qmin, int32_t qmax)
{
	struct ig_qparam q = {.dtype = dt, .axis = -1, .n = 1, .scale = &scale, .zero_point = &zp, .qmin = qmin, .qmax = qmax};
	return ig_graph_qparam(g, &q);
}

bool ig_qparam_equal(const struct ig_qparam *a, const struct ig_qparam *b)
{
	if (!a || !b)
		return a == b;
	return a->dtype == b->dtype && a->axis == b->axis && a->n == b->n && a->group == b->group && a->qmin == b->qmin && a->qmax == b->qmax &&
	       memcmp(a->scale, b->scale, (size_t)a->n * sizeof *a->scale) == 0 &&
	       memcmp(a->zero_point, b->zero_point, (size_t)a->n * sizeof *a->zero_point) == 0;
}

static void clone_attrs(struct ig_graph *g, struct ig_node *n, const struct ig_node *from)
{
	if (!from->attr)
		return;
	n->attr = IG_NEWN(g->arena, struct ig_attr, IG_MAX_ATTRS);
	for (int i = 0; i < from->n_attrs; i++) {
		const struct ig_attr *a = &from->attr[i];
		struct ig_attr *c = &n->attr[i];
		enum ig_attr_kind k = ig_attrs[a->id].kind;
		*c = *a;
		if (k == IG_AK_STRING || k == IG_AK_WORD || (k == IG_AK_PAD && a->n == 0)) {
			c->u.s = ig_intern(g->names, a->u.s);
		} else if (k == IG_AK_INTS || k == IG_AK_FLOATS || k == IG_AK_PAD) {
			size_t bytes = (size_t)a->n * 8;
			void *copy = ig_arena_alloc(g->arena, bytes ? bytes : 1, 1);
			if (bytes)
				memcpy(copy, a->u.ints, bytes);
			if (k == IG_AK_FLOATS)
				c->u.floats = copy;
			else
				c->u.ints = copy;
		}
	}
}

static void clone_node(struct ig_graph *g, struct ig_node *n, const struct ig_node *from)
{
	*n = *from;
	n->attr = NULL;
	n->name = ig_intern(g->names, from->name);
	n->in = IG_NEWN(g->arena, struct ig_vid, from->n_in ? from->n_in : 1);
	n->out = IG_NEWN(g->arena, struct ig_vid, from->n_out ? from->n_out : 1);
	if (from->n_in)
		memcpy(n->in, from->in, (size_t)from->n_in * sizeof *n->in);
	if (from->n_out)
		memcpy(n->out, from->out, (size_t)from->n_out * sizeof *n->out);
	clone_attrs(g, n, from);
	if (from->data) {
		n->data = IG_NEW(g->arena, struct ig_tensor);
		*n->data = *from->data;
	}
	n->absorbed = from->n_absorbed ? IG_NEWN(g->arena, const char *, from->n_absorbed) : NULL;
	for (int i = 0; i < from->n_absorbed; i++)
		n->absorbed[i] = ig_intern(g->names, from->absorbed[i]);
}

struct ig_graph *ig_graph_clone(const struct ig_graph *from)
{
	struct ig_graph *g = ig_graph_new(from->name);
	g->stage = from->stage;
	g->first = from->first;
	g->last = from->last;
	g->facts = from->facts;
	g->weights_hash = from->weights_hash;
	g->n_nodes = g->cap_nodes = from->n_nodes;
	g->node = ig_xcalloc((size_t)from->n_nodes, sizeof *g->node);
	for (int i = 0; i < from->n_nodes; i++)
		clone_node(g, &g->node[i], &from->node[i]);
	g->n_values = g->cap_values = from->n_values;
	g->value = ig_xcalloc((size_t)from->n_values, sizeof *g->value);
	for (int i = 0; i < from->n_values; i++) {
		g->value[i] = from->value[i];
		g->value[i].name = ig_intern(g->names, from->value[i].name);
	}
	for (int i = 0; i < from->n_qparams; i++)
		ig_graph_qparam(g, &from->qparam[i]);
	for (int i = 0; i < from->n_inputs; i++)
		ig_graph_mark_input(g, from->input[i]);
	for (int i = 0; i < from->n_outputs; i++)
		ig_graph_mark_output(g, from->output[i], from->output_name[i]);
	return g;
}
