#include "driver/mix_search.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base.h"

void ig_mix_least(const struct ig_mix_problem *p, uint8_t *choice)
{
	for (int l = 0; l < p->layers; l++) {
		int best = -1;
		for (int c = 0; c < p->candidates; c++) {
			int at = l * p->candidates + c, b = l * p->candidates + best;
			if (p->allowed[at] && (best < 0 || p->noise[at] < p->noise[b] || (p->noise[at] == p->noise[b] && p->cost[at] < p->cost[b])))
				best = c;
		}
		if (best < 0)
			IG_BUG("layer %d has no candidate", l);
		choice[l] = (uint8_t)best;
	}
}

static double slope(const struct ig_mix_move *m) { return m->noise / m->saved; }

/* From candidate `from` on, the step with the least noise for what it saves; of equals the longest. False: nothing is cheaper. */
static bool next_step(const struct ig_mix_problem *p, int layer, int from, struct ig_mix_move *best)
{
	bool found = false;
	int a = layer * p->candidates + from;
	for (int c = 0; c < p->candidates; c++) {
		int b = layer * p->candidates + c;
		if (!p->allowed[b] || !(p->cost[b] < p->cost[a]))
			continue;
		struct ig_mix_move m = {layer, (uint8_t)from, (uint8_t)c, p->noise[b] - p->noise[a], p->cost[a] - p->cost[b]};
		if (!found || slope(&m) < slope(best) || (slope(&m) == slope(best) && m.saved > best->saved))
			*best = m;
		found = true;
	}
	return found;
}

static int by_slope(const void *x, const void *y)
{
	const struct ig_mix_move *a = x, *b = y;
	double sa = slope(a), sb = slope(b);
	if (sa != sb)
		return sa < sb ? -1 : 1;
	if (a->layer != b->layer)
		return a->layer - b->layer;
	return a->saved > b->saved ? -1 : a->saved < b->saved; /* of one layer this cannot be: its slopes rise */
}

int ig_mix_path(const struct ig_mix_problem *p, struct ig_mix_move *moves)
{
	uint8_t *choice = ig_xcalloc((size_t)p->layers + 1, 1);
	int n = 0;
	ig_mix_least(p, choice);
	for (int l = 0; l < p->layers; l++)
		for (int at = choice[l]; next_step(p, l, at, &moves[n]); n++)
			at = moves[n].to;
	if (n)
		qsort(moves, (size_t)n, sizeof *moves, by_slope);
	free(choice);
	return n;
}

#define CELLS 4096

/* Least noise of the first layers by what they cost at most, in cells; costs are rounded up, so that what fits here fits. */
bool ig_mix_fit(const struct ig_mix_problem *p, double most, uint8_t *choice)
{
	double *least = ig_xcalloc(CELLS + 1, sizeof *least), *next = ig_xcalloc(CELLS + 1, sizeof *next), *swap;
	uint8_t *taken = ig_xcalloc((size_t)p->layers * (CELLS + 1), 1); /* [layer][cells]; UINT8_MAX: cannot be */
	for (int l = 0; l < p->layers; l++) {
		uint8_t *take = taken + (size_t)l * (CELLS + 1);
		for (int k = 0; k <= CELLS; k++) {
			next[k] = INFINITY;
			take[k] = UINT8_MAX;
		}
		for (int c = 0; c < p->candidates; c++) {
			int at = l * p->candidates + c;
			double cells = ceil(p->cost[at] / most * CELLS);
			for (int k = p->allowed[at] && cells <= CELLS ? (int)cells : CELLS + 1; k <= CELLS; k++)
				if (least[k - (int)cells] + p->noise[at] < next[k]) {
					next[k] = least[k - (int)cells] + p->noise[at];
					take[k] = (uint8_t)c;
				}
		}
		swap = least;
		least = next;
		next = swap;
	}
	bool ok = isfinite(least[CELLS]);
	for (int l = p->layers - 1, k = CELLS; l >= 0 && ok; l--) {
		choice[l] = taken[(size_t)l * (CELLS + 1) + (size_t)k];
		k -= (int)ceil(p->cost[l * p->candidates + choice[l]] / most * CELLS);
	}
	free(least);
	free(next);
	free(taken);
	return ok;
}

bool ig_mix_beats(const struct ig_mix_worth *b, const struct ig_mix_worth *a)
{
	if (isnan(b->loss))
		return false;
	if (isnan(a->loss))
		return true;
	if (b->cost > a->cost || b->loss > a->loss)
		return false;
	return b->cost < a->cost || b->loss < a->loss || b->noise < a->noise;
}

int ig_mix_front(const struct ig_mix_worth *w, int n, int *front)
{
	int count = 0;
	for (int i = 0; i < n; i++) {
		bool beaten = isnan(w[i].loss);
		for (int k = 0; k < n && !beaten; k++)
			beaten = ig_mix_beats(&w[k], &w[i]) || (k < i && w[k].cost == w[i].cost && w[k].loss == w[i].loss && w[k].noise == w[i].noise);
		if (beaten)
			continue;
		int at = count++;
		for (; at > 0 && w[front[at - 1]].cost < w[i].cost; at--)
			front[at] = front[at - 1];
		front[at] = i;
	}
	return count;
}
