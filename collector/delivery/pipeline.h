/* pipeline.h - from batches to committed positions.
 *
 *   free -> filling -> open: each sink settles it, in order and at its own pace -> committed, free
 *
 * Up to `window` batches are under way at once, the one that is filled included. See docs/delivery.md. */
#ifndef COLLECTOR_DELIVERY_PIPELINE_H
#define COLLECTOR_DELIVERY_PIPELINE_H

#include "collector/delivery/acked.h"
#include "collector/delivery/batch.h"
#include "collector/delivery/commit.h"
#include "collector/delivery/notes.h"
#include "collector/delivery/outputs.h"
#include "collector/delivery/retired.h"
#include "collector/stage/stage.h"
#include "lib/base/clock.h"

#include <limits.h>

#define PIPELINE_RETRY_FIRST_NS (100 * NS_PER_MS)
#define PIPELINE_RETRY_MAX_NS (5 * NS_PER_S)
#define PIPELINE_TICK_NS (250 * NS_PER_MS)
#define PIPELINE_PRESSED_BYTES (32 << 10) /* of ring in one batch: it took all that had come while we were busy */
#define PIPELINE_PRESSED_NS (100 * NS_PER_MS)
/* What only remote sinks wait for is gathered so long, and up to twice as long where the rings are looked at then. */
#define PIPELINE_PARCEL_NS (10 * NS_PER_MS)

enum target_state { /* of a local sink */
    TARGET_IDLE,    /* between two batches */
    TARGET_WRITING, /* between write() and done() */
    TARGET_WAITING, /* failed, tries again at retry_at_ns */
};

struct pipeline;

struct target {
    struct pipeline *pipeline;
    struct sink *sink;
    struct remote *remote; /* NULL: a local sink */
    uint32_t bit;
    uint32_t output;
    uint64_t identity;
    /* local */
    enum target_state state;
    uint32_t next;          /* the open batch that it settles next, or pipeline.open_count */
    struct sink_mark mark;  /* behind the last batch that it has settled */
    struct sink_batch view; /* its share of the batch under way */
    uint64_t room_most;     /* that it ever offered: what a fresh file takes */
    uint64_t retry_at_ns;
    uint64_t retry_pause_ns;
    uint64_t tick_at_ns;
    uint64_t records; /* delivered by this sink */
    uint64_t refused; /* that it could never take */
    uint64_t bytes;
    uint64_t errors;
    int last_error; /* negative errno of the last failure */
    bool is_failing;
    bool has_mark;
    bool is_open;
    bool wants_reopen, wants_rotate;
    /* remote */
    uint64_t unsettled;  /* parcels that it has been given */
    uint64_t relieved_id; /* the newest batch for which it was asked to spool */
    struct remote_stats before; /* counters of those whose place it has taken */
    uint64_t dropped_before;    /* dropped_full, when it was told to leave */
};

/* Set before pipeline_open(). */
struct pipeline_settings {
    uint64_t window;       /* batches, WINDOW_MIN..WINDOW_MAX */
    const char *state_dir; /* of spools and dead letters; remote sinks only */
    const char *ring_dir;  /* of what remote sinks have settled, see acked.h; NULL: it is not noted */
    struct stages *stages; /* open; NULL: none */
    struct routes *routes; /* of the sinks in their order; NULL: every sink gets every record */
    const struct route_config *route_config; /* that `routes` was made of */
    bool is_apart; /* notes are not for all sinks: each has an output of its own */
};

/* A record between the ring and a batch. */
struct pipeline_staged {
    const struct fapilog_record *of; /* as the drain has it; NULL: none, or one that a stage has made */
    const struct fapilog_record *r;  /* as it left the stages; NULL: nobody wants it */
    uint32_t among;                  /* outputs */
    bool is_filtered, is_unrouted;
};

struct pipeline {
    struct pipeline_settings settings;
    struct io *io;
    struct commit *commit;
    const struct segments *segments; /* set before pipeline_open(); NULL: all are attached */
    struct outputs outputs;
    struct target target[FAPILOG_SINKS_MAX];
    uint32_t targets_count;
    uint32_t remotes_count;
    uint32_t everybody; /* a bit for each target */
    struct buffers buffers;
    struct batch *batch; /* settings.window */
    struct batch *filling;
    struct batch *open[WINDOW_MAX]; /* oldest first */
    uint32_t open_count;
    uint64_t batch_id;
    /* What a former run left open. */
    struct drain_fence *fences;
    uint32_t *fence_skip; /* who had it */
    struct position *fence_position;
    uint32_t fences_count;
    uint32_t fence_next; /* those before it are read, but for segments that could not be attached: what is left of
                            them has only their positions */
    uint64_t attached_seen;
    struct acked *acked; /* NULL: none */
    uint64_t pruned_seen; /* segments attached and looks at their directory when its notes were last pruned */
    uint32_t last_count;  /* positions in the newest slot */
    bool was_told_cut, was_told_acked; /* the state file, and that of notes, which cannot be made again */
    bool is_changed;      /* a batch was settled since the last store */
    uint64_t pressure_at_ns;
    uint64_t next_turn_ns; /* set by the owner: when the rings are looked at again, 0 at once */
    bool is_full; /* the drain waits for a batch */
    uint64_t parcel_slack;     /* see parcel_seal_within() */
    uint64_t pressed_until_ns; /* a batch was long lately: the collector has to hurry */
    bool is_paused, is_set_aside; /* remote sinks have been told to put aside what they hold */
    uint64_t paused_ns;
    uint64_t status_version; /* rises when a sink's health or error count changes */
    struct pipeline_staged staged, emitted;
    struct stages *leaving; /* that a reload has replaced, with something left to say; NULL: none */
    uint64_t ticked_turn;
    /* Sees each record that leaves the stages and is routed somewhere; NULL: nobody looks. Where all sinks are raw
     * nothing is decoded, and nothing seen. */
    void (*tap)(void *arg, const struct fapilog_record *r);
    void *tap_arg;
    struct notes *notes; /* of the owner; NULL: none */
    bool is_ending; /* set by the owner when all is read: stages tell what they still have */
    bool has_ended;
    uint64_t committed_records;
    uint64_t committed_filtered, committed_unrouted;
    uint64_t committed_batches;
    struct retired retired;
    void (*on_message)(void *arg, const char *text); /* for people: failures and recoveries */
    void *message_arg;
};

/* What it has counted since the collector started, and where the rest is. A local sink has taken what it has
 * delivered or refused. */
void target_stats(const struct target *t, struct remote_stats *ret);

/* Gives a name to each sink that has none; two of the same name are refused. */
int pipeline_name_sinks(struct sink *const *sinks, uint32_t count, struct err *e);
/* What can be told before anything is opened: formats, two sinks that write to the same place. */
int pipeline_check(struct sink *const *sinks, uint32_t count, const struct pipeline_settings *settings, struct err *e);

/* Opens the sinks, cuts them back to their marks and persists where they stand. The sinks stay the
 * caller's; on failure those that were opened are closed again. */
int pipeline_open(struct pipeline *p, struct io *io, struct commit *commit, struct sink *const *sinks,
                  uint32_t sinks_count, struct err *e);
/* No batch may be under way (see pipeline_abandon). The first error of a sink's close is returned. */
int pipeline_close(struct pipeline *p, struct err *e);

/* The batch that takes the drain's next record, NULL while the window is full. */
struct batch *pipeline_filling(struct pipeline *p, const struct drain *d);
/* Its checkpoint and spans are complete. -ENOMEM. */
int pipeline_close_batch(struct pipeline *p, struct err *e);
void pipeline_drop_batch(struct pipeline *p); /* the turn had nothing for it */
/* Somebody waits for what is being filled. */
bool pipeline_is_hungry(const struct pipeline *p);
/* Starts what can start, retries what is due, commits what all have settled, lets idle sinks do their upkeep. */
void pipeline_run(struct pipeline *p, uint64_t now_ns);
/* When pipeline_run() has something to do next. */
uint64_t pipeline_deadline(const struct pipeline *p);
/* Nothing is under way; with `is_memory_too` remote sinks hold nothing in memory either. */
bool pipeline_is_idle(const struct pipeline *p, bool is_memory_too);
/* No more can be taken from the rings before a sink with on_full=block, which fails, has delivered what it has. */
bool pipeline_is_held(const struct pipeline *p);
/* After pipeline_stop(): nothing more will come of the batches that are open. Their sinks have made their last attempt,
 * and what is left stays in the rings. */
bool pipeline_is_stuck(const struct pipeline *p);
/* No sink is in the middle of a write. */
bool pipeline_is_settled(const struct pipeline *p);
/* Nor is a disk at work for the spool or the dead letters of one: pipeline_close() waits for nothing. */
bool pipeline_is_quiet(const struct pipeline *p);
/* What the sinks have settled is in the state file, and what all have settled is committed. */
void pipeline_note_settled(struct pipeline *p);
/* That as well; then gives up the batches, of which none may be being written: what is left stays in the rings. */
void pipeline_abandon(struct pipeline *p);
/* Before that: requests of remote sinks under way end now. True: one has not ended, and needs a turn of the io. */
bool pipeline_hang_up(struct pipeline *p, uint64_t now_ns);

/* Remote sinks make a last attempt, and spool what is not delivered by then. */
void pipeline_stop(struct pipeline *p, uint64_t deadline_ns);
/* Remote sinks also empty their spools. */
void pipeline_drain(struct pipeline *p);
bool pipeline_is_drained(const struct pipeline *p);

/* No new batch is begun, and what is gathered is closed; what a former run left open is read to its end before. */
void pipeline_pause(struct pipeline *p, bool is_paused);
bool pipeline_is_at_rest(const struct pipeline *p);
/* A sink that it waits for. */
const char *pipeline_who_holds(const struct pipeline *p);
/* While at rest, for each sink that pipeline_reconfigure() is to close: a remote one makes a last attempt until
 * deadline_ns, and the rest is where its on_full says. True: nothing is left, and its disk is at rest. */
bool pipeline_leave(struct pipeline *p, const struct sink *s, uint64_t now_ns, uint64_t deadline_ns);
/* There will be no pipeline_reconfigure(): those that were told to leave go on. One that has put down what it had is
 * opened again, once it is at its end: so this is called until nobody leaves, which costs nothing. 0, or
 * -ENOTRECOVERABLE: one does not open. */
int pipeline_stay(struct pipeline *p);
/* While at rest: from now on these sinks, with these stages and routes. Sinks that are in it already stay open
 * as they are; new ones are opened before those that are left out are closed, remote ones behind them. The old routes
 * are the caller's again, and so are the old stages once pipeline.leaving is NULL. On failure all is as before, but for
 * -ENOTRECOVERABLE: a sink that had to make room for its successor could not be opened again. */
int pipeline_reconfigure(struct pipeline *p, struct sink *const *sinks, uint32_t count,
                         const struct pipeline_settings *settings, struct err *e);

void pipeline_want_reopen(struct pipeline *p);
void pipeline_want_rotate(struct pipeline *p);
/* Why it is failing, for people; a local sink's has the place: "/var/log/a.jsonl: No space left on device". */
enum { TARGET_REASON_MAX = PATH_MAX + 128 };
const char *target_reason(const struct target *t, char ret[TARGET_REASON_MAX]);
uint64_t target_errors(const struct target *t); /* failed writes or requests */
/* The first failing sink, or NULL. */
const struct target *pipeline_failing(const struct pipeline *p);

#endif
