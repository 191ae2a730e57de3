/* The parts of `intaglio tune`: what can be chosen (mix_plan.c) and how it is written (mix_write.c), each layer by itself (mix_alone.c), a mix of precisions as
   it really is (mix_measure.c), the search (mix_choose.c on mix_search.c), what has been found so far (mix_state.c), the report (mix_report.c). */
#ifndef IG_DRIVER_MIX_H
#define IG_DRIVER_MIX_H
#include "driver/eval.h"
#include "driver/mix_search.h"

#define IG_MIX_MOST 26 /* candidates: a letter each in keys of the state */

struct ig_mix_candidate {
	const char *name;   /* int8, int8:mse, s4g32 ... */
	const char *config; /* NULL: what the model's own block says, if that is static, else the preset `default` */
	bool calibrated;    /* needs statistics */
	bool is_int8;       /* u8 activations, from layer to layer */
};
/* A layer in one precision, all others in float. */
struct ig_mix_alone {
	bool known;
	double loss, agreement, noise; /* NaN: cannot be said; noise: its share of the outputs' power */
	int64_t bytes;                 /* of its constants */
	double seconds;                /* NaN: not measured */
};
struct ig_mix_layer {
	const char *name, *op;
	struct ig_nid node; /* of the float graph */
	bool *allowed;               /* by candidate */
	struct ig_mix_alone *alone;  /* by candidate */
};
struct ig_mix_fixed { /* a layer that the model's own rules decide, and how */
	const char *name, *config;
};
/* A mix that was measured. */
struct ig_mix_point {
	uint8_t *choice;  /* by layer */
	const char *name; /* what it is, for people; NULL */
	double loss, lo, hi, exact, metric, agreement, noise, sqnr;
	int64_t bytes;
	double seconds; /* NaN: not measured */
};
struct ig_mix_budget {
	double loss, seconds; /* infinity: none */
	double relative;      /* of the seconds of all layers in int8; NaN: seconds are given */
	int64_t bytes;
};
struct ig_mix_state;
struct ig_mix {
	struct ig_evaluation v; /* with the session */
	const struct ig_opts *o;
	struct ig_arena *arena;
	IG_VEC(struct ig_mix_candidate) candidates;
	IG_VEC(struct ig_mix_layer) layers;
	IG_VEC(struct ig_mix_fixed) fixed;
	const char *base;                /* the model's default, when that is static; NULL: the preset */
	const char *recover;             /* its lines `recover`, as text */
	struct ig_qconfig_map *rules;    /* of the mix that the session has */
	bool timed, by_time;             /* seconds are measured; they are the cost */
	bool exact_known;                /* the float model's outputs */
	enum ig_engine_kind engine;      /* that evaluates */
	bool lowers;                     /* code can be generated; else bytes are those of the graph's constants */
	int64_t alone_samples;
	IG_VEC(struct ig_mix_point) points;
	struct ig_mix_budget budget;
	int chosen; /* of points; -1: none meets the budget */
	struct ig_mix_state *state;
	struct ig_mix_clock *clock; /* NULL: not timed, or not needed yet */
};

/* ---- mix_plan.c ---- */
int ig_mix_check(const struct ig_opts *o); /* --precisions and --observers: an exit status */
/* Layers, candidates, and the rules that stay, for a session after its float half. False after a diagnostic. */
bool ig_mix_plan(struct ig_mix *m);
bool ig_mix_calibrate(struct ig_mix *m); /* statistics for all candidates */
/* Which candidates are possible for each layer: by trying. */
bool ig_mix_probe(struct ig_mix *m);
/* The session's quantized graph becomes that of a block of rules; d NULL: what is wrong is reported as the session's. */
bool ig_mix_apply(struct ig_mix *m, const char *text, struct ig_diag *d);
/* Candidate c where it is allowed, the others in float. */
void ig_mix_uniform(const struct ig_mix *m, int c, uint8_t *choice);
int ig_mix_float(const struct ig_mix *m); /* the candidate float32; -1 */
void ig_mix_free(struct ig_mix *m);

/* ---- mix_write.c ---- */
#define IG_MIX_SKIP UINT8_MAX /* float32, whether that is a candidate or not */
/* The block of a mix; `p` NULL: without the evidence. To be freed. */
char *ig_mix_text(const struct ig_mix *m, const uint8_t *choice, const struct ig_mix_point *p);
int ig_mix_digits(const struct ig_mix *m); /* after the point, of a loss in percent */
/* All blocks of the front as FOLDER/NN.ig, in a folder that is there. */
bool ig_mix_write_front(const struct ig_mix *m, const int *front, int n, const char *folder);

/* ---- mix_alone.c, mix_measure.c ---- */
bool ig_mix_alone(struct ig_mix *m);
/* Measures a mix, unless it was: the point's number; -1 after a diagnostic. */
int ig_mix_measure(struct ig_mix *m, const uint8_t *choice, const char *name);
/* Bytes and, when timed, seconds of each layer, for the layers of candidate c, which the session's graph has. */
bool ig_mix_costs(struct ig_mix *m, int c);
bool ig_mix_lowers(struct ig_mix *m); /* whether code can be generated for the model */
void ig_mix_clock_free(struct ig_mix_clock *k);

/* ---- mix_choose.c ---- */
bool ig_mix_search(struct ig_mix *m); /* measures, and chooses */
struct ig_mix_worth ig_mix_worth(const struct ig_mix *m, const struct ig_mix_point *p);
bool ig_mix_meets(const struct ig_mix *m, const struct ig_mix_point *p);

/* ---- mix_state.c: a file that is complete at any moment ---- */
/* Reads --state where there is one. False after a diagnostic. */
bool ig_mix_state_open(struct ig_mix *m);
bool ig_mix_state_save(struct ig_mix *m); /* after something was added to what is known */
bool ig_mix_state_point(const struct ig_mix *m, struct ig_mix_point *p); /* what is known of p->choice */
void ig_mix_state_add(struct ig_mix *m, const struct ig_mix_point *p);
double *ig_mix_state_reference(struct ig_mix *m); /* seconds of all layers in int8; NaN: not known */
void ig_mix_state_close(struct ig_mix_state *s);

/* ---- mix_report.c ---- */
void ig_mix_report_text(const struct ig_mix *m, const int *front, int n, FILE *out);
json_t *ig_mix_report_json(const struct ig_mix *m, const int *front, int n);
char *ig_mix_counts(const struct ig_mix *m, const uint8_t *choice); /* "int8 12, s4 10", to be freed */
#endif
