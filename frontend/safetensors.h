/* safetensors: mapped, bounds-checked reader (F32, F16, BF16, I8, U8, I32, I64) and a deterministic writer. */
#ifndef IG_FRONTEND_SAFETENSORS_H
#define IG_FRONTEND_SAFETENSORS_H
#include "ir/graph.h"
struct ig_st_entry {
	const char *name;
	struct ig_type type;
	const void *data; /* inside the mapping, alignment not guaranteed */
	size_t bytes;
	bool used; /* for the caller: "unused weight" warnings */
};
struct ig_safetensors {
	const char *path;
	struct ig_st_entry *entry; /* sorted by name */
	int n;
	void *map;
	size_t map_bytes;
	struct ig_arena *arena;
};
struct ig_safetensors *ig_safetensors_open(const char *path, struct ig_diag *d); /* NULL after a diagnostic */
void ig_safetensors_close(struct ig_safetensors *s);
struct ig_st_entry *ig_safetensors_find(const struct ig_safetensors *s, const char *name);
/* A copy as dense f32 (F16 and BF16 widened); floats only, and every one must be finite. NULL after a diagnostic at `loc`. */
struct ig_tensor *ig_safetensors_f32(const struct ig_safetensors *s, const struct ig_st_entry *e, struct ig_arena *a, struct ig_diag *d, struct ig_loc loc);
/* Writes tensors (name order) through a temporary file and rename. */
bool ig_safetensors_write(const char *path, const char *const *names, const struct ig_tensor *const *tensors, int n, struct ig_diag *d);
#endif
