/* What functions of the kernel IR touch, as sets of affine addresses, and the proof that two of them touch apart: what lets them run at the same time. */
#include <stdlib.h>
#include <string.h>

#include "codegen/kir.h"

static void sort_terms(struct kir_access *a)
{
	for (int i = 1; i < a->n; i++)
		for (int k = i; k > 0 && a->term[k - 1].coeff < a->term[k].coeff; k--) {
			struct kir_access_term t = a->term[k];
			a->term[k] = a->term[k - 1];
			a->term[k - 1] = t;
		}
}

/* Elements of the buffer that one execution touches from its address on. An instruction that is not known here touches the whole buffer. */
static struct kir_access describe(const struct kir_module *m, const struct kir_func *f, const struct kir_inst *in)
{
	const struct kir_buffer *b = &m->buf[in->addr.buf];
	struct kir_access a = {.buf = in->addr.buf, .base = in->addr.base};
	if (in->op == KIR_LOAD || in->op == KIR_STORE)
		a.span = kir_span(b, (enum kir_elem)in->type.elem, in->active);
	else if (in->op == KIR_LUT)
		a.span = 256;
	else if (kir_is_tile_op(in->op)) /* rows of 64 bytes */
		a.span = 64 / kir_elem_bytes(b->elem);
	a.store = in->op == KIR_STORE || in->op == KIR_TILE_STORE;
	if (!a.span)
		return (struct kir_access){.buf = in->addr.buf, .span = b->count, .store = b->space == KIR_OUT || b->space >= KIR_ARENA};
	if (kir_is_tile_op(in->op) && in->active > 1 && in->imm.i > 0)
		a.term[a.n++] = (struct kir_access_term){in->imm.i, in->active};
	for (int i = 0; i < in->addr.n; i++) {
		int64_t count = f->loop[in->addr.term[i].iv].count, coeff = in->addr.term[i].coeff;
		if (count == 1 || !coeff)
			continue;
		if (coeff < 0)
			a.base += coeff * (count - 1);
		a.term[a.n++] = (struct kir_access_term){coeff < 0 ? -coeff : coeff, count};
	}
	sort_terms(&a);
	return a;
}

static int by_place(const void *x, const void *y)
{
	const struct kir_access *a = x, *b = y;
	if (a->buf != b->buf)
		return a->buf < b->buf ? -1 : 1;
	if (a->store != b->store)
		return a->store - b->store;
	if (a->n != b->n)
		return a->n - b->n;
	for (int i = 0; i < a->n; i++) {
		if (a->term[i].coeff != b->term[i].coeff)
			return a->term[i].coeff < b->term[i].coeff ? -1 : 1;
		if (a->term[i].count != b->term[i].count)
			return a->term[i].count < b->term[i].count ? -1 : 1;
	}
	return a->base != b->base ? (a->base < b->base ? -1 : 1) : 0;
}

static bool same_shape(const struct kir_access *a, const struct kir_access *b)
{
	bool same = a->buf == b->buf && a->store == b->store && a->n == b->n;
	for (int i = 0; same && i < a->n; i++)
		same = a->term[i].coeff == b->term[i].coeff && a->term[i].count == b->term[i].count;
	return same;
}

void kir_accesses_tidy(struct kir_accesses *l)
{
	int n = 0;
	if (l->n > 1)
		qsort(l->v, (size_t)l->n, sizeof *l->v, by_place);
	for (int i = 0; i < l->n; i++) {
		struct kir_access *last = n ? &l->v[n - 1] : NULL, *a = &l->v[i];
		if (last && same_shape(last, a) && a->base <= last->base + last->span) {
			int64_t end = a->base + a->span;
			if (end > last->base + last->span)
				last->span = end - last->base;
		} else {
			l->v[n++] = *a;
		}
	}
	l->n = n;
}

void kir_accesses_add(struct kir_accesses *l, const struct kir_module *m, const struct kir_func *f, int first, int last)
{
	for (int k = first; k <= last; k++)
		if (kir_ops[f->inst[k].op].has_addr && f->inst[k].op != KIR_PREFETCH)
			ig_vec_push(l, describe(m, f, &f->inst[k]));
	kir_accesses_tidy(l);
}

static int64_t reach(const struct kir_access *a)
{
	int64_t n = a->span;
	for (int i = 0; i < a->n; i++)
		n += a->term[i].coeff * (a->term[i].count - 1);
	return n;
}

/* Modulo `period` the access is one run of elements from *first on. Returns its length, 0 when it covers everything. */
static int64_t run_modulo(const struct kir_access *a, int64_t period, int64_t *first)
{
	int64_t n = a->span;
	for (int i = 0; i < a->n; i++)
		if (a->term[i].coeff % period)
			n += a->term[i].coeff * (a->term[i].count - 1);
	*first = (a->base % period + period) % period;
	return n < period ? n : 0;
}

static bool apart_modulo(const struct kir_access *a, const struct kir_access *b, int64_t period)
{
	int64_t x, y, n = run_modulo(a, period, &x), k = run_modulo(b, period, &y);
	return n && k && (y - x + period) % period >= n && (x - y + period) % period >= k;
}

/* Proved when the spans from first to last do not meet, or when they do not meet modulo a stride of theirs (rows of two images, channels of pixels). */
static bool apart(const struct kir_access *a, const struct kir_access *b)
{
	if (a->base + reach(a) <= b->base || b->base + reach(b) <= a->base)
		return true;
	for (int i = 0; i < a->n; i++)
		if (apart_modulo(a, b, a->term[i].coeff))
			return true;
	for (int i = 0; i < b->n; i++)
		if (apart_modulo(a, b, b->term[i].coeff))
			return true;
	return false;
}

bool kir_accesses_apart(const struct kir_accesses *x, const struct kir_accesses *y, int32_t *buf)
{
	for (int i = 0, first = 0; i < x->n; i++) {
		const struct kir_access *a = &x->v[i];
		while (first < y->n && y->v[first].buf < a->buf)
			first++;
		for (int k = first; k < y->n && y->v[k].buf == a->buf; k++)
			if ((a->store || y->v[k].store) && !apart(a, &y->v[k])) {
				*buf = a->buf;
				return false;
			}
	}
	return true;
}
