/* Messages of the collector for people: the same once in a window, a component so many a second. */
#include "collector/daemon/message_limit.h"
#include "lib/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct message_limit *limit;
static char said[1 << 16];
static uint64_t now;

static void on_say(void *arg, const char *text)
{
    const size_t n = strlen(said);
    (void)arg;
    (void)snprintf(said + n, sizeof said - n, "%s|", text);
}

static int set_up(void **state)
{
    (void)state;
    limit = calloc(1, sizeof *limit);
    CHECK(limit != NULL);
    limit->say = on_say;
    said[0] = '\0';
    now = 1000 * NS_PER_S;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(limit);
    return 0;
}

static void say(const char *text)
{
    message_limit_say(limit, now, text);
}

static void saying(unsigned number)
{
    char text[40];
    (void)snprintf(text, sizeof text, "sink a: %u", number);
    say(text);
}

static void C_50_the_same_message_is_said_once_in_a_window(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++, now += NS_PER_S)
        say("sink a: full");
    assert_string_equal(said, "sink a: full|");
    assert_true(message_limit_deadline(limit) == 1000 * NS_PER_S + MESSAGE_LIMIT_WINDOW_NS);
    now = 1000 * NS_PER_S + MESSAGE_LIMIT_WINDOW_NS - 1;
    message_limit_run(limit, now);
    assert_string_equal(said, "sink a: full|");
    message_limit_run(limit, ++now);
    assert_string_equal(said, "sink a: full|sink a: full (3 times more)|");
    assert_true(message_limit_deadline(limit) == UINT64_MAX);
    say("sink a: full");
    assert_string_equal(said, "sink a: full|sink a: full (3 times more)|sink a: full|");
}

static void C_61_a_component_says_five_at_once_and_five_a_second(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++)
        saying(i);
    say("sink b: not that one");
    assert_string_equal(said, "sink a: 0|sink a: 1|sink a: 2|sink a: 3|sink a: 4|sink b: not that one|");
    said[0] = '\0';
    assert_true(message_limit_deadline(limit) == now + NS_PER_S / 5);
    now += NS_PER_S / 5 - 1;
    message_limit_run(limit, now);
    assert_string_equal(said, "");
    message_limit_run(limit, ++now);
    assert_string_equal(said, "sink a: 3 more messages left out|");
    said[0] = '\0';
    now += NS_PER_S;
    for (unsigned i = 10; i < 20; i++)
        saying(i);
    assert_string_equal(said, "sink a: 10|sink a: 11|sink a: 12|sink a: 13|sink a: 14|");
}

static void a_component_is_what_stands_in_front_of_the_colon(void **state)
{
    (void)state;
    char text[80];
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(text, sizeof text, "FAPILOG_X%u has no effect", i);
        say(text);
    }
    assert_null(strstr(said, "left out"));
    assert_non_null(strstr(said, "FAPILOG_X9"));
}

static void at_the_end_every_count_is_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 7; i++)
        saying(i);
    saying(0);
    said[0] = '\0';
    message_limit_run(limit, UINT64_MAX);
    assert_string_equal(said, "sink a: 0 (1 times more)|sink a: 2 more messages left out|");
}

static void what_is_forgotten_has_been_counted(void **state)
{
    (void)state;
    char text[40];
    say("x: first");
    say("x: first");
    for (unsigned i = 0; i < 2 * MESSAGE_LIMIT_TEXTS; i++) {
        (void)snprintf(text, sizeof text, "c%u: text", i);
        say(text);
    }
    assert_non_null(strstr(said, "x: first (1 times more)|"));
    assert_true(limit->texts == MESSAGE_LIMIT_TEXTS && limit->components == MESSAGE_LIMIT_COMPONENTS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(C_50_the_same_message_is_said_once_in_a_window),
        T(C_61_a_component_says_five_at_once_and_five_a_second),
        T(a_component_is_what_stands_in_front_of_the_colon),
        T(at_the_end_every_count_is_told),
        T(what_is_forgotten_has_been_counted),
    };
    return cmocka_run_group_tests_name("message-limit", tests, NULL, NULL);
}
