/* Kernel IR: builder, verifier, printer, containers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codegen/kir.h"

/* out[i] = sum over k of x[k] * w[16k + i] as f32, in two steps of 8. */
static struct kir_module *small_module(void)
{
	struct kir_module *m = kir_module_new("small");
	float w[64];
	for (int i = 0; i < 64; i++)
		w[i] = (float)i;
	m->n_inputs = m->n_outputs = 1;
	int32_t in = kir_buffer_add(m, "x", KIR_IN, KIR_F32, 4), out = kir_buffer_add(m, "y", KIR_OUT, KIR_F32, 16);
	m->buf[in].io = m->buf[out].io = 0;
	int32_t weights = kir_buffer_const(m, "w", KIR_F32, 64, w);
	struct kir_builder b = {m, kir_func_add(m, "lin.ear", IG_NONODE)};
	kir_iv j = kb_loop(&b, "j", 2, NULL, 0);
	kir_val acc = kb_const_f(&b, 8, 0.0f);
	kir_iv k = kb_loop(&b, "k", 4, &acc, 1);
	struct kir_addr xa = kb_addr(in, 0), wa = kb_addr(weights, 0), ya = kb_addr(out, 0);
	kb_addr_add(&xa, k, 1);
	kb_addr_add(&wa, k, 16);
	kb_addr_add(&wa, j, 8);
	kb_addr_add(&ya, j, 8);
	kir_val x = kb_op1(&b, KIR_SPLAT, KIR_T(KIR_F32, 8), kb_load(&b, KIR_T(KIR_F32, 1), xa));
	kir_val next = kb_fma(&b, x, kb_load(&b, KIR_T(KIR_F32, 8), wa), acc);
	kb_end(&b, &next, 1);
	kb_store(&b, next, ya);
	kb_end(&b, NULL, 0);
	return m;
}

static bool verifies(const struct kir_module *m, char *text, size_t size)
{
	FILE *f = fmemopen(text, size, "w");
	struct ig_diag *d = ig_diag_new(f, false);
	bool ok = kir_verify(m, d);
	assert_int_equal(ok, ig_diag_errors(d) == 0);
	ig_diag_free(d);
	fclose(f);
	return ok;
}

static void accepts(void **state)
{
	(void)state;
	char text[1000] = "";
	struct kir_module *m = small_module();
	if (!verifies(m, text, sizeof text))
		fail_msg("%s", text);
	kir_module_free(m);
}

/* Each breaks one thing of the small module; the verifier must say so with the given words. */
static struct kir_inst *inst(struct kir_module *m, enum kir_op op, int nth)
{
	struct kir_func *f = m->func[0];
	for (int i = 0; i < f->n; i++)
		if (f->inst[i].op == op && nth-- == 0)
			return &f->inst[i];
	abort();
}
static void break_count(struct kir_module *m) { m->func[0]->loop[1].count = 5; }
static void break_base(struct kir_module *m) { inst(m, KIR_STORE, 0)->addr.base = 1; }
static void break_negative(struct kir_module *m) { inst(m, KIR_LOAD, 0)->addr.base = -1; }
static void break_overflow(struct kir_module *m) { inst(m, KIR_LOAD, 1)->addr.term[0].coeff = INT64_MAX; }
static void break_const_store(struct kir_module *m) { inst(m, KIR_STORE, 0)->addr.buf = 2; }
static void break_in_store(struct kir_module *m) { inst(m, KIR_STORE, 0)->addr.buf = 0; }
static void break_scope(struct kir_module *m) { inst(m, KIR_STORE, 0)->arg[0] = inst(m, KIR_FMA, 0)->dst; }
static void break_order(struct kir_module *m) { inst(m, KIR_SPLAT, 0)->arg[0] = inst(m, KIR_END, 0)->dst; }
static void break_type(struct kir_module *m) { inst(m, KIR_FMA, 0)->arg[0] = inst(m, KIR_LOAD, 0)->dst; }
static void break_lanes(struct kir_module *m) { inst(m, KIR_CONST, 0)->type.lanes = 12; }
static void break_active(struct kir_module *m) { inst(m, KIR_STORE, 0)->active = 9; }
static void break_iv(struct kir_module *m) { inst(m, KIR_STORE, 0)->addr.term[0].iv = 1; }
static void break_carried(struct kir_module *m) { inst(m, KIR_END, 0)->n_extra = 0; }
static void break_twice(struct kir_module *m) { inst(m, KIR_LOAD, 0)->dst = inst(m, KIR_CONST, 0)->dst; }
static void break_nesting(struct kir_module *m) { inst(m, KIR_END, 0)->loop = 0; }
static void break_table(struct kir_module *m) { inst(m, KIR_LOAD, 1)->op = KIR_LUT; }
static void break_init(struct kir_module *m) { m->buf[2].init = NULL; }

static void refuses(void **state)
{
	(void)state;
	static const struct {
		void (*change)(struct kir_module *m);
		const char *text;
	} cases[] = {
		{break_count, "x[0..4] is accessed, of 4"}, {break_base, "y[1..16] is accessed, of 16"}, {break_negative, "x[-1..2] is accessed"},
		{break_overflow, "overflows"}, {break_const_store, "read-only"}, {break_in_store, "read-only"},
		{break_scope, "used after the loop"}, {break_order, "used before its definition"}, {break_type, "types"},
		{break_lanes, "types"}, {break_active, "9 of 8 lanes active"}, {break_iv, "which is not open"},
		{break_carried, "carries 1 values"}, {break_twice, "another type"}, {break_nesting, "not nested"}, {break_table, "no value"}, {break_init, "not well formed"},
	};
	for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
		char text[1000] = "";
		struct kir_module *m = small_module();
		cases[i].change(m);
		if (verifies(m, text, sizeof text) || !strstr(text, cases[i].text))
			fail_msg("case %zu: %s, got: %s", i, cases[i].text, text);
		kir_module_free(m);
	}
}

/* A load of wide elements is counted in the buffer's elements; active lanes count, not all. */
static void wide_and_partial(void **state)
{
	(void)state;
	for (int count = 10; count <= 16; count++) {
		char text[1000] = "";
		struct kir_module *m = kir_module_new("wide");
		int32_t a = kir_buffer_add(m, "a", KIR_ARENA, KIR_I8, count);
		struct kir_builder b = {m, kir_func_add(m, "f", IG_NONODE)};
		kb_store_n(&b, kb_load_n(&b, KIR_T(KIR_I32, 4), kb_addr(a, 1), 3), kb_addr(a, 0), 3);
		assert_int_equal(verifies(m, text, sizeof text), count >= 13);
		kir_module_free(m);
	}
}

static void prints(void **state)
{
	(void)state;
	static const char expected[] =
		"module small: arena 0, constants 0\n"
		"in 0 x: f32 x 4\n"
		"out 0 y: f32 x 16\n"
		"const w: f32 x 64\n"
		"\n"
		"func lin_ear # lin.ear, 0 MACs\n"
		"  loop j0 < 2\n"
		"    %0:f32x8 = const 0x0p+0\n"
		"    %1:f32x8 = loop k1 < 4 from %0\n"
		"      %2:f32 = load x[0 + k1]\n"
		"      %3:f32x8 = splat %2\n"
		"      %4:f32x8 = load w[0 + 16*k1 + 8*j0]\n"
		"      %5:f32x8 = fma %3, %4, %1\n"
		"    %6:f32x8 = end %5\n"
		"    store %6 -> y[0 + 8*j0]\n"
		"  end\n";
	char text[2000] = "";
	struct kir_module *m = small_module();
	FILE *f = fmemopen(text, sizeof text, "w");
	kir_print(m, f);
	fclose(f);
	assert_string_equal(text, expected);
	kir_module_free(m);
}

static void shares_constants(void **state)
{
	(void)state;
	struct kir_module *m = kir_module_new("c");
	int8_t a[9] = {1, 2, 3}, c[9] = {1, 2, 4};
	int32_t first = kir_buffer_const(m, "a", KIR_I8, 9, a);
	assert_int_equal(kir_buffer_const(m, "b", KIR_I8, 9, a), first);
	assert_int_not_equal(kir_buffer_const(m, "c", KIR_I8, 9, c), first);
	assert_int_not_equal(kir_buffer_const(m, "d", KIR_I8, 8, a), first);
	a[0] = 7; /* the module has its own copy */
	assert_int_equal(((const int8_t *)m->buf[first].init)[0], 1);
	assert_string_equal(kir_func_add(m, "x.y", IG_NONODE)->name, "x_y");
	assert_string_equal(kir_func_add(m, "x/y", IG_NONODE)->name, "x_y_2");
	assert_string_equal(kir_func_add(m, "1x", IG_NONODE)->name, "_1x");
	kir_module_free(m);
}

static void merges_terms(void **state)
{
	(void)state;
	struct kir_addr a = kb_addr(3, 5);
	kb_addr_add(&a, 0, 2);
	kb_addr_add(&a, 1, 7);
	kb_addr_add(&a, 2, 0);
	kb_addr_add(&a, 0, 3);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.term[0].coeff, 5);
	kb_addr_add(&a, 0, -5);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.term[0].iv, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts), cmocka_unit_test(refuses), cmocka_unit_test(wide_and_partial), cmocka_unit_test(prints),
		cmocka_unit_test(shares_constants), cmocka_unit_test(merges_terms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
