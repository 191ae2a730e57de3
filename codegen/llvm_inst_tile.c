/* Tiles: the intrinsics that name their registers by number, which kir_tile_assign has given out. A function that has tiles sets their configuration at its
   entry (51 ns were measured) and releases them at its end. */
#include "codegen/llvm_build.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"

enum { CONFIG_BYTES = 64, CONFIG_COLUMNS = 16, CONFIG_ROWS = 48, ROW_BYTES = 64 };

static bool has_tiles(const struct kir_func *f)
{
	for (int i = 0; i < f->n; i++)
		if (kir_is_tile_op(f->inst[i].op))
			return true;
	return false;
}

/* The intrinsic, or what stands for it in this process. */
static void call(struct ig_ll *l, const char *name, void (*instead)(void), LLVMValueRef *arg, int n)
{
	char full[64];
	snprintf(full, sizeof full, "llvm.x86.%s", name);
	if (!l->p->tiles) {
		ig_ll_intrinsic(l, full, NULL, 0, arg, n);
		return;
	}
	LLVMTypeRef param[3];
	for (int i = 0; i < n; i++)
		param[i] = LLVMTypeOf(arg[i]);
	LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(l->ctx), param, (unsigned)n, false);
	LLVMBuildCall2(l->b, type, LLVMConstIntToPtr(ig_ll_i64(l, (int64_t)(uintptr_t)instead), l->ptr), arg, (unsigned)n, "");
}
#define CALL(l, name, member, arg, n) call((l), (name), (l)->p->tiles ? (void (*)(void))(l)->p->tiles->member : NULL, (arg), (n))

void ig_ll_tiles_begin(struct ig_ll *l)
{
	uint8_t rows[KIR_TILE_REGS];
	char config[CONFIG_BYTES] = {1}; /* palette 1: eight tiles of at most 16 rows of 64 bytes */
	l->tile = NULL;
	if (!has_tiles(l->f))
		return;
	if (!l->p->tiles && !ig_ll_has(l, IG_CPU_AMX_INT8))
		IG_BUG("%s: target %s has no tiles", l->f->name, l->t->name);
	l->tile = ig_xcalloc((size_t)l->f->n_values + 1, sizeof *l->tile);
	const char *why = kir_tile_assign(l->f, l->tile, rows);
	if (why)
		IG_BUG("%s: %s", l->f->name, why);
	for (int r = 0; r < KIR_TILE_REGS; r++) {
		config[CONFIG_COLUMNS + 2 * r] = rows[r] ? ROW_BYTES : 0;
		config[CONFIG_ROWS + r] = (char)rows[r];
	}
	LLVMValueRef init = LLVMConstStringInContext2(l->ctx, config, sizeof config, true), g = LLVMAddGlobal(l->mod, LLVMTypeOf(init), "tiles");
	LLVMSetInitializer(g, init);
	LLVMSetGlobalConstant(g, true);
	LLVMSetLinkage(g, LLVMPrivateLinkage);
	LLVMSetUnnamedAddress(g, LLVMGlobalUnnamedAddr);
	LLVMSetAlignment(g, CONFIG_BYTES);
	CALL(l, "ldtilecfg", config, &g, 1);
}

void ig_ll_tiles_end(struct ig_ll *l)
{
	if (l->tile)
		CALL(l, "tilerelease", release, NULL, 0);
	free(l->tile);
	l->tile = NULL;
}

static LLVMValueRef number(struct ig_ll *l, kir_val v) { return LLVMConstInt(l->i8, (unsigned long long)l->tile[v], false); }

void ig_ll_inst_tile(struct ig_ll *l, const struct kir_inst *in)
{
	if (in->op == KIR_TILE_DOT) {
		LLVMValueRef a[3] = {number(l, in->arg[0]), number(l, in->arg[1]), number(l, in->arg[2])};
		CALL(l, "tdpbusd", dot, a, 3);
		return;
	}
	int64_t stride = in->imm.i * kir_elem_bytes(l->m->buf[in->addr.buf].elem);
	LLVMValueRef a[3] = {number(l, in->op == KIR_TILE_LOAD ? in->dst : in->arg[0]), ig_ll_addr(l, &in->addr), ig_ll_i64(l, stride)};
	if (in->op == KIR_TILE_LOAD)
		CALL(l, "tileloadd64", load, a, 3);
	else
		CALL(l, "tilestored64", store, a, 3);
}
