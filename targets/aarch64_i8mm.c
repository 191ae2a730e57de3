/* aarch64-i8mm: Armv8.6's matrix products of bytes. USMMLA takes activations unsigned, as they are in memory, and makes two pixels by two channels of eight
   products each; where there is one pixel, and for depthwise layers, USDOT does. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_aarch64_i8mm = {
	.name = "aarch64-i8mm",
	.help = "Armv8.6 with I8MM (Cortex-A510, A710 and later, Apple since M2, Neoverse N2, V1)",
	.triple = "aarch64-unknown-linux-gnu",
	.cpu = "generic",
	.features = "+neon,+dotprod,+i8mm,+reserve-x18", /* some systems keep x18 for themselves */
	.qemu = "qemu-aarch64",
	.vector_bytes = 16,
	.vector_regs = 32,
	.dot = {.group = 4, .elem = 8},
	.tile = {{5, 4}, {8, 2}, {6, 3}, {12, 1}}, /* as aarch64-dotprod */
	.matrix = {.kind = IG_MATRIX_2X8, .tile = {{4, 4}, {8, 2}, {6, 3}, {12, 1}}}, /* the activations of all pixels stay in registers: 6x4 spills */
	.float_tile = {6, 4},
	.recipe = {
		[IG_R_DOT_U8S8] = {"llvm.aarch64.neon.usdot", 4},
		[IG_R_DOT_S8S8] = {"llvm.aarch64.neon.sdot", 4},
		[IG_R_DOT_S8S8_2] = {"llvm.aarch64.neon.saddlp", 4},
		[IG_R_MMLA_U8S8] = {"llvm.aarch64.neon.usmmla", 4},
		[IG_R_CVT_RNE] = {"llvm.aarch64.neon.fcvtns", 4},
	},
	.pack = IG_PACK_NEON,
	.table = IG_TABLE_TBL,
	.l1 = 32 << 10,
	.l2 = 256 << 10,
	.cpu_features = IG_CPU_NEON | IG_CPU_DOTPROD | IG_CPU_I8MM,
};
