#include "ir/transposed.h"

struct ig_transposed ig_transposed_of(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_type *x = ig_vtype(g, n->in[0]), *w = ig_vtype(g, n->in[1]);
	int64_t s[2], d[2], p[4], extra[2];
	ig_attr_ints(n, IG_A_STRIDE, 1, s, 2);
	ig_attr_ints(n, IG_A_DILATION, 1, d, 2);
	ig_attr_ints(n, IG_A_PAD, 0, p, 4);
	ig_attr_ints(n, IG_A_OUTPUT_PADDING, 0, extra, 2);
	struct ig_transposed t = {.n = x->dim[0], .ic = x->dim[1], .ih = x->dim[2], .iw = x->dim[3], .kh = w->dim[2], .kw = w->dim[3], .sh = s[0], .sw = s[1],
	                          .dh = d[0], .dw = d[1], .groups = ig_attr_int(n, IG_A_GROUPS, 1), .pt = p[0], .pl = p[1]};
	t.oc = w->dim[1] * t.groups;
	t.oh = (t.ih - 1) * t.sh + t.dh * (t.kh - 1) + 1 + extra[0] - p[0] - p[2];
	t.ow = (t.iw - 1) * t.sw + t.dw * (t.kw - 1) + 1 + extra[1] - p[1] - p[3];
	t.th = t.dh * (t.kh - 1) / t.sh + 1;
	t.tw = t.dw * (t.kw - 1) / t.sw + 1;
	return t;
}

/* The kernel's row that tap t of phase r reads, or -1: the convolution runs over the kernel backwards. */
static int64_t tap_of(int64_t taps, int64_t t, int64_t phase, int64_t stride, int64_t dil, int64_t kernel)
{
	int64_t k = phase + stride * (taps - 1 - t);
	return k % dil == 0 && k / dil < kernel ? k / dil : -1;
}

float ig_transposed_weight(const struct ig_transposed *t, const float *w, int64_t channel, int64_t filter, int64_t ry, int64_t rx, int64_t ty, int64_t tx)
{
	int64_t y = tap_of(t->th, ty, ry, t->sh, t->dh, t->kh), x = tap_of(t->tw, tx, rx, t->sw, t->dw, t->kw);
	return y < 0 || x < 0 ? 0.0f : w[((channel * (t->oc / t->groups) + filter) * t->kh + y) * t->kw + x];
}
