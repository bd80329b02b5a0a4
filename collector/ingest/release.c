#include "collector/ingest/release.h"

#include "collector/ingest/cache_lines.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Lines that we have read stay in our cache, and the producer would have to fetch each of them from
 * there when it comes round again (32-60 ns a record against 10, measured). A collector that lags
 * saves the effort: its lines are out of both caches before the producer returns to them. */
static void lane_flush_lines(struct lane *l, uint64_t done)
{
    const struct segment_lane *g = &l->source->seg->lanes[l->index];
    const uint64_t cap = UINT64_C(1) << g->cap_log2;
    const uint64_t to = done & ~(uint64_t)(CACHE_LINE_BYTES - 1);
    uint64_t from = l->flushed;
    l->flushed = to;
    if (to <= from || l->tail - from > cap / 2)
        return;
    const uint8_t *data = l->source->seg->base + g->data_off;
    const uint64_t at = from & (cap - 1), bytes = to - from;
    const uint64_t first = bytes < cap - at ? bytes : cap - at;
    cache_lines_flush(data + at, data + at + first);
    cache_lines_flush(data, data + (bytes - first));
}

static void futex_wake_all(const void *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* order: relaxed - D1 and H1, below, publish the counters that come before them */
static void lane_release(struct lane *l, const struct position *p)
{
    struct segment *seg = l->source->seg;
    struct fapilog_lane_slot *slot = segment_slot(seg, l->index);
    const uint64_t block = UINT64_C(1) << seg->lanes[l->index].block_log2;
    const uint64_t head = p->done & ~(block - 1), head_before = l->done & ~(block - 1);
    lane_flush_lines(l, p->done);
    store_rlx(&slot->delivered, p->delivered);
    store_rlx(&slot->dropped_seen, p->dropped_seen);
    store_rlx(&slot->skipped_bytes, p->skipped_bytes);
    store_rlx(&slot->lost, p->lost);
    FAULT_POINT("release-counters");
    store_rel(&slot->done, p->done); /* order: D1 release, pairs with D2 */
    FAULT_POINT("release-done");
    l->done = p->done;
    if (head == head_before)
        return;
    store_rel(&slot->head, head); /* order: H1 release, pairs with H2 */
    FAULT_POINT("release-head");
    /* order: seq_cst fence - the producer stores `waiting`, then looks at head; we store head, then look
     * at `waiting`: one of the two sees the other */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load_rlx(&segment_lane_shared(seg, l->index)->waiting))
        futex_wake_all(&slot->head);
}

/* order: relaxed - only a collector reads them */
static void source_release(struct source *s, const struct position *p)
{
    store_rlx(&s->seg->ctl->orphan_seen, p->orphan_seen);
    store_rlx(&s->seg->ctl->truncated_seen, p->truncated_seen);
    store_rlx(&s->seg->ctl->unregistered_seen, p->unregistered_seen);
}

void release_checkpoint(struct checkpoint *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct checkpoint_item *item = &c->item[i];
        if (item->lane)
            lane_release(item->lane, &c->position[i]);
        else
            source_release(item->source, &c->position[i]);
        CHECK(item->source->refs > 0);
        item->source->refs--;
        if (item->source->flush_wanted)
            release_flush_check(item->source);
    }
    c->count = 0;
}

/* order: relaxed - nobody has taken a position of this lane from us yet */
static void raise_to(uint64_t *word, uint64_t value)
{
    if (load_rlx(word) < value)
        store_rlx(word, value);
}

void release_redo(struct source *s, const struct position *positions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct position *p = &positions[i];
        if (p->uuid_hi != s->seg->sb.uuid_hi || p->uuid_lo != s->seg->sb.uuid_lo)
            continue;
        if (p->lane == POSITION_SEGMENT) {
            raise_to(&s->seg->ctl->orphan_seen, p->orphan_seen);
            raise_to(&s->seg->ctl->truncated_seen, p->truncated_seen);
            raise_to(&s->seg->ctl->unregistered_seen, p->unregistered_seen);
        } else if (p->lane < s->seg->lanes_count) {
            struct fapilog_lane_slot *slot = segment_slot(s->seg, p->lane);
            const uint64_t block = UINT64_C(1) << s->seg->lanes[p->lane].block_log2;
            raise_to(&slot->delivered, p->delivered);
            raise_to(&slot->dropped_seen, p->dropped_seen);
            raise_to(&slot->skipped_bytes, p->skipped_bytes);
            raise_to(&slot->lost, p->lost);
            raise_to(&slot->done, p->done);
            /* order: relaxed - only the collector writes head */
            if (load_rlx(&slot->head) < (p->done & ~(block - 1)))
                store_rel(&slot->head, p->done & ~(block - 1)); /* order: H1 release, pairs with H2 */
        }
    }
}

void release_flush_begin(struct source *s, uint32_t seq)
{
    s->flush_wanted = seq;
    for (uint32_t i = 0; i < s->lanes_count; i++)
        s->flush_tail[i] = lane_tail_now(&s->lane[i]);
}

void release_flush_check(struct source *s)
{
    for (uint32_t i = 0; i < s->lanes_count; i++) {
        if (s->lane[i].done < s->flush_tail[i])
            return;
    }
    store_rel(&s->seg->ctl->flush_ack, s->flush_wanted); /* order: D1 release, pairs with D2 */
    s->flush_acked = s->flush_wanted;
    s->flush_wanted = 0;
    futex_wake_all(&s->seg->ctl->flush_ack);
}
