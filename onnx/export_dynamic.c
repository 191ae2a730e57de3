/* Layers that quantize their input at run time, as ONNX Runtime's quantize_dynamic writes them: DynamicQuantizeLinear, MatMulInteger or ConvInteger, Cast, Mul,
   Mul and the Add of the bias. The results are the same. */
#include "onnx/export.h"

static const char *named(struct ig_onnx_export *x, const struct ig_node *n, const char *what) { return ig_arena_printf(x->arena, "%s_%s", n->name, what); }

/* The integers of operand 0, made once for all layers that read it. */
static const char *const *integers(struct ig_onnx_export *x, const struct ig_node *n)
{
	const char **made = x->dynamic[n->in[0].i].name, *in = ig_ox_in(x, n, 0);
	if (made[0])
		return made;
	made[0] = ig_ox_node(x, "DynamicQuantizeLinear", ig_arena_printf(x->arena, "%s_quantize", ig_value(x->g, n->in[0])->name), &in, 1, NULL);
	Onnx__NodeProto *p = x->node.v[x->node.n - 1];
	made[1] = ig_ox_name(x, p->name, "_scale");
	made[2] = ig_ox_name(x, p->name, "_zero_point");
	p->output = IG_NEWN(x->arena, char *, 3);
	p->n_output = 3;
	for (int i = 0; i < 3; i++)
		p->output[i] = ig_arena_strdup(x->arena, made[i]);
	return made;
}

/* A linear layer's weights with the input channels first. */
static const char *matrix(struct ig_onnx_export *x, const struct ig_node *n)
{
	const struct ig_tensor *t = ig_const_data(x->g, n->in[1]);
	int64_t oc = t->type.dim[0], ic = t->type.dim[1];
	int8_t *w = IG_NEWN(x->arena, int8_t, oc * ic);
	for (int64_t c = 0; c < oc; c++)
		for (int64_t i = 0; i < ic; i++)
			w[i * oc + c] = ((const int8_t *)t->data)[c * ic + i];
	return ig_ox_init(x, named(x, n, "weight"), IG_DT_S8, 2, (int64_t[]){ic, oc}, w);
}

/* One number for each channel, or one for all, to go with the result. */
static const char *per_channel(struct ig_onnx_export *x, const struct ig_node *n, bool linear, const char *what, int64_t count, const float *v)
{
	int64_t dim[4] = {1, count, 1, 1};
	return ig_ox_init(x, named(x, n, what), IG_DT_F32, count == 1 && !linear ? 0 : linear ? 1 : 4, linear ? &count : dim, v);
}

const char *ig_ox_dynamic(struct ig_onnx_export *x, const struct ig_node *n)
{
	bool linear = n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD;
	const struct ig_tensor *w = ig_const_data(x->g, n->in[1]);
	const struct ig_qparam *q = ig_qparam(x->g, w->type.q);
	const char *const *made = integers(x, n);
	const char *weight = linear ? matrix(x, n) : ig_ox_init(x, named(x, n, "weight"), IG_DT_S8, w->type.rank, w->type.dim, w->data);
	const char *sum = ig_ox_node(x, linear ? "MatMulInteger" : "ConvInteger", n->name, (const char *[]){made[0], weight, made[2]}, 3, NULL);
	if (!linear) {
		ig_ox_window(x, n, &w->type.dim[2]);
		ig_ox_attr_int(x, "group", ig_ox_groups(x, n));
	}
	const char *real = ig_ox_node(x, "Cast", named(x, n, "cast"), &sum, 1, NULL);
	ig_ox_attr_int(x, "to", ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
	const char *scale = per_channel(x, n, linear, "weight_scale", q->n, q->scale);
	const char *factors = ig_ox_node(x, "Mul", named(x, n, "scales"), (const char *[]){made[1], scale}, 2, NULL);
	const char *y = ig_ox_node(x, "Mul", named(x, n, "scaled"), (const char *[]){real, factors}, 2, NULL);
	if (n->n_in < 3)
		return y;
	const struct ig_tensor *b = ig_const_data(x->g, n->in[2]);
	const char *bias = per_channel(x, n, linear, "bias", ig_elems(&b->type), b->data);
	return ig_ox_node(x, "Add", named(x, n, "biased"), (const char *[]){y, bias}, 2, NULL);
}
