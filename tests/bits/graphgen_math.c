/* Random graphs: elementary functions, arithmetic with broadcasting, comparisons, logic, casts, reductions, normalizations, products. */
#include "tests/bits/graphgen.h"

#include <stdio.h>

#include "ir/infer.h"

struct math {
	struct bits_random *r;
	struct ig_graph *g;
	struct ig_diag *d;
};

static struct ig_nid node(struct math *m, enum ig_op op, const struct ig_vid *in, int n)
{
	return ig_graph_add(m->g, op, ig_graph_unique_name(m->g, ig_ops[op].name), IG_NOLOC, in, n);
}

static struct ig_vid done(struct math *m, struct ig_nid id)
{
	if (!ig_infer_node(m->g, id, m->d))
		IG_BUG("a node of the generator is refused");
	return ig_node(m->g, id)->out[0];
}

static struct ig_vid one(struct math *m, enum ig_op op, struct ig_vid x) { return done(m, node(m, op, &x, 1)); }

static struct ig_vid two(struct math *m, enum ig_op op, struct ig_vid x, struct ig_vid y)
{
	struct ig_vid in[2] = {x, y};
	return done(m, node(m, op, in, 2));
}

static struct ig_vid cast(struct math *m, struct ig_vid x, const char *to)
{
	struct ig_nid id = node(m, IG_OP_CAST, &x, 1);
	ig_attr_set_str(m->g, id, IG_A_TO, to);
	return done(m, id);
}

static struct ig_vid constant(struct math *m, int rank, const int64_t *dim, double lo, double hi)
{
	struct ig_type t = ig_type_make(IG_DT_F32, rank, dim);
	struct ig_tensor *x = ig_tensor_new(m->g->arena, &t);
	for (int64_t i = 0, n = ig_elems(&t); i < n; i++)
		((float *)x->data)[i] = (float)bits_real(m->r, lo, hi);
	return ig_graph_constant(m->g, IG_NONODE, ig_graph_unique_name(m->g, "c"), IG_NOLOC, x);
}

/* A constant that broadcasts to x: of its rank or a lower one. */
static struct ig_vid partner(struct math *m, struct ig_vid x, double lo, double hi)
{
	const struct ig_type t = *ig_vtype(m->g, x);
	int64_t d[IG_MAX_RANK];
	int skip = (int)bits_pick(m->r, (uint32_t)t.rank + 1);
	for (int i = skip; i < t.rank; i++)
		d[i - skip] = bits_pick(m->r, 2) ? t.dim[i] : 1;
	return constant(m, t.rank - skip, d, lo, hi);
}

static struct ig_vid function(struct math *m, struct ig_vid x)
{
	static const enum ig_op ops[] = {IG_OP_HARD_SIGMOID, IG_OP_ELU, IG_OP_SELU, IG_OP_CELU, IG_OP_SOFTPLUS, IG_OP_SOFTSIGN, IG_OP_THRESHOLDED_RELU, IG_OP_MISH,
	                                 IG_OP_GELU, IG_OP_ERF, IG_OP_ABS, IG_OP_NEG, IG_OP_SIGN, IG_OP_FLOOR, IG_OP_CEIL, IG_OP_ROUND, IG_OP_SIN, IG_OP_COS};
	enum ig_op op = ops[bits_pick(m->r, IG_COUNTOF(ops))];
	struct ig_nid id = node(m, op, &x, 1);
	if (ig_op_has_attr(op, IG_A_ALPHA) && bits_pick(m->r, 2))
		ig_attr_set_float(m->g, id, IG_A_ALPHA, bits_real(m->r, 0.1, 1.4));
	if (op == IG_OP_GELU && bits_pick(m->r, 2))
		ig_attr_set_str(m->g, id, IG_A_APPROXIMATE, "tanh");
	return done(m, id);
}

/* Functions of positive numbers, of what is made positive first. */
static struct ig_vid of_positive(struct math *m, struct ig_vid x)
{
	static const enum ig_op ops[] = {IG_OP_LOG, IG_OP_SQRT, IG_OP_RECIPROCAL};
	if (bits_pick(m->r, 4) == 0)
		return one(m, IG_OP_EXP, one(m, IG_OP_TANH, x));
	if (bits_pick(m->r, 3) == 0)
		return two(m, IG_OP_POW, one(m, IG_OP_ABS, x), partner(m, x, 0.3, 3));
	return one(m, ops[bits_pick(m->r, 3)], one(m, IG_OP_SOFTPLUS, x));
}

static struct ig_vid arithmetic(struct math *m, struct ig_vid x)
{
	switch (bits_pick(m->r, 4)) {
	case 0: return two(m, IG_OP_DIV, x, partner(m, x, 0.4, 2));
	case 1: return two(m, IG_OP_MINIMUM, partner(m, x, -0.5, 1), x);
	case 2: return two(m, IG_OP_MAXIMUM, x, partner(m, x, -1, 0.5));
	default: return two(m, IG_OP_PRELU, x, partner(m, x, -0.2, 0.4));
	}
}

static struct ig_vid logic(struct math *m, struct ig_vid x)
{
	static const enum ig_op compare[] = {IG_OP_LESS, IG_OP_GREATER, IG_OP_LESS_EQUAL, IG_OP_GREATER_EQUAL, IG_OP_EQUAL};
	static const enum ig_op join[] = {IG_OP_LOGICAL_AND, IG_OP_LOGICAL_OR, IG_OP_LOGICAL_XOR};
	struct ig_vid a = two(m, compare[bits_pick(m->r, 5)], x, partner(m, x, -0.5, 0.5)), b = two(m, compare[bits_pick(m->r, 5)], partner(m, x, -0.5, 0.5), x);
	struct ig_vid in[3] = {two(m, join[bits_pick(m->r, 3)], one(m, IG_OP_LOGICAL_NOT, a), b), x, partner(m, x, -1, 1)};
	return done(m, node(m, IG_OP_WHERE, in, 3));
}

/* Through whole numbers and back. */
static struct ig_vid whole(struct math *m, struct ig_vid x)
{
	struct ig_vid i = cast(m, two(m, IG_OP_MUL, x, partner(m, x, 1, 9)), "i32"), j = cast(m, partner(m, x, -3, 3), "i32");
	static const enum ig_op ops[] = {IG_OP_ADD, IG_OP_SUB, IG_OP_MUL, IG_OP_MAXIMUM, IG_OP_MINIMUM};
	struct ig_vid k = two(m, ops[bits_pick(m->r, 5)], i, j);
	if (bits_pick(m->r, 2))
		k = cast(m, cast(m, k, "i64"), "i32");
	return cast(m, k, "f32");
}

static struct ig_vid reduce(struct math *m, struct ig_vid x)
{
	static const enum ig_op ops[] = {IG_OP_REDUCE_SUM, IG_OP_REDUCE_MEAN, IG_OP_REDUCE_MAX, IG_OP_REDUCE_MIN, IG_OP_REDUCE_PROD};
	int rank = ig_vtype(m->g, x)->rank, n = 0;
	int64_t axes[IG_MAX_RANK];
	if (bits_pick(m->r, 6) == 0) {
		struct ig_nid id = node(m, bits_pick(m->r, 2) ? IG_OP_ARGMAX : IG_OP_ARGMIN, &x, 1);
		ig_attr_set_int(m->g, id, IG_A_AXIS, bits_pick(m->r, (uint32_t)rank));
		ig_attr_set_int(m->g, id, IG_A_LAST, bits_pick(m->r, 2));
		return cast(m, cast(m, done(m, id), "i32"), "f32");
	}
	for (int i = 0; i < rank; i++)
		if (bits_pick(m->r, 2))
			axes[n++] = i;
	struct ig_nid id = node(m, ops[bits_pick(m->r, 5)], &x, 1);
	if (n)
		ig_attr_set_ints(m->g, id, IG_A_AXES, axes, n);
	ig_attr_set_int(m->g, id, IG_A_KEEPDIMS, n == 0 || rank - n < 2 || bits_pick(m->r, 2));
	return done(m, id);
}

static struct ig_vid normalize(struct math *m, struct ig_vid x)
{
	const struct ig_type t = *ig_vtype(m->g, x);
	int64_t axis = bits_pick(m->r, (uint32_t)t.rank);
	if (bits_pick(m->r, 3) == 0 || t.rank < 2) {
		struct ig_nid id = node(m, IG_OP_LOG_SOFTMAX, &x, 1);
		ig_attr_set_int(m->g, id, IG_A_AXIS, axis);
		return done(m, id);
	}
	if (bits_pick(m->r, 4) == 0) {
		struct ig_nid id = node(m, IG_OP_LRN, &x, 1);
		ig_attr_set_int(m->g, id, IG_A_SIZE, 1 + bits_pick(m->r, 6));
		ig_attr_set_float(m->g, id, IG_A_ALPHA, bits_real(m->r, 0.01, 2));
		return done(m, id);
	}
	if (bits_pick(m->r, 2)) {
		struct ig_vid in[3] = {x, constant(m, t.rank - (int)axis, t.dim + axis, 0.5, 1.5), constant(m, t.rank - (int)axis, t.dim + axis, -0.5, 0.5)};
		struct ig_nid id = node(m, IG_OP_LAYER_NORM, in, 2 + (int)bits_pick(m->r, 2));
		ig_attr_set_int(m->g, id, IG_A_AXIS, axis);
		return done(m, id);
	}
	struct ig_vid in[3] = {x, constant(m, 1, &t.dim[1], 0.5, 1.5), constant(m, 1, &t.dim[1], -0.5, 0.5)};
	bool group = bits_pick(m->r, 2);
	struct ig_nid id = node(m, group ? IG_OP_GROUP_NORM : IG_OP_INSTANCE_NORM, in, 3);
	if (group && t.dim[1] % 2 == 0)
		ig_attr_set_int(m->g, id, IG_A_GROUPS, 2);
	return done(m, id);
}

/* x times its transpose, scaled down; or times a constant. */
static struct ig_vid product(struct math *m, struct ig_vid x)
{
	const struct ig_type t = *ig_vtype(m->g, x);
	int64_t perm[IG_MAX_RANK], d[IG_MAX_RANK];
	int rank = t.rank;
	for (int i = 0; i < rank; i++)
		perm[i] = i;
	if (rank > 1 && bits_pick(m->r, 2)) {
		perm[rank - 1] = rank - 2;
		perm[rank - 2] = rank - 1;
		struct ig_nid id = node(m, IG_OP_TRANSPOSE, &x, 1);
		ig_attr_set_ints(m->g, id, IG_A_PERM, perm, rank);
		struct ig_vid y = two(m, IG_OP_MATMUL, x, done(m, id));
		return two(m, IG_OP_MUL, y, constant(m, 0, d, 0.05, 0.3));
	}
	int skip = rank > 2 ? (int)bits_pick(m->r, (uint32_t)rank - 1) : 0;
	for (int i = skip; i < rank; i++)
		d[i - skip] = bits_pick(m->r, 2) ? t.dim[i] : 1;
	d[rank - skip - 1] = 1 + bits_pick(m->r, 40);
	if (rank > 1)
		d[rank - skip - 2] = t.dim[rank - 1];
	return rank > 1 ? two(m, IG_OP_MATMUL, x, constant(m, rank - skip, d, -0.4, 0.4)) : x;
}

struct ig_vid bits_math_op(struct bits_random *r, struct ig_graph *g, struct ig_vid x, struct ig_diag *d)
{
	struct math m = {r, g, d};
	switch (bits_pick(r, 8)) {
	case 0: return function(&m, x);
	case 1: return of_positive(&m, x);
	case 2: return arithmetic(&m, x);
	case 3: return logic(&m, x);
	case 4: return whole(&m, x);
	case 5: return reduce(&m, x);
	case 6: return normalize(&m, x);
	default: return product(&m, x);
	}
}
