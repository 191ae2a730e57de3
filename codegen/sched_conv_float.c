/* Float convolutions and linear layers: per output one chain of fused multiply-adds from the bias, in the order (row, column, channel); padding is
   multiplied as +0. The loops are sched_conv.c's. */
#include "codegen/conv.h"

#include <string.h>

static void step_float(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel,
                       const struct kir_addr *w)
{
	kir_val wv[16];
	for (int i = 0; i < nv; i++) {
		struct kir_addr at = *w;
		at.base += (int64_t)i * c->lanes;
		wv[i] = kb_load(b, KIR_T(KIR_F32, c->lanes), at);
	}
	for (int p = 0; p < pixels; p++) {
		struct kir_addr at = *a;
		at.base += p * pixel;
		kir_val x = ig_vec_load_f(b, &at, c->lanes, 1, 0);
		for (int i = 0; i < nv; i++)
			acc[p * nv + i] = kb_fma(b, x, wv[i], acc[p * nv + i]);
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
	c->group = 1;
	ig_conv_source(c);
	if (!ig_epilogue_init(c))
		return false;
	c->start = ig_pack_channels_f(c, "bias", bias ? bias->data : IG_NEWN(c->L->arena, float, c->g.oc));
	return ig_conv_choose(c, k);
}
