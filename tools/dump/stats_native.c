#include "tools/dump/stats_native.h"

#include "lib/base/time_text.h"
#include "lib/reader/native_stream.h"
#include "tools/dump/safe_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct table {
    bool json;
    uint32_t processes; /* printed */
};

static void lanes_print(void *arg, const struct fapilog_process_info *process, struct native_lane *const *lanes,
                        uint32_t lanes_count)
{
    struct table *t = arg;
    uint32_t printed = 0;
    safe_text text;
    const char *service = t->json ? safe_quoted(process->service.data, process->service.len, text)
                                  : safe_clean(process->service.data, process->service.len, text);
    printf(t->json ? "%s{\"service\":\"%s\",\"pid\":%" PRIu32 ",\"lanes\":[" : "%s  %s pid %" PRIu32 "\n",
           t->json && t->processes ? "," : "", service, process->pid);
    t->processes++;
    if (!t->json)
        printf("  %4s %8s %-16s %12s %12s\n", "lane", "tid", "thread", "records", "bytes");
    for (uint32_t i = 0; i < lanes_count; i++) {
        const struct native_lane *l = lanes[i];
        if (!l || !l->bytes)
            continue;
        const size_t len = strnlen(l->thread, sizeof l->thread);
        if (t->json)
            printf("%s{\"lane\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"thread\":\"%s\",\"records\":%" PRIu64
                   ",\"bytes\":%" PRIu64 "}", printed++ ? "," : "", i, l->tid, safe_quoted(l->thread, len, text),
                   l->records, l->bytes);
        else
            printf("  %4" PRIu32 " %8" PRIu32 " %-16.16s %12" PRIu64 " %12" PRIu64 "\n", i, l->tid,
                   safe_clean(l->thread, len, text), l->records, l->bytes);
    }
    if (t->json)
        printf("]}");
}

static const char *time_print(int64_t ns, char *ret)
{
    struct time_text t = {0};
    *time_text_write(&t, ns, 3, ret) = '\0';
    return ret;
}

static void file_print(const char *path, const struct native_stream *s, bool json)
{
    struct native_figures f;
    struct native_totals totals = {0};
    struct table t = {.json = json};
    char from[64], to[64];
    safe_text text;
    native_stream_figures(s, &f);
    native_stream_totals(s, &totals);
    const double seconds = f.to_ns > f.from_ns ? (double)(f.to_ns - f.from_ns) / 1e9 : 0;
    const double rate = seconds > 0 ? (double)f.records / seconds : 0;
    if (json) {
        printf("{\"path\":\"%s\",\"state\":\"native\",\"records\":%" PRIu64 ",\"rate\":%.1f,\"blocks\":%" PRIu64
               ",\"bytes\":%" PRIu64 ",\"raw_bytes\":%" PRIu64 ",\"damaged\":%" PRIu64 ",",
               safe_quoted(path, strlen(path), text), f.records, rate, f.blocks, f.file_bytes, f.raw_bytes,
               totals.damaged);
        if (f.from_ns)
            printf("\"from\":\"%s\",\"to\":\"%s\",", time_print(f.from_ns, from), time_print(f.to_ns, to));
        printf("\"processes\":[");
    } else {
        printf("%s\n  native file, %" PRIu64 " records, %.0f/s, %" PRIu64 " blocks, %" PRIu64 " bytes (%" PRIu64
               " raw), %" PRIu64 " damaged\n", safe_clean(path, strlen(path), text), f.records, rate, f.blocks,
               f.file_bytes, f.raw_bytes, totals.damaged);
        if (f.from_ns)
            printf("  written from %s to %s\n", time_print(f.from_ns, from), time_print(f.to_ns, to));
    }
    native_stream_segments(s, lanes_print, &t);
    if (json)
        printf("]}\n");
}

int stats_natives(struct reader *r, bool json, struct err *e)
{
    const int n = reader_natives_scan(r, e);
    for (size_t i = 0; n == 0 && i < reader_natives_count(r); i++) {
        const char *path;
        const struct native_stream *s = reader_native_stream(r, i, &path);
        file_print(path, s, json);
    }
    return n;
}
