/* Dot products: the target's recipe for the kind of operands, in pieces of its lanes; else multiply and add in plain IR. */
#include "codegen/llvm_build.h"

#include <string.h>

/* What one piece is done with. */
struct dot {
	const char *name; /* intrinsic */
	int lanes, group;
	bool a_unsigned;
};

static LLVMValueRef extend(struct ig_ll *l, LLVMValueRef x, LLVMTypeRef elem, bool is_unsigned)
{
	LLVMTypeRef t = ig_ll_vec(elem, ig_ll_lanes(x));
	return is_unsigned ? LLVMBuildZExt(l->b, x, t, "") : LLVMBuildSExt(l->b, x, t, "");
}

static LLVMValueRef plain(struct ig_ll *l, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef p = LLVMBuildMul(l->b, extend(l, a, l->i32, k->a_unsigned), extend(l, b, l->i32, false), "");
	int n = ig_ll_lanes(acc);
	for (int g = 0; g < k->group; g++)
		acc = LLVMBuildAdd(l->b, acc, ig_ll_strided(l, p, g, k->group, n), "");
	return acc;
}

/* 16-bit products of signed bytes are exact; their pairs are added with widening. */
static LLVMValueRef smull_saddlp(struct ig_ll *l, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	LLVMTypeRef i16 = LLVMInt16TypeInContext(l->ctx), over[2] = {LLVMTypeOf(acc), ig_ll_vec(i16, 2 * ig_ll_lanes(acc))};
	LLVMValueRef p = LLVMBuildMul(l->b, extend(l, a, i16, false), extend(l, b, i16, false), "");
	return LLVMBuildAdd(l->b, acc, ig_ll_intrinsic(l, k->name, over, 2, &p, 1), "");
}

/* 16-bit sums of pairs, which the schedule has proved to fit, and their exact sums by products with 1. */
static LLVMValueRef pairs(struct ig_ll *l, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	LLVMTypeRef i16 = LLVMInt16TypeInContext(l->ctx);
	LLVMValueRef x[2] = {a, b};
	LLVMValueRef y[2] = {ig_ll_intrinsic(l, k->name, NULL, 0, x, 2), ig_ll_const_i(i16, 2 * ig_ll_lanes(acc), 1)};
	return LLVMBuildAdd(l->b, acc, ig_ll_intrinsic(l, "llvm.x86.avx2.pmadd.wd", NULL, 0, y, 2), "");
}

/* acc has lanes that the recipe's instruction exists for. */
static LLVMValueRef piece(struct ig_ll *l, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	char name[64];
	int n = ig_ll_lanes(acc);
	if (strstr(k->name, "saddlp"))
		return smull_saddlp(l, k, acc, a, b);
	if (strstr(k->name, "pmadd.ub"))
		return pairs(l, k, acc, a, b);
	snprintf(name, sizeof name, k->name, 32 * n); /* the width, if the name has it */
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	LLVMValueRef x[3] = {acc, a, b};
	if (id && LLVMIntrinsicIsOverloaded(id)) {
		LLVMTypeRef over[2] = {LLVMTypeOf(acc), LLVMTypeOf(a)};
		if (!k->a_unsigned) { /* sdot: signed both, so in either order; one lane for all can be the second operand only */
			x[1] = b;
			x[2] = a;
		}
		return ig_ll_intrinsic(l, name, over, 2, x, 3);
	}
	if (strstr(name, "pmadd.wd")) /* no accumulator of its own */
		return LLVMBuildAdd(l->b, acc, ig_ll_intrinsic(l, name, NULL, 0, x + 1, 2), "");
	return ig_ll_intrinsic(l, name, NULL, 0, x, 3);
}

/* The recipe's lanes for n lanes of accumulator: all of them, or the next width that exists. */
static int piece_lanes(const struct dot *k, int n)
{
	if (n >= k->lanes)
		return k->lanes;
	if (!strchr(k->name, '%'))
		return k->lanes;
	return n < 4 ? 4 : n;
}

static LLVMValueRef by_pieces(struct ig_ll *l, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef part[KIR_MAX_LANES];
	int n = ig_ll_lanes(acc), w = piece_lanes(k, n), g = k->group, count = n < w ? 1 : n / w;
	for (int i = 0; i < count; i++)
		part[i] = piece(l, k, ig_ll_part(l, acc, i * w, w), ig_ll_part(l, a, i * w * g, w * g), ig_ll_part(l, b, i * w * g, w * g));
	LLVMValueRef r = ig_ll_concat_n(l, part, count);
	return n < w ? ig_ll_part(l, r, 0, n) : r;
}

/* The recipe for a dot product's operands, -1: none. */
static int recipe_of(int bits, int group, bool a_unsigned)
{
	if (bits == 16)
		return group == 2 ? IG_R_DOT_S16 : -1;
	if (group == 4)
		return a_unsigned ? IG_R_DOT_U8S8 : IG_R_DOT_S8S8;
	return group == 2 && !a_unsigned ? IG_R_DOT_S8S8_2 : -1;
}

LLVMValueRef ig_ll_inst_dot(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef acc = l->val[in->arg[0]], a = l->val[in->arg[1]], b = l->val[in->arg[2]];
	struct dot k = {.group = ig_ll_lanes(a) / ig_ll_lanes(acc), .a_unsigned = in->flags & KIR_A_UNSIGNED};
	int r = recipe_of(ig_ll_bits(LLVMTypeOf(a)), k.group, k.a_unsigned);
	if (in->flags & KIR_PAIRS_FIT && l->t->recipe[IG_R_DOT_PAIRS].intrinsic)
		r = IG_R_DOT_PAIRS;
	if (r < 0 || !l->t->recipe[r].intrinsic)
		return plain(l, &k, acc, a, b);
	k.name = l->t->recipe[r].intrinsic;
	k.lanes = l->t->recipe[r].lanes;
	return by_pieces(l, &k, acc, a, b);
}

/* Two rows of eight bytes by two: by the recipe, or row by row in plain IR. */
static LLVMValueRef mmla_piece(struct ig_ll *l, const char *name, const struct dot *k, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b)
{
	LLVMValueRef x[3] = {acc, a, b};
	if (name) {
		LLVMTypeRef over[2] = {LLVMTypeOf(acc), LLVMTypeOf(a)};
		return ig_ll_intrinsic(l, name, over, 2, x, 3);
	}
	int row[32], column[32];
	for (int i = 0; i < 32; i++) { /* the bytes of each lane's eight products */
		row[i] = i / 16 * 8 + i % 8;
		column[i] = i / 8 % 2 * 8 + i % 8;
	}
	return plain(l, k, acc, ig_ll_shuffle(l, a, NULL, row, 32), ig_ll_shuffle(l, b, NULL, column, 32));
}

LLVMValueRef ig_ll_inst_mmla(struct ig_ll *l, const struct kir_inst *in)
{
	LLVMValueRef acc = l->val[in->arg[0]], a = l->val[in->arg[1]], b = l->val[in->arg[2]], part[KIR_MAX_LANES];
	struct dot k = {.group = 8, .a_unsigned = in->flags & KIR_A_UNSIGNED};
	const char *name = k.a_unsigned ? l->t->recipe[IG_R_MMLA_U8S8].intrinsic : NULL;
	int n = in->type.lanes / 4;
	for (int i = 0; i < n; i++)
		part[i] = mmla_piece(l, name, &k, ig_ll_part(l, acc, 4 * i, 4), ig_ll_part(l, a, 16 * i, 16), ig_ll_part(l, b, 16 * i, 16));
	return ig_ll_concat_n(l, part, n);
}
