#include "driver/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/number.h"

enum { PIECES = 64 };

struct features {
	int64_t samples, n; /* n numbers each */
	double *x;
};

static int pieces_of(const struct ig_type *t)
{
	int64_t n = ig_elems(t);
	return n < PIECES ? (int)n : PIECES;
}

/* Mean and standard deviation of each of the pieces that a sample's input falls into. */
static void describe(const struct ig_type *t, const void *data, double *out)
{
	const struct ig_tensor view = {.type = *t, .data = (void *)(uintptr_t)data};
	int64_t n = ig_elems(t);
	int pieces = pieces_of(t);
	for (int p = 0; p < pieces; p++) {
		int64_t from = n * p / pieces, to = n * (p + 1) / pieces;
		double sum = 0, squares = 0;
		for (int64_t i = from; i < to; i++) {
			double v = ig_get_double(&view, i);
			sum += v;
			squares += v * v;
		}
		double mean = sum / (double)(to - from), variance = squares / (double)(to - from) - mean * mean;
		out[2 * p] = mean;
		out[2 * p + 1] = variance > 0 ? sqrt(variance) : 0;
	}
}

static struct features read_features(const struct ig_graph *g, struct ig_dataset *const *set, int n_sets)
{
	struct features f = {0, 0, NULL};
	for (int i = 0; i < n_sets; i++)
		f.samples += ig_dataset_count(set[i]);
	for (int i = 0; i < g->n_inputs; i++)
		f.n += 2 * pieces_of(ig_vtype(g, g->input[i]));
	f.x = ig_xcalloc((size_t)f.samples * (size_t)f.n + 1, sizeof *f.x);
	double *out = f.x;
	for (int s = 0; s < n_sets; s++)
		for (int64_t i = 0; i < ig_dataset_count(set[s]); i++) {
			const void *const *in = ig_dataset_sample(set[s], i);
			for (int k = 0; k < g->n_inputs; k++) {
				describe(ig_vtype(g, g->input[k]), in[k], out);
				out += 2 * pieces_of(ig_vtype(g, g->input[k]));
			}
		}
	return f;
}

/* Every feature with mean 0 and deviation 1; one that never changes says nothing. */
static void standardize(struct features *f)
{
	for (int64_t k = 0; k < f->n; k++) {
		double mean = 0, squares = 0;
		for (int64_t i = 0; i < f->samples; i++)
			mean += f->x[i * f->n + k];
		mean /= (double)f->samples;
		for (int64_t i = 0; i < f->samples; i++) {
			double d = f->x[i * f->n + k] -= mean;
			squares += d * d;
		}
		double deviation = sqrt(squares / (double)f->samples);
		for (int64_t i = 0; i < f->samples; i++)
			f->x[i * f->n + k] = deviation > 0 ? f->x[i * f->n + k] / deviation : 0;
	}
}

/* Squared distance of sample i from `from`. */
static double distance(const struct features *f, int64_t i, const double *from)
{
	double sum = 0;
	for (int64_t k = 0; k < f->n; k++) {
		double d = f->x[i * f->n + k] - (from ? from[k] : 0);
		sum += d * d;
	}
	return sum;
}

bool *ig_select_samples(const struct ig_graph *g, struct ig_dataset *const *set, int n_sets, int64_t n)
{
	struct features f = read_features(g, set, n_sets);
	bool *chosen = ig_xcalloc((size_t)f.samples + 1, sizeof *chosen);
	double *nearest = ig_xcalloc((size_t)f.samples + 1, sizeof *nearest); /* chosen sample: its squared distance */
	int64_t next = 0;
	standardize(&f);
	for (int64_t i = 0; i < f.samples; i++) {
		nearest[i] = INFINITY;
		next = distance(&f, i, NULL) < distance(&f, next, NULL) ? i : next;
	}
	for (int64_t taken = 0; taken < n && taken < f.samples; taken++) {
		const double *last = f.x + next * f.n;
		chosen[next] = true;
		next = -1;
		for (int64_t i = 0; i < f.samples; i++) {
			double d = chosen[i] ? 0 : distance(&f, i, last);
			nearest[i] = d < nearest[i] ? d : nearest[i];
			if (!chosen[i] && (next < 0 || nearest[i] > nearest[next]))
				next = i;
		}
	}
	free(nearest);
	free(f.x);
	return chosen;
}
