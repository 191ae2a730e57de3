/* AWQ's other half: the range of the weights that share a scale is narrowed as far as the error of the outputs falls by it, the weights beyond it cut off. For layers
   that compute in float32, whose bias does not depend on the scale. */
#include "ir/number.h"
#include "ir/stored.h"
#include "passes/convert.h"
#include "passes/gram.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 24 /* candidates: from the range that holds both ends, down to half of it */

struct clip {
	struct ig_graph *g;
	const struct ig_graph *flt;
	const struct ig_qconfig_map *map;
	IG_VEC(struct ig_nid) of_g, of_flt;
};

/* The error of a part of an output's weights, which begin at input `at`. */
static double part_error(const struct ig_gram *gram, int64_t group, int64_t at, const double *e, int64_t n)
{
	const double *h = gram->h + group * gram->k * gram->k + at * gram->k + at;
	double sum = 0;
	for (int64_t i = 0; i < n; i++, h += gram->k) {
		double s = 0;
		for (int64_t j = 0; j < n; j++)
			s += h[j] * e[j];
		sum += s * e[i];
	}
	return sum;
}

/* The scale of n weights that begin at input `at`; now: what it is. */
static float best_scale(const float *w, int64_t n, const struct ig_qparam *q, float now, const struct ig_gram *gram, int64_t group, int64_t at, double *e)
{
	double most = 0, best = INFINITY;
	float found = now;
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)w[i]));
	for (int k = -1; k < STEPS; k++) {
		float s = k < 0 ? now : (float)(most / (double)q->qmax * (1 - 0.5 * k / STEPS));
		if (!(s >= 0x1p-100f))
			continue;
		for (int64_t i = 0; i < n; i++)
			e[i] = (double)((float)ig_convert_weight(w[i], s, q->qmin, q->qmax) * s) - (double)w[i];
		double error = part_error(gram, group, at, e, n);
		if (error < best) {
			best = error;
			found = s;
		}
	}
	return found;
}

static bool use(void *to, int i, const struct ig_gram *gram)
{
	struct clip *k = to;
	struct ig_nid id = k->of_g.v[i];
	const struct ig_node *n = ig_node(k->g, id);
	const struct ig_tensor *old = ig_const_data(k->g, n->in[1]), *flt = ig_const_data(k->flt, ig_node(k->flt, k->of_flt.v[i])->in[1]);
	struct ig_qparam q = *ig_qparam(k->g, old->type.q);
	struct ig_weight_runs r;
	if (!ig_weight_runs_of(n, flt, &ig_node_qconfig(k->map, n)->weight, &r) || r.n != q.n || r.row != gram->k)
		return true; /* one scale for outputs that have nothing to do with each other */
	float *scale = ig_xcalloc((size_t)q.n + 1, sizeof *scale);
	double *e = ig_xcalloc((size_t)gram->k + 1, sizeof *e);
	struct ig_tensor *t = ig_tensor_new(k->g->arena, &old->type);
	for (int64_t s = 0; s < r.n; s++) {
		int64_t from, end;
		ig_weight_run(&r, s, &from, &end);
		const float *w = (const float *)flt->data + from;
		int64_t group = from / gram->k / (flt->type.dim[0] / gram->groups);
		scale[s] = best_scale(w, end - from, &q, q.scale[s], gram, group, from % gram->k, e);
		for (int64_t j = from; j < end; j++)
			ig_put_int(t, j, ig_convert_weight(w[j - from], scale[s], q.qmin, q.qmax));
	}
	q.scale = scale;
	t->type.q = ig_graph_qparam(k->g, &q);
	ig_set_constant(k->g, id, 1, "weight", t);
	free(scale);
	free(e);
	return true;
}

static void list_layers(struct clip *k)
{
	for (struct ig_nid id = ig_first(k->g); id.i >= 0; id = ig_next(k->g, id)) {
		const struct ig_node *n = ig_node(k->g, id);
		if (n->precision != IG_PREC_STORED || !ig_op_is_conv_like(n->op) || !ig_has_stored_weights(k->g, n) || !ig_qparam(k->g, ig_vtype(k->g, n->in[1])->q))
			continue;
		struct ig_nid f = ig_graph_find(k->flt, n->name);
		if (f.i < 0 || !ig_op_is_conv_like(ig_node(k->flt, f)->op) || !ig_gram_possible(k->flt, ig_node(k->flt, f)) ||
		    !ig_convert_has_weights(k->flt, ig_node(k->flt, f)))
			continue;
		ig_vec_push(&k->of_g, id);
		ig_vec_push(&k->of_flt, f);
	}
}

bool ig_pass_awq_clip(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_AWQ])
		return true;
	struct clip k = {.g = g, .flt = c->flt, .map = c->qconfig};
	list_layers(&k);
	if (!k.of_g.n)
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_AWQ], "nothing for awq to do: no layer is weight_only");
	bool ok = ig_gram_each(c->flt, k.of_flt.v, k.of_flt.n, c->replay, c->diag, use, &k);
	ig_vec_free(&k.of_g);
	ig_vec_free(&k.of_flt);
	return ok;
}
