/* Samples and labels: conversion, shapes, slices, and what is refused. */
#include "tests/unit/tempfile.h"

#include "frontend/dataset.h"

#include <math.h>

struct input {
	enum ig_dtype dtype;
	bool nhwc;
	int64_t dim[4];
};

static struct ig_graph *model(const struct input *in, int n)
{
	struct ig_graph *g = ig_graph_new("m");
	g->input = IG_NEWN(g->arena, struct ig_vid, n);
	for (int i = 0; i < n; i++) {
		struct ig_nid node = ig_graph_add(g, IG_OP_INPUT, i ? "second" : "x", IG_NOLOC, NULL, 0);
		if (in[i].nhwc)
			ig_attr_set_str(g, node, IG_A_LAYOUT, "nhwc");
		struct ig_vid v = ig_node(g, node)->out[0];
		ig_value(g, v)->type = ig_type_make(in[i].dtype, 4, in[i].dim);
		g->input[g->n_inputs++] = v;
	}
	return g;
}

/* Writes a header by hand, so that types that ig_npy_write lacks can be tested too. */
static void write_npy(struct temp *t, const char *descr, const char *shape, const void *data, size_t n)
{
	uint8_t buf[1024];
	int len = snprintf((char *)buf + 10, 200, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape);
	memcpy(buf, "\x93NUMPY\1\0", 8);
	buf[8] = (uint8_t)len;
	buf[9] = 0;
	memcpy(buf + 10 + len, data, n);
	temp_write(t, buf, 10 + (size_t)len + n);
}

static struct ig_dataset *open_one(struct temp *t, const struct ig_graph *g, bool reject)
{
	const char *spec = t->path;
	return ig_dataset_open(g, &spec, 1, reject, t->diag);
}

static const struct input plain = {IG_DT_F32, false, {1, 2, 1, 3}}, camera = {IG_DT_U8, true, {1, 2, 1, 3}};

static void converts(void **state)
{
	(void)state;
	const struct {
		const char *descr;
		const void *data;
		size_t bytes;
	} forms[] = {
		{"<f4", (const float[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 48},
		{"<f8", (const double[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 96},
		{"|u1", (const uint8_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 12},
		{"<f2", (const uint16_t[]){0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980}, 24},
	};
	struct ig_graph *g = model(&plain, 1);
	for (size_t i = 0; i < IG_COUNTOF(forms); i++) {
		struct temp *t = temp_new();
		write_npy(t, forms[i].descr, "2, 2, 1, 3", forms[i].data, forms[i].bytes);
		struct ig_dataset *ds = open_one(t, g, true);
		assert_non_null(ds);
		assert_int_equal(ig_dataset_count(ds), 2);
		for (int s = 0; s < 2; s++)
			for (int k = 0; k < 6; k++)
				assert_true(((const float *)ig_dataset_sample(ds, s)[0])[k] == (float)(6 * s + k));
		assert_false(ig_dataset_slice(ds, 1, 3, t->diag));
		assert_true(temp_said(t, "samples 1:3 are asked for, but the file has 0:2"));
		assert_false(ig_dataset_slice(ds, 1, 1, t->diag));
		assert_true(ig_dataset_slice(ds, 1, 2, t->diag));
		assert_int_equal(ig_dataset_count(ds), 1);
		assert_true(((const float *)ig_dataset_sample(ds, 0)[0])[0] == 6);
		ig_dataset_free(ds);
		temp_free(t);
	}
	ig_graph_free(g);
}

static void checks_shapes_and_types(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *gp = model(&plain, 1), *gc = model(&camera, 1);
	uint8_t bytes[12] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
	write_npy(t, "|u1", "2, 1, 3, 2", bytes, 12);
	struct ig_dataset *ds = open_one(t, gc, true);
	assert_non_null(ds);
	assert_memory_equal(ig_dataset_sample(ds, 1)[0], bytes + 6, 6);
	ig_dataset_free(ds);
	assert_null(open_one(t, gp, true));
	assert_true(temp_said(t, "the array has shape [2, 1, 3, 2], but samples of input 'x' need [N, 2, 1, 3]; these look like NHWC"));
	write_npy(t, "|u1", "2, 2, 1, 3", bytes, 12);
	assert_null(open_one(t, gc, true));
	assert_true(temp_said(t, "need [N, 1, 3, 2]; these look like NCHW"));
	write_npy(t, "|u1", "2, 6", bytes, 12);
	assert_null(open_one(t, gp, true));
	assert_true(temp_said(t, "the number of elements is right: reshape it"));
	write_npy(t, "<i4", "1, 2, 1, 3", (const int32_t[6]){0}, 24);
	assert_null(open_one(t, gp, true));
	assert_true(temp_said(t, "the array holds int32, but input 'x' takes floating point or uint8; convert it with a.astype('float32')"));
	write_npy(t, "<f4", "1, 1, 3, 2", (const float[6]){0}, 24);
	assert_null(open_one(t, gc, true));
	assert_true(temp_said(t, "the array holds float32, but input 'x' is uint8"));
	write_npy(t, "|u1", "", bytes, 1);
	assert_null(open_one(t, gp, true));
	assert_true(temp_said(t, "the array has shape []"));
	ig_graph_free(gp);
	ig_graph_free(gc);
	temp_free(t);
}

static void names_what_is_not_finite(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *g = model(&plain, 1);
	float data[12] = {0};
	data[10] = NAN;
	write_npy(t, "<f4", "2, 2, 1, 3", data, 48);
	assert_null(open_one(t, g, true));
	assert_true(temp_said(t, "sample 1 holds NaN at [1, 0, 1]; remove or repair that sample"));
	struct ig_dataset *ds = open_one(t, g, false);
	assert_non_null(ds);
	ig_dataset_free(ds);
	double wide[6] = {0, 0, 0, 0, 0, 1e300};
	write_npy(t, "<f8", "1, 2, 1, 3", wide, 48);
	assert_null(open_one(t, g, true));
	assert_true(temp_said(t, "sample 0 holds an infinity (or a number beyond float32) at [1, 0, 2]"));
	ig_graph_free(g);
	temp_free(t);
}

static void reads_raw_numbers(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *g = model(&plain, 1);
	char spec[200];
	const char *specs[] = {spec};
	float data[12];
	for (int i = 0; i < 12; i++)
		data[i] = (float)i / 3;
	temp_write(t, data, sizeof data);
	snprintf(spec, sizeof spec, "x=%s:f32", t->path);
	struct ig_dataset *ds = ig_dataset_open(g, specs, 1, true, t->diag);
	assert_non_null(ds);
	assert_int_equal(ig_dataset_count(ds), 2);
	assert_memory_equal(ig_dataset_sample(ds, 1)[0], data + 6, 24);
	ig_dataset_free(ds);
	temp_write(t, data, 47);
	assert_null(ig_dataset_open(g, specs, 1, true, t->diag));
	assert_true(temp_said(t, "the file has 47 bytes, not a multiple (1 or more) of the 24 of one sample of input 'x' as f32"));
	temp_write(t, data, 0);
	assert_null(ig_dataset_open(g, specs, 1, true, t->diag));
	assert_null(open_one(t, g, true));
	assert_true(temp_said(t, "not a .npy file"));
	ig_graph_free(g);
	temp_free(t);
}

static void feeds_several_inputs(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	struct ig_graph *g = model((const struct input[]){plain, camera}, 2);
	char a[200], b[200], c[210];
	const int64_t da[4] = {2, 2, 1, 3}, db[4] = {2, 1, 3, 2}, dc[4] = {1, 1, 3, 2};
	uint8_t bytes[12] = {1, 2, 3};
	float data[12] = {4, 5, 6};
	snprintf(a, sizeof a, "%s/a", t->dir);
	snprintf(b, sizeof b, "second=%s/b=1", t->dir);
	assert_true(ig_npy_write(a, IG_DT_F32, 4, da, data, t->diag));
	assert_true(ig_npy_write(b + 7, IG_DT_U8, 4, db, bytes, t->diag));
	snprintf(c, sizeof c, "x=%s", a);
	struct ig_dataset *ds = ig_dataset_open(g, (const char *[]){b, c}, 2, true, t->diag);
	assert_non_null(ds);
	assert_memory_equal(ig_dataset_sample(ds, 0)[0], data, 24);
	assert_memory_equal(ig_dataset_sample(ds, 0)[1], bytes, 6);
	ig_dataset_free(ds);
	ds = ig_dataset_open(g, (const char *[]){a, b + 7}, 2, true, t->diag);
	assert_non_null(ds);
	ig_dataset_free(ds);
	assert_null(ig_dataset_open(g, (const char *[]){a, c}, 2, true, t->diag));
	assert_true(temp_said(t, "input 'x' is given data twice"));
	assert_null(ig_dataset_open(g, (const char *[]){a}, 1, true, t->diag));
	assert_true(temp_said(t, "model 'm' has 2 inputs, but 1 data files are given"));
	assert_true(ig_npy_write(b + 7, IG_DT_U8, 4, dc, bytes, t->diag));
	assert_null(ig_dataset_open(g, (const char *[]){a, b + 7}, 2, true, t->diag));
	assert_true(temp_said(t, "1 samples, but"));
	unlink(a);
	unlink(b + 7);
	ig_graph_free(g);
	temp_free(t);
}

static void reads_labels(void **state)
{
	(void)state;
	struct temp *t = temp_new();
	const struct {
		const char *descr, *shape;
		const void *data;
		size_t bytes;
	} forms[] = {
		{"|u1", "3,", (const uint8_t[]){7, 0, 9}, 3},   {"|i1", "3, 1", (const int8_t[]){7, 0, 9}, 3},  {"<i2", "3,", (const int16_t[]){7, 0, 9}, 6},
		{"<i4", "3,", (const int32_t[]){7, 0, 9}, 12}, {"<i8", "3,", (const int64_t[]){7, 0, 9}, 24},
	};
	int64_t n;
	for (size_t i = 0; i < IG_COUNTOF(forms); i++) {
		write_npy(t, forms[i].descr, forms[i].shape, forms[i].data, forms[i].bytes);
		int64_t *labels = ig_labels_read(t->path, &n, NULL, t->diag);
		assert_non_null(labels);
		assert_true(n == 3 && labels[0] == 7 && labels[1] == 0 && labels[2] == 9);
		free(labels);
	}
	write_npy(t, "<f4", "3,", (const float[]){1, 2, 3}, 12);
	assert_null(ig_labels_read(t->path, &n, NULL, t->diag));
	assert_true(temp_said(t, "labels must be integers, but the array holds float32"));
	write_npy(t, "|u1", "3, 2", (const uint8_t[6]){0}, 6);
	assert_null(ig_labels_read(t->path, &n, NULL, t->diag));
	assert_true(temp_said(t, "labels must be one integer a sample, but the array has shape [3, 2]"));
	int64_t each;
	write_npy(t, "|u1", "3, 2", (const uint8_t[]){1, 2, 3, 4, 5, 6}, 6);
	int64_t *labels = ig_labels_read(t->path, &n, &each, t->diag);
	assert_non_null(labels);
	assert_true(n == 3 && each == 2 && labels[0] == 1 && labels[5] == 6);
	free(labels);
	temp_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts),          cmocka_unit_test(checks_shapes_and_types), cmocka_unit_test(names_what_is_not_finite),
		cmocka_unit_test(reads_raw_numbers), cmocka_unit_test(feeds_several_inputs),    cmocka_unit_test(reads_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
