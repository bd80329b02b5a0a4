/* drain.h - one turn over all lanes: what they hold now, merged by time.
 *
 *     drain_begin(d, now, flags);                     // loads every tail once (C2)
 *     while ((r = drain_peek(d)) && put(r))
 *         drain_accept(d);
 *     drain_checkpoint(d, &batch->checkpoint);        // how far the accepted records reach
 *
 * A turn may pause at any record (both batches are busy) and go on later. Each lane has a budget per
 * turn, so one that never stops cannot keep the others waiting; where it ends, the others go no further
 * than the time of that lane's next record, so order holds across turns. Records younger than the merge
 * window stay for the next turn, so that those of other threads can still come before them; but not in a
 * lane that is half full, nor for one window after that. */
#ifndef COLLECTOR_INGEST_DRAIN_H
#define COLLECTOR_INGEST_DRAIN_H

#include "collector/ingest/heap.h"
#include "collector/ingest/segments.h"

/* Positions of the lanes (lane set) and segments (lane NULL) that a batch moves. */
struct checkpoint_item {
    struct source *source;
    struct lane *lane;
    uint64_t from; /* lane: where the batch began */
    /* Until the next batch touches a lane: */
    uint64_t delivered; /* lane: before `from` */
    uint32_t mark;      /* lane: its first in drain.mark, from 1; 0: none */
    bool is_rough;      /* lane: see lane.rough_to */
    bool has_losses;    /* counters of what is lost have moved */
};

/* How many records a lane had given before this position, a block of it: where spans are to end at the latest, so that
 * none goes round the ring, is of two threads or holds more than SPAN_RECORDS_MAX. */
struct drain_mark {
    uint64_t position, delivered;
    uint32_t next; /* of the same lane, from 1; 0: none */
};

enum { SPAN_RECORDS_MAX = 4096 };

struct checkpoint {
    struct position *position;
    struct checkpoint_item *item; /* as many */
    uint32_t count, cap;
};
void checkpoint_done(struct checkpoint *c);
/* Makes `c` cover what `next`, read after it, moves as well; `next` is empty then. -ENOMEM: as before. */
int checkpoint_merge(struct checkpoint *c, struct checkpoint *next);

enum drain_flags {
    DRAIN_ALL = 1, /* no merge window: stopping, or a flush is wanted */
};

/* A batch of a former run, see fence.h. */
struct drain_fence {
    const struct position *position;
    uint32_t count;
};

struct drain {
    struct segments *segments;
    uint32_t level_mask; /* records of other levels are passed over */
    bool is_raw_only;    /* no text output: lanes are walked, not decoded */
    unsigned budget_scale; /* so many times lane_budget of a lane in a turn; 0 as 1 */
    struct heap heap;
    struct checkpoint_item *touched;
    uint32_t touched_count, touched_cap;
    struct drain_mark *mark; /* of the present batch */
    uint32_t marks_count, marks_cap;
    struct checkpoint_item *report; /* lanes and segments with counters to report */
    uint32_t report_count, report_cap, report_next;
    struct report_record *report_record;
    bool has_report_record;
    uint64_t turn;
    uint64_t turn_at_ns; /* CLOCK_MONOTONIC */
    int64_t now_ns;      /* CLOCK_REALTIME of the turn's start */
    int64_t horizon_ns;  /* CLOCK_REALTIME: younger records wait */
    int64_t ahead_ns;    /* CLOCK_REALTIME: those of a later time do not */
    int64_t budget_ns;   /* CLOCK_REALTIME: next record of a lane whose budget ended; later ones wait */
    int64_t emitted_ns;  /* CLOCK_REALTIME: the youngest record handed out so far, never in the future */
    int64_t held_ns;     /* time of the oldest record that waits, INT64_MAX: none */
    const struct drain_fence *fences; /* to be read first, one after the other */
    uint32_t fences_count;
    uint32_t fence;      /* the present one; fences_count: all are behind us */
    bool is_fenced;      /* the turn reads up to a fence */
    bool is_open;        /* a turn is under way */
    bool has_more;       /* a budget ended before its lane did */
    uint64_t bytes_max;  /* that one lane had waiting at the start of the turn, */
    uint64_t bytes_cap;  /* of so many that it can hold */
    uint64_t bytes;      /* taken in this turn */
    double fill;         /* of the fullest lane since it was last asked for, see fill.h */
};

int drain_init(struct drain *d, struct segments *t, uint32_t level_mask, bool is_raw_only, struct err *e);
void drain_done(struct drain *d);
/* Before the first turn; the fences stay the caller's. */
void drain_set_fences(struct drain *d, const struct drain_fence *fences, uint32_t count);

int drain_begin(struct drain *d, uint64_t now_ns, unsigned flags, struct err *e);
/* NULL: the turn is over. The record stays valid until drain_accept(). */
const struct fapilog_record *drain_peek(struct drain *d);
/* Whose record it is; it must be one that drain_peek() has returned. */
const struct source *drain_peek_source(const struct drain *d);
/* What drain_accept() will return. */
uint64_t drain_peek_bytes(const struct drain *d);
/* The bytes of its lane that are done with. */
uint64_t drain_accept(struct drain *d);

/* drain_accept() and then drain_peek(). */
const struct fapilog_record *drain_next(struct drain *d, uint64_t *ret_bytes);

/* Bytes that one lane has waiting by now, beside what was taken. */
uint64_t drain_waiting(const struct drain *d);

/* Raw outputs only: takes a stretch of one lane; its bytes, 0 when the turn is over. */
uint64_t drain_take_span(struct drain *d, uint64_t bytes_max, uint64_t *ret_records);

/* Sources that the turn moved since the last checkpoint. */
uint32_t drain_touched(const struct drain *d);
int drain_checkpoint(struct drain *d, struct checkpoint *c, struct err *e);
/* What was copied of overwriting lanes, and is in the checkpoint, is not needed any more. */
void drain_release_copies(const struct checkpoint *c);
/* What the rings hold now is the goal: a live producer cannot keep a collector that stops from ending. */
void drain_set_goal(struct drain *d);
/* True when every lane has been taken to the goal and its losses are reported. */
bool drain_has_reached_goal(const struct drain *d);


#endif
