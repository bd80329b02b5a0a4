/* The Loki sink: labels, the order inside a stream, both encodings of a push, and what answers mean. */
#include "tests/unit/http-sink-fixture.h"

#include "collector/sinks/event.h"
#include "collector/sinks/loki.h"

#include <snappy-c.h>

static struct {
    int status;
    const char *text;
} answer_with;

static enum http_server_then tell(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg;
    note(q);
    http_server_respond(answer, answer_with.status, "", answer_with.text);
    return HTTP_SERVER_KEEP;
}

static void start(const char *path, const char *parameters)
{
    char uri[600];
    answer_with.status = 204;
    answer_with.text = "";
    (void)snprintf(uri, sizeof uri, "loki://127.0.0.1:%u%s%s", start_server(tell), path, parameters);
    open_sink(uri);
}

static json_t *streams(json_t **ret_root)
{
    *ret_root = body();
    return json_object_get(*ret_root, "streams");
}

static const char *member(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- labels ---- */

static void assert_group(const struct entry_head *h, const char *expected)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "%.*s", h->group_len, entry_group(h));
    assert_string_equal(text, expected);
}

static void names_and_values_of_labels_are_sanitised_and_cut(void **state)
{
    char long_value[200], expected[300];
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    start("", "?labels=9app.x=a/b%20c,env=pr%C3%B6d&label_keys=level,logger,no.such,who,pid,code");
    memset(long_value, 'v', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    s->logger.name = sample_text("orders.matching");
    s->r.process = &s->process;
    s->r.logger = &s->logger;
    sample_bind(s, sample_string("who", "logger"));
    sample_bind_thread(s, sample_string("who", "thread"));
    sample_add(s, sample_int("code", -5));
    entry[0] = remote_run_encode(&run, &s->r);
    assert_group(entry[0], "_9app_x=\"a_b_c\", code=\"-5\", env=\"pr__d\", level=\"INFO\", "
                           "logger=\"orders_matching\", pid=\"1234\", who=\"thread\"");
    sample_add(s, sample_string("who", long_value));
    entry[1] = remote_run_encode(&run, &s->r);
    (void)snprintf(expected, sizeof expected, "who=\"%.128s\"", long_value);
    char text[4096];
    (void)snprintf(text, sizeof text, "%.*s", entry[1]->group_len, entry_group(entry[1]));
    assert_non_null(strstr(text, expected));
    sample_free(s);
    end();
}

/* Groups of levels are kept where nothing else changes, which another label prevents. */
static void each_level_has_its_group_kept_or_not(void **state)
{
    static const char *const options[] = {"?labels=app=x", "?labels=app=x&label_keys=level,nobody"};
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start("", options[i]);
        for (uint8_t level = 0; level < 32; level++) {
            char expected[64];
            const struct fapilog_text name = level_name(level);
            (void)snprintf(expected, sizeof expected, "app=\"x\", level=\"%.*s\"", (int)name.len, name.data);
            s->r.level = level;
            entry[0] = remote_run_encode(&run, &s->r);
            assert_group(entry[0], expected);
            free(entry[0]);
            entry[0] = NULL;
        }
        end();
    }
    sample_free(s);
}

static void a_record_without_any_label_gets_one(void **state)
{
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    start("", "?labels=%7B%7D&label_keys=nobody");
    entry[0] = remote_run_encode(&run, &s->r);
    assert_group(entry[0], "service_name=\"unknown_service\"");
    sample_free(s);
    end();
}

/* effect: loki.label_keys loki.labels */
static void a_key_falls_back_to_the_static_label_of_its_name(void **state)
{
    struct sample *s = sample_new(SAMPLE_EMPTY);
    (void)state;
    start("", "?labels=zone=none&label_keys=zone");
    entry[0] = remote_run_encode(&run, &s->r);
    assert_group(entry[0], "zone=\"none\"");
    sample_add(s, sample_string("zone", "a"));
    entry[1] = remote_run_encode(&run, &s->r);
    assert_group(entry[1], "zone=\"a\"");
    sample_free(s);
    end();
}

static void hostile_records_stay_inside_labels_and_json(void **state)
{
    json_t *root;
    (void)state;
    start("", "?label_keys=level,logger,service,env,host,version&structured_metadata=thread,host,record_id");
    for (unsigned kind = 0; kind < SAMPLE_COUNT; kind++) {
        if (kind == SAMPLE_HUGE)
            continue; /* longer than this server's buffer */
        struct sample *s = sample_new(kind);
        entry[0] = remote_run_encode(&run, &s->r);
        for (const char *p = entry_group(entry[0]); p < entry_meta(entry[0]); p++)
            assert_true(*p >= ' ' && *p < 0x7f && *p != '\\');
        assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
        assert_int_equal(json_array_size(streams(&root)), 1);
        json_decref(root);
        free(entry[0]);
        entry[0] = NULL;
        sample_free(s);
    }
    end();
}

static void contradictions_are_refused_by_name(void **state)
{
    static const struct { const char *uri, *words; } cases[] = {
        {"loki://h/?labels=a.b=1,a_b=2", "a_b"},
        {"loki://h/?labels=%7B%7D&label_keys=%5B%5D", "at least one"},
        {"loki://h/?label_keys=record_id", "structured_metadata"},
        {"loki://h/?encoding=protobuf&compression=gzip", "compression"},
        {"loki://h/?compression=zstd", "compression"},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(cases[i].uri, cases[i].words);
}

/* ---- pushes ---- */

/* effect: loki.password loki.structured_metadata loki.tenant_id loki.user */
static void a_push_is_streams_in_order_of_time_with_the_records_own_time(void **state)
{
    static const unsigned order[] = {3, 0, 6, 1, 9}; /* 0, 3, 6, 9 are INFO; 1 is ERROR */
    json_t *root;
    (void)state;
    start("", "?labels=app=x&tenant_id=team-a&user=u&password=p&structured_metadata=trace_id,record_id,nothing");
    for (unsigned i = 0; i < ARRAY_COUNT(order); i++)
        entry[i] = remote_run_entry(&run, order[i], BASE_NS, 10);
    assert_int_equal(send_all(ARRAY_COUNT(order), 1)->outcome, SINK_DELIVERED);
    assert_non_null(strstr(seen.head, "POST /loki/api/v1/push HTTP/1.1"));
    assert_string_equal(header("Content-Type"), "application/json");
    assert_string_equal(header("X-Scope-OrgID"), "team-a");
    assert_string_equal(header("Authorization"), "Basic dTpw");
    const json_t *all = streams(&root), *info = json_array_get(all, 0), *values = json_object_get(info, "values");
    assert_int_equal(json_array_size(all), 2);
    assert_string_equal(member(json_object_get(info, "stream"), "app"), "x");
    assert_string_equal(member(json_object_get(info, "stream"), "level"), "INFO");
    assert_int_equal(json_array_size(values), 4);
    for (unsigned i = 0; i < 4; i++) {
        char expected[32];
        const json_t *value = json_array_get(values, i), *meta = json_array_get(value, 2);
        (void)snprintf(expected, sizeof expected, "%lld", (long long)BASE_NS + 3 * i);
        assert_string_equal(json_string_value(json_array_get(value, 0)), expected);
        assert_non_null(strstr(json_string_value(json_array_get(value, 1)), "\"message\":\"load\""));
        assert_string_equal(member(meta, "trace_id"), "0123456789abcdef0123456789abcdef");
        assert_non_null(strstr(member(meta, "record_id"), "-3-1-"));
        assert_null(member(meta, "nothing"));
    }
    json_decref(root);
    end();
}

static void damaged_metadata_spoils_nothing_else(void **state)
{
    json_t *root;
    (void)state;
    start("", "?structured_metadata=trace_id");
    for (unsigned i = 0; i < 2; i++)
        entry[i] = remote_run_entry(&run, i * 3, BASE_NS, 10); /* both INFO */
    *(char *)(uintptr_t)entry_meta(entry[0]) = (char)0xff; /* a name that would end behind its metadata */
    assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
    const json_t *values = json_object_get(json_array_get(streams(&root), 0), "values");
    assert_int_equal(json_array_size(json_array_get(values, 0)), 2);
    assert_int_equal(json_array_size(json_array_get(values, 1)), 3);
    json_decref(root);
    end();
}

/* A walk over protobuf that knows fields by number only. */
static const char *field(const char **at, const char *end_at, unsigned *ret_number, size_t *ret_len)
{
    uint64_t key = (uint8_t)*(*at)++, value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const uint8_t c = (uint8_t)*(*at)++;
        value |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            break;
    }
    *ret_number = (unsigned)(key >> 3);
    *ret_len = (size_t)value;
    const char *data = *at;
    if ((key & 7) == 2)
        *at += value;
    assert_true(*at <= end_at);
    return data;
}

/* effect: loki.encoding */
static void protobuf_says_the_same(void **state)
{
    static char plain[1 << 16];
    size_t len = sizeof plain, n;
    unsigned number, entries = 0;
    (void)state;
    start("/prefix", "?labels=app=x&encoding=protobuf&structured_metadata=trace_id");
    entry[0] = remote_run_entry(&run, 3, BASE_NS, 10);
    entry[1] = remote_run_entry(&run, 0, BASE_NS, 10);
    assert_int_equal(send_all(2, 1)->outcome, SINK_DELIVERED);
    assert_non_null(strstr(seen.head, "POST /prefix/loki/api/v1/push HTTP/1.1"));
    assert_string_equal(header("Content-Type"), "application/x-protobuf");
    assert_int_equal(snappy_uncompress(seen.body, seen.body_len, plain, &len), SNAPPY_OK);
    const char *at = plain, *stream = field(&at, plain + len, &number, &n), *const stream_end = stream + n;
    assert_int_equal(number, 1);
    assert_ptr_equal(at, plain + len); /* one stream */
    const char *labels = field(&stream, stream_end, &number, &n);
    assert_int_equal(number, 1);
    assert_int_equal(n, strlen("{app=\"x\", level=\"INFO\"}"));
    assert_memory_equal(labels, "{app=\"x\", level=\"INFO\"}", n);
    for (; stream < stream_end; entries++) {
        const char *one = field(&stream, stream_end, &number, &n), *const one_end = one + n;
        assert_int_equal(number, 2);
        const char *stamp = field(&one, one_end, &number, &n), *const stamp_end = stamp + n;
        (void)field(&stamp, stamp_end, &number, &n);
        assert_int_equal(n, BASE_NS / 1000000000); /* seconds */
        if (entries == 1) {
            (void)field(&stamp, stamp_end, &number, &n);
            assert_int_equal(n, 3); /* nanoseconds */
        }
        assert_ptr_equal(stamp, stamp_end);
        const char *line = field(&one, one_end, &number, &n);
        assert_int_equal(number, 2);
        assert_int_equal(line[0], '{');
        (void)field(&one, one_end, &number, &n);
        assert_int_equal(number, 3);
        assert_ptr_equal(one, one_end);
    }
    assert_int_equal(entries, 2);
    end();
}

/* Its length is known when it is written: more room may have been left for it. */
static void the_length_of_a_stream_is_as_short_as_it_can_be(void **state)
{
    bool is_short_seen = false, is_long_seen = false;
    (void)state;
    start("", "?labels=app=x&label_keys=level&structured_metadata=trace_id");
    for (uint32_t text = (1 << 14) - 500; text < (1 << 14) + 100; text += 3) {
        struct loki_push push = {0};
        struct buf body = {0};
        const struct entry_head *both[2];
        unsigned number;
        size_t n;
        for (unsigned i = 0; i < 2; i++) /* two levels, two streams */
            both[i] = entry[i] = remote_run_entry(&run, i, BASE_NS, i ? 10 : text);
        const struct sink_request q = {.entry = both, .count = 2};
        assert_int_equal(loki_push_sort(&push, &q), 0);
        assert_int_equal(push.streams, 2);
        assert_int_equal(loki_push_protobuf(&push, &q, &body), 0);
        const char *at = body.data, *const end_at = at + body.len, *stream = field(&at, end_at, &number, &n);
        assert_int_equal(stream - body.data, n < 1 << 14 ? 3 : 4);
        is_short_seen |= n < 1 << 14;
        is_long_seen |= n >= 1 << 14;
        (void)field(&stream, at, &number, &n);
        assert_int_equal(n, strlen("{app=\"x\", level=\"INFO\"}"));
        (void)field(&stream, at, &number, &n);
        assert_ptr_equal(stream, at); /* one entry, to the end */
        (void)field(&at, end_at, &number, &n);
        assert_ptr_equal(at, end_at);
        buf_done(&body);
        loki_push_done(&push);
        free(entry[0]);
        free(entry[1]);
    }
    entry[0] = entry[1] = NULL;
    assert_true(is_short_seen && is_long_seen);
    end();
}

/* Whatever length the numbers of a time have, before 1970 the greatest. */
static void times_of_all_lengths_are_what_they_were(void **state)
{
    static const int64_t seconds[] = {-1, 0, 127, 128, 16383, 16384, 2097151, 2097152, 268435455, 268435456,
                                      9000000000};
    static const int64_t nanos[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455, 268435456, 999999999};
    (void)state;
    start("", "?labels=app=x");
    for (unsigned k = 0; k < ARRAY_COUNT(seconds) * ARRAY_COUNT(nanos); k++) {
        const int64_t s = seconds[k / ARRAY_COUNT(nanos)], ns = nanos[k % ARRAY_COUNT(nanos)];
        struct loki_push push = {0};
        struct buf body = {0};
        unsigned number;
        size_t n;
        entry[0] = remote_run_entry(&run, 0, s * 1000000000 + ns, 10);
        const struct sink_request q = {.entry = (const struct entry_head *const *)entry, .count = 1};
        assert_int_equal(loki_push_sort(&push, &q), 0);
        assert_int_equal(loki_push_protobuf(&push, &q, &body), 0);
        const char *at = body.data, *stream = field(&at, at + body.len, &number, &n);
        assert_ptr_equal(at, body.data + body.len);
        (void)field(&stream, at, &number, &n); /* labels */
        const char *one = field(&stream, at, &number, &n), *stamp = field(&one, at, &number, &n);
        const char *const stamp_end = stamp + n;
        (void)field(&stamp, at, &number, &n);
        assert_true(number == 1 && (int64_t)n == s);
        if (ns) {
            (void)field(&stamp, at, &number, &n);
            assert_true(number == 2 && (int64_t)n == ns);
        }
        assert_ptr_equal(stamp, stamp_end);
        (void)field(&one, at, &number, &n);
        assert_true(number == 2 && n == event_of_entry(entry[0], false).len);
        assert_ptr_equal(one, at);
        buf_done(&body);
        loki_push_done(&push);
        free(entry[0]);
    }
    entry[0] = NULL;
    end();
}

static void neighbours_of_other_streams_find_their_own(void **state)
{
    struct loki_push push = {0};
    const struct entry_head *all[9];
    (void)state;
    start("", "?labels=app=x&label_keys=level");
    for (unsigned i = 0; i < ARRAY_COUNT(all); i++) /* three levels in turns, and runs of one */
        all[i] = entry[i] = remote_run_entry(&run, i < 6 ? i : 3 * i, BASE_NS, 10);
    const struct sink_request q = {.entry = all, .count = ARRAY_COUNT(all)};
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(loki_push_sort(&push, &q), 0);
        assert_int_equal(push.streams, 3);
        assert_int_equal(push.stream[0].count, 2 + 3);
        assert_int_equal(push.stream[1].count, 2);
        assert_int_equal(push.stream[2].count, 2);
    }
    loki_push_done(&push);
    end();
}

/* ---- answers ---- */

#define BEHIND "entry with timestamp 2026-11-21 08:37:04 +0000 UTC ignored, reason: 'entry too far behind, entry " \
    "timestamp is: 2026-11-21T08:37:04Z, oldest acceptable timestamp is: 2026-11-21T09:00:00Z',\n"

static void an_answer_that_names_the_oldest_rejects_these_only(void **state)
{
    (void)state;
    start("", "?label_keys=app");
    for (unsigned i = 0; i < 4; i++)
        entry[i] = remote_run_entry(&run, 9 - 3 * i, BASE_NS, 10); /* 9, 6, 3, 0: the oldest last */
    answer_with.status = 400;
    answer_with.text = BEHIND "user 'fake', total ignored: 2 out of 4 for stream: {service=\"fapilog\"}";
    const struct sink_result *r = send_all(4, 1);
    assert_int_equal(r->outcome, SINK_DELIVERED);
    assert_int_equal(r->rejected_count, 2);
    assert_int_equal(r->rejected[0], 2);
    assert_int_equal(r->rejected[1], 3);
    assert_int_equal(r->status, 400);
    answer_with.text = BEHIND "user 'fake', total ignored: 2 out of 5 for stream: {service=\"fapilog\"}"; /* not ours */
    assert_int_equal(send_all(4, 1)->outcome, SINK_REFUSED);
    answer_with.text = "entry for stream '{}' has timestamp too old: 2020, oldest acceptable timestamp is: 2026";
    assert_int_equal(send_all(4, 1)->outcome, SINK_REFUSED);
    end();
    start("", "?label_keys=level");
    for (unsigned i = 0; i < 2; i++)
        entry[i] = remote_run_entry(&run, i, BASE_NS, 10);
    answer_with.status = 400; /* two streams: Loki tells of one of them */
    answer_with.text = BEHIND "user 'fake', total ignored: 1 out of 2 for stream: {level=\"INFO\"}";
    assert_int_equal(send_all(2, 1)->outcome, SINK_REFUSED);
    end();
}

static void only_200_and_204_count_as_taken(void **state)
{
    static const struct { int status; enum sink_outcome outcome; } cases[] = {
        {204, SINK_DELIVERED}, {200, SINK_DELIVERED}, {202, SINK_RETRY}, {429, SINK_RETRY}, {400, SINK_REFUSED},
        {401, SINK_BROKEN}, {500, SINK_RETRY},
    };
    (void)state;
    start("/loki/api/v1/push", "");
    entry[0] = remote_run_entry(&run, 0, BASE_NS, 10);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        answer_with.status = cases[i].status;
        assert_int_equal(send_all(1, 1)->outcome, cases[i].outcome);
        assert_non_null(strstr(seen.head, "POST /loki/api/v1/push HTTP/1.1"));
    }
    end();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values_of_labels_are_sanitised_and_cut),
        cmocka_unit_test(each_level_has_its_group_kept_or_not),
        cmocka_unit_test(a_record_without_any_label_gets_one),
        cmocka_unit_test(a_key_falls_back_to_the_static_label_of_its_name),
        cmocka_unit_test(hostile_records_stay_inside_labels_and_json),
        cmocka_unit_test(contradictions_are_refused_by_name),
        cmocka_unit_test(a_push_is_streams_in_order_of_time_with_the_records_own_time),
        cmocka_unit_test(damaged_metadata_spoils_nothing_else),
        cmocka_unit_test(protobuf_says_the_same),
        cmocka_unit_test(the_length_of_a_stream_is_as_short_as_it_can_be),
        cmocka_unit_test(times_of_all_lengths_are_what_they_were),
        cmocka_unit_test(neighbours_of_other_streams_find_their_own),
        cmocka_unit_test(an_answer_that_names_the_oldest_rejects_these_only),
        cmocka_unit_test(only_200_and_204_count_as_taken),
    };
    return cmocka_run_group_tests_name("sink-loki", tests, NULL, NULL);
}
