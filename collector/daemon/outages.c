#include "collector/daemon/outages.h"

#include "lib/base/time_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1024, SPAN_MAX = 32 };
#define MIB (1024.0 * 1024.0)

static void say(const struct outages *o, uint8_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(const struct outages *o, uint8_t level, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    o->say(o->arg, level, text);
}

/* Whole seconds: "4m12s". */
static const char *span(uint64_t ns, char ret[SPAN_MAX])
{
    *time_text_duration((int64_t)(ns / NS_PER_S * NS_PER_S), ret) = '\0';
    return ret;
}

/* More was lost than was told, and the last line about it is old enough. A counter that went back is that of a sink
 * that was opened anew. */
static bool is_due(struct loss *l, uint64_t now_ns, uint64_t lost)
{
    if (lost < l->told)
        l->told = 0;
    return lost > l->told && (!l->told_ns || now_ns - l->told_ns >= OUTAGE_LOSS_NS);
}

/* How many since the last line, which is counted as told with this; `since` says when that was. */
static uint64_t take(struct loss *l, uint64_t now_ns, uint64_t lost, char *since, size_t size)
{
    char text[SPAN_MAX];
    const uint64_t n = lost - l->told;
    *since = '\0';
    if (l->told_ns)
        (void)snprintf(since, size, " in the last %s", span(now_ns - l->told_ns, text));
    *l = (struct loss){ .told = lost, .told_ns = now_ns };
    return n;
}

static struct outage *outage_of(struct outages *o, const char *name)
{
    for (uint32_t i = 0; i < o->count; i++)
        if (strncmp(o->sink[i].name, name, OUTAGE_NAME_MAX - 1) == 0)
            return &o->sink[i];
    /* Reloads may bring ever other names: the first one makes room. */
    struct outage *s = &o->sink[o->count < FAPILOG_SINKS_MAX ? o->count++ : 0];
    *s = (struct outage){ 0 };
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

static void fails(struct outages *o, struct outage *s, uint64_t now_ns, const struct outage_facts *f)
{
    char text[SPAN_MAX];
    const char *colon = *f->reason ? ": " : "";
    if (!s->since_ns) {
        s->since_ns = now_ns;
        s->over_ns = 0;
        s->is_told = f->is_told;
        s->is_spool_told = false;
        s->pause_ns = OUTAGE_AGAIN_NS;
        s->again_ns = now_ns + (f->is_told ? OUTAGE_AGAIN_NS : OUTAGE_PATIENCE_NS);
    }
    if (now_ns < s->again_ns) {
        if (s->is_told && f->spooled && !s->is_spool_told)
            say(o, FAPILOG_LEVEL_WARNING, "sink %s: %s", f->name, f->waits);
        s->is_spool_told |= s->is_told && f->spooled;
        return;
    }
    s->is_spool_told |= f->spooled > 0;
    if (!s->is_told) {
        s->is_told = true;
        say(o, FAPILOG_LEVEL_WARNING, "sink %s: does not work%s%s; %s", f->name, colon, f->reason, f->waits);
    } else {
        s->pause_ns = s->pause_ns < OUTAGE_AGAIN_MAX_NS / 2 ? s->pause_ns * 2 : OUTAGE_AGAIN_MAX_NS;
        if (f->spooled)
            say(o, FAPILOG_LEVEL_WARNING, "sink %s: has not worked for %s%s%s; %" PRIu64 " records wait, %.1f MB of "
                "%.1f MB in its spool", f->name, span(now_ns - s->since_ns, text), colon, f->reason, f->waiting,
                (double)f->spooled_bytes / MIB, (double)f->spool_max_bytes / MIB);
        else
            say(o, FAPILOG_LEVEL_WARNING, "sink %s: has not worked for %s%s%s; %s", f->name,
                span(now_ns - s->since_ns, text), colon, f->reason, f->waits);
    }
    s->again_ns = now_ns + s->pause_ns;
}

static void works(struct outages *o, struct outage *s, uint64_t now_ns, const struct outage_facts *f)
{
    char text[SPAN_MAX];
    if (s->since_ns && s->is_told && !f->is_told) {
        if (f->spooled) {
            s->over_ns = now_ns;
            say(o, FAPILOG_LEVEL_INFO, "sink %s: works again after %s; %" PRIu64 " records wait, %.1f MB in its spool",
                f->name, span(now_ns - s->since_ns, text), f->waiting, (double)f->spooled_bytes / MIB);
        } else {
            say(o, FAPILOG_LEVEL_INFO, "sink %s: works again after %s", f->name, span(now_ns - s->since_ns, text));
        }
    }
    s->since_ns = 0;
    if (s->over_ns && !f->spooled) {
        say(o, FAPILOG_LEVEL_INFO, "sink %s: has caught up in %s; its spool is empty", f->name,
            span(now_ns - s->over_ns, text));
        s->over_ns = 0;
    }
}

void outages_look(struct outages *o, uint64_t now_ns, const struct outage_facts *f)
{
    char since[SPAN_MAX + 16];
    struct outage *s = outage_of(o, f->name);
    if (now_ns - s->looked_ns > OUTAGE_GONE_NS)
        s->since_ns = s->over_ns = 0;
    s->looked_ns = now_ns;
    if (f->is_failing)
        fails(o, s, now_ns, f);
    else
        works(o, s, now_ns, f);
    if (is_due(&s->given_up, now_ns, f->given_up)) {
        const uint64_t n = take(&s->given_up, now_ns, f->given_up, since, sizeof since);
        say(o, FAPILOG_LEVEL_ERROR, "sink %s: %" PRIu64 " records given up%s; %s", f->name, n, since, f->given_up_why);
    }
    if (is_due(&s->dead, now_ns, f->dead)) {
        const uint64_t n = take(&s->dead, now_ns, f->dead, since, sizeof since);
        say(o, FAPILOG_LEVEL_WARNING, "sink %s: %" PRIu64 " records refused for good%s; fapilog-dump %s says why, "
            "--replay sends them again", f->name, n, since, f->dead_dir);
    }
}

void outages_services(struct outages *o, uint64_t now_ns, uint64_t lost, const char *why)
{
    char since[SPAN_MAX + 16];
    if (!is_due(&o->services, now_ns, lost))
        return;
    const uint64_t n = take(&o->services, now_ns, lost, since, sizeof since);
    say(o, FAPILOG_LEVEL_WARNING, "services: %" PRIu64 " records lost%s; %s; fapilog-dump --stats says whose",
        n, since, why);
}
