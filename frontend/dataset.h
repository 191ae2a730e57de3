/* Samples: .npy, .npz (stored or deflated members), or raw binary with a declared type; the first axis counts samples. Mapped where possible. */
#ifndef IG_FRONTEND_DATASET_H
#define IG_FRONTEND_DATASET_H
#include "ir/graph.h"

/* A .npy array: little-endian f2 f4 f8 b1 u1 u2 u4 u8 i1 i2 i4 i8, C order. */
struct ig_npy {
	enum { IG_NPY_F16, IG_NPY_F32, IG_NPY_F64, IG_NPY_U8, IG_NPY_S8, IG_NPY_S16, IG_NPY_I32, IG_NPY_I64, IG_NPY_BOOL, IG_NPY_U16, IG_NPY_U32, IG_NPY_U64 } dtype;
	int rank;
	int64_t dim[8];
	const void *data;
	size_t bytes;
	void *map; /* mapping or heap copy that backs data */
	size_t map_bytes;
	bool heap;
};
bool ig_npy_open(const char *path, struct ig_npy *out, struct ig_diag *d); /* path may be FILE.npz or FILE.npz:member (a lone member is the default) */
void ig_npy_close(struct ig_npy *a);
float ig_npy_float(const struct ig_npy *a, int64_t i); /* element i of an f2, f4, f8 or u1 array */
/* Writes through a temporary file and rename. Element types of whole bytes, no half precision. */
bool ig_npy_write(const char *path, enum ig_dtype dt, int rank, const int64_t *dims, const void *data, struct ig_diag *d);

/* Samples for a model's inputs. specs: "F" or "input=F", one per input. Each array must be [N] + the input's shape without its batch axis (batch 1);
   u8 arrays of an input declared nhwc are [N,H,W,C]. A float input accepts f2/f4/f8/u1 arrays (converted), an i32 or i64 input
   narrower integers too; any other input takes its own type only.
   NaN or infinity in float samples is reported as an error with file and sample when `reject_nonfinite`. */
struct ig_dataset;
struct ig_dataset *ig_dataset_open(const struct ig_graph *g, const char *const *specs, int n_specs, bool reject_nonfinite, struct ig_diag *d);
void ig_dataset_free(struct ig_dataset *ds);
int64_t ig_dataset_count(const struct ig_dataset *ds);
/* Restricts to samples [first, last) (the --samples A:B option); an error when out of range. */
bool ig_dataset_slice(struct ig_dataset *ds, int64_t first, int64_t last, struct ig_diag *d);
/* Pointers to sample i's data in the inputs' types, valid until the next call. */
const void *const *ig_dataset_sample(struct ig_dataset *ds, int64_t i);
/* Labels: integers, one per sample, or with `each` that many per sample. Caller frees. */
int64_t *ig_labels_read(const char *path, int64_t *n, int64_t *each, struct ig_diag *d);
#endif
