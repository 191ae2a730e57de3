#include "frontend/ast.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/parse.h"
#include "frontend_parser.h"
#include "frontend_lexer.h"

struct ig_loc ig_parse_loc(const struct parse_context *c, struct ast_span s)
{
	return (struct ig_loc){.file = c->file->file, .line = s.line, .col = s.col};
}

void ig_parse_drop_brackets(struct parse_context *c)
{
	while (c->n_brackets && c->bracket[c->n_brackets - 1].kind != '{')
		c->n_brackets--;
}

struct ast_expr *ig_parse_expr(struct parse_context *c, enum ast_expr_kind kind, struct ast_span at)
{
	struct ast_expr *e = IG_NEW(c->file->arena, struct ast_expr);
	e->kind = kind;
	e->loc = ig_parse_loc(c, at);
	e->depth = 1;
	return e;
}

/* The checker recurses over the tree, so its depth has a limit: what lies deeper is cut off. */
static struct ast_expr *deepen(struct parse_context *c, struct ast_expr *e, int child)
{
	if (child >= e->depth)
		e->depth = child + 1;
	if (e->depth == AST_MAX_DEPTH)
		ig_error(c->diag, e->loc, "this expression is nested more than %d deep", AST_MAX_DEPTH);
	if (e->depth >= AST_MAX_DEPTH) {
		e->kind = AST_BAD;
		e->a = e->b = NULL;
		e->args = NULL;
	}
	return e;
}

struct ast_expr *ig_parse_binary(struct parse_context *c, char op, struct ast_span at, struct ast_expr *a, struct ast_expr *b)
{
	struct ast_expr *e = ig_parse_expr(c, AST_BINARY, at);
	char text[2] = {op, 0};
	e->s = ig_intern(c->file->names, text);
	e->a = a;
	e->b = b;
	return deepen(c, e, a->depth > b->depth ? a->depth : b->depth);
}

struct ast_expr *ig_parse_negate(struct parse_context *c, struct ast_span at, struct ast_expr *a)
{
	struct ast_expr *e = ig_parse_expr(c, AST_NEGATE, at);
	e->a = a;
	return deepen(c, e, a->depth);
}

struct ast_expr *ig_parse_list(struct parse_context *c, struct ast_span at, struct ast_expr *items)
{
	struct ast_expr *e = ig_parse_expr(c, AST_LIST, at);
	int depth = 0;
	e->a = items;
	for (const struct ast_expr *i = items; i; i = i->next)
		if (i->depth > depth)
			depth = i->depth;
	return deepen(c, e, depth);
}

struct ast_expr *ig_parse_call(struct parse_context *c, struct ast_span at, const char *name, struct ast_arg *args)
{
	struct ast_expr *e = ig_parse_expr(c, AST_CALL, at);
	int depth = 0;
	e->s = name;
	e->args = args;
	for (const struct ast_arg *a = args; a; a = a->next)
		if (a->value->depth > depth)
			depth = a->value->depth;
	return deepen(c, e, depth);
}

struct ast_stmt *ig_parse_repeat(struct parse_context *c, struct ast_span at, struct ast_expr *count, struct ast_name *counter,
                              struct ast_stmt *body)
{
	struct ast_stmt *s = IG_NEW(c->file->arena, struct ast_stmt);
	s->kind = AST_REPEAT;
	s->loc = ig_parse_loc(c, at);
	s->value = count;
	s->targets = counter;
	s->body = body;
	for (const struct ast_stmt *b = body; b; b = b->next)
		if (b->depth >= s->depth)
			s->depth = b->depth + 1;
	if (s->depth >= AST_MAX_DEPTH) {
		if (s->depth == AST_MAX_DEPTH)
			ig_error(c->diag, s->loc, "repeats are nested more than %d deep", AST_MAX_DEPTH);
		s->body = NULL;
	}
	return s;
}

const char *ig_parse_text(struct parse_context *c, struct ast_span s)
{
	while (s.from < s.to && strchr(" \t\r\n", c->text[s.from]))
		s.from++;
	while (s.to > s.from && strchr(" \t\r\n", c->text[s.to - 1]))
		s.to--;
	return ig_arena_strndup(c->file->arena, c->text + s.from, s.to - s.from);
}

struct ast_file *ig_ast_parse(const char *path, const char *text, size_t len, struct ig_diag *d)
{
	struct ast_file *f = ig_xcalloc(1, sizeof *f);
	f->arena = ig_arena_new();
	f->names = ig_strtab_new();
	f->file = ig_diag_source(d, path, text, len);
	struct parse_context *c = ig_xcalloc(1, sizeof *c);
	*c = (struct parse_context){.file = f, .diag = d, .text = text, .len = len, .line = 1, .col = 1};
	yyscan_t scanner;
	if (ig_yylex_init_extra(c, &scanner) != 0) {
		fputs("intaglio: error: out of memory\n", stderr);
		exit(1);
	}
	ig_yy_scan_bytes(text, (int)len, scanner);
	ig_yyparse(scanner, c);
	ig_yylex_destroy(scanner);
	free(c->buf);
	free(c);
	return f;
}

void ig_ast_free(struct ast_file *f)
{
	if (!f)
		return;
	ig_arena_free(f->arena);
	ig_strtab_free(f->names);
	free(f);
}
