/* A sink over HTTP in front of a server of the test's own: what it was sent last, and entries to send. */
#ifndef TESTS_UNIT_HTTP_SINK_FIXTURE_H
#define TESTS_UNIT_HTTP_SINK_FIXTURE_H

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "tests/common/http_server.h"
#include "tests/common/remote_run.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BASE_NS INT64_C(1795250224000000000)

/* Of the last request. */
static struct {
    char head[8192], body[4 << 20]; /* each with a NUL behind */
    size_t body_len;
    unsigned requests;
} seen;

static struct http_server *server;
static struct remote_run run;
static struct entry_head *entry[16];

static inline void note(const struct http_server_request *q)
{
    (void)snprintf(seen.head, sizeof seen.head, "%s", q->head);
    CHECK(q->body_len < sizeof seen.body);
    memcpy(seen.body, q->body, q->body_len + 1);
    seen.body_len = q->body_len;
    seen.requests++;
}

/* Starts the server and returns its port. */
static inline unsigned start_server(http_server_fn *answer)
{
    memset(&seen, 0, sizeof seen);
    server = http_server_start(answer, NULL, NULL);
    return http_server_port(server);
}

static inline void open_sink(const char *uri)
{
    struct err e = {0};
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
}

static inline const struct sink_result *send_all(uint32_t count, uint32_t attempt)
{
    const struct remote_run_request *q = remote_run_send(&run, entry, count, attempt);
    remote_run_wait(&run);
    return &q->result;
}

static inline void forget(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(entry); i++) {
        free(entry[i]);
        entry[i] = NULL;
    }
    remote_run_forget(&run);
}

static inline void end(void)
{
    forget();
    remote_run_close(&run);
    http_server_stop(server);
}

/* With these words in the message, and nothing secret: secrets of tests have "hidden" in them. */
static inline void assert_refused(const char *uri, const char *words)
{
    struct err e = {0};
    struct sink *s = NULL;
    assert_int_not_equal(sink_new(uri, "test", &s, &e), 0);
    if (!strstr(e.text, words) || strstr(e.text, "hidden"))
        fail_msg("%s: %s", uri, e.text);
}

/* Of the last request; NULL: not there. */
static inline const char *header(const char *name)
{
    return http_server_header(&(struct http_server_request){.head = seen.head}, name);
}

static inline json_t *body(void)
{
    json_error_t e;
    json_t *j = json_loadb(seen.body, seen.body_len, JSON_DECODE_ANY, &e);
    if (!j)
        fail_msg("%s: %s", e.text, seen.body);
    return j;
}

#endif
