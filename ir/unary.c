/* Functions of one number (unary.h; docs/numerics.md). */
#include "ir/unary.h"

#include "ir/detmath.h"
#include "runtime/qfunc.h"

#include <math.h>
#include <string.h>

struct ig_unary ig_unary_of(const struct ig_node *n)
{
	struct ig_unary u = {.op = n->op};
	double alpha = 0, beta = 0;
	switch (n->op) {
	case IG_OP_LEAKY_RELU: alpha = 0.01; break;
	case IG_OP_HARD_SIGMOID: alpha = 0.2, beta = 0.5; break;
	case IG_OP_SELU: alpha = 1.67326319217681884765625, beta = 1.05070102214813232421875; break;
	case IG_OP_ELU:
	case IG_OP_CELU:
	case IG_OP_THRESHOLDED_RELU: alpha = 1; break;
	default: break;
	}
	u.alpha = (float)ig_attr_float(n, IG_A_ALPHA, alpha);
	u.beta = (float)ig_attr_float(n, n->op == IG_OP_SELU ? IG_A_GAMMA : IG_A_BETA, beta);
	u.tanh = n->op == IG_OP_GELU && strcmp(ig_attr_str(n, IG_A_APPROXIMATE, "none"), "tanh") == 0;
	ig_act_bounds(n, &u.lo, &u.hi);
	return u;
}

#define EACH(expression)                                                                           \
	for (int64_t i = 0; i < n; i++) {                                                              \
		float x = in[i];                                                                           \
		out[i] = (expression);                                                                     \
	}                                                                                              \
	break

void ig_unary_floats(const struct ig_unary *u, const float *in, float *out, int64_t n)
{
	float lo = (float)u->lo, hi = (float)u->hi, alpha = u->alpha, beta = u->beta;
	switch (u->op) {
	case IG_OP_RELU:
	case IG_OP_RELU6:
	case IG_OP_CLIP: EACH(ig_clampf(x, lo, hi));
	case IG_OP_LEAKY_RELU: EACH(ig_leaky_reluf(x, alpha));
	case IG_OP_SIGMOID: EACH(ig_sigmoidf(x));
	case IG_OP_TANH: EACH(ig_tanhf(x));
	case IG_OP_HARD_SWISH: EACH(ig_hard_swishf(x));
	case IG_OP_HARD_SIGMOID: EACH(ig_hard_sigmoidf(x, alpha, beta));
	case IG_OP_ELU: EACH(ig_eluf(x, alpha));
	case IG_OP_SELU: EACH(ig_seluf(x, alpha, beta));
	case IG_OP_CELU: EACH(ig_celuf(x, alpha));
	case IG_OP_SOFTPLUS: EACH(ig_softplusf(x));
	case IG_OP_SOFTSIGN: EACH(ig_softsignf(x));
	case IG_OP_THRESHOLDED_RELU: EACH(ig_thresholded_reluf(x, alpha));
	case IG_OP_MISH: EACH(ig_mishf(x));
	case IG_OP_GELU: EACH(u->tanh ? ig_gelu_tanhf(x) : ig_geluf(x));
	case IG_OP_ERF: EACH(ig_erff(x));
	case IG_OP_EXP: EACH(ig_expf(x));
	case IG_OP_LOG: EACH(ig_logf(x));
	case IG_OP_SQRT: EACH(ig_sqrtf(x));
	case IG_OP_RECIPROCAL: EACH(ig_reciprocalf(x));
	case IG_OP_ABS: EACH(ig_absf(x));
	case IG_OP_NEG: EACH(ig_negf(x));
	case IG_OP_SIGN: EACH(ig_signf(x));
	case IG_OP_FLOOR: EACH(ig_floorf(x));
	case IG_OP_CEIL: EACH(ig_ceilf(x));
	case IG_OP_ROUND: EACH(ig_rintf(x));
	case IG_OP_SIN: EACH(ig_sinf(x));
	case IG_OP_COS: EACH(ig_cosf(x));
	default: IG_BUG("%s is no function of a float", ig_ops[u->op].name);
	}
}

static double clamp(double x, double lo, double hi)
{
	double t = lo > x ? lo : x;
	return hi < t ? hi : t;
}

static double softplus(double x) { return (x > 0 ? x : 0) + ig_det_log1p(ig_det_exp(x > 0 ? -x : x)); }

static double gelu(double x, bool by_tanh)
{
	if (by_tanh)
		return 0.5 * x * (1 + ig_det_tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
	return 0.5 * x * (1 + ig_det_erf(x * 0.70710678118654752440));
}

double ig_unary_double(const struct ig_unary *u, double x)
{
	double alpha = (double)u->alpha, beta = (double)u->beta;
	switch (u->op) {
	case IG_OP_RELU:
	case IG_OP_RELU6:
	case IG_OP_CLIP: return clamp(x, u->lo, u->hi);
	case IG_OP_LEAKY_RELU: return x > 0 ? x : x * alpha;
	case IG_OP_SIGMOID: return ig_det_sigmoid(x);
	case IG_OP_TANH: return ig_det_tanh(x);
	case IG_OP_HARD_SWISH: return x * (clamp(x + 3, 0, 6) / 6);
	case IG_OP_HARD_SIGMOID: return clamp(x * alpha + beta, 0, 1);
	case IG_OP_ELU: return x > 0 ? x : alpha * ig_det_expm1(x);
	case IG_OP_SELU: return beta * (x > 0 ? x : alpha * ig_det_expm1(x));
	case IG_OP_CELU: return x > 0 ? x : alpha * ig_det_expm1(x / alpha);
	case IG_OP_SOFTPLUS: return softplus(x);
	case IG_OP_SOFTSIGN: return x / (1 + fabs(x));
	case IG_OP_THRESHOLDED_RELU: return x > alpha ? x : x == x ? 0 : x;
	case IG_OP_MISH: return x * ig_det_tanh(softplus(x));
	case IG_OP_GELU: return gelu(x, u->tanh);
	case IG_OP_ERF: return ig_det_erf(x);
	case IG_OP_EXP: return ig_det_exp(x);
	case IG_OP_LOG: return ig_det_log(x);
	case IG_OP_SQRT: return ig_det_sqrt(x);
	case IG_OP_RECIPROCAL: return 1 / x;
	case IG_OP_ABS: return fabs(x);
	case IG_OP_NEG: return -x;
	case IG_OP_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
	case IG_OP_FLOOR: return ig_det_floor(x);
	case IG_OP_CEIL: return -ig_det_floor(-x);
	case IG_OP_ROUND: return ig_det_rint(x);
	case IG_OP_SIN: return ig_det_sin(x);
	case IG_OP_COS: return ig_det_cos(x);
	default: IG_BUG("%s is no function of a number", ig_ops[u->op].name);
	}
}

/* The bounds of clip as integers: those between them, whatever the type. */
static int64_t clamp_int(int64_t x, bool is_signed, double lo, double hi)
{
	double v = is_signed ? (double)x : (double)(uint64_t)x;
	if (v < lo)
		return is_signed ? (int64_t)ceil(lo) : (int64_t)(uint64_t)ceil(lo);
	if (v > hi)
		return hi < 0 && !is_signed ? 0 : (int64_t)floor(hi);
	return x;
}

int64_t ig_unary_int(const struct ig_unary *u, int64_t x, bool is_signed)
{
	bool negative = is_signed && x < 0;
	switch (u->op) {
	case IG_OP_RELU:
	case IG_OP_RELU6:
	case IG_OP_CLIP: return clamp_int(x, is_signed, u->lo, u->hi);
	case IG_OP_ABS: return negative ? (int64_t)(0 - (uint64_t)x) : x;
	case IG_OP_NEG: return (int64_t)(0 - (uint64_t)x);
	case IG_OP_SIGN: return negative ? -1 : x != 0;
	default: IG_BUG("%s is no function of an integer", ig_ops[u->op].name);
	}
}
