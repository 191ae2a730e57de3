/* intaglio inspect: what is in a file. */
#include <stdlib.h>
#include <string.h>

#include "driver/elf_file.h"
#include "driver/inspect.h"
#include "driver/report.h"

static bool explain(struct ig_session *s, FILE *out)
{
	const char *layer = ig_opt_str(s->o, IG_OPT_EXPLAIN);
	if (!ig_opt_given(s->o, IG_OPT_JSON))
		return ig_explain(s->flt, s->qconfig, layer, out, s->diag);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	if (!f)
		IG_BUG("no memory stream");
	bool ok = ig_explain(s->flt, s->qconfig, layer, f, s->diag);
	fclose(f);
	if (ok) {
		json_t *root = json_object();
		json_object_set_new(root, "layer", json_string(layer));
		json_object_set_new(root, "explanation", json_string(text));
		ig_json_print(root, out);
	}
	free(text);
	return ok;
}

static bool inspect_model(struct ig_session *s, const char *path, FILE *out)
{
	const struct ig_opts *o = s->o;
	bool memory = ig_opt_given(o, IG_OPT_MEMORY);
	if (!ig_session_load(s, path) || !ig_session_float(s))
		return false;
	if (ig_opt_given(o, IG_OPT_EXPLAIN))
		return explain(s, out);
	if (!memory && !ig_opt_given(o, IG_OPT_CALIBRATION) && s->flt->stage != IG_STAGE_QUANTIZED && !s->given)
		return ig_inspect_model(s, out);
	if (!ig_session_stats(s) || !ig_session_quantize(s))
		return false;
	return memory ? ig_inspect_memory(s, out) : ig_inspect_quantized(s, out);
}

static bool inspect(struct ig_session *s, const char *path, FILE *out)
{
	static const enum ig_opt for_models[] = {IG_OPT_EXPLAIN, IG_OPT_MEMORY, IG_OPT_CALIBRATION, IG_OPT_QCONFIG};
	bool state = ig_stats_is_state(path), object = !state && ig_elf_is(path);
	bool tensors = ig_ends_with(path, ".npy") || ig_ends_with(path, ".npz") || ig_ends_with(path, ".safetensors");
	if (!state && !object && !tensors)
		return inspect_model(s, path, out);
	for (size_t i = 0; i < IG_COUNTOF(for_models); i++)
		if (ig_opt_given(s->o, for_models[i])) {
			ig_error(s->diag, ig_loc_file(s->diag, path), "--%s is for models; this is %s", ig_opt_table[for_models[i]].name,
			         state ? "a calibration state" : object ? "an object file" : "a file of tensors");
			return false;
		}
	if (state)
		return ig_inspect_state(s->o, s->diag, path, out);
	return object ? ig_inspect_object(s->o, s->diag, path, out) : ig_inspect_tensors(s->o, s->diag, path, out);
}

static int run(const struct ig_opts *o)
{
	struct ig_session s;
	struct ig_out out;
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	if (ig_opt_given(o, IG_OPT_EXPLAIN) && ig_opt_given(o, IG_OPT_MEMORY))
		return ig_usage_error(o->cmd, "--explain and --memory exclude each other");
	ig_session_begin(&s, o);
	s.ctx.effects = s.effects;
	bool ok = ig_out_open(&out, o, s.diag);
	if (ok) {
		ok = inspect(&s, o->args.v[0], out.f);
		if (ok)
			ok = ig_out_close(&out);
		else
			ig_out_abort(&out);
	}
	ig_session_close(&s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_EXPLAIN, NULL},
	{IG_OPT_MEMORY, NULL},
	{IG_OPT_ROW_FUSION, NULL},
	{IG_OPT_CALIBRATION, "show the quantized model that this calibration gives (data or a state)"},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_OUTPUT, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_inspect = {
	.name = "inspect",
	.args = "FILE",
	.summary = "what is in a model, a calibration state, an object or a tensor file",
	.text = "Of a model: its layers with shapes, multiply-accumulates, weight bytes, and the rule\n"
	        "of the quantize block that decides for each; with --calibration the quantized layers\n"
	        "with their parameters. Of a state: what was seen of each value. Of a compiled object:\n"
	        "its descriptor, sections and symbols. Of .npy, .npz and .safetensors: the tensors.\n",
	.examples = "  intaglio inspect kws.ig\n"
	            "  intaglio inspect kws.ig --explain /conv3\n"
	            "  intaglio inspect kws.ig --calibration kws.state --memory\n"
	            "  intaglio inspect kws.o\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
