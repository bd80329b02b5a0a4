/* fapilog.c - the canonical v1.1 envelope: {"log":{...},"schema_version":"1.1"}, keys sorted at every
 * level. docs/formats.md says where each field goes. */
#include "collector/format/enriched.h"
#include "collector/format/envelope.h"
#include "collector/format/level.h"
#include "collector/format/parts.h"

static const uint8_t context_roles[] = { /* in the order of their names; message_id comes after the first */
    FAPILOG_ROLE_CORRELATION_ID, FAPILOG_ROLE_REQUEST_ID, FAPILOG_ROLE_SPAN_ID, FAPILOG_ROLE_TENANT_ID,
    FAPILOG_ROLE_TRACE_FLAGS, FAPILOG_ROLE_TRACE_ID, FAPILOG_ROLE_USER_ID};

static void build_context(struct build *b)
{
    const struct gather_entry *const by_role = b->g->by_role;
    const struct gather_entry *correlation = &by_role[FAPILOG_ROLE_CORRELATION_ID];
    if (!correlation->field)
        correlation = &by_role[FAPILOG_ROLE_REQUEST_ID];
    build_lit(b, "\"context\":{\"correlation_id\":");
    if (correlation->field)
        build_value(b, correlation);
    else
        build_lit(b, "null");
    build_lit(b, ",\"message_id\":\"");
    build_slot(b, SLOT_MESSAGE_ID, 0);
    build_lit(b, "\"");
    for (size_t i = 1; i < sizeof context_roles; i++) {
        const struct gather_entry *const e = &by_role[context_roles[i]];
        if (!e->field)
            continue;
        build_lit(b, ",");
        build_key(b, e->name);
        build_value(b, e);
    }
    build_lit(b, "},");
}

static bool has_part(const struct build *b, enum envelope_part part)
{
    for (unsigned i = 0; i < b->g->count; i++) {
        if (envelope_part(&b->g->entry[i]) == part)
            return true;
    }
    return false;
}

static void build_data(struct build *b)
{
    if (has_part(b, ENVELOPE_DATA)) {
        build_slot(b, SLOT_EXTRA, ENVELOPE_DATA);
        return;
    }
    build_lit(b, "\"data\":{");
    for (unsigned i = 0; i < b->g->count; i++) {
        if (envelope_part(&b->g->entry[i]) != ENVELOPE_NONE)
            continue;
        build_key(b, b->g->entry[i].name);
        build_value(b, &b->g->entry[i]);
        build_lit(b, ",");
    }
    build_drop_comma(b);
    build_lit(b, "},");
}

static void build_source(struct build *b)
{
    const struct fapilog_site *const source = fapilog_record_source(b->r);
    if (!b->f->cfg.source || !source || source->file.len == 0)
        return;
    build_lit(b, "\"source\":{\"file\":");
    build_quoted(b, source->file);
    build_lit(b, ",\"function\":");
    build_quoted(b, source->function);
    build_lit(b, ",\"line\":");
    build_u64(b, source->line);
    build_lit(b, "},");
}

/* Enriched fields whose names come before `key`; one that is called like a member of ours gets a '_'. */
static void build_enriched(struct build *b, struct enriched *en, const char *key)
{
    static const char *const ours[] = {"context_lost", "env", "exception", "fields_cut", "host", "invalid",
                                       "origin", "pid",
                                       "service", "source", "truncated", "version"};
    struct gather_entry x;
    while (enriched_next(en, key, &x)) {
        bool is_taken = false;
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            is_taken |= x.name.len == strlen(ours[i]) && memcmp(x.name.data, ours[i], x.name.len) == 0;
        build_quoted(b, x.name);
        if (is_taken) {
            build_drop_quote(b);
            build_lit(b, "_\"");
        }
        build_lit(b, ":");
        build_value(b, &x);
        build_lit(b, ",");
    }
}

static void build_diagnostics(struct build *b)
{
    struct enriched en;
    const struct fapilog_process_info *const p = b->r->process;
    enriched_begin(&en, b->r, GATHER_BYTES);
    build_lit(b, "\"diagnostics\":{");
    build_enriched(b, &en, "context_lost");
    if (b->variant & PLAN_VARIANT_LOST)
        build_lit(b, "\"context_lost\":true,");
    build_enriched(b, &en, "env");
    if (p)
        build_member(b, "\"env\":", p->env);
    build_enriched(b, &en, "exception");
    if (has_part(b, ENVELOPE_EXCEPTION))
        build_slot(b, SLOT_EXTRA, ENVELOPE_EXCEPTION);
    build_enriched(b, &en, "fields_cut");
    if (b->g->cut > 0) {
        build_lit(b, "\"fields_cut\":");
        build_u64(b, b->g->cut);
        build_lit(b, ",");
    }
    build_enriched(b, &en, "host");
    if (p)
        build_member(b, "\"host\":", p->host);
    build_enriched(b, &en, "invalid");
    build_slot(b, SLOT_FLAGS, PLAN_FLAGS_BEFORE); /* "invalid": between host and origin */
    build_enriched(b, &en, "origin");
    build_lit(b, "\"origin\":\"native\",");
    build_enriched(b, &en, "pid");
    if (p) {
        build_lit(b, "\"pid\":");
        build_u64(b, p->pid);
        build_lit(b, ",");
    }
    build_enriched(b, &en, "service");
    build_member(b, "\"service\":", parts_service(b->r));
    build_enriched(b, &en, "source");
    build_source(b);
    build_enriched(b, &en, "truncated");
    if (b->variant & PLAN_VARIANT_TRUNCATED)
        build_lit(b, "\"truncated\":true,");
    build_enriched(b, &en, "version");
    if (p)
        build_member(b, "\"version\":", p->version);
    build_enriched(b, &en, NULL);
    build_drop_comma(b);
    build_lit(b, "},");
}

static void fapilog_build(struct build *b)
{
    const struct fapilog_record *const r = b->r;
    build_lit(b, "{\"log\":{");
    build_context(b);
    build_data(b);
    build_diagnostics(b);
    build_lit(b, "\"level\":");
    build_quoted(b, level_name(r->level));
    if (r->logger)
        build_member(b, ",\"logger\":", r->logger->name);
    if (!r->logger || r->logger->name.len == 0)
        build_lit(b, ",");
    build_lit(b, "\"message\":");
    build_message(b);
    if (has_part(b, ENVELOPE_TAGS))
        build_slot(b, SLOT_EXTRA, ENVELOPE_TAGS);
    build_lit(b, ",\"timestamp\":\"");
    build_slot(b, SLOT_TIME, 3);
    build_lit(b, "\"},\"schema_version\":\"1.1\"}\n");
}

static const struct plan_layout fapilog_layout = {
    .build = fapilog_build,
    .order = GATHER_BYTES,
    .style = VALUE_SORTED,
    .extra = envelope_write,
    .flags = {[PLAN_FLAGS_BEFORE] = {"\"invalid\":\"", "\","}},
};

static char *fapilog_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return plan_write(f, &fapilog_layout, r, out);
}

static char *fapilog_write_within(struct format *f, const struct fapilog_record *r, char *out, size_t room)
{
    return plan_write_within(f, &fapilog_layout, r, out, room);
}

/* The request id stands there a second time, as correlation id. */
static size_t list_extra(const struct fapilog_record *r, const struct fapilog_field *fields, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct fapilog_field *const f = &fields[i];
        if (likely(f->role == FAPILOG_ROLE_DATA && !envelope_may_be_name(f->name.len)))
            continue;
        if (gather_role(f) == FAPILOG_ROLE_REQUEST_ID)
            sum += value_bound(f);
        else
            sum += envelope_field_bound(r, f);
    }
    return sum;
}

static size_t fapilog_bound(struct format *f, const struct fapilog_record *r)
{
    size_t sum = plan_bound(&fapilog_layout, r) + list_extra(r, r->fields, r->fields_count);
    (void)f;
    if (r->context)
        sum += list_extra(r, r->context->fields, r->context->fields_count);
    if (r->logger)
        sum += list_extra(r, r->logger->fields, r->logger->fields_count);
    return sum;
}

const struct format_ops format_fapilog = {
    .name = "fapilog",
    .summary = "fapilog's canonical v1.1 envelope, one JSON object per line.",
    .media_type = "application/x-ndjson",
    .is_lines = true,
    .state_size = sizeof(struct plan_state),
    .bound = fapilog_bound,
    .write = fapilog_write,
    .write_within = fapilog_write_within,
};
