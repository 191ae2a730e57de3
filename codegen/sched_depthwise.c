/* Depthwise convolutions: vectors run over channels, a tile is some neighbouring pixels of one vector, so that a loaded activation serves every window
   it lies in. One product per lane and tap: of 16 bits where those are as fast as any (Arm); where the target has a dot product, its first element is used; the others are multiplied by the zeros of the
   widened activation. */
#include "codegen/depthwise.h"

#include <string.h>

#define MAX_STRAIGHT 9 /* taps; more: a loop over the kernel's rows */

static kir_val load_pixel(struct kir_builder *b, const struct ig_depthwise *d, const struct kir_addr *a, int active)
{
	int lanes = d->c.lanes, n = d->whole ? lanes : active;
	if (d->product == P_FLOAT)
		return ig_vec_load_f(b, a, lanes, n, 1);
	if (d->product == P_LONG)
		return kb_op1(b, KIR_ZEXT, KIR_T(KIR_I16, lanes), kb_load_n(b, KIR_T(KIR_I8, lanes), *a, n));
	kir_val x = ig_vec_load_q(b, a, lanes, n, 1, 0);
	if (d->product == P_DOT8)
		return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, 4 * lanes), x);
	if (d->product == P_DOT16)
		return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I16, 2 * lanes), x);
	return x;
}

static kir_val load_weight(struct kir_builder *b, const struct ig_depthwise *d, struct kir_addr w, int64_t tap)
{
	int lanes = d->c.lanes;
	w.base += tap * d->padded;
	kir_val x = kb_load(b, KIR_T(d->product == P_FLOAT ? KIR_F32 : d->product == P_LONG ? KIR_I16 : KIR_I32, lanes), w);
	if (d->product == P_DOT8)
		return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, 4 * lanes), x);
	if (d->product == P_DOT16)
		return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I16, 2 * lanes), x);
	return x;
}

static kir_val multiply_add(struct kir_builder *b, const struct ig_depthwise *d, kir_val acc, kir_val x, kir_val w)
{
	switch (d->product) {
	case P_FLOAT: return kb_fma(b, x, w, acc);
	case P_DOT8: return kb_dot(b, acc, x, w, true);
	case P_LONG:
	case P_DOT16: return kb_dot(b, acc, x, w, false);
	default: return kb_op2(b, KIR_ADD, acc, kb_op2(b, KIR_MUL, x, w));
	}
}

/* One row of the kernel over all pixels of the tile, column by column of the input. */
static void row(struct kir_builder *b, const struct ig_depthwise *d, const struct ig_dw_tile *t, kir_val *acc, struct kir_addr a, const kir_val *w)
{
	const struct ig_conv_geom *g = &d->c.g;
	int64_t columns = (t->pixels - 1) * g->sw + (g->kw - 1) * g->dw + 1;
	for (int64_t x = 0; x < columns; x++) {
		kir_val v = -1;
		for (int p = t->pixels - 1; p >= 0; p--) {
			int64_t kx = (x - p * g->sw) / g->dw;
			if (x < p * g->sw || kx * g->dw != x - p * g->sw || kx >= g->kw)
				continue;
			if (v < 0) {
				struct kir_addr at = a;
				at.base += x * d->c.a.x;
				v = load_pixel(b, d, &at, t->active);
			}
			acc[p] = multiply_add(b, d, acc[p], v, w[kx]);
		}
	}
}

/* Rounds, packs and stores the pixels; four at a time where a vector of bytes holds four. */
static void store_pixels(struct kir_builder *b, const struct ig_depthwise *d, const struct ig_dw_tile *t, const kir_val *v)
{
	const struct ig_epilogue *e = &d->c.e;
	int lanes = d->c.lanes;
	for (int p = 0; p < t->pixels;) {
		int n = e->out_float || e->q.fixed || p + 4 > t->pixels ? 1 : 4;
		struct kir_addr out = t->out;
		out.base += p * d->c.out.stride[3];
		if (n == 1) {
			ig_epilogue_store(b, e, v + p, 1, lanes, out, t->active);
		} else {
			kir_val q = ig_vec_fpack(b, ig_vec_join(b, v + p, n), &e->pack);
			for (int i = 0; i < n; i++, out.base += d->c.out.stride[3])
				kb_store_n(b, kb_extract(b, q, i * lanes, lanes), out, t->active);
		}
		p += n;
	}
}

void ig_depthwise_finish(struct kir_builder *b, const struct ig_depthwise *d, const struct ig_dw_tile *t, kir_val *acc)
{
	for (int p = 0; p < t->pixels; p++) {
		struct kir_addr res = t->res;
		res.base += p * d->c.res.stride[3];
		acc[p] = ig_epilogue_value(b, &d->c.e, acc[p], &t->ch, &res, t->active);
	}
	store_pixels(b, d, t, acc);
}

static void emit_tile(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile tile)
{
	const struct ig_dw_tile *t = &tile;
	const struct ig_conv *c = &d->c;
	const struct ig_conv_geom *g = &c->g;
	kir_val acc[IG_DW_PIXELS], w[MAX_STRAIGHT];
	struct kir_addr start = t->ch, a = t->a, wa = t->w;
	start.buf = c->start;
	acc[0] = kb_load(b, KIR_T(c->is_float ? KIR_F32 : KIR_I32, c->lanes), start);
	for (int p = 1; p < t->pixels; p++)
		acc[p] = acc[0];
	bool rolled = g->kh * g->kw > MAX_STRAIGHT, wide = g->kw > MAX_STRAIGHT;
	kir_iv ky = rolled ? ig_vec_loop(b, "ky", g->kh, acc, t->pixels) : -1;
	ig_vec_term(&a, ky, g->dh * c->a.y);
	ig_vec_term(&wa, ky, g->kw * d->padded);
	if (wide) { /* column by column, nothing shared */
		kir_iv kx = ig_vec_loop(b, "kx", g->kw, acc, t->pixels);
		ig_vec_term(&a, kx, g->dw * c->a.x);
		ig_vec_term(&wa, kx, d->padded);
		kir_val wx = load_weight(b, d, wa, 0);
		for (int p = 0; p < t->pixels; p++) {
			struct kir_addr at = a;
			at.base += p * g->sw * c->a.x;
			acc[p] = multiply_add(b, d, acc[p], load_pixel(b, d, &at, t->active), wx);
		}
		ig_vec_end(b, kx, acc, t->pixels);
	} else {
		for (int64_t y = 0; y < (rolled ? 1 : g->kh); y++) {
			for (int64_t kx = 0; kx < g->kw; kx++)
				w[kx] = load_weight(b, d, wa, y * g->kw + kx);
			struct kir_addr at = a;
			at.base += y * g->dh * c->a.y;
			row(b, d, t, acc, at, w);
		}
	}
	ig_vec_end(b, ky, acc, t->pixels);
	ig_depthwise_finish(b, d, t, acc);
}

static void shift_pixels(const struct ig_depthwise *d, struct ig_dw_tile *t, kir_iv iv, int64_t first, int64_t pixels)
{
	int64_t a = d->c.g.sw * d->c.a.x, out = d->c.out.stride[3], res = d->c.res.stride[3];
	t->a.base += first * a;
	t->out.base += first * out;
	t->res.base += first * res;
	ig_vec_term(&t->a, iv, pixels * a);
	ig_vec_term(&t->out, iv, pixels * out);
	ig_vec_term(&t->res, iv, pixels * res);
}

static void shift_channels(const struct ig_depthwise *d, struct ig_dw_tile *t, kir_iv iv, int64_t first, int64_t step)
{
	struct kir_addr *a[5] = {&t->a, &t->w, &t->ch, &t->out, &t->res};
	for (int i = 0; i < 5; i++) {
		int64_t each = a[i] == &t->w && d->rows ? 4 : 1;
		a[i]->base += first * each;
		ig_vec_term(a[i], iv, step * each);
	}
}

typedef void emit_fn(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t);

/* Vectors of channels, whole ones and the rest. */
static void each_channel(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t, emit_fn *body)
{
	int lanes = d->c.lanes;
	int64_t blocks = d->c.g.ic / lanes;
	struct ig_dw_tile rest = t;
	if (blocks) {
		kir_iv o = ig_vec_loop(b, "c", blocks, NULL, 0);
		shift_channels(d, &t, o, 0, lanes);
		t.active = lanes;
		body(b, d, t);
		ig_vec_end(b, o, NULL, 0);
	}
	rest.active = (int)(d->c.g.ic % lanes);
	shift_channels(d, &rest, -1, blocks * lanes, 0);
	if (rest.active)
		body(b, d, rest);
}

/* Tiles of pixels along a row, equal ones and the rest. */
static void each_tile(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t, emit_fn *body)
{
	int64_t parts = (d->c.g.ow + d->pixels - 1) / d->pixels, per = (d->c.g.ow + parts - 1) / parts, full = d->c.g.ow / per;
	struct ig_dw_tile rest = t;
	t.pixels = (int)per;
	kir_iv x = ig_vec_loop(b, "x", full, NULL, 0);
	shift_pixels(d, &t, x, 0, per);
	body(b, d, t);
	ig_vec_end(b, x, NULL, 0);
	rest.pixels = (int)(d->c.g.ow - full * per);
	shift_pixels(d, &rest, -1, full * per, 0);
	if (rest.pixels)
		body(b, d, rest);
}

static void tiles_of_row(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t) { each_tile(b, d, t, emit_tile); }
static void channels_of_column(struct kir_builder *b, const struct ig_depthwise *d, struct ig_dw_tile t) { each_channel(b, d, t, ig_depthwise_column); }

/* Channels are inside the loop over rows, or over columns of tiles: their vectors share cache lines, which shall not have left the cache in between. */
void ig_depthwise_emit(struct ig_depthwise *d)
{
	struct ig_conv *c = &d->c;
	kir_iv image;
	if (c->s.variant == IG_SCHED_QUADS) {
		ig_depthwise_emit_quads(d);
		return;
	}
	struct kir_builder b = ig_conv_open(c, d->fill, &image);
	struct ig_dw_tile t = {.a = kb_addr(c->a.buf, c->a.base), .w = kb_addr(d->w, 0), .ch = kb_addr(c->start, 0), .out = kb_addr(c->out.buf, c->out.base),
	                       .res = kb_addr(c->res.buf, c->res.base)};
	ig_vec_term(&t.a, image, c->a.n);
	ig_vec_term(&t.out, image, c->out.stride[0]);
	ig_vec_term(&t.res, image, c->res.stride[0]);
	if (d->rows) {
		each_tile(&b, d, t, channels_of_column);
	} else {
		kir_iv y = ig_vec_loop(&b, "y", c->g.oh, NULL, 0);
		ig_vec_term(&t.a, y, c->g.sh * c->a.y);
		ig_vec_term(&t.out, y, c->out.stride[2]);
		ig_vec_term(&t.res, y, c->res.stride[2]);
		each_channel(&b, d, t, tiles_of_row);
		ig_vec_end(&b, y, NULL, 0);
	}
	ig_conv_close(c, &b, image);
}

/* [tap][channel], channels padded to whole vectors; int8 weights sign-extended to the lanes they are used in. */
static int32_t pack(struct ig_depthwise *d)
{
	struct ig_conv *c = &d->c;
	if (d->rows)
		return ig_depthwise_pack_rows(d);
	const struct ig_tensor *w = ig_const_data(c->L->g, c->n->in[1]);
	int64_t taps = c->g.kh * c->g.kw, n = taps * d->padded;
	const char *name = ig_arena_printf(c->L->arena, "%s.weight", c->n->name);
	float *f = IG_NEWN(c->L->arena, float, n);
	int32_t *q = IG_NEWN(c->L->arena, int32_t, n);
	int16_t *h = IG_NEWN(c->L->arena, int16_t, n);
	for (int64_t k = 0; k < taps; k++)
		for (int64_t i = 0; i < c->g.ic; i++)
			if (c->is_float)
				f[k * d->padded + i] = ((const float *)w->data)[i * taps + k];
			else
				h[k * d->padded + i] = (int16_t)(q[k * d->padded + i] = ((const int8_t *)w->data)[i * taps + k]);
	if (d->product == P_LONG)
		return kir_buffer_const(c->L->m, name, KIR_I16, n, h);
	return c->is_float ? kir_buffer_const(c->L->m, name, KIR_F32, n, f) : kir_buffer_const(c->L->m, name, KIR_I32, n, q);
}

static enum ig_dw_product choose(const struct ig_conv *c)
{
	const struct ig_target *t = c->L->t;
	if (c->is_float)
		return P_FLOAT;
	if (t->dot.group == 4 && !t->dot.a_signed && t->recipe[IG_R_DOT_U8S8].intrinsic)
		return P_DOT8;
	return t->dot.elem == 16 ? P_DOT16 : t->dot.a_signed ? P_LONG : P_MUL;
}

bool ig_depthwise_prepare(struct ig_depthwise *d)
{
	struct ig_conv *c = &d->c;
	struct ig_lower *L = c->L;
	const struct ig_tensor *bias = c->n->n_in > 2 ? ig_const_data(L->g, c->n->in[2]) : NULL;
	const struct ig_qparam *q = ig_qparam(L->g, c->in.type.q);
	if (c->is_float ? bias && bias->type.dtype != IG_DT_F32 : !q && !c->dynamic)
		return ig_low_refuse(L, c->id, "its input needs parameters, or its bias must be float32");
	d->product = choose(c);
	if (d->product == P_LONG && c->g.oc >= 8)
		c->lanes = c->last = c->cut = 8; /* an instruction for each half of 8 */
	d->fill = q ? q->zero_point[0] : 0;
	if (!ig_depthwise_choose(c, d->product == P_DOT8 && c->g.sh == 1 && c->g.dh == 1 && c->g.kh >= 2 && c->g.kh <= 4 && c->g.kw <= 5))
		return false;
	if (c->s.variant == IG_SCHED_QUADS)
		return ig_depthwise_prepare_quads(d);
	d->pixels = c->s.pixels;
	d->rows = c->s.variant == IG_SCHED_COLUMNS;
	c->group = 1;
	c->g.groups = 1; /* for packing and reading, all channels are one run; each output still reads its own only */
	c->ocg = c->g.oc;
	ig_conv_source(c);
	if (!ig_epilogue_init(c))
		return false;
	d->padded = ig_pack_padded(c);
	enum kir_space s = L->m->buf[c->a.buf].space;
	d->whole = s == KIR_ARENA || s == KIR_SCRATCH;
	c->start = c->is_float ? ig_pack_channels_f(c, "bias", bias ? bias->data : IG_NEWN(L->arena, float, c->g.oc)) : ig_conv_start(c, false);
	d->w = pack(d);
	return true;
}

bool ig_sched_depthwise(struct ig_lower *L, struct ig_nid id)
{
	struct ig_depthwise d;
	if (!ig_conv_begin(&d.c, L, id) || !ig_depthwise_prepare(&d))
		return false;
	ig_depthwise_emit(&d);
	return true;
}

bool ig_lower_depthwise_conv2d(struct ig_lower *L, struct ig_nid n) { return ig_sched_depthwise(L, n); }
bool ig_lower_depthwise_conv2d_add(struct ig_lower *L, struct ig_nid n) { return ig_sched_depthwise(L, n); }
