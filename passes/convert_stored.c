/* Weights of layers that compute in float32, stored in fewer bits (ir/stored.h): s8 and s4 with scales for the tensor, its output channels, or groups along
   the input channels; f16 and bf16. The bias stays float32. */
#include "ir/number.h"
#include "passes/convert.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>

/* Weights that share a scale are neighbours: groups are of layers with kernels of one element. False after a diagnostic. */
static bool run_of(const struct ig_node *n, const struct ig_tensor *w, const struct ig_qspec *q, int64_t *run, struct ig_diag *d)
{
	int64_t all = ig_elems(&w->type), per = all / w->type.dim[0];
	*run = q->group ? q->group : q->per_channel ? per : all;
	if (!q->group)
		return true;
	if (per != w->type.dim[1] || ig_attr_int(n, IG_A_GROUPS, 1) != 1)
		ig_error(d, n->loc, "layer `%s`: groups of weights are for linear layers and convolutions of 1 x 1 without groups; give it weights without group:", n->name);
	else if (per % q->group)
		ig_error(d, n->loc, "layer `%s`: groups of %d do not divide its %lld input channels; give it another group: or none", n->name, q->group, (long long)per);
	else
		return true;
	return false;
}

static const struct ig_tensor *to_integers(struct ig_convert *k, const struct ig_node *n, const struct ig_tensor *w, const struct ig_qspec *q)
{
	const float *x = w->data;
	int64_t all = ig_elems(&w->type), run;
	for (int64_t i = 0; i < all; i++)
		if (!isfinite(x[i])) {
			ig_error(k->c->diag, n->loc, "layer `%s`: weight %lld is %g; weights must be finite to be quantized", n->name, (long long)i, (double)x[i]);
			return NULL;
		}
	if (!run_of(n, w, q, &run, k->c->diag))
		return NULL;
	int64_t scales = all / run;
	struct ig_qparam qp = {.dtype = q->dtype, .axis = scales == 1 ? -1 : q->group ? 1 : 0, .n = scales, .group = scales == 1 ? 0 : q->group, .dynamic = IG_NOVAL};
	float *scale = ig_xcalloc((size_t)scales, sizeof *scale);
	int32_t *zero = ig_xcalloc((size_t)scales, sizeof *zero);
	struct ig_type type = w->type;
	type.dtype = q->dtype;
	struct ig_tensor *t = ig_tensor_new(k->g->arena, &type);
	ig_qspec_limits(q, &qp.qmin, &qp.qmax);
	for (int64_t s = 0; s < scales; s++) {
		scale[s] = ig_convert_weight_scale(x + s * run, run, q);
		for (int64_t i = s * run; i < (s + 1) * run; i++)
			ig_put_int(t, i, ig_convert_weight(x[i], scale[s], qp.qmin, qp.qmax));
	}
	qp.scale = scale;
	qp.zero_point = zero;
	t->type.q = ig_graph_qparam(k->g, &qp);
	free(scale);
	free(zero);
	return t;
}

static const struct ig_tensor *to_halves(struct ig_convert *k, const struct ig_node *n, const struct ig_tensor *w, enum ig_dtype dt)
{
	const float *x = w->data;
	struct ig_type type = w->type;
	type.dtype = dt;
	struct ig_tensor *t = ig_tensor_new(k->g->arena, &type);
	for (int64_t i = 0, all = ig_elems(&w->type); i < all; i++) {
		ig_put_float(t, i, x[i]);
		if (isfinite(x[i]) && !isfinite(ig_get_float(t, i))) {
			ig_error(k->c->diag, n->loc, "layer `%s`: weight %lld is %g, beyond what %s holds; %s", n->name, (long long)i, (double)x[i], ig_dtypes[dt].name,
			         dt == IG_DT_F16 ? "bfloat16 has the range of float32" : "keep the layer in float32 with `skip`");
			return NULL;
		}
	}
	return t;
}

bool ig_convert_stored(struct ig_convert *k, struct ig_nid id)
{
	const struct ig_node *n = ig_node(k->g, id);
	const struct ig_qconfig *q = ig_node_qconfig(k->c->qconfig, n);
	const struct ig_tensor *w = ig_const_data(k->g, n->in[1]), *t;
	if (q->mode == IG_MODE_WEIGHT_ONLY)
		t = to_integers(k, n, w, &q->weight);
	else
		t = to_halves(k, n, w, q->mode == IG_MODE_FLOAT16 ? IG_DT_F16 : IG_DT_BF16);
	if (t)
		ig_set_constant(k->g, id, 1, "weight", t);
	return t != NULL;
}
