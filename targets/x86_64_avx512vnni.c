/* x86-64-avx512vnni: AVX-512 (F, BW, DQ, VL, CD) with the 512-bit VPDPBUSD. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_x86_64_avx512vnni = {
	.name = "x86-64-avx512vnni",
	.help = "AVX-512 with VNNI (Intel servers since Cascade Lake, AMD since Zen 4)",
	.triple = "x86_64-unknown-linux-gnu",
	.cpu = "x86-64-v4",
	.features = "+avx512vnni,-prefer-256-bit",
	.vector_bytes = 64,
	.vector_regs = 32,
	.dot = {.group = 4, .elem = 8},
	.tile = {{6, 4}, {8, 3}, {12, 2}, {14, 1}},
	.float_tile = {6, 4},
	.recipe = {
		[IG_R_DOT_U8S8] = {"llvm.x86.avx512.vpdpbusd.%d", 16},
		[IG_R_DOT_S16] = {"llvm.x86.avx512.vpdpwssd.%d", 16},
	},
	.pack = IG_PACK_AVX512,
	.table = IG_TABLE_PERMW,
	.masked_memory = true,
	.sync_cycles = 800,
	.l1 = 32 << 10,
	.l2 = 1 << 20,
	.cpu_features = IG_CPU_AVX2 | IG_CPU_FMA | IG_CPU_F16C | IG_CPU_BMI | IG_CPU_AVX512 | IG_CPU_AVX512VNNI,
};
