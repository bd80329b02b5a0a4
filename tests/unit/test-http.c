/* The HTTP engine against a server that does what it is told. */
#include "collector/net/http.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"
#include "tests/common/http_server.h"

#include <curl/curl.h>
#include <errno.h>
#include <libdeflate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

#define TIMEOUT_NS (20 * NS_PER_S)

struct bed {
    struct io *io;
    struct http *http;
    struct http_server *server;
    struct http_request q[40];
    unsigned done;
    char url[100];
};

static struct bed bed;

static void on_done(struct http_request *q)
{
    (void)q;
    bed.done++;
}

static void start_on(enum io_kind kind, http_server_fn *answer, void *arg)
{
    struct err e = {0};
    bed = (struct bed){0};
    CHECK(io_new(&(struct io_config){.kind = kind}, &bed.io, &e) == 0);
    CHECK(http_get(bed.io, &bed.http, &e) == 0);
    bed.server = http_server_start(answer, arg, NULL);
    (void)snprintf(bed.url, sizeof bed.url, "http://127.0.0.1:%u/in", http_server_port(bed.server));
}

static void start(http_server_fn *answer, void *arg) { start_on(IO_AUTO, answer, arg); }

static void end(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(bed.q); i++)
        http_request_done(&bed.q[i]);
    if (bed.server)
        http_server_stop(bed.server);
    io_free(bed.io);
}

static struct http_request *post(unsigned i, const char *body)
{
    struct http_request *q = &bed.q[i];
    *q = (struct http_request){.method = "POST", .url = bed.url, .body = body, .body_len = strlen(body),
                               .timeout_ns = TIMEOUT_NS, .done = on_done, .response = q->response};
    http_submit(bed.http, q);
    return q;
}

static void wait_for(unsigned count)
{
    const uint64_t until = clock_mono_ns() + 2 * TIMEOUT_NS;
    while (bed.done < count && clock_mono_ns() < until)
        CHECK(io_turn(bed.io, until) >= 0);
    assert_int_equal(bed.done, count);
}

/* ---- the way there and back ---- */

static unsigned connections_seen;

static enum http_server_then echo(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    if (q->connection >= connections_seen)
        connections_seen = q->connection + 1;
    http_server_respond(answer, 200, "", q->body);
    return HTTP_SERVER_KEEP;
}

static void connections_are_kept_on(enum io_kind kind)
{
    connections_seen = 0;
    start_on(kind, echo, NULL);
    for (unsigned i = 0; i < 20; i++) {
        struct http_request *q = post(i, i % 2 ? "odd" : "even");
        wait_for(i + 1);
        assert_int_equal(q->error, 0);
        assert_int_equal(q->status, 200);
        assert_int_equal(q->response.len, i % 2 ? 3 : 4);
        assert_int_equal(http_classify(q), HTTP_CLASS_OK);
    }
    end();
    assert_int_equal(connections_seen, 1);
}

static void requests_one_after_the_other_share_a_connection(void **state)
{
    (void)state;
    connections_are_kept_on(IO_AUTO);
    connections_are_kept_on(IO_PLAIN);
    connections_are_kept_on(IO_SIM);
}

static void many_at_once_each_get_their_own_answer(void **state)
{
    static char body[ARRAY_COUNT(bed.q)][4000];
    (void)state;
    start(echo, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(bed.q); i++) {
        memset(body[i], 'a' + (int)(i % 26), 100 * (i + 1) - 1);
        (void)post(i, body[i]);
    }
    assert_int_equal(bed.done, 0); /* never inside http_submit() */
    wait_for(ARRAY_COUNT(bed.q));
    for (unsigned i = 0; i < ARRAY_COUNT(bed.q); i++) {
        assert_int_equal(bed.q[i].response.len, strlen(body[i]));
        assert_memory_equal(bed.q[i].response.data, body[i], strlen(body[i]));
    }
    end();
}

static enum http_server_then note_headers(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)snprintf(arg, 4096, "%s", q->head);
    http_server_respond(answer, 204, "", "");
    return HTTP_SERVER_KEEP;
}

static void a_body_goes_out_at_once_under_the_callers_headers_only(void **state)
{
    static char head[4096];
    static char body[3 << 20];
    const char *const headers[] = {"Content-Type: application/json", "X-One: 1"};
    (void)state;
    memset(body, 'x', sizeof body - 1);
    start(note_headers, head);
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .body = body, .body_len = sizeof body - 1,
        .headers = headers, .headers_count = 2, .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_int_equal(bed.q[0].status, 204);
    assert_non_null(strstr(head, "POST /in HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nX-One: 1\r\n"));
    assert_null(strstr(head, "Expect"));
    (void)post(1, "x");
    wait_for(2);
    assert_null(strstr(head, "Content-Type"));
    end();
}

static void a_unix_socket_is_reached(void **state)
{
    char path[] = "/tmp/fapilog-http-XXXXXX", socket_path[64];
    (void)state;
    assert_non_null(mkdtemp(path));
    (void)snprintf(socket_path, sizeof socket_path, "%s/s", path);
    start(echo, NULL);
    struct http_server *own = http_server_start(echo, NULL, socket_path);
    const struct http_peer peer = {.unix_socket = socket_path};
    bed.q[0] = (struct http_request){.method = "POST", .url = "http://localhost/", .body = "hello", .body_len = 5,
        .peer = &peer, .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_int_equal(bed.q[0].status, 200);
    assert_int_equal(bed.q[0].response.len, 5);
    http_server_stop(own);
    end();
    (void)unlink(socket_path);
    (void)rmdir(path);
}

/* ---- trouble ---- */

static enum http_server_then misbehave(void *arg, const struct http_server_request *q, struct buf *answer)
{
    const char *what = q->body;
    (void)arg;
    if (strcmp(what, "reset") == 0)
        return HTTP_SERVER_RESET;
    if (strcmp(what, "close") == 0)
        return HTTP_SERVER_CLOSE;
    if (strcmp(what, "hang") == 0)
        return HTTP_SERVER_HANG;
    if (strcmp(what, "garbage") == 0)
        CHECK(buf_printf(answer, "\x01\x02 what?\r\n\r\n") == 0);
    else if (strcmp(what, "short") == 0)
        CHECK(buf_printf(answer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly") == 0);
    else if (strncmp(what, "refused", 7) == 0)
        CHECK(buf_printf(answer, "HTTP/1.1 %s No\r\nContent-Length: 100\r\n\r\nbecause", what + 8) == 0);
    else if (strncmp(what, "long", 4) == 0)
        for (unsigned i = 0; i < 2000; i++) {
            if (i == 0)
                CHECK(buf_printf(answer, "HTTP/1.1 %s OK\r\nConnection: close\r\n\r\n", what + 5) == 0);
            CHECK(buf_printf(answer, "%01023u\n", i) == 0);
        }
    return HTTP_SERVER_CLOSE;
}

static void trouble_of_the_network_is_an_errno_and_a_retry(void **state)
{
    static const struct { const char *what; int error; } cases[] = {
        {"reset", -ECONNRESET}, {"close", -ECONNRESET}, {"garbage", -EPROTO}, {"short", -ECONNRESET},
    };
    (void)state;
    start(misbehave, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct http_request *q = post(i, cases[i].what);
        wait_for(i + 1);
        if (q->error != cases[i].error)
            fail_msg("%s: %d: %s", cases[i].what, q->error, q->reason);
        assert_int_equal(q->status, 0);
        assert_int_equal(http_classify(q), HTTP_CLASS_RETRY);
        assert_true(q->response.len <= HTTP_RESPONSE_MAX);
        assert_true(strlen(q->reason) > 5);
    }
    end();
}

/* Sent again, they would be there twice, and again without end. */
static void an_answer_that_is_too_long_counts_by_its_status(void **state)
{
    static const struct { const char *what; int status; enum http_class class; } cases[] = {
        {"long 200", 200, HTTP_CLASS_OK}, {"long 400", 400, HTTP_CLASS_REFUSED}, {"long 503", 503, HTTP_CLASS_RETRY},
    };
    (void)state;
    start(misbehave, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct http_request *q = post(i, cases[i].what);
        wait_for(i + 1);
        assert_int_equal(q->error, 0);
        assert_int_equal(q->status, cases[i].status);
        assert_int_equal(http_classify(q), cases[i].class);
        assert_true(q->is_cut);
        assert_true(q->response.len > 0 && q->response.len <= HTTP_RESPONSE_MAX);
    }
    end();
}

/* nginx answers 413 while the body is still coming, and closes. */
static void what_a_server_has_said_counts_when_it_closes_early(void **state)
{
    static const struct { const char *what; int status; enum http_class class; } cases[] = {
        {"refused 413", 413, HTTP_CLASS_REFUSED}, {"refused 401", 401, HTTP_CLASS_BROKEN},
        {"refused 503", 503, HTTP_CLASS_RETRY},
    };
    (void)state;
    start(misbehave, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct http_request *q = post(i, cases[i].what);
        wait_for(i + 1);
        assert_int_equal(q->error, 0);
        assert_int_equal(q->status, cases[i].status);
        assert_int_equal(http_classify(q), cases[i].class);
        assert_non_null(strstr(q->reason, "because"));
    }
    end();
}

static void a_server_that_hangs_runs_into_the_timeout(void **state)
{
    (void)state;
    start(misbehave, NULL);
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .body = "hang", .body_len = 4,
                                     .timeout_ns = 30 * NS_PER_MS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_int_equal(bed.q[0].error, -ETIMEDOUT);
    assert_string_equal(bed.q[0].reason, "no answer in time"); /* as where somebody cancels */
    end();
}

/* Whether curl's time is over first or that of who waits for it. */
static void where_nothing_takes_a_connection_it_is_said_which_and_what_to_look_at(void **state)
{
    struct sockaddr_in address;
    struct hole hole;
    char want[200];
    (void)state;
    start(echo, NULL);
    hole_dig(&hole, &address);
    (void)snprintf(bed.url, sizeof bed.url, "http://u:secret@127.0.0.1:%u/in", ntohs(address.sin_port));
    (void)snprintf(want, sizeof want, "no connection to 127.0.0.1 port %u within 0.25 s (timeout); look for a "
                   "firewall, and at the routes", ntohs(address.sin_port));
    for (unsigned i = 0; i < 2; i++) {
        bed.q[i] = (struct http_request){.method = "POST", .url = bed.url, .body = "x", .body_len = 1,
                                         .timeout_ns = 250 * NS_PER_MS, .done = on_done};
        http_submit(bed.http, &bed.q[i]);
    }
    const uint64_t until = clock_mono_ns() + 50 * NS_PER_MS;
    while (clock_mono_ns() < until)
        CHECK(io_turn(bed.io, until) >= 0);
    http_cancel(bed.http, &bed.q[1]);
    wait_for(2);
    assert_int_equal(bed.q[0].error, -ETIMEDOUT);
    assert_string_equal(bed.q[0].reason, want);
    assert_int_equal(bed.q[1].error, -ECANCELED);
    assert_string_equal(bed.q[1].reason, want);
    hole_fill(&hole);
    end();
}

static void a_handshake_that_is_not_answered_is_no_missing_connection(void **state)
{
    struct sockaddr_in address;
    (void)state;
    start(echo, NULL);
    const int fd = hole_listen(&address, 4); /* the kernel takes connections, and nobody reads */
    (void)snprintf(bed.url, sizeof bed.url, "https://127.0.0.1:%u/in", ntohs(address.sin_port));
    for (unsigned i = 0; i < 2; i++) {
        bed.q[i] = (struct http_request){.method = "POST", .url = bed.url, .body = "x", .body_len = 1,
                                         .timeout_ns = 250 * NS_PER_MS, .done = on_done};
        http_submit(bed.http, &bed.q[i]);
    }
    const uint64_t until = clock_mono_ns() + 100 * NS_PER_MS;
    while (clock_mono_ns() < until)
        CHECK(io_turn(bed.io, until) >= 0);
    http_cancel(bed.http, &bed.q[1]);
    wait_for(2);
    for (unsigned i = 0; i < 2; i++)
        assert_string_equal(bed.q[i].reason, "the TLS handshake takes too long; does the peer speak TLS on this port?");
    (void)close(fd);
    end();
}

/* Cut off before curl has had a look at its connection, which stands. */
static void a_plain_request_is_never_told_of_a_handshake(void **state)
{
    struct sockaddr_in address;
    (void)state;
    start(echo, NULL);
    const int fd = hole_listen(&address, 16);
    (void)snprintf(bed.url, sizeof bed.url, "http://127.0.0.1:%u/in", ntohs(address.sin_port));
    for (unsigned i = 0; i < 6; i++) {
        struct http_request *q = post(i, "x");
        for (unsigned turns = 0; turns < i; turns++)
            CHECK(io_turn(bed.io, clock_mono_ns() + NS_PER_MS) >= 0);
        http_cancel(bed.http, q);
        wait_for(i + 1);
        assert_null(strstr(q->reason, "TLS"));
    }
    (void)close(fd);
    end();
}

static void nobody_listens_and_no_such_url(void **state)
{
    (void)state;
    start(echo, NULL);
    http_server_stop(bed.server);
    bed.server = NULL;
    (void)post(0, "x");
    (void)snprintf(bed.url, sizeof bed.url, "gopher://127.0.0.1/");
    (void)post(1, "x");
    assert_int_equal(bed.done, 0);
    wait_for(2);
    assert_int_equal(bed.q[0].error, -ECONNREFUSED);
    assert_non_null(strstr(bed.q[0].reason, "Connection refused; is the server running, and is this its port?"));
    assert_int_equal(http_classify(&bed.q[0]), HTTP_CLASS_RETRY);
    assert_int_equal(bed.q[1].error, -EINVAL);
    assert_int_equal(http_classify(&bed.q[1]), HTTP_CLASS_BROKEN);
    end();
}

static void cancel_and_shutdown_end_each_request_once(void **state)
{
    (void)state;
    start(misbehave, NULL);
    for (unsigned i = 0; i < 3; i++)
        (void)post(i, "hang");
    CHECK(io_turn(bed.io, clock_mono_ns() + NS_PER_MS) >= 0);
    http_cancel(bed.http, &bed.q[1]);
    http_cancel(bed.http, &bed.q[1]);
    assert_int_equal(bed.done, 0); /* never inside http_cancel() */
    wait_for(1);
    assert_int_equal(bed.q[1].error, -ECANCELED);
    http_cancel(bed.http, &bed.q[1]);
    http_shutdown(bed.io);
    assert_int_equal(bed.done, 3);
    assert_int_equal(bed.q[0].error, -ECANCELED);
    assert_int_equal(bed.q[2].error, -ECANCELED);
    http_shutdown(bed.io);
    end();
}

/* ---- no memory ---- */

static unsigned handles_refused; /* so many more */

CURL *__wrap_curl_easy_init(void);
CURL *__real_curl_easy_init(void);

CURL *__wrap_curl_easy_init(void)
{
    if (!handles_refused)
        return __real_curl_easy_init();
    handles_refused--;
    return NULL;
}

static void submit_again(struct http_request *q)
{
    if (++bed.done == 1)
        http_submit(bed.http, q);
}

static void without_memory_a_request_ends_like_any_other(void **state)
{
    (void)state;
    start(echo, NULL);
    handles_refused = 3;
    for (unsigned i = 0; i < 3; i++)
        http_cancel(bed.http, post(i, "x"));
    (void)post(3, "x");
    assert_int_equal(bed.done, 0);
    wait_for(4);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(bed.q[i].error, -ENOMEM);
        assert_string_equal(bed.q[i].reason, "out of memory");
        assert_int_equal(http_classify(&bed.q[i]), HTTP_CLASS_RETRY);
    }
    assert_int_equal(bed.q[3].status, 200);
    assert_int_equal(post(0, "x")->error, 0);
    wait_for(5);
    assert_int_equal(bed.q[0].status, 200);
    end();
}

static void a_request_without_memory_may_be_repeated_by_its_done(void **state)
{
    (void)state;
    start(echo, NULL);
    handles_refused = 1;
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .body = "x", .body_len = 1,
                                     .timeout_ns = TIMEOUT_NS, .done = submit_again};
    http_submit(bed.http, &bed.q[0]);
    wait_for(2);
    assert_int_equal(bed.q[0].status, 200);
    end();
}

static void a_request_without_memory_is_told_at_the_engines_end(void **state)
{
    (void)state;
    start(echo, NULL);
    handles_refused = 1;
    (void)post(0, "x");
    http_shutdown(bed.io);
    assert_int_equal(bed.done, 1);
    assert_int_equal(bed.q[0].error, -ENOMEM);
    end();
}

static void free_of_the_io_ends_the_engine(void **state)
{
    (void)state;
    start(misbehave, NULL);
    (void)post(0, "hang");
    CHECK(io_turn(bed.io, clock_mono_ns() + NS_PER_MS) >= 0);
    io_free(bed.io);
    bed.io = NULL;
    assert_int_equal(bed.done, 1);
    assert_int_equal(bed.q[0].error, -ECANCELED);
    end();
}

/* ---- answers ---- */

static enum http_server_then say_status(void *arg, const struct http_server_request *q, struct buf *answer)
{
    char headers[200];
    const time_t later = time(NULL) + 100;
    (void)arg;
    (void)strftime(headers, sizeof headers, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&later));
    const int status = (int)strtol(q->body, NULL, 10);
    http_server_respond(answer, status, status == 429 ? "Retry-After: 7\r\n" : status == 503 ? headers :
                       status == 302 ? "Location: /elsewhere\r\n" : "", "be\nslow\x01 down");
    return HTTP_SERVER_KEEP;
}

static void statuses_fall_into_their_classes(void **state)
{
    static const struct { const char *status; enum http_class class; } cases[] = {
        {"200", HTTP_CLASS_OK}, {"202", HTTP_CLASS_OK}, {"302", HTTP_CLASS_BROKEN}, {"400", HTTP_CLASS_REFUSED},
        {"401", HTTP_CLASS_BROKEN}, {"403", HTTP_CLASS_BROKEN}, {"404", HTTP_CLASS_REFUSED},
        {"407", HTTP_CLASS_BROKEN}, {"408", HTTP_CLASS_RETRY}, {"413", HTTP_CLASS_REFUSED},
        {"425", HTTP_CLASS_RETRY}, {"429", HTTP_CLASS_RETRY}, {"500", HTTP_CLASS_RETRY}, {"503", HTTP_CLASS_RETRY},
    };
    (void)state;
    start(say_status, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct http_request *q = post(i, cases[i].status);
        wait_for(i + 1);
        assert_int_equal(q->error, 0);
        assert_int_equal(q->status, strtol(cases[i].status, NULL, 10));
        assert_int_equal(http_classify(q), cases[i].class);
        assert_non_null(strstr(q->reason, q->status == 407 ? "proxy_user" : "be slow? down"));
    }
    assert_int_equal(bed.q[11].retry_after_ns, 7 * NS_PER_S);
    assert_in_range(bed.q[13].retry_after_ns, 90 * NS_PER_S, 100 * NS_PER_S);
    assert_int_equal(bed.q[12].retry_after_ns, 0);
    end();
}

/* As the servers have it that answer at all: nginx, Go, Apache. Any other 400 is the record's fault. */
static enum http_server_then want_tls(void *arg, const struct http_server_request *q, struct buf *answer)
{
    static const char *const says[] = {
        "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
        "Client sent an HTTP request to an HTTPS server.\n",
        "<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />", "no such field",
    };
    (void)arg;
    http_server_respond(answer, 400, "", says[strtol(q->body, NULL, 10)]);
    return HTTP_SERVER_KEEP;
}

static void a_port_of_tls_that_answers_is_no_records_fault(void **state)
{
    static const char *const bodies[] = {"0", "1", "2", "3"};
    (void)state;
    start(want_tls, NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(bodies); i++) {
        const struct http_request *q = post(i, bodies[i]);
        wait_for(i + 1);
        assert_int_equal(http_classify(q), i < 3 ? HTTP_CLASS_BROKEN : HTTP_CLASS_REFUSED);
        assert_string_equal(q->reason, i < 3 ? "HTTP 400: the port wants TLS, and the URL has to begin with https"
                                             : "HTTP 400: no such field");
    }
    end();
}

static enum http_server_then send_elsewhere(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    if (strstr(q->head, "POST /in "))
        http_server_respond(answer, 301, "Location: /there\r\n", "");
    else if (strstr(q->head, "POST /there "))
        http_server_respond(answer, 200, "", q->body);
    else
        http_server_respond(answer, 500, "", "");
    return HTTP_SERVER_KEEP;
}

static void a_redirect_is_followed_only_where_asked_for(void **state)
{
    const struct http_peer peer = {.redirects_max = 1};
    (void)state;
    start(send_elsewhere, NULL);
    (void)post(0, "body");
    wait_for(1);
    assert_int_equal(bed.q[0].status, 301);
    bed.q[1] = (struct http_request){.method = "POST", .url = bed.url, .body = "body", .body_len = 4, .peer = &peer,
                                     .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[1]);
    wait_for(2);
    assert_int_equal(bed.q[1].status, 200);
    assert_int_equal(bed.q[1].response.len, 4);
    end();
}

static enum http_server_then send_in_circles(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)q;
    ++*(unsigned *)arg;
    http_server_respond(answer, 302, "Location: /in\r\n", "");
    return HTTP_SERVER_KEEP;
}

enum { LONG_BODY = 300000, PORTION = 1000 };

static char long_body[LONG_BODY];
static size_t long_body_at;

static size_t read_portion(struct http_request *q, char *out, size_t room)
{
    const size_t left = LONG_BODY - long_body_at, most = room < PORTION ? room : PORTION, n = left < most ? left : most;
    (void)q;
    if (!out)
        long_body_at = 0;
    else
        memcpy(out, long_body + long_body_at, n);
    long_body_at += out ? n : 0;
    return out ? n : 0;
}

/* From its beginning, wherever the first server has left off. */
static void a_redirect_takes_along_a_body_that_is_read_in_portions(void **state)
{
    const struct http_peer peer = {.redirects_max = 1};
    (void)state;
    for (unsigned i = 0; i < LONG_BODY; i++)
        long_body[i] = (char)('a' + i % 23);
    start(send_elsewhere, NULL);
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .read = read_portion, .body_len = LONG_BODY,
                                     .peer = &peer, .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_int_equal(bed.q[0].status, 200);
    assert_int_equal(bed.q[0].response.len, LONG_BODY);
    assert_memory_equal(bed.q[0].response.data, long_body, LONG_BODY);
    end();
}

static void redirects_are_followed_as_often_as_asked_for(void **state)
{
    const struct http_peer peer = {.redirects_max = 3};
    unsigned requests = 0;
    (void)state;
    start(send_in_circles, &requests);
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .body = "body", .body_len = 4, .peer = &peer,
                                     .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_int_equal(bed.q[0].status, 302);
    assert_int_equal(http_classify(&bed.q[0]), HTTP_CLASS_BROKEN);
    end();
    assert_int_equal(requests, 4);
}

static enum http_server_then echo_headers(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    http_server_respond(answer, 400, "", q->head + strlen("POST /in HTTP/1.1\r\n"));
    return HTTP_SERVER_KEEP;
}

static void secrets_that_come_back_are_blotted_out(void **state)
{
    const char *const headers[] = {"Authorization: Bearer s3cr3t-token", "X-Api-Key: hush-hush", "X-Plain: open"};
    (void)state;
    start(echo_headers, NULL);
    bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .headers = headers, .headers_count = 3,
                                     .timeout_ns = TIMEOUT_NS, .done = on_done};
    http_submit(bed.http, &bed.q[0]);
    wait_for(1);
    assert_null(strstr(bed.q[0].reason, "s3cr3t"));
    assert_null(strstr(bed.q[0].reason, "hush"));
    assert_non_null(strstr(bed.q[0].reason, "Bearer ***"));
    assert_non_null(strstr(bed.q[0].reason, "X-Plain: open"));
    end();
}

/* A session token of AWS has a thousand characters: what is quoted of the answer ends within it, or within the last of
 * several. */
static void so_are_those_that_are_longer_than_what_is_shown(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char token[1024] = "X-Amz-Security-Token: ", again[1024] = "X-Again: ";
    const char *const headers[] = {again, token};
    (void)state;
    for (size_t i = 0, len = 40; len <= 900; len += 860, i++) {
        for (size_t k = 0, at = strlen("X-Amz-Security-Token: "); k <= len; k++)
            token[at + k] = k < len ? letters[k * k % 61] : '\0';
        char *to = again + strlen("X-Again: ");
        for (unsigned k = 0; k < (i ? 1 : 20); k++, to += len)
            memcpy(to, token + strlen("X-Amz-Security-Token: "), len + 1);
        start(echo_headers, NULL);
        bed.q[0] = (struct http_request){.method = "POST", .url = bed.url, .headers = headers, .headers_count = 2,
                                         .timeout_ns = TIMEOUT_NS, .done = on_done};
        http_submit(bed.http, &bed.q[0]);
        wait_for(1);
        assert_null(memmem(bed.q[0].reason, strlen(bed.q[0].reason), token + strlen("X-Amz-Security-Token: "), 4));
        assert_non_null(strstr(bed.q[0].reason, "X-Again: ***"));
        end();
    }
}

/* ---- bodies ---- */

static void encoded_bodies_decode_to_what_they_were(void **state)
{
    static char text[100000], back[sizeof text];
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    struct buf out = {0};
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)("{\"a\":1,}"[i % 8] + (i / 977) % 3);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(http_encode(HTTP_GZIP, text, sizeof text, &out), 0);
        assert_int_equal(libdeflate_gzip_decompress(d, out.data, out.len, back, sizeof back, &n), 0);
        assert_int_equal(n, sizeof text);
        assert_memory_equal(back, text, sizeof text);
        assert_true(out.len < sizeof text / 5);
        out.len = 0;
        assert_int_equal(http_encode(HTTP_ZSTD, text, sizeof text, &out), 0);
        assert_int_equal(ZSTD_decompress(back, sizeof back, out.data, out.len), sizeof text);
        assert_memory_equal(back, text, sizeof text);
        out.len = 0;
    }
    assert_int_equal(http_encode(HTTP_GZIP, "", 0, &out), 0);
    assert_int_equal(libdeflate_gzip_decompress(d, out.data, out.len, back, sizeof back, &n), 0);
    assert_int_equal(n, 0);
    libdeflate_free_decompressor(d);
    buf_done(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_one_after_the_other_share_a_connection),
        cmocka_unit_test(many_at_once_each_get_their_own_answer),
        cmocka_unit_test(a_body_goes_out_at_once_under_the_callers_headers_only),
        cmocka_unit_test(a_unix_socket_is_reached),
        cmocka_unit_test(trouble_of_the_network_is_an_errno_and_a_retry),
        cmocka_unit_test(an_answer_that_is_too_long_counts_by_its_status),
        cmocka_unit_test(what_a_server_has_said_counts_when_it_closes_early),
        cmocka_unit_test(a_server_that_hangs_runs_into_the_timeout),
        cmocka_unit_test(where_nothing_takes_a_connection_it_is_said_which_and_what_to_look_at),
        cmocka_unit_test(a_handshake_that_is_not_answered_is_no_missing_connection),
        cmocka_unit_test(a_plain_request_is_never_told_of_a_handshake),
        cmocka_unit_test(nobody_listens_and_no_such_url),
        cmocka_unit_test(cancel_and_shutdown_end_each_request_once),
        cmocka_unit_test(without_memory_a_request_ends_like_any_other),
        cmocka_unit_test(a_request_without_memory_may_be_repeated_by_its_done),
        cmocka_unit_test(a_request_without_memory_is_told_at_the_engines_end),
        cmocka_unit_test(free_of_the_io_ends_the_engine),
        cmocka_unit_test(statuses_fall_into_their_classes),
        cmocka_unit_test(a_port_of_tls_that_answers_is_no_records_fault),
        cmocka_unit_test(a_redirect_is_followed_only_where_asked_for),
        cmocka_unit_test(a_redirect_takes_along_a_body_that_is_read_in_portions),
        cmocka_unit_test(redirects_are_followed_as_often_as_asked_for),
        cmocka_unit_test(secrets_that_come_back_are_blotted_out),
        cmocka_unit_test(so_are_those_that_are_longer_than_what_is_shown),
        cmocka_unit_test(encoded_bodies_decode_to_what_they_were),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
