/* inspect --explain: which rule decided for a layer, and which it beat. */
#include "passes/match.h"
#include "passes/rewrite.h"

#include <stdlib.h>

static void print_rule(const struct ig_rule *r, FILE *out)
{
	switch (r->kind) {
	case IG_RULE_DEFAULT:
		fprintf(out, "default %s", r->text);
		break;
	case IG_RULE_TYPE:
		fprintf(out, "type %s %s", r->pattern, r->text);
		break;
	case IG_RULE_MATCH:
		fprintf(out, "match /%s/ %s", r->pattern, r->text);
		break;
	case IG_RULE_ORDER:
		fprintf(out, "order %s %d %s", r->pattern, r->order, r->text);
		break;
	case IG_RULE_LAYER:
		fprintf(out, "layer \"%s\" %s", r->pattern, r->text);
		break;
	}
	if (r->loc.file)
		fprintf(out, "  (%s:%d:%d)", r->loc.file, r->loc.line, r->loc.col);
	fputc('\n', out);
}

/* Rules that name an absorbed member but not the group's main operation. */
static void print_absorbed(const struct ig_matcher *t, const struct ig_qconfig_map *m, const struct ig_node *n, const char *type, int order, FILE *out)
{
	for (int r = 0; m && r < m->rules.n; r++) {
		const struct ig_rule *rule = &m->rules.v[r];
		if ((rule->kind != IG_RULE_MATCH && rule->kind != IG_RULE_LAYER) || ig_matcher_hits(t, r, n->name, type, order))
			continue;
		for (int i = 0; i < n->n_absorbed; i++)
			if (ig_matcher_hits(t, r, n->absorbed[i], "", -1)) {
				fprintf(out, "  no effect:  ");
				print_rule(rule, out);
				fprintf(out, "              it names `%s`, a member of the group; the main operation `%s` decides\n", n->absorbed[i], n->name);
				break;
			}
	}
}

bool ig_explain(const struct ig_graph *g, const struct ig_qconfig_map *m, const char *layer, FILE *out, struct ig_diag *d)
{
	bool absorbed = false;
	struct ig_nid id = ig_layer_find(g, layer, &absorbed, IG_NOLOC, d);
	if (id.i < 0)
		return false;
	struct ig_matcher *t = ig_matcher_new(m, d);
	if (!t)
		return false;
	const struct ig_node *n = ig_node(g, id);
	const char *type = ig_op_base_name(n->op);
	int order = ig_layer_order(g, id);
	int *beaten = ig_xcalloc((size_t)(m ? m->rules.n : 0) + 1, sizeof *beaten);
	struct ig_rule_match match = ig_matcher_decide(t, n->name, type, order, beaten);
	if (absorbed)
		fprintf(out, "layer %s is fused into %s, whose rule decides for the group\n", layer, n->name);
	fprintf(out, "layer %s: %s, number %d of its type\n", n->name, ig_ops[n->op].name, order);
	if (n->n_absorbed) {
		fprintf(out, "  absorbed:  ");
		for (int i = 0; i < n->n_absorbed; i++)
			fprintf(out, " %s", n->absorbed[i]);
		fputc('\n', out);
	}
	fprintf(out, "  decided by: ");
	if (match.rule >= 0)
		print_rule(&m->rules.v[match.rule], out);
	else
		fprintf(out, "no rule; the preset `default` holds\n");
	for (int i = 0; i < match.n_beaten; i++) {
		fprintf(out, "  beaten:     ");
		print_rule(&m->rules.v[beaten[i]], out);
	}
	print_absorbed(t, m, n, type, order, out);
	const char *why = ig_ops[n->op].quant == IG_QC_NONE ? " (the operation has no int8 form)" : "";
	const char *precision = n->precision == IG_PREC_STORED ? "float, weights stored in fewer bits" :
	                        n->precision == IG_PREC_DYNAMIC ? "int8, the input quantized at run time" : ig_precision_names[n->precision];
	fprintf(out, "  precision:  %s%s\n", precision, why);
	free(beaten);
	ig_matcher_free(t);
	return true;
}
