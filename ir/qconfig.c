#include "ir/qconfig.h"

#include <stdlib.h>
#include <string.h>

const char *const ig_observer_names[IG_OBS_COUNT] = {"minmax", "moving_average", "histogram", "mse"};

#define ACT(obs, reduce) {.observer = (obs), .averaging = 0.01, .bins = 2048, .reduce_range = (reduce)}
#define WEIGHT(per_ch, narrow_range) {.observer = IG_OBS_MINMAX, .per_channel = (per_ch), .narrow = (narrow_range)}

/* `default` is ours: the full 8-bit range of activations, and what agrees best with float over the five example models (docs/numerics.md). The others are PyTorch's default QConfigs of the engines of the same names. */
static const struct {
	const char *name;
	struct ig_qconfig config;
} presets[] = {
    {"default", {.act = ACT(IG_OBS_MSE, false), .weight = WEIGHT(true, true)}},
    {"fbgemm", {.act = ACT(IG_OBS_HISTOGRAM, true), .weight = WEIGHT(true, false), .bias_float32 = true}},
    {"x86", {.act = ACT(IG_OBS_HISTOGRAM, true), .weight = WEIGHT(true, false), .bias_float32 = true}},
    {"qnnpack", {.act = ACT(IG_OBS_HISTOGRAM, false), .weight = WEIGHT(false, false)}},
    {"onednn", {.act = ACT(IG_OBS_HISTOGRAM, false), .weight = WEIGHT(true, false)}},
};
static const char *const preset_names[] = {"default", "fbgemm", "x86", "qnnpack", "onednn"};

const struct ig_qconfig *ig_qconfig_preset(const char *name)
{
	for (size_t i = 0; i < IG_COUNTOF(presets); i++)
		if (!strcmp(presets[i].name, name))
			return &presets[i].config;
	return NULL;
}

const char *const *ig_qconfig_preset_names(int *n)
{
	*n = (int)IG_COUNTOF(preset_names);
	return preset_names;
}

struct ig_qconfig_map *ig_qconfig_map_new(void)
{
	struct ig_qconfig_map *m = ig_xcalloc(1, sizeof *m);
	m->arena = ig_arena_new();
	return m;
}

void ig_qconfig_map_free(struct ig_qconfig_map *m)
{
	if (!m)
		return;
	ig_vec_free(&m->rules);
	ig_arena_free(m->arena);
	free(m);
}
