/* The reference interpreter, float and quantized: the formulas of docs/numerics.md and nothing else; the norm for every engine. */
#ifndef IG_IR_INTERP_H
#define IG_IR_INTERP_H
#include "ir/graph.h"
struct ig_interp;
/* Prepares a verified graph (keeps a pointer to it). NULL after a diagnostic (an operation with no evaluation in these types). */
struct ig_interp *ig_interp_new(const struct ig_graph *g, struct ig_diag *d);
void ig_interp_free(struct ig_interp *it);
/* Runs one sample: in[i] is input i's data as the caller gives it (for an nhwc input: bytes in nhwc order), sized by its type. */
void ig_interp_run(struct ig_interp *it, const void *const *in);
/* The value's tensor of the last run (logical order; a constant's own data). */
const struct ig_tensor *ig_interp_value(const struct ig_interp *it, struct ig_vid v);
#endif
