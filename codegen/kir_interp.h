/* Private to the kernel IR's interpreter: decoded instructions. */
#ifndef IG_CODEGEN_KIR_INTERP_H
#define IG_CODEGEN_KIR_INTERP_H
#include "codegen/kir.h"

struct kir_dterm {
	const int64_t *iv; /* the loop variable's current value */
	int64_t coeff;     /* bytes */
};
struct kir_dop;
typedef void (*kir_dfn)(const struct kir_dop *o, uint8_t *mem);
/* A decoded instruction: operands are addresses in the frame, memory is base + sum of terms in bytes of a buffer. */
struct kir_dop {
	kir_dfn fn; /* NULL: LOOP or END */
	uint8_t op;
	uint8_t *d;
	const uint8_t *a, *b, *c;
	int32_t n;     /* lanes of the result */
	int32_t m;     /* shift, first lane, group, lanes of the operand: by op */
	int32_t bytes; /* of the result; LOAD, STORE: of the active lanes */
	int32_t zp;
	float lo, hi;
	int32_t n_terms;
	const struct kir_dterm *term;
	int32_t buf;
	int64_t base, span; /* bytes; span is what is touched from there */
	int64_t stride;     /* bytes between the m rows of a TILE_LOAD or TILE_STORE */
};
/* The function for an instruction with operand type `a` (of the first operand, of the second for DOT). */
kir_dfn kir_dop_fn(const struct kir_inst *in, struct kir_type a);
#endif
