/* Elementwise operators and normalizations. */
#include "onnx/ops.h"

#include <math.h>
#include <string.h>

#include "ir/infer_impl.h"

bool ig_onnx_unary(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	return ig_onnx_result(n, 0, ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, &x, 1));
}

/* Before version 7 operands were broadcast by attributes: b's axes begin at `axis`. */
static struct ig_vid old_broadcast(struct ig_onnx_node *n, struct ig_vid a, struct ig_vid b)
{
	int64_t axis = ig_onnx_int(n, "axis", -1), dim[IG_MAX_RANK];
	struct ig_graph *g = n->s->graph;
	if (!ig_onnx_int(n, "broadcast", 0) || a.i < 0 || b.i < 0)
		return b;
	int rank = ig_vtype(g, a)->rank, from = ig_vtype(g, b)->rank;
	axis = axis < 0 ? rank - from : axis;
	if (axis + from >= rank)
		return b;
	for (int i = 0; i < rank; i++)
		dim[i] = i < axis || i >= axis + from ? 1 : ig_vtype(g, b)->dim[i - axis];
	return ig_onnx_reshape(n, b, "operand", rank - (int)axis, dim + axis);
}

bool ig_onnx_binary(struct ig_onnx_node *n)
{
	struct ig_vid in[2] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1)};
	if (n->version < 7)
		in[1] = old_broadcast(n, in[0], in[1]);
	return ig_onnx_result(n, 0, ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, in, 2));
}

bool ig_onnx_alpha(struct ig_onnx_node *n)
{
	double alpha = ig_onnx_real(n, "alpha", n->op->ir == IG_OP_LEAKY_RELU ? 0.01 : 1);
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	ig_attr_set_float(n->s->graph, id, IG_A_ALPHA, alpha);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_clip(struct ig_onnx_node *n)
{
	double lo = -INFINITY, hi = INFINITY;
	struct ig_vid x = ig_onnx_in(n, 0);
	if (n->version < 11) {
		lo = ig_onnx_real(n, "min", lo);
		hi = ig_onnx_real(n, "max", hi);
	} else if ((ig_onnx_has(n, 1) && !ig_onnx_in_real(n, 1, "lower bound", &lo)) || (ig_onnx_has(n, 2) && !ig_onnx_in_real(n, 2, "upper bound", &hi))) {
		return false;
	}
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CLIP, NULL, &x, 1);
	if (lo > -INFINITY)
		ig_attr_set_float(n->s->graph, id, IG_A_MIN, lo);
	if (hi < INFINITY)
		ig_attr_set_float(n->s->graph, id, IG_A_MAX, hi);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

/* Before version 13 all axes from `axis` on are one. */
bool ig_onnx_softmax(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_type t = *ig_vtype(n->s->graph, x);
	int64_t axis = ig_onnx_int(n, "axis", n->version < 13 ? 1 : -1), dim[2] = {1, 1};
	if (axis < -t.rank || axis > t.rank || (axis == t.rank && n->version >= 13))
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d", (long long)axis, t.rank);
	axis += axis < 0 ? t.rank : 0;
	bool flat = n->version < 13 && axis != t.rank - 1;
	for (int i = 0; i < t.rank; i++)
		dim[i >= axis] *= t.dim[i];
	if (flat)
		x = ig_onnx_reshape(n, x, "rows", 2, dim);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	ig_attr_set_int(n->s->graph, id, IG_A_AXIS, flat ? 1 : axis);
	struct ig_vid y = ig_onnx_done(n, id);
	return ig_onnx_result(n, 0, flat ? ig_onnx_reshape(n, y, "shape", t.rank, t.dim) : y);
}

bool ig_onnx_batch_norm(struct ig_onnx_node *n)
{
	struct ig_vid in[5];
	double eps = ig_onnx_real(n, "epsilon", 1e-5);
	ig_onnx_real(n, "momentum", 0.9); /* of training */
	if (n->version < 7) {
		ig_onnx_int(n, "is_test", 0);
		ig_onnx_attr(n, "consumed_inputs");
	}
	if (n->version < 9 && ig_onnx_int(n, "spatial", 1) == 0)
		return ig_onnx_fail(n, "spatial = 0 is not supported");
	if (n->version >= 14 && ig_onnx_int(n, "training_mode", 0))
		return ig_onnx_fail(n, "training_mode is not supported; export the model for inference");
	for (int i = 1; i < 5; i++)
		if (n->version < 14 && ig_onnx_wants(n, i))
			return ig_onnx_fail(n, "results of training are not supported; export the model for inference");
	for (int i = 0; i < 5; i++)
		if ((in[i] = ig_onnx_in(n, i)).i < 0)
			return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_BATCH_NORM, NULL, in, 5);
	ig_attr_set_float(n->s->graph, id, IG_A_EPS, eps);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
