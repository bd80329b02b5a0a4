/* A record as a row. The entry's payload is the event as JSON; its group says which columns were extracted,
 * since a spool may outlive a change of the configuration; its meta are the extracted columns as the
 * binary COPY wants them, each a length (big endian, -1: NULL) and bytes. */
#include "collector/format/gather.h"
#include "collector/format/level.h"
#include "collector/format/plan.h"
#include "collector/format/printf_text.h"
#include "collector/format/text.h"
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
};

#define PG_EPOCH_US (INT64_C(946684800) * 1000000) /* 2000-01-01 */

static const char wrap_front[] = "{\"log\":", wrap_back[] = ",\"schema_version\":\"1.1\"}";

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
    const uint32_t most = c->type == PG_VARCHAR ? c->chars_max : UINT32_MAX;
    size_t end = 0;
    for (uint32_t chars = 0; end < len && chars < most; chars++) {
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

static char *text_of(char *out, struct fapilog_text t)
{
    unsigned flags = 0;
    return text_clean(t.data, t.len, out, &flags);
}

static char *message_text(const struct fapilog_record *r, char *out)
{
    unsigned flags = 0;
    if (r->site && r->site->is_printf)
        return printf_text_write(r, text_clean, out, &flags);
    return text_of(out, r->message);
}

/* What the record itself knows under this name; NULL: not its business. */
static char *own_text(const struct fapilog_record *r, const char *name, char *out)
{
    if (strcmp(name, "level") == 0)
        return text_of(out, level_name(r->level));
    if (strcmp(name, "message") == 0)
        return message_text(r, out);
    if (strcmp(name, "logger") == 0)
        return r->logger && r->logger->name.len ? text_of(out, r->logger->name) : put_lit(out, "root");
    if (strcmp(name, "message_id") == 0)
        return plan_message_id(&r->id, out);
    if (!r->process)
        return NULL;
    if (strcmp(name, "service") == 0)
        return text_of(out, r->logger && r->logger->service.len ? r->logger->service : r->process->service);
    if (strcmp(name, "env") == 0)
        return text_of(out, r->process->env);
    if (strcmp(name, "version") == 0)
        return text_of(out, r->process->version);
    if (strcmp(name, "host") == 0)
        return text_of(out, r->process->host);
    return strcmp(name, "pid") == 0 ? num_u64(out, r->process->pid) : NULL;
}

static char *field_text(const struct fapilog_record *r, const struct fapilog_field *f, char *out)
{
    unsigned flags = 0;
    char *end = out;
    if (f->type == FAPILOG_TYPE_STRING)
        return text_clean(f->v.data, f->len, out, &flags);
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
    char *end = own_text(r, c->name, made);
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

/* The fapilog envelope without its wrapper: the event itself. */
static char *unwrap(char *begin, char *end)
{
    const size_t front = sizeof wrap_front - 1, back = sizeof wrap_back - 1;
    if ((size_t)(end - begin) < front + back || memcmp(begin, wrap_front, front) != 0 ||
        memcmp(end - back, wrap_back, back) != 0)
        return end;
    const size_t len = (size_t)(end - begin) - front - back;
    memmove(begin, begin + front, len);
    return begin + len;
}

static char *raw_event(struct sink *s, const struct fapilog_record *r, char *out)
{
    char *end = s->format->ops->write(s->format, r, out);
    if (end > out && s->format->ops->is_lines)
        end--;
    return unwrap(out, end);
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

size_t pg_encode_bound(struct sink *s, const struct fapilog_record *r)
{
    return 2 * META_MAX * JSON_ESCAPE_FACTOR + column_bound(r) + s->format->ops->bound(s->format, r);
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

static int put_id(struct buf *out, const struct entry_head *h)
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
    return buf_append(out, &wire, sizeof wire);
}

static int put_event(struct buf *out, const struct entry_head *h, bool is_jsonb)
{
    char head[5];
    const size_t version = is_jsonb; /* one byte in front of the text: 1 */
    (void)put_length(head, (int32_t)(h->payload_len + version));
    head[4] = 1;
    const int r = buf_append(out, head, 4 + version);
    return r < 0 ? r : buf_append(out, entry_payload(h), h->payload_len);
}

int pg_copy_data(const struct pg_cfg *cfg, const struct pg_state *st, const struct sink_request *q, bool has_record_id,
                 struct buf *out)
{
    static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    const uint16_t fields = htobe16((uint16_t)(st->columns_count + has_record_id + 1)), end = 0xffff;
    int r = buf_append(out, head, 19);
    for (uint32_t i = 0; i < q->count && r == 0; i++) {
        const struct entry_head *h = q->entry[i];
        if (!pg_entry_fits(st, h))
            continue;
        r = buf_append(out, &fields, sizeof fields);
        if (r == 0)
            r = buf_append(out, entry_meta(h), h->meta_len);
        if (r == 0 && has_record_id)
            r = put_id(out, h);
        if (r == 0)
            r = put_event(out, h, cfg->use_jsonb);
    }
    return r < 0 ? r : buf_append(out, &end, sizeof end);
}
