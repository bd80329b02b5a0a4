/* image.h - records as they lay in the ring, in one piece of memory, with everything that is needed to decode them
 * later: what a remote sink that fails gets under load instead of entries. To copy a record costs a fraction of what
 * it costs to serialize it; that is done when it is sent, if it ever is.
 *
 *   image   part | part | ...
 *   part    struct image_part | payload | zeros up to a multiple of 8
 *
 * The payloads are those of the blocks of a native file (docs/abi/native.md): a segment, of its registry the entries
 * that the records name, and spans. Images lie in spools too: docs/abi/spool.md. */
#ifndef COLLECTOR_DELIVERY_IMAGE_H
#define COLLECTOR_DELIVERY_IMAGE_H

#include "collector/delivery/outputs.h"
#include "collector/delivery/parcel.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"

#include <sys/uio.h>

struct image_part {
    uint32_t kind;  /* FAPILOG_NATIVE_KIND_SEGMENT, _REGISTRY, _SPANS; readers skip others */
    uint32_t zero;
    uint64_t bytes; /* of the payload */
};

enum {
    IMAGE_BYTES_GOAL = 1 << 20, /* of spans: what would make it longer goes into another one */
    IMAGE_RECORDS_MAX = 4096,   /* and no span holds more: a block of a spool does not */
};

/* Registry entries that the records of a batch name. */
struct image_entry {
    const struct fapilog_process_info *process;
    uint32_t id; /* 0: all of the registry, for the modules in it */
};

struct image_used {
    struct image_entry *entry;
    uint32_t count, cap;
    uint32_t *slot; /* hash table of indices + 1; `slots` is a power of two */
    uint32_t slots;
    const void *last_site, *last_logger;
};

void image_used_clear(struct image_used *u);
void image_used_done(struct image_used *u);
int image_used_slow(struct image_used *u, const struct fapilog_record *r);

/* The record is in the batch. -ENOMEM. */
static inline int image_used_note(struct image_used *u, const struct fapilog_record *r)
{
    if (likely(r->site && r->site == u->last_site && r->logger == u->last_logger))
        return 0;
    return image_used_slow(u, r);
}

/* An image before it is put together: the first piece is its own, the others are where the spans are. */
struct image_draft {
    struct buf head;
    struct iovec *piece;
    uint32_t count, cap;
    uint32_t taken;         /* spans */
    uint32_t records;
    uint64_t bytes;         /* of the image */
    uint64_t payload_bytes; /* of the spans */
};

/* Takes as many spans as make a good image, at least one, each with `before` as it turns out to be needed. Its memory
 * is used again by the next one. -ENOMEM. */
int image_draft(struct image_draft *d, const struct image_used *u, struct sink_span *span, uint32_t count);
void image_draft_done(struct image_draft *d);
struct parcel *image_parcel(const struct image_draft *d); /* NULL: no memory */

/* Both in one. -ENOMEM. */
int image_new(const struct image_used *u, struct sink_span *span, uint32_t count, uint32_t *ret_taken,
              struct parcel **ret);

/* ---- reading ---- */

struct native_stream;

/* Keeps what it knows of segments from image to image. */
struct image_reader {
    struct native_stream *stream;
    const struct format *format; /* whose plans the call sites hold */
    uint32_t images;
};

void image_reader_done(struct image_reader *x);
/* Each record, in the order of the image, which depends on nothing but its bytes. What is damaged is left out. Stops
 * when func does not return 0, with what it has returned; -ENOMEM. */
typedef int image_record_func(void *arg, const struct fapilog_record *r);
int image_each(struct image_reader *x, const char *data, size_t len, image_record_func *func, void *arg);
/* Entries as the output has them; records that cannot be decoded, and those beyond `records`, are missing. -ENOMEM. */
int image_expand(struct image_reader *x, const struct output *o, const char *data, size_t len, uint32_t records,
                 struct parcel **ret);

#endif
