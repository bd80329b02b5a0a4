#include "tools/dump/output.h"

#include "collector/format/text.h"
#include "collector/format/values.h"

#include <errno.h>
#include <inttypes.h>

static const char *const type_names[FAPILOG_TYPE_COUNT] = {
    "null", "bool", "i8",       "u8",     "i16",   "u16",  "i32",      "u32",     "i64",
    "u64",  "f32",  "f64",      "string", "bytes", "json", "errno",    "pointer", "ipv4",
    "ipv6", "time", "duration", "uuid",   "stack", "char", "trace_id", "span_id",
};

static int text_append(struct buf *b, struct fapilog_text t)
{
    unsigned flags = 0;
    const int n = buf_reserve(b, (size_t)t.len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK + 2);
    if (n == 0) {
        char *out = b->data + b->len;
        *out++ = '"';
        out = json_escape(t.data, t.len, out, &flags);
        *out++ = '"';
        b->len = (size_t)(out - b->data);
    }
    return n;
}

static int fields_append(struct buf *b, const struct fapilog_record *r, const char *from,
                         const struct fapilog_field *fields, uint32_t count)
{
    int n = count ? buf_printf(b, " %s:", from) : 0;
    for (uint32_t i = 0; i < count && n == 0; i++) {
        const struct fapilog_field *f = &fields[i];
        unsigned flags = 0;
        n = text_append(b, f->name);
        if (n == 0)
            n = buf_printf(b, ":%s=", f->type < FAPILOG_TYPE_COUNT ? type_names[f->type] : "?");
        if (n == 0)
            n = buf_reserve(b, value_bound(f) + VALUE_SLACK + 1);
        if (n == 0) {
            b->len = (size_t)(value_json(r, f, VALUE_SORTED, b->data + b->len, &flags) - b->data);
            if (i + 1 < count)
                b->data[b->len++] = ',';
        }
    }
    return n;
}

static int identity_append(struct buf *b, const struct fapilog_record *r)
{
    int n = 0;
    for (size_t i = 0; i < sizeof r->id.uuid && n == 0; i++)
        n = buf_printf(b, "%02x", r->id.uuid[i]);
    if (n == 0)
        n = buf_printf(b,
                       ":%" PRIu32 ":%" PRIu32 ":%" PRIu64 " ns=%" PRId64 " cycles=%" PRIu64
                       " level=%u flags=%#x tid=%" PRIu32,
                       r->id.lane, r->id.generation, r->id.position, r->time_ns, r->cycles, r->level,
                       r->flags, r->tid);
    if (n == 0 && r->site)
        n = buf_printf(b, " site=%" PRIu32 "%s", r->site->id, r->site->is_printf ? "(printf)" : "");
    if (n == 0 && r->logger)
        n = buf_printf(b, " logger=%" PRIu32, r->logger->id);
    if (n == 0 && r->context)
        n = buf_printf(b, " epoch=%" PRIu32 "%s", r->context->epoch, r->context->lost ? "(lost)" : "");
    return n;
}

int raw_append(struct buf *b, const struct fapilog_record *r)
{
    int n = identity_append(b, r);
    if (n == 0)
        n = buf_append(b, " ", 1);
    if (n == 0)
        n = text_append(b, r->message);
    if (n == 0)
        n = fields_append(b, r, "fields", r->fields, r->fields_count);
    if (n == 0 && r->context)
        n = fields_append(b, r, "context", r->context->fields, r->context->fields_count);
    if (n == 0 && r->logger)
        n = fields_append(b, r, "bound", r->logger->fields, r->logger->fields_count);
    return n == 0 ? buf_append(b, "\n", 1) : n;
}
