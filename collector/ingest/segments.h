/* segments.h - the rings at hand: one source per segment, and of each the lanes with what has been
 * taken from them. What a producer writes is only ever read through lib/reader, which bounds it; what
 * we tell the producer goes through release.c, bell.c and levels.c.
 *
 *   done    <=   taken   <=   cursor.pos   <=   tail
 *   released     in batches   decoded ahead     committed by the producer
 */
#ifndef COLLECTOR_INGEST_SEGMENTS_H
#define COLLECTOR_INGEST_SEGMENTS_H

#include "collector/ingest/position.h"
#include "collector/ingest/settings.h"
#include "collector/io/io.h"
#include "lib/reader/lane.h"
#include "lib/reader/segment.h"

enum {
    SOURCE_STRIKES_MAX = 3, /* turns with damaged records before a segment is quarantined */
    SOURCE_NAME_MAX = 128,
    SOURCE_LANES_AHEAD = FAPILOG_SHARED_LANES + 8,
};

struct source;

enum {
    LANE_RUNS_MAX = 8, /* of one batch that are noted, */
    LANE_RUN_BYTES = 256 << 10, /* so long at most: what is not noted is walked again */
};

/* Records that were walked by their headers and all stand alone: whoever wants all of their levels may take them
 * without looking at them again. */
struct lane_run {
    uint64_t from, to;   /* not over the end of the ring */
    uint32_t records, levels;
    uint32_t generation; /* of the thread that wrote them */
};

/* Made when a lane first has something to read: most lanes of most segments never do. */
struct lane_reader {
    struct lane_cursor cursor;
    struct fapilog_record record; /* decoded and not taken yet, if has_record */
    bool has_record;
    /* For spans: who writes the lane; the cursor knows it only of lanes that it reads itself. */
    struct segment_lane_owner owner;
    struct lane_run run[LANE_RUNS_MAX]; /* of what the present batch has taken */
    uint32_t runs_count;
};

/* See fence.h. */
struct lane_fence {
    uint64_t end, dropped;
    uint64_t events; /* read or lost before `end`; 0: not known */
};
struct source_fence {
    uint64_t orphan, truncated, unregistered;
};

struct lane {
    struct source *source;
    struct lane_reader *reader;
    uint32_t index;
    bool is_touched;   /* in drain.touched */
    uint64_t tail;     /* as loaded at the start of the turn */
    uint64_t turn_end; /* where its budget of this turn ends */
    uint64_t done;     /* private copy of slot.done; the shared one is never read again */
    uint64_t taken;
    uint64_t span_from; /* taken before the present batch */
    uint64_t span_delivered; /* delivered before it */
    uint64_t span_dropped, span_lost; /* told before it */
    uint64_t delivered;
    uint64_t block_end; /* of the block of the last record taken */
    uint32_t generation; /* of that block */
    uint64_t rough_to;  /* before it is what only a walk can tell from records: damage, or a record in several blocks */
    uint32_t mark, last_mark; /* of the present batch in drain.mark, from 1; 0: none */
    uint64_t marked;    /* delivered, at the last of them or when the batch began */
    uint64_t dropped;      /* lane.dropped as loaded at the start of the turn */
    uint64_t dropped_told; /* reported, or in a batch on its way */
    uint64_t lost_told;
    uint64_t lost_before;    /* by cursors of earlier runs */
    uint64_t lost_read;      /* of cursor.lost what lies before `taken`: the cursor is a record ahead */
    uint64_t skipped_before; /* bytes of damage, by cursors of earlier runs and by walks */
    uint64_t skipped_read, skipped_events; /* of the cursor's counters what lies before `taken` */
    uint64_t skipped_told, skipped_events_told;
    uint64_t damaged_seen, skipped_seen; /* of the cursor's counters */
    uint64_t flushed;      /* consumed lines before this position are out of our cache */
    uint64_t report_at_ns;
    uint64_t pressed_until_ns; /* its records do not wait for those of other lanes */
    uint64_t goal, goal_dropped; /* see drain_set_goal() */
    bool is_unsure; /* something may have been overwritten before its first position, and nobody was told so far */
    struct lane_fence fence;
    uint32_t merged; /* scratch of checkpoint_merge() */
};

enum source_state {
    SOURCE_LIVE,
    SOURCE_ENDED,       /* its process is gone or closed it: what it holds is all there will be */
    SOURCE_QUARANTINED, /* damaged: nothing more is read */
};

struct source {
    struct segment *seg;
    char name[SOURCE_NAME_MAX];
    uint64_t name_hash;
    enum source_state state;
    bool is_unlinked;  /* by somebody else */
    bool is_touched;   /* its own counters, in drain.touched */
    uint32_t lanes_count;
    uint32_t lanes_hot;  /* lanes from here on had never been claimed when last looked at */
    uint64_t cold_at_ns; /* when to look at all of them again */
    uint32_t refs;     /* positions on their way through the pipeline */
    uint32_t strikes;
    uint64_t damaged_turn; /* last turn that found damage */
    uint64_t probe_at_ns;
    uint32_t flush_wanted; /* superblock.flush_seq to acknowledge; 0 = none */
    uint32_t flush_acked;
    uint64_t orphan, orphan_told;
    uint64_t truncated, truncated_told;
    uint64_t unregistered, unregistered_told;
    uint64_t anchor_at_ns; /* when the clock map is due for a sample of ours */
    uint64_t status_version; /* of the sink states last copied to ctl */
    struct io_req futex;
    bool is_waiting;   /* futex is under way */
    struct segments *owner;
    struct lane *lane;
    uint64_t *flush_tail; /* per lane, of the request under way */
    struct source_fence fence;
    uint32_t merged; /* scratch of checkpoint_merge() */
};

struct segments_stats {
    uint64_t attached, ended, quarantined, refused;
    uint64_t dropped, orphaned, truncated, unregistered, lost, skipped_bytes;
    uint64_t lost_in_quarantine; /* bytes */
};

struct segments {
    int dir_fd;
    const char *dir;
    struct io *io;
    const struct ingest_settings *settings;
    struct source **source;
    uint32_t count, cap;
    uint64_t probe_at_ns; /* of the source that is due first */
    uint32_t waiting; /* futex waits under way */
    bool is_rung;     /* one of them has ended */
    struct segments_stats stats;
    /* What former runs delivered, as the state file says, of segments that are not attached yet. */
    struct position *redo;
    uint32_t redo_count;
    uint64_t looks;     /* at the directory, from begin to end */
    bool is_incomplete; /* the last look at the directory left out segments that a later one may attach */
    uint32_t left_out;  /* rings that were refused by it, or since */
    bool has_room_again; /* one has gone since: it is time for a look */
    void (*on_message)(void *arg, const char *text);
    void (*on_attach)(void *arg, struct source *s);
    void *arg;
};

int segments_open(struct segments *t, const char *dir, struct io *io, const struct ingest_settings *settings,
                  struct err *e);
/* Unmaps everything; the futex waits end first. */
void segments_close(struct segments *t);

/* By its uuid, NULL: not attached. */
struct source *segments_find(const struct segments *t, const struct position *p);

/* A look at all files of the directory: between the two each is given to segments_attach(). What no whole look has
 * found is gone. */
void segments_look_begin(struct segments *t);
void segments_look_end(struct segments *t);
/* 0, or why the file is refused (counted, said once). A name that is known already is no error. */
int segments_attach(struct segments *t, const char *name);
void segments_vanished(struct segments *t, const char *name);

/* Looks which processes are gone, and removes what is delivered: not in the middle of a turn, which may
 * still refer to it. `is_final`: probe all now. */
void segments_probe(struct segments *t, uint64_t now_ns, bool is_final);
/* When the collector ends: what is dead and delivered need not wait for the next one. 0 or -errno. */
int segments_remove_delivered(struct segments *t);
/* Keeps only so many files of dead segments as it is configured to; says why when it cannot. */
void segments_prune(const struct segments *t);
void segments_quarantine(struct segments *t, struct source *s, const char *why);
/* A turn found damaged records in a lane of this source, and passed over so many bytes. */
void segments_strike(struct segments *t, struct source *s, uint64_t turn, uint64_t bytes);

/* Bytes that wait in all rings; an upper bound of the records, for the report at the end. */
uint64_t segments_pending_bytes(const struct segments *t);

/* order: C2 acquire, pairs with C1 - all bytes before the tail are complete */
static inline uint64_t lane_tail_now(const struct lane *l)
{
    return load_acq(&segment_lane_shared(l->source->seg, l->index)->tail);
}

/* order: relaxed - a counter of its own, cumulative */
static inline uint64_t lane_dropped_now(const struct lane *l)
{
    return load_rlx(&segment_lane_shared(l->source->seg, l->index)->dropped);
}

/* Raises lanes_hot to cover the lanes that threads have claimed. Producers hand lanes out in order, so a
 * short way ahead will do, but for the odd case that a look at all of them now and then covers. */
void source_find_hot_lanes(struct source *s, bool look_at_all);

static inline uint64_t lane_lost(const struct lane *l)
{
    return l->lost_before + l->lost_read;
}

static inline uint64_t lane_skipped(const struct lane *l)
{
    return l->skipped_before + l->skipped_read;
}

#endif
