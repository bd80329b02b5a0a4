/* A sink beside a disk that takes its time: this test holds each fdatasync until it is told to let it end. */
#include "tests/unit/remote-fixture.h"

#include "collector/delivery/spool/seglog.h"
#include "tests/common/held_syncs.h"

static void put(struct fake_ticket *t)
{
    fake_put(f, 100, 1000, t);
    remote_relieve(f->r);
}

static void a_write_that_waits_for_the_disk_asks_for_no_turn_at_once(void **state)
{
    static struct fake_ticket t[SEGLOG_SYNCS + 2];
    bool is_refused = true, waits = true;
    (void)state;
    memset(t, 0, sizeof t);
    f->script = hold;
    fake_option(f, "spool_sync_interval", "1h");
    f->sink->delivery.spool_segment_bytes = 1; /* each group has a file of its own */
    start();
    for (unsigned i = 0; i <= SEGLOG_SYNCS; i++) {
        put(&t[i]);
        fake_until(f, 0, t[i].settled);
        assert_int_equal(held_count, i);
    }
    put(&t[SEGLOG_SYNCS + 1]);
    for (unsigned i = 0; i < 3; i++) {
        fake_run(f, 0);
        is_refused &= !t[SEGLOG_SYNCS + 1].settled;
        waits &= remote_deadline(f->r) > f->now_ns && remote_deadline(f->r) < f->now_ns + NS_PER_S / 10;
    }
    while (held_count) /* before a check may fail, so that there is an end */
        sync_ends(0);
    assert_true(is_refused);
    assert_true(waits);
    fake_until(f, 10 * NS_PER_MS, t[SEGLOG_SYNCS + 1].settled);
    assert_true(fake_is_balanced(f));
    while (held_count)
        sync_ends(0);
}

/* All is settled and nothing waits, and yet it must not be closed: that would wait for the disk. */
static void who_has_nothing_left_to_do_is_busy_while_its_disk_is(void **state)
{
    static struct fake_ticket t;
    (void)state;
    memset(&t, 0, sizeof t);
    f->script = hold;
    fake_option(f, "spool_sync_interval", "10ms");
    start();
    put(&t);
    fake_until(f, 10 * NS_PER_MS, held_count);
    remote_stop(f->r, f->now_ns);
    for (unsigned i = 0; i < 100 && !remote_is_idle(f->r, false); i++)
        fake_run(f, NS_PER_MS);
    const bool is_idle = remote_is_idle(f->r, false), is_busy = remote_is_busy(f->r);
    while (held_count) /* before a check may fail, so that there is an end */
        sync_ends(0);
    assert_true(is_idle);
    assert_true(is_busy);
    assert_false(remote_is_busy(f->r));
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_waits_for_the_disk_asks_for_no_turn_at_once),
        cmocka_unit_test(who_has_nothing_left_to_do_is_busy_while_its_disk_is),
    };
    return run_on_every_backend(tests, ARRAY_COUNT(tests));
}
