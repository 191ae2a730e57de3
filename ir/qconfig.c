#include "ir/qconfig.h"

#include <stdlib.h>
#include <string.h>

const char *const ig_observer_names[IG_OBS_COUNT] = {"minmax", "moving_average", "histogram", "mse", "percentile", "entropy", "fixed"};
const char *const ig_scheme_names[IG_SCHEME_COUNT] = {"affine", "symmetric", "power_of_two"};
const char *const ig_mode_names[IG_MODE_COUNT] = {"static", "dynamic", "weight_only", "float16", "bfloat16"};
const char *const ig_recover_names[IG_RECOVER_COUNT] = {
    [IG_RECOVER_EQUALIZE] = "equalize", [IG_RECOVER_RANGES] = "output_ranges", [IG_RECOVER_BIAS] = "bias_correction", [IG_RECOVER_EMPIRICAL_BIAS] = "empirical_bias",
    [IG_RECOVER_GPTQ] = "gptq", [IG_RECOVER_ADAROUND] = "adaround", [IG_RECOVER_AWQ] = "awq", [IG_RECOVER_SMOOTHQUANT] = "smoothquant"};
const bool ig_recover_needs_samples[IG_RECOVER_COUNT] = {
    [IG_RECOVER_RANGES] = true, [IG_RECOVER_BIAS] = true, [IG_RECOVER_EMPIRICAL_BIAS] = true, [IG_RECOVER_GPTQ] = true, [IG_RECOVER_ADAROUND] = true,
    [IG_RECOVER_AWQ] = true, [IG_RECOVER_SMOOTHQUANT] = true};
const bool ig_recover_scales[IG_RECOVER_COUNT] = {[IG_RECOVER_EQUALIZE] = true, [IG_RECOVER_AWQ] = true, [IG_RECOVER_SMOOTHQUANT] = true};

#define COMMON .averaging = 0.01, .bins = 2048, .percentile = 99.99
#define ACT(obs, reduce) {.dtype = IG_DT_U8, .observer = (obs), .reduce_range = (reduce), COMMON}
#define WEIGHT(obs, per_ch, narrow_range) \
	{.dtype = IG_DT_S8, .observer = (obs), .scheme = IG_SCHEME_SYMMETRIC, .per_channel = (per_ch), .narrow = (narrow_range), COMMON}
#define TORCH(act_obs, reduce, weight_obs, per_ch) .act = ACT(act_obs, reduce), .weight = WEIGHT(weight_obs, per_ch, false)

/* `default` is ours: the full 8-bit range of activations, and what agrees best with float over the five example models (docs/numerics.md). The others are PyTorch's
   default QConfigs: get_default_qconfig of the engines' names, default_qat_qconfig, default_dynamic_qconfig and float16_dynamic_qconfig. */
static const struct {
	const char *name;
	struct ig_qconfig config;
} presets[] = {
    {"default", {.act = ACT(IG_OBS_MSE, false), .weight = WEIGHT(IG_OBS_MINMAX, true, true)}},
    {"fbgemm", {TORCH(IG_OBS_HISTOGRAM, true, IG_OBS_MINMAX, true), .bias_float32 = true, .fixed_ranges = true}},
    {"x86", {TORCH(IG_OBS_HISTOGRAM, true, IG_OBS_MINMAX, true), .bias_float32 = true, .fixed_ranges = true}},
    {"qnnpack", {TORCH(IG_OBS_HISTOGRAM, false, IG_OBS_MINMAX, false), .fixed_ranges = true}},
    {"onednn", {TORCH(IG_OBS_HISTOGRAM, false, IG_OBS_MINMAX, true), .fixed_ranges = true}},
    {"default_qat", {TORCH(IG_OBS_MOVING_AVERAGE, true, IG_OBS_MOVING_AVERAGE, false), .bias_float32 = true, .fixed_ranges = true}},
    {"default_dynamic", {.mode = IG_MODE_DYNAMIC, TORCH(IG_OBS_MINMAX, false, IG_OBS_MINMAX, false)}},
    {"w8a16", {.act = {.dtype = IG_DT_S16, .observer = IG_OBS_MINMAX, .scheme = IG_SCHEME_SYMMETRIC, COMMON}, .weight = WEIGHT(IG_OBS_MINMAX, true, true)}},
    {"float16_dynamic", {.mode = IG_MODE_FLOAT16, TORCH(IG_OBS_MINMAX, false, IG_OBS_MINMAX, false)}},
};
static const char *const preset_names[] = {"default", "fbgemm", "x86", "qnnpack", "onednn", "default_qat", "default_dynamic", "float16_dynamic", "w8a16"};

void ig_qspec_limits(const struct ig_qspec *q, int32_t *qmin, int32_t *qmax)
{
	int bits = ig_dtypes[q->dtype].bits;
	*qmin = ig_dtypes[q->dtype].is_signed ? -(1 << (bits - 1)) : 0;
	*qmax = *qmin + (1 << bits) - 1;
	if (q->limited) {
		*qmin = q->quant_min;
		*qmax = q->quant_max;
	} else {
		*qmin += q->narrow;
	}
	if (q->reduce_range) { /* floor division, as Python's */
		*qmin = *qmin / 2 - (*qmin < 0 && *qmin % 2);
		*qmax = *qmax / 2 - (*qmax < 0 && *qmax % 2);
	}
}

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
