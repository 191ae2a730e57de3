/* intaglio quantize-tensor: by hand what conversion does to each tensor: range, scale and zero point, integers, the numbers they stand for, the error. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/metrics.h"
#include "driver/npz.h"
#include "driver/report.h"
#include "frontend/dataset.h"
#include "passes/stats.h"
#include "runtime/qmath.h"

#define SHOWN 32 /* rows of the table of parameters */

struct part { /* elements that share a scale */
	float min, max, lo, hi, scale;
	int32_t zero;
	int64_t n, saturated;
	double signal, noise, worst;
};
struct work {
	const struct ig_opts *o;
	struct ig_diag *d;
	const char *path;
	struct ig_npy in;
	struct ig_qspec spec;
	int32_t qmin, qmax;
	bool ranged; /* --range: lo to hi */
	float lo, hi;
	int axis; /* -1: none */
	int64_t n, channels, inner, group, groups; /* groups: of a channel */
	float *x, *y;     /* the elements; what their integers stand for */
	int32_t *q;
	struct part *part; /* [channel][group] */
};

/* ---- what is asked for ---- */

static int one_of(const struct ig_opts *o, enum ig_opt id, const char *const *names, int n, int dflt)
{
	const char *v = ig_opt_str(o, id);
	for (int i = 0; v && i < n; i++)
		if (strcmp(names[i], v) == 0)
			return i;
	if (!v)
		return dflt;
	const char *near = ig_nearest(v, names, n);
	if (near)
		ig_usage_error(o->cmd, "'%s' is no value of --%s; did you mean '%s'?", v, ig_opt_table[id].name, near);
	else
		ig_usage_error(o->cmd, "'%s' is no value of --%s, which takes %s", v, ig_opt_table[id].name, ig_opt_table[id].help);
	return -1;
}

static bool parse_range(struct work *w, const char *text)
{
	char *end;
	double lo = strtod(text, &end), hi = 0;
	bool ok = end != text && *end == ':';
	if (ok) {
		const char *second = end + 1;
		hi = strtod(second, &end);
		ok = end != second && !*end;
	}
	w->lo = (float)lo;
	w->hi = (float)hi;
	w->ranged = true;
	if (ok && isfinite(w->lo) && isfinite(w->hi) && w->lo <= w->hi)
		return true;
	ig_usage_error(w->o->cmd, "option '--range' needs two numbers LO:HI with LO <= HI, such as -1:1, not '%s'", text);
	return false;
}

static bool read_options(struct work *w)
{
	static const char *const types[] = {"u8", "s8", "s16", "s4"};
	static const enum ig_dtype dtypes[] = {IG_DT_U8, IG_DT_S8, IG_DT_S16, IG_DT_S4};
	const struct ig_opts *o = w->o;
	int type = one_of(o, IG_OPT_DTYPE, types, 4, 0);
	int scheme = type < 0 ? -1 : one_of(o, IG_OPT_SCHEME, ig_scheme_names, IG_SCHEME_COUNT, type == 0 ? IG_SCHEME_AFFINE : IG_SCHEME_SYMMETRIC);
	int observer = scheme < 0 ? -1 : one_of(o, IG_OPT_OBSERVER, ig_observer_names, IG_OBS_FIXED, IG_OBS_MINMAX);
	if (observer < 0)
		return false;
	w->spec = ig_qconfig_preset("default")->act; /* the defaults of observers' arguments */
	w->spec.dtype = dtypes[type];
	w->spec.scheme = (enum ig_scheme)scheme;
	w->spec.observer = (enum ig_observer)observer;
	ig_qspec_limits(&w->spec, &w->qmin, &w->qmax);
	w->axis = ig_opt_given(o, IG_OPT_PER_CHANNEL) ? (int)(o->number[IG_OPT_PER_CHANNEL] > 99 ? 99 : o->number[IG_OPT_PER_CHANNEL]) : -1;
	if (!ig_opt_given(o, IG_OPT_RANGE))
		return true;
	if (ig_opt_given(o, IG_OPT_OBSERVER)) {
		ig_usage_error(o->cmd, "--range stands in for an observer: give one of --range and --observer");
		return false;
	}
	return parse_range(w, ig_opt_str(o, IG_OPT_RANGE));
}

/* ---- the tensor ---- */

static bool refuse(struct work *w, const char *what)
{
	ig_error(w->d, ig_loc_file(w->d, w->path), "%s", what);
	return false;
}

static bool check_tensor(struct work *w)
{
	const struct ig_npy *a = &w->in;
	if (a->dtype != IG_NPY_F16 && a->dtype != IG_NPY_F32 && a->dtype != IG_NPY_F64 && a->dtype != IG_NPY_U8)
		return refuse(w, "only float16, float32, float64 and uint8 arrays can be quantized");
	if (a->rank > IG_MAX_RANK)
		return refuse(w, "the array has more than 6 axes");
	if (w->axis >= a->rank) {
		ig_error(w->d, ig_loc_file(w->d, w->path), "--per-channel %s: the array has %d axes, counted from 0", ig_opt_str(w->o, IG_OPT_PER_CHANNEL), a->rank);
		return false;
	}
	w->n = w->channels = w->inner = 1;
	for (int i = 0; i < a->rank; i++) {
		w->n *= a->dim[i]; /* of data that is in memory, and not empty: no overflow */
		if (i > w->axis)
			w->inner *= a->dim[i];
	}
	if (w->axis >= 0)
		w->channels = a->dim[w->axis];
	else
		w->inner = w->n;
	int64_t per = w->n / w->channels;
	w->group = ig_opt_given(w->o, IG_OPT_GROUP) && w->o->number[IG_OPT_GROUP] < per ? w->o->number[IG_OPT_GROUP] : per;
	w->groups = (per + w->group - 1) / w->group;
	return true;
}

static bool read_tensor(struct work *w)
{
	w->x = ig_xcalloc((size_t)w->n, sizeof *w->x);
	w->y = ig_xcalloc((size_t)w->n, sizeof *w->y);
	w->q = ig_xcalloc((size_t)w->n, sizeof *w->q);
	w->part = ig_xcalloc((size_t)(w->channels * w->groups), sizeof *w->part);
	for (int64_t i = 0; i < w->n; i++) {
		w->x[i] = ig_npy_float(&w->in, i);
		if (!isfinite(w->x[i])) {
			ig_error(w->d, ig_loc_file(w->d, w->path), "element %" PRId64 " is %s; numbers must be finite to be quantized", i,
			         isnan(w->x[i]) ? "NaN" : "an infinity (or a number beyond float32)");
			return false;
		}
	}
	return true;
}

/* Where element k of channel c is. */
static int64_t place(const struct work *w, int64_t c, int64_t k) { return (k / w->inner * w->channels + c) * w->inner + k % w->inner; }

/* ---- quantization ---- */

/* A distribution that has seen nothing, for another part: its memory is used again. */
static void forget(struct ig_stat *st)
{
	memset(st->bin, 0, (IG_HIST_SPARE + (size_t)st->n_bins) * sizeof *st->bin);
	st->count = st->zeros = st->nans = st->infs = 0;
	st->min = INFINITY;
	st->max = -INFINITY;
	st->avg_min = st->avg_max = NAN;
	st->n_bins = 0;
}

static void choose(struct work *w, struct part *p, struct ig_stat *st, const float *x)
{
	forget(st);
	ig_stat_add(st, x, p->n);
	p->min = st->min;
	p->max = st->max;
	p->lo = w->lo;
	p->hi = w->hi;
	if (!w->ranged && !ig_range(st, &w->spec, &p->lo, &p->hi))
		IG_BUG("no range of %" PRId64 " finite numbers", p->n);
	ig_qspec_params(&w->spec, p->lo, p->hi, &p->scale, &p->zero);
}

static void quantize(struct work *w, struct part *p, int64_t channel, int64_t first)
{
	float below = (float)(w->qmin - p->zero) - 0.5f, above = (float)(w->qmax - p->zero) + 0.5f;
	for (int64_t k = first; k < first + p->n; k++) {
		int64_t i = place(w, channel, k);
		float x = w->x[i], steps = x / p->scale;
		w->q[i] = ig_quantize(x, p->scale, p->zero, w->qmin, w->qmax);
		w->y[i] = ig_dequantize(w->q[i], p->scale, p->zero);
		double e = fabs((double)w->y[i] - (double)x);
		p->signal += (double)x * (double)x;
		p->noise += e * e;
		p->worst = e > p->worst ? e : p->worst;
		p->saturated += steps < below || steps > above;
	}
}

static void quantize_all(struct work *w)
{
	struct ig_stats *all = ig_stats_new(0);
	struct ig_stat *st = ig_stats_get(all, "");
	float *x = ig_xcalloc((size_t)w->group, sizeof *x);
	st->has_average = true;
	st->averaging = (float)w->spec.averaging;
	for (int64_t c = 0; c < w->channels; c++)
		for (int64_t g = 0; g < w->groups; g++) {
			struct part *p = &w->part[c * w->groups + g];
			int64_t first = g * w->group, left = w->n / w->channels - first;
			p->n = left < w->group ? left : w->group;
			for (int64_t k = 0; k < p->n; k++)
				x[k] = w->x[place(w, c, first + k)];
			choose(w, p, st, x);
			quantize(w, p, c, first);
		}
	free(x);
	ig_stats_free(all);
}

/* ---- files ---- */

/* The integers in the type of the file; a byte holds an s4. In place: no type is wider than int32. */
static enum ig_dtype narrow(struct work *w)
{
	for (int64_t i = 0; i < w->n; i++) {
		int32_t v = w->q[i];
		if (w->spec.dtype == IG_DT_S16)
			memcpy((char *)w->q + 2 * i, &(int16_t){(int16_t)v}, 2);
		else
			((uint8_t *)w->q)[i] = (uint8_t)v;
	}
	return w->spec.dtype == IG_DT_S4 ? IG_DT_S8 : w->spec.dtype;
}

static bool write_npz(struct work *w, const char *path, enum ig_dtype type)
{
	int64_t parts = w->channels * w->groups;
	float *scale = ig_xcalloc((size_t)parts, sizeof *scale);
	int32_t *zero = ig_xcalloc((size_t)parts, sizeof *zero);
	size_t n = (size_t)w->n;
	struct ig_array a[4] = {{.name = "quantized", .dtype = type, .rank = w->in.rank, .data = w->q, .bytes = n * (size_t)ig_dtypes[type].bits / 8},
	                        {.name = "scale", .dtype = IG_DT_F32, .data = scale, .bytes = (size_t)parts * sizeof *scale},
	                        {.name = "zero_point", .dtype = IG_DT_I32, .data = zero, .bytes = (size_t)parts * sizeof *zero},
	                        {.name = "dequantized", .dtype = IG_DT_F32, .rank = w->in.rank, .data = w->y, .bytes = n * sizeof *w->y}};
	for (int i = 0; i < w->in.rank; i++)
		a[0].dim[i] = a[3].dim[i] = w->in.dim[i];
	for (int k = 1; k < 3; k++) { /* [channels][groups], without the axes that are not asked for */
		if (w->axis >= 0)
			a[k].dim[a[k].rank++] = w->channels;
		if (ig_opt_given(w->o, IG_OPT_GROUP))
			a[k].dim[a[k].rank++] = w->groups;
	}
	for (int64_t i = 0; i < parts; i++) {
		scale[i] = w->part[i].scale;
		zero[i] = w->part[i].zero;
	}
	bool ok = ig_npz_write(path, a, 4, w->d);
	free(scale);
	free(zero);
	return ok;
}

static bool write_files(struct work *w)
{
	const char *path = ig_opt_str(w->o, IG_OPT_OUTPUT), *real = ig_opt_str(w->o, IG_OPT_DEQUANTIZED);
	size_t len = strlen(path);
	enum ig_dtype type = narrow(w);
	bool ok = len > 4 && strcmp(path + len - 4, ".npz") == 0 ? write_npz(w, path, type) : ig_npy_write(path, type, w->in.rank, w->in.dim, w->q, w->d);
	return ok && (!real || ig_npy_write(real, IG_DT_F32, w->in.rank, w->in.dim, w->y, w->d));
}

/* ---- report ---- */

static struct part whole(const struct work *w)
{
	struct part all = {.min = INFINITY, .max = -INFINITY};
	for (int64_t i = 0; i < w->channels * w->groups; i++) {
		const struct part *p = &w->part[i];
		all.min = fminf(all.min, p->min);
		all.max = fmaxf(all.max, p->max);
		all.n += p->n;
		all.saturated += p->saturated;
		all.signal += p->signal;
		all.noise += p->noise;
		all.worst = fmax(all.worst, p->worst);
	}
	return all;
}

static void json_errors(json_t *to, const struct part *p)
{
	json_object_set_new(to, "min", ig_json_share((double)p->min));
	json_object_set_new(to, "max", ig_json_share((double)p->max));
	json_object_set_new(to, "max_error", ig_json_share(p->worst));
	json_object_set_new(to, "mse", ig_json_share(p->noise / (double)p->n));
	json_object_set_new(to, "sqnr_db", ig_json_share(ig_decibel(p->signal, p->noise)));
	json_object_set_new(to, "saturated", ig_json_share((double)p->saturated / (double)p->n));
}

static void report_json(const struct work *w)
{
	json_t *root = json_object(), *list = json_array();
	struct part all = whole(w);
	json_object_set_new(root, "tensor", json_string(w->path));
	json_object_set_new(root, "shape", ig_json_shape(w->in.rank, w->in.dim));
	json_object_set_new(root, "dtype", json_string(ig_dtypes[w->spec.dtype].name));
	json_object_set_new(root, "scheme", json_string(ig_scheme_names[w->spec.scheme]));
	json_object_set_new(root, "observer", w->ranged ? json_null() : json_string(ig_observer_names[w->spec.observer]));
	json_object_set_new(root, "qmin", json_integer(w->qmin));
	json_object_set_new(root, "qmax", json_integer(w->qmax));
	json_errors(root, &all);
	for (int64_t i = 0; i < w->channels * w->groups; i++) {
		const struct part *p = &w->part[i];
		json_t *o = json_object();
		if (w->axis >= 0)
			json_object_set_new(o, "channel", json_integer(i / w->groups));
		if (w->groups > 1)
			json_object_set_new(o, "group", json_integer(i % w->groups));
		json_object_set_new(o, "low", ig_json_share((double)p->lo));
		json_object_set_new(o, "high", ig_json_share((double)p->hi));
		json_object_set_new(o, "scale", ig_json_share((double)p->scale));
		json_object_set_new(o, "zero_point", json_integer(p->zero));
		json_errors(o, p);
		json_array_append_new(list, o);
	}
	json_object_set_new(root, "parameters", list);
	ig_json_print(root, stdout);
}

static void cell_decibel(struct ig_table *t, double db)
{
	if (isinf(db))
		ig_table_cell(t, "%s", db > 0 ? "exact" : "-inf");
	else
		ig_table_cell(t, "%.2f", db);
}

static void report_text(const struct work *w)
{
	static const char *const titles[] = {"", ">minimum", ">maximum", ">range from", ">to", ">scale", ">zero point", ">SQNR dB", ">saturated"};
	int64_t parts = w->channels * w->groups;
	struct part all = whole(w);
	struct ig_table *t = ig_table_new(titles, 9);
	for (int64_t i = 0; i < parts && i < SHOWN; i++) {
		const struct part *p = &w->part[i];
		if (w->axis >= 0 && w->groups > 1)
			ig_table_cell(t, "channel %" PRId64 " group %" PRId64, i / w->groups, i % w->groups);
		else
			ig_table_cell(t, parts == 1 ? "tensor" : w->axis >= 0 ? "channel %" PRId64 : "group %" PRId64, i);
		ig_table_cell(t, "%.6g", (double)p->min);
		ig_table_cell(t, "%.6g", (double)p->max);
		ig_table_cell(t, "%.6g", (double)p->lo);
		ig_table_cell(t, "%.6g", (double)p->hi);
		ig_table_cell(t, "%.9g", (double)p->scale);
		ig_table_cell(t, "%d", p->zero);
		cell_decibel(t, ig_decibel(p->signal, p->noise));
		ig_table_cell(t, "%.3f %%", 100 * (double)p->saturated / (double)p->n);
	}
	printf("%s: %" PRId64 " elements to %s, %d to %d, %s, range by %s\n\n", w->path, w->n, ig_dtypes[w->spec.dtype].name, w->qmin, w->qmax,
	       ig_scheme_names[w->spec.scheme], w->ranged ? "--range" : ig_observer_names[w->spec.observer]);
	ig_table_print(t, stdout);
	ig_table_free(t);
	if (parts > SHOWN)
		printf("... and %" PRId64 " more, which --json shows\n", parts - SHOWN);
	printf("\nlargest error       %.6g\nmean squared error  %.6g\n", all.worst, all.noise / (double)all.n);
	double db = ig_decibel(all.signal, all.noise);
	if (isinf(db))
		printf("SQNR                %s\n", db > 0 ? "exact" : "-inf");
	else
		printf("SQNR                %.2f dB\n", db);
	printf("saturated           %.3f %%\n", 100 * (double)all.saturated / (double)all.n);
}

/* ---- the command ---- */

static int run(const struct ig_opts *o)
{
	struct work w = {.o = o, .path = o->args.v[0]};
	if (!ig_opt_given(o, IG_OPT_OUTPUT))
		return ig_usage_error(o->cmd, "-o OUT is missing (OUT.npy for the integers, OUT.npz for integers, scales and zero points)");
	if (!read_options(&w))
		return IG_EXIT_USAGE;
	w.d = ig_diag_new(stderr, ig_opt_given(o, IG_OPT_JSON));
	bool opened = ig_npy_open(w.path, &w.in, w.d), ok = opened && check_tensor(&w) && read_tensor(&w);
	if (ok) {
		quantize_all(&w);
		ok = write_files(&w);
	}
	if (ok && ig_opt_given(o, IG_OPT_JSON))
		report_json(&w);
	else if (ok && !ig_opt_given(o, IG_OPT_QUIET))
		report_text(&w);
	ok = ok && ig_stdout_check(w.d);
	if (opened)
		ig_npy_close(&w.in);
	free(w.x);
	free(w.y);
	free(w.q);
	free(w.part);
	ig_diag_free(w.d);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DTYPE, "u8 (the default), s8, s16 or s4 (a byte each)"},
	{IG_OPT_SCHEME, "affine (the default of u8), symmetric (the default of the others) or power_of_two"},
	{IG_OPT_OBSERVER, "minmax (the default), moving_average, histogram, mse, percentile or entropy"},
	{IG_OPT_RANGE, NULL},
	{IG_OPT_PER_CHANNEL, NULL},
	{IG_OPT_GROUP, NULL},
	{IG_OPT_OUTPUT, "the integers (.npy), or with a name in .npz also scale, zero_point and dequantized"},
	{IG_OPT_DEQUANTIZED, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, "no summary"},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_quantize_tensor = {
	.name = "quantize-tensor",
	.args = "FILE.npy -o OUT",
	.summary = "one tensor: range, scale and zero point, integers, error",
	.text = "Quantizes the numbers of an array as conversion quantizes those of a model: the\n"
	        "observer's range, scale and zero point by the scheme, integers, and back. Prints\n"
	        "the parameters and the error: largest, mean squared, signal to quantization noise,\n"
	        "and the share of elements that were clipped.\n",
	.examples = "  intaglio quantize-tensor x.npy --observer mse -o xq.npy --dequantized xd.npy\n"
	            "  intaglio quantize-tensor w.npy --dtype s8 --per-channel 0 -o wq.npz\n"
	            "  intaglio quantize-tensor w.npy --dtype s4 --per-channel 0 --group 32 -o wq.npz\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
