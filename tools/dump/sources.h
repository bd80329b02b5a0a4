/* sources.h - what the command line asks to read. */
#ifndef TOOLS_DUMP_SOURCES_H
#define TOOLS_DUMP_SOURCES_H

#include "lib/reader/reader.h"
#include "tools/dump/options.h"

/* Behind a message about a default directory that is empty or not there. */
#define SOURCES_OTHERS "; rings of other users are in /run/fapilog/UID or /tmp/fapilog-UID"

/* Adds the paths and the ring directory; the default one only when nothing else was named. */
int sources_add(struct reader *r, const struct options *o, struct err *e);

/* For a verdict or for figures: tells of each directory that holds nothing to be read. -ENOENT: of one of them there is
 * no telling that it is the right one, as there is of a ring directory in which a collector has left no ring. */
int sources_check(const struct options *o, bool is_verdict, struct err *e);

#endif
