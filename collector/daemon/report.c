#include "collector/daemon/report.h"

#include <inttypes.h>

static void count(FILE *f, const char *name, uint64_t n)
{
    if (n)
        (void)fprintf(f, ", %s %" PRIu64, name, n);
}

static void remote_write(const struct target *t, FILE *f)
{
    struct remote_stats s;
    remote_stats(t->remote, &s);
    (void)fprintf(f, "; %s delivered %" PRIu64 " records, %" PRIu64 " bytes", t->sink->common.name, s.delivered,
                  s.delivered_bytes);
    count(f, "dropped (queue full)", s.dropped_full);
    count(f, "dropped (spool full)", s.dropped_spool_size);
    count(f, "dropped (spool too old)", s.dropped_spool_age);
    count(f, "dropped (spool damaged)", s.dropped_corrupt);
    count(f, "dropped (refused)", s.dropped_refused);
    count(f, "dead letters", s.dead);
    count(f, "in memory", s.queued_records);
    count(f, "spooled", s.spooled_records);
    count(f, "failed requests", s.failed);
}

/* Nothing that was meant for a remote sink was given up, and nothing waits for another run. */
static bool remote_is_clean(const struct target *t)
{
    struct remote_stats s;
    if (!t->remote)
        return true;
    remote_stats(t->remote, &s);
    return !s.dropped_full && !s.dropped_spool_size && !s.dropped_spool_age && !s.dropped_corrupt &&
           !s.dropped_refused && !s.dead && !s.queued_records && !s.spooled_records;
}

bool report_is_clean(const struct daemon *d)
{
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        if (!remote_is_clean(&d->pipeline.target[i]))
            return false;
    }
    const struct segments_stats *s = &d->segments.stats;
    return !s->dropped && !s->orphaned && !s->unregistered && !s->lost && !s->quarantined &&
           !segments_pending_bytes(&d->segments) && !pipeline_failing(&d->pipeline);
}

void report_write(const struct daemon *d, FILE *f)
{
    const struct segments_stats *s = &d->segments.stats;
    (void)fprintf(f, "fapilog-collector: processed %" PRIu64, d->pipeline.committed_records);
    count(f, "dropped (by stages)", d->pipeline.committed_filtered);
    count(f, "dropped (no route)", d->pipeline.committed_unrouted);
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
        if (t->remote) {
            remote_write(t, f);
            continue;
        }
        (void)fprintf(f, "; %s delivered %" PRIu64 " records, %" PRIu64 " bytes", t->sink->common.name, t->records,
                      t->bytes);
        count(f, "failures", t->errors);
    }
    (void)fputc('\n', f);
}
