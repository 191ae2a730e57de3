#include "driver/npz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "frontend/dataset.h"
#include "driver/guard.h"
#include "ir/outfile.h"

/* The .npy bytes of an array, as ig_npy_write gives them. */
static bool add_member(zip_t *z, const char *dir, const struct ig_array *a, int index, char **temp, struct ig_diag *d)
{
	char member[512];
	size_t n = strlen(dir) + 48;
	*temp = ig_xcalloc(n, 1);
	snprintf(*temp, n, "%s.%d.npy", dir, index);
	if (!ig_npy_write(*temp, a->dtype, a->rank, a->dim, a->data, d))
		return false;
	snprintf(member, sizeof member, "%s.npy", a->name);
	zip_source_t *src = zip_source_file(z, *temp, 0, -1);
	zip_int64_t at = src ? zip_file_add(z, member, src, ZIP_FL_ENC_UTF_8) : -1;
	if (at < 0) {
		zip_source_free(src);
		ig_error(d, ig_loc_file(d, dir), "cannot add '%s': %s", member, zip_strerror(z));
		return false;
	}
	zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_STORE, 0);
	zip_file_set_dostime(z, (zip_uint64_t)at, 0, (1 << 5) | 1, 0); /* 1980-01-01, the format's first day */
	return true;
}

static bool write_zip(const char *staged, const struct ig_array *a, int n, char **temp, struct ig_diag *d)
{
	int code;
	zip_t *z = zip_open(staged, ZIP_CREATE | ZIP_TRUNCATE, &code);
	if (!z) {
		zip_error_t e;
		zip_error_init_with_code(&e, code);
		ig_error(d, ig_loc_file(d, staged), "cannot write: %s", zip_error_strerror(&e));
		zip_error_fini(&e);
		return false;
	}
	bool ok = true;
	for (int i = 0; i < n && ok; i++)
		ok = add_member(z, staged, &a[i], i, &temp[i], d);
	if (ok && zip_close(z) == 0)
		return true;
	if (ok)
		ig_error(d, ig_loc_file(d, staged), "cannot write: %s", zip_strerror(z));
	zip_discard(z);
	return false;
}

bool ig_npz_write(const char *path, const struct ig_array *a, int n, struct ig_diag *d)
{
	char **temp = ig_xcalloc((size_t)n + 1, sizeof *temp);
	size_t len = strlen(path) + 48;
	char *staged = ig_xcalloc(len, 1);
	snprintf(staged, len, "%s.part%ld", path, (long)getpid());
	struct ig_guard guard;
	ig_guard_begin(&guard, staged);
	bool ok = write_zip(staged, a, n, temp, d);
	if (ok && rename(staged, path) != 0) {
		ig_error(d, ig_loc_file(d, path), "cannot write");
		ok = false;
	}
	for (int i = 0; i < n; i++) {
		if (temp[i])
			unlink(temp[i]);
		free(temp[i]);
	}
	if (!ok)
		unlink(staged);
	ig_guard_end(&guard);
	free(temp);
	free(staged);
	return ok;
}
