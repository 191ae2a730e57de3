/* Output files: all or nothing. */
#include "tests/unit/tempfile.h"

#include "ir/outfile.h"

#include <fcntl.h>

static int entries(const char *dir)
{
	char command[128];
	snprintf(command, sizeof command, "ls -A %s | wc -l", dir);
	FILE *p = popen(command, "r");
	int n = -1;
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static void commits_or_leaves_nothing(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_outfile o;
	char buf[16] = "";
	temp_write(t, "old", 3);
	assert_int_equal(chmod(t->path, 0640), 0);
	FILE *f = ig_outfile_open(&o, t->path, t->diag);
	assert_non_null(f);
	fputs("new text", f);
	assert_int_equal(temp_read(t, buf, sizeof buf), 3); /* the old file until the commit */
	ig_outfile_abort(&o);
	ig_outfile_abort(&o);
	assert_int_equal(entries(t->dir), 1);
	assert_int_equal(temp_read(t, buf, sizeof buf), 3);
	assert_true(ig_outfile_write(t->path, "new text", 8, t->diag));
	assert_int_equal(temp_read(t, buf, sizeof buf), 8);
	struct stat st;
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(entries(t->dir), 1);
	assert_int_equal(ig_diag_errors(t->diag), 0);
	temp_free(t);
}

static void links_stay_links(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	char link[160];
	struct stat st;
	snprintf(link, sizeof link, "%s/link", t->dir);
	temp_write(t, "old", 3);
	assert_int_equal(symlink("file", link), 0);
	assert_true(ig_outfile_write(link, "newer", 5, t->diag));
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_size, 5);
	unlink(link);
	temp_free(t);
}

static void failures_are_told(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_outfile o;
	char path[160];
	assert_null(ig_outfile_open(&o, t->dir, t->diag));
	assert_true(temp_said(t, "cannot write the file: Is a directory; give the name of a file"));
	snprintf(path, sizeof path, "%s/none/file", t->dir);
	assert_null(ig_outfile_open(&o, path, t->diag));
	ig_outfile_abort(&o);
	assert_true(temp_said(t, "No such file or directory; make the folder first"));
	assert_false(ig_outfile_write("/dev/full", "x", 1, t->diag));
	assert_true(temp_said(t, "/dev/full: error: cannot write the file: No space left on device"));
	char *large = ig_xcalloc(1u << 20, 1); /* the failure comes before the end */
	assert_false(ig_outfile_write("/dev/full", large, 1u << 20, t->diag));
	assert_true(temp_said(t, "No space left on device"));
	free(large);
	assert_true(ig_outfile_write("/dev/null", "x", 1, t->diag));
	assert_int_equal(access("/dev/null", F_OK), 0);
	temp_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commits_or_leaves_nothing),
		cmocka_unit_test(links_stay_links),
		cmocka_unit_test(failures_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
