/* Questions about a compiled model. */
#include "runtime/ig_runtime.h"

int ig_model_supported(const struct ig_model_desc *m)
{
	return m && m->version == IG_MODEL_VERSION && (m->cpu_features & ~ig_cpu_features()) == 0;
}

int ig_model_prepare(const struct ig_model_desc *m)
{
	return ig_model_supported(m) && ig_cpu_permit(m->cpu_features);
}
