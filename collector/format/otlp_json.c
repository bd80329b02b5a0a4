/* otlp_json.c - OTLP in its JSON form: each line is a whole ExportLogsServiceRequest with one record. */
#include "collector/format/attributes.h"
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/otlp_value.h"
#include "collector/format/parts.h"

static void build_any_text(struct build *b, struct fapilog_text text)
{
    build_lit(b, "{\"stringValue\":");
    build_quoted(b, text);
    build_lit(b, "}");
}

static void build_any_u64(struct build *b, uint64_t v)
{
    build_lit(b, "{\"intValue\":\"");
    build_u64(b, v);
    build_lit(b, "\"}");
}

static void build_attribute(struct build *b, const struct attribute *x)
{
    struct fapilog_text text;
    uint64_t number;
    build_lit(b, "{\"key\":");
    build_attribute_name(b, x);
    build_lit(b, ",\"value\":");
    if (x->kind == ATTRIBUTE_FIELD) {
        build_value(b, x->entry);
    } else if (attributes_text(b, x->kind, &text)) {
        build_any_text(b, text);
    } else if (attributes_number(b, x->kind, &number)) {
        build_any_u64(b, number);
    } else if (x->kind == ATTRIBUTE_UID) {
        build_lit(b, "{\"stringValue\":\"");
        build_slot(b, SLOT_MESSAGE_ID, 0);
        build_lit(b, "\"}");
    } else {
        build_lit(b, "{\"boolValue\":true}");
    }
    build_lit(b, "}");
}

static void build_attributes(struct build *b)
{
    struct attributes a;
    struct attribute x;
    attributes_begin(&a, b, true);
    build_lit(b, ",\"attributes\":[");
    build_slot(b, SLOT_FLAGS, PLAN_FLAGS_BEFORE); /* the uid always follows */
    bool first = true;
    while (attributes_next(&a, &x)) {
        if (x.kind == ATTRIBUTE_FLAGS)
            continue;
        if (!first)
            build_lit(b, ",");
        first = false;
        build_attribute(b, &x);
    }
    build_lit(b, "]");
}

static void build_resource_text(struct build *b, const char *key, size_t key_len, struct fapilog_text value)
{
    if (value.len == 0)
        return;
    build_lit(b, "{\"key\":\"");
    build_bytes(b, key, key_len);
    build_lit(b, "\",\"value\":");
    build_any_text(b, value);
    build_lit(b, "},");
}
#define build_resource_member(b, lit, value) build_resource_text((b), "" lit, sizeof(lit) - 1, (value))

static void build_enriched(struct build *b)
{
    struct enriched en;
    struct gather_entry x;
    enriched_begin(&en, b->r, GATHER_BYTES);
    while (enriched_next(&en, NULL, &x)) {
        build_lit(b, ",{\"key\":");
        build_quoted(b, x.name);
        build_lit(b, ",\"value\":");
        build_value(b, &x);
        build_lit(b, "}");
    }
}

static void build_resource(struct build *b)
{
    const struct fapilog_process_info *const p = b->r->process;
    build_lit(b, "{\"attributes\":[");
    if (p) {
        build_resource_member(b, "service.name", parts_service(b->r));
        build_resource_member(b, "service.version", p->version);
        build_resource_member(b, "deployment.environment.name", p->env);
        build_resource_member(b, "host.name", p->host);
        build_lit(b, "{\"key\":\"process.pid\",\"value\":");
        build_any_u64(b, p->pid);
        build_lit(b, "}");
        build_enriched(b);
    }
    build_lit(b, "]}");
}

static void build_log_record(struct build *b)
{
    const struct gather_entry *const by_role = b->g->by_role;
    build_lit(b, "{\"timeUnixNano\":\"");
    build_slot(b, SLOT_TIME_NS, 0);
    build_lit(b, "\",\"observedTimeUnixNano\":\"");
    build_slot(b, SLOT_OBSERVED_NS, 0);
    build_lit(b, "\",\"severityNumber\":");
    build_u64(b, level_severity_number(b->r->level));
    build_lit(b, ",\"severityText\":");
    build_quoted(b, level_severity_text(b->r->level));
    build_lit(b, ",\"body\":{\"stringValue\":");
    build_message(b);
    build_lit(b, "}");
    build_attributes(b);
    if (b->variant & PLAN_VARIANT_TRACE_FLAGS) {
        build_lit(b, ",\"flags\":");
        build_number(b, &by_role[FAPILOG_ROLE_TRACE_FLAGS]);
    }
    if (b->variant & PLAN_VARIANT_TRACE_ID) {
        build_lit(b, ",\"traceId\":\"");
        build_id(b, &by_role[FAPILOG_ROLE_TRACE_ID]);
        build_lit(b, "\"");
    }
    if (b->variant & PLAN_VARIANT_SPAN_ID) {
        build_lit(b, ",\"spanId\":\"");
        build_id(b, &by_role[FAPILOG_ROLE_SPAN_ID]);
        build_lit(b, "\"");
    }
    build_lit(b, "}");
}

static void otlp_json_build(struct build *b)
{
    build_lit(b, "{\"resourceLogs\":[{\"resource\":");
    build_resource(b);
    build_lit(b, ",\"scopeLogs\":[{\"scope\":{\"name\":");
    build_quoted(b, attributes_scope(b->r));
    build_lit(b, "},\"logRecords\":[");
    build_log_record(b);
    build_lit(b, "]}]}]}\n");
}

static const struct plan_layout otlp_json_layout = {
    .build = otlp_json_build,
    .order = GATHER_BYTES,
    .style = VALUE_RFC8785,
    .uses_ids = true,
    .flags = {[PLAN_FLAGS_BEFORE] = {"{\"key\":\"fapilog.invalid\",\"value\":{\"stringValue\":\"", "\"}},"}},
    .value = otlp_value_json,
    .value_bound = otlp_value_bound,
};

static char *otlp_json_write(struct format *f, const struct fapilog_record *r, char *out)
{
    return plan_write(f, &otlp_json_layout, r, out);
}

static char *otlp_json_write_within(struct format *f, const struct fapilog_record *r, char *out, size_t room)
{
    return plan_write_within(f, &otlp_json_layout, r, out, room);
}

static size_t otlp_json_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    return plan_bound(&otlp_json_layout, r);
}

const struct format_ops format_otlp_json = {
    .name = "otlp-json",
    .summary = "OpenTelemetry's OTLP as JSON, one export request per line.",
    .media_type = "application/json",
    .is_lines = true,
    .state_size = sizeof(struct plan_state),
    .bound = otlp_json_bound,
    .write = otlp_json_write,
    .write_within = otlp_json_write_within,
};
