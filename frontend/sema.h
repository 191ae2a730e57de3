/* The checker: walks the tree, expanding blocks and repeats, and builds the graph. Shared by the sema*.c files only. */
#ifndef IG_FRONTEND_SEMA_H
#define IG_FRONTEND_SEMA_H

#include "frontend/ast.h"
#include "frontend/safetensors.h"
#include "frontend/symtab.h"
#include "ir/graph.h"
#include "ir/infer.h"

#define SEMA_MAX_NODES 20000   /* layers and parameters after expansion */
#define SEMA_MAX_STEPS 1000000 /* statements carried out during expansion */
#define SEMA_MAX_BLOCKS 100    /* blocks inside blocks */
#define SEMA_MAX_REPEAT 1000000
#define SEMA_MAX_DIM 2147483647

/* What an expression is worth. BAD: an error has been reported; whoever meets it keeps quiet. */
enum value_kind { V_BAD, V_INT, V_FLOAT, V_BOOL, V_STRING, V_LIST, V_TENSOR };
struct sema_value {
	enum value_kind kind;
	union {
		int64_t i; /* INT, BOOL */
		double f;
		const char *s;
		struct {
			struct sema_value *item;
			int n;
		} list;
		struct ig_vid v;
	} u;
};
#define SEMA_BAD ((struct sema_value){.kind = V_BAD})

struct sema_var {
	const char *name;
	struct sema_value value;
	bool defined;
};
struct sema_scope {
	struct symtab index; /* name -> place in vars */
	IG_VEC(struct sema_var) vars;
};

struct sema_block {
	const struct ast_block *ast;
	bool active, bad, used;
};

struct sema {
	struct ig_diag *diag;
	const struct ast_file *file;
	struct ig_arena *arena;
	struct ig_graph *graph;
	struct ig_safetensors *weights; /* NULL: none named, or not readable */
	const char *weights_path;
	struct ig_loc weights_loc;
	bool weights_failed;
	struct symtab block_index, layer_names, instance_names, value_names;
	IG_VEC(struct sema_block) blocks;
	struct sema_scope *scope;
	const char *prefix; /* of the block instance: "" or "layer1.0." */
	int steps, block_depth, repeat_depth;
	bool stop; /* a limit was exceeded: unwind */
};

/* One call of an operation while it is checked. */
struct sema_attr {
	enum ig_attr_id id;
	struct ig_loc loc;
	int n; /* -1: not a list; a PAD's word: 0 */
	int64_t i;
	double f;
	const char *s;
	int64_t *ints;
	double *floats;
};
struct sema_call {
	enum ig_op op;
	struct ig_loc loc;
	const char *layer; /* unique */
	struct ig_vid in[64];
	int n_in;
	struct sema_attr attr[IG_MAX_ATTRS];
	int n_attrs;
	const char *name, *result; /* name:, result: as written, or NULL */
	const char *fingerprint;
	struct ig_loc fingerprint_loc;
	const struct ast_expr *absorbed, *precision, *values, *result_list;
	int n_out;
	const char **results; /* names of all results, or NULL */
	bool bad;
};

/* sema_expr.c */
struct sema_value ig_sema_eval(struct sema *s, const struct ast_expr *e);
bool ig_sema_int(struct sema *s, const struct ast_expr *e, const char *what, int64_t min, int64_t max, int64_t *out);
bool ig_sema_string(struct sema *s, const struct ast_expr *e, const char *what, const char **out);
const char *ig_sema_kind(const struct sema_value *v);
/* Text of at most a line for messages: [64, 1, ?, 3], -1 printed as ?. */
const char *ig_sema_dims(struct sema *s, int n, const int64_t *dims);
/* "; did you mean 'x'?" or "". */
const char *ig_sema_near(struct sema *s, const char *name, const char *const *names, int n);

/* sema_stmt.c */
struct sema_var *ig_sema_lookup(struct sema *s, const char *name); /* NULL */
void ig_sema_define(struct sema *s, const char *name, struct sema_value v);
void ig_sema_scope_free(struct sema_scope *c);
void ig_sema_body(struct sema *s, const struct ast_stmt *body);
/* A call, with the variables it is assigned to and the types the statement declares (or NULL). Results go to out[n_out]. */
void ig_sema_call(struct sema *s, const struct ast_expr *e, const struct ast_name *targets, struct sema_value *out, int n_out);

/* sema_call.c, sema_attr.c */
void ig_sema_op(struct sema *s, const struct ast_expr *e, enum ig_op op, const struct ast_name *targets, struct sema_value *out, int n_out);
bool ig_sema_attr(struct sema *s, enum ig_op op, enum ig_attr_id id, const struct ast_arg *arg, struct sema_attr *out);
const struct sema_attr *ig_sema_attr_find(const struct sema_call *c, enum ig_attr_id id);
void ig_sema_attr_drop(struct sema_call *c, enum ig_attr_id id);
void ig_sema_attr_store(struct sema *s, struct ig_nid n, const struct sema_attr *a);
/* A layer's full name made of the name: argument, variable or operation; unique in `names`. */
const char *ig_sema_name(struct sema *s, struct symtab *names, const char *name);
bool ig_sema_room(struct sema *s, struct ig_loc loc); /* one more node? */

/* sema_bind.c: parameters from the weights file, as operands 1... False after a diagnostic. */
bool ig_sema_bind(struct sema *s, struct sema_call *c);
/* The convenience arguments of a call whose weight is there: checked against it and dropped. */
bool ig_sema_check_weight(struct sema *s, struct sema_call *c);
struct ig_vid ig_sema_add_constant(struct sema *s, const char *name, const char *result, struct ig_loc loc, struct ig_tensor *t);
const struct ig_st_entry *ig_sema_tensor(struct sema *s, const char *layer, struct ig_loc loc, const char *name, const char *want);

/* sema_type.c */
bool ig_sema_type(struct sema *s, const struct ast_type *t, struct ig_type *out); /* parameters are added to the graph */
void ig_sema_check_type(struct sema *s, const struct ast_type *at, const struct ig_type *want, const struct ig_type *got);
struct sema_value ig_sema_constant(struct sema *s, struct sema_call *c, const struct ast_type *type, const char *hint);

/* sema.c: the graph of the file's one model, or NULL after diagnostics. */
struct ig_graph *ig_sema_model(const struct ast_file *f, struct ig_diag *d);

#endif
