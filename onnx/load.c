/* Entry points: from a file or memory to a model; inputs, initializers, nodes, outputs. */
#include "onnx/import.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/fileio.h"
#include "frontend/source.h"
#include "ir/infer.h"
#include "ir/print.h"

/* ---- dimensions ---- */

/* The number a dimension's name stands for: the caller's, an earlier batch's, 1 for a batch; 0: unbound. */
static int64_t bound(struct ig_onnx *s, const char *name, bool batch)
{
	for (int i = 0; s->options && i < s->options->n_dims; i++)
		if (strcmp(s->options->dim[i].name, name) == 0) {
			s->dim_used[i] = true;
			return s->options->dim[i].value;
		}
	for (int i = 0; i < s->dims.n; i++)
		if (strcmp(s->dims.v[i].name, name) == 0)
			return s->dims.v[i].value;
	if (!batch)
		return 0;
	ig_vec_push(&s->dims, ((struct ig_onnx_dim){name, 1}));
	return 1;
}

static bool input_type(struct ig_onnx *s, const Onnx__ValueInfoProto *in, struct ig_type *out)
{
	const Onnx__TypeProto__Tensor *t = in->type ? in->type->tensor_type : NULL;
	enum ig_dtype dt;
	if (!t || in->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t->shape) {
		ig_error(s->diag, s->loc, "input '%s': only tensors of known rank are supported", in->name);
		return false;
	}
	if (!ig_onnx_dtype(t->elem_type, &dt)) {
		ig_error(s->diag, s->loc, "input '%s': tensors of %s are not supported", in->name, ig_onnx_dtype_name(t->elem_type));
		return false;
	}
	if (t->shape->n_dim > IG_MAX_RANK) {
		ig_error(s->diag, s->loc, "input '%s' has %zu dimensions; at most %d are supported", in->name, t->shape->n_dim, IG_MAX_RANK);
		return false;
	}
	*out = (struct ig_type){.dtype = dt, .rank = (int)t->shape->n_dim, .q = IG_NOQ};
	for (int i = 0; i < out->rank; i++) {
		const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
		bool number = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
		const char *name = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && d->dim_param[0]
		                       ? d->dim_param : ig_arena_printf(s->arena, "%s.%d", in->name, i);
		out->dim[i] = number && d->dim_value > 0 ? d->dim_value : number && d->dim_value == 0 ? -1 : bound(s, name, i == 0);
		if (out->dim[i] == 0) {
			ig_error(s->diag, s->loc, "input '%s': dimension %d, '%s', is not fixed; give --dim %s=VALUE", in->name, i, name, name);
			return false;
		}
		if (out->dim[i] < 1 || out->dim[i] > INT32_MAX) {
			ig_error(s->diag, s->loc, "input '%s': dimension %d is %lld, outside of 1..%d", in->name, i, (long long)(number ? d->dim_value : out->dim[i]), INT32_MAX);
			return false;
		}
	}
	return true;
}

static bool check_dims_used(struct ig_onnx *s)
{
	bool ok = true;
	for (int i = 0; s->options && i < s->options->n_dims; i++) {
		if (s->dim_used[i])
			continue;
		ig_error(s->diag, s->loc, "--dim %s: no input has a dimension of that name%s%s", s->options->dim[i].name, s->dims.n ? "; there is " : "",
		         s->dims.n ? s->dims.v[0].name : "");
		ok = false;
	}
	return ok;
}

/* ---- signature ---- */

static bool add_input(struct ig_onnx *s, const Onnx__ValueInfoProto *in)
{
	struct ig_type t;
	if (!in->name || !in->name[0]) {
		ig_error(s->diag, s->loc, "an input has no name");
		return false;
	}
	struct ig_onnx_value *v = ig_onnx_find(s, in->name);
	if (v && v->init)
		return true; /* models of the first versions list their initializers as inputs */
	if (v) {
		ig_error(s->diag, s->loc, "input '%s' is there twice", in->name);
		return false;
	}
	if (!input_type(s, in, &t)) {
		ig_onnx_define(s, in->name)->bad = true;
		return false;
	}
	struct ig_nid id = ig_graph_add(s->graph, IG_OP_INPUT, ig_onnx_clean_name(s, in->name), s->loc, NULL, 0);
	struct ig_vid vid = ig_node(s->graph, id)->out[0];
	ig_value(s->graph, vid)->type = t;
	ig_graph_mark_input(s->graph, vid);
	ig_onnx_define(s, in->name)->v = vid;
	ig_onnx_find(s, in->name)->bad = !ig_infer_node(s->graph, id, s->diag);
	return !ig_onnx_find(s, in->name)->bad;
}

bool ig_onnx_initializers(struct ig_onnx *s, const Onnx__GraphProto *g)
{
	if (g->n_sparse_initializer) {
		ig_error(s->diag, s->loc, "sparse initializers are not supported; store them dense");
		return false;
	}
	for (size_t i = 0; i < g->n_initializer; i++) {
		if (!g->initializer[i]->name || !g->initializer[i]->name[0]) {
			ig_error(s->diag, s->loc, "an initializer has no name");
			return false;
		}
		ig_onnx_define(s, g->initializer[i]->name)->init = g->initializer[i];
	}
	return true;
}

static void take_outputs(struct ig_onnx *s, const Onnx__GraphProto *g)
{
	if (g->n_output == 0)
		ig_error(s->diag, s->loc, "the model has no output");
	for (size_t i = 0; i < g->n_output; i++) {
		const char *name = g->output[i]->name;
		struct ig_onnx_value *v = name ? ig_onnx_find(s, name) : NULL;
		struct ig_vid id = v ? ig_onnx_value_vid(s, v) : IG_NOVAL;
		if (!v)
			ig_error(s->diag, s->loc, "output '%s' is never computed", name ? name : "");
		else if (id.i < 0 && !v->bad)
			ig_error(s->diag, s->loc, "output '%s' is an empty tensor", name);
		else if (id.i >= 0)
			ig_graph_mark_output(s->graph, id, ig_onnx_clean_name(s, name));
	}
}

/* ---- nodes ---- */

int64_t ig_onnx_opset(const struct ig_onnx *s, const char *domain)
{
	if (strcmp(domain, "ai.onnx") == 0)
		domain = "";
	for (size_t i = 0; i < s->model->n_opset_import; i++) {
		const char *d = s->model->opset_import[i]->domain;
		if (strcmp(d && strcmp(d, "ai.onnx") != 0 ? d : "", domain) == 0)
			return s->model->opset_import[i]->version;
	}
	return domain[0] ? 1 : 0; /* exporters forget to import the contributed domains */
}

static bool find_row(struct ig_onnx *s, struct ig_onnx_node *n)
{
	const char *domain = n->p->domain && strcmp(n->p->domain, "ai.onnx") != 0 ? n->p->domain : "";
	const struct ig_onnx_op *near;
	n->version = ig_onnx_opset(s, domain);
	n->op = ig_onnx_op_find(domain, n->p->op_type, n->version, &near);
	if (n->op)
		return true;
	if (near)
		return ig_onnx_fail(n, "not supported in version %lld of the operators; versions %d to %d are", (long long)n->version, near->first, near->last);
	return ig_onnx_fail(n, "this operator%s%s is not supported; docs/onnx.md lists those that are", domain[0] ? " of the domain " : "", domain);
}

/* Whether all operands are there; when one is bad, so are the results, without another word. */
static bool operands(struct ig_onnx *s, struct ig_onnx_node *n)
{
	bool ok = true;
	for (size_t i = 0; i < n->p->n_input; i++) {
		const char *name = n->p->input[i];
		struct ig_onnx_value *v = name[0] ? ig_onnx_find(s, name) : NULL;
		if (name[0] && !v)
			return ig_onnx_fail(n, "operand '%s' is nothing that stands before it", name);
		if (v && v->init)
			ig_onnx_value_const(s, v);
		ok = ok && (!v || !v->bad);
	}
	return ok;
}

static bool import_node(struct ig_onnx *s, const Onnx__NodeProto *p)
{
	const char *name = p->name && p->name[0] ? p->name : p->n_output && p->output[0][0] ? p->output[0] : "unnamed";
	struct ig_onnx_node n = {.s = s, .p = p, .name = name};
	if (!p->op_type) {
		ig_error(s->diag, s->loc, "node '%s' has no operator", name);
		return false;
	}
	n.asked = IG_NEWN(s->arena, bool, p->n_attribute ? p->n_attribute : 1);
	bool known = find_row(s, &n), ok = operands(s, &n) && known && n.op->import(&n) && !n.failed;
	for (size_t i = 0; ok && i < p->n_attribute; i++)
		if (!n.asked[i])
			ok = ig_onnx_fail(&n, "attribute %s is not supported", p->attribute[i]->name ? p->attribute[i]->name : "without a name");
	for (size_t i = 0; i < p->n_output; i++)
		if (p->output[i][0] && (!ok || !ig_onnx_find(s, p->output[i])))
			ig_onnx_define(s, p->output[i])->bad = true;
	return ok;
}

bool ig_onnx_graph_nodes(struct ig_onnx *s, const Onnx__GraphProto *g)
{
	bool ok = true;
	for (size_t i = 0; i < g->n_node; i++) {
		if (++s->n_nodes > IG_ONNX_MAX_NODES) {
			ig_error(s->diag, s->loc, "the model has more than %d nodes", IG_ONNX_MAX_NODES);
			return false;
		}
		ok = import_node(s, g->node[i]) && ok;
	}
	return ok;
}

/* What folding left behind: constants and operations that nothing reads, back to front. */
static void sweep(struct ig_graph *g)
{
	int *uses = ig_xcalloc((size_t)g->n_values + 1, sizeof *uses);
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		for (int i = 0; i < ig_node(g, id)->n_in; i++)
			uses[ig_node(g, id)->in[i].i]++;
	for (int i = 0; i < g->n_outputs; i++)
		uses[g->output[i].i]++;
	for (int32_t i = g->last, prev; i >= 0; i = prev) {
		const struct ig_node *n = &g->node[i];
		bool used = n->op == IG_OP_INPUT;
		prev = n->prev;
		for (int k = 0; k < n->n_out; k++)
			used = used || uses[n->out[k].i] > 0;
		for (int k = 0; !used && k < n->n_in; k++)
			uses[n->in[k].i]--;
		if (!used)
			ig_graph_remove(g, (struct ig_nid){i});
	}
	free(uses);
}

static bool check_versions(struct ig_onnx *s)
{
	int64_t v = ig_onnx_opset(s, "");
	if (s->model->n_functions) {
		ig_error(s->diag, s->loc, "functions of the model's own are not supported; inline them (onnx.inliner)");
		return false;
	}
	if (v >= 1 && v <= IG_ONNX_MAX_OPSET)
		return true;
	ig_error(s->diag, s->loc, v ? "operators of opset %lld are not supported; convert the model to at most %d" : "the model names no opset", (long long)v,
	         IG_ONNX_MAX_OPSET);
	return false;
}

static void import_graph(struct ig_onnx *s)
{
	const Onnx__GraphProto *g = s->model->graph;
	bool ok = ig_onnx_initializers(s, g);
	for (size_t i = 0; ok && i < g->n_input; i++)
		add_input(s, g->input[i]);
	if (!ok || !check_dims_used(s))
		return;
	ig_onnx_graph_nodes(s, g);
	take_outputs(s, g);
}

static struct ig_model *finish(struct ig_onnx *s, bool ok)
{
	struct ig_model *m = NULL;
	if (ok) {
		sweep(s->graph);
		if (ig_source_can(s->graph))
			ig_source_normalize(s->graph); /* what 'import' writes and reads back is the same graph */
		s->graph->weights_hash = ig_hash_weights(s->graph);
		m = ig_xcalloc(1, sizeof *m);
		m->graph = s->graph;
		m->qconfig = ig_qconfig_map_new();
		ig_onnx_keep_decoding(m->graph, m->qconfig, s->loc);
	} else {
		ig_graph_free(s->graph);
	}
	ig_symtab_free(&s->names);
	ig_vec_free(&s->values);
	ig_vec_free(&s->dims);
	ig_strtab_free(s->text);
	ig_arena_free(s->arena);
	return m;
}

struct ig_model *ig_onnx_import(const Onnx__ModelProto *m, const char *path, const struct ig_onnx_options *options, struct ig_diag *d)
{
	int before = ig_diag_errors(d);
	struct ig_onnx s = {.diag = d, .path = path, .options = options, .model = m};
	s.loc = ig_loc_file(d, path);
	s.arena = ig_arena_new();
	s.text = ig_strtab_new();
	s.dim_used = IG_NEWN(s.arena, bool, options && options->n_dims ? options->n_dims : 1);
	s.graph = ig_graph_new(m->graph && m->graph->name && m->graph->name[0] ? ig_onnx_clean_name(&s, m->graph->name) : "model");
	if (!m->graph)
		ig_error(d, s.loc, "there is no graph in this file; is it an ONNX model?");
	else if (check_versions(&s))
		import_graph(&s);
	return finish(&s, ig_diag_errors(d) == before);
}

struct ig_model *ig_onnx_parse(const char *path, const void *data, size_t bytes, const struct ig_onnx_options *options, struct ig_diag *d)
{
	struct ig_loc loc = ig_loc_file(d, path);
	if (bytes == 0 || bytes > INT_MAX) {
		ig_error(d, loc, bytes ? "an ONNX file has at most 2 GB; put its tensors into external data" : "the file is empty");
		return NULL;
	}
	if (!ig_onnx_check_wire(&onnx__model_proto__descriptor, data, bytes, loc, d))
		return NULL;
	Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, bytes, data);
	if (!m) {
		ig_error(d, loc, "this is no ONNX model, or it is damaged");
		return NULL;
	}
	struct ig_model *model = ig_onnx_import(m, path, options, d);
	onnx__model_proto__free_unpacked(m, NULL);
	return model;
}

struct ig_model *ig_onnx_load(const char *path, const struct ig_onnx_options *options, struct ig_diag *d)
{
	struct ig_map map;
	if (!ig_map_file(path, &map, d))
		return NULL;
	struct ig_model *m = ig_onnx_parse(path, map.data, map.bytes, options, d);
	ig_unmap(&map);
	return m;
}
