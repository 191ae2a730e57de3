/* Tiles in the kernel IR: printed, verified, interpreted; the instructions that AMX gets; and the same code run with tile registers in software, or on AMX. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/ig_runtime.h"
#include "tests/common/stand_in.h"
#include "tests/common/tiles.h"

enum { ROWS = 13, STEPS = 3, COLUMNS = 16, A_ROW = STEPS * 64 + 8, ROUNDS = 2 };

struct net {
	struct kir_module *m;
	struct kir_builder b;
	int32_t a, w, start, out;
};

static int8_t weight(int64_t i) { return (int8_t)(i * 73 % 256 - 128); }

static struct net begin(void)
{
	struct net n = {.m = kir_module_new("tiles")};
	int8_t *w = ig_xcalloc(2 * STEPS, 1024);
	int32_t start[2 * COLUMNS];
	for (int i = 0; i < 2 * STEPS * 1024; i++)
		w[i] = weight(i);
	for (int i = 0; i < 2 * COLUMNS; i++)
		start[i] = i * 1000003 - 7;
	n.m->n_inputs = n.m->n_outputs = 1;
	n.a = kir_buffer_add(n.m, "a", KIR_IN, KIR_I8, ROUNDS * ROWS * A_ROW);
	n.out = kir_buffer_add(n.m, "out", KIR_OUT, KIR_I32, ROUNDS * ROWS * 2 * COLUMNS);
	n.m->buf[n.a].io = n.m->buf[n.out].io = 0;
	n.w = kir_buffer_const(n.m, "w", KIR_I8, 2 * STEPS * 1024, w);
	n.start = kir_buffer_const(n.m, "start", KIR_I32, 2 * COLUMNS, start);
	n.b = (struct kir_builder){n.m, kir_func_add(n.m, "product", IG_NONODE)};
	free(w);
	return n;
}

/* Two tiles of columns, by turns of rows; sums carried by the loop over steps. */
static struct net product(void)
{
	struct net n = begin();
	struct kir_builder *b = &n.b;
	struct kir_addr a = kb_addr(n.a, 0), w = kb_addr(n.w, 0), out = kb_addr(n.out, 0);
	kir_iv round = kb_loop(b, "round", ROUNDS, NULL, 0);
	kir_val acc[2];
	for (int i = 0; i < 2; i++)
		acc[i] = kb_tile_load(b, kb_addr(n.start, i * COLUMNS), 0, ROWS);
	kir_iv k = kb_loop(b, "k", STEPS, acc, 2);
	kb_addr_add(&a, round, ROWS * A_ROW);
	kb_addr_add(&a, k, 64);
	kb_addr_add(&w, k, 2 * 1024);
	kir_val x = kb_tile_load(b, a, A_ROW, ROWS);
	for (int i = 0; i < 2; i++) {
		acc[i] = kb_tile_dot(b, acc[i], x, kb_tile_load(b, w, 64, 16));
		w.base += 1024;
	}
	kb_end(b, acc, 2);
	kb_addr_add(&out, round, ROWS * 2 * COLUMNS);
	for (int i = 0; i < 2; i++) {
		kb_tile_store(b, acc[i], out, 2 * COLUMNS, ROWS);
		out.base += COLUMNS;
	}
	kb_end(b, NULL, 0);
	return n;
}

static void finish(const struct net *n)
{
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_memplan(n->m, NULL, d) && kir_verify(n->m, d));
	ig_diag_free(d);
}

static void expected(const uint8_t *a, int32_t *out)
{
	for (int r = 0; r < ROUNDS * ROWS; r++)
		for (int c = 0; c < 2 * COLUMNS; c++) {
			uint32_t s = (uint32_t)(c * 1000003 - 7);
			for (int k = 0; k < STEPS * 64; k++)
				s += (uint32_t)(a[r * A_ROW + k] * weight((k / 64 * 2 + c / COLUMNS) * 1024 + k % 64 / 4 * 64 + c % COLUMNS * 4 + k % 4));
			memcpy(&out[r * 2 * COLUMNS + c], &s, 4);
		}
}

static struct ig_program program(const struct net *n, const struct ig_target *t, struct ig_io_info io[2])
{
	io[0] = (struct ig_io_info){.name = "a", .type = {.dtype = IG_DT_U8, .rank = 1, .dim = {ROUNDS * ROWS * A_ROW}, .q = IG_NOQ}};
	io[1] = (struct ig_io_info){.name = "out", .type = {.dtype = IG_DT_I32, .rank = 1, .dim = {ROUNDS * ROWS * 2 * COLUMNS}, .q = IG_NOQ}};
	return (struct ig_program){.name = "tiles", .module = n->m, .target = t, .in = &io[0], .out = &io[1], .n_in = 1, .n_out = 1};
}

static void same_bytes(void **state)
{
	(void)state;
	static uint8_t a[ROUNDS * ROWS * A_ROW];
	static int32_t want[ROUNDS * ROWS * 2 * COLUMNS], got[ROUNDS * ROWS * 2 * COLUMNS];
	struct net n = product();
	finish(&n);
	for (size_t i = 0; i < sizeof a; i++)
		a[i] = (uint8_t)(i * i * 31 + i / 7);
	expected(a, want);
	const void *in[1] = {a};
	void *out[1] = {got};
	struct kir_interp *it = kir_interp_new(n.m);
	kir_interp_run(it, in, out, NULL);
	kir_interp_free(it);
	assert_memory_equal(want, got, sizeof got);
	struct ig_target stand;
	const struct ig_target *t = stand_in(&ig_target_x86_64_amx, &stand);
	if (ig_target_runs_here(t)) {
		struct ig_io_info io[2];
		struct ig_program p = program(&n, t, io);
		struct ig_diag *d = ig_diag_new(stderr, false);
		p.tiles = t == &stand ? &test_tiles : NULL;
		print_message("tiles %s\n", p.tiles ? "in software" : "on AMX");
		struct ig_native *obj = ig_native_new(&p, d);
		assert_non_null(obj);
		memset(got, 0, sizeof got);
		assert_int_equal(ig_native_run(obj, in, out, NULL), 0);
		assert_memory_equal(want, got, sizeof got);
		ig_native_free(obj);
		ig_diag_free(d);
	}
	kir_module_free(n.m);
}

static void emitted(void **state)
{
	(void)state;
	static const char *const has[] = {"ldtilecfg", "tileloadd", "tdpbusd", "tilestored", "tilerelease"};
	static const int times[] = {1, 5, 2, 2, 1};
	static char text[1 << 16];
	char path[] = "/tmp/ig_tiles_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	struct net n = product();
	finish(&n);
	struct ig_io_info io[2];
	struct ig_program p = program(&n, &ig_target_x86_64_amx, io);
	struct ig_diag *d = ig_diag_new(stderr, false);
	assert_true(ig_emit_llvm(&p, IG_LLVM_ASM, path, d));
	FILE *f = fopen(path, "r");
	assert_true(f && fread(text, 1, sizeof text - 1, f) > 100);
	fclose(f);
	unlink(path);
	for (size_t i = 0; i < IG_COUNTOF(has); i++) {
		int count = 0;
		for (const char *s = text; (s = strstr(s, has[i])); s++)
			count++;
		if (count != times[i])
			fail_msg("%d %s, not %d, in:\n%s", count, has[i], times[i], text);
	}
	ig_diag_free(d);
	kir_module_free(n.m);
}

static void printed(void **state)
{
	(void)state;
	static char text[1 << 14];
	struct net n = product();
	finish(&n);
	FILE *f = fmemopen(text, sizeof text, "w");
	kir_print(n.m, f);
	fclose(f);
	static const char *const has[] = {"%0:tile = tile_load start[0] rows 13 by 0", "%2:tile, %3:tile = loop k1 < 3 from %0, %1",
	                                  "%4:tile = tile_load a[0 + 2600*round0 + 64*k1] rows 13 by 200", "= tile_dot %2, %4, %5", "tile_store %"};
	for (size_t i = 0; i < IG_COUNTOF(has); i++)
		if (!strstr(text, has[i]))
			fail_msg("no '%s' in:\n%s", has[i], text);
	kir_module_free(n.m);
}

/* ---- what the verifier refuses ---- */

static kir_val load(struct net *n, int rows) { return kb_tile_load(&n->b, kb_addr(n->w, 0), 64, rows); }
static void store(struct net *n, kir_val v, int rows) { kb_tile_store(&n->b, v, kb_addr(n->out, 0), 16, rows); }

static void too_many(struct net *n)
{
	kir_val v[9];
	for (int i = 0; i < 9; i++)
		v[i] = load(n, 16);
	for (int i = 0; i < 9; i++)
		store(n, v[i], 16);
}
static void used_twice(struct net *n)
{
	kir_val c = load(n, 16), x = load(n, 16), y = load(n, 16);
	store(n, kb_tile_dot(&n->b, c, x, y), 16);
	store(n, c, 16);
}
static void with_itself(struct net *n)
{
	kir_val x = load(n, 16);
	store(n, kb_tile_dot(&n->b, load(n, 16), x, x), 16);
}
static void from_outside(struct net *n)
{
	kir_val x = load(n, 16);
	kb_loop(&n->b, "l", 2, NULL, 0);
	store(n, x, 16);
	kb_end(&n->b, NULL, 0);
}
static void exchanged(struct net *n)
{
	kir_val v[2] = {load(n, 16), load(n, 16)};
	kb_loop(&n->b, "l", 2, v, 2);
	kir_val next[2] = {v[1], v[0]};
	kb_end(&n->b, next, 2);
	store(n, next[0], 16);
	store(n, next[1], 16);
}
static void other_rows(struct net *n) { store(n, kb_tile_dot(&n->b, load(n, 12), load(n, 13), load(n, 16)), 12); }
static void half_weights(struct net *n) { store(n, kb_tile_dot(&n->b, load(n, 12), load(n, 12), load(n, 8)), 12); }
static void beyond(struct net *n) { store(n, kb_tile_load(&n->b, kb_addr(n->w, 2 * STEPS * 1024 - 15 * 64 - 63), 64, 16), 16); }
static void to_constant(struct net *n) { kb_tile_store(&n->b, load(n, 16), kb_addr(n->start, 0), 0, 16); }

static void refused(void **state)
{
	(void)state;
	static const struct {
		void (*build)(struct net *);
		const char *says;
	} cases[] = {{too_many, "more tiles than registers"}, {used_twice, "has another use"}, {with_itself, "do not fit"}, {from_outside, "not carried"},
	             {exchanged, "changes its register"}, {other_rows, "do not fit"}, {half_weights, "do not fit"}, {beyond, "is accessed"},
	             {to_constant, "read-only"}};
	for (size_t i = 0; i < IG_COUNTOF(cases); i++) {
		char text[1000] = "";
		struct net n = begin();
		cases[i].build(&n);
		FILE *f = fmemopen(text, sizeof text, "w");
		struct ig_diag *d = ig_diag_new(f, false);
		bool ok = kir_verify(n.m, d);
		ig_diag_free(d);
		fclose(f);
		if (ok || !strstr(text, cases[i].says))
			fail_msg("case %d: %s", (int)i, text);
		kir_module_free(n.m);
	}
}

/* Asking for what this CPU has not is refused, for what it has granted. */
static void permission(void **state)
{
	(void)state;
	struct ig_model_desc m = {.version = IG_MODEL_VERSION, .cpu_features = ig_target_x86_64_amx.cpu_features};
	bool has = (m.cpu_features & ~ig_cpu_features()) == 0;
	assert_int_equal(ig_cpu_permit(0), 1);
	if (!has)
		assert_int_equal(ig_model_prepare(&m), 0);
	else
		print_message("tiles are %spermitted\n", ig_model_prepare(&m) ? "" : "not ");
	assert_int_equal(ig_target_runs_here(&ig_target_x86_64_amx), has && ig_cpu_permit(m.cpu_features));
	m.cpu_features = 0;
	assert_int_equal(ig_model_prepare(&m), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bytes), cmocka_unit_test(emitted), cmocka_unit_test(printed), cmocka_unit_test(refused), cmocka_unit_test(permission),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
