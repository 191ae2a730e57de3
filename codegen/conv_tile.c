/* int8 convolutions and linear layers by tiles: a direct implicit matrix product. A tile of activations is up to 16 pixels by 64 bytes of a segment, read where
   they are: the pixels of a tile are equally far from each other in memory, so that a tile is some pixels of a row, or, where rows are short and the stride
   is 1, several whole rows with the padding between them. Two tiles of pixels by two of output channels accumulate in four; their start values are loaded
   with a row stride of 0. Sums go through scratch to the epilogue of the vector code.

   What does not fill whole tiles begins earlier and computes some results again, which are not stored twice (a residual may lie where results go). */
#include "codegen/conv.h"

#define MOST 2 /* tiles of pixels, and of channels, of a block */
#define BYTES 64
#define LANES 16
#define TILE 1024 /* bytes */

/* The pixels of a tile: `lines` rows of the image of `width` pixels each, which are `pitch` apart. */
struct shape {
	int64_t lines, width, pitch;
	int rows;      /* of the tile */
	bool down;     /* the next tile is below, not to the right */
	int32_t sums;  /* scratch */
};
struct block {
	int tiles, nv, active; /* active: channels */
	int64_t skip;          /* lines or pixels of the (single) tile that are there already */
	struct kir_addr a, w, ch, out, res;
};

static struct shape shape_of(const struct ig_conv_geom *g, int64_t pitch)
{
	struct shape s = {.lines = 1, .pitch = pitch};
	if (g->sh == 1 && g->sw == 1 && pitch)
		while (s.lines < g->oh && s.lines * pitch + g->ow <= KIR_TILE_ROWS)
			s.lines++;
	int64_t parts = (g->ow + KIR_TILE_ROWS - 1) / KIR_TILE_ROWS;
	s.width = (g->ow + parts - 1) / parts;
	s.down = s.width == g->ow;
	s.rows = (int)((s.lines - 1) * pitch + s.width);
	return s;
}

/* Products of tiles against dot products of vectors. */
bool ig_conv_tiles_pay(const struct ig_conv *c)
{
	const struct ig_target *t = c->L->t;
	struct ig_conv_geom g = c->g;
	if (t->matrix.kind != IG_MATRIX_TILE || c->is_float || g.groups > 1 || c->lanes != LANES || (!c->dynamic && !ig_qparam(c->L->g, c->in.type.q)))
		return false;
	if (c->n->n_in > 2 && ig_const_data(c->L->g, c->n->in[2])->type.dtype != IG_DT_I32 && ig_const_data(c->L->g, c->n->in[2])->type.dtype != IG_DT_F32)
		return false;
	if (g.kh == 1 && g.kw == 1 && g.sh == 1 && g.sw == 1) { /* one run of pixels */
		g.ow *= g.oh * g.n;
		g.oh = g.n = 1;
	}
	struct shape s = shape_of(&g, g.dw == 1 ? g.ow + g.pl + g.pr : 0);
	int64_t run = g.dw == 1 ? g.kw * g.ic : g.ic, runs = g.kh * (g.dw == 1 ? 1 : g.kw), vectors = (g.oc + LANES - 1) / LANES;
	int64_t tiles = g.n * ((g.oh + s.lines - 1) / s.lines) * ((g.ow + s.width - 1) / s.width);
	int64_t dots = g.n * g.oh * g.ow * vectors * runs * ((run + 3) / 4);
	return tiles * vectors * runs * ((run + BYTES - 1) / BYTES) * t->matrix.cost + t->matrix.setup < dots;
}

/* From one tile of pixels to the next: in the activations, the results, the residual. */
static void step_of(const struct ig_conv *c, const struct shape *s, int64_t step[3])
{
	step[0] = s->down ? s->lines * c->g.sh * c->a.y : s->width * c->g.sw * c->a.x;
	step[1] = s->down ? s->lines * c->out.stride[2] : s->width * c->out.stride[3];
	step[2] = s->down ? s->lines * c->res.stride[2] : s->width * c->res.stride[3];
}

/* The products of one step of 64 bytes. */
static void multiply(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, const struct block *k, kir_val *acc, struct kir_addr a,
                     struct kir_addr w)
{
	int64_t step[3];
	kir_val y[MOST];
	step_of(c, s, step);
	for (int m = 0; m < k->tiles; m++) {
		kir_val x = kb_tile_load(b, a, c->g.sw * c->a.x, s->rows);
		a.base += step[0];
		for (int n = 0; n < k->nv; n++) {
			struct kir_addr at = w;
			at.base += n * TILE;
			if (m == 0)
				y[n] = kb_tile_load(b, at, BYTES, KIR_TILE_ROWS);
			acc[m * k->nv + n] = kb_tile_dot(b, acc[m * k->nv + n], x, y[n]);
		}
	}
}

static void accumulate(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, const struct block *k)
{
	kir_val acc[MOST * MOST];
	int n = k->tiles * k->nv;
	struct kir_addr a = k->a, w = k->w;
	for (int i = 0; i < n; i++) {
		struct kir_addr start = k->ch;
		start.buf = c->start;
		start.base += i % k->nv * LANES;
		acc[i] = kb_tile_load(b, start, 0, s->rows);
	}
	kir_iv row = ig_vec_loop(b, "ky", c->rows, acc, n), col = ig_vec_loop(b, "kx", c->cols, acc, n), kk = ig_vec_loop(b, "k", c->steps, acc, n);
	int64_t step = k->nv * TILE;
	ig_vec_term(&a, row, c->row_step);
	ig_vec_term(&w, row, c->cols * c->steps * step);
	ig_vec_term(&a, col, c->col_step);
	ig_vec_term(&w, col, c->steps * step);
	ig_vec_term(&a, kk, BYTES);
	ig_vec_term(&w, kk, step);
	multiply(b, c, s, k, acc, a, w);
	ig_vec_end(b, kk, acc, n);
	ig_vec_end(b, col, acc, n);
	ig_vec_end(b, row, acc, n);
	for (int i = 0; i < n; i++)
		kb_tile_store(b, acc[i], kb_addr(s->sums, (i / k->nv * KIR_TILE_ROWS * k->nv + i % k->nv) * LANES), k->nv * LANES, s->rows);
}

/* From the sums of a tile to stored results. */
static void finish(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, const struct block *k, int tile)
{
	int64_t step[3], line = s->down ? k->skip : 0, pixel = s->down ? 0 : k->skip;
	kir_val v[MOST];
	step_of(c, s, step);
	struct kir_addr sum = kb_addr(s->sums, ((tile * KIR_TILE_ROWS) + line * s->pitch + pixel) * k->nv * LANES), out = k->out, res = k->res;
	out.base += tile * step[1] + line * c->out.stride[2] + pixel * c->out.stride[3];
	res.base += tile * step[2] + line * c->res.stride[2] + pixel * c->res.stride[3];
	kir_iv y = ig_vec_loop(b, "line", s->lines - line, NULL, 0), x = ig_vec_loop(b, "pixel", s->width - pixel, NULL, 0);
	ig_vec_term(&sum, y, s->pitch * k->nv * LANES);
	ig_vec_term(&out, y, c->out.stride[2]);
	ig_vec_term(&res, y, c->res.stride[2]);
	ig_vec_term(&sum, x, k->nv * LANES);
	ig_vec_term(&out, x, c->out.stride[3]);
	ig_vec_term(&res, x, c->res.stride[3]);
	for (int n = 0; n < k->nv; n++) {
		struct kir_addr at = sum, ch = k->ch, r = res;
		int left = k->active - n * LANES;
		at.base += n * LANES;
		ch.base += n * LANES;
		r.base += n * LANES;
		v[n] = ig_epilogue_value(b, &c->e, kb_load(b, KIR_T(KIR_I32, LANES), at), &ch, &r, left < LANES ? left : LANES);
	}
	ig_epilogue_store(b, &c->e, v, k->nv, LANES, out, k->active);
	ig_vec_end(b, x, NULL, 0);
	ig_vec_end(b, y, NULL, 0);
}

static void emit_block(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, const struct block *k)
{
	accumulate(b, c, s, k);
	for (int m = 0; m < k->tiles; m++)
		finish(b, c, s, k, m);
}

static void move(const struct ig_conv *c, const struct shape *s, struct block *k, kir_iv iv, int64_t tiles)
{
	int64_t step[3];
	step_of(c, s, step);
	ig_vec_term(&k->a, iv, tiles * step[0]);
	ig_vec_term(&k->out, iv, tiles * step[1]);
	ig_vec_term(&k->res, iv, tiles * step[2]);
	if (iv >= 0)
		return;
	k->a.base += tiles * step[0];
	k->out.base += tiles * step[1];
	k->res.base += tiles * step[2];
}

/* All tiles of one row of them, or of the image: by pairs, one that is left over, and one for the rest that ends where they end. */
static void emit_line(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, struct block k)
{
	int64_t unit = s->down ? s->lines : s->width, all = s->down ? c->g.oh : c->g.ow, full = all / unit, rest = all % unit;
	struct block pair = k, last = k;
	if (full >= MOST) {
		pair.tiles = MOST;
		kir_iv t = ig_vec_loop(b, "tile", full / MOST, NULL, 0);
		if (t >= 0)
			move(c, s, &pair, t, MOST);
		emit_block(b, c, s, &pair);
		ig_vec_end(b, t, NULL, 0);
	}
	k.tiles = last.tiles = 1;
	if (full % MOST) {
		move(c, s, &k, -1, full - 1);
		emit_block(b, c, s, &k);
	}
	if (rest) {
		int64_t first = all - unit;
		last.skip = unit - rest;
		last.a.base += first * (s->down ? c->g.sh * c->a.y : c->g.sw * c->a.x);
		last.out.base += first * (s->down ? c->out.stride[2] : c->out.stride[3]);
		last.res.base += first * (s->down ? c->res.stride[2] : c->res.stride[3]);
		emit_block(b, c, s, &last);
	}
}

static void emit_pixels(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, struct block k)
{
	kir_iv y = ig_vec_loop(b, "y", s->down ? 1 : c->g.oh, NULL, 0);
	ig_vec_term(&k.a, y, c->g.sh * c->a.y);
	ig_vec_term(&k.out, y, c->out.stride[2]);
	ig_vec_term(&k.res, y, c->res.stride[2]);
	emit_line(b, c, s, k);
	ig_vec_end(b, y, NULL, 0);
}

/* Blocks of two vectors of channels, and what is left. */
static void emit_channels(struct kir_builder *b, const struct ig_conv *c, const struct shape *s, struct block k)
{
	int64_t width = MOST * LANES, sum = c->rows * c->cols * c->steps * BYTES, blocks = c->g.oc / width, rest = c->g.oc % width;
	struct block u = k;
	if (blocks) {
		kir_iv o = ig_vec_loop(b, "oc", blocks, NULL, 0);
		ig_vec_term(&u.w, o, width * sum);
		ig_vec_term(&u.ch, o, width);
		ig_vec_term(&u.out, o, width);
		ig_vec_term(&u.res, o, width);
		u.nv = MOST;
		u.active = (int)width;
		emit_pixels(b, c, s, u);
		ig_vec_end(b, o, NULL, 0);
	}
	if (rest) {
		k.w.base += blocks * width * sum;
		k.ch.base += blocks * width;
		k.out.base += blocks * width;
		k.res.base += blocks * width;
		k.nv = (int)((rest + LANES - 1) / LANES);
		k.active = (int)rest;
		emit_pixels(b, c, s, k);
	}
}

bool ig_sched_conv_tiles(struct ig_conv *c)
{
	int64_t fill = c->dynamic ? 0 : ig_qparam(c->L->g, c->in.type.q)->zero_point[0];
	c->group = BYTES;
	c->tiles = true;
	ig_conv_source(c);
	if (!ig_epilogue_init(c))
		return false;
	c->start = ig_conv_start(c, false);
	c->w = ig_pack_weights(c, MOST);
	struct shape s = shape_of(&c->g, c->a.x && c->a.y % c->a.x == 0 ? c->a.y / c->a.x : 0);
	s.sums = ig_layout_buffer(c->L, ig_arena_printf(c->L->arena, "%s.sums", c->n->name), KIR_SCRATCH, KIR_I32, MOST * MOST * KIR_TILE_ROWS * LANES);
	struct kir_builder b = ig_low_func(c->L, c->id);
	struct block k = {.a = kb_addr(c->a.buf, c->a.base), .w = kb_addr(c->w, 0), .ch = kb_addr(c->start, 0), .out = kb_addr(c->out.buf, c->out.base),
	                  .res = kb_addr(c->res.buf, c->res.base)};
	kir_iv image = ig_vec_loop(&b, "n", c->g.n, NULL, 0);
	ig_conv_copy(c, &b, image, fill);
	ig_vec_term(&k.a, image, c->a.n);
	ig_vec_term(&k.out, image, c->out.stride[0]);
	ig_vec_term(&k.res, image, c->res.stride[0]);
	emit_channels(&b, c, &s, k);
	ig_vec_end(&b, image, NULL, 0);
	return true;
}
