/* Private to lowering: its state, views of graph values, and the small builders that the schedules share. */
#ifndef IG_CODEGEN_LOWER_H
#define IG_CODEGEN_LOWER_H
#include "codegen/codegen.h"
#include "ir/unary.h"

/* A float32 value as integers 0 .. levels that are made at run time, and where its scale (f32) and zero point (i32) then are. */
struct ig_quantized {
	struct ig_quantized *next;
	int levels;
	struct kir_tensor from, to;
	int32_t scale, zero;
};

/* What lowering knows of a buffer. A buffer with a halo has room for padding around the image that `inside` describes; whoever reads with padding fills
   the room first. */
struct ig_halo {
	int64_t top, left, bottom, right;
};
struct ig_buffer_fact {
	bool in_place; /* results may overwrite dying values in it */
	struct ig_halo halo;
	struct kir_tensor inside;
};

struct ig_lower {
	const struct ig_graph *g;
	const struct ig_target *t;
	const struct ig_lower_options *o;
	struct ig_diag *d;
	struct kir_module *m;
	struct ig_arena *arena;   /* temporaries of the lowering */
	struct kir_tensor *view;  /* by value: where it lives; buf -1: nowhere yet */
	struct kir_tensor *dense; /* by value: a copy with dense channels, made when a schedule first asks; buf -1: none */
	struct ig_quantized *quantized; /* values quantized at run time as far as layers have asked for them */
	bool *alias;              /* by value: a view of memory that another function writes: its node needs no code */
	struct ig_buffer_fact *fact; /* by buffer */
	int n_facts, cap_facts;
	struct ig_rows **rows;    /* by node: the row-fused group it belongs to (rows.h); NULL: none */
	int lanes;                /* 32-bit lanes of a vector register */
};

/* Lowers one node; false after a diagnostic. One function per operation, found through ops.def. */
#define O(e, text, ...) bool ig_lower_##text(struct ig_lower *L, struct ig_nid n);
#include "ir/ops.def"
#undef O

/* ---- layout.c: where values live ---- */
enum kir_elem ig_layout_elem(enum ig_dtype dt);
/* The dimension whose elements are adjacent in memory: channels of rank 4, else the last. */
static inline int ig_layout_dense_dim(int rank) { return rank == 4 ? 1 : rank - 1; }
void ig_layout_strides(const struct ig_type *t, int64_t *stride);   /* the compiler's own order: NHWC for rank 4, else row-major */
void ig_layout_row_major(const struct ig_type *t, int64_t *stride);
bool ig_layout_is_dense(const struct kir_tensor *v);                /* adjacent elements along the dense dimension */
/* Buffers in the arena have this many bytes behind their last element, so that whole vectors and dot groups may be loaded there. */
#define IG_LAYOUT_SLACK 64
int32_t ig_layout_buffer(struct ig_lower *L, const char *name, enum kir_space space, enum kir_elem elem, int64_t count);
/* The same memory with another shape, where the memory's order allows; false: needs a copy. */
bool ig_layout_reshape(const struct kir_tensor *in, const struct ig_type *to, struct kir_tensor *out);
/* Where a slice node begins on an axis, and its step. */
void ig_layout_slice_of(const struct ig_graph *g, const struct ig_node *n, int axis, int64_t *start, int64_t *step);
/* The padding that a convolution reads around its input, and whether the view is a whole image with that much room around it. */
struct ig_halo ig_layout_padding(const struct ig_conv_geom *g);
bool ig_layout_has_halo(const struct ig_lower *L, const struct kir_tensor *v, const struct ig_halo *need);
/* Does an int8 convolution on this target read an offset or widened copy of its input? */
static inline bool ig_layout_converts(const struct ig_target *t) { return t->dot.group > 1 && (t->dot.elem == 16 || t->dot.a_offset); }
/* New memory for t, with that room for padding around it unless it would be most of it. */
void ig_layout_new(struct ig_lower *L, struct kir_tensor *t, struct ig_halo room);
/* The room that convolutions want around v, or around its integers 0 .. levels. */
struct ig_halo ig_layout_wanted(const struct ig_lower *L, struct ig_vid v, int levels);
/* Gives every value its place; adds input and output buffers (out_buf: by output). */
void ig_layout_plan(struct ig_lower *L, int32_t *out_buf);

/* ---- lower.c ---- */
const struct kir_tensor *ig_low_view(struct ig_lower *L, struct ig_vid v);  /* any strides; constants become buffers */
const struct kir_tensor *ig_low_dense(struct ig_lower *L, struct ig_vid v); /* channels adjacent: the view, or a copy made now */
/* out = in, of one shape: copied element by element. */
void ig_low_copy(struct ig_lower *L, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in);
struct kir_builder ig_low_func(struct ig_lower *L, struct ig_nid n);
bool ig_low_later(struct ig_lower *L, struct ig_nid n); /* refuses an operation that has no schedule */
bool ig_low_refuse(struct ig_lower *L, struct ig_nid n, const char *fmt, ...) IG_PRINTF(3, 4);
/* schedule.c: sorts the candidates by cost and takes what the file of schedules says, else what the tuner wants, else the first. NULL after a diagnostic. */
const struct ig_schedule *ig_low_choose(struct ig_lower *L, struct ig_nid id, const char *key, struct ig_schedule *c, int n);
const struct ig_schedule *ig_low_choose_group(struct ig_lower *L, const struct ig_nid id[3], const char *key, struct ig_schedule *c, int n); /* id[2] may be none */
static inline bool ig_low_is_float(const struct kir_tensor *v) { return v->type.dtype == IG_DT_F32; }

/* ---- dynamic.c ---- */
/* The value's integers, made by functions that the first layer to ask for them adds. */
const struct ig_quantized *ig_low_quantized(struct ig_lower *L, struct ig_vid v, int levels);

/* ---- vec.c: builders ---- */
kir_val ig_vec_splat(struct kir_builder *b, kir_val scalar, int lanes);
/* A loop that is none when count is 1 (returns -1; ig_vec_end and kb_addr terms understand it). */
kir_iv ig_vec_loop(struct kir_builder *b, const char *name, int64_t count, kir_val *carried, int n);
void ig_vec_end(struct kir_builder *b, kir_iv iv, kir_val *next, int n);
void ig_vec_term(struct kir_addr *a, kir_iv iv, int64_t coeff); /* kb_addr_add but for iv -1 */
kir_val ig_vec_load_f(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step);  /* step 0: one element to all lanes */
kir_val ig_vec_load_q(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step, int32_t zp); /* i32: u8 - zp */
kir_val ig_vec_load_qf(struct kir_builder *b, const struct kir_addr *a, int lanes, int active, int step, int32_t zp); /* the same as f32 */
kir_val ig_vec_clamp_f(struct kir_builder *b, kir_val x, double lo, double hi); /* activation: max with lo, then min with hi; infinite bounds do nothing */
/* Stores f32; what goes to a graph output has its NaN made canonical. */
void ig_vec_store_f(struct kir_builder *b, kir_val v, struct kir_addr a, int active);
/* Joins n equal vectors (n a power of two). */
kir_val ig_vec_join(struct kir_builder *b, const kir_val *v, int n);
struct ig_vec_pack {
	int32_t lo, hi, zp;
	bool nan;   /* the argument may be NaN */
	bool small; /* its magnitude is below 2^30 */
};
static inline bool ig_vec_small(double bound) { return bound < 1e9; }
kir_val ig_vec_fpack(struct kir_builder *b, kir_val x, const struct ig_vec_pack *q);
/* fpack of n vectors of `lanes` and a store of their first `active` bytes, in the fewest power-of-two pieces. */
void ig_vec_store_q(struct kir_builder *b, const kir_val *v, int n, int lanes, const struct ig_vec_pack *q, struct kir_addr a, int active);
int ig_vec_pow2(int64_t n); /* the least power of two >= n */

/* ---- nest.c: loops over a strided index space, vectors along its contiguous dimension ---- */
#define IG_NEST_RANK 8
#define IG_NEST_OPS 6
struct ig_nest {
	int rank, n_ops;
	int64_t extent[IG_NEST_RANK];
	struct ig_nest_op {
		int32_t buf;
		int64_t base, stride[IG_NEST_RANK];
		int64_t outer_stride; /* per iteration of `outer` */
	} op[IG_NEST_OPS]; /* 0: what is written; its strides decide the order of the loops */
	kir_iv outer;          /* an open loop around the nest that moves the operands; -1: none */
	kir_val *carried;      /* n_carried values that the body replaces, and all loops carry */
	int n_carried;
};
struct ig_piece {
	const struct kir_addr *at; /* of each operand */
	int step[IG_NEST_OPS];     /* of each operand along the vector: 0 (one element for all lanes) or 1 */
	int lanes, active;
};
typedef void ig_nest_body(struct kir_builder *b, const struct ig_piece *p, void *ctx);
void ig_nest_init(struct ig_nest *n, int rank, const int64_t *extent);
/* Adds an operand of the space's rank (strides of its own; a dimension of extent 1 in `t` that is larger in the space is broadcast). */
void ig_nest_view(struct ig_nest *n, const struct kir_tensor *t);
void ig_nest_operand(struct ig_nest *n, int32_t buf, int64_t base, const int64_t *stride);
/* Calls body with pieces of at most max_lanes elements, inside the loops it makes. */
void ig_nest_run(struct kir_builder *b, struct ig_nest *n, int max_lanes, ig_nest_body *body, void *ctx);
/* Fills and copies over nests: all of one element type. */
void ig_nest_fill(struct kir_builder *b, struct ig_nest *n, int max_lanes, enum kir_elem e, int64_t value);
void ig_nest_copy(struct kir_builder *b, struct ig_nest *n, int max_lanes, enum kir_elem e);
/* sched_table.c: out = t[in], byte for byte. The table may be the line a * q + b: see ig_affine_fit. */
void ig_sched_table(struct ig_lower *L, struct kir_builder *b, const struct kir_tensor *out, const struct kir_tensor *in, const uint8_t t[256], double a,
                    double c);

/* sched_math.c: an elementwise operation on plain numbers. */
bool ig_sched_math(struct ig_lower *L, struct ig_nid id);

/* ---- affine.c ---- */
struct ig_affine {
	float a, b;
	bool per_channel; /* a and b are operands 2 and 3 of the nest */
	struct ig_vec_pack pack;
	int lanes;
};
/* Whether t[q] is f->pack of q * a + b for every byte q, for factors near those given (b without the result's zero point): sets f->a, f->b. */
bool ig_affine_fit(const uint8_t t[256], double a, double b, struct ig_affine *f);
ig_nest_body ig_affine_body; /* operands: out, in; pieces of up to 4 vectors of `lanes` */

/* ---- mathseq.c: runtime/qmath.h's functions, the same operations on vectors of f32 ---- */
kir_val ig_math_exp(struct kir_builder *b, kir_val x);
kir_val ig_math_sigmoid(struct kir_builder *b, kir_val x);
kir_val ig_math_tanh(struct kir_builder *b, kir_val x);
kir_val ig_math_hard_swish(struct kir_builder *b, kir_val x);
kir_val ig_math_leaky_relu(struct kir_builder *b, kir_val x, float alpha);
/* ---- mathfunc.c: runtime/qfunc.h's, likewise ---- */
kir_val ig_math_unary(struct kir_builder *b, const struct ig_unary *u, kir_val x); /* any operation on one float */
kir_val ig_math_abs(struct kir_builder *b, kir_val x);
kir_val ig_math_neg(struct kir_builder *b, kir_val x);
kir_val ig_math_rint(struct kir_builder *b, kir_val x);
kir_val ig_math_floor(struct kir_builder *b, kir_val x);
kir_val ig_math_ceil(struct kir_builder *b, kir_val x);
kir_val ig_math_trunc(struct kir_builder *b, kir_val x);
kir_val ig_math_sign(struct kir_builder *b, kir_val x);
kir_val ig_math_sqrt(struct kir_builder *b, kir_val x);
kir_val ig_math_log(struct kir_builder *b, kir_val x);
kir_val ig_math_log1p(struct kir_builder *b, kir_val x);
kir_val ig_math_expm1(struct kir_builder *b, kir_val x);
kir_val ig_math_erf(struct kir_builder *b, kir_val x);
kir_val ig_math_pow(struct kir_builder *b, kir_val x, kir_val y);
kir_val ig_math_maximum(struct kir_builder *b, kir_val x, kir_val y);
kir_val ig_math_minimum(struct kir_builder *b, kir_val x, kir_val y);
#endif
