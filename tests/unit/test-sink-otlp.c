/* The OTLP sink: bytes of a record, groups of a request, both encodings, and what answers mean. */
#include "tests/unit/http-sink-fixture.h"

#include "collector/format/format.h"
#include "collector/format/proto.h"
#include "collector/net/http.h"
#include "lib/base/bytes_text.h"

static struct {
    int status;
    const char *data;
    size_t len;
} script;

static enum http_server_then tell(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    note(q);
    CHECK(buf_printf(answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", script.status, script.len) == 0);
    CHECK(buf_append(answer, script.data, script.len) == 0);
    return HTTP_SERVER_KEEP;
}

static int64_t no_clock(void) { return 0; }

static void answer_with(int status, const char *data, size_t len)
{
    script.status = status;
    script.data = data;
    script.len = len;
}

static void start(const char *path)
{
    char uri[600];
    answer_with(200, "", 0);
    format_observed_clock = no_clock;
    (void)snprintf(uri, sizeof uri, "otlp+http://127.0.0.1:%u%s", start_server(tell), path);
    open_sink(uri);
}

/* ---- a walk over protobuf that knows fields by number ---- */

static struct proto_field next(const char **at, const char *end_at, unsigned number)
{
    struct proto_field f = {0};
    assert_true(proto_next(at, end_at, &f));
    assert_int_equal(f.number, number);
    return f;
}

/* The value of the attribute as its AnyValue's only field; number 0: an empty one. */
static bool attribute(const struct proto_field *record, const char *key, struct proto_field *ret)
{
    struct proto_field f;
    for (const char *at = record->data; proto_next(&at, record->data + record->len, &f);) {
        if (f.number != 6)
            continue;
        const char *p = f.data, *const pair_end = f.data + f.len;
        const struct proto_field name = next(&p, pair_end, 1), value = next(&p, pair_end, 2);
        assert_ptr_equal(p, pair_end);
        if (name.len != strlen(key) || memcmp(name.data, key, name.len) != 0)
            continue;
        *ret = (struct proto_field){0};
        p = value.data;
        assert_int_equal(proto_next(&p, value.data + value.len, ret), value.len > 0);
        return true;
    }
    return false;
}

static struct proto_field payload_of(const struct entry_head *h)
{
    return (struct proto_field){.data = entry_payload(h), .len = h->payload_len};
}

static void assert_hex(const char *data, size_t len, const char *expected)
{
    char text[2048];
    assert_true(len < sizeof text / 2);
    *hex_write(data, len, text) = '\0';
    assert_string_equal(text, expected);
}

/* ---- records ---- */

static void bytes_of_a_simple_record(void **state)
{
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    start("");
    s->logger.name = sample_text("db");
    s->process.service = sample_text("api");
    s->process.pid = 300;
    s->process.host = s->process.env = s->process.version = sample_text("");
    s->r.process = &s->process;
    s->r.logger = &s->logger;
    s->r.level = FAPILOG_LEVEL_INFO;
    s->r.message = sample_text("hi");
    s->r.time_ns = 0x0102030405060708;
    sample_add(s, sample_int("n", -1));
    entry[0] = remote_run_encode(&run, &s->r);
    const char *at = entry_payload(entry[0]), *const record_end = at + entry[0]->payload_len;
    assert_hex(entry_group(entry[0]), entry[0]->group_len,
               "0a2b0a150a0c736572766963652e6e616d6512050a036170690a120a0b70726f636573"
               "732e706964120318ac020a040a026462");
    assert_int_equal(next(&at, record_end, 1).value, 0x0102030405060708);
    assert_int_equal(next(&at, record_end, 2).value, 9);
    assert_hex(at, 6 + 6, "1a04494e464f" "2a040a026869");
    at += 12;
    const char *const pair = at;
    assert_int_equal(next(&at, record_end, 6).len, 56); /* log.record.uid sorts before n */
    const struct proto_field n = next(&at, record_end, 6);
    assert_hex(n.data, n.len, "0a016e120b18ffffffffffffffffff01");
    assert_hex(pair, 20, "32380a0e6c6f672e7265636f72642e7569641226");
    assert_int_equal(next(&at, record_end, 11).value, 0x0102030405060708);
    assert_ptr_equal(at, record_end);
    sample_free(s);
    end();
}

static void a_time_before_1970_is_not_known(void **state)
{
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    start("");
    s->r.time_ns = -1;
    entry[0] = remote_run_encode(&run, &s->r);
    const char *at = entry_payload(entry[0]), *const end_at = at + entry[0]->payload_len;
    assert_int_equal(next(&at, end_at, 1).value, 0);
    sample_free(s);
    end();
}

static void a_field_that_is_called_like_an_attribute_of_ours_is_kept_beside_it(void **state)
{
    static const char *const names[] = {"log.record.uid", "fapilog.invalid", "code.line.number", "code.line.number_"};
    (void)state;
    for (unsigned with_source = 0; with_source < 2; with_source++) {
        struct sample *s = sample_new(SAMPLE_SIMPLE);
        struct proto_field f;
        start(with_source ? "?source=true" : "");
        for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
            sample_add(s, sample_int(names[i], 100 + i));
        entry[0] = remote_run_encode(&run, &s->r);
        const struct proto_field record = payload_of(entry[0]);
        assert_true(attribute(&record, "log.record.uid", &f) && f.number == 1 && f.len == 36);
        assert_true(attribute(&record, "log.record.uid_", &f) && f.value == 100);
        assert_false(attribute(&record, "fapilog.invalid", &f));
        assert_true(attribute(&record, "fapilog.invalid_", &f) && f.value == 101);
        assert_true(attribute(&record, "code.line.number", &f) && f.value == (with_source ? 77 : 102));
        assert_true(attribute(&record, "code.line.number_", &f) && f.value == (with_source ? 102 : 103));
        assert_int_equal(attribute(&record, "code.line.number__", &f), with_source);
        sample_free(s);
        end();
    }
}

static void ids_and_flags_have_places_of_their_own_when_they_are_well_formed(void **state)
{
    (void)state;
    start("");
    for (unsigned i = 0; i < 3; i++) {
        struct sample *s = sample_new(i == 0 ? SAMPLE_IDS : i == 1 ? SAMPLE_IDS_TEXT : SAMPLE_IDS_BAD);
        struct proto_field f, attr;
        size_t trace = 0, span = 0;
        entry[i] = remote_run_encode(&run, &s->r);
        const struct proto_field record = payload_of(entry[i]);
        for (const char *at = record.data; proto_next(&at, record.data + record.len, &f);) {
            trace = f.number == 9 ? f.len : trace;
            span = f.number == 10 ? f.len : span;
            if (f.number == 8)
                assert_int_equal(f.wire, PROTO_FIXED32);
        }
        assert_int_equal(trace, i < 2 ? 16 : 0);
        assert_int_equal(span, i < 2 ? 8 : 0);
        assert_int_equal(attribute(&record, "trace_id", &attr), i == 2);
        sample_free(s);
    }
    end();
}

static void nested_json_becomes_lists(void **state)
{
    static const char json[] = "{\"k\":[1,-2.5,\"a\\u0000\\ud83c\\udf55\",null,true,{}]}";
    struct sample *s = sample_new(SAMPLE_EMPTY);
    struct proto_field v;
    (void)state;
    start("");
    sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, json, sizeof json - 1));
    entry[0] = remote_run_encode(&run, &s->r);
    const struct proto_field record = payload_of(entry[0]);
    assert_true(attribute(&record, "j", &v));
    assert_int_equal(v.number, 6);
    assert_hex(v.data, v.len, "0a2a" "0a016b" "12252a23" "0a021801" "0a092100000000000004c0"
               "0a080a066100f09f8d95" "0a00" "0a021001" "0a023200");
    sample_free(s);
    end();
}

static void whole_numbers_that_an_integer_holds_keep_all_digits(void **state)
{
    static const char json[] = "[1795250224123456789,-9223372036854775808,9223372036854775808]";
    struct sample *s = sample_new(SAMPLE_EMPTY);
    struct proto_field list;
    (void)state;
    start("");
    sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, json, sizeof json - 1));
    entry[0] = remote_run_encode(&run, &s->r);
    const struct proto_field record = payload_of(entry[0]);
    assert_true(attribute(&record, "j", &list));
    const char *at = list.data;
    static const struct { unsigned field; uint64_t value; } want[] = {
        {3, UINT64_C(1795250224123456789)}, {3, UINT64_C(1) << 63}, {4, UINT64_C(0x43e0000000000000)}};
    for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
        const struct proto_field any = next(&at, list.data + list.len, 1);
        const char *p = any.data;
        assert_int_equal(next(&p, any.data + any.len, want[i].field).value, want[i].value);
    }
    sample_free(s);
    end();
}

static void json_too_deep_for_decoders_is_text_inside(void **state)
{
    struct proto_field v;
    (void)state;
    start("");
    for (unsigned depth = 24; depth <= 25; depth++) {
        struct sample *s = sample_new(SAMPLE_EMPTY);
        char json[51];
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        sample_add(s, sample_bytes("j", FAPILOG_TYPE_JSON, json, 2 * depth));
        entry[0] = remote_run_encode(&run, &s->r);
        const struct proto_field record = payload_of(entry[0]);
        assert_true(attribute(&record, "j", &v));
        for (unsigned i = 1; i < 24; i++) { /* v: an AnyValue's array */
            const char *at = v.data;
            const struct proto_field any = next(&at, v.data + v.len, 1);
            at = any.data;
            v = next(&at, any.data + any.len, 5);
        }
        assert_hex(v.data, v.len, depth == 24 ? "" : "0a040a025b5d");
        sample_free(s);
        forget();
    }
    end();
}

/* Encoding checks the bound; the walk checks that lengths nest. */
static void walk(const struct proto_field *message, unsigned depth)
{
    struct proto_field f;
    const char *at = message->data, *const end_at = at + message->len;
    while (proto_next(&at, end_at, &f))
        if (f.wire == PROTO_LEN && depth == 0 && f.number == 6)
            walk(&f, 1);
    assert_ptr_equal(at, end_at);
}

static void every_record_is_well_formed_and_within_its_bound(void **state)
{
    static const char *const encodings[] = {"?encoding=protobuf&source=true", "?encoding=json&source=true"};
    json_error_t e;
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        start(encodings[n]);
        for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
            struct sample *s = sample_new(kind);
            entry[0] = remote_run_encode(&run, &s->r);
            const struct proto_field record = payload_of(entry[0]);
            json_t *const parsed = json_loadb(record.data, record.len, JSON_DECODE_INT_AS_REAL, &e);
            if (n == 0)
                walk(&record, 0);
            else if (!parsed)
                fail_msg("%s: %s", sample_name(kind), e.text);
            json_decref(parsed);
            sample_free(s);
            assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
            forget();
        }
        end();
    }
}

/* effect: otlp.encoding otlp.protocol */
static void a_group_too_long_for_the_head_is_part_of_the_payload(void **state)
{
    static const char *const encodings[] = {"", "?encoding=json"};
    static char name[66000];
    (void)state;
    memset(name, 'x', sizeof name - 1);
    for (unsigned n = 0; n < 2; n++) {
        struct sample *s = sample_new(SAMPLE_SIMPLE);
        start(encodings[n]);
        s->r.logger = &s->logger;
        s->logger.name = (struct fapilog_text){name, 65000};
        entry[0] = remote_run_encode(&run, &s->r);
        assert_true(entry[0]->group_len > 65000);
        s->logger.name.len = 65999;
        entry[1] = remote_run_encode(&run, &s->r);
        assert_int_equal(entry[1]->group_len, 0);
        assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
        const char *at = seen.body, *const body_end = at + seen.body_len;
        if (n == 0) {
            for (unsigned i = 0; i < 2; i++) { /* the one without a group sorts first */
                const struct proto_field logs = next(&at, body_end, 1);
                const char *in = logs.data, *const logs_end = in + logs.len;
                (void)next(&in, logs_end, 1);
                const struct proto_field scope = next(&in, logs_end, 2);
                assert_ptr_equal(in, logs_end);
                in = scope.data;
                assert_int_equal(next(&in, scope.data + scope.len, 1).len, 4 + (i == 0 ? 65999 : 65000));
                assert_true(next(&in, scope.data + scope.len, 2).len > 20);
                assert_ptr_equal(in, scope.data + scope.len);
            }
            assert_ptr_equal(at, body_end);
        } else {
            json_t *const root = json_loadb(seen.body, seen.body_len, 0, NULL);
            assert_int_equal(json_array_size(json_object_get(root, "resourceLogs")), 2);
            json_decref(root);
        }
        sample_free(s);
        end();
    }
}

/* ---- requests ---- */

static void name_entries(unsigned count)
{
    static const char *const loggers[] = {"a", "b"};
    for (unsigned i = 0; i < count; i++) {
        struct sample *s = sample_new(SAMPLE_EMPTY);
        s->r.process = &s->process;
        s->r.logger = &s->logger;
        s->logger.name = sample_text(loggers[i % 2]);
        s->r.time_ns = BASE_NS + i;
        entry[i] = remote_run_encode(&run, &s->r);
        sample_free(s);
    }
}

/* effect: otlp.headers */
static void records_of_a_resource_and_scope_are_sent_together_in_order(void **state)
{
    (void)state;
    start("/prefix/?headers=x-tenant=t");
    name_entries(5);
    assert_int_equal(send_all(5, 1)->outcome, SINK_DELIVERED);
    assert_non_null(strstr(seen.head, "POST /prefix/v1/logs HTTP/1.1"));
    assert_string_equal(header("Content-Type"), "application/x-protobuf");
    assert_string_equal(header("x-tenant"), "t");
    const char *at = seen.body, *const body_end = at + seen.body_len;
    for (unsigned group = 0; group < 2; group++) {
        const struct proto_field logs = next(&at, body_end, 1);
        const char *in = logs.data;
        (void)next(&in, logs.data + logs.len, 1);
        const struct proto_field scope = next(&in, logs.data + logs.len, 2);
        in = scope.data;
        const struct proto_field name = next(&in, scope.data + scope.len, 1);
        assert_hex(name.data, name.len, group ? "0a0162" : "0a0161");
        for (unsigned i = group; i < 5; i += 2) {
            const struct proto_field record = next(&in, scope.data + scope.len, 2);
            const char *time = record.data;
            assert_int_equal(next(&time, record.data + record.len, 1).value, BASE_NS + i);
        }
        assert_ptr_equal(in, scope.data + scope.len);
    }
    assert_ptr_equal(at, body_end);
    end();
}

static void json_says_the_same(void **state)
{
    (void)state;
    start("/v1/logs?encoding=json");
    name_entries(5);
    assert_int_equal(send_all(5, 1)->outcome, SINK_DELIVERED);
    assert_non_null(strstr(seen.head, "POST /v1/logs HTTP/1.1"));
    assert_string_equal(header("Content-Type"), "application/json");
    json_t *const root = json_loadb(seen.body, seen.body_len, 0, NULL);
    const json_t *const all = json_object_get(root, "resourceLogs");
    assert_int_equal(json_array_size(all), 2);
    for (unsigned group = 0; group < 2; group++) {
        const json_t *scope = json_array_get(json_object_get(json_array_get(all, group), "scopeLogs"), 0);
        assert_string_equal(json_string_value(json_object_get(json_object_get(scope, "scope"), "name")),
                            group ? "b" : "a");
        assert_int_equal(json_array_size(json_object_get(scope, "logRecords")), group ? 2 : 3);
    }
    json_decref(root);
    end();
}

static void what_another_encoding_left_in_a_spool_is_sent_as_it_is(void **state)
{
    (void)state;
    start("?encoding=json");
    name_entries(1);
    struct entry_head *const json = entry[0];
    entry[0] = NULL;
    end();
    start("");
    name_entries(1);
    entry[1] = json;
    assert_int_equal(send_all(2, 1)->outcome, SINK_REFUSED); /* the core halves it, and nothing is lost */
    free(entry[0]);
    entry[0] = json;
    entry[1] = NULL;
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(header("Content-Type"), "application/json");
    end();
}

static void a_damaged_group_is_refused(void **state)
{
    (void)state;
    start("");
    name_entries(1);
    ((char *)(entry[0] + 1))[1]++; /* the resource's length */
    assert_int_equal(send_all(1, 1)->outcome, SINK_REFUSED);
    end();
}

/* Over gRPC: the server is not even asked. */
static void what_grpc_cannot_send_is_refused(void **state)
{
    (void)state;
    start("?encoding=json");
    name_entries(1);
    struct entry_head *const json = entry[0];
    entry[0] = NULL;
    end();
    (void)start_server(tell);
    open_sink("otlp://127.0.0.1:1");
    entry[0] = json;
    const struct sink_result *r = send_all(1, 1);
    assert_int_equal(r->outcome, SINK_REFUSED);
    assert_string_equal(r->reason, "gRPC takes protobuf only, and the spool holds JSON");
    free(entry[0]);
    name_entries(1);
    ((char *)(entry[0] + 1))[1]++; /* the resource's length */
    r = send_all(1, 1);
    assert_int_equal(r->outcome, SINK_REFUSED);
    assert_string_equal(r->reason, "entries are damaged, or of both encodings");
    end();
}

/* ---- answers ---- */

static char warned[ERR_TEXT_MAX];
static void on_warn(struct sink *s, const struct err *e)
{
    (void)s;
    (void)snprintf(warned, sizeof warned, "%s", e->text);
}

static void partial_success_is_told_and_names_records_only_when_it_is_all(void **state)
{
    static const struct { const char *path, *some, *all; size_t len; } cases[] = {
        {"", "\x0a\x09\x08\x02\x12\x05" "too\nx", "\x0a\x09\x08\x03\x12\x05" "too\nx", 11},
        {"?encoding=json", "{\"partialSuccess\":{\"rejectedLogRecords\":\"2\",\"errorMessage\":\"too\\nx\"}}",
         "{\"partialSuccess\":{\"rejectedLogRecords\":3,\"errorMessage\":\"too\\nx\"}}", 0},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        start(cases[i].path);
        run.sink->warn = on_warn;
        name_entries(3);
        warned[0] = '\0';
        answer_with(200, cases[i].some, cases[i].len ? cases[i].len : strlen(cases[i].some));
        const struct sink_result *r = send_all(3, 1);
        assert_int_equal(r->outcome, SINK_DELIVERED);
        assert_int_equal(r->rejected_count, 0);
        assert_int_equal(r->refused_count, 2);
        assert_string_equal(r->reason, "2 of 3 records rejected: too?x");
        assert_non_null(strstr(warned, "2 of 3 records rejected: too?x"));
        warned[0] = '\0';
        answer_with(200, cases[i].all, cases[i].len ? cases[i].len : strlen(cases[i].all));
        r = send_all(3, 1);
        assert_int_equal(r->outcome, SINK_DELIVERED);
        assert_int_equal(r->rejected_count, 3);
        assert_int_equal(r->refused_count, 0);
        assert_int_equal(r->rejected[2], 2);
        assert_string_equal(warned, "");
        end();
    }
}

static void answers_that_are_no_message_count_by_their_status(void **state)
{
    static const struct { int status; const char *response; enum sink_outcome outcome; } cases[] = {
        {200, "", SINK_DELIVERED}, {200, "{}", SINK_DELIVERED}, {200, "\x0a\x7f\x08\x02", SINK_DELIVERED},
        {202, "", SINK_DELIVERED}, {429, "", SINK_RETRY}, {503, "", SINK_RETRY}, {502, "", SINK_RETRY},
        {504, "", SINK_RETRY}, {400, "\x08\x03\x12\x03" "bad", SINK_REFUSED}, {401, "", SINK_BROKEN},
    };
    (void)state;
    start("");
    name_entries(1);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        answer_with(cases[i].status, cases[i].response, strlen(cases[i].response));
        assert_int_equal(send_all(1, 1)->outcome, cases[i].outcome);
    }
    end();
}

static void an_answer_that_is_too_long_counts_by_its_status_and_is_told_once(void **state)
{
    const size_t len = HTTP_RESPONSE_MAX + 1;
    char *const long_one = calloc(1, len);
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(i ? "?encoding=json" : "");
        run.sink->warn = on_warn;
        name_entries(3);
        for (unsigned k = 0; k < 2; k++) {
            warned[0] = '\0';
            answer_with(200, long_one, len);
            const struct sink_result *r = send_all(3, 1);
            assert_int_equal(r->outcome, SINK_DELIVERED);
            assert_int_equal(r->rejected_count, 0);
            assert_int_equal(strstr(warned, "an answer longer than 1 MiB") != NULL, k == 0);
        }
        answer_with(400, long_one, len);
        assert_int_equal(send_all(3, 1)->outcome, SINK_REFUSED);
        end();
    }
    free(long_one);
}

/* ---- options ---- */

static void what_cannot_be_is_refused_by_name(void **state)
{
    static const struct { const char *uri, *words; } cases[] = {
        {"otlp+http://h/?path=v1/logs", "path"},
        {"otlp+http://h/?path=/v1%20logs", "path"},
        {"otlp+http://h/?encoding=xml", "protobuf, json"},
        {"otlp+http://h/?format=json", "format"},
        {"otlp://h:4317/?encoding=json", "encoding"},
        {"otlp://h:4317/?compression=zstd", "none, gzip"},
        {"otlp://h:4317/?path=/x", "path"},
        {"otlp://h:4317/v1/logs", "endpoint"},
        {"otlp://h:4317/?proxy=http://p:1", "proxy"},
        {"otlp://h:4317/?redirects_max=1", "redirects_max"},
        {"otlps://h/?unix_socket=/s", "unix_socket"},
        {"otlp:?endpoint=HTTPS://h&unix_socket=/s", "unix_socket"},
        {"otlp://h/?headers=TE=gzip", "'TE'"},
        {"otlp://h/?headers=grpc-timeout=1S", "'grpc-timeout'"},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct err e = {0};
        struct remote_run other = {0};
        assert_int_not_equal(remote_run_open(&other, cases[i].uri, &e), 0);
        if (!strstr(e.text, cases[i].words))
            fail_msg("%s: %s", cases[i].uri, e.text);
        remote_run_close(&other);
    }
}

static void names_of_headers_fit_into_a_call_or_are_refused(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char uri[3000];
        struct err e = {0};
        struct sink *s = NULL;
        (void)snprintf(uri, sizeof uri, "otlp://h/?headers=%0*d=1", 2048 - 23 + more, 0);
        const int r = sink_new(uri, "test", &s, &e);
        assert_int_equal(r, more ? -E2BIG : 0);
        if (r == 0)
            sink_free(s);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_simple_record),
        cmocka_unit_test(a_time_before_1970_is_not_known),
        cmocka_unit_test(a_field_that_is_called_like_an_attribute_of_ours_is_kept_beside_it),
        cmocka_unit_test(ids_and_flags_have_places_of_their_own_when_they_are_well_formed),
        cmocka_unit_test(nested_json_becomes_lists),
        cmocka_unit_test(whole_numbers_that_an_integer_holds_keep_all_digits),
        cmocka_unit_test(json_too_deep_for_decoders_is_text_inside),
        cmocka_unit_test(every_record_is_well_formed_and_within_its_bound),
        cmocka_unit_test(a_group_too_long_for_the_head_is_part_of_the_payload),
        cmocka_unit_test(records_of_a_resource_and_scope_are_sent_together_in_order),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(what_another_encoding_left_in_a_spool_is_sent_as_it_is),
        cmocka_unit_test(a_damaged_group_is_refused),
        cmocka_unit_test(what_grpc_cannot_send_is_refused),
        cmocka_unit_test(partial_success_is_told_and_names_records_only_when_it_is_all),
        cmocka_unit_test(answers_that_are_no_message_count_by_their_status),
        cmocka_unit_test(an_answer_that_is_too_long_counts_by_its_status_and_is_told_once),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(names_of_headers_fit_into_a_call_or_are_refused),
    };
    return cmocka_run_group_tests_name("sink-otlp", tests, NULL, NULL);
}
