/* Inference of functions of one and two numbers: element types by operation, shapes by broadcasting. */
#include "ir/infer_impl.h"
#include "ir/number.h"

#include <math.h>
#include <string.h>

/* "f32, f64 or bool" */
static const char *list_types(struct ig_arena *a, unsigned types)
{
	const char *s = "";
	for (int i = 0; i < IG_DT_COUNT; i++) {
		if (!(types & IG_TYPE_BIT(i)))
			continue;
		types &= ~IG_TYPE_BIT(i);
		s = ig_arena_printf(a, "%s%s%s", s, !*s ? "" : types ? ", " : " or ", ig_dtypes[i].name);
	}
	return s;
}

bool ig_infer_types(const struct ig_graph *g, const struct ig_node *n, int i, unsigned types, struct ig_diag *d)
{
	const struct ig_type *t = ig_vtype(g, n->in[i]);
	bool quantized = t->q.i >= 0, may = ig_ops[n->op].quant != IG_QC_NONE;
	if (quantized ? may : (types & IG_TYPE_BIT(t->dtype)) != 0)
		return true;
	if (types == IG_TYPE_BIT(IG_DT_F32) || (types & ~IG_TYPES_SIGNED) == IG_TYPES_FLOAT)
		ig_error(d, n->loc, "%s '%s' needs an f32 operand, but '%s' is %s%s%s", ig_ops[n->op].name, n->name, ig_value(g, n->in[i])->name,
		         quantized ? "quantized " : "", ig_infer_shape(g, n->in[i]),
		         quantized               ? "; dequantize it first"
		         : t->dtype == IG_DT_U8 ? "; turn bytes into numbers with normalize(...) first"
		                                : "; cast(..., to: f32) makes one of it");
	else
		ig_error(d, n->loc, "%s '%s' takes %s, but '%s' is %s%s", ig_ops[n->op].name, n->name, list_types(g->arena, types), ig_value(g, n->in[i])->name,
		         quantized ? "quantized " : "", ig_infer_shape(g, n->in[i]));
	return false;
}

static bool finite_attr(const struct ig_node *n, enum ig_attr_id id, struct ig_diag *d)
{
	double v = ig_attr_float(n, id, 0);
	if (isfinite((float)v))
		return true;
	ig_error(d, n->loc, "%s '%s': %s must be finite", ig_ops[n->op].name, n->name, ig_attrs[id].name);
	return false;
}

static bool unary_of(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, unsigned types)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_types(g, n, 0, types, d) || !finite_attr(n, IG_A_ALPHA, d) || !finite_attr(n, IG_A_BETA, d) || !finite_attr(n, IG_A_GAMMA, d))
		return false;
	*out = *ig_vtype(g, n->in[0]);
	if (out->q.i >= 0)
		out->dtype = IG_DT_F32;
	out->q = IG_NOQ;
	return true;
}

/* An operation on floats of any width, or on numbers of any type. */
static bool on_floats(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return unary_of(g, id, d, out, IG_TYPES_FLOAT); }
static bool on_signed(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return unary_of(g, id, d, out, IG_TYPES_FLOAT | IG_TYPES_SIGNED);
}
static bool on_numbers(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return ig_infer_bounds(ig_node(g, id), d) && unary_of(g, id, d, out, IG_TYPES_NUMBER);
}

bool ig_infer_relu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_signed(g, id, d, out); }
bool ig_infer_relu6(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_signed(g, id, d, out); }
bool ig_infer_clip(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_numbers(g, id, d, out); }
bool ig_infer_neg(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_signed(g, id, d, out); }
bool ig_infer_abs(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_numbers(g, id, d, out); }
bool ig_infer_sign(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_numbers(g, id, d, out); }
bool ig_infer_leaky_relu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_sigmoid(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_tanh(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_hard_swish(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_hard_sigmoid(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_elu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_selu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_softplus(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_softsign(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_thresholded_relu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_mish(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_erf(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_exp(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_log(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_sqrt(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_reciprocal(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_floor(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_ceil(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_round(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_sin(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }
bool ig_infer_cos(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return on_floats(g, id, d, out); }

bool ig_infer_celu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if ((float)ig_attr_float(n, IG_A_ALPHA, 1) == 0.0f) {
		ig_error(d, n->loc, "celu '%s': alpha must not be 0, x is divided by it", n->name);
		return false;
	}
	return on_floats(g, id, d, out);
}

bool ig_infer_gelu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const char *how = ig_attr_str(n, IG_A_APPROXIMATE, "none");
	if (strcmp(how, "none") != 0 && strcmp(how, "tanh") != 0) {
		ig_error(d, n->loc, "gelu '%s': approximate is none or tanh, not '%s'", n->name, how);
		return false;
	}
	return on_floats(g, id, d, out);
}

static bool test_of(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, unsigned types)
{
	if (!unary_of(g, id, d, out, types))
		return false;
	out->dtype = IG_DT_BOOL;
	return true;
}

bool ig_infer_logical_not(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return test_of(g, id, d, out, IG_TYPES_BOOL); }
bool ig_infer_is_nan(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return test_of(g, id, d, out, IG_TYPES_FLOAT); }
bool ig_infer_is_inf(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return test_of(g, id, d, out, IG_TYPES_FLOAT); }

bool ig_infer_cast(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	const char *to = ig_attr_str(n, IG_A_TO, NULL);
	enum ig_dtype dt = IG_DT_F32;
	if (!to || !ig_dtype_find(to, &dt)) {
		ig_error(d, n->loc, "cast '%s' needs to: and an element type (f32, i64, bool, ...)", n->name);
		return false;
	}
	if (!unary_of(g, id, d, out, IG_TYPES_ANY | IG_TYPES_NIBBLE))
		return false;
	out->dtype = dt;
	return true;
}

/* NumPy's broadcasting: shapes aligned at the end, extents equal or 1. The element type is operand 0's. */
static bool broadcast(const struct ig_graph *g, const struct ig_node *n, struct ig_diag *d, struct ig_type *out)
{
	*out = *ig_vtype(g, n->in[0]);
	for (int k = 1; k < n->n_in; k++) {
		struct ig_type a = *out;
		const struct ig_type *b = ig_vtype(g, n->in[k]);
		out->rank = a.rank > b->rank ? a.rank : b->rank;
		for (int i = 0; i < out->rank; i++) {
			int ia = i - (out->rank - a.rank), ib = i - (out->rank - b->rank);
			int64_t da = ia < 0 ? 1 : a.dim[ia], db = ib < 0 ? 1 : b->dim[ib];
			if (da != db && da != 1 && db != 1) {
				ig_error(d, n->loc, "%s '%s': %s and %s cannot be broadcast to one shape", ig_ops[n->op].name, n->name, ig_type_str(g->arena, &a),
				         ig_infer_shape(g, n->in[k]));
				return false;
			}
			out->dim[i] = da > db ? da : db;
		}
	}
	if (out->q.i >= 0)
		out->dtype = IG_DT_F32;
	out->q = IG_NOQ;
	return true;
}

/* Operands `first` and the one after it have one element type. */
static bool same_types(const struct ig_graph *g, const struct ig_node *n, int first, struct ig_diag *d)
{
	const struct ig_type *a = ig_vtype(g, n->in[first]), *b = ig_vtype(g, n->in[first + 1]);
	if (a->dtype == b->dtype || a->q.i >= 0 || b->q.i >= 0)
		return true;
	ig_error(d, n->loc, "%s '%s': its operands are %s and %s; cast one of them", ig_ops[n->op].name, n->name, ig_infer_shape(g, n->in[first]),
	         ig_infer_shape(g, n->in[first + 1]));
	return false;
}

static bool binary_of(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, unsigned types)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_types(g, n, 0, types, d) || !ig_infer_types(g, n, 1, types, d) || !same_types(g, n, 0, d) || !ig_infer_bounds(n, d))
		return false;
	if ((ig_attr(n, IG_A_MIN) || ig_attr(n, IG_A_MAX)) && !(ig_vtype(g, n->in[0])->q.i >= 0 || ig_vtype(g, n->in[0])->dtype == IG_DT_F32)) {
		ig_error(d, n->loc, "%s '%s': bounds are for f32; clip(...) is for other types", ig_ops[n->op].name, n->name);
		return false;
	}
	return broadcast(g, n, d, out);
}

static bool arithmetic(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return binary_of(g, id, d, out, IG_TYPES_NUMBER); }

bool ig_infer_add(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_sub(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_mul(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_div(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_pow(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_mod(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_minimum(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_maximum(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }
bool ig_infer_prelu(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return arithmetic(g, id, d, out); }

static bool comparison(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out, unsigned types)
{
	if (!binary_of(g, id, d, out, types))
		return false;
	out->dtype = IG_DT_BOOL;
	return true;
}

bool ig_infer_equal(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_ANY); }
bool ig_infer_less(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_NUMBER); }
bool ig_infer_greater(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_NUMBER); }
bool ig_infer_less_equal(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return comparison(g, id, d, out, IG_TYPES_NUMBER);
}
bool ig_infer_greater_equal(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	return comparison(g, id, d, out, IG_TYPES_NUMBER);
}
bool ig_infer_logical_and(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_BOOL); }
bool ig_infer_logical_or(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_BOOL); }
bool ig_infer_logical_xor(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out) { return comparison(g, id, d, out, IG_TYPES_BOOL); }

bool ig_infer_where(struct ig_graph *g, struct ig_nid id, struct ig_diag *d, struct ig_type *out)
{
	const struct ig_node *n = ig_node(g, id);
	if (!ig_infer_types(g, n, 0, IG_TYPES_BOOL, d) || !ig_infer_types(g, n, 1, IG_TYPES_ANY, d) || !ig_infer_types(g, n, 2, IG_TYPES_ANY, d) ||
	    !same_types(g, n, 1, d) || !broadcast(g, n, d, out))
		return false;
	out->dtype = ig_vtype(g, n->in[1])->dtype;
	return true;
}
