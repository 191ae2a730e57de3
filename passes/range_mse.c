/* Full search for the range of least squared error, with the quantizer that will run (scale and zero point as ig_qspec_params gives them, values
   outside saturate). Prefix sums of count, x and x^2 over the grid make one candidate cost one step per level; the search goes from coarse to fine. */
#include "ir/detmath.h"
#include "passes/range.h"

#include <math.h>
#include <stdlib.h>

#define COARSE 40 /* candidates a side at first: fractions k / COARSE of the observed end */
#define ROUNDS 5  /* refinements, each with a quarter of the step */

struct sums {
	int n;
	double scale, first;   /* position of x among the bins = x * scale - first */
	double (*s)[3];        /* s[i]: sums over the bins before i */
};

static void sums_init(struct sums *p, const struct ig_stat *st)
{
	p->n = st->n_bins;
	p->scale = ldexp(1.0, -st->exponent);
	p->first = (double)st->first_bin;
	p->s = ig_xcalloc((size_t)st->n_bins + 1, sizeof *p->s);
	double width = ldexp(1.0, st->exponent);
	for (int i = 0; i < st->n_bins; i++) {
		double x = ((double)(st->first_bin + i) + 0.5) * width, c = (double)st->bin[i];
		p->s[i + 1][0] = p->s[i][0] + c;
		p->s[i + 1][1] = p->s[i][1] + c * x;
		p->s[i + 1][2] = p->s[i][2] + c * x * x;
	}
}

/* Sums over what lies below x. */
static void below(const struct sums *p, double x, double out[3])
{
	double at = x * p->scale - p->first;
	if (!(at > 0)) {
		out[0] = out[1] = out[2] = 0;
		return;
	}
	int i = at >= p->n ? p->n : (int)at;
	double part = at - i;
	for (int k = 0; k < 3; k++)
		out[k] = i >= p->n ? p->s[p->n][k] : p->s[i][k] + part * (p->s[i + 1][k] - p->s[i][k]);
}

static double error_of(const struct sums *p, float lo, float hi, const struct ig_qspec *spec)
{
	float scale;
	int32_t zp, qmin, qmax;
	ig_qspec_limits(spec, &qmin, &qmax);
	ig_qspec_params(spec, lo, hi, &scale, &zp);
	double prev[3] = {0, 0, 0}, err = 0, s = scale;
	for (int32_t q = qmin; q <= qmax; q++) {
		double next[3], v = s * (q - zp);
		below(p, q == qmax ? INFINITY : s * ((q - zp) + 0.5), next);
		err += (next[2] - prev[2]) - 2 * v * (next[1] - prev[1]) + v * v * (next[0] - prev[0]);
		for (int k = 0; k < 3; k++)
			prev[k] = next[k];
	}
	return err;
}

void ig_range_mse(const struct ig_stat *st, const struct ig_qspec *q, float *lo, float *hi)
{
	float mn = st->min < 0 ? st->min : 0, mx = st->max > 0 ? st->max : 0;
	*lo = mn;
	*hi = mx;
	if (mn == mx || ig_dtypes[q->dtype].bits > 8) /* with 16 bits no end is worth clipping, and the search would take a step for each of 65,536 levels */
		return;
	struct sums p;
	sums_init(&p, st);
	/* fractions of mn and mx; an end at zero has the one candidate */
	double best = error_of(&p, mn, mx, q), at_lo = 1, at_hi = 1;
	for (int i = 1; i <= COARSE; i++) {
		for (int j = 1; j <= COARSE; j++) {
			if ((mn == 0 && i != COARSE) || (mx == 0 && j != COARSE))
				continue;
			double e = error_of(&p, (float)(mn * (double)i / COARSE), (float)(mx * (double)j / COARSE), q);
			if (e < best) {
				best = e;
				at_lo = (double)i / COARSE;
				at_hi = (double)j / COARSE;
			}
		}
	}
	double step = 1.0 / COARSE;
	for (int round = 0; round < ROUNDS; round++) {
		double mid_lo = at_lo, mid_hi = at_hi;
		step /= 4;
		for (int i = -4; i <= 4; i++) {
			for (int j = -4; j <= 4; j++) {
				double f = mid_lo + step * i, g = mid_hi + step * j;
				if (f <= 0 || g <= 0 || f > 1 || g > 1 || (mn == 0 && i) || (mx == 0 && j))
					continue;
				double e = error_of(&p, (float)(mn * f), (float)(mx * g), q);
				if (e < best) {
					best = e;
					at_lo = f;
					at_hi = g;
				}
			}
		}
	}
	*lo = (float)(mn * at_lo);
	*hi = (float)(mx * at_hi);
	free(p.s);
}
