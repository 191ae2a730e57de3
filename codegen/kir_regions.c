/* Verifies a module of several threads: functions stand in regions and parts, and the parts of a region meet neither in a buffer nor, once the memory plan is
   made, in memory that two buffers share. */
#include <stdlib.h>

#include "codegen/kir.h"

static bool fail(const struct kir_module *m, struct ig_diag *d, const struct kir_func *f, const char *what)
{
	ig_error(d, IG_NOLOC, "internal error: kernel IR of %s, function %s, region %d part %d: %s", m->name, f->name, f->region, f->part, what);
	return false;
}

static bool verify_order(const struct kir_module *m, struct ig_diag *d)
{
	int region = -1, part = 0;
	for (int i = 0; i < m->n_funcs; i++) {
		const struct kir_func *f = m->func[i];
		bool begins = f->region == region + 1 && f->part == 0, goes_on = i && f->region == region && (f->part == part || f->part == part + 1);
		if ((!begins && !goes_on) || f->part >= m->threads)
			return fail(m, d, f, "regions and parts are not in order");
		region = f->region;
		part = f->part;
	}
	return true;
}

/* Do two different buffers lie in the same memory? Before the memory plan none does. */
static bool overlap(const struct kir_buffer *a, const struct kir_buffer *b)
{
	if (a->space < KIR_ARENA || b->space < KIR_ARENA || a->offset < 0 || b->offset < 0)
		return false;
	return a->offset < b->offset + b->count * kir_elem_bytes(b->elem) && b->offset < a->offset + a->count * kir_elem_bytes(a->elem);
}

static bool memory_apart(const struct kir_module *m, const struct kir_accesses *x, const struct kir_accesses *y, int32_t *buf)
{
	for (int i = 0; i < x->n; i++)
		for (int k = 0; k < y->n; k++) {
			const struct kir_access *a = &x->v[i], *b = &y->v[k];
			*buf = a->buf;
			if (a->buf != b->buf && (a->store || b->store) && overlap(&m->buf[a->buf], &m->buf[b->buf]))
				return false;
		}
	return true;
}

static bool verify_region(const struct kir_module *m, int first, int end, struct ig_diag *d)
{
	int parts = m->func[end - 1]->part + 1;
	struct kir_accesses *touch = ig_xcalloc((size_t)parts, sizeof *touch);
	int32_t buf = -1;
	bool ok = true;
	for (int i = first; i < end; i++)
		kir_accesses_add(&touch[m->func[i]->part], m, m->func[i], 0, m->func[i]->n - 1);
	for (int i = first; i < end && ok; i = kir_part_end(m, i))
		for (int k = 0; k < m->func[i]->part && ok; k++) {
			const struct kir_accesses *mine = &touch[m->func[i]->part];
			ok = kir_accesses_apart(mine, &touch[k], &buf) && memory_apart(m, mine, &touch[k], &buf);
			if (!ok)
				fail(m, d, m->func[i], ig_arena_printf(m->arena, "it is not proved to be apart from part %d in buffer %s", k, m->buf[buf].name));
		}
	for (int i = 0; i < parts; i++)
		ig_vec_free(&touch[i]);
	free(touch);
	return ok;
}

bool kir_verify_regions(const struct kir_module *m, struct ig_diag *d)
{
	if (!verify_order(m, d))
		return false;
	for (int i = 0, end; i < m->n_funcs; i = end) {
		end = kir_region_end(m, i);
		if (!verify_region(m, i, end, d))
			return false;
	}
	return true;
}
