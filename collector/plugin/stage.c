#include "collector/plugin/internal.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

_Static_assert((int)FAPILOG_STAGE_FILTER == (int)STAGE_FILTER && (int)FAPILOG_STAGE_PROCESS == (int)STAGE_PROCESS &&
               (int)FAPILOG_STAGE_PROCESS + 1 == (int)STAGE_GROUP_COUNT, "the same groups");

struct plugin_stage_ops {
    struct stage_ops ops; /* first: a stage knows its ops only */
    const struct fapilog_stage_kind *kind;
};

struct stage_state {
    struct fapilog_stage api; /* first: what the plug-in hands back is this */
    struct stage *stage;
    _Alignas(max_align_t) char state[];
};

static const struct fapilog_stage_kind *kind_of(const struct stage *s)
{
    return ((const struct plugin_stage_ops *)(const void *)s->ops)->kind;
}

static int stage_check(struct stage *s, struct err *e)
{
    struct fapilog_error error = { "" };
    return kind_of(s)->check ? plugin_result(kind_of(s)->check(s->cfg, &error), &error, e) : 0;
}

/* A record that could not be masked goes nowhere. */
static int stage_begin(struct stage *s, struct err *e)
{
    struct stage_state *st = s->state;
    struct fapilog_error error = { "" };
    st->api = (struct fapilog_stage){
        .size = sizeof st->api, .host = &plugin_host, .name = s->name, .config = s->cfg, .state = st->state,
    };
    st->stage = s;
    if (s->ops->group == STAGE_REDACT)
        s->on_failure = STAGE_FAIL_CLOSED;
    return kind_of(s)->open ? plugin_result(kind_of(s)->open(&st->api, &error), &error, e) : 0;
}

static enum stage_verdict stage_run(struct stage *s, struct stage_record *r)
{
    struct stage_state *st = s->state;
    switch (kind_of(s)->run(&st->api, r->r, (struct fapilog_edit *)(void *)r)) {
    case FAPILOG_STAGE_PASS: return STAGE_PASS;
    case FAPILOG_STAGE_DROP: return STAGE_DROP;
    default: return STAGE_FAILED;
    }
}

static void stage_clock(struct stage *s, uint64_t now_ns)
{
    kind_of(s)->tick(&((struct stage_state *)s->state)->api, now_ns);
}

/* A plug-in of version 1.0 has no such member. */
static bool has_tick(const struct fapilog_stage_kind *k)
{
    return k->size >= offsetof(struct fapilog_stage_kind, tick) + sizeof k->tick && k->tick;
}

int plugin_emit(struct fapilog_stage *api, const struct fapilog_record *r)
{
    struct stage *const s = ((struct stage_state *)(void *)api)->stage;
    struct fapilog_record made = *r;
    const uint64_t before = s->counters.emitted;
    if (!r->level || r->level >= FAPILOG_LEVEL_OFF || r->fields_count > FAPILOG_FIELDS_MAX)
        return -EINVAL;
    if (!made.time_ns)
        made.time_ns = (int64_t)clock_real_ns();
    stage_emit(s, &made);
    return s->counters.emitted > before ? 0 : -ENOSPC;
}

static void stage_end(struct stage *s)
{
    struct stage_state *st = s->state;
    if (kind_of(s)->close && st->api.host) /* host: it was opened, or tried to */
        kind_of(s)->close(&st->api);
}

int plugin_stage(struct plugin *p, const struct fapilog_stage_kind *k, const struct stage_ops **ret, struct err *e)
{
    char what[64];
    const struct opt *rows;
    if (k->size < offsetof(struct fapilog_stage_kind, tick))
        return err_set(e, -EINVAL, "a stage: struct fapilog_stage_kind has %u bytes, version 1.0 has %zu", k->size,
                       offsetof(struct fapilog_stage_kind, tick));
    int r = plugin_check_name("stage", k->name, k->summary, e);
    if (r < 0)
        return r;
    (void)snprintf(what, sizeof what, "stage %s", k->name);
    if (k->group >= STAGE_GROUP_COUNT || !k->run)
        return err_set(e, -EINVAL, "%s: needs a group and run", what);
    r = plugin_options(p, what, k->options, k->config_size, &rows, e);
    if (r < 0)
        return r;
    struct plugin_stage_ops *o = plugin_alloc(p, sizeof *o);
    const char *summary = plugin_summary(p, k->summary);
    if (!o || !summary)
        return err_set(e, -ENOMEM, "%s: out of memory", what);
    o->kind = k;
    o->ops = (struct stage_ops){
        .abi = STAGE_ABI, .kind = k->name, .summary = summary, .group = (enum stage_group)k->group, .changes = true,
        .opts = rows, .cfg_size = k->config_size, .state_size = sizeof(struct stage_state) + k->state_size,
        .check_own = stage_check, .open = stage_begin, .run = stage_run, .close = stage_end,
        .tick = has_tick(k) ? stage_clock : NULL,
    };
    *ret = &o->ops;
    return 0;
}
