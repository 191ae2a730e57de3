/* Files on their way, removed when a signal ends the program (SIGINT, SIGTERM, SIGHUP). A thread waits for the signals, so that removing may do what a
   handler may not; while it does the program goes on, then ends by the signal as it would have. */
#ifndef IG_DRIVER_GUARD_H
#define IG_DRIVER_GUARD_H
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct ig_guard {
	bool on, waiting;
	const char *prefix;
	pthread_t thread;
	sigset_t signals, before;
};
/* Until ig_guard_end, a signal removes all files whose names begin with the prefix, a path. Before other threads are made: they inherit the mask. */
void ig_guard_begin(struct ig_guard *g, const char *prefix);
void ig_guard_hold(struct ig_guard *g); /* from here signals have to wait: for what must not be done by halves */
void ig_guard_end(struct ig_guard *g);
#endif
