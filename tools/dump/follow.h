/* follow.h - waiting for more, until a signal says that it is enough. */
#ifndef TOOLS_DUMP_FOLLOW_H
#define TOOLS_DUMP_FOLLOW_H

#include "lib/reader/reader.h"

/* From here on SIGINT and SIGTERM end the program in order. The second one ends it at once: who reads the output may
 * have stopped reading. Without this call the first one does, which is right for what is of no use half done. */
void follow_init(void);
bool follow_is_stopped(void);

/* Before a look: where the wall clock was set back behind `since`, what comes from now on is not left out. */
void follow_since(int64_t *since_ns);
/* Before a look: what is so young that others may yet show something older waits for the next one. */
void follow_hold(struct reader *r);
void follow_release(struct reader *r);

/* Sleeps until lanes are likely to hold more, since nothing in a ring wakes a reader that only looks, or until
 * there is a new file: that of a process that lives for a moment is soon gone. False when it is time to stop. */
bool follow_wait(struct reader *r);
bool follow_sleep(unsigned ms);

#endif
