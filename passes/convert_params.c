/* Parameters of activations. In the graph they are u8 throughout: s8 ones are the same numbers at +128. */
#include "passes/convert.h"
#include "passes/range.h"

struct ig_qid ig_activation_qparam(struct ig_graph *g, const struct ig_qspec *spec, float lo, float hi)
{
	int32_t zp, qmin, qmax, offset = ig_dtypes[spec->dtype].is_signed ? 128 : 0;
	float scale;
	ig_qspec_limits(spec, &qmin, &qmax);
	if (spec->dtype == IG_DT_S16) /* of a pair of bytes, that convert_wide.c makes */
		offset = 0;
	ig_qspec_params(spec, lo, hi, &scale, &zp);
	return ig_graph_qparam1(g, spec->dtype == IG_DT_S16 ? IG_DT_S16 : IG_DT_U8, scale, zp + offset, qmin + offset, qmax + offset);
}

struct ig_qspec ig_result_qspec(const struct ig_qconfig *q, enum ig_op op)
{
	struct ig_qspec spec = q->act;
	bool unit = op == IG_OP_SIGMOID || op == IG_OP_SOFTMAX;
	if (!q->fixed_ranges || (!unit && op != IG_OP_TANH))
		return spec;
	return (struct ig_qspec){.dtype = IG_DT_U8, .observer = IG_OBS_FIXED, .scale = unit ? 1.0 / 256 : 2.0 / 256, .zero_point = unit ? 0 : 128};
}
