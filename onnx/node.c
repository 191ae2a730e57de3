/* What the import functions read their nodes with, and add operations with. */
#include "onnx/import.h"

#include "ir/fold.h"
#include "ir/infer.h"

#include <stdlib.h>
#include <string.h>

bool ig_onnx_fail(struct ig_onnx_node *n, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	ig_error(n->s->diag, n->s->loc, "node '%s' (%s): %s", n->name, n->p->op_type, text);
	n->failed = true;
	return false;
}

/* ---- operands ---- */

bool ig_onnx_has(const struct ig_onnx_node *n, int i) { return i < (int)n->p->n_input && n->p->input[i][0] != 0; }

static struct ig_onnx_value *operand(struct ig_onnx_node *n, int i)
{
	if (!ig_onnx_has(n, i)) {
		ig_onnx_fail(n, "operand %d is missing", i + 1);
		return NULL;
	}
	return ig_onnx_find(n->s, n->p->input[i]); /* the caller of the import function has made sure of it */
}

struct ig_vid ig_onnx_in(struct ig_onnx_node *n, int i)
{
	struct ig_onnx_value *v = operand(n, i);
	if (!v)
		return IG_NOVAL;
	struct ig_vid id = ig_onnx_value_vid(n->s, v);
	if (id.i < 0 && !v->bad)
		ig_onnx_fail(n, "operand '%s' is an empty tensor", v->name);
	n->failed = n->failed || id.i < 0;
	return id;
}

const struct ig_type *ig_onnx_in_type(struct ig_onnx_node *n, int i)
{
	struct ig_onnx_value *v = operand(n, i);
	if (!v)
		return NULL;
	const struct ig_tensor *t = ig_onnx_value_const(n->s, v);
	n->failed = n->failed || (!t && v->v.i < 0);
	return t ? &t->type : v->v.i >= 0 ? ig_vtype(n->s->graph, v->v) : NULL;
}

const struct ig_tensor *ig_onnx_in_const(struct ig_onnx_node *n, int i)
{
	return ig_onnx_has(n, i) ? ig_onnx_value_const(n->s, operand(n, i)) : NULL;
}

bool ig_onnx_in_ints(struct ig_onnx_node *n, int i, const char *what, int64_t *out, int max, int *count)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, i);
	if (!t)
		return ig_onnx_fail(n, "the %s must be known when the model is imported, but '%s' is computed from the inputs", what,
		                    ig_onnx_has(n, i) ? n->p->input[i] : "");
	int64_t elems = ig_elems(&t->type);
	if (elems > max)
		return ig_onnx_fail(n, "the %s has %lld elements; at most %d are supported", what, (long long)elems, max);
	*count = (int)elems;
	for (int k = 0; k < *count; k++)
		if (!ig_onnx_tensor_int(t, k, &out[k]))
			return ig_onnx_fail(n, "the %s must be integers, not %s", what, ig_dtypes[t->type.dtype].name);
	return true;
}

bool ig_onnx_in_real(struct ig_onnx_node *n, int i, const char *what, double *out)
{
	const struct ig_tensor *t = ig_onnx_in_const(n, i);
	if (!t)
		return ig_onnx_fail(n, "the %s must be known when the model is imported, but '%s' is computed from the inputs", what,
		                    ig_onnx_has(n, i) ? n->p->input[i] : "");
	if (ig_elems(&t->type) != 1)
		return ig_onnx_fail(n, "the %s must be one number, not %s", what, ig_type_str(n->s->arena, &t->type));
	*out = ig_onnx_tensor_real(t, 0);
	return true;
}

/* ---- attributes ---- */

const Onnx__AttributeProto *ig_onnx_attr(struct ig_onnx_node *n, const char *name)
{
	for (size_t i = 0; i < n->p->n_attribute; i++) {
		const Onnx__AttributeProto *a = n->p->attribute[i];
		if (a->name && strcmp(a->name, name) == 0) {
			n->asked[i] = true;
			return a;
		}
	}
	return NULL;
}

/* Models of the first versions have no type on their attributes. */
static const Onnx__AttributeProto *attr_of(struct ig_onnx_node *n, const char *name, Onnx__AttributeProto__AttributeType type, const char *what)
{
	const Onnx__AttributeProto *a = ig_onnx_attr(n, name);
	if (a && a->has_type && a->type != type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) {
		ig_onnx_fail(n, "attribute %s must be %s", name, what);
		return NULL;
	}
	return a;
}

int64_t ig_onnx_int(struct ig_onnx_node *n, const char *name, int64_t dflt)
{
	const Onnx__AttributeProto *a = attr_of(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, "an integer");
	return a ? a->i : dflt;
}

double ig_onnx_decimal(float f)
{
	char text[40];
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, (double)f);
		if (strtof(text, NULL) == f)
			return strtod(text, NULL);
	}
	return (double)f; /* NaN */
}

double ig_onnx_real(struct ig_onnx_node *n, const char *name, double dflt)
{
	const Onnx__AttributeProto *a = attr_of(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, "a number");
	return a ? ig_onnx_decimal(a->f) : dflt;
}

const char *ig_onnx_str(struct ig_onnx_node *n, const char *name, const char *dflt)
{
	const Onnx__AttributeProto *a = attr_of(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, "a string");
	return a ? ig_arena_strndup(n->s->arena, a->s.data ? (const char *)a->s.data : "", a->s.len) : dflt;
}

int ig_onnx_ints(struct ig_onnx_node *n, const char *name, int64_t *out, int max)
{
	const Onnx__AttributeProto *a = attr_of(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, "a list of integers");
	if (!a)
		return -1;
	if (a->n_ints > (size_t)max) {
		ig_onnx_fail(n, "attribute %s has %zu integers; at most %d are supported", name, a->n_ints, max);
		return -1;
	}
	for (size_t i = 0; i < a->n_ints; i++)
		out[i] = a->ints[i];
	return (int)a->n_ints;
}

/* ---- operations ---- */

struct ig_nid ig_onnx_add(struct ig_onnx_node *n, enum ig_op op, const char *suffix, const struct ig_vid *in, int n_in)
{
	const char *name = ig_onnx_clean_name(n->s, n->name);
	return ig_graph_add(n->s->graph, op, suffix ? ig_arena_printf(n->s->arena, "%s.%s", name, suffix) : name, n->s->loc, in, n_in);
}

static bool foldable(const struct ig_graph *g, struct ig_nid id)
{
	const struct ig_node *node = ig_node(g, id);
	for (int i = 0; i < node->n_in; i++)
		if (!ig_const_data(g, node->in[i]))
			return false;
	return node->n_in > 0 && node->n_out == 1 && ig_elems(ig_vtype(g, node->out[0])) <= IG_ONNX_MAX_FOLDED && node->op != IG_OP_QUANTIZE && node->op != IG_OP_DEQUANTIZE && node->op != IG_OP_REQUANTIZE;
}

/* Operators that would take the integers of a quantized tensor for numbers. */
static bool misreads(const struct ig_graph *g, const struct ig_node *node)
{
	bool quantized = false;
	for (int i = 0; i < node->n_in; i++)
		quantized |= ig_vtype(g, node->in[i])->q.i >= 0;
	return quantized && node->op != IG_OP_DEQUANTIZE && !ig_onnx_moves(node);
}

struct ig_vid ig_onnx_done(struct ig_onnx_node *n, struct ig_nid id)
{
	struct ig_graph *g = n->s->graph;
	if (misreads(g, ig_node(g, id))) {
		ig_onnx_fail(n, "it computes on the integers of a quantized tensor, which only the quantized operators do; is a DequantizeLinear missing?");
		return IG_NOVAL;
	}
	if (!ig_infer_node(g, id, n->s->diag) || (foldable(g, id) && !ig_fold_node(g, id, n->s->diag))) {
		n->failed = true;
		return IG_NOVAL;
	}
	return ig_node(g, id)->out[0];
}

struct ig_vid ig_onnx_op(struct ig_onnx_node *n, enum ig_op op, const char *suffix, const struct ig_vid *in, int n_in)
{
	for (int i = 0; i < n_in; i++)
		if (in[i].i < 0)
			return IG_NOVAL;
	return ig_onnx_done(n, ig_onnx_add(n, op, suffix, in, n_in));
}

struct ig_vid ig_onnx_constant(struct ig_onnx_node *n, const char *suffix, const struct ig_tensor *t)
{
	struct ig_tensor *copy = ig_tensor_new(n->s->graph->arena, &t->type);
	memcpy(copy->data, t->data, t->bytes);
	const char *name = ig_onnx_clean_name(n->s, n->name);
	return ig_graph_constant(n->s->graph, IG_NONODE, suffix ? ig_arena_printf(n->s->arena, "%s.%s", name, suffix) : name, n->s->loc, copy);
}

/* ---- results ---- */

bool ig_onnx_wants(const struct ig_onnx_node *n, int i) { return i < (int)n->p->n_output && n->p->output[i][0] != 0; }

bool ig_onnx_result(struct ig_onnx_node *n, int i, struct ig_vid v)
{
	if (v.i < 0)
		return false;
	if (ig_onnx_wants(n, i))
		ig_onnx_define(n->s, n->p->output[i])->v = v;
	return true;
}

bool ig_onnx_result_const(struct ig_onnx_node *n, int i, const struct ig_tensor *t)
{
	if (!t)
		return false;
	if (ig_onnx_wants(n, i))
		ig_onnx_define(n->s, n->p->output[i])->t = t;
	return true;
}

bool ig_onnx_result_alias(struct ig_onnx_node *n, int i, int k)
{
	const struct ig_onnx_value *v = operand(n, k);
	if (!v)
		return false;
	if (ig_onnx_wants(n, i)) {
		struct ig_onnx_value copy = *v;
		struct ig_onnx_value *to = ig_onnx_define(n->s, n->p->output[i]);
		copy.name = to->name;
		*to = copy;
	}
	return true;
}
