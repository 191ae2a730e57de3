/* The graph's invariants, checked between passes. A violation is a defect of the pass that ran last, never of the user's model. */
#include "ir/dynamic.h"
#include "ir/infer.h"
#include "ir/stored.h"

#include <stdlib.h>
#include <string.h>

struct check {
	const struct ig_graph *g;
	const char *after;
	struct ig_diag *d;
	bool ok;
};

static void fail(struct check *c, const struct ig_node *n, const char *fmt, ...) IG_PRINTF(3, 4);

static void fail(struct check *c, const struct ig_node *n, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->ok = false;
	ig_error(c->d, n ? n->loc : IG_NOLOC, "internal error: after %s: %s%s%s%s", c->after, n ? ig_ops[n->op].name : "graph", n ? " '" : "",
	         n ? n->name : "", n ? "'" : "");
	ig_note(c->d, IG_NOLOC, "%s", text);
}

static int by_pointer(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	return strcmp(x, y);
}

static void check_unique(struct check *c, const char **names, int n, const char *what)
{
	qsort(names, (size_t)n, sizeof *names, by_pointer);
	for (int i = 1; i < n; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			fail(c, NULL, "%s name '%s' is used twice", what, names[i]);
}

static void check_names(struct check *c)
{
	const struct ig_graph *g = c->g;
	const char **names = ig_xcalloc((size_t)(g->n_nodes > g->n_values ? g->n_nodes : g->n_values), sizeof *names);
	int n = 0;
	for (int i = 0; i < g->n_nodes; i++)
		if (!g->node[i].dead)
			names[n++] = g->node[i].name;
	check_unique(c, names, n, "layer");
	n = 0;
	for (int i = 0; i < g->n_values; i++)
		if (!g->node[g->value[i].def.i].dead)
			names[n++] = g->value[i].name;
	check_unique(c, names, n, "value");
	free(names);
}

/* The list is consistent, holds each live node once, and operands come before their uses. */
static bool check_order(struct check *c)
{
	const struct ig_graph *g = c->g;
	bool *defined = ig_xcalloc((size_t)g->n_values, sizeof *defined);
	int live = 0, listed = 0;
	int32_t prev = -1;
	for (int i = 0; i < g->n_nodes; i++)
		live += !g->node[i].dead;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (++listed > live || n->dead || n->prev != prev) {
			fail(c, n, "the list of nodes is broken");
			break;
		}
		prev = id.i;
		if (n->n_in < ig_ops[n->op].min_in || n->n_in > ig_ops[n->op].max_in)
			fail(c, n, "%d operands", n->n_in);
		for (int i = 0; i < n->n_in; i++)
			if (n->in[i].i < 0 || n->in[i].i >= g->n_values || !defined[n->in[i].i])
				fail(c, n, "operand %d is not defined before it", i);
		for (int i = 0; i < n->n_out; i++) {
			if (ig_value(g, n->out[i])->def.i != id.i || ig_value(g, n->out[i])->result != i)
				fail(c, n, "result %d belongs to another node", i);
			defined[n->out[i].i] = true;
		}
		for (int i = 0; i < n->n_attrs; i++)
			if (!ig_op_has_attr(n->op, n->attr[i].id))
				fail(c, n, "has attribute %s", ig_attrs[n->attr[i].id].name);
	}
	if (c->ok && (listed != live || g->last != prev))
		fail(c, NULL, "%d nodes live, %d in the list", live, listed);
	for (int i = 0; i < g->n_outputs; i++)
		if (!defined[g->output[i].i])
			fail(c, NULL, "output '%s' is not defined", g->output_name[i]);
	for (int i = 0; i < g->n_inputs; i++)
		if (!defined[g->input[i].i] || ig_def(g, g->input[i])->op != IG_OP_INPUT)
			fail(c, NULL, "input %d is no input node's result", i);
	free(defined);
	return c->ok;
}

static bool quantized(const struct ig_graph *g, struct ig_vid v) { return ig_vtype(g, v)->q.i >= 0; }
static bool plain_float(const struct ig_graph *g, struct ig_vid v) { return !quantized(g, v) && ig_vtype(g, v)->dtype == IG_DT_F32; }

/* Activations are u8 or s8 with one static scale and zero point. */
static bool activation(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	return q && q->axis < 0 && q->n == 1 && (q->dtype == IG_DT_U8 || q->dtype == IG_DT_S8);
}

/* Quantize and dequantize nodes take one scale for each channel as well: of imported weights, and in the interpreter. */
static bool has_params(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	return q && q->group == 0;
}

static const char *check_compute(const struct ig_graph *g, const struct ig_node *n)
{
	bool bias_float = strcmp(ig_attr_str(n, IG_A_BIAS_MODE, "int32"), "float32") == 0;
	if (ig_attr(n, IG_A_DYNAMIC))
		return ig_check_dynamic(g, n);
	if (!quantized(g, n->in[0])) {
		bool stored = ig_has_stored_weights(g, n);
		for (int i = 0; i < n->n_in; i++)
			if (!plain_float(g, n->in[i]) && !(i == 1 && stored))
				return "its input is float32, so every operand must be";
		const char *why = stored ? ig_check_stored(g, n) : NULL;
		if (why)
			return why;
		return plain_float(g, n->out[0]) ? NULL : "its input is float32, so the result must be";
	}
	const struct ig_qparam *w = ig_qparam(g, ig_vtype(g, n->in[1])->q);
	if (!activation(g, n->in[0]) || !w || w->dtype != IG_DT_S8 || (w->axis != 0 && w->axis != -1) || w->group != 0)
		return "a quantized input needs one scale, and an s8 weight with one scale or one for each output channel";
	for (int64_t i = 0; i < w->n; i++)
		if (w->zero_point[i] != 0)
			return "its weight must have zero point 0";
	if (n->n_in > 2 && ig_vtype(g, n->in[2])->dtype != (bias_float ? IG_DT_F32 : IG_DT_I32))
		return "its bias must be i32, or f32 with bias_mode: float32";
	if (!plain_float(g, n->out[0]) && !activation(g, n->out[0]))
		return "its result must be float32, or u8 or s8 with one scale";
	if (ig_op_is_add(n->op) && !activation(g, n->in[3]) && !(plain_float(g, n->in[3]) && plain_float(g, n->out[0])))
		return "its residual must be quantized with one scale, or float32 when the result is";
	return NULL;
}

static const char *check_uniform(const struct ig_graph *g, const struct ig_node *n)
{
	bool q = quantized(g, n->out[0]);
	bool ok = q ? activation(g, n->out[0]) : plain_float(g, n->out[0]);
	for (int i = 0; i < n->n_in; i++)
		ok &= q ? activation(g, n->in[i]) : plain_float(g, n->in[i]);
	return ok ? NULL : "its operands and result must be all float32, or all u8 or s8 with one scale each";
}

/* Operations of one arithmetic for all: quantized, or plain numbers of the types that inference allows. */
static const char *check_quantizable(const struct ig_graph *g, const struct ig_node *n)
{
	bool any = quantized(g, n->out[0]);
	for (int i = 0; i < n->n_in; i++)
		any |= quantized(g, n->in[i]);
	return any ? check_uniform(g, n) : NULL;
}

static const char *check_move(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *y = ig_vtype(g, n->out[0]);
	if (n->op == IG_OP_AVG_POOL2D || n->op == IG_OP_GLOBAL_AVG_POOL)
		return check_uniform(g, n);
	bool same = true;
	for (int i = 0; i < n->n_out; i++) {
		y = ig_vtype(g, n->out[i]);
		same &= x->dtype == y->dtype && ig_qparam_equal(ig_qparam(g, x->q), ig_qparam(g, y->q));
	}
	return same ? NULL : "it moves values, so its result must have its operand's type and parameters";
}

const char *ig_check_types(const struct ig_graph *g, const struct ig_node *n)
{
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE: return check_compute(g, n);
	case IG_QC_ELTWISE:
	case IG_QC_TABLE: return check_quantizable(g, n);
	case IG_QC_CONCAT: return quantized(g, n->out[0]) || plain_float(g, n->out[0]) ? check_uniform(g, n) : NULL;
	case IG_QC_MOVE: return check_move(g, n);
	case IG_QC_SOFTMAX:
		if (quantized(g, n->out[0]) || plain_float(g, n->in[0]))
			return check_uniform(g, n);
		return activation(g, n->in[0]) ? NULL : "its operand must be float32, or u8 or s8 with one scale";
	case IG_QC_NORM:
		if (quantized(g, n->in[0]) || (quantized(g, n->out[0]) && (ig_vtype(g, n->in[0])->dtype != IG_DT_U8 || !activation(g, n->out[0]))))
			return "a quantized result needs plain u8 bytes and one scale";
		return NULL;
	case IG_QC_NONE: break;
	}
	if (n->op == IG_OP_QUANTIZE && (!plain_float(g, n->in[0]) || !has_params(g, n->out[0])))
		return "it goes from float32 to integers with parameters";
	if (n->op == IG_OP_DEQUANTIZE && (!plain_float(g, n->out[0]) || !has_params(g, n->in[0])))
		return "it goes from integers with parameters to float32";
	if (n->op == IG_OP_REQUANTIZE && (!activation(g, n->in[0]) || !activation(g, n->out[0])))
		return "it goes between u8 or s8 with one scale each";
	return n->op == IG_OP_BATCH_NORM ? check_uniform(g, n) : NULL;
}

static bool type_equal(const struct ig_graph *g, const struct ig_graph *h, const struct ig_type *a, const struct ig_type *b)
{
	return a->dtype == b->dtype && ig_type_same_shape(a, b) && ig_qparam_equal(ig_qparam(g, a->q), ig_qparam(h, b->q));
}

bool ig_verify(const struct ig_graph *g, const char *after, struct ig_diag *d)
{
	struct check c = {g, after, d, true};
	if (!check_order(&c))
		return false;
	check_names(&c);
	struct ig_graph *again = ig_graph_clone(g);
	if (!ig_infer_graph(again, d)) {
		fail(&c, NULL, "inference fails");
	} else {
		for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
			const struct ig_node *n = ig_node(g, id);
			for (int i = 0; i < n->n_out; i++)
				if (!type_equal(g, again, ig_vtype(g, n->out[i]), ig_vtype(again, n->out[i])))
					fail(&c, n, "its type is %s, inference says %s", ig_type_str(again->arena, ig_vtype(g, n->out[i])),
					     ig_type_str(again->arena, ig_vtype(again, n->out[i])));
			const char *why = ig_check_types(g, n);
			if (why)
				fail(&c, n, "%s", why);
		}
	}
	ig_graph_free(again);
	return c.ok;
}
