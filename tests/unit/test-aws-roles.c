/* Roles: assumed by a web identity, from another profile, from what container and instance give; what they are asked
 * with, how long what they get is good, and what is said when there is nothing. */
#include "tests/unit/aws-fixture.h"

#include "collector/net/aws_sts.h"

/* The security token service: what it was asked last, and how it answers. */
static struct {
    char head[8192], body[4096];
    unsigned asked, refuse_from; /* 0: never */
    bool repeats;                /* what it was sent */
} sts;

static enum http_server_then serve(void *arg, const struct http_server_request *q, struct buf *answer)
{
    char body[1000], when[40];
    const time_t t = time(NULL) + bed.expires_in;
    (void)arg;
    if (strncmp(q->head, "GET /container ", 15) == 0) {
        answer_json(answer, "CONTAINER");
        return HTTP_SERVER_KEEP;
    }
    sts.asked++;
    (void)snprintf(sts.head, sizeof sts.head, "%s", q->head);
    (void)snprintf(sts.body, sizeof sts.body, "%s", q->body);
    if (sts.repeats) {
        (void)snprintf(body, sizeof body, "<ErrorResponse><Error><Code>Signature</Code><Message>not with %s</Message>"
                       "</Error></ErrorResponse>", http_server_header(q, "x-amz-security-token"));
        http_server_respond(answer, 403, "", body);
        return HTTP_SERVER_KEEP;
    }
    if (sts.refuse_from && sts.asked >= sts.refuse_from) {
        http_server_respond(answer, 403, "", "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                           "<Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>");
        return HTTP_SERVER_KEEP;
    }
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    (void)snprintf(body, sizeof body, "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
                   "<AssumeRoleResult><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Credentials>\n"
                   "<AccessKeyId>ROLE%u</AccessKeyId><SecretAccessKey>a/b+c</SecretAccessKey>"
                   "<SessionToken>session-%u</SessionToken><Expiration>%s</Expiration></Credentials>"
                   "</AssumeRoleResult></AssumeRoleResponse>", sts.asked, sts.asked, when);
    http_server_respond(answer, 200, "", body);
    return HTTP_SERVER_KEEP;
}

static void open_sts(const char *profile)
{
    memset(&sts, 0, sizeof sts);
    open_chain(serve, profile);
    use_server("AWS_ENDPOINT_URL_STS", "");
}

static const char *header(const char *name)
{
    return http_server_header(&(struct http_server_request){.head = sts.head}, name);
}

static void assert_asked(const char *const *parts)
{
    for (; *parts; parts++)
        if (!strstr(sts.body, *parts))
            fail_msg("%s is not in: %s", *parts, sts.body);
}

static void a_web_identity_is_changed_for_its_role(void **state)
{
    char token[80];
    struct aws_wait w;
    (void)state;
    write_file(CREDENTIALS, ""); /* stands for the token, too */
    (void)snprintf(token, sizeof token, "%s/token", dir);
    FILE *f = fopen(token, "we");
    CHECK(f && fputs("eyJ.first\n", f) >= 0 && fclose(f) == 0);
    CHECK(setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token, 1) == 0);
    CHECK(setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod", 1) == 0);
    open_sts(NULL);
    bed.expires_in = 200; /* it is fetched for each use */
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1");
    assert_string_equal(bed.token, "session-1");
    assert_null(header("Authorization"));
    assert_string_equal(header("Content-Type"), "application/x-www-form-urlencoded");
    assert_asked((const char *const[]){"Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
                                       "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fpod", "&RoleSessionName=fapilog-",
                                       "&WebIdentityToken=eyJ.first", NULL});
    f = fopen(token, "we"); /* as a kubelet does */
    CHECK(f && fputs("eyJ.second", f) >= 0 && fclose(f) == 0);
    CHECK(setenv("AWS_ROLE_SESSION_NAME", "mine", 1) == 0);
    get(&w);
    assert_asked((const char *const[]){"&WebIdentityToken=eyJ.second", "&RoleSessionName=mine&", NULL});
    CHECK(unlink(token) == 0);
    aws_chain_forget(bed.chain);
    get(&w);
    assert_string_equal(bed.key_id, "");
    assert_non_null(strstr(bed.why, "/token"));
    close_chain();
}

static void a_role_is_assumed_with_the_keys_of_its_source(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CREDENTIALS, "[base]\naws_access_key_id = BASE\naws_secret_access_key = BS\n");
    write_file(CONFIG, "[profile logs]\nrole_arn = arn:aws:iam::2:role/logs\nsource_profile = mid\nexternal_id = e/1\n"
                       "role_session_name = me@host\nduration_seconds = 900\n"
                       "[profile mid]\nrole_arn = arn:aws:iam::1:role/mid\nsource_profile = base\n");
    open_sts("mid");
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1");
    assert_non_null(strstr(header("Authorization"), "Credential=BASE/"));
    assert_non_null(strstr(header("Authorization"), "/eu-west-1/sts/aws4_request"));
    assert_null(header("X-Amz-Security-Token"));
    assert_asked((const char *const[]){"Action=AssumeRole&", "role%2Fmid", NULL});
    close_chain();
    open_sts("logs"); /* one role from the other */
    get(&w);
    assert_string_equal(bed.key_id, "ROLE2");
    assert_non_null(strstr(header("Authorization"), "Credential=ROLE1/"));
    assert_string_equal(header("X-Amz-Security-Token"), "session-1");
    assert_asked((const char *const[]){"role%2Flogs", "&ExternalId=e%2F1", "&RoleSessionName=me%40host",
                                       "&DurationSeconds=900", NULL});
    get(&w);
    assert_int_equal(sts.asked, 2); /* an hour is long */
    close_chain();
}

static void a_profile_may_be_its_own_source(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CREDENTIALS, "[own]\naws_access_key_id = OWN\naws_secret_access_key = S\n");
    write_file(CONFIG, "[profile own]\nrole_arn = arn:x\nsource_profile = own\n");
    open_sts("own");
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1");
    assert_non_null(strstr(header("Authorization"), "Credential=OWN/"));
    close_chain();
}

static void a_role_is_assumed_from_other_sources(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CONFIG, "[profile env]\nrole_arn = arn:x\ncredential_source = Environment\n"
                       "[profile ecs]\nrole_arn = arn:x\ncredential_source = EcsContainer\n"
                       "[profile run]\nrole_arn = arn:x\nsource_profile = tool\n[profile tool]\ncredential_process = "
                       "printf '{\"Version\":1,\"AccessKeyId\":\"TOOL\",\"SecretAccessKey\":\"x\"}'\n");
    CHECK(setenv("AWS_ACCESS_KEY_ID", "ENV", 1) == 0 && setenv("AWS_SECRET_ACCESS_KEY", "S", 1) == 0);
    static const char *const names[][2] = {{"env", "Credential=ENV/"}, {"ecs", "Credential=CONTAINER/"},
                                           {"run", "Credential=TOOL/"}};
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        open_sts(names[i][0]);
        use_server("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/container");
        get(&w);
        if (strcmp(bed.key_id, "ROLE1") != 0)
            fail_msg("%s: %s", names[i][0], bed.why);
        assert_non_null(strstr(header("Authorization"), names[i][1]));
        close_chain();
    }
}

static void a_named_profile_comes_before_the_environment(void **state)
{
    struct aws_wait w;
    (void)state;
    CHECK(setenv("AWS_ACCESS_KEY_ID", "ENV", 1) == 0 && setenv("AWS_SECRET_ACCESS_KEY", "S", 1) == 0);
    open_sts("other");
    get(&w);
    assert_string_equal(bed.key_id, "O");
    close_chain();
    CHECK(setenv("AWS_PROFILE", "other", 1) == 0); /* the environment's own choice does not */
    open_sts(NULL);
    get(&w);
    assert_string_equal(bed.key_id, "ENV");
    close_chain();
}

/* Also of what expires is the last good one used until then, and the service is not asked again at once. */
static void while_they_cannot_be_renewed_the_old_ones_are_used(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CONFIG, "[profile logs]\nrole_arn = arn:aws:iam::2:role/logs\nsource_profile = other\n");
    open_sts("logs");
    bed.expires_in = 250;
    sts.refuse_from = 2;
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1");
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1");
    assert_int_equal(sts.asked, 2);
    get(&w);
    assert_int_equal(sts.asked, 2);
    aws_chain_forget(bed.chain); /* the service says that they are none */
    get(&w);
    assert_string_equal(bed.key_id, "");
    assert_string_equal(bed.why, "no AWS credentials: role arn:aws:iam::2:role/logs: AccessDenied: not authorized to "
                                 "perform sts:AssumeRole");
    close_chain();
}

/* Of a signature that it does not like, the service shows what should have been signed. */
static void a_session_token_that_it_repeats_is_not_shown(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CREDENTIALS, "[other]\naws_access_key_id=O\naws_secret_access_key=OS\n"
                            "aws_session_token=token-of-a-session\n");
    write_file(CONFIG, "[profile logs]\nrole_arn = arn:aws:iam::2:role/logs\nsource_profile = other\n");
    open_sts("logs");
    sts.repeats = true;
    get(&w);
    assert_string_equal(bed.why, "no AWS credentials: role arn:aws:iam::2:role/logs: Signature: not with ***");
    close_chain();
}

static void what_has_expired_is_not_used(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CONFIG, "[profile logs]\nrole_arn = arn:aws:iam::2:role/logs\nsource_profile = other\n");
    open_sts("logs");
    bed.expires_in = -1;
    sts.refuse_from = 2;
    get(&w);
    assert_string_equal(bed.key_id, "ROLE1"); /* its time may be wrong: the service that is sent to decides */
    get(&w);
    assert_string_equal(bed.key_id, "");
    close_chain();
}

static void what_cannot_work_is_refused_with_what_would(void **state)
{
    static const struct { const char *profile, *words; } cases[] = {
        {"sso", "credential_process = aws configure export-credentials --profile sso"},
        {"session", "single sign-on"},
        {"mfa", "mfa_serial"},
        {"alone", "none of source_profile, credential_source and web_identity_token_file"},
        {"empty-source", "source_profile 'nobody' has no credentials"},
        {"source", "credential_source 'Elsewhere' is not one of Environment, Ec2InstanceMetadata, EcsContainer"},
        {"env", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"},
        {"loop", "more than 5 roles"},
        {"nothing", "profile 'nothing' has none"},
    };
    (void)state;
    write_file(CONFIG, "[profile sso]\nsso_start_url = https://x\n[profile session]\nsso_session = s\n"
                       "[profile mfa]\nrole_arn = a\nsource_profile = other\nmfa_serial = m\n"
                       "[profile alone]\nrole_arn = a\n[profile empty-source]\nrole_arn = a\nsource_profile = nobody\n"
                       "[profile source]\nrole_arn = a\ncredential_source = Elsewhere\n"
                       "[profile env]\nrole_arn = a\ncredential_source = Environment\n"
                       "[profile loop]\nrole_arn = a\nsource_profile = pool\n"
                       "[profile pool]\nrole_arn = a\nsource_profile = loop\n");
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct aws_plan plan;
        struct err e = {0};
        assert_true(aws_plan_make(cases[i].profile, &plan, &e) < 0);
        if (!strstr(e.text, cases[i].words))
            fail_msg("%s: %s", cases[i].profile, e.text);
    }
}

static void a_token_service_that_is_none_is_refused(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CONFIG, "[profile logs]\nrole_arn = arn:x\nsource_profile = other\n");
    open_sts("logs");
    CHECK(setenv("AWS_ENDPOINT_URL_STS", "ftp://x", 1) == 0);
    get(&w);
    assert_non_null(strstr(bed.why, "AWS_ENDPOINT_URL_STS"));
    CHECK(setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1", 1) == 0);
    get(&w);
    assert_non_null(strstr(bed.why, "role arn:x: "));
    use_server("AWS_ENDPOINT_URL_STS", "/");
    w = (struct aws_wait){.got = on_got};
    aws_chain_get(bed.chain, &w); /* under way when all ends */
    aws_chain_cancel(bed.chain, &w);
    close_chain();
}

static void the_chain_takes_what_a_profile_runs(void **state)
{
    struct aws_wait w;
    (void)state;
    write_file(CONFIG, "[profile good]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"P\","
                       "\"SecretAccessKey\":\"s3cret\",\"SessionToken\":\"T\","
                       "\"Expiration\":\"2099-01-01T00:00:00Z\"}'\n"
                       "[profile old]\ncredential_process = printf '{\"AccessKeyId\":\"P\","
                       "\"SecretAccessKey\":\"s3cret\",\"Expiration\":\"2001-01-01T00:00:00Z\"}'\n"
                       "[profile words]\ncredential_process = echo s3cret\n[profile slow]\n"
                       "credential_process = tail -f /dev/null\n");
    open_sts("good");
    get(&w);
    assert_string_equal(bed.key_id, "P");
    assert_string_equal(bed.token, "T");
    close_chain();
    open_sts("old");
    get(&w);
    assert_non_null(strstr(bed.why, "have expired"));
    close_chain();
    open_sts("words");
    get(&w);
    assert_non_null(strstr(bed.why, "no JSON with AccessKeyId"));
    assert_null(strstr(bed.why, "s3cret"));
    close_chain();
    open_sts("slow");
    w = (struct aws_wait){.got = on_got};
    aws_chain_get(bed.chain, &w); /* runs when all ends */
    aws_chain_cancel(bed.chain, &w);
    close_chain();
    assert_int_equal(bed.got, 0);
}

static void the_token_service_is_that_of_the_region(void **state)
{
    char url[AWS_STS_ENDPOINT_MAX];
    (void)state;
    assert_int_equal(aws_sts_endpoint("eu-west-1", url, NULL), 0);
    assert_string_equal(url, "https://sts.eu-west-1.amazonaws.com/");
    assert_int_equal(aws_sts_endpoint("cn-north-1", url, NULL), 0);
    assert_string_equal(url, "https://sts.cn-north-1.amazonaws.com.cn/");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_web_identity_is_changed_for_its_role, aws_set_up),
        cmocka_unit_test_setup(a_role_is_assumed_with_the_keys_of_its_source, aws_set_up),
        cmocka_unit_test_setup(a_profile_may_be_its_own_source, aws_set_up),
        cmocka_unit_test_setup(a_role_is_assumed_from_other_sources, aws_set_up),
        cmocka_unit_test_setup(a_named_profile_comes_before_the_environment, aws_set_up),
        cmocka_unit_test_setup(while_they_cannot_be_renewed_the_old_ones_are_used, aws_set_up),
        cmocka_unit_test_setup(what_has_expired_is_not_used, aws_set_up),
        cmocka_unit_test_setup(a_session_token_that_it_repeats_is_not_shown, aws_set_up),
        cmocka_unit_test_setup(what_cannot_work_is_refused_with_what_would, aws_set_up),
        cmocka_unit_test_setup(the_chain_takes_what_a_profile_runs, aws_set_up),
        cmocka_unit_test_setup(the_token_service_is_that_of_the_region, aws_set_up),
        cmocka_unit_test_setup(a_token_service_that_is_none_is_refused, aws_set_up),
    };
    return run_aws_tests("aws-roles", tests, ARRAY_COUNT(tests));
}
