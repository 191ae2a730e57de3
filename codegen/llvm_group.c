/* Scalar loads of neighbours as one vector load. SDOT takes its second operand from one lane of a register: four 32-bit loads from consecutive addresses, each
   broadcast for its step of a dot-product kernel, are better one 128-bit load and four lanes of it. On x86 a broadcast from memory is free, and nothing is
   grouped. */
#include "codegen/llvm_build.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ig_runtime.h"

enum { LANES = 4 };

static bool candidate(const struct kir_inst *in)
{
	return in->op == KIR_LOAD && in->type.elem == KIR_I32 && in->type.lanes == 1;
}

/* b is `lane` 32-bit elements after a. */
static bool follows(const struct ig_ll *l, const struct kir_inst *a, const struct kir_inst *b, int lane)
{
	if (!candidate(b) || b->addr.buf != a->addr.buf || b->addr.n != a->addr.n)
		return false;
	if ((b->addr.base - a->addr.base) * kir_elem_bytes(l->m->buf[a->addr.buf].elem) != 4 * lane)
		return false;
	return memcmp(a->addr.term, b->addr.term, sizeof a->addr.term[0] * (size_t)a->addr.n) == 0;
}

/* Where the straight code around instruction i ends: what follows runs another time, or may see other memory. */
static int region_end(const struct kir_func *f, int i)
{
	while (i < f->n && f->inst[i].op != KIR_LOOP && f->inst[i].op != KIR_END && f->inst[i].op != KIR_STORE)
		i++;
	return i;
}

void ig_ll_group_loads(struct ig_ll *l)
{
	const struct kir_func *f = l->f;
	int end = 0;
	if (!ig_ll_has(l, IG_CPU_DOTPROD))
		return;
	for (int i = 0; i < f->n; i++) {
		int member[LANES] = {i}, found = 1;
		if (i >= end)
			end = region_end(f, i);
		if (!candidate(&f->inst[i]) || l->group[i].leader)
			continue;
		for (int k = i + 1; k < end && found < LANES; k++)
			if (!l->group[k].leader && follows(l, &f->inst[i], &f->inst[k], found))
				member[found++] = k;
		for (int k = 0; found == LANES && k < LANES; k++)
			l->group[member[k]] = (struct ig_ll_group){.leader = i + 1, .lane = k};
	}
}

LLVMValueRef ig_ll_grouped_load(struct ig_ll *l, const struct kir_inst *in)
{
	struct ig_ll_group *g = &l->group[in - l->f->inst];
	if (!g->leader)
		return NULL;
	struct ig_ll_group *first = &l->group[g->leader - 1];
	if (!first->vector)
		first->vector = ig_ll_load(l, ig_ll_vec(l->i32, LANES), ig_ll_addr(l, &in->addr));
	return LLVMBuildExtractElement(l->b, first->vector, ig_ll_i32(l, g->lane), "");
}
