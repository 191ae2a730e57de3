/* The elementary functions of runtime/qmath.h as kernel IR: operation by operation the same, so that every engine gives the interpreter's bits. */
#include "codegen/lower.h"
#include "runtime/qmath.h"

static kir_val cf(struct kir_builder *b, kir_val like, float v) { return kb_const_f(b, kb_type(b, like).lanes, v); }
static struct kir_type ints(const struct kir_builder *b, kir_val like) { return KIR_T(KIR_I32, kb_type(b, like).lanes); }
static kir_val ci(struct kir_builder *b, kir_val like, int64_t v) { return kb_const_i(b, ints(b, like), v); }
static kir_val to_bits(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, ints(b, x), x); }
static kir_val of_bits(struct kir_builder *b, kir_val x) { return kb_op1(b, KIR_BITCAST, KIR_T(KIR_F32, kb_type(b, x).lanes), x); }

/* 2^n as a float: n + 127 in the exponent's place. */
static kir_val pow2(struct kir_builder *b, kir_val n)
{
	return of_bits(b, kb_shift(b, KIR_SHL, kb_op2(b, KIR_ADD, n, ci(b, n, 127)), 23));
}

kir_val ig_math_exp(struct kir_builder *b, kir_val x)
{
	static const float poly[] = {IG_EXP_C5, IG_EXP_C4, IG_EXP_C3, IG_EXP_C2, 1.0f, 1.0f};
	kir_val c = kb_op2(b, KIR_FMAX, kb_op2(b, KIR_FMIN, x, cf(b, x, IG_EXP_MAX)), cf(b, x, IG_EXP_MIN));
	kir_val n = kb_op1(b, KIR_RNE, ints(b, x), kb_op2(b, KIR_MUL, c, cf(b, x, IG_EXP_LOG2E)));
	kir_val f = kb_op1(b, KIR_ITOF, kb_type(b, x), n);
	kir_val r = kb_fma(b, f, cf(b, x, -IG_EXP_LN2_HI), c);
	r = kb_fma(b, f, cf(b, x, -IG_EXP_LN2_LO), r);
	kir_val p = cf(b, x, IG_EXP_C6);
	for (size_t i = 0; i < IG_COUNTOF(poly); i++)
		p = kb_fma(b, p, r, cf(b, x, poly[i]));
	kir_val h = kb_shift(b, KIR_SHRS, n, 1);
	kir_val y = kb_op2(b, KIR_MUL, kb_op2(b, KIR_MUL, p, pow2(b, h)), pow2(b, kb_op2(b, KIR_SUB, n, h)));
	return kb_select(b, kb_op2(b, KIR_CMPEQ, x, x), y, x);
}

kir_val ig_math_sigmoid(struct kir_builder *b, kir_val x)
{
	kir_val minus = of_bits(b, kb_op2(b, KIR_XOR, to_bits(b, x), ci(b, x, (int32_t)0x80000000u))), one = cf(b, x, 1.0f);
	return kb_op2(b, KIR_DIV, one, kb_op2(b, KIR_ADD, one, ig_math_exp(b, minus)));
}

kir_val ig_math_tanh(struct kir_builder *b, kir_val x)
{
	static const float poly[] = {IG_TANH_C3, IG_TANH_C2, IG_TANH_C1, IG_TANH_C0};
	kir_val bits = to_bits(b, x), one = cf(b, x, 1.0f);
	kir_val sign = kb_op2(b, KIR_AND, bits, ci(b, x, (int32_t)0x80000000u));
	kir_val a = of_bits(b, kb_op2(b, KIR_AND, bits, ci(b, x, 0x7fffffff)));
	kir_val z = kb_op2(b, KIR_MUL, x, x), p = cf(b, x, IG_TANH_C4);
	for (size_t i = 0; i < IG_COUNTOF(poly); i++)
		p = kb_fma(b, p, z, cf(b, x, poly[i]));
	kir_val small = kb_fma(b, kb_op2(b, KIR_MUL, p, z), x, x);
	kir_val e = ig_math_exp(b, kb_op2(b, KIR_ADD, a, a));
	kir_val t = kb_op2(b, KIR_SUB, one, kb_op2(b, KIR_DIV, cf(b, x, 2.0f), kb_op2(b, KIR_ADD, e, one)));
	kir_val big = of_bits(b, kb_op2(b, KIR_OR, to_bits(b, t), sign));
	return kb_select(b, kb_op2(b, KIR_CMPLT, a, cf(b, x, IG_TANH_SMALL)), small, big);
}

kir_val ig_math_hard_swish(struct kir_builder *b, kir_val x)
{
	kir_val t = ig_vec_clamp_f(b, kb_op2(b, KIR_ADD, x, cf(b, x, 3.0f)), 0, 6);
	return kb_op2(b, KIR_MUL, x, kb_op2(b, KIR_DIV, t, cf(b, x, 6.0f)));
}

kir_val ig_math_leaky_relu(struct kir_builder *b, kir_val x, float alpha)
{
	kir_val y = kb_op2(b, KIR_MUL, x, cf(b, x, alpha));
	return kb_select(b, kb_op2(b, KIR_CMPLT, cf(b, x, 0.0f), x), x, y);
}
