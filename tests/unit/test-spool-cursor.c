/* What of a spool is settled, as the next process finds it. */
#include "collector/delivery/spool/cursor.h"

#include <errno.h>
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

enum { RECORDS = 100, BEHIND = 7 * CURSOR_NEAR };

static char dir[] = "/tmp/fapilog-cursor-XXXXXX", path[64];
static struct cursor c;

static void open_it(void)
{
    struct err e;
    cursor_open(&c, dir, &e);
    assert_non_null(c.file);
}

static void open_again(void)
{
    cursor_close(&c);
    open_it();
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/fapilog-cursor-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/" CURSOR_FILE, dir);
    open_it();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cursor_close(&c);
    (void)unlink(path);
    return rmdir(dir);
}

/* Its record of that index and no other one. */
static void assert_settled(uint64_t sequence, uint32_t index)
{
    for (uint32_t i = 0; i < RECORDS; i++)
        assert_int_equal(cursor_is_settled(&c, sequence, i), i == index);
    assert_int_equal(cursor_unsettled(&c, sequence, RECORDS), RECORDS - 1);
}

static void the_next_number_is_behind_all_that_were_begun(void **state)
{
    (void)state;
    assert_int_equal(cursor_next(&c), 1);
    cursor_begin(&c, 3);
    cursor_begin(&c, 2);
    open_again();
    assert_int_equal(cursor_next(&c), 4);
    cursor_begin(&c, BEHIND); /* in a far slot */
    open_again();
    assert_int_equal(cursor_next(&c), BEHIND + 1);
    c.map->slot[0].sequence = UINT64_MAX; /* damage must not use up the numbers */
    assert_int_equal(cursor_next(&c), BEHIND + 1);
}

static void what_is_settled_far_ahead_of_the_oldest_block_is_kept(void **state)
{
    (void)state;
    cursor_set_base(&c, 10);
    for (uint64_t sequence = 10; sequence < 10 + CURSOR_NEAR; sequence++)
        cursor_begin(&c, sequence);
    for (uint32_t k = 0; k < CURSOR_FAR; k++) { /* all of one index, were they near */
        cursor_begin(&c, BEHIND + k * CURSOR_NEAR);
        cursor_settle(&c, BEHIND + k * CURSOR_NEAR, k % RECORDS);
    }
    cursor_settle(&c, 10, 7);
    open_again();
    for (uint32_t k = 0; k < CURSOR_FAR; k++)
        assert_settled(BEHIND + k * CURSOR_NEAR, k % RECORDS);
    assert_settled(10, 7);
    assert_int_equal(cursor_unsettled(&c, 11, RECORDS), RECORDS);
}

static void one_block_more_is_not_kept_before_another_is_done(void **state)
{
    (void)state;
    const uint64_t last = BEHIND + CURSOR_FAR;
    cursor_set_base(&c, 10);
    for (uint64_t sequence = BEHIND; sequence < last; sequence++)
        cursor_begin(&c, sequence);
    cursor_begin(&c, last);
    cursor_settle(&c, last, 1);
    assert_int_equal(cursor_unsettled(&c, last, RECORDS), RECORDS);
    cursor_set_base(&c, BEHIND + 1);
    cursor_begin(&c, 2 * last);
    cursor_settle(&c, 2 * last, 1);
    open_again();
    assert_settled(2 * last, 1);
}

static void a_block_that_comes_near_keeps_what_was_settled_when_it_was_far(void **state)
{
    (void)state;
    cursor_set_base(&c, 10);
    cursor_begin(&c, BEHIND);
    cursor_settle(&c, BEHIND, 3);
    cursor_set_base(&c, BEHIND - 1);
    cursor_begin(&c, BEHIND);
    assert_settled(BEHIND, 3);
    cursor_set_base(&c, BEHIND + 1);
    assert_int_equal(cursor_unsettled(&c, BEHIND, RECORDS), 0);
}

static void blocks_that_are_done_are_kept_however_many_they_are(void **state)
{
    enum { MANY = 10 * CURSOR_FAR };
    (void)state;
    cursor_set_base(&c, 10);
    for (uint64_t sequence = 11; sequence < MANY; sequence++) {
        cursor_begin(&c, sequence);
        for (uint32_t i = 0; i < RECORDS; i++)
            cursor_settle(&c, sequence, i);
        cursor_settle_whole(&c, sequence);
    }
    cursor_begin(&c, MANY); /* they have given their slots up */
    cursor_settle(&c, MANY, 3);
    open_again();
    assert_int_equal(cursor_unsettled(&c, 10, RECORDS), RECORDS);
    for (uint64_t sequence = 11; sequence < MANY; sequence++) {
        assert_int_equal(cursor_unsettled(&c, sequence, RECORDS), 0);
        assert_true(cursor_is_settled(&c, sequence, SPOOL_BLOCK_RECORDS - 1));
    }
    assert_settled(MANY, 3);
    assert_int_equal(cursor_touched(&c, 11, MANY), MANY - 11);
    assert_int_equal(cursor_touched(&c, 0, UINT64_MAX), MANY - 10);
    assert_int_equal(cursor_next(&c), MANY + 1);
}

static void the_bits_of_done_blocks_are_those_of_the_latest_ones(void **state)
{
    enum { ROUND = 64 * CURSOR_GROUPS };
    (void)state;
    const uint64_t base = 1000, first = base + 24, last = first + ROUND - 1; /* first: of a group of its own */
    assert_int_equal(first % 64, 0);
    cursor_set_base(&c, base);
    cursor_settle_whole(&c, base - 1); /* before: done anyway, and its group must not be begun for it */
    cursor_settle_whole(&c, first);
    cursor_settle_whole(&c, last);
    open_again();
    assert_int_equal(cursor_unsettled(&c, first, RECORDS), 0);
    assert_int_equal(cursor_unsettled(&c, last, RECORDS), 0);
    assert_int_equal(cursor_next(&c), last + 1);
    assert_int_equal(cursor_touched(&c, 0, UINT64_MAX), 2);
    assert_int_equal(cursor_kept_from(&c), first);
    cursor_settle_whole(&c, last + 1); /* there is no room for both */
    cursor_settle_whole(&c, first + 1);
    open_again();
    assert_int_equal(cursor_kept_from(&c), first + 64);
    assert_int_equal(cursor_unsettled(&c, first, RECORDS), RECORDS);
    assert_int_equal(cursor_unsettled(&c, first + 1, RECORDS), RECORDS);
    assert_int_equal(cursor_unsettled(&c, last, RECORDS), 0);
    assert_int_equal(cursor_unsettled(&c, last + 1, RECORDS), 0);
}

/* The bits of a group that is done serve another one, which must not inherit them. */
static void of_a_block_that_is_done_none_a_round_later_is(void **state)
{
    (void)state;
    const uint64_t later = 70 + CURSOR_GROUPS * 64;
    cursor_set_base(&c, 10);
    cursor_settle_whole(&c, 70);
    assert_int_equal(cursor_unsettled(&c, later, RECORDS), RECORDS);
    cursor_set_base(&c, later - 100);
    cursor_settle_whole(&c, later + 1);
    open_again();
    assert_int_equal(cursor_unsettled(&c, later, RECORDS), RECORDS);
    assert_int_equal(cursor_unsettled(&c, later + 1, RECORDS), 0);
}

static void damaged_bits_of_done_blocks_do_not_count(void **state)
{
    (void)state;
    cursor_settle_whole(&c, 70);
    struct cursor_group *g = &c.file->group[70 / 64 + 1];
    g->done |= UINT64_C(1) << 7; /* one that its complement does not say */
    open_again();
    assert_int_equal(cursor_unsettled(&c, 70, RECORDS), 0);
    assert_int_equal(cursor_unsettled(&c, 71, RECORDS), RECORDS);
    assert_int_equal(cursor_next(&c), 71);
    c.map->group[70 / 64 + 1].key = UINT64_MAX; /* damage must not use up the numbers */
    assert_int_equal(cursor_next(&c), 1);
    assert_int_equal(cursor_touched(&c, 0, UINT64_MAX), 0);
}

/* The file as the disk may have it after a power failure: words, sectors and pages of it are from before. */
static char before[sizeof(struct cursor_map)], after[sizeof(struct cursor_map)];

static void file_read(char *to)
{
    memcpy(to, c.file, sizeof before);
}

/* What lies in from..to-1 is of `other`, the rest of `most`. */
static void file_write(const char *most, const char *other, size_t from, size_t to)
{
    FILE *const file = fopen(path, "r+");
    cursor_close(&c);
    assert_non_null(file);
    assert_int_equal(fwrite(most, sizeof before, 1, file), 1);
    assert_int_equal(fseek(file, (long)from, SEEK_SET), 0);
    assert_int_equal(fwrite(other + from, 1, to - from, file), to - from);
    assert_int_equal(fclose(file), 0);
    open_it();
}

/* All of the present block but one record is to be delivered. */
static void assert_nothing_else_is_settled(uint64_t sequence, uint32_t index)
{
    for (uint32_t i = 0; i < SPOOL_BLOCK_RECORDS; i++)
        assert_true(i == index || !cursor_is_settled(&c, sequence, i));
}

static void what_a_torn_slot_has_of_its_former_block_does_not_count_for_the_next(void **state)
{
    const uint64_t old = 3, next = old + CURSOR_NEAR;
    const size_t at = offsetof(struct cursor_map, slot[3]), size = sizeof(struct cursor_slot);
    (void)state;
    cursor_begin(&c, old);
    for (uint32_t i = 0; i < SPOOL_BLOCK_RECORDS; i++)
        cursor_settle(&c, old, i);
    file_read(before);
    cursor_set_base(&c, old + 1);
    cursor_begin(&c, next);
    cursor_settle(&c, next, 7);
    file_read(after);
    for (size_t cut = 8; cut < size; cut += 8) {
        file_write(after, before, at + cut, at + size);
        assert_nothing_else_is_settled(next, 7);
        file_write(after, before, at + 8, at + cut);
        assert_nothing_else_is_settled(next, 7);
    }
    file_write(after, before, at + 8, at + size); /* and it can be used */
    cursor_settle(&c, next, 9);
    assert_true(cursor_is_settled(&c, next, 9));
    assert_nothing_else_is_settled(next, 9);
}

static void what_a_torn_group_has_of_former_blocks_does_not_count_for_the_next(void **state)
{
    const uint64_t old = 3 * 64, next = old + 64 * CURSOR_GROUPS;
    const size_t at = offsetof(struct cursor_map, group[4]);
    (void)state;
    for (uint64_t i = old; i < old + 64; i++)
        cursor_settle_whole(&c, i);
    file_read(before);
    cursor_set_base(&c, old + 64);
    cursor_settle_whole(&c, next + 7);
    file_read(after);
    assert_int_equal(c.map->group[4].key, next / 64 + 1);
    for (size_t from = 8; from < 24; from += 8) {
        for (size_t to = from + 8; to <= 24; to += 8) {
            file_write(after, before, at + from, at + to);
            for (uint64_t i = next; i < next + 64; i++)
                assert_true(i == next + 7 || cursor_unsettled(&c, i, 1) == 1);
        }
    }
}

static void a_file_of_another_version_is_told_of_and_begun_anew(void **state)
{
    struct err e;
    (void)state;
    cursor_set_base(&c, 10);
    cursor_begin(&c, 12);
    cursor_settle(&c, 12, 3);
    memcpy(&c.file->magic, "SPLCURS1", 8);
    cursor_close(&c);
    cursor_open(&c, dir, &e);
    assert_non_null(c.file);
    assert_int_equal(e.code, -EBADMSG);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(c.base, 0);
    assert_int_equal(cursor_unsettled(&c, 12, RECORDS), RECORDS);
    cursor_close(&c);
    cursor_open(&c, dir, &e);
    assert_int_equal(e.code, 0);
}

static void a_file_without_bits_for_done_blocks_gets_them(void **state)
{
    (void)state;
    cursor_begin(&c, 1);
    cursor_settle(&c, 1, 2);
    cursor_close(&c);
    assert_int_equal(truncate(path, offsetof(struct cursor_map, group)), 0);
    open_it();
    assert_settled(1, 2);
    cursor_settle_whole(&c, BEHIND);
    open_again();
    assert_int_equal(cursor_unsettled(&c, BEHIND, RECORDS), 0);
}

static void a_file_without_far_slots_gets_them(void **state)
{
    (void)state;
    cursor_begin(&c, 1);
    cursor_settle(&c, 1, 2);
    cursor_close(&c);
    assert_int_equal(truncate(path, offsetof(struct cursor_map, slot[CURSOR_NEAR])), 0);
    open_it();
    assert_settled(1, 2);
    cursor_begin(&c, BEHIND);
    cursor_settle(&c, BEHIND, 3);
    open_again();
    assert_settled(BEHIND, 3);
}

/* As on a disk that has no room for the file to grow: the limit stands for it. */
static void a_file_that_cannot_grow_is_read_and_replaced_later(void **state)
{
    struct rlimit before, tight;
    struct err e;
    (void)state;
    cursor_set_base(&c, 3);
    cursor_begin(&c, 4);
    cursor_settle(&c, 4, 5);
    cursor_close(&c);
    assert_int_equal(truncate(path, offsetof(struct cursor_map, group)), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = (struct rlimit){ offsetof(struct cursor_map, group), before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    cursor_open(&c, dir, &e);
    const int r = cursor_mend(&c, dir, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_null(c.file);
    assert_true(r < 0);
    assert_int_equal(c.base, 3);
    assert_settled(4, 5);
    assert_int_equal(cursor_mend(&c, dir, &e), 0);
    open_again();
    assert_int_equal(c.base, 3);
    assert_settled(4, 5);
}

static void where_there_was_none_a_file_takes_over_from_memory(void **state)
{
    struct err e;
    (void)state;
    cursor_close(&c);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    cursor_open(&c, dir, &e);
    assert_null(c.file);
    assert_non_null(strstr(e.text, path));
    cursor_set_base(&c, 3);
    cursor_set_noted(&c, 9);
    cursor_begin(&c, 4);
    cursor_settle(&c, 4, 5);
    cursor_begin(&c, BEHIND);
    cursor_settle(&c, BEHIND, 6);
    assert_true(cursor_mend(&c, dir, &e) < 0 && e.code < 0 && strstr(e.text, path));
    assert_settled(4, 5);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0); /* cannot be opened either */
    assert_int_equal(cursor_mend(&c, dir, &e), 0);
    open_again();
    assert_int_equal(c.base, 3);
    assert_int_equal(c.noted, 9);
    assert_settled(4, 5);
    assert_settled(BEHIND, 6);
}

/* By whatever did not know better, while it is mapped. */
static void a_file_that_is_cut_is_made_again_with_all_that_was_in_it(void **state)
{
    struct err e;
    (void)state;
    open_again(); /* cmocka has put its handler in front of the guard's */
    for (int cut_to = 0; cut_to < 3; cut_to++) {
        const uint64_t first = 20 + 100 * (uint64_t)cut_to;
        cursor_set_base(&c, first);
        cursor_set_noted(&c, first + 20);
        cursor_begin(&c, first + 2);
        cursor_settle(&c, first + 2, 3);
        assert_int_equal(truncate(path, cut_to == 1 ? 100000 : 0), 0);
        if (cut_to == 2) /* and as long as before */
            assert_int_equal(truncate(path, sizeof(struct cursor_map)), 0);
        cursor_settle(&c, first + 2, 4);
        cursor_settle_whole(&c, first + 7);
        cursor_begin(&c, first + 100 + 2 * BEHIND);
        assert_true(cursor_is_settled(&c, first + 2, 3) && cursor_is_settled(&c, first + 2, 4));
        assert_true(cursor_was_cut(&c));
        assert_false(cursor_was_cut(&c));
        cursor_settle(&c, first + 2, 5);
        assert_int_equal(cursor_mend(&c, dir, &e), 0);
        cursor_settle(&c, first + 2, 6);
        open_again();
        assert_false(cursor_was_cut(&c));
        assert_int_equal(c.base, first);
        assert_int_equal(c.noted, first + 20);
        assert_int_equal(cursor_unsettled(&c, first + 2, RECORDS), RECORDS - 4);
        assert_int_equal(cursor_unsettled(&c, first + 7, RECORDS), 0);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_next_number_is_behind_all_that_were_begun),
        T(what_is_settled_far_ahead_of_the_oldest_block_is_kept),
        T(one_block_more_is_not_kept_before_another_is_done),
        T(a_block_that_comes_near_keeps_what_was_settled_when_it_was_far),
        T(blocks_that_are_done_are_kept_however_many_they_are),
        T(the_bits_of_done_blocks_are_those_of_the_latest_ones),
        T(of_a_block_that_is_done_none_a_round_later_is),
        T(damaged_bits_of_done_blocks_do_not_count),
        T(what_a_torn_slot_has_of_its_former_block_does_not_count_for_the_next),
        T(what_a_torn_group_has_of_former_blocks_does_not_count_for_the_next),
        T(a_file_of_another_version_is_told_of_and_begun_anew),
        T(a_file_that_is_cut_is_made_again_with_all_that_was_in_it),
        T(a_file_without_bits_for_done_blocks_gets_them),
        T(a_file_without_far_slots_gets_them),
        T(a_file_that_cannot_grow_is_read_and_replaced_later),
        T(where_there_was_none_a_file_takes_over_from_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
