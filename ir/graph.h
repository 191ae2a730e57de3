/* The graph IR: SSA over whole tensors. Tensor semantics are ONNX's (logical NCHW); physical layout is the code generator's business.

   Nodes stand in a list in execution order (ig_graph_first / ig_node_next); operands are values defined by earlier nodes. Values and nodes are
   named by small indices, never by pointers, because the tables grow. A value's type holds element type, shape and the id of its quantization
   parameters; parameters are static (numbers) or, later, run-time values of the graph. */
#ifndef IG_IR_GRAPH_H
#define IG_IR_GRAPH_H

#include "ir/base.h"
#include "ir/diag.h"

enum ig_dtype {
#define D(e, ...) IG_DT_##e,
#include "ir/dtype.def"
#undef D
	IG_DT_COUNT
};
enum ig_attr_id {
#define A(e, ...) IG_A_##e,
#include "ir/attrs.def"
#undef A
	IG_A_COUNT
};
enum ig_attr_kind { IG_AK_INT, IG_AK_FLOAT, IG_AK_BOOL, IG_AK_INTS, IG_AK_FLOATS, IG_AK_STRING, IG_AK_WORD, IG_AK_PAD, IG_AK_TRI };
enum ig_op {
#define O(e, ...) IG_OP_##e,
#include "ir/ops.def"
#undef O
	IG_OP_COUNT
};
enum ig_quant_class { IG_QC_NONE, IG_QC_COMPUTE, IG_QC_ELTWISE, IG_QC_TABLE, IG_QC_MOVE, IG_QC_CONCAT, IG_QC_SOFTMAX, IG_QC_NORM };

#define IG_MAX_RANK 6
#define IG_MAX_ATTRS 16
#define IG_MAX_RESULTS 64

struct ig_dtype_info {
	const char *name;
	int bits;
	bool is_float, is_signed;
};
extern const struct ig_dtype_info ig_dtypes[IG_DT_COUNT];
extern const struct ig_attr_info {
	const char *name;
	enum ig_attr_kind kind;
} ig_attrs[IG_A_COUNT];
extern const struct ig_op_info {
	const char *name;
	int min_in, max_in;
	enum ig_quant_class quant;
	bool macs;
	int n_attrs;
	enum ig_attr_id attrs[IG_MAX_ATTRS];
} ig_ops[IG_OP_COUNT];
bool ig_op_find(const char *name, enum ig_op *op);
bool ig_dtype_find(const char *name, enum ig_dtype *dt);
bool ig_attr_find(const char *name, enum ig_attr_id *a);
int ig_op_results(enum ig_op op); /* how many results its nodes have; 0: as many as they are made with */
bool ig_op_has_attr(enum ig_op op, enum ig_attr_id a);

/* Index types; i < 0: none. */
struct ig_vid { int32_t i; }; /* a value */
struct ig_nid { int32_t i; }; /* a node */
struct ig_qid { int32_t i; }; /* quantization parameters */
#define IG_NOVAL ((struct ig_vid){-1})
#define IG_NONODE ((struct ig_nid){-1})
#define IG_NOQ ((struct ig_qid){-1})

struct ig_type {
	enum ig_dtype dtype;
	int rank; /* 0..IG_MAX_RANK */
	int64_t dim[IG_MAX_RANK];
	struct ig_qid q; /* IG_NOQ: plain numbers */
};

/* real = (q - zero_point) * scale. n == 1: per tensor; else n == dim[axis]: per channel (group 0) or per group of `group` along `axis`,
   the last of which may be shorter. */
struct ig_qparam {
	enum ig_dtype dtype;
	int axis; /* -1 for per tensor */
	int64_t n, group;
	const float *scale;
	const int32_t *zero_point;
	int32_t qmin, qmax; /* the values that may occur: 0..255, -128..127, 0..127 with reduce_range, ... */
	bool fixed;         /* given in the source or by an imported model: law, nothing re-derives it */
};

struct ig_attr {
	enum ig_attr_id id;
	int n; /* INTS, FLOATS, PAD: how many; a PAD with n == 0 is still a word in u.s (until inference) */
	union {
		int64_t i;       /* INT, BOOL, TRI (0, 1, 2 = auto) */
		double f;        /* FLOAT */
		const int64_t *ints; /* INTS, PAD */
		const double *floats; /* FLOATS */
		const char *s;   /* STRING, WORD */
	} u;
};

/* A tensor in memory: dense, logical (row-major) order, little endian. */
struct ig_tensor {
	struct ig_type type; /* q refers to the graph that holds the tensor */
	void *data;          /* 64-aligned when made by ig_tensor_* */
	size_t bytes;
};

/* What a layer's QConfig decided (filled by the qconfig pass). */
enum ig_precision {
	IG_PREC_UNSET,
	IG_PREC_FLOAT,
	IG_PREC_INT8,
	IG_PREC_STORED, /* float32 with weights stored in fewer bits */
	IG_PREC_DYNAMIC, /* float32 in and out, integers between them: the input is quantized at run time */
	IG_PREC_W8A16,  /* weights s8, the input in 16 bits as two bytes, the result float32 */
	IG_PREC_COUNT
};
extern const char *const ig_precision_names[IG_PREC_COUNT];

struct ig_node {
	enum ig_op op;
	bool dead;
	int32_t prev, next;
	const char *name;   /* the layer's name, unique, interned */
	struct ig_loc loc;
	int n_in, n_out;
	struct ig_vid *in, *out;
	int n_attrs;
	struct ig_attr *attr; /* those present; absent ones have the operation's default */
	struct ig_tensor *data; /* CONSTANT */
	const char **absorbed;  /* names of the layers fused into this one */
	int n_absorbed;
	enum ig_precision precision;
	int32_t rule; /* index of the deciding rule in the QConfig mapping, -1: none */
};

struct ig_value {
	const char *name; /* unique, interned; statistics are kept by it: fusion keeps the name of the last value it absorbs */
	struct ig_type type;
	struct ig_nid def;
	int result;
};

enum ig_stage { IG_STAGE_FLOAT, IG_STAGE_QUANTIZED };

struct ig_graph {
	const char *name;
	struct ig_arena *arena; /* owns all that hangs on the graph */
	struct ig_strtab *names;
	enum ig_stage stage;
	struct ig_node *node;
	int n_nodes, cap_nodes;
	int32_t first, last;
	struct ig_value *value;
	int n_values, cap_values;
	struct ig_qparam *qparam;
	int n_qparams, cap_qparams;
	struct ig_vid *input; /* in the order of the signature */
	int n_inputs;
	struct ig_vid *output;
	const char **output_name;
	int n_outputs;
	unsigned facts; /* enum ig_fact bits that hold (passes/pass.h) */
	uint64_t weights_hash; /* of the weights the model bound; equalization adds its scales: what statistics belong to */
	struct ig_name_hint *hint; /* graph.c: where to go on counting for unique names */
	int n_hints, cap_hints;
};

struct ig_graph *ig_graph_new(const char *name);
void ig_graph_free(struct ig_graph *g);
struct ig_graph *ig_graph_clone(const struct ig_graph *g); /* deep but for constant data, which is shared: keep the original alive */

static inline struct ig_node *ig_node(const struct ig_graph *g, struct ig_nid n) { return &g->node[n.i]; }
static inline struct ig_value *ig_value(const struct ig_graph *g, struct ig_vid v) { return &g->value[v.i]; }
static inline const struct ig_type *ig_vtype(const struct ig_graph *g, struct ig_vid v) { return &g->value[v.i].type; }
static inline const struct ig_qparam *ig_qparam(const struct ig_graph *g, struct ig_qid q) { return q.i < 0 ? NULL : &g->qparam[q.i]; }
static inline struct ig_node *ig_def(const struct ig_graph *g, struct ig_vid v) { return &g->node[g->value[v.i].def.i]; }

/* for (struct ig_nid n = ig_first(g); n.i >= 0; n = ig_next(g, n)); ig_next may be called after ig_graph_remove(n). */
static inline struct ig_nid ig_first(const struct ig_graph *g) { return (struct ig_nid){g->first}; }
static inline struct ig_nid ig_next(const struct ig_graph *g, struct ig_nid n) { return (struct ig_nid){g->node[n.i].next}; }

/* Adds a node at the end of the list, or before `before`. Results get values named after the node (`name`, made unique; further results name.1 ...);
   result types are unset until ig_infer_node. Pointers into g->node and g->value are invalid afterwards. */
struct ig_nid ig_graph_add(struct ig_graph *g, enum ig_op op, const char *name, struct ig_loc loc, const struct ig_vid *in, int n_in);
struct ig_nid ig_graph_add_before(struct ig_graph *g, struct ig_nid before, enum ig_op op, const char *name, struct ig_loc loc,
                                  const struct ig_vid *in, int n_in);
/* The same with a number of results that the operation leaves open (ig_op_results), at most IG_MAX_RESULTS; before IG_NONODE: at the end. */
struct ig_nid ig_graph_add_results(struct ig_graph *g, struct ig_nid before, enum ig_op op, const char *name, struct ig_loc loc, const struct ig_vid *in,
                                   int n_in, int n_out);
/* Adds a constant (before `before`; IG_NONODE: at the start of the list). Data is not copied and must live as long as the graph (its arena). */
struct ig_vid ig_graph_constant(struct ig_graph *g, struct ig_nid before, const char *name, struct ig_loc loc, const struct ig_tensor *t);
/* Appends to the signature: v is the result of an INPUT node; the name of an output is as the caller of the model sees it. */
void ig_graph_mark_input(struct ig_graph *g, struct ig_vid v);
void ig_graph_mark_output(struct ig_graph *g, struct ig_vid v, const char *name);
void ig_graph_remove(struct ig_graph *g, struct ig_nid n);                              /* its results must be unused */
void ig_graph_replace_uses(struct ig_graph *g, struct ig_vid from, struct ig_vid to); /* outputs of the graph included */
int ig_graph_uses(const struct ig_graph *g, struct ig_vid v);                          /* how many operands and graph outputs read it */
bool ig_graph_is_output(const struct ig_graph *g, struct ig_vid v);
struct ig_nid ig_graph_only_user(const struct ig_graph *g, struct ig_vid v); /* the one node that reads it, once, no output; else none */
const struct ig_tensor *ig_const_data(const struct ig_graph *g, struct ig_vid v);      /* NULL when not a constant */
bool ig_is_given(const struct ig_graph *g, struct ig_vid v); /* a constant, or a quantized one that is dequantized: weights of an imported quantized model */
struct ig_nid ig_graph_find(const struct ig_graph *g, const char *layer);              /* by layer name */
const char *ig_graph_unique_name(struct ig_graph *g, const char *base);               /* base, base_1, ... among nodes and values */

struct ig_qid ig_graph_qparam(struct ig_graph *g, const struct ig_qparam *q); /* copies the arrays */
struct ig_qid ig_graph_qparam1(struct ig_graph *g, enum ig_dtype dt, float scale, int32_t zp, int32_t qmin, int32_t qmax);
bool ig_qparam_equal(const struct ig_qparam *a, const struct ig_qparam *b);

/* Attributes. Getters give the default (`dflt`) when absent. Setters copy. */
const struct ig_attr *ig_attr(const struct ig_node *n, enum ig_attr_id id);
int64_t ig_attr_int(const struct ig_node *n, enum ig_attr_id id, int64_t dflt);
double ig_attr_float(const struct ig_node *n, enum ig_attr_id id, double dflt);
const char *ig_attr_str(const struct ig_node *n, enum ig_attr_id id, const char *dflt);
/* Fills out[count]: a list as it is, a lone number repeated, dflt when absent. */
void ig_attr_ints(const struct ig_node *n, enum ig_attr_id id, int64_t dflt, int64_t *out, int count);
void ig_attr_set_int(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, int64_t v);
void ig_attr_set_float(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, double v);
void ig_attr_set_ints(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const int64_t *v, int count);
void ig_attr_set_floats(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const double *v, int count);
void ig_attr_set_str(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id, const char *s);
void ig_attr_unset(struct ig_graph *g, struct ig_nid n, enum ig_attr_id id);
void ig_node_absorb(struct ig_graph *g, struct ig_nid into, struct ig_nid from); /* adds from's name and its absorbed names */

/* What a quantize node writes: the integer, or one byte of a 16-bit integer. */
enum ig_part { IG_PART_WHOLE, IG_PART_HIGH, IG_PART_LOW };
enum ig_part ig_quantize_part(const struct ig_node *n);
/* The half of a w8a16 layer that multiplies the high bytes; the other half has the layer's name and adds this one's result. */
bool ig_reads_high_bytes(const struct ig_graph *g, const struct ig_node *n);
/* Resolved geometry of conv-like and pool nodes (x [N,C,H,W]); fills from attributes, weight and types. */
struct ig_conv_geom {
	int64_t n, ic, ih, iw, oc, oh, ow, kh, kw, sh, sw, dh, dw, groups;
	int64_t pt, pl, pb, pr;
};
void ig_conv_geometry(const struct ig_graph *g, const struct ig_node *n, struct ig_conv_geom *out);
/* Bounds of the fused activation: -INFINITY, INFINITY when absent (relu, relu6 nodes give theirs). */
void ig_act_bounds(const struct ig_node *n, double *lo, double *hi);
int64_t ig_node_macs(const struct ig_graph *g, const struct ig_node *n);
static inline bool ig_op_is_add(enum ig_op op) { return op == IG_OP_CONV2D_ADD || op == IG_OP_DEPTHWISE_CONV2D_ADD || op == IG_OP_LINEAR_ADD; }

/* Types and tensors. */
bool ig_type_elems(const struct ig_type *t, int64_t *n);       /* false on overflow */
bool ig_type_bytes(const struct ig_type *t, size_t *bytes);
int64_t ig_elems(const struct ig_type *t);                     /* of a checked type */
bool ig_type_same_shape(const struct ig_type *a, const struct ig_type *b);
const char *ig_type_str(struct ig_arena *a, const struct ig_type *t); /* f32[1, 3, 32, 32] */
struct ig_type ig_type_make(enum ig_dtype dt, int rank, const int64_t *dims);
struct ig_tensor *ig_tensor_new(struct ig_arena *a, const struct ig_type *t); /* zeroed; the type must be checked */

#endif
