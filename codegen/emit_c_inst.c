/* Instructions as C: a vector is a small local array, an instruction a short loop over its lanes, a loop a loop. Integers are held unsigned, so that
   arithmetic wraps, and are cast where the instruction is signed. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/emit_c.h"

static const char *const ctypes[KIR_ELEM_COUNT] = {"uint8_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "float", "double", "uint32_t"};
static const char *const stypes[KIR_ELEM_COUNT] = {"int8_t", "int8_t", "int16_t", "int32_t", "int64_t", "float", "double", "uint32_t"};

/* A splat read only lane by lane is printed as its scalar; a constant is a scalar, and an array besides where its address is needed. */
static bool is_inline_splat(const struct ec_printer *pr, kir_val v)
{
	return pr->f->inst[pr->def[v]].op == KIR_SPLAT && !pr->pointer_uses[v];
}

static bool is_const(const struct ec_printer *pr, kir_val v)
{
	return pr->f->inst[pr->def[v]].op == KIR_CONST;
}

/* An instruction without effect but its result, which nothing reads. */
bool ig_ec_is_unused(const struct ec_printer *pr, const struct kir_inst *in)
{
	return kir_ops[in->op].has_result && !pr->lane_uses[in->dst] && !pr->pointer_uses[in->dst];
}

/* ---- expressions ---- */

struct text {
	char s[96];
};

/* Lane `index` (a C expression) of a value. */
static struct text lane_at(const struct ec_printer *pr, kir_val v, const char *index)
{
	struct text t;
	while (is_inline_splat(pr, v)) {
		v = pr->f->inst[pr->def[v]].arg[0];
		index = "0";
	}
	if (is_const(pr, v) || pr->f->vtype[v].lanes == 1)
		snprintf(t.s, sizeof t.s, "v%d", (int)pr->rep[v]);
	else
		snprintf(t.s, sizeof t.s, "v%d[%s]", (int)pr->rep[v], index);
	return t;
}

static struct text lane(const struct ec_printer *pr, kir_val v)
{
	return lane_at(pr, v, "i");
}

static struct text pointer(const struct ec_printer *pr, kir_val v)
{
	struct text t;
	bool array = pr->f->vtype[v].lanes > 1, constant = is_const(pr, v);
	snprintf(t.s, sizeof t.s, "%sv%d%s", array ? "" : "&", (int)pr->rep[v], array && constant ? "a" : "");
	return t;
}

static void indent(const struct ec_printer *pr)
{
	for (int i = 0; i < pr->depth; i++)
		fputc('\t', pr->out);
}

void ig_ec_line(const struct ec_printer *pr, const char *fmt, ...)
{
	va_list ap;
	indent(pr);
	va_start(ap, fmt);
	vfprintf(pr->out, fmt, ap);
	va_end(ap);
	fputc('\n', pr->out);
}

static const char *address(const struct ec_printer *pr, const struct kir_addr *a)
{
	int64_t size = kir_elem_bytes(pr->m->buf[a->buf].elem), c;
	char *s = ig_arena_printf(pr->arena, "%s", pr->buf_name[a->buf]);
	if (a->base)
		s = ig_arena_printf(pr->arena, "%s %c %" PRId64, s, a->base < 0 ? '-' : '+', (a->base < 0 ? -a->base : a->base) * size);
	/* Sums of offsets may leave the buffer on the way: they are added up before the pointer. */
	if (!a->n)
		return s;
	s = ig_arena_printf(pr->arena, "%s + (", pr->buf_name[a->buf]);
	for (int i = 0; i < a->n; i++) {
		c = a->term[i].coeff * size;
		s = ig_arena_printf(pr->arena, "%s%s", s, i ? (c < 0 ? " - " : " + ") : (c < 0 ? "-" : ""));
		c = c < 0 ? -c : c;
		if (c == 1)
			s = ig_arena_printf(pr->arena, "%s%s", s, pr->iv_name[a->term[i].iv]);
		else
			s = ig_arena_printf(pr->arena, "%s%" PRId64 " * %s", s, c, pr->iv_name[a->term[i].iv]);
	}
	if (a->base)
		s = ig_arena_printf(pr->arena, "%s %c %" PRId64, s, a->base < 0 ? '-' : '+', (a->base < 0 ? -a->base : a->base) * size);
	return ig_arena_printf(pr->arena, "%s)", s);
}

void ig_ec_float(float v, char *out, size_t size)
{
	snprintf(out, size, "%.9g", (double)v);
	size_t n = strlen(out);
	snprintf(out + n, size - n, "%sf", strpbrk(out, ".e") ? "" : ".0");
}

static const char *literal(const struct ec_printer *pr, const struct kir_inst *in)
{
	uint32_t bits;
	int64_t v = in->imm.i;
	if (in->type.elem == KIR_F32) {
		memcpy(&bits, &in->imm.f, 4);
		if (!isfinite(in->imm.f))
			return ig_arena_printf(pr->arena, "f32_bits(0x%08" PRIx32 "u)", bits);
		char s[40];
		ig_ec_float(in->imm.f, s, sizeof s);
		return ig_arena_printf(pr->arena, "%s", s);
	}
	const char *suffix = in->type.elem == KIR_I64 ? "ull" : "u";
	if (v >= 0)
		return ig_arena_printf(pr->arena, "%" PRId64 "%s", v, suffix);
	if (v > -1000000)
		return ig_arena_printf(pr->arena, "(%s)-%" PRId64, ctypes[in->type.elem], -v);
	return ig_arena_printf(pr->arena, "0x%" PRIx64 "%s", in->type.elem == KIR_I64 ? (uint64_t)v : (uint64_t)v & 0xffffffffu, suffix);
}

/* ---- instructions ---- */

static void declare(const struct ec_printer *pr, kir_val v)
{
	struct kir_type t = pr->f->vtype[v];
	if (pr->rep[v] != v)
		return; /* it has a place already */
	if (t.lanes > 1)
		ig_ec_line(pr, "%s v%d[%d];", ctypes[t.elem], (int)v, t.lanes);
	else
		ig_ec_line(pr, "%s v%d;", ctypes[t.elem], (int)v);
}

/* Declares the result and sets its lanes to the expression (of `i` when it is a vector). */
static IG_PRINTF(3, 4) void set_lanes(const struct ec_printer *pr, const struct kir_inst *in, const char *fmt, ...)
{
	struct kir_type t = in->type;
	kir_val v = pr->rep[in->dst];
	va_list ap;
	if (t.lanes > 1)
		declare(pr, in->dst);
	indent(pr);
	if (t.lanes > 1)
		fprintf(pr->out, "for (int i = 0; i < %d; i++) v%d[i] = ", t.lanes, (int)v);
	else
		fprintf(pr->out, "%s%sv%d = ", v == in->dst ? ctypes[t.elem] : "", v == in->dst ? " " : "", (int)v);
	va_start(ap, fmt);
	vfprintf(pr->out, fmt, ap);
	va_end(ap);
	fputs(";\n", pr->out);
}

static void print_const(const struct ec_printer *pr, const struct kir_inst *in)
{
	if (pr->lane_uses[in->dst] || in->type.lanes == 1)
		ig_ec_line(pr, "const %s v%d = %s;", ctypes[in->type.elem], (int)in->dst, literal(pr, in));
	if (pr->pointer_uses[in->dst] && in->type.lanes > 1) {
		ig_ec_line(pr, "%s v%da[%d];", ctypes[in->type.elem], (int)in->dst, in->type.lanes);
		ig_ec_line(pr, "for (int i = 0; i < %d; i++) v%da[i] = %s;", in->type.lanes, (int)in->dst, literal(pr, in));
	}
}

static void print_load(const struct ec_printer *pr, const struct kir_inst *in)
{
	int size = kir_elem_bytes((enum kir_elem)in->type.elem), lanes = in->type.lanes;
	const char *a = address(pr, &in->addr);
	if (size == 1 && lanes == 1) {
		ig_ec_line(pr, "uint8_t v%d = *(%s);", (int)in->dst, a);
		return;
	}
	declare(pr, in->dst);
	ig_ec_line(pr, "COPY(%s, %s, %d);", pointer(pr, in->dst).s, a, size * in->active);
	if (in->active < lanes)
		ig_ec_line(pr, "for (int i = %d; i < %d; i++) v%d[i] = 0;", in->active, lanes, (int)in->dst);
}

static void print_store(const struct ec_printer *pr, const struct kir_inst *in)
{
	int size = kir_elem_bytes((enum kir_elem)in->type.elem);
	const char *a = address(pr, &in->addr);
	if (size == 1 && in->type.lanes == 1)
		ig_ec_line(pr, "*(%s) = %s;", a, lane(pr, in->arg[0]).s);
	else
		ig_ec_line(pr, "COPY(%s, %s, %d);", a, pointer(pr, in->arg[0]).s, size * in->active);
}

static void print_lut(const struct ec_printer *pr, const struct kir_inst *in)
{
	int size = kir_elem_bytes((enum kir_elem)in->type.elem);
	const char *a = address(pr, &in->addr);
	if (size == 1) {
		set_lanes(pr, in, "(%s)[%s]", a, lane(pr, in->arg[0]).s);
		return;
	}
	declare(pr, in->dst);
	if (in->type.lanes > 1)
		ig_ec_line(pr, "for (int i = 0; i < %d; i++) COPY(&v%d[i], %s + %d * %s, %d);", in->type.lanes, (int)in->dst, a, size, lane(pr, in->arg[0]).s, size);
	else
		ig_ec_line(pr, "COPY(&v%d, %s + %d * %s, %d);", (int)in->dst, a, size, lane(pr, in->arg[0]).s, size);
}

static void print_dot(const struct ec_printer *pr, const struct kir_inst *in)
{
	struct kir_type a = pr->f->vtype[in->arg[1]];
	bool u = in->flags & KIR_A_UNSIGNED;
	if (a.lanes == in->type.lanes) {
		set_lanes(pr, in, "%s + (uint32_t)((int32_t)%s%s * (int32_t)(%s)%s)", lane(pr, in->arg[0]).s, u ? "" : a.elem == KIR_I16 ? "(int16_t)" : "(int8_t)",
		          lane(pr, in->arg[1]).s, stypes[a.elem], lane(pr, in->arg[2]).s);
		return;
	}
	declare(pr, in->dst);
	const char *name = a.elem == KIR_I16 ? "dot_s16" : u ? "dot_u8" : "dot_s8", *cast = a.elem == KIR_I16 ? "(const int16_t *)" : u ? "" : "(const int8_t *)";
	ig_ec_line(pr, "%s(%s, %s, %s%s, (const %s *)%s, %d, %d);", name, pointer(pr, in->dst).s, pointer(pr, in->arg[0]).s, cast, pointer(pr, in->arg[1]).s,
	     stypes[a.elem], pointer(pr, in->arg[2]).s, in->type.lanes, a.lanes / in->type.lanes);
}

static void print_mmla(const struct ec_printer *pr, const struct kir_inst *in)
{
	bool u = in->flags & KIR_A_UNSIGNED;
	declare(pr, in->dst);
	ig_ec_line(pr, "%s(%s, %s, %s%s, (const int8_t *)%s, %d);", u ? "mmla_u8" : "mmla_s8", pointer(pr, in->dst).s, pointer(pr, in->arg[0]).s,
	           u ? "" : "(const int8_t *)", pointer(pr, in->arg[1]).s, pointer(pr, in->arg[2]).s, in->type.lanes);
}

static void print_tile(const struct ec_printer *pr, const struct kir_inst *in)
{
	int rows = in->active;
	if (in->op == KIR_TILE_DOT) {
		declare(pr, in->dst);
		ig_ec_line(pr, "tile_dot(%s, %s, (const uint8_t *)%s, (const int8_t *)%s);", pointer(pr, in->dst).s, pointer(pr, in->arg[0]).s,
		           pointer(pr, in->arg[1]).s, pointer(pr, in->arg[2]).s);
		return;
	}
	const char *at = address(pr, &in->addr);
	int64_t stride = in->imm.i * kir_elem_bytes(pr->m->buf[in->addr.buf].elem);
	if (in->op == KIR_TILE_STORE) {
		ig_ec_line(pr, "tile_store(%s, %" PRId64 ", %s, %d);", at, stride, pointer(pr, in->arg[0]).s, rows);
		return;
	}
	declare(pr, in->dst);
	ig_ec_line(pr, "tile_load(%s, %s, %" PRId64 ", %d);", pointer(pr, in->dst).s, at, stride, rows);
}

static void print_moves(const struct ec_printer *pr, const struct kir_inst *in)
{
	char index[64];
	int bytes = kir_type_bytes(in->type);
	switch (in->op) {
	case KIR_EXTRACT:
		snprintf(index, sizeof index, in->type.lanes > 1 ? "%d + i" : "%d", (int)in->imm.i);
		set_lanes(pr, in, "%s", lane_at(pr, in->arg[0], index).s);
		break;
	case KIR_INTERLEAVE:
		set_lanes(pr, in, "i %% 2 ? %s : %s", lane_at(pr, in->arg[1], "i / 2").s, lane_at(pr, in->arg[0], "i / 2").s);
		break;
	case KIR_ZIPLO:
	case KIR_ZIPHI: {
		int group = 16 / kir_elem_bytes((enum kir_elem)in->type.elem);
		snprintf(index, sizeof index, "i / %d * %d + i %% %d / 2 + %d", group, group, group, in->op == KIR_ZIPHI ? group / 2 : 0);
		set_lanes(pr, in, "i %% 2 ? %s : %s", lane_at(pr, in->arg[1], index).s, lane_at(pr, in->arg[0], index).s);
		break;
	}
	case KIR_TRANSPOSE4:
		snprintf(index, sizeof index, "i %% 4 * %d + i / 4", in->type.lanes / 4);
		set_lanes(pr, in, "%s", lane_at(pr, in->arg[0], index).s);
		break;
	case KIR_CONCAT:
		declare(pr, in->dst);
		ig_ec_line(pr, "COPY(v%d, %s, %d);", (int)in->dst, pointer(pr, in->arg[0]).s, bytes / 2);
		ig_ec_line(pr, "COPY(v%d + %d, %s, %d);", (int)in->dst, in->type.lanes / 2, pointer(pr, in->arg[1]).s, bytes / 2);
		break;
	default: /* BITCAST */
		declare(pr, in->dst);
		ig_ec_line(pr, "COPY(%s, %s, %d);", pointer(pr, in->dst).s, pointer(pr, in->arg[0]).s, bytes);
		break;
	}
}

static void print_reduce(const struct ec_printer *pr, const struct kir_inst *in)
{
	static const char *const umax[] = {"max_u8", "max_u16", "max_u32", "max_u64"};
	const char *name = in->op == KIR_REDUCE_FMAX ? "max_f32" : in->op == KIR_REDUCE_UMAX ? umax[in->type.elem - KIR_I8] :
	                   in->type.elem == KIR_F32 ? "sum_f32" : "sum_i32";
	ig_ec_line(pr, "%s v%d = %s(%s, %d);", ctypes[in->type.elem], (int)in->dst, name, pointer(pr, in->arg[0]).s, pr->f->vtype[in->arg[0]].lanes);
}

static void print_convert(const struct ec_printer *pr, const struct kir_inst *in)
{
	struct text a = lane(pr, in->arg[0]);
	int from = pr->f->vtype[in->arg[0]].elem, to = in->type.elem;
	switch (in->op) {
	case KIR_SEXT:
		if (from == KIR_I1)
			set_lanes(pr, in, "(%s)(0 - %s)", ctypes[to], a.s);
		else
			set_lanes(pr, in, "(%s)(%s)%s", ctypes[to], stypes[from], a.s);
		break;
	case KIR_TRUNC: set_lanes(pr, in, "(%s)%s", ctypes[to], a.s); break;
	case KIR_ITOF: set_lanes(pr, in, "(float)(int32_t)%s", a.s); break;
	case KIR_RNE: set_lanes(pr, in, "(uint32_t)rne32(%s)", a.s); break;
	case KIR_DTOF: set_lanes(pr, in, "(float)%s", a.s); break;
	case KIR_HTOF: set_lanes(pr, in, "f32_half(%s)", a.s); break;
	case KIR_FPACK:
		set_lanes(pr, in, "%s(%s, %d.0f, %d.0f, %d)", in->flags & KIR_NAN_TO_ZP ? "pack8_nan" : "pack8", a.s, (int)(in->imm.pack.lo - in->imm.pack.zp),
		          (int)(in->imm.pack.hi - in->imm.pack.zp), (int)in->imm.pack.zp);
		break;
	default: set_lanes(pr, in, "%s", a.s); break; /* SPLAT, ZEXT, FTOD */
	}
}

/* Comparisons of a value with itself, which compilers warn of; x == x of a float is the test for NaN and stays. */
static bool print_same(const struct ec_printer *pr, const struct kir_inst *in, struct text a)
{
	switch (in->op) {
	case KIR_SMIN:
	case KIR_SMAX:
	case KIR_UMIN:
	case KIR_UMAX: set_lanes(pr, in, "%s", a.s); return true;
	case KIR_CMPLT: set_lanes(pr, in, "((void)%s, 0)", a.s); return true;
	case KIR_CMPEQ:
		if (pr->f->vtype[in->arg[0]].elem == KIR_F32)
			return false;
		set_lanes(pr, in, "((void)%s, 1)", a.s);
		return true;
	default: return false;
	}
}

static void print_arith(const struct ec_printer *pr, const struct kir_inst *in)
{
	struct text a = lane(pr, in->arg[0]), b = kir_ops[in->op].n_args > 1 ? lane(pr, in->arg[1]) : a;
	struct text c = kir_ops[in->op].n_args > 2 ? lane(pr, in->arg[2]) : a;
	int e = in->type.elem, from = pr->f->vtype[in->arg[0]].elem;
	const char *s = stypes[e];
	/* uint16_t times uint16_t would be computed in int, and overflow. */
	const char *narrow = e == KIR_I8 || e == KIR_I16 ? ctypes[e] : "", *open = narrow[0] ? "(" : "", *close = narrow[0] ? ")((uint32_t)" : "", *end = narrow[0] ? ")" : "";
	if (kir_ops[in->op].n_args == 2 && !strcmp(a.s, b.s) && print_same(pr, in, a))
		return;
	switch (in->op) {
	case KIR_ADD: set_lanes(pr, in, "%s%s%s%s + %s%s", open, narrow, close, a.s, b.s, end); break;
	case KIR_SUB: set_lanes(pr, in, "%s%s%s%s - %s%s", open, narrow, close, a.s, b.s, end); break;
	case KIR_MUL: set_lanes(pr, in, "%s%s%s%s * %s%s", open, narrow, close, a.s, b.s, end); break;
	case KIR_DIV: set_lanes(pr, in, "%s / %s", a.s, b.s); break;
	case KIR_FMA: set_lanes(pr, in, "fma32(%s, %s, %s)", a.s, b.s, c.s); break;
	case KIR_SMIN: set_lanes(pr, in, "(%s)%s < (%s)%s ? %s : %s", s, a.s, s, b.s, a.s, b.s); break;
	case KIR_SMAX: set_lanes(pr, in, "(%s)%s > (%s)%s ? %s : %s", s, a.s, s, b.s, a.s, b.s); break;
	case KIR_UMIN: set_lanes(pr, in, "%s < %s ? %s : %s", a.s, b.s, a.s, b.s); break;
	case KIR_UMAX: set_lanes(pr, in, "%s > %s ? %s : %s", a.s, b.s, a.s, b.s); break;
	case KIR_FMIN: set_lanes(pr, in, "fmin32(%s, %s)", a.s, b.s); break;
	case KIR_FMAX: set_lanes(pr, in, "fmax32(%s, %s)", a.s, b.s); break;
	case KIR_AND: set_lanes(pr, in, "%s & %s", a.s, b.s); break;
	case KIR_OR: set_lanes(pr, in, "%s | %s", a.s, b.s); break;
	case KIR_XOR: set_lanes(pr, in, "%s ^ %s", a.s, b.s); break;
	case KIR_SHL: set_lanes(pr, in, "(%s)((uint%d_t)%s << %d)", ctypes[e], e == KIR_I64 ? 64 : 32, a.s, (int)in->imm.i); break;
	case KIR_SHRU: set_lanes(pr, in, "(%s)(%s >> %d)", ctypes[e], a.s, (int)in->imm.i); break;
	case KIR_SHRS: set_lanes(pr, in, "(%s)((%s)%s >> %d)", ctypes[e], s, a.s, (int)in->imm.i); break;
	case KIR_CMPLT:
	case KIR_CMPEQ:
		if (from == KIR_F32)
			set_lanes(pr, in, "%s %s %s", a.s, in->op == KIR_CMPLT ? "<" : "==", b.s);
		else
			set_lanes(pr, in, "(%s)%s %s (%s)%s", stypes[from], a.s, in->op == KIR_CMPLT ? "<" : "==", stypes[from], b.s);
		break;
	case KIR_SELECT: set_lanes(pr, in, "%s ? %s : %s", a.s, b.s, c.s); break;
	default: IG_BUG("C emitter: no text for %s", kir_ops[in->op].name);
	}
}

static void copy_value(const struct ec_printer *pr, const char *to, kir_val type_of, kir_val from)
{
	int lanes = pr->f->vtype[type_of].lanes;
	if (lanes > 1)
		ig_ec_line(pr, "for (int i = 0; i < %d; i++) %s[i] = %s;", lanes, to, lane(pr, from).s);
	else
		ig_ec_line(pr, "%s = %s;", to, lane(pr, from).s);
}

static void print_loop(struct ec_printer *pr, const struct kir_inst *in)
{
	const char *iv = pr->iv_name[in->loop];
	char name[32];
	for (int i = 0; i < in->n_dst; i++) {
		kir_val v = in->dst + i;
		if (pr->rep[v] != v)
			continue; /* an outer loop's variable, and its very value */
		snprintf(name, sizeof name, "v%d", (int)v);
		declare(pr, v);
		copy_value(pr, name, v, in->extra[i]);
		kir_val after = pr->f->inst[pr->f->loop[in->loop].end].dst + i;
		if (!pr->lane_uses[v] && !pr->pointer_uses[v] && !pr->lane_uses[after] && !pr->pointer_uses[after])
			ig_ec_line(pr, "(void)v%d;", (int)v);
	}
	ig_ec_line(pr, "for (ptrdiff_t %s = 0; %s < %" PRId64 "; %s++) {", iv, iv, pr->f->loop[in->loop].count, iv);
	pr->depth++;
}

/* The next values go to the carried variables; through copies when one of them is itself a carried variable of this loop. */
static void print_end(struct ec_printer *pr, const struct kir_inst *in)
{
	const struct kir_inst *begin = &pr->f->inst[pr->f->loop[in->loop].begin];
	bool swaps = false;
	char name[32];
	for (int i = 0; i < in->n_extra; i++) {
		kir_val v = in->extra[i];
		while (is_inline_splat(pr, v))
			v = pr->f->inst[pr->def[v]].arg[0];
		swaps |= v >= begin->dst && v < begin->dst + begin->n_dst && in->extra[i] != begin->dst + i;
	}
	for (int i = 0; swaps && i < in->n_extra; i++) {
		struct kir_type t = pr->f->vtype[in->extra[i]];
		if (pr->rep[in->extra[i]] == pr->rep[begin->dst + i])
			continue;
		snprintf(name, sizeof name, "next%d", i);
		ig_ec_line(pr, t.lanes > 1 ? "%s %s[%d];" : "%s %s;", ctypes[t.elem], name, t.lanes);
		copy_value(pr, name, in->extra[i], in->extra[i]);
	}
	for (int i = 0; i < in->n_extra; i++) {
		kir_val to = pr->rep[begin->dst + i];
		int lanes = pr->f->vtype[to].lanes;
		snprintf(name, sizeof name, "v%d", (int)to);
		if (pr->rep[in->extra[i]] == to)
			continue;
		if (!swaps)
			copy_value(pr, name, to, in->extra[i]);
		else if (lanes > 1)
			ig_ec_line(pr, "for (int i = 0; i < %d; i++) v%d[i] = next%d[i];", lanes, (int)to, i);
		else
			ig_ec_line(pr, "v%d = next%d;", (int)to, i);
	}
	pr->depth--;
	ig_ec_line(pr, "}");
}

void ig_ec_inst(struct ec_printer *pr, const struct kir_inst *in)
{
	if (in->op == KIR_LOOP) {
		print_loop(pr, in);
		return;
	}
	if (in->op == KIR_END) {
		print_end(pr, in);
		return;
	}
	if (in->op == KIR_PREFETCH || ig_ec_is_unused(pr, in) || (in->op == KIR_SPLAT && is_inline_splat(pr, in->dst)))
		return;
	switch (in->op) {
	case KIR_CONST: print_const(pr, in); break;
	case KIR_LOAD: print_load(pr, in); break;
	case KIR_STORE: print_store(pr, in); break;
	case KIR_LUT: print_lut(pr, in); break;
	case KIR_DOT: print_dot(pr, in); break;
	case KIR_MMLA: print_mmla(pr, in); break;
	case KIR_TILE_LOAD:
	case KIR_TILE_STORE:
	case KIR_TILE_DOT: print_tile(pr, in); break;
	case KIR_EXTRACT:
	case KIR_INTERLEAVE:
	case KIR_ZIPLO:
	case KIR_ZIPHI:
	case KIR_TRANSPOSE4:
	case KIR_CONCAT:
	case KIR_BITCAST: print_moves(pr, in); break;
	case KIR_REDUCE_ADD:
	case KIR_REDUCE_FMAX:
	case KIR_REDUCE_UMAX: print_reduce(pr, in); break;
	case KIR_SPLAT:
	case KIR_SEXT:
	case KIR_ZEXT:
	case KIR_TRUNC:
	case KIR_ITOF:
	case KIR_RNE:
	case KIR_HTOF:
	case KIR_FTOD:
	case KIR_DTOF:
	case KIR_FPACK: print_convert(pr, in); break;
	default: print_arith(pr, in); break;
	}
}
