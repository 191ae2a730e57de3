/* Constants that an exporter left outside of a layer's weights go into them: as with batch_norm, results differ by rounding alone.
   - an addition of one number for each channel behind a linear layer or convolution is its bias;
   - a multiplication of all values by one number behind a linear layer, with matrix products and movements between, scales the layer's weights and bias: the
     scale of attention, which is written behind the product of queries and keys, or before it on both. */
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "passes/rewrite.h"

#include <math.h>

static const struct ig_tensor *floats(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	return t && t->type.dtype == IG_DT_F32 && t->type.q.i < 0 ? t : NULL;
}

/* A layer whose weights may change: constants, no activation. */
static bool open_layer(const struct ig_graph *g, const struct ig_node *n)
{
	return (n->op == IG_OP_LINEAR || n->op == IG_OP_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D) && floats(g, n->in[1]) && (n->n_in < 3 || floats(g, n->in[2])) &&
	       !ig_attr(n, IG_A_MIN) && !ig_attr(n, IG_A_MAX);
}

/* Whether t has one number for each channel (the last axis of a linear layer's result, the second of a convolution's) and is the same over all others. */
static bool per_channel(const struct ig_type *t, const struct ig_type *result, bool linear)
{
	int channel = linear ? 1 : result->rank - 1; /* from the last axis */
	for (int i = 1; i <= t->rank; i++)
		if (t->dim[t->rank - i] != (i == channel ? result->dim[result->rank - i] : 1))
			return false;
	return t->rank >= channel && t->rank <= result->rank;
}

static void add_bias(struct ig_graph *g, struct ig_nid id, struct ig_vid value, struct ig_nid main)
{
	const struct ig_tensor *t = floats(g, value);
	ig_take_over(g, id, main);
	if (ig_node(g, id)->n_in == 2 && t->type.rank == 1) {
		ig_add_operand(g, id, value);
		return;
	}
	int64_t n = ig_elems(&t->type);
	struct ig_tensor *sum = ig_new_f32(g, 1, &n);
	const float *old = ig_node(g, id)->n_in > 2 ? floats(g, ig_node(g, id)->in[2])->data : NULL;
	for (int64_t i = 0; i < n; i++)
		((float *)sum->data)[i] = ((const float *)t->data)[i] + (old ? old[i] : 0.0f);
	ig_set_constant(g, id, 2, "bias", sum);
}

static void fold_bias(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *n = ig_node(g, id);
	for (int i = 0; i < 2 && !n->n_attrs; i++) {
		struct ig_vid v = n->in[i], c = n->in[1 - i];
		const struct ig_tensor *t = floats(g, c);
		const struct ig_node *m = ig_def(g, v);
		if (!t || !open_layer(g, m) || ig_graph_only_user(g, v).i < 0 || !ig_type_same_shape(ig_vtype(g, v), ig_vtype(g, n->out[0])))
			continue;
		if (per_channel(&t->type, ig_vtype(g, v), m->op == IG_OP_LINEAR)) {
			add_bias(g, id, c, ig_value(g, v)->def);
			return;
		}
	}
}

/* The linear layer to whose result v is proportional, all between read by nothing else. */
static struct ig_nid proportional(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_node *n = ig_def(g, v);
	if (ig_graph_only_user(g, v).i < 0)
		return IG_NONODE;
	switch (n->op) {
	case IG_OP_LINEAR:
		return open_layer(g, n) ? ig_value(g, v)->def : IG_NONODE;
	case IG_OP_RESHAPE:
	case IG_OP_FLATTEN:
	case IG_OP_TRANSPOSE:
		return proportional(g, n->in[0]);
	case IG_OP_MATMUL: {
		struct ig_nid a = proportional(g, n->in[0]);
		return a.i >= 0 ? a : proportional(g, n->in[1]);
	}
	default:
		return IG_NONODE;
	}
}

/* A constant times f, in double and rounded once; NULL when that is not finite. */
static struct ig_tensor *scaled(struct ig_graph *g, const struct ig_tensor *t, double f)
{
	struct ig_tensor *r = ig_new_f32(g, t->type.rank, t->type.dim);
	for (int64_t i = 0, n = ig_elems(&t->type); i < n; i++) {
		float x = (float)((double)((const float *)t->data)[i] * f);
		if (!isfinite(x))
			return NULL;
		((float *)r->data)[i] = x;
	}
	return r;
}

static void fold_scale(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *n = ig_node(g, id);
	double f;
	int k = n->op == IG_OP_MUL && ig_const_data(g, n->in[0]) ? 1 : 0; /* the operand that is not the number */
	struct ig_vid v = n->in[k];
	if (n->n_attrs || !ig_scalar(g, n->in[1 - k], &f) || f == 0 || !isfinite(f) || !ig_type_same_shape(ig_vtype(g, v), ig_vtype(g, n->out[0])))
		return;
	struct ig_nid layer = proportional(g, v);
	if (layer.i < 0)
		return;
	const struct ig_node *l = ig_node(g, layer);
	f = n->op == IG_OP_DIV ? 1 / f : f;
	struct ig_tensor *w = scaled(g, floats(g, l->in[1]), f), *b = l->n_in > 2 ? scaled(g, floats(g, l->in[2]), f) : NULL;
	if (!w || (l->n_in > 2 && !b))
		return;
	ig_set_constant(g, layer, 1, "weight", w);
	if (b)
		ig_set_constant(g, layer, 2, "bias", b);
	ig_take_over(g, id, ig_value(g, v)->def);
}

bool ig_pass_fold_affine(struct ig_graph *g, struct ig_context *c)
{
	(void)c;
	if (ig_has_quantized(g))
		return true;
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		enum ig_op op = ig_node(g, id)->op;
		if (op == IG_OP_ADD)
			fold_bias(g, id);
		else if (op == IG_OP_MUL || op == IG_OP_DIV)
			fold_scale(g, id);
	}
	return true;
}
