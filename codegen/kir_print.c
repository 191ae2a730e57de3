/* Kernel IR as text, for people and golden tests. */
#include "codegen/kir.h"

#include <inttypes.h>

static const char *const space_name[] = {"in", "out", "const", "arena", "scratch"};

static void print_type(FILE *out, struct kir_type t)
{
	fputs(kir_elem_names[t.elem], out);
	if (t.lanes > 1 && t.elem != KIR_TILE)
		fprintf(out, "x%d", t.lanes);
}

static void print_iv(FILE *out, const struct kir_func *f, kir_iv iv)
{
	fprintf(out, "%s%d", f->loop[iv].name, (int)iv);
}

static void print_addr(FILE *out, const struct kir_module *m, const struct kir_func *f, const struct kir_addr *a)
{
	fprintf(out, "%s[%" PRId64, m->buf[a->buf].name, a->base);
	for (int i = 0; i < a->n; i++) {
		int64_t c = a->term[i].coeff;
		fputs(c < 0 ? " - " : " + ", out);
		if (c != 1 && c != -1)
			fprintf(out, "%" PRId64 "*", c < 0 ? -c : c);
		print_iv(out, f, a->term[i].iv);
	}
	fputc(']', out);
}

static void print_results(FILE *out, const struct kir_func *f, const struct kir_inst *in)
{
	for (int i = 0; i < in->n_dst; i++) {
		fprintf(out, "%s%%%d:", i ? ", " : "", (int)in->dst + i);
		print_type(out, f->vtype[in->dst + i]);
	}
	if (in->n_dst)
		fputs(" = ", out);
}

static void print_extra(FILE *out, const struct kir_inst *in)
{
	for (int i = 0; i < in->n_extra; i++)
		fprintf(out, "%s%%%d", i ? ", " : " ", (int)in->extra[i]);
}

static void print_imm(FILE *out, const struct kir_inst *in)
{
	switch (in->op) {
	case KIR_CONST:
		if (in->type.elem == KIR_F32)
			fprintf(out, " %a", (double)in->imm.f);
		else
			fprintf(out, " %" PRId64, in->imm.i);
		break;
	case KIR_SHL:
	case KIR_SHRU:
	case KIR_SHRS:
	case KIR_EXTRACT:
		fprintf(out, ", %" PRId64, in->imm.i);
		break;
	case KIR_FPACK:
		fprintf(out, ", %d..%d zp %d", (int)in->imm.pack.lo, (int)in->imm.pack.hi, (int)in->imm.pack.zp);
		break;
	default:
		break;
	}
	if (in->flags & KIR_A_UNSIGNED)
		fputs(" unsigned", out);
	if (in->flags & KIR_NAN_TO_ZP)
		fputs(" nan_to_zp", out);
	if (in->flags & KIR_PAIRS_FIT)
		fputs(" pairs_fit", out);
	if (in->flags & KIR_SMALL)
		fputs(" small", out);
	if ((in->op == KIR_LOAD || in->op == KIR_STORE) && in->active != in->type.lanes)
		fprintf(out, " active %d", in->active);
	if (in->op == KIR_TILE_LOAD || in->op == KIR_TILE_STORE)
		fprintf(out, " rows %d by %" PRId64, in->active, in->imm.i);
}

static void print_inst(FILE *out, const struct kir_module *m, const struct kir_func *f, const struct kir_inst *in, int depth)
{
	fprintf(out, "%*s", 2 + 2 * depth, "");
	print_results(out, f, in);
	fputs(kir_ops[in->op].name, out);
	if (in->op == KIR_LOOP) {
		const struct kir_loop *l = &f->loop[in->loop];
		fputc(' ', out);
		print_iv(out, f, in->loop);
		fprintf(out, " < %" PRId64, l->count);
		if (l->unroll)
			fprintf(out, " unroll %d", l->unroll);
		if (in->n_extra)
			fputs(" from", out);
	}
	print_extra(out, in);
	for (int i = 0; i < kir_ops[in->op].n_args; i++)
		fprintf(out, "%s%%%d", i ? ", " : " ", (int)in->arg[i]);
	if (kir_ops[in->op].has_addr) {
		fputs(in->op == KIR_STORE || in->op == KIR_TILE_STORE ? " -> " : in->op == KIR_LUT ? ", " : " ", out);
		print_addr(out, m, f, &in->addr);
	}
	print_imm(out, in);
	fputc('\n', out);
}

void kir_print(const struct kir_module *m, FILE *out)
{
	fprintf(out, "module %s: arena %" PRId64 ", constants %" PRId64 "\n", m->name, m->arena_bytes, m->const_bytes);
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		fprintf(out, "%s", space_name[b->space]);
		if (b->io >= 0)
			fprintf(out, " %d", b->io);
		fprintf(out, " %s: %s x %" PRId64, b->name, kir_elem_names[b->elem], b->count);
		if (b->offset >= 0)
			fprintf(out, " at %" PRId64, b->offset);
		if (b->first >= 0)
			fprintf(out, " live %d..%d", b->first, b->last);
		fputc('\n', out);
	}
	for (int i = 0; i < m->n_funcs; i++) {
		const struct kir_func *f = m->func[i];
		int depth = 0;
		if (m->threads > 1 && (i == 0 || m->func[i - 1]->region != f->region))
			fprintf(out, "\nregion %d\n", f->region);
		if (m->threads > 1 && (i == 0 || m->func[i - 1]->region != f->region || m->func[i - 1]->part != f->part))
			fprintf(out, "\npart %d\n", f->part);
		fprintf(out, "\nfunc %s # %s, %" PRId64 " MACs\n", f->name, f->layer, f->macs);
		for (int k = 0; k < f->n; k++) {
			depth -= f->inst[k].op == KIR_END;
			print_inst(out, m, f, &f->inst[k], depth);
			depth += f->inst[k].op == KIR_LOOP;
		}
	}
}
