/* Output files: written without a name, in the target's folder, and put in its place when complete: nothing half-written is left behind, however the
   process ends. Where the file system has no nameless files it is a temporary name that is removed on failure, which a killed process leaves.
   What is not a regular file (/dev/stdout, /dev/full, a pipe) is written directly. */
#ifndef IG_IR_OUTFILE_H
#define IG_IR_OUTFILE_H
#include "ir/diag.h"

struct ig_outfile {
	FILE *file;         /* write here; binary, not seekable */
	int fd, error;      /* the first errno of writing (stdio forgets it) */
	char *path;         /* as given: named in messages */
	char *target, *tmp; /* what tmp is renamed to (links resolved); target NULL: written directly; tmp NULL: no name yet */
	bool nameless;
	struct ig_diag *diag;
};
/* The struct must stay where it is until commit or abort. NULL after a diagnostic (the folder is missing, the path is a directory, no permission, ...). */
FILE *ig_outfile_open(struct ig_outfile *o, const char *path, struct ig_diag *d);
/* Closes, checks that every byte was taken (a full disk shows only here), renames. On failure: a diagnostic, and the temporary file is removed. */
bool ig_outfile_commit(struct ig_outfile *o);
/* Gives up: closes and removes the temporary file. A second call, or one after a commit or a failed open, does nothing. */
void ig_outfile_abort(struct ig_outfile *o);
/* All in one: writes n bytes to path. */
bool ig_outfile_write(const char *path, const void *data, size_t n, struct ig_diag *d);
#endif
