/* How the loops of one layer are arranged: choices that change its time and never a byte of its result. The cost model lists those that are possible for a
   layer, the cheapest by its estimate first; a file of measured choices (compile --tune) may name another of them. */
#ifndef IG_CODEGEN_SCHEDULE_H
#define IG_CODEGEN_SCHEDULE_H
#include "ir/graph.h"

enum ig_sched_variant {
	IG_SCHED_TILES,   /* convolution: register tiles of pixels by vectors of output channels */
	IG_SCHED_QUADS,   /* depthwise: four rows interleaved, dot products along the kernel's columns */
	IG_SCHED_COLUMNS, /* depthwise: a tile of a row goes down the image, its rows in the bytes of lanes */
	IG_SCHED_TAPS,    /* depthwise: one product for each lane and tap */
	IG_SCHED_APART,   /* row fusion: none */
	IG_SCHED_BANDS,   /* row fusion: so many rows of results at a time */
	IG_SCHED_VARIANTS
};
struct ig_schedule {
	enum ig_sched_variant variant;
#define S(field, ...) int field;
#include "codegen/schedule.def"
#undef S
	int64_t cost; /* estimated cycles */
};
/* A layer as schedules see it: what may be chosen follows from it and the target alone. */
struct ig_sched_layer {
	const char *key; /* words; layers with the same key have the same schedules */
	const struct ig_schedule *candidate; /* the best estimate first */
	int n;
	struct ig_nid node[3]; /* whose code it is about; -1: fewer */
};
#define IG_SCHED_MOST 256 /* candidates of a layer */
#define IG_ROWS_MOST 64   /* rows of a band */
/* Candidate or file entry in words: `tiles vectors 4 pixels 6 unroll 4`. */
void ig_schedule_print(const struct ig_schedule *s, FILE *out);
bool ig_schedule_equal(const struct ig_schedule *a, const struct ig_schedule *b);
void ig_schedule_sort(struct ig_schedule *c, int n); /* by cost; equal ones stay in order */

/* ---- schedule_file.c: measured choices by target and key ---- */
struct ig_schedules;
struct ig_schedules *ig_schedules_new(void);
void ig_schedules_free(struct ig_schedules *s);
/* NULL after a diagnostic; must_exist: a file that is not there is an error, else it is an empty one. */
struct ig_schedules *ig_schedules_read(const char *path, bool must_exist, struct ig_diag *d);
/* All entries, sorted by target and key: the same entries give the same bytes. */
bool ig_schedules_write(const struct ig_schedules *s, const char *path, struct ig_diag *d);
const struct ig_schedule *ig_schedules_find(const struct ig_schedules *s, const char *target, const char *key, struct ig_loc *loc); /* NULL */
void ig_schedules_put(struct ig_schedules *s, const char *target, const char *key, const struct ig_schedule *x);
#endif
