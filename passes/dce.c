/* Nodes whose results nothing reads go away. Inputs stay: they are the signature. */
#include "passes/pass.h"

#include <stdlib.h>

bool ig_pass_dce(struct ig_graph *g, struct ig_context *c)
{
	(void)c;
	bool *used = ig_xcalloc((size_t)g->n_values, sizeof *used);
	for (int i = 0; i < g->n_outputs; i++)
		used[g->output[i].i] = true;
	for (int32_t id = g->last, prev; id >= 0; id = prev) { /* readers come after what they read */
		const struct ig_node *n = &g->node[id];
		prev = n->prev;
		bool live = n->op == IG_OP_INPUT || n->op == IG_OP_OBSERVE;
		for (int i = 0; i < n->n_out; i++)
			live = live || used[n->out[i].i];
		if (!live) {
			ig_graph_remove(g, (struct ig_nid){id});
			continue;
		}
		for (int i = 0; i < n->n_in; i++)
			used[n->in[i].i] = true;
	}
	free(used);
	return true;
}
