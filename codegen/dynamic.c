/* Layers that quantize their input at run time: the range of the whole tensor, from it scale and zero point, the integers; then what depends on these two in
   an int8 layer whose loops are those of any other: start values, factors and padding. The formulas are runtime/qmath.h's. */
#include "codegen/conv.h"

#include <float.h>

/* ---- range, scale and zero point ---- */

struct range {
	kir_val bound[2]; /* least, greatest; vectors while the tensor is read */
	int lanes;
};

static void range_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	struct range *r = ctx;
	struct kir_type i = KIR_T(KIR_I32, r->lanes);
	kir_val x = kb_load_n(b, KIR_T(KIR_F32, r->lanes), p->at[0], p->active);
	kir_val bits = kb_op2(b, KIR_AND, kb_op1(b, KIR_BITCAST, i, x), kb_const_i(b, i, 0x7fffffff));
	x = kb_select(b, kb_op2(b, KIR_CMPLT, bits, kb_const_i(b, i, 0x7f800000)), x, kb_const_f(b, r->lanes, 0.0f));
	r->bound[0] = kb_op2(b, KIR_FMIN, x, r->bound[0]);
	r->bound[1] = kb_op2(b, KIR_FMAX, x, r->bound[1]);
}

static kir_val reduce(struct kir_builder *b, enum kir_op op, kir_val v)
{
	for (int half = kb_type(b, v).lanes / 2; half; half /= 2)
		v = kb_op2(b, op, kb_extract(b, v, 0, half), kb_extract(b, v, half, half));
	return v;
}

static void emit_params(struct ig_lower *L, const struct ig_quantized *q)
{
	struct kir_builder b = {L->m, kir_func_add(L->m, ig_arena_printf(L->arena, "%s.range", q->from.name), ig_value(L->g, q->from.value)->def)};
	struct range r = {{kb_const_f(&b, L->lanes, 0.0f), kb_const_f(&b, L->lanes, 0.0f)}, L->lanes};
	struct ig_nest nest;
	ig_nest_init(&nest, q->from.type.rank, q->from.type.dim);
	ig_nest_view(&nest, &q->from);
	nest.carried = r.bound;
	nest.n_carried = 2;
	ig_nest_run(&b, &nest, L->lanes, range_body, &r);
	kir_val lo = reduce(&b, KIR_FMIN, r.bound[0]), hi = reduce(&b, KIR_FMAX, r.bound[1]), zero = kb_const_f(&b, 1, 0.0f);
	kir_val levels = kb_const_f(&b, 1, (float)q->levels), s;
	s = kb_op2(&b, KIR_DIV, kb_op2(&b, KIR_FMIN, kb_op2(&b, KIR_SUB, hi, lo), kb_const_f(&b, 1, FLT_MAX)), levels);
	s = kb_select(&b, kb_op2(&b, KIR_CMPLT, zero, s), s, kb_const_f(&b, 1, 1.0f));
	kir_val z = kb_op2(&b, KIR_FMAX, kb_op2(&b, KIR_SUB, zero, kb_op2(&b, KIR_DIV, lo, s)), zero);
	z = kb_op1(&b, KIR_RNE, KIR_T(KIR_I32, 1), kb_op2(&b, KIR_FMIN, z, levels));
	kb_store(&b, s, kb_addr(q->scale, 0));
	kb_store(&b, z, kb_addr(q->zero, 0));
}

/* ---- the integers ---- */

struct quantizer {
	kir_val scale, zero, lo, hi; /* scalars: S, Z, 0 - Z and levels - Z as f32 */
};

static void quantize_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct quantizer *q = ctx;
	int lanes = p->lanes;
	kir_val x = ig_vec_load_f(b, &p->at[1], lanes, p->active, p->step[1]);
	x = kb_op2(b, KIR_DIV, x, ig_vec_splat(b, q->scale, lanes));
	x = kb_select(b, kb_op2(b, KIR_CMPEQ, x, x), x, kb_const_f(b, lanes, 0.0f));
	x = kb_op2(b, KIR_FMIN, kb_op2(b, KIR_FMAX, x, ig_vec_splat(b, q->lo, lanes)), ig_vec_splat(b, q->hi, lanes));
	x = kb_op2(b, KIR_ADD, kb_op1(b, KIR_RNE, KIR_T(KIR_I32, lanes), x), ig_vec_splat(b, q->zero, lanes));
	kb_store_n(b, kb_op1(b, KIR_TRUNC, KIR_T(KIR_I8, lanes), x), p->at[0], p->active);
}

static void emit_integers(struct ig_lower *L, const struct ig_quantized *q)
{
	struct kir_builder b = {L->m, kir_func_add(L->m, q->to.name, ig_value(L->g, q->from.value)->def)};
	struct kir_type i = KIR_T(KIR_I32, 1), f = KIR_T(KIR_F32, 1);
	kir_val z = kb_load(&b, i, kb_addr(q->zero, 0));
	struct quantizer k = {.scale = kb_load(&b, f, kb_addr(q->scale, 0)), .zero = z};
	k.lo = kb_op1(&b, KIR_ITOF, f, kb_op2(&b, KIR_SUB, kb_const_i(&b, i, 0), z));
	k.hi = kb_op1(&b, KIR_ITOF, f, kb_op2(&b, KIR_SUB, kb_const_i(&b, i, q->levels), z));
	struct ig_nest nest;
	ig_nest_init(&nest, q->to.type.rank, q->to.type.dim);
	ig_nest_view(&nest, &q->to);
	ig_nest_view(&nest, &q->from);
	ig_nest_run(&b, &nest, L->lanes, quantize_body, &k);
}

/* The same value seen in the same shape: a linear layer may look at it as rows. */
static bool same_source(const struct kir_tensor *a, const struct kir_tensor *b)
{
	return a->value.i == b->value.i && a->buf == b->buf && a->base == b->base && ig_type_same_shape(&a->type, &b->type);
}

const struct ig_quantized *ig_low_quantized(struct ig_lower *L, struct ig_vid v, int levels)
{
	const struct kir_tensor *from = ig_low_view(L, v);
	for (struct ig_quantized *q = L->quantized; q; q = q->next)
		if (q->levels == levels && same_source(&q->from, from))
			return q;
	struct ig_quantized *q = IG_NEW(L->arena, struct ig_quantized);
	*q = (struct ig_quantized){.next = L->quantized, .levels = levels, .from = *from, .to = *from};
	L->quantized = q;
	q->scale = ig_layout_buffer(L, ig_arena_printf(L->arena, "%s.scale", from->name), KIR_ARENA, KIR_F32, 1);
	q->zero = ig_layout_buffer(L, ig_arena_printf(L->arena, "%s.zero_point", from->name), KIR_ARENA, KIR_I32, 1);
	q->to.name = ig_arena_printf(L->m->arena, "%s.quantized", from->name);
	q->to.type.dtype = IG_DT_U8;
	struct ig_halo room = {0, 0, 0, 0};
	if (from->type.rank == 4)
		room = ig_layout_wanted(L, v, levels);
	ig_layout_new(L, &q->to, room);
	emit_params(L, q);
	emit_integers(L, q);
	return q;
}

/* The integers with scale and zero point as values of the graph. */
bool ig_lower_dynamic_quantize(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_quantized *q = ig_low_quantized(L, n->in[0], 255);
	const struct kir_tensor *out[3];
	for (int i = 0; i < 3; i++)
		out[i] = ig_low_view(L, n->out[i]);
	struct kir_builder b = ig_low_func(L, id);
	ig_low_copy(L, &b, out[0], &q->to);
	kb_store(&b, kb_load(&b, KIR_T(KIR_F32, 1), kb_addr(q->scale, 0)), kb_addr(out[1]->buf, out[1]->base));
	kb_store(&b, kb_op1(&b, KIR_TRUNC, KIR_T(KIR_I8, 1), kb_load(&b, KIR_T(KIR_I32, 1), kb_addr(q->zero, 0))), kb_addr(out[2]->buf, out[2]->base));
	return true;
}

/* ---- what a layer makes of them ---- */

struct padding {
	const struct ig_conv *c;
	bool offset;
};

static void fill_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct padding *f = ctx;
	enum kir_elem e = f->c->a.elem;
	kir_val z = kb_load(b, KIR_T(KIR_I32, 1), kb_addr(f->c->dynamic->zero, 0));
	if (f->offset)
		z = kb_op2(b, KIR_XOR, z, kb_const_i(b, KIR_T(KIR_I32, 1), 0x80));
	kb_store_n(b, ig_vec_splat(b, kb_op1(b, KIR_TRUNC, KIR_T(e, 1), z), p->lanes), p->at[0], p->active);
}

void ig_dynamic_fill(struct kir_builder *b, struct ig_nest *n, const struct ig_conv *c, bool offset)
{
	struct padding f = {c, offset};
	ig_nest_run(b, n, c->L->t->vector_bytes / kir_elem_bytes(c->a.elem), fill_body, &f);
}

struct factors {
	kir_val scale, zero; /* zero: what a weight's sum is multiplied by */
};

/* Operands: start, sums of weights, factors, scales of weights. */
static void factors_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct factors *f = ctx;
	kir_val sum = kb_load_n(b, KIR_T(KIR_I32, p->lanes), p->at[1], p->active), scale = kb_load_n(b, KIR_T(KIR_F32, p->lanes), p->at[3], p->active);
	kb_store_n(b, kb_op2(b, KIR_MUL, ig_vec_splat(b, f->zero, p->lanes), sum), p->at[0], p->active);
	kb_store_n(b, kb_op2(b, KIR_MUL, ig_vec_splat(b, f->scale, p->lanes), scale), p->at[2], p->active);
}

int32_t ig_dynamic_start(struct ig_conv *c, const int32_t *sums, bool offset)
{
	struct ig_lower *L = c->L;
	const struct ig_qparam *w = ig_qparam(L->g, ig_vtype(L->g, c->n->in[1])->q);
	struct kir_type i = KIR_T(KIR_I32, 1);
	float *scale = IG_NEWN(L->arena, float, c->g.oc);
	int64_t n = c->g.groups * ig_pack_padded(c), one = 1;
	for (int64_t oc = 0; oc < c->g.oc; oc++)
		scale[oc] = w->scale[w->n == 1 ? 0 : oc];
	int32_t start = ig_layout_buffer(L, ig_arena_printf(L->arena, "%s.start", c->n->name), KIR_ARENA, KIR_I32, n);
	int32_t operand[4] = {start, ig_pack_channels_i(c, "sums", sums), c->e.m, ig_pack_channels_f(c, "scales", scale)};
	struct kir_builder b = {L->m, kir_func_add(L->m, ig_arena_printf(L->arena, "%s.factors", c->n->name), c->id)};
	struct factors f = {.scale = kb_load(&b, KIR_T(KIR_F32, 1), kb_addr(c->dynamic->scale, 0))};
	f.zero = kb_op2(&b, KIR_SUB, kb_const_i(&b, i, offset ? 128 : 0), kb_load(&b, i, kb_addr(c->dynamic->zero, 0)));
	struct ig_nest nest;
	ig_nest_init(&nest, 1, &n);
	for (int k = 0; k < 4; k++)
		ig_nest_operand(&nest, operand[k], 0, &one);
	ig_nest_run(&b, &nest, L->lanes, factors_body, &f);
	return start;
}
