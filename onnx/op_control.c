/* Operators that do nothing, and branches. */
#include "onnx/ops.h"

bool ig_onnx_identity(struct ig_onnx_node *n) { return ig_onnx_result_alias(n, 0, 0); }

/* In training it would be random, but at a ratio of zero. */
bool ig_onnx_dropout(struct ig_onnx_node *n)
{
	double ratio = n->version < 12 ? ig_onnx_real(n, "ratio", 0.5) : 0.5;
	ig_onnx_int(n, "seed", 0);
	bool training = n->version < 7 ? ig_onnx_int(n, "is_test", 0) == 0 : false;
	if (ig_onnx_has(n, 1) && !ig_onnx_in_real(n, 1, "ratio", &ratio))
		return false;
	if (ig_onnx_has(n, 2)) {
		const struct ig_tensor *t = ig_onnx_in_const(n, 2);
		if (!t || ig_elems(&t->type) != 1)
			return ig_onnx_fail(n, "training_mode must be known when the model is imported");
		training = ((const uint8_t *)t->data)[0] != 0;
	}
	if (training && ratio != 0)
		return ig_onnx_fail(n, "training is not supported; export the model for inference");
	if (ig_onnx_wants(n, 1)) {
		const struct ig_type *x = ig_onnx_in_type(n, 0);
		struct ig_tensor *mask = x ? ig_onnx_new_tensor(n->s, n->version < 10 ? x->dtype : IG_DT_BOOL, x->rank, x->dim) : NULL;
		if (!mask || (mask->type.dtype != IG_DT_BOOL && mask->type.dtype != IG_DT_F32))
			return ig_onnx_fail(n, "its mask is not supported");
		for (int64_t i = 0; i < ig_elems(&mask->type); i++) {
			if (mask->type.dtype == IG_DT_BOOL)
				((uint8_t *)mask->data)[i] = 1;
			else
				((float *)mask->data)[i] = 1;
		}
		ig_onnx_result_const(n, 1, mask);
	}
	return ig_onnx_result_alias(n, 0, 0);
}

/* A branch that is known when the model is imported. Its names join the scope: ONNX has no two of the same that could meet. */
bool ig_onnx_if(struct ig_onnx_node *n)
{
	const struct ig_tensor *c = ig_onnx_in_const(n, 0);
	const Onnx__AttributeProto *yes = ig_onnx_attr(n, "then_branch"), *no = ig_onnx_attr(n, "else_branch");
	if (!ig_onnx_has(n, 0))
		return ig_onnx_fail(n, "its condition is missing");
	if (!c)
		return ig_onnx_fail(n, "the condition must be known when the model is imported, but '%s' is computed from the inputs", n->p->input[0]);
	if (ig_elems(&c->type) != 1 || c->type.dtype == IG_DT_F32 || !yes || !no || !yes->g || !no->g)
		return ig_onnx_fail(n, "it needs one truth value and two branches");
	const Onnx__GraphProto *g = ((const uint8_t *)c->data)[0] ? yes->g : no->g;
	if (g->n_input || g->n_output < n->p->n_output)
		return ig_onnx_fail(n, "a branch has no inputs and as many outputs as the node");
	if (!ig_onnx_initializers(n->s, g) || !ig_onnx_graph_nodes(n->s, g))
		return false;
	for (int i = 0; i < (int)n->p->n_output; i++) {
		const struct ig_onnx_value *v = g->output[i]->name ? ig_onnx_find(n->s, g->output[i]->name) : NULL;
		if (!v)
			return ig_onnx_fail(n, "output %d of the branch is never computed", i + 1);
		if (v->bad)
			return false;
		if (ig_onnx_wants(n, i)) {
			struct ig_onnx_value copy = *v, *to = ig_onnx_define(n->s, n->p->output[i]);
			copy.name = to->name;
			*to = copy;
		}
	}
	return true;
}
