/* The observers as a program, for observers.py: requests from standard input, one answer line each (floats as hexadecimal).
     search BINS MIN MAX        then BINS floats: PyTorch's search on that histogram             -> lo hi
     affine LO HI QMIN QMAX     scale and zero point of a range                                  -> scale zp
     symmetric LO HI QMIN QMAX  scale of a symmetric range                                       -> scale
     observe OBSERVER N COUNT   then N times COUNT floats, one sample each                       -> lo hi
     params TYPE SCHEME REDUCE QMIN QMAX LO HI   of a range; QMIN = QMAX: the type's limits      -> scale zp
     preset NAME N COUNT        as observe, with the preset's activations                        -> scale zp
     of_range NAME LO HI        of a range, by the preset's activations                          -> scale zp
     result OPERATION           of such results under PyTorch's presets                          -> scale zp
     mode NAME                  of a preset                                                      -> its word
     weights NAME N COUNT       N channels of COUNT weights, quantized as the preset does        -> N scales (one when per tensor)
   Floats of arrays are binary, little endian. */
#include "passes/convert.h"
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

/* N samples into a distribution; its range. */
static void range_of(const struct ig_qspec *q, long n, long count, float *lo, float *hi)
{
	struct ig_stats *s = ig_stats_new(0);
	struct ig_stat *st = ig_stats_get(s, "x");
	st->has_average = q->observer == IG_OBS_MOVING_AVERAGE;
	st->averaging = (float)q->averaging;
	for (long i = 0; i < n; i++) {
		float *x = read_floats((size_t)count);
		ig_stat_add(st, x, count);
		free(x);
	}
	if (!ig_range(st, q, lo, hi))
		IG_BUG("no range");
	ig_stats_free(s);
}

static int index_of(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return i;
	IG_BUG("unknown name %s", name);
}

static void observe(const char *name, long n, long count)
{
	struct ig_qspec q = ig_qconfig_preset("default")->act;
	float lo = 0, hi = 0;
	q.observer = (enum ig_observer)index_of(name, ig_observer_names, IG_OBS_COUNT);
	range_of(&q, n, count, &lo, &hi);
	printf("%a %a\n", (double)lo, (double)hi);
}

static void print_params(const struct ig_qspec *q, float lo, float hi)
{
	float scale;
	int32_t zp;
	ig_qspec_params(q, lo, hi, &scale, &zp);
	printf("%a %d\n", (double)scale, (int)zp);
}

static void params(const char *type, const char *scheme, int reduce, int qmin, int qmax, float lo, float hi)
{
	struct ig_qspec q = {.reduce_range = reduce != 0, .limited = qmin != qmax, .quant_min = qmin, .quant_max = qmax};
	q.scheme = (enum ig_scheme)index_of(scheme, ig_scheme_names, IG_SCHEME_COUNT);
	if (!ig_dtype_find(type, &q.dtype))
		IG_BUG("unknown type %s", type);
	print_params(&q, lo, hi);
}

static void preset(const char *name, long n, long count)
{
	float lo, hi;
	const struct ig_qspec *q = &ig_qconfig_preset(name)->act;
	range_of(q, n, count, &lo, &hi);
	print_params(q, lo, hi);
}

static void result(const char *name)
{
	enum ig_op op;
	if (!ig_op_find(name, &op))
		IG_BUG("unknown operation %s", name);
	const struct ig_qspec q = ig_result_qspec(ig_qconfig_preset("x86"), op);
	if (q.observer != IG_OBS_FIXED)
		IG_BUG("%s is not fixed", name);
	print_params(&q, 0, 0);
}

static void weights(const char *name, long n, long count)
{
	const struct ig_qspec *q = &ig_qconfig_preset(name)->weight;
	struct ig_qspec one = *q;
	long channels = q->per_channel ? n : 1, per = n * count / channels;
	one.observer = IG_OBS_MINMAX;
	for (long c = 0; c < channels; c++) {
		float lo, hi, scale;
		int32_t zp;
		range_of(&one, 1, per, &lo, &hi);
		ig_qspec_params(q, lo, hi, &scale, &zp);
		printf("%a ", (double)scale);
	}
	printf("\n");
}

int main(void)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		char word[32], name[32], scheme[32];
		float a, b, scale;
		int qmin, qmax, bins, reduce;
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
		} else if (sscanf(line, "params %31s %31s %d %d %d %f %f", name, scheme, &reduce, &qmin, &qmax, &a, &b) == 7) {
			params(name, scheme, reduce, qmin, qmax, a, b);
		} else if (sscanf(line, "preset %31s %ld %ld", name, &n, &count) == 3) {
			preset(name, n, count);
		} else if (sscanf(line, "of_range %31s %f %f", name, &a, &b) == 3) {
			print_params(&ig_qconfig_preset(name)->act, a, b);
		} else if (sscanf(line, "result %31s", name) == 1) {
			result(name);
		} else if (sscanf(line, "mode %31s", name) == 1) {
			printf("%s\n", ig_mode_names[ig_qconfig_preset(name)->mode]);
		} else if (sscanf(line, "weights %31s %ld %ld", name, &n, &count) == 3) {
			weights(name, n, count);
		} else {
			fprintf(stderr, "unknown request %s", sscanf(line, "%31s", word) == 1 ? word : "");
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}
