/* Kernels, strides and padding; operations over one axis are those over two with a first extent of 1, those over three are made of several (deep.c). */
#include "onnx/import.h"

#include <string.h>

#include "ir/infer_impl.h"

static bool extents(struct ig_onnx_node *n, const char *name, int axes, int64_t dflt, int64_t out[2], int64_t *deep)
{
	int64_t v[3] = {dflt, dflt, dflt};
	int count = ig_onnx_ints(n, name, v, axes);
	if (n->failed || (count >= 0 && count != axes))
		return n->failed ? false : ig_onnx_fail(n, "attribute %s has %d integers, expected %d", name, count, axes);
	*deep = axes == 3 ? v[0] : 1;
	out[0] = axes == 1 ? 1 : v[axes - 2];
	out[1] = v[axes - 1];
	return true;
}

/* The first of three axes, of `in` elements, as SAME_UPPER and SAME_LOWER say. */
static void pad_deep(struct ig_onnx_window *w, int64_t in)
{
	int64_t out = (in + w->deep.stride - 1) / w->deep.stride, total = (out - 1) * w->deep.stride + w->deep.dilation * (w->deep.kernel - 1) + 1 - in;
	bool lower = strcmp(w->same, "same_lower") == 0;
	total = total < 0 ? 0 : total;
	w->deep.pad[0] = lower ? total - total / 2 : total / 2;
	w->deep.pad[1] = total - w->deep.pad[0];
}

static bool padding(struct ig_onnx_node *n, struct ig_onnx_window *w, int64_t first)
{
	int64_t v[6] = {0};
	const char *mode = ig_onnx_str(n, "auto_pad", "NOTSET");
	int count = ig_onnx_ints(n, "pads", v, 2 * w->axes), flat = w->axes == 3 ? 2 : w->axes;
	if (n->failed)
		return false;
	if (count > 0 && count != 2 * w->axes)
		return ig_onnx_fail(n, "attribute pads has %d integers, expected %d", count, 2 * w->axes);
	if (strcmp(mode, "SAME_UPPER") == 0 || strcmp(mode, "SAME_LOWER") == 0) {
		w->same = strcmp(mode, "SAME_LOWER") == 0 ? "same_lower" : "same";
		if (w->axes == 3)
			pad_deep(w, first);
		return true;
	}
	if (strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)
		return ig_onnx_fail(n, "auto_pad is NOTSET, SAME_UPPER, SAME_LOWER or VALID, not '%.40s'", mode);
	if (strcmp(mode, "VALID") == 0)
		return true;
	for (int i = 0; i < flat; i++) {
		w->pad[2 - flat + i] = v[w->axes - flat + i];
		w->pad[4 - flat + i] = v[2 * w->axes - flat + i];
	}
	for (int i = 0; i < 2 && w->axes == 3; i++)
		w->deep.pad[i] = v[3 * i];
	return true;
}

bool ig_onnx_window(struct ig_onnx_node *n, const int64_t *kernel, int max_axes, struct ig_onnx_window *w)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	*w = (struct ig_onnx_window){.axes = x ? x->rank - 2 : 0};
	if (!x)
		return false;
	if (w->axes < 1 || w->axes > max_axes)
		return ig_onnx_fail(n, "its input is %s; windows over one to %d axes are supported", ig_type_str(n->s->arena, x), max_axes);
	if (!extents(n, "kernel_shape", w->axes, 0, w->kernel, &w->deep.kernel) || !extents(n, "strides", w->axes, 1, w->stride, &w->deep.stride) ||
	    !extents(n, "dilations", w->axes, 1, w->dilation, &w->deep.dilation))
		return false;
	for (int i = 0; kernel && i < w->axes; i++) {
		int64_t *k = i == w->axes - 3 ? &w->deep.kernel : &w->kernel[2 - w->axes + i];
		if (*k && *k != kernel[i])
			return ig_onnx_fail(n, "kernel_shape differs from the weight's shape");
		*k = kernel[i];
	}
	if (w->kernel[1] < 1 || w->kernel[0] < 1 || w->deep.kernel < 1)
		return ig_onnx_fail(n, "kernel_shape is missing or not positive");
	const int64_t deep[3] = {w->deep.kernel, w->deep.stride, w->deep.dilation};
	for (int i = 0; i < 3; i++)
		if (deep[i] < 1 || deep[i] > IG_MAX_EXTENT)
			return ig_onnx_fail(n, "kernel_shape, strides and dilations must be positive");
	if (!padding(n, w, x->dim[2]))
		return false;
	return (w->deep.pad[0] >= 0 && w->deep.pad[1] >= 0 && w->deep.pad[0] <= IG_MAX_EXTENT && w->deep.pad[1] <= IG_MAX_EXTENT) ||
	       ig_onnx_fail(n, "pads must not be negative");
}

void ig_onnx_window_set(struct ig_onnx_node *n, struct ig_nid id, const struct ig_onnx_window *w)
{
	struct ig_graph *g = n->s->graph;
	enum ig_op op = ig_node(g, id)->op;
	ig_attr_set_ints(g, id, IG_A_KERNEL, w->kernel, 2);
	if (w->stride[0] != 1 || w->stride[1] != 1)
		ig_attr_set_ints(g, id, IG_A_STRIDE, w->stride, 2);
	if (ig_op_has_attr(op, IG_A_DILATION) && (w->dilation[0] != 1 || w->dilation[1] != 1))
		ig_attr_set_ints(g, id, IG_A_DILATION, w->dilation, 2);
	if (w->same)
		ig_attr_set_str(g, id, IG_A_PAD, w->same);
	else if (w->pad[0] || w->pad[1] || w->pad[2] || w->pad[3])
		ig_attr_set_ints(g, id, IG_A_PAD, w->pad, 4);
}

struct ig_vid ig_onnx_reshape(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, int rank, const int64_t *dim)
{
	if (v.i < 0)
		return v;
	struct ig_vid given = ig_onnx_move_given(n, v, IG_OP_RESHAPE, suffix ? suffix : "reshaped", dim, rank);
	if (given.i >= 0)
		return given;
	const struct ig_tensor *c = ig_const_data(n->s->graph, v);
	struct ig_type t = ig_type_make(ig_vtype(n->s->graph, v)->dtype, rank, dim);
	int64_t elems;
	if (c && ig_vtype(n->s->graph, v)->q.i < 0 && ig_type_elems(&t, &elems) && elems == ig_elems(&c->type)) /* the same bytes */
		return ig_onnx_constant(n, suffix, &(struct ig_tensor){.type = t, .data = c->data, .bytes = c->bytes});
	struct ig_nid id = ig_onnx_add(n, IG_OP_RESHAPE, suffix, &v, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_SHAPE, dim, rank);
	return ig_onnx_done(n, id);
}

struct ig_vid ig_onnx_transpose(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, const int64_t *perm)
{
	if (v.i < 0)
		return v;
	struct ig_vid given = ig_onnx_move_given(n, v, IG_OP_TRANSPOSE, suffix ? suffix : "transposed", perm, ig_vtype(n->s->graph, v)->rank);
	if (given.i >= 0)
		return given;
	struct ig_nid id = ig_onnx_add(n, IG_OP_TRANSPOSE, suffix, &v, 1);
	ig_attr_set_ints(n->s->graph, id, IG_A_PERM, perm, ig_vtype(n->s->graph, v)->rank);
	return ig_onnx_done(n, id);
}

struct ig_vid ig_onnx_scalar(struct ig_onnx_node *n, const char *suffix, enum ig_dtype dt, double value)
{
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, dt, 0, NULL);
	if ((dt == IG_DT_I32 || dt == IG_DT_I64) && !(value >= INT32_MIN && value <= INT32_MAX && value == (double)(int32_t)value)) {
		ig_onnx_fail(n, "%g is no number of type %s", value, ig_dtypes[dt].name);
		return IG_NOVAL;
	}
	switch (dt) {
	case IG_DT_F32: *(float *)t->data = (float)value; break;
	case IG_DT_I32: *(int32_t *)t->data = (int32_t)value; break;
	case IG_DT_I64: *(int64_t *)t->data = (int64_t)value; break;
	default: ig_onnx_fail(n, "numbers of %s are not supported here", ig_dtypes[dt].name); return IG_NOVAL;
	}
	return ig_onnx_constant(n, suffix, t);
}

struct ig_vid ig_onnx_rank4(struct ig_onnx_node *n, struct ig_vid v, const char *suffix)
{
	if (v.i < 0 || ig_vtype(n->s->graph, v)->rank != 3)
		return v;
	const int64_t *d = ig_vtype(n->s->graph, v)->dim;
	return ig_onnx_reshape(n, v, suffix, 4, (int64_t[]){d[0], d[1], 1, d[2]});
}

struct ig_vid ig_onnx_window_done(struct ig_onnx_node *n, struct ig_nid id, const struct ig_onnx_window *w)
{
	struct ig_vid y = ig_onnx_done(n, id);
	if (y.i < 0 || w->axes != 1)
		return y;
	const int64_t *d = ig_vtype(n->s->graph, y)->dim;
	return ig_onnx_reshape(n, y, "squeezed", 3, (int64_t[]){d[0], d[1], d[3]});
}
