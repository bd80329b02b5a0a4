#include "collector/stage/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Groups in their order, and inside a group what was given first. */
static void sort_into_groups(struct stages *c, struct stage *const *stages, uint32_t count)
{
    for (unsigned group = 0; group < STAGE_GROUP_COUNT; group++) {
        for (uint32_t i = 0; i < count; i++)
            if (stages[i]->ops->group == group)
                c->stage[c->count++] = stages[i];
        if (group == STAGE_FILTER)
            c->filters = c->count;
    }
}

static bool name_is_taken(const struct stages *c, uint32_t before, const char *name)
{
    for (uint32_t i = 0; i < before; i++)
        if (strcmp(c->stage[i]->name, name) == 0)
            return true;
    return false;
}

/* "sampling", "sampling-2", "sampling-3": what counters and messages call them. A name that was given stays. */
static int name_them(struct stages *c, struct err *e)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const char *const kind = c->stage[i]->ops->kind;
        char name[96];
        (void)snprintf(name, sizeof name, "%s", c->stage[i]->name);
        for (unsigned n = 2; name_is_taken(c, i, name); n++)
            (void)snprintf(name, sizeof name, "%s-%u", kind, n);
        char *const kept = strdup(name);
        if (!kept)
            return err_set(e, -ENOMEM, "stages: out of memory");
        free((char *)(uintptr_t)c->stage[i]->name);
        c->stage[i]->name = kept;
    }
    return 0;
}

static int open_one(struct stages *c, struct stage *s, struct err *e)
{
    memset(s->state, 0, s->ops->state_size);
    s->chain = c;
    s->changes = s->ops->changes;
    s->counters = (struct stage_counters){0};
    s->warned.said = s->warned.swallowed = 0;
    s->warned.since_ns = 0;
    const int r = s->ops->open ? s->ops->open(s, e) : 0;
    if (r == 0)
        return 0;
    if (s->ops->close)
        s->ops->close(s);
    s->chain = NULL;
    return err_wrap(e, r, "stage %s", s->name);
}

int stages_open(struct stages *c, struct stage *const *stages, uint32_t count, struct err *e)
{
    *c = (struct stages){.on_message = c->on_message, .message_arg = c->message_arg, .tick_at_ns = UINT64_MAX};
    if (count > STAGES_MAX)
        return err_set(e, -E2BIG, "stages: %u are more than the %d that a pipeline may have", count, STAGES_MAX);
    if (stage_record_open(&c->record) < 0 || stage_record_open(&c->made) < 0 || stages_emitted_open(c) < 0) {
        stages_close(c);
        return err_set(e, -ENOMEM, "stages: out of memory");
    }
    sort_into_groups(c, stages, count);
    int r = name_them(c, e);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        r = open_one(c, c->stage[i], e);
        if (r < 0)
            c->count = i; /* those that stages_close() has to close */
        else if (c->stage[i]->ops->tick)
            c->tick_at_ns = 0;
        c->changes |= c->stage[i]->changes;
    }
    if (r < 0) {
        stages_close(c);
        return r;
    }
    return 0;
}

void stages_close(struct stages *c)
{
    while (c->count) {
        struct stage *const s = c->stage[--c->count];
        if (s->ops->close && s->chain)
            s->ops->close(s);
        s->chain = NULL;
    }
    stages_emitted_close(c);
    stage_record_close(&c->record);
    stage_record_close(&c->made);
    c->tick_at_ns = UINT64_MAX;
    c->filters = 0;
}

/* False: the record goes nowhere. */
static __attribute__((noinline)) bool failed(struct stage *s)
{
    s->counters.failed++;
    if (s->on_failure == STAGE_FAIL_WARN)
        stage_warn(s, "a record could not be treated and goes on as it is");
    if (s->on_failure != STAGE_FAIL_CLOSED)
        return true;
    s->counters.closed++;
    return false;
}

const struct fapilog_record *stages_run_from(struct stages *c, struct stage_record *sr, const struct fapilog_record *r,
                                             uint32_t from)
{
    stage_record_begin(sr, r);
    for (uint32_t i = from; i < c->count; i++) {
        struct stage *const s = c->stage[i];
        s->counters.seen++;
        const enum stage_verdict v = s->ops->run(s, sr);
        if (unlikely(sr->memory->touched)) {
            sr->memory->touched = false;
            s->counters.changed++;
        }
        if (likely(v == STAGE_PASS))
            continue;
        if (v == STAGE_DROP) {
            s->counters.dropped++;
            return NULL;
        }
        if (!failed(s))
            return NULL;
    }
    return sr->r;
}

const struct fapilog_record *stages_run(struct stages *c, const struct fapilog_record *r)
{
    return stages_run_from(c, &c->record, r, unlikely(r->internal) ? c->filters : 0);
}

void stages_tick(struct stages *c, uint64_t now_ns)
{
    c->record.now_ns = c->made.now_ns = now_ns;
    if (likely(now_ns < c->tick_at_ns && now_ns != UINT64_MAX))
        return;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->stage[i]->ops->tick)
            c->stage[i]->ops->tick(c->stage[i], now_ns);
    c->tick_at_ns = now_ns < UINT64_MAX - STAGE_TICK_NS ? now_ns + STAGE_TICK_NS : UINT64_MAX;
}

uint64_t stages_deadline(const struct stages *c)
{
    return c->tick_at_ns;
}
