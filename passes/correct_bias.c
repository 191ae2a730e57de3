/* Bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019), with the input's means from samples: the errors of
   a layer's weights shift the mean of each output by sum over its weights of (quantized - float) * mean of what the weight meets; the bias takes that back. */
#include "ir/dynamic.h"
#include "passes/means.h"
#include "passes/pass.h"
#include "passes/patch.h"

#include <stdlib.h>

/* What the errors of output c's weights add on average. */
static double shift_of(const struct ig_layer_pair *l, const double *means, int64_t c)
{
	const struct ig_conv_geom *geom = &l->patches.c;
	int64_t per = l->patches.per, icg = geom->ic / geom->groups, taps = geom->kh * geom->kw;
	const float *w = l->w->data;
	const double *mean = means + c / l->patches.ocg * icg;
	double sum = 0;
	for (int64_t i = 0; i < per; i++)
		sum += (ig_pair_weight(l, c * per + i) - (double)w[c * per + i]) * mean[i / taps];
	return sum;
}

bool ig_pass_correct_bias(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_BIAS])
		return true;
	struct ig_means *m = ig_means_new(c->flt, c->replay, c->diag);
	for (struct ig_nid id = ig_first(g); m && id.i >= 0; id = ig_next(g, id)) {
		struct ig_layer_pair l;
		if (!ig_layer_pair_of(g, id, c->flt, &l) || (l.s_x == 0 && !ig_dynamic_levels(ig_node(g, id))) || l.qw->group)
			continue;
		const struct ig_node *f = ig_node(c->flt, l.flt);
		const double *means = ig_means_find(m, ig_value(c->flt, f->in[0])->name, f->op);
		struct ig_tensor *bias = means ? ig_own_bias(g, id) : NULL;
		if (!bias)
			continue;
		double *add = ig_xcalloc((size_t)l.patches.c.oc + 1, sizeof *add);
		for (int64_t i = 0; i < l.patches.c.oc; i++)
			add[i] = -shift_of(&l, means, i);
		ig_bias_add(&l, bias, add);
		free(add);
	}
	ig_means_free(m);
	return m != NULL;
}
