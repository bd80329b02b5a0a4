/* json.c - one flat JSON object per line: time, level, logger, message, service, pid, then the fields
 * as they were given (call, context, logger). A field whose name is one of ours gets a '_' appended. */
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/parts.h"

static const struct fapilog_text own_names[] = {
    PARTS_KEY("time"), PARTS_KEY("level"), PARTS_KEY("logger"), PARTS_KEY("message"), PARTS_KEY("service"),
    PARTS_KEY("pid"), PARTS_KEY("env"), PARTS_KEY("version"), PARTS_KEY("file"), PARTS_KEY("line"),
    PARTS_KEY("function"), PARTS_KEY("context_lost"), PARTS_KEY("truncated"), PARTS_KEY("fields_cut"),
    PARTS_KEY("invalid")};

static const struct fapilog_text key_logger = PARTS_KEY(",\"logger\":");
static const struct parts_flat flat = {
    .service = PARTS_KEY(",\"service\":"), .pid = PARTS_KEY(",\"pid\":"), .env = PARTS_KEY(",\"env\":"),
    .version = PARTS_KEY(",\"version\":"), .file = PARTS_KEY(",\"file\":"), .line = PARTS_KEY(",\"line\":"),
    .function = PARTS_KEY(",\"function\":"), .context_lost = PARTS_KEY(",\"context_lost\":"),
    .truncated = PARTS_KEY(",\"truncated\":"), .fields_cut = PARTS_KEY(",\"fields_cut\":"),
    .put = build_quoted, .own = own_names, .own_count = ARRAY_COUNT(own_names)};

static void build_field(struct build *b, const struct gather_entry *e)
{
    build_lit(b, ",");
    build_quoted(b, e->name);
    if (parts_flat_is_own(&flat, e->name)) {
        build_drop_quote(b);
        build_lit(b, "_\"");
    }
    build_lit(b, ":");
    build_value(b, e);
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

static void json_build(struct build *b)
{
    const struct fapilog_record *const r = b->r;
    build_lit(b, "{\"time\":\"");
    build_slot(b, SLOT_TIME, 9);
    build_lit(b, "\",\"level\":");
    build_quoted(b, level_name(r->level));
    if (r->logger)
        parts_flat_text(b, &flat, key_logger, r->logger->name);
    build_lit(b, ",\"message\":");
    build_message(b);
    parts_flat_process(b, &flat);
    build_enriched(b);
    for (unsigned i = 0; i < b->g->count; i++)
        build_field(b, &b->g->entry[i]);
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (b->g->by_role[role].field)
            build_field(b, &b->g->by_role[role]);
    }
    parts_flat_notes(b, &flat);
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
