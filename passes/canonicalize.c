/* One form for each thing, so that later passes have one case to look for:
   - a conv2d with as many groups as channels in and out is a depthwise_conv2d;
   - a transpose of a transpose is one;
   - reshape, flatten, transpose, slice, pad and concat that change nothing go away;
   - a mean over height and width that keeps its axes is a global_avg_pool, which has an int8 form;
   - a pad with +0 whose only reader is a convolution (or an average pool that counts padding) is that node's padding: the same additions of +0. */
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>

/* ONNX: no perm reverses. */
static void get_perm(const struct ig_node *n, int rank, int64_t *perm)
{
	for (int i = 0; i < rank; i++)
		perm[i] = rank - 1 - i;
	if (ig_attr(n, IG_A_PERM))
		ig_attr_ints(n, IG_A_PERM, 0, perm, rank);
}

static bool is_identity(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *y = ig_vtype(g, n->out[0]);
	int64_t v[2 * IG_MAX_RANK];
	if (!ig_type_same_shape(x, y))
		return false;
	switch (n->op) {
	case IG_OP_RESHAPE:
	case IG_OP_FLATTEN:
		return true;
	case IG_OP_CONCAT:
		return n->n_in == 1;
	case IG_OP_TRANSPOSE:
		get_perm(n, x->rank, v);
		for (int i = 0; i < x->rank; i++)
			if (v[i] != i)
				return false;
		return true;
	case IG_OP_PAD:
		ig_attr_ints(n, IG_A_PADS, 0, v, 2 * x->rank);
		for (int i = 0; i < 2 * x->rank; i++)
			if (v[i])
				return false; /* as much cut at one end as added at the other */
		return true;
	case IG_OP_SLICE: {
		const struct ig_attr *steps = ig_attr(n, IG_A_STEPS);
		for (int i = 0; steps && i < steps->n; i++)
			if (steps->u.ints[i] < 0)
				return false;
		return true;
	}
	default:
		return false;
	}
}

/* The result of an identity becomes its operand; the name goes to the operand's layer, where rules and --explain find it. */
static void drop(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *n = ig_node(g, id);
	struct ig_vid x = n->in[0];
	ig_graph_replace_uses(g, n->out[0], x);
	if (ig_def(g, x)->op != IG_OP_INPUT && ig_def(g, x)->op != IG_OP_CONSTANT)
		ig_node_absorb(g, ig_value(g, x)->def, id);
	ig_graph_remove(g, id);
}

static bool to_depthwise(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *n = ig_node(g, id);
	if (n->op != IG_OP_CONV2D && n->op != IG_OP_CONV2D_ADD)
		return false;
	int64_t groups = ig_attr_int(n, IG_A_GROUPS, 1), ic = ig_vtype(g, n->in[0])->dim[1], oc = ig_vtype(g, n->out[0])->dim[1];
	if (groups < 2 || groups != ic || groups != oc)
		return false;
	ig_set_op(g, id, n->op == IG_OP_CONV2D ? IG_OP_DEPTHWISE_CONV2D : IG_OP_DEPTHWISE_CONV2D_ADD);
	return true;
}

static void to_global_pool(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *n = ig_node(g, id);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	int64_t axes[2] = {0, 0};
	if (n->op != IG_OP_REDUCE_MEAN || x->rank != 4 || x->dtype != IG_DT_F32 || x->q.i >= 0 || ig_attr(n, IG_A_AXES)->n != 2 || !ig_attr_int(n, IG_A_KEEPDIMS, 1))
		return;
	ig_attr_ints(n, IG_A_AXES, 0, axes, 2);
	if (axes[0] == 2 && axes[1] == 3)
		ig_set_op(g, id, IG_OP_GLOBAL_AVG_POOL);
}

/* Whether a node may take padding with zeros before it as its own. */
static bool takes_padding(const struct ig_graph *g, const struct ig_node *n, const int64_t pad[4])
{
	if (n->op == IG_OP_AVG_POOL2D) {
		bool none = !pad[0] && !pad[1] && !pad[2] && !pad[3];
		int64_t kernel[2];
		ig_attr_ints(n, IG_A_KERNEL, 1, kernel, 2);
		return !ig_attr_int(n, IG_A_CEIL_MODE, 0) && (none || ig_attr_int(n, IG_A_COUNT_INCLUDE_PAD, 0));
	}
	return ig_op_is_conv_like(n->op) && ig_vtype(g, n->in[0])->rank == 4;
}

static bool merge_pad(struct ig_graph *g, struct ig_nid id)
{
	struct ig_node *p = ig_node(g, id);
	struct ig_nid user = ig_graph_only_user(g, p->out[0]);
	double value = ig_attr_float(p, IG_A_VALUE, 0);
	if (user.i < 0 || ig_vtype(g, p->in[0])->rank != 4 || value != 0 || signbit(value))
		return false;
	struct ig_node *n = ig_node(g, user);
	int64_t pads[8], own[4];
	ig_attr_ints(p, IG_A_PADS, 0, pads, 8);
	ig_attr_ints(n, IG_A_PAD, 0, own, 4);
	if (n->in[0].i != p->out[0].i || !takes_padding(g, n, own))
		return false;
	for (int i = 0; i < 8; i++)
		if (pads[i] < 0 || (i % 4 < 2 && pads[i]))
			return false;
	const int64_t sum[4] = {own[0] + pads[2], own[1] + pads[3], own[2] + pads[6], own[3] + pads[7]};
	if (n->op == IG_OP_AVG_POOL2D) {
		int64_t kernel[2]; /* pools may not pad by a whole kernel: such taps would be padding alone */
		ig_attr_ints(n, IG_A_KERNEL, 1, kernel, 2);
		if (sum[0] >= kernel[0] || sum[2] >= kernel[0] || sum[1] >= kernel[1] || sum[3] >= kernel[1])
			return false;
		ig_attr_set_int(g, user, IG_A_COUNT_INCLUDE_PAD, 1);
	}
	ig_attr_set_ints(g, user, IG_A_PAD, sum, 4);
	ig_node(g, user)->in[0] = ig_node(g, id)->in[0];
	ig_node_absorb(g, user, id);
	ig_graph_remove(g, id);
	return true;
}

static void merge_transpose(struct ig_graph *g, struct ig_nid id)
{
	struct ig_vid x = ig_node(g, id)->in[0];
	struct ig_nid first = ig_value(g, x)->def;
	int64_t a[IG_MAX_RANK], b[IG_MAX_RANK], perm[IG_MAX_RANK];
	int rank = ig_vtype(g, x)->rank;
	if (ig_node(g, first)->op != IG_OP_TRANSPOSE || ig_graph_only_user(g, x).i < 0)
		return;
	get_perm(ig_node(g, first), rank, a);
	get_perm(ig_node(g, id), rank, b);
	for (int i = 0; i < rank; i++)
		perm[i] = a[b[i]];
	ig_take_over(g, id, first);
	ig_attr_set_ints(g, id, IG_A_PERM, perm, rank);
}

bool ig_pass_canonicalize(struct ig_graph *g, struct ig_context *c)
{
	(void)c;
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		struct ig_node *n = ig_node(g, id);
		to_depthwise(g, id);
		to_global_pool(g, id);
		if (n->op == IG_OP_TRANSPOSE)
			merge_transpose(g, id);
		if (n->n_in >= 1 && is_identity(g, n) && !ig_graph_is_output(g, n->out[0]))
			drop(g, id);
		else if (n->op == IG_OP_PAD)
			merge_pad(g, id);
	}
	return true;
}
