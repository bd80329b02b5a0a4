/* The postgresql sink where there is no server: what it hands to libpq, and what it does not. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"
#include "tests/common/remote_run.h"
#include "tests/common/slow_names.h"

#include <endian.h>
#include <libpq-fe.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ADVICE "is the name right, and does DNS work here?"

static struct remote_run run;
static bool has_digits, is_real;
static unsigned connects;
static char host[64], address[64];

int __wrap_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);
int __real_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);
PGconn *__wrap_PQconnectStartParams(const char *const *, const char *const *, int);
PGconn *__real_PQconnectStartParams(const char *const *, const char *const *, int);

int __wrap_getnameinfo(const struct sockaddr *a, socklen_t len, char *name, socklen_t name_len, char *service,
                       socklen_t service_len, int flags)
{
    return has_digits ? __real_getnameinfo(a, len, name, name_len, service, service_len, flags) : EAI_FAMILY;
}

PGconn *__wrap_PQconnectStartParams(const char *const *keys, const char *const *values, int expand)
{
    connects++;
    if (is_real)
        return __real_PQconnectStartParams(keys, values, expand);
    for (unsigned i = 0; keys[i]; i++) {
        if (!strcmp(keys[i], "host"))
            (void)snprintf(host, sizeof host, "%s", values[i]);
        if (!strcmp(keys[i], "hostaddr"))
            (void)snprintf(address, sizeof address, "%s", values[i] ? values[i] : "none");
    }
    return NULL;
}

enum until { END, LIBPQ_IS_AT_IT, NAME_IS_LOOKED_UP, PEER_IS_ASKED };

static int listener, peer; /* PEER_IS_ASKED */

/* Its connection has said something, and hears nothing. */
static void wait_until_asked(void)
{
    char byte;
    struct pollfd p = { .fd = listener, .events = POLLIN };
    while (poll(&p, 1, 0) == 0)
        CHECK(io_turn(run.io, clock_mono_ns() + NS_PER_MS) >= 0);
    p.fd = peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    while (poll(&p, 1, 0) == 0)
        CHECK(io_turn(run.io, clock_mono_ns() + NS_PER_MS) >= 0);
    CHECK(recv(p.fd, &byte, 1, MSG_PEEK) == 1);
}

/* Waits for the end, or lets the time of the request be over before. */
static struct sink_result send_one_until(const char *uri, enum until until)
{
    struct err e = { 0 };
    connects = 0;
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
    struct entry_head *const entry = remote_run_entry(&run, 1, 1000, 10);
    struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
    while (until == LIBPQ_IS_AT_IT && !connects)
        CHECK(io_turn(run.io, clock_mono_ns() + NS_PER_S) >= 0);
    if (until == PEER_IS_ASKED)
        wait_until_asked();
    if (until != END)
        run.sink->ops->remote->cancel(run.sink, &q->q);
    remote_run_wait(&run);
    const struct sink_result result = q->result;
    remote_run_close(&run);
    free(entry);
    return result;
}

static struct sink_result send_one(const char *uri)
{
    return send_one_until(uri, END);
}

static void a_name_is_handed_over_with_its_address(void **state)
{
    (void)state;
    has_digits = true;
    assert_int_equal(send_one("postgresql://user@127.0.0.1:1/db").outcome, SINK_RETRY);
    assert_int_equal(connects, 1);
    assert_string_equal(host, "127.0.0.1");
    assert_string_equal(address, "127.0.0.1");
}

/* It would look the name up itself, and the collector would stand still meanwhile. */
static void a_name_without_an_address_is_not_handed_over(void **state)
{
    (void)state;
    has_digits = false;
    const struct sink_result result = send_one("postgresql://user@127.0.0.1:1/db");
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_string_equal(result.reason, "none of its addresses can be written in digits");
    assert_int_equal(connects, 0);
}

static void a_connection_that_does_not_come_about_says_where_and_what_to_look_at(void **state)
{
    struct sockaddr_in at;
    struct hole hole;
    char uri[100], want[200];
    (void)state;
    has_digits = is_real = true;
    hole_dig(&hole, &at);
    (void)snprintf(uri, sizeof uri, "postgresql://user@127.0.0.1:%u/db?timeout=3s", ntohs(at.sin_port));
    (void)snprintf(want, sizeof want, "no connection to 127.0.0.1 port %u within 3 s (timeout); look for a firewall, "
                   "and at the routes", ntohs(at.sin_port));
    struct sink_result result = send_one_until(uri, LIBPQ_IS_AT_IT);
    hole_fill(&hole);
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_string_equal(result.reason, want);
    (void)close(hole_listen(&at, 1));
    (void)snprintf(uri, sizeof uri, "postgresql://user@127.0.0.1:%u/db", ntohs(at.sin_port));
    result = send_one(uri);
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_non_null(strstr(result.reason, "Connection refused; is the server running, and is this its port?"));
    is_real = false;
}

static void a_port_that_takes_connections_and_says_nothing_is_named(void **state)
{
    struct sockaddr_in at;
    char uri[100], want[200];
    (void)state;
    has_digits = is_real = true;
    listener = hole_listen(&at, 4);
    (void)snprintf(uri, sizeof uri, "postgresql://user@127.0.0.1:%u/db", ntohs(at.sin_port));
    (void)snprintf(want, sizeof want, "127.0.0.1 port %u: no answer in time; does PostgreSQL listen on this port, and "
                   "without TLS from the first byte on?", ntohs(at.sin_port));
    const struct sink_result result = send_one_until(uri, PEER_IS_ASKED);
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_string_equal(result.reason, want);
    (void)close(peer);
    (void)close(listener);
    is_real = false;
}

static void a_name_that_is_not_found_in_time_is_named(void **state)
{
    (void)state;
    has_digits = true;
    struct sink_result result = send_one_until("postgresql://user@db.slow.test:7/db?timeout=3s", NAME_IS_LOOKED_UP);
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_string_equal(result.reason, "no connection to db.slow.test port 7 within 3 s (timeout); " ADVICE);
    assert_int_equal(connects, 0);
    slow_names_let_go();
    result = send_one("postgresql://user@none.slow.test:7/db");
    assert_string_equal(result.reason, "none.slow.test: Name or service not known; " ADVICE);
    assert_int_equal(connects, 0);
}

/* The next of the extracted columns, as the binary COPY has it: its length, big endian, and bytes. */
static const char *next_column(const char **at, uint32_t *ret_len)
{
    uint32_t wire;
    memcpy(&wire, *at, sizeof wire);
    const char *const text = *at + sizeof wire;
    *ret_len = be32toh(wire);
    *at = text + *ret_len;
    return text;
}

static void texts_in_columns_are_what_was_logged(void **state)
{
    static const char odd[] = "line1\nline2\ttab \x1b[0m C:\\dir \0nul\0\0 \xff \xc2\x85";
    static const char want[] = "line1\nline2\ttab \x1b[0m C:\\dir \xef\xbf\xbdnul\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd "
                               "\xc2\x85";
    static const char formatted[] = "n=two\nlines \xef\xbf\xbd";
    struct err e = { 0 };
    struct sample *s = sample_new(SAMPLE_EMPTY), *f = sample_new(SAMPLE_EMPTY);
    uint32_t len;
    (void)state;
    if (remote_run_open(&run, "postgresql://user@127.0.0.1:1/db?extract_fields=message,path", &e) < 0)
        fail_msg("%s", e.text);
    s->r.message = (struct fapilog_text){ odd, sizeof odd - 1 };
    sample_add(s, sample_bytes("path", FAPILOG_TYPE_STRING, odd, sizeof odd - 1));
    sample_add(f, sample_string("", "two\nlines \xff"));
    sample_set_site(f, "n=%s", true);
    struct entry_head *const entry = remote_run_encode(&run, &s->r), *const by_format = remote_run_encode(&run, &f->r);
    const char *at = entry_meta(entry), *text = next_column(&at, &len); /* the time */
    assert_int_equal(len, 8);
    for (unsigned i = 0; i < 2; i++) {
        text = next_column(&at, &len);
        assert_int_equal(len, sizeof want - 1);
        assert_memory_equal(text, want, len);
    }
    at = entry_meta(by_format);
    (void)next_column(&at, &len);
    text = next_column(&at, &len);
    assert_int_equal(len, sizeof formatted - 1);
    assert_memory_equal(text, formatted, len);
    remote_run_close(&run);
    free(entry);
    free(by_format);
    sample_free(s);
    sample_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_in_columns_are_what_was_logged),
        cmocka_unit_test(a_name_is_handed_over_with_its_address),
        cmocka_unit_test(a_name_without_an_address_is_not_handed_over),
        cmocka_unit_test(a_port_that_takes_connections_and_says_nothing_is_named),
        cmocka_unit_test(a_name_that_is_not_found_in_time_is_named),
        cmocka_unit_test(a_connection_that_does_not_come_about_says_where_and_what_to_look_at),
    };
    return cmocka_run_group_tests_name("sink-postgres", tests, NULL, NULL);
}
