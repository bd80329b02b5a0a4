#include "collector/daemon/endpoint.h"

#include "collector/daemon/chain.h"
#include "collector/daemon/reload.h"
#include "collector/ingest/levels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int on_reload(void *arg, struct err *e)
{
    struct daemon *d = arg;
    if (!d->config.file)
        return err_set(e, -EINVAL, "there is no configuration file to reload");
    return reload_ask(d, clock_mono_ns(), e);
}

static struct level_setting *find_level(struct config *c, const char *logger)
{
    for (unsigned i = 0; i < c->levels_count; i++)
        if (strcmp(c->level[i].prefix, logger) == 0)
            return &c->level[i];
    return NULL;
}

static int on_level(void *arg, const char *logger, const char *level, struct err *e)
{
    struct daemon *d = arg;
    struct config *c = &d->config;
    struct level_setting *l = find_level(c, logger);
    uint8_t number = FAPILOG_LEVEL_OFF;
    if (strcasecmp(level, "off") != 0 && opt_parse_level(level, &number) < 0)
        return err_set(e, -EINVAL, "level: '%s' is not TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL, AUDIT, SECURITY, "
                                   "1..31 or off", level);
    if (strlen(logger) >= sizeof l->prefix)
        return err_set(e, -EINVAL, "logger: its name has over %zu bytes", sizeof l->prefix - 1);
    if (!l && c->levels_count == ARRAY_COUNT(c->level))
        return err_set(e, -EINVAL, "logger: there are %zu levels already", ARRAY_COUNT(c->level));
    if (!l) {
        l = &c->level[c->levels_count++];
        *l = (struct level_setting){ .origin = LEVEL_ASKED };
        (void)snprintf(l->prefix, sizeof l->prefix, "%s", logger);
    }
    if (l->origin == LEVEL_WITHDRAWN)
        l->origin = LEVEL_ASKED;
    l->level = number;
    for (uint32_t i = 0; i < d->segments.count; i++)
        if (levels_apply(d->segments.source[i], c->level, c->levels_count) < 0)
            return err_set(e, -ENOSPC, "%s: no room for another level rule", d->segments.source[i]->name);
    return 0;
}

static void on_reopen(void *arg)
{
    pipeline_want_reopen(&((struct daemon *)arg)->pipeline);
}

static void on_rotate(void *arg)
{
    pipeline_want_rotate(&((struct daemon *)arg)->pipeline);
}

static void on_record(void *arg, const struct fapilog_record *r)
{
    admin_tap(((struct daemon *)arg)->admin, r);
}

static void fill_view(struct daemon *d, struct admin_view *v)
{
    *v = (struct admin_view){
        .rings = d->dir, .started_ns = d->started_ns, .io = d->io, .pipeline = &d->pipeline,
        .segments = &d->segments, .stages = d->stages, .pressure = chain_pressure(d->stages),
        .is_stopping = &d->is_stopping,
        .reloads = &d->reloads, .reloads_refused = &d->reloads_refused,
    };
}

static struct admin_settings settings_of(const struct config *c)
{
    return (struct admin_settings){ .listen = c->settings.admin, .allow_remote = c->settings.admin_allow_remote };
}

int endpoint_check(const struct config *c, struct err *e)
{
    const struct admin_settings cfg = settings_of(c);
    struct err why = { 0 };
    const int r = admin_check(&cfg, &why);
    return r < 0 ? err_set(e, r, "%s: %s", config_source(c, "admin"), why.text) : 0;
}

int endpoint_open(struct daemon *d, struct err *e)
{
    const struct admin_settings cfg = settings_of(&d->config);
    const struct admin_actions actions = {
        .reload = on_reload, .set_level = on_level, .reopen = on_reopen, .rotate = on_rotate, .arg = d,
    };
    struct admin_view view;
    if (d->options->drain) /* over before anybody could look */
        return 0;
    fill_view(d, &view);
    const int r = admin_open(&cfg, &view, &actions, d->io, &d->admin, e);
    if (r == 0 && d->admin && d->options->verbose) {
        char text[300];
        (void)snprintf(text, sizeof text, "status and metrics at %s", admin_address(d->admin));
        daemon_tell(d, FAPILOG_LEVEL_INFO, text);
    }
    return r;
}

void endpoint_run(struct daemon *d)
{
    d->pipeline.tap = admin_wants_records(d->admin) ? on_record : NULL;
    d->pipeline.tap_arg = d;
}

void endpoint_refresh(struct daemon *d)
{
    struct admin_view view;
    if (!d->admin)
        return;
    fill_view(d, &view);
    admin_set_view(d->admin, &view);
}
