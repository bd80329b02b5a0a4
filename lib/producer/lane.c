/* Whose lane is whose: claiming one for a thread, giving it back, locking a shared one. Everything here
 * may run in a signal handler. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    SHARED_SPINS = 200,       /* about 10 us: a holder only copies a record */
    SHARED_SPINS_JUMBO = 4000, /* about 200 us: up to 1 MiB */
    SHARED_WAIT_NS = 1000000,
    CLOSE_WAIT_MS = 100,
};

__thread bool fapilogi_inside;

static struct fapilog_lane_slot *slot_of(uint32_t lane)
{
    return (struct fapilog_lane_slot *)((uint8_t *)process.ctl + FAPILOG_CTL_SLOTS_OFF) + lane;
}

/* Fills in what follows from the lane; the lane is ours. */
static void bind_lane(struct writer *w, uint32_t index)
{
    struct area *a = process.area;
    struct fapilog_lane *lane = &a->lanes[index];
    store_rlx(&w->lane, lane); /* order: relaxed - others only look whether there is one */
    w->slot = slot_of(index);
    w->ctl = process.ctl;
    w->counter_hz = process.counter_hz;
    w->index = index;
    w->cap = UINT64_C(1) << lane->cap_log2;
    w->block = UINT32_C(1) << lane->block_log2;
    w->headroom = (uint32_t)(w->cap >> GEOMETRY_HEADROOM_SHIFT);
    w->mode = (uint8_t)process.on_full;
    w->written_epoch = 0;
    w->realtime = false;
    w->hot.data = a->base + lane->data_off;
    w->hot.mask = (uint32_t)(w->cap - 1);
    w->hot.shared_tail = &lane->tail;
    /* order: relaxed - the lane's last writer has released it to us through lane.state (L1) */
    w->hot.tail = load_rlx(&lane->tail);
    store_rlx(&w->hot.count, a->lane_events[index]); /* order: relaxed - a counter */
    lane->mode = w->mode;
    lane->flags = index < FAPILOG_SHARED_LANES ? FAPILOG_LANE_SHARED : 0;
    lane->headroom = w->headroom;
    lane->open_cycles = clock_now(process.clock_kind);
}

/* Until set_limits() no block is opened the short way. A signal handler in between would raise open_until again. */
static void forbid_opening(struct writer *w)
{
    w->ahead = 0;
    FAPILOGI_BARRIER();
    w->open_until = 0;
}

/* The next claim starts at a block boundary: ends the block that the last owner left open. */
static void pad_block(struct writer *w)
{
    const uint64_t boundary = block_end(w);
    if (boundary - w->hot.tail >= sizeof(struct fapilog_record_header))
        memset(w->hot.data + (w->hot.tail & w->hot.mask), 0, 8);
    w->hot.tail = boundary;
    forbid_opening(w);
    w->populated = boundary < w->cap ? boundary : UINT64_MAX;
    /* order: C1 release, pairs with C2 - the padding is written */
    store_rel(&w->lane->tail, boundary);
}

static bool claim(struct writer *w, uint32_t index)
{
    struct fapilog_lane *lane = &process.area->lanes[index];
    /* order: acquire, pairs with L1 - what the last owner wrote is visible */
    uint32_t state = load_acq(&lane->state);
    const uint32_t kind = FAPILOG_LANE_STATE(state);
    if (kind != FAPILOG_LANE_FREE && kind != FAPILOG_LANE_CLOSING)
        return false;
    /* order: D2 acquire, pairs with D1 - everything before done has left the lane; tail rests (L1) */
    if (kind == FAPILOG_LANE_CLOSING && load_acq(&slot_of(index)->done) != load_rlx(&lane->tail))
        return false;
    uint32_t generation = (FAPILOG_LANE_GENERATION(state) + 1) & 0xffffff;
    if (generation == 0)
        generation = 1;
    /* order: acq_rel - one claimant wins, and sees what the last owner wrote before L1 */
    if (!cas_acq_rel(&lane->state, &state, generation << 8 | FAPILOG_LANE_CLAIMING))
        return false;
    w->generation = generation;
    bind_lane(w, index);
    pad_block(w);
    lane->tid = (uint32_t)syscall(SYS_gettid);
    memset(lane->thread, 0, sizeof lane->thread);
    (void)prctl(PR_GET_NAME, lane->thread);
    /* order: L1 release, pairs with L2 - tid, name and geometry are written */
    store_rel(&lane->state, generation << 8 | FAPILOG_LANE_ACTIVE);
    return true;
}

static struct writer *take_writer(void)
{
    struct area *a = process.area;
    for (uint32_t i = 0; i < process.writers_max / 64; i++) {
        /* order: relaxed - the compare-and-swap decides */
        uint64_t bits = load_rlx(&a->writer_used[i]);
        while (bits != UINT64_MAX) {
            const unsigned bit = (unsigned)__builtin_ctzll(~bits);
            /* order: W2 acquire, pairs with W1 - the slot's last owner is done with it */
            if (cas_acq_rel(&a->writer_used[i], &bits, bits | UINT64_C(1) << bit)) {
                struct writer *w = writer_at(i * 64 + bit);
                memset(w, 0, sizeof *w);
                return w;
            }
        }
    }
    return NULL;
}

static void give_writer(struct writer *w)
{
    const uint32_t i = writer_index(w);
    /* order: W1 release, pairs with W2 - whoever takes the slot finds us done with it */
    __atomic_fetch_and(&process.area->writer_used[i / 64], ~(UINT64_C(1) << (i % 64)), __ATOMIC_ACQ_REL);
}

/* Gives the calling thread a writer, with a lane of its own if one is free. NULL: no writer left, or a
 * signal handler has interrupted this very function, or a log call of a thread without one. */
struct writer *fapilogi_attach(void)
{
    struct area *a = process.area;
    if (fapilogi_inside)
        return NULL;
    fapilogi_inside = true; /* a signal handler must not claim a second lane meanwhile */
    FAPILOGI_BARRIER();
    struct writer *w = self_writer();
    if (!w)
        w = take_writer();
    if (w) {
        const uint32_t own = process.geometry.lane_count - FAPILOG_SHARED_LANES;
        /* order: relaxed - a hint where to look first */
        const uint32_t from = __atomic_fetch_add(&a->claim_hint, 1, __ATOMIC_RELAXED);
        store_rlx(&w->lane, NULL); /* order: relaxed - as in bind_lane() */
        for (uint32_t i = 0; i < own && !w->lane; i++)
            (void)claim(w, FAPILOG_SHARED_LANES + (from + i) % own);
        w->idle = !w->lane || process.clock_kind == FAPILOG_CLOCK_MONOTONIC ? 2 : 0;
        w->hot.ext = (uint64_t)fapilogi_context_epoch() << 32;
        w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
        w->hot.busy = w->idle;
        w->is_plain = w->idle == 0;
        store_rlx(&w->attached, true); /* order: relaxed - a hint for the counters */
        fapilogi_thread_exit_arm();
        fapilogi_self = &w->hot;
    }
    FAPILOGI_BARRIER();
    fapilogi_inside = false;
    return w;
}

static void close_lane(struct writer *w)
{
    if (!w->lane)
        return;
    store_rlx(&process.area->lane_events[w->index], w->hot.count); /* order: relaxed - a counter */
    /* order: L1 release, pairs with the acquire in claim() and with L2 - our last stores are visible */
    store_rel(&w->lane->state, w->generation << 8 | FAPILOG_LANE_CLOSING);
}

/* The calling thread, which has a writer, ends. */
void fapilogi_detach(void)
{
    struct writer *w = self_writer();
    fapilogi_self = &fapilogi_none.hot;
    if (process.area->generation == 0)
        return; /* a forked child that has not logged: nothing of w is left */
    if (w->attached)
        close_lane(w);
    w->is_plain = false;
    forbid_opening(w);
    store_rlx(&w->attached, false); /* order: relaxed - a hint for the counters */
    give_writer(w);
}

/* The segment is about to go: every thread's next call attaches anew. The caller has promised that no
 * thread is inside a log call; one that is gets a moment to leave it. */
void fapilogi_detach_all(void)
{
    struct area *a = process.area;
    for (uint32_t i = 0; i < process.writers_max; i++) {
        struct writer *w = writer_at(i);
        /* order: W2 acquire, pairs with W1 - the slot is in use */
        if (!(load_acq(&a->writer_used[i / 64]) >> (i % 64) & 1) || !w->attached)
            continue;
        /* order: relaxed - the compiler must look again each time; nothing is read through it */
        for (int ms = 0; (load_rlx(&w->hot.busy) & 1) && ms < CLOSE_WAIT_MS; ms++)
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        w->is_plain = false;
        forbid_opening(w);
        w->hot.limit[0] = w->hot.limit[1] = 0;
        FAPILOGI_BARRIER(); /* a signal handler of this thread writes nothing into it any more */
        close_lane(w);
        store_rlx(&w->attached, false); /* order: relaxed - a hint for the counters */
        store_rlx(&w->lane, NULL); /* order: relaxed - as in bind_lane() */
        memset(&w->hot, 0, sizeof w->hot);
    }
    for (uint32_t i = 0; i < FAPILOG_SHARED_LANES; i++)
        close_lane(&a->shared[i]);
}

/* ---- shared lanes ----------------------------------------------------------------------------------- */

void fapilogi_shared_init(void)
{
    struct area *a = process.area;
    for (uint32_t i = 0; i < FAPILOG_SHARED_LANES; i++) {
        struct writer *w = &a->shared[i];
        memset(w, 0, sizeof *w);
        w->generation = 1;
        bind_lane(w, i);
        pad_block(w);
        w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
        /* order: L1 release, pairs with L2 - geometry is written */
        store_rel(&w->lane->state, w->generation << 8 | FAPILOG_LANE_ACTIVE);
    }
}

static struct writer *try_lock(uint32_t lanes, uint32_t from)
{
    for (uint32_t k = 0; k < FAPILOG_SHARED_LANES; k++) {
        const uint32_t i = (from + k) % FAPILOG_SHARED_LANES;
        struct writer *w = &process.area->shared[i];
        uint32_t free_ = 0;
        if (!(lanes >> i & 1))
            continue;
        /* order: S2 acquire, pairs with S1 - the last holder's writes to the lane and its writer are visible */
        if (cas_acq_rel(&w->lock, &free_, 1))
            return w;
    }
    return NULL;
}

/* One of the shared lanes in the bit set, or NULL when all of them stay in use. Threads begin their search at
 * different lanes. */
struct writer *fapilogi_shared_lock(const struct call *c, uint32_t lanes)
{
    const uint32_t from = (uint32_t)syscall(SYS_gettid);
    const bool may_wait = process.on_full == FAPILOG_MODE_BLOCK && !c->may_not_wait;
    int spins = lanes == FAPILOGI_JUMBO_LANE ? SHARED_SPINS_JUMBO : SHARED_SPINS;
    for (;;) {
        for (int i = 0; i < spins; i++) {
            struct writer *w = try_lock(lanes, from);
            if (w)
                return w;
            cpu_relax();
        }
        (void)sched_yield();
        if (!may_wait || !fapilogi_collector_alive(clock_mono_ns()))
            return NULL;
        /* The holders wait too, for the collector. Nobody wakes us: then unlocking costs no look at who waits. */
        if (spins == 1)
            fapilogi_futex_wait(&process.area->shared[__builtin_ctz(lanes)].lock, 1, SHARED_WAIT_NS);
        spins = 1;
    }
}

void fapilogi_shared_unlock(struct writer *w)
{
    /* order: S1 release, pairs with S2 - our writes to the lane and its writer are done */
    store_rel(&w->lock, 0);
}

/* A record that found no lane. */
void fapilogi_orphan(size_t size)
{
    struct fapilog_superblock *s = process.area->super;
    /* order: relaxed - counters */
    __atomic_fetch_add(&s->orphan_bytes, size, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->orphan_dropped, 1, __ATOMIC_RELAXED); /* order: relaxed - a counter */
}
