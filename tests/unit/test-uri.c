#include "lib/base/check.h"
#include "lib/base/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_path_with_parameters_is_split(void **state)
{
    (void)state;
    auto_uri u = {0};
    assert_int_equal(uri_parse("file:///a/b?x=1&y=a%20b", &u, NULL), 0);
    assert_string_equal(u.scheme, "file");
    assert_string_equal(u.host, "");
    assert_null(u.user);
    assert_int_equal(u.port, 0);
    assert_string_equal(u.path, "/a/b");
    assert_int_equal(u.params_count, 2);
    assert_string_equal(u.params[0].key, "x");
    assert_string_equal(u.params[0].value, "1");
    assert_string_equal(u.params[1].value, "a b");
}

static void short_forms_need_no_slashes(void **state)
{
    (void)state;
    static const struct { const char *text, *scheme, *path; unsigned params; } cases[] = {
        {"console:", "console", "", 0},          {"console:?mode=json", "console", "", 1},
        {"file:relative", "file", "relative", 0}, {"file:./a/b.log?x=1&&", "file", "./a/b.log", 1},
        {"FILE:/abs", "file", "/abs", 0},        {"syslog+unix:///dev/log", "syslog+unix", "/dev/log", 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        auto_uri u = {0};
        assert_int_equal(uri_parse(cases[i].text, &u, NULL), 0);
        assert_string_equal(u.scheme, cases[i].scheme);
        assert_string_equal(u.path, cases[i].path);
        assert_int_equal(u.params_count, cases[i].params);
    }
}

static void network_forms_give_user_host_and_port(void **state)
{
    (void)state;
    auto_uri u = {0};
    assert_int_equal(uri_parse("postgresql://us%40er:p%3Aw@db.local:5432/logs?table=t#top", &u, NULL), 0);
    assert_string_equal(u.user, "us@er");
    assert_string_equal(u.password, "p:w");
    assert_string_equal(u.host, "db.local");
    assert_int_equal(u.port, 5432);
    assert_string_equal(u.path, "/logs");
    assert_string_equal(u.fragment, "top");
    uri_done(&u);
    assert_int_equal(uri_parse("otlp://[::1]:4317", &u, NULL), 0);
    assert_string_equal(u.host, "::1");
    assert_int_equal(u.port, 4317);
    assert_string_equal(u.path, "");
    uri_done(&u);
    assert_int_equal(uri_parse("kafka://b1:9092,b2:9092/topic", &u, NULL), 0);
    assert_string_equal(u.host, "b1:9092,b2:9092");
    assert_int_equal(u.port, 0);
    assert_string_equal(u.path, "/topic");
}

static void plus_and_encoded_separators_stay_text(void **state)
{
    (void)state;
    auto_uri u = {0};
    assert_int_equal(uri_parse("loki://h/p%3Fq?labels=app=a+b,env%3Dx%26y", &u, NULL), 0);
    assert_string_equal(u.path, "/p?q");
    assert_int_equal(u.params_count, 1);
    assert_string_equal(u.params[0].value, "app=a+b,env=x&y");
}

static void errors_name_the_part(void **state)
{
    (void)state;
    static const struct { const char *text, *part; } cases[] = {
        {"", "scheme"}, {"/var/log/x", "scheme"}, {"1file:x", "scheme"}, {"file", "scheme"}, {"fi le:x", "scheme"},
        {"file:/a%zz", "path"}, {"file:/a%0", "path"}, {"file:/a%00b", "path"}, {"file:/a?x=%q1", "x"},
        {"file:/a?x", "query"}, {"file:/a?=1", "query"}, {"http://h:0/", "port"}, {"http://h:65536/", "port"},
        {"http://h:8x/", "port"}, {"http://h:-1/", "port"}, {"http://[::1/", "host"}, {"http://[::1]x/", "host"},
        {"http://%g@h/", "user"}, {"http://u:%g@h/", "password"}, {"file:/a\nb", "control"}, {"f:#%1", "fragment"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct uri u = {0};
        struct err e;
        assert_int_equal(uri_parse(cases[i].text, &u, &e), -EINVAL);
        assert_non_null(strstr(e.text, cases[i].part));
        assert_null(u.text_);
    }
}

/* Characters that end the authority stand in passwords too; what is left of one is then in the wrong place. */
static void no_message_shows_a_part_of_a_password(void **state)
{
    (void)state;
    static const char *const uris[] = {
        "postgresql://app:hunter2/x@db/logs", "postgresql://app:hunter2?x@db/logs",
        "postgresql://app:hunter2#x@db/logs", "postgresql://app:77777/hunter2@db", "http://app:1?hunter2@h/",
        "http://app:1?hunter2&a=b@h/", "://app:hunter2@h",
        "//app:hunter2@h/", "http://app:hunter2%zz@h/", "http://app:hunter2@h:x/"};
    for (size_t i = 0; i < ARRAY_COUNT(uris); i++) {
        struct uri u = {0};
        struct err e = {0};
        if (uri_parse(uris[i], &u, &e) == 0) { /* as http://app:1/... */
            uri_done(&u);
            continue;
        }
        if (strstr(e.text, "hunter2") || strstr(e.text, "77777"))
            fail_msg("%s: %s", uris[i], e.text);
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    static char text[URI_BYTES_MAX + 2];
    struct uri u = {0};
    struct err e;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "file:", 5);
    assert_int_equal(uri_parse(text, &u, &e), -E2BIG);
    memset(text, '&', sizeof text - 1);
    memcpy(text, "file:?", 6);
    text[200] = '\0';
    assert_int_equal(uri_parse(text, &u, &e), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_with_parameters_is_split),
        cmocka_unit_test(short_forms_need_no_slashes),
        cmocka_unit_test(network_forms_give_user_host_and_port),
        cmocka_unit_test(plus_and_encoded_separators_stay_text),
        cmocka_unit_test(errors_name_the_part),
        cmocka_unit_test(no_message_shows_a_part_of_a_password),
        cmocka_unit_test(lengths_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
