/* batch.h - a run of records on its way to the sinks: one chunk of text per output, or spans of the
 * ring for raw outputs, and the positions that become true when every sink has it. */
#ifndef COLLECTOR_DELIVERY_BATCH_H
#define COLLECTOR_DELIVERY_BATCH_H

#include "collector/delivery/outputs.h"
#include "collector/ingest/drain.h"

enum {
    BATCHES = 2, /* one is filled while the other is written */
    BATCH_BUFFER_BYTES = 1 << 20,
    BATCH_RECORDS_MAX = 1 << 15,
    BATCH_RING_BYTES = 4 << 20, /* of ring that one batch may hold back */
};

enum batch_state { BATCH_FREE, BATCH_FILLING, BATCH_CLOSED, BATCH_WRITING };

struct batch_chunk {
    struct sink_chunk chunk; /* data points at buffer, or at `large` */
    char *buffer;            /* BATCH_BUFFER_BYTES, from the registered region */
    int32_t buf_index;
    char *large;             /* one record that no buffer holds */
    uint32_t *ends;
    uint64_t limit;          /* bytes that every sink of this output has room for */
};

struct batch {
    enum batch_state state;
    uint64_t id;
    uint64_t records; /* taken from the rings, wanted by a sink or not; reports do not count */
    uint64_t ring_bytes;
    struct batch_chunk chunk[OUTPUTS_MAX];
    struct sink_span *span; /* raw outputs one after the other */
    uint32_t spans_count, spans_cap;
    uint32_t span_first[OUTPUTS_MAX + 1]; /* output i: [first[i], first[i + 1]) */
    uint64_t span_bytes[OUTPUTS_MAX], span_records[OUTPUTS_MAX];
    uint32_t positions_max; /* that one slot of the state file holds */
    uint64_t ring_limit; /* bytes that every raw sink has room for */
    struct batch_kept *kept;
    struct checkpoint checkpoint;
};

/* Memory that lives as long as the batch, for copies of what may be overwritten. NULL: out of memory. */
uint8_t *batch_keep(struct batch *b, size_t bytes);

/* The buffers of all batches: one page-aligned region, so that one registration covers them. */
struct batch_pool {
    char *base;
    unsigned buffers;
    uint32_t *ends;
};

int batch_pool_init(struct batch_pool *p, struct batch *batches, const struct outputs *o, struct err *e);
void batch_pool_done(struct batch_pool *p, struct batch *batches);

void batch_reset(struct batch *b, const struct outputs *o, uint64_t id);

/* Serializes the record into every text output that wants it. False, and nothing written, when it
 * does not fit any more; an empty batch takes every record. -ENOMEM as a last resort. */
int batch_put(struct batch *b, const struct outputs *o, const struct fapilog_record *r, bool *ret_fits);

#endif
