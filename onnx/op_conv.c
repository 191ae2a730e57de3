/* Convolutions and pools. */
#include "onnx/ops.h"

#include <string.h>

/* Whether operand i is absent or a constant vector of `len` numbers, as the bias of an operation must be. */
static bool constant_bias(struct ig_onnx_node *n, int i, int64_t len)
{
	const struct ig_type *t = ig_onnx_has(n, i) ? ig_onnx_in_type(n, i) : NULL;
	return !ig_onnx_has(n, i) || (t && t->rank == 1 && t->dim[0] == len && (ig_onnx_in_const(n, i) || ig_is_given(n->s->graph, ig_onnx_in(n, i))));
}

/* A bias that is computed is an addition of its own. */
static struct ig_vid add_bias(struct ig_onnx_node *n, struct ig_vid y)
{
	struct ig_vid b = ig_onnx_in(n, 2);
	if (y.i < 0 || b.i < 0)
		return IG_NOVAL;
	struct ig_type t = *ig_vtype(n->s->graph, y);
	int64_t dim[IG_MAX_RANK] = {1, t.dim[1], 1, 1, 1, 1};
	return ig_onnx_op(n, IG_OP_ADD, "add", (struct ig_vid[]){y, ig_onnx_reshape(n, b, "bias", t.rank, dim)}, 2);
}

/* Input, weight and, when the operation takes it, the bias, with two axes of space; their count. */
static int operands(struct ig_onnx_node *n, bool bias, struct ig_vid in[3])
{
	in[0] = ig_onnx_rank4(n, ig_onnx_in(n, 0), "unsqueezed");
	in[1] = ig_onnx_rank4(n, ig_onnx_in(n, 1), "weight");
	in[2] = bias && ig_onnx_has(n, 2) ? ig_onnx_in(n, 2) : IG_NOVAL;
	return bias && ig_onnx_has(n, 2) ? 3 : 2;
}

bool ig_onnx_conv(struct ig_onnx_node *n)
{
	const struct ig_type *wt = ig_onnx_in_type(n, 1), *xt = ig_onnx_in_type(n, 0);
	struct ig_onnx_window w;
	if (!wt || !xt)
		return false;
	if (wt->rank != xt->rank)
		return ig_onnx_fail(n, "the weight is %s, the input %s", ig_type_str(n->s->arena, wt), ig_type_str(n->s->arena, xt));
	int64_t groups = ig_onnx_int(n, "group", 1), oc = wt->dim[0], ic = xt->rank > 1 ? xt->dim[1] : 0;
	if (!ig_onnx_window(n, &wt->dim[2], 3, &w))
		return false;
	bool bias = constant_bias(n, 2, oc), depthwise = groups > 1 && groups == ic && groups == oc;
	struct ig_vid in[3];
	int n_in = operands(n, bias, in);
	if (n->failed)
		return false;
	if (w.axes == 3) {
		struct ig_vid deep = ig_onnx_deep_conv(n, &w, in[0], in[1], in[2], groups);
		return ig_onnx_result(n, 0, bias ? deep : add_bias(n, deep));
	}
	struct ig_nid id = ig_onnx_add(n, depthwise ? IG_OP_DEPTHWISE_CONV2D : IG_OP_CONV2D, NULL, in, n_in);
	ig_onnx_window_set(n, id, &w);
	if (!depthwise && groups != 1)
		ig_attr_set_int(n->s->graph, id, IG_A_GROUPS, groups);
	struct ig_vid y = ig_onnx_window_done(n, id, &w);
	return ig_onnx_result(n, 0, bias ? y : add_bias(n, y));
}

/* An output of a given size: the difference is padding, its odd element behind (SAME_UPPER) or in front; a negative one adds to the output. */
static void pad_to(struct ig_onnx_window *w, const int64_t *in, const int64_t *out, int64_t extra[2])
{
	for (int i = 0; i < 2; i++) {
		int64_t total = w->stride[i] * (in[i] - 1) + extra[i] + (w->kernel[i] - 1) * w->dilation[i] + 1 - out[i];
		bool upper = w->same && strcmp(w->same, "same") == 0;
		if (total < 0) {
			extra[i] -= total;
			total = 0;
		}
		w->pad[i] = upper ? total / 2 : total - total / 2;
		w->pad[2 + i] = total - w->pad[i];
	}
	w->same = NULL;
}

/* Attributes of one number an axis, output_padding and output_shape; false when absent (or failed). */
static bool per_axis(struct ig_onnx_node *n, const char *name, int axes, int64_t out[2])
{
	int64_t v[2];
	int count = ig_onnx_ints(n, name, v, 2);
	if (count < 0)
		return false;
	if (count != axes)
		return ig_onnx_fail(n, "attribute %s has %d integers, expected %d", name, count, axes);
	out[0] = axes == 1 ? out[0] : v[0];
	out[1] = v[axes - 1];
	return true;
}

bool ig_onnx_conv_transpose(struct ig_onnx_node *n)
{
	const struct ig_type *wt = ig_onnx_in_type(n, 1), *xt = ig_onnx_in_type(n, 0);
	struct ig_onnx_window w;
	int64_t extra[2] = {0}, size[2] = {1, 1}, groups = ig_onnx_int(n, "group", 1);
	if (!wt || !xt)
		return false;
	if (wt->rank != xt->rank)
		return ig_onnx_fail(n, "the weight is %s, the input %s", ig_type_str(n->s->arena, wt), ig_type_str(n->s->arena, xt));
	int64_t oc = wt->rank > 1 ? wt->dim[1] * groups : 0;
	if (!ig_onnx_window(n, &wt->dim[2], 2, &w))
		return false;
	int64_t in_size[2] = {w.axes == 1 ? 1 : xt->dim[2], xt->dim[xt->rank - 1]};
	per_axis(n, "output_padding", w.axes, extra);
	bool sized = per_axis(n, "output_shape", w.axes, size);
	for (int i = 2 - w.axes; i < 2 && !sized && w.same; i++)
		size[i] = in_size[i] * w.stride[i];
	if (!n->failed && (sized || w.same))
		pad_to(&w, in_size, size, extra);
	bool bias = constant_bias(n, 2, oc);
	struct ig_vid in[3];
	int n_in = operands(n, bias, in);
	if (n->failed)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CONV_TRANSPOSE2D, NULL, in, n_in);
	ig_onnx_window_set(n, id, &w);
	if (groups != 1)
		ig_attr_set_int(n->s->graph, id, IG_A_GROUPS, groups);
	if (extra[0] || extra[1])
		ig_attr_set_ints(n->s->graph, id, IG_A_OUTPUT_PADDING, extra, 2);
	struct ig_vid y = ig_onnx_window_done(n, id, &w);
	return ig_onnx_result(n, 0, bias ? y : add_bias(n, y));
}

bool ig_onnx_pool(struct ig_onnx_node *n)
{
	struct ig_onnx_window w;
	bool average = n->op->ir == IG_OP_AVG_POOL2D;
	if (!average && (ig_onnx_wants(n, 1) || ig_onnx_int(n, "storage_order", 0)))
		return ig_onnx_fail(n, "the indices are not supported as a result");
	bool ceil_mode = ig_onnx_int(n, "ceil_mode", 0) != 0, include = average && ig_onnx_int(n, "count_include_pad", 0) != 0;
	if (!ig_onnx_window(n, NULL, 3, &w))
		return false;
	if (average && (w.dilation[0] != 1 || w.dilation[1] != 1 || w.deep.dilation != 1))
		return ig_onnx_fail(n, "dilations other than 1 are not supported");
	struct ig_vid x = ig_onnx_rank4(n, ig_onnx_in(n, 0), "unsqueezed");
	if (x.i < 0)
		return false;
	if (w.axes == 3)
		return ig_onnx_result(n, 0, ig_onnx_deep_pool(n, &w, x, ceil_mode, include));
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	ig_onnx_window_set(n, id, &w);
	if (ceil_mode)
		ig_attr_set_int(n->s->graph, id, IG_A_CEIL_MODE, 1);
	if (average)
		ig_attr_set_int(n->s->graph, id, IG_A_COUNT_INCLUDE_PAD, include);
	return ig_onnx_result(n, 0, ig_onnx_window_done(n, id, &w));
}

/* Over all axes behind the channels: as one window of two axes. */
bool ig_onnx_global_pool(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_type t = *ig_vtype(n->s->graph, x);
	if (t.rank < 3)
		return ig_onnx_fail(n, "its input is %s; it needs at least three dimensions", ig_type_str(n->s->arena, &t));
	if (t.rank != 4) {
		int64_t rest = 1;
		for (int i = 2; i < t.rank; i++)
			rest *= t.dim[i];
		x = ig_onnx_reshape(n, x, "window", 4, (int64_t[]){t.dim[0], t.dim[1], 1, rest});
	}
	struct ig_vid y = ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, &x, 1);
	return ig_onnx_result(n, 0, t.rank == 4 ? y : ig_onnx_reshape(n, y, "spread", t.rank, (int64_t[]){t.dim[0], t.dim[1], 1, 1, 1, 1}));
}
