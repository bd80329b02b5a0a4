#include "collector/plugin/internal.h"

#include <errno.h>
#include <stdio.h>

struct plugin_format_ops {
    struct format_ops ops; /* first: a format knows its ops only */
    const struct fapilog_format_kind *kind;
};

struct format_state {
    struct fapilog_format api;
    _Alignas(max_align_t) char state[];
};

static const struct fapilog_format_kind *kind_of(const struct format *f)
{
    return ((const struct plugin_format_ops *)(const void *)f->ops)->kind;
}

static int format_begin(struct format *f, struct err *e)
{
    struct format_state *st = f->state;
    struct fapilog_error error = { "" };
    st->api = (struct fapilog_format){
        .size = sizeof st->api, .wants_colour = f->cfg.colour, .wants_source = f->cfg.source, .host = &plugin_host,
        .state = st->state,
    };
    return kind_of(f)->open ? plugin_result(kind_of(f)->open(&st->api, &error), &error, e) : 0;
}

static void format_end(struct format *f)
{
    struct format_state *st = f->state;
    if (kind_of(f)->close)
        kind_of(f)->close(&st->api);
}

static size_t format_bound(struct format *f, const struct fapilog_record *r)
{
    return kind_of(f)->bound(&((struct format_state *)f->state)->api, r);
}

static char *format_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return kind_of(f)->write(&((struct format_state *)f->state)->api, r, out);
}

int plugin_format(struct plugin *p, const struct fapilog_format_kind *k, const struct format_ops **ret, struct err *e)
{
    if (k->size < sizeof *k)
        return err_set(e, -EINVAL, "a format: struct fapilog_format_kind has %u bytes, version 1.0 has %zu", k->size,
                       sizeof *k);
    const int r = plugin_check_name("format", k->name, k->summary, e);
    if (r < 0)
        return r;
    if (!k->bound || !k->write || !k->media_type)
        return err_set(e, -EINVAL, "format %s: needs bound, write and media_type", k->name);
    struct plugin_format_ops *o = plugin_alloc(p, sizeof *o);
    const char *summary = plugin_summary(p, k->summary);
    if (!o || !summary)
        return err_set(e, -ENOMEM, "format %s: out of memory", k->name);
    o->kind = k;
    o->ops = (struct format_ops){
        .name = k->name, .summary = summary, .media_type = k->media_type, .is_lines = k->is_lines,
        .state_size = sizeof(struct format_state) + k->state_size, .open = format_begin, .close = format_end,
        .bound = format_bound, .write = format_write,
    };
    *ret = &o->ops;
    return 0;
}
