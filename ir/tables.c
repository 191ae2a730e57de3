/* Tables of functions of one byte (docs/numerics.md): functions in double by ir/detmath.h, rounded once to float32, then quantized. */
#include "ir/tables.h"

#include "ir/detmath.h"
#include "ir/unary.h"
#include "runtime/qmath.h"

/* The number a byte in memory stands for. */
static int32_t value_of(const struct ig_qparam *q, int byte) { return q->dtype == IG_DT_S8 ? (int32_t)(int8_t)(uint8_t)byte : byte; }

static uint8_t quantize(float x, const struct ig_qparam *q)
{
	return (uint8_t)ig_quantize(x, q->scale[0], q->zero_point[0], q->qmin, q->qmax);
}

void ig_table_unary(const struct ig_node *n, const struct ig_qparam *in, const struct ig_qparam *out, uint8_t t[256])
{
	struct ig_unary u = ig_unary_of(n);
	for (int i = 0; i < 256; i++) {
		float x = ig_dequantize(value_of(in, i), in->scale[0], in->zero_point[0]);
		t[i] = quantize((float)ig_unary_double(&u, (double)x), out);
	}
}

void ig_table_requantize(const struct ig_qparam *in, const struct ig_qparam *out, uint8_t t[256])
{
	for (int i = 0; i < 256; i++)
		t[i] = quantize(ig_dequantize(value_of(in, i), in->scale[0], in->zero_point[0]), out);
}

void ig_table_softmax(float scale, float t[256])
{
	for (int k = 0; k < 256; k++)
		t[k] = (float)ig_det_exp(-k * (double)scale);
}

static float list_at(const struct ig_node *n, enum ig_attr_id id, int64_t c, float dflt)
{
	const struct ig_attr *a = ig_attr(n, id);
	if (!a || a->n == 0)
		return dflt;
	return (float)a->u.floats[a->n == 1 ? 0 : c];
}

void ig_normalize_constants(const struct ig_node *n, int64_t c, float *scale, float *mean, float *std)
{
	*scale = (float)ig_attr_float(n, IG_A_SCALE, 1);
	*mean = list_at(n, IG_A_MEAN, c, 0.0f);
	*std = list_at(n, IG_A_STD, c, 1.0f);
}

void ig_table_normalize_float(const struct ig_node *n, int64_t c, float t[256])
{
	float scale, mean, std;
	ig_normalize_constants(n, c, &scale, &mean, &std);
	for (int i = 0; i < 256; i++)
		t[i] = ig_normalizef((float)i, scale, mean, std);
}

void ig_table_normalize(const struct ig_node *n, int64_t c, const struct ig_qparam *out, uint8_t t[256])
{
	float f[256];
	ig_table_normalize_float(n, c, f);
	for (int i = 0; i < 256; i++)
		t[i] = quantize(f[i], out);
}
