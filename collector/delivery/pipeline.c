#include "collector/delivery/pipeline.h"

#include "collector/delivery/pipeline_internal.h"
#include "collector/ingest/release.h"
#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void say(const struct pipeline *p, const char *text)
{
    if (p->on_message)
        p->on_message(p->message_arg, text);
}

static void target_failed(struct target *t, int error)
{
    struct pipeline *p = t->pipeline;
    const bool is_first = !t->is_failing;
    t->errors++;
    t->last_error = error;
    t->is_failing = true;
    t->retry_pause_ns = is_first ? PIPELINE_RETRY_FIRST_NS : t->retry_pause_ns * 2;
    if (t->retry_pause_ns > PIPELINE_RETRY_MAX_NS)
        t->retry_pause_ns = PIPELINE_RETRY_MAX_NS;
    t->retry_at_ns = clock_mono_ns() + t->retry_pause_ns;
    t->state = TARGET_WAITING;
    p->status_version++;
    if (is_first) {
        char text[256];
        (void)snprintf(text, sizeof text, "sink %s: %s; trying again, the records wait in their rings",
                       t->sink->common.name, strerror(-error));
        say(p, text);
    }
}

static void target_recovered(struct target *t)
{
    if (!t->is_failing)
        return;
    t->is_failing = false;
    t->pipeline->status_version++;
    char text[256];
    (void)snprintf(text, sizeof text, "sink %s: works again after %llu failures", t->sink->common.name,
                   (unsigned long long)t->errors);
    say(t->pipeline, text);
}

void pipeline_store_marks(struct pipeline *p, const struct position *positions, uint32_t count)
{
    struct commit_sink sinks[FAPILOG_SINKS_MAX];
    uint32_t sinks_count = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].has_mark)
            sinks[sinks_count++] = (struct commit_sink){ p->target[i].identity, p->target[i].mark };
    }
    commit_store(p->commit, sinks, sinks_count, positions, count);
}

/* Sinks that keep no mark (a terminal) have an all-zero one. */
void pipeline_take_mark(const struct target *t, struct sink_mark *ret)
{
    memset(ret, 0, sizeof *ret);
    if (t->sink->ops->mark)
        t->sink->ops->mark(t->sink, ret);
}

/* A sink goes on in another file. What it has of the batch under way does not count yet, so the
 * positions stay and only its own mark moves. */
static void on_mark_changed(struct sink *s)
{
    struct target *t = s->core;
    uint32_t count;
    CHECK(t->state != TARGET_DONE);
    pipeline_take_mark(t, &t->mark);
    t->has_mark = true;
    const struct position *same = commit_positions(t->pipeline->commit, &count);
    pipeline_store_marks(t->pipeline, same, count);
    FAULT_POINT("mark-changed");
}

static void batch_commit(struct pipeline *p)
{
    struct batch *b = p->writing;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        t->mark = t->mark_next;
        t->records += t->view.records;
        t->bytes += t->view.bytes;
        t->state = TARGET_IDLE;
    }
    FAULT_POINT("written");
    pipeline_store_marks(p, b->checkpoint.position, b->checkpoint.count);
    release_checkpoint(&b->checkpoint);
    FAULT_POINT("released");
    p->committed_records += b->records;
    p->committed_batches++;
    b->state = BATCH_FREE;
    p->writing = NULL;
}

static void commit_when_all_done(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].state != TARGET_DONE)
            return;
    }
    batch_commit(p);
}

static void on_done(struct sink *s, int result)
{
    struct target *t = s->core;
    CHECK(t->state == TARGET_WRITING);
    FAULT_POINT("sink-done");
    if (result < 0) {
        target_failed(t, result);
        return;
    }
    target_recovered(t);
    t->state = TARGET_DONE;
    pipeline_take_mark(t, &t->mark_next);
}

static void on_warn(struct sink *s, const struct err *e)
{
    char text[ERR_TEXT_MAX + 64];
    const struct target *t = s->core;
    (void)snprintf(text, sizeof text, "sink %s: %s", s->common.name, e->text);
    say(t->pipeline, text);
}

void pipeline_hook_sink(struct sink *s)
{
    s->done = on_done;
    s->mark_changed = on_mark_changed;
    s->warn = on_warn;
}

static void target_start(struct target *t)
{
    t->state = TARGET_WRITING;
    FAULT_POINT("write");
    t->sink->ops->write(t->sink, &t->view);
}

/* What of the batch goes to this target; nothing to write means it has it already. */
static void target_begin(struct target *t, struct batch *b)
{
    const struct output *o = &t->pipeline->outputs.output[t->output];
    t->view = (struct sink_batch){ .id = b->id };
    if (o->format) {
        t->view.chunks = &b->chunk[t->output].chunk;
        t->view.chunks_count = 1;
        t->view.records = t->view.chunks->records;
        t->view.bytes = t->view.chunks->len;
    } else {
        t->view.spans = b->span + b->span_first[t->output];
        t->view.spans_count = b->span_first[t->output + 1] - b->span_first[t->output];
        t->view.records = b->span_records[t->output];
        t->view.bytes = b->span_bytes[t->output];
    }
    if (t->view.bytes) {
        target_start(t);
    } else {
        t->state = TARGET_DONE;
        pipeline_take_mark(t, &t->mark_next);
    }
}

static void batch_begin(struct pipeline *p)
{
    struct batch *b = p->closed;
    p->closed = NULL;
    p->writing = b;
    b->state = BATCH_WRITING;
    for (uint32_t i = 0; i < p->targets_count; i++)
        target_begin(&p->target[i], b);
}

/* Bytes that a new batch may hold for one output. A sink counts what it has written; what it is just
 * being given comes off. False: the boundary is so near that it is better to wait for the sink. */
static bool output_room(const struct pipeline *p, uint32_t output, uint64_t most, uint64_t *ret)
{
    const struct batch *busy = p->writing ? p->writing : p->closed;
    const bool is_text = p->outputs.output[output].format != NULL;
    uint64_t under_way = 0;
    if (busy)
        under_way = is_text ? busy->chunk[output].chunk.len : busy->span_bytes[output];
    *ret = most;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (t->output != output || !t->sink->ops->room)
            continue;
        uint64_t room = t->sink->ops->room(t->sink);
        if (under_way && room < under_way + most / 16)
            return false;
        room -= under_way;
        if (room < *ret)
            *ret = room;
    }
    return true;
}

struct batch *pipeline_filling(struct pipeline *p)
{
    if (p->filling)
        return p->filling;
    if (p->closed)
        return NULL;
    struct batch *b = p->batch[0].state == BATCH_FREE ? &p->batch[0] : &p->batch[1];
    CHECK(b->state == BATCH_FREE);
    uint64_t limit[OUTPUTS_MAX];
    for (uint32_t i = 0; i < p->outputs.count; i++) {
        if (!output_room(p, i, i < p->outputs.text_count ? BATCH_BUFFER_BYTES : BATCH_RING_BYTES, &limit[i]))
            return NULL;
    }
    batch_reset(b, &p->outputs, ++p->batch_id);
    for (uint32_t i = 0; i < p->outputs.count; i++) {
        if (i < p->outputs.text_count)
            b->chunk[i].limit = limit[i];
        else if (limit[i] < b->ring_limit)
            b->ring_limit = limit[i];
    }
    b->positions_max = commit_room(p->commit, p->targets_count);
    p->filling = b;
    return b;
}

void pipeline_close_batch(struct pipeline *p)
{
    CHECK(p->filling != NULL && p->closed == NULL);
    FAULT_POINT("batch-closed");
    p->filling->state = BATCH_CLOSED;
    p->closed = p->filling;
    p->filling = NULL;
    if (!p->writing)
        batch_begin(p);
}

void pipeline_drop_batch(struct pipeline *p)
{
    CHECK(p->filling->records == 0);
    p->filling->state = BATCH_FREE;
    p->filling = NULL;
}

/* Sinks are only disturbed between batches; one that has failed may be reopened before it retries. */
static void target_upkeep(struct target *t, uint64_t now_ns)
{
    struct err e = { 0 };
    const struct sink_ops *ops = t->sink->ops;
    if (t->state != TARGET_IDLE && t->state != TARGET_WAITING)
        return;
    if (t->wants_reopen) {
        t->wants_reopen = false;
        if (ops->reopen && ops->reopen(t->sink, &e) < 0)
            say(t->pipeline, e.text);
        t->retry_at_ns = now_ns;
    }
    if (t->wants_rotate) {
        t->wants_rotate = false;
        FAULT_POINT("rotate");
        if (ops->rotate && ops->rotate(t->sink, &e) < 0)
            say(t->pipeline, e.text);
    }
    if (t->state == TARGET_IDLE && ops->tick && now_ns >= t->tick_at_ns) {
        t->tick_at_ns = now_ns + PIPELINE_TICK_NS;
        ops->tick(t->sink, now_ns);
    }
}

void pipeline_run(struct pipeline *p, uint64_t now_ns)
{
    if (p->writing)
        commit_when_all_done(p);
    for (uint32_t i = 0; i < p->targets_count; i++)
        target_upkeep(&p->target[i], now_ns);
    for (uint32_t i = 0; p->writing && i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (t->state == TARGET_WAITING && now_ns >= t->retry_at_ns)
            target_start(t);
    }
    if (!p->writing && p->closed)
        batch_begin(p);
}

uint64_t pipeline_deadline(const struct pipeline *p)
{
    uint64_t deadline = UINT64_MAX;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        uint64_t at = UINT64_MAX;
        if (t->state == TARGET_WAITING)
            at = t->retry_at_ns;
        else if (t->state == TARGET_IDLE && t->sink->ops->tick)
            at = t->tick_at_ns;
        if (at < deadline)
            deadline = at;
    }
    return deadline;
}

bool pipeline_is_idle(const struct pipeline *p)
{
    return !p->filling && !p->closed && !p->writing;
}

void pipeline_want_reopen(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++)
        p->target[i].wants_reopen = true;
}

void pipeline_want_rotate(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++)
        p->target[i].wants_rotate = true;
}

const struct target *pipeline_failing(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].is_failing)
            return &p->target[i];
    }
    return NULL;
}
