#include "collector/delivery/image.h"

#include <fapilog/native.h>

#include "collector/delivery/entries.h"
#include "lib/reader/native_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is known of segments is thrown away now and then: those of processes that are gone would stay otherwise. */
enum { IMAGES_MAX = 64 };

void image_reader_done(struct image_reader *x)
{
    native_stream_close(x->stream);
    *x = (struct image_reader){0};
}

static int feed(struct native_stream *s, const char *data, size_t len)
{
    struct image_part part;
    size_t at = 0;
    native_stream_begin(s);
    while (len - at >= sizeof part) {
        memcpy(&part, data + at, sizeof part);
        at += sizeof part;
        if (part.bytes > len - at || part.bytes > FAPILOG_NATIVE_STORED_MAX)
            break; /* what follows is missing, and is counted as such */
        const int r = native_stream_feed(s, part.kind, (const uint8_t *)data + at, (uint32_t)part.bytes);
        if (r == -ENOMEM)
            return r;
        const size_t padded = ((size_t)part.bytes + 7) & ~(size_t)7;
        at = padded < len - at ? at + padded : len;
    }
    return 0;
}

static int lane_each(struct native_lane *l, image_record_func *func, void *arg)
{
    struct fapilog_record r;
    while (native_lane_peek(l)) {
        int n = native_lane_enter(l);
        while (n > 0 && (n = native_lane_next(l, &r)) > 0) {
            const int res = func(arg, &r);
            if (res != 0)
                return res;
        }
        if (n < 0)
            return n;
    }
    return 0;
}

int image_each(struct image_reader *x, const char *data, size_t len, image_record_func *func, void *arg)
{
    struct native_lane *const *lane;
    if (x->images++ == IMAGES_MAX)
        image_reader_done(x);
    int r = x->stream ? 0 : native_stream_new(&x->stream);
    if (r == 0)
        r = feed(x->stream, data, len);
    const uint32_t lanes = r == 0 ? native_stream_lanes(x->stream, &lane) : 0;
    for (uint32_t i = 0; i < lanes && r == 0; i++)
        r = lane_each(lane[i], func, arg);
    if (r == 0)
        native_stream_begin(x->stream); /* the image is not ours */
    else
        image_reader_done(x);
    return r;
}

struct expansion {
    const struct output *output;
    struct parcel *parcel;
    uint32_t records;
};

enum { IS_FULL = 1 };

static int on_record(void *arg, const struct fapilog_record *r)
{
    struct expansion *x = arg;
    if (x->parcel->records == x->records)
        return IS_FULL;
    if (parcel_reserve(x->parcel, entries_bound(x->output, r)) < 0)
        return -ENOMEM;
    entries_append(x->parcel, x->output, r);
    return 0;
}

int image_expand(struct image_reader *x, const struct output *o, const char *data, size_t len, uint32_t records,
                 struct parcel **ret)
{
    struct expansion e = { .output = o, .parcel = parcel_new(2 * len + PARCEL_BYTES / 8), .records = records };
    if (!e.parcel)
        return -ENOMEM;
    if (x->format != o->format)
        image_reader_done(x); /* its call sites hold the plans of another format */
    const int r = image_each(x, data, len, on_record, &e);
    x->format = o->format;
    if (r < 0) {
        parcel_unref(e.parcel);
        return -ENOMEM;
    }
    parcel_seal(e.parcel, 0);
    *ret = e.parcel;
    return 0;
}
