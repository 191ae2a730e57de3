#include "frontend/source.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/symtab.h"

static bool is_default(const struct ig_attr *a, int64_t dflt)
{
	if (ig_attrs[a->id].kind == IG_AK_INT || ig_attrs[a->id].kind == IG_AK_BOOL)
		return a->u.i == dflt;
	if (a->n == 0)
		return false;
	for (int i = 0; i < a->n; i++)
		if (a->u.ints[i] != dflt)
			return false;
	return true;
}

static void drop_default(struct ig_graph *g, struct ig_nid id, enum ig_attr_id attr, int64_t dflt)
{
	const struct ig_attr *a = ig_attr(ig_node(g, id), attr);
	if (a && is_default(a, dflt))
		ig_attr_unset(g, id, attr);
}

/* [3, 3] is 3. */
static void shorten(struct ig_graph *g, struct ig_nid id, enum ig_attr_id attr)
{
	const struct ig_attr *a = ig_attr(ig_node(g, id), attr);
	if (a && a->n > 1 && is_default(a, a->u.ints[0])) {
		int64_t v = a->u.ints[0];
		ig_attr_set_ints(g, id, attr, &v, 1);
	}
}

static void normalize_attributes(struct ig_graph *g, struct ig_nid id)
{
	enum ig_op op = ig_node(g, id)->op;
	bool pool = op == IG_OP_MAX_POOL2D || op == IG_OP_AVG_POOL2D, conv = op == IG_OP_CONV2D || op == IG_OP_DEPTHWISE_CONV2D;
	int64_t one = 1;
	shorten(g, id, IG_A_KERNEL);
	shorten(g, id, IG_A_STRIDE);
	shorten(g, id, IG_A_DILATION);
	if (!pool && !conv)
		return;
	drop_default(g, id, IG_A_DILATION, 1);
	drop_default(g, id, IG_A_PAD, 0);
	if (conv) {
		drop_default(g, id, IG_A_STRIDE, 1);
		drop_default(g, id, IG_A_GROUPS, 1);
	} else {
		drop_default(g, id, IG_A_CEIL_MODE, 0);
		drop_default(g, id, IG_A_COUNT_INCLUDE_PAD, 0);
		if (!ig_attr(ig_node(g, id), IG_A_STRIDE))
			ig_attr_set_ints(g, id, IG_A_STRIDE, &one, 1); /* in the language the kernel is the default */
	}
}

int ig_source_parameters(const struct ig_graph *g, const struct ig_node *n)
{
	bool binds = n->op == IG_OP_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D || n->op == IG_OP_LINEAR || n->op == IG_OP_BATCH_NORM;
	if (!binds || ig_const_data(g, n->in[0]))
		return 0;
	for (int i = 1; i < n->n_in; i++) {
		const struct ig_tensor *t = ig_const_data(g, n->in[i]);
		if (!t || t->type.dtype != IG_DT_F32)
			return 0;
	}
	return n->n_in - 1;
}

const char *ig_source_parameter(enum ig_op op, int i)
{
	static const char *const norm[] = {"weight", "bias", "running_mean", "running_var"};
	return op == IG_OP_BATCH_NORM || i < 3 ? norm[i - 1] : "residual";
}

/* The names that parameters will have. */
static void parameter_names(struct ig_graph *g, struct symtab *taken)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 1; i <= ig_source_parameters(g, n); i++)
			*ig_symtab_at(taken, ig_internf(g->names, "%s.%s", n->name, ig_source_parameter(n->op, i)), 0) = 1;
	}
}

/* A constant's node again, before its reader. */
static struct ig_vid place(struct ig_graph *g, struct ig_nid before, struct ig_vid v, const char *name)
{
	struct ig_loc loc = ig_def(g, v)->loc;
	struct ig_vid fresh = ig_graph_constant(g, before, name, loc, ig_const_data(g, v));
	struct ig_type type = *ig_vtype(g, v);
	ig_value(g, fresh)->type = type;
	ig_def(g, fresh)->name = ig_value(g, fresh)->name = name;
	return fresh;
}

/* Constants that are no parameters keep their names, but for one that a parameter will have. */
static const char *constant_name(struct ig_graph *g, struct symtab *taken, struct ig_vid v)
{
	const char *base = ig_def(g, v)->name, *name = base;
	for (int i = 1; *ig_symtab_at(taken, name, 0); i++)
		name = ig_internf(g->names, "%s_%d", base, i);
	*ig_symtab_at(taken, name, 0) = 1;
	return name;
}

static void place_operands(struct ig_graph *g, struct ig_nid id, struct symtab *taken, struct ig_vid *moved)
{
	int params = ig_source_parameters(g, ig_node(g, id));
	for (int i = 0; i < ig_node(g, id)->n_in; i++) {
		struct ig_vid v = ig_node(g, id)->in[i];
		if (v.i < 0 || !ig_const_data(g, v))
			continue;
		const struct ig_node *n = ig_node(g, id);
		if (i > 0 && params) {
			v = place(g, id, v, ig_internf(g->names, "%s.%s", n->name, ig_source_parameter(n->op, i)));
		} else if (moved[v.i].i >= 0) {
			v = moved[v.i];
		} else {
			struct ig_vid old = v;
			v = moved[old.i] = place(g, id, old, constant_name(g, taken, old));
		}
		ig_node(g, id)->in[i] = v;
	}
}

/* Constants that are given out: where they are read, or at the end. */
static void place_outputs(struct ig_graph *g, struct symtab *taken, const struct ig_vid *moved)
{
	for (int i = 0; i < g->n_outputs; i++) {
		struct ig_vid v = g->output[i];
		const struct ig_tensor *t = ig_const_data(g, v);
		if (!t)
			continue;
		if (moved[v.i].i < 0) {
			struct ig_type type = *ig_vtype(g, v);
			struct ig_nid id = ig_graph_add(g, IG_OP_CONSTANT, "constant", ig_def(g, v)->loc, NULL, 0);
			struct ig_node *n = ig_node(g, id);
			n->data = ig_arena_alloc(g->arena, 1, sizeof *t);
			*n->data = *t;
			n->name = ig_value(g, n->out[0])->name = constant_name(g, taken, v);
			ig_value(g, n->out[0])->type = type;
			g->output[i] = ig_node(g, id)->out[0];
		} else {
			g->output[i] = moved[v.i];
		}
	}
}

static void name_results(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *n = ig_node(g, id);
	for (int i = 0; i < n->n_out; i++)
		ig_value(g, n->out[i])->name = i ? ig_internf(g->names, "%s.%d", n->name, i) : n->name;
}

/* Any text as a word of the language. */
static const char *as_word(struct ig_graph *g, const char *text)
{
	char *t = ig_arena_printf(g->arena, "%s%s", !*text || (*text >= '0' && *text <= '9') ? "_" : "", text);
	for (char *c = t; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	return ig_intern(g->names, t);
}

/* The names of the signature are variables. */
static void name_signature(struct ig_graph *g)
{
	struct symtab inputs = {0}, outputs = {0};
	g->name = as_word(g, g->name);
	for (int i = 0; i < g->n_inputs; i++) {
		struct ig_node *n = ig_def(g, g->input[i]);
		const char *base = as_word(g, n->name), *name = base;
		for (int k = 1; *ig_symtab_at(&inputs, name, 0); k++)
			name = ig_internf(g->names, "%s_%d", base, k);
		*ig_symtab_at(&inputs, name, 0) = 1;
		n->name = name;
	}
	for (int i = 0; i < g->n_outputs; i++) {
		const char *base = as_word(g, g->output_name[i]), *name = base;
		for (int k = 1; *ig_symtab_at(&outputs, name, 0); k++)
			name = ig_internf(g->names, "%s_%d", base, k);
		*ig_symtab_at(&outputs, name, 0) = 1;
		g->output_name[i] = name;
	}
	ig_symtab_free(&inputs);
	ig_symtab_free(&outputs);
}

bool ig_source_can(const struct ig_graph *g)
{
	for (int i = 0; i < g->n_values; i++)
		if (g->value[i].type.q.i >= 0 && !ig_node(g, g->value[i].def)->dead)
			return false;
	return g->stage == IG_STAGE_FLOAT;
}

void ig_source_normalize(struct ig_graph *g)
{
	int n_old = g->n_values;
	struct ig_vid *moved = ig_xcalloc((size_t)n_old + 1, sizeof *moved);
	struct symtab taken = {0};
	for (int i = 0; i < n_old; i++)
		moved[i] = IG_NOVAL;
	name_signature(g);
	parameter_names(g, &taken);
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		if (ig_node(g, id)->op == IG_OP_CONSTANT)
			continue;
		normalize_attributes(g, id);
		name_results(g, id);
		place_operands(g, id, &taken, moved);
	}
	place_outputs(g, &taken, moved);
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		if (ig_node(g, id)->op == IG_OP_CONSTANT && !ig_graph_uses(g, ig_node(g, id)->out[0]))
			ig_graph_remove(g, id);
	}
	ig_symtab_free(&taken);
	free(moved);
}
