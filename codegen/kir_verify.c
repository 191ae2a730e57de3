/* The kernel IR's verifier: types, scoping, and every access in bounds, proved by interval arithmetic over the constant loop counts. */
#include "codegen/kir.h"

#include <stdlib.h>
#include <string.h>

struct verify {
	const struct kir_module *m;
	const struct kir_func *f;
	struct ig_diag *diag;
	int at;         /* instruction */
	int32_t *scope; /* by value: loop in which it is defined, -1: the function's body, UNDEFINED */
	kir_iv open;    /* innermost open loop */
	bool ok;
};
enum { UNDEFINED = -2 };

#define FAIL(v, ...) fail((v), ig_arena_printf((v)->m->arena, __VA_ARGS__))
static bool fail(struct verify *v, const char *what)
{
	const struct kir_inst *in = v->at < v->f->n ? &v->f->inst[v->at] : NULL;
	ig_error(v->diag, IG_NOLOC, "internal error: kernel IR of %s, function %s, instruction %d (%s): %s", v->m->name, v->f->name, v->at,
	         in && in->op < KIR_OP_COUNT ? kir_ops[in->op].name : "?", what);
	return v->ok = false;
}

static bool good_type(struct kir_type t)
{
	return t.elem < KIR_ELEM_COUNT && t.lanes && t.lanes <= KIR_MAX_LANES && !(t.lanes & (t.lanes - 1)) && (t.elem != KIR_TILE || t.lanes == KIR_TILE_T.lanes);
}

static bool same_type(struct kir_type a, struct kir_type b)
{
	return a.elem == b.elem && a.lanes == b.lanes;
}

static bool loop_open(const struct verify *v, kir_iv iv)
{
	for (kir_iv l = v->open; l >= 0; l = v->f->loop[l].parent)
		if (l == iv)
			return true;
	return false;
}

static bool check_use(struct verify *v, kir_val x)
{
	if (x < 0 || x >= v->f->n_values)
		return FAIL(v, "operand %d is no value", (int)x);
	if (v->scope[x] == UNDEFINED)
		return FAIL(v, "%%%d is used before its definition", (int)x);
	if (v->scope[x] >= 0 && !loop_open(v, v->scope[x]))
		return FAIL(v, "%%%d is used after the loop that defines it", (int)x);
	return true;
}

static bool define(struct verify *v, const struct kir_inst *in)
{
	for (int i = 0; i < in->n_dst; i++) {
		kir_val x = in->dst + i;
		if (x < 0 || x >= v->f->n_values)
			return FAIL(v, "result %d is no value", (int)x);
		if (v->scope[x] != UNDEFINED)
			return FAIL(v, "%%%d is defined twice", (int)x);
		if (!good_type(v->f->vtype[x]))
			return FAIL(v, "%%%d has a type of %d lanes", (int)x, v->f->vtype[x].lanes);
		v->scope[x] = v->open;
	}
	return true;
}

/* Lowest and highest value of an address; false on overflow. */
static bool addr_range(struct verify *v, const struct kir_addr *a, int64_t *lo, int64_t *hi)
{
	*lo = *hi = a->base;
	for (int i = 0; i < a->n; i++) {
		int64_t span;
		if (!loop_open(v, a->term[i].iv))
			return FAIL(v, "the address uses loop %d, which is not open", (int)a->term[i].iv);
		if (__builtin_mul_overflow(a->term[i].coeff, v->f->loop[a->term[i].iv].count - 1, &span) ||
		    __builtin_add_overflow(span < 0 ? *lo : *hi, span, span < 0 ? lo : hi))
			return FAIL(v, "the address overflows");
	}
	return true;
}

static bool check_addr(struct verify *v, const struct kir_inst *in)
{
	const struct kir_addr *a = &in->addr;
	int64_t lo, hi;
	if (a->buf < 0 || a->buf >= v->m->n_bufs || a->n < 0 || a->n > KIR_MAX_TERMS)
		return FAIL(v, "buffer %d, %d terms", (int)a->buf, a->n);
	if (!addr_range(v, a, &lo, &hi))
		return false;
	if (in->op == KIR_PREFETCH)
		return true;
	const struct kir_buffer *b = &v->m->buf[a->buf];
	if (in->type.elem == KIR_I1 || kir_elem_bytes((enum kir_elem)in->type.elem) % kir_elem_bytes(b->elem))
		return FAIL(v, "%s element of buffer %s of %s", kir_elem_names[in->type.elem], b->name, kir_elem_names[b->elem]);
	int64_t span = 256;
	if (in->op == KIR_LUT) {
		if (kir_elem_bytes((enum kir_elem)in->type.elem) != kir_elem_bytes(b->elem))
			return FAIL(v, "table %s has another element", b->name);
	} else if (kir_is_tile_op(in->op)) {
		if (in->active < 1 || in->active > KIR_TILE_ROWS || in->imm.i < 0 || in->imm.i > b->count)
			return FAIL(v, "%d rows, %lld apart", in->active, (long long)in->imm.i);
		span = kir_tile_span(b, in);
	} else {
		if (in->active < 1 || in->active > in->type.lanes)
			return FAIL(v, "%d of %d lanes active", in->active, in->type.lanes);
		span = kir_span(b, (enum kir_elem)in->type.elem, in->active);
	}
	if ((in->op == KIR_STORE || in->op == KIR_TILE_STORE) && (b->space == KIR_CONSTANT || b->space == KIR_IN))
		return FAIL(v, "store to %s, which is read-only", b->name);
	if (lo < 0 || hi > b->count - span)
		return FAIL(v, "%s[%lld..%lld] is accessed, of %lld elements", b->name, (long long)lo, (long long)(hi + span - 1), (long long)b->count);
	return true;
}

static bool op_types_ok(const struct kir_inst *in, const struct kir_type *t)
{
	struct kir_type r = in->type, a = t[0], b = t[1], c = t[2];
	bool ints = kir_elem_is_int(r.elem), wide = ints && r.elem != KIR_I1, lanes = r.lanes == a.lanes;
	bool fl = r.elem == KIR_F32 || r.elem == KIR_F64, same2 = same_type(r, a) && same_type(r, b);
	switch ((enum kir_op)in->op) {
	case KIR_CONST: return r.elem != KIR_F64;
	case KIR_LOAD: return true;
	case KIR_STORE: return same_type(r, a);
	case KIR_LUT: return a.elem == KIR_I8 && lanes;
	case KIR_SPLAT: return r.elem == a.elem && a.lanes == 1;
	case KIR_EXTRACT: return r.elem == a.elem && in->imm.i >= 0 && in->imm.i + r.lanes <= a.lanes;
	case KIR_CONCAT:
	case KIR_INTERLEAVE: return same_type(a, b) && r.elem == a.elem && r.lanes == 2 * a.lanes && r.elem != KIR_I1;
	case KIR_ZIPLO:
	case KIR_ZIPHI: return same2 && wide && kir_type_bytes(r) % 16 == 0;
	case KIR_TRANSPOSE4: return same_type(r, a) && r.elem == KIR_I32 && r.lanes % 4 == 0;
	case KIR_BITCAST: return r.elem != KIR_I1 && a.elem != KIR_I1 && kir_type_bytes(r) == kir_type_bytes(a);
	case KIR_ADD:
	case KIR_SUB:
	case KIR_MUL: return same2 && (wide || fl);
	case KIR_DIV: return same2 && fl;
	case KIR_FMA: return same2 && same_type(r, c) && r.elem == KIR_F32;
	case KIR_SMIN:
	case KIR_SMAX:
	case KIR_UMIN:
	case KIR_UMAX: return same2 && wide;
	case KIR_FMIN:
	case KIR_FMAX: return same2 && r.elem == KIR_F32;
	case KIR_AND:
	case KIR_OR:
	case KIR_XOR: return same2 && ints;
	case KIR_SHL:
	case KIR_SHRU:
	case KIR_SHRS: return same_type(r, a) && wide && in->imm.i >= 0 && in->imm.i < kir_elem_bits((enum kir_elem)r.elem);
	case KIR_CMPLT:
	case KIR_CMPEQ: return r.elem == KIR_I1 && lanes && same_type(a, b) && a.elem != KIR_I1 && a.elem != KIR_F64;
	case KIR_SELECT: return a.elem == KIR_I1 && lanes && same_type(r, b) && same_type(r, c);
	case KIR_SEXT:
	case KIR_ZEXT: return lanes && ints && kir_elem_is_int(a.elem) && r.elem > a.elem;
	case KIR_TRUNC: return lanes && wide && kir_elem_is_int(a.elem) && r.elem < a.elem;
	case KIR_ITOF: return lanes && r.elem == KIR_F32 && a.elem == KIR_I32;
	case KIR_RNE: return lanes && r.elem == KIR_I32 && a.elem == KIR_F32;
	case KIR_HTOF: return lanes && r.elem == KIR_F32 && a.elem == KIR_I16;
	case KIR_FTOD: return lanes && r.elem == KIR_F64 && a.elem == KIR_F32;
	case KIR_DTOF: return lanes && r.elem == KIR_F32 && a.elem == KIR_F64;
	case KIR_DOT:
		if (in->flags & KIR_PAIRS_FIT && (b.elem != KIR_I8 || !(in->flags & KIR_A_UNSIGNED) || b.lanes != 4 * r.lanes))
			return false;
		return r.elem == KIR_I32 && same_type(r, a) && same_type(b, c) && b.lanes >= r.lanes &&
		       (b.elem == KIR_I8 || (b.elem == KIR_I16 && !(in->flags & KIR_A_UNSIGNED)));
	case KIR_MMLA: return r.elem == KIR_I32 && same_type(r, a) && same_type(b, c) && b.elem == KIR_I8 && r.lanes >= 4 && b.lanes == 4 * r.lanes;
	case KIR_FPACK:
		return r.elem == KIR_I8 && lanes && a.elem == KIR_F32 && in->imm.pack.lo <= in->imm.pack.hi && in->imm.pack.lo >= -128 &&
		       in->imm.pack.hi <= 255 && in->imm.pack.zp >= -128 && in->imm.pack.zp <= 255;
	case KIR_TILE_LOAD: return r.elem == KIR_TILE;
	case KIR_TILE_STORE: return same_type(r, a);
	case KIR_TILE_DOT: return r.elem == KIR_TILE && same2 && same_type(r, c);
	case KIR_REDUCE_ADD: return r.lanes == 1 && r.elem == a.elem && a.lanes > 1 && (r.elem == KIR_F32 || r.elem == KIR_I32);
	case KIR_REDUCE_FMAX: return r.lanes == 1 && r.elem == a.elem && a.lanes > 1 && r.elem == KIR_F32;
	case KIR_REDUCE_UMAX: return r.lanes == 1 && r.elem == a.elem && a.lanes > 1 && wide;
	case KIR_PREFETCH:
	case KIR_LOOP:
	case KIR_END:
	case KIR_OP_COUNT: break;
	}
	return true;
}

static bool check_loop(struct verify *v, const struct kir_inst *in)
{
	const struct kir_func *f = v->f;
	kir_iv iv = in->loop;
	bool begins = in->op == KIR_LOOP;
	if (iv < 0 || iv >= f->n_loops)
		return FAIL(v, "no loop %d", (int)iv);
	const struct kir_loop *l = &f->loop[iv];
	if (begins ? l->begin != v->at || l->parent != v->open : l->end != v->at || v->open != iv)
		return FAIL(v, "loop %s is not nested as its table says", l->name);
	if (l->count < 1)
		return FAIL(v, "loop %s has %lld iterations", l->name, (long long)l->count);
	if (in->n_extra != in->n_dst || in->n_dst != f->inst[l->begin].n_dst)
		return FAIL(v, "loop %s carries %d values, has %d operands and %d results", l->name, (int)f->inst[l->begin].n_dst, (int)in->n_extra, (int)in->n_dst);
	for (int i = 0; i < in->n_extra; i++)
		if (!check_use(v, in->extra[i]))
			return false;
	v->open = begins ? iv : l->parent;
	if (!define(v, in))
		return false;
	for (int i = 0; i < in->n_dst; i++)
		if (!same_type(f->vtype[in->dst + i], f->vtype[in->extra[i]]) || !same_type(f->vtype[in->dst + i], f->vtype[f->inst[l->begin].dst + i]))
			return FAIL(v, "carried value %d of loop %s changes its type", i, l->name);
	return true;
}

static bool check_inst(struct verify *v, const struct kir_inst *in)
{
	struct kir_type t[3] = {{0, 0}, {0, 0}, {0, 0}};
	if (in->op >= KIR_OP_COUNT)
		return FAIL(v, "no such instruction");
	if (in->op == KIR_LOOP || in->op == KIR_END)
		return check_loop(v, in);
	for (int i = 0; i < kir_ops[in->op].n_args; i++) {
		if (!check_use(v, in->arg[i]))
			return false;
		t[i] = v->f->vtype[in->arg[i]];
	}
	bool tile = in->type.elem == KIR_TILE || t[0].elem == KIR_TILE || t[1].elem == KIR_TILE || t[2].elem == KIR_TILE;
	if (!good_type(in->type) || tile != kir_is_tile_op(in->op) || !op_types_ok(in, t))
		return FAIL(v, "types %s x %d <- %s x %d, %s x %d, %s x %d", kir_elem_names[in->type.elem % KIR_ELEM_COUNT], in->type.lanes,
		            kir_elem_names[t[0].elem], t[0].lanes, kir_elem_names[t[1].elem], t[1].lanes, kir_elem_names[t[2].elem], t[2].lanes);
	if (kir_ops[in->op].has_addr && !check_addr(v, in))
		return false;
	if (in->n_dst != (kir_ops[in->op].has_result ? 1 : 0))
		return FAIL(v, "%d results", (int)in->n_dst);
	if (in->n_dst && (in->dst < 0 || in->dst >= v->f->n_values || !same_type(v->f->vtype[in->dst], in->type)))
		return FAIL(v, "the result has another type");
	return define(v, in);
}

static bool verify_func(const struct kir_module *m, const struct kir_func *f, struct ig_diag *d)
{
	struct verify v = {.m = m, .f = f, .diag = d, .open = -1, .ok = true};
	v.scope = ig_xcalloc((size_t)f->n_values + 1, sizeof *v.scope);
	for (int i = 0; i < f->n_values; i++)
		v.scope[i] = UNDEFINED;
	for (v.at = 0; v.ok && v.at < f->n; v.at++)
		check_inst(&v, &f->inst[v.at]);
	if (v.ok && (v.open >= 0 || f->open >= 0))
		FAIL(&v, "a loop is not closed");
	if (v.ok) {
		uint8_t rows[KIR_TILE_REGS];
		int8_t *reg = ig_xcalloc((size_t)f->n_values + 1, 1);
		const char *why = kir_tile_assign(f, reg, rows);
		if (why)
			FAIL(&v, "%s", why);
		free(reg);
	}
	free(v.scope);
	return v.ok;
}

static bool verify_buffers(const struct kir_module *m, struct ig_diag *d)
{
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		bool io = b->space == KIR_IN || b->space == KIR_OUT;
		int n = b->space == KIR_IN ? m->n_inputs : m->n_outputs;
		if (b->count < 0 || b->elem == KIR_I1 || b->align < 1 || (b->align & (b->align - 1)) || (b->space == KIR_CONSTANT) != (b->init != NULL) ||
		    (io && (b->io < 0 || b->io >= n))) {
			ig_error(d, IG_NOLOC, "internal error: kernel IR of %s: buffer %s is not well formed", m->name, b->name);
			return false;
		}
	}
	return true;
}

bool kir_verify(const struct kir_module *m, struct ig_diag *d)
{
	bool ok = verify_buffers(m, d);
	for (int i = 0; ok && i < m->n_funcs; i++)
		ok = verify_func(m, m->func[i], d);
	return ok && (m->threads < 2 || kir_verify_regions(m, d));
}
