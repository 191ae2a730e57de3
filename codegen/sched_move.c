/* What moves values: reshape, flatten, transpose and concat, where they are no views. */
#include "codegen/lower.h"
#include "ir/tables.h"

/* A space in which both shapes can be indexed: their dimensions split at the boundaries of either. False when boundaries do not divide, or too many. */
static bool common_space(const struct kir_tensor *out, const struct kir_tensor *in, struct ig_nest *n)
{
	int64_t extent[IG_NEST_RANK], so[IG_NEST_RANK], si[IG_NEST_RANK];
	int r = IG_NEST_RANK, i = out->type.rank - 1, j = in->type.rank - 1;
	int64_t a = 1, b = 1, da = 1, db = 1; /* what is left of the current dimensions, and their elements already split off */
	for (;;) {
		while (a == 1 && i >= 0)
			a = out->type.dim[i--], da = 1;
		while (b == 1 && j >= 0)
			b = in->type.dim[j--], db = 1;
		if (a == 1 && b == 1)
			break;
		int64_t e = a < b ? a : b;
		if (a % e || b % e || r == 0)
			return false;
		extent[--r] = e;
		so[r] = out->stride[i + 1] * da;
		si[r] = in->stride[j + 1] * db;
		a /= e, da *= e;
		b /= e, db *= e;
	}
	ig_nest_init(n, IG_NEST_RANK - r, extent + r);
	ig_nest_operand(n, out->buf, out->base, so + r);
	ig_nest_operand(n, in->buf, in->base, si + r);
	return true;
}

static bool lower_reshape(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	struct kir_builder b = ig_low_func(L, id);
	enum kir_elem e = ig_layout_elem(out->type.dtype);
	struct ig_nest nest;
	if (common_space(out, in, &nest)) {
		ig_nest_copy(&b, &nest, L->t->vector_bytes / kir_elem_bytes(e), e);
		return true;
	}
	/* Through logical order in scratch. */
	struct kir_tensor flat = *in;
	flat.buf = ig_layout_buffer(L, "logical", KIR_SCRATCH, e, ig_elems(&in->type));
	flat.base = 0;
	ig_layout_row_major(&flat.type, flat.stride);
	ig_low_copy(L, &b, &flat, in);
	flat.type = out->type;
	ig_layout_row_major(&flat.type, flat.stride);
	ig_low_copy(L, &b, out, &flat);
	return true;
}

bool ig_lower_reshape(struct ig_lower *L, struct ig_nid n) { return lower_reshape(L, n); }
bool ig_lower_flatten(struct ig_lower *L, struct ig_nid n) { return lower_reshape(L, n); }
bool ig_lower_observe(struct ig_lower *L, struct ig_nid n) { return lower_reshape(L, n); }
bool ig_lower_quant(struct ig_lower *L, struct ig_nid n) { return lower_reshape(L, n); }
bool ig_lower_dequant(struct ig_lower *L, struct ig_nid n) { return lower_reshape(L, n); }

bool ig_lower_transpose(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	const struct ig_attr *perm = ig_attr(n, IG_A_PERM);
	struct kir_tensor from = *in;
	for (int i = 0; i < out->type.rank; i++) {
		int64_t p = perm ? perm->u.ints[i] : out->type.rank - 1 - i;
		from.stride[i] = in->stride[p];
		from.type.dim[i] = in->type.dim[p];
	}
	struct kir_builder b = ig_low_func(L, id);
	ig_low_copy(L, &b, out, &from);
	return true;
}

bool ig_lower_concat(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *out = ig_low_view(L, n->out[0]);
	const struct ig_qparam *qo = ig_qparam(L->g, out->type.q);
	int axis = (int)ig_attr_int(n, IG_A_AXIS, 1);
	int64_t at = 0;
	struct kir_builder b = {L->m, NULL};
	if (axis < 0)
		axis += out->type.rank;
	for (int i = 0; i < n->n_in; i++) {
		const struct kir_tensor *in = ig_low_view(L, n->in[i]);
		const struct ig_qparam *qi = ig_qparam(L->g, in->type.q);
		struct kir_tensor to = *out;
		to.type = in->type;
		to.base = out->base + at * out->stride[axis];
		at += in->type.dim[axis];
		if (in->type.dtype != out->type.dtype || !qi != !qo)
			return ig_low_refuse(L, id, "its operands and result must be all quantized or all float32");
		if (in->buf == to.buf && in->base == to.base)
			continue; /* its producer wrote it here */
		if (!b.f)
			b = ig_low_func(L, id);
		if (qi && !ig_qparam_equal(qi, qo)) {
			uint8_t t[256];
			ig_table_requantize(qi, qo, t);
			double a = (double)qi->scale[0] / (double)qo->scale[0];
			ig_sched_table(L, &b, &to, in, t, a, -a * qi->zero_point[0]);
		} else {
			ig_low_copy(L, &b, &to, in);
		}
	}
	return true;
}
