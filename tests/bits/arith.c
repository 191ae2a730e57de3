#include "tests/bits/arith.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t element(const struct ig_graph *g, const struct ig_tensor *t, int64_t i)
{
	const struct ig_qparam *q = ig_qparam(g, t->type.q);
	int64_t z = q ? q->zero_point[q->n > 1 ? 0 : 0] : 0;
	switch (t->type.dtype) {
	case IG_DT_U8: return ((const uint8_t *)t->data)[i] - z;
	case IG_DT_S8: return ((const int8_t *)t->data)[i] - z;
	case IG_DT_I32: return ((const int32_t *)t->data)[i] - z;
	default: IG_BUG("element of %s", ig_dtypes[t->type.dtype].name);
	}
}

static void count_value(struct bits_counts *c, double t)
{
	c->roundings++;
	c->ties += fabs(t) < 1e6 && t - floor(t) == 0.5;
}

static void count_sum(struct bits_counts *c, int64_t acc, float m)
{
	c->large += acc > 1 << 24 || acc < -(1 << 24);
	count_value(c, (double)((float)acc * m));
}

static float scale_of(const struct ig_graph *g, struct ig_vid v, int64_t channel)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	return q->scale[q->n > 1 ? channel : 0];
}

static int64_t bias_of(const struct ig_graph *g, const struct ig_interp *it, const struct ig_node *n, int64_t c)
{
	if (n->n_in < 3 || ig_vtype(g, n->in[2])->dtype != IG_DT_I32)
		return 0;
	return ((const int32_t *)ig_interp_value(it, n->in[2])->data)[c];
}

static void count_conv(const struct ig_graph *g, const struct ig_interp *it, const struct ig_node *n, struct bits_counts *c)
{
	struct ig_conv_geom k;
	ig_conv_geometry(g, n, &k);
	const struct ig_tensor *x = ig_interp_value(it, n->in[0]), *w = ig_interp_value(it, n->in[1]);
	int64_t icg = k.ic / k.groups, ocg = k.oc / k.groups;
	for (int64_t o = 0; o < k.oc; o++)
		for (int64_t p = 0; p < k.oh * k.ow; p++) {
			int64_t acc = bias_of(g, it, n, o), y0 = p / k.ow * k.sh - k.pt, x0 = p % k.ow * k.sw - k.pl;
			for (int64_t i = 0; i < icg * k.kh * k.kw; i++) {
				int64_t ic = i / (k.kh * k.kw), y = y0 + i / k.kw % k.kh * k.dh, xx = x0 + i % k.kw * k.dw;
				if (y >= 0 && y < k.ih && xx >= 0 && xx < k.iw)
					acc += element(g, x, ((o / ocg * icg + ic) * k.ih + y) * k.iw + xx) * ((const int8_t *)w->data)[o * icg * k.kh * k.kw + i];
			}
			count_sum(c, acc, (scale_of(g, n->in[0], 0) * scale_of(g, n->in[1], o)) / scale_of(g, n->out[0], 0));
		}
}

static void count_linear(const struct ig_graph *g, const struct ig_interp *it, const struct ig_node *n, struct bits_counts *c)
{
	const struct ig_tensor *x = ig_interp_value(it, n->in[0]), *w = ig_interp_value(it, n->in[1]);
	int64_t k = w->type.dim[1], units = w->type.dim[0], rows = ig_elems(&x->type) / k;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t u = 0; u < units; u++) {
			int64_t acc = bias_of(g, it, n, u);
			for (int64_t i = 0; i < k; i++)
				acc += element(g, x, r * k + i) * ((const int8_t *)w->data)[u * k + i];
			count_sum(c, acc, (scale_of(g, n->in[0], 0) * scale_of(g, n->in[1], u)) / scale_of(g, n->out[0], 0));
		}
}

void bits_count(const struct ig_graph *g, const struct ig_interp *it, const struct ig_node *n, struct bits_counts *c)
{
	if (ig_vtype(g, n->out[0])->q.i < 0)
		return;
	if (n->op == IG_OP_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D)
		count_conv(g, it, n, c);
	else if (n->op == IG_OP_LINEAR)
		count_linear(g, it, n, c);
	else if ((n->op == IG_OP_ADD || n->op == IG_OP_SUB) && ig_type_same_shape(ig_vtype(g, n->in[0]), ig_vtype(g, n->in[1]))) {
		float s = scale_of(g, n->out[0], 0), fa = scale_of(g, n->in[0], 0) / s, fb = scale_of(g, n->in[1], 0) / s;
		for (int64_t i = 0; i < ig_elems(ig_vtype(g, n->out[0])); i++) {
			float a = (float)element(g, ig_interp_value(it, n->in[0]), i) * fa, b = (float)element(g, ig_interp_value(it, n->in[1]), i) * fb;
			count_value(c, (double)(n->op == IG_OP_ADD ? a + b : a - b));
		}
	}
}

bool bits_tells(const struct ig_graph *g, const struct ig_tensor *t)
{
	int64_t n = ig_elems(&t->type), most = 0, ends = 0, not_finite = 0;
	const struct ig_qparam *q = ig_qparam(g, t->type.q);
	if (t->type.dtype == IG_DT_F32) {
		const float *x = t->data;
		for (int64_t i = 0; i < n; i++) {
			int64_t same = 0;
			for (int64_t k = 0; k < n; k++)
				same += x[k] == x[i];
			most = same > most ? same : most;
			not_finite += !isfinite(x[i]);
		}
	} else {
		int64_t count[256] = {0};
		for (int64_t i = 0; i < n; i++)
			count[((const uint8_t *)t->data)[i]]++;
		for (int i = 0; i < 256; i++)
			most = count[i] > most ? count[i] : most;
		ends = q ? count[q->qmin & 255] + count[q->qmax & 255] : 0;
	}
	return not_finite == 0 && (n == 1 || (2 * most <= n + 2 && 2 * ends <= n + 2));
}
