/* Layers with 16-bit activations and s8 weights. The input's integer q is two bytes, q = 256 * (high - 128) + low: the layer of the low byte, with bias, residual
   and activation, adds the layer of the high byte, whose step is 256 times as large. Both are exact sums of 32 bits that become float32; so is the result. */
#include "passes/convert.h"
#include "passes/rewrite.h"

#include <stdlib.h>


static enum ig_op with_add(enum ig_op op)
{
	return op == IG_OP_CONV2D ? IG_OP_CONV2D_ADD : op == IG_OP_DEPTHWISE_CONV2D ? IG_OP_DEPTHWISE_CONV2D_ADD : op == IG_OP_LINEAR ? IG_OP_LINEAR_ADD : op;
}

/* The input's scale, from its statistics or, of a constant, its data. */
static bool scale_of(struct ig_convert *k, const struct ig_node *n, struct ig_vid x, const struct ig_qconfig *q, float *scale)
{
	struct ig_qid params;
	bool constant = ig_def(k->g, x)->op == IG_OP_CONSTANT;
	if (!(constant ? ig_convert_constant_qparam(k, x, q, n->loc, &params) : ig_convert_qparam(k, x, q, n->loc, &params)))
		return false;
	*scale = ig_qparam(k->g, params)->scale[0];
	return true;
}

/* The sums of the high byte, -128 to 127, fit in 32 bits; those of the low one are checked with the weights. */
static bool check_high(struct ig_convert *k, const struct ig_node *n)
{
	const struct ig_tensor *w = ig_const_data(k->g, n->in[1]);
	int64_t oc = w->type.dim[0], per = oc ? ig_elems(&w->type) / oc : 0;
	for (int64_t c = 0; c < oc; c++) {
		int64_t most = 0;
		for (int64_t i = c * per; i < (c + 1) * per; i++)
			most += 128 * (int64_t)abs(((const int8_t *)w->data)[i]);
		if (most > INT32_MAX) {
			ig_error(k->c->diag, n->loc, "layer `%s`: the sums of output channel %lld can exceed 32 bits (%lld weights in a channel); give it `skip`", n->name,
			         (long long)c, (long long)per);
			return false;
		}
	}
	return true;
}

static struct ig_vid no_bias(struct ig_graph *g, struct ig_nid id, int64_t oc)
{
	struct ig_type t = ig_type_make(IG_DT_I32, 1, &oc);
	const struct ig_node *n = ig_node(g, id);
	return ig_graph_constant(g, id, ig_arena_printf(g->arena, "%s.no_bias", n->name), n->loc, ig_tensor_new(g->arena, &t));
}

/* The layer of the high byte, before node id: its weights, its residual, no bias and no activation. */
static struct ig_vid high_layer(struct ig_graph *g, struct ig_nid id, struct ig_vid high)
{
	static const enum ig_attr_id geometry[] = {IG_A_KERNEL, IG_A_STRIDE, IG_A_PAD, IG_A_DILATION};
	enum ig_op op = ig_node(g, id)->op;
	const struct ig_node *n = ig_node(g, id);
	const char *name = ig_arena_printf(g->arena, "%s.high", n->name);
	struct ig_vid in[4] = {high, n->in[1]};
	bool add = ig_op_is_add(op);
	if (add) {
		in[2] = no_bias(g, id, ig_vtype(g, in[1])->dim[0]);
		in[3] = ig_node(g, id)->in[3];
	}
	struct ig_nid new = ig_graph_add_before(g, id, op, name, ig_node(g, id)->loc, in, add ? 4 : 2);
	n = ig_node(g, id);
	for (size_t i = 0; i < IG_COUNTOF(geometry); i++) {
		const struct ig_attr *a = ig_attr(n, geometry[i]);
		if (a)
			ig_attr_set_ints(g, new, geometry[i], a->u.ints, a->n);
	}
	if (ig_attr(n, IG_A_GROUPS))
		ig_attr_set_int(g, new, IG_A_GROUPS, ig_attr_int(n, IG_A_GROUPS, 1));
	ig_node(g, new)->precision = IG_PREC_W8A16;
	ig_node(g, new)->rule = ig_node(g, id)->rule;
	struct ig_vid y = ig_node(g, new)->out[0];
	ig_value(g, y)->type = *ig_vtype(g, ig_node(g, id)->out[0]);
	return y;
}

bool ig_convert_wide(struct ig_convert *k, struct ig_nid id, struct ig_vid x)
{
	struct ig_graph *g = k->g;
	struct ig_qconfig q = *ig_node_qconfig(k->c->qconfig, ig_node(g, id));
	float scale;
	q.bias_float32 = true;
	if (!scale_of(k, ig_node(g, id), x, &q, &scale) || !ig_convert_weights(k, id, scale, 0, &q) || !check_high(k, ig_node(g, id)))
		return false;
	struct ig_vid in = ig_node(g, id)->in[0];
	struct ig_vid high = ig_convert_copy(k, IG_OP_QUANTIZE, IG_PART_HIGH, in, ig_graph_qparam1(g, IG_DT_U8, scale * 256, 128, 0, 255), id);
	struct ig_vid low = ig_convert_copy(k, IG_OP_QUANTIZE, IG_PART_LOW, in, ig_graph_qparam1(g, IG_DT_U8, scale, 0, 0, 255), id);
	struct ig_vid sum = high_layer(g, id, high);
	int64_t oc = ig_vtype(g, ig_node(g, id)->in[1])->dim[0];
	if (ig_node(g, id)->n_in < 3)
		ig_add_operand(g, id, no_bias(g, id, oc));
	if (ig_node(g, id)->n_in < 4)
		ig_add_operand(g, id, sum);
	ig_set_op(g, id, with_add(ig_node(g, id)->op));
	ig_node(g, id)->in[0] = low;
	ig_node(g, id)->in[3] = sum;
	return true;
}
