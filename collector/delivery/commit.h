/* commit.h - the state file that makes delivery into files exactly once.
 *
 *   collector.state: | header | slot 0 | slot 1 |
 *   slot: XXH3 of the rest, sequence, then per sink {identity, mark}, then per lane {positions}
 *
 * A batch ends in this order, each step only after the one before:
 *   1. every sink has written it            2. one slot: marks of all sinks + positions of its lanes
 *   3. the same positions go into each segment's ctl, which releases the space
 * Killed before 2, the next run cuts each sink back to the older mark and reads the batch again;
 * killed after 2, it repeats step 3 from the slot. Slots are written in turn, the hash last, so one
 * whole slot always survives. The file is mapped: what counts is the death of the process, and a
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

struct commit;

/* Opens or makes DIR/collector.state. A file that is not ours, or has no valid slot although its
 * header is complete and slots were written, is an error: starting over would deliver twice. */
int commit_open(const char *dir, struct commit **ret, struct err *e);
void commit_close(struct commit *c); /* NULL allowed */

/* What the newest slot says; valid until the next store or reserve. */
const struct commit_sink *commit_sinks(const struct commit *c, uint32_t *ret_count);
const struct position *commit_positions(const struct commit *c, uint32_t *ret_count);
/* NULL: this sink has never been committed. */
const struct sink_mark *commit_mark(const struct commit *c, uint64_t identity);

/* Grows the slots so that a store of this many entries fits. The old file stays valid on failure. */
int commit_reserve(struct commit *c, uint32_t sinks, uint32_t positions, struct err *e);
/* How many positions a store beside this many sinks can take now. */
uint32_t commit_room(const struct commit *c, uint32_t sinks);

/* Never fails for what commit_room() allows. */
void commit_store(struct commit *c, const struct commit_sink *sinks, uint32_t sinks_count,
                  const struct position *positions, uint32_t positions_count);

#endif
