/* Finding room in a lane. Signal safe.
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

enum {
    MUCH_MAX = 256 << 10,
    POPULATE_BYTES = 256 << 10,
};

static bool is_own(const struct writer *w)
{
    return w->index >= FAPILOG_SHARED_LANES;
}

/* Bytes of the context record that an own lane's block needs; shared lanes carry contexts inline. */
size_t fapilogi_context_record_size(const struct writer *w)
{
    const size_t list = is_own(w) && w->hot.ext ? fapilogi_context_size() : 0;
    return list == 0 ? 0 : sizeof(struct fapilog_record_header) + sizeof(struct fapilog_dynamic) + align_up(list, 8);
}

static bool context_due(const struct writer *w)
{
    return w->written_epoch != (uint32_t)(w->hot.ext >> 32) && fapilogi_context_record_size(w) != 0;
}

void fapilogi_context_record(struct writer *w)
{
    if (!context_due(w))
        return;
    const size_t size = fapilogi_context_record_size(w);
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

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A tail this far from head is worth a look at the bell. Head is a block boundary: the collector may have taken nearly
 * a block more, and to wake it for the rest would cost us more than the block does. */
static uint64_t much(const struct writer *w)
{
    return min(w->cap / 4, MUCH_MAX) + w->block;
}

/* How far blocks may be opened at head 0: as far as there is room, and before the bell is due. */
static uint64_t ahead_of(const struct writer *w)
{
    const uint64_t room = w->mode == FAPILOG_MODE_OVERWRITE ? UINT64_MAX : w->cap - w->headroom;
    return w->realtime ? room : min(room, much(w));
}

static void set_limits(struct writer *w, uint64_t head)
{
    const bool overwrite = w->mode == FAPILOG_MODE_OVERWRITE;
    const uint64_t end = block_end(w);
    const uint64_t all = overwrite ? UINT64_MAX : head + w->cap;
    w->hot.limit[1] = min(all, end);
    w->hot.limit[0] = min(overwrite ? UINT64_MAX : all - w->headroom, end);
    if (!w->is_plain)
        return;
    const uint64_t ahead = ahead_of(w);
    const bool is_endless = ahead == UINT64_MAX, is_populated = w->populated == UINT64_MAX;
    w->open_until = min(is_endless ? UINT64_MAX : head + ahead, w->populated);
    w->ahead = is_populated && !is_endless ? ahead : 0;
}

/* The first lap of a lane touches file pages that may have no memory behind them: with a full tmpfs that
 * must be a full lane, not SIGBUS. A thread that logs little costs the memory of one block; beyond that more comes
 * at once, since entering the kernel costs more than many pages. Kernels before 5.14 go without this check. */
static bool populate(struct writer *w, uint64_t pos)
{
    if (likely(pos + w->block <= w->populated) || w->realtime)
        return true; /* a prepared lane has its memory */
    const int saved = errno;
    uint64_t bytes = pos == 0 ? w->block : min(POPULATE_BYTES, w->cap - pos);
    int r = madvise(w->hot.data + pos, bytes, MADV_POPULATE_WRITE);
    if (r < 0 && errno != EINVAL && bytes > w->block) {
        bytes = w->block;
        r = madvise(w->hot.data + pos, bytes, MADV_POPULATE_WRITE);
    }
    const bool is_there = r == 0 || errno == EINVAL;
    if (is_there)
        w->populated = pos + bytes < w->cap ? pos + bytes : UINT64_MAX;
    errno = saved;
    return is_there;
}

bool fapilogi_open_block(struct writer *w)
{
    const uint64_t pos = block_end(w);
    if (!populate(w, pos))
        return false;
    fapilogi_block_begin(w, pos);
    return true;
}

bool fapilogi_may_open(struct writer *w, uint64_t end)
{
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    set_limits(w, load_acq(&w->slot->head));
    return end <= w->open_until;
}

static void ring_if_much_waits(const struct writer *w, uint64_t head)
{
    if (w->hot.tail - head >= much(w) && !self_realtime())
        fapilogi_bell();
}

size_t fapilogi_reserve_max(const struct writer *w)
{
    return w->block - sizeof(struct fapilog_block) - fapilogi_context_record_size(w);
}

/* Waits, where the policy says so, until bytes up to `end` may be written. */
static bool space_until(struct writer *w, uint64_t end, bool urgent, bool may_wait, uint64_t *head)
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

bool fapilogi_reserve(struct writer *w, size_t size, bool urgent, bool may_wait)
{
    CHECK(size <= fapilogi_reserve_max(w));
    /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
    uint64_t head = load_acq(&w->slot->head);
    const size_t context = context_due(w) ? fapilogi_context_record_size(w) : 0;
    const uint64_t pos = block_end(w);
    if (pos - w->hot.tail < context + size) {
        const uint64_t end = pos + sizeof(struct fapilog_block) + fapilogi_context_record_size(w) + size;
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

void fapilogi_commit(struct writer *w, uint64_t next)
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
