/* Pools. Max pooling of quantized values compares the bytes' values; averages sum i(x) in int32 and scale once. */
#include "ir/eval.h"
#include "runtime/qmath.h"

#include <string.h>

/* The taps of a window along one axis that lie inside the input: first .. last by step. */
struct span {
	int64_t first, end, step;
};

static struct span window(int64_t in, int64_t start, int64_t k, int64_t dil)
{
	struct span s = {start, start + (k - 1) * dil + 1, dil};
	while (s.first < 0)
		s.first += dil;
	if (s.end > in)
		s.end = in;
	return s;
}

static float max_float(const float *x, int64_t iw, struct span sy, struct span sx)
{
	float m = x[sy.first * iw + sx.first];
	for (int64_t y = sy.first; y < sy.end; y += sy.step)
		for (int64_t i = sx.first; i < sx.end; i += sx.step)
			m = ig_fmax(x[y * iw + i], m);
	return m;
}

static uint8_t max_byte(const uint8_t *x, bool is_signed, int64_t iw, struct span sy, struct span sx)
{
	int flip = is_signed ? 0x80 : 0, m = 0; /* s8 order is u8 order with the sign bit flipped */
	for (int64_t y = sy.first; y < sy.end; y += sy.step) {
		for (int64_t i = sx.first; i < sx.end; i += sx.step) {
			int v = x[y * iw + i] ^ flip;
			m = v > m ? v : m;
		}
	}
	return (uint8_t)(m ^ flip);
}

void ig_eval_max_pool2d(struct ig_eval *e)
{
	struct ig_conv_geom c;
	ig_conv_geometry(e->g, e->n, &c);
	enum ig_dtype dt = e->out->type.dtype;
	size_t at = 0;
	for (int64_t plane = 0; plane < c.n * c.ic; plane++) {
		int64_t base = plane * c.ih * c.iw;
		for (int64_t oy = 0; oy < c.oh; oy++) {
			struct span sy = window(c.ih, oy * c.sh - c.pt, c.kh, c.dh);
			for (int64_t ox = 0; ox < c.ow; ox++, at++) {
				struct span sx = window(c.iw, ox * c.sw - c.pl, c.kw, c.dw);
				if (dt == IG_DT_F32)
					((float *)e->out->data)[at] = max_float((const float *)e->in[0]->data + base, c.iw, sy, sx);
				else
					((uint8_t *)e->out->data)[at] = max_byte((const uint8_t *)e->in[0]->data + base, dt == IG_DT_S8, c.iw, sy, sx);
			}
		}
	}
}

void ig_eval_global_max_pool(struct ig_eval *e) { ig_eval_max_pool2d(e); }

static float sum_float(const float *x, int64_t iw, struct span sy, struct span sx)
{
	float s = 0.0f;
	for (int64_t y = sy.first; y < sy.end; y++)
		for (int64_t i = sx.first; i < sx.end; i++)
			s = s + x[y * iw + i];
	return s;
}

static int32_t sum_int(const struct ig_eval *e, int64_t base, int64_t iw, struct span sy, struct span sx)
{
	int32_t s = 0; /* at most 2^22 taps of 9 bits */
	for (int64_t y = sy.first; y < sy.end; y++)
		for (int64_t i = sx.first; i < sx.end; i++)
			s += ig_eval_int(e->in[0]->data, ig_eval_q(e, 0), base + y * iw + i);
	return s;
}

static void average(struct ig_eval *e)
{
	struct ig_conv_geom c;
	bool include_pad = ig_attr_int(e->n, IG_A_COUNT_INCLUDE_PAD, 0) != 0;
	const struct ig_qparam *x = ig_eval_q(e, 0), *y = e->qy;
	ig_conv_geometry(e->g, e->n, &c);
	size_t at = 0;
	for (int64_t plane = 0; plane < c.n * c.ic; plane++) {
		int64_t base = plane * c.ih * c.iw;
		for (int64_t oy = 0; oy < c.oh; oy++) {
			struct span sy = window(c.ih, oy * c.sh - c.pt, c.kh, 1);
			for (int64_t ox = 0; ox < c.ow; ox++, at++) {
				struct span sx = window(c.iw, ox * c.sw - c.pl, c.kw, 1);
				int64_t taps = ig_pool_taps(&c, include_pad, oy, ox);
				if (!y) {
					((float *)e->out->data)[at] = sum_float((const float *)e->in[0]->data + base, c.iw, sy, sx) / (float)taps;
					continue;
				}
				float factor = ig_pool_factor(x->scale[0], y->scale[0], taps);
				int32_t sum = sum_int(e, base, c.iw, sy, sx);
				((uint8_t *)e->out->data)[at] = (uint8_t)ig_requant(sum, factor, y->zero_point[0], y->qmin, y->qmax);
			}
		}
	}
}

void ig_eval_avg_pool2d(struct ig_eval *e) { average(e); }
void ig_eval_global_avg_pool(struct ig_eval *e) { average(e); }
