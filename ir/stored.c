#include "ir/stored.h"

#include "ir/dynamic.h"
#include "ir/number.h"

bool ig_has_stored_weights(const struct ig_graph *g, const struct ig_node *n)
{
	return ig_ops[n->op].quant == IG_QC_COMPUTE && !ig_dynamic_levels(n) && ig_vtype(g, n->in[0])->q.i < 0 && ig_vtype(g, n->in[1])->dtype != IG_DT_F32;
}

static bool is_half(enum ig_dtype dt) { return dt == IG_DT_F16 || dt == IG_DT_BF16; }

const char *ig_check_stored(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_type *w = ig_vtype(g, n->in[1]);
	const struct ig_qparam *q = ig_qparam(g, w->q);
	if (n->op == IG_OP_DEPTHWISE_CONV2D || n->op == IG_OP_DEPTHWISE_CONV2D_ADD)
		return "its input is float32, so its weights must be";
	if (is_half(w->dtype) && !q)
		return NULL;
	if ((w->dtype != IG_DT_S8 && w->dtype != IG_DT_S4) || !q)
		return "its weights must be float32, f16, bf16, or s8 or s4 with scales";
	for (int64_t i = 0; i < q->n; i++)
		if (q->zero_point[i] != 0)
			return "its weight must have zero point 0";
	if (q->group == 0)
		return q->axis == 0 || q->axis == -1 ? NULL : "its weight must have one scale, one for each output channel, or groups along axis 1";
	for (int i = 2; i < w->rank; i++)
		if (w->dim[i] != 1)
			return "its weight can have groups only when its kernel is of one element";
	if (ig_attr_int(n, IG_A_GROUPS, 1) != 1)
		return "its weight can have groups only when the convolution has none";
	return q->axis == 1 ? NULL : "the groups of its weight must be along axis 1";
}

int64_t ig_qparam_index(const struct ig_qparam *q, const struct ig_type *t, int64_t i)
{
	int64_t inner = 1;
	if (q->axis < 0)
		return 0;
	for (int k = q->axis + 1; k < t->rank; k++)
		inner *= t->dim[k];
	int64_t places = t->dim[q->axis], at = i / inner % places, outer = i / inner / places;
	if (!q->group)
		return at;
	return (outer * ((places + q->group - 1) / q->group) + at / q->group) * inner + i % inner;
}

float ig_stored_float(const struct ig_tensor *t, const struct ig_qparam *q, int64_t i)
{
	if (!q)
		return ig_get_float(t, i);
	return (float)ig_get_int(t, i) * q->scale[ig_qparam_index(q, &t->type, i)];
}
