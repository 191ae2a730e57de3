/* NAME.h: what a caller of a compiled model needs, in one file, for C and C++. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/emit_c.h"
#include "ir/outfile.h"

const char *ig_ec_ctype(enum ig_dtype dt)
{
	switch (dt) {
	case IG_DT_F32: return "float";
	case IG_DT_BOOL:
	case IG_DT_U8: return "uint8_t";
	case IG_DT_S8: return "int8_t";
	case IG_DT_I32: return "int32_t";
	case IG_DT_I64: return "int64_t";
	default: return NULL;
	}
}

void ig_ec_upper(const char *s, char *out, size_t size)
{
	size_t i;
	for (i = 0; s[i] && i + 1 < size; i++)
		out[i] = (char)toupper((unsigned char)s[i]);
	out[i] = 0;
}

void ig_ec_shape(const struct ig_type *t, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "%s", ig_ec_ctype(t->dtype));
	for (int i = 0; i < t->rank && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "[%" PRId64 "]", t->dim[i]);
}

static bool types_ok(const struct ig_program *p, const struct ig_io_info *io, int n, const char *what, struct ig_diag *d)
{
	for (int i = 0; i < n; i++)
		if (!ig_ec_ctype(io[i].type.dtype)) {
			ig_error(d, IG_NOLOC, "%s: %s %s has type %s; an interface can have f32, u8, s8 and i32: convert it in the model", p->name, what, io[i].name,
			         ig_dtypes[io[i].type.dtype].name);
			return false;
		}
	return true;
}

bool ig_ec_interface_ok(const struct ig_program *p, struct ig_diag *d)
{
	return types_ok(p, p->in, p->n_in, "input", d) && types_ok(p, p->out, p->n_out, "output", d);
}

void ig_ec_run_prototype(FILE *out, const struct ig_program *p)
{
	fprintf(out, "int %s_run(", p->name);
	for (int i = 0; i < p->n_in; i++)
		fprintf(out, "const %s *%s, ", ig_ec_ctype(p->in[i].type.dtype), p->in[i].name);
	for (int i = 0; i < p->n_out; i++)
		fprintf(out, "%s *%s, ", ig_ec_ctype(p->out[i].type.dtype), p->out[i].name);
	fputs("void *arena)", out);
}

static void print_io(FILE *out, const struct ig_io_info *io, const char *what)
{
	char shape[200];
	ig_ec_shape(&io->type, shape, sizeof shape);
	fprintf(out, "   %s %s: %s", what, io->name, shape);
	if (io->nhwc)
		fputs(", nhwc in memory", out);
	if (io->scale != 0.0f)
		fprintf(out, ", real = (q - %d) * %.9g", (int)io->zero_point, (double)io->scale);
	fputc('\n', out);
}

bool ig_emit_header(const struct ig_program *p, const char *path, struct ig_diag *d)
{
	struct ig_outfile file;
	char upper[256];
	if (!ig_ec_interface_ok(p, d))
		return false;
	FILE *out = ig_outfile_open(&file, path, d);
	if (!out)
		return false;
	ig_ec_upper(p->name, upper, sizeof upper);
	fprintf(out, "/* %s: a neural network compiled by Intaglio for target %s (hash %016" PRIx64 "). Do not edit.\n", p->name, p->target->name, p->hash);
	for (int i = 0; i < p->n_in; i++)
		print_io(out, &p->in[i], "input");
	for (int i = 0; i < p->n_out; i++)
		print_io(out, &p->out[i], "output");
	fprintf(out, "   All sizes in elements of the type; tensors are dense, the last axis fastest%s. */\n", p->n_in && p->in[0].nhwc ? " unless said otherwise" : "");
	fprintf(out, "#ifndef IG_MODEL_%s_H\n#define IG_MODEL_%s_H\n\n", upper, upper);
	fputs("/* The types shared by all compiled models: the text of ig_runtime.h. */\n", out);
	for (int i = 0; ig_ec_runtime_types[i]; i++)
		fprintf(out, "%s\n", ig_ec_runtime_types[i]);
	fputs("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", out);
	fprintf(out, "#define %s_ARENA_BYTES %" PRId64 "u\n#define %s_ARENA_ALIGN 64u\n\n", upper, p->module->arena_bytes, upper);
	fprintf(out, "/* Runs the model. arena: %s_ARENA_BYTES, aligned to %s_ARENA_ALIGN%s. Reentrant: all state is in the arena. Memory of inputs,\n", upper, upper,
	        p->module->arena_bytes ? "" : " (may be null)");
	fputs("   outputs and arena must not overlap. Returns IG_OK (0) or an IG_ERR_ code. */\n", out);
	ig_ec_run_prototype(out, p);
	fprintf(out, ";\n/* The same through a versioned structure: size, version, counts, inputs, outputs, arena, arena_bytes set, the rest zero. */\n");
	fprintf(out, "int %s_call(const struct ig_call *c);\n/* Names, shapes, types, quantization, sizes, needed CPU features. */\nextern const struct ig_model_desc %s_model;\n", p->name,
	        p->name);
	fputs("\n#ifdef __cplusplus\n}\n#endif\n#endif\n", out);
	return ig_outfile_commit(&file);
}
