/* Softmax over one axis: exponentials of (x - max), their sum in sixteen partial sums and a fixed tree, one division each. */
#include "ir/eval.h"
#include "ir/tables.h"
#include "runtime/qmath.h"

#include <math.h>

/* e[i] in place of x[i]; element i belongs to partial result i mod 16. */
static void softmax_float(float *x, int64_t n)
{
	float part[16];
	for (int j = 0; j < 16; j++)
		part[j] = -INFINITY;
	for (int64_t i = 0; i < n; i++)
		part[i % 16] = ig_fmax(x[i], part[i % 16]);
	float m = ig_reduce_fmax16(part);
	for (int64_t i = 0; i < n; i++)
		x[i] = ig_expf(x[i] - m);
}

static void softmax_int(const struct ig_eval *e, const float t[256], int64_t base, int64_t stride, float *x, int64_t n)
{
	const struct ig_qparam *q = ig_eval_q(e, 0);
	int32_t m = INT32_MIN;
	for (int64_t i = 0; i < n; i++) {
		int32_t v = ig_eval_int(e->in[0]->data, q, base + i * stride);
		m = v > m ? v : m;
	}
	for (int64_t i = 0; i < n; i++)
		x[i] = t[m - ig_eval_int(e->in[0]->data, q, base + i * stride)];
}

static void line(const struct ig_eval *e, const float t[256], float *x, int64_t base, int64_t stride, int64_t n)
{
	float part[16] = {0.0f};
	if (t) {
		softmax_int(e, t, base, stride, x, n);
	} else {
		for (int64_t i = 0; i < n; i++)
			x[i] = ((const float *)e->in[0]->data)[base + i * stride];
		softmax_float(x, n);
	}
	for (int64_t i = 0; i < n; i++)
		part[i % 16] = part[i % 16] + x[i];
	float sum = ig_reduce_add16(part);
	const struct ig_qparam *y = e->qy;
	float levels = y ? (float)ig_attr_int(e->n, IG_A_LEVELS, 0) : 0.0f;
	for (int64_t i = 0; i < n; i++) {
		float v = levels > 0 ? x[i] * levels / sum : x[i] / sum;
		if (y && levels > 0)
			((uint8_t *)e->out->data)[base + i * stride] = (uint8_t)ig_quantize(v, 1.0f, y->zero_point[0], y->qmin, y->qmax);
		else if (y)
			((uint8_t *)e->out->data)[base + i * stride] = (uint8_t)ig_quantize(v, y->scale[0], y->zero_point[0], y->qmin, y->qmax);
		else
			((float *)e->out->data)[base + i * stride] = v;
	}
}

void ig_eval_softmax(struct ig_eval *e)
{
	const struct ig_type *t = &e->out->type;
	struct ig_axis_view v = ig_axis_view(t, ig_attr_int(e->n, IG_A_AXIS, t->rank - 1));
	const struct ig_qparam *q = ig_eval_q(e, 0);
	float table[256];
	if (!e->state)
		e->state = IG_NEWN(e->arena, float, v.extent);
	if (q)
		ig_table_softmax(q->scale[0], table);
	for (int64_t o = 0; o < v.outer; o++)
		for (int64_t i = 0; i < v.inner; i++)
			line(e, q ? table : NULL, e->state, o * v.extent * v.inner + i, v.inner, v.extent);
}
