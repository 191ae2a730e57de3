/* Measuring schedules on this machine: compile --tune. */
#ifndef IG_DRIVER_TUNE_H
#define IG_DRIVER_TUNE_H
#include "driver/session.h"

struct ig_tuned {
	int measured; /* kinds of layers and groups that the file did not have */
	int changed;  /* of them those for which another schedule than the best estimate was fastest */
	double before, saved; /* seconds of these layers in a call with the estimates; what the measured choices save of them */
};
/* After ig_session_prepare. Measures the layers of which s->schedules knows nothing, adds what was fastest, writes the file. False after a diagnostic. */
bool ig_tune(struct ig_session *s, const char *path, struct ig_tuned *result);
#endif
