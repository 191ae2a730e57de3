/* What exporters put behind the last weighted layer, such as boxes decoded from offsets and sizes, is arithmetic for the caller's sake: it costs next to nothing,
   and its results need more than 256 steps. Rules are made that keep it in float. */
#include "onnx/import.h"

#include <stdlib.h>

static bool weighted(enum ig_op op)
{
	return ig_ops[op].macs || ig_ops[op].quant == IG_QC_COMPUTE || op == IG_OP_CONV_TRANSPOSE2D || op == IG_OP_LSTM || op == IG_OP_GRU || op == IG_OP_RNN;
}

/* Arithmetic that changes the range of values: not the sum of two branches. */
static bool decodes(const struct ig_graph *g, const struct ig_node *n)
{
	bool constant = false;
	for (int i = 0; i < n->n_in; i++)
		constant = constant || ig_const_data(g, n->in[i]);
	return n->op == IG_OP_EXP || n->op == IG_OP_DIV || n->op == IG_OP_POW || ((n->op == IG_OP_ADD || n->op == IG_OP_SUB || n->op == IG_OP_MUL) && constant);
}

struct marks {
	bool *front;      /* by value: a weighted layer is computed from it */
	bool *up, *down;  /* by value: decoding is computed from it; it is computed from decoding */
};

static bool any(const bool *mark, const struct ig_vid *v, int n)
{
	for (int i = 0; i < n; i++)
		if (mark[v[i].i])
			return true;
	return false;
}

static void set(bool *mark, const struct ig_vid *v, int n)
{
	for (int i = 0; i < n; i++)
		mark[v[i].i] = true;
}

/* False when no layer has weights, or some are quantized already: then nothing is decided here. */
static bool mark(const struct ig_graph *g, struct marks *m)
{
	bool weights = false;
	for (int32_t i = g->last; i >= 0; i = g->node[i].prev) {
		const struct ig_node *n = &g->node[i];
		if (n->op == IG_OP_QUANTIZE || n->op == IG_OP_DEQUANTIZE || n->op == IG_OP_REQUANTIZE)
			return false;
		weights = weights || weighted(n->op);
		if (weighted(n->op) || any(m->front, n->out, n->n_out))
			set(m->front, n->in, n->n_in);
		else if (decodes(g, n) || any(m->up, n->out, n->n_out))
			set(m->up, n->in, n->n_in);
	}
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool tail = !weighted(n->op) && !any(m->front, n->out, n->n_out);
		if (tail && (decodes(g, n) || any(m->down, n->in, n->n_in)))
			set(m->down, n->out, n->n_out);
	}
	return weights;
}

void ig_onnx_keep_decoding(const struct ig_graph *g, struct ig_qconfig_map *map, struct ig_loc loc)
{
	size_t n = (size_t)g->n_values + 1;
	struct marks m = {ig_xcalloc(n, 1), ig_xcalloc(n, 1), ig_xcalloc(n, 1)};
	struct ig_rule rule = {.kind = IG_RULE_LAYER, .config = *ig_qconfig_preset("default"), .text = "skip", .loc = loc, .made = true};
	rule.config.skip = true;
	bool decide = mark(g, &m);
	for (struct ig_nid id = ig_first(g); decide && id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *node = ig_node(g, id);
		bool tail = !weighted(node->op) && !any(m.front, node->out, node->n_out);
		if (!tail || node->op == IG_OP_CONSTANT || node->op == IG_OP_INPUT || (!any(m.up, node->out, node->n_out) && !any(m.down, node->out, node->n_out)))
			continue;
		rule.pattern = ig_arena_strdup(map->arena, node->name);
		ig_vec_push(&map->rules, rule);
	}
	free(m.front);
	free(m.up);
	free(m.down);
}
