/* The tree of a model text. Everything lives in the arena of the file; lists are linked. Kept close to the text: no checks, no expansion. */
#ifndef IG_FRONTEND_AST_H
#define IG_FRONTEND_AST_H

#include "ir/base.h"
#include "ir/diag.h"

#define AST_MAX_DEPTH 200 /* nesting of expressions and of repeats */

/* A stretch of the text: where it begins, and its bytes [from, to). */
struct ast_span {
	int line, col;
	size_t from, to;
};

enum ast_expr_kind { AST_INT, AST_FLOAT, AST_STRING, AST_NAME, AST_BINARY, AST_NEGATE, AST_LIST, AST_CALL, AST_BAD };

struct ast_expr {
	enum ast_expr_kind kind;
	struct ig_loc loc;
	int depth;
	struct ast_expr *next; /* in a list, or the next piece of a string with {expressions} */
	int64_t i;             /* INT */
	double f;              /* FLOAT */
	const char *s;         /* STRING: text before the first {...}; NAME; CALL: what is called; BINARY: the operator's one character */
	struct ast_expr *a;    /* BINARY, NEGATE: operand; LIST: items; STRING: pieces after `s`, alternately expression and STRING */
	struct ast_expr *b;    /* BINARY */
	struct ast_arg *args;  /* CALL */
};

struct ast_arg {
	const char *name; /* NULL: positional */
	struct ig_loc loc;
	struct ast_expr *value;
	struct ast_arg *next;
};

struct ast_name {
	const char *name;
	struct ig_loc loc;
	struct ast_type *type; /* of a target of an assignment: NULL when not declared */
	struct ast_name *next;
};

/* f32[1, 3, 32, 32] nhwc {scale: 0.1, zero_point: 3} */
struct ast_type {
	const char *dtype;
	struct ig_loc loc;
	struct ast_expr *dims;
	struct ast_name *layout;
	struct ast_arg *qparams;
	bool has_qparams;
};

enum ast_stmt_kind { AST_ASSIGN, AST_REPEAT, AST_RETURN, AST_EXPR };

struct ast_stmt {
	enum ast_stmt_kind kind;
	struct ig_loc loc;
	int depth;
	struct ast_name *targets; /* ASSIGN; REPEAT: the counter, or NULL */
	struct ast_expr *value;   /* ASSIGN, EXPR; REPEAT: the count; RETURN: a list */
	struct ast_stmt *body;    /* REPEAT */
	struct ast_stmt *next;
};

struct ast_param {
	const char *name;
	struct ig_loc loc;
	struct ast_type *type; /* NULL in a block */
	struct ast_param *next;
};

struct ast_block {
	const char *name;
	struct ig_loc loc;
	struct ast_param *params;
	struct ast_stmt *body;
	struct ast_block *next;
};

struct ast_model {
	const char *name;
	struct ig_loc loc;
	struct ast_param *inputs, *outputs;
	struct ast_name *stage; /* the word after the signature, or NULL */
	struct ast_stmt *body;
	struct ast_model *next;
};

enum ast_rule_kind { AST_RULE_DEFAULT, AST_RULE_TYPE, AST_RULE_MATCH, AST_RULE_ORDER, AST_RULE_LAYER, AST_RULE_RECOVER };

struct ast_rule {
	enum ast_rule_kind kind;
	struct ig_loc loc; /* of what it names, else of the word default */
	const char *pattern; /* RECOVER: the method */
	struct ast_expr *layer; /* LAYER: the string */
	int64_t order;
	struct ast_expr *config;
	const char *text; /* the configuration as written */
	struct ast_rule *next;
};

struct ast_weights {
	struct ast_expr *path;
	struct ig_loc loc;
	struct ast_weights *next;
};

struct ast_quantize {
	struct ig_loc loc;
	struct ast_rule *rules;
	struct ast_quantize *next;
};

struct ast_file {
	struct ig_arena *arena;
	struct ig_strtab *names;
	const char *file; /* interned by the diagnostics */
	struct ast_weights *weights;
	struct ast_block *blocks;
	struct ast_model *models;
	struct ast_quantize *quantize;
};

/* Parses a text; syntax errors are reported and skipped (the tree then lacks those statements). Never NULL. */
struct ast_file *ig_ast_parse(const char *path, const char *text, size_t len, struct ig_diag *d);
void ig_ast_free(struct ast_file *f);

#endif
