/* Images (collector/delivery/image.h) in the engine of a remote sink, on every backend of collector/io: whatever holds
 * for entries holds for them. */
#include "tests/unit/io-probe.h"

#include "collector/delivery/image.h"
#include "lib/base/check.h"
#include "tests/common/fake_remote.h"

static struct fake fake;
static struct fake *const f = &fake;

static int setup(void **state)
{
    fake_init(f, *state);
    f->sink->delivery.batch_interval_ns = NS_PER_S;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_done(f);
    return 0;
}

static void start(void)
{
    struct err e;
    assert_int_equal(fake_start(f, &e), 0);
}

static bool always_fail(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q;
    *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 503, .reason = "busy" };
    return true;
}

static bool hold(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q, (void)a;
    return false;
}

static void put_image(uint32_t count, struct fake_ticket *t)
{
    fake_put_parcel(f, fake_image(f, count, 100), t);
}

static void assert_each_delivered_once(uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        assert_int_equal(f->delivered[n], 1);
}

static void one_that_fails_or_hangs_wants_images(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    f->sink->delivery.batch_interval_ns = 0;
    start();
    assert_false(remote_wants_images(f->r));
    f->script = hold;
    fake_put(f, 1, 100, &t[0]);
    fake_run(f, 1);
    assert_int_equal(f->held_count, 1);
    assert_false(remote_wants_images(f->r)); /* it may be about to answer */
    fake_run(f, NS_PER_S / 2);
    assert_true(remote_wants_images(f->r));
    fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_RETRY });
    fake_run(f, 1);
    assert_true(remote_wants_images(f->r));
    f->script = NULL;
    fake_until(f, NS_PER_S, t[0].settled);
    assert_false(remote_wants_images(f->r));
}

static void an_image_that_need_not_be_spooled_is_sent_as_it_is(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    f->sink->delivery.on_full = SINK_FULL_BLOCK;
    f->sink->delivery.batch_size = 7;
    start();
    put_image(20, &t[0]);
    fake_put(f, 20, 100, &t[1]);
    put_image(20, &t[2]);
    assert_int_equal(fake_stats(f).queued_records, 60);
    assert_true(fake_stats(f).oldest_ns > 0);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_true(t[0].settled && t[1].settled && t[2].settled);
    assert_each_delivered_once(0, 60);
    assert_int_equal(fake_stats(f).queued_bytes, 0);
    assert_true(fake_is_balanced(f));
}

static void images_are_spooled_at_once_and_a_second_run_delivers_them(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    f->script = always_fail;
    start();
    fake_put(f, 20, 100, &t[0]);
    put_image(20, &t[1]);
    fake_until(f, 0, t[1].settled);
    assert_true(t[0].settled); /* what is older goes before it */
    assert_int_equal(fake_stats(f).spooled_records, 40);
    put_image(4096, &t[2]); /* as much as a block may hold */
    fake_until(f, 0, t[2].settled);
    assert_true(fake_is_balanced(f));
    fake_stop(f);
    f->script = NULL;
    start();
    assert_int_equal(fake_stats(f).taken, 40 + 4096);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 40 + 4096);
    assert_true(fake_is_balanced(f));
}

static void order_is_kept_where_images_and_entries_take_turns(void **state)
{
    static struct fake_ticket t[60];
    (void)state;
    f->script = always_fail;
    f->limits.in_flight = 1;
    f->sink->delivery.queue_records = 100;
    f->sink->delivery.batch_size = 7;
    start();
    for (int i = 0; i < 60; i++) {
        if (i % 3)
            put_image(10, &t[i]);
        else
            fake_put(f, 10, 100, &t[i]);
        if (i == 40)
            f->script = NULL;
        fake_run(f, NS_PER_S);
    }
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 600);
    assert_int_equal(f->order_breaks, 0);
    assert_true(fake_is_balanced(f));
}

static void drop_newest_refuses_an_image_for_which_there_is_no_room(void **state)
{
    struct fake_ticket t[3];
    (void)state;
    f->script = always_fail;
    f->sink->delivery.on_full = SINK_FULL_DROP_NEWEST;
    f->sink->delivery.queue_records = 50;
    start();
    assert_false(remote_refuses(f->r, 50, 1));
    assert_true(remote_refuses(f->r, 51, 1));
    assert_true(remote_refuses(f->r, 1, f->sink->delivery.queue_bytes + 1));
    put_image(40, &t[0]);
    put_image(11, &t[1]); /* as a whole */
    put_image(10, &t[2]);
    remote_refuse(f->r, 7, 700);
    fake_run(f, 0);
    assert_true(t[0].settled && t[1].settled && t[2].settled);
    assert_int_equal(fake_stats(f).dropped_full, 11 + 7);
    assert_int_equal(fake_stats(f).taken, 61 + 7);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(0, 40);
    assert_each_delivered_once(51, 61);
    assert_int_equal(fake_stats(f).delivered, 50);
    assert_true(fake_is_balanced(f));
}

static void drop_oldest_gives_up_the_oldest_images(void **state)
{
    struct fake_ticket t;
    (void)state;
    f->script = always_fail;
    f->sink->delivery.on_full = SINK_FULL_DROP_OLDEST;
    f->sink->delivery.queue_records = 50;
    f->sink->delivery.breaker_enabled = false;
    start();
    for (int i = 0; i < 30; i++) {
        put_image(20, &t);
        fake_run(f, 0);
        assert_true(fake_stats(f).queued_records <= 50);
        assert_true(fake_is_balanced(f));
    }
    assert_int_equal(fake_stats(f).dropped_full, 600 - 40);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_each_delivered_once(560, 600);
    assert_true(fake_is_balanced(f));
}

static void what_has_waited_too_long_in_an_image_is_a_dead_letter(void **state)
{
    struct fake_ticket t;
    (void)state;
    f->script = always_fail;
    f->sink->delivery.on_full = SINK_FULL_BLOCK;
    f->sink->delivery.retry_deadline_ns = 10 * NS_PER_S;
    start();
    put_image(20, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(fake_stats(f).dead, 20);
    assert_true(fake_is_balanced(f));
}

static void at_the_end_images_get_one_attempt_or_are_given_up(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    f->sink->delivery.on_full = SINK_FULL_DROP_OLDEST;
    f->sink->delivery.batch_size = 10;
    f->sink->delivery.breaker_threshold = f->sink->delivery.max_in_flight = 1;
    f->script = always_fail;
    start();
    put_image(10, &t[0]);
    put_image(10, &t[1]);
    remote_stop(f->r, f->now_ns + NS_PER_S);
    fake_until(f, NS_PER_S / 10, remote_is_idle(f->r, true));
    assert_int_equal(f->requests, 1);
    assert_int_equal(fake_stats(f).dropped_full, 20);
    assert_true(fake_is_balanced(f));
}

/* What a hostile producer has made of it meanwhile. */
static void records_that_cannot_be_decoded_are_counted(void **state)
{
    struct fake_ticket t[2];
    (void)state;
    f->sink->delivery.on_full = SINK_FULL_BLOCK;
    start();
    struct parcel *all = fake_image(f, 10, 100), *some = fake_image(f, 10, 100);
    memset(all->data, 0, all->bytes);
    memset(some->data + some->bytes - 8, 0xff, 8); /* of the last record's message: no damage */
    some->data[some->bytes - 100 - 56] ^= 0x7f;
    fake_put_parcel(f, all, &t[0]);
    fake_put_parcel(f, some, &t[1]);
    fake_until(f, NS_PER_S, t[0].settled && t[1].settled);
    assert_true(fake_stats(f).dropped_corrupt >= 10);
    assert_int_equal(fake_stats(f).dropped_corrupt + fake_stats(f).delivered, 20);
    assert_true(fake_is_balanced(f));
    assert_true(remote_is_idle(f->r, true));
}

static int nothing(void *arg, const struct fapilog_record *r)
{
    ++*(uint64_t *)arg;
    return r->level > 31;
}

/* Block checksums tell damage on the disk; what a hostile producer has made is inside them. */
static void an_image_of_any_bytes_is_read_as_far_as_it_goes(void **state)
{
    struct image_reader reader = {0};
    uint64_t random = 88172645463325252u, records = 0;
    (void)state;
    struct parcel *p = fake_image(f, 10, 40);
    char *copy = malloc(p->bytes);
    assert_non_null(copy);
    for (unsigned round = 0; round < 5000; round++) {
        memcpy(copy, p->data, p->bytes);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            copy[random % p->bytes] ^= (char)(1u << random / p->bytes % 8);
        }
        assert_int_equal(image_each(&reader, copy, round % 5 ? p->bytes : random % p->bytes, nothing, &records), 0);
    }
    assert_true(records > 5000); /* most of them are still there */
    image_reader_done(&reader);
    free(copy);
    parcel_unref(p);
}

int main(void)
{
    static struct io_config cfg[] = {
        { .kind = IO_AUTO, .queue_depth = 16 },
        { .kind = IO_PLAIN, .queue_depth = 16 },
        { .kind = IO_SIM, .queue_depth = 16, .sim_seed = 7 },
    };
    struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_fails_or_hangs_wants_images),
        cmocka_unit_test(an_image_that_need_not_be_spooled_is_sent_as_it_is),
        cmocka_unit_test(images_are_spooled_at_once_and_a_second_run_delivers_them),
        cmocka_unit_test(order_is_kept_where_images_and_entries_take_turns),
        cmocka_unit_test(drop_newest_refuses_an_image_for_which_there_is_no_room),
        cmocka_unit_test(drop_oldest_gives_up_the_oldest_images),
        cmocka_unit_test(what_has_waited_too_long_in_an_image_is_a_dead_letter),
        cmocka_unit_test(at_the_end_images_get_one_attempt_or_are_given_up),
        cmocka_unit_test(records_that_cannot_be_decoded_are_counted),
        cmocka_unit_test(an_image_of_any_bytes_is_read_as_far_as_it_goes),
    };
    int failed = 0;
    for (size_t b = 0; b < ARRAY_COUNT(cfg); b++) {
        for (size_t i = 0; i < ARRAY_COUNT(tests); i++) {
            tests[i].setup_func = setup;
            tests[i].teardown_func = teardown;
            tests[i].initial_state = &cfg[b];
        }
        failed += _cmocka_run_group_tests(b == 0 ? "io_uring" : b == 1 ? "plain" : "sim", tests, ARRAY_COUNT(tests),
                                          NULL, NULL);
    }
    return failed;
}
