#include "driver/report.h"

#include <stdlib.h>
#include <string.h>

struct ig_table {
	int columns;
	bool *right;
	struct ig_arena *arena;
	IG_VEC(const char *) cell;  /* the titles first; rows follow */
	IG_VEC(int) rules;          /* rows (titles = 0) that a line follows */
};

struct ig_table *ig_table_new(const char *const *titles, int n)
{
	struct ig_table *t = ig_xcalloc(1, sizeof *t);
	t->columns = n;
	t->arena = ig_arena_new();
	t->right = IG_NEWN(t->arena, bool, n);
	for (int i = 0; i < n; i++) {
		t->right[i] = titles[i][0] == '>';
		ig_vec_push(&t->cell, ig_arena_strdup(t->arena, titles[i] + (t->right[i] ? 1 : 0)));
	}
	ig_table_rule(t);
	return t;
}

void ig_table_free(struct ig_table *t)
{
	ig_vec_free(&t->cell);
	ig_vec_free(&t->rules);
	ig_arena_free(t->arena);
	free(t);
}

void ig_table_cell(struct ig_table *t, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		IG_BUG("bad format \"%s\"", fmt);
	char *s = ig_arena_alloc(t->arena, (size_t)n + 1, 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	ig_vec_push(&t->cell, s);
}

void ig_table_blank(struct ig_table *t) { ig_table_cell(t, "%s", ""); }

void ig_table_rule(struct ig_table *t) { ig_vec_push(&t->rules, (t->cell.n - 1) / t->columns); }

static int width(const char *s)
{
	int n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static void print_line(const int *w, int columns, FILE *out)
{
	for (int c = 0; c < columns; c++)
		for (int i = 0; i < w[c] + (c + 1 < columns ? 2 : 0); i++)
			fputc('-', out);
	fputc('\n', out);
}

void ig_table_print(struct ig_table *t, FILE *out)
{
	int rows = t->cell.n / t->columns, next_rule = 0;
	if (t->cell.n % t->columns)
		IG_BUG("a table row is not complete");
	int *w = ig_xcalloc((size_t)t->columns, sizeof *w);
	for (int i = 0; i < t->cell.n; i++)
		if (width(t->cell.v[i]) > w[i % t->columns])
			w[i % t->columns] = width(t->cell.v[i]);
	for (int r = 0; r < rows; r++) {
		int owed = 0; /* blanks before the next text: none at the end of a line */
		for (int c = 0; c < t->columns; c++) {
			const char *s = t->cell.v[r * t->columns + c];
			int fill = w[c] - width(s);
			if (*s) {
				fprintf(out, "%*s%s", owed + (t->right[c] ? fill : 0), "", s);
				owed = t->right[c] ? 0 : fill;
			} else
				owed += w[c];
			owed += 2;
		}
		fputc('\n', out);
		for (; next_rule < t->rules.n && t->rules.v[next_rule] <= r; next_rule++)
			print_line(w, t->columns, out);
	}
	free(w);
}

const char *ig_human(char *buf, double n)
{
	static const char *const unit[] = {"", " K", " M", " G", " T"};
	int u = 0;
	while (n >= 999.5 && u < 4) {
		n /= 1000;
		u++;
	}
	snprintf(buf, 32, u == 0 ? "%.0f%s" : n < 9.995 ? "%.2f%s" : n < 99.95 ? "%.1f%s" : "%.0f%s", n, unit[u]);
	return buf;
}
