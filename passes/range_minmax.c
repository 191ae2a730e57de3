/* Ranges that are observed directly, the choice among methods, and scale and zero point as PyTorch's observers compute them
   (torch.ao.quantization.observer, UniformQuantizationObserverBase._calculate_qparams), in float32. */
#include "ir/detmath.h"
#include "passes/range.h"

#include <math.h>

#define EPS 0x1p-23f

void ig_range_minmax(const struct ig_stat *st, float *lo, float *hi)
{
	*lo = st->min;
	*hi = st->max;
}

void ig_range_moving_average(const struct ig_stat *st, float *lo, float *hi)
{
	*lo = st->avg_min;
	*hi = st->avg_max;
}

bool ig_range(const struct ig_stat *st, const struct ig_qconfig *q, float *lo, float *hi)
{
	if (!(st->min <= st->max))
		return false;
	switch (q->act.observer) {
	case IG_OBS_MINMAX:
		ig_range_minmax(st, lo, hi);
		return true;
	case IG_OBS_MOVING_AVERAGE:
		if (!st->has_average || isnan(st->avg_min))
			return false;
		ig_range_moving_average(st, lo, hi);
		return true;
	case IG_OBS_HISTOGRAM:
		ig_range_histogram(st, q->act.bins ? q->act.bins : 2048, lo, hi);
		return true;
	case IG_OBS_MSE:
		ig_range_mse(st, 0, q->act.reduce_range ? 127 : 255, lo, hi);
		return true;
	case IG_OBS_COUNT:
		break;
	}
	IG_BUG("observer %d", (int)q->act.observer);
}

void ig_affine_qparams(float lo, float hi, int32_t qmin, int32_t qmax, float *scale, int32_t *zp)
{
	float mn = lo < 0 ? lo : 0, mx = hi > 0 ? hi : 0, steps = (float)(qmax - qmin);
	float s = (mx - mn) / steps;
	if (!isfinite(s)) /* the width is beyond float32, the step is not */
		s = mx / steps - mn / steps;
	s = s > EPS ? s : EPS;
	double z = (double)qmin - ig_det_rint((double)(mn / s));
	*zp = z < qmin ? qmin : z > qmax ? qmax : (int32_t)z;
	*scale = s;
}

float ig_symmetric_scale(float lo, float hi, int32_t qmin, int32_t qmax)
{
	float mn = lo < 0 ? -lo : 0, mx = hi > 0 ? hi : 0;
	float s = (mn > mx ? mn : mx) / ((float)(qmax - qmin) / 2);
	return s > EPS ? s : EPS;
}
