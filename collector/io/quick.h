/* quick.h - writes that the calling thread makes itself (io_req.is_quick), and the way they take.
 *
 * A write into the page cache is a copy, but only where the cache gets memory that was in use shortly before.
 * Where it gets memory that nobody has touched lately - after a reboot, or in a virtual machine that gives
 * back what is free - the same write costs several times as much. Linux 6.14 can write pages back at once and
 * use them again (RWF_DONTCACHE); this costs our thread somewhat more than a mere copy, and the speed of a
 * slow disk shows. So large writes take the cache until it has become the slower way, then go by it for a
 * while, longer each time. */
#ifndef COLLECTOR_IO_QUICK_H
#define COLLECTOR_IO_QUICK_H

#include "collector/io/io.h"

enum quick_way { QUICK_CACHED, QUICK_UNCACHED, QUICK_WAYS };

enum {
    QUICK_LARGE_BYTES = 1 << 18,    /* smaller writes always take the cache */
    QUICK_SAMPLE_EVERY = 64,        /* one of so many large writes goes uncached, to know what that costs */
    QUICK_UNCACHED_MIN = 16,        /* writes that stay uncached */
    QUICK_UNCACHED_MAX = 1024,
    QUICK_FORGET = 256,             /* after so many without trouble it is over */
};

struct quick { /* zeroed at first */
    uint64_t not_until_ns;  /* a write took long: leave them to the kernel's workers */
    uint64_t pause_ns;      /* after the last one that did, 0: none did */
    uint64_t cost[QUICK_WAYS]; /* of a large write lately, ps a byte; 0: not known */
    uint32_t cached;        /* large writes in a row for which the cache was the way */
    uint32_t uncached_left; /* of those that go by it */
    uint32_t uncached_next; /* how many the next time */
    bool is_refused;        /* the kernel or the file system cannot */
};

/* Whether writes into this file end in the page cache of this machine: network file systems, and those of user space,
 * may hang in any call. */
bool quick_is_local(int fd);
/* Makes the write: true, and bytes or -errno. False: not made, it would take too long. */
bool quick_write(struct quick *q, const struct io_req *req, int *ret_result);

/* The parts of it that decide. */
enum quick_way quick_choose(struct quick *q, uint64_t bytes);
void quick_learn(struct quick *q, enum quick_way way, uint64_t bytes, uint64_t took_ns);

#endif
