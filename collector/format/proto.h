/* proto.h - the wire format of protobuf: writers that return the end, and a reader that trusts nothing. Field
 * numbers are below 16, so that a key is one byte. */
#ifndef COLLECTOR_FORMAT_PROTO_H
#define COLLECTOR_FORMAT_PROTO_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_LEN = 2, PROTO_FIXED32 = 5 };

static inline size_t proto_varint_size(uint64_t v)
{
    return (70u - (unsigned)__builtin_clzll(v | 1)) / 7;
}

static inline char *proto_varint(char *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (char)(v | 0x80);
    *out++ = (char)v;
    return out;
}

static inline char *proto_key(char *out, unsigned field, enum proto_wire wire)
{
    *out++ = (char)(field << 3 | wire);
    return out;
}

static inline char *proto_number(char *out, unsigned field, uint64_t v)
{
    return proto_varint(proto_key(out, field, PROTO_VARINT), v);
}

static inline char *proto_fixed64(char *out, unsigned field, uint64_t v)
{
    v = htole64(v);
    return (char *)memcpy(proto_key(out, field, PROTO_FIXED64), &v, sizeof v) + sizeof v;
}

static inline char *proto_fixed32(char *out, unsigned field, uint32_t v)
{
    v = htole32(v);
    return (char *)memcpy(proto_key(out, field, PROTO_FIXED32), &v, sizeof v) + sizeof v;
}

/* Key and length of a field whose bytes follow. */
static inline char *proto_head(char *out, unsigned field, size_t len)
{
    return proto_varint(proto_key(out, field, PROTO_LEN), len);
}
static inline size_t proto_head_size(size_t len) { return 1 + proto_varint_size(len); }

static inline char *proto_bytes(char *out, unsigned field, const void *data, size_t len)
{
    out = proto_head(out, field, len);
    if (len)
        memcpy(out, data, len);
    return out + len;
}

/* A field whose length is not known yet: the bytes go where proto_open() returns, and proto_close() moves
 * them when the length needs more than one byte. */
enum { PROTO_CLOSE_MAX = 9 };
static inline char *proto_open(char *out, unsigned field)
{
    return proto_key(out, field, PROTO_LEN) + 1;
}

static inline char *proto_close(char *begin, char *end)
{
    const size_t len = (size_t)(end - begin), more = proto_varint_size(len) - 1;
    if (more)
        memmove(begin + more, begin, len);
    (void)proto_varint(begin - 1, len);
    return end + more;
}

/* One field of a message. */
struct proto_field {
    unsigned number;
    enum proto_wire wire;
    uint64_t value;   /* PROTO_VARINT; of fixed fields too, in host order */
    const char *data; /* PROTO_LEN */
    size_t len;
};

static inline bool proto_read_varint(const char **at, const char *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        const uint8_t c = (uint8_t)*(*at)++;
        *ret |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return true;
    }
    return false;
}

static inline bool proto_read_fixed(const char **at, const char *end, size_t bytes, uint64_t *ret)
{
    *ret = 0;
    if ((size_t)(end - *at) < bytes)
        return false;
    memcpy(ret, *at, bytes);
    *ret = le64toh(*ret);
    *at += bytes;
    return true;
}

/* False at the end, and where the bytes are no message: *at is `end` only in the first case. */
static inline bool proto_next(const char **at, const char *end, struct proto_field *ret)
{
    uint64_t key, len;
    const char *p = *at;
    if (p == end || !proto_read_varint(&p, end, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return false;
    *ret = (struct proto_field){.number = (unsigned)(key >> 3), .wire = (enum proto_wire)(key & 7)};
    switch (ret->wire) {
    case PROTO_VARINT:
        if (!proto_read_varint(&p, end, &ret->value))
            return false;
        break;
    case PROTO_FIXED64: case PROTO_FIXED32:
        if (!proto_read_fixed(&p, end, ret->wire == PROTO_FIXED64 ? 8 : 4, &ret->value))
            return false;
        break;
    case PROTO_LEN:
        if (!proto_read_varint(&p, end, &len) || len > (uint64_t)(end - p))
            return false;
        ret->data = p;
        ret->len = (size_t)len;
        p += len;
        break;
    default:
        return false;
    }
    *at = p;
    return true;
}

#endif
