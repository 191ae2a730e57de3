/* Index tables of one axis as arithmetic: what loops can run over. */
#ifndef IG_CODEGEN_AXISSEGS_H
#define IG_CODEGEN_AXISSEGS_H
#include <stdint.h>

#define IG_SEG_MAPS 2
/* Results first .. first + n1 * n0 - 1: number first + a * n0 + b is from[m] + a * s1[m] + b * s0[m] in table m; from[0] == -1: the fill value. */
struct ig_seg {
	int64_t first, n1, n0;
	int64_t from[IG_SEG_MAPS], s1[IG_SEG_MAPS], s0[IG_SEG_MAPS];
};
/* Splits 0 .. count - 1 by `maps` tables at once; seg has room for count of them. Returns how many there are. */
int64_t ig_segs_of(const int64_t *const *table, int maps, int64_t count, struct ig_seg *seg);
#endif
