/* Constants, shapes and what is computed from them alone. */
#include "onnx/ops.h"

#include <math.h>
#include <string.h>

#include "ir/infer_impl.h"

static const struct ig_tensor *vector(struct ig_onnx_node *n, enum ig_dtype dt, int rank, int64_t count, const void *data)
{
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, dt, rank, &count);
	if (t && t->bytes)
		memcpy(t->data, data, t->bytes);
	return t;
}

bool ig_onnx_constant_node(struct ig_onnx_node *n)
{
	const Onnx__AttributeProto *a;
	if (n->p->n_attribute != 1)
		return ig_onnx_fail(n, "it needs one attribute, the value");
	if ((a = ig_onnx_attr(n, "value")) != NULL && a->t)
		return ig_onnx_result_const(n, 0, ig_onnx_tensor(n->s, a->t, ig_arena_printf(n->s->arena, "node '%s' (Constant)", n->name)));
	if ((a = ig_onnx_attr(n, "value_float")) != NULL)
		return ig_onnx_result_const(n, 0, vector(n, IG_DT_F32, 0, 1, &a->f));
	if ((a = ig_onnx_attr(n, "value_int")) != NULL)
		return ig_onnx_result_const(n, 0, vector(n, IG_DT_I64, 0, 1, &a->i));
	if ((a = ig_onnx_attr(n, "value_floats")) != NULL)
		return ig_onnx_result_const(n, 0, vector(n, IG_DT_F32, 1, (int64_t)a->n_floats, a->floats));
	if ((a = ig_onnx_attr(n, "value_ints")) != NULL)
		return ig_onnx_result_const(n, 0, vector(n, IG_DT_I64, 1, (int64_t)a->n_ints, a->ints));
	return ig_onnx_fail(n, "only value, value_float, value_int, value_floats and value_ints are supported");
}

bool ig_onnx_shape(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	if (!x)
		return false;
	int64_t start = ig_onnx_int(n, "start", 0), end = ig_onnx_int(n, "end", x->rank), rank = x->rank;
	start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
	end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
	return ig_onnx_result_const(n, 0, vector(n, IG_DT_I64, 1, end > start ? end - start : 0, &x->dim[start < IG_MAX_RANK ? start : 0]));
}

bool ig_onnx_size(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	int64_t elems = x ? ig_elems(x) : 0;
	return x && ig_onnx_result_const(n, 0, vector(n, IG_DT_I64, 0, 1, &elems));
}

bool ig_onnx_constant_of_shape(struct ig_onnx_node *n)
{
	int64_t dim[IG_MAX_RANK];
	int rank;
	float zero = 0;
	const Onnx__AttributeProto *a = ig_onnx_attr(n, "value");
	const struct ig_tensor *v = a && a->t ? ig_onnx_tensor(n->s, a->t, "the value of ConstantOfShape") : vector(n, IG_DT_F32, 0, 1, &zero);
	if (!v || !ig_onnx_in_ints(n, 0, "shape", dim, IG_MAX_RANK, &rank))
		return false;
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, v->type.dtype, rank, dim);
	if (!t || ig_elems(&v->type) != 1 || ig_dtypes[v->type.dtype].bits < 8)
		return ig_onnx_fail(n, "the shape is too large or negative, or the value is not one number");
	for (size_t i = 0; i < t->bytes; i += v->bytes)
		memcpy((char *)t->data + i, v->data, v->bytes);
	return ig_onnx_result_const(n, 0, t);
}

bool ig_onnx_range(struct ig_onnx_node *n)
{
	double start, limit, delta;
	if (!ig_onnx_in_real(n, 0, "start", &start) || !ig_onnx_in_real(n, 1, "limit", &limit) || !ig_onnx_in_real(n, 2, "delta", &delta))
		return false;
	const struct ig_type type = *ig_onnx_in_type(n, 0);
	double count = ceil((limit - start) / delta);
	if (!(delta != 0) || !(count <= (double)IG_MAX_ELEMS))
		return ig_onnx_fail(n, "from %g to %g by %g is no range", start, limit, delta);
	int64_t elems = count > 0 ? (int64_t)count : 0;
	struct ig_tensor *t = ig_onnx_new_tensor(n->s, type.dtype, 1, &elems);
	for (int64_t i = 0; t && i < elems; i++) {
		switch (type.dtype) {
		case IG_DT_F32: ((float *)t->data)[i] = (float)start + (float)i * (float)delta; break;
		case IG_DT_I32: ((int32_t *)t->data)[i] = (int32_t)(start + (double)i * delta); break;
		case IG_DT_I64: ((int64_t *)t->data)[i] = (int64_t)(start + (double)i * delta); break;
		default: return ig_onnx_fail(n, "ranges of float, int32 and int64 are supported, not of %s", ig_dtypes[type.dtype].name);
		}
	}
	return ig_onnx_result_const(n, 0, t);
}
