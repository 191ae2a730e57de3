/* The safetensors format: an 8-byte little-endian header length, a JSON object {name: {dtype, shape, data_offsets}}, then the tensors' bytes.
   Nothing of a file is believed: every length is compared with what is there, and tensors must cover the data exactly once, as the format demands. */
#include "frontend/safetensors.h"

#include "frontend/fileio.h"
#include "ir/outfile.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT (100u << 20) /* the format's own */
#define DEPTH_LIMIT 4             /* object, tensor, list; jansson itself would go 2048 deep */

static const struct st_dtype {
	const char *name;
	enum ig_dtype dtype;
} st_dtypes[] = {
	{"F32", IG_DT_F32}, {"F16", IG_DT_F16}, {"BF16", IG_DT_BF16}, {"U8", IG_DT_U8},
	{"I8", IG_DT_S8},   {"I16", IG_DT_S16}, {"I32", IG_DT_I32},   {"I64", IG_DT_I64},
};

struct reader {
	struct ig_safetensors *s;
	struct ig_diag *diag;
	struct ig_loc loc;
	const uint8_t *data; /* behind the header */
	size_t data_bytes;
};

/* Nesting is checked before parsing, so that no parser's recursion meets it. */
static bool check_nesting(struct reader *r, const uint8_t *p, size_t n)
{
	int depth = 0;
	bool string = false;
	for (size_t i = 0; i < n; i++) {
		if (string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				string = false;
		} else if (p[i] == '"') {
			string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > DEPTH_LIMIT) {
				ig_error(r->diag, r->loc, "byte %zu: the header is nested deeper than %d levels; write the file again with safetensors' own save_file",
				         i + 8, DEPTH_LIMIT);
				return false;
			}
		} else if (p[i] == '}' || p[i] == ']') {
			depth--;
		}
	}
	return true;
}

static bool tensor_error(struct reader *r, const char *name, const char *what)
{
	ig_error(r->diag, r->loc, "tensor '%s': %s", name, what);
	return false;
}

static bool read_dtype(struct reader *r, struct ig_st_entry *e, const json_t *j)
{
	if (!json_is_string(j))
		return tensor_error(r, e->name, "'dtype' is missing or not a string in the header");
	for (size_t i = 0; i < IG_COUNTOF(st_dtypes); i++)
		if (strcmp(st_dtypes[i].name, json_string_value(j)) == 0) {
			e->type.dtype = st_dtypes[i].dtype;
			return true;
		}
	ig_error(r->diag, r->loc, "tensor '%s': dtype '%.40s' is not supported (F32, F16, BF16, I8, U8, I16, I32 and I64 are); convert it, for example with .float()",
	         e->name, json_string_value(j));
	return false;
}

static bool read_shape(struct reader *r, struct ig_st_entry *e, const json_t *j)
{
	if (!json_is_array(j))
		return tensor_error(r, e->name, "'shape' is missing or not a list in the header");
	if (json_array_size(j) > IG_MAX_RANK) {
		ig_error(r->diag, r->loc, "tensor '%s': %zu dimensions; at most %d are supported, reshape it", e->name, json_array_size(j), IG_MAX_RANK);
		return false;
	}
	e->type.rank = (int)json_array_size(j);
	for (int i = 0; i < e->type.rank; i++) {
		const json_t *v = json_array_get(j, (size_t)i);
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return tensor_error(r, e->name, "'shape' holds something else than integers from 0");
		e->type.dim[i] = json_integer_value(v);
	}
	if (!ig_type_bytes(&e->type, &e->bytes))
		return tensor_error(r, e->name, "the size of its shape overflows 64 bits: the header lies");
	return true;
}

static bool read_offsets(struct reader *r, struct ig_st_entry *e, const json_t *j)
{
	const json_t *from = json_array_get(j, 0), *to = json_array_get(j, 1);
	if (!json_is_array(j) || json_array_size(j) != 2 || !json_is_integer(from) || !json_is_integer(to))
		return tensor_error(r, e->name, "'data_offsets' is missing or not two integers in the header");
	json_int_t a = json_integer_value(from), b = json_integer_value(to);
	if (a < 0 || b < a || (uint64_t)b > r->data_bytes) {
		ig_error(r->diag, r->loc, "tensor '%s': its data is said to be bytes %lld to %lld, but the file has %zu bytes of data; it is truncated or damaged, copy it again",
		         e->name, (long long)a, (long long)b, r->data_bytes);
		return false;
	}
	if ((uint64_t)(b - a) != e->bytes) {
		ig_error(r->diag, r->loc, "tensor '%s': its shape needs %zu bytes, but the header gives it %lld", e->name, e->bytes, (long long)(b - a));
		return false;
	}
	e->data = r->data + a;
	return true;
}

static bool read_entry(struct reader *r, struct ig_st_entry *e, const char *name, const json_t *j)
{
	e->name = ig_arena_strdup(r->s->arena, name);
	e->type.q = IG_NOQ;
	if (!json_is_object(j))
		return tensor_error(r, name, "its header entry is not an object");
	const char *key;
	json_t *unused;
	json_object_foreach((json_t *)(uintptr_t)j, key, unused)
	{
		if (strcmp(key, "dtype") != 0 && strcmp(key, "shape") != 0 && strcmp(key, "data_offsets") != 0) {
			ig_error(r->diag, r->loc, "tensor '%s': unknown header field '%.40s'; the file is of a later version of the format", name, key);
			return false;
		}
	}
	return read_dtype(r, e, json_object_get(j, "dtype")) && read_shape(r, e, json_object_get(j, "shape")) &&
	       read_offsets(r, e, json_object_get(j, "data_offsets"));
}

static int by_offset(const void *pa, const void *pb)
{
	const struct ig_st_entry *a = *(const struct ig_st_entry *const *)pa, *b = *(const struct ig_st_entry *const *)pb;
	if (a->data != b->data)
		return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
	if (a->bytes != b->bytes) /* empty tensors first */
		return a->bytes < b->bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct ig_st_entry *)pa)->name, ((const struct ig_st_entry *)pb)->name);
}

/* The tensors, in the order of their data, must follow one another without overlap or gap up to the end of the file. */
static bool check_cover(struct reader *r)
{
	int n = r->s->n;
	const struct ig_st_entry **order = IG_NEWN(r->s->arena, const struct ig_st_entry *, n);
	for (int i = 0; i < n; i++)
		order[i] = &r->s->entry[i];
	qsort(order, (size_t)n, sizeof *order, by_offset);
	const uint8_t *end = r->data;
	const char *before = NULL;
	for (int i = 0; i < n; i++) {
		const uint8_t *at = order[i]->data;
		if (at < end) {
			ig_error(r->diag, r->loc, "tensors '%s' and '%s' overlap at data byte %zu: the header lies", before, order[i]->name, (size_t)(at - r->data));
			return false;
		}
		if (at > end) {
			ig_error(r->diag, r->loc, "tensor '%s': %zu bytes before its data (at data byte %zu) belong to no tensor: the header lies", order[i]->name,
			         (size_t)(at - end), (size_t)(end - r->data));
			return false;
		}
		end = at + order[i]->bytes;
		before = order[i]->name;
	}
	size_t left = r->data_bytes - (size_t)(end - r->data);
	if (left) {
		ig_error(r->diag, r->loc, "the last %zu bytes of the file belong to no tensor: it is damaged, or two files were joined", left);
		return false;
	}
	return true;
}

static bool read_entries(struct reader *r, json_t *root)
{
	const char *name;
	json_t *j;
	struct ig_safetensors *s = r->s;
	s->entry = IG_NEWN(s->arena, struct ig_st_entry, json_object_size(root));
	json_object_foreach(root, name, j)
	{
		if (strcmp(name, "__metadata__") == 0)
			continue;
		if (!read_entry(r, &s->entry[s->n], name, j))
			return false;
		s->n++;
	}
	qsort(s->entry, (size_t)s->n, sizeof *s->entry, by_name);
	return check_cover(r);
}

static bool read_header(struct reader *r, const uint8_t *p, size_t bytes)
{
	if (bytes < 8) {
		ig_error(r->diag, r->loc, "not a safetensors file: %zu bytes, where the header's length alone takes 8", bytes);
		return false;
	}
	uint64_t n = ig_load_le64(p);
	if (n > bytes - 8 && (memcmp(p, "PK\3\4", 4) == 0 || memcmp(p, "\x80\2", 2) == 0)) {
		ig_error(r->diag, r->loc, "this is a PyTorch pickle (.pt, .pth), not safetensors; save with safetensors.torch.save_file(model.state_dict(), file)");
		return false;
	}
	if (n > HEADER_LIMIT) {
		ig_error(r->diag, r->loc, "not a safetensors file, or damaged: its header would take %llu bytes (at most %u are allowed)", (unsigned long long)n,
		         HEADER_LIMIT);
		return false;
	}
	if (n > bytes - 8) {
		ig_error(r->diag, r->loc, "the header takes %llu bytes but only %zu follow: the file is truncated, copy it again", (unsigned long long)n, bytes - 8);
		return false;
	}
	r->data = p + 8 + n;
	r->data_bytes = bytes - 8 - (size_t)n;
	if (!check_nesting(r, p + 8, (size_t)n))
		return false;
	json_error_t error;
	json_t *root = json_loadb((const char *)p + 8, (size_t)n, JSON_REJECT_DUPLICATES, &error);
	if (!root || !json_is_object(root)) {
		ig_error(r->diag, r->loc, "byte %d: the header is not a JSON object: %.120s", root ? 8 : error.position + 8, root ? "it is another value" : error.text);
		json_decref(root);
		return false;
	}
	bool ok = read_entries(r, root);
	json_decref(root);
	return ok;
}

struct ig_safetensors *ig_safetensors_open(const char *path, struct ig_diag *d)
{
	struct ig_map map;
	if (!ig_map_file(path, &map, d))
		return NULL;
	struct ig_arena *arena = ig_arena_new();
	struct ig_safetensors *s = IG_NEW(arena, struct ig_safetensors);
	s->arena = arena;
	s->path = ig_arena_strdup(arena, path);
	s->map = (void *)(uintptr_t)map.data;
	s->map_bytes = map.bytes;
	struct reader r = {.s = s, .diag = d, .loc = ig_loc_file(d, path)};
	if (!read_header(&r, map.data, map.bytes)) {
		ig_safetensors_close(s);
		return NULL;
	}
	return s;
}

void ig_safetensors_close(struct ig_safetensors *s)
{
	if (!s)
		return;
	ig_unmap(&(struct ig_map){s->map, s->map_bytes});
	ig_arena_free(s->arena);
}

struct ig_st_entry *ig_safetensors_find(const struct ig_safetensors *s, const char *name)
{
	struct ig_st_entry key = {.name = name};
	return s->n ? bsearch(&key, s->entry, (size_t)s->n, sizeof *s->entry, by_name) : NULL;
}

/* Widens n elements; the index of the first that is not finite, or -1. */
static int64_t widen(const struct ig_st_entry *e, int64_t n, float *out)
{
	const uint8_t *p = e->data;
	for (int64_t i = 0; i < n; i++) {
		if (e->type.dtype == IG_DT_F32)
			memcpy(&out[i], p + 4 * i, 4);
		else if (e->type.dtype == IG_DT_F16)
			out[i] = ig_widen_f16((uint16_t)ig_load_le16(p + 2 * i));
		else
			out[i] = ig_widen_bf16((uint16_t)ig_load_le16(p + 2 * i));
		if (!isfinite(out[i]))
			return i;
	}
	return -1;
}

struct ig_tensor *ig_safetensors_f32(const struct ig_safetensors *s, const struct ig_st_entry *e, struct ig_arena *a, struct ig_diag *d, struct ig_loc loc)
{
	if (!ig_dtypes[e->type.dtype].is_float) {
		ig_error(d, loc, "tensor '%s' of %s has type %s, where floating point is needed; convert it with .float()", e->name, s->path,
		         ig_dtypes[e->type.dtype].name);
		return NULL;
	}
	struct ig_type type = e->type;
	size_t bytes;
	type.dtype = IG_DT_F32;
	if (!ig_type_bytes(&type, &bytes)) {
		ig_error(d, loc, "tensor '%s' of %s is too large", e->name, s->path);
		return NULL;
	}
	struct ig_tensor *t = ig_tensor_new(a, &type);
	int64_t bad = widen(e, ig_elems(&type), t->data);
	if (bad >= 0) {
		char place[160];
		ig_error(d, loc, "tensor '%s' of %s holds %s at %s; weights must be finite, look at the training", e->name, s->path,
		         isnan(((float *)t->data)[bad]) ? "NaN" : "an infinity", ig_index_str(place, sizeof place, bad, type.rank, type.dim));
		return NULL;
	}
	return t;
}

struct named {
	const char *name;
	const struct ig_tensor *tensor;
};

static int named_order(const void *a, const void *b) { return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name); }

static const char *st_dtype_name(enum ig_dtype dt)
{
	for (size_t i = 0; i < IG_COUNTOF(st_dtypes); i++)
		if (st_dtypes[i].dtype == dt)
			return st_dtypes[i].name;
	return NULL;
}

/* The header as text, padded with spaces to a multiple of 8; NULL after a diagnostic. */
static char *make_header(const struct named *t, int n, const char *path, struct ig_diag *d)
{
	json_t *root = json_object();
	size_t at = 0, end = 0;
	for (int i = 0; i < n; i++) {
		const struct ig_type *ty = &t[i].tensor->type;
		const char *dtype = st_dtype_name(ty->dtype);
		json_t *shape = json_array();
		for (int k = 0; k < ty->rank; k++)
			json_array_append_new(shape, json_integer(ty->dim[k]));
		bool fits = ig_add_size(at, t[i].tensor->bytes, &end) && end <= INT64_MAX;
		bool refused = !dtype || !fits || json_object_get(root, t[i].name);
		json_t *e = refused ? NULL : json_pack("{s:s, s:O, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t)at, (json_int_t)end);
		json_decref(shape);
		if (!e || json_object_set_new(root, t[i].name, e) != 0) {
			ig_error(d, ig_loc_file(d, path), "tensor '%s' cannot be written: its name is not UTF-8 or stands twice, or the format has no type for it", t[i].name);
			json_decref(root);
			return NULL;
		}
		at = end;
	}
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		IG_BUG("cannot print a JSON object");
	size_t len = strlen(text), padded = (len + 7) / 8 * 8;
	char *out = ig_xcalloc(padded + 1, 1);
	memcpy(out, text, len);
	memset(out + len, ' ', padded - len);
	free(text);
	return out;
}

bool ig_safetensors_write(const char *path, const char *const *names, const struct ig_tensor *const *tensors, int n, struct ig_diag *d)
{
	struct named *order = ig_xcalloc((size_t)n, sizeof *order);
	for (int i = 0; i < n; i++)
		order[i] = (struct named){names[i], tensors[i]};
	qsort(order, (size_t)n, sizeof *order, named_order);
	struct ig_outfile o;
	char *header = make_header(order, n, path, d);
	FILE *f = header ? ig_outfile_open(&o, path, d) : NULL;
	if (f) {
		uint64_t len = strlen(header);
		for (int i = 0; i < 8; i++)
			putc((int)(len >> 8 * i & 255), f);
		fwrite(header, 1, (size_t)len, f);
		for (int i = 0; i < n; i++)
			fwrite(order[i].tensor->data, 1, order[i].tensor->bytes, f);
	}
	free(header);
	free(order);
	return f && ig_outfile_commit(&o);
}
