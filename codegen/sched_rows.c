/* The layers of a row-fused group, band by band. The expansion fills a band of padded rows, the depthwise convolution reads it and fills a band of results,
   the projection reads that one. From band to band the last rows of the padded band, which the next results need as well, move to its top; so every row is
   computed once. The last band is written out by itself when it reads padding below the image.

     rows above (`first` of them) -> for each band: [expand `step` rows] [depthwise] [project] [move `overlap` rows up] */
#include "codegen/rows.h"

#include "codegen/depthwise.h"

struct point { /* a convolution in bands: rows in, the same rows out */
	struct ig_conv c;
	struct ig_conv_kind k;
	bool whole;     /* its window or its input's order needs the whole image at once: the source is prepared before the bands */
	bool flat;      /* rows of a band are one run of pixels */
	int64_t width;  /* pixels of a row */
};
struct group {
	struct ig_lower *L;
	const struct ig_rows *r;
	struct kir_builder b;
	struct point expand, project;
	struct ig_depthwise d;
	int32_t padded, results; /* the two bands */
	enum kir_elem elem;
};
/* Which rows a piece of code computes: it begins at row `at` and the open loop over bands moves it by `step` rows. */
struct span {
	kir_iv band;
	int64_t at, step, rows;
};

/* ---- preparing ---- */

static void place_band(struct group *x, struct ig_vid v, int32_t buf, int64_t base, int64_t columns)
{
	struct kir_tensor *t = &x->L->view[v.i];
	int64_t channels = t->type.dim[1];
	t->buf = buf;
	t->base = base;
	t->stride[0] = 0;
	t->stride[1] = 1;
	t->stride[2] = columns * channels;
	t->stride[3] = channels;
}

static bool prepare_point(struct group *x, struct point *p, struct ig_nid n, int64_t rows)
{
	if (!ig_conv_begin(&p->c, x->L, n))
		return false;
	struct ig_conv_geom *g = &p->c.g;
	p->width = g->ow;
	p->whole = g->kh != 1 || g->kw != 1 || g->sh != 1 || g->sw != 1 || g->pt || g->pl || g->pb || g->pr;
	if (!p->whole)
		g->oh = g->ih = rows;
	if (!ig_conv_prepare(&p->c, &p->k))
		return false;
	p->flat = !p->whole && rows > 1 && g->oh == 1;
	return true;
}

/* With an expansion its input is the band, padding included; else it reads the image. */
static bool prepare_depthwise(struct group *x)
{
	const struct ig_rows *r = x->r;
	struct ig_conv *c = &x->d.c;
	if (!ig_conv_begin(c, x->L, r->depthwise))
		return false;
	if (r->expand.i >= 0) {
		c->g.pt = c->g.pl = c->g.pb = c->g.pr = 0;
		c->g.ih = r->overlap + r->step;
		c->g.iw = r->cols;
		c->g.oh = r->band;
		c->in.base = 0;
	}
	return ig_depthwise_prepare(&x->d);
}

static bool prepare(struct group *x)
{
	struct ig_lower *L = x->L;
	const struct ig_rows *r = x->r;
	const struct ig_conv_geom *g = &r->g;
	const struct ig_node *d = ig_node(L->g, r->depthwise);
	x->elem = ig_layout_elem(ig_vtype(L->g, d->in[0])->dtype);
	x->results = ig_layout_buffer(L, ig_arena_printf(L->arena, "%s.band", d->name), KIR_SCRATCH, ig_layout_elem(ig_vtype(L->g, d->out[0])->dtype), r->band * g->ow * g->oc);
	place_band(x, d->out[0], x->results, 0, g->ow);
	if (r->expand.i >= 0) {
		const char *name = ig_arena_printf(L->arena, "%s.band", ig_node(L->g, r->expand)->name);
		x->padded = ig_layout_buffer(L, name, KIR_SCRATCH, x->elem, (r->overlap + r->step) * r->cols * g->ic);
		place_band(x, d->in[0], x->padded, g->pl * g->ic, r->cols);
	}
	return (r->expand.i < 0 || prepare_point(x, &x->expand, r->expand, r->step)) && prepare_depthwise(x) && prepare_point(x, &x->project, r->project, r->band);
}

/* ---- emitting ---- */

/* Rows s of the results, from the same rows of the input (for whole sources: from their windows), to rows `to` on of the output. */
static void emit_point(struct group *x, const struct point *p, const struct span *in, const struct span *out)
{
	struct ig_conv c = p->c;
	int64_t a = c.g.sh * c.a.y;
	c.into = &x->b;
	c.outer = in->band;
	c.copied = p->whole;
	if (p->flat)
		c.g.ow = c.g.iw = p->width * in->rows;
	else
		c.g.oh = in->rows;
	if (!p->whole && !p->flat)
		c.g.ih = in->rows;
	if (c.a.scratch && !p->whole) { /* the band's rows are copied each time */
		c.in.base += in->at * c.in.stride[2];
		c.in.stride[0] = in->step * c.in.stride[2];
		c.a.n = 0;
	} else {
		c.a.base += in->at * a;
		c.a.n = in->step * a;
	}
	c.out.base += out->at * c.out.stride[2];
	c.out.stride[0] = out->step * c.out.stride[2];
	c.res.base += out->at * c.res.stride[2];
	c.res.stride[0] = out->step * c.res.stride[2];
	ig_conv_emit(&c, &p->k);
}

static void emit_depthwise(struct group *x, const struct span *s)
{
	struct ig_depthwise d = x->d;
	struct ig_conv *c = &d.c;
	c->into = &x->b;
	c->outer = s->band;
	c->copied = true;
	if (x->r->expand.i < 0) {
		c->g.oh = x->r->band;
		c->a.base += s->at * c->g.sh * c->a.y;
		c->a.n = s->step * c->g.sh * c->a.y;
	} else {
		c->a.n = 0;
	}
	c->out.stride[0] = 0;
	ig_depthwise_emit(&d);
}

/* Padding into the band: h rows from row y, w columns from column at. */
static void fill(struct group *x, int64_t y, int64_t h, int64_t at, int64_t w)
{
	int64_t row = x->r->cols * x->r->g.ic, extent[2] = {h, w * x->r->g.ic}, stride[2] = {row, 1};
	struct ig_nest nest;
	if (h < 1 || w < 1)
		return;
	ig_nest_init(&nest, 2, extent);
	ig_nest_operand(&nest, x->padded, y * row + at * x->r->g.ic, stride);
	ig_nest_fill(&x->b, &nest, x->L->t->vector_bytes / kir_elem_bytes(x->elem), x->elem, x->d.fill);
}

static void move_overlap(struct group *x)
{
	int64_t row = x->r->cols * x->r->g.ic, extent[1] = {x->r->overlap * row}, stride[1] = {1};
	struct ig_nest nest;
	if (x->r->overlap < 1)
		return;
	ig_nest_init(&nest, 1, extent);
	ig_nest_operand(&nest, x->padded, 0, stride);
	ig_nest_operand(&nest, x->padded, x->r->step * row, stride);
	ig_nest_copy(&x->b, &nest, x->L->t->vector_bytes / kir_elem_bytes(x->elem), x->elem);
}

/* One band, or those of the open loop. `below`: rows of it that are padding. */
static void emit_band(struct group *x, kir_iv band, int64_t at, int64_t below)
{
	const struct ig_rows *r = x->r;
	struct span results = {band, at * r->band, band < 0 ? 0 : r->band, r->band}, here = {band, 0, 0, r->band};
	if (r->expand.i >= 0) {
		struct span in = {band, r->first + at * r->step, band < 0 ? 0 : r->step, r->step - below}, out = {band, r->overlap, 0, r->step - below};
		emit_point(x, &x->expand, &in, &out);
		fill(x, r->overlap + r->step - below, below, r->g.pl, r->g.iw);
	}
	emit_depthwise(x, &results);
	emit_point(x, &x->project, &here, &results);
}

static void emit(struct group *x)
{
	const struct ig_rows *r = x->r;
	const struct ig_conv_geom *g = &r->g;
	bool expand = r->expand.i >= 0;
	int64_t bands = g->oh / r->band, below = expand ? r->below : 0, looped = below ? bands - 1 : bands;
	if (expand) {
		struct span in = {-1, 0, 0, r->first}, out = {-1, g->pt, 0, r->first};
		if (x->expand.whole)
			ig_conv_copy(&x->expand.c, &x->b, -1, x->expand.k.fill);
		fill(x, 0, g->pt, 0, r->cols);
		fill(x, g->pt, r->overlap + r->step - g->pt, 0, g->pl);
		fill(x, g->pt, r->overlap + r->step - g->pt, g->pl + g->iw, r->cols - g->pl - g->iw);
		if (r->first)
			emit_point(x, &x->expand, &in, &out);
	} else {
		ig_conv_copy(&x->d.c, &x->b, -1, x->d.fill);
	}
	kir_iv band = ig_vec_loop(&x->b, "band", looped, NULL, 0);
	emit_band(x, band, 0, 0);
	if (expand)
		move_overlap(x);
	ig_vec_end(&x->b, band, NULL, 0);
	if (below)
		emit_band(x, -1, bands - 1, below);
}

bool ig_rows_lower(struct ig_lower *L, const struct ig_rows *r)
{
	struct group x = {.L = L, .r = r, .padded = -1};
	const struct ig_node *d = ig_node(L->g, r->depthwise), *p = ig_node(L->g, r->project);
	if (!prepare(&x))
		return false;
	const char *name = ig_arena_printf(L->m->arena, "%s + %s", d->name, p->name);
	if (r->expand.i >= 0)
		name = ig_arena_printf(L->m->arena, "%s + %s", ig_node(L->g, r->expand)->name, name);
	x.b = (struct kir_builder){L->m, kir_func_add(L->m, name, r->project)};
	x.b.f->macs = ig_node_macs(L->g, d) + ig_node_macs(L->g, p) + (r->expand.i >= 0 ? ig_node_macs(L->g, ig_node(L->g, r->expand)) : 0);
	emit(&x);
	L->view[d->out[0].i].buf = -1; /* nothing to be found there afterwards */
	if (r->expand.i >= 0)
		L->view[d->in[0].i].buf = -1;
	return true;
}
