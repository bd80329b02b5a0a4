/* ratelimit.h - how often a statement runs, for FAPILOG_ONCE, FAPILOG_EVERY and FAPILOG_LIMIT of fapilog.h. Private. */
#ifndef FAPILOG_RATELIMIT_H
#define FAPILOG_RATELIMIT_H

#include <fapilog/fields.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All three are words of their own; nothing else is read through them. */
FAPILOGI_INLINE bool fapilogi_once(uint32_t *done)
{
    /* order: relaxed - which thread is the first does not matter */
    return !__atomic_load_n(done, __ATOMIC_RELAXED) && !__atomic_exchange_n(done, 1, __ATOMIC_RELAXED);
}

FAPILOGI_INLINE bool fapilogi_every(uint64_t *count, uint64_t n)
{
    /* order: relaxed - as above */
    return __atomic_fetch_add(count, 1, __ATOMIC_RELAXED) % (n ? n : 1) == 0;
}

struct fapilogi_limit {
    uint64_t next_ns;    /* CLOCK_MONOTONIC, 0: has not run yet */
    uint64_t suppressed; /* since it ran last */
};
/* Whether it may run now, and how often it did not since the last time. Keeps errno. */
FAPILOGI_API bool fapilogi_limit_pass(struct fapilogi_limit *limit, uint64_t interval_ns, uint64_t *ret_suppressed);

#ifdef __cplusplus
}
#endif

#define FAPILOGI_ONCE(...) \
    do { \
        static uint32_t fapilogi_done; \
        if (fapilogi_once(&fapilogi_done)) { \
            __VA_ARGS__; \
        } \
    } while (0)

#define FAPILOGI_EVERY(n, ...) \
    do { \
        static uint64_t fapilogi_count; \
        if (fapilogi_every(&fapilogi_count, n)) { \
            __VA_ARGS__; \
        } \
    } while (0)

#define FAPILOGI_LIMIT(interval_ns, ...) \
    do { \
        static struct fapilogi_limit fapilogi_last; \
        uint64_t fapilog_suppressed = 0; \
        if (fapilogi_limit_pass(&fapilogi_last, interval_ns, &fapilog_suppressed)) { \
            __VA_ARGS__; \
        } \
        (void)fapilog_suppressed; \
    } while (0)

#endif
