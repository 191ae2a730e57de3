/* A calibration state: what was seen of each value. And plain tensor files. */
#include <inttypes.h>
#include <string.h>

#include "driver/inspect.h"
#include "driver/report.h"
#include "frontend/safetensors.h"

static void state_text(const struct ig_stats *st, FILE *out)
{
	static const char *const titles[] = {"value", ">elements", ">minimum", ">maximum", ">zeros", ">NaN", ">inf", ">bins", ">bin width"};
	struct ig_table *t = ig_table_new(titles, 9);
	for (int i = 0; i < st->stat.n; i++) {
		const struct ig_stat *s = &st->stat.v[i];
		ig_table_cell(t, "%s", s->name);
		ig_table_cell(t, "%" PRIu64, s->count);
		ig_table_cell(t, "%.6g", (double)s->min);
		ig_table_cell(t, "%.6g", (double)s->max);
		ig_table_cell(t, "%" PRIu64, s->zeros);
		ig_table_cell(t, "%" PRIu64, s->nans);
		ig_table_cell(t, "%" PRIu64, s->infs);
		ig_table_cell(t, "%d", s->n_bins);
		ig_table_cell(t, "2^%d", s->exponent);
	}
	fprintf(out, "calibration state: %" PRIu64 " samples, weights %016" PRIx64 "\n\n", st->samples, st->weights_hash);
	ig_table_print(t, out);
	ig_table_free(t);
	for (int i = 0; i < st->stat.n; i++)
		if (st->stat.v[i].has_average)
			fprintf(out, "%s: moving average %.6g to %.6g (constant %.6g)\n", st->stat.v[i].name, (double)st->stat.v[i].avg_min,
			        (double)st->stat.v[i].avg_max, (double)st->stat.v[i].averaging);
}

static void state_json(const struct ig_stats *st, FILE *out)
{
	json_t *root = json_object(), *values = json_array();
	char hash[20];
	for (int i = 0; i < st->stat.n; i++) {
		const struct ig_stat *s = &st->stat.v[i];
		json_t *o = json_object();
		json_object_set_new(o, "name", json_string(s->name));
		json_object_set_new(o, "elements", json_integer((json_int_t)s->count));
		json_object_set_new(o, "min", ig_json_share((double)s->min));
		json_object_set_new(o, "max", ig_json_share((double)s->max));
		json_object_set_new(o, "zeros", json_integer((json_int_t)s->zeros));
		json_object_set_new(o, "nan", json_integer((json_int_t)s->nans));
		json_object_set_new(o, "inf", json_integer((json_int_t)s->infs));
		json_object_set_new(o, "bins", json_integer(s->n_bins));
		json_object_set_new(o, "exponent", json_integer(s->exponent));
		if (s->has_average) {
			json_object_set_new(o, "average_min", ig_json_share((double)s->avg_min));
			json_object_set_new(o, "average_max", ig_json_share((double)s->avg_max));
		}
		json_array_append_new(values, o);
	}
	snprintf(hash, sizeof hash, "%016" PRIx64, st->weights_hash);
	json_object_set_new(root, "kind", json_string("state"));
	json_object_set_new(root, "samples", json_integer((json_int_t)st->samples));
	json_object_set_new(root, "weights_hash", json_string(hash));
	json_object_set_new(root, "values", values);
	ig_json_print(root, out);
}

bool ig_inspect_state(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out)
{
	struct ig_stats *st = ig_stats_read(path, d);
	if (!st)
		return false;
	if (ig_opt_given(o, IG_OPT_JSON))
		state_json(st, out);
	else
		state_text(st, out);
	ig_stats_free(st);
	return true;
}

/* ---- tensors ---- */

static json_t *tensor_json(const char *name, const char *type, int rank, const int64_t *dim, size_t bytes)
{
	json_t *o = json_object();
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "type", json_string(type));
	json_object_set_new(o, "shape", ig_json_shape(rank, dim));
	json_object_set_new(o, "bytes", json_integer((json_int_t)bytes));
	return o;
}

static void tensor_row(struct ig_table *t, const char *name, const char *type, int rank, const int64_t *dim, size_t bytes)
{
	char text[200] = "[";
	size_t at = 1;
	for (int i = 0; i < rank && at < sizeof text - 32; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRId64, i ? ", " : "", dim[i]);
	ig_table_cell(t, "%s", name);
	ig_table_cell(t, "%s", type);
	ig_table_cell(t, "%s]", text);
	ig_table_cell(t, "%zu", bytes);
}

bool ig_inspect_tensors(const struct ig_opts *o, struct ig_diag *d, const char *path, FILE *out)
{
	static const char *const titles[] = {"tensor", "type", "shape", ">bytes"};
	static const char *const npy_type[] = {"f16", "f32", "f64", "u8", "s8", "s16", "i32", "i64", "bool", "u16", "u32", "u64"};
	size_t len = strlen(path);
	bool json = ig_opt_given(o, IG_OPT_JSON);
	json_t *list = json ? json_array() : NULL;
	struct ig_table *t = json ? NULL : ig_table_new(titles, 4);
	bool ok;
	if (len > 12 && strcmp(path + len - 12, ".safetensors") == 0) {
		struct ig_safetensors *s = ig_safetensors_open(path, d);
		ok = s != NULL;
		for (int i = 0; ok && i < s->n; i++) {
			const struct ig_st_entry *e = &s->entry[i];
			const char *type = ig_dtypes[e->type.dtype].name;
			if (json)
				json_array_append_new(list, tensor_json(e->name, type, e->type.rank, e->type.dim, e->bytes));
			else
				tensor_row(t, e->name, type, e->type.rank, e->type.dim, e->bytes);
		}
		ig_safetensors_close(s);
	} else {
		struct ig_npy a;
		ok = ig_npy_open(path, &a, d);
		if (ok && json)
			json_array_append_new(list, tensor_json(path, npy_type[a.dtype], a.rank, a.dim, a.bytes));
		else if (ok)
			tensor_row(t, path, npy_type[a.dtype], a.rank, a.dim, a.bytes);
		if (ok)
			ig_npy_close(&a);
	}
	if (ok && json) {
		json_t *root = json_object();
		json_object_set(root, "tensors", list);
		json_object_set_new(root, "kind", json_string("tensors"));
		ig_json_print(root, out);
	} else if (ok)
		ig_table_print(t, out);
	json_decref(list);
	if (t)
		ig_table_free(t);
	return ok;
}
