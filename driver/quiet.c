#include "driver/quiet.h"

#include <string.h>

struct ig_diag *ig_quiet_begin(struct ig_quiet *q)
{
	q->file = open_memstream(&q->text, &q->bytes);
	if (!q->file)
		IG_BUG("cannot make a stream");
	return q->diag = ig_diag_new(q->file, false);
}

char *ig_quiet_end(struct ig_quiet *q)
{
	ig_diag_free(q->diag);
	fclose(q->file);
	q->text[strcspn(q->text, "\n")] = 0;
	return q->text;
}
