/* Float convolutions and linear layers: per output one chain of fused multiply-adds from the bias, in the order (row, column, channel); padding is
   multiplied as +0. Weights may be stored in fewer bits: a step makes float32 of them, once for all pixels of the tile. The loops are sched_conv.c's. */
#include "codegen/conv.h"
#include "ir/stored.h"

#include <string.h>

/* The stored form of a step's weights for vector i, as far as all its products share it. */
static kir_val load_weights(const struct ig_conv *c, struct kir_builder *b, const struct kir_addr *w, int i)
{
	struct kir_addr at = *w;
	at.base += (int64_t)i * c->lanes;
	switch (c->stored) {
	case IG_DT_F32: return kb_load(b, KIR_T(KIR_F32, c->lanes), at);
	case IG_DT_F16:
	case IG_DT_BF16: return kb_load(b, KIR_T(KIR_I16, c->lanes), at);
	default: return kb_op1(b, KIR_SEXT, KIR_T(KIR_I32, c->lanes), kb_load(b, KIR_T(KIR_I8, c->lanes), at));
	}
}

/* The float32 weights of product j of the step. */
static kir_val weights(const struct ig_conv *c, struct kir_builder *b, kir_val v, int i, int j)
{
	struct kir_type f = KIR_T(KIR_F32, c->lanes);
	struct kir_addr scale = c->scale_at;
	switch (c->stored) {
	case IG_DT_F32: return v;
	case IG_DT_F16: return kb_op1(b, KIR_HTOF, f, v);
	case IG_DT_BF16: return kb_op1(b, KIR_BITCAST, f, kb_shift(b, KIR_SHL, kb_op1(b, KIR_ZEXT, KIR_T(KIR_I32, c->lanes), v), 16));
	default: break;
	}
	if (c->nibbles && j == 0)
		v = kb_shift(b, KIR_SHL, v, 28);
	if (c->nibbles)
		v = kb_shift(b, KIR_SHRS, v, j == 0 ? 28 : 4);
	scale.base += (int64_t)i * c->lanes;
	return kb_op2(b, KIR_MUL, kb_op1(b, KIR_ITOF, f, v), kb_load(b, f, scale));
}

static void step_float(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel,
                       const struct kir_addr *w)
{
	kir_val stored[16], wv[16];
	for (int i = 0; i < nv; i++)
		stored[i] = load_weights(c, b, w, i);
	for (int j = 0; j < c->group; j++) {
		for (int i = 0; i < nv; i++)
			wv[i] = weights(c, b, stored[i], i, j);
		for (int p = 0; p < pixels; p++) {
			struct kir_addr at = *a;
			at.base += p * pixel + j;
			kir_val x = ig_vec_load_f(b, &at, c->lanes, 1, 0);
			for (int i = 0; i < nv; i++)
				acc[p * nv + i] = kb_fma(b, x, wv[i], acc[p * nv + i]);
		}
	}
}

bool ig_conv_prepare_float(struct ig_conv *c, struct ig_conv_kind *k)
{
	const struct ig_target *t = c->L->t;
	*k = (struct ig_conv_kind){.step = step_float, .tile = {t->float_tile}};
	/* As many registers as an int8 tile takes: then the other shapes fit as well, for rows that the first one does not divide. */
	if (t->float_tile.pixels == t->tile[0].pixels && t->float_tile.vectors == t->tile[0].vectors)
		memcpy(k->tile, t->tile, sizeof t->tile);
	const struct ig_tensor *bias = c->n->n_in > 2 ? ig_const_data(c->L->g, c->n->in[2]) : NULL;
	if (bias && bias->type.dtype != IG_DT_F32)
		return ig_low_refuse(c->L, c->id, "its bias must be float32");
	const struct ig_qparam *q = ig_qparam(c->L->g, ig_vtype(c->L->g, c->n->in[1])->q);
	c->part = q && q->group < c->icg ? q->group : q && q->group ? c->icg : 0;
	/* With an odd number of input channels, or in odd groups, s4 is a byte each. */
	c->nibbles = c->stored == IG_DT_S4 && c->icg % 2 == 0 && c->part % 2 == 0;
	c->group = c->nibbles ? 2 : 1;
	ig_conv_source(c);
	if (!ig_epilogue_init(c))
		return false;
	c->start = ig_pack_channels_f(c, "bias", bias ? bias->data : IG_NEWN(c->L->arena, float, c->g.oc));
	if (q)
		c->scale = ig_pack_scales(c);
	return ig_conv_choose(c, k);
}
