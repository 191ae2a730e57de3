/* The grammar: text to tree, nothing checked but form. Statements end with a newline; an error skips to the end of its statement. */
%require "3.8"
%define api.pure full
%define api.prefix {ig_yy}
%define api.location.type {struct ast_span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {void *scanner}
%parse-param {struct parse_context *c}

%code requires {
#include "frontend/parse.h"
}

%code {
#include "frontend_lexer.h"

#define YYMAXDEPTH 4000 /* nesting; lists do not grow the stack */
#define YYLLOC_DEFAULT(cur, rhs, n)                                                                                     \
	do {                                                                                                                \
		if (n) {                                                                                                        \
			(cur) = YYRHSLOC(rhs, 1);                                                                                   \
			(cur).to = YYRHSLOC(rhs, n).to;                                                                             \
		} else {                                                                                                        \
			(cur) = YYRHSLOC(rhs, 0);                                                                                   \
			(cur).from = (cur).to;                                                                                      \
		}                                                                                                               \
	} while (0)

static void ig_yyerror(struct ast_span *at, void *scanner, struct parse_context *c, const char *message);

#define NEW(T) IG_NEW(c->file->arena, struct T)
#define APPEND(list, item) ((list).tail ? ((list).tail->next = (item)) : ((list).head = (item)), (list).tail = (item))
#define LIST(list, item) ((list).head = (list).tail = (item))
}

%union {
	int64_t i;
	double f;
	const char *s;
	struct ast_expr *expr;
	struct ast_type *type;
	struct ast_stmt *stmt;
	struct ast_rule *rule;
	struct ast_arg *arg;
	struct ast_param *param;
	struct ast_name *ident;
	struct { struct ast_expr *head, *tail; } exprs;
	struct { struct ast_arg *head, *tail; } args;
	struct { struct ast_name *head, *tail; } names;
	struct { struct ast_param *head, *tail; } params;
	struct { struct ast_stmt *head, *tail; } stmts;
	struct { struct ast_rule *head, *tail; } rules;
}

%token <s> T_NAME "name" T_WEIGHTS "weights" T_MODEL "model" T_BLOCK "block" T_QUANTIZE "quantize" T_AS "as"
%token <s> T_DEFAULT "default" T_TYPE "type" T_MATCH "match" T_LAYER "layer" T_ORDER "order" T_RECOVER "recover" T_REPEAT "repeat" T_RETURN "return"
%token <i> T_INT "integer"
%token <f> T_FLOAT "number"
%token <s> T_TEXT "end of string" T_PIECE "piece of string" T_REGEX "regular expression"
%token T_NEWLINE "newline" T_ARROW "'->'" T_QUOTE "string" T_BAD "bad token"
%token YYEOF 0 "end of file"

%left '+' '-'
%left '*' '/' '%'
%precedence NEGATE

%type <s> name
%type <expr> expr call string config
%type <exprs> exprs some_exprs pieces
%type <args> args some_args qparams
%type <arg> arg qparam
%type <ident> target typed_target counter layout stage
%type <names> targets
%type <params> names some_names typed some_typed
%type <type> type
%type <stmt> stmt
%type <stmts> body lines
%type <rules> rules
%type <rule> rule

%%

file
	: items
	;
items
	: %empty
	| items T_NEWLINE
	| items item T_NEWLINE
	;
item
	: weights
	| block
	| model
	| quantize
	| error
	;

weights
	: T_WEIGHTS string {
		struct ast_weights *w = NEW(ast_weights), **p = &c->file->weights;
		w->path = $2;
		w->loc = ig_parse_loc(c, @2);
		while (*p)
			p = &(*p)->next;
		*p = w;
	}
	;

block
	: T_BLOCK name '(' names ')' '{' body '}' {
		struct ast_block *b = NEW(ast_block), **p = &c->file->blocks;
		b->name = $2;
		b->loc = ig_parse_loc(c, @2);
		b->params = $4.head;
		b->body = $7.head;
		while (*p)
			p = &(*p)->next;
		*p = b;
	}
	;
names
	: %empty { $$.head = $$.tail = NULL; }
	| some_names
	| some_names ','
	;
some_names
	: name {
		struct ast_param *n = NEW(ast_param);
		n->name = $1;
		n->loc = ig_parse_loc(c, @1);
		LIST($$, n);
	}
	| some_names ',' name {
		struct ast_param *n = NEW(ast_param);
		n->name = $3;
		n->loc = ig_parse_loc(c, @3);
		$$ = $1;
		APPEND($$, n);
	}
	;

model
	: T_MODEL name '(' typed ')' T_ARROW '(' typed ')' stage '{' body '}' {
		struct ast_model *m = NEW(ast_model), **p = &c->file->models;
		m->name = $2;
		m->loc = ig_parse_loc(c, @2);
		m->inputs = $4.head;
		m->outputs = $8.head;
		m->stage = $10;
		m->body = $12.head;
		while (*p)
			p = &(*p)->next;
		*p = m;
	}
	;
stage
	: %empty { $$ = NULL; }
	| target
	;
typed
	: %empty { $$.head = $$.tail = NULL; }
	| some_typed
	| some_typed ','
	;
some_typed
	: name ':' type {
		struct ast_param *n = NEW(ast_param);
		n->name = $1;
		n->loc = ig_parse_loc(c, @1);
		n->type = $3;
		LIST($$, n);
	}
	| some_typed ',' name ':' type {
		struct ast_param *n = NEW(ast_param);
		n->name = $3;
		n->loc = ig_parse_loc(c, @3);
		n->type = $5;
		$$ = $1;
		APPEND($$, n);
	}
	;

type
	: name '[' exprs ']' layout {
		$$ = NEW(ast_type);
		$$->dtype = $1;
		$$->loc = ig_parse_loc(c, @1);
		$$->dims = $3.head;
		$$->layout = $5;
	}
	| name '[' exprs ']' layout '{' newlines qparams newlines '}' {
		$$ = NEW(ast_type);
		$$->dtype = $1;
		$$->loc = ig_parse_loc(c, @1);
		$$->dims = $3.head;
		$$->layout = $5;
		$$->qparams = $8.head;
		$$->has_qparams = true;
	}
	;
layout
	: %empty { $$ = NULL; }
	| target
	;
qparams
	: qparam { LIST($$, $1); }
	| qparams ',' newlines qparam {
		$$ = $1;
		APPEND($$, $4);
	}
	;
qparam
	: name ':' expr {
		$$ = NEW(ast_arg);
		$$->name = $1;
		$$->loc = ig_parse_loc(c, @1);
		$$->value = $3;
	}
	;
newlines
	: %empty
	| newlines T_NEWLINE
	;

body
	: lines
	| lines stmt {
		$$ = $1;
		if ($2)
			APPEND($$, $2);
	}
	;
lines
	: %empty { $$.head = $$.tail = NULL; }
	| lines T_NEWLINE
	| lines stmt T_NEWLINE {
		$$ = $1;
		if ($2)
			APPEND($$, $2);
	}
	;
stmt
	: targets '=' expr {
		$$ = NEW(ast_stmt);
		$$->kind = AST_ASSIGN;
		$$->loc = ig_parse_loc(c, @1);
		$$->targets = $1.head;
		$$->value = $3;
	}
	| T_REPEAT expr counter '{' body '}' { $$ = ig_parse_repeat(c, @1, $2, $3, $5.head); }
	| T_RETURN some_exprs {
		$$ = NEW(ast_stmt);
		$$->kind = AST_RETURN;
		$$->loc = ig_parse_loc(c, @1);
		$$->value = ig_parse_list(c, @2, $2.head);
	}
	| expr {
		$$ = NEW(ast_stmt);
		$$->kind = AST_EXPR;
		$$->loc = ig_parse_loc(c, @1);
		$$->value = $1;
	}
	| error { $$ = NULL; }
	;
counter
	: %empty { $$ = NULL; }
	| T_AS target { $$ = $2; }
	;
targets
	: typed_target { LIST($$, $1); }
	| targets ',' typed_target {
		$$ = $1;
		APPEND($$, $3);
	}
	;
typed_target
	: target
	| target ':' type {
		$$ = $1;
		$$->type = $3;
	}
	;
target
	: name {
		$$ = NEW(ast_name);
		$$->name = $1;
		$$->loc = ig_parse_loc(c, @1);
	}
	;

expr
	: T_INT {
		$$ = ig_parse_expr(c, AST_INT, @1);
		$$->i = $1;
	}
	| T_FLOAT {
		$$ = ig_parse_expr(c, AST_FLOAT, @1);
		$$->f = $1;
	}
	| string
	| name {
		$$ = ig_parse_expr(c, AST_NAME, @1);
		$$->s = $1;
	}
	| call
	| '[' exprs ']' { $$ = ig_parse_list(c, @1, $2.head); }
	| '(' expr ')' { $$ = $2; }
	| '-' expr %prec NEGATE { $$ = ig_parse_negate(c, @1, $2); }
	| expr '+' expr { $$ = ig_parse_binary(c, '+', @2, $1, $3); }
	| expr '-' expr { $$ = ig_parse_binary(c, '-', @2, $1, $3); }
	| expr '*' expr { $$ = ig_parse_binary(c, '*', @2, $1, $3); }
	| expr '/' expr { $$ = ig_parse_binary(c, '/', @2, $1, $3); }
	| expr '%' expr { $$ = ig_parse_binary(c, '%', @2, $1, $3); }
	;
call
	: name '(' args ')' { $$ = ig_parse_call(c, @1, $1, $3.head); }
	;
args
	: %empty { $$.head = $$.tail = NULL; }
	| some_args
	| some_args ','
	;
some_args
	: arg { LIST($$, $1); }
	| some_args ',' arg {
		$$ = $1;
		APPEND($$, $3);
	}
	;
arg
	: expr {
		$$ = NEW(ast_arg);
		$$->loc = $1->loc;
		$$->value = $1;
	}
	| name ':' expr {
		$$ = NEW(ast_arg);
		$$->name = $1;
		$$->loc = ig_parse_loc(c, @1);
		$$->value = $3;
	}
	;
exprs
	: %empty { $$.head = $$.tail = NULL; }
	| some_exprs
	| some_exprs ','
	;
some_exprs
	: expr { LIST($$, $1); }
	| some_exprs ',' expr {
		$$ = $1;
		APPEND($$, $3);
	}
	;
string
	: T_QUOTE T_TEXT {
		$$ = ig_parse_expr(c, AST_STRING, @1);
		$$->s = $2;
	}
	| T_QUOTE pieces T_TEXT {
		struct ast_expr *end = ig_parse_expr(c, AST_STRING, @3);
		end->s = $3;
		APPEND($2, end);
		$$ = ig_parse_expr(c, AST_STRING, @1);
		$$->s = $2.head->s;
		$$->a = $2.head->next;
		for (const struct ast_expr *e = $$->a; e; e = e->next)
			if (e->depth >= $$->depth)
				$$->depth = e->depth + 1;
	}
	;
pieces
	: T_PIECE expr {
		struct ast_expr *text = ig_parse_expr(c, AST_STRING, @1);
		text->s = $1;
		LIST($$, text);
		APPEND($$, $2);
	}
	| pieces T_PIECE expr {
		struct ast_expr *text = ig_parse_expr(c, AST_STRING, @2);
		text->s = $2;
		$$ = $1;
		APPEND($$, text);
		APPEND($$, $3);
	}
	;

quantize
	: T_QUANTIZE '{' rules '}' {
		struct ast_quantize *q = NEW(ast_quantize), **p = &c->file->quantize;
		q->loc = ig_parse_loc(c, @1);
		q->rules = $3.head;
		while (*p)
			p = &(*p)->next;
		*p = q;
	}
	;
rules
	: %empty { $$.head = $$.tail = NULL; }
	| rule {
		$$.head = $$.tail = NULL;
		if ($1)
			LIST($$, $1);
	}
	| rules T_NEWLINE
	| rules T_NEWLINE rule {
		$$ = $1;
		if ($3)
			APPEND($$, $3);
	}
	;
rule
	: T_DEFAULT config {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_DEFAULT;
		$$->loc = ig_parse_loc(c, @1);
		$$->config = $2;
		$$->text = ig_parse_text(c, @2);
	}
	| T_TYPE name config {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_TYPE;
		$$->pattern = $2;
		$$->loc = ig_parse_loc(c, @2);
		$$->config = $3;
		$$->text = ig_parse_text(c, @3);
	}
	| T_MATCH T_REGEX config {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_MATCH;
		$$->pattern = $2;
		$$->loc = ig_parse_loc(c, @2);
		$$->config = $3;
		$$->text = ig_parse_text(c, @3);
	}
	| T_ORDER name T_INT config {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_ORDER;
		$$->pattern = $2;
		$$->order = $3;
		$$->loc = ig_parse_loc(c, @2);
		$$->config = $4;
		$$->text = ig_parse_text(c, @4);
	}
	| T_LAYER string config {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_LAYER;
		$$->layer = $2;
		$$->loc = ig_parse_loc(c, @2);
		$$->config = $3;
		$$->text = ig_parse_text(c, @3);
	}
	| T_RECOVER name {
		$$ = NEW(ast_rule);
		$$->kind = AST_RULE_RECOVER;
		$$->pattern = $2;
		$$->loc = ig_parse_loc(c, @2);
	}
	| error { $$ = NULL; }
	;
config
	: name {
		$$ = ig_parse_expr(c, AST_NAME, @1);
		$$->s = $1;
	}
	| call
	;

name
	: T_NAME | T_WEIGHTS | T_MODEL | T_BLOCK | T_QUANTIZE | T_AS | T_DEFAULT | T_TYPE | T_MATCH | T_LAYER | T_ORDER | T_RECOVER
	;

%%

static void describe(char *out, size_t size, const struct parse_context *c, yysymbol_kind_t kind, const struct ast_span *at)
{
	size_t n = at->to > at->from ? at->to - at->from : 0;
	if (kind == YYSYMBOL_YYEOF || at->from >= c->len)
		snprintf(out, size, "end of the file");
	else if (kind == YYSYMBOL_T_NEWLINE)
		snprintf(out, size, "end of the line");
	else if (kind == YYSYMBOL_T_QUOTE || kind == YYSYMBOL_T_TEXT || kind == YYSYMBOL_T_PIECE)
		snprintf(out, size, "string");
	else
		snprintf(out, size, "'%.*s'", (int)(n > 60 ? 60 : n), c->text + at->from);
}

/* The words that may stand here, as the message says them; NULL: not worth naming. */
static const char *expected_text(yysymbol_kind_t k)
{
	switch (k) {
	case YYSYMBOL_T_NEWLINE: return "the end of the line";
	case YYSYMBOL_YYEOF: return NULL;
	case YYSYMBOL_T_NAME: return "a name";
	case YYSYMBOL_T_INT: return "an integer";
	case YYSYMBOL_T_FLOAT: return NULL;
	case YYSYMBOL_T_QUOTE: return "a string";
	case YYSYMBOL_T_TEXT: return "the end of the string";
	case YYSYMBOL_T_PIECE: return NULL;
	case YYSYMBOL_T_REGEX: return "a regular expression";
	case YYSYMBOL_T_BAD: return NULL;
	default: return yysymbol_name(k);
	}
}

struct expectation {
	char list[200];
	int n; /* how many things could stand there */
	const char *words[16];
	int n_words; /* keywords among them */
};

/* Where any name may stand, keywords are names and go without saying; where a keyword must stand, so does the newline before it. */
static void collect_expected(const yypcontext_t *ctx, struct expectation *x)
{
	yysymbol_kind_t expected[YYNTOKENS];
	int n = yypcontext_expected_tokens(ctx, expected, YYNTOKENS);
	bool any_name = false, newline = true;
	for (int i = 0; i < n; i++) {
		any_name |= expected[i] == YYSYMBOL_T_NAME;
		newline &= expected[i] != YYSYMBOL_T_MODEL && expected[i] != YYSYMBOL_T_DEFAULT;
	}
	for (int i = 0; i < n; i++) {
		const char *t = expected_text(expected[i]);
		bool word = expected[i] >= YYSYMBOL_T_WEIGHTS && expected[i] <= YYSYMBOL_T_RECOVER;
		if (!t || (any_name && word) || (!newline && !any_name && expected[i] == YYSYMBOL_T_NEWLINE))
			continue;
		if (word)
			x->words[x->n_words++] = t;
		size_t used = strlen(x->list);
		snprintf(x->list + used, sizeof x->list - used, "%s%s", used ? ", " : "", t);
		x->n++;
	}
}

/* The innermost bracket that stands open since an earlier line. */
static void note_bracket(const struct parse_context *c, const struct ast_span *at)
{
	for (int i = c->n_brackets - 1; i >= 0; i--) {
		const struct parse_bracket *b = &c->bracket[i];
		if (b->kind == '{' && at->from < c->len) /* blocks go on over lines */
			return;
		if (b->at.line < at->line) {
			ig_note(c->diag, ig_parse_loc(c, b->at), "this '%c' is still open", b->kind);
			return;
		}
	}
}

/* Names what was found, and what could stand there when that is a short list. */
static int yyreport_syntax_error(const yypcontext_t *ctx, void *scanner, struct parse_context *c)
{
	(void)scanner;
	const struct ast_span *at = yypcontext_location(ctx);
	yysymbol_kind_t token = yypcontext_token(ctx);
	struct ig_loc loc = ig_parse_loc(c, *at);
	if (token == YYSYMBOL_T_BAD) { /* the lexer has said why */
		ig_parse_drop_brackets(c);
		return 0;
	}
	char found[80];
	struct expectation x = {0};
	describe(found, sizeof found, c, token, at);
	collect_expected(ctx, &x);
	const char *near = NULL;
	if (token == YYSYMBOL_T_NAME) {
		const char *word = ig_arena_strndup(c->file->arena, c->text + at->from, at->to - at->from);
		if (strcmp(word, "extern") == 0 && !c->n_brackets) {
			ig_error(c->diag, loc, "custom operations (extern) are not supported yet");
			return 0;
		}
		near = ig_nearest(word, x.words, x.n_words);
	}
	if (near)
		ig_error(c->diag, loc, "unexpected %s; did you mean '%s'?", found, near);
	else if (x.n > 0 && (x.n <= 6 || x.n <= x.n_words + 1)) /* rules are longer, but all are keywords */
		ig_error(c->diag, loc, "unexpected %s; expected %s", found, x.list);
	else
		ig_error(c->diag, loc, "unexpected %s", found);
	note_bracket(c, at);
	ig_parse_drop_brackets(c);
	return 0;
}

/* Only bison itself calls this: the stack is at its limit. */
static void ig_yyerror(struct ast_span *at, void *scanner, struct parse_context *c, const char *message)
{
	(void)scanner;
	(void)message;
	ig_error(c->diag, ig_parse_loc(c, *at), "nested too deeply");
}
