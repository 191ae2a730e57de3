/* aarch64-dotprod: Armv8.2 with SDOT. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_aarch64_dotprod = {
	.name = "aarch64-dotprod",
	.help = "Armv8.2 with SDOT (Cortex-A55, A75 and later, Apple, Neoverse)",
	.triple = "aarch64-unknown-linux-gnu",
	.cpu = "generic",
	.features = "+neon,+dotprod,+reserve-x18", /* some systems keep x18 for themselves */
	.qemu = "qemu-aarch64",
	.vector_bytes = 16,
	.vector_regs = 32,
	.dot = {.group = 4, .elem = 8, .a_signed = true, .a_offset = true},
	.tile = {{5, 4}, {8, 2}, {6, 3}, {12, 1}}, /* each pixel needs a register for its activations: 6x4 spills */
	.float_tile = {6, 4},
	.recipe = {
		[IG_R_DOT_S8S8] = {"llvm.aarch64.neon.sdot", 4},
		[IG_R_DOT_S8S8_2] = {"llvm.aarch64.neon.saddlp", 4},
		[IG_R_CVT_RNE] = {"llvm.aarch64.neon.fcvtns", 4},
	},
	.pack = IG_PACK_NEON,
	.table = IG_TABLE_TBL,
	.l1 = 32 << 10,
	.l2 = 256 << 10,
	.cpu_features = IG_CPU_NEON | IG_CPU_DOTPROD,
};
