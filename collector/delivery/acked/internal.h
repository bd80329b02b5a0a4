/* internal.h - notes in memory. Each knows its slot in the file; indices begin with 1, 0 is none. */
#ifndef COLLECTOR_DELIVERY_ACKED_INTERNAL_H
#define COLLECTOR_DELIVERY_ACKED_INTERNAL_H

#include "collector/delivery/acked/slots.h"

enum { ACKED_BUCKETS = 4096 };

struct note {
    struct acked_place place;
    uint64_t identity;
    uint32_t slot;
    uint32_t run;                 /* 0: of none, or not used */
    uint32_t run_next, run_prev;  /* the others of its run; of those that are free: the next */
    uint32_t own_next;            /* by run and lane */
    uint32_t lane_next, lane_prev; /* by lane */
    bool is_used;
    bool is_loaded;               /* of a former collector */
};

/* Records of a stream that follow each other and are settled; its notes are of different lanes. */
struct run {
    uint64_t from, to;            /* numbers: [from, to) */
    uint32_t stream;
    uint32_t notes, count;        /* the first one; how many */
    uint32_t from_next, to_next;  /* by from, by to; of those that are free: the next */
};

struct acked {
    char *dir;
    struct acked_file *file; /* written to, and not read again */
    int guard;
    uint32_t damaged;        /* set by the guard: somebody has cut the file */
    uint64_t mend_ns;        /* not to be tried again before */
    uint32_t streams;
    uint32_t count, loaded;
    uint64_t left_out;
    uint32_t notes_free, runs_free;
    uint32_t slots_free;
    uint32_t slot_free[ACKED_SLOTS];
    struct note note[ACKED_NOTES_MAX + 1];
    struct run run[ACKED_NOTES_MAX + 1];
    uint32_t by_own[ACKED_BUCKETS], by_lane[ACKED_BUCKETS];
    uint32_t by_from[ACKED_BUCKETS], by_to[ACKED_BUCKETS];
};

static inline bool is_same_lane(const struct acked_place *a, const struct acked_place *b)
{
    return a->lane == b->lane && a->uuid[0] == b->uuid[0] && a->uuid[1] == b->uuid[1];
}

static inline uint32_t bucket_of(uint64_t a, uint64_t b)
{
    return (uint32_t)((a ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd) >> 52);
}
_Static_assert(ACKED_BUCKETS == 1 << 12, "what bucket_of() leaves");

static inline uint32_t lane_bucket(const struct acked_place *p)
{
    return bucket_of(p->uuid[0] ^ p->uuid[1], p->lane);
}

/* acked.c */
/* 0: there is no room. */
uint32_t note_new(struct acked *a, uint64_t identity, const struct acked_place *p);
void note_free(struct acked *a, uint32_t n);
/* True: the note covers p as well, and what lies between. False: p is not behind all of it (or before, if not
 * is_behind), as it should be: a lane that does not rise, nothing is said of what lies between. */
bool note_extend(struct acked *a, uint32_t n, const struct acked_place *p, bool is_behind);
/* The same of a former collector, unless there is one already that covers it. */
void note_found(struct acked *a, uint64_t identity, const struct acked_place *p);
/* runs.c */
void run_remove_note(struct acked *a, uint32_t n);
/* The numbers [from, to) are settled, and in each of these lanes what is named. */
void run_add(const struct acked_stream *s, uint64_t from, uint64_t to, const struct acked_place *place,
             uint32_t count);

#endif
