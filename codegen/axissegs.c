#include "codegen/axissegs.h"

#include <stdbool.h>

/* How many results from `at` on go in equal steps. */
static int64_t run_length(const int64_t *t, int64_t at, int64_t count)
{
	int64_t n = 1;
	if (t[at] < 0) {
		while (at + n < count && t[at + n] < 0)
			n++;
		return n;
	}
	while (at + n < count && t[at + n] >= 0 && t[at + n] - t[at + n - 1] == t[at + 1] - t[at])
		n++;
	return n;
}

/* Whether the run of n at `next` is the run at `at`, moved by `shift`. */
static bool same_run(const int64_t *t, int64_t at, int64_t next, int64_t n, int64_t shift)
{
	for (int64_t i = 0; i < n; i++)
		if (t[next + i] < 0 || t[next + i] - t[at + i] != shift)
			return false;
	return true;
}

static struct ig_seg seg_at(const int64_t *const *table, int maps, int64_t at, int64_t count)
{
	struct ig_seg s = {.first = at, .n1 = 1, .n0 = count - at};
	for (int m = 0; m < maps; m++) {
		int64_t n = run_length(table[m], at, count);
		s.n0 = n < s.n0 ? n : s.n0;
	}
	for (int m = 0; m < maps; m++) {
		s.from[m] = table[m][at];
		s.s0[m] = s.n0 > 1 ? table[m][at + 1] - table[m][at] : 0;
	}
	if (s.from[0] < 0) {
		s.s0[0] = 0;
		return s;
	}
	for (int64_t next = at + s.n0; next + s.n0 <= count; next += s.n0, s.n1++) {
		bool same = true;
		for (int m = 0; m < maps && same; m++) {
			int64_t shift = table[m][at + s.n0] - s.from[m];
			same = same_run(table[m], at, next, s.n0, shift * s.n1);
		}
		if (!same)
			break;
	}
	for (int m = 0; m < maps; m++)
		s.s1[m] = s.n1 > 1 ? table[m][at + s.n0] - s.from[m] : 0;
	return s;
}

int64_t ig_segs_of(const int64_t *const *table, int maps, int64_t count, struct ig_seg *seg)
{
	int64_t n = 0;
	for (int64_t at = 0; at < count; at += seg[n].n1 * seg[n].n0, n++)
		seg[n] = seg_at(table, maps, at, count);
	for (int64_t i = 0; i < n; i++)
		if (seg[i].n0 == 1) { /* one loop instead of two */
			seg[i].n0 = seg[i].n1;
			seg[i].n1 = 1;
			for (int m = 0; m < maps; m++)
				seg[i].s0[m] = seg[i].s1[m];
		}
	return n;
}
