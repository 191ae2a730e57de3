/* Learned rounding (Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", 2020) of the weights of IG_ROUNDING_LANES outputs together, which
   read the same inputs: which weights to round up so that the outputs are near those wanted. A function of its arguments alone: the same bits on every machine. */
#ifndef IG_PASSES_ROUNDING_H
#define IG_PASSES_ROUNDING_H
#include "ir/base.h"

#define IG_ROUNDING_LANES 16
#define IG_ROUNDING_TILE 4 /* `rows` is a multiple of this */

struct ig_rounding {
	int64_t rows, per;
	const float *x;      /* [rows][per]: what the outputs are computed from */
	const float *target; /* [rows][LANES]: outputs wanted, before the activation */
	const float *base;   /* [per][LANES]: real numbers of the weights rounded down */
	const float *step;   /* [per][LANES]: what rounding up adds; 0: not possible */
	const float *part;   /* [per][LANES]: the weight's place between the two, 0 to 1 */
	float bias[IG_ROUNDING_LANES];
	float lo, hi; /* the activation's bounds, infinite when there is none */
	int iterations;
};
/* up[per][LANES]: 1 where to round up. Given is how the weights are rounded now; an output stays so where what was learned has no lesser error on these rows. */
void ig_learn_rounding(const struct ig_rounding *r, uint8_t *up);
/* Sums over the rows of the squared differences of each output, after the activation. */
void ig_rounding_error(const struct ig_rounding *r, const uint8_t *up, double error[IG_ROUNDING_LANES]);
#endif
