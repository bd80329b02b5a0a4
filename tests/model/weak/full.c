/* full.c - the block policy: a producer that waits for room in a full lane is not left asleep.
 *
 *   producer (lib/producer/wait.c)          store waiting;  fence;  look at head, sleep on it
 *   collector (collector/ingest/release.c)  store head;  fence;  look at waiting, wake
 *
 * Shown, for the orders as C11 (RC11) defines them: whenever all has come to rest, a producer that sleeps
 * has no room; and what it writes after the wait races with no read of the collector.
 *
 * mutant: NO_PRODUCER_FENCE - the producer looks at head without its fence
 * mutant: NO_COLLECTOR_FENCE - the collector looks at `waiting` without its fence
 * mutant: RELAXED_HEAD - H1 is relaxed
 * mutant: RELAXED_ROOM - H2 is relaxed
 * witness: WAITED - the producer sleeps
 * witness: WROTE_AGAIN - the producer writes the first block for the second time
 */
#define PRODUCER_WAITS
#define FUTEX_ON_HEAD
#ifdef MUTANT_NO_PRODUCER_FENCE
#define PRODUCER_WEAK_FENCES
#endif
#ifdef MUTANT_RELAXED_ROOM
#define PRODUCER_WEAK_LOADS
#endif
#ifdef MUTANT_NO_COLLECTOR_FENCE
#define COLLECTOR_WEAK_FENCES
#endif
#ifdef MUTANT_RELAXED_HEAD
#define COLLECTOR_WEAK_STORES
#define COLLECTOR_WEAK_FENCES
#endif
#include "tests/model/weak/producer.h"
#include "tests/model/weak/collector.h"

enum { CALLS = 5, RECORDS_A_BLOCK = 2 }; /* the lane holds two blocks */

static struct writer writer;

static void *produce(void *arg)
{
    producer_log(&writer, FAPILOG_LEVEL_INFO, CALLS);
    return arg;
}

/* Reads the first block in place and gives it back. */
static void *collect(void *arg)
{
    assert(lane_data[1] == 0 && lane_data[2] == 0); /* its position, and records before it */
    for (int i = 0; i < RECORDS_A_BLOCK; i++)
        assert(lane_data[(sizeof(struct fapilog_block) + (size_t)i * RECORD) / 8 + 2] == (uint64_t)i + 1);
    collector_release(BLOCK_BYTES);
    return arg;
}

int main(void)
{
    pthread_t producer, collector;
    collector_init();
    producer_init(&writer, FAPILOG_MODE_BLOCK);
    for (uint64_t n = 1; n < CALLS; n++)
        producer_log(&writer, FAPILOG_LEVEL_INFO, n);
    pthread_create(&producer, NULL, produce, NULL);
    pthread_create(&collector, NULL, collect, NULL);
    pthread_join(collector, NULL);
#ifdef WITNESS_WAITED
    assert(futex_sleeps == 0);
#endif
    /* Its sleep ends only by a wake: to be asleep now, with room in the lane, is to stay so. */
    assert(!futex_is_asleep());
    pthread_join(producer, NULL);
#ifdef WITNESS_WROTE_AGAIN
    assert(writer.hot.count < CALLS);
#endif
    return 0;
}
