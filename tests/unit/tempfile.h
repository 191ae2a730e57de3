/* For tests of readers: a temporary folder, files in it, and diagnostics caught as text. */
#ifndef IG_TESTS_TEMPFILE_H
#define IG_TESTS_TEMPFILE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/diag.h"

struct temp {
	char dir[64], path[128];
	struct ig_diag *diag;
	FILE *out;
	char *text; /* the diagnostics so far, after temp_said() */
	size_t text_len;
};

static inline struct temp *temp_new(void)
{
	struct temp *t = ig_xcalloc(1, sizeof *t);
	strcpy(t->dir, "/tmp/ig_unit_XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	snprintf(t->path, sizeof t->path, "%s/file", t->dir);
	t->out = open_memstream(&t->text, &t->text_len);
	assert_non_null(t->out);
	t->diag = ig_diag_new(t->out, false);
	return t;
}

static inline void temp_free(struct temp *t)
{
	ig_diag_free(t->diag);
	fclose(t->out);
	free(t->text);
	unlink(t->path);
	assert_int_equal(rmdir(t->dir), 0); /* nothing else was left behind */
	free(t);
}

static inline void temp_write(struct temp *t, const void *data, size_t n)
{
	FILE *f = fopen(t->path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static inline size_t temp_read(struct temp *t, void *buf, size_t size)
{
	FILE *f = fopen(t->path, "rb");
	assert_non_null(f);
	size_t n = fread(buf, 1, size, f);
	fclose(f);
	return n;
}

/* Whether the last diagnostics hold `what`; forgets them. */
static inline bool temp_said(struct temp *t, const char *what)
{
	fflush(t->out);
	bool found = strstr(t->text, what) != NULL;
	if (!found)
		print_message("expected '%s' in: %s\n", what, t->text);
	rewind(t->out);
	fflush(t->out);
	t->text[0] = 0;
	return found;
}
#endif
