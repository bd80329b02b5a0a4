#include "collector/daemon/daemon.h"

#include "collector/daemon/diagnostics.h"
#include "collector/daemon/endpoint.h"
#include "collector/daemon/overload.h"
#include "collector/daemon/pace.h"
#include "collector/daemon/reload.h"
#include "collector/daemon/report.h"
#include "collector/daemon/run_ledger.h"
#include "collector/delivery/given_up.h"
#include "collector/ingest/bell.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEAT_NS (400 * NS_PER_MS)
#define WAIT_MAX_NS (400 * NS_PER_MS)
#define SPOOL_SHARE 4 /* of the time to stop is left for spooling */

static bool is_drained(const struct daemon *d)
{
    return !d->drain.is_open && drain_has_reached_goal(&d->drain);
}

/* With --drain what comes behind the goal is left where it is: services that go on logging would keep us for ever. What
 * open batches of before are read again for comes first. */
static bool has_enough(const struct daemon *d)
{
    return d->options->drain && d->turns && is_drained(d) && !d->drain.is_fenced &&
           d->drain.fence == d->drain.fences_count;
}

/* Nobody is to wait for who takes no more. */
static void heartbeat(struct daemon *d, uint64_t now_ns)
{
    if (now_ns < d->heartbeat_at_ns)
        return;
    d->heartbeat_at_ns = now_ns + HEARTBEAT_NS;
    if (has_enough(d))
        return;
    /* order: relaxed - a time that is only compared with the clock */
    for (uint32_t i = 0; i < d->segments.count; i++)
        store_rlx(&d->segments.source[i]->seg->ctl->heartbeat_ns, now_ns);
}

static void status_copy(const struct pipeline *p, struct fapilog_ctl *ctl)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        const struct target *t = &p->target[i];
        struct fapilog_sink_status *status = &ctl->sink[i];
        (void)snprintf(status->name, sizeof status->name, "%s", t->sink->common.name);
        /* order: relaxed - the release of `state` publishes them */
        store_rlx(&status->last_error, t->last_error);
        store_rlx(&status->errors, target_errors(t));
        /* order: release, pairs with the acquire of fapilog_flush(): name and error belong to the state */
        store_rel(&status->state, t->is_failing ? 2u : 1u);
    }
    for (uint32_t i = p->targets_count; i < FAPILOG_SINKS_MAX; i++)
        store_rel(&ctl->sink[i].state, 0u); /* order: release, as above */
}

/* fapilog_flush() names the sinks that fail, and tools show them, from these copies. */
static void status_mirror(struct daemon *d)
{
    if (d->status_version == d->pipeline.status_version && d->status_attached == d->segments.stats.attached)
        return;
    d->status_version = d->pipeline.status_version;
    d->status_attached = d->segments.stats.attached;
    for (uint32_t i = 0; i < d->segments.count; i++) {
        struct source *s = d->segments.source[i];
        if (s->status_version == d->pipeline.status_version)
            continue;
        s->status_version = d->pipeline.status_version;
        status_copy(&d->pipeline, s->seg->ctl);
    }
}

/* What systemctl status shows. */
static void tell_manager(struct daemon *d, uint64_t now_ns)
{
    char text[200];
    const struct target *failing;
    notify_run(&d->notify, now_ns);
    if (d->notify.fd < 0 || now_ns < d->notified_at_ns + NS_PER_S)
        return;
    d->notified_at_ns = now_ns;
    failing = pipeline_failing(&d->pipeline);
    if (failing)
        (void)snprintf(text, sizeof text, "sink %s does not work", failing->sink->common.name);
    else
        (void)snprintf(text, sizeof text, "%u rings, %" PRIu64 " records delivered", d->segments.count,
                       d->pipeline.committed_records);
    notify_status(&d->notify, text);
}

static void begin_stop(struct daemon *d, uint64_t now_ns)
{
    d->is_stopping = true;
    d->is_reload_due = false;
    reload_abandon(d);
    notify_stopping(&d->notify);
    d->stop_at_ns = now_ns + d->config.settings.shutdown_timeout_ns;
    d->turn_at_ns = now_ns;
    discover_look(&d->discover); /* a ring that is attached later has no goal */
    drain_set_goal(&d->drain);
}

static void take_signals(struct daemon *d, uint64_t now_ns)
{
    if (d->signals.reopen) {
        d->signals.reopen = false;
        pipeline_want_reopen(&d->pipeline);
        reload_on_signal(d, now_ns);
    }
    if (d->signals.rotate) {
        d->signals.rotate = false;
        pipeline_want_rotate(&d->pipeline);
    }
    if (d->signals.stop && (!d->is_stopping || d->stop_at_ns == UINT64_MAX))
        begin_stop(d, now_ns);
    if (d->signals.stop > 1)
        d->stop_at_ns = now_ns;
}

/* --drain has no time limit while its sinks work. */
static void watch_drain(struct daemon *d, uint64_t now_ns)
{
    if (!d->options->drain || d->signals.stop)
        return;
    if (!pipeline_failing(&d->pipeline))
        d->stop_at_ns = UINT64_MAX;
    else if (d->stop_at_ns == UINT64_MAX)
        d->stop_at_ns = now_ns + d->config.settings.shutdown_timeout_ns;
}

static bool is_done(const struct daemon *d)
{
    if (!d->is_stopping || !is_drained(d) || !pipeline_is_idle(&d->pipeline, true) || d->pipeline.leaving)
        return false;
    if (d->pipeline.settings.stages && !d->pipeline.has_ended)
        return false;
    return !d->options->drain || d->is_last_attempt || pipeline_is_drained(&d->pipeline);
}

/* Remote sinks make their last attempt when they have all there is, or as much as can be had, and early enough to spool
 * what is not delivered. */
static void last_attempt(struct daemon *d, uint64_t now_ns)
{
    const uint64_t spare_ns = d->config.settings.shutdown_timeout_ns / SPOOL_SHARE;
    if (!d->is_stopping || d->is_last_attempt || d->stop_at_ns == UINT64_MAX)
        return;
    const bool has_all = !d->options->drain && (pipeline_is_held(&d->pipeline) ||
                                                (is_drained(d) && !d->pipeline.filling));
    if (!has_all && now_ns + spare_ns < d->stop_at_ns)
        return;
    d->is_last_attempt = true;
    pipeline_stop(&d->pipeline, d->stop_at_ns - (d->stop_at_ns > spare_ns ? spare_ns : 0));
}

static int turn(struct daemon *d, uint64_t now_ns, struct err *e)
{
    if (!d->drain.is_open && (d->is_stopping || now_ns >= d->turn_at_ns) && !has_enough(d)) {
        pump_turn_begins(&d->pipeline, &d->drain);
        const int r = drain_begin(&d->drain, now_ns, d->is_stopping ? DRAIN_ALL : 0, e);
        if (r < 0)
            return r;
        d->turns++;
    }
    const bool was_open = d->drain.is_open;
    d->pipeline.is_ending = d->is_stopping && drain_has_reached_goal(&d->drain); /* though a new turn is open */
    const int r = pump_run(&d->pipeline, &d->drain, e);
    if (r < 0)
        return r;
    if (was_open && !d->drain.is_open)
        pace_next_turn(d);
    return 0;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(const struct daemon *d, uint64_t now_ns)
{
    uint64_t at = now_ns + WAIT_MAX_NS;
    at = earliest(at, pipeline_deadline(&d->pipeline));
    at = earliest(at, d->stop_at_ns);
    at = earliest(at, reload_deadline(d));
    at = earliest(at, overload_deadline(d));
    at = earliest(at, notify_deadline(&d->notify));
    at = earliest(at, diagnostics_deadline(d));
    at = earliest(at, d->heartbeat_at_ns);
    if (!d->is_stopping)
        at = earliest(at, discover_deadline(&d->discover));
    /* A turn that waits for a free batch goes on when a write completes. */
    if (!d->drain.is_open)
        at = earliest(at, d->segments.probe_at_ns);
    if (!d->drain.is_open && !(d->is_stopping && drain_has_reached_goal(&d->drain)))
        at = earliest(at, d->turn_at_ns);
    return at <= now_ns ? 0 : at;
}

/* Where none fails: the server may be slow, or answer nothing. */
static const struct target *first_spooling(const struct daemon *d)
{
    struct remote_stats s;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        if (t->remote && (remote_stats(t->remote, &s), s.spooled_records))
            return t;
    }
    return NULL;
}

static int gave_up(const struct daemon *d, struct err *e)
{
    char reason[TARGET_REASON_MAX], rings[80] = "";
    const uint64_t pending = segments_pending_bytes(&d->segments);
    const struct target *t = pipeline_failing(&d->pipeline);
    struct remote_stats s = { 0 };
    t = t ? t : first_spooling(d);
    if (t && t->remote)
        remote_stats(t->remote, &s);
    if (pending || !s.spooled_records)
        (void)snprintf(rings, sizeof rings, "%" PRIu64 " bytes of records stay in their rings", pending);
    if (s.spooled_records)
        return err_set(e, -EIO, "sink %s: %" PRIu64 " records stay in its spool%s%s%s%s", t->sink->common.name,
                       s.spooled_records, pending ? ", " : "", rings, *s.last_reason ? "; last: " : "", s.last_reason);
    if (t)
        return err_set(e, -EIO, "sink %s: %s; %s", t->sink->common.name, target_reason(t, reason), rings);
    return err_set(e, -ETIMEDOUT, "stopped before everything was delivered; %s", rings);
}

/* What lies in a spool is not delivered, nor is what was refused or given up. */
static int have_delivered(const struct daemon *d, const struct target *t, struct err *e)
{
    const char *const name = t->sink->common.name;
    struct remote_stats s;
    remote_stats(t->remote, &s);
    const uint64_t given_up = given_up_sum(&s);
    if (!remote_is_idle(t->remote, true))
        return err_set(e, -EIO, "sink %s: %" PRIu64 " records stay in its spool; last: %s", name, s.spooled_records,
                       s.last_reason);
    if (s.dead)
        return err_set(e, -EIO, "sink %s: %" PRIu64 " records were refused for good; fapilog-dump %s/dead/%s says why, "
                       "--replay sends them again", name, s.dead, d->state_dir, name);
    return given_up ? err_set(e, -EIO, "sink %s: %" PRIu64 " records were given up; last: %s", name, given_up,
                              s.last_reason) : 0;
}

/* What a refused ring holds nobody has read; each refusal has been told with its reason. */
static int have_read_all(const struct daemon *d, struct err *e)
{
    const uint32_t left = d->segments.left_out;
    const uint64_t bad = d->segments.stats.quarantined, damaged = d->segments.stats.skipped_bytes;
    if (left)
        return err_set(e, -EIO, "%" PRIu32 " ring%s refused, and not read: see above", left,
                       left == 1 ? " was" : "s were");
    if (bad)
        return err_set(e, -EIO, "%" PRIu64 " ring%s put aside as damaged: see above", bad,
                       bad == 1 ? " was" : "s were");
    return damaged ? err_set(e, -EIO, "%" PRIu64 " bytes of rings are damaged, and were passed over: see above",
                             damaged) : 0;
}

/* With --drain: who calls it wants to know. */
static int check_delivered(const struct daemon *d, struct err *e)
{
    int r = 0;
    for (uint32_t i = 0; d->options->drain && r == 0 && i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        if (t->remote)
            r = have_delivered(d, t, e);
        else if (t->refused)
            r = err_set(e, -EIO, "sink %s: %" PRIu64 " records were given up: it could never take them",
                        t->sink->common.name, t->refused);
    }
    return r == 0 && d->options->drain ? have_read_all(d, e) : r;
}

/* Whoever runs us begins anew, with a directory that services find. Those that run keep rings without a name. */
static int dir_gone(const struct daemon *d, struct err *e)
{
    return err_set(e, -ENOENT, "%s was removed or renamed, or collector.lock in it, while it was in use; what its "
                   "rings held is delivered; start the collector again, and the services that were running", d->dir);
}

static void watch_dir(struct daemon *d, uint64_t now_ns)
{
    if (d->discover.is_gone && !d->is_stopping)
        begin_stop(d, now_ns);
}

/* Where rings fill their file system, the state file waits elsewhere for room. */
static void watch_commit(struct daemon *d, uint64_t now_ns)
{
    char text[sizeof d->dir + PATH_MAX + 128];
    if (now_ns < d->commit_look_ns)
        return;
    d->commit_look_ns = now_ns + NS_PER_S;
    commit_come_home(d->commit);
    const char *away = commit_away(d->commit);
    if ((away != NULL) == d->is_commit_away)
        return;
    d->is_commit_away = away != NULL;
    if (away)
        (void)snprintf(text, sizeof text, "%s has no room for " COMMIT_FILE ", which is kept as %s for so long", d->dir,
                       away);
    else
        (void)snprintf(text, sizeof text, COMMIT_FILE " is in %s again: there is room", d->dir);
    daemon_tell(d, away ? FAPILOG_LEVEL_WARNING : FAPILOG_LEVEL_INFO, text);
}

int daemon_run(struct daemon *d, struct err *e)
{
    int r;
    notify_ready(&d->notify);
    if (d->options->drain) {
        begin_stop(d, clock_mono_ns());
        d->stop_at_ns = UINT64_MAX;
        pipeline_drain(&d->pipeline);
    }
    for (;;) {
        const uint64_t now_ns = clock_mono_ns();
        take_signals(d, now_ns);
        watch_drain(d, now_ns);
        if (!d->is_stopping) /* the goal is set: rings that are attached now have none */
            discover_run(&d->discover, now_ns);
        watch_dir(d, now_ns);
        if (!d->drain.is_open)
            segments_probe(&d->segments, now_ns, false);
        heartbeat(d, now_ns);
        tell_manager(d, now_ns);
        status_mirror(d);
        run_ledger_write(d, now_ns);
        watch_commit(d, now_ns);
        overload_run(d, now_ns);
        diagnostics_run(d, now_ns);
        r = turn(d, now_ns, e);
        if (r < 0)
            return r;
        pipeline_run(&d->pipeline, now_ns);
        r = reload_run(d, now_ns, e);
        if (r < 0)
            return r;
        endpoint_run(d);
        last_attempt(d, now_ns);
        if (is_done(d))
            break;
        if (d->is_stopping && (now_ns >= d->stop_at_ns || (d->is_last_attempt && pipeline_is_stuck(&d->pipeline))))
            return gave_up(d, e);
        r = io_turn(d->io, next_deadline(d, clock_mono_ns()));
        if (r < 0)
            return err_sys(e, r, "wait for events");
        pipeline_run(&d->pipeline, clock_mono_ns());
        if (bell_was_rung(&d->segments)) {
            d->turn_at_ns = 0;
            d->is_turn_rung = true;
        }
    }
    r = segments_remove_delivered(&d->segments);
    if (r < 0)
        return err_sys(e, r, "wait for events");
    return d->discover.is_gone ? dir_gone(d, e) : check_delivered(d, e);
}
