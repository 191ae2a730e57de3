#include "ir/dynamic.h"

#include "runtime/qmath.h"

int ig_dynamic_levels(const struct ig_node *n)
{
	return ig_ops[n->op].quant == IG_QC_COMPUTE ? (int)ig_attr_int(n, IG_A_DYNAMIC, 0) : 0;
}

static bool plain_float(const struct ig_graph *g, struct ig_vid v) { return ig_vtype(g, v)->q.i < 0 && ig_vtype(g, v)->dtype == IG_DT_F32; }

const char *ig_check_dynamic(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_qparam *w = ig_qparam(g, ig_vtype(g, n->in[1])->q);
	int64_t levels = ig_attr_int(n, IG_A_DYNAMIC, 0);
	if (levels != 255 && levels != 127)
		return "dynamic: takes 255 or 127";
	for (int i = 0; i < n->n_in; i++)
		if (i != 1 && !plain_float(g, n->in[i]))
			return "it quantizes its input itself, so its operands but for the weight must be float32";
	if (!plain_float(g, n->out[0]))
		return "it quantizes its input itself, so its result must be float32";
	if (!w || w->dtype != IG_DT_S8 || (w->axis != 0 && w->axis != -1) || w->group != 0)
		return "it quantizes its input itself, so it needs an s8 weight with one scale or one for each output channel";
	for (int64_t i = 0; i < w->n; i++)
		if (w->zero_point[i] != 0)
			return "its weight must have zero point 0";
	if (ig_attr(n, IG_A_REQUANTIZE) || ig_attr(n, IG_A_BIAS_MODE))
		return "it quantizes its input itself: requantize: and bias_mode: are not for it";
	return NULL;
}

float ig_dynamic_params(const float *x, int64_t n, int levels, int32_t *zero)
{
	float lo = 0, hi = 0, s;
	for (int64_t i = 0; i < n; i++) {
		float v = ig_dynamic_finite(x[i]);
		lo = ig_fmin(v, lo);
		hi = ig_fmax(v, hi);
	}
	s = ig_dynamic_scale(lo, hi, (float)levels);
	*zero = ig_dynamic_zero(lo, s, (float)levels);
	return s;
}
