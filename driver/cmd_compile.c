/* intaglio compile: a model to an object file and its header, or to the other forms of the same program. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/elf_file.h"
#include "driver/guard.h"
#include "driver/report.h"
#include "driver/session.h"
#include "driver/tune.h"
#include "ir/print.h"

enum kind { OBJ, HEADER, C_SOURCE, ASM, LLVM, GRAPH, DOT, KIR, GRAPH_WEIGHTS /* written with GRAPH */, KINDS };
#define NAMED GRAPH_WEIGHTS /* the kinds before it are those that --emit knows */
static const struct {
	const char *name, *extension;
	bool program, llvm; /* needs the lowered program; needs LLVM */
} kinds[KINDS] = {
	[OBJ] = {"obj", ".o", true, true},       [HEADER] = {"header", ".h", true, false}, [C_SOURCE] = {"c", ".c", true, false},
	[ASM] = {"asm", ".s", true, true},       [LLVM] = {"llvm", ".ll", true, true},     [GRAPH] = {"ir", ".ir", false, false},
	[DOT] = {"dot", ".dot", false, false},   [KIR] = {"kir", ".kir", true, false},
	[GRAPH_WEIGHTS] = {NULL, ".ir.safetensors", false, false},
};

struct compilation {
	struct ig_session s;
	struct kir_module *module;
	struct ig_program *program;
	bool want[KINDS];
	char *parts; /* prefix of the staged files */
	struct ig_guard guard;
	char *base;             /* of the files' names; NULL with direct */
	const char *direct;     /* the one output goes to this device or pipe */
	char *final[KINDS], *staged[KINDS];
	struct ig_tuned tuned;
	int64_t stack;
	uint64_t text, rodata, data;
};

/* ---- what to write, and where ---- */

struct kind_words {
	const struct ig_opts *o;
	bool *want;
};

static bool add_kind(void *self, const char *word)
{
	struct kind_words *w = self;
	const char *names[NAMED];
	for (int i = 0; i < NAMED; i++) {
		names[i] = kinds[i].name;
		if (strcmp(names[i], word) == 0) {
			w->want[i] = true;
			return true;
		}
	}
	const char *near = ig_nearest(word, names, NAMED);
	if (near)
		ig_usage_error(w->o->cmd, "--emit knows no '%s'; did you mean '%s'?", word, near);
	else
		ig_usage_error(w->o->cmd, "--emit knows no '%s' (obj, header, c, asm, llvm, ir, dot or kir)", word);
	return false;
}

static int choose_kinds(struct compilation *c, const struct ig_opts *o)
{
	struct kind_words w = {o, c->want};
	if (!ig_opt_words(o, IG_OPT_EMIT, add_kind, &w))
		return IG_EXIT_USAGE;
	if (!ig_opt_given(o, IG_OPT_EMIT)) {
		c->want[c->s.target->triple ? OBJ : C_SOURCE] = true;
		c->want[HEADER] = true;
	}
	for (int i = 0; i < KINDS; i++)
		if (c->want[i] && kinds[i].llvm && !c->s.target->triple)
			return ig_usage_error(o->cmd, "target '%s' cannot emit '%s': it is for --emit c", c->s.target->name, kinds[i].name);
	return IG_EXIT_OK;
}

static int count_kinds(const struct compilation *c)
{
	int n = 0;
	for (int i = 0; i < KINDS; i++)
		n += c->want[i];
	return n;
}

/* -o NAME, NAME.o, DIR/ or a device. Sets base, or direct; base stays NULL when the model's name is to be taken, with *dir its folder. */
static int choose_base(struct compilation *c, const struct ig_opts *o, const char **dir)
{
	const char *path = ig_opt_str(o, IG_OPT_OUTPUT);
	struct stat st;
	*dir = "";
	if (!path)
		return IG_EXIT_OK;
	if (strcmp(path, "-") == 0)
		path = "/dev/stdout";
	bool exists = stat(path, &st) == 0;
	if (exists && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		if (count_kinds(c) != 1)
			return ig_usage_error(o->cmd, "'%s' takes one output only: choose one with --emit", path);
		c->direct = path;
		return IG_EXIT_OK;
	}
	size_t len = strlen(path);
	if (path[len - 1] == '/' || (exists && S_ISDIR(st.st_mode))) {
		*dir = path;
		return IG_EXIT_OK;
	}
	for (int i = 0; i < KINDS; i++) {
		size_t e = strlen(kinds[i].extension);
		if (c->want[i] && len > e && path[len - e - 1] != '/' && strcmp(path + len - e, kinds[i].extension) == 0) {
			len -= e;
			break;
		}
	}
	c->base = ig_xcalloc(len + 1, 1);
	memcpy(c->base, path, len);
	return IG_EXIT_OK;
}

/* ---- staging: all files appear together or none ---- */

static void stage(struct compilation *c)
{
	if (!c->direct) {
		c->parts = ig_xcalloc(strlen(c->base) + 48, 1);
		sprintf(c->parts, "%s.part%ld", c->base, (long)getpid());
	}
	c->want[GRAPH_WEIGHTS] = c->want[GRAPH] && !c->direct;
	for (int i = 0; i < KINDS; i++) {
		if (!c->want[i])
			continue;
		size_t n = strlen(c->direct ? c->direct : c->base) + 48;
		c->final[i] = ig_xcalloc(n, 1);
		c->staged[i] = ig_xcalloc(n, 1);
		if (c->direct) {
			strcpy(c->final[i], c->direct);
			strcpy(c->staged[i], c->direct);
		} else {
			snprintf(c->final[i], n, "%s%s", c->base, kinds[i].extension);
			snprintf(c->staged[i], n, "%s%s", c->parts, kinds[i].extension);
		}
	}
}

static void unstage(struct compilation *c)
{
	for (int i = 0; i < KINDS; i++) {
		if (c->staged[i] && !c->direct)
			unlink(c->staged[i]);
		free(c->staged[i]);
		free(c->final[i]);
	}
	ig_guard_end(&c->guard);
	free(c->parts);
}

static bool publish(struct compilation *c)
{
	if (c->direct)
		return true;
	ig_guard_hold(&c->guard);
	for (int i = 0; i < KINDS; i++)
		if (c->want[i] && rename(c->staged[i], c->final[i]) != 0) {
			ig_error(c->s.diag, ig_loc_file(c->s.diag, c->final[i]), "cannot write: %s", strerror(errno));
			return false;
		}
	return true;
}

/* Folders that are missing or may not be written to are told by the names that the user gave: emission works on the staged ones. */
static bool try_outputs(struct compilation *c)
{
	struct ig_outfile probe;
	for (int i = 0; i < KINDS; i++) {
		if (!c->want[i] || c->direct)
			continue;
		if (!ig_outfile_open(&probe, c->final[i], c->s.diag))
			return false;
		ig_outfile_abort(&probe);
	}
	return true;
}

static bool print_to(struct compilation *c, enum kind k, const char *path)
{
	struct ig_outfile out;
	FILE *f = ig_outfile_open(&out, path, c->s.diag);
	if (!f)
		return false;
	if (k == GRAPH) {
		const char *weights = c->want[GRAPH_WEIGHTS] ? c->final[GRAPH_WEIGHTS] : NULL, *slash = weights ? strrchr(weights, '/') : NULL;
		ig_print(c->s.quant, f, slash ? slash + 1 : weights);
	}
	else if (k == DOT)
		ig_dot(c->s.quant, f);
	else
		kir_print(c->module, f);
	return ig_outfile_commit(&out);
}

static bool emit(struct compilation *c, enum kind k)
{
	const char *path = c->staged[k];
	struct ig_diag *d = c->s.diag;
	switch (k) {
	case OBJ: return ig_emit_llvm(c->program, IG_LLVM_OBJECT, path, d);
	case ASM: return ig_emit_llvm(c->program, IG_LLVM_ASM, path, d);
	case LLVM: return ig_emit_llvm(c->program, IG_LLVM_IR, path, d);
	case HEADER: return ig_emit_header(c->program, path, d);
	case C_SOURCE: return ig_emit_c(c->program, path, d);
	case GRAPH:
	case DOT:
	case KIR: return print_to(c, k, path);
	case GRAPH_WEIGHTS: return ig_model_write_weights(c->s.quant, path, d);
	case KINDS: break;
	}
	IG_BUG("emission kind %d", (int)k);
}

/* ---- the summary ---- */

static bool measure(struct compilation *c)
{
	struct ig_elf e;
	c->stack = -1;
	if (!c->want[OBJ] || c->direct)
		return true;
	c->stack = ig_emit_stack_bytes(c->program, c->s.diag);
	if (!ig_elf_read(&e, c->staged[OBJ], c->s.diag))
		return false;
	ig_elf_totals(&e, &c->text, &c->rodata, &c->data);
	ig_elf_free(&e);
	return true;
}

static json_t *summary_json(const struct compilation *c)
{
	json_t *files = json_array(), *root = json_object();
	for (int i = 0; i < KINDS; i++)
		if (c->want[i])
			json_array_append_new(files, json_string(c->final[i]));
	json_object_set_new(root, "files", files);
	json_object_set_new(root, "target", json_string(c->s.target->name));
	if (c->tuned.measured) {
		json_t *tuned = json_object();
		json_object_set_new(tuned, "layers", json_integer(c->tuned.measured));
		json_object_set_new(tuned, "changed", json_integer(c->tuned.changed));
		json_object_set_new(tuned, "before_us", json_real(c->tuned.before * 1e6));
		json_object_set_new(tuned, "saved_us", json_real(c->tuned.saved * 1e6));
		json_object_set_new(root, "tuned", tuned);
	}
	if (!c->program)
		return root;
	json_object_set_new(root, "name", json_string(c->program->name));
	json_object_set_new(root, "arena_bytes", json_integer(c->module->arena_bytes));
	json_object_set_new(root, "weight_bytes", json_integer(c->module->const_bytes));
	if (c->want[OBJ] && !c->direct) {
		json_object_set_new(root, "text_bytes", json_integer((json_int_t)c->text));
		json_object_set_new(root, "rodata_bytes", json_integer((json_int_t)c->rodata));
		json_object_set_new(root, "data_bytes", json_integer((json_int_t)c->data));
		json_object_set_new(root, "stack_bytes", c->stack < 0 ? json_null() : json_integer(c->stack));
	}
	return root;
}

static void print_summary(const struct compilation *c)
{
	for (int i = 0, first = 1; i < KINDS; i++)
		if (c->want[i]) {
			printf("%s%s", first ? "wrote   " : ", ", c->final[i]);
			first = 0;
		}
	printf("\ntarget  %s\n", c->s.target->name);
	if (c->tuned.measured)
		printf("tuned   %d kinds of layers, %d of them other than estimated: %.1f of %.1f us saved\n", c->tuned.measured, c->tuned.changed, c->tuned.saved * 1e6,
		       c->tuned.before * 1e6);
	if (!c->program)
		return;
	printf("arena   %" PRId64 " bytes\nweights %" PRId64 " bytes\n", c->module->arena_bytes, c->module->const_bytes);
	if (c->want[OBJ]) {
		printf("object  %" PRIu64 " bytes of code, %" PRIu64 " of constants", c->text, c->rodata);
		if (c->data)
			printf(", %" PRIu64 " of data", c->data);
		if (c->stack >= 0)
			printf("\nstack   %" PRId64 " bytes", c->stack);
		putchar('\n');
	}
}

/* ---- the command ---- */

static bool within_arena(const struct compilation *c)
{
	const struct ig_opts *o = c->s.o;
	if (!ig_opt_given(o, IG_OPT_MAX_ARENA) || c->module->arena_bytes <= o->number[IG_OPT_MAX_ARENA])
		return true;
	ig_error(c->s.diag, ig_loc_file(c->s.diag, c->s.path),
	         "the arena takes %" PRId64 " bytes, more than --max-arena %" PRId64 "; 'intaglio inspect --memory' draws what needs it",
	         c->module->arena_bytes, o->number[IG_OPT_MAX_ARENA]);
	return false;
}

/* When the arena is to be smaller than what is best for time, rows of all blocks that can be are computed in bands. */
static bool lower(struct compilation *c)
{
	const struct ig_opts *o = c->s.o;
	bool keep = ig_opt_given(o, IG_OPT_KEEP_INTERMEDIATES);
	c->module = ig_session_lower(&c->s, keep);
	if (!c->module || !ig_opt_given(o, IG_OPT_MAX_ARENA) || c->module->arena_bytes <= o->number[IG_OPT_MAX_ARENA] || c->s.rows != IG_ROWS_AUTO ||
	    ig_session_threads(&c->s) > 1)
		return c->module != NULL;
	c->s.rows = IG_ROWS_ALWAYS;
	struct kir_module *small = ig_session_lower(&c->s, keep);
	if (!small)
		return false;
	bool better = small->arena_bytes < c->module->arena_bytes;
	kir_module_free(better ? c->module : small);
	c->module = better ? small : c->module;
	return true;
}

static bool build(struct compilation *c, const char *dir)
{
	const char *model = c->s.quant->name;
	bool lowered = false;
	if (!c->base && !c->direct) {
		const char *slash = *dir && dir[strlen(dir) - 1] != '/' ? "/" : "";
		c->base = ig_xcalloc(strlen(dir) + strlen(model) + 2, 1);
		sprintf(c->base, "%s%s%s", dir, slash, model);
	}
	stage(c);
	if (c->parts)
		ig_guard_begin(&c->guard, c->parts);
	if (!try_outputs(c))
		return false;
	for (int i = 0; i < KINDS; i++)
		lowered = lowered || (c->want[i] && kinds[i].program);
	if (lowered) {
		if (ig_opt_given(c->s.o, IG_OPT_TUNE) && !ig_tune(&c->s, ig_opt_str(c->s.o, IG_OPT_TUNE), &c->tuned))
			return false;
		if (!lower(c) || !within_arena(c))
			return false;
		const char *slash = c->base ? strrchr(c->base, '/') : NULL;
		c->program = ig_program_new(!c->base ? model : slash ? slash + 1 : c->base, c->s.quant, c->module, c->s.target);
		c->program->weight_section = ig_opt_str(c->s.o, IG_OPT_WEIGHT_SECTION);
	}
	if (!c->want[GRAPH] && !c->want[DOT] && !c->want[GRAPH_WEIGHTS])
		ig_session_forget_graphs(&c->s);
	for (int i = 0; i < KINDS; i++)
		if (c->want[i] && !emit(c, (enum kind)i))
			return false;
	return measure(c) && publish(c);
}

static int run(const struct ig_opts *o)
{
	struct compilation c = {.base = NULL};
	const char *dir;
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	ig_session_begin(&c.s, o);
	status = choose_kinds(&c, o);
	if (status == IG_EXIT_OK)
		status = choose_base(&c, o, &dir);
	if (status == IG_EXIT_OK) {
		bool ok = ig_session_prepare(&c.s, o->args.v[0]) && (c.s.stopped || build(&c, dir));
		if (ok && !c.s.stopped && !ig_opt_given(o, IG_OPT_QUIET) && !(c.direct && strcmp(c.direct, "/dev/stdout") == 0)) {
			if (ig_opt_given(o, IG_OPT_JSON))
				ig_json_print(summary_json(&c), stdout);
			else
				print_summary(&c);
		}
		ok = ok && ig_stdout_check(c.s.diag);
		status = ok ? IG_EXIT_OK : IG_EXIT_DIAG;
	}
	unstage(&c);
	free(c.base);
	ig_program_free(c.program);
	if (c.module)
		kir_module_free(c.module);
	ig_session_close(&c.s);
	return status;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_OUTPUT, "base name of the files (an extension such as .o is taken off), or a folder; the symbols' prefix is its last part (default: the model's name)"},
	{IG_OPT_EMIT, NULL},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_SCHEDULES, NULL},
	{IG_OPT_TUNE, NULL},
	{IG_OPT_TUNE_SECONDS, NULL},
	{IG_OPT_THREADS, "split each call into N parts, which run through the caller's parallel_for (default 1, at most 32); results do not depend on it"},
	{IG_OPT_ROW_FUSION, NULL},
	{IG_OPT_MAX_ARENA, NULL},
	{IG_OPT_WEIGHT_SECTION, NULL},
	{IG_OPT_DUMP_AFTER, NULL},
	{IG_OPT_DUMP_DIR, NULL},
	{IG_OPT_STOP_AFTER, NULL},
	{IG_OPT_VERIFY, NULL},
	{IG_OPT_KEEP_INTERMEDIATES, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_compile = {
	.name = "compile",
	.args = "MODEL",
	.summary = "write an object file and its header",
	.text = "Quantizes the model with the given calibration and writes NAME.o and NAME.h, or\n"
	        "what --emit lists. All files appear together, or none.\n"
	        "\n"
	        "A model whose layers all stay in float ('default skip' in its quantize block)\n"
	        "needs no calibration.\n",
	.examples = "  intaglio compile kws.ig --calibration calib.npy -o build/kws\n"
	            "  intaglio compile kws.ig --calibration kws.state --target aarch64-dotprod --emit obj,asm\n"
	            "  intaglio compile kws.ig --dump-after fuse --stop-after fuse\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
