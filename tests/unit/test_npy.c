/* The .npy and .npz readers against what numpy writes, lying headers, and every truncation. */
#include "tests/unit/tempfile.h"

#include "frontend/dataset.h"

#include <zip.h>

/* A .npy file of the given version with the header text as it is; its size. */
static size_t make(uint8_t *buf, int version, const char *header, const void *data, size_t n)
{
	size_t len = strlen(header), at = version == 1 ? 10 : 12;
	memcpy(buf, "\x93NUMPY", 6);
	buf[6] = (uint8_t)version;
	buf[7] = 0;
	for (size_t i = 8; i < at; i++)
		buf[i] = (uint8_t)(len >> 8 * (i - 8));
	memcpy(buf + at, header, len);
	if (n)
		memcpy(buf + at + len, data, n);
	return at + len + n;
}

static bool open_made(struct temp *t, int version, const char *header, const void *data, size_t n, struct ig_npy *a)
{
	uint8_t buf[2048];
	temp_write(t, buf, make(buf, version, header, data, n));
	return ig_npy_open(t->path, a, t->diag);
}

static void reads_all_versions_and_spellings(void **state)
{
	(void)state;
	static const char *const headers[] = {
		"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }          \n", "{'shape':(2,3),'descr':'<i2','fortran_order':False}",
		" { \"descr\" : \"i2\" , 'fortran_order' : False ,\t'shape' : ( 2L , 3L , ) } \n",
		"{'descr': '=i2', 'fortran_order': False, 'shape': (2, 3)}\n", /* data at an odd address */
	};
	const int16_t data[6] = {1, -2, 3, -4, 5, -32768};
	for (int version = 1; version <= 3; version++)
		for (size_t i = 0; i < IG_COUNTOF(headers); i++) {
			struct temp *t = temp_new();
			struct ig_npy a;
			assert_true(open_made(t, version, headers[i], data, sizeof data, &a));
			assert_true(a.dtype == IG_NPY_S16 && a.rank == 2 && a.dim[0] == 2 && a.dim[1] == 3 && a.bytes == 12);
			assert_memory_equal(a.data, data, 12);
			assert_int_equal((uintptr_t)a.data % 16, 0);
			ig_npy_close(&a);
			temp_free(t);
		}
}

static void refused(const char *header, size_t data_bytes, const char *message)
{
	struct temp *t = temp_new();
	struct ig_npy a;
	uint8_t zeros[256] = {0};
	bool ok = open_made(t, 1, header, zeros, data_bytes, &a);
	if (ok)
		print_message("accepted: %s\n", header);
	assert_false(ok);
	assert_true(temp_said(t, message));
	assert_int_equal(ig_diag_errors(t->diag), 1);
	temp_free(t);
}

static void refuses_lies(void **state)
{
	(void)state;
	refused("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8, "big-endian ('>f4'); save it with numpy.save(file, a.astype('<f4'))");
	refused("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }", 8, "in Fortran order; save it with numpy.save(file, numpy.ascontiguousarray(a))");
	refused("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", 24, "type '<U3' is not supported");
	refused("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 24, "type '|O' is not supported");
	refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8, "byte 20: the array has a structured type");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 8, "shape [3] of float32 needs 12 bytes of data, but 8 follow the header: the file is truncated");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8, "the file is damaged, or two arrays were joined");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 8, "shape [] of float32 needs 4 bytes");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0, "the array is empty (its shape is [0, 3])");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 8, "overflows 64 bits");
	refused("{'descr': '<f8', 'fortran_order': False, 'shape': (1152921504606846976,), }", 8, "overflows 64 bits");
	refused("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775808,), }", 8, "a dimension does not fit in 64 bits");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 8, "a dimension (an integer from 0) expected");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", 8, "a tuple of one needs a comma");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2 1), }", 8, "',' expected");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': [2], }", 8, "'(' expected");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }", 8, "more than 8 dimensions");
	refused("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", 8, "True or False expected");
	refused("{'descr': '<f4', 'shape': (2,), }", 8, "the header is incomplete");
	refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8, "a key stands twice");
	refused("{'descr': '<f4', 'order': 1, 'fortran_order': False, 'shape': (2,), }", 8, "a key that is none of");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", 8, "text behind the closing brace");
	refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), ", 0, "a string expected");
	refused("{'descr': '<f4", 0, "a string does not end");
	refused("{'descr': '\\x3cf4'", 0, "a string does not end");
	refused("{'descr': 'f4f4f4f4f4f4f4f4f4f4'", 0, "a string is too long");
	refused("", 0, "'{' expected");
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	const float data[4] = {1, 2, 3, 4};
	for (int version = 1; version <= 2; version++) {
		uint8_t buf[256];
		size_t n = make(buf, version, "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }  \n", data, sizeof data);
		struct temp *t = temp_new();
		for (size_t i = 0; i < n; i++) {
			struct ig_npy a;
			int errors = ig_diag_errors(t->diag);
			temp_write(t, buf, i);
			assert_false(ig_npy_open(t->path, &a, t->diag));
			assert_int_equal(ig_diag_errors(t->diag), errors + 1);
		}
		temp_free(t);
	}
	struct temp *t = temp_new();
	struct ig_npy a;
	assert_false(open_made(t, 4, "{}", NULL, 0, &a));
	assert_true(temp_said(t, "version 4.0 of the .npy format is not supported"));
	temp_write(t, "PK", 2);
	assert_false(ig_npy_open(t->path, &a, t->diag));
	assert_true(temp_said(t, "not a .npy file"));
	assert_false(ig_npy_open(t->dir, &a, t->diag));
	assert_true(temp_said(t, "it is a folder"));
	temp_free(t);
}

static void writes_what_it_reads(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	const int64_t data[6] = {1, -2, INT64_MAX, INT64_MIN, 5, 6};
	static const struct {
		int rank;
		int64_t dim[3];
	} shapes[] = {{1, {6}}, {3, {1, 2, 3}}, {2, {6, 1}}};
	for (size_t i = 0; i < IG_COUNTOF(shapes); i++) {
		struct ig_npy a;
		assert_true(ig_npy_write(t->path, IG_DT_I64, shapes[i].rank, shapes[i].dim, data, t->diag));
		assert_true(ig_npy_open(t->path, &a, t->diag));
		assert_int_equal(a.rank, shapes[i].rank);
		assert_memory_equal(a.dim, shapes[i].dim, 8 * (size_t)a.rank);
		assert_memory_equal(a.data, data, sizeof data);
		assert_false(a.heap);
		ig_npy_close(&a);
	}
	assert_false(ig_npy_write("/dev/full", IG_DT_I64, 1, shapes[0].dim, data, t->diag));
	temp_free(t);
}

/* An archive of n arrays int32[count], named a, b, ...; odd ones stored, even ones deflated. */
static void make_zip(struct temp *t, int n, int count)
{
	unlink(t->path);
	zip_t *z = zip_open(t->path, ZIP_CREATE | ZIP_EXCL, NULL);
	assert_non_null(z);
	for (int i = 0; i < n; i++) {
		char header[128], name[16];
		snprintf(header, sizeof header, "{'descr': '<i4', 'fortran_order': False, 'shape': (%d,), }\n", count);
		snprintf(name, sizeof name, "%c.npy", 'a' + i);
		int32_t *data = ig_xcalloc((size_t)count, sizeof *data);
		for (int k = 0; k < count; k++)
			data[k] = k / 100 + i;
		uint8_t *buf = malloc(256 + 4 * (size_t)count);
		size_t bytes = make(buf, 1, header, data, 4 * (size_t)count);
		free(data);
		zip_int64_t index = zip_file_add(z, name, zip_source_buffer(z, buf, bytes, 1), 0);
		assert_true(index >= 0);
		assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)index, i % 2 ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 9), 0);
	}
	assert_int_equal(zip_close(z), 0);
}

static void reads_archives(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_npy a;
	char path[200];
	make_zip(t, 1, 1000);
	assert_true(ig_npy_open(t->path, &a, t->diag));
	assert_true(a.dtype == IG_NPY_I32 && a.dim[0] == 1000 && ((const int32_t *)a.data)[999] == 9);
	ig_npy_close(&a);
	make_zip(t, 3, 1000);
	assert_false(ig_npy_open(t->path, &a, t->diag));
	assert_true(temp_said(t, "several arrays (a, b, c); name one"));
	char npz[160];
	snprintf(npz, sizeof npz, "%s/x.npz", t->dir);
	assert_int_equal(rename(t->path, npz), 0);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s:%c%s", npz, 'a' + i, i == 2 ? ".npy" : "");
		assert_true(ig_npy_open(path, &a, t->diag));
		assert_int_equal(((const int32_t *)a.data)[999], 9 + i);
		assert_int_equal((uintptr_t)a.data % 16, 0);
		ig_npy_close(&a);
	}
	snprintf(path, sizeof path, "%s:d", npz);
	assert_false(ig_npy_open(path, &a, t->diag));
	assert_true(temp_said(t, "the archive has no array 'd'; it has a, b, c"));
	temp_write(t, "not a zip archive", 17);
	assert_int_equal(rename(t->path, npz), 0);
	assert_false(ig_npy_open(path, &a, t->diag));
	assert_true(temp_said(t, "not an .npz file"));
	unlink(npz);
	temp_free(t);
}

/* Truncated at each length, and with each byte changed: refused, or read to the right array. */
static void survives_damaged_archives(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	uint8_t buf[4096];
	int wrong = 0;
	make_zip(t, 1, 40);
	size_t n = temp_read(t, buf, sizeof buf);
	for (size_t i = 0; i < 2 * n; i++) {
		struct ig_npy a;
		if (i >= n)
			buf[i - n] ^= 0xff;
		temp_write(t, buf, i < n ? i : n);
		if (ig_npy_open(t->path, &a, t->diag)) {
			wrong += i < n || a.rank != 1 || a.dim[0] != 40 || ((const int32_t *)a.data)[39] != 0;
			ig_npy_close(&a);
		}
		if (i >= n)
			buf[i - n] ^= 0xff;
	}
	assert_int_equal(wrong, 0);
	temp_free(t);
}

static uint8_t *find_signature(uint8_t *buf, size_t n, const char *signature)
{
	for (size_t i = 0; i + 4 <= n; i++)
		if (memcmp(buf + i, signature, 4) == 0)
			return buf + i;
	fail_msg("no signature");
	return NULL;
}

static void refuses_bombs(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_npy a;
	uint8_t buf[4096];
	make_zip(t, 1, 40);
	size_t n = temp_read(t, buf, sizeof buf);
	uint8_t *local = find_signature(buf, n, "PK\3\4") + 22, *central = find_signature(buf, n, "PK\1\2") + 24;
	memcpy(local, "\xff\xff\xff\x7f", 4); /* 2 GB uncompressed, says the directory */
	memcpy(central, "\xff\xff\xff\x7f", 4);
	temp_write(t, buf, n);
	assert_false(ig_npy_open(t->path, &a, t->diag));
	assert_true(temp_said(t, "claims 2147483647 bytes"));
	memcpy(local, "\x80\x00\x00\x00", 4); /* fewer than there are */
	memcpy(central, "\x80\x00\x00\x00", 4);
	temp_write(t, buf, n);
	assert_false(ig_npy_open(t->path, &a, t->diag));
	assert_true(temp_said(t, "error"));
	temp_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_versions_and_spellings), cmocka_unit_test(refuses_lies),
		cmocka_unit_test(refuses_every_truncation),         cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(reads_archives),                   cmocka_unit_test(survives_damaged_archives),
		cmocka_unit_test(refuses_bombs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
