/* plain.c's parts that sim.c builds upon. Private to collector/io. */
#ifndef COLLECTOR_IO_PLAIN_H
#define COLLECTOR_IO_PLAIN_H

#include "collector/io/io_ops.h"
#include "collector/io/timers.h"

enum { PLAIN_PLACE_QUEUED = IO_PLACE_BACKEND, PLAIN_PLACE_TIMER, PLAIN_PLACE_PARKED, PLAIN_PLACE_NEXT };

/* Requests that wait for one descriptor to become ready. */
struct plain_fd {
    struct io_list parked;
};

struct plain {
    struct io io;
    int epoll_fd;
    bool has_epoll_pwait2;
    struct io_list queued;
    struct plain_fd *fds; /* by descriptor */
    uint32_t fds_count;
    struct io_timers timers;
    /* Asked before a read, write or sync is first made: 0 = make it with at most *len bytes, or the
     * negative errno it is to end in. NULL: always make it. */
    int (*fault)(struct plain *p, enum io_call call, uint32_t bytes, uint32_t *len);
};

int plain_init(struct plain *p, struct err *e);
void plain_done(struct plain *p); /* nothing may be in flight */
void plain_submit(struct io *io, struct io_req *req);
void plain_cancel(struct io *io, struct io_req *req);
void plain_cancel_all(struct plain *p);
/* Makes the calls, waits as io_turn() does, and leaves what completed in io.finished. 0 or -errno. */
int plain_gather(struct plain *p, uint64_t deadline_ns);

#endif
