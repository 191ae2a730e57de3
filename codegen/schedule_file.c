/* Files of measured schedules: a first line with the version, then one line a layer,

     TARGET: KEY = VARIANT NAME NUMBER NAME NUMBER ...

   blank lines and lines that begin with #. Read strictly: what is not understood may come from another version and would silently lose its effect. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/schedule.h"
#include "ir/outfile.h"
#include "targets/target.h"

static const char first_line[] = "intaglio schedules 1";
static const char *const variants[IG_SCHED_VARIANTS] = {"tiles", "quads", "columns", "taps", "apart", "bands"};
static const struct {
	const char *name;
	size_t offset;
	int least, most;
} fields[] = {
#define S(field, least, most, text) {#field, offsetof(struct ig_schedule, field), least, most},
#include "codegen/schedule.def"
#undef S
};
#define N_FIELDS ((int)IG_COUNTOF(fields))

struct entry {
	const char *target, *key;
	struct ig_schedule s;
	struct ig_loc loc;
};
struct ig_schedules {
	struct ig_arena *arena;
	IG_VEC(struct entry) e; /* sorted by target, key */
};

static int *field_at(struct ig_schedule *s, int i) { return (int *)((char *)s + fields[i].offset); }

void ig_schedule_print(const struct ig_schedule *s, FILE *out)
{
	struct ig_schedule copy = *s;
	fputs(variants[s->variant], out);
	for (int i = 0; i < N_FIELDS; i++)
		if (*field_at(&copy, i))
			fprintf(out, " %s %d", fields[i].name, *field_at(&copy, i));
}

/* ---- the set ---- */

struct ig_schedules *ig_schedules_new(void)
{
	struct ig_schedules *s = ig_xcalloc(1, sizeof *s);
	s->arena = ig_arena_new();
	return s;
}

void ig_schedules_free(struct ig_schedules *s)
{
	if (!s)
		return;
	ig_vec_free(&s->e);
	ig_arena_free(s->arena);
	free(s);
}

/* Index of the entry, or of the one before which it belongs. */
static int position(const struct ig_schedules *s, const char *target, const char *key, bool *found)
{
	int lo = 0, hi = s->e.n;
	*found = false;
	while (lo < hi && !*found) {
		int mid = lo + (hi - lo) / 2, c = strcmp(target, s->e.v[mid].target);
		c = c ? c : strcmp(key, s->e.v[mid].key);
		*found = c == 0;
		if (c <= 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return *found ? hi : lo;
}

static void insert(struct ig_schedules *s, const char *target, const char *key, const struct ig_schedule *x, struct ig_loc loc)
{
	bool found;
	int at = position(s, target, key, &found);
	if (!found) {
		struct entry e = {.target = ig_arena_strdup(s->arena, target), .key = ig_arena_strdup(s->arena, key)};
		ig_vec_push(&s->e, e);
		memmove(&s->e.v[at + 1], &s->e.v[at], (size_t)(s->e.n - 1 - at) * sizeof e);
		s->e.v[at] = e;
	}
	s->e.v[at].s = *x;
	s->e.v[at].s.cost = 0;
	s->e.v[at].loc = loc;
}

void ig_schedules_put(struct ig_schedules *s, const char *target, const char *key, const struct ig_schedule *x) { insert(s, target, key, x, IG_NOLOC); }

const struct ig_schedule *ig_schedules_find(const struct ig_schedules *s, const char *target, const char *key, struct ig_loc *loc)
{
	bool found;
	int at = position(s, target, key, &found);
	if (!found)
		return NULL;
	if (loc)
		*loc = s->e.v[at].loc;
	return &s->e.v[at].s;
}

/* ---- reading ---- */

struct reader {
	struct ig_schedules *s;
	struct ig_diag *d;
	struct ig_loc loc;
};

static bool bad_word(struct reader *r, const char *what, const char *word, const char *const *names, int n)
{
	const char *near = ig_nearest(word, names, n);
	if (near)
		ig_error(r->d, r->loc, "there is no %s '%s'; did you mean '%s'?", what, word, near);
	else
		ig_error(r->d, r->loc, "there is no %s '%s'", what, word);
	return false;
}

static bool read_target(struct reader *r, const char *name)
{
	int n;
	const struct ig_target *const *t = ig_targets(&n);
	if (ig_target_find(name))
		return true;
	const char **names = ig_xcalloc((size_t)n + 1, sizeof *names);
	for (int i = 0; i < n; i++)
		names[i] = t[i]->name;
	bad_word(r, "target", name, names, n);
	free(names);
	return false;
}

static bool read_field(struct reader *r, struct ig_schedule *s, const char *name, const char *number)
{
	const char *names[N_FIELDS];
	int i = 0;
	for (int k = 0; k < N_FIELDS; k++)
		names[k] = fields[k].name;
	while (i < N_FIELDS && strcmp(name, names[i]) != 0)
		i++;
	if (i == N_FIELDS)
		return bad_word(r, "choice", name, names, N_FIELDS);
	char *end = NULL;
	long v = number && *number >= '0' && *number <= '9' ? strtol(number, &end, 10) : -1;
	if (v < fields[i].least || v > fields[i].most || *end) {
		ig_error(r->d, r->loc, "'%s' wants a number of %d to %d", name, fields[i].least, fields[i].most);
		return false;
	}
	if (*field_at(s, i)) {
		ig_error(r->d, r->loc, "'%s' is given twice", name);
		return false;
	}
	*field_at(s, i) = (int)v;
	return true;
}

static bool read_schedule(struct reader *r, char *text, struct ig_schedule *s)
{
	char *rest = text, *word = strsep(&rest, " ");
	int v = 0;
	memset(s, 0, sizeof *s);
	while (v < IG_SCHED_VARIANTS && strcmp(word, variants[v]) != 0)
		v++;
	if (v == IG_SCHED_VARIANTS)
		return bad_word(r, "kind of schedule", word, variants, IG_SCHED_VARIANTS);
	s->variant = (enum ig_sched_variant)v;
	while ((word = strsep(&rest, " ")) != NULL)
		if (!read_field(r, s, word, strsep(&rest, " ")))
			return false;
	return true;
}

static bool read_line(struct reader *r, char *line)
{
	char *colon = strstr(line, ": "), *equals = colon ? strstr(colon, " = ") : NULL;
	struct ig_schedule s;
	bool twice;
	if (!equals) {
		ig_error(r->d, r->loc, "expected 'TARGET: LAYER = SCHEDULE'");
		return false;
	}
	*colon = *equals = 0;
	if (!read_target(r, line) || !read_schedule(r, equals + 3, &s))
		return false;
	position(r->s, line, colon + 2, &twice);
	if (twice) {
		ig_error(r->d, r->loc, "this layer has a schedule already: take one of the lines out");
		return false;
	}
	insert(r->s, line, colon + 2, &s, r->loc);
	return true;
}

static bool read_text(struct reader *r, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	bool ok = true;
	ssize_t n;
	while (ok && (n = getline(&line, &cap, f)) >= 0) {
		r->loc.line++;
		if (n && line[n - 1] == '\n')
			line[--n] = 0;
		if (strlen(line) != (size_t)n) {
			ig_error(r->d, r->loc, "there is a zero byte in this line");
			ok = false;
		} else if (r->loc.line == 1 && strcmp(line, first_line) != 0) {
			ig_error(r->d, r->loc, "not a file of schedules of this version: its first line is not '%s'", first_line);
			ok = false;
		} else if (r->loc.line > 1 && *line && *line != '#') {
			ok = read_line(r, line);
		}
	}
	free(line);
	if (ok && ferror(f)) {
		ig_error(r->d, ig_loc_file(r->d, r->loc.file), "cannot read: %s", strerror(errno));
		return false;
	}
	if (ok && !r->loc.line)
		ig_error(r->d, ig_loc_file(r->d, r->loc.file), "the file is empty: a file of schedules begins with '%s'", first_line);
	return ok && r->loc.line;
}

struct ig_schedules *ig_schedules_read(const char *path, bool must_exist, struct ig_diag *d)
{
	struct ig_schedules *s = ig_schedules_new();
	FILE *f = fopen(path, "rb");
	if (!f && errno == ENOENT && !must_exist)
		return s;
	struct reader r = {s, d, ig_loc_file(d, path)};
	r.loc.col = 1;
	bool ok = f != NULL;
	if (!f)
		ig_error(d, ig_loc_file(d, path), "cannot open: %s", strerror(errno));
	else
		ok = read_text(&r, f);
	if (f)
		fclose(f);
	if (ok)
		return s;
	ig_schedules_free(s);
	return NULL;
}

bool ig_schedules_write(const struct ig_schedules *s, const char *path, struct ig_diag *d)
{
	struct ig_outfile out;
	FILE *f = ig_outfile_open(&out, path, d);
	if (!f)
		return false;
	fprintf(f, "%s\n", first_line);
	for (int i = 0; i < s->e.n; i++) {
		fprintf(f, "%s: %s = ", s->e.v[i].target, s->e.v[i].key);
		ig_schedule_print(&s->e.v[i].s, f);
		fputc('\n', f);
	}
	return ig_outfile_commit(&out);
}
