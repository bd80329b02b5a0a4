/* fapilog-cat: lines to records. */
#include "tools/cat/lines.h"
#include "tools/cat/ndjson.h"
#include "tools/cat/options.h"

#include "lib/base/cleanup.h"
#include "lib/base/opt.h"
#include "lib/base/stdio_keep.h"

#include <fapilog/fapilog.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LANE_BYTES = 4 << 20,     /* the longest line fits the lane: what took another could be overtaken */
    LINE_MAX_BYTES = 1 << 20, /* text of one record; the library marks what it has to cut */
    FLUSH_NS = 200000000,     /* --wait: then look for a signal */
    RETRY_MS = 100,
    COMPLAINTS_MAX = 10,      /* unreadable lines that are named one by one */
};

struct cat {
    struct cat_options options;
    fapilog_t *log;
    struct ndjson json;
    uint64_t records, not_json;
    uint64_t lane_bytes;
    uint64_t acked_bytes; /* of the ring that a collector had acknowledged when --wait last looked */
    bool has_waited;
    int stop_fd;
    bool failed, is_stopped;
};

static int stop_pipe[2] = {-1, -1};

/* The second signal ends the program at once (SA_RESETHAND): a collector that is stuck may hold up a line. */
static void on_stop(int number)
{
    (void)number;
    const int error = errno;
    (void)!write(stop_pipe[1], "", 1);
    errno = error;
}

/* Ctrl-C in a pipeline ends the one who writes, too: what it has written is logged, and what was dropped is told. */
static void stop_on_signals(struct cat *c)
{
    const struct sigaction stop = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    c->stop_fd = -1;
    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return; /* they end it at once, as without a handler */
    c->stop_fd = stop_pipe[0];
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
}

static void complain(struct cat *c, const char *name, uint64_t number, const char *what)
{
    c->not_json++;
    if (!c->options.quiet && c->not_json <= COMPLAINTS_MAX)
        cat_complain(name, ":%" PRIu64 ": %s; logged as plain text\n", number, what);
}

/* What there was no room for is in the counters, which report() reads at the end. */
static void log_line(struct cat *c, const char *name, uint64_t number, const struct line *line)
{
    struct err e = {0};

    c->records++;
    if (c->options.json) {
        int r = ndjson_parse(&c->json, line->data, line->len, &e);
        if (r == 0)
            r = fapilog_log(c->log, c->json.level ? c->json.level : c->options.level, c->json.message.data,
                            c->json.message.len, c->json.fields, c->json.fields_count);
        else
            r = -EINVAL;
        if (r != -EINVAL)
            return;
        complain(c, name, number, e.text[0] ? e.text : "JSON, but with names too long for a record");
    }
    (void)fapilog_log(c->log, c->options.level, line->data, line->len, NULL, 0);
}

static bool stop_is_wanted(const struct cat *c, int wait_ms)
{
    struct pollfd p = {.fd = c->stop_fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0; /* the pipe stays readable: lines_next() ends by it, too */
}

/* --wait: a quarter of the lane at most is on its way, and the next line fits in any case. A call that finds no room
 * waits only while a collector shows life, and then the line is lost and counted; so it does not come to that. */
static void wait_for_collector(struct cat *c)
{
    struct fapilog_counters counters;
    fapilog_get_counters(c->log, &counters);
    if (counters.bytes - c->acked_bytes < c->lane_bytes / 4)
        return;
    for (int r; (r = fapilog_flush(c->log, FLUSH_NS, NULL)) < 0 && !stop_is_wanted(c, RETRY_MS);) {
        if (r == -ENOTCONN && !c->has_waited && !c->options.quiet)
            fputs("fapilog-cat: no collector is reading the ring; waiting for one\n", stderr);
        c->has_waited |= r == -ENOTCONN;
    }
    c->acked_bytes = counters.bytes;
}

static int cat_fd(struct cat *c, const char *name, int fd)
{
    struct lines lines;
    struct line line;

    /* One byte over the limit lets the library see, cut and mark a longer line. */
    int r = lines_init(&lines, fd, c->stop_fd, LINE_MAX_BYTES + 1);
    if (r < 0)
        return r;
    while ((r = lines_next(&lines, &line)) > 0) {
        log_line(c, name, lines.number, &line);
        if (c->options.wait)
            wait_for_collector(c);
    }
    c->is_stopped = lines.is_stopped;
    lines_done(&lines);
    return r;
}

static void cat_file(struct cat *c, const char *name)
{
    const bool is_stdin = strcmp(name, "-") == 0;
    const char *const shown = is_stdin ? "standard input" : name;
    auto_fd opened = is_stdin ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    const int r = !is_stdin && opened < 0 ? -errno : cat_fd(c, shown, is_stdin ? 0 : opened);
    if (r < 0) {
        cat_complain(shown, ": %s\n", strerror(-r));
        c->failed = true;
    }
}

/* As the library reads it: what it refuses is its default. */
static uint64_t lane_bytes(void)
{
    enum { DEFAULT = 512 << 10 };
    const char *const text = getenv("FAPILOG_LANE_SIZE");
    uint64_t bytes;
    return !text ? LANE_BYTES : opt_parse_size(text, &bytes) < 0 ? DEFAULT : bytes;
}

static void report(struct cat *c, const struct fapilog_counters *counters)
{
    const uint64_t dropped = counters->dropped + counters->orphaned + counters->unregistered;
    if (dropped > 0) {
        fprintf(stderr, "fapilog-cat: %" PRIu64 " of %" PRIu64 " lines were dropped: the ring was full and no "
                "collector is reading it, or its file system has no room; start fapilog-collector, or use --wait\n",
                dropped, c->records);
        c->failed = true;
    }
    if (c->options.quiet)
        return;
    if (counters->truncated > 0)
        fprintf(stderr, "fapilog-cat: %" PRIu64 " lines were longer than a record (1 MiB) and are cut\n",
                counters->truncated);
    if (c->not_json > COMPLAINTS_MAX)
        fprintf(stderr, "fapilog-cat: %" PRIu64 " lines in all were no JSON that a record can hold\n", c->not_json);
}

int main(int argc, char **argv)
{
    struct cat c = {0};
    if (stdio_keep() < 0)
        return 1;
    switch (cat_options_parse(&c.options, argc, argv)) {
    case CAT_EXIT_OK: return 0;
    case CAT_EXIT_FAILED: return 1;
    case CAT_EXIT_USAGE: return 2;
    case CAT_RUN: break;
    }

    const struct fapilog_options options = {
        .size = sizeof options,
        .ring_dir = c.options.rings,
        .level = FAPILOG_LEVEL_TRACE, /* --level says what the lines are, not what is let through */
        .on_full = FAPILOG_ON_FULL_BLOCK,
        .lanes = 1,
        .lane_bytes = getenv("FAPILOG_LANE_SIZE") ? 0 : LANE_BYTES,
    };
    c.lane_bytes = lane_bytes();
    stop_on_signals(&c);
    fapilog_t *root = fapilog_open(c.options.service, &options);
    if (!fapilog_enabled(root, FAPILOG_LEVEL_SECURITY))
        return 1; /* no segment: the library has said why */
    c.log = c.options.fields_count ? fapilog_with(root, c.options.fields, c.options.fields_count) : root;
    if (c.options.fields_count && c.log == root) {
        fputs("fapilog-cat: --field: a ring does not hold names (64 KiB) or texts of that length\n", stderr);
        fapilog_close(root);
        return 1;
    }

    if (!c.options.files[0])
        cat_file(&c, "-");
    for (char **name = c.options.files; *name && !c.is_stopped; name++)
        cat_file(&c, *name);

    struct fapilog_counters counters = {0};
    fapilog_get_counters(root, &counters);
    ndjson_clear(&c.json);
    fapilog_close(root);
    report(&c, &counters);
    return c.failed ? 1 : 0;
}
