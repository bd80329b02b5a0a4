#include "tools/dump/stats.h"

#include "lib/base/clock.h"
#include "lib/base/time_text.h"
#include "tools/dump/follow.h"
#include "tools/dump/output.h"
#include "tools/dump/stats_collect.h"
#include "tools/dump/stats_native.h"
#include "tools/dump/safe_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFRESH_MS = 1000 };

static const char *const lane_states[] = {"free", "claiming", "active", "closing"};
static const char *const lane_modes[] = {"discard", "overwrite", "block"};

static const char *name_of(const char *const *names, unsigned count, unsigned i)
{
    return i < count ? names[i] : "?";
}

typedef char time_text_buf[TIME_TEXT_MAX + 1];

static const char *time_print(int64_t ns, time_text_buf ret)
{
    struct time_text t = {0};
    *time_text_write(&t, ns, 3, ret) = '\0';
    return ret;
}

/* In steps of a millisecond, "12.5s"; a clock that was set may put a record into the future. */
static const char *age_print(int64_t ns, time_text_buf ret)
{
    const int64_t age = (int64_t)clock_real_ns() - ns;
    *time_text_duration(age > 0 ? age / (int64_t)NS_PER_MS * (int64_t)NS_PER_MS : 0, ret) = '\0';
    return ret;
}

static void times_print(const struct segment_figures *f)
{
    time_text_buf from, to;
    if (f->from_ns)
        printf("  holds records from %s to %s\n", time_print(f->from_ns, from), time_print(f->to_ns, to));
    if (f->undelivered_ns)
        printf("  the oldest of those not delivered is %s old\n", age_print(f->undelivered_ns, from));
    if (f->drop_ns)
        printf("  dropped one last at %s, %s ago\n", time_print(f->drop_ns, from), age_print(f->drop_ns, to));
}

static void table_print(const struct reader_segment *s, const struct segment_figures *f)
{
    safe_text text;
    safe_path path;
    const struct fapilog_process_info *p = &s->seg->process;
    printf("%s pid %" PRIu32 "  %s, %s  %" PRIu64 " records, %.0f/s, %" PRIu64 " dropped, %" PRIu64
           " bytes waiting\n",
           safe_clean(p->service.data, p->service.len, text), p->pid, f->state,
           f->has_collector ? "collected" : "no collector", f->seq, f->rate, f->dropped, f->lag);
    printf("  %s\n", safe_clean_path(s->path, path));
    times_print(f);
    if (f->orphans || f->truncated || f->unregistered)
        printf("  without a lane %" PRIu64 ", cut %" PRIu64 ", unregistered %" PRIu64 "\n", f->orphans,
               f->truncated, f->unregistered);
    if (f->lanes_count)
        printf("  %4s %8s %-16s %-9s %-9s %12s %10s %10s %6s %10s %10s\n", "lane", "tid", "thread", "state",
               "mode", "records", "rec/s", "bytes/s", "fill%", "lag", "dropped");
    for (uint32_t i = 0; i < f->lanes_count; i++) {
        const struct lane_figures *l = &f->lanes[i];
        printf("  %4" PRIu32 " %8" PRIu32 " %-16.16s %-9s %-9s %12" PRIu64 " %10.0f %10.0f %6.1f %10" PRIu64
               " %10" PRIu64 "\n",
               l->lane, l->owner.tid, safe_clean(l->owner.thread, strlen(l->owner.thread), text),
               name_of(lane_states, 4, l->owner.state), name_of(lane_modes, 3, l->owner.mode), l->seq,
               l->rate, l->bytes_rate, 100.0 * (double)l->fill / (double)l->capacity, l->lag, l->dropped);
    }
}

static void json_time_print(const char *name, int64_t ns)
{
    time_text_buf text;
    if (ns)
        printf("\"%s\":\"%s\",", name, time_print(ns, text));
}

static void json_print(const struct reader_segment *s, const struct segment_figures *f)
{
    safe_text text;
    safe_path path;
    const struct fapilog_process_info *p = &s->seg->process;
    printf("{\"service\":\"%s\",", safe_quoted(p->service.data, p->service.len, text));
    printf("\"path\":\"%s\",\"pid\":%" PRIu32 ",\"state\":\"%s\",\"collected\":%s,\"age_s\":%.3f,",
           safe_quoted_path(s->path, path), p->pid, f->state, f->has_collector ? "true" : "false",
           f->age_s);
    json_time_print("from", f->from_ns);
    json_time_print("to", f->to_ns);
    json_time_print("oldest_undelivered", f->undelivered_ns);
    json_time_print("last_drop", f->drop_ns);
    printf("\"records\":%" PRIu64 ",\"rate\":%.1f,\"dropped\":%" PRIu64 ",\"fill\":%" PRIu64
           ",\"lag\":%" PRIu64 ",\"orphans\":%" PRIu64 ",\"truncated\":%" PRIu64 ",\"unregistered\":%" PRIu64
           ",\"lanes\":[",
           f->seq, f->rate, f->dropped, f->fill, f->lag, f->orphans, f->truncated, f->unregistered);
    for (uint32_t i = 0; i < f->lanes_count; i++) {
        const struct lane_figures *l = &f->lanes[i];
        printf("%s{\"lane\":%" PRIu32 ",\"tid\":%" PRIu32
               ",\"thread\":\"%s\",\"state\":\"%s\",\"mode\":\"%s\",",
               i ? "," : "", l->lane, l->owner.tid, safe_quoted(l->owner.thread, strlen(l->owner.thread), text),
               name_of(lane_states, 4, l->owner.state), name_of(lane_modes, 3, l->owner.mode));
        printf("\"generation\":%" PRIu32 ",\"records\":%" PRIu64
               ",\"rate\":%.1f,\"bytes_rate\":%.1f,\"capacity\":%" PRIu64 ",\"fill\":%" PRIu64
               ",\"lag\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"dropped_bytes\":%" PRIu64
               ",\"blocked\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"skipped_bytes\":%" PRIu64
               ",\"lost\":%" PRIu64 "}",
               l->owner.generation, l->seq, l->rate, l->bytes_rate, l->capacity, l->fill, l->lag, l->dropped,
               l->dropped_bytes, l->blocked, l->delivered, l->skipped_bytes, l->lost);
    }
    printf("]}\n");
}

struct look {
    const struct segment *seg;
    struct segment_figures figures;
};

static void who_print(const char *what, const struct look *l)
{
    safe_text text;
    const struct fapilog_process_info *p = &l->seg->process;
    printf("%s %s pid %" PRIu32, what, safe_clean(p->service.data, p->service.len, text), p->pid);
}

/* Of many processes: whom to look at. */
static void sum_print(const struct look *looks, size_t count)
{
    const struct look *dropper = NULL, *lagger = NULL;
    uint64_t seq = 0, dropped = 0, lag = 0;
    unsigned alive = 0, uncollected = 0;
    time_text_buf age;
    for (size_t i = 0; i < count; i++) {
        const struct segment_figures *f = &looks[i].figures;
        seq += f->seq;
        dropped += f->dropped;
        lag += f->lag;
        alive += strcmp(f->state, "alive") == 0;
        uncollected += !f->has_collector;
        if (f->dropped && (!dropper || f->dropped > dropper->figures.dropped))
            dropper = &looks[i];
        if (f->undelivered_ns && (!lagger || f->undelivered_ns < lagger->figures.undelivered_ns))
            lagger = &looks[i];
    }
    printf("\n%zu processes, %u alive, %u without a collector: %" PRIu64 " records, %" PRIu64 " dropped", count, alive,
           uncollected, seq, dropped);
    if (dropper)
        who_print(", most by", dropper);
    printf("; %" PRIu64 " bytes waiting", lag);
    if (lagger) {
        who_print(", longest those of", lagger);
        printf(" (%s)", age_print(lagger->figures.undelivered_ns, age));
    }
    printf("\n");
}

static const struct segment_figures *look_find(const struct look *looks, size_t count,
                                               const struct segment *seg)
{
    for (size_t i = 0; i < count; i++) {
        if (looks[i].seg == seg)
            return &looks[i].figures;
    }
    return NULL;
}

static void looks_free(struct look *looks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        figures_done(&looks[i].figures);
    free(looks);
}

/* Prints all segments; replaces *looks by what was seen now. */
static int look_once(const struct reader *r, bool json, struct look **looks, size_t *looks_count)
{
    struct reader_segment *const *segments;
    const size_t count = reader_segments(r, &segments);
    struct look *now = calloc(count + 1, sizeof *now);
    size_t taken = 0;
    if (!now)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!segments[i]->seg)
            continue;
        struct look *l = &now[taken];
        l->seg = segments[i]->seg;
        if (figures_take(segments[i], look_find(*looks, *looks_count, l->seg), &l->figures) < 0) {
            looks_free(now, taken);
            return -ENOMEM;
        }
        taken++;
        if (json)
            json_print(segments[i], &l->figures);
        else
            table_print(segments[i], &l->figures);
    }
    if (!json && taken > 1)
        sum_print(now, taken);
    looks_free(*looks, *looks_count);
    *looks = now;
    *looks_count = taken;
    return 0;
}

int stats(const struct options *o, struct reader *r, struct err *e)
{
    const bool json = o->format && strcmp(o->format, "json") == 0;
    if (o->format && !json && strcmp(o->format, "pretty") != 0)
        return err_set(e, -EINVAL, "--stats: --format is pretty or json, not '%s'", o->format);
    struct look *looks = NULL;
    size_t looks_count = 0;
    bool is_first = true;
    int n;
    do {
        n = reader_rescan(r, e);
        if (n < 0)
            break;
        if (o->follow && !json)
            (void)fputs(output_is_plain(STDOUT_FILENO) ? "\n" : "\x1b[H\x1b[2J", stdout);
        n = look_once(r, json, &looks, &looks_count);
        n = n < 0 ? err_set(e, n, "no memory for figures") : stats_natives(r, json, e);
        if (n == 0 && fflush(stdout) != 0)
            n = errno == EPIPE ? 0 : err_sys(e, -errno, "write to stdout");
        if (o->follow && is_first) /* the first look scans files from their beginning, which may take long */
            follow_init();
        is_first = false;
    } while (n == 0 && o->follow && !ferror(stdout) && follow_sleep(REFRESH_MS));
    looks_free(looks, looks_count);
    return n;
}
