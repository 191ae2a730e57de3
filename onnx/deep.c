/* Three axes by two. A pool is one over the last two axes and then one over the first. A convolution takes the slices that each of its depth's taps reads
   as further channels, and the depths of the result as further samples. */
#include "onnx/import.h"

static struct ig_vid pool(struct ig_onnx_node *n, const char *suffix, struct ig_vid x, const struct ig_onnx_window *w, bool ceil_mode, bool include)
{
	if (x.i < 0)
		return x;
	struct ig_nid id = ig_onnx_add(n, (enum ig_op)n->op->ir, suffix, &x, 1);
	ig_onnx_window_set(n, id, w);
	if (ceil_mode)
		ig_attr_set_int(n->s->graph, id, IG_A_CEIL_MODE, 1);
	if (n->op->ir == IG_OP_AVG_POOL2D)
		ig_attr_set_int(n->s->graph, id, IG_A_COUNT_INCLUDE_PAD, include);
	return ig_onnx_done(n, id);
}

struct ig_vid ig_onnx_deep_pool(struct ig_onnx_node *n, const struct ig_onnx_window *w, struct ig_vid x, bool ceil_mode, bool include)
{
	struct ig_graph *g = n->s->graph;
	int64_t d[5];
	for (int i = 0; i < 5; i++)
		d[i] = ig_vtype(g, x)->dim[i];
	struct ig_onnx_window flat = *w, deep = {.axes = 2, .kernel = {w->deep.kernel, 1}, .stride = {w->deep.stride, 1}, .dilation = {w->deep.dilation, 1}};
	flat.axes = 2;
	deep.pad[0] = w->deep.pad[0];
	deep.pad[2] = w->deep.pad[1];
	struct ig_vid y = pool(n, "flat", ig_onnx_reshape(n, x, "slices", 4, (int64_t[]){d[0], d[1] * d[2], d[3], d[4]}), &flat, ceil_mode, include);
	if (y.i < 0)
		return y;
	int64_t h = ig_vtype(g, y)->dim[2], width = ig_vtype(g, y)->dim[3];
	y = pool(n, NULL, ig_onnx_reshape(n, y, "columns", 4, (int64_t[]){d[0], d[1], d[2], h * width}), &deep, ceil_mode, include);
	if (y.i < 0)
		return y;
	return ig_onnx_reshape(n, y, "volume", 5, (int64_t[]){d[0], d[1], ig_vtype(g, y)->dim[2], h, width});
}

/* [N, C, D, H, W] as [N * D', C * taps, H, W]: for each depth of the result the slices that the kernel's taps read. */
static struct ig_vid gather_taps(struct ig_onnx_node *n, const struct ig_onnx_window *w, struct ig_vid x, int64_t *out_depth)
{
	static const int64_t perm[6] = {0, 2, 1, 3, 4, 5};
	struct ig_graph *g = n->s->graph;
	struct ig_vid tap[64];
	int64_t reach = w->deep.dilation * (w->deep.kernel - 1) + 1, axis = 2, d[5];
	if (w->deep.kernel > (int64_t)IG_COUNTOF(tap)) {
		ig_onnx_fail(n, "a kernel of depth %lld; at most %zu is supported", (long long)w->deep.kernel, IG_COUNTOF(tap));
		return IG_NOVAL;
	}
	if (w->deep.pad[0] || w->deep.pad[1]) {
		struct ig_nid id = ig_onnx_add(n, IG_OP_PAD, "padded", &x, 1);
		ig_attr_set_ints(g, id, IG_A_PADS, (int64_t[]){0, 0, w->deep.pad[0], 0, 0, 0, 0, w->deep.pad[1], 0, 0}, 10);
		x = ig_onnx_done(n, id);
	}
	if (x.i < 0)
		return x;
	for (int i = 0; i < 5; i++)
		d[i] = ig_vtype(g, x)->dim[i];
	if (d[2] < reach) {
		ig_onnx_fail(n, "the kernel is deeper than the padded input");
		return IG_NOVAL;
	}
	*out_depth = (d[2] - reach) / w->deep.stride + 1;
	for (int k = 0; k < (int)w->deep.kernel; k++) {
		int64_t start = k * w->deep.dilation, end = start + (*out_depth - 1) * w->deep.stride + 1;
		struct ig_nid id = ig_onnx_add(n, IG_OP_SLICE, ig_arena_printf(n->s->arena, "tap%d", k), &x, 1);
		ig_attr_set_ints(g, id, IG_A_STARTS, &start, 1);
		ig_attr_set_ints(g, id, IG_A_ENDS, &end, 1);
		ig_attr_set_ints(g, id, IG_A_AXES, &axis, 1);
		ig_attr_set_ints(g, id, IG_A_STEPS, &w->deep.stride, 1);
		tap[k] = ig_onnx_reshape(n, ig_onnx_done(n, id), ig_arena_printf(n->s->arena, "plane%d", k), 6, (int64_t[]){d[0], d[1], *out_depth, 1, d[3], d[4]});
		if (tap[k].i < 0)
			return IG_NOVAL;
	}
	struct ig_nid id = ig_onnx_add(n, IG_OP_CONCAT, "taps", tap, (int)w->deep.kernel);
	ig_attr_set_int(g, id, IG_A_AXIS, 3);
	struct ig_vid all = ig_onnx_transpose(n, ig_onnx_done(n, id), "depths", perm);
	return ig_onnx_reshape(n, all, "samples", 4, (int64_t[]){d[0] * *out_depth, d[1] * w->deep.kernel, d[3], d[4]});
}

struct ig_vid ig_onnx_deep_conv(struct ig_onnx_node *n, const struct ig_onnx_window *w, struct ig_vid x, struct ig_vid weight, struct ig_vid bias, int64_t groups)
{
	static const int64_t perm[5] = {0, 2, 1, 3, 4};
	struct ig_graph *g = n->s->graph;
	struct ig_onnx_window flat = *w;
	int64_t batch = ig_vtype(g, x)->dim[0], k[5], depth = 0;
	for (int i = 0; i < 5; i++)
		k[i] = ig_vtype(g, weight)->dim[i];
	flat.axes = 2;
	struct ig_vid in[3] = {gather_taps(n, w, x, &depth), ig_onnx_reshape(n, weight, "weight", 4, (int64_t[]){k[0], k[1] * k[2], k[3], k[4]}), bias};
	if (in[0].i < 0 || in[1].i < 0)
		return IG_NOVAL;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CONV2D, NULL, in, bias.i >= 0 ? 3 : 2);
	ig_onnx_window_set(n, id, &flat);
	if (groups != 1)
		ig_attr_set_int(g, id, IG_A_GROUPS, groups);
	struct ig_vid y = ig_onnx_done(n, id);
	if (y.i < 0)
		return y;
	int64_t h = ig_vtype(g, y)->dim[2], width = ig_vtype(g, y)->dim[3];
	return ig_onnx_transpose(n, ig_onnx_reshape(n, y, "slices", 5, (int64_t[]){batch, depth, k[0], h, width}), "volume", perm);
}
