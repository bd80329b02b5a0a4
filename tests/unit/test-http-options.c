/* What the sinks over HTTP do not take is refused by the name of its option, and limits are what is written there. What
 * contradicts itself: test-sink-http.c, test-sink-loki.c, test-sink-otlp.c. */
#include "lib/base/err.h"
#include "tests/common/sink_new.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 20000 };

static void assert_refused(const char *uri, int error, const char *words)
{
    struct err e = {0};
    struct sink *s = NULL;
    const int r = sink_new(uri, "test", &s, &e);
    if (r == 0)
        sink_free(s);
    if (r != error || !strstr(e.text, words))
        fail_msg("%s: %d (%s), not %d (%s)", uri, r, e.text, error, words);
    if (strstr(e.text, "hidden"))
        fail_msg("%s", e.text);
}

static void assert_taken(const char *uri)
{
    struct err e = {0};
    struct sink *s = NULL;
    if (sink_new(uri, "test", &s, &e) < 0)
        fail_msg("%.200s: %s", uri, e.text);
    sink_free(s);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    static const struct { const char *uri, *words; } rows[] = {
        {"http:///in", "URI host: missing; write http://HOST/PATH or give endpoint"},
        {"http://h/in#x", "URI fragment: '#x' has no meaning here"},
        {"http:?endpoint=me:hidden", "endpoint: 'me...' does not begin with http:// or https://"},
        {"http:?endpoint=http://h/a%20b", "endpoint: spaces and control characters must be written as %20"},
        {"http:?endpoint=http://h/a%0ab", "endpoint: spaces and control characters must be written as %20"},
        {"http:?endpoint=http://me:hid%2525den@h:x/", "endpoint: what stands before '@' cannot be read; use user and "
         "password"},
        {"http://h/?user=me:x&password=hidden", "user: basic authentication has no place for a ':'"},
        {"http://h/?token=hidden%0a", "token: has a control character"},
        {"http://h/?user_agent=a%7fb", "user_agent: has a control character"},
        {"http://h/?headers=a=1%0a2", "headers: the value of 'a' has a control character"},
        {"http://h/?id_header=a:b", "id_header: 'a:b' is no name of a header"},
        {"webhook+http://h/?signature_mode=header&secret=hid%0aden", "secret: a line end cannot be sent in a header"},
        {"webhook+http://h/?format=logfmt", "format: 'logfmt' is no JSON in lines"},
        {"loki://h/?tenant_id=a%0ab", "tenant_id: longer than 150 bytes, or with a line end"},
        {"loki://h/?labels=a=", "labels: 'a' has no value"},
        {"loki://h/?label_keys=a.b,a_b", "label_keys: 'a_b' becomes 'a_b', which is there already"},
        {"otlp://h:4317/?endpoint=http://h%3fa", "endpoint: '?' and '#' have no meaning with protocol=grpc"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i].uri, -EINVAL, rows[i].words);
}

/* As many, or as long, and then one more. */
static const char *repeated(const char *head, const char *each, unsigned count)
{
    static char text[TEXT_MAX];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", head);
    for (unsigned i = 0; i < count; i++) /* "%u" in it is its number, or nothing is */
        used += (size_t)snprintf(text + used, sizeof text - used, each, i);
    assert_true(used < sizeof text);
    return text;
}

static void limits_are_taken_and_one_more_is_refused_by_name(void **state)
{
    static const struct { const char *head, *each; unsigned most; int error; const char *words; } rows[] = {
        {"http://h/?headers=", "h%u=1,", 16, -E2BIG, "headers: 17 are more than 16"},
        {"http://h/?id_header=", "a", 100, -EINVAL, "id_header: "},
        {"loki://h/?tenant_id=", "t", 150, -EINVAL, "tenant_id: longer than 150 bytes"},
        {"loki://h/?label_keys=a&labels=", "l%u=1,", 63, -E2BIG, "labels: 65 with label_keys, allowed are 64"},
        {"loki://h/?label_keys=a&structured_metadata=", "m%u,", 16, -E2BIG, "structured_metadata: 17 keys, allowed"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_taken(repeated(rows[i].head, rows[i].each, rows[i].most));
        assert_refused(repeated(rows[i].head, rows[i].each, rows[i].most + 1), rows[i].error, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(limits_are_taken_and_one_more_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("http-options", tests, NULL, NULL);
}
