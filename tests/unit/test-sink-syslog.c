/* Syslog messages and how they travel: encoded from samples, sent to sockets of this process, and taken
 * apart again by a parser that follows the grammar of RFC 5424, section 6. */
#include "collector/io/io.h"
#include "collector/sinks/sink.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "tests/common/hole.h"
#include "tests/common/record_sample.h"
#include "tests/common/sink_new.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { ENTRIES = 40, WAIT_S = 10 };

static struct {
    struct io *io;
    struct sink *sink;
    struct sink_request request;
    const struct entry_head *entry[ENTRIES];
    struct sink_result result;
    unsigned done;
} run;

static void on_done(struct sink *s, struct sink_request *q, const struct sink_result *result)
{
    assert_ptr_equal(s, run.sink);
    assert_ptr_equal(q, &run.request);
    run.result = *result;
    run.done++;
}

static void open_sink(const char *uri)
{
    struct err e = {0};
    const struct io_config cfg = {0};
    if (io_new(&cfg, &run.io, &e) < 0 || sink_new(uri, "test", &run.sink, &e) < 0)
        fail_msg("%s: %s", uri, e.text);
    run.sink->io = run.io;
    run.sink->request_done = on_done;
    if (run.sink->ops->open(run.sink, &e) < 0)
        fail_msg("%s: %s", uri, e.text);
}

static int tear_down(void **state)
{
    (void)state;
    if (run.sink) {
        assert_int_equal(run.sink->ops->close(run.sink, NULL), 0);
        sink_free(run.sink);
    }
    io_free(run.io);
    for (unsigned i = 0; i < run.request.count; i++)
        free((void *)(uintptr_t)run.entry[i]);
    memset(&run, 0, sizeof run);
    return 0;
}

static struct entry_head *encode(const struct fapilog_record *r)
{
    const struct sink_remote_ops *ops = run.sink->ops->remote;
    const size_t bound = ops->encode_bound(run.sink, r);
    char *buf = malloc(entry_bound(bound));
    CHECK(buf);
    struct entry_head *h = (struct entry_head *)(void *)buf;
    uint16_t group, meta;
    char *end = ops->encode(run.sink, r, buf + sizeof *h, &group, &meta);
    assert_true((size_t)(end - buf) <= sizeof *h + bound);
    end = entry_finish(h, r, group, meta, end);
    assert_ptr_equal(entry_at(buf, (size_t)(end - buf)), h);
    return h;
}

static void add_sample(unsigned kind)
{
    struct sample *s = sample_new(kind);
    run.entry[run.request.count++] = encode(&s->r);
    sample_free(s);
}

static void turn(void)
{
    assert_true(io_turn(run.io, clock_mono_ns() + 20 * NS_PER_MS) >= 0);
}

static void send_request(void)
{
    run.request.entry = run.entry;
    run.request.bytes = 0;
    for (unsigned i = 0; i < run.request.count; i++)
        run.request.bytes += run.entry[i]->payload_len;
    run.request.attempt++;
    run.sink->ops->remote->send(run.sink, &run.request);
}

static void wait_done(unsigned times)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_S * NS_PER_S;
    while (run.done < times) {
        assert_true(clock_mono_ns() < give_up);
        turn();
    }
}

/* ---- the grammar ---- */

struct parsed {
    unsigned pri;
    char time[40], host[256], app[49], procid[129], msgid[33];
    unsigned params;
    char record[100], order_id[40];
    const char *message;
};

static const char *word(const char *p, char *ret, size_t size)
{
    const size_t len = strcspn(p, " ");
    assert_true(len > 0 && len < size && p[len] == ' ');
    for (size_t i = 0; i < len; i++)
        assert_true(p[i] > ' ' && p[i] < 0x7f);
    memcpy(ret, p, len);
    ret[len] = '\0';
    return p + len + 1;
}

static const char *param(const char *p, struct parsed *ret)
{
    char value[2000];
    size_t n = 0;
    const size_t len = strcspn(p, "= ]\"");
    assert_true(len > 0 && len <= 32 && p[len] == '=' && p[len + 1] == '"');
    const char *name = p;
    for (p += len + 2; *p != '"'; p++) {
        assert_true(*p != '\0' && *p != ']');
        if (*p == '\\') {
            p++;
            assert_true(*p == '"' || *p == '\\' || *p == ']');
        }
        if (n < sizeof value - 1)
            value[n++] = *p;
    }
    value[n] = '\0';
    if (len == 6 && !memcmp(name, "record", 6))
        (void)snprintf(ret->record, sizeof ret->record, "%.99s", value);
    if (len == 8 && !memcmp(name, "order_id", 8))
        (void)snprintf(ret->order_id, sizeof ret->order_id, "%.30s", value);
    ret->params++;
    return p + 1;
}

static void parse(const char *text, struct parsed *ret)
{
    int used = 0;
    memset(ret, 0, sizeof *ret);
    assert_int_equal(sscanf(text, "<%u>1 %n", &ret->pri, &used), 1);
    assert_true(used > 0 && ret->pri <= 191);
    const char *p = word(text + used, ret->time, sizeof ret->time);
    p = word(p, ret->host, sizeof ret->host);
    p = word(p, ret->app, sizeof ret->app);
    p = word(p, ret->procid, sizeof ret->procid);
    p = word(p, ret->msgid, sizeof ret->msgid);
    if (*p == '-') {
        p++;
    } else {
        char id[40];
        assert_int_equal(*p++, '[');
        const size_t len = strcspn(p, " ]=\"");
        assert_true(len > 0 && len <= 32);
        memcpy(id, p, len);
        for (p += len; *p == ' ';)
            p = param(p + 1, ret);
        assert_int_equal(*p++, ']');
    }
    assert_true(*p == ' ' || *p == '\0');
    ret->message = *p ? p + 1 : p;
}

static void parse_entry(const struct entry_head *h, struct parsed *ret)
{
    static char text[1 << 16];
    assert_true(h->payload_len < sizeof text);
    memcpy(text, entry_payload(h), h->payload_len);
    text[h->payload_len] = '\0';
    assert_int_equal(strlen(text), h->payload_len);
    parse(text, ret);
}

/* ---- messages ---- */

static void every_record_becomes_a_message_of_the_grammar(void **state)
{
    (void)state;
    open_sink("syslog+tcp://127.0.0.1:1");
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct parsed p;
        struct sample *s = sample_new(kind);
        struct entry_head *h = encode(&s->r);
        assert_true(h->payload_len <= 8192);
        assert_true(utf8_valid(entry_payload(h), h->payload_len));
        for (uint32_t i = 0; i < h->payload_len; i++)
            assert_true((uint8_t)entry_payload(h)[i] >= 0x20);
        parse_entry(h, &p);
        const char *dot = strchr(p.time, '.');
        assert_true(dot && strlen(dot) == 8 && dot[7] == 'Z'); /* six digits, no more */
        assert_true(strlen(p.record) > 36);
        free(h);
        sample_free(s);
    }
}

/* Thrice the same: while its plan is made, by that plan, and without one, as records of the collector's own are. */
static void a_plan_changes_no_byte(void **state)
{
    (void)state;
    open_sink("syslog+tcp://127.0.0.1:1?message_bytes=1MB");
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct sample *s = sample_new(kind);
        struct entry_head *h[3];
        for (unsigned i = 0; i < 3; i++) {
            s->r.internal = i == 2;
            h[i] = encode(&s->r);
            assert_int_equal(h[i]->payload_len, h[0]->payload_len);
            assert_memory_equal(entry_payload(h[i]), entry_payload(h[0]), h[0]->payload_len);
        }
        for (unsigned i = 0; i < 3; i++)
            free(h[i]);
        sample_free(s);
    }
}

static void live_options_take_effect_at_once(void **state)
{
    (void)state;
    struct parsed p;
    struct err e = {0};
    open_sink("syslog+tcp://127.0.0.1:1?facility=kern");
    add_sample(SAMPLE_SIMPLE);
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    free(encode(&s->r));
    assert_int_equal(opt_set(opt_find(run.sink->ops->opts, "facility"), run.sink->cfg, "local3", &e), 0);
    assert_int_equal(opt_set(opt_find(run.sink->ops->opts, "structured_data"), run.sink->cfg, "false", &e), 0);
    struct entry_head *h = encode(&s->r);
    parse_entry(h, &p);
    assert_int_equal(p.pri, 19 * 8 + 6);
    assert_int_equal(p.params, 0);
    free(h);
    sample_free(s);
}

/* Two sinks share the place where plans are kept. */
static void sinks_do_not_take_each_others_plans(void **state)
{
    (void)state;
    struct parsed p;
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    open_sink("syslog+tcp://127.0.0.1:1?app_name=one");
    free(encode(&s->r));
    struct sink *const first = run.sink;
    struct io *const io = run.io;
    open_sink("syslog+tcp://127.0.0.1:1?app_name=two");
    for (unsigned i = 0; i < 4; i++) {
        struct sink *const second = run.sink;
        run.sink = i % 2 ? first : second;
        struct entry_head *h = encode(&s->r);
        run.sink = second;
        parse_entry(h, &p);
        assert_string_equal(p.app, i % 2 ? "one" : "two");
        free(h);
    }
    assert_int_equal(first->ops->close(first, NULL), 0);
    sink_free(first);
    io_free(io);
    sample_free(s);
}

static void fields_beyond_half_of_the_message_are_left_out_and_counted(void **state)
{
    (void)state;
    open_sink("syslog+udp://127.0.0.1:1?message_bytes=700");
    for (unsigned i = 0; i < 2; i++)
        add_sample(SAMPLE_TOO_MANY);
    for (unsigned i = 0; i < run.request.count; i++) {
        char text[701], *at;
        struct parsed p;
        (void)snprintf(text, sizeof text, "%.*s", (int)run.entry[i]->payload_len, entry_payload(run.entry[i]));
        at = strstr(text, "fields_cut=\"");
        assert_non_null(at);
        assert_true(at - text <= 350 + 1);
        struct sample *s = sample_new(SAMPLE_TOO_MANY);
        parse_entry(run.entry[i], &p);
        uint32_t fields = s->r.fields_count + s->r.logger->fields_count;
        fields += s->r.context ? s->r.context->fields_count : 0;
        assert_int_equal(strtoul(at + 12, NULL, 10) + p.params - 3, fields); /* but record, level, fields_cut */
        sample_free(s);
    }
}

static void the_longest_names_in_the_shortest_message_keep_the_grammar(void **state)
{
    char uri[700], host[256], app[64], sd[33];
    (void)state;
    memset(host, 'h', sizeof host);
    memset(app, 'a', sizeof app);
    memset(sd, 's', sizeof sd);
    host[255] = app[63] = sd[32] = '\0';
    (void)snprintf(uri, sizeof uri, "syslog+udp://127.0.0.1:1?message_bytes=480&hostname=%s&app_name=%s&msgid=%s"
                   "&sd_id=%s", host, app, app, sd);
    open_sink(uri);
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        struct parsed p;
        struct sample *s = sample_new(kind);
        struct entry_head *h = encode(&s->r);
        assert_true(h->payload_len <= 480);
        parse_entry(h, &p);
        free(h);
        sample_free(s);
    }
}

/* effect: syslog.facility */
static void fields_and_names_stand_where_the_rfc_has_them(void **state)
{
    (void)state;
    struct parsed p;
    open_sink("syslog+tcp://127.0.0.1:1?facility=local3");
    add_sample(SAMPLE_SIMPLE);
    parse_entry(run.entry[0], &p);
    assert_int_equal(p.pri, 19 * 8 + 6);
    assert_string_equal(p.host, "vm1");
    assert_string_equal(p.app, "orders");
    assert_string_equal(p.procid, "1234");
    assert_string_equal(p.msgid, "orders.matching");
    assert_true(p.params >= 5);
    assert_string_equal(p.time, "2026-11-21T08:37:04.123456Z");
    assert_string_equal(p.record, "66617069-6c6f-6720-7365-676d656e7421-3-1-1000");
}

/* effect: syslog.app_name syslog.hostname syslog.message_bytes syslog.msgid syslog.structured_data */
static void options_replace_what_the_record_says(void **state)
{
    (void)state;
    struct parsed p;
    open_sink("syslog+udp://127.0.0.1:1?app_name=a%20b&hostname=h&msgid=m&structured_data=false&message_bytes=480");
    add_sample(SAMPLE_HUGE);
    parse_entry(run.entry[0], &p);
    assert_string_equal(p.app, "ab");
    assert_string_equal(p.host, "h");
    assert_string_equal(p.msgid, "m");
    assert_int_equal(p.params, 0);
    assert_int_equal(run.entry[0]->payload_len <= 480 && run.entry[0]->payload_len > 470, 1);
    assert_string_equal(p.message + strlen(p.message) - 3, "...");
}

/* effect: syslog.sd_id */
static void the_element_of_the_fields_has_its_name(void **state)
{
    (void)state;
    open_sink("syslog+tcp://127.0.0.1:1?sd_id=mine@1");
    add_sample(SAMPLE_SIMPLE);
    assert_non_null(memmem(entry_payload(run.entry[0]), run.entry[0]->payload_len, "[mine@1 ", 8));
}

static void a_message_may_be_the_record_in_a_format(void **state)
{
    (void)state;
    struct parsed p;
    struct err e = {0};
    const struct format_config cfg = {0};
    open_sink("syslog+tcp://127.0.0.1:1?format=json");
    assert_int_equal(format_open(run.sink->common.format, &cfg, 0, &run.sink->format, &e), 0);
    add_sample(SAMPLE_SIMPLE);
    parse_entry(run.entry[0], &p);
    assert_int_equal(p.params, 0);
    assert_int_equal(p.message[0], '{');
    assert_int_equal(p.message[strlen(p.message) - 1], '}');
    format_close(run.sink->format);
}

/* effect: syslog.protocol */
static void rfc_3164_has_the_old_head_and_pairs(void **state)
{
    (void)state;
    open_sink("syslog+unix:///dev/log?protocol=rfc3164&facility=daemon");
    add_sample(SAMPLE_SIMPLE);
    char text[2000], month[4], tag[40];
    unsigned pri, day, hour, minute, second;
    (void)snprintf(text, sizeof text, "%.*s", (int)run.entry[0]->payload_len, entry_payload(run.entry[0]));
    assert_int_equal(sscanf(text, "<%u>%3s %u %u:%u:%u %39s", &pri, month, &day, &hour, &minute, &second, tag), 7);
    assert_int_equal(pri, 3 * 8 + 6);
    assert_string_equal(tag, "orders[1234]:");
    assert_non_null(strstr(text, "="));
}

static void a_second_before_1970_is_the_one_that_it_lies_in(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ns;
        const char *want;
    } cases[] = {
        {-1, "Dec 31 23:59:59 "}, {-1000000000, "Dec 31 23:59:59 "}, {-1000000001, "Dec 31 23:59:58 "},
        {0, "Jan  1 00:00:00 "}, {999999999, "Jan  1 00:00:00 "}};
    (void)setenv("TZ", "UTC", 1);
    tzset();
    open_sink("syslog+unix:///dev/log?protocol=rfc3164");
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct sample *s = sample_new(SAMPLE_SIMPLE);
        s->r.time_ns = cases[i].time_ns;
        struct entry_head *h = encode(&s->r);
        const char *const stamp = memchr(entry_payload(h), '>', h->payload_len);
        assert_memory_equal(stamp + 1, cases[i].want, strlen(cases[i].want));
        free(h);
        sample_free(s);
    }
}

static void levels_have_severities(void **state)
{
    (void)state;
    static const struct { uint8_t level; unsigned severity; } rows[] = {
        {FAPILOG_LEVEL_TRACE, 7}, {FAPILOG_LEVEL_DEBUG, 7}, {FAPILOG_LEVEL_INFO, 6},   {FAPILOG_LEVEL_WARNING, 4},
        {FAPILOG_LEVEL_ERROR, 3}, {FAPILOG_LEVEL_CRITICAL, 2}, {22, 1}, {24, 0}, {FAPILOG_LEVEL_AUDIT, 5},
        {FAPILOG_LEVEL_SECURITY, 1},
    };
    open_sink("syslog+tcp://127.0.0.1:1?facility=kern");
    struct sample *s = sample_new(SAMPLE_SIMPLE);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct parsed p;
        s->r.level = rows[i].level;
        struct entry_head *h = encode(&s->r);
        parse_entry(h, &p);
        assert_int_equal(p.pri, rows[i].severity);
        free(h);
    }
    sample_free(s);
}

/* ---- ways ---- */

static int listen_tcp(unsigned *ret_port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 8) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *ret_port = ntohs(sa.sin_port);
    return fd;
}

/* Turns the reactor until the descriptor has something. */
static void wait_readable(int fd)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_S * NS_PER_S;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 0) {
        assert_true(clock_mono_ns() < give_up);
        turn();
    }
}

static size_t read_all(int fd, char *buf, size_t size, size_t want)
{
    size_t n = 0;
    while (n < want) {
        wait_readable(fd);
        const ssize_t r = recv(fd, buf + n, size - n, 0);
        assert_true(r > 0);
        n += (size_t)r;
    }
    return n;
}

static size_t framed_bytes(bool is_counted)
{
    size_t n = 0;
    for (unsigned i = 0; i < run.request.count; i++) {
        char digits[16];
        n += run.entry[i]->payload_len + 1;
        n += is_counted ? (size_t)snprintf(digits, sizeof digits, "%u", run.entry[i]->payload_len) : 0;
    }
    return n;
}

/* effect: syslog.port */
static void tcp_messages_are_counted_and_acknowledged(void **state)
{
    (void)state;
    unsigned port;
    char uri[100], *buf = malloc(1 << 20);
    const int listener = listen_tcp(&port);
    (void)snprintf(uri, sizeof uri, "syslog+tcp://127.0.0.1:%u", port);
    open_sink(uri);
    for (unsigned i = 0; i < 10; i++)
        add_sample(SAMPLE_LAYERS);
    send_request();
    wait_readable(listener);
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    const size_t n = read_all(fd, buf, 1 << 20, framed_bytes(true));
    assert_int_equal(n, framed_bytes(true));
    for (unsigned i = 0, at = 0; i < run.request.count; i++) {
        char *rest;
        const unsigned long len = strtoul(buf + at, &rest, 10);
        assert_int_equal(len, run.entry[i]->payload_len);
        assert_int_equal(*rest, ' ');
        assert_memory_equal(rest + 1, entry_payload(run.entry[i]), len);
        at = (unsigned)(rest + 1 - buf + (ptrdiff_t)len);
    }
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_DELIVERED);
    /* The next goes over the same connection; after the peer has closed it, over a new one. */
    send_request();
    (void)read_all(fd, buf, 1 << 20, framed_bytes(true));
    wait_done(2);
    (void)close(fd);
    turn();
    send_request();
    wait_readable(listener);
    const int again = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)read_all(again, buf, 1 << 20, framed_bytes(true));
    wait_done(3);
    assert_int_equal(run.result.outcome, SINK_DELIVERED);
    (void)close(again);
    (void)close(listener);
    free(buf);
}

/* A server that reads nothing. */
static int open_deaf(int receive_bytes)
{
    unsigned port;
    char uri[100];
    struct err e = {0};
    const struct format_config cfg = {0};
    const int listener = listen_tcp(&port);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    (void)snprintf(uri, sizeof uri, "syslog+tcp://127.0.0.1:%u?message_bytes=1MB&format=fapilog", port);
    open_sink(uri);
    assert_int_equal(format_open("fapilog", &cfg, 0, &run.sink->format, &e), 0);
    return listener;
}

static void cancel_deaf(int listener)
{
    const unsigned done = run.done;
    run.sink->ops->remote->cancel(run.sink, &run.request);
    wait_done(done + 1);
    assert_int_equal(run.result.outcome, SINK_RETRY);
    (void)close(listener);
    format_close(run.sink->format);
    run.sink->format = NULL;
}

static void what_a_peer_never_takes_is_not_delivered(void **state)
{
    (void)state;
    const int listener = open_deaf(1 << 16);
    for (unsigned i = 0; i < ENTRIES; i++)
        add_sample(SAMPLE_HUGE);
    send_request();
    wait_readable(listener);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(run.done, 0);
    cancel_deaf(listener);
}

/* The kernel has taken all of it. Looks become rare, also on a connection that has lasted. */
static void an_acknowledgement_that_does_not_come_is_not_waited_for_in_a_loop(void **state)
{
    (void)state;
    const int listener = open_deaf(2048);
    int looks = 0;
    add_sample(SAMPLE_SIMPLE);
    send_request();
    wait_done(1);
    for (unsigned i = 1; i < 40; i++)
        add_sample(SAMPLE_LAYERS);
    send_request();
    const uint64_t until = clock_mono_ns() + 400 * NS_PER_MS;
    while (clock_mono_ns() < until) {
        const int n = io_turn(run.io, until);
        assert_true(n >= 0);
        looks += n;
    }
    assert_int_equal(run.done, 1);
    assert_in_range(looks, 5, 60);
    cancel_deaf(listener);
}

static void a_refused_connection_is_tried_again_later(void **state)
{
    (void)state;
    unsigned port;
    char uri[100];
    (void)close(listen_tcp(&port));
    (void)snprintf(uri, sizeof uri, "syslog+tcp://127.0.0.1:%u", port);
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_RETRY);
    assert_non_null(strstr(run.result.reason, "refused; is the server running"));
    send_request();
    wait_done(2);
}

static void a_connection_that_is_not_taken_in_time_is_named(void **state)
{
    struct sockaddr_in address;
    struct hole hole;
    char uri[100], want[200];
    (void)state;
    hole_dig(&hole, &address);
    const unsigned port = ntohs(address.sin_port);
    (void)snprintf(uri, sizeof uri, "syslog+tcp://127.0.0.1:%u?timeout=3s", port);
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    turn();
    run.sink->ops->remote->cancel(run.sink, &run.request); /* its time is over */
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_RETRY);
    (void)snprintf(want, sizeof want, "127.0.0.1 port %u: no connection within 3 s (timeout); look for a firewall, "
                   "and at the routes", port);
    assert_string_equal(run.result.reason, want);
    hole_fill(&hole);
}

/* Whether it greets its clients or waits for them. */
static void a_peer_that_does_not_speak_tls_is_told_from_one_that_is_slow(void **state)
{
    static const char greeting[] = "220 at your service\r\n";
    (void)state;
    for (int speaks = 0; speaks < 2; speaks++) {
        unsigned port;
        char uri[100];
        const int listener = listen_tcp(&port);
        (void)snprintf(uri, sizeof uri, "syslog+tls://127.0.0.1:%u", port);
        open_sink(uri);
        add_sample(SAMPLE_SIMPLE);
        send_request();
        wait_readable(listener);
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        wait_readable(fd); /* our side of the handshake */
        if (speaks)
            assert_int_equal(send(fd, greeting, sizeof greeting - 1, MSG_NOSIGNAL), sizeof greeting - 1);
        else
            run.sink->ops->remote->cancel(run.sink, &run.request); /* its time is over */
        wait_done(1);
        assert_int_equal(run.result.outcome, SINK_RETRY);
        const char *words = speaks ? "the peer does not speak TLS on this port"
                                   : "does the peer speak TLS on this port?";
        if (!strstr(run.result.reason, words))
            fail_msg("%s", run.result.reason);
        (void)close(fd);
        (void)close(listener);
        assert_int_equal(tear_down(NULL), 0);
    }
}

/* A proxy without a server behind it, a server that does not like our certificate: the kernel has acknowledged. */
static void what_a_connection_had_that_did_not_last_is_not_delivered(void **state)
{
    (void)state;
    unsigned port;
    char uri[100];
    const int listener = listen_tcp(&port);
    (void)snprintf(uri, sizeof uri, "syslog+tcp://127.0.0.1:%u", port);
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    wait_readable(listener);
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    wait_readable(fd);
    (void)close(fd); /* unread: reset */
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_RETRY);
    assert_non_null(strstr(run.result.reason, "; where the port wants TLS, transport has to be tls"));
    (void)close(listener);
}

static void a_datagram_that_nobody_wants_is_not_delivered(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    char uri[100];
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)close(fd);
    (void)snprintf(uri, sizeof uri, "syslog+udp://127.0.0.1:%u", ntohs(sa.sin_port));
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_RETRY);
    assert_non_null(strstr(run.result.reason, "refused"));
}

/* effect: syslog.framing */
static void names_are_looked_up_without_waiting(void **state)
{
    (void)state;
    unsigned port;
    char uri[100];
    const int listener = listen_tcp(&port);
    (void)snprintf(uri, sizeof uri, "syslog+tcp://localhost:%u?framing=newline", port);
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    assert_int_equal(run.done, 0);
    wait_readable(listener);
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char buf[10000];
    const size_t n = read_all(fd, buf, sizeof buf, framed_bytes(false));
    assert_int_equal(buf[n - 1], '\n');
    wait_done(1);
    (void)close(fd);
    (void)close(listener);
}

static void datagrams_carry_one_message_each(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    char uri[100], buf[65536];
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)snprintf(uri, sizeof uri, "syslog+udp://127.0.0.1:%u", ntohs(sa.sin_port));
    open_sink(uri);
    for (unsigned i = 0; i < 5; i++)
        add_sample(i);
    send_request();
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_DELIVERED);
    for (unsigned i = 0; i < 5; i++) {
        const ssize_t n = recv(fd, buf, sizeof buf, 0);
        assert_int_equal(n, run.entry[i]->payload_len);
        assert_memory_equal(buf, entry_payload(run.entry[i]), (size_t)n);
    }
    (void)close(fd);
}

static void a_message_longer_than_a_datagram_is_refused_alone(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    char uri[100];
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)snprintf(uri, sizeof uri, "syslog+udp://127.0.0.1:%u?message_bytes=1MB", ntohs(sa.sin_port));
    open_sink(uri);
    add_sample(SAMPLE_SIMPLE);
    add_sample(SAMPLE_HUGE);
    add_sample(SAMPLE_SIMPLE);
    send_request();
    wait_done(1);
    assert_int_equal(run.result.outcome, SINK_DELIVERED);
    assert_int_equal(run.result.rejected_count, 1);
    (void)close(fd);
}

/* effect: syslog.path syslog.transport */
static void unix_sockets_of_both_kinds_work(void **state)
{
    (void)state;
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        char uri[200], buf[8192];
        (void)snprintf(sa.sun_path, sizeof sa.sun_path, "/tmp/fapilog-syslog-%d", (int)getpid());
        (void)unlink(sa.sun_path);
        int fd = socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), listener = -1;
        assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
        (void)snprintf(uri, sizeof uri, "syslog+unix%s://%s", i ? "_stream" : "", sa.sun_path);
        open_sink(uri);
        add_sample(SAMPLE_SIMPLE);
        if (i) {
            listener = fd;
            assert_int_equal(listen(listener, 4), 0);
        }
        send_request();
        if (i) {
            wait_readable(listener);
            fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        }
        wait_readable(fd);
        const ssize_t n = recv(fd, buf, sizeof buf, 0);
        assert_int_equal(n, run.entry[0]->payload_len + i); /* a stream has a line feed */
        wait_done(1);
        assert_int_equal(run.result.outcome, SINK_DELIVERED);
        (void)close(fd);
        (void)close(listener);
        (void)unlink(sa.sun_path);
        assert_int_equal(tear_down(NULL), 0);
    }
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const struct { const char *uri, *text; } rows[] = {
        {"syslog+unix://host/dev/log", "three slashes"},
        {"syslog:///dev/log", "'/dev/log' has no meaning here; for a Unix socket write syslog+unix:///dev/log"},
        {"syslog:/run/log?transport=unix", "write syslog+unix:///run/log"},
        {"syslog+tcp://host/path", "no meaning"},
        {"syslog+tcp://user@host", "no meaning"},
        {"syslog+udp://host?framing=newline", "framing"},
        {"syslog+tcp://host?tls_ca_file=/x", "tls"},
        {"syslog+tls://host?tls_ca_file=/dev/null", "tls_ca_file: /dev/null holds no certificates"},
        {"syslog+tls://host?tls_key_file=/x", "tls_cert_file"},
        {"syslog+tcp://host?port=65536", "1..65535"},
        {"syslog+tcp://host?message_bytes=479", "480"},
        {"syslog+tcp://host?sd_id=a%3Db%40%22", "sd_id: 'a=b@\"' is none; allowed: 1 to 32 printable ASCII characters"},
        {"syslog+tcp://host?sd_id=a%3Db", "sd_id: 'a=b' is none"},
        {"syslog+tcp://host?sd_id=a%20b", "sd_id: 'a b' is none"},
        {"syslog+tcp://host?sd_id=a%5D", "sd_id: 'a]' is none"},
        {"syslog+tcp://host?sd_id=%C3%A4", "sd_id: "},
        {"syslog+tcp://host?sd_id=a%7F", "sd_id: "},
        {"syslog+tcp://host?sd_id=", "sd_id: '' is none"},
        {"syslog+tcp://host?sd_id=abcdefghijklmnopqrstuvwxyzabcdefg", "allowed: 1 to 32"},
        {"syslog+http://host", "no such sink"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct err e = {0};
        struct sink *s = NULL;
        assert_true(sink_new(rows[i].uri, "test", &s, &e) < 0);
        if (!strstr(e.text, rows[i].text))
            fail_msg("%s: %s", rows[i].uri, e.text);
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(every_record_becomes_a_message_of_the_grammar),
        TEST(a_plan_changes_no_byte),
        TEST(live_options_take_effect_at_once),
        TEST(sinks_do_not_take_each_others_plans),
        TEST(fields_beyond_half_of_the_message_are_left_out_and_counted),
        TEST(the_longest_names_in_the_shortest_message_keep_the_grammar),
        TEST(fields_and_names_stand_where_the_rfc_has_them),
        TEST(options_replace_what_the_record_says),
        TEST(the_element_of_the_fields_has_its_name),
        TEST(a_message_may_be_the_record_in_a_format),
        TEST(rfc_3164_has_the_old_head_and_pairs),
        TEST(a_second_before_1970_is_the_one_that_it_lies_in),
        TEST(levels_have_severities),
        TEST(tcp_messages_are_counted_and_acknowledged),
        TEST(an_acknowledgement_that_does_not_come_is_not_waited_for_in_a_loop),
        TEST(what_a_peer_never_takes_is_not_delivered),
        TEST(a_peer_that_does_not_speak_tls_is_told_from_one_that_is_slow),
        TEST(a_refused_connection_is_tried_again_later),
        TEST(a_connection_that_is_not_taken_in_time_is_named),
        TEST(what_a_connection_had_that_did_not_last_is_not_delivered),
        TEST(a_datagram_that_nobody_wants_is_not_delivered),
        TEST(names_are_looked_up_without_waiting),
        TEST(datagrams_carry_one_message_each),
        TEST(a_message_longer_than_a_datagram_is_refused_alone),
        TEST(unix_sockets_of_both_kinds_work),
        TEST(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
