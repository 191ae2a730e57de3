/* A compiled object: the descriptor NAME_model read out of its sections, and what the linker sees. */
#include <elf.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "driver/elf_file.h"
#include "driver/inspect.h"
#include "driver/report.h"
#include "runtime/ig_runtime.h"

static const char *dtype_name(uint32_t dt)
{
	static const char *const names[] = {[IG_RT_F32] = "f32", [IG_RT_U8] = "u8", [IG_RT_S8] = "s8", [IG_RT_I32] = "i32", [IG_RT_I64] = "i64", [IG_RT_BOOL] = "bool"};
	return dt < IG_COUNTOF(names) ? names[dt] : "?";
}

static const struct {
	uint64_t bit;
	const char *name;
} features[] = {
	{IG_CPU_AVX2, "avx2"}, {IG_CPU_FMA, "fma"}, {IG_CPU_F16C, "f16c"}, {IG_CPU_BMI, "bmi"}, {IG_CPU_AVXVNNI, "avxvnni"}, {IG_CPU_AVX512, "avx512"},
	{IG_CPU_AVX512VNNI, "avx512vnni"}, {IG_CPU_AVX512VBMI, "avx512vbmi"}, {IG_CPU_AMX_INT8, "amx-int8"}, {IG_CPU_NEON, "neon"},
	{IG_CPU_DOTPROD, "dotprod"}, {IG_CPU_I8MM, "i8mm"},
};

/* The structures as they lie in the file (64-bit, little endian; as on the machines this program runs on). */
struct described {
	const struct ig_elf_symbol *symbol;
	struct ig_model_desc desc;
	const char *name, *target;
	int inputs_at, outputs_at; /* sections of the io arrays */
	uint64_t inputs_off, outputs_off;
};

static const char *pointed_string(const struct ig_elf *e, int section, uint64_t offset)
{
	int to;
	uint64_t at;
	const char *s = ig_elf_pointer(e, section, offset, &to, &at) ? ig_elf_string(e, to, at) : NULL;
	return s ? s : "?";
}

static bool read_descriptor(const struct ig_elf *e, const struct ig_elf_symbol *y, struct described *m)
{
	const void *p = ig_elf_bytes(e, y->section, y->value, sizeof m->desc);
	size_t len = strlen(y->name);
	if (!y->global || len < 6 || strcmp(y->name + len - 6, "_model") != 0 || y->type != STT_OBJECT || !p)
		return false;
	memcpy(&m->desc, p, sizeof m->desc);
	if (m->desc.size < sizeof m->desc || m->desc.version != IG_MODEL_VERSION || m->desc.n_inputs > 1024 || m->desc.n_outputs > 1024)
		return false;
	m->symbol = y;
	m->name = pointed_string(e, y->section, y->value + offsetof(struct ig_model_desc, name));
	m->target = pointed_string(e, y->section, y->value + offsetof(struct ig_model_desc, target));
	return ig_elf_pointer(e, y->section, y->value + offsetof(struct ig_model_desc, inputs), &m->inputs_at, &m->inputs_off) &&
	       ig_elf_pointer(e, y->section, y->value + offsetof(struct ig_model_desc, outputs), &m->outputs_at, &m->outputs_off);
}

static bool read_io(const struct ig_elf *e, int section, uint64_t offset, struct ig_io *io, const char **name)
{
	const void *p = ig_elf_bytes(e, section, offset, sizeof *io);
	if (!p)
		return false;
	memcpy(io, p, sizeof *io);
	*name = pointed_string(e, section, offset + offsetof(struct ig_io, name));
	return io->rank <= 6;
}

/* ---- text ---- */

static void print_io(const struct ig_elf *e, const char *what, int section, uint64_t offset, uint32_t n, FILE *out)
{
	for (uint32_t i = 0; i < n; i++) {
		struct ig_io io;
		const char *name;
		if (!read_io(e, section, offset + i * sizeof io, &io, &name))
			return;
		fprintf(out, "  %-8s %s: %s[", what, name, dtype_name(io.dtype));
		for (uint32_t k = 0; k < io.rank; k++)
			fprintf(out, "%s%" PRId64, k ? ", " : "", io.dim[k]);
		fprintf(out, "]%s, %u bytes", io.nhwc ? " nhwc" : "", io.bytes);
		if (io.scale != 0)
			fprintf(out, ", scale %.9g, zero point %d", (double)io.scale, (int)io.zero_point);
		fputc('\n', out);
	}
}

static void print_descriptor(const struct ig_elf *e, const struct described *m, FILE *out)
{
	fprintf(out, "model %s\n  target   %s (needs", m->name, m->target);
	for (size_t i = 0; i < IG_COUNTOF(features); i++)
		if (m->desc.cpu_features & features[i].bit)
			fprintf(out, " %s", features[i].name);
	fprintf(out, "%s)\n  hash     %016" PRIx64 "\n  arena    %" PRIu64 " bytes, aligned to %u\n", m->desc.cpu_features ? "" : " nothing special",
	        m->desc.hash, m->desc.arena_bytes, m->desc.arena_align);
	print_io(e, "input", m->inputs_at, m->inputs_off, m->desc.n_inputs, out);
	print_io(e, "output", m->outputs_at, m->outputs_off, m->desc.n_outputs, out);
	fputc('\n', out);
}

static void print_text(const struct ig_elf *e, FILE *out)
{
	static const char *const titles[] = {"section", ">bytes", ">align"};
	uint64_t text, rodata, data;
	for (int i = 0; i < e->n_symbols; i++) {
		struct described m;
		if (read_descriptor(e, &e->symbol[i], &m))
			print_descriptor(e, &m, out);
	}
	struct ig_table *t = ig_table_new(titles, 3);
	for (int i = 0; i < e->n_sections; i++)
		if ((e->section[i].flags & SHF_ALLOC) && e->section[i].size) {
			ig_table_cell(t, "%s", e->section[i].name);
			ig_table_cell(t, "%" PRIu64, e->section[i].size);
			ig_table_cell(t, "%" PRIu64, e->section[i].align);
		}
	ig_table_print(t, out);
	ig_table_free(t);
	ig_elf_totals(e, &text, &rodata, &data);
	fprintf(out, "\n%s object: %" PRIu64 " bytes of code, %" PRIu64 " of constants, %" PRIu64 " of data\ndefines  ", e->machine ? e->machine : "ELF", text,
	        rodata, data);
	for (int i = 0; i < e->n_symbols; i++)
		if (e->symbol[i].global && e->symbol[i].section > 0)
			fprintf(out, " %s", e->symbol[i].name);
	fputs("\nundefined", out);
	int undefined = 0;
	for (int i = 1; i < e->n_symbols; i++)
		if (e->symbol[i].global && e->symbol[i].section == 0 && *e->symbol[i].name) {
			fprintf(out, " %s", e->symbol[i].name);
			undefined++;
		}
	fputs(undefined ? "\n" : " (none)\n", out);
}

/* ---- JSON ---- */

static json_t *io_json(const struct ig_elf *e, int section, uint64_t offset, uint32_t n)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < n; i++) {
		struct ig_io io;
		const char *name;
		if (!read_io(e, section, offset + i * sizeof io, &io, &name))
			break;
		json_t *o = json_object();
		json_object_set_new(o, "name", json_string(name));
		json_object_set_new(o, "type", json_string(dtype_name(io.dtype)));
		json_object_set_new(o, "shape", ig_json_shape((int)io.rank, io.dim));
		json_object_set_new(o, "nhwc", json_boolean(io.nhwc));
		json_object_set_new(o, "bytes", json_integer(io.bytes));
		if (io.scale != 0) {
			json_object_set_new(o, "scale", ig_json_share((double)io.scale));
			json_object_set_new(o, "zero_point", json_integer(io.zero_point));
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *descriptor_json(const struct ig_elf *e, const struct described *m)
{
	json_t *o = json_object(), *need = json_array();
	char hash[20];
	snprintf(hash, sizeof hash, "%016" PRIx64, m->desc.hash);
	for (size_t i = 0; i < IG_COUNTOF(features); i++)
		if (m->desc.cpu_features & features[i].bit)
			json_array_append_new(need, json_string(features[i].name));
	json_object_set_new(o, "name", json_string(m->name));
	json_object_set_new(o, "target", json_string(m->target));
	json_object_set_new(o, "cpu_features", need);
	json_object_set_new(o, "hash", json_string(hash));
	json_object_set_new(o, "arena_bytes", json_integer((json_int_t)m->desc.arena_bytes));
	json_object_set_new(o, "arena_align", json_integer(m->desc.arena_align));
	json_object_set_new(o, "inputs", io_json(e, m->inputs_at, m->inputs_off, m->desc.n_inputs));
	json_object_set_new(o, "outputs", io_json(e, m->outputs_at, m->outputs_off, m->desc.n_outputs));
	return o;
}

static void print_json(const struct ig_elf *e, FILE *out)
{
	json_t *root = json_object(), *models = json_array(), *sections = json_array(), *defined = json_array(), *undefined = json_array();
	for (int i = 0; i < e->n_symbols; i++) {
		const struct ig_elf_symbol *y = &e->symbol[i];
		struct described m;
		if (read_descriptor(e, y, &m))
			json_array_append_new(models, descriptor_json(e, &m));
		if (y->global && *y->name && y->section >= 0)
			json_array_append_new(y->section > 0 ? defined : undefined, json_string(y->name));
	}
	for (int i = 0; i < e->n_sections; i++)
		if ((e->section[i].flags & SHF_ALLOC) && e->section[i].size) {
			json_t *o = json_object();
			json_object_set_new(o, "name", json_string(e->section[i].name));
			json_object_set_new(o, "bytes", json_integer((json_int_t)e->section[i].size));
			json_array_append_new(sections, o);
		}
	json_object_set_new(root, "kind", json_string("object"));
	json_object_set_new(root, "machine", e->machine ? json_string(e->machine) : json_null());
	json_object_set_new(root, "models", models);
	json_object_set_new(root, "sections", sections);
	json_object_set_new(root, "defined", defined);
	json_object_set_new(root, "undefined", undefined);
	ig_json_print(root, out);
}

bool ig_inspect_object(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out)
{
	struct ig_elf e;
	if (!ig_elf_read(&e, path, d))
		return false;
	if (ig_opt_given(o, IG_OPT_JSON))
		print_json(&e, out);
	else
		print_text(&e, out);
	ig_elf_free(&e);
	return true;
}
