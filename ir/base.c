#include "ir/base.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

void ig_bug(const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "intaglio: internal error at %s:%d: ", file, line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

bool ig_mul_size(size_t a, size_t b, size_t *out)
{
	if (b && a > SIZE_MAX / b)
		return false;
	*out = a * b;
	return true;
}

bool ig_add_size(size_t a, size_t b, size_t *out)
{
	if (a > SIZE_MAX - b)
		return false;
	*out = a + b;
	return true;
}

bool ig_mul_i64(int64_t a, int64_t b, int64_t *out)
{
	if (a < 0 || b < 0 || (b && a > INT64_MAX / b))
		return false;
	*out = a * b;
	return true;
}

bool ig_add_i64(int64_t a, int64_t b, int64_t *out)
{
	if (a < 0 || b < 0 || a > INT64_MAX - b)
		return false;
	*out = a + b;
	return true;
}

IG_NORETURN static void out_of_memory(void)
{
	fputs("intaglio: error: out of memory\n", stderr);
	exit(1);
}

void *ig_xcalloc(size_t n, size_t size)
{
	size_t bytes;
	if (!ig_mul_size(n, size, &bytes))
		out_of_memory();
	void *p = calloc(1, bytes ? bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *ig_xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;
	if (!ig_mul_size(n, size, &bytes))
		out_of_memory();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

void ig_vec_grow(void **v, int *cap, size_t size)
{
	if (*cap > INT_MAX / 2)
		out_of_memory();
	int n = *cap ? *cap * 2 : 8;
	*v = ig_xrealloc(*v, (size_t)n, size);
	*cap = n;
}

/* Blocks double up to a limit, so that a small arena is one small allocation; a large object gets a block of its own. */
struct block {
	struct block *next;
	size_t used, cap;
	max_align_t align_;
};
#define HEAD ((offsetof(struct block, align_) + 15u) & ~(size_t)15u)
#define BLOCK_FIRST 4096u
#define BLOCK_LIMIT (1u << 20)

struct ig_arena {
	struct block *head;
	size_t next_size;
};

struct ig_arena *ig_arena_new(void)
{
	struct ig_arena *a = ig_xcalloc(1, sizeof *a);
	a->next_size = BLOCK_FIRST;
	return a;
}

void ig_arena_free(struct ig_arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->head, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

bool ig_ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n >= m && strcmp(s + n - m, tail) == 0;
}

void *ig_arena_alloc(struct ig_arena *a, size_t n, size_t size)
{
	size_t bytes, whole;
	if (!ig_mul_size(n, size, &bytes) || !ig_add_size(bytes, HEAD + 16, &whole))
		out_of_memory();
	bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
	struct block *b = a->head;
	if (!b || b->cap - b->used < bytes) {
		size_t cap = bytes > a->next_size / 4 ? bytes : a->next_size;
		struct block *fresh = ig_xcalloc(1, HEAD + cap);
		fresh->cap = cap;
		if (b && cap == bytes) { /* keep filling the current block */
			fresh->next = b->next;
			b->next = fresh;
		} else {
			fresh->next = b;
			a->head = fresh;
			if (a->next_size < BLOCK_LIMIT)
				a->next_size *= 2;
		}
		b = fresh;
	}
	void *p = (char *)b + HEAD + b->used;
	b->used += bytes;
	return p;
}

char *ig_arena_strndup(struct ig_arena *a, const char *s, size_t n)
{
	char *p = ig_arena_alloc(a, n + 1, 1);
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *ig_arena_strdup(struct ig_arena *a, const char *s) { return ig_arena_strndup(a, s, strlen(s)); }

char *ig_arena_printf(struct ig_arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		IG_BUG("vsnprintf failed for \"%s\"", fmt);
	char *p = ig_arena_alloc(a, (size_t)n + 1, 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

struct ig_strtab {
	struct ig_arena *arena;
	const char **slot; /* open addressing; a power of two */
	size_t cap, n;
};

static uint64_t hash_text(const char *s)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h ^ h >> 29;
}

struct ig_strtab *ig_strtab_new(void)
{
	struct ig_strtab *t = ig_xcalloc(1, sizeof *t);
	t->arena = ig_arena_new();
	t->cap = 64;
	t->slot = ig_xcalloc(t->cap, sizeof *t->slot);
	return t;
}

void ig_strtab_free(struct ig_strtab *t)
{
	if (!t)
		return;
	ig_arena_free(t->arena);
	free(t->slot);
	free(t);
}

static size_t strtab_find(const struct ig_strtab *t, const char *s)
{
	size_t i = (size_t)hash_text(s) & (t->cap - 1);
	while (t->slot[i] && strcmp(t->slot[i], s) != 0)
		i = (i + 1) & (t->cap - 1);
	return i;
}

static void strtab_grow(struct ig_strtab *t)
{
	const char **old = t->slot;
	size_t cap = t->cap;
	t->cap *= 2;
	t->slot = ig_xcalloc(t->cap, sizeof *t->slot);
	for (size_t i = 0; i < cap; i++)
		if (old[i])
			t->slot[strtab_find(t, old[i])] = old[i];
	free(old);
}

const char *ig_intern(struct ig_strtab *t, const char *s)
{
	size_t i = strtab_find(t, s);
	if (t->slot[i])
		return t->slot[i];
	if ((t->n + 1) * 2 > t->cap) {
		strtab_grow(t);
		i = strtab_find(t, s);
	}
	t->n++;
	return t->slot[i] = ig_arena_strdup(t->arena, s);
}

const char *ig_interned(const struct ig_strtab *t, const char *s) { return t->slot[strtab_find(t, s)]; }

const char *ig_internf(struct ig_strtab *t, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0)
		IG_BUG("vsnprintf failed for \"%s\"", fmt);
	const char *r;
	if ((size_t)n < sizeof small) {
		r = ig_intern(t, small);
	} else {
		char *big = ig_xcalloc((size_t)n + 1, 1);
		vsnprintf(big, (size_t)n + 1, fmt, again);
		r = ig_intern(t, big);
		free(big);
	}
	va_end(again);
	return r;
}

#define NEAREST_MAX 96 /* longer names get no suggestion */

/* Levenshtein distance of texts of at most NEAREST_MAX bytes; limit + 1 when it exceeds the limit. */
static int distance(const char *a, int na, const char *b, int nb, int limit)
{
	int row[NEAREST_MAX + 1];
	if (na - nb > limit || nb - na > limit)
		return limit + 1;
	for (int j = 0; j <= nb; j++)
		row[j] = j;
	for (int i = 1; i <= na; i++) {
		int diagonal = row[0], best = row[0] = i;
		for (int j = 1; j <= nb; j++) {
			int up = row[j], d = diagonal + (a[i - 1] != b[j - 1]);
			if (up + 1 < d)
				d = up + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			diagonal = up;
			row[j] = d;
			if (d < best)
				best = d;
		}
		if (best > limit)
			return limit + 1;
	}
	return row[nb];
}

const char *ig_nearest(const char *name, const char *const *names, int n)
{
	size_t len = strlen(name);
	if (!len || len > NEAREST_MAX)
		return NULL;
	int limit = len / 3 > 2 ? (int)(len / 3) : 2;
	if ((size_t)limit >= len) /* everything would be near a very short name */
		limit = (int)len - 1;
	const char *best = NULL;
	for (int i = 0; i < n && limit >= 0; i++) {
		size_t m = names[i] ? strlen(names[i]) : 0;
		if (!m || m > NEAREST_MAX)
			continue;
		int d = distance(name, (int)len, names[i], (int)m, limit);
		if (d <= limit) { /* the first of the nearest */
			best = names[i];
			limit = d - 1;
			if (d == 0)
				break;
		}
	}
	return best;
}
