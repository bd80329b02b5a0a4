/* stage.h - what happens to a record between the ring and the sinks: filters drop it, enrichers add to it,
 * redactors mask in it, processors cut it. A stage is one file with one global `stage_<kind>` plus one line
 * in collector/stage/meson.build; its options come from its rows, as a sink's do.
 *
 *   ingest -> filters -> enrichers -> redactors -> processors -> routes -> formats
 *
 * Stages run in this order of groups, and in the order of the configuration inside a group. They run on the
 * collector's only thread, once per record, before anything is serialized: what a redactor masks is seen by
 * no sink, spool, dead letter or tail.
 *
 * What a stage needs to know of names it works out once per call site, logger or process and keeps in
 * their cache slot (FAPILOG_SITE_CACHE_SLOTS; slots from STAGE_SLOT_FIRST on belong to stages), not per
 * record. See docs/pipeline.md. */
#ifndef COLLECTOR_STAGE_STAGE_H
#define COLLECTOR_STAGE_STAGE_H

#include "collector/stage/record.h"
#include "lib/base/err.h"
#include "lib/base/opt.h"

#define STAGE_ABI 1

enum { STAGES_MAX = 64, STAGE_SLOT_FIRST = 13, STAGE_EMIT_MAX = 64, STAGE_WARN_MAX = 5 };
#define STAGE_TICK_NS UINT64_C(250000000)
#define STAGE_WARN_WINDOW_NS UINT64_C(1000000000)

enum stage_group { STAGE_FILTER, STAGE_ENRICH, STAGE_REDACT, STAGE_PROCESS, STAGE_GROUP_COUNT };

/* What run() says. */
enum stage_verdict {
    STAGE_PASS,
    STAGE_DROP,   /* the stage did its work: the record goes nowhere, counted under the stage's name */
    STAGE_FAILED, /* it could not do its work (no memory, too deep, too many keys): on_failure decides */
};

/* What becomes of a record that a stage could not treat. Filters, enrichers and processors: open. Redactors
 * take it from their option `fail_mode`. */
enum stage_failure {
    STAGE_FAIL_OPEN,   /* goes on as it is */
    STAGE_FAIL_WARN,   /* the same, and says so (rate-limited) */
    STAGE_FAIL_CLOSED, /* dropped, counted */
};

struct stage_counters {
    uint64_t seen;
    uint64_t dropped;
    uint64_t changed; /* records that it wrote to */
    uint64_t failed;
    uint64_t closed;  /* of the failed ones: dropped, as on_failure is closed */
    uint64_t emitted; /* records of its own */
};

struct stage;

struct stage_ops {
    uint32_t abi;          /* STAGE_ABI */
    const char *kind;      /* its name in a configuration: "rate_limit" */
    const char *const *aliases; /* ends with NULL; may be NULL */
    const char *const *env_prefixes; /* of its options in the environment: "FAPILOG_SIZE_GUARD__"; may be NULL */
    const char *summary;   /* one line for --help */
    enum stage_group group;
    bool changes;          /* may write to records: raw sinks then get re-encoded ones */
    const struct opt *opts;
    size_t cfg_size, state_size;
    int (*check)(void *cfg, struct err *e);
    int (*check_own)(struct stage *s, struct err *e); /* for whoever has one function for several tables; may be NULL */
    int (*open)(struct stage *s, struct err *e);
    enum stage_verdict (*run)(struct stage *s, struct stage_record *r);
    /* At least every 250 ms: windows that end, summaries that are due (stage_emit). May be NULL. */
    void (*tick)(struct stage *s, uint64_t now_ns);
    /* Values for metrics beside the counters: calls visit for each. May be NULL. */
    void (*gauges)(struct stage *s, void (*visit)(void *arg, const char *name, double value), void *arg);
    void (*close)(struct stage *s); /* also after a failed open; may be NULL */
};

struct stage {
    const struct stage_ops *ops;
    const char *name;      /* kind, with -2, -3 ... when it comes again */
    void *cfg;
    void *state;
    enum stage_failure on_failure;
    bool changes;          /* ops->changes, unless open() finds that its options rule it out */
    unsigned slot;         /* its cache slot, if open() has taken one: stage_take_slot() */
    struct stage_counters counters;
    struct stages *chain;
    struct {
        uint64_t since_ns;
        uint32_t said, swallowed;
    } warned; /* by stage_warn(), since then */
};

/* For open(): a cache slot of its own, or -ENOSPC. */
int stage_take_slot(struct stage *s, struct err *e);
/* A record of the stage's own ("3 duplicates suppressed"); copied, made an internal one with an id of its own,
 * goes through the stages behind it and then to the routes. Its message is plain text: the call site, if any, is
 * left behind. Beyond STAGE_EMIT_MAX waiting ones it is counted as failed. */
void stage_emit(struct stage *s, const struct fapilog_record *r);
/* Rate-limited words for people: STAGE_WARN_MAX in STAGE_WARN_WINDOW_NS, then the count of those left out. */
void stage_warn(struct stage *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* NULL-terminated, generated from collector/stage/meson.build; behind what is built in stands what was registered. */
extern const struct stage_ops *stage_list[];
extern const unsigned stage_list_room; /* entries, without the NULL */
/* For the life of the process. -EEXIST: its kind is taken. */
int stage_register(const struct stage_ops *ops, struct err *e);
void stage_unregister(const struct stage_ops *ops); /* before it was used; no-op when it is not there */
const struct stage_ops *stage_find(const char *kind); /* or an alias; '-' and '_' and case alike */

int stage_new(const struct stage_ops *ops, struct stage **ret, struct err *e); /* with its defaults */
int stage_finish(struct stage *s, struct err *e); /* checks what the rows cannot */
void stage_free(struct stage *s);

/* ---- the chain ---- */

struct stages {
    struct stage *stage[STAGES_MAX];
    uint32_t count;
    uint32_t filters; /* of them, in front */
    bool changes; /* any of them may write to records */
    struct stage_record record, made; /* of the rings, and by stages: one waits for a batch while the others run */
    struct stage_emitted *emitted; /* a queue */
    uint32_t emitted_count;
    uint64_t tick_at_ns;
    unsigned slots_taken;
    void (*on_message)(void *arg, const char *text);
    void *message_arg;
};

/* Sorts them into groups, tells those of one name apart and opens them. The stages stay the caller's. */
int stages_open(struct stages *c, struct stage *const *stages, uint32_t count, struct err *e);
void stages_close(struct stages *c);
/* The record as it leaves the stages, NULL: dropped and counted. Valid until the next call; what did not
 * change is `r` itself. Records that the collector made (r->internal) pass filters untouched. */
const struct fapilog_record *stages_run(struct stages *c, const struct fapilog_record *r);
/* The next record that a stage has emitted, already through the stages behind it; NULL: none. Valid until the next
 * call, whatever runs through the stages meanwhile. */
const struct fapilog_record *stages_emitted(struct stages *c);
/* Once a turn, before its records: tells the stages what time it is; cheap when nothing is due. UINT64_MAX at the
 * end of a run: every window ends and every count is told; to be repeated while stages_emitted() has records. */
void stages_tick(struct stages *c, uint64_t now_ns);
uint64_t stages_deadline(const struct stages *c); /* of the next tick with work; UINT64_MAX: none */

#endif
