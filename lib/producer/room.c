/* Finding room in a lane: the slow path of every block. Signal safe.
 *
 *   | done by the collector |  records, padding  | open block        |            headroom |
 *   head                                    tail ^        block_end ^             head + cap ^
 *
 * hot.limit says how far the inline code may go by itself: the end of the open block, or of the space
 * ([0] without the headroom), or nowhere (== tail) while a context record is due. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/ring/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static bool is_own(const struct writer *w)
{
    return w->index >= FAPILOG_SHARED_LANES;
}

/* Bytes of the context record that an own lane's block needs; shared lanes carry contexts inline. */
static size_t context_record(const struct writer *w)
{
    const size_t list = is_own(w) && w->hot.ext ? fapilogi_context_size() : 0;
    return list == 0 ? 0 : sizeof(struct fapilog_record_header) + sizeof(struct fapilog_dynamic) + align_up(list, 8);
}

static bool context_due(const struct writer *w)
{
    return w->written_epoch != (uint32_t)(w->hot.ext >> 32) && context_record(w) != 0;
}

void fapilogi_context_record(struct writer *w)
{
    if (!context_due(w))
        return;
    const size_t size = context_record(w);
    const uint32_t epoch = (uint32_t)(w->hot.ext >> 32);
    uint8_t *to = w->hot.data + (w->hot.tail & w->hot.mask);
    const struct fapilog_record_header head = {
        FAPILOG_WORD0(size / 8, FAPILOG_KIND_CONTEXT, 0, 0, epoch), clock_now(process.clock_kind)};
    const struct fapilog_dynamic list = {.fields_count = fapilogi_context_count()};
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, &list, sizeof list);
    fapilogi_context_put(to + sizeof head + sizeof list);
    w->hot.tail += size; /* published with the record that follows */
    w->written_epoch = epoch;
}

FAPILOGI_BLOCK_PATH static void set_limits(struct writer *w, uint64_t head)
{
    const bool overwrite = w->mode == FAPILOG_MODE_OVERWRITE;
    const uint64_t all = overwrite ? w->block_end : head + w->cap;
    const uint64_t plain = overwrite ? w->block_end : all - w->headroom;
    w->hot.limit[1] = all < w->block_end ? all : w->block_end;
    w->hot.limit[0] = plain < w->block_end ? plain : w->block_end;
}

/* The first lap of a lane touches file pages that may have no memory behind them: with a full tmpfs that
 * must be a full lane, not SIGBUS. Kernels before 5.14 go without this check. */
static bool populate(struct writer *w, uint64_t pos)
{
    if (likely(pos >= w->cap) || w->realtime)
        return true; /* a prepared lane has its memory */
    const int saved = errno;
    const bool is_there = madvise(w->hot.data + pos, w->block, MADV_POPULATE_WRITE) == 0 || errno == EINVAL;
    errno = saved;
    return is_there;
}

/* One reading of the clock serves the blocks that follow soon: the counter is steady, and the more of it was
 * seen, the longer. */
FAPILOGI_BLOCK_PATH static void refresh_anchor(struct writer *w)
{
    const uint64_t age = clock_now(process.clock_kind) - w->anchor.cycles;
    if (likely(w->anchor.cycles != 0) && age < w->anchor_cycles)
        return;
    const uint64_t least = process.counter_hz / 64, most = process.counter_hz / 2;
    w->anchor = clock_anchor_pair(process.clock_kind);
    w->anchor_cycles = w->anchor_cycles < least ? least : w->anchor_cycles < most ? w->anchor_cycles * 2 : most;
}

FAPILOGI_BLOCK_PATH bool fapilogi_open_block(struct writer *w)
{
    uint8_t *const data = w->hot.data;
    const uint64_t tail = w->hot.tail;
    const uint64_t pos = align_up(tail, w->block);
    if (!populate(w, pos))
        return false;
    /* In every mode: the dump tool reads lanes without holding back their writer, and must know which
     * bytes may be under way even where the collector paces us.
     * order: relaxed - O1: the fence below orders it before the bytes it announces */
    store_rlx(&w->lane->intent, pos + w->block);
    /* order: O1 release fence, pairs with the reader's acquire fence (O2): what follows are plain
     * stores of a whole block, there is no one variable to hang the order on */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (tail < pos && pos - tail >= sizeof(struct fapilog_record_header))
        memset(data + (tail & w->hot.mask), 0, 8);
    refresh_anchor(w);
    const struct fapilog_block block = {
        .word0 = FAPILOG_WORD0(sizeof block / 8, FAPILOG_KIND_BLOCK, 0, 0, w->generation),
        .pos = pos,
        .seq = w->hot.count,
        .dropped = w->lane->dropped,
        .cycles = w->anchor.cycles,
        .real_ns = w->anchor.real_ns,
    };
    memcpy(data + (pos & w->hot.mask), &block, sizeof block);
    w->hot.tail = pos + sizeof block; /* published with the record that follows */
    w->block_end = pos + w->block;
    w->written_epoch = 0;
    return true;
}

FAPILOGI_BLOCK_PATH static void ring_if_much_waits(const struct writer *w, uint64_t head)
{
    const uint64_t quarter = w->cap / 4;
    if (!w->realtime && w->hot.tail - head >= (quarter < 65536 ? quarter : 65536))
        fapilogi_bell();
}

FAPILOGI_BLOCK_PATH size_t fapilogi_reserve_max(const struct writer *w)
{
    return w->block - sizeof(struct fapilog_block) - context_record(w);
}

/* Waits, where the policy says so, until bytes up to `end` may be written. */
FAPILOGI_BLOCK_PATH static bool space_until(struct writer *w, uint64_t end, bool urgent, bool may_wait, uint64_t *head)
{
    if (w->mode == FAPILOG_MODE_OVERWRITE)
        return true;
    const uint64_t want = end + (urgent ? 0 : w->headroom); /* end + headroom <= head + cap */
    if ((int64_t)(*head + w->cap - want) >= 0)
        return true;
    if (w->mode != FAPILOG_MODE_BLOCK || !may_wait || w->realtime)
        return false;
    return fapilogi_wait_head(w, want - w->cap, head);
}

bool fapilogi_space_until(struct writer *w, uint64_t end, bool urgent, bool may_wait)
{
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    uint64_t head = load_acq(&w->slot->head);
    return space_until(w, end, urgent, may_wait, &head);
}

/* After blocks were opened by a chain. */
void fapilogi_room_settle(struct writer *w)
{
    /* order: H2 acquire, pairs with H1 - the limits let the inline code write up to head + cap */
    const uint64_t head = load_acq(&w->slot->head);
    set_limits(w, head);
    if (context_due(w))
        w->hot.limit[0] = w->hot.limit[1] = w->hot.tail;
    ring_if_much_waits(w, head);
}

FAPILOGI_BLOCK_PATH bool fapilogi_reserve(struct writer *w, size_t size, bool urgent, bool may_wait)
{
    CHECK(size <= fapilogi_reserve_max(w));
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    uint64_t head = load_acq(&w->slot->head);
    const size_t context = context_due(w) ? context_record(w) : 0;
    if (w->block_end - w->hot.tail < context + size) {
        const uint64_t pos = align_up(w->hot.tail, w->block);
        const uint64_t end = pos + sizeof(struct fapilog_block) + context_record(w) + size;
        if (!space_until(w, end, urgent, may_wait, &head) || !fapilogi_open_block(w))
            return false;
        ring_if_much_waits(w, head);
    } else if (!space_until(w, w->hot.tail + context + size, urgent, may_wait, &head)) {
        return false;
    }
    fapilogi_context_record(w);
    set_limits(w, head);
    return true;
}

FAPILOGI_BLOCK_PATH void fapilogi_commit(struct writer *w, uint64_t next)
{
    w->hot.tail = next;
    w->hot.count++;
    /* order: C1 release, pairs with C2 - the record's bytes are complete; the only commit */
    store_rel(&w->lane->tail, next);
}

void fapilogi_drop(struct writer *w, size_t size)
{
    struct fapilog_lane *lane = w->lane;
    /* order: relaxed - counters with one writer; `dropped` last, so that a drop is never seen half */
    store_rlx(&lane->dropped_bytes, lane->dropped_bytes + size);
    store_rlx(&lane->dropped_cycles, clock_now(process.clock_kind)); /* order: relaxed - as above */
    store_rlx(&lane->dropped, lane->dropped + 1);                    /* order: relaxed - as above */
}
