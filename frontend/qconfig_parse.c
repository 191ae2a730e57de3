/* The quantize block: which configuration holds for which layers. Whether a rule matches any layer is the business of the pass that maps them. */
#include "frontend/qconfig_parse.h"

#include <regex.h>
#include <string.h>

#include "ir/graph.h"

static bool read_word(struct ig_qconfig_reader *r, const struct ast_arg *a, const char *yes, const char *no, bool *out)
{
	const char *w = a->value->kind == AST_NAME ? a->value->s : "";
	if (strcmp(w, yes) == 0)
		*out = true;
	else if (strcmp(w, no) == 0)
		*out = false;
	else
		ig_error(r->diag, a->value->loc, "%s: takes %s or %s", a->name, yes, no);
	return strcmp(w, yes) == 0 || strcmp(w, no) == 0;
}

static bool twice(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct ast_arg *a)
{
	for (const struct ast_arg *b = e->args; b != a; b = b->next)
		if (b->name && strcmp(b->name, a->name) == 0) {
			ig_error(r->diag, a->loc, "%s: is given twice", a->name);
			return true;
		}
	return false;
}

/* An argument of a mode; those of tensors begin with what the mode has already. */
static bool mode_argument(struct ig_qconfig_reader *r, const char *mode, const struct ast_arg *a, struct ig_qconfig *q)
{
	static const char *const names[] = {"activations", "weights", "bias", "requantize"};
	if (strcmp(a->name, "activations") == 0 && (q->mode == IG_MODE_STATIC || q->mode == IG_MODE_DYNAMIC))
		return ig_qconfig_observer(r, a->value, false, &q->act);
	if (strcmp(a->name, "weights") == 0)
		return ig_qconfig_observer(r, a->value, true, &q->weight);
	if (strcmp(a->name, "bias") == 0 && q->mode == IG_MODE_STATIC)
		return read_word(r, a, "float32", "int32", &q->bias_float32);
	if (strcmp(a->name, "requantize") == 0 && q->mode == IG_MODE_STATIC)
		return read_word(r, a, "fixed", "float", &q->requantize_fixed);
	ig_error(r->diag, a->loc, "%s has no argument '%s'%s", mode, a->name, q->mode == IG_MODE_STATIC ? ig_qconfig_near(r, a->name, names, IG_COUNTOF(names)) :
	         q->mode == IG_MODE_DYNAMIC ? "; it has activations and weights" : "; it has weights");
	return false;
}

/* static(activations: ..., weights: ..., bias: ..., requantize: ...) over the default preset; dynamic(activations: ..., weights: ...); weight_only with weights alone */
static bool read_mode(struct ig_qconfig_reader *r, const struct ast_expr *e, struct ig_qconfig *q)
{
	bool ok = true, has_weights = q->mode == IG_MODE_STATIC || q->mode == IG_MODE_DYNAMIC || q->mode == IG_MODE_WEIGHT_ONLY;
	if (e->kind == AST_CALL && !has_weights) {
		ig_error(r->diag, e->loc, "'%s' takes no arguments", e->s);
		return false;
	}
	for (const struct ast_arg *a = e->kind == AST_CALL ? e->args : NULL; a; a = a->next) {
		if (!a->name) {
			ig_error(r->diag, a->loc, "%s takes named arguments: static(activations: minmax(u8), weights: minmax(s8, per_channel))", e->s);
			return false;
		}
		bool again = twice(r, e, a);
		ok &= mode_argument(r, e->s, a, q) && !again;
	}
	return ok;
}

/* Weights of 4 bits and groups are for layers that compute in float32. */
static bool check_weights(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct ig_qconfig *q)
{
	bool ok = q->mode == IG_MODE_WEIGHT_ONLY || (q->weight.dtype == IG_DT_S8 && q->weight.group == 0);
	if (!ok)
		ig_error(r->diag, e->loc, "%s has weights of s8 without groups; s4 and group: are for weight_only", e->s);
	return ok;
}

static bool check_activations(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct ig_qconfig *q)
{
	bool ok = q->mode != IG_MODE_STATIC || q->act.dtype != IG_DT_S16 || !q->requantize_fixed;
	if (!ok)
		ig_error(r->diag, e->loc, "requantize: fixed is for activations of 8 bits; layers with s16 give float32");
	return ok;
}

/* At run time there is the range of one tensor: from its least to its greatest value. */
static bool check_dynamic(struct ig_qconfig_reader *r, const struct ast_expr *e, const struct ig_qconfig *q)
{
	const struct ig_qspec *a = &q->act;
	bool ok = q->mode != IG_MODE_DYNAMIC || (a->observer == IG_OBS_MINMAX && a->dtype == IG_DT_U8 && a->scheme == IG_SCHEME_AFFINE && !a->limited);
	if (!ok)
		ig_error(r->diag, e->loc, "activations of dynamic are minmax(u8), or minmax(u8, reduce_range): their range is found at run time");
	return ok;
}

static bool unknown_config(struct ig_qconfig_reader *r, const struct ast_expr *e)
{
	int n;
	const char *const *presets = ig_qconfig_preset_names(&n);
	const char **names = IG_NEWN(r->arena, const char *, n + IG_MODE_COUNT + 1);
	memcpy(names, presets, (size_t)n * sizeof *names);
	names[n++] = "skip";
	for (int i = 0; i < IG_MODE_COUNT; i++)
		names[n++] = ig_mode_names[i];
	ig_error(r->diag, e->loc, "unknown configuration '%s'%s", e->s, ig_qconfig_near(r, e->s, names, n));
	return false;
}

static bool read_config(struct ig_qconfig_reader *r, const struct ast_expr *e, struct ig_qconfig *q)
{
	*q = *ig_qconfig_preset("default");
	if (e->kind == AST_BAD)
		return false;
	for (int i = 0; i < IG_MODE_COUNT; i++)
		if (strcmp(e->s, ig_mode_names[i]) == 0) {
			q->mode = (enum ig_mode)i;
			if (q->mode == IG_MODE_DYNAMIC)
				q->act = ig_qconfig_preset("default_dynamic")->act;
			return read_mode(r, e, q) && check_weights(r, e, q) && check_activations(r, e, q) && check_dynamic(r, e, q);
		}
	const struct ig_qconfig *preset = ig_qconfig_preset(e->s);
	bool skip = strcmp(e->s, "skip") == 0;
	if (!skip && !preset)
		return unknown_config(r, e);
	if (e->kind == AST_CALL) {
		ig_error(r->diag, e->loc, "'%s' takes no arguments; to change something write static(...)", e->s);
		return false;
	}
	if (skip)
		return q->skip = true;
	*q = *preset;
	return true;
}

static bool check_type(struct ig_qconfig_reader *r, const struct ast_rule *a)
{
	enum ig_op op;
	const char *names[IG_OP_COUNT];
	if (ig_op_find(a->pattern, &op))
		return true;
	for (int i = 0; i < IG_OP_COUNT; i++)
		names[i] = ig_ops[i].name;
	ig_error(r->diag, a->loc, "unknown operation '%s'%s", a->pattern, ig_qconfig_near(r, a->pattern, names, IG_OP_COUNT));
	return false;
}

static bool check_regex(struct ig_qconfig_reader *r, const struct ast_rule *a)
{
	regex_t re;
	char message[128];
	if (strlen(a->pattern) > 1000) { /* the C library's compiler takes memory that grows with the text */
		ig_error(r->diag, a->loc, "this regular expression is longer than 1000 characters");
		return false;
	}
	int bad = regcomp(&re, ig_arena_printf(r->arena, "^(%s)$", a->pattern), REG_EXTENDED | REG_NOSUB);
	if (bad) {
		regerror(bad, &re, message, sizeof message);
		ig_error(r->diag, a->loc, "bad regular expression: %s", message);
		return false;
	}
	regfree(&re);
	return true;
}

static bool read_pattern(struct ig_qconfig_reader *r, const struct ast_rule *a, struct ig_rule *out)
{
	static const enum ig_rule_kind kinds[] = {IG_RULE_DEFAULT, IG_RULE_TYPE, IG_RULE_MATCH, IG_RULE_ORDER, IG_RULE_LAYER};
	out->kind = kinds[a->kind];
	switch (a->kind) {
	case AST_RULE_DEFAULT:
		return true;
	case AST_RULE_MATCH:
		out->pattern = ig_arena_strdup(r->arena, a->pattern);
		return check_regex(r, a);
	case AST_RULE_TYPE:
	case AST_RULE_ORDER:
		out->pattern = ig_arena_strdup(r->arena, a->pattern);
		out->order = a->order > 1000000 ? 1000000 : (int)a->order;
		return check_type(r, a);
	case AST_RULE_RECOVER:
		return false; /* no rule: read_recover */
	case AST_RULE_LAYER:
		if (!a->layer->a && *a->layer->s) {
			out->pattern = ig_arena_strdup(r->arena, a->layer->s);
			return true;
		}
		ig_error(r->diag, a->loc, a->layer->a ? "the name of a layer in a rule is a plain string; for several layers there is match /.../" : "the name of the layer is empty");
		return false;
	}
	return false;
}

static void read_recover(struct ig_qconfig_reader *r, const struct ast_rule *a, struct ig_qconfig_map *m)
{
	for (int i = 0; i < IG_RECOVER_COUNT; i++) {
		if (strcmp(a->pattern, ig_recover_names[i]) != 0)
			continue;
		if (m->recover[i])
			ig_error(r->diag, a->loc, "'recover %s' is given twice", a->pattern);
		m->recover[i] = true;
		m->recover_loc[i] = a->loc;
		if (m->recover[IG_RECOVER_GPTQ] && m->recover[IG_RECOVER_ADAROUND] && (i == IG_RECOVER_GPTQ || i == IG_RECOVER_ADAROUND))
			ig_error(r->diag, a->loc, "'recover gptq' and 'recover adaround' both round all weights anew: choose one");
		return;
	}
	ig_error(r->diag, a->loc, "there is no method '%s' to recover accuracy%s", a->pattern, ig_qconfig_near(r, a->pattern, ig_recover_names, IG_RECOVER_COUNT));
}

struct ig_qconfig_map *ig_qconfig_rules(const struct ast_file *f, struct ig_diag *d)
{
	struct ig_qconfig_map *m = ig_qconfig_map_new();
	struct ig_qconfig_reader r = {.diag = d, .arena = m->arena};
	if (!f->quantize)
		return m;
	for (const struct ast_quantize *more = f->quantize->next; more; more = more->next) {
		ig_error(d, more->loc, "a second quantize block; put all rules into one");
		ig_note(d, f->quantize->loc, "the first is here");
	}
	for (const struct ast_rule *a = f->quantize->rules; a; a = a->next) {
		if (a->kind == AST_RULE_RECOVER) {
			read_recover(&r, a, m);
			continue;
		}
		struct ig_rule out = {.loc = a->loc, .text = ig_arena_strdup(m->arena, a->text)};
		bool ok = read_pattern(&r, a, &out);
		if (read_config(&r, a->config, &out.config) && ok)
			ig_vec_push(&m->rules, out);
	}
	return m;
}
