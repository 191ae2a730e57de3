/* What this CPU reaches at most in one thread, measured with code of the same generator: dot products, float multiply-adds, reading memory. */
#ifndef IG_DRIVER_PEAK_H
#define IG_DRIVER_PEAK_H
#include "codegen/codegen.h"

enum { IG_PEAK_LEVELS = 4 };
struct ig_peak {
	double dot, fma; /* multiply-adds a second */
	struct {
		int64_t bytes;      /* what was read again and again */
		double bandwidth;   /* bytes a second */
	} level[IG_PEAK_LEVELS]; /* by rising size */
};
bool ig_peak_measure(struct ig_peak *p, const struct ig_target *t, struct ig_diag *d);
/* Bandwidth of reading a working set of so many bytes. */
double ig_peak_bandwidth(const struct ig_peak *p, int64_t bytes);
/* Seconds of a clock that only goes forward. */
double ig_peak_clock(void);
#endif
