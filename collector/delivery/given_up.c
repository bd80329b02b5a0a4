#include "collector/delivery/given_up.h"

#include <string.h>

static void fill(struct loss_count ret[LOSSES_OF_SINK], uint64_t full, uint64_t size, uint64_t age, uint64_t corrupt,
                 uint64_t refused)
{
    const struct loss_count all[LOSSES_OF_SINK] = {
        { "queue full", "full", full },
        { "spool full", "spool_size", size },
        { "older than spool_max_age", "spool_age", age },
        { "spool damaged", "corrupt", corrupt },
        { "refused, not kept as dead letters", "refused", refused },
    };
    memcpy(ret, all, sizeof all);
}

void given_up_of(const struct remote_stats *s, struct loss_count ret[LOSSES_OF_SINK])
{
    fill(ret, s->dropped_full, s->dropped_spool_size, s->dropped_spool_age, s->dropped_corrupt, s->dropped_refused);
}

void given_up_of_ledger(const struct ledger_sink *s, struct loss_count ret[LOSSES_OF_SINK])
{
    fill(ret, s->dropped_full, s->dropped_spool_size, s->dropped_spool_age, s->dropped_corrupt, s->dropped_refused);
}

uint64_t given_up_sum(const struct remote_stats *s)
{
    struct loss_count all[LOSSES_OF_SINK];
    given_up_of(s, all);
    return losses_sum(all, LOSSES_OF_SINK);
}

uint64_t given_up_sum_of_ledger(const struct ledger_sink *s)
{
    struct loss_count all[LOSSES_OF_SINK];
    given_up_of_ledger(s, all);
    return losses_sum(all, LOSSES_OF_SINK);
}
