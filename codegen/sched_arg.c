/* argmax and argmin: one line after the other, the best value and its place carried through a loop. */
#include "codegen/lower.h"

static bool lower_arg(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int rank = in->type.rank, axis = (int)ig_attr_int(n, IG_A_AXIS, 0);
	bool keepdims = ig_attr_int(n, IG_A_KEEPDIMS, 1) != 0, last = ig_attr_int(n, IG_A_LAST, 0) != 0, min = n->op == IG_OP_ARGMIN;
	enum kir_elem e = ig_layout_elem(in->type.dtype);
	if (in->type.q.i >= 0 || (in->type.dtype != IG_DT_F32 && in->type.dtype != IG_DT_I32))
		return ig_low_refuse(L, id, "code is generated for f32 and i32, not %s", ig_dtypes[in->type.dtype].name);
	struct kir_builder b = ig_low_func(L, id);
	struct kir_addr from = kb_addr(in->buf, in->base), to = kb_addr(out->buf, out->base);
	kir_iv iv[IG_MAX_RANK];
	for (int i = 0, k = 0; i < rank; i++) {
		iv[i] = i == axis ? -1 : ig_vec_loop(&b, "line", in->type.dim[i], NULL, 0);
		ig_vec_term(&from, iv[i], in->stride[i]);
		ig_vec_term(&to, iv[i], i == axis ? 0 : out->stride[k]);
		k += keepdims || i != axis;
	}
	struct kir_type place = KIR_T(KIR_I32, 1);
	kir_val state[3] = {kb_load(&b, KIR_T(e, 1), from), kb_const_i(&b, place, 0), kb_const_i(&b, place, 0)}; /* best, its place, the present place */
	if (in->type.dim[axis] > 1) {
		from.base += in->stride[axis];
		kir_iv k = ig_vec_loop(&b, "k", in->type.dim[axis] - 1, state, 3);
		ig_vec_term(&from, k, in->stride[axis]);
		kir_val x = kb_load(&b, KIR_T(e, 1), from), at = kb_op2(&b, KIR_ADD, state[2], kb_const_i(&b, place, 1));
		kir_val better = min ? kb_op2(&b, KIR_CMPLT, x, state[0]) : kb_op2(&b, KIR_CMPLT, state[0], x);
		if (last)
			better = kb_op2(&b, KIR_OR, better, kb_op2(&b, KIR_CMPEQ, x, state[0]));
		state[0] = kb_select(&b, better, x, state[0]);
		state[1] = kb_select(&b, better, at, state[1]);
		state[2] = at;
		ig_vec_end(&b, k, state, 3);
	}
	kb_store(&b, kb_op1(&b, KIR_SEXT, KIR_T(KIR_I64, 1), state[1]), to);
	for (int i = rank - 1; i >= 0; i--)
		ig_vec_end(&b, iv[i], NULL, 0);
	return true;
}

bool ig_lower_argmax(struct ig_lower *L, struct ig_nid n) { return lower_arg(L, n); }
bool ig_lower_argmin(struct ig_lower *L, struct ig_nid n) { return lower_arg(L, n); }
