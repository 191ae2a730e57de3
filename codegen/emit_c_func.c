/* A kernel function as C: what it uses, names of loops and buffers, its frame; the instructions are in emit_c_inst.c. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/emit_c.h"

/* ---- which helpers ---- */

static uint32_t helper_of(const struct kir_func *f, const struct kir_inst *in)
{
	switch (in->op) {
	case KIR_CONST: return in->type.elem == KIR_F32 && !isfinite(in->imm.f) ? 1u << EC_BITS : 0;
	case KIR_FMIN: return 1u << EC_FMIN;
	case KIR_FMAX: return 1u << EC_FMAX;
	case KIR_FMA: return 1u << EC_FMA;
	case KIR_HTOF: return 1u << EC_HALF;
	case KIR_RNE: return 1u << EC_RNE;
	case KIR_FPACK: return 1u << (in->flags & KIR_NAN_TO_ZP ? EC_PACK_NAN : EC_PACK);
	case KIR_DOT: {
		struct kir_type a = f->vtype[in->arg[1]];
		if (a.lanes == in->type.lanes)
			return 0;
		return 1u << (a.elem == KIR_I16 ? EC_DOT_S16 : in->flags & KIR_A_UNSIGNED ? EC_DOT_U8 : EC_DOT_S8);
	}
	case KIR_MMLA: return 1u << (in->flags & KIR_A_UNSIGNED ? EC_MMLA_U8 : EC_MMLA_S8);
	case KIR_TILE_LOAD: return 1u << EC_TILE_LOAD;
	case KIR_TILE_STORE: return 1u << EC_TILE_STORE;
	case KIR_TILE_DOT: return 1u << EC_TILE_DOT;
	case KIR_REDUCE_ADD: return 1u << (in->type.elem == KIR_F32 ? EC_SUM_F32 : EC_SUM_I32);
	case KIR_REDUCE_FMAX: return 1u << EC_MAX_F32;
	case KIR_REDUCE_UMAX: return 1u << (EC_UMAX_8 + (in->type.elem - KIR_I8));
	default: return 0;
	}
}

/* ---- analysis ---- */

/* Operands that the printed code takes by address rather than lane by lane. */
static bool by_pointer(const struct kir_func *f, const struct kir_inst *in)
{
	switch (in->op) {
	case KIR_BITCAST:
	case KIR_TILE_STORE:
	case KIR_TILE_DOT:
	case KIR_MMLA:
	case KIR_CONCAT:
	case KIR_REDUCE_ADD:
	case KIR_REDUCE_FMAX:
	case KIR_REDUCE_UMAX: return true;
	case KIR_STORE: return kir_type_bytes(in->type) > 1;
	case KIR_DOT: return f->vtype[in->arg[1]].lanes != in->type.lanes;
	default: return false;
	}
}

/* Instructions whose lane i of the result depends on lane i of that operand alone: the result may take the operand's place. Tried in order; -1 ends. */
static const signed char *in_place_operands(const struct kir_inst *in)
{
	static const signed char none[] = {-1}, first[] = {0, -1}, last[] = {2, -1}, both[] = {0, 1, -1};
	switch (in->op) {
	case KIR_TILE_DOT:
	case KIR_MMLA:
	case KIR_DOT: return first;
	case KIR_FMA: return last;
	case KIR_ADD:
	case KIR_SUB:
	case KIR_MUL:
	case KIR_SMIN:
	case KIR_SMAX:
	case KIR_UMIN:
	case KIR_UMAX:
	case KIR_FMIN:
	case KIR_FMAX: return both;
	default: return none;
	}
}

/* Accumulators: when v, the next value of the carried value c of loop l, comes from c by such instructions (or through an inner loop) and none of the values
   on the way has another use, they all are c's variable. */
static bool chain(struct ec_printer *pr, kir_val v, kir_val c, kir_iv l)
{
	const struct kir_func *f = pr->f;
	const struct kir_inst *in = &f->inst[pr->def[v]];
	if (pr->lane_uses[v] + pr->pointer_uses[v] != 1 || pr->scope[v] != l)
		return false;
	if (v == c)
		return true;
	if (in->op == KIR_END) {
		const struct kir_inst *begin = &f->inst[f->loop[in->loop].begin];
		if (!chain(pr, begin->extra[v - in->dst], c, l))
			return false;
		pr->rep[begin->dst + (v - in->dst)] = c;
		return true;
	}
	for (const signed char *o = in_place_operands(in); *o >= 0; o++) {
		kir_val x = in->arg[*o];
		struct kir_type t = f->vtype[v], xt = f->vtype[x];
		if (t.elem == xt.elem && t.lanes == xt.lanes && chain(pr, x, c, l)) {
			pr->rep[v] = c;
			return true;
		}
	}
	return false;
}

static void count_use(struct ec_printer *pr, char *live, kir_val v, bool pointer)
{
	(pointer ? pr->pointer_uses : pr->lane_uses)[v]++;
	live[v] = 1;
}

/* Uses of each value by live instructions (a pure instruction without uses is not printed), and defining instructions. */
static void analyse(struct ec_printer *pr, int32_t *def, char *live, uint32_t *helpers)
{
	const struct kir_func *f = pr->f;
	kir_iv open = -1;
	for (int k = 0; k < f->n; k++) {
		open = f->inst[k].op == KIR_LOOP ? f->inst[k].loop : f->inst[k].op == KIR_END ? f->loop[open].parent : open;
		for (int i = 0; i < f->inst[k].n_dst; i++) {
			def[f->inst[k].dst + i] = k;
			pr->scope[f->inst[k].dst + i] = open;
		}
	}
	for (int k = f->n - 1; k >= 0; k--) {
		const struct kir_inst *in = &f->inst[k];
		if (in->op == KIR_PREFETCH || (in->op != KIR_LOOP && in->op != KIR_END && in->op != KIR_STORE && in->op != KIR_TILE_STORE && !live[in->dst]))
			continue;
		*helpers |= helper_of(f, in);
		for (int i = 0; i < kir_ops[in->op].n_args; i++)
			count_use(pr, live, in->arg[i], by_pointer(f, in));
		for (int i = 0; i < in->n_extra; i++)
			if (in->op == KIR_LOOP || in->extra[i] != f->inst[f->loop[in->loop].begin].dst + i) /* one that stays is not printed */
				count_use(pr, live, in->extra[i], false);
		/* A splat that is never taken by address is its scalar. */
		if (in->op == KIR_SPLAT && !pr->pointer_uses[in->dst])
			pr->lane_uses[in->arg[0]] += pr->lane_uses[in->dst];
	}
	for (int v = 0; v < f->n_values; v++)
		pr->rep[v] = v;
	for (int k = 0; k < f->n; k++)
		if (f->inst[k].op == KIR_END)
			for (int i = 0; i < f->inst[k].n_dst; i++)
				pr->rep[f->inst[k].dst + i] = f->inst[f->loop[f->inst[k].loop].begin].dst + i;
	for (kir_iv l = 0; l < f->n_loops; l++)
		for (int i = 0; i < f->inst[f->loop[l].end].n_extra; i++)
			chain(pr, f->inst[f->loop[l].end].extra[i], f->inst[f->loop[l].begin].dst + i, l);
	for (int v = 0; v < f->n_values; v++)
		while (pr->rep[v] != pr->rep[pr->rep[v]])
			pr->rep[v] = pr->rep[pr->rep[v]];
}

/* ---- functions ---- */

bool ig_ec_touches(const struct kir_module *m, const struct kir_func *f, enum kir_space space, int io)
{
	for (int k = 0; k < f->n; k++) {
		const struct kir_inst *in = &f->inst[k];
		if (!kir_ops[in->op].has_addr || in->op == KIR_PREFETCH)
			continue;
		const struct kir_buffer *b = &m->buf[in->addr.buf];
		if (b->space == space && (io < 0 || b->io == io))
			return true;
	}
	return false;
}

static bool name_taken(const struct ec_printer *pr, const char *name, kir_iv upto)
{
	static const char *const reserved[] = {"i", "w", "arena", "do", "if", "int", "for", "COPY", "FAR", "ALIGNED64"};
	for (size_t i = 0; i < IG_COUNTOF(reserved); i++)
		if (!strcmp(name, reserved[i]))
			return true;
	for (kir_iv l = pr->f->loop[upto].parent; l >= 0; l = pr->f->loop[l].parent)
		if (!strcmp(pr->iv_name[l], name))
			return true;
	return false;
}

/* Loop variables keep their names where they can: distinct from the enclosing loops' and from what the emitted code itself uses. */
static void name_loops(struct ec_printer *pr)
{
	for (kir_iv l = 0; l < pr->f->n_loops; l++) {
		const char *base = kir_ident(pr->arena, pr->f->loop[l].name), *name = base;
		if (base[0] == 'v' || !strncmp(base, "next", 4) || !strncmp(base, "p_", 2) || !strncmp(base, "in", 2) || !strncmp(base, "out", 3))
			name = base = ig_arena_printf(pr->arena, "l_%s", base);
		for (int k = 2; name_taken(pr, name, l); k++)
			name = ig_arena_printf(pr->arena, "%s%d", base, k);
		pr->iv_name[l] = name;
	}
}

static void name_buffers(struct ec_printer *pr)
{
	for (int k = 0; k < pr->f->n; k++) {
		const struct kir_inst *in = &pr->f->inst[k];
		if (!kir_ops[in->op].has_addr || in->op == KIR_PREFETCH || ig_ec_is_unused(pr, in) || pr->buf_name[in->addr.buf])
			continue;
		const struct kir_buffer *b = &pr->m->buf[in->addr.buf];
		const char *base = ig_arena_printf(pr->arena, "p_%s", kir_ident(pr->arena, b->name)), *name = base;
		bool taken = true;
		for (int n = 2; taken; n++) {
			taken = false;
			for (int i = 0; i < pr->m->n_bufs; i++)
				taken |= pr->buf_name[i] && !strcmp(pr->buf_name[i], name);
			if (taken)
				name = ig_arena_printf(pr->arena, "%s_%d", base, n);
		}
		pr->buf_name[in->addr.buf] = name;
	}
}

static void print_buffers(struct ec_printer *pr)
{
	bool weights = false, arena = false;
	for (int i = 0; i < pr->m->n_bufs; i++) { /* touched by nothing but unused loads */
		const struct kir_buffer *b = &pr->m->buf[i];
		if (!pr->buf_name[i] && (b->space == KIR_IN || b->space == KIR_OUT) && ig_ec_touches(pr->m, pr->f, b->space, b->io))
			ig_ec_line(pr, "(void)%s%d;", b->space == KIR_IN ? "in" : "out", b->io);
	}
	for (int i = 0; i < pr->m->n_bufs; i++) {
		const struct kir_buffer *b = &pr->m->buf[i];
		if (!pr->buf_name[i])
			continue;
		bool writable = b->space == KIR_OUT || b->space >= KIR_ARENA;
		fputc('\t', pr->out);
		fprintf(pr->out, "%sunsigned char *const %s = ", writable ? "" : "const ", pr->buf_name[i]);
		if (b->space == KIR_IN || b->space == KIR_OUT)
			fprintf(pr->out, "%s%d;", b->space == KIR_IN ? "in" : "out", b->io);
		else
			fprintf(pr->out, "%s + %" PRId64 ";", b->space == KIR_CONSTANT ? "w" : "arena", b->offset);
		fprintf(pr->out, " /* %s x %" PRId64 " */\n", kir_elem_names[b->elem], b->count);
		weights |= b->space == KIR_CONSTANT;
		arena |= b->space >= KIR_ARENA;
	}
	if (!weights)
		ig_ec_line(pr, "(void)w;");
	if (!arena)
		ig_ec_line(pr, "(void)arena;");
}

static void print_comment(FILE *out, const char *s)
{
	for (; *s; s++)
		fputc((s[0] == '*' && s[1] == '/') || (s[0] == '/' && s[1] == '*') || (unsigned char)*s < 32 ? '.' : *s, out);
}

static void begin_printer(struct ec_printer *pr, FILE *out, const struct ig_program *p, const struct kir_module *m, const struct kir_func *f, uint32_t *helpers)
{
	struct ig_arena *a = ig_arena_new();
	int32_t *def = IG_NEWN(a, int32_t, f->n_values + 1);
	*pr = (struct ec_printer){.out = out, .p = p, .m = m, .f = f, .arena = a, .depth = 1, .def = def};
	pr->rep = IG_NEWN(a, kir_val, f->n_values + 1);
	pr->scope = IG_NEWN(a, kir_iv, f->n_values + 1);
	pr->lane_uses = IG_NEWN(a, int, f->n_values + 1);
	pr->pointer_uses = IG_NEWN(a, int, f->n_values + 1);
	pr->iv_name = IG_NEWN(a, const char *, f->n_loops + 1);
	pr->buf_name = IG_NEWN(a, const char *, m->n_bufs + 1);
	analyse(pr, def, IG_NEWN(a, char, f->n_values + 1), helpers);
}

uint32_t ig_ec_helpers_used(const struct kir_module *m)
{
	uint32_t helpers = 0;
	for (int i = 0; i < m->n_funcs; i++) {
		struct ec_printer pr;
		begin_printer(&pr, NULL, NULL, m, m->func[i], &helpers);
		ig_arena_free(pr.arena);
	}
	return helpers;
}

void ig_ec_function(FILE *out, const struct ig_program *p, const struct kir_func *f)
{
	struct ec_printer pr;
	uint32_t helpers = 0;
	begin_printer(&pr, out, p, p->module, f, &helpers);
	name_loops(&pr);
	name_buffers(&pr);
	fputs("\n/* ", out);
	print_comment(out, f->layer);
	if (f->macs)
		fprintf(out, ": %" PRId64 " multiply-adds", f->macs);
	fprintf(out, " */\nstatic void %s_k_%s(const unsigned char *restrict w, unsigned char *restrict arena", p->name, f->name);
	for (int i = 0; i < p->n_in; i++)
		if (ig_ec_touches(pr.m, f, KIR_IN, i))
			fprintf(out, ", const unsigned char *restrict in%d", i);
	for (int i = 0; i < p->n_out; i++)
		if (ig_ec_touches(pr.m, f, KIR_OUT, i))
			fprintf(out, ", unsigned char *restrict out%d", i);
	fputs(")\n{\n", out);
	print_buffers(&pr);
	for (int k = 0; k < f->n; k++)
		ig_ec_inst(&pr, &f->inst[k]);
	fputs("}\n", out);
	ig_arena_free(pr.arena);
}
