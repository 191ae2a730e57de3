/* The .npy format: magic, version, header length, then a Python dict literal that must hold exactly 'descr', 'fortran_order' and 'shape'.
   The parser takes what numpy writes (and the freedom in spacing and quotes that its own reader allows), nothing else of Python. */
#include "frontend/npy.h"

#include "frontend/fileio.h"
#include "ir/outfile.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16 /* data that is less aligned in the file is copied */

static const struct npy_dtype {
	const char *descr, *name;
	int dtype, bytes;
} npy_dtypes[] = {
	{"f2", "float16", IG_NPY_F16, 2}, {"f4", "float32", IG_NPY_F32, 4}, {"f8", "float64", IG_NPY_F64, 8}, {"u1", "uint8", IG_NPY_U8, 1},
	{"i1", "int8", IG_NPY_S8, 1},     {"i2", "int16", IG_NPY_S16, 2},   {"i4", "int32", IG_NPY_I32, 4},   {"i8", "int64", IG_NPY_I64, 8},
	{"b1", "bool", IG_NPY_BOOL, 1},   {"u2", "uint16", IG_NPY_U16, 2},  {"u4", "uint32", IG_NPY_U32, 4},  {"u8", "uint64", IG_NPY_U64, 8},
};

static const struct npy_dtype *dtype_of(const struct ig_npy *a)
{
	for (size_t i = 0; i < IG_COUNTOF(npy_dtypes); i++)
		if (npy_dtypes[i].dtype == (int)a->dtype)
			return &npy_dtypes[i];
	IG_BUG("array type %d", (int)a->dtype);
}

int ig_npy_item(const struct ig_npy *a) { return dtype_of(a)->bytes; }
const char *ig_npy_dtype_name(const struct ig_npy *a) { return dtype_of(a)->name; }

struct parser {
	const uint8_t *start, *p, *end; /* of the file; the cursor; behind the header */
	struct ig_diag *diag;
	struct ig_loc loc;
	struct ig_npy *a;
};

static bool fail(struct parser *s, const char *what)
{
	ig_error(s->diag, s->loc, "byte %zu: %s; write the file again with numpy.save", (size_t)(s->p - s->start), what);
	return false;
}

static void skip_space(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool accept(struct parser *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != (uint8_t)c)
		return false;
	s->p++;
	return true;
}

static bool expect(struct parser *s, char c)
{
	char what[48];
	snprintf(what, sizeof what, "the header is malformed: '%c' expected", c);
	return accept(s, c) || fail(s, what);
}

/* A quoted string without escapes, copied to buf. */
static bool read_string(struct parser *s, char *buf, size_t size)
{
	skip_space(s);
	uint8_t quote = s->p < s->end ? *s->p : 0;
	if (quote != '\'' && quote != '"')
		return fail(s, "the header is malformed: a string expected");
	const uint8_t *from = ++s->p;
	while (s->p < s->end && *s->p != quote && *s->p != '\\' && *s->p >= ' ')
		s->p++;
	size_t n = (size_t)(s->p - from);
	if (s->p == s->end || *s->p != quote)
		return fail(s, "the header is malformed: a string does not end");
	if (n >= size)
		return fail(s, "the header is malformed: a string is too long");
	memcpy(buf, from, n);
	buf[n] = 0;
	s->p++;
	return true;
}

static bool read_descr(struct parser *s)
{
	char descr[16];
	skip_space(s);
	if (s->p < s->end && *s->p == '[')
		return fail(s, "the array has a structured type; save one plain field of it");
	if (!read_string(s, descr, sizeof descr))
		return false;
	const char *type = strchr("<>=|", descr[0]) && descr[0] ? descr + 1 : descr;
	for (size_t i = 0; i < IG_COUNTOF(npy_dtypes); i++) {
		if (strcmp(npy_dtypes[i].descr, type) != 0)
			continue;
		if (descr[0] == '>' && npy_dtypes[i].bytes > 1) {
			ig_error(s->diag, s->loc, "the array is big-endian ('%s'); save it with numpy.save(file, a.astype('<%s'))", descr, type);
			return false;
		}
		s->a->dtype = npy_dtypes[i].dtype;
		return true;
	}
	ig_error(s->diag, s->loc, "type '%s' is not supported (f2, f4, f8, u1, i1, i2, i4 and i8 are); convert it with a.astype('float32'), 'uint8' or 'int64'", descr);
	return false;
}

static bool read_order(struct parser *s)
{
	skip_space(s);
	size_t left = (size_t)(s->end - s->p);
	if (left >= 5 && memcmp(s->p, "False", 5) == 0) {
		s->p += 5;
		return true;
	}
	if (left < 4 || memcmp(s->p, "True", 4) != 0)
		return fail(s, "the header is malformed: True or False expected");
	ig_error(s->diag, s->loc, "the array is in Fortran order; save it with numpy.save(file, numpy.ascontiguousarray(a))");
	return false;
}

static bool read_integer(struct parser *s, int64_t *v)
{
	skip_space(s);
	const uint8_t *from = s->p;
	*v = 0;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
		if (!ig_mul_i64(*v, 10, v) || !ig_add_i64(*v, *s->p - '0', v))
			return fail(s, "a dimension does not fit in 64 bits");
		s->p++;
	}
	if (s->p == from)
		return fail(s, "the header is malformed: a dimension (an integer from 0) expected");
	if (s->p < s->end && *s->p == 'L') /* Python 2 */
		s->p++;
	return true;
}

static bool read_shape(struct parser *s)
{
	struct ig_npy *a = s->a;
	a->rank = 0;
	if (!expect(s, '('))
		return false;
	bool comma = true;
	while (!accept(s, ')')) {
		if (!comma)
			return expect(s, ',');
		if (a->rank == (int)IG_COUNTOF(a->dim))
			return fail(s, "the array has more than 8 dimensions; reshape it");
		if (!read_integer(s, &a->dim[a->rank++]))
			return false;
		comma = accept(s, ',');
	}
	return (a->rank != 1 || comma) || fail(s, "the header is malformed: a tuple of one needs a comma");
}

/* {'descr': ..., 'fortran_order': ..., 'shape': ..., } in any order, each exactly once. */
static bool read_dict(struct parser *s)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	static bool (*const readers[])(struct parser *) = {read_descr, read_order, read_shape};
	unsigned seen = 0;
	if (!expect(s, '{'))
		return false;
	while (!accept(s, '}')) {
		char key[32];
		size_t k = 0;
		if (!read_string(s, key, sizeof key))
			return false;
		while (k < IG_COUNTOF(keys) && strcmp(keys[k], key) != 0)
			k++;
		if (k == IG_COUNTOF(keys))
			return fail(s, "the header is malformed: a key that is none of 'descr', 'fortran_order', 'shape'");
		if (seen & 1u << k)
			return fail(s, "the header is malformed: a key stands twice");
		seen |= 1u << k;
		if (!expect(s, ':') || !readers[k](s))
			return false;
		if (!accept(s, ',')) {
			if (!expect(s, '}'))
				return false;
			break;
		}
	}
	if (seen != 7)
		return fail(s, "the header is incomplete: it needs 'descr', 'fortran_order' and 'shape'");
	skip_space(s);
	return s->p == s->end || fail(s, "the header is malformed: text behind the closing brace");
}

/* Magic, version and header length; puts the parser's ends around the dict. */
static bool read_preamble(struct parser *s, size_t n)
{
	const uint8_t *p = s->start;
	if (n < 6 || memcmp(p, "\x93NUMPY", 6) != 0) {
		ig_error(s->diag, s->loc, "not a .npy file (it does not begin with its magic bytes); save the array with numpy.save");
		return false;
	}
	size_t fixed = n > 6 && p[6] == 1 ? 10 : 12;
	if (n < fixed) {
		ig_error(s->diag, s->loc, "the file is truncated: it ends at byte %zu, within the first %zu; copy it again", n, fixed);
		return false;
	}
	if (p[6] < 1 || p[6] > 3 || p[7] != 0) {
		ig_error(s->diag, s->loc, "version %d.%d of the .npy format is not supported (1.0, 2.0 and 3.0 are)", p[6], p[7]);
		return false;
	}
	size_t length = fixed == 10 ? ig_load_le16(p + 8) : ig_load_le32(p + 8);
	if (length > n - fixed) {
		ig_error(s->diag, s->loc, "the header takes %zu bytes but only %zu follow: the file is truncated, copy it again", length, n - fixed);
		return false;
	}
	s->p = p + fixed;
	s->end = s->p + length;
	return true;
}

bool ig_npy_parse(const uint8_t *p, size_t n, const char *name, struct ig_npy *a, struct ig_diag *d)
{
	struct parser s = {.start = p, .p = p, .end = p + n, .diag = d, .loc = ig_loc_file(d, name), .a = a};
	if (!read_preamble(&s, n) || !read_dict(&s))
		return false;
	size_t bytes = (size_t)ig_npy_item(a), left = n - (size_t)(s.end - p);
	bool empty = false, fits = true;
	for (int i = 0; i < a->rank; i++) {
		empty |= a->dim[i] == 0;
		fits = fits && ig_mul_size(bytes, (size_t)a->dim[i], &bytes);
	}
	char dims[200];
	ig_dims_str(dims, sizeof dims, a->rank, a->dim);
	if (empty || !fits || bytes > INT64_MAX) {
		ig_error(d, s.loc, empty ? "the array is empty (its shape is %s)" : "the size of shape %s overflows 64 bits: the header lies", dims);
		return false;
	}
	if (bytes != left) {
		ig_error(d, s.loc, "shape %s of %s needs %zu bytes of data, but %zu follow the header: the file is %s", dims, ig_npy_dtype_name(a), bytes, left,
		         left < bytes ? "truncated, copy it again" : "damaged, or two arrays were joined");
		return false;
	}
	a->data = s.end;
	a->bytes = bytes;
	return true;
}

/* Elements must be reachable through pointers of their type: numpy aligns them in the file, other writers may not. */
static void align(struct ig_npy *a)
{
	if ((uintptr_t)a->data % ALIGNMENT == 0)
		return;
	void *heap = ig_xcalloc(a->bytes, 1);
	memcpy(heap, a->data, a->bytes);
	if (a->heap)
		free(a->map);
	else
		ig_unmap(&(struct ig_map){a->map, a->map_bytes});
	a->data = a->map = heap;
	a->map_bytes = a->bytes;
	a->heap = true;
}

/* Splits FILE.npz:member; the copy of the path is the caller's. */
static const char *split_member(char *path)
{
	char *at = NULL;
	for (char *p = strstr(path, ".npz:"); p; p = strstr(p + 1, ".npz:"))
		at = p;
	if (!at)
		return NULL;
	at[4] = 0;
	return at + 5;
}

static bool is_zip(const struct ig_map *m)
{
	return m->bytes >= 4 && (memcmp(m->data, "PK\3\4", 4) == 0 || memcmp(m->data, "PK\5\6", 4) == 0);
}

bool ig_npy_open(const char *path, struct ig_npy *out, struct ig_diag *d)
{
	struct ig_map m;
	size_t len = strlen(path) + 1;
	char *file = memcpy(ig_xcalloc(len, 1), path, len);
	const char *member = split_member(file);
	*out = (struct ig_npy){0};
	bool ok = ig_map_file(file, &m, d);
	if (ok && is_zip(&m)) {
		ok = ig_npz_read(m.data, m.bytes, file, member, out, d);
		ig_unmap(&m);
	} else if (ok && member) {
		ig_error(d, ig_loc_file(d, file), "not an .npz file (it does not begin as a zip archive); save arrays with numpy.savez");
		ig_unmap(&m);
		ok = false;
	} else if (ok) {
		out->map = (void *)(uintptr_t)m.data;
		out->map_bytes = m.bytes;
		ok = ig_npy_parse(m.data, m.bytes, file, out, d);
	}
	free(file);
	if (ok)
		align(out);
	else
		ig_npy_close(out);
	return ok;
}

void ig_npy_close(struct ig_npy *a)
{
	if (a->heap)
		free(a->map);
	else
		ig_unmap(&(struct ig_map){a->map, a->map_bytes});
	*a = (struct ig_npy){0};
}

static const char *written_as(enum ig_dtype dt)
{
	switch (dt) {
	case IG_DT_F32: return "<f4";
	case IG_DT_F64: return "<f8";
	case IG_DT_BOOL: return "|b1";
	case IG_DT_U8: return "|u1";
	case IG_DT_S8: return "|i1";
	case IG_DT_U16: return "<u2";
	case IG_DT_S16: return "<i2";
	case IG_DT_U32: return "<u4";
	case IG_DT_I32: return "<i4";
	case IG_DT_U64: return "<u8";
	case IG_DT_I64: return "<i8";
	default: return NULL;
	}
}

bool ig_npy_write(const char *path, enum ig_dtype dt, int rank, const int64_t *dims, const void *data, struct ig_diag *d)
{
	const char *descr = written_as(dt);
	char shape[200] = "", text[320];
	size_t bytes, at = 0;
	struct ig_type type = ig_type_make(dt, rank, dims);
	if (!descr || !ig_type_bytes(&type, &bytes))
		IG_BUG("cannot write an array of type %s", ig_dtypes[dt].name);
	for (int i = 0; i < rank; i++)
		at += (size_t)snprintf(shape + at, sizeof shape - at, i ? " %lld%s" : "%lld%s", (long long)dims[i], i + 1 < rank || rank == 1 ? "," : "");
	int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
	int padded = (10 + n + 1 + 63) / 64 * 64 - 10; /* data begins at a multiple of 64 */
	struct ig_outfile o;
	FILE *f = ig_outfile_open(&o, path, d);
	if (!f)
		return false;
	fprintf(f, "\x93NUMPY%c%c%c%c%s%*s\n", 1, 0, padded & 255, padded >> 8, text, padded - n - 1, "");
	fwrite(data, 1, bytes, f);
	return ig_outfile_commit(&o);
}
