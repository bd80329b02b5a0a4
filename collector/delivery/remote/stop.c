/* The end: one last attempt, then everything that can be is put where the next run finds it. */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"

static bool is_parked(const struct bundle *b)
{
    return b->state == BUNDLE_WAITS && b->due_ns == UINT64_MAX;
}

void remote_stop(struct remote *r, uint64_t deadline_ns)
{
    if (r->is_stopping) { /* one last attempt, not two */
        r->stop_ns = deadline_ns < r->stop_ns ? deadline_ns : r->stop_ns;
        return;
    }
    r->breaker.failures = 0; /* those before do not count */
    r->is_stopping = true;
    r->stop_ns = deadline_ns;
    r->pause_ns = 0;
    r->spill_again_ns = r->dead_again_ns = 0;
    for (struct bundle *b = r->bundles; b; b = b->next)
        if (b->state == BUNDLE_WAITS)
            b->due_ns = 0;
}

void remote_go_on(struct remote *r)
{
    r->is_stopping = r->is_abandoned = false;
    r->stop_ns = 0;
    for (struct bundle *b = r->bundles; b; b = b->next)
        if (is_parked(b))
            b->due_ns = 0;
}

bool remote_is_stopping(const struct remote *r)
{
    return r->is_stopping;
}

bool remote_hang_up(struct remote *r, uint64_t now_ns)
{
    remote_stop(r, now_ns);
    remote_run(r, now_ns);
    for (const struct bundle *b = r->bundles; b; b = b->next)
        if (b->state == BUNDLE_SENT)
            return true;
    return false;
}

/* Nothing is tried any more: the time is over, or everything had its attempt. */
static bool is_over(const struct remote *r)
{
    if (r->sent_count > 0)
        return false;
    if (r->now_ns >= r->stop_ns || (remote_is_strict(r) && r->bundles && is_parked(r->bundles)))
        return true;
    if (r->breaker.failures >= r->d->breaker_threshold)
        return true; /* the others would fare no better */
    for (const struct bundle *b = r->bundles; b; b = b->next)
        if (!is_parked(b))
            return false;
    return r->bundles && r->fresh.records == 0; /* with nothing there, more may come until the deadline */
}

static void item_forget(struct remote *r, struct item *i)
{
    spool_forget(r->spool, i->block, i->index);
    lot_release(i->lot);
}

/* What lies in the spool need not be in memory. */
static void spooled_forget(struct remote *r)
{
    r->is_put_down = true;
    for (struct bundle *b = r->bundles, *next; b; b = next) {
        next = b->next;
        if (b->state != BUNDLE_WAITS || b->is_spilling)
            continue;
        uint32_t kept = 0;
        for (uint32_t n = 0; n < b->count; n++) {
            if (b->items[n].block)
                item_forget(r, &b->items[n]);
            else
                b->items[kept++] = b->items[n];
        }
        b->count = kept;
        if (!kept)
            bundle_remove(r, b);
    }
    struct item i;
    while (queue_peek(&r->old, &i)) {
        queue_pop(&r->old);
        item_forget(r, &i);
    }
}

static void drop_all(struct remote *r)
{
    struct item i;
    while (queue_peek(&r->fresh, &i)) {
        if (!i.entry) {
            queue_settle_lot(r, &r->fresh, &r->stats.dropped_full);
            continue;
        }
        queue_pop(&r->fresh);
        r->stats.dropped_full++;
        item_done(r, &i);
    }
    while (r->bundles) {
        struct bundle *b = r->bundles;
        for (uint32_t n = 0; n < b->count; n++) {
            r->stats.dropped_full += b->items[n].block == NULL;
            if (b->items[n].block)
                item_forget(r, &b->items[n]);
            else
                item_done(r, &b->items[n]);
        }
        bundle_remove(r, b);
    }
}

void stop_run(struct remote *r)
{
    if (!r->is_stopping || !is_over(r))
        return;
    r->stop_ns = r->now_ns < r->stop_ns ? r->now_ns : r->stop_ns;
    const bool is_spooling = r->spool && r->d->on_full == SINK_FULL_SPOOL;
    spooled_forget(r);
    if (r->d->on_full == SINK_FULL_DROP_OLDEST || r->d->on_full == SINK_FULL_DROP_NEWEST)
        drop_all(r);
    const bool is_stuck = r->was_told_spool || r->was_told_dead || !is_spooling;
    const bool is_writing = r->spilled_count || r->doomed_writing || (r->doomed_count && !r->was_told_dead);
    /* block, or a disk that takes nothing: the tickets stay as they are, so the ring keeps the records */
    r->is_abandoned = is_stuck && !is_writing;
}

bool remote_is_put_down(const struct remote *r)
{
    return r->is_put_down;
}

bool remote_is_idle(const struct remote *r, bool is_spool_too)
{
    if (r->is_abandoned)
        return r->sent_count == 0 && r->settled_count == 0;
    return !r->bundles && !r->fresh.records && !r->old.records && !r->doomed_count && !r->settled_count &&
           r->unsettled == 0 && (!r->spool || !spool_journal_waits(r->spool)) &&
           (!is_spool_too || !r->spool || !spool_has_records(r->spool));
}
