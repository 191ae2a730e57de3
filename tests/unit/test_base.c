/* Sizes, arenas, interned names, vectors, nearest names, diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ir/base.h"
#include "ir/diag.h"

static void sizes(void **state)
{
	(void)state;
	size_t s;
	int64_t i;
	assert_true(ig_mul_size(SIZE_MAX / 3, 3, &s));
	assert_false(ig_mul_size(SIZE_MAX / 3 + 1, 3, &s));
	assert_true(ig_mul_size(0, SIZE_MAX, &s) && s == 0);
	assert_true(ig_add_size(SIZE_MAX - 1, 1, &s) && s == SIZE_MAX);
	assert_false(ig_add_size(SIZE_MAX, 1, &s));
	assert_true(ig_mul_i64(INT64_MAX / 7, 7, &i));
	assert_false(ig_mul_i64(INT64_MAX / 7 + 1, 7, &i));
	assert_false(ig_mul_i64(-1, 1, &i));
	assert_false(ig_mul_i64(1, -1, &i));
	assert_true(ig_add_i64(INT64_MAX, 0, &i) && i == INT64_MAX);
	assert_false(ig_add_i64(INT64_MAX, 1, &i));
	assert_false(ig_add_i64(-1, 5, &i));
}

static void arenas(void **state)
{
	(void)state;
	struct ig_arena *a = ig_arena_new();
	unsigned char *p[300];
	/* sizes on both sides of the block sizes; every object stays zeroed, aligned and its own */
	for (int i = 0; i < 300; i++) {
		size_t n = (size_t)(i * i * 7 % 9001);
		p[i] = ig_arena_alloc(a, n, 1);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], i & 255, n);
	}
	for (int i = 0; i < 300; i++)
		for (size_t k = 0; k < (size_t)(i * i * 7 % 9001); k++)
			assert_int_equal(p[i][k], i & 255);
	char *big = ig_arena_alloc(a, 3u << 20, 1);
	big[(3u << 20) - 1] = 1;
	assert_string_equal(ig_arena_printf(a, "%s-%d", "x", 42), "x-42");
	char *cut = ig_arena_strndup(a, "abcdef", 3);
	assert_string_equal(cut, "abc");
	assert_string_equal(ig_arena_strdup(a, ""), "");
	ig_arena_free(a);
	ig_arena_free(NULL);
}

static void interning(void **state)
{
	(void)state;
	struct ig_strtab *t = ig_strtab_new();
	const char *seen[2000];
	char copy[32];
	for (int i = 0; i < 2000; i++)
		seen[i] = ig_internf(t, "name%d", i);
	for (int i = 0; i < 2000; i++) {
		snprintf(copy, sizeof copy, "name%d", i);
		assert_ptr_equal(ig_intern(t, copy), seen[i]);
		assert_string_equal(seen[i], copy);
	}
	char text[700];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	assert_ptr_equal(ig_internf(t, "%s", text), ig_intern(t, text));
	assert_ptr_not_equal(ig_intern(t, ""), ig_intern(t, "a"));
	ig_strtab_free(t);
	ig_strtab_free(NULL);
}

static void vectors(void **state)
{
	(void)state;
	IG_VEC(int) v = {0};
	for (int i = 0; i < 1000; i++)
		ig_vec_push(&v, i * 3);
	assert_int_equal(v.n, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(v.v[i], i * 3);
	ig_vec_free(&v);
	assert_null(v.v);
}

static void nearest(void **state)
{
	(void)state;
	static const char *const names[] = {"conv2d", "relu", NULL, "relu6", "max_pool2d", "avg_pool2d", "a"};
	assert_string_equal(ig_nearest("rellu", names, 7), "relu");
	assert_string_equal(ig_nearest("relu6", names, 7), "relu6");
	assert_string_equal(ig_nearest("max_pool", names, 7), "max_pool2d");
	assert_string_equal(ig_nearest("convd2", names, 7), "conv2d");
	assert_null(ig_nearest("softmax", names, 7));
	assert_null(ig_nearest("b", names, 7)); /* all is near a single letter */
	assert_null(ig_nearest("", names, 7));
	assert_null(ig_nearest("xyzw", names, 0));
	char text[5000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	assert_null(ig_nearest(text, names, 7));
}

static char *captured;
static size_t captured_size;
static FILE *capture(void) { return open_memstream(&captured, &captured_size); }

static void expect_text(FILE *f, const char *want)
{
	fclose(f);
	assert_string_equal(captured, want);
	free(captured);
	captured = NULL;
}

static void carets(void **state)
{
	(void)state;
	FILE *f = capture();
	struct ig_diag *d = ig_diag_new(f, false);
	static const char text[] = "one\n\ttab \xc3\xa9 x\r\n\nlast";
	const char *file = ig_diag_source(d, "a.ig", text, sizeof text - 1);
	ig_error(d, ((struct ig_loc){file, 2, 9}), "at %s", "x");
	ig_warn(d, ((struct ig_loc){file, 4, 99}), "behind the end");
	ig_note(d, ((struct ig_loc){file, 3, 1}), "an empty line");
	ig_note(d, ((struct ig_loc){file, 77, 1}), "no such line");
	ig_error(d, ig_loc_file(d, "b.npy"), "whole file");
	ig_error(d, IG_NOLOC, "nowhere");
	assert_int_equal(ig_diag_errors(d), 3);
	assert_int_equal(ig_diag_warnings(d), 1);
	ig_diag_free(d);
	expect_text(f, "a.ig:2:9: error: at x\n    \ttab \xc3\xa9 x\n    \t      ^\n"
	               "a.ig:4:99: warning: behind the end\n    last\n        ^\n"
	               "a.ig:3:1: note: an empty line\na.ig:77:1: note: no such line\n"
	               "b.npy: error: whole file\nintaglio: error: nowhere\n");
}

static void long_lines(void **state)
{
	(void)state;
	FILE *f = capture();
	struct ig_diag *d = ig_diag_new(f, false);
	char text[1001];
	memset(text, '.', 1000);
	text[700] = 'X';
	const char *file = ig_diag_source(d, "l", text, 1000);
	ig_error(d, ((struct ig_loc){file, 1, 701}), "here");
	ig_diag_free(d);
	fclose(f);
	const char *line = strchr(captured, '\n') + 1, *second = strchr(line, '\n') + 1;
	assert_true(strlen(line) < 400);
	assert_int_equal(strchr(line, 'X') - line, strchr(second, '^') - second);
	free(captured);
}

static void many_errors(void **state)
{
	(void)state;
	FILE *f = capture();
	struct ig_diag *d = ig_diag_new(f, false);
	for (int i = 0; i < 200; i++) {
		ig_error(d, IG_NOLOC, "number %d", i);
		ig_note(d, IG_NOLOC, "more on %d", i);
	}
	assert_int_equal(ig_diag_errors(d), 200);
	ig_diag_free(d);
	fclose(f);
	assert_non_null(strstr(captured, "number 49\n"));
	assert_null(strstr(captured, "number 50\n"));
	assert_null(strstr(captured, "more on 50"));
	assert_non_null(strstr(captured, "only the first 50"));
	free(captured);
}

static void json(void **state)
{
	(void)state;
	FILE *f = capture();
	struct ig_diag *d = ig_diag_new(f, true);
	ig_error(d, ((struct ig_loc){"a\"b", 2, 9}), "tab\t, quote \" and \\ and %c", 1);
	ig_warn(d, IG_NOLOC, "w");
	ig_diag_free(d);
	expect_text(f, "{\"severity\": \"error\", \"file\": \"a\\\"b\", \"line\": 2, \"column\": 9, \"message\": \"tab\\t, quote \\\" and \\\\ and \\u0001\"}\n"
	               "{\"severity\": \"warning\", \"message\": \"w\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),  cmocka_unit_test(arenas),     cmocka_unit_test(interning),   cmocka_unit_test(vectors), cmocka_unit_test(nearest),
		cmocka_unit_test(carets), cmocka_unit_test(long_lines), cmocka_unit_test(many_errors), cmocka_unit_test(json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
