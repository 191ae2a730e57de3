/* A target under test that this CPU cannot run, with another encoding of the same instructions that it can. */
#ifndef IG_TESTS_STAND_IN_H
#define IG_TESTS_STAND_IN_H
#include "targets/target.h"

/* Few CPUs have AVX-VNNI, but those with AVX-512 VNNI run the same 256-bit instructions in their EVEX form: all else of the target, and all that is lowered
   for it, is the same. AMX without its tiles is AVX-512 VNNI: the program must name what stands for them (tests/common/tiles.h). t itself when it runs here or nothing stands in for it; else *s, filled. */
static inline const struct ig_target *stand_in(const struct ig_target *t, struct ig_target *s)
{
	bool tiles = t->matrix.kind == IG_MATRIX_TILE;
	if ((t != &ig_target_x86_64_avxvnni && !tiles) || ig_target_runs_here(t) || !ig_target_runs_here(&ig_target_x86_64_avx512vnni))
		return t;
	*s = *t;
	s->features = tiles ? ig_target_x86_64_avx512vnni.features : "+avx512vl,+avx512vnni";
	s->cpu_features = ig_target_x86_64_avx512vnni.cpu_features;
	return s;
}
#endif
