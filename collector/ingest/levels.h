/* levels.h - the run-time level of services: rules in ctl, and the level word of each logger that
 * exists already (a new logger looks its level up in the rules itself). */
#ifndef COLLECTOR_INGEST_LEVELS_H
#define COLLECTOR_INGEST_LEVELS_H

#include "collector/ingest/segments.h"

/* 0, or -ENOSPC when the segment has no free rule left. */
int levels_apply(struct source *s, const struct level_setting *settings, unsigned count);

#endif
