/* The counters of sinks that are closed while the collector runs. */
#include "collector/delivery/given_up.h"
#include "collector/delivery/retired.h"
#include "collector/ingest/segments.h"

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

/* The books, messages and metrics must not tell different things of one loss. */
static void every_reason_of_a_loss_counts_and_has_the_same_words_everywhere(void **state)
{
    const struct remote_stats s = { .dropped_full = 1, .dropped_spool_size = 2, .dropped_spool_age = 4,
                                    .dropped_corrupt = 8, .dropped_refused = 16, .dead = 32 };
    struct loss_count now[LOSSES_OF_SINK], later[LOSSES_OF_SINK];
    struct ledger_sink page = { .taken = 0 };
    (void)state;
    ledger_sink_fill(&page, "web", &s);
    given_up_of(&s, now);
    given_up_of_ledger(&page, later);
    for (unsigned i = 0; i < LOSSES_OF_SINK; i++) {
        assert_int_equal(now[i].n, 1u << i);
        assert_int_equal(later[i].n, now[i].n);
        assert_string_equal(later[i].text, now[i].text);
        assert_string_equal(later[i].label, now[i].label);
    }
    assert_int_equal(given_up_sum(&s), 31);
    assert_int_equal(given_up_sum_of_ledger(&page), 31);
}

static void what_services_lose_has_a_word_for_each_counter(void **state)
{
    const struct segments_stats s = { .dropped = 1, .orphaned = 2, .unregistered = 4, .lost = 8, .truncated = 16 };
    struct loss_count why[LOSSES_OF_SERVICES];
    (void)state;
    losses_of_services(&s, why);
    assert_int_equal(losses_sum(why, LOSSES_OF_SERVICES), 15);
    assert_string_equal(why[0].text, "lane full");
    assert_string_equal(why[3].label, "overwritten");
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
    assert_int_equal(given_up_sum(&s), 3);
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
        T(every_reason_of_a_loss_counts_and_has_the_same_words_everywhere),
        T(what_services_lose_has_a_word_for_each_counter),
        T(a_successor_has_what_all_before_it_counted),
        T(who_did_nothing_leaves_nothing),
        T(where_there_is_no_room_for_a_name_the_sum_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
