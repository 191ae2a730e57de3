/* lrn: the channels of one place at a time in scratch, with zeros around them for the windows at the edges: their squares add nothing. */
#include "codegen/lower.h"

#define LANES 16

struct lrn {
	const struct kir_tensor *in, *out;
	int64_t channels, chunks, size, before;
	float factor, beta, k;
	int32_t x, y;         /* scratch: the padded channels, their results */
	struct kir_addr from, to;
};

/* count elements between memory and scratch. */
static void move(struct kir_builder *b, struct kir_addr to, int64_t to_step, struct kir_addr from, int64_t from_step, int64_t count)
{
	kir_iv i = ig_vec_loop(b, "c", count, NULL, 0);
	ig_vec_term(&to, i, to_step);
	ig_vec_term(&from, i, from_step);
	ig_vec_store_f(b, kb_load(b, KIR_T(KIR_F32, 1), from), to, 1);
	ig_vec_end(b, i, NULL, 0);
}

static void windows(struct kir_builder *b, const struct lrn *s)
{
	kir_iv c = ig_vec_loop(b, "chunk", s->chunks, NULL, 0);
	struct kir_addr at = kb_addr(s->x, 0), center = kb_addr(s->x, s->before), to = kb_addr(s->y, 0);
	kir_val sum = kb_const_f(b, LANES, 0.0f);
	ig_vec_term(&at, c, LANES);
	ig_vec_term(&center, c, LANES);
	ig_vec_term(&to, c, LANES);
	kir_iv j = ig_vec_loop(b, "j", s->size, &sum, 1);
	ig_vec_term(&at, j, 1);
	kir_val v = kb_load(b, KIR_T(KIR_F32, LANES), at);
	sum = kb_fma(b, v, v, sum);
	ig_vec_end(b, j, &sum, 1);
	kir_val t = kb_fma(b, kb_const_f(b, LANES, s->factor), sum, kb_const_f(b, LANES, s->k));
	t = ig_math_pow(b, t, kb_const_f(b, LANES, s->beta));
	kb_store(b, kb_op2(b, KIR_DIV, kb_load(b, KIR_T(KIR_F32, LANES), center), t), to);
	ig_vec_end(b, c, NULL, 0);
}

bool ig_lower_lrn(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct lrn s = {.in = ig_low_view(L, n->in[0]), .out = ig_low_view(L, n->out[0])};
	int rank = s.in->type.rank;
	kir_iv iv[IG_MAX_RANK];
	s.channels = s.in->type.dim[1];
	s.chunks = (s.channels + LANES - 1) / LANES;
	s.size = ig_attr_int(n, IG_A_SIZE, 1);
	s.before = (s.size - 1) / 2;
	s.factor = (float)ig_attr_float(n, IG_A_ALPHA, 1e-4) / (float)s.size;
	s.beta = (float)ig_attr_float(n, IG_A_BETA, 0.75);
	s.k = (float)ig_attr_float(n, IG_A_K, 1);
	int64_t room = s.chunks * LANES + s.size;
	s.x = ig_layout_buffer(L, "channels", KIR_SCRATCH, KIR_F32, room);
	s.y = ig_layout_buffer(L, "result", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	struct kir_builder b = ig_low_func(L, id);
	kir_iv z = ig_vec_loop(&b, "zero", room, NULL, 0);
	struct kir_addr zero = kb_addr(s.x, 0);
	ig_vec_term(&zero, z, 1);
	kb_store(&b, kb_const_f(&b, 1, 0.0f), zero);
	ig_vec_end(&b, z, NULL, 0);
	s.from = kb_addr(s.in->buf, s.in->base);
	s.to = kb_addr(s.out->buf, s.out->base);
	for (int i = 0; i < rank; i++) {
		iv[i] = i == 1 ? -1 : ig_vec_loop(&b, "d", s.in->type.dim[i], NULL, 0);
		ig_vec_term(&s.from, iv[i], s.in->stride[i]);
		ig_vec_term(&s.to, iv[i], s.out->stride[i]);
	}
	move(&b, kb_addr(s.x, s.before), 1, s.from, s.in->stride[1], s.channels);
	windows(&b, &s);
	move(&b, s.to, s.out->stride[1], kb_addr(s.y, 0), 1, s.channels);
	for (int i = rank - 1; i >= 0; i--)
		ig_vec_end(&b, iv[i], NULL, 0);
	return true;
}
