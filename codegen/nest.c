/* Loops over a strided index space. The written operand's strides decide the order of the loops; dimensions that are adjacent in every operand are
   merged; the innermost one is the vector axis when every operand is contiguous or constant along it, else elements go one by one. */
#include "codegen/lower.h"

#include <string.h>

void ig_nest_init(struct ig_nest *n, int rank, const int64_t *extent)
{
	*n = (struct ig_nest){.rank = rank, .outer = -1};
	if (rank > IG_NEST_RANK)
		IG_BUG("index space of rank %d", rank);
	for (int i = 0; i < rank; i++)
		n->extent[i] = extent[i];
}

void ig_nest_operand(struct ig_nest *n, int32_t buf, int64_t base, const int64_t *stride)
{
	if (n->n_ops == IG_NEST_OPS)
		IG_BUG("too many operands");
	struct ig_nest_op *o = &n->op[n->n_ops++];
	*o = (struct ig_nest_op){.buf = buf, .base = base};
	for (int i = 0; i < n->rank; i++)
		o->stride[i] = stride[i];
}

void ig_nest_view(struct ig_nest *n, const struct kir_tensor *t)
{
	int64_t stride[IG_NEST_RANK] = {0};
	int shift = n->rank - t->type.rank; /* shapes are aligned at the end, as ONNX broadcasts */
	if (shift < 0)
		IG_BUG("%s: operand of rank %d in a space of rank %d", t->name, t->type.rank, n->rank);
	for (int i = shift; i < n->rank; i++) {
		int64_t dim = t->type.dim[i - shift];
		if (dim != 1 && dim != n->extent[i])
			IG_BUG("%s: extent %lld in a space of %lld", t->name, (long long)dim, (long long)n->extent[i]);
		stride[i] = dim == 1 ? 0 : t->stride[i - shift];
	}
	ig_nest_operand(n, t->buf, t->base, stride);
}

static void drop(struct ig_nest *n, int d)
{
	for (int i = d; i + 1 < n->rank; i++) {
		n->extent[i] = n->extent[i + 1];
		for (int k = 0; k < n->n_ops; k++)
			n->op[k].stride[i] = n->op[k].stride[i + 1];
	}
	n->rank--;
}

static void swap(struct ig_nest *n, int a, int b)
{
	int64_t e = n->extent[a];
	n->extent[a] = n->extent[b];
	n->extent[b] = e;
	for (int k = 0; k < n->n_ops; k++) {
		int64_t s = n->op[k].stride[a];
		n->op[k].stride[a] = n->op[k].stride[b];
		n->op[k].stride[b] = s;
	}
}

static bool mergeable(const struct ig_nest *n, int d)
{
	for (int k = 0; k < n->n_ops; k++)
		if (n->op[k].stride[d] != n->op[k].stride[d + 1] * n->extent[d + 1])
			return false;
	return true;
}

static void normalize(struct ig_nest *n)
{
	for (int d = n->rank - 1; d >= 0; d--)
		if (n->extent[d] == 1)
			drop(n, d);
	for (int i = 1; i < n->rank; i++)
		for (int k = i; k > 0 && n->op[0].stride[k - 1] < n->op[0].stride[k]; k--)
			swap(n, k - 1, k);
	for (int d = n->rank - 2; d >= 0; d--) {
		if (!mergeable(n, d))
			continue;
		n->extent[d] *= n->extent[d + 1];
		for (int k = 0; k < n->n_ops; k++)
			n->op[k].stride[d] = n->op[k].stride[d + 1];
		drop(n, d + 1);
	}
}

static bool vector_axis(const struct ig_nest *n, int d)
{
	if (n->op[0].stride[d] != 1)
		return false;
	for (int k = 1; k < n->n_ops; k++)
		if (n->op[k].stride[d] != 0 && n->op[k].stride[d] != 1)
			return false;
	return true;
}

struct run {
	struct kir_builder *b;
	const struct ig_nest *n;
	struct kir_addr at[IG_NEST_OPS];
	ig_nest_body *body;
	void *ctx;
};

static void call(struct run *r, int lanes, int active, int64_t shift, const int64_t *step)
{
	struct kir_addr at[IG_NEST_OPS];
	struct ig_piece p = {.at = at, .lanes = lanes, .active = active};
	for (int k = 0; k < r->n->n_ops; k++) {
		at[k] = r->at[k];
		at[k].base += shift * step[k];
		p.step[k] = step[k] ? 1 : 0;
	}
	r->body(r->b, &p, r->ctx);
}

/* `extent` elements in pieces of `lanes`, `unroll` pieces in the loop's body, then what remains. */
static void axis(struct run *r, int64_t extent, const int64_t *step, int lanes, int unroll)
{
	int64_t full = extent / lanes, done = 0, turns = full / unroll;
	if (turns > 1) {
		struct kir_addr saved[IG_NEST_OPS];
		memcpy(saved, r->at, sizeof saved);
		kir_iv iv = kb_loop(r->b, "i", turns, r->n->carried, r->n->n_carried);
		for (int k = 0; k < r->n->n_ops; k++)
			kb_addr_add(&r->at[k], iv, step[k] * lanes * unroll);
		for (int u = 0; u < unroll; u++)
			call(r, lanes, lanes, (int64_t)u * lanes, step);
		kb_end(r->b, r->n->carried, r->n->n_carried);
		memcpy(r->at, saved, sizeof saved);
		done = turns * unroll;
	}
	for (; done < full; done++)
		call(r, lanes, lanes, done * lanes, step);
	int rest = (int)(extent - full * lanes);
	if (rest)
		call(r, ig_vec_pow2(rest), rest, full * lanes, step);
}

void ig_nest_run(struct kir_builder *b, struct ig_nest *n, int max_lanes, ig_nest_body *body, void *ctx)
{
	struct run r = {.b = b, .n = n, .body = body, .ctx = ctx};
	for (int d = 0; d < n->rank; d++)
		if (n->extent[d] == 0)
			return;
	normalize(n);
	int inner = n->rank - 1;
	kir_iv iv[IG_NEST_RANK];
	for (int k = 0; k < n->n_ops; k++) {
		r.at[k] = kb_addr(n->op[k].buf, n->op[k].base);
		ig_vec_term(&r.at[k], n->outer, n->op[k].outer_stride);
	}
	for (int d = 0; d < inner; d++) {
		iv[d] = kb_loop(b, "d", n->extent[d], n->carried, n->n_carried);
		for (int k = 0; k < n->n_ops; k++)
			kb_addr_add(&r.at[k], iv[d], n->op[k].stride[d]);
	}
	int64_t step[IG_NEST_OPS] = {0};
	if (inner >= 0)
		for (int k = 0; k < n->n_ops; k++)
			step[k] = n->op[k].stride[inner];
	if (inner < 0)
		axis(&r, 1, step, 1, 1);
	else if (vector_axis(n, inner))
		axis(&r, n->extent[inner], step, max_lanes, 2);
	else
		axis(&r, n->extent[inner], step, 1, 4);
	for (int d = 0; d < inner; d++)
		kb_end(b, n->carried, n->n_carried);
}

struct move {
	enum kir_elem elem;
	int64_t value;
};

static void fill_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct move *m = ctx;
	kb_store_n(b, kb_const_i(b, KIR_T(m->elem, p->lanes), m->value), p->at[0], p->active);
}

static void copy_body(struct kir_builder *b, const struct ig_piece *p, void *ctx)
{
	const struct move *m = ctx;
	struct kir_type t = KIR_T(m->elem, p->lanes);
	kir_val v = p->step[1] ? kb_load_n(b, t, p->at[1], p->active) : ig_vec_splat(b, kb_load(b, KIR_T(m->elem, 1), p->at[1]), p->lanes);
	if (m->elem == KIR_F32)
		ig_vec_store_f(b, v, p->at[0], p->active);
	else
		kb_store_n(b, v, p->at[0], p->active);
}

void ig_nest_fill(struct kir_builder *b, struct ig_nest *n, int max_lanes, enum kir_elem e, int64_t value)
{
	struct move m = {e == KIR_F32 ? KIR_I32 : e, value};
	ig_nest_run(b, n, max_lanes, fill_body, &m);
}

void ig_nest_copy(struct kir_builder *b, struct ig_nest *n, int max_lanes, enum kir_elem e)
{
	struct move m = {e, 0};
	ig_nest_run(b, n, max_lanes, copy_body, &m);
}
