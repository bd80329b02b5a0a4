/* remote.h - delivery to one remote sink: from parcels to acknowledged requests, with everything that can
 * go wrong in between. One per remote sink; nothing is shared between sinks, so the trouble of one never
 * slows another.
 *
 *   remote_put(parcel, ticket)
 *        |
 *   queue in memory  --(full, or the ring wants its space)-->  spool on disk  --(limits)--> given up, counted
 *        |      ^                                                   |
 *        |      +--------------------- read back -------------------+
 *   batcher  ->  requests in flight  ->  delivered | again later | bisected | dead letter
 *
 * A ticket is what ties a parcel to its batch: the batch may release the ring once each of its tickets is
 * settled, which happens when every record of the parcel is delivered, lies in the spool or in the dead
 * letters, or was given up and counted. With on_full=drop_* memory counts as well: then what waits there is
 * lost when the collector is killed, which is what was asked for. With on_full=block nothing but delivery
 * settles. remote_relieve() says that the ring needs its space: what is not settled is spooled now. */
#ifndef COLLECTOR_DELIVERY_REMOTE_H
#define COLLECTOR_DELIVERY_REMOTE_H

#include "collector/delivery/acked.h"
#include "collector/delivery/parcel.h"
#include "collector/io/io.h"
#include "collector/sinks/sink.h"

/* Embedded in the batch; must stay put until `settled` has been called, exactly once. Not from inside
 * remote_put(). */
struct remote_ticket {
    void (*settled)(struct remote_ticket *t);
    void *owner;
    bool is_shared; /* what it is settled for waits for other tickets, too */
};

enum remote_state { REMOTE_CLOSED, REMOTE_OPEN, REMOTE_HALF_OPEN }; /* of the circuit breaker */

/* Monotonic; taken = delivered + dropped_* + dead + in memory + in the spool, always. Counts of the present
 * run but for spooled_records, which is what lies on disk. */
struct remote_stats {
    uint64_t taken, taken_bytes;       /* by remote_put(), and found in the spool at start */
    uint64_t delivered, delivered_bytes;
    uint64_t requests, failed, retried, bisected;
    uint64_t dropped_full;             /* on_full=drop_* */
    uint64_t dropped_spool_size, dropped_spool_age; /* evicted segments */
    uint64_t dropped_corrupt;          /* records of damaged spool blocks, as far as their number is known */
    uint64_t dropped_refused;          /* refused for good with dead_letters=false, or no room for dead letters */
    uint64_t dead;                     /* dead letters written */
    uint64_t dead_evicted;             /* of all on disk, given up for dead_letter_max_bytes */
    uint64_t queued_records, queued_bytes; /* in memory, in flight included */
    uint64_t spooled_records, spooled_bytes;
    uint64_t in_flight, in_flight_limit;
    uint64_t breaker_opened;
    uint64_t oldest_ns;                /* CLOCK_REALTIME of the oldest undelivered record, 0 none */
    uint64_t latency_ns;               /* moving average of a request */
    enum remote_state breaker;
    int last_status;
    char last_reason[256];
};

struct remote;

struct remote_config {
    struct io *io;
    const char *state_dir; /* spools in spool/NAME, dead letters in dead/NAME */
    uint64_t seed;         /* of the jitter; 0: from the clock */
    struct acked *acked; /* where settled records of open tickets are noted; NULL: nowhere */
    uint64_t identity;     /* of the sink, in it */
    void (*on_message)(void *arg, const char *text);
    void *message_arg;
    /* Tickets were settled by answers that have just been taken; nothing is sent before it returns. May be NULL. */
    void (*on_taken)(void *arg);
    /* Health, error counts: something that status shows has changed. May be NULL. */
    void (*on_status)(void *arg);
};

/* The sink is configured and open. Finds what an earlier run has left in the spool. */
int remote_open(struct sink *s, const struct remote_config *cfg, struct remote **ret, struct err *e);
/* "scheme/format": what entries are written as, and so which sinks can take them; as in the head of a spool's files. */
void remote_format_id(const struct sink *s, char *ret, size_t size);
/* After remote_stop() has ended. While remote_is_busy() it waits, some seconds at most; what has not ended by then is
 * left to the kernel with all its memory. */
void remote_close(struct remote *r); /* NULL allowed */
/* Its disk is at work: a write, or a sync, of the spool or of the dead letters. May be so although it is idle. */
bool remote_is_busy(const struct remote *r);

/* Never fails and never waits. Takes a reference of its own; an empty parcel is settled at once (from
 * remote_run). */
void remote_put(struct remote *r, struct parcel *p, struct remote_ticket *t);
struct image_draft;
/* An image that has not been put together, into the journal of the sink's spool; is_short: the ring is, there is no
 * time to pack it. True: it is safe there, as if a ticket had been settled. False: nothing has been done; also while
 * anything older is unsettled. */
bool remote_take_image(struct remote *r, const struct image_draft *d, int64_t oldest_ns, bool is_short);
/* It fails now: what comes need not be serialized before it is sent, an image does (image.h). */
bool remote_wants_images(const struct remote *r);
/* on_full=drop_newest, and an image of so much would not be taken ... */
bool remote_refuses(const struct remote *r, uint64_t records, uint64_t bytes);
/* ... and is not even made. */
void remote_refuse(struct remote *r, uint64_t records, uint64_t bytes);
/* Its sink may have another format from now on. */
void remote_reformatted(struct remote *r);
/* So many times batch_size in a request from now on, up to what the protocol allows and batch_bytes; not where
 * batch_size is 1, which says that each record goes alone. */
void remote_scale_batches(struct remote *r, unsigned scale);
/* The ring will need the space of what is not settled: it is sent without waiting for more. */
void remote_hurry(struct remote *r);
/* The ring needs that space now. */
void remote_relieve(struct remote *r);
/* As remote_relieve(), for another reason: whoever waits for the tickets waits no longer. */
void remote_set_aside(struct remote *r);
/* Sends, retries, reads back, settles what is due. */
void remote_run(struct remote *r, uint64_t now_ns);
uint64_t remote_deadline(const struct remote *r); /* CLOCK_MONOTONIC, UINT64_MAX: nothing */
/* All that is settled is in the state file, or noted: after a kill the ring is not asked for what lies in the spool. */
void remote_noted(struct remote *r);
/* Nothing waits in memory or is in flight, and every ticket is settled; the spool may hold records unless
 * `is_spool_too`. */
bool remote_is_idle(const struct remote *r, bool is_spool_too);
/* One last attempt for what waits, without back-off; whatever is not delivered by deadline_ns is spooled
 * (or, with no spool, left to the ring or counted, as on_full says). remote_is_idle() tells the end. */
void remote_stop(struct remote *r, uint64_t deadline_ns);
bool remote_is_stopping(const struct remote *r);
/* It is not to stop after all: what waits is tried again. Not once it is put down: what lies in its spool is no longer
 * known to it, so it has to come to its end, to be closed and to be opened again. */
void remote_go_on(struct remote *r);
bool remote_is_put_down(const struct remote *r);
/* Requests under way end now, also those that have time left, and what has been answered is settled; nothing else is
 * sent. True: one has not ended, and needs a turn of the io. Until then remote_close() must wait. */
bool remote_hang_up(struct remote *r, uint64_t now_ns);
/* --drain: also what the spool holds is sent; no deadline while it makes progress. */
void remote_drain(struct remote *r);
void remote_stats(const struct remote *r, struct remote_stats *ret);
bool remote_is_failing(const struct remote *r);

#endif
