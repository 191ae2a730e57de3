/* Work on each sample of a data set, on several threads. */
#ifndef IG_DRIVER_SAMPLES_H
#define IG_DRIVER_SAMPLES_H
#include "driver/session.h"

/* How many threads to use: --jobs, else the CPUs this process may use; never more than samples. */
int ig_samples_jobs(const struct ig_opts *o, const struct ig_dataset *ds);
/* Calls fn once for each sample i (from 0), in any order, each worker (0 .. jobs - 1) on a thread of its own; `in` are the sample's inputs, valid during
   the call. Whatever fn records must depend on i alone, so that results do not depend on the number of threads. Shows progress as `what`.
   False when fn returned false for a sample: no further samples are begun. */
bool ig_samples_run(struct ig_session *s, struct ig_dataset *ds, int jobs, const char *what,
                    bool (*fn)(void *self, int worker, int64_t i, const void *const *in), void *self);

/* Where the calibration samples are: --calibration and --calibration-samples, or the arguments of 'calibrate'. */
struct ig_calibration_args {
	const char *const *spec; /* data files and states */
	int n;
	int64_t first, last; /* slice of each data file; last < 0: all */
};
struct ig_calibration_args ig_session_calibration_args(const struct ig_session *s);

/* Data files one after the other; samples are numbered through. */
struct ig_data_sets {
	IG_VEC(struct ig_dataset *) set;
	int64_t total;
};
/* The data files among them; states are left out. With several inputs, as many consecutive files as there are inputs make one set. False after a diagnostic, with nothing open. */
bool ig_data_sets_open(struct ig_session *s, struct ig_data_sets *x, const struct ig_calibration_args *a);
void ig_data_sets_close(struct ig_data_sets *x);
#endif
