/* The search for blocks: of all sequences of layers that occur more than once, differing in integers alone and hanging together in the same way, the one that
   saves most lines becomes a block; then the next one among what is left. */
#include "frontend/source_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "ir/print.h"

enum { LONGEST = 400, SHORTEST = 2, LEAST_SAVED = 2, MOST_VALUES = 8, MOST_PARAMS = 12, MOST_BLOCKS = 64 };

struct search {
	struct ig_source *s;
	bool *used;      /* layer: belongs to an instance */
	int *last;       /* layer: the last layer that reads it; n_layers when it is an output; -1: none */
	uint64_t *hash;  /* of the shapes of the layers before each, and powers of its base: the hash of any window follows from them */
	uint64_t *power;
};

static void find_last_readers(struct search *k)
{
	const struct ig_source *s = k->s;
	for (int i = 0; i < s->n_layers; i++) {
		k->last[i] = -1;
		for (int o = 0; o < s->layer[i].n_in; o++)
			if (s->layer[i].in[o].layer >= 0)
				k->last[s->layer[i].in[o].layer] = i;
	}
	for (int i = 0; i < s->n_layers; i++)
		for (int o = 0; o < s->g->n_outputs; o++)
			if (ig_value(s->g, s->g->output[o])->def.i == s->layer[i].node.i)
				k->last[i] = s->n_layers;
}

static bool same_operand(struct ig_source_operand a, struct ig_source_operand b) { return a.layer == b.layer && a.result == b.result; }

/* The values that layers [first, first + n) read from before; -1: too many. */
static int outer_values(const struct ig_source *s, int first, int n, struct ig_source_operand *value)
{
	int count = 0;
	for (int i = first; i < first + n; i++)
		for (int o = 0; o < s->layer[i].n_in; o++) {
			struct ig_source_operand v = s->layer[i].in[o];
			int at = 0;
			if (v.layer >= first)
				continue;
			while (at < count && !same_operand(value[at], v))
				at++;
			if (at == count && count == MOST_VALUES)
				return -1;
			value[at] = v;
			count += at == count;
		}
	return count;
}

/* The one layer of a segment whose value is read behind it; -1: there are none or several, or another result than the first is. */
static int result_of(const struct search *k, int first, int n)
{
	int result = -1;
	for (int i = first; i < first + n; i++)
		if (k->last[i] >= first + n || k->last[i] < 0) {
			if (result >= 0)
				return -1;
			result = i - first;
		}
	if (result >= 0 && ig_node(k->s->g, k->s->layer[first + result].node)->n_out != 1)
		return -1;
	return result;
}

/* Whether the segment at `b` hangs together as the one at `a` does, whose values are given. */
static bool same_structure(const struct ig_source *s, int a, int b, int n, const struct ig_source_operand *of_a, int n_values, struct ig_source_operand *of_b)
{
	if (outer_values(s, b, n, of_b) != n_values)
		return false;
	for (int i = 0; i < n; i++)
		for (int o = 0; o < s->layer[a + i].n_in; o++) {
			struct ig_source_operand x = s->layer[a + i].in[o], y = s->layer[b + i].in[o];
			if ((x.layer >= a) != (y.layer >= b) || x.result != y.result)
				return false;
			if (x.layer >= a) {
				if (x.layer - a != y.layer - b)
					return false;
				continue;
			}
			for (int v = 0; v < n_values; v++)
				if (same_operand(of_a[v], x) != same_operand(of_b[v], y))
					return false;
		}
	return true;
}

static bool is_free(const struct search *k, int first, int n)
{
	for (int i = first; i < first + n; i++)
		if (k->used[i])
			return false;
	return true;
}

static bool same_shapes(const struct ig_source *s, int a, int b, int n)
{
	for (int i = 0; i < n; i++)
		if (s->layer[a + i].shape != s->layer[b + i].shape)
			return false;
	return true;
}

/* ---- integers ---- */

/* x as p * factor + offset for all instances. */
static bool follows(const int64_t *x, const int64_t *p, int m, struct ig_source_slot *slot)
{
	int j = 1;
	while (j < m && p[j] == p[0])
		j++;
	if (j == m || (x[j] - x[0]) % (p[j] - p[0]) != 0)
		return false;
	slot->factor = (x[j] - x[0]) / (p[j] - p[0]);
	slot->offset = x[0] - p[0] * slot->factor;
	for (int i = 0; i < m; i++)
		if (x[i] != p[i] * slot->factor + slot->offset)
			return false;
	return slot->factor >= 1 && slot->factor <= 64 && slot->offset >= -64 && slot->offset <= 64;
}

static bool is_constant(const int64_t *x, int m)
{
	for (int i = 1; i < m; i++)
		if (x[i] != x[0])
			return false;
	return true;
}

static bool is_small(const int64_t *x, int m)
{
	for (int i = 0; i < m; i++)
		if (x[i] > 1000000000 || x[i] < -1000000000)
			return false;
	return true;
}

/* A parameter's name: the attribute it stands in first, or a letter. */
static const char *param_name(const struct ig_source *s, const struct ig_source_block *b, int layer, int slot)
{
	static const char *const letters[] = {"n", "m", "k", "p", "q", "r", "s", "t", "u", "v", "w", "z"};
	const struct ig_node *n = ig_node(s->g, s->layer[b->first + layer].node);
	enum ig_attr_id attr;
	int64_t width;
	int at = 0;
	const char *base = NULL;
	if (ig_source_width(s->g, n, &attr, &width) && at++ == slot)
		base = ig_attrs[attr].name;
	for (int i = 0; i < n->n_attrs && !base && at <= slot; i++) {
		const int64_t *ints;
		int count = ig_source_attr_ints(&n->attr[i], &ints);
		at += count > 0 ? count : 0;
		if (slot < at)
			base = ig_attrs[n->attr[i].id].name;
	}
	for (int i = 0; i < b->n_params; i++)
		if (base && !strcmp(b->param[i], base))
			base = NULL;
	for (int i = 0, k = 0; !base; k++) {
		for (i = 0; i < b->n_params && strcmp(b->param[i], letters[k]) != 0; i++)
			;
		base = i == b->n_params ? letters[k] : NULL;
	}
	return base;
}

/* Explains every integer of the block's m instances; false: it takes too many parameters. param[instance]. */
static bool explain(const struct ig_source *s, struct ig_source_block *b, const int *first, int m, int64_t (*param)[MOST_PARAMS])
{
	int64_t *x = IG_NEWN(s->arena, int64_t, m), *p = IG_NEWN(s->arena, int64_t, m);
	b->param = IG_NEWN(s->arena, const char *, MOST_PARAMS);
	b->slot = IG_NEWN(s->arena, struct ig_source_slot *, b->n);
	for (int i = 0; i < b->n; i++) {
		int n_ints = s->layer[b->first + i].n_ints;
		b->slot[i] = IG_NEWN(s->arena, struct ig_source_slot, n_ints + 1);
		for (int c = 0; c < n_ints; c++) {
			struct ig_source_slot *slot = &b->slot[i][c];
			for (int j = 0; j < m; j++)
				x[j] = s->layer[first[j] + i].ints[c];
			*slot = (struct ig_source_slot){-1, 0, x[0]};
			if (is_constant(x, m))
				continue;
			for (int k = 0; k < b->n_params && slot->param < 0; k++) {
				for (int j = 0; j < m; j++)
					p[j] = param[j][k];
				if (follows(x, p, m, slot))
					slot->param = k;
			}
			if (slot->param >= 0)
				continue;
			if (b->n_params == MOST_PARAMS || !is_small(x, m))
				return false;
			b->param[b->n_params] = param_name(s, b, i, c);
			for (int j = 0; j < m; j++)
				param[j][b->n_params] = x[j];
			*slot = (struct ig_source_slot){b->n_params++, 1, 0};
		}
	}
	return true;
}

/* ---- candidates ---- */

struct candidate {
	int n, count;
	int first[1024];
};

/* The instances of the segment at `first`, itself among them, that do not overlap. */
static void instances(const struct search *k, int first, int n, struct candidate *c)
{
	const struct ig_source *s = k->s;
	struct ig_source_operand of_a[MOST_VALUES + 1], of_b[MOST_VALUES + 1];
	int n_values = outer_values(s, first, n, of_a), result = result_of(k, first, n);
	c->n = n;
	c->count = 0;
	if (n_values < 0 || result < 0)
		return;
	for (int b = first; b + n <= s->n_layers && c->count < (int)IG_COUNTOF(c->first);) {
		bool ok = is_free(k, b, n) && same_shapes(s, first, b, n) && result_of(k, b, n) == result && same_structure(s, first, b, n, of_a, n_values, of_b);
		if (ok)
			c->first[c->count++] = b;
		b += ok ? n : 1;
	}
}

struct window {
	uint64_t key;
	int first;
};

static int by_window(const void *a, const void *b)
{
	const struct window *x = a, *y = b;
	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : x->first - y->first;
}

/* Lines that a block of n layers and so many instances saves: its own, its two braces, its `return`, and a call for each are to be written. */
static int lines_saved(int n, int count) { return (count - 1) * n - count - 3; }

/* The best candidate of one length, better than `best` saves. */
static void try_length(const struct search *k, int n, struct window *w, struct candidate *best, struct candidate *c, int *saved)
{
	const struct ig_source *s = k->s;
	int m = 0;
	for (int i = 0; i + n <= s->n_layers; i++) {
		if (!is_free(k, i, n))
			continue;
		w[m++] = (struct window){k->hash[i + n] - k->hash[i] * k->power[n], i};
	}
	qsort(w, (size_t)m, sizeof *w, by_window);
	for (int i = 0, j; i < m; i = j) {
		for (j = i + 1; j < m && w[j].key == w[i].key; j++)
			;
		for (int a = i; a < j && lines_saved(n, j - a) > *saved; a++) { /* where the first ones hang together in another way, later ones may agree */
			instances(k, w[a].first, n, c);
			if (c->count && lines_saved(n, c->count) > *saved) {
				*saved = lines_saved(n, c->count);
				*best = *c;
			}
		}
	}
}

static void accept(struct search *k, const struct candidate *c)
{
	struct ig_source *s = k->s;
	struct ig_source_block b = {.n = c->n, .first = c->first[0], .result = result_of(k, c->first[0], c->n)};
	int64_t(*param)[MOST_PARAMS] = ig_xcalloc((size_t)c->count, sizeof *param);
	bool ok = explain(s, &b, c->first, c->count, param);
	b.value = IG_NEWN(s->arena, struct ig_source_operand, MOST_VALUES + 1);
	b.n_values = outer_values(s, b.first, b.n, b.value);
	for (int j = 0; j < c->count; j++) {
		struct ig_source_instance x = {.block = s->block.n, .first = c->first[j]};
		x.value = IG_NEWN(s->arena, struct ig_source_operand, MOST_VALUES + 1);
		outer_values(s, x.first, b.n, x.value);
		x.param = IG_NEWN(s->arena, int64_t, b.n_params + 1);
		memcpy(x.param, param[j], (size_t)b.n_params * sizeof *x.param);
		for (int i = 0; i < b.n; i++)
			k->used[x.first + i] = true; /* also of one that is not taken, which would be found again */
		if (ok)
			ig_vec_push(&s->instance, x);
	}
	if (ok)
		ig_vec_push(&s->block, b);
	free(param);
}

static int by_first(const void *a, const void *b)
{
	const struct ig_source_instance *x = a, *y = b;
	return x->first - y->first;
}

void ig_source_find(struct ig_source *s, const struct ig_graph *g, struct ig_arena *a)
{
	memset(s, 0, sizeof *s);
	s->g = g;
	s->arena = a;
	ig_source_layers(s);
	struct search k = {s, IG_NEWN(a, bool, s->n_layers + 1), IG_NEWN(a, int, s->n_layers + 1), IG_NEWN(a, uint64_t, s->n_layers + 1), IG_NEWN(a, uint64_t, s->n_layers + 1)};
	k.power[0] = 1;
	for (int i = 0; i < s->n_layers; i++) {
		k.power[i + 1] = k.power[i] * 0x9e3779b97f4a7c15u;
		k.hash[i + 1] = k.hash[i] * 0x9e3779b97f4a7c15u + (uint64_t)s->layer[i].shape + 1;
	}
	struct window *w = ig_xcalloc((size_t)s->n_layers + 1, sizeof *w);
	struct candidate *best = ig_xcalloc(1, sizeof *best), *c = ig_xcalloc(1, sizeof *c);
	find_last_readers(&k);
	for (int round = 0; round < MOST_BLOCKS; round++) {
		int saved = LEAST_SAVED - 1;
		best->count = 0;
		for (int n = s->n_layers / 2 < LONGEST ? s->n_layers / 2 : LONGEST; n >= SHORTEST; n--)
			try_length(&k, n, w, best, c, &saved);
		if (!best->count)
			break;
		accept(&k, best);
	}
	if (s->instance.n)
		qsort(s->instance.v, (size_t)s->instance.n, sizeof *s->instance.v, by_first);
	free(best);
	free(c);
	free(w);
}

void ig_source_release(struct ig_source *s)
{
	ig_vec_free(&s->block);
	ig_vec_free(&s->instance);
}
