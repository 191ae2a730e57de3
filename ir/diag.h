/* Located diagnostics: `file:line:column: error: ...`, the source line, a caret. Collected, counted, several per run. */
#ifndef IG_IR_DIAG_H
#define IG_IR_DIAG_H

#include "ir/base.h"

struct ig_loc {
	const char *file; /* NULL: no place */
	int line, col;    /* from 1; 0: the whole file */
};

enum ig_severity { IG_ERROR, IG_WARNING, IG_NOTE };

struct ig_diag;

/* Messages go to `out` as they come; json: one JSON object a line instead. At most 50 errors are printed. */
struct ig_diag *ig_diag_new(FILE *out, bool json);
void ig_diag_free(struct ig_diag *d);
/* Makes a source text known so that carets can be drawn; text is copied. Returns the interned file name. */
const char *ig_diag_source(struct ig_diag *d, const char *file, const char *text, size_t len);
void ig_report(struct ig_diag *d, enum ig_severity s, struct ig_loc loc, const char *fmt, ...) IG_PRINTF(4, 5);
#define ig_error(d, loc, ...) ig_report((d), IG_ERROR, (loc), __VA_ARGS__)
#define ig_warn(d, loc, ...) ig_report((d), IG_WARNING, (loc), __VA_ARGS__)
#define ig_note(d, loc, ...) ig_report((d), IG_NOTE, (loc), __VA_ARGS__)
/* For a fault in a file that is not source text: `FILE: error: ...`. */
struct ig_loc ig_loc_file(struct ig_diag *d, const char *file);
#define IG_NOLOC ((struct ig_loc){0})
int ig_diag_errors(const struct ig_diag *d);
int ig_diag_warnings(const struct ig_diag *d);

#endif
