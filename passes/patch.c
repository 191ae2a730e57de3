#include "passes/patch.h"

#include "ir/detmath.h"
#include "ir/number.h"
#include "ir/stored.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

void ig_patches_of(const struct ig_graph *g, const struct ig_node *n, struct ig_patches *p)
{
	ig_conv_geometry(g, n, &p->c);
	p->places = p->c.n * p->c.oh * p->c.ow;
	p->per = p->c.ic / p->c.groups * p->c.kh * p->c.kw;
	p->ocg = p->c.oc / p->c.groups;
}

void ig_patch_read(const struct ig_patches *p, const float *x, int64_t place, int64_t group, float *row)
{
	const struct ig_conv_geom *c = &p->c;
	int64_t icg = c->ic / c->groups, n = place / (c->oh * c->ow), oy = place / c->ow % c->oh, ox = place % c->ow;
	int64_t y0 = oy * c->sh - c->pt, x0 = ox * c->sw - c->pl;
	const float *from = x + (n * c->ic + group * icg) * c->ih * c->iw;
	for (int64_t k = 0; k < icg; k++, from += c->ih * c->iw)
		for (int64_t ky = 0; ky < c->kh; ky++)
			for (int64_t kx = 0; kx < c->kw; kx++) {
				int64_t iy = y0 + ky * c->dh, ix = x0 + kx * c->dw;
				*row++ = iy >= 0 && iy < c->ih && ix >= 0 && ix < c->iw ? from[iy * c->iw + ix] : 0;
			}
}

int64_t ig_patch_output(const struct ig_patches *p, int64_t place, int64_t channel)
{
	int64_t area = p->c.oh * p->c.ow;
	return (place / area * p->c.oc + channel) * area + place % area;
}

bool ig_layer_pair_of(const struct ig_graph *g, struct ig_nid id, const struct ig_graph *flt, struct ig_layer_pair *l)
{
	const struct ig_node *n = ig_node(g, id), *f;
	*l = (struct ig_layer_pair){.node = id, .flt = ig_op_is_conv_like(n->op) ? ig_graph_find(flt, n->name) : IG_NONODE};
	if (l->flt.i < 0 || !ig_op_is_conv_like((f = ig_node(flt, l->flt))->op))
		return false;
	if (n->precision == IG_PREC_W8A16) /* two nodes, of which none has the layer's input */
		return false;
	const struct ig_tensor *q = ig_const_data(g, n->in[1]);
	const struct ig_qparam *qx = ig_qparam(g, ig_vtype(g, n->in[0])->q);
	l->w = ig_const_data(flt, f->in[1]);
	l->qw = q ? ig_qparam(g, q->type.q) : NULL;
	if (!l->w || !l->qw || l->w->type.dtype != IG_DT_F32 || (q->type.dtype != IG_DT_S8 && q->type.dtype != IG_DT_S4) || !ig_type_same_shape(&l->w->type, &q->type) ||
	    l->qw->fixed || ig_op_is_add(n->op) != ig_op_is_add(f->op))
		return false;
	if (qx ? qx->n != 1 : ig_vtype(g, n->in[0])->dtype != IG_DT_F32)
		return false;
	if (ig_vtype(flt, f->in[0])->dtype != IG_DT_F32)
		return false;
	l->q = ig_def(g, n->in[1])->data;
	l->s_x = qx ? (double)qx->scale[0] : 0;
	ig_patches_of(g, n, &l->patches);
	return ig_elems(&q->type) > 0;
}

double ig_pair_scale(const struct ig_layer_pair *l, int64_t i)
{
	return (double)l->qw->scale[l->qw->n > 1 ? ig_qparam_index(l->qw, &l->q->type, i) : 0];
}

double ig_pair_weight(const struct ig_layer_pair *l, int64_t i) { return (double)ig_get_int(l->q, i) * ig_pair_scale(l, i); }

/* What a unit of output c's i32 bias is worth. */
static double bias_unit(const struct ig_layer_pair *l, int64_t c) { return l->s_x * ig_pair_scale(l, c * l->patches.per); }

double ig_pair_bias(const struct ig_graph *g, const struct ig_layer_pair *l, int64_t c)
{
	const struct ig_node *n = ig_node(g, l->node);
	const struct ig_tensor *b = n->n_in > 2 ? ig_const_data(g, n->in[2]) : NULL;
	if (!b)
		return 0;
	return b->type.dtype == IG_DT_F32 ? (double)ig_get_float(b, c) : (double)ig_get_int(b, c) * bias_unit(l, c);
}

struct ig_tensor *ig_own_weights(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_tensor *old = ig_const_data(g, ig_node(g, id)->in[1]);
	struct ig_tensor *t = ig_tensor_new(g->arena, &old->type);
	memcpy(t->data, old->data, t->bytes);
	ig_set_constant(g, id, 1, "weight", t);
	return ig_def(g, ig_node(g, id)->in[1])->data;
}

struct ig_tensor *ig_own_bias(struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *n = ig_node(g, id);
	const struct ig_tensor *old = n->n_in > 2 ? ig_const_data(g, n->in[2]) : NULL;
	int64_t oc = ig_vtype(g, n->in[1])->dim[0];
	struct ig_type t = ig_type_make(ig_vtype(g, n->in[0])->q.i < 0 ? IG_DT_F32 : IG_DT_I32, 1, &oc);
	if (n->n_in > 2 && (!old || (old->type.dtype != IG_DT_I32 && old->type.dtype != IG_DT_F32)))
		return NULL;
	if (old)
		t = old->type;
	struct ig_tensor *b = ig_tensor_new(g->arena, &t);
	if (old)
		memcpy(b->data, old->data, b->bytes);
	ig_set_constant(g, id, 2, "bias", b);
	return ig_def(g, ig_node(g, id)->in[2])->data;
}

bool ig_pair_fits(const struct ig_layer_pair *l, int64_t c, double bias)
{
	double most = fabs(bias);
	for (int64_t i = 0, per = l->patches.per; i < per; i++)
		most += 255 * fabs((double)ig_get_int(l->q, c * per + i));
	return most < 0x1p31; /* false for NaN as well */
}

void ig_bias_add(const struct ig_layer_pair *l, struct ig_tensor *bias, const double *add)
{
	for (int64_t c = 0; c < l->patches.c.oc; c++) {
		if (bias->type.dtype == IG_DT_F32) {
			float *at = (float *)bias->data + c, to = (float)((double)*at + add[c]);
			if (isfinite(to))
				*at = to;
		} else {
			int32_t *at = (int32_t *)bias->data + c;
			double to = ig_det_rint((double)*at + add[c] / bias_unit(l, c));
			if (ig_pair_fits(l, c, to))
				*at = (int32_t)to;
		}
	}
}
