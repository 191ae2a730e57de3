/* Diagnostics that are not shown: of attempts that may fail. */
#ifndef IG_DRIVER_QUIET_H
#define IG_DRIVER_QUIET_H
#include "ir/diag.h"

struct ig_quiet {
	struct ig_diag *diag;
	FILE *file;
	char *text;
	size_t bytes;
};
struct ig_diag *ig_quiet_begin(struct ig_quiet *q);
/* Ends it; returns the first line that was said (to be freed). */
char *ig_quiet_end(struct ig_quiet *q);
#endif
