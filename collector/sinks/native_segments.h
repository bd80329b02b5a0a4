/* native_segments.h - which segments and registry entries the current native file holds already. */
#ifndef COLLECTOR_SINKS_NATIVE_SEGMENTS_H
#define COLLECTOR_SINKS_NATIVE_SEGMENTS_H

#include "collector/sinks/native_blocks.h"
#include "collector/sinks/sink.h"

/* Of a registry, where no whole entry lay when it was stored: one that was being written, or that a thread which was
 * killed has left. */
struct native_gap {
    uint64_t from, to;
    uint64_t hash; /* of the bytes as stored */
};

struct native_segment {
    uint64_t uuid[2];
    bool has_super;
    uint64_t tail;       /* registry bytes stored, but for these as they may be by now: */
    struct native_gap *gap;
    uint32_t gaps_count, gaps_room;
    uint64_t *lane_end;  /* by lane: position behind the last stored byte */
    uint32_t lanes;
    bool is_this_boot;
};

struct native_segments {
    struct native_segment *segment;
    unsigned count, room;
    unsigned last; /* found last */
    uint64_t boot[2];
};

void native_segments_init(struct native_segments *t);
void native_segments_done(struct native_segments *t);
/* Nothing is stored: a new file, or one whose last batch was undone. */
void native_segments_forget(struct native_segments *t);
/* Adds the blocks that the span needs before it. NULL: r holds -errno. */
struct native_segment *native_segments_need(struct native_segments *t, struct native_blocks *b,
                                            const struct sink_span *span, int *r);
/* Adds the segment block that a counter of it needs before it. -errno. */
int native_segments_need_super(struct native_segments *t, struct native_blocks *b,
                               const struct fapilog_superblock *super);
/* How much of span->before has to be repeated in front of the span; notes the span as stored. */
int native_segments_before(struct native_segment *s, const struct sink_span *span, uint32_t *ret);

#endif
