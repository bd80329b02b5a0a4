/* Records that will never be delivered: refused for good, too long, too often or too long tried. */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_NS NS_PER_S

struct doom *doom_new(int status, const char *fmt, ...)
{
    struct doom *d = calloc(1, sizeof *d);
    va_list args;
    CHECK(d != NULL);
    d->refs = 1;
    d->why.status = status;
    va_start(args, fmt);
    (void)vsnprintf(d->why.reason, sizeof d->why.reason, fmt, args);
    va_end(args);
    return d;
}

void doom_unref(struct doom *d)
{
    if (--d->refs == 0)
        free(d);
}

void doom_drop(struct remote *r, struct item *i)
{
    r->stats.dropped_refused++;
    item_done(r, i);
}

void doom_item(struct remote *r, const struct item *i, struct doom *d)
{
    struct item copy = *i;
    if (!r->dead) {
        doom_drop(r, &copy);
        return;
    }
    if (r->doomed_count == r->doomed_cap) {
        const uint32_t cap = r->doomed_cap ? 2 * r->doomed_cap : 64;
        struct doomed *bigger = realloc(r->doomed, cap * sizeof *bigger);
        CHECK(bigger != NULL); /* small beside the records themselves */
        r->doomed = bigger;
        r->doomed_cap = cap;
    }
    d->refs++;
    r->doomed[r->doomed_count++] = (struct doomed){ .item = copy, .doom = d };
}

bool doom_is_due(const struct remote *r, const struct item *i)
{
    const struct sink_delivery *d = r->d;
    return (d->retry_max_attempts != OPT_UNSET && i->attempts >= d->retry_max_attempts) ||
           (d->retry_deadline_ns != OPT_UNSET && r->now_ns >= i->lot->since_ns + d->retry_deadline_ns);
}

static bool is_too_late(const struct remote *r, const struct lot *l)
{
    return r->now_ns >= l->since_ns + r->d->retry_deadline_ns;
}

static void queue_doom(struct remote *r, struct queue *q)
{
    struct item i;
    while (q->head && is_too_late(r, q->head) && queue_open(r, q) && queue_peek(q, &i) && is_too_late(r, i.lot)) {
        struct doom *d = doom_new(r->stats.last_status, "not delivered within retry_deadline; %s",
                                  r->stats.last_reason[0] ? r->stats.last_reason : "it was never tried");
        queue_pop(q);
        doom_item(r, &i, d);
        doom_unref(d);
    }
}

void doom_sift(struct remote *r, struct bundle *b, struct doom *d)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < b->count; n++) {
        if (doom_is_due(r, &b->items[n]))
            doom_item(r, &b->items[n], d);
        else
            b->items[kept++] = b->items[n];
    }
    b->count = kept;
}

static void bundle_doom(struct remote *r, struct bundle *b)
{
    struct doom *d = doom_new(r->stats.last_status, "not delivered within retry_deadline; %s", r->stats.last_reason);
    doom_sift(r, b, d);
    doom_unref(d);
}

void doom_old(struct remote *r)
{
    if (r->d->retry_deadline_ns == OPT_UNSET)
        return;
    if (!r->spilled_count) { /* they are being written; the next time will do */
        queue_doom(r, &r->fresh);
        for (struct bundle *b = r->bundles, *next; b; b = next) {
            next = b->next;
            if (b->state != BUNDLE_WAITS || b->is_spilling)
                continue;
            bundle_doom(r, b);
            if (!b->count)
                bundle_remove(r, b);
        }
    }
    queue_doom(r, &r->old);
}

/* The first n are where they belong. */
static void doomed_remove(struct remote *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        doom_unref(r->doomed[i].doom);
    r->doomed_count -= n;
    memmove(r->doomed, r->doomed + n, r->doomed_count * sizeof *r->doomed);
}

static void on_failure(struct remote *r, int error)
{
    r->dead_again_ns = r->now_ns + AGAIN_NS;
    if (!r->was_told_dead)
        remote_say(r, "dead letters: %s; refused records wait in memory until they can be written", strerror(-error));
    r->was_told_dead = true;
}

static void on_written(struct remote *r)
{
    FAULT_POINT("dead-written");
    r->stats.dead += r->doomed_writing;
    for (uint32_t i = 0; i < r->doomed_writing; i++)
        item_done(r, &r->doomed[i].item);
    doomed_remove(r, r->doomed_writing);
    if (r->was_told_dead)
        remote_say(r, "dead letters are written again");
    r->was_told_dead = false;
}

static void write_some(struct remote *r)
{
    uint32_t n = 0;
    int error = 0;
    for (; n < r->doomed_count; n++) {
        const struct doomed *d = &r->doomed[n];
        error = deadletter_put(r->dead, d->item.entry, d->item.attempts, &d->doom->why);
        if (error < 0)
            break;
    }
    if (n == 0 && error == -EFBIG) { /* longer than all dead letters may be */
        doom_drop(r, &r->doomed[0].item);
        doomed_remove(r, 1);
        return;
    }
    if (n > 0 && (error = deadletter_write(r->dead)) == 0)
        r->doomed_writing = n;
    else if (n > 0 || error != -EAGAIN)
        on_failure(r, error);
}

void doom_write(struct remote *r)
{
    if (!r->dead)
        return;
    if (r->doomed_writing) {
        const int n = deadletter_poll(r->dead);
        if (n == -EAGAIN)
            return;
        if (n == 0)
            on_written(r);
        else
            on_failure(r, n);
        r->doomed_writing = 0;
    }
    if (r->doomed_count && r->now_ns >= r->dead_again_ns && deadletter_can_put(r->dead))
        write_some(r);
}
