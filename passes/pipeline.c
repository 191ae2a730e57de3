/* The order of the passes: the one flat list. */
#include "passes/pass.h"

#include <string.h>

static const struct ig_pass float_half[] = {
    {"canonicalize", "one form for each thing", 0, IG_F_TYPED | IG_F_CANONICAL, 0, ig_pass_canonicalize},
    {"fold_constants", "evaluate what depends on constants alone", IG_F_TYPED, 0, 0, ig_pass_fold_constants},
    {"recognize", "operations that exporters write out as many", IG_F_TYPED, 0, 0, ig_pass_recognize},
    {"recognize_dynamic", "products of integers made at run time to layers that quantize their input", IG_F_TYPED, 0, 0, ig_pass_recognize_dynamic},
    {"fold_affine", "constant bias and scale into weights", IG_F_TYPED, 0, 0, ig_pass_fold_affine},
    {"fold_batch_norm", "batch_norm into weights", IG_F_CANONICAL, 0, 0, ig_pass_fold_batch_norm},
    {"expand_transposed", "transposed convolution to convolution and depth_to_space", IG_F_TYPED, 0, 0, ig_pass_expand_transposed},
    {"dce", "remove what nothing reads", 0, 0, 0, ig_pass_dce},
    {"fuse", "convolution + add + activation", IG_F_CANONICAL, IG_F_FUSED, 0, ig_pass_fuse},
    {"dce", "remove what nothing reads", 0, 0, 0, ig_pass_dce},
    {"equalize", "scales between layers, for `recover equalize`", IG_F_FUSED, 0, 0, ig_pass_equalize},
    {"map_qconfig", "which rule decides for each layer", IG_F_FUSED, IG_F_MAPPED, 0, ig_pass_map_qconfig},
    {"awq_scale", "scales of weights by their inputs' magnitude, for `recover awq`", IG_F_MAPPED, 0, 0, ig_pass_awq},
    {"smoothquant", "inputs of linear layers scaled by channel, for `recover smoothquant`", IG_F_MAPPED, 0, 0, ig_pass_smoothquant},
};
static const struct ig_pass quantize_half[] = {
    {"fold_qdq", "dequantize + operation + quantize to integer operations", IG_F_MAPPED, 0, 0, ig_pass_fold_qdq},
    {"dce", "remove what nothing reads", 0, 0, 0, ig_pass_dce},
    {"convert", "float graph and ranges to quantized graph", IG_F_MAPPED, IG_F_QUANTIZED, IG_F_OBSERVED, ig_pass_convert},
    {"awq_clip", "narrower ranges of weights, for `recover awq`", IG_F_QUANTIZED, 0, 0, ig_pass_awq_clip},
    {"gptq", "rounds weights so that their errors cancel, for `recover gptq`", IG_F_QUANTIZED, 0, 0, ig_pass_gptq},
    {"adaround", "learned rounding of weights, for `recover adaround`", IG_F_QUANTIZED, 0, 0, ig_pass_adaround},
    {"correct_bias", "what weights' errors add on average, for `recover bias_correction`", IG_F_QUANTIZED, 0, 0, ig_pass_correct_bias},
    {"empirical_bias", "means of the outputs measured and corrected, for `recover empirical_bias`", IG_F_QUANTIZED, 0, 0, ig_pass_empirical_bias},
    {"fold_constants", "evaluate what depends on constants alone", IG_F_TYPED, 0, 0, ig_pass_fold_constants},
    {"dce", "remove what nothing reads", 0, 0, 0, ig_pass_dce},
};
static const struct ig_pass others[] = {
    {"observe", "observers on the values whose distribution matters", IG_F_MAPPED, IG_F_OBSERVED, 0, ig_pass_observe},
};

const struct ig_pass *ig_pipeline(enum ig_half half, int *n)
{
	*n = half == IG_HALF_FLOAT ? (int)IG_COUNTOF(float_half) : (int)IG_COUNTOF(quantize_half);
	return half == IG_HALF_FLOAT ? float_half : quantize_half;
}

static const struct ig_pass *find(const struct ig_pass *p, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(p[i].name, name))
			return &p[i];
	return NULL;
}

const struct ig_pass *ig_pass_find(const char *name)
{
	const struct ig_pass *p = find(float_half, IG_COUNTOF(float_half), name);
	if (!p)
		p = find(quantize_half, IG_COUNTOF(quantize_half), name);
	return p ? p : find(others, IG_COUNTOF(others), name);
}
