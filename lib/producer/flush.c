/* Waiting for the collector's acknowledgement, and counters. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LOOK_NS = 1000000,        /* how long one look waits on flush_ack at first ... */
    LOOK_NS_MAX = 10000000,   /* ... and at most */
    HEARTBEAT_WAIT_NS = 2000000000,
};

static const struct fapilog_lane_slot *slot_of(uint32_t lane)
{
    return (const struct fapilog_lane_slot *)((const uint8_t *)process.ctl + FAPILOG_CTL_SLOTS_OFF) + lane;
}

static uint64_t pending_bytes(const uint64_t *until)
{
    uint64_t pending = 0;
    for (uint32_t i = 0; i < process.geometry.lane_count; i++) {
        /* order: D2 acquire, pairs with D1 - what comes before done has reached every sink */
        const uint64_t done = load_acq(&slot_of(i)->done);
        if (done < until[i])
            pending += until[i] - done;
    }
    return pending;
}

static void report_sinks(struct fapilog_flush_report *ret)
{
    for (uint32_t i = 0; i < FAPILOG_SINKS_MAX; i++) {
        const struct fapilog_sink_status *s = &process.ctl->sink[i];
        /* order: relaxed - a status for people; its name does not change while it is in use */
        if (load_rlx(&s->state) == 2)
            ret->failing[ret->failing_count++] = *s;
    }
}

static int wait_done(const uint64_t *until, uint64_t timeout_ns, uint64_t *ret_pending)
{
    const uint64_t start = clock_mono_ns();
    uint64_t look = LOOK_NS;
    for (;;) {
        uint32_t *const ack = &process.ctl->flush_ack;
        /* order: relaxed - D2 decides; this word only wakes us */
        const uint32_t seen = load_rlx(ack);
        *ret_pending = pending_bytes(until);
        if (*ret_pending == 0)
            return 0;
        const uint64_t now = clock_mono_ns(), waited = now - start;
        if (waited >= timeout_ns)
            return -ETIMEDOUT;
        if (waited >= HEARTBEAT_WAIT_NS && !fapilogi_collector_alive(now))
            return -ENOTCONN;
        const uint64_t left = timeout_ns - waited;
        fapilogi_futex_wait(ack, seen, look < left ? look : left);
        if (look < LOOK_NS_MAX)
            look *= 2;
    }
}

static int flush_ring(uint64_t timeout_ns, struct fapilog_flush_report *report)
{
    const uint32_t count = process.geometry.lane_count;
    const uint64_t beat = fapilogi_heartbeat();
    uint64_t *until = calloc(count, sizeof *until);
    if (!until)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        /* order: C2 acquire, pairs with C1 - another thread's records before this call are counted in */
        until[i] = load_acq(&process.area->lanes[i].tail);
    /* order: acq_rel - the collector that sees the number looks at the tails we just read, or later ones */
    __atomic_fetch_add(&process.area->super->flush_seq, 1, __ATOMIC_ACQ_REL);
    fapilogi_bell();
    int r = wait_done(until, timeout_ns, &report->pending_bytes);
    report_sinks(report);
    if (r == -ETIMEDOUT && !fapilogi_collector_was_seen(beat, clock_mono_ns()))
        r = -ENOTCONN;
    else if (r == -ETIMEDOUT && report->failing_count)
        r = -EIO;
    free(until);
    return r;
}

int fapilog_flush(fapilog_t *log, uint64_t timeout_ns, struct fapilog_flush_report *ret)
{
    (void)log;
    struct fapilog_flush_report report = {0};
    int r = -ENOTCONN;
    if (fapilogi_ready())
        r = process.mode == MODE_RING ? flush_ring(timeout_ns, &report) : 0;
    if (ret)
        *ret = report;
    return r;
}

static void count_lane(uint32_t i, struct fapilog_counters *ret)
{
    const struct fapilog_lane *lane = &process.area->lanes[i];
    /* order: relaxed - counters of other threads, exact once they rest */
    ret->dropped += load_rlx(&lane->dropped);
    ret->dropped_bytes += load_rlx(&lane->dropped_bytes); /* order: relaxed - as above */
    ret->blocked += load_rlx(&lane->blocked);             /* order: relaxed - as above */
    ret->bytes += load_rlx(&lane->tail);                  /* order: relaxed - as above */
}

static uint64_t events(void)
{
    const struct area *a = process.area;
    uint64_t n = 0;
    for (uint32_t i = 0; i < FAPILOG_SHARED_LANES; i++)
        n += load_rlx(&a->shared[i].hot.count); /* order: relaxed - a counter of other threads */
    for (uint32_t i = FAPILOG_SHARED_LANES; i < process.geometry.lane_count; i++)
        n += load_rlx(&a->lane_events[i]); /* order: relaxed - a counter of other threads */
    for (uint32_t i = 0; i < process.writers_max; i++) {
        /* order: W2 acquire, pairs with W1 - the slot is in use */
        if (i % 64 == 0 && load_acq(&a->writer_used[i / 64]) == 0) {
            i += 63;
            continue;
        }
        const struct writer *w = writer_at(i);
        /* order: relaxed - as above: the sum is exact once the threads rest */
        if (load_rlx(&w->attached) && load_rlx(&w->lane))
            n += load_rlx(&w->hot.count) - load_rlx(&a->lane_events[w->index]); /* order: relaxed */
    }
    return n;
}

void fapilog_get_counters(const fapilog_t *log, struct fapilog_counters *ret)
{
    (void)log;
    if (!ret)
        return;
    *ret = (struct fapilog_counters){0};
    if (process.mode != MODE_RING || process.area->generation == 0)
        return;
    const struct fapilog_superblock *s = process.area->super;
    for (uint32_t i = 0; i < process.geometry.lane_count; i++)
        count_lane(i, ret);
    ret->written = events();
    ret->orphaned = load_rlx(&s->orphan_dropped);    /* order: relaxed - a counter */
    ret->unregistered = load_rlx(&s->unregistered);  /* order: relaxed - a counter */
    ret->truncated = load_rlx(&s->truncated);        /* order: relaxed - a counter */
}
