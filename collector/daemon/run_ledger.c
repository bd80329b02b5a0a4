#include "collector/daemon/run_ledger.h"

#include "collector/delivery/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_EVERY_NS NS_PER_S

struct run_ledger {
    struct ledger *ledger; /* NULL: there was no room for it yet */
    struct ledger_page page;
    uint64_t write_at_ns;
    bool was_told;         /* that it cannot be made again */
};

int run_ledger_open(struct daemon *d, struct err *e)
{
    if (d->state_fd < 0)
        return 0;
    d->ledger = calloc(1, sizeof *d->ledger);
    if (!d->ledger)
        return err_set(e, -ENOMEM, "out of memory");
    const int r = ledger_open(d->state_dir, &d->ledger->ledger, e);
    if (r == 0)
        return 0;
    if (r != -ENOSPC && r != -EDQUOT) {
        run_ledger_close(d); /* nothing is written to it at the end */
        return r;
    }
    char text[ERR_TEXT_MAX + 64];
    (void)snprintf(text, sizeof text, "%s; it is made when there is room", e->text);
    daemon_tell(d, FAPILOG_LEVEL_WARNING, text);
    return 0;
}

/* A disk that is full keeps nobody's records, and no record depends on the ledger: it may come late. */
static bool has_ledger(struct daemon *d)
{
    struct err unsaid;
    return d->ledger->ledger || ledger_open(d->state_dir, &d->ledger->ledger, &unsaid) == 0;
}

void run_ledger_close(struct daemon *d)
{
    if (d->ledger)
        ledger_close(d->ledger->ledger);
    free(d->ledger);
    d->ledger = NULL;
}

static void store(struct daemon *d, struct run_ledger *b)
{
    struct err e;
    const int r = ledger_store(b->ledger, &b->page, &e);
    if (r > 0 || (r < 0 && !b->was_told))
        daemon_tell(d, FAPILOG_LEVEL_WARNING, e.text);
    b->was_told = r < 0;
}

static uint64_t pending_of(const struct batch *b)
{
    return b->records + b->filtered + b->unrouted;
}

static void fill_rings(const struct daemon *d, struct ledger_rings *r)
{
    const struct pipeline *p = &d->pipeline;
    const struct segments_stats *s = &d->segments.stats;
    *r = (struct ledger_rings){
        .committed = p->committed_records + p->committed_filtered + p->committed_unrouted,
        .pending = p->filling ? pending_of(p->filling) : 0,
        .dropped = s->dropped + s->orphaned + s->unregistered + s->lost,
    };
    for (uint32_t i = 0; i < p->open_count; i++)
        r->pending += pending_of(p->open[i]);
    r->written = r->committed + r->pending + r->dropped;
}

/* What a local sink has not written yet waits in a ring. */
static void fill_sinks(const struct pipeline *p, struct ledger_page *page)
{
    for (uint32_t i = 0; i < p->targets_count; i++) {
        struct remote_stats s;
        target_stats(&p->target[i], &s);
        ledger_sink_fill(&page->sink[page->sinks_count++], p->target[i].sink->common.name, &s);
    }
    for (uint32_t i = 0; i < p->retired.count; i++)
        ledger_sink_fill(&page->sink[page->sinks_count++], p->retired.sink[i].name, &p->retired.sink[i].stats);
}
_Static_assert(FAPILOG_SINKS_MAX + RETIRED_MAX <= LEDGER_SINKS_MAX, "each has a row");

void run_ledger_write(struct daemon *d, uint64_t now_ns)
{
    struct run_ledger *b = d->ledger;
    if (!b || now_ns < b->write_at_ns)
        return;
    b->write_at_ns = now_ns == UINT64_MAX ? now_ns : now_ns + WRITE_EVERY_NS;
    if (!has_ledger(d))
        return;
    struct ledger_page *page = &b->page;
    memset(page, 0, sizeof *page);
    fill_rings(d, &page->rings);
    fill_sinks(&d->pipeline, page);
    for (uint32_t i = 0; d->stages && i < d->stages->count; i++) {
        const struct stage *s = d->stages->stage[i];
        struct ledger_stage *to = &page->stage[page->stages_count++];
        (void)snprintf(to->name, sizeof to->name, "%s", s->name);
        to->seen = s->counters.seen;
        to->dropped = s->counters.dropped + s->counters.closed;
    }
    store(d, b);
}
