#include "driver/live.h"

#include <stdlib.h>

struct runner {
	struct ig_live *live;
	void *arena, **out;
	float *room; /* for a value that is not one run of memory */
	/* of the run under way */
	const void *const *in;
	ig_calibration_show *show;
	void *to;
	int shown; /* of live->value */
};

struct value {
	int which; /* number that it is asked for by */
	int ready; /* how many kernels have run when it is complete */
	const struct kir_tensor *tensor;
};

struct ig_live {
	struct ig_session *s;
	struct ig_code code;
	struct ig_calibration_engine engine;
	struct value *value; /* by `ready` */
	int n_values;
	int64_t most; /* elements of the largest */
	IG_VEC(struct runner *) runners;
};

static void on_kernel(void *self, int kernel, void *arena)
{
	const struct ig_live *l = self;
	struct runner *r = NULL;
	for (int i = 0; i < l->runners.n && !r; i++)
		if (l->runners.v[i]->arena == arena)
			r = l->runners.v[i];
	if (!r)
		IG_BUG("a run in an arena of nobody's");
	for (; r->shown < l->n_values && l->value[r->shown].ready <= kernel; r->shown++) {
		const struct value *v = &l->value[r->shown];
		r->show(r->to, v->which, kir_tensor_floats(l->code.module, v->tensor, r->in, r->out, arena, r->room));
	}
}

int *ig_live_readiness(const struct ig_graph *g, const struct kir_module *m)
{
	int *ready = ig_xcalloc((size_t)g->n_values + 1, sizeof *ready), *last = ig_xcalloc((size_t)g->n_nodes + 1, sizeof *last);
	for (int i = 0; i < m->n_funcs; i++)
		last[m->func[i]->node.i] = i + 1;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		int at = last[id.i];
		for (int i = 0; i < n->n_in; i++)
			at = ready[n->in[i].i] > at ? ready[n->in[i].i] : at;
		for (int i = 0; i < n->n_out; i++)
			ready[n->out[i].i] = at;
	}
	free(last);
	return ready;
}

static int by_ready(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	return x->ready != y->ready ? (x->ready > y->ready) - (x->ready < y->ready) : x->which - y->which;
}

const struct kir_tensor *ig_live_tensor(const struct kir_module *m, struct ig_vid v)
{
	for (int i = 0; i < m->n_tensors; i++)
		if (m->tensor[i].value.i == v.i)
			return &m->tensor[i];
	IG_BUG("value %d has no memory", v.i);
}

static void ask(struct ig_live *l, const struct ig_vid *values, int n)
{
	int *ready = ig_live_readiness(l->s->flt, l->code.module);
	l->value = ig_xcalloc((size_t)n + 1, sizeof *l->value);
	l->n_values = n;
	for (int i = 0; i < n; i++) {
		l->value[i] = (struct value){i, ready[values[i].i], ig_live_tensor(l->code.module, values[i])};
		int64_t elems = ig_elems(&l->value[i].tensor->type);
		l->most = elems > l->most ? elems : l->most;
	}
	qsort(l->value, (size_t)n, sizeof *l->value, by_ready);
	free(ready);
}

/* All runners are made before the first runs, and all are asked for the same values. The graph that comes is the session's with observers, which add no values. */
static void *runner_new(void *self, const struct ig_graph *g, const struct ig_vid *values, int n, struct ig_diag *d)
{
	(void)g, (void)d;
	struct ig_live *l = self;
	const struct ig_graph *flt = l->s->flt;
	struct runner *r = ig_xcalloc(1, sizeof *r);
	if (!l->value)
		ask(l, values, n);
	r->live = l;
	r->arena = ig_xaligned((size_t)l->code.module->arena_bytes);
	r->room = ig_xcalloc((size_t)l->most + 1, sizeof *r->room);
	r->out = ig_xcalloc((size_t)flt->n_outputs + 1, sizeof *r->out);
	for (int i = 0; i < flt->n_outputs; i++)
		r->out[i] = ig_xaligned(ig_type_size(ig_vtype(flt, flt->output[i])));
	ig_vec_push(&l->runners, r);
	return r;
}

static void runner_free(void *runner)
{
	struct runner *r = runner;
	for (int i = 0; i < r->live->s->flt->n_outputs; i++)
		free(r->out[i]);
	free(r->out);
	free(r->room);
	free(r->arena);
	free(r);
}

static void runner_run(void *runner, const void *const *in, ig_calibration_show *show, void *to)
{
	struct runner *r = runner;
	r->in = in;
	r->show = show;
	r->to = to;
	r->shown = 0;
	if (ig_native_run(r->live->code.native, in, r->out, r->arena) != 0)
		IG_BUG("the compiled object refused its own engine's call");
	if (r->shown != r->live->n_values)
		IG_BUG("%d of %d values were shown", r->shown, r->live->n_values);
}

struct ig_live *ig_live_new(struct ig_session *s, int64_t samples)
{
	struct ig_live *l = ig_xcalloc(1, sizeof *l);
	l->s = s;
	l->engine = (struct ig_calibration_engine){l, runner_new, runner_free, runner_run};
	if (ig_code_float(&l->code, s, false, samples, on_kernel, l))
		return l;
	ig_live_free(l);
	return NULL;
}

const struct ig_calibration_engine *ig_live_engine(const struct ig_live *l) { return &l->engine; }

void ig_live_free(struct ig_live *l)
{
	if (!l)
		return;
	ig_code_end(&l->code);
	ig_vec_free(&l->runners);
	free(l->value);
	free(l);
}
