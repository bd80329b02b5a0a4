/* Which proxy the environment has for a URL: what is said of it is what curl does. */
#include "collector/net/http_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/hole.h"
#include "tests/common/http_server.h"
#include "tests/common/slow_names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_NS (20 * NS_PER_S)

static const char *const variables[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY", "no_proxy", "NO_PROXY"};
static struct io *io;
static struct http *engine;
static struct http_request request;
static bool is_done;

static int set_up(void **state)
{
    struct err e;
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(variables); i++)
        assert_int_equal(unsetenv(variables[i]), 0);
    assert_int_equal(io_new(&(struct io_config){.kind = IO_AUTO}, &io, &e), 0);
    return http_get(io, &engine, &e);
}

static int tear_down(void **state)
{
    (void)state;
    http_request_done(&request);
    io_free(io);
    return 0;
}

static void on_done(struct http_request *q)
{
    (void)q;
    is_done = true;
}

static void submit_to(const struct http_peer *peer, const char *url, uint64_t timeout_ns)
{
    is_done = false;
    request = (struct http_request){.method = "POST", .url = url, .body = "x", .body_len = 1, .peer = peer,
                                    .timeout_ns = timeout_ns, .done = on_done, .response = request.response};
    http_submit(engine, &request);
}

static void submit(const char *url, uint64_t timeout_ns) { submit_to(NULL, url, timeout_ns); }

static void wait_done(void)
{
    const uint64_t until = clock_mono_ns() + WAIT_NS;
    while (!is_done) {
        CHECK(clock_mono_ns() < until);
        CHECK(io_turn(io, until) >= 0);
    }
}

static enum http_server_then answer(void *arg, const struct http_server_request *q, struct buf *out)
{
    (void)arg, (void)q;
    http_server_respond(out, 207, "", "");
    return HTTP_SERVER_CLOSE;
}

static bool is_asked(const char *url)
{
    submit(url, 10 * NS_PER_S);
    wait_done();
    return !request.error && request.status == 207;
}

/* Names that are reached directly are none at all, addresses those of ports where nobody listens. */
static void it_is_the_one_that_curl_takes(void **state)
{
    static const char *const hosts[] = {
        "logs.none.slow.test", "none.slow.test", "xnone.slow.test", "logs.none.slow.test.", "LOGS.none.SLOW.test",
        "127.0.0.9", "127.1.0.9", "[::1]", "[0:0::1]",
    };
    static const char *const rules[] = {
        "", "*", "none.slow.test", ".none.slow.test", "none.slow.test.", "a, logs.none.slow.test",
        "a logs.none.slow.test", ",,", "slow.test,127.0.0.9", "127.0.0.0/24", "127.0.0.0/8", "127.0.0.8/31",
        "127.0.0.0/15", "::1", "127.0.0", ".", "none", "*.slow.test", "127.0.0.9/33", "0.0.0.0/0", "::/1", "0::1",
    };
    struct http_server *s = http_server_start(answer, NULL, NULL);
    unsigned direct = 0, asked = 0;
    char proxy[100], url[100], where[200], want[100];
    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://me:secret@127.0.0.1:%u", http_server_port(s));
    (void)snprintf(want, sizeof want, "the proxy 127.0.0.1 port %u (http_proxy)", http_server_port(s));
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
        (void)snprintf(url, sizeof url, "http://%s:9/in", hosts[i]);
        for (unsigned k = 0; k < ARRAY_COUNT(rules); k++) {
            assert_int_equal(setenv(k % 2 ? "no_proxy" : "NO_PROXY", rules[k], 1), 0);
            assert_int_equal(unsetenv(k % 2 ? "NO_PROXY" : "no_proxy"), 0);
            const bool is_proxy = http_name_peer(NULL, url, where, sizeof where);
            const bool was_asked = is_asked(url);
            if (is_proxy != was_asked || (is_proxy && strcmp(where, want) != 0))
                fail_msg("%s with no_proxy=%s: %s, curl: %d", url, rules[k], where, was_asked);
            asked += was_asked;
            direct += !was_asked;
        }
    }
    assert_in_range(direct, 30, 100);
    assert_in_range(asked, 30, 250);
    http_server_stop(s);
}

static void addresses_of_ipv6_are_reached_directly_in_any_form(void **state)
{
    static const struct { const char *rules, *host; bool is_direct; } rows[] = {
        {"::1", "[::1]", true}, {"0:0::1", "[::1]", true}, {"[::1]", "[::1]", true}, {"::1", "[0:0:0::1]", true},
        {"::/1", "[::1]", true}, {"::/127", "[::1]", true}, {"[::]/8", "[::1]", true},
        {"a,fd00::/8 ::1", "[::1]", true}, {"::ffff:127.0.0.0/104", "[::ffff:7f00:9]", true},
        {"FE80::1", "[fe80::1%25lo]", true}, {"*", "[::1]", true},
        {"::2/127", "[::1]", false}, {"::/128", "[::1]", false}, {"::/129", "[::1]", false},
        {"fd00::/8", "[::1]", false}, {"[::1", "[::1]", false}, {"[]", "[::1]", false}, {"1", "[::1]", false},
        {"127.0.0.0/8", "[::ffff:7f00:9]", false}, {"[127.0.0.9]", "127.0.0.9", false},
    };
    struct http_server *s = http_server_start(answer, NULL, NULL);
    char proxy[100], url[100], where[200];
    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", http_server_port(s));
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        (void)snprintf(url, sizeof url, "http://%s:9/in", rows[i].host);
        assert_int_equal(setenv("no_proxy", rows[i].rules, 1), 0);
        if (is_asked(url) == rows[i].is_direct || http_name_peer(NULL, url, where, sizeof where) == rows[i].is_direct)
            fail_msg("%s with no_proxy=%s: %s, %s", url, rows[i].rules, where, request.reason);
    }
    http_server_stop(s);
}

/* 307 to what follows `Location`, or 207 by a proxy and 208 without. */
static enum http_server_then lead_around(void *arg, const struct http_server_request *q, struct buf *out)
{
    const bool is_begin = strstr(q->head, "/begin ");
    http_server_respond(out, is_begin ? 307 : strstr(q->head, "POST http:") ? 207 : 208, is_begin ? arg : "", "");
    return HTTP_SERVER_CLOSE;
}

static void each_step_of_a_redirect_has_its_own_way(void **state)
{
    const struct http_peer follows = {.redirects_max = 1};
    char location[100], url[100];
    const int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    if (probe < 0)
        skip();
    (void)close(probe);
    struct http_server *s = http_server_start(lead_around, location, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", http_server_port(s));
    assert_int_equal(setenv("http_proxy", url, 1), 0);
    assert_int_equal(setenv("no_proxy", "::ffff:127.0.0.0/104", 1), 0);
    for (unsigned is_direct_first = 0; is_direct_first < 2; is_direct_first++) {
        static const char *const hosts[] = {"none.slow.test", "[::ffff:127.0.0.1]"};
        (void)snprintf(url, sizeof url, "http://%s:%u/begin", hosts[is_direct_first], http_server_port(s));
        (void)snprintf(location, sizeof location, "Location: http://%s:%u/end\r\n", hosts[!is_direct_first],
                       http_server_port(s));
        submit_to(&follows, url, 10 * NS_PER_S);
        wait_done();
        if (request.status != (is_direct_first ? 207 : 208))
            fail_msg("%s, %s: %d, %s", url, location, request.status, request.reason);
    }
    http_server_stop(s);
}

static void it_is_that_of_the_scheme_or_of_all(void **state)
{
    static const struct { const char *variable, *url; const char *want; } rows[] = {
        {"http_proxy", "http://h/", "the proxy a port 99 (http_proxy)"}, {"http_proxy", "https://h/", "h port 443"},
        {"HTTP_PROXY", "http://h/", "h port 80"}, /* a header of CGI would be that */
        {"https_proxy", "https://h/", "the proxy a port 99 (https_proxy)"}, {"https_proxy", "http://h:7/", "h port 7"},
        {"HTTPS_PROXY", "https://h/", "the proxy a port 99 (HTTPS_PROXY)"},
        {"all_proxy", "http://h/", "the proxy a port 99 (all_proxy)"},
        {"ALL_PROXY", "https://h/", "the proxy a port 99 (ALL_PROXY)"},
    };
    const struct http_peer none = {.proxy = ""}, other = {.proxy = "socks5h://me:secret@b:1"},
                           unix_socket = {.unix_socket = "/run/x"};
    char where[200];
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(setenv(rows[i].variable, "http://me:secret@a:99", 1), 0);
        (void)http_name_peer(NULL, rows[i].url, where, sizeof where);
        assert_string_equal(where, rows[i].want);
        assert_false(http_name_peer(&none, rows[i].url, where, sizeof where));
        assert_false(http_name_peer(&unix_socket, rows[i].url, where, sizeof where));
        assert_string_equal(where, "/run/x");
        assert_true(http_name_peer(&other, rows[i].url, where, sizeof where));
        assert_string_equal(where, "the proxy b port 1");
        assert_int_equal(unsetenv(rows[i].variable), 0);
    }
    assert_int_equal(setenv("all_proxy", "https://a", 1), 0);
    (void)http_name_peer(NULL, "http://h/", where, sizeof where);
    assert_string_equal(where, "the proxy a port 443 (all_proxy)");
    assert_int_equal(setenv("all_proxy", "a", 1), 0);
    (void)http_name_peer(NULL, "http://h/", where, sizeof where);
    assert_string_equal(where, "the proxy a port 1080 (all_proxy)");
    assert_int_equal(setenv("all_proxy", "me:secret@a b", 1), 0);
    (void)http_name_peer(NULL, "http://h/", where, sizeof where);
    assert_string_equal(where, "the proxy of all_proxy");
}

static void one_that_takes_no_connection_is_named(void **state)
{
    struct sockaddr_in address;
    struct hole hole;
    char proxy[100], want[200];
    (void)state;
    hole_dig(&hole, &address);
    (void)snprintf(proxy, sizeof proxy, "http://me:secret@127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    (void)snprintf(want, sizeof want, "no connection to the proxy 127.0.0.1 port %u (http_proxy) within 0.25 s "
                   "(timeout); look for a firewall, and at the routes", ntohs(address.sin_port));
    submit("http://logs.example.org/in", 250 * NS_PER_MS);
    wait_done();
    assert_int_equal(request.error, -ETIMEDOUT);
    assert_string_equal(request.reason, want);
    hole_fill(&hole);
}

static void one_whose_name_is_not_found_in_time_is_named(void **state)
{
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://me:secret@proxy.slow.test:3128", 1), 0);
    submit("http://logs.example.org/in", 250 * NS_PER_MS);
    wait_done();
    assert_int_equal(request.error, -ETIMEDOUT);
    assert_string_equal(request.reason, "no connection to the proxy proxy.slow.test port 3128 (http_proxy) within "
                        "0.25 s (timeout); is the name right, and does DNS work here?");
    slow_names_let_go();
}

static void one_that_refuses_is_named(void **state)
{
    const struct http_peer peer = {.proxy = "http://me:secret@127.0.0.1:1"};
    char want[200];
    (void)state;
    assert_int_equal(setenv("http_proxy", peer.proxy, 1), 0);
    for (unsigned i = 0; i < 2; i++) {
        submit_to(i ? &peer : NULL, "http://logs.example.org/in", 10 * NS_PER_S);
        wait_done();
        assert_int_equal(request.error, -ECONNREFUSED);
        (void)snprintf(want, sizeof want, "no connection to the proxy 127.0.0.1 port 1%s: Connection refused; is the "
                       "server running, and is this its port?", i ? "" : " (http_proxy)");
        assert_string_equal(request.reason, want);
    }
}

static enum http_server_then hang_up(void *arg, const struct http_server_request *q, struct buf *out)
{
    (void)arg, (void)q, (void)out;
    return HTTP_SERVER_CLOSE;
}

static void one_that_hangs_up_is_told_from_a_server_that_does(void **state)
{
    static const char *const urls[] = {"http://logs.example.org/in", "https://logs.example.org/in"};
    struct http_server *s = http_server_start(hang_up, NULL, NULL);
    char proxy[100];
    (void)state;
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", http_server_port(s));
    assert_int_equal(setenv("all_proxy", proxy, 1), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(urls); i++) {
        submit(urls[i], 10 * NS_PER_S);
        wait_done();
        assert_int_equal(request.error, -ECONNRESET);
        if (!strstr(request.reason, "; does a proxy listen there? Where it wants TLS, its URL has to begin with https"))
            fail_msg("%s: %s", urls[i], request.reason);
    }
    http_server_stop(s);
}

static void one_that_says_nothing_to_connect_is_told(void **state)
{
    struct sockaddr_in address;
    char proxy[100];
    (void)state;
    const int fd = hole_listen(&address, 4);
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(setenv("HTTPS_PROXY", proxy, 1), 0);
    submit("https://logs.example.org/in", 250 * NS_PER_MS);
    wait_done();
    assert_string_equal(request.reason, "no way through the proxy in time");
    (void)close(fd);
}

static enum http_server_then send_elsewhere(void *arg, const struct http_server_request *q, struct buf *out)
{
    (void)q;
    http_server_respond(out, 307, arg, "");
    return HTTP_SERVER_KEEP;
}

static void behind_a_redirect_it_is_where_that_leads(void **state)
{
    const struct http_peer follows = {.redirects_max = 1};
    struct sockaddr_in address;
    struct hole hole;
    char url[100], location[100], want[200];
    (void)state;
    hole_dig(&hole, &address);
    (void)snprintf(location, sizeof location, "Location: http://127.0.0.1:%u/\r\n", ntohs(address.sin_port));
    struct http_server *s = http_server_start(send_elsewhere, location, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/in", http_server_port(s));
    (void)snprintf(want, sizeof want, "no connection to 127.0.0.1 port %u within 0.25 s (timeout); look for a "
                   "firewall, and at the routes", ntohs(address.sin_port));
    submit_to(&follows, url, 250 * NS_PER_MS);
    wait_done();
    assert_string_equal(request.reason, want);
    http_server_stop(s);
    hole_fill(&hole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_the_one_that_curl_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_of_ipv6_are_reached_directly_in_any_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_step_of_a_redirect_has_its_own_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_that_of_the_scheme_or_of_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_takes_no_connection_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_whose_name_is_not_found_in_time_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(behind_a_redirect_it_is_where_that_leads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_refuses_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_hangs_up_is_told_from_a_server_that_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_says_nothing_to_connect_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("http-proxy", tests, NULL, NULL);
}
