/* What the models answer to inputs at the edge: everything zero, at the ends of what calibration saw, beyond them, not a number. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/account.h"
#include "driver/engine.h"

enum { ZEROS, LEAST, MOST, LOWEST, HIGHEST, NOT_A_NUMBER, INFINITE, MINUS_INFINITE, ALTERNATING, CASES };
static const char *const names[CASES] = {
	"zeros", "least calibrated value", "largest calibrated value", "lowest of the type", "highest of the type",
	"NaN", "infinity", "-infinity", "lowest and highest in turn",
};

/* The number that fills an input in a case; false: the type has no such number. */
static bool fill_of(const struct ig_session *s, struct ig_vid input, int k, double *x)
{
	const struct ig_value *v = ig_value(s->flt, input);
	const struct ig_dtype_info *t = &ig_dtypes[v->type.dtype];
	const struct ig_stat *st = s->stats ? ig_stats_find(s->stats, v->name) : NULL;
	bool f32 = v->type.dtype == IG_DT_F32;
	double lowest = f32 ? -FLT_MAX : t->is_signed ? -ldexp(1, t->bits - 1) : 0, highest = f32 ? FLT_MAX : ldexp(1, t->bits - t->is_signed) - 1;
	if (!f32 && (t->is_float || t->bits > 32))
		return false;
	switch (k) {
	case ZEROS: *x = 0; return true;
	case LEAST: *x = st ? (double)st->min : 0; return f32 && st && st->min <= st->max;
	case MOST: *x = st ? (double)st->max : 0; return f32 && st && st->min <= st->max;
	case LOWEST: *x = lowest; return true;
	case ALTERNATING:
	case HIGHEST: *x = highest; return true;
	case NOT_A_NUMBER: *x = NAN; return f32;
	case INFINITE: *x = INFINITY; return f32;
	case MINUS_INFINITE: *x = -INFINITY; return f32;
	}
	return false;
}

static void fill(const struct ig_type *t, double x, double other, void *to)
{
	size_t size = (size_t)ig_dtypes[t->dtype].bits / 8;
	for (int64_t i = 0, n = ig_elems(t); i < n; i++) {
		double v = i & 1 ? other : x;
		if (t->dtype == IG_DT_F32)
			((float *)to)[i] = (float)v;
		else
			memcpy((char *)to + (size_t)i * size, &(int64_t){(int64_t)v}, size); /* little endian, as all targets are */
	}
}

static json_t *answer_json(const struct ig_engine *e)
{
	json_t *o = json_object();
	const struct ig_graph *g = ig_engine_graph(e);
	int64_t nonfinite = 0, best = 0;
	for (int k = 0; k < g->n_outputs; k++) {
		const struct ig_type *t = ig_vtype(g, g->output[k]);
		int64_t n = ig_elems(t);
		float *x = ig_xcalloc((size_t)n + 1, sizeof *x);
		ig_tensor_floats(g, t, ig_engine_output(e, k), x);
		for (int64_t i = 0; i < n; i++) {
			nonfinite += !isfinite(x[i]);
			if (k == 0 && (x[i] > x[best] || (x[best] != x[best] && x[i] == x[i])))
				best = i;
		}
		free(x);
	}
	json_object_set_new(o, "answer", json_integer(best));
	json_object_set_new(o, "nonfinite", json_integer(nonfinite));
	return o;
}

static bool same_bytes(const struct ig_engine *a, const struct ig_engine *b)
{
	const struct ig_graph *g = ig_engine_graph(a);
	for (int k = 0; k < g->n_outputs; k++)
		if (memcmp(ig_engine_output(a, k), ig_engine_output(b, k), ig_type_size(ig_vtype(g, g->output[k]))) != 0)
			return false;
	return true;
}

struct edges {
	struct ig_session *s;
	struct ig_engine *flt, *quant, *native;
	void **in;
};

/* The case as JSON, JSON null when the inputs' types have no such numbers, NULL when an engine refused. */
static json_t *run_case(struct edges *e, int k)
{
	const struct ig_graph *g = e->s->flt;
	for (int i = 0; i < g->n_inputs; i++) {
		double x, other;
		if (!fill_of(e->s, g->input[i], k, &x) || !fill_of(e->s, g->input[i], LOWEST, &other))
			return json_null();
		fill(ig_vtype(g, g->input[i]), x, k == ALTERNATING ? other : x, e->in[i]);
	}
	const void *const *in = (const void *const *)e->in;
	if (!ig_engine_run(e->flt, in) || !ig_engine_run(e->quant, in) || !ig_engine_run(e->native, in))
		return NULL;
	json_t *o = json_object();
	json_object_set_new(o, "input", json_string(names[k]));
	json_object_set_new(o, "float", answer_json(e->flt));
	json_object_set_new(o, "quantized", answer_json(e->quant));
	json_object_set_new(o, "native_same", json_boolean(same_bytes(e->quant, e->native)));
	return o;
}

static json_t *run_cases(struct edges *e)
{
	json_t *list = json_array();
	for (int k = 0; k < CASES; k++) {
		json_t *o = run_case(e, k);
		if (!o) {
			json_decref(list);
			return NULL;
		}
		if (json_is_null(o))
			json_decref(o);
		else
			json_array_append_new(list, o);
	}
	return list;
}

json_t *ig_account_edges(struct ig_session *s)
{
	static const bool use[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true, [IG_ENGINE_REFERENCE] = true, [IG_ENGINE_NATIVE] = true};
	struct ig_machine m;
	struct edges e = {.s = s};
	const struct ig_graph *g = s->flt;
	json_t *list = NULL;
	e.in = ig_xcalloc((size_t)g->n_inputs + 1, sizeof *e.in);
	for (int i = 0; i < g->n_inputs; i++)
		e.in[i] = ig_xaligned(ig_type_size(ig_vtype(g, g->input[i])));
	if (ig_machine_begin(&m, s, use, false, IG_NEVER) && (e.flt = ig_engine_new(&m, IG_ENGINE_FLOAT)) &&
	    (e.quant = ig_engine_new(&m, IG_ENGINE_REFERENCE)) && (e.native = ig_engine_new(&m, IG_ENGINE_NATIVE)))
		list = run_cases(&e);
	ig_engine_free(e.flt);
	ig_engine_free(e.quant);
	ig_engine_free(e.native);
	ig_machine_end(&m);
	for (int i = 0; i < g->n_inputs; i++)
		free(e.in[i]);
	free(e.in);
	return list;
}
