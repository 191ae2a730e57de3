/* AWQ (Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration", 2023): a channel whose inputs are large gets larger weights
   and smaller inputs, so that its weights lose less when they are rounded: weights * s, inputs / s, s = magnitude^alpha, alpha the best of 20 by the error of the
   outputs. Inputs are divided where that costs nothing: in a constant factor or the weights before. The search of weight ranges is awq_clip.c's. */
#include "ir/detmath.h"
#include "ir/print.h"
#include "passes/convert.h"
#include "passes/gram.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALPHAS 20

/* A value all of whose readers are layers with weights of few bits, and where it can be divided by channels. */
struct shared {
	struct ig_vid value;
	struct ig_nid fold; /* the node whose constants are divided */
	int first, last;    /* constant operands of it: factor or weight, bias */
	int64_t channels;
	bool from_weights; /* channels of the constants are their first axis, else all they have */
	double *scale;     /* [ALPHAS][channels] */
	double error[ALPHAS];
};
struct awq {
	struct ig_graph *g;
	const struct ig_qconfig_map *map;
	IG_VEC(struct shared) shared;
	IG_VEC(struct ig_nid) reader;
	IG_VEC(int) of; /* the reader's value */
};

static const struct ig_tensor *floats(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	return t && t->type.dtype == IG_DT_F32 ? t : NULL;
}

static bool is_linear(const struct ig_node *n) { return n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD; }

/* A layer that reads v as its input, its weights to be stored in few bits. */
static bool reads_well(const struct awq *k, const struct ig_node *n, struct ig_vid v)
{
	if (n->precision != IG_PREC_STORED || n->in[0].i != v.i || !ig_convert_has_weights(k->g, n) || !ig_gram_possible(k->g, n))
		return false;
	for (int i = 1; i < n->n_in; i++)
		if (n->in[i].i == v.i)
			return false;
	return ig_node_qconfig(k->map, n)->mode == IG_MODE_WEIGHT_ONLY;
}

/* Whether t, broadcast against x, has one number for each place of the axis. */
static bool is_along(const struct ig_type *t, const struct ig_type *x, int axis)
{
	int skip = x->rank - t->rank;
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != (i + skip == axis ? x->dim[axis] : 1))
			return false;
	return skip >= 0 && axis >= skip;
}

static bool scales_freely(const struct ig_node *n)
{
	double lo, hi;
	ig_act_bounds(n, &lo, &hi);
	return (lo == 0 || lo == -INFINITY) && hi == INFINITY;
}

/* Whether a layer's results can be divided in its weights; the axis is that of its channels. */
static bool can_divide_layer(const struct awq *k, const struct ig_node *n, int axis)
{
	bool plain = n->op == IG_OP_LINEAR || n->op == IG_OP_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D;
	return plain && n->precision != IG_PREC_INT8 && ig_convert_has_weights(k->g, n) && scales_freely(n) &&
	       axis == (is_linear(n) ? ig_vtype(k->g, n->out[0])->rank - 1 : 1);
}

/* Finds where s->value can be divided; its channels are along the axis. */
static bool find_fold(const struct awq *k, struct shared *s, int axis)
{
	const struct ig_graph *g = k->g;
	const struct ig_node *p = ig_def(g, s->value);
	const struct ig_type *x = ig_vtype(g, s->value);
	s->fold = ig_value(g, s->value)->def;
	s->first = s->last = 1;
	if (can_divide_layer(k, p, axis)) {
		s->from_weights = true;
		s->last = p->n_in - 1;
		return true;
	}
	if (p->op == IG_OP_LAYER_NORM && axis == x->rank - 1 && floats(g, p->in[1]) && ig_elems(ig_vtype(g, p->in[1])) == s->channels &&
	    (p->n_in < 3 || floats(g, p->in[2]))) {
		s->last = p->n_in - 1;
		return true;
	}
	for (int i = 0; i < 2 && p->op == IG_OP_MUL && scales_freely(p); i++) {
		if (floats(g, p->in[i]) && is_along(ig_vtype(g, p->in[i]), x, axis)) {
			s->first = s->last = i;
			return true;
		}
		const struct ig_node *before = ig_def(g, p->in[i]);
		if (ig_graph_only_user(g, p->in[i]).i >= 0 && ig_type_same_shape(ig_vtype(g, p->in[i]), x) && can_divide_layer(k, before, axis)) {
			s->fold = ig_value(g, p->in[i])->def;
			s->from_weights = true;
			s->last = before->n_in - 1;
			return true;
		}
	}
	return false;
}

static void find_shared(struct awq *k, struct ig_vid v)
{
	const struct ig_graph *g = k->g;
	struct shared s = {.value = v};
	int readers = k->reader.n, axis = -1;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->n_in == 0 || n->in[0].i != v.i || !reads_well(k, n, v))
			continue;
		int along = is_linear(n) ? ig_vtype(g, v)->rank - 1 : 1;
		if (axis >= 0 && axis != along)
			break;
		axis = along;
		ig_vec_push(&k->reader, id);
		ig_vec_push(&k->of, k->shared.n);
	}
	s.channels = axis >= 0 ? ig_vtype(g, v)->dim[axis] : 0;
	if (axis < 0 || k->reader.n - readers != ig_graph_uses(g, v) || !find_fold(k, &s, axis)) {
		k->reader.n = k->of.n = readers;
		return;
	}
	s.scale = ig_xcalloc((size_t)(ALPHAS * s.channels) + 1, sizeof *s.scale);
	ig_vec_push(&k->shared, s);
}

/* The candidates: powers of the channels' magnitudes around 1. A channel that is always 0 keeps its weights. */
static void make_scales(struct shared *s, const struct ig_gram *gram)
{
	int64_t taps = gram->k * gram->groups / s->channels;
	for (int a = 0; a < ALPHAS; a++) {
		double *to = s->scale + a * s->channels, least = INFINITY, most = 0;
		for (int64_t c = 0; c < s->channels; c++) {
			double m = 0;
			for (int64_t t = 0; t < taps; t++)
				m += gram->magnitude[c * taps + t] / (double)taps;
			to[c] = m > 0 && isfinite(m) ? ig_det_pow(m, (double)a / ALPHAS) : 0;
			least = to[c] > 0 ? fmin(least, to[c]) : least;
			most = fmax(most, to[c]);
		}
		double middle = most > 0 ? ig_det_sqrt(most * least) : 1;
		for (int64_t c = 0; c < s->channels; c++)
			to[c] = to[c] > 0 ? (double)(float)(to[c] / middle) : 1;
	}
}

/* The channel that weight i of a layer reads. */
static int64_t channel_of(const struct ig_type *w, int64_t groups, int64_t i)
{
	int64_t per = ig_elems(w) / w->dim[0], taps = per / w->dim[1];
	return i / per / (w->dim[0] / groups) * w->dim[1] + i % per / taps;
}

static double error_of(const struct awq *k, const struct ig_node *n, const struct ig_gram *gram, const double *scale)
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
		x[i] = (float)((double)w[i] * scale[channel_of(&t->type, gram->groups, i)]);
	for (int64_t s = 0; s < r.n; s++) {
		int64_t from, to;
		ig_weight_run(&r, s, &from, &to);
		float step = ig_convert_weight_scale(x + from, to - from, q);
		for (int64_t i = from; i < to; i++) {
			double stored = (double)((float)ig_convert_weight(x[i], step, qmin, qmax) * step);
			e[i] = stored / scale[channel_of(&t->type, gram->groups, i)] - (double)w[i];
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
		s->error[a] += error_of(k, ig_node(k->g, k->reader.v[i]), gram, s->scale + a * s->channels);
	return true;
}

static bool all_finite(const struct ig_tensor *t)
{
	for (int64_t i = 0; i < ig_elems(&t->type); i++)
		if (!isfinite(((const float *)t->data)[i]))
			return false;
	return true;
}

/* Constant operand i with its numbers times the scale of their channels, or divided by it. False: it would leave float32. */
static const struct ig_tensor *scaled(struct ig_graph *g, struct ig_nid id, int i, const struct shared *s, const double *scale, bool divide)
{
	const struct ig_tensor *t = ig_const_data(g, ig_node(g, id)->in[i]);
	struct ig_tensor *to = ig_new_f32(g, t->type.rank, t->type.dim);
	int64_t all = ig_elems(&t->type), groups = s->channels / (t->type.rank > 1 ? t->type.dim[1] : s->channels);
	for (int64_t j = 0; j < all; j++) {
		double x = (double)((const float *)t->data)[j];
		double by = scale[!divide ? channel_of(&t->type, groups, j) : s->from_weights ? j / (all / s->channels) : j];
		((float *)to->data)[j] = (float)(divide ? x / by : x * by);
	}
	return all_finite(to) ? to : NULL;
}

/* Applies the best candidate, if it is better than none (which is the first). */
static void apply(struct awq *k, int at)
{
	struct ig_graph *g = k->g;
	const struct shared *s = &k->shared.v[at];
	int best = 0;
	for (int a = 1; a < ALPHAS; a++)
		if (s->error[a] < s->error[best])
			best = a;
	const double *scale = s->scale + best * s->channels;
	bool good = best > 0;
	for (int pass = 0; pass < 2 && good; pass++) { /* first only a trial */
		for (int i = s->first; i <= s->last; i++) {
			const struct ig_tensor *t = scaled(g, s->fold, i, s, scale, true);
			good = good && t;
			if (pass)
				ig_set_constant(g, s->fold, i, "awq", t);
		}
		for (int i = 0; i < k->reader.n; i++) {
			const struct ig_tensor *t = k->of.v[i] == at ? scaled(g, k->reader.v[i], 1, s, scale, false) : NULL;
			good = good && (t || k->of.v[i] != at);
			if (pass && t)
				ig_set_constant(g, k->reader.v[i], 1, "weight", t);
		}
	}
	if (good)
		g->weights_hash = ig_hash_bytes(scale, (size_t)s->channels * sizeof *scale, g->weights_hash);
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
			apply(&k, i);
		free(k.shared.v[i].scale);
	}
	ig_vec_free(&k.shared);
	ig_vec_free(&k.reader);
	ig_vec_free(&k.of);
	return ok;
}
