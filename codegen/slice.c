/* A part of a kernel function's work as a function of its own. The work of a function, or of a loop's body, is a list of units: loops that carry nothing, each
   iteration of which is a unit too, and what stands between them. A cut takes the units whose middle lies in a range of the list's cost; where a bound falls
   into a large iteration it goes on inside. Both sides of a bound decide alike, so the parts of a function are its whole. What computes without storing is
   copied into every part, and removed where nothing needs it. */
#include "codegen/slice.h"

#include <stdlib.h>
#include <string.h>

enum { GONE = -1 };

struct slicer {
	struct kir_builder b;
	const struct kir_func *f;
	const struct kir_cost *cost;
	struct kir_cut cut;
	kir_val *map;      /* by value of f: in the new function; GONE */
	kir_iv *iv;        /* by loop of f: in the new function; GONE: one iteration */
	int64_t *shift;    /* by loop of f: its first iteration here */
	int64_t most;      /* the greatest cost of an iteration that is not cut further */
	bool ok;
};

/* ---- cost ---- */

/* Quarters of a cycle, roughly: two to four vector instructions run in one. */
static int64_t inst_cost(const struct kir_inst *in, int vector_bytes)
{
	int64_t vectors = (kir_type_bytes(in->type) + vector_bytes - 1) / vector_bytes;
	switch (in->op) {
	case KIR_CONST:
	case KIR_BITCAST:
	case KIR_PREFETCH:
	case KIR_LOOP: return 0;
	case KIR_END: return 4;
	case KIR_LUT: return 2 * in->type.lanes;
	case KIR_DIV: return 32 * vectors;
	case KIR_FPACK: return 6 * vectors;
	case KIR_DOT:
	case KIR_FMA: return 3 * vectors;
	case KIR_STORE: return 4 * vectors;
	case KIR_TILE_DOT: return 64;
	case KIR_TILE_LOAD: return 4; /* beside the products */
	default: return 2 * vectors;
	}
}

struct kir_cost *kir_cost_new(const struct kir_func *f, int vector_bytes)
{
	struct kir_cost *c = ig_xcalloc(1, sizeof *c);
	c->body = ig_xcalloc((size_t)f->n_loops + 1, sizeof *c->body);
	c->inst = ig_xcalloc((size_t)f->n + 1, sizeof *c->inst);
	kir_iv open = -1;
	for (int k = 0; k < f->n; k++) {
		const struct kir_inst *in = &f->inst[k];
		int64_t *sum = open < 0 ? &c->all : &c->body[open];
		c->inst[k] = inst_cost(in, vector_bytes);
		if (in->op == KIR_LOOP) {
			open = in->loop;
			continue;
		}
		*sum += c->inst[k];
		if (in->op == KIR_END) {
			const struct kir_loop *l = &f->loop[open];
			c->inst[l->begin] = c->body[open] * l->count;
			*(l->parent < 0 ? &c->all : &c->body[l->parent]) += c->inst[l->begin];
			open = l->parent;
		}
	}
	return c;
}

void kir_cost_free(struct kir_cost *c)
{
	if (!c)
		return;
	free(c->body);
	free(c->inst);
	free(c);
}

/* ---- units ---- */

static bool is_free(const struct kir_inst *in)
{
	return in->op == KIR_LOOP && in->n_dst == 0;
}

int kir_unit_end(const struct kir_func *f, int first, int last)
{
	if (is_free(&f->inst[first]))
		return f->loop[f->inst[first].loop].end;
	int k = first;
	while (k <= last && !is_free(&f->inst[k]))
		k = (f->inst[k].op == KIR_LOOP ? f->loop[f->inst[k].loop].end : k) + 1;
	return k - 1;
}

/* Of instructions of one level. */
static int64_t cost_of(const struct slicer *s, int first, int last)
{
	int64_t n = 0;
	for (int k = first; k <= last; k++) {
		const struct kir_inst *in = &s->f->inst[k];
		n += s->cost->inst[k];
		if (in->op == KIR_LOOP)
			k = s->f->loop[in->loop].end;
	}
	return n;
}

/* ---- copying ---- */

/* Copies an instruction; false when an operand is not there. */
static bool copy_inst(struct slicer *s, const struct kir_inst *from)
{
	struct kir_inst in = *from;
	for (int i = 0; i < kir_ops[in.op].n_args; i++)
		if ((in.arg[i] = s->map[in.arg[i]]) == GONE)
			return false;
	if (kir_ops[in.op].has_addr) {
		in.addr.n = 0;
		for (int i = 0; i < from->addr.n; i++) {
			kir_iv iv = from->addr.term[i].iv;
			in.addr.base += from->addr.term[i].coeff * s->shift[iv];
			if (s->iv[iv] != GONE)
				kb_addr_add(&in.addr, s->iv[iv], from->addr.term[i].coeff);
		}
	}
	kir_val dst = kb_clone(&s->b, &in);
	if (from->n_dst)
		s->map[from->dst] = dst;
	return true;
}

static bool map_all(const struct slicer *s, const kir_val *from, int n, kir_val *to)
{
	for (int i = 0; i < n; i++)
		if ((to[i] = s->map[from[i]]) == GONE)
			return false;
	return true;
}

static void copy_all(struct slicer *s, int first, int last);

static void copy_loop(struct slicer *s, const struct kir_inst *in)
{
	const struct kir_loop *l = &s->f->loop[in->loop];
	const struct kir_inst *end = &s->f->inst[l->end];
	kir_val *v = ig_xcalloc((size_t)in->n_dst + 1, sizeof *v);
	if (map_all(s, in->extra, in->n_extra, v)) {
		s->iv[in->loop] = kb_loop(&s->b, l->name, l->count, v, in->n_dst);
		s->b.f->loop[s->iv[in->loop]].unroll = l->unroll;
		s->shift[in->loop] = 0;
		for (int i = 0; i < in->n_dst; i++)
			s->map[in->dst + i] = v[i];
		copy_all(s, l->begin + 1, l->end - 1);
		s->ok = s->ok && map_all(s, end->extra, end->n_extra, v);
		if (s->ok)
			kb_end(&s->b, v, in->n_dst);
		for (int i = 0; i < end->n_dst; i++)
			s->map[end->dst + i] = v[i];
	} else {
		s->ok = false;
	}
	free(v);
}

static void copy_all(struct slicer *s, int first, int last)
{
	for (int k = first; k <= last && s->ok; k++) {
		const struct kir_inst *in = &s->f->inst[k];
		if (in->op == KIR_LOOP) {
			copy_loop(s, in);
			k = s->f->loop[in->loop].end;
		} else if (!copy_inst(s, in)) {
			s->ok = false;
		}
	}
}

static bool may_repeat(const struct slicer *s, const struct kir_inst *in)
{
	if (kir_ops[in->op].has_addr) {
		enum kir_space space = s->b.m->buf[in->addr.buf].space;
		return space == KIR_CONSTANT || space == KIR_IN;
	}
	return kir_ops[in->op].has_result && !kir_is_tile_op(in->op);
}

/* What a unit of another part computes for this one's, as far as that needs no loop and no memory that is written. */
static void copy_values(struct slicer *s, int first, int last)
{
	for (int k = first; k <= last; k++) {
		const struct kir_inst *in = &s->f->inst[k];
		if (in->op == KIR_LOOP)
			k = s->f->loop[in->loop].end;
		else if (may_repeat(s, in))
			copy_inst(s, in);
	}
}

/* ---- cutting ---- */

static void cut_list(struct slicer *s, int first, int last, int64_t from, int64_t to, int depth);

/* Can a bound fall inside an iteration? */
static bool goes_inside(const struct slicer *s, const struct kir_loop *l, kir_iv iv, int depth)
{
	bool inner = false;
	for (int k = l->begin + 1; k < l->end && !inner; k = kir_unit_end(s->f, k, l->end - 1) + 1)
		inner = is_free(&s->f->inst[k]);
	return inner && depth < 2 && s->cost->body[iv] > s->most;
}

static void begin_loop(struct slicer *s, kir_iv iv, int64_t count, int64_t first)
{
	const struct kir_loop *l = &s->f->loop[iv];
	s->iv[iv] = kb_loop(&s->b, l->name, count, NULL, 0);
	s->b.f->loop[s->iv[iv]].unroll = l->unroll;
	s->shift[iv] = first;
}

static void end_loop(struct slicer *s)
{
	if (s->ok)
		kb_end(&s->b, NULL, 0);
}

/* The iteration that a bound falls into or before, and how far into it: 0 when it is cut there. */
static int64_t place_bound(const struct slicer *s, const struct kir_loop *l, kir_iv iv, int64_t at, int depth, int64_t *inside)
{
	int64_t per = s->cost->body[iv];
	*inside = 0;
	if (at <= 0)
		return 0;
	if (at / per >= l->count)
		return l->count;
	int64_t k = at / per, rest = at % per;
	if (rest && goes_inside(s, l, iv, depth)) {
		*inside = rest;
		return k;
	}
	return k + (2 * rest >= per);
}

/* What of one iteration lies between two bounds. Values of other iterations are not its own. */
static void cut_iteration(struct slicer *s, const struct kir_loop *l, kir_iv iv, int64_t k, int64_t from, int64_t to, int depth)
{
	s->iv[iv] = GONE;
	s->shift[iv] = k;
	for (int i = l->begin + 1; i < l->end; i++)
		for (int r = 0; r < s->f->inst[i].n_dst; r++)
			s->map[s->f->inst[i].dst + r] = GONE;
	cut_list(s, l->begin + 1, l->end - 1, from, to, depth + 1);
}

static void cut_loop(struct slicer *s, const struct kir_inst *in, int64_t from, int64_t to, int depth)
{
	const struct kir_loop *l = &s->f->loop[in->loop];
	int64_t head, tail, a = place_bound(s, l, in->loop, from, depth, &head), b = place_bound(s, l, in->loop, to, depth, &tail);
	if (head && tail && a == b) {
		cut_iteration(s, l, in->loop, a, head, tail, depth);
		return;
	}
	if (head)
		cut_iteration(s, l, in->loop, a++, head, INT64_MAX, depth);
	if (b - a == 1) {
		s->iv[in->loop] = GONE;
		s->shift[in->loop] = a;
		copy_all(s, l->begin + 1, l->end - 1);
	} else if (b > a) {
		begin_loop(s, in->loop, b - a, a);
		copy_all(s, l->begin + 1, l->end - 1);
		end_loop(s);
	}
	if (tail)
		cut_iteration(s, l, in->loop, b, INT64_MIN, tail, depth);
}

static void cut_list(struct slicer *s, int first, int last, int64_t from, int64_t to, int depth)
{
	int64_t at = 0;
	for (int k = first, end; k <= last && s->ok; k = end + 1) {
		end = kir_unit_end(s->f, k, last);
		int64_t cost = cost_of(s, k, end), middle = at + cost / 2;
		int64_t low = from == INT64_MIN ? INT64_MIN : from - at, high = to == INT64_MAX ? INT64_MAX : to - at;
		if (is_free(&s->f->inst[k]))
			cut_loop(s, &s->f->inst[k], low, high, depth);
		else if (from <= middle && middle < to)
			copy_all(s, k, end);
		else
			copy_values(s, k, end);
		at += cost;
	}
}

static int64_t bound(int64_t all, int i, int n)
{
	return i == 0 ? INT64_MIN : i == n ? INT64_MAX : (int64_t)((double)all * i / n);
}

static bool has_named(const struct kir_func *f, int first, int last, const char *name)
{
	for (int k = first; k <= last; k++)
		if (is_free(&f->inst[k]) && !strcmp(f->loop[f->inst[k].loop].name, name))
			return true;
	return false;
}

/* Cuts the lists that hold loops of the name; whatever else there is belongs to the last part. */
static void cut_named(struct slicer *s, int first, int last)
{
	bool here = false, mine = s->cut.part + 1 == s->cut.parts;
	for (int k = first; k <= last; k = kir_unit_end(s->f, k, last) + 1)
		here |= is_free(&s->f->inst[k]) && !strcmp(s->f->loop[s->f->inst[k].loop].name, s->cut.loop);
	if (here) {
		int64_t all = cost_of(s, first, last);
		cut_list(s, first, last, bound(all, s->cut.part, s->cut.parts), bound(all, s->cut.part + 1, s->cut.parts), 1);
		return;
	}
	for (int k = first, end; k <= last && s->ok; k = end + 1) {
		const struct kir_inst *in = &s->f->inst[k];
		end = kir_unit_end(s->f, k, last);
		if (is_free(in) && has_named(s->f, k + 1, end - 1, s->cut.loop)) {
			const struct kir_loop *l = &s->f->loop[in->loop];
			begin_loop(s, in->loop, l->count, 0);
			cut_named(s, l->begin + 1, l->end - 1);
			end_loop(s);
		} else if (mine) {
			copy_all(s, k, end);
		} else {
			copy_values(s, k, end);
		}
	}
}

/* ---- what nothing needs ---- */

static void mark(bool *live, const kir_val *v, int n)
{
	for (int i = 0; i < n; i++)
		live[v[i]] = true;
}

/* Which instructions to keep: what stores, what that needs, and the loops around it. */
static void find_needed(const struct kir_func *f, bool *keep)
{
	bool *live = ig_xcalloc((size_t)f->n_values + 1, sizeof *live), *busy = ig_xcalloc((size_t)f->n_loops + 1, sizeof *busy);
	kir_iv open = -1;
	for (int k = f->n - 1; k >= 0; k--) {
		const struct kir_inst *in = &f->inst[k];
		if (in->op == KIR_LOOP || in->op == KIR_END) {
			open = in->op == KIR_END ? in->loop : f->loop[in->loop].parent;
			keep[k] = in->n_dst > 0 || (in->op == KIR_LOOP && busy[in->loop]);
			if (in->op == KIR_LOOP)
				keep[f->loop[in->loop].end] = keep[k];
			mark(live, in->extra, in->n_extra);
			continue;
		}
		keep[k] = in->n_dst == 0 || live[in->dst];
		if (!keep[k])
			continue;
		mark(live, in->arg, kir_ops[in->op].n_args);
		for (kir_iv l = open; l >= 0; l = f->loop[l].parent)
			busy[l] = true;
	}
	free(live);
	free(busy);
}

/* Removes instructions whose results nothing uses, and empty loops. */
static void prune(struct kir_func *f)
{
	bool *keep = ig_xcalloc((size_t)f->n + 1, sizeof *keep);
	kir_iv *iv = ig_xcalloc((size_t)f->n_loops + 1, sizeof *iv);
	int n = 0, loops = 0;
	find_needed(f, keep);
	for (int k = 0; k < f->n; k++) {
		struct kir_inst in = f->inst[k];
		if (!keep[k])
			continue;
		if (in.op == KIR_LOOP) {
			struct kir_loop l = f->loop[in.loop];
			l.parent = l.parent < 0 ? -1 : iv[l.parent];
			l.begin = n;
			iv[in.loop] = loops;
			f->loop[loops++] = l; /* loops stand in the order of their beginnings: none is overwritten before it is read */
		}
		if (in.loop >= 0)
			in.loop = iv[in.loop];
		if (in.op == KIR_END)
			f->loop[in.loop].end = n;
		for (int i = 0; kir_ops[in.op].has_addr && i < in.addr.n; i++)
			in.addr.term[i].iv = iv[in.addr.term[i].iv];
		f->inst[n++] = in;
	}
	f->n = n;
	f->n_loops = loops;
	free(keep);
	free(iv);
}

struct kir_func *kir_slice(struct kir_module *m, const struct kir_func *f, const struct kir_cost *cost, const struct kir_cut *cut)
{
	struct slicer s = {.f = f, .cost = cost, .cut = *cut, .ok = true};
	struct kir_func *to = ig_xcalloc(1, sizeof *to);
	*to = (struct kir_func){.name = f->name, .layer = f->layer, .node = f->node, .open = -1, .part = cut->part};
	s.b = (struct kir_builder){m, to};
	s.map = ig_xcalloc((size_t)f->n_values + 1, sizeof *s.map);
	s.iv = ig_xcalloc((size_t)f->n_loops + 1, sizeof *s.iv);
	s.shift = ig_xcalloc((size_t)f->n_loops + 1, sizeof *s.shift);
	for (int i = 0; i < f->n_values; i++)
		s.map[i] = GONE;
	copy_values(&s, 0, cut->first - 1);
	if (cut->loop) {
		s.most = INT64_MAX;
		cut_named(&s, cut->first, cut->last);
	} else {
		int64_t all = cost_of(&s, cut->first, cut->last);
		s.most = all / (50 * cut->parts);
		cut_list(&s, cut->first, cut->last, bound(all, cut->part, cut->parts), bound(all, cut->part + 1, cut->parts), 0);
	}
	free(s.map);
	free(s.iv);
	free(s.shift);
	if (s.ok) {
		prune(to);
		return to;
	}
	kir_func_free(to);
	return NULL;
}
