#include "collector/daemon/report.h"

#include "collector/delivery/given_up.h"

#include <inttypes.h>

static void count(FILE *f, const char *name, uint64_t n)
{
    if (n)
        (void)fprintf(f, ", %s %" PRIu64, name, n);
}

static void dropped(FILE *f, const struct loss_count *why, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (why[i].n)
            (void)fprintf(f, ", dropped (%s) %" PRIu64, why[i].text, why[i].n);
}

static void delivered(FILE *f, const char *sink, const char *more, const struct remote_stats *s)
{
    (void)fprintf(f, "; %s%s delivered %" PRIu64 " records, %" PRIu64 " bytes", sink, more, s->delivered,
                  s->delivered_bytes);
}

static void given_up_write(const struct remote_stats *s, FILE *f)
{
    struct loss_count why[LOSSES_OF_SINK];
    given_up_of(s, why);
    dropped(f, why, LOSSES_OF_SINK);
}

static void remote_write(const struct remote_stats *s, FILE *f)
{
    given_up_write(s, f);
    count(f, "dead letters", s->dead);
    count(f, "in memory", s->queued_records);
    count(f, "spooled", s->spooled_records);
    count(f, "failed requests", s->failed);
}

static void targets_write(const struct pipeline *p, FILE *f)
{
    struct remote_stats s;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        target_stats(t, &s);
        delivered(f, t->sink->common.name, "", &s);
        if (t->remote) {
            remote_write(&s, f);
            continue;
        }
        given_up_write(&s, f);
        count(f, "failures", s.failed);
    }
    for (uint32_t i = 0; i < p->retired.count; i++) {
        delivered(f, p->retired.sink[i].name, " (gone)", &p->retired.sink[i].stats);
        remote_write(&p->retired.sink[i].stats, f);
    }
}

/* Nothing that was meant for a remote sink was given up, and nothing waits for another run. */
static bool remotes_are_clean(const struct pipeline *p)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct remote_stats s;
        target_stats(&p->target[i], &s);
        n += given_up_sum(&s) + s.dead + s.queued_records + s.spooled_records;
    }
    for (uint32_t i = 0; i < p->retired.count; i++)
        n += given_up_sum(&p->retired.sink[i].stats) + p->retired.sink[i].stats.dead;
    return n == 0;
}

bool report_is_clean(const struct daemon *d)
{
    const struct segments_stats *s = &d->segments.stats;
    return remotes_are_clean(&d->pipeline) && !s->dropped && !s->orphaned && !s->unregistered && !s->lost &&
           !s->skipped_bytes && !s->quarantined && !segments_pending_bytes(&d->segments) &&
           !pipeline_failing(&d->pipeline);
}

/* First what the rings are rid of, then what became of it in each sink. */
void report_write(const struct daemon *d, FILE *f)
{
    const struct segments_stats *s = &d->segments.stats;
    struct loss_count why[LOSSES_OF_SERVICES];
    losses_of_services(s, why);
    (void)fprintf(f, "fapilog-collector: processed %" PRIu64, d->pipeline.committed_records);
    count(f, "dropped (by stages)", d->pipeline.committed_filtered);
    count(f, "dropped (no route)", d->pipeline.committed_unrouted);
    dropped(f, why, LOSSES_OF_SERVICES);
    count(f, "bytes damaged", s->skipped_bytes);
    count(f, "bytes put aside", s->lost_in_quarantine);
    count(f, "truncated", s->truncated);
    count(f, "segments quarantined", s->quarantined);
    count(f, "segments refused", s->refused);
    count(f, "pending bytes", segments_pending_bytes(&d->segments));
    targets_write(&d->pipeline, f);
    (void)fputc('\n', f);
}
