/* Reductions over axes. */
#include "onnx/ops.h"

#include <string.h>

struct ig_vid ig_onnx_reduce_axes(struct ig_onnx_node *n, enum ig_op op, struct ig_vid x, const char *suffix, const int64_t *axes, int count, bool keep)
{
	if (x.i < 0)
		return x;
	struct ig_nid id = ig_onnx_add(n, op, suffix, &x, 1);
	if (count > 0)
		ig_attr_set_ints(n->s->graph, id, IG_A_AXES, axes, count);
	ig_attr_set_int(n->s->graph, id, IG_A_KEEPDIMS, keep);
	return ig_onnx_done(n, id);
}

struct reduction {
	int64_t axes[IG_MAX_RANK];
	int count; /* 0: all */
	bool keep, nothing;
};

/* The version from which axes are an operand: 13 of ReduceSum, 18 of the others. */
static bool read_reduction(struct ig_onnx_node *n, struct ig_vid x, struct reduction *r)
{
	int since = strcmp(n->p->op_type, "ReduceSum") == 0 ? 13 : 18;
	r->keep = ig_onnx_int(n, "keepdims", 1) != 0;
	bool noop = n->version >= since && ig_onnx_int(n, "noop_with_empty_axes", 0) != 0;
	if (x.i < 0)
		return false;
	r->count = ig_onnx_axes(n, 1, since, ig_vtype(n->s->graph, x)->rank, r->axes);
	r->nothing = noop && r->count <= 0;
	return !n->failed;
}

bool ig_onnx_reduce(struct ig_onnx_node *n)
{
	struct reduction r;
	struct ig_vid x = ig_onnx_in(n, 0);
	if (!read_reduction(n, x, &r))
		return false;
	if (r.nothing)
		return ig_onnx_result_alias(n, 0, 0);
	return ig_onnx_result(n, 0, ig_onnx_reduce_axes(n, (enum ig_op)n->op->ir, x, NULL, r.axes, r.count, r.keep));
}

/* Norms and sums of functions: what stands before and behind the sum. */
bool ig_onnx_reduce_norm(struct ig_onnx_node *n)
{
	const char *type = n->p->op_type;
	bool square = strcmp(type, "ReduceL2") == 0 || strcmp(type, "ReduceSumSquare") == 0, exponent = strcmp(type, "ReduceLogSumExp") == 0;
	struct reduction r;
	struct ig_vid x = ig_onnx_in(n, 0), most = IG_NOVAL;
	if (!read_reduction(n, x, &r))
		return false;
	if (r.nothing)
		return ig_onnx_fail(n, "noop_with_empty_axes is not supported");
	if (square) {
		x = ig_onnx_op(n, IG_OP_MUL, "square", (struct ig_vid[]){x, x}, 2);
	} else if (strcmp(type, "ReduceL1") == 0) {
		x = ig_onnx_op(n, IG_OP_ABS, "abs", &x, 1);
	} else if (exponent) { /* less the largest, so that nothing overflows */
		most = ig_onnx_reduce_axes(n, IG_OP_REDUCE_MAX, x, "max", r.axes, r.count, true);
		struct ig_vid off = ig_onnx_op(n, IG_OP_SUB, "off", (struct ig_vid[]){x, most}, 2);
		x = ig_onnx_op(n, IG_OP_EXP, "exp", &off, 1);
		most = r.keep ? most : ig_onnx_reduce_axes(n, IG_OP_REDUCE_MAX, most, "max.flat", r.axes, r.count, false);
	}
	bool root = strcmp(type, "ReduceL2") == 0, logarithm = strncmp(type, "ReduceLog", 9) == 0;
	struct ig_vid y = ig_onnx_reduce_axes(n, IG_OP_REDUCE_SUM, x, root || logarithm ? "sum" : NULL, r.axes, r.count, r.keep);
	if (root || logarithm)
		y = ig_onnx_op(n, root ? IG_OP_SQRT : IG_OP_LOG, exponent ? "log" : NULL, &y, 1);
	return ig_onnx_result(n, 0, exponent ? ig_onnx_op(n, IG_OP_ADD, NULL, (struct ig_vid[]){y, most}, 2) : y);
}

bool ig_onnx_arg(struct ig_onnx_node *n)
{
	int64_t axis = ig_onnx_int(n, "axis", 0);
	bool keep = ig_onnx_int(n, "keepdims", 1) != 0, last = n->version >= 12 && ig_onnx_int(n, "select_last_index", 0) != 0;
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	ig_attr_set_int(n->s->graph, id, IG_A_AXIS, axis);
	ig_attr_set_int(n->s->graph, id, IG_A_KEEPDIMS, keep);
	if (last)
		ig_attr_set_int(n->s->graph, id, IG_A_LAST, 1);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
