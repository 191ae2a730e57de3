#include "driver/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/replay.h"
#include "driver/report.h"
#include "ir/infer.h"
#include "ir/print.h"
#include "passes/convert.h"

/* ---- names said on the command line ---- */

#define ROWS_WORDS (IG_ROWS_ALWAYS + 1)
static const char *const rows_words[ROWS_WORDS] = {[IG_ROWS_NEVER] = "never", [IG_ROWS_AUTO] = "auto", [IG_ROWS_ALWAYS] = "always"};

static int check_pass_name(const struct ig_opts *o, enum ig_opt id, bool all_allowed)
{
	const char *name = ig_opt_str(o, id), *names[64];
	int n = 0;
	if (!name || ig_pass_find(name) || (all_allowed && strcmp(name, "all") == 0))
		return IG_EXIT_OK;
	for (int h = IG_HALF_FLOAT; h <= IG_HALF_QUANTIZE; h++) {
		int k;
		const struct ig_pass *p = ig_pipeline((enum ig_half)h, &k);
		for (int i = 0; i < k && n < 62; i++)
			names[n++] = p[i].name;
	}
	names[n++] = "observe";
	if (all_allowed)
		names[n++] = "all";
	const char *near = ig_nearest(name, names, n);
	return near ? ig_usage_error(o->cmd, "there is no pass '%s'; did you mean '%s'?", name, near)
	            : ig_usage_error(o->cmd, "there is no pass '%s' ('intaglio help passes' lists them)", name);
}

/* The word of --row-fusion; ROWS_WORDS: there is no such word. */
static enum ig_rows_when find_rows(const char *word)
{
	int i = word ? 0 : IG_ROWS_AUTO;
	while (word && i < ROWS_WORDS && strcmp(word, rows_words[i]) != 0)
		i++;
	return (enum ig_rows_when)i;
}

static int check_rows(const struct ig_opts *o)
{
	const char *word = ig_opt_str(o, IG_OPT_ROW_FUSION), *near;
	enum ig_rows_when when = find_rows(word);
	if (when == IG_ROWS_ALWAYS && ig_opt_given(o, IG_OPT_THREADS) && o->number[IG_OPT_THREADS] > 1)
		return ig_usage_error(o->cmd, "--row-fusion always is for one thread: parts of a call do not share rows");
	if (when != ROWS_WORDS)
		return IG_EXIT_OK;
	near = ig_nearest(word, rows_words, ROWS_WORDS);
	return near ? ig_usage_error(o->cmd, "--row-fusion knows no '%s'; did you mean '%s'?", word, near)
	            : ig_usage_error(o->cmd, "--row-fusion knows no '%s' (auto, always or never)", word);
}

static const struct ig_target *find_target(const char *name)
{
	return !name || strcmp(name, "native") == 0 ? ig_target_native() : ig_target_find(name);
}

/* --dim NAME=N, the name up to the last equals sign. */
static bool parse_dim(const char *text, struct ig_onnx_dim *out, char **name)
{
	const char *sign = strrchr(text, '=');
	*name = NULL;
	if (!sign || sign == text || !ig_parse_count(sign + 1, &out->value) || out->value < 1 || out->value > INT32_MAX)
		return false;
	*name = strndup(text, (size_t)(sign - text));
	out->name = *name;
	return *name != NULL;
}

static int check_dims(const struct ig_opts *o)
{
	for (int i = 0; i < o->value[IG_OPT_DIM].n; i++) {
		struct ig_onnx_dim dim;
		char *name;
		bool ok = parse_dim(o->value[IG_OPT_DIM].v[i], &dim, &name);
		free(name);
		if (!ok)
			return ig_usage_error(o->cmd, "--dim takes NAME=N with N from 1 to %d, not '%s'", INT32_MAX, o->value[IG_OPT_DIM].v[i]);
	}
	return IG_EXIT_OK;
}

int ig_session_check(const struct ig_opts *o)
{
	int status = check_pass_name(o, IG_OPT_DUMP_AFTER, true);
	if (status == IG_EXIT_OK)
		status = check_pass_name(o, IG_OPT_STOP_AFTER, false);
	if (status != IG_EXIT_OK)
		return status;
	if (ig_opt_given(o, IG_OPT_TUNE) && ig_opt_given(o, IG_OPT_SCHEDULES))
		return ig_usage_error(o->cmd, "--tune reads its file too: give one of --tune and --schedules");
	if (ig_opt_given(o, IG_OPT_TUNE_SECONDS) && !ig_opt_given(o, IG_OPT_TUNE))
		return ig_usage_error(o->cmd, "--tune-seconds needs --tune");
	if (ig_opt_given(o, IG_OPT_THREADS) && o->number[IG_OPT_THREADS] > IG_MAX_THREADS)
		return ig_usage_error(o->cmd, "--threads is at most %d", IG_MAX_THREADS);
	if (ig_opt_given(o, IG_OPT_DUMP_DIR) && !ig_opt_given(o, IG_OPT_DUMP_AFTER))
		return ig_usage_error(o->cmd, "--dump-dir needs --dump-after");
	status = check_rows(o);
	if (status == IG_EXIT_OK)
		status = check_dims(o);
	const char *target = ig_opt_str(o, IG_OPT_TARGET);
	if (status != IG_EXIT_OK || find_target(target))
		return status;
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	const char **names = ig_xcalloc((size_t)n + 1, sizeof *names);
	for (int i = 0; i < n; i++)
		names[i] = t[i]->name;
	names[n] = "native";
	const char *near = ig_nearest(target, names, n + 1);
	free(names);
	return near ? ig_usage_error(o->cmd, "there is no target '%s'; did you mean '%s'?", target, near)
	            : ig_usage_error(o->cmd, "there is no target '%s' ('intaglio help targets' lists them)", target);
}

/* ---- begin, end ---- */

void ig_session_begin(struct ig_session *s, const struct ig_opts *o)
{
	memset(s, 0, sizeof *s);
	s->o = o;
	s->diag = o->diag ? o->diag : ig_diag_new(stderr, ig_opt_given(o, IG_OPT_JSON));
	s->target = find_target(ig_opt_str(o, IG_OPT_TARGET));
	s->rows = find_rows(ig_opt_str(o, IG_OPT_ROW_FUSION));
	s->ctx.diag = s->diag;
	s->ctx.verify = ig_opt_given(o, IG_OPT_VERIFY);
	s->ctx.dump_after = ig_opt_str(o, IG_OPT_DUMP_AFTER);
	s->ctx.dump_file = stdout;
	s->ctx.stop_after = ig_opt_str(o, IG_OPT_STOP_AFTER);
}

void ig_session_forget_graphs(struct ig_session *s)
{
	ig_graph_free(s->quant);
	ig_graph_free(s->flt);
	ig_graph_free(s->given);
	s->quant = s->flt = s->given = NULL;
	if (s->model) {
		ig_graph_free(s->model->graph);
		s->model->graph = NULL;
	}
}

void ig_session_close(struct ig_session *s)
{
	ig_stats_free(s->stats);
	ig_session_replay_close(s);
	ig_schedules_free(s->schedules);
	ig_session_forget_graphs(s);
	if (s->own_qconfig)
		ig_qconfig_map_free(s->own_qconfig);
	if (s->model)
		ig_model_free(s->model);
	if (!s->o->diag)
		ig_diag_free(s->diag);
}

static struct ig_model *load_onnx(struct ig_session *s, const char *path)
{
	int n = s->o->value[IG_OPT_DIM].n;
	struct ig_onnx_dim *dim = ig_xcalloc((size_t)n + 1, sizeof *dim);
	char **name = ig_xcalloc((size_t)n + 1, sizeof *name);
	for (int i = 0; i < n; i++)
		if (!parse_dim(s->o->value[IG_OPT_DIM].v[i], &dim[i], &name[i]))
			IG_BUG("--dim was not checked");
	struct ig_model *m = ig_onnx_load(path, &(struct ig_onnx_options){dim, n}, s->diag);
	for (int i = 0; i < n; i++)
		free(name[i]);
	free(name);
	free(dim);
	return m;
}

/* --tune's file may be yet to be made. */
static bool load_schedules(struct ig_session *s)
{
	const char *tune = ig_opt_str(s->o, IG_OPT_TUNE), *file = tune ? tune : ig_opt_str(s->o, IG_OPT_SCHEDULES);
	if (file)
		s->schedules = ig_schedules_read(file, !tune, s->diag);
	return !file || s->schedules;
}

bool ig_session_load(struct ig_session *s, const char *path)
{
	bool onnx = ig_ends_with(path, ".onnx");
	s->path = path;
	if (!onnx && ig_opt_given(s->o, IG_OPT_DIM)) {
		ig_error(s->diag, ig_loc_file(s->diag, path), "--dim is for ONNX models; in a .ig file the shapes are written out");
		return false;
	}
	s->model = onnx ? load_onnx(s, path) : ig_model_load(path, s->diag);
	if (!s->model)
		return false;
	s->qconfig = s->model->qconfig;
	const char *file = ig_opt_str(s->o, IG_OPT_QCONFIG);
	if (file) {
		s->own_qconfig = ig_qconfig_load(file, s->diag);
		if (!s->own_qconfig)
			return false;
		s->qconfig = s->own_qconfig;
	}
	s->ctx.qconfig = s->qconfig;
	return load_schedules(s);
}

/* ---- passes ---- */

/* One pass with its dump in a file of its own: --dump-dir. */
static bool run_pass_to_dir(struct ig_session *s, const struct ig_pass *p, struct ig_graph *g, const char *dir)
{
	struct ig_context c = s->ctx;
	struct ig_outfile out;
	char *path = NULL;
	if (strcmp(c.dump_after, "all") != 0 && strcmp(c.dump_after, p->name) != 0)
		return ig_pass_run(p, g, &c);
	if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
		ig_error(s->diag, ig_loc_file(s->diag, dir), "cannot create the folder: %s", strerror(errno));
		return false;
	}
	path = ig_xcalloc(strlen(dir) + strlen(p->name) + 32, 1);
	sprintf(path, "%s/%02d-%s.ig", dir, s->n_dumps++, p->name);
	c.dump_file = ig_outfile_open(&out, path, s->diag);
	bool ok = c.dump_file != NULL && ig_pass_run(p, g, &c);
	if (c.dump_file && ok)
		ok = ig_outfile_commit(&out);
	else if (c.dump_file)
		ig_outfile_abort(&out);
	free(path);
	return ok;
}

static bool run_half(struct ig_session *s, enum ig_half half, struct ig_graph *g)
{
	const char *dir = ig_opt_str(s->o, IG_OPT_DUMP_DIR);
	if (!dir)
		return ig_pipeline_run(half, g, &s->ctx, &s->stopped);
	int n;
	const struct ig_pass *p = ig_pipeline(half, &n);
	if (g->stage == IG_STAGE_QUANTIZED) /* as ig_pipeline_run */
		return true;
	for (int i = 0; i < n && !s->stopped; i++) {
		if (!run_pass_to_dir(s, &p[i], g, dir))
			return false;
		s->stopped = s->ctx.stop_after && strcmp(s->ctx.stop_after, p[i].name) == 0;
	}
	return true;
}

bool ig_session_float(struct ig_session *s)
{
	if (!ig_session_replay_open(s))
		return false;
	s->flt = ig_graph_clone(s->model->graph);
	if (!run_half(s, IG_HALF_FLOAT, s->flt))
		return false;
	if (s->flt->stage == IG_STAGE_QUANTIZED || !ig_has_quantized(s->flt))
		return true;
	s->given = s->flt;
	s->flt = ig_graph_clone(s->given);
	return ig_fold_given(s->flt, s->diag);
}

/* Calibration inserts observers into a clone of its own; to be seen (--dump-after observe) they are inserted into another one. */
static bool show_observe(struct ig_session *s)
{
	if (s->flt->stage == IG_STAGE_QUANTIZED)
		return true;
	const char *dump = s->ctx.dump_after, *stop = s->ctx.stop_after, *dir = ig_opt_str(s->o, IG_OPT_DUMP_DIR);
	bool stops = stop && strcmp(stop, "observe") == 0;
	if (!stops && !(dump && (strcmp(dump, "observe") == 0 || strcmp(dump, "all") == 0)))
		return true;
	const struct ig_pass *p = ig_pass_find("observe");
	struct ig_graph *g = ig_graph_clone(s->flt);
	bool ok = dir ? run_pass_to_dir(s, p, g, dir) : ig_pass_run(p, g, &s->ctx);
	ig_graph_free(g);
	s->stopped = s->stopped || stops;
	return ok;
}

bool ig_session_quantize(struct ig_session *s)
{
	s->ctx.stats = s->stats;
	s->ctx.flt = s->flt;
	s->quant = ig_graph_clone(s->given ? s->given : s->flt);
	return run_half(s, IG_HALF_QUANTIZE, s->quant);
}

bool ig_session_refuse_quantized(struct ig_session *s, const char *what)
{
	if (s->flt->stage != IG_STAGE_QUANTIZED)
		return false;
	ig_error(s->diag, ig_loc_file(s->diag, s->path), "the model is quantized already: it cannot be %s", what);
	return true;
}

/* ---- statistics ---- */

bool ig_session_slice(struct ig_dataset *ds, int64_t first, int64_t last, struct ig_diag *d)
{
	return last < 0 || ig_dataset_slice(ds, first, last == INT64_MAX ? ig_dataset_count(ds) : last, d);
}

/* Layers that are yet to be quantized: of a model that is quantized in part, those that its own parameters leave in float. -1 after a diagnostic. */
static int count_int8(struct ig_session *s)
{
	struct ig_graph *g = s->given ? ig_graph_clone(s->given) : s->flt;
	struct ig_context quiet = {.diag = s->diag, .qconfig = s->qconfig};
	int n = s->given && !ig_pass_fold_qdq(g, &quiet) ? -1 : 0;
	for (struct ig_nid id = ig_first(g); n >= 0 && g->stage == IG_STAGE_FLOAT && id.i >= 0; id = ig_next(g, id))
		n += (ig_node(g, id)->precision == IG_PREC_INT8 || ig_node(g, id)->precision == IG_PREC_W8A16) && !ig_convert_done(g, ig_node(g, id));
	if (s->given)
		ig_graph_free(g);
	return n;
}

bool ig_session_stats(struct ig_session *s)
{
	int n = s->o->value[IG_OPT_CALIBRATION].n;
	if (n == 0) {
		int layers = count_int8(s);
		if (layers <= 0)
			return layers == 0 && !ig_session_replay_missing(s);
		ig_error(s->diag, ig_loc_file(s->diag, s->path),
		         "%d layers are to be quantized, which needs calibration: give --calibration with a few hundred real samples (or a state from 'intaglio "
		         "calibrate'), or keep the model in float with 'quantize { default skip }'",
		         layers);
		return false;
	}
	s->stats = ig_stats_new(s->flt->weights_hash);
	return !ig_session_replay_missing(s) && ig_session_calibrate(s, s->stats);
}

bool ig_session_prepare(struct ig_session *s, const char *path)
{
	if (!ig_session_load(s, path) || !ig_session_float(s))
		return false;
	if (s->stopped)
		return true;
	if (!show_observe(s))
		return false;
	if (s->stopped)
		return true;
	return ig_session_stats(s) && ig_session_quantize(s);
}

int ig_session_threads(const struct ig_session *s)
{
	return ig_opt_given(s->o, IG_OPT_THREADS) ? (int)s->o->number[IG_OPT_THREADS] : 1;
}

/* For the smallest arena all groups are fused first; then those that fit into that arena as they are stay apart, since fusing them would gain nothing. */
static struct kir_module *lower(struct ig_session *s, const struct ig_lower_options *o)
{
	struct ig_lower_options lo = *o;
	struct kir_module *m = ig_lower(s->quant, s->target, &lo, s->diag), *fewer;
	if (!m || lo.rows != IG_ROWS_ALWAYS || lo.keep)
		return m;
	lo.rows_limit = m->arena_bytes;
	fewer = ig_lower(s->quant, s->target, &lo, s->diag);
	bool good = fewer && fewer->arena_bytes <= m->arena_bytes;
	kir_module_free(good || !fewer ? m : fewer);
	return good || !fewer ? fewer : m;
}

struct kir_module *ig_session_lower(struct ig_session *s, bool keep)
{
	struct ig_lower_options lo = {.keep = keep, .threads = ig_session_threads(s), .rows = s->rows, .schedules = s->schedules};
	struct kir_module *m = lower(s, &lo);
	if (m && s->ctx.verify && !kir_verify(m, s->diag)) {
		kir_module_free(m);
		return NULL;
	}
	return m;
}

struct ig_dataset *ig_session_data(struct ig_session *s, bool reject_nonfinite)
{
	struct ig_dataset *ds =
	    ig_dataset_open(s->flt, s->o->value[IG_OPT_DATA].v, s->o->value[IG_OPT_DATA].n, reject_nonfinite, s->diag);
	bool ok = ds != NULL;
	if (ok && ig_opt_given(s->o, IG_OPT_SAMPLES))
		ok = ig_session_slice(ds, s->o->number[IG_OPT_SAMPLES], s->o->last[IG_OPT_SAMPLES], s->diag);
	if (ok && ig_opt_given(s->o, IG_OPT_SAMPLE))
		ok = ig_dataset_slice(ds, s->o->number[IG_OPT_SAMPLE], s->o->number[IG_OPT_SAMPLE] + 1, s->diag);
	if (ok && ig_dataset_count(ds) == 0) {
		ig_error(s->diag, ig_loc_file(s->diag, s->o->value[IG_OPT_DATA].v[0]), "there is no sample in it");
		ok = false;
	}
	if (ok)
		return ds;
	if (ds)
		ig_dataset_free(ds);
	return NULL;
}
