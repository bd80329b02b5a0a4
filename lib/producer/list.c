/* Self-describing field lists: dynamic records, contexts, bound fields. */
#include "lib/producer/internal.h"

#include "lib/base/check.h"

#include <string.h>

/* How a value lies in a list. */
enum shape {
    EMPTY,
    SCALAR, /* aligned to its size */
    RAW,    /* bytes of a fixed number, anywhere */
    BLOB,   /* a length and as many bytes */
    STACK,  /* a count and as many addresses */
};

struct layout {
    uint8_t shape, size, align; /* of a blob and a stack, those of the number in front */
};

#define SCALAR_OF(n) {SCALAR, n, n}
#define RAW_OF(n) {RAW, n, 1}
static const struct layout layouts[FAPILOG_TYPE_COUNT] = {
    [FAPILOG_TYPE_NULL] = {EMPTY, 0, 1},
    [FAPILOG_TYPE_BOOL] = SCALAR_OF(1),     [FAPILOG_TYPE_I8] = SCALAR_OF(1),    [FAPILOG_TYPE_U8] = SCALAR_OF(1),
    [FAPILOG_TYPE_CHAR] = SCALAR_OF(1),     [FAPILOG_TYPE_I16] = SCALAR_OF(2),   [FAPILOG_TYPE_U16] = SCALAR_OF(2),
    [FAPILOG_TYPE_I32] = SCALAR_OF(4),      [FAPILOG_TYPE_U32] = SCALAR_OF(4),   [FAPILOG_TYPE_F32] = SCALAR_OF(4),
    [FAPILOG_TYPE_ERRNO] = SCALAR_OF(4),    [FAPILOG_TYPE_I64] = SCALAR_OF(8),   [FAPILOG_TYPE_U64] = SCALAR_OF(8),
    [FAPILOG_TYPE_F64] = SCALAR_OF(8),      [FAPILOG_TYPE_TIME] = SCALAR_OF(8),  [FAPILOG_TYPE_POINTER] = SCALAR_OF(8),
    [FAPILOG_TYPE_DURATION] = SCALAR_OF(8), [FAPILOG_TYPE_IPV4] = RAW_OF(4),     [FAPILOG_TYPE_IPV6] = RAW_OF(16),
    [FAPILOG_TYPE_UUID] = RAW_OF(16),       [FAPILOG_TYPE_TRACE_ID] = RAW_OF(16), [FAPILOG_TYPE_SPAN_ID] = RAW_OF(8),
    [FAPILOG_TYPE_STRING] = {BLOB, 4, 4},   [FAPILOG_TYPE_BYTES] = {BLOB, 4, 4}, [FAPILOG_TYPE_JSON] = {BLOB, 4, 4},
    [FAPILOG_TYPE_STACK] = {STACK, 4, 4}};

/* Longer than a record can be says "cut me" already by a byte more than fits. */
static inline uint32_t blob_len(const struct fapilog_field *f)
{
    return f->v.data ? fapilogi_clamp(f->len) : 0;
}

static inline uint32_t stack_len(const struct fapilog_field *f)
{
    return f->v.data ? f->len : 0;
}

static inline bool field_ok(const struct fapilog_field *f)
{
    if (f->type >= FAPILOG_TYPE_COUNT || f->role >= FAPILOG_ROLE_COUNT || f->name.len > UINT16_MAX ||
        (!f->name.data && f->name.len))
        return false;
    switch (layouts[f->type].shape) {
    case STACK:
        return f->len % 8 == 0 && (f->v.data || f->len == 0);
    case RAW:
        return f->v.data && f->len == layouts[f->type].size;
    default:
        return true;
    }
}

bool fapilogi_field_ok(const struct fapilog_field *f)
{
    return field_ok(f);
}

static inline size_t value_end(size_t at, const struct fapilog_field *f)
{
    const struct layout l = layouts[f->type];
    at = align_up(at, l.align) + l.size;
    if (l.shape == BLOB)
        at += blob_len(f);
    else if (l.shape == STACK)
        at = align_up(at, 8) + stack_len(f);
    return at;
}

size_t fapilogi_value_end(size_t at, const struct fapilog_field *f)
{
    return value_end(at, f);
}

static inline size_t list_end(size_t at, const struct fapilog_field *f)
{
    return value_end(align_up(at, 4) + 4 + f->name.len, f);
}

size_t fapilogi_list_end(size_t at, const struct fapilog_field *f)
{
    return list_end(at, f);
}

bool fapilogi_list_size(const struct fapilog_field *fields, uint32_t count, size_t *ret)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (unlikely(!field_ok(&fields[i])))
            return false;
        at = list_end(at, &fields[i]);
    }
    *ret = at;
    return true;
}

/* Most names and texts are short, and a call of libc costs more than they do. They may overlap. */
static inline void copy_bytes(uint8_t *to, const void *from, size_t n)
{
    const uint8_t *const p = from;
    uint64_t a, b;
    uint32_t c, d;
    if (n > 16) {
        memmove(to, p, n);
    } else if (n >= 8) {
        memcpy(&a, p, 8);
        memcpy(&b, p + n - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + n - 8, &b, 8);
    } else if (n >= 4) {
        memcpy(&c, p, 4);
        memcpy(&d, p + n - 4, 4);
        memcpy(to, &c, 4);
        memcpy(to + n - 4, &d, 4);
    } else if (n) {
        const uint8_t first = p[0], middle = p[n / 2], last = p[n - 1];
        to[0] = first;
        to[n / 2] = middle;
        to[n - 1] = last;
    }
}

/* The value's low bytes: narrower integers are kept in the wide one. */
static inline void put_scalar(uint8_t *to, const struct fapilog_field *f, size_t size)
{
    const uint64_t v = f->v.u64;
    const uint32_t v32 = (uint32_t)v;
    const uint16_t v16 = (uint16_t)v;
    switch (size) {
    case 1:
        *to = (uint8_t)v;
        break;
    case 2:
        memcpy(to, &v16, sizeof v16);
        break;
    case 4:
        memcpy(to, &v32, sizeof v32);
        break;
    default:
        memcpy(to, &v, sizeof v);
    }
}

static inline size_t value_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    const struct layout l = layouts[f->type];
    at = align_up(at, l.align);
    uint32_t len;
    float narrow;
    switch (l.shape) {
    case SCALAR:
        if (f->type == FAPILOG_TYPE_F32) {
            narrow = (float)f->v.f64;
            memcpy(to + at, &narrow, sizeof narrow);
        } else {
            put_scalar(to + at, f, l.size);
        }
        break;
    case RAW:
        copy_bytes(to + at, f->v.data, l.size);
        break;
    case BLOB:
        len = blob_len(f);
        memcpy(to + at, &len, 4);
        copy_bytes(to + at + 4, f->v.data, len);
        return at + 4 + len;
    case STACK:
        len = stack_len(f) / 8;
        memcpy(to + at, &len, 4);
        at = align_up(at + 4, 8);
        copy_bytes(to + at, f->v.data, (size_t)len * 8);
        return at + (size_t)len * 8;
    default:
        break;
    }
    return at + l.size;
}

SELDOM size_t fapilogi_value_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    return value_put(to, at, f);
}

static inline size_t list_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    at = align_up(at, 4);
    const uint16_t name_len = (uint16_t)f->name.len;
    to[at] = f->type;
    to[at + 1] = f->role;
    memcpy(to + at + 2, &name_len, 2);
    copy_bytes(to + at + 4, f->name.data, name_len);
    return value_put(to, at + 4 + name_len, f);
}

SELDOM size_t fapilogi_list_put(uint8_t *to, size_t at, const struct fapilog_field *f)
{
    return list_put(to, at, f);
}

void fapilogi_list_fill(uint8_t *to, const struct fapilog_field *fields, uint32_t count)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++)
        at = list_put(to, at, &fields[i]);
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
SELDOM size_t fapilogi_value_get(const uint8_t *from, size_t at, struct fapilog_field *f)
{
    const struct layout l = layouts[f->type];
    at = align_up(at, l.align);
    if (l.shape == BLOB || l.shape == STACK) {
        memcpy(&f->len, from + at, 4);
        at += 4;
        if (l.shape == STACK) {
            f->len *= 8;
            at = align_up(at, 8);
        }
        f->v.data = (const char *)from + at;
        return at + f->len;
    }
    if (l.shape == SCALAR) {
        get_scalar(from + at, f, l.size);
    } else if (l.shape == RAW) {
        f->v.data = (const char *)from + at;
        f->len = l.size;
    }
    return at + l.size;
}

SELDOM size_t fapilogi_list_get(const uint8_t *from, size_t at, struct fapilog_field *f)
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
