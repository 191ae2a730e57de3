/* The layers of a model: before calibration with the rule that decides for each, after it with the parameters that resulted. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "driver/inspect.h"
#include "driver/report.h"
#include "ir/dynamic.h"

struct totals {
	int layers;
	int64_t macs, int8_macs, weights;
};

static const struct ig_tensor *operand_constant(const struct ig_graph *g, const struct ig_node *n, int i)
{
	return i < n->n_in ? ig_const_data(g, n->in[i]) : NULL;
}

/* How many scales the weights have, or will have. */
static int64_t scales_of(const struct ig_graph *g, const struct ig_node *n, const struct ig_qspec *w)
{
	const struct ig_type *t = ig_vtype(g, n->in[1]);
	const struct ig_qparam *q = ig_qparam(g, t->q);
	return q ? q->n : w->group ? ig_elems(t) / w->group : w->per_channel ? t->dim[0] : 1;
}

/* The type a layer's weights will have. */
static enum ig_dtype weight_type(const struct ig_node *n, const struct ig_qconfig *q)
{
	if (n->precision == IG_PREC_INT8 || n->precision == IG_PREC_DYNAMIC || n->precision == IG_PREC_W8A16)
		return IG_DT_S8;
	if (n->precision != IG_PREC_STORED)
		return IG_DT_F32;
	return q->mode == IG_MODE_FLOAT16 ? IG_DT_F16 : q->mode == IG_MODE_BFLOAT16 ? IG_DT_BF16 : q->weight.dtype;
}

/* Bytes of the layer's constants as they will be stored: weights by their type, with the scales of those on float32; four for a bias or anything in float. */
static int64_t weight_bytes(const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_qconfig *config = ig_node_qconfig(s->qconfig, n);
	int64_t bytes = 0;
	for (int i = 0; i < n->n_in; i++) {
		const struct ig_tensor *t = operand_constant(g, n, i);
		bool bias = i == 2 && ig_ops[n->op].quant == IG_QC_COMPUTE;
		if (!t || (i == 1 && ig_reads_high_bytes(g, n))) /* the weights are the other half's */
			continue;
		enum ig_dtype dt = g->stage == IG_STAGE_QUANTIZED ? t->type.dtype : bias ? IG_DT_F32 : weight_type(n, config);
		bytes += (ig_elems(&t->type) * ig_dtypes[dt].bits + 7) / 8;
		if (i == 1 && n->precision == IG_PREC_STORED && !ig_dtypes[dt].is_float)
			bytes += 4 * scales_of(g, n, &config->weight);
	}
	return bytes;
}

static bool has_macs(const struct ig_node *n) { return ig_ops[n->op].macs; }

/* In the quantized graph a layer computes in int8 when its input and weights are, or it quantizes its input itself. */
static bool computes_int8(const struct ig_graph *g, const struct ig_node *n)
{
	if (g->stage != IG_STAGE_QUANTIZED)
		return n->precision == IG_PREC_INT8 || n->precision == IG_PREC_DYNAMIC || n->precision == IG_PREC_W8A16;
	if (ig_dynamic_levels(n))
		return true;
	return n->n_in > 1 && ig_vtype(g, n->in[0])->q.i >= 0 && ig_vtype(g, n->in[1])->dtype == IG_DT_S8;
}

/* Of the quantized graph the result's type, and that of weights which are stored in another. */
static const char *precision(struct ig_arena *a, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	const char *result = ig_dtypes[ig_vtype(g, n->out[0])->dtype].name;
	bool stored = n->precision == IG_PREC_STORED;
	if (g->stage == IG_STAGE_QUANTIZED && ig_dynamic_levels(n))
		return ig_arena_printf(a, "%s, dynamic", result);
	if (g->stage == IG_STAGE_QUANTIZED && !stored)
		return result;
	if (!stored)
		return n->precision == IG_PREC_UNSET ? "" : ig_precision_names[n->precision];
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, n->in[1])->q);
	const struct ig_qconfig *config = ig_node_qconfig(s->qconfig, n);
	bool known = g->stage == IG_STAGE_QUANTIZED;
	const char *weights = ig_dtypes[known ? ig_vtype(g, n->in[1])->dtype : weight_type(n, config)].name;
	int64_t group = known ? (q ? q->group : 0) : config->mode == IG_MODE_WEIGHT_ONLY ? config->weight.group : 0;
	const char *of = group ? ig_arena_printf(a, " group %" PRId64, group) : "";
	return ig_arena_printf(a, "%s, weights %s%s", known ? result : "float", weights, of);
}

static const char *bias_text(const struct ig_graph *g, const struct ig_node *n)
{
	if (ig_ops[n->op].quant != IG_QC_COMPUTE)
		return "";
	return operand_constant(g, n, 2) ? "yes" : "no";
}

static const char *rule_text(struct ig_arena *a, const struct ig_session *s, const struct ig_node *n)
{
	if (n->rule < 0)
		return n->precision == IG_PREC_UNSET ? "" : "(preset default)";
	const struct ig_rule *r = &s->qconfig->rules.v[n->rule];
	switch (r->kind) {
	case IG_RULE_DEFAULT: return "default";
	case IG_RULE_TYPE: return ig_arena_printf(a, "type %s", r->pattern);
	case IG_RULE_MATCH: return ig_arena_printf(a, "match /%s/", r->pattern);
	case IG_RULE_ORDER: return ig_arena_printf(a, "order %s %d", r->pattern, r->order);
	case IG_RULE_LAYER: return ig_arena_printf(a, "layer \"%s\"", r->pattern);
	}
	IG_BUG("rule kind %d", (int)r->kind);
}

/* The observer, and what is not the usual of it. */
static const char *spec_text(struct ig_arena *a, const struct ig_qspec *q)
{
	const char *s = ig_observer_names[q->observer];
	if (q->scheme == IG_SCHEME_POWER_OF_TWO || (q->scheme == IG_SCHEME_SYMMETRIC && !ig_dtypes[q->dtype].is_signed))
		s = ig_arena_printf(a, "%s %s", s, ig_scheme_names[q->scheme]);
	return ig_arena_printf(a, "%s%s", s, q->reduce_range ? " 7-bit" : "");
}

/* What observes the layer's values: activations/weights. */
static const char *observers(struct ig_arena *a, const struct ig_session *s, const struct ig_node *n)
{
	const struct ig_qconfig *q = ig_node_qconfig(s->qconfig, n);
	if (n->precision == IG_PREC_STORED && q->mode == IG_MODE_WEIGHT_ONLY)
		return ig_arena_printf(a, "weights %s%s", spec_text(a, &q->weight), q->weight.per_channel && !q->weight.group ? " per channel" : "");
	if (n->precision != IG_PREC_INT8 && n->precision != IG_PREC_DYNAMIC && n->precision != IG_PREC_W8A16)
		return "";
	const char *act = spec_text(a, &q->act);
	if (!has_macs(n))
		return act;
	return ig_arena_printf(a, "%s, weights %s%s", act, spec_text(a, &q->weight), q->weight.per_channel ? " per channel" : "");
}

static const char *shape(struct ig_arena *a, const struct ig_type *t)
{
	char *s = ig_arena_strdup(a, t->rank ? "" : "scalar");
	for (int i = 0; i < t->rank; i++)
		s = ig_arena_printf(a, "%s%s%" PRId64, s, i ? "x" : "", t->dim[i]);
	return s;
}

static const char *shapes(struct ig_arena *a, const struct ig_graph *g, const struct ig_node *n)
{
	const char *in = "";
	for (int i = 0; i < n->n_in; i++)
		if (!operand_constant(g, n, i))
			in = ig_arena_printf(a, "%s%s%s", in, *in ? ", " : "", shape(a, ig_vtype(g, n->in[i])));
	return ig_arena_printf(a, "%s -> %s", in, shape(a, ig_vtype(g, n->out[0])));
}

static bool is_layer(const struct ig_node *n) { return n->op != IG_OP_INPUT && n->op != IG_OP_CONSTANT && n->op != IG_OP_OBSERVE; }

static void add_totals(struct totals *t, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	int64_t macs = has_macs(n) ? ig_node_macs(g, n) : 0;
	bool int8 = computes_int8(g, n);
	t->layers++;
	t->macs += macs;
	t->int8_macs += int8 ? macs : 0;
	t->weights += weight_bytes(s, g, n);
}

/* ---- text ---- */

static void print_interface(const struct ig_graph *g, struct ig_arena *a, FILE *out)
{
	fprintf(out, "model %s\n", g->name);
	for (int i = 0; i < g->n_inputs; i++) {
		const char *layout = ig_attr_str(ig_def(g, g->input[i]), IG_A_LAYOUT, "nchw");
		fprintf(out, "  input  %s: %s%s\n", ig_value(g, g->input[i])->name, ig_type_str(a, ig_vtype(g, g->input[i])), strcmp(layout, "nchw") ? " nhwc" : "");
	}
	for (int i = 0; i < g->n_outputs; i++)
		fprintf(out, "  output %s: %s\n", g->output_name[i], ig_type_str(a, ig_vtype(g, g->output[i])));
	fputc('\n', out);
}

static void cell_count(struct ig_table *t, int64_t n)
{
	char buf[32];
	ig_table_cell(t, "%s", n ? ig_human(buf, (double)n) : "");
}

static void print_totals(struct ig_table *t, const struct totals *sum, int columns)
{
	ig_table_rule(t);
	ig_table_cell(t, "%d layers", sum->layers);
	ig_table_blank(t);
	ig_table_blank(t);
	cell_count(t, sum->macs);
	cell_count(t, sum->weights);
	for (int i = 5; i < columns; i++)
		ig_table_blank(t);
}

static void print_share(const struct totals *sum, FILE *out)
{
	if (sum->macs)
		fprintf(out, "\nMACs in int8: %.4g %%\n", 100.0 * (double)sum->int8_macs / (double)sum->macs);
}

/* What both tables have of a layer. */
static void layer_cells(struct ig_table *t, struct ig_arena *a, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	ig_table_cell(t, "%s", n->name);
	ig_table_cell(t, "%s", ig_ops[n->op].name);
	ig_table_cell(t, "%s", shapes(a, g, n));
	cell_count(t, has_macs(n) ? ig_node_macs(g, n) : 0);
	cell_count(t, weight_bytes(s, g, n));
	ig_table_cell(t, "%s", bias_text(g, n));
	ig_table_cell(t, "%s", precision(a, s, g, n));
}

static void mapped_cells(struct ig_table *t, struct ig_arena *a, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	(void)g;
	ig_table_cell(t, "%s", observers(a, s, n));
	ig_table_cell(t, "%s", rule_text(a, s, n));
}

static void scale_cells(struct ig_table *t, struct ig_arena *a, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n)
{
	(void)a;
	(void)s;
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, n->out[0])->q);
	if (!q) {
		ig_table_blank(t);
		ig_table_blank(t);
	} else if (q->n == 1) {
		ig_table_cell(t, "%.6g", (double)q->scale[0]);
		ig_table_cell(t, "%d", (int)q->zero_point[0]);
	} else {
		ig_table_cell(t, "%" PRId64 " scales", q->n);
		ig_table_blank(t);
	}
}

typedef void last_cells(struct ig_table *t, struct ig_arena *a, const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n);

static void layers_text(const struct ig_session *s, const struct ig_graph *g, const char *const titles[9], last_cells *last, FILE *out)
{
	struct ig_table *t = ig_table_new(titles, 9);
	struct ig_arena *a = ig_arena_new();
	struct totals sum = {.layers = 0};
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (!is_layer(n))
			continue;
		add_totals(&sum, s, g, n);
		layer_cells(t, a, s, g, n);
		last(t, a, s, g, n);
	}
	print_totals(t, &sum, 9);
	print_interface(g, a, out);
	ig_table_print(t, out);
	print_share(&sum, out);
	ig_table_free(t);
	ig_arena_free(a);
}

/* A line for each method of `recover`; what it changed is known when the graph has been quantized. */
static void print_recovered(const struct ig_session *s, bool done, FILE *out)
{
	for (int i = 0; i < IG_RECOVER_COUNT; i++) {
		const struct ig_effect *e = &s->effects[i];
		if (!s->qconfig->recover[i])
			continue;
		fprintf(out, "recover %s", ig_recover_names[i]);
		if (done && e->layers)
			fprintf(out, ": %d %s changed, most by %.3g %% (%s)", e->layers, i == IG_RECOVER_RANGES ? "ranges" : "layers", 100 * e->largest, e->where);
		else if (done)
			fprintf(out, ": nothing changed");
		fprintf(out, "\n");
	}
}

static void mapped_text(const struct ig_session *s, const struct ig_graph *g, FILE *out)
{
	static const char *const titles[] = {"layer", "operation", "shape", ">MACs", ">weights B", "bias", "precision", "observers", "rule"};
	layers_text(s, g, titles, mapped_cells, out);
}

static void quantized_text(const struct ig_session *s, const struct ig_graph *g, FILE *out)
{
	static const char *const titles[] = {"layer", "operation", "shape", ">MACs", ">weights B", "bias", "result", ">scale", ">zero point"};
	layers_text(s, g, titles, scale_cells, out);
}

/* ---- JSON ---- */

static json_t *type_json(const struct ig_graph *g, const char *name, struct ig_vid v)
{
	const struct ig_type *t = ig_vtype(g, v);
	const struct ig_qparam *q = ig_qparam(g, t->q);
	json_t *o = json_object();
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "type", json_string(ig_dtypes[t->dtype].name));
	json_object_set_new(o, "shape", ig_json_shape(t->rank, t->dim));
	if (q && q->n == 1) {
		json_object_set_new(o, "scale", ig_json_share((double)q->scale[0]));
		json_object_set_new(o, "zero_point", json_integer(q->zero_point[0]));
	}
	return o;
}

static json_t *layer_json(const struct ig_session *s, const struct ig_graph *g, const struct ig_node *n, struct ig_arena *a)
{
	json_t *l = json_object(), *in = json_array(), *absorbed = json_array();
	json_object_set_new(l, "name", json_string(n->name));
	json_object_set_new(l, "op", json_string(ig_ops[n->op].name));
	for (int i = 0; i < n->n_in; i++)
		if (!operand_constant(g, n, i))
			json_array_append_new(in, type_json(g, ig_value(g, n->in[i])->name, n->in[i]));
	json_object_set_new(l, "inputs", in);
	json_object_set_new(l, "output", type_json(g, ig_value(g, n->out[0])->name, n->out[0]));
	json_object_set_new(l, "macs", json_integer(has_macs(n) ? ig_node_macs(g, n) : 0));
	json_object_set_new(l, "weight_bytes", json_integer(weight_bytes(s, g, n)));
	if (*bias_text(g, n))
		json_object_set_new(l, "bias", json_boolean(operand_constant(g, n, 2) != NULL));
	if (g->stage != IG_STAGE_QUANTIZED) {
		json_object_set_new(l, "precision", json_string(precision(a, s, g, n)));
		json_object_set_new(l, "observers", json_string(observers(a, s, n)));
		json_object_set_new(l, "rule", json_string(rule_text(a, s, n)));
		if (n->rule >= 0)
			json_object_set_new(l, "config", json_string(s->qconfig->rules.v[n->rule].text));
	}
	for (int i = 0; i < n->n_absorbed; i++)
		json_array_append_new(absorbed, json_string(n->absorbed[i]));
	json_object_set_new(l, "absorbed", absorbed);
	if (n->loc.file && n->loc.line > 0) {
		json_object_set_new(l, "file", json_string(n->loc.file));
		json_object_set_new(l, "line", json_integer(n->loc.line));
	}
	return l;
}

static json_t *recovered_json(const struct ig_session *s, bool done)
{
	json_t *all = json_array();
	for (int i = 0; i < IG_RECOVER_COUNT; i++) {
		if (!s->qconfig->recover[i])
			continue;
		json_t *one = json_object();
		json_object_set_new(one, "method", json_string(ig_recover_names[i]));
		if (done) {
			json_object_set_new(one, "changed", json_integer(s->effects[i].layers));
			json_object_set_new(one, "largest", ig_json_share(s->effects[i].largest));
			json_object_set_new(one, "where", s->effects[i].where ? json_string(s->effects[i].where) : json_null());
		}
		json_array_append_new(all, one);
	}
	return all;
}

static void print_json(const struct ig_session *s, const struct ig_graph *g, FILE *out)
{
	json_t *root = json_object(), *layers = json_array(), *inputs = json_array(), *outputs = json_array(), *sum = json_object();
	struct ig_arena *a = ig_arena_new();
	struct totals t = {.layers = 0};
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (is_layer(ig_node(g, id))) {
			add_totals(&t, s, g, ig_node(g, id));
			json_array_append_new(layers, layer_json(s, g, ig_node(g, id), a));
		}
	for (int i = 0; i < g->n_inputs; i++)
		json_array_append_new(inputs, type_json(g, ig_value(g, g->input[i])->name, g->input[i]));
	for (int i = 0; i < g->n_outputs; i++)
		json_array_append_new(outputs, type_json(g, g->output_name[i], g->output[i]));
	json_object_set_new(root, "kind", json_string("model"));
	json_object_set_new(root, "name", json_string(g->name));
	json_object_set_new(root, "inputs", inputs);
	json_object_set_new(root, "outputs", outputs);
	json_object_set_new(root, "layers", layers);
	json_object_set_new(sum, "macs", json_integer(t.macs));
	json_object_set_new(sum, "int8_macs", json_integer(t.int8_macs));
	json_object_set_new(sum, "int8_share", t.macs ? ig_json_share((double)t.int8_macs / (double)t.macs) : json_null());
	json_object_set_new(sum, "weight_bytes", json_integer(t.weights));
	json_object_set_new(root, "totals", sum);
	json_object_set_new(root, "recover", recovered_json(s, g == s->quant));
	ig_json_print(root, out);
	ig_arena_free(a);
}

bool ig_inspect_model(struct ig_session *s, FILE *out)
{
	if (ig_opt_given(s->o, IG_OPT_JSON))
		print_json(s, s->flt, out);
	else
		mapped_text(s, s->flt, out);
	if (!ig_opt_given(s->o, IG_OPT_JSON))
		print_recovered(s, false, out);
	return true;
}

bool ig_inspect_quantized(struct ig_session *s, FILE *out)
{
	if (ig_opt_given(s->o, IG_OPT_JSON))
		print_json(s, s->quant, out);
	else
		quantized_text(s, s->quant, out);
	if (!ig_opt_given(s->o, IG_OPT_JSON))
		print_recovered(s, true, out);
	return true;
}
