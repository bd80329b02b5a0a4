/* Whether a collector lives: by its heartbeat, a time on CLOCK_MONOTONIC. A collector in another time namespace
 * (time_namespaces(7)) has another such clock, which says too late or too early for ever; so what counts is when a
 * heartbeat was first seen here, and its own time where that can be true. */
#include "lib/producer/internal.h"

#include "lib/base/atomics.h"
#include "lib/ring/clock.h"

#define SILENCE_NS_MAX UINT64_C(2000000000) /* a collector that is silent for longer is gone */
#define NEXT_BEAT_NS UINT64_C(1000000000)   /* one that only seems to be shows another one in 0.4 s */

static struct {
    uint64_t beat;     /* the last one that was seen */
    uint64_t until_ns; /* it counts so long by our clock */
} pulse;

static bool is_fresh(uint64_t beat, uint64_t now_ns)
{
    return beat != 0 && (beat > now_ns || now_ns - beat < SILENCE_NS_MAX);
}

static uint64_t counts_until(uint64_t beat, uint64_t now_ns)
{
    if (beat > now_ns)
        return now_ns + SILENCE_NS_MAX;
    return is_fresh(beat, now_ns) ? beat + SILENCE_NS_MAX : now_ns + NEXT_BEAT_NS;
}

uint64_t fapilogi_heartbeat(void)
{
    /* order: relaxed - a time stamp, nothing is read through it */
    return load_rlx(&process.ctl->heartbeat_ns);
}

bool fapilogi_collector_was_seen(uint64_t since, uint64_t now_ns)
{
    const uint64_t beat = fapilogi_heartbeat();
    return beat != since || is_fresh(beat, now_ns);
}

bool fapilogi_collector_alive(uint64_t now_ns)
{
    const uint64_t beat = fapilogi_heartbeat();
    if (beat == 0)
        return false;
    /* order: V2 acquire, pairs with V1 - until_ns belongs to this beat, or to a later one */
    if (load_acq(&pulse.beat) != beat) {
        store_rlx(&pulse.until_ns, counts_until(beat, now_ns)); /* order: relaxed - V1 comes after it */
        store_rel(&pulse.beat, beat); /* order: V1 release, pairs with V2 */
    }
    return now_ns < load_rlx(&pulse.until_ns); /* order: relaxed - V2 came before it */
}
