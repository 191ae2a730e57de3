/* Scale and zero point of a range, as PyTorch's observers compute them (torch.ao.quantization.observer, UniformQuantizationObserverBase._calculate_qparams),
   in float32. */
#include "ir/detmath.h"
#include "passes/range.h"

#include <math.h>

#define EPS 0x1p-23f

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

/* The least power of two that is not below s. */
static float power_of_two(float s)
{
	int e;
	float m = frexpf(s, &e);
	return ldexpf(1.0f, m == 0.5f ? e - 1 : e);
}

void ig_qspec_params(const struct ig_qspec *q, float lo, float hi, float *scale, int32_t *zp)
{
	int32_t qmin, qmax;
	ig_qspec_limits(q, &qmin, &qmax);
	if (q->observer == IG_OBS_FIXED) {
		*scale = (float)q->scale;
		*zp = q->zero_point;
	} else if (q->scheme == IG_SCHEME_AFFINE) {
		ig_affine_qparams(lo, hi, qmin, qmax, scale, zp);
	} else {
		*scale = ig_symmetric_scale(lo, hi, qmin, qmax);
		*zp = ig_dtypes[q->dtype].is_signed ? 0 : q->limited ? (qmin + qmax) / 2 : 1 << (ig_dtypes[q->dtype].bits - 1);
		if (q->scheme == IG_SCHEME_POWER_OF_TWO)
			*scale = power_of_two(*scale);
	}
}
