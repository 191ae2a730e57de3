/* x86-64-amx: tiles (TDPBUSD) for convolutions and linear layers that fill them, AVX-512 with VNNI for all else. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_x86_64_amx = {
	.name = "x86-64-amx",
	.help = "AMX tiles and AVX-512 with VNNI (Intel servers since Sapphire Rapids)",
	.triple = "x86_64-unknown-linux-gnu",
	.cpu = "x86-64-v4",
	.features = "+avx512vnni,+amx-tile,+amx-int8,-prefer-256-bit",
	.vector_bytes = 64,
	.vector_regs = 32,
	.dot = {.group = 4, .elem = 8},
	.tile = {{6, 4}, {8, 3}, {12, 2}, {14, 1}}, /* as x86-64-avx512vnni */
	/* A product of tiles takes 16 cycles whatever is in them, VPDPBUSD half a cycle; tiles reach 50 to 80 % of their peak where vectors reach 90 to 98. A use of
	   tiles begins with a configuration of 51 ns. */
	.matrix = {.kind = IG_MATRIX_TILE, .cost = 48, .setup = 400},
	.float_tile = {6, 4},
	.recipe = {
		[IG_R_DOT_U8S8] = {"llvm.x86.avx512.vpdpbusd.%d", 16},
		[IG_R_DOT_S16] = {"llvm.x86.avx512.vpdpwssd.%d", 16},
	},
	.pack = IG_PACK_AVX512,
	.table = IG_TABLE_PERMW,
	.masked_memory = true,
	.l1 = 48 << 10,
	.l2 = 2 << 20,
	.cpu_features = IG_CPU_AVX2 | IG_CPU_FMA | IG_CPU_F16C | IG_CPU_BMI | IG_CPU_AVX512 | IG_CPU_AVX512VNNI | IG_CPU_AMX_INT8,
};
