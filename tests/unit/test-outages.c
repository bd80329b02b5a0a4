/* What the collector's log says of sinks that fail, and of losses: a few lines, at the right moments. */
#include "collector/daemon/outages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct outages outages;
static struct outage_facts facts;
static char said[1 << 14];
static uint64_t now;

static void on_say(void *arg, uint8_t level, const char *text)
{
    const size_t n = strlen(said);
    (void)arg;
    const char *name = level == FAPILOG_LEVEL_ERROR ? "error" : level == FAPILOG_LEVEL_WARNING ? "warning" : "info";
    (void)snprintf(said + n, sizeof said - n, "%s: %s|", name, text);
}

static int set_up(void **state)
{
    (void)state;
    outages = (struct outages){ .say = on_say };
    facts = (struct outage_facts){
        .name = "logs", .reason = "HTTP 503", .waits = "its records wait", .given_up_why = "so far: spool full 7",
        .dead_dir = "/s/dead/logs",
    };
    said[0] = '\0';
    now = 1000 * NS_PER_S;
    return 0;
}

/* Looks each second up to the time; what it says then. */
static const char *until(uint64_t seconds)
{
    said[0] = '\0';
    for (; now < (1000 + seconds) * NS_PER_S; now += NS_PER_S)
        outages_look(&outages, now, &facts);
    return said;
}

static void a_failure_that_is_over_soon_says_nothing(void **state)
{
    (void)state;
    facts.is_failing = true;
    assert_string_equal(until(2), "");
    facts.is_failing = false;
    assert_string_equal(until(10), "");
}

static void an_outage_is_told_when_it_begins_and_when_it_is_over(void **state)
{
    (void)state;
    facts.is_failing = true;
    assert_string_equal(until(30), "warning: sink logs: does not work: HTTP 503; its records wait|");
    facts.is_failing = false;
    assert_string_equal(until(40), "info: sink logs: works again after 30s|");
}

static void while_it_lasts_it_is_told_ever_less_often(void **state)
{
    (void)state;
    facts.is_failing = true;
    facts.waiting = 12;
    facts.spooled = 10;
    facts.spooled_bytes = 1 << 20;
    facts.spool_max_bytes = 4 << 20;
    (void)until(60);
    assert_string_equal(until(100), "warning: sink logs: has not worked for 1m2s: HTTP 503; 12 records wait, 1.0 MB of "
                                    "4.0 MB in its spool|");
    unsigned lines = 0;
    for (const char *p = until(8 * 3600); (p = strchr(p, '|')) != NULL; p++)
        lines++;
    assert_true(lines >= 9 && lines <= 14); /* 3, 7, 15, 31, 63 minutes, and one an hour */
}

/* Where they are is told as it is: of what still fits into memory the spool holds nothing. */
static void records_that_come_to_the_spool_during_an_outage_are_told_once(void **state)
{
    (void)state;
    facts.is_failing = true;
    facts.waits = "its records wait in memory";
    facts.waiting = 5;
    assert_string_equal(until(30), "warning: sink logs: does not work: HTTP 503; its records wait in memory|");
    facts.waits = "its records wait in its spool";
    facts.spooled = 9;
    assert_string_equal(until(40), "warning: sink logs: its records wait in its spool|");
    facts.spooled = 0;
    (void)until(50);
    facts.spooled = 9;
    assert_string_equal(until(60), "");
    facts.is_failing = false;
    (void)until(70);
    facts.is_failing = true; /* the next outage begins with it */
    assert_string_equal(until(120), "warning: sink logs: does not work: HTTP 503; its records wait in its spool|");
}

static void what_lies_in_the_spool_is_told_until_it_is_empty(void **state)
{
    (void)state;
    facts.is_failing = true;
    (void)until(10);
    facts.is_failing = false;
    facts.waiting = facts.spooled = 5000;
    facts.spooled_bytes = 3 << 19;
    assert_string_equal(until(20), "info: sink logs: works again after 10s; 5000 records wait, 1.5 MB in its spool|");
    facts.spooled = 0;
    assert_string_equal(until(30), "info: sink logs: has caught up in 10s; its spool is empty|");
}

static void a_local_sink_tells_the_beginning_and_the_end_itself(void **state)
{
    (void)state;
    facts.is_failing = facts.is_told = true;
    assert_string_equal(until(60), "");
    assert_string_equal(until(70), "warning: sink logs: has not worked for 1m0s: HTTP 503; its records wait|");
    facts.is_failing = false;
    assert_string_equal(until(80), "");
}

static void losses_are_told_at_once_and_then_each_minute_with_their_number(void **state)
{
    (void)state;
    facts.given_up = 3;
    facts.dead = 2;
    assert_string_equal(until(1), "error: sink logs: 3 records given up; so far: spool full 7|"
                                  "warning: sink logs: 2 records refused for good; fapilog-dump /s/dead/logs says why, "
                                  "--replay sends them again|");
    facts.given_up = 7;
    assert_string_equal(until(60), "");
    assert_string_equal(until(70), "error: sink logs: 4 records given up in the last 1m0s; so far: spool full 7|");
    assert_string_equal(until(300), "");
    facts.given_up = 1; /* a sink that was opened anew counts from zero */
    assert_string_equal(until(310), "error: sink logs: 1 records given up in the last 4m0s; so far: spool full 7|");
}

static void what_services_lose_is_told_likewise(void **state)
{
    (void)state;
    outages_services(&outages, now, 0, "lane full 0");
    assert_string_equal(said, "");
    outages_services(&outages, now, 9, "so far: lane full 9");
    outages_services(&outages, now + 59 * NS_PER_S, 11, "so far: lane full 11");
    assert_string_equal(said, "warning: services: 9 records lost; so far: lane full 9; fapilog-dump --stats says "
                              "whose|");
    said[0] = '\0';
    outages_services(&outages, now + 60 * NS_PER_S, 12, "so far: lane full 12");
    assert_string_equal(said, "warning: services: 3 records lost in the last 1m0s; so far: lane full 12; fapilog-dump "
                              "--stats says whose|");
}

static void a_sink_that_was_not_there_for_a_while_begins_anew(void **state)
{
    (void)state;
    facts.is_failing = true;
    (void)until(30);
    now += 600 * NS_PER_S;
    said[0] = '\0';
    outages_look(&outages, now, &facts);
    assert_string_equal(said, "");
    now += OUTAGE_PATIENCE_NS;
    outages_look(&outages, now, &facts);
    assert_string_equal(said, "warning: sink logs: does not work: HTTP 503; its records wait|");
}

static void names_that_reloads_bring_do_not_pile_up(void **state)
{
    (void)state;
    char name[16];
    facts.is_failing = true;
    for (unsigned i = 0; i < 3 * FAPILOG_SINKS_MAX; i++) {
        (void)snprintf(name, sizeof name, "s%u", i);
        facts.name = name;
        outages_look(&outages, now, &facts);
    }
    assert_true(outages.count == FAPILOG_SINKS_MAX);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, set_up)
    const struct CMUnitTest tests[] = {
        T(a_failure_that_is_over_soon_says_nothing),
        T(an_outage_is_told_when_it_begins_and_when_it_is_over),
        T(while_it_lasts_it_is_told_ever_less_often),
        T(records_that_come_to_the_spool_during_an_outage_are_told_once),
        T(what_lies_in_the_spool_is_told_until_it_is_empty),
        T(a_local_sink_tells_the_beginning_and_the_end_itself),
        T(losses_are_told_at_once_and_then_each_minute_with_their_number),
        T(what_services_lose_is_told_likewise),
        T(a_sink_that_was_not_there_for_a_while_begins_anew),
        T(names_that_reloads_bring_do_not_pile_up),
    };
    return cmocka_run_group_tests_name("outages", tests, NULL, NULL);
}
