/* A random configuration for each layer with weights: precisions mixed in one graph. */
#include "passes/rewrite.h"
#include "tests/bits/graphgen.h"

/* A group, where the layer can have groups: its last one may be shorter, or hold all input channels; 0: none. */
static int group_of(struct bits_random *r, const struct ig_graph *g, const struct ig_node *n)
{
	static const int groups[] = {2, 3, 4, 5, 6, 8, 10, 16, 32, 64};
	const struct ig_type *w = ig_vtype(g, n->in[1]);
	bool point = (w->rank == 2 || (w->dim[2] == 1 && w->dim[3] == 1)) && ig_attr_int(n, IG_A_GROUPS, 1) == 1;
	int group = groups[bits_pick(r, IG_COUNTOF(groups))];
	return point && (w->dim[1] >= group || bits_pick(r, 4) == 0) ? group : 0;
}

const char *bits_precision(struct bits_random *r, const struct ig_graph *g, const struct ig_node *n, struct ig_qconfig *q)
{
	static const enum ig_mode modes[] = {IG_MODE_WEIGHT_ONLY, IG_MODE_WEIGHT_ONLY, IG_MODE_WEIGHT_ONLY, IG_MODE_FLOAT16, IG_MODE_BFLOAT16,
	                                     IG_MODE_DYNAMIC,     IG_MODE_DYNAMIC,     IG_MODE_STATIC};
	*q = *ig_qconfig_preset("default");
	if (!ig_op_is_conv_like(n->op))
		return "default";
	if (bits_pick(r, 4) == 0) {
		*q = *ig_qconfig_preset("w8a16");
		q->act.scheme = bits_pick(r, 3) ? IG_SCHEME_SYMMETRIC : IG_SCHEME_POWER_OF_TWO;
		q->weight.per_channel = bits_pick(r, 3) != 0;
		return "w8a16";
	}
	q->mode = modes[bits_pick(r, IG_COUNTOF(modes))];
	if (q->mode == IG_MODE_DYNAMIC) {
		q->act = ig_qconfig_preset("default_dynamic")->act;
		q->act.reduce_range = bits_pick(r, 4) == 0;
		q->weight.per_channel = bits_pick(r, 4) != 0;
	}
	if (q->mode != IG_MODE_WEIGHT_ONLY)
		return ig_mode_names[q->mode];
	q->weight.dtype = bits_pick(r, 2) ? IG_DT_S4 : IG_DT_S8;
	q->weight.narrow = q->weight.dtype == IG_DT_S8;
	q->weight.per_channel = bits_pick(r, 4) != 0;
	q->weight.observer = bits_pick(r, 4) ? IG_OBS_MINMAX : IG_OBS_MSE;
	q->weight.group = q->weight.per_channel && bits_pick(r, 4) ? group_of(r, g, n) : 0;
	return ig_mode_names[q->mode];
}
