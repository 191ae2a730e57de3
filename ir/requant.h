/* The constants of quantized arithmetic, computed from types and attributes in this one place (docs/numerics.md): the interpreter evaluates with
   them and lowering emits them. */
#ifndef IG_IR_REQUANT_H
#define IG_IR_REQUANT_H
#include "ir/graph.h"

/* Requantization of an int8 COMPUTE node: A (int32, bias included unless bias != NULL) of output channel c becomes
     quantized result, float mode:  clamp(rne([A + bias[c]] * m[c] [+ (float)i(r) * residual]) + zp, lo, hi)
     quantized result, fixed mode:  clamp(ig_requant_fixed(A, mult[c], shift[c]) [+ ig_requant_fixed(i(r), residual_mult, residual_shift)] + zp, lo, hi)
     float32 result (m = s_x * s_w): min(max([A + bias[c]] * m[c] [+ (float)i(r) * residual, or + r when r is float32], flo), fhi)
   with i(r) = r_q - residual_zp. Each operation rounds once to float32. */
struct ig_requant {
	int64_t n;          /* output channels */
	bool float_result, fixed, residual_float;
	const float *m;     /* n; float modes */
	const float *bias;  /* n: b / (s_x * s_w[c]) in bias_mode float32 (A is then without bias); else NULL */
	const int32_t *mult, *shift; /* n; fixed mode */
	int32_t zp, lo, hi; /* quantized result: zero point and the fused activation's bounds within qmin..qmax */
	float flo, fhi;     /* float32 result: the fused activation's bounds, infinite when absent */
	float residual;     /* *_add: s_r / s_y, or s_r for a float32 result */
	int32_t residual_zp, residual_mult, residual_shift;
};
/* Arrays are of arena a. False after a diagnostic that names the layer: parameters absent or factors outside float32's safe range. */
bool ig_requant_of(const struct ig_graph *g, const struct ig_node *n, struct ig_arena *a, struct ig_requant *r, struct ig_diag *d);

/* The fused activation's bounds of a node in the values of `out`: max(qmin, quantize(lo)), min(qmax, quantize(hi)). */
void ig_act_clamp(const struct ig_node *n, const struct ig_qparam *out, int32_t *lo, int32_t *hi);

/* add, sub: clamp(rne((float)i(a) * fa +- (float)i(b) * fb) + zp, lo, hi); mul: clamp(rne((float)(i(a) * i(b)) * fa) + zp, lo, hi).
   With early_zero: N zp is N and c stands in for the zero points: add: clamp(rne(fma((float)(a - N), fa, fma((float)(b - N), fb, c))) + N, lo, hi), a and b
   with their zero points; mul: clamp(rne((float)(i(a) * i(b)) * fa + c) + N, lo, hi). */
struct ig_eltwise {
	float fa, fb, c;
	bool early;
	int32_t za, zb, zp, lo, hi;
};
bool ig_eltwise_of(const struct ig_graph *g, const struct ig_node *n, struct ig_eltwise *e, struct ig_diag *d);

/* Average pools: clamp(rne((float)sum i(x) * factor) + zp_y, qmin, qmax), factor = s_x / (s_y * (float)taps). */
float ig_pool_factor(float s_x, float s_y, int64_t taps);
/* Taps counted by an avg_pool2d or global_avg_pool window at output (oy, ox): those inside the input, or with count_include_pad inside the padded input. */
int64_t ig_pool_taps(const struct ig_conv_geom *c, bool include_pad, int64_t oy, int64_t ox);

/* rne((double)b / ((double)s_x * (double)s_w)); false when it does not fit int32. */
bool ig_bias_quantize(float b, float s_x, float s_w, int32_t *q);
/* Multiplier and shift of a real factor for requantize: fixed (TFLite's QuantizeMultiplier). */
void ig_fixed_multiplier(double real, int32_t *mult, int32_t *shift);
/* batch_norm of one channel as y = fma(x, *a, *b): a = gamma / sqrt(var + eps), b = beta - mean * a, in double (round once where they are stored). */
void ig_batch_norm_factors(float gamma, float beta, float mean, float var, double eps, double *a, double *b);
#endif
