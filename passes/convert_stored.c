/* Weights of layers that compute in float32, stored in fewer bits (ir/stored.h): s8 and s4 with scales for the tensor, its output channels, or groups along
   the input channels; f16 and bf16. The bias stays float32. Layers whose input is quantized at run time have such weights too, in s8. */
#include "ir/number.h"
#include "passes/convert.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdlib.h>

/* Groups are of layers with kernels of one element. */
bool ig_weight_runs_of(const struct ig_node *n, const struct ig_tensor *w, const struct ig_qspec *q, struct ig_weight_runs *r)
{
	int64_t all = ig_elems(&w->type), per = all / w->type.dim[0];
	*r = (struct ig_weight_runs){.row = q->group || q->per_channel ? per : all, .group = q->group < per ? q->group : 0};
	r->run = r->group ? r->group : r->row;
	r->in_row = (r->row + r->run - 1) / r->run;
	r->n = all / r->row * r->in_row;
	return !q->group || (per == w->type.dim[1] && ig_attr_int(n, IG_A_GROUPS, 1) == 1);
}

void ig_weight_run(const struct ig_weight_runs *r, int64_t s, int64_t *from, int64_t *to)
{
	int64_t before = s % r->in_row * r->run, left = r->row - before;
	*from = s / r->in_row * r->row + before;
	*to = *from + (left < r->run ? left : r->run);
}

static const struct ig_tensor *to_integers(struct ig_convert *k, const struct ig_node *n, const struct ig_tensor *w, const struct ig_qspec *q)
{
	const float *x = w->data;
	int64_t all = ig_elems(&w->type);
	struct ig_weight_runs r;
	for (int64_t i = 0; i < all; i++)
		if (!isfinite(x[i])) {
			ig_error(k->c->diag, n->loc, "layer `%s`: weight %lld is %g; weights must be finite to be quantized", n->name, (long long)i, (double)x[i]);
			return NULL;
		}
	if (!ig_weight_runs_of(n, w, q, &r)) {
		ig_error(k->c->diag, n->loc, "layer `%s`: groups of weights are for linear layers and convolutions of 1 x 1 without groups; give it weights without group:", n->name);
		return NULL;
	}
	struct ig_qparam qp = {.dtype = q->dtype, .axis = r.n == 1 ? -1 : r.group ? 1 : 0, .n = r.n, .group = r.group};
	float *scale = ig_xcalloc((size_t)r.n, sizeof *scale);
	int32_t *zero = ig_xcalloc((size_t)r.n, sizeof *zero);
	struct ig_type type = w->type;
	type.dtype = q->dtype;
	struct ig_tensor *t = ig_tensor_new(k->g->arena, &type);
	ig_qspec_limits(q, &qp.qmin, &qp.qmax);
	for (int64_t s = 0; s < r.n; s++) {
		int64_t from, to;
		ig_weight_run(&r, s, &from, &to);
		scale[s] = ig_convert_weight_scale(x + from, to - from, q);
		for (int64_t i = from; i < to; i++)
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

/* Sums of inputs that are quantized at run time must fit in 32 bits whatever their zero point. */
static bool check_sums(const struct ig_node *n, const struct ig_tensor *w, int levels, struct ig_diag *d)
{
	int64_t oc = w->type.dim[0], per = oc ? ig_elems(&w->type) / oc : 0;
	for (int64_t c = 0; c < oc; c++) {
		int64_t above = 0, below = 0;
		for (int64_t i = c * per; i < (c + 1) * per; i++) {
			int64_t v = ((const int8_t *)w->data)[i];
			above += v > 0 ? v : 0;
			below += v < 0 ? -v : 0;
		}
		if ((above > below ? above : below) > INT32_MAX / levels) {
			ig_error(d, n->loc, "layer `%s`: the sums of output channel %lld can exceed 32 bits (%lld weights in a channel); give it `skip`", n->name,
			         (long long)c, (long long)per);
			return false;
		}
	}
	return true;
}

bool ig_convert_stored(struct ig_convert *k, struct ig_nid id)
{
	const struct ig_node *n = ig_node(k->g, id);
	const struct ig_qconfig *q = ig_node_qconfig(k->c->qconfig, n);
	const struct ig_tensor *w = ig_const_data(k->g, n->in[1]), *t;
	if (q->mode == IG_MODE_DYNAMIC) {
		int32_t qmin, qmax;
		ig_qspec_limits(&q->act, &qmin, &qmax);
		t = to_integers(k, n, w, &q->weight);
		if (!t || !check_sums(n, t, qmax, k->c->diag))
			return false;
		ig_attr_set_int(k->g, id, IG_A_DYNAMIC, qmax);
	} else if (q->mode == IG_MODE_WEIGHT_ONLY)
		t = to_integers(k, n, w, &q->weight);
	else
		t = to_halves(k, n, w, q->mode == IG_MODE_FLOAT16 ? IG_DT_F16 : IG_DT_BF16);
	if (t)
		ig_set_constant(k->g, id, 1, "weight", t);
	return t != NULL;
}
