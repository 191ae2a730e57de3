#include "tests/bits/graphgen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/infer.h"

const char *const bits_flavour_names[BITS_FLAVOURS] = {"plain", "pow2", "large", "mixed", "float"};

uint32_t bits_pick(struct bits_random *r, uint32_t n)
{
	r->s = r->s * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((r->s >> 32) % n);
}

double bits_real(struct bits_random *r, double lo, double hi)
{
	r->s = r->s * 6364136223846793005u + 1442695040888963407u;
	return lo + (hi - lo) * ((double)(r->s >> 11) / 9007199254740992.0);
}

#define MAX_VALUES 40
#define MAX_ELEMS 6000
#define MAX_WEIGHTS 60000 /* of a linear layer */

struct gen {
	struct bits_random r;
	struct ig_graph *g;
	struct ig_diag *d;
	enum bits_flavour flavour;
	bool blocks, index, math;
	struct ig_vid v[MAX_VALUES];
	int n, n_nodes;
};

static const int64_t *dims(const struct gen *k, struct ig_vid v)
{
	return ig_vtype(k->g, v)->dim;
}

static int rank(const struct gen *k, struct ig_vid v)
{
	return ig_vtype(k->g, v)->rank;
}

static const char *name(struct gen *k, const char *op)
{
	return ig_graph_unique_name(k->g, ig_arena_printf(k->g->arena, "%s%d", op, k->n_nodes++));
}

/* Infers; a node that is not possible here (a window larger than its input, ...) is taken out again. */
static struct ig_vid finish(struct gen *k, struct ig_nid id)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct ig_diag *quiet = ig_diag_new(f, false);
	bool ok = ig_infer_node(k->g, id, quiet);
	ig_diag_free(quiet);
	fclose(f);
	free(text);
	struct ig_vid v = ig_node(k->g, id)->out[0];
	int64_t n;
	if (ok && ig_type_elems(ig_vtype(k->g, v), &n) && n > 0 && n <= MAX_ELEMS)
		return v;
	ig_graph_remove(k->g, id);
	return IG_NOVAL;
}

static struct ig_vid constant(struct gen *k, const char *what, int rk, const int64_t *dim, double lo, double hi)
{
	struct ig_type t = ig_type_make(IG_DT_F32, rk, dim);
	struct ig_tensor *x = ig_tensor_new(k->g->arena, &t);
	for (int64_t i = 0, n = ig_elems(&t); i < n; i++)
		((float *)x->data)[i] = (float)bits_real(&k->r, lo, hi);
	return ig_graph_constant(k->g, IG_NONODE, ig_graph_unique_name(k->g, what), IG_NOLOC, x);
}

static struct ig_nid add(struct gen *k, enum ig_op op, const struct ig_vid *in, int n)
{
	return ig_graph_add(k->g, op, name(k, ig_ops[op].name), IG_NOLOC, in, n);
}

static struct ig_vid unary(struct gen *k, enum ig_op op, struct ig_vid x)
{
	return finish(k, add(k, op, &x, 1));
}

/* Weights of about unit gain, so that deep networks neither fade nor explode; LARGE: all positive. */
static struct ig_vid weights(struct gen *k, int rk, const int64_t *dim)
{
	int64_t fan = 1;
	for (int i = 1; i < rk; i++)
		fan *= dim[i];
	double a = 1.7 / sqrt((double)fan);
	if (k->flavour == BITS_LARGE)
		return constant(k, "w", rk, dim, 0.9 / (double)fan, 1.9 / (double)fan);
	return constant(k, "w", rk, dim, -a, a);
}

static int64_t odd_count(struct gen *k)
{
	static const int64_t counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 19, 24, 31, 32, 33, 40, 48, 64};
	return counts[bits_pick(&k->r, IG_COUNTOF(counts))];
}

static void window(struct gen *k, struct ig_nid id, int64_t kh, int64_t kw, bool dilation)
{
	int64_t stride[2] = {1 + bits_pick(&k->r, 5) / 3, 1 + bits_pick(&k->r, 5) / 3}, pad[4], dil[2] = {1, 1};
	if (bits_pick(&k->r, 8) == 0)
		stride[0] = 3;
	bool none = bits_pick(&k->r, 3) == 0, same = bits_pick(&k->r, 2);
	for (int i = 0; i < 4; i++)
		pad[i] = none ? 0 : same ? ((i % 2 ? kw : kh) - 1) / 2 : (int64_t)bits_pick(&k->r, (uint32_t)(i % 2 ? kw : kh));
	if (dilation && bits_pick(&k->r, 4) == 0)
		dil[bits_pick(&k->r, 2)] = 2;
	ig_attr_set_ints(k->g, id, IG_A_STRIDE, stride, 2);
	ig_attr_set_ints(k->g, id, IG_A_PAD, pad, 4);
	if (dilation)
		ig_attr_set_ints(k->g, id, IG_A_DILATION, dil, 2);
}

static struct ig_vid activation(struct gen *k, struct ig_vid x)
{
	if (x.i < 0)
		return x;
	switch (bits_pick(&k->r, 6)) {
	case 0: return unary(k, IG_OP_RELU, x);
	case 1: return unary(k, IG_OP_RELU6, x);
	case 2: {
		struct ig_nid id = add(k, IG_OP_CLIP, &x, 1);
		if (bits_pick(&k->r, 4))
			ig_attr_set_float(k->g, id, IG_A_MIN, bits_real(&k->r, -1, 0));
		if (bits_pick(&k->r, 4))
			ig_attr_set_float(k->g, id, IG_A_MAX, bits_real(&k->r, 0.3, 2));
		return finish(k, id);
	}
	default: return x;
	}
}

static struct ig_vid batch_norm(struct gen *k, struct ig_vid x)
{
	if (x.i < 0 || rank(k, x) < 2)
		return x;
	int64_t c = dims(k, x)[1];
	struct ig_vid in[5] = {x, constant(k, "gamma", 1, &c, 0.5, 1.5), constant(k, "beta", 1, &c, -0.3, 0.3), constant(k, "mean", 1, &c, -0.2, 0.2),
	                       constant(k, "var", 1, &c, 0.3, 1.5)};
	return finish(k, add(k, IG_OP_BATCH_NORM, in, 5));
}

static struct ig_vid conv(struct gen *k, struct ig_vid x, int64_t oc, int64_t kh, int64_t kw, int64_t groups, bool keep_shape)
{
	int64_t c = dims(k, x)[1], w[4] = {oc, c / groups, kh, kw};
	struct ig_vid in[3] = {x, weights(k, 4, w)};
	int n = 2;
	if (bits_pick(&k->r, 3))
		in[n++] = constant(k, "b", 1, &oc, -0.5, 0.5);
	struct ig_nid id = add(k, IG_OP_CONV2D, in, n);
	if (groups > 1)
		ig_attr_set_int(k->g, id, IG_A_GROUPS, groups);
	if (keep_shape)
		ig_attr_set_ints(k->g, id, IG_A_PAD, (const int64_t[]){(kh - 1) / 2, (kw - 1) / 2, kh / 2, kw / 2}, 4);
	else
		window(k, id, kh, kw, true);
	struct ig_vid y = finish(k, id);
	return bits_pick(&k->r, 3) == 0 ? batch_norm(k, y) : y;
}

static struct ig_vid random_conv(struct gen *k, struct ig_vid x)
{
	static const int64_t kernels[] = {1, 1, 3, 3, 3, 2, 5, 4};
	int64_t c = dims(k, x)[1], oc = odd_count(k), groups = 1, kh = kernels[bits_pick(&k->r, 8)], kw = bits_pick(&k->r, 4) ? kh : kernels[bits_pick(&k->r, 8)];
	if (bits_pick(&k->r, 4) == 0 && c > 1)
		for (int64_t g = 2; g <= c && g <= 8; g++)
			if (c % g == 0 && bits_pick(&k->r, 2)) {
				groups = g;
				oc = g * (1 + (int64_t)bits_pick(&k->r, 9));
			}
	return activation(k, conv(k, x, oc, kh, kw, groups, false));
}

static struct ig_vid random_depthwise(struct gen *k, struct ig_vid x)
{
	static const int64_t kernels[] = {3, 3, 3, 5, 2, 1};
	int64_t c = dims(k, x)[1], kh = kernels[bits_pick(&k->r, 6)], kw = bits_pick(&k->r, 4) ? kh : kernels[bits_pick(&k->r, 6)], w[4] = {c, 1, kh, kw};
	struct ig_vid in[3] = {x, weights(k, 4, w)};
	int n = 2;
	if (bits_pick(&k->r, 3))
		in[n++] = constant(k, "b", 1, &c, -0.5, 0.5);
	struct ig_nid id = add(k, IG_OP_DEPTHWISE_CONV2D, in, n);
	window(k, id, kh, kw, true);
	struct ig_vid y = finish(k, id);
	return activation(k, bits_pick(&k->r, 3) == 0 ? batch_norm(k, y) : y);
}

static struct ig_vid random_linear(struct gen *k, struct ig_vid x, int64_t units)
{
	if (units * dims(k, x)[rank(k, x) - 1] > MAX_WEIGHTS)
		units = MAX_WEIGHTS / dims(k, x)[rank(k, x) - 1];
	if (!units)
		return IG_NOVAL;
	int64_t w[2] = {units, dims(k, x)[rank(k, x) - 1]};
	struct ig_vid in[3] = {x, weights(k, 2, w)};
	int n = 2;
	if (bits_pick(&k->r, 3))
		in[n++] = constant(k, "b", 1, &units, -0.5, 0.5);
	return activation(k, finish(k, add(k, IG_OP_LINEAR, in, n)));
}

/* x + f(x), f keeping the shape; the sum sometimes clipped: what fuses to conv2d_add, depthwise_conv2d_add or linear_add. */
static struct ig_vid residual(struct gen *k, struct ig_vid x)
{
	struct ig_vid y;
	if (rank(k, x) == 4 && bits_pick(&k->r, 4) == 0) {
		int64_t c = dims(k, x)[1], w[4] = {c, 1, 3, 3};
		struct ig_vid in[2] = {x, weights(k, 4, w)};
		struct ig_nid id = add(k, IG_OP_DEPTHWISE_CONV2D, in, 2);
		ig_attr_set_ints(k->g, id, IG_A_PAD, (const int64_t[]){1, 1, 1, 1}, 4);
		y = finish(k, id);
	} else if (rank(k, x) == 4) {
		y = conv(k, x, dims(k, x)[1], bits_pick(&k->r, 2) ? 3 : 1, 3, 1, true);
	} else {
		int64_t u = dims(k, x)[rank(k, x) - 1], w[2] = {u, u};
		if (u * u > MAX_WEIGHTS)
			return IG_NOVAL;
		struct ig_vid in[2] = {x, weights(k, 2, w)};
		y = finish(k, add(k, IG_OP_LINEAR, in, 2));
	}
	if (y.i < 0)
		return y;
	struct ig_vid in[2] = {x, y};
	if (bits_pick(&k->r, 2)) {
		in[0] = y;
		in[1] = x;
	}
	return activation(k, finish(k, add(k, IG_OP_ADD, in, 2)));
}

static struct ig_vid clipped(struct gen *k, struct ig_vid x)
{
	return x.i < 0 || bits_pick(&k->r, 4) == 0 ? x : unary(k, bits_pick(&k->r, 2) ? IG_OP_RELU6 : IG_OP_RELU, x);
}

/* Expansion, depthwise convolution and projection, perhaps around a residual: what row fusion takes as one. Sometimes a value inside is read twice. */
static struct ig_vid block(struct gen *k, struct ig_vid x)
{
	int64_t in = dims(k, x)[1], c = in * (1 + bits_pick(&k->r, 4)), kh = bits_pick(&k->r, 4) ? 3 : 2 + bits_pick(&k->r, 4), kw = bits_pick(&k->r, 4) ? kh : 3;
	bool keep = bits_pick(&k->r, 2), wide = bits_pick(&k->r, 5) == 0;
	struct ig_vid e = bits_pick(&k->r, 3) ? clipped(k, conv(k, x, c, wide ? 3 : 1, wide ? 3 : 1, 1, bits_pick(&k->r, 3))) : x;
	if (e.i < 0)
		return e;
	c = dims(k, e)[1];
	struct ig_vid w[2] = {e, weights(k, 4, (const int64_t[]){c, 1, kh, kw})};
	struct ig_nid id = add(k, IG_OP_DEPTHWISE_CONV2D, w, 2);
	if (keep)
		ig_attr_set_ints(k->g, id, IG_A_PAD, (const int64_t[]){(kh - 1) / 2, (kw - 1) / 2, kh / 2, kw / 2}, 4);
	else
		window(k, id, kh, kw, true);
	struct ig_vid d = clipped(k, finish(k, id)), y;
	if (d.i < 0)
		return d;
	y = conv(k, d, keep ? in : odd_count(k), 1, 1, 1, true);
	if (y.i < 0)
		return y;
	if (bits_pick(&k->r, 8) == 0 && k->n < MAX_VALUES - 1)
		k->v[k->n++] = bits_pick(&k->r, 2) ? d : e;
	struct ig_vid sum[2] = {x, y};
	return ig_type_same_shape(ig_vtype(k->g, x), ig_vtype(k->g, y)) && bits_pick(&k->r, 2) ? finish(k, add(k, IG_OP_ADD, sum, 2)) : y;
}

static bool same_shape(const struct gen *k, struct ig_vid a, struct ig_vid b)
{
	return ig_type_same_shape(ig_vtype(k->g, a), ig_vtype(k->g, b));
}

/* add, sub, mul: with another value of the shape, with itself, or with a constant that is broadcast. */
static struct ig_vid eltwise(struct gen *k, struct ig_vid x)
{
	static const enum ig_op ops[] = {IG_OP_ADD, IG_OP_SUB, IG_OP_MUL};
	struct ig_vid in[2] = {x, IG_NOVAL};
	for (int i = 0; i < 6; i++) {
		struct ig_vid y = k->v[bits_pick(&k->r, (uint32_t)k->n)];
		if (same_shape(k, x, y) && (y.i != x.i || i > 3))
			in[1] = y;
	}
	if (in[1].i < 0 || bits_pick(&k->r, 4) == 0) {
		int64_t d[IG_MAX_RANK];
		for (int i = 0; i < rank(k, x); i++)
			d[i] = bits_pick(&k->r, 3) == 0 ? dims(k, x)[i] : 1;
		if (rank(k, x) == 4 && bits_pick(&k->r, 2))
			d[1] = dims(k, x)[1];
		in[1] = constant(k, "k", rank(k, x), d, -1, 1.5);
	}
	if (bits_pick(&k->r, 2)) {
		struct ig_vid t = in[0];
		in[0] = in[1];
		in[1] = t;
	}
	struct ig_nid id = add(k, ops[bits_pick(&k->r, 3)], in, 2);
	if (id.i % 3 == 0 && ig_op_has_attr(ig_node(k->g, id)->op, IG_A_EARLY_ZERO)) /* as in imported models, of u8 and of s8 */
		ig_attr_set_int(k->g, id, IG_A_EARLY_ZERO, id.i % 2 ? 128 : 0);
	return activation(k, finish(k, id));
}

static struct ig_vid concat(struct gen *k, struct ig_vid x)
{
	int rk = rank(k, x), axis = (int)bits_pick(&k->r, (uint32_t)rk), n = 1;
	struct ig_vid in[4] = {x};
	if (rk == 4 && bits_pick(&k->r, 4))
		axis = 1;
	for (int tries = 0; tries < 20 && n < 4; tries++) {
		struct ig_vid y = k->v[bits_pick(&k->r, (uint32_t)k->n)];
		bool fits = rank(k, y) == rk;
		for (int i = 0; fits && i < rk; i++)
			fits = i == axis || dims(k, y)[i] == dims(k, x)[i];
		if (fits && (n < 2 || bits_pick(&k->r, 2)))
			in[n++] = y;
	}
	struct ig_nid id = add(k, IG_OP_CONCAT, in, n);
	ig_attr_set_int(k->g, id, IG_A_AXIS, axis);
	return finish(k, id);
}

static struct ig_vid pool(struct gen *k, struct ig_vid x)
{
	if (bits_pick(&k->r, 6) == 0)
		return unary(k, IG_OP_GLOBAL_AVG_POOL, x);
	bool max = bits_pick(&k->r, 2);
	int64_t kernel[2] = {1 + bits_pick(&k->r, 4), 1 + bits_pick(&k->r, 4)};
	struct ig_nid id = add(k, max ? IG_OP_MAX_POOL2D : IG_OP_AVG_POOL2D, &x, 1);
	ig_attr_set_ints(k->g, id, IG_A_KERNEL, kernel, 2);
	window(k, id, kernel[0], kernel[1], false);
	if (max && bits_pick(&k->r, 6) == 0)
		ig_attr_set_ints(k->g, id, IG_A_DILATION, (const int64_t[]){2, 1}, 2);
	if (bits_pick(&k->r, 3) == 0)
		ig_attr_set_int(k->g, id, IG_A_CEIL_MODE, 1);
	if (!max)
		ig_attr_set_int(k->g, id, IG_A_COUNT_INCLUDE_PAD, bits_pick(&k->r, 2));
	return finish(k, id);
}

static struct ig_vid table(struct gen *k, struct ig_vid x)
{
	static const enum ig_op ops[] = {IG_OP_SIGMOID, IG_OP_TANH, IG_OP_HARD_SWISH, IG_OP_RELU, IG_OP_RELU6};
	if (bits_pick(&k->r, 5) == 0) {
		struct ig_nid id = add(k, IG_OP_CLIP, &x, 1);
		ig_attr_set_float(k->g, id, IG_A_MIN, bits_real(&k->r, -0.5, 0));
		ig_attr_set_float(k->g, id, IG_A_MAX, bits_real(&k->r, 0.5, 1));
		return finish(k, id);
	}
	if (bits_pick(&k->r, 4) == 0) {
		struct ig_nid id = add(k, IG_OP_LEAKY_RELU, &x, 1);
		ig_attr_set_float(k->g, id, IG_A_ALPHA, bits_real(&k->r, 0.01, 0.4));
		return finish(k, id);
	}
	return unary(k, ops[bits_pick(&k->r, 5)], x);
}

static struct ig_vid move(struct gen *k, struct ig_vid x)
{
	int rk = rank(k, x);
	struct ig_nid id;
	switch (bits_pick(&k->r, 5)) {
	case 0: {
		int64_t pads[2 * IG_MAX_RANK] = {0};
		for (int i = rk == 4 ? 1 : 0; i < rk; i++) {
			pads[i] = bits_pick(&k->r, 3);
			pads[rk + i] = bits_pick(&k->r, 3);
		}
		id = add(k, IG_OP_PAD, &x, 1);
		ig_attr_set_ints(k->g, id, IG_A_PADS, pads, 2 * rk);
		if (bits_pick(&k->r, 2))
			ig_attr_set_float(k->g, id, IG_A_VALUE, bits_real(&k->r, -0.5, 0.5));
		return finish(k, id);
	}
	case 1: {
		int64_t starts[IG_MAX_RANK], ends[IG_MAX_RANK], steps[IG_MAX_RANK], axes[IG_MAX_RANK];
		int n = 0;
		for (int i = 0; i < rk; i++) {
			int64_t d = dims(k, x)[i];
			if (d < 3 || bits_pick(&k->r, 2))
				continue;
			starts[n] = bits_pick(&k->r, (uint32_t)(d / 2));
			ends[n] = bits_pick(&k->r, 3) ? d : d - 1;
			steps[n] = 1 + bits_pick(&k->r, 4) / 3;
			axes[n++] = i;
		}
		if (!n)
			return IG_NOVAL;
		id = add(k, IG_OP_SLICE, &x, 1);
		ig_attr_set_ints(k->g, id, IG_A_STARTS, starts, n);
		ig_attr_set_ints(k->g, id, IG_A_ENDS, ends, n);
		ig_attr_set_ints(k->g, id, IG_A_AXES, axes, n);
		ig_attr_set_ints(k->g, id, IG_A_STEPS, steps, n);
		return finish(k, id);
	}
	case 2: {
		int64_t perm[IG_MAX_RANK];
		for (int i = 0; i < rk; i++)
			perm[i] = i;
		for (int i = rk - 1; i > 0; i--) {
			int j = (int)bits_pick(&k->r, (uint32_t)i + 1);
			int64_t t = perm[i];
			perm[i] = perm[j];
			perm[j] = t;
		}
		id = add(k, IG_OP_TRANSPOSE, &x, 1);
		ig_attr_set_ints(k->g, id, IG_A_PERM, perm, rk);
		return finish(k, id);
	}
	case 3: {
		int64_t d[IG_MAX_RANK] = {0}, n = rk;
		memcpy(d, dims(k, x), sizeof(int64_t) * (size_t)rk);
		int i = (int)bits_pick(&k->r, (uint32_t)rk);
		if (rk < 5 && d[i] % 2 == 0) { /* one axis split in two */
			for (int64_t j = n; j > i; j--)
				d[j] = d[j - 1];
			d[i] /= 2;
			d[i + 1] = 2;
			n++;
		} else if (rk > 2) { /* the last two together */
			d[rk - 2] *= d[rk - 1];
			n--;
		}
		id = add(k, IG_OP_RESHAPE, &x, 1);
		ig_attr_set_ints(k->g, id, IG_A_SHAPE, d, (int)n);
		return finish(k, id);
	}
	default: return unary(k, IG_OP_FLATTEN, x);
	}
}

/* Of several results one goes on; the others are read by nothing, or come out of the model. */
static struct ig_vid index_op(struct gen *k, struct ig_vid x)
{
	struct ig_nid id = bits_index_op(&k->r, k->g, x);
	if (finish(k, id).i < 0)
		return IG_NOVAL;
	const struct ig_node *n = ig_node(k->g, id);
	for (int i = 1; i < n->n_out && k->n < MAX_VALUES - 1; i++)
		if (bits_pick(&k->r, 2))
			k->v[k->n++] = n->out[i];
	return n->out[0];
}

static struct ig_vid softmax(struct gen *k, struct ig_vid x)
{
	struct ig_nid id = add(k, IG_OP_SOFTMAX, &x, 1);
	ig_attr_set_int(k->g, id, IG_A_AXIS, bits_pick(&k->r, 3) ? rank(k, x) - 1 : (int64_t)bits_pick(&k->r, (uint32_t)rank(k, x)));
	if (id.i % 3 == 0) /* as in imported models; without a random number, so that the graphs of a seed stay */
		ig_attr_set_int(k->g, id, IG_A_LEVELS, 254);
	return finish(k, id);
}

static struct ig_vid step(struct gen *k)
{
	/* mostly the latest value, so that networks are deep */
	struct ig_vid x = k->v[bits_pick(&k->r, 4) ? k->n - 1 : (int)bits_pick(&k->r, (uint32_t)k->n)];
	bool image = rank(k, x) == 4;
	if (k->blocks && image && bits_pick(&k->r, 4))
		return block(k, x);
	if (k->index && bits_pick(&k->r, 5) < 3)
		return index_op(k, x);
	if (k->math && bits_pick(&k->r, 5) < 3) {
		struct ig_vid y = bits_math_op(&k->r, k->g, x, k->d);
		return ig_elems(ig_vtype(k->g, y)) <= MAX_ELEMS ? y : IG_NOVAL;
	}
	if (k->flavour == BITS_POW2 && bits_pick(&k->r, 4) == 0) /* sums at equal and doubled scales: ties */
		return eltwise(k, x);
	switch (bits_pick(&k->r, 16)) {
	case 0:
	case 1:
	case 2:
	case 3: return image ? random_conv(k, x) : random_linear(k, x, odd_count(k));
	case 4: return image ? random_depthwise(k, x) : random_linear(k, x, odd_count(k));
	case 5: return image ? block(k, x) : random_linear(k, x, odd_count(k));
	case 6:
	case 7: return residual(k, x);
	case 8:
	case 9: return eltwise(k, x);
	case 10: return concat(k, x);
	case 11: return image ? pool(k, x) : table(k, x);
	case 12: return table(k, x);
	case 13:
	case 14: return move(k, x);
	default: return bits_pick(&k->r, 3) == 0 ? softmax(k, x) : image ? pool(k, x) : batch_norm(k, x);
	}
}

static struct ig_vid input(struct gen *k, const char *nm, enum ig_dtype dt, int rk, const int64_t *d)
{
	struct ig_nid id = ig_graph_add(k->g, IG_OP_INPUT, nm, IG_NOLOC, NULL, 0);
	struct ig_vid v = ig_node(k->g, id)->out[0];
	ig_value(k->g, v)->type = ig_type_make(dt, rk, d);
	ig_graph_mark_input(k->g, v);
	return v;
}

/* f32, or bytes in nhwc order that are normalized. */
static struct ig_vid image_input(struct gen *k, const char *nm)
{
	int64_t d[4] = {bits_pick(&k->r, 12) == 0 ? 2 : 1, odd_count(k) % 20 + 1, 3 + bits_pick(&k->r, 14), 3 + bits_pick(&k->r, 10)};
	if (bits_pick(&k->r, 4))
		return input(k, nm, IG_DT_F32, 4, d);
	d[1] = bits_pick(&k->r, 2) ? 3 : 1 + bits_pick(&k->r, 5);
	struct ig_vid x = input(k, nm, IG_DT_U8, 4, d);
	double mean[8], std[8];
	for (int64_t c = 0; c < d[1]; c++) {
		mean[c] = bits_real(&k->r, 0.3, 0.6);
		std[c] = bits_real(&k->r, 0.2, 0.3);
	}
	if (bits_pick(&k->r, 4))
		ig_attr_set_str(k->g, ig_value(k->g, x)->def, IG_A_LAYOUT, "nhwc");
	struct ig_nid id = add(k, IG_OP_NORMALIZE, &x, 1);
	ig_attr_set_float(k->g, id, IG_A_SCALE, 255);
	ig_attr_set_floats(k->g, id, IG_A_MEAN, mean, (int)d[1]);
	ig_attr_set_floats(k->g, id, IG_A_STD, std, (int)d[1]);
	return finish(k, id);
}

static void begin_large(struct gen *k)
{
	int64_t d[4] = {1, 1000 + bits_pick(&k->r, 600)};
	if (bits_pick(&k->r, 3) == 0) {
		int64_t c[4] = {1, 64 + bits_pick(&k->r, 9), 4, 5};
		struct ig_vid x = input(k, "x", IG_DT_F32, 4, c), y = conv(k, x, odd_count(k), 3, 3, 1, true);
		k->v[k->n++] = x;
		k->v[k->n++] = y.i < 0 ? x : y;
		return;
	}
	k->v[k->n++] = input(k, "x", IG_DT_F32, 2, d);
	k->v[k->n] = random_linear(k, k->v[0], odd_count(k) + 7);
	k->n++;
}

static void begin(struct gen *k)
{
	if (k->flavour == BITS_LARGE) {
		begin_large(k);
		return;
	}
	if (bits_pick(&k->r, k->index || k->math ? 3 : 6) == 0) {
		int64_t d[3] = {1 + bits_pick(&k->r, 5), odd_count(k), 4 + bits_pick(&k->r, 60)};
		k->v[k->n++] = input(k, "x", IG_DT_F32, 2 + (int)bits_pick(&k->r, 2), d);
	} else {
		k->v[k->n++] = image_input(k, "x");
	}
	if (bits_pick(&k->r, 6) == 0) { /* a second input of the same shape */
		struct ig_type t = *ig_vtype(k->g, k->v[0]);
		k->v[k->n++] = input(k, "x2", IG_DT_F32, t.rank, t.dim);
	}
}

/* Layers with weights behind most of what nothing reads yet: without one after it, an operation without weights is float32. Some of their operands are outputs too. */
static void end_in_layers(struct gen *k)
{
	for (int i = k->n - 1, ends = 0; i >= 0 && ends < 3 && k->n < MAX_VALUES; i--) {
		struct ig_vid x = k->v[i];
		enum ig_op op = ig_def(k->g, x)->op;
		bool layer = op == IG_OP_INPUT || ig_ops[op].quant == IG_QC_COMPUTE;
		if (layer || ig_vtype(k->g, x)->dtype != IG_DT_F32 || rank(k, x) < 2 || ig_graph_uses(k->g, x) || bits_pick(&k->r, 4) == 0)
			continue;
		struct ig_vid y = rank(k, x) == 4 ? conv(k, x, 1 + (int64_t)bits_pick(&k->r, 9), 1, 1, 1, true) : random_linear(k, x, 1 + (int64_t)bits_pick(&k->r, 9));
		if (y.i < 0)
			continue;
		if (bits_pick(&k->r, 2))
			ig_graph_mark_output(k->g, x, ig_arena_printf(k->g->arena, "z%d", ends));
		k->v[k->n++] = y;
		ends++;
	}
}

/* Unread values become outputs, at most three, the last ones first; those left over are dead code. */
static void mark_outputs(struct gen *k)
{
	int n = 0;
	for (int i = k->n - 1; i >= 0 && n < 3; i--) {
		bool is_input = ig_def(k->g, k->v[i])->op == IG_OP_INPUT;
		if (!is_input && (ig_graph_uses(k->g, k->v[i]) == 0 || (n && bits_pick(&k->r, 12) == 0)) && !ig_graph_is_output(k->g, k->v[i]))
			ig_graph_mark_output(k->g, k->v[i], ig_arena_printf(k->g->arena, "y%d", n++));
	}
}

struct ig_graph *bits_float_graph(uint64_t seed, enum bits_flavour *flavour, struct ig_diag *d)
{
	static const enum bits_flavour flavours[] = {BITS_PLAIN, BITS_PLAIN, BITS_PLAIN, BITS_POW2, BITS_POW2, BITS_LARGE, BITS_MIXED, BITS_MIXED, BITS_FLOAT, BITS_PLAIN};
	struct gen k = {.r = {seed * 0x9e3779b97f4a7c15u + 1}, .d = d, .blocks = seed >= BITS_BLOCKS && seed < BITS_INDEX, .index = seed >= BITS_INDEX && seed < BITS_MATH, .math = seed >= BITS_MATH && seed < BITS_PRECISION};
	bits_pick(&k.r, 2);
	*flavour = k.flavour = flavours[seed % IG_COUNTOF(flavours)];
	char nm[32];
	snprintf(nm, sizeof nm, "g%llu", (unsigned long long)seed);
	k.g = ig_graph_new(nm);
	begin(&k);
	int steps = seed >= BITS_SMALL && seed < BITS_BLOCKS ? 1 + (int)bits_pick(&k.r, 4) : 3 + (int)bits_pick(&k.r, 9);
	for (int i = 0; i < steps * 2 && k.n < MAX_VALUES && steps; i++) {
		struct ig_vid v = step(&k);
		if (v.i < 0 || v.i == k.v[k.n - 1].i)
			continue;
		k.v[k.n++] = v;
		steps--;
	}
	end_in_layers(&k);
	mark_outputs(&k);
	return k.g;
}
