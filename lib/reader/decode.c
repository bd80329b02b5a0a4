#include "lib/reader/decode.h"

#include "lib/base/atomics.h"
#include "lib/base/check.h"

#include <errno.h>
#include <string.h>

/* Bytes of the types that are returned as data of a fixed length. */
static const uint8_t fixed_data_len[FAPILOG_TYPE_COUNT] = {
    [FAPILOG_TYPE_IPV4] = 4,      [FAPILOG_TYPE_IPV6] = 16,   [FAPILOG_TYPE_UUID] = 16,
    [FAPILOG_TYPE_TRACE_ID] = 16, [FAPILOG_TYPE_SPAN_ID] = 8,
};

bool decode_template(struct fapilog_field *f, uint8_t type)
{
    if (type >= FAPILOG_TYPE_COUNT)
        return false;
    f->type = type;
    f->len = fixed_data_len[type];
    f->v.u64 = 0;
    return true;
}

/* Aligns `off`, checks that the value fits and steps over it; `at` is then where it lies. */
#define TAKE(n, align) \
    do { \
        at = (off + (align) - 1) & ~((uint32_t)(align) - 1); \
        if (unlikely(at > end || end - at < (n))) \
            return UINT32_MAX; \
        off = at + (n); \
    } while (0)

/* order: relaxed - once each; C2 made them complete, a hostile writer may still change them */
#define LOAD(type) load_rlx((const type *)(const void *)(rec + at))

static inline double as_float(uint32_t bits)
{
    float f;
    __builtin_memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* Values that stay where they are: the field points to them. */
static inline uint32_t data_take(const uint8_t *rec, uint32_t off, uint32_t end, struct fapilog_field *f)
{
    uint32_t at;
    switch ((enum fapilog_type)f->type) {
    case FAPILOG_TYPE_STRING:
    case FAPILOG_TYPE_BYTES:
    case FAPILOG_TYPE_JSON:
        TAKE(4, 4);
        f->len = LOAD(uint32_t);
        TAKE(f->len, 1);
        break;
    case FAPILOG_TYPE_STACK: {
        TAKE(4, 4);
        const uint32_t count = LOAD(uint32_t);
        if (unlikely(count > end / 8))
            return UINT32_MAX;
        f->len = count * 8;
        TAKE(f->len, 8);
        break;
    }
    case FAPILOG_TYPE_IPV4:
    case FAPILOG_TYPE_IPV6:
    case FAPILOG_TYPE_UUID:
    case FAPILOG_TYPE_TRACE_ID:
    case FAPILOG_TYPE_SPAN_ID:
        TAKE(f->len, 1); /* of the template */
        break;
    default:
        return UINT32_MAX;
    }
    f->v.data = (const char *)rec + at;
    return off;
}

/* Returns the offset after the value, or UINT32_MAX when it does not fit. */
static inline uint32_t value_take(const uint8_t *rec, uint32_t off, uint32_t end, struct fapilog_field *f)
{
    uint32_t at;
    switch ((enum fapilog_type)f->type) {
    case FAPILOG_TYPE_NULL:
        return off;
    case FAPILOG_TYPE_BOOL:
        TAKE(1, 1);
        f->v.u64 = LOAD(uint8_t) != 0;
        return off;
    case FAPILOG_TYPE_U8:
    case FAPILOG_TYPE_CHAR:
        TAKE(1, 1);
        f->v.u64 = LOAD(uint8_t);
        return off;
    case FAPILOG_TYPE_I8:
        TAKE(1, 1);
        f->v.i64 = LOAD(int8_t);
        return off;
    case FAPILOG_TYPE_I16:
        TAKE(2, 2);
        f->v.i64 = LOAD(int16_t);
        return off;
    case FAPILOG_TYPE_U16:
        TAKE(2, 2);
        f->v.u64 = LOAD(uint16_t);
        return off;
    case FAPILOG_TYPE_I32:
    case FAPILOG_TYPE_ERRNO:
        TAKE(4, 4);
        f->v.i64 = LOAD(int32_t);
        return off;
    case FAPILOG_TYPE_U32:
        TAKE(4, 4);
        f->v.u64 = LOAD(uint32_t);
        return off;
    case FAPILOG_TYPE_F32:
        TAKE(4, 4);
        f->v.f64 = as_float(LOAD(uint32_t));
        return off;
    case FAPILOG_TYPE_I64:
    case FAPILOG_TYPE_TIME:
    case FAPILOG_TYPE_DURATION:
    case FAPILOG_TYPE_U64:
    case FAPILOG_TYPE_F64:
    case FAPILOG_TYPE_POINTER:
        TAKE(8, 8);
        f->v.u64 = LOAD(uint64_t);
        return off;
    default:
        return data_take(rec, off, end, f);
    }
}

/* order: relaxed - as in LOAD */
static inline uint32_t u32_at(const uint8_t *at)
{
    return load_rlx((const uint32_t *)(const void *)at);
}

/* order: relaxed - as in LOAD */
static inline uint64_t u64_at(const uint8_t *at)
{
    return load_rlx((const uint64_t *)(const void *)at);
}

int decode_prefix(const uint8_t *rec, uint32_t off, uint32_t end, unsigned flags, struct decode_prefix *ret)
{
    *ret = (struct decode_prefix){.end = off};
    if (flags & FAPILOG_FLAG_EXT) {
        if (end - off < sizeof(struct fapilog_ext))
            return -EBADMSG;
        const uint64_t ext = u64_at(rec + off);
        struct fapilog_ext x;
        __builtin_memcpy(&x, &ext, sizeof x);
        ret->logger = x.logger;
        ret->epoch = x.epoch;
        off += (uint32_t)sizeof x;
    }
    if (flags & FAPILOG_FLAG_TID) {
        if (end - off < 8)
            return -EBADMSG;
        ret->tid = (uint32_t)u64_at(rec + off);
        off += 8;
    }
    if (flags & FAPILOG_FLAG_CONTEXT) {
        if (end - off < 8)
            return -EBADMSG;
        ret->context_bytes = u32_at(rec + off);
        ret->context_count = u32_at(rec + off + 4);
        off += 8;
        if (ret->context_bytes > end - off || ret->context_count > FAPILOG_FIELDS_MAX)
            return -EBADMSG;
        ret->context_off = off;
        off = (off + ret->context_bytes + 7) & ~7u; /* of a chain, whose length is any, up to 7 bytes beyond its end */
    }
    ret->end = off;
    return 0;
}

int decode_args(const struct fapilog_field *templates, uint32_t count, const uint8_t *rec, uint32_t off,
                uint32_t end, struct fapilog_field *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        ret[i] = templates[i];
        off = value_take(rec, off, end, &ret[i]);
        if (unlikely(off == UINT32_MAX))
            return -EBADMSG;
    }
    return 0;
}

/* Bytes of a number that is returned as it is; 0: not such a type. */
static uint32_t number_bytes(uint8_t type, bool *ret_signed)
{
    *ret_signed = type == FAPILOG_TYPE_I8 || type == FAPILOG_TYPE_I16 || type == FAPILOG_TYPE_I32 ||
                  type == FAPILOG_TYPE_ERRNO;
    switch (type) {
    case FAPILOG_TYPE_U8: case FAPILOG_TYPE_CHAR: case FAPILOG_TYPE_I8:
        return 1;
    case FAPILOG_TYPE_U16: case FAPILOG_TYPE_I16:
        return 2;
    case FAPILOG_TYPE_U32: case FAPILOG_TYPE_I32: case FAPILOG_TYPE_ERRNO:
        return 4;
    case FAPILOG_TYPE_I64: case FAPILOG_TYPE_TIME: case FAPILOG_TYPE_DURATION: case FAPILOG_TYPE_U64:
    case FAPILOG_TYPE_F64: case FAPILOG_TYPE_POINTER:
        return 8;
    default:
        return 0;
    }
}

void decode_loads_init(struct decode_loads *ret, const struct fapilog_field *templates, uint32_t count)
{
    *ret = (struct decode_loads){0};
    for (uint32_t i = 0; i < count; i++) {
        bool is_signed;
        const uint32_t bytes = number_bytes(templates[i].type, &is_signed);
        if (!bytes)
            return;
        const uint32_t at = (ret->bytes + bytes - 1) & ~(bytes - 1);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        const uint32_t left = 8 * (at & 7);
#else
        const uint32_t left = 64 - 8 * (at & 7) - 8 * bytes;
#endif
        ret->load[i] = (struct decode_load){.word = (uint16_t)(at / 8), .left = (uint8_t)left,
                                            .right = (uint8_t)(64 - 8 * bytes), .is_signed = is_signed};
        ret->bytes = at + bytes;
        ret->count = i + 1;
    }
}

int decode_site(const struct fapilog_site *site, bool is_loaded, const uint8_t *rec, uint32_t off,
                uint32_t end, struct fapilog_field *ret)
{
    const struct decode_loads *const loads = site->loads;
    if (!loads || off % 8 || end % 8 || end - off < loads->bytes)
        return decode_args(site->fields, site->fields_count, rec, off, end, ret);
    if (!is_loaded)
        memcpy(ret, site->fields, site->fields_count * sizeof *ret);
    for (uint32_t i = 0; i < loads->count; i++) {
        const struct decode_load *const l = &loads->load[i];
        const uint64_t v = u64_at(rec + off + 8 * l->word) << l->left;
        ret[i].v.u64 = l->is_signed ? (uint64_t)((int64_t)v >> l->right) : v >> l->right;
    }
    off += loads->bytes;
    for (uint32_t i = loads->count; i < site->fields_count; i++) {
        off = value_take(rec, off, end, &ret[i]);
        if (unlikely(off == UINT32_MAX))
            return -EBADMSG;
    }
    return 0;
}

int decode_list(const uint8_t *list, uint32_t bytes, uint32_t count, struct fapilog_field *ret)
{
    uint32_t off = 0;
    for (uint32_t i = 0; i < count; i++) {
        off = (off + 3) & ~3u;
        if (off > bytes || bytes - off < 4)
            return -EBADMSG;
        const uint32_t head = u32_at(list + off);
        uint8_t b[4];
        __builtin_memcpy(b, &head, sizeof b);
        uint16_t name_len;
        __builtin_memcpy(&name_len, b + 2, sizeof name_len);
        off += 4;
        if (name_len > bytes - off)
            return -EBADMSG;
        struct fapilog_field *f = &ret[i];
        *f = (struct fapilog_field){.name = {(const char *)list + off, name_len}};
        if (!decode_template(f, b[0]) || b[1] >= FAPILOG_ROLE_COUNT)
            return -EBADMSG;
        f->role = b[1];
        off = value_take(list, off + name_len, bytes, f);
        if (off == UINT32_MAX)
            return -EBADMSG;
    }
    return 0;
}

int decode_dynamic(const uint8_t *rec, uint32_t off, uint32_t end, struct fapilog_text *ret_message,
                   struct fapilog_field *ret, uint32_t *ret_count)
{
    if (off > end || end - off < sizeof(struct fapilog_dynamic))
        return -EBADMSG;
    const uint32_t count = u32_at(rec + off);
    const uint32_t message_bytes = u32_at(rec + off + 4);
    off += (uint32_t)sizeof(struct fapilog_dynamic);
    if (count > FAPILOG_FIELDS_MAX || message_bytes > end - off)
        return -EBADMSG;
    *ret_message = (struct fapilog_text){(const char *)rec + off, message_bytes};
    *ret_count = count;
    const uint32_t list = (off + message_bytes + 7) & ~7u;
    if (!count)
        return 0;
    return list > end ? -EBADMSG : decode_list(rec + list, end - list, count, ret);
}
