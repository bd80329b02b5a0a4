/* Claiming a lane and finding room in it. Everything here runs on the slow path of a log call: signal
 * safe, no lock but the try-locks of the shared lanes. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fapilog_lane_slot *slot_of(uint32_t lane)
{
    return (struct fapilog_lane_slot *)((uint8_t *)process.ctl + FAPILOG_CTL_SLOTS_OFF) + lane;
}

/* Fills in what follows from the lane; the lane is ours. */
static void bind_lane(struct writer *w, uint32_t index)
{
    struct area *a = process.area;
    struct fapilog_lane *lane = &a->lanes[index];
    w->lane = lane;
    w->slot = slot_of(index);
    w->index = index;
    w->cap = UINT64_C(1) << lane->cap_log2;
    w->block = UINT64_C(1) << lane->block_log2;
    w->headroom = (uint32_t)(w->cap >> GEOMETRY_HEADROOM_SHIFT);
    w->mode = (uint8_t)process.on_full;
    w->written_epoch = 0;
    w->realtime = false;
    w->hot.data = a->base + lane->data_off;
    w->hot.mask = w->cap - 1;
    w->hot.shared_tail = &lane->tail;
    /* order: relaxed - the lane's last writer has released it to us through lane.state */
    w->hot.tail = load_rlx(&lane->tail);
    w->hot.count = a->lane_events[index];
    lane->mode = w->mode;
    lane->flags = index < FAPILOG_SHARED_LANES ? FAPILOG_LANE_SHARED : 0;
    lane->headroom = w->headroom;
    lane->open_cycles = clock_now(process.clock_kind);
}

/* The next claim starts at a block boundary: ends the block that the last owner left open. */
static void pad_block(struct writer *w)
{
    const uint64_t boundary = (w->hot.tail + w->block - 1) & ~(w->block - 1);
    if (boundary - w->hot.tail >= sizeof(struct fapilog_record_header))
        memset(w->hot.data + (w->hot.tail & w->hot.mask), 0, 8);
    w->hot.tail = boundary;
    w->block_end = boundary;
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
    /* order: D2 acquire, pairs with D1 - everything before done has left the lane */
    if (kind == FAPILOG_LANE_CLOSING && load_acq(&slot_of(index)->done) != load_rlx(&lane->tail))
        return false;
    const uint32_t generation = (FAPILOG_LANE_GENERATION(state) + 1) & 0xffffff;
    const uint32_t claiming = (generation ? generation : 1) << 8 | FAPILOG_LANE_CLAIMING;
    /* order: acq_rel - one claimant wins, and sees what the last owner wrote (L1) */
    if (!cas_acq_rel(&lane->state, &state, claiming))
        return false;
    w->generation = FAPILOG_LANE_GENERATION(claiming);
    bind_lane(w, index);
    pad_block(w);
    lane->tid = (uint32_t)syscall(SYS_gettid);
    memset(lane->thread, 0, sizeof lane->thread);
    (void)prctl(PR_GET_NAME, lane->thread);
    /* order: L1 release, pairs with L2 - tid, name and geometry are written */
    store_rel(&lane->state, w->generation << 8 | FAPILOG_LANE_ACTIVE);
    return true;
}

void fapilogi_shared_init(void)
{
    struct area *a = process.area;
    for (uint32_t i = 0; i < FAPILOG_SHARED_LANES; i++) {
        struct writer *w = &a->shared[i];
        memset(w, 0, sizeof *w);
        w->generation = 1;
        bind_lane(w, i);
        pad_block(w);
        /* order: L1 release, pairs with L2 - tid, name and geometry are written */
        store_rel(&w->lane->state, w->generation << 8 | FAPILOG_LANE_ACTIVE);
    }
}

static struct writer *take_writer(void)
{
    struct area *a = process.area;
    for (uint32_t i = 0; i < WRITERS_MAX / 64; i++) {
        /* order: relaxed - the compare-and-swap decides */
        uint64_t bits = load_rlx(&a->writer_used[i]);
        while (bits != UINT64_MAX) {
            const unsigned bit = (unsigned)__builtin_ctzll(~bits);
            /* order: acq_rel - the slot's last owner is done with it */
            if (cas_acq_rel(&a->writer_used[i], &bits, bits | UINT64_C(1) << bit)) {
                struct writer *w = &a->writer[i * 64 + bit];
                memset(w, 0, sizeof *w);
                return w;
            }
        }
    }
    return NULL;
}

/* Gives the calling thread a writer, with a lane of its own if one is free. NULL: no writer left. */
struct writer *fapilogi_attach(void)
{
    struct area *a = process.area;
    struct writer *w = (struct writer *)fapilogi_self;
    if (w == &fapilogi_none) {
        w = take_writer();
        if (!w)
            return NULL;
    }
    w->idle = process.clock_kind == FAPILOG_CLOCK_MONOTONIC ? 2 : 0;
    const uint32_t own = process.geometry.lane_count - FAPILOG_SHARED_LANES;
    /* order: relaxed - a hint where to look first */
    const uint32_t from = __atomic_fetch_add(&a->claim_hint, 1, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < own && !w->lane; i++)
        (void)claim(w, FAPILOG_SHARED_LANES + (from + i) % own);
    if (!w->lane)
        w->idle = 2;
    w->attached = true;
    w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
    w->hot.busy = w->idle;
    fapilogi_self = &w->hot;
    fapilogi_thread_exit_arm(w);
    return w;
}

/* Thread exit. */
void fapilogi_detach(struct writer *w)
{
    struct area *a = process.area;
    if (fapilogi_self != &w->hot)
        return;
    fapilogi_self = &fapilogi_none.hot;
    if (a->generation == 0 || !w->attached)
        return; /* a forked child that did not log: nothing of w is left */
    if (w->lane) {
        a->lane_events[w->index] = w->hot.count;
        /* order: L1 release, pairs with the acquire in claim() and L2 - our last stores are visible */
        store_rel(&w->lane->state, w->generation << 8 | FAPILOG_LANE_CLOSING);
    }
    const uint32_t i = (uint32_t)(w - a->writer);
    w->attached = false;
    /* order: acq_rel - whoever takes the slot sees it unused */
    __atomic_fetch_and(&a->writer_used[i / 64], ~(UINT64_C(1) << (i % 64)), __ATOMIC_ACQ_REL);
}

/* ---- room ------------------------------------------------------------------------------------------ */

static void set_limits(struct writer *w, uint64_t head)
{
    const uint64_t end = w->mode == FAPILOG_MODE_OVERWRITE ? w->block_end : head + w->cap;
    const uint64_t plain = w->mode == FAPILOG_MODE_OVERWRITE ? w->block_end : end - w->headroom;
    w->hot.limit[1] = end < w->block_end ? end : w->block_end;
    w->hot.limit[0] = plain < w->block_end ? plain : w->block_end;
}

/* A page of the file that was never touched may have no memory behind it: a full tmpfs must be a drop,
 * not SIGBUS. Kernels without the call go without the check. */
static bool populate(struct writer *w, uint64_t pos)
{
    if (pos >= w->cap)
        return true; /* second lap */
    return madvise(w->hot.data + pos, w->block, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
}

static void open_block(struct writer *w, uint64_t pos)
{
    uint8_t *const data = w->hot.data;
    const uint64_t tail = w->hot.tail;
    if (w->mode == FAPILOG_MODE_OVERWRITE) {
        /* order: relaxed - O1: the fence below orders it before the bytes it announces */
        store_rlx(&w->lane->intent, pos + w->block);
        /* order: O1 release fence, pairs with the reader's acquire fence (O2): the stores that follow
         * are plain stores of a whole block, there is no variable to hang the order on */
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    if (tail < pos && pos - tail >= sizeof(struct fapilog_record_header))
        memset(data + (tail & w->hot.mask), 0, 8);
    const struct clock_anchor anchor = clock_anchor_pair(process.clock_kind);
    const struct fapilog_block block = {
        .word0 = FAPILOG_WORD0(sizeof block / 8, FAPILOG_KIND_BLOCK, 0, 0, w->generation),
        .pos = pos,
        .seq = w->hot.count,
        .dropped = w->lane->dropped,
        .cycles = anchor.cycles,
        .real_ns = anchor.real_ns,
    };
    memcpy(data + (pos & w->hot.mask), &block, sizeof block);
    w->hot.tail = pos + sizeof block;
    w->block_end = pos + w->block;
    w->written_epoch = 0;
}

static bool room_in_block(const struct writer *w, size_t size, bool urgent)
{
    return (int64_t)(w->hot.limit[urgent] - w->hot.tail) >= (int64_t)size;
}

/* Makes room for `size` bytes at hot.tail, opening a block if need be. `size` fits into a fresh block. */
bool fapilogi_reserve(struct writer *w, size_t size, bool urgent)
{
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    const uint64_t head = load_acq(&w->slot->head);
    set_limits(w, head);
    if (room_in_block(w, size, urgent))
        return true;
    const uint64_t pos = (w->hot.tail + w->block - 1) & ~(w->block - 1);
    const uint64_t end = head + w->cap - (urgent ? 0 : w->headroom);
    if (w->mode != FAPILOG_MODE_OVERWRITE &&
        (int64_t)(end - pos) < (int64_t)(size + sizeof(struct fapilog_block)))
        return false;
    if (!populate(w, pos))
        return false;
    open_block(w, pos);
    set_limits(w, head);
    const uint64_t quarter = w->cap / 4;
    if (!w->realtime && pos - head >= (quarter < 65536 ? quarter : 65536))
        fapilogi_bell();
    return room_in_block(w, size, urgent);
}

void fapilogi_commit(struct writer *w, uint64_t next, uint32_t events)
{
    w->hot.tail = next;
    w->hot.count += events;
    /* order: C1 release, pairs with C2 - the record's bytes are complete; the only commit */
    store_rel(&w->lane->tail, next);
}

void fapilogi_drop(struct writer *w, size_t size)
{
    struct fapilog_lane *lane = w->lane;
    /* order: relaxed - counters with one writer */
    store_rlx(&lane->dropped_bytes, lane->dropped_bytes + size);
    store_rlx(&lane->dropped_cycles, clock_now(process.clock_kind));
    store_rlx(&lane->dropped, lane->dropped + 1);
}
