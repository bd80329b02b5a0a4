#include "tools/dump/verify.h"

#include "lib/reader/native_stream.h"
#include "tools/dump/safe_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t segment_report(const struct reader_segment *s)
{
    uint64_t good, bad, events = 0, damaged = 0, skipped = 0, lost = 0;
    registry_verify(&s->seg->registry, &good, &bad);
    for (uint32_t i = 0; i < s->seg->lanes_count; i++) {
        const struct lane_cursor *c = reader_lane_cursor(s, i);
        if (!c)
            continue;
        events += c->events;
        damaged += c->damaged;
        skipped += c->skipped_bytes;
        lost += c->lost;
    }
    const bool file = segment_is_damaged(s->seg);
    safe_path text;
    printf("%s: %s, %" PRIu64 " records, %" PRIu64 " registry entries", safe_clean_path(s->path, text),
           file || bad || damaged ? "DAMAGED" : "good", events, good);
    if (file)
        printf("; superblock or length of the file is damaged");
    if (bad)
        printf("; %" PRIu64 " damaged registry entries", bad);
    if (damaged)
        printf("; %" PRIu64 " damaged places, %" PRIu64 " bytes skipped", damaged, skipped);
    if (lost)
        printf("; %" PRIu64 " overwritten meanwhile", lost);
    printf("\n");
    return file + bad + damaged;
}

static uint64_t native_report(const char *path, const struct native_stream *s)
{
    struct native_totals t = {0};
    struct native_figures f;
    safe_path text;
    native_stream_totals(s, &t);
    native_stream_figures(s, &f);
    printf("%s: %s, %" PRIu64 " records", safe_clean_path(path, text), t.damaged ? "DAMAGED" : "good",
           f.records);
    if (t.damaged)
        printf("; %" PRIu64 " damaged places, %" PRIu64 " bytes skipped", t.damaged, t.skipped_bytes);
    if (t.unfinished_bytes)
        printf("; the last %" PRIu64 " bytes are no whole block: being written, or cut off", t.unfinished_bytes);
    if (f.lost)
        printf("; its processes had lost %" PRIu64 " records by its end, see --stats", f.lost);
    printf("\n");
    return t.damaged;
}

int verify(struct reader *r, struct err *e)
{
    struct fapilog_record rec;
    struct reader_segment *const *segments;
    struct reader_totals t;
    uint64_t bad = 0;
    int n = reader_refresh(r, e);
    while (n >= 0 && (n = reader_next(r, &rec, e)) > 0)
        ;
    if (n < 0)
        return n;
    const size_t count = reader_segments(r, &segments);
    for (size_t i = 0; i < count; i++)
        bad += segments[i]->seg ? segment_report(segments[i]) : 0;
    for (size_t i = 0; i < reader_natives_count(r); i++) {
        const char *path;
        const struct native_stream *s = reader_native_stream(r, i, &path);
        bad += native_report(path, s);
    }
    reader_totals(r, &t);
    if (fflush(stdout) != 0 && errno != EPIPE) /* who has closed the pipe still gets the status */
        return err_sys(e, -errno, "write to stdout");
    if (t.refused || bad)
        return err_set(e, -EBADMSG, "%" PRIu64 " damaged places, %" PRIu64 " files that cannot be read", bad,
                       t.refused);
    return 0;
}
