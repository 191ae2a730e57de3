/* The search of `tune`: the path against all mixes of small problems, the front against its definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "driver/mix_search.h"

enum { LAYERS = 4, CANDIDATES = 3, ALL = 81 };

struct tables {
	bool allowed[LAYERS * CANDIDATES];
	double noise[LAYERS * CANDIDATES], cost[LAYERS * CANDIDATES];
};

static struct ig_mix_problem problem(const struct tables *t)
{
	return (struct ig_mix_problem){LAYERS, CANDIDATES, t->allowed, t->noise, t->cost};
}

static uint32_t next(uint32_t *x) { return *x = *x * 1664525u + 1013904223u, *x >> 16; }

static void invent(struct tables *t, uint32_t *x)
{
	for (int i = 0; i < LAYERS * CANDIDATES; i++) {
		t->allowed[i] = i % CANDIDATES == 0 || next(x) % 4;
		t->noise[i] = next(x) % 8;
		t->cost[i] = 1 + next(x) % 8;
	}
}

static void sums(const struct tables *t, const uint8_t *choice, double *noise, double *cost)
{
	*noise = *cost = 0;
	for (int l = 0; l < LAYERS; l++) {
		assert_true(t->allowed[l * CANDIDATES + choice[l]]);
		*noise += t->noise[l * CANDIDATES + choice[l]];
		*cost += t->cost[l * CANDIDATES + choice[l]];
	}
}

/* Least noise of all mixes at most this dear. */
static double least_noise(const struct tables *t, double most)
{
	double best = INFINITY;
	for (int k = 0; k < ALL; k++) {
		uint8_t choice[LAYERS];
		double noise, cost;
		bool ok = true;
		for (int l = 0, rest = k; l < LAYERS; l++, rest /= CANDIDATES) {
			choice[l] = (uint8_t)(rest % CANDIDATES);
			ok = ok && t->allowed[l * CANDIDATES + choice[l]];
		}
		if (!ok)
			continue;
		sums(t, choice, &noise, &cost);
		if (cost <= most && noise < best)
			best = noise;
	}
	return best;
}

/* Every mix on the path is the one of least noise at its cost, out of all 81; the first has the least of all, the last the least cost. */
static void path_is_best(void **state)
{
	(void)state;
	uint32_t x = 7;
	for (int round = 0; round < 300; round++) {
		struct tables t;
		struct ig_mix_move move[LAYERS * CANDIDATES];
		uint8_t choice[LAYERS];
		double noise, cost, before;
		invent(&t, &x);
		struct ig_mix_problem p = problem(&t);
		int n = ig_mix_path(&p, move);
		assert_in_range(n, 0, LAYERS * (CANDIDATES - 1));
		ig_mix_least(&p, choice);
		sums(&t, choice, &noise, &cost);
		assert_true(noise == least_noise(&t, INFINITY));
		for (int i = 0; i < n; i++) {
			assert_int_equal(choice[move[i].layer], move[i].from);
			choice[move[i].layer] = move[i].to;
			before = cost;
			sums(&t, choice, &noise, &cost);
			assert_true(cost < before && before - cost == move[i].saved);
			assert_true(noise == least_noise(&t, cost));
			assert_true(i == 0 || move[i].noise / move[i].saved >= move[i - 1].noise / move[i - 1].saved);
		}
		assert_true(isinf(least_noise(&t, cost - 0.5)));
	}
}

/* The best of all 81 mixes for any limit: of a power of two the cells divide the costs exactly, of others what is found fits and is no better than that. */
static void fit_is_best(void **state)
{
	(void)state;
	uint32_t x = 11;
	int found = 0;
	for (int round = 0; round < 300; round++) {
		struct tables t;
		uint8_t choice[LAYERS];
		double noise, cost, most = round % 2 ? 8 << round % 3 : 5 + 0.7 * (round % 40);
		invent(&t, &x);
		struct ig_mix_problem p = problem(&t);
		if (!ig_mix_fit(&p, most, choice)) {
			assert_true(isinf(least_noise(&t, most * 0.99)));
			continue;
		}
		found++;
		sums(&t, choice, &noise, &cost);
		assert_true(cost <= most);
		if (round % 2)
			assert_true(noise == least_noise(&t, most));
		else
			assert_true(noise >= least_noise(&t, most) && noise <= least_noise(&t, most * 0.99));
	}
	assert_in_range(found, 150, 300);
}

static void ties(void **state)
{
	(void)state;
	/* of equal noise the cheapest, then the first; what is not allowed never */
	struct tables t = {{true, true, true, true, true, true, false, true, true, true, false, false},
	                   {1, 1, 1, 2, 1, 1, 0, 3, 3, 5, 0, 0},
	                   {5, 4, 4, 1, 2, 2, 1, 9, 9, 5, 1, 1}};
	struct ig_mix_problem p = problem(&t);
	struct ig_mix_move move[LAYERS * CANDIDATES];
	uint8_t choice[LAYERS];
	ig_mix_least(&p, choice);
	assert_memory_equal(choice, ((uint8_t[]){1, 1, 1, 0}), LAYERS);
	assert_int_equal(ig_mix_path(&p, move), 1);
	assert_int_equal(move[0].layer, 1);
	assert_int_equal(move[0].to, 0);
}

static void front(void **state)
{
	(void)state;
	uint32_t x = 3;
	for (int round = 0; round < 300; round++) {
		struct ig_mix_worth w[12];
		int f[12];
		for (int i = 0; i < 12; i++)
			w[i] = (struct ig_mix_worth){i == 5 ? NAN : (double)(next(&x) % 6) - 1, next(&x) % 3, next(&x) % 6};
		int n = ig_mix_front(w, 12, f);
		assert_in_range(n, 1, 6);
		for (int i = 1; i < n; i++)
			assert_true(w[f[i - 1]].cost > w[f[i]].cost && w[f[i - 1]].loss < w[f[i]].loss);
		for (int i = 0; i < 12; i++) { /* what is not on it is no better than something on it */
			bool covered = false;
			for (int k = 0; k < n; k++)
				covered = covered || f[k] == i || isnan(w[i].loss) || (w[f[k]].cost <= w[i].cost && w[f[k]].loss <= w[i].loss);
			assert_true(covered);
		}
	}
}

static void beats(void **state)
{
	(void)state;
	struct ig_mix_worth a = {1, 1, 1};
	assert_false(ig_mix_beats(&a, &a));
	assert_true(ig_mix_beats(&a, &(struct ig_mix_worth){1, 2, 1}));
	assert_false(ig_mix_beats(&(struct ig_mix_worth){1, 2, 1}, &a));
	assert_true(ig_mix_beats(&(struct ig_mix_worth){0.5, 9, 1}, &a));
	assert_false(ig_mix_beats(&(struct ig_mix_worth){0.5, 0, 2}, &a));
	assert_true(ig_mix_beats(&a, &(struct ig_mix_worth){NAN, 0, 0}));
	assert_false(ig_mix_beats(&(struct ig_mix_worth){NAN, 0, 0}, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(path_is_best), cmocka_unit_test(fit_is_best), cmocka_unit_test(ties), cmocka_unit_test(front), cmocka_unit_test(beats)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
