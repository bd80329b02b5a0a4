/* remote-send URI COMMAND...: drives a remote sink without the collector around it, for tests against real
 * servers. Commands, in order; one line of output for each request:
 *
 *   add KIND N      encode N records of a sample kind (a number), numbered through their positions
 *   bad             encode a record whose payload is no JSON
 *   send            send all that was added as one request; what it says: OUTCOME REJECTED RETRY STATUS REASON
 *   clear           forget the entries */
#include "collector/io/io.h"
#include "collector/sinks/sink.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/record_sample.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 100000, WAIT_S = 30 };

static struct {
    struct io *io;
    struct sink *sink;
    const struct entry_head *entry[ENTRIES_MAX];
    uint32_t count;
    uint64_t position;
    struct sink_request request;
    bool is_done;
} run;

static int complain(const char *what, const struct err *e)
{
    (void)fprintf(stderr, "%s: %s\n", what, e->text);
    return 1;
}

static void on_done(struct sink *s, struct sink_request *q, const struct sink_result *r)
{
    static const char *const names[] = {"DELIVERED", "RETRY", "REFUSED", "BROKEN"};
    CHECK(s == run.sink && q == &run.request && !run.is_done);
    (void)printf("%s %u %u %d %s\n", names[r->outcome], r->rejected_count, r->retry_count, r->status, r->reason);
    (void)fflush(stdout);
    run.is_done = true;
}

static void add_entry(const struct fapilog_record *r, bool is_bad)
{
    const struct sink_remote_ops *ops = run.sink->ops->remote;
    struct format *f = run.sink->format;
    const size_t bound = ops->encode_bound ? ops->encode_bound(run.sink, r) : f->ops->bound(f, r);
    char *buf = malloc(entry_bound(bound));
    CHECK(buf && run.count < ENTRIES_MAX);
    struct entry_head *h = (struct entry_head *)(void *)buf;
    uint16_t group = 0, meta = 0;
    char *begin = buf + sizeof *h, *end;
    if (ops->encode) {
        end = ops->encode(run.sink, r, begin, &group, &meta);
    } else {
        end = f->ops->write(f, r, begin);
        end -= end > begin && f->ops->is_lines;
    }
    CHECK((size_t)(end - begin) <= bound);
    if (is_bad)
        begin[group + meta] = '!';
    (void)entry_finish(h, r, group, meta, end);
    run.entry[run.count++] = h;
}

static void add(unsigned kind, unsigned n, bool is_bad)
{
    for (unsigned i = 0; i < n; i++) {
        struct sample *s = sample_new(kind);
        s->r.id.position = run.position++ * 64;
        s->r.time_ns += (int64_t)i * 1000;
        add_entry(&s->r, is_bad);
        sample_free(s);
    }
}

static void forget(void)
{
    while (run.count)
        free((void *)(uintptr_t)run.entry[--run.count]);
}

static int send_request(void)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_S * NS_PER_S;
    run.is_done = false;
    run.request = (struct sink_request){
        .entry = run.entry, .count = run.count, .attempt = 1, .deadline_ns = give_up,
    };
    for (uint32_t i = 0; i < run.count; i++)
        run.request.bytes += run.entry[i]->payload_len;
    run.sink->ops->remote->send(run.sink, &run.request);
    while (!run.is_done && clock_mono_ns() < give_up)
        if (io_turn(run.io, clock_mono_ns() + 50 * NS_PER_MS) < 0)
            return 1;
    return run.is_done ? 0 : 1;
}

static int open_sink(const char *uri)
{
    struct err e = {0};
    const struct io_config cfg = {0};
    const struct format_config format = {0};
    if (io_new(&cfg, &run.io, &e) < 0 || sink_new(uri, "remote-send", &run.sink, &e) < 0)
        return complain(uri, &e);
    run.sink->io = run.io;
    run.sink->request_done = on_done;
    if (run.sink->common.format && format_open(run.sink->common.format, &format, 0, &run.sink->format, &e) < 0)
        return complain("format", &e);
    return run.sink->ops->open(run.sink, &e) < 0 ? complain("open", &e) : 0;
}

int main(int argc, char **argv)
{
    int status = 2;
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 1)
        status = open_sink(argv[1]);
    for (int i = 2; i < argc && status == 0; i++) {
        if (!strcmp(argv[i], "add") && i + 2 < argc) {
            add((unsigned)strtoul(argv[i + 1], NULL, 10), (unsigned)strtoul(argv[i + 2], NULL, 10), false);
            i += 2;
        } else if (!strcmp(argv[i], "bad")) {
            add(SAMPLE_SIMPLE, 1, true);
        } else if (!strcmp(argv[i], "clear")) {
            forget();
        } else {
            status = strcmp(argv[i], "send") == 0 ? send_request() : 2;
        }
    }
    forget();
    if (run.sink && run.sink->ops->close)
        (void)run.sink->ops->close(run.sink, NULL);
    if (run.sink && run.sink->format)
        format_close(run.sink->format);
    sink_free(run.sink);
    io_free(run.io);
    return status;
}
