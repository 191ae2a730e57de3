/* Reductions over axes. The elements that make one result are taken in row-major order of the reduced axes; with float32 element i belongs to partial
   result i mod 16, and the partial results are joined by the fixed tree. */
#include "ir/eval.h"
#include "ir/eval_line.h"
#include "ir/number.h"
#include "runtime/qfunc.h"

#include <math.h>

float ig_line_reduce(enum ig_op op, const float *x, int64_t n)
{
	float p[16], start = op == IG_OP_REDUCE_MAX ? -INFINITY : op == IG_OP_REDUCE_MIN ? INFINITY : op == IG_OP_REDUCE_PROD ? 1.0f : 0.0f;
	for (int j = 0; j < 16; j++)
		p[j] = start;
	for (int64_t i = 0; i < n; i++) {
		float *q = &p[i % 16];
		switch (op) {
		case IG_OP_REDUCE_MAX: *q = ig_maximumf(x[i], *q); break;
		case IG_OP_REDUCE_MIN: *q = ig_minimumf(x[i], *q); break;
		case IG_OP_REDUCE_PROD: *q = *q * x[i]; break;
		default: *q = *q + x[i]; break;
		}
	}
	for (int w = 8; w > 0; w /= 2)
		for (int j = 0; j < w; j++)
			p[j] = op == IG_OP_REDUCE_MAX    ? ig_maximumf(p[j], p[j + w])
			       : op == IG_OP_REDUCE_MIN  ? ig_minimumf(p[j], p[j + w])
			       : op == IG_OP_REDUCE_PROD ? p[j] * p[j + w]
			                                 : p[j] + p[j + w];
	return op == IG_OP_REDUCE_MEAN ? p[0] / (float)n : p[0];
}

static double reduce_double(enum ig_op op, const struct ig_tensor *x, const int64_t *at, int64_t n)
{
	double r = ig_get_double(x, at[0]);
	for (int64_t i = 1; i < n; i++) {
		double v = ig_get_double(x, at[i]);
		switch (op) {
		case IG_OP_REDUCE_MAX: r = r != r || r > v ? r : v; break;
		case IG_OP_REDUCE_MIN: r = r != r || r < v ? r : v; break;
		case IG_OP_REDUCE_PROD: r = r * v; break;
		default: r = r + v; break;
		}
	}
	return op == IG_OP_REDUCE_MEAN ? r / (double)n : r;
}

static int64_t reduce_int(enum ig_op op, const struct ig_tensor *x, const int64_t *at, int64_t n)
{
	bool is_signed = ig_dtypes[x->type.dtype].is_signed;
	int64_t r = ig_get_int(x, at[0]);
	for (int64_t i = 1; i < n; i++) {
		int64_t v = ig_get_int(x, at[i]);
		bool less = is_signed ? r < v : (uint64_t)r < (uint64_t)v;
		switch (op) {
		case IG_OP_REDUCE_MAX: r = less ? v : r; break;
		case IG_OP_REDUCE_MIN: r = less ? r : v; break;
		case IG_OP_REDUCE_PROD: r = (int64_t)((uint64_t)r * (uint64_t)v); break;
		default: r = (int64_t)((uint64_t)r + (uint64_t)v); break;
		}
	}
	if (op == IG_OP_REDUCE_MEAN)
		r = is_signed ? r / n : (int64_t)((uint64_t)r / (uint64_t)n);
	return r;
}

/* Where the elements of one result are: offsets from its first, and the first of each result. */
struct reduction {
	int64_t n, results;
	int64_t *offset, *first, *at;
	float *line;
};

/* Offsets of all index combinations of the axes whose bit in `mask` is `bit`, in row-major order. */
static int64_t *offsets(struct ig_arena *a, const struct ig_type *t, unsigned mask, unsigned bit, int64_t *count)
{
	int64_t stride[IG_MAX_RANK], n = 1;
	ig_eval_strides(t, stride);
	for (int i = 0; i < t->rank; i++)
		if ((mask >> i & 1u) == bit)
			n *= t->dim[i];
	int64_t *o = IG_NEWN(a, int64_t, n), filled = 1;
	for (int i = 0; i < t->rank; i++) {
		if ((mask >> i & 1u) != bit)
			continue;
		for (int64_t k = filled - 1; k >= 0; k--) /* from behind, so that what is read is not yet overwritten */
			for (int64_t j = t->dim[i] - 1; j >= 0; j--)
				o[k * t->dim[i] + j] = o[k] + j * stride[i];
		filled *= t->dim[i];
	}
	*count = n;
	return o;
}

static struct reduction *reduction(struct ig_eval *e, unsigned mask)
{
	if (!e->state) {
		struct reduction *r = e->state = IG_NEW(e->arena, struct reduction);
		r->offset = offsets(e->arena, &e->in[0]->type, mask, 1, &r->n);
		r->first = offsets(e->arena, &e->in[0]->type, mask, 0, &r->results);
		r->at = IG_NEWN(e->arena, int64_t, r->n);
		r->line = IG_NEWN(e->arena, float, r->n);
	}
	return e->state;
}

static unsigned axes_mask(const struct ig_node *n)
{
	const struct ig_attr *a = ig_attr(n, IG_A_AXES);
	unsigned mask = 0;
	for (int i = 0; i < a->n; i++) /* inference wrote them out */
		mask |= 1u << a->u.ints[i];
	return mask;
}

static void reduce(struct ig_eval *e)
{
	const struct ig_tensor *x = e->in[0];
	struct reduction *r = reduction(e, axes_mask(e->n));
	enum ig_number_kind kind = ig_number_kind(x->type.dtype);
	for (int64_t i = 0; i < r->results; i++) {
		for (int64_t k = 0; k < r->n; k++)
			r->at[k] = r->first[i] + r->offset[k];
		if (kind == IG_NUM_FLOAT) {
			for (int64_t k = 0; k < r->n; k++)
				r->line[k] = ig_get_float(x, r->at[k]);
			ig_put_float(e->out, i, ig_line_reduce(e->n->op, r->line, r->n));
		} else if (kind == IG_NUM_DOUBLE) {
			((double *)e->out->data)[i] = reduce_double(e->n->op, x, r->at, r->n);
		} else {
			ig_put_int(e->out, i, reduce_int(e->n->op, x, r->at, r->n));
		}
	}
}

void ig_eval_reduce_sum(struct ig_eval *e) { reduce(e); }
void ig_eval_reduce_mean(struct ig_eval *e) { reduce(e); }
void ig_eval_reduce_max(struct ig_eval *e) { reduce(e); }
void ig_eval_reduce_min(struct ig_eval *e) { reduce(e); }
void ig_eval_reduce_prod(struct ig_eval *e) { reduce(e); }

/* The first (or last) element that nothing is greater than. */
static int64_t best_of(const struct ig_tensor *x, int64_t base, struct ig_axis_view v, bool min, bool last)
{
	bool real = ig_dtypes[x->type.dtype].is_float, is_signed = ig_dtypes[x->type.dtype].is_signed;
	int64_t best = 0;
	for (int64_t i = 1; i < v.extent; i++) {
		int64_t a = base + best * v.inner, b = base + i * v.inner;
		bool less, equal;
		if (real) {
			double p = ig_get_double(x, a), q = ig_get_double(x, b);
			less = min ? q < p : p < q;
			equal = p == q;
		} else {
			int64_t p = ig_get_int(x, min ? b : a), q = ig_get_int(x, min ? a : b);
			less = is_signed ? p < q : (uint64_t)p < (uint64_t)q;
			equal = p == q;
		}
		if (less || (last && equal))
			best = i;
	}
	return best;
}

static void arg(struct ig_eval *e)
{
	struct ig_axis_view v = ig_axis_view(&e->in[0]->type, ig_attr_int(e->n, IG_A_AXIS, 0));
	bool last = ig_attr_int(e->n, IG_A_LAST, 0) != 0;
	int64_t *y = e->out->data;
	for (int64_t o = 0; o < v.outer; o++)
		for (int64_t i = 0; i < v.inner; i++)
			*y++ = best_of(e->in[0], o * v.extent * v.inner + i, v, e->n->op == IG_OP_ARGMIN, last);
}

void ig_eval_argmax(struct ig_eval *e) { arg(e); }
void ig_eval_argmin(struct ig_eval *e) { arg(e); }
