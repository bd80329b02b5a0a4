#include "collector/stage/adapt.h"

#include "collector/stage/random.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <string.h>

void adapt_start(struct adapt *a)
{
    a->rate = a->max;
    a->scale = 1;
    a->threshold = random_threshold(a->rate);
    a->random = random_seed();
    a->slot_ns = a->window_ns / ADAPT_SLOTS;
    a->due_ns = a->started_ns = 0;
    a->slot = 0;
    memset(a->offered, 0, sizeof a->offered);
}

static void slots_turn(struct adapt *a, uint64_t now_ns)
{
    const uint64_t behind = (now_ns - a->slot_end_ns) / a->slot_ns + 1;
    for (uint64_t i = 0; i < behind && i < ADAPT_SLOTS; i++) {
        a->slot = (a->slot + 1) % ADAPT_SLOTS;
        a->offered[a->slot] = 0;
    }
    a->slot_end_ns += behind * a->slot_ns;
}

/* Records a second that were offered in the window. */
static double measure(const struct adapt *a, uint64_t now_ns)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < ADAPT_SLOTS; i++)
        sum += a->offered[i];
    const uint64_t slot_age = a->slot_ns - (a->slot_end_ns - now_ns);
    const uint64_t full = (ADAPT_SLOTS - 1) * a->slot_ns + slot_age;
    const uint64_t span = now_ns - a->started_ns < full ? now_ns - a->started_ns : full;
    return span ? (double)sum * (double)NS_PER_S / (double)span : 0;
}

static void rate_turn(struct adapt *a, uint64_t now_ns)
{
    const double offered = measure(a, now_ns), target = a->target * a->scale;
    double ideal = offered > target ? target / offered : a->max;
    ideal = a->smoothing * ideal + (1 - a->smoothing) * a->rate;
    a->rate = ideal < a->min ? a->min : ideal > a->max ? a->max : ideal;
    a->threshold = random_threshold(a->rate);
    a->rate_due_ns = now_ns + NS_PER_S;
}

void adapt_turn(struct adapt *a, uint64_t now_ns)
{
    if (likely(now_ns < a->due_ns))
        return;
    if (!a->due_ns) { /* the window begins with the first record */
        a->started_ns = now_ns;
        a->slot_end_ns = now_ns + a->slot_ns;
        a->rate_due_ns = now_ns + NS_PER_S;
    }
    if (now_ns >= a->slot_end_ns)
        slots_turn(a, now_ns);
    if (now_ns >= a->rate_due_ns)
        rate_turn(a, now_ns);
    a->due_ns = a->slot_end_ns < a->rate_due_ns ? a->slot_end_ns : a->rate_due_ns;
}

void adapt_scale(struct adapt *a, double scale)
{
    a->scale = scale;
}

bool adapt_keeps(struct adapt *a, uint64_t now_ns)
{
    adapt_turn(a, now_ns);
    a->offered[a->slot]++;
    return random_keeps(&a->random, a->threshold);
}
