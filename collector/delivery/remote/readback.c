/* From the spool back into memory: as much as a few requests hold, so that memory stays bounded. */
#include "collector/delivery/remote/internal.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

enum { REQUESTS_AHEAD = 2 };

static bool has_room(const struct remote *r)
{
    return r->old.records < REQUESTS_AHEAD * remote_batch_size(r) && r->old.bytes < REQUESTS_AHEAD * r->d->batch_bytes;
}

void readback_run(struct remote *r)
{
    struct spool_block *b;
    char *raw;
    uint32_t len;
    if (!r->spool || r->is_stopping)
        return;
    while (has_room(r) && spool_read(r->spool, r->now_ns, &b, &raw, &len) > 0)
        queue_push(&r->old, lot_new_block(r, b, raw, len));
}

void readback_budget(struct remote *r)
{
    const uint64_t rate = r->d->spool_rate;
    uint64_t passed = r->now_ns - r->old_budget_ns;
    if (rate == OPT_UNSET)
        return;
    passed = passed < NS_PER_S ? passed : NS_PER_S;
    const int64_t more = (int64_t)(passed * rate / NS_PER_S), most = (int64_t)rate;
    if (!more)
        return;
    r->old_budget_ns = r->now_ns;
    r->old_budget = r->old_budget + more < most ? r->old_budget + more : most;
}
