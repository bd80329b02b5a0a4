/* What follows from an answer; docs/delivery.md has the table. */
#include "collector/delivery/remote/internal.h"
#include "collector/delivery/remote/retry.h"

#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <stdio.h>
#include <string.h>

static void delivered(struct remote *r, struct item *i)
{
    r->stats.delivered++;
    r->stats.delivered_bytes += i->payload_len;
    item_done(r, i);
}

static void delivered_all(struct remote *r, struct bundle *b)
{
    r->stats.delivered += b->count;
    r->stats.delivered_bytes += b->q.bytes;
    for (uint32_t n = 0; n < b->count;)
        n += items_done(r, &b->items[n], b->count - n);
}

/* The bundle waits for its next attempt; without items it ends. */
static void bundle_wait(struct remote *r, struct bundle *b, bool is_same_set)
{
    if (!b->count) {
        bundle_remove(r, b);
        return;
    }
    b->tries++;
    b->attempts = is_same_set ? b->attempts + 1 : 0;
    b->state = BUNDLE_WAITS;
    b->due_ns = r->is_stopping ? UINT64_MAX : r->now_ns + retry_delay(r->d, b->tries, 0, &r->random);
}

/* What a server asks for that has taken all, or refuses for good, is not for us (RFC 9110 10.2.3). */
static void pause_all(struct remote *r, const struct sink_result *a)
{
    if (a->outcome == SINK_REFUSED || (a->outcome == SINK_DELIVERED && !a->retry_count))
        return;
    const uint64_t asked = a->retry_after_ns < RETRY_AFTER_MAX_NS ? a->retry_after_ns : RETRY_AFTER_MAX_NS;
    if (asked && r->now_ns + asked > r->pause_ns)
        r->pause_ns = r->now_ns + asked;
}

/* Those that are due become dead letters, the others stay in the bundle. */
static void bundle_sift(struct remote *r, struct bundle *b)
{
    struct doom *d = doom_new(b->result.status, "%s; given up after retry_max_attempts or retry_deadline",
                              b->result.reason);
    for (uint32_t n = 0; n < b->count; n++)
        b->items[n].attempts++;
    doom_sift(r, b, d);
    doom_unref(d);
}

static void on_delivered(struct remote *r, struct bundle *b)
{
    const struct sink_result *a = &b->result;
    if (!a->rejected_count && !a->retry_count && !a->refused_count) {
        delivered_all(r, b);
        bundle_remove(r, b);
        return;
    }
    struct doom *d = a->rejected_count ? doom_new(a->status, "%s", a->reason) : NULL;
    uint32_t rejected = 0, retry = 0, refused = 0, kept = 0;
    for (uint32_t n = 0; n < b->count; n++) {
        struct item *i = &b->items[n];
        if (rejected < a->rejected_count && a->rejected[rejected] == n) {
            rejected++;
            i->attempts++;
            doom_item(r, i, d);
        } else if (retry < a->retry_count && a->retry[retry] == n) {
            retry++;
            b->items[kept++] = *i;
        } else if (refused < a->refused_count) { /* any of them: their number is all that is known */
            refused++;
            doom_drop(r, i);
        } else {
            delivered(r, i);
        }
    }
    CHECK(rejected == a->rejected_count && retry == a->retry_count); /* ascending, and of this request */
    b->count = kept;
    if (d)
        doom_unref(d);
    if (kept)
        bundle_sift(r, b);
    bundle_wait(r, b, false);
}

static void on_refused(struct remote *r, struct bundle *b)
{
    if (b->count == 1) {
        struct doom *d = doom_new(b->result.status, "%s", b->result.reason);
        b->items[0].attempts++;
        doom_item(r, &b->items[0], d);
        doom_unref(d);
        bundle_remove(r, b);
        return;
    }
    const uint32_t half = b->count / 2, rest = b->count - half;
    struct bundle *second = bundle_new(r, rest);
    memcpy(second->items, b->items + half, rest * sizeof *second->items);
    second->count = rest;
    second->next = b->next;
    b->next = second;
    r->bundles_count++;
    r->stats.bisected++;
    b->count = half;
    b->attempts = b->tries = 0;
    b->state = BUNDLE_WAITS;
    b->due_ns = 0;
}

static void outcome_note(struct remote *r, const struct bundle *b)
{
    const struct sink_result *a = &b->result;
    if (!(r->is_stopping && b->was_cancelled && *r->stats.last_reason)) { /* our own doing explains nothing */
        r->stats.last_status = a->status;
        (void)snprintf(r->stats.last_reason, sizeof r->stats.last_reason, "%s", a->reason);
    }
    if (a->outcome != SINK_DELIVERED)
        r->stats.failed++;
    if (a->outcome == SINK_DELIVERED || a->outcome == SINK_REFUSED)
        breaker_success(&r->breaker);
    else if (r->is_stopping)
        r->breaker.failures++; /* stop.c looks at it; nothing is held back any more */
    else
        breaker_failure(&r->breaker, r->d, a->outcome == SINK_BROKEN, r->now_ns);
    if (a->outcome == SINK_RETRY || a->retry_count)
        adapt_failure(&r->adapt, b->sent_ns, r->now_ns);
    else if (a->outcome == SINK_DELIVERED)
        adapt_success(&r->adapt, (uint32_t)r->d->max_in_flight, r->now_ns - b->sent_ns, b->was_full, b->sent_ns,
                      r->now_ns);
    pause_all(r, a);
}

static void outcome_take(struct remote *r, struct bundle *b)
{
    r->sent_count--;
    FAULT_POINT("answered");
    outcome_note(r, b);
    switch (b->result.outcome) {
    case SINK_DELIVERED:
        on_delivered(r, b);
        return;
    case SINK_REFUSED:
        on_refused(r, b);
        return;
    case SINK_RETRY:
        bundle_sift(r, b);
        bundle_wait(r, b, true);
        return;
    case SINK_BROKEN: /* not the records' fault: it does not count against them */
        bundle_wait(r, b, true);
        return;
    }
    CHECK(!"a sink_outcome");
}

void outcomes_take(struct remote *r)
{
    for (struct bundle *b = r->bundles, *next; b; b = next) {
        next = b->next;
        if (b->state == BUNDLE_DONE && !b->is_spilling)
            outcome_take(r, b);
    }
}
