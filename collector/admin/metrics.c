/* Prometheus text (version 0.0.4). One table per kind of thing; a row is a name, its type, its help, and how to
 * get the value. Names follow the two systems that fapilog takes over where they mean the same. */
#include "collector/admin/internal.h"

#include "collector/delivery/given_up.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

struct out {
    struct buf *buf;
    int failed;
};

static void put_label(struct out *o, const char *value)
{
    for (; *value && !o->failed; value++) {
        if (*value == '\n')
            o->failed |= buf_append(o->buf, "\\n", 2);
        else if (*value == '"' || *value == '\\')
            o->failed |= buf_printf(o->buf, "\\%c", *value);
        else
            o->failed |= buf_append(o->buf, value, 1);
    }
}

static void head(struct out *o, const char *name, const char *type, const char *help)
{
    o->failed |= buf_printf(o->buf, "# HELP fapilog_%s %s\n# TYPE fapilog_%s %s\n", name, help, name, type);
}

/* Labels come in pairs of name and value, ended by NULL. */
static void sample(struct out *o, const char *name, const char *const labels[], double value)
{
    o->failed |= buf_printf(o->buf, "fapilog_%s", name);
    for (unsigned i = 0; labels && labels[i]; i += 2) {
        o->failed |= buf_printf(o->buf, "%s%s=\"", i ? "," : "{", labels[i]);
        put_label(o, labels[i + 1]);
        o->failed |= buf_append(o->buf, "\"", 1);
    }
    o->failed |= buf_printf(o->buf, labels && labels[0] ? "} %.17g\n" : " %.17g\n", value);
}

/* ---- the collector as a whole ---- */

static void put_dropped(struct out *o, const struct segments_stats *s)
{
    struct loss_count why[LOSSES_OF_SERVICES];
    losses_of_services(s, why);
    head(o, "events_dropped_total", "counter", "Records that services could not keep, as reported so far.");
    for (unsigned i = 0; i < LOSSES_OF_SERVICES; i++)
        sample(o, "events_dropped_total", (const char *const[]){ "reason", why[i].label, NULL }, (double)why[i].n);
}

static double cpu_seconds(void)
{
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) < 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void one(struct out *o, const char *name, const char *type, const char *help, double value)
{
    head(o, name, type, help);
    sample(o, name, NULL, value);
}

static void put_collector(struct out *o, const struct admin_view *v)
{
    const struct segments_stats *s = &v->segments->stats;
    head(o, "build_info", "gauge", "Which collector this is.");
    sample(o, "build_info", (const char *const[]){ "version", FAPILOG_VERSION, "io", io_name(v->io), NULL }, 1);
    one(o, "uptime_seconds", "gauge", "Time since its start.", (double)(clock_mono_ns() - v->started_ns) / 1e9);
    one(o, "cpu_seconds_total", "counter", "Processor time that it used.", cpu_seconds());
    one(o, "events_processed_total", "counter",
        "Records that all sinks are done with: delivered, spooled, a dead letter, or given up and counted.",
        (double)v->pipeline->committed_records);
    put_dropped(o, s);
    one(o, "events_truncated_total", "counter", "Records that services had to cut.", (double)s->truncated);
    one(o, "events_stage_dropped_total", "counter", "Records that stages dropped, whichever they were.",
        (double)v->pipeline->committed_filtered);
    one(o, "events_unrouted_total", "counter", "Records that no route wanted.",
        (double)v->pipeline->committed_unrouted);
    one(o, "ring_pending_bytes", "gauge", "Bytes that wait in all rings.", (double)segments_pending_bytes(v->segments));
    one(o, "ring_segments", "gauge", "Rings at hand.", v->segments->count);
    one(o, "ring_segments_attached_total", "counter", "Rings found.", (double)s->attached);
    one(o, "ring_segments_ended_total", "counter", "Rings whose process is gone.", (double)s->ended);
    one(o, "ring_segments_quarantined_total", "counter", "Rings put aside as damaged.", (double)s->quarantined);
    one(o, "ring_segments_refused_total", "counter", "Files that were no rings to be read.", (double)s->refused);
    one(o, "ring_damaged_bytes_total", "counter", "Bytes of rings that could not be read.", (double)s->skipped_bytes);
    head(o, "reconfigure_total", "counter", "Reloads of the configuration, by result.");
    sample(o, "reconfigure_total", (const char *const[]){ "result", "ok", NULL }, (double)*v->reloads);
    sample(o, "reconfigure_total", (const char *const[]){ "result", "rejected", NULL }, (double)*v->reloads_refused);
    one(o, "window_batches", "gauge", "Batches that some sink has not settled.", v->pipeline->open_count);
    one(o, "window_batches_limit", "gauge", "How many there may be.", (double)v->pipeline->settings.window);
}

/* ---- stages ---- */

static const struct {
    const char *name, *help;
    size_t offset;
} stage_rows[] = {
    { "stage_seen_total", "Records that came to the stage.", offsetof(struct stage_counters, seen) },
    { "events_filtered_total", "Records that the stage dropped.", offsetof(struct stage_counters, dropped) },
    { "stage_changed_total", "Records that it wrote to.", offsetof(struct stage_counters, changed) },
    { "stage_failed_total", "Records that it could not treat.", offsetof(struct stage_counters, failed) },
    { "stage_closed_total", "Of those: dropped, as it fails closed.", offsetof(struct stage_counters, closed) },
    { "stage_emitted_total", "Records of its own.", offsetof(struct stage_counters, emitted) },
};

static void put_stages(struct out *o, const struct stages *c)
{
    for (size_t i = 0; c && c->count && i < ARRAY_COUNT(stage_rows); i++) {
        head(o, stage_rows[i].name, "counter", stage_rows[i].help);
        for (uint32_t k = 0; k < c->count; k++) {
            uint64_t n;
            memcpy(&n, (const char *)&c->stage[k]->counters + stage_rows[i].offset, sizeof n);
            sample(o, stage_rows[i].name, (const char *const[]){ "stage", c->stage[k]->name, NULL }, (double)n);
        }
    }
}

struct gauge {
    struct out *out;
    const char *stage;
};

static void put_gauge(void *arg, const char *name, double value)
{
    const struct gauge *g = arg;
    sample(g->out, "stage_value", (const char *const[]){ "stage", g->stage, "value", name, NULL }, value);
}

static void put_gauges(struct out *o, const struct stages *c)
{
    if (!c || !c->count)
        return;
    head(o, "stage_value", "gauge", "What a stage keeps beside its counters.");
    for (uint32_t k = 0; k < c->count; k++) {
        struct gauge g = { o, c->stage[k]->name };
        if (c->stage[k]->ops->gauges)
            c->stage[k]->ops->gauges(c->stage[k], put_gauge, &g);
    }
}

static void put_pressure(struct out *o, const struct pressure *p)
{
    if (!p)
        return;
    one(o, "pressure_level", "gauge", "0 NORMAL, 1 ELEVATED, 2 HIGH, 3 CRITICAL.", p->level);
    one(o, "pressure_fill", "gauge", "Of the fullest lane or sink, with what open breakers add.", p->fill);
    one(o, "pressure_batch_scale", "gauge", "How much larger than configured batches are.", pressure_batch_scale(p));
    head(o, "events_shed_total", "counter", "Records that were shed, by the level of pressure.");
    for (enum pressure_level l = PRESSURE_ELEVATED; l < PRESSURE_LEVELS; l++)
        sample(o, "events_shed_total", (const char *const[]){ "pressure", pressure_level_name(l), NULL },
               (double)p->shed[l]);
}

/* ---- sinks ---- */

static double sink_records(const struct target *t, const struct remote_stats *r)
{
    return (double)(t->remote ? r->delivered : t->records);
}

static double sink_bytes(const struct target *t, const struct remote_stats *r)
{
    return (double)(t->remote ? r->delivered_bytes : t->bytes);
}

static double sink_errors(const struct target *t, const struct remote_stats *r)
{
    return (double)(t->remote ? r->failed : t->errors);
}

static double sink_failing(const struct target *t, const struct remote_stats *r)
{
    (void)r;
    return t->is_failing;
}

static const struct {
    const char *name, *type, *help;
    double (*value)(const struct target *t, const struct remote_stats *r);
} sink_rows[] = {
    { "sink_records_total", "counter", "Records that the sink has delivered.", sink_records },
    { "sink_bytes_total", "counter", "Bytes that it has delivered.", sink_bytes },
    { "sink_errors_total", "counter", "Writes or requests that failed.", sink_errors },
    { "sink_failing", "gauge", "1 while it does not work.", sink_failing },
};

#define STAT(m) offsetof(struct remote_stats, m)
static const struct {
    const char *name, *type, *help;
    size_t offset;
    double scale;
} remote_rows[] = {
    { "sink_requests_total", "counter", "Requests sent.", STAT(requests), 1 },
    { "sink_retries_total", "counter", "Requests sent again.", STAT(retried), 1 },
    { "sink_bisected_total", "counter", "Requests cut in halves to find what is refused.", STAT(bisected), 1 },
    { "sink_dead_letters_total", "counter", "Records refused for good, kept as dead letters.", STAT(dead), 1 },
    { "sink_dead_letters_evicted_total", "counter", "Dead letters given up for room.", STAT(dead_evicted), 1 },
    { "sink_queue_records", "gauge", "Records that wait in memory.", STAT(queued_records), 1 },
    { "sink_queue_bytes", "gauge", "Bytes that wait in memory.", STAT(queued_bytes), 1 },
    { "sink_spool_records", "gauge", "Records in the spool.", STAT(spooled_records), 1 },
    { "sink_spool_bytes", "gauge", "Bytes of the spool on disk.", STAT(spooled_bytes), 1 },
    { "sink_in_flight", "gauge", "Requests under way.", STAT(in_flight), 1 },
    { "sink_in_flight_limit", "gauge", "Requests that may be under way now.", STAT(in_flight_limit), 1 },
    { "sink_breaker_opened_total", "counter", "Times that the circuit breaker opened.", STAT(breaker_opened), 1 },
    { "sink_latency_seconds", "gauge", "Moving average of a request's time.", STAT(latency_ns), 1e-9 },
};

static uint64_t stat_at(const struct remote_stats *r, size_t offset)
{
    uint64_t n;
    memcpy(&n, (const char *)r + offset, sizeof n);
    return n;
}

static const char *name_of(const struct target *t)
{
    return t->sink->common.name;
}

static void put_remote_rows(struct out *o, const struct pipeline *p, const struct remote_stats *stats)
{
    for (size_t i = 0; i < ARRAY_COUNT(remote_rows); i++) {
        head(o, remote_rows[i].name, remote_rows[i].type, remote_rows[i].help);
        for (uint32_t k = 0; k < p->targets_count; k++)
            if (p->target[k].remote)
                sample(o, remote_rows[i].name, (const char *const[]){ "sink", name_of(&p->target[k]), NULL },
                       (double)stat_at(&stats[k], remote_rows[i].offset) * remote_rows[i].scale);
    }
}

static void put_remote_states(struct out *o, const struct pipeline *p, const struct remote_stats *stats)
{
    head(o, "sink_spool_bytes_limit", "gauge", "Bytes from which the oldest records of the spool are given up.");
    for (uint32_t k = 0; k < p->targets_count; k++)
        if (p->target[k].remote && p->target[k].sink->delivery.on_full == SINK_FULL_SPOOL)
            sample(o, "sink_spool_bytes_limit", (const char *const[]){ "sink", name_of(&p->target[k]), NULL },
                   (double)p->target[k].sink->delivery.spool_max_bytes);
    head(o, "sink_breaker_state", "gauge", "Circuit breaker: 0 closed, 1 open, 2 half open.");
    for (uint32_t k = 0; k < p->targets_count; k++)
        if (p->target[k].remote)
            sample(o, "sink_breaker_state", (const char *const[]){ "sink", name_of(&p->target[k]), NULL },
                   stats[k].breaker);
    head(o, "sink_lag_seconds", "gauge", "Age of the oldest record that is not delivered.");
    for (uint32_t k = 0; k < p->targets_count; k++) {
        const uint64_t now_ns = (uint64_t)clock_real_ns(), oldest = stats[k].oldest_ns;
        if (p->target[k].remote)
            sample(o, "sink_lag_seconds", (const char *const[]){ "sink", name_of(&p->target[k]), NULL },
                   oldest && now_ns > oldest ? (double)(now_ns - oldest) / 1e9 : 0);
    }
}

/* A local sink has one reason. */
static void put_given_up(struct out *o, const struct pipeline *p, const struct remote_stats *stats)
{
    head(o, "sink_dropped_total", "counter", "Records that a sink has given up, by reason.");
    for (uint32_t k = 0; k < p->targets_count; k++) {
        struct loss_count why[LOSSES_OF_SINK];
        given_up_of(&stats[k], why);
        if (!p->target[k].remote)
            sample(o, "sink_dropped_total",
                   (const char *const[]){ "sink", name_of(&p->target[k]), "reason", "refused", NULL },
                   (double)p->target[k].refused);
        for (unsigned i = 0; p->target[k].remote && i < LOSSES_OF_SINK; i++)
            sample(o, "sink_dropped_total",
                   (const char *const[]){ "sink", name_of(&p->target[k]), "reason", why[i].label, NULL },
                   (double)why[i].n);
    }
}

static void put_sinks(struct out *o, const struct pipeline *p)
{
    static struct remote_stats stats[FAPILOG_SINKS_MAX]; /* large; the collector has one thread */
    memset(stats, 0, sizeof stats);
    for (uint32_t k = 0; k < p->targets_count; k++)
        if (p->target[k].remote)
            target_stats(&p->target[k], &stats[k]);
    for (size_t i = 0; i < ARRAY_COUNT(sink_rows); i++) {
        head(o, sink_rows[i].name, sink_rows[i].type, sink_rows[i].help);
        for (uint32_t k = 0; k < p->targets_count; k++)
            sample(o, sink_rows[i].name, (const char *const[]){ "sink", name_of(&p->target[k]), NULL },
                   sink_rows[i].value(&p->target[k], &stats[k]));
    }
    put_given_up(o, p, stats);
    if (!p->remotes_count)
        return;
    put_remote_rows(o, p, stats);
    put_remote_states(o, p, stats);
}

int metrics_write(const struct admin_view *v, struct buf *out)
{
    struct out o = { .buf = out };
    put_collector(&o, v);
    put_stages(&o, v->stages);
    put_gauges(&o, v->stages);
    put_pressure(&o, v->pressure);
    put_sinks(&o, v->pipeline);
    return o.failed;
}
