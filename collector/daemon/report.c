#include "collector/daemon/report.h"

#include <inttypes.h>

bool report_is_clean(const struct daemon *d)
{
    const struct segments_stats *s = &d->segments.stats;
    return !s->dropped && !s->orphaned && !s->unregistered && !s->lost && !s->quarantined &&
           !segments_pending_bytes(&d->segments) && !pipeline_failing(&d->pipeline);
}

static void count(FILE *f, const char *name, uint64_t n)
{
    if (n)
        (void)fprintf(f, ", %s %" PRIu64, name, n);
}

void report_write(const struct daemon *d, FILE *f)
{
    const struct segments_stats *s = &d->segments.stats;
    (void)fprintf(f, "fapilog-collector: delivered %" PRIu64, d->pipeline.committed_records);
    count(f, "dropped (lane full)", s->dropped);
    count(f, "dropped (no lane free)", s->orphaned);
    count(f, "dropped (registry full)", s->unregistered);
    count(f, "overwritten", s->lost);
    count(f, "bytes overwritten while copied", s->overwritten_bytes);
    count(f, "bytes damaged", s->skipped_bytes);
    count(f, "bytes put aside", s->lost_in_quarantine);
    count(f, "truncated", s->truncated);
    count(f, "segments quarantined", s->quarantined);
    count(f, "segments refused", s->refused);
    count(f, "pending bytes", segments_pending_bytes(&d->segments));
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        (void)fprintf(f, "; %s %" PRIu64 " records, %" PRIu64 " bytes", t->sink->common.name, t->records, t->bytes);
        count(f, "failures", t->errors);
    }
    (void)fputc('\n', f);
}
