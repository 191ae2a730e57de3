/* Distributions as exact sums. Bins are [b, b+1) * 2^exponent on a grid that starts at zero, so that growing a range merges neighbouring bins and
   never splits one: the state is a function of the set of values alone. */
#include "passes/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A bin is never finer than 2^-40 of the largest magnitude: indices stay below 2^41, and each float still has a bin of its own. */
#define FINEST 40

struct ig_stats *ig_stats_new(uint64_t weights_hash)
{
	struct ig_stats *s = ig_xcalloc(1, sizeof *s);
	s->arena = ig_arena_new();
	s->weights_hash = weights_hash;
	return s;
}

void ig_stats_free(struct ig_stats *s)
{
	if (!s)
		return;
	ig_vec_free(&s->stat);
	ig_arena_free(s->arena);
	free(s);
}

const struct ig_stat *ig_stats_find(const struct ig_stats *s, const char *name)
{
	for (int i = 0; i < s->stat.n; i++)
		if (!strcmp(s->stat.v[i].name, name))
			return &s->stat.v[i];
	return NULL;
}

struct ig_stat *ig_stats_get(struct ig_stats *s, const char *name)
{
	for (int i = 0; i < s->stat.n; i++)
		if (!strcmp(s->stat.v[i].name, name))
			return &s->stat.v[i];
	struct ig_stat st = {.name = ig_arena_strdup(s->arena, name),
	                     .min = INFINITY,
	                     .max = -INFINITY,
	                     .avg_min = NAN,
	                     .avg_max = NAN,
	                     .bin = IG_NEWN(s->arena, uint64_t, IG_HIST_BINS + IG_HIST_SPARE)};
	ig_vec_push(&s->stat, st);
	return &s->stat.v[s->stat.n - 1];
}

/* The bin of x at an exponent; exact: scaling by a power of two does not round here. */
static int64_t bin_of(double x, int exponent) { return (int64_t)floor(ldexp(x, -exponent)); }

void ig_stat_grid(float min, float max, int *exponent, int64_t *first, int *n)
{
	double big = fmax(-(double)min, (double)max);
	if (!(min <= max) || big == 0) {
		*exponent = 0;
		*first = 0;
		*n = 0;
		return;
	}
	/* From the finest grid, or where the range has hardly more bins than there are. */
	int e, spread;
	frexp(big, &e);
	frexp((double)max - (double)min, &spread);
	e -= FINEST;
	if (max > min && spread - 15 > e)
		e = spread - 15;
	for (;; e++) {
		int64_t lo = bin_of(min, e), hi = bin_of(max, e);
		if (hi - lo < IG_HIST_BINS) {
			*exponent = e;
			*first = lo;
			*n = (int)(hi - lo + 1);
			return;
		}
	}
}

static int64_t floor_shift(int64_t i, int k)
{
	if (k >= 62)
		return i < 0 ? -1 : 0;
	return i >= 0 ? i >> k : -((-i + ((int64_t)1 << k) - 1) >> k);
}

/* Adds n bins from `first` at `exponent` (not above the target's) to the target's bins. */
static void add_bins(struct ig_stat *st, const uint64_t *bin, int64_t first, int n, int exponent)
{
	for (int i = 0; i < n; i++)
		if (bin[i])
			st->bin[floor_shift(first + i, st->exponent - exponent) - st->first_bin] += bin[i];
}

void ig_stat_grow(struct ig_stat *st, float lo, float hi)
{
	float min = fminf(st->min, lo), max = fmaxf(st->max, hi);
	if (min == st->min && max == st->max)
		return;
	int old_exponent = st->exponent, old_n = st->n_bins;
	int64_t old_first = st->first_bin;
	st->min = min;
	st->max = max;
	ig_stat_grid(min, max, &st->exponent, &st->first_bin, &st->n_bins);
	if (!old_n || (old_exponent == st->exponent && old_first == st->first_bin))
		return; /* nothing in the bins, or more bins at the end */
	uint64_t *old = ig_xcalloc((size_t)old_n, sizeof *old);
	memcpy(old, st->bin, (size_t)old_n * sizeof *old);
	memset(st->bin, 0, IG_HIST_BINS * sizeof *st->bin);
	add_bins(st, old, old_first, old_n, old_exponent);
	free(old);
}

void ig_stat_merge(struct ig_stat *x, const struct ig_stat *y)
{
	x->count += y->count;
	x->zeros += y->zeros;
	x->nans += y->nans;
	x->infs += y->infs;
	if (!(y->min <= y->max))
		return;
	ig_stat_grow(x, y->min, y->max);
	add_bins(x, y->bin, y->first_bin, y->n_bins, y->exponent);
}

bool ig_stats_merge(struct ig_stats *a, const struct ig_stats *b, struct ig_diag *d)
{
	if (a->weights_hash != b->weights_hash) {
		ig_error(d, IG_NOLOC, "the states come from models with different weights (%016llx and %016llx): calibrate again with one model",
		         (unsigned long long)a->weights_hash, (unsigned long long)b->weights_hash);
		return false;
	}
	const struct ig_stats *both[2] = {a, b};
	for (int s = 0; s < 2; s++)
		for (int i = 0; i < both[s]->stat.n; i++)
			if (both[s]->stat.v[i].has_average) {
				ig_error(d, IG_NOLOC, "`%s` has a moving average, which depends on the order of the samples and cannot be merged: calibrate at once, "
				         "or use another observer", both[s]->stat.v[i].name);
				return false;
			}
	for (int i = 0; i < b->stat.n; i++)
		ig_stat_merge(ig_stats_get(a, b->stat.v[i].name), &b->stat.v[i]);
	a->samples += b->samples;
	a->samples_sum += b->samples_sum;
	return true;
}
