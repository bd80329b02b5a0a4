/* pipeline.h - from closed batches to committed positions.
 *
 *   FREE -> FILLING -> CLOSED -> WRITING -> committed, FREE
 *
 * While one batch is written the next is filled. All sinks work on the same batch: the next one is
 * started only when the one before is committed, so the marks that are persisted always belong to
 * the positions beside them, also when a sink moves to a new file in the middle. */
#ifndef COLLECTOR_DELIVERY_PIPELINE_H
#define COLLECTOR_DELIVERY_PIPELINE_H

#include "collector/delivery/batch.h"
#include "collector/delivery/commit.h"
#include "collector/delivery/outputs.h"

#include "lib/base/clock.h"

#define PIPELINE_RETRY_FIRST_NS (100 * NS_PER_MS)
#define PIPELINE_RETRY_MAX_NS (5 * NS_PER_S)
#define PIPELINE_TICK_NS (250 * NS_PER_MS)

enum target_state {
    TARGET_IDLE,    /* has the last committed batch */
    TARGET_WRITING, /* between write() and done() */
    TARGET_DONE,    /* has the batch that others still write */
    TARGET_WAITING, /* failed, tries again at retry_at_ns */
};

struct pipeline;

struct target {
    struct pipeline *pipeline;
    struct sink *sink;
    uint32_t output;
    uint64_t identity;
    enum target_state state;
    struct sink_mark mark;      /* as committed */
    struct sink_mark mark_next; /* at the end of the batch under way */
    struct sink_batch view;     /* its share of that batch */
    uint64_t retry_at_ns;
    uint64_t retry_pause_ns;
    uint64_t tick_at_ns;
    uint64_t records; /* delivered by this sink */
    uint64_t bytes;
    uint64_t errors;
    int last_error; /* negative errno of the last failure */
    bool is_failing;
    bool has_mark;
    bool is_open;
    bool wants_reopen, wants_rotate;
};

struct pipeline {
    struct io *io;
    struct commit *commit;
    struct outputs outputs;
    struct target target[FAPILOG_SINKS_MAX];
    uint32_t targets_count;
    struct batch_pool pool;
    struct batch batch[BATCHES];
    struct batch *filling;
    struct batch *closed;  /* waits for the writer */
    struct batch *writing;
    uint64_t batch_id;
    uint64_t status_version; /* rises when a sink's health or error count changes */
    uint64_t committed_records;
    uint64_t committed_batches;
    void (*on_message)(void *arg, const char *text); /* for people: failures and recoveries */
    void *message_arg;
};

/* Gives a name to each sink that has none; two of the same name are refused. */
int pipeline_name_sinks(struct sink *const *sinks, uint32_t count, struct err *e);
/* What can be told before anything is opened: formats, and two sinks that write to the same place. */
int pipeline_check(struct sink *const *sinks, uint32_t count, struct err *e);

/* Opens the sinks, cuts them back to their marks and persists where they stand. The sinks stay the
 * caller's; on failure those that were opened are closed again. */
int pipeline_open(struct pipeline *p, struct io *io, struct commit *commit, struct sink *const *sinks,
                  uint32_t sinks_count, struct err *e);
/* No batch may be under way (see pipeline_abandon). The first error of a sink's close is returned. */
int pipeline_close(struct pipeline *p, struct err *e);

/* The batch that takes the next record, NULL while both are busy. */
struct batch *pipeline_filling(struct pipeline *p);
void pipeline_close_batch(struct pipeline *p);
void pipeline_drop_batch(struct pipeline *p); /* the turn had nothing for it */
/* Starts what can start, retries what is due, lets idle sinks do their upkeep. */
void pipeline_run(struct pipeline *p, uint64_t now_ns);
/* When pipeline_run() has something to do next. */
uint64_t pipeline_deadline(const struct pipeline *p);
bool pipeline_is_idle(const struct pipeline *p);
/* No sink is in the middle of a write. */
bool pipeline_is_settled(const struct pipeline *p);
/* Gives up the batches that are not being written; their records stay in the rings. */
void pipeline_abandon(struct pipeline *p);

void pipeline_want_reopen(struct pipeline *p);
void pipeline_want_rotate(struct pipeline *p);
/* The name of the first failing sink, or NULL. */
const struct target *pipeline_failing(const struct pipeline *p);

#endif
