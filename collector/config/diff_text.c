/* What a reload has changed, for people: names of sinks, stages and options, never a value. */
#include "collector/config/config.h"

#include <stdarg.h>
#include <string.h>

struct text {
    char *data;
    size_t size, len;
    unsigned items; /* in the list that is being written */
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What finds no room is left out, and three dots say so. */
static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(t->data + t->len, t->size - t->len, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < t->size - t->len) {
        t->len += (size_t)n;
        return;
    }
    t->len = t->size - 1;
    memcpy(t->data + t->len - 3, "...", 3);
}

static void item(struct text *t, const char *list, const char *name)
{
    if (t->items++)
        put(t, ", %s", name);
    else
        put(t, "%s%s: %s", t->len ? "; " : "", list, name);
}

/* "a", or with what differs "a (path, max_bytes)". */
static unsigned put_rows(struct text *t, const struct opt *row, const void *before, const void *after, unsigned count)
{
    for (; row->type != OPT_END_ROW; row++)
        if (!opt_equal(row, before, after))
            put(t, "%s%s", count++ ? ", " : " (", row->name);
    return count;
}

static void put_sink_options(struct text *t, struct sink *before, struct sink *after)
{
    const struct opt *rows;
    void *a, *b;
    unsigned count = 0;
    if (before->ops != after->ops) {
        put(t, " (%s, was %s)", after->ops->scheme, before->ops->scheme);
        return;
    }
    for (unsigned i = 0; (rows = sink_table(before, i, &a)) && sink_table(after, i, &b); i++)
        count = put_rows(t, rows, a, b, count);
    if (count)
        put(t, ")");
}

static void sinks_of(struct text *t, const struct config *before, const struct config *after,
                     const struct config_diff *d, enum config_change which, const char *list)
{
    t->items = 0;
    for (uint32_t i = 0; i < after->sinks_count; i++) {
        if (d->sink[i] != which)
            continue;
        item(t, list, after->sink[i]->common.name);
        if (which == CONFIG_LIVE || which == CONFIG_CHANGED)
            put_sink_options(t, before->sink[d->sink_from[i]], after->sink[i]);
    }
}

static void stages_of(struct text *t, const struct config *before, const struct config *after,
                      const struct config_diff *d, enum config_change which, const char *list)
{
    t->items = 0;
    for (uint32_t i = 0; i < after->stages_count; i++) {
        const enum config_change is = d->stage[i] == CONFIG_LIVE ? CONFIG_CHANGED : d->stage[i];
        const struct stage *s = after->stage[i];
        if (is != which)
            continue;
        item(t, list, s->name);
        if (which == CONFIG_CHANGED && put_rows(t, s->ops->opts, before->stage[d->stage_from[i]]->cfg, s->cfg, 0))
            put(t, ")");
    }
}

static bool is_in(const int *from, uint32_t count, uint32_t index)
{
    for (uint32_t i = 0; i < count; i++)
        if (from[i] == (int)index)
            return true;
    return false;
}

static void removed(struct text *t, const struct config *before, const struct config *after,
                    const struct config_diff *d)
{
    t->items = 0;
    for (uint32_t i = 0; i < before->sinks_count; i++)
        if (!is_in(d->sink_from, after->sinks_count, i))
            item(t, "sinks removed", before->sink[i]->common.name);
}

static void stages_removed(struct text *t, const struct config *before, const struct config *after,
                           const struct config_diff *d)
{
    t->items = 0;
    for (uint32_t i = 0; i < before->stages_count; i++)
        if (!is_in(d->stage_from, after->stages_count, i))
            item(t, "stages removed", before->stage[i]->name);
}

static void options_of(struct text *t, const char *list, const struct opt *row, const void *before, const void *after)
{
    t->items = 0;
    for (; row->type != OPT_END_ROW; row++)
        if (!opt_equal(row, before, after))
            item(t, list, row->name);
}

void config_diff_text(const struct config *before, const struct config *after, const struct config_diff *d, char *ret,
                      size_t size)
{
    struct text t = { .data = ret, .size = size };
    *ret = '\0';
    sinks_of(&t, before, after, d, CONFIG_ADDED, "sinks added");
    sinks_of(&t, before, after, d, CONFIG_CHANGED, "opened anew");
    sinks_of(&t, before, after, d, CONFIG_LIVE, "changed");
    removed(&t, before, after, d);
    stages_of(&t, before, after, d, CONFIG_ADDED, "stages added");
    stages_of(&t, before, after, d, CONFIG_CHANGED, "stages changed");
    stages_removed(&t, before, after, d);
    if (d->are_stages_reordered)
        put(&t, "%sstages in another order", t.len ? "; " : "");
    if (d->routes)
        put(&t, "%sroutes changed", t.len ? "; " : "");
    if (d->levels)
        put(&t, "%slevels changed", t.len ? "; " : "");
    options_of(&t, "settings changed", settings_opts, &before->settings, &after->settings);
    options_of(&t, "adaptive changed", pressure_opts, &before->adaptive, &after->adaptive);
    if (!t.len)
        put(&t, "nothing has changed");
    sinks_of(&t, before, after, d, CONFIG_SAME, "sinks kept");
    stages_of(&t, before, after, d, CONFIG_SAME, "stages kept");
}
