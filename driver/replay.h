/* The calibration samples for passes that need them (passes/replay.h): `recover` methods. */
#ifndef IG_DRIVER_REPLAY_H
#define IG_DRIVER_REPLAY_H
#include "driver/session.h"

/* Opens the data files of --calibration (of 'calibrate', its arguments) when a method that is switched on needs samples: sets ctx.replay, which stays NULL when there are
   none or only states. False after a diagnostic. */
bool ig_session_replay_open(struct ig_session *s);
void ig_session_replay_close(struct ig_session *s);
/* True, after a diagnostic, when a method needs samples and there are none. */
bool ig_session_replay_missing(struct ig_session *s);
#endif
