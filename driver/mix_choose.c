/* The search: from the mix of least noise the layers are made cheaper one by one, those first that add the least noise for what they save; every mix on the
   way is measured. Among the mixes that meet the budget the best is taken, and single layers of it are tried until none makes it better. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/mix.h"

/* Of a metric on labels the upper end of the loss's interval: among many mixes the one with the least loss is the luckiest one. */
struct ig_mix_worth ig_mix_worth(const struct ig_mix *m, const struct ig_mix_point *p)
{
	return (struct ig_mix_worth){m->v.metric == IG_METRIC_MSE || isnan(p->hi) ? p->loss : p->hi, p->noise, m->by_time ? p->seconds : (double)p->bytes};
}

#define SLACK 1e-9 /* as in eval: 0.001 is no binary fraction */

bool ig_mix_meets(const struct ig_mix *m, const struct ig_mix_point *p)
{
	const struct ig_mix_budget *b = &m->budget;
	double loss = ig_opt_given(m->o, IG_OPT_CERTAIN) ? p->hi : p->loss;
	return (isinf(b->loss) || loss <= b->loss + SLACK) && (isinf(b->seconds) || p->seconds <= b->seconds) && p->bytes <= b->bytes;
}

/* With a limit for the loss the cheapest mix is wanted, else the one of least loss. */
static bool wants_cheap(const struct ig_mix *m) { return !isinf(m->budget.loss); }

static bool is_better(const struct ig_mix *m, const struct ig_mix_point *p, const struct ig_mix_point *q)
{
	struct ig_mix_worth a = ig_mix_worth(m, p), b = ig_mix_worth(m, q);
	if (wants_cheap(m) && a.cost != b.cost)
		return a.cost < b.cost;
	if (a.loss != b.loss)
		return a.loss < b.loss;
	return a.noise != b.noise ? a.noise < b.noise : a.cost < b.cost;
}

static void choose(struct ig_mix *m)
{
	m->chosen = -1;
	for (int i = 0; i < m->points.n; i++)
		if (ig_mix_meets(m, &m->points.v[i]) && (m->chosen < 0 || is_better(m, &m->points.v[i], &m->points.v[m->chosen])))
			m->chosen = i;
}

static int64_t steps_of(const struct ig_mix *m) { return ig_opt_given(m->o, IG_OPT_STEPS) ? m->o->number[IG_OPT_STEPS] : 40; }

/* ---- the tables of the search ---- */

struct tables {
	bool *allowed;
	double *noise, *cost;
	struct ig_mix_problem p;
};

static void make_tables(const struct ig_mix *m, struct tables *t)
{
	int n = m->layers.n * m->candidates.n;
	t->allowed = ig_xcalloc((size_t)n, sizeof *t->allowed);
	t->noise = ig_xcalloc((size_t)n, sizeof *t->noise);
	t->cost = ig_xcalloc((size_t)n, sizeof *t->cost);
	for (int i = 0; i < n; i++) {
		const struct ig_mix_layer *l = &m->layers.v[i / m->candidates.n];
		const struct ig_mix_alone *a = &l->alone[i % m->candidates.n];
		t->allowed[i] = l->allowed[i % m->candidates.n];
		t->noise[i] = isfinite(a->noise) ? a->noise : 1e9;
		t->cost[i] = m->by_time ? isnan(a->seconds) ? 0 : a->seconds : (double)a->bytes;
	}
	t->p = (struct ig_mix_problem){m->layers.n, m->candidates.n, t->allowed, t->noise, t->cost};
}

static void free_tables(struct tables *t)
{
	free(t->allowed);
	free(t->noise);
	free(t->cost);
}

/* ---- mixes to begin with ---- */

/* Of equal costs the one of less noise. */
static bool is_cheaper(const struct tables *t, int a, int b)
{
	return t->cost[a] < t->cost[b] || (t->cost[a] == t->cost[b] && t->noise[a] < t->noise[b]);
}

/* One precision wherever it is possible, elsewhere the cheapest other one. */
static bool measure_uniform(struct ig_mix *m, const struct tables *t)
{
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	bool ok = true;
	for (int c = 0; c < m->candidates.n && ok; c++) {
		ig_mix_uniform(m, c, choice);
		for (int l = 0; l < m->layers.n; l++)
			for (int k = 0; k < m->candidates.n && !m->layers.v[l].allowed[c]; k++)
				if (m->layers.v[l].allowed[k] && (choice[l] == IG_MIX_SKIP || is_cheaper(t, l * m->candidates.n + k, l * m->candidates.n + choice[l])))
					choice[l] = (uint8_t)k;
		ok = ig_mix_measure(m, choice, ig_arena_printf(m->arena, "all %s", m->candidates.v[c].name)) >= 0;
	}
	free(choice);
	return ok;
}

static bool walk(struct ig_mix *m, const struct tables *t)
{
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	struct ig_mix_move *move = ig_xcalloc((size_t)m->layers.n * (size_t)m->candidates.n, sizeof *move);
	int n = ig_mix_path(&t->p, move);
	int64_t together = (n + steps_of(m) - 1) / steps_of(m);
	ig_mix_least(&t->p, choice);
	bool ok = ig_mix_measure(m, choice, NULL) >= 0;
	for (int i = 0; i < n && ok; i++) {
		choice[move[i].layer] = move[i].to;
		if ((i + 1) % together == 0 || i == n - 1)
			ok = ig_mix_measure(m, choice, NULL) >= 0;
	}
	free(move);
	free(choice);
	return ok;
}

/* ---- between the mixes of the path ---- */

/* The hull passes over mixes between its corners: of equal limit the best one by sums of noises may be another. */
static double sum(const struct ig_mix *m, const double *table, const uint8_t *choice)
{
	double all = 0;
	for (int l = 0; l < m->layers.n; l++)
		all += table[l * m->candidates.n + choice[l]];
	return all;
}

/* Measures the mix of least noise whose costs of layers are at most `most`: the point; -1: there is none; -2: a diagnostic. */
static int measure_fit(struct ig_mix *m, const struct tables *t, double most)
{
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	int p = most > 0 && ig_mix_fit(&t->p, most, choice) ? ig_mix_measure(m, choice, NULL) : -1;
	bool failed = p < 0 && ig_diag_errors(m->v.s.diag) > 0;
	free(choice);
	return failed ? -2 : p;
}

enum { FITS = 8 };

/* The cheapest that loses little enough, between what does and the cheapest of all. */
static bool fit_loss(struct ig_mix *m, const struct tables *t)
{
	double lo = INFINITY, hi;
	for (int i = 0; i < m->points.n; i++)
		lo = fmin(lo, sum(m, t->cost, m->points.v[i].choice));
	choose(m);
	if (m->chosen < 0)
		return true;
	hi = sum(m, t->cost, m->points.v[m->chosen].choice);
	for (int i = 0; i < FITS && hi > lo; i++) {
		double most = lo + (hi - lo) / 2;
		int p = measure_fit(m, t, most);
		if (p == -2)
			return false;
		if (p >= 0 && ig_mix_meets(m, &m->points.v[p]))
			hi = most;
		else
			lo = most;
	}
	return true;
}

/* The least loss within the limit of the cost. What a mix costs beyond the sum of its layers (conversions, what they share) differs from mix to mix: the
   limit of the sum begins where the kindest one measured would have it, and comes down until a mix meets the budget. */
static bool fit_cost(struct ig_mix *m, const struct tables *t)
{
	double limit = m->by_time ? m->budget.seconds : m->budget.bytes == INT64_MAX ? INFINITY : (double)m->budget.bytes, beyond = INFINITY;
	for (int i = 0; i < m->points.n; i++)
		beyond = fmin(beyond, ig_mix_worth(m, &m->points.v[i]).cost - sum(m, t->cost, m->points.v[i].choice));
	double most = limit - beyond;
	for (int i = 0; i < FITS && isfinite(most); i++) {
		int p = measure_fit(m, t, most);
		if (p == -2)
			return false;
		if (p < 0 || ig_mix_meets(m, &m->points.v[p]))
			break;
		most -= fmax((ig_mix_worth(m, &m->points.v[p]).cost - limit) / 2, most / 256);
	}
	return true;
}

/* ---- single layers of the best one ---- */

struct change {
	int layer, to;
	double rank;
};

/* The change of one layer that promises most: less noise at the same cost, else noise for what is saved, or cost for the noise that goes; false: none is left
   that was not tried. */
static bool most_promising(const struct ig_mix *m, const struct tables *t, const uint8_t *choice, const bool *tried, struct change *best)
{
	bool found = false;
	for (int l = 0; l < m->layers.n; l++)
		for (int c = 0; c < m->candidates.n; c++) {
			int from = l * m->candidates.n + choice[l], to = l * m->candidates.n + c;
			double noise = t->noise[to] - t->noise[from], cost = t->cost[to] - t->cost[from];
			bool free = cost == 0 && noise < 0;
			if (!t->allowed[to] || c == choice[l] || tried[to] || (!free && (wants_cheap(m) ? cost >= 0 : noise >= 0)))
				continue;
			struct change x = {l, c, free ? -INFINITY : wants_cheap(m) ? noise / -cost : cost / -noise};
			if (!found || x.rank < best->rank)
				*best = x;
			found = true;
		}
	return found;
}

static bool refine(struct ig_mix *m, const struct tables *t)
{
	bool *tried = ig_xcalloc((size_t)m->layers.n * (size_t)m->candidates.n, sizeof *tried), ok = true;
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	struct change x;
	choose(m);
	for (int64_t i = 0; i < steps_of(m) && m->chosen >= 0 && ok; i++) {
		memcpy(choice, m->points.v[m->chosen].choice, (size_t)m->layers.n);
		if (!most_promising(m, t, choice, tried, &x))
			break;
		tried[x.layer * m->candidates.n + x.to] = true;
		choice[x.layer] = (uint8_t)x.to;
		ok = ig_mix_measure(m, choice, NULL) >= 0;
		choose(m);
	}
	free(choice);
	free(tried);
	return ok;
}

bool ig_mix_search(struct ig_mix *m)
{
	struct tables t;
	make_tables(m, &t);
	bool ok = measure_uniform(m, &t) && walk(m, &t);
	if (ok && !isnan(m->budget.relative))
		m->budget.seconds = m->budget.relative * *ig_mix_state_reference(m);
	ok = ok && (wants_cheap(m) ? fit_loss(m, &t) : fit_cost(m, &t)) && refine(m, &t);
	free_tables(&t);
	return ok;
}
