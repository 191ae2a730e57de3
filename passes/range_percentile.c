/* The range that holds a share of the values, the rest left out in equal parts at both ends. On one-sided data, where one end is at zero, that end stays. */
#include "passes/range.h"

#include <math.h>

/* The number, counted from below, below which `left` values lie: bins in order, zeros between those of either sign. A value of a bin stands anywhere in it. */
static double quantile(const struct ig_stat *st, double left)
{
	double below = 0, width = ldexp(1.0, st->exponent);
	bool zeros = st->zeros == 0;
	for (int i = 0; i < st->n_bins; i++) {
		double at = (double)(st->first_bin + i) * width, n = (double)st->bin[i];
		if (!zeros && at >= 0) {
			zeros = true;
			below += (double)st->zeros;
			if (below > left)
				return 0;
		}
		if (below + n > left)
			return at + width * ((left - below) / n);
		below += n;
	}
	return zeros ? st->max : 0;
}

void ig_range_percentile(const struct ig_stat *st, double percentile, float *lo, float *hi)
{
	double n = (double)(st->count - st->nans - st->infs), out = (100.0 - percentile) / 100.0 * n;
	bool one_sided = st->min >= 0 || st->max <= 0;
	double cut = one_sided ? out : out / 2;
	*lo = st->min >= 0 ? st->min : (float)quantile(st, cut);
	*hi = st->max <= 0 ? st->max : (float)quantile(st, n - cut);
	*lo = *lo > st->min ? *lo : st->min;
	*hi = *hi < st->max ? *hi : st->max;
}
