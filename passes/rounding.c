#include "passes/rounding.h"

#include "ir/detmath.h"
#include "ir/eval.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = IG_ROUNDING_LANES, HALF = 8, TILE = IG_ROUNDING_TILE, BATCH = 128 };

/* The paper's constants, and AIMET's: the stretched sigmoid h = clip(sigmoid(v) * 1.2 - 0.1, 0, 1), beta from 20 down to 2 after a fifth of the iterations. Theirs for
   lambda, 0.01, is against errors as large as the outputs happen to be; here those are in units of what rounding one weight the other way adds. The rate is three
   times theirs for a tenth of their iterations. */
#define STRETCH 1.2f
#define BELOW (-0.1f)
#define WARM 0.2
#define BETA_FIRST 20.0
#define BETA_LAST 2.0
#define LAMBDA 0.1f
#define RATE 0.03f
#define MOMENT1 0.9f
#define MOMENT2 0.999f

/* Eight numbers at a time, by operations that round each for itself: the compiler's width changes no bit. */
typedef float vec __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(32), aligned(4), may_alias));

struct learner {
	const struct ig_rounding *r;
	int64_t batch;
	float *v, *m1, *m2;  /* [per][LANES]: what is learned, and Adam's moments */
	float *sigmoid, *w;  /* [per][LANES]: of the present iteration */
	float *grad;         /* [per][LANES] */
	float *error;        /* [batch][LANES] */
	float norm[LANES];   /* brings the error's gradient to the size of one weight's */
};

/* y[rows][LANES] = x * w, each sum in the order of k. */
IG_CLONES static void multiply(float *restrict y, const float *restrict x, const float *restrict w, int64_t rows, int64_t per)
{
	for (int64_t p = 0; p < rows; p += TILE) {
		vec a[TILE][2] = {0};
		const float *at = x + p * per;
		for (int64_t k = 0; k < per; k++) {
			vec w0 = *(const vec *)(w + k * LANES), w1 = *(const vec *)(w + k * LANES + HALF);
			for (int t = 0; t < TILE; t++) {
				a[t][0] += at[t * per + k] * w0;
				a[t][1] += at[t * per + k] * w1;
			}
		}
		for (int t = 0; t < TILE; t++) {
			*(vec *)(y + (p + t) * LANES) = a[t][0];
			*(vec *)(y + (p + t) * LANES + HALF) = a[t][1];
		}
	}
}

/* grad[per][LANES] = x^T * e, each sum in the order of the rows. */
IG_CLONES static void multiply_back(float *restrict grad, const float *restrict x, const float *restrict e, int64_t rows, int64_t per)
{
	for (int64_t k = 0; k < per; k += TILE) {
		vec a[TILE][2] = {0};
		int n = per - k < TILE ? (int)(per - k) : TILE;
		for (int64_t p = 0; p < rows; p++) {
			vec e0 = *(const vec *)(e + p * LANES), e1 = *(const vec *)(e + p * LANES + HALF);
			const float *at = x + p * per + k;
			if (n == TILE) {
				for (int t = 0; t < TILE; t++) {
					a[t][0] += at[t] * e0;
					a[t][1] += at[t] * e1;
				}
			} else {
				for (int t = 0; t < n; t++) {
					a[t][0] += at[t] * e0;
					a[t][1] += at[t] * e1;
				}
			}
		}
		for (int t = 0; t < n; t++) {
			*(vec *)(grad + (k + t) * LANES) = a[t][0];
			*(vec *)(grad + (k + t) * LANES + HALF) = a[t][1];
		}
	}
}

/* 2^t for |t| <= 126, good to 1e-6: a gradient needs no more. By pointers, since no ABI passes such vectors everywhere. */
#define EXP2(t)                                                                                                                                      \
	do {                                                                                                                                             \
		vec n_ = ((t) + 12582912.0f) - 12582912.0f, f_ = (t)-n_;                                                                                     \
		vec p_ = ((((0.0013333558f * f_ + 0.0096181291f) * f_ + 0.0555041087f) * f_ + 0.2402265070f) * f_ + 0.6931471806f) * f_ + 1.0f;              \
		(t) = p_ * (vec)((__builtin_convertvector(n_, ivec) + 127) << 23);                                                                           \
	} while (0)
#define CLAMP(t, lo, hi)                                                                                                                             \
	do {                                                                                                                                             \
		ivec low_ = (t) < (lo), high_ = (t) > (hi);                                                                                                  \
		vec lo_ = (vec){0} + (lo), hi_ = (vec){0} + (hi);                                                                                            \
		(t) = (vec)(((ivec)(t) & ~(low_ | high_)) | ((ivec)lo_ & low_) | ((ivec)hi_ & high_));                                                       \
	} while (0)

/* The soft weights: between rounded down and rounded up. */
IG_CLONES static void soften(struct learner *l)
{
	const struct ig_rounding *r = l->r;
	for (int64_t i = 0; i < r->per * LANES; i += HALF) {
		vec t = *(const vec *)(l->v + i) * -1.442695041f, h;
		CLAMP(t, -126.0f, 126.0f);
		EXP2(t);
		t = 1.0f / (1.0f + t);
		h = t * STRETCH + BELOW;
		CLAMP(h, 0.0f, 1.0f);
		*(vec *)(l->sigmoid + i) = t;
		*(vec *)(l->w + i) = *(const vec *)(r->base + i) + h * *(const vec *)(r->step + i);
	}
}

/* The gradient of the regularizer sum(1 - |2h - 1|^beta), that of the error, and Adam's step. */
IG_CLONES static void descend(struct learner *l, float beta, float lambda, float rate1, float scale2)
{
	const struct ig_rounding *r = l->r;
	for (int64_t i = 0; i < r->per * LANES; i += HALF) {
		vec s = *(const vec *)(l->sigmoid + i), h = s * STRETCH + BELOW, m1 = *(const vec *)(l->m1 + i), m2 = *(const vec *)(l->m2 + i);
		ivec inside = (h > 0.0f) & (h < 1.0f);
		vec u = h * 2.0f - 1.0f, size = (vec)((ivec)u & 0x7fffffff), norm = *(const vec *)(l->norm + i % LANES);
		CLAMP(size, 1e-6f, 1.0f);
		/* |u|^(beta - 1) by a logarithm good to 1e-3 */
		ivec bits = (ivec)size;
		vec e = __builtin_convertvector((bits >> 23) - 127, vec), q = (vec)((bits & 0x7fffff) | 0x3f800000) - 1.0f;
		vec t = (e + q * (1.4142f + q * (-0.5747f + q * 0.1605f))) * (beta - 1.0f);
		CLAMP(t, -126.0f, 126.0f);
		EXP2(t);
		t = (vec)((ivec)t | ((ivec)u & (int32_t)0x80000000));
		vec g = *(const vec *)(l->grad + i) * *(const vec *)(r->step + i) * norm - (2.0f * lambda * beta) * t;
		g = (vec)((ivec)(g * STRETCH * s * (1.0f - s)) & inside);
		m1 = m1 * MOMENT1 + g * (1.0f - MOMENT1);
		m2 = m2 * MOMENT2 + g * g * (1.0f - MOMENT2);
		*(vec *)(l->m1 + i) = m1;
		*(vec *)(l->m2 + i) = m2;
		/* 1 / sqrt by Newton's iteration from the bits */
		vec y = m2 * scale2 + 1e-16f, half = y * 0.5f, z = (vec)(0x5f375a86 - ((ivec)y >> 1));
		z = z * (1.5f - half * z * z);
		z = z * (1.5f - half * z * z);
		*(vec *)(l->v + i) = *(const vec *)(l->v + i) - rate1 * m1 * z;
	}
}

static float clamped(const struct ig_rounding *r, float x) { return x < r->lo ? r->lo : x > r->hi ? r->hi : x; }

/* From outputs to their errors' gradient, in place. */
static void errors(const struct learner *l, float *y, const float *target)
{
	const struct ig_rounding *r = l->r;
	float scale = 2.0f / (float)l->batch;
	for (int64_t i = 0; i < l->batch * LANES; i++) {
		float z = y[i] + r->bias[i % LANES], e = clamped(r, z) - clamped(r, target[i]);
		y[i] = z < r->lo || z > r->hi ? 0 : e * scale;
	}
}

/* v so that the soft weight is the float one: the inverse of the stretched sigmoid, by bisection. */
static float start_of(float part)
{
	double want = ((double)part - (double)BELOW) / (double)STRETCH, lo = -3, hi = 3;
	for (int i = 0; i < 30; i++) {
		double mid = (lo + hi) / 2;
		*(1.0 / (1.0 + ig_det_exp(-mid)) < want ? &lo : &hi) = mid;
	}
	return (float)lo;
}

static void start(struct learner *l)
{
	const struct ig_rounding *r = l->r;
	size_t n = (size_t)(r->per * LANES);
	float table[257];
	float **all[] = {&l->v, &l->m1, &l->m2, &l->sigmoid, &l->w, &l->grad};
	double size = 0;
	for (size_t i = 0; i < IG_COUNTOF(all); i++)
		*all[i] = ig_xcalloc(n + 1, sizeof(float));
	l->batch = r->rows < BATCH ? r->rows : BATCH;
	l->error = ig_xcalloc((size_t)(l->batch * LANES) + 1, sizeof(float));
	for (int i = 0; i <= 256; i++)
		table[i] = start_of((float)i / 256);
	for (size_t i = 0; i < n; i++) {
		float at = r->part[i] * 256;
		int k = at < 255 ? (int)at : 255;
		l->v[i] = table[k] + (table[k + 1] - table[k]) * (at - (float)k);
	}
	for (int64_t i = 0; i < r->rows * r->per; i++)
		size += (double)r->x[i] * (double)r->x[i];
	size /= (double)(r->rows * r->per);
	for (int j = 0; j < LANES; j++) {
		double steps = 0;
		for (int64_t k = 0; k < r->per; k++)
			steps += (double)r->step[k * LANES + j] * (double)r->step[k * LANES + j];
		steps = steps / (double)r->per * size;
		l->norm[j] = steps > 0 ? (float)(1 / steps) : 0;
	}
}

static void learn(struct learner *l)
{
	const struct ig_rounding *r = l->r;
	double power1 = 1, power2 = 1, warm = WARM * r->iterations;
	int64_t batches = r->rows / l->batch;
	for (int t = 0; t < r->iterations; t++) {
		int64_t row = t % batches * l->batch;
		double gone = (t - warm) / (r->iterations - warm);
		power1 *= (double)MOMENT1;
		power2 *= (double)MOMENT2;
		soften(l);
		multiply(l->error, r->x + row * r->per, l->w, l->batch, r->per);
		errors(l, l->error, r->target + row * LANES);
		multiply_back(l->grad, r->x + row * r->per, l->error, l->batch, r->per);
		double beta = BETA_LAST + (BETA_FIRST - BETA_LAST) * (gone > 0 ? 1 - gone : 1);
		descend(l, (float)beta, gone < 0 ? 0 : LAMBDA, (float)((double)RATE / (1 - power1)), (float)(1 / (1 - power2)));
	}
}

void ig_rounding_error(const struct ig_rounding *r, const uint8_t *up, double error[LANES])
{
	float *w = ig_xcalloc((size_t)(r->per * LANES) + 1, sizeof *w), y[TILE * LANES];
	for (int64_t i = 0; i < r->per * LANES; i++)
		w[i] = up[i] ? r->base[i] + r->step[i] : r->base[i];
	memset(error, 0, LANES * sizeof *error);
	for (int64_t p = 0; p < r->rows; p += TILE) {
		multiply(y, r->x + p * r->per, w, TILE, r->per);
		for (int i = 0; i < TILE * LANES; i++) {
			double e = (double)clamped(r, y[i] + r->bias[i % LANES]) - (double)clamped(r, r->target[p * LANES + i]);
			error[i % LANES] += e * e;
		}
	}
	free(w);
}

void ig_learn_rounding(const struct ig_rounding *r, uint8_t *up)
{
	struct learner l = {.r = r};
	double learned[LANES], now[LANES];
	uint8_t *to = ig_xcalloc((size_t)(r->per * LANES) + 1, 1);
	start(&l);
	learn(&l);
	for (int64_t i = 0; i < r->per * LANES; i++)
		to[i] = r->step[i] > 0 && l.v[i] >= 0;
	ig_rounding_error(r, to, learned);
	ig_rounding_error(r, up, now);
	for (int64_t i = 0; i < r->per * LANES; i++)
		up[i] = learned[i % LANES] < now[i % LANES] ? to[i] : up[i];
	float *all[] = {l.v, l.m1, l.m2, l.sigmoid, l.w, l.grad, l.error};
	for (size_t i = 0; i < IG_COUNTOF(all); i++)
		free(all[i]);
	free(to);
}
