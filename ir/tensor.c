/* Tensor types and tensors in memory. */
#include "ir/graph.h"

#include <limits.h>

bool ig_type_elems(const struct ig_type *t, int64_t *n)
{
	*n = 1;
	for (int i = 0; i < t->rank; i++)
		if (!ig_mul_i64(*n, t->dim[i], n))
			return false;
	return true;
}

bool ig_type_bytes(const struct ig_type *t, size_t *bytes)
{
	int64_t n, bits;
	if (!ig_type_elems(t, &n) || !ig_mul_i64(n, ig_dtypes[t->dtype].bits, &bits) || !ig_add_i64(bits, 7, &bits))
		return false;
	*bytes = (size_t)(bits / 8);
	return true;
}

int64_t ig_elems(const struct ig_type *t)
{
	int64_t n;
	if (!ig_type_elems(t, &n))
		IG_BUG("size of an unchecked type");
	return n;
}

bool ig_type_same_shape(const struct ig_type *a, const struct ig_type *b)
{
	if (a->rank != b->rank)
		return false;
	for (int i = 0; i < a->rank; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

const char *ig_type_str(struct ig_arena *a, const struct ig_type *t)
{
	char dims[IG_MAX_RANK * 24 + 1] = "";
	int len = 0;
	for (int i = 0; i < t->rank; i++)
		len += snprintf(dims + len, sizeof dims - (size_t)len, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
	return ig_arena_printf(a, "%s[%s]", ig_dtypes[t->dtype].name, dims);
}

struct ig_type ig_type_make(enum ig_dtype dt, int rank, const int64_t *dims)
{
	struct ig_type t = {.dtype = dt, .rank = rank, .q = IG_NOQ};
	if (rank < 0 || rank > IG_MAX_RANK)
		IG_BUG("rank %d", rank);
	for (int i = 0; i < rank; i++)
		t.dim[i] = dims[i];
	return t;
}

struct ig_tensor *ig_tensor_new(struct ig_arena *a, const struct ig_type *t)
{
	struct ig_tensor *x = IG_NEW(a, struct ig_tensor);
	size_t room;
	x->type = *t;
	if (!ig_type_bytes(t, &x->bytes) || !ig_add_size(x->bytes, 64, &room))
		IG_BUG("tensor of an unchecked type");
	uintptr_t p = (uintptr_t)ig_arena_alloc(a, room, 1);
	x->data = (void *)((p + 63) & ~(uintptr_t)63);
	return x;
}
