/* Base facilities: internal-error reporting, checked sizes, memory by lifetime, interned names. */
#ifndef IG_IR_BASE_H
#define IG_IR_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#if defined(__GNUC__)
#define IG_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define IG_NORETURN __attribute__((noreturn))
#else
#define IG_PRINTF(f, a)
#define IG_NORETURN
#endif

#define IG_COUNTOF(a) (sizeof(a) / sizeof((a)[0]))

/* Reports what cannot happen (a defect of this program, never of its input) and aborts. */
#define IG_BUG(...) ig_bug(__FILE__, __LINE__, __VA_ARGS__)
IG_NORETURN void ig_bug(const char *file, int line, const char *fmt, ...) IG_PRINTF(3, 4);

/* a * b and a + b with overflow detection; false on overflow or a negative operand. */
bool ig_mul_size(size_t a, size_t b, size_t *out);
bool ig_add_size(size_t a, size_t b, size_t *out);
bool ig_mul_i64(int64_t a, int64_t b, int64_t *out);
bool ig_add_i64(int64_t a, int64_t b, int64_t *out);

/* malloc family that never returns NULL: out of memory prints one line and exits with status 1.
   Sizes must have been checked; zero bytes give a valid pointer. Contents are zeroed. */
void *ig_xcalloc(size_t n, size_t size);
void *ig_xrealloc(void *p, size_t n, size_t size);

/* An arena: objects of one lifetime, released together. All memory is zeroed and 16-aligned. */
struct ig_arena;
bool ig_ends_with(const char *s, const char *tail);

struct ig_arena *ig_arena_new(void);
void ig_arena_free(struct ig_arena *a); /* NULL is allowed */
void *ig_arena_alloc(struct ig_arena *a, size_t n, size_t size);
char *ig_arena_strdup(struct ig_arena *a, const char *s);
char *ig_arena_strndup(struct ig_arena *a, const char *s, size_t n);
char *ig_arena_printf(struct ig_arena *a, const char *fmt, ...) IG_PRINTF(2, 3);
#define IG_NEW(a, T) ((T *)ig_arena_alloc((a), 1, sizeof(T)))
#define IG_NEWN(a, T, n) ((T *)ig_arena_alloc((a), (size_t)(n), sizeof(T)))

/* Interned strings: equal text gives equal pointers. Owned by the table. */
struct ig_strtab;
struct ig_strtab *ig_strtab_new(void);
void ig_strtab_free(struct ig_strtab *t);
const char *ig_intern(struct ig_strtab *t, const char *s);
const char *ig_interned(const struct ig_strtab *t, const char *s); /* NULL when the text is not in the table */
const char *ig_internf(struct ig_strtab *t, const char *fmt, ...) IG_PRINTF(2, 3);

/* Growable array on the heap: struct { T *v; int n, cap; }. */
#define IG_VEC(T)                                                                                  \
	struct {                                                                                       \
		T *v;                                                                                      \
		int n, cap;                                                                                \
	}
#define ig_vec_push(vec, item)                                                                     \
	((vec)->n == (vec)->cap ? ig_vec_grow((void **)&(vec)->v, &(vec)->cap, sizeof *(vec)->v) : (void)0, \
	 (vec)->v[(vec)->n++] = (item))
#define ig_vec_free(vec) (free((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->cap = 0)
void ig_vec_grow(void **v, int *cap, size_t size);

/* Levenshtein distance with early exit; and the nearest of n names within distance <= max(2, len/3), or NULL. */
const char *ig_nearest(const char *name, const char *const *names, int n);

#endif
