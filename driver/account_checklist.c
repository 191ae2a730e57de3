/* The deployment checklist, filled in from the other parts of the report. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "driver/account.h"

#define MUCH_CLIPPED 0.01 /* a share of a value's elements that calibration itself saw beyond the chosen range */
#define FEW_SAMPLES 100

static void item(json_t *list, const char *name, const char *state, const char *fmt, ...) IG_PRINTF(4, 5);
static void item(json_t *list, const char *name, const char *state, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_t *o = json_object();
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "text", json_stringn_nocheck(text, strlen(text)));
	json_array_append_new(list, o);
}

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

static void accuracy(json_t *list, const json_t *eval)
{
	const char *verdict = json_string_value(json_object_get(eval, "verdict"));
	const json_t *engines = json_object_get(eval, "engines");
	const char *metric = json_string_value(json_object_get(eval, "metric"));
	double loss = number(eval, "loss"), agreement = number(eval, "agreement");
	bool good = verdict && strcmp(verdict, "pass") == 0;
	double flt = metric ? number(json_object_get(engines, "float"), metric) : NAN;
	if (isnan(loss) || isnan(flt))
		item(list, "Accuracy", good ? "warn" : "fail", "%.2f %% agreement with float in %lld samples; without labels the loss is not known", 100 * agreement,
		     (long long)json_integer_value(json_object_get(eval, "samples")));
	else
		item(list, "Accuracy", good ? "pass" : "fail", "%s %.6g of float becomes %.6g (loss %.2f %%), %.2f %% agreement with float", metric, flt,
		     number(json_object_get(engines, "reference"), metric), 100 * loss, 100 * agreement);
	const json_t *differing = json_object_get(json_object_get(engines, "native"), "differing_bytes");
	bool same = json_integer_value(differing) == 0;
	item(list, "Same bytes", same ? "pass" : "fail", "the compiled object %s the reference interpreter%s", same ? "gives the bytes of" : "differs from",
	     same ? " in every sample" : "");
}

static void speed(json_t *list, const json_t *root)
{
	double quantized = number(json_object_get(json_object_get(root, "bench"), "latency_ms"), "median");
	double flt = number(json_object_get(json_object_get(root, "bench_float"), "latency_ms"), "median");
	if (isnan(quantized) || isnan(flt))
		item(list, "Speed", "open", "not measured: report --bench times the compiled model and its float form");
	else
		item(list, "Speed", quantized <= flt ? "pass" : "warn",
		     "%.4f ms a call, %.2f times as fast as the float object (%.4f ms)", quantized, flt / quantized, flt);
}

static void calibration(json_t *list, const struct ig_session *s, const json_t *values, int warnings)
{
	const char *worst = NULL;
	double most = 0;
	size_t i;
	const json_t *v;
	json_array_foreach(values, i, v) {
		double clipped = number(v, "clipped");
		if (clipped > most) {
			most = clipped;
			worst = json_string_value(json_object_get(v, "name"));
		}
	}
	if (!s->stats) {
		item(list, "Calibration", "pass", "none is needed: no layer is quantized by statistics");
		return;
	}
	bool few = s->stats->samples < FEW_SAMPLES, good = !few && most <= MUCH_CLIPPED && !warnings;
	item(list, "Calibration", good ? "pass" : "warn",
	     "%" PRIu64 " samples%s; most clipped: %s, %.3f %% of its elements; %d warning%s of this run on standard error", s->stats->samples,
	     few ? " (fewer than 100)" : "", worst ? worst : "nothing", 100 * most, warnings, warnings == 1 ? "" : "s");
}

static void edges(json_t *list, const json_t *cases)
{
	size_t i;
	const json_t *c;
	int differ = 0, infected = 0;
	json_array_foreach(cases, i, c) {
		differ += !json_boolean_value(json_object_get(c, "native_same"));
		infected += json_integer_value(json_object_get(json_object_get(c, "quantized"), "nonfinite")) > 0;
	}
	int all = (int)json_array_size(cases);
	item(list, "Edge cases", differ ? "fail" : infected ? "warn" : "pass", "%d inputs of zeros, extremes%s: the compiled object %s; outputs are finite in %d of them", all,
	     all > 4 ? ", NaN and infinities" : "", differ ? "differs from the reference" : "gives the reference's bytes in all", all - infected);
}

static bool same_port(const struct ig_graph *a, struct ig_vid x, const struct ig_graph *b, struct ig_vid y)
{
	const struct ig_type *s = ig_vtype(a, x), *t = ig_vtype(b, y);
	return s->dtype == t->dtype && ig_type_same_shape(s, t);
}

/* The float object can stand in for the quantized one when a caller sees no difference. */
static void rollback(json_t *list, const struct ig_session *s)
{
	const struct ig_graph *f = s->flt, *q = s->quant;
	bool same = f->n_inputs == q->n_inputs && f->n_outputs == q->n_outputs;
	for (int i = 0; same && i < f->n_inputs; i++)
		same = same_port(f, f->input[i], q, q->input[i]);
	for (int i = 0; same && i < f->n_outputs; i++)
		same = same_port(f, f->output[i], q, q->output[i]) && strcmp(f->output_name[i], q->output_name[i]) == 0;
	if (same)
		item(list, "Rollback", "pass",
		     "the float object has the same inputs and outputs: compile with --qconfig of a file `quantize { default skip }` and link it instead");
	else
		item(list, "Rollback", "warn", "the float object's inputs or outputs have other types: a caller has to change with it");
}

json_t *ig_account_checklist(const struct ig_session *s, const json_t *root, int warnings)
{
	json_t *list = json_array();
	accuracy(list, json_object_get(root, "eval"));
	speed(list, root);
	calibration(list, s, json_object_get(root, "values"), warnings);
	edges(list, json_object_get(root, "edges"));
	rollback(list, s);
	return list;
}
