#include "collector/delivery/identity.h"
#include "collector/delivery/pipeline.h"
#include "collector/delivery/pipeline_internal.h"
#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUSY_WAIT_NS (2 * NS_PER_S)
#define BUSY_PAUSE_NS (5 * NS_PER_MS)

static bool name_is_taken(struct sink *const *sinks, uint32_t count, const char *name, const struct sink *except)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sinks[i] != except && sinks[i]->common.name && !strcmp(sinks[i]->common.name, name))
            return true;
    }
    return false;
}

int pipeline_name_sinks(struct sink *const *sinks, uint32_t count, struct err *e)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sink *s = sinks[i];
        if (s->common.name) {
            if (name_is_taken(sinks, i, s->common.name, s))
                return err_set(e, -EEXIST, "two sinks are named '%s'", s->common.name);
            continue;
        }
        char name[64];
        (void)snprintf(name, sizeof name, "%s", s->ops->scheme);
        for (unsigned n = 2; name_is_taken(sinks, count, name, s); n++)
            (void)snprintf(name, sizeof name, "%s-%u", s->ops->scheme, n);
        s->common.name = strdup(name);
        if (!s->common.name)
            return err_set(e, -ENOMEM, "out of memory");
    }
    return 0;
}

static int check_place(const struct sink *a, const struct sink *b, struct err *e)
{
    if (!b->ops->mark || sink_identity(a) != sink_identity(b))
        return 0;
    return err_set(e, -EEXIST, "sinks %s and %s write to the same place", a->common.name, b->common.name);
}

int pipeline_check(struct sink *const *sinks, uint32_t count, struct err *e)
{
    struct outputs outputs;
    uint32_t output[FAPILOG_SINKS_MAX];
    int r = outputs_init(&outputs, sinks, count, output, e);
    outputs_done(&outputs);
    for (uint32_t i = 0; i < count && r == 0; i++)
        for (uint32_t k = 0; k < i && r == 0; k++)
            r = check_place(sinks[k], sinks[i], e);
    return r;
}

static int targets_init(struct pipeline *p, struct sink *const *sinks, uint32_t count, struct err *e)
{
    uint32_t output[FAPILOG_SINKS_MAX];
    int r = outputs_init(&p->outputs, sinks, count, output, e);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < count; i++) {
        struct target *t = &p->target[i];
        *t = (struct target){ .pipeline = p, .sink = sinks[i], .output = output[i],
                              .identity = sink_identity(sinks[i]) };
        const struct sink_mark *mark = commit_mark(p->commit, t->identity);
        if (mark) {
            t->mark = *mark;
            t->has_mark = true;
        }
        for (uint32_t k = 0; k < i; k++) {
            r = check_place(sinks[k], sinks[i], e);
            if (r < 0)
                return r;
        }
        sinks[i]->io = p->io;
        sinks[i]->core = t;
        sinks[i]->is_alone = count == 1;
        pipeline_hook_sink(sinks[i]);
        p->targets_count++;
    }
    return 0;
}

/* The kernel takes an io_uring of a killed process down after the process itself is gone, and until
 * then its writes may go on and its locks hold: a file that is busy may be our own last run's. */
static int sink_open(struct sink *s, struct err *e)
{
    const uint64_t give_up_ns = clock_mono_ns() + BUSY_WAIT_NS;
    const struct timespec pause = { .tv_nsec = BUSY_PAUSE_NS };
    int r;
    while ((r = s->ops->open ? s->ops->open(s, e) : 0) == -EBUSY && clock_mono_ns() < give_up_ns) {
        if (s->ops->close)
            (void)s->ops->close(s, NULL);
        memset(s->state, 0, s->ops->state_size);
        (void)nanosleep(&pause, NULL);
    }
    return r;
}

static int target_open(struct target *t, struct err *e)
{
    const struct sink_ops *ops = t->sink->ops;
    t->is_open = true; /* close() is due even when open() fails */
    int r = sink_open(t->sink, e);
    if (r == 0 && t->has_mark && ops->recover) {
        const struct sink_mark mark = t->mark;
        r = ops->recover(t->sink, &mark, e);
    }
    if (r < 0)
        return err_wrap(e, r, "sink %s", t->sink->common.name);
    t->state = TARGET_IDLE;
    t->has_mark = true;
    pipeline_take_mark(t, &t->mark);
    return 0;
}

static int open_all(struct pipeline *p, struct sink *const *sinks, uint32_t count, struct err *e)
{
    int r = pipeline_name_sinks(sinks, count, e);
    if (r == 0)
        r = targets_init(p, sinks, count, e);
    if (r == 0)
        r = batch_pool_init(&p->pool, p->batch, &p->outputs, e);
    if (r == 0 && p->pool.buffers) {
        r = io_register_buffers(p->io, p->pool.base, BATCH_BUFFER_BYTES, p->pool.buffers);
        if (r < 0)
            (void)err_sys(e, r, "register output buffers");
    }
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = target_open(&p->target[i], e);
    return r;
}

int pipeline_open(struct pipeline *p, struct io *io, struct commit *commit, struct sink *const *sinks,
                  uint32_t sinks_count, struct err *e)
{
    CHECK(sinks_count > 0 && sinks_count <= FAPILOG_SINKS_MAX);
    p->io = io;
    p->commit = commit;
    int r = open_all(p, sinks, sinks_count, e);
    if (r < 0) {
        (void)pipeline_close(p, NULL);
        return r;
    }
    uint32_t count;
    const struct position *positions = commit_positions(commit, &count);
    r = commit_reserve(commit, sinks_count, count, e);
    if (r < 0) {
        (void)pipeline_close(p, NULL);
        return r;
    }
    positions = commit_positions(commit, &count);
    pipeline_store_marks(p, positions, count);
    return 0;
}

void pipeline_abandon(struct pipeline *p)
{
    for (unsigned i = 0; i < BATCHES; i++) {
        if (&p->batch[i] != p->writing || pipeline_is_settled(p))
            p->batch[i].state = BATCH_FREE;
    }
    p->filling = NULL;
    p->closed = NULL;
    if (pipeline_is_settled(p))
        p->writing = NULL;
}

bool pipeline_is_settled(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].state == TARGET_WRITING)
            return false;
    }
    return true;
}

int pipeline_close(struct pipeline *p, struct err *e)
{
    int first = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        struct err own = { 0 };
        if (!t->is_open || t->state == TARGET_WRITING)
            continue;
        t->is_open = false;
        const int r = t->sink->ops->close ? t->sink->ops->close(t->sink, &own) : 0;
        if (r < 0 && first == 0)
            first = err_set(e, r, "%s; sink %s", own.text, t->sink->common.name);
    }
    p->targets_count = 0;
    batch_pool_done(&p->pool, p->batch);
    outputs_done(&p->outputs);
    return first;
}
