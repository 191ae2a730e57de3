/* Operations whose elements come from computed places (ir/axismap.h): the tables of the axes are split into runs that loops can follow. */
#include "codegen/axissegs.h"
#include "codegen/lower.h"
#include "ir/axismap.h"
#include "runtime/qmath.h"

#include <string.h>

#define MAX_NESTS 512 /* copies of one layer: what has more is too irregular for straight code */
#define MAX_PRODUCT 32 /* beyond which axes go one after the other through scratch */

struct mover {
	struct ig_lower *L;
	struct kir_builder *b;
	enum kir_elem elem;
	int64_t fill; /* bits of the fill value */
};
struct axis_segs {
	struct ig_seg *seg;
	int64_t n;
};

/* The nest of one choice of segments. */
static void move_box(const struct mover *m, const struct kir_tensor *out, const struct kir_tensor *in, int rank, const struct ig_seg *const *seg)
{
	int64_t extent[IG_NEST_RANK], so[IG_NEST_RANK], si[IG_NEST_RANK], to = out->base, from = in->base;
	int n = 0, shift = rank - in->type.rank;
	bool fill = false;
	for (int i = 0; i < rank; i++) {
		int64_t step = i < shift ? 0 : in->stride[i - shift];
		to += seg[i]->first * out->stride[i];
		fill |= seg[i]->from[0] < 0;
		from += seg[i]->from[0] * step;
		if (seg[i]->n1 > 1) {
			extent[n] = seg[i]->n1;
			so[n] = seg[i]->n0 * out->stride[i];
			si[n++] = seg[i]->s1[0] * step;
		}
		if (seg[i]->n0 > 1) {
			extent[n] = seg[i]->n0;
			so[n] = out->stride[i];
			si[n++] = seg[i]->s0[0] * step;
		}
	}
	struct ig_nest nest;
	int lanes = m->L->t->vector_bytes / kir_elem_bytes(m->elem);
	ig_nest_init(&nest, n, extent);
	ig_nest_operand(&nest, out->buf, to, so);
	if (fill) {
		ig_nest_fill(m->b, &nest, lanes, m->elem, m->fill);
		return;
	}
	ig_nest_operand(&nest, in->buf, from, si);
	ig_nest_copy(m->b, &nest, lanes, m->elem);
}

/* All choices of segments. */
static void move_all(const struct mover *m, const struct kir_tensor *out, const struct kir_tensor *in, int rank, const struct axis_segs *s)
{
	int64_t choice[IG_MAX_RANK] = {0};
	for (;;) {
		const struct ig_seg *seg[IG_MAX_RANK];
		int i = rank - 1;
		for (int k = 0; k < rank; k++)
			seg[k] = &s[k].seg[choice[k]];
		move_box(m, out, in, rank, seg);
		for (; i >= 0 && ++choice[i] == s[i].n; i--)
			choice[i] = 0;
		if (i < 0)
			return;
	}
}

static struct axis_segs segs_of(struct ig_lower *L, const int64_t *table, int64_t count)
{
	struct axis_segs s = {IG_NEWN(L->arena, struct ig_seg, count), 0};
	s.n = ig_segs_of(&table, 1, count, s.seg);
	return s;
}

static struct axis_segs whole(struct ig_lower *L, int64_t count)
{
	struct axis_segs s = {IG_NEW(L->arena, struct ig_seg), 1};
	s.seg[0] = (struct ig_seg){.n1 = 1, .n0 = count, .s0 = {1}};
	return s;
}

/* One axis at a time, each into scratch but for the last. */
static void move_in_turn(const struct mover *m, const struct kir_tensor *out, const struct kir_tensor *in, int rank, const struct axis_segs *s, int last)
{
	struct kir_tensor now = *in;
	int shift = rank - in->type.rank;
	for (int k = 0; k < rank; k++) {
		struct axis_segs one[IG_MAX_RANK];
		struct kir_tensor next = now;
		if (k != last && s[k].n == 1 && s[k].seg[0].n0 == (k < shift ? 1 : now.type.dim[k - shift]) && s[k].seg[0].s0[0] == 1)
			continue;
		if (k == last) {
			next = *out;
		} else {
			if (shift) { /* the axes in front are last */
				next.type.rank = rank;
				for (int i = rank - 1; i >= 0; i--)
					next.type.dim[i] = i < shift ? 1 : now.type.dim[i - shift];
			}
			next.type.dim[k] = out->type.dim[k];
			ig_layout_strides(&next.type, next.stride);
			next.base = 0;
			next.buf = ig_layout_buffer(m->L, "axis", KIR_SCRATCH, m->elem, ig_elems(&next.type));
		}
		for (int i = 0; i < rank; i++)
			one[i] = i == k ? s[i] : whole(m->L, next.type.dim[i]);
		move_all(m, &next, &now, rank, one);
		now = next;
		shift = 0;
	}
}

static int64_t fill_bits(const struct ig_lower *L, const struct ig_node *n, enum kir_elem e)
{
	const struct ig_type *y = ig_vtype(L->g, n->out[0]);
	const struct ig_qparam *q = ig_qparam(L->g, y->q);
	float value = n->op == IG_OP_PAD ? (float)ig_attr_float(n, IG_A_VALUE, 0) : 0.0f;
	if (e == KIR_F32)
		return (int32_t)ig_bits_of(value);
	if (q)
		return ig_quantize(value, q->scale[0], q->zero_point[0], q->qmin, q->qmax);
	return y->dtype == IG_DT_U8 ? ig_pack(value, 0, 0, 255) : y->dtype == IG_DT_S8 ? ig_pack(value, 0, -128, 127) : (int64_t)value;
}

/* out = in, by a table for each axis. */
static bool move_tables(struct ig_lower *L, struct ig_nid id, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in,
                        int64_t *const *table)
{
	int rank = out->type.rank, dims = 0, last = rank - 1;
	struct mover m = {L, b, ig_layout_elem(out->type.dtype), fill_bits(L, ig_node(L->g, id), ig_layout_elem(out->type.dtype))};
	struct axis_segs s[IG_MAX_RANK];
	int64_t product = 1, sum = 0;
	for (int i = 0; i < rank; i++) {
		s[i] = segs_of(L, table[i], out->type.dim[i]);
		product *= product > MAX_NESTS ? 1 : s[i].n;
		sum += s[i].n;
		for (int64_t k = 0; k < s[i].n && dims <= IG_NEST_RANK; k++)
			if (s[i].seg[k].n1 > 1) {
				dims++;
				break;
			}
	}
	if (sum > MAX_NESTS + rank)
		return ig_low_refuse(L, id, "its elements come from %lld different runs; code is generated for at most %d", (long long)sum, MAX_NESTS);
	if (product <= MAX_PRODUCT && rank + dims <= IG_NEST_RANK) {
		move_all(&m, out, in, rank, s);
		return true;
	}
	while (last > 0 && s[last].n == 1 && s[last].seg[0].n1 == 1)
		last--; /* the last axis that does something writes the result */
	for (int i = last + 1; i < rank; i++)
		if (s[i].seg[0].from[0] != 0 || s[i].seg[0].s0[0] != 1)
			last = i;
	move_in_turn(&m, out, in, rank, s, last);
	return true;
}

static bool lower_axes(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]);
	struct kir_builder b = ig_low_func(L, id);
	for (int r = 0; r < n->n_out; r++) {
		struct ig_axis_map map;
		if (L->alias[n->out[r].i])
			continue;
		ig_axis_map_of(L->g, n, r, L->arena, &map);
		if (!move_tables(L, id, &b, ig_low_view(L, n->out[r]), in, map.at))
			return false;
	}
	return true;
}

bool ig_lower_slice(struct ig_lower *L, struct ig_nid n) { return lower_axes(L, n); }
bool ig_lower_pad(struct ig_lower *L, struct ig_nid n) { return lower_axes(L, n); }
bool ig_lower_split(struct ig_lower *L, struct ig_nid n) { return lower_axes(L, n); }
bool ig_lower_expand(struct ig_lower *L, struct ig_nid n) { return lower_axes(L, n); }
bool ig_lower_tile(struct ig_lower *L, struct ig_nid n) { return lower_axes(L, n); }

/* Constant indices: a table for the axis; the indices' own axes are one where the result is read so. */
bool ig_lower_gather(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct ig_tensor *k = ig_const_data(L->g, n->in[1]);
	if (!k)
		return ig_low_refuse(L, id, "code is generated for constant indices; the interpreter takes those of run time");
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int axis = (int)ig_attr_int(n, IG_A_AXIS, 0), rank = in->type.rank;
	int64_t count = ig_elems(&k->type), *table[IG_MAX_RANK];
	struct kir_tensor to = *in; /* the result with the indices' axes as one */
	to.type.dim[axis] = count;
	for (int i = 0; i < rank; i++) {
		table[i] = IG_NEWN(L->arena, int64_t, to.type.dim[i]);
		for (int64_t j = 0; j < to.type.dim[i]; j++) {
			int64_t v = i != axis ? j : k->type.dtype == IG_DT_I64 ? ((const int64_t *)k->data)[j] : ((const int32_t *)k->data)[j];
			table[i][j] = v < 0 ? v + in->type.dim[i] : v;
		}
	}
	struct kir_builder b = ig_low_func(L, id);
	struct kir_tensor view;
	if (k->type.rank == 1) {
		to = *out;
	} else if (ig_layout_reshape(out, &to.type, &view)) {
		to = view;
	} else {
		to.base = 0;
		ig_layout_row_major(&to.type, to.stride);
		to.buf = ig_layout_buffer(L, "gathered", KIR_SCRATCH, ig_layout_elem(out->type.dtype), ig_elems(&to.type));
	}
	if (!move_tables(L, id, &b, &to, in, table))
		return false;
	if (to.buf == out->buf)
		return true;
	to.type = out->type; /* row-major in scratch */
	ig_layout_row_major(&to.type, to.stride);
	ig_low_copy(L, &b, out, &to);
	return true;
}

static bool lower_blocks(struct ig_lower *L, struct ig_nid id, bool to_space)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]), *deep = to_space ? in : out, *wide = to_space ? out : in;
	bool crd = strcmp(ig_attr_str(n, IG_A_MODE, "dcr"), "crd") == 0;
	const int64_t *d = deep->type.dim, *ds = deep->stride, *ws = wide->stride;
	int64_t b2[2], channels = wide->type.dim[1];
	ig_attr_ints(n, IG_A_BLOCK, 1, b2, 2);
	int64_t place = (crd ? 1 : channels) * ds[1], channel = (crd ? b2[0] * b2[1] : 1) * ds[1]; /* steps of place and channel in the deep tensor */
	int64_t extent[6] = {d[0], channels, d[2], b2[0], d[3], b2[1]};
	int64_t sd[6] = {ds[0], channel, ds[2], b2[1] * place, ds[3], place}, sw[6] = {ws[0], ws[1], b2[0] * ws[2], ws[2], b2[1] * ws[3], ws[3]};
	struct kir_builder b = ig_low_func(L, id);
	struct ig_nest nest;
	enum kir_elem e = ig_layout_elem(out->type.dtype);
	ig_nest_init(&nest, 6, extent);
	ig_nest_operand(&nest, out->buf, out->base, to_space ? sw : sd);
	ig_nest_operand(&nest, in->buf, in->base, to_space ? sd : sw);
	ig_nest_copy(&b, &nest, L->t->vector_bytes / kir_elem_bytes(e), e);
	return true;
}

bool ig_lower_depth_to_space(struct ig_lower *L, struct ig_nid n) { return lower_blocks(L, n, true); }
bool ig_lower_space_to_depth(struct ig_lower *L, struct ig_nid n) { return lower_blocks(L, n, false); }

/* ---- linear resize: a pass for each axis, the last first ---- */

struct linear {
	const struct ig_qparam *q; /* NULL: float32 */
	bool first, last;          /* reads bytes, writes bytes */
};

/* Operands: result, the two elements, their weights. */
static void linear_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct linear *z = ctx;
	kir_val v[4];
	for (int i = 0; i < 4; i++) {
		const struct kir_addr *at = &p->at[i + 1];
		bool bytes = z->q && z->first && i < 2;
		v[i] = bytes ? ig_vec_load_qf(b, at, p->lanes, p->active, p->step[i + 1], z->q->zero_point[0])
		             : ig_vec_load_f(b, at, p->lanes, p->active, p->step[i + 1]);
	}
	kir_val y = kb_fma(b, v[3], v[1], kb_op2(b, KIR_MUL, v[2], v[0]));
	struct ig_vec_pack pack = {0};
	if (!z->q || !z->last) {
		ig_vec_store_f(b, y, p->at[0], p->active);
		return;
	}
	pack = (struct ig_vec_pack){z->q->qmin, z->q->qmax, z->q->zero_point[0], false, true}; /* an average of bytes */
	ig_vec_store_q(b, &y, 1, p->lanes, &pack, p->at[0], p->active);
}

static bool linear_axis(struct ig_lower *L, struct ig_nid id, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in, int axis,
                        struct linear *z)
{
	struct ig_resize_axis r = ig_resize_axis_of(L->g, ig_node(L->g, id), axis);
	int rank = out->type.rank;
	int64_t *table[2] = {IG_NEWN(L->arena, int64_t, r.out), IG_NEWN(L->arena, int64_t, r.out)};
	float *w = IG_NEWN(L->arena, float, 2 * r.out);
	struct ig_seg *seg = IG_NEWN(L->arena, struct ig_seg, r.out);
	for (int64_t i = 0; i < r.out; i++) {
		struct ig_resize_tap t = ig_resize_linear(&r, i);
		table[0][i] = t.i0;
		table[1][i] = t.i1;
		w[i] = t.w0;
		w[r.out + i] = t.w1;
	}
	int64_t n = ig_segs_of((const int64_t *const *)table, 2, r.out, seg);
	if (n > MAX_NESTS || rank + 1 > IG_NEST_RANK)
		return ig_low_refuse(L, id, "axis %d is made of %lld different runs; code is generated for at most %d", axis, (long long)n, MAX_NESTS);
	int32_t weights = kir_buffer_const(L->m, ig_arena_printf(L->arena, "%s.weights%d", ig_node(L->g, id)->name, axis), KIR_F32, 2 * r.out, w);
	for (int64_t k = 0; k < n; k++) {
		const struct ig_seg *s = &seg[k];
		int64_t extent[IG_NEST_RANK], st[3][IG_NEST_RANK] = {{0}}, sw[IG_NEST_RANK] = {0};
		for (int i = 0; i < rank; i++) {
			extent[i] = i == axis ? s->n0 : out->type.dim[i];
			st[0][i] = out->stride[i];
			st[1][i] = st[2][i] = in->stride[i];
		}
		extent[rank] = s->n1;
		st[0][rank] = s->n0 * out->stride[axis];
		for (int i = 0; i < 2; i++) {
			st[i + 1][axis] = s->s0[i] * in->stride[axis];
			st[i + 1][rank] = s->s1[i] * in->stride[axis];
		}
		sw[axis] = 1;
		sw[rank] = s->n0;
		struct ig_nest nest;
		ig_nest_init(&nest, rank + 1, extent);
		ig_nest_operand(&nest, out->buf, out->base + s->first * out->stride[axis], st[0]);
		ig_nest_operand(&nest, in->buf, in->base + s->from[0] * in->stride[axis], st[1]);
		ig_nest_operand(&nest, in->buf, in->base + s->from[1] * in->stride[axis], st[2]);
		ig_nest_operand(&nest, weights, s->first, sw);
		ig_nest_operand(&nest, weights, r.out + s->first, sw);
		ig_nest_run(b, &nest, L->lanes, linear_body, z);
	}
	return true;
}

static bool lower_linear(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int rank = out->type.rank, axes[IG_MAX_RANK], count = 0;
	struct kir_builder b = ig_low_func(L, id);
	struct kir_tensor now = *in;
	for (int k = rank - 1; k >= 0; k--) {
		struct ig_resize_axis r = ig_resize_axis_of(L->g, n, k);
		if (!ig_resize_is_identity(&r))
			axes[count++] = k;
	}
	if (!count)
		ig_low_copy(L, &b, out, in);
	for (int i = 0; i < count; i++) {
		struct linear z = {ig_qparam(L->g, out->type.q), i == 0, i == count - 1};
		struct kir_tensor next = now;
		next.type.dim[axes[i]] = out->type.dim[axes[i]];
		next.type.dtype = IG_DT_F32;
		if (z.last) {
			next = *out;
		} else {
			ig_layout_strides(&next.type, next.stride);
			next.base = 0;
			next.buf = ig_layout_buffer(L, "axis", KIR_SCRATCH, KIR_F32, ig_elems(&next.type));
		}
		if (!linear_axis(L, id, &b, &next, &now, axes[i], &z))
			return false;
		now = next;
	}
	return true;
}

bool ig_lower_resize(struct ig_lower *L, struct ig_nid n) { return ig_resize_is_linear(ig_node(L->g, n)) ? lower_linear(L, n) : lower_axes(L, n); }

bool ig_lower_gather_elements(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_one_hot(struct ig_lower *L, struct ig_nid n) { return ig_low_later(L, n); }
bool ig_lower_conv_transpose2d(struct ig_lower *L, struct ig_nid n) { return ig_low_refuse(L, n, "the pass expand_transposed has not run"); }
