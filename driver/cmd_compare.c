/* intaglio compare: each layer's result in the float and in the quantized model, the layers that lose most first. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/isolate.h"
#include "driver/metrics.h"
#include "driver/report.h"
#include "driver/samples.h"

struct sums { /* over the elements of one value in one sample, or in all */
	struct ig_error_sums all; /* of the whole model: errors of earlier layers are in it */
	double alone[IG_ALONE_COUNT]; /* noise when the layer is fed with the float model's values */
	int64_t saturated;
};
struct pair { /* a value that both graphs store, by its name */
	int in_float, in_quant; /* tensors of the engines */
	struct ig_vid value; /* of the quantized graph */
	const struct ig_node *node; /* of the quantized graph */
	const char *name;
	struct ig_type type; /* quantized */
	struct ig_type from; /* of the float graph; that of a model which came quantized has integers as well */
	int64_t elems;
	float lo, hi; /* beyond these a float value is saturated */
	struct sums total;
	double key; /* what the report is sorted by */
};
enum sort { SORT_ALL, SORT_ALONE, SORT_WEIGHTS, SORT_ACTIVATIONS, SORT_COUNT };
static const char *const sort_names[SORT_COUNT] = {"all", "alone", "weights", "activations"};
struct comparison {
	struct ig_session s;
	struct ig_machine machine;
	struct ig_dataset *ds;
	IG_VEC(struct pair) pairs;
	struct ig_engine *(*engine)[2]; /* by worker: float, reference */
	struct ig_isolated *isolated;
	struct ig_isolated_run **alone; /* by worker */
	float **scratch;                /* by worker: two tensors as float */
	void **raw;                     /* by worker: one as stored */
	int64_t most;
	int jobs;
	struct sums *sums; /* [sample][pair]: added in order at the end, so that the figures do not depend on the threads */
	int64_t n;
};

static int64_t count_beyond(const float *x, int64_t n, float lo, float hi)
{
	int64_t count = 0;
	for (int64_t i = 0; i < n; i++)
		count += x[i] < lo || x[i] > hi;
	return count;
}

static bool compare_sample(void *self, int worker, int64_t sample, const void *const *in)
{
	struct comparison *c = self;
	struct ig_engine *fe = c->engine[worker][0], *qe = c->engine[worker][1];
	float *a = c->scratch[worker], *b = a + c->most;
	if (!ig_engine_run(fe, in) || !ig_engine_run(qe, in))
		return false;
	ig_isolated_run(c->alone[worker], fe, in);
	for (int k = 0; k < c->pairs.n; k++) {
		const struct pair *p = &c->pairs.v[k];
		struct sums *s = &c->sums[sample * c->pairs.n + k];
		ig_engine_tensor_read(fe, p->in_float, c->raw[worker]);
		ig_tensor_floats(ig_engine_graph(fe), &p->from, c->raw[worker], a);
		ig_engine_tensor_read(qe, p->in_quant, c->raw[worker]);
		ig_tensor_floats(ig_engine_graph(qe), &p->type, c->raw[worker], b);
		ig_error_add(&s->all, a, b, p->elems);
		s->saturated = count_beyond(a, p->elems, p->lo, p->hi);
		for (int w = 0; w < IG_ALONE_COUNT; w++) {
			struct ig_error_sums e = {.signal = 0};
			if (!ig_isolated_has(c->isolated, (enum ig_alone)w, p->value))
				continue;
			ig_isolated_floats(c->alone[worker], (enum ig_alone)w, p->value, b);
			ig_error_add(&e, a, b, p->elems);
			s->alone[w] = e.noise;
		}
	}
	return true;
}

/* ---- which values can be compared ---- */

/* What a quantized value can hold, and half a step that rounding takes. */
static void set_range(struct pair *p, const struct ig_graph *g)
{
	const struct ig_qparam *q = ig_qparam(g, p->type.q);
	p->lo = -INFINITY;
	p->hi = INFINITY;
	if (q && q->n == 1) {
		p->lo = ((float)(q->qmin - q->zero_point[0]) - 0.5f) * q->scale[0];
		p->hi = ((float)(q->qmax - q->zero_point[0]) + 0.5f) * q->scale[0];
	}
}

static void match_values(struct comparison *c)
{
	const struct ig_engine *fe = c->engine[0][0], *qe = c->engine[0][1];
	const struct ig_graph *g = c->s.quant;
	for (int i = 0; i < ig_engine_tensors(qe); i++) {
		struct pair p = {.in_quant = i};
		p.name = ig_engine_tensor(qe, i, &p.type);
		p.elems = ig_elems(&p.type);
		for (int v = 0; v < g->n_values && !p.node; v++)
			if (g->value[v].def.i >= 0 && !ig_node(g, g->value[v].def)->dead && strcmp(g->value[v].name, p.name) == 0) {
				p.node = ig_node(g, g->value[v].def);
				p.value.i = v;
			}
		if (!p.node || p.node->op == IG_OP_INPUT)
			continue;
		for (int k = 0; k < ig_engine_tensors(fe); k++) {
			struct ig_type t;
			if (strcmp(ig_engine_tensor(fe, k, &t), p.name) != 0 || (t.dtype != IG_DT_F32 && t.q.i < 0) || ig_elems(&t) != p.elems)
				continue;
			p.from = t;
			p.in_float = k;
			set_range(&p, g);
			ig_vec_push(&c->pairs, p);
			if (p.elems > c->most)
				c->most = p.elems;
			break;
		}
	}
}

static void add_up(struct comparison *c)
{
	for (int64_t i = 0; i < c->n; i++)
		for (int k = 0; k < c->pairs.n; k++) {
			const struct sums *s = &c->sums[i * c->pairs.n + k];
			struct sums *t = &c->pairs.v[k].total;
			ig_error_merge(&t->all, &s->all);
			t->saturated += s->saturated;
			for (int w = 0; w < IG_ALONE_COUNT; w++)
				t->alone[w] += s->alone[w];
		}
}

static double sqnr(const struct pair *p) { return ig_decibel(p->total.all.signal, p->total.all.noise); }

/* NaN: cannot be said. */
static double sqnr_alone(const struct comparison *c, const struct pair *p, enum ig_alone w)
{
	return ig_isolated_has(c->isolated, w, p->value) ? ig_decibel(p->total.all.signal, p->total.alone[w]) : NAN;
}

static double saturated(const struct comparison *c, const struct pair *p)
{
	return isinf(p->hi) ? NAN : (double)p->total.saturated / ((double)p->elems * (double)c->n);
}

/* Layers of which nothing can be said come last. */
static int worst_first(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	if (isnan(a->key) != isnan(b->key))
		return isnan(a->key) ? 1 : -1;
	if (a->key != b->key && !isnan(a->key))
		return a->key < b->key ? -1 : 1;
	return a->in_quant < b->in_quant ? -1 : a->in_quant > b->in_quant;
}

static void sort_pairs(struct comparison *c)
{
	const char *word = ig_opt_str(c->s.o, IG_OPT_SORT);
	int by = SORT_ALL;
	for (int k = 0; word && k < SORT_COUNT; k++)
		if (strcmp(word, sort_names[k]) == 0)
			by = k;
	for (int i = 0; i < c->pairs.n; i++) {
		struct pair *p = &c->pairs.v[i];
		p->key = by == SORT_ALL ? sqnr(p) : sqnr_alone(c, p, (enum ig_alone)(by - SORT_ALONE));
	}
	if (c->pairs.n)
		qsort(c->pairs.v, (size_t)c->pairs.n, sizeof *c->pairs.v, worst_first);
}

/* ---- report ---- */

static json_t *report_json(const struct comparison *c, int shown)
{
	json_t *root = json_object(), *layers = json_array();
	json_object_set_new(root, "samples", json_integer(c->n));
	for (int i = 0; i < shown; i++) {
		const struct pair *p = &c->pairs.v[i];
		json_t *l = json_object();
		json_object_set_new(l, "name", json_string(p->node->name));
		json_object_set_new(l, "value", json_string(p->name));
		json_object_set_new(l, "op", json_string(ig_ops[p->node->op].name));
		json_object_set_new(l, "type", json_string(ig_dtypes[p->type.dtype].name));
		json_object_set_new(l, "sqnr_db", ig_json_share(sqnr(p)));
		json_object_set_new(l, "cosine", ig_json_share(ig_error_cosine(&p->total.all)));
		json_object_set_new(l, "max_error", ig_json_share(p->total.all.worst));
		json_object_set_new(l, "saturated", ig_json_share(saturated(c, p)));
		json_object_set_new(l, "alone_sqnr_db", ig_json_share(sqnr_alone(c, p, IG_ALONE_LAYER)));
		json_object_set_new(l, "weights_sqnr_db", ig_json_share(sqnr_alone(c, p, IG_ALONE_WEIGHTS)));
		json_object_set_new(l, "activations_sqnr_db", ig_json_share(sqnr_alone(c, p, IG_ALONE_ACTIVATIONS)));
		if (p->node->loc.file) {
			json_object_set_new(l, "file", json_string(p->node->loc.file));
			json_object_set_new(l, "line", json_integer(p->node->loc.line));
		}
		json_array_append_new(layers, l);
	}
	json_object_set_new(root, "layers", layers);
	return root;
}

static void cell_db(struct ig_table *t, double db)
{
	if (isnan(db))
		ig_table_blank(t);
	else if (isinf(db))
		ig_table_cell(t, "%s", db > 0 ? "exact" : "-inf");
	else
		ig_table_cell(t, "%.2f", db);
}

static void report_text(const struct comparison *c, int shown, FILE *out)
{
	static const char *const titles[] = {"layer", "operation", "type", ">SQNR dB", ">cosine", ">max error", ">saturated", ">alone dB", ">weights dB",
	                                     ">activations dB", "source"};
	struct ig_table *t = ig_table_new(titles, (int)IG_COUNTOF(titles));
	for (int i = 0; i < shown; i++) {
		const struct pair *p = &c->pairs.v[i];
		ig_table_cell(t, "%s", p->node->name);
		ig_table_cell(t, "%s", ig_ops[p->node->op].name);
		ig_table_cell(t, "%s", ig_dtypes[p->type.dtype].name);
		cell_db(t, sqnr(p));
		ig_table_cell(t, "%.6f", ig_error_cosine(&p->total.all));
		ig_table_cell(t, "%.4g", p->total.all.worst);
		if (isnan(saturated(c, p)))
			ig_table_blank(t);
		else
			ig_table_cell(t, "%.2f %%", 100 * saturated(c, p));
		for (int w = 0; w < IG_ALONE_COUNT; w++)
			cell_db(t, sqnr_alone(c, p, (enum ig_alone)w));
		if (p->node->loc.file && p->node->loc.line > 0)
			ig_table_cell(t, "%s:%d", p->node->loc.file, p->node->loc.line);
		else
			ig_table_blank(t);
	}
	fprintf(out, "%" PRId64 " samples, %d layers, worst first\n\n", c->n, c->pairs.n);
	ig_table_print(t, out);
	ig_table_free(t);
}

static bool report(struct comparison *c)
{
	const struct ig_opts *o = c->s.o;
	struct ig_out out;
	int shown = c->pairs.n;
	if (ig_opt_given(o, IG_OPT_WORST) && o->number[IG_OPT_WORST] < shown)
		shown = (int)o->number[IG_OPT_WORST];
	add_up(c);
	sort_pairs(c);
	if (!ig_out_open(&out, o, c->s.diag))
		return false;
	if (ig_opt_given(o, IG_OPT_JSON))
		ig_json_print(report_json(c, shown), out.f);
	else
		report_text(c, shown, out.f);
	return ig_out_close(&out);
}

/* ---- the command ---- */

static bool begin_workers(struct comparison *c)
{
	size_t cells;
	c->jobs = ig_samples_jobs(c->s.o, c->ds);
	c->engine = ig_xcalloc((size_t)c->jobs, sizeof *c->engine);
	for (int w = 0; w < c->jobs; w++) {
		c->engine[w][0] = ig_engine_new(&c->machine, IG_ENGINE_FLOAT);
		c->engine[w][1] = ig_engine_new(&c->machine, IG_ENGINE_REFERENCE);
		if (!c->engine[w][0] || !c->engine[w][1])
			return false;
	}
	match_values(c);
	c->isolated = ig_isolated_new(&c->s, c->engine[0][0]);
	c->alone = ig_xcalloc((size_t)c->jobs, sizeof *c->alone);
	for (int w = 0; w < c->jobs; w++)
		if (!(c->alone[w] = ig_isolated_run_new(c->isolated)))
			return false;
	c->scratch = ig_xcalloc((size_t)c->jobs, sizeof *c->scratch);
	c->raw = ig_xcalloc((size_t)c->jobs, sizeof *c->raw);
	for (int w = 0; w < c->jobs; w++) {
		c->scratch[w] = ig_xcalloc((size_t)c->most * 2, sizeof(float));
		c->raw[w] = ig_xcalloc((size_t)c->most, sizeof(double));
	}
	if (!ig_mul_size((size_t)c->n, (size_t)c->pairs.n, &cells))
		IG_BUG("samples times layers overflow");
	c->sums = ig_xcalloc(cells, sizeof *c->sums);
	return true;
}

static void end_workers(struct comparison *c)
{
	for (int w = 0; w < c->jobs; w++) {
		ig_engine_free(c->engine[w][0]);
		ig_engine_free(c->engine[w][1]);
		ig_isolated_run_free(c->alone ? c->alone[w] : NULL);
		free(c->scratch ? c->scratch[w] : NULL);
		free(c->raw ? c->raw[w] : NULL);
	}
	free(c->engine);
	free(c->alone);
	ig_isolated_free(c->isolated);
	free(c->scratch);
	free(c->raw);
	free(c->sums);
	ig_vec_free(&c->pairs);
}

static bool knows_sort(const char *word)
{
	for (int k = 0; word && k < SORT_COUNT; k++)
		if (strcmp(word, sort_names[k]) == 0)
			return true;
	return !word;
}

static int run(const struct ig_opts *o)
{
	static const bool use[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true, [IG_ENGINE_REFERENCE] = true};
	struct comparison c = {.n = 0};
	struct ig_session *s = &c.s;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
	if (!knows_sort(ig_opt_str(o, IG_OPT_SORT)))
		return ig_usage_error(o->cmd, "there is no order '%s' (all, alone, weights or activations)", ig_opt_str(o, IG_OPT_SORT));
	ig_session_begin(s, o);
	bool ok = ig_session_prepare(s, o->args.v[0]) && (c.ds = ig_session_data(s, true)) != NULL;
	c.n = ok ? ig_dataset_count(c.ds) : 0;
	ok = ok && ig_machine_begin(&c.machine, s, use, false, c.n) && begin_workers(&c) &&
	     ig_samples_run(s, c.ds, c.jobs, "comparing", compare_sample, &c) && report(&c);
	end_workers(&c);
	ig_machine_end(&c.machine);
	ig_dataset_free(c.ds);
	ig_session_close(s);
	return ok ? IG_EXIT_OK : IG_EXIT_DIAG;
}

static const struct ig_opt_use opts[] = {
	{IG_OPT_DATA, NULL},
	{IG_OPT_SAMPLES, NULL},
	{IG_OPT_CALIBRATION, NULL},
	{IG_OPT_CALIBRATION_SAMPLES, NULL},
	{IG_OPT_QCONFIG, NULL},
	{IG_OPT_DIM, NULL},
	{IG_OPT_WORST, NULL},
	{IG_OPT_SORT, NULL},
	{IG_OPT_JOBS, NULL},
	{IG_OPT_OUTPUT, NULL},
	{IG_OPT_VERIFY, NULL},
	{IG_OPT_JSON, NULL},
	{IG_OPT_QUIET, NULL},
	{IG_OPT_HELP, NULL},
};
const struct ig_command ig_cmd_compare = {
	.name = "compare",
	.args = "MODEL --data F",
	.summary = "float against quantized, layer by layer, worst first",
	.text = "Runs each sample through the float and the quantized model and compares the result\n"
	        "of each layer: signal to quantization noise, cosine, the largest error, and the share\n"
	        "of float values beyond the quantized range. Errors of earlier layers are in these.\n"
	        "\n"
	        "Then each layer by itself, fed with the float model's values: the noise of the layer\n"
	        "as it is quantized (alone), of its quantized weights, and of rounding its operands\n"
	        "and its result (activations).\n",
	.examples = "  intaglio compare kws.ig --calibration calib.npy --data test.npy --samples 0:100 --worst 5\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
