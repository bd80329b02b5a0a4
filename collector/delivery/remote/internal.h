/* internal.h - the engine of one remote sink. What is outside (the sink's answers, ends of writes) only leaves
 * a note; everything changes inside remote_run(), in this order: answers, disk, limits, sending, settling.
 *
 *   lot     a run of entries in memory: a parcel, or a block that was read back
 *   item    one record of a lot, once it has left the queue
 *   bundle  the items of one request, from the first attempt to the last */
#ifndef COLLECTOR_DELIVERY_REMOTE_INTERNAL_H
#define COLLECTOR_DELIVERY_REMOTE_INTERNAL_H

#include "collector/delivery/deadletter.h"
#include "collector/delivery/image.h"
#include "collector/delivery/remote.h"
#include "collector/delivery/remote/adapt.h"
#include "collector/delivery/remote/breaker.h"
#include "collector/delivery/spool/spool.h"
#include "lib/base/check.h"

struct lot {
    struct lot *next;
    struct parcel *parcel;     /* or */
    char *raw;                 /* of a block */
    struct spool_block *block;
    struct remote_ticket *ticket;
    bool is_image;             /* data is one; queue_open() makes entries of it */
    const char *data;
    size_t bytes, at;          /* at: the next entry that is in the queue */
    uint64_t payload_bytes;
    uint16_t *index;           /* of a block's entries that are not settled */
    uint32_t taken;            /* from the queue */
    uint32_t queued;           /* records in the queue */
    uint32_t left;             /* records in memory: in the queue or as items */
    uint32_t unsettled;        /* what the ticket waits for */
    uint64_t since_ns;         /* CLOCK_MONOTONIC: taken, or written to the spool */
    uint64_t number;           /* rises: which lots remote_relieve() means */
    uint64_t first;            /* number of its first record in the stream of notes */
};

struct item {
    const struct entry_head *entry;
    struct lot *lot;
    struct spool_block *block; /* where it lies on disk; NULL: in the ring only */
    uint32_t index;
    uint32_t attempts;
    uint32_t bytes, payload_len; /* of the entry, which has gone cold by the time that it is answered */
};

struct queue {
    struct lot *head, **tail;
    uint64_t records, bytes, payload;
};

enum bundle_state { BUNDLE_WAITS, BUNDLE_SENT, BUNDLE_DONE };

struct bundle {
    struct bundle *next;
    struct sink_request q;     /* q.core is the bundle */
    struct remote *r;
    const struct entry_head **entries;
    struct item *items;
    uint32_t count;
    enum bundle_state state;
    uint32_t attempts, tries;  /* failed ones of this set; failures in a row, for the back-off */
    uint64_t due_ns, sent_ns;
    bool was_cancelled, was_full, is_spilling;
    struct sink_result result;
    uint32_t *indices;         /* of result.rejected and .retry */
};

/* Shared by all records that were given up for it. */
struct doom {
    uint32_t refs;
    struct deadletter_why why;
};

struct doomed {
    struct item item;
    struct doom *doom;
};

/* What is being written to the spool: the items of bundles first, then records and images from the queue's head. */
struct spilled {
    struct bundle *bundle;     /* NULL: from the queue */
    uint32_t records;          /* of an image, 0: a record */
    uint32_t item;
    struct spool_block *block;
    uint32_t index;
};

struct remote {
    struct sink *sink;
    struct remote_config cfg;
    const struct sink_delivery *d;
    struct sink_limits limits;
    struct breaker breaker;
    struct adapt adapt;
    uint64_t random, now_ns;
    unsigned batch_scale;      /* see remote_scale_batches(); 0 as 1 */
    uint64_t pause_ns;         /* Retry-After: nothing is sent before */
    struct queue fresh, old;   /* from the ring; from the spool */
    struct image_reader images;
    struct bundle *bundles;    /* in order of age */
    uint32_t bundles_count, sent_count;
    bool is_old_next;          /* whose turn it is */
    int64_t old_budget;        /* of spool_rate: records; a request may overdraw it */
    uint64_t old_budget_ns;
    uint64_t fresh_ns;         /* when records came last */
    struct spool *spool;       /* NULL: never needed */
    struct deadletter *dead;
    struct spilled *spilled;
    uint32_t spilled_count, spilled_cap, spilled_queue;
    uint64_t spill_again_ns;   /* after a failure */
    bool is_spool_troubled, was_told_spool, was_told_dead, was_told_single;
    uint64_t hurry_number;     /* lots up to this one wait for no others */
    uint64_t relieve_number;   /* lots up to this one go to the spool */
    uint64_t lots;
    struct doomed *doomed;     /* to become dead letters */
    uint32_t doomed_count, doomed_cap, doomed_writing;
    uint64_t dead_again_ns;
    struct acked_stream stream;
    uint64_t streamed;         /* records that have a number in it */
    struct remote_ticket **settled;
    uint32_t settled_count, settled_cap;
    uint64_t unsettled;        /* tickets */
    bool is_stopping, is_draining, is_abandoned, was_failing;
    bool is_put_down;          /* what lies in the spool was forgotten: only a later run reads it again */
    uint64_t stop_ns;
    struct remote_stats stats;
};

/* lot.c */
struct lot *lot_new_parcel(struct remote *r, struct parcel *p, struct remote_ticket *t);
struct lot *lot_new_block(struct remote *r, struct spool_block *b, char *raw, uint32_t len);
/* The record is not in memory any more. */
void lot_release(struct lot *l);
void lot_release_many(struct lot *l, uint32_t n);
/* The ticket need not wait for n of its records: those from `index` on, the first of them at `entry`. NULL: it is not
 * told which. */
void lot_settle(struct remote *r, struct lot *l, const struct entry_head *entry, uint32_t index, uint32_t n);
/* Where the record lies, it is done with: delivered, dead or dropped. Leaves memory. */
void item_done(struct remote *r, struct item *i);
/* The same for the first of n items, and those of its lot that follow it directly; returns how many. */
uint32_t items_done(struct remote *r, struct item *first, uint32_t n);
void ticket_settled(struct remote *r, struct remote_ticket *t);
int remote_expand(struct remote *r, const char *image, size_t len, uint32_t records, struct parcel **ret);
uint64_t remote_batch_size(const struct remote *r); /* with the scale */
void remote_say(struct remote *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* queue.c */
void queue_init(struct queue *q);
void queue_push(struct queue *q, struct lot *l);
/* Of queue_open(), below. */
bool queue_open_images(struct remote *r, struct queue *q);
/* Walks over the queue without changing it: what is behind `item`, a record, or with entry NULL an image; start with
 * item->lot NULL. */
bool queue_walk(const struct queue *q, struct item *item);
/* The first lot, of which nothing was taken yet, leaves memory as a whole; counts its records. */
void queue_settle_lot(struct remote *r, struct queue *q, uint64_t *counter);

/* batcher.c: the next request from a queue, NULL: not yet. */
struct bundle *batcher_take(struct remote *r, struct queue *q);
uint64_t batcher_deadline(const struct remote *r, const struct queue *q);
struct bundle *bundle_new(struct remote *r, uint32_t count);
void bundle_free(struct bundle *b);

/* flight.c */
bool remote_is_strict(const struct remote *r); /* one request at a time, in order */
void flight_send_all(struct remote *r);
void flight_deadlines(struct remote *r);
uint64_t flight_deadline(const struct remote *r);
void flight_done(struct sink *s, struct sink_request *q, const struct sink_result *result);
void bundle_remove(struct remote *r, struct bundle *b);
/* answer.c */
void outcomes_take(struct remote *r);
/* doom.c */
void doom_item(struct remote *r, const struct item *i, struct doom *d);
void doom_drop(struct remote *r, struct item *i); /* counted, and in no dead letter */
struct doom *doom_new(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void doom_unref(struct doom *d);
bool doom_is_due(const struct remote *r, const struct item *i); /* retry_max_attempts, retry_deadline */
void doom_sift(struct remote *r, struct bundle *b, struct doom *d); /* those that are due go, the others stay */
void doom_old(struct remote *r);  /* what has waited longer than retry_deadline */
void doom_write(struct remote *r);
/* spill.c */
void spill_run(struct remote *r);
void spill_full(struct remote *r); /* on_full=drop_oldest */
bool spill_is_wanted(const struct remote *r);
/* stop.c */
void stop_run(struct remote *r);
/* readback.c */
void readback_run(struct remote *r);
void readback_evicted(struct remote *r); /* records whose spool file was given up, but for those in flight */
void readback_budget(struct remote *r);

/* ---- what is done for each record ---- */

/* The record at `at`, which is the n-th of the lot. */
static inline void lot_item(struct lot *l, size_t at, uint32_t n, struct item *ret)
{
    if (l->is_image) {
        *ret = (struct item){ .lot = l };
        return;
    }
    const struct entry_head *h = entry_at(l->data + at, l->bytes - at);
    CHECK(h != NULL); /* written by us, or verified when it was read */
    *ret = (struct item){ .entry = h, .lot = l, .block = l->block, .index = l->index ? l->index[n] : n,
                          .attempts = h->attempts, .bytes = h->bytes, .payload_len = h->payload_len };
}

/* Where the first lot is an image, entries take its place. False: no memory for them now. */
static inline bool queue_open(struct remote *r, struct queue *q)
{
    return !q->head || !q->head->is_image || queue_open_images(r, q);
}

/* The first record, without taking it. With entry NULL: it is in an image. */
static inline bool queue_peek(const struct queue *q, struct item *ret)
{
    if (!q->head)
        return false;
    lot_item(q->head, q->head->at, q->head->taken, ret);
    return true;
}

static inline void queue_pop(struct queue *q)
{
    struct lot *l = q->head;
    const struct entry_head *h = (const void *)(l->data + l->at);
    l->at += h->bytes;
    l->taken++;
    l->queued--;
    q->records--;
    q->bytes -= h->bytes;
    q->payload -= h->payload_len;
    if (l->queued > 0)
        return;
    q->head = l->next;
    l->next = NULL;
    if (!q->head)
        q->tail = &q->head;
}

#endif
