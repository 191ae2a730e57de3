/* Weights and biases of imported quantized layers. A weight's integers less its zero point must fit in s8; a bias at the accumulator's scale is taken as it
   is, any other one, and one of float32, as the formula of quantization gives it. */
#include "ir/fold.h"
#include "ir/requant.h"
#include "passes/fold_qdq.h"
#include "passes/rewrite.h"
#include "runtime/qmath.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct layer {
	struct ig_graph *g;
	struct ig_nid id;
	const struct ig_qparam *x, *w; /* parameters of the input and of the weight as it is */
	const struct ig_tensor *weight;
	int64_t oc, per;
	int8_t *q;         /* the weight less its zero points */
	bool changed;      /* q is not the constant's data */
	int32_t *bias;     /* NULL: none */
	float *bias_f32;   /* instead of bias; NULL */
};

/* The constant that an operand is dequantized from. */
static struct ig_vid source_of(const struct ig_graph *g, struct ig_vid v)
{
	const struct ig_node *n = ig_def(g, v);
	return n->op == IG_OP_DEQUANTIZE && ig_const_data(g, n->in[0]) ? n->in[0] : IG_NOVAL;
}

static int32_t int_at(const struct ig_tensor *t, int64_t i)
{
	switch (t->type.dtype) {
	case IG_DT_U8: return ((const uint8_t *)t->data)[i];
	case IG_DT_S8: return ((const int8_t *)t->data)[i];
	case IG_DT_I32: return ((const int32_t *)t->data)[i];
	default: IG_BUG("weights of %s", ig_dtypes[t->type.dtype].name);
	}
}

static float weight_scale(const struct layer *l, int64_t c) { return l->w->scale[l->w->n == 1 ? 0 : c]; }

static bool read_weight(struct layer *l)
{
	struct ig_vid v = source_of(l->g, ig_node(l->g, l->id)->in[1]);
	if (v.i < 0)
		return false;
	l->weight = ig_const_data(l->g, v);
	l->w = ig_qparam(l->g, ig_vtype(l->g, v)->q);
	enum ig_dtype dt = l->weight->type.dtype;
	if ((dt != IG_DT_U8 && dt != IG_DT_S8) || (l->w->axis != 0 && l->w->axis != -1) || l->w->group)
		return false;
	l->oc = l->weight->type.dim[0];
	l->per = ig_elems(&l->weight->type) / l->oc;
	l->q = ig_xcalloc((size_t)(l->oc * l->per), 1);
	l->changed = dt != IG_DT_S8;
	for (int64_t i = 0; i < l->oc * l->per; i++) {
		int32_t z = l->w->zero_point[l->w->n == 1 ? 0 : i / l->per], q = int_at(l->weight, i) - z;
		if (q < -128 || q > 127)
			return false;
		l->q[i] = (int8_t)q;
		l->changed |= z != 0;
	}
	return true;
}

/* A float bias: as integers at the accumulator's scale, or as it is when one of them does not fit. */
static void take_float_bias(struct layer *l, const float *b)
{
	for (int64_t c = 0; c < l->oc; c++)
		if (!ig_bias_quantize(b[c], l->x->scale[0], weight_scale(l, c), &l->bias[c])) {
			free(l->bias);
			l->bias = NULL;
			l->bias_f32 = ig_xcalloc((size_t)l->oc, sizeof *l->bias_f32);
			memcpy(l->bias_f32, b, (size_t)l->oc * sizeof *b);
			return;
		}
}

static bool read_bias(struct layer *l)
{
	const struct ig_node *n = ig_node(l->g, l->id);
	if (n->n_in < 3)
		return true;
	struct ig_vid v = source_of(l->g, n->in[2]);
	const struct ig_tensor *t = ig_const_data(l->g, v.i >= 0 ? v : n->in[2]);
	if (!t || t->type.rank != 1 || (v.i < 0 && t->type.dtype != IG_DT_F32))
		return false;
	l->bias = ig_xcalloc((size_t)l->oc, sizeof *l->bias);
	if (v.i < 0) {
		const float *b = t->data;
		for (int64_t c = 0; c < l->oc; c++)
			if (!isfinite(b[c]))
				return false;
		take_float_bias(l, b);
		return true;
	}
	const struct ig_qparam *q = ig_qparam(l->g, ig_vtype(l->g, v)->q);
	if (t->type.dtype != IG_DT_I32 && t->type.dtype != IG_DT_S8 && t->type.dtype != IG_DT_U8)
		return false;
	bool same = t->type.dtype == IG_DT_I32; /* scales are those of the sums, but for the rounding of their product */
	float *b = ig_xcalloc((size_t)l->oc, sizeof *b);
	for (int64_t c = 0; c < l->oc; c++) {
		int64_t k = q->n == 1 ? 0 : c;
		float want = l->x->scale[0] * weight_scale(l, c);
		l->bias[c] = int_at(t, c);
		same &= q->zero_point[k] == 0 && fabsf(q->scale[k] - want) <= want * 0x1p-20f;
		b[c] = (float)((int64_t)l->bias[c] - q->zero_point[k]) * q->scale[k];
	}
	if (!same)
		take_float_bias(l, b);
	free(b);
	return true;
}

/* Every sum that the layer can form fits in 32 bits. */
static bool sums_fit(const struct layer *l)
{
	int64_t zero = l->x->zero_point[0];
	for (int64_t c = 0; c < l->oc; c++) {
		int64_t lo = l->bias ? l->bias[c] : 0, hi = lo;
		for (int64_t i = c * l->per; i < (c + 1) * l->per; i++) {
			int64_t a = l->q[i] * (255 - zero), z = l->q[i] * -zero;
			lo += a < z ? a : z;
			hi += a < z ? z : a;
		}
		if (lo < INT32_MIN || hi > INT32_MAX)
			return false;
	}
	return true;
}

static void store(struct layer *l)
{
	struct ig_graph *g = l->g;
	struct ig_node *n = ig_node(g, l->id);
	if (!l->changed) {
		n->in[1] = source_of(g, n->in[1]);
	} else {
		int32_t *zeros = ig_xcalloc((size_t)l->w->n, sizeof *zeros);
		struct ig_qparam q = *l->w;
		q.dtype = IG_DT_S8;
		q.zero_point = zeros;
		q.qmin = -128;
		q.qmax = 127;
		struct ig_type type = l->weight->type;
		type.dtype = IG_DT_S8;
		type.q = ig_graph_qparam(g, &q);
		struct ig_tensor *t = ig_tensor_new(g->arena, &type);
		memcpy(t->data, l->q, t->bytes);
		ig_set_constant(g, l->id, 1, "weight", t);
		free(zeros);
	}
	if (!l->bias && !l->bias_f32)
		return;
	struct ig_type type = ig_type_make(l->bias ? IG_DT_I32 : IG_DT_F32, 1, &l->oc);
	struct ig_tensor *t = ig_tensor_new(g->arena, &type);
	memcpy(t->data, l->bias ? (const void *)l->bias : (const void *)l->bias_f32, t->bytes);
	ig_set_constant(g, l->id, 2, "bias", t);
	if (l->bias_f32)
		ig_attr_set_str(g, l->id, IG_A_BIAS_MODE, "float32");
}

bool ig_fold_qdq_weights(struct ig_graph *g, struct ig_nid id, const struct ig_qparam *x)
{
	struct ig_qparam input = *x; /* the table of parameters may move */
	struct layer l = {.g = g, .id = id, .x = &input};
	bool ok = read_weight(&l);
	struct ig_qparam weight = ok ? *l.w : (struct ig_qparam){.n = 0};
	l.w = &weight;
	ok = ok && read_bias(&l) && sums_fit(&l);
	if (ok)
		store(&l);
	free(l.q);
	free(l.bias);
	free(l.bias_f32);
	return ok;
}
