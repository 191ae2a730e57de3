/* Input files as memory. */
#ifndef IG_FRONTEND_FILEIO_H
#define IG_FRONTEND_FILEIO_H
#include "ir/diag.h"

struct ig_map {
	const uint8_t *data; /* page-aligned; NULL when the file is empty */
	size_t bytes;
};
/* Maps a regular file read-only. False after a diagnostic (missing, a folder, no permission, not a regular file). */
bool ig_map_file(const char *path, struct ig_map *m, struct ig_diag *d);
void ig_unmap(struct ig_map *m);

/* Little-endian loads from any address. */
static inline uint32_t ig_load_le16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t ig_load_le32(const uint8_t *p) { return ig_load_le16(p) | ig_load_le16(p + 2) << 16; }
static inline uint64_t ig_load_le64(const uint8_t *p) { return ig_load_le32(p) | (uint64_t)ig_load_le32(p + 4) << 32; }

/* Exact widening of binary16 and bfloat16 (a NaN keeps its sign and payload). */
float ig_widen_f16(uint16_t bits);
float ig_widen_bf16(uint16_t bits);

/* Writes "[i, j, k]", the place of element `index` in a dense array, to buf. */
const char *ig_index_str(char *buf, size_t size, int64_t index, int rank, const int64_t *dim);
/* Writes "[2, 3, 4]" to buf. */
const char *ig_dims_str(char *buf, size_t size, int rank, const int64_t *dim);
#endif
