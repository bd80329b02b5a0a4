/* Everything that there is to see, as one JSON object: for the page, and for scripts. */
#include "collector/admin/internal.h"

#include "collector/delivery/given_up.h"
#include "collector/format/text.h"
#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/json_escape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

enum { LANES_SHOWN_MAX = 64 /* of one process, the fullest of those in use */ };

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n));
}

/* Texts of services are whatever they wrote, and those of servers may end within a character: what is not UTF-8 is
 * marked. */
static json_t *text(struct fapilog_text t)
{
    json_t *s = json_stringn(t.data ? t.data : "", t.len);
    auto_free char *clean = s ? NULL : malloc(t.len * JSON_ESCAPE_FACTOR + JSON_ESCAPE_SLACK);
    unsigned flags = 0;
    if (clean)
        s = json_stringn(clean, (size_t)(text_clean(t.data, t.len, clean, &flags) - clean));
    return s ? s : json_string("?");
}

static void add(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value); /* no memory: the member is missing */
}

/* ---- producers ---- */

static json_t *lane_object(const struct lane *l)
{
    const struct segment_lane *g = &l->source->seg->lanes[l->index];
    const uint64_t tail = lane_tail_now(l), cap = UINT64_C(1) << g->cap_log2;
    const uint64_t waiting = tail > l->done && tail - l->done <= cap ? tail - l->done : 0;
    struct segment_lane_owner owner;
    json_t *o = json_object();
    add(o, "lane", number(l->index));
    if (segment_lane_owner(l->source->seg, l->index, &owner) == 0) {
        add(o, "tid", number(owner.tid));
        const uint32_t len = (uint32_t)strnlen(owner.thread, sizeof owner.thread);
        add(o, "thread", text((struct fapilog_text){ owner.thread, len }));
    }
    add(o, "fill", json_real((double)waiting / (double)cap));
    add(o, "pending_bytes", number(waiting));
    add(o, "delivered", number(l->delivered));
    add(o, "dropped", number(lane_dropped_now(l)));
    return o;
}

static bool is_in_use(const struct lane *l)
{
    return l->delivered || lane_tail_now(l) || lane_dropped_now(l);
}

static json_t *lanes_array(const struct source *s)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < s->lanes_hot && json_array_size(a) < LANES_SHOWN_MAX; i++)
        if (is_in_use(&s->lane[i]))
            (void)json_array_append_new(a, lane_object(&s->lane[i]));
    return a;
}

static json_t *producer_object(const struct source *s)
{
    static const char *const states[] = {
        [SOURCE_LIVE] = "live", [SOURCE_ENDED] = "ended", [SOURCE_QUARANTINED] = "quarantined",
    };
    const struct fapilog_process_info *p = &s->seg->process;
    uint64_t delivered = 0, dropped = 0;
    for (uint32_t i = 0; i < s->lanes_hot; i++) {
        delivered += s->lane[i].delivered;
        dropped += lane_dropped_now(&s->lane[i]);
    }
    json_t *o = json_object();
    add(o, "ring", json_string(s->name));
    add(o, "service", text(p->service));
    add(o, "pid", number(p->pid));
    add(o, "host", text(p->host));
    add(o, "exe", text(p->exe));
    add(o, "state", json_string(states[s->state]));
    add(o, "delivered", number(delivered));
    add(o, "dropped", number(dropped));
    add(o, "lanes", lanes_array(s));
    return o;
}

static json_t *producers_array(const struct segments *t)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < t->count; i++)
        (void)json_array_append_new(a, producer_object(t->source[i]));
    return a;
}

/* ---- sinks ---- */

static json_t *dropped_object(const struct remote_stats *r)
{
    json_t *o = json_object();
    struct loss_count why[LOSSES_OF_SINK];
    given_up_of(r, why);
    for (unsigned i = 0; i < LOSSES_OF_SINK; i++)
        add(o, why[i].label, number(why[i].n));
    return o;
}

static void add_remote(json_t *o, const struct remote_stats *r)
{
    static const char *const breakers[] = {
        [REMOTE_CLOSED] = "closed", [REMOTE_OPEN] = "open", [REMOTE_HALF_OPEN] = "half open",
    };
    const uint64_t now_ns = (uint64_t)clock_real_ns();
    add(o, "taken", number(r->taken));
    add(o, "records", number(r->delivered));
    add(o, "bytes", number(r->delivered_bytes));
    add(o, "errors", number(r->failed));
    add(o, "requests", number(r->requests));
    add(o, "retries", number(r->retried));
    add(o, "breaker", json_string(breakers[r->breaker]));
    add(o, "queue_records", number(r->queued_records));
    add(o, "queue_bytes", number(r->queued_bytes));
    add(o, "spool_records", number(r->spooled_records));
    add(o, "spool_bytes", number(r->spooled_bytes));
    add(o, "in_flight", number(r->in_flight));
    add(o, "in_flight_limit", number(r->in_flight_limit));
    add(o, "dead", number(r->dead));
    add(o, "dropped", dropped_object(r));
    add(o, "lag_seconds", json_real(r->oldest_ns && now_ns > r->oldest_ns ? (double)(now_ns - r->oldest_ns) / 1e9 : 0));
    add(o, "latency_ms", json_real((double)r->latency_ns / 1e6));
    add(o, "last_reason", text((struct fapilog_text){ r->last_reason, (uint32_t)strlen(r->last_reason) }));
}

static json_t *sink_object(const struct target *t)
{
    static struct remote_stats stats; /* large; the collector has one thread */
    char reason[TARGET_REASON_MAX];
    json_t *o = json_object();
    add(o, "name", json_string(t->sink->common.name));
    add(o, "type", json_string(t->sink->ops->scheme));
    add(o, "state", json_string(t->is_failing ? "failing" : "ok"));
    if (t->remote) {
        target_stats(t, &stats);
        add_remote(o, &stats);
        return o;
    }
    add(o, "records", number(t->records));
    add(o, "bytes", number(t->bytes));
    add(o, "refused", number(t->refused));
    add(o, "errors", number(t->errors));
    const char *const why = t->is_failing ? target_reason(t, reason) : "";
    add(o, "last_reason", text((struct fapilog_text){ why, (uint32_t)strlen(why) })); /* a path may be any bytes */
    return o;
}

static json_t *sinks_array(const struct pipeline *p)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < p->targets_count; i++)
        (void)json_array_append_new(a, sink_object(&p->target[i]));
    return a;
}

void status_failing(const struct admin_view *v, char *ret, size_t size)
{
    size_t used = 0;
    *ret = '\0';
    for (uint32_t i = 0; i < v->pipeline->targets_count && used < size; i++)
        if (v->pipeline->target[i].is_failing)
            used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
                                     v->pipeline->target[i].sink->common.name);
}

/* ---- the rest ---- */

static json_t *stages_array(const struct stages *c)
{
    json_t *a = json_array();
    for (uint32_t i = 0; c && i < c->count; i++) {
        const struct stage_counters *n = &c->stage[i]->counters;
        json_t *o = json_object();
        add(o, "name", json_string(c->stage[i]->name));
        add(o, "seen", number(n->seen));
        add(o, "dropped", number(n->dropped));
        add(o, "changed", number(n->changed));
        add(o, "failed", number(n->failed));
        add(o, "closed", number(n->closed));
        add(o, "emitted", number(n->emitted));
        (void)json_array_append_new(a, o);
    }
    return a;
}

static json_t *pressure_object(const struct pressure *p)
{
    json_t *o = json_object();
    add(o, "level", json_string(pressure_level_name(p->level)));
    add(o, "fill", json_real(p->fill));
    add(o, "batch_scale", number(pressure_batch_scale(p)));
    add(o, "steps_up", number(p->steps_up));
    add(o, "steps_down", number(p->steps_down));
    add(o, "shed", number(pressure_shed_total(p)));
    return o;
}

static json_t *totals_object(const struct admin_view *v)
{
    const struct segments_stats *s = &v->segments->stats;
    json_t *o = json_object(), *dropped = json_object();
    add(dropped, "lane_full", number(s->dropped));
    add(dropped, "no_lane", number(s->orphaned));
    add(dropped, "registry_full", number(s->unregistered));
    add(dropped, "overwritten", number(s->lost));
    add(o, "processed", number(v->pipeline->committed_records));
    add(o, "filtered", number(v->pipeline->committed_filtered));
    add(o, "unrouted", number(v->pipeline->committed_unrouted));
    add(o, "truncated", number(s->truncated));
    add(o, "pending_bytes", number(segments_pending_bytes(v->segments)));
    add(o, "dropped", dropped);
    return o;
}

int status_write(const struct admin_view *v, struct buf *out)
{
    json_t *o = json_object(), *window = json_object();
    add(window, "open", number(v->pipeline->open_count));
    add(window, "limit", number(v->pipeline->settings.window));
    add(o, "version", json_string(FAPILOG_VERSION));
    add(o, "pid", number((uint64_t)getpid()));
    add(o, "uptime_seconds", json_real((double)(clock_mono_ns() - v->started_ns) / 1e9));
    add(o, "rings", json_string(v->rings));
    add(o, "io", json_string(io_name(v->io)));
    add(o, "is_stopping", json_boolean(*v->is_stopping));
    add(o, "window", window);
    add(o, "reloads", number(*v->reloads));
    add(o, "reloads_refused", number(*v->reloads_refused));
    add(o, "totals", totals_object(v));
    add(o, "producers", producers_array(v->segments));
    if (v->pressure)
        add(o, "pressure", pressure_object(v->pressure));
    add(o, "stages", stages_array(v->stages));
    add(o, "sinks", sinks_array(v->pipeline));
    char *json = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    if (!json)
        return -ENOMEM;
    int r = buf_append(out, json, strlen(json));
    if (r == 0)
        r = buf_append(out, "\n", 1);
    free(json);
    return r;
}
