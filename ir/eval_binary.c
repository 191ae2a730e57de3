/* Operations on two numbers at a time, shapes broadcast as in NumPy; and where. */
#include "ir/detmath.h"
#include "ir/eval.h"
#include "ir/number.h"
#include "runtime/qfunc.h"

#include <math.h>
#include <string.h>

/* A row of the result along its last axis, and where its elements come from; a step of 0 repeats one element. */
struct row {
	int64_t out, n;
	int64_t at[3], step[3];
};
typedef void row_fn(struct ig_eval *e, const struct row *r);

static void each_row(struct ig_eval *e, row_fn *f)
{
	const struct ig_type *y = &e->out->type;
	int64_t step[3][IG_MAX_RANK] = {{0}}, index[IG_MAX_RANK] = {0};
	int last = y->rank - 1, n_in = e->n->n_in;
	for (int k = 0; k < n_in; k++) {
		const struct ig_type *t = &e->in[k]->type;
		int64_t stride[IG_MAX_RANK];
		ig_eval_strides(t, stride);
		for (int i = 0; i < t->rank; i++)
			step[k][i + y->rank - t->rank] = t->dim[i] == 1 ? 0 : stride[i];
	}
	struct row r = {.n = last >= 0 ? y->dim[last] : 1};
	for (int k = 0; k < n_in && last >= 0; k++)
		r.step[k] = step[k][last];
	for (int64_t count = ig_elems(y); r.out < count; r.out += r.n) {
		f(e, &r);
		for (int d = last - 1; d >= 0; d--) { /* the next index, like an odometer */
			for (int k = 0; k < n_in; k++)
				r.at[k] += step[k][d];
			if (++index[d] < y->dim[d])
				break;
			for (int k = 0; k < n_in; k++)
				r.at[k] -= step[k][d] * y->dim[d];
			index[d] = 0;
		}
	}
}

static float mod_float(float a, float b, bool c_sign)
{
	float r = (float)ig_det_fmod((double)a, (double)b);
	return c_sign || r == 0.0f || (r < 0.0f) == (b < 0.0f) ? r : r + b;
}

#define EACH(T, expression)                                                                        \
	for (int64_t i = 0; i < n; i++) {                                                              \
		T a = pa[i * sa], b = pb[i * sb];                                                          \
		out[i] = (expression);                                                                     \
	}                                                                                              \
	break

static void floats(const struct ig_eval *e, const float *pa, int64_t sa, const float *pb, int64_t sb, float *out, int64_t n)
{
	bool c_sign = ig_attr_int(e->n, IG_A_FMOD, 0) != 0;
	double dlo, dhi;
	ig_act_bounds(e->n, &dlo, &dhi);
	float lo = (float)dlo, hi = (float)dhi;
	switch (e->n->op) {
	case IG_OP_ADD: EACH(float, ig_clampf(a + b, lo, hi));
	case IG_OP_SUB: EACH(float, ig_clampf(a - b, lo, hi));
	case IG_OP_MUL: EACH(float, ig_clampf(a * b, lo, hi));
	case IG_OP_DIV: EACH(float, a / b);
	case IG_OP_POW: EACH(float, ig_powf(a, b));
	case IG_OP_MOD: EACH(float, mod_float(a, b, c_sign));
	case IG_OP_MINIMUM: EACH(float, ig_minimumf(a, b));
	case IG_OP_MAXIMUM: EACH(float, ig_maximumf(a, b));
	case IG_OP_PRELU: EACH(float, ig_leaky_reluf(a, b));
	default: IG_BUG("%s has no float arithmetic", ig_ops[e->n->op].name);
	}
}

static double one_double(const struct ig_eval *e, double a, double b)
{
	double r;
	switch (e->n->op) {
	case IG_OP_ADD: return a + b;
	case IG_OP_SUB: return a - b;
	case IG_OP_MUL: return a * b;
	case IG_OP_DIV: return a / b;
	case IG_OP_POW: return ig_det_pow(a, b);
	case IG_OP_MOD:
		r = ig_det_fmod(a, b);
		return ig_attr_int(e->n, IG_A_FMOD, 0) || r == 0 || (r < 0) == (b < 0) ? r : r + b;
	case IG_OP_MINIMUM: return a != a || a < b ? a : b;
	case IG_OP_MAXIMUM: return a != a || a > b ? a : b;
	case IG_OP_PRELU: return a > 0 ? a : a * b;
	default: IG_BUG("%s has no f64 arithmetic", ig_ops[e->n->op].name);
	}
}

/* Wrapping; a negative exponent gives the quotient 1 / a^n toward zero. */
static int64_t pow_int(int64_t a, int64_t b, bool is_signed)
{
	uint64_t r = 1, base = (uint64_t)a;
	if (is_signed && b < 0)
		return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
	for (uint64_t n = (uint64_t)b; n; n >>= 1, base *= base)
		r = n & 1 ? r * base : r;
	return (int64_t)r;
}

/* Toward zero; by zero 0, and what does not fit wraps. */
static int64_t div_int(int64_t a, int64_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return (int64_t)((uint64_t)a / (uint64_t)b);
	return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t mod_int(int64_t a, int64_t b, bool is_signed, bool c_sign)
{
	if (b == 0 || (is_signed && b == -1))
		return 0;
	if (!is_signed)
		return (int64_t)((uint64_t)a % (uint64_t)b);
	int64_t r = a % b;
	return c_sign || r == 0 || (r < 0) == (b < 0) ? r : r + b;
}

static bool less_int(int64_t a, int64_t b, bool is_signed) { return is_signed ? a < b : (uint64_t)a < (uint64_t)b; }

static int64_t one_int(const struct ig_eval *e, int64_t a, int64_t b, bool is_signed)
{
	switch (e->n->op) {
	case IG_OP_ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
	case IG_OP_SUB: return (int64_t)((uint64_t)a - (uint64_t)b);
	case IG_OP_MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
	case IG_OP_DIV: return div_int(a, b, is_signed);
	case IG_OP_POW: return pow_int(a, b, is_signed);
	case IG_OP_MOD: return mod_int(a, b, is_signed, ig_attr_int(e->n, IG_A_FMOD, 0) != 0);
	case IG_OP_MINIMUM: return less_int(b, a, is_signed) ? b : a;
	case IG_OP_MAXIMUM: return less_int(a, b, is_signed) ? b : a;
	case IG_OP_PRELU: return is_signed && a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a;
	case IG_OP_LOGICAL_AND: return a && b;
	case IG_OP_LOGICAL_OR: return a || b;
	case IG_OP_LOGICAL_XOR: return !a != !b;
	default: IG_BUG("%s has no integer arithmetic", ig_ops[e->n->op].name);
	}
}

static void arithmetic_row(struct ig_eval *e, const struct row *r)
{
	const struct ig_tensor *a = e->in[0], *b = e->in[1];
	enum ig_number_kind kind = ig_number_kind(a->type.dtype);
	if (a->type.dtype == IG_DT_F32) {
		floats(e, (const float *)a->data + r->at[0], r->step[0], (const float *)b->data + r->at[1], r->step[1], (float *)e->out->data + r->out, r->n);
		return;
	}
	for (int64_t i = 0; i < r->n; i++) {
		int64_t ia = r->at[0] + i * r->step[0], ib = r->at[1] + i * r->step[1], at = r->out + i;
		if (kind == IG_NUM_FLOAT) {
			float x = ig_get_float(a, ia), y = ig_get_float(b, ib);
			floats(e, &x, 0, &y, 0, &x, 1);
			ig_put_float(e->out, at, x);
		} else if (kind == IG_NUM_DOUBLE) {
			((double *)e->out->data)[at] = one_double(e, ((const double *)a->data)[ia], ((const double *)b->data)[ib]);
		} else {
			ig_put_int(e->out, at, one_int(e, ig_get_int(a, ia), ig_get_int(b, ib), kind == IG_NUM_SIGNED));
		}
	}
}

static int32_t quantized_one(const struct ig_eltwise *q, enum ig_op op, int32_t a, int32_t b)
{
	switch (op) {
	case IG_OP_ADD:
		if (q->early)
			return ig_pack(ig_fmaf((float)(a + q->za - q->zp), q->fa, ig_fmaf((float)(b + q->zb - q->zp), q->fb, q->c)), q->zp, q->lo, q->hi);
		return ig_qadd(a, q->fa, b, q->fb, q->zp, q->lo, q->hi);
	case IG_OP_SUB: return ig_qsub(a, q->fa, b, q->fb, q->zp, q->lo, q->hi);
	case IG_OP_MUL:
		if (q->early)
			return ig_pack((float)(a * b) * q->fa + q->c, q->zp, q->lo, q->hi);
		return ig_qmul(a, b, q->fa, q->zp, q->lo, q->hi);
	default: IG_BUG("%s has no quantized arithmetic", ig_ops[op].name);
	}
}

static void quantized_row(struct ig_eval *e, const struct row *r)
{
	const struct ig_qparam *qa = ig_eval_q(e, 0), *qb = ig_eval_q(e, 1);
	for (int64_t i = 0; i < r->n; i++) {
		int32_t a = ig_eval_int(e->in[0]->data, qa, r->at[0] + i * r->step[0]), b = ig_eval_int(e->in[1]->data, qb, r->at[1] + i * r->step[1]);
		((uint8_t *)e->out->data)[r->out + i] = (uint8_t)quantized_one(&e->eltwise, e->n->op, a, b);
	}
}

static void binary(struct ig_eval *e) { each_row(e, e->qy ? quantized_row : arithmetic_row); }

void ig_eval_add(struct ig_eval *e) { binary(e); }
void ig_eval_sub(struct ig_eval *e) { binary(e); }
void ig_eval_mul(struct ig_eval *e) { binary(e); }
void ig_eval_div(struct ig_eval *e) { binary(e); }
void ig_eval_pow(struct ig_eval *e) { binary(e); }
void ig_eval_mod(struct ig_eval *e) { binary(e); }
void ig_eval_minimum(struct ig_eval *e) { binary(e); }
void ig_eval_maximum(struct ig_eval *e) { binary(e); }
void ig_eval_prelu(struct ig_eval *e) { binary(e); }
void ig_eval_logical_and(struct ig_eval *e) { binary(e); }
void ig_eval_logical_or(struct ig_eval *e) { binary(e); }
void ig_eval_logical_xor(struct ig_eval *e) { binary(e); }

/* Halves and floats are exact in double; a NaN is neither less nor equal. */
static bool compare_one(enum ig_op op, bool less, bool equal, bool greater)
{
	switch (op) {
	case IG_OP_LESS: return less;
	case IG_OP_GREATER: return greater;
	case IG_OP_LESS_EQUAL: return less || equal;
	case IG_OP_GREATER_EQUAL: return greater || equal;
	default: return equal;
	}
}

static void compare_row(struct ig_eval *e, const struct row *r)
{
	const struct ig_tensor *a = e->in[0], *b = e->in[1];
	bool real = ig_dtypes[a->type.dtype].is_float, is_signed = ig_dtypes[a->type.dtype].is_signed;
	for (int64_t i = 0; i < r->n; i++) {
		int64_t ia = r->at[0] + i * r->step[0], ib = r->at[1] + i * r->step[1];
		uint8_t *y = (uint8_t *)e->out->data + r->out + i;
		if (real) {
			double x = ig_get_double(a, ia), z = ig_get_double(b, ib);
			*y = compare_one(e->n->op, x < z, x == z, x > z);
		} else {
			int64_t x = ig_get_int(a, ia), z = ig_get_int(b, ib);
			*y = compare_one(e->n->op, less_int(x, z, is_signed), x == z, less_int(z, x, is_signed));
		}
	}
}

void ig_eval_equal(struct ig_eval *e) { each_row(e, compare_row); }
void ig_eval_less(struct ig_eval *e) { each_row(e, compare_row); }
void ig_eval_greater(struct ig_eval *e) { each_row(e, compare_row); }
void ig_eval_less_equal(struct ig_eval *e) { each_row(e, compare_row); }
void ig_eval_greater_equal(struct ig_eval *e) { each_row(e, compare_row); }

static void where_row(struct ig_eval *e, const struct row *r)
{
	size_t w = ig_eval_width(&e->out->type);
	for (int64_t i = 0; i < r->n; i++) {
		int k = ((const uint8_t *)e->in[0]->data)[r->at[0] + i * r->step[0]] ? 1 : 2;
		memcpy((char *)e->out->data + (size_t)(r->out + i) * w, (const char *)e->in[k]->data + (size_t)(r->at[k] + i * r->step[k]) * w, w);
	}
}

void ig_eval_where(struct ig_eval *e) { each_row(e, where_row); }
