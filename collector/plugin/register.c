#include "collector/plugin/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 64 }; /* of one plug-in, of each sort */

struct made {
    const struct format_ops *format[KINDS_MAX];
    const struct stage_ops *stage[KINDS_MAX];
    const struct sink_ops *sink[KINDS_MAX];
    unsigned formats, stages, sinks; /* registered */
};

const char *plugin_summary(struct plugin *p, const char *summary)
{
    const size_t size = strlen(summary) + strlen(p->api->name) + strlen(p->api->version) + strlen(p->path) + 20;
    char *text = plugin_alloc(p, size);
    if (text)
        (void)snprintf(text, size, "%s (plug-in %s %s, %s)", summary, p->api->name, p->api->version, p->path);
    return text;
}

int plugin_result(int r, const struct fapilog_error *from, struct err *e)
{
    if (r >= 0)
        return 0;
    return err_set(e, r, "%.*s", (int)sizeof from->text, *from->text ? from->text : "the plug-in gives no reason");
}

static int too_many(const char *what, struct err *e)
{
    return err_set(e, -E2BIG, "more than %d %s, or no NULL behind them", KINDS_MAX, what);
}

static int register_formats(struct plugin *p, struct made *m, struct err *e)
{
    for (const struct fapilog_format_kind *const *k = p->api->formats; k && *k; k++) {
        if (m->formats == KINDS_MAX)
            return too_many("formats", e);
        int r = plugin_format(p, *k, &m->format[m->formats], e);
        if (r == 0)
            r = format_register(m->format[m->formats], e);
        if (r < 0)
            return r;
        m->formats++;
    }
    return 0;
}

static int register_stages(struct plugin *p, struct made *m, struct err *e)
{
    for (const struct fapilog_stage_kind *const *k = p->api->stages; k && *k; k++) {
        if (m->stages == KINDS_MAX)
            return too_many("stages", e);
        int r = plugin_stage(p, *k, &m->stage[m->stages], e);
        if (r == 0)
            r = stage_register(m->stage[m->stages], e);
        if (r < 0)
            return r;
        m->stages++;
    }
    return 0;
}

static int register_sinks(struct plugin *p, struct made *m, struct err *e)
{
    for (const struct fapilog_sink_kind *const *k = p->api->sinks; k && *k; k++) {
        if (m->sinks == KINDS_MAX)
            return too_many("sinks", e);
        int r = plugin_sink(p, *k, &m->sink[m->sinks], e);
        if (r == 0)
            r = sink_register(m->sink[m->sinks], e);
        if (r < 0)
            return r;
        m->sinks++;
    }
    return 0;
}

/* Formats come first: a sink names one. */
int plugin_register(struct plugin *p, struct err *e)
{
    struct made m = { 0 };
    int r = register_formats(p, &m, e);
    if (r == 0)
        r = register_stages(p, &m, e);
    if (r == 0)
        r = register_sinks(p, &m, e);
    if (r == 0)
        return 0;
    while (m.sinks)
        sink_unregister(m.sink[--m.sinks]);
    while (m.stages)
        stage_unregister(m.stage[--m.stages]);
    while (m.formats)
        format_unregister(m.format[--m.formats]);
    return err_wrap(e, r, "plug-in %s %s, %s", p->api->name, p->api->version, p->path);
}
