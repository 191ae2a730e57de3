/* Scopes, statements, and the expansion of blocks and repeats. */
#include "frontend/sema.h"

#include <stdlib.h>
#include <string.h>

struct sema_var *ig_sema_lookup(struct sema *s, const char *name)
{
	int *i = ig_symtab_find(&s->scope->index, name);
	return i && s->scope->vars.v[*i].defined ? &s->scope->vars.v[*i] : NULL;
}

void ig_sema_define(struct sema *s, const char *name, struct sema_value v)
{
	int *i = ig_symtab_at(&s->scope->index, name, -1);
	if (*i < 0) {
		*i = s->scope->vars.n;
		ig_vec_push(&s->scope->vars, ((struct sema_var){.name = name}));
	}
	struct sema_var *var = &s->scope->vars.v[*i];
	var->value = v;
	var->defined = true;
}

void ig_sema_scope_free(struct sema_scope *c)
{
	ig_symtab_free(&c->index);
	ig_vec_free(&c->vars);
}

const char *ig_sema_name(struct sema *s, struct symtab *names, const char *name)
{
	struct ig_strtab *tab = s->graph->names;
	const char *full = name[0] == '/' ? ig_intern(tab, name + 1) : ig_internf(tab, "%s%s", s->prefix, name);
	int n = *ig_symtab_at(names, full, 0);
	const char *unique = full;
	for (; n > 0; n++) { /* taken: full_1, full_2, ... */
		unique = ig_internf(tab, "%s_%d", full, n);
		if (!ig_symtab_find(names, unique))
			break;
	}
	*ig_symtab_at(names, full, 0) = n + 1;
	if (unique != full)
		*ig_symtab_at(names, unique, 0) = 1;
	return unique;
}

struct block_call {
	struct sema_block *block;
	const struct ast_expr *call;
	const char *instance; /* as written, or NULL */
	bool bad;
};

/* The parameters of a block become the variables of its scope. */
static void bind_args(struct sema *s, struct block_call *b, struct sema_scope *inner)
{
	const struct ast_block *ast = b->block->ast;
	const struct ast_param *next = ast->params;
	for (const struct ast_arg *a = b->call->args; a; a = a->next) {
		if (a->name && strcmp(a->name, "name") == 0) {
			if (b->instance)
				ig_error(s->diag, a->loc, "name: is given twice");
			if (!ig_sema_string(s, a->value, "name:", &b->instance) || !b->instance)
				b->bad = true;
			continue;
		}
		struct sema_value v = ig_sema_eval(s, a->value);
		const struct ast_param *p = a->name ? ast->params : next;
		while (a->name && p && p->name != a->name)
			p = p->next;
		b->bad |= v.kind == V_BAD;
		if (!p && a->name) {
			const char *names[64] = {"name"};
			int n = 1;
			for (const struct ast_param *q = ast->params; q && n < 64; q = q->next)
				names[n++] = q->name;
			ig_error(s->diag, a->loc, "block '%s' has no parameter '%s'%s", ast->name, a->name, ig_sema_near(s, a->name, names, n));
		} else if (!p) {
			ig_error(s->diag, a->loc, "too many arguments for block '%s'", ast->name);
		}
		if (!p) {
			b->bad = true;
			continue;
		}
		if (!a->name)
			next = next->next;
		struct sema_scope *outer = s->scope;
		s->scope = inner;
		if (ig_sema_lookup(s, p->name)) {
			ig_error(s->diag, a->loc, "parameter '%s' of block '%s' is given twice", p->name, ast->name);
			b->bad = true;
		}
		ig_sema_define(s, p->name, v);
		s->scope = outer;
	}
	for (const struct ast_param *p = ast->params; p; p = p->next) {
		int *i = ig_symtab_find(&inner->index, p->name);
		if (!i && !b->bad)
			ig_error(s->diag, b->call->loc, "block '%s' needs its parameter '%s'", ast->name, p->name);
		b->bad |= !i;
	}
}

static void take_results(struct sema *s, const struct block_call *b, const struct ast_expr *list, struct sema_value *out, int n_out)
{
	int n = 0;
	for (const struct ast_expr *e = list->a; e; e = e->next)
		n++;
	if (n != n_out) {
		ig_error(s->diag, b->call->loc, "block '%s' returns %d value%s, but %d %s wanted here", b->block->ast->name, n, n == 1 ? "" : "s",
		         n_out, n_out == 1 ? "is" : "are");
		return;
	}
	n = 0;
	for (const struct ast_expr *e = list->a; e; e = e->next)
		out[n++] = ig_sema_eval(s, e);
}

/* Carries out the body up to its return. */
static void run_block(struct sema *s, struct block_call *b, struct sema_value *out, int n_out)
{
	const struct ast_stmt *body = b->block->ast->body, *last = body;
	while (last && last->next)
		last = last->next;
	if (!last || last->kind != AST_RETURN)
		return; /* reported where the block is defined */
	for (const struct ast_stmt *p = body; p != last && !s->stop; p = p->next) {
		struct ast_stmt one = *p;
		one.next = NULL;
		ig_sema_body(s, &one);
	}
	if (!s->stop)
		take_results(s, b, last->value, out, n_out);
}

static void call_block(struct sema *s, struct sema_block *block, const struct ast_expr *e, const char *hint, struct sema_value *out, int n_out)
{
	struct block_call b = {.block = block, .call = e};
	struct sema_scope inner = {0}, *outer = s->scope;
	const char *prefix = s->prefix;
	int repeats = s->repeat_depth, before = ig_diag_errors(s->diag), index = (int)(block - s->blocks.v);
	block->used = true;
	if (block->active) {
		ig_error(s->diag, e->loc, "block '%s' calls itself; blocks cannot recurse", block->ast->name);
		return;
	}
	if (s->block_depth == SEMA_MAX_BLOCKS) {
		ig_error(s->diag, e->loc, "blocks are nested more than %d deep", SEMA_MAX_BLOCKS);
		return;
	}
	bind_args(s, &b, &inner);
	if (b.instance && !b.instance[b.instance[0] == '/']) {
		ig_error(s->diag, e->loc, "the name of a block's instance is empty");
		b.bad = true;
	}
	if (!b.bad && !block->bad && !s->stop) {
		const char *name = ig_sema_name(s, &s->instance_names, b.instance ? b.instance : hint ? hint : block->ast->name);
		s->prefix = ig_arena_printf(s->arena, "%s.", name);
		s->scope = &inner;
		s->block_depth++;
		s->repeat_depth = 0;
		block->active = true;
		run_block(s, &b, out, n_out);
		block = &s->blocks.v[index];
		block->active = false;
		s->repeat_depth = repeats;
		s->block_depth--;
		s->scope = outer;
		s->prefix = prefix;
		if (ig_diag_errors(s->diag) > before) {
			block->bad = true; /* its other instances would only repeat the errors */
			if (!s->stop || s->block_depth == 0) /* where a limit is exceeded, blocks may be deep */
				ig_note(s->diag, e->loc, "in block '%s', used here as '%s'", block->ast->name, name);
		}
	}
	ig_sema_scope_free(&inner);
}

void ig_sema_call(struct sema *s, const struct ast_expr *e, const struct ast_name *targets, struct sema_value *out, int n_out)
{
	enum ig_op op;
	const char *hint = targets && n_out == 1 ? targets->name : NULL;
	for (int i = 0; i < n_out; i++)
		out[i] = SEMA_BAD;
	int *block = ig_symtab_find(&s->block_index, e->s);
	if (block) {
		call_block(s, &s->blocks.v[*block], e, hint, out, n_out);
		return;
	}
	if (!ig_op_find(e->s, &op)) {
		const char **names = IG_NEWN(s->arena, const char *, IG_OP_COUNT + s->blocks.n);
		int n = 0;
		for (int i = 0; i < IG_OP_COUNT; i++)
			names[n++] = ig_ops[i].name;
		for (int i = 0; i < s->blocks.n; i++)
			names[n++] = s->blocks.v[i].ast->name;
		ig_error(s->diag, e->loc, "unknown operation or block '%s'%s", e->s, ig_sema_near(s, e->s, names, n));
		return;
	}
	ig_sema_op(s, e, op, targets, out, n_out);
}

static void assign(struct sema *s, const struct ast_stmt *st)
{
	int n = 0;
	for (const struct ast_name *t = st->targets; t; t = t->next) {
		n++;
		for (const struct ast_name *u = st->targets; u != t; u = u->next)
			if (u->name == t->name)
				ig_error(s->diag, t->loc, "'%s' is assigned twice in one statement", t->name);
	}
	struct sema_value *v = IG_NEWN(s->arena, struct sema_value, n);
	if (st->value->kind == AST_CALL) {
		ig_sema_call(s, st->value, st->targets, v, n);
	} else if (n == 1) {
		v[0] = ig_sema_eval(s, st->value);
	} else {
		ig_error(s->diag, st->value->loc, "several names are assigned, but there is one value; only a call gives several");
	}
	/* an operation's own call has checked its types already */
	bool checked = st->value->kind == AST_CALL && !ig_symtab_find(&s->block_index, st->value->s);
	n = 0;
	for (const struct ast_name *t = st->targets; t; t = t->next, n++) {
		struct ig_type want;
		if (t->type && !checked && v[n].kind == V_TENSOR && ig_sema_type(s, t->type, &want))
			ig_sema_check_type(s, t->type, &want, ig_vtype(s->graph, v[n].u.v));
		else if (t->type && !checked && v[n].kind != V_TENSOR && v[n].kind != V_BAD)
			ig_error(s->diag, t->type->loc, "a declared type is for tensors; this is %s", ig_sema_kind(&v[n]));
		ig_sema_define(s, t->name, v[n]);
	}
}

static void repeat(struct sema *s, const struct ast_stmt *st)
{
	int64_t count;
	if (!ig_sema_int(s, st->value, "the count of a repeat", 0, SEMA_MAX_REPEAT, &count))
		return;
	struct sema_var *outer = st->targets ? ig_sema_lookup(s, st->targets->name) : NULL, saved = {0};
	if (outer)
		saved = *outer;
	int before = ig_diag_errors(s->diag);
	s->repeat_depth++;
	for (int64_t i = 0; i < count && !s->stop; i++) {
		if (st->targets)
			ig_sema_define(s, st->targets->name, (struct sema_value){.kind = V_INT, .u.i = i});
		ig_sema_body(s, st->body);
		if (ig_diag_errors(s->diag) > before)
			break; /* the next turns would only repeat the errors */
	}
	s->repeat_depth--;
	if (st->targets && count > 0) { /* the counter belongs to the repeat */
		struct sema_var *v = ig_sema_lookup(s, st->targets->name);
		if (v) {
			v->value = saved.value;
			v->defined = saved.defined;
		}
	}
}

void ig_sema_body(struct sema *s, const struct ast_stmt *body)
{
	for (const struct ast_stmt *st = body; st && !s->stop; st = st->next) {
		if (++s->steps > SEMA_MAX_STEPS) {
			ig_error(s->diag, st->loc, "the model expands to more than %d statements", SEMA_MAX_STEPS);
			s->stop = true;
			return;
		}
		switch (st->kind) {
		case AST_ASSIGN:
			assign(s, st);
			break;
		case AST_REPEAT:
			repeat(s, st);
			break;
		case AST_RETURN:
			ig_error(s->diag, st->loc, s->repeat_depth     ? "a return cannot stand inside a repeat"
			                           : s->block_depth == 0 ? "a model has no return: assign to the names of its outputs"
			                                                 : "a return is a block's last statement");
			break;
		case AST_EXPR:
			ig_error(s->diag, st->loc, "the value of this statement is not used; assign it to a name: y = ...");
			break;
		}
	}
}
