/* int8 products by matrix instructions of two pixels by two channels, eight products each (MMLA). The loops are sched_conv.c's; the weights' order is the
   ordinary one for groups of eight: the 32 bytes of four channels are the second operands for channels 0, 1 and 2, 3.

   Of pixels 2q and 2q + 1 and vector i of channels, the sums of channels 0 and 1 are in acc[2q * nv + i], those of 2 and 3 in acc[(2q + 1) * nv + i]. The
   64-bit halves of these are exchanged before and after the loops. An odd last pixel is its own partner. */
#include "codegen/conv.h"

#define HALF 16 /* bytes of weights of two channels */

static kir_val as_pairs(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I64, 2), x); }
static kir_val as_bytes(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, 16), x); }

static void exchange(struct kir_builder *b, kir_val *x, kir_val *y)
{
	struct kir_type t = KIR_T(KIR_I32, 4);
	kir_val p = as_pairs(b, *x), q = as_pairs(b, *y);
	*x = kb_op1(b, KIR_BITCAST, t, kb_op2(b, KIR_ZIPLO, p, q));
	*y = kb_op1(b, KIR_BITCAST, t, kb_op2(b, KIR_ZIPHI, p, q));
}

void ig_conv_mmla_exchange(struct kir_builder *b, kir_val *acc, int pixels, int nv)
{
	for (int q = 0; q < pixels; q += 2)
		for (int i = 0; i < nv; i++)
			exchange(b, &acc[q * nv + i], &acc[(q + 1) * nv + i]);
}

/* First operands for `steps` (1 or 2) steps of the pixels at x and y. */
static void load_pair(struct kir_builder *b, const struct kir_addr *x, const struct kir_addr *y, int steps, kir_val *a)
{
	struct kir_type t = KIR_T(KIR_I64, steps);
	kir_val p = kb_load(b, t, *x), q = y == x ? p : kb_load(b, t, *y);
	a[0] = as_bytes(b, kb_op2(b, steps == 1 ? KIR_INTERLEAVE : KIR_ZIPLO, p, q));
	if (steps == 2)
		a[1] = as_bytes(b, kb_op2(b, KIR_ZIPHI, p, q));
}

void ig_conv_mmla_steps(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel,
                        const struct kir_addr *w, int steps)
{
	kir_val x[IG_MMLA_PIXELS / 2][2];
	if (pixels > IG_MMLA_PIXELS || steps > 2)
		IG_BUG("%d pixels, %d steps", pixels, steps);
	for (int p = 0; p < pixels; p += 2) {
		struct kir_addr first = *a, second;
		first.base += p * pixel;
		second = first;
		second.base += pixel;
		load_pair(b, &first, p + 1 < pixels ? &second : &first, steps, x[p / 2]);
	}
	for (int s = 0; s < steps; s++)
		for (int i = 0; i < 2 * nv; i++) {
			struct kir_addr at = *w;
			at.base += s * ig_conv_width(c, nv) + i * HALF;
			kir_val wv = kb_load(b, KIR_T(KIR_I8, HALF), at);
			for (int p = 0; p < pixels; p += 2) {
				kir_val *sum = &acc[(p + i % 2) * nv + i / 2];
				*sum = kb_mmla(b, *sum, x[p / 2][s], wv, true);
			}
		}
}
