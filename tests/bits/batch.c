/* Many compiled models in one program, compared with what the graph interpreter gave (bits_check emit): batch DATA. Built for each compiler and target
   with a models.def of lines MODEL(name); needs nothing but the C library and the runtime. Every stored tensor is compared, and the outputs to the last bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"

#define MODEL(name) extern const struct ig_model_desc name##_model;
#include "models.def"
#undef MODEL
static const struct ig_model_desc *const models[] = {
#define MODEL(name) &name##_model,
#include "models.def"
#undef MODEL
};

enum { MAX_IO = 16, MAX_RANK = 6 };
static FILE *data;
static long differ, tensors, bytes, parts;

static void get(void *p, size_t n)
{
	if (fread(p, 1, n, data) != n) {
		fprintf(stderr, "batch: the data ends early\n");
		exit(2);
	}
}

static uint32_t get32(void)
{
	uint32_t v;
	get(&v, 4);
	return v;
}

static int64_t get64(void)
{
	int64_t v;
	get(&v, 8);
	return v;
}

struct place {
	uint32_t space, io, size, is_float, rank;
	int64_t offset, dim[MAX_RANK], stride[MAX_RANK], n;
};

static void get_place(struct place *p)
{
	p->space = get32();
	p->io = get32();
	p->size = get32();
	p->is_float = get32();
	p->rank = get32();
	p->offset = get64();
	p->n = 1;
	for (uint32_t i = 0; i < p->rank; i++) {
		p->dim[i] = get64();
		p->stride[i] = get64();
		p->n *= p->dim[i];
	}
}

static int same(const unsigned char *a, const unsigned char *b, const struct place *p)
{
	float x, y;
	if (!memcmp(a, b, p->size))
		return 1;
	if (!p->is_float)
		return 0;
	memcpy(&x, a, 4);
	memcpy(&y, b, 4);
	return x != x && y != y;
}

static void compare(const struct ig_model_desc *m, uint32_t sample, uint32_t nth, const struct place *p, const unsigned char *memory, const unsigned char *want)
{
	int64_t i[MAX_RANK] = {0};
	tensors++;
	bytes += (long)(p->n * p->size);
	for (int64_t k = 0; k < p->n; k++, want += p->size) {
		int64_t at = p->offset;
		for (uint32_t d = 0; d < p->rank; d++)
			at += i[d] * p->stride[d];
		if (!same(memory + at, want, p)) {
			if (differ++ < 20)
				fprintf(stderr, "%s (%s): sample %u: tensor %u differs, first at element %ld\n", m->name, m->target, (unsigned)sample, (unsigned)nth, (long)k);
			return;
		}
		for (int d = (int)p->rank - 1; d >= 0 && ++i[d] == p->dim[d]; d--)
			i[d] = 0;
	}
}

static void *alloc(size_t n)
{
	void *p = aligned_alloc(64, (n + 127) / 64 * 64);
	if (!p)
		exit(2);
	return p;
}

/* Parts one after the other, the last first: they must not depend on each other. */
static void backwards(void *pool, void (*part)(void *ctx, int i), void *ctx, int n)
{
	(void)pool;
	for (int i = n - 1; i >= 0; i--) {
		part(ctx, i);
		parts++;
	}
}

static void run_model(const struct ig_model_desc *m)
{
	if (!ig_model_prepare(m)) {
		fprintf(stderr, "batch: this process may not run %s\n", m->target);
		exit(2);
	}
	void *in[MAX_IO], *out[MAX_IO], *want, *arena = alloc((size_t)m->arena_bytes);
	size_t largest = (size_t)m->arena_bytes;
	if (get32() != 0x62697473 || m->size != sizeof *m || m->n_inputs > MAX_IO || m->n_outputs > MAX_IO) {
		fprintf(stderr, "batch: %s: the data is not for it\n", m->name);
		exit(2);
	}
	uint32_t samples = get32(), n = get32();
	struct place *p = calloc(n + 1, sizeof *p);
	for (uint32_t i = 0; i < n; i++) {
		get_place(&p[i]);
		largest = (size_t)p[i].n * p[i].size > largest ? (size_t)p[i].n * p[i].size : largest;
	}
	for (uint32_t i = 0; i < m->n_inputs; i++)
		in[i] = alloc(m->inputs[i].bytes);
	for (uint32_t i = 0; i < m->n_outputs; i++) {
		out[i] = alloc(m->outputs[i].bytes);
		largest = m->outputs[i].bytes > largest ? m->outputs[i].bytes : largest;
	}
	want = alloc(largest);
	for (uint32_t s = 0; s < samples; s++) {
		for (uint32_t i = 0; i < m->n_inputs; i++)
			get(in[i], m->inputs[i].bytes);
		memset(arena, 0xa5, (size_t)m->arena_bytes);
		struct ig_call c = {.size = sizeof c, .version = IG_MODEL_VERSION, .n_inputs = m->n_inputs, .n_outputs = m->n_outputs,
		                    .inputs = (const void *const *)in, .outputs = out, .arena = arena, .arena_bytes = m->arena_bytes,
		                    .parallel_for = s % 2 ? backwards : NULL};
		int status = m->call(&c);
		if (status && differ++ < 20)
			fprintf(stderr, "%s (%s): the call gives %d\n", m->name, m->target, status);
		for (uint32_t i = 0; i < m->n_outputs; i++) {
			get(want, m->outputs[i].bytes);
			tensors++;
			if (memcmp(want, out[i], m->outputs[i].bytes) && differ++ < 20)
				fprintf(stderr, "%s (%s): sample %u: output %u differs\n", m->name, m->target, (unsigned)s, (unsigned)i);
		}
		for (uint32_t i = 0; i < n; i++) {
			get(want, (size_t)p[i].n * p[i].size);
			compare(m, s, i, &p[i], p[i].space ? out[p[i].io] : arena, want);
		}
	}
	for (uint32_t i = 0; i < m->n_inputs; i++)
		free(in[i]);
	for (uint32_t i = 0; i < m->n_outputs; i++)
		free(out[i]);
	free(p);
	free(want);
	free(arena);
}

int main(int argc, char **argv)
{
	if (argc != 2 || !(data = fopen(argv[1], "rb"))) {
		fprintf(stderr, "usage: batch DATA\n");
		return 2;
	}
	size_t n = sizeof models / sizeof *models;
	for (size_t i = 0; i < n; i++)
		run_model(models[i]);
	printf("%lu models, %ld tensors, %ld bytes compared, %ld parts run by parallel_for, %ld differ\n", (unsigned long)n, tensors, bytes, parts, differ);
	fclose(data);
	return differ != 0;
}
