/* Operations on one element at a time: activations, add, sub, mul, batch_norm, normalize. */
#include "ir/eval.h"
#include "ir/tables.h"
#include "runtime/qmath.h"

/* A quantized unary operation is its table. */
static void by_table(struct ig_eval *e)
{
	if (!e->state) {
		e->state = IG_NEWN(e->arena, uint8_t, 256);
		ig_table_unary(e->n, ig_eval_q(e, 0), e->qy, e->state);
	}
	const uint8_t *t = e->state, *x = e->in[0]->data;
	uint8_t *y = e->out->data;
	for (size_t i = 0; i < e->out->bytes; i++)
		y[i] = t[x[i]];
}

#define UNARY(expression)                                                                          \
	do {                                                                                           \
		if (e->qy) {                                                                               \
			by_table(e);                                                                           \
			return;                                                                                \
		}                                                                                          \
		const float *in = e->in[0]->data;                                                          \
		float *out = e->out->data;                                                                 \
		int64_t count = ig_elems(&e->out->type);                                                   \
		for (int64_t i = 0; i < count; i++) {                                                      \
			float x = in[i];                                                                       \
			out[i] = (expression);                                                                 \
		}                                                                                          \
	} while (0)

static void clip(struct ig_eval *e)
{
	double dlo, dhi;
	ig_act_bounds(e->n, &dlo, &dhi);
	float lo = (float)dlo, hi = (float)dhi;
	UNARY(ig_clampf(x, lo, hi));
}

void ig_eval_relu(struct ig_eval *e) { clip(e); }
void ig_eval_relu6(struct ig_eval *e) { clip(e); }
void ig_eval_clip(struct ig_eval *e) { clip(e); }

void ig_eval_leaky_relu(struct ig_eval *e)
{
	float alpha = (float)ig_attr_float(e->n, IG_A_ALPHA, 0.01);
	UNARY(ig_leaky_reluf(x, alpha));
}

void ig_eval_sigmoid(struct ig_eval *e) { UNARY(ig_sigmoidf(x)); }
void ig_eval_tanh(struct ig_eval *e) { UNARY(ig_tanhf(x)); }
void ig_eval_hard_swish(struct ig_eval *e) { UNARY(ig_hard_swishf(x)); }

/* Where in each operand the elements of the result's last axis come from; a step of 0 repeats one element. */
struct broadcast {
	int64_t step[2][IG_MAX_RANK];
};

static void broadcast_steps(const struct ig_eval *e, struct broadcast *b)
{
	const struct ig_type *y = &e->out->type;
	for (int k = 0; k < 2; k++) {
		const struct ig_type *t = &e->in[k]->type;
		int64_t stride[IG_MAX_RANK];
		ig_eval_strides(t, stride);
		for (int i = 0; i < y->rank; i++) {
			int j = i - (y->rank - t->rank);
			b->step[k][i] = j < 0 || t->dim[j] == 1 ? 0 : stride[j];
		}
	}
}

static int32_t binary_int(const struct ig_eltwise *q, enum ig_op op, int32_t a, int32_t b)
{
	switch (op) {
	case IG_OP_ADD: return ig_qadd(a, q->fa, b, q->fb, q->zp, q->lo, q->hi);
	case IG_OP_SUB: return ig_qsub(a, q->fa, b, q->fb, q->zp, q->lo, q->hi);
	default: return ig_qmul(a, b, q->fa, q->zp, q->lo, q->hi);
	}
}

static void binary_one(struct ig_eval *e, int64_t at, int64_t ia, int64_t ib, float lo, float hi)
{
	enum ig_op op = e->n->op;
	if (e->qy) {
		int32_t a = ig_eval_int(e->in[0]->data, ig_eval_q(e, 0), ia), b = ig_eval_int(e->in[1]->data, ig_eval_q(e, 1), ib);
		((uint8_t *)e->out->data)[at] = (uint8_t)binary_int(&e->eltwise, op, a, b);
	} else {
		float a = ((const float *)e->in[0]->data)[ia], b = ((const float *)e->in[1]->data)[ib];
		float v = op == IG_OP_ADD ? a + b : op == IG_OP_SUB ? a - b : a * b;
		((float *)e->out->data)[at] = ig_clampf(v, lo, hi);
	}
}

static void binary(struct ig_eval *e)
{
	const struct ig_type *y = &e->out->type;
	double lo, hi;
	struct broadcast b;
	int64_t count = ig_elems(y), index[IG_MAX_RANK] = {0}, at[2] = {0, 0};
	ig_act_bounds(e->n, &lo, &hi);
	broadcast_steps(e, &b);
	for (int64_t i = 0; i < count; i++) {
		binary_one(e, i, at[0], at[1], (float)lo, (float)hi);
		for (int k = y->rank - 1; k >= 0; k--) { /* the next index, like an odometer */
			at[0] += b.step[0][k];
			at[1] += b.step[1][k];
			if (++index[k] < y->dim[k])
				break;
			at[0] -= b.step[0][k] * y->dim[k];
			at[1] -= b.step[1][k] * y->dim[k];
			index[k] = 0;
		}
	}
}

void ig_eval_add(struct ig_eval *e) { binary(e); }
void ig_eval_sub(struct ig_eval *e) { binary(e); }
void ig_eval_mul(struct ig_eval *e) { binary(e); }

/* fma(x, a, b): the same as the 1x1 depthwise convolution it folds to. */
void ig_eval_batch_norm(struct ig_eval *e)
{
	struct ig_axis_view v = ig_axis_view(&e->out->type, 1);
	const float *x = e->in[0]->data;
	float *y = e->out->data;
	double eps = ig_attr_float(e->n, IG_A_EPS, 1e-5);
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t c = 0; c < v.extent; c++) {
			double a, b;
			ig_batch_norm_factors(((const float *)e->in[1]->data)[c], ((const float *)e->in[2]->data)[c], ((const float *)e->in[3]->data)[c],
			                      ((const float *)e->in[4]->data)[c], eps, &a, &b);
			float fa = (float)a, fb = (float)b;
			for (int64_t i = 0; i < v.inner; i++, x++, y++)
				*y = ig_fmaf(*x, fa, fb);
		}
	}
}

void ig_eval_normalize(struct ig_eval *e)
{
	const struct ig_type *t = &e->out->type;
	struct ig_axis_view v = t->rank >= 2 ? ig_axis_view(t, 1) : (struct ig_axis_view){1, 1, ig_elems(t)};
	bool bytes = e->in[0]->type.dtype == IG_DT_U8;
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t c = 0; c < v.extent; c++) {
			float scale, mean, std;
			uint8_t q[256];
			int64_t base = (o * v.extent + c) * v.inner;
			ig_normalize_constants(e->n, c, &scale, &mean, &std);
			if (e->qy)
				ig_table_normalize(e->n, c, e->qy, q);
			for (int64_t i = base; i < base + v.inner; i++) {
				if (e->qy)
					((uint8_t *)e->out->data)[i] = q[((const uint8_t *)e->in[0]->data)[i]];
				else
					((float *)e->out->data)[i] =
						ig_normalizef(bytes ? (float)((const uint8_t *)e->in[0]->data)[i] : ((const float *)e->in[0]->data)[i], scale, mean, std);
			}
		}
	}
}
