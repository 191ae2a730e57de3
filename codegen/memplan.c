/* The memory plan: offsets of constants in the constant blob, of arena and scratch buffers in the arena. Liveness is which functions touch a buffer;
   placement is best fit in order of falling size (ties by index), so that the same module always gives the same plan. */
#include "codegen/codegen.h"

#include <stdlib.h>

#define ALIGN 64

struct placed {
	int64_t offset, end;
};

static bool in_arena(const struct kir_buffer *b)
{
	return b->space == KIR_ARENA || b->space == KIR_SCRATCH;
}

static int64_t buffer_bytes(const struct kir_buffer *b)
{
	int64_t n;
	if (!ig_mul_i64(b->count, kir_elem_bytes(b->elem), &n))
		IG_BUG("buffer %s of %lld elements", b->name, (long long)b->count);
	return n;
}

static bool align_up(int64_t x, int64_t align, int64_t *out)
{
	if (!ig_add_i64(x, align - 1, &x))
		return false;
	*out = x & -align;
	return true;
}

static void find_liveness(struct kir_module *m)
{
	for (int i = 0; i < m->n_bufs; i++)
		m->buf[i].first = m->buf[i].last = -1;
	for (int f = 0; f < m->n_funcs; f++)
		for (int k = 0; k < m->func[f]->n; k++) {
			const struct kir_inst *in = &m->func[f]->inst[k];
			if (!kir_ops[in->op].has_addr || in->op == KIR_PREFETCH)
				continue;
			struct kir_buffer *b = &m->buf[in->addr.buf];
			if (b->first < 0)
				b->first = f;
			if (b->space == KIR_SCRATCH && b->first != f)
				IG_BUG("scratch %s is used by functions %s and %s", b->name, m->func[b->first]->name, m->func[f]->name);
			b->last = f;
		}
}

/* Parts of a region run at the same time: what lives in some of its functions lives in all of it. */
static void widen_to_regions(struct kir_module *m)
{
	for (int first = 0, end; m->threads > 1 && first < m->n_funcs; first = end) {
		end = kir_region_end(m, first);
		for (int i = 0; i < m->n_bufs; i++) {
			struct kir_buffer *b = &m->buf[i];
			if (b->first >= first && b->first < end)
				b->first = first;
			if (b->last >= first && b->last < end)
				b->last = end - 1;
		}
	}
}

static bool too_large(const struct kir_module *m, const char *what, struct ig_diag *d)
{
	ig_error(d, IG_NOLOC, "%s: the %s of the model exceed what can be addressed; make the model or its input smaller", m->name, what);
	return false;
}

static bool plan_constants(struct kir_module *m, struct ig_diag *d)
{
	int64_t at = 0;
	for (int i = 0; i < m->n_bufs; i++) {
		struct kir_buffer *b = &m->buf[i];
		if (b->space != KIR_CONSTANT)
			continue;
		if (!align_up(at, b->align > ALIGN ? b->align : ALIGN, &b->offset) || !ig_add_i64(b->offset, buffer_bytes(b), &at))
			return too_large(m, "constants", d);
	}
	m->const_bytes = at;
	return true;
}

static int by_offset(const void *x, const void *y)
{
	const struct placed *a = x, *b = y;
	return a->offset != b->offset ? (a->offset < b->offset ? -1 : 1) : a->end < b->end ? -1 : a->end > b->end;
}

/* The start of the smallest gap between the busy ranges that holds `bytes`; after them all if there is none. */
static bool best_fit(struct placed *busy, int n, int64_t bytes, int64_t *offset)
{
	int64_t at = 0, best = -1, best_size = INT64_MAX;
	qsort(busy, (size_t)n, sizeof *busy, by_offset);
	for (int i = 0; i < n; i++) {
		int64_t gap = busy[i].offset - at, end;
		if (gap >= bytes && gap < best_size) {
			best = at;
			best_size = gap;
		}
		if (!align_up(busy[i].end, ALIGN, &end))
			return false;
		at = end > at ? end : at;
	}
	*offset = best >= 0 ? best : at;
	return true;
}

struct order {
	int64_t bytes;
	int buf;
};

static int by_size(const void *x, const void *y)
{
	const struct order *a = x, *b = y;
	return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : a->buf - b->buf;
}

static bool place(struct kir_module *m, const struct order *order, int n, bool keep, struct placed *busy, struct ig_diag *d)
{
	for (int i = 0; i < n; i++) {
		struct kir_buffer *b = &m->buf[order[i].buf];
		int n_busy = 0;
		int64_t end;
		if (b->align > ALIGN)
			IG_BUG("buffer %s wants an alignment of %d", b->name, b->align);
		for (int k = 0; k < i; k++) {
			const struct kir_buffer *o = &m->buf[order[k].buf];
			if (order[k].bytes && (keep || (o->first <= b->last && b->first <= o->last)))
				busy[n_busy++] = (struct placed){o->offset, o->offset + order[k].bytes};
		}
		if (!best_fit(busy, n_busy, order[i].bytes, &b->offset) || !ig_add_i64(b->offset, order[i].bytes, &end) || !align_up(end, ALIGN, &end))
			return too_large(m, "activations", d);
		if (end > m->arena_bytes)
			m->arena_bytes = end;
	}
	return true;
}

bool ig_memplan(struct kir_module *m, const struct ig_lower_options *o, struct ig_diag *d)
{
	find_liveness(m);
	widen_to_regions(m);
	if (!plan_constants(m, d))
		return false;
	struct order *order = ig_xcalloc((size_t)m->n_bufs + 1, sizeof *order);
	struct placed *busy = ig_xcalloc((size_t)m->n_bufs + 1, sizeof *busy);
	int n = 0;
	for (int i = 0; i < m->n_bufs; i++)
		if (in_arena(&m->buf[i])) {
			order[n].bytes = m->buf[i].first < 0 ? 0 : buffer_bytes(&m->buf[i]);
			order[n++].buf = i;
		}
	qsort(order, (size_t)n, sizeof *order, by_size);
	m->arena_bytes = 0;
	bool ok = place(m, order, n, o && o->keep, busy, d);
	free(order);
	free(busy);
	return ok;
}
