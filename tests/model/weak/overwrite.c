/* overwrite.c - the flight recorder: a writer that never waits, a reader that copies and then looks whether
 * the copy was in time. Here the two do race, by design: the checker's look for races is off for this
 * file, which makes it treat each plain access as a relaxed one.
 *
 *   writer (lib/producer/block.c)  store intent;  release fence;  header, records;  store tail
 *   reader (as lib/reader/lane.c)  load tail;  copy;  acquire fence;  load intent, keep if pos + cap >= intent
 *
 * Shown, for the orders as C11 (RC11) defines them: what is kept is what was committed at that position.
 *
 * genmc: --disable-race-detection
 * mutant: NO_RELEASE_FENCE - nothing orders the intent before the bytes
 * mutant: NO_ACQUIRE_FENCE - nothing orders the copy before the look at the intent
 * mutant: RELAXED_COMMIT - C1 is relaxed
 * mutant: CHECK_TAIL - the reader compares with tail, which lags behind the write under way
 * witness: KEPT - a copy is kept
 * witness: OVERTAKEN - a copy is refused
 */
#ifdef MUTANT_NO_RELEASE_FENCE
#define PRODUCER_WEAK_FENCES
#endif
#ifdef MUTANT_RELAXED_COMMIT
#define PRODUCER_WEAK_STORES
#endif
#include "tests/model/weak/producer.h"

enum { BEFORE = 2, CALLS = 4 }; /* two records a block, two blocks: the fifth overwrites the first */

static struct writer writer;

static void *produce(void *arg)
{
    for (uint64_t n = BEFORE + 1; n <= CALLS + 1; n++)
        producer_log(&writer, FAPILOG_LEVEL_INFO, n);
    return arg;
}

/* The block at `pos`, in the words that tell whose it is: its position and its records' numbers. */
static void read_block(uint64_t pos)
{
    const uint64_t *block = &lane_data[(pos & (LANE_BYTES - 1)) / 8];
    const uint64_t first = sizeof(struct fapilog_block) / 8 + 2;
    /* order: C2 acquire, pairs with C1 */
    const uint64_t tail = load_acq(&shared_lane.tail);
    if (tail < pos + BLOCK_BYTES - 16)
        return;
    const uint64_t own_pos = load_rlx(&block[1]);
    const uint64_t one = load_rlx(&block[first]), two = load_rlx(&block[first + RECORD / 8]);
#ifndef MUTANT_NO_ACQUIRE_FENCE
    /* order: O2 acquire, pairs with O1 */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
#ifdef MUTANT_CHECK_TAIL
    const uint64_t intent = load_rlx(&shared_lane.tail);
#else
    const uint64_t intent = load_rlx(&shared_lane.intent);
#endif
    if (pos + LANE_BYTES < intent) {
#ifdef WITNESS_OVERTAKEN
        assert(false);
#endif
        return;
    }
    assert(own_pos == pos);
    assert(one == pos / BLOCK_BYTES * 2 + 1 && two == one + 1);
#ifdef WITNESS_KEPT
    assert(false);
#endif
}

static void *dump(void *arg)
{
    read_block(0);
    read_block(BLOCK_BYTES);
    return arg;
}

int main(void)
{
    pthread_t producer, reader;
    producer_init(&writer, FAPILOG_MODE_OVERWRITE);
    writer.realtime = true; /* so that all of so small a lane may be opened the short way */
    for (uint64_t n = 1; n <= BEFORE; n++)
        producer_log(&writer, FAPILOG_LEVEL_INFO, n);
    pthread_create(&producer, NULL, produce, NULL);
    pthread_create(&reader, NULL, dump, NULL);
    pthread_join(producer, NULL);
    pthread_join(reader, NULL);
    return 0;
}
