/* fapilog-dump: looks into rings, native files, spools, dead letters and ledgers. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fd_io.h"
#include "lib/base/stdio_keep.h"
#include "lib/reader/native_stream.h"
#include "lib/reader/reader.h"
#include "lib/ring/ringdir.h"
#include "tools/dump/follow.h"
#include "tools/dump/options.h"
#include "tools/dump/output.h"
#include "tools/dump/sources.h"
#include "tools/dump/spool.h"
#include "tools/dump/spool_paths.h"
#include "tools/dump/stats.h"
#include "tools/dump/verify.h"
#include "tools/dump/warning.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 2 };

static void on_warning(void *arg, const char *text)
{
    (void)arg;
    warning_print(text);
}

static int fail(const struct err *e)
{
    on_warning(NULL, e->text);
    return EXIT_FAILURE;
}

static int fail_output(struct err *e)
{
    (void)err_sys(e, -errno, "write to stdout");
    return fail(e);
}

/* What could not be shown, for people; also what makes the output incomplete. */
static void losses_report(const struct reader *r)
{
    struct reader_totals t;
    reader_totals(r, &t);
    if (t.lost)
        (void)fprintf(stderr, "fapilog-dump: %" PRIu64 " records in all were overwritten before they could be read\n",
                      t.lost);
    if (t.damaged)
        (void)fprintf(stderr, "fapilog-dump: %" PRIu64 " damaged places, %" PRIu64 " bytes skipped\n",
                      t.damaged, t.skipped_bytes);
}

/* While it is followed, a loss is told when it is noticed, but not more than once a second. */
static void loss_tell(const struct reader *r)
{
    static uint64_t told, at_ns;
    const uint64_t now_ns = clock_mono_ns();
    struct reader_totals t;
    reader_totals(r, &t);
    if (t.lost == told || now_ns < at_ns)
        return;
    (void)fprintf(stderr, "fapilog-dump: %" PRIu64 " records were overwritten before they could be read\n",
                  t.lost - told);
    told = t.lost;
    at_ns = now_ns + NS_PER_S;
}

/* 1: broken off by a signal. */
static int records_print(const struct options *o, struct reader *r, struct output *out, bool is_last,
                         struct err *e)
{
    struct fapilog_record rec;
    bool explains = !o->follow && o->where, is_broken_off = false;
    int n;
    while ((n = reader_next(r, &rec, e)) > 0) {
        if (explains) /* see selection_tell() */
            explains = !out->records && where_look_for_keys(o->where, &rec);
        if (options_select(o, &rec) && (n = output_record(out, &rec, e)) < 0)
            return n;
        is_broken_off = !is_last && follow_is_stopped();
        if (is_broken_off)
            break;
    }
    if (n >= 0)
        n = output_flush(out, e);
    return n < 0 ? n : is_broken_off;
}

static int follow(const struct options *o, struct reader *r, struct output *out, struct err *e)
{
    struct options now = *o;
    int n = 0;
    follow_init();
    do {
        follow_since(&now.since_ns);
        follow_hold(r);
        n = reader_refresh(r, e);
        if (n == 0)
            n = records_print(&now, r, out, false, e);
        if (n == 0)
            n = output_settle(out, e);
        loss_tell(r);
    } while (n == 0 && follow_wait(r));
    if (n != 0)
        return n < 0 ? n : 0;
    follow_release(r);
    return records_print(&now, r, out, true, e); /* what was held, which is little */
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Of records of several processes each line has to say whose it is. */
static bool is_of_many(const struct options *o)
{
    return o->rings || o->paths_count != 1 || is_directory(o->paths[0]);
}

static void keys_tell(const struct where *w)
{
    unsigned at = 0;
    for (const char *near, *name; (name = where_missing_key(w, &at, &near)) != NULL;) {
        char line[ERR_TEXT_MAX];
        const bool is_member = near && strcmp(near, name) == 0;
        (void)snprintf(line, sizeof line, "--where: no record there has '%s%.200s'%s%s%s",
                       is_member ? "fields." : "", name, near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "");
        on_warning(NULL, line);
    }
    at = 0;
    for (const char *name; (name = where_hiding_key(w, &at)) != NULL;) {
        char line[ERR_TEXT_MAX];
        (void)snprintf(line, sizeof line, "--where: '%s' means the %s of the record; for the field of that name write "
                       "'fields.%s'", name, name, name);
        on_warning(NULL, line);
    }
    at = 0;
    for (const char *text; (text = where_plain_pattern(w, &at)) != NULL;) {
        char line[ERR_TEXT_MAX];
        (void)snprintf(line, sizeof line, "--where: == compares with '%.100s' as it stands; patterns take ~", text);
        on_warning(NULL, line);
    }
}

/* Rings that nobody has logged into, and files of which the only block is torn, are there and show nothing. */
static void no_records_tell(const struct reader *r)
{
    struct reader_segment *const *segments;
    uint64_t unfinished = 0;
    for (size_t i = 0; i < reader_natives_count(r); i++) {
        const char *path;
        struct native_totals t = {0};
        native_stream_totals(reader_native_stream(r, i, &path), &t);
        unfinished += t.unfinished_bytes;
    }
    if (unfinished)
        (void)fprintf(stderr, "fapilog-dump: no records there; the last %" PRIu64 " bytes are no whole block: being "
                      "written, or cut off\n", unfinished);
    else if (reader_segments(r, &segments) || reader_natives_count(r))
        (void)fputs("fapilog-dump: no records there\n", stderr);
}

/* An empty answer may be to the wrong question. */
static void selection_tell(const struct options *o, const struct reader *r, const struct output *out)
{
    struct reader_totals t;
    reader_totals(r, &t);
    if (o->follow || out->records)
        return;
    if (!t.records) {
        no_records_tell(r);
        return;
    }
    (void)fprintf(stderr, "fapilog-dump: none of the %" PRIu64 " records there matches\n", t.records);
    if (o->where)
        keys_tell(o->where);
}

static int dump(const struct options *o, struct reader *r, struct err *e)
{
    struct output out;
    int n = output_open(&out, o->format, is_of_many(o), o->last, e);
    if (n < 0)
        return n;
    if (o->follow) {
        n = follow(o, r, &out, e);
    } else {
        n = reader_refresh(r, e);
        if (n == 0)
            n = records_print(o, r, &out, false, e);
        if (n == 0)
            n = output_settle(&out, e);
        if (n == 0)
            selection_tell(o, r, &out);
    }
    output_close(&out);
    return n == -EPIPE ? 0 : n; /* the reader of our output has seen enough */
}

/* An empty answer and a wrong directory look alike. */
static void emptiness_tell(const struct options *o, const struct reader *r)
{
    struct reader_segment *const *segments;
    struct reader_totals t;
    reader_totals(r, &t);
    if (o->follow || reader_segments(r, &segments) || reader_natives_count(r) || t.refused)
        return;
    for (int i = 0; i < o->paths_count; i++)
        if (is_directory(o->paths[i])) /* of a file it was told already */
            (void)fprintf(stderr, "fapilog-dump: no rings and no native files in %s\n", o->paths[i]);
    struct ringdir dir;
    if ((!o->paths_count || o->rings) && ringdir_choose(&dir, o->rings, NULL) == 0)
        (void)fprintf(stderr, "fapilog-dump: no rings and no native files in %s%s\n", dir.path,
                      o->rings ? "" : SOURCES_OTHERS);
}

/* One file that cannot be read hides no others, but a script is told. */
static int check_any(const struct options *o, const struct reader *r, struct err *e)
{
    struct reader_segment *const *segments;
    struct reader_totals t;
    reader_totals(r, &t);
    size_t read = reader_natives_count(r);
    const size_t count = reader_segments(r, &segments);
    for (size_t i = 0; i < count; i++)
        read += segments[i]->seg != NULL;
    if (o->follow || !t.refused)
        return 0;
    return read ? err_set(e, -EBADMSG, "%" PRIu64 " files could not be read: what is shown is not all there is",
                          t.refused)
                : err_set(e, -EBADMSG, "nothing there can be read");
}

static int verdicts(const struct options *o, struct reader *r, struct err *e)
{
    const int missing = sources_check(o, true, e), n = verify(r, e);
    return n < 0 ? n : missing;
}

/* A table of nothing would pass for one of services that lose nothing. */
static int figures(const struct options *o, struct reader *r, struct err *e)
{
    const int n = stats(o, r, e);
    return n < 0 || o->follow ? n : sources_check(o, false, e);
}

static int run(const struct options *o, struct err *e)
{
    struct reader *r;
    int n = o->paths_count ? spool_path_is_ours(o->paths[0], e) : 0;
    if (n > 0) {
        n = spool_dump(o, e);
        return n == -EPIPE ? 0 : n;
    }
    if (n == 0)
        n = reader_new(&r, on_warning, NULL, e);
    if (n < 0)
        return n;
    n = sources_add(r, o, e);
    if (n >= 0) {
        if (o->verify)
            n = verdicts(o, r, e);
        else if (o->stats)
            n = figures(o, r, e);
        else
            n = dump(o, r, e);
    }
    if (n >= 0 && !o->verify && !o->stats) /* which tell of it themselves */
        emptiness_tell(o, r);
    if (n >= 0 && !o->verify)
        losses_report(r);
    if (n >= 0)
        n = check_any(o, r, e);
    reader_free(r);
    return n;
}

/* Blocks of files are read into memory of their own, which goes back to the kernel with them. By itself malloc takes
 * from its heap what is as large as something freed before: there they leave holes behind, some for each file. */
static void give_back_memory(void)
{
    enum { LARGE_BYTES = 64 << 10 };
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = {0};
    if (stdio_keep() < 0)
        return EXIT_FAILURE;
    fd_limit_raise(); /* each native file stays open */
    give_back_memory();
    if (options_parse(argc, argv, (int64_t)clock_real_ns(), &o, &e) < 0) {
        (void)fail(&e);
        return EXIT_USAGE;
    }
    if (o.help || o.version) {
        if (o.help)
            options_help();
        else
            (void)puts("fapilog-dump " FAPILOG_VERSION);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : fail_output(&e);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const int n = run(&o, &e);
    options_done(&o);
    if (n < 0 && e.text[0])
        (void)fail(&e);
    return n == -EINVAL ? EXIT_USAGE : n < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
