#include "collector/format/otlp_proto.h"

#include "collector/format/attributes.h"
#include "collector/format/enriched.h"
#include "collector/format/level.h"
#include "collector/format/otlp_proto_value.h"
#include "collector/format/otlp_value.h"
#include "collector/format/parts.h"
#include "collector/format/printf_text.h"
#include "collector/format/proto.h"

enum { RESOURCE_ATTRIBUTES = 1, SCOPE_NAME = 1 };
enum { /* LogRecord */
    RECORD_TIME = 1,
    RECORD_SEVERITY_NUMBER = 2,
    RECORD_SEVERITY_TEXT = 3,
    RECORD_BODY = 5,
    RECORD_ATTRIBUTES = 6,
    RECORD_FLAGS = 8,
    RECORD_TRACE_ID = 9,
    RECORD_SPAN_ID = 10,
    RECORD_OBSERVED_TIME = 11,
};

#define TEXT(s) ((struct fapilog_text){s, sizeof(s) - 1})

/* Only what attributes_begin() and the bound look at. */
static const struct plan_layout layout = {.order = GATHER_BYTES, .value_bound = otlp_value_bound};

/* Each key and length here is shorter than the JSON around the same text. */
size_t otlp_proto_bound(const struct fapilog_record *r)
{
    return plan_bound(&layout, r);
}

/* ---- group ---- */

static char *put_text_pair(const char *key, size_t key_len, struct fapilog_text value, char *out)
{
    unsigned flags = 0;
    if (value.len == 0)
        return out;
    char *const pair = proto_open(out, RESOURCE_ATTRIBUTES);
    char *const any = proto_open(proto_bytes(pair, OTLP_KEY_VALUE_KEY, key, key_len), OTLP_KEY_VALUE_VALUE);
    return proto_close(pair, proto_close(any, otlp_proto_text(OTLP_ANY_STRING, value, any, &flags)));
}
#define put_resource_text(out, lit, value) put_text_pair("" lit, sizeof(lit) - 1, (value), (out))

static char *put_pid(uint32_t pid, char *out)
{
    char *const pair = proto_open(out, RESOURCE_ATTRIBUTES);
    out = proto_bytes(pair, OTLP_KEY_VALUE_KEY, "process.pid", sizeof "process.pid" - 1);
    char *const any = proto_open(out, OTLP_KEY_VALUE_VALUE);
    return proto_close(pair, proto_close(any, proto_number(any, OTLP_ANY_INT, pid)));
}

static char *put_enriched(const struct fapilog_record *r, char *out)
{
    struct enriched en;
    struct gather_entry x;
    unsigned flags = 0;
    enriched_begin(&en, r, layout.order);
    while (enriched_next(&en, NULL, &x)) {
        char *const pair = proto_open(out, RESOURCE_ATTRIBUTES);
        char *const any = proto_open(otlp_proto_text(OTLP_KEY_VALUE_KEY, x.name, pair, &flags), OTLP_KEY_VALUE_VALUE);
        out = proto_close(pair, proto_close(any, otlp_proto_value(r, x.field, any, &flags)));
    }
    return out;
}

char *otlp_proto_group(const struct fapilog_record *r, char *out)
{
    const struct fapilog_process_info *const p = r->process;
    unsigned flags = 0;
    char *const resource = proto_open(out, OTLP_RESOURCE_LOGS_RESOURCE);
    out = resource;
    if (p) {
        out = put_resource_text(out, "service.name", parts_service(r));
        out = put_resource_text(out, "service.version", p->version);
        out = put_resource_text(out, "deployment.environment.name", p->env);
        out = put_resource_text(out, "host.name", p->host);
        out = put_pid(p->pid, out);
        out = put_enriched(r, out);
    }
    out = proto_close(resource, out);
    char *const scope = proto_open(out, OTLP_SCOPE_LOGS_SCOPE);
    return proto_close(scope, otlp_proto_text(SCOPE_NAME, attributes_scope(r), scope, &flags));
}

/* ---- record ---- */

static char *put_body(const struct fapilog_record *r, char *out, unsigned *flags)
{
    char *const any = proto_open(out, RECORD_BODY);
    if (!plan_message_is_format(r))
        return proto_close(any, otlp_proto_text(OTLP_ANY_STRING, r->message, any, flags));
    char *const text = proto_open(any, OTLP_ANY_STRING);
    return proto_close(any, proto_close(text, printf_text_write(r, otlp_proto_utf8, text, flags)));
}

static char *put_any(const struct build *b, const struct attribute *x, char *out, unsigned *flags)
{
    struct fapilog_text text;
    uint64_t number;
    if (x->kind == ATTRIBUTE_FIELD)
        return otlp_proto_value(b->r, x->entry->field, out, flags);
    if (attributes_text(b, x->kind, &text))
        return otlp_proto_text(OTLP_ANY_STRING, text, out, flags);
    if (attributes_number(b, x->kind, &number))
        return proto_number(out, OTLP_ANY_INT, number);
    if (x->kind != ATTRIBUTE_UID)
        return proto_number(out, OTLP_ANY_BOOL, 1);
    char *const id = proto_open(out, OTLP_ANY_STRING);
    return proto_close(id, plan_message_id(&b->r->id, id));
}

static char *put_name(const struct attribute *x, char *out, unsigned *flags)
{
    char *const name = proto_open(out, OTLP_KEY_VALUE_KEY);
    out = otlp_proto_utf8(x->name.data, x->name.len, name, flags);
    if (x->is_renamed)
        *out++ = '_';
    return proto_close(name, out);
}

static char *put_attributes(const struct build *b, char *out, unsigned *flags)
{
    struct attributes a;
    struct attribute x;
    attributes_begin(&a, b, true);
    while (attributes_next(&a, &x)) {
        if (x.kind == ATTRIBUTE_FLAGS)
            continue;
        char *const pair = proto_open(out, RECORD_ATTRIBUTES);
        char *const any = proto_open(put_name(&x, pair, flags), OTLP_KEY_VALUE_VALUE);
        out = proto_close(pair, proto_close(any, put_any(b, &x, any, flags)));
    }
    return out;
}

/* Known only when all texts are written: the last of the attributes. */
static char *put_invalid(unsigned flags, char *out)
{
    const char *const text = plan_flags_text(flags);
    char *const pair = proto_open(out, RECORD_ATTRIBUTES);
    out = proto_bytes(pair, OTLP_KEY_VALUE_KEY, "fapilog.invalid", sizeof "fapilog.invalid" - 1);
    char *const any = proto_open(out, OTLP_KEY_VALUE_VALUE);
    return proto_close(pair, proto_close(any, proto_bytes(any, OTLP_ANY_STRING, text, strlen(text))));
}

/* A text was well formed when the variant was chosen; it is another process's and may have changed. */
static char *put_id(unsigned number, const struct fapilog_field *f, size_t len, char *out)
{
    uint8_t id[16] = {0};
    if (f->type != FAPILOG_TYPE_STRING)
        memcpy(id, f->v.data, len);
    else if (!hex_read(f->v.data, len, id))
        return out;
    return proto_bytes(out, number, id, len);
}

char *otlp_proto_record(struct gather *g, struct format *f, const struct fapilog_record *r, char *out)
{
    const struct gather_entry *const by_role = g->by_role;
    const int64_t now = format_observed_clock();
    unsigned flags = 0;
    gather_fields(g, r, layout.order);
    if (g->names_repaired)
        flags |= TEXT_INVALID_UTF8;
    const struct build b = {.f = f, .layout = &layout, .r = r, .g = g, .variant = plan_variant(r)};
    out = proto_fixed64(out, RECORD_TIME, plan_unix_nano(r));
    out = proto_number(out, RECORD_SEVERITY_NUMBER, level_severity_number(r->level));
    out = otlp_proto_text(RECORD_SEVERITY_TEXT, level_severity_text(r->level), out, &flags);
    out = put_body(r, out, &flags);
    out = put_attributes(&b, out, &flags);
    if (flags)
        out = put_invalid(flags, out);
    if (b.variant & PLAN_VARIANT_TRACE_FLAGS)
        out = proto_fixed32(out, RECORD_FLAGS, (uint32_t)by_role[FAPILOG_ROLE_TRACE_FLAGS].field->v.u64);
    if (b.variant & PLAN_VARIANT_TRACE_ID)
        out = put_id(RECORD_TRACE_ID, by_role[FAPILOG_ROLE_TRACE_ID].field, 16, out);
    if (b.variant & PLAN_VARIANT_SPAN_ID)
        out = put_id(RECORD_SPAN_ID, by_role[FAPILOG_ROLE_SPAN_ID].field, 8, out);
    return proto_fixed64(out, RECORD_OBSERVED_TIME, now > r->time_ns ? (uint64_t)now : plan_unix_nano(r));
}
