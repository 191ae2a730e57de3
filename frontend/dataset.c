/* Samples for a model's inputs, converted one at a time, so that memory does not grow with their number. */
#include "frontend/dataset.h"

#include "frontend/fileio.h"
#include "frontend/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct port { /* an input of the model and the array that feeds it */
	const char *name;
	struct ig_type type;
	bool nhwc;
	char *path;
	struct ig_npy array;
	int64_t elems; /* of one sample */
	void *buffer;  /* NULL: samples are used where they lie */
};
struct ig_dataset {
	struct port *port;
	int n_ports;
	const void **sample;
	int64_t count, first, last;
};

/* The shape of the array of samples: N (as `count`), then the input's axes but its batch of one, in the order they have in memory. */
static int array_shape(const struct port *p, int64_t count, int64_t *dim)
{
	dim[0] = count;
	for (int i = 1; i < p->type.rank; i++)
		dim[i] = p->type.dim[i];
	if (p->nhwc && p->type.rank == 4) {
		dim[1] = p->type.dim[2];
		dim[2] = p->type.dim[3];
		dim[3] = p->type.dim[1];
	}
	return p->type.rank;
}

static bool same_dims(const int64_t *a, const int64_t *b, int n)
{
	for (int i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* What to do about a shape that does not fit: the common mistakes are a missing axis of one and images of the other layout. */
static const char *shape_remedy(const struct port *p, const int64_t *want)
{
	const struct ig_npy *a = &p->array;
	if (a->rank == 4 && p->type.rank == 4) {
		const int64_t *d = p->type.dim;
		const int64_t other[3] = {p->nhwc ? d[1] : d[2], p->nhwc ? d[2] : d[3], p->nhwc ? d[3] : d[1]};
		if (same_dims(a->dim + 1, other, 3))
			return p->nhwc ? "; these look like NCHW: save a.transpose(0, 2, 3, 1)"
			               : "; these look like NHWC: save a.transpose(0, 3, 1, 2), or declare the input as u8[...] nhwc and normalize it in the model";
	}
	int64_t have = 1, need = 1;
	for (int i = 1; i < p->type.rank; i++)
		need *= want[i];
	for (int i = 1; i < a->rank; i++)
		have *= a->dim[i];
	return have == need ? "; the number of elements is right: reshape it" : "";
}

static bool check_shape(struct port *p, struct ig_diag *d)
{
	int64_t want[IG_MAX_RANK], count = p->array.rank ? p->array.dim[0] : 0;
	char need[200], have[200];
	struct ig_loc loc = ig_loc_file(d, p->path);
	if (p->type.rank < 1 || p->type.dim[0] != 1) {
		ig_error(d, loc, "input '%s' has no batch axis of 1, so samples cannot be fed to it; declare its first axis as 1", p->name);
		return false;
	}
	int rank = array_shape(p, count, want);
	if (p->array.rank == rank && same_dims(p->array.dim, want, rank))
		return true;
	ig_dims_str(need, sizeof need, rank - 1, want + 1);
	ig_dims_str(have, sizeof have, p->array.rank, p->array.dim);
	ig_error(d, loc, "the array has shape %s, but samples of input '%s' need [N%s%s%s", have, p->name, rank > 1 ? ", " : "", need + 1, shape_remedy(p, want));
	return false;
}

/* The array type that holds an input's values as they are; -1: none does. */
static int own_type(enum ig_dtype dt)
{
	switch (dt) {
	case IG_DT_F32: return IG_NPY_F32;
	case IG_DT_F64: return IG_NPY_F64;
	case IG_DT_BOOL: return IG_NPY_BOOL;
	case IG_DT_U8: return IG_NPY_U8;
	case IG_DT_S8: return IG_NPY_S8;
	case IG_DT_U16: return IG_NPY_U16;
	case IG_DT_S16: return IG_NPY_S16;
	case IG_DT_U32: return IG_NPY_U32;
	case IG_DT_I32: return IG_NPY_I32;
	case IG_DT_U64: return IG_NPY_U64;
	case IG_DT_I64: return IG_NPY_I64;
	default: return -1;
	}
}

/* Whether every value of the array is a value of the input's type (halves and doubles are rounded). */
static bool converts(const struct port *p)
{
	int from = (int)p->array.dtype;
	bool narrow = from == IG_NPY_U8 || from == IG_NPY_S8 || from == IG_NPY_S16;
	if (p->type.dtype == IG_DT_F32)
		return from == IG_NPY_U8 || from == IG_NPY_F16 || from == IG_NPY_F64;
	return (p->type.dtype == IG_DT_I32 && narrow) || (p->type.dtype == IG_DT_I64 && (narrow || from == IG_NPY_I32));
}

static bool check_type(struct port *p, struct ig_diag *d)
{
	struct ig_loc loc = ig_loc_file(d, p->path);
	if ((int)p->array.dtype == own_type(p->type.dtype) || converts(p))
		return true;
	if (p->type.dtype == IG_DT_F32)
		ig_error(d, loc, "the array holds %s, but input '%s' takes floating point or uint8; convert it with a.astype('float32')", ig_npy_dtype_name(&p->array), p->name);
	else
		ig_error(d, loc, "the array holds %s, but input '%s' is %s; save it as that type", ig_npy_dtype_name(&p->array), p->name,
		         p->type.dtype == IG_DT_U8 ? "uint8" : ig_dtypes[p->type.dtype].name);
	return false;
}

/* Element i of an array of narrow integers. */
static int64_t integer(const struct ig_npy *a, int64_t i)
{
	switch (a->dtype) {
	case IG_NPY_U8: return ((const uint8_t *)a->data)[i];
	case IG_NPY_S8: return ((const int8_t *)a->data)[i];
	case IG_NPY_S16: return ((const int16_t *)a->data)[i];
	case IG_NPY_I32: return ((const int32_t *)a->data)[i];
	default: IG_BUG("integers of type %s", ig_npy_dtype_name(a));
	}
}

float ig_npy_float(const struct ig_npy *a, int64_t i)
{
	switch (a->dtype) {
	case IG_NPY_F16: return ig_widen_f16(((const uint16_t *)a->data)[i]);
	case IG_NPY_F32: return ((const float *)a->data)[i];
	case IG_NPY_F64: return (float)((const double *)a->data)[i];
	case IG_NPY_U8: return ((const uint8_t *)a->data)[i];
	default: IG_BUG("samples of type %s", ig_npy_dtype_name(a));
	}
}

static bool check_finite(const struct port *p, struct ig_diag *d)
{
	if (p->type.dtype != IG_DT_F32 || p->array.dtype == IG_NPY_U8)
		return true;
	int64_t n = p->elems * p->array.dim[0];
	for (int64_t i = 0; i < n; i++) {
		float v = ig_npy_float(&p->array, i);
		if (isfinite(v))
			continue;
		char place[200];
		ig_index_str(place, sizeof place, i % p->elems, p->array.rank - 1, p->array.dim + 1);
		ig_error(d, ig_loc_file(d, p->path), "sample %lld holds %s at %s; remove or repair that sample", (long long)(i / p->elems),
		         isnan(v) ? "NaN" : "an infinity (or a number beyond float32)", place);
		return false;
	}
	return true;
}

/* Raw numbers: FILE:f32, FILE:f16, FILE:f64 or FILE:u8, whose shape is the input's. */
static const struct raw_type {
	const char *suffix;
	int dtype, bytes;
} raw_types[] = {{":f32", IG_NPY_F32, 4}, {":f16", IG_NPY_F16, 2}, {":f64", IG_NPY_F64, 8}, {":u8", IG_NPY_U8, 1}};

static const struct raw_type *raw_suffix(const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < IG_COUNTOF(raw_types); i++) {
		size_t k = strlen(raw_types[i].suffix);
		if (n > k && strcmp(path + n - k, raw_types[i].suffix) == 0)
			return &raw_types[i];
	}
	return NULL;
}

static bool open_raw(struct port *p, const struct raw_type *raw, struct ig_diag *d)
{
	struct ig_map m;
	size_t sample = (size_t)p->elems * (size_t)raw->bytes;
	p->path[strlen(p->path) - strlen(raw->suffix)] = 0;
	if (!ig_map_file(p->path, &m, d))
		return false;
	p->array = (struct ig_npy){.dtype = raw->dtype, .data = m.data, .bytes = m.bytes, .map = (void *)(uintptr_t)m.data, .map_bytes = m.bytes};
	if (m.bytes == 0 || m.bytes % sample) {
		ig_error(d, ig_loc_file(d, p->path), "the file has %zu bytes, not a multiple (1 or more) of the %zu of one sample of input '%s' as %s", m.bytes, sample, p->name,
		         raw->suffix + 1);
		return false;
	}
	p->array.rank = array_shape(p, (int64_t)(m.bytes / sample), p->array.dim);
	return true;
}

static bool open_port(struct port *p, const char *path, bool reject_nonfinite, struct ig_diag *d)
{
	size_t len = strlen(path) + 1;
	p->path = memcpy(ig_xcalloc(len, 1), path, len);
	p->elems = 1;
	for (int i = 1; i < p->type.rank; i++)
		p->elems *= p->type.dim[i]; /* a type that was checked */
	const struct raw_type *raw = raw_suffix(path);
	if (!(raw ? open_raw(p, raw, d) : ig_npy_open(path, &p->array, d)))
		return false;
	if (!check_shape(p, d) || !check_type(p, d) || (reject_nonfinite && !check_finite(p, d)))
		return false;
	if (converts(p))
		p->buffer = ig_xcalloc((size_t)p->elems, sizeof(int64_t));
	return true;
}

/* The input that a spec names, and the path behind the name; i: the spec's position. A path may hold '=' itself. */
static struct port *find_port(struct ig_dataset *ds, const char *spec, int i, const char **path)
{
	const char *eq = strchr(spec, '=');
	for (int k = 0; eq && k < ds->n_ports; k++) {
		if (strlen(ds->port[k].name) == (size_t)(eq - spec) && strncmp(ds->port[k].name, spec, (size_t)(eq - spec)) == 0) {
			*path = eq + 1;
			return &ds->port[k];
		}
	}
	*path = spec;
	return &ds->port[i];
}

/* A path with '=' that is no file was meant as NAME=FILE. */
static bool check_spec(const struct ig_dataset *ds, const char *path, struct ig_diag *d)
{
	const char *eq = strchr(path, '=');
	if (!eq || access(path, F_OK) == 0)
		return true;
	ig_error(d, ig_loc_file(d, path), "there is no such file, and the model has no input '%.*s'; %s '%s'", (int)(eq - path), path,
	         ds->n_ports == 1 ? "its only input is" : "its first input is", ds->port[0].name);
	return false;
}

static bool open_all(struct ig_dataset *ds, const char *const *specs, bool reject_nonfinite, struct ig_diag *d)
{
	for (int i = 0; i < ds->n_ports; i++) {
		const char *path;
		struct port *p = find_port(ds, specs[i], i, &path);
		if (p->path) {
			ig_error(d, ig_loc_file(d, path), "input '%s' is given data twice; name the inputs, as in --data %s=FILE", p->name, p->name);
			return false;
		}
		if ((path == specs[i] && !check_spec(ds, path, d)) || !open_port(p, path, reject_nonfinite, d))
			return false;
	}
	ds->count = ds->port[0].array.dim[0];
	for (int i = 1; i < ds->n_ports; i++)
		if (ds->port[i].array.dim[0] != ds->count) {
			ig_error(d, ig_loc_file(d, ds->port[i].path), "%lld samples, but %s has %lld; each input needs as many", (long long)ds->port[i].array.dim[0],
			         ds->port[0].path, (long long)ds->count);
			return false;
		}
	ds->last = ds->count;
	return true;
}

static bool is_nhwc(const struct ig_graph *g, struct ig_vid v)
{
	const char *layout = ig_attr_str(ig_def(g, v), IG_A_LAYOUT, "nchw");
	return strcmp(layout, "nhwc") == 0;
}

struct ig_dataset *ig_dataset_open(const struct ig_graph *g, const char *const *specs, int n_specs, bool reject_nonfinite, struct ig_diag *d)
{
	if (n_specs != g->n_inputs || n_specs < 1) {
		ig_error(d, IG_NOLOC, "model '%s' has %d inputs, but %d data files are given; give --data NAME=FILE for each", g->name, g->n_inputs, n_specs);
		return NULL;
	}
	struct ig_dataset *ds = ig_xcalloc(1, sizeof *ds);
	ds->n_ports = n_specs;
	ds->port = ig_xcalloc((size_t)n_specs, sizeof *ds->port);
	ds->sample = ig_xcalloc((size_t)n_specs, sizeof *ds->sample);
	for (int i = 0; i < n_specs; i++) {
		ds->port[i].name = ig_value(g, g->input[i])->name;
		ds->port[i].type = *ig_vtype(g, g->input[i]);
		ds->port[i].nhwc = is_nhwc(g, g->input[i]);
	}
	if (open_all(ds, specs, reject_nonfinite, d))
		return ds;
	ig_dataset_free(ds);
	return NULL;
}

void ig_dataset_free(struct ig_dataset *ds)
{
	if (!ds)
		return;
	for (int i = 0; i < ds->n_ports; i++) {
		ig_npy_close(&ds->port[i].array);
		free(ds->port[i].buffer);
		free(ds->port[i].path);
	}
	free(ds->port);
	free(ds->sample);
	free(ds);
}

int64_t ig_dataset_count(const struct ig_dataset *ds) { return ds->last - ds->first; }

bool ig_dataset_slice(struct ig_dataset *ds, int64_t first, int64_t last, struct ig_diag *d)
{
	if (first < 0 || first >= last || last > ds->count) {
		ig_error(d, ig_loc_file(d, ds->port[0].path), "samples %lld:%lld are asked for, but the file has 0:%lld", (long long)first, (long long)last,
		         (long long)ds->count);
		return false;
	}
	ds->first = first;
	ds->last = last;
	return true;
}

const void *const *ig_dataset_sample(struct ig_dataset *ds, int64_t i)
{
	if (i < 0 || i >= ig_dataset_count(ds))
		IG_BUG("sample %lld of %lld", (long long)i, (long long)ig_dataset_count(ds));
	for (int k = 0; k < ds->n_ports; k++) {
		struct port *p = &ds->port[k];
		int64_t at = (ds->first + i) * p->elems;
		ds->sample[k] = (const uint8_t *)p->array.data + at * ig_npy_item(&p->array);
		if (!p->buffer)
			continue;
		for (int64_t j = 0; j < p->elems; j++) {
			if (p->type.dtype == IG_DT_F32)
				((float *)p->buffer)[j] = ig_npy_float(&p->array, at + j);
			else if (p->type.dtype == IG_DT_I32)
				((int32_t *)p->buffer)[j] = (int32_t)integer(&p->array, at + j);
			else
				((int64_t *)p->buffer)[j] = integer(&p->array, at + j);
		}
		ds->sample[k] = p->buffer;
	}
	return ds->sample;
}
