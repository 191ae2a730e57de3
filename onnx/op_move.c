/* Operators that pick, repeat and rearrange values. */
#include "onnx/ops.h"

#include <string.h>

/* Extents of the parts along an axis: given, or equal but for the last. */
static bool part_sizes(struct ig_onnx_node *n, int64_t extent, int64_t *size)
{
	int count = -1, parts = (int)n->p->n_output;
	if (n->version < 13)
		count = ig_onnx_ints(n, "split", size, IG_MAX_RESULTS);
	else if (ig_onnx_has(n, 1) && !ig_onnx_in_ints(n, 1, "sizes", size, IG_MAX_RESULTS, &count))
		return false;
	int64_t each = n->version >= 18 ? (extent + parts - 1) / parts : extent / parts;
	if (n->version >= 18 && ig_onnx_int(n, "num_outputs", parts) != parts)
		return ig_onnx_fail(n, "num_outputs is not the number of results");
	for (int i = 0; count < 0 && i < parts; i++)
		size[i] = i < parts - 1 ? each : extent - each * (parts - 1);
	if (count >= 0 && count != parts)
		return ig_onnx_fail(n, "there are %d sizes for %d results", count, parts);
	int64_t sum = 0;
	for (int i = 0; i < parts; i++) {
		if (size[i] < 0 || size[i] > extent)
			return ig_onnx_fail(n, "%lld elements cannot be split so", (long long)extent);
		sum += size[i];
	}
	return sum == extent || ig_onnx_fail(n, "the sizes add up to %lld, not %lld", (long long)sum, (long long)extent);
}

/* Of a constant, or into parts of which some are empty: a slice each. */
static bool split_by_slices(struct ig_onnx_node *n, int64_t axis, const int64_t *size)
{
	struct ig_type x = *ig_onnx_in_type(n, 0);
	int64_t from = 0;
	for (int i = 0; i < (int)n->p->n_output; i++, from += size[i - 1]) {
		int64_t to = from + size[i];
		x.dim[axis] = size[i];
		if (size[i] == 0) {
			if (!ig_onnx_result_const(n, i, ig_onnx_new_tensor(n->s, x.dtype, x.rank, x.dim)))
				return false;
			continue;
		}
		struct ig_vid v = ig_onnx_in(n, 0);
		if (v.i < 0)
			return false;
		struct ig_nid id = ig_onnx_add(n, IG_OP_SLICE, i ? ig_arena_printf(n->s->arena, "%d", i) : NULL, &v, 1);
		ig_attr_set_ints(n->s->graph, id, IG_A_STARTS, &from, 1);
		ig_attr_set_ints(n->s->graph, id, IG_A_ENDS, &to, 1);
		ig_attr_set_ints(n->s->graph, id, IG_A_AXES, &axis, 1);
		if (!ig_onnx_result(n, i, ig_onnx_done(n, id)))
			return false;
	}
	return true;
}

bool ig_onnx_split(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t axis = ig_onnx_int(n, "axis", 0), size[IG_MAX_RESULTS];
	int parts = (int)n->p->n_output;
	bool empty = false;
	if (!x)
		return false;
	if (axis < -x->rank || axis >= x->rank || parts < 1 || parts > IG_MAX_RESULTS)
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d, or there are more than %d results", (long long)axis, x->rank, IG_MAX_RESULTS);
	axis += axis < 0 ? x->rank : 0;
	if (!part_sizes(n, x->dim[axis], size))
		return false;
	for (int i = 0; i < parts; i++)
		empty = empty || size[i] == 0;
	if (empty || parts == 1 || ig_onnx_in_const(n, 0))
		return split_by_slices(n, axis, size);
	struct ig_vid v = ig_onnx_in(n, 0);
	struct ig_graph *g = n->s->graph;
	struct ig_nid id = ig_graph_add_results(g, IG_NONODE, IG_OP_SPLIT, ig_onnx_clean_name(n->s, n->name), n->s->loc, &v, 1, parts);
	ig_attr_set_int(g, id, IG_A_AXIS, axis);
	ig_attr_set_ints(g, id, IG_A_SIZES, size, parts);
	if (ig_onnx_done(n, id).i < 0)
		return false;
	for (int i = 0; i < parts; i++)
		ig_onnx_result(n, i, ig_node(g, id)->out[i]);
	return true;
}

/* Gather, GatherElements. */
bool ig_onnx_gather(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0), *indices = ig_onnx_in_type(n, 1);
	int64_t axis = ig_onnx_int(n, "axis", 0);
	if (!x || !indices)
		return false;
	if (axis < -x->rank || axis >= x->rank)
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d", (long long)axis, x->rank);
	axis += axis < 0 ? x->rank : 0;
	if (ig_elems(indices) == 0 && n->op->ir == IG_OP_GATHER && x->rank - 1 + indices->rank <= IG_MAX_RANK) {
		int64_t dim[2 * IG_MAX_RANK];
		int rank = 0;
		for (int i = 0; i < axis; i++)
			dim[rank++] = x->dim[i];
		for (int i = 0; i < indices->rank; i++)
			dim[rank++] = indices->dim[i];
		for (int i = (int)axis + 1; i < x->rank; i++)
			dim[rank++] = x->dim[i];
		return ig_onnx_result_const(n, 0, ig_onnx_new_tensor(n->s, x->dtype, rank, dim));
	}
	struct ig_vid in[2] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1)};
	if (n->failed)
		return false;
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, in, 2);
	ig_attr_set_int(n->s->graph, id, IG_A_AXIS, axis);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_expand(struct ig_onnx_node *n)
{
	int64_t shape[IG_MAX_RANK], dim[IG_MAX_RANK];
	int count;
	bool same = true, empty = false;
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	if (!x || !ig_onnx_in_ints(n, 1, "shape", shape, IG_MAX_RANK, &count))
		return false;
	int rank = count > x->rank ? count : x->rank;
	for (int i = 0; i < rank; i++) { /* either may be 1 where the other is not */
		int64_t a = i < rank - x->rank ? 1 : x->dim[i - (rank - x->rank)], b = i < rank - count ? 1 : shape[i - (rank - count)];
		if (a != b && a != 1 && b != 1)
			return ig_onnx_fail(n, "%s cannot be expanded to this shape", ig_type_str(n->s->arena, x));
		dim[i] = a == 1 ? b : a;
		same = same && dim[i] == a;
		empty = empty || dim[i] == 0;
	}
	if (same && rank == x->rank)
		return ig_onnx_result_alias(n, 0, 0);
	if (empty)
		return ig_onnx_result_const(n, 0, ig_onnx_new_tensor(n->s, x->dtype, rank, dim));
	struct ig_vid v = ig_onnx_in(n, 0);
	if (v.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_EXPAND, NULL, &v, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_SHAPE, dim, rank);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_tile(struct ig_onnx_node *n)
{
	int64_t repeats[IG_MAX_RANK];
	int count;
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0 || !ig_onnx_in_ints(n, 1, "repeats", repeats, IG_MAX_RANK, &count))
		return false;
	if (count != ig_vtype(n->s->graph, x)->rank)
		return ig_onnx_fail(n, "there must be one repeat for each axis");
	if (count == 0)
		return ig_onnx_result_alias(n, 0, 0);
	struct ig_nid id = ig_onnx_add(n, IG_OP_TILE, NULL, &x, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_REPEATS, repeats, count);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

/* DepthToSpace, SpaceToDepth. */
bool ig_onnx_blocks(struct ig_onnx_node *n)
{
	bool deep = n->op->ir == IG_OP_DEPTH_TO_SPACE;
	int64_t block = ig_onnx_int(n, "blocksize", 0);
	const char *mode = deep && n->version >= 11 ? ig_onnx_str(n, "mode", "DCR") : "DCR";
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
		return ig_onnx_fail(n, "mode is DCR or CRD, not '%.40s'", mode);
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_BLOCK, (int64_t[]){block, block}, 2);
	if (strcmp(mode, "CRD") == 0)
		ig_attr_set_str(n->s->graph, id, IG_A_MODE, "crd");
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
