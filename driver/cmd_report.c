/* intaglio report: all that the other commands know of a quantized model on one page. They run as from the command line, with calibration's state
   made once, and answer in JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/account.h"
#include "driver/guard.h"

struct report {
	const struct ig_opts *o;
	struct ig_session s;
	char *folder;                          /* of the files that follow, its own */
	char *state, *answer, *skip, *prefix;  /* calibration's state; what a command answered; the quantize block of the float form */
	json_t *root;
};
enum form { MAPPED, QUANTIZED, FLOAT };

static char *path_in(const char *folder, const char *name)
{
	char *p = ig_xcalloc(strlen(folder) + strlen(name) + 2, 1);
	sprintf(p, "%s/%s", folder, name);
	return p;
}

static bool begin_files(struct report *r)
{
	static const char skip[] = "quantize { default skip }\n";
	const char *temp = getenv("TMPDIR");
	r->folder = path_in(temp && *temp ? temp : "/tmp", "intaglio-report-XXXXXX");
	if (!mkdtemp(r->folder)) {
		ig_error(r->s.diag, ig_loc_file(r->s.diag, temp && *temp ? temp : "/tmp"), "cannot make a temporary folder: %s", strerror(errno));
		free(r->folder);
		r->folder = NULL;
		return false;
	}
	r->prefix = path_in(r->folder, "");
	r->state = path_in(r->folder, "state");
	r->answer = path_in(r->folder, "answer");
	r->skip = path_in(r->folder, "skip");
	return ig_outfile_write(r->skip, skip, sizeof skip - 1, r->s.diag);
}

static void end_files(struct report *r)
{
	if (!r->folder)
		return;
	unlink(r->state);
	unlink(r->answer);
	unlink(r->skip);
	rmdir(r->folder);
	free(r->folder);
	free(r->prefix);
	free(r->state);
	free(r->answer);
	free(r->skip);
}

/* ---- other commands ---- */

struct line {
	IG_VEC(char *) word;
};

static void add_word(struct line *l, const char *w)
{
	char *copy = ig_xcalloc(strlen(w) + 1, 1);
	strcpy(copy, w);
	ig_vec_push(&l->word, copy);
}

static void add_option(struct line *l, enum ig_opt id, const char *value)
{
	char *w = ig_xcalloc(strlen(ig_opt_table[id].name) + strlen(value) + 4, 1);
	if (ig_opt_table[id].kind == IG_OPT_FLAG)
		sprintf(w, "--%s", ig_opt_table[id].name);
	else
		sprintf(w, "--%s=%s", ig_opt_table[id].name, value);
	ig_vec_push(&l->word, w);
}

/* Whether an option of this command is another one's as it stands: `recover` methods may need the samples themselves, else the state serves. */
static bool passes_on(const struct report *r, enum ig_opt id, enum form form)
{
	switch (id) {
	case IG_OPT_CALIBRATION:
	case IG_OPT_CALIBRATION_SAMPLES:
		return form == QUANTIZED && r->s.ctx.replay;
	case IG_OPT_QCONFIG:
		return form != FLOAT;
	default:
		return id != IG_OPT_OUTPUT && id != IG_OPT_JSON;
	}
}

/* The options of this command that the other one takes, but for those that are replaced. */
static void pass_on(struct line *l, const struct report *r, const struct ig_command *cmd, enum form form)
{
	for (const struct ig_opt_use *u = cmd->opts; u->id != IG_OPT_HELP; u++)
		for (int i = 0; passes_on(r, u->id, form) && i < r->o->value[u->id].n; i++)
			add_option(l, u->id, r->o->value[u->id].v[i]);
}

/* What a command answers with --json about the model; NULL after a diagnostic. */
static json_t *ask(struct report *r, const struct ig_command *cmd, enum form form, enum ig_opt more, const char *value)
{
	struct line l = {{0}};
	struct ig_opts o;
	json_t *answer = NULL;
	pass_on(&l, r, cmd, form);
	if (r->s.stats && form == QUANTIZED && !r->s.ctx.replay)
		add_option(&l, IG_OPT_CALIBRATION, r->state);
	if (form == FLOAT)
		add_option(&l, IG_OPT_QCONFIG, r->skip);
	if (more != IG_OPT_COUNT)
		add_option(&l, more, value);
	add_option(&l, IG_OPT_OUTPUT, r->answer);
	add_option(&l, IG_OPT_JSON, "");
	add_word(&l, "--");
	add_word(&l, r->o->args.v[0]);
	if (ig_opts_parse(&o, cmd, l.word.n, l.word.v)) {
		json_error_t error;
		o.diag = r->s.diag;
		int status = cmd->run(&o);
		if (status == IG_EXIT_OK || status == IG_EXIT_VERDICT)
			answer = json_load_file(r->answer, 0, &error);
		if (!answer && !ig_diag_errors(r->s.diag))
			ig_error(r->s.diag, IG_NOLOC, "%s gave no answer for the report", cmd->name);
	}
	ig_opts_free(&o);
	for (int i = 0; i < l.word.n; i++)
		free(l.word.v[i]);
	ig_vec_free(&l.word);
	return answer;
}

/* Adds a part; false when there is none. */
static bool part(struct report *r, const char *name, json_t *value) { return value && json_object_set_new(r->root, name, value) == 0; }

static bool gather(struct report *r)
{
	struct ig_session *s = &r->s;
	const struct ig_opts *o = r->o;
	r->root = json_object();
	json_object_set_new(r->root, "kind", json_string("report"));
	json_object_set_new(r->root, "name", json_string(s->quant->name));
	json_object_set_new(r->root, "target", json_string(s->target->name));
	json_object_set_new(r->root, "calibration_samples", json_integer(s->stats ? (json_int_t)s->stats->samples : 0));
	if (!part(r, "model", ask(r, &ig_cmd_inspect, MAPPED, IG_OPT_COUNT, NULL)) ||
	    !part(r, "quantized", ask(r, &ig_cmd_inspect, QUANTIZED, IG_OPT_COUNT, NULL)) ||
	    !part(r, "memory", ask(r, &ig_cmd_inspect, QUANTIZED, IG_OPT_MEMORY, "")) ||
	    !part(r, "eval", ask(r, &ig_cmd_eval, QUANTIZED, IG_OPT_ENGINE, "float,reference,native")) ||
	    !part(r, "compare", ask(r, &ig_cmd_compare, QUANTIZED, IG_OPT_COUNT, NULL)))
		return false;
	if (ig_opt_given(o, IG_OPT_BENCH) && (!part(r, "bench", ask(r, &ig_cmd_bench, QUANTIZED, IG_OPT_COUNT, NULL)) ||
	                                      !part(r, "bench_float", ask(r, &ig_cmd_bench, FLOAT, IG_OPT_COUNT, NULL))))
		return false;
	return part(r, "values", ig_account_values(s)) && part(r, "weights", ig_account_weights(s)) && part(r, "edges", ig_account_edges(s)) &&
	       part(r, "checklist", ig_account_checklist(s, r->root, ig_diag_warnings(s->diag)));
}

/* ---- the command ---- */

static bool prepare(struct report *r)
{
	struct ig_session *s = &r->s;
	if (!ig_session_prepare(s, r->o->args.v[0]) || ig_session_refuse_quantized(s, "compared with its float form"))
		return false;
	if (!s->target->triple) {
		ig_error(s->diag, IG_NOLOC, "target %s has no native code to run: choose another --target", s->target->name);
		return false;
	}
	return !s->stats || ig_stats_write(s->stats, r->state, s->diag);
}

static bool write_page(struct report *r, struct ig_out *out)
{
	bool ok = ig_account_page(r->root, out->f);
	if (!ok)
		ig_error(r->s.diag, IG_NOLOC, "the page could not be written in full");
	return ok;
}

static bool make(struct report *r)
{
	struct ig_out out;
	bool page = ig_opt_given(r->o, IG_OPT_OUTPUT);
	if (page && !ig_out_open(&out, r->o, r->s.diag)) /* first, so that what cannot be written is told at once */
		return false;
	bool ok = prepare(r) && gather(r) && (!page || write_page(r, &out));
	if (page && ok)
		ok = ig_out_close(&out);
	else if (page)
		ig_out_abort(&out);
	if (ok && ig_opt_given(r->o, IG_OPT_JSON))
		ok = ig_json_print(json_incref(r->root), stdout) && ig_stdout_check(r->s.diag);
	else if (ok && !ig_opt_given(r->o, IG_OPT_QUIET))
		printf("wrote %s\n", ig_opt_str(r->o, IG_OPT_OUTPUT));
	return ok;
}

static int run(const struct ig_opts *o)
{
	struct report r = {.o = o};
	struct ig_guard guard;
	const char *path = ig_opt_str(o, IG_OPT_OUTPUT);
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (!path && !ig_opt_given(o, IG_OPT_JSON))
		return ig_usage_error(o->cmd, "nothing to write: give -o PAGE.html, or --json");
	if (path && strcmp(path, "-") == 0)
		return ig_usage_error(o->cmd, "-o needs the name of a file");
	ig_session_begin(&r.s, o);
	bool ok = begin_files(&r);
	if (ok) {
		ig_guard_begin(&guard, r.prefix);
		ok = make(&r);
		ig_guard_end(&guard);
	}
	end_files(&r);
	json_decref(r.root);
	ig_session_close(&r.s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_LABELS, "one integer label a sample (.npy; -1: not counted)"},
	{IG_OPT_METRIC, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_BENCH, NULL},
	{IG_OPT_MAX_LOSS, NULL},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_OUTPUT, "the page to write (.html), one file that needs no network"},
	{IG_OPT_JSON, "print all that is on the page as JSON; diagnostics become one JSON object a line"},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_report = {
	.name = "report",
	.args = "MODEL --data F -o PAGE.html",
	.summary = "one page on a quantized model: accuracy, layers, ranges, memory, checklist",
	.text = "Writes a page with all that the other commands know of the quantized model: accuracy\n"
	        "beside float, each layer's error, the distribution of every calibrated value with\n"
	        "the range that was chosen and what it clips, weights by channel, the memory plan,\n"
	        "layer times (with --bench), which layers run in which precision, answers to inputs of\n"
	        "zeros, extremes, NaN and infinities, and a checklist for deployment. The page is one\n"
	        "file that loads nothing; the same input gives the same bytes, but for --bench.\n",
	.examples = "  intaglio report kws.ig --calibration calib.npy --data test.npy --labels labels.npy -o kws.html\n"
	            "  intaglio report kws.ig --calibration kws.state --data test.npy --bench -o kws.html\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
