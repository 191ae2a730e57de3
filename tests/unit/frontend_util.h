/* For tests of the language: a temporary folder with a small weights file, and models parsed from text. */
#ifndef IG_TESTS_FRONTEND_UTIL_H
#define IG_TESTS_FRONTEND_UTIL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "frontend/safetensors.h"

struct bench {
	char dir[64], weights[128], model[128];
	struct ig_diag *diag;
	FILE *out;
	char *text;
	size_t text_len;
};

/* Different small numbers in each tensor; running_var stays positive. */
static inline void bench_weights(struct bench *b, unsigned seed)
{
	static const struct {
		const char *name;
		int rank;
		int64_t dim[4];
	} t[] = {
		{"bn.bias", 1, {4}},     {"bn.running_mean", 1, {4}}, {"bn.running_var", 1, {4}},   {"bn.weight", 1, {4}},      {"conv.bias", 1, {4}},
		{"conv.weight", 4, {4, 1, 3, 3}}, {"dw.weight", 4, {4, 1, 3, 3}}, {"fc.bias", 1, {3}},        {"fc.weight", 2, {3, 36}}, {"pw.bias", 1, {4}},
		{"pw.weight", 4, {4, 4, 1, 1}},
	};
	const char *names[IG_COUNTOF(t)];
	const struct ig_tensor *tensors[IG_COUNTOF(t)];
	struct ig_arena *a = ig_arena_new();
	for (size_t i = 0; i < IG_COUNTOF(t); i++) {
		struct ig_type type = ig_type_make(IG_DT_F32, t[i].rank, t[i].dim);
		struct ig_tensor *x = ig_tensor_new(a, &type);
		for (int64_t k = 0; k < ig_elems(&type); k++) {
			seed = seed * 1664525u + 1013904223u;
			float v = (float)(seed >> 8) / 16777216.0f - 0.5f;
			((float *)x->data)[k] = strstr(t[i].name, "var") ? v + 1.0f : v;
		}
		names[i] = t[i].name;
		tensors[i] = x;
	}
	assert_true(ig_safetensors_write(b->weights, names, tensors, (int)IG_COUNTOF(t), b->diag));
	ig_arena_free(a);
}

static inline struct bench *bench_new(void)
{
	struct bench *b = ig_xcalloc(1, sizeof *b);
	strcpy(b->dir, "/tmp/ig_unit_XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->weights, sizeof b->weights, "%s/w.safetensors", b->dir);
	snprintf(b->model, sizeof b->model, "%s/model.ig", b->dir);
	b->out = open_memstream(&b->text, &b->text_len);
	b->diag = ig_diag_new(b->out, false);
	bench_weights(b, 1);
	return b;
}

static inline void bench_free(struct bench *b)
{
	ig_diag_free(b->diag);
	fclose(b->out);
	free(b->text);
	unlink(b->weights);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
}

static inline const char *bench_said(struct bench *b)
{
	fflush(b->out);
	return b->text ? b->text : "";
}

/* Parses a text that must be right. */
static inline struct ig_model *bench_parse(struct bench *b, const char *text)
{
	struct ig_model *m = ig_model_parse(b->model, text, strlen(text), b->diag);
	if (!m)
		fail_msg("%s", bench_said(b));
	return m;
}

/* Parses a text whose messages must contain `want`. */
static inline void bench_refuse(struct bench *b, const char *text, const char *want)
{
	struct ig_model *m = ig_model_parse(b->model, text, strlen(text), b->diag);
	assert_null(m);
	if (!strstr(bench_said(b), want))
		fail_msg("'%s' expected in: %s", want, bench_said(b));
}

static inline const struct ig_node *bench_layer(const struct ig_model *m, const char *name)
{
	struct ig_nid n = ig_graph_find(m->graph, name);
	if (n.i < 0)
		fail_msg("no layer '%s'", name);
	return ig_node(m->graph, n);
}
#endif
