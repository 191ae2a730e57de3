/* What the lexer and the parser share; seen by the generated files and ast.c only. */
#ifndef IG_FRONTEND_PARSE_H
#define IG_FRONTEND_PARSE_H

#include "frontend/ast.h"

#define PARSE_MAX_BRACKETS 256

/* The generated lexer knows the types of the generated parser by these names. */
#define YYSTYPE IG_YYSTYPE
#define YYLTYPE IG_YYLTYPE

struct parse_bracket {
	char kind; /* ( [ {, or " for a { inside a string */
	struct ast_span at;
};

struct parse_context {
	struct ast_file *file;
	struct ig_diag *diag;
	const char *text;
	size_t len;
	/* the lexer's state */
	size_t at;
	int line, col;
	struct parse_bracket bracket[PARSE_MAX_BRACKETS];
	int n_brackets;
	bool in_quantize; /* inside the quantize block, where match takes /a regular expression/ */
	bool expect_regex;
	struct ast_span string_at; /* where the string being read began */
	char *buf;                 /* its text so far */
	size_t n_buf, cap_buf;
	bool ended;         /* the newline that closes the text has been given */
};

struct ig_loc ig_parse_loc(const struct parse_context *c, struct ast_span s);
/* After an error: open ( and [ are forgotten, so that the next newline ends the statement. */
void ig_parse_drop_brackets(struct parse_context *c);
struct ast_expr *ig_parse_expr(struct parse_context *c, enum ast_expr_kind kind, struct ast_span at);
struct ast_expr *ig_parse_binary(struct parse_context *c, char op, struct ast_span at, struct ast_expr *a, struct ast_expr *b);
struct ast_expr *ig_parse_negate(struct parse_context *c, struct ast_span at, struct ast_expr *a);
struct ast_expr *ig_parse_list(struct parse_context *c, struct ast_span at, struct ast_expr *items);
struct ast_expr *ig_parse_call(struct parse_context *c, struct ast_span at, const char *name, struct ast_arg *args);
struct ast_stmt *ig_parse_repeat(struct parse_context *c, struct ast_span at, struct ast_expr *count, struct ast_name *counter,
                              struct ast_stmt *body);
/* "1 + 2": text of a span, blanks at its ends dropped. */
const char *ig_parse_text(struct parse_context *c, struct ast_span s);

#endif
