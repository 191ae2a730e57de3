/* Matrix products: linear layers where the second factor is a constant. */
#include "onnx/ops.h"

#include <string.h>

static struct ig_vid transposed(struct ig_onnx_node *n, struct ig_vid v, const char *suffix)
{
	return ig_onnx_transpose(n, v, suffix, (int64_t[]){1, 0});
}

static struct ig_vid scaled(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, double factor)
{
	if (v.i < 0 || factor == 1)
		return v;
	struct ig_vid f = ig_onnx_scalar(n, ig_arena_printf(n->s->arena, "%s.factor", suffix), ig_vtype(n->s->graph, v)->dtype, factor);
	return ig_onnx_op(n, IG_OP_MUL, suffix, (struct ig_vid[]){v, f}, 2);
}

/* The addend as a bias: a constant whose rows are all the same, [units] after its leading extents of 1 and its broadcast. */
static struct ig_vid as_bias(struct ig_onnx_node *n, int64_t units)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, 2);
	const struct ig_type *given = ig_onnx_in_type(n, 2);
	if (!t && given && given->rank == 1 && given->dim[0] == units && ig_is_given(n->s->graph, ig_onnx_in(n, 2)))
		return ig_onnx_in(n, 2); /* dequantized */
	if (!t || t->type.dtype != IG_DT_F32)
		return IG_NOVAL;
	int64_t elems = ig_elems(&t->type), last = t->type.rank ? t->type.dim[t->type.rank - 1] : 1;
	if (elems != last || (elems != units && elems != 1))
		return IG_NOVAL;
	if (elems == units && t->type.rank == 1)
		return ig_onnx_in(n, 2);
	struct ig_tensor *row = ig_onnx_new_tensor(n->s, IG_DT_F32, 1, &units);
	for (int64_t i = 0; row && i < units; i++)
		((float *)row->data)[i] = ((const float *)t->data)[elems == 1 ? 0 : i];
	return row ? ig_onnx_constant(n, "bias", row) : IG_NOVAL;
}

bool ig_onnx_gemm(struct ig_onnx_node *n)
{
	double alpha = ig_onnx_real(n, "alpha", 1), beta = ig_onnx_real(n, "beta", 1);
	bool ta = ig_onnx_int(n, "transA", 0) != 0, tb = ig_onnx_int(n, "transB", 0) != 0;
	struct ig_vid a = ig_onnx_in(n, 0), b = ig_onnx_in(n, 1), y;
	struct ig_graph *g = n->s->graph;
	if (n->version < 7)
		ig_onnx_int(n, "broadcast", 0);
	if (a.i < 0 || b.i < 0)
		return false;
	if (ig_vtype(g, a)->rank != 2 || ig_vtype(g, b)->rank != 2)
		return ig_onnx_fail(n, "the factors must be matrices");
	bool linear = ig_is_given(g, b) && ig_vtype(g, b)->dtype == IG_DT_F32;
	if (ta)
		a = transposed(n, a, "a");
	if (tb != linear)
		b = transposed(n, b, "weight");
	b = scaled(n, b, "scaled", alpha);
	if (a.i < 0 || b.i < 0)
		return false;
	struct ig_vid bias = linear && ig_onnx_has(n, 2) ? scaled(n, as_bias(n, ig_vtype(g, b)->dim[0]), "beta", beta) : IG_NOVAL;
	if (n->failed)
		return false;
	y = ig_onnx_op(n, linear ? IG_OP_LINEAR : IG_OP_MATMUL, NULL, (struct ig_vid[]){a, b, bias}, bias.i >= 0 ? 3 : 2);
	if (y.i >= 0 && bias.i < 0 && ig_onnx_has(n, 2) && beta != 0)
		y = ig_onnx_op(n, IG_OP_ADD, "add", (struct ig_vid[]){y, scaled(n, ig_onnx_in(n, 2), "beta", beta)}, 2);
	return ig_onnx_result(n, 0, y);
}

bool ig_onnx_matmul(struct ig_onnx_node *n)
{
	struct ig_vid a = ig_onnx_in(n, 0), b = ig_onnx_in(n, 1);
	struct ig_graph *g = n->s->graph;
	if (a.i < 0 || b.i < 0)
		return false;
	bool linear = ig_is_given(g, b) && ig_vtype(g, b)->rank == 2 && ig_vtype(g, b)->dtype == IG_DT_F32 && ig_vtype(g, a)->dtype == IG_DT_F32;
	if (linear)
		b = transposed(n, b, "weight");
	return ig_onnx_result(n, 0, ig_onnx_op(n, linear ? IG_OP_LINEAR : IG_OP_MATMUL, NULL, (struct ig_vid[]){a, b}, 2));
}
