/* More scalar formulas of docs/numerics.md: elementary functions of float32, under the rules of qmath.h. Each is a fixed sequence of + - * / fma,
   comparisons with selection, conversions and bit operations on float32 and float64, which codegen/mathfunc.c emits as it stands here. */
#ifndef IG_QFUNC_H
#define IG_QFUNC_H
#include "runtime/qmath.h"

#define IG_FLOAT_INF ig_of_bits(0x7f800000u)
#define IG_FLOAT_NAN ig_of_bits(0x7fc00000u)

static inline float ig_absf(float x) { return ig_of_bits(ig_bits_of(x) & 0x7fffffffu); }
static inline float ig_negf(float x) { return ig_of_bits(ig_bits_of(x) ^ 0x80000000u); }
static inline float ig_with_sign(float magnitude, float sign) { return ig_of_bits(ig_bits_of(magnitude) | (ig_bits_of(sign) & 0x80000000u)); }

/* To an integer, halves to even: 2^23 pushes the fraction out of the significand. */
static inline float ig_rintf(float x)
{
	float a = ig_absf(x), r = (a + 8388608.0f) - 8388608.0f;
	return a < 8388608.0f ? ig_with_sign(r, x) : x;
}

static inline float ig_floorf(float x)
{
	float r = ig_rintf(x);
	return x < r ? r - 1.0f : r;
}

static inline float ig_ceilf(float x)
{
	float r = ig_rintf(x), up = r + 1.0f;
	return r < x ? ig_with_sign(up, x) : r; /* of -0.5 < x < 0 -0 */
}

/* Toward zero. */
static inline float ig_truncf(float x)
{
	return ig_with_sign(ig_floorf(ig_absf(x)), x);
}

static inline float ig_signf(float x) { return 0.0f < x ? 1.0f : x < 0.0f ? -1.0f : x; }
static inline float ig_reciprocalf(float x) { return 1.0f / x; }

/* The correctly rounded root: Heron's rule from a guess of 4 bits, the last steps in double, whose 53 bits are enough that rounding to 24 cannot go
   wrong. Subnormal arguments are scaled by 2^24. */
#define IG_SQRT_MAGIC 0x1fbd1df5u
#define IG_FLOAT_MIN 1.17549435e-38f /* the least normal number */

static inline float ig_sqrtf(float x)
{
	float s = x < IG_FLOAT_MIN ? x * 16777216.0f : x;
	float y = ig_of_bits((ig_bits_of(s) >> 1) + IG_SQRT_MAGIC);
	y = 0.5f * (y + s / y);
	y = 0.5f * (y + s / y);
	double d = (double)y, t = (double)s;
	d = 0.5 * (d + t / d);
	d = 0.5 * (d + t / d);
	float r = (float)d;
	r = x < IG_FLOAT_MIN ? r * 0.000244140625f : r;
	r = 0.0f < x ? r : x < 0.0f ? IG_FLOAT_NAN : x; /* zeros and NaN */
	return x == IG_FLOAT_INF ? x : r;
}

/* log: x = m * 2^e with m in [2/3, 4/3), polynomial in m - 1 (N. Juffa's). */
#define IG_LOG_SPLIT 0x3f2aaaabu
#define IG_LOG_P3 (-0.130310059f)
#define IG_LOG_P2 (-0.121483512f)
#define IG_LOG_P1 (-0.166846126f)
#define IG_LOG_P0 (-0.249996200f)
#define IG_LOG_Q2 0.140869141f
#define IG_LOG_Q1 0.139814854f
#define IG_LOG_Q0 0.200120345f
#define IG_LOG_C3 0.333331972f
#define IG_LOG_C2 (-0.5f)
#define IG_LN2 0.693147182f

static inline float ig_logf(float x)
{
	float a = x < IG_FLOAT_MIN ? x * 8388608.0f : x;
	float low = x < IG_FLOAT_MIN ? -23.0f : 0.0f;
	uint32_t e = (ig_bits_of(a) - IG_LOG_SPLIT) & 0xff800000u;
	float m = ig_of_bits(ig_bits_of(a) - e) - 1.0f;
	float i = ig_fmaf((float)(int32_t)e, 1.1920929e-7f, low); /* e * 2^-23 */
	float s = m * m;
	float r = ig_fmaf(IG_LOG_P3, s, IG_LOG_P2), t = ig_fmaf(IG_LOG_Q2, s, IG_LOG_Q1);
	r = ig_fmaf(r, s, IG_LOG_P1);
	t = ig_fmaf(t, s, IG_LOG_Q0);
	r = ig_fmaf(r, s, IG_LOG_P0);
	r = ig_fmaf(t, m, r);
	r = ig_fmaf(r, m, IG_LOG_C3);
	r = ig_fmaf(r, m, IG_LOG_C2);
	r = ig_fmaf(r, s, m);
	r = ig_fmaf(i, IG_LN2, r);
	r = x < IG_FLOAT_INF ? r : x; /* infinity, NaN */
	r = x < 0.0f ? IG_FLOAT_NAN : r;
	return x == 0.0f ? -IG_FLOAT_INF : r;
}

/* log(1 + x) for x >= 0: what the addition lost is put back. */
static inline float ig_log1pf(float x)
{
	float u = 1.0f + x, c = x - (u - 1.0f);
	return ig_logf(u) + c / u;
}

/* exp(x) - 1: the polynomial of exp without its 1, so that small arguments keep their digits. Meant for x <= 0. */
static inline float ig_expm1f(float x)
{
	float c = ig_fmax(ig_fmin(x, 88.0f), -25.0f);
	int32_t n;
	float r, p = ig_exp_reduce(c, &n, &r);
	p = ig_fmaf(p * r, r, r);
	float s = ig_of_bits((uint32_t)(n + 127) << 23);
	float y = ig_fmaf(p, s, s - 1.0f);
	return x == x ? y : x;
}

static inline float ig_hard_sigmoidf(float x, float alpha, float beta) { return ig_clampf(x * alpha + beta, 0.0f, 1.0f); }
static inline float ig_eluf(float x, float alpha) { return 0.0f < x ? x : alpha * ig_expm1f(x); }
static inline float ig_seluf(float x, float alpha, float gamma) { return gamma * (0.0f < x ? x : alpha * ig_expm1f(x)); }
static inline float ig_celuf(float x, float alpha) { return 0.0f < x ? x : alpha * ig_expm1f(x / alpha); }
static inline float ig_softplusf(float x) { return ig_fmax(0.0f, x) + ig_log1pf(ig_expf(ig_negf(ig_absf(x)))); }
static inline float ig_softsignf(float x) { return x / (1.0f + ig_absf(x)); }
static inline float ig_thresholded_reluf(float x, float alpha) { return alpha < x ? x : x == x ? 0.0f : x; }

/* x * tanh(log(1 + e^x)) = x * w / (w + 2), w = n * (n + 2), n = e^x; from x = 20 on it is x. */
static inline float ig_mishf(float x)
{
	float n = ig_expf(ig_fmin(20.0f, x)), w = n * (n + 2.0f);
	return x * (w / (w + 2.0f));
}

/* erf (N. Juffa's): an odd polynomial below 0.927734375, else 1 - exp of a polynomial. */
#define IG_ERF_SMALL 0.927734375f
#define IG_ERF_S5 (-5.96761703e-4f)
#define IG_ERF_S4 4.99119423e-3f
#define IG_ERF_S3 (-2.67681349e-2f)
#define IG_ERF_S2 1.12819925e-1f
#define IG_ERF_S1 (-3.76125336e-1f)
#define IG_ERF_S0 1.28379166e-1f
#define IG_ERF_B6 (-1.72853470e-5f)
#define IG_ERF_B5 3.83197126e-4f
#define IG_ERF_B4 (-3.88396438e-3f)
#define IG_ERF_B3 2.42546219e-2f
#define IG_ERF_B2 (-1.06777877e-1f)
#define IG_ERF_B1 (-6.34846687e-1f)
#define IG_ERF_B0 (-1.28717512e-1f)

static inline float ig_erff(float x)
{
	float t = ig_absf(x), s = x * x;
	float p = IG_ERF_S5;
	p = ig_fmaf(p, s, IG_ERF_S4);
	p = ig_fmaf(p, s, IG_ERF_S3);
	p = ig_fmaf(p, s, IG_ERF_S2);
	p = ig_fmaf(p, s, IG_ERF_S1);
	p = ig_fmaf(p, s, IG_ERF_S0);
	float small = ig_fmaf(p, x, x);
	float u = ig_fmaf(IG_ERF_B4, t, IG_ERF_B3);
	float r = ig_fmaf(IG_ERF_B6, t, IG_ERF_B5);
	r = ig_fmaf(r, s, u);
	r = ig_fmaf(r, t, IG_ERF_B2);
	r = ig_fmaf(r, t, IG_ERF_B1);
	r = ig_fmaf(r, t, IG_ERF_B0);
	r = ig_fmaf(r, t, ig_negf(t));
	float big = ig_with_sign(1.0f - ig_expf(r), x);
	big = t < 4.0f ? big : ig_with_sign(1.0f, x); /* the polynomial is made for t below 4 */
	return x == x ? (t < IG_ERF_SMALL ? small : big) : x;
}

#define IG_GELU_SQRT1_2 0.707106769f
#define IG_GELU_C 0.797884583f /* sqrt(2 / pi) */
#define IG_GELU_CUBE 0.044715f

static inline float ig_geluf(float x) { return (0.5f * x) * (1.0f + ig_erff(x * IG_GELU_SQRT1_2)); }

static inline float ig_gelu_tanhf(float x)
{
	float u = ig_fmaf(IG_GELU_CUBE * x, x * x, x);
	return (0.5f * x) * (1.0f + ig_tanhf(IG_GELU_C * u));
}

/* sin (quarter 0) and cos (quarter 1): x = n * pi / 2 + r in double, polynomials on |r| <= pi / 4 (Cephes). Beyond 6.5e6 the argument is that bound. */
#define IG_TRIG_MAX 6500000.0f
#define IG_TRIG_2_PI 0.636619747f
#define IG_TRIG_PIO2_HI 1.57079632673412561417e+00 /* 33 bits */
#define IG_TRIG_PIO2_LO 6.07710050650619224932e-11
#define IG_SIN_C2 (-1.9515295891e-4f)
#define IG_SIN_C1 8.3321608736e-3f
#define IG_SIN_C0 (-1.6666654611e-1f)
#define IG_COS_C2 2.443315711809948e-5f
#define IG_COS_C1 (-1.388731625493765e-3f)
#define IG_COS_C0 4.166664568298827e-2f

static inline float ig_trigf(float x, int32_t quarter)
{
	float c = ig_fmax(ig_fmin(x, IG_TRIG_MAX), -IG_TRIG_MAX);
	int32_t n = ig_rne(c * IG_TRIG_2_PI);
	double f = (double)(float)n;
	float r = (float)(((double)c - f * IG_TRIG_PIO2_HI) - f * IG_TRIG_PIO2_LO);
	uint32_t k = (uint32_t)n + (uint32_t)quarter;
	float z = r * r;
	float p = ig_fmaf(IG_SIN_C2, z, IG_SIN_C1), q = ig_fmaf(IG_COS_C2, z, IG_COS_C1);
	p = ig_fmaf(p, z, IG_SIN_C0);
	q = ig_fmaf(q, z, IG_COS_C0);
	p = ig_fmaf(p * z, r, r);
	q = ig_fmaf(q * z, z, ig_fmaf(-0.5f, z, 1.0f));
	float y = ig_of_bits(ig_bits_of((k & 1u) == 0 ? p : q) ^ ((k & 2u) << 30));
	return ig_absf(x) < IG_FLOAT_INF ? y : IG_FLOAT_NAN;
}

static inline float ig_sinf(float x) { return ig_trigf(x, 0); }
static inline float ig_cosf(float x) { return ig_trigf(x, 1); }

/* pow: log |x| and its product with y in double, 2 atanh(s) by its series with s = (m - 1) / (m + 1); then exp with the rest of y log |x| in float. */
#define IG_LN2_DOUBLE 0.69314718055994530942

static inline double ig_log_double(float a) /* of a positive, finite number */
{
	float v = a < IG_FLOAT_MIN ? a * 8388608.0f : a;
	float low = a < IG_FLOAT_MIN ? -23.0f : 0.0f;
	uint32_t e = (ig_bits_of(v) - IG_LOG_SPLIT) & 0xff800000u;
	double m = (double)ig_of_bits(ig_bits_of(v) - e);
	double i = (double)ig_fmaf((float)(int32_t)e, 1.1920929e-7f, low);
	double s = (m - 1.0) / (m + 1.0), z = s * s;
	double p = 1.0 / 15.0;
	p = p * z + 1.0 / 13.0;
	p = p * z + 1.0 / 11.0;
	p = p * z + 1.0 / 9.0;
	p = p * z + 1.0 / 7.0;
	p = p * z + 1.0 / 5.0;
	p = p * z + 1.0 / 3.0;
	p = p * z + 1.0;
	return i * IG_LN2_DOUBLE + (s + s) * p;
}

static inline float ig_powf(float x, float y)
{
	float a = ig_absf(x), whole = ig_rintf(y), half = 0.5f * y;
	double t = (double)y * ig_log_double(a);
	float tf = (float)t, c = ig_fmax(ig_fmin(tf, IG_EXP_MAX), IG_EXP_MIN);
	int32_t n = ig_rne(c * IG_EXP_LOG2E);
	float r = (float)(t - (double)(float)n * IG_LN2_DOUBLE);
	r = ig_fmax(ig_fmin(r, 0.36f), -0.36f); /* beyond exp's bounds */
	float p = IG_EXP_C6;
	p = ig_fmaf(p, r, IG_EXP_C5);
	p = ig_fmaf(p, r, IG_EXP_C4);
	p = ig_fmaf(p, r, IG_EXP_C3);
	p = ig_fmaf(p, r, IG_EXP_C2);
	p = ig_fmaf(p, r, 1.0f);
	p = ig_fmaf(p, r, 1.0f);
	int32_t h = (int32_t)((uint32_t)(n + 256) >> 1) - 128;
	float v = (p * ig_of_bits((uint32_t)(h + 127) << 23)) * ig_of_bits((uint32_t)(n - h + 127) << 23);
	/* |x| of 0, infinity and 1; then the sign for odd y; then y = 0 and x = 1 */
	float extreme = y < 0.0f ? (a == 0.0f ? IG_FLOAT_INF : 0.0f) : a == 0.0f ? 0.0f : IG_FLOAT_INF;
	v = tf == tf ? v : tf;
	v = a == 0.0f ? extreme : a == IG_FLOAT_INF ? extreme : v;
	v = a == 1.0f ? 1.0f : v;
	uint32_t odd = ig_rintf(half) == half ? 0u : 0x80000000u;
	float negative = ig_of_bits(ig_bits_of(v) ^ odd), fraction = a == 0.0f ? v : a == IG_FLOAT_INF ? v : IG_FLOAT_NAN;
	float minus = whole == y ? negative : fraction;
	v = (ig_bits_of(x) >> 31) != 0 ? minus : v;
	v = x == x ? v : x;
	v = y == y ? v : y;
	v = y == 0.0f ? 1.0f : v;
	return x == 1.0f ? 1.0f : v;
}

/* maximum and minimum of ONNX: a NaN operand is the result. */
static inline float ig_maximumf(float a, float b) { return a == a ? (b == b ? ig_fmax(a, b) : b) : a; }
static inline float ig_minimumf(float a, float b) { return a == a ? (b == b ? ig_fmin(a, b) : b) : a; }

#endif
