/* Arrays as .npz: stored members, no time stamps, so that equal arrays give equal files. */
#ifndef IG_DRIVER_NPZ_H
#define IG_DRIVER_NPZ_H
#include "ir/graph.h"

struct ig_array {
	const char *name;
	enum ig_dtype dtype; /* F32, U8, S8, I32, I64 */
	int rank;
	int64_t dim[IG_MAX_RANK + 1];
	void *data;
	size_t bytes;
};
bool ig_npz_write(const char *path, const struct ig_array *a, int n, struct ig_diag *d);
#endif
