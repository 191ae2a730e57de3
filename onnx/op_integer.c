/* Operators of dynamic quantization: parameters found at run time, products of integers. */
#include "onnx/ops.h"

#include <math.h>
#include <string.h>

#define EXACT ((double)(1 << 24)) /* integers below this are exact in float */

static struct ig_vid cast(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, enum ig_dtype to)
{
	if (v.i < 0)
		return v;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CAST, suffix, &v, 1);
	ig_attr_set_str(n->s->graph, id, IG_A_TO, ig_dtypes[to].name);
	return ig_onnx_done(n, id);
}

static struct ig_vid two(struct ig_onnx_node *n, enum ig_op op, const char *suffix, struct ig_vid a, struct ig_vid b)
{
	return ig_onnx_op(n, op, suffix, (struct ig_vid[]){a, b}, 2);
}

static struct ig_vid number(struct ig_onnx_node *n, const char *suffix, double v) { return ig_onnx_scalar(n, suffix, IG_DT_F32, v); }

bool ig_onnx_dynamic_quantize(struct ig_onnx_node *n)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	if (x.i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_DYNAMIC_QUANTIZE, NULL, &x, 1);
	if (ig_onnx_done(n, id).i < 0)
		return false;
	struct ig_vid y[3];
	for (int i = 0; i < 3; i++)
		y[i] = ig_node(n->s->graph, id)->out[i];
	return ig_onnx_result(n, 0, y[0]) && ig_onnx_result(n, 1, y[1]) && ig_onnx_result(n, 2, y[2]);
}

bool ig_onnx_matmul_integer(struct ig_onnx_node *n)
{
	struct ig_vid in[4] = {ig_onnx_in(n, 0), ig_onnx_in(n, 1), IG_NOVAL, IG_NOVAL};
	int count = ig_onnx_has(n, 3) ? 4 : ig_onnx_has(n, 2) ? 3 : 2;
	for (int i = 2; i < count; i++) {
		if (ig_onnx_has(n, i)) {
			in[i] = ig_onnx_in(n, i);
			continue;
		}
		struct ig_tensor *none = ig_onnx_new_tensor(n->s, n->failed ? IG_DT_U8 : ig_vtype(n->s->graph, in[i - 2])->dtype, 0, NULL);
		in[i] = ig_onnx_constant(n, "zero_point", none);
	}
	return ig_onnx_result(n, 0, ig_onnx_op(n, IG_OP_MATMUL_INTEGER, NULL, in, count));
}

/* The zero point of operand i: a constant of one element, or of one for each of `places`. */
static bool zero_points(struct ig_onnx_node *n, int i, int64_t places, double *out)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, i);
	for (int64_t k = 0; k < places; k++)
		out[k] = 0;
	if (!ig_onnx_has(n, i))
		return true;
	if (!t || (ig_elems(&t->type) != 1 && ig_elems(&t->type) != places))
		return ig_onnx_fail(n, "its zero points must be constants, one or one for each output channel");
	for (int64_t k = 0; k < places; k++)
		out[k] = ig_onnx_tensor_real(t, ig_elems(&t->type) == 1 ? 0 : k);
	return true;
}

/* The weight less its zero points, as floats; NULL after a diagnostic. What it sums up to must stay exact. */
static struct ig_tensor *float_weight(struct ig_onnx_node *n, double largest_input)
{
	const struct ig_tensor *w = ig_onnx_in_const(n, 1);
	if (!w || w->type.rank < 3 || ig_elems(&w->type) == 0) {
		ig_onnx_fail(n, "its weight must be a constant of at least three dimensions");
		return NULL;
	}
	int64_t oc = w->type.dim[0], each = ig_elems(&w->type) / oc;
	double *zp = IG_NEWN(n->s->arena, double, oc);
	struct ig_tensor *f = zero_points(n, 3, oc, zp) ? ig_onnx_new_tensor(n->s, IG_DT_F32, w->type.rank, w->type.dim) : NULL;
	for (int64_t c = 0; f && c < oc; c++) {
		double sum = 0;
		for (int64_t k = 0; k < each; k++) {
			double v = ig_onnx_tensor_real(w, c * each + k) - zp[c];
			((float *)f->data)[c * each + k] = (float)v;
			sum += fabs(v);
		}
		if (!(sum * largest_input < EXACT)) {
			ig_onnx_fail(n, "the sums of output channel %lld can exceed 2^24, which is not supported", (long long)c);
			return NULL;
		}
	}
	return f;
}

/* By a float convolution, which is exact while its sums stay below 2^24. The input's zero point may be found at run time. */
bool ig_onnx_conv_integer(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	struct ig_onnx_window w;
	bool later = ig_onnx_has(n, 2) && !ig_onnx_in_const(n, 2) && !n->failed;
	double zp = 0;
	if (!x || (!later && !zero_points(n, 2, 1, &zp)))
		return false;
	double lo = x->dtype == IG_DT_S8 ? -128 : 0, hi = lo + 255;
	struct ig_tensor *f = float_weight(n, later ? 255 : fmax(fabs(lo - zp), fabs(hi - zp)));
	if (!f || !ig_onnx_window(n, &f->type.dim[2], 2, &w))
		return false;
	if (x->rank != f->type.rank)
		return ig_onnx_fail(n, "the weight and the input have different ranks");
	int64_t groups = ig_onnx_int(n, "group", 1);
	struct ig_vid real = two(n, IG_OP_SUB, "centred", cast(n, ig_onnx_in(n, 0), "real", IG_DT_F32), later ? cast(n, ig_onnx_in(n, 2), "zero_point", IG_DT_F32) : number(n, "zero_point", zp));
	struct ig_vid in[2] = {ig_onnx_rank4(n, real, "unsqueezed"), ig_onnx_rank4(n, ig_onnx_constant(n, "weight", f), "weight.flat")};
	if (n->failed || in[0].i < 0 || in[1].i < 0)
		return false;
	struct ig_nid id = ig_onnx_add(n, IG_OP_CONV2D, NULL, in, 2);
	ig_onnx_window_set(n, id, &w);
	if (groups != 1)
		ig_attr_set_int(n->s->graph, id, IG_A_GROUPS, groups);
	return ig_onnx_result(n, 0, cast(n, ig_onnx_window_done(n, id, &w), "sums", IG_DT_I32));
}
