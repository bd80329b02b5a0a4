/* What a gRPC call ends with where the server is none, is not reached, or goes away: words that say where to look. */
#include "collector/net/grpc_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"
#include "tests/common/slow_names.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_NS (20 * NS_PER_S)
#define TLS_ADVICE "take TLS"
#define AUTHORIZATION "Basic dXNlcjpoaWRkZW4="
#define SETTINGS "\0\0\0\4\0\0\0\0\0" /* an empty frame */

static struct io *io;
static struct grpc *engine;
static struct grpc_call call[2];
static unsigned done;
static int listener, peer;
static unsigned port;
static char authority[64], want[300];
static const char *const headers[] = { "Authorization: " AUTHORIZATION, "X-Team: red" };

static void on_done(struct grpc_call *c)
{
    (void)c;
    done++;
}

static void engine_open(const char *host)
{
    const struct io_config cfg = { .kind = IO_AUTO, .queue_depth = 16 };
    struct err e;
    assert_int_equal(io_new(&cfg, &io, &e), 0);
    (void)snprintf(authority, sizeof authority, "%s:%u", host, port);
    const struct grpc_config config = {
        .stream = { .kind = STREAM_TCP, .host = host, .port = (uint16_t)port, .connect_timeout_ns = 60 * NS_PER_S },
        .authority = authority, .tls_advice = TLS_ADVICE, .headers = headers, .headers_count = ARRAY_COUNT(headers),
    };
    assert_non_null(engine = grpc_new(io, &config));
    done = 0;
}

static void engine_close(void)
{
    for (unsigned i = 0; i < 2; i++)
        grpc_call_done(&call[i]);
    grpc_free(engine);
    io_free(io);
}

static void call_start(unsigned i)
{
    call[i] = (struct grpc_call){ .path = "/a.B/C", .message = "x", .message_len = 1, .timeout_ns = 3 * NS_PER_S,
                                  .done = on_done };
    grpc_start(engine, &call[i]);
}

static void wait_done(unsigned times)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_NS;
    while (done < times) {
        assert_true(clock_mono_ns() < give_up);
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_MS) >= 0);
    }
}

static void wait_readable(int fd)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_NS;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (poll(&p, 1, 0) == 0) {
        assert_true(clock_mono_ns() < give_up);
        assert_true(io_turn(io, clock_mono_ns() + NS_PER_MS) >= 0);
    }
}

/* A call to a port whose peer has read what came first. */
static void call_read(void)
{
    struct sockaddr_in sa;
    char preface[2000];
    listener = hole_listen(&sa, 4);
    port = ntohs(sa.sin_port);
    engine_open("127.0.0.1");
    call_start(0);
    wait_readable(listener);
    assert_true((peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    wait_readable(peer);
    assert_true(recv(peer, preface, sizeof preface, 0) > 3);
    assert_memory_equal(preface, "PRI", 3);
}

/* ... which says this, and may hang up: what the call says of it, behind the server. */
static void assert_ends(const char *answer, size_t len, bool hangs_up, const char *reason)
{
    call_read();
    assert_int_equal(send(peer, answer, len, MSG_NOSIGNAL), len);
    if (hangs_up)
        (void)close(peer);
    wait_done(1);
    assert_int_equal(call[0].error, -ECONNRESET);
    (void)snprintf(want, sizeof want, "127.0.0.1:%u: %s", port, reason);
    assert_string_equal(call[0].reason, want);
    engine_close();
    if (!hangs_up)
        (void)close(peer);
    (void)close(listener);
}
#define ASSERT_ENDS(answer, hangs_up, reason) assert_ends((answer), sizeof(answer) - 1, (hangs_up), (reason))

static void a_port_that_may_want_tls_is_told(void **state)
{
    (void)state;
    ASSERT_ENDS("", true, "closed by the peer; " TLS_ADVICE);
    for (int hangs_up = 0; hangs_up < 2; hangs_up++)
        ASSERT_ENDS("\x15\3\3\0\2\2\x0a" "and more", hangs_up,
                    "the peer does not speak HTTP/2 on this port; " TLS_ADVICE);
}

static void a_port_of_another_protocol_is_told(void **state)
{
    (void)state;
    for (int hangs_up = 0; hangs_up < 2; hangs_up++)
        ASSERT_ENDS("HTTP/1.1 400 Bad Request\r\n\r\n", hangs_up, "the peer does not speak HTTP/2 on this port");
}

static void a_server_that_has_greeted_is_not_taken_for_another(void **state)
{
    (void)state;
    ASSERT_ENDS(SETTINGS, true, "closed by the peer");
    ASSERT_ENDS(SETTINGS "\xff\xff\xff\0\0\0\0\0\0", false, "the connection has come to its end");
}

/* Both calls: their connection goes when it has said nothing since they began. */
static void assert_late(const char *host, const char *reason)
{
    engine_open(host);
    call_start(0);
    call_start(1);
    const uint64_t until = clock_mono_ns() + 20 * NS_PER_MS;
    while (clock_mono_ns() < until)
        assert_true(io_turn(io, until) >= 0);
    assert_int_equal(done, 0);
    grpc_cancel(engine, &call[1]);
    assert_int_equal(done, 2);
    (void)snprintf(want, sizeof want, "no connection to %s:%u within 3 s (timeout); %s", host, port, reason);
    assert_string_equal(call[1].reason, want);
    assert_int_equal(call[1].error, -ECANCELED);
    assert_string_equal(call[0].reason, want);
    assert_int_equal(call[0].error, -ETIMEDOUT);
    engine_close();
}

static void a_connection_that_is_not_taken_in_time_is_named(void **state)
{
    struct sockaddr_in sa;
    struct hole hole;
    (void)state;
    hole_dig(&hole, &sa);
    port = ntohs(sa.sin_port);
    assert_late("127.0.0.1", "look for a firewall, and at the routes");
    hole_fill(&hole);
}

static void a_name_that_is_not_found_in_time_is_named(void **state)
{
    (void)state;
    port = 4317;
    assert_late("otel.slow.test", "is the name right, and does DNS work here?");
    slow_names_let_go();
}

static void a_name_that_does_not_exist_is_told_once(void **state)
{
    (void)state;
    port = 4317;
    engine_open("none.slow.test");
    call_start(0);
    wait_done(1);
    assert_int_equal(call[0].error, -EHOSTUNREACH);
    assert_string_equal(call[0].reason, "none.slow.test:4317: Name or service not known; is the name right, and does "
                        "DNS work here?");
    engine_close();
}

static void a_server_that_says_nothing_is_told_from_one_that_is_slow(void **state)
{
    (void)state;
    for (int greets = 0; greets < 2; greets++) {
        char byte;
        call_read();
        if (greets) { /* and its greeting is acknowledged */
            assert_int_equal(send(peer, SETTINGS, sizeof SETTINGS - 1, MSG_NOSIGNAL), sizeof SETTINGS - 1);
            wait_readable(peer);
            assert_int_equal(recv(peer, &byte, 1, MSG_PEEK), 1);
        }
        grpc_cancel(engine, &call[0]);
        wait_done(1);
        assert_int_equal(call[0].error, -ECANCELED);
        assert_string_equal(call[0].reason, greets ? "no answer in time"
                                                   : "no answer in time; the server says nothing at all");
        engine_close();
        (void)close(peer);
        (void)close(listener);
    }
}

/* ---- what a server of HTTP/2 says ---- */

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, GOAWAY = 7 };
enum { END_STREAM = 1, END_HEADERS = 4 };

static struct buf said;

static void say(unsigned type, unsigned flags, uint32_t stream, const char *payload, size_t len)
{
    const char head[] = {(char)(len >> 16), (char)(len >> 8), (char)len, (char)type, (char)flags, 0, 0, 0,
                         (char)stream};
    CHECK(buf_append(&said, head, sizeof head) == 0 && buf_append(&said, payload, len) == 0);
}

/* Name and value, as often as there are any: each a literal of HPACK. */
static void say_headers(unsigned flags, const char *const *lines)
{
    char block[400];
    size_t used = 0;
    for (; *lines; lines += 2)
        used += (size_t)snprintf(block + used, sizeof block - used, "%c%c%s%c%s", 0x10, (int)strlen(lines[0]), lines[0],
                                 (int)strlen(lines[1]), lines[1]);
    say(HEADERS, flags | END_HEADERS, 1, block, used);
}

/* It has read the call, and says this. */
static void answer_call(void)
{
    call_read();
    assert_int_equal(send(peer, SETTINGS, sizeof SETTINGS - 1, MSG_NOSIGNAL), sizeof SETTINGS - 1);
    assert_int_equal(send(peer, said.data, said.len, MSG_NOSIGNAL), said.len);
    wait_done(1);
    buf_done(&said);
}

static void answer_end(void)
{
    engine_close();
    (void)close(peer);
    (void)close(listener);
}

static void status_message_and_pushback_are_taken(void **state)
{
    static const struct { const char *pushback; uint64_t ns; } rows[] = {
        {"1500", 1500 * NS_PER_MS}, {"0", 0}, {"-1", 0}, {"soon", 0}, {"99999999999", 0}, {"", 0},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        say_headers(0, (const char *[]){":status", "200", "content-type", "application/grpc", NULL});
        say_headers(END_STREAM, (const char *[]){"grpc-status", "14", "grpc-message", "a%20b%e2%82%ac%",
                                                 "grpc-retry-pushback-ms", rows[i].pushback, NULL});
        answer_call();
        assert_int_equal(call[0].error, 0);
        assert_int_equal(call[0].http_status, 200);
        assert_int_equal(call[0].status, GRPC_UNAVAILABLE);
        assert_string_equal(call[0].reason, "a b???%");
        assert_int_equal(call[0].pushback_ns, rows[i].ns);
        answer_end();
    }
}

/* A server may repeat what it was sent. */
static void what_it_says_of_secret_headers_is_blotted_out(void **state)
{
    (void)state;
    say_headers(END_STREAM, (const char *[]){":status", "200", "grpc-status", "16", "grpc-message",
                                             "not " AUTHORIZATION " for red", NULL});
    answer_call();
    assert_int_equal(call[0].status, GRPC_UNAUTHENTICATED);
    assert_string_equal(call[0].reason, "not Basic *** for red");
    answer_end();
}

static void a_message_is_unpacked_when_it_is_whole_and_plain(void **state)
{
    static const struct { const char *data; size_t len, want; } rows[] = {
        {"\0\0\0\0\2hi", 7, 2}, {"\0\0\0\0\0", 5, 0}, {"\0\0\0\0\3hi", 7, 0}, {"\1\0\0\0\2hi", 7, 0}, {"\0\0", 2, 0},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        say_headers(0, (const char *[]){":status", "200", NULL});
        say(DATA, 0, 1, rows[i].data, rows[i].len);
        say_headers(END_STREAM, (const char *[]){"grpc-status", "0", NULL});
        answer_call();
        assert_int_equal(call[0].error, 0);
        assert_int_equal(call[0].status, GRPC_OK);
        assert_int_equal(call[0].response.len, rows[i].want);
        answer_end();
    }
}

/* What stands in the way answers in HTTP. */
static void a_page_of_a_proxy_counts_by_its_status(void **state)
{
    (void)state;
    say_headers(0, (const char *[]){":status", "503", NULL});
    say(DATA, END_STREAM, 1, "\0\0\0\0\2hi", 7);
    answer_call();
    assert_int_equal(call[0].error, 0);
    assert_int_equal(call[0].http_status, 503);
    assert_int_equal(call[0].status, -1);
    assert_int_equal(call[0].response.len, 0);
    answer_end();
}

static void a_call_that_the_server_ends_says_why(void **state)
{
    (void)state;
    say(RST_STREAM, 0, 1, "\0\0\0\7", 4);
    answer_call();
    assert_int_equal(call[0].error, -ECONNRESET);
    assert_string_equal(call[0].reason, "the server ended the call: REFUSED_STREAM");
    answer_end();
}

static void after_a_goodbye_the_next_call_has_a_connection_of_its_own(void **state)
{
    (void)state;
    say(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8); /* it has seen none */
    answer_call();
    assert_int_equal(call[0].error, -ECONNRESET);
    assert_string_equal(call[0].reason, "the server went away before it saw the call");
    call_start(1);
    wait_readable(listener);
    (void)close(listener);
    wait_done(2);
    assert_int_equal(call[1].error, -ECONNRESET);
    engine_close();
    (void)close(peer);
}

/* They rise to 2^31 - 1, and not beyond. */
static void when_the_numbers_of_streams_run_out_the_next_call_has_a_connection_of_its_own(void **state)
{
    (void)state;
    say_headers(0, (const char *[]){":status", "200", NULL});
    say_headers(END_STREAM, (const char *[]){"grpc-status", "0", NULL});
    answer_call();
    assert_int_equal(nghttp2_session_set_next_stream_id(engine->current->session, INT32_MAX), 0);
    call_start(0); /* the last one */
    assert_int_equal(done, 1);
    call_start(1);
    wait_readable(listener);
    assert_int_equal(done, 1);
    const int other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    wait_readable(other);
    grpc_cancel(engine, &call[0]);
    grpc_cancel(engine, &call[1]);
    (void)close(other);
    answer_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_may_want_tls_is_told),
        cmocka_unit_test(a_port_of_another_protocol_is_told),
        cmocka_unit_test(a_server_that_has_greeted_is_not_taken_for_another),
        cmocka_unit_test(a_connection_that_is_not_taken_in_time_is_named),
        cmocka_unit_test(a_name_that_does_not_exist_is_told_once),
        cmocka_unit_test(a_name_that_is_not_found_in_time_is_named),
        cmocka_unit_test(status_message_and_pushback_are_taken),
        cmocka_unit_test(what_it_says_of_secret_headers_is_blotted_out),
        cmocka_unit_test(a_message_is_unpacked_when_it_is_whole_and_plain),
        cmocka_unit_test(a_page_of_a_proxy_counts_by_its_status),
        cmocka_unit_test(a_call_that_the_server_ends_says_why),
        cmocka_unit_test(after_a_goodbye_the_next_call_has_a_connection_of_its_own),
        cmocka_unit_test(a_server_that_says_nothing_is_told_from_one_that_is_slow),
        cmocka_unit_test(when_the_numbers_of_streams_run_out_the_next_call_has_a_connection_of_its_own),
    };
    return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
