/* Normalizations and softmax. */
#include "onnx/ops.h"

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

/* The mean and the reciprocal deviation that a layer normalization can give beside its result. */
static bool layer_statistics(struct ig_onnx_node *n, struct ig_vid x, int64_t axis, double eps)
{
	struct ig_graph *g = n->s->graph;
	int64_t axes[IG_MAX_RANK];
	int rank = ig_vtype(g, x)->rank, count = 0;
	for (int64_t i = axis; i < rank; i++)
		axes[count++] = i;
	struct ig_vid mean = ig_onnx_reduce_axes(n, IG_OP_REDUCE_MEAN, x, "mean", axes, count, true);
	if (!ig_onnx_wants(n, 2))
		return ig_onnx_result(n, 1, mean);
	struct ig_vid off = ig_onnx_op(n, IG_OP_SUB, "off", (struct ig_vid[]){x, mean}, 2);
	struct ig_vid square = ig_onnx_op(n, IG_OP_MUL, "square", (struct ig_vid[]){off, off}, 2);
	struct ig_vid variance = ig_onnx_reduce_axes(n, IG_OP_REDUCE_MEAN, square, "variance", axes, count, true);
	struct ig_vid sum = ig_onnx_op(n, IG_OP_ADD, "sum", (struct ig_vid[]){variance, ig_onnx_scalar(n, "eps", IG_DT_F32, eps)}, 2);
	struct ig_vid root = ig_onnx_op(n, IG_OP_SQRT, "root", &sum, 1);
	return ig_onnx_result(n, 1, mean) && ig_onnx_result(n, 2, ig_onnx_op(n, IG_OP_RECIPROCAL, "inverse", &root, 1));
}

bool ig_onnx_layer_norm(struct ig_onnx_node *n)
{
	double eps = ig_onnx_real(n, "epsilon", 1e-5);
	int64_t axis = ig_onnx_int(n, "axis", -1);
	struct ig_vid in[3] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1), IG_NOVAL};
	int n_in = ig_onnx_has(n, 2) ? 3 : 2;
	if (n_in == 3)
		in[2] = ig_onnx_in(n, 2);
	if (ig_onnx_int(n, "stash_type", 1) != 1)
		return ig_onnx_fail(n, "stash_type must be 1: it computes in float");
	if (n->failed)
		return false;
	int rank = ig_vtype(n->s->graph, in[0])->rank;
	if (axis < -rank || axis >= rank)
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d", (long long)axis, rank);
	axis += axis < 0 ? rank : 0;
	struct ig_nid id = ig_onnx_add(n, IG_OP_LAYER_NORM, NULL, in, n_in);
	ig_attr_set_int(n->s->graph, id, IG_A_AXIS, axis);
	ig_attr_set_float(n->s->graph, id, IG_A_EPS, eps);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id)) && ((!ig_onnx_wants(n, 1) && !ig_onnx_wants(n, 2)) || layer_statistics(n, in[0], axis, eps));
}

/* InstanceNormalization, GroupNormalization. */
bool ig_onnx_channel_norm(struct ig_onnx_node *n)
{
	double eps = ig_onnx_real(n, "epsilon", 1e-5);
	bool group = n->op->ir == IG_OP_GROUP_NORM;
	int64_t groups = group ? ig_onnx_int(n, "num_groups", 1) : 1;
	struct ig_vid in[3];
	if (n->version < 6)
		ig_onnx_attr(n, "consumed_inputs");
	if (group && n->version >= 21 && ig_onnx_int(n, "stash_type", 1) != 1)
		return ig_onnx_fail(n, "stash_type must be 1: it computes in float");
	for (int i = 0; i < 3; i++)
		in[i] = ig_onnx_in(n, i);
	if (n->failed)
		return false;
	int64_t channels = ig_vtype(n->s->graph, in[0])->rank > 1 ? ig_vtype(n->s->graph, in[0])->dim[1] : 0;
	if (group && (groups < 1 || channels % groups != 0))
		return ig_onnx_fail(n, "%lld groups do not divide %lld channels", (long long)groups, (long long)channels);
	for (int i = 1; i < 3 && group && n->version < 21; i++) { /* scale and bias were given for each group */
		int64_t have = ig_elems(ig_vtype(n->s->graph, in[i])), each = channels / groups;
		if (have != groups || each == 1)
			continue;
		struct ig_tensor *ones = ig_onnx_new_tensor(n->s, IG_DT_F32, 2, (int64_t[]){1, each});
		for (int64_t k = 0; k < each; k++)
			((float *)ones->data)[k] = 1;
		const char *name = i == 1 ? "weight" : "bias";
		struct ig_vid column = ig_onnx_reshape(n, in[i], ig_arena_printf(n->s->arena, "%s.column", name), 2, (int64_t[]){groups, 1});
		struct ig_vid spread = ig_onnx_op(n, IG_OP_MUL, ig_arena_printf(n->s->arena, "%s.spread", name), (struct ig_vid[]){column, ig_onnx_constant(n, "ones", ones)}, 2);
		in[i] = ig_onnx_reshape(n, spread, name, 1, &channels);
		if (in[i].i < 0)
			return false;
	}
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, in, 3);
	if (group)
		ig_attr_set_int(n->s->graph, id, IG_A_GROUPS, groups);
	ig_attr_set_float(n->s->graph, id, IG_A_EPS, eps);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_lrn(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_LRN, NULL, &x, 1);
	ig_attr_set_int(n->s->graph, id, IG_A_SIZE, ig_onnx_int(n, "size", 0));
	ig_attr_set_float(n->s->graph, id, IG_A_ALPHA, ig_onnx_real(n, "alpha", 0.0001));
	ig_attr_set_float(n->s->graph, id, IG_A_BETA, ig_onnx_real(n, "beta", 0.75));
	ig_attr_set_float(n->s->graph, id, IG_A_K, ig_onnx_real(n, "bias", 1));
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
