/* Normalizations over lines of float32: layer_norm, instance_norm, group_norm; log_softmax; lrn. */
#include "ir/eval.h"
#include "ir/eval_line.h"
#include "runtime/qfunc.h"

/* y = (x - mean) / sqrt(var + eps) over a line that lies together. The variance is the mean of squares, summed as the mean is. */
static void normalize_line(const float *x, float *y, int64_t n, float eps)
{
	float mean = ig_line_reduce(IG_OP_REDUCE_MEAN, x, n), part[16] = {0.0f};
	for (int64_t i = 0; i < n; i++) {
		y[i] = x[i] - mean;
		part[i % 16] = ig_fmaf(y[i], y[i], part[i % 16]);
	}
	float var = ig_reduce_add16(part) / (float)n, inv = 1.0f / ig_sqrtf(var + eps);
	for (int64_t i = 0; i < n; i++)
		y[i] = y[i] * inv;
}

void ig_eval_layer_norm(struct ig_eval *e)
{
	const struct ig_type *t = &e->out->type;
	int64_t axis = ig_attr_int(e->n, IG_A_AXIS, t->rank - 1), n = 1, count = ig_elems(t);
	float eps = (float)ig_attr_float(e->n, IG_A_EPS, 1e-5);
	for (int64_t i = axis; i < t->rank; i++)
		n *= t->dim[i];
	const float *w = e->in[1]->data, *b = e->n->n_in > 2 ? (const float *)e->in[2]->data : NULL;
	for (int64_t at = 0; at < count; at += n) {
		float *y = (float *)e->out->data + at;
		normalize_line((const float *)e->in[0]->data + at, y, n, eps);
		for (int64_t i = 0; i < n; i++)
			y[i] = b ? ig_fmaf(y[i], w[i], b[i]) : y[i] * w[i];
	}
}

/* Groups of channels that lie together; weight and bias for each channel. */
static void group_norm(struct ig_eval *e, int64_t groups)
{
	const struct ig_type *t = &e->out->type;
	struct ig_axis_view v = ig_axis_view(t, 1);
	int64_t per = v.extent / groups, n = per * v.inner;
	float eps = (float)ig_attr_float(e->n, IG_A_EPS, 1e-5);
	const float *w = e->in[1]->data, *b = e->in[2]->data;
	for (int64_t line = 0; line < v.outer * groups; line++) {
		float *y = (float *)e->out->data + line * n;
		normalize_line((const float *)e->in[0]->data + line * n, y, n, eps);
		for (int64_t i = 0; i < n; i++) {
			int64_t c = line % groups * per + i / v.inner;
			y[i] = ig_fmaf(y[i], w[c], b[c]);
		}
	}
}

void ig_eval_instance_norm(struct ig_eval *e) { group_norm(e, e->out->type.dim[1]); }
void ig_eval_group_norm(struct ig_eval *e) { group_norm(e, ig_attr_int(e->n, IG_A_GROUPS, 1)); }

/* (x - max) - log(sum of exp(x - max)), maximum and sum as softmax has them. */
void ig_eval_log_softmax(struct ig_eval *e)
{
	const struct ig_type *t = &e->out->type;
	struct ig_axis_view v = ig_axis_view(t, ig_attr_int(e->n, IG_A_AXIS, t->rank - 1));
	const float *x = e->in[0]->data;
	float *y = e->out->data;
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t i = 0; i < v.inner; i++) {
			int64_t base = o * v.extent * v.inner + i;
			float part[16], sum[16] = {0.0f};
			for (int j = 0; j < 16; j++)
				part[j] = -IG_FLOAT_INF;
			for (int64_t k = 0; k < v.extent; k++)
				part[k % 16] = ig_fmax(x[base + k * v.inner], part[k % 16]);
			float m = ig_reduce_fmax16(part);
			for (int64_t k = 0; k < v.extent; k++)
				sum[k % 16] = sum[k % 16] + ig_expf(x[base + k * v.inner] - m);
			float l = ig_logf(ig_reduce_add16(sum));
			for (int64_t k = 0; k < v.extent; k++)
				y[base + k * v.inner] = (x[base + k * v.inner] - m) - l;
		}
	}
}

/* x / (k + alpha / size * s)^beta, s the sum of squares over the neighbouring channels, ascending. */
void ig_eval_lrn(struct ig_eval *e)
{
	struct ig_axis_view v = ig_axis_view(&e->out->type, 1);
	int64_t size = ig_attr_int(e->n, IG_A_SIZE, 1), before = (size - 1) / 2, after = size - 1 - before;
	float factor = (float)ig_attr_float(e->n, IG_A_ALPHA, 1e-4) / (float)size, beta = (float)ig_attr_float(e->n, IG_A_BETA, 0.75);
	float k = (float)ig_attr_float(e->n, IG_A_K, 1);
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t c = 0; c < v.extent; c++) {
			int64_t lo = c - before > 0 ? c - before : 0, hi = c + after < v.extent - 1 ? c + after : v.extent - 1;
			const float *x = (const float *)e->in[0]->data + o * v.extent * v.inner;
			float *y = (float *)e->out->data + (o * v.extent + c) * v.inner;
			for (int64_t i = 0; i < v.inner; i++) {
				float s = 0.0f;
				for (int64_t j = lo; j <= hi; j++)
					s = ig_fmaf(x[j * v.inner + i], x[j * v.inner + i], s);
				y[i] = x[c * v.inner + i] / ig_powf(ig_fmaf(factor, s, k), beta);
			}
		}
	}
}
