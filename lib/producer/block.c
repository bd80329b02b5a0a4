/* The way to the next block, which most calls that are not inline take. Signal safe.
 *
 * One call in some hundreds comes here, so that all it touches has grown cold: what counts is the number of cache
 * lines and pages, not of instructions. As a rule they are this code, which lies together, the first two lines of
 * the writer, the lane's tail and the lines that the record goes to. Everything else - the collector's head, the
 * clock, a context, memory for the first lap, the bell - is asked for where there is no way around it.
 *
 *   | block header | records ...                          limit[0] |   EARLY   | limit[1], the next block
 *                                                                  `- look_ahead(), then limit[0] = limit[1]
 *
 * A call comes here a first time shortly before the end. What the next block needs is sent for then and not waited
 * for, so that the call which opens it finds it nearly as near as any other call does what it looks at. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"
#include "lib/ring/anchor.h"
#include "lib/ring/clock.h"

#include <string.h>

enum {
    HEADER = sizeof(struct fapilog_record_header),
    ANCHOR_SECONDS_MAX = 4,
    RECORD_MAX = sizeof(struct fapilog_block) + HEADER + sizeof(struct fapilog_ext) + 8, /* all but the arguments */
    EARLY = 1023, /* bytes; odd, so that no other limit is like it */
};

/* In the page of fapilogi_slow(), which is at hand then. */
#define BESIDE_SLOW __attribute__((section(".text.hot.fapilogi"), aligned(64)))

static inline bool is_anchor_old(const struct writer *w, uint64_t now)
{
    return now - w->anchor.cycles >= w->anchor_cycles;
}

/* That of a collector which is at work is seldom older than 100 ms. */
static bool take_collectors_anchor(struct writer *w, uint64_t now)
{
    uint64_t cycles, real_ns;
    if (!anchor_peek(w->ctl, &cycles, &real_ns) || now - cycles >= w->anchor_cycles)
        return false;
    w->anchor.cycles = cycles;
    w->anchor.real_ns = real_ns;
    return true;
}

__attribute__((noinline)) static void take_own_anchor(struct writer *w)
{
    const struct clock_anchor now = clock_anchor_pair(process.clock_kind);
    w->anchor.cycles = now.cycles;
    w->anchor.real_ns = now.real_ns;
}

/* One reading of the clock serves the blocks that follow soon: the counter is steady, and the more of it was
 * seen, the longer. */
BESIDE_SLOW __attribute__((noinline)) static void refresh_anchor(struct writer *w, uint64_t now)
{
    if (!take_collectors_anchor(w, now))
        take_own_anchor(w);
    const uint64_t hz = w->counter_hz, least = hz / 64, most = hz * ANCHOR_SECONDS_MAX;
    w->anchor_cycles = w->anchor_cycles < least ? least : w->anchor_cycles < most ? w->anchor_cycles * 2 : most;
}

static inline void begin(struct writer *w, uint64_t pos)
{
    uint8_t *const data = w->hot.data;
    const uint64_t tail = w->hot.tail;
    struct fapilog_lane *const lane = (struct fapilog_lane *)w->hot.shared_tail; /* its first word, and at hand */
    struct fapilog_block *const block = (struct fapilog_block *)(data + (pos & w->hot.mask));
    /* In every mode: the dump tool reads lanes without holding back their writer, and must know which
     * bytes may be under way even where the collector paces us.
     * order: relaxed - O1: the fence below orders it before the bytes it announces */
    store_rlx(&lane->intent, pos + w->block);
    /* order: O1 release fence, pairs with the reader's acquire fence (O2): what follows are plain
     * stores of a whole block, there is no one variable to hang the order on */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (likely(tail < pos && pos - tail >= HEADER))
        memset(data + (tail & w->hot.mask), 0, 8);
    block->word0 = FAPILOG_WORD0(sizeof *block / 8, FAPILOG_KIND_BLOCK, 0, 0, w->generation);
    block->pos = pos;
    block->seq = w->hot.count;
    block->dropped = lane->dropped;
    block->cycles = w->anchor.cycles;
    block->real_ns = w->anchor.real_ns;
    w->hot.tail = pos + sizeof *block; /* published with the record that follows */
    w->written_epoch = 0;
}

void fapilogi_block_begin(struct writer *w, uint64_t pos)
{
    const uint64_t now = clock_now(process.clock_kind);
    if (is_anchor_old(w, now))
        refresh_anchor(w, now);
    begin(w, pos);
}

/* The block at `pos`, with all of it free. */
static inline void open_whole(struct writer *w, uint64_t pos, uint64_t end)
{
    begin(w, pos);
    w->hot.limit[0] = end - EARLY;
    w->hot.limit[1] = end;
}

/* False: it has been done for this block, or does not belong to it. Limits that a context, a full lane or another
 * owner has set since the block was opened are even. */
static inline bool look_ahead(struct writer *w)
{
    if (!(w->hot.limit[0] & 1))
        return false;
    const uint64_t pos = w->hot.limit[1];
    __builtin_prefetch(w->hot.data + (pos & w->hot.mask), 1);
    if (pos + w->block - 1 >= w->open_until && w->ahead)
        __builtin_prefetch(w->slot);
    if (is_anchor_old(w, FAPILOGI_COUNTER() + w->anchor_cycles / 4)) /* or will be when the block is opened */
        __builtin_prefetch(&w->ctl->anchor_cycles);
    w->hot.limit[0] = pos;
    return true;
}

/* What the short way, below, has no room for. */
__attribute__((noinline)) static bool open_next(struct writer *w, size_t args_size)
{
    const uint64_t pos = block_end(w), end = pos + w->block;
    const size_t context = fapilogi_context_record_size(w);
    if (w->hot.limit[0] != pos || args_size > w->block - RECORD_MAX || context > w->block - RECORD_MAX - args_size)
        return false;
    if (end > w->open_until && !fapilogi_may_open(w, end))
        return false;
    const uint64_t now = FAPILOGI_COUNTER();
    if (is_anchor_old(w, now))
        refresh_anchor(w, now);
    open_whole(w, pos, end);
    fapilogi_context_record(w);
    return true;
}

__attribute__((noinline)) static struct fapilogi_pending *slower(struct writer *w, const struct fapilogi_logger *log,
                                                                 struct fapilog_site_desc *site, uint32_t level,
                                                                 size_t args_size)
{
    /* order: relaxed - only whether there is one */
    if (w->is_plain && w->hot.busy == 0 && load_rlx(&site->id)) {
        w->hot.busy = 1;
        FAPILOGI_BARRIER(); /* a signal handler from here on leaves the lane alone */
        const bool is_open = open_next(w, args_size);
        FAPILOGI_BARRIER();
        w->hot.busy = 0;
        if (is_open)
            return FAPILOGI_AGAIN;
    }
    return fapilogi_begin_any(log, site, level, args_size);
}

/* In a forked child all of w is zero, and so are `ahead` and `end`. */
static inline bool open_short(struct writer *w, const struct fapilog_site_desc *site, size_t args_size)
{
    const uint64_t pos = block_end(w), end = pos + w->block;
    if (end - 1 >= w->open_until && w->ahead)
        /* order: H2 acquire, pairs with H1 - the collector's reads of what we are about to overwrite are done */
        w->open_until = load_acq(&w->slot->head) + w->ahead;
    /* order: relaxed - only whether there is one */
    if (unlikely(end - 1 >= w->open_until || w->hot.limit[0] != pos || w->hot.ext ||
                 args_size > w->block - RECORD_MAX || !load_rlx(&site->id)))
        return false;
    const uint64_t now = FAPILOGI_COUNTER();
    if (unlikely(is_anchor_old(w, now)))
        refresh_anchor(w, now);
    open_whole(w, pos, end);
    return true;
}

BESIDE_SLOW
struct fapilogi_pending *fapilogi_slow(struct fapilogi_lane *lane, const struct fapilogi_logger *log,
                                       struct fapilog_site_desc *site, uint32_t level, size_t args_size)
{
    struct writer *const w = (struct writer *)lane;
    if (unlikely(w->hot.busy))
        return slower(w, log, site, level, args_size);
    w->hot.busy = 1;
    FAPILOGI_BARRIER(); /* a signal handler from here on leaves the lane alone: what we look at stays as it is */
    const bool is_open = look_ahead(w) || open_short(w, site, args_size);
    FAPILOGI_BARRIER();
    w->hot.busy = 0;
    return likely(is_open) ? FAPILOGI_AGAIN : slower(w, log, site, level, args_size);
}
