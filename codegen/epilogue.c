/* From accumulators to stored results: requantization or float factors, residual, activation, packing. One rounding per operation, in the order of
   ir/requant.h. */
#include "codegen/conv.h"

#include <math.h>

bool ig_epilogue_init(struct ig_conv *c)
{
	struct ig_epilogue *e = &c->e;
	*e = (struct ig_epilogue){.acc_float = c->is_float, .out_float = ig_low_is_float(&c->out), .m = -1, .bias = -1, .res = c->has_res ? &c->res : NULL};
	ig_act_bounds(c->n, &e->lo, &e->hi);
	if (c->is_float)
		return true;
	if (!ig_requant_of(c->L->g, c->n, c->L->arena, &e->q, c->L->d))
		return false;
	if (e->q.fixed)
		return ig_low_refuse(c->L, c->id, "requantize: fixed has no generated code yet; use requantize: float");
	e->m = ig_pack_channels_f(c, "factors", e->q.m);
	if (e->q.bias)
		e->bias = ig_pack_channels_f(c, "bias", e->q.bias);
	e->pack = (struct ig_vec_pack){e->q.lo, e->q.hi, e->q.zp, false};
	return true;
}

static kir_val load_channels(struct kir_builder *b, int32_t buf, const struct kir_addr *ch, int lanes)
{
	struct kir_addr a = *ch;
	a.buf = buf;
	return kb_load(b, KIR_T(KIR_F32, lanes), a);
}

kir_val ig_epilogue_value(struct kir_builder *b, const struct ig_epilogue *e, kir_val acc, const struct kir_addr *ch, const struct kir_addr *res, int active)
{
	int lanes = kb_type(b, acc).lanes;
	kir_val v = acc;
	if (!e->acc_float) {
		v = kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, lanes), acc);
		if (e->bias >= 0)
			v = kb_op2(b, KIR_ADD, v, load_channels(b, e->bias, ch, lanes));
		v = kb_op2(b, KIR_MUL, v, load_channels(b, e->m, ch, lanes));
	}
	if (e->res) {
		kir_val r;
		if (ig_low_is_float(e->res)) {
			r = ig_vec_load_f(b, res, lanes, active, 1);
		} else {
			r = ig_vec_load_qf(b, res, lanes, active, 1, e->q.residual_zp);
			r = kb_op2(b, KIR_MUL, r, kb_const_f(b, lanes, e->q.residual));
		}
		v = kb_op2(b, KIR_ADD, v, r);
	}
	return e->out_float ? ig_vec_clamp_f(b, v, e->lo, e->hi) : v;
}

void ig_epilogue_store(struct kir_builder *b, const struct ig_epilogue *e, const kir_val *v, int n, int lanes, struct kir_addr to, int active)
{
	if (!e->out_float) {
		ig_vec_store_q(b, v, n, lanes, &e->pack, to, active);
		return;
	}
	for (int i = 0; i < n && active > 0; i++, active -= lanes, to.base += lanes)
		ig_vec_store_f(b, v[i], to, active < lanes ? active : lanes);
}
