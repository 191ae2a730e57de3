/* GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022): the weights of an output are rounded one
   after the other, and what each loses is made up for by those not rounded yet, as far as the inputs go together. Scales stay as they are. Each output keeps
   the best of three: rounded in the weights' order, in that of falling input power, and to nearest. */
#include "ir/detmath.h"
#include "ir/dynamic.h"
#include "ir/number.h"
#include "passes/convert.h"
#include "passes/gram.h"
#include "passes/patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING 0.01 /* of the mean of the diagonal */

struct gptq {
	struct ig_graph *g;
	IG_VEC(struct ig_layer_pair) layer;
	IG_VEC(struct ig_nid) flt; /* the float layers */
};
/* One group's order of rounding. */
struct order {
	int64_t k, *at; /* at[i]: the weight that comes i-th */
	double *u;      /* upper triangle with u^T u = the damped matrix's inverse, in that order */
	bool good;      /* the matrix was positive definite */
};
/* l: the lower triangle of the matrix, replaced by the factor with l l^T = the matrix. False: not positive definite. */
static bool cholesky(double *l, int64_t k)
{
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j <= i; j++) {
			double sum = l[i * k + j];
			for (int64_t m = 0; m < j; m++)
				sum -= l[i * k + m] * l[j * k + m];
			if (i == j && !(sum > 0 && isfinite(sum)))
				return false;
			l[i * k + j] = i == j ? ig_det_sqrt(sum) : sum / l[j * k + j];
		}
	return true;
}

/* The lower triangle's inverse, in place. */
static void invert(double *l, int64_t k)
{
	double *row = ig_xcalloc((size_t)k + 1, sizeof *row);
	for (int64_t i = 0; i < k; i++) {
		double d = 1 / l[i * k + i];
		memset(row, 0, (size_t)k * sizeof *row);
		for (int64_t m = 0; m < i; m++) /* rows m are inverted already */
			for (int64_t j = 0; j <= m; j++)
				row[j] += l[i * k + m] * l[m * k + j];
		for (int64_t j = 0; j < i; j++)
			l[i * k + j] = -d * row[j];
		l[i * k + i] = d;
	}
	free(row);
}

/* With the order reversed, the inverse of the Cholesky factor is, read backwards, the upper triangle that GPTQ takes from the inverse matrix. */
static void factor(struct order *o, const double *h, double damping)
{
	int64_t k = o->k;
	double *l = ig_xcalloc((size_t)(k * k) + 1, sizeof *l);
	for (int64_t i = 0; i < k; i++)
		for (int64_t j = 0; j <= i; j++) {
			int64_t a = o->at[k - 1 - i], b = o->at[k - 1 - j];
			double dead = h[a * k + a] > 0 ? 0 : 1; /* an input that is always 0 */
			l[i * k + j] = h[a * k + b] + (a == b ? damping + dead : 0);
		}
	o->good = cholesky(l, k);
	if (o->good)
		invert(l, k);
	for (int64_t i = 0; i < k && o->good; i++)
		for (int64_t j = i; j < k; j++)
			o->u[i * k + j] = l[(k - 1 - i) * k + k - 1 - j];
	free(l);
}

/* Weights by falling power of their inputs, equal ones in their own order: merge sort. */
static void sort_by_power(int64_t *at, int64_t *spare, int64_t n, const double *h, int64_t k)
{
	int64_t half = n / 2, a = 0, b = half;
	if (n < 2)
		return;
	sort_by_power(at, spare, half, h, k);
	sort_by_power(at + half, spare, n - half, h, k);
	for (int64_t i = 0; i < n; i++)
		spare[i] = b == n || (a < half && h[at[a] * (k + 1)] >= h[at[b] * (k + 1)]) ? at[a++] : at[b++];
	memcpy(at, spare, (size_t)n * sizeof *at);
}

static void make_order(struct order *o, const struct ig_gram *gram, int64_t group, bool by_power)
{
	int64_t k = gram->k;
	const double *h = gram->h + group * k * k;
	double diagonal = 0;
	*o = (struct order){.k = k, .at = ig_xcalloc((size_t)k + 1, sizeof *o->at), .u = ig_xcalloc((size_t)(k * k) + 1, sizeof *o->u)};
	for (int64_t i = 0; i < k; i++) {
		o->at[i] = i;
		diagonal += h[i * (k + 1)];
	}
	if (by_power) {
		int64_t *spare = ig_xcalloc((size_t)k + 1, sizeof *spare);
		sort_by_power(o->at, spare, k, h, k);
		free(spare);
	}
	factor(o, h, DAMPING * diagonal / (double)k);
}

/* Rounds the weights of an output, from `first` on, in an order; o NULL: to nearest. What is lost goes to e. */
static void round_output(const struct ig_layer_pair *l, int64_t first, const struct order *o, int32_t *to, double *w, double *e)
{
	int64_t k = l->patches.per;
	const float *flt = (const float *)l->w->data + first;
	for (int64_t i = 0; i < k; i++)
		w[i] = (double)flt[o ? o->at[i] : i];
	for (int64_t i = 0; i < k; i++) {
		int64_t at = o ? o->at[i] : i;
		float s = (float)ig_pair_scale(l, first + at);
		to[at] = ig_convert_weight((float)w[i], s, l->qw->qmin, l->qw->qmax);
		double value = (double)((float)to[at] * s), lost;
		e[at] = value - (double)flt[at];
		if (!o)
			continue;
		lost = (w[i] - value) / o->u[i * k + i];
		for (int64_t j = i + 1; j < k; j++)
			w[j] -= lost * o->u[i * k + j];
	}
}

/* Gives output c the integers, unless its sums could then leave 32 bits. */
static bool put_output(const struct ig_graph *g, const struct ig_layer_pair *l, int64_t c, const int32_t *q, int32_t *old)
{
	int64_t k = l->patches.per;
	bool sums = l->s_x != 0 || ig_dynamic_levels(ig_node(g, l->node));
	for (int64_t j = 0; j < k; j++) {
		old[j] = (int32_t)ig_get_int(l->q, c * k + j);
		ig_put_int(l->q, c * k + j, q[j]);
	}
	if (!sums || ig_pair_fits(l, c, l->s_x != 0 ? ig_pair_bias(g, l, c) / (l->s_x * ig_pair_scale(l, c * k)) : 0))
		return true;
	for (int64_t j = 0; j < k; j++)
		ig_put_int(l->q, c * k + j, old[j]);
	return false;
}

static bool round_layer(void *to, int at, const struct ig_gram *gram)
{
	const struct gptq *p = to;
	const struct ig_layer_pair *l = &p->layer.v[at];
	int64_t k = gram->k, each = l->patches.ocg;
	int32_t *q = ig_xcalloc(2 * (size_t)k + 1, sizeof *q);
	double *w = ig_xcalloc(2 * (size_t)k + 1, sizeof *w), *e = w + k;
	for (int64_t g = 0; g < gram->groups; g++) {
		struct order order[2];
		for (int i = 0; i < 2; i++)
			make_order(&order[i], gram, g, i == 1);
		for (int64_t c = g * each; c < (g + 1) * each; c++) {
			round_output(l, c * k, NULL, q, w, e);
			double best = ig_gram_error(gram, g, e);
			for (int i = 0; i < 2; i++) {
				if (!order[i].good)
					continue;
				round_output(l, c * k, &order[i], q, w, e);
				double error = ig_gram_error(gram, g, e);
				if (error < best && put_output(p->g, l, c, q, q + k))
					best = error;
			}
		}
		for (int i = 0; i < 2; i++) {
			free(order[i].at);
			free(order[i].u);
		}
	}
	free(q);
	free(w);
	return true;
}

bool ig_pass_gptq(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_GPTQ])
		return true;
	struct gptq p = {.g = g};
	bool left = false;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct ig_layer_pair l;
		if (!ig_layer_pair_of(g, id, c->flt, &l) || l.patches.places == 0)
			continue;
		if (l.patches.per > IG_GRAM_MOST) {
			ig_warn(c->diag, ig_node(g, id)->loc, "`%s` has %lld inputs for each output; gptq takes at most %d: its weights stay rounded to nearest", ig_node(g, id)->name,
			        (long long)l.patches.per, IG_GRAM_MOST);
			left = true;
			continue;
		}
		l.q = ig_own_weights(g, id);
		ig_vec_push(&p.layer, l);
		ig_vec_push(&p.flt, l.flt);
	}
	if (!p.layer.n && !left)
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_GPTQ], "nothing for gptq to do: no layer has weights of 8 bits or fewer");
	bool ok = ig_gram_each(c->flt, p.flt.v, p.flt.n, c->replay, c->diag, round_layer, &p);
	ig_vec_free(&p.layer);
	ig_vec_free(&p.flt);
	return ok;
}
