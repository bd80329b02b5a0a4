/* inline_write.h - writes that the calling thread makes itself (io_req.is_inline), and the way they take.
 *
 * A write into the page cache is a copy, but only where the cache gets memory that was in use shortly before.
 * Where it gets memory that nobody has touched lately - after a reboot, or in a virtual machine that gives
 * back what is free - the same write costs several times as much. Linux 6.14 can write pages back at once and
 * use them again (RWF_DONTCACHE); this costs our thread somewhat more than a mere copy, and the speed of a
 * slow disk shows. So large writes take the cache until it has become the slower way, then go by it for a
 * while, longer each time. */
#ifndef COLLECTOR_IO_INLINE_WRITE_H
#define COLLECTOR_IO_INLINE_WRITE_H

#include "collector/io/io.h"

enum inline_way { INLINE_CACHED, INLINE_UNCACHED, INLINE_WAYS };

enum {
    INLINE_LARGE_BYTES = 1 << 18,    /* smaller writes always take the cache */
    INLINE_SAMPLE_EVERY = 64,        /* one of so many large writes goes uncached, to know what that costs */
    INLINE_UNCACHED_MIN = 16,        /* writes that stay uncached */
    INLINE_UNCACHED_MAX = 1024,
    INLINE_FORGET = 256,             /* after so many without trouble it is over */
};

struct inline_writes { /* zeroed at first */
    uint64_t not_until_ns;  /* a write took long: leave them to the kernel's workers */
    uint64_t pause_ns;      /* after the last one that did, 0: none did */
    uint64_t cost[INLINE_WAYS]; /* of a large write lately, ps a byte; 0: not known */
    uint32_t cached;        /* large writes in a row for which the cache was the way */
    uint32_t uncached_left; /* of those that go by it */
    uint32_t uncached_next; /* how many the next time */
    bool is_refused;        /* the kernel or the file system cannot */
};

/* Whether writes into this file end in the page cache of this machine: network file systems, and those of user space,
 * may hang in any call. */
bool inline_is_local(int fd);
/* Makes the write: true, and bytes or -errno. False: not made, it would take too long. */
bool inline_write(struct inline_writes *q, const struct io_req *req, int *ret_result);

/* The parts of it that decide. */
enum inline_way inline_choose(struct inline_writes *q, uint64_t bytes);
void inline_learn(struct inline_writes *q, enum inline_way way, uint64_t bytes, uint64_t took_ns);

#endif
