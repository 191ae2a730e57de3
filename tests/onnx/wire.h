/* ONNX files for tests, written as wire-format bytes: right ones, and such as no library would write. */
#ifndef IG_TESTS_ONNX_WIRE_H
#define IG_TESTS_ONNX_WIRE_H
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base.h"

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

static inline void put(struct bytes *b, const void *p, size_t n)
{
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2 + 64;
		b->p = ig_xrealloc(b->p, b->cap, 1);
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void put_varint(struct bytes *b, uint64_t v)
{
	do {
		uint8_t c = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		put(b, &c, 1);
		v >>= 7;
	} while (v);
}

static inline void put_int(struct bytes *b, int field, int64_t v)
{
	put_varint(b, (uint64_t)field << 3);
	put_varint(b, (uint64_t)v);
}

static inline void put_bytes(struct bytes *b, int field, const void *p, size_t n)
{
	put_varint(b, (uint64_t)field << 3 | 2);
	put_varint(b, n);
	put(b, p, n);
}

static inline void put_str(struct bytes *b, int field, const char *s) { put_bytes(b, field, s, strlen(s)); }

/* Appends a message and releases it. */
static inline void put_msg(struct bytes *b, int field, struct bytes m)
{
	put_bytes(b, field, m.p, m.n);
	free(m.p);
}

static inline struct bytes tensor(const char *name, int type, int rank, const int64_t *dim)
{
	struct bytes t = {0};
	for (int i = 0; i < rank; i++)
		put_int(&t, 1, dim[i]);
	put_int(&t, 2, type);
	if (name)
		put_str(&t, 8, name);
	return t;
}

static inline struct bytes raw_tensor(const char *name, int type, int rank, const int64_t *dim, const void *data, size_t n)
{
	struct bytes t = tensor(name, type, rank, dim);
	put_bytes(&t, 9, data, n);
	return t;
}

static inline struct bytes int_tensor(const char *name, int count, const int64_t *v)
{
	return raw_tensor(name, 7, 1, (int64_t[]){count}, v, (size_t)count * sizeof *v);
}

static inline struct bytes float_tensor(const char *name, int rank, const int64_t *dim)
{
	size_t n = 1;
	for (int i = 0; i < rank; i++)
		n *= (size_t)dim[i];
	float *v = ig_xcalloc(n, sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(i % 7) * 0.25f - 0.5f;
	struct bytes t = raw_tensor(name, 1, rank, dim, v, n * sizeof *v);
	free(v);
	return t;
}

/* A name, an element type, and dimensions: numbers, or words for -1. */
static inline struct bytes port(const char *name, int type, int rank, const int64_t *dim, const char *word)
{
	struct bytes v = {0}, tp = {0}, tt = {0}, shape = {0};
	for (int i = 0; i < rank; i++) {
		struct bytes d = {0};
		if (dim[i] >= 0)
			put_int(&d, 1, dim[i]);
		else
			put_str(&d, 2, word);
		put_msg(&shape, 1, d);
	}
	put_int(&tt, 1, type);
	put_msg(&tt, 2, shape);
	put_msg(&tp, 1, tt);
	put_str(&v, 1, name);
	put_msg(&v, 2, tp);
	return v;
}

/* in and out: names apart by blanks; "-" is an empty name. */
static inline struct bytes node(const char *name, const char *op, const char *in, const char *out)
{
	struct bytes n = {0};
	const char *list[2] = {in, out};
	for (int k = 0; k < 2; k++)
		for (const char *p = list[k]; *p;) {
			size_t len = strcspn(p, " ");
			put_bytes(&n, k + 1, p, len == 1 && *p == '-' ? 0 : len);
			p += len + (p[len] == ' ');
		}
	if (name)
		put_str(&n, 3, name);
	put_str(&n, 4, op);
	return n;
}

static inline void put_attr_int(struct bytes *n, const char *name, int64_t v)
{
	struct bytes a = {0};
	put_str(&a, 1, name);
	put_int(&a, 3, v);
	put_int(&a, 20, 2);
	put_msg(n, 5, a);
}

static inline void put_attr_float(struct bytes *n, const char *name, float v)
{
	struct bytes a = {0};
	put_str(&a, 1, name);
	put_varint(&a, 2 << 3 | 5);
	put(&a, &v, sizeof v);
	put_int(&a, 20, 1);
	put_msg(n, 5, a);
}

static inline void put_attr_ints(struct bytes *n, const char *name, int count, const int64_t *v)
{
	struct bytes a = {0};
	put_str(&a, 1, name);
	for (int i = 0; i < count; i++)
		put_int(&a, 8, v[i]);
	put_int(&a, 20, 7);
	put_msg(n, 5, a);
}

/* The file of a graph, which is released. */
static inline struct bytes model(struct bytes graph, int64_t opset)
{
	struct bytes m = {0}, o = {0};
	put_int(&m, 1, 8);
	put_str(&o, 1, "");
	put_int(&o, 2, opset);
	put_msg(&m, 7, graph);
	put_msg(&m, 8, o);
	return m;
}

/* A small network with what the reader has to do: an initializer that is an input, a named dimension, shape arithmetic, a constant node, a branch. */
static inline struct bytes small_network(void)
{
	struct bytes g = {0}, n, yes = {0}, no = {0}, a = {0};
	uint8_t truth = 1;
	put_str(&g, 2, "net");
	put_msg(&g, 11, port("x", 1, 4, (int64_t[]){-1, 3, 8, 8}, "N"));
	put_msg(&g, 11, port("conv.weight", 1, 4, (int64_t[]){4, 3, 3, 3}, ""));
	put_msg(&g, 12, port("y", 1, 2, (int64_t[]){1, 5}, ""));
	put_msg(&g, 5, float_tensor("conv.weight", 4, (int64_t[]){4, 3, 3, 3}));
	put_msg(&g, 5, float_tensor("fc.weight", 2, (int64_t[]){5, 64}));
	put_msg(&g, 5, int_tensor("first", 1, (int64_t[]){0}));
	put_msg(&g, 5, int_tensor("one", 1, (int64_t[]){1}));
	put_msg(&g, 5, int_tensor("rest", 1, (int64_t[]){-1}));
	put_msg(&g, 5, raw_tensor("truth", 9, 0, NULL, &truth, 1));
	n = node("/conv/Conv", "Conv", "x conv.weight", "c");
	put_attr_ints(&n, "pads", 4, (int64_t[]){1, 1, 1, 1});
	put_attr_ints(&n, "strides", 2, (int64_t[]){2, 2});
	put_msg(&g, 1, n);
	put_msg(&yes, 1, node(NULL, "Relu", "c", "branch_y"));
	put_msg(&yes, 12, port("branch_y", 1, 0, NULL, ""));
	put_msg(&no, 1, node(NULL, "NoSuchOperator", "c", "branch_n"));
	put_msg(&no, 12, port("branch_n", 1, 0, NULL, ""));
	n = node("If", "If", "truth", "r");
	put_str(&a, 1, "then_branch");
	put_msg(&a, 6, yes);
	put_int(&a, 20, 5);
	put_msg(&n, 5, a);
	a = (struct bytes){0};
	put_str(&a, 1, "else_branch");
	put_msg(&a, 6, no);
	put_int(&a, 20, 5);
	put_msg(&n, 5, a);
	put_msg(&g, 1, n);
	put_msg(&g, 1, node(NULL, "Shape", "r", "shape"));
	put_msg(&g, 1, node(NULL, "Slice", "shape first one", "batch"));
	n = node(NULL, "Concat", "batch rest", "flat");
	put_attr_int(&n, "axis", 0);
	put_msg(&g, 1, n);
	put_msg(&g, 1, node(NULL, "Reshape", "r flat", "rows"));
	n = node("fc", "Gemm", "rows fc.weight", "y");
	put_attr_int(&n, "transB", 1);
	put_msg(&g, 1, n);
	return model(g, 13);
}
#endif
