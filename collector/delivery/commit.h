/* commit.h - the state file that makes delivery into files exactly once.
 *
 *   collector.state: | header | slot 0 | slot 1 |
 *   slot: XXH3 of the rest, sequence, then per sink {identity, mark}, per lane {positions}, per open batch
 *         {who has settled it, how many positions}, the positions of the open batches
 *
 * Sinks settle batches one after the other, each at its own pace. Whenever one has settled a batch, a slot
 * may say so: its mark, and its bit in the batch. A batch that all have settled ends in this order:
 *   1. one slot: the marks of all sinks, its positions, and the batches that are still open
 *   2. its positions go into each segment's ctl, which releases the space
 * Killed before 1, the next run cuts each sink back to the mark in the slot, reads the lanes again from
 * the positions that are committed, and leaves out, up to the end of each open batch, the sinks that had
 * settled it. Killed after 1, it repeats step 2 from the slot; what it cannot repeat yet, since it could not
 * attach a segment, it keeps in its own slots. Slots are written in turn, the hash last, so
 * one whole slot always survives. The file is mapped: what counts is the death of the process, and a
 * reboot takes the rings away together with it. */
#ifndef COLLECTOR_DELIVERY_COMMIT_H
#define COLLECTOR_DELIVERY_COMMIT_H

#include "collector/ingest/position.h"
#include "collector/sinks/sink.h"
#include "lib/base/err.h"

#define COMMIT_FILE "collector.state"

struct commit_sink {
    uint64_t identity;
    struct sink_mark mark;
};

/* A batch that is not committed. */
struct commit_open {
    uint32_t settled; /* bit i: sink i of the slot has all of it */
    uint32_t count;
    const struct position *position; /* where it ends in every lane that it moves */
};

/* What a slot says. */
struct commit_state {
    const struct commit_sink *sink;
    const struct position *position; /* of the batch that was committed last */
    const struct commit_open *open;  /* in the order in which they were read */
    uint32_t sinks_count, positions_count, opens_count;
    const struct position *kept; /* for commit_store(): of earlier batches, not repeated yet; part of `position` then */
    uint32_t kept_count;
};

enum { COMMIT_OPENS_MAX = 512 }; /* batches of this run and of those that it recovers */

struct commit;

/* Opens or makes DIR/collector.state; the file of an earlier version is taken over. A file that is not ours,
 * or has no valid slot although its header is complete and slots were written, is an error: starting over
 * would deliver twice. Where DIR has no room, it is made in the state directory (state_dir.h, whose `given` `state_dir`
 * is), and DIR has a link to it: commit_away.h. */
int commit_open(const char *dir, const char *state_dir, struct commit **ret, struct err *e);
void commit_close(struct commit *c); /* NULL allowed */

/* The newest slot; valid until the next store or reserve. */
void commit_last(struct commit *c, struct commit_state *ret);
/* NULL: this sink has never been committed. */
const struct sink_mark *commit_mark(struct commit *c, uint64_t identity);

/* Bytes of a slot with that many entries; positions are those of the open batches as well. */
uint64_t commit_bytes(uint32_t sinks, uint64_t positions, uint32_t opens);
uint64_t commit_room(const struct commit *c); /* bytes of a slot now */
/* Grows the slots to take that many bytes, elsewhere if need be. The old file stays valid on failure. */
int commit_reserve(struct commit *c, uint64_t bytes, struct err *e);

/* Where the file is while it is elsewhere; NULL: it is in DIR. */
const char *commit_away(const struct commit *c);
/* Brings it back to DIR if there is room now; like commit_reserve() for what commit_last() has returned. */
void commit_come_home(struct commit *c);

/* Never fails for what commit_room() allows. */
void commit_store(struct commit *c, const struct commit_state *s);
/* After a store, and before what it says is relied on. 0: it lies in the file; 1: somebody had cut that, and it has
 * been made again, as e says; -errno: it could not be, and may be tried again. */
int commit_mend(struct commit *c, struct err *e);

#endif
