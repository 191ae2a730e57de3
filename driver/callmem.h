/* The memory of timed calls: inputs, outputs and an arena at page boundaries, always with the same contents. */
#ifndef IG_DRIVER_CALLMEM_H
#define IG_DRIVER_CALLMEM_H
#include "ir/graph.h"

struct ig_native;
struct ig_callmem {
	struct ig_pool *pool; /* threads of a call, set by the owner; NULL: this one */
	const struct ig_graph *g;
	void **in, **out, *arena;
};
/* The inputs are copies of `sample`, or numbers between -1 and 1 (bytes: any) when it is NULL. */
void ig_callmem_begin(struct ig_callmem *c, const struct ig_graph *g, int64_t arena_bytes, const void *const *sample);
void ig_callmem_end(struct ig_callmem *c);
void ig_callmem_run(const struct ig_callmem *c, struct ig_native *n);
#endif
