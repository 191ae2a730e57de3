/* Depthwise convolutions in int8 where a dot product of four unsigned and signed bytes exists and the kernel has two to four rows: four rows of the input,
   interleaved byte by byte, are the operands of dot products along the kernel's columns. One such column serves every window that it lies in, and with a
   kernel of three rows two rows of results.

   Interleaving works in groups of 16 bytes, so that channels come out in another order: of each block of `width` channels the vector k of accumulators holds
   channels 4k to 4k+3 of each group. Weights and constants are packed in that order, and the bytes of the results are put back. */
#include "codegen/depthwise.h"

#include <string.h>

#define MAX_PIXELS 4
#define MAX_ROWS 2
#define QUAD 4 /* rows of a dot product; also vectors of accumulators for one vector of bytes */

/* One block of channels at one place. */
struct tile {
	int pixels, rows, width, active;
	struct kir_addr a, w, ch, out;
};

static int block_width(const struct ig_conv *c, int64_t left)
{
	int most = c->L->t->vector_bytes, n = left > most ? most : ig_vec_pow2(left);
	return n < 16 ? 16 : n;
}

/* Where channel oc is in packed order. */
static int64_t slot(const struct ig_conv *c, int64_t oc)
{
	int most = c->L->t->vector_bytes;
	int64_t block = oc / most * most, in = oc - block;
	int width = block_width(c, c->g.oc - block);
	return block + in / 4 % QUAD * (width / QUAD) + in / 16 * 4 + in % 4;
}

/* Blocks of [row of results in the tile][column of the kernel][slot][row of input]; weights of input rows outside a result's window are 0. */
static int32_t pack(struct ig_depthwise *q)
{
	struct ig_conv *c = &q->c;
	const struct ig_conv_geom *g = &c->g;
	const int8_t *w = ig_const_data(c->L->g, c->n->in[1])->data;
	int most = c->L->t->vector_bytes;
	int64_t n = ig_pack_padded(c) * q->c.s.rows * g->kw * QUAD;
	int8_t *p = IG_NEWN(c->L->arena, int8_t, n);
	for (int64_t oc = 0; oc < g->oc; oc++) {
		int64_t block = oc / most * most, width = block_width(c, g->oc - block);
		for (int64_t r = 0; r < q->c.s.rows; r++)
			for (int64_t kx = 0; kx < g->kw; kx++)
				for (int64_t ky = 0; ky < g->kh; ky++) {
					int64_t at = block * q->c.s.rows * g->kw + (r * g->kw + kx) * width + slot(c, oc) - block;
					p[at * QUAD + r + ky] = w[(oc * g->kh + ky) * g->kw + kx];
				}
	}
	return kir_buffer_const(c->L->m, ig_arena_printf(c->L->arena, "%s.weight", c->n->name), KIR_I8, n, p);
}

/* Four rows of one column, interleaved two by two: pair[rows][lower or upper half of each 16 bytes]. */
static void load_pairs(struct kir_builder *b, const struct ig_depthwise *q, const struct tile *t, int64_t x, kir_val pair[2][2])
{
	const struct ig_conv *c = &q->c;
	struct kir_type words = KIR_T(KIR_I16, t->width / 2), bytes = KIR_T(KIR_I8, t->width);
	int64_t there = c->g.kh + t->rows - 1;
	kir_val r[QUAD];
	for (int64_t i = 0; i < QUAD; i++) {
		struct kir_addr at = t->a;
		at.base += i * c->g.dh * c->a.y + x * c->a.x;
		r[i] = i < there ? kb_load_n(b, bytes, at, q->whole ? t->width : t->active) : r[i - 1]; /* times 0 */
		if (i < there && c->L->t->dot.a_offset)
			r[i] = kb_op2(b, KIR_XOR, r[i], kb_const_i(b, bytes, -128));
	}
	for (int i = 0; i < 2; i++) {
		pair[i][0] = kb_op1(b, KIR_BITCAST, words, kb_op2(b, KIR_ZIPLO, r[2 * i], r[2 * i + 1]));
		pair[i][1] = kb_op1(b, KIR_BITCAST, words, kb_op2(b, KIR_ZIPHI, r[2 * i], r[2 * i + 1]));
	}
}

/* The operand of vector i of accumulators. */
static kir_val quads_of(struct kir_builder *b, const struct tile *t, kir_val pair[2][2], int i)
{
	return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, t->width), kb_op2(b, i & 1 ? KIR_ZIPHI : KIR_ZIPLO, pair[0][i / 2], pair[1][i / 2]));
}

/* The column of the kernel that column x of the input is under for pixel p, -1: none. */
static int64_t column_of(const struct ig_conv_geom *g, int64_t x, int p)
{
	int64_t kx = (x - p * g->sw) / g->dw;
	return x < p * g->sw || kx * g->dw != x - p * g->sw || kx >= g->kw ? -1 : kx;
}

/* Column x for the rows of pixel p, which it is column kx of the window of. */
static void multiply(struct kir_builder *b, const struct ig_depthwise *q, const struct tile *t, int64_t kx, int i, kir_val v, kir_val acc[MAX_ROWS][MAX_PIXELS][QUAD],
                     int p)
{
	for (int r = 0; r < t->rows; r++) {
		struct kir_addr w = t->w; /* loaded at each use: it can be the instruction's operand */
		w.base += ((r * q->c.g.kw + kx) * QUAD + i) * t->width;
		acc[r][p][i] = kb_dot(b, acc[r][p][i], v, kb_load(b, KIR_T(KIR_I8, t->width), w), !q->c.L->t->dot.a_signed);
	}
}

/* Column by column, each for all vectors; or, where registers hold all columns' pairs but not all weights, vector by vector. */
static void accumulate(struct kir_builder *b, const struct ig_depthwise *q, const struct tile *t, kir_val acc[MAX_ROWS][MAX_PIXELS][QUAD])
{
	const struct ig_conv_geom *g = &q->c.g;
	int64_t columns = (t->pixels - 1) * g->sw + (g->kw - 1) * g->dw + 1;
	bool by_vector = q->c.L->t->vector_bytes == 16 && columns <= IG_DW_HELD;
	kir_val pair[IG_DW_HELD][2][2];
	for (int64_t x = 0; x < columns; x++) {
		kir_val v[QUAD] = {-1}, (*held)[2] = pair[by_vector ? x : 0];
		bool used = false;
		for (int p = 0; p < t->pixels; p++)
			used |= column_of(g, x, p) >= 0;
		if (used)
			load_pairs(b, q, t, x, held);
		for (int i = 0; used && !by_vector && i < QUAD; i++)
			v[i] = quads_of(b, t, held, i);
		for (int p = 0; !by_vector && p < t->pixels; p++)
			for (int i = 0; i < QUAD && column_of(g, x, p) >= 0; i++)
				multiply(b, q, t, column_of(g, x, p), i, v[i], acc, p);
	}
	for (int i = 0; by_vector && i < QUAD; i++)
		for (int64_t x = 0; x < columns; x++) {
			kir_val v = -1;
			for (int p = 0; p < t->pixels; p++) {
				int64_t kx = column_of(g, x, p);
				if (kx >= 0)
					multiply(b, q, t, kx, i, v = v < 0 ? quads_of(b, t, pair[x], i) : v, acc, p);
			}
		}
}

static void store(struct kir_builder *b, const struct ig_depthwise *q, const struct tile *t, const kir_val *acc, struct kir_addr out)
{
	const struct ig_epilogue *e = &q->c.e;
	int lanes = t->width / QUAD;
	kir_val v[QUAD];
	for (int i = 0; i < QUAD; i++) {
		struct kir_addr ch = t->ch;
		ch.base += (int64_t)i * lanes;
		v[i] = ig_epilogue_value(b, e, acc[i], &ch, NULL, lanes);
	}
	kir_val y = ig_vec_fpack(b, ig_vec_join(b, v, QUAD), &e->pack);
	y = kb_op1(b, KIR_TRANSPOSE4, KIR_T(KIR_I32, lanes), kb_op1(b, KIR_BITCAST, KIR_T(KIR_I32, lanes), y));
	kb_store_n(b, kb_op1(b, KIR_BITCAST, KIR_T(KIR_I8, t->width), y), out, t->active);
}

static void emit_tile(struct kir_builder *b, const struct ig_depthwise *q, const struct tile *t)
{
	kir_val acc[MAX_ROWS][MAX_PIXELS][QUAD];
	int lanes = t->width / QUAD;
	for (int i = 0; i < QUAD; i++) {
		struct kir_addr start = t->ch;
		start.buf = q->c.start;
		start.base += (int64_t)i * lanes;
		kir_val v = kb_load(b, KIR_T(KIR_I32, lanes), start);
		for (int r = 0; r < t->rows; r++)
			for (int p = 0; p < t->pixels; p++)
				acc[r][p][i] = v;
	}
	accumulate(b, q, t, acc);
	for (int r = 0; r < t->rows; r++)
		for (int p = 0; p < t->pixels; p++) {
			struct kir_addr out = t->out;
			out.base += r * q->c.out.stride[2] + p * q->c.out.stride[3];
			store(b, q, t, acc[r][p], out);
		}
}

/* The pixels of one block of channels in a tile's rows. */
static void emit_row(struct kir_builder *b, const struct ig_depthwise *q, struct tile t)
{
	const struct ig_conv *c = &q->c;
	int64_t n = c->g.ow, per = n < q->c.s.pixels ? n : q->c.s.pixels, full = n / per, a = c->g.sw * c->a.x, out = c->out.stride[3];
	struct tile rest = t;
	t.pixels = (int)per;
	kir_iv x = ig_vec_loop(b, "x", full, NULL, 0);
	ig_vec_term(&t.a, x, per * a);
	ig_vec_term(&t.out, x, per * out);
	emit_tile(b, q, &t);
	ig_vec_end(b, x, NULL, 0);
	rest.pixels = (int)(n - full * per);
	rest.a.base += full * per * a;
	rest.out.base += full * per * out;
	if (rest.pixels)
		emit_tile(b, q, &rest);
}

static void shift_channels(const struct ig_depthwise *q, struct tile *t, kir_iv iv, int64_t by)
{
	struct kir_addr *a[4] = {&t->a, &t->ch, &t->out, &t->w};
	int64_t weights = q->c.s.rows * q->c.g.kw * QUAD;
	for (int i = 0; i < 4; i++) {
		int64_t step = by * (i == 3 ? weights : 1);
		if (iv >= 0)
			ig_vec_term(a[i], iv, step);
		else
			a[i]->base += step;
	}
}

/* All channels of the tile's rows. */
static void emit_rows(struct kir_builder *b, const struct ig_depthwise *q, struct tile t)
{
	int64_t most = q->c.L->t->vector_bytes, blocks = q->c.g.oc / most, left = q->c.g.oc % most;
	struct tile u = t;
	if (blocks) {
		kir_iv o = ig_vec_loop(b, "c", blocks, NULL, 0);
		if (o >= 0)
			shift_channels(q, &u, o, most);
		u.width = u.active = (int)most;
		emit_row(b, q, u);
		ig_vec_end(b, o, NULL, 0);
	}
	if (left) {
		shift_channels(q, &t, -1, blocks * most);
		t.width = block_width(&q->c, left);
		t.active = (int)left;
		emit_row(b, q, t);
	}
}

void ig_depthwise_emit_quads(struct ig_depthwise *q)
{
	struct ig_conv *c = &q->c;
	kir_iv image;
	struct kir_builder b = ig_conv_open(c, q->fill, &image);
	struct tile t = {.a = kb_addr(c->a.buf, c->a.base), .w = kb_addr(q->w, 0), .ch = kb_addr(c->start, 0), .out = kb_addr(c->out.buf, c->out.base)};
	ig_vec_term(&t.a, image, c->a.n);
	ig_vec_term(&t.out, image, c->out.stride[0]);
	int64_t turns = c->g.oh / q->c.s.rows, step = q->c.s.rows * c->g.sh * c->a.y;
	struct tile rest = t;
	if (turns) {
		kir_iv y = ig_vec_loop(&b, "y", turns, NULL, 0);
		ig_vec_term(&t.a, y, step);
		ig_vec_term(&t.out, y, q->c.s.rows * c->out.stride[2]);
		t.rows = q->c.s.rows;
		emit_rows(&b, q, t);
		ig_vec_end(&b, y, NULL, 0);
	}
	rest.rows = (int)(c->g.oh - turns * q->c.s.rows);
	rest.a.base += turns * step;
	rest.out.base += turns * q->c.s.rows * c->out.stride[2];
	if (rest.rows)
		emit_rows(&b, q, rest);
	ig_conv_close(c, &b, image);
}

/* Two rows of results in a tile: the kernel has three, and the next result's begins one below. */
bool ig_depthwise_in_pairs(const struct ig_conv_geom *g) { return g->kh == QUAD - 1 && g->sh == 1 && g->dh == 1 && g->oh > 1; }

bool ig_depthwise_quads_fit(const struct ig_conv *c)
{
	const struct ig_target *t = c->L->t;
	bool product = t->dot.group == QUAD && t->recipe[t->dot.a_signed ? IG_R_DOT_S8S8 : IG_R_DOT_U8S8].intrinsic;
	const struct ig_attr *mode = ig_attr(c->n, IG_A_REQUANTIZE);
	return product && !c->is_float && !c->has_res && !ig_low_is_float(&c->out) && c->g.kh >= 2 && c->g.kh <= QUAD && c->g.kw <= 8 && !mode &&
	       c->g.oc >= (ig_depthwise_in_pairs(&c->g) ? 16 : 32); /* fewer channels: interleaving costs more than it saves */
}

bool ig_depthwise_prepare_quads(struct ig_depthwise *q)
{
	struct ig_conv *c = &q->c;
	const struct ig_target *t = c->L->t;
	c->group = 1;
	c->g.groups = 1; /* for reading, all channels are one run; each output still reads its own only */
	c->ocg = c->g.oc;
	ig_conv_source(c);
	c->slot = slot;
	c->padded = c->g.oc / t->vector_bytes * t->vector_bytes;
	if (c->g.oc % t->vector_bytes)
		c->padded += block_width(c, c->g.oc % t->vector_bytes);
	if (!ig_epilogue_init(c))
		return false;
	enum kir_space s = c->L->m->buf[c->a.buf].space;
	q->whole = s == KIR_ARENA || s == KIR_SCRATCH;
	c->start = ig_conv_start(c, t->dot.a_offset);
	q->w = pack(q);
	return true;
}
