#include "ir/fold.h"

#include "ir/interp.h"

#include <string.h>

static struct ig_qid copy_qparam(const struct ig_graph *from, struct ig_qid q, struct ig_graph *to)
{
	return q.i < 0 ? q : ig_graph_qparam(to, ig_qparam(from, q));
}

/* The node's value, computed in a graph of its own; NULL after a diagnostic. */
static const struct ig_tensor *evaluate(struct ig_graph *g, const struct ig_node *n, struct ig_diag *d)
{
	struct ig_graph *s = ig_graph_new("fold");
	s->stage = g->stage;
	struct ig_vid *in = IG_NEWN(s->arena, struct ig_vid, n->n_in);
	for (int i = 0; i < n->n_in; i++) {
		struct ig_tensor t = *ig_const_data(g, n->in[i]);
		t.type = *ig_vtype(g, n->in[i]);
		t.type.q = copy_qparam(g, t.type.q, s);
		in[i] = ig_graph_constant(s, IG_NONODE, ig_value(g, n->in[i])->name, n->loc, &t);
	}
	struct ig_nid id = ig_graph_add(s, n->op, n->name, n->loc, in, n->n_in);
	struct ig_node *copy = ig_node(s, id);
	copy->attr = n->attr;
	copy->n_attrs = n->n_attrs;
	struct ig_value *y = ig_value(s, copy->out[0]);
	y->type = *ig_vtype(g, n->out[0]);
	y->type.q = copy_qparam(g, y->type.q, s);
	struct ig_vid out = copy->out[0];
	ig_graph_mark_output(s, out, "y");
	struct ig_tensor *t = NULL;
	struct ig_interp *it = ig_interp_new(s, d);
	if (it) {
		const void *none = NULL;
		ig_interp_run(it, &none);
		const struct ig_tensor *r = ig_interp_value(it, out);
		t = ig_tensor_new(g->arena, ig_vtype(g, n->out[0]));
		memcpy(t->data, r->data, t->bytes);
	}
	ig_interp_free(it);
	ig_graph_free(s);
	return t;
}

bool ig_fold_node(struct ig_graph *g, struct ig_nid id, struct ig_diag *d)
{
	const struct ig_tensor *t = evaluate(g, ig_node(g, id), d);
	if (!t)
		return false;
	struct ig_node *n = ig_node(g, id);
	n->op = IG_OP_CONSTANT;
	n->data = IG_NEW(g->arena, struct ig_tensor);
	*n->data = *t;
	n->n_in = n->n_attrs = 0;
	n->precision = IG_PREC_UNSET;
	return true;
}
