/* What the syslog sink says of a receiver that it does not reach, or that hangs up. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"
#include "tests/common/remote_run.h"
#include "tests/common/slow_names.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_NS (20 * NS_PER_S)
#define WANTS_TLS "; where the port wants TLS, transport has to be tls"

#define ADVICE "is the name right, and does DNS work here?"

static struct remote_run run;
static struct entry_head *entry;
static char uri[100], want[200];

static void open_sink(const char *way, const char *host, unsigned port)
{
    struct err e = {0};
    (void)snprintf(uri, sizeof uri, "syslog+%s://%s:%u?timeout=3s", way, host, port);
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
    entry = remote_run_entry(&run, 1, 1000, 10);
}

static void close_sink(void)
{
    remote_run_close(&run);
    free(entry);
}

static void wait_readable(int fd)
{
    const uint64_t give_up = clock_mono_ns() + WAIT_NS;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 0) {
        assert_true(clock_mono_ns() < give_up);
        assert_true(io_turn(run.io, clock_mono_ns() + NS_PER_MS) >= 0);
    }
}

static void assert_retry(const struct remote_run_request *q, const char *reason)
{
    assert_int_equal(q->result.outcome, SINK_RETRY);
    assert_string_equal(q->result.reason, reason);
}

/* What a port of TLS does to what is none: it hangs up, or sends an alert first. */
static void a_port_that_may_want_tls_is_told(void **state)
{
    static const char *const says[] = {"", "\x15\3\3\1\2\2", "220 at your service\r\n"};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct sockaddr_in sa;
        char bytes[2000];
        const int listener = hole_listen(&sa, 4);
        open_sink("tcp", "127.0.0.1", ntohs(sa.sin_port));
        const struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
        wait_readable(listener);
        const int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        wait_readable(peer);
        assert_true(recv(peer, bytes, sizeof bytes, 0) > 0);
        assert_int_equal(send(peer, says[i], strlen(says[i]), MSG_NOSIGNAL), strlen(says[i]));
        (void)close(peer);
        remote_run_wait(&run);
        (void)snprintf(want, sizeof want, "127.0.0.1 port %u: closed by the peer%s", ntohs(sa.sin_port),
                       i < 2 ? WANTS_TLS : "");
        assert_retry(q, want);
        close_sink();
        (void)close(listener);
    }
}

/* Receivers are restarted, too. */
static void a_connection_that_has_lasted_is_not_taken_for_one_to_a_port_of_tls(void **state)
{
    struct sockaddr_in sa;
    char bytes[2000];
    (void)state;
    const int listener = hole_listen(&sa, 4);
    open_sink("tcp", "127.0.0.1", ntohs(sa.sin_port));
    const struct remote_run_request *q = remote_run_send(&run, &entry, 1, 1);
    wait_readable(listener);
    const int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    wait_readable(peer);
    assert_true(recv(peer, bytes, sizeof bytes, 0) > 0);
    remote_run_wait(&run);
    assert_int_equal(q->result.outcome, SINK_DELIVERED);
    q = remote_run_send(&run, &entry, 1, 1);
    (void)close(peer);
    remote_run_wait(&run);
    assert_int_equal(q->result.outcome, SINK_RETRY);
    assert_null(strstr(q->result.reason, "TLS"));
    close_sink();
    (void)close(listener);
}

static void a_name_that_is_not_found_in_time_is_named(void **state)
{
    static const char *const ways[] = {"tcp", "tls", "udp"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(ways); i++) {
        open_sink(ways[i], "logs.slow.test", 99);
        struct remote_run_request *q = remote_run_send(&run, &entry, 1, 1);
        assert_true(io_turn(run.io, clock_mono_ns() + NS_PER_MS) >= 0);
        run.sink->ops->remote->cancel(run.sink, &q->q); /* its time is over */
        remote_run_wait(&run);
        assert_retry(q, "logs.slow.test port 99: no connection within 3 s (timeout); " ADVICE);
        const bool goes_on = i == 2; /* the look-up of UDP: who comes next has its answer */
        if (goes_on)
            q = remote_run_send(&run, &entry, 1, 1);
        slow_names_let_go();
        remote_run_wait(&run);
        if (goes_on)
            assert_retry(q, "logs.slow.test port 99: Name or service not known; " ADVICE);
        close_sink();
    }
}

static void a_name_that_does_not_exist_is_told_once(void **state)
{
    static const char *const ways[] = {"tcp", "tls", "udp"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(ways); i++) {
        open_sink(ways[i], "none.slow.test", 99);
        const struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
        remote_run_wait(&run);
        assert_retry(q, "none.slow.test port 99: Name or service not known; " ADVICE);
        close_sink();
    }
}

/* Of datagrams the host that is near says so. */
static void a_port_where_nobody_listens_is_told(void **state)
{
    static const char *const ways[] = {"tcp", "tls", "udp"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(ways); i++) {
        struct sockaddr_in sa;
        (void)close(hole_listen(&sa, 1));
        open_sink(ways[i], "127.0.0.1", ntohs(sa.sin_port));
        const struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
        remote_run_wait(&run);
        (void)snprintf(want, sizeof want, "127.0.0.1 port %u: Connection refused; is the server running, and is this "
                       "its port?", ntohs(sa.sin_port));
        assert_retry(q, want);
        close_sink();
    }
}

static void a_socket_that_is_not_there_is_told(void **state)
{
    static const char *const ways[] = {"unix", "unix_stream"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(ways); i++) {
        struct err e = {0};
        (void)snprintf(uri, sizeof uri, "syslog+%s:///nowhere/log", ways[i]);
        assert_int_equal(remote_run_open(&run, uri, &e), 0);
        entry = remote_run_entry(&run, 1, 1000, 10);
        const struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
        remote_run_wait(&run);
        assert_retry(q, "/nowhere/log: No such file or directory");
        close_sink();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_that_may_want_tls_is_told),
        cmocka_unit_test(a_connection_that_has_lasted_is_not_taken_for_one_to_a_port_of_tls),
        cmocka_unit_test(a_name_that_does_not_exist_is_told_once),
        cmocka_unit_test(a_port_where_nobody_listens_is_told),
        cmocka_unit_test(a_socket_that_is_not_there_is_told),
        cmocka_unit_test(a_name_that_is_not_found_in_time_is_named),
    };
    return cmocka_run_group_tests_name("syslog-trouble", tests, NULL, NULL);
}
