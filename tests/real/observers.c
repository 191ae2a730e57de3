/* The observers as a program, for observers.py: requests from standard input, one answer line each (floats as hexadecimal).
     search BINS MIN MAX        then BINS floats: PyTorch's search on that histogram             -> lo hi
     affine LO HI QMIN QMAX     scale and zero point of a range                                  -> scale zp
     symmetric LO HI QMIN QMAX  scale of a symmetric range                                       -> scale
     observe OBSERVER N COUNT   then N times COUNT floats, one sample each                       -> lo hi
   Floats of arrays are binary, little endian. */
#include "passes/range.h"

#include <stdlib.h>
#include <string.h>

static float *read_floats(size_t n)
{
	float *x = ig_xcalloc(n ? n : 1, sizeof *x);
	if (fread(x, sizeof *x, n, stdin) != n)
		IG_BUG("short input");
	return x;
}

static void search(int bins, float min, float max)
{
	float lo, hi, *h = read_floats((size_t)bins);
	ig_range_l2_search(h, bins, min, max, 256, &lo, &hi);
	printf("%a %a\n", (double)lo, (double)hi);
	free(h);
}

static void observe(const char *name, long n, long count)
{
	struct ig_stats *s = ig_stats_new(0);
	struct ig_stat *st = ig_stats_get(s, "x");
	struct ig_qconfig q = *ig_qconfig_preset("default");
	for (int o = 0; o < IG_OBS_COUNT; o++)
		if (!strcmp(name, ig_observer_names[o]))
			q.act.observer = (enum ig_observer)o;
	st->has_average = q.act.observer == IG_OBS_MOVING_AVERAGE;
	st->averaging = (float)q.act.averaging;
	for (long i = 0; i < n; i++) {
		float *x = read_floats((size_t)count);
		ig_stat_add(st, x, count);
		free(x);
	}
	float lo = 0, hi = 0;
	if (!ig_range(st, &q, &lo, &hi))
		IG_BUG("no range");
	printf("%a %a\n", (double)lo, (double)hi);
	ig_stats_free(s);
}

int main(void)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		char word[32], name[32];
		float a, b, scale;
		int qmin, qmax, bins;
		int32_t zp;
		long n, count;
		if (sscanf(line, "search %d %f %f", &bins, &a, &b) == 3) {
			search(bins, a, b);
		} else if (sscanf(line, "affine %f %f %d %d", &a, &b, &qmin, &qmax) == 4) {
			ig_affine_qparams(a, b, qmin, qmax, &scale, &zp);
			printf("%a %d\n", (double)scale, (int)zp);
		} else if (sscanf(line, "symmetric %f %f %d %d", &a, &b, &qmin, &qmax) == 4) {
			printf("%a\n", (double)ig_symmetric_scale(a, b, qmin, qmax));
		} else if (sscanf(line, "observe %31s %ld %ld", name, &n, &count) == 3) {
			observe(name, n, count);
		} else {
			fprintf(stderr, "unknown request %s", sscanf(line, "%31s", word) == 1 ? word : "");
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}
