/* dagstack.c - DagStack's canonical JSON lines: RFC 8785 numbers and key order, snake_case keys, empty
 * members left out. docs/formats.md lists the fields. */
#include "collector/format/attributes.h"
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/parts.h"

static void build_attribute(struct build *b, const struct attribute *x)
{
    struct fapilog_text text;
    uint64_t number;
    build_attribute_name(b, x);
    build_lit(b, ":");
    if (x->kind == ATTRIBUTE_FIELD)
        build_value(b, x->entry);
    else if (attributes_text(b, x->kind, &text))
        build_quoted(b, text);
    else if (attributes_number(b, x->kind, &number))
        build_u64(b, number);
    else
        build_lit(b, "true");
}

static void build_attributes(struct build *b)
{
    struct attributes a;
    struct attribute x;
    bool first = true;
    attributes_begin(&a, b, false);
    if (attributes_count(&a) == 0) {
        build_slot(b, SLOT_FLAGS, PLAN_FLAGS_ALONE);
        return;
    }
    build_lit(b, "\"attributes\":{");
    while (attributes_next(&a, &x)) {
        if (x.kind == ATTRIBUTE_FLAGS) {
            build_slot(b, SLOT_FLAGS, first ? PLAN_FLAGS_BEFORE : PLAN_FLAGS_AFTER);
            continue;
        }
        if (!first)
            build_lit(b, ",");
        first = false;
        build_attribute(b, &x);
    }
    build_lit(b, "},");
}

static void build_enriched(struct build *b, struct enriched *en, const char *key)
{
    struct gather_entry x;
    while (enriched_next(en, key, &x)) {
        build_key(b, x.name);
        build_value(b, &x);
        build_lit(b, ",");
    }
}

static void build_resource(struct build *b)
{
    struct enriched en;
    const struct fapilog_process_info *const p = b->r->process;
    if (!p)
        return;
    enriched_begin(&en, b->r, GATHER_UTF16);
    build_lit(b, "\"resource\":{\"attributes\":{");
    build_enriched(b, &en, "deployment.environment.name");
    build_member(b, "\"deployment.environment.name\":", p->env);
    build_enriched(b, &en, "host.name");
    build_member(b, "\"host.name\":", p->host);
    build_enriched(b, &en, "process.pid");
    build_lit(b, "\"process.pid\":");
    build_u64(b, p->pid);
    build_lit(b, ",");
    build_enriched(b, &en, "service.name");
    build_member(b, "\"service.name\":", parts_service(b->r));
    build_enriched(b, &en, "service.version");
    build_member(b, "\"service.version\":", p->version);
    build_enriched(b, &en, NULL);
    build_drop_comma(b);
    build_lit(b, "}},");
}

static void dagstack_build(struct build *b)
{
    const struct fapilog_record *const r = b->r;
    const struct gather_entry *const by_role = b->g->by_role;
    build_lit(b, "{");
    build_attributes(b);
    build_lit(b, "\"body\":");
    build_message(b);
    build_lit(b, ",");
    if (r->logger) {
        build_lit(b, "\"instrumentation_scope\":{\"name\":");
        build_quoted(b, attributes_scope(r));
        build_lit(b, "},");
    }
    build_slot(b, SLOT_OBSERVED_MEMBER, 0);
    build_resource(b);
    build_lit(b, "\"severity_number\":");
    build_u64(b, level_severity_number(r->level));
    build_lit(b, ",\"severity_text\":");
    build_quoted(b, level_severity_text(r->level));
    if (b->variant & PLAN_VARIANT_SPAN_ID) {
        build_lit(b, ",\"span_id\":\"");
        build_id(b, &by_role[FAPILOG_ROLE_SPAN_ID]);
        build_lit(b, "\"");
    }
    build_lit(b, ",\"time_unix_nano\":");
    build_slot(b, SLOT_TIME_NS, 0);
    if (b->variant & PLAN_VARIANT_TRACE_FLAGS) {
        build_lit(b, ",\"trace_flags\":");
        build_number(b, &by_role[FAPILOG_ROLE_TRACE_FLAGS]);
    }
    if (b->variant & PLAN_VARIANT_TRACE_ID) {
        build_lit(b, ",\"trace_id\":\"");
        build_id(b, &by_role[FAPILOG_ROLE_TRACE_ID]);
        build_lit(b, "\"");
    }
    build_lit(b, "}\n");
}

#define KEY "\"fapilog.invalid\":\""

static const struct plan_layout dagstack_layout = {
    .build = dagstack_build,
    .order = GATHER_UTF16,
    .style = VALUE_RFC8785,
    .uses_ids = true,
    .flags = {
        [PLAN_FLAGS_BEFORE] = {KEY, "\","},
        [PLAN_FLAGS_AFTER] = {"," KEY, "\""},
        [PLAN_FLAGS_ALONE] = {"\"attributes\":{" KEY, "\"},"},
    },
};

static char *dagstack_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return plan_write(f, &dagstack_layout, r, out);
}

static char *dagstack_write_within(struct format *f, const struct fapilog_record *r, char *out, size_t room)
{
    return plan_write_within(f, &dagstack_layout, r, out, room);
}

static size_t dagstack_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    return plan_bound(&dagstack_layout, r);
}

const struct format_ops format_dagstack = {
    .name = "dagstack",
    .summary = "DagStack's canonical JSON lines.",
    .media_type = "application/x-ndjson",
    .is_lines = true,
    .state_size = sizeof(struct plan_state),
    .bound = dagstack_bound,
    .write = dagstack_write,
    .write_within = dagstack_write_within,
};
