/* JSON reports, over jansson; and where reports go. */
#include "driver/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *ig_json_share(double x)
{
	char text[40];
	if (!isfinite(x))
		return json_null();
	snprintf(text, sizeof text, "%.9g", x);
	return json_real(strtod(text, NULL));
}

json_t *ig_json_shape(int rank, const int64_t *dim)
{
	json_t *a = json_array();
	for (int i = 0; i < rank; i++)
		json_array_append_new(a, json_integer(dim[i]));
	return a;
}

bool ig_json_print(json_t *root, FILE *out)
{
	/* 12 digits: what was rounded to 9 prints as it was rounded. */
	int status = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	json_decref(root);
	fputc('\n', out);
	return status == 0;
}

bool ig_out_open(struct ig_out *out, const struct ig_opts *o, struct ig_diag *d)
{
	memset(out, 0, sizeof *out);
	out->diag = d;
	const char *path = ig_opt_str(o, IG_OPT_OUTPUT);
	if (!path || strcmp(path, "-") == 0) {
		out->f = stdout;
		return true;
	}
	out->to_file = true;
	out->f = ig_outfile_open(&out->file, path, d);
	return out->f != NULL;
}

bool ig_stdout_check(struct ig_diag *d)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	ig_error(d, IG_NOLOC, "cannot write to standard output: %s", strerror(errno));
	return false;
}

bool ig_out_close(struct ig_out *out) { return out->to_file ? ig_outfile_commit(&out->file) : ig_stdout_check(out->diag); }

void ig_out_abort(struct ig_out *out)
{
	if (out->to_file)
		ig_outfile_abort(&out->file);
}
