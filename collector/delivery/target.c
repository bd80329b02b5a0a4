/* A local sink: settles one open batch after the other. */
#include "collector/delivery/pipeline_internal.h"

#include "lib/base/check.h"
#include "lib/base/fault.h"

#include <stdio.h>
#include <string.h>

static const char *place_of(const struct sink *s)
{
    const char *place = s->ops->place ? s->ops->place(s) : NULL;
    return place ? place : "";
}

const char *target_reason(const struct target *t, char ret[TARGET_REASON_MAX])
{
    static struct remote_stats stats; /* large; the collector has one thread */
    if (t->remote) {
        remote_stats(t->remote, &stats);
        (void)snprintf(ret, TARGET_REASON_MAX, "%s", stats.last_reason);
        return ret;
    }
    const char *place = place_of(t->sink);
    (void)snprintf(ret, TARGET_REASON_MAX, "%s%s%s", place, *place ? ": " : "", strerror(-t->last_error));
    return ret;
}

static void failed(struct target *t, int error)
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
        char text[TARGET_REASON_MAX + 256], reason[TARGET_REASON_MAX];
        (void)snprintf(text, sizeof text, "sink %s: %s; trying again, the records wait in their rings",
                       t->sink->common.name, target_reason(t, reason));
        pipeline_say(p, text);
    }
}

static void recovered(struct target *t)
{
    if (!t->is_failing)
        return;
    t->is_failing = false;
    t->pipeline->status_version++;
    char text[256];
    (void)snprintf(text, sizeof text, "sink %s: works again after %llu failures", t->sink->common.name,
                   (unsigned long long)t->errors);
    pipeline_say(t->pipeline, text);
}

/* Sinks that keep no mark (a terminal) have an all-zero one. */
void target_take_mark(struct target *t)
{
    memset(&t->mark, 0, sizeof t->mark);
    if (t->sink->ops->mark)
        t->sink->ops->mark(t->sink, &t->mark);
    t->has_mark = true;
}

/* A sink goes on in another file. What it has of the batch under way does not count yet: its mark moves, and
 * what it has settled before must be said in the same breath, since the old mark is gone with this. */
static void on_mark_changed(struct sink *s)
{
    struct target *t = s->core;
    target_take_mark(t);
    pipeline_store(t->pipeline, NULL);
    FAULT_POINT("mark-changed");
}

static void settle(struct target *t)
{
    struct pipeline *p = t->pipeline;
    CHECK(t->next < p->open_count);
    p->open[t->next++]->settled |= t->bit;
    p->is_changed = true;
}

static void on_done(struct sink *s, int result)
{
    struct target *t = s->core;
    CHECK(t->state == TARGET_WRITING);
    FAULT_POINT("sink-done");
    if (result < 0) {
        failed(t, result);
        return;
    }
    recovered(t);
    t->state = TARGET_IDLE;
    t->records += t->view.records - s->refused;
    t->bytes += t->view.bytes - s->refused_bytes;
    t->refused += s->refused;
    target_take_mark(t);
    settle(t);
}

static void on_warn(struct sink *s, const struct err *e)
{
    char text[ERR_TEXT_MAX + 64];
    const struct target *t = s->core;
    (void)snprintf(text, sizeof text, "sink %s: %s", s->common.name, e->text);
    pipeline_say(t->pipeline, text);
}

void target_hook(struct sink *s)
{
    s->done = on_done;
    s->mark_changed = on_mark_changed;
    s->warn = on_warn;
}

/* What of the batch goes to this sink. */
static void share(struct target *t, const struct batch *b)
{
    const uint32_t i = t->output;
    t->view = (struct sink_batch){ .id = b->id };
    if (t->pipeline->outputs.output[i].kind == OUTPUT_TEXT) {
        t->view.chunks = &b->chunk[i].chunk;
        t->view.chunks_count = 1;
        t->view.records = t->view.chunks->records;
        t->view.bytes = t->view.chunks->len;
    } else {
        t->view.losses = b->loss;
        t->view.losses_count = b->losses_count;
        t->view.spans = b->span + b->span_first[i];
        t->view.spans_count = b->span_first[i + 1] - b->span_first[i];
        t->view.records = b->span_records[i];
        t->view.bytes = b->span_bytes[i];
    }
}

static bool is_alone(const struct target *t)
{
    const struct pipeline *p = t->pipeline;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *other = &p->target[i];
        if (other != t && (!other->remote || !remote_wants_images(other->remote)))
            return false;
    }
    return true;
}

static void start(struct target *t)
{
    t->sink->is_alone = is_alone(t);
    t->state = TARGET_WRITING;
    FAULT_POINT("write");
    t->sink->ops->write(t->sink, &t->view);
}

/* Sinks are only disturbed between batches; one that has failed may be reopened before it retries. */
static void upkeep(struct target *t, uint64_t now_ns)
{
    struct err e = { 0 };
    const struct sink_ops *ops = t->sink->ops;
    if (t->wants_reopen) {
        t->wants_reopen = false;
        if (ops->reopen && ops->reopen(t->sink, &e) < 0)
            pipeline_say(t->pipeline, e.text);
        t->retry_at_ns = now_ns;
    }
    if (t->wants_rotate) {
        t->wants_rotate = false;
        FAULT_POINT("rotate");
        if (ops->rotate && ops->rotate(t->sink, &e) < 0)
            pipeline_say(t->pipeline, e.text);
    }
    if (t->state == TARGET_IDLE && ops->tick && now_ns >= t->tick_at_ns) {
        t->tick_at_ns = now_ns + PIPELINE_TICK_NS;
        ops->tick(t->sink, now_ns);
    }
}

bool target_run(struct target *t, uint64_t now_ns)
{
    struct pipeline *p = t->pipeline;
    if (t->state == TARGET_WRITING)
        return false;
    upkeep(t, now_ns);
    if (t->state == TARGET_WAITING) {
        if (now_ns < t->retry_at_ns)
            return false;
        start(t);
        return true;
    }
    const uint32_t before = t->next;
    for (; t->state == TARGET_IDLE && t->next < p->open_count;) {
        const struct batch *b = p->open[t->next];
        share(t, b);
        if (b->settled & t->bit)
            t->next++; /* of a former run */
        else if (!t->view.bytes && !t->view.losses_count)
            settle(t);
        else
            start(t);
    }
    return t->next != before || t->state != TARGET_IDLE;
}

uint64_t target_deadline(const struct target *t)
{
    if (t->state == TARGET_WAITING)
        return t->retry_at_ns;
    return t->state == TARGET_IDLE && t->sink->ops->tick ? t->tick_at_ns : UINT64_MAX;
}

/* A sink counts what it has written: what it has yet to write comes off, and where that does not fit, it will
 * go on in a fresh file. A guess that is wrong costs a file its last few bytes, nothing else. */
uint64_t target_room(struct target *t, uint64_t most)
{
    const struct pipeline *p = t->pipeline;
    if (!t->sink->ops->room)
        return most;
    uint64_t room = t->sink->ops->room(t->sink);
    if (room > t->room_most)
        t->room_most = room;
    for (uint32_t i = t->next; i < p->open_count; i++) {
        const uint64_t bytes = batch_output_bytes(p->open[i], &p->outputs, t->output);
        room = bytes <= room ? room - bytes : bytes < t->room_most ? t->room_most - bytes : 0;
    }
    const uint64_t usual = most < t->room_most ? most : t->room_most;
    if (t->next < p->open_count && room < usual / 16)
        room = t->room_most;
    return room < most ? room : most;
}
