/* add, sub, mul with broadcasting, quantized and float; batch_norm on float. */
#include "codegen/lower.h"
#include "ir/requant.h"

#include <math.h>

struct eltwise {
	enum ig_op op;
	int lanes; /* of one vector of 32-bit values */
	struct ig_eltwise q;
	double lo, hi;
};

/* Lanes [at, at + lanes) of operand k of a piece. */
static struct kir_addr part(const struct ig_piece *p, int k, int at)
{
	struct kir_addr a = p->at[k];
	a.base += p->step[k] ? at : 0;
	return a;
}

static kir_val combine(struct kir_builder *b, const struct eltwise *e, const struct ig_piece *p, int at, int lanes, int active)
{
	struct kir_addr x = part(p, 1, at), y = part(p, 2, at);
	struct kir_type f = KIR_T(KIR_F32, lanes);
	if (e->op == IG_OP_MUL) {
		kir_val a = ig_vec_load_q(b, &x, lanes, active, p->step[1], e->q.za), c = ig_vec_load_q(b, &y, lanes, active, p->step[2], e->q.zb);
		kir_val v = kb_op2(b, KIR_MUL, kb_op1(b, KIR_ITOF, f, kb_op2(b, KIR_MUL, a, c)), kb_const_f(b, lanes, e->q.fa));
		return e->q.early ? kb_op2(b, KIR_ADD, v, kb_const_f(b, lanes, e->q.c)) : v;
	}
	if (e->q.early) {
		kir_val a = ig_vec_load_qf(b, &x, lanes, active, p->step[1], e->q.zp);
		kir_val c = ig_vec_load_qf(b, &y, lanes, active, p->step[2], e->q.zp);
		c = kb_fma(b, c, kb_const_f(b, lanes, e->q.fb), kb_const_f(b, lanes, e->q.c));
		return kb_fma(b, a, kb_const_f(b, lanes, e->q.fa), c);
	}
	kir_val a = ig_vec_load_qf(b, &x, lanes, active, p->step[1], e->q.za), c = ig_vec_load_qf(b, &y, lanes, active, p->step[2], e->q.zb);
	a = kb_op2(b, KIR_MUL, a, kb_const_f(b, lanes, e->q.fa));
	c = kb_op2(b, KIR_MUL, c, kb_const_f(b, lanes, e->q.fb));
	return kb_op2(b, e->op == IG_OP_SUB ? KIR_SUB : KIR_ADD, a, c);
}

/* A piece of bytes is computed in vectors of 32-bit lanes and packed as a whole. */
static void quantized_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct eltwise *e = ctx;
	double bound = e->op == IG_OP_MUL ? 255.0 * 255.0 * (double)e->q.fa : 255.0 * ((double)e->q.fa + (double)e->q.fb);
	bound += fabs((double)e->q.c);
	struct ig_vec_pack pack = {e->q.lo, e->q.hi, e->q.zp, false, ig_vec_small(bound)};
	int lanes = p->lanes < e->lanes ? p->lanes : e->lanes, n = 0;
	kir_val v[KIR_MAX_LANES];
	for (int at = 0; at < p->active; at += lanes)
		v[n++] = combine(b, e, p, at, lanes, p->active - at < lanes ? p->active - at : lanes);
	ig_vec_store_q(b, v, n, lanes, &pack, p->at[0], p->active);
}

static void float_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct eltwise *e = ctx;
	enum kir_op op = e->op == IG_OP_ADD ? KIR_ADD : e->op == IG_OP_SUB ? KIR_SUB : KIR_MUL;
	kir_val x = ig_vec_load_f(b, &p->at[1], p->lanes, p->active, p->step[1]), y = ig_vec_load_f(b, &p->at[2], p->lanes, p->active, p->step[2]);
	ig_vec_store_f(b, ig_vec_clamp_f(b, kb_op2(b, op, x, y), e->lo, e->hi), p->at[0], p->active);
}

static bool lower_eltwise(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *x = ig_low_view(L, n->in[0]), *y = ig_low_view(L, n->in[1]), *out = ig_low_view(L, n->out[0]);
	struct eltwise e = {.op = n->op, .lanes = L->lanes};
	struct ig_nest nest;
	bool quantized = !ig_low_is_float(out);
	if (quantized && out->type.q.i < 0)
		return ig_sched_math(L, id); /* whole numbers */
	if (x->type.dtype != out->type.dtype || y->type.dtype != out->type.dtype)
		return ig_low_refuse(L, id, "its operands and result must be all quantized or all float32");
	if (quantized && !ig_eltwise_of(L->g, n, &e.q, L->d))
		return false;
	ig_act_bounds(n, &e.lo, &e.hi);
	struct kir_builder b = ig_low_func(L, id);
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, x);
	ig_nest_view(&nest, y);
	ig_nest_run(&b, &nest, quantized ? 4 * L->lanes : L->lanes, quantized ? quantized_body : float_body, &e);
	return true;
}

bool ig_lower_add(struct ig_lower *L, struct ig_nid n) { return lower_eltwise(L, n); }
bool ig_lower_sub(struct ig_lower *L, struct ig_nid n) { return lower_eltwise(L, n); }
bool ig_lower_mul(struct ig_lower *L, struct ig_nid n) { return lower_eltwise(L, n); }

/* y = fma(x, a[c], b[c]) */
static void batch_norm_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	(void)ctx;
	kir_val v[3];
	for (int k = 0; k < 3; k++)
		v[k] = ig_vec_load_f(b, &p->at[k + 1], p->lanes, p->active, p->step[k + 1]);
	ig_vec_store_f(b, kb_fma(b, v[0], v[1], v[2]), p->at[0], p->active);
}

bool ig_lower_batch_norm(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *x = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	const float *par[4];
	int64_t channels = out->type.rank > 1 ? out->type.dim[1] : 1, stride[IG_MAX_RANK] = {0};
	for (int k = 0; k < 4; k++) {
		const struct ig_tensor *t = ig_const_data(L->g, n->in[k + 1]);
		if (!t || t->type.dtype != IG_DT_F32 || ig_elems(&t->type) != channels)
			return ig_low_refuse(L, id, "its parameters must be float32 constants, one a channel");
		par[k] = t->data;
	}
	float *f = IG_NEWN(L->arena, float, 2 * channels);
	for (int64_t c = 0; c < channels; c++) {
		double a, s;
		ig_batch_norm_factors(par[0][c], par[1][c], par[2][c], par[3][c], ig_attr_float(n, IG_A_EPS, 1e-5), &a, &s);
		f[c] = (float)a;
		f[channels + c] = (float)s;
	}
	struct kir_builder b = ig_low_func(L, id);
	int32_t buf = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.factors", n->name), KIR_F32, 2 * channels, f);
	struct ig_nest nest;
	stride[1] = 1;
	ig_nest_init(&nest, out->type.rank, out->type.dim);
	ig_nest_view(&nest, out);
	ig_nest_view(&nest, x);
	ig_nest_operand(&nest, buf, 0, stride);
	ig_nest_operand(&nest, buf, channels, stride);
	ig_nest_run(&b, &nest, L->lanes, batch_norm_body, NULL);
	return true;
}
