/* Operations whose elements come from computed places (ir/axismap.h), gathers, blocks of space, and linear resize. */
#include "ir/axismap.h"
#include "ir/eval.h"
#include "runtime/qmath.h"

#include <math.h>
#include <string.h>

/* The fill value of a pad, as an element of the result. */
static void fill_element(const struct ig_eval *e, unsigned char *to)
{
	double value = ig_attr_float(e->n, IG_A_VALUE, 0);
	enum ig_dtype dt = e->out->type.dtype;
	int bits = ig_dtypes[dt].bits;
	float f = (float)value;
	if (dt == IG_DT_F32) {
		memcpy(to, &f, sizeof f);
		return;
	}
	int64_t lo = !ig_dtypes[dt].is_signed ? 0 : bits < 64 ? -((int64_t)1 << (bits - 1)) : INT64_MIN, v;
	int64_t hi = bits < 64 ? (int64_t)((uint64_t)lo + (((uint64_t)1 << bits) - 1)) : INT64_MAX;
	if (e->qy)
		v = ig_quantize(f, e->qy->scale[0], e->qy->zero_point[0], e->qy->qmin, e->qy->qmax);
	else if (bits == 8)
		v = ig_pack(f, 0, (int32_t)lo, (int32_t)hi); /* plain bytes: the nearest value */
	else
		v = value <= (double)lo ? lo : value >= (double)hi ? hi : (int64_t)nearbyint(value);
	memcpy(to, &v, (size_t)bits / 8); /* little endian */
}

/* Row by row of the last axis; a row is all fill, or its elements go one by one. */
static void move_by_axes(struct ig_eval *e, int result)
{
	struct ig_axis_map m;
	struct ig_arena *a = ig_arena_new();
	ig_axis_map_of(e->g, e->n, result, a, &m);
	const unsigned char *from = e->in[0]->data;
	unsigned char *to = e->outs[result]->data, fill[8] = {0};
	size_t w = ig_eval_width(&e->outs[result]->type);
	int64_t stride[IG_MAX_RANK] = {0}, s = 1, index[IG_MAX_RANK] = {0}, last = m.rank ? m.out[m.rank - 1] : 1;
	int64_t rows = ig_elems(&e->outs[result]->type) / last;
	if (e->n->op == IG_OP_PAD)
		fill_element(e, fill);
	for (int i = m.rank - 1; i >= 0; i--) {
		stride[i] = s;
		s *= m.in[i];
	}
	for (int64_t r = 0; r < rows; r++) {
		int64_t base = 0;
		bool filled = false;
		for (int i = 0; i < m.rank - 1; i++) {
			int64_t at = m.at[i][index[i]];
			filled |= at < 0;
			base += at * stride[i];
		}
		for (int64_t i = 0; i < last; i++, to += w) {
			int64_t at = m.rank ? m.at[m.rank - 1][i] : 0;
			memcpy(to, filled || at < 0 ? fill : from + (size_t)(base + at) * w, w);
		}
		for (int i = m.rank - 2; i >= 0 && ++index[i] == m.out[i]; i--)
			index[i] = 0;
	}
	ig_arena_free(a);
}

void ig_eval_slice(struct ig_eval *e) { move_by_axes(e, 0); }
void ig_eval_pad(struct ig_eval *e) { move_by_axes(e, 0); }
void ig_eval_expand(struct ig_eval *e) { move_by_axes(e, 0); }
void ig_eval_tile(struct ig_eval *e) { move_by_axes(e, 0); }

void ig_eval_split(struct ig_eval *e)
{
	for (int i = 0; i < e->n->n_out; i++)
		move_by_axes(e, i);
}

/* An index of run time: counted from the end when negative, then held within the axis. */
static int64_t index_at(const struct ig_tensor *t, int64_t i, int64_t dim)
{
	int64_t v = t->type.dtype == IG_DT_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
	if (v < 0)
		v += dim;
	return v < 0 ? 0 : v >= dim ? dim - 1 : v;
}

void ig_eval_gather(struct ig_eval *e)
{
	struct ig_axis_view x = ig_axis_view(&e->in[0]->type, ig_attr_int(e->n, IG_A_AXIS, 0));
	int64_t count = ig_elems(&e->in[1]->type);
	size_t run = (size_t)x.inner * ig_eval_width(&e->out->type);
	unsigned char *to = e->out->data;
	for (int64_t o = 0; o < x.outer; o++)
		for (int64_t k = 0; k < count; k++, to += run)
			memcpy(to, (const unsigned char *)e->in[0]->data + (size_t)(o * x.extent + index_at(e->in[1], k, x.extent)) * run, run);
}

void ig_eval_gather_elements(struct ig_eval *e)
{
	const struct ig_type *x = &e->in[0]->type, *y = &e->out->type;
	int64_t axis = ig_attr_int(e->n, IG_A_AXIS, 0), stride[IG_MAX_RANK] = {0}, index[IG_MAX_RANK] = {0}, count = ig_elems(y);
	size_t w = ig_eval_width(y);
	ig_eval_strides(x, stride);
	for (int64_t i = 0; i < count; i++) {
		int64_t at = 0;
		for (int k = 0; k < y->rank; k++)
			at += (k == axis ? index_at(e->in[1], i, x->dim[axis]) : index[k]) * stride[k];
		memcpy((unsigned char *)e->out->data + (size_t)i * w, (const unsigned char *)e->in[0]->data + (size_t)at * w, w);
		for (int k = y->rank - 1; k >= 0 && ++index[k] == y->dim[k]; k--)
			index[k] = 0;
	}
}

void ig_eval_one_hot(struct ig_eval *e)
{
	int64_t depth = ig_attr_int(e->n, IG_A_DEPTH, 1);
	struct ig_axis_view y = ig_axis_view(&e->out->type, ig_attr_int(e->n, IG_A_AXIS, 0));
	const struct ig_tensor *k = e->in[0];
	size_t w = ig_eval_width(&e->out->type);
	unsigned char *to = e->out->data;
	for (int64_t o = 0; o < y.outer; o++)
		for (int64_t i = 0; i < depth; i++)
			for (int64_t p = 0; p < y.inner; p++, to += w) {
				int64_t v = k->type.dtype == IG_DT_I64 ? ((const int64_t *)k->data)[o * y.inner + p] : ((const int32_t *)k->data)[o * y.inner + p];
				bool on = v == i || v == i - depth; /* an index outside of the range is nowhere on */
				memcpy(to, (const unsigned char *)e->in[1]->data + (on ? w : 0), w);
			}
}

/* Channel c of the deep tensor and its pixel (y, x): the place in the wide one. */
static void blocks(struct ig_eval *e, bool to_space)
{
	const struct ig_type *deep = to_space ? &e->in[0]->type : &e->out->type, *wide = to_space ? &e->out->type : &e->in[0]->type;
	bool crd = strcmp(ig_attr_str(e->n, IG_A_MODE, "dcr"), "crd") == 0;
	int64_t b[2], channels = wide->dim[1], count = ig_elems(deep);
	size_t w = ig_eval_width(deep);
	const unsigned char *from = e->in[0]->data;
	unsigned char *to = e->out->data;
	ig_attr_ints(e->n, IG_A_BLOCK, 1, b, 2);
	for (int64_t i = 0; i < count; i++) {
		int64_t x = i % deep->dim[3], y = i / deep->dim[3] % deep->dim[2], c = i / deep->dim[3] / deep->dim[2] % deep->dim[1];
		int64_t n = i / deep->dim[3] / deep->dim[2] / deep->dim[1];
		int64_t channel = crd ? c / (b[0] * b[1]) : c % channels, place = crd ? c % (b[0] * b[1]) : c / channels;
		int64_t at = ((n * channels + channel) * wide->dim[2] + y * b[0] + place / b[1]) * wide->dim[3] + x * b[1] + place % b[1];
		memcpy(to + (size_t)(to_space ? at : i) * w, from + (size_t)(to_space ? i : at) * w, w);
	}
}

void ig_eval_depth_to_space(struct ig_eval *e) { blocks(e, true); }
void ig_eval_space_to_depth(struct ig_eval *e) { blocks(e, false); }

/* One axis of a linear resize: each result is w1 * x[i1] + w0 * x[i0], the first product inside the fused operation. */
static void resize_axis(const struct ig_resize_axis *r, const float *x, float *y, int64_t outer, int64_t inner)
{
	for (int64_t o = 0; o < outer; o++)
		for (int64_t i = 0; i < r->out; i++) {
			struct ig_resize_tap t = ig_resize_linear(r, i);
			const float *a = x + (o * r->in + t.i0) * inner, *b = x + (o * r->in + t.i1) * inner;
			for (int64_t k = 0; k < inner; k++)
				*y++ = ig_fmaf(t.w1, b[k], t.w0 * a[k]);
		}
}

/* Axis by axis from the last, in float32; quantized values are i(x), rounded once at the end. */
static void resize_linear(struct ig_eval *e)
{
	const struct ig_type *x = &e->in[0]->type;
	const struct ig_qparam *q = e->qy;
	struct ig_arena *a = ig_arena_new();
	int64_t count = ig_elems(x), dim[IG_MAX_RANK];
	float *now = IG_NEWN(a, float, count);
	for (int64_t i = 0; i < count; i++)
		now[i] = q ? (float)ig_eval_int(e->in[0]->data, q, i) : ((const float *)e->in[0]->data)[i];
	memcpy(dim, x->dim, sizeof dim);
	for (int k = x->rank - 1; k >= 0; k--) {
		struct ig_resize_axis r = ig_resize_axis_of(e->g, e->n, k);
		int64_t outer = 1, inner = 1;
		for (int i = 0; i < x->rank; i++)
			*(i < k ? &outer : &inner) *= i == k ? 1 : dim[i];
		if (ig_resize_is_identity(&r))
			continue;
		dim[k] = r.out;
		float *next = IG_NEWN(a, float, outer * r.out * inner);
		resize_axis(&r, now, next, outer, inner);
		now = next;
	}
	count = ig_elems(&e->out->type);
	for (int64_t i = 0; i < count; i++) {
		if (q)
			((uint8_t *)e->out->data)[i] = (uint8_t)ig_pack(now[i], q->zero_point[0], q->qmin, q->qmax);
		else
			((float *)e->out->data)[i] = now[i];
	}
	ig_arena_free(a);
}

void ig_eval_resize(struct ig_eval *e)
{
	if (ig_resize_is_linear(e->n))
		resize_linear(e);
	else
		move_by_axes(e, 0);
}
