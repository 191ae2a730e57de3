/* AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2023): a channel whose inputs are large gets larger weights
   and smaller inputs, so that its weights lose less when they are rounded: weights * s, inputs / s, s = magnitude^alpha, alpha the best of 20 by the error of the
   outputs. Inputs are divided where that costs nothing: in a constant factor or the weights before. The search of weight ranges is awq_clip.c's. */
#include "ir/detmath.h"
#include "ir/print.h"
#include "passes/convert.h"
#include "passes/divide.h"
#include "passes/gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALPHAS 20

/* A value that can be divided by channels, and whose readers all are layers with weights of few bits. */
struct shared {
	struct ig_divisible d;
	double *scale; /* [ALPHAS][channels] */
	double error[ALPHAS];
};
struct awq {
	struct ig_graph *g;
	const struct ig_qconfig_map *map;
	IG_VEC(struct shared) shared;
	IG_VEC(struct ig_nid) reader;
	IG_VEC(int) of; /* the reader's value */
};

/* Whether a reader's weights are to be stored in few bits. */
static bool is_meant(const struct awq *k, const struct ig_node *n)
{
	return n->precision == IG_PREC_STORED && ig_gram_possible(k->g, n) && ig_node_qconfig(k->map, n)->mode == IG_MODE_WEIGHT_ONLY;
}

static void find_shared(struct awq *k, struct ig_vid v)
{
	const struct ig_graph *g = k->g;
	struct shared s;
	int readers = k->reader.n;
	memset(&s, 0, sizeof s);
	if (!ig_divisible_find(g, v, &s.d) || ig_node(g, s.d.fold)->precision == IG_PREC_INT8)
		return;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		if (!ig_divisible_reads(&s.d, ig_node(g, id)))
			continue;
		if (!is_meant(k, ig_node(g, id))) {
			k->reader.n = k->of.n = readers;
			return;
		}
		ig_vec_push(&k->reader, id);
		ig_vec_push(&k->of, k->shared.n);
	}
	s.scale = ig_xcalloc((size_t)(ALPHAS * s.d.channels) + 1, sizeof *s.scale);
	ig_vec_push(&k->shared, s);
}

/* The candidates: powers of the channels' magnitudes around 1. A channel that is always 0 keeps its weights. */
static void make_scales(struct shared *s, const struct ig_gram *gram)
{
	int64_t taps = gram->k * gram->groups / s->d.channels;
	for (int a = 0; a < ALPHAS; a++) {
		double *to = s->scale + a * s->d.channels, least = INFINITY, most = 0;
		for (int64_t c = 0; c < s->d.channels; c++) {
			double m = 0;
			for (int64_t t = 0; t < taps; t++)
				m += gram->magnitude[c * taps + t] / (double)taps;
			to[c] = m > 0 && isfinite(m) ? ig_det_pow(m, (double)a / ALPHAS) : 0;
			least = to[c] > 0 ? fmin(least, to[c]) : least;
			most = fmax(most, to[c]);
		}
		double middle = most > 0 ? ig_det_sqrt(most * least) : 1;
		for (int64_t c = 0; c < s->d.channels; c++)
			to[c] = to[c] > 0 ? (double)(float)(to[c] / middle) : 1;
	}
}

static double error_of(const struct awq *k, const struct shared *v, const struct ig_node *n, const struct ig_gram *gram, const double *scale)
{
	const struct ig_tensor *t = ig_const_data(k->g, n->in[1]);
	const struct ig_qspec *q = &ig_node_qconfig(k->map, n)->weight;
	const float *w = t->data;
	struct ig_weight_runs r;
	int32_t qmin, qmax;
	int64_t all = ig_elems(&t->type), each = t->type.dim[0] / gram->groups;
	double sum = 0;
	if (!ig_weight_runs_of(n, t, q, &r))
		return 0; /* conversion will refuse it */
	ig_qspec_limits(q, &qmin, &qmax);
	float *x = ig_xcalloc((size_t)all + 1, sizeof *x);
	double *e = ig_xcalloc((size_t)all + 1, sizeof *e);
	for (int64_t i = 0; i < all; i++)
		x[i] = (float)((double)w[i] * scale[ig_divisible_channel(&v->d, &t->type, i)]);
	for (int64_t s = 0; s < r.n; s++) {
		int64_t from, to;
		ig_weight_run(&r, s, &from, &to);
		float step = ig_convert_weight_scale(x + from, to - from, q);
		for (int64_t i = from; i < to; i++) {
			double stored = (double)((float)ig_convert_weight(x[i], step, qmin, qmax) * step);
			e[i] = stored / scale[ig_divisible_channel(&v->d, &t->type, i)] - (double)w[i];
		}
	}
	for (int64_t c = 0; c < t->type.dim[0]; c++)
		sum += ig_gram_error(gram, c / each, e + c * gram->k);
	free(x);
	free(e);
	return sum;
}

static bool weigh(void *to, int i, const struct ig_gram *gram)
{
	struct awq *k = to;
	struct shared *s = &k->shared.v[k->of.v[i]];
	if (i == 0 || k->of.v[i - 1] != k->of.v[i])
		make_scales(s, gram);
	for (int a = 0; a < ALPHAS; a++)
		s->error[a] += error_of(k, s, ig_node(k->g, k->reader.v[i]), gram, s->scale + a * s->d.channels);
	return true;
}

/* Applies the best candidate, if it is better than none (which is the first). */
static void apply(struct awq *k, const struct shared *s)
{
	int best = 0;
	for (int a = 1; a < ALPHAS; a++)
		if (s->error[a] < s->error[best])
			best = a;
	const double *scale = s->scale + best * s->d.channels;
	if (best > 0 && ig_divide(k->g, &s->d, scale))
		k->g->weights_hash = ig_hash_bytes(scale, (size_t)s->d.channels * sizeof *scale, k->g->weights_hash);
}

bool ig_pass_awq(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_AWQ] || ig_has_quantized(g))
		return true;
	struct awq k = {.g = g, .map = c->qconfig};
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->n_out == 1 && ig_node(g, id)->op != IG_OP_CONSTANT)
			find_shared(&k, ig_node(g, id)->out[0]);
	bool ok = ig_gram_each(g, k.reader.v, k.reader.n, c->replay, c->diag, weigh, &k);
	for (int i = 0; i < k.shared.n; i++) {
		if (ok)
			apply(&k, &k.shared.v[i]);
		free(k.shared.v[i].scale);
	}
	ig_vec_free(&k.shared);
	ig_vec_free(&k.reader);
	ig_vec_free(&k.of);
	return ok;
}
