/* intaglio calibrate: run the float model over samples and write what the observers saw; or add such states together. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/engine.h"
#include "driver/report.h"

static void summary(const struct ig_opts *o, const struct ig_stats *st)
{
	const char *path = ig_opt_str(o, IG_OPT_OUTPUT);
	if (ig_opt_given(o, IG_OPT_JSON)) {
		json_t *root = json_object();
		json_object_set_new(root, "state", json_string(path));
		json_object_set_new(root, "samples", json_integer((json_int_t)st->samples));
		json_object_set_new(root, "values", json_integer(st->stat.n));
		ig_json_print(root, stdout);
	} else if (!ig_opt_given(o, IG_OPT_QUIET))
		printf("wrote %s: %" PRIu64 " samples, %d values\n", path, st->samples, st->stat.n);
}

static bool merge(const struct ig_opts *o, struct ig_diag *d)
{
	struct ig_stats *sum = NULL;
	bool ok = true;
	for (int i = 0; i < o->args.n && ok; i++) {
		struct ig_stats *st = ig_stats_read(o->args.v[i], d);
		if (!st)
			ok = false;
		else if (!sum)
			sum = st;
		else {
			ok = ig_stats_merge(sum, st, d);
			ig_stats_free(st);
		}
	}
	ok = ok && ig_stats_write(sum, ig_opt_str(o, IG_OPT_OUTPUT), d);
	if (ok)
		summary(o, sum);
	ig_stats_free(sum);
	return ok && ig_stdout_check(d);
}

static bool calibrate(struct ig_session *s)
{
	const struct ig_opts *o = s->o;
	if (!ig_session_load(s, o->args.v[0]) || !ig_session_float(s))
		return false;
	s->stats = ig_stats_new(s->flt->weights_hash);
	if (!ig_session_calibrate(s, s->stats) ||
	    !ig_stats_write(s->stats, ig_opt_str(o, IG_OPT_OUTPUT), s->diag))
		return false;
	summary(o, s->stats);
	return ig_stdout_check(s->diag);
}

static int run(const struct ig_opts *o)
{
	struct ig_session s;
	bool merging = ig_opt_given(o, IG_OPT_MERGE), use[IG_ENGINE_COUNT];
	if (!ig_opt_given(o, IG_OPT_OUTPUT))
		return ig_usage_error(o->cmd, "-o STATE is missing");
	if (!merging && o->args.n < 2)
		return ig_usage_error(o->cmd, "calibration data is missing (usage: intaglio calibrate MODEL DATA... -o STATE)");
	if (!ig_engine_list(o, "float", use))
		return IG_EXIT_USAGE;
	if (use[IG_ENGINE_REFERENCE] || use[IG_ENGINE_KIR] || use[IG_ENGINE_FLOAT] == use[IG_ENGINE_NATIVE])
		return ig_usage_error(o->cmd, "--engine of calibrate is float or native");
	if (merging && (ig_opt_given(o, IG_OPT_SAMPLES) || ig_opt_given(o, IG_OPT_QCONFIG) || ig_opt_given(o, IG_OPT_SELECT)))
		return ig_usage_error(o->cmd, "--merge adds whole states: it takes neither --samples nor --select nor --qconfig");
	ig_session_begin(&s, o);
	bool ok = merging ? merge(o, s.diag) : calibrate(&s);
	ig_session_close(&s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_OUTPUT, "the state to write"},
	{IG_OPT_MERGE, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_SELECT, "observe a diverse subset of N samples: each further one is the farthest from those taken; all when there are no more"},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_ENGINE, "what runs the float model: float (interpreted) or native (compiled); without it whichever takes less time; the state is the same"},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_calibrate = {
	.name = "calibrate",
	.args = "MODEL DATA... -o STATE",
	.summary = "observe the float model on samples, write the statistics",
	.text = "Runs the float model over the samples and writes the distributions of its values,\n"
	        "which 'compile', 'eval', 'compare', 'run' and 'inspect' take with --calibration.\n"
	        "DATA may also be states, which are added. A model with several inputs takes\n"
	        "input=F for each.\n"
	        "\n"
	        "With --merge all arguments are states: the sum is the same, byte for byte, as the\n"
	        "state of one run over all of their samples, in any order.\n",
	.examples = "  intaglio calibrate kws.ig calib.npy -o kws.state\n"
	            "  intaglio calibrate kws.ig calib.npy --samples 0:50 -o a.state\n"
	            "  intaglio calibrate kws.ig all.npy --select 200 -o kws.state\n"
	            "  intaglio calibrate --merge a.state b.state -o kws.state\n",
	.min_args = 1,
	.max_args = -1,
	.opts = opts,
	.run = run,
};
