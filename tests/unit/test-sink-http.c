/* The http and webhook sinks: the bytes that go out, and what answers mean. */
#include "tests/unit/http-sink-fixture.h"

#include "collector/sinks/event.h"
#include "collector/sinks/http_send.h"
#include "lib/base/bytes_text.h"

#include <libdeflate.h>
#include <openssl/hmac.h>
#include <xxhash.h>

/* How the server answers: by the statuses, one after the other, then 200. */
static int status[10];

static enum http_server_then tell(void *arg, const struct http_server_request *q, struct buf *answer)
{
    const int now = seen.requests < ARRAY_COUNT(status) ? status[seen.requests] : 0;
    (void)arg;
    note(q);
    http_server_respond(answer, now ? now : 200, now == 429 ? "Retry-After: 3\r\n" : "", "told");
    return HTTP_SERVER_KEEP;
}

static void start(const char *scheme, const char *parameters, unsigned records)
{
    char uri[600];
    memset(status, 0, sizeof status);
    (void)snprintf(uri, sizeof uri, "%s://127.0.0.1:%u/in%s", scheme, start_server(tell), parameters);
    open_sink(uri);
    for (unsigned i = 0; i < records; i++)
        entry[i] = remote_run_entry(&run, i, BASE_NS, 10);
}

static void assert_event(const json_t *event, int n)
{
    const json_t *data = json_object_get(event, "data");
    assert_string_equal(json_string_value(json_object_get(event, "message")), "load");
    assert_int_equal(json_integer_value(json_object_get(data, "n")), n);
    assert_non_null(strstr(json_string_value(json_object_get(data, "text")), "gr\xc3\xbc\xc3\x9f"));
}

/* ---- http ---- */

static void an_array_even_of_one_is_the_default(void **state)
{
    (void)state;
    start("http", "", 1);
    assert_int_equal(run.sink->delivery.batch_size, 1);
    const struct sink_result *r = send_all(1, 1);
    assert_int_equal(r->outcome, SINK_DELIVERED);
    assert_int_equal(r->status, 200);
    assert_string_equal(header("Content-Type"), "application/json");
    json_t *j = body();
    assert_int_equal(json_array_size(j), 1);
    assert_event(json_array_get(j, 0), 0);
    json_decref(j);
    end();
}

/* effect: http.batch_wrapper_key */
static void wrapped_puts_the_array_under_its_key(void **state)
{
    (void)state;
    start("http", "?batch_format=wrapped&batch_wrapper_key=a%22b", 3);
    assert_int_equal(send_all(3, 1)->outcome, SINK_DELIVERED);
    json_t *j = body();
    assert_int_equal(json_array_size(json_object_get(j, "a\"b")), 3);
    assert_event(json_array_get(json_object_get(j, "a\"b"), 2), 2);
    json_decref(j);
    end();
}

/* effect: http.batch_format http.envelope */
static void ndjson_has_no_line_feed_at_its_end(void **state)
{
    (void)state;
    start("http", "?batch_format=ndjson&envelope=true", 3);
    assert_int_equal(send_all(3, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("Content-Type"), "application/x-ndjson");
    unsigned feeds = 0;
    for (size_t i = 0; i < seen.body_len; i++)
        feeds += seen.body[i] == '\n';
    assert_int_equal(feeds, 2);
    assert_int_equal(seen.body[seen.body_len - 1], '}');
    assert_int_equal(strncmp(seen.body, "{\"log\":{", 8), 0); /* the whole envelope */
    end();
}

/* effect: sink.format */
static void other_formats_go_as_lines_only(void **state)
{
    struct err e = {0};
    (void)state;
    start("http", "?batch_format=ndjson&format=logfmt", 2);
    assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("Content-Type"), "text/plain");
    end();
    assert_int_equal(remote_run_open(&run, "http://h/?format=logfmt", &e), -EINVAL);
    assert_non_null(strstr(e.text, "ndjson"));
    remote_run_close(&run);
}

/* effect: http.id_header */
static void a_resend_carries_the_same_id(void **state)
{
    char first[100], one[100];
    (void)state;
    start("http", "", 5);
    (void)send_all(3, 1);
    (void)snprintf(first, sizeof first, "%s", header("Idempotency-Key"));
    (void)send_all(3, 2);
    assert_string_equal(header("Idempotency-Key"), first);
    (void)send_all(2, 1);
    assert_string_not_equal(header("Idempotency-Key"), first);
    for (unsigned i = 0; i < 3; i += 2) { /* another record at either end is another request */
        struct entry_head *const kept = entry[i];
        entry[i] = entry[3 + i / 2];
        (void)send_all(3, 1);
        assert_string_not_equal(header("Idempotency-Key"), first);
        entry[i] = kept;
    }
    (void)send_all(1, 1);
    *entry_id_text(entry[0], one) = '\0';
    assert_string_equal(header("Idempotency-Key"), one);
    end();
    start("http", "?id_header=", 1);
    (void)send_all(1, 1);
    assert_null(header("Idempotency-Key"));
    end();
}

enum { ID_BYTES = sizeof(struct entry_head) - offsetof(struct entry_head, uuid) };

/* However many ids are hashed at once. */
static void the_id_of_many_is_the_hash_of_their_ids(void **state)
{
    static const uint32_t counts[] = {2, 31, 32, 33, 64, 100};
    static char ids[100 * ID_BYTES];
    const struct entry_head *all[100];
    (void)state;
    start("http", "", ARRAY_COUNT(entry));
    for (unsigned i = 0; i < ARRAY_COUNT(all); i++) {
        all[i] = entry[i * 7 % ARRAY_COUNT(entry)];
        memcpy(ids + i * ID_BYTES, all[i]->uuid, ID_BYTES);
    }
    for (unsigned k = 0; k < ARRAY_COUNT(counts); k++) {
        char id[ENTRY_ID_MAX], want[33];
        XXH128_canonical_t hash;
        XXH128_canonicalFromHash(&hash, XXH3_128bits(ids, counts[k] * (size_t)ID_BYTES));
        *hex_write(hash.digest, sizeof hash.digest, want) = '\0';
        http_send_id(&(struct sink_request){.entry = all, .count = counts[k]}, id);
        assert_string_equal(id, want);
    }
    end();
}

static void answers_become_outcomes(void **state)
{
    static const struct { int status; enum sink_outcome outcome; } cases[] = {
        {202, SINK_DELIVERED}, {400, SINK_REFUSED}, {413, SINK_REFUSED}, {401, SINK_BROKEN}, {429, SINK_RETRY},
        {503, SINK_RETRY}, {302, SINK_BROKEN}, {407, SINK_BROKEN},
    };
    (void)state;
    start("http", "", 1);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        status[i] = cases[i].status;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct sink_result *r = send_all(1, 1);
        assert_int_equal(r->outcome, cases[i].outcome);
        assert_int_equal(r->status, cases[i].status);
        assert_int_equal(r->retry_after_ns, cases[i].status == 429 ? 3 * NS_PER_S : 0);
        assert_non_null(strstr(r->reason, cases[i].status == 407 ? "proxy_user" : "told"));
    }
    end();
}

/* ---- long bodies ---- */

enum { LONG_BYTES = 9000 }; /* of a text; all entries make one that is read in portions */

static void start_long(const char *parameters)
{
    start("http", parameters, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(entry); i++)
        entry[i] = remote_run_entry(&run, i, BASE_NS, LONG_BYTES + i);
}

static void a_body_read_in_portions_is_the_same(void **state)
{
    static const size_t rooms[] = {1, 2, 3, 100, 409, 410, 411, 412, 413, 1000, 1 << 20};
    const struct event_frame frames[] = {
        {.separator = '\n'}, {{"[", 1}, {"]", 1}, ',', false}, {{"{\"logs\":[", 9}, {"]}", 2}, ',', true}};
    static char whole[20000], read[20000 + (1 << 20)];
    (void)state;
    start("http", "", 5);
    for (unsigned k = 0; k < ARRAY_COUNT(frames) * ARRAY_COUNT(rooms); k++) {
        const struct event_frame *f = &frames[k % ARRAY_COUNT(frames)];
        const size_t room = rooms[k / ARRAY_COUNT(frames)];
        for (uint32_t count = 0; count <= 5; count++) {
            const struct sink_request q = {.entry = (const struct entry_head *const *)entry, .count = count};
            struct event_reader x = {.r = &q, .f = f};
            const size_t len = (size_t)(events_write(&q, f, whole) - whole);
            size_t n, at = 0;
            assert_true(len < sizeof whole);
            assert_int_equal(events_len(&q, f), len);
            while ((n = events_read(&x, read + at, room)) > 0) {
                assert_true(n == room || at + n == len);
                at += n;
            }
            assert_int_equal(at, len);
            assert_memory_equal(read, whole, len);
        }
    }
    end();
}

static void a_long_body_is_what_a_compressed_one_holds(void **state)
{
    static const char *const how[] = {"?batch_format=ndjson", "?batch_format=array&envelope=true",
                                      "?batch_format=wrapped&batch_wrapper_key=all"};
    static char first[1 << 18], plain[1 << 18];
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    (void)state;
    for (unsigned k = 0; k < ARRAY_COUNT(how); k++) {
        char parameters[100];
        size_t len;
        start_long(how[k]);
        assert_int_equal(send_all(ARRAY_COUNT(entry), 1)->outcome, SINK_DELIVERED);
        const size_t first_len = seen.body_len;
        assert_true(first_len > ARRAY_COUNT(entry) * LONG_BYTES && first_len < sizeof first);
        assert_int_equal(strtoul(header("Content-Length"), NULL, 10), first_len);
        memcpy(first, seen.body, first_len);
        end();
        (void)snprintf(parameters, sizeof parameters, "%s&compression=gzip", how[k]);
        start_long(parameters);
        assert_int_equal(send_all(ARRAY_COUNT(entry), 1)->outcome, SINK_DELIVERED);
        assert_int_equal(libdeflate_gzip_decompress(d, seen.body, seen.body_len, plain, sizeof plain, &len), 0);
        assert_int_equal(len, first_len);
        assert_memory_equal(first, plain, len);
        end();
    }
    libdeflate_free_decompressor(d);
}

/* Takes what comes over a connection that was used before, and closes it without a word. */
static enum http_server_then close_used(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    note(q);
    if (q->number == 1)
        return HTTP_SERVER_RESET;
    http_server_respond(answer, 200, "", "told");
    return HTTP_SERVER_KEEP;
}

static void a_long_body_begins_again_where_a_kept_connection_was_closed(void **state)
{
    static char first[1 << 18];
    char uri[100];
    (void)state;
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%u/in?batch_format=ndjson", start_server(close_used));
    open_sink(uri);
    for (unsigned i = 0; i < ARRAY_COUNT(entry); i++)
        entry[i] = remote_run_entry(&run, i, BASE_NS, LONG_BYTES);
    assert_int_equal(send_all(ARRAY_COUNT(entry), 1)->outcome, SINK_DELIVERED);
    const size_t len = seen.body_len;
    assert_true(len < sizeof first);
    memcpy(first, seen.body, len);
    assert_int_equal(send_all(ARRAY_COUNT(entry), 1)->outcome, SINK_DELIVERED);
    assert_int_equal(seen.requests, 3);
    assert_int_equal(seen.body_len, len);
    assert_memory_equal(seen.body, first, len);
    end();
}

/* effect: http.compression http.headers http.token http.user_agent */
static void headers_authentication_and_compression_are_as_asked(void **state)
{
    static char plain[1 << 16];
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t n;
    (void)state;
    start("http", "?headers=X-A=1,Content-Type=x/y,X-B=&compression=gzip&token=t0k&user_agent=me", 2);
    assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("X-A"), "1");
    assert_string_equal(header("X-B"), "");
    assert_string_equal(header("Content-Type"), "application/json"); /* the sink knows better */
    assert_string_equal(header("Content-Encoding"), "gzip");
    assert_string_equal(header("Authorization"), "Bearer t0k");
    assert_string_equal(header("User-Agent"), "me");
    assert_int_equal(libdeflate_gzip_decompress(d, seen.body, seen.body_len, plain, sizeof plain, &n), 0);
    assert_int_equal(plain[0], '[');
    assert_int_equal(plain[n - 1], ']');
    libdeflate_free_decompressor(d);
    end();
}

static unsigned elsewhere_port; /* 0: the redirect leads to the same server */

static enum http_server_then send_away(void *arg, const struct http_server_request *q, struct buf *answer)
{
    char line[100] = "Location: /there\r\n";
    (void)arg;
    if (elsewhere_port)
        (void)snprintf(line, sizeof line, "Location: http://127.0.0.1:%u/there\r\n", elsewhere_port);
    if (strstr(q->head, "POST /there "))
        return tell(arg, q, answer);
    http_server_respond(answer, 307, line, "");
    return HTTP_SERVER_KEEP;
}

/* What was given for one server is no business of another one, be it on another port. */
static void a_redirect_takes_headers_to_the_same_server_only(void **state)
{
    struct http_server *other = http_server_start(tell, NULL, NULL);
    (void)state;
    for (int leads_away = 0; leads_away < 2; leads_away++) {
        char uri[300];
        elsewhere_port = leads_away ? http_server_port(other) : 0;
        (void)snprintf(uri, sizeof uri, "webhook://127.0.0.1:%u/in?redirects_max=1&token=t-hidden&headers=X-Mine=m"
                       "&secret=s-hidden&signature_mode=header", start_server(send_away));
        open_sink(uri);
        entry[0] = remote_run_entry(&run, 0, BASE_NS, 10);
        assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
        assert_non_null(header("Content-Type"));
        assert_non_null(header("Idempotency-Key"));
        assert_int_equal(header("X-Mine") != NULL, !leads_away);
        assert_int_equal(header("Authorization") != NULL, !leads_away);
        assert_int_equal(header("X-Webhook-Secret") != NULL, !leads_away);
        assert_true(seen.body_len > 10);
        end();
    }
    http_server_stop(other);
}

static void assert_options(const char *uri, const char *const names[3], const char *const values[3])
{
    struct sink *s = NULL;
    struct err e = {0};
    char text[200];
    if (sink_new(uri, "test", &s, &e) < 0)
        fail_msg("%s", e.text);
    for (unsigned k = 0; k < 3; k++) {
        void *cfg;
        const struct opt *row = sink_option(s, names[k], &cfg);
        assert_true(opt_print(row, cfg, text, sizeof text) >= 0);
        assert_string_equal(text, values[k]);
    }
    sink_free(s);
}

static void a_user_in_the_url_becomes_an_option(void **state)
{
    static const char *const names[] = {"endpoint", "user", "password"};
    static const char *const values[] = {"http://h:1/a%20b", "us@er", "***"};
    (void)state;
    assert_options("http://us%40er:p%3aw@h:1/a%20b", names, values);
    assert_options("http:?endpoint=http://us%2540er:p%253aw@h:1/a%2520b", names, values);
}

static void a_user_in_the_url_of_the_proxy_becomes_an_option(void **state)
{
    static const char *const names[] = {"proxy", "proxy_user", "proxy_password"};
    (void)state;
    assert_options("http://h/?proxy=http://us%2540er:p%253aw@p:3128", names,
                   (const char *const[]){"http://p:3128", "us@er", "***"});
    assert_options("http://h/?proxy=p:3128", names, (const char *const[]){"http://p:3128", "", ""});
    assert_options("http://h/?proxy=auto&proxy_user=u&proxy_password=w", names,
                   (const char *const[]){"auto", "u", "***"});
}

static void contradictions_are_refused_by_name(void **state)
{
    static const struct { const char *uri, *words; } cases[] = {
        {"http:", "endpoint"},
        {"http:?endpoint=ftp://h/", "http://"},
        {"http://a,b/", "one host"},
        {"http://u@h/?token=x", "token: contradicts user"},
        {"http://h/?password=x", "password: needs user"},
        {"http://h/?tls_key_file=/dev/null", "needs tls_cert_file"},
        {"http://h/?tls_ca_file=/no/such", "tls_ca_file: /no/such"},
        {"http://h/?tls_ca_file=/dev/null", "tls_ca_file: /dev/null holds no certificates"},
        {"http://h/?headers=A%20B=1", "'A B' is no name"},
        {"http://h/?headers=%7B%22A%22:%22x%5Cny%22%7D", "control character"},
        {"http://h/?proxy=ftp://u:pw-hidden@p:1", "proxy: 'ftp' is no kind of proxy"},
        {"http://h/?proxy=", "proxy: no URL of a proxy"},
        {"http://h/?proxy=http://u:pw-hidden@p:1/path", "proxy: no URL of a proxy"},
        {"http://h/?proxy=http://u:pw-hidden@p:99999", "proxy: no URL of a proxy"},
        {"http://h/?proxy=none&proxy_user=u", "proxy_user: contradicts proxy=none"},
        {"http://h/?proxy=p:1&proxy_password=pw-hidden", "proxy_password: needs proxy_user"},
        {"http://h/?proxy=p:1&proxy_user=a:b", "proxy_user: basic"},
        {"webhook://h/?signature_mode=header", "needs secret"},
        {"webhook://h/?signature_mode=standard&secret=whsec_no-base64", "must be base64"},
        {"webhook://h/?secret=file:/dev/null", "secret: is empty"},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(cases[i].uri, cases[i].words);
}

/* A proxy is a server that is asked for whole URLs, or to CONNECT.
 * effect: http.proxy http.proxy_user http.proxy_password */
static void a_proxy_is_asked_with_its_own_password(void **state)
{
    char parameters[120];
    (void)state;
    start("http", "?user=me&password=pw&proxy=none", 1);
    const unsigned port = http_server_port(server);
    remote_run_close(&run);
    (void)snprintf(parameters, sizeof parameters,
                   "http://me:pw@h.invalid/in?proxy=127.0.0.1:%u&proxy_user=u&proxy_password=p",
                   port);
    assert_int_equal(remote_run_open(&run, parameters, NULL), 0);
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_int_equal(strncmp(seen.head, "POST http://h.invalid/in HTTP/1.1", 33), 0);
    assert_string_equal(header("Proxy-Authorization"), "Basic dTpw");
    assert_string_equal(header("Authorization"), "Basic bWU6cHc=");
    end();
}

static void what_a_proxy_says_to_connect_becomes_an_outcome(void **state)
{
    static const struct { int status; enum sink_outcome outcome; const char *reason; } cases[] = {
        {407, SINK_BROKEN, "proxy_user"}, {403, SINK_BROKEN, "does not allow"},
        {404, SINK_BROKEN, "HTTP 404 to CONNECT"},
        {302, SINK_BROKEN, "HTTP 302 to CONNECT"}, {503, SINK_RETRY, "HTTP 503 to CONNECT"},
        {429, SINK_RETRY, "HTTP 429 to CONNECT"},
    };
    char uri[100];
    (void)state;
    start("http", "", 1);
    const unsigned port = http_server_port(server);
    remote_run_close(&run);
    (void)snprintf(uri, sizeof uri, "https://h.invalid/in?proxy=http://u:pw-hidden@127.0.0.1:%u", port);
    assert_int_equal(remote_run_open(&run, uri, NULL), 0);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        status[i] = cases[i].status;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct sink_result *r = send_all(1, 1);
        assert_int_equal(r->outcome, cases[i].outcome);
        if (!strstr(r->reason, cases[i].reason) || strstr(r->reason, "hidden"))
            fail_msg("%d: %s", cases[i].status, r->reason);
        assert_int_equal(strncmp(seen.head, "CONNECT h.invalid:443 HTTP/1.1", 30), 0);
    }
    end();
}

static enum http_server_then hang(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg, (void)q, (void)answer;
    return HTTP_SERVER_HANG;
}

static void cancel_ends_a_request_as_one_to_repeat(void **state)
{
    char uri[100];
    struct err e = {0};
    (void)state;
    server = http_server_start(hang, NULL, NULL);
    (void)snprintf(uri, sizeof uri, "http://127.0.0.1:%u/", http_server_port(server));
    assert_int_equal(remote_run_open(&run, uri, &e), 0);
    entry[0] = remote_run_entry(&run, 0, BASE_NS, 10);
    struct remote_run_request *q = remote_run_send(&run, entry, 1, 1);
    CHECK(io_turn(run.io, clock_mono_ns() + NS_PER_MS) >= 0);
    assert_false(q->is_done);
    run.sink->ops->remote->cancel(run.sink, &q->q);
    remote_run_wait(&run);
    assert_int_equal(q->result.outcome, SINK_RETRY);
    end();
}

/* ---- webhook ---- */

static int64_t ahead_s; /* of what signatures are made with */

time_t __real_time(time_t *ret);
time_t __wrap_time(time_t *ret);
time_t __wrap_time(time_t *ret)
{
    const time_t now = __real_time(NULL) + ahead_s;
    if (ret)
        *ret = now;
    return now;
}

static void mac_of(const char *key, size_t key_len, const char *prefix, uint8_t ret[32])
{
    struct buf b = {0};
    unsigned len;
    CHECK(buf_printf(&b, "%s", prefix) == 0 && buf_append(&b, seen.body, seen.body_len) == 0);
    CHECK(HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)b.data, b.len, ret, &len) && len == 32);
    buf_done(&b);
}

static bool is_now(const char *timestamp)
{
    const int64_t age = (int64_t)(clock_real_ns() / NS_PER_S) + ahead_s - strtol(timestamp, NULL, 10);
    return age >= 0 && age <= 60;
}

static void assert_hmac(const char *key)
{
    char prefix[64], expected[80];
    uint8_t mac[32];
    (void)snprintf(prefix, sizeof prefix, "%s.", header("X-Fapilog-Timestamp"));
    assert_true(is_now(header("X-Fapilog-Timestamp")));
    mac_of(key, strlen(key), prefix, mac);
    memcpy(expected, "sha256=", 7);
    *hex_write(mac, 32, expected + 7) = '\0';
    assert_string_equal(header("X-Fapilog-Signature-256"), expected);
}

static void assert_standard(void)
{
    char prefix[200], expected[80];
    uint8_t mac[32];
    assert_true(is_now(header("webhook-timestamp")));
    int n = snprintf(prefix, sizeof prefix, "%s.", header("webhook-id"));
    (void)snprintf(prefix + n, sizeof prefix - (size_t)n, "%s.", header("webhook-timestamp"));
    mac_of("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", 10, prefix, mac);
    memcpy(expected, "v1,", 3);
    *base64_write(mac, 32, expected + 3) = '\0';
    assert_string_equal(header("webhook-signature"), expected);
}

/* effect: webhook.compression */
static void the_signature_is_over_the_bytes_that_were_sent(void **state)
{
    (void)state;
    start("webhook", "?secret=k3y", 2);
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    json_t *j = body();
    assert_event(j, 0); /* an object, not an array, where batches are of one */
    json_decref(j);
    assert_hmac("k3y");
    assert_int_equal(send_all(1, 2)->outcome, SINK_DELIVERED); /* the context is used again */
    assert_hmac("k3y");
    end();
    start("webhook", "?secret=k3y&batch_size=2&compression=zstd", 2);
    assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("Content-Encoding"), "zstd");
    assert_hmac("k3y");
    end();
}

/* A receiver that was down for long refuses what was signed before it came back. */
static void a_resend_is_signed_anew_with_the_time_of_then(void **state)
{
    (void)state;
    start("webhook", "?secret=k3y", 1);
    status[0] = 503;
    assert_int_equal(send_all(1, 1)->outcome, SINK_RETRY);
    assert_hmac("k3y");
    ahead_s = 3600;
    assert_int_equal(send_all(1, 2)->outcome, SINK_DELIVERED);
    assert_hmac("k3y");
    end();
    start("webhook", "?secret=whsec_AAECAwQFBgcICQ==&signature_mode=standard", 1);
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_standard();
    ahead_s = 0;
    assert_int_equal(send_all(1, 2)->outcome, SINK_DELIVERED);
    assert_standard();
    end();
}

/* batch_size changes with a reload, while the sink stays open. */
static void a_body_is_an_array_as_batch_size_says_now(void **state)
{
    (void)state;
    start("webhook", "?batch_size=1", 2);
    static const struct { uint32_t batch_size, count; bool is_array; } steps[] = {
        {1, 1, false}, {2, 1, true}, {2, 2, true}, {1, 1, false}, {1, 2, true}, /* the last: put together before */
    };
    for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
        run.sink->delivery.batch_size = steps[i].batch_size;
        assert_int_equal(send_all(steps[i].count, 1)->outcome, SINK_DELIVERED);
        json_t *j = body();
        assert_int_equal(json_is_array(j), steps[i].is_array);
        json_decref(j);
    }
    end();
}

static void standard_webhooks_sign_id_time_and_body(void **state)
{
    (void)state;
    start("webhook", "?secret=whsec_AAECAwQFBgcICQ==&signature_mode=standard", 1);
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_standard();
    end();
}

/* effect: webhook.secret webhook.signature_mode */
static void header_mode_sends_the_secret_and_hides_it(void **state)
{
    (void)state;
    start("webhook", "?secret=hush-hush&signature_mode=header&batch_size=5", 1);
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("X-Webhook-Secret"), "hush-hush");
    assert_null(header("X-Fapilog-Signature-256"));
    json_t *j = body();
    assert_int_equal(json_array_size(j), 1); /* an array even of one, where batches are of more */
    json_decref(j);
    end();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_even_of_one_is_the_default),
        cmocka_unit_test(wrapped_puts_the_array_under_its_key),
        cmocka_unit_test(ndjson_has_no_line_feed_at_its_end),
        cmocka_unit_test(other_formats_go_as_lines_only),
        cmocka_unit_test(a_resend_carries_the_same_id),
        cmocka_unit_test(the_id_of_many_is_the_hash_of_their_ids),
        cmocka_unit_test(answers_become_outcomes),
        cmocka_unit_test(a_body_read_in_portions_is_the_same),
        cmocka_unit_test(a_long_body_is_what_a_compressed_one_holds),
        cmocka_unit_test(a_long_body_begins_again_where_a_kept_connection_was_closed),
        cmocka_unit_test(headers_authentication_and_compression_are_as_asked),
        cmocka_unit_test(a_redirect_takes_headers_to_the_same_server_only),
        cmocka_unit_test(a_user_in_the_url_becomes_an_option),
        cmocka_unit_test(a_user_in_the_url_of_the_proxy_becomes_an_option),
        cmocka_unit_test(contradictions_are_refused_by_name),
        cmocka_unit_test(a_proxy_is_asked_with_its_own_password),
        cmocka_unit_test(what_a_proxy_says_to_connect_becomes_an_outcome),
        cmocka_unit_test(cancel_ends_a_request_as_one_to_repeat),
        cmocka_unit_test(the_signature_is_over_the_bytes_that_were_sent),
        cmocka_unit_test(a_resend_is_signed_anew_with_the_time_of_then),
        cmocka_unit_test(a_body_is_an_array_as_batch_size_says_now),
        cmocka_unit_test(standard_webhooks_sign_id_time_and_body),
        cmocka_unit_test(header_mode_sends_the_secret_and_hides_it),
    };
    return cmocka_run_group_tests_name("sink-http", tests, NULL, NULL);
}
