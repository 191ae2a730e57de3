/* The parts of `intaglio eval`: the run over the samples (cmd_eval.c), the figures and the verdict (eval_figures.c), the report (eval_report.c). */
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
	struct ig_machine machine;
	struct ig_dataset *ds;
	enum ig_metric metric;
	bool judged; /* whether the loss of the metric is: without labels only when it was asked for */
	bool probabilities; /* the outputs are, not logits */
	enum ig_eval_score score;
	int64_t positions, classes; /* of a sample; of a position */
	struct ig_engine *(*engine)[IG_ENGINE_COUNT]; /* by worker */
	float **scratch;                              /* by worker: outputs as float, two of them */
	IG_VEC(struct ig_vid) watched;                /* values of the float graph that were calibrated */
	struct ig_stats **seen;                       /* by worker: what they are in evaluation */
	int64_t most;                                 /* elements of the largest output */
	int jobs;
	const int64_t *label; /* [sample][position], of the slice's first sample; NULL */
	struct ig_eval_record *record;
	int64_t n;
};

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
