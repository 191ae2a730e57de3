/* Which layers become one function that goes through the image in bands of rows, and how many rows a band has. */
#include "codegen/rows.h"
#include "ir/dynamic.h"

#include <stdlib.h>

static bool point(const struct ig_conv_geom *g)
{
	return g->kh == 1 && g->kw == 1 && g->sh == 1 && g->sw == 1 && !g->pt && !g->pl && !g->pb && !g->pr && g->groups == 1;
}

static struct ig_conv_geom geometry(const struct ig_lower *L, struct ig_nid n)
{
	struct ig_conv_geom g;
	ig_conv_geometry(L->g, ig_node(L->g, n), &g);
	return g;
}

/* What can be computed band by band: not where the range of the whole input counts. */
static bool in_bands(const struct ig_lower *L, struct ig_nid n)
{
	return ig_const_data(L->g, ig_node(L->g, n)->in[1]) != NULL && !ig_dynamic_levels(ig_node(L->g, n));
}

/* The node after `n` when it is the only one that reads n's result, as its first operand. */
static struct ig_nid follower(const struct ig_lower *L, struct ig_nid n)
{
	struct ig_nid user = ig_graph_only_user(L->g, ig_node(L->g, n)->out[0]);
	return user.i >= 0 && ig_node(L->g, user)->in[0].i == ig_node(L->g, n)->out[0].i ? user : IG_NONODE;
}

/* Padded rows and columns; false where bands would not be what sched_rows.c can do. */
static bool measure(struct ig_rows *r)
{
	const struct ig_conv_geom *g = &r->g;
	int64_t rows = (g->oh - 1) * g->sh + (g->kh - 1) * g->dh + 1, cols = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1, room = g->pl + g->iw;
	r->overlap = (g->kh - 1) * g->dh + 1 - g->sh;
	r->first = r->overlap - g->pt;
	r->below = rows - g->pt - g->ih > 0 ? rows - g->pt - g->ih : 0;
	r->cols = cols > room ? cols : room;
	return r->first >= 0;
}

static bool expands(const struct ig_lower *L, struct ig_nid n, struct ig_nid depthwise)
{
	const struct ig_node *x = ig_node(L->g, n);
	return x->op == IG_OP_CONV2D && !L->rows[n.i] /* another group's projection */ && geometry(L, n).groups == 1 && in_bands(L, n) && follower(L, n).i == depthwise.i;
}

static bool find_group(const struct ig_lower *L, struct ig_nid n, struct ig_rows *r)
{
	const struct ig_node *x = ig_node(L->g, n);
	*r = (struct ig_rows){.expand = IG_NONODE, .depthwise = n};
	if (x->op != IG_OP_DEPTHWISE_CONV2D || !in_bands(L, n))
		return false;
	r->project = follower(L, n);
	enum ig_op op = r->project.i >= 0 ? ig_node(L->g, r->project)->op : IG_OP_COUNT;
	if ((op != IG_OP_CONV2D && op != IG_OP_CONV2D_ADD) || !in_bands(L, r->project))
		return false;
	struct ig_conv_geom p = geometry(L, r->project);
	r->g = geometry(L, n);
	if (!point(&p) || r->g.n != 1 || r->g.ic != r->g.oc)
		return false;
	struct ig_nid before = ig_value(L->g, x->in[0])->def;
	if (expands(L, before, n) && measure(r))
		r->expand = before;
	return true;
}

/* Bands of so many rows: two at least, and what is kept from band to band must not lie in what is new. */
static bool set_band(struct ig_rows *r, int64_t band)
{
	r->band = band;
	r->step = band * r->g.sh;
	return r->g.oh % band == 0 && r->g.oh > band && (r->expand.i < 0 || (r->step >= r->overlap && r->step > r->below));
}

static int64_t band_bytes(const struct ig_rows *r, int size)
{
	int64_t rows = r->overlap + r->step;
	return size * (r->g.ic * (r->expand.i >= 0 ? rows * r->cols : 0) + r->g.oc * r->band * r->g.ow);
}

/* Cycles to write and read the tensors between the layers: 32 bytes a cycle where they stay in the second cache (in half of it; bands, which share it with
   the input, the result and all weights, in a quarter), else 8. Bands also move their overlap and begin their loops again. */
static int64_t cost_of(const struct ig_lower *L, const struct ig_rows *r, int size, bool apart)
{
	const struct ig_conv_geom *g = &r->g;
	int64_t bytes = size * (r->expand.i >= 0 ? g->ih * g->iw * g->ic : 0) + size * g->oh * g->ow * g->oc;
	int64_t here = apart ? bytes : band_bytes(r, size), moved = apart || r->expand.i < 0 ? 0 : g->oh / r->band * r->overlap * r->cols * g->ic * size;
	int64_t cost = 2 * bytes / ((size_t)here > L->t->l2 / (apart ? 2 : 4) ? 8 : 32) + 2 * moved / 32;
	return apart ? cost : cost + 200 * (g->oh / r->band);
}

static int64_t bytes_of(const struct ig_lower *L, struct ig_vid v)
{
	const struct ig_type *t = ig_vtype(L->g, v);
	return ig_elems(t) * kir_elem_bytes(ig_layout_elem(t->dtype));
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The most memory at one time: layer by layer, what each reads and writes; or the input, the bands and the result. */
static int64_t memory_of(const struct ig_lower *L, const struct ig_rows *r, int size, bool apart)
{
	const struct ig_node *d = ig_node(L->g, r->depthwise), *p = ig_node(L->g, r->project), *head = ig_node(L->g, ig_rows_head(r));
	int64_t in = bytes_of(L, head->in[0]), result = bytes_of(L, p->out[0]), between = size * r->g.n * (r->g.ih + r->g.pt + r->g.pb) * (r->g.iw + r->g.pl + r->g.pr) * r->g.ic;
	int64_t kept = ig_op_is_add(p->op) && p->in[3].i == head->in[0].i ? in : 0, inner = bytes_of(L, d->out[0]);
	if (kept && (apart || ig_rows_in_place(L, r))) /* written over the residual */
		result = 0;
	if (!apart)
		return in + band_bytes(r, size) + result;
	return larger(r->expand.i >= 0 ? in + between : 0, larger((r->expand.i >= 0 ? between + kept : between) + inner, inner + kept + result));
}

static const char *key_of(const struct ig_lower *L, const struct ig_rows *r)
{
	const struct ig_conv_geom *g = &r->g;
	const char *type = ig_dtypes[ig_vtype(L->g, ig_node(L->g, r->depthwise)->in[0])->dtype].name, *expand = "";
	if (r->expand.i >= 0) {
		struct ig_conv_geom e = geometry(L, r->expand);
		expand = ig_arena_printf(L->arena, " after %lldx%lld from %lld", (long long)e.kh, (long long)e.kw, (long long)e.ic);
	}
	return ig_arena_printf(L->arena, "rows %s %lldx%lldx%lld%s kernel %lldx%lld stride %lldx%lld dilation %lldx%lld pad %lld,%lld to %lldx%lldx%lld%s", type,
	                       (long long)g->ih, (long long)g->iw, (long long)g->ic, expand, (long long)g->kh, (long long)g->kw, (long long)g->sh, (long long)g->sw,
	                       (long long)g->dh, (long long)g->dw, (long long)g->pt, (long long)g->pl, (long long)g->oh, (long long)g->ow,
	                       (long long)ig_vtype(L->g, ig_node(L->g, r->project)->out[0])->dim[1], ig_op_is_add(ig_node(L->g, r->project)->op) ? " add" : "");
}

/* Decides about one group; r->band is 0 when its layers stay apart. False after a diagnostic. */
static bool decide(struct ig_lower *L, struct ig_rows *r)
{
	struct ig_schedule *c = IG_NEWN(L->arena, struct ig_schedule, IG_SCHED_MOST);
	int size = kir_elem_bytes(ig_layout_elem(ig_vtype(L->g, ig_node(L->g, r->depthwise)->in[0])->dtype)), n = 0;
	bool small = L->o->rows == IG_ROWS_ALWAYS;
	c[n++] = (struct ig_schedule){.variant = IG_SCHED_APART, .cost = small ? memory_of(L, r, size, true) : cost_of(L, r, size, true)};
	if (small && c[0].cost <= L->o->rows_limit)
		return true;
	for (int band = 1; band < r->g.oh && band <= IG_ROWS_MOST; band++)
		if (set_band(r, band) && (!small || r->expand.i < 0 || r->step >= 2 * r->overlap)) /* lower bands mostly move old rows */
			c[n++] = (struct ig_schedule){.variant = IG_SCHED_BANDS, .rows = band,
			                              .cost = small ? memory_of(L, r, size, false) : cost_of(L, r, size, false)};
	const struct ig_schedule *s = c;
	if (small)
		ig_schedule_sort(c, n);
	else if (n > 1)
		s = ig_low_choose_group(L, (const struct ig_nid[]){r->project, r->depthwise, r->expand}, key_of(L, r), c, n);
	if (!s)
		return false;
	set_band(r, s->rows ? s->rows : 1);
	r->band = s->rows;
	return true;
}

bool ig_rows_plan(struct ig_lower *L)
{
	L->rows = IG_NEWN(L->arena, struct ig_rows *, L->g->n_nodes + 1);
	if (L->o->rows == IG_ROWS_NEVER || L->o->keep || L->o->threads > 1) /* a band is not split over threads */
		return true;
	for (struct ig_nid i = ig_first(L->g); i.i >= 0; i = ig_next(L->g, i)) {
		struct ig_rows r, *kept;
		if (!find_group(L, i, &r))
			continue;
		if (!decide(L, &r))
			return false;
		if (!r.band)
			continue;
		kept = IG_NEW(L->arena, struct ig_rows);
		*kept = r;
		L->rows[r.depthwise.i] = L->rows[r.project.i] = kept;
		if (r.expand.i >= 0)
			L->rows[r.expand.i] = kept;
	}
	return true;
}

/* Each band reads rows of its input that no earlier band has written: a pointwise expansion is at least a whole band ahead (see `first`). */
bool ig_rows_in_place(const struct ig_lower *L, const struct ig_rows *r)
{
	struct ig_conv_geom e;
	if (r->expand.i < 0 || r->g.sh != 1)
		return false;
	e = geometry(L, r->expand);
	return point(&e);
}
