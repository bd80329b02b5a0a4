/* A home without AWS's files but for two of our own, a chain on an io, and a server that the chain may ask. */
#ifndef TESTS_UNIT_AWS_FIXTURE_H
#define TESTS_UNIT_AWS_FIXTURE_H

#include "collector/net/aws.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/http_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { CREDENTIALS, CONFIG };

static char dir[] = "/tmp/fapilog-aws-XXXXXX", path[2][64];

static void write_file(unsigned i, const char *text)
{
    FILE *out = fopen(path[i], "we");
    CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME", "AWS_ENDPOINT_URL_STS"};

static int aws_set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(variables); i++)
        CHECK(unsetenv(variables[i]) == 0);
    write_file(0, "[default]\naws_access_key_id = D\naws_secret_access_key = DS\n# comment = x\n"
                  "[other]\naws_access_key_id=O\naws_secret_access_key=OS\naws_session_token=OT\n[half]\n"
                  "aws_access_key_id = H\n");
    write_file(1, "[default]\nregion = eu-north-1\n[profile conf]\naws_access_key_id = C\n"
                  "aws_secret_access_key = CS\nregion = sa-east-1\n");
    return setenv("AWS_EC2_METADATA_DISABLED", "true", 1); /* never that of the machine */
}

static struct {
    struct io *io;
    struct http *http;
    struct http_server *server;
    struct aws_chain *chain;
    unsigned got;
    char key_id[64], token[64], why[400];
    long expires_in;
    unsigned asked;
} bed;

static void on_got(struct aws_wait *w, const struct aws_credentials *c, const char *why)
{
    (void)w;
    bed.got++;
    (void)snprintf(bed.key_id, sizeof bed.key_id, "%s", c ? c->key_id : "");
    (void)snprintf(bed.token, sizeof bed.token, "%s", c && c->token ? c->token : "");
    (void)snprintf(bed.why, sizeof bed.why, "%s", why);
}

static void answer_json(struct buf *answer, const char *key_id)
{
    char body[400], when[40];
    const time_t t = time(NULL) + bed.expires_in;
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    (void)snprintf(body, sizeof body, "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"S\","
                   "\"Token\":\"T\",\"Expiration\":\"%s\"}", key_id, when);
    http_server_respond(answer, 200, "", body);
}

static void open_chain(http_server_fn *serve, const char *profile)
{
    memset(&bed, 0, sizeof bed);
    bed.expires_in = 3600;
    CHECK(io_new(&(struct io_config){.kind = IO_PLAIN}, &bed.io, NULL) == 0);
    CHECK(http_get(bed.io, &bed.http, NULL) == 0);
    bed.server = http_server_start(serve, NULL, NULL);
    const struct aws_chain_config config = {.io = bed.io, .http = bed.http, .profile = profile, .region = "eu-west-1"};
    CHECK(aws_chain_new(&config, &bed.chain, NULL) == 0);
}

static void use_server(const char *variable, const char *rest)
{
    char url[100];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(bed.server), rest);
    CHECK(setenv(variable, url, 1) == 0);
}

static void get(struct aws_wait *w)
{
    const unsigned before = bed.got;
    const uint64_t until = clock_mono_ns() + 20 * NS_PER_S;
    *w = (struct aws_wait){.got = on_got};
    aws_chain_get(bed.chain, w);
    while (bed.got == before && clock_mono_ns() < until)
        CHECK(io_turn(bed.io, until) >= 0);
    assert_int_equal(bed.got, before + 1);
}

static void close_chain(void)
{
    aws_chain_free(bed.chain);
    io_free(bed.io);
    http_server_stop(bed.server);
}

static int run_aws_tests(const char *name, const struct CMUnitTest *tests, size_t count)
{
    CHECK(mkdtemp(dir));
    for (unsigned i = 0; i < 2; i++)
        (void)snprintf(path[i], sizeof path[i], "%s/%s", dir, i ? "config" : "credentials");
    CHECK(setenv("AWS_SHARED_CREDENTIALS_FILE", path[0], 1) == 0 && setenv("AWS_CONFIG_FILE", path[1], 1) == 0);
    const int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    for (unsigned i = 0; i < 2; i++)
        (void)unlink(path[i]);
    (void)rmdir(dir);
    return failed;
}

#endif
