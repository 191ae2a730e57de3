/* What commands print: aligned tables, JSON, a progress bar; to standard output or, with -o, to a file. */
#ifndef IG_DRIVER_REPORT_H
#define IG_DRIVER_REPORT_H
#include "driver/opts.h"
#include "ir/diag.h"
#include "ir/outfile.h"

#include <jansson.h>

/* ---- output: standard output or the file of -o ---- */
struct ig_out {
	FILE *f;
	bool to_file;
	struct ig_outfile file;
	struct ig_diag *diag;
};
bool ig_out_open(struct ig_out *out, const struct ig_opts *o, struct ig_diag *d);
bool ig_out_close(struct ig_out *out); /* false after a diagnostic: not all could be written */
void ig_out_abort(struct ig_out *out);
/* Prints text to standard output; the same check. */
bool ig_stdout_check(struct ig_diag *d);

/* ---- table.c: text tables, columns aligned (numbers right), widths in code points ---- */
struct ig_table;
/* titles: one a column; a title that begins with '>' is right-aligned. */
struct ig_table *ig_table_new(const char *const *titles, int n);
void ig_table_cell(struct ig_table *t, const char *fmt, ...) IG_PRINTF(2, 3); /* the next cell, row by row */
void ig_table_blank(struct ig_table *t); /* an empty cell */
void ig_table_rule(struct ig_table *t);                                        /* a line after the present row */
void ig_table_print(struct ig_table *t, FILE *out);
void ig_table_free(struct ig_table *t);
/* 1536 -> "1.5 K": for people; buf of 32. */
const char *ig_human(char *buf, double n);

/* ---- json.c ---- */
json_t *ig_json_share(double x);     /* a number rounded to 9 digits; null for NaN and infinities */
json_t *ig_json_shape(int rank, const int64_t *dim);
bool ig_json_print(json_t *root, FILE *out); /* takes the reference */

/* ---- progress.c: a bar with the time that remains, on standard error when it is a terminal ---- */
struct ig_progress {
	bool on;
	const char *what;
	int64_t total, done;
	double start, shown;
};
void ig_progress_start(struct ig_progress *p, const struct ig_opts *o, const char *what, int64_t total);
void ig_progress_step(struct ig_progress *p, int64_t done);
void ig_progress_end(struct ig_progress *p); /* removes the bar */
#endif
