/* Tensors of the file: element types, raw, typed and external data. */
#include "onnx/import.h"

#include "frontend/fileio.h"
#include "ir/infer_impl.h"

#include <stdlib.h>
#include <string.h>

#define INT4 22 /* codes that came after the schema's version 1.12 */
#define UINT4 21

/* ONNX's element types and ours. Half precision is widened: the model computes in f32. */
static const struct {
	int32_t onnx;
	const char *name, *ours;
} types[] = {
    {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, "float", "f32"},      {ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, "uint8", "u8"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT8, "int8", "s8"},         {ONNX__TENSOR_PROTO__DATA_TYPE__UINT16, "uint16", "u16"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT16, "int16", "s16"},      {ONNX__TENSOR_PROTO__DATA_TYPE__INT32, "int32", "i32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, "int64", "i64"},      {ONNX__TENSOR_PROTO__DATA_TYPE__STRING, "string", NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, "bool", "bool"},       {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, "float16", "f32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, "double", "f64"},    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT32, "uint32", "u32"},
    {ONNX__TENSOR_PROTO__DATA_TYPE__UINT64, "uint64", "u64"},    {ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64, "complex64", NULL},
    {ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128, "complex128", NULL}, {ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, "bfloat16", "f32"},
    {UINT4, "uint4", "u4"},                                      {INT4, "int4", "s4"},
};

bool ig_onnx_dtype(int32_t onnx, enum ig_dtype *out)
{
	for (size_t i = 0; i < IG_COUNTOF(types); i++)
		if (types[i].onnx == onnx)
			return types[i].ours && ig_dtype_find(types[i].ours, out);
	return false;
}

const char *ig_onnx_dtype_name(int32_t onnx)
{
	for (size_t i = 0; i < IG_COUNTOF(types); i++)
		if (types[i].onnx == onnx)
			return types[i].name;
	return "an unknown element type";
}

int32_t ig_onnx_dtype_code(enum ig_dtype dt)
{
	for (size_t i = 0; i < IG_COUNTOF(types); i++)
		if (types[i].ours && strcmp(types[i].ours, ig_dtypes[dt].name) == 0)
			return types[i].onnx;
	return ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED;
}

/* A type of known sizes; false when it has none. */
static bool make_type(enum ig_dtype dt, int rank, const int64_t *dim, struct ig_type *out)
{
	int64_t elems;
	size_t bytes;
	if (rank < 0 || rank > IG_MAX_RANK)
		return false;
	for (int i = 0; i < rank; i++)
		if (dim[i] < 0)
			return false;
	*out = ig_type_make(dt, rank, dim);
	return ig_type_elems(out, &elems) && elems <= IG_MAX_ELEMS && ig_type_bytes(out, &bytes);
}

struct ig_tensor *ig_onnx_new_tensor(struct ig_onnx *s, enum ig_dtype dt, int rank, const int64_t *dim)
{
	struct ig_type t;
	return make_type(dt, rank, dim, &t) && ig_elems(&t) <= IG_ONNX_MAX_FOLDED ? ig_tensor_new(s->arena, &t) : NULL;
}

/* Where the bytes of a tensor are: in the message, or in a file beside the model. */
struct source {
	const uint8_t *data;
	size_t bytes;
	struct ig_map map;
};

static const char *external_entry(const Onnx__TensorProto *t, const char *key)
{
	for (size_t i = 0; i < t->n_external_data; i++)
		if (t->external_data[i]->key && t->external_data[i]->value && strcmp(t->external_data[i]->key, key) == 0)
			return t->external_data[i]->value;
	return NULL;
}

static bool external_number(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what, const char *key, uint64_t dflt, uint64_t *out)
{
	const char *text = external_entry(t, key);
	*out = dflt;
	if (!text)
		return true;
	char *end;
	if (text[0] >= '0' && text[0] <= '9' && strlen(text) < 19 && (*out = strtoull(text, &end, 10), *end == 0))
		return true;
	ig_error(s->diag, s->loc, "%s: external data: %s '%.40s' is no number of bytes", what, key, text);
	return false;
}

/* A relative path that stays in the model's folder. */
static bool inside(const char *path)
{
	if (path[0] == '/' || path[0] == 0)
		return false;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += n;
		p += *p == '/';
	}
	return true;
}

static bool open_external(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what, struct source *src)
{
	const char *location = external_entry(t, "location"), *slash = strrchr(s->path, '/');
	uint64_t offset, length;
	if (!location || !inside(location)) {
		ig_error(s->diag, s->loc, "%s: external data must be in a file of the model's folder, named by a relative path without '..', not '%.200s'", what,
		         location ? location : "");
		return false;
	}
	if (!external_number(s, t, what, "offset", 0, &offset) || !external_number(s, t, what, "length", UINT64_MAX, &length))
		return false;
	const char *path = ig_arena_printf(s->arena, "%.*s%s", slash ? (int)(slash + 1 - s->path) : 0, s->path, location);
	if (!ig_map_file(path, &src->map, s->diag))
		return false;
	if (offset > src->map.bytes || (length != UINT64_MAX && length > src->map.bytes - offset)) {
		ig_error(s->diag, s->loc, "%s: external data of %s: bytes %llu and on are not in the file of %zu bytes", what, path, (unsigned long long)offset,
		         src->map.bytes);
		ig_unmap(&src->map);
		return false;
	}
	src->data = src->map.data ? src->map.data + offset : NULL;
	src->bytes = length != UINT64_MAX ? (size_t)length : src->map.bytes - (size_t)offset;
	return true;
}

static bool is_half(const Onnx__TensorProto *t)
{
	return t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 || t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
}

/* Raw little-endian elements of the file's type into ours. NULL after a diagnostic; memory is taken for what the file really has. */
static struct ig_tensor *take_raw(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what, const struct source *src, const struct ig_type *type)
{
	int64_t n = ig_elems(type);
	size_t want;
	ig_type_bytes(type, &want);
	if (is_half(t))
		want = (size_t)n * 2;
	if (src->bytes != want) {
		ig_error(s->diag, s->loc, "%s: %zu bytes of data for %s, which takes %zu", what, src->bytes, ig_type_str(s->arena, type), want);
		return NULL;
	}
	struct ig_tensor *out = ig_tensor_new(s->arena, type);
	if (!is_half(t) && want)
		memcpy(out->data, src->data, want);
	for (int64_t i = 0; is_half(t) && i < n; i++) {
		uint16_t bits = (uint16_t)ig_load_le16(src->data + 2 * i);
		((float *)out->data)[i] = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ? ig_widen_f16(bits) : ig_widen_bf16(bits);
	}
	return out;
}

static size_t typed_count(const Onnx__TensorProto *t)
{
	switch (t->data_type) {
	case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: return t->n_float_data;
	case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: return t->n_double_data;
	case ONNX__TENSOR_PROTO__DATA_TYPE__INT64: return t->n_int64_data;
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
	case ONNX__TENSOR_PROTO__DATA_TYPE__UINT64: return t->n_uint64_data;
	default: return t->n_int32_data;
	}
}

/* The low bytes of an integer, which is how the narrow types come in int32_data. */
static void put_int(void *data, int bits, size_t i, uint64_t v)
{
	switch (bits) {
	case 8: ((uint8_t *)data)[i] = (uint8_t)v; break;
	case 16: ((uint16_t *)data)[i] = (uint16_t)v; break;
	case 32: ((uint32_t *)data)[i] = (uint32_t)v; break;
	default: ((uint64_t *)data)[i] = v; break;
	}
}

static struct ig_tensor *take_typed(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what, const struct ig_type *type)
{
	int bits = ig_dtypes[type->dtype].bits;
	size_t have = typed_count(t), n;
	ig_type_bytes(type, &n);
	if (bits >= 8)
		n = (size_t)ig_elems(type);
	if (have != n) {
		ig_error(s->diag, s->loc, "%s: %zu elements of data for %s", what, have, ig_type_str(s->arena, type));
		return NULL;
	}
	struct ig_tensor *out = ig_tensor_new(s->arena, type);
	for (size_t i = 0; i < n; i++) {
		switch (t->data_type) {
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: ((float *)out->data)[i] = t->float_data[i]; break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: ((double *)out->data)[i] = t->double_data[i]; break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__INT64: ((int64_t *)out->data)[i] = t->int64_data[i]; break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
		case ONNX__TENSOR_PROTO__DATA_TYPE__UINT64: put_int(out->data, bits, i, t->uint64_data[i]); break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: ((float *)out->data)[i] = ig_widen_f16((uint16_t)t->int32_data[i]); break;
		case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16: ((float *)out->data)[i] = ig_widen_bf16((uint16_t)t->int32_data[i]); break;
		default: put_int(out->data, bits < 8 ? 8 : bits, i, (uint32_t)t->int32_data[i]); break;
		}
	}
	return out;
}

/* Truth values are 0 or 1 whatever the file says. */
static void normalize_bools(struct ig_tensor *t)
{
	for (size_t i = 0; i < t->bytes; i++)
		((uint8_t *)t->data)[i] = ((uint8_t *)t->data)[i] != 0;
}

const struct ig_tensor *ig_onnx_tensor(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what)
{
	enum ig_dtype dt;
	bool external = t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
	if (!ig_onnx_dtype(t->data_type, &dt)) {
		ig_error(s->diag, s->loc, "%s: tensors of %s are not supported", what, ig_onnx_dtype_name(t->data_type));
		return NULL;
	}
	if (t->segment) {
		ig_error(s->diag, s->loc, "%s: tensors in segments are not supported", what);
		return NULL;
	}
	struct ig_type type;
	if (!make_type(dt, t->n_dims > IG_MAX_RANK ? -1 : (int)t->n_dims, t->dims, &type)) {
		ig_error(s->diag, s->loc, "%s: a tensor has at most %d dimensions, none negative, and %lld elements", what, IG_MAX_RANK, (long long)IG_MAX_ELEMS);
		return NULL;
	}
	struct ig_tensor *out = NULL;
	if (external || t->has_raw_data) {
		struct source src = {t->raw_data.data, t->raw_data.len, {0}};
		if (!external || open_external(s, t, what, &src))
			out = take_raw(s, t, what, &src, &type);
		ig_unmap(&src.map);
	} else {
		out = take_typed(s, t, what, &type);
	}
	if (out && t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL)
		normalize_bools(out);
	return out;
}
