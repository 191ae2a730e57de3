/* The kernel IR's builder: appends instructions to a function and checks what is cheap to check at once; kir_verify checks the rest. */
#include "codegen/kir.h"

#include <string.h>

static bool same_type(struct kir_type a, struct kir_type b)
{
	return a.elem == b.elem && a.lanes == b.lanes;
}

static bool good_type(struct kir_type t)
{
	return t.elem < KIR_ELEM_COUNT && t.lanes && t.lanes <= KIR_MAX_LANES && !(t.lanes & (t.lanes - 1)) && (t.elem != KIR_TILE || t.lanes == KIR_TILE_T.lanes);
}

static struct kir_type arg_type(const struct kir_builder *b, enum kir_op op, kir_val v)
{
	if (v < 0 || v >= b->f->n_values)
		IG_BUG("%s: %s: operand %d is no value", b->f->name, kir_ops[op].name, (int)v);
	return b->f->vtype[v];
}

IG_NORETURN static void bad_types(const struct kir_builder *b, enum kir_op op, struct kir_type r, struct kir_type x, struct kir_type y)
{
	IG_BUG("%s: %s: types %s x %d <- %s x %d, %s x %d", b->f->name, kir_ops[op].name, kir_elem_names[r.elem], r.lanes, kir_elem_names[x.elem],
	       x.lanes, kir_elem_names[y.elem], y.lanes);
}

static kir_val new_value(struct kir_func *f, struct kir_type t)
{
	if (!good_type(t))
		IG_BUG("%s: value of element %d, %d lanes", f->name, t.elem, t.lanes);
	if (f->n_values == f->cap_values)
		ig_vec_grow((void **)&f->vtype, &f->cap_values, sizeof *f->vtype);
	f->vtype[f->n_values] = t;
	return f->n_values++;
}

/* Appends an instruction; its one result, if any, has the given type. */
static struct kir_inst *append(struct kir_builder *b, enum kir_op op, struct kir_type t)
{
	struct kir_func *f = b->f;
	if (f->n == f->cap)
		ig_vec_grow((void **)&f->inst, &f->cap, sizeof *f->inst);
	struct kir_inst *in = &f->inst[f->n++];
	*in = (struct kir_inst){.op = (uint8_t)op, .type = t, .dst = -1, .arg = {-1, -1, -1}, .loop = -1};
	if (kir_ops[op].has_result) {
		in->dst = new_value(f, t);
		in->n_dst = 1;
	}
	return in;
}

kir_val kb_clone(struct kir_builder *b, const struct kir_inst *in)
{
	if (in->op == KIR_LOOP || in->op == KIR_END)
		IG_BUG("%s: a loop cannot be cloned as an instruction", b->f->name);
	struct kir_inst *to = append(b, (enum kir_op)in->op, in->type);
	kir_val dst = to->dst;
	*to = *in;
	to->dst = dst;
	return dst;
}

kir_val kb_const_i(struct kir_builder *b, struct kir_type t, int64_t v)
{
	if (!kir_elem_is_int(t.elem))
		IG_BUG("%s: integer constant of a float type", b->f->name);
	int unused = 64 - kir_elem_bits((enum kir_elem)t.elem);
	struct kir_inst *in = append(b, KIR_CONST, t);
	/* Kept sign-extended, so that equal constants look equal; i1 is 0 or 1. */
	in->imm.i = t.elem == KIR_I1 ? (v & 1) : (int64_t)((uint64_t)v << unused) >> unused;
	return in->dst;
}

kir_val kb_const_f(struct kir_builder *b, int lanes, float v)
{
	struct kir_inst *in = append(b, KIR_CONST, KIR_T(KIR_F32, lanes));
	in->imm.i = 0;
	in->imm.f = v;
	return in->dst;
}

struct kir_addr kb_addr(int32_t buf, int64_t base)
{
	return (struct kir_addr){.buf = buf, .base = base};
}

void kb_addr_add(struct kir_addr *a, kir_iv iv, int64_t coeff)
{
	if (iv < 0)
		IG_BUG("address term without a loop");
	for (int i = 0; i < a->n; i++) {
		if (a->term[i].iv != iv)
			continue;
		a->term[i].coeff += coeff;
		if (!a->term[i].coeff)
			a->term[i] = a->term[--a->n];
		return;
	}
	if (!coeff)
		return;
	if (a->n == KIR_MAX_TERMS)
		IG_BUG("address of more than %d terms", KIR_MAX_TERMS);
	a->term[a->n].iv = iv;
	a->term[a->n++].coeff = coeff;
}

static void check_addr(const struct kir_builder *b, enum kir_op op, const struct kir_addr *a, struct kir_type t, int active)
{
	if (a->buf < 0 || a->buf >= b->m->n_bufs)
		IG_BUG("%s: %s: no buffer %d", b->f->name, kir_ops[op].name, (int)a->buf);
	const struct kir_buffer *buf = &b->m->buf[a->buf];
	if (t.elem == KIR_I1 || kir_elem_bytes((enum kir_elem)t.elem) < kir_elem_bytes(buf->elem))
		IG_BUG("%s: %s: %s elements of buffer %s of %s", b->f->name, kir_ops[op].name, kir_elem_names[t.elem], buf->name, kir_elem_names[buf->elem]);
	if (active < 1 || active > t.lanes)
		IG_BUG("%s: %s: %d of %d lanes active", b->f->name, kir_ops[op].name, active, t.lanes);
	if (op == KIR_STORE && (buf->space == KIR_CONSTANT || buf->space == KIR_IN))
		IG_BUG("%s: store to buffer %s, which is read-only", b->f->name, buf->name);
	for (int i = 0; i < a->n; i++)
		if (a->term[i].iv < 0 || a->term[i].iv >= b->f->n_loops || b->f->loop[a->term[i].iv].end >= 0)
			IG_BUG("%s: %s: address uses loop %d, which is not open", b->f->name, kir_ops[op].name, (int)a->term[i].iv);
}

kir_val kb_load_n(struct kir_builder *b, struct kir_type t, struct kir_addr a, int active)
{
	check_addr(b, KIR_LOAD, &a, t, active);
	struct kir_inst *in = append(b, KIR_LOAD, t);
	in->addr = a;
	in->active = (uint16_t)active;
	return in->dst;
}

kir_val kb_load(struct kir_builder *b, struct kir_type t, struct kir_addr a)
{
	return kb_load_n(b, t, a, t.lanes);
}

void kb_store_n(struct kir_builder *b, kir_val v, struct kir_addr a, int active)
{
	struct kir_type t = arg_type(b, KIR_STORE, v);
	check_addr(b, KIR_STORE, &a, t, active);
	struct kir_inst *in = append(b, KIR_STORE, t);
	in->arg[0] = v;
	in->addr = a;
	in->active = (uint16_t)active;
}

void kb_store(struct kir_builder *b, kir_val v, struct kir_addr a)
{
	kb_store_n(b, v, a, arg_type(b, KIR_STORE, v).lanes);
}

kir_val kb_lut(struct kir_builder *b, enum kir_elem elem, kir_val index, struct kir_addr table)
{
	struct kir_type x = arg_type(b, KIR_LUT, index), t = KIR_T(elem, x.lanes);
	check_addr(b, KIR_LUT, &table, t, t.lanes);
	if (x.elem != KIR_I8 || kir_elem_bytes(elem) != kir_elem_bytes(b->m->buf[table.buf].elem))
		bad_types(b, KIR_LUT, t, x, KIR_T(b->m->buf[table.buf].elem, 1));
	struct kir_inst *in = append(b, KIR_LUT, t);
	in->arg[0] = index;
	in->addr = table;
	return in->dst;
}

static bool op1_types_ok(enum kir_op op, struct kir_type t, struct kir_type x)
{
	bool ints = kir_elem_is_int(t.elem) && kir_elem_is_int(x.elem), lanes = t.lanes == x.lanes;
	switch (op) {
	case KIR_SPLAT: return t.elem == x.elem && x.lanes == 1;
	case KIR_BITCAST: return t.elem != KIR_I1 && x.elem != KIR_I1 && kir_type_bytes(t) == kir_type_bytes(x);
	case KIR_TRANSPOSE4: return lanes && t.elem == KIR_I32 && x.elem == KIR_I32 && t.lanes % 4 == 0;
	case KIR_SEXT:
	case KIR_ZEXT: return ints && lanes && t.elem > x.elem;
	case KIR_TRUNC: return ints && lanes && t.elem < x.elem && t.elem != KIR_I1;
	case KIR_ITOF: return lanes && t.elem == KIR_F32 && x.elem == KIR_I32;
	case KIR_RNE: return lanes && t.elem == KIR_I32 && x.elem == KIR_F32;
	case KIR_HTOF: return lanes && t.elem == KIR_F32 && x.elem == KIR_I16;
	case KIR_FTOD: return lanes && t.elem == KIR_F64 && x.elem == KIR_F32;
	case KIR_DTOF: return lanes && t.elem == KIR_F32 && x.elem == KIR_F64;
	case KIR_REDUCE_ADD: return t.elem == x.elem && t.lanes == 1 && x.lanes > 1 && (x.elem == KIR_F32 || x.elem == KIR_I32);
	case KIR_REDUCE_FMAX: return t.elem == x.elem && t.lanes == 1 && x.lanes > 1 && x.elem == KIR_F32;
	case KIR_REDUCE_UMAX: return t.elem == x.elem && t.lanes == 1 && x.lanes > 1 && ints && x.elem != KIR_I1;
	default: return false;
	}
}

kir_val kb_op1(struct kir_builder *b, enum kir_op op, struct kir_type t, kir_val x)
{
	struct kir_type xt = arg_type(b, op, x);
	if (!good_type(t) || !op1_types_ok(op, t, xt))
		bad_types(b, op, t, xt, xt);
	struct kir_inst *in = append(b, op, t);
	in->arg[0] = x;
	return in->dst;
}

static bool op2_elem_ok(enum kir_op op, int e)
{
	bool is_int = kir_elem_is_int(e), wide_int = is_int && e != KIR_I1;
	switch (op) {
	case KIR_ADD:
	case KIR_SUB:
	case KIR_MUL: return wide_int || e == KIR_F32 || e == KIR_F64;
	case KIR_DIV: return e == KIR_F32 || e == KIR_F64;
	case KIR_SMIN:
	case KIR_SMAX:
	case KIR_UMIN:
	case KIR_UMAX: return wide_int;
	case KIR_FMIN:
	case KIR_FMAX: return e == KIR_F32;
	case KIR_AND:
	case KIR_OR:
	case KIR_XOR: return is_int;
	case KIR_CMPLT:
	case KIR_CMPEQ: return wide_int || e == KIR_F32;
	case KIR_CONCAT:
	case KIR_INTERLEAVE: return e != KIR_I1;
	case KIR_ZIPLO:
	case KIR_ZIPHI: return wide_int;
	default: return false;
	}
}

kir_val kb_op2(struct kir_builder *b, enum kir_op op, kir_val x, kir_val y)
{
	struct kir_type xt = arg_type(b, op, x), yt = arg_type(b, op, y), t = xt;
	if (op == KIR_CMPLT || op == KIR_CMPEQ)
		t.elem = KIR_I1;
	if (op == KIR_CONCAT || op == KIR_INTERLEAVE)
		t.lanes = (uint16_t)(2 * t.lanes);
	if (!same_type(xt, yt) || !op2_elem_ok(op, xt.elem) || !good_type(t))
		bad_types(b, op, t, xt, yt);
	struct kir_inst *in = append(b, op, t);
	in->arg[0] = x;
	in->arg[1] = y;
	return in->dst;
}

kir_val kb_shift(struct kir_builder *b, enum kir_op op, kir_val x, int by)
{
	struct kir_type t = arg_type(b, op, x);
	if ((op != KIR_SHL && op != KIR_SHRU && op != KIR_SHRS) || !kir_elem_is_int(t.elem) || by < 0 || by >= kir_elem_bits((enum kir_elem)t.elem))
		IG_BUG("%s: %s of %s by %d", b->f->name, kir_ops[op].name, kir_elem_names[t.elem], by);
	struct kir_inst *in = append(b, op, t);
	in->arg[0] = x;
	in->imm.i = by;
	return in->dst;
}

kir_val kb_extract(struct kir_builder *b, kir_val x, int first, int lanes)
{
	struct kir_type xt = arg_type(b, KIR_EXTRACT, x), t = KIR_T(xt.elem, lanes);
	if (first < 0 || lanes < 1 || first + lanes > xt.lanes || !good_type(t))
		IG_BUG("%s: extract of %d lanes from %d of %d", b->f->name, lanes, first, xt.lanes);
	struct kir_inst *in = append(b, KIR_EXTRACT, t);
	in->arg[0] = x;
	in->imm.i = first;
	return in->dst;
}

static kir_val op3(struct kir_builder *b, enum kir_op op, struct kir_type t, kir_val x, kir_val y, kir_val z)
{
	struct kir_inst *in = append(b, op, t);
	in->arg[0] = x;
	in->arg[1] = y;
	in->arg[2] = z;
	return in->dst;
}

kir_val kb_fma(struct kir_builder *b, kir_val x, kir_val y, kir_val z)
{
	struct kir_type t = arg_type(b, KIR_FMA, x), yt = arg_type(b, KIR_FMA, y);
	if (t.elem != KIR_F32 || !same_type(t, yt) || !same_type(t, arg_type(b, KIR_FMA, z)))
		bad_types(b, KIR_FMA, t, t, yt);
	return op3(b, KIR_FMA, t, x, y, z);
}

kir_val kb_select(struct kir_builder *b, kir_val c, kir_val x, kir_val y)
{
	struct kir_type ct = arg_type(b, KIR_SELECT, c), t = arg_type(b, KIR_SELECT, x);
	if (ct.elem != KIR_I1 || ct.lanes != t.lanes || !same_type(t, arg_type(b, KIR_SELECT, y)))
		bad_types(b, KIR_SELECT, t, ct, arg_type(b, KIR_SELECT, y));
	return op3(b, KIR_SELECT, t, c, x, y);
}

kir_val kb_dot(struct kir_builder *b, kir_val acc, kir_val x, kir_val y, bool a_unsigned)
{
	struct kir_type t = arg_type(b, KIR_DOT, acc), xt = arg_type(b, KIR_DOT, x), yt = arg_type(b, KIR_DOT, y);
	bool elem = xt.elem == KIR_I8 || (xt.elem == KIR_I16 && !a_unsigned);
	if (t.elem != KIR_I32 || !elem || !same_type(xt, yt) || xt.lanes < t.lanes)
		bad_types(b, KIR_DOT, t, xt, yt);
	kir_val r = op3(b, KIR_DOT, t, acc, x, y);
	if (a_unsigned)
		b->f->inst[b->f->n - 1].flags = KIR_A_UNSIGNED;
	return r;
}

kir_val kb_dot_pairs(struct kir_builder *b, kir_val acc, kir_val x, kir_val y)
{
	kir_val r = kb_dot(b, acc, x, y, true);
	b->f->inst[b->f->n - 1].flags |= KIR_PAIRS_FIT;
	return r;
}

kir_val kb_mmla(struct kir_builder *b, kir_val acc, kir_val x, kir_val y, bool a_unsigned)
{
	struct kir_type t = arg_type(b, KIR_MMLA, acc), xt = arg_type(b, KIR_MMLA, x), yt = arg_type(b, KIR_MMLA, y);
	if (t.elem != KIR_I32 || xt.elem != KIR_I8 || !same_type(xt, yt) || t.lanes < 4 || xt.lanes != 4 * t.lanes)
		bad_types(b, KIR_MMLA, t, xt, yt);
	kir_val r = op3(b, KIR_MMLA, t, acc, x, y);
	if (a_unsigned)
		b->f->inst[b->f->n - 1].flags = KIR_A_UNSIGNED;
	return r;
}

static struct kir_inst *tile_access(struct kir_builder *b, enum kir_op op, struct kir_addr a, int64_t stride, int rows)
{
	if (a.buf < 0 || a.buf >= b->m->n_bufs || stride < 0 || rows < 1 || rows > KIR_TILE_ROWS)
		IG_BUG("%s: %s: buffer %d, %d rows, %lld apart", b->f->name, kir_ops[op].name, (int)a.buf, rows, (long long)stride);
	struct kir_inst *in = append(b, op, KIR_TILE_T);
	in->addr = a;
	in->imm.i = stride;
	in->active = (uint16_t)rows;
	return in;
}

kir_val kb_tile_load(struct kir_builder *b, struct kir_addr a, int64_t stride, int rows) { return tile_access(b, KIR_TILE_LOAD, a, stride, rows)->dst; }

void kb_tile_store(struct kir_builder *b, kir_val v, struct kir_addr a, int64_t stride, int rows)
{
	if (arg_type(b, KIR_TILE_STORE, v).elem != KIR_TILE)
		IG_BUG("%s: tile_store of a vector", b->f->name);
	tile_access(b, KIR_TILE_STORE, a, stride, rows)->arg[0] = v;
}

kir_val kb_tile_dot(struct kir_builder *b, kir_val acc, kir_val x, kir_val y)
{
	struct kir_type t = arg_type(b, KIR_TILE_DOT, acc), xt = arg_type(b, KIR_TILE_DOT, x), yt = arg_type(b, KIR_TILE_DOT, y);
	if (t.elem != KIR_TILE || xt.elem != KIR_TILE || yt.elem != KIR_TILE)
		bad_types(b, KIR_TILE_DOT, t, xt, yt);
	return op3(b, KIR_TILE_DOT, t, acc, x, y);
}

kir_val kb_fpack(struct kir_builder *b, kir_val x, int32_t lo, int32_t hi, int32_t zp, bool nan_to_zp)
{
	struct kir_type xt = arg_type(b, KIR_FPACK, x), t = KIR_T(KIR_I8, xt.lanes);
	if (xt.elem != KIR_F32)
		bad_types(b, KIR_FPACK, t, xt, xt);
	if (lo > hi || lo < -128 || hi > 255 || zp < -128 || zp > 255)
		IG_BUG("%s: fpack to %d..%d with zero point %d", b->f->name, (int)lo, (int)hi, (int)zp);
	struct kir_inst *in = append(b, KIR_FPACK, t);
	in->arg[0] = x;
	in->imm.pack.lo = lo;
	in->imm.pack.hi = hi;
	in->imm.pack.zp = zp;
	in->flags = nan_to_zp ? KIR_NAN_TO_ZP : 0;
	return in->dst;
}

kir_val kb_fpack_small(struct kir_builder *b, kir_val x, int32_t lo, int32_t hi, int32_t zp)
{
	kir_val r = kb_fpack(b, x, lo, hi, zp, false);
	b->f->inst[b->f->n - 1].flags = KIR_SMALL;
	return r;
}

void kb_prefetch(struct kir_builder *b, struct kir_addr a)
{
	if (a.buf < 0 || a.buf >= b->m->n_bufs)
		IG_BUG("%s: prefetch: no buffer %d", b->f->name, (int)a.buf);
	append(b, KIR_PREFETCH, KIR_T(b->m->buf[a.buf].elem, 1))->addr = a;
}

static kir_val *copy_vals(struct kir_builder *b, enum kir_op op, const kir_val *v, int n)
{
	kir_val *r = IG_NEWN(b->m->arena, kir_val, n ? n : 1);
	for (int i = 0; i < n; i++) {
		arg_type(b, op, v[i]);
		r[i] = v[i];
	}
	return r;
}

kir_iv kb_loop(struct kir_builder *b, const char *name, int64_t count, kir_val *carried, int n)
{
	struct kir_func *f = b->f;
	if (count < 1 || n < 0)
		IG_BUG("%s: loop %s of %lld iterations", f->name, name, (long long)count);
	if (f->n_loops == f->cap_loops)
		ig_vec_grow((void **)&f->loop, &f->cap_loops, sizeof *f->loop);
	kir_iv iv = f->n_loops++;
	f->loop[iv] = (struct kir_loop){.count = count, .name = ig_arena_strdup(b->m->arena, name), .begin = f->n, .end = -1, .parent = f->open};
	kir_val *init = copy_vals(b, KIR_LOOP, carried, n);
	struct kir_inst *in = append(b, KIR_LOOP, KIR_T(KIR_I32, 1));
	in->loop = iv;
	in->n_extra = n;
	in->extra = init;
	in->n_dst = n;
	in->dst = f->n_values;
	for (int i = 0; i < n; i++)
		carried[i] = new_value(f, f->vtype[init[i]]);
	f->open = iv;
	return iv;
}

void kb_end(struct kir_builder *b, kir_val *next, int n)
{
	struct kir_func *f = b->f;
	if (f->open < 0)
		IG_BUG("%s: end without a loop", f->name);
	kir_iv iv = f->open;
	const struct kir_inst *begin = &f->inst[f->loop[iv].begin];
	if (n != begin->n_dst)
		IG_BUG("%s: loop %s carries %d values, its end has %d", f->name, f->loop[iv].name, (int)begin->n_dst, n);
	kir_val first = begin->dst, *copy = copy_vals(b, KIR_END, next, n);
	struct kir_inst *in = append(b, KIR_END, KIR_T(KIR_I32, 1));
	in->loop = iv;
	in->n_extra = n;
	in->extra = copy;
	in->n_dst = n;
	in->dst = f->n_values;
	for (int i = 0; i < n; i++) {
		struct kir_type t = f->vtype[first + i];
		if (!same_type(t, f->vtype[copy[i]]))
			bad_types(b, KIR_END, t, f->vtype[copy[i]], t);
		next[i] = new_value(f, t);
	}
	f->loop[iv].end = f->n - 1;
	f->open = f->loop[iv].parent;
}
