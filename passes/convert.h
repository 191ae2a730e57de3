/* Conversion in five files: convert_plan.c decides which nodes run in int8 and which values are u8, convert_weights.c quantizes constants,
   convert_stored.c stores weights of float32 layers in fewer bits, convert_wide.c makes layers with 16-bit activations,
   convert.c rewrites the graph. */
#ifndef IG_PASSES_CONVERT_H
#define IG_PASSES_CONVERT_H
#include "passes/output_ranges.h"
#include "passes/pass.h"

struct ig_copy { /* a conversion of a value that other readers may share */
	enum ig_op op;
	enum ig_part part;
	struct ig_vid from, to;
};
/* Tables are indexed by the nodes and values that were there when conversion began (n_values of them). */
struct ig_convert {
	struct ig_graph *g;
	struct ig_context *c;
	int n_values;
	struct ig_output_ranges *ranges; /* of `recover output_ranges`; NULL: the observers' own hold */
	bool *node_q;        /* node: runs in int8 */
	bool *done;          /* node: was on integers when conversion began */
	bool *wants_q;       /* value: a reader in int8 would take it as u8 */
	bool *wants_f;       /* value: a reader computes with it in float32 */
	bool *is_u8;         /* value: its producer writes u8 */
	int32_t *alias;      /* value: takes this value's parameters (operands of concat), or -1 */
	struct ig_qid *own;  /* value: its parameters when u8; IG_NOQ: not computed yet */
	IG_VEC(struct ig_copy) copies;
};
/* The conversion with ranges of `recover output_ranges`, which may be NULL; false after a diagnostic. */
bool ig_convert_with(struct ig_graph *g, struct ig_context *c, struct ig_output_ranges *ranges);
void ig_convert_plan(struct ig_convert *k);
/* Whether a node is on integers already: fold_qdq made it so, or the source. */
bool ig_convert_done(const struct ig_graph *g, const struct ig_node *n);
/* Whether operand i of a node is an activation (no weight, bias or index). */
bool ig_convert_is_activation(const struct ig_node *n, int i);
/* Operations whose result has its operand's parameters. An average is one of few values of a much smaller range, and has its own. */
bool ig_convert_keeps_params(enum ig_op op);
/* Parameters of a value by its statistics and a QConfig; false after a diagnostic at `loc`. */
bool ig_convert_qparam(struct ig_convert *k, struct ig_vid v, const struct ig_qconfig *q, struct ig_loc loc, struct ig_qid *out);
/* Parameters of an activation with this range, in the graph's form. */
struct ig_qid ig_activation_qparam(struct ig_graph *g, const struct ig_qspec *spec, float lo, float hi);
/* How an operation's result is quantized: as activations are, unless the QConfig fixes the range of such results. */
struct ig_qspec ig_result_qspec(const struct ig_qconfig *q, enum ig_op op);
/* Weights (operand 1) to s8 and bias (operand 2) to i32 for an input of scale s_x; false after a diagnostic. */
bool ig_convert_weights(struct ig_convert *k, struct ig_nid id, float s_x, int32_t zp_x, const struct ig_qconfig *q);
/* Whether weights and bias of a conv-like node are float32 constants. */
bool ig_convert_has_weights(const struct ig_graph *g, const struct ig_node *n);
/* One scale for n weights, by their range and observer; the integer that stands for a weight. */
float ig_convert_weight_scale(const float *w, int64_t n, const struct ig_qspec *spec);
int32_t ig_convert_weight(float w, float scale, int32_t qmin, int32_t qmax);
/* Weights that share a scale are neighbours, `run` of them; a channel begins anew, so that its last group may be shorter. */
struct ig_weight_runs {
	int64_t row, run;  /* weights of a row, which runs do not leave; of a run */
	int64_t in_row, n; /* runs */
	int group;         /* 0: a run is a row */
};
/* False: groups are asked for that the layer cannot have. */
bool ig_weight_runs_of(const struct ig_node *n, const struct ig_tensor *w, const struct ig_qspec *q, struct ig_weight_runs *r);
/* The weights of run s: from .. to - 1. */
void ig_weight_run(const struct ig_weight_runs *r, int64_t s, int64_t *from, int64_t *to);
/* Weights of a float32 layer to the type they are stored in; false after a diagnostic. */
bool ig_convert_stored(struct ig_convert *k, struct ig_nid id);
/* A layer with weights and 16-bit activations: weights s8, the input's high and low bytes; `x` is what its operand was before it became float32. */
bool ig_convert_wide(struct ig_convert *k, struct ig_nid id, struct ig_vid x);
/* A conversion of v before node `user` (IG_NONODE: at the end), shared when it exists. */
struct ig_vid ig_convert_copy(struct ig_convert *k, enum ig_op op, enum ig_part part, struct ig_vid v, struct ig_qid q, struct ig_nid user);
/* u8 parameters of a constant operand, from its own data. */
bool ig_convert_constant_qparam(struct ig_convert *k, struct ig_vid v, const struct ig_qconfig *q, struct ig_loc loc, struct ig_qid *out);
#endif
