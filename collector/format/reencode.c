#include "collector/format/reencode.h"

#include "collector/format/gather.h"
#include "collector/format/plan.h"
#include "collector/format/printf_text.h"
#include "collector/format/values.h"

#include <string.h>

enum {
    PREFIX_MAX = 64,
    FIELD_FRAME = 4 + 3 + 8 + 8, /* head, alignment, length, alignment of a stack */
    HEADER = sizeof(struct fapilog_record_header),
    FRAGMENT_BYTES = REENCODE_PLAIN_MAX - HEADER, /* of a chain that one fragment holds */
    CHAIN_HEAD = 24,                              /* word0, cycles and length in front of its payload */
    CHAIN_MORE = CHAIN_HEAD - HEADER + (REENCODE_BYTES_MAX / FRAGMENT_BYTES + 1) * HEADER,
    SOURCE_FIELDS = 3, SOURCE_NAME_MAX = 18,
};

struct writer {
    uint8_t *start;
    size_t at, limit;
    bool is_cut;
};

static size_t aligned(size_t at, size_t align)
{
    return (at + align - 1) & ~(align - 1);
}

/* Bytes of values that stand in the field itself; 0: in its data, or none. */
static size_t scalar_bytes(uint8_t type)
{
    switch (type) {
    case FAPILOG_TYPE_BOOL: case FAPILOG_TYPE_I8: case FAPILOG_TYPE_U8: case FAPILOG_TYPE_CHAR:
        return 1;
    case FAPILOG_TYPE_I16: case FAPILOG_TYPE_U16:
        return 2;
    case FAPILOG_TYPE_I32: case FAPILOG_TYPE_U32: case FAPILOG_TYPE_F32: case FAPILOG_TYPE_ERRNO:
        return 4;
    case FAPILOG_TYPE_I64: case FAPILOG_TYPE_U64: case FAPILOG_TYPE_F64: case FAPILOG_TYPE_TIME:
    case FAPILOG_TYPE_DURATION: case FAPILOG_TYPE_POINTER:
        return 8;
    default:
        return 0;
    }
}

static bool has_length(uint8_t type)
{
    return type == FAPILOG_TYPE_STRING || type == FAPILOG_TYPE_BYTES || type == FAPILOG_TYPE_JSON ||
           type == FAPILOG_TYPE_STACK;
}

static void put(struct writer *w, const void *data, size_t len)
{
    if (len)
        memcpy(w->start + w->at, data, len);
    w->at += len;
}

static void put_u32(struct writer *w, uint32_t v)
{
    put(w, &v, sizeof v);
}

static void pad(struct writer *w, size_t from, size_t align)
{
    const size_t to = from + aligned(w->at - from, align);
    memset(w->start + w->at, 0, to - w->at);
    w->at = to;
}

static void put_scalar(struct writer *w, const struct fapilog_field *f, size_t bytes)
{
    const uint64_t v64 = f->v.u64;
    const uint32_t v32 = (uint32_t)v64;
    const uint16_t v16 = (uint16_t)v64;
    const uint8_t v8 = (uint8_t)v64;
    const float narrow = (float)(f->type == FAPILOG_TYPE_F32 ? f->v.f64 : 0);
    if (f->type == FAPILOG_TYPE_F32)
        put(w, &narrow, 4);
    else
        put(w,
            bytes == 1 ? (const void *)&v8 : bytes == 2 ? (const void *)&v16 : bytes == 4 ? (const void *)&v32 : &v64,
            bytes);
}

/* Offsets count from `list`. */
static void put_value(struct writer *w, size_t list, const struct fapilog_field *f)
{
    const size_t scalar = scalar_bytes(f->type);
    if (scalar) {
        pad(w, list, scalar);
        put_scalar(w, f, scalar);
    } else if (f->type == FAPILOG_TYPE_STACK) {
        pad(w, list, 4);
        put_u32(w, f->len / 8);
        pad(w, list, 8);
        put(w, f->v.data, f->len / 8 * 8);
    } else if (has_length(f->type)) {
        pad(w, list, 4);
        put_u32(w, f->len);
        put(w, f->v.data, f->len);
    } else if (f->type != FAPILOG_TYPE_NULL) {
        put(w, f->v.data, f->len);
    }
}

static size_t field_bound(const struct fapilog_field *f)
{
    return FIELD_FRAME + f->name.len + 8 + (scalar_bytes(f->type) || f->type == FAPILOG_TYPE_NULL ? 0 : f->len);
}

/* False: it does not fit, or there are enough of them; nothing is written. */
static bool put_field(struct writer *w, size_t list, const struct fapilog_field *f, uint32_t *count)
{
    if (*count == FAPILOG_FIELDS_MAX || f->name.len > UINT16_MAX || f->type >= FAPILOG_TYPE_COUNT ||
        w->at + field_bound(f) > w->limit) {
        w->is_cut = true;
        return false;
    }
    const uint16_t name_len = (uint16_t)f->name.len;
    const uint8_t head[2] = {f->type, f->role < FAPILOG_ROLE_COUNT ? f->role : FAPILOG_ROLE_DATA};
    pad(w, list, 4);
    put(w, head, sizeof head);
    put(w, &name_len, sizeof name_len);
    put(w, f->name.data, name_len);
    put_value(w, list, f);
    ++*count;
    return true;
}

static void put_fields(struct writer *w, size_t list, const struct fapilog_field *fields, uint32_t n, uint32_t *count)
{
    for (uint32_t i = 0; i < n; i++)
        (void)put_field(w, list, &fields[i], count);
}

static char *copy_text(const char *src, size_t len, char *out, unsigned *flags)
{
    (void)flags;
    if (len)
        memcpy(out, src, len);
    return out + len;
}

static size_t message_bound(const struct fapilog_record *r)
{
    size_t sum = r->message.len;
    if (!plan_message_is_format(r))
        return sum;
    for (uint32_t i = 0; i < r->fields_count; i++)
        sum += value_bound(&r->fields[i]);
    return sum + printf_text_bound(r) + VALUE_SLACK;
}

static size_t list_bound(const struct fapilog_field *fields, uint32_t count)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += field_bound(&fields[i]);
    return sum;
}

/* NULL: not wanted, or not known. */
static const struct fapilog_site *source_of(const struct fapilog_record *r, const struct reencode_options *o)
{
    const struct fapilog_site *const source = fapilog_record_source(r);
    return o->with_source && source && source->file.len ? source : NULL;
}

size_t reencode_bound(const struct fapilog_record *r, const struct reencode_options *o)
{
    size_t sum = PREFIX_MAX + message_bound(r) + list_bound(r->fields, r->fields_count);
    if (r->context)
        sum += list_bound(r->context->fields, r->context->fields_count);
    if (r->logger && !o->logger)
        sum += list_bound(r->logger->fields, r->logger->fields_count) + FIELD_FRAME + 16 + r->logger->name.len;
    if (r->process && o->with_enriched)
        sum += list_bound(r->process->enriched, r->process->enriched_count);
    const struct fapilog_site *const source = source_of(r, o);
    if (source)
        sum += SOURCE_FIELDS * (FIELD_FRAME + 8 + SOURCE_NAME_MAX) + source->file.len + source->function.len;
    sum = aligned(sum, 8);
    return sum > REENCODE_PLAIN_MAX ? sum + CHAIN_MORE : sum;
}

static void put_message(struct writer *w, const struct fapilog_record *r)
{
    char *const out = (char *)w->start + w->at;
    const size_t room = w->limit - w->at;
    size_t len = r->message.len;
    unsigned flags = 0;
    if (plan_message_is_format(r))
        len = (size_t)(printf_text_write(r, copy_text, out, &flags) - out);
    else if (len)
        memcpy(out, r->message.data, len);
    if (len > room) {
        for (len = room; len > 0 && ((uint8_t)out[len] & 0xc0) == 0x80;)
            len--; /* at a character */
        w->is_cut = true;
    }
    w->at += len;
}

static void put_context(struct writer *w, const struct fapilog_context_info *context)
{
    const size_t head = w->at, list = head + 8;
    uint32_t count = 0;
    w->at = list;
    put_fields(w, list, context->fields, context->fields_count, &count);
    const uint32_t sizes[2] = {(uint32_t)(w->at - list), count};
    memcpy(w->start + head, sizes, sizeof sizes);
    pad(w, 0, 8);
}

static void put_source(struct writer *w, size_t list, const struct fapilog_site *site, uint32_t *count)
{
    const struct fapilog_field fields[SOURCE_FIELDS] = {
        {.name = {"code.file.path", 14}, .type = FAPILOG_TYPE_STRING, .len = site->file.len, .v.data = site->file.data},
        {.name = {"code.line.number", 16}, .type = FAPILOG_TYPE_U32, .v.u64 = site->line},
        {.name = {"code.function.name", SOURCE_NAME_MAX}, .type = FAPILOG_TYPE_STRING, .len = site->function.len,
         .v.data = site->function.data},
    };
    put_fields(w, list, fields, SOURCE_FIELDS, count);
}

static void put_all_fields(struct writer *w, const struct fapilog_record *r, const struct reencode_options *o,
                           uint32_t *count)
{
    const size_t list = w->at;
    if (r->process && o->with_enriched)
        put_fields(w, list, r->process->enriched, r->process->enriched_count, count);
    if (r->logger && !o->logger) {
        put_fields(w, list, r->logger->fields, r->logger->fields_count, count);
        const struct fapilog_field name = {.name = {"logger", 6}, .type = FAPILOG_TYPE_STRING,
                                           .len = r->logger->name.len, .v.data = r->logger->name.data};
        if (r->logger->name.len)
            (void)put_field(w, list, &name, count);
    }
    for (uint32_t i = 0; i < r->fields_count; i++) {
        if (!gather_is_argument(r, &r->fields[i]))
            (void)put_field(w, list, &r->fields[i], count);
    }
    const struct fapilog_site *const source = source_of(r, o);
    if (source)
        put_source(w, list, source, count);
}

/* The same record as a chain, as a lane has it. Bytes move up, the last ones first: those of a fragment go behind where
 * all that is in front of them lies. */
static size_t make_chain(uint8_t *out, size_t len, uint64_t word0, uint64_t cycles)
{
    const uint64_t head[CHAIN_HEAD / 8] = {word0, cycles, len - HEADER};
    const size_t joined = len - HEADER + CHAIN_HEAD, count = (joined + FRAGMENT_BYTES - 1) / FRAGMENT_BYTES;
    for (size_t i = count; i-- > 0;) {
        const size_t from = i * FRAGMENT_BYTES, n = joined - from < FRAGMENT_BYTES ? joined - from : FRAGMENT_BYTES;
        const size_t begin = i ? 0 : CHAIN_HEAD;
        uint8_t *const to = out + from + i * HEADER;
        const uint32_t marks = (i == 0 ? 1u : 0u) | (i == count - 1 ? 2u : 0u);
        const struct fapilog_record_header header = {
            FAPILOG_WORD0((HEADER + n) / 8, FAPILOG_KIND_FRAGMENT, FAPILOG_WORD0_LEVEL(word0),
                          FAPILOG_WORD0_FLAGS(word0), marks), cycles};
        memmove(to + HEADER + begin, out + HEADER + from + begin - CHAIN_HEAD, n - begin);
        if (i == 0)
            memcpy(to + HEADER, head, sizeof head);
        memcpy(to, &header, sizeof header);
    }
    return joined + count * HEADER;
}

size_t reencode_write(const struct fapilog_record *r, const struct reencode_options *o, uint8_t *out)
{
    const size_t limit = o->limit && o->limit < REENCODE_BYTES_MAX ? o->limit : REENCODE_BYTES_MAX;
    struct writer w = {.start = out, .at = sizeof(struct fapilog_record_header), .limit = limit & ~(size_t)7};
    const struct fapilog_ext ext = {.logger = o->logger};
    const bool has_context = r->context && r->context->fields_count;
    const uint64_t tid = r->tid;
    uint32_t count = 0;
    if (w.limit < PREFIX_MAX)
        return 0;
    put(&w, &ext, sizeof ext);
    put(&w, &tid, sizeof tid);
    if (has_context)
        put_context(&w, r->context);
    const size_t dynamic = w.at;
    w.at += sizeof(struct fapilog_dynamic);
    if (w.at > w.limit)
        return 0;
    const size_t message = w.at;
    put_message(&w, r);
    const struct fapilog_dynamic head = {.message_bytes = (uint32_t)(w.at - message)};
    pad(&w, 0, 8);
    put_all_fields(&w, r, o, &count);
    pad(&w, 0, 8);
    memcpy(out + dynamic, &(struct fapilog_dynamic){count, head.message_bytes}, sizeof head);
    const uint32_t flags = FAPILOG_FLAG_EXT | FAPILOG_FLAG_TID | (has_context ? FAPILOG_FLAG_CONTEXT : 0u) |
                           (r->flags & (FAPILOG_FLAG_TRUNCATED | FAPILOG_FLAG_NESTED)) |
                           (w.is_cut ? FAPILOG_FLAG_TRUNCATED : 0u);
    const uint64_t word0 = FAPILOG_WORD0(0, FAPILOG_KIND_DYNAMIC, r->level, flags, 0);
    if (w.at > REENCODE_PLAIN_MAX)
        return make_chain(out, w.at, word0, r->cycles);
    const struct fapilog_record_header header = {.word0 = word0 | w.at / 8, .cycles = r->cycles};
    memcpy(out, &header, sizeof header);
    return w.at;
}
