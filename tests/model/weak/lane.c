/* lane.c - one lane under the discard policy: log calls on one side, reading in place on the other.
 *
 * Shown, for the orders as C11 (RC11) defines them: no access of the collector races with one of the
 * producer, that is, everything before `tail` is complete when it is read (C1, C2) and nothing before
 * `done` is read any more when it is written again (H1, H2); records come whole, in order, and the
 * header of a block tells how many were written and dropped before it.
 *
 * mutant: RELAXED_COMMIT - C1 is relaxed
 * mutant: RELAXED_LOOK - C2 is relaxed
 * mutant: RELAXED_HEAD - H1 is relaxed
 * mutant: RELAXED_ROOM - H2 is relaxed
 * mutant: RELEASE_BEFORE_READ - the space is given back before the records are read
 * mutant: RELEASE_OPEN_BLOCK - the block that is still being filled is given back
 * witness: DROPPED - a record finds no room
 * witness: SHORT_WAY - a block is opened without the slow path's help
 * witness: SECOND_LAP - a record of the second lap is read
 */
#ifdef MUTANT_RELAXED_COMMIT
#define PRODUCER_WEAK_STORES
#endif
#ifdef MUTANT_RELAXED_ROOM
#define PRODUCER_WEAK_LOADS
#endif
#ifdef MUTANT_RELAXED_LOOK
#define COLLECTOR_WEAK_LOADS
#endif
#ifdef MUTANT_RELAXED_HEAD
#define COLLECTOR_WEAK_STORES
#define COLLECTOR_WEAK_FENCES /* the one behind the store would not help; the one of the next turn might */
#endif
#include "tests/model/weak/producer.h"
#include "tests/model/weak/collector.h"

enum { CALLS = 6, LOOKS = 3 };

static struct writer writer;
static uint64_t seen; /* records that the collector has read */

static void *produce(void *arg)
{
    for (uint64_t n = 1; n <= CALLS; n++)
        producer_log(&writer, FAPILOG_LEVEL_INFO, n);
    return arg;
}

/* Reads up to `tail`; `last` is the number of the record read last. */
static uint64_t read_records(uint64_t pos, uint64_t tail, uint64_t *last)
{
    uint64_t may_follow = *last + 1;
    while (pos < tail) {
        const uint64_t *at = &lane_data[(pos & (LANE_BYTES - 1)) / 8];
        if (pos % BLOCK_BYTES == 0) {
            assert(at[0] == FAPILOG_WORD0(6, FAPILOG_KIND_BLOCK, 0, 0, 0) && at[1] == pos);
            assert(at[2] == seen);
            may_follow = at[2] + at[3] + 1;
            pos += sizeof(struct fapilog_block);
        } else if (at[0] == 0) {
            pos = (pos / BLOCK_BYTES + 1) * BLOCK_BYTES;
        } else {
            assert(at[0] == FAPILOG_WORD0(RECORD / 8, FAPILOG_KIND_EVENT, FAPILOG_LEVEL_INFO, 0, 1));
            assert(at[2] == may_follow && at[3] == ~at[2]);
            may_follow++;
            *last = at[2];
            seen++;
            pos += RECORD;
#ifdef WITNESS_SECOND_LAP
            assert(pos <= LANE_BYTES);
#endif
        }
    }
    return pos;
}

static void *collect(void *arg)
{
    uint64_t pos = 0, last = 0;
    for (int i = 0; i < LOOKS; i++) {
        const uint64_t tail = lane_tail_now(&lane);
#ifdef MUTANT_RELEASE_BEFORE_READ
        collector_release(tail);
#endif
        pos = read_records(pos, tail, &last);
#ifdef MUTANT_RELEASE_OPEN_BLOCK
        collector_release((pos + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1));
#else
        collector_release(pos);
#endif
    }
    return arg;
}

int main(void)
{
    pthread_t producer, collector;
    collector_init();
    producer_init(&writer, FAPILOG_MODE_DISCARD);
    writer.realtime = true; /* so that all of so small a lane may be opened the short way */
    pthread_create(&producer, NULL, produce, NULL);
    pthread_create(&collector, NULL, collect, NULL);
    pthread_join(producer, NULL);
    pthread_join(collector, NULL);
    assert(writer.hot.count + shared_lane.dropped == CALLS);
#ifdef WITNESS_SHORT_WAY
    assert(slow_calls > 2);
#endif
#ifdef WITNESS_DROPPED
    assert(shared_lane.dropped == 0);
#endif
    return 0;
}
