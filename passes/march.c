#include "passes/march.h"

#include "ir/eval.h"
#include "ir/number.h"
#include "ir/stored.h"

#include <stdlib.h>
#include <string.h>

#define MOST_BYTES (INT64_C(512) << 20) /* of kept values */

struct worker {
	struct ig_tensor **value; /* by value id: whose data is the present sample's */
	struct ig_eval *step;     /* of the present stretch of nodes */
};
struct ig_march {
	const struct ig_graph *g;
	const struct ig_replay *replay;
	struct ig_diag *diag;
	struct ig_arena *arena;
	struct worker *worker;
	int64_t samples;
	int32_t *reader; /* by value id: where in the list its last reader stands; -1: nothing reads it */
	int32_t *place;  /* by node id */
	void **at;       /* [samples][values] */
	int32_t next;    /* node that comes next */
	int first, end;  /* places of the present stretch */
};

int64_t ig_march_slot(int64_t n, int64_t most, int64_t i)
{
	int64_t k = most < n ? most : n, slot = k ? (i * k + n - 1) / n : 0;
	return slot < k && slot * n / k == i ? slot : -1;
}

int64_t ig_march_samples(const struct ig_march *m) { return m->samples; }

static size_t bytes_of(const struct ig_march *m, struct ig_vid v)
{
	size_t bytes = 0;
	if (!ig_type_bytes(ig_vtype(m->g, v), &bytes))
		IG_BUG("the size of `%s` overflows", ig_value(m->g, v)->name);
	return bytes;
}

/* What nothing reads after place p, and is not a constant. */
static bool is_over(const struct ig_march *m, struct ig_vid v, int p) { return m->reader[v.i] <= p && ig_def(m->g, v)->op != IG_OP_CONSTANT; }

/* Bytes of a sample that are kept at the same time, at most. */
static int64_t most_alive(const struct ig_march *m)
{
	int64_t alive = 0, most = 1;
	for (struct ig_nid id = ig_first(m->g); id.i >= 0; id = ig_next(m->g, id)) {
		const struct ig_node *n = ig_node(m->g, id);
		int p = m->place[id.i];
		for (int i = 0; i < n->n_out && n->op != IG_OP_CONSTANT; i++)
			alive += (int64_t)bytes_of(m, n->out[i]);
		most = alive > most ? alive : most;
		for (int i = 0; i < n->n_out && n->op != IG_OP_CONSTANT; i++)
			alive -= is_over(m, n->out[i], p) ? (int64_t)bytes_of(m, n->out[i]) : 0;
		for (int i = 0; i < n->n_in; i++) {
			bool again = false; /* the same value twice */
			for (int j = 0; j < i; j++)
				again |= n->in[j].i == n->in[i].i;
			alive -= !again && is_over(m, n->in[i], p) ? (int64_t)bytes_of(m, n->in[i]) : 0;
		}
	}
	return most;
}

static void find_readers(struct ig_march *m)
{
	int p = 0;
	for (int i = 0; i < m->g->n_values; i++)
		m->reader[i] = -1;
	for (struct ig_nid id = ig_first(m->g); id.i >= 0; id = ig_next(m->g, id), p++) {
		const struct ig_node *n = ig_node(m->g, id);
		m->place[id.i] = p;
		for (int i = 0; i < n->n_in; i++)
			m->reader[n->in[i].i] = p;
	}
}

struct ig_march *ig_march_new(const struct ig_graph *g, const struct ig_replay *r, int64_t most, struct ig_diag *d)
{
	if (!ig_interp_check(g, d))
		return NULL;
	struct ig_march *m = ig_xcalloc(1, sizeof *m);
	m->g = g;
	m->replay = r;
	m->diag = d;
	m->arena = ig_arena_new();
	m->reader = IG_NEWN(m->arena, int32_t, g->n_values + 1);
	m->place = IG_NEWN(m->arena, int32_t, g->n_nodes + 1);
	m->next = g->first;
	find_readers(m);
	int64_t fit = MOST_BYTES / most_alive(m);
	m->samples = r->n < most ? r->n : most;
	if (m->samples > fit)
		m->samples = fit > 0 ? fit : 1;
	m->at = ig_xcalloc((size_t)(m->samples * g->n_values) + 1, sizeof *m->at);
	m->worker = IG_NEWN(m->arena, struct worker, r->workers);
	for (int w = 0; w < r->workers; w++) {
		m->worker[w].value = IG_NEWN(m->arena, struct ig_tensor *, g->n_values + 1);
		for (int v = 0; v < g->n_values; v++) {
			m->worker[w].value[v] = IG_NEW(m->arena, struct ig_tensor);
			m->worker[w].value[v]->type = *ig_vtype(g, (struct ig_vid){v});
			m->worker[w].value[v]->bytes = bytes_of(m, (struct ig_vid){v});
		}
	}
	return m;
}

void ig_march_free(struct ig_march *m)
{
	if (!m)
		return;
	for (int64_t i = 0; i < m->samples * m->g->n_values; i++)
		free(m->at[i]);
	free(m->at);
	ig_arena_free(m->arena);
	free(m);
}

static void release(struct ig_march *m, void **at, struct ig_vid v, int p)
{
	if (is_over(m, v, p)) {
		free(at[v.i]);
		at[v.i] = NULL;
	}
}

/* One node for the sample whose values are `at`. */
static void run_node(struct ig_march *m, const struct worker *w, struct ig_eval *e, int p, void **at)
{
	const struct ig_node *n = e->n;
	for (int i = 0; i < n->n_in; i++)
		if (ig_def(m->g, n->in[i])->op != IG_OP_CONSTANT)
			w->value[n->in[i].i]->data = at[n->in[i].i];
	for (int i = 0; i < n->n_out; i++)
		w->value[n->out[i].i]->data = at[n->out[i].i] = at[n->out[i].i] ? at[n->out[i].i] : ig_xcalloc(w->value[n->out[i].i]->bytes, 1);
	ig_eval_run(e);
	for (int i = 0; i < n->n_in; i++)
		release(m, at, n->in[i], p);
	for (int i = 0; i < n->n_out; i++)
		release(m, at, n->out[i], p);
}

static bool visit(void *to, int worker, int64_t i, const void *const *in)
{
	struct ig_march *m = to;
	int64_t slot = ig_march_slot(m->replay->n, m->samples, i);
	const struct worker *w = &m->worker[worker];
	if (slot < 0)
		return true;
	void **at = m->at + slot * m->g->n_values;
	for (int k = 0; m->first == 0 && k < m->g->n_inputs; k++) {
		struct ig_tensor *t = w->value[m->g->input[k].i];
		t->data = at[m->g->input[k].i] = ig_xcalloc(t->bytes, 1);
		ig_interp_input(t, ig_def(m->g, m->g->input[k]), in[k]);
	}
	for (int p = m->first; p < m->end; p++)
		if (w->step[p - m->first].n->op != IG_OP_CONSTANT)
			run_node(m, w, &w->step[p - m->first], p, at);
	return true;
}

/* The nodes of the stretch for one worker. */
static bool prepare(struct ig_march *m, struct worker *w, struct ig_arena *a)
{
	int32_t id = m->next;
	bool ok = true;
	w->step = IG_NEWN(a, struct ig_eval, m->end - m->first + 1);
	for (int p = m->first; p < m->end && ok; p++) {
		ok = ig_eval_prepare(&w->step[p - m->first], m->g, &m->g->node[id], w->value, a, m->diag);
		id = m->g->node[id].next;
	}
	return ok;
}

bool ig_march_to(struct ig_march *m, struct ig_nid layer, const char *what)
{
	if (m->place[layer.i] < m->end)
		IG_BUG("the samples are behind `%s` already", ig_node(m->g, layer)->name);
	m->first = m->end;
	m->end = m->place[layer.i];
	struct ig_arena *a = ig_arena_new();
	bool ok = true;
	for (int w = 0; w < m->replay->workers && ok; w++)
		ok = prepare(m, &m->worker[w], a);
	ok = ok && (m->first == m->end || m->replay->run(m->replay->self, what, visit, m));
	ig_arena_free(a);
	m->next = layer.i;
	return ok;
}

void ig_reals_of(const struct ig_graph *g, const struct ig_tensor *t, float *out)
{
	const struct ig_qparam *q = ig_qparam(g, t->type.q);
	int64_t n = ig_elems(&t->type);
	if (!q && t->type.dtype == IG_DT_F32)
		memcpy(out, t->data, (size_t)n * sizeof *out);
	else if (!q)
		for (int64_t i = 0; i < n; i++)
			out[i] = (float)ig_get_double(t, i);
	else
		for (int64_t i = 0; i < n; i++) {
			int64_t k = q->n > 1 ? ig_qparam_index(q, &t->type, i) : 0;
			out[i] = (float)(ig_get_int(t, i) - q->zero_point[k]) * q->scale[k];
		}
}

void ig_march_reals(const struct ig_march *m, int64_t slot, struct ig_vid v, float *out)
{
	const struct ig_node *def = ig_def(m->g, v);
	struct ig_tensor t = {.type = *ig_vtype(m->g, v), .data = m->at[slot * m->g->n_values + v.i]};
	ig_reals_of(m->g, def->op == IG_OP_CONSTANT ? def->data : &t, out);
}
