/* The CloudWatch Logs sink against a server that knows its errors. */
#include "tests/unit/http-sink-fixture.h"

#include "collector/sinks/cloudwatch.h"

/* Answers, one after the other; NULL: 200 and {}. */
static const char *error_of[8];
static char actions[400]; /* that were called */

static enum http_server_then logs(void *arg, const struct http_server_request *q, struct buf *answer)
{
    const char *target = http_server_header(q, "X-Amz-Target");
    const char *error = seen.requests < ARRAY_COUNT(error_of) ? error_of[seen.requests] : NULL;
    (void)arg;
    CHECK(target && strncmp(target, "Logs_20140328.", 14) == 0);
    (void)snprintf(actions + strlen(actions), sizeof actions - strlen(actions), "%s ", target + 14);
    note(q);
    if (!error)
        http_server_respond(answer, 200, "", "{}");
    else if (*error == '{')
        http_server_respond(answer, 200, "", error);
    else {
        char body[300];
        (void)snprintf(body, sizeof body, "{\"__type\":\"com.amazonaws.logs#%s\",\"message\":\"so it is\","
                       "\"expectedSequenceToken\":\"next-token\"}", error);
        http_server_respond(answer, 400, "", body);
    }
    return HTTP_SERVER_KEEP;
}

static void start(const char *parameters, unsigned records)
{
    char uri[400];
    memset(error_of, 0, sizeof error_of);
    memset(actions, 0, sizeof actions);
    (void)snprintf(uri, sizeof uri, "cloudwatch://eu-west-1//app/group/stream1?endpoint_url=http://127.0.0.1:%u%s",
                   start_server(logs), parameters);
    open_sink(uri);
    for (unsigned i = 0; i < records; i++) /* the youngest first */
        entry[i] = remote_run_entry(&run, records - 1 - i, BASE_NS + (int64_t)(records - i) * 1000000000, 10);
}

/* effect: cloudwatch.endpoint_url */
static void a_put_is_signed_sorted_and_has_the_records_own_time(void **state)
{
    json_error_t e;
    (void)state;
    start("", 3);
    assert_int_equal(send_all(3, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(actions, "PutLogEvents ");
    const struct http_server_request q = {.head = seen.head};
    assert_string_equal(http_server_header(&q, "Content-Type"), "application/x-amz-json-1.1");
    assert_string_equal(http_server_header(&q, "X-Amz-Security-Token"), "session");
    const char *authorization = http_server_header(&q, "Authorization");
    assert_non_null(strstr(authorization, "AWS4-HMAC-SHA256 Credential=AKID/20"));
    assert_non_null(strstr(authorization, "/eu-west-1/logs/aws4_request, SignedHeaders=content-type;host;x-amz-date;"
                                          "x-amz-security-token;x-amz-target, Signature="));
    json_t *root = json_loads(seen.body, 0, &e), *events = json_object_get(root, "logEvents");
    assert_string_equal(json_string_value(json_object_get(root, "logGroupName")), "/app/group");
    assert_string_equal(json_string_value(json_object_get(root, "logStreamName")), "stream1");
    assert_int_equal(json_array_size(events), 3);
    for (unsigned i = 0; i < 3; i++) {
        const json_t *event = json_array_get(events, i);
        assert_int_equal(json_integer_value(json_object_get(event, "timestamp")), BASE_NS / 1000000 + 1000 * (i + 1));
        assert_int_equal(strncmp(json_string_value(json_object_get(event, "message")), "{\"context\":", 11), 0);
    }
    json_decref(root);
    end();
}

/* effect: cloudwatch.max_event_bytes */
static void limits_are_those_of_the_service(void **state)
{
    struct sink_limits l;
    (void)state;
    start("&max_event_bytes=256KB", 1);
    run.sink->ops->remote->limits(run.sink, &l);
    assert_int_equal(l.records, 10000);
    assert_int_equal(l.bytes, 1048576);
    assert_int_equal(l.entry_overhead, 26);
    assert_int_equal(l.entry_bytes, 262144);
    assert_int_equal(l.span_ns, 24 * 3600 * NS_PER_S);
    assert_int_equal(entry_payload(entry[0])[0], '{');
    assert_int_not_equal(strncmp(entry_payload(entry[0]), "{\"log\":", 7), 0);
    end();
}

/* effect: cloudwatch.create_log_group cloudwatch.create_log_stream */
static void what_is_missing_is_made_and_the_put_repeated(void **state)
{
    (void)state;
    start("", 1);
    error_of[0] = "ResourceNotFoundException";
    error_of[2] = "ResourceAlreadyExistsException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(actions, "PutLogEvents CreateLogGroup CreateLogStream PutLogEvents ");
    end();
    start("", 1); /* a stream may be made where a group may not */
    error_of[0] = "ResourceNotFoundException";
    error_of[1] = "AccessDeniedException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    end();
    start("&create_log_group=false", 1);
    error_of[0] = "ResourceNotFoundException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_string_equal(actions, "PutLogEvents CreateLogStream PutLogEvents ");
    end();
    start("&create_log_group=false&create_log_stream=false", 1);
    error_of[0] = "ResourceNotFoundException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_BROKEN);
    assert_string_equal(actions, "PutLogEvents ");
    end();
    start("", 1); /* not for ever */
    error_of[0] = error_of[3] = "ResourceNotFoundException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_RETRY);
    end();
}

static void errors_become_outcomes(void **state)
{
    static const struct { const char *error; enum sink_outcome outcome; } cases[] = {
        {"ThrottlingException", SINK_RETRY}, {"ServiceUnavailableException", SINK_RETRY},
        {"DataAlreadyAcceptedException", SINK_DELIVERED}, {"InvalidParameterException", SINK_REFUSED},
        {"AccessDeniedException", SINK_BROKEN}, {"UnrecognizedClientException", SINK_BROKEN},
        {"RequestExpired", SINK_BROKEN}, {"RequestAbortedException", SINK_RETRY},
        {"InvalidSignatureException", SINK_BROKEN},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        start("", 1);
        error_of[0] = cases[i].error;
        const struct sink_result *r = send_all(1, 1);
        if (r->outcome != cases[i].outcome)
            fail_msg("%s: %d: %s", cases[i].error, r->outcome, r->reason);
        assert_int_equal(r->status, 400);
        assert_non_null(strstr(r->reason, cases[i].error));
        assert_null(strstr(r->reason, "session"));
        end();
    }
}

static void a_token_that_is_wanted_is_taken_and_expired_credentials_are_renewed(void **state)
{
    (void)state;
    start("", 1);
    error_of[0] = "InvalidSequenceTokenException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_non_null(strstr(seen.body, "\"sequenceToken\":\"next-token\""));
    assert_int_equal(seen.requests, 2);
    end();
    start("", 1);
    error_of[0] = "ExpiredTokenException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_DELIVERED);
    assert_int_equal(seen.requests, 2);
    end();
    start("", 1);
    error_of[0] = error_of[1] = "ExpiredTokenException";
    assert_int_equal(send_all(1, 1)->outcome, SINK_BROKEN);
    end();
}

/* Sent in order of time: 5, 4, 3, 2, 1, 0 by index. */
static void events_that_were_left_out_are_told_by_their_index(void **state)
{
    const struct sink_result *r;
    (void)state;
    start("", 6);
    error_of[0] = "{\"rejectedLogEventsInfo\":{\"tooOldLogEventEndIndex\":2,\"expiredLogEventEndIndex\":1}}";
    error_of[1] = "{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":4,\"expiredLogEventEndIndex\":1}}";
    error_of[2] = "{\"rejectedLogEventsInfo\":{\"tooNewLogEventStartIndex\":99,\"tooOldLogEventEndIndex\":-1}}";
    r = send_all(6, 1);
    assert_int_equal(r->outcome, SINK_DELIVERED);
    assert_int_equal(r->rejected_count, 2);
    assert_int_equal(r->rejected[0], 4);
    assert_int_equal(r->rejected[1], 5);
    r = send_all(6, 1);
    assert_int_equal(r->rejected_count, 3);
    assert_int_equal(r->rejected[0], 0);
    assert_int_equal(r->rejected[1], 1);
    assert_int_equal(r->rejected[2], 5);
    assert_int_equal(send_all(6, 1)->rejected_count, 0);
    end();
}

static void uris_and_names_are_checked(void **state)
{
    static const struct { const char *uri, *words; } cases[] = {
        {"cloudwatch:", "region"},
        {"cloudwatch://user@eu-west-1/g/s", "credentials come"},
        {"cloudwatch://eu-west-1/g%20x/s", "log_group_name"},
        {"cloudwatch://eu-west-1/g/a:b", "log_stream_name"},
        {"cloudwatch://eu_west/g", "region: 'eu_west'"},
    };
    struct sink *s = NULL;
    struct err e = {0};
    char text[200];
    void *cfg;
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(cases[i].uri, cases[i].words);
    assert_int_equal(sink_new("cloudwatch://cn-north-1/group", "test", &s, &e), 0);
    const struct opt *row = sink_option(s, "endpoint_url", &cfg);
    assert_true(opt_print(row, cfg, text, sizeof text) > 0);
    assert_string_equal(text, "https://logs.cn-north-1.amazonaws.com.cn");
    sink_free(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_signed_sorted_and_has_the_records_own_time),
        cmocka_unit_test(limits_are_those_of_the_service),
        cmocka_unit_test(what_is_missing_is_made_and_the_put_repeated),
        cmocka_unit_test(errors_become_outcomes),
        cmocka_unit_test(a_token_that_is_wanted_is_taken_and_expired_credentials_are_renewed),
        cmocka_unit_test(events_that_were_left_out_are_told_by_their_index),
        cmocka_unit_test(uris_and_names_are_checked),
    };
    CHECK(setenv("AWS_ACCESS_KEY_ID", "AKID", 1) == 0 && setenv("AWS_SECRET_ACCESS_KEY", "secret", 1) == 0 &&
          setenv("AWS_SESSION_TOKEN", "session", 1) == 0 && setenv("AWS_EC2_METADATA_DISABLED", "true", 1) == 0 &&
          setenv("AWS_CONFIG_FILE", "/dev/null", 1) == 0 && unsetenv("AWS_REGION") == 0 &&
          unsetenv("AWS_DEFAULT_REGION") == 0);
    return cmocka_run_group_tests_name("sink-cloudwatch", tests, NULL, NULL);
}
