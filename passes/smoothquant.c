/* SmoothQuant (Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models", 2022): channels whose values are large are
   divided by s and their weights multiplied by it, s = max|x|^0.5 / max|w|^0.5, so that one scale for the whole activation loses less.
   Here s is the nearest power of two, relative to the mean of the value's channels: the float network gives the same bits. What the weights lose by it can be more
   than what the activations gain, so that each value is scaled only where its readers' outputs, quantized as they will be, come nearer at places drawn from the samples. */
#include "ir/detmath.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "passes/convert.h"
#include "passes/divide.h"
#include "passes/draw.h"
#include "passes/range.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALPHA 0.5
#define ROWS 256 /* places at which errors are measured */
#define CLIPS 8  /* ranges tried: all of it, 7/8 of it, ... */
#define LN2 0.6931471805599453

struct candidate {
	struct ig_divisible d;
	int64_t at; /* of its channels in a row */
	int64_t lines; /* of a sample: its elements by channels */
	float *x;      /* [ROWS][channels]: at places drawn */
};
struct smooth {
	const struct ig_graph *g;
	const struct ig_qconfig_map *map;
	IG_VEC(struct candidate) list;
	int64_t width;
	struct ig_interp **interp; /* by worker */
	float *most;               /* [workers][width]: the largest magnitudes seen */
	int64_t samples;
};

/* Whether what is divided is not itself quantized with one scale for all channels, which would lose what the readers gain; nor a factor of a gated product: the paper
   leaves those layers alone, and on stories260K (layer 1) scaling them costs 8 dB, though their own errors are smaller. */
static bool can_spread(const struct smooth *s, const struct ig_divisible *d)
{
	const struct ig_node *n = ig_node(s->g, d->fold);
	if (d->from_weights && d->fold.i != ig_value(s->g, d->value)->def.i)
		return false;
	return n->precision != IG_PREC_INT8 || (d->from_weights && ig_node_qconfig(s->map, n)->weight.per_channel);
}

/* The values that only linear layers read, one of them at least with a quantized input. */
static void find_candidates(struct smooth *s)
{
	const struct ig_graph *g = s->g;
	for (int i = 0; i < g->n_values; i++) {
		struct candidate c = {.at = s->width};
		bool linear = true, quantized = false;
		if (ig_node(g, g->value[i].def)->dead || !ig_divisible_find(g, (struct ig_vid){i}, &c.d))
			continue;
		for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
			const struct ig_node *n = ig_node(g, id);
			if (!ig_divisible_reads(&c.d, n))
				continue;
			linear &= n->op == IG_OP_LINEAR || n->op == IG_OP_LINEAR_ADD;
			quantized |= n->precision == IG_PREC_INT8 || n->precision == IG_PREC_DYNAMIC;
		}
		if (!linear || !quantized || !can_spread(s, &c.d))
			continue;
		s->width += c.d.channels;
		c.lines = ig_elems(ig_vtype(g, c.d.value)) / c.d.channels;
		c.x = ig_xcalloc((size_t)(ROWS * c.d.channels), sizeof *c.x);
		ig_vec_push(&s->list, c);
	}
}

static bool visit(void *to, int worker, int64_t i, const void *const *in)
{
	const struct smooth *s = to;
	ig_interp_run(s->interp[worker], in);
	for (int k = 0; k < s->list.n; k++) {
		const struct ig_divisible *d = &s->list.v[k].d;
		const float *x = ig_interp_value(s->interp[worker], d->value)->data;
		float *most = s->most + worker * s->width + s->list.v[k].at;
		int64_t all = ig_elems(ig_vtype(s->g, d->value)); /* the channels are the last axis */
		for (int64_t row = 0; row < ROWS; row++) {
			int64_t line = (int64_t)(ig_draw((uint64_t)k, (uint64_t)row) % (uint64_t)(s->samples * s->list.v[k].lines)) - i * s->list.v[k].lines;
			if (line >= 0 && line < s->list.v[k].lines)
				memcpy(s->list.v[k].x + row * d->channels, x + line * d->channels, (size_t)d->channels * sizeof *x);
		}
		for (int64_t j = 0; j < all; j++) { /* a maximum does not depend on the order */
			float size = fabsf(x[j]);
			if (size > most[j % d->channels])
				most[j % d->channels] = size;
		}
	}
	return true;
}

/* The largest magnitudes of the values, of all workers, into the first one's row. */
static bool measure(struct smooth *s, const struct ig_replay *r, struct ig_diag *d)
{
	bool ok = true;
	s->interp = ig_xcalloc((size_t)r->workers, sizeof *s->interp);
	s->most = ig_xcalloc((size_t)(r->workers * s->width) + 1, sizeof *s->most);
	for (int i = 0; i < r->workers && ok; i++)
		ok = (s->interp[i] = ig_interp_new(s->g, d)) != NULL;
	ok = ok && r->run(r->self, "measuring channels", visit, s);
	for (int i = 0; i < r->workers; i++)
		ig_interp_free(s->interp[i]);
	free(s->interp);
	for (int64_t i = 0; i < r->workers * s->width; i++)
		if (s->most[i] > s->most[i % s->width])
			s->most[i % s->width] = s->most[i];
	return ok;
}

/* The largest weight that meets each channel, over all readers. */
static void largest_weights(const struct smooth *s, const struct candidate *c, double *most)
{
	for (struct ig_nid id = ig_first(s->g); id.i >= 0; id = ig_next(s->g, id)) {
		if (!ig_divisible_reads(&c->d, ig_node(s->g, id)))
			continue;
		const struct ig_tensor *w = ig_const_data(s->g, ig_node(s->g, id)->in[1]);
		for (int64_t i = 0; i < ig_elems(&w->type); i++) {
			double *at = most + ig_divisible_channel(&c->d, &w->type, i);
			*at = fmax(*at, fabs((double)((const float *)w->data)[i]));
		}
	}
}

/* Powers of two to divide by; false: nothing is to be gained. */
static bool find_scales(const struct smooth *s, const struct candidate *c, double *scale)
{
	int64_t n = c->d.channels, live = 0;
	double mean = 0;
	bool any = false;
	largest_weights(s, c, scale);
	for (int64_t i = 0; i < n; i++) {
		double x = (double)s->most[c->at + i], w = scale[i];
		bool good = x > 0 && w > 0 && x < 0x1p100 && w < 0x1p100;
		scale[i] = good ? (ALPHA * ig_det_log(x) - (1 - ALPHA) * ig_det_log(w)) / LN2 : INFINITY;
		mean += good ? scale[i] : 0;
		live += good;
	}
	mean = live ? mean / (double)live : 0;
	for (int64_t i = 0; i < n; i++) {
		double k = scale[i] < INFINITY ? ig_det_rint(scale[i] - mean) : 0;
		scale[i] = ldexp(1, (int)k);
		any |= k != 0;
	}
	return any;
}

/* The rows with their channels divided by `by`, rounded as the reader's input will be, in its range or a part of it: the best one if its observer looks for that. */
static void round_rows(const struct candidate *c, const struct ig_qspec *spec, const float *most, const double *by, float *out)
{
	bool clips = spec->observer != IG_OBS_MINMAX && spec->observer != IG_OBS_MOVING_AVERAGE && spec->observer != IG_OBS_FIXED;
	int64_t n = c->d.channels, all = ROWS * n;
	double best = INFINITY, range = 0, least = 0;
	float best_scale = 1;
	int32_t qmin, qmax, zero, best_zero = 0;
	ig_qspec_limits(spec, &qmin, &qmax);
	for (int64_t i = 0; i < n; i++)
		range = fmax(range, (double)most[i] / by[i]);
	for (int64_t i = 0; i < all; i++)
		least = fmin(least, (double)c->x[i] / by[i % n]);
	for (int k = 0; k < (clips ? CLIPS : 1); k++) {
		double part = (double)(CLIPS - k) / CLIPS, error = 0;
		float scale;
		ig_qspec_params(spec, (float)fmax(least, -range * part), (float)(range * part), &scale, &zero);
		for (int64_t i = 0; i < all; i++) {
			double x = (double)c->x[i] / by[i % n], q = ig_det_rint(x / (double)scale) + zero;
			q = q < qmin ? qmin : q > qmax ? qmax : q;
			error += (x - (q - zero) * (double)scale) * (x - (q - zero) * (double)scale);
		}
		if (error < best) {
			best = error;
			best_scale = scale;
			best_zero = zero;
		}
	}
	for (int64_t i = 0; i < all; i++) {
		double q = ig_det_rint((double)c->x[i] / by[i % n] / (double)best_scale) + best_zero;
		out[i] = (float)((q < qmin ? qmin : q > qmax ? qmax : q) - best_zero) * best_scale;
	}
}

/* A reader's weights, multiplied by `by` and rounded as they will be. */
static void round_weights(const struct candidate *c, const struct ig_tensor *t, const struct ig_qspec *spec, const double *by, float *out)
{
	int64_t all = ig_elems(&t->type), run = spec->per_channel ? all / t->type.dim[0] : all;
	int32_t qmin, qmax;
	ig_qspec_limits(spec, &qmin, &qmax);
	for (int64_t i = 0; i < all; i++)
		out[i] = (float)((double)((const float *)t->data)[i] * by[ig_divisible_channel(&c->d, &t->type, i)]);
	for (int64_t i = 0; i < all; i += run) {
		float scale = ig_convert_weight_scale(out + i, run, spec);
		for (int64_t j = i; j < i + run; j++)
			out[j] = (float)ig_convert_weight(out[j], scale, qmin, qmax) * scale;
	}
}

static double row_error(const float *x, const float *rounded, const float *exact, const float *w, int64_t units, int64_t n)
{
	double error = 0, size = 0;
	for (int64_t u = 0; u < units; u++) {
		double y = 0, to = 0;
		for (int64_t i = 0; i < n; i++) {
			y += (double)x[i] * (double)rounded[u * n + i];
			to += (double)exact[i] * (double)w[u * n + i];
		}
		error += (y - to) * (y - to);
		size += to * to;
	}
	return size > 0 ? error / size : 0;
}

/* The squared error of all readers' outputs, of each row relative to that row's outputs: a norm mostly follows, and a few rows with huge values (the first token of a
   text) must not decide for all. */
static double error_of(const struct smooth *s, const struct candidate *c, const double *by)
{
	int64_t n = c->d.channels;
	double sum = 0;
	float *x = ig_xcalloc((size_t)(ROWS * n), sizeof *x);
	for (struct ig_nid id = ig_first(s->g); id.i >= 0; id = ig_next(s->g, id)) {
		const struct ig_node *node = ig_node(s->g, id);
		if (!ig_divisible_reads(&c->d, node) || (node->precision != IG_PREC_INT8 && node->precision != IG_PREC_DYNAMIC))
			continue;
		const struct ig_qconfig *q = ig_node_qconfig(s->map, node);
		const struct ig_tensor *t = ig_const_data(s->g, node->in[1]);
		const float *w = t->data;
		int64_t units = t->type.dim[0];
		float *rounded = ig_xcalloc((size_t)(units * n), sizeof *rounded);
		round_rows(c, &q->act, s->most + c->at, by, x);
		round_weights(c, t, &q->weight, by, rounded);
		for (int64_t row = 0; row < ROWS; row++)
			sum += row_error(x + row * n, rounded, c->x + row * n, w, units, n);
		free(rounded);
	}
	free(x);
	return sum;
}

static bool helps(const struct smooth *s, const struct candidate *c, const double *scale)
{
	double *one = ig_xcalloc((size_t)c->d.channels + 1, sizeof *one);
	for (int64_t i = 0; i < c->d.channels; i++)
		one[i] = 1;
	bool better = error_of(s, c, scale) < error_of(s, c, one);
	free(one);
	return better;
}

bool ig_pass_smoothquant(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_SMOOTHQUANT] || ig_has_quantized(g))
		return true;
	struct smooth s = {.g = g, .map = c->qconfig, .samples = c->replay->n};
	find_candidates(&s);
	if (!s.list.n)
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_SMOOTHQUANT],
		        "nothing to smooth: no quantized linear layer reads what a norm, a constant factor or another layer's weights could divide");
	bool ok = s.list.n == 0 || measure(&s, c->replay, c->diag);
	for (int i = 0; i < s.list.n && ok; i++) {
		double *scale = ig_xcalloc((size_t)s.list.v[i].d.channels + 1, sizeof *scale);
		if (find_scales(&s, &s.list.v[i], scale) && helps(&s, &s.list.v[i], scale) && ig_divide(g, &s.list.v[i].d, scale))
			g->weights_hash = ig_hash_bytes(scale, (size_t)s.list.v[i].d.channels * sizeof *scale, g->weights_hash);
		free(scale);
	}
	for (int i = 0; i < s.list.n; i++)
		free(s.list.v[i].x);
	free(s.most);
	ig_vec_free(&s.list);
	return ok;
}
