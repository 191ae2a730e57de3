/* Operations that move values, and conversions between float and quantized. */
#include "ir/eval.h"
#include "ir/tables.h"
#include "runtime/qmath.h"

#include <math.h>
#include <string.h>

void ig_eval_input(struct ig_eval *e) { (void)e; }    /* its tensor was filled by the caller's data */
void ig_eval_constant(struct ig_eval *e) { (void)e; } /* its tensor is its data */

static void copy(struct ig_eval *e) { memcpy(e->out->data, e->in[0]->data, e->out->bytes); }

void ig_eval_reshape(struct ig_eval *e) { copy(e); }
void ig_eval_flatten(struct ig_eval *e) { copy(e); }
void ig_eval_observe(struct ig_eval *e) { copy(e); }
void ig_eval_quant(struct ig_eval *e) { copy(e); }
void ig_eval_dequant(struct ig_eval *e) { copy(e); }

/* Result element (i0, i1, ...) comes from input element base + sum of i * step. */
static void gather(struct ig_eval *e, int64_t base, const int64_t *step)
{
	const struct ig_type *t = &e->out->type;
	size_t w = ig_eval_width(t);
	int64_t count = ig_elems(t), index[IG_MAX_RANK] = {0}, at = base;
	const unsigned char *from = e->in[0]->data;
	unsigned char *to = e->out->data;
	for (int64_t i = 0; i < count; i++, to += w) {
		memcpy(to, from + (size_t)at * w, w);
		for (int k = t->rank - 1; k >= 0; k--) {
			at += step[k];
			if (++index[k] < t->dim[k])
				break;
			at -= step[k] * t->dim[k];
			index[k] = 0;
		}
	}
}

void ig_eval_transpose(struct ig_eval *e)
{
	const struct ig_type *x = &e->in[0]->type;
	const struct ig_attr *perm = ig_attr(e->n, IG_A_PERM);
	int64_t stride[IG_MAX_RANK] = {0}, step[IG_MAX_RANK] = {0};
	ig_eval_strides(x, stride);
	for (int i = 0; i < x->rank; i++)
		step[i] = stride[perm ? perm->u.ints[i] : x->rank - 1 - i];
	gather(e, 0, step);
}

/* Inputs of other parameters are requantized by their table; equal parameters copy. */
void ig_eval_concat(struct ig_eval *e)
{
	int64_t axis = ig_attr_int(e->n, IG_A_AXIS, 1);
	struct ig_axis_view y = ig_axis_view(&e->out->type, axis);
	size_t w = ig_eval_width(&e->out->type), done = 0;
	for (int k = 0; k < e->n->n_in; k++) {
		struct ig_axis_view x = ig_axis_view(&e->in[k]->type, axis);
		const struct ig_qparam *q = ig_eval_q(e, k);
		size_t run = (size_t)(x.extent * x.inner) * w;
		uint8_t t[256];
		bool table = q && !ig_qparam_equal(q, e->qy);
		if (table)
			ig_table_requantize(q, e->qy, t);
		for (int64_t o = 0; o < x.outer; o++) {
			const uint8_t *from = (const uint8_t *)e->in[k]->data + (size_t)o * run;
			uint8_t *to = (uint8_t *)e->out->data + (size_t)(o * y.extent * y.inner) * w + done;
			if (!table)
				memcpy(to, from, run);
			else
				for (size_t i = 0; i < run; i++)
					to[i] = t[from[i]];
		}
		done += run;
	}
}

/* One element of an integer tensor. */
static int32_t int_at(const struct ig_tensor *t, int64_t i)
{
	switch (t->type.dtype) {
	case IG_DT_U8: return ((const uint8_t *)t->data)[i];
	case IG_DT_S8: return ((const int8_t *)t->data)[i];
	case IG_DT_S16: return ((const int16_t *)t->data)[i];
	case IG_DT_I32: return ((const int32_t *)t->data)[i];
	default: IG_BUG("no integers in %s", ig_dtypes[t->type.dtype].name);
	}
}

static void set_int(struct ig_tensor *t, int64_t i, int32_t v)
{
	switch (t->type.dtype) {
	case IG_DT_U8:
	case IG_DT_S8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
	case IG_DT_S16: ((int16_t *)t->data)[i] = (int16_t)v; break;
	default: IG_BUG("no quantization to %s", ig_dtypes[t->type.dtype].name);
	}
}

/* Elements that share a scale, one after the other. */
static int64_t run_of(const struct ig_qparam *q, const struct ig_type *t)
{
	int64_t inner = 1;
	for (int k = q->axis < 0 ? 0 : q->axis + 1; k < t->rank; k++)
		inner *= t->dim[k];
	return inner;
}

void ig_eval_quantize(struct ig_eval *e)
{
	const struct ig_qparam *q = e->qy;
	const float *x = e->in[0]->data;
	int64_t n = ig_elems(&e->out->type), run = run_of(q, &e->out->type);
	enum ig_part part = ig_quantize_part(e->n);
	for (int64_t i = 0; i < n && part != IG_PART_WHOLE; i++)
		((uint8_t *)e->out->data)[i] = (uint8_t)(part == IG_PART_HIGH ? ig_quantize_high(x[i], q->scale[0] / 256) : ig_quantize_low(x[i], q->scale[0]));
	for (int64_t i = 0; i < n && part == IG_PART_WHOLE; i++) {
		int64_t c = i / run % q->n;
		set_int(e->out, i, ig_quantize(x[i], q->scale[c], q->zero_point[c], q->qmin, q->qmax));
	}
}

void ig_eval_dequantize(struct ig_eval *e)
{
	const struct ig_qparam *q = ig_eval_q(e, 0);
	float *y = e->out->data;
	int64_t n = ig_elems(&e->out->type), run = run_of(q, &e->out->type);
	for (int64_t i = 0; i < n; i++) {
		int64_t c = i / run % q->n;
		y[i] = (float)((int64_t)int_at(e->in[0], i) - q->zero_point[c]) * q->scale[c];
	}
}

void ig_eval_requantize(struct ig_eval *e)
{
	uint8_t t[256];
	ig_table_requantize(ig_eval_q(e, 0), e->qy, t);
	for (size_t i = 0; i < e->out->bytes; i++)
		((uint8_t *)e->out->data)[i] = t[((const uint8_t *)e->in[0]->data)[i]];
}
