/* Around a compiled model, for the benchmarks: calls it many times and keeps each call's time. Made into a shared library with the model's object:
   cc -O2 -shared -fPIC -Iruntime -DMODEL=NAME_model -o x.so bench/run.c runtime/rt_pool.c NAME.o */
#define _POSIX_C_SOURCE 200809L
#include "ig_runtime.h"

#include <stdlib.h>
#include <time.h>

extern const struct ig_model_desc MODEL;

int bench_io_bytes(int output, int i);
int bench_run(const void *const *inputs, void *const *outputs, int threads, int n, int cpu, double *us);

/* Bytes of the i-th input or output; 0: there is none. */
int bench_io_bytes(int output, int i)
{
	uint32_t n = output ? MODEL.n_outputs : MODEL.n_inputs;
	return i < 0 || (uint32_t)i >= n ? 0 : (int)(output ? MODEL.outputs : MODEL.inputs)[i].bytes;
}

static double microseconds(int cpu)
{
	struct timespec t;
	clock_gettime(cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* n calls, each on so many threads; us[i] is the time of call i, with `cpu` that in which this process ran. The model's error, 0: none. */
int bench_run(const void *const *inputs, void *const *outputs, int threads, int n, int cpu, double *us)
{
	size_t bytes = (MODEL.arena_bytes + 4095) / 4096 * 4096 + 4096;
	struct ig_call call = {.size = sizeof call,
	                       .version = MODEL.version,
	                       .n_inputs = MODEL.n_inputs,
	                       .n_outputs = MODEL.n_outputs,
	                       .inputs = inputs,
	                       .outputs = outputs,
	                       .arena = aligned_alloc(4096, bytes),
	                       .arena_bytes = MODEL.arena_bytes};
	if (threads > 1) {
		call.parallel_for = ig_pool_for;
		call.pool = ig_pool_new(threads);
	}
	int error = call.arena ? 0 : -1;
	for (int i = 0; i < n && !error; i++) {
		double start = microseconds(cpu);
		error = MODEL.call(&call);
		us[i] = microseconds(cpu) - start;
	}
	ig_pool_free(call.pool);
	free(call.arena);
	return error;
}
