/* intaglio run: samples through one engine; the outputs printed, or saved, or every stored tensor of the run. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/engine.h"
#include "driver/npz.h"
#include "driver/report.h"
#include "driver/samples.h"
#include "ir/number.h"

#define SHOWN 64 /* elements of an output that are printed */

struct running {
	struct ig_session s;
	struct ig_machine machine;
	enum ig_engine_kind kind;
	struct ig_dataset *ds;
	struct ig_engine **engine; /* by worker */
	int jobs;
	int64_t n, first; /* samples; number of the first one in the file */
	struct ig_array *out;    /* the model's outputs, then (for --dump-tensors) the stored tensors: all samples one after the other */
	int n_outputs, n_tensors;
};

static bool run_sample(void *self, int worker, int64_t i, const void *const *in)
{
	struct running *r = self;
	struct ig_engine *e = r->engine[worker];
	if (!ig_engine_run(e, in))
		return false;
	for (int k = 0; k < r->n_outputs; k++) {
		size_t each = r->out[k].bytes / (size_t)r->n;
		memcpy((uint8_t *)r->out[k].data + each * (size_t)i, ig_engine_output(e, k), each);
	}
	for (int k = 0; k < r->n_tensors; k++) {
		struct ig_array *a = &r->out[r->n_outputs + k];
		ig_engine_tensor_read(e, k, (uint8_t *)a->data + a->bytes / (size_t)r->n * (size_t)i);
	}
	return true;
}

/* The array of all samples' tensors: the batch axis of one becomes the axis of samples. */
static bool make_array(struct running *r, struct ig_array *a, const char *name, const struct ig_type *t)
{
	size_t each;
	*a = (struct ig_array){.name = name, .dtype = t->dtype};
	a->dim[a->rank++] = r->n;
	for (int i = t->rank > 0 && t->dim[0] == 1; i < t->rank; i++)
		a->dim[a->rank++] = t->dim[i];
	if (a->rank > IG_MAX_RANK) { /* one axis too many to write: samples and the first axis become one */
		a->dim[0] *= a->dim[1];
		memmove(a->dim + 1, a->dim + 2, sizeof *a->dim * (IG_MAX_RANK - 1));
		a->rank = IG_MAX_RANK;
	}
	if (!ig_type_bytes(t, &each) || !ig_mul_size(each, (size_t)r->n, &a->bytes)) {
		ig_error(r->s.diag, IG_NOLOC, "'%s' of %" PRId64 " samples is too large; take fewer with --samples", name, r->n);
		return false;
	}
	a->data = ig_xcalloc(a->bytes, 1);
	return true;
}

static bool make_arrays(struct running *r)
{
	const struct ig_graph *g = ig_engine_graph(r->engine[0]);
	r->n_outputs = g->n_outputs;
	r->n_tensors = ig_opt_given(r->s.o, IG_OPT_DUMP_TENSORS) ? ig_engine_tensors(r->engine[0]) : 0;
	r->out = ig_xcalloc((size_t)(r->n_outputs + r->n_tensors) + 1, sizeof *r->out);
	for (int k = 0; k < g->n_outputs; k++) {
		const char *name = g->output_name && g->output_name[k] ? g->output_name[k] : ig_value(g, g->output[k])->name;
		if (!make_array(r, &r->out[k], name, ig_vtype(g, g->output[k])))
			return false;
	}
	for (int k = 0; k < r->n_tensors; k++) {
		struct ig_type t;
		const char *name = ig_engine_tensor(r->engine[0], k, &t);
		if (!make_array(r, &r->out[r->n_outputs + k], name, &t))
			return false;
	}
	return true;
}

/* ---- what becomes of the outputs ---- */

static double element(const struct ig_array *a, size_t i)
{
	return ig_get_double(&(struct ig_tensor){.type = {.dtype = a->dtype}, .data = a->data}, (int64_t)i);
}

static size_t elems_of_sample(const struct ig_array *a)
{
	size_t n = 1;
	for (int i = 1; i < a->rank; i++)
		n *= (size_t)a->dim[i];
	return n;
}

static void print_text(const struct running *r)
{
	for (int64_t i = 0; i < r->n; i++)
		for (int k = 0; k < r->n_outputs; k++) {
			const struct ig_array *a = &r->out[k];
			size_t each = elems_of_sample(a);
			printf("sample %" PRId64 ", %s:", r->first + i, a->name);
			for (size_t j = 0; j < each && j < SHOWN; j++)
				printf(" %.9g", element(a, (size_t)i * each + j));
			printf(each > SHOWN ? " ... (%zu in all)\n" : "\n", each);
		}
}

static void print_json(const struct running *r)
{
	json_t *root = json_object(), *samples = json_array();
	json_object_set_new(root, "engine", json_string(ig_engine_names[r->kind]));
	for (int64_t i = 0; i < r->n; i++) {
		json_t *s = json_object(), *outputs = json_object();
		for (int k = 0; k < r->n_outputs; k++) {
			const struct ig_array *a = &r->out[k];
			size_t each = elems_of_sample(a);
			json_t *list = json_array();
			for (size_t j = 0; j < each; j++)
				json_array_append_new(list, ig_json_share(element(a, (size_t)i * each + j)));
			json_object_set_new(outputs, a->name, list);
		}
		json_object_set_new(s, "sample", json_integer(r->first + i));
		json_object_set_new(s, "outputs", outputs);
		json_array_append_new(samples, s);
	}
	json_object_set_new(root, "samples", samples);
	ig_json_print(root, stdout);
}

/* A layer's name as a file's name: what is neither letter, digit, dot, dash nor underline becomes an underline. */
static void file_name(char *to, size_t size, const char *name)
{
	size_t n = 0;
	for (; *name && n + 1 < size; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') || strchr("._-", *name);
		to[n++] = plain ? *name : '_';
	}
	to[n] = 0;
}

static bool dump_tensors(const struct running *r)
{
	const char *dir = ig_opt_str(r->s.o, IG_OPT_DUMP_TENSORS);
	char name[256];
	if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
		ig_error(r->s.diag, ig_loc_file(r->s.diag, dir), "cannot create the folder: %s", strerror(errno));
		return false;
	}
	char *path = ig_xcalloc(strlen(dir) + sizeof name + 8, 1);
	bool ok = true;
	for (int k = 0; k < r->n_tensors && ok; k++) {
		const struct ig_array *a = &r->out[r->n_outputs + k];
		file_name(name, sizeof name, a->name);
		sprintf(path, "%s/%s.npy", dir, name);
		ok = ig_npy_write(path, a->dtype, a->rank, a->dim, a->data, r->s.diag);
	}
	free(path);
	return ok;
}

static bool save(const struct running *r)
{
	const char *path = ig_opt_str(r->s.o, IG_OPT_OUTPUT);
	size_t len = strlen(path);
	if (len > 4 && strcmp(path + len - 4, ".npz") == 0)
		return ig_npz_write(path, r->out, r->n_outputs, r->s.diag);
	if (r->n_outputs != 1) {
		ig_error(r->s.diag, ig_loc_file(r->s.diag, path), "the model has %d outputs: save them as .npz", r->n_outputs);
		return false;
	}
	return ig_npy_write(path, r->out[0].dtype, r->out[0].rank, r->out[0].dim, r->out[0].data, r->s.diag);
}

static bool deliver(const struct running *r)
{
	const struct ig_opts *o = r->s.o;
	if (ig_opt_given(o, IG_OPT_DUMP_TENSORS) && !dump_tensors(r))
		return false;
	if (ig_opt_given(o, IG_OPT_OUTPUT))
		return save(r);
	if (ig_opt_given(o, IG_OPT_JSON))
		print_json(r);
	else if (!ig_opt_given(o, IG_OPT_QUIET))
		print_text(r);
	return ig_stdout_check(r->s.diag);
}

/* ---- the command ---- */

static bool prepare(struct running *r)
{
	struct ig_session *s = &r->s;
	bool use[IG_ENGINE_COUNT] = {false};
	use[r->kind] = true;
	if (!ig_session_load(s, s->o->args.v[0]) || !ig_session_float(s))
		return false;
	if (r->kind != IG_ENGINE_FLOAT && (!ig_session_stats(s) || !ig_session_quantize(s)))
		return false;
	r->ds = ig_session_data(s, false);
	if (!r->ds || !ig_machine_begin(&r->machine, s, use, ig_opt_given(s->o, IG_OPT_DUMP_TENSORS), IG_NEVER))
		return false;
	r->n = ig_dataset_count(r->ds);
	r->first = ig_opt_given(s->o, IG_OPT_SAMPLE) ? s->o->number[IG_OPT_SAMPLE] : ig_opt_given(s->o, IG_OPT_SAMPLES) ? s->o->number[IG_OPT_SAMPLES] : 0;
	r->jobs = ig_samples_jobs(s->o, r->ds);
	r->engine = ig_xcalloc((size_t)r->jobs, sizeof(struct ig_engine *));
	for (int w = 0; w < r->jobs; w++)
		if (!(r->engine[w] = ig_engine_new(&r->machine, r->kind)))
			return false;
	return make_arrays(r);
}

static int run(const struct ig_opts *o)
{
	struct running r = {.kind = IG_ENGINE_REFERENCE};
	bool use[IG_ENGINE_COUNT];
	int status = ig_session_check(o), chosen = 0;
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (ig_opt_given(o, IG_OPT_SAMPLE) && ig_opt_given(o, IG_OPT_SAMPLES))
		return ig_usage_error(o->cmd, "--sample and --samples exclude each other");
	if (!ig_engine_list(o, "reference", use))
		return IG_EXIT_USAGE;
	for (int k = 0; k < IG_ENGINE_COUNT; k++)
		if (use[k]) {
			r.kind = (enum ig_engine_kind)k;
			chosen++;
		}
	if (chosen != 1)
		return ig_usage_error(o->cmd, "'run' takes one engine ('eval' compares several)");
	ig_session_begin(&r.s, o);
	bool ok = prepare(&r) && ig_samples_run(&r.s, r.ds, r.jobs, "running", run_sample, &r) && deliver(&r);
	for (int w = 0; w < r.jobs; w++)
		ig_engine_free(r.engine[w]);
	free(r.engine);
	for (int k = 0; r.out && k < r.n_outputs + r.n_tensors; k++)
		free(r.out[k].data);
	free(r.out);
	ig_machine_end(&r.machine);
	if (r.ds)
		ig_dataset_free(r.ds);
	ig_session_close(&r.s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_SAMPLE, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_OUTPUT, "save the outputs as FILE.npy, or FILE.npz (needed for several outputs), instead of printing them"},
	{IG_OPT_ENGINE, "float, reference, kir or native (default reference)"},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_DUMP_TENSORS, NULL},
	{IG_OPT_THREADS, "split each call of the native engine over N threads (default 1, at most 32); results do not depend on it"},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_VERIFY, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_run = {
	.name = "run",
	.args = "MODEL --data F",
	.summary = "run samples and print or save the outputs",
	.text = "Runs the samples through one engine. Outputs and tensors are saved with the samples\n"
	        "along the first axis, in the order of the file. --dump-tensors writes quantized\n"
	        "values as they are stored, in logical order.\n",
	.examples = "  intaglio run kws.ig --calibration kws.state --data test.npy --sample 3\n"
	            "  intaglio run kws.ig --calibration kws.state --data test.npy --engine native -o probs.npy\n"
	            "  intaglio run kws.ig --engine float --data test.npy --samples 0:1 --dump-tensors tensors\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
