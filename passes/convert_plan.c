/* What runs in int8, and where values are u8. Integers pay between layers with weights; everything that only passes something on to float arithmetic is
   float arithmetic too. So a node without weights runs in int8 when its operands come from such layers (or are inputs of the graph) and its result goes
   to one; a layer with weights always does, and gives float32 as soon as one reader computes in float32 (its other readers quantize that), or all do:
   the network's last layer is not quantized, nor is a residual stream that normalizations read. Nodes that move values follow their input.

   Sweeps backwards (who would take a value as u8, who as float32) and forwards (whose operands come from integers) take nodes away until none is left to take. */
#include "passes/convert.h"
#include "passes/rewrite.h"

#include <string.h>

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

static void mark_inputs(const struct ig_node *n, bool *value)
{
	for (int i = 0; i < n->n_in; i++)
		if (ig_convert_is_activation(n, i))
			value[n->in[i].i] = true;
}

static bool may_run(const struct ig_convert *k, int32_t id)
{
	const struct ig_graph *g = k->g;
	const struct ig_node *n = &g->node[id];
	if (n->precision != IG_PREC_INT8 || k->done[id])
		return false;
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE:
		return ig_convert_has_weights(g, n);
	case IG_QC_ELTWISE:
	case IG_QC_TABLE:
	case IG_QC_CONCAT:
		return ig_vtype(g, n->out[0])->dtype == IG_DT_F32;
	case IG_QC_NORM:
		return ig_vtype(g, n->in[0])->dtype == IG_DT_U8;
	case IG_QC_SOFTMAX:
	case IG_QC_MOVE:
		return true;
	case IG_QC_NONE:
		return n->op == IG_OP_QUANT;
	}
	return false;
}

/* A move hands on what its readers ask for; but pools ask for u8 themselves, since they would carry large float maps. */
static void backwards_move(struct ig_convert *k, const struct ig_node *n, bool wanted, bool in_float)
{
	if (n->precision != IG_PREC_INT8 || (in_float && is_plain_move(n->op)))
		k->wants_f[n->in[0].i] = true;
	if (n->precision == IG_PREC_INT8 && (wanted || !is_plain_move(n->op)))
		k->wants_q[n->in[0].i] = true;
}

static void backwards(struct ig_convert *k, int32_t id)
{
	const struct ig_graph *g = k->g;
	const struct ig_node *n = &g->node[id];
	enum ig_quant_class class = ig_ops[n->op].quant;
	bool wanted = false, in_float = false;
	for (int i = 0; i < n->n_out; i++) {
		wanted |= k->wants_q[n->out[i].i];
		in_float |= k->wants_f[n->out[i].i];
	}
	bool asks = n->op == IG_OP_DEQUANT && n->precision == IG_PREC_INT8;
	if (n->op == IG_OP_QUANTIZE || asks) { /* in the source: its reader's parameters are given */
		mark_inputs(n, k->wants_q);
	} else if (n->op == IG_OP_QUANT) {
		mark_inputs(n, k->wants_f);
	} else if (class == IG_QC_MOVE) {
		backwards_move(k, n, wanted, in_float);
	} else if (class == IG_QC_COMPUTE && k->node_q[id]) {
		k->wants_q[n->in[0].i] = true;
		if (ig_op_is_add(n->op) && wanted && !in_float) /* a float32 result takes its residual as it is */
			k->wants_q[n->in[3].i] = true;
	} else if (!k->done[id]) {
		k->node_q[id] = k->node_q[id] && wanted;
		if (class != IG_QC_NORM || !k->node_q[id]) /* it reads the input's bytes as they are */
			mark_inputs(n, k->node_q[id] ? k->wants_q : k->wants_f);
	}
}

/* Whether a value is an integer already, or comes from a layer that computes with integers: quantizing it loses no more than that layer does. */
static bool from_integers(const struct ig_convert *k, struct ig_vid v)
{
	const struct ig_node *n = ig_def(k->g, v);
	while (ig_ops[n->op].quant == IG_QC_MOVE)
		n = ig_def(k->g, n->in[0]);
	return n->op == IG_OP_INPUT || n->op == IG_OP_DEQUANTIZE || k->node_q[n - k->g->node];
}

/* All operands but constants come from integers; of concat, which does not compute, one is enough. */
static bool has_integer_operands(const struct ig_convert *k, const struct ig_node *n)
{
	int run_time = 0, integers = 0;
	for (int i = 0; i < n->n_in; i++) {
		if (ig_def(k->g, n->in[i])->op == IG_OP_CONSTANT)
			continue;
		run_time++;
		integers += from_integers(k, n->in[i]);
	}
	return n->op == IG_OP_CONCAT ? integers > 0 : integers == run_time;
}

/* Takes the nodes away whose operands are float32; true when there was one. */
static bool forwards(struct ig_convert *k)
{
	const struct ig_graph *g = k->g;
	bool changed = false;
	for (int32_t id = g->first; id >= 0; id = g->node[id].next) {
		enum ig_quant_class class = ig_ops[g->node[id].op].quant;
		bool elementwise = class == IG_QC_ELTWISE || class == IG_QC_TABLE || class == IG_QC_CONCAT || class == IG_QC_SOFTMAX;
		if (!elementwise || !k->node_q[id] || has_integer_operands(k, &g->node[id]))
			continue;
		k->node_q[id] = false;
		changed = true;
	}
	return changed;
}

static void set_u8(struct ig_convert *k, int32_t id)
{
	const struct ig_node *n = &k->g->node[id];
	int32_t y = n->out[0].i;
	if (k->done[id])
		return;
	switch (ig_ops[n->op].quant) {
	case IG_QC_COMPUTE:
		k->is_u8[y] = k->node_q[id] && k->wants_q[y] && !k->wants_f[y];
		break;
	case IG_QC_SOFTMAX: /* gives float32 by its table when its operand is u8 anyway */
		k->is_u8[y] = k->node_q[id];
		k->node_q[id] = n->precision == IG_PREC_INT8 && (k->node_q[id] || k->is_u8[n->in[0].i]);
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
		k->is_u8[y] = n->op == IG_OP_QUANT && k->node_q[id];
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
	for (int32_t id = g->first; id >= 0; id = g->node[id].next) {
		k->done[id] = ig_convert_done(g, &g->node[id]);
		k->node_q[id] = may_run(k, id);
	}
	do {
		memset(k->wants_q, 0, (size_t)k->n_values * sizeof *k->wants_q);
		memset(k->wants_f, 0, (size_t)k->n_values * sizeof *k->wants_f);
		for (int32_t id = g->last; id >= 0; id = g->node[id].prev)
			backwards(k, id);
	} while (forwards(k));
	for (int32_t id = g->first; id >= 0; id = g->node[id].next)
		set_u8(k, id);
	for (int32_t id = g->last; id >= 0; id = g->node[id].prev)
		if (g->node[id].op == IG_OP_CONCAT && k->node_q[id])
			alias_concat(k, &g->node[id]);
}
