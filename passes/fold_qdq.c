/* The patterns of quantized graphs that come from elsewhere: an operation on float32 between dequantize and quantize nodes becomes the operation on
   integers, with the parameters that stand there. What is not known to give the same integers stays as it is, in float between its neighbours.
   Operations that move values change place with the dequantize node before them, so that a pattern may reach across them.
   Weights and biases: fold_qdq_weights.c. */
#include "passes/fold_qdq.h"

#include "ir/dynamic.h"
#include "ir/fold.h"
#include "passes/convert.h"
#include "passes/rewrite.h"
#include "runtime/qmath.h"

#include <stdlib.h>
#include <string.h>

/* Tables over the values and nodes that were there at the beginning; those added later are dequantize nodes and moves of integers. */
struct fold {
	struct ig_graph *g;
	struct ig_diag *diag;
	int *uses;       /* value: operands and outputs that read it */
	int32_t *reader; /* value: a quantize node that reads it, -1 */
	int32_t *other;  /* node: another quantize node that reads the same, -1 */
	bool *was_s8;    /* value: became u8 */
};

static bool is_u8(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	return q && q->dtype == IG_DT_U8 && q->axis < 0;
}

/* ---- s8 activations: the same numbers as u8 at +128 ---- */

static struct ig_qid shifted(struct ig_graph *g, const struct ig_qparam *q)
{
	struct ig_qparam u = *q;
	int32_t zero = q->zero_point[0] + 128;
	float scale = q->scale[0];
	u.dtype = IG_DT_U8;
	u.scale = &scale;
	u.zero_point = &zero;
	u.qmin += 128;
	u.qmax += 128;
	return ig_graph_qparam(g, &u);
}

/* Whether a value is an s8 activation: neither a constant nor the weights of one. */
static bool is_s8(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	return q && q->dtype == IG_DT_S8 && q->axis < 0 && !ig_is_given(g, v);
}

static void set_type(struct ig_graph *g, struct ig_vid v, struct ig_qid q)
{
	ig_value(g, v)->type.q = q;
	ig_value(g, v)->type.dtype = ig_qparam(g, q)->dtype;
}

/* A requantize node behind v; the table it stands for maps each byte to itself at the other offset. */
static struct ig_vid requantized(struct ig_graph *g, struct ig_nid before, struct ig_vid v, struct ig_qid q, const char *suffix)
{
	const char *name = ig_arena_printf(g->arena, "%s.%s", ig_value(g, v)->name, suffix);
	struct ig_nid id = ig_graph_add_before(g, before, IG_OP_REQUANTIZE, name, ig_def(g, v)->loc, &v, 1);
	struct ig_vid y = ig_node(g, id)->out[0];
	ig_node(g, id)->precision = IG_PREC_INT8;
	ig_value(g, y)->type = *ig_vtype(g, v);
	set_type(g, y, q);
	return y;
}

/* The signature keeps its types: a conversion behind each s8 input, and one before each s8 output. was_s8 (by value; NULL) tells what was changed. */
static void shift_s8(struct ig_graph *g, bool *was_s8)
{
	struct ig_nid body = ig_first(g);
	while (body.i >= 0 && ig_node(g, body)->op == IG_OP_INPUT)
		body = ig_next(g, body);
	for (int i = 0; i < g->n_inputs; i++) {
		struct ig_vid v = g->input[i];
		if (!is_s8(g, v))
			continue;
		struct ig_vid y = requantized(g, body, v, shifted(g, ig_qparam(g, ig_vtype(g, v)->q)), "u8");
		ig_graph_replace_uses(g, v, y);
		ig_def(g, y)->in[0] = v;
	}
	for (int i = 0; i < g->n_outputs; i++)
		if (is_s8(g, g->output[i]))
			g->output[i] = requantized(g, IG_NONODE, g->output[i], ig_vtype(g, g->output[i])->q, "s8");
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 0; i < n->n_out && n->op != IG_OP_INPUT; i++)
			if (is_s8(g, n->out[i]) && !ig_graph_is_output(g, n->out[i])) {
				set_type(g, n->out[i], shifted(g, ig_qparam(g, ig_vtype(g, n->out[i])->q)));
				if (was_s8)
					was_s8[n->out[i].i] = true;
			}
	}
}

/* ---- patterns ---- */

/* A constant of s8 as u8 at +128. */
static struct ig_vid constant_u8(struct ig_graph *g, struct ig_nid before, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	struct ig_qid q = shifted(g, ig_qparam(g, ig_vtype(g, v)->q));
	struct ig_type type = *ig_vtype(g, v);
	type.dtype = IG_DT_U8;
	type.q = q;
	struct ig_tensor *u = ig_tensor_new(g->arena, &type);
	for (int64_t i = 0, n = ig_elems(&type); i < n; i++)
		((uint8_t *)u->data)[i] = (uint8_t)(((const int8_t *)t->data)[i] + 128);
	return ig_graph_constant(g, before, ig_arena_printf(g->arena, "%s.u8", ig_value(g, v)->name), ig_def(g, v)->loc, u);
}

/* The u8 value that an operand is dequantized from; false when there is none. */
static bool integer_operand(struct fold *f, struct ig_nid user, int i, struct ig_vid *out)
{
	struct ig_graph *g = f->g;
	const struct ig_node *def = ig_def(g, ig_node(g, user)->in[i]);
	if (def->op != IG_OP_DEQUANTIZE)
		return false;
	*out = def->in[0];
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, *out)->q);
	if (ig_const_data(g, *out) && q->dtype == IG_DT_S8 && q->axis < 0)
		*out = constant_u8(g, user, *out);
	return is_u8(g, *out);
}

/* The parameters that all readers of a result quantize it with; IG_NOQ when there are other readers, or other parameters. */
static struct ig_qid result_params(const struct fold *f, struct ig_vid y)
{
	struct ig_graph *g = f->g;
	struct ig_qid q = IG_NOQ;
	int readers = 0;
	for (int32_t r = f->reader[y.i]; r >= 0; r = f->other[r], readers++) {
		struct ig_vid out = g->node[r].out[0];
		if (!is_u8(g, out) || (q.i >= 0 && !ig_qparam_equal(ig_qparam(g, q), ig_qparam(g, ig_vtype(g, out)->q))))
			return IG_NOQ;
		q = ig_vtype(g, out)->q;
	}
	return readers == f->uses[y.i] ? q : IG_NOQ;
}

/* The node writes integers: the quantize nodes behind it go. The value takes the name of what they made: that is what it can be compared with. */
static void take_result(struct fold *f, struct ig_nid id, struct ig_qid q)
{
	struct ig_graph *g = f->g;
	struct ig_vid y = ig_node(g, id)->out[0];
	ig_value(g, y)->name = ig_value(g, g->node[f->reader[y.i]].out[0])->name;
	for (int32_t r = f->reader[y.i]; r >= 0; r = f->other[r]) {
		ig_graph_replace_uses(g, g->node[r].out[0], y);
		ig_graph_remove(g, (struct ig_nid){r});
	}
	set_type(g, y, q);
	ig_node(g, id)->precision = IG_PREC_INT8;
}

static void fold_compute(struct fold *f, struct ig_nid id)
{
	struct ig_graph *g = f->g;
	struct ig_vid x, r = IG_NOVAL;
	struct ig_qid q = result_params(f, ig_node(g, id)->out[0]);
	bool add = ig_op_is_add(ig_node(g, id)->op);
	if (!integer_operand(f, id, 0, &x))
		return;
	if (add && !integer_operand(f, id, 3, &r)) {
		if (q.i >= 0)
			return; /* a float addend is added before rounding: there is no such operation on integers */
		r = ig_node(g, id)->in[3];
	}
	if (!ig_fold_qdq_weights(g, id, ig_qparam(g, ig_vtype(g, x)->q)))
		return;
	ig_node(g, id)->in[0] = x;
	if (add)
		ig_node(g, id)->in[3] = r;
	ig_node(g, id)->precision = IG_PREC_INT8;
	if (q.i >= 0)
		take_result(f, id, q);
}

/* ONNX Runtime's softmax takes the whole part of 1 / scale for the integer of 1. */
static void set_levels(struct ig_graph *g, struct ig_nid id, float scale)
{
	float levels = 1.0f / scale;
	if (levels >= 1 && levels < 65536)
		ig_attr_set_int(g, id, IG_A_LEVELS, (int64_t)levels);
}

/* Operations whose operands and result are integers, all of them. */
static void fold_uniform(struct fold *f, struct ig_nid id)
{
	struct ig_graph *g = f->g;
	struct ig_vid in[64];
	int n = ig_node(g, id)->n_in;
	struct ig_qid q = result_params(f, ig_node(g, id)->out[0]);
	if (q.i < 0 || n > (int)IG_COUNTOF(in))
		return;
	for (int i = 0; i < n; i++)
		if (!integer_operand(f, id, i, &in[i]))
			return;
	memcpy(ig_node(g, id)->in, in, (size_t)n * sizeof *in);
	if (ig_op_has_attr(ig_node(g, id)->op, IG_A_EARLY_ZERO)) /* the programs that such graphs are made for compute so */
		ig_attr_set_int(g, id, IG_A_EARLY_ZERO, f->was_s8[g->node[f->reader[ig_node(g, id)->out[0].i]].out[0].i] ? 128 : 0);
	if (ig_node(g, id)->op == IG_OP_SOFTMAX)
		set_levels(g, id, ig_qparam(g, q)->scale[0]);
	take_result(f, id, q);
}

/* Whether the integers moved are those of the numbers moved: a pad's own value must be one of the numbers that the parameters can express. */
static bool moves_integers(const struct ig_graph *g, const struct ig_node *n, struct ig_vid x)
{
	if (n->n_in != 1 || n->n_out != 1 || !ig_convert_keeps_params(n->op))
		return false;
	if (n->op != IG_OP_PAD)
		return true;
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, x)->q);
	float v = (float)ig_attr_float(n, IG_A_VALUE, 0);
	return ig_dequantize(ig_quantize(v, q->scale[0], q->zero_point[0], q->qmin, q->qmax), q->scale[0], q->zero_point[0]) == v;
}

/* move(dequantize(x)) as dequantize(move(x)). */
static void sink(struct fold *f, struct ig_nid id)
{
	struct ig_graph *g = f->g;
	struct ig_vid x;
	if (!integer_operand(f, id, 0, &x) || !moves_integers(g, ig_node(g, id), x))
		return;
	struct ig_qid q = result_params(f, ig_node(g, id)->out[0]), own = ig_vtype(g, x)->q;
	if (q.i >= 0 && ig_qparam_equal(ig_qparam(g, q), ig_qparam(g, own))) {
		ig_node(g, id)->in[0] = x;
		take_result(f, id, q);
		return;
	}
	const char *name = ig_arena_printf(g->arena, "%s.dequantize", ig_node(g, id)->name);
	struct ig_nid move = ig_graph_add_before(g, id, ig_node(g, id)->op, name, ig_node(g, id)->loc, &x, 1);
	struct ig_node *m = ig_node(g, move), *n = ig_node(g, id);
	name = m->name; /* the layer keeps its name */
	m->name = n->name;
	n->name = name;
	m->attr = n->attr;
	m->n_attrs = n->n_attrs;
	m->absorbed = n->absorbed;
	m->n_absorbed = n->n_absorbed;
	m->precision = IG_PREC_INT8;
	m->rule = n->rule;
	ig_value(g, m->out[0])->type = *ig_vtype(g, n->out[0]);
	set_type(g, m->out[0], own);
	n->op = IG_OP_DEQUANTIZE;
	n->in[0] = m->out[0];
	n->n_attrs = n->n_absorbed = 0;
}

/* quantize(dequantize(x)): nothing, or a table. */
static bool fold_quantize(struct fold *f, struct ig_nid id)
{
	struct ig_graph *g = f->g;
	struct ig_node *n = ig_node(g, id);
	struct ig_vid x;
	if (ig_const_data(g, n->in[0]))
		return ig_fold_node(g, id, f->diag);
	if (ig_is_given(g, n->in[0]) || !integer_operand(f, id, 0, &x) || !is_u8(g, ig_node(g, id)->out[0]))
		return true;
	n = ig_node(g, id);
	if (ig_qparam_equal(ig_qparam(g, ig_vtype(g, x)->q), ig_qparam(g, ig_vtype(g, n->out[0])->q))) {
		ig_graph_replace_uses(g, n->out[0], x);
		ig_graph_remove(g, id);
	} else {
		n->op = IG_OP_REQUANTIZE;
		n->in[0] = x;
		n->precision = IG_PREC_INT8;
	}
	return true;
}

static bool fold(struct fold *f, struct ig_nid id)
{
	const struct ig_node *n = ig_node(f->g, id);
	if (n->op == IG_OP_QUANTIZE)
		return fold_quantize(f, id);
	/* Differences and averages of windows that are taken in float have other roundings. */
	if (n->n_in == 0 || n->n_out != 1 || n->op == IG_OP_SUB || n->op == IG_OP_AVG_POOL2D)
		return true;
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE: fold_compute(f, id); break;
	case IG_QC_ELTWISE:
	case IG_QC_TABLE:
	case IG_QC_CONCAT:
	case IG_QC_SOFTMAX: fold_uniform(f, id); break;
	case IG_QC_MOVE:
		if (ig_convert_keeps_params(n->op))
			sink(f, id);
		else
			fold_uniform(f, id);
		break;
	case IG_QC_NORM:
	case IG_QC_NONE: break;
	}
	return true;
}

static void count_readers(struct fold *f)
{
	const struct ig_graph *g = f->g;
	for (int i = 0; i < g->n_values; i++)
		f->reader[i] = -1;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 0; i < n->n_in; i++)
			f->uses[n->in[i].i]++;
		if (n->op == IG_OP_QUANTIZE) {
			f->other[id.i] = f->reader[n->in[0].i];
			f->reader[n->in[0].i] = id.i;
		}
	}
	for (int i = 0; i < g->n_outputs; i++)
		f->uses[g->output[i].i]++;
}

bool ig_has_quantized(const struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->op == IG_OP_QUANTIZE || ig_node(g, id)->op == IG_OP_DEQUANTIZE || ig_node(g, id)->op == IG_OP_DYNAMIC_QUANTIZE ||
		    ig_dynamic_levels(ig_node(g, id)))
			return true;
	return false;
}

bool ig_fold_given(struct ig_graph *g, struct ig_diag *d)
{
	shift_s8(g, NULL); /* as code is generated for u8 alone */
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if ((n->op == IG_OP_DEQUANTIZE || n->op == IG_OP_QUANTIZE) && ig_const_data(g, n->in[0]) && !ig_fold_node(g, id, d))
			return false;
	}
	return true;
}

bool ig_pass_fold_qdq(struct ig_graph *g, struct ig_context *c)
{
	if (!ig_has_quantized(g))
		return true;
	struct fold f = {.g = g, .diag = c->diag};
	size_t values = (size_t)g->n_values + (size_t)g->n_inputs + (size_t)g->n_outputs + 1;
	f.was_s8 = ig_xcalloc(values, sizeof *f.was_s8);
	shift_s8(g, f.was_s8);
	f.uses = ig_xcalloc(values, sizeof *f.uses);
	f.reader = ig_xcalloc(values, sizeof *f.reader);
	f.other = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *f.other);
	count_readers(&f);
	bool ok = true;
	for (struct ig_nid id = ig_first(g); ok && id.i >= 0; id = ig_next(g, id))
		ok = fold(&f, id);
	free(f.was_s8);
	free(f.uses);
	free(f.reader);
	free(f.other);
	return ok;
}
