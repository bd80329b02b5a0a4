#include "collector/delivery/remote/adapt.h"

#include "lib/base/clock.h"

enum {
    AVERAGE_SHIFT = 3,    /* weight of one answer: 1/8 */
    BASE_CREEP_SHIFT = 6, /* what was fast once is forgotten after some hundred answers */
    SLOW_FACTOR = 2,
    LIMIT_FIRST = 2,
};
#define NOISE_NS (2 * NS_PER_MS) /* differences below it say nothing about the server */

void adapt_init(struct adapt *a)
{
    *a = (struct adapt){ .limit = LIMIT_FIRST };
}

static void cut(struct adapt *a, uint32_t limit, uint64_t sent_ns, uint64_t now_ns)
{
    a->good = a->slow = 0;
    if (sent_ns < a->cut_ns)
        return;
    a->cut_ns = now_ns;
    a->limit = limit > 0 ? limit : 1;
}

void adapt_success(struct adapt *a, uint32_t max, uint64_t latency_ns, bool is_full, uint64_t sent_ns, uint64_t now_ns)
{
    if (!a->latency_ns)
        a->latency_ns = a->base_ns = latency_ns;
    a->latency_ns += (latency_ns >> AVERAGE_SHIFT) - (a->latency_ns >> AVERAGE_SHIFT);
    a->base_ns += (a->base_ns >> BASE_CREEP_SHIFT) + 1;
    a->base_ns = latency_ns < a->base_ns ? latency_ns : a->base_ns;
    if (latency_ns > SLOW_FACTOR * a->base_ns + NOISE_NS) {
        a->good = 0;
        if (++a->slow >= a->limit)
            cut(a, a->limit * 3 / 4, sent_ns, now_ns);
        return;
    }
    a->slow = 0;
    if (is_full && ++a->good >= a->limit && a->limit < max) {
        a->good = 0;
        a->limit++;
    }
}

void adapt_failure(struct adapt *a, uint64_t sent_ns, uint64_t now_ns)
{
    cut(a, a->limit / 2, sent_ns, now_ns);
}
