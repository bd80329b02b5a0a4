/* The engine of a remote sink, against a sink that answers as it is told, on every backend of collector/io. */
#include "tests/unit/remote-fixture.h"

#include "collector/delivery/deadletter.h"

static void assert_each_delivered_once(uint64_t count)
{
    for (uint64_t n = 0; n < count; n++)
        assert_int_equal(f->delivered[n], 1);
    assert_int_equal(f->order_breaks, 0);
}

/* effect: remote.batch_size */
static void a_batch_is_sent_when_it_is_full_or_has_waited(void **state)
{
    struct fake_ticket a, b;
    fake_option(f, "batch_size", "10");
    start();
    fake_put(f, 9, 20, &a);
    fake_run(f, 0);
    assert_int_equal(f->requests, 0);
    fake_put(f, 1, 20, &b);
    fake_run(f, 0);
    assert_int_equal(f->requests, 1);
    assert_int_equal(f->last_count, 10);
    fake_run(f, 0);
    assert_int_equal(a.settled + b.settled, 2);
    fake_put(f, 1, 20, &a);
    fake_run(f, NS_PER_S - 1);
    assert_int_equal(f->requests, 1);
    assert_true(remote_deadline(f->r) == f->now_ns + 1);
    fake_run(f, 1);
    assert_int_equal(f->requests, 2);
    fake_run(f, 0);
    assert_each_delivered_once(11);
    assert_true(remote_is_idle(f->r, true));
    assert_true(fake_is_balanced(f));
}

static void C_23_a_request_holds_more_under_pressure(void **state)
{
    static struct fake_ticket t[5];
    (void)state;
    fake_option(f, "batch_size", "10");
    start();
    remote_scale_batches(f->r, 4);
    for (int i = 0; i < 5; i++)
        fake_put(f, 10, 20, &t[i]);
    fake_run(f, 0);
    assert_int_equal(f->last_count, 40);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    remote_scale_batches(f->r, 1);
    for (int i = 0; i < 2; i++)
        fake_put(f, 10, 20, &t[i]);
    fake_run(f, 0);
    assert_int_equal(f->last_count, 10);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    remote_scale_batches(f->r, 8);
    fake_option(f, "batch_size", "1");
    fake_put(f, 5, 20, &t[0]);
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_int_equal(f->last_count, 1);
    assert_each_delivered_once(75);
}

static void an_empty_parcel_is_settled_by_the_next_run(void **state)
{
    struct fake_ticket t;
    start();
    fake_put(f, 0, 20, &t);
    assert_int_equal(t.settled, 0);
    assert_int_equal(remote_deadline(f->r), 0);
    fake_run(f, 0);
    assert_int_equal(t.settled, 1);
}

static uint32_t counts[16];
static uint64_t payloads[16];

static bool note_sizes(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)a;
    counts[g->requests - 1] = q->count;
    payloads[g->requests - 1] = q->bytes;
    return true;
}

static void limits_of_the_protocol_hold_at_their_edges(void **state)
{
    struct fake_ticket t;
    f->script = note_sizes;
    f->limits = (struct sink_limits){ .records = 7, .bytes = 1000, .entry_overhead = 26, .entry_bytes = 974 };
    start();
    fake_put(f, 14, 100, &t); /* 126 each: 7 are 882, 8 would be 1008 */
    fake_put(f, 1, 974, &t);  /* exactly what a request and a record may have */
    fake_put(f, 1, 975, &t);  /* never sent */
    fake_until(f, NS_PER_S, f->requests == 3 && fake_stats(f).dead == 1);
    assert_int_equal(counts[0], 7);
    assert_int_equal(counts[1], 7);
    assert_int_equal(counts[2], 1);
    assert_int_equal(payloads[2], 974);
    fake_run(f, 0);
    assert_int_equal(fake_stats(f).delivered, 15);
    assert_true(fake_is_balanced(f));
}

static void a_request_spans_no_more_time_than_allowed(void **state)
{
    struct fake_ticket t;
    f->script = note_sizes;
    f->limits.span_ns = 1000;
    start();
    struct parcel *p = fake_parcel(f, 3, 20);
    struct entry_head *h = (void *)p->data;
    for (int i = 0; i < 3; i++) {
        h->time_ns = i == 2 ? 5001 : 4000 + 1000 * i; /* 1000 apart, then 1001 */
        h = (void *)((char *)h + h->bytes);
    }
    fake_put_parcel(f, p, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 1);
}

static bool fail_twice(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)q;
    if (g->requests <= 2)
        *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 503, .reason = "busy" };
    return true;
}

static void what_fails_is_tried_again_until_it_is_delivered(void **state)
{
    struct fake_ticket t;
    f->script = fail_twice;
    start();
    fake_put(f, 5, 20, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(f->requests, 3);
    assert_int_equal(f->last_attempt, 3);
    const struct remote_stats s = fake_stats(f);
    assert_int_equal(s.failed, 2);
    assert_int_equal(s.retried, 2);
    assert_int_equal(s.delivered, 5);
    assert_each_delivered_once(5);
}

static bool throttle_once(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)q;
    if (g->requests == 1)
        *a = (struct sink_result){ .outcome = SINK_RETRY, .status = 429, .retry_after_ns = 60 * NS_PER_S };
    return true;
}

static void retry_after_is_waited_for_by_all_requests(void **state)
{
    struct fake_ticket t, u;
    f->script = throttle_once;
    start();
    fake_put(f, 1, 20, &t);
    fake_run(f, NS_PER_S);
    fake_run(f, 0);
    fake_put(f, 1, 20, &u);
    fake_run(f, 60 * NS_PER_S - 1);
    assert_int_equal(f->requests, 1);
    fake_run(f, 1);
    assert_true(f->requests > 1);
    fake_until(f, NS_PER_S, t.settled && u.settled);
}

static bool ask_for_a_pause(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)q;
    *a = *(const struct sink_result *)g->arg;
    return true;
}

/* RFC 9110 10.2.3: it is of answers that lead to another request. */
static void retry_after_of_what_is_not_tried_again_holds_back_nothing(void **state)
{
    struct sink_result answers[] = {
        { .outcome = SINK_DELIVERED, .status = 200, .retry_after_ns = 60 * NS_PER_S },
        { .outcome = SINK_REFUSED, .status = 413, .reason = "too large", .retry_after_ns = 60 * NS_PER_S },
    };
    f->script = ask_for_a_pause;
    start();
    for (unsigned i = 0; i < ARRAY_COUNT(answers); i++) {
        struct fake_ticket t, u;
        const unsigned before = f->requests;
        f->arg = &answers[i];
        fake_put(f, 1, 20, &t);
        fake_until(f, 10 * NS_PER_MS, t.settled);
        fake_put(f, 1, 20, &u);
        fake_run(f, NS_PER_S);
        fake_run(f, 0);
        assert_int_equal(f->requests, before + 2);
        fake_until(f, NS_PER_MS, u.settled);
    }
}

static bool poison(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g;
    for (uint32_t i = 0; i < q->count; i++)
        if (fake_number(q->entry[i]) == 13)
            *a = (struct sink_result){ .outcome = SINK_REFUSED, .status = 400, .reason = "no such field" };
    return true;
}

static int expect_dead(void *arg, const struct spool_file_head *file, const struct spool_item *i)
{
    unsigned *seen = arg;
    assert_non_null(file);
    assert_string_equal(file->sink, "fake");
    assert_int_equal(fake_number(i->entry), 13);
    assert_int_equal(i->dead->status, 400);
    assert_int_equal(i->dead->attempts, 1);
    assert_memory_equal(i->reason, "no such field", i->dead->reason_len);
    (*seen)++;
    return 0;
}

/* fluent-bit#4905: one rejected document retried for ever. */
static void a_refused_request_is_halved_until_the_poison_stands_alone(void **state)
{
    struct fake_ticket t;
    struct err e;
    char path[FAKE_PATH + 32];
    unsigned seen = 0;
    uint64_t damaged;
    f->script = poison;
    start();
    fake_put(f, 100, 20, &t);
    fake_until(f, NS_PER_S, t.settled);
    const struct remote_stats s = fake_stats(f);
    assert_int_equal(s.delivered, 99);
    assert_int_equal(s.dead, 1);
    assert_int_equal(s.breaker_opened, 0);
    assert_true(s.bisected >= 6 && s.bisected <= 7);
    assert_true(fake_is_balanced(f));
    assert_int_equal(f->delivered[13], 0);
    (void)snprintf(path, sizeof path, "%s/dead/fake", f->state);
    assert_int_equal(deadletter_replay(path, expect_dead, &seen, &damaged, &e), 0);
    assert_int_equal(seen, 1);
    assert_int_equal(damaged, 0);
}

static bool refuse_all(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q;
    *a = (struct sink_result){ .outcome = SINK_REFUSED, .status = 400, .reason = "no" };
    return true;
}

static int dead_count(void *arg, const struct spool_file_head *file, const struct spool_item *i)
{
    (void)file, (void)i;
    ++*(unsigned *)arg;
    return 0;
}

/* effect: remote.dead_letter_max_bytes */
static void the_oldest_dead_letters_are_given_up_for_room_and_counted(void **state)
{
    static struct fake_ticket t[100];
    struct err e;
    char path[FAKE_PATH + 32];
    unsigned seen = 0;
    uint64_t damaged;
    f->script = refuse_all;
    fake_option(f, "batch_size", "1");
    fake_option(f, "dead_letter_max_bytes", "64KB");
    start();
    for (int i = 0; i < 100; i++) {
        struct parcel *p = fake_parcel(f, 1, 2000);
        char *payload = (char *)entry_payload((const struct entry_head *)(const void *)p->data);
        uint64_t x = (uint64_t)i + 1;
        for (int k = 0; k < 2000; k++) /* nothing that could be packed */
            payload[k] = (char)((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
        fake_put_parcel(f, p, &t[i]);
        fake_until(f, NS_PER_MS, t[i].settled);
    }
    const struct remote_stats s = fake_stats(f);
    assert_int_equal(s.dead, 100);
    assert_true(fake_is_balanced(f));
    (void)snprintf(path, sizeof path, "%s/dead/fake", f->state);
    assert_int_equal(deadletter_replay(path, dead_count, &seen, &damaged, &e), 0);
    assert_int_equal(seen + s.dead_evicted, 100);
    assert_true(seen >= 20 && seen <= 31);
}

static void a_record_longer_than_all_dead_letters_is_counted(void **state)
{
    struct fake_ticket t;
    f->script = refuse_all;
    fake_option(f, "dead_letter_max_bytes", "64KB");
    start();
    fake_put(f, 1, 64 << 10, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(fake_stats(f).dropped_refused, 1);
    assert_int_equal(fake_stats(f).dead, 0);
    assert_true(fake_is_balanced(f));
}

static bool partial(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    if (g->requests > 1)
        return true;
    for (uint32_t i = 0; i < q->count; i++) {
        if (i % 3 == 1)
            g->retry[a->retry_count++] = i;
        else if (i % 10 == 0)
            g->rejected[a->rejected_count++] = i;
    }
    a->retry = g->retry;
    a->rejected = g->rejected;
    (void)snprintf(a->reason, sizeof a->reason, "some of them");
    return true;
}

/* fluent-bit#1029, vector#25799: 429 items of a bulk reply lost; fluent-bit#6342: all of it sent again. */
static void of_a_partial_answer_only_what_failed_is_repeated(void **state)
{
    struct fake_ticket t;
    f->script = partial;
    start();
    fake_put(f, 30, 20, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(f->requests, 2);
    assert_int_equal(f->last_count, 10);
    assert_int_equal(f->last_attempt, 1); /* of this set */
    assert_int_equal(fake_stats(f).dead, 2); /* 0 and 20; 10 is to be repeated */
    assert_int_equal(fake_stats(f).delivered, 28);
    for (int i = 0; i < 30; i++)
        assert_int_equal(f->delivered[i], i != 0 && i != 20);
    assert_true(fake_is_balanced(f));
}

static bool only_a_number(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    partial(g, q, a);
    a->refused_count = g->requests > 1 ? q->count : 5;
    return true;
}

/* OTLP says how many it has rejected, and not which. */
static void what_is_refused_without_a_name_is_counted_and_no_dead_letter(void **state)
{
    struct fake_ticket t;
    f->script = only_a_number;
    start();
    fake_put(f, 30, 20, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(f->requests, 2); /* the second has the 10 to be repeated, all of which are refused */
    assert_int_equal(fake_stats(f).dead, 2);
    assert_int_equal(fake_stats(f).dropped_refused, 5 + 10);
    assert_int_equal(fake_stats(f).delivered, 30 - 2 - 15);
    assert_int_equal(fake_stats(f).failed, 0);
    assert_true(fake_is_balanced(f));
}

static void the_breaker_opens_lets_one_probe_through_and_closes(void **state)
{
    struct fake_ticket t[6];
    f->script = always_fail;
    fake_option(f, "batch_size", "1");
    fake_option(f, "breaker_threshold", "3");
    start();
    for (int i = 0; i < 6; i++)
        fake_put(f, 1, 20, &t[i]);
    fake_until(f, NS_PER_MS, fake_stats(f).breaker == REMOTE_OPEN);
    const unsigned sent = f->requests;
    assert_true(remote_is_failing(f->r));
    fake_run(f, 30 * NS_PER_S - 1000 * NS_PER_MS);
    assert_int_equal(f->requests, sent);
    f->script = hold;
    fake_run(f, NS_PER_S);
    fake_run(f, 0);
    assert_int_equal(f->requests, sent + 1); /* one probe */
    assert_int_equal(fake_stats(f).breaker, REMOTE_HALF_OPEN);
    fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_RETRY });
    fake_run(f, 0);
    assert_int_equal(fake_stats(f).breaker, REMOTE_OPEN);
    assert_int_equal(fake_stats(f).breaker_opened, 2);
    f->script = NULL;
    fake_until(f, NS_PER_S, remote_is_idle(f->r, true));
    assert_int_equal(fake_stats(f).breaker, REMOTE_CLOSED);
    assert_each_delivered_once(6);
    assert_false(remote_is_failing(f->r));
}

static bool broken(struct fake *g, struct sink_request *q, struct sink_result *a)
{
    (void)g, (void)q;
    *a = (struct sink_result){ .outcome = SINK_BROKEN, .status = 401, .reason = "who are you" };
    return true;
}

static void a_broken_sink_opens_the_breaker_at_once_and_costs_no_attempt(void **state)
{
    struct fake_ticket t;
    f->script = broken;
    fake_option(f, "retry_max_attempts", "1");
    start();
    fake_put(f, 3, 20, &t);
    fake_run(f, NS_PER_S);
    fake_run(f, 0);
    assert_int_equal(f->requests, 1);
    assert_int_equal(fake_stats(f).breaker, REMOTE_OPEN);
    assert_string_equal(fake_stats(f).last_reason, "who are you");
    f->script = NULL;
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(fake_stats(f).dead, 0);
    assert_each_delivered_once(3);
}

/* effect: remote.breaker_enabled */
static void without_a_breaker_each_request_is_tried(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "breaker_enabled", "false");
    start();
    fake_put(f, 3, 20, &t);
    fake_until(f, NS_PER_S, f->requests == 20);
    assert_int_equal(fake_stats(f).breaker_opened, 0);
}

static void a_breaker_that_is_switched_off_while_open_closes(void **state)
{
    struct fake_ticket t;
    f->script = broken;
    start();
    fake_put(f, 3, 20, &t);
    fake_until(f, NS_PER_MS, fake_stats(f).breaker == REMOTE_OPEN);
    const unsigned sent = f->requests;
    const uint64_t opened_ns = f->now_ns;
    f->script = NULL;
    fake_option(f, "breaker_enabled", "false");
    fake_until(f, 10 * NS_PER_MS, t.settled); /* after the back-off */
    assert_true(f->now_ns - opened_ns < 2 * NS_PER_S);
    assert_int_equal(f->requests, sent + 1);
    assert_int_equal(fake_stats(f).breaker, REMOTE_CLOSED);
    assert_each_delivered_once(3);
}

/* effect: remote.retry_max_attempts */
static void after_so_many_attempts_a_record_is_a_dead_letter(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "retry_max_attempts", "3");
    start();
    fake_put(f, 4, 20, &t);
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(f->requests, 3);
    assert_int_equal(fake_stats(f).dead, 4);
    assert_true(fake_is_balanced(f));
}

/* effect: remote.dead_letters remote.retry_deadline */
static void after_the_deadline_a_record_is_a_dead_letter_or_counted(void **state)
{
    struct fake_ticket t;
    f->script = always_fail;
    fake_option(f, "retry_deadline", "100s");
    fake_option(f, "dead_letters", "false");
    start();
    fake_put(f, 4, 20, &t);
    const uint64_t begin = f->now_ns;
    while (f->now_ns < begin + 100 * NS_PER_S - NS_PER_S) {
        fake_run(f, NS_PER_S);
        assert_int_equal(fake_stats(f).dropped_refused, 0);
    }
    fake_until(f, NS_PER_S, t.settled);
    assert_int_equal(fake_stats(f).dropped_refused, 4);
    assert_true(fake_is_balanced(f));
}

static void a_silent_server_is_given_up_after_the_timeout(void **state)
{
    struct fake_ticket t;
    f->script = hold;
    start();
    fake_put(f, 1, 20, &t);
    fake_run(f, NS_PER_S);
    assert_int_equal(f->held_count, 1);
    assert_true(remote_deadline(f->r) == f->now_ns + 10 * NS_PER_S);
    fake_run(f, 10 * NS_PER_S - 1);
    assert_int_equal(f->cancelled, 0);
    fake_run(f, 1);
    assert_int_equal(f->cancelled, 1);
    f->script = NULL;
    fake_until(f, NS_PER_S, t.settled);
    assert_each_delivered_once(1);
}

/* fluent-bit#3082: order inside a stream. */
static void where_one_request_is_allowed_nothing_overtakes(void **state)
{
    struct fake_ticket t[20];
    f->script = fail_twice;
    f->limits.in_flight = 1;
    fake_option(f, "batch_size", "5");
    start();
    for (int i = 0; i < 20; i++)
        fake_put(f, 5, 20, &t[i]);
    fake_until(f, NS_PER_S / 10, remote_is_idle(f->r, true));
    assert_each_delivered_once(100);
}

/* effect: remote.max_in_flight */
static void more_requests_are_in_flight_while_they_are_fast_fewer_when_slow(void **state)
{
    static struct fake_ticket t[2000];
    int put = 0;
    f->script = hold;
    fake_option(f, "batch_size", "1");
    fake_option(f, "max_in_flight", "8");
    start();
    for (int i = 0; i < 60; i++) {
        while (put < 10 * (i + 1))
            fake_put(f, 1, 20, &t[put++]);
        fake_run(f, 10 * NS_PER_MS);
        while (f->held_count)
            fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_DELIVERED });
    }
    assert_int_equal(fake_stats(f).in_flight_limit, 8);
    for (int i = 60; i < 75; i++) {
        while (put < 10 * (i + 1))
            fake_put(f, 1, 20, &t[put++]);
        fake_run(f, 100 * NS_PER_MS);
        while (f->held_count)
            fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_DELIVERED });
    }
    assert_true(fake_stats(f).in_flight_limit <= 4);
    assert_true(fake_is_balanced(f));
}

/* A deadline that has passed and that no turn can meet makes the collector spin. */
static void while_all_requests_are_out_only_their_answers_are_waited_for(void **state)
{
    struct fake_ticket t[5];
    f->script = hold;
    fake_option(f, "batch_size", "10");
    start();
    for (int i = 0; i < 5; i++)
        fake_put(f, 10, 20, &t[i]);
    fake_run(f, 0);
    assert_int_equal(f->held_count, 2);
    assert_true(remote_deadline(f->r) == f->now_ns + f->sink->delivery.timeout_ns);
    fake_run(f, NS_PER_S);
    assert_true(remote_deadline(f->r) > f->now_ns);
    f->script = NULL;
    while (f->held_count)
        fake_answer(f, 0, &(struct sink_result){ .outcome = SINK_DELIVERED });
    fake_until(f, 0, remote_is_idle(f->r, true));
    assert_each_delivered_once(50);
}

static void what_the_ring_will_need_waits_for_no_others(void **state)
{
    struct fake_ticket a, b;
    fake_option(f, "batch_size", "100");
    start();
    fake_put(f, 5, 20, &a);
    fake_run(f, 0);
    assert_int_equal(f->requests, 0);
    remote_hurry(f->r);
    assert_true(remote_deadline(f->r) <= f->now_ns);
    fake_run(f, 0);
    assert_int_equal(f->requests, 1);
    fake_run(f, 0);
    assert_int_equal(a.settled, 1);
    assert_int_equal(fake_stats(f).spooled_records, 0);
    fake_put(f, 5, 20, &b);
    fake_run(f, 0);
    assert_int_equal(f->requests, 1); /* it was meant for those before */
    fake_run(f, NS_PER_S);
    fake_run(f, 0);
    assert_each_delivered_once(10);
}

/* Once, when the rings need the space; never while it is the server that is at fault. */
static void single_records_that_do_not_keep_up_are_told_of_once(void **state)
{
    struct fake_ticket t[4];
    fake_option(f, "batch_size", "1");
    f->script = hold;
    start();
    for (int i = 0; i < 4; i++) {
        fake_put(f, 5, 20, &t[i]);
        remote_relieve(f->r);
        fake_run(f, 0);
    }
    assert_int_equal(f->messages, 1);
    assert_non_null(strstr(f->message, "raise batch_size"));
}

static void a_server_at_fault_and_larger_requests_are_not_told_of(void **state)
{
    struct fake_ticket t[2];
    fake_option(f, "batch_size", "2");
    f->script = hold;
    start();
    fake_put(f, 5, 20, &t[0]);
    remote_relieve(f->r);
    fake_run(f, 0);
    assert_int_equal(f->messages, 0);
    fake_stop(f);
    fake_option(f, "batch_size", "1");
    f->script = always_fail;
    start();
    fake_put(f, 1, 20, &t[1]);
    fake_run(f, 0);
    fake_run(f, 0);
    remote_relieve(f->r);
    fake_run(f, 0);
    assert_null(strstr(f->message, "raise batch_size"));
}

static void hanging_up_ends_what_is_in_flight_counts_what_is_answered_and_sends_nothing_more(void **state)
{
    const struct sink_result taken = { .outcome = SINK_DELIVERED, .status = 200 };
    struct fake_ticket t;
    (void)state;
    fake_option(f, "batch_size", "7");
    fake_option(f, "on_full", "block");
    f->limits.in_flight = 3;
    f->script = hold;
    start();
    fake_put(f, 40, 100, &t);
    fake_until(f, NS_PER_MS, f->held_count > 1);
    const unsigned asked = f->requests;
    fake_answer(f, 0, &taken);
    assert_int_equal(fake_stats(f).delivered, 0);
    assert_false(remote_hang_up(f->r, f->now_ns));
    assert_int_equal(f->cancelled, asked - 1);
    assert_false(remote_hang_up(f->r, f->now_ns));
    assert_int_equal(fake_stats(f).delivered, 7);
    assert_int_equal(f->requests, asked);
    assert_int_equal(t.settled, 0); /* the ring keeps the others */
    assert_true(fake_is_balanced(f));
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(hanging_up_ends_what_is_in_flight_counts_what_is_answered_and_sends_nothing_more),
        cmocka_unit_test(a_batch_is_sent_when_it_is_full_or_has_waited),
        cmocka_unit_test(C_23_a_request_holds_more_under_pressure),
        cmocka_unit_test(an_empty_parcel_is_settled_by_the_next_run),
        cmocka_unit_test(while_all_requests_are_out_only_their_answers_are_waited_for),
        cmocka_unit_test(what_the_ring_will_need_waits_for_no_others),
        cmocka_unit_test(single_records_that_do_not_keep_up_are_told_of_once),
        cmocka_unit_test(a_server_at_fault_and_larger_requests_are_not_told_of),
        cmocka_unit_test(limits_of_the_protocol_hold_at_their_edges),
        cmocka_unit_test(a_request_spans_no_more_time_than_allowed),
        cmocka_unit_test(what_fails_is_tried_again_until_it_is_delivered),
        cmocka_unit_test(retry_after_is_waited_for_by_all_requests),
        cmocka_unit_test(retry_after_of_what_is_not_tried_again_holds_back_nothing),
        cmocka_unit_test(a_refused_request_is_halved_until_the_poison_stands_alone),
        cmocka_unit_test(of_a_partial_answer_only_what_failed_is_repeated),
        cmocka_unit_test(what_is_refused_without_a_name_is_counted_and_no_dead_letter),
        cmocka_unit_test(the_oldest_dead_letters_are_given_up_for_room_and_counted),
        cmocka_unit_test(a_record_longer_than_all_dead_letters_is_counted),
        cmocka_unit_test(the_breaker_opens_lets_one_probe_through_and_closes),
        cmocka_unit_test(a_broken_sink_opens_the_breaker_at_once_and_costs_no_attempt),
        cmocka_unit_test(without_a_breaker_each_request_is_tried),
        cmocka_unit_test(a_breaker_that_is_switched_off_while_open_closes),
        cmocka_unit_test(after_so_many_attempts_a_record_is_a_dead_letter),
        cmocka_unit_test(after_the_deadline_a_record_is_a_dead_letter_or_counted),
        cmocka_unit_test(a_silent_server_is_given_up_after_the_timeout),
        cmocka_unit_test(where_one_request_is_allowed_nothing_overtakes),
        cmocka_unit_test(more_requests_are_in_flight_while_they_are_fast_fewer_when_slow),
    };
    return run_on_every_backend(tests, ARRAY_COUNT(tests));
}
