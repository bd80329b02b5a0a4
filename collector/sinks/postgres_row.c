/* A record as a row. The entry's payload is the event as JSON; its group says which columns were extracted,
 * since a spool may outlive a change of the configuration; its meta are the extracted columns as the
 * binary COPY wants them, each a length (big endian, -1: NULL) and bytes. */
#include "collector/format/gather.h"
#include "collector/format/level.h"
#include "collector/format/otlp_proto_value.h"
#include "collector/format/parts.h"
#include "collector/format/printf_text.h"
#include "collector/sinks/event.h"
#include "collector/sinks/postgres.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    META_MAX = 60000, /* of all columns: entry_head.meta_len has 16 bits */
    COLUMN_MIN = 64,  /* left for each column that is still to come */
    VALUE_BOUND = 2048, /* numbers, times, ids; longer texts bring their own */
    SMALL_NAME_BOUND = 63 * JSON_ESCAPE_FACTOR + TIME_TEXT_MAX + VALUE_SLACK, /* of include_raw_json=false */
};

#define PG_EPOCH_US (INT64_C(946684800) * 1000000) /* 2000-01-01 */

/* ---- columns ---- */

static char *put_length(char *out, int32_t len)
{
    const uint32_t wire = htobe32((uint32_t)len);
    memcpy(out, &wire, sizeof wire);
    return out + sizeof wire;
}

/* Cut to the column's characters and to the room that is left, at a character. `text` is valid UTF-8. */
static char *put_column(char *out, const struct pg_column *c, size_t room, const char *text, size_t len)
{
    size_t end = 0;
    if (likely(len <= room && len <= c->chars_max)) /* no more characters than bytes */
        end = len;
    for (uint32_t chars = 0; end < len && chars < c->chars_max; chars++) {
        size_t next = end + 1;
        while (next < len && ((uint8_t)text[next] & 0xc0) == 0x80)
            next++;
        if (next > room)
            break;
        end = next;
    }
    memmove(out + 4, text, end);
    return put_length(out, (int32_t)end) + end;
}

static const struct fapilog_field *find_in(const struct fapilog_field *f, uint32_t count, const char *name)
{
    const size_t len = strlen(name);
    for (uint32_t i = count; i-- > 0;)
        if (f[i].name.len == len && memcmp(f[i].name.data, name, len) == 0)
            return &f[i];
    return NULL;
}

/* The call wins over the context, the context over the logger. A name stands for its role, too. */
static const struct fapilog_field *find_field(const struct fapilog_record *r, const char *name)
{
    const char *wanted = strcmp(name, "correlation_id") == 0 ? "request_id" : name;
    const struct fapilog_field *f = find_in(r->fields, r->fields_count, name);
    for (unsigned again = 0; !f && again < 2; again++, wanted = name) {
        f = find_in(r->fields, r->fields_count, wanted);
        if (!f && r->context)
            f = find_in(r->context->fields, r->context->fields_count, wanted);
        if (!f && r->logger)
            f = find_in(r->logger->fields, r->logger->fields_count, wanted);
        for (uint32_t i = 0; !f && r->context && i < r->context->fields_count; i++) {
            const struct fapilog_field *c = &r->context->fields[i];
            const struct fapilog_text role = gather_role_name(gather_role(c));
            if (gather_role(c) && role.len == strlen(wanted) && !memcmp(role.data, wanted, role.len))
                f = c;
        }
    }
    return f;
}

/* Text as it is, but for what PostgreSQL cannot hold: what is not UTF-8, and NUL, become U+FFFD. At most 3 * len
 * bytes. */
static char *put_text(const char *src, size_t len, char *out, unsigned *flags)
{
    char *const end = otlp_proto_utf8(src, len, out, flags);
    size_t nuls = 0;
    for (const char *p = out; (p = memchr(p, '\0', (size_t)(end - p))) != NULL; p++)
        nuls++;
    char *to = end + 2 * nuls;
    for (const char *p = end; to != p;) { /* from behind: what is ahead moves on */
        if (*--p) {
            *--to = *p;
            continue;
        }
        to -= sizeof UTF8_REPLACEMENT - 1;
        memcpy(to, UTF8_REPLACEMENT, sizeof UTF8_REPLACEMENT - 1);
    }
    return end + 2 * nuls;
}

static char *text_of(char *out, struct fapilog_text t)
{
    unsigned flags = 0;
    return put_text(t.data, t.len, out, &flags);
}

static char *message_text(const struct fapilog_record *r, char *out)
{
    unsigned flags = 0;
    if (plan_message_is_format(r))
        return printf_text_write(r, put_text, out, &flags);
    return text_of(out, r->message);
}

/* What the record itself knows; NULL: not its business. */
static char *own_text(const struct fapilog_record *r, enum pg_source source, char *out)
{
    switch (source) {
    case PG_LEVEL: return text_of(out, level_name(r->level));
    case PG_MESSAGE: return message_text(r, out);
    case PG_LOGGER: return r->logger && r->logger->name.len ? text_of(out, r->logger->name) : put_lit(out, "root");
    case PG_MESSAGE_ID: return plan_message_id(&r->id, out);
    default: break;
    }
    if (!r->process)
        return NULL;
    switch (source) {
    case PG_SERVICE: return text_of(out, parts_service(r));
    case PG_ENV: return text_of(out, r->process->env);
    case PG_VERSION: return text_of(out, r->process->version);
    case PG_HOST: return text_of(out, r->process->host);
    case PG_PID: return num_u64(out, r->process->pid);
    default: return NULL;
    }
}

static char *field_text(const struct fapilog_record *r, const struct fapilog_field *f, char *out)
{
    unsigned flags = 0;
    char *end = out;
    if (f->type == FAPILOG_TYPE_STRING)
        return put_text(f->v.data, f->len, out, &flags);
    return value_plain(f, NUM_POINT, &end) ? end : value_json(r, f, VALUE_SORTED, out, &flags);
}

/* The text is made behind the place for it, as far away as the longest column is. */
static char *encode_column(const struct fapilog_record *r, const struct pg_column *c, size_t room, char *out)
{
    char *const made = out + 4 + PG_COLUMN_BYTES_MAX + VALUE_SLACK;
    if (room > PG_COLUMN_BYTES_MAX)
        room = PG_COLUMN_BYTES_MAX;
    if (c->type == PG_TIMESTAMPTZ) {
        const uint64_t us = htobe64((uint64_t)(r->time_ns / 1000 - PG_EPOCH_US));
        memcpy(out + 4, &us, sizeof us);
        return put_length(out, sizeof us) + sizeof us;
    }
    char *end = own_text(r, c->source, made);
    if (!end) {
        const struct fapilog_field *f = find_field(r, c->name);
        if (!f || f->type == FAPILOG_TYPE_NULL)
            return put_length(out, -1);
        end = field_text(r, f, made);
    }
    return put_column(out, c, room, made, (size_t)(end - made));
}

/* ---- event ---- */

/* jsonb has no \u0000: such a character becomes U+FFFD. A backslash that is itself escaped is no escape. */
static void mend_nul(char *text, const char *end)
{
    for (char *p = text; p < end && (p = memchr(p, '\\', (size_t)(end - p))); p += 2)
        if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
            memcpy(p, "\\ufffd", 6);
}

static char *raw_event(struct sink *s, const struct fapilog_record *r, char *out)
{
    char *end = s->format->ops->write(s->format, r, out);
    if (end > out && s->format->ops->is_lines)
        end--;
    return event_unwrap(out, end, false);
}

/* include_raw_json=false: only what the columns hold. */
static char *small_event(const struct pg_state *st, const struct fapilog_record *r, const char *columns, char *out)
{
    struct time_text time = st->time;
    unsigned flags = 0;
    *out++ = '{';
    for (uint32_t i = 0; i < st->columns_count; i++) {
        uint32_t wire;
        memcpy(&wire, columns, sizeof wire);
        const int32_t len = (int32_t)be32toh(wire);
        columns += sizeof wire;
        if (len < 0)
            continue;
        if (out[-1] != '{')
            *out++ = ',';
        const char *name = st->column[i].name;
        out = value_quoted((struct fapilog_text){ name, (uint32_t)strlen(name) }, out, &flags);
        *out++ = ':';
        if (st->column[i].type == PG_TIMESTAMPTZ) {
            *out++ = '"';
            out = time_text_write(&time, r->time_ns, 6, out);
            *out++ = '"';
        } else {
            out = value_quoted((struct fapilog_text){ columns, (uint32_t)len }, out, &flags);
        }
        columns += len;
    }
    *out++ = '}';
    return out;
}

static size_t fields_bound(const struct fapilog_field *f, uint32_t count)
{
    size_t most = 0;
    for (uint32_t i = 0; i < count; i++)
        if (value_bound(&f[i]) > most)
            most = value_bound(&f[i]);
    return most;
}

/* The longest text that a column can come from. */
static size_t column_bound(const struct fapilog_record *r)
{
    size_t bytes = VALUE_BOUND + r->message.len * JSON_ESCAPE_FACTOR + printf_text_bound(r);
    for (uint32_t i = 0; i < r->fields_count; i++)
        bytes += value_bound(&r->fields[i]); /* arguments of the message */
    if (r->context)
        bytes += fields_bound(r->context->fields, r->context->fields_count);
    if (r->logger)
        bytes += fields_bound(r->logger->fields, r->logger->fields_count) +
                 (r->logger->name.len + r->logger->service.len) * JSON_ESCAPE_FACTOR;
    if (r->process)
        bytes += (r->process->service.len + r->process->host.len + r->process->env.len + r->process->version.len) *
                 JSON_ESCAPE_FACTOR;
    return bytes + VALUE_SLACK;
}

/* Of all columns. A text is made behind the place for it, as far away as the longest column is. */
static size_t columns_bound(const struct pg_state *st, size_t longest)
{
    const size_t one = 4 + (longest < PG_COLUMN_BYTES_MAX ? longest : PG_COLUMN_BYTES_MAX);
    const size_t all = st->columns_count * one;
    return all < META_MAX ? all : META_MAX;
}

size_t pg_encode_bound(struct sink *s, const struct fapilog_record *r)
{
    const struct pg_cfg *cfg = s->cfg;
    const struct pg_state *st = s->state;
    const size_t longest = column_bound(r), columns = columns_bound(st, longest);
    const size_t made = 4 + PG_COLUMN_BYTES_MAX + VALUE_SLACK + longest;
    size_t event = s->format->ops->bound(s->format, r);
    if (!cfg->include_raw_json)
        event += columns * JSON_ESCAPE_FACTOR + st->columns_count * SMALL_NAME_BOUND;
    return sizeof st->signature + columns + (made > event ? made : event);
}

char *pg_encode(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                uint16_t *ret_meta_len)
{
    const struct pg_cfg *cfg = s->cfg;
    const struct pg_state *st = s->state;
    memcpy(out, &st->signature, sizeof st->signature);
    char *const begin = out += sizeof st->signature;
    for (uint32_t i = 0; i < st->columns_count; i++) {
        const size_t later = (st->columns_count - i) * COLUMN_MIN, used = (size_t)(out - begin);
        out = encode_column(r, &st->column[i], META_MAX - used - later, out);
    }
    *ret_group_len = sizeof st->signature;
    *ret_meta_len = (uint16_t)(out - begin);
    char *const event = out;
    out = cfg->include_raw_json ? raw_event(s, r, out) : small_event(st, r, begin, out);
    mend_nul(event, out);
    return out;
}

/* ---- COPY ---- */

bool pg_entry_fits(const struct pg_state *st, const struct entry_head *h)
{
    return h->group_len == sizeof st->signature && memcmp(entry_group(h), &st->signature, h->group_len) == 0;
}

static char *put_id(char *out, const struct entry_head *h)
{
    struct {
        uint32_t len;
        uint8_t uuid[16];
        uint32_t lane, generation;
        uint64_t position;
    } __attribute__((packed)) wire = {
        .len = htobe32(32), .lane = htobe32(h->lane), .generation = htobe32(h->generation),
        .position = htobe64(h->position),
    };
    memcpy(wire.uuid, h->uuid, sizeof wire.uuid);
    memcpy(out, &wire, sizeof wire);
    return out + sizeof wire;
}

static char *put_event(char *out, const struct entry_head *h, bool is_jsonb)
{
    out = put_length(out, (int32_t)(h->payload_len + is_jsonb));
    if (is_jsonb)
        *out++ = 1; /* the version, in front of the text */
    memcpy(out, entry_payload(h), h->payload_len);
    return out + h->payload_len;
}

int pg_copy_data(const struct pg_cfg *cfg, const struct pg_state *st, const struct sink_request *q, bool has_record_id,
                 struct buf *buf)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    enum { HEAD_BYTES = 19, ROW_BYTES = 2 + 36 + 5 }; /* what a row has beside its columns and the event */
    const uint16_t fields = htobe16((uint16_t)(st->columns_count + has_record_id + 1)), end = 0xffff;
    size_t bytes = HEAD_BYTES + sizeof end;
    for (uint32_t i = 0; i < q->count; i++)
        bytes += ROW_BYTES + q->entry[i]->meta_len + (size_t)q->entry[i]->payload_len;
    if (buf_reserve(buf, bytes) < 0)
        return -ENOMEM;
    char *out = buf->data + buf->len;
    memcpy(out, head, HEAD_BYTES);
    out += HEAD_BYTES;
    for (uint32_t i = 0; i < q->count; i++) {
        const struct entry_head *h = q->entry[i];
        if (!pg_entry_fits(st, h))
            continue;
        memcpy(out, &fields, sizeof fields);
        out += sizeof fields;
        memcpy(out, entry_meta(h), h->meta_len);
        out += h->meta_len;
        if (has_record_id)
            out = put_id(out, h);
        out = put_event(out, h, cfg->use_jsonb);
    }
    memcpy(out, &end, sizeof end);
    buf->len = (size_t)(out + sizeof end - buf->data);
    return 0;
}
