#include "tools/dump/stats_native_table.h"

#include "lib/base/grow.h"
#include "lib/base/time_text.h"
#include "tools/dump/safe_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A lane, or with lane NULL a process, in one file or (once they are joined) in all. */
struct native_part {
    const struct fapilog_process_info *process;
    const struct native_lane *lane;
    uint32_t number; /* of the lane, from 1; 0: the process */
    uint32_t order;  /* in which they were found */
    uint64_t records, bytes;
    struct native_losses_told losses;
};

struct finding {
    struct native_table *table;
    int r;
};

static void part_add(struct finding *f, const struct native_part *part)
{
    struct native_table *t = f->table;
    if (f->r == 0 && grow((void **)&t->part, &t->cap, t->count + 1, sizeof *part) < 0)
        f->r = -ENOMEM;
    if (f->r < 0)
        return;
    t->part[t->count] = *part;
    t->part[t->count].order = t->count;
    t->count++;
}

static void process_add(void *arg, const struct native_process *p)
{
    part_add(arg, &(struct native_part){.process = p->info, .losses = p->losses});
    for (uint32_t i = 0; i < p->lanes_count; i++) {
        const struct native_lane *l = p->lanes[i];
        if (l && (l->bytes || l->losses.dropped || l->losses.overwritten))
            part_add(arg, &(struct native_part){.process = p->info, .lane = l, .number = i + 1,
                                                .records = l->records, .bytes = l->bytes, .losses = l->losses});
    }
}

static int text_compare(struct fapilog_text a, struct fapilog_text b)
{
    const int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* By process and lane; of one, in the order in which they were found. */
static int part_compare(const void *a, const void *b)
{
    const struct native_part *x = a, *y = b;
    int c = text_compare(x->process->service, y->process->service);
    if (!c)
        c = (x->process->pid > y->process->pid) - (x->process->pid < y->process->pid);
    if (!c)
        c = memcmp(x->process->uuid, y->process->uuid, sizeof x->process->uuid);
    if (!c)
        c = (x->number > y->number) - (x->number < y->number);
    return c ? c : (x->order > y->order) - (x->order < y->order);
}

static bool is_same(const struct native_part *a, const struct native_part *b)
{
    return a->number == b->number && !memcmp(a->process->uuid, b->process->uuid, sizeof a->process->uuid);
}

static void raise_to(uint64_t *word, uint64_t value)
{
    if (*word < value)
        *word = value;
}

/* They count from the begin of the lane on. */
static void losses_join(struct native_losses_told *to, const struct native_losses_told *from)
{
    raise_to(&to->dropped, from->dropped);
    raise_to(&to->overwritten, from->overwritten);
    raise_to(&to->no_lane, from->no_lane);
    raise_to(&to->unregistered, from->unregistered);
    raise_to(&to->truncated, from->truncated);
    if (to->last_ns < from->last_ns)
        to->last_ns = from->last_ns;
}

static void parts_join(struct native_table *all)
{
    uint32_t count = 0;
    if (all->count)
        qsort(all->part, all->count, sizeof all->part[0], part_compare);
    for (uint32_t i = 0; i < all->count; i++) {
        struct native_part *last = count ? &all->part[count - 1] : NULL;
        const struct native_part *p = &all->part[i];
        if (!last || !is_same(last, p)) {
            all->part[count++] = *p;
            continue;
        }
        last->records += p->records;
        last->bytes += p->bytes;
        losses_join(&last->losses, &p->losses);
        if (p->lane && p->lane->bytes) /* its last thread is in the last file */
            last->lane = p->lane;
    }
    all->count = count;
}

static uint64_t lost_of(const struct native_losses_told *l)
{
    return l->dropped + l->overwritten + l->no_lane + l->unregistered;
}

int native_table_take(struct native_table *t, const struct native_stream *const *streams, size_t count)
{
    struct finding f = {t, 0};
    *t = (struct native_table){0};
    for (size_t i = 0; i < count; i++)
        native_stream_segments(streams[i], process_add, &f);
    if (f.r < 0) {
        native_table_done(t);
        return f.r;
    }
    parts_join(t);
    for (uint32_t i = 0; i < t->count; i++) {
        t->processes += !t->part[i].number;
        t->records += t->part[i].records;
        t->lost += lost_of(&t->part[i].losses);
    }
    return 0;
}

void native_table_done(struct native_table *t)
{
    free(t->part);
    *t = (struct native_table){0};
}

static uint32_t lanes_behind(const struct native_table *t, uint32_t process)
{
    uint32_t n = 0;
    while (process + 1 + n < t->count && t->part[process + 1 + n].number)
        n++;
    return n;
}

static void lane_print(const struct native_part *p)
{
    safe_text text;
    const size_t len = strnlen(p->lane->thread, sizeof p->lane->thread);
    printf("  %4" PRIu32 " %8" PRIu32 " %-16.16s %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %11" PRIu64 "\n",
           p->number - 1, p->lane->tid, safe_clean(p->lane->thread, len, text), p->records, p->bytes,
           p->losses.dropped, p->losses.overwritten);
}

static void process_print(const struct native_part *p, uint32_t lanes)
{
    const struct native_losses_told *own = &p->losses;
    char last[TIME_TEXT_MAX + 1];
    safe_text text;
    uint64_t records = 0, lost = lost_of(own);
    int64_t last_ns = 0;
    for (uint32_t i = 1; i <= lanes; i++) {
        records += p[i].records;
        lost += lost_of(&p[i].losses);
        last_ns = p[i].losses.last_ns > last_ns ? p[i].losses.last_ns : last_ns;
    }
    printf("  %s pid %" PRIu32 "  %" PRIu64 " records, %" PRIu64 " lost\n",
           safe_clean(p->process->service.data, p->process->service.len, text), p->process->pid, records, lost);
    if (last_ns) {
        struct time_text t = {0};
        *time_text_write(&t, last_ns, 3, last) = '\0';
        printf("  dropped one last at %s\n", last);
    }
    if (own->no_lane || own->truncated || own->unregistered)
        printf("  without a lane %" PRIu64 ", cut %" PRIu64 ", unregistered %" PRIu64 "\n", own->no_lane,
               own->truncated, own->unregistered);
    if (lanes)
        printf("  %4s %8s %-16s %12s %12s %10s %11s\n", "lane", "tid", "thread", "records", "bytes", "dropped",
               "overwritten");
    for (uint32_t i = 1; i <= lanes; i++)
        lane_print(&p[i]);
}

void native_table_print(const struct native_table *t)
{
    for (uint32_t i = 0, lanes; i < t->count; i += lanes + 1) {
        lanes = lanes_behind(t, i);
        process_print(&t->part[i], lanes);
    }
}
