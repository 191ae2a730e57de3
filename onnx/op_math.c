/* Elementwise operators. */
#include "onnx/ops.h"

#include <math.h>
#include <string.h>


bool ig_onnx_unary(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	return ig_onnx_result(n, 0, ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, &x, 1));
}

/* Before version 7 operands were broadcast by attributes: b's axes begin at `axis`. */
static struct ig_vid old_broadcast(struct ig_onnx_node *n, struct ig_vid a, struct ig_vid b)
{
	int64_t axis = ig_onnx_int(n, "axis", -1), dim[IG_MAX_RANK];
	struct ig_graph *g = n->s->graph;
	if (!ig_onnx_int(n, "broadcast", 0) || a.i < 0 || b.i < 0)
		return b;
	int rank = ig_vtype(g, a)->rank, from = ig_vtype(g, b)->rank;
	axis = axis < 0 ? rank - from : axis;
	if (axis + from >= rank)
		return b;
	for (int i = 0; i < rank; i++)
		dim[i] = i < axis || i >= axis + from ? 1 : ig_vtype(g, b)->dim[i - axis];
	return ig_onnx_reshape(n, b, "operand", rank - (int)axis, dim + axis);
}

bool ig_onnx_binary(struct ig_onnx_node *n)
{
	struct ig_vid in[2] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1)};
	if (n->version < 7)
		in[1] = old_broadcast(n, in[0], in[1]);
	return ig_onnx_result(n, 0, ig_onnx_op(n, (enum ig_op)n->op->ir, NULL, in, 2));
}

/* x op y op z ...; the last operation carries the node's name. */
static struct ig_vid chain(struct ig_onnx_node *n, enum ig_op op)
{
	int count = (int)n->p->n_input;
	struct ig_vid y = ig_onnx_in(n, 0);
	for (int i = 1; i < count && y.i >= 0; i++) {
		bool last = i == count - 1 && strcmp(n->p->op_type, "Mean") != 0;
		y = ig_onnx_op(n, op, last ? NULL : ig_arena_printf(n->s->arena, "part%d", i), (struct ig_vid[]){y, ig_onnx_in(n, i)}, 2);
	}
	return y;
}

bool ig_onnx_variadic(struct ig_onnx_node *n)
{
	return n->p->n_input == 1 ? ig_onnx_result_alias(n, 0, 0) : ig_onnx_result(n, 0, chain(n, (enum ig_op)n->op->ir));
}

bool ig_onnx_mean(struct ig_onnx_node *n)
{
	struct ig_vid sum = chain(n, IG_OP_ADD);
	if (n->p->n_input == 1)
		return ig_onnx_result_alias(n, 0, 0);
	if (sum.i < 0)
		return false;
	struct ig_vid count = ig_onnx_scalar(n, "count", ig_vtype(n->s->graph, sum)->dtype, (double)n->p->n_input);
	return ig_onnx_result(n, 0, ig_onnx_op(n, IG_OP_DIV, NULL, (struct ig_vid[]){sum, count}, 2));
}

/* A function with parameters: up to two attributes and their defaults. */
static const struct parameters {
	enum ig_op op;
	struct {
		const char *name;
		enum ig_attr_id id;
		double dflt;
	} p[2];
} parameters[] = {
    {IG_OP_LEAKY_RELU, {{"alpha", IG_A_ALPHA, 0.01}}},
    {IG_OP_ELU, {{"alpha", IG_A_ALPHA, 1}}},
    {IG_OP_CELU, {{"alpha", IG_A_ALPHA, 1}}},
    {IG_OP_THRESHOLDED_RELU, {{"alpha", IG_A_ALPHA, 1}}},
    {IG_OP_HARD_SIGMOID, {{"alpha", IG_A_ALPHA, 0.2}, {"beta", IG_A_BETA, 0.5}}},
    {IG_OP_SELU, {{"alpha", IG_A_ALPHA, 1.67326319217681884765625}, {"gamma", IG_A_GAMMA, 1.05070102214813232421875}}},
};

bool ig_onnx_function(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	const struct parameters *f = parameters;
	while ((int)f->op != n->op->ir)
		f++;
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, f->op, NULL, &x, 1);
	for (int i = 0; i < 2 && f->p[i].name; i++)
		ig_attr_set_float(n->s->graph, id, f->p[i].id, ig_onnx_real(n, f->p[i].name, f->p[i].dflt));
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_gelu(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	const char *approximate = ig_onnx_str(n, "approximate", "none");
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_GELU, NULL, &x, 1);
	if (strcmp(approximate, "none") != 0)
		ig_attr_set_str(n->s->graph, id, IG_A_APPROXIMATE, approximate);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

/* Constant bounds are attributes of one operation on floats; others are a maximum and a minimum. */
bool ig_onnx_clip(struct ig_onnx_node *n)
{
	double bound[2] = {-INFINITY, INFINITY};
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	bool constant = ig_vtype(n->s->graph, x)->dtype == IG_DT_F32;
	if (n->version < 11) {
		bound[0] = ig_onnx_real(n, "min", -INFINITY);
		bound[1] = ig_onnx_real(n, "max", INFINITY);
	}
	for (int i = 1; i < 3 && n->version >= 11; i++)
		constant = constant && (!ig_onnx_has(n, i) || (ig_onnx_in_const(n, i) && ig_onnx_in_real(n, i, "bound", &bound[i - 1])));
	if (!constant || !(bound[0] <= bound[1])) {
		if (n->version < 11)
			return ig_onnx_fail(n, "bounds given as attributes are for float, and in order");
		for (int i = 1; i < 3; i++)
			if (ig_onnx_has(n, i))
				x = ig_onnx_op(n, i == 1 ? IG_OP_MAXIMUM : IG_OP_MINIMUM, i == 1 && ig_onnx_has(n, 2) ? "min" : NULL, (struct ig_vid[]){x, ig_onnx_in(n, i)}, 2);
		return ig_onnx_has(n, 1) || ig_onnx_has(n, 2) ? ig_onnx_result(n, 0, x) : ig_onnx_result_alias(n, 0, 0);
	}
	if (bound[0] == -INFINITY && bound[1] == INFINITY)
		return ig_onnx_result_alias(n, 0, 0);
	struct ig_nid id = ig_onnx_add(n, IG_OP_CLIP, NULL, &x, 1);
	if (bound[0] > -INFINITY)
		ig_attr_set_float(n->s->graph, id, IG_A_MIN, ig_onnx_decimal((float)bound[0]));
	if (bound[1] < INFINITY)
		ig_attr_set_float(n->s->graph, id, IG_A_MAX, ig_onnx_decimal((float)bound[1]));
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

/* Before version 7 a slope of one dimension belongs to the channels. */
bool ig_onnx_prelu(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0), slope = ig_onnx_in(n, 1);
	if (x.i < 0 || slope.i < 0)
		return false;
	struct ig_type t = *ig_vtype(n->s->graph, x), st = *ig_vtype(n->s->graph, slope);
	if (n->version < 7 && st.rank == 1 && t.rank > 2)
		slope = ig_onnx_reshape(n, slope, "slope", t.rank - 1, (int64_t[]){st.dim[0], 1, 1, 1, 1});
	return ig_onnx_result(n, 0, ig_onnx_op(n, IG_OP_PRELU, NULL, (struct ig_vid[]){x, slope}, 2));
}

static struct ig_vid cast(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, enum ig_dtype to)
{
	if (v.i < 0 || ig_vtype(n->s->graph, v)->dtype == to)
		return v;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CAST, suffix, &v, 1);
	ig_attr_set_str(n->s->graph, id, IG_A_TO, ig_dtypes[to].name);
	return ig_onnx_done(n, id);
}

static bool cast_to(struct ig_onnx_node *n, enum ig_dtype to)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	const struct ig_tensor *t = ig_onnx_in_const(n, 0);
	if (!x)
		return false;
	if (x->dtype == to)
		return ig_onnx_result_alias(n, 0, 0);
	if (t && ig_elems(x) == 0)
		return ig_onnx_result_const(n, 0, ig_onnx_new_tensor(n->s, to, x->rank, x->dim));
	return ig_onnx_result(n, 0, cast(n, ig_onnx_in(n, 0), NULL, to));
}

bool ig_onnx_cast(struct ig_onnx_node *n)
{
	enum ig_dtype to;
	int64_t code = ig_onnx_int(n, "to", 0);
	if (n->version >= 19)
		ig_onnx_int(n, "saturate", 1); /* of the 8-bit floats */
	if (code < 0 || code > INT32_MAX || !ig_onnx_dtype((int32_t)code, &to))
		return ig_onnx_fail(n, "tensors of %s are not supported", ig_onnx_dtype_name((int32_t)code));
	return cast_to(n, to);
}

bool ig_onnx_cast_like(struct ig_onnx_node *n)
{
	const struct ig_type *like = ig_onnx_in_type(n, 1);
	if (n->version >= 19)
		ig_onnx_int(n, "saturate", 1);
	return like && cast_to(n, like->dtype);
}

/* The result has the base's type; where the exponent's is another one, both become float. */
bool ig_onnx_pow(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0), y = ig_onnx_in(n, 1);
	if (n->version < 7)
		y = old_broadcast(n, x, y);
	if (x.i < 0 || y.i < 0)
		return false;
	enum ig_dtype tx = ig_vtype(n->s->graph, x)->dtype, ty = ig_vtype(n->s->graph, y)->dtype;
	bool direct = tx == ty || ig_dtypes[tx].is_float;
	struct ig_vid z = ig_onnx_op(n, IG_OP_POW, direct ? NULL : "pow", (struct ig_vid[]){direct ? x : cast(n, x, "base", IG_DT_F32), cast(n, y, "exponent", direct ? tx : IG_DT_F32)}, 2);
	return ig_onnx_result(n, 0, direct ? z : cast(n, z, NULL, tx));
}

bool ig_onnx_mod(struct ig_onnx_node *n)
{
	bool fmod_ = ig_onnx_int(n, "fmod", 0) != 0;
	struct ig_vid in[2] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1)};
	if (n->failed)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_MOD, NULL, in, 2);
	if (fmod_)
		ig_attr_set_int(n->s->graph, id, IG_A_FMOD, 1);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_is_inf(struct ig_onnx_node *n)
{
	bool positive = ig_onnx_int(n, "detect_positive", 1) != 0, negative = ig_onnx_int(n, "detect_negative", 1) != 0;
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_IS_INF, NULL, &x, 1);
	ig_attr_set_int(n->s->graph, id, IG_A_POSITIVE, positive);
	ig_attr_set_int(n->s->graph, id, IG_A_NEGATIVE, negative);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_where(struct ig_onnx_node *n)
{
	struct ig_vid in[3] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1), ig_onnx_in(n, 2)};
	return ig_onnx_result(n, 0, ig_onnx_op(n, IG_OP_WHERE, NULL, in, 3));
}
