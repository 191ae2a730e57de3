/* Geometry of matrix products (matmul.h). */
#include "ir/matmul.h"

/* Extents and steps of one operand's batch, aligned at the end of `rank` axes. */
static void batch_of(const struct ig_type *t, int rank, int64_t *dim, int64_t *step)
{
	int own = t->rank > 2 ? t->rank - 2 : 0;
	int64_t s = 1;
	for (int i = rank - 1; i >= 0; i--) {
		int k = i - (rank - own);
		dim[i] = k < 0 ? 1 : t->dim[k];
		step[i] = dim[i] == 1 ? 0 : s;
		s *= dim[i];
	}
}

bool ig_matmul_geometry(const struct ig_type *a, const struct ig_type *b, struct ig_matmul_geom *o)
{
	int64_t db[IG_MAX_RANK];
	int ra = a->rank, rb = b->rank;
	*o = (struct ig_matmul_geom){0};
	if (ra < 1 || rb < 1)
		return false;
	o->m = ra == 1 ? 1 : a->dim[ra - 2];
	o->k = a->dim[ra - 1];
	o->n = rb == 1 ? 1 : b->dim[rb - 1];
	if (o->k != b->dim[rb == 1 ? 0 : rb - 2])
		return false;
	o->rank = (ra > rb ? ra : rb) - 2;
	if (o->rank < 0)
		o->rank = 0;
	batch_of(a, o->rank, o->dim, o->sa);
	batch_of(b, o->rank, db, o->sb);
	for (int i = 0; i < o->rank; i++) {
		if (o->dim[i] != db[i] && o->dim[i] != 1 && db[i] != 1)
			return false;
		o->dim[i] = o->dim[i] > db[i] ? o->dim[i] : db[i];
	}
	return true;
}
