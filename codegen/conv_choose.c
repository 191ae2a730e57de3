/* The cost model of convolutions and linear layers: which register tiles, orders of loops and unrolling are possible, and the cycles they take by estimate. */
#include "codegen/conv.h"

#include <string.h>

#define UNROLL 4 /* dot steps in the body of the innermost loop: more lets the register allocator spill */

/* Pixels of a tile: the most that divide the row of n, if that is not far below what registers hold; else equal parts. When the weights come from beyond
   the first cache each time, only full tiles pay for them. */
static int pick_pixels(const struct ig_conv_kind *k, int64_t n, int most, bool streamed)
{
	if (n <= most)
		return (int)n;
	for (int p = most; (streamed ? 5 * p > 4 * most : 2 * p > most) && p > 2; p--)
		if (n % p == 0 && p == ig_conv_acc_pixels(k, p))
			return p;
	int64_t parts = (n + most - 1) / most;
	return streamed ? most : ig_conv_acc_pixels(k, (int)((n + parts - 1) / parts));
}

/* How many pixels fit beside nv vectors. */
static int most_pixels(const struct ig_conv_kind *k, int nv)
{
	for (int i = 0; k->tile[i].pixels; i++)
		if (k->tile[i].vectors == nv)
			return k->tile[i].pixels;
	int p = k->tile[0].pixels * k->tile[0].vectors / nv;
	return p < 1 ? 1 : p > 14 ? 14 : p;
}

static int vectors_of(const struct ig_conv *c) { return (int)((ig_pack_padded(c) + c->lanes - 1) / c->lanes); }
static int64_t all_steps(const struct ig_conv *c) { return c->rows * c->cols * c->steps; }

/* Bytes of the weights of nv vectors. */
static int64_t weight_bytes(const struct ig_conv *c, int nv)
{
	int bits = c->stored == IG_DT_S4 && !c->nibbles ? 8 : ig_dtypes[c->stored].bits;
	return all_steps(c) * c->group * nv * c->lanes * bits / 8;
}

/* Do the weights of a block of nv vectors exceed the first cache? Then each tile reads them from the second. */
static bool is_streamed(const struct ig_conv *c, int nv) { return (size_t)weight_bytes(c, nv) > c->L->t->l1; }

int ig_conv_pixels(const struct ig_conv *c, const struct ig_conv_kind *k, int nv, int64_t columns)
{
	if (nv == c->s.vectors)
		return columns < c->s.pixels ? (int)columns : c->s.pixels;
	return pick_pixels(k, columns, most_pixels(k, nv), is_streamed(c, nv));
}

/* Cycles of one step over a row's tiles, roughly: a product or a load each, a vector of weights from the second cache four. */
static int64_t row_cost(const struct ig_conv *c, const struct ig_conv_kind *k, int nv, int p, bool streamed)
{
	int64_t full = c->g.ow / p, rest = c->g.ow % p, cost = 0;
	int64_t pixels[2] = {p, rest}, count[2] = {full, rest ? 1 : 0}, memory = streamed ? 4 * nv : 0;
	for (int i = 0; i < 2; i++) {
		int64_t products = ig_conv_acc_pixels(k, (int)pixels[i]) * nv, loads = pixels[i] + nv, most = products > loads ? products : loads;
		cost += count[i] * (most > memory ? most : memory);
	}
	return cost;
}

/* What is read again and again from beyond the second cache, at 8 bytes a cycle: the activations for each block of channels, or all weights for each block
   of pixels. */
static int64_t reread_cost(const struct ig_conv *c, const struct ig_schedule *s, int vectors)
{
	int64_t all_weights = weight_bytes(c, vectors), image = c->g.ih * c->g.iw * c->icg * (c->is_float ? 4 : 1);
	int64_t tiles = (c->g.ow + s->pixels - 1) / s->pixels, times = s->block ? c->g.oh * ((tiles + s->block - 1) / s->block) : (vectors + s->vectors - 1) / s->vectors;
	int64_t bytes = s->block ? all_weights : image;
	return (size_t)bytes > c->L->t->l2 ? (times - 1) * bytes / 8 : 0;
}

static int64_t cost_of(const struct ig_conv *c, const struct ig_conv_kind *k, const struct ig_schedule *s)
{
	int vectors = vectors_of(c), rest = vectors % s->vectors;
	bool all_streamed = s->block == 1 && is_streamed(c, vectors); /* each tile sees all weights before the first come again */
	int64_t row = vectors / s->vectors * row_cost(c, k, s->vectors, s->pixels, all_streamed || is_streamed(c, s->vectors));
	if (rest)
		row += row_cost(c, k, rest, pick_pixels(k, c->g.ow, most_pixels(k, rest), is_streamed(c, rest)), all_streamed || is_streamed(c, rest));
	int64_t cost = 64 * (row * c->g.oh * all_steps(c) + reread_cost(c, s, vectors));
	/* What the estimate does not see speaks for even tiles, whole images and a short body. */
	int doubts = (s->pixels != pick_pixels(k, c->g.ow, most_pixels(k, s->vectors), is_streamed(c, s->vectors)) ? 4 : 0) + (s->block ? 1 : 0) +
	             (s->unroll > UNROLL ? 2 : s->unroll && s->unroll < UNROLL ? 1 : 0);
	return cost + doubts * (cost / 64) + doubts;
}

struct list {
	struct ig_schedule s[IG_SCHED_MOST];
	int n;
};

static void add(struct list *l, const struct ig_conv *c, const struct ig_conv_kind *k, struct ig_schedule s)
{
	for (int i = 0; i < l->n; i++)
		if (ig_schedule_equal(&l->s[i], &s))
			return;
	if (l->n == IG_SCHED_MOST)
		return;
	s.cost = cost_of(c, k, &s);
	l->s[l->n++] = s;
}

/* Orders of loops for one tile: whole images for each block of channels, or all channels for some tiles of a row. */
static void add_orders(struct list *l, const struct ig_conv *c, const struct ig_conv_kind *k, struct ig_schedule s)
{
	int64_t tiles = c->g.ow / s.pixels;
	add(l, c, k, s);
	if (vectors_of(c) <= s.vectors)
		return;
	for (int block = 1; block < tiles && block <= 64; block *= 8) {
		s.block = block;
		add(l, c, k, s);
	}
	if (c->g.oh > 1 && tiles <= 1 << 20) {
		s.block = (int)tiles;
		add(l, c, k, s);
	}
}

static void add_tile(struct list *l, const struct ig_conv *c, const struct ig_conv_kind *k, int nv, int pixels)
{
	struct ig_schedule s = {.variant = IG_SCHED_TILES, .vectors = nv, .pixels = pixels};
	s.unroll = !c->L->t->triple ? 1 : ig_conv_is_straight(c) ? 0 : UNROLL;
	add_orders(l, c, k, s);
	for (int u = UNROLL / 2; u <= 2 * UNROLL && s.unroll == UNROLL && pixels == pick_pixels(k, c->g.ow, most_pixels(k, nv), is_streamed(c, nv)); u *= 4)
		if (c->steps >= 2 * u) {
			struct ig_schedule other = s;
			other.unroll = u;
			add(l, c, k, other);
		}
}

/* All that a schedule may depend on: the shape as the loops see it. */
static const char *key_of(const struct ig_conv *c)
{
	const struct ig_conv_geom *g = &c->g;
	const char *in = ig_dtypes[c->in.type.dtype].name, *out = ig_dtypes[c->out.type.dtype].name;
	const char *stored = c->is_float && c->stored != IG_DT_F32 ? ig_arena_printf(c->L->arena, " weights %s", ig_dtypes[c->stored].name) : "";
	return ig_arena_printf(c->L->arena, "conv %s %lldx%lldx%lldx%lld to %s %lldx%lldx%lld kernel %lldx%lld stride %lldx%lld dilation %lldx%lld groups %lld sum %lldx%lldx%lld%s%s%s",
	                       in, (long long)g->n, (long long)g->ih, (long long)g->iw, (long long)g->ic, out, (long long)g->oh, (long long)g->ow, (long long)g->oc,
	                       (long long)g->kh, (long long)g->kw, (long long)g->sh, (long long)g->sw, (long long)g->dh, (long long)g->dw, (long long)g->groups,
	                       (long long)c->rows, (long long)c->cols, (long long)c->steps, c->has_res ? " add" : "", ig_attr(c->n, IG_A_REQUANTIZE) ? " fixed" : "", stored);
}

bool ig_conv_choose(struct ig_conv *c, const struct ig_conv_kind *k)
{
	struct list *l = IG_NEW(c->L->arena, struct list);
	int vectors = vectors_of(c);
	for (int i = 0; k->tile[i].pixels; i++) {
		int nv = k->tile[i].vectors < vectors ? k->tile[i].vectors : vectors, most = most_pixels(k, nv);
		add_tile(l, c, k, nv, pick_pixels(k, c->g.ow, most, is_streamed(c, nv)));
		for (int p = most; 2 * p >= most; p--)
			add_tile(l, c, k, nv, p < c->g.ow ? p : (int)c->g.ow);
	}
	const struct ig_schedule *s = ig_low_choose(c->L, c->id, key_of(c), l->s, l->n);
	if (!s)
		return false;
	c->s = *s;
	c->w = ig_pack_weights(c, s->vectors);
	return true;
}
