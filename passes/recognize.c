/* Operations that exporters write out as many become the one that they are, by the table recognize.def. This comes before fusion and calibration: the results
   differ by rounding, and nothing is observed inside. The last node of the pattern becomes the operation; it keeps its name and value and has the names of
   the others. Nodes are tried from the last to the first, so that a pattern is found whole before its parts.

   Models that are quantized already stay as they are: their bytes are law. */
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/rewrite.h"

enum form { FORM_LAYER_NORM, FORM_GELU, FORM_GELU_TANH, FORM_HARD_SWISH, FORM_HARD_SIGMOID };

static const struct row {
	enum form form;
	const char *pattern;
} rows[] = {
#define R(f, p) {FORM_##f, p},
#include "passes/recognize.def"
#undef R
};

/* Whether a constant can be the weights of the last `axes` axes of x: that shape, or with extents of 1 before it or left out before it. */
static bool fits(const struct ig_graph *g, struct ig_vid v, const struct ig_match *m)
{
	if (v.i < 0)
		return true;
	const struct ig_type *t = ig_vtype(g, v), *x = ig_vtype(g, m->x);
	for (int i = 1; i <= t->rank; i++)
		if (t->dim[t->rank - i] != (i <= m->axes ? x->dim[x->rank - i] : 1))
			return false;
	return t->rank >= m->axes;
}

/* The constant with the shape of the normalized axes; ones for no weight. */
static struct ig_vid parameter(struct ig_graph *g, struct ig_nid root, struct ig_vid v, const struct ig_match *m)
{
	const struct ig_type *x = ig_vtype(g, m->x);
	const struct ig_node *n = ig_node(g, root);
	if (v.i >= 0 && ig_vtype(g, v)->rank == m->axes)
		return v;
	struct ig_tensor *t = ig_new_f32(g, m->axes, x->dim + x->rank - m->axes);
	const char *of = n->name;
	if (v.i >= 0) {
		t->data = ig_const_data(g, v)->data;
		of = ig_value(g, v)->name;
	} else
		for (int64_t i = 0, count = ig_elems(&t->type); i < count; i++)
			((float *)t->data)[i] = 1;
	return ig_graph_constant(g, root, ig_arena_printf(g->arena, v.i >= 0 ? "%s.flat" : "%s.weight", of), n->loc, t);
}

/* What the root becomes: operands into in[] (their number is returned), attributes set later by set_attributes. */
static int operands(struct ig_graph *g, struct ig_nid root, enum form form, const struct ig_match *m, struct ig_vid in[3])
{
	in[0] = m->x;
	if (form != FORM_LAYER_NORM)
		return 1;
	in[1] = parameter(g, root, m->w, m);
	if (m->b.i < 0)
		return 2;
	in[2] = parameter(g, root, m->b, m);
	return 3;
}

static void set_form(struct ig_graph *g, struct ig_nid root, enum form form, const struct ig_match *m)
{
	static const enum ig_op ops[] = {
	    [FORM_LAYER_NORM] = IG_OP_LAYER_NORM,       [FORM_GELU] = IG_OP_GELU, [FORM_GELU_TANH] = IG_OP_GELU, [FORM_HARD_SWISH] = IG_OP_HARD_SWISH,
	    [FORM_HARD_SIGMOID] = IG_OP_HARD_SIGMOID,
	};
	ig_node(g, root)->n_attrs = 0;
	ig_node(g, root)->op = ops[form];
	if (form == FORM_LAYER_NORM) {
		ig_attr_set_int(g, root, IG_A_AXIS, ig_vtype(g, m->x)->rank - m->axes);
		ig_attr_set_float(g, root, IG_A_EPS, m->e);
	} else if (form == FORM_GELU_TANH)
		ig_attr_set_str(g, root, IG_A_APPROXIMATE, "tanh");
	else if (form == FORM_HARD_SIGMOID)
		ig_attr_set_float(g, root, IG_A_ALPHA, (double)(1.0f / 6));
}

static bool is_inner(const struct ig_match *m, int32_t node)
{
	for (int i = 1; i < m->n; i++)
		if (m->node[i].i == node)
			return true;
	return false;
}

/* The inner nodes go, readers before what they read; the root gets their names in execution order. */
static void swallow(struct ig_graph *g, struct ig_nid root, const struct ig_match *m)
{
	struct ig_nid inner[IG_MAX_MATCH];
	int n = 0;
	for (int32_t at = ig_node(g, root)->prev; n < m->n - 1; at = ig_node(g, inner[n - 1])->prev) {
		while (!is_inner(m, at))
			at = ig_node(g, (struct ig_nid){at})->prev;
		inner[n++].i = at;
	}
	for (int i = n; i-- > 0;)
		ig_node_absorb(g, root, inner[i]);
	for (int i = 0; i < n; i++)
		ig_graph_remove(g, inner[i]);
}

static bool rewrite(struct ig_graph *g, struct ig_nid root, enum form form, const struct ig_match *m, struct ig_diag *d)
{
	struct ig_vid in[3];
	int n_in = operands(g, root, form, m, in);
	ig_node(g, root)->n_in = 0;
	for (int i = 0; i < n_in; i++)
		ig_add_operand(g, root, in[i]);
	set_form(g, root, form, m);
	swallow(g, root, m);
	return ig_infer_node(g, root, d);
}

static bool recognize(struct ig_graph *g, struct ig_nid id, struct ig_diag *d)
{
	struct ig_match m;
	for (size_t i = 0; i < IG_COUNTOF(rows); i++)
		if (ig_pattern_match(g, rows[i].pattern, id, &m) && fits(g, m.w, &m) && fits(g, m.b, &m))
			return rewrite(g, id, rows[i].form, &m, d);
	return true;
}

bool ig_pass_recognize(struct ig_graph *g, struct ig_context *c)
{
	if (ig_has_quantized(g))
		return true;
	for (struct ig_nid id = {g->last}; id.i >= 0; id.i = ig_node(g, id)->prev)
		if (!recognize(g, id, c->diag))
			return false;
	return true;
}
