/* The safetensors reader against good files, lying files, and every truncation of a good one. */
#include "tests/unit/tempfile.h"

#include "frontend/safetensors.h"

#include <math.h>

/* A file from a header and n bytes of data; its size. */
static size_t make(uint8_t *buf, const char *header, const void *data, size_t n)
{
	size_t len = strlen(header);
	for (int i = 0; i < 8; i++)
		buf[i] = (uint8_t)(len >> 8 * i);
	memcpy(buf + 8, header, len);
	if (n)
		memcpy(buf + 8 + len, data, n);
	return 8 + len + n;
}

static struct ig_safetensors *open_made(struct temp *t, const char *header, const void *data, size_t n)
{
	uint8_t buf[2048];
	temp_write(t, buf, make(buf, header, data, n));
	return ig_safetensors_open(t->path, t->diag);
}

static void refused(const char *header, size_t data_bytes, const char *message)
{
	struct temp *t = temp_new();
	uint8_t zeros[256] = {0};
	struct ig_safetensors *s = open_made(t, header, zeros, data_bytes);
	if (s)
		print_message("accepted: %s\n", header);
	assert_null(s);
	assert_true(temp_said(t, message));
	assert_int_equal(ig_diag_errors(t->diag), 1);
	temp_free(t);
}

/* Odd header length and a byte first: nothing behind it is aligned. */
static const char good[] = "{\"__metadata__\":{\"format\":\"pt\"},\"z\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
						   "\"b.weight\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[1,9]},"
						   "\"a\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[9,15]},\"c\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[15,17]},"
						   "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[17,25]},\"empty\":{\"dtype\":\"I32\",\"shape\":[0,4],\"data_offsets\":[25,25]}}";
static const uint8_t good_data[25] = {7, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0x00, 0x3c, 0x01, 0x00, 0xff, 0xfb, 0x49, 0x40, 9};

static void reads_unaligned(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_safetensors *s = open_made(t, good, good_data, sizeof good_data);
	assert_non_null(s);
	assert_int_equal(s->n, 6);
	for (int i = 1; i < s->n; i++)
		assert_true(strcmp(s->entry[i - 1].name, s->entry[i].name) < 0);
	assert_null(ig_safetensors_find(s, "__metadata__"));
	assert_null(ig_safetensors_find(s, "b"));
	struct ig_arena *a = ig_arena_new();
	struct ig_tensor *b = ig_safetensors_f32(s, ig_safetensors_find(s, "b.weight"), a, t->diag, IG_NOLOC);
	assert_non_null(b);
	assert_int_equal(b->type.rank, 2);
	assert_int_equal(b->type.dim[0], 2);
	assert_true(((float *)b->data)[0] == 1.0f && ((float *)b->data)[1] == -2.5f);
	struct ig_tensor *h = ig_safetensors_f32(s, ig_safetensors_find(s, "a"), a, t->diag, IG_NOLOC);
	assert_true(((float *)h->data)[0] == 1.0f && ((float *)h->data)[1] == 0x1p-24f && ((float *)h->data)[2] == -65504.0f);
	struct ig_tensor *c = ig_safetensors_f32(s, ig_safetensors_find(s, "c"), a, t->diag, IG_NOLOC);
	assert_true(((float *)c->data)[0] == 3.140625f);
	assert_int_equal(ig_safetensors_find(s, "empty")->bytes, 0);
	assert_int_equal(ig_diag_errors(t->diag), 0);
	assert_null(ig_safetensors_f32(s, ig_safetensors_find(s, "n"), a, t->diag, IG_NOLOC));
	assert_true(temp_said(t, "tensor 'n' of"));
	ig_arena_free(a);
	ig_safetensors_close(s);
	temp_free(t);
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	uint8_t buf[1024];
	size_t n = make(buf, good, good_data, sizeof good_data);
	struct temp *t = temp_new();
	for (size_t i = 0; i < n; i++) {
		temp_write(t, buf, i);
		int errors = ig_diag_errors(t->diag);
		assert_null(ig_safetensors_open(t->path, t->diag));
		assert_int_equal(ig_diag_errors(t->diag), errors + 1);
	}
	temp_free(t);
	t = temp_new(); /* the old one has had its fill of errors */
	buf[n] = 0;
	temp_write(t, buf, n + 1);
	assert_null(ig_safetensors_open(t->path, t->diag));
	assert_true(temp_said(t, "the last 1 bytes of the file belong to no tensor"));
	temp_free(t);
}

/* Each byte of the file changed in several ways: refused or read, but never a crash (the sanitizers look on). */
static void survives_damage(void **state)
{
	(void)state;
	uint8_t buf[1024];
	size_t n = make(buf, good, good_data, sizeof good_data);
	static const uint8_t changes[] = {0x01, 0xff};
	struct temp *t = temp_new();
	int refusals = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof changes; k++) {
			buf[i] ^= changes[k];
			temp_write(t, buf, n);
			struct ig_safetensors *s = ig_safetensors_open(t->path, t->diag);
			buf[i] ^= changes[k];
			refusals += !s;
			ig_safetensors_close(s);
		}
	assert_true(refusals > (int)sizeof good * 3 / 2); /* most of the header matters */
	temp_free(t);
}

static void refuses_lies(void **state)
{
	(void)state;
	refused("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor 'a': dtype 'F64' is not supported");
	refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "tensor 'a': 'dtype' is missing");
	refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "tensor 'a': 'shape' is missing");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "tensor 'a': 'data_offsets' is missing");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "unknown header field 'x'");
	refused("{\"a\":[1]}", 0, "tensor 'a': its header entry is not an object");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "'shape' holds something else than integers from 0");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "'shape' holds something else than integers from 0");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8, "7 dimensions; at most 6");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", 8, "overflows 64 bits");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2305843009213693952],\"data_offsets\":[0,8]}}", 8, "overflows 64 bits");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775808],\"data_offsets\":[0,8]}}", 8, "not a JSON object: too big integer");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}", 8, "said to be bytes 0 to 12, but the file has 8 bytes of data");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "said to be bytes 8 to 0");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "said to be bytes -8 to 0");
	refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "its shape needs 12 bytes, but the header gives it 8");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[6],\"data_offsets\":[0,6]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8,
	        "tensors 'a' and 'b' overlap at data byte 4");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 8,
	        "tensors 'a' and 'b' overlap at data byte 2");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8,
	        "tensor 'b': 2 bytes before its data (at data byte 2) belong to no tensor");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "duplicate object key");
	refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[[[[2]]]],\"data_offsets\":[0,2]}}", 2, "nested deeper than 4 levels");
	refused("[1, 2]", 0, "the header is not a JSON object: it is another value");
	refused("{\"a\": ", 0, "the header is not a JSON object");
	refused("{\"a\xff\": 1}", 0, "the header is not a JSON object: unable to decode byte 0xff");
}

static void refuses_what_is_no_file(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	assert_null(ig_safetensors_open(t->path, t->diag));
	assert_true(temp_said(t, "No such file or directory; check the path"));
	assert_null(ig_safetensors_open(t->dir, t->diag));
	assert_true(temp_said(t, "it is a folder; name a file in it"));
	assert_null(ig_safetensors_open("/dev/zero", t->diag));
	assert_true(temp_said(t, "it is not a regular file"));
	temp_write(t, "", 0);
	assert_null(ig_safetensors_open(t->path, t->diag));
	assert_true(temp_said(t, "not a safetensors file: 0 bytes"));
	temp_write(t, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
	assert_null(ig_safetensors_open(t->path, t->diag));
	assert_true(temp_said(t, "its header would take 18446744073709551615 bytes"));
	temp_free(t);
}

static void names_what_is_not_finite(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	const float data[6] = {0, 1, 2, 3, NAN, INFINITY};
	struct ig_safetensors *s = open_made(t, "{\"w\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,20]},\"v\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[20,24]}}",
	                                     data, sizeof data);
	assert_non_null(s);
	struct ig_arena *a = ig_arena_new();
	assert_null(ig_safetensors_f32(s, ig_safetensors_find(s, "w"), a, t->diag, IG_NOLOC));
	assert_true(temp_said(t, "holds NaN at [4]; weights must be finite"));
	assert_null(ig_safetensors_f32(s, ig_safetensors_find(s, "v"), a, t->diag, IG_NOLOC));
	assert_true(temp_said(t, "holds an infinity at [0]"));
	ig_arena_free(a);
	ig_safetensors_close(s);
	temp_free(t);
}

static void writes_what_it_reads(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_arena *a = ig_arena_new();
	const struct ig_type tw = ig_type_make(IG_DT_F32, 2, (const int64_t[]){2, 3}), tb = ig_type_make(IG_DT_S8, 1, (const int64_t[]){3});
	struct ig_tensor *w = ig_tensor_new(a, &tw), *b = ig_tensor_new(a, &tb);
	for (int i = 0; i < 6; i++)
		((float *)w->data)[i] = (float)i / 3;
	memcpy(b->data, "\x80\x00\x7f", 3);
	const char *names[] = {"w", "b \"\n\xc3\xa9"};
	const struct ig_tensor *tensors[] = {w, b};
	uint8_t first[512], second[512];
	assert_true(ig_safetensors_write(t->path, names, tensors, 2, t->diag));
	size_t n = temp_read(t, first, sizeof first);
	assert_int_equal((n - 27) % 8, 0);
	struct ig_safetensors *s = ig_safetensors_open(t->path, t->diag);
	assert_non_null(s);
	assert_int_equal(s->n, 2);
	assert_memory_equal(ig_safetensors_find(s, "w")->data, w->data, 24);
	assert_memory_equal(ig_safetensors_find(s, names[1])->data, b->data, 3);
	ig_safetensors_close(s);
	assert_true(ig_safetensors_write(t->path, (const char *[]){names[1], "w"}, (const struct ig_tensor *[]){b, w}, 2, t->diag));
	assert_int_equal(temp_read(t, second, sizeof second), n);
	assert_memory_equal(first, second, n); /* the order of the arguments does not matter */
	assert_false(ig_safetensors_write(t->path, (const char *[]){"w", "w"}, tensors, 2, t->diag));
	assert_true(temp_said(t, "tensor 'w' cannot be written"));
	assert_false(ig_safetensors_write("/dev/full", names, tensors, 2, t->diag));
	ig_arena_free(a);
	temp_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_unaligned),         cmocka_unit_test(refuses_every_truncation), cmocka_unit_test(survives_damage),
		cmocka_unit_test(refuses_lies),            cmocka_unit_test(refuses_what_is_no_file),  cmocka_unit_test(names_what_is_not_finite),
		cmocka_unit_test(writes_what_it_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
