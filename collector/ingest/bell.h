/* bell.h - how a sleeping collector is woken: one word per segment, rung by producers at most once
 * per sleep. Where the I/O backend can wait on a futex it does; elsewhere timers are all there is. */
#ifndef COLLECTOR_INGEST_BELL_H
#define COLLECTOR_INGEST_BELL_H

#include "collector/ingest/segments.h"

/* Tells every living producer that we are about to sleep. True when something was committed since the
 * last turn began: it rang no bell, so the sleep must be short. */
bool bell_arm(struct segments *t);

/* True when a producer has rung since the last call. */
bool bell_was_rung(struct segments *t);

#endif
