/* x86-64-v3: AVX2 and FMA, any server of the last decade. Exact 16-bit dot products; VPMADDUBSW where a layer's weights prove that it
   cannot saturate. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_x86_64_v3 = {
	.name = "x86-64-v3",
	.help = "AVX2 and FMA (Intel since Haswell, AMD since Zen)",
	.triple = "x86_64-unknown-linux-gnu",
	.cpu = "x86-64-v3",
	.features = "",
	.vector_bytes = 32,
	.vector_regs = 16,
	.dot = {.group = 2, .elem = 16, .a_signed = true},
	/* One register holds the product before its addition, one the broadcast activation. */
	.tile = {{6, 2}, {3, 3}, {10, 1}},
	.float_tile = {6, 2},
	.recipe = {[IG_R_DOT_S16] = {"llvm.x86.avx2.pmadd.wd", 8}, [IG_R_DOT_PAIRS] = {"llvm.x86.avx2.pmadd.ub.sw", 8}},
	.pack = IG_PACK_AVX2,
	.table = IG_TABLE_PSHUFB,
	.sync_cycles = 800,
	.l1 = 32 << 10,
	.l2 = 256 << 10,
	.cpu_features = IG_CPU_AVX2 | IG_CPU_FMA | IG_CPU_F16C | IG_CPU_BMI,
};
