/* Statistics from data and states: samples run on threads, the float model as compiled code where that pays. */
#include <stdlib.h>

#include "driver/live.h"
#include "driver/samples.h"
#include "driver/select.h"

/* A method that is switched on and changes float weights, one that goes by samples before others; IG_RECOVER_COUNT: none. */
static int who_scales(const struct ig_session *s)
{
	int who = IG_RECOVER_COUNT;
	for (int i = 0; i < IG_RECOVER_COUNT; i++)
		if (s->qconfig->recover[i] && ig_recover_scales[i] && (who == IG_RECOVER_COUNT || ig_recover_needs_samples[i]))
			who = i;
	return who;
}

static bool add_state(struct ig_session *s, struct ig_stats *into, const char *path)
{
	struct ig_stats *st = ig_stats_read(path, s->diag);
	bool ok = st != NULL;
	if (ok && st->weights_hash != s->flt->weights_hash) {
		int who = who_scales(s);
		if (who < IG_RECOVER_COUNT && st->weights_hash == s->model->graph->weights_hash)
			ig_error(s->diag, ig_loc_file(s->diag, path),
			         "this state was made without 'recover %s', which scales what the layers compute; run 'intaglio calibrate' again with these rules", ig_recover_names[who]);
		else if (who < IG_RECOVER_COUNT && ig_recover_needs_samples[who])
			ig_error(s->diag, ig_loc_file(s->diag, path), "this state was made with other weights than those of %s, or with other samples for 'recover %s'; run 'intaglio calibrate' again",
			         s->path, ig_recover_names[who]);
		else
			ig_error(s->diag, ig_loc_file(s->diag, path), "this state was made with other weights than those of %s; run 'intaglio calibrate' again", s->path);
		ok = false;
	}
	ok = ok && ig_stats_merge(into, st, s->diag);
	ig_stats_free(st);
	return ok;
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

static bool run_data(struct ig_session *s, struct ig_data_sets *x, struct ig_stats *into)
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

bool ig_session_calibrate(struct ig_session *s, struct ig_stats *into)
{
	struct ig_calibration_args a = ig_session_calibration_args(s);
	struct ig_data_sets x;
	bool ok = !ig_session_refuse_quantized(s, "calibrated");
	for (int i = 0; i < a.n && ok; i++)
		if (ig_stats_is_state(a.spec[i]))
			ok = add_state(s, into, a.spec[i]);
	if (!ok || !ig_data_sets_open(s, &x, &a))
		return false;
	ok = x.set.n == 0 || run_data(s, &x, into);
	ig_data_sets_close(&x);
	return ok;
}
