#include "ir/diag.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ERRORS 50
#define MAX_WARNINGS 200
#define WINDOW 160 /* bytes of a long source line that are shown */

struct source {
	const char *file; /* interned */
	char *text;
	size_t len;
};

struct ig_diag {
	FILE *out;
	bool json;
	int errors, warnings;
	bool quiet_note; /* the message that a note would belong to was not printed */
	struct ig_strtab *files;
	IG_VEC(struct source) sources;
};

struct ig_diag *ig_diag_new(FILE *out, bool json)
{
	struct ig_diag *d = ig_xcalloc(1, sizeof *d);
	d->out = out;
	d->json = json;
	d->files = ig_strtab_new();
	return d;
}

void ig_diag_free(struct ig_diag *d)
{
	if (!d)
		return;
	for (int i = 0; i < d->sources.n; i++)
		free(d->sources.v[i].text);
	ig_vec_free(&d->sources);
	ig_strtab_free(d->files);
	free(d);
}

const char *ig_diag_source(struct ig_diag *d, const char *file, const char *text, size_t len)
{
	struct source s = {.file = ig_intern(d->files, file), .text = ig_xcalloc(len + 1, 1), .len = len};
	if (len)
		memcpy(s.text, text, len);
	for (int i = 0; i < d->sources.n; i++)
		if (d->sources.v[i].file == s.file) { /* read again: the newest text holds */
			free(d->sources.v[i].text);
			d->sources.v[i] = s;
			return s.file;
		}
	ig_vec_push(&d->sources, s);
	return s.file;
}

struct ig_loc ig_loc_file(struct ig_diag *d, const char *file)
{
	return (struct ig_loc){.file = ig_intern(d->files, file)};
}

/* The text of a line (from 1) without its end; NULL when the source is not known or has no such line. */
static const char *find_line(const struct ig_diag *d, struct ig_loc loc, size_t *len)
{
	for (int i = 0; i < d->sources.n; i++) {
		const struct source *s = &d->sources.v[i];
		if (strcmp(s->file, loc.file) != 0)
			continue;
		const char *p = s->text, *end = s->text + s->len;
		for (int line = 1; line < loc.line; line++) {
			p = memchr(p, '\n', (size_t)(end - p));
			if (!p)
				return NULL;
			p++;
		}
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		*len = (size_t)((nl ? nl : end) - p);
		if (*len && p[*len - 1] == '\r')
			--*len;
		return p;
	}
	return NULL;
}

static bool is_continuation(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* The line and a caret under its column; tabs are kept so that the caret stands right, other control characters become '?'. */
static void print_caret(const struct ig_diag *d, struct ig_loc loc)
{
	size_t len;
	const char *p = find_line(d, loc, &len);
	if (!p || loc.col <= 0 || !len)
		return;
	size_t at = (size_t)loc.col - 1, from = 0, to = len;
	if (at > len)
		at = len;
	if (len > WINDOW) {
		from = at > WINDOW / 2 ? at - WINDOW / 2 : 0;
		while (from < at && is_continuation(p[from]))
			from++;
		to = len - from > WINDOW ? from + WINDOW : len;
		while (to < len && to > from && is_continuation(p[to]))
			to--;
	}
	fputs("    ", d->out);
	for (size_t i = from; i < to; i++)
		fputc(((unsigned char)p[i] < 32 && p[i] != '\t') || p[i] == 127 ? '?' : p[i], d->out);
	fputs("\n    ", d->out);
	for (size_t i = from; i < at; i++)
		if (!is_continuation(p[i]))
			fputc(p[i] == '\t' ? '\t' : ' ', d->out);
	fputs("^\n", d->out);
}

static void print_json_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c == '\t')
			fputs("\\t", out);
		else if (c < 32 || c == 127)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void emit(struct ig_diag *d, const char *severity, struct ig_loc loc, const char *message)
{
	if (d->json) {
		fprintf(d->out, "{\"severity\": \"%s\", ", severity);
		if (loc.file) {
			fputs("\"file\": ", d->out);
			print_json_string(d->out, loc.file);
			if (loc.line > 0)
				fprintf(d->out, ", \"line\": %d, \"column\": %d", loc.line, loc.col);
			fputs(", ", d->out);
		}
		fputs("\"message\": ", d->out);
		print_json_string(d->out, message);
		fputs("}\n", d->out);
		return;
	}
	if (!loc.file)
		fputs("intaglio: ", d->out);
	else if (loc.line > 0)
		fprintf(d->out, "%s:%d:%d: ", loc.file, loc.line, loc.col);
	else
		fprintf(d->out, "%s: ", loc.file);
	fprintf(d->out, "%s: %s\n", severity, message);
	if (loc.file && loc.line > 0)
		print_caret(d, loc);
}

void ig_report(struct ig_diag *d, enum ig_severity s, struct ig_loc loc, const char *fmt, ...)
{
	static const char *const text[] = {"error", "warning", "note"};
	if (s == IG_ERROR)
		d->quiet_note = ++d->errors > MAX_ERRORS;
	else if (s == IG_WARNING)
		d->quiet_note = ++d->warnings > MAX_WARNINGS;
	if (d->quiet_note) {
		if (s == IG_ERROR && d->errors == MAX_ERRORS + 1)
			emit(d, text[IG_NOTE], IG_NOLOC, "more errors follow; only the first 50 are printed");
		return;
	}
	char small[512], *message = small;
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		IG_BUG("vsnprintf failed for \"%s\"", fmt);
	if ((size_t)n >= sizeof small) {
		message = ig_xcalloc((size_t)n + 1, 1);
		vsnprintf(message, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	emit(d, text[s], loc, message);
	if (message != small)
		free(message);
}

int ig_diag_errors(const struct ig_diag *d) { return d->errors; }
int ig_diag_warnings(const struct ig_diag *d) { return d->warnings; }
