/* A thread that must not be delayed. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"

#include <errno.h>
#include <sys/mman.h>

int fapilog_prepare(fapilog_t *log)
{
    (void)log;
    fapilogi_backtrace_prime(true);
    if (!fapilogi_ready() || process.mode != MODE_RING)
        return -ENOTCONN;
    struct writer *w = self_writer();
    if (w && !w->lane)
        store_rlx(&w->attached, false); /* order: relaxed - a hint for the counters; there may be a lane by now */
    if (!w || !w->attached)
        w = fapilogi_attach();
    if (!w || !w->lane)
        return -EAGAIN;
    /* A full tmpfs has no memory for the lane: touched later it would be SIGBUS. Kernels before 5.14 do not say. */
    if (madvise(w->hot.data, w->cap, MADV_POPULATE_WRITE) < 0 && errno != EINVAL)
        return -ENOSPC;
    w->realtime = true;
    w->populated = UINT64_MAX;
    w->lane->flags |= FAPILOG_LANE_REALTIME;
    int r = 0;
    if (mlock(w->hot.data, w->cap) < 0 || mlock(w, sizeof *w) < 0 || mlock(w->lane, sizeof *w->lane) < 0)
        r = -errno;
    return r;
}
