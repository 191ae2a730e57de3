/* What runs in int8, and where values are u8. Two sweeps: backwards, which values an int8 reader would take as u8; forwards, which are.
   A convolution whose result only float readers take gives float32 itself: the network's last layer is not quantized. Nodes that move values follow
   their input. */
#include "passes/convert.h"
#include "passes/rewrite.h"

/* Whether softmax asks for u8 logits (and uses its table) or for float32 logits; a softmax whose result is u8, or whose input is u8 anyway, uses the table. */
static const bool softmax_takes_u8 = false;

/* Moves that keep each value as it is: float readers behind them count as direct readers. Pools would carry large float maps. */
static bool is_plain_move(enum ig_op op) { return op != IG_OP_GLOBAL_MAX_POOL && op != IG_OP_RESIZE && op != IG_OP_MAX_POOL2D && op != IG_OP_AVG_POOL2D && op != IG_OP_GLOBAL_AVG_POOL; }

bool ig_convert_keeps_params(enum ig_op op)
{
	return ig_ops[op].quant == IG_QC_MOVE && op != IG_OP_AVG_POOL2D && op != IG_OP_GLOBAL_AVG_POOL;
}

bool ig_convert_done(const struct ig_graph *g, const struct ig_node *n)
{
	return n->op != IG_OP_QUANTIZE && n->op != IG_OP_DEQUANTIZE && (ig_vtype(g, n->out[0])->q.i >= 0 || (n->n_in && ig_vtype(g, n->in[0])->q.i >= 0));
}

bool ig_convert_has_weights(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_tensor *w = ig_const_data(g, n->in[1]), *b = n->n_in > 2 ? ig_const_data(g, n->in[2]) : NULL;
	return w && w->type.dtype == IG_DT_F32 && (n->n_in < 3 || (b && b->type.dtype == IG_DT_F32));
}

bool ig_convert_is_activation(const struct ig_node *n, int i)
{
	if (ig_ops[n->op].quant == IG_QC_MOVE)
		return i == 0; /* what follows are indices */
	return ig_op_is_conv_like(n->op) ? i == 0 || i == 3 : n->op != IG_OP_BATCH_NORM || i == 0;
}

static void want_inputs(struct ig_convert *k, const struct ig_node *n)
{
	for (int i = 0; i < n->n_in; i++)
		if (ig_convert_is_activation(n, i))
			k->wants_q[n->in[i].i] = true;
}

static void backwards(struct ig_convert *k, int32_t id)
{
	const struct ig_graph *g = k->g;
	const struct ig_node *n = &g->node[id];
	bool wanted = false;
	for (int i = 0; i < n->n_out; i++)
		wanted |= k->wants_q[n->out[i].i];
	if (n->op == IG_OP_QUANTIZE) /* in the source: its reader's parameters are given */
		want_inputs(k, n);
	if (n->precision != IG_PREC_INT8 || k->done[id])
		return;
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE:
		k->node_q[id] = ig_convert_has_weights(g, n);
		break;
	case IG_QC_ELTWISE:
	case IG_QC_TABLE:
	case IG_QC_CONCAT:
		k->node_q[id] = ig_vtype(g, n->out[0])->dtype == IG_DT_F32;
		break;
	case IG_QC_SOFTMAX:
		k->node_q[id] = softmax_takes_u8 || wanted;
		break;
	case IG_QC_NORM:
		k->node_q[id] = wanted && ig_vtype(g, n->in[0])->dtype == IG_DT_U8;
		return; /* reads the input's bytes as they are */
	case IG_QC_MOVE:
		if (wanted || !is_plain_move(n->op))
			want_inputs(k, n);
		return; /* decided forwards */
	case IG_QC_NONE:
		return;
	}
	if (k->node_q[id])
		want_inputs(k, n);
}

static void forwards(struct ig_convert *k, const struct ig_node *n, int32_t id)
{
	int32_t y = n->out[0].i;
	if (k->done[id])
		return;
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE:
		k->is_u8[y] = k->node_q[id] && k->wants_q[y];
		break;
	case IG_QC_SOFTMAX:
		k->node_q[id] = n->precision == IG_PREC_INT8 && (k->node_q[id] || k->is_u8[n->in[0].i]);
		k->is_u8[y] = k->node_q[id] && k->wants_q[y];
		break;
	case IG_QC_ELTWISE:
	case IG_QC_TABLE:
	case IG_QC_CONCAT:
	case IG_QC_NORM:
		k->is_u8[y] = k->node_q[id];
		break;
	case IG_QC_MOVE:
		k->node_q[id] = n->precision == IG_PREC_INT8 && k->is_u8[n->in[0].i];
		for (int i = 0; i < n->n_out; i++)
			k->is_u8[n->out[i].i] = k->node_q[id];
		break;
	case IG_QC_NONE:
		break;
	}
}

/* The value whose producer chooses the parameters of v, when v reaches only the given reader: back through moves that have no other reader. */
static struct ig_vid root_of(const struct ig_convert *k, struct ig_vid v)
{
	const struct ig_graph *g = k->g;
	for (;;) {
		const struct ig_node *n = ig_def(g, v);
		if (ig_graph_only_user(g, v).i < 0 || !k->is_u8[v.i])
			return IG_NOVAL;
		if (!ig_convert_keeps_params(n->op))
			return v;
		v = n->in[0];
	}
}

/* Operands of concat that nothing else reads are written with concat's parameters at once. */
static void alias_concat(struct ig_convert *k, const struct ig_node *n)
{
	int32_t y = n->out[0].i, target = k->alias[y] >= 0 ? k->alias[y] : y;
	for (int i = 0; i < n->n_in; i++) {
		struct ig_vid root = root_of(k, n->in[i]);
		if (root.i >= 0)
			k->alias[root.i] = target;
	}
}

void ig_convert_plan(struct ig_convert *k)
{
	const struct ig_graph *g = k->g;
	for (int32_t id = g->first; id >= 0; id = g->node[id].next)
		k->done[id] = ig_convert_done(g, &g->node[id]);
	for (int32_t id = g->last; id >= 0; id = g->node[id].prev)
		backwards(k, id);
	for (int32_t id = g->first; id >= 0; id = g->node[id].next)
		forwards(k, &g->node[id], id);
	for (int32_t id = g->last; id >= 0; id = g->node[id].prev)
		if (g->node[id].op == IG_OP_CONCAT && k->node_q[id])
			alias_concat(k, &g->node[id]);
}
