/* The C file: the kernel IR printed as portable C99, with the weights, the checks of the interface and the model's descriptor. */
#include <inttypes.h>
#include <string.h>

#include "codegen/emit_c.h"
#include "ir/outfile.h"
#include "runtime/ig_runtime.h"

static void print_weights(FILE *out, const struct ig_program *p)
{
	const struct kir_module *m = p->module;
	int64_t at = 0, words = 0;
	fprintf(out, "\n/* Constants, %" PRId64 " bytes, as little-endian words. */\n", m->const_bytes);
	if (p->weight_section)
		fprintf(out, "#if defined(__GNUC__)\n__attribute__((section(\"%s\")))\n#endif\n", p->weight_section);
	fprintf(out, "ALIGNED64 static const uint64_t %s_weights[] = {", p->name);
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *b = &m->buf[i];
		int64_t bytes = b->count * kir_elem_bytes(b->elem);
		if (b->space != KIR_CONSTANT)
			continue;
		for (words = 0; at < b->offset; at += 8)
			fprintf(out, "%s0,", words++ % 8 ? "" : "\n\t");
		fprintf(out, "\n\t/* %s: %s x %" PRId64 ", at %" PRId64 " */", kir_ident(m->arena, b->name), kir_elem_names[b->elem], b->count, at);
		for (int64_t k = 0; k < bytes; k += 8) {
			unsigned char w[8] = {0};
			uint64_t v = 0;
			memcpy(w, (const char *)b->init + k, (size_t)(bytes - k < 8 ? bytes - k : 8));
			for (int j = 7; j >= 0; j--)
				v = v << 8 | w[j];
			fprintf(out, v < 10 ? "%s%" PRIu64 "," : "%s0x%" PRIx64 ",", k % 48 ? "" : "\n\t", v);
		}
		at += (bytes + 7) & ~(int64_t)7;
	}
	fputs(at ? "\n};\n" : "0};\n", out);
}

/* The conversions and the rounding that no preprocessor can test: a wrong mode gives an error, not other numbers. */
static const char *const arithmetic_ok =
	"\n/* Whether int to float rounds to nearest even, subnormals are kept, and no multiply-add is contracted. */\n"
	"static int arithmetic_ok(void)\n"
	"{\n"
	"\tstatic const volatile int32_t big[2] = {16777217, 16777219};\n"
	"\tstatic const volatile float tiny = 1.17549435e-38f, a = 1.00024414f;\n"
	"\tvolatile float half = tiny * 0.5f, square;\n"
	"\tfloat x = a, c = -1.00048828f;\n"
	"\tsquare = x * x + c;\n"
	"\treturn (float)big[0] == 16777216.0f && (float)big[1] == 16777220.0f && half + half == tiny && square == 0.0f;\n"
	"}\n";

static void print_kernel_call(FILE *out, const struct ig_program *p, int kernel, const char *in, const char *outs, const char *arena)
{
	const struct kir_module *m = p->module;
	fprintf(out, "\t%s_k_%s((const unsigned char *)%s_weights, (unsigned char *)%s", p->name, m->func[kernel]->name, p->name, arena);
	for (int k = 0; k < p->n_in; k++)
		if (ig_ec_touches(m, m->func[kernel], KIR_IN, k))
			fprintf(out, ", (const unsigned char *)%s[%d]", in, k);
	for (int k = 0; k < p->n_out; k++)
		if (ig_ec_touches(m, m->func[kernel], KIR_OUT, k))
			fprintf(out, ", (unsigned char *)%s[%d]", outs, k);
	fputs(");\n", out);
}

/* NAME_region_R: the parts of a region, for a parallel_for. */
static void print_region(FILE *out, const struct ig_program *p, int first, int end)
{
	const struct kir_module *m = p->module;
	fprintf(out, "\nstatic void %s_region_%d(void *context, int part)\n{\n\tconst struct %s_context *c = (const struct %s_context *)context;\n\tswitch (part) {\n",
	        p->name, m->func[first]->region, p->name, p->name);
	for (int i = first; i < end; i++) {
		if (i == first || m->func[i]->part != m->func[i - 1]->part)
			fprintf(out, "%s\tcase %d:\n", i == first ? "" : "\t\tbreak;\n", m->func[i]->part);
		fputc('\t', out);
		print_kernel_call(out, p, i, "c->in", "c->out", "c->arena");
	}
	fputs("\t\tbreak;\n\tdefault:\n\t\tbreak;\n\t}\n}\n", out);
}

static int parts_of(const struct kir_module *m, int first)
{
	return m->func[kir_region_end(m, first) - 1]->part + 1;
}

/* NAME_threads: what NAME_call does when it has a parallel_for. */
static void print_threads(FILE *out, const struct ig_program *p)
{
	const struct kir_module *m = p->module;
	fprintf(out, "\n/* The pointers of a call, for its parts. */\nstruct %s_context {\n\tconst void *const *in;\n\tvoid *const *out;\n\tvoid *arena;\n};\n", p->name);
	for (int i = 0; i < m->n_funcs; i = kir_region_end(m, i))
		if (parts_of(m, i) > 1)
			print_region(out, p, i, kir_region_end(m, i));
	fprintf(out, "\nstatic int %s_threads(const void *const *in, void *const *out, void *arena, ig_parallel_for parallel_for, void *pool)\n{\n", p->name);
	fprintf(out, "\tstruct %s_context c;\n\tif (!arithmetic_ok())\n\t\treturn IG_ERR_ARITHMETIC;\n\tc.in = in;\n\tc.out = out;\n\tc.arena = arena;\n", p->name);
	for (int i = 0, stop; i < m->n_funcs; i = stop) {
		stop = kir_region_end(m, i);
		if (parts_of(m, i) > 1)
			fprintf(out, "\tparallel_for(pool, %s_region_%d, &c, %d);\n", p->name, m->func[i]->region, parts_of(m, i));
		else
			for (int k = i; k < stop; k++)
				print_kernel_call(out, p, k, "in", "out", "arena");
	}
	fputs("\t(void)c;\n\t(void)parallel_for;\n\t(void)pool;\n\treturn IG_OK;\n}\n", out);
}

/* NAME_kernels: what NAME_run and NAME_call do when their arguments are good. */
static void print_interface(FILE *out, const struct ig_program *p)
{
	int64_t arena = p->module->arena_bytes;
	fprintf(out, "\nstatic int %s_kernels(const void *const *in, void *const *out, void *arena)\n{\n\tif (!arithmetic_ok())\n\t\treturn IG_ERR_ARITHMETIC;\n", p->name);
	for (int i = 0; i < p->module->n_funcs; i++)
		print_kernel_call(out, p, i, "in", "out", "arena");
	fputs("\t(void)in;\n\t(void)out;\n\t(void)arena;\n\treturn IG_OK;\n}\n\n", out);
	ig_ec_run_prototype(out, p);
	fprintf(out, "\n{\n\tconst void *in[%d];\n\tvoid *out[%d];\n", p->n_in ? p->n_in : 1, p->n_out ? p->n_out : 1);
	for (int i = 0; i < p->n_in; i++)
		fprintf(out, "\tin[%d] = %s;\n", i, p->in[i].name);
	for (int i = 0; i < p->n_out; i++)
		fprintf(out, "\tout[%d] = %s;\n", i, p->out[i].name);
	for (int i = 0; i < p->n_in; i++)
		fprintf(out, "\tif (!%s)\n\t\treturn IG_ERR_NULL;\n", p->in[i].name);
	for (int i = 0; i < p->n_out; i++)
		fprintf(out, "\tif (!%s)\n\t\treturn IG_ERR_NULL;\n", p->out[i].name);
	if (arena)
		fputs("\tif (!arena)\n\t\treturn IG_ERR_NULL;\n\tif ((uintptr_t)arena % 64)\n\t\treturn IG_ERR_ARENA;\n", out);
	fprintf(out, "\treturn %s_kernels(in, out, arena);\n}\n", p->name);

	fprintf(out, "\nint %s_call(const struct ig_call *c)\n{\n\tuint32_t i;\n\tif (!c)\n\t\treturn IG_ERR_NULL;\n", p->name);
	fputs("\tif (c->size < sizeof(struct ig_call) || c->version != IG_MODEL_VERSION)\n\t\treturn IG_ERR_VERSION;\n", out);
	fprintf(out, "\tif (c->n_inputs != %d || c->n_outputs != %d)\n\t\treturn IG_ERR_COUNT;\n", p->n_in, p->n_out);
	fprintf(out, "\tif (!c->inputs || !c->outputs%s)\n\t\treturn IG_ERR_NULL;\n", arena ? " || !c->arena" : "");
	fputs("\tfor (i = 0; i < c->n_inputs; i++)\n\t\tif (!c->inputs[i])\n\t\t\treturn IG_ERR_NULL;\n", out);
	fputs("\tfor (i = 0; i < c->n_outputs; i++)\n\t\tif (!c->outputs[i])\n\t\t\treturn IG_ERR_NULL;\n", out);
	if (arena)
		fprintf(out, "\tif (c->arena_bytes < %" PRId64 "u || (uintptr_t)c->arena %% 64)\n\t\treturn IG_ERR_ARENA;\n", arena);
	if (p->module->threads > 1)
		fprintf(out, "\tif (c->parallel_for)\n\t\treturn %s_threads(c->inputs, c->outputs, c->arena, c->parallel_for, c->pool);\n", p->name);
	fprintf(out, "\treturn %s_kernels(c->inputs, c->outputs, c->arena);\n}\n", p->name);
	fprintf(out, "\nstatic int %s_call_any(const void *c)\n{\n\treturn %s_call((const struct ig_call *)c);\n}\n", p->name, p->name);
}

static void print_ios(FILE *out, const struct ig_program *p, const struct ig_io_info *io, int n, const char *which)
{
	static const char *const dtypes[IG_DT_COUNT] = {[IG_DT_F32] = "IG_RT_F32", [IG_DT_U8] = "IG_RT_U8", [IG_DT_S8] = "IG_RT_S8", [IG_DT_I32] = "IG_RT_I32",
	                                                 [IG_DT_I64] = "IG_RT_I64", [IG_DT_BOOL] = "IG_RT_BOOL"};
	if (!n)
		return;
	fprintf(out, "\nstatic const struct ig_io %s_%s[] = {\n", p->name, which);
	for (int i = 0; i < n; i++) {
		size_t bytes = 0;
		if (!ig_type_bytes(&io[i].type, &bytes))
			IG_BUG("%s has no size", io[i].name);
		fprintf(out, "\t{\"%s\", %s, %d, {", io[i].name, dtypes[io[i].type.dtype], io[i].type.rank);
		for (int k = 0; k < 6; k++)
			fprintf(out, "%s%" PRId64, k ? ", " : "", k < io[i].type.rank ? io[i].type.dim[k] : 0);
		char scale[40];
		ig_ec_float(io[i].scale, scale, sizeof scale);
		fprintf(out, "}, %d, %zuu, %s, %d},\n", io[i].nhwc, bytes, scale, (int)io[i].zero_point);
	}
	fputs("};\n", out);
}

static void print_descriptor(FILE *out, const struct ig_program *p)
{
	const struct kir_module *m = p->module;
	print_ios(out, p, p->in, p->n_in, "inputs");
	print_ios(out, p, p->out, p->n_out, "outputs");
	fprintf(out, "\nconst struct ig_model_desc %s_model = {\n\tsizeof(struct ig_model_desc), IG_MODEL_VERSION, \"%s\", \"%s\",\n", p->name, p->name, p->target->name);
	fprintf(out, "\t0, 0x%016" PRIx64 "ull, %" PRId64 ", 64, %d, %d, ", p->hash, m->arena_bytes, p->n_in, p->n_out);
	if (p->n_in)
		fprintf(out, "%s_inputs, ", p->name);
	else
		fputs("NULL, ", out);
	if (p->n_out)
		fprintf(out, "%s_outputs, ", p->name);
	else
		fputs("NULL, ", out);
	fprintf(out, "%s_call_any,\n};\n", p->name);
}

bool ig_emit_c(const struct ig_program *p, const char *path, struct ig_diag *d)
{
	struct ig_outfile file;
	if (!ig_ec_interface_ok(p, d))
		return false;
	FILE *out = ig_outfile_open(&file, path, d);
	if (!out)
		return false;
	fprintf(out, "/* %s: a neural network compiled by Intaglio for target %s (hash %016" PRIx64 "). Do not edit. C99; needs no library and no other file. */\n", p->name,
	        p->target->name, p->hash);
	ig_ec_prelude(out, ig_ec_helpers_used(p->module));
	fputs(arithmetic_ok, out);
	fputc('\n', out);
	for (int i = 0; ig_ec_runtime_types[i]; i++)
		fprintf(out, "%s\n", ig_ec_runtime_types[i]);
	fputc('\n', out);
	ig_ec_run_prototype(out, p);
	fprintf(out, ";\nint %s_call(const struct ig_call *c);\nextern const struct ig_model_desc %s_model;\n", p->name, p->name);
	print_weights(out, p);
	for (int i = 0; i < p->module->n_funcs; i++)
		ig_ec_function(out, p, p->module->func[i]);
	if (p->module->threads > 1)
		print_threads(out, p);
	print_interface(out, p);
	print_descriptor(out, p);
	return ig_outfile_commit(&file);
}
