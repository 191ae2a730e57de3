/* Statistics from data and states: samples run on threads, the float model as compiled code where that pays. */
#include <stdlib.h>

#include "driver/live.h"
#include "driver/samples.h"
#include "driver/select.h"

static bool add_state(struct ig_session *s, struct ig_stats *into, const char *path)
{
	struct ig_stats *st = ig_stats_read(path, s->diag);
	bool ok = st != NULL;
	if (ok && st->weights_hash != s->flt->weights_hash) {
		if (st->weights_hash == s->model->graph->weights_hash)
			ig_error(s->diag, ig_loc_file(s->diag, path),
			         "this state was made without 'recover equalize', which scales what the layers compute; run 'intaglio calibrate' again with these rules");
		else
			ig_error(s->diag, ig_loc_file(s->diag, path), "this state was made with other weights than those of %s; run 'intaglio calibrate' again", s->path);
		ok = false;
	}
	ok = ok && ig_stats_merge(into, st, s->diag);
	ig_stats_free(st);
	return ok;
}

/* Data files one after the other; samples are numbered through. */
struct data {
	IG_VEC(struct ig_dataset *) set;
	int64_t total;
};

/* With several inputs, as many consecutive specs as there are inputs make one set. */
static bool open_data(struct ig_session *s, struct data *x, const char *const *spec, int n, int64_t first, int64_t last)
{
	int inputs = s->flt->n_inputs;
	if (inputs < 1 || n % inputs != 0) {
		ig_error(s->diag, IG_NOLOC, "the model has %d inputs, but %d data files are given; name one for each (input=FILE)", inputs, n);
		return false;
	}
	for (int i = 0; i < n; i += inputs) {
		struct ig_dataset *ds = ig_dataset_open(s->flt, spec + i, inputs, true, s->diag);
		if (!ds)
			return false;
		ig_vec_push(&x->set, ds);
		if (!ig_session_slice(ds, first, last, s->diag))
			return false;
		x->total += ig_dataset_count(ds);
	}
	return true;
}

struct run {
	struct ig_calibration *calibration;
	int64_t base; /* number of the set's first sample */
	const bool *chosen; /* by number; NULL: all */
};

static bool add_sample(void *self, int worker, int64_t i, const void *const *in)
{
	const struct run *r = self;
	if (!r->chosen || r->chosen[r->base + i])
		ig_calibration_sample(r->calibration, worker, r->base + i, in);
	return true;
}

/* 'calibrate --engine' decides; else how much there is to do. */
static int64_t float_samples(const struct ig_session *s, int64_t total)
{
	bool use[IG_ENGINE_COUNT];
	if (s->o->cmd != &ig_cmd_calibrate || !ig_opt_given(s->o, IG_OPT_ENGINE) || !ig_engine_list(s->o, "", use))
		return total;
	return use[IG_ENGINE_NATIVE] ? IG_ALWAYS : IG_NEVER;
}

static bool run_data(struct ig_session *s, struct data *x, struct ig_stats *into)
{
	struct ig_live *live = ig_live_new(s, float_samples(s, x->total));
	bool ok;
	int jobs = 1;
	bool select = s->o->cmd == &ig_cmd_calibrate && ig_opt_given(s->o, IG_OPT_SELECT);
	bool *chosen = select ? ig_select_samples(s->flt, x->set.v, x->set.n, s->o->number[IG_OPT_SELECT]) : NULL;
	for (int i = 0; i < x->set.n; i++)
		jobs = ig_samples_jobs(s->o, x->set.v[i]) > jobs ? ig_samples_jobs(s->o, x->set.v[i]) : jobs;
	struct run r = {ig_calibration_new(s->flt, s->qconfig, live ? ig_live_engine(live) : &ig_calibration_interpreter, jobs, s->diag), 0, chosen};
	ok = r.calibration != NULL;
	for (int i = 0; i < x->set.n && ok; i++) {
		ok = ig_samples_run(s, x->set.v[i], ig_samples_jobs(s->o, x->set.v[i]), "calibrating", add_sample, &r);
		r.base += ig_dataset_count(x->set.v[i]);
	}
	ok = ok && ig_calibration_finish(r.calibration, into, s->diag);
	ig_calibration_free(r.calibration);
	ig_live_free(live);
	free(chosen);
	return ok;
}

/* The files among specs, without the states. */
static const char **files_of(const char *const *specs, int n, int *n_files)
{
	const char **file = ig_xcalloc((size_t)n + 1, sizeof *file);
	*n_files = 0;
	for (int i = 0; i < n; i++)
		if (!ig_stats_is_state(specs[i]))
			file[(*n_files)++] = specs[i];
	return file;
}

static void close_data(struct data *x)
{
	for (int i = 0; i < x->set.n; i++)
		ig_dataset_free(x->set.v[i]);
	ig_vec_free(&x->set);
}

bool ig_session_calibrate(struct ig_session *s, struct ig_stats *into, const char *const *specs, int n, int64_t first, int64_t last)
{
	int n_files;
	const char **file = files_of(specs, n, &n_files);
	struct data x = {.total = 0};
	bool ok = !ig_session_refuse_quantized(s, "calibrated");
	for (int i = 0; i < n && ok; i++)
		if (ig_stats_is_state(specs[i]))
			ok = add_state(s, into, specs[i]);
	if (ok && n_files)
		ok = open_data(s, &x, file, n_files, first, last) && run_data(s, &x, into);
	close_data(&x);
	free(file);
	return ok;
}

/* ---- means ---- */

#define MOST_MEANS 256 /* samples of a set: means need no more, and the interpreter takes its time */

struct averaging {
	struct ig_interp **interp; /* by worker */
	const struct ig_means *means;
	double *rows;
	int64_t base;
};

static bool average_sample(void *self, int worker, int64_t i, const void *const *in)
{
	const struct averaging *r = self;
	ig_interp_run(r->interp[worker], in);
	ig_means_sample(r->means, r->interp[worker], r->rows + (r->base + i) * ig_means_width(r->means));
	return true;
}

static bool average_data(struct ig_session *s, struct data *x)
{
	int jobs = 1, made = 0;
	x->total = 0;
	for (int i = 0; i < x->set.n; i++) {
		if (ig_dataset_count(x->set.v[i]) > MOST_MEANS && !ig_dataset_slice(x->set.v[i], 0, MOST_MEANS, s->diag))
			return false;
		x->total += ig_dataset_count(x->set.v[i]);
		jobs = ig_samples_jobs(s->o, x->set.v[i]) > jobs ? ig_samples_jobs(s->o, x->set.v[i]) : jobs;
	}
	s->means = ig_means_new(s->flt);
	struct averaging r = {.interp = ig_xcalloc((size_t)jobs, sizeof *r.interp), .means = s->means,
	                      .rows = ig_xcalloc((size_t)(x->total * ig_means_width(s->means)) + 1, sizeof *r.rows)};
	bool ok = true;
	for (; made < jobs && ok; made += ok)
		ok = (r.interp[made] = ig_interp_new(s->flt, s->diag)) != NULL;
	for (int i = 0; i < x->set.n && ok; i++) {
		ok = ig_samples_run(s, x->set.v[i], ig_samples_jobs(s->o, x->set.v[i]), "averaging", average_sample, &r);
		r.base += ig_dataset_count(x->set.v[i]);
	}
	if (ok)
		ig_means_finish(s->means, r.rows, x->total);
	for (int i = 0; i < made; i++)
		ig_interp_free(r.interp[i]);
	free(r.interp);
	free(r.rows);
	return ok;
}

bool ig_session_means(struct ig_session *s, const char *const *specs, int n, int64_t first, int64_t last)
{
	int n_files;
	const char **file = files_of(specs, n, &n_files);
	struct data x = {.total = 0};
	bool ok = n_files > 0;
	if (!ok)
		ig_error(s->diag, s->qconfig->recover_loc[IG_RECOVER_BIAS],
		         "'recover bias_correction' needs calibration samples: a state does not have the means of each channel; give --calibration the data itself");
	ok = ok && open_data(s, &x, file, n_files, first, last) && average_data(s, &x);
	close_data(&x);
	free(file);
	return ok;
}
