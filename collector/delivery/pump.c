#include "collector/delivery/pump.h"

#include "collector/delivery/encoded.h"
#include "collector/delivery/losses.h"
#include "collector/delivery/pipeline_internal.h"
#include "collector/delivery/raw.h"
#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

static bool has_slot_room(const struct drain *d, const struct batch *b)
{
    return drain_touched(d) + 2 <= b->positions_max;
}

static int close_batch(struct pipeline *p, struct drain *d, struct err *e)
{
    struct batch *b = p->filling;
    /* Without room for larger slots, batches stay as small as they are. */
    if (!has_slot_room(d, b))
        pipeline_grow_slots(p, 2 * drain_touched(d));
    remotes_refuse(p, b);
    int r = drain_checkpoint(d, &b->checkpoint, e);
    if (r == 0)
        r = p->outputs.encodes_raw ? encoded_collect(b, &p->outputs, e) : raw_collect(b, &p->outputs, d, e);
    if (r == 0)
        r = losses_collect(b, &p->outputs, e);
    drain_release_copies(&b->checkpoint);
    return r < 0 ? r : pipeline_close_batch(p, e);
}

static bool is_full(const struct drain *d, const struct batch *b)
{
    return !has_slot_room(d, b) || b->ring_bytes >= b->ring_limit;
}

/* Takes records until the batch is full (1), or the turn over (-ENODATA). */
static int put_records(struct pipeline *p, struct drain *d, struct batch *b, struct err *e)
{
    const struct fapilog_record *r = drain_peek(d);
    while (r) {
        uint64_t bytes;
        bool fits;
        if (b->ring_bytes && b->ring_bytes + drain_peek_bytes(d) > b->ring_limit)
            return 1;
        const int res = batch_put(b, &p->buffers, &p->outputs, r, UINT32_MAX, &fits);
        if (unlikely(res < 0))
            return err_set(e, res, "no memory for a record of lane %u", r->id.lane);
        if (!fits)
            return 1;
        b->records += !r->internal;
        r = drain_next(d, &bytes);
        b->ring_bytes += bytes;
        if (is_full(d, b))
            return 1;
    }
    return -ENODATA;
}

/* ---- with stages or routes ---- */

static bool is_wanted(const struct pipeline *p, const struct fapilog_record *r)
{
    return p->outputs.level_mask >> (r->level & 31) & 1;
}

/* Of outputs those that can take a record which is not in a ring: spans of the ring have no place for it. */
static uint32_t not_spans(const struct pipeline *p, uint32_t among)
{
    return p->outputs.encodes_raw ? among : among & ((UINT32_C(1) << p->outputs.serialized_count) - 1);
}

static void route(struct pipeline *p, struct pipeline_staged *s)
{
    const uint32_t sinks = p->settings.routes ? routes_match(p->settings.routes, s->r) : p->everybody;
    s->among = outputs_leading_to(&p->outputs, sinks);
    s->is_unrouted = !sinks;
    if (!s->among)
        s->r = NULL;
}

/* Where the stages went without others in their place, native sinks take spans again, and never take these. */
static void route_emitted(struct pipeline *p)
{
    route(p, &p->emitted);
    p->emitted.among = not_spans(p, p->emitted.among);
    if (!p->emitted.among)
        p->emitted.r = NULL;
}

void pump_route_again(struct pipeline *p)
{
    if (p->staged.r)
        route(p, &p->staged);
    if (p->emitted.r)
        route_emitted(p);
}

/* The record runs through the stages once, however many batches it takes until it fits. */
static void stage(struct pipeline *p, const struct fapilog_record *r)
{
    struct pipeline_staged *s = &p->staged;
    if (s->of == r)
        return;
    *s = (struct pipeline_staged){ .of = r, .r = is_wanted(p, r) ? r : NULL };
    if (!s->r)
        return;
    if (p->settings.stages)
        s->r = stages_run(p->settings.stages, r);
    s->is_filtered = !s->r;
    if (s->r)
        route(p, s);
    if (s->r && p->tap)
        p->tap(p->tap_arg, s->r);
}

/* seg: that it comes from; NULL for a record that a stage has made. */
static int put_staged(struct pipeline *p, struct batch *b, const struct pipeline_staged *s,
                      const struct segment *seg, bool *ret_fits, struct err *e)
{
    int res = 0;
    *ret_fits = true;
    if (unlikely(p->outputs.encodes_raw))
        res = encoded_prepare(b, &p->outputs, seg, s->r, s->among, ret_fits);
    if (likely(res == 0 && *ret_fits))
        res = batch_put(b, &p->buffers, &p->outputs, s->r, s->among, ret_fits);
    if (unlikely(p->outputs.encodes_raw) && res == 0 && *ret_fits)
        encoded_take(b, &p->outputs);
    return res < 0 ? err_set(e, res, "no memory for a record of lane %u", s->r->id.lane) : 0;
}

/* As put_records(). */
static int put_through_stages(struct pipeline *p, struct drain *d, struct batch *b, struct err *e)
{
    for (const struct fapilog_record *r; (r = drain_peek(d));) {
        bool fits = true;
        int res = 0;
        if (b->ring_bytes && b->ring_bytes + drain_peek_bytes(d) > b->ring_limit)
            return 1;
        stage(p, r);
        if (p->staged.r)
            res = put_staged(p, b, &p->staged, drain_peek_source(d)->seg, &fits, e);
        if (res < 0 || !fits)
            return res < 0 ? res : 1;
        if (!r->internal) { /* no service has written our own reports */
            b->filtered += p->staged.is_filtered;
            b->unrouted += p->staged.is_unrouted;
            b->records += !p->staged.is_filtered && !p->staged.is_unrouted;
        }
        p->staged.of = NULL;
        b->ring_bytes += drain_accept(d);
        if (is_full(d, b))
            return 1;
    }
    return -ENODATA;
}

/* Those that a reload has replaced say what they still have to say, until nothing new comes up. */
static const struct fapilog_record *last_of_leaving(struct pipeline *p)
{
    for (;;) {
        const struct fapilog_record *r = stages_emitted(p->leaving);
        if (r)
            return r;
        stages_tick(p->leaving, UINT64_MAX);
        if (!p->leaving->emitted_count)
            return NULL;
    }
}

static const struct fapilog_record *take_emitted(struct pipeline *p)
{
    if (unlikely(p->leaving)) {
        const struct fapilog_record *r = last_of_leaving(p);
        if (r)
            return r;
        p->leaving = NULL;
    }
    return p->settings.stages ? stages_emitted(p->settings.stages) : NULL;
}

/* The next record that a stage has made and somebody wants. */
static bool next_emitted(struct pipeline *p)
{
    while (!p->emitted.r) {
        p->emitted = (struct pipeline_staged){ .r = take_emitted(p) };
        if (!p->emitted.r)
            return false;
        if (is_wanted(p, p->emitted.r))
            route_emitted(p);
        else
            p->emitted.r = NULL;
    }
    return true;
}

/* Between turns. Stages speak to all sinks: not in a batch that some of them have had. */
static int put_emitted(struct pipeline *p, struct drain *d, struct err *e)
{
    while (!d->is_fenced && next_emitted(p)) {
        struct batch *b = pipeline_filling(p, d);
        bool fits;
        if (!b)
            return 0;
        int r = put_staged(p, b, &p->emitted, NULL, &fits, e);
        if (r == 0 && !fits)
            r = close_batch(p, d, e);
        if (r < 0)
            return r;
        if (fits) {
            b->emitted++;
            p->emitted.r = NULL;
        }
    }
    return 0;
}

/* Outputs of the sinks that notes are for, without the one that it is about. */
static uint32_t wanting_note(const struct pipeline *p, const struct note *n)
{
    uint32_t sinks = p->notes->sinks;
    for (uint32_t i = 0; i < p->targets_count; i++)
        if (strcmp(p->target[i].sink->common.name, n->about) == 0)
            sinks &= ~p->target[i].bit;
    return not_spans(p, outputs_leading_to(&p->outputs, sinks));
}

/* What the collector has to say of itself, in a batch like the others but past the stages and routes. */
static int put_notes(struct pipeline *p, struct drain *d, struct err *e)
{
    const struct note *n;
    while (!d->is_fenced && (n = notes_peek(p->notes))) {
        const struct pipeline_staged s = { .r = &n->r, .among = is_wanted(p, &n->r) ? wanting_note(p, n) : 0 };
        struct batch *b = s.among ? pipeline_filling(p, d) : NULL;
        bool fits = true;
        if (s.among && !b)
            return 0;
        int r = b ? put_staged(p, b, &s, NULL, &fits, e) : 0;
        if (r == 0 && !fits)
            r = close_batch(p, d, e);
        if (r < 0)
            return r;
        if (!fits)
            continue;
        if (b)
            b->emitted++;
        notes_done(p->notes);
    }
    return 0;
}

static void tick(struct pipeline *p, const struct drain *d)
{
    struct stages *c = p->settings.stages;
    if (d->is_open && p->ticked_turn != d->turn) {
        p->ticked_turn = d->turn;
        stages_tick(c, d->turn_at_ns);
    } else if (!d->is_open && clock_mono_ns() >= stages_deadline(c)) {
        stages_tick(c, clock_mono_ns());
    }
}

/* All is read: what the stages still have to say is told, until it brings up nothing new. */
static int end_stages(struct pipeline *p, struct drain *d, struct err *e)
{
    if (p->emitted.r)
        return 0; /* the window is full */
    stages_tick(p->settings.stages, UINT64_MAX);
    p->has_ended = !next_emitted(p);
    return put_emitted(p, d, e);
}

static int put_spans(struct drain *d, struct batch *b)
{
    do {
        uint64_t records;
        const uint64_t bytes = drain_take_span(d, b->ring_limit - b->ring_bytes, &records);
        if (!bytes)
            return -ENODATA;
        b->records += records;
        b->ring_bytes += bytes;
    } while (!is_full(d, b));
    return 1;
}

/* 1: the turn is over; 0: the window is full. */
static int fill(struct pipeline *p, struct drain *d, struct err *e)
{
    for (;;) {
        struct batch *b = pipeline_filling(p, d);
        if (!b)
            return 0;
        int r = d->is_raw_only ? put_spans(d, b)
                : p->settings.stages || p->settings.routes || p->tap ? put_through_stages(p, d, b, e)
                                                           : put_records(p, d, b, e);
        if (r == -ENODATA)
            return 1;
        if (r > 0)
            r = close_batch(p, d, e);
        if (r < 0)
            return r;
    }
}

/* Others want the window empty. */
static int put_down(struct pipeline *p, struct drain *d, struct err *e)
{
    if (!p->filling)
        return 0;
    if (drain_touched(d) || p->filling->emitted)
        return close_batch(p, d, e);
    pipeline_drop_batch(p);
    return 0;
}

/* A lane has given the batch a quarter of what it can hold: remote sinks get it now, while there is room for their
 * answers to come. */
static bool is_quarter_of_lane(const struct drain *d)
{
    for (uint32_t i = 0; i < d->touched_count; i++) {
        const struct lane *l = d->touched[i].lane;
        if (l && l->taken - l->span_from > (UINT64_C(1) << l->source->seg->lanes[l->index].cap_log2) / 4)
            return true;
    }
    return false;
}

static int between_turns(struct pipeline *p, struct drain *d, struct err *e)
{
    int r = 0;
    if (p->settings.stages || p->leaving)
        r = put_emitted(p, d, e);
    if (r == 0 && p->settings.stages && p->is_ending && !p->has_ended)
        r = end_stages(p, d, e);
    if (r == 0 && p->notes)
        r = put_notes(p, d, e);
    if (r < 0 || !p->filling)
        return r;
    if (!drain_touched(d) && !p->filling->emitted)
        pipeline_drop_batch(p);
    else if (d->is_fenced || pipeline_is_hungry(p) || (p->remotes_count && is_quarter_of_lane(d)))
        return close_batch(p, d, e);
    return 0;
}

static bool is_attached(const struct drain *d, const struct drain_fence *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        if (segments_find(d->segments, &f->position[i]))
            return true;
    }
    return false;
}

/* A fence that is read again, and those behind it, cost an empty turn where nothing is left of them. */
void pump_turn_begins(struct pipeline *p, struct drain *d)
{
    if (likely(!p->fences_count) || p->attached_seen == d->segments->stats.attached)
        return;
    p->attached_seen = d->segments->stats.attached;
    uint32_t to = 0;
    while (to < d->fence && !is_attached(d, &p->fences[to]))
        to++;
    if (to == d->fences_count)
        return;
    d->fence = to;
    d->is_fenced = false; /* the one that we were at as well: its turn did not know the segment */
    if (p->fence_next > to)
        p->fence_next = to;
}

int pump_run(struct pipeline *p, struct drain *d, struct err *e)
{
    if (p->settings.stages)
        tick(p, d);
    if (d->is_open)
        pipeline_pass_fences(p, d->fence);
    if (unlikely(p->is_paused) && pipeline_has_caught_up(p)) {
        const int r = p->leaving ? put_emitted(p, d, e) : 0; /* of the reload before this one */
        return r < 0 ? r : put_down(p, d, e);
    }
    if (d->is_open) {
        /* What was gathered is not to be mixed with what only some of the sinks get. */
        int r = d->is_fenced && p->filling && !p->filling->is_fenced ? put_down(p, d, e) : 0;
        if (r == 0)
            r = fill(p, d, e);
        if (r <= 0)
            return r;
    }
    return between_turns(p, d, e);
}
