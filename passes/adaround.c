/* AdaRound (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020): layer by layer in their order, the weights are rounded up or down so that
   the layer, fed what the quantized layers before it give, comes near the float layer's outputs (with its activation) at places drawn from the samples. */
#include "ir/detmath.h"
#include "ir/interp.h"
#include "ir/number.h"
#include "passes/draw.h"
#include "passes/march.h"
#include "passes/pass.h"
#include "passes/patch.h"
#include "passes/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SAMPLES 128
#define ROWS 4096      /* places of a layer that are looked at */
#define ITERATIONS 1000
enum { LANES = IG_ROUNDING_LANES, TILE = IG_ROUNDING_TILE };

struct layer {
	struct ig_layer_pair pair;
	int64_t rows;
	int64_t *slot, *place; /* of each row */
	float *target;         /* [rows][outputs]: the float layer's, before the activation */
};
struct adaround {
	struct ig_graph *g;
	const struct ig_graph *flt;
	const struct ig_replay *replay;
	IG_VEC(struct layer) layer;
	struct ig_interp **interp; /* of the float graph, by worker */
	int64_t samples;
};

static void find_layers(struct adaround *a)
{
	for (struct ig_nid id = ig_first(a->g); id.i >= 0; id = ig_next(a->g, id)) {
		struct layer l = {0};
		if (!ig_layer_pair_of(a->g, id, a->flt, &l.pair) || l.pair.patches.places == 0)
			continue;
		const struct ig_node *f = ig_node(a->flt, l.pair.flt);
		if (f->n_in > 2 && !ig_const_data(a->flt, f->in[2]))
			continue;
		l.pair.q = ig_own_weights(a->g, id);
		ig_vec_push(&a->layer, l);
	}
}

/* At how many places: fewer where all layers' outputs there would take more than 512 MB. */
static int64_t most_rows(const struct adaround *a)
{
	int64_t outputs = 0, rows = ROWS;
	for (int i = 0; i < a->layer.n; i++)
		outputs += a->layer.v[i].pair.patches.c.oc;
	while (rows > ROWS / 4 && rows * outputs > (INT64_C(512) << 20) / (int64_t)sizeof(float))
		rows /= 2;
	return rows;
}

/* The places a layer is looked at: all where there are few, else drawn. */
static void draw_rows(struct adaround *a, int at, int64_t rows)
{
	struct layer *l = &a->layer.v[at];
	int64_t places = l->pair.patches.places, all = a->samples * places;
	bool few = all <= rows;
	l->rows = few ? (all + TILE - 1) / TILE * TILE : rows;
	l->slot = ig_xcalloc((size_t)l->rows, sizeof *l->slot);
	l->place = ig_xcalloc((size_t)l->rows, sizeof *l->place);
	l->target = ig_xcalloc((size_t)(l->rows * l->pair.patches.c.oc), sizeof *l->target);
	for (int64_t r = 0; r < l->rows; r++) {
		int64_t pick = few ? r % all : (int64_t)(ig_draw((uint64_t)at, (uint64_t)r) % (uint64_t)all);
		l->slot[r] = pick / places;
		l->place[r] = pick % places;
	}
}

/* The float layer's outputs at the rows of one sample. */
static void find_targets(const struct layer *l, int64_t slot, const float *x, const float *bias)
{
	const struct ig_patches *p = &l->pair.patches;
	const float *w = l->pair.w->data;
	float *row = ig_xcalloc((size_t)p->per + 1, sizeof *row);
	for (int64_t r = 0; r < l->rows; r++) {
		for (int64_t c = 0; c < p->c.oc && l->slot[r] == slot; c++) {
			double sum = bias ? (double)bias[c] : 0;
			if (c % p->ocg == 0)
				ig_patch_read(p, x, l->place[r], c / p->ocg, row);
			for (int64_t i = 0; i < p->per; i++)
				sum += (double)w[c * p->per + i] * (double)row[i];
			l->target[r * p->c.oc + c] = (float)sum;
		}
	}
	free(row);
}

static bool visit_float(void *to, int worker, int64_t i, const void *const *in)
{
	const struct adaround *a = to;
	int64_t slot = ig_march_slot(a->replay->n, a->samples, i);
	if (slot < 0)
		return true;
	ig_interp_run(a->interp[worker], in);
	for (int k = 0; k < a->layer.n; k++) {
		const struct ig_node *n = ig_node(a->flt, a->layer.v[k].pair.flt);
		const struct ig_tensor *b = n->n_in > 2 ? ig_const_data(a->flt, n->in[2]) : NULL;
		find_targets(&a->layer.v[k], slot, ig_interp_value(a->interp[worker], n->in[0])->data, b ? b->data : NULL);
	}
	return true;
}

static bool run_float(struct adaround *a, struct ig_diag *d)
{
	bool ok = true;
	a->interp = ig_xcalloc((size_t)a->replay->workers, sizeof *a->interp);
	for (int i = 0; i < a->replay->workers && ok; i++)
		ok = (a->interp[i] = ig_interp_new(a->flt, d)) != NULL;
	ok = ok && a->replay->run(a->replay->self, "running the float model", visit_float, a);
	for (int i = 0; i < a->replay->workers; i++)
		ig_interp_free(a->interp[i]);
	free(a->interp);
	return ok;
}

/* What the quantized layer reads at its rows: [groups][rows][per]. */
static float *gather(const struct adaround *a, const struct layer *l, const struct ig_march *m)
{
	const struct ig_patches *p = &l->pair.patches;
	const struct ig_node *n = ig_node(a->g, l->pair.node);
	float *x = ig_xcalloc((size_t)ig_elems(ig_vtype(a->g, n->in[0])) + 1, sizeof *x), *rows = ig_xcalloc((size_t)(p->c.groups * l->rows * p->per) + 1, sizeof *rows);
	for (int64_t s = 0; s < a->samples; s++) {
		ig_march_reals(m, s, n->in[0], x);
		for (int64_t r = 0; r < l->rows; r++)
			for (int64_t group = 0; group < p->c.groups && l->slot[r] == s; group++)
				ig_patch_read(p, x, l->place[r], group, rows + (group * l->rows + r) * p->per);
	}
	free(x);
	return rows;
}

/* The outputs first .. first + n - 1, which are of one group, in the learner's form. */
struct block {
	struct ig_rounding r;
	float *target, *base, *step, *part;
	uint8_t *up;
};

static void fill_block(const struct adaround *a, const struct layer *l, struct block *b, int64_t first, int64_t n)
{
	const struct ig_layer_pair *q = &l->pair;
	int64_t per = q->patches.per, oc = q->patches.c.oc;
	for (int64_t j = 0; j < n; j++) {
		b->r.bias[j] = (float)ig_pair_bias(a->g, q, first + j);
		for (int64_t row = 0; row < l->rows; row++)
			b->target[row * LANES + j] = l->target[row * oc + first + j];
		for (int64_t k = 0; k < per; k++) {
			int64_t i = (first + j) * per + k, at = k * LANES + j;
			double s = ig_pair_scale(q, i), whole = (double)(((const float *)q->w->data)[i] / (float)s), down = ig_det_floor(whole);
			bool free_to = down >= q->qw->qmin && down + 1 <= q->qw->qmax;
			b->base[at] = (float)((free_to ? down : (double)ig_get_int(q->q, i)) * s);
			b->step[at] = free_to ? (float)s : 0;
			b->part[at] = (float)(whole - down);
			b->up[at] = free_to && (double)ig_get_int(q->q, i) > down;
		}
	}
}

/* Rounds output c as learned, unless its sums could then leave 32 bits. */
static void round_output(const struct adaround *a, const struct layer *l, const struct block *b, int64_t c, int lane)
{
	const struct ig_layer_pair *q = &l->pair;
	int64_t per = q->patches.per;
	int8_t *old = ig_xcalloc((size_t)per + 1, 1);
	for (int64_t k = 0; k < per; k++) {
		int64_t i = c * per + k, at = k * LANES + lane;
		old[k] = (int8_t)ig_get_int(q->q, i);
		if (b->step[at] > 0)
			ig_put_int(q->q, i, (int64_t)ig_det_floor((double)(((const float *)q->w->data)[i] / (float)ig_pair_scale(q, i))) + b->up[at]);
	}
	double unit = q->s_x * ig_pair_scale(q, c * per);
	bool ok = q->s_x == 0 || ig_pair_fits(q, c, ig_pair_bias(a->g, q, c) / unit);
	for (int64_t k = 0; k < per && !ok; k++)
		ig_put_int(q->q, c * per + k, old[k]);
	free(old);
}

static void round_layer(const struct adaround *a, struct layer *l, const struct ig_march *m)
{
	const struct ig_patches *p = &l->pair.patches;
	const struct ig_node *n = ig_node(a->g, l->pair.node);
	float *x = gather(a, l, m);
	size_t size = (size_t)(p->per * LANES) + 1;
	struct block b = {.target = ig_xcalloc((size_t)(l->rows * LANES), sizeof(float)), .up = ig_xcalloc(size, 1)};
	b.base = ig_xcalloc(size, sizeof(float));
	b.step = ig_xcalloc(size, sizeof(float));
	b.part = ig_xcalloc(size, sizeof(float));
	double lo = -(double)INFINITY, hi = (double)INFINITY;
	if (!ig_op_is_add(n->op))
		ig_act_bounds(n, &lo, &hi);
	for (int64_t c = 0; c < p->c.oc;) {
		int64_t left = p->ocg - c % p->ocg, count = left < LANES ? left : LANES;
		b.r = (struct ig_rounding){.rows = l->rows, .per = p->per, .x = x + c / p->ocg * l->rows * p->per, .target = b.target, .base = b.base, .step = b.step,
		                           .part = b.part, .lo = (float)lo, .hi = (float)hi, .iterations = ITERATIONS};
		memset(b.step, 0, size * sizeof(float));
		fill_block(a, l, &b, c, count);
		ig_learn_rounding(&b.r, b.up);
		for (int64_t j = 0; j < count; j++)
			round_output(a, l, &b, c + j, (int)j);
		c += count;
	}
	free(x);
	free(b.target);
	free(b.base);
	free(b.step);
	free(b.part);
	free(b.up);
}

bool ig_pass_adaround(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_ADAROUND])
		return true;
	struct adaround a = {.g = g, .flt = c->flt, .replay = c->replay};
	find_layers(&a);
	struct ig_march *m = ig_march_new(g, c->replay, MOST_SAMPLES, c->diag);
	bool ok = m != NULL;
	a.samples = ok ? ig_march_samples(m) : 0;
	for (int i = 0; i < a.layer.n && ok; i++)
		draw_rows(&a, i, most_rows(&a));
	ok = ok && run_float(&a, c->diag);
	for (int i = 0; i < a.layer.n && ok; i++) {
		ok = ig_march_to(m, a.layer.v[i].pair.node, "rounding weights");
		if (ok)
			round_layer(&a, &a.layer.v[i], m);
	}
	ig_march_free(m);
	for (int i = 0; i < a.layer.n; i++) {
		free(a.layer.v[i].slot);
		free(a.layer.v[i].place);
		free(a.layer.v[i].target);
	}
	ig_vec_free(&a.layer);
	return ok;
}
