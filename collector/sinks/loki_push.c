/* loki_push.c - a request's entries as streams, in JSON or protobuf. */
#include "collector/sinks/entry_order.h"
#include "collector/sinks/event.h"
#include "collector/sinks/loki.h"
#include "lib/base/check.h"
#include "lib/base/json_escape.h"
#include "lib/base/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

/* ---- streams ---- */

static int grow(struct loki_push *p, uint32_t count)
{
    uint32_t cap = 64;
    if (count <= p->cap)
        return 0;
    while (cap < count)
        cap *= 2;
    loki_push_done(p);
    p->stream = calloc(cap, sizeof *p->stream);
    p->next = calloc(cap, sizeof *p->next);
    p->order = calloc(2 * (size_t)cap, sizeof *p->order); /* the second half is for merging */
    p->slots = calloc(2 * (size_t)cap, sizeof *p->slots);
    if (!p->stream || !p->next || !p->order || !p->slots) {
        loki_push_done(p);
        return -ENOMEM;
    }
    p->cap = cap;
    p->slots_mask = 2 * cap - 1;
    return 0;
}

void loki_push_done(struct loki_push *p)
{
    free(p->stream);
    free(p->next);
    free(p->order);
    free(p->slots);
    *p = (struct loki_push){.is_envelope = p->is_envelope};
}

static bool is_of(const struct loki_stream *s, const struct entry_head *h)
{
    return s->group_len == h->group_len && memcmp(s->group, entry_group(h), h->group_len) == 0;
}

static struct loki_stream *stream_of(struct loki_push *p, const struct entry_head *h)
{
    if (p->streams && is_of(&p->stream[p->last], h)) /* most often it is that of its neighbour */
        return &p->stream[p->last];
    uint32_t at = (uint32_t)XXH3_64bits(entry_group(h), h->group_len) & p->slots_mask;
    for (uint32_t id; (id = p->slots[at]) != UINT32_MAX; at = (at + 1) & p->slots_mask) {
        p->last = id;
        if (is_of(&p->stream[id], h))
            return &p->stream[id];
    }
    p->slots[at] = p->last = p->streams;
    p->stream[p->streams] = (struct loki_stream){.group = entry_group(h), .group_len = h->group_len,
                                                 .first = UINT32_MAX, .last_ns = INT64_MIN};
    return &p->stream[p->streams++];
}

enum {
    READ_AHEAD = 8,  /* entries */
    META_FACTOR = 4, /* a pair has at most 11 bytes of frame in protobuf; in an entry's meta it has 3 */
};

int loki_push_sort(struct loki_push *p, const struct sink_request *r)
{
    if (grow(p, r->count) < 0)
        return -ENOMEM;
    memset(p->slots, 0xff, ((size_t)p->slots_mask + 1) * sizeof *p->slots);
    p->streams = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct entry_head *h = r->entry[i];
        if (i + READ_AHEAD < r->count) /* a batch is larger than the nearer caches */
            __builtin_prefetch(entry_group(r->entry[i + READ_AHEAD]));
        struct loki_stream *s = stream_of(p, h);
        p->next[i] = UINT32_MAX;
        if (s->first == UINT32_MAX)
            s->first = i;
        else
            p->next[s->last] = i;
        s->last = i;
        s->count++;
        s->bytes += h->payload_len + META_FACTOR * (uint64_t)h->meta_len;
        s->is_disordered |= h->time_ns < s->last_ns;
        s->last_ns = h->time_ns;
    }
    return 0;
}

/* Entries of stream i in order of time, those of one time as they came; in p->order. */
static void order_by_time(struct loki_push *p, const struct sink_request *r, uint32_t i)
{
    uint32_t n = 0;
    for (uint32_t at = p->stream[i].first; at != UINT32_MAX; at = p->next[at])
        p->order[n++] = at;
    if (p->stream[i].is_disordered)
        entry_order_by_time(r, p->order, p->order + p->cap, n);
}

/* ---- metadata of an entry ---- */

struct pair {
    struct fapilog_text name, value;
};

/* Takes the pair at *at; false at the end, and where damage leads beyond it. */
static bool next_pair(const char **at, const char *end, struct pair *ret)
{
    uint16_t len;
    if (end - *at < 1)
        return false;
    const uint8_t name_len = (uint8_t)**at;
    if (end - *at < 1 + name_len + 2)
        return false;
    ret->name = (struct fapilog_text){*at + 1, name_len};
    memcpy(&len, *at + 1 + name_len, sizeof len);
    ret->value = (struct fapilog_text){*at + 1 + name_len + 2, len};
    if (end - ret->value.data < len)
        return false;
    *at = ret->value.data + len;
    return true;
}

/* ---- JSON ---- */

#define put(out, literal) ((char *)memcpy(out, "" literal, sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put_json(char *out, struct fapilog_text text)
{
    unsigned flags = 0;
    *out++ = '"';
    out = json_escape(text.data, text.len, out, &flags);
    *out++ = '"';
    return out;
}

/* a="x", b="y" becomes "a":"x","b":"y". */
static char *put_json_labels(char *out, const struct loki_stream *s)
{
    const char *at = s->group, *const end = at + s->group_len;
    for (const char *equal; at < end && (equal = memchr(at, '=', (size_t)(end - at))) != NULL;) {
        const char *value = equal + 2, *close = value < end ? memchr(value, '"', (size_t)(end - value)) : NULL;
        if (!close)
            break;
        if (at != s->group)
            *out++ = ',';
        out = put_json(out, (struct fapilog_text){at, (uint32_t)(equal - at)});
        *out++ = ':';
        out = put_json(out, (struct fapilog_text){value, (uint32_t)(close - value)});
        at = close + 3; /* and ", " */
    }
    return out;
}

static char *put_json_entry(char *out, const struct loki_push *p, const struct entry_head *h)
{
    const char *meta = entry_meta(h), *const end = meta + h->meta_len;
    struct pair pair;
    out = put(out, "[\"");
    out = num_i64(out, h->time_ns);
    out = put(out, "\",");
    out = put_json(out, event_of_entry(h, p->is_envelope));
    bool has_any = false;
    for (; next_pair(&meta, end, &pair); has_any = true) {
        out = has_any ? put(out, ",") : put(out, ",{");
        out = put_json(out, pair.name);
        *out++ = ':';
        out = put_json(out, pair.value);
    }
    if (has_any)
        *out++ = '}';
    return put(out, "]");
}

int loki_push_json(struct loki_push *p, const struct sink_request *r, struct buf *out)
{
    int error = buf_printf(out, "{\"streams\":[");
    for (uint32_t i = 0; i < p->streams && error == 0; i++) {
        const struct loki_stream *s = &p->stream[i];
        error = buf_printf(out, "%s{\"stream\":{", i ? "," : "");
        if (error < 0 || (error = buf_reserve(out, (size_t)s->group_len * 8 + 64)) < 0)
            break;
        char *end = put(put_json_labels(out->data + out->len, s), "},\"values\":[");
        out->len = (size_t)(end - out->data);
        order_by_time(p, r, i);
        for (uint32_t k = 0; k < s->count; k++) {
            const struct entry_head *h = r->entry[p->order[k]];
            error = buf_reserve(out, JSON_ESCAPE_FACTOR * ((size_t)h->payload_len + 2 * h->meta_len) + 96);
            if (error < 0)
                return error;
            end = out->data + out->len;
            if (k)
                *end++ = ',';
            out->len = (size_t)(put_json_entry(end, p, h) - out->data);
        }
        error = buf_printf(out, "]}");
    }
    return error < 0 ? error : buf_printf(out, "]}");
}

/* ---- protobuf: logproto.PushRequest ---- */

enum { VARINT_MAX = 10 };

static size_t varint_size(uint64_t v)
{
    const unsigned last_bit = 63 - (unsigned)__builtin_clzll(v | 1);
    return (last_bit * 9 + 73) / 64; /* last_bit / 7 + 1 */
}

static char *put_varint(char *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (char)(v | 0x80);
    *out++ = (char)v;
    return out;
}

/* The same without a loop; up to 8 bytes behind out are touched. */
static char *put_varint_quickly(char *out, uint64_t v)
{
    const size_t size = varint_size(v);
    if (unlikely(size > sizeof v))
        return put_varint(out, v);
    v = (v & 0xfffffff) | (v & 0xfffffff0000000) << 4; /* halves of 28 bits, quarters of 14, groups of 7 */
    v = (v & 0x3fff00003fff) | (v & 0xfffc0000fffc000) << 2;
    v = (v & 0x7f007f007f007f) | (v & 0x3f803f803f803f80) << 1;
    v |= 0x80808080808080 >> 8 * (sizeof v - size);
    memcpy(out, &v, sizeof v); /* little-endian, as all that we run on */
    return out + size;
}

static size_t field_size(size_t len) { return 1 + varint_size(len) + len; }

static char *put_head(char *out, unsigned field, size_t len)
{
    *out++ = (char)(field << 3 | 2);
    return put_varint(out, len);
}

static char *put_bytes(char *out, unsigned field, struct fapilog_text text)
{
    out = put_head(out, field, text.len);
    return (char *)memcpy(out, text.data, text.len) + text.len;
}

struct stamp {
    int64_t seconds;
    uint32_t nanos;
};

static struct stamp stamp_of(int64_t ns)
{
    const int64_t below = ns % 1000000000 < 0; /* before 1970: nanos are never negative */
    return (struct stamp){ns / 1000000000 - below, (uint32_t)(ns % 1000000000 + below * 1000000000)};
}

static size_t stamp_size(struct stamp t)
{
    return 1 + varint_size((uint64_t)t.seconds) + (t.nanos ? 1 + varint_size(t.nanos) : 0);
}

static size_t metadata_size(const struct entry_head *h)
{
    const char *meta = entry_meta(h), *const end = meta + h->meta_len;
    size_t size = 0;
    for (struct pair pair; next_pair(&meta, end, &pair);)
        size += field_size(field_size(pair.name.len) + field_size(pair.value.len));
    return size;
}

static char *put_metadata(char *out, const struct entry_head *h)
{
    const char *meta = entry_meta(h), *const end = meta + h->meta_len;
    for (struct pair pair; next_pair(&meta, end, &pair);) {
        out = put_head(out, 3, field_size(pair.name.len) + field_size(pair.value.len));
        out = put_bytes(out, 1, pair.name);
        out = put_bytes(out, 2, pair.value);
    }
    return out;
}

enum { ENTRY_FRAME = 5 * (1 + VARINT_MAX) }; /* of entry, stamp, seconds, nanos and line, at most */

static char *put_entry(char *out, const struct loki_push *p, const struct entry_head *h)
{
    const struct stamp t = stamp_of(h->time_ns);
    const struct fapilog_text line = event_of_entry(h, p->is_envelope);
    const size_t stamp = stamp_size(t);
    *out++ = 2 << 3 | 2;
    out = put_varint_quickly(out, field_size(stamp) + field_size(line.len) + metadata_size(h));
    *out++ = 1 << 3 | 2;
    *out++ = (char)stamp; /* at most 18 */
    *out++ = 1 << 3;
    out = put_varint_quickly(out, (uint64_t)t.seconds);
    if (t.nanos) {
        *out++ = 2 << 3;
        out = put_varint_quickly(out, t.nanos);
    }
    *out++ = 2 << 3 | 2;
    out = put_varint_quickly(out, line.len);
    out = (char *)memcpy(out, line.data, line.len) + line.len;
    return put_metadata(out, h);
}

static size_t stream_bound(const struct loki_stream *s)
{
    return (size_t)s->group_len + 3 * (1 + VARINT_MAX) + s->bytes + ENTRY_FRAME * (size_t)s->count;
}

static char *put_stream(char *out, struct loki_push *p, const struct sink_request *r, uint32_t i)
{
    const struct loki_stream *s = &p->stream[i];
    out = put_head(out, 1, (size_t)s->group_len + 2);
    *out++ = '{';
    out = (char *)memcpy(out, s->group, s->group_len) + s->group_len;
    *out++ = '}';
    order_by_time(p, r, i);
    for (uint32_t k = 0; k < s->count; k++)
        out = put_entry(out, p, r->entry[p->order[k]]);
    return out;
}

/* The length of a stream comes first and is known last: room is left for as many bytes as it is likely to take, and
 * where that was wrong, the stream moves. */
int loki_push_protobuf(struct loki_push *p, const struct sink_request *r, struct buf *out)
{
    for (uint32_t i = 0; i < p->streams; i++) {
        const size_t bound = stream_bound(&p->stream[i]);
        if (buf_reserve(out, bound) < 0)
            return -ENOMEM;
        char *const head = out->data + out->len, *const guess = head + 1 + varint_size(bound);
        const size_t size = (size_t)(put_stream(guess, p, r, i) - guess);
        char *const begin = put_head(head, 1, size);
        if (begin != guess)
            memmove(begin, guess, size);
        out->len = (size_t)(begin + size - out->data);
    }
    return 0;
}

/* ---- answers ---- */

/* "entry with timestamp ... ignored, reason: 'entry too far behind, ...',\nuser 'u', total ignored: 2 out of 5
 * for stream: {...}": the others were taken, and what is too far behind are the oldest. */
uint32_t loki_ignored(const char *response, size_t len, const struct loki_stream *stream)
{
    static const char total[] = "total ignored: ", of[] = " out of ", behind[] = "too far behind";
    char text[256];
    unsigned ignored, all;
    if (!response)
        return 0;
    const char *at = memmem(response, len, total, sizeof total - 1);
    if (!at || !memmem(response, len, behind, sizeof behind - 1) || !memmem(response, len, of, sizeof of - 1))
        return 0;
    (void)snprintf(text, sizeof text, "%.*s", (int)(response + len - at < 255 ? response + len - at : 255), at);
    if (sscanf(text, "total ignored: %9u out of %9u", &ignored, &all) != 2 || all != stream->count || ignored > all)
        return 0;
    return ignored;
}
