/* The elementary functions of runtime/qfunc.h as kernel IR: operation by operation the same, so that every engine gives the interpreter's bits. Each
   function here has the name and the order of its scalar twin. */
#include "codegen/lower.h"
#include "runtime/qfunc.h"

#include <math.h>
#include <string.h>

#define ADD(x, y) kb_op2(b, KIR_ADD, x, y)
#define SUB(x, y) kb_op2(b, KIR_SUB, x, y)
#define MUL(x, y) kb_op2(b, KIR_MUL, x, y)
#define DIV(x, y) kb_op2(b, KIR_DIV, x, y)
#define FMA(x, y, z) kb_fma(b, x, y, z)
#define FMIN(x, y) kb_op2(b, KIR_FMIN, x, y)
#define FMAX(x, y) kb_op2(b, KIR_FMAX, x, y)
#define AND(x, y) kb_op2(b, KIR_AND, x, y)
#define LESS(x, y) kb_op2(b, KIR_CMPLT, x, y)
#define SAME(x, y) kb_op2(b, KIR_CMPEQ, x, y)
#define SELECT(c, x, y) kb_select(b, c, x, y)
#define F(v) kb_const_f(b, kb_type(b, x).lanes, v)
#define I(v) kb_const_i(b, KIR_T(KIR_I32, kb_type(b, x).lanes), (int32_t)(v))

static kir_val bits_of(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, KIR_T(KIR_I32, kb_type(b, x).lanes), x); }
static kir_val of_bits(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, KIR_T(KIR_F32, kb_type(b, x).lanes), x); }
static kir_val rne(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_RNE, KIR_T(KIR_I32, kb_type(b, x).lanes), x); }
static kir_val to_float(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, kb_type(b, x).lanes), x); }
static kir_val to_double(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_FTOD, KIR_T(KIR_F64, kb_type(b, x).lanes), x); }
static kir_val from_double(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_DTOF, KIR_T(KIR_F32, kb_type(b, x).lanes), x); }

/* A double constant: its bits. */
static kir_val const_double(struct kir_builder *b, int lanes, double v)
{
	int64_t u;
	memcpy(&u, &v, sizeof u);
	return kb_op1(b, KIR_BITCAST, KIR_T(KIR_F64, lanes), kb_const_i(b, KIR_T(KIR_I64, lanes), u));
}
#define D(v) const_double(b, kb_type(b, x).lanes, v)

kir_val ig_math_abs(struct kir_builder *b, kir_val x) { return of_bits(b, AND(bits_of(b, x), I(0x7fffffff))); }
kir_val ig_math_neg(struct kir_builder *b, kir_val x) { return of_bits(b, kb_op2(b, KIR_XOR, bits_of(b, x), I(0x80000000u))); }

static kir_val with_sign(struct kir_builder *b, kir_val magnitude, kir_val x)
{
	return of_bits(b, kb_op2(b, KIR_OR, bits_of(b, magnitude), AND(bits_of(b, x), I(0x80000000u))));
}

kir_val ig_math_rint(struct kir_builder *b, kir_val x)
{
	kir_val a = ig_math_abs(b, x), r = SUB(ADD(a, F(8388608.0f)), F(8388608.0f));
	return SELECT(LESS(a, F(8388608.0f)), with_sign(b, r, x), x);
}

kir_val ig_math_floor(struct kir_builder *b, kir_val x)
{
	kir_val r = ig_math_rint(b, x);
	return SELECT(LESS(x, r), SUB(r, F(1.0f)), r);
}

kir_val ig_math_ceil(struct kir_builder *b, kir_val x)
{
	kir_val r = ig_math_rint(b, x), up = ADD(r, F(1.0f));
	return SELECT(LESS(r, x), with_sign(b, up, x), r);
}

kir_val ig_math_trunc(struct kir_builder *b, kir_val x) { return with_sign(b, ig_math_floor(b, ig_math_abs(b, x)), x); }

kir_val ig_math_sign(struct kir_builder *b, kir_val x)
{
	return SELECT(LESS(F(0.0f), x), F(1.0f), SELECT(LESS(x, F(0.0f)), F(-1.0f), x));
}

kir_val ig_math_sqrt(struct kir_builder *b, kir_val x)
{
	kir_val low = LESS(x, F(IG_FLOAT_MIN)), s = SELECT(low, MUL(x, F(16777216.0f)), x);
	kir_val y = of_bits(b, ADD(kb_shift(b, KIR_SHRU, bits_of(b, s), 1), I(IG_SQRT_MAGIC)));
	for (int i = 0; i < 2; i++)
		y = MUL(F(0.5f), ADD(y, DIV(s, y)));
	kir_val d = to_double(b, y), t = to_double(b, s);
	for (int i = 0; i < 2; i++)
		d = MUL(D(0.5), ADD(d, DIV(t, d)));
	kir_val r = from_double(b, d);
	r = SELECT(low, MUL(r, F(0.000244140625f)), r);
	r = SELECT(LESS(F(0.0f), x), r, SELECT(LESS(x, F(0.0f)), F(IG_FLOAT_NAN), x));
	return SELECT(SAME(x, F(IG_FLOAT_INF)), x, r);
}

/* x = m * 2^i with m in [2/3, 4/3); m - 1 is left to the caller. */
static kir_val split(struct kir_builder *b, kir_val x, kir_val *i)
{
	kir_val small = LESS(x, F(IG_FLOAT_MIN));
	kir_val a = SELECT(small, MUL(x, F(8388608.0f)), x), low = SELECT(small, F(-23.0f), F(0.0f));
	kir_val e = AND(SUB(bits_of(b, a), I(IG_LOG_SPLIT)), I(0xff800000u));
	*i = FMA(to_float(b, e), F(1.1920929e-7f), low);
	return of_bits(b, SUB(bits_of(b, a), e));
}

kir_val ig_math_log(struct kir_builder *b, kir_val x)
{
	kir_val i, m = SUB(split(b, x, &i), F(1.0f)), s = MUL(m, m);
	kir_val r = FMA(F(IG_LOG_P3), s, F(IG_LOG_P2)), t = FMA(F(IG_LOG_Q2), s, F(IG_LOG_Q1));
	r = FMA(r, s, F(IG_LOG_P1));
	t = FMA(t, s, F(IG_LOG_Q0));
	r = FMA(r, s, F(IG_LOG_P0));
	r = FMA(t, m, r);
	r = FMA(r, m, F(IG_LOG_C3));
	r = FMA(r, m, F(IG_LOG_C2));
	r = FMA(r, s, m);
	r = FMA(i, F(IG_LN2), r);
	r = SELECT(LESS(x, F(IG_FLOAT_INF)), r, x);
	r = SELECT(LESS(x, F(0.0f)), F(IG_FLOAT_NAN), r);
	return SELECT(SAME(x, F(0.0f)), F(-IG_FLOAT_INF), r);
}

kir_val ig_math_log1p(struct kir_builder *b, kir_val x)
{
	kir_val u = ADD(F(1.0f), x), c = SUB(x, SUB(u, F(1.0f)));
	return ADD(ig_math_log(b, u), DIV(c, u));
}

/* Horner's rule by fma. */
static kir_val polynomial(struct kir_builder *b, kir_val x, const float *c, int n)
{
	kir_val p = F(c[0]);
	for (int i = 1; i < n; i++)
		p = FMA(p, x, F(c[i]));
	return p;
}

/* 2^n as a float. */
static kir_val pow2(struct kir_builder *b, kir_val x) { return of_bits(b, kb_shift(b, KIR_SHL, ADD(x, I(127)), 23)); }

kir_val ig_math_expm1(struct kir_builder *b, kir_val x)
{
	static const float poly[] = {IG_EXP_C6, IG_EXP_C5, IG_EXP_C4, IG_EXP_C3, IG_EXP_C2};
	kir_val c = FMAX(FMIN(x, F(88.0f)), F(-25.0f)), n = rne(b, MUL(c, F(IG_EXP_LOG2E))), f = to_float(b, n);
	kir_val r = FMA(f, F(-IG_EXP_LN2_HI), c);
	r = FMA(f, F(-IG_EXP_LN2_LO), r);
	kir_val p = polynomial(b, r, poly, IG_COUNTOF(poly)), s = pow2(b, n);
	p = FMA(MUL(p, r), r, r);
	return SELECT(SAME(x, x), FMA(p, s, SUB(s, F(1.0f))), x);
}

/* 0 < x ? x : alpha * expm1(x) */
static kir_val elu(struct kir_builder *b, kir_val x, kir_val argument, float alpha)
{
	return SELECT(LESS(F(0.0f), x), x, MUL(F(alpha), ig_math_expm1(b, argument)));
}

static kir_val softplus(struct kir_builder *b, kir_val x)
{
	return ADD(FMAX(F(0.0f), x), ig_math_log1p(b, ig_math_exp(b, ig_math_neg(b, ig_math_abs(b, x)))));
}

static kir_val mish(struct kir_builder *b, kir_val x)
{
	kir_val n = ig_math_exp(b, FMIN(F(20.0f), x)), w = MUL(n, ADD(n, F(2.0f)));
	return MUL(x, DIV(w, ADD(w, F(2.0f))));
}

kir_val ig_math_erf(struct kir_builder *b, kir_val x)
{
	static const float low[] = {IG_ERF_S5, IG_ERF_S4, IG_ERF_S3, IG_ERF_S2, IG_ERF_S1, IG_ERF_S0};
	kir_val t = ig_math_abs(b, x), s = MUL(x, x);
	kir_val small = FMA(polynomial(b, s, low, IG_COUNTOF(low)), x, x);
	kir_val u = FMA(F(IG_ERF_B4), t, F(IG_ERF_B3)), r = FMA(F(IG_ERF_B6), t, F(IG_ERF_B5));
	r = FMA(r, s, u);
	r = FMA(r, t, F(IG_ERF_B2));
	r = FMA(r, t, F(IG_ERF_B1));
	r = FMA(r, t, F(IG_ERF_B0));
	r = FMA(r, t, ig_math_neg(b, t));
	kir_val big = with_sign(b, SUB(F(1.0f), ig_math_exp(b, r)), x);
	big = SELECT(LESS(t, F(4.0f)), big, with_sign(b, F(1.0f), x));
	return SELECT(SAME(x, x), SELECT(LESS(t, F(IG_ERF_SMALL)), small, big), x);
}

static kir_val gelu(struct kir_builder *b, kir_val x) { return MUL(MUL(F(0.5f), x), ADD(F(1.0f), ig_math_erf(b, MUL(x, F(IG_GELU_SQRT1_2))))); }

static kir_val gelu_tanh(struct kir_builder *b, kir_val x)
{
	kir_val u = FMA(MUL(F(IG_GELU_CUBE), x), MUL(x, x), x);
	return MUL(MUL(F(0.5f), x), ADD(F(1.0f), ig_math_tanh(b, MUL(F(IG_GELU_C), u))));
}

static kir_val trig(struct kir_builder *b, kir_val x, int quarter)
{
	kir_val c = FMAX(FMIN(x, F(IG_TRIG_MAX)), F(-IG_TRIG_MAX)), n = rne(b, MUL(c, F(IG_TRIG_2_PI)));
	kir_val f = to_double(b, to_float(b, n));
	kir_val r = from_double(b, SUB(SUB(to_double(b, c), MUL(f, D(IG_TRIG_PIO2_HI))), MUL(f, D(IG_TRIG_PIO2_LO))));
	kir_val k = ADD(n, I(quarter)), z = MUL(r, r);
	kir_val p = FMA(F(IG_SIN_C2), z, F(IG_SIN_C1)), q = FMA(F(IG_COS_C2), z, F(IG_COS_C1));
	p = FMA(p, z, F(IG_SIN_C0));
	q = FMA(q, z, F(IG_COS_C0));
	p = FMA(MUL(p, z), r, r);
	q = FMA(MUL(q, z), z, FMA(F(-0.5f), z, F(1.0f)));
	kir_val y = SELECT(SAME(AND(k, I(1)), I(0)), p, q);
	y = of_bits(b, kb_op2(b, KIR_XOR, bits_of(b, y), kb_shift(b, KIR_SHL, AND(k, I(2)), 30)));
	return SELECT(LESS(ig_math_abs(b, x), F(IG_FLOAT_INF)), y, F(IG_FLOAT_NAN));
}

static kir_val log_double(struct kir_builder *b, kir_val x)
{
	kir_val i, m = to_double(b, split(b, x, &i)), s = DIV(SUB(m, D(1.0)), ADD(m, D(1.0))), z = MUL(s, s);
	kir_val p = D(1.0 / 15.0);
	for (int n = 13; n > 0; n -= 2)
		p = ADD(MUL(p, z), D(1.0 / n));
	return ADD(MUL(to_double(b, i), D(IG_LN2_DOUBLE)), MUL(ADD(s, s), p));
}

/* exp(t), t = y * log |x|, as ig_powf has it. */
static kir_val pow_magnitude(struct kir_builder *b, kir_val x, kir_val y)
{
	static const float poly[] = {IG_EXP_C6, IG_EXP_C5, IG_EXP_C4, IG_EXP_C3, IG_EXP_C2, 1.0f, 1.0f};
	kir_val t = MUL(to_double(b, y), log_double(b, x)), tf = from_double(b, t);
	kir_val c = FMAX(FMIN(tf, F(IG_EXP_MAX)), F(IG_EXP_MIN)), n = rne(b, MUL(c, F(IG_EXP_LOG2E)));
	kir_val r = from_double(b, SUB(t, MUL(to_double(b, to_float(b, n)), D(IG_LN2_DOUBLE))));
	r = FMAX(FMIN(r, F(0.36f)), F(-0.36f));
	kir_val p = polynomial(b, r, poly, IG_COUNTOF(poly));
	kir_val h = SUB(kb_shift(b, KIR_SHRU, ADD(n, I(256)), 1), I(128));
	kir_val v = MUL(MUL(p, pow2(b, h)), pow2(b, SUB(n, h)));
	return SELECT(SAME(tf, tf), v, tf);
}

kir_val ig_math_pow(struct kir_builder *b, kir_val x, kir_val y)
{
	kir_val a = ig_math_abs(b, x), whole = ig_math_rint(b, y), half = MUL(F(0.5f), y), zero = F(0.0f), inf = F(IG_FLOAT_INF);
	kir_val is_zero = SAME(a, zero), is_inf = SAME(a, inf);
	kir_val extreme = SELECT(LESS(y, zero), SELECT(is_zero, inf, zero), SELECT(is_zero, zero, inf));
	kir_val v = pow_magnitude(b, a, y);
	v = SELECT(is_zero, extreme, SELECT(is_inf, extreme, v));
	v = SELECT(SAME(a, F(1.0f)), F(1.0f), v);
	kir_val odd = SELECT(SAME(ig_math_rint(b, half), half), I(0), I(0x80000000u));
	kir_val negative = of_bits(b, kb_op2(b, KIR_XOR, bits_of(b, v), odd));
	kir_val fraction = SELECT(is_zero, v, SELECT(is_inf, v, F(IG_FLOAT_NAN)));
	kir_val minus = SELECT(SAME(whole, y), negative, fraction);
	v = SELECT(LESS(bits_of(b, x), I(0)), minus, v);
	v = SELECT(SAME(x, x), v, x);
	v = SELECT(SAME(y, y), v, y);
	v = SELECT(SAME(y, zero), F(1.0f), v);
	return SELECT(SAME(x, F(1.0f)), F(1.0f), v);
}

kir_val ig_math_maximum(struct kir_builder *b, kir_val x, kir_val y) { return SELECT(SAME(x, x), SELECT(SAME(y, y), FMAX(x, y), y), x); }
kir_val ig_math_minimum(struct kir_builder *b, kir_val x, kir_val y) { return SELECT(SAME(x, x), SELECT(SAME(y, y), FMIN(x, y), y), x); }

kir_val ig_math_unary(struct kir_builder *b, const struct ig_unary *u, kir_val x)
{
	switch (u->op) {
	case IG_OP_RELU:
	case IG_OP_RELU6:
	case IG_OP_CLIP: return ig_vec_clamp_f(b, x, u->lo, u->hi);
	case IG_OP_LEAKY_RELU: return ig_math_leaky_relu(b, x, u->alpha);
	case IG_OP_SIGMOID: return ig_math_sigmoid(b, x);
	case IG_OP_TANH: return ig_math_tanh(b, x);
	case IG_OP_HARD_SWISH: return ig_math_hard_swish(b, x);
	case IG_OP_HARD_SIGMOID: return ig_vec_clamp_f(b, ADD(MUL(x, F(u->alpha)), F(u->beta)), 0, 1);
	case IG_OP_ELU: return elu(b, x, x, u->alpha);
	case IG_OP_SELU: return MUL(F(u->beta), elu(b, x, x, u->alpha));
	case IG_OP_CELU: return elu(b, x, DIV(x, F(u->alpha)), u->alpha);
	case IG_OP_SOFTPLUS: return softplus(b, x);
	case IG_OP_SOFTSIGN: return DIV(x, ADD(F(1.0f), ig_math_abs(b, x)));
	case IG_OP_THRESHOLDED_RELU: return SELECT(LESS(F(u->alpha), x), x, SELECT(SAME(x, x), F(0.0f), x));
	case IG_OP_MISH: return mish(b, x);
	case IG_OP_GELU: return u->tanh ? gelu_tanh(b, x) : gelu(b, x);
	case IG_OP_ERF: return ig_math_erf(b, x);
	case IG_OP_EXP: return ig_math_exp(b, x);
	case IG_OP_LOG: return ig_math_log(b, x);
	case IG_OP_SQRT: return ig_math_sqrt(b, x);
	case IG_OP_RECIPROCAL: return DIV(F(1.0f), x);
	case IG_OP_ABS: return ig_math_abs(b, x);
	case IG_OP_NEG: return ig_math_neg(b, x);
	case IG_OP_SIGN: return ig_math_sign(b, x);
	case IG_OP_FLOOR: return ig_math_floor(b, x);
	case IG_OP_CEIL: return ig_math_ceil(b, x);
	case IG_OP_ROUND: return ig_math_rint(b, x);
	case IG_OP_SIN: return trig(b, x, 0);
	case IG_OP_COS: return trig(b, x, 1);
	default: IG_BUG("%s is no function of a float", ig_ops[u->op].name);
	}
}
