/* losses.h - why records were lost, in the words that messages, reports in the output and fapilog-dump have for it, and
 * in those of metrics and the status. */
#ifndef COLLECTOR_INGEST_LOSSES_H
#define COLLECTOR_INGEST_LOSSES_H

#include <stdint.h>

struct segments_stats;

struct loss_count {
    const char *text;  /* for people: "lane full" */
    const char *label; /* for programs: "lane_full" */
    uint64_t n;
};

#define LOSS_LANE_FULL "lane full"
#define LOSS_NO_LANE "no lane free"
#define LOSS_REGISTRY_FULL "registry full"
#define LOSS_OVERWRITTEN "overwritten"

enum { LOSSES_OF_SERVICES = 4 };
/* What services could not keep. */
void losses_of_services(const struct segments_stats *s, struct loss_count ret[LOSSES_OF_SERVICES]);
uint64_t losses_sum(const struct loss_count *l, unsigned count);

#endif
