/* The kernel IR: functions of structured loops with constant bounds over vector values in SSA form, loads and stores at affine addresses in named
   buffers. Read by an interpreter, the LLVM emitter and the C emitter, which must agree to the bit. */
#ifndef IG_CODEGEN_KIR_H
#define IG_CODEGEN_KIR_H
#include "ir/graph.h"

enum kir_op {
#define K(e, ...) KIR_##e,
#include "codegen/kir.def"
#undef K
	KIR_OP_COUNT
};
extern const struct kir_op_info {
	const char *name;
	int n_args;
	bool has_result, has_addr;
} kir_ops[KIR_OP_COUNT];

enum kir_elem { KIR_I1, KIR_I8, KIR_I16, KIR_I32, KIR_I64, KIR_F32, KIR_F64, KIR_TILE /* 4 bytes of a matrix tile: only in KIR_TILE_T */, KIR_ELEM_COUNT };
int kir_elem_bytes(enum kir_elem e); /* I1: 1 */
struct kir_type {
	uint8_t elem;
	uint16_t lanes; /* 1: scalar; at most KIR_MAX_LANES, a power of two */
};
#define KIR_MAX_LANES 256
/* A matrix tile: 16 rows of 16 words. Tiles are made, used up and stored by TILE_ instructions, and may be carried by loops; a loop's body uses none from outside it. */
#define KIR_TILE_ROWS 16
#define KIR_TILE_REGS 8
#define KIR_TILE_T KIR_T(KIR_TILE, 16 * KIR_TILE_ROWS)
#define KIR_T(e, n) ((struct kir_type){(uint8_t)(e), (uint16_t)(n)})

typedef int32_t kir_val; /* SSA value, local to its function; -1: none */
typedef int32_t kir_iv;  /* loop variable: index of the loop in its function */

#define KIR_MAX_TERMS 10
/* buffer[base + sum of coeff * iv], in elements of the buffer. */
struct kir_addr {
	int32_t buf; /* module buffer */
	int n;
	int64_t base;
	struct {
		kir_iv iv;
		int64_t coeff;
	} term[KIR_MAX_TERMS];
};
enum { KIR_A_UNSIGNED = 1, KIR_NAN_TO_ZP = 2, KIR_PAIRS_FIT = 8 /* DOT of 4 x u8 s8: the sums of products 0, 1 and 2, 3 fit in 16 bits, proved by the schedule */, KIR_SMALL = 4 /* FPACK: |argument| < 2^30, proved by the schedule: the conversion cannot overflow */ };
struct kir_inst {
	uint8_t op; /* enum kir_op */
	uint8_t flags;
	struct kir_type type; /* of the result; of the stored value for STORE */
	uint16_t active;      /* LOAD, STORE */
	int32_t dst, n_dst;   /* results: value ids dst .. dst + n_dst - 1 */
	kir_val arg[3];
	int32_t n_extra;
	kir_val *extra; /* LOOP: init operands; END: next operands (n_dst of them) */
	struct kir_addr addr;
	union {
		int64_t i;
		float f;
		struct { int32_t lo, hi, zp; } pack;
	} imm;
	kir_iv loop; /* LOOP, END: which */
};
struct kir_loop {
	int64_t count;
	const char *name; /* y, x, k ...: for printing */
	int unroll; /* hint; 0: emitter's choice, 1: keep rolled */
	int32_t begin, end;  /* its LOOP and END instructions; end -1 while open */
	kir_iv parent;       /* the enclosing loop, -1: none */
};
/* Where a graph value lives: element (i0, i1, ...) of the logical tensor is buffer element base + sum of i * stride. */
struct kir_tensor {
	struct ig_vid value;
	const char *name;
	struct ig_type type;
	int32_t buf;
	int64_t base, stride[IG_MAX_RANK];
};
enum kir_space { KIR_IN, KIR_OUT, KIR_CONSTANT, KIR_ARENA, KIR_SCRATCH /* of one function, in the arena */ };
struct kir_buffer {
	const char *name;
	enum kir_space space;
	enum kir_elem elem;
	int64_t count;
	int align;        /* bytes */
	const void *init; /* CONSTANT: count elements */
	int io;           /* IN, OUT: which */
	int64_t offset;   /* bytes in arena or constant blob, set by the memory plan; -1 before */
	int first, last;  /* functions in which it is live, set by the memory plan */
	uint64_t hash;    /* CONSTANT: of the contents, for sharing */
};
struct kir_func {
	const char *name;   /* the layer's, made a C identifier */
	const char *layer;  /* the layer's name */
	struct ig_nid node;
	struct kir_inst *inst;
	int n, cap;
	struct kir_loop *loop;
	int n_loops, cap_loops;
	struct kir_type *vtype; /* by value id */
	int n_values, cap_values;
	int64_t macs;
	kir_iv open; /* innermost open loop while it is built; -1: none */
	int region, part; /* in a module of several threads: see kir_module */
};
struct kir_module {
	struct ig_arena *arena;
	const char *name;
	struct kir_buffer *buf;
	int n_bufs, cap_bufs;
	struct kir_func **func; /* in execution order */
	int n_funcs, cap_funcs;
	struct kir_tensor *tensor; /* every stored graph value */
	int n_tensors, cap_tensors;
	int64_t arena_bytes, const_bytes; /* set by the memory plan */
	int n_inputs, n_outputs;
	/* More than 1: the functions are in regions (0, 1, ... in their order), those of a region in parts (0, 1, ... likewise), at most this many. Regions run one
	   after the other; the parts of one in any order or at the same time, each its functions in order. No part writes what another of its region touches. */
	int threads;
};
struct kir_module *kir_module_new(const char *name);
void kir_module_free(struct kir_module *m);
int32_t kir_buffer_add(struct kir_module *m, const char *name, enum kir_space space, enum kir_elem elem, int64_t count);
int32_t kir_buffer_const(struct kir_module *m, const char *name, enum kir_elem elem, int64_t count, const void *data); /* copies; equal contents share one buffer */
int32_t kir_buffer_keep(struct kir_module *m, const char *name, enum kir_elem elem, int64_t count, const void *data);  /* the same, but of data in m->arena */
struct kir_func *kir_func_add(struct kir_module *m, const char *layer, struct ig_nid node);
void kir_func_free(struct kir_func *f); /* one that is in no module */
char *kir_ident(struct ig_arena *a, const char *s); /* the text made a C identifier: other characters become _ */
int kir_elem_bits(enum kir_elem e); /* I1: 1 */
extern const char *const kir_elem_names[KIR_ELEM_COUNT]; /* i1 i8 i16 i32 i64 f32 f64 */
static inline bool kir_elem_is_int(int e) { return e <= KIR_I64; }
static inline int kir_type_bytes(struct kir_type t) { return kir_elem_bytes((enum kir_elem)t.elem) * t.lanes; }
/* How many buffer elements `lanes` elements of `e` span. */
static inline int64_t kir_span(const struct kir_buffer *b, enum kir_elem e, int lanes)
{
	return (int64_t)lanes * kir_elem_bytes(e) / kir_elem_bytes(b->elem);
}

/* Elements of the buffer that a TILE_LOAD or TILE_STORE spans. */
static inline int64_t kir_tile_span(const struct kir_buffer *b, const struct kir_inst *in) { return (in->active - 1) * in->imm.i + kir_span(b, KIR_TILE, 16); }
static inline bool kir_is_tile_op(int op) { return op == KIR_TILE_LOAD || op == KIR_TILE_STORE || op == KIR_TILE_DOT; }
/* kir_tile.c: which of KIR_TILE_REGS registers holds each tile (reg: by value, -1 for what is none), and the rows that each register has (0: unused).
   Returns what is wrong with the function's use of tiles, NULL: nothing. */
const char *kir_tile_assign(const struct kir_func *f, int8_t *reg, uint8_t rows[KIR_TILE_REGS]);

/* ---- builder: appends to a function; returns the value ---- */
struct kir_builder {
	struct kir_module *m;
	struct kir_func *f;
};
kir_val kb_const_i(struct kir_builder *b, struct kir_type t, int64_t v);
kir_val kb_const_f(struct kir_builder *b, int lanes, float v);
struct kir_addr kb_addr(int32_t buf, int64_t base);
void kb_addr_add(struct kir_addr *a, kir_iv iv, int64_t coeff); /* merges equal ivs, drops zero coefficients */
kir_val kb_load(struct kir_builder *b, struct kir_type t, struct kir_addr a);
kir_val kb_load_n(struct kir_builder *b, struct kir_type t, struct kir_addr a, int active);
void kb_store(struct kir_builder *b, kir_val v, struct kir_addr a);
void kb_store_n(struct kir_builder *b, kir_val v, struct kir_addr a, int active);
kir_val kb_lut(struct kir_builder *b, enum kir_elem elem, kir_val index, struct kir_addr table);
kir_val kb_op1(struct kir_builder *b, enum kir_op op, struct kir_type t, kir_val x);          /* result type given: sext, zext, trunc, itof, rne, bitcast, splat, reduce */
kir_val kb_op2(struct kir_builder *b, enum kir_op op, kir_val x, kir_val y);                  /* result type of x; cmp: i1 lanes; concat, interleave: twice the lanes */
kir_val kb_shift(struct kir_builder *b, enum kir_op op, kir_val x, int by);
kir_val kb_extract(struct kir_builder *b, kir_val x, int first, int lanes);
kir_val kb_fma(struct kir_builder *b, kir_val x, kir_val y, kir_val z);
kir_val kb_select(struct kir_builder *b, kir_val c, kir_val x, kir_val y);
kir_val kb_dot(struct kir_builder *b, kir_val acc, kir_val x, kir_val y, bool a_unsigned);
kir_val kb_dot_pairs(struct kir_builder *b, kir_val acc, kir_val x, kir_val y); /* u8 s8, KIR_PAIRS_FIT */
kir_val kb_mmla(struct kir_builder *b, kir_val acc, kir_val x, kir_val y, bool a_unsigned);
kir_val kb_tile_load(struct kir_builder *b, struct kir_addr a, int64_t stride, int rows);
void kb_tile_store(struct kir_builder *b, kir_val v, struct kir_addr a, int64_t stride, int rows);
kir_val kb_tile_dot(struct kir_builder *b, kir_val acc, kir_val x, kir_val y);
kir_val kb_fpack(struct kir_builder *b, kir_val x, int32_t lo, int32_t hi, int32_t zp, bool nan_to_zp);
kir_val kb_fpack_small(struct kir_builder *b, kir_val x, int32_t lo, int32_t hi, int32_t zp); /* KIR_SMALL */
void kb_prefetch(struct kir_builder *b, struct kir_addr a);
/* Begins a loop; carried[i] (n of them) is replaced by the value inside the loop. Returns its iv. count 0 is a defect; count 1 is allowed. */
kir_iv kb_loop(struct kir_builder *b, const char *name, int64_t count, kir_val *carried, int n);
/* Ends the innermost loop: next[i] feeds the next iteration and is replaced by the value after the loop. */
void kb_end(struct kir_builder *b, kir_val *next, int n);
/* Appends a copy of an instruction (no LOOP or END), whose operands and address are the function's own already; returns its result. */
kir_val kb_clone(struct kir_builder *b, const struct kir_inst *in);
static inline struct kir_type kb_type(const struct kir_builder *b, kir_val v) { return b->f->vtype[v]; }

/* ---- readers ---- */
/* Types, SSA scoping, and every access in bounds by interval arithmetic; initialised constants are never stored to. Internal error naming the function. */
bool kir_verify(const struct kir_module *m, struct ig_diag *d);
void kir_print(const struct kir_module *m, FILE *out);
/* ---- kir_access.c: what functions touch ---- */
struct kir_access { /* elements base + sum of coeff * (0 .. count - 1) + (0 .. span - 1) of a buffer; coeff > 0, falling */
	int32_t buf;
	bool store;
	int n;
	int64_t base, span;
	struct kir_access_term { int64_t coeff, count; } term[KIR_MAX_TERMS + 1]; /* the rows of a tile are one */
};
struct kir_accesses { struct kir_access *v; int n, cap; };
void kir_accesses_add(struct kir_accesses *l, const struct kir_module *m, const struct kir_func *f, int first, int last); /* of these instructions */
void kir_accesses_tidy(struct kir_accesses *l); /* sorted by buffer, neighbours joined; _add keeps it so */
/* Is it proved that neither stores to what the other touches? If not, in *buf. */
bool kir_accesses_apart(const struct kir_accesses *x, const struct kir_accesses *y, int32_t *buf);
bool kir_verify_regions(const struct kir_module *m, struct ig_diag *d); /* a part of kir_verify */
int kir_region_end(const struct kir_module *m, int first); /* one past the last function of the region (several threads) that begins with `first` */
int kir_part_end(const struct kir_module *m, int first);   /* the same of its part */
/* Runs all functions. inputs/outputs by io index; arena: arena_bytes, 64-aligned. Bounds are checked as it goes. */
struct kir_interp;
struct kir_interp *kir_interp_new(const struct kir_module *m);
void kir_interp_free(struct kir_interp *it);
void kir_interp_reverse(struct kir_interp *it, bool reverse); /* run the parts of each region from the last to the first */
void kir_interp_run(struct kir_interp *it, const void *const *inputs, void *const *outputs, void *arena);
/* Reads a stored tensor into logical order (dense) out of the memory of a run. */
void kir_tensor_read(const struct kir_module *m, const struct kir_tensor *t, const void *const *inputs, void *const *outputs, const void *arena, void *dst);
/* Puts other numbers (dense, in logical order) in the place of what a kernel wrote: between two kernels of a run. */
void kir_tensor_write(const struct kir_module *m, const struct kir_tensor *t, void *const *outputs, void *arena, const void *src);
/* The elements of a stored float tensor in the order of memory: where they are when they are one run, else gathered in `room` for all of them. */
const float *kir_tensor_floats(const struct kir_module *m, const struct kir_tensor *t, const void *const *inputs, void *const *outputs, const void *arena,
                               float *room);
#endif
