/* intaglio bench: how long the compiled model takes here, and how far each layer is from what this CPU can do. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "driver/callmem.h"
#include "driver/peak.h"
#include "driver/report.h"
#include "driver/session.h"
#include "driver/timing.h"
#include "ir/dynamic.h"
#include "runtime/ig_runtime.h"

#define SECONDS 2.0       /* of timed calls, unless their number is given */
#define WARM_SECONDS 0.3
#define LEAST_CALLS 30
#define MOST_CALLS 200000

struct layer { /* a kernel; with several threads a region */
	int first, n_funcs, parts;
	const char *name;
	int64_t macs;
	double seconds;
	double limit; /* seconds that the CPU's peak, or the memory, needs at least */
	const char *bound;
};

struct bench {
	struct ig_session s;
	struct kir_module *m;
	struct ig_program *program;
	struct ig_peak peak;
	struct ig_callmem mem;
	double *calls;
	int64_t n_calls;
	struct layer *layer;
	int n_layers;
};

static bool make_buffers(struct bench *b)
{
	struct ig_dataset *ds = NULL;
	if (ig_opt_given(b->s.o, IG_OPT_DATA) && !(ds = ig_session_data(&b->s, false)))
		return false;
	ig_callmem_begin(&b->mem, b->s.quant, b->m->arena_bytes, ds ? ig_dataset_sample(ds, 0) : NULL);
	if (b->m->threads > 1)
		b->mem.pool = ig_pool_new(b->m->threads);
	if (ds)
		ig_dataset_free(ds);
	return true;
}

/* ---- measuring ---- */

static void time_calls(struct bench *b, struct ig_native *n)
{
	double start = ig_peak_clock(), end = start + WARM_SECONDS;
	int64_t warm = 0;
	do {
		ig_callmem_run(&b->mem, n);
		warm++;
	} while (ig_peak_clock() < end);
	double each = (ig_peak_clock() - start) / (double)warm, fit = SECONDS / each;
	b->n_calls = fit < LEAST_CALLS ? LEAST_CALLS : fit > MOST_CALLS ? MOST_CALLS : (int64_t)fit;
	if (ig_opt_given(b->s.o, IG_OPT_CALLS))
		b->n_calls = b->s.o->number[IG_OPT_CALLS];
	b->calls = ig_xcalloc((size_t)b->n_calls, sizeof *b->calls);
	for (int64_t i = 0; i < b->n_calls; i++) {
		start = ig_peak_clock();
		ig_callmem_run(&b->mem, n);
		b->calls[i] = ig_peak_clock() - start;
	}
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return a < b ? -1 : a > b;
}

/* v must be sorted; p in 0..1. */
static double percentile(const double *v, int64_t n, double p)
{
	double at = p * (double)(n - 1);
	int64_t i = (int64_t)at;
	return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[n - 1];
}

/* Regions are named after their layers, each once. */
static void name_layer(struct bench *b, struct layer *l)
{
	const char *name = b->m->func[l->first]->layer;
	for (int i = l->first; i < l->first + l->n_funcs; i++) {
		const struct kir_func *f = b->m->func[i];
		bool seen = false;
		l->macs += f->macs;
		for (int k = l->first; k < i && !seen; k++)
			seen = strcmp(b->m->func[k]->layer, f->layer) == 0;
		if (!seen && i > l->first)
			name = ig_arena_printf(b->m->arena, "%s + %s", name, f->layer);
	}
	l->name = name;
}

static void list_layers(struct bench *b)
{
	b->layer = ig_xcalloc((size_t)b->m->n_funcs + 1, sizeof *b->layer);
	for (int i = 0, end; i < b->m->n_funcs; i = end) {
		end = b->m->threads > 1 ? kir_region_end(b->m, i) : i + 1;
		struct layer *l = &b->layer[b->n_layers++];
		*l = (struct layer){.first = i, .n_funcs = end - i, .parts = b->m->threads > 1 ? b->m->func[end - 1]->part + 1 : 1};
		name_layer(b, l);
	}
}

static bool profile(struct bench *b)
{
	list_layers(b);
	double *seconds = ig_xcalloc((size_t)b->n_layers + 1, sizeof *seconds);
	bool ok = ig_timing_kernels(b->program, &b->mem, b->n_layers, b->n_calls, seconds, b->s.diag);
	for (int i = 0; i < b->n_layers; i++)
		b->layer[i].seconds = seconds[i];
	free(seconds);
	return ok;
}

/* ---- limits ---- */

static bool is_float(const struct bench *b, const struct kir_func *f)
{
	const struct ig_node *n = f->node.i >= 0 ? ig_node(b->s.quant, f->node) : NULL;
	return n && n->n_in > 1 && ig_vtype(b->s.quant, n->in[0])->dtype == IG_DT_F32 && !ig_dynamic_levels(n); /* whatever its weights are stored in */
}

/* Constants come from where all of the model's memory fits, activations from where those of this layer fit. Peaks are those of one core. */
static void find_limit(struct bench *b, struct layer *l)
{
	const struct kir_module *m = b->m;
	bool *seen = ig_xcalloc((size_t)m->n_bufs + 1, sizeof *seen);
	int64_t constants = 0, others = 0;
	double product = 0;
	bool flt = false;
	for (int i = l->first; i < l->first + l->n_funcs; i++) {
		const struct kir_func *f = m->func[i];
		ig_func_bytes(b->m, f, seen, &constants, &others);
		flt |= is_float(b, f);
		product += (double)f->macs / (is_float(b, f) ? b->peak.fma : b->peak.dot);
	}
	free(seen);
	double memory = (double)constants / ig_peak_bandwidth(&b->peak, m->const_bytes + m->arena_bytes) + (double)others / ig_peak_bandwidth(&b->peak, others);
	l->limit = (product > memory ? product : memory) / l->parts;
	l->bound = product <= memory ? "memory" : flt ? "float" : "dot";
}

static int by_loss(const void *x, const void *y)
{
	const struct layer *a = x, *b = y;
	double la = a->seconds - a->limit, lb = b->seconds - b->limit;
	return la > lb ? -1 : la < lb;
}

/* ---- report ---- */

static int64_t all_macs(const struct bench *b)
{
	int64_t n = 0;
	for (int i = 0; i < b->m->n_funcs; i++)
		n += b->m->func[i]->macs;
	return n;
}

static void cpu_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];
	snprintf(name, size, "unknown");
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon) {
			snprintf(name, size, "%s", colon + (colon[1] == ' ' ? 2 : 1));
			name[strcspn(name, "\n")] = 0;
			break;
		}
	}
	if (f)
		fclose(f);
}

static void print_json(const struct bench *b, FILE *out)
{
	char cpu[128];
	json_t *root = json_object(), *latency = json_object(), *layers = json_array(), *levels = json_array(), *peak = json_object();
	double median = percentile(b->calls, b->n_calls, 0.5);
	cpu_name(cpu, sizeof cpu);
	json_object_set_new(root, "cpu", json_string(cpu));
	json_object_set_new(root, "target", json_string(b->s.target->name));
	json_object_set_new(root, "threads", json_integer(b->m->threads > 1 ? b->m->threads : 1));
	json_object_set_new(root, "calls", json_integer(b->n_calls));
	json_object_set_new(latency, "median", json_real(median * 1e3));
	json_object_set_new(latency, "min", json_real(b->calls[0] * 1e3));
	json_object_set_new(latency, "p90", json_real(percentile(b->calls, b->n_calls, 0.9) * 1e3));
	json_object_set_new(latency, "p99", json_real(percentile(b->calls, b->n_calls, 0.99) * 1e3));
	json_object_set_new(root, "latency_ms", latency);
	json_object_set_new(root, "gmacs", json_real((double)all_macs(b) / median * 1e-9));
	json_object_set_new(peak, "dot_gmacs", json_real(b->peak.dot * 1e-9));
	json_object_set_new(peak, "float_gmacs", json_real(b->peak.fma * 1e-9));
	for (int i = 0; i < IG_PEAK_LEVELS; i++) {
		json_t *l = json_object();
		json_object_set_new(l, "bytes", json_integer(b->peak.level[i].bytes));
		json_object_set_new(l, "read_gbs", json_real(b->peak.level[i].bandwidth * 1e-9));
		json_array_append_new(levels, l);
	}
	json_object_set_new(peak, "memory", levels);
	json_object_set_new(root, "peak", peak);
	for (int i = 0; i < b->n_layers; i++) {
		const struct layer *l = &b->layer[i];
		json_t *o = json_object();
		json_object_set_new(o, "name", json_string(l->name));
		json_object_set_new(o, "ms", json_real(l->seconds * 1e3));
		json_object_set_new(o, "macs", json_integer(l->macs));
		json_object_set_new(o, "limit", json_string(l->bound));
		json_object_set_new(o, "limit_ms", json_real(l->limit * 1e3));
		json_object_set_new(o, "fraction", json_real(l->limit / l->seconds));
		json_array_append_new(layers, o);
	}
	json_object_set_new(root, "layers", layers);
	ig_json_print(root, out);
}

static void print_text(const struct bench *b, FILE *out)
{
	static const char *const titles[] = {"layer", ">us", ">of all", ">MACs", ">GMAC/s", ">limit us", "limit", ">reached"};
	char cpu[128], number[32];
	double median = percentile(b->calls, b->n_calls, 0.5), sum = 0, limits = 0;
	cpu_name(cpu, sizeof cpu);
	fprintf(out, "%s, target %s, ", cpu, b->s.target->name);
	if (b->mem.pool)
		fprintf(out, "%d threads\n", b->m->threads);
	else
		fputs("one thread\n", out);
	fprintf(out, "peaks: %.0f GMAC/s int8, %.0f GMAC/s float; reading", b->peak.dot * 1e-9, b->peak.fma * 1e-9);
	for (int i = 0; i < IG_PEAK_LEVELS; i++)
		fprintf(out, "%s %.0f GB/s (%" PRId64 " KB)", i ? "," : "", b->peak.level[i].bandwidth * 1e-9, b->peak.level[i].bytes >> 10);
	fprintf(out, "\nlatency of %" PRId64 " calls: median %.4f ms, min %.4f, 90 %% %.4f, 99 %% %.4f; %s MACs, %.1f GMAC/s\n\n", b->n_calls, median * 1e3,
	       b->calls[0] * 1e3, percentile(b->calls, b->n_calls, 0.9) * 1e3, percentile(b->calls, b->n_calls, 0.99) * 1e3,
	       ig_human(number, (double)all_macs(b)), (double)all_macs(b) / median * 1e-9);
	for (int i = 0; i < b->n_layers; i++) {
		sum += b->layer[i].seconds;
		limits += b->layer[i].limit;
	}
	int shown = ig_opt_given(b->s.o, IG_OPT_WORST) && b->s.o->number[IG_OPT_WORST] < b->n_layers ? (int)b->s.o->number[IG_OPT_WORST] : b->n_layers;
	struct ig_table *t = ig_table_new(titles, 8);
	for (int i = 0; i < shown; i++) {
		const struct layer *l = &b->layer[i];
		ig_table_cell(t, "%s", l->name);
		ig_table_cell(t, "%.2f", l->seconds * 1e6);
		ig_table_cell(t, "%.1f %%", 100 * l->seconds / sum);
		ig_table_cell(t, "%s", l->macs ? ig_human(number, (double)l->macs) : "-");
		if (l->macs)
			ig_table_cell(t, "%.1f", (double)l->macs / l->seconds * 1e-9);
		else
			ig_table_cell(t, "-");
		ig_table_cell(t, "%.2f", l->limit * 1e6);
		ig_table_cell(t, "%s", l->bound);
		ig_table_cell(t, "%.0f %%", 100 * l->limit / l->seconds);
	}
	ig_table_print(t, out);
	ig_table_free(t);
	fprintf(out, "\nall layers %.1f us, their limits %.1f us: %.0f %% reached\n", sum * 1e6, limits * 1e6, 100 * limits / sum);
}

/* ---- the command ---- */

static bool prepare(struct bench *b)
{
	struct ig_session *s = &b->s;
	if (!ig_session_prepare(s, s->o->args.v[0]))
		return false;
	if (!s->target->triple) {
		ig_error(s->diag, IG_NOLOC, "target %s has no native code to time: choose another --target", s->target->name);
		return false;
	}
	b->m = ig_session_lower(s, false);
	if (!b->m)
		return false;
	b->program = ig_program_new(s->quant->name, s->quant, b->m, s->target);
	return make_buffers(b);
}

static bool measure(struct bench *b)
{
	struct ig_native *n = ig_native_new(b->program, b->s.diag);
	if (!n)
		return false;
	time_calls(b, n);
	ig_native_free(n);
	if (!profile(b) || !ig_peak_measure(&b->peak, b->s.target, b->s.diag))
		return false;
	qsort(b->calls, (size_t)b->n_calls, sizeof *b->calls, by_value);
	for (int i = 0; i < b->n_layers; i++)
		find_limit(b, &b->layer[i]);
	qsort(b->layer, (size_t)b->n_layers, sizeof *b->layer, by_loss);
	return true;
}

static void release(struct bench *b)
{
	free(b->layer);
	free(b->calls);
	ig_pool_free(b->mem.pool);
	ig_callmem_end(&b->mem);
	ig_program_free(b->program);
	if (b->m)
		kir_module_free(b->m);
	ig_session_close(&b->s);
}

static int run(const struct ig_opts *o)
{
	struct bench b = {.n_calls = 0};
	int status = ig_session_check(o);
	if (status != IG_EXIT_OK)
		return status;
	ig_session_begin(&b.s, o);
	struct ig_out out;
	bool ok = prepare(&b) && measure(&b) && ig_out_open(&out, o, b.s.diag);
	if (ok && ig_opt_given(o, IG_OPT_JSON))
		print_json(&b, out.f);
	else if (ok)
		print_text(&b, out.f);
	ok = ok && ig_out_close(&out);
	release(&b);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_TARGET, NULL},
	{IG_OPT_SCHEDULES, NULL},
	{IG_OPT_ROW_FUSION, NULL},
	{IG_OPT_THREADS, NULL},
	{IG_OPT_DATA, "time with the first of these samples (default: invented numbers)"},
	{IG_OPT_CALLS, NULL},
	{IG_OPT_WORST, NULL},
	{IG_OPT_OUTPUT, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_bench = {
	.name = "bench",
	.args = "MODEL",
	.summary = "latency of the compiled model, each layer's distance from this CPU's limits",
	.text = "Compiles the model for this CPU and times it in one thread (--threads: on several; the\n"
	        "rows are then regions, groups of layers between two waits): the distribution of whole\n"
	        "calls, then each layer by itself in a second build that reads the clock between\n"
	        "layers. A layer's limit is the time that its multiply-accumulates take at the CPU's\n"
	        "peak, or its constants and activations at the bandwidth of the cache that holds them,\n"
	        "whichever is longer; peaks and bandwidths are measured in the same run. Layers are\n"
	        "listed by the time above their limit, the most first.\n"
	        "\n"
	        "Other work on the machine disturbs: prefer the median, and look at min.\n",
	.examples = "  intaglio bench kws.ig --calibration kws.state\n"
	            "  intaglio bench kws.ig --calibration kws.state --worst 5\n"
	            "  intaglio bench kws.ig --calibration kws.state --json\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
