/* Byte tables that are a straight line between two bounds: rne(q * a + b) and a clamp give every entry, so that vectors compute what they would look up one by
   one. Each entry is checked, so the bits are the table's. */
#include "codegen/lower.h"
#include "runtime/qmath.h"

#include <math.h>

static bool gives(const uint8_t t[256], const struct ig_affine *f)
{
	for (int i = 0; i < 256; i++) {
		float x = (float)i * f->a;
		x = x + f->b;
		if (ig_pack(x, f->pack.zp, f->pack.lo, f->pack.hi) != t[i])
			return false;
	}
	return true;
}

bool ig_affine_fit(const uint8_t t[256], double a, double b, struct ig_affine *f)
{
	enum { NEAR = 4 };
	if (!(fabs(a) < 1e6 && fabs(b) < 1e6))
		return false;
	f->pack.small = ig_vec_small(255 * fabs(a) + fabs(b) + 1);
	/* The table rounds several times on its way; near ties a line that is off by as much meets it. */
	for (int i = 0; i < (2 * NEAR + 1) * (2 * NEAR + 1); i++) {
		int j = i % (2 * NEAR + 1) - NEAR, k = i / (2 * NEAR + 1) - NEAR;
		f->a = (float)(a * (1 + j * 0x1p-22));
		f->b = (float)(b + k * 0x1p-18);
		if (gives(t, f))
			return true;
	}
	return false;
}

void ig_affine_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct ig_affine *f = ctx;
	int lanes = p->lanes < f->lanes ? p->lanes : f->lanes, n = 0;
	kir_val v[KIR_MAX_LANES];
	for (int at = 0; at < p->active; at += lanes) {
		int now = p->active - at < lanes ? p->active - at : lanes;
		struct kir_addr x = p->at[1], k[2];
		x.base += p->step[1] ? at : 0;
		kir_val y = ig_vec_load_qf(b, &x, lanes, now, p->step[1], 0);
		if (f->per_channel) {
			for (int i = 0; i < 2; i++) {
				k[i] = p->at[2 + i];
				k[i].base += p->step[2 + i] ? at : 0;
			}
			y = kb_op2(b, KIR_MUL, y, ig_vec_load_f(b, &k[0], lanes, now, p->step[2]));
			v[n++] = kb_op2(b, KIR_ADD, y, ig_vec_load_f(b, &k[1], lanes, now, p->step[3]));
		} else {
			y = kb_op2(b, KIR_MUL, y, kb_const_f(b, lanes, f->a));
			v[n++] = kb_op2(b, KIR_ADD, y, kb_const_f(b, lanes, f->b));
		}
	}
	ig_vec_store_q(b, v, n, lanes, &f->pack, p->at[0], p->active);
}
