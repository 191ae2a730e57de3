/* Each operation of the graph as ONNX operators on float32; the caller has put what is quantized between quantize and dequantize nodes. */
#include "onnx/export.h"

#include "ir/dynamic.h"
#include "ir/infer.h"
#include "runtime/qmath.h"

#include <math.h>
#include <string.h>

/* The fused activation. On integers a bound is left out when the result's own range is the bound: what is left is a pattern that others know. */
static const char *activation(struct ig_onnx_export *x, const struct ig_node *n, const char *v)
{
	double lo, hi;
	ig_act_bounds(n, &lo, &hi);
	const struct ig_qparam *q = ig_qparam(x->g, ig_vtype(x->g, n->out[0])->q);
	if (q && ig_quantize((float)lo, q->scale[0], q->zero_point[0], q->qmin, q->qmax) == q->qmin)
		lo = -(double)INFINITY;
	if (q && ig_quantize((float)hi, q->scale[0], q->zero_point[0], q->qmin, q->qmax) == q->qmax)
		hi = (double)INFINITY;
	const char *name = ig_arena_printf(x->arena, "%s_activation", n->name), *in[3] = {v, "", ""};
	if (isinf(lo) && isinf(hi))
		return v;
	if (lo == 0 && isinf(hi))
		return ig_ox_node(x, "Relu", name, in, 1, NULL);
	if (!isinf(lo))
		in[1] = ig_ox_float(x, ig_arena_printf(x->arena, "%s_min", n->name), lo);
	if (!isinf(hi))
		in[2] = ig_ox_float(x, ig_arena_printf(x->arena, "%s_max", n->name), hi);
	return ig_ox_node(x, "Clip", name, in, isinf(hi) ? 2 : 3, NULL);
}

static void ints(struct ig_onnx_export *x, const struct ig_node *n, enum ig_attr_id id, const char *name, int64_t dflt, int count)
{
	int64_t v[8];
	ig_attr_ints(n, id, dflt, v, count);
	ig_ox_attr_ints(x, name, v, count);
}

void ig_ox_window(struct ig_onnx_export *x, const struct ig_node *n, const int64_t kernel[2])
{
	ig_ox_attr_ints(x, "kernel_shape", kernel, 2);
	ints(x, n, IG_A_STRIDE, "strides", 1, 2);
	ints(x, n, IG_A_PAD, "pads", 0, 4);
	if (ig_op_has_attr(n->op, IG_A_DILATION))
		ints(x, n, IG_A_DILATION, "dilations", 1, 2);
}

int64_t ig_ox_groups(const struct ig_onnx_export *x, const struct ig_node *n)
{
	bool depthwise = n->op == IG_OP_DEPTHWISE_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D_ADD;
	return depthwise ? ig_vtype(x->g, n->in[1])->dim[0] : ig_attr_int(n, IG_A_GROUPS, 1);
}

static const char *conv(struct ig_onnx_export *x, const struct ig_node *n)
{
	const struct ig_type *w = ig_vtype(x->g, n->in[1]);
	const char *in[3];
	int n_in = n->n_in > 3 ? 3 : n->n_in;
	for (int i = 0; i < n_in; i++)
		in[i] = ig_ox_in(x, n, i);
	const char *y = ig_ox_node(x, "Conv", n->name, in, n_in, NULL);
	ig_ox_window(x, n, &w->dim[2]);
	ig_ox_attr_int(x, "group", ig_ox_groups(x, n));
	return y;
}

/* A matrix as Gemm; over more axes rows are collected into one matrix. */
static const char *linear(struct ig_onnx_export *x, const struct ig_node *n)
{
	const struct ig_type *xt = ig_vtype(x->g, n->in[0]), *yt = ig_vtype(x->g, n->out[0]), *wt = ig_vtype(x->g, n->in[1]);
	const char *in[3], *shape[2];
	int n_in = n->n_in > 3 ? 3 : n->n_in;
	for (int i = 0; i < n_in; i++)
		in[i] = ig_ox_in(x, n, i);
	if (xt->rank != 2) {
		shape[0] = in[0];
		shape[1] = ig_ox_ints(x, ig_arena_printf(x->arena, "%s_rows", n->name), (int64_t[]){-1, wt->dim[1]}, 2);
		in[0] = ig_ox_node(x, "Reshape", ig_arena_printf(x->arena, "%s_collect", n->name), shape, 2, NULL);
	}
	const char *y = ig_ox_node(x, "Gemm", n->name, in, n_in, NULL);
	ig_ox_attr_int(x, "transB", 1);
	if (xt->rank == 2)
		return y;
	shape[0] = y;
	shape[1] = ig_ox_ints(x, ig_arena_printf(x->arena, "%s_shape", n->name), yt->dim, yt->rank);
	return ig_ox_node(x, "Reshape", ig_arena_printf(x->arena, "%s_spread", n->name), shape, 2, NULL);
}

static const char *compute(struct ig_onnx_export *x, const struct ig_node *n)
{
	bool matrix = n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD;
	const char *y = ig_dynamic_levels(n) ? ig_ox_dynamic(x, n) : matrix ? linear(x, n) : conv(x, n);
	if (ig_op_is_add(n->op)) {
		const char *in[2] = {y, ig_ox_in(x, n, 3)};
		y = ig_ox_node(x, "Add", ig_arena_printf(x->arena, "%s_add", n->name), in, 2, NULL);
	}
	return activation(x, n, y);
}

static const char *simple(struct ig_onnx_export *x, const struct ig_node *n, const char *op)
{
	const char *in[64];
	for (int i = 0; i < n->n_in; i++)
		in[i] = ig_ox_in(x, n, i);
	return ig_ox_node(x, op, n->name, in, n->n_in, NULL);
}

static const char *pool(struct ig_onnx_export *x, const struct ig_node *n)
{
	int64_t k[2], pad[4];
	const struct ig_type *t = ig_vtype(x->g, n->in[0]);
	bool average = n->op == IG_OP_AVG_POOL2D;
	ig_attr_ints(n, IG_A_KERNEL, 1, k, 2);
	ig_attr_ints(n, IG_A_PAD, 0, pad, 4);
	if (average && k[0] == t->dim[2] && k[1] == t->dim[3] && !pad[0] && !pad[1] && !pad[2] && !pad[3])
		return simple(x, n, "GlobalAveragePool"); /* whose integer form everybody computes alike */
	const char *y = simple(x, n, average ? "AveragePool" : "MaxPool");
	ig_ox_window(x, n, k);
	if (ig_attr_int(n, IG_A_CEIL_MODE, 0))
		ig_ox_attr_int(x, "ceil_mode", 1);
	if (average)
		ig_ox_attr_int(x, "count_include_pad", ig_attr_int(n, IG_A_COUNT_INCLUDE_PAD, 0));
	return y;
}

static const char *reshape(struct ig_onnx_export *x, const struct ig_node *n)
{
	const struct ig_type *t = ig_vtype(x->g, n->out[0]);
	const char *in[2] = {ig_ox_in(x, n, 0), ig_ox_ints(x, ig_arena_printf(x->arena, "%s_shape", n->name), t->dim, t->rank)};
	return ig_ox_node(x, "Reshape", n->name, in, 2, NULL);
}

static const char *transpose(struct ig_onnx_export *x, const struct ig_node *n)
{
	const char *y = simple(x, n, "Transpose");
	if (ig_attr(n, IG_A_PERM))
		ints(x, n, IG_A_PERM, "perm", 0, ig_vtype(x->g, n->in[0])->rank);
	return y;
}

static const char *list_of(struct ig_onnx_export *x, const struct ig_node *n, enum ig_attr_id id)
{
	const struct ig_attr *a = ig_attr(n, id);
	return ig_ox_ints(x, ig_arena_printf(x->arena, "%s_%s", n->name, ig_attrs[id].name), a ? a->u.ints : NULL, a ? a->n : 0);
}

static const char *slice(struct ig_onnx_export *x, const struct ig_node *n)
{
	const char *in[5] = {ig_ox_in(x, n, 0), list_of(x, n, IG_A_STARTS), list_of(x, n, IG_A_ENDS), "", ""};
	if (ig_attr(n, IG_A_AXES))
		in[3] = list_of(x, n, IG_A_AXES);
	if (ig_attr(n, IG_A_STEPS))
		in[4] = list_of(x, n, IG_A_STEPS);
	return ig_ox_node(x, "Slice", n->name, in, 5, NULL);
}

static const char *pad(struct ig_onnx_export *x, const struct ig_node *n)
{
	int64_t v[2 * IG_MAX_RANK];
	int rank = ig_vtype(x->g, n->in[0])->rank;
	ig_attr_ints(n, IG_A_PADS, 0, v, 2 * rank);
	const char *in[3] = {ig_ox_in(x, n, 0), ig_ox_ints(x, ig_arena_printf(x->arena, "%s_pads", n->name), v, 2 * rank),
	                     ig_ox_float(x, ig_arena_printf(x->arena, "%s_value", n->name), ig_attr_float(n, IG_A_VALUE, 0))};
	return ig_ox_node(x, "Pad", n->name, in, 3, NULL);
}

/* (x / scale - mean) / std, bytes as numbers first. */
static const char *normalize(struct ig_onnx_export *x, const struct ig_node *n)
{
	static const enum ig_attr_id lists[2] = {IG_A_MEAN, IG_A_STD};
	static const char *const ops[2] = {"Sub", "Div"};
	const struct ig_type *t = ig_vtype(x->g, n->in[0]);
	const char *in[2] = {ig_ox_in(x, n, 0), NULL};
	int64_t dim[IG_MAX_RANK] = {1, 1, 1, 1, 1, 1};
	if (t->dtype != IG_DT_F32) {
		in[0] = ig_ox_node(x, "Cast", ig_arena_printf(x->arena, "%s_cast", n->name), in, 1, NULL);
		ig_ox_attr_int(x, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
	}
	in[1] = ig_ox_float(x, ig_arena_printf(x->arena, "%s_scale", n->name), ig_attr_float(n, IG_A_SCALE, 1));
	in[0] = ig_ox_node(x, "Div", ig_arena_printf(x->arena, "%s_divide", n->name), in, 2, NULL);
	for (int i = 0; i < 2; i++) {
		const struct ig_attr *a = ig_attr(n, lists[i]);
		if (!a || a->n == 0)
			continue;
		float *f = IG_NEWN(x->arena, float, a->n);
		for (int k = 0; k < a->n; k++)
			f[k] = (float)a->u.floats[k];
		dim[1] = a->n;
		in[1] = ig_ox_init(x, ig_arena_printf(x->arena, "%s_%s", n->name, ig_attrs[lists[i]].name), IG_DT_F32, a->n > 1 ? t->rank : 0, dim, f);
		in[0] = ig_ox_node(x, ops[i], ig_arena_printf(x->arena, "%s_%s", n->name, i ? "std" : "mean"), in, 2, NULL);
	}
	return in[0];
}

static const char *with_axis(struct ig_onnx_export *x, const struct ig_node *n, const char *op, int64_t dflt)
{
	const char *y = simple(x, n, op);
	ig_ox_attr_int(x, "axis", ig_attr_int(n, IG_A_AXIS, dflt));
	return y;
}

/* The result as float32; NULL: there is no such operator. */
static const char *number_of(struct ig_onnx_export *x, const struct ig_node *n)
{
	const char *y;
	switch (n->op) {
	case IG_OP_CONV2D:
	case IG_OP_DEPTHWISE_CONV2D:
	case IG_OP_LINEAR:
	case IG_OP_CONV2D_ADD:
	case IG_OP_DEPTHWISE_CONV2D_ADD:
	case IG_OP_LINEAR_ADD: return compute(x, n);
	case IG_OP_BATCH_NORM:
		y = simple(x, n, "BatchNormalization");
		ig_ox_attr_float(x, "epsilon", ig_attr_float(n, IG_A_EPS, 1e-5));
		return y;
	case IG_OP_RELU: return simple(x, n, "Relu");
	case IG_OP_RELU6:
	case IG_OP_CLIP: return activation(x, n, ig_ox_in(x, n, 0));
	case IG_OP_LEAKY_RELU:
		y = simple(x, n, "LeakyRelu");
		ig_ox_attr_float(x, "alpha", ig_attr_float(n, IG_A_ALPHA, 0.01));
		return y;
	case IG_OP_SIGMOID: return simple(x, n, "Sigmoid");
	case IG_OP_TANH: return simple(x, n, "Tanh");
	case IG_OP_HARD_SIGMOID:
		y = simple(x, n, "HardSigmoid");
		ig_ox_attr_float(x, "alpha", ig_attr_float(n, IG_A_ALPHA, 0.2));
		ig_ox_attr_float(x, "beta", ig_attr_float(n, IG_A_BETA, 0.5));
		return y;
	case IG_OP_HARD_SWISH: return simple(x, n, "HardSwish");
	case IG_OP_ADD: return activation(x, n, simple(x, n, "Add"));
	case IG_OP_SUB: return activation(x, n, simple(x, n, "Sub"));
	case IG_OP_MUL: return activation(x, n, simple(x, n, "Mul"));
	case IG_OP_CONCAT: return with_axis(x, n, "Concat", 0);
	case IG_OP_SOFTMAX: return with_axis(x, n, "Softmax", -1);
	case IG_OP_MAX_POOL2D:
	case IG_OP_AVG_POOL2D: return pool(x, n);
	case IG_OP_GLOBAL_AVG_POOL: return simple(x, n, "GlobalAveragePool");
	case IG_OP_NORMALIZE: return normalize(x, n);
	case IG_OP_PAD: return pad(x, n);
	case IG_OP_SLICE: return slice(x, n);
	case IG_OP_RESHAPE:
	case IG_OP_FLATTEN: return reshape(x, n);
	case IG_OP_TRANSPOSE: return transpose(x, n);
	case IG_OP_QUANTIZE:
		if (ig_quantize_part(n) != IG_PART_WHOLE)
			return NULL;
		return ig_ox_in(x, n, 0);
	case IG_OP_DEQUANTIZE:
	case IG_OP_REQUANTIZE: return ig_ox_in(x, n, 0);
	default: return NULL;
	}
}

bool ig_ox_op(struct ig_onnx_export *x, const struct ig_node *n)
{
	const char *mode = ig_op_has_attr(n->op, IG_A_MODE) ? ig_attr_str(n, IG_A_MODE, "constant") : "constant", *y = NULL;
	if (n->n_out == 1 && strcmp(mode, "constant") == 0)
		y = number_of(x, n);
	if (!y && n->op == IG_OP_QUANTIZE) {
		ig_error(x->diag, n->loc, "value '%s': activations of 16 bits (w8a16) are not exported to ONNX", n->name);
		return false;
	}
	if (!y) {
		ig_error(x->diag, n->loc, "layer '%s': %s is not exported to ONNX", n->name, ig_ops[n->op].name);
		return false;
	}
	if (ig_dynamic_levels(n) == 127) {
		ig_error(x->diag, n->loc, "layer '%s': ONNX quantizes at run time to 0..255, without reduce_range", n->name);
		return false;
	}
	if (ig_attr(n, IG_A_REQUANTIZE) && strcmp(ig_attr_str(n, IG_A_REQUANTIZE, "float"), "fixed") == 0) {
		ig_error(x->diag, n->loc, "layer '%s': ONNX has no fixed-point requantization (requantize: fixed)", n->name);
		return false;
	}
	ig_ox_result(x, n, y);
	return true;
}
