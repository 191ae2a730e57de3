/* Depthwise convolutions of vertical stride 1 on targets with a dot product of four bytes: the rows under the kernel lie in the four bytes of each lane, and a
   step down shifts them by one and puts the new row behind. A loaded activation serves all rows and columns of the kernel that it lies under, and one
   instruction multiplies a column of the kernel. */
#include "codegen/depthwise.h"

#define MAX_COLUMNS 64

/* [kx][channel][row]: rows beyond the kernel's are zero. */
int32_t ig_depthwise_pack_rows(struct ig_depthwise *d)
{
	struct ig_conv *c = &d->c;
	const int8_t *w = ig_const_data(c->L->g, c->n->in[1])->data;
	int64_t n = c->g.kw * d->padded * 4;
	int8_t *p = IG_NEWN(c->L->arena, int8_t, n);
	for (int64_t i = 0; i < c->g.ic; i++)
		for (int64_t ky = 0; ky < c->g.kh; ky++)
			for (int64_t kx = 0; kx < c->g.kw; kx++)
				p[(kx * d->padded + i) * 4 + ky] = w[(i * c->g.kh + ky) * c->g.kw + kx];
	return kir_buffer_const(c->L->m, ig_arena_printf(c->L->arena, "%s.weight", c->n->name), KIR_I8, n, p);
}

/* Does some output of the tile need input column x? */
static bool used(const struct ig_conv_geom *g, int pixels, int64_t x)
{
	for (int64_t kx = 0; kx < g->kw; kx++)
		if (x >= kx * g->dw && (x - kx * g->dw) % g->sw == 0 && (x - kx * g->dw) / g->sw < pixels)
			return true;
	return false;
}

/* The activation of row y, column x, in byte `slot` of its lanes. */
static kir_val activation(struct kir_builder *b, const struct ig_depthwise *d, const struct ig_dw_tile *t, struct kir_addr a, int64_t y, int64_t x, int64_t slot)
{
	a.base += y * d->c.a.y + x * d->c.a.x;
	kir_val v = ig_vec_load_q(b, &a, d->c.lanes, d->whole ? d->c.lanes : t->active, 1, 0);
	return slot ? kb_shift(b, KIR_SHL, v, (int)(8 * slot)) : v;
}

void ig_depthwise_column(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t)
{
	const struct ig_conv *c = &d->c;
	const struct ig_conv_geom *g = &c->g;
	int64_t columns = (t.pixels - 1) * g->sw + (g->kw - 1) * g->dw + 1, newest = g->kh - 1, at[MAX_COLUMNS];
	struct kir_type bytes = KIR_T(KIR_I8, 4 * c->lanes);
	kir_val q[MAX_COLUMNS], w[5], acc[IG_DW_PIXELS];
	int n = 0;
	struct kir_addr start = t.ch;
	start.buf = c->start;
	kir_val first = kb_load(b, KIR_T(KIR_I32, c->lanes), start);
	for (int64_t kx = 0; kx < g->kw; kx++) {
		struct kir_addr a = t.w;
		a.base += kx * d->padded * 4;
		w[kx] = kb_load(b, bytes, a);
	}
	for (int64_t x = 0; x < columns; x++) {
		if (!used(g, t.pixels, x))
			continue;
		if (n == MAX_COLUMNS)
			IG_BUG("too many columns");
		at[n] = x;
		q[n] = activation(b, d, &t, t.a, 0, x, 1);
		for (int64_t y = 1; y < newest; y++)
			q[n] = kb_op2(b, KIR_OR, q[n], activation(b, d, &t, t.a, y, x, y + 1));
		n++;
	}
	kir_iv y = ig_vec_loop(b, "y", g->oh, q, n);
	ig_vec_term(&t.a, y, c->a.y);
	ig_vec_term(&t.out, y, c->out.stride[2]);
	ig_vec_term(&t.res, y, c->res.stride[2]);
	for (int i = 0; i < n; i++)
		q[i] = kb_op2(b, KIR_OR, kb_shift(b, KIR_SHRU, q[i], 8), activation(b, d, &t, t.a, newest, at[i], newest));
	for (int p = 0; p < t.pixels; p++) {
		acc[p] = first;
		for (int64_t kx = 0; kx < g->kw; kx++)
			for (int i = 0; i < n; i++)
				if (at[i] == p * g->sw + kx * g->dw)
					acc[p] = kb_dot(b, acc[p], kb_op1(b, KIR_BITCAST, bytes, q[i]), w[kx], true);
	}
	ig_depthwise_finish(b, d, &t, acc);
	ig_vec_end(b, y, q, n);
}
