/* The quantize block: which configuration holds for which layers. Whether a rule matches any layer is the business of the pass that maps them. */
#include "frontend/qconfig_parse.h"

#include <regex.h>
#include <string.h>

#include "ir/graph.h"

struct reader {
	struct ig_diag *diag;
	struct ig_arena *arena;
};

static const char *near(struct reader *r, const char *name, const char *const *names, int n)
{
	const char *best = ig_nearest(name, names, n);
	return best ? ig_arena_printf(r->arena, "; did you mean '%s'?", best) : "";
}

/* Whether a word is among those design reserves but nothing implements yet. */
static bool not_yet(struct reader *r, const struct ast_expr *e, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(words[i], e->s) == 0) {
			ig_error(r->diag, e->loc, "'%s' is not supported yet", e->s);
			return true;
		}
	return false;
}

static bool read_word(struct reader *r, const struct ast_arg *a, const char *yes, const char *no, bool *out)
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

struct observer_text {
	enum ig_observer observer;
	bool is_weight;
	double averaging;
	int bins;
	bool per_channel, reduce_range;
};

static bool observer_option(struct reader *r, const struct ast_expr *e, struct observer_text *o)
{
	static const char *const options[] = {"u8", "s8", "per_channel", "per_tensor", "reduce_range"};
	static const char *const later[] = {"s4", "s16", "u4", "f16", "symmetric", "affine", "per_group"};
	if (e->kind != AST_NAME) {
		ig_error(r->diag, e->loc, "an option of an observer is a word: minmax(s8, per_channel)");
		return false;
	}
	if (strcmp(e->s, o->is_weight ? "s8" : "u8") == 0)
		return true;
	if (strcmp(e->s, "u8") == 0 || strcmp(e->s, "s8") == 0) {
		ig_error(r->diag, e->loc, "%s of %s are not supported yet; %s", o->is_weight ? "weights" : "activations", e->s,
		         o->is_weight ? "weights are s8" : "activations are u8");
		return false;
	}
	if (strcmp(e->s, "reduce_range") == 0)
		return o->reduce_range = true;
	if (strcmp(e->s, "per_tensor") == 0) {
		o->per_channel = false;
		return true;
	}
	if (strcmp(e->s, "per_channel") == 0) {
		if (!o->is_weight)
			ig_error(r->diag, e->loc, "activations per channel are not supported yet");
		o->per_channel = true;
		return o->is_weight;
	}
	if (!not_yet(r, e, later, IG_COUNTOF(later)))
		ig_error(r->diag, e->loc, "unknown option '%s'%s", e->s, near(r, e->s, options, IG_COUNTOF(options)));
	return false;
}

static bool observer_argument(struct reader *r, const struct ast_arg *a, struct observer_text *o)
{
	const struct ast_expr *v = a->value;
	if (strcmp(a->name, "averaging") == 0 && o->observer == IG_OBS_MOVING_AVERAGE) {
		o->averaging = v->kind == AST_INT ? (double)v->i : v->kind == AST_FLOAT ? v->f : 0;
		if (o->averaging > 0 && o->averaging <= 1)
			return true;
		ig_error(r->diag, v->loc, "averaging: takes a number above 0 and at most 1");
		return false;
	}
	if (strcmp(a->name, "bins") == 0 && o->observer == IG_OBS_HISTOGRAM) {
		o->bins = v->kind == AST_INT && v->i >= 16 && v->i <= 16384 ? (int)v->i : 0;
		if (o->bins)
			return true;
		ig_error(r->diag, v->loc, "bins: takes an integer between 16 and 16384");
		return false;
	}
	ig_error(r->diag, a->loc, "%s has no argument '%s'%s", ig_observer_names[o->observer], a->name,
	         o->observer == IG_OBS_MOVING_AVERAGE ? "; it has averaging" : o->observer == IG_OBS_HISTOGRAM ? "; it has bins" : "");
	return false;
}

/* minmax, or minmax(s8, per_channel) */
static bool read_observer(struct reader *r, const struct ast_expr *e, struct observer_text *o)
{
	static const char *const later[] = {"percentile", "entropy", "fixed", "dynamic", "moving_minmax"};
	if (e->kind != AST_NAME && e->kind != AST_CALL) {
		ig_error(r->diag, e->loc, "an observer is expected here: minmax, moving_average, histogram or mse");
		return false;
	}
	int i = 0;
	while (i < IG_OBS_COUNT && strcmp(ig_observer_names[i], e->s) != 0)
		i++;
	if (i == IG_OBS_COUNT) {
		if (!not_yet(r, e, later, IG_COUNTOF(later)))
			ig_error(r->diag, e->loc, "unknown observer '%s'%s", e->s, near(r, e->s, ig_observer_names, IG_OBS_COUNT));
		return false;
	}
	o->observer = (enum ig_observer)i;
	if (o->is_weight && o->observer != IG_OBS_MINMAX && o->observer != IG_OBS_MSE) {
		ig_error(r->diag, e->loc, "%s is for activations; weights take minmax or mse", e->s);
		return false;
	}
	bool ok = true;
	for (const struct ast_arg *a = e->kind == AST_CALL ? e->args : NULL; a; a = a->next)
		ok &= a->name ? observer_argument(r, a, o) : observer_option(r, a->value, o);
	return ok;
}

/* static(activations: ..., weights: ..., bias: ..., requantize: ...) over the default preset */
static bool read_static(struct reader *r, const struct ast_expr *e, struct ig_qconfig *q)
{
	static const char *const names[] = {"activations", "weights", "bias", "requantize"};
	bool ok = true;
	for (const struct ast_arg *a = e->args; a; a = a->next) {
		if (!a->name) {
			ig_error(r->diag, a->loc, "static takes named arguments: static(activations: minmax(u8), weights: minmax(s8, per_channel))");
			return false;
		}
		for (const struct ast_arg *b = e->args; b != a; b = b->next)
			if (b->name && strcmp(b->name, a->name) == 0) {
				ig_error(r->diag, a->loc, "%s: is given twice", a->name);
				ok = false;
			}
		if (strcmp(a->name, "activations") == 0) {
			struct observer_text o = {.averaging = q->act.averaging, .bins = q->act.bins};
			ok &= read_observer(r, a->value, &o);
			q->act.observer = o.observer;
			q->act.averaging = o.averaging;
			q->act.bins = o.bins;
			q->act.reduce_range = o.reduce_range;
		} else if (strcmp(a->name, "weights") == 0) {
			struct observer_text o = {.is_weight = true, .per_channel = q->weight.per_channel};
			ok &= read_observer(r, a->value, &o);
			q->weight.observer = o.observer;
			q->weight.per_channel = o.per_channel;
			q->weight.reduce_range = o.reduce_range;
		} else if (strcmp(a->name, "bias") == 0) {
			ok &= read_word(r, a, "float32", "int32", &q->bias_float32);
		} else if (strcmp(a->name, "requantize") == 0) {
			ok &= read_word(r, a, "fixed", "float", &q->requantize_fixed);
		} else {
			ig_error(r->diag, a->loc, "static has no argument '%s'%s", a->name, near(r, a->name, names, IG_COUNTOF(names)));
			ok = false;
		}
	}
	return ok;
}

static bool read_config(struct reader *r, const struct ast_expr *e, struct ig_qconfig *q)
{
	static const char *const later[] = {"dynamic", "float16", "bfloat16", "weight_only", "int4", "int16"};
	*q = *ig_qconfig_preset("default");
	if (e->kind == AST_BAD)
		return false;
	if (strcmp(e->s, "static") == 0)
		return read_static(r, e, q);
	if (e->kind == AST_CALL && (strcmp(e->s, "skip") == 0 || ig_qconfig_preset(e->s))) {
		ig_error(r->diag, e->loc, "'%s' takes no arguments; to change something write static(...)", e->s);
		return false;
	}
	if (strcmp(e->s, "skip") == 0)
		return q->skip = true;
	const struct ig_qconfig *preset = ig_qconfig_preset(e->s);
	if (preset) {
		*q = *preset;
		return true;
	}
	if (not_yet(r, e, later, IG_COUNTOF(later)))
		return false;
	int n;
	const char *const *presets = ig_qconfig_preset_names(&n);
	const char **names = IG_NEWN(r->arena, const char *, n + 2);
	memcpy(names, presets, (size_t)n * sizeof *names);
	names[n++] = "static";
	names[n++] = "skip";
	ig_error(r->diag, e->loc, "unknown configuration '%s'%s", e->s, near(r, e->s, names, n));
	return false;
}

static bool check_type(struct reader *r, const struct ast_rule *a)
{
	enum ig_op op;
	const char *names[IG_OP_COUNT];
	if (ig_op_find(a->pattern, &op))
		return true;
	for (int i = 0; i < IG_OP_COUNT; i++)
		names[i] = ig_ops[i].name;
	ig_error(r->diag, a->loc, "unknown operation '%s'%s", a->pattern, near(r, a->pattern, names, IG_OP_COUNT));
	return false;
}

static bool check_regex(struct reader *r, const struct ast_rule *a)
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

static bool read_pattern(struct reader *r, const struct ast_rule *a, struct ig_rule *out)
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

struct ig_qconfig_map *ig_qconfig_rules(const struct ast_file *f, struct ig_diag *d)
{
	struct ig_qconfig_map *m = ig_qconfig_map_new();
	struct reader r = {.diag = d, .arena = m->arena};
	if (!f->quantize)
		return m;
	for (const struct ast_quantize *more = f->quantize->next; more; more = more->next) {
		ig_error(d, more->loc, "a second quantize block; put all rules into one");
		ig_note(d, f->quantize->loc, "the first is here");
	}
	for (const struct ast_rule *a = f->quantize->rules; a; a = a->next) {
		struct ig_rule out = {.loc = a->loc, .text = ig_arena_strdup(m->arena, a->text)};
		bool ok = read_pattern(&r, a, &out);
		if (read_config(&r, a->config, &out.config) && ok)
			ig_vec_push(&m->rules, out);
	}
	return m;
}
