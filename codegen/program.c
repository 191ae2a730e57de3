/* What the emitters need to know of a compiled program's interface: names made C identifiers, types, quantization. */
#include "codegen/codegen.h"

#include <string.h>

#include "ir/print.h"

struct owned {
	struct ig_program program; /* first: the handle is a pointer to it */
	struct ig_arena *arena;
};

/* Words that cannot name a parameter in C, C++ or the emitted code. */
static const char *const reserved[] = {
	"alignas", "alignof", "and", "and_eq", "arena", "asm", "atomic_cancel", "auto", "bitand", "bitor", "bool", "break", "c", "case", "catch",
	"char", "class", "compl", "concept", "const", "constexpr", "continue", "decltype", "default", "delete", "do", "double", "else", "enum",
	"explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "linux", "long", "mutable", "namespace",
	"new", "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register", "requires",
	"restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw", "true", "try", "typedef",
	"typeid", "typename", "typeof", "union", "unix", "unsigned", "using", "virtual", "void", "volatile", "weights", "while", "xor", "xor_eq",
};

static bool taken(const struct ig_program *p, const char *name)
{
	for (size_t i = 0; i < IG_COUNTOF(reserved); i++)
		if (!strcmp(reserved[i], name))
			return true;
	for (int i = 0; i < p->n_in; i++)
		if (p->in[i].name && !strcmp(p->in[i].name, name))
			return true;
	for (int i = 0; i < p->n_out; i++)
		if (p->out[i].name && !strcmp(p->out[i].name, name))
			return true;
	return false;
}

/* An identifier not used by another parameter; underscores at the start are left to the compiler. */
static const char *param_name(struct ig_arena *a, const struct ig_program *p, const char *text)
{
	const char *base = kir_ident(a, text);
	if (base[0] == '_')
		base = ig_arena_printf(a, "x%s", base);
	const char *name = base;
	for (int k = 1; taken(p, name); k++)
		name = ig_arena_printf(a, "%s_%d", base, k);
	return name;
}

static void fill_io(struct ig_io_info *io, const struct ig_graph *g, struct ig_vid v)
{
	io->type = *ig_vtype(g, v);
	const struct ig_qparam *q = ig_qparam(g, io->type.q);
	if (q && q->n == 1) {
		io->scale = q->scale[0];
		io->zero_point = q->zero_point[0];
	}
}

struct ig_program *ig_program_new(const char *name, const struct ig_graph *g, const struct kir_module *m, const struct ig_target *t)
{
	struct ig_arena *a = ig_arena_new();
	struct owned *o = IG_NEW(a, struct owned);
	struct ig_program *p = &o->program;
	o->arena = a;
	p->name = kir_ident(a, name);
	p->module = m;
	p->target = t;
	p->n_in = g->n_inputs;
	p->n_out = g->n_outputs;
	p->in = IG_NEWN(a, struct ig_io_info, g->n_inputs + 1);
	p->out = IG_NEWN(a, struct ig_io_info, g->n_outputs + 1);
	for (int i = 0; i < g->n_inputs; i++) {
		fill_io(&p->in[i], g, g->input[i]);
		p->in[i].nhwc = !strcmp(ig_attr_str(ig_def(g, g->input[i]), IG_A_LAYOUT, "nchw"), "nhwc");
		p->in[i].name = param_name(a, p, ig_value(g, g->input[i])->name);
	}
	for (int i = 0; i < g->n_outputs; i++) {
		fill_io(&p->out[i], g, g->output[i]);
		p->out[i].name = param_name(a, p, g->output_name && g->output_name[i] ? g->output_name[i] : ig_value(g, g->output[i])->name);
	}
	p->hash = ig_hash_bytes(t->name, strlen(t->name), ig_hash(g));
	if (m->threads > 1)
		p->hash = ig_hash_bytes(&m->threads, sizeof m->threads, p->hash);
	return p;
}

void ig_program_free(struct ig_program *p)
{
	if (p)
		ig_arena_free(((struct owned *)p)->arena);
}
