/* QuantizeLinear and DequantizeLinear. ONNX gives parameters to operators, the graph to values: a tensor of integers gets those of the operator that reads or
   writes it. They are fixed: nothing derives them anew. */
#include "onnx/quantize.h"

#include <math.h>
#include <string.h>

/* ---- parameters ---- */

static void dtype_range(enum ig_dtype dt, int32_t *lo, int32_t *hi)
{
	int bits = ig_dtypes[dt].bits < 32 ? ig_dtypes[dt].bits : 32;
	*lo = ig_dtypes[dt].is_signed ? (int32_t)-((int64_t)1 << (bits - 1)) : 0;
	*hi = (int32_t)(*lo + ((int64_t)1 << bits) - 1);
}

static bool read_zero(struct ig_onnx_node *n, int i, const struct ig_tensor *t, struct ig_qparam *q, int32_t *zero)
{
	if (t->type.dtype != q->dtype)
		return ig_onnx_fail(n, "the zero point is %s, the tensor %s", ig_type_str(n->s->arena, &t->type), ig_dtypes[q->dtype].name);
	if (ig_elems(&t->type) != q->n)
		return ig_onnx_fail(n, "%lld zero points for %lld scales", (long long)ig_elems(&t->type), (long long)q->n);
	for (int64_t c = 0; c < q->n; c++) {
		int64_t z;
		if (!ig_onnx_tensor_int(t, c, &z))
			return ig_onnx_fail(n, "operand %d holds no integers", i + 1);
		zero[c] = (int32_t)z;
	}
	return true;
}

bool ig_onnx_qparam(struct ig_onnx_node *n, int scale, int zero, const struct ig_type *t, enum ig_dtype dtype, int64_t axis, struct ig_qparam *q)
{
	const struct ig_tensor *s = ig_onnx_in_const(n, scale), *z = zero >= 0 && ig_onnx_has(n, zero) ? ig_onnx_in_const(n, zero) : NULL;
	if (!s || (zero >= 0 && ig_onnx_has(n, zero) && !z))
		return ig_onnx_fail(n, "scale and zero point must be known when the model is imported");
	if (s->type.dtype != IG_DT_F32 || s->type.rank > 1)
		return ig_onnx_fail(n, "the scale is %s; one number, or one for each place of an axis, is supported (no blocks)", ig_type_str(n->s->arena, &s->type));
	*q = (struct ig_qparam){.dtype = dtype, .axis = -1, .n = ig_elems(&s->type), .fixed = true};
	dtype_range(dtype, &q->qmin, &q->qmax);
	if (q->n < 1)
		return ig_onnx_fail(n, "there is no scale");
	if (q->n > 1) {
		axis = axis < 0 ? axis + t->rank : axis;
		if (axis < 0 || axis >= t->rank || t->dim[axis] != q->n)
			return ig_onnx_fail(n, "%lld scales do not fit axis %lld of %s", (long long)q->n, (long long)axis, ig_type_str(n->s->arena, t));
		q->axis = (int)axis;
	}
	for (int64_t c = 0; c < q->n; c++)
		if (!(((const float *)s->data)[c] > 0) || isinf(((const float *)s->data)[c]))
			return ig_onnx_fail(n, "scale %g is not a positive number", (double)((const float *)s->data)[c]);
	int32_t *zeros = IG_NEWN(n->s->arena, int32_t, q->n);
	q->scale = s->data;
	q->zero_point = zeros;
	return !z || read_zero(n, zero, z, q, zeros);
}

/* ---- values ---- */

/* A constant with parameters, apart from other uses of the same numbers. */
static struct ig_vid constant(struct ig_onnx_node *n, const struct ig_tensor *t, const char *name, const struct ig_qparam *q)
{
	struct ig_graph *g = n->s->graph;
	struct ig_tensor *copy = ig_tensor_new(g->arena, &t->type);
	memcpy(copy->data, t->data, t->bytes);
	copy->type.q = ig_graph_qparam(g, q);
	return ig_graph_constant(g, IG_NONODE, ig_onnx_clean_name(n->s, name), n->s->loc, copy);
}

bool ig_onnx_moves(const struct ig_node *n)
{
	return ig_ops[n->op].quant == IG_QC_MOVE && n->n_in == 1 && n->op != IG_OP_AVG_POOL2D && n->op != IG_OP_GLOBAL_AVG_POOL && n->op != IG_OP_PAD;
}

/* Integers that came in from outside, or were moved since: the input gets the parameters, and what moves it. */
static bool give(struct ig_onnx_node *n, struct ig_vid v, const struct ig_qparam *q)
{
	struct ig_graph *g = n->s->graph;
	struct ig_vid at = v;
	bool alone = ig_graph_uses(g, v) == 0;
	while (ig_onnx_moves(ig_def(g, at)) && alone) {
		at = ig_def(g, at)->in[0];
		alone = ig_graph_uses(g, at) == 1;
	}
	if (ig_def(g, at)->op != IG_OP_INPUT || !alone || (q->axis >= 0 && at.i != v.i))
		return ig_onnx_fail(n, "it takes integers that operations computed; those of an input, a constant or another quantized operator are supported");
	struct ig_qid id = ig_graph_qparam(g, q);
	for (at = v;; at = ig_def(g, at)->in[0]) {
		ig_value(g, at)->type.q = id;
		if (ig_def(g, at)->op == IG_OP_INPUT)
			return true;
	}
}

static bool same_numbers(const struct ig_qparam *a, const struct ig_qparam *b)
{
	struct ig_qparam c = *a;
	c.fixed = b->fixed;
	return ig_qparam_equal(&c, b);
}

struct ig_vid ig_onnx_dequantize(struct ig_onnx_node *n, int i, const struct ig_qparam *q, const char *suffix)
{
	struct ig_graph *g = n->s->graph;
	const struct ig_tensor *t = ig_onnx_in_const(n, i);
	struct ig_vid v;
	if (t && t->type.q.i < 0) {
		if (ig_elems(&t->type) == 0) {
			ig_onnx_fail(n, "operand %d is an empty tensor", i + 1);
			return IG_NOVAL;
		}
		v = constant(n, t, n->p->input[i], q);
	} else {
		v = ig_onnx_in(n, i);
		const struct ig_qparam *has = v.i < 0 ? NULL : ig_qparam(g, ig_vtype(g, v)->q);
		if (v.i < 0 || (!has && !give(n, v, q)))
			return IG_NOVAL;
		if (has && !same_numbers(has, q)) {
			ig_onnx_fail(n, "it reads '%s' with another scale or zero point than that was quantized with", n->p->input[i]);
			return IG_NOVAL;
		}
	}
	return ig_onnx_op(n, IG_OP_DEQUANTIZE, suffix, &v, 1);
}

struct ig_vid ig_onnx_quantize(struct ig_onnx_node *n, struct ig_vid x, const struct ig_qparam *q, const char *suffix)
{
	struct ig_graph *g = n->s->graph;
	if (x.i < 0)
		return x;
	struct ig_nid id = ig_onnx_add(n, IG_OP_QUANTIZE, suffix, &x, 1);
	struct ig_type *t = &ig_value(g, ig_node(g, id)->out[0])->type;
	t->dtype = q->dtype;
	t->q = ig_graph_qparam(g, q);
	return ig_onnx_done(n, id);
}

/* ---- operators ---- */

static bool no_blocks(struct ig_onnx_node *n)
{
	return ig_onnx_int(n, "block_size", 0) == 0 || ig_onnx_fail(n, "scales of blocks are not supported; one scale, or one for each place of an axis, is");
}

bool ig_onnx_quantize_linear(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	enum ig_dtype dt = IG_DT_U8;
	struct ig_qparam q;
	if (!x || !no_blocks(n))
		return false;
	int64_t axis = ig_onnx_int(n, "axis", 1), asked = ig_onnx_int(n, "output_dtype", 0);
	ig_onnx_int(n, "saturate", 1); /* of 8-bit floats */
	if (x->dtype != IG_DT_F32)
		return ig_onnx_fail(n, "only float32 is quantized, not %s", ig_type_str(n->s->arena, x));
	if (ig_onnx_has(n, 2)) {
		const struct ig_type *z = ig_onnx_in_type(n, 2);
		if (!z)
			return false;
		dt = z->dtype;
	} else if (asked && !ig_onnx_dtype((int32_t)asked, &dt)) {
		return ig_onnx_fail(n, "quantization to %s is not supported", ig_onnx_dtype_name((int32_t)asked));
	}
	if (dt != IG_DT_U8 && dt != IG_DT_S8)
		return ig_onnx_fail(n, "quantization to %s is not supported; to uint8 and int8 it is", ig_dtypes[dt].name);
	return ig_onnx_qparam(n, 1, 2, x, dt, axis, &q) && ig_onnx_result(n, 0, ig_onnx_quantize(n, ig_onnx_in(n, 0), &q, NULL));
}

bool ig_onnx_dequantize_linear(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	struct ig_qparam q;
	if (!x || !no_blocks(n))
		return false;
	int64_t axis = ig_onnx_int(n, "axis", 1);
	if (x->dtype != IG_DT_U8 && x->dtype != IG_DT_S8 && x->dtype != IG_DT_S16 && x->dtype != IG_DT_I32)
		return ig_onnx_fail(n, "%s cannot be dequantized; uint8, int8, int16 and int32 can", ig_dtypes[x->dtype].name);
	return ig_onnx_qparam(n, 1, 2, x, x->dtype, axis, &q) && ig_onnx_result(n, 0, ig_onnx_dequantize(n, 0, &q, NULL));
}

/* ---- weights: moves of dequantized constants move the constants ---- */

struct ig_vid ig_onnx_move_given(struct ig_onnx_node *n, struct ig_vid v, enum ig_op op, const char *suffix, const int64_t *list, int count)
{
	struct ig_graph *g = n->s->graph;
	struct ig_vid c = ig_def(g, v)->op == IG_OP_DEQUANTIZE ? ig_def(g, v)->in[0] : IG_NOVAL;
	const struct ig_tensor *t = c.i >= 0 ? ig_const_data(g, c) : NULL;
	if (!t)
		return IG_NOVAL;
	struct ig_qparam q = *ig_qparam(g, ig_vtype(g, c)->q);
	if (q.axis >= 0 && op == IG_OP_RESHAPE && (q.axis != 0 || list[0] != t->type.dim[0]))
		return IG_NOVAL;
	for (int i = 0, axis = q.axis; i < count && op == IG_OP_TRANSPOSE; i++)
		if (list[i] == axis)
			q.axis = i;
	struct ig_tensor plain = *t;
	plain.type.q = IG_NOQ;
	struct ig_vid x = ig_onnx_constant(n, suffix, &plain);
	struct ig_nid id = ig_onnx_add(n, op, suffix, &x, 1);
	ig_attr_set_ints(g, id, op == IG_OP_RESHAPE ? IG_A_SHAPE : IG_A_PERM, list, count);
	struct ig_vid y = ig_onnx_done(n, id);
	if (y.i < 0)
		return y;
	ig_value(g, y)->type.q = ig_def(g, y)->data->type.q = ig_graph_qparam(g, &q);
	return ig_onnx_op(n, IG_OP_DEQUANTIZE, ig_arena_printf(n->s->arena, "%s.dequantize", suffix), &y, 1);
}
