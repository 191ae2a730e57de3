/* Softmax over any axis. One line at a time goes through scratch in chunks of 16 lanes, whatever the target's vectors: element i belongs to partial
   result i mod 16, and the partial results are joined by the fixed tree. Lanes beyond the line's end hold what changes nothing. */
#include "codegen/lower.h"
#include "ir/tables.h"

#include <math.h>

#define LANES 16

struct softmax {
	struct ig_lower *L;
	const struct kir_tensor *in, *out;
	const struct ig_qparam *qo;
	bool bytes;         /* quantized input */
	int64_t n, chunks;  /* elements of a line */
	int axis;
	int32_t x, e, q, table; /* scratch: the line's bytes, its exponentials, its quantized results; exp's table */
	struct kir_addr from, to;
	float levels; /* the integer of 1; 0: 1 / scale */
};

/* The address of chunk c, or of the chunk of an open loop. */
static struct kir_addr chunk(int32_t buf, kir_iv iv, int64_t c)
{
	struct kir_addr a = kb_addr(buf, c * LANES);
	ig_vec_term(&a, iv, LANES);
	return a;
}

/* n elements one by one or, where they are adjacent on both sides, in vectors. */
static void move(struct softmax *s, struct kir_builder *b, struct kir_addr to, int64_t to_step, struct kir_addr from, int64_t from_step, enum kir_elem e)
{
	int lanes = to_step == 1 && from_step == 1 ? LANES : 1;
	int64_t full = s->n / lanes;
	int rest = (int)(s->n - full * lanes);
	if (full) {
		struct kir_addr t = to, f = from;
		kir_iv i = ig_vec_loop(b, "i", full, NULL, 0);
		ig_vec_term(&t, i, to_step * lanes);
		ig_vec_term(&f, i, from_step * lanes);
		kir_val v = kb_load(b, KIR_T(e, lanes), f);
		if (e == KIR_F32)
			ig_vec_store_f(b, v, t, lanes);
		else
			kb_store(b, v, t);
		ig_vec_end(b, i, NULL, 0);
	}
	if (!rest)
		return;
	to.base += full * lanes;
	from.base += full * lanes;
	kir_val v = kb_load_n(b, KIR_T(e, LANES), from, rest);
	if (e == KIR_F32)
		ig_vec_store_f(b, v, to, rest);
	else
		kb_store_n(b, v, to, rest);
}

/* Fills the lanes behind the line's end. */
static void fill_tail(struct softmax *s, struct kir_builder *b, int32_t buf, kir_val v)
{
	int rest = (int)(s->chunks * LANES - s->n);
	if (rest)
		kb_store_n(b, v, kb_addr(buf, s->n), rest);
}

static kir_val part_max(struct softmax *s, struct kir_builder *b)
{
	struct kir_type t = KIR_T(s->bytes ? KIR_I8 : KIR_F32, LANES);
	int32_t buf = s->bytes ? s->x : s->e;
	kir_val m = s->bytes ? kb_const_i(b, t, 0) : kb_const_f(b, LANES, -INFINITY);
	kir_iv i = ig_vec_loop(b, "max", s->chunks, &m, 1);
	m = kb_op2(b, s->bytes ? KIR_UMAX : KIR_FMAX, kb_load(b, t, chunk(buf, i, 0)), m);
	ig_vec_end(b, i, &m, 1);
	m = kb_op1(b, s->bytes ? KIR_REDUCE_UMAX : KIR_REDUCE_FMAX, KIR_T(t.elem, 1), m);
	return ig_vec_splat(b, m, LANES);
}

static void exponentials(struct softmax *s, struct kir_builder *b, kir_val max)
{
	kir_iv i = ig_vec_loop(b, "exp", s->chunks, NULL, 0);
	kir_val v;
	if (s->bytes) {
		kir_val k = kb_op2(b, KIR_SUB, max, kb_load(b, KIR_T(KIR_I8, LANES), chunk(s->x, i, 0)));
		v = kb_lut(b, KIR_F32, k, kb_addr(s->table, 0));
	} else {
		v = ig_math_exp(b, kb_op2(b, KIR_SUB, kb_load(b, KIR_T(KIR_F32, LANES), chunk(s->e, i, 0)), max));
	}
	kb_store(b, v, chunk(s->e, i, 0));
	ig_vec_end(b, i, NULL, 0);
	fill_tail(s, b, s->e, kb_const_f(b, LANES, 0.0f));
}

static kir_val sum(struct softmax *s, struct kir_builder *b)
{
	kir_val v = kb_const_f(b, LANES, 0.0f);
	kir_iv i = ig_vec_loop(b, "sum", s->chunks, &v, 1);
	v = kb_op2(b, KIR_ADD, v, kb_load(b, KIR_T(KIR_F32, LANES), chunk(s->e, i, 0)));
	ig_vec_end(b, i, &v, 1);
	return ig_vec_splat(b, kb_op1(b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), v), LANES);
}

static void divide(struct softmax *s, struct kir_builder *b, kir_val total)
{
	kir_iv i = ig_vec_loop(b, "div", s->chunks, NULL, 0);
	kir_val v = kb_load(b, KIR_T(KIR_F32, LANES), chunk(s->e, i, 0));
	if (s->levels > 0)
		v = kb_op2(b, KIR_MUL, v, kb_const_f(b, LANES, s->levels));
	v = kb_op2(b, KIR_DIV, v, total);
	if (s->qo) {
		if (!(s->levels > 0))
			v = kb_op2(b, KIR_DIV, v, kb_const_f(b, LANES, s->qo->scale[0]));
		kb_store(b, kb_fpack(b, v, s->qo->qmin, s->qo->qmax, s->qo->zero_point[0], true), chunk(s->q, i, 0));
	} else {
		kb_store(b, v, chunk(s->e, i, 0));
	}
	ig_vec_end(b, i, NULL, 0);
}

static void emit_line(struct softmax *s, struct kir_builder *b)
{
	int64_t si = s->in->stride[s->axis], so = s->out->stride[s->axis];
	if (s->bytes) {
		move(s, b, kb_addr(s->x, 0), 1, s->from, si, KIR_I8);
		fill_tail(s, b, s->x, kb_const_i(b, KIR_T(KIR_I8, LANES), 0));
	} else {
		move(s, b, kb_addr(s->e, 0), 1, s->from, si, KIR_F32);
		fill_tail(s, b, s->e, kb_const_f(b, LANES, -INFINITY));
	}
	exponentials(s, b, part_max(s, b));
	divide(s, b, sum(s, b));
	if (s->qo)
		move(s, b, s->to, so, kb_addr(s->q, 0), 1, KIR_I8);
	else
		move(s, b, s->to, so, kb_addr(s->e, 0), 1, KIR_F32);
}

bool ig_lower_softmax(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct softmax s = {.L = L, .in = ig_low_view(L, n->in[0]), .out = ig_low_view(L, n->out[0])};
	const struct ig_qparam *qi = ig_qparam(L->g, s.in->type.q);
	int rank = s.out->type.rank;
	s.qo = ig_qparam(L->g, s.out->type.q);
	s.levels = s.qo ? (float)ig_attr_int(n, IG_A_LEVELS, 0) : 0.0f;
	s.bytes = !ig_low_is_float(s.in);
	if (s.bytes != (qi != NULL) || ig_low_is_float(s.out) != !s.qo)
		return ig_low_refuse(L, id, "bytes need quantization parameters");
	s.axis = (int)ig_attr_int(n, IG_A_AXIS, rank - 1);
	if (s.axis < 0)
		s.axis += rank;
	s.n = s.out->type.dim[s.axis];
	s.chunks = (s.n + LANES - 1) / LANES;
	s.e = ig_layout_buffer(L, "exp", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	if (s.bytes) {
		float t[256];
		ig_table_softmax(qi->scale[0], t);
		s.table = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.table", n->name), KIR_F32, 256, t);
		s.x = ig_layout_buffer(L, "line", KIR_SCRATCH, KIR_I8, s.chunks * LANES);
	}
	if (s.qo)
		s.q = ig_layout_buffer(L, "result", KIR_SCRATCH, KIR_I8, s.chunks * LANES);
	struct kir_builder b = ig_low_func(L, id);
	kir_iv iv[IG_MAX_RANK];
	s.from = kb_addr(s.in->buf, s.in->base);
	s.to = kb_addr(s.out->buf, s.out->base);
	for (int i = 0; i < rank; i++) {
		iv[i] = i == s.axis ? -1 : ig_vec_loop(&b, "d", s.out->type.dim[i], NULL, 0);
		ig_vec_term(&s.from, iv[i], s.in->stride[i]);
		ig_vec_term(&s.to, iv[i], s.out->stride[i]);
	}
	emit_line(&s, &b);
	for (int i = rank - 1; i >= 0; i--)
		ig_vec_end(&b, iv[i], NULL, 0);
	return true;
}
