/* Ranges that are observed directly, and the choice among methods. */
#include "passes/range.h"

#include <math.h>

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

bool ig_range(const struct ig_stat *st, const struct ig_qspec *q, float *lo, float *hi)
{
	int32_t qmin, qmax;
	if (!(st->min <= st->max))
		return false;
	ig_qspec_limits(q, &qmin, &qmax);
	switch (q->observer) {
	case IG_OBS_MINMAX:
		ig_range_minmax(st, lo, hi);
		return true;
	case IG_OBS_MOVING_AVERAGE:
		if (!st->has_average || isnan(st->avg_min))
			return false;
		ig_range_moving_average(st, lo, hi);
		return true;
	case IG_OBS_HISTOGRAM:
		ig_range_histogram(st, q->bins, lo, hi);
		return true;
	case IG_OBS_MSE:
		ig_range_mse(st, q, lo, hi);
		return true;
	case IG_OBS_PERCENTILE:
		ig_range_percentile(st, q->percentile, lo, hi);
		return true;
	case IG_OBS_ENTROPY:
		ig_range_entropy(st, qmax - qmin + 1, lo, hi);
		return true;
	case IG_OBS_FIXED:
		*lo = (float)((double)(qmin - q->zero_point) * q->scale);
		*hi = (float)((double)(qmax - q->zero_point) * q->scale);
		return true;
	case IG_OBS_COUNT:
		break;
	}
	IG_BUG("observer %d", (int)q->observer);
}
