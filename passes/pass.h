/* Passes over the graph: one file each, one public function each; passes/pipeline.c holds the flat list. */
#ifndef IG_PASSES_PASS_H
#define IG_PASSES_PASS_H
#include "ir/graph.h"
#include "ir/qconfig.h"
#include "passes/effect.h"
#include "passes/replay.h"
#include "passes/stats.h"

enum ig_fact { /* what holds of a graph; g->facts */
	IG_F_TYPED = 1u << 0,     /* types inferred */
	IG_F_CANONICAL = 1u << 1, /* one form for each thing: see canonicalize.c */
	IG_F_FUSED = 1u << 2,
	IG_F_MAPPED = 1u << 3,    /* node.precision and node.rule are set */
	IG_F_OBSERVED = 1u << 4,  /* observe nodes are in */
	IG_F_QUANTIZED = 1u << 5, /* stage quantized: every value's parameters explicit */
};
struct ig_context {
	struct ig_diag *diag;
	const struct ig_qconfig_map *qconfig;
	const struct ig_stats *stats; /* for convert; NULL before calibration */
	const struct ig_graph *flt;   /* in the quantize half: the mapped float graph */
	const struct ig_replay *replay; /* the calibration samples, where a `recover` method needs them; else NULL */
	struct ig_effect *effects;    /* [IG_RECOVER_COUNT]: what the methods changed is added here; NULL: nobody asks */
	bool verify;                  /* verify after each pass */
	const char *dump_after;       /* pass name, "all" or NULL: text to dump_file */
	FILE *dump_file;
	const char *stop_after; /* NULL: run all */
};
struct ig_pass {
	const char *name, *help;
	unsigned requires, provides, breaks; /* enum ig_fact bits */
	bool (*run)(struct ig_graph *g, struct ig_context *c);
};
bool ig_pass_canonicalize(struct ig_graph *g, struct ig_context *c); /* identity ops away, conv2d with groups == channels -> depthwise_conv2d, relu/relu6 -> clip bounds form ... */
bool ig_pass_fold_constants(struct ig_graph *g, struct ig_context *c);
bool ig_pass_recognize(struct ig_graph *g, struct ig_context *c);
bool ig_pass_recognize_dynamic(struct ig_graph *g, struct ig_context *c);
bool ig_pass_fold_affine(struct ig_graph *g, struct ig_context *c);
bool ig_pass_expand_transposed(struct ig_graph *g, struct ig_context *c);
bool ig_pass_fold_batch_norm(struct ig_graph *g, struct ig_context *c);
bool ig_pass_dce(struct ig_graph *g, struct ig_context *c);
bool ig_pass_fuse(struct ig_graph *g, struct ig_context *c);
bool ig_pass_equalize(struct ig_graph *g, struct ig_context *c);
bool ig_pass_smoothquant(struct ig_graph *g, struct ig_context *c);
bool ig_pass_map_qconfig(struct ig_graph *g, struct ig_context *c);
bool ig_pass_observe(struct ig_graph *g, struct ig_context *c);
bool ig_pass_fold_qdq(struct ig_graph *g, struct ig_context *c);
bool ig_pass_awq(struct ig_graph *g, struct ig_context *c);
bool ig_pass_awq_clip(struct ig_graph *g, struct ig_context *c);
bool ig_pass_gptq(struct ig_graph *g, struct ig_context *c);
bool ig_pass_adaround(struct ig_graph *g, struct ig_context *c);
bool ig_pass_correct_bias(struct ig_graph *g, struct ig_context *c);
bool ig_pass_empirical_bias(struct ig_graph *g, struct ig_context *c);
bool ig_pass_convert(struct ig_graph *g, struct ig_context *c);
/* Whether a float graph has quantize or dequantize nodes, or quantizes at run time: it is quantized already, at least in part, and its parameters are law. */
bool ig_has_quantized(const struct ig_graph *g);
/* Weights that are dequantized constants become float32 constants, so that the graph runs in float. */
bool ig_fold_given(struct ig_graph *g, struct ig_diag *d);

/* The two halves of the pipeline; calibration runs the first half's graph (plus observe) between them. */
enum ig_half { IG_HALF_FLOAT /* canonicalize .. map_qconfig */, IG_HALF_QUANTIZE /* convert .. */ };
const struct ig_pass *ig_pipeline(enum ig_half half, int *n);
const struct ig_pass *ig_pass_find(const char *name);
/* Runs one pass or one half: checks requirements, runs, updates facts, verifies, dumps, stops. *stopped (may be NULL) tells that stop_after was reached. */
bool ig_pass_run(const struct ig_pass *p, struct ig_graph *g, struct ig_context *c);
bool ig_pipeline_run(enum ig_half half, struct ig_graph *g, struct ig_context *c, bool *stopped);

/* --explain LAYER: the rule that decided for the layer (of the mapped graph, absorbed names allowed) and the rules it beat, as text. */
bool ig_explain(const struct ig_graph *g, const struct ig_qconfig_map *m, const char *layer, FILE *out, struct ig_diag *d);
/* The QConfig that decided for a mapped node. */
const struct ig_qconfig *ig_node_qconfig(const struct ig_qconfig_map *m, const struct ig_node *n);

/* Calibration with the graph interpreter (others: passes/calibrate.h): a clone of the mapped graph with observe nodes is run over samples; statistics are added to `st`. next() returns the sample's inputs or NULL at the end;
   progress (may be NULL) is called after each sample. Warns of repeated samples, fewer than 100 samples, constant tensors, non-finite values, each naming the tensor. */
struct ig_sample_source {
	void *self;
	const void *const *(*next)(void *self);
	void (*progress)(void *self, int64_t done);
};
bool ig_calibrate(const struct ig_graph *mapped, const struct ig_qconfig_map *m, struct ig_sample_source *src, struct ig_stats *st, struct ig_diag *d);
#endif
