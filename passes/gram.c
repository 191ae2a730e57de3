#include "passes/gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/interp.h"
#include "passes/patch.h"
#include "passes/rewrite.h"

#define ROWS 4096
#define MOST_BYTES ((int64_t)256 << 20) /* of rows that are kept in one run */
#define PHASE 40503                     /* other places in each sample */

struct recorded {
	const struct ig_node *n;
	struct ig_patches patches;
	int64_t per_sample; /* rows that are kept of each sample */
	float *row;         /* [samples * per_sample][groups][per] */
};
struct recording {
	struct recorded *layer;
	int n;
	struct ig_interp **interp; /* by worker */
};

bool ig_gram_possible(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_tensor *w = ig_op_is_conv_like(n->op) && ig_vtype(g, n->in[0])->dtype == IG_DT_F32 ? ig_const_data(g, n->in[1]) : NULL;
	return w && ig_elems(&w->type) <= IG_GRAM_MOST * w->type.dim[0];
}

static int64_t row_length(const struct recorded *r) { return r->patches.c.groups * r->patches.per; }

static struct recorded recorded_of(const struct ig_graph *g, struct ig_nid id, int64_t samples)
{
	struct recorded r = {.n = ig_node(g, id)};
	ig_patches_of(g, r.n, &r.patches);
	int64_t want = 2 * r.patches.per > ROWS ? 2 * r.patches.per : ROWS;
	r.per_sample = (want + samples - 1) / samples;
	r.per_sample = r.per_sample < r.patches.places ? r.per_sample : r.patches.places;
	r.row = ig_xcalloc((size_t)(samples * r.per_sample * row_length(&r)) + 1, sizeof *r.row);
	return r;
}

/* The rows of sample i, whose input of the layer is x. */
static void record_rows(const struct recorded *r, int64_t i, const float *x)
{
	float *row = r->row + i * r->per_sample * row_length(r);
	for (int64_t j = 0; j < r->per_sample; j++)
		for (int64_t group = 0; group < r->patches.c.groups; group++, row += r->patches.per)
			ig_patch_read(&r->patches, x, (j * r->patches.places + i * PHASE % r->patches.places) / r->per_sample, group, row);
}

static bool record(void *to, int worker, int64_t i, const void *const *in)
{
	const struct recording *s = to;
	const struct ig_interp *it = s->interp[worker];
	ig_interp_run(s->interp[worker], in);
	for (int l = 0; l < s->n; l++)
		record_rows(&s->layer[l], i, ig_interp_value(it, s->layer[l].n->in[0])->data);
	return true;
}

/* h[i][j] += the products of four rows, j up to i. */
IG_CLONES static void add_products(double *restrict h, const double *restrict x, int64_t k)
{
	const double *a = x, *b = x + k, *c = x + 2 * k, *d = x + 3 * k;
	for (int64_t i = 0; i < k; i++) {
		double ai = a[i], bi = b[i], ci = c[i], di = d[i];
		double *to = h + i * k;
		for (int64_t j = 0; j <= i; j++)
			to[j] += ai * a[j] + bi * b[j] + ci * c[j] + di * d[j];
	}
}

/* The matrix of one group of input channels, rows in the order of the samples. */
static void multiply(const struct recorded *r, int64_t group, int64_t rows, double *x, double *h, double *magnitude)
{
	int64_t k = r->patches.per;
	memset(h, 0, (size_t)(k * k) * sizeof *h);
	memset(magnitude, 0, (size_t)k * sizeof *magnitude);
	for (int64_t row = 0; row < rows; row += 4) {
		memset(x, 0, (size_t)(4 * k) * sizeof *x);
		for (int64_t p = 0; p < 4 && row + p < rows; p++)
			for (int64_t i = 0; i < k; i++) {
				double v = (double)r->row[(row + p) * row_length(r) + group * k + i];
				x[p * k + i] = v;
				magnitude[i] += fabs(v);
			}
		add_products(h, x, k);
	}
	for (int64_t i = 0; i < k; i++) {
		magnitude[i] /= (double)rows;
		for (int64_t j = 0; j <= i; j++)
			h[j * k + i] = h[i * k + j] /= (double)rows;
	}
}

static bool use_layer(const struct recorded *r, int64_t samples, int i, ig_gram_use *use, void *to)
{
	size_t k = (size_t)r->patches.per, groups = (size_t)r->patches.c.groups;
	double *h = ig_xcalloc(groups * k * k + 1, sizeof *h), *magnitude = ig_xcalloc(groups * k + 1, sizeof *magnitude), *x = ig_xcalloc(4 * k + 1, sizeof *x);
	for (size_t g = 0; g < groups; g++)
		multiply(r, (int64_t)g, samples * r->per_sample, x, h + g * k * k, magnitude + g * k);
	bool ok = use(to, i, &(struct ig_gram){.k = r->patches.per, .groups = r->patches.c.groups, .h = h, .magnitude = magnitude});
	free(h);
	free(magnitude);
	free(x);
	return ok;
}

bool ig_gram_each(const struct ig_graph *g, const struct ig_nid *layer, int n, const struct ig_replay *r, struct ig_diag *d, ig_gram_use *use, void *to)
{
	struct recording s = {.layer = ig_xcalloc((size_t)n + 1, sizeof *s.layer), .interp = ig_xcalloc((size_t)r->workers, sizeof *s.interp)};
	bool ok = r->n > 0;
	for (int i = 0; i < r->workers && ok; i++)
		ok = (s.interp[i] = ig_interp_new(g, d)) != NULL;
	for (int first = 0; first < n && ok; first += s.n) {
		int64_t bytes = 0;
		for (s.n = 0; first + s.n < n && (s.n == 0 || bytes < MOST_BYTES); s.n++) {
			struct recorded *l = &s.layer[s.n];
			*l = recorded_of(g, layer[first + s.n], r->n);
			bytes += r->n * l->per_sample * row_length(l) * (int64_t)sizeof *l->row;
		}
		ok = r->run(r->self, "weighing inputs", record, &s);
		for (int i = 0; i < s.n; i++) {
			ok = ok && use_layer(&s.layer[i], r->n, first + i, use, to);
			free(s.layer[i].row);
		}
	}
	for (int i = 0; i < r->workers; i++)
		ig_interp_free(s.interp[i]);
	free(s.interp);
	free(s.layer);
	return ok;
}

double ig_gram_error(const struct ig_gram *gram, int64_t group, const double *e)
{
	const double *h = gram->h + group * gram->k * gram->k;
	double sum = 0;
	for (int64_t i = 0; i < gram->k; i++, h += gram->k) {
		double s = 0;
		for (int64_t j = 0; j < gram->k; j++)
			s += h[j] * e[j];
		sum += s * e[i];
	}
	return sum;
}
