/* Empirical bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019, appendix; AIMET's and NNCF's too): layer by
   layer in their order, the mean of each output channel's sums over samples and places, before the activation, in the quantized graph with all layers before it
   quantized and corrected, is made that of the float graph by the bias.
   A mean of sums is the sum of weights times the means of what each meets, so that the means of what every tap reads are all that is measured. */
#include "ir/interp.h"
#include "passes/march.h"
#include "passes/pass.h"
#include "passes/patch.h"

#include <stdlib.h>
#include <string.h>

#define MOST_SAMPLES 64

struct layer {
	struct ig_layer_pair pair;
	struct ig_tensor *bias;
	int64_t at, n; /* of its numbers in a row: a mean for each tap of each group, then for each channel of what is added */
};
struct empirical {
	const struct ig_graph *g, *flt;
	const struct ig_replay *replay;
	IG_VEC(struct layer) layer;
	int64_t width;
	struct ig_interp **interp; /* of the float graph, by worker */
	int64_t samples;
	double *rows; /* [samples][width]: of the float graph */
};

/* A sample's means at a layer. x: what it reads; r: what is added to it, or NULL. */
static void add_means(const struct layer *l, const float *x, const float *r, double *mean)
{
	const struct ig_patches *p = &l->pair.patches;
	float *row = ig_xcalloc((size_t)p->per + 1, sizeof *row);
	for (int64_t group = 0; group < p->c.groups; group++, mean += p->per) {
		for (int64_t place = 0; place < p->places; place++) {
			ig_patch_read(p, x, place, group, row);
			for (int64_t i = 0; i < p->per; i++)
				mean[i] += (double)row[i];
		}
		for (int64_t i = 0; i < p->per; i++)
			mean[i] /= (double)p->places;
	}
	for (int64_t c = 0; r && c < p->c.oc; c++) {
		for (int64_t place = 0; place < p->places; place++)
			mean[c] += (double)r[ig_patch_output(p, place, c)];
		mean[c] /= (double)p->places;
	}
	free(row);
}

static void find_layers(struct empirical *e, struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct layer l = {.at = e->width};
		if (!ig_layer_pair_of(g, id, e->flt, &l.pair) || l.pair.patches.places == 0 || !(l.bias = ig_own_bias(g, id)))
			continue;
		l.n = l.pair.patches.c.groups * l.pair.patches.per + (ig_op_is_add(ig_node(g, id)->op) ? l.pair.patches.c.oc : 0);
		e->width += l.n;
		ig_vec_push(&e->layer, l);
	}
}

static bool visit_float(void *to, int worker, int64_t i, const void *const *in)
{
	const struct empirical *e = to;
	int64_t slot = ig_march_slot(e->replay->n, e->samples, i);
	if (slot < 0)
		return true;
	ig_interp_run(e->interp[worker], in);
	for (int k = 0; k < e->layer.n; k++) {
		const struct layer *l = &e->layer.v[k];
		const struct ig_node *n = ig_node(e->flt, l->pair.flt);
		const float *r = ig_op_is_add(n->op) ? ig_interp_value(e->interp[worker], n->in[3])->data : NULL;
		add_means(l, ig_interp_value(e->interp[worker], n->in[0])->data, r, e->rows + slot * e->width + l->at);
	}
	return true;
}

static bool run_float(struct empirical *e, struct ig_diag *d)
{
	bool ok = true;
	e->interp = ig_xcalloc((size_t)e->replay->workers, sizeof *e->interp);
	e->rows = ig_xcalloc((size_t)(e->samples * e->width) + 1, sizeof *e->rows);
	for (int i = 0; i < e->replay->workers && ok; i++)
		ok = (e->interp[i] = ig_interp_new(e->flt, d)) != NULL;
	ok = ok && e->replay->run(e->replay->self, "averaging", visit_float, e);
	for (int i = 0; i < e->replay->workers; i++)
		ig_interp_free(e->interp[i]);
	free(e->interp);
	return ok;
}

/* The means of all samples at a layer of the quantized graph, which the march has come to. */
static void quantized_means(const struct empirical *e, const struct layer *l, const struct ig_march *m, double *mean)
{
	const struct ig_node *n = ig_node(e->g, l->pair.node);
	bool add = ig_op_is_add(n->op);
	double *one = ig_xcalloc((size_t)l->n + 1, sizeof *one);
	float *x = ig_xcalloc((size_t)ig_elems(ig_vtype(e->g, n->in[0])) + 1, sizeof *x), *r = add ? ig_xcalloc((size_t)ig_elems(ig_vtype(e->g, n->in[3])) + 1, sizeof *r) : NULL;
	for (int64_t s = 0; s < e->samples; s++) {
		ig_march_reals(m, s, n->in[0], x);
		if (add)
			ig_march_reals(m, s, n->in[3], r);
		memset(one, 0, (size_t)l->n * sizeof *one);
		add_means(l, x, r, one);
		for (int64_t i = 0; i < l->n; i++)
			mean[i] += one[i];
	}
	for (int64_t i = 0; i < l->n; i++)
		mean[i] /= (double)e->samples;
	free(one);
	free(x);
	free(r);
}

/* By how much each output's mean falls short of the float one's. The biases count too: rounding has changed them. */
static void shortfall(const struct empirical *e, const struct layer *l, const double *quantized, const double *flt, double *add)
{
	const struct ig_patches *p = &l->pair.patches;
	const struct ig_node *f = ig_node(e->flt, l->pair.flt);
	const struct ig_tensor *fb = f->n_in > 2 ? ig_const_data(e->flt, f->in[2]) : NULL;
	const float *w = l->pair.w->data;
	bool adds = ig_op_is_add(f->op);
	for (int64_t c = 0; c < p->c.oc; c++) {
		int64_t from = c / p->ocg * p->per, tail = p->c.groups * p->per + c;
		double sum = (fb ? (double)((const float *)fb->data)[c] : 0) - ig_pair_bias(e->g, &l->pair, c);
		for (int64_t i = 0; i < p->per; i++)
			sum += (double)w[c * p->per + i] * flt[from + i] - ig_pair_weight(&l->pair, c * p->per + i) * quantized[from + i];
		add[c] = adds ? sum + (flt[tail] - quantized[tail]) : sum;
	}
}

static void correct(struct empirical *e, struct layer *l, const struct ig_march *m)
{
	double *quantized = ig_xcalloc((size_t)l->n + 1, sizeof *quantized), *flt = ig_xcalloc((size_t)l->n + 1, sizeof *flt);
	double *add = ig_xcalloc((size_t)l->pair.patches.c.oc + 1, sizeof *add);
	quantized_means(e, l, m, quantized);
	for (int64_t s = 0; s < e->samples; s++)
		for (int64_t i = 0; i < l->n; i++)
			flt[i] += e->rows[s * e->width + l->at + i];
	for (int64_t i = 0; i < l->n; i++)
		flt[i] /= (double)e->samples;
	shortfall(e, l, quantized, flt, add);
	ig_bias_add(&l->pair, l->bias, add);
	free(quantized);
	free(flt);
	free(add);
}

bool ig_pass_empirical_bias(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_EMPIRICAL_BIAS])
		return true;
	struct empirical e = {.g = g, .flt = c->flt, .replay = c->replay};
	find_layers(&e, g);
	struct ig_march *m = ig_march_new(g, c->replay, MOST_SAMPLES, c->diag);
	bool ok = m != NULL;
	e.samples = ok ? ig_march_samples(m) : 0;
	ok = ok && run_float(&e, c->diag);
	for (int i = 0; i < e.layer.n && ok; i++) {
		ok = ig_march_to(m, e.layer.v[i].pair.node, "correcting biases");
		if (ok)
			correct(&e, &e.layer.v[i], m);
	}
	ig_march_free(m);
	free(e.rows);
	ig_vec_free(&e.layer);
	return ok;
}
