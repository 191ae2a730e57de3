/* Resize and Upsample. */
#include "onnx/ops.h"

#include <math.h>
#include <string.h>

struct sizing {
	int64_t size[IG_MAX_RANK];
	double scale[IG_MAX_RANK];
	bool scaled; /* the scales were given: they hold, not the ratio of the sizes */
};
struct cubic {
	double a;
	bool exclude;
	const char *coordinate;
};

/* Numbers of the axes, scales or sizes, into all axes: what is not named stays. */
static bool read_scales(struct ig_onnx_node *n, const struct ig_tensor *t, const struct ig_type *x, const int64_t *axis, int axes, struct sizing *z)
{
	if (ig_elems(&t->type) != axes)
		return ig_onnx_fail(n, "there are %lld scales for %d axes", (long long)ig_elems(&t->type), axes);
	z->scaled = true;
	for (int i = 0; i < axes; i++) {
		double s = ig_onnx_tensor_real(t, i), extent = floor((double)x->dim[axis[i]] * s);
		if (!(s > 0) || !(extent >= 1 && extent <= INT32_MAX))
			return ig_onnx_fail(n, "scale %g of an axis of %lld elements", s, (long long)x->dim[axis[i]]);
		z->scale[axis[i]] = s;
		z->size[axis[i]] = (int64_t)extent;
	}
	return true;
}

static bool read_sizing(struct ig_onnx_node *n, const struct ig_type *x, struct sizing *z)
{
	int64_t axis[IG_MAX_RANK], given[IG_MAX_RANK];
	int axes = -1, count, scales = n->version < 11 ? 1 : 2;
	*z = (struct sizing){.scaled = false};
	for (int i = 0; i < x->rank; i++) {
		z->size[i] = x->dim[i];
		z->scale[i] = 1;
	}
	if (n->version >= 18)
		axes = ig_onnx_ints(n, "axes", axis, IG_MAX_RANK);
	if (axes < 0)
		for (axes = 0; axes < x->rank; axes++)
			axis[axes] = axes;
	for (int i = 0; i < axes; i++) {
		axis[i] += axis[i] < 0 ? x->rank : 0;
		if (axis[i] < 0 || axis[i] >= x->rank)
			return ig_onnx_fail(n, "an axis is outside of the rank %d", x->rank);
	}
	const struct ig_tensor *t = ig_onnx_in_const(n, scales);
	if (t && ig_elems(&t->type) > 0)
		return read_scales(n, t, x, axis, axes, z);
	if (n->version < 11 || !ig_onnx_has(n, 3))
		return ig_onnx_fail(n, "the scales (or sizes) must be known when the model is imported");
	if (!ig_onnx_in_ints(n, 3, "sizes", given, IG_MAX_RANK, &count))
		return false;
	if (count != axes)
		return ig_onnx_fail(n, "there are %d sizes for %d axes", count, axes);
	for (int i = 0; i < axes; i++)
		z->size[axis[i]] = given[i];
	return true;
}

static bool check_mode(struct ig_onnx_node *n, const char *mode, const char *coordinate, struct cubic *c)
{
	bool cubic = strcmp(mode, "cubic") == 0;
	*c = (struct cubic){ig_onnx_real(n, "cubic_coeff_a", -0.75), ig_onnx_int(n, "exclude_outside", 0) != 0, coordinate};
	if (strcmp(mode, "nearest") != 0 && strcmp(mode, "linear") != 0 && !cubic)
		return ig_onnx_fail(n, "modes nearest, linear and cubic are supported, not '%.40s'", mode);
	if (strcmp(coordinate, "tf_crop_and_resize") == 0)
		return ig_onnx_fail(n, "coordinate_transformation_mode tf_crop_and_resize is not supported");
	if (n->version >= 18 && ig_onnx_int(n, "antialias", 0))
		return ig_onnx_fail(n, "antialias is not supported");
	if (n->version >= 18 && strcmp(ig_onnx_str(n, "keep_aspect_ratio_policy", "stretch"), "stretch") != 0)
		return ig_onnx_fail(n, "keep_aspect_ratio_policy stretch is supported, no other");
	ig_onnx_real(n, "extrapolation_value", 0); /* of cropping */
	if (c->exclude && strcmp(mode, "linear") == 0)
		return ig_onnx_fail(n, "exclude_outside is not supported in mode linear");
	return !n->failed;
}

/* Where in the input the place i of the output is. */
static bool source(struct ig_onnx_node *n, const char *mode, double i, double in, double out, double scale, double *x)
{
	if (strcmp(mode, "half_pixel") == 0)
		*x = (i + 0.5) / scale - 0.5;
	else if (strcmp(mode, "pytorch_half_pixel") == 0)
		*x = out > 1 ? (i + 0.5) / scale - 0.5 : 0;
	else if (strcmp(mode, "asymmetric") == 0)
		*x = i / scale;
	else if (strcmp(mode, "align_corners") == 0)
		*x = out > 1 ? i * (in - 1) / (out - 1) : 0;
	else if (strcmp(mode, "half_pixel_symmetric") == 0)
		*x = in / 2 * (1 - out / (scale * in)) + (i + 0.5) / scale - 0.5;
	else
		return ig_onnx_fail(n, "coordinate_transformation_mode %.40s is not supported in mode cubic", mode);
	return true;
}

/* Keys' kernel at distance t. */
static double keys(double t, double a)
{
	t = fabs(t);
	if (t <= 1)
		return ((a + 2) * t - (a + 3)) * t * t + 1;
	return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/* One axis of a cubic resize is a product with a matrix: [out, in], four weights a row. */
static struct ig_tensor *cubic_matrix(struct ig_onnx_node *n, const struct cubic *c, int64_t in, int64_t out, double scale)
{
	struct ig_tensor *m = ig_onnx_new_tensor(n->s, IG_DT_F32, 2, (int64_t[]){out, in});
	for (int64_t i = 0; m && i < out; i++) {
		double x = 0, w[4], sum = 0;
		if (!source(n, c->coordinate, (double)i, (double)in, (double)out, scale, &x))
			return NULL;
		int64_t first = (int64_t)floor(x) - 1;
		for (int k = 0; k < 4; k++) {
			bool outside = first + k < 0 || first + k >= in;
			w[k] = c->exclude && outside ? 0 : keys(x - (double)(first + k), c->a);
			sum += w[k];
		}
		for (int k = 0; k < 4; k++) {
			int64_t at = first + k < 0 ? 0 : first + k >= in ? in - 1 : first + k;
			((float *)m->data)[i * in + at] += (float)(c->exclude ? w[k] / sum : w[k]);
		}
	}
	return m;
}

static bool resize_cubic(struct ig_onnx_node *n, const struct cubic *c, const struct sizing *z)
{
	struct ig_graph *g = n->s->graph;
	struct ig_vid x = ig_onnx_in(n, 0);
	struct ig_type t = x.i < 0 ? (struct ig_type){.rank = 0} : *ig_vtype(g, x);
	bool any = false;
	for (int axis = 0; axis < t.rank; axis++) {
		double scale = z->scaled ? z->scale[axis] : (double)z->size[axis] / (double)t.dim[axis];
		int64_t perm[IG_MAX_RANK];
		if (scale == 1 && z->size[axis] == t.dim[axis])
			continue;
		for (int i = 0; i < t.rank; i++)
			perm[i] = i == axis ? t.rank - 1 : i == t.rank - 1 ? axis : i;
		struct ig_tensor *m = cubic_matrix(n, c, t.dim[axis], z->size[axis], scale);
		if (!m)
			return n->failed ? false : ig_onnx_fail(n, "its sizes are too large");
		const char *name = ig_arena_printf(n->s->arena, "axis%d", axis);
		struct ig_vid w = ig_onnx_constant(n, ig_arena_printf(n->s->arena, "%s.weight", name), m);
		x = axis < t.rank - 1 ? ig_onnx_transpose(n, x, ig_arena_printf(n->s->arena, "%s.last", name), perm) : x;
		x = ig_onnx_op(n, IG_OP_LINEAR, name, (struct ig_vid[]){x, w}, 2);
		x = axis < t.rank - 1 ? ig_onnx_transpose(n, x, ig_arena_printf(n->s->arena, "%s.back", name), perm) : x;
		any = true;
	}
	return any ? ig_onnx_result(n, 0, x) : ig_onnx_result_alias(n, 0, 0);
}

static bool resize(struct ig_onnx_node *n, const char *mode, const char *coordinate, const char *nearest, const struct sizing *z)
{
	struct ig_vid x = ig_onnx_in(n, 0);
	struct ig_graph *g = n->s->graph;
	if (x.i < 0)
		return false;
	int rank = ig_vtype(g, x)->rank;
	struct ig_nid id = ig_onnx_add(n, IG_OP_RESIZE, NULL, &x, 1);
	ig_attr_set_str(g, id, IG_A_MODE, mode);
	ig_attr_set_ints(g, id, IG_A_SIZES, z->size, rank);
	if (z->scaled)
		ig_attr_set_floats(g, id, IG_A_SCALES, z->scale, rank);
	ig_attr_set_str(g, id, IG_A_COORDINATE, coordinate);
	if (strcmp(mode, "nearest") == 0)
		ig_attr_set_str(g, id, IG_A_NEAREST_MODE, nearest);
	return ig_onnx_result(n, 0, ig_onnx_done(n, id));
}

bool ig_onnx_resize(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	struct sizing z;
	bool old = n->version < 11;
	const char *mode = ig_onnx_str(n, "mode", "nearest");
	const char *coordinate = old ? "asymmetric" : ig_onnx_str(n, "coordinate_transformation_mode", "half_pixel");
	const char *nearest = old ? "floor" : ig_onnx_str(n, "nearest_mode", "round_prefer_floor");
	struct cubic c;
	if (strcmp(coordinate, "tf_half_pixel_for_nn") == 0)
		coordinate = "tf_half_pixel";
	if (!x || !check_mode(n, mode, coordinate, &c))
		return false;
	struct ig_type t = *x;
	if (!read_sizing(n, &t, &z))
		return false;
	return strcmp(mode, "cubic") == 0 ? resize_cubic(n, &c, &z) : resize(n, mode, coordinate, nearest, &z);
}

bool ig_onnx_upsample(struct ig_onnx_node *n)
{
	const struct ig_type *x = ig_onnx_in_type(n, 0);
	struct sizing z = {.scaled = false};
	const char *mode = ig_onnx_str(n, "mode", "nearest");
	struct cubic c;
	if (!x || !check_mode(n, mode, "asymmetric", &c))
		return false;
	if (strcmp(mode, "cubic") == 0)
		return ig_onnx_fail(n, "mode cubic is not supported");
	struct ig_type t = *x;
	if (n->version >= 9)
		return read_sizing(n, &t, &z) && resize(n, mode, "asymmetric", "floor", &z);
	const Onnx__AttributeProto *a = ig_onnx_attr(n, "scales");
	if (!a || a->n_floats != (size_t)t.rank)
		return ig_onnx_fail(n, "there must be one scale for each axis");
	struct ig_tensor *s = ig_onnx_new_tensor(n->s, IG_DT_F32, 1, (int64_t[]){t.rank});
	int64_t axis[IG_MAX_RANK];
	for (int i = 0; i < t.rank; i++) {
		((float *)s->data)[i] = a->floats[i];
		axis[i] = i;
		z.size[i] = t.dim[i];
	}
	return read_scales(n, s, &t, axis, t.rank, &z) && resize(n, mode, "asymmetric", "floor", &z);
}
