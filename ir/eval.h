/* Shared by the files of the reference interpreter, and by who runs single nodes: one evaluation function an operation, found through ops.def. */
#ifndef IG_IR_EVAL_H
#define IG_IR_EVAL_H
#include "ir/graph.h"
#include "ir/requant.h"

/* The fused multiply-add of the interpreter: libm's fmaf is exact, and the compiler's own instruction where a function is cloned for it. */
#define ig_fmaf(a, b, c) __builtin_fmaf((a), (b), (c))

/* Loops worth a second version for CPUs with AVX2 and FMA; the order of operations of each element is that of the source in both. Sanitizers
   instrument the resolver before they are initialized, so they get the plain version. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define IG_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define IG_CLONES
#endif

/* One node, prepared: types never change between runs, so that packed weights and tables are made once. */
struct ig_eval {
	const struct ig_graph *g;
	const struct ig_node *n;
	struct ig_arena *arena;
	const struct ig_tensor **in;
	struct ig_tensor *out;   /* the first result */
	struct ig_tensor **outs; /* all */
	const struct ig_qparam *qy;  /* the result's parameters or NULL */
	struct ig_requant requant;   /* quantized COMPUTE */
	struct ig_eltwise eltwise;   /* quantized ELTWISE */
	void *state;                 /* made at the first run, in the arena */
};
typedef void ig_eval_fn(struct ig_eval *e);
/* Whether the whole graph can be evaluated; else a diagnostic. */
bool ig_interp_check(const struct ig_graph *g, struct ig_diag *d);
/* Prepares a node on the tensors of its values, `value` by value id: a constant's own and results that are missing are put there. Memory is of arena a.
   False after a diagnostic. */
bool ig_eval_prepare(struct ig_eval *e, const struct ig_graph *g, const struct ig_node *n, struct ig_tensor **value, struct ig_arena *a, struct ig_diag *d);
void ig_eval_run(struct ig_eval *e);
/* An input's tensor from the caller's data. */
void ig_interp_input(struct ig_tensor *t, const struct ig_node *input, const void *data);
#define O(e, text, ...) ig_eval_fn ig_eval_##text;
#include "ir/ops.def"
#undef O

static inline const struct ig_qparam *ig_eval_q(const struct ig_eval *e, int i) { return ig_qparam(e->g, ig_vtype(e->g, e->n->in[i])->q); }

/* The integers of a quantized tensor without their zero point: i(x) = x_q - z. */
static inline int32_t ig_eval_int(const void *data, const struct ig_qparam *q, int64_t i)
{
	return (q->dtype == IG_DT_S8 ? (int32_t)((const int8_t *)data)[i] : (int32_t)((const uint8_t *)data)[i]) - q->zero_point[0];
}

/* A tensor seen as [outer][extent of axis][inner]. */
struct ig_axis_view {
	int64_t outer, extent, inner;
};
struct ig_axis_view ig_axis_view(const struct ig_type *t, int64_t axis);
/* Bytes of one element. */
static inline size_t ig_eval_width(const struct ig_type *t) { return (size_t)ig_dtypes[t->dtype].bits / 8; }
/* Row-major strides of a type, in elements. */
void ig_eval_strides(const struct ig_type *t, int64_t stride[IG_MAX_RANK]);

#endif
