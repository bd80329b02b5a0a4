/* Other sinks, while the collector runs: all or nothing. The window is empty then, so no batch knows the old
 * ones. What did not change keeps its state and its open file. */
#include "collector/delivery/pipeline_internal.h"

#include "lib/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct change {
    struct outputs outputs;
    struct buffers buffers; /* where those at hand are too few */
    struct target target[FAPILOG_SINKS_MAX];
    struct target *from[FAPILOG_SINKS_MAX];  /* that it was before; NULL: new */
    struct target *place[FAPILOG_SINKS_MAX]; /* a new one: who writes to its place now, and has to leave first */
    uint32_t count;
};

static struct target *target_of(struct pipeline *p, const struct sink *s)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].sink == s)
            return &p->target[i];
    }
    return NULL;
}

static struct target *who_is_at(struct pipeline *p, const struct target *t)
{
    for (uint32_t i = 0; i < p->targets_count && t->sink->ops->mark; i++) {
        if (p->target[i].identity == t->identity)
            return &p->target[i];
    }
    return NULL;
}

static int prepare(struct pipeline *p, struct change *c, struct sink *const *sinks, uint32_t count,
                   const struct pipeline_settings *settings, struct err *e)
{
    uint32_t output[FAPILOG_SINKS_MAX];
    const struct outputs_rules rules = { settings->route_config, settings->is_apart };
    int r = pipeline_name_sinks(sinks, count, e);
    if (r == 0)
        r = pipeline_check_sinks(sinks, count, e);
    if (r == 0)
        r = outputs_init(&c->outputs, &p->outputs, sinks, count, &rules, output, e);
    if (r < 0)
        return r;
    pipeline_decide_raw(&c->outputs, settings);
    if (outputs_are_spans(&c->outputs) != outputs_are_spans(&p->outputs))
        return err_set(e, -ENOTSUP, "from native sinks alone, without stages and routes, to others, or back, needs "
                       "a restart");
    const uint32_t buffers = (uint32_t)p->settings.window * c->outputs.text_count;
    if (buffers > p->buffers.count)
        r = buffers_init(&c->buffers, p->io, buffers, 0, e);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        struct target *t = &c->target[i];
        c->from[i] = target_of(p, sinks[i]);
        if (c->from[i])
            *t = *c->from[i];
        else
            target_make(t, p, sinks[i]);
        t->bit = UINT32_C(1) << i;
        t->output = output[i];
        c->place[i] = c->from[i] ? NULL : who_is_at(p, t);
        c->count++;
    }
    return r;
}

static bool is_kept(const struct change *c, const struct target *t)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->from[i] == t)
            return true;
    }
    return false;
}

/* Its counters stay. What it had in memory goes with it where on_full drops, and is told. */
static void retire(struct pipeline *p, const struct target *t)
{
    struct remote_stats s;
    target_stats(t, &s);
    retired_add(&p->retired, t->sink->common.name, t->remote, &s);
    const uint64_t dropped = t->remote && remote_is_stopping(t->remote)
                                 ? s.dropped_full - t->before.dropped_full - t->dropped_before : 0;
    if (!dropped)
        return;
    char text[200];
    (void)snprintf(text, sizeof text, "sink %s: closed by the reload, which gave up %" PRIu64 " records that waited in "
                   "memory, as its on_full drops", t->sink->common.name, dropped);
    pipeline_say(p, text);
}

/* It goes on from what those of its name had counted. */
static void succeed(struct pipeline *p, struct target *t)
{
    struct remote_stats before;
    retired_take(&p->retired, t->sink->common.name, t->remote, &before);
    t->before = before;
    if (t->remote)
        return;
    t->records = before.delivered;
    t->refused = before.dropped_refused;
    t->bytes = before.delivered_bytes;
    t->errors = before.failed;
}

static void close_remote(struct pipeline *p, struct target *t)
{
    if (t->remote)
        retire(p, t);
    (void)target_close(t, NULL);
}

/* Who comes may have the spool and the dead letters of who goes, under that name or another. */
static void close_remotes(struct pipeline *p, const struct change *c)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].sink->ops->remote && !is_kept(c, &p->target[i]))
            close_remote(p, &p->target[i]);
    }
}

/* Opens the new ones; first those whose place is free, so that little can go wrong with the others. */
static int open_new(struct change *c, bool is_place_taken, struct err *e)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->from[i] || (c->place[i] || c->target[i].sink->ops->remote) != is_place_taken)
            continue;
        if (c->place[i])
            (void)target_close(c->place[i], NULL); /* flushed; what it does after that costs no record */
        const int r = target_open(&c->target[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int open_again(struct pipeline *p, struct target *t)
{
    struct err e = { 0 };
    memset(t->sink->state, 0, t->sink->ops->state_size);
    if (target_open(t, &e) == 0) {
        if (t->remote)
            succeed(p, t);
        return 0;
    }
    pipeline_say(p, e.text);
    return -ENOTRECOVERABLE;
}

static int go_back(struct pipeline *p, struct change *c)
{
    int r = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (!c->from[i] && c->target[i].is_open)
            (void)target_close(&c->target[i], NULL);
    }
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct target *t = &p->target[i];
        if (t->remote && remote_is_stopping(t->remote))
            close_remote(p, t);
        if (!t->is_open && open_again(p, t) < 0)
            r = -ENOTRECOVERABLE;
    }
    buffers_done(&c->buffers);
    outputs_drop(&c->outputs, &p->outputs);
    return r;
}

static void close_gone(struct pipeline *p, const struct change *c)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct err e = { 0 };
        if (!is_kept(c, &p->target[i]) && !p->target[i].sink->ops->remote)
            retire(p, &p->target[i]);
        if (!is_kept(c, &p->target[i]) && p->target[i].is_open && target_close(&p->target[i], &e) < 0)
            pipeline_say(p, e.text);
    }
}

/* Of sinks that were at this place, all have had it: better twice than not at all. */
static bool has_had(const struct pipeline *p, uint32_t skip, uint64_t identity)
{
    bool is_there = false;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        if (p->target[i].identity != identity)
            continue;
        if (!(skip & p->target[i].bit))
            return false;
        is_there = true;
    }
    return is_there;
}

/* Fences of segments that are not attached yet are read later, by the sinks that there are then. */
static void renumber_fences(struct pipeline *p, const struct change *c)
{
    for (uint32_t k = 0; k < p->fences_count; k++) {
        uint32_t skip = 0;
        for (uint32_t i = 0; i < c->count; i++)
            skip |= has_had(p, p->fence_skip[k], c->target[i].identity) ? c->target[i].bit : 0;
        p->fence_skip[k] = skip;
    }
}

static void take_over(struct pipeline *p, struct change *c, const struct pipeline_settings *settings)
{
    close_gone(p, c);
    renumber_fences(p, c);
    memcpy(p->target, c->target, sizeof p->target);
    p->targets_count = c->count;
    p->remotes_count = p->everybody = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        struct target *t = &p->target[i];
        if (!c->from[i])
            succeed(p, t);
        p->everybody |= t->bit;
        p->remotes_count += t->remote != NULL;
        t->sink->is_alone = c->count == 1;
        if (t->remote)
            remote_reformatted(t->remote);
        else
            t->sink->core = t;
    }
    outputs_drop(&p->outputs, &c->outputs);
    p->outputs = c->outputs;
    if (c->buffers.count) {
        buffers_done(&p->buffers);
        p->buffers = c->buffers;
    }
    const bool has_same_stages = settings->stages == p->settings.stages;
    p->leaving = has_same_stages ? NULL : p->settings.stages;
    p->settings.stages = settings->stages;
    p->settings.routes = settings->routes;
    p->settings.route_config = settings->route_config;
    p->settings.is_apart = settings->is_apart;
    if (!has_same_stages)
        p->staged = (struct pipeline_staged){ .of = NULL }; /* it runs through the new ones */
    pump_route_again(p);
    p->has_ended = false;
    p->status_version++;
    pipeline_keep_acked(p);
    pipeline_store(p, NULL);
}

void pipeline_pause(struct pipeline *p, bool is_paused)
{
    p->is_paused = is_paused;
    p->is_set_aside = false;
    p->paused_ns = 0;
}

bool pipeline_is_at_rest(const struct pipeline *p)
{
    return p->is_paused && !p->leaving && pipeline_has_caught_up(p) && pipeline_is_idle(p, false) &&
           pipeline_is_settled(p);
}

/* It can be closed without waiting for anything. */
static bool has_left(const struct target *t)
{
    return remote_is_idle(t->remote, false) && !remote_is_busy(t->remote);
}

bool pipeline_leave(struct pipeline *p, const struct sink *s, uint64_t now_ns, uint64_t deadline_ns)
{
    struct target *t = target_of(p, s);
    struct remote_stats stats;
    if (!t || !t->remote)
        return true;
    remote_stats(t->remote, &stats);
    if (!remote_is_stopping(t->remote))
        t->dropped_before = stats.dropped_full;
    remote_stop(t->remote, stats.in_flight || stats.queued_records ? deadline_ns : now_ns);
    return has_left(t);
}

int pipeline_stay(struct pipeline *p)
{
    int r = 0;
    for (uint32_t i = 0; i < p->targets_count && r == 0; i++) {
        struct target *t = &p->target[i];
        if (!t->remote || !remote_is_stopping(t->remote))
            continue;
        if (!remote_is_put_down(t->remote)) {
            remote_go_on(t->remote);
        } else if (t->unsettled == 0 && has_left(t)) {
            close_remote(p, t);
            r = open_again(p, t);
        }
    }
    return r;
}

const char *pipeline_who_holds(const struct pipeline *p)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        if (t->remote ? t->unsettled > 0 : t->state != TARGET_IDLE)
            return t->sink->common.name;
    }
    return "?";
}

int pipeline_reconfigure(struct pipeline *p, struct sink *const *sinks, uint32_t count,
                         const struct pipeline_settings *settings, struct err *e)
{
    CHECK(pipeline_is_at_rest(p));
    CHECK(count > 0 && count <= FAPILOG_SINKS_MAX);
    struct change *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "out of memory");
    int r = prepare(p, c, sinks, count, settings, e);
    if (r == 0)
        r = open_new(c, false, e);
    if (r == 0) {
        close_remotes(p, c);
        r = open_new(c, true, e);
    }
    if (r == 0)
        take_over(p, c, settings);
    else if (go_back(p, c) < 0)
        r = -ENOTRECOVERABLE;
    free(c);
    return r;
}
