/* json.c - one flat JSON object per line: time, level, logger, message, service, pid, then the fields
 * as they were given (call, context, logger). A field whose name is one of ours gets a '_' appended. */
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/plan.h"

#define NAME(s) {s, sizeof(s) - 1}

static bool is_ours(struct fapilog_text name)
{
    static const struct fapilog_text ours[] = {
        NAME("time"), NAME("level"), NAME("logger"), NAME("message"), NAME("service"), NAME("pid"),
        NAME("env"), NAME("version"), NAME("file"), NAME("line"), NAME("function"), NAME("context_lost"),
        NAME("truncated"), NAME("fields_cut"), NAME("invalid")};
    /* "time_" would meet a "time" that was renamed, so names of ours with '_' behind them move too. */
    while (name.len > 0 && name.data[name.len - 1] == '_')
        name.len--;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (name.len == ours[i].len && memcmp(name.data, ours[i].data, name.len) == 0)
            return true;
    }
    return false;
}

static void build_field(struct build *b, const struct gather_entry *e)
{
    build_lit(b, ",");
    build_quoted(b, e->name);
    if (is_ours(e->name)) {
        build_drop_quote(b);
        build_lit(b, "_\"");
    }
    build_lit(b, ":");
    build_value(b, e);
}

static void build_text_member(struct build *b, const char *key, size_t key_len, struct fapilog_text value)
{
    if (value.len == 0)
        return;
    build_bytes(b, key, key_len);
    build_quoted(b, value);
}
#define build_member(b, lit, value) build_text_member((b), "" lit, sizeof(lit) - 1, (value))

static void build_process(struct build *b)
{
    const struct fapilog_process_info *const p = b->r->process;
    const struct fapilog_logger_info *const l = b->r->logger;
    if (l && l->service.len > 0)
        build_member(b, ",\"service\":", l->service);
    else if (p)
        build_member(b, ",\"service\":", p->service);
    if (!p)
        return;
    build_lit(b, ",\"pid\":");
    build_u64(b, p->pid);
    build_member(b, ",\"env\":", p->env);
    build_member(b, ",\"version\":", p->version);
}

static void build_enriched(struct build *b)
{
    struct enriched en;
    struct gather_entry x;
    enriched_begin(&en, b->r, GATHER_BYTES);
    while (enriched_next(&en, NULL, &x)) {
        if (!enriched_is_hidden(b->g, x.name))
            build_field(b, &x);
    }
}

static void build_notes(struct build *b)
{
    const struct fapilog_site *const site = b->r->site;
    if (b->f->cfg.source && site && site->file.len > 0) {
        build_member(b, ",\"file\":", site->file);
        build_lit(b, ",\"line\":");
        build_u64(b, site->line);
        build_member(b, ",\"function\":", site->function);
    }
    if (b->variant & PLAN_VARIANT_LOST)
        build_lit(b, ",\"context_lost\":true");
    if (b->variant & PLAN_VARIANT_TRUNCATED)
        build_lit(b, ",\"truncated\":true");
    if (b->g->cut > 0) {
        build_lit(b, ",\"fields_cut\":");
        build_u64(b, b->g->cut);
    }
}

static void json_build(struct build *b)
{
    const struct fapilog_record *const r = b->r;
    build_lit(b, "{\"time\":\"");
    build_slot(b, SLOT_TIME, 9);
    build_lit(b, "\",\"level\":");
    build_quoted(b, level_name(r->level));
    if (r->logger)
        build_member(b, ",\"logger\":", r->logger->name);
    build_lit(b, ",\"message\":");
    build_message(b);
    build_process(b);
    build_enriched(b);
    for (unsigned i = 0; i < b->g->count; i++)
        build_field(b, &b->g->entry[i]);
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (b->g->by_role[role].field)
            build_field(b, &b->g->by_role[role]);
    }
    build_notes(b);
    build_slot(b, SLOT_FLAGS, PLAN_FLAGS_AFTER);
    build_lit(b, "}\n");
}

static const struct plan_layout json_layout = {
    .build = json_build,
    .order = GATHER_CALL_FIRST,
    .style = VALUE_SORTED,
    .flags = {[PLAN_FLAGS_AFTER] = {",\"invalid\":\"", "\""}},
};

static char *json_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return plan_write(f, &json_layout, r, out);
}

static char *json_write_within(struct format *f, const struct fapilog_record *r, char *out, size_t room)
{
    return plan_write_within(f, &json_layout, r, out, room);
}

static size_t json_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    return plan_bound(&json_layout, r);
}

const struct format_ops format_json = {
    .name = "json",
    .summary = "Flat JSON, one object per line.",
    .media_type = "application/x-ndjson",
    .is_lines = true,
    .state_size = sizeof(struct plan_state),
    .bound = json_bound,
    .write = json_write,
    .write_within = json_write_within,
};
