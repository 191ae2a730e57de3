/* batch_norm after a convolution or linear layer that has no other reader goes into its weights: computed in double from the float inputs, rounded once:
     w' = w * (gamma / sqrt(var + eps)),  b' = (b - mean) * (gamma / sqrt(var + eps)) + beta
   On its own, over images, it becomes a depthwise 1x1 convolution, so that it can be quantized. */
#include "ir/detmath.h"
#include "ir/infer.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>

struct factors {
	int64_t n;
	const float *gamma, *beta, *mean, *var;
	double eps;
};

/* The layer's parameters as constants; false when one is computed at run time. */
static bool get_factors(const struct ig_graph *g, const struct ig_node *bn, struct factors *f)
{
	const float *p[4];
	for (int i = 0; i < 4; i++) {
		const struct ig_tensor *t = ig_const_data(g, bn->in[1 + i]);
		if (!t || t->type.dtype != IG_DT_F32)
			return false;
		p[i] = t->data;
	}
	*f = (struct factors){ig_vtype(g, bn->in[1])->dim[0], p[0], p[1], p[2], p[3], ig_attr_float(bn, IG_A_EPS, 1e-5)};
	return true;
}

static bool check(const struct factors *f, const struct ig_node *bn, struct ig_diag *d)
{
	for (int64_t c = 0; c < f->n; c++)
		if (!((double)f->var[c] + f->eps > 0)) {
			ig_error(d, bn->loc, "batch_norm `%s`: variance %g of channel %lld plus eps %g is not positive: are these the trained statistics?", bn->name,
			         (double)f->var[c], (long long)c, f->eps);
			return false;
		}
	return true;
}

static double factor(const struct factors *f, int64_t c) { return (double)f->gamma[c] / ig_det_sqrt((double)f->var[c] + f->eps); }

static bool foldable_into(const struct ig_graph *g, const struct ig_node *m, const struct factors *f, struct ig_vid result)
{
	if (m->op != IG_OP_CONV2D && m->op != IG_OP_DEPTHWISE_CONV2D && m->op != IG_OP_LINEAR && m->op != IG_OP_CONV_TRANSPOSE2D)
		return false;
	/* a linear layer over more than two axes has its features last, a batch_norm its channels second */
	if (m->op == IG_OP_LINEAR && ig_vtype(g, m->out[0])->rank != 2)
		return false;
	const struct ig_tensor *w = ig_const_data(g, m->in[1]), *b = m->n_in > 2 ? ig_const_data(g, m->in[2]) : NULL;
	return w && w->type.dtype == IG_DT_F32 && ig_vtype(g, m->out[0])->dim[1] == f->n && (m->n_in < 3 || (b && b->type.dtype == IG_DT_F32)) &&
	       !ig_attr(m, IG_A_MIN) && !ig_attr(m, IG_A_MAX) && ig_graph_only_user(g, result).i >= 0;
}

static bool all_finite(const struct ig_tensor *t)
{
	const float *x = t->data;
	for (int64_t i = 0, n = ig_elems(&t->type); i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

/* Where weight i of the layer counts: its output channel. Filters come first; of a transposed convolution, second, by group of input channels. */
static int64_t channel_of(const struct ig_node *m, const struct ig_type *w, int64_t channels, int64_t i)
{
	int64_t per = ig_elems(w) / w->dim[0];
	if (m->op != IG_OP_CONV_TRANSPOSE2D)
		return i / per;
	int64_t filters = w->dim[1], group = w->dim[0] / (channels / filters);
	return i / per / group * filters + i % per / (per / filters);
}

/* New weights and bias of node id: w NULL stands for ones of shape [n, 1, 1, 1]. */
static bool set_folded(struct ig_graph *g, struct ig_nid id, const struct factors *f, const struct ig_tensor *w, const struct ig_tensor *b, struct ig_diag *d)
{
	const int64_t ones[4] = {f->n, 1, 1, 1};
	struct ig_tensor *nw = w ? ig_new_f32(g, w->type.rank, w->type.dim) : ig_new_f32(g, 4, ones), *nb = ig_new_f32(g, 1, &f->n);
	float *wo = nw->data, *bo = nb->data;
	const float *wi = w ? w->data : NULL, *bi = b ? b->data : NULL;
	double *k = ig_arena_alloc(g->arena, (size_t)f->n, sizeof *k);
	for (int64_t c = 0; c < f->n; c++) {
		k[c] = factor(f, c);
		bo[c] = (float)(((bi ? (double)bi[c] : 0.0) - (double)f->mean[c]) * k[c] + (double)f->beta[c]);
	}
	for (int64_t i = 0, n = ig_elems(&nw->type); i < n; i++)
		wo[i] = (float)((wi ? (double)wi[i] : 1.0) * k[channel_of(ig_node(g, id), &nw->type, f->n, i)]);
	if (!all_finite(nw) || !all_finite(nb)) {
		ig_error(d, ig_node(g, id)->loc, "layer `%s`: weights are not finite after folding the batch_norm into them", ig_node(g, id)->name);
		return false;
	}
	ig_set_constant(g, id, 1, "weight", nw);
	ig_set_constant(g, id, 2, "bias", nb);
	return true;
}

/* y = batch_norm(x) becomes y = depthwise_conv2d(x, w, b). */
static bool to_depthwise(struct ig_graph *g, struct ig_nid id, const struct factors *f, struct ig_diag *d)
{
	struct ig_node *n = ig_node(g, id);
	n->op = IG_OP_DEPTHWISE_CONV2D;
	n->n_attrs = 0;
	n->n_in = 1;
	const int64_t shape[4] = {f->n, 1, 1, 1}, kernel[2] = {1, 1};
	struct ig_vid w = ig_graph_constant(g, id, ig_arena_printf(g->arena, "%s.folded_weight", n->name), n->loc, ig_new_f32(g, 4, shape));
	ig_add_operand(g, id, w);
	ig_attr_set_ints(g, id, IG_A_KERNEL, kernel, 2);
	return set_folded(g, id, f, NULL, NULL, d) && ig_infer_node(g, id, d);
}

bool ig_pass_fold_batch_norm(struct ig_graph *g, struct ig_context *c)
{
	for (struct ig_nid id = ig_first(g), next; id.i >= 0; id = next) {
		next = ig_next(g, id);
		const struct ig_node *n = ig_node(g, id);
		struct factors f;
		if (n->op != IG_OP_BATCH_NORM || !get_factors(g, n, &f))
			continue;
		if (!check(&f, n, c->diag))
			return false;
		struct ig_nid main = ig_value(g, n->in[0])->def;
		const struct ig_node *m = ig_node(g, main);
		if (foldable_into(g, m, &f, n->in[0])) {
			const struct ig_tensor *w = ig_const_data(g, m->in[1]), *b = m->n_in > 2 ? ig_const_data(g, m->in[2]) : NULL;
			ig_take_over(g, id, main);
			if (!set_folded(g, id, &f, w, b, c->diag))
				return false;
		} else if (ig_vtype(g, n->in[0])->rank == 4) {
			if (!to_depthwise(g, id, &f, c->diag))
				return false;
		}
	}
	return true;
}
