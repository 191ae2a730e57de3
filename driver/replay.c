/* The calibration samples for passes: opened once, run as often as a pass asks. */
#include "driver/replay.h"

#include <stdlib.h>

#include "driver/samples.h"

#define MOST_SAMPLES 256 /* of a set: what the passes estimate needs no more, and the interpreter takes its time */

struct ig_session_replay {
	struct ig_replay replay;
	struct ig_session *s;
	struct ig_data_sets data;
};

struct numbered {
	ig_replay_visit *visit;
	void *to;
	int64_t base; /* number of the set's first sample */
};

static bool visit_numbered(void *self, int worker, int64_t i, const void *const *in)
{
	const struct numbered *n = self;
	return n->visit(n->to, worker, n->base + i, in);
}

static bool run(void *self, const char *what, ig_replay_visit *visit, void *to)
{
	struct ig_session_replay *r = self;
	struct numbered n = {.visit = visit, .to = to};
	bool ok = true;
	for (int i = 0; i < r->data.set.n && ok; i++) {
		struct ig_dataset *ds = r->data.set.v[i];
		ok = ig_samples_run(r->s, ds, ig_samples_jobs(r->s->o, ds), what, visit_numbered, &n);
		n.base += ig_dataset_count(ds);
	}
	return ok;
}

/* The first method of those switched on that needs samples; IG_RECOVER_COUNT: none does. */
static enum ig_recover who_needs(const struct ig_session *s)
{
	int i = 0;
	while (i < IG_RECOVER_COUNT && !(s->qconfig->recover[i] && ig_recover_needs_samples[i]))
		i++;
	return (enum ig_recover)i;
}

bool ig_session_replay_missing(struct ig_session *s)
{
	enum ig_recover who = who_needs(s);
	if (who == IG_RECOVER_COUNT || s->ctx.replay)
		return false;
	ig_error(s->diag, s->qconfig->recover_loc[who],
	         "'recover %s' needs calibration samples: a state has the distribution of each tensor only; give --calibration the data itself", ig_recover_names[who]);
	return true;
}

bool ig_session_replay_open(struct ig_session *s)
{
	struct ig_calibration_args a = ig_session_calibration_args(s);
	if (who_needs(s) == IG_RECOVER_COUNT)
		return true;
	struct ig_session_replay *r = ig_xcalloc(1, sizeof *r);
	bool ok = ig_data_sets_open(s, &r->data, &a);
	*r = (struct ig_session_replay){.replay = {.self = r, .run = run, .workers = 1}, .s = s, .data = r->data};
	for (int i = 0; i < r->data.set.n && ok; i++) {
		struct ig_dataset *ds = r->data.set.v[i];
		ok = ig_dataset_count(ds) <= MOST_SAMPLES || ig_dataset_slice(ds, 0, MOST_SAMPLES, s->diag);
		int jobs = ig_samples_jobs(s->o, ds);
		r->replay.workers = jobs > r->replay.workers ? jobs : r->replay.workers;
		r->replay.n += ig_dataset_count(ds);
	}
	s->replay = r;
	s->ctx.replay = ok && r->replay.n ? &r->replay : NULL;
	return ok;
}

void ig_session_replay_close(struct ig_session *s)
{
	if (s->replay)
		ig_data_sets_close(&s->replay->data);
	free(s->replay);
	s->replay = NULL;
	s->ctx.replay = NULL;
}
