#include "collector/daemon/reload.h"

#include "collector/ingest/levels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reload {
    struct config next;
    struct config_diff diff;
    uint64_t give_up_ns;
};

static void say(struct daemon *d, const char *text)
{
    if (d->pipeline.on_message)
        d->pipeline.on_message(d->pipeline.message_arg, text);
}

static void say_not(struct daemon *d, const char *why)
{
    char text[ERR_TEXT_MAX + 64];
    (void)snprintf(text, sizeof text, "configuration not taken over: %s", why);
    say(d, text);
}

void reload_abandon(struct daemon *d, const char *why)
{
    if (!d->reload)
        return;
    if (why)
        say_not(d, why);
    pipeline_pause(&d->pipeline, false);
    config_free(&d->reload->next);
    free(d->reload);
    d->reload = NULL;
}

static bool have_stages_changed(const struct config *before, const struct config *after, const struct config_diff *diff)
{
    bool changed = before->stages_count != after->stages_count || diff->are_stages_reordered;
    for (uint32_t i = 0; i < after->stages_count; i++)
        changed |= diff->stage[i] == CONFIG_ADDED || diff->stage[i] == CONFIG_CHANGED;
    return changed;
}

static bool has_first_remote(const struct daemon *d, const struct config *c)
{
    bool has = false;
    for (uint32_t i = 0; i < c->sinks_count; i++)
        has |= c->sink[i]->ops->remote != NULL;
    return has && d->state_fd < 0;
}

static const char *what_forbids(const struct daemon *d, const struct reload *r)
{
    if (r->diff.needs_restart)
        return "rings and io change with a restart only";
    if (r->next.settings.delivery.window != d->config.settings.delivery.window)
        return "window_batches changes with a restart only";
    if (has_first_remote(d, &r->next))
        return "the first remote sink, which needs the state directory, comes with a restart only";
    /* Stages keep what they know of call sites in slots there, where another stage must not find it. */
    if (have_stages_changed(&d->config, &r->next, &r->diff))
        return "stages change with a restart only, but for those of their options that are live";
    return NULL;
}

static bool is_same(const struct config *before, const struct config *after, const struct config_diff *diff)
{
    bool same = before->sinks_count == after->sinks_count && !diff->routes && !diff->settings && !diff->levels;
    for (uint32_t i = 0; i < after->sinks_count; i++)
        same &= diff->sink[i] == CONFIG_SAME && diff->sink_from[i] == (int)i;
    for (uint32_t i = 0; i < after->stages_count; i++)
        same &= diff->stage[i] == CONFIG_SAME;
    return same;
}

void reload_begin(struct daemon *d, uint64_t now_ns)
{
    struct err e = { 0 };
    reload_abandon(d, NULL);
    struct reload *r = calloc(1, sizeof *r);
    const int loaded = r ? config_load(&d->options->args, &r->next, &e) : err_set(&e, -ENOMEM, "out of memory");
    if (loaded < 0) {
        free(r);
        say_not(d, e.text);
        return;
    }
    d->reload = r;
    config_diff(&d->config, &r->next, &r->diff);
    const char *why = what_forbids(d, r);
    if (why || have_stages_changed(&d->config, &r->next, &r->diff) || is_same(&d->config, &r->next, &r->diff)) {
        reload_abandon(d, why);
        return;
    }
    r->give_up_ns = now_ns + d->config.settings.shutdown_timeout_ns;
    pipeline_pause(&d->pipeline, true);
}

/* The way back of config_adopt(): what was open goes to where it came from. */
static void give_back(struct daemon *d, struct reload *r)
{
    struct config_diff back;
    memset(&back, 0, sizeof back);
    for (uint32_t k = 0; k < d->config.sinks_count; k++)
        back.sink[k] = CONFIG_ADDED;
    for (uint32_t k = 0; k < d->config.stages_count; k++)
        back.stage[k] = CONFIG_ADDED;
    for (uint32_t i = 0; i < r->next.sinks_count; i++) {
        if (r->diff.sink[i] == CONFIG_SAME || r->diff.sink[i] == CONFIG_LIVE) {
            back.sink[r->diff.sink_from[i]] = CONFIG_SAME;
            back.sink_from[r->diff.sink_from[i]] = (int)i;
        }
    }
    for (uint32_t i = 0; i < r->next.stages_count; i++) {
        back.stage[r->diff.stage_from[i]] = CONFIG_SAME;
        back.stage_from[r->diff.stage_from[i]] = (int)i;
    }
    config_adopt(&r->next, &d->config, &back);
}

static int open_routes(struct daemon *d, struct reload *r, struct routes **ret, struct err *e)
{
    const char *names[FAPILOG_SINKS_MAX];
    *ret = NULL;
    if (!r->next.routes.count)
        return 0;
    for (uint32_t i = 0; i < r->next.sinks_count; i++)
        names[i] = r->next.sink[i]->common.name;
    return routes_open(&r->next.routes, names, r->next.sinks_count, ret, d->pipeline.on_message,
                       d->pipeline.message_arg, e);
}

static int exchange(struct daemon *d, struct reload *r, struct err *e)
{
    struct pipeline_settings s = d->pipeline.settings;
    int res = open_routes(d, r, &s.routes, e);
    s.route_config = s.routes ? &r->next.routes : NULL;
    if (res == 0)
        res = pipeline_reconfigure(&d->pipeline, r->next.sink, r->next.sinks_count, &s, e);
    if (res < 0) {
        routes_close(s.routes);
        return res;
    }
    routes_close(d->routes);
    d->routes = s.routes;
    return 0;
}

static void take_over(struct daemon *d, struct reload *r)
{
    struct config old = d->config;
    d->config = r->next;
    r->next = old; /* what is in it is closed: it goes with the reload */
    d->pipeline.settings.route_config = d->routes ? &d->config.routes : NULL;
    for (uint32_t i = 0; r->diff.levels && i < d->segments.count; i++) {
        if (levels_apply(d->segments.source[i], d->config.level, d->config.levels_count) < 0)
            say(d, "no room for another level rule");
    }
    reload_abandon(d, NULL);
    say(d, "configuration taken over");
}

int reload_run(struct daemon *d, uint64_t now_ns, struct err *e)
{
    struct reload *r = d->reload;
    if (!r)
        return 0;
    if (!pipeline_is_at_rest(&d->pipeline)) {
        if (now_ns >= r->give_up_ns || d->is_stopping)
            reload_abandon(d, "a sink does not take what it has been given");
        return 0;
    }
    struct err own = { 0 };
    config_adopt(&d->config, &r->next, &r->diff);
    const int res = exchange(d, r, &own);
    if (res == 0) {
        take_over(d, r);
        return 0;
    }
    give_back(d, r);
    reload_abandon(d, own.text);
    return res == -ENOTRECOVERABLE ? err_set(e, res, "%s", own.text) : 0;
}
