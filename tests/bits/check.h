/* A run of the same-bytes suite: the graph at hand with its samples and the interpreter, and what has been counted so far. */
#ifndef IG_TESTS_BITS_CHECK_H
#define IG_TESTS_BITS_CHECK_H
#include "codegen/codegen.h"
#include "frontend/frontend.h"
#include "tests/bits/arith.h"
#include "tests/bits/graphgen.h"

enum { MAX_OUTPUTS = 16 };

struct run {
	struct ig_diag *d;
	struct bits_case c;      /* random graphs */
	const struct ig_graph *g;
	const char *what;        /* of the graph, for messages */
	const char *again;
	struct ig_interp *it;
	struct ig_arena *a;
	int samples;
	const void *const **in;
	int64_t tensors, bytes, wrong;
	int64_t ops[IG_OP_COUNT][2], flavours[BITS_FLAVOURS];
	int64_t stored[IG_DT_COUNT], grouped, dynamic; /* float layers by the type of their weights; with groups of weights; that quantize their input at run time */
	int64_t graphs, dull, emitted, parts, fused; /* fused: kernels of several layers */
	int threads; /* emit: 1, 2, 3, 1 ... by graph */
	struct bits_counts counts;
};

/* ---- case.c ---- */
/* Prepares a seed: false when the graph says too little (or has no layer). */
bool bits_begin_case(struct run *r, uint64_t seed);
void bits_end_case(struct run *r);
/* A quantized model and samples [first, first + count) of a data file, copied. */
struct ig_model *bits_begin_model(struct run *r, const char *path, const char *data, int64_t first, int64_t count);
void bits_end_model(struct run *r, struct ig_model *m); /* NULL is allowed */
size_t bits_tensor_bytes(const struct ig_type *t);
/* The target with a cost of tiles that makes every layer use them. */
struct ig_target bits_with_tiles(const struct ig_target *t);

/* ---- emit.c: status of the program ---- */
int bits_emit(struct run *r, const char *folder, const char *target, uint64_t first, uint64_t step, int64_t count);
int bits_emit_model(struct run *r, const char *folder, const char *target, const char *path, const char *data, int64_t first, int64_t count);
#endif
