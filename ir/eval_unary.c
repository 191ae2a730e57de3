/* Operations on one number at a time: activations and elementary functions, tests, casts. */
#include "ir/eval.h"
#include "ir/number.h"
#include "ir/tables.h"
#include "ir/unary.h"

#include <math.h>

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

static void unary(struct ig_eval *e)
{
	struct ig_unary u = ig_unary_of(e->n);
	const struct ig_tensor *x = e->in[0];
	enum ig_dtype dt = x->type.dtype;
	int64_t n = ig_elems(&x->type);
	if (e->qy) {
		by_table(e);
		return;
	}
	if (dt == IG_DT_F32) {
		ig_unary_floats(&u, x->data, e->out->data, n);
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		float f;
		switch (ig_number_kind(dt)) {
		case IG_NUM_FLOAT: /* halves: in float, rounded once more */
			f = ig_get_float(x, i);
			ig_unary_floats(&u, &f, &f, 1);
			ig_put_float(e->out, i, f);
			break;
		case IG_NUM_DOUBLE: ((double *)e->out->data)[i] = ig_unary_double(&u, ((const double *)x->data)[i]); break;
		case IG_NUM_SIGNED: ig_put_int(e->out, i, ig_unary_int(&u, ig_get_int(x, i), true)); break;
		case IG_NUM_UNSIGNED: ig_put_int(e->out, i, ig_unary_int(&u, ig_get_int(x, i), false)); break;
		}
	}
}

void ig_eval_relu(struct ig_eval *e) { unary(e); }
void ig_eval_relu6(struct ig_eval *e) { unary(e); }
void ig_eval_clip(struct ig_eval *e) { unary(e); }
void ig_eval_leaky_relu(struct ig_eval *e) { unary(e); }
void ig_eval_sigmoid(struct ig_eval *e) { unary(e); }
void ig_eval_tanh(struct ig_eval *e) { unary(e); }
void ig_eval_hard_swish(struct ig_eval *e) { unary(e); }
void ig_eval_hard_sigmoid(struct ig_eval *e) { unary(e); }
void ig_eval_elu(struct ig_eval *e) { unary(e); }
void ig_eval_selu(struct ig_eval *e) { unary(e); }
void ig_eval_celu(struct ig_eval *e) { unary(e); }
void ig_eval_softplus(struct ig_eval *e) { unary(e); }
void ig_eval_softsign(struct ig_eval *e) { unary(e); }
void ig_eval_thresholded_relu(struct ig_eval *e) { unary(e); }
void ig_eval_mish(struct ig_eval *e) { unary(e); }
void ig_eval_gelu(struct ig_eval *e) { unary(e); }
void ig_eval_erf(struct ig_eval *e) { unary(e); }
void ig_eval_exp(struct ig_eval *e) { unary(e); }
void ig_eval_log(struct ig_eval *e) { unary(e); }
void ig_eval_sqrt(struct ig_eval *e) { unary(e); }
void ig_eval_reciprocal(struct ig_eval *e) { unary(e); }
void ig_eval_abs(struct ig_eval *e) { unary(e); }
void ig_eval_neg(struct ig_eval *e) { unary(e); }
void ig_eval_sign(struct ig_eval *e) { unary(e); }
void ig_eval_floor(struct ig_eval *e) { unary(e); }
void ig_eval_ceil(struct ig_eval *e) { unary(e); }
void ig_eval_round(struct ig_eval *e) { unary(e); }
void ig_eval_sin(struct ig_eval *e) { unary(e); }
void ig_eval_cos(struct ig_eval *e) { unary(e); }

void ig_eval_logical_not(struct ig_eval *e)
{
	const uint8_t *x = e->in[0]->data;
	for (size_t i = 0; i < e->out->bytes; i++)
		((uint8_t *)e->out->data)[i] = !x[i];
}

void ig_eval_is_nan(struct ig_eval *e)
{
	for (size_t i = 0; i < e->out->bytes; i++)
		((uint8_t *)e->out->data)[i] = isnan(ig_get_double(e->in[0], (int64_t)i)) != 0;
}

void ig_eval_is_inf(struct ig_eval *e)
{
	bool positive = ig_attr_int(e->n, IG_A_POSITIVE, 1) != 0, negative = ig_attr_int(e->n, IG_A_NEGATIVE, 1) != 0;
	for (size_t i = 0; i < e->out->bytes; i++) {
		double x = ig_get_double(e->in[0], (int64_t)i);
		((uint8_t *)e->out->data)[i] = (positive && x == (double)INFINITY) || (negative && x == -(double)INFINITY);
	}
}

void ig_eval_cast(struct ig_eval *e)
{
	int64_t n = ig_elems(&e->out->type);
	for (int64_t i = 0; i < n; i++)
		ig_number_convert(e->out, i, e->in[0], i);
}
