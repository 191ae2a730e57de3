/* Each layer by itself in each precision: what it does to the outputs of the model. One pass over some samples for a precision: all layers are computed on
   the float model's values (isolate.h), then the float model runs once for each layer with that layer's result put in its place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/isolate.h"
#include "driver/live.h"
#include "driver/metrics.h"
#include "driver/mix.h"
#include "driver/samples.h"
#include "driver/timing.h"

struct target { /* a layer's result */
	struct ig_vid isolated; /* of the quantized graph; IG_NOVAL: not to be had */
	struct ig_vid value;    /* of the float graph */
	int64_t elems;
};
struct worker {
	struct ig_engine *flt;
	struct ig_isolated_run *alone;
	float *exact, *out, *result;
	/* of the float model that is given results */
	void *arena, **outputs;
	const struct kir_tensor *tensor;
	int ready; /* kernels that have run when the result is put in; -1: it is in */
};
struct pass {
	struct ig_mix *m;
	int candidate;
	struct ig_machine machine; /* the float model as it is */
	struct ig_code code;       /* the float model that is given results; not compiled: layers are judged by their own results */
	struct ig_isolated *isolated;
	struct target *target; /* by layer */
	int *ready;            /* by value of the float graph */
	int64_t most;          /* elements of the largest result */
	struct worker *worker;
	int jobs;
	struct ig_eval_record *record; /* [layer][sample] */
	int64_t n;
};

static void on_kernel(void *self, int kernel, void *arena)
{
	const struct pass *p = self;
	for (int i = 0; i < p->jobs; i++) {
		struct worker *w = &p->worker[i];
		if (w->arena != arena || w->ready < 0 || kernel < w->ready)
			continue;
		kir_tensor_write(p->code.module, w->tensor, w->outputs, w->arena, w->result);
		w->ready = -1;
	}
}

/* All outputs of the float model with a layer's result in its place. */
static void run_with(const struct pass *p, struct worker *w, const struct target *t, const void *const *in)
{
	const struct ig_graph *g = p->m->v.s.flt;
	float *at = w->out;
	w->tensor = ig_live_tensor(p->code.module, t->value);
	w->ready = p->ready[t->value.i];
	if (ig_native_run(p->code.native, in, w->outputs, w->arena) != IG_OK || w->ready >= 0)
		IG_BUG("the float model did not take a layer's result");
	for (int k = 0; k < g->n_outputs; k++) {
		const struct ig_type *type = ig_vtype(g, g->output[k]);
		ig_tensor_floats(g, type, w->outputs[k], at);
		at += ig_elems(type);
	}
}

/* What a layer does to its own result stands for what it does to the outputs. */
static void judge_result(const struct worker *w, const struct target *t, struct ig_eval_record *r)
{
	struct ig_error_sums e = {.signal = 0};
	ig_error_add(&e, ig_engine_floats(w->flt, t->value), w->result, t->elems);
	r->signal = e.signal;
	r->noise = e.noise;
}

static bool alone_sample(void *self, int worker, int64_t i, const void *const *in)
{
	const struct pass *p = self;
	const struct ig_evaluation *v = &p->m->v;
	struct worker *w = &p->worker[worker];
	const struct ig_graph *g = v->s.flt;
	float *at = w->exact;
	if (i >= p->n)
		return true;
	if (!ig_engine_run(w->flt, in))
		return false;
	for (int k = 0; k < g->n_outputs; at += ig_elems(ig_vtype(g, g->output[k++])))
		ig_tensor_floats(g, ig_vtype(g, g->output[k]), ig_engine_output(w->flt, k), at);
	ig_isolated_run(w->alone, w->flt, in);
	for (int l = 0; l < p->m->layers.n; l++) {
		struct ig_eval_record *r = &p->record[l * p->n + i];
		const struct target *t = &p->target[l];
		if (t->isolated.i < 0)
			continue;
		ig_isolated_floats(w->alone, IG_ALONE_LAYER, t->isolated, w->result);
		if (!p->code.native) {
			judge_result(w, t, r);
			continue;
		}
		run_with(p, w, t, in);
		ig_eval_compare(v, r, w->exact, w->out);
		if (v->label) {
			ig_eval_score(v, r, IG_ENGINE_FLOAT, i, w->exact, in);
			ig_eval_score(v, r, IG_ENGINE_REFERENCE, i, w->out, in);
		}
	}
	return true;
}

/* ---- its life ---- */

static struct ig_vid value_named(const struct ig_graph *g, const char *name, const struct ig_type *like)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct ig_vid v = ig_node(g, id)->out[0];
		if (strcmp(ig_value(g, v)->name, name) == 0 && ig_type_same_shape(ig_vtype(g, v), like))
			return v;
	}
	return IG_NOVAL;
}

static void find_targets(struct pass *p)
{
	const struct ig_graph *f = p->m->v.s.flt, *q = p->m->v.s.quant;
	p->target = ig_xcalloc((size_t)p->m->layers.n, sizeof *p->target);
	for (int l = 0; l < p->m->layers.n; l++) {
		struct target *t = &p->target[l];
		t->value = ig_node(f, p->m->layers.v[l].node)->out[0];
		t->elems = ig_elems(ig_vtype(f, t->value));
		t->isolated = p->m->layers.v[l].allowed[p->candidate] ? value_named(q, ig_value(f, t->value)->name, ig_vtype(f, t->value)) : IG_NOVAL;
		if (t->isolated.i >= 0 && !ig_isolated_has(p->isolated, IG_ALONE_LAYER, t->isolated))
			t->isolated = IG_NOVAL;
		p->most = t->elems > p->most ? t->elems : p->most;
	}
}

static bool begin_worker(struct pass *p, struct worker *w)
{
	const struct ig_evaluation *v = &p->m->v;
	const struct ig_graph *g = v->s.flt;
	w->ready = -1;
	w->alone = ig_isolated_run_new(p->isolated);
	w->exact = ig_xcalloc((size_t)v->all + 1, sizeof(float));
	w->out = ig_xcalloc((size_t)v->all + 1, sizeof(float));
	w->result = ig_xcalloc((size_t)p->most + 1, sizeof(float));
	w->outputs = ig_xcalloc((size_t)g->n_outputs + 1, sizeof *w->outputs);
	for (int k = 0; k < g->n_outputs; k++)
		w->outputs[k] = ig_xaligned(ig_type_size(ig_vtype(g, g->output[k])));
	if (p->code.native)
		w->arena = ig_xaligned((size_t)p->code.module->arena_bytes);
	return w->alone != NULL;
}

/* Engines of the float model come first: what is isolated is fed by them. */
static bool begin(struct pass *p)
{
	static const bool flt[IG_ENGINE_COUNT] = {[IG_ENGINE_FLOAT] = true};
	struct ig_session *s = &p->m->v.s;
	bool ok = ig_machine_begin(&p->machine, s, flt, true, p->m->lowers ? p->n : IG_NEVER);
	if (!ok)
		return false;
	p->jobs = ig_samples_jobs(s->o, p->m->v.ds);
	p->worker = ig_xcalloc((size_t)p->jobs, sizeof *p->worker);
	p->record = ig_xcalloc((size_t)(p->n * p->m->layers.n) + 1, sizeof *p->record);
	for (int i = 0; i < p->jobs && ok; i++)
		ok = (p->worker[i].flt = ig_engine_new(&p->machine, IG_ENGINE_FLOAT)) != NULL;
	if (!ok)
		return false;
	p->isolated = ig_isolated_layers_new(s, p->worker[0].flt);
	find_targets(p);
	if (p->m->lowers && ig_code_float(&p->code, s, false, IG_ALWAYS, on_kernel, p))
		p->ready = ig_live_readiness(s->flt, p->code.module);
	for (int i = 0; i < p->jobs && ok; i++)
		ok = begin_worker(p, &p->worker[i]);
	return ok;
}

static void end(struct pass *p)
{
	for (int i = 0; p->worker && i < p->jobs; i++) {
		struct worker *w = &p->worker[i];
		ig_isolated_run_free(w->alone);
		ig_engine_free(w->flt);
		for (int k = 0; w->outputs && k < p->m->v.s.flt->n_outputs; k++)
			free(w->outputs[k]);
		free(w->outputs);
		free(w->exact);
		free(w->out);
		free(w->result);
		free(w->arena);
	}
	free(p->worker);
	ig_isolated_free(p->isolated);
	free(p->target);
	free(p->ready);
	free(p->record);
	ig_code_end(&p->code);
	ig_machine_end(&p->machine);
}

/* The figures of a layer, as eval's of a model. */
static void conclude(const struct pass *p, int l, struct ig_mix_alone *a)
{
	struct ig_evaluation w = p->m->v;
	double signal = 0, noise = 0;
	w.record = p->record + l * p->n;
	w.n = p->n;
	memset(w.use, 0, sizeof w.use);
	w.use[IG_ENGINE_FLOAT] = w.use[IG_ENGINE_REFERENCE] = true;
	for (int64_t i = 0; i < p->n; i++) {
		signal += w.record[i].signal;
		noise += w.record[i].noise;
	}
	a->noise = p->target[l].isolated.i < 0 ? 0 : noise > 0 ? noise / signal : 0;
	if (p->target[l].isolated.i < 0 || !p->code.native)
		return;
	struct ig_figures f = ig_eval_figures(&w);
	a->loss = f.loss_of;
	a->agreement = f.agreement;
}

/* All layers in candidate c, its costs too. */
static bool measure(struct ig_mix *m, int c)
{
	struct pass p = {.m = m, .candidate = c, .n = m->alone_samples};
	uint8_t *choice = ig_xcalloc((size_t)m->layers.n, 1);
	ig_mix_uniform(m, c, choice);
	char *text = ig_mix_text(m, choice, NULL), *what = ig_arena_printf(m->arena, "layers alone, %s", m->candidates.v[c].name);
	bool ok = ig_mix_apply(m, text, NULL) && ig_mix_costs(m, c);
	free(text);
	free(choice);
	if (ok && c != ig_mix_float(m)) {
		ok = begin(&p) && ig_samples_run(&m->v.s, m->v.ds, p.jobs, what, alone_sample, &p);
		for (int l = 0; l < m->layers.n && ok; l++)
			if (m->layers.v[l].allowed[c])
				conclude(&p, l, &m->layers.v[l].alone[c]);
		end(&p);
	}
	for (int l = 0; l < m->layers.n && ok; l++) {
		struct ig_mix_alone *a = &m->layers.v[l].alone[c];
		a->known = true;
		if (c == ig_mix_float(m))
			a->noise = 0, a->loss = m->v.label || m->v.judged ? 0 : NAN, a->agreement = 1;
	}
	return ok;
}

bool ig_mix_alone(struct ig_mix *m)
{
	for (int c = 0; c < m->candidates.n; c++) {
		if (m->layers.v[0].alone[c].known)
			continue;
		if (!measure(m, c) || !ig_mix_state_save(m))
			return false;
	}
	return true;
}
