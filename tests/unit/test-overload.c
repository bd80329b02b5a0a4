/* How full a remote sink counts. */
#include "collector/daemon/overload.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct sink_delivery limits(enum sink_on_full on_full)
{
    return (struct sink_delivery){ .on_full = on_full, .queue_records = 100, .queue_bytes = 1000,
                                   .spool_max_bytes = 10000 };
}

static void a_queue_counts_by_what_it_runs_out_of_first(void **state)
{
    (void)state;
    for (enum sink_on_full on_full = SINK_FULL_DROP_OLDEST; on_full <= SINK_FULL_BLOCK; on_full++) {
        const struct sink_delivery cfg = limits(on_full);
        const struct remote_stats records = { .queued_records = 25, .queued_bytes = 100 };
        const struct remote_stats bytes = { .queued_records = 25, .queued_bytes = 500 };
        assert_true(overload_sink_fill(&cfg, &(struct remote_stats){ .queued_records = 0 }) == 0);
        assert_true(overload_sink_fill(&cfg, &records) == 0.25);
        assert_true(overload_sink_fill(&cfg, &bytes) == 0.5);
        assert_true(overload_sink_fill(&cfg, &(struct remote_stats){ .queued_records = 300 }) == 1);
    }
}

static void where_the_queue_goes_to_disk_the_disk_counts(void **state)
{
    (void)state;
    const struct sink_delivery cfg = limits(SINK_FULL_SPOOL);
    const struct remote_stats full_queue = { .queued_records = 100, .queued_bytes = 1000, .spooled_bytes = 2500 };
    assert_true(overload_sink_fill(&cfg, &full_queue) == 0.25);
    assert_true(overload_sink_fill(&cfg, &(struct remote_stats){ .spooled_bytes = 10001 }) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_counts_by_what_it_runs_out_of_first),
        cmocka_unit_test(where_the_queue_goes_to_disk_the_disk_counts),
    };
    return cmocka_run_group_tests_name("overload", tests, NULL, NULL);
}
