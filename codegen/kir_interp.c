/* The kernel IR's interpreter: instructions are decoded once (operands to frame addresses, memory to byte strides), then run. */
#include <stdlib.h>
#include <string.h>

#include "codegen/kir_interp.h"

struct dloop { /* LOOP and END */
	int64_t count, *iv;
	int32_t body;       /* first instruction of the body */
	int32_t n;          /* carried values */
	struct { uint8_t *dst; const uint8_t *src; int32_t bytes; } *move; /* LOOP: init; END: next to carried, then next to results */
	bool swaps;         /* an operand of END is itself a carried value: move through `temp` */
};
struct dfunc {
	const struct kir_func *f;
	struct kir_dop *op;
	struct dloop *loop; /* 2 * iv: LOOP, 2 * iv + 1: END */
	int n;
	struct { uint8_t *dst; int32_t bytes; const uint8_t *src; } *constant;
	int n_constants;
};
struct dbuf {
	uint8_t *p;
	int64_t bytes;
};
struct kir_interp {
	const struct kir_module *m;
	struct ig_arena *arena;
	struct dfunc *func;
	struct dbuf *buf;
	uint8_t *frame, *temp;
	int64_t *iv;
	int64_t frame_bytes, temp_bytes;
	int max_loops;
	bool reverse;
};

static int64_t slot_bytes(struct kir_type t)
{
	return ((int64_t)kir_type_bytes(t) + 63) & ~(int64_t)63;
}

/* The frame and loop variables are shared by all functions: sized by the largest. */
static void size_frame(struct kir_interp *it)
{
	for (int i = 0; i < it->m->n_funcs; i++) {
		const struct kir_func *f = it->m->func[i];
		int64_t n = 0;
		for (int v = 0; v < f->n_values; v++)
			n += slot_bytes(f->vtype[v]);
		it->frame_bytes = n > it->frame_bytes ? n : it->frame_bytes;
		it->max_loops = f->n_loops > it->max_loops ? f->n_loops : it->max_loops;
		for (int k = 0; k < f->n; k++) {
			int64_t t = 0;
			for (int e = 0; e < f->inst[k].n_extra; e++)
				t += slot_bytes(f->vtype[f->inst[k].extra[e]]);
			it->temp_bytes = t > it->temp_bytes ? t : it->temp_bytes;
		}
	}
}

static void write_lane(uint8_t *p, const struct kir_inst *in)
{
	int64_t v = in->imm.i;
	if (in->type.elem == KIR_F32)
		memcpy(p, &in->imm.f, 4);
	else if (in->type.elem == KIR_F64)
		IG_BUG("kernel IR interpreter: f64 constant");
	else
		for (int i = 0; i < kir_elem_bytes((enum kir_elem)in->type.elem); i++)
			p[i] = (uint8_t)((uint64_t)v >> 8 * i);
}

static void decode_const(struct kir_interp *it, struct dfunc *df, const struct kir_inst *in, uint8_t *dst)
{
	int bytes = kir_type_bytes(in->type), size = kir_elem_bytes((enum kir_elem)in->type.elem);
	uint8_t *lanes = ig_arena_alloc(it->arena, (size_t)bytes, 1);
	for (int i = 0; i < bytes; i += size)
		write_lane(lanes + i, in);
	df->constant[df->n_constants].dst = dst;
	df->constant[df->n_constants].src = lanes;
	df->constant[df->n_constants++].bytes = bytes;
}

static void decode_addr(struct kir_interp *it, struct kir_dop *o, const struct kir_inst *in)
{
	const struct kir_addr *a = &in->addr;
	const struct kir_buffer *b = &it->m->buf[a->buf];
	int64_t size = kir_elem_bytes(b->elem);
	struct kir_dterm *t = IG_NEWN(it->arena, struct kir_dterm, a->n + 1);
	for (int i = 0; i < a->n; i++)
		t[i] = (struct kir_dterm){&it->iv[a->term[i].iv], a->term[i].coeff * size};
	o->term = t;
	o->n_terms = a->n;
	o->buf = a->buf;
	o->base = a->base * size;
	o->span = in->op == KIR_LUT ? 256 * size : (int64_t)in->active * kir_elem_bytes((enum kir_elem)in->type.elem);
}

static int32_t operand_m(const struct kir_func *f, const struct kir_inst *in)
{
	switch (in->op) {
	case KIR_SHL:
	case KIR_SHRU:
	case KIR_SHRS:
	case KIR_EXTRACT: return (int32_t)in->imm.i;
	case KIR_DOT: return f->vtype[in->arg[1]].lanes / in->type.lanes;
	case KIR_REDUCE_ADD:
	case KIR_REDUCE_FMAX:
	case KIR_REDUCE_UMAX: return f->vtype[in->arg[0]].lanes;
	default: return 0;
	}
}

static void decode_inst(struct kir_interp *it, struct kir_dop *o, const struct kir_func *f, const struct kir_inst *in, const int64_t *slot)
{
	struct kir_type a = {0, 0};
	const uint8_t **operand[3] = {&o->a, &o->b, &o->c};
	for (int i = 0; i < kir_ops[in->op].n_args; i++)
		*operand[i] = it->frame + slot[in->arg[i]];
	if (kir_ops[in->op].n_args)
		a = f->vtype[in->arg[in->op == KIR_DOT ? 1 : 0]];
	if (in->n_dst)
		o->d = it->frame + slot[in->dst];
	o->n = in->type.lanes;
	o->bytes = kir_type_bytes(in->type);
	o->m = operand_m(f, in);
	if (in->op == KIR_FPACK) {
		o->lo = (float)(in->imm.pack.lo - in->imm.pack.zp);
		o->hi = (float)(in->imm.pack.hi - in->imm.pack.zp);
		o->zp = in->imm.pack.zp;
	}
	if (kir_ops[in->op].has_addr)
		decode_addr(it, o, in);
	if (in->op == KIR_TILE_LOAD || in->op == KIR_TILE_STORE) {
		const struct kir_buffer *b = &it->m->buf[in->addr.buf];
		o->m = in->active;
		o->stride = in->imm.i * kir_elem_bytes(b->elem);
		o->span = kir_tile_span(b, in) * kir_elem_bytes(b->elem);
	}
	o->fn = kir_dop_fn(in, a);
}

static void decode_loop(struct kir_interp *it, struct dfunc *df, int at, const struct kir_inst *in, const int64_t *slot)
{
	const struct kir_func *f = df->f;
	bool end = in->op == KIR_END;
	struct dloop *l = &df->loop[2 * in->loop + end];
	const struct kir_inst *begin = &f->inst[f->loop[in->loop].begin];
	l->count = f->loop[in->loop].count;
	l->iv = &it->iv[in->loop];
	l->n = in->n_extra;
	l->body = end ? df->loop[2 * in->loop].body : at + 1;
	l->move = ig_arena_alloc(it->arena, (size_t)l->n * 2 + 1, sizeof *l->move);
	for (int i = 0; i < l->n; i++) {
		kir_val x = in->extra[i];
		int32_t bytes = kir_type_bytes(f->vtype[x]);
		l->move[i].dst = it->frame + slot[begin->dst + i];
		l->move[i].src = it->frame + slot[x];
		l->move[i].bytes = bytes;
		if (end) {
			l->move[l->n + i] = l->move[i];
			l->move[l->n + i].dst = it->frame + slot[in->dst + i];
			l->swaps |= x >= begin->dst && x < begin->dst + begin->n_dst && x != begin->dst + i;
		}
	}
}

static void decode_func(struct kir_interp *it, struct dfunc *df, const struct kir_func *f)
{
	int64_t *slot = ig_xcalloc((size_t)f->n_values + 1, sizeof *slot), at = 0;
	for (int v = 0; v < f->n_values; v++) {
		slot[v] = at;
		at += slot_bytes(f->vtype[v]);
	}
	df->f = f;
	df->op = IG_NEWN(it->arena, struct kir_dop, f->n + 1);
	df->loop = IG_NEWN(it->arena, struct dloop, 2 * f->n_loops + 1);
	df->constant = ig_arena_alloc(it->arena, (size_t)f->n + 1, sizeof *df->constant);
	for (int k = 0; k < f->n; k++) {
		const struct kir_inst *in = &f->inst[k];
		if (in->op == KIR_CONST) {
			decode_const(it, df, in, it->frame + slot[in->dst]);
			continue;
		}
		struct kir_dop *o = &df->op[df->n];
		o->op = in->op;
		if (in->op == KIR_LOOP || in->op == KIR_END) {
			o->n = 2 * in->loop + (in->op == KIR_END);
			decode_loop(it, df, df->n, in, slot);
		} else
			decode_inst(it, o, f, in, slot);
		df->n++;
	}
	free(slot);
}

struct kir_interp *kir_interp_new(const struct kir_module *m)
{
	struct kir_interp *it = ig_xcalloc(1, sizeof *it);
	it->m = m;
	it->arena = ig_arena_new();
	size_frame(it);
	it->frame = aligned_alloc(64, (size_t)it->frame_bytes + 64);
	it->temp = aligned_alloc(64, (size_t)it->temp_bytes + 64);
	if (!it->frame || !it->temp) {
		fprintf(stderr, "intaglio: out of memory\n");
		exit(1);
	}
	memset(it->frame, 0, (size_t)it->frame_bytes + 64);
	it->iv = IG_NEWN(it->arena, int64_t, it->max_loops + 1);
	it->buf = IG_NEWN(it->arena, struct dbuf, m->n_bufs + 1);
	it->func = IG_NEWN(it->arena, struct dfunc, m->n_funcs + 1);
	for (int i = 0; i < m->n_funcs; i++)
		decode_func(it, &it->func[i], m->func[i]);
	return it;
}

void kir_interp_free(struct kir_interp *it)
{
	if (!it)
		return;
	free(it->frame);
	free(it->temp);
	ig_arena_free(it->arena);
	free(it);
}

/* Where a buffer is in a run's memory. */
static const uint8_t *buffer_at(const struct kir_buffer *b, const void *const *inputs, void *const *outputs, const void *arena)
{
	switch (b->space) {
	case KIR_IN: return inputs[b->io];
	case KIR_OUT: return outputs[b->io];
	case KIR_CONSTANT: return b->init;
	case KIR_ARENA:
	case KIR_SCRATCH: break;
	}
	if (b->offset < 0)
		IG_BUG("buffer %s has no place in the memory plan", b->name);
	return arena ? (const uint8_t *)arena + b->offset : NULL;
}

static void bind_buffers(struct kir_interp *it, const void *const *inputs, void *const *outputs, void *arena)
{
	for (int i = 0; i < it->m->n_bufs; i++) {
		const struct kir_buffer *b = &it->m->buf[i];
		const uint8_t *p = b->space >= KIR_ARENA && b->first < 0 ? NULL : buffer_at(b, inputs, outputs, arena);
		it->buf[i].p = (uint8_t *)(uintptr_t)p; /* stores into inputs and constants are refused by the verifier */
		it->buf[i].bytes = p ? b->count * kir_elem_bytes(b->elem) : 0;
	}
}

static void move_values(struct kir_interp *it, const struct dloop *l, int first, bool through_temp)
{
	if (!through_temp) {
		for (int i = first; i < first + l->n; i++)
			memcpy(l->move[i].dst, l->move[i].src, (size_t)l->move[i].bytes);
		return;
	}
	uint8_t *t = it->temp;
	for (int i = first; i < first + l->n; t += l->move[i++].bytes)
		memcpy(t, l->move[i].src, (size_t)l->move[i].bytes);
	t = it->temp;
	for (int i = first; i < first + l->n; t += l->move[i++].bytes)
		memcpy(l->move[i].dst, t, (size_t)l->move[i].bytes);
}

IG_NORETURN static void out_of_bounds(const struct kir_interp *it, const struct dfunc *df, const struct kir_dop *o, int64_t at)
{
	IG_BUG("%s: %s: bytes %lld..%lld of buffer %s, which has %lld", df->f->name, kir_ops[o->op].name, (long long)at, (long long)(at + o->span - 1),
	       it->m->buf[o->buf].name, (long long)it->buf[o->buf].bytes);
}

static void run_func(struct kir_interp *it, const struct dfunc *df)
{
	for (int i = 0; i < df->n_constants; i++)
		memcpy(df->constant[i].dst, df->constant[i].src, (size_t)df->constant[i].bytes);
	for (int pc = 0; pc < df->n; pc++) {
		const struct kir_dop *o = &df->op[pc];
		uint8_t *mem = NULL;
		if (!o->fn) {
			const struct dloop *l = &df->loop[o->n];
			if (!(o->n & 1)) {
				*l->iv = 0;
				move_values(it, l, 0, false);
			} else if (++*l->iv < l->count) {
				move_values(it, l, 0, l->swaps);
				pc = l->body - 1;
			} else {
				move_values(it, l, l->n, false);
			}
			continue;
		}
		if (o->span) {
			int64_t at = o->base;
			for (int i = 0; i < o->n_terms; i++)
				at += o->term[i].coeff * *o->term[i].iv;
			if (at < 0 || at > it->buf[o->buf].bytes - o->span)
				out_of_bounds(it, df, o, at);
			mem = it->buf[o->buf].p + at;
		}
		o->fn(o, mem);
	}
}

/* The parts of a region from the last to the first. */
static void run_reversed(struct kir_interp *it, int first, int end)
{
	while (end > first) {
		int part = end - 1;
		while (part > first && it->m->func[part - 1]->part == it->m->func[part]->part)
			part--;
		for (int i = part; i < end; i++)
			run_func(it, &it->func[i]);
		end = part;
	}
}

void kir_interp_reverse(struct kir_interp *it, bool reverse)
{
	it->reverse = reverse && it->m->threads > 1;
}

void kir_interp_run(struct kir_interp *it, const void *const *inputs, void *const *outputs, void *arena)
{
	bind_buffers(it, inputs, outputs, arena);
	for (int i = 0; !it->reverse && i < it->m->n_funcs; i++)
		run_func(it, &it->func[i]);
	for (int i = 0; it->reverse && i < it->m->n_funcs; i = kir_region_end(it->m, i))
		run_reversed(it, i, kir_region_end(it->m, i));
}

/* Each element of a stored tensor in logical order: its bytes in memory, and those of the dense copy. */
static void each_element(const struct kir_module *m, const struct kir_tensor *t, uint8_t *p, uint8_t *dense, bool write)
{
	static const int dtype_bytes[IG_DT_COUNT] = {[IG_DT_F32] = 4, [IG_DT_F16] = 2, [IG_DT_BF16] = 2, [IG_DT_U8] = 1, [IG_DT_S8] = 1,
	                                             [IG_DT_S16] = 2, [IG_DT_I32] = 4, [IG_DT_I64] = 8, [IG_DT_BOOL] = 1};
	const struct kir_buffer *b = &m->buf[t->buf];
	int64_t i[IG_MAX_RANK] = {0}, unit = kir_elem_bytes(b->elem), bytes = dtype_bytes[t->type.dtype];
	if (!bytes || bytes % unit)
		IG_BUG("tensor %s of %s in a buffer of %s", t->name, ig_dtypes[t->type.dtype].name, kir_elem_names[b->elem]);
	for (int64_t n = ig_elems(&t->type); n; n--, dense += bytes) {
		int64_t at = t->base;
		for (int k = 0; k < t->type.rank; k++)
			at += i[k] * t->stride[k];
		if (at < 0 || at > b->count - bytes / unit)
			IG_BUG("tensor %s lies outside its buffer", t->name);
		memcpy(write ? p + at * unit : dense, write ? dense : p + at * unit, (size_t)bytes);
		for (int k = t->type.rank - 1; k >= 0 && ++i[k] == t->type.dim[k]; k--)
			i[k] = 0;
	}
}

void kir_tensor_read(const struct kir_module *m, const struct kir_tensor *t, const void *const *inputs, void *const *outputs, const void *arena, void *dst)
{
	each_element(m, t, (uint8_t *)(uintptr_t)buffer_at(&m->buf[t->buf], inputs, outputs, arena), dst, false);
}

void kir_tensor_write(const struct kir_module *m, const struct kir_tensor *t, void *const *outputs, void *arena, const void *src)
{
	if (m->buf[t->buf].space != KIR_ARENA && m->buf[t->buf].space != KIR_OUT)
		IG_BUG("tensor %s is not to be written", t->name);
	each_element(m, t, (uint8_t *)(uintptr_t)buffer_at(&m->buf[t->buf], NULL, outputs, arena), (uint8_t *)(uintptr_t)src, true);
}

const float *kir_tensor_floats(const struct kir_module *m, const struct kir_tensor *t, const void *const *inputs, void *const *outputs, const void *arena,
                               float *room)
{
	const struct kir_buffer *b = &m->buf[t->buf];
	const float *p = (const float *)(const void *)buffer_at(b, inputs, outputs, arena) + t->base;
	int64_t dim[IG_MAX_RANK], stride[IG_MAX_RANK], at[IG_MAX_RANK] = {0}, run = 1, n = ig_elems(&t->type), offset = 0;
	int rank = 0;
	if (b->elem != KIR_F32 || t->type.dtype != IG_DT_F32)
		IG_BUG("tensor %s is not float", t->name);
	/* Dimensions by falling stride; the last ones may be a run. */
	for (int k = 0; k < t->type.rank; k++) {
		int j = rank++;
		for (; j > 0 && stride[j - 1] < t->stride[k]; j--) {
			stride[j] = stride[j - 1];
			dim[j] = dim[j - 1];
		}
		stride[j] = t->stride[k];
		dim[j] = t->type.dim[k];
		if (dim[j] == 1)
			for (rank--; j < rank; j++) {
				stride[j] = stride[j + 1];
				dim[j] = dim[j + 1];
			}
	}
	while (rank > 0 && stride[rank - 1] == run)
		run *= dim[--rank];
	if (rank == 0)
		return p;
	for (int64_t done = 0; done < n; done += run) {
		memcpy(room + done, p + offset, (size_t)run * sizeof *room);
		for (int k = rank - 1; k >= 0; k--) {
			offset += stride[k];
			if (++at[k] < dim[k])
				break;
			offset -= dim[k] * stride[k];
			at[k] = 0;
		}
	}
	return room;
}
