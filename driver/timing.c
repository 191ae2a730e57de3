#include "driver/timing.h"

#include <stdlib.h>

#include "driver/bootstrap.h"
#include "driver/peak.h"

#define MOST_CALLS 300

struct timing {
	double *sample; /* [kernel][call] */
	int64_t calls, call;
	double last;
};

static void on_kernel(void *self, int kernel, void *arena)
{
	(void)arena;
	struct timing *t = self;
	double now = ig_peak_clock();
	if (kernel > 0 && t->call >= 0)
		t->sample[(kernel - 1) * t->calls + t->call] = now - t->last;
	t->last = ig_peak_clock();
}

/* What reading the clock takes itself. */
static double overhead(void)
{
	double least = 1;
	for (int i = 0; i < 1000; i++) {
		double start = ig_peak_clock(), t = ig_peak_clock() - start;
		least = t < least ? t : least;
	}
	return least;
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;
	return a < b ? -1 : a > b;
}

bool ig_timing_kernels(const struct ig_program *program, const struct ig_callmem *mem, int n, int64_t calls, double *seconds, struct ig_diag *d)
{
	enum { WARM = 5 };
	struct timing t = {.calls = calls < MOST_CALLS ? calls : MOST_CALLS};
	struct ig_program p = *program;
	p.hook = on_kernel;
	p.hook_self = &t;
	struct ig_native *native = ig_native_new(&p, d);
	if (!native)
		return false;
	t.sample = ig_xcalloc((size_t)(n * t.calls) + 1, sizeof *t.sample);
	double own = overhead();
	for (t.call = -WARM; t.call < t.calls; t.call++)
		ig_callmem_run(mem, native);
	ig_native_free(native);
	for (int i = 0; i < n; i++) {
		qsort(t.sample + i * t.calls, (size_t)t.calls, sizeof *t.sample, by_value);
		seconds[i] = ig_quantile(t.sample + i * t.calls, t.calls, 0.5) - own;
		seconds[i] = seconds[i] < 1e-9 ? 1e-9 : seconds[i];
	}
	free(t.sample);
	return true;
}

void ig_func_bytes(const struct kir_module *m, const struct kir_func *f, bool *seen, int64_t *constants, int64_t *others)
{
	for (int i = 0; i < f->n; i++) {
		const struct kir_inst *in = &f->inst[i];
		if (!kir_ops[in->op].has_addr || seen[in->addr.buf])
			continue;
		const struct kir_buffer *buf = &m->buf[in->addr.buf];
		*(buf->space == KIR_CONSTANT ? constants : others) += buf->count * kir_elem_bytes(buf->elem);
		seen[in->addr.buf] = true;
	}
}
