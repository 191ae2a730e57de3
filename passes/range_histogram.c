/* PyTorch's histogram observer (torch.ao.quantization.observer.HistogramObserver): shrink the range quantile by quantile from both ends while the
   L2 error, values spread evenly inside each bin, does not grow. Reproduced float32 operation by float32 operation: the search stops at noise, so
   that other arithmetic stops elsewhere. */
#include "passes/range.h"

#include <math.h>
#include <stdlib.h>

static int bin_index(double x, double min, double width, int bins)
{
	double i = floor((x - min) / width);
	return i < 0 ? 0 : i >= bins ? bins - 1 : (int)i;
}

/* Spreads `count` values evenly over [a, b]. */
static void spread(double *out, int bins, double min, double width, double a, double b, double count)
{
	int first = bin_index(a, min, width, bins), last = bin_index(b, min, width, bins);
	if (b <= a || first == last) {
		out[first] += count;
		return;
	}
	double done = 0;
	for (int i = first; i < last; i++) {
		double upto = count * ((min + width * (i + 1) - a) / (b - a));
		upto = upto < done ? done : upto > count ? count : upto;
		out[i] += upto - done;
		done = upto;
	}
	out[last] += count - done;
}

void ig_range_resample(const struct ig_stat *st, int bins, float *hist)
{
	double min = st->min, max = st->max, width = (max - min) / bins;
	double *sum = ig_xcalloc((size_t)bins, sizeof *sum);
	if (!(width > 0)) {
		sum[0] = (double)(st->count - st->nans - st->infs);
	} else {
		for (int i = 0; i < st->n_bins; i++) {
			if (!st->bin[i])
				continue;
			double a = ldexp((double)(st->first_bin + i), st->exponent), b = ldexp((double)(st->first_bin + i + 1), st->exponent);
			spread(sum, bins, min, width, a < min ? min : a, b > max ? max : b, (double)st->bin[i]);
		}
		if (st->zeros)
			sum[bin_index(0, min, width, bins)] += (double)st->zeros;
	}
	for (int i = 0; i < bins; i++)
		hist[i] = (float)sum[i];
	free(sum);
}

/* torch's floor division of float32. */
static float div_floor(float a, float b)
{
	float mod = fmodf(a, b), div = (a - mod) / b;
	if (mod != 0 && (b < 0) != (mod < 0))
		div -= 1.0f;
	if (div == 0)
		return 0;
	float f = floorf(div);
	return div - f > 0.5f ? f + 1.0f : f;
}

static float clamp(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

/* density * integral of x^2 over [begin, end] */
static float norm_of(float begin, float end, float density)
{
	float norm = (end * end * end - begin * begin * begin) / 3.0f;
	return density * norm;
}

static double l2_error(const float *hist, int bins, float min, float max, int levels, int start, int end)
{
	double width = ((double)max - (double)min) / bins;
	double step = width * (end - start + 1) / levels;
	if (step == 0)
		return 0;
	float wf = (float)width, sf = (float)step, half = (float)(step / 2), minus_half = (float)(-step / 2), last = (float)(levels - 1);
	double sum = 0;
	for (int i = 0; i < bins; i++) {
		float begin = (float)(i - start) * wf, stop = begin + wf;
		float db = clamp(div_floor(begin, sf), 0, last), de = clamp(div_floor(stop, sf), 0, last);
		float density = hist[i] / wf;
		float norm = norm_of(begin - (db + 0.5f) * sf, half, density);
		norm += (de - db - 1.0f) * norm_of(minus_half, half, density);
		norm += norm_of(minus_half, stop - (de * sf + half), density);
		sum += norm;
	}
	return (double)(float)sum;
}

void ig_range_l2_search(const float *hist, int bins, float min, float max, int levels, float *lo, float *hi)
{
	float *cumulative = ig_xcalloc((size_t)bins, sizeof *cumulative);
	double total = 0;
	for (int i = 0; i < bins; i++) {
		total += hist[i];
		cumulative[i] = (float)total;
	}
	total = (double)(float)total;
	double alpha = 0, beta = 1, best = INFINITY;
	const double quantile = 1e-5;
	int start = 0, end = bins - 1;
	while (alpha < beta) {
		double next_alpha = alpha + quantile, next_beta = beta - quantile;
		int l = start, r = end, next_start = start, next_end = end;
		while (l < end && cumulative[l] < (float)(next_alpha * total))
			l++;
		while (r > start && cumulative[r] > (float)(next_beta * total))
			r--;
		if (l - start > end - r) {
			next_start = l;
			alpha = next_alpha;
		} else {
			next_end = r;
			beta = next_beta;
		}
		if (next_start == start && next_end == end)
			continue;
		double norm = l2_error(hist, bins, min, max, levels, next_start, next_end);
		if (norm > best)
			break;
		best = norm;
		start = next_start;
		end = next_end;
	}
	float width = (max - min) / (float)bins;
	*lo = min + width * (float)start;
	*hi = min + width * (float)(end + 1);
	free(cumulative);
}

void ig_range_histogram(const struct ig_stat *st, int bins, float *lo, float *hi)
{
	float *hist = ig_xcalloc((size_t)bins, sizeof *hist);
	ig_range_resample(st, bins, hist);
	ig_range_l2_search(hist, bins, st->min, st->max, 256, lo, hi);
	free(hist);
}
