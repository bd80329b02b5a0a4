/* logfmt.c - key=value pairs on one line: time level logger msg service pid, then the fields as they were given
 * (call, context, logger). Empty values and those with a space, a quote, '=', a backslash or a control character
 * stand in double quotes, escaped as in JSON and DEL and C1 (U+0080..9F) as well, and the message always does.
 * Keys that are ours, in a field, get a '_' appended. */
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/parts.h"
#include "collector/format/text.h"

static const struct fapilog_text own_names[] = {
    PARTS_KEY("time"), PARTS_KEY("level"), PARTS_KEY("logger"), PARTS_KEY("msg"), PARTS_KEY("service"),
    PARTS_KEY("pid"), PARTS_KEY("env"), PARTS_KEY("version"), PARTS_KEY("file"), PARTS_KEY("line"),
    PARTS_KEY("context_lost"), PARTS_KEY("truncated"), PARTS_KEY("fields_cut"), PARTS_KEY("invalid")};

static void build_text(struct build *b, struct fapilog_text value)
{
    if (!build_bare(b, value))
        build_quoted(b, value);
}

static const struct fapilog_text key_level = PARTS_KEY(" level="), key_logger = PARTS_KEY(" logger=");
static const struct parts_flat flat = {
    .service = PARTS_KEY(" service="), .pid = PARTS_KEY(" pid="), .env = PARTS_KEY(" env="),
    .version = PARTS_KEY(" version="), .file = PARTS_KEY(" file="), .line = PARTS_KEY(" line="),
    .context_lost = PARTS_KEY(" context_lost="), .truncated = PARTS_KEY(" truncated="),
    .fields_cut = PARTS_KEY(" fields_cut="),
    .put = build_text, .own = own_names, .own_count = ARRAY_COUNT(own_names)};

/* A key has no way to be quoted: what would end it becomes '_'. */
static void build_name(struct build *b, struct fapilog_text name)
{
    build_lit(b, " ");
    for (uint32_t i = 0; i < name.len; i++) {
        const char c = name.data[i]; /* looked at once: it may change */
        if ((uint8_t)c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            build_lit(b, "_");
        else
            build_bytes(b, &c, 1);
    }
    if (name.len == 0 || parts_flat_is_own(&flat, name))
        build_lit(b, "_");
    build_lit(b, "=");
}

static char *put_text(const char *text, size_t len, char *out, unsigned *flags)
{
    char *const end = text_bare(text, len, out);
    return end ? end : value_quoted((struct fapilog_text){text, (uint32_t)len}, out, flags);
}

static char *logfmt_value(const struct fapilog_record *r, const struct fapilog_field *f, char *out, unsigned *flags)
{
    char *end = out;
    bool quotes = false;
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
        return put_text(f->v.data, f->len, out, flags);
    case FAPILOG_TYPE_CHAR:
        return put_text(&(char){(char)f->v.u64}, 1, out, flags);
    case FAPILOG_TYPE_JSON:
    case FAPILOG_TYPE_STACK: {
        /* As text: the JSON is made first, then quoted in front of itself. */
        char *const json = out + JSON_ESCAPE_FACTOR * value_bound(f);
        char *const json_end = value_json(r, f, VALUE_SORTED, json, flags);
        return put_text(json, (size_t)(json_end - json), out, flags);
    }
    case FAPILOG_TYPE_ERRNO: quotes = true; break;
    case FAPILOG_TYPE_BYTES: quotes = f->len == 0 || f->len % 3 != 0; break; /* base64 is padded with '=' */
    default: break;
    }
    if (quotes)
        *end++ = '"';
    if (!value_plain(f, NUM_POINT, &end))
        return put_lit(out, "null");
    if (quotes)
        *end++ = '"';
    return end;
}

static size_t logfmt_value_bound(const struct fapilog_field *f)
{
    const bool is_made_first = f->type == FAPILOG_TYPE_JSON || f->type == FAPILOG_TYPE_STACK;
    return value_bound(f) * (is_made_first ? JSON_ESCAPE_FACTOR + 1 : 1);
}

static void build_enriched(struct build *b)
{
    struct enriched en;
    struct gather_entry x;
    enriched_begin(&en, b->r, GATHER_BYTES);
    while (enriched_next(&en, NULL, &x)) {
        if (enriched_is_hidden(b->g, x.name))
            continue;
        build_name(b, x.name);
        build_value(b, &x);
    }
}

static void logfmt_build(struct build *b)
{
    const struct fapilog_record *const r = b->r;
    build_lit(b, "time=");
    build_slot(b, SLOT_TIME, 9);
    parts_flat_text(b, &flat, key_level, level_name(r->level));
    if (r->logger)
        parts_flat_text(b, &flat, key_logger, r->logger->name);
    build_lit(b, " msg=");
    build_message(b);
    parts_flat_process(b, &flat);
    build_enriched(b);
    for (unsigned i = 0; i < b->g->count; i++) {
        build_name(b, b->g->entry[i].name);
        build_value(b, &b->g->entry[i]);
    }
    for (unsigned role = 1; role < FAPILOG_ROLE_COUNT; role++) {
        if (!b->g->by_role[role].field)
            continue;
        build_name(b, b->g->by_role[role].name);
        build_value(b, &b->g->by_role[role]);
    }
    parts_flat_notes(b, &flat);
    build_slot(b, SLOT_FLAGS, PLAN_FLAGS_AFTER);
    build_lit(b, "\n");
}

static const struct plan_layout logfmt_layout = {
    .build = logfmt_build,
    .order = GATHER_CALL_FIRST,
    .is_text = true,
    .style = VALUE_SORTED,
    .flags = {[PLAN_FLAGS_AFTER] = {" invalid=", ""}},
    .value = logfmt_value,
    .value_bound = logfmt_value_bound,
};

static char *logfmt_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return plan_write(f, &logfmt_layout, r, out);
}

static char *logfmt_write_within(struct format *f, const struct fapilog_record *r, char *out, size_t room)
{
    return plan_write_within(f, &logfmt_layout, r, out, room);
}

static size_t logfmt_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    return plan_bound(&logfmt_layout, r);
}

const struct format_ops format_logfmt = {
    .name = "logfmt",
    .summary = "key=value pairs, one line per record.",
    .media_type = "text/plain",
    .is_lines = true,
    .state_size = sizeof(struct plan_state),
    .bound = logfmt_bound,
    .write = logfmt_write,
    .write_within = logfmt_write_within,
};
