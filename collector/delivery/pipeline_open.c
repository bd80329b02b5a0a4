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

/* Directories of spools, and one file by two names, are told apart by collector/config/outputs.c, and locked. */
static int check_place(const struct sink *a, const struct sink *b, struct err *e)
{
    if (!b->ops->mark || sink_identity(a) != sink_identity(b))
        return 0;
    return err_set(e, -EEXIST, "sinks %s and %s write to the same place; give one another path, or leave it out",
                   a->common.name, b->common.name);
}

int pipeline_check_sinks(struct sink *const *sinks, uint32_t count, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; i < count && r == 0; i++) {
        for (uint32_t k = 0; k < i && r == 0; k++)
            r = check_place(sinks[k], sinks[i], e);
    }
    return r;
}

int pipeline_check(struct sink *const *sinks, uint32_t count, const struct pipeline_settings *settings, struct err *e)
{
    struct outputs outputs;
    uint32_t output[FAPILOG_SINKS_MAX];
    const struct outputs_rules rules = { .routes = settings ? settings->route_config : NULL };
    const int r = outputs_init(&outputs, NULL, sinks, count, &rules, output, e);
    outputs_done(&outputs);
    return r < 0 ? r : pipeline_check_sinks(sinks, count, e);
}

/* Spans of the ring are what was logged: nothing can be taken out of them or changed in them. */
void pipeline_decide_raw(struct outputs *o, const struct pipeline_settings *settings)
{
    o->encodes_raw = o->count > o->serialized_count &&
                     (settings->routes || (settings->stages && settings->stages->count));
}

void target_make(struct target *t, struct pipeline *p, struct sink *s)
{
    *t = (struct target){ .pipeline = p, .sink = s, .identity = sink_identity(s) };
    const struct sink_mark *mark = commit_mark(p->commit, t->identity);
    if (mark) {
        t->mark = *mark;
        t->has_mark = true;
    }
    s->io = p->io;
    if (!s->ops->remote) {
        s->core = t;
        target_hook(s);
    }
}

static void target_init(struct pipeline *p, struct sink *s, uint32_t output, bool is_alone)
{
    struct target *t = &p->target[p->targets_count];
    target_make(t, p, s);
    t->bit = UINT32_C(1) << p->targets_count;
    t->output = output;
    s->is_alone = is_alone;
    p->remotes_count += s->ops->remote != NULL;
    p->everybody |= t->bit;
    p->targets_count++;
}

static int targets_init(struct pipeline *p, struct sink *const *sinks, uint32_t count, struct err *e)
{
    uint32_t output[FAPILOG_SINKS_MAX];
    const struct outputs_rules rules = { p->settings.route_config, p->settings.is_apart };
    int r = outputs_init(&p->outputs, NULL, sinks, count, &rules, output, e);
    if (r == 0)
        r = pipeline_check_sinks(sinks, count, e);
    pipeline_decide_raw(&p->outputs, &p->settings);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        target_init(p, sinks[i], output[i], count == 1);
    return r < 0 ? r : pipeline_load_fences(p, e);
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

int target_open(struct target *t, struct err *e)
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
    if (ops->remote) {
        r = remotes_open(t, e);
        if (r < 0)
            return err_wrap(e, r, "sink %s", t->sink->common.name);
    }
    t->state = TARGET_IDLE;
    target_take_mark(t);
    return 0;
}

int target_close(struct target *t, struct err *e)
{
    struct err own = { 0 };
    t->is_open = false;
    remote_close(t->remote);
    t->remote = NULL;
    const int r = t->sink->ops->close ? t->sink->ops->close(t->sink, &own) : 0;
    return r < 0 ? err_set(e, r, "%s; sink %s", own.text, t->sink->common.name) : 0;
}

void pipeline_keep_acked(struct pipeline *p)
{
    uint64_t identity[FAPILOG_SINKS_MAX];
    for (uint32_t i = 0; i < p->targets_count; i++)
        identity[i] = p->target[i].identity;
    if (p->acked)
        acked_keep(p->acked, identity, p->targets_count);
}

/* Without it everything is as it should be but after a SIGKILL: then more comes twice. */
static void open_acked(struct pipeline *p)
{
    struct err e = { 0 };
    if (!p->remotes_count || !p->settings.ring_dir)
        return;
    if (acked_open(p->settings.ring_dir, &p->acked, &e) != 0) {
        char text[ERR_TEXT_MAX + 128];
        (void)snprintf(text, sizeof text, "%s; %s", e.text, p->acked
                       ? "what was delivered of open batches comes again"
                       : "after a SIGKILL, what was delivered of open batches will come again");
        pipeline_say(p, text);
    }
    pipeline_keep_acked(p);
}

static int open_all(struct pipeline *p, struct sink *const *sinks, uint32_t count, struct err *e)
{
    const uint32_t window = (uint32_t)p->settings.window;
    p->batch = calloc(window, sizeof *p->batch);
    if (!p->batch)
        return err_set(e, -ENOMEM, "out of memory");
    int r = pipeline_name_sinks(sinks, count, e);
    if (r == 0)
        r = targets_init(p, sinks, count, e);
    if (r == 0)
        r = buffers_init(&p->buffers, p->io, window * p->outputs.text_count, 2 * p->outputs.text_count, e);
    if (r == 0)
        r = commit_reserve(p->commit, pipeline_slot_bytes(p, 0), e);
    if (r == 0)
        open_acked(p);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = target_open(&p->target[i], e);
    return r;
}

int pipeline_open(struct pipeline *p, struct io *io, struct commit *commit, struct sink *const *sinks,
                  uint32_t sinks_count, struct err *e)
{
    CHECK(sinks_count > 0 && sinks_count <= FAPILOG_SINKS_MAX);
    CHECK(p->settings.window >= WINDOW_MIN && p->settings.window <= WINDOW_MAX);
    p->io = io;
    p->commit = commit;
    const int r = open_all(p, sinks, sinks_count, e);
    if (r < 0) {
        (void)pipeline_close(p, NULL);
        return r;
    }
    pipeline_store(p, NULL);
    return 0;
}

void pipeline_abandon(struct pipeline *p)
{
    CHECK(pipeline_is_settled(p));
    pipeline_note_settled(p);
    for (uint32_t i = 0; i < p->targets_count; i++) {
        remote_close(p->target[i].remote);
        p->target[i].remote = NULL;
    }
    p->filling = NULL;
    p->open_count = 0;
}

bool pipeline_is_settled(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].state == TARGET_WRITING)
            return false;
    }
    return true;
}

bool pipeline_is_quiet(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].remote && remote_is_busy(p->target[i].remote))
            return false;
    }
    return pipeline_is_settled(p);
}

static void memory_free(struct pipeline *p)
{
    for (uint32_t i = 0; p->batch && i < p->settings.window; i++) {
        remotes_drop_tickets(&p->batch[i]);
        batch_done(&p->batch[i], &p->buffers);
    }
    free(p->batch);
    p->batch = NULL;
    buffers_done(&p->buffers);
    outputs_done(&p->outputs);
    acked_close(p->acked);
    p->acked = NULL;
    free(p->fences);
    free(p->fence_skip);
    free(p->fence_position);
}

int pipeline_close(struct pipeline *p, struct err *e)
{
    int first = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (!t->is_open || t->state == TARGET_WRITING)
            continue;
        const int r = target_close(t, first == 0 ? e : NULL);
        first = first == 0 ? r : first;
    }
    p->targets_count = 0;
    memory_free(p);
    return first;
}

bool pipeline_has_caught_up(const struct pipeline *p)
{
    return p->fence_next >= p->fences_count;
}
