/* The graph as an ONNX file: quantized values become QuantizeLinear and DequantizeLinear around the float operators, with the graph's parameters. */
#include "onnx/export.h"
#include "ir/stored.h"

#include "ir/outfile.h"
#include "onnx/import.h"
#include "onnx/onnx.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define OPSET 14 /* 13 has scales for each channel, 14 HardSwish */
#define IR_VERSION 8

/* ---- names ---- */

const char *ig_ox_name(struct ig_onnx_export *x, const char *base, const char *suffix)
{
	const char *name = ig_internf(x->names, "%s%s", base, suffix);
	for (int i = 1; ig_symtab_find(&x->taken, name); i++)
		name = ig_internf(x->names, "%s%s_%d", base, suffix, i);
	*ig_symtab_at(&x->taken, name, 1) = 1;
	return name;
}

/* ---- messages; the writer of protobuf-c wants pointers that are not const, but changes nothing ---- */

static char *text(const char *s) { return (char *)(uintptr_t)s; }

const char *ig_ox_init(struct ig_onnx_export *x, const char *base, enum ig_dtype dt, int rank, const int64_t *dim, const void *data)
{
	struct ig_type t = ig_type_make(dt, rank, dim);
	Onnx__TensorProto *p = IG_NEW(x->arena, Onnx__TensorProto);
	onnx__tensor_proto__init(p);
	const char *name = ig_ox_name(x, base, "");
	size_t bytes = 0;
	if (!ig_type_bytes(&t, &bytes))
		IG_BUG("a constant's size overflows");
	p->name = text(name);
	p->n_dims = (size_t)rank;
	p->dims = IG_NEWN(x->arena, int64_t, rank ? rank : 1);
	if (rank)
		memcpy(p->dims, dim, (size_t)rank * sizeof *dim);
	p->has_data_type = p->has_raw_data = 1;
	p->data_type = ig_onnx_dtype_code(dt);
	p->raw_data.data = (uint8_t *)(uintptr_t)data;
	p->raw_data.len = bytes;
	ig_vec_push(&x->init, p);
	return name;
}

const char *ig_ox_ints(struct ig_onnx_export *x, const char *base, const int64_t *v, int n)
{
	int64_t *copy = IG_NEWN(x->arena, int64_t, n ? n : 1), dim = n;
	memcpy(copy, v, (size_t)n * sizeof *v);
	return ig_ox_init(x, base, IG_DT_I64, 1, &dim, copy);
}

const char *ig_ox_float(struct ig_onnx_export *x, const char *base, double v)
{
	float *f = IG_NEW(x->arena, float);
	*f = (float)v;
	return ig_ox_init(x, base, IG_DT_F32, 0, NULL, f);
}

const char *ig_ox_node(struct ig_onnx_export *x, const char *op, const char *name, const char *const *in, int n_in, const char *out)
{
	Onnx__NodeProto *p = IG_NEW(x->arena, Onnx__NodeProto);
	onnx__node_proto__init(p);
	p->op_type = text(op);
	p->name = text(ig_ox_name(x, name, ""));
	p->n_input = (size_t)n_in;
	p->input = IG_NEWN(x->arena, char *, n_in ? n_in : 1);
	for (int i = 0; i < n_in; i++)
		p->input[i] = text(in[i]);
	p->n_output = 1;
	p->output = IG_NEW(x->arena, char *);
	p->output[0] = text(out ? out : ig_ox_name(x, p->name, "_output"));
	ig_vec_push(&x->node, p);
	return p->output[0];
}

static Onnx__AttributeProto *attribute(struct ig_onnx_export *x, const char *name, Onnx__AttributeProto__AttributeType type)
{
	Onnx__NodeProto *n = x->node.v[x->node.n - 1];
	Onnx__AttributeProto **list = IG_NEWN(x->arena, Onnx__AttributeProto *, n->n_attribute + 1), *a = IG_NEW(x->arena, Onnx__AttributeProto);
	onnx__attribute_proto__init(a);
	a->name = text(name);
	a->has_type = 1;
	a->type = type;
	if (n->n_attribute)
		memcpy(list, n->attribute, n->n_attribute * sizeof *list);
	list[n->n_attribute++] = a;
	n->attribute = list;
	return a;
}

void ig_ox_attr_int(struct ig_onnx_export *x, const char *name, int64_t v)
{
	Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
	a->has_i = 1;
	a->i = v;
}

void ig_ox_attr_float(struct ig_onnx_export *x, const char *name, double v)
{
	Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
	a->has_f = 1;
	a->f = (float)v;
}

void ig_ox_attr_ints(struct ig_onnx_export *x, const char *name, const int64_t *v, int n)
{
	Onnx__AttributeProto *a = attribute(x, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
	a->n_ints = (size_t)n;
	a->ints = IG_NEWN(x->arena, int64_t, n ? n : 1);
	memcpy(a->ints, v, (size_t)n * sizeof *v);
}

/* ---- quantized values ---- */

/* Scale and zero point as initializers: in[1], in[2] of a quantize or dequantize node. */
static void params(struct ig_onnx_export *x, const struct ig_qparam *q, const char *base, const char *in[3])
{
	int rank = q->axis >= 0;
	size_t w = (size_t)ig_dtypes[q->dtype].bits / 8;
	uint8_t *zero = IG_NEWN(x->arena, uint8_t, (size_t)q->n * w);
	for (int64_t i = 0; i < q->n; i++)
		memcpy(zero + (size_t)i * w, &q->zero_point[i], w); /* little endian */
	in[1] = ig_ox_init(x, ig_arena_printf(x->arena, "%s_scale", base), IG_DT_F32, rank, &q->n, q->scale);
	in[2] = ig_ox_init(x, ig_arena_printf(x->arena, "%s_zero_point", base), q->dtype, rank, &q->n, zero);
}

static const char *dequantize(struct ig_onnx_export *x, const char *integer, const struct ig_qparam *q, const char *base, const char *out)
{
	const char *in[3] = {integer};
	params(x, q, ig_arena_printf(x->arena, "%s_dequantize", base), in);
	const char *y = ig_ox_node(x, "DequantizeLinear", ig_arena_printf(x->arena, "%s_dequantize", base), in, 3, out);
	if (q->axis >= 0)
		ig_ox_attr_int(x, "axis", q->axis);
	return y;
}

static void constant(struct ig_onnx_export *x, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(x->g, v);
	const char *name = ig_ox_init(x, ig_value(x->g, v)->name, t->type.dtype, t->type.rank, t->type.dim, t->data);
	*(ig_vtype(x->g, v)->q.i >= 0 ? &x->integer[v.i] : &x->number[v.i]) = name;
}

/* Weights of halves, of four bits or with groups become the float32 numbers they stand for. */
static const char *stored_numbers(struct ig_onnx_export *x, struct ig_vid v)
{
	const struct ig_tensor *t = ig_const_data(x->g, v);
	int64_t n = ig_elems(&t->type);
	float *f = IG_NEWN(x->arena, float, n);
	for (int64_t i = 0; i < n; i++)
		f[i] = ig_stored_float(t, ig_qparam(x->g, ig_vtype(x->g, v)->q), i);
	return ig_ox_init(x, ig_value(x->g, v)->name, IG_DT_F32, t->type.rank, t->type.dim, f);
}

/* A bias of integers: the scale is that of the sums. */
static const char *bias(struct ig_onnx_export *x, const struct ig_node *n)
{
	const struct ig_qparam *a = ig_qparam(x->g, ig_vtype(x->g, n->in[0])->q), *w = ig_qparam(x->g, ig_vtype(x->g, n->in[1])->q);
	const struct ig_tensor *t = ig_const_data(x->g, n->in[2]);
	int64_t oc = t->type.dim[0];
	float *scale = IG_NEWN(x->arena, float, oc);
	struct ig_qparam q = {.dtype = IG_DT_I32, .axis = 0, .n = oc, .scale = scale, .zero_point = IG_NEWN(x->arena, int32_t, oc)};
	for (int64_t c = 0; c < oc; c++)
		scale[c] = a->scale[0] * w->scale[w->n == 1 ? 0 : c];
	return dequantize(x, x->number[n->in[2].i], &q, ig_value(x->g, n->in[2])->name, NULL);
}

const char *ig_ox_in(struct ig_onnx_export *x, const struct ig_node *n, int i)
{
	struct ig_vid v = n->in[i];
	const struct ig_type *t = ig_vtype(x->g, v);
	if (i == 1 && ig_ops[n->op].quant == IG_QC_COMPUTE && ig_has_stored_weights(x->g, n) && !x->number[v.i] && (t->q.i < 0 || t->dtype == IG_DT_S4 || ig_qparam(x->g, t->q)->group))
		x->number[v.i] = stored_numbers(x, v);
	if (ig_const_data(x->g, v) && !x->number[v.i] && !x->integer[v.i])
		constant(x, v);
	if (i == 2 && ig_ops[n->op].quant == IG_QC_COMPUTE && t->dtype == IG_DT_I32)
		return bias(x, n); /* another reader of the constant may have another scale */
	if (!x->number[v.i])
		x->number[v.i] = dequantize(x, x->integer[v.i], ig_qparam(x->g, t->q), ig_value(x->g, v)->name, NULL);
	return x->number[v.i];
}

void ig_ox_result(struct ig_onnx_export *x, const struct ig_node *n, const char *number)
{
	struct ig_vid v = n->out[0];
	const struct ig_qparam *q = ig_qparam(x->g, ig_vtype(x->g, v)->q);
	const char *in[3] = {number};
	if (!q) {
		x->number[v.i] = number;
		return;
	}
	const char *base = ig_arena_printf(x->arena, "%s_quantize", ig_value(x->g, v)->name);
	params(x, q, base, in);
	x->integer[v.i] = ig_ox_node(x, "QuantizeLinear", base, in, 3, NULL);
	if (q->axis >= 0)
		ig_ox_attr_int(x, "axis", q->axis);
}

/* ---- the signature ---- */

static Onnx__ValueInfoProto *value_info(struct ig_onnx_export *x, const char *name, const struct ig_type *t, bool nhwc)
{
	static const int order[4] = {0, 2, 3, 1};
	Onnx__ValueInfoProto *v = IG_NEW(x->arena, Onnx__ValueInfoProto);
	Onnx__TypeProto *type = IG_NEW(x->arena, Onnx__TypeProto);
	Onnx__TypeProto__Tensor *tensor = IG_NEW(x->arena, Onnx__TypeProto__Tensor);
	Onnx__TensorShapeProto *shape = IG_NEW(x->arena, Onnx__TensorShapeProto);
	onnx__value_info_proto__init(v);
	onnx__type_proto__init(type);
	onnx__type_proto__tensor__init(tensor);
	onnx__tensor_shape_proto__init(shape);
	shape->n_dim = (size_t)t->rank;
	shape->dim = IG_NEWN(x->arena, Onnx__TensorShapeProto__Dimension *, t->rank ? t->rank : 1);
	for (int i = 0; i < t->rank; i++) {
		shape->dim[i] = IG_NEW(x->arena, Onnx__TensorShapeProto__Dimension);
		onnx__tensor_shape_proto__dimension__init(shape->dim[i]);
		shape->dim[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		shape->dim[i]->dim_value = t->dim[nhwc ? order[i] : i];
	}
	tensor->has_elem_type = 1;
	tensor->elem_type = ig_onnx_dtype_code(t->dtype);
	tensor->shape = shape;
	type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	type->tensor_type = tensor;
	v->name = text(name);
	v->type = type;
	return v;
}

static void inputs(struct ig_onnx_export *x, Onnx__GraphProto *p)
{
	const struct ig_graph *g = x->g;
	p->n_input = (size_t)g->n_inputs;
	p->input = IG_NEWN(x->arena, Onnx__ValueInfoProto *, g->n_inputs ? g->n_inputs : 1);
	for (int i = 0; i < g->n_inputs; i++) {
		struct ig_vid v = g->input[i];
		const struct ig_type *t = ig_vtype(g, v);
		const char *name = ig_ox_name(x, ig_value(g, v)->name, "");
		bool nhwc = strcmp(ig_attr_str(ig_def(g, v), IG_A_LAYOUT, "nchw"), "nhwc") == 0;
		p->input[i] = value_info(x, name, t, nhwc);
		if (nhwc) {
			name = ig_ox_node(x, "Transpose", ig_arena_printf(x->arena, "%s_nchw", name), &name, 1, NULL);
			ig_ox_attr_ints(x, "perm", (int64_t[]){0, 3, 1, 2}, 4);
		}
		*(t->q.i >= 0 ? &x->integer[v.i] : &x->number[v.i]) = name;
	}
}

/* Outputs under their names: a node that does nothing stands before each. */
static void outputs(struct ig_onnx_export *x, Onnx__GraphProto *p)
{
	const struct ig_graph *g = x->g;
	p->n_output = (size_t)g->n_outputs;
	p->output = IG_NEWN(x->arena, Onnx__ValueInfoProto *, g->n_outputs ? g->n_outputs : 1);
	for (int i = 0; i < g->n_outputs; i++) {
		struct ig_vid v = g->output[i];
		if (ig_const_data(g, v) && !x->number[v.i] && !x->integer[v.i])
			constant(x, v);
		const char *from = ig_vtype(g, v)->q.i >= 0 ? x->integer[v.i] : x->number[v.i], *name = ig_intern(x->names, g->output_name[i]);
		ig_ox_node(x, "Identity", ig_arena_printf(x->arena, "%s_identity", name), &from, 1, name);
		p->output[i] = value_info(x, name, ig_vtype(g, v), false);
	}
}

/* ---- the file ---- */

static bool write_file(const Onnx__ModelProto *m, const char *path, struct ig_diag *d)
{
	size_t bytes = onnx__model_proto__get_packed_size(m);
	if (bytes > INT_MAX) {
		ig_error(d, ig_loc_file(d, path), "the model has %zu bytes; an ONNX file has at most 2 GB", bytes);
		return false;
	}
	uint8_t *data = ig_xcalloc(bytes + 1, 1);
	onnx__model_proto__pack(m, data);
	bool ok = ig_outfile_write(path, data, bytes, d);
	free(data);
	return ok;
}

static bool write_model(struct ig_onnx_export *x, Onnx__GraphProto *graph, const char *path)
{
	Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
	Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *sets[1] = {&opset};
	graph->name = text(x->g->name);
	graph->n_node = (size_t)x->node.n;
	graph->node = x->node.v;
	graph->n_initializer = (size_t)x->init.n;
	graph->initializer = x->init.v;
	opset.domain = text("");
	opset.has_version = m.has_ir_version = 1;
	opset.version = OPSET;
	m.ir_version = IR_VERSION;
	m.producer_name = text("intaglio");
	m.n_opset_import = 1;
	m.opset_import = sets;
	m.graph = graph;
	return write_file(&m, path, x->diag);
}

bool ig_onnx_export(const struct ig_graph *g, const char *path, struct ig_diag *d)
{
	struct ig_onnx_export x = {.g = g, .diag = d, .ok = true};
	Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
	x.arena = ig_arena_new();
	x.names = ig_strtab_new();
	x.number = IG_NEWN(x.arena, const char *, g->n_values ? g->n_values : 1);
	x.integer = IG_NEWN(x.arena, const char *, g->n_values ? g->n_values : 1);
	x.dynamic = IG_NEWN(x.arena, struct ig_ox_integers, g->n_values ? g->n_values : 1);
	for (int i = 0; i < g->n_outputs; i++) /* nobody else takes an output's name */
		*ig_symtab_at(&x.taken, ig_intern(x.names, g->output_name[i]), 1) = 1;
	inputs(&x, &graph);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		bool ok = n->op == IG_OP_INPUT || n->op == IG_OP_CONSTANT || ig_ox_op(&x, n);
		for (int i = 0; i < n->n_out && !ok; i++) /* what reads it is looked at all the same: all that cannot be said is named in one run */
			x.number[n->out[i].i] = "";
		x.ok = x.ok && ok;
	}
	if (x.ok) {
		outputs(&x, &graph);
		x.ok = write_model(&x, &graph, path);
	}
	ig_vec_free(&x.node);
	ig_vec_free(&x.init);
	ig_symtab_free(&x.taken);
	ig_strtab_free(x.names);
	ig_arena_free(x.arena);
	return x.ok;
}
