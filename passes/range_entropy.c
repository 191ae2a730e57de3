/* The range whose quantized distribution tells least apart from the observed one: least Kullback-Leibler divergence, after S. Migacz, "8-bit Inference with
   TensorRT" (GTC 2017). There for magnitudes; here the candidates are [-t, t] cut to the observed range, so that one-sided data loses no level.
   The values are resampled to fine bins over [-m, m], m the largest magnitude. */
#include "ir/detmath.h"
#include "passes/range.h"

#include <math.h>
#include <stdlib.h>

enum { HALF = 4096 /* fine bins on either side of zero */, STEP = 16 /* of candidates */ };
#define FLOOR 1e-4 /* probability of what the quantized distribution has nothing of, as in ONNX Runtime's calibrator */

struct fine {
	double count[2 * HALF];
	double width;
	int first, end; /* those that the observed range touches */
};

static int clamp_index(double x) { return x < 0 ? 0 : x >= 2 * HALF ? 2 * HALF - 1 : (int)x; }

/* A bin of the grid goes to the fine bin that holds its middle; zeros, which every candidate represents exactly, to none. */
static void resample(const struct ig_stat *st, struct fine *f)
{
	double m = -st->min > st->max ? -(double)st->min : st->max;
	f->width = m / HALF;
	for (int i = 0; i < 2 * HALF; i++)
		f->count[i] = 0;
	for (int i = 0; i < st->n_bins; i++) {
		double middle = ldexp((double)(st->first_bin + i) + 0.5, st->exponent);
		f->count[clamp_index(floor(middle / f->width) + HALF)] += (double)st->bin[i];
	}
	f->first = st->min < 0 ? clamp_index(floor(st->min / f->width) + HALF) : HALF;
	f->end = st->max > 0 ? clamp_index(ceil(st->max / f->width) - 1 + HALF) + 1 : HALF;
}

/* Divergence of the bins [a, b), with what is outside added to the ends, from the same after `levels` steps. */
static double divergence(const struct fine *f, int a, int b, int levels)
{
	double low = 0, high = 0, total = 0, kept = 0, d = 0;
	for (int i = f->first; i < a; i++)
		low += f->count[i];
	for (int i = b; i < f->end; i++)
		high += f->count[i];
	for (int i = a; i < b; i++)
		kept += f->count[i];
	total = kept + low + high;
	if (!(kept > 0))
		return INFINITY;
	for (int k = 0, n = b - a; k < levels; k++) {
		int from = a + (int)((int64_t)n * k / levels), to = a + (int)((int64_t)n * (k + 1) / levels), used = 0;
		double sum = 0;
		for (int i = from; i < to; i++) {
			sum += f->count[i];
			used += f->count[i] > 0;
		}
		for (int i = from; i < to; i++) {
			double p = (f->count[i] + (i == a ? low : 0) + (i == b - 1 ? high : 0)) / total;
			double q = f->count[i] > 0 ? sum / used / kept : FLOOR;
			if (p > 0)
				d += p * ig_det_log(p / q);
		}
	}
	return d;
}

void ig_range_entropy(const struct ig_stat *st, int levels, float *lo, float *hi)
{
	*lo = st->min;
	*hi = st->max;
	if (!st->n_bins)
		return;
	struct fine *f = ig_xcalloc(1, sizeof *f);
	resample(st, f);
	double best = INFINITY;
	for (int t = STEP; t <= HALF; t += STEP) {
		int a = HALF - t > f->first ? HALF - t : f->first, b = HALF + t < f->end ? HALF + t : f->end;
		if (b - a < levels)
			continue;
		double d = divergence(f, a, b, levels);
		if (d < best) {
			best = d;
			*lo = a == f->first ? st->min : (float)((a - HALF) * f->width);
			*hi = b == f->end ? st->max : (float)((b - HALF) * f->width);
		}
	}
	free(f);
}
