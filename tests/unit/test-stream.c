/* A connection to a name with several addresses, of which some lead nowhere. */
#include "collector/net/connect.h"
#include "collector/net/stream.h"
#include "collector/net/tls.h"

#include "lib/base/check.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/x509_vfy.h>

#include <cmocka.h>

enum { ADDRESSES_MAX = 3 };

static struct sockaddr_in address[ADDRESSES_MAX];
static struct sockaddr_in6 local6; /* the C library's AI_ADDRCONFIG would leave it out; sin6_port 0: there is none */
static unsigned addresses;
static unsigned opened, closed;
static char reason[200];

static struct addrinfo **append(struct addrinfo **end, int family, void *sa, socklen_t len)
{
    struct addrinfo *a = calloc(1, sizeof *a);
    CHECK(a);
    *a = (struct addrinfo){ .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_addr = sa, .ai_addrlen = len };
    *end = a;
    return &a->ai_next;
}

/* Instead of the C library's: what the name stands for is up to the test. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)host, (void)port;
    struct addrinfo **end = ret;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    if (local6.sin6_port && !(hints->ai_flags & AI_ADDRCONFIG))
        end = append(end, AF_INET6, &local6, sizeof local6);
    for (unsigned i = 0; i < addresses; i++)
        end = append(end, AF_INET, &address[i], sizeof address[i]);
    return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
    for (struct addrinfo *next; list; list = next) {
        next = list->ai_next;
        free(list);
    }
}

static void on_opened(void *owner) { (void)owner, opened++; }
static void on_received(void *owner, const char *data, size_t len) { (void)owner, (void)data, (void)len; }
static void on_sent(void *owner) { (void)owner; }
static void on_closed(void *owner, int error, const char *text)
{
    (void)owner, (void)error;
    closed++;
    (void)snprintf(reason, sizeof reason, "%s", text);
}

static struct stream *start(struct io *io, uint64_t timeout_ns)
{
    static const struct stream_events events = { on_opened, on_received, on_sent, on_closed };
    const struct stream_config cfg = { .kind = STREAM_TCP, .host = "several.test", .connect_timeout_ns = timeout_ns };
    struct stream *st;
    struct err e;
    opened = closed = 0;
    assert_int_equal(stream_new(io, &cfg, &events, NULL, &st, &e), 0);
    while (!opened && !closed)
        CHECK(io_turn(io, clock_mono_ns() + NS_PER_S) >= 0);
    return st;
}

static void on_each_backend(void (*test)(struct io *io))
{
    static const enum io_kind kinds[] = { IO_AUTO, IO_PLAIN };
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        const struct io_config cfg = { .kind = kinds[i], .queue_depth = 16 };
        struct io *io;
        struct err e;
        assert_int_equal(io_new(&cfg, &io, &e), 0);
        test(io);
        io_free(io);
    }
}

static void reach_behind(struct io *io)
{
    struct hole first, second;
    hole_dig(&first, &address[0]);
    hole_dig(&second, &address[1]);
    const int fd = hole_listen(&address[2], 4);
    addresses = 3;
    struct stream *st = start(io, 60 * NS_PER_S);
    assert_int_equal(opened, 1);
    stream_free(st);
    hole_fill(&first);
    hole_fill(&second);
    (void)close(fd);
}

static void an_address_that_takes_no_connection_is_left_for_the_next(void **state)
{
    (void)state;
    on_each_backend(reach_behind);
}

static void refused_first(struct io *io)
{
    (void)close(hole_listen(&address[0], 1));
    const int fd = hole_listen(&address[1], 4);
    addresses = 2;
    struct stream *st = start(io, 60 * NS_PER_S);
    assert_int_equal(opened, 1);
    stream_free(st);
    (void)close(fd);
}

static void all_refuse(struct io *io)
{
    (void)close(hole_listen(&address[0], 1));
    addresses = 1;
    struct stream *st = start(io, 60 * NS_PER_S);
    assert_int_equal(closed, 1);
    assert_string_equal(reason, "Connection refused; is the server running, and is this its port?");
    stream_free(st);
}

static void where_all_refuse_it_says_so(void **state)
{
    (void)state;
    on_each_backend(all_refuse);
}

static void so_is_one_that_refuses(void **state)
{
    (void)state;
    on_each_backend(refused_first);
}

/* On a machine that has no other address of IPv6. */
static void a_name_of_the_loopback_of_ipv6_alone_is_reached(void **state)
{
    const struct io_config cfg = { .kind = IO_PLAIN, .queue_depth = 16 };
    socklen_t len = sizeof local6;
    struct io *io;
    struct err e;
    (void)state;
    local6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&local6, len) < 0) {
        local6.sin6_port = 0;
        skip(); /* no IPv6 here */
    }
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&local6, &len), 0);
    addresses = 0;
    assert_int_equal(io_new(&cfg, &io, &e), 0);
    struct stream *st = start(io, 60 * NS_PER_S);
    assert_int_equal(opened, 1);
    stream_free(st);
    io_free(io);
    (void)close(fd);
    local6.sin6_port = 0;
}

static void time_out(struct io *io)
{
    struct hole first, second;
    hole_dig(&first, &address[0]);
    hole_dig(&second, &address[1]);
    addresses = 2;
    for (uint64_t ms = 100; ms <= 500; ms += 400) { /* before the second is tried, and while it is */
        struct stream *st = start(io, ms * NS_PER_MS);
        assert_int_equal(closed, 1);
        assert_string_equal(reason, ms == 100 ? "no connection within 0.1 s; look for a firewall, and at the routes"
                                              : "no connection within 0.5 s; look for a firewall, and at the routes");
        stream_free(st);
    }
    hole_fill(&first);
    hole_fill(&second);
}

static void where_none_answers_it_ends_in_time(void **state)
{
    (void)state;
    on_each_backend(time_out);
}

/* The others are seen in tests/e2e/test-http-sinks.py; this one needs a certificate of tomorrow. */
static void advice_is_given_where_there_is_some(void **state)
{
    (void)state;
    assert_string_equal(tls_verify_advice(X509_V_ERR_CERT_NOT_YET_VALID), "is the clock here right?");
    assert_string_equal(tls_verify_advice(X509_V_ERR_CERT_REVOKED), "");
    assert_string_equal(tls_verify_advice(X509_V_OK), "");
    assert_string_equal(tls_handshake_advice("sslv3 alert handshake failure"), "");
    assert_string_equal(connect_advice(-ECONNREFUSED), "is the server running, and is this its port?");
    assert_string_equal(connect_advice(-ENETUNREACH), "look for a firewall, and at the routes");
    assert_string_equal(connect_advice(-EMFILE), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_that_takes_no_connection_is_left_for_the_next),
        cmocka_unit_test(so_is_one_that_refuses), cmocka_unit_test(where_all_refuse_it_says_so),
        cmocka_unit_test(a_name_of_the_loopback_of_ipv6_alone_is_reached),
        cmocka_unit_test(where_none_answers_it_ends_in_time),
        cmocka_unit_test(advice_is_given_where_there_is_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
