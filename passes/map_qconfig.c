/* Decides for each layer which rule of the QConfig mapping holds: default < type < match < order < layer, the later among equals. A fused group is one
   layer, its main operation; a rule that speaks only of absorbed layers decides nothing and is warned of. */
#include "passes/match.h"
#include "passes/rewrite.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct ig_matcher {
	const struct ig_qconfig_map *map;
	int n;
	regex_t *regex; /* of MATCH rules */
	int compiled;   /* rules before this one have theirs compiled */
};

void ig_matcher_free(struct ig_matcher *t)
{
	if (!t)
		return;
	for (int i = 0; i < t->compiled; i++)
		if (t->map->rules.v[i].kind == IG_RULE_MATCH)
			regfree(&t->regex[i]);
	free(t->regex);
	free(t);
}

struct ig_matcher *ig_matcher_new(const struct ig_qconfig_map *m, struct ig_diag *d)
{
	struct ig_matcher *t = ig_xcalloc(1, sizeof *t);
	t->map = m;
	t->n = m ? m->rules.n : 0;
	t->regex = ig_xcalloc((size_t)t->n + 1, sizeof *t->regex);
	bool ok = true;
	for (; t->compiled < t->n; t->compiled++) {
		const struct ig_rule *r = &m->rules.v[t->compiled];
		if (r->kind != IG_RULE_MATCH)
			continue;
		int err = regcomp(&t->regex[t->compiled], r->pattern, REG_EXTENDED);
		if (err) {
			char text[128];
			regerror(err, &t->regex[t->compiled], text, sizeof text);
			ig_error(d, r->loc, "bad regular expression /%s/: %s (POSIX extended syntax)", r->pattern, text);
			ok = false;
			break;
		}
	}
	if (ok)
		return t;
	ig_matcher_free(t);
	return NULL;
}

bool ig_matcher_hits(const struct ig_matcher *t, int rule, const char *name, const char *type, int order)
{
	const struct ig_rule *r = &t->map->rules.v[rule];
	switch (r->kind) {
	case IG_RULE_DEFAULT:
		return true;
	case IG_RULE_TYPE:
		return !strcmp(r->pattern, type);
	case IG_RULE_ORDER:
		return !strcmp(r->pattern, type) && r->order == order;
	case IG_RULE_LAYER:
		return !strcmp(r->pattern, name);
	case IG_RULE_MATCH: {
		regmatch_t at; /* leftmost longest: when the whole name matches, this is the whole name */
		return !regexec(&t->regex[rule], name, 1, &at, 0) && at.rm_so == 0 && name[at.rm_eo] == '\0';
	}
	}
	IG_BUG("rule kind %d", (int)r->kind);
}

struct ig_rule_match ig_matcher_decide(const struct ig_matcher *t, const char *name, const char *type, int order, int *beaten)
{
	struct ig_rule_match m = {.rule = -1, .beaten = beaten};
	for (int kind = IG_RULE_LAYER; kind >= IG_RULE_DEFAULT; kind--)
		for (int i = t->n - 1; i >= 0; i--) {
			if ((int)t->map->rules.v[i].kind != kind || !ig_matcher_hits(t, i, name, type, order))
				continue;
			if (m.rule < 0)
				m.rule = i;
			else
				beaten[m.n_beaten++] = i;
		}
	return m;
}

bool ig_is_layer(const struct ig_node *n) { return n->op != IG_OP_INPUT && n->op != IG_OP_CONSTANT && n->op != IG_OP_OBSERVE; }

int ig_layer_order(const struct ig_graph *g, struct ig_nid id)
{
	const char *type = ig_op_base_name(ig_node(g, id)->op);
	int order = 0;
	for (struct ig_nid i = ig_first(g); i.i != id.i; i = ig_next(g, i))
		order += !strcmp(ig_op_base_name(ig_node(g, i)->op), type);
	return order;
}

struct ig_nid ig_layer_find(const struct ig_graph *g, const char *name, bool *absorbed, struct ig_loc loc, struct ig_diag *d)
{
	IG_VEC(const char *) names = {0};
	struct ig_nid found = IG_NONODE;
	for (struct ig_nid id = ig_first(g); id.i >= 0 && found.i < 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		if (!ig_is_layer(n))
			continue;
		for (int i = -1; i < n->n_absorbed && found.i < 0; i++) {
			const char *candidate = i < 0 ? n->name : n->absorbed[i];
			ig_vec_push(&names, candidate);
			if (!strcmp(candidate, name)) {
				found = id;
				*absorbed = i >= 0;
			}
		}
	}
	if (found.i < 0) {
		const char *near = ig_nearest(name, names.v, names.n);
		if (near)
			ig_error(d, loc, "no layer is named `%s`; did you mean `%s`?", name, near);
		else
			ig_error(d, loc, "no layer is named `%s` (`inspect` lists the layers)", name);
	}
	ig_vec_free(&names);
	return found;
}

const struct ig_qconfig *ig_node_qconfig(const struct ig_qconfig_map *m, const struct ig_node *n)
{
	return m && n->rule >= 0 ? &m->rules.v[n->rule].config : ig_qconfig_preset("default");
}

static int count_type(const struct ig_graph *g, const char *type)
{
	int count = 0;
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		count += ig_is_layer(ig_node(g, id)) && !strcmp(ig_op_base_name(ig_node(g, id)->op), type);
	return count;
}

/* The first layer that absorbed one the rule speaks of; NULL. */
static const struct ig_node *hits_absorbed(const struct ig_graph *g, const struct ig_matcher *t, int rule, const char **member)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		const struct ig_node *n = ig_node(g, id);
		for (int i = 0; ig_is_layer(n) && i < n->n_absorbed; i++)
			if (ig_matcher_hits(t, rule, n->absorbed[i], "", -1)) {
				*member = n->absorbed[i];
				return n;
			}
	}
	return NULL;
}

/* Operations that fusion and folding make disappear: a rule on their type may find none left. */
static bool may_be_fused(const char *type)
{
	static const enum ig_op ops[] = {IG_OP_BATCH_NORM, IG_OP_RELU, IG_OP_RELU6, IG_OP_CLIP, IG_OP_ADD, IG_OP_PAD,
	                                 IG_OP_RESHAPE,    IG_OP_FLATTEN, IG_OP_TRANSPOSE, IG_OP_SLICE};
	for (size_t i = 0; i < IG_COUNTOF(ops); i++)
		if (!strcmp(ig_ops[ops[i]].name, type))
			return true;
	return false;
}

static bool any_absorbed(const struct ig_graph *g)
{
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id))
		if (ig_node(g, id)->n_absorbed)
			return true;
	return false;
}

/* A rule that decided for no layer and was beaten for none. */
static bool report_idle(const struct ig_graph *g, const struct ig_matcher *t, int rule, struct ig_diag *d)
{
	const struct ig_rule *r = &t->map->rules.v[rule];
	const char *member = NULL;
	bool absorbed;
	const struct ig_node *group;
	if (r->made)
		return true;
	switch (r->kind) {
	case IG_RULE_DEFAULT:
		return true; /* a model with no layers */
	case IG_RULE_TYPE:
		if (may_be_fused(r->pattern) && any_absorbed(g)) {
			ig_warn(d, r->loc, "no `%s` is left as a layer of its own: fused ones follow the rule of their main operation", r->pattern);
			return true;
		}
		ig_error(d, r->loc, "the rule matches nothing: the model has no `%s`", r->pattern);
		return false;
	case IG_RULE_ORDER:
		ig_error(d, r->loc, "the rule matches nothing: the model has %d `%s`, counted from 0", count_type(g, r->pattern), r->pattern);
		return false;
	case IG_RULE_MATCH:
	case IG_RULE_LAYER:
		group = hits_absorbed(g, t, rule, &member);
		if (group) {
			ig_warn(d, r->loc, "`%s` is fused into `%s`, whose own rule decides for both", member, group->name);
			return true;
		}
		if (r->kind == IG_RULE_LAYER)
			return ig_layer_find(g, r->pattern, &absorbed, r->loc, d).i >= 0;
		ig_error(d, r->loc, "the rule matches nothing: no layer's whole name matches /%s/", r->pattern);
		return false;
	}
	IG_BUG("rule kind %d", (int)r->kind);
}

static enum ig_precision precision_of(const struct ig_node *n, const struct ig_qconfig *q)
{
	enum ig_op op = n->op;
	bool stub = op == IG_OP_QUANT || op == IG_OP_DEQUANT;
	if (q->skip || (ig_ops[op].quant == IG_QC_NONE && !stub) || (stub && q->mode != IG_MODE_STATIC))
		return IG_PREC_FLOAT;
	if (q->mode == IG_MODE_STATIC && q->act.dtype == IG_DT_S16)
		return ig_ops[op].quant == IG_QC_COMPUTE ? IG_PREC_W8A16 : IG_PREC_FLOAT;
	if (q->mode == IG_MODE_STATIC)
		return IG_PREC_INT8;
	if (q->mode == IG_MODE_DYNAMIC)
		return ig_ops[op].quant == IG_QC_COMPUTE ? IG_PREC_DYNAMIC : IG_PREC_FLOAT;
	/* A depthwise layer's weights are few: they stay as they are. */
	return op == IG_OP_LINEAR || op == IG_OP_LINEAR_ADD || op == IG_OP_CONV2D || op == IG_OP_CONV2D_ADD ? IG_PREC_STORED : IG_PREC_FLOAT;
}

/* A rule that names what its mode has no form for. `told`: by rule, whether it has been said. */
static void warn_float(const struct ig_node *n, const struct ig_rule *r, bool *told, struct ig_diag *d)
{
	bool names = r->kind == IG_RULE_TYPE || r->kind == IG_RULE_ORDER || r->kind == IG_RULE_LAYER;
	if (!names || *told || r->config.skip || r->config.mode != IG_MODE_DYNAMIC || n->precision != IG_PREC_FLOAT)
		return;
	ig_warn(d, r->loc, "`%s` stays in float: dynamic is for linear layers and convolutions, not for `%s`", n->name, ig_op_base_name(n->op));
	*told = true;
}

bool ig_pass_map_qconfig(struct ig_graph *g, struct ig_context *c)
{
	struct ig_matcher *t = ig_matcher_new(c->qconfig, c->diag);
	if (!t)
		return false;
	bool *used = ig_xcalloc((size_t)t->n + 1, sizeof *used), *told = ig_xcalloc((size_t)t->n + 1, sizeof *told), ok = true;
	int *beaten = ig_xcalloc((size_t)t->n + 1, sizeof *beaten);
	int count[IG_OP_COUNT] = {0}; /* by base operation, counted under its first spelling */
	bool given = ig_has_quantized(g); /* what no rule names stays as the graph says */
	for (struct ig_nid id = ig_first(g); id.i >= 0; id = ig_next(g, id)) {
		struct ig_node *n = ig_node(g, id);
		if (!ig_is_layer(n))
			continue;
		const char *type = ig_op_base_name(n->op);
		enum ig_op base = n->op;
		ig_op_find(type, &base);
		struct ig_rule_match m = ig_matcher_decide(t, n->name, type, count[base]++, beaten);
		n->rule = m.rule;
		if (m.rule >= 0)
			used[m.rule] = true;
		for (int i = 0; i < m.n_beaten; i++)
			used[beaten[i]] = true;
		n->precision = given && m.rule < 0 ? IG_PREC_FLOAT : precision_of(n, ig_node_qconfig(c->qconfig, n));
		if (m.rule >= 0)
			warn_float(n, &c->qconfig->rules.v[m.rule], &told[m.rule], c->diag);
	}
	for (int i = 0; i < t->n; i++)
		if (!used[i] && !report_idle(g, t, i, c->diag))
			ok = false;
	free(beaten);
	free(told);
	free(used);
	ig_matcher_free(t);
	return ok;
}
