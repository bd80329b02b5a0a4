#include "collector/daemon/pace.h"

#include "collector/ingest/bell.h"

#define LANE_TARGET_BYTES (64u << 10) /* what a turn likes to find in the fullest lane, */
#define LANE_TARGET_SHARE 16          /* or such a part of a large one, */
#define LANE_TARGET_MAX (128u << 10)  /* but no more: a turn has its price, and a larger one leaves the cache */
#define NAP_MIN_NS (50 * NS_PER_US)
#define NAP_MAX_NS NS_PER_MS             /* a longer sleep is worth a ring of the bell */
#define TIMER_ONLY_NS (10 * NS_PER_MS)   /* longest sleep where nobody can wake us */

/* What has come while the turn was under way is worth the next one, without a pause in which a writer that has no room
 * left would wait for us. Records that were left where they are wait for their time. */
static bool has_next(const struct drain *d)
{
    return d->has_more || d->is_fenced || (d->held_ns == INT64_MAX && drain_waiting(d) >= LANE_TARGET_BYTES);
}

static uint64_t target_of(const struct drain *d)
{
    const uint64_t share = d->bytes_cap / LANE_TARGET_SHARE;
    return share < LANE_TARGET_BYTES ? LANE_TARGET_BYTES : share > LANE_TARGET_MAX ? LANE_TARGET_MAX : share;
}

/* At the present pace, the time until the fullest lane holds what a turn likes to find. */
static uint64_t predict(const struct drain *d, uint64_t since_last_ns)
{
    if (!d->bytes_max)
        return UINT64_MAX;
    return since_last_ns * target_of(d) / d->bytes_max;
}

static void choose(struct daemon *d)
{
    const uint64_t now_ns = clock_mono_ns();
    const uint64_t predicted_ns = predict(&d->drain, now_ns - d->turn_ended_ns);
    const bool was_rung = d->is_turn_rung;
    d->turn_ended_ns = now_ns;
    d->is_turn_rung = false;
    if (d->is_stopping || has_next(&d->drain)) {
        d->turn_at_ns = 0;
        return;
    }
    if (predicted_ns < NAP_MAX_NS) {
        d->turn_at_ns = now_ns + (predicted_ns > NAP_MIN_NS ? predicted_ns : NAP_MIN_NS);
        return;
    }
    uint64_t sleep_ns = d->config.settings.ingest.flush_interval_ns;
    if (!io_has_futex_wait(d->io) && sleep_ns > TIMER_ONLY_NS)
        sleep_ns = TIMER_ONLY_NS;
    /* To ring costs a producer as much as hundreds of records: at a steady pace we come before it has to. */
    if (sleep_ns > predicted_ns / 4 * 3)
        sleep_ns = predicted_ns / 4 * 3;
    if (bell_arm(&d->segments) && sleep_ns > NAP_MAX_NS)
        sleep_ns = NAP_MAX_NS;
    /* Somebody rang for a record that is still younger than the merge window. */
    if (was_rung && d->drain.held_ns != INT64_MAX && sleep_ns > d->config.settings.ingest.merge_window_ns)
        sleep_ns = d->config.settings.ingest.merge_window_ns;
    d->turn_at_ns = now_ns + sleep_ns;
}

void pace_next_turn(struct daemon *d)
{
    choose(d);
    d->pipeline.next_turn_ns = d->turn_at_ns;
}
