#include "passes/rewrite.h"

#include <string.h>

void ig_take_over(struct ig_graph *g, struct ig_nid last, struct ig_nid main)
{
	ig_node_absorb(g, main, last);
	struct ig_node *l = ig_node(g, last), *m = ig_node(g, main);
	l->op = m->op;
	l->name = m->name;
	l->loc = m->loc;
	l->n_in = m->n_in;
	l->in = m->in;
	l->n_attrs = m->n_attrs;
	l->attr = m->attr;
	l->absorbed = m->absorbed;
	l->n_absorbed = m->n_absorbed;
	ig_graph_remove(g, main);
}

void ig_set_op(struct ig_graph *g, struct ig_nid id, enum ig_op op)
{
	ig_node(g, id)->op = op;
	for (int i = ig_node(g, id)->n_attrs; i-- > 0;)
		if (!ig_op_has_attr(op, ig_node(g, id)->attr[i].id))
			ig_attr_unset(g, id, ig_node(g, id)->attr[i].id);
}

struct ig_tensor *ig_new_f32(struct ig_graph *g, int rank, const int64_t *dims)
{
	struct ig_type t = ig_type_make(IG_DT_F32, rank, dims);
	return ig_tensor_new(g->arena, &t);
}

void ig_add_operand(struct ig_graph *g, struct ig_nid id, struct ig_vid v)
{
	struct ig_node *n = ig_node(g, id);
	struct ig_vid *in = IG_NEWN(g->arena, struct ig_vid, n->n_in + 1);
	memcpy(in, n->in, (size_t)n->n_in * sizeof *in);
	in[n->n_in++] = v;
	n->in = in;
}

void ig_set_constant(struct ig_graph *g, struct ig_nid id, int i, const char *suffix, const struct ig_tensor *t)
{
	struct ig_node *n = ig_node(g, id);
	if (i < n->n_in && ig_const_data(g, n->in[i]) && ig_graph_uses(g, n->in[i]) == 1) {
		struct ig_vid v = n->in[i];
		struct ig_node *c = ig_def(g, v);
		c->data = IG_NEW(g->arena, struct ig_tensor);
		*c->data = *t;
		c->n_attrs = 0; /* no longer the tensor of that name in the weights file */
		ig_value(g, v)->type = t->type;
		return;
	}
	char *name = ig_arena_printf(g->arena, "%s.%s", n->name, suffix);
	struct ig_vid v = ig_graph_constant(g, id, name, n->loc, t);
	if (i == ig_node(g, id)->n_in)
		ig_add_operand(g, id, v);
	else
		ig_node(g, id)->in[i] = v;
}

void ig_need_bias(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *n = ig_node(g, id);
	if (n->n_in > 2)
		return;
	int64_t oc = ig_vtype(g, n->in[1])->dim[0];
	ig_set_constant(g, id, 2, "bias", ig_new_f32(g, 1, &oc));
}

bool ig_op_is_conv_like(enum ig_op op) { return ig_ops[op].quant == IG_QC_COMPUTE; }

const char *ig_op_base_name(enum ig_op op)
{
	switch (op) {
	case IG_OP_CONV2D_ADD:
		return ig_ops[IG_OP_CONV2D].name;
	case IG_OP_DEPTHWISE_CONV2D_ADD:
		return ig_ops[IG_OP_DEPTHWISE_CONV2D].name;
	case IG_OP_LINEAR_ADD:
		return ig_ops[IG_OP_LINEAR].name;
	default:
		return ig_ops[op].name;
	}
}
