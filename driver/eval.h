/* The parts of `intaglio eval`: the run over the samples (eval_run.c), the figures and the verdict (eval_figures.c), the report (eval_report.c). */
#ifndef IG_DRIVER_EVAL_H
#define IG_DRIVER_EVAL_H
#include "driver/bootstrap.h"
#include "driver/engine.h"
#include "driver/report.h"

/* What the loss is a loss of. */
enum ig_metric {
	IG_METRIC_TOP1,       /* accuracy */
	IG_METRIC_MSE,        /* of the outputs against float's */
	IG_METRIC_PERPLEXITY, /* of labels that are the next tokens */
	IG_METRIC_AUC,        /* of a score against labels 0 and 1 */
	IG_METRIC_COUNT
};
extern const char *const ig_metric_names[IG_METRIC_COUNT];
enum ig_eval_score { /* what AUC takes as the score */
	IG_SCORE_RECONSTRUCTION, /* mean squared error of the output against the input */
	IG_SCORE_OUTPUT,         /* the only number */
	IG_SCORE_DIFFERENCE      /* the second of two less the first */
};

/* What is kept of a sample: enough for every figure, so that outputs need not be. The answers are those at the label's positions: one for a classifier,
   as many as there are tokens for a language model. */
struct ig_eval_record {
	int64_t labelled; /* positions with a label */
	int64_t agree;    /* positions where the quantized model's answer is the float model's */
	struct {
		int64_t top1, top5, topk; /* labelled positions where fewer than 1, 5, K classes come before the label */
		int64_t differing;        /* bytes that differ from the first quantized engine's */
		double nll, score;
	} by[IG_ENGINE_COUNT];
	double signal, noise; /* squares of the float outputs, and of the errors */
};
struct ig_evaluation {
	struct ig_session s;
	struct ig_machine machine;     /* the engines that run */
	bool use[IG_ENGINE_COUNT];     /* the engines that there are figures of: those, and float when its outputs are known */
	struct ig_dataset *ds;
	enum ig_metric metric;
	bool judged; /* whether the loss of the metric is: without labels only when it was asked for */
	bool probabilities; /* the outputs are, not logits */
	enum ig_eval_score score;
	int64_t positions, classes; /* of a sample; of a position */
	struct ig_engine *(*engine)[IG_ENGINE_COUNT]; /* by worker */
	float **scratch;                              /* by worker: all outputs as float, twice */
	IG_VEC(struct ig_vid) watched;                /* values of the float graph that were calibrated */
	struct ig_stats **seen;                       /* by worker: what they are in evaluation */
	int64_t all;                                  /* elements of all outputs */
	int jobs;
	int64_t *labels;      /* as read */
	const int64_t *label; /* [sample][position], of the slice's first sample; NULL */
	float *exact;         /* [sample][all]: outputs of the float model, when they are kept for further runs; NULL */
	struct ig_eval_record *record;
	int64_t n;
};

/* Wrong usage of --metric and --top-k: an exit status. */
int ig_eval_check(const struct ig_opts *o, const bool use[IG_ENGINE_COUNT]);
/* The samples of --data and --labels, for v->s after its float half; then any number of runs from begin to end, also after a diagnostic; close at last. */
bool ig_eval_open(struct ig_evaluation *v);
void ig_eval_keep(struct ig_evaluation *v); /* the next run keeps the float model's outputs, if that is not too much memory */
/* exact_known: a run before this one has kept them, the float engine need not run again. */
bool ig_eval_begin(struct ig_evaluation *v, const bool use[IG_ENGINE_COUNT], bool exact_known);
bool ig_eval_samples(struct ig_evaluation *v, const char *what);
void ig_eval_end(struct ig_evaluation *v);
void ig_eval_close(struct ig_evaluation *v);
void ig_eval_warn_shift(struct ig_evaluation *v); /* of values that calibration did not see, after a run */
/* What a record keeps of outputs, all of them one after the other: of x by engine k against the sample's labels; of an approximation against the exact ones. */
void ig_eval_score(const struct ig_evaluation *v, struct ig_eval_record *r, int k, int64_t sample, const float *x, const void *const *in);
void ig_eval_compare(const struct ig_evaluation *v, struct ig_eval_record *r, const float *exact, const float *approximate);

enum ig_grade { IG_GRADE_EXCELLENT, IG_GRADE_ACCEPTABLE, IG_GRADE_POOR, IG_GRADE_NONE };
extern const char *const ig_grade_names[IG_GRADE_NONE];
struct ig_figures {
	struct {
		double top1, top5, topk, perplexity, auc;
		int64_t differing, differing_samples;
	} by[IG_ENGINE_COUNT];
	struct ig_interval metric[2]; /* of float and of the quantized engine */
	struct ig_interval loss, sqnr_db;
	double agreement, loss_of, mse, sqnr; /* NaN: cannot be said */
	enum ig_engine_kind quantized;        /* whose figures are compared with float's; COUNT: none */
	enum ig_grade grade;                  /* of the loss */
	double max_loss;
	bool certain; /* the whole interval of the loss is on one side of max_loss */
	bool pass;
};
/* The engine that stands for the quantized model: the norm when it runs, else another. */
enum ig_engine_kind ig_eval_quantized(const bool *use);
struct ig_figures ig_eval_figures(const struct ig_evaluation *v);

json_t *ig_eval_json(const struct ig_evaluation *v, const struct ig_figures *f);
void ig_eval_text(const struct ig_evaluation *v, const struct ig_figures *f, FILE *out);
#endif
