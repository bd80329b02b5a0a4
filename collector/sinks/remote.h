/* remote.h - the contract of sinks that deliver over a protocol which acknowledges. Such a sink encodes
 * records and sends requests; nothing else. Queueing, batching, the number of requests in flight, retry,
 * the circuit breaker, spooling, dead letters and all counting belong to collector/delivery, once for all.
 *
 *   encode()  a record becomes an entry (entry.h); runs where records are serialized, once per record
 *   send()    the core hands over a request of entries; the sink ends it with one sink_request_done()
 *
 * A sink sees an entry's group, meta, payload and head again and again (retry, bisection, replay out of a
 * spool that another run has written): what send() needs must be in the entry, not in the sink's memory. */
#ifndef COLLECTOR_SINKS_REMOTE_H
#define COLLECTOR_SINKS_REMOTE_H

#include "collector/sinks/entry.h"
#include "lib/base/err.h"

struct sink;

struct sink_request {
    const struct entry_head *const *entry; /* in order; valid until sink_request_done() */
    uint32_t count;
    uint32_t attempt;     /* from 1, of this very set of entries */
    uint64_t bytes;       /* of payloads */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC: the core cancels it then */
    void *work;           /* the sink's, NULL at first; gone by the time of sink_request_done() */
    void *core;           /* the engine's */
};

enum sink_outcome {
    SINK_DELIVERED, /* but for what `rejected` and `retry` name, and `refused_count` counts */
    SINK_RETRY,     /* nothing counts as delivered: network trouble, time-out, 408, 425, 429, 5xx */
    SINK_REFUSED,   /* the request as a whole, for good (other 4xx): the core bisects it, and a record that
                       is refused alone is a dead letter */
    SINK_BROKEN,    /* nothing will go through until somebody acts (401, 403, no such database): nothing counts as
                       delivered, the breaker opens at once, records wait */
};

struct sink_result {
    enum sink_outcome outcome;
    int status;              /* of the protocol (HTTP status, SQLSTATE number, 0 none), for counters and dead letters */
    uint64_t retry_after_ns; /* what the server asked for, 0 none */
    char reason[256];        /* for people; no secrets, no record content */
    /* SINK_DELIVERED only: ascending indices of entries that the server refused for good ... */
    const uint32_t *rejected;
    uint32_t rejected_count;
    /* ... and of those that it could not take now. The rest is delivered. */
    const uint32_t *retry;
    uint32_t retry_count;
    /* So many of the rest were refused for good as well, and the server does not say which: counted as refused, and in
     * no dead letter. */
    uint32_t refused_count;
};

/* What one request may hold. 0: no limit of the protocol's own. */
struct sink_limits {
    uint32_t records;
    uint64_t bytes;          /* payload + overhead of all entries */
    uint32_t entry_overhead; /* bytes that the protocol counts per record beside its payload */
    uint32_t entry_bytes;    /* a longer payload is a dead letter, never sent */
    uint64_t span_ns;        /* between the oldest and the youngest record's time */
    uint32_t in_flight;      /* requests at once; 1 where order matters */
};

struct sink_remote_ops {
    /* Writes group, meta and payload in this order at out, where encode_bound() bytes are free, sets the
     * two lengths and returns the end. Cannot fail. NULL: no group, no meta, the payload is the record in
     * the sink's format; sinks of the same format then share the work. A sink whose payload is its own
     * (wants_raw false, format_default NULL) may ignore s->format; otherwise it is open and may be used. */
    size_t (*encode_bound)(struct sink *s, const struct fapilog_record *r);
    char *(*encode)(struct sink *s, const struct fapilog_record *r, char *out, uint16_t *ret_group_len,
                    uint16_t *ret_meta_len);
    /* The same where `room` bytes are known to do without asking encode_bound() first; NULL, and anything in
     * [out, out + room), where that cannot be told cheaply. May be NULL. As write_within() of a format. */
    char *(*encode_within)(struct sink *s, const struct fapilog_record *r, char *out, size_t room,
                           uint16_t *ret_group_len, uint16_t *ret_meta_len);
    void (*limits)(struct sink *s, struct sink_limits *ret); /* told by its options: not only when open; NULL: none */
    /* Starts a request. Ends in exactly one sink_request_done(), not before send() has returned or from
     * inside it: both are allowed. */
    void (*send)(struct sink *s, struct sink_request *q);
    /* Its deadline has passed or the collector stops: end it soon, by sink_request_done() with SINK_RETRY
     * unless an answer was faster. */
    void (*cancel)(struct sink *s, struct sink_request *q);
};

void sink_request_done(struct sink *s, struct sink_request *q, const struct sink_result *result);

/* What every remote sink has as options, beside sink_common: one group of rows for all. */
struct sink_delivery {
    uint64_t batch_size;        /* records a request */
    uint64_t batch_bytes;
    uint64_t batch_interval_ns; /* a record waits no longer for others */
    uint64_t timeout_ns;        /* of one request */
    uint64_t max_in_flight;     /* requests at once, at most; adaptive below it */
    uint64_t retry_max_attempts; /* OPT_UNSET: until delivered */
    uint64_t retry_base_delay_ns, retry_max_delay_ns;
    uint64_t retry_deadline_ns; /* OPT_UNSET: none; a record is a dead letter after it */
    bool breaker_enabled;
    uint64_t breaker_threshold; /* consecutive failed requests that open it */
    uint64_t breaker_recovery_ns; /* then one probe */
    uint64_t queue_records, queue_bytes; /* in memory */
    uint32_t on_full;           /* enum sink_on_full */
    const char *spool_dir;      /* NULL: STATE/spool/NAME */
    uint64_t spool_max_bytes;   /* then the oldest segment is given up and counted */
    uint64_t spool_max_age_ns;  /* OPT_UNSET: none */
    uint64_t spool_segment_bytes;
    uint32_t spool_sync;        /* enum sink_spool_sync */
    uint64_t spool_sync_interval_ns;
    uint64_t spool_rate;        /* records a second read back while fresh ones arrive; OPT_UNSET: no limit */
    bool dead_letters;          /* false: count and drop what is refused for good */
    uint64_t dead_letter_max_bytes;
};
enum { SINK_SPOOL_FILES_MIN = 4 }; /* a file is at most this part of spool_max_bytes: what is given up at once */
enum sink_on_full { SINK_FULL_SPOOL, SINK_FULL_DROP_OLDEST, SINK_FULL_DROP_NEWEST, SINK_FULL_BLOCK };
enum sink_spool_sync { SINK_SYNC_NEVER, SINK_SYNC_INTERVAL, SINK_SYNC_ALWAYS };

#endif
