/* The postgresql sink where there is no server: what it hands to libpq, and what it does not. */
#include "lib/base/check.h"
#include "tests/common/remote_run.h"

#include <libpq-fe.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct remote_run run;
static bool has_digits;
static unsigned connects;
static char host[64], address[64];

int __wrap_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);
int __real_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int);
PGconn *__wrap_PQconnectStartParams(const char *const *, const char *const *, int);

int __wrap_getnameinfo(const struct sockaddr *a, socklen_t len, char *name, socklen_t name_len, char *service,
                       socklen_t service_len, int flags)
{
    return has_digits ? __real_getnameinfo(a, len, name, name_len, service, service_len, flags) : EAI_FAMILY;
}

PGconn *__wrap_PQconnectStartParams(const char *const *keys, const char *const *values, int expand)
{
    (void)expand;
    connects++;
    for (unsigned i = 0; keys[i]; i++) {
        if (!strcmp(keys[i], "host"))
            (void)snprintf(host, sizeof host, "%s", values[i]);
        if (!strcmp(keys[i], "hostaddr"))
            (void)snprintf(address, sizeof address, "%s", values[i] ? values[i] : "none");
    }
    return NULL;
}

static struct sink_result send_one(const char *uri)
{
    struct err e = { 0 };
    connects = 0;
    if (remote_run_open(&run, uri, &e) < 0)
        fail_msg("%s", e.text);
    struct entry_head *const entry = remote_run_entry(&run, 1, 1000, 10);
    struct remote_run_request *const q = remote_run_send(&run, &entry, 1, 1);
    remote_run_wait(&run);
    const struct sink_result result = q->result;
    remote_run_close(&run);
    free(entry);
    return result;
}

static void a_name_is_handed_over_with_its_address(void **state)
{
    (void)state;
    has_digits = true;
    assert_int_equal(send_one("postgresql://user@127.0.0.1:1/db").outcome, SINK_RETRY);
    assert_int_equal(connects, 1);
    assert_string_equal(host, "127.0.0.1");
    assert_string_equal(address, "127.0.0.1");
}

/* It would look the name up itself, and the collector would stand still meanwhile. */
static void a_name_without_an_address_is_not_handed_over(void **state)
{
    (void)state;
    has_digits = false;
    const struct sink_result result = send_one("postgresql://user@127.0.0.1:1/db");
    assert_int_equal(result.outcome, SINK_RETRY);
    assert_string_equal(result.reason, "none of its addresses can be written in digits");
    assert_int_equal(connects, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_handed_over_with_its_address),
        cmocka_unit_test(a_name_without_an_address_is_not_handed_over),
    };
    return cmocka_run_group_tests_name("sink-postgres", tests, NULL, NULL);
}
