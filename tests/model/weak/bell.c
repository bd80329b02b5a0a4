/* bell.c - the doorbell: after an urgent record, a collector is not left asleep.
 *
 *   producer (lib/producer/wait.c)        store tail;  fence;  look at the bell, CAS, wake
 *   collector (collector/ingest/bell.c)   store bell;  fence;  look at the tails, sleep on the bell
 *
 * Shown, for the orders as C11 (RC11) defines them: a collector that sleeps has seen every urgent record
 * of the time before; a sleep costs the producer at most one wake.
 *
 * mutant: NO_PRODUCER_FENCE - the producer looks at the bell without its fence
 * mutant: NO_COLLECTOR_FENCE - the collector looks at the tails without its fence
 * mutant: ARM_AFTER_LOOK - the collector looks at the tails, then stores the bell
 * witness: SLEEPS - it sleeps at the end
 * witness: WOKEN - it is woken
 */
#define PRODUCER_WAITS
#ifdef MUTANT_NO_PRODUCER_FENCE
#define PRODUCER_WEAK_FENCES
#endif
#ifdef MUTANT_NO_COLLECTOR_FENCE
#define COLLECTOR_WEAK_FENCES
#endif
#define COLLECTOR_SLEEPS
#include "tests/model/weak/producer.h"
#include "tests/model/weak/collector.h"

enum { CALLS = 2 };

static struct writer writer;
static uint64_t looked_up_to;

bool io_has_futex_wait(const struct io *io)
{
    (void)io;
    return true;
}

void io_submit(struct io *io, struct io_req *req)
{
    (void)io, (void)req;
}

static void *produce(void *arg)
{
    for (uint64_t n = 1; n <= CALLS; n++)
        producer_log(&writer, FAPILOG_LEVEL_ERROR, n);
    return arg;
}

/* One turn, then to bed; the request that bell_arm() hands to the reactor reaches the kernel afterwards. */
static void *collect(void *arg)
{
    source.is_waiting = true;
#ifdef MUTANT_ARM_AFTER_LOOK
    lane.tail = lane_tail_now(&lane);
    (void)bell_arm(&segments);
#else
    if (bell_arm(&segments))
        lane.tail = lane_tail_now(&lane);
#endif
    (void)futex_sleep(&segment_ctl.ctl.bell, FAPILOG_BELL_SLEEPING);
    looked_up_to = lane.tail;
    return arg;
}

int main(void)
{
    pthread_t producer, collector;
    collector_init();
    producer_init(&writer, FAPILOG_MODE_DISCARD);
    pthread_create(&producer, NULL, produce, NULL);
    pthread_create(&collector, NULL, collect, NULL);
    pthread_join(producer, NULL);
    pthread_join(collector, NULL);
    assert(!futex_is_asleep() || looked_up_to == shared_lane.tail);
    assert(futex_wakes <= 1);
#ifdef WITNESS_SLEEPS
    assert(!futex_is_asleep());
#endif
#ifdef WITNESS_WOKEN
    assert(futex_wakes == 0 || futex_sleeps == 0);
#endif
    return 0;
}
