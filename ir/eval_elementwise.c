/* batch_norm and normalize: a linear function for each channel. */
#include "ir/eval.h"
#include "ir/tables.h"
#include "runtime/qmath.h"

/* fma(x, a, b): the same as the 1x1 depthwise convolution it folds to. */
void ig_eval_batch_norm(struct ig_eval *e)
{
	struct ig_axis_view v = ig_axis_view(&e->out->type, 1);
	const float *x = e->in[0]->data;
	float *y = e->out->data;
	double eps = ig_attr_float(e->n, IG_A_EPS, 1e-5);
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t c = 0; c < v.extent; c++) {
			double a, b;
			ig_batch_norm_factors(((const float *)e->in[1]->data)[c], ((const float *)e->in[2]->data)[c], ((const float *)e->in[3]->data)[c],
			                      ((const float *)e->in[4]->data)[c], eps, &a, &b);
			float fa = (float)a, fb = (float)b;
			for (int64_t i = 0; i < v.inner; i++, x++, y++)
				*y = ig_fmaf(*x, fa, fb);
		}
	}
}

void ig_eval_normalize(struct ig_eval *e)
{
	const struct ig_type *t = &e->out->type;
	struct ig_axis_view v = t->rank >= 2 ? ig_axis_view(t, 1) : (struct ig_axis_view){1, 1, ig_elems(t)};
	bool bytes = e->in[0]->type.dtype == IG_DT_U8;
	for (int64_t o = 0; o < v.outer; o++) {
		for (int64_t c = 0; c < v.extent; c++) {
			float scale, mean, std;
			uint8_t q[256];
			int64_t base = (o * v.extent + c) * v.inner;
			ig_normalize_constants(e->n, c, &scale, &mean, &std);
			if (e->qy)
				ig_table_normalize(e->n, c, e->qy, q);
			for (int64_t i = base; i < base + v.inner; i++) {
				if (e->qy)
					((uint8_t *)e->out->data)[i] = q[((const uint8_t *)e->in[0]->data)[i]];
				else
					((float *)e->out->data)[i] =
						ig_normalizef(bytes ? (float)((const uint8_t *)e->in[0]->data)[i] : ((const float *)e->in[0]->data)[i], scale, mean, std);
			}
		}
	}
}
