/* From memory to disk: when more waits than memory may hold, when the ring needs its space, at the end. The
 * oldest go first, so that the spool is always older than what waits in memory. */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS NS_PER_S
#define BUSY_NS (10 * NS_PER_MS)

static bool is_over(const struct remote *r, uint64_t records, uint64_t bytes)
{
    return records > r->d->queue_records || bytes > r->d->queue_bytes;
}

static bool is_full(const struct remote *r)
{
    return is_over(r, r->stats.queued_records, r->stats.queued_bytes);
}

static bool is_ending(const struct remote *r)
{
    return r->is_stopping && r->now_ns >= r->stop_ns;
}

static bool lot_is_relieved(const struct remote *r, const struct lot *l)
{
    return l->number <= r->relieve_number && l->unsettled > 0;
}

static bool is_parked(const struct bundle *b)
{
    return b->state == BUNDLE_WAITS && b->due_ns == UINT64_MAX;
}

static bool item_is_wanted(const struct remote *r, const struct bundle *b, const struct item *i)
{
    if (i->block)
        return false;
    return lot_is_relieved(r, i->lot) || is_parked(b) || is_ending(r) || (remote_is_strict(r) && is_full(r));
}

static bool bundle_is_wanted(const struct remote *r, const struct bundle *b)
{
    for (uint32_t n = 0; n < b->count; n++)
        if (item_is_wanted(r, b, &b->items[n]))
            return true;
    return false;
}

bool spill_is_wanted(const struct remote *r)
{
    if (!r->spool || r->d->on_full != SINK_FULL_SPOOL)
        return false;
    if (r->fresh.records && (is_full(r) || is_ending(r) || lot_is_relieved(r, r->fresh.head)))
        return true;
    if (!r->relieve_number && !r->is_stopping && !(remote_is_strict(r) && is_full(r)))
        return false; /* most of the time: no record is looked at */
    for (const struct bundle *b = r->bundles; b; b = b->next)
        if (bundle_is_wanted(r, b))
            return true;
    return false;
}

static struct spilled *spilled_new(struct remote *r)
{
    if (r->spilled_count == r->spilled_cap) {
        const uint32_t cap = r->spilled_cap ? 2 * r->spilled_cap : 1024;
        struct spilled *bigger = realloc(r->spilled, cap * sizeof *bigger);
        if (!bigger)
            return NULL;
        r->spilled = bigger;
        r->spilled_cap = cap;
    }
    r->spilled[r->spilled_count] = (struct spilled){0};
    return &r->spilled[r->spilled_count];
}

/* Into the open group. *next: the number of the record that would follow the one put before. */
static int record_put(struct remote *r, const struct item *i, uint64_t *next, struct spool_block **ret_block,
                      uint32_t *ret_index)
{
    const uint64_t number = i->lot->first + i->index;
    const int result = spool_put(r->spool, i->entry, i->attempts, number == *next, ret_block, ret_index);
    *next = number + 1;
    return result;
}

static int bundles_put(struct remote *r, uint64_t *next)
{
    for (struct bundle *b = r->bundles; b; b = b->next) {
        for (uint32_t n = 0; n < b->count; n++) {
            struct item *i = &b->items[n];
            struct spilled *s;
            if (!item_is_wanted(r, b, i))
                continue;
            if (!(s = spilled_new(r)))
                return -ENOMEM;
            const int result = record_put(r, i, next, &s->block, &s->index);
            if (result < 0)
                return result;
            s->bundle = b;
            s->item = n;
            b->is_spilling = true;
            r->spilled_count++;
        }
    }
    return 0;
}

/* A lot goes as a whole, with what is in flight of it: as long as some of it waits in memory the ring keeps all of it,
 * and a kill would have all of it sent again. */
static void full_relieve(struct remote *r)
{
    uint64_t records = r->stats.queued_records, bytes = r->stats.queued_bytes;
    if (!is_full(r))
        return;
    /* some room beyond what is just needed, so that not every lot makes a write of its own */
    for (const struct lot *l = r->fresh.head; l && is_over(r, records + records / 8, bytes + bytes / 8); l = l->next) {
        r->relieve_number = l->number > r->relieve_number ? l->number : r->relieve_number;
        records -= l->queued;
        bytes -= l->bytes - l->at;
    }
}

/* The first of the queue lies in the journal. */
static void image_spooled(struct remote *r)
{
    uint64_t spooled = 0;
    CHECK(!r->spilled_count);
    FAULT_POINT("spool-written");
    queue_settle_lot(r, &r->fresh, &spooled);
}

static int queue_put(struct remote *r, uint64_t *next)
{
    struct item i = {0};
    while (queue_walk(&r->fresh, &i)) {
        if (!is_ending(r) && !lot_is_relieved(r, i.lot))
            return 0;
        struct spilled *s = spilled_new(r);
        if (!s)
            return -ENOMEM;
        const struct lot *l = i.lot;
        s->records = i.entry ? 0 : l->queued;
        const int result = i.entry ? record_put(r, &i, next, NULL, NULL)
                                   : spool_put_image(r->spool, l->data, l->bytes, l->queued, l->parcel->oldest_ns);
        if (result < 0)
            return result;
        if (result > 0) {
            image_spooled(r);
            i = (struct item){0};
            continue;
        }
        r->spilled_count++;
        r->spilled_queue++;
    }
    return 0;
}

static void spilling_end(struct remote *r)
{
    for (struct bundle *b = r->bundles; b; b = b->next)
        b->is_spilling = false;
    r->spilled_count = r->spilled_queue = 0;
}

static void on_failure(struct remote *r, int error)
{
    spilling_end(r);
    r->spill_again_ns = r->now_ns + AGAIN_NS;
    if (!r->was_told_spool)
        remote_say(r, "spool: %s; records stay in the rings until it can be written again", strerror(-error));
    r->was_told_spool = true;
}

static void trouble_over(struct remote *r, bool is_mended)
{
    if (r->was_told_spool)
        remote_say(r, "spool: %s", is_mended ? "it can be written again" : "what could not be written is delivered");
    r->was_told_spool = false;
}

/* Behind the back of whoever has put something there. A group is begun when nothing lies in the journal, and nothing
 * comes there before it is written, so that what is seen only afterwards is nothing that is over by then. */
static void trouble_see(struct remote *r)
{
    const int trouble = spool_trouble(r->spool);
    if (r->spilled_count)
        return;
    if (trouble && !r->is_spool_troubled)
        on_failure(r, trouble);
    else if (!trouble && r->is_spool_troubled)
        trouble_over(r, spool_is_mended(r->spool));
    r->is_spool_troubled = trouble;
}

/* Records of a lot, one behind the other, that lie in the spool now. */
struct stretch {
    struct item first;
    uint32_t count;
    bool is_queue; /* they leave memory */
};

static void stretch_end(struct remote *r, struct stretch *s)
{
    struct lot *l = s->first.lot;
    if (s->count && l->unsettled)
        lot_settle(r, l, s->first.entry, s->first.index, s->count);
    if (s->count && s->is_queue)
        lot_release_many(l, s->count);
    s->count = 0;
}

static void item_spooled(struct remote *r, struct stretch *s, const struct item *i, bool is_queue)
{
    r->stats.queued_records--;
    r->stats.queued_bytes -= i->bytes;
    if (s->count && (s->first.lot != i->lot || s->is_queue != is_queue || s->first.index + s->count != i->index))
        stretch_end(r, s);
    if (!s->count++)
        *s = (struct stretch){ *i, 1, is_queue };
}

/* They lie in the spool now: the ring need not keep them. */
static void on_written(struct remote *r)
{
    struct stretch spooled = { .count = 0 };
    FAULT_POINT("spool-written");
    for (uint32_t n = 0; n < r->spilled_count; n++) {
        const struct spilled *s = &r->spilled[n];
        struct item i;
        if (s->bundle) {
            struct item *kept = &s->bundle->items[s->item];
            item_spooled(r, &spooled, kept, false);
            kept->block = s->block;
            kept->index = s->index;
            continue;
        }
        if (s->records) {
            CHECK(r->fresh.head && r->fresh.head->queued == s->records);
            uint64_t records = 0;
            stretch_end(r, &spooled);
            queue_settle_lot(r, &r->fresh, &records);
            continue;
        }
        CHECK(queue_peek(&r->fresh, &i));
        queue_pop(&r->fresh);
        item_spooled(r, &spooled, &i, true);
    }
    stretch_end(r, &spooled);
    spilling_end(r);
    trouble_over(r, true);
}

static void spill_start(struct remote *r)
{
    uint64_t next = UINT64_MAX;
    full_relieve(r);
    int result = bundles_put(r, &next);
    if (result == 0)
        result = queue_put(r, &next);
    if (result < 0 && result != -EAGAIN && !r->spilled_count) {
        on_failure(r, result);
        return;
    }
    if (!r->spilled_count)
        return;
    result = spool_write(r->spool);
    if (result == -EBUSY) { /* files are on their way to the disk: soon there are fewer */
        spilling_end(r);
        r->spill_again_ns = r->now_ns + BUSY_NS;
    } else if (result < 0) {
        on_failure(r, result);
    }
}

void spill_run(struct remote *r)
{
    if (!r->spool)
        return;
    trouble_see(r);
    if (r->spilled_count) {
        const int result = spool_poll(r->spool);
        if (result == -EAGAIN)
            return;
        if (result == 0)
            on_written(r);
        else
            on_failure(r, result);
    }
    if (!spill_is_wanted(r)) {
        r->relieve_number = 0; /* that much is done */
        if (!r->is_spool_troubled)
            trouble_over(r, false);
    } else if (r->now_ns >= r->spill_again_ns && spool_can_put(r->spool)) {
        spill_start(r);
    }
}

void spill_full(struct remote *r)
{
    struct item i;
    if (r->d->on_full != SINK_FULL_DROP_OLDEST)
        return;
    while (is_full(r) && queue_peek(&r->fresh, &i)) {
        if (!i.entry) {
            queue_settle_lot(r, &r->fresh, &r->stats.dropped_full);
            continue;
        }
        queue_pop(&r->fresh);
        r->stats.dropped_full++;
        item_done(r, &i);
    }
}
