/* Labels: one integer a sample, from an array [N] or [N, 1]; or several, from [N, ...]. */
#include "frontend/dataset.h"
#include "frontend/fileio.h"
#include "frontend/npy.h"

#include <stdlib.h>

static int64_t label(const struct ig_npy *a, int64_t i)
{
	switch (a->dtype) {
	case IG_NPY_U8: return ((const uint8_t *)a->data)[i];
	case IG_NPY_S8: return ((const int8_t *)a->data)[i];
	case IG_NPY_S16: return ((const int16_t *)a->data)[i];
	case IG_NPY_I32: return ((const int32_t *)a->data)[i];
	case IG_NPY_I64: return ((const int64_t *)a->data)[i];
	case IG_NPY_U16: return ((const uint16_t *)a->data)[i];
	case IG_NPY_U32: return ((const uint32_t *)a->data)[i];
	case IG_NPY_BOOL: return ((const uint8_t *)a->data)[i] != 0;
	case IG_NPY_U64: return (int64_t)((const uint64_t *)a->data)[i];
	default: IG_BUG("labels of type %s", ig_npy_dtype_name(a));
	}
}

/* False: the array has another shape. */
static bool count_labels(const struct ig_npy *a, int64_t *n, int64_t *each)
{
	int64_t per = 1, all;
	for (int i = 1; i < a->rank; i++)
		if (!ig_mul_i64(per, a->dim[i], &per))
			return false;
	if (a->rank < 1 || per < 1 || (!each && (per != 1 || a->rank > 2)) || !ig_mul_i64(a->dim[0], per, &all))
		return false;
	*n = a->dim[0];
	if (each)
		*each = per;
	return true;
}

int64_t *ig_labels_read(const char *path, int64_t *n, int64_t *each, struct ig_diag *d)
{
	struct ig_npy a;
	char dims[200];
	int64_t *labels = NULL;
	if (!ig_npy_open(path, &a, d))
		return NULL;
	if (a.dtype == IG_NPY_F16 || a.dtype == IG_NPY_F32 || a.dtype == IG_NPY_F64) {
		ig_error(d, ig_loc_file(d, path), "labels must be integers, but the array holds %s; save a.astype('int64') (for one-hot rows: a.argmax(1))",
		         ig_npy_dtype_name(&a));
	} else if (!count_labels(&a, n, each)) {
		ig_error(d, ig_loc_file(d, path), "labels must be one integer a sample, but the array has shape %s", ig_dims_str(dims, sizeof dims, a.rank, a.dim));
	} else {
		int64_t all = *n * (each ? *each : 1);
		labels = ig_xcalloc((size_t)all, sizeof *labels);
		for (int64_t i = 0; i < all; i++)
			labels[i] = label(&a, i);
	}
	ig_npy_close(&a);
	return labels;
}
