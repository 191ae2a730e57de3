/* The cost model of depthwise convolutions: which of the three ways are possible, with which tiles, and the cycles they take by estimate. */
#include "codegen/depthwise.h"

#define MOST 32

struct list {
	struct ig_schedule s[MOST];
	int n;
};

static int64_t up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Columns of the input under a tile of so many neighbouring results. */
static int64_t columns(const struct ig_conv_geom *g, int64_t pixels) { return (pixels - 1) * g->sw + (g->kw - 1) * g->dw + 1; }

/* What a tile of quads costs beyond its instructions where registers run out, measured on AVX-512; and where a short row has a rest, the code of two large
   tiles would be for little time. */
static int64_t spills(const struct ig_conv *c, const struct ig_schedule *s)
{
	int accumulators = 4 * s->pixels * s->rows;
	bool bulky = accumulators > 16 && c->g.ow < 7 && c->g.ow % s->pixels;
	bool straddles = c->in.stride[3] % c->L->t->vector_bytes && c->g.oc > c->L->t->vector_bytes;
	if (s->rows == 1)
		return s->pixels > 3 ? 24 : 0;
	return accumulators > 16 ? 11 * (accumulators - 16) / 8 + (straddles ? accumulators - 16 : 0) + (bulky ? accumulators : 0) : 0;
}

/* Instructions of one tile: loads and interleaving for each column, then products. Quads take a vector of bytes at once, the others one of lanes; that
   their epilogue and their stores are by lanes too counts as much as their products. */
static int64_t cost_of(const struct ig_conv *c, const struct ig_schedule *s)
{
	const struct ig_conv_geom *g = &c->g;
	int64_t tiles = g->n * up(g->oh, s->rows) * up(g->ow, s->pixels), cols = columns(g, s->pixels), p = s->pixels;
	switch (s->variant) {
	case IG_SCHED_QUADS: return tiles * up(g->oc, c->L->t->vector_bytes) * (12 * cols + 4 * p * s->rows * g->kw + spills(c, s));
	case IG_SCHED_COLUMNS: return 3 * tiles * up(g->oc, c->lanes) * (4 * cols + p * g->kw);
	default: return 3 * tiles * up(g->oc, c->lanes) * (2 * cols * g->kh + p * g->kw * g->kh);
	}
}

static void add(struct list *l, const struct ig_conv *c, enum ig_sched_variant v, int pixels, int rows)
{
	struct ig_schedule s = {.variant = v, .pixels = pixels, .rows = rows};
	if (l->n == MOST)
		IG_BUG("too many schedules");
	s.cost = cost_of(c, &s);
	l->s[l->n++] = s;
}

static const char *key_of(const struct ig_conv *c)
{
	const struct ig_conv_geom *g = &c->g;
	const char *in = ig_dtypes[c->in.type.dtype].name, *out = ig_dtypes[c->out.type.dtype].name;
	return ig_arena_printf(c->L->arena, "depthwise %s %lldx%lldx%lldx%lld to %s %lldx%lld kernel %lldx%lld stride %lldx%lld dilation %lldx%lld%s%s", in, (long long)g->n,
	                       (long long)g->ih, (long long)g->iw, (long long)g->ic, out, (long long)g->oh, (long long)g->ow, (long long)g->kh, (long long)g->kw,
	                       (long long)g->sh, (long long)g->sw, (long long)g->dh, (long long)g->dw, c->has_res ? " add" : "",
	                       ig_attr(c->n, IG_A_REQUANTIZE) ? " fixed" : "");
}

bool ig_depthwise_choose(struct ig_conv *c, bool columns_fit)
{
	struct list l = {.n = 0};
	bool many = c->L->t->vector_regs >= 32, narrow = c->L->t->vector_bytes == 16;
	int most = !many ? 2 : narrow ? 4 : 8;
	for (int rows = 1; rows <= 2 && ig_depthwise_quads_fit(c); rows++)
		for (int p = 4; p >= 1; p--)
			if (p * rows <= most && (!narrow || columns(&c->g, p) <= IG_DW_HELD) && (rows == 1 || (many && ig_depthwise_in_pairs(&c->g))))
				add(&l, c, IG_SCHED_QUADS, p, rows);
	for (int p = many ? IG_DW_PIXELS : 4; p >= 2; p /= 2) {
		if (columns_fit)
			add(&l, c, IG_SCHED_COLUMNS, p, 1);
		add(&l, c, IG_SCHED_TAPS, p, 1);
	}
	const struct ig_schedule *s = ig_low_choose(c->L, c->id, key_of(c), l.s, l.n);
	if (s)
		c->s = *s;
	return s != NULL;
}
