/* batch.h - a run of records on its way to the sinks: per output one chunk of text, one parcel of entries or
 * spans of the ring; who has it; and the positions that become true when every sink has it. */
#ifndef COLLECTOR_DELIVERY_BATCH_H
#define COLLECTOR_DELIVERY_BATCH_H

#include "collector/delivery/buffers.h"
#include "collector/delivery/image.h"
#include "collector/delivery/outputs.h"
#include "collector/delivery/remote.h"
#include "collector/ingest/drain.h"

enum {
    BATCH_RING_BYTES = 4 << 20, /* of ring that one batch may hold back */
    WINDOW_MIN = 3, /* one that a sink is busy with, and two that can become one */
    WINDOW_MAX = 64, /* default: see daemon/options.c */
};

struct batch_chunk {
    struct sink_chunk chunk; /* data points into a buffer, or at `large` */
    uint32_t buffer;         /* its number + 1; 0: nothing was written yet */
    uint32_t *ends;
    char *large;             /* one record that no buffer holds */
    uint64_t limit;          /* bytes that go into the buffer, 0 without one */
    uint64_t room;           /* bytes that every sink of this output has room for; raw ones: see ring_limit, too */
    struct parcel *parcel;   /* of an entry output, once it has a record */
    int64_t image_ns;        /* CLOCK_REALTIME of the first record that is left to images */
    uint64_t image_records;  /* left to them */
};

/* Records encoded for raw outputs, in the order in which they came. */
struct batch_encoded {
    struct encoded_record *record;
    uint32_t count, cap;
    uint32_t pending; /* of record[count ...], written but not taken yet */
    uint8_t *at;      /* memory of the batch */
    size_t left;
};

struct batch {
    bool is_used;
    bool is_fenced; /* read again: what a former run left open */
    uint64_t id;
    uint64_t records; /* taken from the rings, wanted by a sink or not; reports do not count */
    uint64_t filtered, unrouted; /* taken from the rings as well, and wanted by nobody */
    uint64_t emitted; /* made by stages */
    uint64_t ring_bytes;
    uint64_t opened_ns;
    uint32_t settled; /* targets that have it, also those that had it before this run began; one bit each */
    uint32_t waits;   /* remote targets that hold tickets of it */
    struct batch_chunk chunk[OUTPUTS_MAX];
    struct sink_span *span; /* outputs of `images` and raw ones, one after the other */
    uint32_t spans_count, spans_cap;
    uint32_t span_first[OUTPUTS_MAX + 1]; /* output i: [first[i], first[i + 1]) */
    uint64_t span_bytes[OUTPUTS_MAX], span_records[OUTPUTS_MAX];
    uint32_t positions_max; /* that the state file has room for */
    uint64_t ring_limit; /* bytes that every raw sink has room for */
    struct batch_kept *kept;
    uint64_t kept_bytes;
    struct batch_encoded encoded;
    uint32_t images; /* entry outputs whose records are not serialized but copied, when the batch is closed */
    struct image_used used;
    struct image_draft draft;
    struct sink_loss *loss; /* for raw outputs: what the checkpoint says of them */
    uint32_t losses_count, losses_cap;
    struct checkpoint checkpoint;
    struct batch_ticket *tickets; /* see remotes.c */
};

/* Memory that lives as long as the batch, for copies of what may be overwritten. NULL: out of memory. */
uint8_t *batch_keep(struct batch *b, size_t bytes);

void batch_begin(struct batch *b, const struct outputs *o, uint64_t id);
/* Gives back what it holds, but for what the next use needs as well. */
void batch_end(struct batch *b, struct buffers *buffers);
void batch_done(struct batch *b, struct buffers *buffers); /* frees all */

/* Serializes the record into the outputs of `among` that want it. False, and nothing written, when it
 * does not fit any more; an empty batch takes every record. -ENOMEM as a last resort. */
int batch_put(struct batch *b, struct buffers *buffers, const struct outputs *o, const struct fapilog_record *r,
              uint32_t among, bool *ret_fits);

/* Bytes and records that the batch has for one output. */
uint64_t batch_output_bytes(const struct batch *b, const struct outputs *o, uint32_t output);

/* Appends `next`, which was read directly after b, to it; `next` is empty then. Only outputs of `wanted` are
 * kept. False: they do not fit into one. */
bool batch_merge(struct batch *b, struct batch *next, struct buffers *buffers, const struct outputs *o,
                 uint32_t wanted);

#endif
