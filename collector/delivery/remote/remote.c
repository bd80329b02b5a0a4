#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HANGING_NS (NS_PER_S / 2)
#define CLOSE_NS_MAX (10 * NS_PER_S) /* for a disk that does not answer */

/* A path from a name that the user has chosen. */
static int path_make(const struct remote *r, const char *folder, const char *dir, char ret[PATH_MAX], struct err *e)
{
    const char *name = r->sink->common.name;
    int n;
    if (dir)
        n = snprintf(ret, PATH_MAX, "%s", dir);
    else
        n = snprintf(ret, PATH_MAX, "%s/%s/%s", r->cfg.state_dir, folder, name);
    if (!dir && (strchr(name, '/') || name[0] == '.'))
        return err_set(e, -EINVAL, "name: '%s' names a directory in %s/%s: it may not hold '/' or begin with '.'", name,
                       r->cfg.state_dir, folder);
    return n < PATH_MAX ? 0 : err_set(e, -ENAMETOOLONG, "%s of %s: path too long", folder, name);
}

static void on_spool_message(void *arg, const char *text)
{
    remote_say(arg, "spool: %s", text);
}

int remote_expand(struct remote *r, const char *image, size_t len, uint32_t records, struct parcel **ret)
{
    const struct output as = { .kind = OUTPUT_ENTRY, .format = r->sink->format,
                               .encoder = r->sink->ops->remote->encode ? r->sink : NULL };
    return image_expand(&r->images, &as, image, len, records, ret);
}

static int on_image(void *arg, const char *image, uint32_t len, uint32_t records, char **ret, uint32_t *ret_len)
{
    struct remote *r = arg;
    struct parcel *p;
    const int n = remote_expand(r, image, len, records, &p);
    if (n < 0)
        return n;
    *ret = p->data;
    *ret_len = (uint32_t)p->bytes;
    p->data = NULL;
    parcel_unref(p);
    return 0;
}

static void on_sink_warning(struct sink *s, const struct err *e)
{
    remote_say(s->core, "%s", e->text);
}

void remote_format_id(const struct sink *s, char *ret, size_t size)
{
    (void)snprintf(ret, size, "%.31s/%.31s", s->ops->scheme, s->common.format ? s->common.format : "own");
}

/* Also when on_full has been changed and an earlier run has left something. */
static int spool_begin(struct remote *r, const char *format, struct err *e)
{
    char dir[PATH_MAX];
    struct stat st;
    const int n = path_make(r, "spool", r->d->spool_dir, dir, e);
    if (n < 0)
        return n;
    if (r->d->on_full != SINK_FULL_SPOOL && stat(dir, &st) < 0)
        return 0;
    const struct spool_config cfg = {
        .io = r->cfg.io, .dir = dir, .sink = r->sink->common.name, .format = format, .delivery = r->d,
        .on_message = on_spool_message, .message_arg = r, .expand = on_image, .expand_arg = r,
    };
    return spool_open(&cfg, &r->spool, e);
}

/* What the spool holds and its collector had no time to note before it was killed. */
static void on_unnoted(void *arg, const struct spool_block_head *h, const char *raw)
{
    const struct remote *r = arg;
    if (h->kind == SPOOL_IMAGE)
        acked_found_image(r->stream.to, r->stream.identity, raw, h->raw_bytes);
    else
        acked_found_entries(r->stream.to, r->stream.identity, raw, h->raw_bytes);
}

void remote_noted(struct remote *r)
{
    if (r->spool && !r->settled_count)
        spool_set_noted(r->spool);
}

static int dead_begin(struct remote *r, const char *format, struct err *e)
{
    char dir[PATH_MAX];
    if (!r->d->dead_letters)
        return 0;
    const int n = path_make(r, "dead", NULL, dir, e);
    if (n < 0)
        return n;
    const struct deadletter_config cfg = {
        .io = r->cfg.io, .dir = dir, .sink = r->sink->common.name, .format = format, .delivery = r->d,
    };
    return deadletter_open(&cfg, &r->dead, e);
}

/* They may change with the sink's options. */
static void limits_read(struct remote *r)
{
    if (r->sink->ops->remote->limits)
        r->sink->ops->remote->limits(r->sink, &r->limits);
}

int remote_open(struct sink *s, const struct remote_config *cfg, struct remote **ret, struct err *e)
{
    char format[64];
    struct remote *r = calloc(1, sizeof *r);
    if (!r)
        return err_set(e, -ENOMEM, "out of memory");
    r->sink = s;
    r->cfg = *cfg;
    r->d = &s->delivery;
    r->random = cfg->seed ? cfg->seed : clock_mono_ns();
    r->stream = acked_begin(cfg->acked, cfg->identity);
    adapt_init(&r->adapt);
    queue_init(&r->fresh);
    queue_init(&r->old);
    limits_read(r);
    s->request_done = flight_done;
    remote_format_id(s, format, sizeof format);
    int n = spool_begin(r, format, e);
    if (n == 0)
        n = dead_begin(r, format, e);
    if (n < 0) {
        spool_close(r->spool);
        free(r);
        return n;
    }
    if (r->spool && cfg->acked)
        spool_unnoted(r->spool, on_unnoted, r);
    remote_noted(r);
    s->core = r;
    s->warn = on_sink_warning;
    *ret = r;
    return 0;
}

static void queue_clear(struct remote *r, struct queue *q)
{
    struct item i;
    uint64_t forgotten = 0;
    while (queue_peek(q, &i)) {
        if (!i.entry) {
            i.lot->unsettled = 0;
            queue_settle_lot(r, q, &forgotten);
            continue;
        }
        queue_pop(q);
        i.lot->unsettled = 0; /* the ring keeps what its ticket still waits for */
        lot_release(i.lot);
    }
}

static void item_forget(struct item *i)
{
    i->lot->unsettled = 0;
    lot_release(i->lot);
}

bool remote_is_busy(const struct remote *r)
{
    return (r->spool && spool_is_busy(r->spool)) || (r->dead && deadletter_is_busy(r->dead));
}

/* For those who close it without having looked. False: it does not end. */
static bool wait_for_disk(const struct remote *r)
{
    const uint64_t until = clock_mono_ns() + CLOSE_NS_MAX;
    while (remote_is_busy(r) && clock_mono_ns() < until)
        if (io_turn(r->cfg.io, until) < 0)
            break;
    return !remote_is_busy(r);
}

void remote_close(struct remote *r)
{
    if (!r)
        return;
    r->sink->warn = NULL; /* it may have something to say when it is closed, and nobody to say it to */
    while (r->bundles) {
        CHECK(r->bundles->state != BUNDLE_SENT);
        for (uint32_t n = 0; n < r->bundles->count; n++)
            item_forget(&r->bundles->items[n]);
        bundle_remove(r, r->bundles);
    }
    for (uint32_t n = 0; n < r->doomed_count; n++) {
        item_forget(&r->doomed[n].item);
        doom_unref(r->doomed[n].doom);
    }
    queue_clear(r, &r->fresh);
    queue_clear(r, &r->old);
    if (!wait_for_disk(r))
        return; /* its memory is the kernel's */
    spool_close(r->spool);
    deadletter_close(r->dead);
    image_reader_done(&r->images);
    free(r->spilled);
    free(r->doomed);
    free(r->settled);
    free(r);
}

/* on_full=drop_newest: what does not fit any more is not even taken into the queue. */
static void lot_cut(struct remote *r, struct lot *l)
{
    uint32_t fit = 0;
    size_t at = 0;
    while (fit < l->queued) {
        const struct entry_head *h = entry_at(l->data + at, l->bytes - at);
        CHECK(h != NULL);
        if (r->stats.queued_records + fit >= r->d->queue_records ||
            r->stats.queued_bytes + at + h->bytes > r->d->queue_bytes)
            break;
        at += h->bytes;
        fit++;
    }
    for (size_t p = at; p < l->bytes;) {
        const struct entry_head *h = (const void *)(l->data + p);
        l->payload_bytes -= h->payload_len;
        p += h->bytes;
    }
    const uint32_t lost = l->queued - fit;
    r->stats.dropped_full += lost;
    l->queued = fit;
    l->bytes = at;
    for (uint32_t n = 0; n < lost && fit > 0; n++)
        lot_release(l);
}

static bool is_dropping(const struct remote *r)
{
    return r->d->on_full == SINK_FULL_DROP_OLDEST || r->d->on_full == SINK_FULL_DROP_NEWEST;
}

/* A request has been out for so long that its sink counts as failing, whatever becomes of it. */
static bool is_hanging(const struct remote *r)
{
    for (const struct bundle *b = r->bundles; b; b = b->next)
        if (b->state == BUNDLE_SENT && r->now_ns - b->sent_ns >= HANGING_NS)
            return true;
    return false;
}

bool remote_wants_images(const struct remote *r)
{
    return r->breaker.state != REMOTE_CLOSED || r->breaker.failures > 0 || is_hanging(r);
}

bool remote_refuses(const struct remote *r, uint64_t records, uint64_t bytes)
{
    return r->d->on_full == SINK_FULL_DROP_NEWEST && (r->stats.queued_records + records > r->d->queue_records ||
                                                      r->stats.queued_bytes + bytes > r->d->queue_bytes);
}

void remote_refuse(struct remote *r, uint64_t records, uint64_t bytes)
{
    r->stats.taken += records;
    r->stats.taken_bytes += bytes;
    r->stats.dropped_full += records;
    r->fresh_ns = r->now_ns;
}

void remote_reformatted(struct remote *r)
{
    image_reader_done(&r->images);
}

/* What has just been put. Images go to the spool at once: who fails does not take them soon, and the ring is short. */
static void lot_take(struct remote *r, struct lot *l)
{
    r->stats.queued_records += l->queued;
    r->stats.queued_bytes += l->bytes;
    queue_push(&r->fresh, l);
    if (l->is_image)
        remote_relieve(r);
}

void remote_put(struct remote *r, struct parcel *p, struct remote_ticket *t)
{
    r->stats.taken += p->records;
    r->stats.taken_bytes += p->payload_bytes;
    r->unsettled++;
    if (p->records == 0) {
        ticket_settled(r, t);
        return;
    }
    if (p->is_image && remote_refuses(r, p->records, p->bytes)) {
        r->stats.dropped_full += p->records;
        ticket_settled(r, t);
        return;
    }
    struct lot *l = lot_new_parcel(r, p, t);
    r->fresh_ns = r->now_ns;
    if (is_dropping(r))
        lot_settle(r, l, NULL, 0, l->unsettled); /* memory counts */
    if (r->d->on_full == SINK_FULL_DROP_NEWEST && !l->is_image) {
        lot_cut(r, l);
        if (l->queued == 0) {
            l->left = 1;
            lot_release(l);
            return;
        }
    }
    lot_take(r, l);
}

bool remote_take_image(struct remote *r, const struct image_draft *d, int64_t oldest_ns, bool is_short)
{
    if (!r->spool || r->d->on_full != SINK_FULL_SPOOL || r->unsettled || r->fresh.records ||
        !spool_take_image(r->spool, d->piece, d->count, d->records, oldest_ns, is_short))
        return false;
    FAULT_POINT("spool-written");
    r->stats.taken += d->records;
    r->stats.taken_bytes += d->payload_bytes;
    r->fresh_ns = r->now_ns;
    return true;
}

void remote_scale_batches(struct remote *r, unsigned scale)
{
    r->batch_scale = scale;
}

uint64_t remote_batch_size(const struct remote *r)
{
    const uint64_t scale = r->batch_scale && r->d->batch_size > 1 ? r->batch_scale : 1;
    return r->d->batch_size * scale;
}

void remote_hurry(struct remote *r)
{
    r->hurry_number = r->lots;
}

/* The default of some sinks, as their reference has it, and the first thing to change where more is logged. */
static void tell_of_single_records(struct remote *r)
{
    if (r->was_told_single || r->d->batch_size > 1 || r->limits.records == 1 || remote_is_failing(r))
        return;
    r->was_told_single = true;
    remote_say(r, "does not keep up, and sends one record a request: raise batch_size if the server takes more");
}

void remote_set_aside(struct remote *r)
{
    if (r->d->on_full == SINK_FULL_SPOOL)
        r->relieve_number = r->lots;
}

void remote_relieve(struct remote *r)
{
    tell_of_single_records(r);
    remote_set_aside(r);
}

static bool settle_all(struct remote *r)
{
    const bool is_any = r->settled_count > 0;
    for (uint32_t i = 0; i < r->settled_count; i++) { /* settled() may put the next parcel */
        CHECK(r->unsettled > 0);
        r->unsettled--;
        r->settled[i]->settled(r->settled[i]);
    }
    r->settled_count = 0;
    return is_any;
}

bool remote_is_failing(const struct remote *r)
{
    return r->breaker.state != REMOTE_CLOSED || r->breaker.failures > 0 || r->was_told_spool || r->was_told_dead;
}

static void status_tell(struct remote *r)
{
    const bool failing = remote_is_failing(r);
    if (failing != r->was_failing && r->cfg.on_status)
        r->cfg.on_status(r->cfg.message_arg);
    r->was_failing = failing;
}

/* What is sent makes room for more of the spool: it is read while the answers are waited for. */
static void send_and_refill(struct remote *r)
{
    uint64_t before;
    do {
        before = r->stats.requests;
        flight_send_all(r);
        readback_run(r);
    } while (r->stats.requests != before);
}

void remote_run(struct remote *r, uint64_t now_ns)
{
    r->now_ns = now_ns;
    limits_read(r);
    breaker_follow(&r->breaker, r->d);
    spill_run(r);
    outcomes_take(r);
    doom_write(r);
    if (settle_all(r) && r->cfg.on_taken)
        r->cfg.on_taken(r->cfg.message_arg);
    readback_evicted(r);
    readback_budget(r);
    readback_run(r);
    doom_old(r);
    spill_full(r);
    flight_deadlines(r);
    send_and_refill(r);
    stop_run(r);
    spill_run(r);
    doom_write(r);
    if (r->spool)
        spool_tick(r->spool, now_ns);
    readback_evicted(r); /* what the writes and the age limit of this run have pushed out */
    (void)settle_all(r);
    status_tell(r);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t remote_deadline(const struct remote *r)
{
    uint64_t at = flight_deadline(r);
    if (r->settled_count)
        return 0;
    if (r->d->retry_deadline_ns != OPT_UNSET && r->fresh.records)
        at = least(at, r->fresh.head->since_ns + r->d->retry_deadline_ns);
    if (r->old.records && r->pause_ns > r->now_ns)
        at = least(at, r->pause_ns);
    if (r->d->spool_rate != OPT_UNSET && r->old.records && r->old_budget <= 0)
        at = least(at, r->now_ns + NS_PER_S / 10);
    if (r->spool && !r->spilled_count && spool_can_put(r->spool) && spill_is_wanted(r))
        at = least(at, r->spill_again_ns);
    if (r->doomed_count && !r->doomed_writing)
        at = least(at, r->dead_again_ns);
    if (r->is_stopping && !r->is_abandoned && (r->now_ns < r->stop_ns || !r->sent_count))
        at = least(at, r->stop_ns); /* after that an answer is what it waits for */
    return r->spool ? least(at, spool_deadline(r->spool)) : at;
}

void remote_drain(struct remote *r)
{
    r->is_draining = true;
}

void remote_stats(const struct remote *r, struct remote_stats *ret)
{
    struct spool_counts c = {0};
    int64_t oldest_ns = 0;
    struct item i;
    if (r->spool)
        spool_counts(r->spool, &c);
    *ret = r->stats;
    ret->taken += c.found;
    ret->dropped_spool_size = c.dropped_size;
    ret->dropped_spool_age = c.dropped_age;
    ret->dropped_corrupt += c.dropped_corrupt;
    ret->spooled_records = c.records;
    ret->spooled_bytes = c.bytes;
    ret->dead_evicted = r->dead ? deadletter_evicted(r->dead) : 0;
    ret->in_flight = r->sent_count;
    ret->in_flight_limit = r->adapt.limit;
    ret->latency_ns = r->adapt.latency_ns;
    ret->breaker = r->breaker.state;
    ret->breaker_opened = r->breaker.opened;
    if (r->bundles)
        oldest_ns = r->bundles->items[0].entry->time_ns;
    else if (queue_peek(&r->old, &i) || queue_peek(&r->fresh, &i))
        oldest_ns = i.entry ? i.entry->time_ns : i.lot->parcel->oldest_ns;
    ret->oldest_ns = (uint64_t)oldest_ns;
}
