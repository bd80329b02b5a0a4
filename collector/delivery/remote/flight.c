/* Requests in flight: which is next, when it has taken too long. */
#include "collector/delivery/remote/internal.h"
#include "collector/delivery/secrets.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"

#include <stdlib.h>
#include <string.h>

#define ARRIVING_NS NS_PER_S /* so long after the last one fresh records still count as arriving */

static uint32_t in_flight_max(const struct remote *r)
{
    const uint64_t n = r->d->max_in_flight;
    return (uint32_t)(r->limits.in_flight && r->limits.in_flight < n ? r->limits.in_flight : n);
}

bool remote_is_strict(const struct remote *r)
{
    return in_flight_max(r) == 1;
}

void bundle_remove(struct remote *r, struct bundle *b)
{
    struct bundle **at = &r->bundles;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    r->bundles_count--;
    bundle_free(b);
}

static void bundle_append(struct remote *r, struct bundle *b)
{
    struct bundle **at = &r->bundles;
    while (*at)
        at = &(*at)->next;
    *at = b;
    r->bundles_count++;
}

static bool is_parked(const struct bundle *b)
{
    return b->state == BUNDLE_WAITS && b->due_ns == UINT64_MAX;
}

static struct bundle *bundle_due(const struct remote *r)
{
    for (struct bundle *b = r->bundles; b; b = b->next) {
        if (b->state == BUNDLE_WAITS && b->due_ns <= r->now_ns)
            return b;
        if (remote_is_strict(r))
            return NULL; /* nothing overtakes it */
    }
    return NULL;
}

static bool old_is_allowed(const struct remote *r)
{
    if (!r->old.records || r->is_stopping)
        return false;
    return r->d->spool_rate == OPT_UNSET || r->now_ns - r->fresh_ns >= ARRIVING_NS || r->old_budget > 0;
}

/* In a strict order the spool comes first: it holds what is older. */
static bool spool_is_first(const struct remote *r)
{
    return remote_is_strict(r) && r->spool && !r->is_stopping && (r->old.records || spool_has_unread(r->spool));
}

static struct queue *queue_choose(struct remote *r)
{
    const bool has_fresh = r->fresh.records && !r->spilled_queue;
    if (spool_is_first(r))
        return r->old.records ? &r->old : NULL;
    if (old_is_allowed(r) && (r->is_old_next || !has_fresh))
        return &r->old;
    return has_fresh ? &r->fresh : NULL;
}

static struct bundle *bundle_make(struct remote *r)
{
    if (!r->is_stopping && r->bundles_count >= in_flight_max(r))
        return NULL;
    if (remote_is_strict(r) && r->bundles)
        return NULL;
    struct queue *q = queue_choose(r);
    struct bundle *b = q ? batcher_take(r, q) : NULL;
    if (!b && q == &r->fresh && old_is_allowed(r)) /* too few fresh ones yet */
        b = batcher_take(r, q = &r->old);
    else if (!b && q == &r->old && !r->spilled_queue && !remote_is_strict(r)) /* more old ones are being read */
        b = batcher_take(r, q = &r->fresh);
    if (!b)
        return NULL;
    if (q == &r->old)
        r->old_budget -= b->count;
    r->is_old_next = q != &r->old;
    bundle_append(r, b);
    return b;
}

static void send(struct remote *r, struct bundle *b, bool is_full)
{
    b->q.bytes = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        b->entries[i] = b->items[i].entry;
        b->q.bytes += b->items[i].payload_len;
    }
    b->q.entry = b->entries;
    b->q.count = b->count;
    b->q.attempt = b->attempts + 1;
    b->q.deadline_ns = r->now_ns + r->d->timeout_ns;
    b->q.work = NULL;
    b->state = BUNDLE_SENT;
    b->sent_ns = r->now_ns;
    b->was_cancelled = false;
    b->was_full = is_full;
    r->sent_count++;
    r->stats.requests++;
    r->stats.retried += b->attempts > 0;
    breaker_sent(&r->breaker);
    FAULT_POINT("request-sent");
    r->sink->ops->remote->send(r->sink, &b->q);
}

/* Requests at once, as the server's answers allow it now. */
static uint32_t in_flight_now(const struct remote *r)
{
    const uint32_t max = in_flight_max(r);
    return r->adapt.limit < max ? r->adapt.limit : max;
}

static bool may_send(struct remote *r)
{
    if (r->sent_count >= in_flight_now(r))
        return false;
    if (r->is_stopping) /* the last attempt asks nobody; but order is kept */
        return r->now_ns < r->stop_ns && r->breaker.failures < r->d->breaker_threshold &&
               !(remote_is_strict(r) && r->bundles && is_parked(r->bundles));
    return r->now_ns >= r->pause_ns && breaker_allows(&r->breaker, r->now_ns);
}

void flight_send_all(struct remote *r)
{
    while (may_send(r)) {
        struct bundle *b = bundle_due(r);
        b = b ? b : bundle_make(r);
        if (!b)
            return;
        send(r, b, r->sent_count + 1 >= in_flight_now(r));
    }
}

void flight_deadlines(struct remote *r)
{
    const bool is_over = r->is_stopping && r->now_ns >= r->stop_ns;
    for (struct bundle *b = r->bundles, *next; b; b = next) {
        next = b->next; /* an answer from inside cancel() changes no list */
        if (b->state != BUNDLE_SENT || b->was_cancelled || (r->now_ns < b->q.deadline_ns && !is_over))
            continue;
        b->was_cancelled = true;
        r->sink->ops->remote->cancel(r->sink, &b->q);
    }
}

static uint64_t bundle_deadline(const struct remote *r, const struct bundle *b)
{
    uint64_t at = UINT64_MAX;
    if (b->state == BUNDLE_DONE)
        return b->is_spilling ? UINT64_MAX : 0;
    if (b->state == BUNDLE_SENT)
        return b->was_cancelled ? UINT64_MAX : b->q.deadline_ns;
    if (breaker_may_allow(&r->breaker) && r->sent_count < in_flight_now(r)) /* else an answer is what it waits for */
        at = b->due_ns > r->pause_ns ? b->due_ns : r->pause_ns;
    if (r->d->retry_deadline_ns != OPT_UNSET && b->items[0].lot->since_ns + r->d->retry_deadline_ns < at)
        at = b->items[0].lot->since_ns + r->d->retry_deadline_ns;
    return at;
}

/* When fresh records become a request; never, while that takes an answer, a write or a read to end first. */
static uint64_t fresh_deadline(const struct remote *r)
{
    if (!r->fresh.records || r->spilled_queue || !breaker_may_allow(&r->breaker) || r->sent_count >= in_flight_now(r))
        return UINT64_MAX;
    if (!r->is_stopping && r->bundles_count >= in_flight_max(r))
        return UINT64_MAX;
    if (remote_is_strict(r) && (r->bundles || spool_is_first(r)))
        return UINT64_MAX;
    const uint64_t at = batcher_deadline(r, &r->fresh);
    return at > r->pause_ns ? at : r->pause_ns;
}

uint64_t flight_deadline(const struct remote *r)
{
    const uint64_t fresh = fresh_deadline(r), breaker = breaker_deadline(&r->breaker);
    uint64_t first = fresh < breaker ? fresh : breaker;
    for (const struct bundle *b = r->bundles; b; b = b->next) {
        const uint64_t at = bundle_deadline(r, b);
        first = at < first ? at : first;
    }
    return first;
}

void flight_done(struct sink *s, struct sink_request *q, const struct sink_result *result)
{
    struct bundle *b = q->core;
    const uint32_t count = result->outcome == SINK_DELIVERED ? result->rejected_count + result->retry_count : 0;
    CHECK(b->state == BUNDLE_SENT && count <= b->count && result->refused_count <= b->count - count);
    b->state = BUNDLE_DONE;
    b->result = *result;
    b->result.rejected = b->result.retry = NULL;
    b->result.reason[sizeof b->result.reason - 1] = '\0';
    secrets_hide(s, b->result.reason);
    free(b->indices);
    b->indices = NULL;
    if (count == 0)
        return;
    b->indices = malloc(count * sizeof *b->indices);
    CHECK(b->indices != NULL);
    if (result->rejected_count)
        memcpy(b->indices, result->rejected, result->rejected_count * sizeof *b->indices);
    if (result->retry_count)
        memcpy(b->indices + result->rejected_count, result->retry, result->retry_count * sizeof *b->indices);
    b->result.rejected = b->indices;
    b->result.retry = b->indices + result->rejected_count;
}
