#include "collector/daemon/overload.h"

#include "collector/daemon/chain.h"
#include "collector/ingest/fill.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_NS (10 * NS_PER_MS) /* no check is closer to the next one */

static double ratio(uint64_t n, uint64_t limit)
{
    return n < limit ? (double)n / (double)limit : 1;
}

double overload_sink_fill(const struct sink_delivery *cfg, const struct remote_stats *s)
{
    if (cfg->on_full == SINK_FULL_SPOOL)
        return ratio(s->spooled_bytes, cfg->spool_max_bytes);
    const double records = ratio(s->queued_records, cfg->queue_records);
    const double bytes = ratio(s->queued_bytes, cfg->queue_bytes);
    return records > bytes ? records : bytes;
}

static void size_batches(struct daemon *d, unsigned scale)
{
    d->drain.budget_scale = scale;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++)
        if (d->pipeline.target[i].remote)
            remote_scale_batches(d->pipeline.target[i].remote, scale);
}

void overload_run(struct daemon *d, uint64_t now_ns)
{
    struct pressure *p = chain_pressure(d->stages);
    unsigned breakers_open = 0;
    /* With --drain nothing more comes in that could be too much. */
    if (!p && d->drain.budget_scale > 1)
        size_batches(d, 1); /* a reload has turned it off */
    if (!p || d->options->drain || now_ns < d->overload_at_ns)
        return;
    d->overload_at_ns = now_ns + LOOK_NS;
    double fill = fill_take(&d->drain);
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        struct remote_stats s;
        if (!t->remote)
            continue;
        remote_stats(t->remote, &s);
        breakers_open += s.breaker == REMOTE_OPEN;
        const double own = overload_sink_fill(&t->sink->delivery, &s);
        fill = own > fill ? own : fill;
    }
    pressure_feed(p, now_ns, fill, breakers_open);
    size_batches(d, pressure_batch_scale(p));
}

uint64_t overload_deadline(const struct daemon *d)
{
    const struct pressure *p = chain_pressure(d->stages);
    if (!p || d->options->drain || (p->level == PRESSURE_NORMAL && !d->drain.is_open))
        return UINT64_MAX;
    return p->checked_ns + p->cfg->check_interval_ns;
}

void overload_stepped(void *arg, enum pressure_level from, enum pressure_level to, double fill)
{
    static const char *const means[PRESSURE_LEVELS] = {
        [PRESSURE_NORMAL] = "everything passes", [PRESSURE_ELEVATED] = "a sample passes, and protected levels",
        [PRESSURE_HIGH] = "as ELEVATED, and nothing below WARNING",
        [PRESSURE_CRITICAL] = "protected levels pass, and what is above them",
    };
    struct daemon *d = arg;
    const struct pressure *p = chain_pressure(d->stages);
    char text[200];
    const bool sheds = p && p->cfg->filter_tightening;
    (void)snprintf(text, sizeof text, "pressure: %s %s, %.0f %% full%s%s", to > from ? "up to" : "down to",
                   pressure_level_name(to), fill * 100, sheds ? ": " : "", sheds ? means[to] : "");
    daemon_tell(d, to < from ? FAPILOG_LEVEL_INFO : to == PRESSURE_CRITICAL ? FAPILOG_LEVEL_ERROR :
                FAPILOG_LEVEL_WARNING, text);
}
