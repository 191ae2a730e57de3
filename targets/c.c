/* c: portable C99, no object. The compiler behind it decides about vectors: 16-byte ones suit most, and groups of four products are found by those
   that know a dot-product instruction. */
#include "targets/target.h"

const struct ig_target ig_target_c = {
	.name = "c",
	.help = "portable C99 source (any CPU; --emit c only)",
	.vector_bytes = 16,
	.vector_regs = 16,
	.dot = {.group = 4, .elem = 8},
	.tile = {{4, 2}, {4, 1}},
	.float_tile = {4, 2},
	.l1 = 32 << 10,
	.l2 = 256 << 10,
};
