/* Linear layers: the convolution schedule over pixels that are the leading dimensions. */
#include "codegen/conv.h"

/* A row-major twin of a value whose order is another, for shapes the schedule does not know. */
static struct ig_vid stand_in(struct ig_lower *L, struct ig_vid v, struct kir_tensor *saved, bool copy_in)
{
	struct kir_tensor *view = &L->view[v.i];
	*saved = *view;
	if (copy_in)
		*saved = *ig_low_view(L, v);
	struct kir_tensor t = *saved;
	int64_t rows = 1, last = t.type.dim[t.type.rank - 1];
	enum kir_elem e = ig_layout_elem(t.type.dtype);
	t.base = 0;
	t.buf = ig_layout_buffer(L, ig_arena_printf(L->arena, "%s.rows", t.name), KIR_ARENA, e, ig_elems(&t.type));
	ig_layout_row_major(&t.type, t.stride);
	if (copy_in) {
		struct kir_builder b = {L->m, kir_func_add(L->m, L->m->buf[t.buf].name, ig_value(L->g, v)->def)};
		struct ig_nest nest;
		ig_nest_init(&nest, t.type.rank, t.type.dim);
		ig_nest_view(&nest, &t);
		ig_nest_view(&nest, saved);
		ig_nest_copy(&b, &nest, L->t->vector_bytes / kir_elem_bytes(e), e);
	}
	for (int i = 0; i + 1 < t.type.rank; i++)
		rows *= t.type.dim[i];
	t.type.rank = 2;
	t.type.dim[0] = rows;
	t.type.dim[1] = last;
	t.stride[0] = last;
	t.stride[1] = 1;
	*view = t;
	return v;
}

static bool schedule(struct ig_lower *L, struct ig_nid n)
{
	struct ig_conv c;
	if (!ig_conv_begin(&c, L, n))
		return false;
	return ig_sched_conv(&c);
}

static bool lower_linear(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	struct kir_tensor in, out, res;
	bool add = ig_op_is_add(n->op);
	if (ig_vtype(L->g, n->in[0])->rank < 4)
		return schedule(L, id);
	stand_in(L, n->in[0], &in, true);
	if (add && n->in[3].i != n->in[0].i)
		stand_in(L, n->in[3], &res, true);
	stand_in(L, n->out[0], &out, false);
	bool ok = schedule(L, id);
	struct kir_tensor rows = L->view[n->out[0].i];
	L->view[n->in[0].i] = in;
	if (add && n->in[3].i != n->in[0].i)
		L->view[n->in[3].i] = res;
	L->view[n->out[0].i] = out;
	if (!ok)
		return false;
	rows.type = out.type;
	ig_layout_row_major(&rows.type, rows.stride);
	struct kir_builder b = {L->m, kir_func_add(L->m, ig_arena_printf(L->arena, "%s.order", n->name), id)};
	enum kir_elem e = ig_layout_elem(out.type.dtype);
	struct ig_nest nest;
	ig_nest_init(&nest, out.type.rank, out.type.dim);
	ig_nest_view(&nest, &out);
	ig_nest_view(&nest, &rows);
	ig_nest_copy(&b, &nest, L->t->vector_bytes / kir_elem_bytes(e), e);
	return true;
}

bool ig_lower_linear(struct ig_lower *L, struct ig_nid n) { return lower_linear(L, n); }
bool ig_lower_linear_add(struct ig_lower *L, struct ig_nid n) { return lower_linear(L, n); }
