/* A target: facts only, one const struct a file. Code generation reads them; nothing else knows the names. */
#ifndef IG_TARGETS_TARGET_H
#define IG_TARGETS_TARGET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How int8 products are summed: acc[i32] += sum over `group` of a * b. Activations are u8 in memory; with `a_offset` they are taken as (a ^ 0x80) signed
   and the packer folds +128 * sum(w) into the bias. elem 16: activations are widened to s16 in scratch first, weights sign-extended at load. */
struct ig_dot_kind {
	int group;      /* products per lane: 4 VPDPBUSD/SDOT, 2 VPMADDWD or SMULL+SADALP, 1 plain multiply-add */
	int elem;       /* 8 or 16: bits of both operands in the instruction */
	bool a_signed;  /* operand a is signed in the instruction */
	bool a_offset;  /* a is the u8 activation ^ 0x80 */
};
/* How an abstract kernel-IR instruction is done where plain LLVM IR is not good enough: `intrinsic` on `lanes` result lanes. A "%d" in the name is the
   vector's width in bits: the family has all widths of 128 bits up to `lanes`. Dot products are named by their operands. */
enum ig_recipe_id {
	IG_R_DOT_U8S8,   /* DOT, 4 x u8 s8 */
	IG_R_DOT_S8S8,   /* DOT, 4 x s8 s8 */
	IG_R_DOT_S8S8_2, /* DOT, 2 x s8 s8: the pairwise widening addition of the 16-bit products */
	IG_R_DOT_PAIRS,  /* DOT with flag PAIRS_FIT, 4 x u8 s8: 16-bit sums of two products, which saturate */
	IG_R_DOT_S16,    /* DOT, 2 x s16: with accumulator (3 operands) or without (2) */
	IG_R_MMLA_U8S8,  /* MMLA, u8 s8 */
	IG_R_CVT_RNE,    /* RNE, f32 -> i32 */
	IG_R_COUNT
};
struct ig_recipe {
	const char *intrinsic; /* NULL: generic IR */
	int lanes;
};
/* Which sequence narrows f32 to 8 bits (FPACK). */
enum ig_pack_kind { IG_PACK_GENERIC, IG_PACK_AVX2, IG_PACK_AVX512, IG_PACK_NEON };
/* How bytes are looked up in a 256-entry table (LUT) when they are a vector. */
enum ig_table_kind { IG_TABLE_SCALAR, IG_TABLE_PSHUFB /* AVX2 */, IG_TABLE_PERMW /* AVX-512 BW */, IG_TABLE_TBL /* NEON */ };
/* A matrix instruction beside the dot product: int8 layers with more than one output pixel use it where it costs less. */
enum ig_matrix_kind {
	IG_MATRIX_NONE,
	IG_MATRIX_2X8,  /* MMLA: 2 pixels by 2 channels, 8 products each */
	IG_MATRIX_TILE, /* TILE_DOT: 16 pixels by 16 channels, 64 products each */
};
struct ig_tile { int pixels, vectors; }; /* register tile of the conv/linear inner kernel: output pixels x vectors of output channels */

struct ig_target {
	const char *name, *help;
	const char *triple, *cpu, *features; /* LLVM's; NULL triple: C emission only */
	const char *qemu;                    /* user-mode emulator for tests on other hosts, or NULL */
	int vector_bytes;                    /* natural vector register */
	int vector_regs;
	struct ig_dot_kind dot;
	struct ig_tile tile[4];              /* int8 conv tiles in order of preference (pixels 0 ends) */
	struct {
		enum ig_matrix_kind kind;
		struct ig_tile tile[4];          /* 2X8: as `tile` */
		int cost, setup;                 /* TILE: an instruction, and a function's use of tiles at all, in dot products that take as long */
	} matrix;
	struct ig_tile float_tile;
	struct ig_recipe recipe[IG_R_COUNT];
	enum ig_pack_kind pack;
	enum ig_table_kind table;
	bool masked_memory;                  /* masked loads and stores of any element size */
	size_t l1, l2;                       /* cache bytes assumed */
	int sync_cycles;                     /* what it costs to run a part on another thread and wait for it; 0: not measured, taken as 4000 */
	uint64_t cpu_features;               /* IG_CPU_* bits (runtime/ig_runtime.h) the code needs */
};
extern const struct ig_target ig_target_x86_64_v3, ig_target_x86_64_avxvnni, ig_target_x86_64_avx512vnni, ig_target_x86_64_amx, ig_target_aarch64_neon, ig_target_aarch64_dotprod,
    ig_target_aarch64_i8mm, ig_target_c;
const struct ig_target *const *ig_targets(int *n); /* targets/target.c: the one list, x86 best last, then Arm, then c */
const struct ig_target *ig_target_find(const char *name);
/* The best target this CPU runs (`--target native`); falls back to ig_target_c. */
const struct ig_target *ig_target_native(void);
bool ig_target_runs_here(const struct ig_target *t);
#endif
