/* A sink of a plug-in is a remote sink: the engine of delivery hands it requests, host.c takes the answers. */
#include "collector/plugin/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plugin_sink_ops {
    struct sink_ops ops; /* first: a sink knows its ops only */
    const struct fapilog_sink_kind *kind;
};

static const struct fapilog_sink_kind *kind_of(const struct sink *s)
{
    return ((const struct plugin_sink_ops *)(const void *)s->ops)->kind;
}

static int sink_check(struct sink *s, struct err *e)
{
    struct fapilog_error error = { "" };
    return kind_of(s)->check ? plugin_result(kind_of(s)->check(s->cfg, &error), &error, e) : 0;
}

static int sink_begin(struct sink *s, struct err *e)
{
    struct plugin_sink_state *st = s->state;
    struct fapilog_error error = { "" };
    st->sink = s;
    st->api = (struct fapilog_sink){
        .size = sizeof st->api, .host = &plugin_host, .name = s->common.name, .config = s->cfg, .state = st->state,
    };
    return plugin_result(kind_of(s)->open(&st->api, &error), &error, e);
}

static int sink_end(struct sink *s, struct err *e)
{
    struct plugin_sink_state *st = s->state;
    (void)e;
    if (!st->sink)
        return 0;
    if (kind_of(s)->close)
        kind_of(s)->close(&st->api);
    plugin_end_watches(st);
    st->sink = NULL;
    return 0;
}

static void sink_bounds(struct sink *s, struct sink_limits *ret)
{
    const struct fapilog_sink_kind *k = kind_of(s);
    *ret = (struct sink_limits){ .records = k->max_records, .bytes = k->max_bytes, .in_flight = k->max_in_flight };
}

static void fill(const struct entry_head *h, struct fapilog_entry *ret)
{
    *ret = (struct fapilog_entry){
        .data = entry_payload(h), .len = h->payload_len, .level = h->level, .time_ns = h->time_ns,
        .id = { .lane = h->lane, .generation = h->generation, .position = h->position },
    };
    memcpy(ret->id.uuid, h->uuid, sizeof ret->id.uuid);
}

static void sink_send(struct sink *s, struct sink_request *q)
{
    struct plugin_sink_state *st = s->state;
    struct plugin_request *r = malloc(sizeof *r + q->count * sizeof r->entry[0]);
    if (!r) {
        sink_request_done(s, q, &(struct sink_result){ .outcome = SINK_RETRY, .reason = "out of memory" });
        return;
    }
    *r = (struct plugin_request){
        .api = { .size = sizeof r->api, .count = q->count, .entries = r->entry, .deadline_ns = q->deadline_ns,
                 .attempt = q->attempt },
        .q = q, .next = st->requests,
    };
    for (uint32_t i = 0; i < q->count; i++)
        fill(q->entry[i], &r->entry[i]);
    st->requests = r;
    q->work = r;
    kind_of(s)->send(&st->api, &r->api);
}

static void sink_cancel(struct sink *s, struct sink_request *q)
{
    struct plugin_sink_state *st = s->state;
    struct plugin_request *r = q->work;
    if (r)
        kind_of(s)->cancel(&st->api, &r->api);
}

static const struct sink_remote_ops remote_ops = { .limits = sink_bounds, .send = sink_send, .cancel = sink_cancel };

/* Options of every sink are found after its own: one of the same name would hide them. */
static int check_rows(const char *what, const struct opt *rows, struct err *e)
{
    for (; rows->type != OPT_END_ROW; rows++)
        if (opt_find(sink_common_opts, rows->name) || opt_find(sink_delivery_opts, rows->name))
            return err_set(e, -EINVAL, "%s: option '%s' has the name of one that every sink has", what, rows->name);
    return 0;
}

static int check_kind(const struct fapilog_sink_kind *k, const char *what, struct err *e)
{
    if (!k->open || !k->send || !k->cancel)
        return err_set(e, -EINVAL, "%s: needs open, send and cancel", what);
    if (!k->format || !format_find(k->format))
        return err_set(e, -EINVAL, "%s: there is no format '%s'", what, k->format ? k->format : "");
    return 0;
}

int plugin_sink(struct plugin *p, const struct fapilog_sink_kind *k, const struct sink_ops **ret, struct err *e)
{
    char what[64];
    const struct opt *rows;
    if (k->size < sizeof *k)
        return err_set(e, -EINVAL, "a sink: struct fapilog_sink_kind has %u bytes, version 1.0 has %zu", k->size,
                       sizeof *k);
    int r = plugin_check_name("sink", k->name, k->summary, e);
    if (r < 0)
        return r;
    (void)snprintf(what, sizeof what, "sink %s", k->name);
    r = check_kind(k, what, e);
    if (r == 0)
        r = plugin_options(p, what, k->options, k->config_size, &rows, e);
    if (r == 0)
        r = check_rows(what, rows, e);
    if (r < 0)
        return r;
    struct plugin_sink_ops *o = plugin_alloc(p, sizeof *o);
    const char *summary = plugin_summary(p, k->summary);
    if (!o || !summary)
        return err_set(e, -ENOMEM, "%s: out of memory", what);
    o->kind = k;
    o->ops = (struct sink_ops){
        .abi = SINK_ABI, .scheme = k->name, .summary = summary, .format_default = k->format, .opts = rows,
        .cfg_size = k->config_size, .state_size = sizeof(struct plugin_sink_state) + k->state_size,
        .check_own = sink_check, .remote = &remote_ops, .open = sink_begin, .close = sink_end,
    };
    *ret = &o->ops;
    return 0;
}
