/* GPTQ (Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022): the weights of an output are rounded one
   after the other, and what each loses is made up for by those not rounded yet, as far as the inputs go together. Scales stay as they are. Each output keeps
   the best of three: rounded in the weights' order, in that of falling input power, and to nearest. */
#include "ir/detmath.h"
#include "ir/dynamic.h"
#include "ir/number.h"
#include "ir/stored.h"
#include "passes/convert.h"
#include "passes/gram.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAMPING 0.01 /* of the mean of the diagonal */
#define MOST_SUM 0x1p31

struct gptq {
	struct ig_graph *g;
	const struct ig_graph *flt;
	IG_VEC(struct ig_nid) of_g;   /* the layers in the quantized graph */
	IG_VEC(struct ig_nid) of_flt; /* the same in the float one */
};
/* One group's order of rounding. */
struct order {
	int64_t k, *at; /* at[i]: the weight that comes i-th */
	double *u;      /* upper triangle with u^T u = the damped matrix's inverse, in that order */
	bool good;      /* the matrix was positive definite */
};
struct layer {
	const struct ig_qparam *q;
	const float *w;       /* as it was in float */
	struct ig_tensor *to; /* the rounded weights */
	const int32_t *bias;  /* of integer sums, or NULL */
	bool sums;            /* they must fit in 32 bits */
	int64_t per;
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

static float scale_at(const struct layer *l, int64_t i) { return l->q->scale[ig_qparam_index(l->q, &l->to->type, i)]; }

/* Rounds the weights of an output, from `first` on, in an order; u NULL: to nearest. What is lost goes to e. */
static void round_output(const struct layer *l, int64_t first, const struct order *o, int32_t *to, double *w, double *e)
{
	int64_t k = l->per;
	for (int64_t i = 0; i < k; i++)
		w[i] = (double)l->w[first + (o ? o->at[i] : i)];
	for (int64_t i = 0; i < k; i++) {
		int64_t at = o ? o->at[i] : i;
		float s = scale_at(l, first + at);
		to[at] = ig_convert_weight((float)w[i], s, l->q->qmin, l->q->qmax);
		double value = (double)((float)to[at] * s), lost;
		e[at] = value - (double)l->w[first + at];
		if (!o)
			continue;
		lost = (w[i] - value) / o->u[i * k + i];
		for (int64_t j = i + 1; j < k; j++)
			w[j] -= lost * o->u[i * k + j];
	}
}

/* Whether the sums of integers of an output stay in 32 bits. */
static bool fits(const struct layer *l, int64_t c, const int32_t *q)
{
	double most = l->bias ? fabs((double)l->bias[c]) : 0;
	for (int64_t i = 0; i < l->per; i++)
		most += 255 * fabs((double)q[i]);
	return !l->sums || most < MOST_SUM;
}

static void round_layer(const struct layer *l, const struct ig_gram *gram)
{
	int64_t oc = l->to->type.dim[0], k = l->per, each = oc / gram->groups;
	int32_t *q = ig_xcalloc((size_t)k + 1, sizeof *q);
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
				if (!(error < best) || !fits(l, c, q))
					continue;
				best = error;
				for (int64_t j = 0; j < k; j++)
					ig_put_int(l->to, c * k + j, q[j]);
			}
		}
		for (int i = 0; i < 2; i++) {
			free(order[i].at);
			free(order[i].u);
		}
	}
	free(q);
	free(w);
}

static bool use(void *to, int i, const struct ig_gram *gram)
{
	struct gptq *p = to;
	struct ig_nid id = p->of_g.v[i];
	const struct ig_node *n = ig_node(p->g, id), *f = ig_node(p->flt, p->of_flt.v[i]);
	const struct ig_tensor *old = ig_const_data(p->g, n->in[1]), *b = n->n_in > 2 ? ig_const_data(p->g, n->in[2]) : NULL;
	struct layer l = {.q = ig_qparam(p->g, old->type.q), .w = ig_const_data(p->flt, f->in[1])->data, .to = ig_tensor_new(p->g->arena, &old->type), .per = gram->k};
	memcpy(l.to->data, old->data, old->bytes);
	l.sums = ig_vtype(p->g, n->in[0])->q.i >= 0 || ig_dynamic_levels(n);
	l.bias = b && b->type.dtype == IG_DT_I32 ? b->data : NULL;
	round_layer(&l, gram);
	ig_set_constant(p->g, id, 1, "weight", l.to);
	return true;
}

/* The layers whose weights are integers of at most 8 bits that were made from float ones. */
static void list_layers(struct gptq *p)
{
	for (struct ig_nid id = ig_first(p->g); id.i >= 0; id = ig_next(p->g, id)) {
		const struct ig_node *n = ig_node(p->g, id);
		const struct ig_tensor *q = ig_op_is_conv_like(n->op) ? ig_const_data(p->g, n->in[1]) : NULL, *w;
		const struct ig_qparam *qp = q ? ig_qparam(p->g, q->type.q) : NULL;
		struct ig_nid f = qp && !qp->fixed && (q->type.dtype == IG_DT_S8 || q->type.dtype == IG_DT_S4) ? ig_graph_find(p->flt, n->name) : IG_NONODE;
		if (f.i < 0 || n->precision == IG_PREC_W8A16 || !ig_op_is_conv_like(ig_node(p->flt, f)->op) || !ig_gram_possible(p->flt, ig_node(p->flt, f)))
			continue;
		w = ig_const_data(p->flt, ig_node(p->flt, f)->in[1]);
		if (w->type.dtype != IG_DT_F32 || !ig_type_same_shape(&w->type, &q->type))
			continue;
		ig_vec_push(&p->of_g, id);
		ig_vec_push(&p->of_flt, f);
	}
}

bool ig_pass_gptq(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_GPTQ])
		return true;
	struct gptq p = {.g = g, .flt = c->flt};
	list_layers(&p);
	if (!p.of_g.n)
		ig_warn(c->diag, c->qconfig->recover_loc[IG_RECOVER_GPTQ], "nothing for gptq to do: no layer has weights of 8 bits or fewer");
	bool ok = ig_gram_each(c->flt, p.of_flt.v, p.of_flt.n, c->replay, c->diag, use, &p);
	ig_vec_free(&p.of_g);
	ig_vec_free(&p.of_flt);
	return ok;
}
