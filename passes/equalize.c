/* Cross-layer equalization (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019): between two layers a channel may be
   scaled by s on the way out of the first and by 1 / s on the way into the second; s = sqrt(r1 * r2) / r1 makes its largest weights, r1 and r2, alike.
   Here s is the nearest power of two, so that every product and every sum is the same number at another exponent: the float network gives the same bits.
   Between the layers may stand what scales along: relu, leaky_relu, pools, flatten. An upper bound (relu6) does not: such a channel is scaled only when
   its sums cannot reach the bound for any input, before and after. */
#include "ir/detmath.h"
#include "ir/print.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 100 /* over all pairs; chains of depthwise layers take a few */

/* A layer's weights as [oc][icg][taps]; of a linear layer after flatten the taps are a channel's places. */
struct side {
	struct ig_nid node;
	float *w, *b; /* copies that are scaled; b NULL: none */
	int64_t oc, icg, groups, taps;
	double w_most, b_most, norm_most; /* the largest magnitudes that there were, and norm of a channel's weights */
	bool changed;
};
struct pair {
	int first, second; /* sides */
	int64_t channels;
	double hi;     /* upper bound between them; INFINITY: none */
	double in_lo, in_hi; /* what the first layer's input can be */
};
struct equalize {
	struct ig_graph *g;
	IG_VEC(struct side) side;
	IG_VEC(struct pair) pair;
	int *of_node; /* side of a node; -1 */
};

static bool is_weighted(enum ig_op op) { return op == IG_OP_CONV2D || op == IG_OP_DEPTHWISE_CONV2D || op == IG_OP_LINEAR; }

static const struct ig_tensor *float_constant(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	return t && t->type.dtype == IG_DT_F32 ? t : NULL;
}

static bool has_float_constants(const struct ig_graph *g, const struct ig_node *n)
{
	return float_constant(g, n->in[1]) && (n->n_in < 3 || float_constant(g, n->in[2]));
}

/* Operations on one value that commute with a positive factor of a channel. */
static bool scales_along(const struct ig_graph *g, const struct ig_node *n)
{
	switch (n->op) {
	case IG_OP_RELU:
	case IG_OP_LEAKY_RELU:
		return true;
	case IG_OP_MAX_POOL2D:
	case IG_OP_AVG_POOL2D:
	case IG_OP_GLOBAL_AVG_POOL:
	case IG_OP_GLOBAL_MAX_POOL:
		return ig_vtype(g, n->in[0])->rank == 4;
	case IG_OP_FLATTEN:
		return ig_attr_int(n, IG_A_AXIS, 1) == 1;
	default:
		return false;
	}
}

/* What values a tensor can have, as far as the clamp of the layer that gives it tells. */
static void range_of(const struct ig_graph *g, struct ig_vid v, double *lo, double *hi)
{
	const struct ig_node *n = ig_def(g, v);
	while (n->op == IG_OP_MAX_POOL2D || n->op == IG_OP_AVG_POOL2D || n->op == IG_OP_GLOBAL_AVG_POOL || n->op == IG_OP_FLATTEN)
		n = ig_def(g, n->in[0]);
	ig_act_bounds(n, lo, hi);
	*lo = fmin(*lo, 0); /* padding */
	*hi = fmax(*hi, 0);
}

static float *copy_of(const struct ig_tensor *t)
{
	size_t bytes = (size_t)ig_elems(&t->type) * sizeof(float);
	float *p = ig_xcalloc(bytes + 1, 1);
	memcpy(p, t->data, bytes);
	return p;
}

static double largest(const float *x, int64_t n)
{
	double m = 0;
	for (int64_t i = 0; i < n; i++)
		m = fmax(m, fabs((double)x[i]));
	return m;
}

static double norm(const float *x, int64_t n)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return ig_det_sqrt(sum);
}

static int side_of(struct equalize *e, struct ig_nid id)
{
	if (e->of_node[id.i] >= 0)
		return e->of_node[id.i];
	const struct ig_node *n = ig_node(e->g, id);
	const struct ig_tensor *w = float_constant(e->g, n->in[1]), *b = n->n_in > 2 ? float_constant(e->g, n->in[2]) : NULL;
	struct side s = {.node = id, .w = copy_of(w), .b = b ? copy_of(b) : NULL, .oc = w->type.dim[0], .icg = w->type.dim[1], .groups = 1, .taps = 1};
	if (n->op == IG_OP_DEPTHWISE_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D_ADD)
		s.groups = ig_vtype(e->g, n->in[0])->dim[1];
	else if (ig_op_has_attr(n->op, IG_A_GROUPS))
		s.groups = ig_attr_int(n, IG_A_GROUPS, 1);
	for (int i = 2; i < w->type.rank; i++)
		s.taps *= w->type.dim[i];
	s.w_most = largest(s.w, ig_elems(&w->type));
	for (int64_t c = 0, per = ig_elems(&w->type) / (s.oc ? s.oc : 1); c < s.oc; c++)
		s.norm_most = fmax(s.norm_most, norm(s.w + c * per, per));
	s.b_most = b ? largest(s.b, s.oc) : 0;
	ig_vec_push(&e->side, s);
	return e->of_node[id.i] = e->side.n - 1;
}

/* Adds the pair that begins with node id, if one does. */
static void find_pair(struct equalize *e, struct ig_nid id)
{
	const struct ig_graph *g = e->g;
	const struct ig_node *a = ig_node(g, id);
	double lo, hi, in_lo, in_hi;
	if (!is_weighted(a->op) || !has_float_constants(g, a))
		return;
	ig_act_bounds(a, &lo, &hi);
	if (!(lo == 0 || lo == -INFINITY) || !(hi > 0))
		return;
	struct ig_vid v = a->out[0];
	int64_t channels = ig_vtype(g, a->in[1])->dim[0], places = 1;
	int axis = a->op == IG_OP_LINEAR ? ig_vtype(g, v)->rank - 1 : 1;
	struct ig_nid user;
	for (;;) {
		user = ig_graph_only_user(g, v);
		if (user.i < 0 || !scales_along(g, ig_node(g, user)))
			break;
		const struct ig_node *n = ig_node(g, user);
		if (axis != 1 && n->op != IG_OP_RELU && n->op != IG_OP_LEAKY_RELU)
			return;
		for (int i = 2; n->op == IG_OP_FLATTEN && i < ig_vtype(g, v)->rank; i++)
			places *= ig_vtype(g, v)->dim[i];
		v = n->out[0];
	}
	if (user.i < 0 || !ig_op_is_conv_like(ig_node(g, user)->op) || ig_node(g, user)->in[0].i != v.i || !has_float_constants(g, ig_node(g, user)))
		return;
	const struct ig_node *b = ig_node(g, user);
	bool linear = b->op == IG_OP_LINEAR || b->op == IG_OP_LINEAR_ADD;
	if (axis != (linear ? ig_vtype(g, v)->rank - 1 : 1))
		return;
	range_of(g, a->in[0], &in_lo, &in_hi);
	struct pair p = {.first = side_of(e, id), .second = side_of(e, user), .channels = channels, .hi = hi, .in_lo = in_lo, .in_hi = in_hi};
	struct side *s = &e->side.v[p.second];
	if (linear && places > 1 && s->taps == 1) {
		s->taps = places;
		s->icg /= places;
	}
	if (s->icg * s->groups != channels)
		IG_BUG("%lld channels between `%s` and `%s`", (long long)channels, a->name, b->name);
	ig_vec_push(&e->pair, p);
}

/* The run of weights of output o that read channel c. */
static float *taps_of(const struct side *s, int64_t c, int64_t o) { return s->w + (o * s->icg + c % s->icg) * s->taps; }
/* The outputs that read channel c. */
static int64_t outputs_from(const struct side *s, int64_t c) { return c / s->icg * (s->oc / s->groups); }

static double largest_into(const struct side *s, int64_t c)
{
	double m = 0;
	for (int64_t o = outputs_from(s, c), end = o + s->oc / s->groups; o < end; o++)
		m = fmax(m, largest(taps_of(s, c, o), s->taps));
	return m;
}

/* No more than this can channel c of the layer give, rounding included. */
static double upper_bound(const struct side *s, const struct pair *p, int64_t c)
{
	const float *w = s->w + c * s->icg * s->taps;
	int64_t n = s->icg * s->taps;
	double bias = s->b ? (double)s->b[c] : 0, sum = bias, size = fabs(bias);
	for (int64_t i = 0; i < n; i++) {
		if (w[i] == 0)
			continue;
		sum += (double)w[i] * (w[i] > 0 ? p->in_hi : p->in_lo);
		size += fabs((double)w[i]) * fmax(p->in_hi, -p->in_lo);
	}
	return sum + size * (double)(n + 2) * 0x1p-23;
}

static bool keeps(const float *x, int64_t n, int k)
{
	for (int64_t i = 0; i < n; i++)
		if (x[i] != 0 && (fabs(ldexp((double)x[i], k)) < 0x1p-100 || fabs(ldexp((double)x[i], k)) > 0x1p100))
			return false;
	return true;
}

/* Whether all weights of the channel stay far from the ends of float32, so that scaling is exact. */
static bool is_exact(const struct side *a, const struct side *b, int64_t c, int k)
{
	bool ok = keeps(a->w + c * a->icg * a->taps, a->icg * a->taps, k) && (!a->b || keeps(a->b + c, 1, k));
	for (int64_t o = outputs_from(b, c), end = o + b->oc / b->groups; o < end && ok; o++)
		ok = keeps(taps_of(b, c, o), b->taps, -k);
	return ok;
}

/* The exponent of channel c's factor. */
static int exponent(const struct side *a, const struct side *b, const struct pair *p, int64_t c)
{
	double r1 = largest(a->w + c * a->icg * a->taps, a->icg * a->taps), r2 = largest_into(b, c);
	int e;
	if (!(r1 > 0) || !(r2 > 0) || !isfinite(r1) || !isfinite(r2))
		return 0;
	frexp(r2 / r1, &e); /* 2^(e-1) <= ratio < 2^e */
	int k = e >= 0 ? e / 2 : -((1 - e) / 2);
	double size = norm(a->w + c * a->icg * a->taps, a->icg * a->taps);
	while (k > 0 && (ldexp(r1, k) > a->w_most || ldexp(size, k) > a->norm_most || (a->b && ldexp(fabs((double)a->b[c]), k) > a->b_most)))
		k--;
	while (k < 0 && ldexp(r2, -k) > b->w_most)
		k++;
	if (k && p->hi < INFINITY) {
		double most = upper_bound(a, p, c);
		if (!(most <= p->hi))
			return 0;
		while (k > 0 && ldexp(most, k) > p->hi)
			k--;
	}
	return k && is_exact(a, b, c, k) ? k : 0;
}

static void scale(float *x, int64_t n, int k)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = ldexpf(x[i], k);
}

/* One pair; how many channels changed. The exponents go into the hash, since statistics belong to them. */
static int64_t equalize_pair(struct equalize *e, int at, uint64_t *hash)
{
	const struct pair *p = &e->pair.v[at];
	struct side *a = &e->side.v[p->first], *b = &e->side.v[p->second];
	int64_t changed = 0;
	for (int64_t c = 0; c < p->channels; c++) {
		int k = exponent(a, b, p, c);
		if (!k)
			continue;
		const int64_t what[3] = {at, c, k};
		*hash = ig_hash_bytes(what, sizeof what, *hash);
		scale(a->w + c * a->icg * a->taps, a->icg * a->taps, k);
		if (a->b)
			scale(a->b + c, 1, k);
		for (int64_t o = outputs_from(b, c), end = o + b->oc / b->groups; o < end; o++)
			scale(taps_of(b, c, o), b->taps, -k);
		changed++;
	}
	if (changed)
		a->changed = b->changed = true;
	return changed;
}

static void replace(struct ig_graph *g, struct ig_nid id, int i, const char *suffix, const float *x)
{
	const struct ig_type *old = ig_vtype(g, ig_node(g, id)->in[i]);
	struct ig_tensor *t = ig_new_f32(g, old->rank, old->dim);
	memcpy(t->data, x, t->bytes);
	ig_set_constant(g, id, i, suffix, t);
}

static void finish(struct equalize *e)
{
	for (int i = 0; i < e->side.n; i++) {
		struct side *s = &e->side.v[i];
		if (s->changed) {
			replace(e->g, s->node, 1, "weight", s->w);
			if (s->b)
				replace(e->g, s->node, 2, "bias", s->b);
		}
		free(s->w);
		free(s->b);
	}
	ig_vec_free(&e->side);
	ig_vec_free(&e->pair);
	free(e->of_node);
}

bool ig_pass_equalize(struct ig_graph *g, struct ig_context *c)
{
	if (!c->qconfig || !c->qconfig->recover[IG_RECOVER_EQUALIZE])
		return true;
	struct equalize e = {.g = g, .of_node = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *e.of_node)};
	for (int i = 0; i < g->n_nodes; i++)
		e.of_node[i] = -1;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		find_pair(&e, id);
	if (!e.pair.n)
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_EQUALIZE],
		        "nothing to equalize: no two layers with weights follow each other with only relu, leaky_relu, pools or flatten between them");
	int64_t changed = 1;
	for (int round = 0; round < ROUNDS && changed; round++) {
		changed = 0;
		for (int i = 0; i < e.pair.n; i++)
			changed += equalize_pair(&e, i, &g->weights_hash);
	}
	finish(&e);
	return true;
}
