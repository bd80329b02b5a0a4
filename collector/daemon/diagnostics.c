#include "collector/daemon/diagnostics.h"

#include "collector/daemon/message_limit.h"
#include "collector/daemon/outages.h"
#include "collector/daemon/say.h"
#include "collector/delivery/given_up.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS NS_PER_S /* at the sinks */

/* "sink NAME: ..." */
static const char *sink_of(const struct daemon *d, const char *text)
{
    static const char prefix[] = "sink ";
    const char *const from = text + sizeof prefix - 1;
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return NULL;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const char *name = d->pipeline.target[i].sink->common.name;
        const size_t len = strlen(name);
        if (strncmp(from, name, len) == 0 && from[len] == ':')
            return name;
    }
    return NULL;
}

bool diagnostics_want_records(const struct config *c)
{
    return c->settings.diagnostics == DIAGNOSTICS_RECORDS || c->settings.diagnostics == DIAGNOSTICS_BOTH;
}

void daemon_tell(struct daemon *d, uint8_t level, const char *text)
{
    const uint32_t to = d->config.settings.diagnostics;
    if (to == DIAGNOSTICS_STDERR || to == DIAGNOSTICS_BOTH)
        say_line(stderr, text);
    if (d->notes && diagnostics_want_records(&d->config))
        notes_add(d->notes, level, text, sink_of(d, text));
}

static void on_warning(void *arg, const char *text)
{
    daemon_tell(arg, FAPILOG_LEVEL_WARNING, text);
}

void daemon_say(struct daemon *d, const char *text)
{
    message_limit_say(d->messages, clock_mono_ns(), text);
    d->messages_at_ns = message_limit_deadline(d->messages);
}

static void on_outage(void *arg, uint8_t level, const char *text)
{
    daemon_tell(arg, level, text);
}

int diagnostics_open(struct daemon *d, struct err *e)
{
    d->messages = calloc(1, sizeof *d->messages);
    if (!d->messages || notes_new(&d->notes) < 0)
        return err_set(e, -ENOMEM, "out of memory");
    d->messages->say = on_warning;
    d->messages->arg = d;
    d->outages = calloc(1, sizeof *d->outages);
    if (!d->outages)
        return err_set(e, -ENOMEM, "out of memory");
    d->outages->say = on_outage;
    d->outages->arg = d;
    d->pipeline.notes = d->notes;
    return 0;
}

void diagnostics_choose_sinks(struct daemon *d)
{
    const struct opt_list *names = &d->config.settings.diagnostics_sinks;
    d->notes->sinks = 0;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++) {
        const struct target *t = &d->pipeline.target[i];
        bool is_one = !names->count && !t->remote;
        for (uint32_t k = 0; k < names->count; k++)
            is_one |= strcmp(names->item[k], t->sink->common.name) == 0;
        if (is_one)
            d->notes->sinks |= t->bit;
    }
}

/* ---- sinks that do not work, records that are lost ---- */

static const char *where_they_wait(const struct sink *s, bool is_spooled, char *ret, size_t size)
{
    static const char *const texts[] = {
        [SINK_FULL_DROP_OLDEST] = "what does not fit into its queue is given up, the oldest first",
        [SINK_FULL_DROP_NEWEST] = "what does not fit into its queue is given up, the newest first",
        [SINK_FULL_BLOCK] = "its records wait in the rings",
    };
    if (!s->ops->remote)
        return texts[SINK_FULL_BLOCK];
    if (s->delivery.on_full != SINK_FULL_SPOOL)
        return texts[s->delivery.on_full];
    (void)snprintf(ret, size, "its records wait in %sits spool, up to %.1f MB, then the oldest are given up",
                   is_spooled ? "" : "memory and in the rings; more go to ",
                   (double)s->delivery.spool_max_bytes / (1024.0 * 1024.0));
    return ret;
}

/* "so far: queue full 3, spool damaged 1" */
static const char *reasons(const struct loss_count *r, unsigned count, char *ret, size_t size)
{
    size_t used = 0;
    *ret = '\0';
    for (unsigned i = 0; i < count && used < size; i++)
        if (r[i].n)
            used += (size_t)snprintf(ret + used, size - used, "%s%s %" PRIu64, used ? ", " : "so far: ", r[i].text,
                                     r[i].n);
    return ret;
}

static const char *why_given_up(const struct remote_stats *s, char *ret, size_t size)
{
    struct loss_count r[LOSSES_OF_SINK];
    given_up_of(s, r);
    return reasons(r, LOSSES_OF_SINK, ret, size);
}

static void look_at_sink(struct daemon *d, uint64_t now_ns, const struct target *t)
{
    static struct remote_stats s; /* large; the collector has one thread */
    char waits[160], why[256], dead_dir[PATH_MAX + 64], reason[TARGET_REASON_MAX];
    target_stats(t, &s);
    (void)snprintf(dead_dir, sizeof dead_dir, "%s/dead/%s", d->state_dir, t->sink->common.name);
    outages_look(d->outages, now_ns, &(struct outage_facts){
        .name = t->sink->common.name, .is_failing = t->is_failing, .is_told = !t->remote,
        .reason = t->remote ? s.last_reason : target_reason(t, reason),
        .waits = where_they_wait(t->sink, s.spooled_records, waits, sizeof waits),
        .waiting = s.queued_records + s.spooled_records,
        .spooled = s.spooled_records, .spooled_bytes = s.spooled_bytes,
        .spool_max_bytes = t->sink->delivery.spool_max_bytes,
        .given_up = given_up_sum(&s), .given_up_why = why_given_up(&s, why, sizeof why),
        .dead = s.dead, .dead_dir = dead_dir,
    });
}

static void look_at_services(struct daemon *d, uint64_t now_ns)
{
    const struct segments_stats *s = &d->segments.stats;
    char why[200];
    struct loss_count r[LOSSES_OF_SERVICES];
    losses_of_services(s, r);
    (void)reasons(r, LOSSES_OF_SERVICES, why, sizeof why);
    outages_services(d->outages, now_ns, losses_sum(r, LOSSES_OF_SERVICES), why);
}

/* The balance at the end, and what --drain ends with, say the rest. */
static void look(struct daemon *d, uint64_t now_ns)
{
    if (now_ns < d->outages_at_ns)
        return;
    d->outages_at_ns = now_ns + LOOK_NS;
    for (uint32_t i = 0; i < d->pipeline.targets_count; i++)
        look_at_sink(d, now_ns, &d->pipeline.target[i]);
    if (!d->is_stopping)
        look_at_services(d, now_ns);
}

void diagnostics_run(struct daemon *d, uint64_t now_ns)
{
    look(d, now_ns);
    if (now_ns < d->messages_at_ns)
        return;
    message_limit_run(d->messages, now_ns);
    d->messages_at_ns = message_limit_deadline(d->messages);
}

uint64_t diagnostics_deadline(const struct daemon *d)
{
    return d->messages_at_ns;
}

void diagnostics_close(struct daemon *d)
{
    if (d->messages)
        message_limit_run(d->messages, UINT64_MAX);
    free(d->messages);
    free(d->outages);
    notes_free(d->notes);
    d->messages = NULL;
    d->outages = NULL;
    d->notes = NULL;
}
