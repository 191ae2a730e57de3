/* The kernel IR's instructions, interpreted: one loop over lanes each, simple enough for a compiler to vectorize. */
#include <math.h>
#include <string.h>

#include "codegen/kir_interp.h"
#include "ir/number.h"

/* fmaf is exact everywhere; where the CPU has the instruction it is also fast. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FAST __attribute__((target_clones("arch=x86-64-v3", "default"), optimize("O3")))
#elif defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((optimize("O3")))
#else
#define FAST
#endif

#define LANES for (int i = 0, n_ = o->n; i < n_; i++)
#define FN(name, ...)                                                                              \
	FAST static void name(const struct kir_dop *o, uint8_t *mem)                                   \
	{                                                                                              \
		(void)mem;                                                                                 \
		__VA_ARGS__                                                                                \
	}
/* R: result type, T: operand type; `expr` is of d[i] from a[i], b[i], c[i]. */
#define FN1(name, R, T, expr)                                                                      \
	FN(name, {                                                                                     \
		R *restrict d = (R *)o->d;                                                                 \
		const T *a = (const T *)o->a;                                                              \
		LANES d[i] = (R)(expr);                                                                    \
	})
#define FN2(name, R, T, expr)                                                                      \
	FN(name, {                                                                                     \
		R *restrict d = (R *)o->d;                                                                 \
		const T *a = (const T *)o->a, *b = (const T *)o->b;                                        \
		LANES d[i] = (R)(expr);                                                                    \
	})

#define INT_TYPES(X, name, e) X(name##_8, int8_t, uint8_t, e) X(name##_16, int16_t, uint16_t, e) X(name##_32, int32_t, uint32_t, e) X(name##_64, int64_t, uint64_t, e)
/* Wrapping arithmetic in an unsigned type no narrower than int. */
#define WRAP2(name, S, U, op) FN2(name, U, U, (sizeof(U) > 4 ? (uint64_t)a[i] : (uint32_t)a[i]) op b[i])
#define BITS2(name, S, U, op) FN2(name, U, U, a[i] op b[i])
#define MINMAX_S(name, S, U, op) FN2(name, S, S, a[i] op b[i] ? a[i] : b[i])
#define MINMAX_U(name, S, U, op) FN2(name, U, U, a[i] op b[i] ? a[i] : b[i])
#define CMP_S(name, S, U, op) FN2(name, uint8_t, S, a[i] op b[i])
#define SHIFT_L(name, S, U, op) FN1(name, U, U, (uint64_t)a[i] << o->m)
#define SHIFT_U(name, S, U, op) FN1(name, U, U, a[i] >> o->m)
#define SHIFT_S(name, S, U, op) FN1(name, S, S, a[i] >> o->m)
INT_TYPES(WRAP2, add, +)
INT_TYPES(WRAP2, sub, -)
INT_TYPES(WRAP2, mul, *)
INT_TYPES(BITS2, and, &)
INT_TYPES(BITS2, or, |)
INT_TYPES(BITS2, xor, ^)
INT_TYPES(MINMAX_S, smin, <)
INT_TYPES(MINMAX_S, smax, >)
INT_TYPES(MINMAX_U, umin, <)
INT_TYPES(MINMAX_U, umax, >)
INT_TYPES(CMP_S, cmplt, <)
INT_TYPES(CMP_S, cmpeq, ==)
INT_TYPES(SHIFT_L, shl, )
INT_TYPES(SHIFT_U, shru, )
INT_TYPES(SHIFT_S, shrs, )

#define FLOAT_TYPES(name, op) FN2(name##_f32, float, float, a[i] op b[i]) FN2(name##_f64, double, double, a[i] op b[i])
FLOAT_TYPES(add, +)
FLOAT_TYPES(sub, -)
FLOAT_TYPES(mul, *)
FLOAT_TYPES(div, /)
FN2(fmin_f32, float, float, a[i] < b[i] ? a[i] : b[i])
FN2(fmax_f32, float, float, a[i] > b[i] ? a[i] : b[i])
FN2(cmplt_f32, uint8_t, float, a[i] < b[i])
FN2(cmpeq_f32, uint8_t, float, a[i] == b[i])
FN(fma_f32, {
	float *restrict d = (float *)o->d;
	const float *a = (const float *)o->a;
	const float *b = (const float *)o->b;
	const float *c = (const float *)o->c;
	LANES d[i] = fmaf(a[i], b[i], c[i]);
})

/* Conversions. i1 is a byte of 0 or 1. */
#define CONV(name, R, T) FN1(name, R, T, a[i])
CONV(sext_8_16, int16_t, int8_t)
CONV(sext_8_32, int32_t, int8_t)
CONV(sext_8_64, int64_t, int8_t)
CONV(sext_16_32, int32_t, int16_t)
CONV(sext_16_64, int64_t, int16_t)
CONV(sext_32_64, int64_t, int32_t)
CONV(zext_8_8, uint8_t, uint8_t)
CONV(zext_8_16, uint16_t, uint8_t)
CONV(zext_8_32, uint32_t, uint8_t)
CONV(zext_8_64, uint64_t, uint8_t)
CONV(zext_16_32, uint32_t, uint16_t)
CONV(zext_16_64, uint64_t, uint16_t)
CONV(zext_32_64, uint64_t, uint32_t)
FN1(sext_1_8, int8_t, uint8_t, -a[i])
FN1(sext_1_16, int16_t, uint8_t, -a[i])
FN1(sext_1_32, int32_t, uint8_t, -a[i])
FN1(sext_1_64, int64_t, uint8_t, -(int64_t)a[i])
CONV(trunc_16_8, uint8_t, uint16_t)
CONV(trunc_32_8, uint8_t, uint32_t)
CONV(trunc_64_8, uint8_t, uint64_t)
CONV(trunc_32_16, uint16_t, uint32_t)
CONV(trunc_64_16, uint16_t, uint64_t)
CONV(trunc_64_32, uint32_t, uint64_t)
CONV(itof, float, int32_t)
CONV(ftod, double, float)
CONV(dtof, float, double)
FN1(htof, float, uint16_t, ig_half_to_float(a[i]))
FN1(rne_f32, int32_t, float, lrintf(a[i]))

/* After the clamp |t| is small, and adding 1.5 * 2^23 leaves the integer rounded half to even. */
#define ROUND_SMALL(t) (((t) + 12582912.0f) - 12582912.0f)
FN(fpack, {
	uint8_t *restrict d = o->d;
	const float *a = (const float *)o->a;
	float lo = o->lo, hi = o->hi;
	LANES
	{
		float t = a[i] > lo ? a[i] : lo;
		t = t < hi ? t : hi;
		d[i] = (uint8_t)((int32_t)ROUND_SMALL(t) + o->zp);
	}
})
/* As fpack; holds the schedule to its word. */
FN(fpack_small, {
	const float *a = (const float *)o->a;
	bool small = true;
	LANES small &= a[i] < 1073741824.0f && a[i] > -1073741824.0f;
	if (!small)
		IG_BUG("kernel IR: the argument of a small fpack is not small");
	fpack(o, mem);
})
FN(fpack_nan, {
	uint8_t *restrict d = o->d;
	const float *a = (const float *)o->a;
	float lo = o->lo, hi = o->hi;
	LANES
	{
		float t = a[i] > lo ? a[i] : lo;
		t = t < hi ? t : hi;
		int32_t r = (int32_t)ROUND_SMALL(t) + o->zp;
		d[i] = (uint8_t)(a[i] == a[i] ? r : o->zp);
	}
})

/* Lanes moved, by element size. */
#define SIZES(X, name) X(name##_8, uint8_t) X(name##_16, uint16_t) X(name##_32, uint32_t) X(name##_64, uint64_t)
#define SPLAT(name, T) FN1(name, T, T, a[0])
#define EXTRACT(name, T) FN1(name, T, T, a[i + o->m])
#define INTERLEAVE(name, T) FN2(name, T, T, (i & 1) ? b[i >> 1] : a[i >> 1])
/* lane i of the result comes from lane `at` of a or b */
#define ZIP(name, T, half) FN2(name, T, T, ((i & 1) ? b : a)[i / (16 / sizeof(T)) * (16 / sizeof(T)) + i % (16 / sizeof(T)) / 2 + (half) * 8 / sizeof(T)])
#define ZIPLO(name, T) ZIP(name, T, 0)
#define ZIPHI(name, T) ZIP(name, T, 1)
#define TRANSPOSE4(name, T) FN1(name, T, T, a[i % 4 * (o->n / 4) + i / 4])
#define SELECT(name, T)                                                                            \
	FN(name, {                                                                                     \
		T *restrict d = (T *)o->d;                                                                 \
		const uint8_t *a = o->a;                                                                   \
		const T *b = (const T *)o->b;                                                              \
		const T *c = (const T *)o->c;                                                              \
		LANES d[i] = a[i] ? b[i] : c[i];                                                           \
	})
#define LUT(name, T)                                                                               \
	FN(name, {                                                                                     \
		T *restrict d = (T *)o->d;                                                                 \
		const uint8_t *a = o->a;                                                                   \
		LANES memcpy(&d[i], mem + sizeof(T) * a[i], sizeof(T));                                    \
	})
SIZES(SPLAT, splat)
SIZES(EXTRACT, extract)
SIZES(INTERLEAVE, interleave)
SIZES(ZIPLO, ziplo)
SIZES(ZIPHI, ziphi)
TRANSPOSE4(transpose4_32, uint32_t)
SIZES(SELECT, select)
SIZES(LUT, lut)

static void concat(const struct kir_dop *o, uint8_t *mem)
{
	(void)mem;
	memcpy(o->d, o->a, (size_t)o->bytes / 2);
	memcpy(o->d + o->bytes / 2, o->b, (size_t)o->bytes / 2);
}

static void copy(const struct kir_dop *o, uint8_t *mem)
{
	(void)mem;
	memcpy(o->d, o->a, (size_t)o->bytes);
}

static void load(const struct kir_dop *o, uint8_t *mem)
{
	memcpy(o->d, mem, (size_t)o->span);
	if (o->span < o->bytes)
		memset(o->d + o->span, 0, (size_t)(o->bytes - o->span));
}

static void store(const struct kir_dop *o, uint8_t *mem)
{
	memcpy(mem, o->a, (size_t)o->span);
}

static void nothing(const struct kir_dop *o, uint8_t *mem)
{
	(void)o;
	(void)mem;
}

/* The fixed tree: m lanes are halved until one is left. */
#define REDUCE(name, T, expr)                                                                      \
	FN(name, {                                                                                     \
		T t[KIR_MAX_LANES];                                                                        \
		memcpy(t, o->a, sizeof(T) * (size_t)o->m);                                                 \
		for (int h = o->m / 2; h; h /= 2)                                                          \
			for (int i = 0; i < h; i++) {                                                          \
				T x = t[i], y = t[i + h];                                                          \
				t[i] = (T)(expr);                                                                  \
			}                                                                                      \
		memcpy(o->d, t, sizeof(T));                                                                \
	})
REDUCE(reduce_add_f32, float, x + y)
REDUCE(reduce_add_32, uint32_t, x + y)
REDUCE(reduce_fmax, float, x > y ? x : y)
REDUCE(reduce_umax_8, uint8_t, x > y ? x : y)
REDUCE(reduce_umax_16, uint16_t, x > y ? x : y)
REDUCE(reduce_umax_32, uint32_t, x > y ? x : y)
REDUCE(reduce_umax_64, uint64_t, x > y ? x : y)

#define DOT(name, TA, TB, group)                                                                   \
	FN(name, {                                                                                     \
		uint32_t *restrict d = (uint32_t *)o->d;                                                   \
		const uint32_t *acc = (const uint32_t *)o->a;                                              \
		const TA *a = (const TA *)o->b;                                                            \
		const TB *b = (const TB *)o->c;                                                            \
		LANES                                                                                      \
		{                                                                                          \
			uint32_t s = acc[i];                                                                   \
			for (int g = 0; g < (group); g++)                                                      \
				s += (uint32_t)(a[(group) * i + g] * b[(group) * i + g]);                          \
			d[i] = s;                                                                              \
		}                                                                                          \
	})
DOT(dot_u8, uint8_t, int8_t, o->m)
DOT(dot_u8_1, uint8_t, int8_t, 1)
DOT(dot_u8_4, uint8_t, int8_t, 4)
DOT(dot_s8, int8_t, int8_t, o->m)
DOT(dot_s8_1, int8_t, int8_t, 1)
DOT(dot_s8_4, int8_t, int8_t, 4)
DOT(dot_s16, int16_t, int16_t, o->m)
DOT(dot_s16_1, int16_t, int16_t, 1)
DOT(dot_s16_2, int16_t, int16_t, 2)

#define MMLA(name, TA)                                                                             \
	FN(name, {                                                                                     \
		uint32_t *restrict d = (uint32_t *)o->d;                                                   \
		const uint32_t *acc = (const uint32_t *)o->a;                                              \
		const TA *a = (const TA *)o->b;                                                            \
		const int8_t *b = (const int8_t *)o->c;                                                    \
		LANES                                                                                      \
		{                                                                                          \
			const TA *x = a + i / 4 * 16 + i % 4 / 2 * 8;                                          \
			const int8_t *y = b + i / 4 * 16 + i % 2 * 8;                                          \
			uint32_t s = acc[i];                                                                   \
			for (int k = 0; k < 8; k++)                                                            \
				s += (uint32_t)(x[k] * y[k]);                                                      \
			d[i] = s;                                                                              \
		}                                                                                          \
	})
MMLA(mmla_u8, uint8_t)
MMLA(mmla_s8, int8_t)

enum { TILE_ROW = 64 };

static void tile_load(const struct kir_dop *o, uint8_t *mem)
{
	for (int r = 0; r < o->m; r++)
		memcpy(o->d + r * TILE_ROW, mem + r * o->stride, TILE_ROW);
	memset(o->d + o->m * TILE_ROW, 0, (size_t)((KIR_TILE_ROWS - o->m) * TILE_ROW));
}

static void tile_store(const struct kir_dop *o, uint8_t *mem)
{
	for (int r = 0; r < o->m; r++)
		memcpy(mem + r * o->stride, o->a + r * TILE_ROW, TILE_ROW);
}

FN(tile_dot, {
	const uint32_t *acc = (const uint32_t *)o->a;
	for (int r = 0; r < KIR_TILE_ROWS; r++) {
		uint32_t s[TILE_ROW / 4];
		memcpy(s, acc + r * (TILE_ROW / 4), sizeof s);
		for (int k = 0; k < KIR_TILE_ROWS; k++) {
			const uint8_t *a = o->b + r * TILE_ROW + 4 * k;
			const int8_t *b = (const int8_t *)o->c + k * TILE_ROW;
			for (int n = 0; n < TILE_ROW / 4; n++)
				s[n] += (uint32_t)(a[0] * b[4 * n] + a[1] * b[4 * n + 1] + a[2] * b[4 * n + 2] + a[3] * b[4 * n + 3]);
		}
		memcpy(o->d + r * TILE_ROW, s, sizeof s);
	}
})

/* As dot_u8_4; holds the schedule to its word. */
FN(dot_pairs, {
	const uint8_t *a = o->b;
	const int8_t *b = (const int8_t *)o->c;
	bool fit = true;
	for (int i = 0; i < 2 * o->n; i++) {
		int s = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
		fit &= s >= INT16_MIN && s <= INT16_MAX;
	}
	if (!fit)
		IG_BUG("kernel IR: a pair of products does not fit in 16 bits");
	dot_u8_4(o, mem);
})

static kir_dfn dot_fn(const struct kir_inst *in, struct kir_type a)
{
	int group = a.lanes / in->type.lanes;
	if (in->flags & KIR_PAIRS_FIT)
		return dot_pairs;
	if (a.elem == KIR_I16)
		return group == 2 ? dot_s16_2 : group == 1 ? dot_s16_1 : dot_s16;
	if (in->flags & KIR_A_UNSIGNED)
		return group == 4 ? dot_u8_4 : group == 1 ? dot_u8_1 : dot_u8;
	return group == 4 ? dot_s8_4 : group == 1 ? dot_s8_1 : dot_s8;
}

static kir_dfn widen_fn(bool sign, int from, int to)
{
	static const kir_dfn sext[4][4] = {{sext_1_8, sext_1_16, sext_1_32, sext_1_64}, {NULL, sext_8_16, sext_8_32, sext_8_64}, {NULL, NULL, sext_16_32, sext_16_64},
	                                   {NULL, NULL, NULL, sext_32_64}};
	static const kir_dfn zext[4][4] = {{zext_8_8, zext_8_16, zext_8_32, zext_8_64}, {NULL, zext_8_16, zext_8_32, zext_8_64}, {NULL, NULL, zext_16_32, zext_16_64},
	                                   {NULL, NULL, NULL, zext_32_64}};
	return from <= KIR_I32 && to >= KIR_I8 && to <= KIR_I64 ? (sign ? sext : zext)[from][to - KIR_I8] : NULL;
}

static kir_dfn trunc_fn(int from, int to)
{
	static const kir_dfn fn[3][3] = {{trunc_16_8, NULL, NULL}, {trunc_32_8, trunc_32_16, NULL}, {trunc_64_8, trunc_64_16, trunc_64_32}};
	return from >= KIR_I16 && from <= KIR_I64 && to >= KIR_I8 && to <= KIR_I32 ? fn[from - KIR_I16][to - KIR_I8] : NULL;
}

static kir_dfn reduce_fn(const struct kir_inst *in)
{
	static const kir_dfn umax[4] = {reduce_umax_8, reduce_umax_16, reduce_umax_32, reduce_umax_64};
	if (in->op == KIR_REDUCE_FMAX)
		return reduce_fmax;
	if (in->op == KIR_REDUCE_UMAX)
		return in->type.elem >= KIR_I8 && in->type.elem <= KIR_I64 ? umax[in->type.elem - KIR_I8] : NULL;
	return in->type.elem == KIR_F32 ? reduce_add_f32 : reduce_add_32;
}

/* By element: i1 i8 i16 i32 i64 f32 f64. */
#define ROW(n1, n) {n1, n##_8, n##_16, n##_32, n##_64, NULL, NULL}
#define ROWF(n, f32, f64) {NULL, n##_8, n##_16, n##_32, n##_64, f32, f64}
#define MOVES(n) {n##_8, n##_8, n##_16, n##_32, n##_64, n##_32, n##_64}
static const kir_dfn by_elem[KIR_OP_COUNT][KIR_ELEM_COUNT] = {
	[KIR_ADD] = ROWF(add, add_f32, add_f64),
	[KIR_SUB] = ROWF(sub, sub_f32, sub_f64),
	[KIR_MUL] = ROWF(mul, mul_f32, mul_f64),
	[KIR_DIV] = {[KIR_F32] = div_f32, [KIR_F64] = div_f64},
	[KIR_FMA] = {[KIR_F32] = fma_f32},
	[KIR_SMIN] = ROW(NULL, smin),
	[KIR_SMAX] = ROW(NULL, smax),
	[KIR_UMIN] = ROW(NULL, umin),
	[KIR_UMAX] = ROW(NULL, umax),
	[KIR_FMIN] = {[KIR_F32] = fmin_f32},
	[KIR_FMAX] = {[KIR_F32] = fmax_f32},
	[KIR_AND] = ROW(and_8, and),
	[KIR_OR] = ROW(or_8, or),
	[KIR_XOR] = ROW(xor_8, xor),
	[KIR_SHL] = ROW(NULL, shl),
	[KIR_SHRU] = ROW(NULL, shru),
	[KIR_SHRS] = ROW(NULL, shrs),
	[KIR_CMPLT] = ROWF(cmplt, cmplt_f32, NULL),
	[KIR_CMPEQ] = ROWF(cmpeq, cmpeq_f32, NULL),
	[KIR_SELECT] = MOVES(select),
	[KIR_SPLAT] = MOVES(splat),
	[KIR_EXTRACT] = MOVES(extract),
	[KIR_INTERLEAVE] = MOVES(interleave),
	[KIR_ZIPLO] = MOVES(ziplo),
	[KIR_TRANSPOSE4] = {[KIR_I32] = transpose4_32},
	[KIR_ZIPHI] = MOVES(ziphi),
	[KIR_LUT] = MOVES(lut),
	[KIR_ITOF] = {[KIR_I32] = itof},
	[KIR_RNE] = {[KIR_F32] = rne_f32},
	[KIR_HTOF] = {[KIR_I16] = htof},
	[KIR_FTOD] = {[KIR_F32] = ftod},
	[KIR_DTOF] = {[KIR_F64] = dtof},
};

kir_dfn kir_dop_fn(const struct kir_inst *in, struct kir_type a)
{
	kir_dfn fn;
	switch ((enum kir_op)in->op) {
	case KIR_LOAD: fn = load; break;
	case KIR_STORE: fn = store; break;
	case KIR_CONCAT: fn = concat; break;
	case KIR_BITCAST: fn = copy; break;
	case KIR_PREFETCH: fn = nothing; break;
	case KIR_DOT: fn = dot_fn(in, a); break;
	case KIR_MMLA: fn = in->flags & KIR_A_UNSIGNED ? mmla_u8 : mmla_s8; break;
	case KIR_TILE_LOAD: fn = tile_load; break;
	case KIR_TILE_STORE: fn = tile_store; break;
	case KIR_TILE_DOT: fn = tile_dot; break;
	case KIR_FPACK: fn = in->flags & KIR_NAN_TO_ZP ? fpack_nan : in->flags & KIR_SMALL ? fpack_small : fpack; break;
	case KIR_SEXT:
	case KIR_ZEXT: fn = widen_fn(in->op == KIR_SEXT, a.elem, in->type.elem); break;
	case KIR_TRUNC: fn = trunc_fn(a.elem, in->type.elem); break;
	case KIR_REDUCE_ADD:
	case KIR_REDUCE_FMAX:
	case KIR_REDUCE_UMAX: fn = reduce_fn(in); break;
	case KIR_CMPLT:
	case KIR_CMPEQ:
	case KIR_ITOF:
	case KIR_RNE:
	case KIR_HTOF:
	case KIR_FTOD:
	case KIR_DTOF: fn = by_elem[in->op][a.elem]; break;
	case KIR_LUT: fn = by_elem[in->op][in->type.elem]; break;
	default: fn = by_elem[in->op][in->type.elem]; break;
	}
	if (!fn)
		IG_BUG("kernel IR interpreter: %s of %s from %s", kir_ops[in->op].name, kir_elem_names[in->type.elem], kir_elem_names[a.elem]);
	return fn;
}
