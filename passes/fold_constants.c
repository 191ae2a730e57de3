/* Nodes whose operands are all constants are evaluated by the reference interpreter, so that folding gives the bytes that running would. */
#include "ir/fold.h"
#include "passes/pass.h"

#define LIMIT ((int64_t)1 << 26) /* elements of a folded result: more would trade code for a huge object */

static bool foldable(const struct ig_graph *g, const struct ig_node *n)
{
	if (n->n_in == 0 || n->n_out != 1 || n->op == IG_OP_OBSERVE)
		return false;
	/* parameters that an imported model gave its weights are law: convert reads them */
	if (g->stage == IG_STAGE_FLOAT && (n->op == IG_OP_DEQUANTIZE || n->op == IG_OP_QUANTIZE))
		return false;
	for (int i = 0; i < n->n_in; i++)
		if (!ig_const_data(g, n->in[i]))
			return false;
	return ig_elems(ig_vtype(g, n->out[0])) <= LIMIT;
}

bool ig_pass_fold_constants(struct ig_graph *g, struct ig_context *c)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (foldable(g, ig_node(g, id)) && !ig_fold_node(g, id, c->diag))
			return false;
	return true;
}
