/* The graph as Graphviz text: one box a layer, coloured by what it computes in; constants are left out (their shapes stand in the layer). */
#include "ir/dynamic.h"
#include "ir/print.h"

#include <string.h>

static void escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
}

static const char *colour(const struct ig_graph *g, const struct ig_node *n)
{
	const struct ig_type *y = ig_vtype(g, n->out[0]);
	if (n->op == IG_OP_INPUT)
		return "#dddddd";
	if (n->op == IG_OP_QUANTIZE || n->op == IG_OP_DEQUANTIZE || n->op == IG_OP_REQUANTIZE)
		return "#ffe08a";
	if (y->q.i >= 0 || (n->n_in > 0 && ig_vtype(g, n->in[0])->q.i >= 0) || ig_dynamic_levels(n))
		return "#b7e1b0";
	if (g->stage == IG_STAGE_FLOAT && (n->precision == IG_PREC_INT8 || n->precision == IG_PREC_DYNAMIC || n->precision == IG_PREC_W8A16))
		return "#dff0db"; /* float as yet, to be quantized */
	return "#f4c7b5";
}

static void edge_label(FILE *out, const struct ig_graph *g, struct ig_arena *a, struct ig_vid v)
{
	const struct ig_qparam *q = ig_qparam(g, ig_vtype(g, v)->q);
	fprintf(out, "%s", ig_type_str(a, ig_vtype(g, v)));
	if (q && q->n == 1)
		fprintf(out, "\\n%.6g (%d)", (double)q->scale[0], (int)q->zero_point[0]);
}

void ig_dot(const struct ig_graph *g, FILE *out)
{
	struct ig_arena *a = ig_arena_new();
	fprintf(out, "digraph \"");
	escaped(out, g->name);
	fprintf(out, "\" {\n\tnode [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\"];\n\tedge [fontname=\"Helvetica\", fontsize=10];\n");
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (n->op == IG_OP_CONSTANT)
			continue;
		fprintf(out, "\tn%d [label=\"", (int)id.i);
		escaped(out, n->name);
		fprintf(out, "\\n%s", ig_ops[n->op].name);
		for (int i = 0; i < n->n_in; i++)
			if (i > 0 && ig_const_data(g, n->in[i]))
				fprintf(out, "%s%s", i == 1 ? "\\n" : " ", ig_type_str(a, ig_vtype(g, n->in[i])));
		fprintf(out, "\", fillcolor=\"%s\"];\n", colour(g, n));
		for (int i = 0; i < n->n_in; i++) {
			if (ig_const_data(g, n->in[i]))
				continue;
			fprintf(out, "\tn%d -> n%d [label=\"", (int)ig_value(g, n->in[i])->def.i, (int)id.i);
			edge_label(out, g, a, n->in[i]);
			fprintf(out, "\"];\n");
		}
	}
	for (int i = 0; i < g->n_outputs; i++) {
		fprintf(out, "\tout%d [label=\"", i);
		escaped(out, g->output_name[i]);
		fprintf(out, "\", fillcolor=\"#dddddd\"];\n\tn%d -> out%d [label=\"", (int)ig_value(g, g->output[i])->def.i, i);
		edge_label(out, g, a, g->output[i]);
		fprintf(out, "\"];\n");
	}
	fprintf(out, "}\n");
	ig_arena_free(a);
}
