/* Operators on integers with their parameters as operands: the float operator between dequantize and quantize nodes, which the pass fold_qdq puts together
   again. One table says which operand is what. */
#include "onnx/quantize.h"

#include <string.h>

struct qlinear {
	const char *type, *base;
	int n_x;         /* tensors of integers: operands (tensor, scale, zero point) from `first` on; -1: all there are */
	int first;
	int scale, zero; /* of the result */
	int bias;        /* int32 at the product of the first two scales; -1: none */
};
static const struct qlinear table[] = {
	{"QLinearConv", "Conv", 2, 0, 6, 7, 8},
	{"QLinearMatMul", "MatMul", 2, 0, 6, 7, -1},
	{"QGemm", "Gemm", 2, 0, 7, 8, 6},
	{"QLinearAdd", "Add", 2, 0, 6, 7, -1},
	{"QLinearMul", "Mul", 2, 0, 6, 7, -1},
	{"QLinearGlobalAveragePool", "GlobalAveragePool", 1, 0, 3, 4, -1},
	{"QLinearAveragePool", "AveragePool", 1, 0, 3, 4, -1},
	{"QLinearSigmoid", "Sigmoid", 1, 0, 3, 4, -1},
	{"QLinearLeakyRelu", "LeakyRelu", 1, 0, 3, 4, -1},
	{"QLinearSoftmax", "Softmax", 1, 0, 3, 4, -1},
	{"QLinearConcat", "Concat", -1, 2, 0, 1, -1},
};

static const struct qlinear *find(const char *type)
{
	for (size_t i = 0; i < IG_COUNTOF(table); i++)
		if (strcmp(table[i].type, type) == 0)
			return &table[i];
	IG_BUG("no row for %s", type);
}

/* The axis that a list of scales of tensor k goes along: rows of the first factor, columns or output channels of the second. */
static int64_t scale_axis(struct ig_onnx_node *n, const struct qlinear *q, int k)
{
	if (strcmp(q->base, "Conv") == 0)
		return 0;
	if (strcmp(q->base, "Gemm") == 0)
		return k == 0 ? 0 : ig_onnx_int(n, "transB", 0) ? 0 : 1;
	return k == 0 ? -2 : -1;
}

/* The float operator in this node's place, on values of the graph. */
static struct ig_vid run_base(struct ig_onnx_node *n, const char *base, const struct ig_vid *in, int n_in)
{
	struct ig_onnx *s = n->s;
	const struct ig_onnx_op *near;
	int64_t version = ig_onnx_opset(s, "");
	const struct ig_onnx_op *row = ig_onnx_op_find("", base, version ? version : 13, &near);
	char **names = IG_NEWN(s->arena, char *, n_in + 1);
	for (int i = 0; i <= n_in; i++) {
		names[i] = ig_arena_printf(s->arena, "%s\x01%d.%d", n->name, s->values.n, i); /* no name of a file has this character behind it */
		struct ig_onnx_value *v = ig_onnx_define(s, names[i]);
		if (i < n_in)
			v->v = in[i];
	}
	Onnx__NodeProto p = *n->p;
	p.op_type = (char *)(uintptr_t)base;
	p.domain = NULL;
	p.input = names;
	p.n_input = (size_t)n_in;
	p.output = &names[n_in];
	p.n_output = 1;
	struct ig_onnx_node sub = {.s = s, .p = &p, .op = row, .version = version ? version : 13, .name = n->name, .asked = n->asked};
	if (!row) {
		ig_onnx_fail(n, "%s is not supported in this version of the operators", base);
		return IG_NOVAL;
	}
	if (!row->import(&sub) || sub.failed) {
		n->failed = true;
		return IG_NOVAL;
	}
	return ig_onnx_value_vid(s, ig_onnx_find(s, names[n_in]));
}

/* The bias: one scale for each product of the input's and the weight's. */
static struct ig_vid dequantized_bias(struct ig_onnx_node *n, int i, const struct ig_qparam *x, const struct ig_qparam *w)
{
	const struct ig_type *t = ig_onnx_in_type(n, i);
	double alpha = ig_onnx_real(n, "alpha", 1);
	if (!t)
		return IG_NOVAL;
	if (t->dtype != IG_DT_I32 || x->n != 1 || !ig_onnx_in_const(n, i)) {
		ig_onnx_fail(n, "the bias must be constant integers of 32 bits, and the input have one scale");
		return IG_NOVAL;
	}
	struct ig_qparam q = *w;
	float *scale = IG_NEWN(n->s->arena, float, w->n);
	for (int64_t c = 0; c < w->n; c++)
		scale[c] = (float)alpha * x->scale[0] * w->scale[c];
	q.dtype = IG_DT_I32;
	q.axis = w->n > 1 ? t->rank - 1 : -1;
	q.scale = scale;
	q.zero_point = IG_NEWN(n->s->arena, int32_t, w->n);
	q.qmin = INT32_MIN;
	q.qmax = INT32_MAX;
	if (w->n > 1 && (t->rank < 1 || t->dim[t->rank - 1] != w->n)) {
		ig_onnx_fail(n, "the bias is %s for %lld scales", ig_type_str(n->s->arena, t), (long long)w->n);
		return IG_NOVAL;
	}
	return ig_onnx_dequantize(n, i, &q, "bias.dequantize");
}

bool ig_onnx_qlinear(struct ig_onnx_node *n)
{
	const struct qlinear *row = find(n->p->op_type);
	int count = row->n_x > 0 ? row->n_x : ((int)n->p->n_input - row->first) / 3, n_in = count;
	struct ig_vid *in = IG_NEWN(n->s->arena, struct ig_vid, count + 1);
	struct ig_qparam q[2], y;
	if (count < 1 || ig_onnx_int(n, "channels_last", 0))
		return ig_onnx_fail(n, count < 1 ? "operands are missing" : "channels_last is not supported");
	if (strcmp(row->base, "Softmax") == 0)
		ig_onnx_int(n, "opset", 13);
	for (int k = 0; k < count; k++) {
		int at = row->first + 3 * k;
		const struct ig_type *t = ig_onnx_in_type(n, at);
		if (!t || !ig_onnx_qparam(n, at + 1, at + 2, t, t->dtype, scale_axis(n, row, k), &q[k > 0]))
			return false;
		in[k] = ig_onnx_dequantize(n, at, &q[k > 0], ig_arena_printf(n->s->arena, "%c.dequantize", 'a' + k % 26));
		if (in[k].i < 0)
			return false;
	}
	if (row->bias >= 0 && ig_onnx_has(n, row->bias)) {
		in[n_in++] = dequantized_bias(n, row->bias, &q[0], &q[1]);
		if (in[n_in - 1].i < 0)
			return false;
	}
	struct ig_vid v = run_base(n, row->base, in, n_in);
	if (v.i < 0 || !ig_onnx_has(n, row->scale))
		return ig_onnx_result(n, 0, v); /* QGemm without a scale gives float32 */
	const struct ig_type *z = ig_onnx_has(n, row->zero) ? ig_onnx_in_type(n, row->zero) : NULL;
	struct ig_type t = *ig_vtype(n->s->graph, v);
	return ig_onnx_qparam(n, row->scale, row->zero, &t, z ? z->dtype : IG_DT_U8, -1, &y) && ig_onnx_result(n, 0, ig_onnx_quantize(n, v, &y, "quantize"));
}
