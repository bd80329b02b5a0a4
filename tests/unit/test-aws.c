/* Signatures by AWS's published examples, and the chain of credentials. */
#include "tests/unit/aws-fixture.h"

#include "collector/net/aws_profile.h"
#include "collector/net/sigv4.h"

/* ---- signatures ---- */

static void assert_signature(const struct sigv4 *s, const char *signature)
{
    struct buf out = {0};
    assert_int_equal(sigv4_authorization(s, &out), 0);
    assert_non_null(buf_cstr(&out));
    const char *at = strstr(out.data, "Signature=");
    assert_non_null(at);
    assert_string_equal(at + 10, signature);
    buf_done(&out);
}

/* get-vanilla, post-vanilla and post-x-www-form-urlencoded of aws-sig-v4-test-suite. */
static void signatures_are_those_of_the_published_suite(void **state)
{
    const struct sigv4_header headers[] = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
    const struct sigv4_header form[] = {{"content-type", "application/x-www-form-urlencoded"},
                                        {"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
    struct sigv4 s = {.key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1", .service = "service", .stamp = "20150830T123600Z", .method = "GET", .path = "/",
        .query = "", .header = headers, .headers_count = 2, .payload = "", .payload_len = 0};
    (void)state;
    assert_signature(&s, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    s.method = "POST";
    assert_signature(&s, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    s.header = form;
    s.headers_count = 3;
    s.payload = "Param1=value1";
    s.payload_len = 13;
    assert_signature(&s, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

/* The example of "Signature Version 4 signing process". */
static void a_query_is_signed_too(void **state)
{
    const struct sigv4_header headers[] = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
                                           {"host", "iam.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
    const struct sigv4 s = {.key_id = "AKIDEXAMPLE", .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        .region = "us-east-1", .service = "iam", .stamp = "20150830T123600Z", .method = "GET", .path = "/",
        .query = "Action=ListUsers&Version=2010-05-08", .header = headers, .headers_count = 3, .payload = ""};
    (void)state;
    assert_signature(&s, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

static void the_stamp_is_in_utc(void **state)
{
    char stamp[SIGV4_STAMP_SIZE];
    (void)state;
    sigv4_stamp(1440938160, stamp);
    assert_string_equal(stamp, "20150830T123600Z");
}

/* ---- credentials ---- */

static void assert_file(const char *profile, const char *key_id, const char *secret, const char *token)
{
    struct aws_profile p;
    assert_int_equal(aws_profile_read(aws_profile_name(profile), &p, NULL), 0);
    assert_true(p.is_there);
    assert_string_equal(p.key_id, key_id);
    assert_string_equal(p.secret, secret);
    if (token)
        assert_string_equal(p.token, token);
    else
        assert_null(p.token);
    aws_profile_done(&p);
}

static void profiles_are_read_from_both_files(void **state)
{
    struct aws_profile p;
    (void)state;
    assert_file(NULL, "D", "DS", NULL);
    assert_file("other", "O", "OS", "OT");
    assert_file("conf", "C", "CS", NULL);
    assert_int_equal(aws_profile_read("half", &p, NULL), 0);
    assert_null(p.secret);
    aws_profile_done(&p);
    assert_int_equal(aws_profile_read("none", &p, NULL), 0);
    assert_false(p.is_there);
    aws_profile_done(&p);
    CHECK(setenv("AWS_PROFILE", "other", 1) == 0);
    assert_file(NULL, "O", "OS", "OT");
}

static void the_region_comes_from_the_environment_or_the_profile(void **state)
{
    char *region = aws_region(NULL);
    (void)state;
    assert_string_equal(region, "eu-north-1");
    free(region);
    region = aws_region("conf");
    assert_string_equal(region, "sa-east-1");
    free(region);
    CHECK(setenv("AWS_DEFAULT_REGION", "a", 1) == 0);
    CHECK(setenv("AWS_REGION", "b", 1) == 0);
    region = aws_region("conf");
    assert_string_equal(region, "b");
    free(region);
}

/* ---- the chain ---- */

/* What 169.254.169.254 and a container's agent would say. */
static enum http_server_then metadata(void *arg, const struct http_server_request *q, struct buf *answer)
{
    const char *token = http_server_header(q, "X-aws-ec2-metadata-token");
    const bool has_token = token && strcmp(token, "imds-token") == 0;
    (void)arg;
    bed.asked++;
    if (strstr(q->head, "PUT /latest/api/token ") && http_server_header(q, "X-aws-ec2-metadata-token-ttl-seconds"))
        http_server_respond(answer, 200, "", "imds-token");
    else if (strstr(q->head, "GET /latest/meta-data/iam/security-credentials/ ") && has_token)
        http_server_respond(answer, 200, "", "my-role\n");
    else if (strstr(q->head, "GET /latest/meta-data/iam/security-credentials/my-role ") && has_token)
        answer_json(answer, "INSTANCE");
    else if (strstr(q->head, "GET /container ") && http_server_header(q, "Authorization"))
        answer_json(answer, "CONTAINER");
    else
        http_server_respond(answer, 404, "", "no");
    return HTTP_SERVER_KEEP;
}

static void the_environment_comes_before_the_files(void **state)
{
    struct aws_wait w;
    (void)state;
    open_chain(metadata, NULL);
    get(&w);
    assert_string_equal(bed.key_id, "D");
    CHECK(setenv("AWS_ACCESS_KEY_ID", "E", 1) == 0);
    CHECK(setenv("AWS_SECRET_ACCESS_KEY", "ES", 1) == 0);
    get(&w);
    assert_string_equal(bed.key_id, "D"); /* as long as they are good */
    aws_chain_forget(bed.chain);
    get(&w);
    assert_string_equal(bed.key_id, "E");
    close_chain();
}

static void a_profile_that_was_named_is_not_replaced(void **state)
{
    struct aws_wait w;
    (void)state;
    open_chain(metadata, "half");
    get(&w);
    assert_string_equal(bed.key_id, "");
    assert_non_null(strstr(bed.why, "'half'"));
    close_chain();
}

static void the_instance_is_asked_by_imds_2_and_again_before_it_expires(void **state)
{
    struct aws_wait w, second = {.got = on_got};
    (void)state;
    write_file(0, "");
    CHECK(unsetenv("AWS_EC2_METADATA_DISABLED") == 0);
    open_chain(metadata, NULL);
    use_server("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
    get(&w);
    assert_string_equal(bed.key_id, "INSTANCE");
    assert_string_equal(bed.token, "T");
    assert_int_equal(bed.asked, 3);
    get(&w);
    assert_int_equal(bed.asked, 3); /* an hour is long */
    aws_chain_forget(bed.chain);
    bed.expires_in = 200; /* less than five minutes: fetched for each use */
    get(&w);
    get(&w);
    assert_int_equal(bed.asked, 9);
    w = (struct aws_wait){.got = on_got}; /* two that wait are answered by one round */
    const unsigned before = bed.got;
    aws_chain_get(bed.chain, &w);
    aws_chain_get(bed.chain, &second);
    while (bed.got < before + 2)
        CHECK(io_turn(bed.io, UINT64_MAX) >= 0);
    assert_int_equal(bed.asked, 12);
    close_chain();
}

static void a_container_comes_before_the_instance(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(0, "");
    open_chain(metadata, NULL);
    use_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/container");
    CHECK(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent", 1) == 0);
    get(&w);
    assert_string_equal(bed.key_id, "CONTAINER");
    close_chain();
    open_chain(metadata, NULL);
    CHECK(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/", 1) == 0);
    get(&w);
    assert_string_equal(bed.key_id, "");
    assert_non_null(strstr(bed.why, "neither https nor a local address"));
    close_chain();
}

static void a_container_s_token_goes_to_its_own_agent_alone(void **state)
{
    static const char *const others[] = {
        "http://127.0.0.1.evil.example/", "http://127.0.0.1:80@evil.example/", "http://localhost:@evil.example/",
        "http://127.0.0.1", "http://localhost:8x/", "ftp://localhost/", "http://169.254.170.2@evil.example/",
    };
    struct aws_wait w;
    (void)state;
    write_file(0, "");
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        open_chain(metadata, NULL);
        CHECK(setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", others[i], 1) == 0);
        get(&w);
        if (!strstr(bed.why, "neither https nor a local address"))
            fail_msg("%s: %s", others[i], bed.why);
        close_chain();
    }
}

/* What each of them says instead, in the order in which they are asked. */
static const char *said[3];

static enum http_server_then say(void *arg, const struct http_server_request *q, struct buf *answer)
{
    (void)arg, (void)q;
    http_server_respond(answer, 200, "", said[bed.asked++]);
    return HTTP_SERVER_KEEP;
}

static void an_answer_that_cannot_be_read_says_whose(void **state)
{
    static const struct { const char *said[3]; const char *who; } rows[] = {
        {{""}, "the instance metadata service"}, {{"\r\n"}, "the instance metadata service"},
        {{"token", ""}, "the instance metadata service"}, {{"token", "role", "{}"}, "the instance metadata service"},
        {{"token", "role", "<html>"}, "the instance metadata service"}, {{"{}"}, "the container's agent"},
    };
    struct aws_wait w;
    char want[100];
    (void)state;
    write_file(0, "");
    CHECK(unsetenv("AWS_EC2_METADATA_DISABLED") == 0);
    for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
        const bool is_agent = strstr(rows[i].who, "agent") != NULL;
        memcpy(said, rows[i].said, sizeof said);
        open_chain(say, NULL);
        use_server(is_agent ? "AWS_CONTAINER_CREDENTIALS_FULL_URI" : "AWS_EC2_METADATA_SERVICE_ENDPOINT", "/");
        get(&w);
        (void)snprintf(want, sizeof want, "%s answers what cannot be read", rows[i].who);
        if (!strstr(bed.why, want))
            fail_msg("%u: %s", i, bed.why);
        close_chain();
    }
}

static void what_is_disabled_or_too_long_is_not_asked(void **state)
{
    char text[700] = "/";
    struct aws_wait w;
    (void)state;
    write_file(0, "");
    memset(text + 1, 'a', sizeof text - 2);
    open_chain(metadata, NULL);
    get(&w);
    assert_non_null(strstr(bed.why, "AWS_EC2_METADATA_DISABLED is true"));
    CHECK(unsetenv("AWS_EC2_METADATA_DISABLED") == 0);
    for (unsigned more = 0; more < 2; more++) {
        char endpoint[700];
        (void)snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:1/%.*s", 600 - 19 + (int)more, text + 1);
        CHECK(setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint, 1) == 0);
        get(&w);
        assert_true(!strstr(bed.why, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long") == !more);
    }
    assert_int_equal(bed.asked, 0);
    close_chain();
}

static void a_container_s_token_is_one_line_of_a_file_that_is_there(void **state)
{
    static const struct { const char *text, *why; } cases[] = {
        {"agent\n", NULL}, {"agent\r\nX-More: 1", "more than one line"}, {"\n", "is empty"}, {NULL, "No such file"},
    };
    struct aws_wait w;
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        CHECK(setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", cases[i].text ? path[CREDENTIALS] : "/nowhere", 1) == 0);
        write_file(CONFIG, "");
        CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", path[CONFIG], 1) == 0); /* the other one is the token's here */
        write_file(CREDENTIALS, cases[i].text ? cases[i].text : "");
        open_chain(metadata, NULL);
        use_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/container");
        get(&w);
        assert_string_equal(bed.key_id, cases[i].why ? "" : "CONTAINER");
        assert_true(!cases[i].why || strstr(bed.why, cases[i].why));
        close_chain();
    }
    CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", path[CREDENTIALS], 1) == 0);
}

static void an_instance_without_a_role_is_said(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(0, "");
    CHECK(unsetenv("AWS_EC2_METADATA_DISABLED") == 0);
    open_chain(metadata, NULL);
    use_server("AWS_EC2_METADATA_SERVICE_ENDPOINT", "/nothing");
    get(&w);
    assert_string_equal(bed.key_id, "");
    assert_non_null(strstr(bed.why, "HTTP 404"));
    w = (struct aws_wait){.got = on_got};
    aws_chain_get(bed.chain, &w); /* under way when all ends */
    aws_chain_cancel(bed.chain, &w);
    close_chain();
    assert_int_equal(bed.got, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_the_published_suite),
        cmocka_unit_test(a_query_is_signed_too),
        cmocka_unit_test(the_stamp_is_in_utc),
        cmocka_unit_test_setup(profiles_are_read_from_both_files, aws_set_up),
        cmocka_unit_test_setup(the_region_comes_from_the_environment_or_the_profile, aws_set_up),
        cmocka_unit_test_setup(the_environment_comes_before_the_files, aws_set_up),
        cmocka_unit_test_setup(a_profile_that_was_named_is_not_replaced, aws_set_up),
        cmocka_unit_test_setup(the_instance_is_asked_by_imds_2_and_again_before_it_expires, aws_set_up),
        cmocka_unit_test_setup(a_container_comes_before_the_instance, aws_set_up),
        cmocka_unit_test_setup(a_container_s_token_goes_to_its_own_agent_alone, aws_set_up),
        cmocka_unit_test_setup(an_answer_that_cannot_be_read_says_whose, aws_set_up),
        cmocka_unit_test_setup(what_is_disabled_or_too_long_is_not_asked, aws_set_up),
        cmocka_unit_test_setup(a_container_s_token_is_one_line_of_a_file_that_is_there, aws_set_up),
        cmocka_unit_test_setup(an_instance_without_a_role_is_said, aws_set_up),
    };
    return run_aws_tests("aws", tests, ARRAY_COUNT(tests));
}
