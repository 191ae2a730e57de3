/* Splitting a module's work over threads: every function becomes phases, every phase the parts of a cut that pays, and parts that meet in no memory share
   a region, so that threads wait for each other only where one needs what another has written. */
#include "codegen/split.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/slice.h"

#define ROW "y"     /* names of loops, see kir_loop */
#define CHANNEL "c"
#define SYNC 4000   /* cycles, where the target has no measured figure */

/* One way to run a phase: functions by part, NULL where a part has none. */
struct plan {
	struct kir_func *part[IG_MAX_THREADS];
	struct kir_accesses touch[IG_MAX_THREADS];
	int64_t cost; /* of the most expensive part, quarters of cycles; 0: no plan */
	bool joins;   /* can be in the current region */
};

struct split {
	struct kir_module *m;
	const struct ig_target *t;
	int threads, region;
	bool parallel; /* the region has several parts */
	struct kir_accesses touch[IG_MAX_THREADS]; /* of the region's parts */
	struct kir_func **func;
	int n_funcs, cap_funcs;
};

static void plan_free(struct plan *p)
{
	for (int i = 0; i < IG_MAX_THREADS; i++) {
		kir_func_free(p->part[i]);
		ig_vec_free(&p->touch[i]);
	}
	*p = (struct plan){.cost = 0};
}

/* ---- costs ---- */

static int64_t elements(const struct kir_access *a)
{
	int64_t n = a->span;
	for (int i = 0; i < a->n; i++)
		n = n > INT32_MAX ? n : n * a->term[i].count;
	return n;
}

/* Reading memory that other cores have written, or constants that the first caches do not hold: in quarters of cycles, at 16 and at 32 bytes a cycle. */
static int64_t traffic(const struct split *s, const struct kir_accesses *l)
{
	int64_t cost = 0, bytes = 0;
	for (int i = 0; i < l->n; i++) {
		const struct kir_buffer *b = &s->m->buf[l->v[i].buf];
		int64_t all = b->count * kir_elem_bytes(b->elem), n = elements(&l->v[i]) * kir_elem_bytes(b->elem);
		bytes += l->v[i].store ? 0 : n;
		if (i + 1 == l->n || l->v[i + 1].buf != l->v[i].buf) {
			cost += (bytes < all ? bytes : all) / (b->space == KIR_CONSTANT ? 4 : 8);
			bytes = 0;
		}
	}
	return cost;
}

static int64_t sync_cost(const struct split *s)
{
	return 4 * (int64_t)(s->t->sync_cycles ? s->t->sync_cycles : SYNC);
}

/* ---- plans ---- */

static bool apart_from_others(const struct split *s, const struct plan *p)
{
	int32_t buf;
	for (int i = 0; i < s->threads; i++)
		for (int k = 0; k < s->threads; k++)
			if (i != k && !kir_accesses_apart(&p->touch[i], &s->touch[k], &buf))
				return false;
	return true;
}

/* False, and the plan is empty, when the phase cannot be cut so or its parts meet. */
static bool make_plan(const struct split *s, struct plan *p, const struct kir_func *f, const struct kir_cost *cost, struct kir_cut cut)
{
	int32_t buf;
	*p = (struct plan){.cost = 0};
	for (cut.part = 0; cut.part < cut.parts; cut.part++) {
		struct kir_func *part = kir_slice(s->m, f, cost, &cut);
		if (!part) {
			plan_free(p);
			return false;
		}
		p->part[cut.part] = part;
		kir_accesses_add(&p->touch[cut.part], s->m, part, 0, part->n - 1);
		for (int i = 0; i < cut.part; i++)
			if (!kir_accesses_apart(&p->touch[i], &p->touch[cut.part], &buf)) {
				plan_free(p);
				return false;
			}
		struct kir_cost *c = kir_cost_new(part, s->t->vector_bytes);
		int64_t n = c->all + traffic(s, &p->touch[cut.part]);
		kir_cost_free(c);
		p->cost = n > p->cost ? n : p->cost;
	}
	p->joins = apart_from_others(s, p);
	return true;
}

static void begin_region(struct split *s)
{
	s->region++;
	s->parallel = false;
	for (int i = 0; i < s->threads; i++)
		s->touch[i].n = 0;
}

static void append(struct split *s, struct kir_func *f)
{
	if (s->n_funcs == s->cap_funcs)
		ig_vec_grow((void **)&s->func, &s->cap_funcs, sizeof *s->func);
	s->func[s->n_funcs++] = f;
}

/* Takes the plan's functions. The multiply-accumulates are shared out by cost. */
static void take(struct split *s, struct plan *p, int64_t macs)
{
	int64_t cost[IG_MAX_THREADS] = {0}, all = 0, given = 0;
	int last = -1;
	if (!p->joins)
		begin_region(s);
	for (int i = 0; i < s->threads; i++) {
		struct kir_func *f = p->part[i];
		if (!f || !f->n)
			continue;
		struct kir_cost *c = kir_cost_new(f, s->t->vector_bytes);
		cost[i] = c->all;
		all += c->all;
		last = i;
		s->parallel |= i > 0;
		kir_cost_free(c);
	}
	for (int i = 0; i <= last; i++) {
		struct kir_func *f = p->part[i];
		if (!f || !f->n)
			continue;
		f->macs = i == last ? macs - given : (int64_t)((double)macs * (double)cost[i] / (double)all);
		given += f->macs;
		f->region = s->region;
		f->part = i;
		append(s, f);
		p->part[i] = NULL;
		for (int k = 0; k < p->touch[i].n; k++)
			ig_vec_push(&s->touch[i], p->touch[i].v[k]);
		kir_accesses_tidy(&s->touch[i]);
	}
	plan_free(p);
}

static int64_t price(const struct split *s, const struct plan *p)
{
	bool waits = p->part[1] && !(p->joins && s->parallel);
	return p->cost + (waits ? sync_cost(s) : 0);
}

/* Chooses among the phase as it is and its cuts. */
static void place(struct split *s, const struct kir_func *f, const struct kir_cost *cost, int first, int last, int64_t macs)
{
	static const char *const loops[] = {NULL, ROW, CHANNEL};
	struct plan best, other;
	if (!make_plan(s, &best, f, cost, (struct kir_cut){first, last, NULL, 0, 1}))
		IG_BUG("%s: a phase does not stand alone", f->name);
	for (size_t i = 0; i < IG_COUNTOF(loops); i++) {
		if (best.cost <= sync_cost(s) && best.part[1] == NULL)
			break;
		if (!make_plan(s, &other, f, cost, (struct kir_cut){first, last, loops[i], 0, s->threads}))
			continue;
		if (price(s, &other) < price(s, &best)) {
			plan_free(&best);
			best = other;
		} else {
			plan_free(&other);
		}
	}
	take(s, &best, macs);
}

/* ---- phases ---- */

/* The last instruction of the phase that begins with `first`: units that do not meet in memory. */
static int phase_end(const struct split *s, const struct kir_func *f, int first)
{
	struct kir_accesses all = {0}, unit = {0};
	int32_t buf;
	int k = first, end = first;
	do {
		end = kir_unit_end(f, k, f->n - 1);
		unit.n = 0;
		kir_accesses_add(&unit, s->m, f, k, end);
		if (k > first && !kir_accesses_apart(&all, &unit, &buf))
			break;
		kir_accesses_add(&all, s->m, f, k, end);
		k = end + 1;
	} while (k < f->n);
	ig_vec_free(&all);
	ig_vec_free(&unit);
	return k - 1;
}

/* Can every phase stand alone, with no value from another? */
static bool separable(const struct split *s, const struct kir_func *f, const struct kir_cost *cost)
{
	for (int first = 0, last; first < f->n; first = last + 1) {
		last = phase_end(s, f, first);
		struct kir_func *alone = kir_slice(s->m, f, cost, &(struct kir_cut){first, last, NULL, 0, 1});
		if (!alone)
			return false;
		kir_func_free(alone);
	}
	return true;
}

static int64_t level_cost(const struct kir_func *f, const struct kir_cost *cost, int first, int last)
{
	int64_t n = 0;
	for (int k = first; k <= last; k++) {
		n += cost->inst[k];
		if (f->inst[k].op == KIR_LOOP)
			k = f->loop[f->inst[k].loop].end;
	}
	return n;
}

/* Takes the function. What cannot be taken apart stays as it is. */
static void split_func(struct split *s, struct kir_func *f)
{
	struct kir_cost *cost = kir_cost_new(f, s->t->vector_bytes);
	if (separable(s, f, cost)) {
		int64_t given = 0;
		for (int first = 0, last; first < f->n; first = last + 1) {
			last = phase_end(s, f, first);
			double share = (double)level_cost(f, cost, first, last) / (double)cost->all;
			int64_t macs = last + 1 == f->n ? f->macs - given : (int64_t)((double)f->macs * share);
			given += macs;
			place(s, f, cost, first, last, macs);
		}
		kir_func_free(f);
	} else {
		struct plan p = {.part = {f}};
		kir_accesses_add(&p.touch[0], s->m, f, 0, f->n - 1);
		p.joins = apart_from_others(s, &p);
		take(s, &p, f->macs);
	}
	kir_cost_free(cost);
}

/* ---- the module ---- */

struct order {
	struct kir_func *f;
	int at;
};

static int by_region(const void *x, const void *y)
{
	const struct order *a = x, *b = y;
	if (a->f->region != b->f->region)
		return a->f->region - b->f->region;
	return a->f->part != b->f->part ? a->f->part - b->f->part : a->at - b->at;
}

static bool name_taken(const struct split *s, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(s->func[i]->name, name))
			return true;
	return false;
}

/* Functions in their order, regions and parts without gaps, and names that differ. */
static void arrange(struct split *s)
{
	struct order *o = ig_xcalloc((size_t)s->n_funcs + 1, sizeof *o);
	for (int i = 0; i < s->n_funcs; i++)
		o[i] = (struct order){s->func[i], i};
	qsort(o, (size_t)s->n_funcs, sizeof *o, by_region);
	int region = -1, part = 0, old_region = -1, old_part = 0;
	for (int i = 0; i < s->n_funcs; i++) {
		struct kir_func *f = s->func[i] = o[i].f;
		if (i == 0 || f->region != old_region) {
			region++;
			part = 0;
		} else if (f->part != old_part) {
			part++;
		}
		old_region = f->region;
		old_part = f->part;
		f->region = region;
		f->part = part;
		const char *base = f->name;
		for (int k = 2; name_taken(s, i, f->name); k++)
			f->name = ig_arena_printf(s->m->arena, "%s_%d", base, k);
	}
	free(o);
}

/* Scratch that is now of several functions lives as long as they do. */
static void keep_scratch(struct kir_module *m)
{
	int *user = ig_xcalloc((size_t)m->n_bufs + 1, sizeof *user);
	for (int i = 0; i < m->n_funcs; i++)
		for (int k = 0; k < m->func[i]->n; k++) {
			const struct kir_inst *in = &m->func[i]->inst[k];
			if (!kir_ops[in->op].has_addr)
				continue;
			struct kir_buffer *b = &m->buf[in->addr.buf];
			if (b->space == KIR_SCRATCH && user[in->addr.buf] && user[in->addr.buf] != i + 1)
				b->space = KIR_ARENA;
			user[in->addr.buf] = i + 1;
		}
	free(user);
}

void ig_split(struct kir_module *m, const struct ig_target *t, int threads)
{
	struct split s = {.m = m, .t = t, .threads = threads};
	if (threads < 2)
		return;
	if (threads > IG_MAX_THREADS)
		IG_BUG("%d threads", threads);
	for (int i = 0; i < m->n_funcs; i++)
		split_func(&s, m->func[i]);
	arrange(&s);
	free(m->func);
	m->func = s.func;
	m->n_funcs = s.n_funcs;
	m->cap_funcs = s.cap_funcs;
	m->threads = threads;
	keep_scratch(m);
	for (int i = 0; i < threads; i++)
		ig_vec_free(&s.touch[i]);
}
