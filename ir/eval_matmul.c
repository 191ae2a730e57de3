/* Matrix products of two run-time values. Float: each result is one chain of fused multiply-adds over k from +0; integers wrap. */
#include "ir/eval.h"
#include "ir/matmul.h"
#include "ir/number.h"
#include "runtime/qmath.h"

#include <string.h>

/* One row of the result: all its chains side by side. */
IG_CLONES static void row_float(float *restrict y, const float *restrict a, const float *restrict b, int64_t k_count, int64_t n)
{
	memset(y, 0, (size_t)n * sizeof *y);
	for (int64_t k = 0; k < k_count; k++)
		for (int64_t j = 0; j < n; j++)
			y[j] = ig_fmaf(a[k], b[k * n + j], y[j]);
}

typedef void matrix_fn(struct ig_eval *e, const struct ig_matmul_geom *g, int64_t a, int64_t b, int64_t y);

/* Calls f for each matrix of the batch, with the places of its first elements. */
static void each_matrix(struct ig_eval *e, matrix_fn *f)
{
	struct ig_matmul_geom g;
	int64_t index[IG_MAX_RANK] = {0}, a = 0, b = 0, count = 1;
	if (!ig_matmul_geometry(&e->in[0]->type, &e->in[1]->type, &g))
		IG_BUG("matmul of unchecked shapes");
	for (int i = 0; i < g.rank; i++)
		count *= g.dim[i];
	for (int64_t i = 0; i < count; i++) {
		f(e, &g, a * g.m * g.k, b * g.k * g.n, i * g.m * g.n);
		for (int d = g.rank - 1; d >= 0; d--) {
			a += g.sa[d];
			b += g.sb[d];
			if (++index[d] < g.dim[d])
				break;
			a -= g.sa[d] * g.dim[d];
			b -= g.sb[d] * g.dim[d];
			index[d] = 0;
		}
	}
}

static void one(struct ig_eval *e, const struct ig_matmul_geom *g, int64_t ia, int64_t ib, int64_t at)
{
	const struct ig_tensor *a = e->in[0], *b = e->in[1];
	enum ig_number_kind kind = ig_number_kind(a->type.dtype);
	float f = 0.0f;
	double d = 0;
	uint64_t u = 0;
	for (int64_t k = 0; k < g->k; k++, ia++, ib += g->n) {
		if (kind == IG_NUM_FLOAT)
			f = ig_fmaf(ig_get_float(a, ia), ig_get_float(b, ib), f);
		else if (kind == IG_NUM_DOUBLE)
			d = d + ig_get_double(a, ia) * ig_get_double(b, ib);
		else
			u += (uint64_t)ig_get_int(a, ia) * (uint64_t)ig_get_int(b, ib);
	}
	if (kind == IG_NUM_FLOAT)
		ig_put_float(e->out, at, f);
	else if (kind == IG_NUM_DOUBLE)
		((double *)e->out->data)[at] = d;
	else
		ig_put_int(e->out, at, (int64_t)u);
}

static void matrix(struct ig_eval *e, const struct ig_matmul_geom *g, int64_t a, int64_t b, int64_t y)
{
	if (e->out->type.dtype == IG_DT_F32) {
		for (int64_t i = 0; i < g->m; i++)
			row_float((float *)e->out->data + y + i * g->n, (const float *)e->in[0]->data + a + i * g->k, (const float *)e->in[1]->data + b, g->k, g->n);
		return;
	}
	for (int64_t i = 0; i < g->m; i++)
		for (int64_t j = 0; j < g->n; j++)
			one(e, g, a + i * g->k, b + j, y + i * g->n + j);
}

void ig_eval_matmul(struct ig_eval *e) { each_matrix(e, matrix); }

/* Zero point of row or column i: absent, one for all, or one each. */
static uint32_t zero_point(const struct ig_eval *e, int operand, int64_t i)
{
	if (e->n->n_in <= operand)
		return 0;
	return (uint32_t)ig_get_int(e->in[operand], ig_elems(&e->in[operand]->type) == 1 ? 0 : i);
}

static void matrix_integer(struct ig_eval *e, const struct ig_matmul_geom *g, int64_t a, int64_t b, int64_t y)
{
	for (int64_t i = 0; i < g->m; i++) {
		for (int64_t j = 0; j < g->n; j++) {
			uint32_t sum = 0, za = zero_point(e, 2, i), zb = zero_point(e, 3, j);
			for (int64_t k = 0; k < g->k; k++)
				sum += ((uint32_t)ig_get_int(e->in[0], a + i * g->k + k) - za) * ((uint32_t)ig_get_int(e->in[1], b + k * g->n + j) - zb);
			((uint32_t *)e->out->data)[y + i * g->n + j] = sum;
		}
	}
}

void ig_eval_matmul_integer(struct ig_eval *e) { each_matrix(e, matrix_integer); }
