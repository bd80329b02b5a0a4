#include "collector/delivery/acked/slots.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS = 400, OURS = 7, OTHER = 8 };

struct place {
    char dir[64], file[96];
    struct acked *a;
    struct acked_stream s;
    struct parcel *p;
    const struct entry_head *entry[RECORDS];
    bool settled[RECORDS];
    uint64_t random;
};

static uint64_t draw(struct place *x, uint64_t below)
{
    x->random = x->random * 6364136223846793005u + 1442695040888963407u;
    return (x->random >> 33) % below;
}

static int setup(void **state)
{
    struct place *x = calloc(1, sizeof *x);
    (void)snprintf(x->dir, sizeof x->dir, "/tmp/test-acked-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    (void)snprintf(x->file, sizeof x->file, "%s/" ACKED_FILE, x->dir);
    x->random = clock_mono_ns();
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct place *x = *state;
    acked_close(x->a);
    parcel_unref(x->p);
    (void)unlink(x->file);
    assert_int_equal(rmdir(x->dir), 0);
    free(x);
    return 0;
}

static struct acked *open_it(const struct place *x)
{
    struct acked *a = NULL;
    struct err e = { 0 };
    if (acked_open(x->dir, &a, &e) != 0)
        fail_msg("%s", e.text);
    return a;
}

/* The next collector. */
static void open_again(struct place *x)
{
    acked_close(x->a);
    x->a = open_it(x);
    x->s = acked_begin(x->a, OURS);
}

/* Records of `lanes` lanes of two segments, in any order of lanes; each third one is the collector's own if `own`. */
static void parcel_make(struct place *x, uint32_t lanes, bool own)
{
    parcel_unref(x->p);
    x->p = parcel_new(RECORDS * entry_bound(16));
    memset(x->settled, 0, sizeof x->settled);
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct entry_head *h = (struct entry_head *)(void *)(x->p->data + x->p->bytes);
        struct fapilog_record r = { .level = 9, .time_ns = 1000 + i };
        r.id.lane = (uint32_t)draw(x, lanes);
        r.id.position = 64 * (uint64_t)(i + 1);
        r.id.uuid[3] = (uint8_t)(r.id.lane % 2);
        r.internal = own && i % 3 == 0;
        memcpy(h + 1, "payload", 7);
        x->p->bytes += (uint64_t)(entry_finish(h, &r, 0, 0, (char *)(h + 1) + 7) - (char *)h);
        x->p->payload_bytes += h->payload_len;
        x->p->records++;
        x->entry[i] = h;
    }
}

static void settle(struct place *x, uint32_t at, uint32_t n)
{
    acked_entries(&x->s, at, x->entry[at], n);
    memset(x->settled + at, true, n * sizeof x->settled[0]);
}

/* What a collector that begins now gives to the sink; bits by record. */
static void given_again(struct place *x, uint64_t identity, bool again[RECORDS])
{
    struct acked *next = open_it(x);
    struct parcel *rest;
    const struct entry_head *h;
    uint32_t records = 0;
    uint64_t payload = 0;
    memset(again, 0, RECORDS * sizeof again[0]);
    assert_int_equal(acked_leave_out(next, identity, x->p, &rest), 0);
    for (uint64_t at = 0; at < rest->bytes; at += h->bytes, records++) {
        h = entry_at(rest->data + at, rest->bytes - at);
        assert_non_null(h);
        again[h->position / 64 - 1] = true;
        payload += h->payload_len;
    }
    assert_int_equal(records, rest->records);
    assert_int_equal(payload, rest->payload_bytes);
    parcel_unref(rest);
    acked_close(next);
}

static void check_given(struct place *x)
{
    bool again[RECORDS];
    given_again(x, OURS, again);
    for (uint32_t i = 0; i < RECORDS; i++) {
        const bool is_left_out = x->settled[i] && !(x->entry[i]->flags & ENTRY_INTERNAL);
        if (again[i] == is_left_out)
            fail_msg("record %u: settled %d, given again %d", i, x->settled[i], again[i]);
    }
}

/* By whatever did not know better, while it is mapped. */
static void a_file_that_is_cut_is_made_again_with_all_notes(void **state)
{
    struct place *x = *state;
    struct err e;
    char path_new[128];
    uint64_t now = NS_PER_S;
    (void)snprintf(path_new, sizeof path_new, "%s.new", x->file);
    open_again(x);
    parcel_make(x, 3, false);
    for (uint32_t i = 0; i < 4; i++, now += NS_PER_S) {
        settle(x, 40 * i, 10);
        assert_int_equal(acked_mend(x->a, now, &e), 0);
        check_given(x);
        assert_int_equal(truncate(x->file, 0), 0);
        if (i == 1) /* and as long as before */
            assert_int_equal(truncate(x->file, sizeof(struct acked_file)), 0);
        settle(x, 40 * i + 20, 10);
        if (i == 2) {
            assert_int_equal(mkdir(path_new, 0700), 0);
            assert_true(acked_mend(x->a, now, &e) < 0);
            assert_non_null(strstr(e.text, "was cut"));
            assert_int_equal(acked_mend(x->a, now, &e), 0); /* not yet */
            assert_int_equal(rmdir(path_new), 0);
            now += NS_PER_S;
        }
        assert_int_equal(acked_mend(x->a, now, &e), 1);
        assert_non_null(strstr(e.text, ACKED_FILE " was cut"));
        check_given(x);
    }
}

static void what_is_settled_in_any_order_is_left_out_and_nothing_else(void **state)
{
    struct place *x = *state;
    print_message("random %" PRIu64 "\n", x->random);
    for (uint32_t round = 0; round < 20; round++) {
        const uint32_t lanes = 1 + (uint32_t)draw(x, round % 2 ? 5 : 200);
        open_again(x);
        const bool own = round % 3 == 0; /* a piece of nothing else leaves no note to join with */
        parcel_make(x, lanes, own);
        const uint32_t piece = 1 + own + (uint32_t)draw(x, 40), pieces = (RECORDS + piece - 1) / piece;
        uint32_t order[RECORDS];
        for (uint32_t i = 0; i < pieces; i++) {
            const uint32_t k = (uint32_t)draw(x, i + 1);
            order[i] = order[k];
            order[k] = i;
        }
        for (uint32_t i = 0; i < pieces; i++) {
            const uint32_t at = order[i] * piece;
            settle(x, at, RECORDS - at < piece ? RECORDS - at : piece);
            if (i % 8 == 0 || i + 1 == pieces)
                check_given(x);
        }
        assert_true(acked_count(x->a) <= lanes); /* all of it is one run: a note for each lane */
        assert_int_equal(acked_left_out(x->a), 0);
        for (uint32_t lane = 0; lane < lanes; lane++) {
            const struct position done = { .uuid_hi = lane % 2 ? UINT64_C(1) << 24 : 0, .lane = lane,
                                           .done = 64 * (RECORDS + 1) };
            acked_forget(x->a, &done, 1);
        }
        assert_int_equal(acked_count(x->a), 0);
    }
}

static void neighbours_that_left_no_note_do_not_keep_notes_apart(void **state)
{
    enum { PIECE = 40 }; /* in which each of three lanes has records, but once in some million runs */
    struct place *x = *state;
    open_again(x);
    parcel_make(x, 3, false);
    for (uint32_t at = 0; at < RECORDS; at += PIECE) {
        if (at / PIECE % 2)
            acked_pass(&x->s, at, PIECE);
        else
            settle(x, at, PIECE);
    }
    assert_true(acked_count(x->a) <= 3);
    memset(x->settled, true, (RECORDS - PIECE) * sizeof x->settled[0]); /* what lies between is settled, too */
    check_given(x);
}

static void notes_are_for_one_sink(void **state)
{
    struct place *x = *state;
    bool again[RECORDS];
    open_again(x);
    parcel_make(x, 3, false);
    settle(x, 0, RECORDS);
    given_again(x, OTHER, again);
    for (uint32_t i = 0; i < RECORDS; i++)
        assert_true(again[i]);
    open_again(x);
    assert_true(acked_has(x->a, OURS) && !acked_has(x->a, OTHER));
    acked_keep(x->a, (const uint64_t[]){ OTHER, OURS }, 2);
    check_given(x);
    acked_keep(x->a, (const uint64_t[]){ OTHER }, 1); /* it has left the configuration */
    assert_int_equal(acked_count(x->a), 0);
    given_again(x, OURS, again);
    assert_true(again[0]);
}

static void two_engines_of_a_sink_number_their_records_apart(void **state)
{
    struct place *x = *state;
    open_again(x);
    parcel_make(x, 1, false);
    settle(x, 0, 10);
    x->s = acked_begin(x->a, OURS);
    acked_entries(&x->s, 10, x->entry[50], 10); /* follows in number, but not in this stream */
    memset(x->settled + 50, true, 10 * sizeof x->settled[0]);
    check_given(x);
    assert_int_equal(acked_count(x->a), 2);
}

static void a_lane_that_does_not_rise_is_not_bridged(void **state)
{
    struct place *x = *state;
    open_again(x);
    parcel_make(x, 1, false);
    acked_entries(&x->s, 0, x->entry[100], 10);
    acked_entries(&x->s, 10, x->entry[20], 10); /* a neighbour by its number, and before it in the lane */
    memset(x->settled + 100, true, 10 * sizeof x->settled[0]);
    memset(x->settled + 20, true, 10 * sizeof x->settled[0]);
    acked_entries(&x->s, 20, x->entry[105], 10); /* it comes twice */
    memset(x->settled + 105, true, 10 * sizeof x->settled[0]);
    check_given(x);
}

static struct acked_place far_away(uint32_t i)
{
    return (struct acked_place){ { 1, 2 }, 1000 * UINT64_C(100) + i, 1000 * UINT64_C(100) + i, 10 + i };
}

static void what_finds_no_room_comes_twice_and_what_is_there_still_grows(void **state)
{
    struct place *x = *state;
    open_again(x);
    parcel_make(x, 1, false);
    settle(x, 0, 10);
    for (uint32_t i = 1; i < ACKED_NOTES_MAX; i++)
        acked_stretch(x->a, OURS, &(struct acked_place){ { 1, 2 }, far_away(i).first, far_away(i).last, 10 + i });
    assert_int_equal(acked_count(x->a), ACKED_NOTES_MAX);
    assert_int_equal(acked_left_out(x->a), 0);
    acked_entries(&x->s, 100, x->entry[100], 10);
    acked_stretch(x->a, OURS, &(struct acked_place){ { 1, 2 }, 5, 5, 9 });
    assert_int_equal(acked_left_out(x->a), 2);
    assert_int_equal(acked_count(x->a), ACKED_NOTES_MAX);
    settle(x, 10, 20); /* of a lane that has a note */
    check_given(x);
    acked_forget(x->a, &(struct position){ .uuid_hi = 1, .uuid_lo = 2, .lane = 11, .done = UINT64_MAX }, 1);
    settle(x, 100, 10);
    assert_int_equal(acked_left_out(x->a), 2);
    assert_int_equal(acked_count(x->a), ACKED_NOTES_MAX);
    check_given(x);
}

static void damage_costs_notes_and_no_record(void **state)
{
    struct place *x = *state;
    bool again[RECORDS];
    print_message("random %" PRIu64 "\n", x->random);
    for (uint32_t round = 0; round < 200; round++) {
        open_again(x);
        acked_keep(x->a, NULL, 0);
        parcel_make(x, 5, false);
        for (uint32_t at = 0; at < RECORDS; at += 40)
            settle(x, at, 20);
        acked_close(x->a);
        x->a = NULL;
        const int fd = open(x->file, O_RDWR);
        assert_true(fd >= 0);
        for (uint32_t i = 0; i < 20; i++) {
            const off_t at = (off_t)(sizeof(struct acked_head) + draw(x, 64 * sizeof(struct acked_slot)));
            const uint8_t value = (uint8_t)draw(x, 256);
            assert_int_equal(pwrite(fd, &value, 1, at), 1);
        }
        (void)close(fd);
        given_again(x, OURS, again);
        for (uint32_t i = 0; i < RECORDS; i++)
            assert_true(again[i] || x->settled[i]);
    }
}

/* Records of a spool's block, in their order; what lies between two of them may be on its way to the server. */
static void of_a_block_that_is_found_only_what_follows_is_bridged(void **state)
{
    struct place *x = *state;
    print_message("random %" PRIu64 "\n", x->random);
    for (uint32_t round = 0; round < 20; round++) {
        open_again(x);
        parcel_make(x, 1 + (uint32_t)draw(x, round % 2 ? 3 : 200), round % 3 == 0);
        struct parcel *block = parcel_new(x->p->bytes);
        uint32_t next = RECORDS;
        for (uint32_t i = 0; i < RECORDS; i++) {
            if (draw(x, 4) == 0)
                continue;
            struct entry_head *h = memcpy(block->data + block->bytes, x->entry[i], x->entry[i]->bytes);
            h->flags |= i == next ? ENTRY_FOLLOWS : 0;
            block->bytes += h->bytes;
            x->settled[i] = true;
            next = i + 1;
        }
        acked_found_entries(x->a, OURS, block->data, block->bytes);
        const uint32_t count = acked_count(x->a);
        check_given(x);
        acked_found_entries(x->a, OURS, block->data, block->bytes); /* killed before it was noted that it is */
        assert_int_equal(acked_count(x->a), count);
        parcel_unref(block);
        acked_keep(x->a, NULL, 0); /* as notes of former collectors, which they are */
        assert_int_equal(acked_count(x->a), 0);
    }
}

static void check_begun_anew(struct place *x, const char *what)
{
    struct err e = { 0 };
    bool again[RECORDS];
    struct stat st;
    const int r = acked_open(x->dir, &x->a, &e);
    if (r != 1 || !strstr(e.text, "begun anew") || !strstr(e.text, x->file))
        fail_msg("%s: %d %s", what, r, e.text);
    assert_int_equal(stat(x->file, &st), 0);
    assert_int_equal(st.st_size, sizeof(struct acked_file));
    given_again(x, OURS, again);
    assert_true(again[0]);
    acked_close(x->a);
    x->a = NULL;
}

static void a_file_that_is_not_ours_is_begun_anew(void **state)
{
    struct place *x = *state;
    for (uint32_t at = 0; at < sizeof(struct acked_head); at++) {
        open_again(x);
        parcel_make(x, 1, false);
        settle(x, 0, 10);
        acked_close(x->a);
        x->a = NULL;
        const int fd = open(x->file, O_RDWR);
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        (void)close(fd);
        check_begun_anew(x, "a bit of the head");
    }
    assert_int_equal(truncate(x->file, sizeof(struct acked_file) - 1), 0);
    check_begun_anew(x, "too short");
    assert_int_equal(truncate(x->file, sizeof(struct acked_file) + 1), 0);
    check_begun_anew(x, "too long");
    assert_int_equal(truncate(x->file, 0), 0);
    check_begun_anew(x, "empty");
}

static void without_room_for_the_file_there_is_none_and_it_is_said(void **state)
{
    struct place *x = *state;
    struct err e = { 0 };
    const struct rlimit small = { 1000, RLIM_INFINITY };
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int r = acked_open(x->dir, &x->a, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(r, -EFBIG);
    assert_null(x->a);
    assert_non_null(strstr(e.text, x->file));
    assert_int_equal(rmdir(x->dir), 0); /* nothing is left behind */
    assert_int_equal(acked_open(x->dir, &x->a, &e), -ENOENT);
    assert_int_equal(mkdir(x->dir, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_is_cut_is_made_again_with_all_notes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_settled_in_any_order_is_left_out_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_that_left_no_note_do_not_keep_notes_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(notes_are_for_one_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(two_engines_of_a_sink_number_their_records_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lane_that_does_not_rise_is_not_bridged, setup, teardown),
        cmocka_unit_test_setup_teardown(what_finds_no_room_comes_twice_and_what_is_there_still_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_block_that_is_found_only_what_follows_is_bridged, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_costs_notes_and_no_record, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_ours_is_begun_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(without_room_for_the_file_there_is_none_and_it_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
