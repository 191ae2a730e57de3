/* Do the samples that a model is judged with look like those it was calibrated with? Their distributions are compared value by value; what falls outside
   the calibrated range is clipped, and what uses a small part of it has few steps. */
#include "passes/stats.h"
#include "ir/diag.h"

#include <math.h>
#include <stdlib.h>

#define OUTSIDE 0.001 /* a share of the values clearly beyond the range, which no tail explains */
#define MARGIN 0.125  /* clearly: by this share of the range */
#define NARROW 4      /* times that the calibrated range may be the evaluated one */
#define ENOUGH 50     /* samples, before a narrow range says something */
#define SHOWN 5

struct shift {
	const struct ig_stat *calibrated, *evaluated;
	double outside, width; /* share, 0 unless it is too much; calibrated range / evaluated one */
};

/* The range that quantization has: zero is in it. */
static float low(const struct ig_stat *st) { return st->min < 0 ? st->min : 0; }
static float high(const struct ig_stat *st) { return st->max > 0 ? st->max : 0; }

double ig_stat_outside(const struct ig_stat *st, float lo, float hi)
{
	uint64_t n = 0, finite = st->count - st->nans - st->infs;
	for (int i = 0; i < st->n_bins; i++) {
		double from = ldexp((double)(st->first_bin + i), st->exponent), to = ldexp((double)(st->first_bin + i + 1), st->exponent);
		if (to <= (double)lo || from > (double)hi)
			n += st->bin[i];
	}
	return finite ? (double)n / (double)finite : 0;
}

static int worst_first(const void *a, const void *b)
{
	const struct shift *x = a, *y = b;
	if (x->outside != y->outside)
		return x->outside > y->outside ? -1 : 1;
	return x->width > y->width ? -1 : x->width < y->width;
}

void ig_warn_shift(const struct ig_stats *calibrated, const struct ig_stats *evaluated, struct ig_diag *d)
{
	struct shift *s = ig_xcalloc((size_t)evaluated->stat.n + 1, sizeof *s);
	int n = 0;
	for (int i = 0; i < evaluated->stat.n; i++) {
		const struct ig_stat *e = &evaluated->stat.v[i], *c = ig_stats_find(calibrated, e->name);
		if (!c || !(c->min <= c->max) || !(e->min <= e->max))
			continue;
		double there = (double)high(c) - (double)low(c), here = (double)high(e) - (double)low(e);
		float margin = (float)(MARGIN * there);
		s[n] = (struct shift){c, e, 0, here > 0 ? there / here : there > 0 ? INFINITY : 1};
		if (ig_stat_outside(e, low(c) - margin, high(c) + margin) > OUTSIDE)
			s[n].outside = ig_stat_outside(e, low(c), high(c));
		n += s[n].outside > 0 || (evaluated->samples >= ENOUGH && s[n].width > NARROW);
	}
	qsort(s, (size_t)n, sizeof *s, worst_first);
	for (int i = 0; i < n && i < SHOWN; i++) {
		const struct ig_stat *c = s[i].calibrated, *e = s[i].evaluated;
		if (s[i].outside > 0)
			ig_warn(d, IG_NOLOC, "`%s`: %.1f %% of its values are outside the calibrated range, %g to %g (they go from %g to %g): calibrate with samples like "
			        "those evaluated", e->name, 100 * s[i].outside, (double)c->min, (double)c->max, (double)e->min, (double)e->max);
		else
			ig_warn(d, IG_NOLOC, "`%s` goes from %g to %g, a small part of the calibrated range, %g to %g: calibrate with samples like those evaluated", e->name,
			        (double)e->min, (double)e->max, (double)c->min, (double)c->max);
	}
	if (n > SHOWN)
		ig_note(d, IG_NOLOC, "%d other values have left their calibrated ranges likewise", n - SHOWN);
	free(s);
}
