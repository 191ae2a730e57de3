/* .npz: a zip archive of .npy members, stored or deflated. What a member claims to hold is compared with what deflate could produce from
   its bytes before memory is taken, and with the header of the array after. */
#include "frontend/npy.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#define DEFLATE_RATIO 1032 /* no deflate stream expands by more */
#define MAX_LISTED 12

struct archive {
	zip_t *zip;
	const char *path;
	struct ig_diag *diag;
	struct ig_loc loc;
};

static void zip_fail(struct archive *z, const char *what, zip_error_t *e)
{
	ig_error(z->diag, z->loc, "%s: %s; write the file again with numpy.savez", what, zip_error_strerror(e));
}

static zip_t *open_zip(struct archive *z, const uint8_t *p, size_t n)
{
	zip_error_t error;
	zip_error_init(&error);
	zip_source_t *source = zip_source_buffer_create(p, n, 0, &error);
	zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
	if (!zip) {
		zip_fail(z, "the archive cannot be read", &error);
		zip_source_free(source);
	}
	zip_error_fini(&error);
	return zip;
}

static bool is_member(const char *name, const char *member)
{
	size_t n = strlen(member);
	return strncmp(name, member, n) == 0 && (name[n] == 0 || strcmp(name + n, ".npy") == 0);
}

static void list_members(struct archive *z, char *buf, size_t size)
{
	size_t at = 0;
	zip_int64_t n = zip_get_num_entries(z->zip, 0);
	buf[0] = 0;
	for (zip_int64_t i = 0; i < n && i < MAX_LISTED && at < size; i++) {
		const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);
		int len = name ? (int)strlen(name) : 0;
		if (len > 4 && strcmp(name + len - 4, ".npy") == 0)
			len -= 4;
		at += (size_t)snprintf(buf + at, size - at, "%s%.*s", i ? ", " : "", len, name ? name : "");
	}
	if (n > MAX_LISTED && at < size)
		snprintf(buf + at, size - at, ", ...");
}

/* The member's index, -1 after a diagnostic. */
static zip_int64_t find_member(struct archive *z, const char *member)
{
	char names[400];
	zip_int64_t n = zip_get_num_entries(z->zip, 0);
	if (!member && n == 1)
		return 0;
	for (zip_int64_t i = 0; member && i < n; i++) {
		const char *name = zip_get_name(z->zip, (zip_uint64_t)i, 0);
		if (name && is_member(name, member))
			return i;
	}
	list_members(z, names, sizeof names);
	if (n == 0)
		ig_error(z->diag, z->loc, "the archive holds no array; write it again with numpy.savez");
	else if (member)
		ig_error(z->diag, z->loc, "the archive has no array '%s'; it has %s", member, names);
	else
		ig_error(z->diag, z->loc, "the archive holds several arrays (%s); name one, as in %s:NAME", names, z->path);
	return -1;
}

/* Only sizes that the archive can honour are believed. */
static bool check_member(struct archive *z, zip_int64_t index, size_t archive_bytes, zip_stat_t *st)
{
	if (zip_stat_index(z->zip, (zip_uint64_t)index, 0, st) != 0) {
		zip_fail(z, "the archive's directory cannot be read", zip_get_error(z->zip));
		return false;
	}
	const zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
	if ((st->valid & need) != need || (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE) || st->encryption_method != ZIP_EM_NONE) {
		ig_error(z->diag, z->loc, "a member is encrypted or compressed by a method other than deflate; write the file again with numpy.savez");
		return false;
	}
	zip_uint64_t limit = st->comp_method == ZIP_CM_STORE ? st->comp_size : st->comp_size * DEFLATE_RATIO + 64;
	if (st->comp_size > archive_bytes || st->size > limit) {
		ig_error(z->diag, z->loc, "member '%s' claims %llu bytes from %llu compressed ones in a file of %zu: the archive's directory lies", st->name,
		         (unsigned long long)st->size, (unsigned long long)st->comp_size, archive_bytes);
		return false;
	}
	return true;
}

static bool read_member(struct archive *z, zip_int64_t index, const zip_stat_t *st, uint8_t *out)
{
	zip_file_t *f = zip_fopen_index(z->zip, (zip_uint64_t)index, 0);
	if (!f) {
		zip_fail(z, "the member cannot be read", zip_get_error(z->zip));
		return false;
	}
	uint8_t more;
	zip_uint64_t at = 0;
	zip_int64_t got = 0;
	while (at < st->size && (got = zip_fread(f, out + at, st->size - at)) > 0)
		at += (zip_uint64_t)got;
	if (got >= 0 && at == st->size)
		got = zip_fread(f, &more, 1); /* the end: here libzip compares the checksum */
	bool ok = got == 0 && at == st->size;
	if (got < 0)
		zip_fail(z, "the member cannot be read", zip_file_get_error(f));
	else if (!ok)
		ig_error(z->diag, z->loc, "member '%s' claims %llu bytes but holds %s: the archive's directory lies", st->name, (unsigned long long)st->size,
		         got ? "more" : "fewer");
	zip_fclose(f);
	return ok;
}

bool ig_npz_read(const uint8_t *p, size_t n, const char *path, const char *member, struct ig_npy *a, struct ig_diag *d)
{
	struct archive z = {.path = path, .diag = d, .loc = ig_loc_file(d, path)};
	zip_stat_t st;
	z.zip = open_zip(&z, p, n);
	if (!z.zip)
		return false;
	zip_int64_t index = find_member(&z, member);
	bool ok = index >= 0 && check_member(&z, index, n, &st);
	if (ok) {
		size_t len = strlen(path) + strlen(st.name) + 2;
		char *name = ig_xcalloc(len, 1);
		snprintf(name, len, "%s:%s", path, st.name);
		a->heap = true;
		a->map_bytes = (size_t)st.size;
		a->map = ig_xcalloc(a->map_bytes, 1);
		ok = read_member(&z, index, &st, a->map) && ig_npy_parse(a->map, a->map_bytes, name, a, d);
		free(name);
	}
	zip_discard(z.zip);
	return ok;
}
