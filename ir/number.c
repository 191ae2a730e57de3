/* Elements of tensors of any type (number.h). */
#include "ir/number.h"

#include "runtime/qmath.h"

#include <math.h>

enum ig_number_kind ig_number_kind(enum ig_dtype dt)
{
	if (ig_dtypes[dt].is_float)
		return dt == IG_DT_F64 ? IG_NUM_DOUBLE : IG_NUM_FLOAT;
	return ig_dtypes[dt].is_signed ? IG_NUM_SIGNED : IG_NUM_UNSIGNED;
}

float ig_half_to_float(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
	if (e == 31)
		return ig_of_bits(sign | 0x7f800000u | m << 13);
	if (e == 0) /* zero and subnormals: m * 2^-24, exact */
		return ig_of_bits(ig_bits_of((float)m * 5.9604644775390625e-8f) | sign);
	return ig_of_bits(sign | (e + 112) << 23 | m << 13);
}

uint16_t ig_float_to_half(float f)
{
	uint32_t u = ig_bits_of(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
	if (a > 0x7f800000u)
		return (uint16_t)(sign | 0x7e00u);
	if (a >= 0x47800000u) /* 2^16 and above */
		return (uint16_t)(sign | 0x7c00u);
	if (a < 0x38800000u) { /* below 2^-14: adding 0.5 leaves a multiple of 2^-24 in the low bits, rounded to even */
		uint32_t m = ig_bits_of(ig_of_bits(a) + 0.5f) - 0x3f000000u;
		return (uint16_t)(sign | m);
	}
	a += 0xfffu + ((a >> 13) & 1u); /* may carry into the exponent, up to infinity */
	return (uint16_t)(sign | (a - 0x38000000u) >> 13);
}

float ig_bfloat_to_float(uint16_t h) { return ig_of_bits((uint32_t)h << 16); }

uint16_t ig_float_to_bfloat(float f)
{
	uint32_t u = ig_bits_of(f);
	if (f != f)
		return (uint16_t)(u >> 16 | 0x40u);
	return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

float ig_get_float(const struct ig_tensor *t, int64_t i)
{
	switch (t->type.dtype) {
	case IG_DT_F32: return ((const float *)t->data)[i];
	case IG_DT_F16: return ig_half_to_float(((const uint16_t *)t->data)[i]);
	case IG_DT_BF16: return ig_bfloat_to_float(((const uint16_t *)t->data)[i]);
	default: IG_BUG("%s is not computed in float", ig_dtypes[t->type.dtype].name);
	}
}

void ig_put_float(struct ig_tensor *t, int64_t i, float v)
{
	switch (t->type.dtype) {
	case IG_DT_F32: ((float *)t->data)[i] = v; break;
	case IG_DT_F16: ((uint16_t *)t->data)[i] = ig_float_to_half(v); break;
	case IG_DT_BF16: ((uint16_t *)t->data)[i] = ig_float_to_bfloat(v); break;
	default: IG_BUG("%s is not computed in float", ig_dtypes[t->type.dtype].name);
	}
}

static uint8_t nibble(const struct ig_tensor *t, int64_t i) { return (((const uint8_t *)t->data)[i / 2] >> (i & 1 ? 4 : 0)) & 15u; }

int64_t ig_get_int(const struct ig_tensor *t, int64_t i)
{
	const void *p = t->data;
	switch (t->type.dtype) {
	case IG_DT_BOOL:
	case IG_DT_U8: return ((const uint8_t *)p)[i];
	case IG_DT_S8: return ((const int8_t *)p)[i];
	case IG_DT_U16: return ((const uint16_t *)p)[i];
	case IG_DT_S16: return ((const int16_t *)p)[i];
	case IG_DT_U32: return ((const uint32_t *)p)[i];
	case IG_DT_I32: return ((const int32_t *)p)[i];
	case IG_DT_U64:
	case IG_DT_I64: return ((const int64_t *)p)[i];
	case IG_DT_U4: return nibble(t, i);
	case IG_DT_S4: return (nibble(t, i) ^ 8) - 8;
	default: IG_BUG("%s is no integer type", ig_dtypes[t->type.dtype].name);
	}
}

void ig_put_int(struct ig_tensor *t, int64_t i, int64_t v)
{
	void *p = t->data;
	uint8_t *b = p;
	switch (t->type.dtype) {
	case IG_DT_BOOL: b[i] = v != 0; break;
	case IG_DT_U8:
	case IG_DT_S8: b[i] = (uint8_t)v; break;
	case IG_DT_U16:
	case IG_DT_S16: ((uint16_t *)p)[i] = (uint16_t)v; break;
	case IG_DT_U32:
	case IG_DT_I32: ((uint32_t *)p)[i] = (uint32_t)v; break;
	case IG_DT_U64:
	case IG_DT_I64: ((int64_t *)p)[i] = v; break;
	case IG_DT_U4:
	case IG_DT_S4: b[i / 2] = (uint8_t)(i & 1 ? (b[i / 2] & 15u) | ((uint32_t)v & 15u) << 4 : (b[i / 2] & 240u) | ((uint32_t)v & 15u)); break;
	default: IG_BUG("%s is no integer type", ig_dtypes[t->type.dtype].name);
	}
}

double ig_get_double(const struct ig_tensor *t, int64_t i)
{
	switch (ig_number_kind(t->type.dtype)) {
	case IG_NUM_FLOAT: return (double)ig_get_float(t, i);
	case IG_NUM_DOUBLE: return ((const double *)t->data)[i];
	case IG_NUM_SIGNED: return (double)ig_get_int(t, i);
	case IG_NUM_UNSIGNED: break;
	}
	return (double)(uint64_t)ig_get_int(t, i);
}

/* To float32, the last bit set when something was lost, so that a further rounding to fewer bits is the only one that counts. */
static float to_odd(double v)
{
	float f = (float)v;
	uint32_t u = ig_bits_of(f);
	if ((double)f == v || v != v || isinf(f) || (u & 1u))
		return f;
	bool away = ((double)f > v) == (v > 0); /* rounded away from zero: the odd neighbour is below */
	return ig_of_bits(away ? u - 1 : u + 1);
}

/* Toward zero and saturated: [lo, hi] of the type. */
static int64_t to_int(double v, enum ig_dtype dt)
{
	int bits = ig_dtypes[dt].bits;
	double top = 2.0 * (double)((uint64_t)1 << (ig_dtypes[dt].is_signed ? bits - 2 : bits - 1)), bottom = ig_dtypes[dt].is_signed ? -top : 0.0;
	if (v != v)
		return 0;
	if (v <= bottom)
		return ig_dtypes[dt].is_signed ? (int64_t)bottom : 0;
	if (v >= top)
		return bits == 64 ? (ig_dtypes[dt].is_signed ? INT64_MAX : -1) : (int64_t)top - 1;
	return v >= 9223372036854775808.0 ? (int64_t)(uint64_t)v : (int64_t)v;
}

static float int_to_float(int64_t v, bool is_signed) { return is_signed ? (float)v : (float)(uint64_t)v; }

void ig_number_convert(struct ig_tensor *to, int64_t k, const struct ig_tensor *from, int64_t i)
{
	enum ig_dtype dt = to->type.dtype;
	bool real = ig_dtypes[from->type.dtype].is_float;
	if (!ig_dtypes[dt].is_float) {
		if (!real)
			ig_put_int(to, k, ig_get_int(from, i));
		else if (dt == IG_DT_BOOL)
			ig_put_int(to, k, ig_get_double(from, i) != 0);
		else
			ig_put_int(to, k, to_int(ig_get_double(from, i), dt));
	} else if (dt == IG_DT_F64) {
		((double *)to->data)[k] = ig_get_double(from, i);
	} else if (dt == IG_DT_F32) {
		((float *)to->data)[k] = real ? (float)ig_get_double(from, i) : int_to_float(ig_get_int(from, i), ig_dtypes[from->type.dtype].is_signed);
	} else { /* halves, by way of double and a float rounded to odd */
		ig_put_float(to, k, to_odd(ig_get_double(from, i)));
	}
}
