/* Convolutions and linear layers: one loop structure for every kind of product and target. Output channels run along vectors, a register tile holds
   some pixels by some vectors; the sum goes over segments of adjacent activations, four dot steps at a time. Int8 products are here, float ones in
   sched_conv_float.c. */
#include "codegen/conv.h"
#include "ir/stored.h"

#include <string.h>

#define MAX_ACC 64
#define MAX_STRAIGHT 10 /* windows of at most so many steps have no loop */
/* C source is unrolled by its compiler: text written out would only be slow to compile and long to read. */
#define IS_SOURCE(c) (!(c)->L->t->triple)

/* Addresses of one register tile. */
struct tile {
	int pixels, nv, active; /* active: output channels of them */
	int64_t rows, columns;  /* the results to compute: the image, or some tiles of a row */
	int64_t pixel;          /* elements between the tile's pixels in the activations */
	struct kir_addr a, w, ch, out, res;
};

static void run_steps(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, const struct tile *t, kir_val *acc, struct kir_addr a,
                      struct kir_addr w, int64_t first, int64_t n)
{
	int64_t width = ig_conv_width(c, t->nv), at_once = 1;
	for (int64_t s = first; s < first + n; s += at_once) {
		struct kir_addr as = a, ws = w;
		as.base += s * c->group;
		ws.base += s * width;
		if (!k->step) {
			at_once = s + 2 <= first + n ? 2 : 1;
			ig_conv_mmla_steps(c, b, acc, t->pixels, t->nv, &as, t->pixel, &ws, (int)at_once);
		} else {
			k->step(c, b, acc, t->pixels, t->nv, &as, t->pixel, &ws);
		}
	}
}

bool ig_conv_is_straight(const struct ig_conv *c) { return c->rows * c->cols * c->steps <= (IS_SOURCE(c) ? 1 : MAX_STRAIGHT); }

/* The steps of one segment, in a loop of some at once. */
static void run_segment(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, const struct tile *t, kir_val *acc, struct kir_addr a,
                        struct kir_addr w, int64_t steps)
{
	int n = ig_conv_acc_pixels(k, t->pixels) * t->nv;
	int64_t unroll = c->s.unroll ? c->s.unroll : 1, turns = steps / unroll;
	if (turns > 1) {
		kir_iv kk = kb_loop(b, "k", turns, acc, n);
		struct kir_addr ak = a, wk = w;
		kb_addr_add(&ak, kk, unroll * c->group);
		kb_addr_add(&wk, kk, unroll * ig_conv_width(c, t->nv));
		run_steps(c, k, b, t, acc, ak, wk, 0, unroll);
		kb_end(b, acc, n);
	} else {
		turns = 0;
	}
	run_steps(c, k, b, t, acc, a, w, turns * unroll, steps - turns * unroll);
}

/* The sum of one tile. */
static void accumulate(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, const struct tile *t, kir_val *acc)
{
	int64_t segment = c->steps * ig_conv_width(c, t->nv);
	int n = ig_conv_acc_pixels(k, t->pixels) * t->nv;
	struct kir_addr a = t->a, w = t->w;
	int64_t factors = c->part ? ig_pack_padded(c) : 0; /* from one group of input channels, which is a column, to the next */
	c->scale_at = t->ch;
	c->scale_at.buf = c->scale;
	if (ig_conv_is_straight(c)) {
		for (int64_t s = 0; s < c->rows * c->cols; s++) {
			a = t->a, w = t->w;
			a.base += s / c->cols * c->row_step + s % c->cols * c->col_step;
			w.base += s * segment;
			run_steps(c, k, b, t, acc, a, w, 0, c->tail && s + 1 == c->cols ? c->tail : c->steps);
			c->scale_at.base += factors;
		}
		return;
	}
	int64_t whole = c->cols - (c->tail > 0);
	kir_iv row = ig_vec_loop(b, "ky", c->rows, acc, n), col = ig_vec_loop(b, "kx", whole, acc, n);
	ig_vec_term(&a, row, c->row_step);
	ig_vec_term(&w, row, c->cols * segment);
	struct kir_addr last_a = a, last_w = w, last_scale = c->scale_at;
	ig_vec_term(&a, col, c->col_step);
	ig_vec_term(&w, col, segment);
	if (factors)
		ig_vec_term(&c->scale_at, col, factors);
	run_segment(c, k, b, t, acc, a, w, c->steps);
	ig_vec_end(b, col, acc, n);
	if (c->tail) {
		last_a.base += whole * c->col_step;
		last_w.base += whole * segment;
		last_scale.base += whole * factors;
		c->scale_at = last_scale;
		run_segment(c, k, b, t, acc, last_a, last_w, c->tail);
	}
	ig_vec_end(b, row, acc, n);
}

/* The vectors of one pixel: all are equal, or the last is shorter. */
static void store_pixel(struct ig_conv *c, struct kir_builder *b, const struct tile *t, const kir_val *v, struct kir_addr out)
{
	int equal = c->cut < c->lanes ? t->nv - 1 : t->nv, whole = equal * c->lanes;
	if (equal)
		ig_epilogue_store(b, &c->e, v, equal, c->lanes, out, t->active < whole ? t->active : whole);
	out.base += whole;
	if (equal < t->nv)
		ig_epilogue_store(b, &c->e, v + equal, 1, c->cut, out, t->active - whole);
}

/* Pixel by pixel where a result is not a byte; else vectors of all pixels are packed together, the shorter last ones apart. */
static void store_tile(struct ig_conv *c, struct kir_builder *b, const struct tile *t, const kir_val *v)
{
	bool fixed = !c->is_float && c->e.q.fixed;
	struct ig_stored s[MAX_ACC];
	struct kir_addr out = t->out;
	for (int p = 0; p < t->pixels && (c->e.out_float || fixed || IS_SOURCE(c)); p++, out.base += c->out.stride[3])
		store_pixel(c, b, t, v + p * t->nv, out);
	for (int cut = 0; cut < 2 && !(c->e.out_float || fixed || IS_SOURCE(c)); cut++) {
		int n = 0, lanes = cut ? c->cut : c->lanes;
		for (int p = 0; p < t->pixels; p++)
			for (int i = 0; i < t->nv; i++) {
				int left = t->active - i * c->lanes;
				if ((ig_conv_lanes(c, t->nv, i) < c->lanes) != cut)
					continue;
				s[n] = (struct ig_stored){v[p * t->nv + i], t->out, left < lanes ? left : lanes};
				s[n++].to.base += p * c->out.stride[3] + (int64_t)i * c->lanes;
			}
		ig_epilogue_store_tile(b, &c->e, s, n, lanes);
	}
}

static void emit_tile(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, const struct tile *t)
{
	kir_val acc[MAX_ACC], v[MAX_ACC];
	enum kir_elem e = c->is_float ? KIR_F32 : KIR_I32;
	int all = ig_conv_acc_pixels(k, t->pixels);
	if (all * t->nv > MAX_ACC)
		IG_BUG("tile of %d x %d", t->pixels, t->nv);
	for (int i = 0; i < t->nv; i++) {
		struct kir_addr s = t->ch;
		s.buf = c->start;
		s.base += (int64_t)i * c->lanes;
		acc[i] = kb_load(b, KIR_T(e, ig_conv_lanes(c, t->nv, i)), s);
		for (int p = 1; p < all; p++)
			acc[p * t->nv + i] = acc[i];
	}
	if (!k->step)
		ig_conv_mmla_exchange(b, acc, t->pixels, t->nv);
	accumulate(c, k, b, t, acc);
	if (!k->step)
		ig_conv_mmla_exchange(b, acc, t->pixels, t->nv);
	bool run = t->active == t->nv * c->lanes && c->out.stride[3] == t->active; /* the tile's results are one run of memory */
	for (int p = 0; p < t->pixels; p++) {
		for (int i = 0; i < t->nv; i++) {
			struct kir_addr ch = t->ch, res = t->res;
			int left = t->active - i * c->lanes, lanes = ig_conv_lanes(c, t->nv, i);
			ch.base += (int64_t)i * c->lanes;
			res.base += p * c->res.stride[3] + (int64_t)i * c->lanes;
			v[p * t->nv + i] = ig_epilogue_value(b, &c->e, acc[p * t->nv + i], &ch, &res, left < lanes ? left : lanes);
		}
	}
	if (run)
		ig_epilogue_store(b, &c->e, v, t->pixels * t->nv, c->lanes, t->out, t->pixels * t->active);
	else
		store_tile(c, b, t, v);
}

static void move_pixels(struct ig_conv *c, struct tile *t, kir_iv iv, int64_t pixels)
{
	int64_t shift = iv < 0 ? pixels : 0;
	int64_t a = c->g.sw * c->a.x, out = c->out.stride[3], res = c->res.stride[3];
	if (iv >= 0) {
		ig_vec_term(&t->a, iv, pixels * a);
		ig_vec_term(&t->out, iv, pixels * out);
		ig_vec_term(&t->res, iv, pixels * res);
	}
	t->a.base += shift * a;
	t->out.base += shift * out;
	t->res.base += shift * res;
}

static void move_rows(const struct ig_conv *c, struct tile *t, kir_iv y)
{
	ig_vec_term(&t->a, y, c->g.sh * c->a.y);
	ig_vec_term(&t->out, y, c->out.stride[2]);
	ig_vec_term(&t->res, y, c->res.stride[2]);
}

/* The tile's part of the image for nv vectors of channels. */
static void emit_pixels(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, struct tile t)
{
	int64_t n = t.columns;
	kir_iv y = ig_vec_loop(b, "y", t.rows, NULL, 0);
	move_rows(c, &t, y);
	t.pixels = ig_conv_pixels(c, k, t.nv, n);
	t.pixel = c->g.sw * c->a.x;
	int64_t full = n / t.pixels;
	struct tile rest = t;
	kir_iv x = ig_vec_loop(b, "x", full, NULL, 0);
	if (x >= 0)
		move_pixels(c, &t, x, t.pixels);
	emit_tile(c, k, b, &t);
	ig_vec_end(b, x, NULL, 0);
	rest.pixels = (int)(n - full * t.pixels);
	move_pixels(c, &rest, -1, full * t.pixels);
	if (rest.pixels)
		emit_tile(c, k, b, &rest);
	ig_vec_end(b, y, NULL, 0);
}

/* Channels of one group: equal blocks in a loop, then the rest. */
static void emit_channels(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, struct tile t)
{
	int64_t width = (int64_t)t.nv * c->lanes, sum = ig_conv_sum(c), blocks = c->ocg / width, rest = c->ocg % width;
	if (blocks) {
		struct tile u = t;
		kir_iv o = ig_vec_loop(b, "oc", blocks, NULL, 0);
		ig_vec_term(&u.w, o, width * sum);
		ig_vec_term(&u.ch, o, width);
		ig_vec_term(&u.out, o, width);
		ig_vec_term(&u.res, o, width);
		u.active = (int)width;
		emit_pixels(c, k, b, u);
		ig_vec_end(b, o, NULL, 0);
	}
	if (rest) {
		t.w.base += blocks * width * sum;
		t.ch.base += blocks * width;
		t.out.base += blocks * width;
		t.res.base += blocks * width;
		t.nv = (int)((rest + c->lanes - 1) / c->lanes);
		t.active = (int)rest;
		c->cut = c->last;
		emit_pixels(c, k, b, t);
		c->cut = c->lanes;
	}
}

/* All pixels for each block of channels, or all channels for each block of pixels. */
static void emit_image(struct ig_conv *c, const struct ig_conv_kind *k, struct kir_builder *b, struct tile t)
{
	int64_t per = (int64_t)c->s.block * c->s.pixels, blocks = per ? c->g.ow / per : 0, rest = c->g.ow - blocks * per;
	if (!per) {
		t.rows = c->g.oh;
		t.columns = c->g.ow;
		emit_channels(c, k, b, t);
		return;
	}
	kir_iv y = ig_vec_loop(b, "y", c->g.oh, NULL, 0);
	move_rows(c, &t, y);
	t.rows = 1;
	t.columns = per;
	struct tile u = t;
	if (blocks) {
		kir_iv x = ig_vec_loop(b, "xb", blocks, NULL, 0);
		move_pixels(c, &u, x, x < 0 ? 0 : per);
		emit_channels(c, k, b, u);
		ig_vec_end(b, x, NULL, 0);
	}
	if (rest) {
		move_pixels(c, &t, -1, blocks * per);
		t.columns = rest;
		emit_channels(c, k, b, t);
	}
	ig_vec_end(b, y, NULL, 0);
}

void ig_conv_emit(struct ig_conv *c, const struct ig_conv_kind *k)
{
	kir_iv image;
	struct kir_builder b = ig_conv_open(c, k->fill, &image);
	int64_t padded = ig_pack_padded(c), sum = ig_conv_sum(c);
	struct tile t = {.nv = c->s.vectors, .a = kb_addr(c->a.buf, c->a.base), .w = kb_addr(c->w, 0), .ch = kb_addr(c->start, 0),
	                 .out = kb_addr(c->out.buf, c->out.base), .res = kb_addr(c->res.buf, c->res.base)};
	ig_vec_term(&t.a, image, c->a.n);
	ig_vec_term(&t.out, image, c->out.stride[0]);
	ig_vec_term(&t.res, image, c->res.stride[0]);
	kir_iv group = ig_vec_loop(&b, "g", c->g.groups, NULL, 0);
	ig_vec_term(&t.a, group, c->icg);
	ig_vec_term(&t.w, group, padded * sum);
	ig_vec_term(&t.ch, group, padded);
	ig_vec_term(&t.out, group, c->ocg);
	ig_vec_term(&t.res, group, c->ocg);
	emit_image(c, k, &b, t);
	ig_vec_end(&b, group, NULL, 0);
	ig_conv_close(c, &b, image);
}

/* ---- int8 ---- */
/* One scalar of `group` activations, in all lanes, as the dot product's first operand. */
static kir_val broadcast(const struct ig_conv *c, struct kir_builder *b, struct kir_addr a)
{
	int bytes = c->group * kir_elem_bytes(c->a.elem);
	kir_val x = kb_load(b, KIR_T(bytes == 4 ? KIR_I32 : bytes == 2 ? KIR_I16 : KIR_I8, 1), a);
	if (c->group == 1)
		return ig_vec_splat(b, kb_op1(b, KIR_ZEXT, KIR_T(KIR_I32, 1), x), c->lanes);
	return kb_op1(b, KIR_BITCAST, KIR_T(c->a.elem, c->lanes * c->group), ig_vec_splat(b, x, c->lanes));
}

static void step_int8(struct ig_conv *c, struct kir_builder *b, kir_val *acc, int pixels, int nv, const struct kir_addr *a, int64_t pixel,
                      const struct kir_addr *w)
{
	kir_val wv[16];
	for (int i = 0; i < nv; i++) {
		struct kir_addr at = *w;
		int width = ig_conv_lanes(c, nv, i) * c->group;
		at.base += (int64_t)i * c->lanes * c->group;
		wv[i] = kb_load(b, KIR_T(KIR_I8, width), at);
		if (c->group == 1)
			wv[i] = kb_op1(b, KIR_SEXT, KIR_T(KIR_I32, width), wv[i]);
		else if (c->a.elem == KIR_I16)
			wv[i] = kb_op1(b, KIR_SEXT, KIR_T(KIR_I16, width), wv[i]);
	}
	for (int p = 0; p < pixels; p++) {
		struct kir_addr at = *a;
		at.base += p * pixel;
		kir_val x = broadcast(c, b, at);
		for (int i = 0; i < nv; i++) {
			kir_val *s = &acc[p * nv + i];
			if (i + 1 == nv && c->cut < c->lanes)
				x = kb_extract(b, x, 0, c->cut * c->group);
			*s = c->group == 1 ? kb_op2(b, KIR_ADD, *s, kb_op2(b, KIR_MUL, x, wv[i])) :
			     c->pairs ? kb_dot_pairs(b, *s, x, wv[i]) : kb_dot(b, *s, x, wv[i], !c->L->t->dot.a_signed);
		}
	}
}

int32_t ig_conv_start(struct ig_conv *c, bool offset)
{
	const struct ig_tensor *w = ig_const_data(c->L->g, c->n->in[1]), *bias = c->n->n_in > 2 ? ig_const_data(c->L->g, c->n->in[2]) : NULL;
	int32_t zero = c->dynamic ? 0 : ig_qparam(c->L->g, c->in.type.q)->zero_point[0];
	int64_t per = c->icg * c->g.kh * c->g.kw;
	int32_t *start = IG_NEWN(c->L->arena, int32_t, c->g.oc);
	for (int64_t oc = 0; oc < c->g.oc; oc++) {
		uint32_t sum = 0;
		for (int64_t k = 0; k < per; k++)
			sum += (uint32_t)((const int8_t *)w->data)[oc * per + k];
		uint32_t v = bias && bias->type.dtype == IG_DT_I32 ? (uint32_t)((const int32_t *)bias->data)[oc] : 0;
		v += c->dynamic ? sum : ((offset ? 128u : 0u) - (uint32_t)zero) * sum;
		memcpy(&start[oc], &v, sizeof v);
	}
	return c->dynamic ? ig_dynamic_start(c, start, offset) : ig_pack_channels_i(c, "start", start);
}

/* Do all sums of two neighbouring products along runs of `run` weights of each row fit in 16 bits, for activations up to 255? */
static bool sums_fit(const int8_t *w, int64_t kw, int64_t icg, int64_t taps, int64_t run)
{
	for (int64_t first = 0; first < kw * icg; first += run)
		for (int64_t k = first; k < first + run; k += 2) {
			int x = w[k % icg * taps + k / icg], y = k + 1 < first + run ? w[(k + 1) % icg * taps + (k + 1) / icg] : 0;
			if ((x > 0 ? x : 0) + (y > 0 ? y : 0) > INT16_MAX / 255 || (x < 0 ? x : 0) + (y < 0 ? y : 0) < -(INT16_MAX / 255))
				return false;
		}
	return true;
}

/* Weights that prove it for every vector of the layer's channels, whichever way rows are read: then the target's saturating product is exact, and activations
   are read as they are. (Trained weights with a scale of their own for each channel seldom do: their largest is 127.) */
static bool pairs_fit(const struct ig_conv *c)
{
	const struct ig_tensor *w = ig_const_data(c->L->g, c->n->in[1]);
	int64_t taps = c->g.kh * c->g.kw, per = c->icg * taps;
	if (!c->L->t->recipe[IG_R_DOT_PAIRS].intrinsic)
		return false;
	for (int64_t oc = 0; oc < c->g.oc; oc++)
		for (int64_t ky = 0; ky < c->g.kh; ky++) {
			const int8_t *row = (const int8_t *)w->data + oc * per + ky * c->g.kw;
			if (!sums_fit(row, c->g.kw, c->icg, taps, c->g.kw * c->icg) || !sums_fit(row, c->g.kw, c->icg, taps, c->icg))
				return false;
		}
	return true;
}

/* Two pixels at once, where rows have them. */
static bool fits_mmla(const struct ig_conv *c)
{
	const struct ig_conv_geom *g = &c->g;
	return c->L->t->matrix.kind == IG_MATRIX_2X8 && (g->ow > 1 || (g->kh * g->kw == 1 && g->n * g->oh > 1));
}

bool ig_conv_prepare_int8(struct ig_conv *c, struct ig_conv_kind *k)
{
	const struct ig_target *t = c->L->t;
	const struct ig_qparam *q = ig_qparam(c->L->g, c->in.type.q);
	bool mmla = fits_mmla(c);
	*k = (struct ig_conv_kind){.step = mmla ? NULL : step_int8};
	memcpy(k->tile, mmla ? t->matrix.tile : t->tile, sizeof t->tile);
	c->pairs = pairs_fit(c);
	c->group = mmla ? 8 : c->pairs ? 4 : t->dot.group;
	if ((!q && !c->dynamic) || (c->n->n_in > 2 && ig_const_data(c->L->g, c->n->in[2])->type.dtype != IG_DT_I32 && ig_const_data(c->L->g, c->n->in[2])->type.dtype != IG_DT_F32))
		return ig_low_refuse(c->L, c->id, "its input needs parameters and its bias must be i32 or f32");
	k->fill = q ? q->zero_point[0] : 0;
	ig_conv_source(c);
	if (c->group == 4 && !IS_SOURCE(c) && c->ocg % c->lanes) { /* dot products of all lengths: the last vector is no longer than needed */
		c->last = ig_vec_pow2(c->ocg % c->lanes);
		c->last = c->last < 4 ? 4 : c->last;
	}
	if (!ig_epilogue_init(c))
		return false;
	c->start = ig_conv_start(c, c->group > 1 && t->dot.a_offset);
	return ig_conv_choose(c, k);
}

bool ig_sched_conv(struct ig_conv *c)
{
	struct ig_conv_kind k;
	if (ig_conv_tiles_pay(c))
		return ig_sched_conv_tiles(c);
	if (!ig_conv_prepare(c, &k))
		return false;
	ig_conv_emit(c, &k);
	return true;
}

static bool lower_conv(struct ig_lower *L, struct ig_nid n)
{
	struct ig_conv c;
	if (!ig_conv_begin(&c, L, n))
		return false;
	if (c.g.groups > 1 && c.icg == 1 && c.ocg == 1 && !ig_has_stored_weights(L->g, c.n))
		return ig_sched_depthwise(L, n);
	return ig_sched_conv(&c);
}

bool ig_lower_conv2d(struct ig_lower *L, struct ig_nid n) { return lower_conv(L, n); }
bool ig_lower_conv2d_add(struct ig_lower *L, struct ig_nid n) { return lower_conv(L, n); }
