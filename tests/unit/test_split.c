/* Modules of several threads: what the verifier refuses, slices of functions, the splitting itself and its memory plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "codegen/slice.h"
#include "codegen/split.h"

enum { ROWS = 7, COLS = 5, CHANNELS = 48, BLOCK = 16, ELEMS = ROWS * COLS * CHANNELS };

static bool verifies(const struct kir_module *m, char *text, size_t size)
{
	FILE *f = fmemopen(text, size, "w");
	struct ig_diag *d = ig_diag_new(f, false);
	bool ok = kir_verify(m, d);
	ig_diag_free(d);
	fclose(f);
	return ok;
}

/* ---- the verifier ---- */

static struct kir_module *two_parts(struct kir_func **f)
{
	struct kir_module *m = kir_module_new("parts");
	m->threads = 2;
	for (int i = 0; i < 2; i++) {
		f[i] = kir_func_add(m, "f", IG_NONODE);
		f[i]->part = i;
	}
	return m;
}

/* Stores (or loads) `span` bytes at base + coeff * (0 .. count - 1). */
static void touch(struct kir_module *m, struct kir_func *f, bool store, int32_t buf, int64_t base, int64_t coeff, int64_t count, int span)
{
	struct kir_builder b = {m, f};
	kir_iv iv = kb_loop(&b, "i", count, NULL, 0);
	struct kir_addr a = kb_addr(buf, base);
	kb_addr_add(&a, iv, coeff);
	if (store)
		kb_store(&b, kb_const_i(&b, KIR_T(KIR_I8, span), 1), a);
	else
		kb_load(&b, KIR_T(KIR_I8, span), a);
	kb_end(&b, NULL, 0);
}

struct meeting {
	bool apart, store[2];
	int64_t base[2], coeff[2], count[2];
	int span[2];
};

static void meetings(void **state)
{
	static const struct meeting all[] = {
		{true, {true, true}, {0, 32}, {8, 8}, {4, 4}, {8, 8}},     /* one behind the other */
		{false, {true, true}, {0, 24}, {8, 8}, {4, 4}, {8, 8}},    /* the last of one is the first of the other */
		{true, {true, true}, {0, 8}, {16, 16}, {8, 8}, {8, 8}},    /* alternating */
		{false, {true, true}, {0, 4}, {16, 16}, {8, 8}, {8, 8}},   /* alternating, too wide */
		{true, {true, true}, {0, 12}, {16, 32}, {8, 4}, {4, 4}},   /* other strides, one a multiple */
		{false, {true, true}, {0, 12}, {16, 12}, {8, 8}, {4, 4}},  /* other strides */
		{true, {true, true}, {112, 8}, {-16, 16}, {8, 8}, {8, 8}}, /* backwards */
		{false, {true, false}, {0, 0}, {8, 8}, {4, 4}, {8, 8}},    /* one writes what the other reads */
		{false, {false, true}, {0, 0}, {8, 8}, {4, 4}, {8, 8}},
		{true, {false, false}, {0, 0}, {8, 8}, {4, 4}, {8, 8}},    /* both read */
	};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(all); i++) {
		const struct meeting *x = &all[i];
		struct kir_func *f[2];
		char text[1000] = "";
		struct kir_module *m = two_parts(f);
		int32_t buf = kir_buffer_add(m, "a", KIR_ARENA, KIR_I8, 128);
		for (int k = 0; k < 2; k++)
			touch(m, f[k], x->store[k], buf, x->base[k], x->coeff[k], x->count[k], x->span[k]);
		if (verifies(m, text, sizeof text) != x->apart)
			fail_msg("case %zu: %s", i, text);
		if (!x->apart)
			assert_non_null(strstr(text, "not proved to be apart from part 0 in buffer a"));
		f[1]->region = 1; /* one after the other they may meet */
		f[1]->part = 0;
		assert_true(verifies(m, text, sizeof text));
		kir_module_free(m);
	}
}

static void shared_memory(void **state)
{
	(void)state;
	struct kir_func *f[2];
	char text[1000] = "";
	struct kir_module *m = two_parts(f);
	for (int i = 0; i < 2; i++)
		touch(m, f[i], true, kir_buffer_add(m, i ? "b" : "a", KIR_ARENA, KIR_I8, 128), 0, 8, 16, 8);
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_memplan(m, NULL, d)); /* at the same time: apart */
	assert_true(m->buf[0].offset != m->buf[1].offset);
	assert_true(verifies(m, text, sizeof text));
	m->buf[1].offset = m->buf[0].offset + 64;
	assert_false(verifies(m, text, sizeof text));
	assert_non_null(strstr(text, "in buffer b"));
	f[1]->region = 1;
	f[1]->part = 0;
	assert_true(ig_memplan(m, NULL, d)); /* one after the other: in the same place */
	assert_true(m->buf[0].offset == m->buf[1].offset);
	ig_diag_free(d);
	kir_module_free(m);
}

static void order(void **state)
{
	static const int bad[][4] = {{1, 0, 1, 1}, {0, 1, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 2}, {0, 0, 1, 1}, {0, 0, -1, 0}};
	(void)state;
	for (size_t i = 0; i < IG_COUNTOF(bad); i++) {
		struct kir_func *f[2];
		char text[1000] = "";
		struct kir_module *m = two_parts(f);
		for (int k = 0; k < 2; k++) {
			f[k]->region = bad[i][2 * k];
			f[k]->part = bad[i][2 * k + 1];
		}
		assert_false(verifies(m, text, sizeof text));
		assert_non_null(strstr(text, "not in order"));
		kir_module_free(m);
	}
}

/* ---- slices ---- */

/* y = x + 1, channel blocks outside, rows inside, as a convolution goes: twice, the second time onto the first, with a value from outside the loops. */
static struct kir_module *image_module(int passes)
{
	struct kir_module *m = kir_module_new("image");
	m->n_inputs = m->n_outputs = 1;
	int32_t from = kir_buffer_add(m, "x", KIR_IN, KIR_I8, ELEMS), last = kir_buffer_add(m, "y", KIR_OUT, KIR_I8, ELEMS);
	m->buf[from].io = m->buf[last].io = 0;
	for (int p = 0; p < passes; p++) {
		int32_t to = p + 1 == passes ? last : kir_buffer_add(m, "t", KIR_ARENA, KIR_I8, ELEMS);
		struct kir_builder b = {m, kir_func_add(m, "pass", IG_NONODE)};
		kir_val one = kb_const_i(&b, KIR_T(KIR_I8, BLOCK), 1);
		kir_iv c = kb_loop(&b, "oc", CHANNELS / BLOCK, NULL, 0), y = kb_loop(&b, "y", ROWS, NULL, 0), x = kb_loop(&b, "x", COLS, NULL, 0);
		struct kir_addr a = kb_addr(from, 0);
		kb_addr_add(&a, c, BLOCK);
		kb_addr_add(&a, y, COLS * CHANNELS);
		kb_addr_add(&a, x, CHANNELS);
		kir_val v = kb_op2(&b, KIR_ADD, kb_load(&b, KIR_T(KIR_I8, BLOCK), a), one);
		a.buf = to;
		kb_store(&b, v, a);
		for (int i = 0; i < 3; i++)
			kb_end(&b, NULL, 0);
		b.f->macs = 1000;
		from = to;
	}
	return m;
}

/* Runs a module of image_module's and compares, parts forwards and backwards. */
static void check_image(const struct kir_module *m, int passes)
{
	static unsigned char x[ELEMS], y[ELEMS];
	const void *in[] = {x};
	void *out[] = {y}, *arena = aligned_alloc(64, (size_t)m->arena_bytes + 64);
	for (int i = 0; i < ELEMS; i++)
		x[i] = (unsigned char)(i * 7 + i / 64);
	struct kir_interp *it = kir_interp_new(m);
	for (int reverse = 0; reverse < 2; reverse++) {
		memset(y, 0, sizeof y);
		memset(arena, 0x5a, (size_t)m->arena_bytes);
		kir_interp_reverse(it, reverse);
		kir_interp_run(it, in, out, arena);
		for (int i = 0; i < ELEMS; i++)
			assert_int_equal(y[i], (unsigned char)(x[i] + passes));
	}
	kir_interp_free(it);
	free(arena);
}

static void replace(struct kir_module *m, struct kir_func **part, int n)
{
	kir_func_free(m->func[0]);
	m->n_funcs = 0;
	for (int i = 0; i < n; i++) {
		if (part[i]->n == 0) {
			kir_func_free(part[i]);
			continue;
		}
		if (m->n_funcs == m->cap_funcs)
			ig_vec_grow((void **)&m->func, &m->cap_funcs, sizeof *m->func);
		part[i]->part = m->n_funcs;
		m->func[m->n_funcs++] = part[i];
	}
	m->threads = n;
}

static void slices(void **state)
{
	static const char *const loops[] = {NULL, "y", "oc", "x", "none"};
	(void)state;
	for (size_t l = 0; l < IG_COUNTOF(loops); l++)
		for (int n = 1; n <= 32; n = n < 5 ? n + 1 : n * 2) {
			struct kir_module *m = image_module(1);
			const struct kir_func *f = m->func[0];
			struct kir_func *part[32];
			char text[1000] = "";
			struct kir_cost *cost = kir_cost_new(f, 64);
			int64_t most = 0;
			for (int i = 0; i < n; i++) {
				part[i] = kir_slice(m, f, cost, &(struct kir_cut){0, f->n - 1, loops[l], i, n});
				assert_non_null(part[i]);
				struct kir_cost *c = kir_cost_new(part[i], 64);
				most = c->all > most ? c->all : most;
				kir_cost_free(c);
			}
			if (!loops[l] && n <= 4) /* three blocks of seven rows go inside where a bound falls into a block */
				assert_true((double)most < 1.12 * (double)cost->all / n);
			kir_cost_free(cost);
			replace(m, part, n);
			if (!verifies(m, text, sizeof text))
				fail_msg("%s, %d parts: %s", loops[l] ? loops[l] : "list", n, text);
			check_image(m, 1);
			kir_module_free(m);
		}
}

/* A sum that is carried to the end of the function: neither a loop that carries nor what follows from it can be taken apart. */
static void carried(void **state)
{
	(void)state;
	struct kir_module *m = kir_module_new("sum");
	int32_t in = kir_buffer_add(m, "x", KIR_ARENA, KIR_I32, 64), out = kir_buffer_add(m, "y", KIR_ARENA, KIR_I32, 64);
	struct kir_builder b = {m, kir_func_add(m, "sum", IG_NONODE)};
	kir_val s = kb_const_i(&b, KIR_T(KIR_I32, 1), 0);
	kir_iv i = kb_loop(&b, "i", 64, &s, 1);
	struct kir_addr a = kb_addr(in, 0);
	kb_addr_add(&a, i, 1);
	s = kb_op2(&b, KIR_ADD, s, kb_load(&b, KIR_T(KIR_I32, 1), a));
	kb_end(&b, &s, 1);
	i = kb_loop(&b, "y", 64, NULL, 0);
	a = kb_addr(out, 0);
	kb_addr_add(&a, i, 1);
	kb_store(&b, s, a);
	kb_end(&b, NULL, 0);
	struct kir_cost *cost = kir_cost_new(m->func[0], 64);
	for (int part = 0; part < 2; part++) {
		struct kir_func *f = kir_slice(m, m->func[0], cost, &(struct kir_cut){0, m->func[0]->n - 1, NULL, part, 2});
		assert_true(part == 0 ? f != NULL : f == NULL); /* the first has the sum alone, from which nothing is stored */
		kir_func_free(f);
	}
	kir_cost_free(cost);
	struct ig_target t = {.vector_bytes = 64, .sync_cycles = 1};
	char text[1000] = "";
	ig_split(m, &t, 2);
	assert_int_equal(m->n_funcs, 1);
	assert_true(verifies(m, text, sizeof text));
	kir_module_free(m);
}

/* ---- the splitting ---- */

static void chains(void **state)
{
	(void)state;
	for (int threads = 2; threads <= 9; threads += threads == 3 ? 6 : 1)
		for (int passes = 1; passes <= 4; passes++) {
			struct kir_module *m = image_module(passes);
			struct ig_target t = {.vector_bytes = 64, .sync_cycles = 1};
			struct ig_diag *d = ig_diag_new(stderr, false);
			char text[1000] = "";
			int64_t macs = 0;
			ig_split(m, &t, threads);
			assert_true(ig_memplan(m, NULL, d));
			if (!verifies(m, text, sizeof text))
				fail_msg("%d threads, %d passes: %s", threads, passes, text);
			assert_int_equal(m->func[m->n_funcs - 1]->region, 0); /* every part reads what it wrote: nothing to wait for */
			assert_true(m->func[m->n_funcs - 1]->part > 0);
			for (int i = 0; i < m->n_funcs; i++)
				macs += m->func[i]->macs;
			assert_int_equal(macs, 1000 * passes);
			check_image(m, passes);
			ig_diag_free(d);
			kir_module_free(m);
		}
}

/* Where waiting costs more than the work, nothing is split; and one thread leaves the module as it is. */
static void not_worth_it(void **state)
{
	(void)state;
	struct kir_module *m = image_module(2);
	struct ig_target t = {.vector_bytes = 64, .sync_cycles = 1000000};
	struct kir_func *first = m->func[0];
	ig_split(m, &t, 1);
	assert_int_equal(m->threads, 0);
	assert_ptr_equal(m->func[0], first);
	ig_split(m, &t, 8);
	for (int i = 0; i < m->n_funcs; i++)
		assert_int_equal(m->func[i]->part, 0);
	kir_module_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meetings), cmocka_unit_test(shared_memory), cmocka_unit_test(order),        cmocka_unit_test(slices),
		cmocka_unit_test(carried),  cmocka_unit_test(chains),        cmocka_unit_test(not_worth_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
