#include "passes/effect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct constant {
	char *layer;
	int operand;
	struct ig_type type;
	void *data;
};
struct ig_snapshot {
	IG_VEC(struct constant) constant;
};

static bool is_number(enum ig_dtype t) { return t == IG_DT_F32 || t == IG_DT_I32 || t == IG_DT_S8; }

static double number_at(const void *data, enum ig_dtype t, int64_t i)
{
	return t == IG_DT_F32 ? (double)((const float *)data)[i] : t == IG_DT_I32 ? (double)((const int32_t *)data)[i] : (double)((const int8_t *)data)[i];
}

struct ig_snapshot *ig_snapshot_new(const struct ig_graph *g)
{
	struct ig_snapshot *s = ig_xcalloc(1, sizeof *s);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 1; i < n->n_in; i++) {
			const struct ig_tensor *t = ig_const_data(g, n->in[i]);
			if (!t)
				continue;
			struct constant c = {strdup(n->name), i, t->type, ig_xcalloc(t->bytes + 1, 1)};
			memcpy(c.data, t->data, t->bytes);
			ig_vec_push(&s->constant, c);
		}
	}
	return s;
}

static const struct constant *find(const struct ig_snapshot *s, const char *layer, int operand)
{
	for (int i = 0; i < s->constant.n; i++)
		if (s->constant.v[i].operand == operand && strcmp(s->constant.v[i].layer, layer) == 0)
			return &s->constant.v[i];
	return NULL;
}

/* The largest difference against the largest number there was; 1 where that cannot be said. */
static double difference(const struct constant *c, const struct ig_tensor *t)
{
	double most = 0, largest = 0;
	if (!c || !ig_type_same_shape(&c->type, &t->type) || c->type.dtype != t->type.dtype)
		return 1;
	if (!is_number(t->type.dtype))
		return memcmp(c->data, t->data, t->bytes) == 0 ? 0 : 1;
	for (int64_t i = 0, n = ig_elems(&t->type); i < n; i++) {
		double a = number_at(c->data, t->type.dtype, i);
		most = fmax(most, fabs(number_at(t->data, t->type.dtype, i) - a));
		largest = fmax(largest, fabs(a));
	}
	return largest > 0 ? most / largest : most > 0;
}

void ig_effect_add(struct ig_effect *e, const char *where, double change)
{
	e->layers++;
	if (e->where && !(change > e->largest))
		return;
	e->largest = change;
	e->where = where;
}

void ig_snapshot_compare(struct ig_snapshot *s, const struct ig_graph *g, struct ig_effect *e)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		double most = 0;
		for (int i = 1; i < n->n_in; i++) {
			const struct ig_tensor *t = ig_const_data(g, n->in[i]);
			most = t ? fmax(most, difference(find(s, n->name, i), t)) : most;
		}
		if (most > 0)
			ig_effect_add(e, n->name, most);
	}
	for (int i = 0; i < s->constant.n; i++) {
		free(s->constant.v[i].data);
		free(s->constant.v[i].layer);
	}
	ig_vec_free(&s->constant);
	free(s);
}

enum ig_recover ig_effect_method(const char *pass_help)
{
	const char *at = strstr(pass_help, "`recover ");
	at = at ? at + strlen("`recover ") : "";
	for (int i = 0; i < IG_RECOVER_COUNT; i++) {
		size_t n = strlen(ig_recover_names[i]);
		if (strncmp(at, ig_recover_names[i], n) == 0 && at[n] == '`')
			return (enum ig_recover)i;
	}
	return IG_RECOVER_COUNT;
}
