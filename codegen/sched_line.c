/* Reductions and normalizations. The elements that belong together make a line, in row-major order of their axes; one line at a time goes through
   scratch in chunks of 16 lanes, whatever the target's vectors: element i belongs to partial result i mod 16, and the partial results are joined by the
   fixed tree. Lanes beyond the line's end hold what changes nothing. */
#include "codegen/lower.h"
#include "runtime/qfunc.h"

#include <math.h>

#define LANES 16
#define MAX_AXES 8

/* Axes with their steps in memory. */
struct axes {
	int n;
	int64_t extent[MAX_AXES], from[MAX_AXES], to[MAX_AXES];
};

struct line {
	struct ig_lower *L;
	const struct ig_node *n;
	struct axes kept, along;    /* loops over lines; the elements of one */
	int64_t count, chunks;      /* of a line: elements, vectors */
	int32_t x, w, b;            /* scratch: the line, its weights and biases */
	struct kir_addr from, to;   /* of the line of the open loops */
	kir_iv iv[MAX_AXES];        /* the open loops; -1: extent 1 */
};

static void add_axis(struct axes *a, int64_t extent, int64_t from, int64_t to)
{
	if (extent == 1)
		return;
	int k = a->n - 1;
	if (k >= 0 && a->from[k] == from * extent && a->to[k] == to * extent) { /* adjacent in both: one axis */
		a->extent[k] *= extent;
		a->from[k] = from;
		a->to[k] = to;
		return;
	}
	a->extent[a->n] = extent;
	a->from[a->n] = from;
	a->to[a->n++] = to;
}

/* n elements of float, in vectors where both sides allow it; a source step of 0 repeats one element. */
static void move_run(struct kir_builder *b, struct kir_addr to, int64_t to_step, struct kir_addr from, int64_t from_step, int64_t n)
{
	int lanes = to_step == 1 && (from_step == 1 || from_step == 0) ? LANES : 1;
	int64_t full = n / lanes;
	int rest = (int)(n - full * lanes);
	if (full) {
		struct kir_addr t = to, f = from;
		kir_iv i = ig_vec_loop(b, "i", full, NULL, 0);
		ig_vec_term(&t, i, to_step * lanes);
		ig_vec_term(&f, i, from_step * lanes);
		ig_vec_store_f(b, ig_vec_load_f(b, &f, lanes, lanes, from_step != 0), t, lanes);
		ig_vec_end(b, i, NULL, 0);
	}
	if (rest) {
		to.base += full * lanes * to_step;
		from.base += full * lanes * from_step;
		ig_vec_store_f(b, ig_vec_load_f(b, &from, lanes, rest, from_step != 0), to, rest);
	}
}

/* Between memory and scratch, whose elements follow each other. */
static void move_line(struct kir_builder *b, const struct axes *a, struct kir_addr memory, const int64_t *step, struct kir_addr scratch, bool out)
{
	kir_iv iv[MAX_AXES];
	int last = a->n - 1;
	int64_t below = 1, in_scratch[MAX_AXES];
	for (int i = last; i >= 0; i--) {
		in_scratch[i] = below;
		below *= a->extent[i];
	}
	for (int i = 0; i < last; i++) {
		iv[i] = ig_vec_loop(b, "d", a->extent[i], NULL, 0);
		ig_vec_term(&memory, iv[i], step[i]);
		ig_vec_term(&scratch, iv[i], in_scratch[i]);
	}
	int64_t n = last < 0 ? 1 : a->extent[last], s = last < 0 ? 1 : step[last];
	if (out)
		move_run(b, memory, s, scratch, 1, n);
	else
		move_run(b, scratch, 1, memory, s, n);
	for (int i = last - 1; i >= 0; i--)
		ig_vec_end(b, iv[i], NULL, 0);
}

static struct kir_addr chunk(int32_t buf, kir_iv iv)
{
	struct kir_addr a = kb_addr(buf, 0);
	ig_vec_term(&a, iv, LANES);
	return a;
}

static kir_val load_chunk(struct kir_builder *b, int32_t buf, kir_iv iv) { return kb_load(b, KIR_T(KIR_F32, LANES), chunk(buf, iv)); }

/* The lanes behind the line's end. */
static void fill_tail(const struct line *s, struct kir_builder *b, int32_t buf, kir_val v)
{
	int rest = (int)(s->chunks * LANES - s->count);
	if (rest)
		kb_store_n(b, v, kb_addr(buf, s->count), rest);
}

static void begin_lines(struct line *s, struct kir_builder *b, const struct kir_tensor *in, const struct kir_tensor *out)
{
	s->from = kb_addr(in->buf, in->base);
	s->to = kb_addr(out->buf, out->base);
	for (int i = 0; i < s->kept.n; i++) {
		s->iv[i] = ig_vec_loop(b, "line", s->kept.extent[i], NULL, 0);
		ig_vec_term(&s->from, s->iv[i], s->kept.from[i]);
		ig_vec_term(&s->to, s->iv[i], s->kept.to[i]);
	}
}

static void end_lines(struct line *s, struct kir_builder *b)
{
	for (int i = s->kept.n - 1; i >= 0; i--)
		ig_vec_end(b, s->iv[i], NULL, 0);
}

static void size_line(struct line *s)
{
	s->count = 1;
	for (int i = 0; i < s->along.n; i++)
		s->count *= s->along.extent[i];
	s->chunks = (s->count + LANES - 1) / LANES;
	s->x = ig_layout_buffer(s->L, "line", KIR_SCRATCH, KIR_F32, s->chunks * LANES);
}

static kir_val join(struct kir_builder *b, enum ig_op op, kir_val x, kir_val p)
{
	switch (op) {
	case IG_OP_REDUCE_MAX: return ig_math_maximum(b, x, p);
	case IG_OP_REDUCE_MIN: return ig_math_minimum(b, x, p);
	case IG_OP_REDUCE_PROD: return kb_op2(b, KIR_MUL, p, x);
	default: return kb_op2(b, KIR_ADD, p, x);
	}
}

/* The line in scratch as one number; its lanes beyond the end are set first. */
static kir_val reduce_line(const struct line *s, struct kir_builder *b, enum ig_op op)
{
	float start = op == IG_OP_REDUCE_MAX ? -INFINITY : op == IG_OP_REDUCE_MIN ? INFINITY : op == IG_OP_REDUCE_PROD ? 1.0f : 0.0f;
	kir_val v = kb_const_f(b, LANES, start);
	fill_tail(s, b, s->x, v);
	kir_iv i = ig_vec_loop(b, "sum", s->chunks, &v, 1);
	v = join(b, op, load_chunk(b, s->x, i), v);
	ig_vec_end(b, i, &v, 1);
	if (op == IG_OP_REDUCE_SUM || op == IG_OP_REDUCE_MEAN)
		v = kb_op1(b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), v);
	else
		for (int w = LANES / 2; w > 0; w /= 2)
			v = join(b, op, kb_extract(b, v, 0, w), kb_extract(b, v, w, w));
	return op == IG_OP_REDUCE_MEAN ? kb_op2(b, KIR_DIV, v, kb_const_f(b, 1, (float)s->count)) : v;
}

static bool lower_reduce(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	const struct ig_attr *axes = ig_attr(n, IG_A_AXES);
	bool keepdims = ig_attr_int(n, IG_A_KEEPDIMS, 1) != 0, reduced[IG_MAX_RANK] = {false};
	struct line s = {.L = L, .n = n};
	if (in->type.dtype != IG_DT_F32 || in->type.q.i >= 0)
		return ig_low_refuse(L, id, "code is generated for f32, not %s", ig_dtypes[in->type.dtype].name);
	for (int i = 0; i < axes->n; i++)
		reduced[axes->u.ints[i]] = true;
	for (int i = 0, k = 0; i < in->type.rank; i++) {
		if (reduced[i])
			add_axis(&s.along, in->type.dim[i], in->stride[i], 0);
		else
			add_axis(&s.kept, in->type.dim[i], in->stride[i], out->stride[k]);
		k += keepdims || !reduced[i];
	}
	size_line(&s);
	struct kir_builder b = ig_low_func(L, id);
	begin_lines(&s, &b, in, out);
	move_line(&b, &s.along, s.from, s.along.from, kb_addr(s.x, 0), false);
	ig_vec_store_f(&b, reduce_line(&s, &b, n->op), s.to, 1);
	end_lines(&s, &b);
	return true;
}

bool ig_lower_reduce_sum(struct ig_lower *L, struct ig_nid n) { return lower_reduce(L, n); }
bool ig_lower_reduce_mean(struct ig_lower *L, struct ig_nid n) { return lower_reduce(L, n); }
bool ig_lower_reduce_max(struct ig_lower *L, struct ig_nid n) { return lower_reduce(L, n); }
bool ig_lower_reduce_min(struct ig_lower *L, struct ig_nid n) { return lower_reduce(L, n); }
bool ig_lower_reduce_prod(struct ig_lower *L, struct ig_nid n) { return lower_reduce(L, n); }

/* x - mean in place of the line; its variance: the mean of squares. */
static kir_val center(const struct line *s, struct kir_builder *b)
{
	kir_val mean = ig_vec_splat(b, reduce_line(s, b, IG_OP_REDUCE_MEAN), LANES), v = kb_const_f(b, LANES, 0.0f);
	fill_tail(s, b, s->x, mean);
	kir_iv i = ig_vec_loop(b, "var", s->chunks, &v, 1);
	kir_val d = kb_op2(b, KIR_SUB, load_chunk(b, s->x, i), mean);
	kb_store(b, d, chunk(s->x, i));
	v = kb_fma(b, d, d, v);
	ig_vec_end(b, i, &v, 1);
	return kb_op2(b, KIR_DIV, kb_op1(b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), v), kb_const_f(b, 1, (float)s->count));
}

static void normalize_line(const struct line *s, struct kir_builder *b)
{
	kir_val eps = kb_const_f(b, 1, (float)ig_attr_float(s->n, IG_A_EPS, 1e-5)), one = kb_const_f(b, 1, 1.0f);
	kir_val inv = kb_op2(b, KIR_DIV, one, ig_math_sqrt(b, kb_op2(b, KIR_ADD, center(s, b), eps)));
	inv = ig_vec_splat(b, inv, LANES);
	kir_iv i = ig_vec_loop(b, "norm", s->chunks, NULL, 0);
	kir_val y = kb_op2(b, KIR_MUL, load_chunk(b, s->x, i), inv), w = load_chunk(b, s->w, i);
	y = s->b < 0 ? kb_op2(b, KIR_MUL, y, w) : kb_fma(b, y, w, load_chunk(b, s->b, i));
	kb_store(b, y, chunk(s->x, i));
	ig_vec_end(b, i, NULL, 0);
}

/* Weights or biases in the order of the line. */
static void load_weights(const struct line *s, struct kir_builder *b, int32_t buf, struct kir_addr from, const int64_t *step)
{
	fill_tail(s, b, buf, kb_const_f(b, LANES, 0.0f));
	move_line(b, &s->along, from, step, kb_addr(buf, 0), false);
}

bool ig_lower_layer_norm(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int rank = in->type.rank, axis = (int)ig_attr_int(n, IG_A_AXIS, rank - 1);
	struct line s = {.L = L, .n = n, .b = -1};
	for (int i = 0; i < rank; i++)
		add_axis(i < axis ? &s.kept : &s.along, in->type.dim[i], in->stride[i], out->stride[i]);
	size_line(&s);
	s.w = ig_layout_buffer(L, "weight", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	if (n->n_in > 2)
		s.b = ig_layout_buffer(L, "bias", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	const struct kir_tensor *par[2] = {ig_low_view(L, n->in[1]), n->n_in > 2 ? ig_low_view(L, n->in[2]) : NULL};
	struct kir_builder b = ig_low_func(L, id);
	for (int k = 0; k < 2 && par[k]; k++) {
		struct line own = s;
		own.along = (struct axes){0};
		for (int i = 0; i < par[k]->type.rank; i++)
			add_axis(&own.along, par[k]->type.dim[i], par[k]->stride[i], 0);
		load_weights(&own, &b, k ? s.b : s.w, kb_addr(par[k]->buf, par[k]->base), own.along.from);
	}
	begin_lines(&s, &b, in, out);
	move_line(&b, &s.along, s.from, s.along.from, kb_addr(s.x, 0), false);
	normalize_line(&s, &b);
	move_line(&b, &s.along, s.to, s.along.to, kb_addr(s.x, 0), true);
	end_lines(&s, &b);
	return true;
}

/* Groups of channels; each channel has its weight and bias, which do not move along the rest of the line. */
static bool group_norm(struct ig_lower *L, struct ig_nid id, int64_t groups)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	int64_t per = in->type.dim[1] / groups, step[MAX_AXES];
	struct line s = {.L = L, .n = n};
	struct axes channels = {0};
	add_axis(&s.kept, in->type.dim[0], in->stride[0], out->stride[0]);
	int group_axis = s.kept.n;
	if (groups > 1) { /* not merged with the batch: it moves the weights */
		s.kept.extent[s.kept.n] = groups;
		s.kept.from[s.kept.n] = in->stride[1] * per;
		s.kept.to[s.kept.n++] = out->stride[1] * per;
	}
	s.along = (struct axes){.n = 1, .extent = {per}, .from = {in->stride[1]}, .to = {out->stride[1]}};
	for (int i = 2; i < in->type.rank; i++) {
		s.along.extent[s.along.n] = in->type.dim[i];
		s.along.from[s.along.n] = in->stride[i];
		s.along.to[s.along.n++] = out->stride[i];
	}
	channels = s.along;
	for (int i = 0; i < channels.n; i++)
		step[i] = i == 0;
	size_line(&s);
	s.w = ig_layout_buffer(L, "weight", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	s.b = ig_layout_buffer(L, "bias", KIR_SCRATCH, KIR_F32, s.chunks * LANES);
	const struct kir_tensor *par[2] = {ig_low_view(L, n->in[1]), ig_low_view(L, n->in[2])};
	struct kir_builder b = ig_low_func(L, id);
	begin_lines(&s, &b, in, out);
	for (int k = 0; k < 2; k++) {
		struct kir_addr a = kb_addr(par[k]->buf, par[k]->base);
		if (groups > 1)
			ig_vec_term(&a, s.iv[group_axis], per * par[k]->stride[0]);
		step[0] = par[k]->stride[0];
		load_weights(&s, &b, k ? s.b : s.w, a, step);
	}
	move_line(&b, &s.along, s.from, s.along.from, kb_addr(s.x, 0), false);
	normalize_line(&s, &b);
	move_line(&b, &s.along, s.to, s.along.to, kb_addr(s.x, 0), true);
	end_lines(&s, &b);
	return true;
}

bool ig_lower_instance_norm(struct ig_lower *L, struct ig_nid n) { return group_norm(L, n, ig_vtype(L->g, ig_node(L->g, n)->in[0])->dim[1]); }
bool ig_lower_group_norm(struct ig_lower *L, struct ig_nid n) { return group_norm(L, n, ig_attr_int(ig_node(L->g, n), IG_A_GROUPS, 1)); }

/* Lines along one axis. */
static void along_axis(struct line *s, const struct kir_tensor *in, const struct kir_tensor *out, int axis)
{
	for (int i = 0; i < in->type.rank; i++)
		add_axis(i == axis ? &s->along : &s->kept, in->type.dim[i], in->stride[i], out->stride[i]);
	size_line(s);
}

static void log_softmax_line(const struct line *s, struct kir_builder *b)
{
	kir_val m = kb_const_f(b, LANES, -INFINITY), sum = kb_const_f(b, LANES, 0.0f);
	fill_tail(s, b, s->x, m);
	kir_iv i = ig_vec_loop(b, "max", s->chunks, &m, 1);
	m = kb_op2(b, KIR_FMAX, load_chunk(b, s->x, i), m);
	ig_vec_end(b, i, &m, 1);
	m = ig_vec_splat(b, kb_op1(b, KIR_REDUCE_FMAX, KIR_T(KIR_F32, 1), m), LANES);
	i = ig_vec_loop(b, "sum", s->chunks, &sum, 1);
	kir_val d = kb_op2(b, KIR_SUB, load_chunk(b, s->x, i), m);
	kb_store(b, d, chunk(s->x, i));
	sum = kb_op2(b, KIR_ADD, sum, ig_math_exp(b, d));
	ig_vec_end(b, i, &sum, 1);
	kir_val l = ig_vec_splat(b, ig_math_log(b, kb_op1(b, KIR_REDUCE_ADD, KIR_T(KIR_F32, 1), sum)), LANES);
	i = ig_vec_loop(b, "log", s->chunks, NULL, 0);
	kb_store(b, kb_op2(b, KIR_SUB, load_chunk(b, s->x, i), l), chunk(s->x, i));
	ig_vec_end(b, i, NULL, 0);
}

bool ig_lower_log_softmax(struct ig_lower *L, struct ig_nid id)
{
	const struct ig_node *n = ig_node(L->g, id);
	const struct kir_tensor *in = ig_low_view(L, n->in[0]), *out = ig_low_view(L, n->out[0]);
	struct line s = {.L = L, .n = n};
	along_axis(&s, in, out, (int)ig_attr_int(n, IG_A_AXIS, in->type.rank - 1));
	struct kir_builder b = ig_low_func(L, id);
	begin_lines(&s, &b, in, out);
	move_line(&b, &s.along, s.from, s.along.from, kb_addr(s.x, 0), false);
	log_softmax_line(&s, &b);
	move_line(&b, &s.along, s.to, s.along.to, kb_addr(s.x, 0), true);
	end_lines(&s, &b);
	return true;
}
