#include "passes/means.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct ig_vid value;
	const char *name;
	bool last; /* the channels are the last axis, else the second */
	int64_t at, n; /* in a row */
};
struct ig_means {
	IG_VEC(struct entry) entry;
	int64_t width;
	double *mean;
};

static bool reads_last(enum ig_op op) { return op == IG_OP_LINEAR || op == IG_OP_LINEAR_ADD; }

static const struct entry *find(const struct ig_means *m, const char *name, bool last)
{
	for (int i = 0; i < m->entry.n; i++)
		if (m->entry.v[i].last == last && strcmp(m->entry.v[i].name, name) == 0)
			return &m->entry.v[i];
	return NULL;
}

void ig_means_free(struct ig_means *m)
{
	if (!m)
		return;
	ig_vec_free(&m->entry);
	free(m->mean);
	free(m);
}

/* One sample's numbers, into row[width]. */
static void add_sample(const struct ig_means *m, const struct ig_interp *it, double *row)
{
	for (int i = 0; i < m->entry.n; i++) {
		const struct entry *e = &m->entry.v[i];
		const struct ig_tensor *t = ig_interp_value(it, e->value);
		const float *x = t->data;
		int64_t elems = ig_elems(&t->type), inner = 1;
		for (int k = e->last ? t->type.rank : 2; k < t->type.rank; k++)
			inner *= t->type.dim[k];
		for (int64_t j = 0; j < elems; j++)
			row[e->at + j / inner % e->n] += (double)x[j];
		for (int64_t c = 0; c < e->n; c++)
			row[e->at + c] /= (double)(elems / e->n);
	}
}

static void list_entries(struct ig_means *m, const struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool integers = n->precision == IG_PREC_INT8 || n->precision == IG_PREC_DYNAMIC;
		if (ig_ops[n->op].quant != IG_QC_COMPUTE || !integers || ig_vtype(g, n->in[0])->dtype != IG_DT_F32)
			continue;
		const struct ig_type *t = ig_vtype(g, n->in[0]);
		struct entry e = {.value = n->in[0], .name = ig_value(g, n->in[0])->name, .last = reads_last(n->op), .at = m->width};
		e.n = t->dim[e.last ? t->rank - 1 : 1];
		if (find(m, e.name, e.last))
			continue;
		ig_vec_push(&m->entry, e);
		m->width += e.n;
	}
}

struct averaging {
	struct ig_interp **interp; /* by worker */
	const struct ig_means *means;
	double *rows;
};

static bool visit(void *to, int worker, int64_t i, const void *const *in)
{
	const struct averaging *a = to;
	ig_interp_run(a->interp[worker], in);
	add_sample(a->means, a->interp[worker], a->rows + i * a->means->width);
	return true;
}

/* The mean of the rows, added in their order. */
static void average(struct ig_means *m, const double *rows, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < m->width; j++)
			m->mean[j] += rows[i * m->width + j];
	for (int64_t j = 0; j < m->width && n; j++)
		m->mean[j] /= (double)n;
}

struct ig_means *ig_means_new(const struct ig_graph *g, const struct ig_replay *r, struct ig_diag *d)
{
	struct ig_means *m = ig_xcalloc(1, sizeof *m);
	list_entries(m, g);
	m->mean = ig_xcalloc((size_t)m->width + 1, sizeof *m->mean);
	struct averaging a = {.interp = ig_xcalloc((size_t)r->workers, sizeof *a.interp), .means = m, .rows = ig_xcalloc((size_t)(r->n * m->width) + 1, sizeof *a.rows)};
	bool ok = true;
	for (int i = 0; i < r->workers && ok; i++)
		ok = (a.interp[i] = ig_interp_new(g, d)) != NULL;
	ok = ok && r->run(r->self, "averaging", visit, &a);
	if (ok)
		average(m, a.rows, r->n);
	for (int i = 0; i < r->workers; i++)
		ig_interp_free(a.interp[i]);
	free(a.interp);
	free(a.rows);
	if (ok)
		return m;
	ig_means_free(m);
	return NULL;
}

const double *ig_means_find(const struct ig_means *m, const char *value, enum ig_op reader)
{
	const struct entry *e = find(m, value, reads_last(reader));
	return e ? m->mean + e->at : NULL;
}
