/* Geometry of matmul and matmul_integer: NumPy's rules, operands of rank 1 as a row on the left, a column on the right. */
#ifndef IG_IR_MATMUL_H
#define IG_IR_MATMUL_H
#include "ir/graph.h"

struct ig_matmul_geom {
	int64_t m, k, n;
	int rank;                                         /* of the batch: the axes before the matrices */
	int64_t dim[IG_MAX_RANK], sa[IG_MAX_RANK], sb[IG_MAX_RANK]; /* its extents, and steps in whole matrices of a and b; 0: broadcast */
};
/* False: the extents do not fit each other. */
bool ig_matmul_geometry(const struct ig_type *a, const struct ig_type *b, struct ig_matmul_geom *o);
#endif
