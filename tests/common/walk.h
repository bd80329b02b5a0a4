/* walk.h - a strict walk over a segment, straight from abi.h: it accepts nothing that a correct producer would
 * not write. Independent of lib/reader, which has to be lenient. */
#ifndef TESTS_COMMON_WALK_H
#define TESTS_COMMON_WALK_H

#include <fapilog/abi.h>

#include <stdbool.h>
#include <stddef.h>

enum { WALK_SEGMENTS_MAX = 64 };

struct walk {
    uint8_t *base;
    size_t bytes;
    const struct fapilog_superblock *sb;
    struct fapilog_ctl *ctl;
    struct fapilog_lane *lanes;
    char error[256]; /* what walk_run() did not accept */
    char path[512];
};

struct walk_record {
    uint32_t lane, generation;
    uint32_t kind, level, flags;
    uint32_t logger, epoch, tid;
    bool context_known; /* the context record of `epoch` stands before it in the lane */
    uint64_t position, cycles;
    const struct fapilog_site_entry *site; /* of an event; of a dynamic record where it was logged, NULL: not known */
    const char *message;                   /* NUL-terminated for events */
    uint32_t message_len;
    const uint8_t *args; /* 8-byte aligned: of an event its arguments, else the field list */
    size_t args_len;
    uint32_t fields_count;
    const uint8_t *context; /* inline context list, NULL: none */
    uint32_t context_count, context_len;
};

typedef void walk_func(void *arg, const struct walk_record *r);

struct walk_totals {
    uint64_t events; /* of all lanes */
    uint64_t committed; /* since the lanes were made, by what their blocks say: taken or overwritten ones too */
    uint64_t chains; /* of these, in fragments */
    uint64_t contexts;
    uint64_t blocks;
    uint64_t dropped, dropped_bytes;
    uint64_t lanes_used;
};

/* Maps the file (read and write: tests play the collector). */
bool walk_open(struct walk *w, const char *path);
void walk_close(struct walk *w);
/* Opens all segments of a directory, oldest first by name of the process; returns how many. */
unsigned walk_open_all(struct walk *w, unsigned max, const char *dir);

/* Every lane from `head` to its tail. False: see error. `f` may be NULL. */
bool walk_run(struct walk *w, walk_func *f, void *arg, struct walk_totals *ret);

struct fapilog_lane_slot *walk_slot(struct walk *w, uint32_t lane);
/* Plays a collector that has delivered everything: head and done move to the tails. */
void walk_consume(struct walk *w);
/* The same beside a producer that goes on: walks as walk_run() does and gives back what was walked, all but the
 * block that holds the last of it; wakes those who wait for room. Not for lanes that are overwritten. */
bool walk_take(struct walk *w, walk_func *f, void *arg, struct walk_totals *ret);
/* A heartbeat of this moment. */
void walk_beat(struct walk *w);

#endif
