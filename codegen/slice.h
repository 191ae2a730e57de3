/* Private to the splitting of functions into parts (split.c): slices of kernel functions. */
#ifndef IG_CODEGEN_SLICE_H
#define IG_CODEGEN_SLICE_H
#include "codegen/kir.h"

/* Estimated costs, in quarters of cycles of the CPU. */
struct kir_cost {
	int64_t all;   /* the function */
	int64_t *body; /* by loop: one iteration */
	int64_t *inst; /* by instruction: once; of a LOOP, all of its iterations */
};
struct kir_cost *kir_cost_new(const struct kir_func *f, int vector_bytes);
void kir_cost_free(struct kir_cost *c);

/* The last instruction of the unit of work that begins with instruction `first` of a list that ends with `last`: see slice.c. */
int kir_unit_end(const struct kir_func *f, int first, int last);

struct kir_cut {
	int first, last;  /* instructions of the function's own level: whole units */
	const char *loop; /* every list with a loop of this name is cut alike; NULL: the list first..last */
	int part, parts;
};
/* One of equally costly parts of a function's work; 1 of 1: all of it. NULL: this list cannot be cut so. */
struct kir_func *kir_slice(struct kir_module *m, const struct kir_func *f, const struct kir_cost *cost, const struct kir_cut *cut);
#endif
