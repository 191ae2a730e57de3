#include "passes/divide.h"

#include "passes/convert.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

static const struct ig_tensor *floats(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(g, v);
	return t && t->type.dtype == IG_DT_F32 ? t : NULL;
}

static bool is_linear(enum ig_op op) { return op == IG_OP_LINEAR || op == IG_OP_LINEAR_ADD; }

/* Whether t, broadcast against x, has one number for each place of the axis. */
static bool is_along(const struct ig_type *t, const struct ig_type *x, int axis)
{
	int skip = x->rank - t->rank;
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] != (i + skip == axis ? x->dim[axis] : 1))
			return false;
	return skip >= 0 && axis >= skip;
}

static bool scales_freely(const struct ig_node *n)
{
	double lo, hi;
	ig_act_bounds(n, &lo, &hi);
	return (lo == 0 || lo == -INFINITY) && hi == INFINITY;
}

/* Whether a layer's results can be divided in its weights. */
static bool can_divide_layer(const struct ig_graph *g, const struct ig_node *n, int axis)
{
	bool plain = n->op == IG_OP_LINEAR || n->op == IG_OP_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D;
	return plain && ig_convert_has_weights(g, n) && scales_freely(n) && axis == (is_linear(n->op) ? ig_vtype(g, n->out[0])->rank - 1 : 1);
}

static bool find_fold(const struct ig_graph *g, struct ig_divisible *d)
{
	const struct ig_node *p = ig_def(g, d->value);
	const struct ig_type *x = ig_vtype(g, d->value);
	d->fold = ig_value(g, d->value)->def;
	d->first = d->last = 1;
	d->from_weights = can_divide_layer(g, p, d->axis);
	if (d->from_weights) {
		d->last = p->n_in - 1;
		return true;
	}
	if (p->op == IG_OP_LAYER_NORM && d->axis == x->rank - 1 && floats(g, p->in[1]) && ig_elems(ig_vtype(g, p->in[1])) == d->channels &&
	    (p->n_in < 3 || floats(g, p->in[2]))) {
		d->last = p->n_in - 1;
		return true;
	}
	for (int i = 0; i < 2 && p->op == IG_OP_MUL && scales_freely(p); i++) {
		if (floats(g, p->in[i]) && is_along(ig_vtype(g, p->in[i]), x, d->axis)) {
			d->first = d->last = i;
			return true;
		}
		const struct ig_node *before = ig_def(g, p->in[i]);
		if (ig_graph_only_user(g, p->in[i]).i >= 0 && ig_type_same_shape(ig_vtype(g, p->in[i]), x) && can_divide_layer(g, before, d->axis)) {
			d->fold = ig_value(g, p->in[i])->def;
			d->from_weights = true;
			d->last = before->n_in - 1;
			return true;
		}
	}
	return false;
}

bool ig_divisible_find(const struct ig_graph *g, struct ig_vid v, struct ig_divisible *d)
{
	int readers = 0;
	*d = (struct ig_divisible){.value = v, .axis = -1};
	if (ig_vtype(g, v)->dtype != IG_DT_F32)
		return false;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->n_in == 0 || n->in[0].i != v.i)
			continue;
		int along = is_linear(n->op) ? ig_vtype(g, v)->rank - 1 : 1;
		if (!ig_op_is_conv_like(n->op) || !ig_convert_has_weights(g, n) || (d->axis >= 0 && d->axis != along))
			return false;
		d->axis = along;
		readers++;
	}
	if (readers == 0 || readers != ig_graph_uses(g, v)) /* it may be something else's operand, or an output */
		return false;
	d->channels = ig_vtype(g, v)->dim[d->axis];
	return find_fold(g, d);
}

int64_t ig_divisible_channel(const struct ig_divisible *d, const struct ig_type *w, int64_t i)
{
	int64_t per = ig_elems(w) / w->dim[0], taps = per / w->dim[1], groups = d->channels / w->dim[1];
	return i / per / (w->dim[0] / groups) * w->dim[1] + i % per / taps;
}

/* Operand i with its numbers times what belongs to their channels, or divided by it; NULL: too large or small for float32. */
static const struct ig_tensor *scaled(struct ig_graph *g, const struct ig_node *n, int i, const struct ig_divisible *d, const double *by, bool divide)
{
	const struct ig_tensor *t = ig_const_data(g, n->in[i]);
	struct ig_tensor *to = ig_new_f32(g, t->type.rank, t->type.dim);
	int64_t all = ig_elems(&t->type);
	for (int64_t j = 0; j < all; j++) {
		double x = (double)((const float *)t->data)[j];
		if (divide)
			x /= by[d->from_weights ? j / (all / d->channels) : j];
		else
			x *= by[ig_divisible_channel(d, &t->type, j)];
		if (x != 0 && !(fabs(x) >= 0x1p-100 && fabs(x) <= 0x1p100))
			return NULL;
		((float *)to->data)[j] = (float)x;
	}
	return to;
}

bool ig_divide(struct ig_graph *g, const struct ig_divisible *d, const double *by)
{
	bool good = true;
	for (int pass = 0; pass < 2 && good; pass++) { /* the first is a trial */
		for (int i = d->first; i <= d->last && good; i++) {
			const struct ig_tensor *t = scaled(g, ig_node(g, d->fold), i, d, by, true);
			good = t != NULL;
			if (pass)
				ig_set_constant(g, d->fold, i, i == 2 ? "bias" : d->from_weights ? "weight" : "scale", t);
		}
		for (struct ig_nid id = ig_first(g); id.i >= 0 && good; id = ig_next(g, id)) {
			if (!ig_divisible_reads(d, ig_node(g, id)))
				continue;
			const struct ig_tensor *t = scaled(g, ig_node(g, id), 1, d, by, false);
			good = t != NULL;
			if (pass)
				ig_set_constant(g, id, 1, "weight", t);
		}
	}
	return good;
}
