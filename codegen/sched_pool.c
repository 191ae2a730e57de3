/* Pools. Vectors run over channels. Output rows and columns are grouped into classes whose windows have the same taps inside the input, so that padding
   is never read: an interior and a few borders, each with its own loops. */
#include "codegen/lower.h"
#include "ir/requant.h"

struct pool {
	struct ig_conv_geom g;
	const struct kir_tensor *in, *out;
	bool max, is_float, include_pad;
	float s_x, s_y;
	struct ig_vec_pack pack;
	int32_t zx;
	int lanes; /* 32-bit lanes of a vector */
};

/* Consecutive outputs on one axis: `first`, `count`; taps [tap, tap + taps) lie inside; `at` is the input position of the first one at `first`;
   `counted` tells apart those whose average divides by different numbers. */
struct span {
	int64_t first, count, tap, taps, at, counted;
};

static struct span span_of(const struct pool *p, bool rows, int64_t o)
{
	const struct ig_conv_geom *g = &p->g;
	int64_t k = rows ? g->kh : g->kw, d = rows ? g->dh : g->dw, in = rows ? g->ih : g->iw;
	int64_t at = rows ? o * g->sh - g->pt : o * g->sw - g->pl, tap = at < 0 ? (-at + d - 1) / d : 0, end = k;
	if (tap > k)
		tap = k;
	while (end > tap && at + (end - 1) * d >= in)
		end--;
	return (struct span){o, 1, tap, end - tap, at + tap * d, p->max ? 0 : ig_pool_taps(g, p->include_pad, rows ? o : 0, rows ? 0 : o)};
}

static int spans(const struct pool *p, bool rows, struct span *s)
{
	int64_t n = rows ? p->g.oh : p->g.ow;
	int count = 0;
	for (int64_t o = 0; o < n; o++) {
		struct span x = span_of(p, rows, o);
		struct span *last = count ? &s[count - 1] : NULL;
		if (last && last->tap == x.tap && last->taps == x.taps && last->counted == x.counted)
			last->count++;
		else
			s[count++] = x;
	}
	return count;
}

static kir_val load_tap(struct kir_builder *b, const struct pool *p, const struct kir_addr *a, int lanes, int active)
{
	if (p->is_float)
		return ig_vec_load_f(b, a, lanes, active, 1);
	if (p->max)
		return kb_load_n(b, KIR_T(KIR_I8, lanes), *a, active);
	return ig_vec_load_q(b, a, lanes, active, 1, 0);
}

static kir_val join_tap(struct kir_builder *b, const struct pool *p, kir_val x, kir_val acc)
{
	return kb_op2(b, p->max ? (p->is_float ? KIR_FMAX : KIR_UMAX) : KIR_ADD, x, acc);
}

/* One window of n vectors of channels: acc holds the start values and gets the results. Few taps are unrolled where most outputs are, the others are loops:
   borders would else be most of the code. */
static void reduce(struct kir_builder *b, const struct pool *p, struct kir_addr at, const struct span *y, const struct span *x, kir_val *acc, int n,
                   int lanes, int active)
{
	int64_t sy = p->in->stride[2] * p->g.dh, sx = p->in->stride[3] * p->g.dw;
	bool border = y->count * x->count * 4 < p->g.oh * p->g.ow;
	bool rolled = y->taps * x->taps > (border ? 2 : 16);
	int64_t ny = rolled ? 1 : y->taps, nx = rolled ? 1 : x->taps;
	kir_iv ky = -1, kx = -1;
	if (rolled) {
		ky = ig_vec_loop(b, "ky", y->taps, acc, n);
		kx = ig_vec_loop(b, "kx", x->taps, acc, n);
		ig_vec_term(&at, ky, sy);
		ig_vec_term(&at, kx, sx);
	}
	for (int64_t t = 0; t < ny * nx; t++)
		for (int i = 0; i < n; i++) {
			struct kir_addr a = at;
			int now = active - i * lanes < lanes ? active - i * lanes : lanes;
			a.base += t / nx * sy + t % nx * sx + (int64_t)i * lanes;
			acc[i] = join_tap(b, p, load_tap(b, p, &a, lanes, now), acc[i]);
		}
	ig_vec_end(b, kx, acc, n);
	ig_vec_end(b, ky, acc, n);
}

static void finish(struct kir_builder *b, const struct pool *p, const struct span *y, const struct span *x, kir_val *acc, int n, int lanes,
                   struct kir_addr to, int active)
{
	int64_t taps = p->max ? 0 : ig_pool_taps(&p->g, p->include_pad, y->first, x->first);
	if (p->is_float) {
		kir_val v = p->max ? acc[0] : kb_op2(b, KIR_DIV, acc[0], kb_const_f(b, lanes, (float)taps));
		ig_vec_store_f(b, v, to, active);
	} else if (p->max) {
		kb_store_n(b, acc[0], to, active);
	} else {
		float factor = ig_pool_factor(p->s_x, p->s_y, taps);
		for (int i = 0; i < n; i++)
			acc[i] = kb_op2(b, KIR_MUL, kb_op1(b, KIR_ITOF, KIR_T(KIR_F32, lanes), acc[i]), kb_const_f(b, lanes, factor));
		ig_vec_store_q(b, acc, n, lanes, &p->pack, to, active);
	}
}

/* `active` channels from channel c of one output pixel. */
static void piece(struct kir_builder *b, const struct pool *p, struct kir_addr from, struct kir_addr to, const struct span *y, const struct span *x,
                  int lanes, int active)
{
	kir_val acc[4];
	int n = 0;
	bool sums = !p->is_float && !p->max;
	for (int at = 0; at < active; at += lanes, n++) {
		struct kir_addr a = from;
		int now = active - at < lanes ? active - at : lanes;
		a.base += at;
		if (p->max)
			acc[n] = load_tap(b, p, &a, lanes, now);
		else if (sums)
			acc[n] = kb_const_i(b, KIR_T(KIR_I32, lanes), -y->taps * x->taps * p->zx);
		else
			acc[n] = kb_const_f(b, lanes, 0.0f);
	}
	reduce(b, p, from, y, x, acc, n, lanes, active);
	finish(b, p, y, x, acc, n, lanes, to, active);
}

static void emit_class(struct kir_builder *b, const struct pool *p, const struct span *y, const struct span *x)
{
	const int64_t *si = p->in->stride, *so = p->out->stride;
	struct kir_addr from = kb_addr(p->in->buf, p->in->base + y->at * si[2] + x->at * si[3]);
	struct kir_addr to = kb_addr(p->out->buf, p->out->base + y->first * so[2] + x->first * so[3]);
	int lanes = p->max && !p->is_float ? 4 * p->lanes : p->lanes, block = p->is_float ? lanes : 4 * p->lanes;
	int64_t full = p->g.ic / block, rest = p->g.ic % block;
	kir_iv in = ig_vec_loop(b, "n", p->g.n, NULL, 0), iy = ig_vec_loop(b, "y", y->count, NULL, 0), ix = ig_vec_loop(b, "x", x->count, NULL, 0);
	ig_vec_term(&from, in, si[0]);
	ig_vec_term(&from, iy, si[2] * p->g.sh);
	ig_vec_term(&from, ix, si[3] * p->g.sw);
	ig_vec_term(&to, in, so[0]);
	ig_vec_term(&to, iy, so[2]);
	ig_vec_term(&to, ix, so[3]);
	if (full) {
		struct kir_addr f = from, t = to;
		kir_iv ic = ig_vec_loop(b, "c", full, NULL, 0);
		ig_vec_term(&f, ic, block);
		ig_vec_term(&t, ic, block);
		piece(b, p, f, t, y, x, lanes, block);
		ig_vec_end(b, ic, NULL, 0);
	}
	from.base += full * block;
	to.base += full * block;
	if (rest)
		piece(b, p, from, to, y, x, rest < lanes ? ig_vec_pow2(rest) : lanes, (int)rest);
	ig_vec_end(b, ix, NULL, 0);
	ig_vec_end(b, iy, NULL, 0);
	ig_vec_end(b, in, NULL, 0);
}

static bool lower_pool(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct pool p = {.in = ig_low_dense(L, n->in[0]), .out = ig_low_view(L, n->out[0]), .max = n->op == IG_OP_MAX_POOL2D || n->op == IG_OP_GLOBAL_MAX_POOL, .lanes = L->lanes};
	const struct ig_qparam *qi = ig_qparam(L->g, p.in->type.q), *qo = ig_qparam(L->g, p.out->type.q);
	ig_conv_geometry(L->g, n, &p.g);
	p.is_float = ig_low_is_float(p.out);
	p.include_pad = ig_attr_int(n, IG_A_COUNT_INCLUDE_PAD, 0) != 0;
	if (p.in->type.dtype != p.out->type.dtype || (!p.is_float && !p.max && (!qi || !qo)))
		return ig_low_refuse(L, id, "its operand and result must be both quantized or both float32");
	if (!p.is_float && !p.max) {
		p.s_x = qi->scale[0];
		p.s_y = qo->scale[0];
		p.zx = qi->zero_point[0];
		p.pack = (struct ig_vec_pack){qo->qmin, qo->qmax, qo->zero_point[0], false, ig_vec_small(256 * (double)p.s_x / (double)p.s_y)};
	}
	struct span *y = IG_NEWN(L->arena, struct span, p.g.oh), *x = IG_NEWN(L->arena, struct span, p.g.ow);
	int ny = spans(&p, true, y), nx = spans(&p, false, x);
	for (int i = 0; i < ny; i++)
		for (int k = 0; k < nx; k++)
			if (p.max && (y[i].taps < 1 || x[k].taps < 1))
				return ig_low_refuse(L, id, "a window lies wholly in the padding; its maximum is not defined");
	struct kir_builder b = ig_low_func(L, id);
	for (int i = 0; i < ny; i++)
		for (int k = 0; k < nx; k++)
			emit_class(&b, &p, &y[i], &x[k]);
	return true;
}

bool ig_lower_max_pool2d(struct ig_lower *L, struct ig_nid n) { return lower_pool(L, n); }
bool ig_lower_avg_pool2d(struct ig_lower *L, struct ig_nid n) { return lower_pool(L, n); }
bool ig_lower_global_avg_pool(struct ig_lower *L, struct ig_nid n) { return lower_pool(L, n); }
bool ig_lower_global_max_pool(struct ig_lower *L, struct ig_nid n) { return lower_pool(L, n); }
