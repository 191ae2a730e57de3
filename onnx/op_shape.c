/* Operators that change shapes and move values. A tensor without elements, which chains of shape arithmetic have, is not in the graph: it changes its shape here. */
#include "onnx/ops.h"

#include <string.h>

static bool is_empty(struct ig_onnx_node *n, int i)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, i);
	return t && ig_elems(&t->type) == 0;
}

/* The operand with another shape: a reshape, or an empty constant. */
static bool reshaped(struct ig_onnx_node *n, int rank, const int64_t *dim)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	if (!x)
		return false;
	if (!is_empty(n, 0))
		return ig_onnx_result(n, 0, ig_onnx_reshape(n, ig_onnx_in(n, 0), NULL, rank, dim));
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, x->dtype, rank, dim);
	if (!t || t->bytes)
		return ig_onnx_fail(n, "an empty tensor cannot have this shape");
	return ig_onnx_result_const(n, 0, t);
}

bool ig_onnx_reshape_node(struct ig_onnx_node *n)
{
	int64_t dim[IG_MAX_RANK];
	int rank;
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	bool zero_is_zero = n->version >= 14 && ig_onnx_int(n, "allowzero", 0) != 0;
	if (!x)
		return false;
	if (n->version < 5)
		rank = ig_onnx_ints(n, "shape", dim, IG_MAX_RANK);
	else if (!ig_onnx_in_ints(n, 1, "shape", dim, IG_MAX_RANK, &rank))
		return false;
	if (rank < 0)
		return ig_onnx_fail(n, "the shape is missing");
	bool empty = is_empty(n, 0);
	for (int i = 0; i < rank; i++) {
		if (dim[i] == 0 && zero_is_zero && !empty)
			return ig_onnx_fail(n, "the result would be empty");
		if (dim[i] == 0 && !zero_is_zero && i < x->rank)
			dim[i] = x->dim[i];
		if (dim[i] == -1 && empty)
			dim[i] = 0;
	}
	return reshaped(n, rank, dim);
}

bool ig_onnx_flatten(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t axis = ig_onnx_int(n, "axis", 1), dim[2] = {1, 1};
	if (!x)
		return false;
	if (axis < -x->rank || axis > x->rank)
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d", (long long)axis, x->rank);
	if (axis < 0)
		axis += x->rank;
	for (int i = 0; i < x->rank; i++)
		dim[i >= axis] *= x->dim[i];
	if (axis != 1 || x->rank < 2 || is_empty(n, 0))
		return reshaped(n, 2, dim);
	struct ig_vid v = ig_onnx_in(n, 0);
	return ig_onnx_result(n, 0, ig_onnx_op(n, IG_OP_FLATTEN, NULL, &v, 1));
}

int ig_onnx_axes(struct ig_onnx_node *n, int operand, int since, int rank, int64_t *axes)
{
	int count = -1;
	bool seen[2 * IG_MAX_RANK + 1] = {false};
	if (n->version < since)
		count = ig_onnx_ints(n, "axes", axes, IG_MAX_RANK);
	else if (ig_onnx_has(n, operand) && !ig_onnx_in_ints(n, operand, "axes", axes, IG_MAX_RANK, &count))
		return -1;
	for (int i = 0; i < count; i++) {
		if (axes[i] < -rank || axes[i] >= rank || seen[axes[i] < 0 ? axes[i] + rank : axes[i]]) {
			ig_onnx_fail(n, "axis %lld is outside of the rank %d or given twice", (long long)axes[i], rank);
			return -1;
		}
		axes[i] += axes[i] < 0 ? rank : 0;
		seen[axes[i]] = true;
	}
	return count;
}

bool ig_onnx_squeeze(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t axes[IG_MAX_RANK], dim[IG_MAX_RANK];
	if (!x)
		return false;
	int count = ig_onnx_axes(n, 1, 13, x->rank, axes), rank = 0;
	if (n->failed)
		return false;
	for (int i = 0; i < x->rank; i++) {
		bool drop = count < 0 && x->dim[i] == 1;
		for (int k = 0; k < count; k++)
			drop = drop || axes[k] == i;
		if (drop && x->dim[i] != 1)
			return ig_onnx_fail(n, "axis %d of %s is not 1", i, ig_type_str(n->s->arena, x));
		if (!drop)
			dim[rank++] = x->dim[i];
	}
	return reshaped(n, rank, dim);
}

bool ig_onnx_unsqueeze(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t axes[IG_MAX_RANK], dim[IG_MAX_RANK] = {0};
	int count = 0, from = 0;
	if (!x)
		return false;
	if (n->version < 13)
		count = ig_onnx_ints(n, "axes", axes, IG_MAX_RANK);
	else if (!ig_onnx_in_ints(n, 1, "axes", axes, IG_MAX_RANK, &count))
		return false;
	int rank = x->rank + count;
	if (count < 0 || rank > IG_MAX_RANK)
		return ig_onnx_fail(n, "axes are missing, or the result has more than %d dimensions", IG_MAX_RANK);
	for (int i = 0; i < count; i++) {
		int64_t a = axes[i] < 0 ? axes[i] + rank : axes[i];
		if (a < 0 || a >= rank || dim[a] == 1)
			return ig_onnx_fail(n, "axis %lld is outside of the rank %d or given twice", (long long)axes[i], rank);
		dim[a] = 1;
	}
	for (int i = 0; i < rank; i++)
		if (dim[i] != 1)
			dim[i] = x->dim[from++];
	return reshaped(n, rank, dim);
}

bool ig_onnx_transpose_node(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t perm[IG_MAX_RANK];
	int count = ig_onnx_ints(n, "perm", perm, IG_MAX_RANK);
	if (!x || n->failed)
		return false;
	for (int i = 0; count < 0 && i < x->rank; i++)
		perm[i] = x->rank - 1 - i;
	if (count >= 0 && count != x->rank)
		return ig_onnx_fail(n, "perm has %d integers for %s", count, ig_type_str(n->s->arena, x));
	return ig_onnx_result(n, 0, ig_onnx_transpose(n, ig_onnx_in(n, 0), NULL, perm));
}

#define FEW 64 /* operands of one concat */

bool ig_onnx_concat(struct ig_onnx_node *n)
{
	struct ig_vid in[FEW];
	int count = 0, parts = 0;
	const struct ig_type *first = ig_onnx_in_type(n, 0);
	int64_t axis = ig_onnx_int(n, "axis", n->version < 4 ? 1 : 0);
	if (!first)
		return false;
	if (axis < -first->rank || axis >= first->rank)
		return ig_onnx_fail(n, "axis %lld is outside of the rank %d", (long long)axis, first->rank);
	for (int i = 0; i < (int)n->p->n_input; i++) {
		if (is_empty(n, i))
			continue; /* adds nothing */
		if (count == FEW) { /* what there is so far becomes one operand */
			struct ig_nid id = ig_onnx_add(n, IG_OP_CONCAT, ig_arena_printf(n->s->arena, "part%d", parts++), in, count);
			ig_attr_set_int(n->s->graph, id, IG_A_AXIS, axis);
			in[0] = ig_onnx_done(n, id);
			count = 1;
		}
		in[count++] = ig_onnx_in(n, i);
		if (in[count - 1].i < 0 || in[0].i < 0)
			return false;
	}
	if (count == 0)
		return ig_onnx_result_alias(n, 0, 0);
	struct ig_nid id = ig_onnx_add(n, IG_OP_CONCAT, NULL, in, count);
	ig_attr_set_int(n->s->graph, id, IG_A_AXIS, axis);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}
