#include "collector/delivery/pipeline.h"

#include "collector/delivery/pipeline_internal.h"
#include "collector/delivery/raw.h"
#include "collector/ingest/release.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <string.h>

void pipeline_say(const struct pipeline *p, const char *text)
{
    if (p->on_message)
        p->on_message(p->message_arg, text);
}

/* ---- the window ---- */

static void forget_open(struct pipeline *p, uint32_t index)
{
    memmove(&p->open[index], &p->open[index + 1], (p->open_count - index - 1) * sizeof p->open[0]);
    p->open_count--;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].next > index)
            p->target[i].next--;
    }
}

static bool is_under_way(const struct pipeline *p, uint32_t index)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (!t->remote && t->next == index && t->state != TARGET_IDLE)
            return true;
    }
    return false;
}

/* Whether a crash may treat the two as one: for a local sink, all or nothing. */
static bool have_same_owners(const struct pipeline *p, const struct batch *a, const struct batch *b)
{
    uint32_t local = 0;
    for (uint32_t i = 0; i < p->targets_count; i++)
        local |= p->target[i].remote ? 0 : p->target[i].bit;
    return ((a->settled ^ b->settled) & local) == 0;
}

static uint32_t outputs_waited_for(const struct pipeline *p, const struct batch *b)
{
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (!t->remote && !(b->settled & t->bit))
            wanted |= UINT32_C(1) << t->output;
    }
    return wanted;
}

/* The window is full: two neighbours that are in the same state become one. */
static bool merge_some(struct pipeline *p)
{
    for (uint32_t i = 0; i + 1 < p->open_count; i++) {
        struct batch *b = p->open[i], *next = p->open[i + 1];
        if (is_under_way(p, i) || is_under_way(p, i + 1) || !have_same_owners(p, b, next))
            continue;
        const uint32_t remote_settled = b->settled & next->settled;
        remotes_note_settled(p, b, ~next->settled);
        remotes_note_settled(p, next, ~b->settled);
        if (!batch_merge(b, next, &p->buffers, &p->outputs, outputs_waited_for(p, b)))
            continue;
        b->settled = remote_settled;
        remotes_move_tickets(b, next);
        forget_open(p, i + 1);
        p->is_changed = true;
        return true;
    }
    return false;
}

static struct batch *free_batch(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->settings.window; i++) {
        if (!p->batch[i].is_used)
            return &p->batch[i];
    }
    return NULL;
}

static void set_limits(struct pipeline *p, struct batch *b)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        const bool is_raw = p->outputs.output[t->output].kind == OUTPUT_RAW;
        if (t->remote)
            continue;
        uint64_t *room = is_raw && !p->outputs.encodes_raw ? &b->ring_limit : &b->chunk[t->output].room;
        const uint64_t own = target_room(t, is_raw ? BATCH_RING_BYTES : BUFFER_BYTES);
        if (own < *room)
            *room = own;
    }
}

struct batch *pipeline_filling(struct pipeline *p, const struct drain *d)
{
    if (p->filling)
        return p->filling;
    struct batch *b = free_batch(p);
    if (!b && merge_some(p))
        b = free_batch(p);
    const uint32_t positions_max = b ? pipeline_positions_room(p) : 0;
    p->is_full = !positions_max;
    if (p->is_full)
        return NULL;
    batch_begin(b, &p->outputs, ++p->batch_id);
    b->opened_ns = clock_mono_ns();
    b->positions_max = positions_max;
    b->is_fenced = d->is_fenced;
    if (d->is_fenced) {
        CHECK(d->fence < p->fences_count);
        b->settled = p->fence_skip[d->fence];
    }
    set_limits(p, b);
    if (b->opened_ns < p->pressed_until_ns && !d->is_fenced)
        b->images = remotes_images(p);
    p->filling = b;
    return b;
}

int pipeline_close_batch(struct pipeline *p, struct err *e)
{
    struct batch *b = p->filling;
    CHECK(b != NULL && p->open_count < WINDOW_MAX);
    FAULT_POINT("batch-closed");
    p->open[p->open_count++] = b;
    p->filling = NULL;
    const uint64_t now_ns = clock_mono_ns();
    if (b->ring_bytes >= PIPELINE_PRESSED_BYTES)
        p->pressed_until_ns = now_ns + PIPELINE_PRESSED_NS;
    /* Local sinks first: their text has just been written, and is still in the cache. */
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (!p->target[i].remote)
            (void)target_run(&p->target[i], 0); /* upkeep is due in pipeline_run() */
    }
    return remotes_put(p, b, now_ns) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

void pipeline_drop_batch(struct pipeline *p)
{
    CHECK(p->filling->records == 0);
    batch_end(p->filling, &p->buffers);
    p->filling = NULL;
}

bool pipeline_is_hungry(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (!t->remote && t->state == TARGET_IDLE && t->next == p->open_count)
            return true;
    }
    return p->remotes_count && clock_mono_ns() >= p->filling->opened_ns + PIPELINE_PARCEL_NS;
}

/* ---- running ---- */

static void commit_oldest(struct pipeline *p)
{
    struct batch *b = p->open[0];
    FAULT_POINT("written");
    pipeline_store(p, b);
    if (p->acked)
        acked_forget(p->acked, b->checkpoint.position, b->checkpoint.count);
    release_checkpoint(&b->checkpoint);
    FAULT_POINT("released");
    p->committed_records += b->records;
    p->committed_filtered += b->filtered;
    p->committed_unrouted += b->unrouted;
    p->committed_batches++;
    forget_open(p, 0);
    batch_end(b, &p->buffers);
}

static void commit_settled(struct pipeline *p)
{
    while (p->open_count && p->open[0]->settled == p->everybody)
        commit_oldest(p);
}

void pipeline_note_settled(struct pipeline *p)
{
    commit_settled(p);
    if (!p->is_changed)
        return;
    pipeline_store(p, NULL);
    FAULT_POINT("settled");
}

/* A segment has come, or is known to be gone. */
static void prune_acked(struct pipeline *p)
{
    const uint64_t seen = p->segments->stats.attached + p->segments->looks;
    if (seen == p->pruned_seen)
        return;
    p->pruned_seen = seen;
    acked_prune(p->acked, p->segments);
}

static void mend_acked(struct pipeline *p, uint64_t now_ns)
{
    struct err e;
    const int r = acked_mend(p->acked, now_ns, &e);
    if (r > 0 || (r < 0 && !p->was_told_acked))
        pipeline_say(p, e.text);
    if (r)
        p->was_told_acked = r < 0;
}

void pipeline_run(struct pipeline *p, uint64_t now_ns)
{
    bool goes_on = true;
    if (p->acked && p->segments)
        prune_acked(p);
    if (p->remotes_count)
        remotes_run(p, now_ns);
    while (goes_on) {
        commit_settled(p);
        goes_on = false;
        for (uint32_t i = 0; i < p->targets_count; i++)
            goes_on |= !p->target[i].remote && target_run(&p->target[i], now_ns);
    }
    if (p->acked)
        mend_acked(p, now_ns);
    pipeline_note_settled(p);
}

uint64_t pipeline_deadline(const struct pipeline *p)
{
    uint64_t deadline = p->remotes_count ? remotes_deadline(p) : UINT64_MAX;
    const uint64_t tick_at = p->settings.stages ? stages_deadline(p->settings.stages) : UINT64_MAX;
    if (tick_at < deadline)
        deadline = tick_at;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const uint64_t at = p->target[i].remote ? UINT64_MAX : target_deadline(&p->target[i]);
        if (at < deadline)
            deadline = at;
    }
    return deadline;
}

bool pipeline_is_idle(const struct pipeline *p, bool is_memory_too)
{
    for (uint32_t i = 0; is_memory_too && i < p->targets_count; i++) {
        if (p->target[i].remote && !remote_is_idle(p->target[i].remote, false))
            return false;
    }
    return !p->filling && !p->open_count;
}

void target_stats(const struct target *t, struct remote_stats *ret)
{
    if (!t->remote) {
        *ret = (struct remote_stats){ .taken = t->records + t->refused, .delivered = t->records,
                                      .delivered_bytes = t->bytes, .dropped_refused = t->refused, .failed = t->errors };
        return;
    }
    remote_stats(t->remote, ret);
    retired_sum(ret, &t->before);
}

bool pipeline_is_held(const struct pipeline *p)
{
    bool is_held = false;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (!t->remote && (t->state != TARGET_IDLE || t->next < p->open_count))
            return false;
        is_held |= t->remote && t->unsettled && t->is_failing && t->sink->delivery.on_full == SINK_FULL_BLOCK;
    }
    return is_held && p->is_full && !p->filling;
}

bool pipeline_is_stuck(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (t->remote ? !remote_is_idle(t->remote, false) : t->state != TARGET_IDLE || t->next < p->open_count)
            return false;
        if (t->unsettled && t->sink->delivery.on_full != SINK_FULL_BLOCK)
            return false; /* a disk that is full may have room again in time */
    }
    return p->open_count && !p->filling;
}

void pipeline_want_reopen(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++)
        p->target[i].wants_reopen = !p->target[i].remote;
}

void pipeline_want_rotate(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++)
        p->target[i].wants_rotate = !p->target[i].remote;
}

const struct target *pipeline_failing(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].is_failing)
            return &p->target[i];
    }
    return NULL;
}
