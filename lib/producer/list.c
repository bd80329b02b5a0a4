/* Self-describing field lists: dynamic records, contexts, bound fields. */
#include "lib/producer/internal.h"

#include <string.h>

/* Size and alignment of the value; texts count their length word. */
static size_t value_size(const struct fapilog_field *f, size_t *ret_align)
{
    static const uint8_t fixed[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_BOOL] = 1,    [FAPILOG_TYPE_I8] = 1,    [FAPILOG_TYPE_U8] = 1,   [FAPILOG_TYPE_CHAR] = 1,
        [FAPILOG_TYPE_I16] = 2,     [FAPILOG_TYPE_U16] = 2,   [FAPILOG_TYPE_I32] = 4,  [FAPILOG_TYPE_U32] = 4,
        [FAPILOG_TYPE_F32] = 4,     [FAPILOG_TYPE_ERRNO] = 4, [FAPILOG_TYPE_I64] = 8,  [FAPILOG_TYPE_U64] = 8,
        [FAPILOG_TYPE_F64] = 8,     [FAPILOG_TYPE_TIME] = 8,  [FAPILOG_TYPE_POINTER] = 8,
        [FAPILOG_TYPE_DURATION] = 8};
    static const uint8_t bytes[FAPILOG_TYPE_COUNT] = {
        [FAPILOG_TYPE_IPV4] = 4, [FAPILOG_TYPE_IPV6] = 16, [FAPILOG_TYPE_UUID] = 16,
        [FAPILOG_TYPE_TRACE_ID] = 16, [FAPILOG_TYPE_SPAN_ID] = 8};
    *ret_align = fixed[f->type] ? fixed[f->type] : 1;
    if (fixed[f->type] || bytes[f->type])
        return fixed[f->type] + bytes[f->type];
    switch (f->type) {
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_JSON:
    case FAPILOG_TYPE_STACK:
        *ret_align = 4;
        return 4;
    default:
        return 0;
    }
}

static uint32_t blob_len(const struct fapilog_field *f)
{
    return f->v.data ? f->len : 0;
}

static bool is_blob(uint8_t type)
{
    return type == FAPILOG_TYPE_STRING || type == FAPILOG_TYPE_BYTES || type == FAPILOG_TYPE_JSON;
}

bool fapilogi_field_ok(const struct fapilog_field *f)
{
    size_t align;
    if (f->type >= FAPILOG_TYPE_COUNT || f->role >= FAPILOG_ROLE_COUNT || f->name.len > UINT16_MAX ||
        (!f->name.data && f->name.len))
        return false;
    if (is_blob(f->type))
        return true;
    if (f->type == FAPILOG_TYPE_STACK)
        return f->len % 8 == 0 && (f->v.data || f->len == 0);
    if (f->type == FAPILOG_TYPE_IPV4 || f->type == FAPILOG_TYPE_IPV6 || f->type == FAPILOG_TYPE_UUID ||
        f->type == FAPILOG_TYPE_TRACE_ID || f->type == FAPILOG_TYPE_SPAN_ID)
        return f->v.data && f->len == value_size(f, &align);
    return true;
}

size_t fapilogi_value_end(size_t at, const struct fapilog_field *f)
{
    size_t align;
    const size_t size = value_size(f, &align);
    at = align_up(at, align) + size;
    if (is_blob(f->type))
        at += blob_len(f);
    else if (f->type == FAPILOG_TYPE_STACK)
        at = align_up(at, 8) + blob_len(f);
    return at;
}

size_t fapilogi_list_end(size_t at, const struct fapilog_field *f)
{
    return fapilogi_value_end(align_up(at, 4) + 4 + f->name.len, f);
}

static void put_scalar(uint8_t *to, const struct fapilog_field *f, size_t size)
{
    if (f->type == FAPILOG_TYPE_F32) {
        const float v = (float)f->v.f64;
        memcpy(to, &v, sizeof v);
    } else if (f->type == FAPILOG_TYPE_F64) {
        memcpy(to, &f->v.f64, sizeof f->v.f64);
    } else {
        /* The value's low bytes: narrower integers are kept in the wide one. */
        const uint64_t v = f->v.u64;
        const uint8_t v8 = (uint8_t)v;
        const uint16_t v16 = (uint16_t)v;
        const uint32_t v32 = (uint32_t)v;
        memcpy(to, size == 1 ? (const void *)&v8 : size == 2 ? &v16 : size == 4 ? (const void *)&v32 : &v, size);
    }
}

size_t fapilogi_value_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    size_t align;
    const size_t size = value_size(f, &align);
    at = align_up(at, align);
    if (is_blob(f->type)) {
        const uint32_t len = blob_len(f);
        memcpy(to + at, &len, 4);
        if (len)
            memmove(to + at + 4, f->v.data, len);
        return at + 4 + len;
    }
    if (f->type == FAPILOG_TYPE_STACK) {
        const uint32_t count = blob_len(f) / 8;
        memcpy(to + at, &count, 4);
        at = align_up(at + 4, 8);
        if (count)
            memmove(to + at, f->v.data, (size_t)count * 8);
        return at + (size_t)count * 8;
    }
    if (align > 1 || size == 1)
        put_scalar(to + at, f, size);
    else if (size)
        memcpy(to + at, f->v.data, size);
    return at + size;
}

size_t fapilogi_list_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    const uint16_t name_len = (uint16_t)f->name.len;
    at = align_up(at, 4);
    to[at] = f->type;
    to[at + 1] = f->role;
    memcpy(to + at + 2, &name_len, 2);
    memcpy(to + at + 4, f->name.data, name_len);
    return fapilogi_value_put(to, at + 4 + name_len, f);
}

/* ---- reading back ----------------------------------------------------------------------------------- */

static void get_scalar(const uint8_t *from, struct fapilog_field *f, size_t size)
{
    uint64_t u = 0;
    memcpy(&u, from, size); /* little endian; see below for the others */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    u >>= 64 - 8 * size;
#endif
    float narrow;
    switch (f->type) {
    case FAPILOG_TYPE_F32:
        memcpy(&narrow, from, sizeof narrow);
        f->v.f64 = (double)narrow;
        break;
    case FAPILOG_TYPE_I8:
        f->v.i64 = (int8_t)u;
        break;
    case FAPILOG_TYPE_I16:
        f->v.i64 = (int16_t)u;
        break;
    case FAPILOG_TYPE_I32:
    case FAPILOG_TYPE_ERRNO:
        f->v.i64 = (int32_t)u;
        break;
    default:
        f->v.u64 = u;
    }
}

/* f->type is set; the bytes are our own, so nothing is bounded here. */
size_t fapilogi_value_get(const uint8_t *from, size_t at, struct fapilog_field *f)
{
    size_t align;
    const size_t size = value_size(f, &align);
    at = align_up(at, align);
    if (is_blob(f->type) || f->type == FAPILOG_TYPE_STACK) {
        memcpy(&f->len, from + at, 4);
        at += 4;
        if (f->type == FAPILOG_TYPE_STACK) {
            f->len *= 8;
            at = align_up(at, 8);
        }
        f->v.data = (const char *)from + at;
        return at + f->len;
    }
    if (align > 1 || size == 1) {
        get_scalar(from + at, f, size);
    } else if (size) {
        f->v.data = (const char *)from + at;
        f->len = (uint32_t)size;
    }
    return at + size;
}

size_t fapilogi_list_get(const uint8_t *from, size_t at, struct fapilog_field *f)
{
    uint16_t name_len;
    at = align_up(at, 4);
    memset(f, 0, sizeof *f);
    f->type = from[at];
    f->role = from[at + 1];
    memcpy(&name_len, from + at + 2, 2);
    f->name = (struct fapilog_text){(const char *)from + at + 4, name_len};
    return fapilogi_value_get(from, at + 4 + name_len, f);
}
