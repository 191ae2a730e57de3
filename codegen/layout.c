/* Where graph values live: physical order, buffers, and which values share memory: concatenations that their producers write into, reshapes and slices
   that are views, results in place of an operand that dies, results written straight to the caller's memory. */
#include "codegen/rows.h"
#include "ir/dynamic.h"

#include <stdlib.h>

enum kir_elem ig_layout_elem(enum ig_dtype dt)
{
	switch (dt) {
	case IG_DT_F32: return KIR_F32;
	case IG_DT_BOOL:
	case IG_DT_U8:
	case IG_DT_S8: return KIR_I8;
	case IG_DT_I32: return KIR_I32;
	case IG_DT_I64: return KIR_I64;
	default: IG_BUG("element type %s has no layout", ig_dtypes[dt].name);
	}
}

void ig_layout_row_major(const struct ig_type *t, int64_t *stride)
{
	int64_t s = 1;
	for (int i = t->rank - 1; i >= 0; i--) {
		stride[i] = s;
		s *= t->dim[i];
	}
}

void ig_layout_strides(const struct ig_type *t, int64_t *stride)
{
	if (t->rank != 4) {
		ig_layout_row_major(t, stride);
		return;
	}
	const int64_t *d = t->dim;
	stride[1] = 1;
	stride[3] = d[1];
	stride[2] = d[1] * d[3];
	stride[0] = d[1] * d[3] * d[2];
}

bool ig_layout_is_dense(const struct kir_tensor *v)
{
	int rank = v->type.rank, d = ig_layout_dense_dim(rank);
	return rank == 0 || v->type.dim[d] == 1 || v->stride[d] == 1;
}

int32_t ig_layout_buffer(struct ig_lower *L, const char *name, enum kir_space space, enum kir_elem elem, int64_t count)
{
	int64_t n;
	if (!ig_add_i64(count, IG_LAYOUT_SLACK / kir_elem_bytes(elem), &n))
		IG_BUG("buffer %s of %lld elements", name, (long long)count);
	return kir_buffer_add(L->m, name, space, elem, n);
}

bool ig_layout_reshape(const struct kir_tensor *in, const struct ig_type *to, struct kir_tensor *out)
{
	const int64_t *a = in->type.dim, *b = to->dim;
	int i = 0, j = 0, na = in->type.rank, nb = to->rank;
	*out = *in;
	out->type = *to;
	for (int k = 0; k < IG_MAX_RANK; k++)
		out->stride[k] = 0;
	while (j < nb) {
		/* The least groups of dimensions with equal products, in order: a group's memory must be one run of equal steps. */
		int i0 = i, j0 = j;
		int64_t pa = i < na ? a[i++] : 1, pb = b[j++];
		while (pa != pb) {
			if (pa < pb && i < na)
				pa *= a[i++];
			else if (pa > pb && j < nb)
				pb *= b[j++];
			else
				IG_BUG("%s: reshape changes the number of elements", in->name);
		}
		while (j < nb && b[j] == 1)
			j++;
		while (i < na && a[i] == 1)
			i++;
		int64_t step = 0, run = 0;
		for (int k = i - 1; k >= i0; k--) {
			if (a[k] == 1)
				continue;
			if (run && in->stride[k] != run)
				return false;
			if (!run)
				step = in->stride[k];
			run = in->stride[k] * a[k];
		}
		for (int k = j - 1; k >= j0; k--) {
			out->stride[k] = step;
			step *= b[k];
		}
	}
	return ig_layout_is_dense(out);
}

void ig_layout_slice_of(const struct ig_graph *g, const struct ig_node *n, int axis, int64_t *start, int64_t *step)
{
	const struct ig_attr *st = ig_attr(n, IG_A_STARTS), *ax = ig_attr(n, IG_A_AXES), *sp = ig_attr(n, IG_A_STEPS);
	const struct ig_type *x = ig_vtype(g, n->in[0]);
	*start = 0;
	*step = 1;
	for (int i = 0; st && i < st->n; i++) {
		int64_t a = ax && i < ax->n ? ax->u.ints[i] : i, dim;
		if (a < 0)
			a += x->rank;
		if (a != axis)
			continue;
		dim = x->dim[axis];
		*step = sp && i < sp->n ? sp->u.ints[i] : 1;
		int64_t s = st->u.ints[i], top = *step < 0 ? dim - 1 : dim;
		if (s < 0)
			s += dim;
		*start = s < 0 ? 0 : s > top ? top : s;
	}
}

static bool placed(const struct ig_lower *L, struct ig_vid v) { return L->view[v.i].buf >= 0; }

static void place(struct ig_lower *L, struct ig_vid v, int32_t buf, int64_t base, const int64_t *stride)
{
	struct kir_tensor *t = &L->view[v.i];
	t->buf = buf;
	t->base = base;
	for (int i = 0; i < t->type.rank; i++)
		t->stride[i] = stride[i];
}

static void grow_facts(struct ig_lower *L)
{
	while (L->n_facts < L->m->n_bufs) {
		if (L->n_facts == L->cap_facts)
			ig_vec_grow((void **)&L->fact, &L->cap_facts, sizeof *L->fact);
		L->fact[L->n_facts++] = (struct ig_buffer_fact){.in_place = true};
	}
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

struct ig_halo ig_layout_padding(const struct ig_conv_geom *g)
{
	int64_t rows = (g->oh - 1) * g->sh + (g->kh - 1) * g->dh + 1, cols = (g->ow - 1) * g->sw + (g->kw - 1) * g->dw + 1;
	return (struct ig_halo){g->pt, g->pl, larger(rows - g->pt - g->ih, 0), larger(cols - g->pl - g->iw, 0)};
}

static bool no_halo(const struct ig_halo *h) { return !h->top && !h->left && !h->bottom && !h->right; }

static struct ig_halo most(struct ig_halo a, struct ig_halo b)
{
	return (struct ig_halo){larger(a.top, b.top), larger(a.left, b.left), larger(a.bottom, b.bottom), larger(a.right, b.right)};
}

/* The most padding that convolutions want around v, where they could read it in place, or around a sum that may be written over v (`depth` such steps). */
static struct ig_halo wanted_halo(const struct ig_lower *L, struct ig_vid v, int levels, int depth)
{
	const struct ig_graph *g = L->g;
	struct ig_halo h = {0, 0, 0, 0};
	bool integers = levels || ig_vtype(g, v)->dtype != IG_DT_F32;
	for (struct ig_nid i = ig_next(g, ig_value(g, v)->def); i.i >= 0 && ig_vtype(g, v)->rank == 4; i = ig_next(g, i)) {
		const struct ig_node *n = ig_node(g, i);
		bool depthwise = n->op == IG_OP_DEPTHWISE_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D_ADD;
		bool conv = n->op == IG_OP_CONV2D || n->op == IG_OP_CONV2D_ADD;
		if (ig_op_is_add(n->op) && n->in[3].i == v.i && depth)
			h = most(h, wanted_halo(L, n->out[0], 0, depth - 1));
		if ((!conv && !depthwise) || n->in[0].i != v.i || ig_dynamic_levels(n) != levels || (conv && integers && ig_layout_converts(L->t)))
			continue;
		struct ig_conv_geom c;
		ig_conv_geometry(g, n, &c);
		h = most(h, ig_layout_padding(&c));
	}
	return h;
}

struct ig_halo ig_layout_wanted(const struct ig_lower *L, struct ig_vid v, int levels) { return wanted_halo(L, v, levels, levels ? 0 : 2); }

void ig_layout_new(struct ig_lower *L, struct kir_tensor *t, struct ig_halo h)
{
	static const struct ig_halo none = {0, 0, 0, 0};
	int64_t all = ig_elems(&t->type), count = all;
	struct ig_type room = t->type;
	if (!no_halo(&h)) {
		room.dim[2] += h.top + h.bottom;
		room.dim[3] += h.left + h.right;
		if (!ig_type_elems(&room, &count) || count > 2 * all + 4096) { /* mostly padding: the copy for one image is smaller */
			room = t->type;
			count = all;
			h = none;
		}
	}
	ig_layout_strides(&room, t->stride);
	t->buf = ig_layout_buffer(L, t->name, KIR_ARENA, ig_layout_elem(t->type.dtype), count);
	t->base = no_halo(&h) ? 0 : h.top * t->stride[2] + h.left * t->stride[3];
	grow_facts(L);
	L->fact[t->buf].halo = h;
	L->fact[t->buf].inside = *t;
}

static void place_new(struct ig_lower *L, struct ig_vid v) { ig_layout_new(L, &L->view[v.i], (struct ig_halo){0, 0, 0, 0}); }
static void place_with_halo(struct ig_lower *L, struct ig_vid v) { ig_layout_new(L, &L->view[v.i], ig_layout_wanted(L, v, 0)); }

static bool computed(const struct ig_graph *g, struct ig_vid v)
{
	enum ig_op op = ig_def(g, v)->op;
	return op != IG_OP_INPUT && op != IG_OP_CONSTANT;
}

static bool same_values(const struct ig_graph *g, const struct ig_type *a, const struct ig_type *b)
{
	const struct ig_qparam *p = ig_qparam(g, a->q), *q = ig_qparam(g, b->q);
	return a->dtype == b->dtype && (p == q || (p && q && ig_qparam_equal(p, q)));
}

/* May the producer of v be told where to write? */
static bool directable(const struct ig_lower *L, struct ig_vid v)
{
	return computed(L->g, v) && !placed(L, v) && !ig_graph_is_output(L->g, v);
}

static bool view_op(enum ig_op op) { return op == IG_OP_RESHAPE || op == IG_OP_FLATTEN || op == IG_OP_OBSERVE || op == IG_OP_QUANT || op == IG_OP_DEQUANT; }

static void direct_concat(struct ig_lower *L, const struct ig_node *n)
{
	const struct kir_tensor *out = &L->view[n->out[0].i];
	int axis = (int)ig_attr_int(n, IG_A_AXIS, 1);
	int64_t at = 0;
	if (axis < 0)
		axis += out->type.rank;
	for (int i = 0; i < n->n_in; i++) {
		const struct ig_type *t = ig_vtype(L->g, n->in[i]);
		if (directable(L, n->in[i]) && same_values(L->g, t, &out->type)) {
			place(L, n->in[i], out->buf, out->base + at * out->stride[axis], out->stride);
			L->fact[out->buf].in_place = false;
		}
		at += t->dim[axis];
	}
}

/* A result that the caller takes in the compiler's own order is written to its memory at once. */
static void place_output(struct ig_lower *L, struct ig_vid v, const int32_t *out_buf)
{
	const struct ig_type *t = ig_vtype(L->g, v);
	int64_t stride[IG_MAX_RANK];
	ig_layout_row_major(t, stride);
	bool same_order = t->rank != 4 || t->dim[1] == 1 || t->dim[2] * t->dim[3] == 1;
	for (int k = 0; k < L->g->n_outputs && same_order && !placed(L, v); k++)
		if (L->g->output[k].i == v.i)
			place(L, v, out_buf[k], 0, stride);
}

/* From the last node to the first: results that go to the caller or into a concatenation are told so before their producers are reached. */
static void plan_backward(struct ig_lower *L, const int32_t *out_buf)
{
	const struct ig_graph *g = L->g;
	for (int32_t i = g->last; i >= 0; i = g->node[i].prev) {
		const struct ig_node *n = &g->node[i];
		if (n->op == IG_OP_INPUT || n->op == IG_OP_CONSTANT)
			continue;
		struct ig_vid v = n->out[0];
		for (int r = 0; r < n->n_out; r++)
			place_output(L, n->out[r], out_buf);
		if (n->op == IG_OP_CONCAT) {
			if (!placed(L, v))
				place_new(L, v);
			direct_concat(L, n);
		}
		struct kir_tensor up;
		if (view_op(n->op) && placed(L, v) && directable(L, n->in[0]) && ig_layout_reshape(&L->view[v.i], ig_vtype(g, n->in[0]), &up)) {
			place(L, n->in[0], up.buf, up.base, up.stride);
			L->fact[up.buf].in_place = false;
			L->alias[v.i] = true;
		}
	}
}

static bool slice_view(const struct ig_lower *L, const struct ig_node *n, const struct kir_tensor *in, struct kir_tensor *out)
{
	*out = *in;
	out->type = *ig_vtype(L->g, n->out[0]);
	for (int i = 0; i < out->type.rank; i++) {
		int64_t start, step;
		ig_layout_slice_of(L->g, n, i, &start, &step);
		if (step < 1)
			return false;
		out->base += start * in->stride[i];
		out->stride[i] = step * in->stride[i];
	}
	return ig_layout_is_dense(out);
}

static bool try_view(struct ig_lower *L, const struct ig_node *n)
{
	if (!view_op(n->op) && n->op != IG_OP_SLICE)
		return false;
	const struct kir_tensor *in = ig_low_view(L, n->in[0]);
	struct kir_tensor out;
	if (n->op == IG_OP_SLICE ? !slice_view(L, n, in, &out) : !ig_layout_reshape(in, ig_vtype(L->g, n->out[0]), &out))
		return false;
	place(L, n->out[0], out.buf, out.base, out.stride);
	L->alias[n->out[0].i] = true;
	return true;
}

/* The parts of a split are views where their channels are adjacent. */
static void view_parts(struct ig_lower *L, const struct ig_node *n)
{
	const struct kir_tensor *in = ig_low_view(L, n->in[0]);
	int axis = (int)ig_attr_int(n, IG_A_AXIS, 0);
	struct kir_tensor part = *in;
	for (int r = 0; r < n->n_out; r++) {
		struct ig_vid v = n->out[r];
		part.type = *ig_vtype(L->g, v);
		if (!placed(L, v) && ig_layout_is_dense(&part)) {
			place(L, v, part.buf, part.base, part.stride);
			L->alias[v.i] = true;
		} else if (!placed(L, v)) {
			place_with_halo(L, v);
		}
		part.base += part.type.dim[axis] * in->stride[axis];
	}
}

static bool same_place(const struct kir_tensor *a, const struct kir_tensor *b)
{
	bool same = a->buf == b->buf && a->base == b->base && ig_type_same_shape(&a->type, &b->type);
	for (int i = 0; same && i < a->type.rank; i++)
		same = a->type.dim[i] == 1 || a->stride[i] == b->stride[i];
	return same;
}

bool ig_layout_has_halo(const struct ig_lower *L, const struct kir_tensor *v, const struct ig_halo *need)
{
	if (v->buf >= L->n_facts || no_halo(&L->fact[v->buf].halo) || !same_place(v, &L->fact[v->buf].inside))
		return false;
	const struct ig_halo *h = &L->fact[v->buf].halo;
	return h->top >= need->top && h->left >= need->left && h->bottom >= need->bottom && h->right >= need->right;
}

/* A row-fused group reads its input until its last band: does writing over t meanwhile destroy what is yet to be read? */
static bool destroys_rows(const struct ig_lower *L, const struct ig_node *n, const struct kir_tensor *t)
{
	const struct ig_rows *r = L->rows[ig_value(L->g, n->out[0])->def.i];
	if (!r)
		return false;
	const struct kir_tensor *in = &L->view[ig_node(L->g, ig_rows_head(r))->in[0].i];
	return in->buf == t->buf && !(ig_rows_in_place(L, r) && same_place(in, t));
}

/* May node n write its result over operand k? Element for element, and nothing reads that memory afterwards. */
static bool may_overwrite(const struct ig_lower *L, const struct ig_node *n, int k, const int32_t *last_use, int32_t now)
{
	const struct ig_type *x = ig_vtype(L->g, n->in[k]), *y = ig_vtype(L->g, n->out[0]);
	const struct kir_tensor *t = &L->view[n->in[k].i];
	if (t->buf < 0 || L->m->buf[t->buf].space != KIR_ARENA || !L->fact[t->buf].in_place || !ig_type_same_shape(x, y) ||
	    ig_layout_elem(x->dtype) != ig_layout_elem(y->dtype) || !ig_layout_is_dense(t))
		return false;
	for (int v = 0; v < L->g->n_values; v++)
		if (L->view[v].buf == t->buf && last_use[v] > now)
			return false;
	for (int i = 0; i < n->n_in; i++) {
		const struct kir_tensor *o = &L->view[n->in[i].i];
		if (o->buf == t->buf && (ig_op_is_add(n->op) ? i != k : !same_place(o, t)))
			return false;
	}
	return !destroys_rows(L, n, t);
}

static bool try_in_place(struct ig_lower *L, const struct ig_node *n, const int32_t *last_use, int32_t now)
{
	enum ig_quant_class q = ig_ops[n->op].quant;
	int first = 0, end = 0;
	if (L->o->keep)
		return false;
	if (ig_op_is_add(n->op))
		first = 3, end = 4;
	else if (q == IG_QC_ELTWISE)
		end = 2;
	else if (q == IG_QC_TABLE || n->op == IG_OP_BATCH_NORM || n->op == IG_OP_REQUANTIZE)
		end = 1;
	for (int k = first; k < end; k++)
		if (may_overwrite(L, n, k, last_use, now)) {
			const struct kir_tensor *t = &L->view[n->in[k].i];
			place(L, n->out[0], t->buf, t->base, t->stride);
			return true;
		}
	return false;
}

static void plan_forward(struct ig_lower *L, const int32_t *last_use)
{
	const struct ig_graph *g = L->g;
	int32_t now = 0;
	for (struct ig_nid i = ig_first(g); i.i >= 0; i = ig_next(g, i), now++) {
		const struct ig_node *n = ig_node(g, i);
		if (n->op == IG_OP_INPUT || n->op == IG_OP_CONSTANT || (placed(L, n->out[0]) && n->n_out == 1) || ig_rows_inside(L, i))
			continue;
		if (n->op == IG_OP_SPLIT)
			view_parts(L, n);
		else if (!placed(L, n->out[0]) && !try_view(L, n) && !try_in_place(L, n, last_use, now))
			place_with_halo(L, n->out[0]);
		for (int r = 1; r < n->n_out; r++)
			if (!placed(L, n->out[r]))
				place_with_halo(L, n->out[r]);
	}
}

static void add_io(struct ig_lower *L, int32_t *out_buf)
{
	const struct ig_graph *g = L->g;
	for (int i = 0; i < g->n_inputs; i++) {
		const struct ig_value *x = ig_value(g, g->input[i]);
		int64_t stride[IG_MAX_RANK];
		const char *layout = ig_attr_str(ig_def(g, g->input[i]), IG_A_LAYOUT, "nchw");
		if (layout[0] == 'n' && layout[1] == 'h')
			ig_layout_strides(&x->type, stride);
		else
			ig_layout_row_major(&x->type, stride);
		int32_t buf = kir_buffer_add(L->m, x->name, KIR_IN, ig_layout_elem(x->type.dtype), ig_elems(&x->type));
		L->m->buf[buf].io = i;
		place(L, g->input[i], buf, 0, stride);
	}
	for (int i = 0; i < g->n_outputs; i++) {
		const struct ig_type *t = ig_vtype(g, g->output[i]);
		out_buf[i] = kir_buffer_add(L->m, g->output_name[i] ? g->output_name[i] : "output", KIR_OUT, ig_layout_elem(t->dtype), ig_elems(t));
		L->m->buf[out_buf[i]].io = i;
	}
}

void ig_layout_plan(struct ig_lower *L, int32_t *out_buf)
{
	const struct ig_graph *g = L->g;
	int32_t *last_use = IG_NEWN(L->arena, int32_t, g->n_values + 1), *when = IG_NEWN(L->arena, int32_t, g->n_nodes + 1), now = 0;
	for (struct ig_nid i = ig_first(g); i.i >= 0; i = ig_next(g, i), now++)
		when[i.i] = now;
	for (struct ig_nid i = ig_first(g); i.i >= 0; i = ig_next(g, i)) {
		int32_t at = L->rows[i.i] ? when[L->rows[i.i]->project.i] : when[i.i]; /* a row-fused group runs where its last layer stands */
		for (int k = 0; k < ig_node(g, i)->n_in; k++) {
			int32_t *last = &last_use[ig_node(g, i)->in[k].i];
			*last = at > *last ? at : *last;
		}
	}
	for (int i = 0; i < g->n_outputs; i++)
		last_use[g->output[i].i] = INT32_MAX;
	add_io(L, out_buf);
	grow_facts(L);
	plan_backward(L, out_buf);
	plan_forward(L, last_use);
}
