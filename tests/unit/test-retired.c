/* The counters of sinks that are closed while the collector runs. */
#include "collector/delivery/retired.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct retired list;

static int begin(void **state)
{
    (void)state;
    list = (struct retired){ 0 };
    return 0;
}

static void add(const char *name, bool is_remote, uint64_t delivered, uint64_t dropped)
{
    const struct remote_stats s = { .taken = delivered + dropped + 7 + 8, .delivered = delivered,
                                    .dropped_full = dropped, .queued_records = 7, .spooled_records = 8, .requests = 1 };
    retired_add(&list, name, is_remote, &s);
}

static void a_successor_has_what_all_before_it_counted(void **state)
{
    struct remote_stats s;
    (void)state;
    add("web", true, 10, 3);
    add("web", true, 20, 0);
    add("web", false, 100, 0); /* a file of that name is another matter */
    retired_take(&list, "web", true, &s);
    assert_int_equal(s.delivered, 30);
    assert_int_equal(s.taken, 33); /* whoever finds the rest counts it */
    assert_int_equal(s.queued_records + s.spooled_records, 0);
    assert_int_equal(retired_given_up(&s), 3);
    retired_take(&list, "web", true, &s);
    assert_int_equal(s.taken, 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.sink[0].stats.delivered, 100);
}

static void who_did_nothing_leaves_nothing(void **state)
{
    const struct remote_stats s = { .taken = 5, .spooled_records = 5 };
    (void)state;
    retired_add(&list, "web", true, &s);
    assert_int_equal(list.count, 0);
}

static void where_there_is_no_room_for_a_name_the_sum_is_kept(void **state)
{
    uint64_t sum = 0;
    (void)state;
    for (unsigned i = 0; i < RETIRED_MAX + 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "sink-%u", i);
        add(name, true, i, 0);
    }
    assert_int_equal(list.count, RETIRED_MAX);
    assert_string_equal(list.sink[RETIRED_MAX - 2].name, "sink-30");
    assert_string_equal(list.sink[RETIRED_MAX - 1].name, "(others)");
    for (unsigned i = 0; i < list.count; i++)
        sum += list.sink[i].stats.delivered;
    assert_int_equal(sum, (RETIRED_MAX + 4) * (RETIRED_MAX + 5) / 2);
    add("sink-0", true, 1, 0); /* one that is there has its place */
    assert_int_equal(list.sink[0].stats.delivered, 1);
}

#define T(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_successor_has_what_all_before_it_counted),
        T(who_did_nothing_leaves_nothing),
        T(where_there_is_no_room_for_a_name_the_sum_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
