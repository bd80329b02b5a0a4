/* raw.c - a record as it lies in the ring, for debugging: where it is, its header, its typed fields in
 * their order, nothing merged and nothing interpreted.
 *
 *     3.1+4096 pid=1234 tid=77 t=1795250224123456789 cycles=993 INFO(9) flags=----- site=8 a.c:3 main
 *     logger=0"orders" "order accepted" {order_id:i32=42 price:f64=9.53} context#2{trace_id:...} */
#include "collector/format/level.h"
#include "collector/format/plan.h"
#include "collector/format/text.h"

enum { RAW_FIXED_BOUND = 1024, RAW_TYPE_MAX = 24 };

static const char *const type_names[FAPILOG_TYPE_COUNT] = {
    "null", "bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64", "string", "bytes",
    "json", "errno", "pointer", "ipv4", "ipv6", "time", "duration", "uuid", "stack", "char", "trace_id",
    "span_id"};

static size_t raw_bound(struct format *f, const struct fapilog_record *r)
{
    (void)f;
    size_t texts = (size_t)r->message.len + r->thread.len;
    size_t fields = r->fields_count;
    if (r->logger) {
        texts += r->logger->name.len;
        fields += r->logger->fields_count;
    }
    if (r->context)
        fields += r->context->fields_count;
    const struct fapilog_site *const source = fapilog_record_source(r);
    if (source)
        texts += (size_t)source->file.len + source->function.len;
    return RAW_FIXED_BOUND + texts * JSON_ESCAPE_FACTOR + plan_fields_bound(r, value_bound) + fields * RAW_TYPE_MAX;
}

static char *put_name(const char *name, char *out)
{
    const size_t len = strlen(name);
    memcpy(out, name, len);
    return out + len;
}

static char *put_fields(const struct fapilog_record *r, const struct fapilog_field *f, uint32_t count, char *out)
{
    unsigned ignored = 0;
    *out++ = '{';
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            *out++ = ' ';
        out = json_escape(f[i].name.data, f[i].name.len, out, &ignored);
        *out++ = ':';
        if (f[i].type < FAPILOG_TYPE_COUNT) {
            out = put_name(type_names[f[i].type], out);
        } else {
            out = put_lit(out, "type");
            out = num_u64(out, f[i].type);
        }
        if (f[i].role != FAPILOG_ROLE_DATA) {
            *out++ = '/';
            out = num_u64(out, f[i].role);
        }
        *out++ = '=';
        out = value_json(r, &f[i], VALUE_SORTED, out, &ignored);
    }
    *out++ = '}';
    return out;
}

static char *put_flags(uint8_t flags, char *out)
{
    static const struct { uint8_t bit; char letter; } known[] = {
        {FAPILOG_FLAG_EXT, 'e'}, {FAPILOG_FLAG_TID, 't'}, {FAPILOG_FLAG_CONTEXT, 'c'},
        {FAPILOG_FLAG_TRUNCATED, 'T'}, {FAPILOG_FLAG_NESTED, 'n'}};
    out = put_lit(out, " flags=");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        *out++ = flags & known[i].bit ? known[i].letter : '-';
    return out;
}

static char *put_identity(const struct fapilog_record *r, char *out)
{
    out = num_u64(out, r->id.lane);
    *out++ = '.';
    out = num_u64(out, r->id.generation);
    *out++ = '+';
    out = num_u64(out, r->id.position);
    if (r->process) {
        out = put_lit(out, " pid=");
        out = num_u64(out, r->process->pid);
    }
    out = put_lit(out, " tid=");
    out = num_u64(out, r->tid);
    out = put_lit(out, " t=");
    out = num_i64(out, r->time_ns);
    out = put_lit(out, " cycles=");
    return num_u64(out, r->cycles);
}

static char *put_origin(const struct fapilog_record *r, char *out)
{
    const struct fapilog_site *const source = fapilog_record_source(r);
    unsigned ignored = 0;
    if (!r->site)
        out = r->internal ? put_lit(out, " internal") : put_lit(out, " dynamic");
    if (source) {
        out = put_lit(out, " site=");
        out = num_u64(out, source->id);
        *out++ = ' ';
        out = json_escape(source->file.data, source->file.len, out, &ignored);
        *out++ = ':';
        out = num_u64(out, source->line);
        *out++ = ' ';
        out = json_escape(source->function.data, source->function.len, out, &ignored);
    }
    if (r->thread.len > 0) {
        out = put_lit(out, " thread=");
        out = value_quoted(r->thread, out, &ignored);
    }
    if (r->logger) {
        out = put_lit(out, " logger=");
        out = num_u64(out, r->logger->id);
        out = value_quoted(r->logger->name, out, &ignored);
        if (r->logger->fields_count > 0)
            out = put_fields(r, r->logger->fields, r->logger->fields_count, out);
    }
    return out;
}

static char *raw_write(struct format *f, const struct fapilog_record *r, char *out)
{
    const struct fapilog_text level = level_name(r->level);
    char *const begin = out;
    unsigned ignored = 0;
    out = put_identity(r, out);
    *out++ = ' ';
    memcpy(out, level.data, level.len);
    out += level.len;
    *out++ = '(';
    out = num_u64(out, r->level);
    *out++ = ')';
    out = put_flags(r->flags, out);
    out = put_origin(r, out);
    *out++ = ' ';
    if (r->site && r->site->is_printf)
        out = put_lit(out, "printf");
    out = value_quoted(r->message, out, &ignored);
    *out++ = ' ';
    out = put_fields(r, r->fields, r->fields_count, out);
    if (r->context) {
        out = put_lit(out, " context#");
        out = num_u64(out, r->context->epoch);
        out = r->context->lost ? put_lit(out, " lost")
                               : put_fields(r, r->context->fields, r->context->fields_count, out);
    }
    out = text_visible(begin, out, f->cfg.is_terminal);
    *out++ = '\n';
    return out;
}

const struct format_ops format_raw = {
    .name = "raw",
    .summary = "Position, header and typed fields, for debugging.",
    .media_type = "text/plain",
    .is_lines = true,
    .bound = raw_bound,
    .write = raw_write,
};
