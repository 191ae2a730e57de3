/* The import's state: shared by the files of this folder only.

   Every ONNX value is a value of the graph or a constant known while importing (which is put into the graph when an operation needs it there). An operator's
   import function (a row in ops.def) reads its node through the functions below, adds operations to the graph and names the results. An operation whose
   operands are all constants is evaluated at once by the graph interpreter, so that chains of shape arithmetic fold away. */
#ifndef IG_ONNX_IMPORT_H
#define IG_ONNX_IMPORT_H
#include "frontend/symtab.h"
#include "ir/graph.h"
#include "onnx/onnx.h"

#include <onnx.pb-c.h>

#define IG_ONNX_MAX_DEPTH 64        /* messages inside messages */
#define IG_ONNX_MAX_PARTS 20000000  /* messages, strings and numbers in fields of their own: memory stays in proportion to the file */
#define IG_ONNX_MAX_NODES 100000
#define IG_ONNX_MAX_OPSET 21
#define IG_ONNX_MAX_FOLDED ((int64_t)1 << 26) /* elements of a tensor computed while importing */

struct ig_onnx_value {
	const char *name;
	struct ig_vid v;               /* IG_NOVAL: not in the graph (yet) */
	const struct ig_tensor *t;     /* a constant; it may be empty (an extent 0), which no value of the graph can be */
	const Onnx__TensorProto *init; /* an initializer that nobody asked for yet */
	bool bad;                      /* a diagnostic was given: whoever meets it keeps quiet */
};

struct ig_onnx {
	struct ig_diag *diag;
	struct ig_loc loc; /* the file */
	const char *path;
	const struct ig_onnx_options *options;
	const Onnx__ModelProto *model;
	struct ig_graph *graph;
	struct ig_arena *arena; /* of the import: constants that do not reach the graph */
	struct ig_strtab *text;
	struct symtab names; /* ONNX's name -> place in values */
	IG_VEC(struct ig_onnx_value) values;
	IG_VEC(struct ig_onnx_dim) dims; /* what was bound: by the caller, or a batch */
	bool *dim_used;                  /* of the caller's */
	int n_nodes, depth;
};

struct ig_onnx_node;
typedef bool ig_onnx_fn(struct ig_onnx_node *n); /* false after a diagnostic */
struct ig_onnx_op {
	const char *type, *domain;
	int first, last; /* opset versions of the domain */
	ig_onnx_fn *import;
	int ir;           /* the IR operation of rows that share a function, or -1 */
	const char *note; /* what is restricted: for docs/onnx.md */
};
struct ig_onnx_node {
	struct ig_onnx *s;
	const Onnx__NodeProto *p;
	const struct ig_onnx_op *op;
	int64_t version;  /* of the operator's domain in this model */
	const char *name; /* of the layer: the node's name, else its first output's */
	bool *asked;      /* attributes the import function has looked at; one that nobody asked for is not supported */
	bool failed;      /* an attribute or operand was refused by a getter */
};

/* ops.c: the table. `nearest` is another version of the operator, or NULL. */
const struct ig_onnx_op *ig_onnx_op_find(const char *domain, const char *type, int64_t version, const struct ig_onnx_op **nearest);
const struct ig_onnx_op *ig_onnx_ops(int *n);

/* wire.c: whether bytes are messages of a schema, not nested deeper than IG_ONNX_MAX_DEPTH; the reader of protobuf-c itself has no limit. */
bool ig_onnx_check_wire(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t bytes, struct ig_loc loc, struct ig_diag *d);

/* tensor.c */
bool ig_onnx_dtype(int32_t onnx, enum ig_dtype *out); /* f16 and bf16 become f32 */
const char *ig_onnx_dtype_name(int32_t onnx);
int32_t ig_onnx_dtype_code(enum ig_dtype dt); /* back, for the export */
/* A copy in the import's arena; NULL after a diagnostic. */
const struct ig_tensor *ig_onnx_tensor(struct ig_onnx *s, const Onnx__TensorProto *t, const char *what);

/* load.c */
struct ig_model *ig_onnx_import(const Onnx__ModelProto *m, const char *path, const struct ig_onnx_options *options, struct ig_diag *d);
int64_t ig_onnx_opset(const struct ig_onnx *s, const char *domain); /* the version the model asks for; 0: none */
bool ig_onnx_graph_nodes(struct ig_onnx *s, const Onnx__GraphProto *g); /* imports the nodes of a graph (the model's, or a branch) into the scope */
bool ig_onnx_initializers(struct ig_onnx *s, const Onnx__GraphProto *g);

/* decode.c: rules that keep what stands behind the last weighted layer in float, where it computes on the results. */
void ig_onnx_keep_decoding(const struct ig_graph *g, struct ig_qconfig_map *map, struct ig_loc loc);

/* value.c: names, and constants on their way into the graph. */
struct ig_onnx_value *ig_onnx_find(struct ig_onnx *s, const char *name); /* NULL */
struct ig_onnx_value *ig_onnx_define(struct ig_onnx *s, const char *name);
const char *ig_onnx_clean_name(struct ig_onnx *s, const char *name); /* printable, without quotes, braces and a slash in front */
const struct ig_tensor *ig_onnx_value_const(struct ig_onnx *s, struct ig_onnx_value *v); /* NULL: known at run time only, or v->bad */
struct ig_vid ig_onnx_value_vid(struct ig_onnx *s, struct ig_onnx_value *v);            /* IG_NOVAL: v->bad, or an empty tensor */
struct ig_tensor *ig_onnx_new_tensor(struct ig_onnx *s, enum ig_dtype dt, int rank, const int64_t *dim); /* NULL, without a diagnostic: too large */
bool ig_onnx_tensor_int(const struct ig_tensor *t, int64_t i, int64_t *out); /* an element as an integer; false when it is none */
double ig_onnx_tensor_real(const struct ig_tensor *t, int64_t i);

/* op_quantize.c: reshape (`list`: the shape) or transpose (the permutation) of a dequantized constant, as a dequantized constant; IG_NOVAL: v is none. */
struct ig_vid ig_onnx_move_given(struct ig_onnx_node *n, struct ig_vid v, enum ig_op op, const char *suffix, const int64_t *list, int count);
bool ig_onnx_moves(const struct ig_node *n); /* whether it moves integers as it moves numbers */

/* window.c: kernels, strides and padding of convolutions and pools. */
struct ig_onnx_window {
	int axes; /* 1 to 3; the last two are here: */
	int64_t kernel[2], stride[2], dilation[2];
	int64_t pad[4];   /* top, left, bottom, right */
	const char *same; /* "same" or "same_lower" instead of pad; NULL */
	struct {
		int64_t kernel, stride, dilation, pad[2];
	} deep; /* the first of three */
};
/* Of a node whose operand 0 is [N, C, (D,) (H,) W]; `kernel` of the weight or NULL. */
bool ig_onnx_window(struct ig_onnx_node *n, const int64_t *kernel, int max_axes, struct ig_onnx_window *w);
void ig_onnx_window_set(struct ig_onnx_node *n, struct ig_nid id, const struct ig_onnx_window *w); /* the attributes */
struct ig_vid ig_onnx_rank4(struct ig_onnx_node *n, struct ig_vid v, const char *suffix); /* [N, C, W] as [N, C, 1, W] */
/* The result of a window operation, back in rank 3 when there is one axis. `id` has its attributes; with no suffix it carries the node's name. */
struct ig_vid ig_onnx_window_done(struct ig_onnx_node *n, struct ig_nid id, const struct ig_onnx_window *w);
struct ig_vid ig_onnx_reshape(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, int rank, const int64_t *dim);
struct ig_vid ig_onnx_transpose(struct ig_onnx_node *n, struct ig_vid v, const char *suffix, const int64_t *perm);
struct ig_vid ig_onnx_scalar(struct ig_onnx_node *n, const char *suffix, enum ig_dtype dt, double value); /* rank 0 */

/* deep.c: convolutions and pools over three axes, by the two-dimensional ones. x and weight are in the graph; IG_NOVAL after a diagnostic. */
struct ig_vid ig_onnx_deep_conv(struct ig_onnx_node *n, const struct ig_onnx_window *w, struct ig_vid x, struct ig_vid weight, struct ig_vid bias, int64_t groups);
struct ig_vid ig_onnx_deep_pool(struct ig_onnx_node *n, const struct ig_onnx_window *w, struct ig_vid x, bool ceil_mode, bool include);

/* op_shape.c: axes given by an attribute, or from version `since` by an operand; made positive. -1: absent, or failed. */
int ig_onnx_axes(struct ig_onnx_node *n, int operand, int since, int rank, int64_t *axes);

/* op_reduce.c: count 0 reduces all axes. */
struct ig_vid ig_onnx_reduce_axes(struct ig_onnx_node *n, enum ig_op op, struct ig_vid x, const char *suffix, const int64_t *axes, int count, bool keep);

/* node.c: `node 'NAME' (OPERATOR): ...`; always false. */
bool ig_onnx_fail(struct ig_onnx_node *n, const char *fmt, ...) IG_PRINTF(2, 3);
/* Operands. An absent optional one has an empty name. */
bool ig_onnx_has(const struct ig_onnx_node *n, int i);
struct ig_vid ig_onnx_in(struct ig_onnx_node *n, int i);              /* in the graph; IG_NOVAL after a diagnostic (absent, empty) */
const struct ig_type *ig_onnx_in_type(struct ig_onnx_node *n, int i); /* NULL after a diagnostic; valid until the graph grows */
const struct ig_tensor *ig_onnx_in_const(struct ig_onnx_node *n, int i); /* NULL when absent or not a constant */
/* A constant operand of integers of at most `max` elements; false after a diagnostic. */
bool ig_onnx_in_ints(struct ig_onnx_node *n, int i, const char *what, int64_t *out, int max, int *count);
bool ig_onnx_in_real(struct ig_onnx_node *n, int i, const char *what, double *out); /* a constant of one element */
/* Attributes: `dflt` when absent; of another kind: a diagnostic and `failed`. */
const Onnx__AttributeProto *ig_onnx_attr(struct ig_onnx_node *n, const char *name); /* NULL when absent */
int64_t ig_onnx_int(struct ig_onnx_node *n, const char *name, int64_t dflt);
double ig_onnx_real(struct ig_onnx_node *n, const char *name, double dflt);
double ig_onnx_decimal(float f); /* the number of fewest digits that is f as a float: 1e-05 for the float next to it */
const char *ig_onnx_str(struct ig_onnx_node *n, const char *name, const char *dflt);
int ig_onnx_ints(struct ig_onnx_node *n, const char *name, int64_t *out, int max); /* -1: absent (or failed) */
/* Operations. A suffix (NULL: none) names those that stand beside the one that carries the node's name. */
struct ig_nid ig_onnx_add(struct ig_onnx_node *n, enum ig_op op, const char *suffix, const struct ig_vid *in, int n_in);
/* Infers the types of an added operation, evaluates it when its operands are constants; IG_NOVAL after a diagnostic. */
struct ig_vid ig_onnx_done(struct ig_onnx_node *n, struct ig_nid id);
struct ig_vid ig_onnx_op(struct ig_onnx_node *n, enum ig_op op, const char *suffix, const struct ig_vid *in, int n_in); /* no attributes */
struct ig_vid ig_onnx_constant(struct ig_onnx_node *n, const char *suffix, const struct ig_tensor *t);
/* Results; true unless v is IG_NOVAL (t is NULL), so that import functions can end with them. */
bool ig_onnx_result(struct ig_onnx_node *n, int i, struct ig_vid v);
bool ig_onnx_result_const(struct ig_onnx_node *n, int i, const struct ig_tensor *t);
bool ig_onnx_result_alias(struct ig_onnx_node *n, int i, int operand); /* the operand itself */
bool ig_onnx_wants(const struct ig_onnx_node *n, int i); /* whether result i is named */
#endif
