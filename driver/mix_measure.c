/* A mix of precisions as it really is: its accuracy on all samples, the bytes of its constants, its time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/callmem.h"
#include "driver/metrics.h"
#include "driver/mix.h"
#include "driver/peak.h"
#include "driver/quiet.h"
#include "driver/timing.h"

/* ---- time ---- */

/* All layers in int8 (the first candidate with it, else the first): what other mixes are timed against, call by call, so that a machine whose speed drifts
   changes both alike. */
struct ig_mix_clock {
	struct ig_graph *g;
	struct kir_module *module;
	struct ig_program *program;
	struct ig_native *native;
	struct ig_callmem mem;
};

/* Many short rounds: the shortest ones were not disturbed by other work on the machine. */
#define ROUNDS 100
#define ROUND_SECONDS 0.0004

void ig_mix_clock_free(struct ig_mix_clock *k)
{
	if (!k)
		return;
	if (k->native)
		ig_native_free(k->native);
	ig_callmem_end(&k->mem);
	ig_program_free(k->program);
	if (k->module)
		kir_module_free(k->module);
	ig_graph_free(k->g);
	free(k);
}

static double time_calls(const struct ig_callmem *mem, struct ig_native *n, int64_t calls)
{
	double start = ig_peak_clock();
	for (int64_t i = 0; i < calls; i++)
		ig_callmem_run(mem, n);
	return (ig_peak_clock() - start) / (double)calls;
}

/* Calls that take about ROUND_SECONDS. */
static int64_t calls_of(const struct ig_callmem *mem, struct ig_native *n)
{
	time_calls(mem, n, 3);
	double each = time_calls(mem, n, 3);
	return each > ROUND_SECONDS ? 1 : (int64_t)(ROUND_SECONDS / each);
}

/* Least seconds of a call of each, in turns; `mem` NULL: of the clock alone. */
static void time_both(const struct ig_mix_clock *k, const struct ig_callmem *mem, struct ig_native *n, double *its, double *mine)
{
	int64_t k_calls = calls_of(&k->mem, k->native), calls = mem ? calls_of(mem, n) : 0;
	*its = *mine = INFINITY;
	for (int i = 0; i < ROUNDS; i++) {
		*its = fmin(*its, time_calls(&k->mem, k->native, k_calls));
		if (mem)
			*mine = fmin(*mine, time_calls(mem, n, calls));
	}
}

static bool apply_uniform(struct ig_mix *m, int c)
{
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	ig_mix_uniform(m, c, choice);
	char *text = ig_mix_text(m, choice, NULL);
	bool ok = ig_mix_apply(m, text, NULL);
	free(text);
	free(choice);
	return ok;
}

static bool begin_clock(struct ig_mix *m)
{
	struct ig_session *s = &m->v.s;
	double its, mine, *reference = ig_mix_state_reference(m);
	int first = 0;
	for (int c = m->candidates.n - 1; c >= 0; c--)
		first = m->candidates.v[c].is_int8 ? c : first;
	if (!apply_uniform(m, first))
		return false;
	struct ig_mix_clock *k = m->clock = ig_xcalloc(1, sizeof *k);
	k->g = ig_graph_clone(s->quant);
	k->module = ig_session_lower(s, false);
	if (!k->module)
		return false;
	k->program = ig_program_new(s->quant->name, k->g, k->module, s->target);
	k->native = ig_native_new(k->program, s->diag);
	if (!k->native)
		return false;
	ig_callmem_begin(&k->mem, k->g, k->module->arena_bytes, ig_dataset_sample(m->v.ds, 0));
	time_both(k, NULL, NULL, &its, &mine);
	if (isnan(*reference))
		*reference = its;
	return true;
}

/* Seconds of a call: how many times the clock's, in turns with it. */
static double measure_seconds(struct ig_mix *m, const struct ig_code *code)
{
	struct ig_callmem mem = {.pool = NULL};
	double its, mine;
	ig_callmem_begin(&mem, m->v.s.quant, code->module->arena_bytes, ig_dataset_sample(m->v.ds, 0));
	time_both(m->clock, &mem, code->native, &its, &mine);
	ig_callmem_end(&mem);
	return mine / its * *ig_mix_state_reference(m);
}

/* ---- costs of layers ---- */

static struct ig_mix_layer *layer_named(struct ig_mix *m, const char *name)
{
	for (int l = 0; l < m->layers.n; l++)
		if (strcmp(m->layers.v[l].name, name) == 0)
			return &m->layers.v[l];
	return NULL;
}

/* The layer that a kernel of the session's graph belongs to; NULL. */
static struct ig_mix_layer *layer_of(struct ig_mix *m, const struct kir_func *f)
{
	const struct ig_graph *g = m->v.s.quant;
	if (f->node.i < 0 || !ig_reads_high_bytes(g, ig_node(g, f->node)))
		return layer_named(m, f->layer);
	struct ig_nid user = ig_graph_only_user(g, ig_node(g, f->node)->out[0]);
	return user.i >= 0 ? layer_named(m, ig_node(g, user)->name) : NULL;
}

/* Bytes of the constants that a node reads, with their scales. */
static int64_t constant_bytes(const struct ig_graph *g, const struct ig_node *n)
{
	int64_t bytes = 0;
	for (int i = 0; i < n->n_in; i++) {
		const struct ig_tensor *t = ig_const_data(g, n->in[i]);
		const struct ig_qparam *q = t ? ig_qparam(g, t->type.q) : NULL;
		bytes += t ? (int64_t)ig_type_size(&t->type) + (q ? q->n * (int64_t)sizeof(float) : 0) : 0;
	}
	return bytes;
}

/* Without code. */
static int64_t graph_bytes(struct ig_mix *m, int c)
{
	const struct ig_graph *g = m->v.s.quant;
	int64_t all = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct ig_mix_layer *l = layer_named(m, ig_node(g, id)->name);
		all += constant_bytes(g, ig_node(g, id));
		if (l && c >= 0)
			l->alone[c].bytes = constant_bytes(g, ig_node(g, id));
	}
	return all;
}

static bool code_costs(struct ig_mix *m, int c, const struct ig_code *code)
{
	const struct kir_module *k = code->module;
	double *seconds = ig_xcalloc((size_t)k->n_funcs + 1, sizeof *seconds);
	bool ok = true, *seen = ig_xcalloc((size_t)k->n_bufs + 1, sizeof *seen);
	if (m->timed) {
		struct ig_callmem mem = {.pool = NULL};
		ig_callmem_begin(&mem, m->v.s.quant, k->arena_bytes, ig_dataset_sample(m->v.ds, 0));
		ok = ig_timing_kernels(code->program, &mem, k->n_funcs, INT64_MAX, seconds, m->v.s.diag);
		ig_callmem_end(&mem);
	}
	for (int i = 0; i < k->n_funcs && ok; i++) {
		struct ig_mix_layer *l = layer_of(m, k->func[i]);
		int64_t others = 0;
		if (!l)
			continue;
		ig_func_bytes(k, k->func[i], seen, &l->alone[c].bytes, &others);
		if (m->timed)
			l->alone[c].seconds = (isnan(l->alone[c].seconds) ? 0 : l->alone[c].seconds) + seconds[i];
	}
	free(seconds);
	free(seen);
	return ok;
}

bool ig_mix_costs(struct ig_mix *m, int c)
{
	static const bool native[IG_ENGINE_COUNT] = {[IG_ENGINE_NATIVE] = true}, kir[IG_ENGINE_COUNT] = {[IG_ENGINE_KIR] = true};
	struct ig_machine machine;
	if (!m->lowers) {
		graph_bytes(m, c);
		return true;
	}
	bool ok = ig_machine_begin(&machine, &m->v.s, m->timed ? native : kir, false, IG_NEVER) && code_costs(m, c, &machine.quant);
	ig_machine_end(&machine);
	return ok;
}

bool ig_mix_lowers(struct ig_mix *m)
{
	struct ig_quiet quiet;
	struct ig_diag *mine = m->v.s.diag;
	if (!apply_uniform(m, 0))
		return false;
	m->v.s.diag = ig_quiet_begin(&quiet);
	struct kir_module *k = ig_session_lower(&m->v.s, false);
	m->v.s.diag = mine;
	char *why = ig_quiet_end(&quiet);
	if (k)
		kir_module_free(k);
	else
		ig_note(mine, IG_NOLOC, "mixes are interpreted, which is slower, and bytes are those of the graph's constants, since no code can be generated: %s", why);
	free(why);
	return k != NULL;
}

/* ---- a mix ---- */

/* The session has the mix's graph. */
static bool evaluate(struct ig_mix *m, struct ig_mix_point *p)
{
	struct ig_evaluation *v = &m->v;
	bool use[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true}, first = !m->exact_known;
	use[m->engine] = true;
	bool ok = ig_eval_begin(v, use, !first) && ig_eval_samples(v, ig_arena_printf(m->arena, "mix %d", m->points.n + 1));
	if (ok) {
		struct ig_figures f = ig_eval_figures(v);
		if (first)
			ig_eval_warn_shift(v);
		m->exact_known = v->exact != NULL;
		p->loss = f.loss_of;
		p->lo = f.loss.lo;
		p->hi = f.loss.hi;
		p->exact = v->metric == IG_METRIC_AUC ? f.by[0].auc : v->metric == IG_METRIC_PERPLEXITY ? f.by[0].perplexity : f.by[0].top1;
		const int q = (int)m->engine;
		p->metric = v->metric == IG_METRIC_AUC ? f.by[q].auc : v->metric == IG_METRIC_PERPLEXITY ? f.by[q].perplexity : f.by[q].top1;
		p->agreement = f.agreement;
		p->sqnr = f.sqnr;
		p->noise = 0;
		double signal = 0;
		for (int64_t i = 0; i < v->n; i++) {
			p->noise += v->record[i].noise;
			signal += v->record[i].signal;
		}
		p->noise = !(p->noise > 0) ? 0 : signal > 0 ? p->noise / signal : 1e9;
		if (v->metric == IG_METRIC_MSE)
			p->loss = p->noise; /* what the outputs lose, also when eval would not judge it */
	}
	if (ok && v->machine.quant.module)
		p->bytes = v->machine.quant.module->const_bytes;
	if (ok && m->timed)
		p->seconds = measure_seconds(m, &v->machine.quant);
	ig_eval_end(v);
	return ok;
}

/* The reference interpreter has no constants of its own. */
static bool find_bytes(struct ig_mix *m, struct ig_mix_point *p)
{
	if (!m->lowers) {
		p->bytes = graph_bytes(m, -1);
		return true;
	}
	struct kir_module *k = ig_session_lower(&m->v.s, false);
	if (!k)
		return false;
	p->bytes = k->const_bytes;
	kir_module_free(k);
	return true;
}

static bool make(struct ig_mix *m, struct ig_mix_point *p)
{
	if (ig_mix_state_point(m, p))
		return true;
	if (m->timed && !m->clock && !begin_clock(m))
		return false;
	char *text = ig_mix_text(m, p->choice, NULL);
	bool ok = ig_mix_apply(m, text, NULL) && evaluate(m, p) && (m->engine != IG_ENGINE_REFERENCE || find_bytes(m, p));
	free(text);
	if (!ok)
		return false;
	ig_mix_state_add(m, p);
	return ig_mix_state_save(m);
}

int ig_mix_measure(struct ig_mix *m, const uint8_t *choice, const char *name)
{
	for (int i = 0; i < m->points.n; i++)
		if (memcmp(m->points.v[i].choice, choice, (size_t)m->layers.n) == 0)
			return i;
	struct ig_mix_point p = {.name = name, .seconds = NAN};
	p.choice = ig_xcalloc((size_t)m->layers.n, 1);
	memcpy(p.choice, choice, (size_t)m->layers.n);
	if (make(m, &p)) {
		ig_vec_push(&m->points, p);
		return m->points.n - 1;
	}
	free(p.choice);
	return -1;
}
