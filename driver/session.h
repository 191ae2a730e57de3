/* One model on its way through the pipeline: load -> float half -> statistics -> quantize half -> lower. */
#ifndef IG_DRIVER_SESSION_H
#define IG_DRIVER_SESSION_H
#include "codegen/codegen.h"
#include "driver/opts.h"
#include "frontend/dataset.h"
#include "frontend/frontend.h"
#include "onnx/onnx.h"
#include "passes/pass.h"

struct ig_session {
	const struct ig_opts *o;
	struct ig_diag *diag;
	const char *path;
	struct ig_model *model;            /* as loaded: the passes work on clones, whose constants it owns */
	struct ig_qconfig_map *own_qconfig; /* of --qconfig; NULL: the model's holds */
	const struct ig_qconfig_map *qconfig;
	struct ig_graph *flt;   /* after the float half: what the float engine and calibration run */
	struct ig_graph *given; /* flt of a model that is quantized already, with the integers of its weights; else NULL */
	struct ig_graph *quant; /* after the quantize half */
	struct ig_stats *stats; /* NULL: the model stays in float */
	struct ig_session_replay *replay; /* the samples of ctx.replay */
	const struct ig_target *target;
	enum ig_rows_when rows;         /* --row-fusion */
	struct ig_schedules *schedules; /* of --schedules or --tune; NULL: the estimates decide */
	struct ig_effect effects[IG_RECOVER_COUNT]; /* of `recover`; 'inspect' asks for them */
	struct ig_context ctx;
	int n_dumps; /* files written to --dump-dir */
	bool stopped; /* --stop-after was reached */
};
/* Each step returns false after a diagnostic; ig_session_close releases what there is. Wrong names of passes and targets are wrong usage:
   ig_session_check answers them before anything is read (IG_EXIT_OK or IG_EXIT_USAGE). */
int ig_session_check(const struct ig_opts *o);
void ig_session_begin(struct ig_session *s, const struct ig_opts *o);
void ig_session_close(struct ig_session *s);

bool ig_session_load(struct ig_session *s, const char *path); /* model and quantize block */
bool ig_session_float(struct ig_session *s);                  /* sets flt */
bool ig_session_refuse_quantized(struct ig_session *s, const char *what); /* true, after a diagnostic, when the file holds a quantized graph */
/* calibrate.c: adds the data files and states of --calibration (of 'calibrate', its arguments) to statistics. */
bool ig_session_calibrate(struct ig_session *s, struct ig_stats *into);
bool ig_session_stats(struct ig_session *s);    /* from --calibration; an error when int8 layers need it and there is none */
bool ig_session_quantize(struct ig_session *s); /* sets quant */
/* All of it: load, float half, statistics, quantize half. True with s->stopped when --stop-after was reached on the way. */
bool ig_session_prepare(struct ig_session *s, const char *path);
int ig_session_threads(const struct ig_session *s); /* --threads, 1 without it */
/* Lowers quant for s->target. */
struct kir_module *ig_session_lower(struct ig_session *s, bool keep);
bool ig_session_slice(struct ig_dataset *ds, int64_t first, int64_t last, struct ig_diag *d); /* last < 0: all; INT64_MAX: to the end */
/* After lowering: releases the graphs and the weights they hold, most of the memory, before code is generated. quant and flt are NULL then. */
void ig_session_forget_graphs(struct ig_session *s);
/* The samples of --data, --samples and --sample. NULL after a diagnostic. */
struct ig_dataset *ig_session_data(struct ig_session *s, bool reject_nonfinite);
#endif
