/* Parameters by name out of the weights file: LAYER.weight, LAYER.bias, LAYER.running_mean, LAYER.running_var, as PyTorch's state_dict names them. */
#include "frontend/sema.h"

#include <string.h>

struct ig_vid ig_sema_add_constant(struct sema *s, const char *name, const char *result, struct ig_loc loc, struct ig_tensor *t)
{
	struct ig_graph *g = s->graph;
	struct ig_nid id = ig_graph_add(g, IG_OP_CONSTANT, name, loc, NULL, 0);
	struct ig_node *n = ig_node(g, id);
	struct ig_value *v = ig_value(g, n->out[0]);
	n->name = ig_intern(g->names, name);
	v->name = ig_intern(g->names, result ? result : name);
	*ig_symtab_at(&s->value_names, v->name, 0) = 1;
	n->data = t;
	v->type = t->type;
	return n->out[0];
}

/* The entry of a name, marked as used; NULL after a diagnostic. `want` describes its shape, or NULL. */
const struct ig_st_entry *ig_sema_tensor(struct sema *s, const char *layer, struct ig_loc loc, const char *name, const char *want)
{
	if (!s->weights) {
		if (!s->weights_failed)
			ig_error(s->diag, loc, "layer '%s' needs weights, but this file names none; add a line: weights \"FILE.safetensors\"", layer ? layer : name);
		s->weights_failed = true; /* once is enough */
		return NULL;
	}
	struct ig_st_entry *e = ig_safetensors_find(s->weights, name);
	if (e) {
		e->used = true;
		return e;
	}
	const char **names = IG_NEWN(s->arena, const char *, s->weights->n);
	for (int i = 0; i < s->weights->n; i++)
		names[i] = s->weights->entry[i].name;
	const char *near = ig_sema_near(s, name, names, s->weights->n);
	if (want)
		ig_error(s->diag, loc, "layer '%s' needs tensor '%s' of shape %s, which %s does not have%s", layer, name, want, s->weights_path, near);
	else
		ig_error(s->diag, loc, "%s has no tensor '%s'%s", s->weights_path, name, near);
	return NULL;
}

/* A float32 constant of the wanted shape (-1: any), named after the layer's parameter. */
static bool bind_tensor(struct sema *s, struct sema_call *c, const char *file_name, const char *node_name, int rank, const int64_t *want)
{
	const struct ig_st_entry *e = ig_sema_tensor(s, c->layer, c->loc, file_name, ig_sema_dims(s, rank, want));
	if (!e)
		return false;
	bool same = e->type.rank == rank;
	for (int i = 0; same && i < rank; i++)
		same = want[i] < 0 ? e->type.dim[i] > 0 : e->type.dim[i] == want[i];
	if (!same) {
		ig_error(s->diag, c->loc, "layer '%s' needs tensor '%s' of shape %s, but in %s it is %s", c->layer, file_name, ig_sema_dims(s, rank, want),
		         s->weights_path, ig_sema_dims(s, e->type.rank, e->type.dim));
		return false;
	}
	if (!ig_sema_room(s, c->loc))
		return false;
	struct ig_tensor *t = ig_safetensors_f32(s->weights, e, s->graph->arena, s->diag, c->loc);
	if (!t)
		return false;
	t->type.q = IG_NOQ;
	const char *unique = ig_sema_name(s, &s->layer_names, ig_arena_printf(s->arena, "/%s", node_name));
	struct ig_vid v = ig_sema_add_constant(s, unique, NULL, c->loc, t);
	c->in[c->n_in++] = v;
	return true;
}

/* The layer whose names the tensors carry: of `weight: "other.weight"` it is other. */
static const char *tensor_stem(struct sema *s, const struct sema_call *c, const char **weight)
{
	const struct sema_attr *a = ig_sema_attr_find(c, IG_A_WEIGHT);
	*weight = a ? a->s : ig_arena_printf(s->arena, "%s.weight", c->layer);
	size_t n = strlen(*weight);
	if (!a || n < 8 || strcmp(*weight + n - 7, ".weight") != 0)
		return c->layer;
	return ig_arena_strndup(s->arena, *weight, n - 7);
}

static bool bind_batch_norm(struct sema *s, struct sema_call *c)
{
	static const char *const part[] = {"weight", "bias", "running_mean", "running_var"};
	const struct ig_type x = *ig_vtype(s->graph, c->in[0]);
	const char *weight, *stem = tensor_stem(s, c, &weight);
	if (x.rank < 2) {
		ig_error(s->diag, c->loc, "batch_norm needs an operand with channels on axis 1, not %s", ig_type_str(s->arena, &x));
		return false;
	}
	for (size_t i = 0; i < IG_COUNTOF(part); i++) {
		const char *file_name = i ? ig_arena_printf(s->arena, "%s.%s", stem, part[i]) : weight;
		if (!bind_tensor(s, c, file_name, ig_arena_printf(s->arena, "%s.%s", c->layer, part[i]), 1, &x.dim[1]))
			return false;
	}
	ig_sema_attr_drop(c, IG_A_WEIGHT);
	return true;
}

/* The weight's shape as far as the call tells it. */
static bool weight_shape(struct sema *s, const struct sema_call *c, int *rank, int64_t *want)
{
	const struct ig_type x = *ig_vtype(s->graph, c->in[0]);
	const struct sema_attr *units = ig_sema_attr_find(c, c->op == IG_OP_LINEAR ? IG_A_UNITS : IG_A_FILTERS);
	const struct sema_attr *kernel = ig_sema_attr_find(c, IG_A_KERNEL), *groups = ig_sema_attr_find(c, IG_A_GROUPS);
	int64_t g = groups ? groups->i : 1;
	want[0] = units ? units->i : -1;
	if (c->op == IG_OP_LINEAR) {
		*rank = 2;
		if (x.rank == 0) {
			ig_error(s->diag, c->loc, "linear needs an operand with at least one axis");
			return false;
		}
		want[1] = x.dim[x.rank - 1];
		return true;
	}
	*rank = 4;
	if (x.rank != 4) {
		ig_error(s->diag, c->loc, "%s needs an operand [N, C, H, W], not %s", ig_ops[c->op].name, ig_type_str(s->arena, &x));
		return false;
	}
	if (c->op == IG_OP_DEPTHWISE_CONV2D) {
		want[0] = x.dim[1];
		want[1] = 1;
	} else {
		if (x.dim[1] % g || (want[0] > 0 && want[0] % g)) {
			ig_error(s->diag, groups->loc, "groups: %lld does not divide the channels (%lld in%s)", (long long)g, (long long)x.dim[1],
			         want[0] > 0 ? ig_arena_printf(s->arena, ", %lld out", (long long)want[0]) : "");
			return false;
		}
		want[1] = x.dim[1] / g;
	}
	for (int i = 0; i < 2; i++)
		want[2 + i] = kernel ? kernel->ints[kernel->n == 1 ? 0 : i] : -1;
	return true;
}

static void add_kernel(struct sema *s, struct sema_call *c)
{
	if (c->op == IG_OP_LINEAR || ig_sema_attr_find(c, IG_A_KERNEL))
		return;
	const struct ig_type *w = ig_vtype(s->graph, c->in[1]);
	struct sema_attr *a = &c->attr[c->n_attrs++];
	*a = (struct sema_attr){.id = IG_A_KERNEL, .loc = c->loc, .n = 2, .ints = IG_NEWN(s->arena, int64_t, 2)};
	a->ints[0] = w->dim[2];
	a->ints[1] = w->dim[3];
}

static void drop_source_attrs(struct sema_call *c)
{
	ig_sema_attr_drop(c, IG_A_FILTERS);
	ig_sema_attr_drop(c, IG_A_UNITS);
	ig_sema_attr_drop(c, IG_A_BIAS);
	ig_sema_attr_drop(c, IG_A_WEIGHT);
}

bool ig_sema_bind(struct sema *s, struct sema_call *c)
{
	if (c->op == IG_OP_BATCH_NORM)
		return bind_batch_norm(s, c);
	int64_t want[4];
	int rank;
	const char *weight, *stem = tensor_stem(s, c, &weight);
	const struct sema_attr *a = ig_sema_attr_find(c, IG_A_BIAS);
	int64_t bias = a ? a->i : 2;
	if (!weight_shape(s, c, &rank, want))
		return false;
	if (!bind_tensor(s, c, weight, ig_arena_printf(s->arena, "%s.weight", c->layer), rank, want))
		return false;
	const char *name = ig_arena_printf(s->arena, "%s.bias", stem);
	int64_t channels = ig_vtype(s->graph, c->in[1])->dim[0];
	if (bias == 1 || (bias == 2 && ig_safetensors_find(s->weights, name)))
		if (!bind_tensor(s, c, name, ig_arena_printf(s->arena, "%s.bias", c->layer), 1, &channels))
			return false;
	add_kernel(s, c);
	drop_source_attrs(c);
	return true;
}

bool ig_sema_check_weight(struct sema *s, struct sema_call *c)
{
	int64_t want[4];
	int rank;
	for (int i = 0; i < c->n_attrs; i++)
		if (c->attr[i].id == IG_A_WEIGHT || c->attr[i].id == IG_A_BIAS) {
			ig_error(s->diag, c->attr[i].loc, "%s: is for parameters out of the weights file, but here they are operands", ig_attrs[c->attr[i].id].name);
			return false;
		}
	if (c->op == IG_OP_BATCH_NORM)
		return true;
	const struct ig_type w = *ig_vtype(s->graph, c->in[1]);
	if (!weight_shape(s, c, &rank, want))
		return false;
	bool same = w.rank == rank;
	for (int i = 0; same && i < rank; i++)
		same = want[i] < 0 || w.dim[i] == want[i];
	if (!same) {
		ig_error(s->diag, c->loc, "%s needs a weight of shape %s here, but is given %s", ig_ops[c->op].name, ig_sema_dims(s, rank, want),
		         ig_sema_dims(s, w.rank, w.dim));
		return false;
	}
	drop_source_attrs(c);
	return true;
}
