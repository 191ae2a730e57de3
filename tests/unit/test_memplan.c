/* The memory plan: no two live buffers overlap, memory is reused, keep keeps, the same module gives the same plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/codegen.h"

static void touch(struct kir_module *m, struct kir_func *f, int32_t buf)
{
	struct kir_builder b = {m, f};
	kb_store(&b, kb_const_i(&b, KIR_T(KIR_I8, 1), 0), kb_addr(buf, 0));
}

static uint32_t next(uint32_t *seed)
{
	return *seed = *seed * 1664525u + 1013904223u;
}

/* Random lifetimes: buffer i is written in function `from` and read up to `to`; scratch in one function. */
static struct kir_module *random_module(uint32_t seed)
{
	struct kir_module *m = kir_module_new("plan");
	int n_funcs = 3 + (int)(next(&seed) >> 28), n_bufs = 2 + (int)(next(&seed) >> 27);
	for (int i = 0; i < n_funcs; i++)
		kir_func_add(m, "f", IG_NONODE);
	for (int i = 0; i < n_bufs; i++) {
		bool scratch = next(&seed) >> 30 == 0;
		int32_t b = kir_buffer_add(m, "b", scratch ? KIR_SCRATCH : KIR_ARENA, KIR_I8, 1 + (next(&seed) >> 20));
		int from = (int)(next(&seed) >> 8) % n_funcs, to = scratch ? from : from + (int)(next(&seed) >> 8) % (n_funcs - from);
		touch(m, m->func[from], b);
		touch(m, m->func[to], b);
	}
	kir_buffer_const(m, "c", KIR_I8, 3, "abc");
	kir_buffer_const(m, "d", KIR_I32, 2, "abcdefgh");
	return m;
}

static void check_plan(const struct kir_module *m, bool keep)
{
	for (int i = 0; i < m->n_bufs; i++) {
		const struct kir_buffer *a = &m->buf[i];
		int64_t end = a->offset + a->count * kir_elem_bytes(a->elem);
		assert_true(a->offset >= 0 && a->offset % 64 == 0);
		assert_true(end <= (a->space == KIR_CONSTANT ? m->const_bytes : m->arena_bytes));
		for (int k = 0; k < i; k++) {
			const struct kir_buffer *b = &m->buf[k];
			if ((a->space == KIR_CONSTANT) != (b->space == KIR_CONSTANT))
				continue;
			bool together = keep || a->space == KIR_CONSTANT || (a->first <= b->last && b->first <= a->last);
			if (together)
				assert_true(end <= b->offset || b->offset + b->count * kir_elem_bytes(b->elem) <= a->offset);
		}
	}
	assert_true(m->arena_bytes % 64 == 0);
}

/* No plan can be smaller than the most that is live at once. */
static int64_t live_peak(const struct kir_module *m)
{
	int64_t peak = 0;
	for (int f = 0; f < m->n_funcs; f++) {
		int64_t sum = 0;
		for (int i = 0; i < m->n_bufs; i++)
			if (m->buf[i].space != KIR_CONSTANT && m->buf[i].first <= f && f <= m->buf[i].last)
				sum += (m->buf[i].count * kir_elem_bytes(m->buf[i].elem) + 63) & ~(int64_t)63;
		peak = sum > peak ? sum : peak;
	}
	return peak;
}

static void random_plans(void **state)
{
	(void)state;
	struct ig_diag *d = ig_diag_new(stderr, false);
	int64_t peaks = 0, plans = 0;
	for (uint32_t seed = 1; seed <= 300; seed++) {
		struct kir_module *m = random_module(seed), *again = random_module(seed);
		assert_true(ig_memplan(m, NULL, d));
		assert_true(ig_memplan(again, NULL, d));
		for (int i = 0; i < m->n_bufs; i++)
			assert_int_equal(m->buf[i].offset, again->buf[i].offset);
		check_plan(m, false);
		peaks += live_peak(m);
		plans += m->arena_bytes;
		assert_true(m->arena_bytes >= live_peak(m));
		assert_true(ig_memplan(again, &(struct ig_lower_options){.keep = true}, d));
		check_plan(again, true);
		kir_module_free(m);
		kir_module_free(again);
	}
	assert_true(plans <= peaks + peaks / 10); /* within 10 % of the bound on the whole */
	ig_diag_free(d);
}

/* A chain of equal layers needs two buffers' worth, whatever its length. */
static void chain(void **state)
{
	(void)state;
	struct ig_diag *d = ig_diag_new(stderr, false);
	struct kir_module *m = kir_module_new("chain");
	int32_t last = -1;
	for (int i = 0; i < 10; i++) {
		struct kir_func *f = kir_func_add(m, "f", IG_NONODE);
		int32_t b = kir_buffer_add(m, "b", KIR_ARENA, KIR_I8, 1000);
		touch(m, f, b);
		if (last >= 0)
			touch(m, f, last);
		last = b;
	}
	assert_true(ig_memplan(m, NULL, d));
	assert_int_equal(m->arena_bytes, 2 * 1024);
	kir_module_free(m);
	ig_diag_free(d);
}

static void too_large(void **state)
{
	(void)state;
	char text[500] = "";
	FILE *out = fmemopen(text, sizeof text, "w");
	struct ig_diag *d = ig_diag_new(out, false);
	struct kir_module *m = kir_module_new("huge");
	struct kir_func *f = kir_func_add(m, "f", IG_NONODE);
	for (int i = 0; i < 3; i++)
		touch(m, f, kir_buffer_add(m, "b", KIR_ARENA, KIR_I8, INT64_MAX / 2));
	assert_false(ig_memplan(m, NULL, d));
	ig_diag_free(d);
	fclose(out);
	assert_non_null(strstr(text, "activations of the model exceed"));
	kir_module_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_plans), cmocka_unit_test(chain), cmocka_unit_test(too_large)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
