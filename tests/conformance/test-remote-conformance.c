/* What every remote sink promises (collector/sinks/remote.h), over the list that the build makes: entries of any
 * record within their bound and whole again after a copy, limits that can be kept, a server that is not there,
 * cancellation. Real servers are the business of tests/servers and tests/e2e. */
#include "collector/sinks/sink.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/record_sample.h"
#include "tests/common/sink_new.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { EXIT_SKIP = 77, CANARY = 64, SINKS_MAX = 64, ENTRIES = 3 };

/* Sinks whose URI needs more than a host and a port. %u is the port. */
static const struct uri_row {
    const char *scheme, *uri;
    bool is_unanswered; /* delivered is what the socket has taken */
} uris[] = {
    {"http", "http://127.0.0.1:%u/logs", false},
    {"webhook", "webhook+http://127.0.0.1:%u/hook?secret=of-this-test", false},
    {"cloudwatch", "cloudwatch://us-east-1/group/stream?endpoint_url=http://127.0.0.1:%u", false},
    {"syslog", "syslog+tcp://127.0.0.1:%u", true},
    {"postgresql", "postgresql://user:pw@127.0.0.1:%u/db?table=logs", false},
    {"exec", "exec:///bin/false?restart_min=10ms&restart_max=20ms&args=%u", false},
    {NULL, "%s://127.0.0.1:%u/", false},
};

struct run {
    struct io *io;
    struct sink *sink;
    unsigned done;
    struct sink_result result;
    const struct entry_head *entry[ENTRIES];
    char *memory[ENTRIES];
    int listener;
};

static struct run run;

static void on_done(struct sink *s, struct sink_request *q, const struct sink_result *result)
{
    struct run *r = s->core;
    assert_ptr_equal(q->core, r);
    assert_null(q->work);
    r->done++;
    r->result = *result;
}

static void on_warn(struct sink *s, const struct err *e)
{
    (void)s;
    print_message("warning: %s\n", e->text);
}

/* A port of loopback; listening or with nobody behind it. */
static unsigned port_make(int *ret_fd)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *ret_fd = fd; /* bound and not listening: refused, and nobody else gets it */
    return ntohs(a.sin_port);
}

static const struct uri_row *uri_row_of(const struct sink_ops *ops)
{
    const struct uri_row *row = uris;
    while (row->scheme && strcmp(row->scheme, ops->scheme) != 0)
        row++;
    return row;
}

static void uri_make(const struct sink_ops *ops, unsigned port, char *ret, size_t size)
{
    const struct uri_row *row = uri_row_of(ops);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (row->scheme)
        (void)snprintf(ret, size, row->uri, port);
    else
        (void)snprintf(ret, size, row->uri, ops->scheme, port);
#pragma GCC diagnostic pop
}

static int setup(void **state)
{
    const struct sink_ops *ops = *state;
    const struct io_config cfg = { .kind = IO_AUTO };
    const struct format_config format = { 0 };
    char uri[300];
    struct err e = { 0 };
    run = (struct run){ .listener = -1 };
    uri_make(ops, port_make(&run.listener), uri, sizeof uri);
    CHECK(io_new(&cfg, &run.io, &e) == 0);
    if (sink_new(uri, "the test", &run.sink, &e) < 0) {
        print_message("%s\n", e.text);
        return -1;
    }
    run.sink->io = run.io;
    run.sink->core = &run;
    run.sink->request_done = on_done;
    run.sink->warn = on_warn;
    run.sink->common.name = run.sink->common.name ? run.sink->common.name : strdup(ops->scheme);
    if (run.sink->common.format)
        CHECK(format_open(run.sink->common.format, &format, 0, &run.sink->format, &e) == 0);
    if (ops->open(run.sink, &e) < 0) {
        print_message("%s\n", e.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    const struct sink_ops *ops = *state;
    struct err e = { 0 };
    if (run.sink) {
        CHECK(ops->close(run.sink, &e) == 0);
        if (run.sink->format)
            format_close(run.sink->format);
        sink_free(run.sink);
    }
    io_free(run.io);
    for (unsigned i = 0; i < ENTRIES; i++)
        free(run.memory[i]);
    (void)close(run.listener);
    return 0;
}

/* The record as an entry, at an address of its own; what the sink says is its bound is a wall. */
static const struct entry_head *encode(const struct fapilog_record *r, char **ret_memory)
{
    struct sink *s = run.sink;
    const struct sink_remote_ops *o = s->ops->remote;
    const size_t bound = o->encode ? o->encode_bound(s, r) : s->format->ops->bound(s->format, r);
    char *memory = malloc(entry_bound(bound) + CANARY), *out = memory + sizeof(struct entry_head);
    uint16_t group_len = 0, meta_len = 0;
    CHECK(memory != NULL);
    memset(out + bound, 0x5a, CANARY);
    char *end = o->encode ? o->encode(s, r, out, &group_len, &meta_len) : s->format->ops->write(s->format, r, out);
    assert_true(end >= out && (size_t)(end - out) <= bound);
    for (unsigned i = 0; i < CANARY; i++)
        assert_int_equal(out[bound + i], 0x5a);
    if (!o->encode && s->format->ops->is_lines)
        end--;
    assert_true((size_t)group_len + meta_len <= (size_t)(end - out));
    (void)entry_finish((struct entry_head *)(void *)memory, r, group_len, meta_len, end);
    *ret_memory = memory;
    return (const struct entry_head *)(void *)memory;
}

static void an_entry_of_any_record_keeps_its_bound_and_its_parts(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *s = sample_new(kind);
        char *memory;
        const struct entry_head *h = encode(&s->r, &memory);
        assert_ptr_equal(entry_at(memory, h->bytes), h);
        assert_int_equal(h->level, s->r.level);
        assert_memory_equal(h->uuid, s->r.id.uuid, sizeof h->uuid);
        assert_true(h->position == s->r.id.position && h->lane == s->r.id.lane && h->time_ns == s->r.time_ns);
        assert_true(h->bytes <= ENTRY_BYTES_MAX);
        free(memory);
        sample_free(s);
    }
}

/* Into so much room, with a wall behind it; the same entry or none. True: there was one. */
static bool encode_within(const struct fapilog_record *r, size_t room, const struct entry_head *want)
{
    char *out = malloc(room + CANARY);
    uint16_t group_len = 0, meta_len = 0;
    const size_t len = (size_t)want->group_len + want->meta_len + want->payload_len;
    CHECK(out != NULL);
    memset(out + room, 0x5a, CANARY);
    const char *end = run.sink->ops->remote->encode_within(run.sink, r, out, room, &group_len, &meta_len);
    for (unsigned i = 0; i < CANARY; i++)
        assert_int_equal(out[room + i], 0x5a);
    if (end) {
        assert_true(group_len == want->group_len && meta_len == want->meta_len);
        assert_int_equal(end - out, len);
        assert_memory_equal(out, entry_group(want), len);
    }
    free(out);
    return end;
}

static void an_entry_that_asks_for_no_bound_is_the_same_or_none(void **state)
{
    const struct sink_remote_ops *o = run.sink->ops->remote;
    unsigned seen = 0;
    (void)state;
    if (!o->encode_within)
        return;
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *s = sample_new(kind);
        char *memory;
        const struct entry_head *want = encode(&s->r, &memory);
        const size_t bound = o->encode_bound(run.sink, &s->r), len = (size_t)(want->bytes - sizeof *want);
        const size_t rooms[] = { 0, 1, 63, len / 2, len, bound / 2, bound - 1, bound, 2 * bound };
        for (unsigned i = 0; i < ARRAY_COUNT(rooms); i++)
            seen += encode_within(&s->r, rooms[i], want);
        free(memory);
        sample_free(s);
    }
    assert_true(seen > 0); /* or it is of no use */
}

static void the_same_record_gives_the_same_group(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *s = sample_new(kind);
        char *a, *b;
        const struct entry_head *x = encode(&s->r, &a), *y = encode(&s->r, &b);
        assert_int_equal(x->group_len, y->group_len);
        assert_memory_equal(entry_group(x), entry_group(y), x->group_len);
        free(a);
        free(b);
        sample_free(s);
    }
}

static void limits_can_be_kept(void **state)
{
    struct sink_limits l = { 0 };
    (void)state;
    if (run.sink->ops->remote->limits)
        run.sink->ops->remote->limits(run.sink, &l);
    assert_true(!l.bytes || l.bytes > l.entry_overhead);
    assert_true(!l.bytes || !l.entry_bytes || l.entry_bytes + (uint64_t)l.entry_overhead <= l.bytes);
}

static void request_make(struct sink_request *q)
{
    *q = (struct sink_request){ .entry = run.entry, .count = ENTRIES, .attempt = 1, .core = &run,
                                .deadline_ns = clock_mono_ns() + 5 * NS_PER_S };
    static const unsigned kinds[ENTRIES] = { SAMPLE_SIMPLE, SAMPLE_LAYERS, SAMPLE_TYPES };
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct sample *s = sample_new(kinds[i]);
        run.entry[i] = encode(&s->r, &run.memory[i]);
        q->bytes += run.entry[i]->payload_len;
        sample_free(s); /* what send() needs is in the entry */
    }
}

static void turn_until_done(uint64_t deadline_ns)
{
    while (run.done == 0 && clock_mono_ns() < deadline_ns)
        CHECK(io_turn(run.io, clock_mono_ns() + 50 * NS_PER_MS) >= 0);
}

/* A few turns more: a second end would come now. */
static void assert_ended_once(void)
{
    for (int i = 0; i < 5; i++)
        CHECK(io_turn(run.io, clock_mono_ns() + 5 * NS_PER_MS) >= 0);
    assert_int_equal(run.done, 1);
}

static void a_server_that_is_not_there_is_tried_again(void **state)
{
    struct sink_request q;
    request_make(&q);
    run.sink->ops->remote->send(run.sink, &q);
    turn_until_done(q.deadline_ns);
    assert_ended_once();
    (void)state;
    assert_int_equal(run.result.outcome, SINK_RETRY);
    assert_true(run.result.reason[0] != '\0');
    assert_non_null(memchr(run.result.reason, '\0', sizeof run.result.reason));
}

static void a_server_that_says_nothing_is_given_up_when_told_to(void **state)
{
    struct sink_request q;
    CHECK(listen(run.listener, 8) == 0); /* accepts, and never answers */
    request_make(&q);
    run.sink->ops->remote->send(run.sink, &q);
    for (int i = 0; i < 5 && run.done == 0; i++)
        CHECK(io_turn(run.io, clock_mono_ns() + 20 * NS_PER_MS) >= 0);
    if (run.done == 0)
        run.sink->ops->remote->cancel(run.sink, &q);
    turn_until_done(clock_mono_ns() + 5 * NS_PER_S);
    assert_ended_once();
    if (!uri_row_of(*state)->is_unanswered)
        assert_int_equal(run.result.outcome, SINK_RETRY);
}

static void a_sink_is_used_again_after_a_failure(void **state)
{
    struct sink_request q;
    for (int i = 0; i < 3; i++) {
        run.done = 0;
        for (unsigned n = 0; n < ENTRIES; n++)
            free(run.memory[n]);
        request_make(&q);
        q.attempt = (uint32_t)i + 1;
        run.sink->ops->remote->send(run.sink, &q);
        turn_until_done(q.deadline_ns);
        assert_ended_once();
    }
    (void)state;
}

static const struct CMUnitTest body[] = {
    cmocka_unit_test(an_entry_of_any_record_keeps_its_bound_and_its_parts),
    cmocka_unit_test(an_entry_that_asks_for_no_bound_is_the_same_or_none),
    cmocka_unit_test(the_same_record_gives_the_same_group),
    cmocka_unit_test(limits_can_be_kept),
    cmocka_unit_test(a_server_that_is_not_there_is_tried_again),
    cmocka_unit_test(a_server_that_says_nothing_is_given_up_when_told_to),
    cmocka_unit_test(a_sink_is_used_again_after_a_failure),
};

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as the collector does */
    (void)setenv("AWS_ACCESS_KEY_ID", "of-this-test", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "of-this-test", 1);
    (void)signal(SIGPIPE, SIG_IGN); /* as the collector does */
    int failed = 0, sinks = 0;
    for (const struct sink_ops *const *ops = sink_list; *ops; ops++) {
        struct CMUnitTest tests[ARRAY_COUNT(body)];
        if (!(*ops)->remote)
            continue;
        sinks++;
        for (size_t i = 0; i < ARRAY_COUNT(body); i++) {
            tests[i] = body[i];
            tests[i].setup_func = setup;
            tests[i].teardown_func = teardown;
            tests[i].initial_state = (void *)(uintptr_t)*ops;
        }
        failed += _cmocka_run_group_tests((*ops)->scheme, tests, ARRAY_COUNT(tests), NULL, NULL);
    }
    if (!sinks)
        print_message("no remote sink is built in\n");
    return sinks ? failed : EXIT_SKIP;
}
