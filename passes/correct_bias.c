/* Bias correction (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", 2019), with the input's means from samples: the errors of
   a layer's weights shift the mean of each output by sum over its weights of (quantized - float) * mean of what the weight meets; the bias takes that back. */
#include "ir/detmath.h"
#include "passes/means.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

struct layer {
	const float *w;  /* as it was in float */
	const int8_t *q; /* as it is */
	const struct ig_qparam *qw;
	const double *mean;
	int64_t oc, icg, taps, groups;
	float s_x;
};

static double scale_of(const struct layer *l, int64_t c) { return (double)l->qw->scale[l->qw->n > 1 ? c : 0]; }

/* The layer in both graphs; false: it is not one of integers with scales of whole channels, or nothing is known of its input. */
static bool find_layer(const struct ig_graph *g, const struct ig_node *n, const struct ig_graph *flt, const struct ig_means *m, struct layer *l)
{
	struct ig_nid id = ig_op_is_conv_like(n->op) ? ig_graph_find(flt, n->name) : IG_NONODE;
	if (id.i < 0 || !ig_op_is_conv_like(ig_node(flt, id)->op))
		return false;
	const struct ig_node *f = ig_node(flt, id);
	const struct ig_tensor *w = ig_const_data(flt, f->in[1]), *q = ig_const_data(g, n->in[1]);
	const struct ig_qparam *qx = ig_qparam(g, ig_vtype(g, n->in[0])->q);
	if (!w || !q || !qx || w->type.dtype != IG_DT_F32 || q->type.dtype != IG_DT_S8 || !ig_type_same_shape(&w->type, &q->type) || qx->n != 1 ||
	    qx->dynamic.i >= 0)
		return false;
	*l = (struct layer){.w = w->data, .q = q->data, .qw = ig_qparam(g, q->type.q), .oc = w->type.dim[0], .icg = w->type.dim[1], .taps = 1, .s_x = qx->scale[0]};
	l->mean = ig_means_find(m, ig_value(flt, f->in[0])->name, f->op);
	for (int i = 2; i < w->type.rank; i++)
		l->taps *= w->type.dim[i];
	bool linear = f->op == IG_OP_LINEAR || f->op == IG_OP_LINEAR_ADD;
	l->groups = linear || !l->icg ? 1 : ig_vtype(flt, f->in[0])->dim[1] / l->icg;
	return l->mean && l->qw && l->qw->group == 0;
}

/* What the errors of output c's weights add on average, in units of the accumulator. */
static double shift_of(const struct layer *l, int64_t c)
{
	double sum = 0, s = scale_of(l, c);
	const double *mean = l->mean + c / (l->oc / l->groups) * l->icg;
	for (int64_t i = 0, per = l->icg * l->taps; i < per; i++)
		sum += ((double)l->q[c * per + i] * s - (double)l->w[c * per + i]) * mean[i / l->taps];
	return sum;
}

/* Whether every sum still fits in 32 bits. */
static bool fits(const struct layer *l, int64_t c, double bias)
{
	double most = fabs(bias);
	for (int64_t i = 0, per = l->icg * l->taps; i < per; i++)
		most += 255 * fabs((double)l->q[c * per + i]);
	return most < 0x1p31; /* false for NaN as well */
}

static void correct(struct ig_graph *g, struct ig_nid id, const struct layer *l)
{
	const struct ig_tensor *old = ig_node(g, id)->n_in > 2 ? ig_const_data(g, ig_node(g, id)->in[2]) : NULL;
	struct ig_type t = ig_type_make(old ? old->type.dtype : IG_DT_I32, 1, &l->oc);
	if ((ig_node(g, id)->n_in > 2 && !old) || (t.dtype != IG_DT_I32 && t.dtype != IG_DT_F32))
		return;
	if (old)
		t = old->type;
	struct ig_tensor *b = ig_tensor_new(g->arena, &t);
	if (old)
		memcpy(b->data, old->data, b->bytes);
	for (int64_t c = 0; c < l->oc; c++) {
		double shift = shift_of(l, c);
		if (t.dtype == IG_DT_F32) {
			float to = (float)((double)((float *)b->data)[c] - shift);
			if (isfinite(to))
				((float *)b->data)[c] = to;
		} else {
			int32_t *at = (int32_t *)b->data + c;
			double to = ig_det_rint((double)*at - shift / ((double)l->s_x * scale_of(l, c)));
			if (fits(l, c, to))
				*at = (int32_t)to;
		}
	}
	ig_set_constant(g, id, 2, "bias", b);
}

bool ig_pass_correct_bias(struct ig_graph *g, struct ig_context *c)
{
	if (!c->replay || !c->qconfig || !c->qconfig->recover[IG_RECOVER_BIAS])
		return true;
	struct ig_means *m = ig_means_new(c->flt, c->replay, c->diag);
	for (struct ig_nid id = ig_first(g); m && id.i >= 0; id = ig_next(g, id)) {
		struct layer l;
		if (find_layer(g, ig_node(g, id), c->flt, m, &l))
			correct(g, id, &l);
	}
	ig_means_free(m);
	return m != NULL;
}
