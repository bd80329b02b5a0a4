#include "collector/ingest/losses.h"

#include "collector/ingest/segments.h"

#include <string.h>

void losses_of_services(const struct segments_stats *s, struct loss_count ret[LOSSES_OF_SERVICES])
{
    const struct loss_count all[LOSSES_OF_SERVICES] = {
        { LOSS_LANE_FULL, "lane_full", s->dropped }, { LOSS_NO_LANE, "no_lane", s->orphaned },
        { LOSS_REGISTRY_FULL, "registry_full", s->unregistered }, { LOSS_OVERWRITTEN, "overwritten", s->lost },
    };
    memcpy(ret, all, sizeof all);
}

uint64_t losses_sum(const struct loss_count *l, unsigned count)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < count; i++)
        n += l[i].n;
    return n;
}
