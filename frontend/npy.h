/* Inside of the array readers: the header of a .npy file. The public part is in dataset.h. */
#ifndef IG_FRONTEND_NPY_H
#define IG_FRONTEND_NPY_H
#include "frontend/dataset.h"

/* Bytes of an element and numpy's name of its type. */
int ig_npy_item(const struct ig_npy *a);
const char *ig_npy_dtype_name(const struct ig_npy *a);
/* Parses a whole .npy file in memory and checks that its data is exactly what the header says; fills dtype, rank, dim, data and bytes.
   `name` is the file (and member) for messages. */
bool ig_npy_parse(const uint8_t *p, size_t n, const char *name, struct ig_npy *a, struct ig_diag *d);
/* Reads a member of a zip archive that is mapped at p; fills all of *a (heap). member NULL: the only one. */
bool ig_npz_read(const uint8_t *p, size_t n, const char *path, const char *member, struct ig_npy *a, struct ig_diag *d);
#endif
