/* intaglio compare: each layer's result in the float and in the quantized model, the layers that lose most first. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/engine.h"
#include "driver/report.h"
#include "driver/samples.h"
#include "ir/detmath.h"

struct sums { /* over the elements of one value in one sample, or in all */
	double signal, noise, norm, dot, worst;
};
struct pair { /* a value that both graphs store, by its name */
	int in_float, in_quant; /* tensors of the engines */
	const struct ig_node *node; /* of the quantized graph */
	const char *name;
	struct ig_type type; /* quantized */
	struct ig_type from; /* of the float graph; that of a model which came quantized has integers as well */
	int64_t elems;
	struct sums total;
};
struct comparison {
	struct ig_session s;
	struct ig_machine machine;
	struct ig_dataset *ds;
	IG_VEC(struct pair) pairs;
	struct ig_engine *(*engine)[2]; /* by worker: float, reference */
	float **scratch;                /* by worker: two tensors as float */
	void **raw;                     /* by worker: one as stored */
	int64_t most;
	int jobs;
	struct sums *sums; /* [sample][pair]: added in order at the end, so that the figures do not depend on the threads */
	int64_t n;
};

static bool compare_sample(void *self, int worker, int64_t sample, const void *const *in)
{
	struct comparison *c = self;
	struct ig_engine *fe = c->engine[worker][0], *qe = c->engine[worker][1];
	float *a = c->scratch[worker], *b = a + c->most;
	if (!ig_engine_run(fe, in) || !ig_engine_run(qe, in))
		return false;
	for (int k = 0; k < c->pairs.n; k++) {
		const struct pair *p = &c->pairs.v[k];
		struct sums *s = &c->sums[sample * c->pairs.n + k];
		ig_engine_tensor_read(fe, p->in_float, c->raw[worker]);
		ig_tensor_floats(ig_engine_graph(fe), &p->from, c->raw[worker], a);
		ig_engine_tensor_read(qe, p->in_quant, c->raw[worker]);
		ig_tensor_floats(ig_engine_graph(qe), &p->type, c->raw[worker], b);
		for (int64_t i = 0; i < p->elems; i++) {
			double x = (double)a[i], y = (double)b[i], e = fabs(y - x);
			s->signal += x * x;
			s->norm += y * y;
			s->dot += x * y;
			s->noise += e * e;
			if (e > s->worst)
				s->worst = e;
		}
	}
	return true;
}

/* ---- which values can be compared ---- */

static void match_values(struct comparison *c)
{
	const struct ig_engine *fe = c->engine[0][0], *qe = c->engine[0][1];
	const struct ig_graph *g = c->s.quant;
	for (int i = 0; i < ig_engine_tensors(qe); i++) {
		struct pair p = {.in_quant = i};
		p.name = ig_engine_tensor(qe, i, &p.type);
		p.elems = ig_elems(&p.type);
		for (int v = 0; v < g->n_values && !p.node; v++)
			if (g->value[v].def.i >= 0 && !ig_node(g, g->value[v].def)->dead && strcmp(g->value[v].name, p.name) == 0)
				p.node = ig_node(g, g->value[v].def);
		if (!p.node || p.node->op == IG_OP_INPUT)
			continue;
		for (int k = 0; k < ig_engine_tensors(fe); k++) {
			struct ig_type t;
			if (strcmp(ig_engine_tensor(fe, k, &t), p.name) != 0 || (t.dtype != IG_DT_F32 && t.q.i < 0) || ig_elems(&t) != p.elems)
				continue;
			p.from = t;
			p.in_float = k;
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
			t->signal += s->signal;
			t->noise += s->noise;
			t->norm += s->norm;
			t->dot += s->dot;
			if (s->worst > t->worst)
				t->worst = s->worst;
		}
}

static double sqnr(const struct sums *s)
{
	if (s->noise > 0 && s->signal > 0)
		return 10 * (ig_det_log(s->signal / s->noise) / ig_det_log(10));
	return s->noise > 0 ? -INFINITY : INFINITY;
}

static double cosine(const struct sums *s)
{
	double d = ig_det_sqrt(s->signal) * ig_det_sqrt(s->norm);
	return d > 0 ? s->dot / d : s->signal == s->norm ? 1 : 0;
}

static int worst_first(const void *x, const void *y)
{
	const struct pair *a = x, *b = y;
	double u = sqnr(&a->total), v = sqnr(&b->total);
	if (u != v)
		return u < v ? -1 : 1;
	return a->in_quant < b->in_quant ? -1 : a->in_quant > b->in_quant;
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
		json_object_set_new(l, "sqnr_db", ig_json_share(sqnr(&p->total)));
		json_object_set_new(l, "cosine", ig_json_share(cosine(&p->total)));
		json_object_set_new(l, "max_error", ig_json_share(p->total.worst));
		if (p->node->loc.file) {
			json_object_set_new(l, "file", json_string(p->node->loc.file));
			json_object_set_new(l, "line", json_integer(p->node->loc.line));
		}
		json_array_append_new(layers, l);
	}
	json_object_set_new(root, "layers", layers);
	return root;
}

static void report_text(const struct comparison *c, int shown, FILE *out)
{
	static const char *const titles[] = {"layer", "operation", "type", ">SQNR dB", ">cosine", ">max error", "source"};
	struct ig_table *t = ig_table_new(titles, 7);
	for (int i = 0; i < shown; i++) {
		const struct pair *p = &c->pairs.v[i];
		double db = sqnr(&p->total);
		ig_table_cell(t, "%s", p->node->name);
		ig_table_cell(t, "%s", ig_ops[p->node->op].name);
		ig_table_cell(t, "%s", ig_dtypes[p->type.dtype].name);
		if (isinf(db))
			ig_table_cell(t, "%s", db > 0 ? "exact" : "-inf");
		else
			ig_table_cell(t, "%.2f", db);
		ig_table_cell(t, "%.6f", cosine(&p->total));
		ig_table_cell(t, "%.4g", p->total.worst);
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
	if (c->pairs.n)
		qsort(c->pairs.v, (size_t)c->pairs.n, sizeof *c->pairs.v, worst_first);
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
		free(c->scratch ? c->scratch[w] : NULL);
		free(c->raw ? c->raw[w] : NULL);
	}
	free(c->engine);
	free(c->scratch);
	free(c->raw);
	free(c->sums);
	ig_vec_free(&c->pairs);
}

static int run(const struct ig_opts *o)
{
	static const bool use[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true, [IG_ENGINE_REFERENCE] = true};
	struct comparison c = {.n = 0};
	struct ig_session *s = &c.s;
	if (!ig_opt_given(o, IG_OPT_DATA))
		return ig_usage_error(o->cmd, "--data is missing");
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
	        "of each layer: signal to quantization noise, cosine, and the largest error. Errors\n"
	        "of earlier layers are in those of later ones.\n",
	.examples = "  intaglio compare kws.ig --calibration calib.npy --data test.npy --samples 0:100 --worst 5\n",
	.min_args = 1,
	.max_args = 1,
	.opts = opts,
	.run = run,
};
