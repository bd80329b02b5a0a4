#include "collector/delivery/remote/breaker.h"

bool breaker_may_allow(const struct breaker *b)
{
    return b->state == REMOTE_CLOSED || (b->state == REMOTE_HALF_OPEN && !b->is_probing);
}

bool breaker_allows(struct breaker *b, uint64_t now_ns)
{
    if (b->state == REMOTE_OPEN && now_ns >= b->until_ns) {
        b->state = REMOTE_HALF_OPEN;
        b->is_probing = false;
    }
    return breaker_may_allow(b);
}

void breaker_follow(struct breaker *b, const struct sink_delivery *d)
{
    if (d->breaker_enabled || b->state == REMOTE_CLOSED)
        return;
    b->state = REMOTE_CLOSED;
    b->is_probing = false;
}

void breaker_sent(struct breaker *b)
{
    b->is_probing = b->state == REMOTE_HALF_OPEN;
}

void breaker_success(struct breaker *b)
{
    b->state = REMOTE_CLOSED;
    b->failures = 0;
    b->is_probing = false;
}

void breaker_failure(struct breaker *b, const struct sink_delivery *d, bool is_broken, uint64_t now_ns)
{
    b->failures++;
    if (!d->breaker_enabled)
        return;
    if (b->state == REMOTE_CLOSED && !is_broken && b->failures < d->breaker_threshold)
        return;
    if (b->state != REMOTE_OPEN)
        b->opened++;
    b->state = REMOTE_OPEN;
    b->is_probing = false;
    b->until_ns = now_ns + d->breaker_recovery_ns;
}

uint64_t breaker_deadline(const struct breaker *b)
{
    return b->state == REMOTE_OPEN ? b->until_ns : UINT64_MAX;
}
