#include "tools/dump/stats_native.h"

#include "lib/base/time_text.h"
#include "tools/dump/safe_text.h"
#include "tools/dump/stats_native_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static void lane_json(const struct native_lane *l, uint32_t number, bool is_first)
{
    safe_text text;
    printf("%s{\"lane\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"thread\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"dropped\":%" PRIu64 ",\"lost\":%" PRIu64 "}", is_first ? "" : ",", number, l->tid,
           safe_quoted(l->thread, strnlen(l->thread, sizeof l->thread), text), l->records, l->bytes,
           l->losses.dropped, l->losses.overwritten);
}

static void process_json(void *arg, const struct native_process *p)
{
    bool *is_first = arg, is_first_lane = true;
    const struct fapilog_process_info *info = p->info;
    safe_text text;
    printf("%s{\"service\":\"%s\",\"pid\":%" PRIu32 ",\"uuid\":\"", *is_first ? "" : ",",
           safe_quoted(info->service.data, info->service.len, text), info->pid);
    for (size_t i = 0; i < sizeof info->uuid; i++)
        printf("%02x", info->uuid[i]);
    printf("\",\"orphans\":%" PRIu64 ",\"truncated\":%" PRIu64 ",\"unregistered\":%" PRIu64 ",\"lanes\":[",
           p->losses.no_lane, p->losses.truncated, p->losses.unregistered);
    *is_first = false;
    for (uint32_t i = 0; i < p->lanes_count; i++) {
        const struct native_lane *l = p->lanes[i];
        if (!l || (!l->bytes && !l->losses.dropped && !l->losses.overwritten))
            continue;
        lane_json(l, i, is_first_lane);
        is_first_lane = false;
    }
    printf("]}");
}

/* ---- files ---- */

static const char *time_print(int64_t ns, char *ret)
{
    struct time_text t = {0};
    *time_text_write(&t, ns, 3, ret) = '\0';
    return ret;
}

struct file_figures {
    struct native_figures f;
    struct native_totals totals;
    double rate;
    char from[TIME_TEXT_MAX + 1], to[TIME_TEXT_MAX + 1]; /* "": not known */
};

static void file_take(const struct native_stream *s, struct file_figures *ret)
{
    *ret = (struct file_figures){.rate = 0};
    native_stream_figures(s, &ret->f);
    native_stream_totals(s, &ret->totals);
    const double seconds = ret->f.to_ns > ret->f.from_ns ? (double)(ret->f.to_ns - ret->f.from_ns) / 1e9 : 0;
    if (seconds > 0)
        ret->rate = (double)ret->f.records / seconds;
    if (ret->f.from_ns) {
        (void)time_print(ret->f.from_ns, ret->from);
        (void)time_print(ret->f.to_ns, ret->to);
    }
}

static void file_json(const char *path, const struct native_stream *s)
{
    struct file_figures x;
    bool is_first = true;
    safe_path text;
    file_take(s, &x);
    printf("{\"path\":\"%s\",\"state\":\"native\",\"records\":%" PRIu64 ",\"rate\":%.1f,\"blocks\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"raw_bytes\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"lost\":%" PRIu64 ",",
           safe_quoted_path(path, text), x.f.records, x.rate, x.f.blocks, x.f.file_bytes, x.f.raw_bytes,
           x.totals.damaged, x.f.lost);
    if (x.from[0])
        printf("\"from\":\"%s\",\"to\":\"%s\",", x.from, x.to);
    printf("\"processes\":[");
    native_stream_segments(s, process_json, &is_first);
    printf("]}\n");
}

static int file_print(const char *path, const struct native_stream *s)
{
    struct file_figures x;
    struct native_table t;
    safe_path text;
    const int r = native_table_take(&t, &s, 1);
    if (r < 0)
        return r;
    file_take(s, &x);
    printf("%s\n  native file, %" PRIu64 " records, %.0f/s, %" PRIu64 " lost, ", safe_clean_path(path, text),
           x.f.records, x.rate, x.f.lost);
    printf("%" PRIu64 " blocks, %" PRIu64 " bytes (%" PRIu64 " raw), %" PRIu64 " damaged\n", x.f.blocks, x.f.file_bytes,
           x.f.raw_bytes, x.totals.damaged);
    if (x.from[0])
        printf("  written from %s to %s\n", x.from, x.to);
    native_table_print(&t);
    native_table_done(&t);
    return 0;
}

/* Each file tells what was lost until its end: to add that up would count it again. */
static int together_print(const struct native_stream *const *streams, size_t count)
{
    struct native_table t;
    const int r = native_table_take(&t, streams, count);
    if (r < 0)
        return r;
    printf("\n%zu native files together: %" PRIu32 " processes, %" PRIu64 " records, %" PRIu64 " lost\n", count,
           t.processes, t.records, t.lost);
    native_table_print(&t);
    native_table_done(&t);
    return 0;
}

/* What is damaged within a block whose checksum is right, as it was in the ring, only shows record by record. */
static int walk(const struct native_stream *s)
{
    struct native_lane *const *lanes;
    struct fapilog_record record;
    const uint32_t count = native_stream_lanes(s, &lanes);
    int n = 0;
    for (uint32_t i = 0; i < count && n >= 0; i++) {
        while (n >= 0 && native_lane_peek(lanes[i])) {
            n = native_lane_enter(lanes[i]);
            while (n > 0)
                n = native_lane_next(lanes[i], &record);
        }
    }
    return n;
}

int stats_natives(struct reader *r, bool json, struct err *e)
{
    int n = reader_natives_scan(r, e);
    const size_t count = reader_natives_count(r);
    if (n < 0 || !count)
        return n;
    const struct native_stream **streams = calloc(count, sizeof(struct native_stream *));
    n = streams ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && n == 0; i++) {
        const char *path;
        streams[i] = reader_native_stream(r, i, &path);
        n = walk(streams[i]);
        if (n == 0 && json)
            file_json(path, streams[i]);
        else if (n == 0)
            n = file_print(path, streams[i]);
    }
    if (n == 0 && !json && count > 1)
        n = together_print(streams, count);
    free(streams);
    return n < 0 ? err_set(e, n, "no memory for figures") : 0;
}
