/* The list of targets, and which of them this CPU runs. */
#include <string.h>
#include "runtime/ig_runtime.h"
#include "targets/target.h"

/* From the weakest to the strongest of each architecture: ig_target_native takes the last that runs. */
static const struct ig_target *const targets[] = {
	&ig_target_x86_64_v3, &ig_target_x86_64_avxvnni, &ig_target_x86_64_avx512vnni, &ig_target_x86_64_amx, &ig_target_aarch64_neon,
	&ig_target_aarch64_dotprod, &ig_target_aarch64_i8mm, &ig_target_c,
};
enum { N_TARGETS = sizeof targets / sizeof targets[0] };

const struct ig_target *const *ig_targets(int *n)
{
	*n = N_TARGETS;
	return targets;
}

const struct ig_target *ig_target_find(const char *name)
{
	for (int i = 0; i < N_TARGETS; i++)
		if (strcmp(targets[i]->name, name) == 0)
			return targets[i];
	return NULL;
}

bool ig_target_runs_here(const struct ig_target *t)
{
#if defined(__x86_64__)
	static const char arch[] = "x86_64-";
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
	static const char arch[] = "aarch64-";
#else
	static const char arch[] = "?";
#endif
	if (!t->triple || strncmp(t->triple, arch, sizeof arch - 1) != 0)
		return false;
	return (t->cpu_features & ~ig_cpu_features()) == 0 && ig_cpu_permit(t->cpu_features);
}

const struct ig_target *ig_target_native(void)
{
	for (int i = N_TARGETS - 1; i >= 0; i--)
		if (ig_target_runs_here(targets[i]))
			return targets[i];
	return &ig_target_c;
}
