/* The scalar formulas of docs/numerics.md, written once: used by the interpreter, the tests and every engine that wants a reference. Freestanding
   C99, no library. Kernel-IR schedules emit the identical sequences of operations, so that each function here uses only what the kernel IR has:
   + - * / fma, comparisons with selection, round-to-even conversion, integer addition, shifts and bit casts.

   Compile with -ffp-contract=off and without fast-math. IEEE binary32, rounding to nearest even, subnormals kept. */
#ifndef IG_QMATH_H
#define IG_QMATH_H
#include <stdint.h>

#if defined(__FAST_MATH__) || (defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0 && __FLT_EVAL_METHOD__ != 16)
#error "qmath.h needs strict float32 arithmetic: no fast-math, FLT_EVAL_METHOD 0"
#endif

static inline uint32_t ig_bits_of(float x)
{
	union { float f; uint32_t u; } v;
	v.f = x;
	return v.u;
}

static inline float ig_of_bits(uint32_t u)
{
	union { float f; uint32_t u; } v;
	v.u = u;
	return v.f;
}

/* Exact fused multiply-add in double: the product of two floats is exact there; the sum is rounded to odd, so that the rounding to float is the
   only one that counts (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008). */
static inline float ig_fmaf_exact(float a, float b, float c)
{
	double p = (double)a * (double)b, z = (double)c, s = p + z;
	union { double f; uint64_t u; } v;
	double t, e;
	if (!(s - s == 0.0))
		return (float)s; /* infinity or NaN */
	t = s - p;
	e = (p - (s - t)) + (z - t);
	v.f = s;
	if (e != 0.0 && (v.u & 1u) == 0)
		v.u += ((e > 0.0) == (s > 0.0)) ? (uint64_t)1 : ~(uint64_t)0;
	return (float)v.f;
}

#ifndef ig_fmaf
#if defined(__FP_FAST_FMAF)
#define ig_fmaf(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define ig_fmaf(a, b, c) ig_fmaf_exact((a), (b), (c))
#endif
#endif

/* Selections with the operand order of the kernel IR's FMIN and FMAX: the second operand when either is NaN. */
static inline float ig_fmin(float a, float b) { return a < b ? a : b; }
static inline float ig_fmax(float a, float b) { return a > b ? a : b; }

/* relu, relu6, clip and every fused activation on float32: NaN passes through. */
static inline float ig_clampf(float x, float lo, float hi) { return ig_fmin(hi, ig_fmax(lo, x)); }

/* Round half to even for |x| <= 2^22: adding 1.5 * 2^23 leaves the rounded integer in the low bits of the significand. */
static inline int32_t ig_rne(float x) { return (int32_t)(ig_bits_of(x + 12582912.0f) - 0x4b400000u); }

/* rne(v) + zp within [lo, hi]; clamped in float before the conversion, because v may be far outside of int32. No NaN. */
static inline int32_t ig_pack(float v, int32_t zp, int32_t lo, int32_t hi)
{
	v = ig_fmax(v, (float)(lo - zp));
	v = ig_fmin(v, (float)(hi - zp));
	return ig_rne(v) + zp;
}

/* x / scale to an integer of [qmin, qmax]; NaN gives the zero point, infinities saturate. */
static inline int32_t ig_quantize(float x, float scale, int32_t zp, int32_t qmin, int32_t qmax)
{
	float v = x / scale;
	return ig_pack(v == v ? v : 0.0f, zp, qmin, qmax);
}

/* Run-time quantization to 0 .. levels: what counts for the range of a tensor, then scale and zero point of it; lo <= 0 <= hi, both finite. */
static inline float ig_dynamic_finite(float x) { return (ig_bits_of(x) & 0x7fffffffu) < 0x7f800000u ? x : 0.0f; }
static inline float ig_dynamic_scale(float lo, float hi, float levels)
{
	float s = ig_fmin(hi - lo, 3.40282347e38f) / levels;
	return 0.0f < s ? s : 1.0f;
}
static inline int32_t ig_dynamic_zero(float lo, float s, float levels) { return ig_rne(ig_fmin(ig_fmax(0.0f - lo / s, 0.0f), levels)); }

/* The two bytes of x / scale as a 16-bit integer q, so that q = 256 * (high - 128) + low. */
static inline int32_t ig_quantize_high(float x, float scale) { return (ig_quantize(x, scale, 0, -32768, 32767) + 32768) >> 8; }
static inline int32_t ig_quantize_low(float x, float scale) { return (ig_quantize(x, scale, 0, -32768, 32767) + 32768) & 255; }

static inline float ig_dequantize(int32_t q, float scale, int32_t zp) { return (float)(q - zp) * scale; }

/* m of conv-like operators: (s_x * s_w) / s_y, in this order. */
static inline float ig_requant_factor(float s_x, float s_w, float s_y) { return (s_x * s_w) / s_y; }

static inline int32_t ig_requant(int32_t acc, float m, int32_t zp, int32_t lo, int32_t hi) { return ig_pack((float)acc * m, zp, lo, hi); }

/* bias: float32 (b is already divided by s_x * s_w). */
static inline int32_t ig_requant_fbias(int32_t acc, float b, float m, int32_t zp, int32_t lo, int32_t hi)
{
	return ig_pack(((float)acc + b) * m, zp, lo, hi);
}

/* conv + add with one rounding: ir = r - r_zp, f = s_r / s_y. */
static inline int32_t ig_requant_add(int32_t acc, float m, int32_t ir, float f, int32_t zp, int32_t lo, int32_t hi)
{
	float t = (float)acc * m, r = (float)ir * f;
	return ig_pack(t + r, zp, lo, hi);
}

static inline int32_t ig_qadd(int32_t ia, float fa, int32_t ib, float fb, int32_t zp, int32_t lo, int32_t hi)
{
	float a = (float)ia * fa, b = (float)ib * fb;
	return ig_pack(a + b, zp, lo, hi);
}

static inline int32_t ig_qsub(int32_t ia, float fa, int32_t ib, float fb, int32_t zp, int32_t lo, int32_t hi)
{
	float a = (float)ia * fa, b = (float)ib * fb;
	return ig_pack(a - b, zp, lo, hi);
}

static inline int32_t ig_qmul(int32_t ia, int32_t ib, float f, int32_t zp, int32_t lo, int32_t hi)
{
	return ig_pack((float)(ia * ib) * f, zp, lo, hi);
}

/* TFLite's reference kernels (gemmlowp): high half of the doubled product, halves up (it equals (p + 2^30) >> 31 with an arithmetic shift); then a
   division by a power of two, halves away from zero. */
static inline int32_t ig_srdhm(int32_t a, int32_t b)
{
	int64_t p = (int64_t)a * b, nudge = p >= 0 ? (1 << 30) : 1 - (1 << 30);
	if (a == b && a == INT32_MIN)
		return INT32_MAX;
	return (int32_t)((p + nudge) / ((int64_t)1 << 31));
}

static inline int32_t ig_rdbpot(int32_t x, int32_t e)
{
	int32_t mask = (int32_t)(((uint32_t)1 << e) - 1u), rest = x & mask, half = (mask >> 1) + (x < 0);
	/* arithmetic shift written so that it does not depend on the compiler */
	int32_t shifted = x < 0 ? ~(int32_t)(~(uint32_t)x >> e) : (int32_t)((uint32_t)x >> e);
	return shifted + (rest > half);
}

static inline int32_t ig_requant_fixed(int32_t acc, int32_t mult, int32_t shift)
{
	int32_t left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
	return ig_rdbpot(ig_srdhm((int32_t)((uint32_t)acc << left), mult), right);
}

/* clamp(v + zp, lo, hi) in integers, without overflow. */
static inline int32_t ig_clamp_fixed(int64_t v, int32_t zp, int32_t lo, int32_t hi)
{
	v += zp;
	return v < lo ? lo : v > hi ? hi : (int32_t)v;
}

/* exp: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 6 in r, two exact scalings by powers of two (the second may round: subnormal results).
   Relative error below 1.1e-7 (tested). NaN gives NaN, large x infinity, small x 0. */
#define IG_EXP_LOG2E 1.44269502f       /* 0x3fb8aa3b */
#define IG_EXP_LN2_HI 0.693359375f     /* 0x3f318000: exact in 10 bits */
#define IG_EXP_LN2_LO (-2.12194440e-4f) /* 0xb95e8083: ln 2 - hi */
#define IG_EXP_C6 1.39087442e-3f
#define IG_EXP_C5 8.37312452e-3f
#define IG_EXP_C4 4.16688285e-2f
#define IG_EXP_C3 1.66664571e-1f
#define IG_EXP_C2 4.99999911e-1f
#define IG_EXP_MAX 89.0f
#define IG_EXP_MIN (-104.0f)

/* x = n ln 2 + r; the value is p of exp(r) = (p r + 1) r + 1. */
static inline float ig_exp_reduce(float x, int32_t *n, float *r)
{
	*n = ig_rne(x * IG_EXP_LOG2E);
	float f = (float)*n;
	*r = ig_fmaf(f, -IG_EXP_LN2_HI, x);
	*r = ig_fmaf(f, -IG_EXP_LN2_LO, *r);
	float p = IG_EXP_C6;
	p = ig_fmaf(p, *r, IG_EXP_C5);
	p = ig_fmaf(p, *r, IG_EXP_C4);
	p = ig_fmaf(p, *r, IG_EXP_C3);
	return ig_fmaf(p, *r, IG_EXP_C2);
}

static inline float ig_expf(float x)
{
	float c = ig_fmax(ig_fmin(x, IG_EXP_MAX), IG_EXP_MIN);
	int32_t n;
	float r, p = ig_exp_reduce(c, &n, &r);
	p = ig_fmaf(p, r, 1.0f);
	p = ig_fmaf(p, r, 1.0f);
	int32_t h = (int32_t)((uint32_t)(n + 256) >> 1) - 128; /* n >> 1, arithmetic */
	float s1 = ig_of_bits((uint32_t)(h + 127) << 23);
	float s2 = ig_of_bits((uint32_t)(n - h + 127) << 23);
	float y = (p * s1) * s2;
	return x == x ? y : x;
}

/* 1 / (1 + exp(-x)); the sign change is an exclusive or of the sign bit (0 - x would differ at zero). */
static inline float ig_sigmoidf(float x) { return 1.0f / (1.0f + ig_expf(ig_of_bits(ig_bits_of(x) ^ 0x80000000u))); }

/* |x| < 0.625: odd polynomial (Cephes tanhf); else 1 - 2 / (exp(2 |x|) + 1) with x's sign. */
#define IG_TANH_SMALL 0.625f
#define IG_TANH_C4 (-5.70498872745e-3f)
#define IG_TANH_C3 2.06390887954e-2f
#define IG_TANH_C2 (-5.37397155531e-2f)
#define IG_TANH_C1 1.33314422036e-1f
#define IG_TANH_C0 (-3.33332819422e-1f)

static inline float ig_tanhf(float x)
{
	uint32_t sign = ig_bits_of(x) & 0x80000000u;
	float a = ig_of_bits(ig_bits_of(x) & 0x7fffffffu);
	float z = x * x;
	float p = IG_TANH_C4;
	p = ig_fmaf(p, z, IG_TANH_C3);
	p = ig_fmaf(p, z, IG_TANH_C2);
	p = ig_fmaf(p, z, IG_TANH_C1);
	p = ig_fmaf(p, z, IG_TANH_C0);
	float small = ig_fmaf(p * z, x, x);
	float e = ig_expf(a + a);
	float big = ig_of_bits(ig_bits_of(1.0f - 2.0f / (e + 1.0f)) | sign);
	return a < IG_TANH_SMALL ? small : big;
}

/* x * (clamp(x + 3, 0, 6) / 6) */
static inline float ig_hard_swishf(float x) { return x * (ig_clampf(x + 3.0f, 0.0f, 6.0f) / 6.0f); }

static inline float ig_leaky_reluf(float x, float alpha)
{
	float y = x * alpha;
	return 0.0f < x ? x : y;
}

/* normalize: three operations, one rounding each. */
static inline float ig_normalizef(float x, float scale, float mean, float std) { return (x / scale - mean) / std; }

/* A NaN that leaves the graph is this one. */
static inline float ig_canonical_nan(float x) { return x == x ? x : ig_of_bits(0x7fc00000u); }

/* The fixed tree over 16 partial results: 8 + 8, 4 + 4, 2 + 2, 1 + 1. */
static inline float ig_reduce_add16(const float p[16])
{
	float t[16];
	int i, w;
	for (i = 0; i < 16; i++)
		t[i] = p[i];
	for (w = 8; w > 0; w /= 2)
		for (i = 0; i < w; i++)
			t[i] = t[i] + t[i + w];
	return t[0];
}

static inline float ig_reduce_fmax16(const float p[16])
{
	float t[16];
	int i, w;
	for (i = 0; i < 16; i++)
		t[i] = p[i];
	for (w = 8; w > 0; w /= 2)
		for (i = 0; i < w; i++)
			t[i] = ig_fmax(t[i], t[i + w]);
	return t[0];
}

#endif
