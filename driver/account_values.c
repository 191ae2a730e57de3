/* What the report shows of tensors: distributions with the range that was chosen, and weights by channel. */
#include <math.h>
#include <string.h>

#include "driver/account.h"

#define BARS 96
#define MOST_CHANNELS 512 /* a layer with more shows evenly chosen ones */

/* The finest that many bars hold: neighbouring bins are added, and one for zeros, which have no bin. */
static json_t *bars_of(const struct ig_stat *st, double *lo, double *step)
{
	double sum[BARS] = {0};
	json_t *a = json_array();
	double width = ((double)st->max - (double)st->min) / BARS;
	*lo = (double)st->min;
	*step = width;
	if (!(width > 0))
		return a;
	for (int i = 0; i < st->n_bins; i++) {
		double middle = ldexp((double)(st->first_bin + i) + 0.5, st->exponent), at = (middle - *lo) / width;
		sum[at < 0 ? 0 : at >= BARS ? BARS - 1 : (int)at] += (double)st->bin[i];
	}
	if (st->min <= 0 && st->max >= 0) {
		double at = -*lo / width;
		sum[at >= BARS ? BARS - 1 : (int)at] += (double)st->zeros;
	}
	for (int i = 0; i < BARS; i++)
		json_array_append_new(a, json_integer((json_int_t)sum[i]));
	return a;
}

static json_t *value_json(const struct ig_stat *st)
{
	json_t *o = json_object();
	double lo, step;
	json_object_set_new(o, "name", json_string(st->name));
	json_object_set_new(o, "elements", json_integer((json_int_t)st->count));
	json_object_set_new(o, "zeros", json_integer((json_int_t)st->zeros));
	json_object_set_new(o, "nan", json_integer((json_int_t)st->nans));
	json_object_set_new(o, "inf", json_integer((json_int_t)st->infs));
	json_object_set_new(o, "min", ig_json_share((double)st->min));
	json_object_set_new(o, "max", ig_json_share((double)st->max));
	if (st->min <= st->max) {
		json_object_set_new(o, "bars", bars_of(st, &lo, &step));
		json_object_set_new(o, "bar_width", ig_json_share(step));
	}
	return o;
}

static void add_range(json_t *o, const struct ig_stat *st, const struct ig_qparam *q)
{
	float lo = (float)(q->qmin - q->zero_point[0]) * q->scale[0], hi = (float)(q->qmax - q->zero_point[0]) * q->scale[0];
	json_object_set_new(o, "low", ig_json_share((double)lo));
	json_object_set_new(o, "high", ig_json_share((double)hi));
	json_object_set_new(o, "scale", ig_json_share((double)q->scale[0]));
	json_object_set_new(o, "zero_point", json_integer(q->zero_point[0]));
	json_object_set_new(o, "clipped", ig_json_share(ig_stat_outside(st, lo, hi)));
}

json_t *ig_account_values(const struct ig_session *s)
{
	json_t *list = json_array();
	const struct ig_graph *f = s->flt, *g = s->quant;
	for (struct ig_nid id = ig_first(f); s->stats && id.i >= 0; id = ig_next(f, id)) {
		const struct ig_node *n = ig_node(f, id);
		const char *name = ig_value(f, n->out[0])->name;
		const struct ig_stat *st = n->op == IG_OP_CONSTANT ? NULL : ig_stats_find(s->stats, name);
		if (!st)
			continue;
		json_t *o = value_json(st);
		json_object_set_new(o, "layer", json_string(n->name));
		for (int v = 0; v < g->n_values; v++) {
			const struct ig_qparam *q = ig_qparam(g, g->value[v].type.q);
			if (q && q->n == 1 && g->value[v].def.i >= 0 && strcmp(g->value[v].name, name) == 0)
				add_range(o, st, q);
		}
		json_array_append_new(list, o);
	}
	return list;
}

/* Ranges of the channels along the first axis; q has a scale for all of them or for each. */
static json_t *channels_json(const struct ig_tensor *w, const struct ig_qparam *q)
{
	json_t *list = json_array();
	int64_t oc = w->type.dim[0], per = oc ? ig_elems(&w->type) / oc : 0, shown = oc < MOST_CHANNELS ? oc : MOST_CHANNELS;
	const int8_t *x = w->data;
	for (int64_t k = 0; k < shown; k++) {
		int64_t c = k * oc / shown;
		int32_t lo = 0, hi = 0, zero = q->zero_point[q->n > 1 ? c : 0];
		float scale = q->scale[q->n > 1 ? c : 0];
		for (int64_t i = c * per; i < (c + 1) * per; i++) {
			lo = x[i] < lo ? x[i] : lo;
			hi = x[i] > hi ? x[i] : hi;
		}
		json_t *o = json_array();
		json_array_append_new(o, json_integer(c));
		json_array_append_new(o, ig_json_share((double)((float)(lo - zero) * scale)));
		json_array_append_new(o, ig_json_share((double)((float)(hi - zero) * scale)));
		json_array_append_new(o, ig_json_share((double)scale));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *ig_account_weights(const struct ig_session *s)
{
	const struct ig_graph *g = s->quant;
	json_t *list = json_array();
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		const struct ig_tensor *w = n->n_in > 1 && ig_ops[n->op].quant == IG_QC_COMPUTE ? ig_const_data(g, n->in[1]) : NULL;
		const struct ig_qparam *q = w ? ig_qparam(g, w->type.q) : NULL;
		if (!q || w->type.dtype != IG_DT_S8 || w->type.rank < 1 || q->group || (q->n != 1 && (q->axis != 0 || q->n != w->type.dim[0])))
			continue;
		json_t *o = json_object();
		json_object_set_new(o, "layer", json_string(n->name));
		json_object_set_new(o, "shape", ig_json_shape(w->type.rank, w->type.dim));
		json_object_set_new(o, "per_channel", json_boolean(q->n > 1));
		json_object_set_new(o, "channels", channels_json(w, q)); /* channel, minimum, maximum, scale */
		json_array_append_new(list, o);
	}
	return list;
}
