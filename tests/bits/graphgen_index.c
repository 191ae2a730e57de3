/* Random operations whose elements come from computed places, transposed convolutions and recurrent layers. */
#include "tests/bits/graphgen.h"

#include <string.h>

#include "ir/infer.h"

struct made {
	struct bits_random *r;
	struct ig_graph *g;
	struct ig_vid x;
	const struct ig_type *t;
	int rank;
};

static int64_t pick(const struct made *m, int64_t lo, int64_t hi) { return lo + bits_pick(m->r, (uint32_t)(hi - lo + 1)); }

static struct ig_nid add(const struct made *m, enum ig_op op, const struct ig_vid *in, int n_in, int n_out)
{
	return ig_graph_add_results(m->g, IG_NONODE, op, ig_graph_unique_name(m->g, ig_ops[op].name), IG_NOLOC, in, n_in, n_out);
}

static struct ig_vid constant(const struct made *m, int rank, const int64_t *dim, double lo, double hi)
{
	struct ig_type t = ig_type_make(IG_DT_F32, rank, dim);
	struct ig_tensor *x = ig_tensor_new(m->g->arena, &t);
	for (int64_t i = 0, n = ig_elems(&t); i < n; i++)
		((float *)x->data)[i] = (float)bits_real(m->r, lo, hi);
	return ig_graph_constant(m->g, IG_NONODE, ig_graph_unique_name(m->g, "k"), IG_NOLOC, x);
}

static struct ig_nid pad(const struct made *m)
{
	static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
	int64_t pads[2 * IG_MAX_RANK] = {0};
	for (int i = m->rank == 4 ? 1 : 0; i < m->rank; i++)
		for (int k = 0; k < 2; k++)
			pads[i + k * m->rank] = bits_pick(m->r, 3) ? 0 : pick(m, m->t->dim[i] > 4 ? -2 : 0, 5);
	struct ig_nid id = add(m, IG_OP_PAD, &m->x, 1, 1);
	ig_attr_set_ints(m->g, id, IG_A_PADS, pads, 2 * m->rank);
	ig_attr_set_str(m->g, id, IG_A_MODE, modes[bits_pick(m->r, 4)]);
	ig_attr_set_float(m->g, id, IG_A_VALUE, bits_real(m->r, -0.5, 0.5));
	return id;
}

static struct ig_nid slice(const struct made *m)
{
	int64_t starts[IG_MAX_RANK], ends[IG_MAX_RANK], steps[IG_MAX_RANK];
	for (int i = 0; i < m->rank; i++) {
		bool back = bits_pick(m->r, 2) != 0;
		starts[i] = back ? m->t->dim[i] - 1 - bits_pick(m->r, 2) : 0;
		ends[i] = back ? -m->t->dim[i] - 1 : m->t->dim[i];
		steps[i] = bits_pick(m->r, 4) ? 1 : 2;
		steps[i] = back ? -steps[i] : steps[i];
	}
	struct ig_nid id = add(m, IG_OP_SLICE, &m->x, 1, 1);
	ig_attr_set_ints(m->g, id, IG_A_STARTS, starts, m->rank);
	ig_attr_set_ints(m->g, id, IG_A_ENDS, ends, m->rank);
	ig_attr_set_ints(m->g, id, IG_A_STEPS, steps, m->rank);
	return id;
}

static struct ig_nid split(const struct made *m)
{
	int axis = (int)pick(m, 0, m->rank - 1);
	for (int i = 0; i < m->rank && m->t->dim[axis] < 2; i++)
		axis = i;
	int64_t dim = m->t->dim[axis], sizes[3] = {dim, 0, 0};
	int n = dim < 2 ? 1 : dim < 4 ? 2 : (int)pick(m, 2, 3);
	for (int i = 0; i + 1 < n; i++) {
		int64_t part = pick(m, 1, sizes[i] - (n - 1 - i));
		sizes[i + 1] = sizes[i] - part;
		sizes[i] = part;
	}
	struct ig_nid id = add(m, IG_OP_SPLIT, &m->x, 1, n);
	ig_attr_set_int(m->g, id, IG_A_AXIS, axis);
	ig_attr_set_ints(m->g, id, IG_A_SIZES, sizes, n);
	return id;
}

static struct ig_nid gather(const struct made *m)
{
	int axis = (int)pick(m, 0, m->rank - 1), rank = m->rank < 5 ? (int)pick(m, 0, 2) : 1;
	int64_t dim[2] = {pick(m, 1, 5), pick(m, 1, 3)};
	struct ig_type t = ig_type_make(IG_DT_I64, rank, dim);
	struct ig_tensor *k = ig_tensor_new(m->g->arena, &t);
	for (int64_t i = 0; i < ig_elems(&t); i++)
		((int64_t *)k->data)[i] = pick(m, -m->t->dim[axis], m->t->dim[axis] - 1);
	struct ig_vid in[2] = {m->x, ig_graph_constant(m->g, IG_NONODE, ig_graph_unique_name(m->g, "indices"), IG_NOLOC, k)};
	struct ig_nid id = add(m, IG_OP_GATHER, in, 2, 1);
	ig_attr_set_int(m->g, id, IG_A_AXIS, axis);
	return id;
}

static struct ig_nid tile(const struct made *m)
{
	int64_t by[IG_MAX_RANK];
	if (bits_pick(m->r, 2)) { /* expand: one more axis in front */
		struct ig_nid id = add(m, IG_OP_EXPAND, &m->x, 1, 1);
		int n = m->rank < 5 && m->rank != 4 ? 1 : 0;
		by[0] = pick(m, 1, 3);
		for (int i = 0; i < m->rank; i++)
			by[i + n] = m->t->dim[i] == 1 && i ? pick(m, 1, 4) : m->t->dim[i];
		ig_attr_set_ints(m->g, id, IG_A_SHAPE, by, m->rank + n);
		return id;
	}
	struct ig_nid id = add(m, IG_OP_TILE, &m->x, 1, 1);
	for (int i = 0; i < m->rank; i++)
		by[i] = bits_pick(m->r, 3) || (m->rank == 4 && i == 0) ? 1 : pick(m, 1, 3);
	ig_attr_set_ints(m->g, id, IG_A_REPEATS, by, m->rank);
	return id;
}

static struct ig_nid resize(const struct made *m)
{
	static const char *const coordinate[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners", "tf_half_pixel"};
	static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
	struct ig_nid id = add(m, IG_OP_RESIZE, &m->x, 1, 1);
	bool by_scales = bits_pick(m->r, 2) != 0;
	int64_t sizes[IG_MAX_RANK];
	double scales[IG_MAX_RANK];
	for (int i = 0; i < m->rank; i++) {
		bool keep = i + 2 < m->rank || bits_pick(m->r, 4) == 0;
		sizes[i] = keep ? m->t->dim[i] : bits_pick(m->r, 2) ? 2 * m->t->dim[i] : pick(m, 1, 2 * m->t->dim[i] + 1);
		scales[i] = keep ? 1 : bits_pick(m->r, 2) ? 2 : bits_real(m->r, 0.4, 2.5);
	}
	if (by_scales)
		ig_attr_set_floats(m->g, id, IG_A_SCALES, scales, m->rank);
	else
		ig_attr_set_ints(m->g, id, IG_A_SIZES, sizes, m->rank);
	ig_attr_set_str(m->g, id, IG_A_MODE, bits_pick(m->r, 2) ? "linear" : "nearest");
	ig_attr_set_str(m->g, id, IG_A_COORDINATE, coordinate[bits_pick(m->r, 6)]);
	ig_attr_set_str(m->g, id, IG_A_NEAREST_MODE, nearest[bits_pick(m->r, 4)]);
	return id;
}

static struct ig_nid blocks(const struct made *m)
{
	int64_t b[2] = {pick(m, 1, 3), pick(m, 1, 3)};
	bool deep = m->t->dim[1] % (b[0] * b[1]) == 0;
	if (!deep) {
		for (int i = 0; i < 2; i++)
			while (m->t->dim[2 + i] % b[i])
				b[i]--;
	}
	struct ig_nid id = add(m, deep ? IG_OP_DEPTH_TO_SPACE : IG_OP_SPACE_TO_DEPTH, &m->x, 1, 1);
	ig_attr_set_ints(m->g, id, IG_A_BLOCK, b, 2);
	if (deep && bits_pick(m->r, 2))
		ig_attr_set_str(m->g, id, IG_A_MODE, "crd");
	return id;
}

static struct ig_nid transposed(const struct made *m)
{
	int64_t groups = bits_pick(m->r, 3) ? 1 : m->t->dim[1] % 2 ? m->t->dim[1] : 2, kernel[2] = {pick(m, 1, 4), pick(m, 1, 4)}, stride[2] = {pick(m, 1, 3), pick(m, 1, 3)};
	int64_t w[4] = {m->t->dim[1], pick(m, 1, 6), kernel[0], kernel[1]}, oc = w[1] * groups, dil = pick(m, 1, 2), pad[4];
	double gain = 1.7 / (double)(m->t->dim[1] / groups * 3);
	struct ig_vid in[3] = {m->x, constant(m, 4, w, -gain, gain), constant(m, 1, &oc, -0.2, 0.2)};
	struct ig_nid id = add(m, IG_OP_CONV_TRANSPOSE2D, in, 2 + (int)bits_pick(m->r, 2), 1);
	for (int i = 0; i < 4; i++)
		pad[i] = bits_pick(m->r, 3);
	ig_attr_set_ints(m->g, id, IG_A_STRIDE, stride, 2);
	ig_attr_set_int(m->g, id, IG_A_DILATION, dil);
	ig_attr_set_ints(m->g, id, IG_A_PAD, pad, 4);
	ig_attr_set_int(m->g, id, IG_A_GROUPS, groups);
	ig_attr_set_ints(m->g, id, IG_A_OUTPUT_PADDING, (int64_t[]){pick(m, 0, stride[0] - 1), pick(m, 0, stride[1] - 1)}, 2);
	return id;
}

static struct ig_nid recurrent(const struct made *m)
{
	static const enum ig_op ops[] = {IG_OP_LSTM, IG_OP_GRU, IG_OP_RNN};
	static const char *const directions[] = {"forward", "reverse", "bidirectional"};
	static const int gates[] = {4, 3, 1}, most[] = {7, 5, 5};
	int which = (int)bits_pick(m->r, 3), n_in = (int)pick(m, 3, most[which]), direction = (int)bits_pick(m->r, 3);
	int64_t dirs = direction == 2 ? 2 : 1, h = pick(m, 1, 40), batch = m->t->dim[1], inputs = m->t->dim[2], rows = gates[which] * h;
	struct ig_vid in[7] = {m->x};
	in[1] = constant(m, 3, (int64_t[]){dirs, rows, inputs}, -0.5, 0.5);
	in[2] = constant(m, 3, (int64_t[]){dirs, rows, h}, -0.5, 0.5);
	in[3] = constant(m, 2, (int64_t[]){dirs, 2 * rows}, -0.5, 0.5);
	in[4] = constant(m, 3, (int64_t[]){dirs, batch, h}, -0.5, 0.5);
	in[5] = constant(m, 3, (int64_t[]){dirs, batch, h}, -0.5, 0.5);
	in[6] = constant(m, 2, (int64_t[]){dirs, 3 * h}, -0.5, 0.5);
	struct ig_nid id = add(m, ops[which], in, n_in, ig_op_results(ops[which]));
	ig_attr_set_str(m->g, id, IG_A_DIRECTION, directions[direction]);
	if (ops[which] == IG_OP_GRU)
		ig_attr_set_int(m->g, id, IG_A_LINEAR_BEFORE_RESET, bits_pick(m->r, 2));
	return id;
}

struct ig_nid bits_index_op(struct bits_random *r, struct ig_graph *g, struct ig_vid x)
{
	const struct ig_type t = *ig_vtype(g, x);
	struct made m = {r, g, x, &t, t.rank};
	switch (bits_pick(r, 12)) {
	case 0: return pad(&m);
	case 1: return slice(&m);
	case 2: return split(&m);
	case 3: return gather(&m);
	case 4: return tile(&m);
	case 5:
	case 6: return resize(&m);
	case 7: return m.rank == 4 ? blocks(&m) : split(&m);
	case 8: return m.rank == 4 ? add(&m, IG_OP_GLOBAL_MAX_POOL, &x, 1, 1) : pad(&m);
	case 9:
	case 10: return m.rank == 4 ? transposed(&m) : m.rank == 3 ? recurrent(&m) : gather(&m);
	default: return m.rank == 3 ? recurrent(&m) : resize(&m);
	}
}
