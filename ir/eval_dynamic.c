/* dynamic_quantize: the integers, scale and zero point of a tensor, as results of their own. */
#include "ir/dynamic.h"
#include "ir/eval.h"
#include "runtime/qmath.h"

#define LEVELS 255

void ig_eval_dynamic_quantize(struct ig_eval *e)
{
	const float *x = e->in[0]->data;
	int64_t n = ig_elems(&e->in[0]->type);
	int32_t zero;
	float scale = ig_dynamic_params(x, n, LEVELS, &zero);
	for (int64_t i = 0; i < n; i++)
		((uint8_t *)e->out->data)[i] = (uint8_t)ig_quantize(x[i], scale, zero, 0, LEVELS);
	*(float *)e->outs[1]->data = scale;
	*(uint8_t *)e->outs[2]->data = (uint8_t)zero;
}
