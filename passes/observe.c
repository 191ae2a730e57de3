/* Observers go on every float value that is computed or comes in, whatever the mapping: a state then serves any choice of precisions, range method or
   boundary. Fused groups are one node by now, so that nothing is observed between their members. */
#include "ir/infer.h"
#include "passes/pass.h"

static bool observed(const struct ig_graph *g, const struct ig_node *n)
{
	return n->op != IG_OP_CONSTANT && n->op != IG_OP_OBSERVE && ig_vtype(g, n->out[0])->dtype == IG_DT_F32; /* of a node's results all are float or none */
}

bool ig_pass_observe(struct ig_graph *g, struct ig_context *c)
{
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		const struct ig_node *n = ig_node(g, id);
		if (!observed(g, n))
			continue;
		for (int i = 0; i < ig_node(g, id)->n_out; i++) {
			struct ig_vid v = ig_node(g, id)->out[i];
			const char *name = ig_arena_printf(g->arena, "%s.observe", ig_value(g, v)->name);
			struct ig_nid o = ig_graph_add_before(g, next, IG_OP_OBSERVE, name, ig_node(g, id)->loc, &v, 1);
			if (!ig_infer_node(g, o, c->diag))
				return false;
		}
	}
	return true;
}
