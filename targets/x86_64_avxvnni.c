/* x86-64-avxvnni: x86-64-v3 with the VEX-encoded 256-bit VPDPBUSD of client CPUs. */
#include "runtime/ig_runtime.h"
#include "targets/target.h"

const struct ig_target ig_target_x86_64_avxvnni = {
	.name = "x86-64-avxvnni",
	.help = "AVX2 and AVX-VNNI (Intel since Alder Lake, AMD since Zen 5)",
	.triple = "x86_64-unknown-linux-gnu",
	.cpu = "x86-64-v3",
	.features = "+avxvnni",
	.vector_bytes = 32,
	.vector_regs = 16,
	.dot = {.group = 4, .elem = 8},
	.tile = {{6, 2}, {3, 3}, {12, 1}},
	.float_tile = {6, 2},
	/* With no EVEX encoding available LLVM selects the VEX form of the same intrinsics. */
	.recipe = {
		[IG_R_DOT_U8S8] = {"llvm.x86.avx512.vpdpbusd.%d", 8},
		[IG_R_DOT_S16] = {"llvm.x86.avx512.vpdpwssd.%d", 8},
	},
	.pack = IG_PACK_AVX2,
	.table = IG_TABLE_PSHUFB,
	.sync_cycles = 800,
	.l1 = 32 << 10,
	.l2 = 1 << 20,
	.cpu_features = IG_CPU_AVX2 | IG_CPU_FMA | IG_CPU_F16C | IG_CPU_BMI | IG_CPU_AVXVNNI,
};
