/* timers.h - the IO_TIMEOUT requests of a backend, which are nobody's but ours until they expire: the kernel is told of
 * the earliest only, as the end of the next wait. Private to collector/io. */
#ifndef COLLECTOR_IO_TIMERS_H
#define COLLECTOR_IO_TIMERS_H

#include "collector/io/io_ops.h"

struct io_timers {
    struct io_req **heap; /* earliest deadline first; equal ones by order of submission */
    uint32_t count, cap;
    uint64_t submitted;
};

int timers_add(struct io_timers *t, struct io_req *req);
void timers_remove(struct io_timers *t, struct io_req *req);
/* The earliest request, or NULL. */
struct io_req *timers_first(const struct io_timers *t);
/* When to look at them again, and no later than `at`. */
uint64_t timers_deadline(const struct io_timers *t, uint64_t at);
/* What has expired is finished. */
void timers_fire(struct io_timers *t, struct io *io);
void timers_done(struct io_timers *t);

#endif
